"""Drawing of branches: stable parts solid, unstable parts dashed, special points labelled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..engine.declaration import suggest
from ..engine.errors import InputError
from .drawing import STYLE

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"stable": "#1f5a94", "unstable": "#d1495b"}


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
        The ``data`` of :class:`~attrax.analysis.branches.Branch`.
    diagrams : sequence of Dataset
        Results of :func:`~attrax.analysis.orbit_diagram` over the same parameter.
    axes : Axes, optional
        A new figure by default.
    variable : str, optional
        The component over one parameter, ``"x"`` or ``"x[0]"``; default: what the orbit diagrams show, or the first.

    Raises
    ------
    InputError
        If there is no such component.
    """
    import matplotlib.pyplot as plt

    from . import drawing

    with plt.rc_context(STYLE):
        if axes is None:
            figure, axes = plt.subplots(figsize=(7.0, 4.5), layout="constrained")
            figure.suptitle(str(together[0].attrs.get("title", together[0].attrs.get("system", ""))))
        for diagram in diagrams:
            drawing.orbit_diagram(diagram, axes)
            shown = next(name for name, each in diagram.data_vars.items() if {"direction", "point"} <= set(each.dims))
            observable = str(diagram[shown].attrs.get("observable", shown))
            variable = variable or (observable if observable in components(together[0]) else None)
        for position, data in enumerate(together):
            _draw(data, axes, variable, f"C{position}")
        if len(parameters(together[0])) == 2 and len(together) > 1:
            axes.legend(loc="best")
        return axes.figure


def parameters(data: xr.Dataset) -> tuple[str, ...]:
    """The parameters that a branch was continued in."""
    return tuple(json.loads(data.attrs["continued"]))


def components(data: xr.Dataset) -> list[str]:
    """The single components of the state of a branch, as in ``x[0]``."""
    return [str(each) for each in data["unknown"].values[: data.sizes["eigenvalue"]]]


def _draw(data: xr.Dataset, axes: Axes, variable: str | None, colour: str) -> None:
    names = list(json.loads(data.attrs["continued"]).values())
    x = np.asarray(data[names[0]])
    if len(names) == 2:
        y, across, along = np.asarray(data[names[1]]), _described(data, names[0]), _described(data, names[1])
        axes.plot(x, y, color=colour, linewidth=1.0, label=str(data.attrs.get("curve", "")))
    else:
        along, y = _component(data, variable)
        across = _described(data, names[0])
        stable = np.asarray(data["unstable"]) == 0
        for which, line, tone in ((stable, "-", COLOURS["stable"]), (~stable, "--", COLOURS["unstable"])):
            axes.plot(x, np.where(_widened(which), y, np.nan), line, color=tone, linewidth=1.1)
    _mark(axes, data, x, y)
    axes.set_xlabel(across)
    axes.set_ylabel(along)


def _widened(which: np.ndarray) -> np.ndarray:
    """With the first point of the next part, so that the parts meet."""
    wide = which.copy()
    wide[1:] |= which[:-1]
    return wide


def _mark(axes: Axes, data: xr.Dataset, x: np.ndarray, y: np.ndarray) -> None:
    for label, kind, position in zip(
        data["special"].values.tolist(), data["kind"].values.tolist(), data["position"].values.tolist(), strict=True
    ):
        if kind == "EP":
            continue
        axes.plot(x[position], y[position], "o", markersize=3.5, color="k", zorder=3)
        axes.annotate(label, (x[position], y[position]), xytext=(4, 4), textcoords="offset points", fontsize=8)


def _component(data: xr.Dataset, name: str | None) -> tuple[str, np.ndarray]:
    known = components(data)
    name = known[0] if name is None else name
    if name not in known:
        raise InputError(f"the branch has no component {name!r}; {suggest(name, known)}")
    keys, count = json.loads(data.attrs["blocks"]).values(), data.sizes["point"]
    blocks = [np.asarray(data[key]).reshape(count, -1) for key in keys]
    return name, np.concatenate(blocks, axis=1)[:, known.index(name)]


def _described(data: xr.Dataset, name: str) -> str:
    attrs = data[name].attrs
    meaning, unit = attrs.get("long_name", ""), attrs.get("units", "")
    return f"{name}{f', {meaning}' if meaning else ''}{f' ({unit})' if unit else ''}"
