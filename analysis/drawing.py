"""Drawing of trajectories and diagrams from plain labelled data: one function per kind of figure.

Each takes an `xarray.Dataset` as attrax makes or stores it, and draws into the given axes or a new figure.
Matplotlib is imported when the first figure is drawn; without a display it falls back to its Agg backend.
"""

from __future__ import annotations

import functools
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..engine.errors import InputError

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
DIRECTIONS = {
    "up": ("#1f5a94", "increasing"),
    "down": ("#d1495b", "decreasing"),
    "fixed": ("#222222", "fixed start"),
}
MOST_CURVES = 12
MOST_PANELS = 6


def _styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in our style without changing the user's."""

    @functools.wraps(draw)
    def styled(*args, **options):
        import matplotlib.pyplot as plt

        with plt.rc_context(STYLE):
            return draw(*args, **options)

    return styled


@_styled
def time_series(
    data: xr.Dataset,
    axes: Axes | Sequence[Axes] | None = None,
    *,
    variables: Sequence[str] | None = None,
    last: float | None = None,
) -> Figure:
    """Draw variables against time, one panel each.

    A block of up to 12 curves (elements times members) is drawn as lines; a larger block of one member as
    a heat map of element against time; of more members' curves the first 12, and the panel says so.

    Parameters
    ----------
    data : Dataset
        A trajectory with dimensions ``(member..., time, block axis...)``.
    axes : Axes or sequence of Axes, optional
        One for each variable, or one for all of them; a new figure by default.
    variables : sequence of str, optional
        Names, or elements such as ``"y[0]"``; the first six states and observables by default.
    last : float, optional
        Draw only this much time before the end (in the time unit of the data).

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If the data have no such variable or no time axis.
    """
    chosen = [pick(data, name) for name in variables or _names_over_time(data)[:MOST_PANELS]]
    window = _window(data, last)
    if axes is None:
        figure = _new_figure(data, (8.0, 1.2 + 1.5 * len(chosen)))
        axes = figure.subplots(len(chosen), 1, sharex=True, squeeze=False)[:, 0]
        figure.align_ylabels(axes)
    panels: list[Axes] = [axes] * len(chosen) if hasattr(axes, "plot") else list(axes)
    for panel, variable in zip(panels, chosen, strict=True):
        _one_time_series(panel, variable.isel(time=window), _is_map(data))
    panels[-1].set_xlabel(_described(data["time"]))
    return panels[0].figure


@_styled
def phase_portrait(
    data: xr.Dataset,
    axes: Axes | None = None,
    *,
    variables: Sequence[str] | None = None,
    last: float | None = None,
) -> Figure:
    """Draw two or three variables against each other: lines for flows, points for maps.

    Parameters
    ----------
    data : Dataset
        A trajectory with dimensions ``(member..., time, block axis...)``; of an ensemble, up to 12 members.
    axes : Axes, optional
        Three-dimensional for three variables; a new figure by default.
    variables : two or three str, optional
        Names, or elements such as ``"x[0]"``; by default the first three (or two) elements of the states.
    last : float, optional
        Draw only this much time before the end (in the time unit of the data).

    Raises
    ------
    InputError
        If there are not two or three variables, or one of them is not a single element.
    """
    names = list(variables or _elements_over_time(data)[:3])
    if len(names) not in (2, 3):
        raise InputError(f"expected two or three variables, got {len(names)}: {', '.join(names)}")
    window = _window(data, last)
    members = _member_dims(data)
    chosen = [pick(data, name).isel(time=window).transpose(*members, "time", ...) for name in names]
    for name, variable in zip(names, chosen, strict=True):
        if variable.ndim > 1 + len(members):
            raise InputError(f"a phase portrait needs single elements, got the block {name!r}; say {name}[0]")
    if axes is None:
        figure = _new_figure(data, (6.0, 5.2) if len(names) == 3 else (5.6, 5.0))
        axes = figure.subplots(subplot_kw={"projection": "3d"} if len(names) == 3 else {})
    columns = [np.asarray(variable).reshape(-1, variable.sizes["time"]) for variable in chosen]
    labels = _member_labels(chosen[0], members)
    count = min(len(labels), MOST_CURVES)
    points = _is_map(data)
    for member, colour in zip(range(count), _colours(count), strict=True):
        axes.plot(
            *(column[member] for column in columns),
            linestyle="none" if points else "-",
            marker="." if points else None,
            markersize=1.5,
            markeredgewidth=0,
            linewidth=0.5 if chosen[0].sizes["time"] > 2000 else 0.8,
            color=colour,
            label=labels[member],
            rasterized=chosen[0].sizes["time"] > 20000,
        )
    for variable, which in zip(chosen, "xyz", strict=False):
        getattr(axes, f"set_{which}label")(_label(variable))
    if len(names) == 3:
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.pane.set_visible(False)
        axes.set_box_aspect(None, zoom=1.0)
    if len(labels) > 1:
        axes.legend(loc="best")
        _say_how_many(axes, count, len(labels))
    return axes.figure


