"""What is to be integrated, and how: the arguments of `simulate` and `stepper`, checked and put together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..engine import room
from ..engine.array_quantities import is_huge, is_large
from ..engine.declaration import suggest
from ..engine.errors import InputError
from ..engine.events import MOST_SINGLE, Event, named, shape_of, singly
from ..engine.system import System
from .ensemble import Members
from .events import Happenings, happenings
from .groups import AdaptiveGroup, FixedGroup, Positions, adaptive, fixed, fixed_lanes, lanes, stochastic
from .large.events import check_large
from .large.groups import LargeAdaptiveGroup, LargeFixedGroup
from .large.noise import NoisyGroup, check_noise, fits, noisy
from .large.scheme import large
from .methods import METHODS, methods, right_hand_side
from .radau import Radau, RadauGroup
from .rosenbrock import Rosenbrock
from .stochastic import Stochastic, check
from .tableaux import Tableau
from .times import INTERVALS, Times, positive

Group = AdaptiveGroup | FixedGroup | RadauGroup


@dataclass(frozen=True)
class Plan:
    """What is to be integrated, and how."""

    members: Members
    method: str
    step: float | None
    start: float
    end: float
    times: Times
    only_end: bool
    rtol: float
    atol: float
    max_steps: float
    seed: tuple[int, int]
    names: tuple[str, ...]
    workers: int
    keep: float = 0.0
    events: dict[str, Event] = field(default_factory=dict)
    dtype: str = "float64"

    @cached_property
    def large(self) -> bool:
        """Whether members are advanced by loops over arrays (`large`), not by straight-line code."""
        system, method = self.members.system, METHODS.get(self.method)
        if isinstance(method, Radau) and not self.events:
            return False
        if isinstance(method, Stochastic):
            return is_large(system) and (fits(system, method) or is_huge(system))
        if not (method is None or isinstance(method, Tableau)):
            refuse_huge(system, f"method {self.method!r}")
            return False
        if not self.events:
            return is_large(system)
        most = max((math.prod(shape) for shape in self.elements.values() if shape), default=0)
        found = is_huge(system) or most > MOST_SINGLE
        if found:
            check_large(system, self.events, self.step is None)
        return found

    @cached_property
    def elements(self) -> dict[str, tuple[int, ...] | None]:
        """Of each event the shape of the array to whose elements it happens; None if it is a single one."""
        return {
            name: shape_of(self.members.system, name, what) if what.located else None
            for name, what in self.events.items()
        }

    @property
    def numbers(self) -> int:
        """How many numbers a sample of a member has."""
        system = self.members.system
        if not self.large:
            return system.dimension
        shapes = {**system.state, **system.observable_shapes}
        return sum(math.prod(shapes[name]) for name in self.names)

    def check_room(self) -> None:
        """Raise an InputError if what is computed with does not fit into the memory that is free."""
        rule, (members, dimension) = METHODS.get(self.method), self.members.y.shape
        if self.large:
            blocks = 5 + (len(rule.b) + len(rule.extra_c) if isinstance(rule, Tableau) else 0)
            blocks += 4 if isinstance(rule, Stochastic) else 0
            room.check(blocks * members * dimension, "the states and their derivatives", "run fewer members at a time")

    @cached_property
    def dt(self) -> float | None:
        """Length of equal steps."""
        if self.step is None:
            return 1.0 if self.method == "iterate" else None
        return (self.end - self.start) / self.steps

    @cached_property
    def steps(self) -> int:
        """Number of equal steps."""
        whole = abs(self.end - self.start) / abs(self.step or 1.0)
        return max(1, math.ceil(whole - 1e-9 * max(1.0, whole)))

    @property
    def width(self) -> int:
        """Number of lanes."""
        if self.large:
            return 1
        members, dimension = self.members.y.shape
        if self.events:
            return lanes(members, dimension, self.members.p.shape[1], dense=True)
        if self.dt is not None:
            return fixed_lanes(members, dimension, 0 if self._alike else self.members.p.shape[1])
        if isinstance(METHODS[self.method], Radau):
            return 1
        return lanes(members, dimension, self.members.p.shape[1], dense=not self.only_end)

    @cached_property
    def happenings(self) -> Happenings | None:
        """The events, ready for a group of straight-line code."""
        system = self.members.system
        return None if self.large else happenings(system, singly(system, self.events), states=False)

    def positions(self) -> Positions:
        """When to sample, in equal steps."""
        assert self.dt is not None
        return Positions(self.times, self.start, self.dt)

    def on_steps(self, sample: Any) -> np.ndarray:
        """The times of the samples of a noisy system, which lie on its steps."""
        assert self.dt is not None
        positions = self.positions()[:]
        if sample is None:
            every = max(1, self.steps // INTERVALS)
            return self.start + self.dt * np.arange(math.ceil(positions[0]), self.steps + 1, every)
        if (positions != np.rint(positions)).any():
            raise InputError(
                f"samples of a system with noise lie on its steps: choose times that are multiples of {self.dt:g}"
            )
        return self.times[:]

    def group(self, part: slice, own: bool = False, found: Sequence[np.ndarray] = ()) -> Group:
        """The members of ``part``, ready to go; with parameters of their ``own``, that may be changed on the way.

        Times of events go to ``found``, memory for all members (see ``groups.space``).
        """
        system, y, p = self.members.system, self.members.y[part], self.members.p[part]
        times: Times = np.zeros(0) if self.only_end else self.times
        if self.large:
            return self._large(y, p, times, self._numbers(part))
        if isinstance(METHODS.get(self.method), Radau):
            return RadauGroup(
                *(system, y, p, self.start, self.end),
                times=times,
                rtol=self.rtol,
                atol=self.atol,
                max_steps=self.max_steps,
            )
        if self.dt is None or self.events:
            rule = METHODS[self.method]
            assert isinstance(rule, Tableau | Rosenbrock)
            happenings, dense = self.happenings, not self.only_end
            watch, equal = happenings.watch if happenings else None, self.dt is not None
            return AdaptiveGroup(
                adaptive(right_hand_side(system, self.method), rule, self.width, dense, watch, None, equal),
                y,
                p,
                self.start,
                self.end,
                times=times,
                rtol=self.rtol,
                atol=self.atol,
                max_steps=self.max_steps,
                dt=self.dt or 0.0,
                events=happenings,
                record_from=self.keep,
                found=[each[:, part] for each in found],
            )
        method, rhs = METHODS.get(self.method), system.program("rhs")
        if isinstance(method, Stochastic):
            compiled = stochastic(rhs, system.program("noise"), system.interpretation, method, self.width)
            p = np.column_stack([p, self._numbers(part)])
        else:
            assert not isinstance(method, Rosenbrock | Radau)
            compiled = fixed(rhs, method, self.width, None, not own and self._alike)
        return FixedGroup(compiled, y, p, **self._equal)

    @cached_property
    def _alike(self) -> bool:
        """Whether there are many members and all have the same parameters."""
        p = self.members.p
        return len(p) > 1 and (p.strides[0] == 0 or bool((p == p[0]).all()))

    def _numbers(self, part: slice) -> np.ndarray:
        """Of each member what its random numbers depend on: the seed and its number."""
        numbers = self.seed[1] + np.arange(part.start, part.stop)
        return np.column_stack([np.full(len(numbers), self.seed[0]), numbers])

    def _large(self, y: np.ndarray, p: np.ndarray, times: Times, numbers: np.ndarray) -> Any:
        """The same for a system of many states."""
        system, rule = self.members.system, METHODS.get(self.method)
        assert rule is None or isinstance(rule, Tableau | Stochastic)
        threads = max(1, self.workers // len(self.members.y))
        if isinstance(rule, Stochastic):
            noise = noisy(system, rule, self.names)
            return NoisyGroup(noise, system, y, p, numbers=numbers, **self._equal, workers=threads)
        scheme = large(system, rule, self.dt is None, self.names, self.events)
        if self.dt is None:
            limits = dict(rtol=self.rtol, atol=self.atol, max_steps=self.max_steps)
            return LargeAdaptiveGroup(
                scheme, system, y, p, self.start, self.end, times=times, workers=threads, **limits
            )
        return LargeFixedGroup(scheme, system, y, p, **self._equal, workers=threads)

    @property
    def _equal(self) -> dict[str, Any]:
        """How a group takes equal steps."""
        return {
            "t_start": self.start,
            "dt": self.dt,
            "steps": self.steps,
            "positions": np.zeros(0) if self.only_end else self.positions(),
            "origin": int(self.start) if self.method == "iterate" else 0,
        }


def chosen_method(system: System, method: str | None, dt: Any, backend: str) -> str:
    """The name of the method of a run, checked against what it is for."""
    if backend not in ("numba", "jax"):
        raise InputError(f"backend {backend!r} does not exist; known: numba, jax")
    known = methods(system.kind)
    if backend == "jax" and system.kind == "flow":
        from .diffrax_backend import SOLVERS

        known = tuple(SOLVERS)
    if method is None:
        default = "tsit5" if system.noise is None else "stochastic_heun"
        method = default if system.kind == "flow" else "iterate"
    if method not in known:
        other = methods("map" if system.kind == "flow" else "flow")
        why = f"it is for {'maps' if system.kind == 'flow' else 'flows'}; " if method in other else ""
        raise InputError(
            f"method {method!r} does not exist for a {system.kind} with backend {backend!r}: "
            f"{why}{suggest(str(method), known)}"
        )
    if system.kind == "map" and dt is not None:
        raise InputError("a map has no dt; leave it out")
    if dt is not None:
        positive("dt", dt)
    rule = METHODS.get(method)
    if isinstance(rule, Stochastic) != (system.noise is not None):
        fitting = [name for name, m in METHODS.items() if isinstance(m, Stochastic) != isinstance(rule, Stochastic)]
        has = "no noise" if system.noise is None else "noise"
        raise InputError(f"system {system.name!r} has {has}; use {', '.join(fitting)}, not {method!r}")
    if isinstance(rule, Stochastic) and not (is_large(system) and fits(system, rule)):
        (check_noise if is_huge(system) else check)(system, rule)
    if isinstance(rule, Rosenbrock | Radau) and dt is not None:
        raise InputError(f"method {method!r} chooses its steps by rtol and atol; leave out dt")
    if dt is None and rule is not None and not rule.adaptive:
        raise InputError(f"method {method!r} has steps of equal length; give dt")
    return method


def chosen_events(system: System, given: Any, method: str, backend: str, *, forward: bool) -> dict[str, Event]:
    """The events of a run, checked against how it is to be computed."""
    events = named(system, given)
    if not events:
        return events
    if backend == "jax":
        raise InputError("backend='jax' does not follow events; use backend='numba'")
    if system.noise is not None:
        raise InputError(f"system {system.name!r} has noise; events are for flows without noise")
    if not isinstance(METHODS[method], Tableau | Rosenbrock):
        raise InputError(f"method {method!r} does not follow events; use tsit5, dop853 or rodas5p")
    if not forward and (resets := [name for name, event in events.items() if event.reset is not None]):
        raise InputError(f"event {resets[0]!r} resets the state, which cannot be undone: integrate forwards in time")
    return events


def refuse_huge(system: System, what: str) -> None:
    """Raise an InputError if a system is too large for what needs straight-line code."""
    if is_huge(system):
        raise InputError(
            f"{what} is for systems whose function is some thousand operations, but that of {system.name!r} "
            f"({system.dimension} states) has more; large systems take explicit methods"
        )
