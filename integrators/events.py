"""Events while time advances: what the kernels of steps compute for them, and what a group is told about them.

A step is looked at more closely where the control polygon of an event function's cubic Hermite interpolant comes near
zero. There the function on the dense output is written as a polynomial in Bernstein form (exactly, where it is linear
in the state), of which all zeros are isolated by Descartes' rule of signs (:mod:`attrax.integrators.event_drivers`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np

from ..engine import events as declared
from ..engine.errors import InputError
from ..engine.events import Event
from ..engine.program import Builder, Program
from ..engine.system import System
from .dense import Values, interpolant, moving
from .fields import NOISE, RESET, RESOLVED, TERMINAL, TINY

MARGIN = 0.25
"""How near to zero a control polygon may come, over its height, before it is looked at."""
STEADY = 0.125
"""How much each side of a control polygon must move one way, over its height, for the function to go that way."""
MOST_COEFFICIENTS = 13
CLOSE, NARROW = 2.0**-29, 2.0**-50
"""Fraction of a step: moved by no more, Newton's method is at the zero to rounding; narrower intervals are points."""
BETWEEN = (0.25, 0.5, 0.75)
"""Where functions that are not linear are also asked."""


@dataclass(frozen=True)
class Watch:
    """What the kernels know about events.

    Attributes
    ----------
    conditions : Program, or None if no event is to be located
        ``g`` and ``rate`` from ``t``, ``y``, ``p`` and the derivative ``f``.
    landing : Program
        ``y`` after event number ``which``, from ``t``, ``y``, ``p``.
    sides : tuple of int
        For each located event 1 (g grows through zero), -1 or 0 (either).
    acting : bool
        Whether any event changes the state or ends the trajectory.
    states : bool
        Whether the states at events are asked for.
    """

    conditions: Program | None
    landing: Program
    sides: tuple[int, ...]
    acting: bool
    states: bool = True

    @property
    def count(self) -> int:
        """Number of events to be located."""
        return len(self.sides)

    def asked(self, dimension: int) -> tuple[int, ...]:
        """The states of which the dense output is needed: all, or those that the functions depend on."""
        if self.acting or self.states or self.conditions is None:
            return tuple(range(dimension))
        inputs = [i.payload for i in self.conditions.instructions if i.op == "input"]
        return tuple(sorted({k for block, k in inputs if block in ("y", "f")}))  # type: ignore[misc, has-type]

    @property
    def smooth(self) -> bool:
        """Whether all functions are linear in time and state, so that on the dense output they are polynomials."""
        return all(degree <= 1 for degree in self._degrees)

    @property
    def _degrees(self) -> list[float]:
        program = self.conditions
        return [declared.degree(program, value) for value in program.outputs["g"]] if program else []

    def degree(self, rows: int) -> int:
        """Degree of the polynomials, for a dense output of degree ``rows``."""
        return rows if self.smooth else min(2 * rows, MOST_COEFFICIENTS - 1)


@dataclass(frozen=True)
class Happenings:
    """The events of a run: what a group is told.

    Attributes
    ----------
    names : tuple of str
        Located events, then timed ones, in the order declared.
    watch : Watch
    actions : tuple of int
        Bits RESET and TERMINAL of each event.
    at : tuple
        Of each timed event its times, or where they lie in the parameters.
    """

    names: tuple[str, ...]
    watch: Watch
    actions: tuple[int, ...]
    at: tuple[tuple[float, ...] | slice, ...]

    @property
    def resets(self) -> bool:
        """Whether any event changes the state."""
        return any(action & RESET for action in self.actions)

    def schedule(self, p: np.ndarray, direction: int) -> tuple[np.ndarray, np.ndarray]:
        """Times ``(members, k + 1)`` of timed events in their order, and numbers of these events; the last is infinite.

        Raises an InputError if times that are a parameter do not increase.
        """
        if not self.at:
            return np.full((len(p), 1), direction * np.inf), np.zeros((len(p), 1), dtype=np.int64)
        times, numbers = [np.full((len(p), 1), direction * np.inf)], [np.zeros((len(p), 1), dtype=np.int64)]
        for number, at in enumerate(self.at, self.watch.count):
            mine = given_times(self.names[number], at, p)
            times.append(mine)
            numbers.append(np.full(mine.shape, number))
        every, which = np.concatenate(times[::-1], axis=1), np.concatenate(numbers[::-1], axis=1)
        order = np.lexsort((which, direction * every), axis=1)
        every, which = np.take_along_axis(every, order, axis=1), np.take_along_axis(which, order, axis=1)
        return np.ascontiguousarray(every), np.ascontiguousarray(which)


