"""Groups of members on their way through time: what survives between two calls of a driver.

A group delivers its samples segment by segment, and looks up every `SLICE` seconds, without any effect on its
numbers.
"""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine import cache
from ..engine.driver import driver
from ..engine.native import Kernel, Workspace, aligned, load
from ..engine.program import Program
from . import control, explicit
from .events import Happenings, Watch
from .fields import DONE, FIELDS, NONFINITE, PAUSED, RUNNING, STEP_FIELDS
from .parallel import Tick
from .stochastic import Stochastic, stochastic_kernels
from .tableaux import Tableau
from .times import MANY, Spaced, Times

SLICE = 0.05
"""Seconds between two looks at Ctrl-C and the progress bar."""

DRIVERS = "attrax.integrators.drivers"


def lanes(members: int, dimension: int, parameters: int, *, dense: bool = False) -> int:
    """How many members go side by side: as many as the nearest cache holds, with what the method keeps of them."""
    if members == 1:
        return 1
    numbers = dimension * (20 if dense else 3) + parameters + 16
    return next((width for width in (64, 32, 16) if width * numbers <= 6000), 8)


def fixed_lanes(members: int, dimension: int, parameters: int) -> int:
    """The same for equal steps, whose state stays in registers if it is small."""
    if members == 1:
        return 1
    if dimension + parameters <= 3:
        return 64
    return 32 if dimension <= 4 else 16 if dimension <= 8 else 8


class Pace:
    """How much work a call of a driver should do to take about `SLICE` seconds."""

    def __init__(self, amount: int):
        self.amount = amount

    def __enter__(self) -> Pace:
        self._begin = clock.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        spent = max(clock.perf_counter() - self._begin, 1e-9)
        self.amount = min(max(1, int(self.amount * min(4.0, max(0.25, SLICE / spent)))), 10**12)


class Compiled:
    """Kernels of one width, and where the fields of their memory lie."""

    def __init__(self, workspace: Workspace, kernels: Mapping[str, Kernel], fields: tuple[str, ...]):
        self.workspace = workspace
        self.width = workspace.width
        self.kernels = load(kernels, workspace)
        self.field = np.array([workspace.offset(name) for name in fields])

    def memory(self, **shared: float) -> np.ndarray:
        """New memory, with values of shared fields."""
        work = aligned(self.workspace.size)
        for name, value in shared.items():
            work[self.workspace.offset(name)] = value
        return work


class Adaptive(Compiled):
    """A method with error control, or with equal steps where there are events, and a right-hand side, compiled."""

    def __init__(
        self,
        rhs: Program,
        method: control.Method,
        width: int,
        dense: bool,
        watch: Watch | None = None,
        projection: Program | None = None,
        equal: bool = False,
    ):
        again = watch is not None and not dense
        self.dimension = rhs.inputs["y"]
        how: dict[str, Any] = {"dense": dense, "again": again, "watch": watch}
        workspace = control.adaptive_workspace(width, method, self.dimension, rhs.inputs["p"], **how, equal=equal)
        kernels = control.adaptive_kernels(rhs, method, **how, projection=projection, equal=equal)
        super().__init__(workspace, kernels, FIELDS)
        self.addresses = np.array(
            [self.kernels.get(name, 0) for name in ("step", "prepare", "interpolate", "polynomials", "land", "refine")]
        )
        self.degree = watch.degree(control.rows(method)) if watch else 0
        rows: list[int] = []
        self.column: dict[str, slice] = {}
        for name, (start, size, _) in workspace.fields.items():
            if name == "theta":
                break
            self.column[name] = slice(len(rows), len(rows) + size)
            rows += range(start, start + size * width, width)
        self.rows = np.array(rows)
        taken = ("t", "p", "g", "gold", "told", "hold", "yold", "kold", "K") if watch else ()
        self.taken = np.array([r for name in taken for r in self.rows[self.column[name]]], dtype=np.int64)


class Fixed(Compiled):
    """Kernels of equal steps (or iterates): ``advance``, and ``sample`` where there is a dense output.

    They may be for members whose parameters are all ``alike``.
    """

    def __init__(
        self,
        kernels: Mapping[str, Kernel],
        width: int,
        dimension: int,
        parameters: int,
        outputs: int,
        alike: bool = False,
    ):
        super().__init__(explicit.fixed_workspace(width, dimension, parameters, alike), kernels, STEP_FIELDS)
        self.kernels = {"sample": 0, **self.kernels}
        self.dimension, self.outputs = dimension, outputs
        self.parameters, self.alike = 0 if alike else parameters, alike


