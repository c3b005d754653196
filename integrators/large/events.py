"""Events of large systems: an event function may be an array, and happens to each of its elements by itself.

On every step the functions are asked at as many places as their polynomials on the dense output have coefficients.
Where the control polygon of one reaches zero, its zeros are isolated (see :mod:`attrax.integrators.events`). Resets
act at the ends of steps, on all elements together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...engine import events as declared
from ...engine.array_memory import Memory
from ...engine.array_quantities import prefixed
from ...engine.arrays import ArrayProgram, Stages, elementwise, rebound
from ...engine.coupling import Sparse
from ...engine.errors import InputError
from ...engine.events import Event
from ...engine.program import Builder
from ...engine.system import System
from ..events import bernstein, given_times, where
from ..fields import RESET, TERMINAL
from ..tableaux import Tableau
from .fields import EYE, KICK, RANGE

ROOM = 2**16
"""Events of which there is room in the log, beside those of a step: of each element as many as its polynomial has
zeros, and two for avalanches."""


class LargeWatch:
    """The events of a large system: their programs, and where their elements are.

    Parameters
    ----------
    system : System
    events : dict of str to Event
    degree : int
        Of the dense output.
    """

    def __init__(self, system: System, events: Mapping[str, Event], degree: int):
        self.names, self.degree = tuple(events), degree
        self.timed = {e: (name, what) for e, (name, what) in enumerate(events.items()) if not what.located}
        shapes = [declared.shape_of(system, name, w) if w.located else None for name, w in events.items()]
        ends = np.cumsum([math.prod(shape or ()) for shape in shapes])
        self.ranges = np.zeros((len(events), RANGE), dtype=np.int64)
        self.ranges[:, 0], self.ranges[:, 1] = [0, *ends[:-1]], ends
        self.size = int(ends[-1])
        for line, what in zip(self.ranges, events.values(), strict=True):
            line[2:] = what.side, RESET * (what.reset is not None) | TERMINAL * what.terminal, what.rate
        self.watch = prefixed(declared.array_conditions(system, events), "watch ")
        self.resets: dict[int, ArrayProgram] = {}
        for e, ((name, what), shape) in enumerate(zip(events.items(), shapes, strict=True)):
            if what.reset is not None:
                self.resets[e] = prefixed(declared.array_reset(system, name, what, shape), f"reset {e} ")

        self.deliveries = [
            (e, name, coupling)
            for e, program in self.resets.items()
            for name, coupling in system.couplings.items()
            if isinstance(coupling, Sparse)
            and any(a.buffer == f"in arrived.{name}" for stage in program.stages for o in stage for a in o.accesses)
        ]

    @property
    def programs(self) -> tuple[ArrayProgram, ...]:
        """All programs."""
        return self.watch, *self.resets.values()

    def sections(self, stages: int) -> dict[str, Stages]:
        """Sections of a tape whose clock has the times of ``stages``."""
        places: dict[str, str | tuple[str, int]] = {"in y": "shown", "in t": ("times", 8 * (stages + 1)), "out g": "g"}
        found = {"watch": rebound(self.watch.stages, places), "suspicious": self._suspicious()}
        for e, line in enumerate(self.ranges):
            places |= {"in y": "new", "out y": "shown", "in passed": ("passed", 8 * int(line[0]))}
            places |= {
                f"in arrived.{name}": f"arrived {k}" for k, (own, name, _) in enumerate(self.deliveries) if own == e
            }
            found[f"reset {e}"] = rebound(self.resets[e].stages, places) if e in self.resets else ()
        return found

    def _suspicious(self) -> Stages:
        """Mark the elements whose control polygons reach zero, and keep the slopes with which extrema leave a step."""
        _, matrix = bernstein(self.degree)
        found: Stages = ()
        for first, last, _, _, rate in self.ranges.tolist():
            b = Builder()
            g = [b.input(f"g{j}", 1)[0] for j in range(self.degree + 1)]
            line = [b.dot([b.constant(float(w)) for w in row], g) for row in matrix]
            line[0], line[-1] = g[0], g[-1]
            outputs = {}
            if rate:
                line = [b.sub(v, u) for u, v in zip(line, line[1:], strict=False)]
                outputs["turned"] = [line[-1]]
                line[0] = b.input("turn", 1)[0]
            low = high = line[0]
            for v in line[1:]:
                low, high = b.min(low, v), b.max(high, v)
            reaches = b.and_(b.le(low, b.constant(0.0)), b.ge(high, b.constant(0.0)))
            outputs["suspect"] = [b.bool_to_float(reaches)]
            names = (*(f"g{j}" for j in range(self.degree + 1)), "turn", "turned", "suspect")
            found += rebound(elementwise(b.program(outputs), last - first), {name: (name, 8 * first) for name in names})
        return found

    def place(self, memory: Memory) -> None:
        """Give the buffers of the sections their memory."""
        for name in (*(f"g{j}" for j in range(self.degree + 1)), "suspect", "passed", "turn", "turned"):
            memory.new(name, self.size)
        memory.put("g", memory.arrays["g0"])
        for k, (_, _, coupling) in enumerate(self.deliveries):
            memory.new(f"arrived {k}", coupling.shape[0])


def watched(system: System, events: Mapping[str, Event], tableau: Tableau) -> LargeWatch:
    """The events, as seen on the dense output of a method; passages of zero in Euler's steps, on a straight line."""
    straight = tableau.order == 1 and not any(what.rate for what in events.values())
    return LargeWatch(system, events, 1 if straight else 3 + len(tableau.bubbles))


