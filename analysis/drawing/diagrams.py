"""Drawing of what changes over one parameter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...engine.errors import InputError
from .style import MOST_CURVES, colours_of, described, new_figure, styled, units

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DIRECTIONS = {
    "up": ("#1f5a94", "increasing"),
    "down": ("#d1495b", "decreasing"),
    "fixed": ("#222222", "fixed start"),
}


@styled
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
        axes = new_figure(data, (8.0, 5.0)).subplots()
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
    axes.set_xlabel(described(data[parameter]))
    axes.set_ylabel(_recorded(data, values))
    return axes.figure


@styled
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
        axes = new_figure(data, (7.0, 4.5)).subplots()
    if len(members) == 2:
        if exponent not in data["exponent"]:
            raise InputError(f"exponent must lie from 1 to {data.sizes['exponent']}, not {exponent}")
        values = data["exponents"].sel(exponent=exponent).transpose(members[1], members[0])
        most = float(np.nanquantile(np.abs(values), 0.99)) if np.isfinite(values).any() else 1.0
        image = axes.pcolormesh(
            data[members[0]], data[members[1]], values, cmap="RdBu_r", vmin=-most, vmax=most, rasterized=True
        )
        axes.figure.colorbar(image, ax=axes, label=f"exponent {exponent}{units(data['exponents'])}", pad=0.01)
        axes.set_xlabel(described(data[members[0]]))
        axes.set_ylabel(described(data[members[1]]))
        return axes.figure
    across = data[members[0]] if members else data["time"]
    count = data.sizes["exponent"]
    axes.axhline(0.0, color="0.6", linewidth=0.6)
    for k, colour in zip(range(count), colours_of(count), strict=True):
        values = np.asarray((data["exponents"] if members else data["history"]).isel(exponent=k))
        error = 2 * np.asarray(data["standard_error"].isel(exponent=k))
        middle = values if members else values[-1]
        axes.fill_between(across, middle - error, middle + error, color=colour, alpha=0.25, linewidth=0)
        axes.plot(across, values, color=colour, label=f"exponent {k + 1}")
    axes.margins(x=0.0)
    axes.set_xlabel(described(across))
    axes.set_ylabel(f"Lyapunov exponents{units(data['exponents'])}")
    if 1 < count <= MOST_CURVES:
        axes.legend(loc="best")
    return axes.figure


@styled
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
        axes = new_figure(data, (7.0, 5.0)).subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above, below = axes
    across = np.broadcast_to(np.asarray(data[parameter])[:, None], states.isel(attractor=0).shape)
    colours = colours_of(data.sizes["attractor"])
    for k, colour in enumerate(colours):
        above.plot(across, states.isel(attractor=k), ".", markersize=2, color=colour, rasterized=True)
    shares = [*data["fraction"].fillna(0.0).transpose("attractor", parameter).values, data["lost"].fillna(0.0).values]
    below.stackplot(data[parameter], shares, colors=[*colours, "0.9"], step="mid")
    below.set_ylim(0.0, 1.0)
    below.margins(x=0.0)
    above.set_ylabel(str(states.name))
    below.set_ylabel("fraction")
    below.set_xlabel(described(data[parameter]))
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


def _recorded(data: xr.Dataset, values: xr.DataArray) -> str:
    """What an orbit diagram shows: the observable, and at which events."""
    observable = str(data.attrs.get("observable", values.name))
    section = str(data.attrs.get("section", ""))
    event = re.fullmatch(r"(max|min) (.+)", section)
    if event and event[2] == observable:
        observable = f"{'maxima' if event[1] == 'max' else 'minima'} of {observable}"
    elif section:
        observable = f"{observable} at {section}"
    return f"{observable}{units(values)}"