def _fixed(rhs: Program, tableau: Tableau | None, width: int, record: Program | None, alike: bool = False) -> Fixed:
    kernels = explicit.fixed_kernels(rhs, tableau, record) if tableau else explicit.map_kernels(rhs, record)
    dimension, parameters = rhs.inputs["y"], rhs.inputs["p"]
    outputs = sum(len(v) for v in record.outputs.values()) if record else dimension
    return Fixed(kernels, width, dimension, parameters, outputs, alike)


def _stochastic(rhs: Program, noise: Program, interpretation: str, method: Stochastic, width: int) -> Fixed:
    dimension, parameters = rhs.inputs["y"], rhs.inputs["p"] + 2
    return Fixed(stochastic_kernels(rhs, noise, interpretation, method), width, dimension, parameters, dimension)


adaptive = cache.remembered(Adaptive)
fixed = cache.remembered(_fixed)
stochastic = cache.remembered(_stochastic)


class AdaptiveGroup:
    """Members with a step size each.

    Parameters
    ----------
    compiled : Adaptive
    y, p : ndarray
        Initial states ``(members, dimension)`` and parameters ``(members, parameters)``.
    t_start, t_end : float
    times : ndarray
        When to sample.
    events : Happenings, optional
        What ``compiled`` watches.
    record_from : float
        Time from which on events are recorded.
    limits : dict, optional
        By name of an event how many of them end a member.
    state_too : bool
        Whether to record also the states at events (before they happen).
    found : sequence of ndarray, optional
        Memory of each kind of event ``(room, members, 1)``, where those are found that fit in (see :func:`space`).
    """

    def __init__(
        self,
        compiled: Adaptive,
        y: np.ndarray,
        p: np.ndarray,
        t_start: float,
        t_end: float,
        *,
        times: Times,
        rtol: float,
        atol: float,
        max_steps: float,
        dt: float = 0.0,
        events: Happenings | None = None,
        record_from: float = 0.0,
        limits: Mapping[str, int] | None = None,
        state_too: bool = False,
        found: Sequence[np.ndarray] | None = None,
    ):
        self.compiled, self.times = compiled, times
        self.t_start, self.t_end = t_start, t_end
        self.direction = 1 if t_end > t_start else -1
        self.max_steps = np.array([float(max_steps)])
        self.members = len(y)
        self.status = np.full(self.members, RUNNING)
        self.columns = np.zeros((self.members, len(compiled.rows)))
        self.y[:], self.p[:] = y, p
        self._of("sample_time")[:] = times[:1][0] if len(times) else self.direction * np.inf
        self.work = compiled.memory(
            t_end=t_end,
            direction=self.direction,
            rtol=rtol,
            atol=atol,
            max_steps=max_steps,
            dt=abs(dt),
            t_start=t_start,
        )
        width = compiled.width
        self.slot = np.empty(width, dtype=np.int64)
        self.aside = compiled.memory(direction=self.direction) if events else self.work[:0]
        self.aside_slot, self.waiting = np.zeros(width, dtype=np.int64), np.zeros(1, dtype=np.int64)
        self.scratch = np.empty(8 + 50 * (compiled.degree + 3))
        states = compiled.dimension if state_too else 0
        self.record = _Record(events, self.members, record_from, limits, states, self.direction, width, found)
        schedule, scheduled = events.schedule(p, self.direction) if events else (np.zeros((1, 1)), _NONE)
        self.schedule, self.scheduled = schedule, scheduled
        self.row = np.array([schedule.shape[1], len(self.record.limits)])
        self.pace = Pace(2000)
        self.restart(t_start)

    def restart(self, t: float) -> None:
        """Begin anew at ``t`` with the present states and parameters: first derivatives and first steps."""
        c = self.compiled
        self._of("t")[:], self._of("stuck")[:] = t, 0.0
        if self.record.watched:
            self._of("flag")[:] = 0.0
            self.waiting[0] = 0
        if self.record.acting:
            self._of("over")[:] = 0.0
            self._of("due")[:] = 0.0
            self._of("fired")[:] = -self.direction * np.inf
            self._of("gap")[:] = self._of("widest")[:] = np.inf
            self._of("kick")[:, 0] = (self.direction * (self.schedule - t) <= 0.0).sum(axis=1)
        driver(DRIVERS, "begin")(
            *(c.kernels["start"], self.work, c.width, c.rows, len(c.rows), self.columns, self.members)
        )
        if self.record.located:
            g = self._of("g")
            g[np.abs(g) <= 2.0**-40 * np.abs(self._of("rate") * self._of("h"))] = 0.0

    def _of(self, name: str) -> np.ndarray:
        return self.columns[:, self.compiled.column[name]]

    def advance(self, first: int, last: int, out: np.ndarray, tick: Tick) -> None:
        """Deliver the samples ``first`` to ``last`` into ``out`` ``(members, last - first, dimension)``.

        With the last sample, members go on to the end.
        """
        c, r, left = self.compiled, self.record, 1
        self.status[self.status == PAUSED] = RUNNING
        times = self.times[first : last + 1]
        run = driver(DRIVERS, "adaptive" if r.watched else "unwatched")
        while left:
            amount = self.pace.amount
            with self.pace:
                left = run(
                    *(c.addresses, self.work, c.field, c.width, c.dimension, self.direction),
                    *(c.rows, len(c.rows), self.columns, self.status, self.members),
                    *(times, first, last, len(self.times), out),
                    *(r.located, c.degree, r.acting, r.sides, r.actions),
                    *(self.aside, self.aside_slot, c.taken, len(c.taken), self.waiting, r.limited),
                    *(self.schedule, self.scheduled, self.row, r.begin, r.limits, r.counts),
                    *(r.log, r.entries, int(r.states > 0), r.logged, len(r.log)),
                    *(r.places, r.strides, r.rooms, r.filed),
                    *(self.max_steps, self.slot, self.scratch, self.pace.amount),
                )
            r.empty(more=bool(left))
            if left:
                tick(self.fraction)
            else:
                self.pace.amount = amount  # there was less to do than that
        if r.limited:
            self._end_at_limits()

    def _end_at_limits(self) -> None:
        """Members that are complete stand at their last event, however far they had gone on."""
        for number, limit in enumerate(self.record.limits):
            complete = self.record.counts[:, number] == limit
            if complete.any() and self.record.states:
                found = self.record.of(number)[complete, limit - 1]
                self._of("t")[complete], self.y[complete] = found[:, :1], found[:, 1:]

    def extend(self, t_end: float) -> None:
        """Let the members that have arrived go on to a later end."""
        self.t_end = t_end
        self.work[self.compiled.workspace.offset("t_end")] = t_end
        self.status[self.status == DONE] = RUNNING

    @property
    def fraction(self) -> float:
        """How much of the way is done."""
        going = (self.status == RUNNING) | (self.status == PAUSED)
        left = np.where(going, (self.t_end - self._of("t")[:, 0]) / (self.t_end - self.t_start), 0.0)
        return float(1.0 - left.mean())

    @property
    def delivered(self) -> np.ndarray:
        """Number of samples that each member has delivered."""
        return self._of("sample")[:, 0]

    @property
    def y(self) -> np.ndarray:
        """Last states ``(members, dimension)``."""
        return self._of("y")

    @property
    def p(self) -> np.ndarray:
        """Parameters ``(members, parameters)``."""
        return self._of("p")

    def result(self) -> dict[str, np.ndarray]:
        """Status, time reached and numbers of steps of each member."""
        steps, rejected = self._of("steps")[:, 0], self._of("rejected")[:, 0]
        return {
            "status": np.where(self.status == PAUSED, RUNNING, self.status),
            "t_stop": self._of("t")[:, 0],
            "steps": steps - rejected,
            "rejected": rejected,
        }


