"""Drawing of limit cycles and of their branches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...engine.declaration import suggest
from ...engine.errors import InputError
from .bifurcation_diagrams import COLOURS, components, described, widened
from .style import STYLE

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def cycle_branches(data: Sequence[xr.Dataset], *, axes: Axes | None = None, variable: str | None = None) -> Figure:
    """Branches of cycles over their parameter, or curves of their bifurcations in the plane of two.

    Parameters
    ----------
    data : sequence of Dataset
        Of :class:`~attrax.analysis.cycles.branches.CycleBranch`.
    axes : Axes, optional
        Those of a branch of fixed points, for instance.
    variable : str, optional
        A component, whose largest and smallest values are drawn (default: the first), ``"period"`` or ``"norm"``.
    """
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        axes = _axes(axes, data[0])
        for each in data:
            names = list(json.loads(each.attrs["continued"]).values())
            x = np.asarray(each[names[0]])
            if len(names) == 2:
                y = [np.asarray(each[names[1]])]
                axes.plot(x, y[0], linewidth=1.1, label=str(each.attrs.get("curve", "")))
                axes.legend(loc="best")
                along = described(each, names[1])
            else:
                along, y = _ordinates(each, variable)
                stable = np.asarray(each["unstable"]) == 0
                for which, line, colour in ((stable, "-", COLOURS["stable"]), (~stable, "--", COLOURS["unstable"])):
                    for values in y:
                        shown = np.where(widened(which), values, np.nan)
                        axes.plot(x, shown, line, color=colour, linewidth=1.4)
            _mark(axes, each, x, y[0])
            axes.set_xlabel(described(each, names[0]))
            axes.set_ylabel(along)
        return axes.figure


def cycles(data: Sequence[xr.Dataset], *, axes: Axes | None = None, variables: Sequence[str] | None = None) -> Figure:
    """Cycles in phase space, stable ones solid: ``data`` of :class:`~attrax.analysis.cycles.cycle.Cycle`.

    ``variables`` are the two or three components that span it (default: the first two; the only one over time).
    """
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        axes = _axes(axes, data[0], "3d" if variables is not None and len(variables) == 3 else None)
        for each in data:
            named = _components(each)
            names = list(variables or list(named)[:2])
            for name in names:
                if name not in named:
                    raise InputError(f"the cycle has no component {name!r}; {suggest(name, named)}")
            columns = [named[name] for name in names]
            if len(columns) == 1:
                columns, names = [np.asarray(each["time"]), *columns], ["time", *names]
            stable = int(each["unstable"]) == 0
            axes.plot(
                *columns, "-" if stable else "--", color=COLOURS["stable" if stable else "unstable"], linewidth=1.2
            )
        for set_label, name in zip((axes.set_xlabel, axes.set_ylabel), names, strict=False):
            set_label(name)
        if len(names) == 3:
            axes.set_zlabel(names[2])  # type: ignore[attr-defined]
        return axes.figure


def multipliers(data: xr.Dataset, *, axes: Axes | None = None) -> Figure:
    """Floquet multipliers in the complex plane with the unit circle: of a cycle, or along a branch."""
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        axes = _axes(axes, data)
        angle = np.linspace(0, 2 * np.pi, 200)
        axes.plot(np.cos(angle), np.sin(angle), color="0.6", linewidth=0.8)
        values = np.asarray(data["multipliers"] if "multipliers" in data else data["eigenvalues"]).ravel()
        shown = values[abs(values) < 3]
        outside = abs(shown) > 1 + 1e-6
        for which, colour in ((~outside, COLOURS["stable"]), (outside, COLOURS["unstable"])):
            axes.plot(shown[which].real, shown[which].imag, "o", markersize=3, color=colour)
        axes.set_aspect("equal")
        axes.set_xlabel("real part")
        axes.set_ylabel("imaginary part")
        return axes.figure


# -- inside ------------------------------------------------------------------------------------------------------


def _axes(axes: Axes | None, data: xr.Dataset, projection: str | None = None) -> Axes:
    import matplotlib.pyplot as plt

    if axes is None:
        figure = plt.figure(figsize=(7.0, 4.5), layout="constrained")
        axes = figure.add_subplot(projection=projection)
        figure.suptitle(str(data.attrs.get("system", "")))
    return axes


def _components(data: xr.Dataset) -> dict[str, np.ndarray]:
    named = {}
    for name in json.loads(data.attrs["blocks"]):
        block = np.asarray(data[name])
        for index in np.ndindex(*block.shape[1:]):
            named[f"{name}[{', '.join(map(str, index))}]" if index else name] = block[(slice(None), *index)]
    return named


def _ordinates(data: xr.Dataset, name: str | None) -> tuple[str, list[np.ndarray]]:
    if name in ("period", "norm"):
        unit = data[name].attrs.get("units", "")
        return f"{name} ({unit})" if unit else name, [np.asarray(data[name])]
    known = components(data)
    name = known[0] if name is None else name
    if name not in known:
        raise InputError(f"the branch has no component {name!r}; {suggest(name, [*known, 'period', 'norm'])}")
    keys, count = json.loads(data.attrs["blocks"]).values(), data.sizes["point"]
    ends = []
    for suffix in ("", "_min"):
        blocks = [np.asarray(data[f"{key}{suffix}"]).reshape(count, -1) for key in keys]
        ends.append(np.concatenate(blocks, axis=1)[:, known.index(name)])
    return f"{name}, largest and smallest value", ends


def _mark(axes: Axes, data: xr.Dataset, x: np.ndarray, y: np.ndarray) -> None:
    special = (data[name].values.tolist() for name in ("special", "kind", "position"))
    for label, kind, position in zip(*special, strict=True):
        if kind == "EP":
            continue
        axes.plot(x[position], y[position], "o", markersize=3.5, color="k", zorder=3)
        axes.annotate(label, (x[position], y[position]), xytext=(4, 4), textcoords="offset points", fontsize=8)
