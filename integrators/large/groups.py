"""Members of large systems on their way through time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...engine import array_quantities as quantities
from ...engine.array_memory import Team
from ...engine.system import System
from ..fields import DONE, NONFINITE, PAUSED, RUNNING
from ..groups import Pace, Positions
from ..parallel import Tick
from ..times import Times
from .events import LargeRecord
from .fields import COLUMNS, RULE, SAMPLE, T
from .scheme import Large

DRIVERS = "attrax.integrators.large.drivers"
SHARED_WORK = 200_000
"""Numbers read in a step from which on it is worth sharing the work among threads."""


class _Group:
    """What groups of both kinds have in common."""

    def __init__(self, scheme: Large, system: System, y: np.ndarray, p: np.ndarray, workers: int):
        self.scheme, self.system, self.members = scheme, system, len(y)
        self.memory = scheme.memory(system, y, p)
        self.lent = True
        self.status = np.full(self.members, RUNNING)
        self.active = np.tile(np.arange(self.members), 2)
        work = scheme.tape.work["step"] * self.members
        self.team = Team(workers if work >= SHARED_WORK else 1)
        self.pace = Pace(4)
        self.alone = int(not any(scheme.tape.together[k] for k in ("interpolate", "record")))
        self.times = self.memory.arrays["times"]
        self.events = LargeRecord(scheme.watch, self.memory) if scheme.watch else None
        self.eye = self.events.eye if self.events else np.zeros(1, dtype=np.int64)
        self.team.play(self.memory, "setup")

    def _run(self, name: str, *arguments: Any) -> int:
        return self.team.run(DRIVERS, name, self.memory, *arguments)

    def _driver(self, name: str) -> str:
        return f"watched_{name}" if self.events else name

    def _begin_at(self, t: float) -> None:
        """Derivatives and event functions where the first step begins."""
        self.times[:, : self.scheme.stages + 2] = t
        self.team.play(self.memory, "start")
        if self.events:
            self.events.begin(self.memory)
            self._lies("shown")[:] = self.y
            self.team.play(self.memory, "watch")

    @property
    def y(self) -> np.ndarray:
        """States ``(members, dimension)``, wherever they lie now."""
        return self._lies("y")

    def _lies(self, buffer: str) -> np.ndarray:
        """Where the states of a buffer are by now, for drivers let buffers change places."""
        memory = self.memory
        here = memory.bases[2 * memory.tape.number(buffer)]
        return next(a for k in ("y", "new", "shown") if (a := memory.arrays[k]).ctypes.data == here)

    def change(self, where: slice, values: np.ndarray) -> None:
        """Change parameters from now on, to values ``(members, parameters)``.

        Members that have had all parameters in common get some of their own when their values differ.
        """
        p = self.memory.arrays["in p"]
        apart = len(p) < self.members and (values != values[0]).any()
        if self.lent or apart:
            p = np.repeat(p, self.members, axis=0) if apart else p.copy()
            quantities.place(self.system, self.memory, p, self.scheme.programs)
            self.lent = False
        p[:, where] = values[: len(p)]
        self.team.play(self.memory, "setup")

    def revive(self) -> None:
        """Let members that have ended go on."""
        self.status[:] = RUNNING

    def _record(self, times: np.ndarray) -> np.ndarray:
        """What is recorded of the present states, at a time for each member."""
        self._lies("shown")[:] = self.y
        self.times[:, self.scheme.stages + 1] = times if self.scheme.adaptive else times[0]
        self.team.play(self.memory, "record")
        return self.memory.arrays["record"]


class LargeFixedGroup(_Group):
    """Members that take equal steps together, or the iterates of a map; parameters as of `groups.FixedGroup`."""

    def __init__(
        self,
        scheme: Large,
        system: System,
        y: np.ndarray,
        p: np.ndarray,
        *,
        t_start: float,
        dt: float,
        steps: int,
        positions: Positions | np.ndarray,
        origin: int = 0,
        workers: int = 1,
    ):
        super().__init__(scheme, system, y, p, workers)
        self.t_start, self.dt, self.steps, self.origin, self.positions = t_start, dt, steps, origin, positions
        self.memory.put("h", np.full((1, 1), dt), shared=True)
        self.clock = np.array([0.0, 1.0] if system.kind == "map" else [t_start, dt])
        self.nodes = np.array(scheme.nodes)
        self.bad = self.memory.arrays["bad"]
        self.reached = np.zeros(self.members, dtype=np.int64)
        self.position = np.array([0, self.members])
        self.samples = self.segment = 0
        self.places = np.zeros(0)
        if self.events:
            self.events.schedule(system, p, t_start, dt)
            self._begin_at(self._time(0))

    @property
    def step(self) -> int:
        """Number of steps taken."""
        return int(self.position[0])

    def restep(self, t: float, dt: float) -> None:
        """Take steps of another length from now on, the present time ``t``."""
        self.dt, self.t_start = dt, t - self.step * dt
        self.clock[:] = self.t_start, dt
        self.memory.arrays["h"][:] = dt

    def restart(self, t: float) -> None:
        """Begin anew at ``t`` with the present states and parameters: what a step needs of the one before."""
        if self.events:
            self._begin_at(t)

    def revive(self) -> None:
        """Let members that have ended go on."""
        super().revive()
        self.active[: self.members] = np.arange(self.members)
        self.position[1] = self.members

    def advance(self, first: int, last: int, out: np.ndarray, tick: Tick) -> None:
        """Deliver the samples ``first`` to ``last`` into ``out`` ``(members, last - first, outputs)``.

        With the last sample, members go on to the end.
        """
        self.segment, self.places = first, self.positions[first:last]
        whole = np.floor(self.places).astype(np.int64)
        theta = self.places - whole
        r = first
        while r < last:
            here = whole[r - first :]
            if here[0] - self.step > self.pace.amount:
                self.go(self.step + self.pace.amount, tick)
                continue
            count = max(1, int(np.searchsorted(here, self.step + self.pace.amount, side="right")))
            count = min(count, max(1, self.pace.amount))
            r += self._call(here[:count].copy(), theta[r - first :].copy(), count, out, last - first, r - first)
            self.samples = r
            tick(self.fraction)
        if self.events:
            self._deliver_last(out)
        if last == len(self.positions):
            while self.step < self.steps and self.position[1]:
                self.go(min(self.steps, self.step + self.pace.amount), tick)
            self.status[self.status == RUNNING] = DONE

    def _deliver_last(self, out: np.ndarray) -> None:
        """A sample at the end of the step in which an event has ended a member is its last state."""
        assert self.events is not None
        for m in np.flatnonzero(self.ended & (self.events.stops == 1.0) & (self.status != NONFINITE)):
            k = int(np.searchsorted(self.places, self.reached[m] + 1))
            if k < len(self.places) and self.places[k] == self.reached[m] + 1:
                out[m, k] = self._record(np.full(self.members, self._time(self.reached[m] + 1)))[m]

    def go(self, step: int, tick: Tick) -> None:
        """Advance to the step of a number."""
        while self.step < step:  # which stops early where there is no room for more events
            self._call(np.array([step]), np.zeros(1), 0, np.zeros(1), 0, 0)
            tick(self.fraction)

    def _call(
        self, nearest: np.ndarray, theta: np.ndarray, records: int, out: np.ndarray, row: int, offset: int
    ) -> int:
        """Advance to samples; returns how many of them are delivered."""
        scheme, number = self.scheme, self.memory.tape.number
        last = f"k{scheme.stages - (len(scheme.tableau.extra_c) if scheme.tableau else 0)}"
        with self.pace:
            done = self._run(
                self._driver("steps"),
                *(number("y"), number("new"), number("shown"), scheme.dimension, number("k0"), number(last)),
                *(self.active, self.status, self.reached, self.bad),
                *(self.times, self.nodes, scheme.stages, self.clock, self.origin, self.position),
                *(nearest, theta, records, self.alone),
                *(self.memory.arrays["record"], scheme.outputs, out, row, offset, self.eye),
            )
        if self.events:
            self.events.drain()
        if not self.position[1]:
            self.position[0] = max(self.position[0], nearest[-1])
        return done

    @property
    def fraction(self) -> float:
        """How much of the way is done."""
        return min(1.0, self.step / max(self.steps, 1))

    @property
    def delivered(self) -> np.ndarray:
        """Number of samples that each member has delivered."""
        ended = self.ended
        place = self.reached + (np.where(self.status == NONFINITE, 0.0, self.events.stops) if self.events else 0.0)
        before = self.segment + np.searchsorted(self.places, place, side="right")
        return np.where(ended, np.minimum(before, self.samples), self.samples)

    @property
    def ended(self) -> np.ndarray:
        """Members that did not come to the end."""
        return (self.status != RUNNING) & (self.status != DONE)

    @property
    def recorded(self) -> np.ndarray:
        """What is recorded of the last states ``(members, outputs)``."""
        return self._record(np.full(self.members, self._time(self.step)))

    def _time(self, step: Any) -> Any:
        return self.clock[0] + (self.origin + step) * self.clock[1]

    def result(self) -> dict[str, np.ndarray]:
        """Status, time reached and numbers of steps of each member."""
        taken = np.where(self.ended, self.reached, self.step)
        t_stop = self.t_start + taken * self.dt
        if self.events:
            stopped = self.ended & (self.status != NONFINITE)
            t_stop = np.where(stopped, self._time(taken) + self.events.stops * self.clock[1], t_stop)
        return {
            "status": self.status,
            "t_stop": t_stop,
            "steps": taken,
            "rejected": np.zeros(self.members, dtype=np.int64),
        }


class LargeAdaptiveGroup(_Group):
    """Members with a step size each; parameters as of `groups.AdaptiveGroup`."""

    def __init__(
        self,
        scheme: Large,
        system: System,
        y: np.ndarray,
        p: np.ndarray,
        t_start: float,
        t_end: float,
        *,
        times: Times,
        rtol: float,
        atol: float,
        max_steps: float,
        workers: int = 1,
    ):
        super().__init__(scheme, system, y, p, workers)
        assert scheme.tableau is not None
        self.t_start, self.t_end, self.samples = t_start, t_end, times
        self.rtol, self.atol = rtol, atol
        self.direction = 1.0 if t_end > t_start else -1.0
        self.memory.put("rtol", np.array([[rtol]]), shared=True)
        self.memory.put("atol", np.array([[atol]]), shared=True)
        self.errors = np.zeros((2, self.members))
        for k in range(scheme.estimates):
            self.memory.put(f"error{k}", self.errors[k][:, None])
        self.nodes = np.array(scheme.nodes)
        self.clock = np.array([t_end, self.direction, max_steps])
        order, beta = scheme.tableau.error_order, scheme.tableau.beta
        rule = {"power": 0.5 / order - 0.75 * 0.5 * beta, "beta": beta}
        rule |= {k: getattr(scheme.tableau, k) for k in ("safety", "shrink", "grow")}
        self.rule = np.array([rule[k] for k in RULE])
        self.control = np.zeros((self.members, len(COLUMNS)))
        self.shared = np.zeros(3, dtype=np.int64)
        self.alone = int(self.alone and not scheme.tape.together["final"])
        self._begin()

    def _begin(self) -> None:
        """First derivative and first step (Hairer, Norsett & Wanner, II.4)."""
        scheme, memory = self.scheme, self.memory
        self._of("t")[:] = self.t_start
        self._of("memory")[:] = math.log2(1e-8)
        self._begin_at(self.t_start)
        y, k = self.y, memory.arrays["k0"]
        weights = 1.0 / (self.atol + self.rtol * np.abs(y))

        def square(values: np.ndarray) -> np.ndarray:
            return ((values * weights) ** 2).mean(axis=1)

        with np.errstate(all="ignore"):
            span = abs(self.t_end - self.t_start)
            size, slope = square(y), square(k)
            ratio = 0.01 * np.sqrt(size / np.maximum(slope, 1e-300))
            first = np.minimum(np.where((size < 1e-10) | (slope < 1e-10), 1e-6, ratio), span)
            before, start = k.copy(), y.copy()
            y += (self.direction * first)[:, None] * k
            self.times[:, : scheme.stages + 2] += (self.direction * first)[:, None]
            self.team.play(memory, "start")
            curvature = square(k - before) / np.maximum(first * first, 1e-300)
            y[:], k[:] = start, before
            largest = np.maximum(slope, curvature)
            guess = (1e4 * np.maximum(largest, 1e-30)) ** (-0.5 / scheme.tableau.error_order)  # type: ignore[union-attr]
            guess = np.where(largest <= 1e-30, np.maximum(1e-6, 1e-3 * first), guess)
            h = np.fmax(np.minimum(np.minimum(100.0 * first, guess), span), 1e-60 * span)
        self._of("h")[:] = h

    def restart(self, t: float) -> None:
        """Begin anew at ``t`` with the present states and parameters: first derivatives and first steps."""
        self.t_start = t
        self._of("held")[:] = 0.0
        self._begin()

    def extend(self, t_end: float) -> None:
        """Let the members that have arrived go on to a later end."""
        self.t_end = self.clock[0] = t_end
        self.status[self.status == DONE] = RUNNING

    def _of(self, name: str) -> np.ndarray:
        return self.control[:, COLUMNS.index(name)]

    def advance(self, first: int, last: int, out: np.ndarray, tick: Tick) -> None:
        """Deliver the samples ``first`` to ``last`` into ``out`` ``(members, last - first, outputs)``.

        With the last sample, members go on to the end.
        """
        scheme, number, left = self.scheme, self.memory.tape.number, 1
        self.status[self.status == PAUSED] = RUNNING
        times = self.samples[first : last + 1]
        self._deliver_first(first, last, times, out)
        while left:
            amount = self.pace.amount
            with self.pace:
                left = self._run(
                    self._driver("adaptive"),
                    *(number("y"), number("new"), number("shown")),
                    *(self.members, self.active, self.status, self.control),
                    *(self.memory.arrays["h"], self.errors, scheme.estimates, scheme.dimension),
                    *(self.times, self.nodes, scheme.stages, self.clock, self.rule),
                    *(times, first, last, len(self.samples), self.alone),
                    *(self.memory.arrays["record"], scheme.outputs, out),
                    *(amount, self.shared, self.eye),
                )
            if self.events:
                self.events.drain()
            if left:
                tick(self.fraction)
            else:
                self.pace.amount = amount

    def _deliver_first(self, first: int, last: int, times: np.ndarray, out: np.ndarray) -> None:
        """A sample at the very start lies in no step."""
        if first == 0 and last > 0 and times[0] == self.t_start and not self.control[:, SAMPLE].any():
            out[:, 0] = self._record(np.full(self.members, self.t_start))
            self.control[:, SAMPLE] = 1.0
            if last == 1 < len(self.samples):
                self.status[self.status == RUNNING] = PAUSED

    @property
    def fraction(self) -> float:
        """How much of the way is done."""
        going = (self.status == RUNNING) | (self.status == PAUSED)
        left = np.where(going, (self.t_end - self.control[:, T]) / (self.t_end - self.t_start), 0.0)
        return float(1.0 - left.mean())

    @property
    def delivered(self) -> np.ndarray:
        """Number of samples that each member has delivered."""
        return self.control[:, SAMPLE]

    @property
    def recorded(self) -> np.ndarray:
        """What is recorded of the last states ``(members, outputs)``."""
        return self._record(self.control[:, T])

    def result(self) -> dict[str, np.ndarray]:
        """Status, time reached and numbers of steps of each member."""
        steps, rejected = self._of("steps"), self._of("rejected")
        return {
            "status": np.where(self.status == PAUSED, RUNNING, self.status),
            "t_stop": self._of("t"),
            "steps": steps - rejected,
            "rejected": rejected,
        }