def happenings(
    system: System,
    events: Mapping[str, Event],
    conditions: Program | None = None,
    landing: Program | None = None,
    states: bool = True,
) -> Happenings | None:
    """The events of a run of ``system``, or None if there are none; with or without the ``states`` there.

    ``conditions`` and ``landing`` may be programs of an extended state in place of the system's.
    """
    if not events:
        return None
    found = declared.ordered(events)
    located = [event for event in found.values() if event.located]
    if located:
        conditions = conditions or declared.conditions(system, found)
    actions = tuple(RESET * (e.reset is not None) | TERMINAL * e.terminal for e in found.values())
    sides = tuple(event.side for event in located)
    watch = Watch(conditions, landing or declared.landing(system, found), sides, any(actions), states)
    at = tuple(where(system, event) for event in found.values() if not event.located)
    return Happenings(tuple(found), watch, actions, at)


def given_times(name: str, at: tuple[float, ...] | slice, p: np.ndarray) -> np.ndarray:
    """Times ``(members, k)`` of a timed event for members with parameters ``p``.

    Raises an InputError if times that are a parameter do not increase.
    """
    times = p[:, at] if isinstance(at, slice) else np.tile(at, (len(p), 1))
    if not (np.diff(times) > 0).all():
        raise InputError(f"the times of event {name!r} must increase strictly")
    return times


def where(system: System, event: Event) -> tuple[float, ...] | slice:
    """The times of a timed event, or where they lie in the parameters."""
    if isinstance(event.at, str):
        if event.at not in system.numeric or len(system.numeric[event.at]) > 1:
            raise InputError(f"the times of an event are {event.at!r}, which is no list of times of {system.name!r}")
        return system.parameter_slices[event.at]
    assert event.at is not None
    return event.at


# -- kernels -------------------------------------------------------------------------------------------------


def values(b: Builder, watch: Watch, t: int, y: Values, p: Values, f: Values) -> dict[str, list[int]]:
    """``g`` and ``rate`` of the located events."""
    if watch.conditions is None:
        return {"g": [], "rate": []}
    return b.inline(watch.conditions, {"t": [t], "y": y, "p": p, "f": f})


def suspicious(
    b: Builder,
    watch: Watch,
    old: Mapping[str, Values],
    new: Mapping[str, Values],
    h: int,
    between: Callable[[float], Values],
) -> int:
    """Whether an event may lie in a step of length ``h`` with these ``g`` and ``rate`` at its ends.

    ``between(x)`` gives g at fraction ``x`` of the step on a cubic interpolant of the state.
    """
    share, zero, result = b.mul(h, b.constant(1 / 3)), b.constant(0.0), b.constant(False)
    samples = [] if watch.smooth else [between(x) for x in BETWEEN]
    for i, side in enumerate(watch.sides):
        first, last = old["g"][i], new["g"][i]
        rise, final = b.mul(share, old["rate"][i]), b.mul(share, new["rate"][i])
        second, third = b.add(first, rise), b.sub(last, final)
        low, high = _extent(b, [first, second, third, last, *(g[i] for g in samples)])
        moves = [rise, b.sub(third, second), final]
        if samples:
            line = [first, *(g[i] for g in samples), last]
            moves += [b.sub(v, u) for u, v in zip(line, line[1:], strict=False)]
        least, most = _extent(b, moves)
        height = b.sub(high, low)
        near = b.le(_larger(b, low, b.neg(high)), b.mul(b.constant(MARGIN), height))
        falls = b.neg(most)
        if side == 0:
            possible, slowest = b.gt(height, zero), _larger(b, least, falls)
        else:
            possible, slowest = (b.gt(most, zero), least) if side > 0 else (b.lt(least, zero), falls)
        steadily = b.fma(b.constant(-STEADY), height, slowest)
        beside = b.gt(_smaller(b, steadily, b.mul(first, last)), zero)
        result = b.or_(result, b.and_(b.and_(near, possible), b.not_(beside)))
    return result


