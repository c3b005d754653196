"""The figures that a scenario may ask for: one model each, entered in `FIGURES`.

They are drawn by `analysis.drawing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from ..engine.errors import InputError, StorageError
from .fields import Count, Model, Positive, VariableName

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


class FigureOptions(Model):
    """What every figure has."""

    kind: ClassVar[str]

    def wanted(self) -> list[str]:
        """Name the groups without which it cannot be drawn."""
        return []

    def pictures(self, groups: Mapping[str, xr.Dataset]) -> Iterator[tuple[tuple[str, ...], Figure]]:
        """Yield what of the groups can be drawn so, with the words that name the file."""
        raise NotImplementedError


class OfOneGroup(FigureOptions):
    """A figure that shows one group; by default one of every group that can be drawn so."""

    group: str | None = None
    """The group of the output file to draw; by default every group that can be drawn so."""

    def wanted(self):
        return [self.group] if self.group else []

    def pictures(self, groups):
        from ..analysis import drawing

        options = self.model_dump(exclude={"group"}, exclude_none=True)
        for group, data in groups.items():
            if self.group in (None, group) and self.kind in drawing.kinds(data):
                words = (self.kind,) if group in ("trajectory", self.kind) else (group, self.kind)
                yield words, getattr(drawing, self.kind)(data, **options)


class TimeSeries(OfOneGroup):
    """Variables against time."""

    kind = "time_series"

    variables: list[VariableName] | None = Field(default=None, min_length=1)
    """States or observables, or elements such as y[0]; the first six by default."""
    last: Positive | None = None
    """Only this much time before the end."""


class PhasePortrait(OfOneGroup):
    """Two or three variables against each other."""

    kind = "phase_portrait"

    variables: list[VariableName] | None = Field(default=None, min_length=2, max_length=3)
    """Two or three single elements such as x or y[0]; the first three by default."""
    last: Positive | None = None
    """Only this much time before the end."""


class RasterFigure(OfOneGroup):
    """Spikes, or whatever else happens to the elements of an array, neuron against time."""

    kind = "raster"

    event: str | None = None
    """The first such event by default."""
    last: Positive | None = None
    """Only this much time before the last event."""


class OrbitDiagramFigure(OfOneGroup):
    """The recorded values of an orbit diagram over its parameter."""

    kind = "orbit_diagram"


class LyapunovFigure(OfOneGroup):
    """Lyapunov exponents over their index, or over the parameters of a sweep."""

    kind = "lyapunov_spectrum"

    exponent: Count | None = None
    """Which one, where two parameters were swept; the largest by default."""


class BasinsFigure(OfOneGroup):
    """Basins on a grid of two initial values."""

    kind = "basins"


class IsoperiodicDiagramFigure(OfOneGroup):
    """Periods over two parameters."""

    kind = "isoperiodic_diagram"


class TrackedAttractorsFigure(OfOneGroup):
    """Attractors over a parameter, and the fractions of the states that lead to them."""

    kind = "track_attractors"

    variable: VariableName | None = None
    """The state, or an element such as x[0]; the first by default."""


class MetadynamicsFigure(OfOneGroup):
    """A fast state among the attractors of the fast subsystem, its distance from its target, and the slow states."""

    kind = "metadynamics"

    variable: VariableName | None = None
    """The fast state, or an element such as x[0]; the first by default."""


class LandscapeFigure(OfOneGroup):
    """How many attractors the fast subsystem has over two slow variables, and the slow flow on them."""

    kind = "landscape"


class WindingNumbersFigure(OfOneGroup):
    """Winding numbers over two parameters: Arnold tongues."""

    kind = "winding_numbers"


class KickMapFigure(OfOneGroup):
    """Which attractor follows on kicks, over their phase and strength."""

    kind = "kick_map"


class CycleFigure(OfOneGroup):
    """A limit cycle in phase space."""

    kind = "cycle"

    variables: list[VariableName] | None = Field(default=None, min_length=1, max_length=3)
    """The two or three components that span it; the first two by default."""


class MotionMapFigure(OfOneGroup):
    """Modes of motion over two parameters."""

    kind = "motion_map"


class BranchesFigure(FigureOptions):
    """Branches over the same parameters on one axis, above the orbit diagrams over the same parameter."""

    kind = "branches"

    variable: VariableName | None = None
    """What is drawn over one parameter; what the orbit diagram shows, or the first state by default."""
    groups: list[str] | None = Field(default=None, min_length=1)
    """The branches and orbit diagrams to draw; all by default."""

    def wanted(self):
        return self.groups or []

    def pictures(self, groups):
        from ..analysis import drawing
        from ..analysis.drawing import bifurcation_diagrams

        chosen = [data for name, data in groups.items() if not self.groups or _within(name, self.groups)]
        branches = [data for data in chosen if "branches" in drawing.kinds(data)]
        diagrams = [data for data in chosen if "orbit_diagram" in drawing.kinds(data)]
        by_parameters: dict[tuple[str, ...], list[xr.Dataset]] = {}
        for data in branches:
            by_parameters.setdefault(bifurcation_diagrams.parameters(data), []).append(data)
        for parameters, together in by_parameters.items():
            below = [each for each in diagrams if parameters[0] in each.dims] if len(parameters) == 1 else []
            yield ("branches", *parameters), bifurcation_diagrams.branches(together, below, variable=self.variable)


def _within(group: str, wanted: list[str]) -> bool:
    """Whether a group is one of those wanted, or inside one of them."""
    return any(group == each or group.startswith(f"{each}/") for each in wanted)


FIGURES: dict[str, type[FigureOptions]] = {
    each.kind: each
    for each in (
        *(TimeSeries, PhasePortrait, RasterFigure, OrbitDiagramFigure, LyapunovFigure, BasinsFigure, MotionMapFigure),
        *(MetadynamicsFigure, LandscapeFigure, IsoperiodicDiagramFigure, TrackedAttractorsFigure),
        *(WindingNumbersFigure, KickMapFigure, BranchesFigure, CycleFigure),
    )
}


def draw_all(groups: Mapping[str, xr.Dataset], figures: list[FigureOptions], stem: Path) -> list[Path]:
    """Draw figures of the groups of a run into PNG files beside it.

    Parameters
    ----------
    groups : mapping of str to Dataset
        What was computed, by group name.
    figures : list of FigureOptions
        What to draw, of every group that can be drawn so or of those that a figure names.
    stem : Path
        The files are named ``<stem>_<group>_<kind>.png``, shorter where group and kind say the same.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        If a figure names a group that is not there.
    StorageError
        If a file cannot be written.
    """
    written: list[Path] = []
    for figure in figures:
        for group in figure.wanted():
            if not any(_within(name, [group]) for name in groups):
                raise InputError(f"there is no group {group!r} to draw; there are: {', '.join(groups)}")
        for words, picture in figure.pictures(groups):
            path = _unused(stem.with_name("_".join((stem.name, *words)).replace("/", "_") + ".png"), written)
            save(picture, path)
            written.append(path)
    return written


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG (150 dots per inch) and close it.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    import matplotlib.pyplot as plt

    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise StorageError(f"cannot write the figure {path}: {error.strerror or error}") from error
    finally:
        plt.close(figure)


def _unused(path: Path, taken: list[Path]) -> Path:
    number = 1
    fresh = path
    while fresh in taken:
        number += 1
        fresh = path.with_stem(f"{path.stem}_{number}")
    return fresh
