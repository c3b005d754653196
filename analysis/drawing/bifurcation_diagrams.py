"""Drawing of branches: stable parts solid, unstable parts dashed, special points labelled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...engine.declaration import suggest
from ...engine.errors import InputError
from .diagrams import orbit_diagram
from .style import STYLE

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"stable": "#1f5a94", "unstable": "#d1495b"}
CURVES = {"LP": "#1f5a94", "H": "#d1495b", "BP": "#6a994e", "PD": "#e09f3e", "LPC": "#2a9d8f", "NS": "#7b2d8b"}


def branches(
    together: Sequence[xr.Dataset],
    diagrams: Sequence[xr.Dataset] = (),
    axes: Axes | None = None,
    *,
    variable: str | None = None,
) -> Figure:
    """Draw branches over the same parameter, above orbit diagrams, or curves in the plane of the same two.

    Parameters
    ----------
    together : sequence of Dataset
        The ``data`` of :class:`~attrax.analysis.continuation.branches.Branch`.
    diagrams : sequence of Dataset
        Results of :func:`~attrax.analysis.orbit_diagram` over the same parameter.
    axes : Axes, optional
        A new figure by default.
    variable : str, optional
        The component or observable over one parameter, as ``"x[0]"``; default: what the orbit diagrams show, or the
        first component.

    Raises
    ------
    InputError
        If there is no such component.
    """
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        if axes is None:
            figure, axes = plt.subplots(figsize=(7.0, 4.5), layout="constrained")
            figure.suptitle(str(together[0].attrs.get("title", together[0].attrs.get("system", ""))))
        for diagram in diagrams:
            orbit_diagram(diagram, axes)
            shown = next(name for name, each in diagram.data_vars.items() if {"direction", "point"} <= set(each.dims))
            observable = str(diagram[shown].attrs.get("observable", shown))
            known = [*components(together[0]), *json.loads(together[0].attrs["observables"])]
            variable = variable or (observable if observable in known else None)
        for data in together:
            _draw(data, axes, variable)
        if len(parameters(together[0])) == 2:
            lines = {line.get_label(): line for line in axes.lines if not str(line.get_label()).startswith("_")}
            axes.legend(lines.values(), lines.keys(), loc="best")
        _mark(axes, together, variable)
        return axes.figure


def parameters(data: xr.Dataset) -> tuple[str, ...]:
    """The parameters that a branch was continued in."""
    return tuple(json.loads(data.attrs["continued"]))


def components(data: xr.Dataset) -> list[str]:
    """The single components of the state of a branch, as in ``x[0]``."""
    count = sum(data[name][0].size for name in json.loads(data.attrs["blocks"]).values())
    return [str(each) for each in data["unknown"].values[:count]]


def _draw(data: xr.Dataset, axes: Axes, variable: str | None) -> None:
    x, y, across, along = _coordinates(data, variable)
    if len(parameters(data)) == 2:
        kind = str(data.attrs["curve"]).removesuffix(" points")
        real = np.asarray(data["kappa"]) < 0 if kind == "H" else np.zeros(len(x), bool)
        for which, line, what in ((~real, "-", kind), (real, ":", "neutral saddles")):
            if which.any():
                axes.plot(x, np.where(widened(which), y, np.nan), line, color=CURVES[kind], linewidth=1.1, label=what)
    else:
        stable = np.asarray(data["unstable"]) == 0
        for which, line, colour in ((stable, "-", COLOURS["stable"]), (~stable, "--", COLOURS["unstable"])):
            for values in (y, *_lowest(data, along)):
                axes.plot(x, np.where(widened(which), values, np.nan), line, color=colour, linewidth=1.1)
    axes.set_xlabel(across)
    axes.set_ylabel(along)


def _coordinates(data: xr.Dataset, variable: str | None) -> tuple[np.ndarray, np.ndarray, str, str]:
    """Abscissae and ordinates of the points, and what they are."""
    names = list(json.loads(data.attrs["continued"]).values())
    x, across = np.asarray(data[names[0]]), described(data, names[0])
    if len(names) == 2:
        return x, np.asarray(data[names[1]]), across, described(data, names[1])
    name, y = _component(data, variable)
    return x, y, across, name


def widened(which: np.ndarray) -> np.ndarray:
    """With the first point of the next part, so that the parts meet."""
    wide = which.copy()
    wide[1:] |= which[:-1]
    return wide


def _mark(axes: Axes, together: Sequence[xr.Dataset], variable: str | None) -> None:
    """A dot and a label at each special point, one where several coincide."""
    size = np.ptp([axes.get_xlim(), axes.get_ylim()], axis=1)
    marked: list[np.ndarray] = []
    for data in together:
        x, y, *_ = _coordinates(data, variable)
        special = (data[name].values.tolist() for name in ("special", "kind", "position"))
        for label, kind, position in zip(*special, strict=True):
            place = np.array([x[position], y[position]])
            if kind == "EP" or any((abs(place - there) < 1e-3 * size).all() for there in marked):
                continue
            marked.append(place)
            axes.plot(*place, "o", markersize=3.5, color="k", zorder=3)
            axes.annotate(label, place, xytext=(4, 4), textcoords="offset points", fontsize=8)


def _component(data: xr.Dataset, name: str | None) -> tuple[str, np.ndarray]:
    known, observables = components(data), json.loads(data.attrs["observables"])
    name = known[0] if name is None else name
    if name in observables and data[observables[name]].ndim == 1:
        return name, np.asarray(data[observables[name]])
    if name not in known:
        raise InputError(f"the branch has no component {name!r}; {suggest(name, [*known, *observables])}")
    keys, count = json.loads(data.attrs["blocks"]).values(), data.sizes["point"]
    blocks = [np.asarray(data[key]).reshape(count, -1) for key in keys]
    return name, np.concatenate(blocks, axis=1)[:, known.index(name)]


def _lowest(data: xr.Dataset, name: str) -> list[np.ndarray]:
    """Of cycles, the smallest values of a component; its ordinates are the largest."""
    keys, count = [f"{key}_min" for key in json.loads(data.attrs["blocks"]).values()], data.sizes["point"]
    if name not in components(data) or not all(key in data for key in keys):
        return []
    blocks = [np.asarray(data[key]).reshape(count, -1) for key in keys]
    return [np.concatenate(blocks, axis=1)[:, components(data).index(name)]]


def described(data: xr.Dataset, name: str) -> str:
    attrs = data[name].attrs
    meaning, unit = attrs.get("long_name", ""), attrs.get("units", "")
    return f"{name}{f', {meaning}' if meaning else ''}{f' ({unit})' if unit else ''}"
