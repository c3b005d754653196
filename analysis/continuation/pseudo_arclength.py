"""Curves followed by pseudo-arclength continuation, whatever they are curves of.

A :class:`Curve` says what is followed: its equations, its test functions, how an event is refined. :func:`follow` is
the predictor-corrector around it: tangent prediction, Newton's method in the plane orthogonal to the tangent, steps
adapted to the number of iterations and to the turning of the curve (Allgower & Georg, Introduction to Numerical
Continuation Methods, 2003; Kuznetsov, Elements of Applied Bifurcation Theory, 2004, ch. 10).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any

import numpy as np

from .steps import CONVERGED, LARGEST, SHARPEST_TURN, factor
from .time_limit import OutOfTime, affordable, check_time

Vector = np.ndarray
Matrix = np.ndarray

EPSILON = float(np.finfo(float).eps)
FINEST = 1e-7
"""Steps are not cut below this in order to tell events apart."""
UNBOUNDED = "the derivatives grow beyond all bounds"


@dataclass(frozen=True)
class Stepping:
    """How a curve is stepped along; lengths are in units of the curve's scale.

    Attributes
    ----------
    first, smallest, largest : float
        Length of the first step and limits of all.
    points : int
        How many points to compute in each direction.
    iterations : int
        Most iterations of Newton's method for a point.
    """

    first: float = 0.005
    smallest: float = 1e-9
    largest: float = 0.02
    points: int = 2000
    iterations: int = 8


@dataclass(eq=False, slots=True)
class Point:
    """A point of a curve: unknowns, unit tangent, test functions by name, what else the curve measured.

    ``isolated`` is False where the tangent is not unique, to rounding.
    """

    u: Vector
    tangent: Vector
    tests: dict[str, float]
    data: Any
    residual: float
    isolated: bool = True

    @property
    def count(self) -> int:
        """How many points these are."""
        return 1

    def __iter__(self) -> Iterator[Point]:
        """One by one."""
        return iter([self])

    def reversed(self) -> Point:
        """The same in the other direction."""
        return replace(self, tangent=-self.tangent)


@dataclass(eq=False, slots=True)
class Points(Point):
    """Points one after the other as arrays: all that a point has, with a further axis, the first; no test functions."""

    residual: Any

    @property
    def count(self) -> int:
        return len(self.u)

    def __iter__(self) -> Iterator[Point]:
        return map(Point, self.u, self.tangent, repeat({}), self.data, self.residual)

    def reversed(self) -> Point:
        return Points(self.u[::-1], -self.tangent[::-1], {}, self.data[::-1], self.residual[::-1])


@dataclass(frozen=True, eq=False)
class Event:
    """A special point.

    Attributes
    ----------
    kind : str
        Its label.
    point : Point
    refined : bool
        Whether it solves its own defining equations; otherwise it is only bracketed along the curve.
    coefficients : dict of str to float
        Of its normal form.
    note : str
        What they mean: "supercritical", ...
    sides : pair of Point
        Points of the curve just before and after it.
    """

    kind: str
    point: Point
    refined: bool
    coefficients: dict[str, float] = field(default_factory=dict)
    note: str = ""
    sides: tuple[Point, Point] | None = None


@dataclass(frozen=True, eq=False)
class Stretch:
    """Points one after the other between which nothing happens.

    Attributes
    ----------
    points : list of Point
        The last one by itself.
    lengths : ndarray
        Lengths (points + 1,) of the steps to them, and of the next step.
    interrupted : bool
        Whether the step after them needs a closer look.
    next : tuple
        What :func:`advance` would return for that step, if it is known.
    """

    points: list[Point]
    lengths: Vector
    interrupted: bool = True
    next: tuple[Point, str, int] | None = None


@dataclass(frozen=True)
class Jump:
    """Something that happens along a curve where no test function changes sign.

    Attributes
    ----------
    kind : str
        Name of the event.
    test : callable
        A function of a point that changes sign there.
    together : callable
        Whether a zero of it is one event, and not between several.
    """

    kind: str
    test: Callable[[Point], float]
    together: Callable[[Point], bool]


class Curve:
    """What is followed: N - 1 equations for N unknowns, and functions whose zeros are special points.

    Attributes
    ----------
    scale : ndarray
        Typical size (N,) of each unknown; may change when a point is adopted.
    bounds : sequence of (index, low, high)
        Unknowns that end the curve when they leave an interval.
    marks : sequence of (index, value)
        Values of unknowns at which a point is wanted.
    extras : tuple of str
        Names of the unknowns after the state and the parameters.
    chunk : pair of int
        How many points compiled code computes before it is looked at what happened between them: at first, at most.
    """

    scale: Vector
    extras: tuple[str, ...] = ()
    chunk: tuple[int, int] = (32, 128)
    bounds: Sequence[tuple[int, float, float]] = ()
    marks: Sequence[tuple[int, float]] = ()

    def equations(self, u: Vector) -> tuple[Vector, Matrix]:
        """Left-hand sides (N - 1,) and their derivatives (N - 1, N); may be overwritten by the next call."""
        raise NotImplementedError

    def measure(
        self, u: Vector, tangent: Vector, derivative: Matrix, orientation: float
    ) -> tuple[dict[str, float], Any]:
        """Test functions and data at a point; ``orientation`` is the sign of det(derivative over tangent)."""
        raise NotImplementedError

    def adopt(self, point: Point) -> None:
        """A point was accepted: move auxiliary vectors along."""

    def explained(self, before: Point, after: Point, events: Sequence[Event]) -> bool:
        """Whether the events between two points account for what is different; if not, the step is cut."""
        return True

    def ends(self, point: Point) -> str | None:
        """Why the curve should end at a point, if it should."""
        return None

    def troubles(self, point: Point) -> str:
        """What is peculiar about a point beyond which the curve could not be followed; empty if nothing is."""
        return ""

    def refine(self, name: str, near: Point, locate: Callable[[], Point | None]) -> Event | None:
        """The event at a zero of test function ``name``, or None if there is none.

        ``locate()`` finds the zero along the curve to rounding; ``near`` is close to it.
        """
        raise NotImplementedError

    def jumps(self, before: Point, after: Point) -> Jump | None:
        """What happens between two points though no test function shows it."""
        return None

    def correct(self, guess: Vector, row: Vector, near: Point, iterations: int) -> tuple[Point | None, str, int]:
        """The point near a guess with ``row . u`` kept, whose tangent is nearest to that of ``near``.

        Or None and why not; and the number of Newton's iterations. Curves of many unknowns have their own ways.
        """
        run = newton(self.equations, guess, row, self.scale, iterations)
        if not run.converged:
            return None, run.story, len(run.updates)
        if not abs(run.derivative).max() < LARGEST:
            return None, UNBOUNDED, len(run.updates)
        point = _point(self, run.u, near.tangent, run.derivative, self.scale, run.residuals[-1])
        return point, "", len(run.updates)

    def begin(self, u: Vector, tangent: Vector | None) -> Point:
        """The point at ``u``, which solves the equations, with the tangent nearest to ``tangent``."""
        r, d = self.equations(u)
        scale, residual, d = self.scale, float(abs(r).max()), d.copy()
        if tangent is None:
            _, _, right = np.linalg.svd(d * scale)
            return _point(self, u, right[-1] * scale, d, scale, residual)
        unit = np.linalg.qr((d * scale).T, mode="complete")[0][:, -1] * scale
        unit = unit * (1.0 if unit @ (tangent / scale**2) >= 0 else -1.0)
        return _point(self, u, unit, d, scale, residual)

    def ahead(self, here: Point, start: Point, length: float, stepping: Stepping, most: int) -> Stretch:
        """Points from ``here`` on between which nothing happens, adopted; none unless compiled code computes them."""
        return Stretch([], np.array([length]))

    def renewed(self, point: Point) -> Point:
        """An adopted point in the unknowns of the next step, where they change along the curve (adaptive meshes)."""
        return point

    def passes(self, here: Point, there: Point, start: Point) -> bool:
        """Whether the step between two points passes through the start, in its direction."""
        return _passes(self, here, there, start)

    def condition(self, point: Point) -> float:
        """Condition number of the bordered Jacobian, its rows scaled to the same size."""
        _, d = self.equations(point.u)
        full = np.vstack([d, point.tangent / self.scale**2]) * self.scale
        return float(np.linalg.cond(full / np.maximum(abs(full).max(axis=1), 1e-300)[:, None]))


@dataclass
class Newton:
    """How an iteration of Newton's method went."""

    u: Vector
    derivative: Matrix
    converged: bool = False
    residuals: list[float] = field(default_factory=list)
    updates: list[float] = field(default_factory=list)
    singular: bool = False

    @property
    def story(self) -> str:
        """Why it failed, in words."""
        if self.singular:
            return "the linear equations are singular"
        if self.residuals and not math.isfinite(self.residuals[-1]):
            return "the equations became infinite or NaN"
        history = ", ".join(f"{r:.1e}" for r in self.residuals[:6])
        return f"Newton's method does not converge (residuals {history})"