@_styled
def orbit_diagram(data: xr.Dataset, axes: Axes | None = None, *, observable: str | None = None) -> Figure:
    """Draw an orbit diagram: every recorded value of the observable as a small point above its parameter.

    Parameters
    ----------
    data : Dataset
        A variable with dimensions ``("direction", parameter, "point")``, padded with NaN; the coordinate
        ``direction`` says "up", "down" or "fixed".
    axes : Axes, optional
        A new figure by default.
    observable : str, optional
        The variable; the first one with these dimensions by default.

    Raises
    ------
    InputError
        If the data hold no such variable.
    """
    diagrams = [name for name, each in data.data_vars.items() if {"direction", "point"} <= set(each.dims)]
    observable = observable or next(iter(diagrams), None)
    if observable not in diagrams:
        given = f", got {observable!r}" if observable else ""
        raise InputError(f"expected a variable with dimensions direction, parameter and point{given}")
    (parameter,) = set(data[observable].dims) - {"direction", "point"}
    values = data[observable].transpose("direction", parameter, "point")
    if axes is None:
        axes = _new_figure(data, (8.0, 5.0)).subplots()
    across = np.broadcast_to(np.asarray(data[parameter])[:, None], values.shape[1:])
    directions = [str(each) for each in np.asarray(data["direction"])]
    crowd = float(np.clip(np.log10(np.isfinite(values).sum() / len(directions) / 1e3) / 2.2, 0.0, 1.0))
    for position, (direction, cloud) in enumerate(zip(directions, np.asarray(values), strict=True)):
        colour, meaning = DIRECTIONS.get(direction, ("#222222", direction))
        there = np.isfinite(cloud)
        below = position < len(directions) - 1
        axes.plot(
            across[there],
            cloud[there],
            linestyle="none",
            marker="o",
            markersize=(2.2 - 1.5 * crowd) * (1.5 if below else 1.0),
            markeredgewidth=0,
            color=colour,
            alpha=0.8 - 0.45 * crowd,
            label=f"{parameter} {meaning}" if direction != "fixed" else meaning,
            rasterized=True,
        )
    if values.sizes["direction"] > 1:
        for handle in axes.legend(loc="best").legend_handles:
            handle.set(markersize=5, alpha=1.0)
    axes.margins(x=0.01)
    axes.set_xlabel(_described(data[parameter]))
    axes.set_ylabel(_recorded(data, values))
    return axes.figure


