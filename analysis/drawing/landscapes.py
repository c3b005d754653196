"""Drawing of attractor metadynamics: the attractors of the fast subsystem along a trajectory, and over a plane."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...engine.errors import InputError
from .style import colours_of, described, labelled, new_figure, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORDERS = {0: ("0.6", "undecided"), 1: ("#d1495b", "first order"), 2: ("#edae49", "second order")}
STATE = "#1f5a94"
CYCLE = "#3c9d6b"
MOST_NAMES = 12
"""Slow variables that a legend names."""
MOST_ARROWS = 16
"""Arrows of the slow flow along each axis."""


@styled
def metadynamics(data: xr.Dataset, axes: Sequence[Axes] | None = None, *, variable: str | None = None) -> Figure:
    """Draw the state among the adiabatic attractors, its distance from its target, and the slow variables.

    Stable fixed points of the fast subsystem are dark, unstable ones light, the ends of cycles green; lines mark the
    changes of the attractor that the state was on its way to.

    Parameters
    ----------
    data : Dataset
        The result of :func:`attrax.analysis.metadynamics`.
    axes : three Axes, optional
        A new figure by default.
    variable : str, optional
        A fast state, or an element such as ``"x[0]"``; the first by default.

    Raises
    ------
    InputError
        If there is no such element.
    """
    fast = [str(name).removesuffix("_fixed") for name in data.data_vars if str(name).endswith("_fixed")]
    slow = [str(name).removesuffix("_drift") for name in data.data_vars if str(name).endswith("_drift")]
    name, index = _element(data, fast, variable)
    if axes is None:
        axes = new_figure(data, (8.0, 5.6)).subplots(3, 1, sharex=True, height_ratios=(3, 1, 1.5))
        axes[0].figure.align_ylabels(axes)
    above, middle, below = axes
    time = np.asarray(data["time"])
    for branch, unstable in zip(data[f"{name}_fixed"].values, data["unstable"].values, strict=True):
        values = branch[(slice(None), *index)]
        above.plot(time, np.where(unstable > 0, values, np.nan), ":", color="0.6", linewidth=0.9)
        above.plot(time, np.where(unstable == 0, values, np.nan), "-", color="0.15", linewidth=1.1)
    if data.sizes.get("cycle", 0):
        for end in ("low", "high"):
            for cycle, unstable in zip(data[f"{name}_{end}"].values, data["cycle_unstable"].values, strict=True):
                values = cycle[(slice(None), *index)]
                above.plot(time, np.where(unstable > 0, values, np.nan), ":", color=CYCLE, linewidth=0.9)
                above.plot(time, np.where(unstable == 0, values, np.nan), "-", color=CYCLE, linewidth=1.1)
    above.plot(time, data[name].values[(slice(None), *index)], color=STATE, linewidth=1.2)
    _legend(above, data)
    middle.plot(time, data["distance"], color=STATE)
    middle.set_ylim(bottom=0.0)
    middle.set_ylabel("distance")
    for block in slow:
        columns = data[block].values.reshape(len(time), -1)
        for k, colour in enumerate(colours_of(columns.shape[1]) if len(slow) == 1 else [None] * columns.shape[1]):
            shown = columns[:, k] - (columns[:, k].mean() if len(slow) > 1 else 0.0)
            below.plot(time, shown, color=colour, label=f"{block}[{k}]" if columns.shape[1] > 1 else block)
    below.set_ylabel("slow, less means" if len(slow) > 1 else slow[0])
    if len(below.lines) <= MOST_NAMES:
        below.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.0)
    above.set_ylabel(f"{name}[{', '.join(map(str, index))}]" if index else name)
    below.set_xlabel(described(data["time"]))
    for panel in axes:
        panel.margins(x=0.0)
    return above.figure


def _legend(axes: Axes, data: xr.Dataset) -> None:
    """The lines of the changes, and what all lines mean."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=STATE, label="state"),
        Line2D([], [], color="0.15", label="attractors"),
        Line2D([], [], color="0.6", linestyle=":", label="unstable"),
    ]
    if data.sizes.get("cycle", 0):
        handles.insert(2, Line2D([], [], color=CYCLE, label="cycles, from low to high"))
    visited = data["visited"].values.astype(bool)
    for order, (colour, meaning) in ORDERS.items():
        times = data["change_time"].values[visited & (data["order"].values == order)]
        for each in times:
            axes.axvline(each, color=colour, linewidth=0.8)
        if len(times):
            handles.append(Line2D([], [], color=colour, label=f"change of {meaning}"))
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.2)


