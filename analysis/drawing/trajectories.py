"""Drawing of trajectories: over time, and in phase space."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...engine.errors import InputError
from .style import MOST_CURVES, colours_of, described, is_map, labelled, new_figure, say_how_many, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS = 6


@styled
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
        figure = new_figure(data, (8.0, 1.2 + 1.5 * len(chosen)))
        axes = figure.subplots(len(chosen), 1, sharex=True, squeeze=False)[:, 0]
        figure.align_ylabels(axes)
    panels: list[Axes] = [axes] * len(chosen) if hasattr(axes, "plot") else list(axes)
    for panel, variable in zip(panels, chosen, strict=True):
        _one_time_series(panel, variable.isel(time=window), is_map(data))
    panels[-1].set_xlabel(described(data["time"]))
    return panels[0].figure


@styled
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
    names = list(variables or elements_over_time(data)[:3])
    if len(names) not in (2, 3):
        raise InputError(f"expected two or three variables, got {len(names)}: {', '.join(names)}")
    window = _window(data, last)
    members = _member_dims(data)
    chosen = [pick(data, name).isel(time=window).transpose(*members, "time", ...) for name in names]
    for name, variable in zip(names, chosen, strict=True):
        if variable.ndim > 1 + len(members):
            raise InputError(f"a phase portrait needs single elements, got the block {name!r}; say {name}[0]")
    if axes is None:
        figure = new_figure(data, (6.0, 5.2) if len(names) == 3 else (5.6, 5.0))
        axes = figure.subplots(subplot_kw={"projection": "3d"} if len(names) == 3 else {})
    columns = [np.asarray(variable).reshape(-1, variable.sizes["time"]) for variable in chosen]
    labels = _member_labels(chosen[0], members)
    count = min(len(labels), MOST_CURVES)
    points = is_map(data)
    for member, colour in zip(range(count), colours_of(count), strict=True):
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
        getattr(axes, f"set_{which}label")(labelled(variable))
    if len(names) == 3:
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.pane.set_visible(False)
        axes.set_box_aspect(None, zoom=1.0)
    elif _alike(names):
        axes.set_aspect("equal", adjustable="datalim")
    if len(labels) > 1:
        axes.legend(loc="best")
        say_how_many(axes, count, len(labels))
    return axes.figure


def _alike(names: Sequence[str]) -> bool:
    """Whether they are elements of one block, such as the coordinates of a position."""
    return all("[" in name for name in names) and len({name.partition("[")[0] for name in names}) == 1


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
    axes.set_ylabel(labelled(variable))
    axes.margins(x=0.0)
    if not members and variable.ndim == 2 and variable.shape[1] > MOST_CURVES:
        _heat_map(axes, variable)
        return
    curves = list(_curves(variable, members))
    for (label, values), colour in zip(curves[:MOST_CURVES], colours_of(min(len(curves), MOST_CURVES)), strict=True):
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
        say_how_many(axes, min(len(curves), MOST_CURVES), len(curves))


def _heat_map(axes: Axes, variable: xr.DataArray) -> None:
    image = axes.pcolormesh(
        variable["time"],
        np.arange(variable.shape[1]),
        np.asarray(variable).T,
        shading="nearest",
        rasterized=True,
    )
    axes.figure.colorbar(image, ax=axes, label=labelled(variable), pad=0.01)
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


def elements_over_time(data: xr.Dataset) -> list[str]:
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