def newton(
    equations: Callable[[Vector], tuple[Vector, Matrix]],
    u: Vector,
    row: Vector | None,
    scale: Vector,
    iterations: int = 8,
) -> Newton:
    """Solve ``equations(u) = 0``, with ``row . u`` kept if a row is given."""
    size = len(u)
    matrix, right = np.empty((size, size)), np.zeros(size)
    count = size if row is None else size - 1
    if row is not None:
        matrix[count] = row
    run = Newton(u, matrix)
    try:
        _iterate(equations, run, matrix, right, count, scale, iterations)
    except np.linalg.LinAlgError:
        run.singular = True
    return run


def _iterate(
    equations: Callable[[Vector], tuple[Vector, Matrix]],
    run: Newton,
    matrix: Matrix,
    right: Vector,
    count: int,
    scale: Vector,
    iterations: int,
) -> None:
    """Newton's method, with the first ``count`` rows of the matrix from the equations."""
    from scipy.linalg.lapack import dgesv

    u = run.u
    for _ in range(iterations):
        check_time()
        r, d = equations(u)
        right[:count] = r
        matrix[:count] = d
        run.residuals.append(float(abs(r).max()))
        if not math.isfinite(run.residuals[-1]):
            return
        _, _, step, info = dgesv(matrix, right)
        if info:
            run.singular = True
            return
        u = u - step
        update = float((abs(step) / scale).max())
        if not math.isfinite(update):
            run.singular = True
            return
        run.updates.append(update)
        if len(run.updates) > 1 and update >= CONVERGED and _rounding(d, u, r):
            u, update = run.u, 0.0  # ill-conditioned, and solved as well as it can be
        run.u = u
        if update < CONVERGED:
            r, d = equations(u)
            run.residuals.append(float(abs(r).max()))
            run.derivative = d.copy()
            run.converged = True
            return
        if len(run.updates) > 2 and update > 2 * run.updates[-2]:
            return


