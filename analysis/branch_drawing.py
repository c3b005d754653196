"""Drawing of branches: stable parts solid, unstable parts dashed, special points labelled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from ..engine.declaration import suggest
from ..engine.errors import InputError
from .drawing import STYLE

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"stable": "#1f5a94", "unstable": "#d1495b", "curve": "#222222"}


def branch(data: xr.Dataset, axes: Axes | None = None, *, variable: str | None = None) -> Figure:
    """Draw a branch over its parameter, or a curve of bifurcations in the plane of its two.

    Parameters
    ----------
    data : Dataset
        The ``data`` of a :class:`~attrax.analysis.branches.Branch`.
    axes : Axes, optional
        Those of an orbit diagram, for instance; a new figure by default.
    variable : str, optional
        The component over one parameter, ``"x"`` or ``"x[0]"``; the first by default.

    Raises
    ------
    InputError
        If there is no such component.
    """
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        if axes is None:
            figure, axes = plt.subplots(figsize=(7.0, 4.5), layout="constrained")
            figure.suptitle(str(data.attrs.get("system", "")))
        names = list(json.loads(data.attrs["continued"]).values())
        x = np.asarray(data[names[0]])
        if len(names) == 2:
            y, across, along = np.asarray(data[names[1]]), _described(data, names[0]), _described(data, names[1])
            axes.plot(x, y, color=COLOURS["curve"], linewidth=1.0, label=str(data.attrs.get("curve", "")))
        else:
            along, y = _component(data, variable)
            across = _described(data, names[0])
            stable = np.asarray(data["unstable"]) == 0
            for which, line, colour in ((stable, "-", COLOURS["stable"]), (~stable, "--", COLOURS["unstable"])):
                axes.plot(x, np.where(_widened(which), y, np.nan), line, color=colour, linewidth=1.1)
        _mark(axes, data, x, y)
        axes.set_xlabel(across)
        axes.set_ylabel(along)
        return axes.figure


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
    n = data.sizes["eigenvalue"]
    components = [str(each) for each in data["unknown"].values[:n]]
    name = components[0] if name is None else name
    if name not in components:
        raise InputError(f"the branch has no component {name!r}; {suggest(name, components)}")
    keys, count = json.loads(data.attrs["blocks"]).values(), data.sizes["point"]
    blocks = [np.asarray(data[key]).reshape(count, -1) for key in keys]
    return name, np.concatenate(blocks, axis=1)[:, components.index(name)]


def _described(data: xr.Dataset, name: str) -> str:
    attrs = data[name].attrs
    meaning, unit = attrs.get("long_name", ""), attrs.get("units", "")
    return f"{name}{f', {meaning}' if meaning else ''}{f' ({unit})' if unit else ''}"
