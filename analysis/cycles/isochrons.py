"""Asymptotic phase: at which phase of a cycle do states arrive; its level sets are the isochrons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import trajectory
from ...engine.errors import InputError, Interrupted
from ...engine.layout import Layout, Variable
from ...engine.system import System
from ...integrators.ensemble import Ensemble
from ...integrators.parallel import Progress
from ...integrators.times import positive, whole
from ..attractors.attractors import Motion
from ..attractors.basins import starting_states
from .course import responding
from .cycle import Cycle
from .floquet import on_mesh, phase_response

if TYPE_CHECKING:
    import xarray as xr

CLOSE = 0.02
"""Distance from the cycle, relative to its size, from which on states are projected on it along its isochrons."""
SETTLED = 1e-7
"""Change of the phase in a period, in periods, below which it has settled."""
TINY = 1e-9
"""Steps of the phase, and of states in units of the cycle's size, below which there are none."""
TABLE = 1000
"""Phases of the cycle among which the nearest is looked for first."""


def asymptotic_phase(
    system: System,
    cycle: Cycle,
    initial: Mapping[str, Any] | Ensemble | np.ndarray,
    *,
    number: int = 10_000,
    periods: int = 200,
    method: str | None = "dop853",
    rtol: float = 1e-9,
    atol: float = 1e-12,
    seed: int = 0,
    progress: Progress | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    """The phase of a stable cycle that states come to share: Winfree's asymptotic phase, constant on isochrons.

    States are followed for whole periods until they are close to the cycle, and then projected on it along the planes
    tangent to the isochrons there, which the phase response gives (A. Winfree, J. Math. Biol. 1, 73, 1974;
    J. Guckenheimer, J. Math. Biol. 1, 259, 1975).

    Parameters
    ----------
    system : System
        An autonomous flow; its parameters are taken from the cycle.
    cycle : Cycle
        A stable one, as :func:`attrax.analysis.find_cycle` gives it.
    initial : grid(...) or zip(...) of state blocks, dict, or array
        The states, as in :func:`attrax.analysis.basins`: a grid of two components is a picture of the isochrons.
    number : int
        How many states, if ``initial`` says how to draw them.
    periods : int
        How long to follow them at most.
    method, rtol, atol, seed, progress, workers
        As in :func:`attrax.simulate`.

    Returns
    -------
    xarray.Dataset
        ``asymptotic_phase`` ``(member...)`` from 0 to 1, the phase of the cycle's ``data``, and NaN for states that did
        not come to the cycle; ``periods`` ``(member...)`` after which it was known; and the cycle's state blocks
        ``(phase, block axes)``.

    Raises
    ------
    InputError
        An argument is wrong, or the cycle is not stable.
    Interrupted
        Ctrl-C; the phases found so far are in its ``partial``.
    """
    response = phase_response(system, cycle)
    if not cycle.stable:
        raise InputError("the cycle is not stable: states near it have no asymptotic phase; give a stable cycle")
    system = system.with_parameters(**{k: v for k, v in cycle.parameters.items() if k in system.numeric})
    starts = starting_states(system, initial, number, seed)
    longest = whole("periods", periods, 1)
    options = {"method": method, "rtol": positive("rtol", rtol), "atol": positive("atol", atol), "workers": workers}
    how = Motion(system, cycle.period, cycle.period, cycle.period, options)
    hybrid = any(event.reset is not None for event in system.events.values())
    projection = _AcrossResets(system, cycle) if hybrid else _Projection(system, cycle, response)
    count = len(starts.y)
    found, after = np.full(count, np.nan), np.zeros(count, dtype=np.int64)
    open, y, before = np.arange(count), starts.y.copy(), np.full(count, np.nan)

    def result() -> xr.Dataset:
        return _result(system, cycle, starts, found, after, {**options, "longest": longest, "seed": seed})

    done, step = 0, 1
    try:
        while len(open) and done < longest:
            step = min(max(1, done // 8), longest - done)
            y, done = how.advance(y, 0.0, step * cycle.period), done + step
            phase, distance = projection(y)
            change = np.abs((phase - before + 0.5) % 1.0 - 0.5)
            settled = (distance < CLOSE) & (change < SETTLED)
            found[open[settled]], after[open[settled]] = phase[settled], done
            going = ~settled & np.isfinite(y).all(axis=1)
            open, y, before = open[going], y[going], phase[going]
            if progress is not None:
                progress(1.0 - len(open) / count)
    except (KeyboardInterrupt, Interrupted):
        raise Interrupted("interrupted", result()) from None
    if progress is not None:
        progress(1.0)
    return result()


class _Projection:
    """Phases of states near a cycle."""

    def __init__(self, system: System, cycle: Cycle, response: xr.Dataset):
        from scipy.spatial import cKDTree

        self.problem, u = on_mesh(system, cycle)
        self.profile = self.problem.profile(u)
        names = list(system.state)
        columns = [np.asarray(response[name]).reshape(len(self.profile), -1) for name in names]
        self.response = np.concatenate(columns, axis=1) / cycle.period
        table = np.arange(TABLE) / TABLE
        self.size = np.maximum(np.ptp(self.profile, axis=0), 1e-12)
        self.tree = cKDTree(self.problem.evaluated(self.profile, table) / self.size)

    def __call__(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Phases of states ``(members, n)``, and how far off the cycle they are in units of its size."""
        distance, phase = np.full(len(y), np.inf), np.full(len(y), np.nan)
        there = np.isfinite(y).all(axis=1)
        near, place = self.tree.query(y[there] / self.size)
        inside = near < CLOSE
        where, at = np.flatnonzero(there)[inside], place[inside] / TABLE
        for _ in range(4):
            off = y[where] - self.problem.evaluated(self.profile, at)
            at = (at + (self.problem.evaluated(self.response, at) * off).sum(axis=1)) % 1.0
        phase[where], distance[there] = at, near
        return phase, distance


class _AcrossResets:
    """Phases of states near a cycle with resets: each is projected on the stretch between events that is nearest."""

    def __init__(self, system: System, cycle: Cycle):
        from scipy.spatial import cKDTree

        course, response, _ = responding(system, cycle)
        self.begins = np.flatnonzero(np.diff(course.phase) > TINY)
        self.ends = self.begins + 1
        self.course, self.response = course, response / cycle.period
        self.phase = course.phase - float(cycle.data.phase[0])
        self.size = np.maximum(np.ptp(course.states, axis=0), 1e-12)
        steps = abs(course.states[self.ends] - course.states[self.begins]) / self.size
        parts = 1 + np.ceil(steps.max(axis=1) / (CLOSE / 4)).astype(int)
        self.segments = np.repeat(np.arange(len(parts)), parts)
        within = np.arange(len(self.segments)) - np.repeat(np.cumsum(parts) - parts, parts)
        first, last = self.phase[self.begins[self.segments]], self.phase[self.ends[self.segments]]
        self.table = first + (last - first) * within / parts[self.segments]
        # the stretches between events, as ranges of segments
        broken = np.flatnonzero(np.diff(self.begins) > 1) + 1
        apart = abs(course.states[self.begins[broken]] - course.states[self.ends[broken - 1]]) / self.size
        broken = broken[(apart > TINY).any(axis=1)]
        edges = np.concatenate([[0], broken, [len(self.begins)]])
        stretch = np.searchsorted(edges, np.arange(len(self.begins)), side="right") - 1
        self.low, self.high = edges[stretch], edges[stretch + 1] - 1
        self.tree = cKDTree(self._states(self.table, self.segments) / self.size)

    def __call__(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Phases of states ``(members, n)``, and how far off the cycle they are in units of its size."""
        distance, phase = np.full(len(y), np.inf), np.full(len(y), np.nan)
        there = np.isfinite(y).all(axis=1)
        near, place = self.tree.query(y[there] / self.size)
        inside = near < CLOSE
        where, at, segment = np.flatnonzero(there)[inside], self.table[place[inside]], self.segments[place[inside]]
        low, high = self.low[segment], self.high[segment]
        for _ in range(4):
            off = y[where] - self._states(at, segment)
            at = at + (self._responses(at, segment) * off).sum(axis=1)
            segment = np.clip(np.searchsorted(self.phase[self.begins], at, side="right") - 1, low, high)
        phase[where], distance[there] = at % 1.0, near
        return phase, distance

    def _shares(self, at: np.ndarray, segment: np.ndarray) -> tuple[np.ndarray, ...]:
        a, b = self.begins[segment], self.ends[segment]
        length = (self.phase[b] - self.phase[a])[:, None]
        return a, b, length, (at - self.phase[a])[:, None] / length

    def _states(self, at: np.ndarray, segment: np.ndarray) -> np.ndarray:
        """States at phases, by cubic interpolation in segments (or beyond their ends)."""
        a, b, length, x = self._shares(at, segment)
        y, f = self.course.states, self.course.velocities
        rise = y[b] - y[a]
        return y[a] + x * rise + x * (1 - x) * ((1 - x) * (length * f[a] - rise) - x * (length * f[b] - rise))

    def _responses(self, at: np.ndarray, segment: np.ndarray) -> np.ndarray:
        a, b, _, x = self._shares(at, segment)
        return self.response[a] + x * (self.response[b] - self.response[a])


def _result(
    system: System, cycle: Cycle, starts: Any, found: np.ndarray, after: np.ndarray, told: dict[str, Any]
) -> xr.Dataset:
    settings = {name: value for name, value in told.items() if name != "workers"}
    attrs = trajectory.provenance(system, analysis="asymptotic_phase", cycle_period=cycle.period, **settings)
    plain = trajectory.layout(system, time=0, members=starts.dims, member_coords=starts.coords, attrs=attrs)
    dims = plain.variables["status"].dims
    shape = tuple(starts.dims.values())
    profile = np.asarray(cycle.data["phase"])
    variables = {name: Variable(("phase", *plain.variables[name].dims[len(dims) + 1 :])) for name in system.state} | {
        "asymptotic_phase": Variable(dims, float, {"long_name": "in periods"}),
        "periods": Variable(dims, np.int64, {"long_name": "periods until it was known"}),
    }
    coords = {name: v for name, v in plain.coords.items() if name != "time"}
    coords["phase"] = Variable(("phase",), float, {"long_name": "time along the cycle, in periods"}, profile)
    arrays = system.unpack(cycle.profile) | {"asymptotic_phase": found.reshape(shape), "periods": after.reshape(shape)}
    sizes = {d: n for d, n in plain.sizes.items() if d != "time"} | {"phase": len(profile)}
    return trajectory.dataset(Layout(sizes, coords, variables, attrs), arrays)