def _rounding(derivative: Matrix, u: Vector, residual: Vector) -> bool:
    """Whether the residual is no larger than what rounding of the unknowns makes it."""
    return bool((abs(residual) <= 4 * EPSILON * (abs(derivative) @ abs(u))).all())


def begin(curve: Curve, u: Vector, tangent: Vector | None = None) -> Point:
    """The point of a curve at ``u``, which solves its equations, with the tangent nearest to ``tangent``."""
    return curve.begin(u, tangent)


def follow(
    curve: Curve, start: Point, stepping: Stepping, *, fresh: bool = True
) -> Generator[tuple[list[Point], list[Event]], None, str]:
    """Points of a curve from ``start`` (not repeated) on, one or some at a time, and the events before the first.

    ``fresh`` is False if ``start`` is itself a special point, whose test functions are zero. The generator
    returns a sentence that says why the curve ends.
    """
    try:
        return (yield from _followed(curve, start, stepping, fresh))
    except OutOfTime as stop:
        return f"{stop}; the points so far are kept"


def _followed(
    curve: Curve, start: Point, stepping: Stepping, fresh: bool
) -> Generator[tuple[list[Point], list[Event]], None, str]:
    here, length, begun = start, stepping.first, time.monotonic()
    travelled, count, most = 0.0, 0, curve.chunk[0]
    curve.adopt(start)
    while count < stepping.points:
        known = None
        if fresh:
            check_time()
            pace = (time.monotonic() - begun) / max(count, 1)
            wanted = min(most, stepping.points - count, affordable(pace))
            stretch = curve.ahead(here, start, length, stepping, wanted)
            if stretch.points:
                yield stretch.points, []
                here = curve.renewed(stretch.points[-1])
            length = float(stretch.lengths[-1])
            travelled += float(stretch.lengths[:-1].sum())
            count += len(stretch.lengths) - 1
            if count == stepping.points:
                break
            if not stretch.interrupted:
                most = min(2 * most, curve.chunk[1])
                continue
            most, known = curve.chunk[0], stretch.next
        tried: list[str] = []
        largest = length
        while True:
            check_time()
            there, story, effort = known or advance(curve, here, length, stepping.iterations)
            known = None
            if there is not None and there.isolated:
                break
            story = story or "the bordered Jacobian is singular to rounding"
            tried.append(story)
            length /= 2 if length > 1e-3 * largest else 8
            if length < stepping.smallest:
                return _explain(curve, here, largest, length, tried)
        events = _events(curve, here, there, length) if fresh else []
        if fresh and length > FINEST and not curve.explained(here, there, events):
            length /= 4
            continue
        if length > FINEST and any(e.kind != "UZ" and _distance(curve, there, e.point) < FINEST for e in events):
            length *= 0.9  # a step must not end on a special point
            continue
        fresh = True
        leaving = _leaving(curve, here, there)
        if leaving is not None:
            end, ending = leaving
            reach = _distance(curve, here, end)
            if reach < 1e-10:
                return ending
            yield [end], [e for e in events if _distance(curve, here, e.point) < reach]
            return ending
        travelled += length
        if travelled > 3 * length and curve.passes(here, there, start):
            reach = _distance(curve, here, start)
            yield [start], [e for e in events if _distance(curve, here, e.point) < reach - 1e-6]
            return "closed"
        curve.adopt(there)
        yield [there], events
        if reason := curve.ends(there):
            return reason
        length = min(length * factor(effort, _cosine(curve, here, there)), stepping.largest)
        here = curve.renewed(there)
        count += 1
    return f"reached {stepping.points} points"