_NONE = np.zeros((1, 1), dtype=np.int64)
_UNLIMITED = 2**62
LOGGED = 2**10
"""Events that are logged at most before room is made for them."""
ROOM = 32
"""Events of a kind for which a member has room at first; what it does not use is never touched."""


def space(members: int, states: int = 0, most: int = ROOM) -> np.ndarray:
    """Memory of a kind of event ``(room, members, 1 + states)``, for the first of each member before the second."""
    return np.empty((min(ROOM, most), members, 1 + states))


class _Record:
    """The events of a group: what is asked about them, and their times."""

    def __init__(
        self,
        events: Happenings | None,
        members: int,
        begin: float,
        limits: Mapping[str, int] | None,
        states: int,
        direction: int,
        width: int,
        found: Sequence[np.ndarray] | None,
    ):
        self.names = events.names if events else ()
        self.watched, self.located = events is not None, events.watch.count if events else 0
        self.sides = np.array(events.watch.sides if events else (), dtype=np.int64)
        self.actions = np.array(events.actions if events else (), dtype=np.int64)
        self.acting = int(self.actions.any())
        self.begin, self.members = np.array([begin]), members
        self.limits = np.array([(limits or {}).get(name, _UNLIMITED) for name in self.names], dtype=np.int64)
        self.limited = int((self.limits < _UNLIMITED).any())
        self.counts = np.zeros((members, len(self.names)), dtype=np.int64)
        self.states, self.direction, self.logged = states, direction, np.zeros(1, dtype=np.int64)
        room = max(LOGGED, 2 * width) if events else 0
        self.log, self.entries = np.empty((room, 1 + states)), np.empty((room, 2), dtype=np.int64)
        self._found = list(found) if found else [space(members, states, most) for most in self.limits.tolist()]
        self.filed = np.zeros_like(self.counts)
        self._look()

    def _look(self) -> None:
        self.rooms = np.array([len(found) for found in self._found], dtype=np.int64)
        self.strides = np.array([found.strides[0] // found.itemsize for found in self._found], dtype=np.int64)
        self.places = np.array([found.ctypes.data for found in self._found], dtype=np.int64)

    def empty(self, more: bool) -> None:
        """File what is in the log, in the order of time; with ``more`` to come there will be room for that."""
        np.minimum(self.counts, self.limits, out=self.counts)
        if not self.logged[0]:
            return
        for number, most in enumerate(self.counts.max(axis=0).tolist()):
            found = self._found[number]
            if most > len(found):
                room = min(2 * most, int(self.limits[number])) if more else most
                self._found[number] = np.empty((room, *found.shape[1:]))
                self._found[number][: len(found)] = found
        self._look()
        driver(DRIVERS, "file")(
            *(self.entries, self.log, self.logged, 1 + self.states, self.direction),
            *(len(self.names), self.places, self.strides, self.rooms, self.limits, self.filed),
        )

    def of(self, number: int) -> np.ndarray:
        """Times (and states) ``(members, most, 1 + states)`` of an event, padded with NaN."""
        found, filed = self.rows(number)
        np.copyto(found, np.nan, where=(np.arange(len(found))[:, None] >= filed)[:, :, None])
        return found.swapaxes(0, 1)

    def rows(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The same without padding ``(most, members, 1 + states)``, and how many there are of each member."""
        filed = self.filed[:, number]
        return self._found[number][: int(filed.max(initial=0))], filed


@dataclass(frozen=True)
class Positions:
    """Times in equal steps from ``start``, as whole numbers where they are so but for rounding."""

    times: Times
    start: float
    dt: float

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, part: slice) -> np.ndarray:
        positions = (self.times[part] - self.start) / self.dt
        near = np.rint(positions)
        return np.where(np.abs(positions - near) <= 1e-9 * np.maximum(1.0, near), near, positions)


def _regular(positions: Positions | np.ndarray) -> int:
    """Number of steps between samples if it is the same everywhere, else 0."""
    spaced = isinstance(positions, Positions) and isinstance(positions.times, Spaced)
    some = positions[:MANY] if spaced else positions[:]
    gaps = np.diff(some)
    same = len(gaps) and (gaps == gaps[0]).all() and (some == np.floor(some)).all()
    if spaced and same:
        same = positions[len(positions) - 1 :][0] == some[0] + gaps[0] * (len(positions) - 1)
    return int(gaps[0]) if same else 0


class FixedGroup:
    """Members that take equal steps together (or the iterates of a map).

    Parameters
    ----------
    compiled : Fixed
    y, p : ndarray
        Initial states ``(members, dimension)`` and parameters ``(members, parameters)``.
    t_start, dt : float
        Flows: first time and step.
    steps : int
        Number of steps.
    positions : Positions, or ndarray
        When to sample, in steps from the first; the part after the decimal point lies within a step.
    origin : int
        Number of the first step (the time of a map).
    """

    def __init__(
        self,
        compiled: Fixed,
        y: np.ndarray,
        p: np.ndarray,
        *,
        t_start: float,
        dt: float,
        steps: int,
        positions: Positions | np.ndarray,
        origin: int = 0,
    ):
        self.compiled = compiled
        self.y, self.p = np.array(y, dtype=float, order="C"), np.ascontiguousarray(p, dtype=float)
        self.t_start, self.dt, self.steps, self.origin = t_start, dt, steps, origin
        self.step = self.samples = 0
        self.members = len(self.y)
        self.status = np.full(self.members, RUNNING)
        self.reached = np.zeros(self.members, dtype=np.int64)
        self.positions = positions
        self.every = _regular(positions)
        self.segment, self.whole = 0, np.zeros(0, dtype=np.int64)
        self.work = compiled.memory(t0=t_start, dt=dt)
        if compiled.alike:
            start = compiled.workspace.offset("p")
            self.work[start : start + self.p.shape[1]] = self.p[0]
        record = compiled.width * max(compiled.outputs, compiled.dimension)
        self.chunk = max(1, 4096 // record)
        self.buffer = np.empty(record * self.chunk)
        self.saved = np.empty(3 * compiled.dimension * compiled.width)
        self.pace = Pace(2_000_000)

    def advance(self, first: int, last: int, out: np.ndarray, tick: Tick) -> None:
        """Deliver the samples ``first`` to ``last`` into ``out`` ``(members, last - first, outputs)``.

        With the last sample, members go on to the end.
        """
        places = self.positions[first:last]
        self.segment, self.whole = first, np.floor(places).astype(np.int64)
        theta = places - self.whole
        r = first
        while r < last:
            most = max(1, self.pace.amount // self.members)
            here = self.whole[r - first :]
            gap = int(here[0]) - self.step
            lead = gap - self.every if self.every else gap - most
            if lead > 0:
                self.go(self.step + min(most, lead), tick)
                continue
            regular = 0 < gap == self.every
            if regular:
                count = max(1, most // gap)
            else:
                count = 1 if self.every else int(np.searchsorted(here, self.step + most, side="right"))
            count = min(count, last - r)
            place = (last - first, r - first)
            self._call(self.every if regular else 0, count, here, theta[r - first :], out, place)
            self.step = int(here[count - 1])
            self.samples = r = r + count
            tick(self.fraction)
        if last == len(self.positions):
            while self.step < self.steps:
                most = max(1, self.pace.amount // self.members)
                self.go(min(self.steps, self.step + most), tick)
            self.status[self.status == RUNNING] = DONE

    def restep(self, t: float, dt: float) -> None:
        """Take steps of another length from now on, the present time ``t``."""
        self.dt, self.t_start = dt, t - self.step * dt
        self.work[self.compiled.workspace.offset("t0")] = self.t_start
        self.work[self.compiled.workspace.offset("dt")] = dt

    def go(self, step: int, tick: Tick) -> None:
        """Advance to the step of a number."""
        self._call(0, 0, np.array([step]), self.buffer, self.buffer, (0, 0))
        self.step = step
        tick(self.fraction)

    def _call(
        self, every: int, records: int, whole: np.ndarray, theta: np.ndarray, out: np.ndarray, place: tuple[int, int]
    ) -> None:
        c = self.compiled
        with self.pace:
            driver(DRIVERS, "steps")(
                *(c.kernels["advance"], c.kernels["sample"], self.work, c.field, c.width),
                *(c.dimension, c.parameters, c.outputs, self.y, self.p, self.status, self.reached, self.members),
                *(self.origin, self.step, every, records, whole, theta, out, *place),
                *(self.buffer, self.chunk, self.saved),
            )

    @property
    def fraction(self) -> float:
        """How much of the way is done."""
        return self.step / max(self.steps, 1)

    @property
    def delivered(self) -> np.ndarray:
        """Number of samples that each member has delivered."""
        finite = self.segment + np.searchsorted(self.whole, self.reached, side="right")
        return np.where(self.status == NONFINITE, np.minimum(finite, self.samples), self.samples)

    @property
    def _taken(self) -> np.ndarray:
        return np.where(self.status == NONFINITE, self.reached, self.step)

    def result(self) -> dict[str, np.ndarray]:
        """Status, time reached and numbers of steps of each member."""
        return {
            "status": self.status,
            "t_stop": self.t_start + self._taken * self.dt,
            "steps": self._taken,
            "rejected": np.zeros(self.members, dtype=np.int64),
        }