def _extent(b: Builder, values: Values) -> tuple[int, int]:
    """The smallest and the largest value."""
    low = high = values[0]
    for v in values[1:]:
        low, high = _smaller(b, v, low), _larger(b, v, high)
    return low, high


def _smaller(b: Builder, x: int, y: int) -> int:
    return b.select(b.lt(x, y), x, y)


def _larger(b: Builder, x: int, y: int) -> int:
    return b.select(b.gt(x, y), x, y)


def polynomials(b: Builder, watch: Watch, rows: int, y: Values, found: list[Values], p: Values) -> dict[str, Values]:
    """Bernstein coefficients of the event functions between the fractions ``begin`` and ``end`` of a step.

    ``residual`` is by how much the polynomials miss the functions in between. ``passages`` is 0 or 1 where the signs of
    all coefficients are certain and allow no more zeros than values in between show, of which one at most is a passage
    to the right side, and 2 where one must look closer; with 1, event ``which`` passes
    ``rising`` (1 or -1) through zero between ``low`` and ``high``, near ``theta``. Without any, there is nothing to
    attend to.
    """
    (begin,), (end,), (t,), (h,) = (b.input(name, 1) for name in ("begin", "end", "told", "hold"))
    degree = watch.degree(rows)
    nodes, inverse = bernstein(degree)
    span = b.sub(end, begin)

    def at(x: Fraction) -> Values:
        theta = b.fma(span, b.constant(float(x)), begin)
        state = interpolant(b, theta, y, found)
        return values(b, watch, b.fma(theta, h, t), state, p, state)["g"]

    sampled = [at(x) for x in nodes]
    first, last = b.eq(begin, b.constant(0.0)), b.eq(end, b.constant(1.0))
    zero, one, two = map(b.constant, (0.0, 1.0, 2.0))
    which, before, behind, passages, certain = zero, one, b.neg(one), zero, b.constant(True)
    low, high = zero, one
    coefficients: list[int] = []
    residuals: list[int] = []
    for i in range(watch.count):
        g = [sample[i] for sample in sampled]
        found_here = [b.dot([b.constant(float(w)) for w in row], g) for row in inverse]
        coefficients += found_here
        worst = b.constant(0.0)
        if not watch.smooth:
            for x in (Fraction(11, 64), Fraction(39, 64)):
                guess = b.dot([b.constant(float(w)) for w in _basis(degree, x)], found_here)
                miss = b.abs(b.sub(guess, at(x)[i]))
                worst = b.select(b.gt(miss, worst), miss, worst)
        residuals.append(worst)
        g[0] = b.select(first, b.input("gold", watch.count)[i], found_here[0])
        g[-1] = b.select(last, b.input("g", watch.count)[i], found_here[-1])
        line = [g[0], *found_here[1:-1], g[-1]]
        sizes = [b.abs(v) for v in line]
        smallest = largest = sizes[0]
        for v in sizes[1:]:
            smallest = b.select(b.lt(v, smallest), v, smallest)
            largest = b.select(b.gt(v, largest), v, largest)
        clear = b.gt(smallest, b.fma(largest, b.constant(NOISE), b.constant(TINY)))
        if not watch.smooth:
            clear = b.and_(clear, b.le(worst, b.mul(largest, b.constant(RESOLVED))))
        changes, seen, passes = _changes(b, line), _changes(b, g), zero
        most = one if watch.sides[i] == 0 else two
        certain = b.and_(certain, b.and_(clear, b.and_(b.le(changes, most), b.eq(changes, seen))))
        for u, v, left, right in zip(g, g[1:], nodes, nodes[1:], strict=False):
            up, down = b.and_(b.lt(u, zero), b.ge(v, zero)), b.and_(b.ge(u, zero), b.lt(v, zero))
            here = up if watch.sides[i] > 0 else down if watch.sides[i] < 0 else b.or_(up, down)
            before, behind = b.select(here, u, before), b.select(here, v, behind)
            low, high = b.select(here, b.constant(float(left)), low), b.select(here, b.constant(float(right)), high)
            passes = b.add(passes, b.bool_to_float(here))
        passages = b.add(passages, passes)
        which = b.select(b.gt(passes, zero), b.constant(float(i)), which)
    certain = b.and_(certain, b.le(passages, one))
    fraction = b.fma(b.sub(high, low), b.div(before, b.sub(before, behind)), low)
    return {
        "bernstein": coefficients,
        "residual": residuals,
        "passages": [b.select(certain, passages, two)],
        "which": [which],
        "theta": [b.fma(span, fraction, begin)],
        "low": [b.fma(span, low, begin)],
        "high": [b.fma(span, high, begin)],
        "rising": [b.select(b.gt(behind, before), one, b.neg(one))],
        "moved": [b.select(certain, one, zero)],
        "attention": [b.not_(b.and_(certain, b.eq(passages, zero)))],
    }