def advance(curve: Curve, here: Point, length: float, iterations: int = 8) -> tuple[Point | None, str, int]:
    """The point at ``length`` along the tangent, or None and why not; and the number of Newton's iterations."""
    scale = curve.scale
    row = here.tangent / scale**2
    guess = here.u + length * here.tangent
    there, story, effort = curve.correct(guess, row, here, iterations)
    if there is None:
        return None, story, effort
    if (abs(there.u - guess) / scale).max() > max(length, 1e-6):
        return None, "the corrector leaps away from the curve", effort
    if length > 1e-7 and _cosine(curve, here, there) < SHARPEST_TURN:
        return None, "the curve turns sharply, or the corrector found another one", effort
    return there, "", effort


def at_value(curve: Curve, near: Point, index: int, value: float) -> Point | None:
    """The point near ``near`` at which unknown ``index`` has this value."""
    row = np.zeros(len(near.u))
    row[index] = 1.0
    u = near.u.copy()
    u[index] = value
    point, _, _ = curve.correct(u, row, near, 8)
    if point is not None:
        point.u[index] = value
    return point


def _point(curve: Curve, u: Vector, row: Vector, derivative: Matrix, scale: Vector, residual: float) -> Point:
    """A solved point: its tangent is the one along ``row``."""
    from scipy.linalg.lapack import dgetrf, dgetrs

    size = len(u)
    matrix, right = np.empty((size, size)), np.zeros(size)
    matrix[:-1], matrix[-1] = derivative, row / scale**2
    right[-1] = 1.0
    factors, pivots, _ = dgetrf(matrix)
    diagonal = factors.diagonal()
    exchanges = sum(1 for k, p in enumerate(pivots.tolist()) if k != p) + sum(1 for x in diagonal.tolist() if x < 0)
    if diagonal.all():
        tangent, _ = dgetrs(factors, pivots, right)
        tangent /= math.sqrt(((tangent / scale) ** 2).sum())
    else:
        tangent = row
    tests, data = curve.measure(u, tangent, derivative, -1.0 if exchanges % 2 else 1.0)
    pivots = abs(diagonal)
    isolated = pivots.min() > 1e-12 * pivots.max() or _regular(matrix * scale)
    return Point(u, tangent, tests, data, residual, isolated)