@_styled
def lyapunov_spectrum(data: xr.Dataset, axes: Axes | None = None, *, exponent: int = 1) -> Figure:
    """Draw Lyapunov exponents: how they converge, or over the one or two parameters of a sweep.

    Parameters
    ----------
    data : Dataset
        The result of :func:`attrax.analysis.lyapunov_spectrum`. Bands are two standard errors wide on either side.
    axes : Axes, optional
        A new figure by default.
    exponent : int
        Over two parameters: which exponent is shown as colour.

    Raises
    ------
    InputError
        If there are more than two parameters, or no such exponent.
    """
    members = [dim for dim in data["exponents"].dims if dim != "exponent"]
    if len(members) > 2:
        raise InputError(f"expected at most two parameters, got {', '.join(map(str, members))}; choose by .sel(...)")
    if axes is None:
        axes = _new_figure(data, (7.0, 4.5)).subplots()
    if len(members) == 2:
        if exponent not in data["exponent"]:
            raise InputError(f"exponent must lie from 1 to {data.sizes['exponent']}, not {exponent}")
        values = data["exponents"].sel(exponent=exponent).transpose(members[1], members[0])
        most = float(np.nanquantile(np.abs(values), 0.99)) if np.isfinite(values).any() else 1.0
        image = axes.pcolormesh(
            data[members[0]], data[members[1]], values, cmap="RdBu_r", vmin=-most, vmax=most, rasterized=True
        )
        axes.figure.colorbar(image, ax=axes, label=f"exponent {exponent}{_units(data['exponents'])}", pad=0.01)
        axes.set_xlabel(_described(data[members[0]]))
        axes.set_ylabel(_described(data[members[1]]))
        return axes.figure
    across = data[members[0]] if members else data["time"]
    count = data.sizes["exponent"]
    axes.axhline(0.0, color="0.6", linewidth=0.6)
    for k, colour in zip(range(count), _colours(count), strict=True):
        values = np.asarray((data["exponents"] if members else data["history"]).isel(exponent=k))
        error = 2 * np.asarray(data["standard_error"].isel(exponent=k))
        middle = values if members else values[-1]
        axes.fill_between(across, middle - error, middle + error, color=colour, alpha=0.25, linewidth=0)
        axes.plot(across, values, color=colour, label=f"exponent {k + 1}")
    axes.margins(x=0.0)
    axes.set_xlabel(_described(across))
    axes.set_ylabel(f"Lyapunov exponents{_units(data['exponents'])}")
    if 1 < count <= MOST_CURVES:
        axes.legend(loc="best")
    return axes.figure


@_styled
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
        axes = _new_figure(data, (6.4, 5.2)).subplots()
    x, y = (str(dim) for dim in grid.dims)
    count = max(data.sizes["attractor"], 1)
    colours = ListedColormap(["white", *_colours(count)])
    axes.pcolormesh(data[x], data[y], grid.T, cmap=colours, vmin=-1.5, vmax=count - 0.5, rasterized=True)
    states = [data.get(name.removesuffix("_initial")) for name in (x, y)]
    if all(state is not None and state.dims == ("attractor", "point") for state in states):
        axes.plot(*states, linestyle="none", marker=".", markersize=3, color="#d1495b", rasterized=True)
        axes.set_xlim(float(data[x].min()), float(data[x].max()))
        axes.set_ylim(float(data[y].min()), float(data[y].max()))
    axes.set_xlabel(_described(data[x]))
    axes.set_ylabel(_described(data[y]))
    return axes.figure


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


@_styled
def track_attractors(data: xr.Dataset, axes: Sequence[Axes] | None = None, *, variable: str | None = None) -> Figure:
    """Draw attractors over a parameter: their states, and below the fractions of the states that lead to them.

    Parameters
    ----------
    data : Dataset
        The result of :func:`attrax.analysis.track_attractors`.
    axes : two Axes, optional
        A new figure by default.
    variable : str, optional
        A state block, or an element such as ``"x[0]"``; the first element by default.

    Raises
    ------
    InputError
        If there is no such element.
    """
    parameter = str(data["fraction"].dims[0])
    states = _elements(data, variable)
    if axes is None:
        axes = _new_figure(data, (7.0, 5.0)).subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above, below = axes
    across = np.broadcast_to(np.asarray(data[parameter])[:, None], states.isel(attractor=0).shape)
    colours = _colours(data.sizes["attractor"])
    for k, colour in enumerate(colours):
        above.plot(across, states.isel(attractor=k), ".", markersize=2, color=colour, rasterized=True)
    shares = [*data["fraction"].fillna(0.0).transpose("attractor", parameter).values, data["lost"].fillna(0.0).values]
    below.stackplot(data[parameter], shares, colors=[*colours, "0.9"], step="mid")
    below.set_ylim(0.0, 1.0)
    below.margins(x=0.0)
    above.set_ylabel(str(states.name))
    below.set_ylabel("fraction")
    below.set_xlabel(_described(data[parameter]))
    return above.figure


