"""Drawing of how robots move: maps of their modes of motion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...engine.errors import InputError
from .style import described, new_figure, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "rest": "0.88",
    "in place": "#8d7b68",
    "straight": "#1f5a94",
    "circle": "#e08e2b",
    "rosette": "#7d3c98",
    "irregular": "#222222",
    "lost": "white",
}


@styled
def motion_map(data: xr.Dataset, axes: Axes | None = None) -> Figure:
    """Draw the modes of motion over two parameters: each cell has a stripe for each of its starts.

    Parameters
    ----------
    data : Dataset
        The result of :func:`attrax.analysis.motion_map` over two parameters.
    axes : Axes, optional
        A new figure by default.

    Raises
    ------
    InputError
        If the map has not two parameters.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    modes = data["mode"]
    if modes.ndim != 3:
        raise InputError(f"expected a map over two parameters, not over {', '.join(map(str, modes.dims[:-1]))}")
    if axes is None:
        axes = new_figure(data, (6.4, 4.8)).subplots()
    x, y = (str(dim) for dim in modes.dims[:2])
    stripes = np.sort(modes.transpose(x, "start", y).values, axis=1).reshape(-1, modes.sizes[y])
    names = modes.attrs["names"].split(", ")
    axes.pcolormesh(
        np.linspace(*_ends(data[x].values), len(stripes) + 1),
        np.linspace(*_ends(data[y].values), modes.sizes[y] + 1),
        stripes.T,
        cmap=ListedColormap([COLOURS[name] for name in names]),
        vmin=-0.5,
        vmax=len(names) - 0.5,
        rasterized=True,
    )
    shown = [name for k, name in enumerate(names) if (modes == k).any()]
    patches = [Patch(facecolor=COLOURS[name], label=name) for name in shown]
    axes.figure.legend(handles=patches, loc="outside right upper")
    axes.set_xlabel(described(data[x]))
    axes.set_ylabel(described(data[y]))
    return axes.figure


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Outer edges of equally spaced cells."""
    half = (values[-1] - values[0]) / max(2 * (len(values) - 1), 1) or 0.5
    return float(values[0] - half), float(values[-1] + half)