def _regular(matrix: Matrix) -> bool:
    """Whether a matrix has full rank in spite of rounding, whatever the units of its rows."""
    sizes = np.linalg.svd(matrix / np.maximum(abs(matrix).max(axis=1), 1e-300)[:, None], compute_uv=False)
    return bool(sizes[-1] > 1e-12 * sizes[0])


def measured(curve: Curve, u: Vector, tangent: Vector) -> Point:
    """A point that solves the curve's equations, where the tangent may not be unique."""
    r, d = curve.equations(u)
    residual = float(abs(r).max())
    tests, data = curve.measure(u, tangent, d.copy(), 0.0)
    return Point(u, tangent, tests, data, residual)


def locate(
    curve: Curve, here: Point, end: Point, length: float, test: Callable[[Point], float], accuracy: float
) -> Point | None:
    """The point before ``end``, which is at ``length``, at which a test function changes sign (Illinois method).

    The bracket is narrowed to ``accuracy`` times its length, or the function to this share of its values at the ends.
    """
    low, high = 0.0, length
    f_low = test(here)
    f_high, best, side = test(end), end, 0
    smallest, small = abs(f_high), accuracy * min(abs(f_low), abs(f_high))
    for _ in range(80):
        if high - low <= accuracy * length:
            break
        middle = (low * f_high - high * f_low) / (f_high - f_low) if f_high != f_low else (low + high) / 2
        if not low < middle < high:
            middle = (low + high) / 2
        point, _, _ = advance(curve, here, middle)
        if point is None:  # the linear equations are singular at a branch point
            middle = low + 0.382 * (high - low)
            point, _, _ = advance(curve, here, middle)
        if point is None:
            return best if accuracy >= 1e-3 else None
        f = test(point)
        if abs(f) <= smallest:
            best, smallest = point, abs(f)
        if abs(f) <= small:
            break
        if (f < 0) == (f_high < 0):
            if side == 1:
                f_low /= 2
            high, f_high, side = middle, f, 1
        else:
            if side == -1:
                f_high /= 2
            low, f_low, side = middle, f, -1
    return best