def _elements(data: xr.Dataset, variable: str | None) -> xr.DataArray:
    """States of attractors: an array over parameter, attractor and point."""
    blocks = {str(name): each for name, each in data.data_vars.items() if "point" in each.dims}
    name, _, index = (variable or next(iter(blocks))).partition("[")
    if name not in blocks:
        raise InputError(f"{name!r} is not among the states of the attractors: {', '.join(blocks)}")
    extra = blocks[name].dims[3:]
    chosen = [int(i) for i in re.findall(r"\d+", index)] or ([0] * len(extra) if variable is None else [])
    if len(chosen) != len(extra) or any(i >= data.sizes[d] for i, d in zip(chosen, extra, strict=True)):
        raise InputError(f"{variable!r} is not one element of a block of shape {blocks[name].shape[3:]}")
    label = f"{name}[{', '.join(map(str, chosen))}]" if extra else name
    return blocks[name].isel(dict(zip(extra, chosen, strict=True))).rename(label)


def kinds(data: xr.Dataset) -> list[str]:
    """Name the figures that can be drawn of a Dataset, which are functions of this module."""
    if data.attrs.get("analysis") == "lyapunov_spectrum":
        return ["lyapunov_spectrum"]
    if data.attrs.get("analysis") == "track_attractors":
        return ["track_attractors"]
    if data.attrs.get("analysis") == "basins":
        return ["basins"] if data["basin"].ndim == 2 else []
    if {"direction", "point"} <= set(data.dims):
        return ["orbit_diagram"]
    if data.sizes.get("time", 0) < 2:
        return []
    return ["time_series"] + (["phase_portrait"] if len(_elements_over_time(data)) > 1 else [])


def pick(data: xr.Dataset, name: str) -> xr.DataArray:
    """Return the variable `name`, or the element that ``name[i]``, ``name[i, j]`` says, named and labelled.

    Raises
    ------
    InputError
        If there is no such variable or the index is outside the block.
    """
    match = re.fullmatch(r"(\w+)\[([\d, ]+)\]", name)
    base = match[1] if match else name
    if base not in data.data_vars or "time" not in data[base].dims:
        raise InputError(f"{name!r} is not in the trajectory; there are: {', '.join(_names_over_time(data))}")
    variable = data[base]
    if not match:
        return variable
    axes = [dim for dim in variable.dims if dim not in ("time", *_member_dims(data))]
    index = [int(each) for each in match[2].split(",")]
    if len(index) != len(axes) or any(i >= variable.sizes[a] for i, a in zip(index, axes, strict=True)):
        shape = tuple(variable.sizes[axis] for axis in axes)
        raise InputError(f"{name!r} is outside the block {base!r} of shape {shape}")
    return variable.isel(dict(zip(axes, index, strict=True))).rename(name)


def _one_time_series(axes: Axes, variable: xr.DataArray, points: bool) -> None:
    members = _member_dims(variable)
    axes.set_ylabel(_label(variable))
    axes.margins(x=0.0)
    if not members and variable.ndim == 2 and variable.shape[1] > MOST_CURVES:
        _heat_map(axes, variable)
        return
    curves = list(_curves(variable, members))
    for (label, values), colour in zip(curves[:MOST_CURVES], _colours(min(len(curves), MOST_CURVES)), strict=True):
        axes.plot(
            variable["time"],
            values,
            marker="." if points else None,
            markersize=3,
            linewidth=0.3 if points else 0.8,
            color=colour,
            label=label,
            rasterized=len(values) > 20000,
        )
    if len(curves) > 1:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.0)
        _say_how_many(axes, min(len(curves), MOST_CURVES), len(curves))