def _changes(b: Builder, values: Values) -> int:
    """How often the sign changes from one value to the next."""
    zero = total = b.constant(0.0)
    for u, v in zip(values, values[1:], strict=False):
        total = b.add(total, b.bool_to_float(b.xor(b.lt(u, zero), b.lt(v, zero))))
    return total


def passing(
    b: Builder, watch: Watch, which: int, theta: int, t: int, h: int, y: Values, found: list[Values], p: Values
) -> tuple[int, int, list[int], list[int]]:
    """Value and derivative by ``theta`` of event function ``which`` on the dense output, all values, and the state."""
    state, slope = moving(b, theta, y, found)
    inverse = b.div(b.constant(1.0), h)
    seen = values(b, watch, b.fma(theta, h, t), state, p, [b.mul(v, inverse) for v in slope])
    value, rate = seen["g"][0], seen["rate"][0]
    for i in range(1, watch.count):
        here = b.eq(which, b.constant(float(i)))
        value, rate = b.select(here, seen["g"][i], value), b.select(here, seen["rate"][i], rate)
    return value, b.mul(rate, h), seen["g"], state


def refine(b: Builder, watch: Watch, y: Values, found: list[Values], p: Values) -> dict[str, Values]:
    """A step of Newton's method towards the zero of event function ``which`` between ``low`` and ``high``."""
    names = ("which", "theta", "low", "high", "rising", "moved", "told", "hold")
    which, theta, low, high, rising, moved, t, h = (b.input(name, 1)[0] for name in names)
    value, rate, every, state = passing(b, watch, which, theta, t, h, y, found, p)
    zero, half, close = b.constant(0.0), b.constant(0.5), b.constant(CLOSE)
    side = b.mul(value, rising)
    low, high = b.select(b.lt(side, zero), theta, low), b.select(b.gt(side, zero), theta, high)
    move = b.div(value, rate)
    new = b.sub(theta, move)
    inside = b.and_(b.gt(new, low), b.lt(new, high))
    narrow = b.le(b.sub(high, low), b.constant(NARROW))
    done = b.or_(b.eq(value, zero), b.or_(b.le(b.abs(moved), close), narrow))
    middle = b.mul(half, b.add(low, high))
    return {
        "theta": [b.select(done, theta, b.select(inside, new, middle))],
        "moved": [b.select(done, moved, b.select(inside, move, b.constant(1.0)))],
        "low": [low],
        "high": [high],
        "attention": [b.not_(done)],
        **({"ytheta": state, "gtheta": every} if watch.acting or watch.states else {}),
    }


@cache
def bernstein(degree: int) -> tuple[list[Fraction], list[list[Fraction]]]:
    """Nodes in [0, 1], and the matrix that makes Bernstein coefficients of values there."""
    nodes = [Fraction(round(2**20 * (1 - math.cos(math.pi * j / degree)) / 2), 2**20) for j in range(degree + 1)]
    matrix = [_basis(degree, x) + [Fraction(int(i == j)) for j in range(degree + 1)] for i, x in enumerate(nodes)]
    for i in range(degree + 1):
        pivot = next(r for r in range(i, degree + 1) if matrix[r][i])
        matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
        matrix[i] = [v / matrix[i][i] for v in matrix[i]]
        for r in range(degree + 1):
            if r != i and matrix[r][i]:
                matrix[r] = [u - matrix[r][i] * v for u, v in zip(matrix[r], matrix[i], strict=True)]
    return nodes, [row[degree + 1 :] for row in matrix]


def _basis(degree: int, x: Fraction) -> list[Fraction]:
    return [math.comb(degree, i) * x**i * (1 - x) ** (degree - i) for i in range(degree + 1)]