def _events(curve: Curve, here: Point, there: Point, length: float) -> list[Event]:
    found: list[Event] = []
    for index, value in curve.marks:
        if (here.u[index] - value) * (there.u[index] - value) < 0:
            beyond = lambda p, index=index, value=value: p.u[index] - value  # noqa: E731
            near = locate(curve, here, there, length, beyond, 1e-3)
            point = at_value(curve, near, index, value) if near else None
            if point is not None:
                found.append(Event("UZ", point, True))
    for name, after in there.tests.items():
        before = here.tests[name]
        if (before < 0) == (after < 0) or math.isnan(before) or math.isnan(after):
            continue
        test = lambda p, name=name: p.tests[name]  # noqa: E731
        near = locate(curve, here, there, length, test, 1e-3)
        if near is not None:
            event = curve.refine(name, near, lambda test=test: locate(curve, here, there, length, test, 1e-13))
            if event is not None:
                found.append(event)
    if all(event.kind == "UZ" for event in found) and (jump := curve.jumps(here, there)):
        near = locate(curve, here, there, length, jump.test, 1e-3)
        if near and jump.together(near):
            closer = lambda: locate(curve, here, there, length, jump.test, 1e-13) or near  # noqa: E731
            if event := curve.refine(jump.kind, near, closer):
                found.append(event)
    row = here.tangent / curve.scale**2
    places = {id(event): float((event.point.u - here.u) @ row) for event in found}
    found.sort(key=lambda event: places[id(event)])
    sides = [here]
    for one, other in zip(found, found[1:], strict=False):
        between, _, _ = advance(curve, here, (places[id(one)] + places[id(other)]) / 2)
        sides.append(between or there)
    sides.append(there)
    return [replace(e, sides=(sides[k], sides[k + 1])) for k, e in enumerate(found)]


def _leaving(curve: Curve, here: Point, there: Point) -> tuple[Point, str] | None:
    """Where and why the curve first leaves its bounds between two points."""
    crossed = []
    for index, low, high in curve.bounds:
        value = there.u[index]
        if not low <= value <= high:
            bound = low if value < low else high
            share = (bound - here.u[index]) / (value - here.u[index])
            crossed.append((share, index, bound, f"bound {index} {'low' if value < low else 'high'}"))
    ends: list[tuple[Point, str]] = []
    for share, index, bound, ending in sorted(crossed):
        near = Point(here.u + share * (there.u - here.u), there.tangent, {}, None, 0.0)
        end = at_value(curve, near, index, bound) or here
        ends.append((end, ending))
        if all(low - 1e-9 * (high - low) <= end.u[k] <= high + 1e-9 * (high - low) for k, low, high in curve.bounds):
            break
    return ends[-1] if ends else None


def _passes(curve: Curve, here: Point, there: Point, start: Point) -> bool:
    """Whether the step between two points passes through the start, in its direction."""
    scale = curve.scale
    normal = start.tangent / scale**2
    before, after = (here.u - start.u) @ normal, (there.u - start.u) @ normal
    if not before < 0 <= after:
        return False
    step = float(np.linalg.norm((there.u - here.u) / scale))
    nearest = here.u + (there.u - here.u) * (before / (before - after))
    return bool(np.linalg.norm((nearest - start.u) / scale) < 0.1 * step) and _cosine(curve, start, there) > 0.8


def _distance(curve: Curve, a: Point, b: Point) -> float:
    return float(np.linalg.norm((a.u - b.u) / curve.scale))


def _cosine(curve: Curve, a: Point, b: Point) -> float:
    scale = curve.scale
    x, y = a.tangent / scale, b.tangent / scale
    return float(x @ y / math.sqrt((x @ x) * (y @ y)))


def _explain(curve: Curve, here: Point, largest: float, length: float, tried: list[str]) -> str:
    if tried[-1] == UNBOUNDED:
        return UNBOUNDED
    condition = curve.condition(here)
    story = (
        f"failed: {tried[-1]}; steps from {largest:.1e} down to {length:.1e} were tried; the "
        f"condition number of the bordered Jacobian is {condition:.1e}"
    )
    if condition > 1e12:
        story += ", so that the solutions may form a family (a continuous symmetry?)"
    if trouble := curve.troubles(here):
        story += f"; {trouble}"
    return story