@styled
def landscape(data: xr.Dataset, axes: Axes | None = None, *, path: xr.Dataset | None = None) -> Figure:
    """Draw how many attractors the fast subsystem has over two slow variables, and the slow flow on them.

    Parameters
    ----------
    data : Dataset
        The result of :func:`attrax.analysis.landscape` over a grid of two numbers.
    axes : Axes, optional
        A new figure by default.
    path : Dataset, optional
        A trajectory of the full system, or its metadynamics, to be drawn into the plane.

    Raises
    ------
    InputError
        If the grid has not two dimensions.
    """
    from matplotlib.colors import ListedColormap

    counts = data["attractors"]
    if counts.ndim != 2 or set(counts.dims) - set(data.coords):
        raise InputError(
            f"expected a landscape over a grid of two numbers, not over {', '.join(map(str, counts.dims))}"
        )
    x, y = (str(dim) for dim in counts.dims)
    if axes is None:
        axes = new_figure(data, (6.4, 5.0)).subplots()
    low, high = int(counts.min()), int(counts.max())
    colours = ListedColormap(["0.97", *(str(shade) for shade in np.linspace(0.88, 0.6, max(high - low, 1)))])
    image = axes.pcolormesh(
        data[x], data[y], counts.T, cmap=colours, vmin=low - 0.5, vmax=low + colours.N - 0.5, rasterized=True
    )
    axes.figure.colorbar(image, ax=axes, ticks=range(low, high + 1), label="number of stable fixed points", pad=0.01)
    if {f"{x}_drift", f"{y}_drift"} <= set(data.data_vars):
        stride = {dim: max(1, data.sizes[dim] // MOST_ARROWS) for dim in (x, y)}
        some = data.isel({dim: slice(step // 2, None, step) for dim, step in stride.items()})
        spans = {dim: float(np.ptp(data[dim].values)) for dim in (x, y)}
        for k, colour in zip(range(data.sizes["point"]), colours_of(data.sizes["point"]), strict=True):
            one = some.isel(point=k)
            there = one["unstable"] == 0
            if not there.any():
                continue
            u, v = (one[f"{dim}_drift"].where(there).transpose(y, x) / span for dim, span in spans.items())
            axes.quiver(some[x], some[y], u, v, color=colour, width=0.0025, angles="uv", alpha=0.7)
    if path is not None:
        axes.plot(path[x], path[y], color="#d1495b", linewidth=1.2)
        axes.set_xlim(float(data[x].min()), float(data[x].max()))
        axes.set_ylim(float(data[y].min()), float(data[y].max()))
    axes.set_xlabel(labelled(data[x]))
    axes.set_ylabel(labelled(data[y]))
    return axes.figure


def _element(data: xr.Dataset, blocks: list[str], variable: str | None) -> tuple[str, tuple[int, ...]]:
    """Name and index of one element of a fast block."""
    name, _, given = (variable or blocks[0]).partition("[")
    if name not in blocks:
        raise InputError(f"{name!r} is not among the fast states: {', '.join(blocks)}")
    shape = data[name].shape[1:]
    index = tuple(int(i) for i in re.findall(r"\d+", given)) or (0,) * (len(shape) if variable is None else 0)
    if len(index) != len(shape) or any(i >= n for i, n in zip(index, shape, strict=True)):
        raise InputError(f"{variable!r} is not one element of a block of shape {shape}")
    return name, index
