"""The phase diagram of a landscape of attractors: which the fast subsystem has, over its slow variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import trajectory
from ...engine.errors import InputError
from ...engine.layout import Layout, Variable
from ...engine.system import System
from ...integrators.ensemble import Ensemble, Members, members
from ...integrators.times import positive, whole
from ..equilibria.fixed_points import box_ends
from .frozen import Frozen, frozen
from .relaxation import OSCILLATING, relax

if TYPE_CHECKING:
    import xarray as xr

FOLLOWED = 3
"""Random starts that are followed at each value in search of oscillations."""


def landscape(
    system: System,
    values: Ensemble | Mapping[str, Any],
    box: Mapping[str, Any],
    *,
    slow: tuple[str, ...] | None = None,
    settle: float = 100.0,
    starts: int = 30,
    parameters: Mapping[str, Any] | None = None,
    method: str | None = None,
    dt: float | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    seed: int = 0,
    workers: int | None = None,
) -> xr.Dataset:
    """Fixed points of the fast subsystem, and the slow flow on them, over values of the slow variables.

    Newton's method starts from random states in the box and from what was found at neighbouring values; some of the
    starts are also followed in time, to see whether they end in oscillations.

    Parameters
    ----------
    system : System
        Autonomous, without noise.
    values : grid(...) or zip(...) of slow blocks
        Where to look; slow blocks that are not named keep their initial values. Parameters may be among them.
    box : dict
        ``(low, high)`` of each fast block.
    slow, settle, starts
        As in :func:`metadynamics`.
    parameters : dict
        Values in place of the system's.
    method, dt, rtol, atol, seed, workers
        As in :func:`attrax.simulate`.

    Returns
    -------
    xarray.Dataset
        Over the values: ``attractors``, the number of stable fixed points; ``oscillating``, the share of the followed
        starts that end in oscillations; with ``point``, sorted by the first component and NaN beyond their number:
        the fixed points ``<block>_fixed``, ``unstable``, the number of unstable eigenvalues (-1 beyond), and the slow
        flow on the critical manifold ``<slow block>_drift``.

    Raises
    ------
    InputError
        An argument is wrong.
    """
    system = system.with_parameters(**dict(parameters or {}))
    parts = frozen(system, slow)
    positive("settle", settle)
    whole("starts", starts, FOLLOWED)
    ensemble = members(parts.fast, values, None, 0)
    if not ensemble.dims or set(ensemble.coords) & set(parts.fast.state):
        raise InputError(f"values must be grid(...) or zip(...) of the slow blocks {', '.join(parts.slow)}")
    low, high = box_ends(parts.fast, box)
    p, reach, n = np.ascontiguousarray(ensemble.p), high - low, parts.fast.dimension
    random = low + reach * np.random.default_rng(seed).random((starts, n))
    points = [each[np.lexsort(each.T[::-1])] for each in parts.gather(p, [random] * len(p), reach)]
    options: dict[str, Any] = {"method": method, "dt": dt, "rtol": rtol, "atol": atol, "workers": workers}
    first = np.tile(random[:FOLLOWED], (len(p), 1))
    ends = relax(parts, first, np.repeat(p, FOLLOWED, axis=0), settle, reach, options).kind.reshape(len(p), FOLLOWED)
    settings = {"slow": parts.slow, "settle": settle, "starts": starts, "seed": seed}
    return _result(parts, ensemble, p, points, ends, settings)


def _result(
    parts: Frozen, ensemble: Members, p: np.ndarray, points: list[np.ndarray], ends: np.ndarray, settings: dict
) -> xr.Dataset:
    fast, count = parts.fast, len(points)
    most = max(1, *(len(each) for each in points))
    owner = np.repeat(np.arange(count), [len(each) for each in points])
    place = np.concatenate([np.arange(len(each)) for each in points])
    flat = np.concatenate(points)
    fixed, unstable = np.full((count, most, fast.dimension), np.nan), np.full((count, most), -1)
    fixed[owner, place], unstable[owner, place] = flat, parts.unstable(flat, p[owner])
    shape, over = tuple(ensemble.dims.values()), tuple(ensemble.dims)
    plain = trajectory.layout(parts.system, time=most)
    axes = {name: plain.variables[name].dims[1:] for name in parts.system.state}
    arrays: dict[str, np.ndarray] = {
        "attractors": (unstable == 0).sum(axis=1).reshape(shape),
        "oscillating": (ends == OSCILLATING).mean(axis=1).reshape(shape),
        "unstable": unstable.reshape(*shape, most),
    }
    variables = {
        "attractors": Variable(over, np.int64, {"long_name": "number of stable fixed points"}),
        "oscillating": Variable(over, float, {"long_name": "share of the followed starts that end in oscillations"}),
        "unstable": Variable((*over, "point"), np.int64, {"long_name": "number of unstable eigenvalues; -1: no point"}),
    }
    for name, block in fast.unpack(fixed).items():
        arrays[f"{name}_fixed"] = block.reshape(*shape, most, *parts.system.state[name])
        variables[f"{name}_fixed"] = Variable((*over, "point", *axes[name]))
    for name, rate in parts.drift(flat, p[owner]).items():
        drift = np.full((count, most, rate.shape[1]), np.nan)
        drift[owner, place] = rate
        arrays[f"{name}_drift"] = drift.reshape(*shape, most, *parts.system.state[name])
        meaning = {"long_name": "slow flow on the critical manifold"}
        variables[f"{name}_drift"] = Variable((*over, "point", *axes[name]), float, meaning)
    coords = {}
    for name, (dims, values) in ensemble.coords.items():
        own = fast.parameters[name]
        told = {key: text for key, text in (("units", own.unit), ("long_name", own.meaning)) if text}
        coords[name] = Variable((*dims, *axes.get(name, ())), float, told, values)
    sizes = {**ensemble.dims, "point": most, **{d: n for d, n in plain.sizes.items() if d != "time"}}
    used = {d for v in (*variables.values(), *coords.values()) for d in v.dims}
    attrs = trajectory.provenance(ensemble.system, analysis="landscape", **settings)
    return trajectory.dataset(Layout({d: n for d, n in sizes.items() if d in used}, coords, variables, attrs), arrays)
