"""Drawing of isoperiodic diagrams: a colour for each period."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...engine.errors import InputError
from .style import described, new_figure, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAILED, AT_REST, APERIODIC = "1.0", "0.88", "0.15"
LISTED = 12
"""The most common periods, which the legend names."""


@styled
def isoperiodic_diagram(data: xr.Dataset, axes: Axes | None = None) -> Figure:
    """Draw periods over two parameters: dark where there is none, white where the state diverges.

    Parameters
    ----------
    data : Dataset
        The result of :func:`attrax.analysis.isoperiodic_diagram` over two parameters.
    axes : Axes, optional
        A new figure by default.

    Raises
    ------
    InputError
        If there are not two parameters.
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    if data["period"].ndim != 2:
        raise InputError(f"expected periods over two parameters, not over {data['period'].ndim}; choose by .sel(...)")
    x, y = (str(dim) for dim in data["period"].dims)
    if axes is None:
        axes = new_figure(data, (7.0, 5.0)).subplots()
    period, most = data["period"].transpose(y, x), int(data.attrs["max_period"])
    shown = np.where(data["status"].transpose(y, x) > 1, -2, period)
    colours = [FAILED, AT_REST, APERIODIC]
    colours += [colormaps["tab20"](2 * (k % 10) + (k // 10) % 2) for k in range(most)]
    axes.pcolormesh(data[x], data[y], shown, cmap=ListedColormap(colours), vmin=-2.5, vmax=most + 0.5, rasterized=True)
    common, counts = np.unique(shown, return_counts=True)
    chosen = sorted(common[np.argsort(-counts)][:LISTED])
    names = {-2: "diverges", -1: "at rest", 0: "none found"}
    patches = [Patch(facecolor=colours[k + 2], edgecolor="0.8", label=names.get(k, str(k))) for k in map(int, chosen)]
    axes.legend(handles=patches, title="period", loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.0)
    axes.set_xlabel(described(data[x]))
    axes.set_ylabel(described(data[y]))
    return axes.figure
