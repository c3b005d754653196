"""What all figures have in common: the style, titles, labels and colours."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.titlesize": 8,
    "axes.titlecolor": "0.4",
    "axes.labelsize": 10,
    "figure.titlesize": 12,
    "lines.linewidth": 0.8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "grid.color": "0.88",
    "grid.linewidth": 0.4,
    "figure.dpi": 150,
    "agg.path.chunksize": 20000,
}
MOST_CURVES = 12


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in our style without changing the user's."""

    @functools.wraps(draw)
    def styled(*args, **options):
        import matplotlib.pyplot as plt

        with plt.rc_context(STYLE):
            return draw(*args, **options)

    return styled


def new_figure(data: xr.Dataset, size: tuple[float, float]) -> Figure:
    """Make a figure with the title of the data above it and where they come from below."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=size, layout="constrained")
    system, source = str(data.attrs.get("system", "")), str(data.attrs.get("system_source", ""))
    title = str(data.attrs.get("title", system))
    figure.suptitle(textwrap.fill(title, int(11 * size[0])))
    made = [data.attrs.get("method")]
    if "attrax_version" in data.attrs:
        made.append(f"attrax {data.attrs['attrax_version']}")
    origin = " · ".join(str(each) for each in (f"{system}: {source}" if source else system, *made) if each)
    figure.supxlabel(textwrap.fill(origin, int(19 * size[0])), fontsize=7, color="0.45")
    return figure


def colours_of(count: int) -> list:
    if count == 1:
        return ["#1f5a94"]
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0.0, 0.85, count)))


def say_how_many(axes: Axes, drawn: int, total: int) -> None:
    if drawn < total:
        axes.set_title(f"the first {drawn} of {total} curves", loc="right")


def labelled(variable: xr.DataArray) -> str:
    return f"{variable.name}{units(variable)}"


def described(variable: xr.DataArray) -> str:
    """Name, meaning and unit of a coordinate, as far as they are known."""
    name, meaning = str(variable.name), str(variable.attrs.get("long_name", ""))
    if name == "time":
        return f"{meaning or name}{units(variable)}"
    return f"{name}, {meaning}{units(variable)}" if meaning else labelled(variable)


def units(variable: xr.DataArray) -> str:
    units = variable.attrs.get("units", "")
    return f" ({units})" if units not in ("", "1") else ""


def is_map(data: xr.Dataset) -> bool:
    return data.attrs.get("system_kind") == "map"