class LargeRecord:
    """The events of a group: what drivers read of them and write.

    Attributes
    ----------
    eye : ndarray
        Of `fields.EYE`.
    stops : ndarray
        For each member the fraction of the last step at which an event ended it, or 2.
    """

    def __init__(self, watch: LargeWatch, memory: Memory):
        self.watch, self.members = watch, memory.members
        number = memory.tape.number
        room = ROOM + (watch.degree + 2) * self.members * watch.size
        nodes, matrix = bernstein(watch.degree)
        self.stops = np.full(self.members, 2.0)
        self._kept: dict[str, np.ndarray] = {
            "ranges": watch.ranges,
            "nodes": np.array(nodes, dtype=float),
            "matrix": np.array(matrix, dtype=float),
            "slots": np.array([number(f"g{j}") for j in range(watch.degree + 1)]),
            "times": np.empty(room),
            "numbers": np.empty((room, 2), dtype=np.int64),
            "stops": self.stops,
            "scratch": np.empty(64 * (watch.degree + 4)),
        }
        sent = [coupling.columns for *_, coupling in watch.deliveries]
        self._kept["deliveries"] = np.array(
            [len(sent)]
            + [
                number
                for k, (e, _, coupling) in enumerate(watch.deliveries)
                for number in (
                    e,
                    memory.tape.number(f"arrived {k}"),
                    coupling.shape[0],
                    *(a.ctypes.data for a in sent[k]),
                )
            ],
            dtype=np.int64,
        )
        self._kept["kicks"] = np.zeros(1 + KICK * len(watch.timed), dtype=np.int64)
        for name in ("list", "pending", "who", "one"):
            self._kept[name] = np.zeros(self.members + 2, dtype=np.int64)
        numbers = {"events": len(watch.names), "size": watch.size, "degree": watch.degree, "room": room, "taken": -1}
        numbers |= {name: number(name) for name in ("suspect", "passed", "turn", "turned")} | {"values": number("g")}
        numbers |= {name: array.ctypes.data for name, array in self._kept.items()}
        self.eye = np.array([numbers.get(name, 0) for name in EYE], dtype=np.int64)
        self._drained: list[tuple[np.ndarray, np.ndarray]] = []

    def schedule(self, system: System, p: np.ndarray, t_start: float, dt: float) -> None:
        """Let events at given times come to members with parameters ``p`` at the ends of equal steps.

        Raises an InputError if one would come within a step.
        """
        kicks = [len(self.watch.timed)]
        for e, (name, what) in self.watch.timed.items():
            times = given_times(name, where(system, what), p)
            places = (times - t_start) / dt
            if (within := abs(places - np.rint(places)) > 1e-6 * np.maximum(abs(places), 1.0)).any():
                raise InputError(
                    f"event {name!r} comes at t = {times[within][0]:g}, within a step; in large systems give times a "
                    f"whole number of steps of dt = {dt:g} after the start"
                )
            steps = np.rint(places).astype(np.int64) - 1
            self._kept[f"steps {name}"] = steps = np.ascontiguousarray(
                np.broadcast_to(steps, (self.members, steps.shape[1]))
            )
            self._kept[f"past {name}"] = past = (steps < 0).sum(axis=1)
            kicks += [e, steps.shape[1], steps.ctypes.data, past.ctypes.data]
        self._kept["kicks"][:] = kicks

    def drain(self) -> None:
        """Make room in the log."""
        count = self.eye[EYE.index("logged")]
        if count:
            self._drained.append((self._kept["times"][:count].copy(), self._kept["numbers"][:count].copy()))
            self.eye[EYE.index("logged")] = 0

    def begin(self, memory: Memory) -> None:
        """Let the values of the event functions be those where a first step begins."""
        first, values = 2 * memory.tape.number("g0"), 2 * memory.tape.number("g")
        memory.bases[values : values + 2] = memory.bases[first : first + 2]
        self.eye[EYE.index("taken")] = -1
        if "turn" in memory.arrays:
            memory.arrays["turn"][:] = 0.0

    def forget(self) -> None:
        """Drop the events so far."""
        self.eye[EYE.index("logged")] = 0
        self._drained.clear()

    def happened(self, e: int, since: float, direction: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of event number ``e``: members, times and elements, sorted."""
        self.drain()
        nothing = (np.zeros(0), np.zeros((0, 2), dtype=np.int64))
        times, numbers = map(np.concatenate, zip(nothing, *self._drained, strict=True))
        first, last = self.watch.ranges[e, :2]
        own = (numbers[:, 1] >= first) & (numbers[:, 1] < last) & (direction * (times - since) >= 0.0)
        times, member, element = times[own], numbers[own, 0], numbers[own, 1] - first
        order = np.lexsort((element, direction * times, member))
        return member[order], times[order], element[order]


def check_large(system: System, events: Mapping[str, Event], adaptive: bool) -> None:
    """Raise an InputError if events cannot be followed in a large system."""
    for name, what in events.items():
        if not what.located and adaptive:
            raise InputError(
                f"event {name!r} comes at given times, at which system {system.name!r}, which is large, stops only "
                "with equal steps; give dt"
            )
        if what.reset is not None and adaptive:
            raise InputError(
                f"event {name!r} resets system {system.name!r}, which is large: resets act at the ends of equal steps "
                'there; give dt and a method such as "rk4"'
            )
