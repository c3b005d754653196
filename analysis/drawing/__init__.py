"""Drawing of trajectories and results from plain labelled data: one function per kind of figure.

Each takes an `xarray.Dataset` as attrax makes or stores it, and draws into the given axes or a new figure.
Matplotlib is imported when the first figure is drawn; without a display it falls back to its Agg backend.
To add a kind: write its function in the module of its like, import it here, and say in `kinds` which data it is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...engine.errors import InputError
from .diagrams import lyapunov_spectrum, orbit_diagram, track_attractors
from .landscapes import landscape, metadynamics
from .motion import motion_map
from .periods import isoperiodic_diagram
from .planes import asymptotic_phase, basins, kick_map, winding_numbers
from .rasters import raster, rastered
from .style import STYLE
from .trajectories import elements_over_time, phase_portrait, pick, time_series

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "STYLE",
    "asymptotic_phase",
    "basins",
    "branches",
    "isoperiodic_diagram",
    "kick_map",
    "kinds",
    "landscape",
    "lyapunov_spectrum",
    "metadynamics",
    "motion_map",
    "orbit_diagram",
    "phase_portrait",
    "pick",
    "plot",
    "raster",
    "time_series",
    "track_attractors",
    "winding_numbers",
]

OF_AN_ANALYSIS = (
    "asymptotic_phase",
    "kick_map",
    "lyapunov_spectrum",
    "metadynamics",
    "motion_map",
    "track_attractors",
    "winding_numbers",
)
"""Analyses whose results are drawn by the function of the same name."""


def plot(data: xr.Dataset, kind: str | None = None, **options) -> Figure:
    """Draw a result of attrax, in the first of the ways that suit it or in the one that is named.

    Parameters
    ----------
    data : Dataset
        A trajectory or the result of an analysis, from memory or from a file.
    kind : str, optional
        ``"time_series"``, ``"phase_portrait"``, ``"orbit_diagram"``...: one of `kinds` of the data.
    options
        Passed on to the function of that name.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If the data cannot be drawn so.
    """
    possible = kinds(data)
    if kind is None and possible:
        kind = possible[0]
    if kind not in possible:
        told = f"they can be drawn as {', '.join(possible)}" if possible else "nothing is known of how to draw them"
        raise InputError(f"these data cannot be drawn{f' as {kind!r}' if kind else ''}; {told}")
    return globals()[kind](data, **options)


def branches(data: xr.Dataset, axes: Axes | None = None, *, variable: str | None = None) -> Figure:
    """Draw the data of one branch (several together: :mod:`attrax.analysis.drawing.bifurcation_diagrams`)."""
    from . import bifurcation_diagrams

    return bifurcation_diagrams.branches([data], axes=axes, variable=variable)


def cycle(data: xr.Dataset, axes: Axes | None = None, *, variables: Sequence[str] | None = None) -> Figure:
    """Draw a limit cycle in phase space (see :func:`attrax.analysis.drawing.limit_cycles.cycles`)."""
    from . import limit_cycles

    return limit_cycles.cycles([data], axes=axes, variables=variables)


def kinds(data: xr.Dataset) -> list[str]:
    """Name the figures that can be drawn of a Dataset, which are functions of this module."""
    analysis = str(data.attrs.get("analysis", ""))
    if analysis in OF_AN_ANALYSIS:
        return [analysis]
    if analysis == "basins":
        return ["basins"] if data["basin"].ndim == 2 else []
    if analysis in ("isoperiodic_diagram", "lyapunov_diagram"):
        return [analysis.replace("lyapunov_diagram", "lyapunov_spectrum")]
    if analysis == "find_cycle":
        return ["cycle"] if "phase" in data.dims else []
    if analysis == "landscape":
        return ["landscape"] if data["attractors"].ndim == 2 else []
    if {"direction", "point"} <= set(data.dims):
        return ["orbit_diagram"]
    if "continued" in data.attrs:
        return ["branches"]
    if data.sizes.get("time", 0) < 2:
        return ["raster"] if rastered(data) else []
    return (
        ["time_series"]
        + (["phase_portrait"] if len(elements_over_time(data)) > 1 else [])
        + (["raster"] if rastered(data) else [])
    )
