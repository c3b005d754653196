"""Drawing of planes: a colour at every point of a grid of two numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from ...engine.errors import InputError
from .style import MOST_CURVES, colours_of, described, new_figure, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def basins(data: xr.Dataset, axes: Axes | None = None) -> Figure:
    """Draw basins on a grid of two numbers: a colour for each attractor, white for states that reach none.

    Parameters
    ----------
    data : Dataset
        The result of :func:`attrax.analysis.basins` on a grid. The attractors are drawn into it where their states show
        the two numbers that the grid varies.
    axes : Axes, optional
        A new figure by default.

    Raises
    ------
    InputError
        If the grid has not two dimensions.
    """
    from matplotlib.colors import ListedColormap

    grid = data["basin"]
    if grid.ndim != 2:
        raise InputError(f"expected basins on a grid of two dimensions, not of {grid.ndim}")
    if axes is None:
        axes = new_figure(data, (6.4, 5.2)).subplots()
    x, y = (str(dim) for dim in grid.dims)
    count = max(data.sizes["attractor"], 1)
    colours = ListedColormap(["white", *colours_of(count)])
    axes.pcolormesh(data[x], data[y], grid.T, cmap=colours, vmin=-1.5, vmax=count - 0.5, rasterized=True)
    states = [data.get(name.removesuffix("_initial")) for name in (x, y)]
    if all(state is not None and state.dims == ("attractor", "point") for state in states):
        axes.plot(*states, linestyle="none", marker=".", markersize=3, color="#d1495b", rasterized=True)
        axes.set_xlim(float(data[x].min()), float(data[x].max()))
        axes.set_ylim(float(data[y].min()), float(data[y].max()))
    axes.set_xlabel(described(data[x]))
    axes.set_ylabel(described(data[y]))
    return axes.figure


@styled
def kick_map(data: xr.Dataset, axes: Axes | None = None) -> Figure:
    """Draw which attractor follows on a kick: a colour for each, light for the one that is kicked, white for none.

    Where blocks were named that tell the attractors apart, the legend has the range of the first of them.

    Parameters
    ----------
    data : Dataset
        The result of :func:`attrax.analysis.kick_map`.
    axes : Axes, optional
        A new figure by default.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    if axes is None:
        axes = new_figure(data, (7.0, 4.6)).subplots()
    count = data.sizes["attractor"]
    colours = ["white", "0.88", *colours_of(max(count - 1, 1))]
    follows = data["follows"].transpose("strength", "phase")
    axes.pcolormesh(
        data["phase"], data["strength"], follows, cmap=ListedColormap(colours), vmin=-1.5, vmax=len(colours) - 1.5
    )
    shown = [k for k in range(count) if (follows == k).any()]
    names = [("back to the same" if k == 0 else f"attractor {k}") + _range(data, k) for k in shown]
    patches = [Patch(facecolor=colours[k + 1], label=name) for k, name in zip(shown, names, strict=True)]
    axes.figure.legend(handles=patches, loc="outside right center")
    axes.set_xlabel(described(data["phase"]))
    axes.set_ylabel(described(data["strength"]))
    return axes.figure


def _range(data: xr.Dataset, attractor: int) -> str:
    """Of the elements of the first block that tells attractors apart."""
    if "blocks" not in data.attrs:
        return ""
    block = json.loads(data.attrs["blocks"])[0]
    own = data[block].sel(attractor=attractor)
    ends = (np.atleast_1d(np.round(each, 1) + 0.0).ravel() for each in (own.min("point"), own.max("point")))
    words = (f"{low:g}" if low == high else f"{low:g} to {high:g}" for low, high in zip(*ends, strict=True))
    return f"\n{block} {', '.join(words)}"


@styled
def winding_numbers(data: xr.Dataset, axes: Axes | None = None) -> Figure:
    """Draw winding numbers over two parameters: tongues of locked motion in colours, the rest in shades of grey.

    Parameters
    ----------
    data : Dataset
        The result of :func:`attrax.analysis.winding_numbers` on a grid of two parameters.
    axes : Axes, optional
        A new figure by default.

    Raises
    ------
    InputError
        If the grid has not two dimensions.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    winding = data["winding"]
    if winding.ndim != 2:
        raise InputError(f"expected winding numbers on a grid of two dimensions, not of {winding.ndim}")
    if axes is None:
        axes = new_figure(data, (6.8, 4.8)).subplots()
    x, y = (str(dim) for dim in winding.dims)
    grey = axes.pcolormesh(data[x], data[y], winding.T, cmap="Greys", vmin=float(winding.min()), rasterized=True)
    axes.figure.colorbar(grey, ax=axes, label=described(winding), pad=0.01)
    turns, periods = (np.asarray(data[f"locked_{what}"]) for what in ("turns", "periods"))
    pairs, sizes = np.unique(np.stack([turns, periods])[:, periods > 0], axis=1, return_counts=True)
    ratios = [tuple(pairs[:, k]) for k in np.argsort(-sizes)[:MOST_CURVES]]
    colours = colours_of(max(len(ratios), 1))
    tongues = np.full(turns.shape, np.nan)
    for k, (p, q) in enumerate(ratios):
        tongues[(turns == p) & (periods == q)] = k
    axes.pcolormesh(
        data[x], data[y], tongues.T, cmap=ListedColormap(colours), vmin=-0.5, vmax=len(colours) - 0.5, rasterized=True
    )
    patches = [Patch(facecolor=c, label=f"{p}:{q}") for c, (p, q) in zip(colours, ratios, strict=False)]
    axes.figure.legend(handles=patches, loc="outside right upper", title="turns : periods")
    axes.set_xlabel(described(data[x]))
    axes.set_ylabel(described(data[y]))
    return axes.figure


@styled
def asymptotic_phase(data: xr.Dataset, axes: Axes | None = None) -> Figure:
    """Draw asymptotic phases over two components of the state, isochrons a tenth of a period apart, and the cycle.

    Parameters
    ----------
    data : Dataset
        The result of :func:`attrax.analysis.asymptotic_phase` on a grid of two state blocks.
    axes : Axes, optional
        A new figure by default.

    Raises
    ------
    InputError
        If the grid has not two dimensions.
    """
    phase = data["asymptotic_phase"]
    if phase.ndim != 2:
        raise InputError(f"expected phases on a grid of two dimensions, not of {phase.ndim}")
    if axes is None:
        axes = new_figure(data, (6.4, 5.2)).subplots()
    x, y = (str(dim) for dim in phase.dims)
    image = axes.pcolormesh(data[x], data[y], phase.T, cmap="twilight", vmin=0, vmax=1, rasterized=True)
    axes.figure.colorbar(image, ax=axes, label=described(phase), pad=0.01)
    for level in np.arange(10) / 10:
        shifted = (np.asarray(phase.T) - level + 0.5) % 1.0 - 0.5
        near = np.where(np.abs(shifted) < 0.25, shifted, np.nan)
        axes.contour(data[x], data[y], near, levels=[0.0], colors="black", linewidths=0.5)
    cycle = [data.get(name.removesuffix("_initial")) for name in (x, y)]
    if all(each is not None and each.dims == ("phase",) for each in cycle):
        axes.plot(*cycle, color="white", linewidth=2.0)
    axes.set_xlabel(described(data[x]))
    axes.set_ylabel(described(data[y]))
    return axes.figure