def _heat_map(axes: Axes, variable: xr.DataArray) -> None:
    image = axes.pcolormesh(
        variable["time"],
        np.arange(variable.shape[1]),
        np.asarray(variable).T,
        shading="nearest",
        rasterized=True,
    )
    axes.figure.colorbar(image, ax=axes, label=_label(variable), pad=0.01)
    axes.set_ylabel(str(variable.dims[1]))


def _curves(variable: xr.DataArray, members: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    variable = variable.transpose(*members, ..., "time")
    labels = _member_labels(variable, members)
    elements = variable.shape[len(members) : -1]
    flat = np.asarray(variable).reshape(len(labels), -1, variable.shape[-1])
    for label, block in zip(labels, flat, strict=True):
        for index, values in zip(np.ndindex(elements), block, strict=True):
            element = f"{variable.name}[{', '.join(map(str, index))}]" if index else ""
            yield ", ".join(filter(None, (element, label))), values


def _member_labels(variable: xr.DataArray, members: list[str]) -> list[str]:
    sizes = tuple(variable.sizes[dim] for dim in members)
    return [
        ", ".join(f"{dim} = {float(variable[dim][i]):.4g}" for dim, i in zip(members, index, strict=True))
        for index in np.ndindex(sizes)
    ]


def _member_dims(data: xr.Dataset | xr.DataArray) -> list[str]:
    """Return the ensemble dimensions: those before ``time`` in any variable over time."""
    variables = data.data_vars.values() if hasattr(data, "data_vars") else [data]
    leading = next(each.dims[: each.dims.index("time")] for each in variables if "time" in each.dims)
    return [str(dim) for dim in leading]


def _names_over_time(data: xr.Dataset) -> list[str]:
    names = [str(name) for name, each in data.data_vars.items() if "time" in each.dims]
    if not names:
        raise InputError(f"expected a trajectory with a time axis, got the dimensions {', '.join(map(str, data.dims))}")
    return names


def _elements_over_time(data: xr.Dataset) -> list[str]:
    members = len(_member_dims(data))
    names = []
    for name in _names_over_time(data):
        shape = data[name].shape[members + 1 :]
        names += [f"{name}[{', '.join(map(str, i))}]" if i else name for i in list(np.ndindex(shape))[:3]]
    return names


def _window(data: xr.Dataset, last: float | None) -> slice:
    _names_over_time(data)
    time = np.asarray(data["time"])
    return slice(0 if last is None else int(np.searchsorted(time, time[-1] - last)), None)


def _is_map(data: xr.Dataset) -> bool:
    return data.attrs.get("system_kind") == "map"


def _label(variable: xr.DataArray) -> str:
    return f"{variable.name}{_units(variable)}"


def _described(variable: xr.DataArray) -> str:
    """Name, meaning and unit of a coordinate, as far as they are known."""
    name, meaning = str(variable.name), str(variable.attrs.get("long_name", ""))
    if name == "time":
        return f"{meaning or name}{_units(variable)}"
    return f"{name}, {meaning}{_units(variable)}" if meaning else _label(variable)


def _recorded(data: xr.Dataset, values: xr.DataArray) -> str:
    """What an orbit diagram shows: the observable, and at which events."""
    observable = str(data.attrs.get("observable", values.name))
    section = str(data.attrs.get("section", ""))
    event = re.fullmatch(r"(max|min) (.+)", section)
    if event and event[2] == observable:
        observable = f"{'maxima' if event[1] == 'max' else 'minima'} of {observable}"
    elif section:
        observable = f"{observable} at {section}"
    return f"{observable}{_units(values)}"


def _units(variable: xr.DataArray) -> str:
    units = variable.attrs.get("units", "")
    return f" ({units})" if units not in ("", "1") else ""


def _colours(count: int) -> list:
    if count == 1:
        return ["#1f5a94"]
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0.0, 0.85, count)))


def _say_how_many(axes: Axes, drawn: int, total: int) -> None:
    if drawn < total:
        axes.set_title(f"the first {drawn} of {total} curves", loc="right")


def _new_figure(data: xr.Dataset, size: tuple[float, float]) -> Figure:
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
