"""Limit cycles followed over a parameter, and their bifurcations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from ..engine.errors import InputError, NumericsError
from ..engine.system import System
from ..integrators.parallel import Progress
from ..integrators.times import positive, whole
from .bifurcations import Bounds, _check_bounds, _check_inside, _stepping
from .branches import Branch, Mark, Record, SpecialPoint
from .collocation import DEGREE, Collocation, Correction, Rates
from .continuation import Curve, Event, Point, Stepping, at_value, follow
from .continuing import Continuation
from .cycle_branches import CycleBranch, CyclePoint, Orbit, cycle_branch
from .cycles import Cycle, as_cycle, check, find_cycle, problem_at, rates_of, scalars_at
from .derivatives import Equations
from .derivatives import check as check_parameter
from .equilibria import _signed, pair_test
from .fixed_points import classify
from .floquet import Multipliers

Vector = np.ndarray
Matrix = np.ndarray

LONGEST = 20.0
"""Period, in units of the shortest one of the branch, from which on a homoclinic connection is looked for."""
STILL = (4.0, 1e-10)
"""The same, where the parameter (relative to its range) hardly changes from step to step."""
BEYOND = 2000.0
"""The same, at which a branch ends in any case."""
NEUTRAL = 1e-6
"""Multipliers closer than this to the unit circle may be counted on either side of it."""
EVERY = 3
"""Steps between two adaptations of the mesh."""
ERROR, FINER = 3e-4, 8
"""Error of the profile, relative to its range, that a mesh may have, and by how much finer it may become for that."""
TRIVIAL, HOPELESS = 1e-4, 1e-2
"""Error of the trivial multiplier from which on a mesh becomes finer: nearby solutions grow and shrink fast. Beyond the
larger one multipliers are not looked at."""


def continue_cycles(
    system: System,
    parameter: str,
    bounds: Bounds,
    *,
    start: Any = None,
    period: float | int | str | None = None,
    symmetry: Sequence[Callable] = (),
    values: Sequence[float] = (),
    intervals: int = 30,
    max_period: float | None = None,
    step: float | None = None,
    max_step: float = 0.05,
    min_step: float = 1e-9,
    max_points: int = 1000,
    progress: Progress | None = None,
) -> Branch:
    """Follow limit cycles over a parameter, in both directions, through folds, and locate their bifurcations.

    Pseudo-arclength continuation of collocation equations, on a mesh that follows the shape of the cycle. Labels: LPC (fold), PD (period
    doubling), NS (torus), BPC (branch point), UZ (a value asked for), EP (end). They are located along the branch, then
    on finer meshes until their parameter value does not change, and have normal forms (see
    :mod:`attrax.analysis.cycle_bifurcations`). ``branch.endings`` and its table say why a branch ends: among others at
    a bound, as the cycle shrinks to a fixed point, or as it approaches a homoclinic connection of a saddle, which is
    named.

    Parameters
    ----------
    system : System
        A flow, driven or not, or a map.
    parameter : str
        A scalar parameter.
    bounds : (low, high)
        Where to end.
    start : Cycle, SpecialPoint or dict
        A cycle; a Hopf point of fixed points, from which its cycles are followed; an LPC, PD, NS, BPC or UZ point of
        another branch: from a PD the doubled cycle is followed, from a BPC the *other* branch. Or a state as in
        :func:`find_cycle` (default: the initial state).
    period, symmetry
        As in :func:`find_cycle`.
    values : sequence of float
        Parameter values at which cycles are wanted (UZ).
    intervals : int
        Least number of intervals of the mesh, each with four collocation points; sharp cycles get up to eight times as
        many.
    max_period : float
        Where to end, too. By default branches end at 20 times their shortest period if a homoclinic connection is
        near, else at 2000 times.
    step, max_step, min_step : float
        Length of the first step (default 0.005), of the longest and of the shortest, relative to the range of the
        parameter, the size of the states and the period.
    max_points : int
        In each direction.
    progress : callable
        Called with the fraction of ``max_points`` from time to time.

    Returns
    -------
    CycleBranch
        For maps a branch of fixed points of the iterate.

    Raises
    ------
    InputError, NumericsError, Interrupted
        As in :func:`continue_fixed_points`.
    """
    if system.kind == "map":
        from .map_cycles import follow_map

        options = {"step": step, "max_step": max_step, "min_step": min_step, "max_points": max_points}
        return follow_map(system, parameter, bounds, start, period, values=values, progress=progress, **options)
    if isinstance(start, SpecialPoint) and isinstance(start, CyclePoint) and start.cycle is not None and period is None:
        period = start.cycle.data.attrs.get("drive")
    if isinstance(start, Cycle) and period is None:
        period = start.data.attrs.get("drive")
    check(system, period, symmetry)
    _check_parameter(system, parameter, period)
    _check_bounds({parameter: bounds})
    if max_period is not None:
        positive("max_period", max_period)
    whole("intervals", intervals, 4)
    stepping = _stepping(step, max_step, min_step, max_points)
    beginning, origin, one_way = _beginning(system, parameter, bounds, start, period, symmetry, intervals)
    _check_inside(beginning.data.problem.rates.system, {parameter: bounds})
    marks = [float(v) for v in values]
    longest = max_period

    def make() -> Cycles:
        return Cycles(beginning, bounds, marks, longest, origin)

    attrs = {
        "analysis": "continue_cycles",
        "curve": "cycles",
        "intervals": intervals,
        "degree": DEGREE,
        "drive": period if not system.autonomous else None,
    }
    system = beginning.data.problem.rates.system
    run = CycleContinuation(system, (parameter,), make, beginning, stepping, origin is None, origin, attrs)
    run.one_way = one_way
    branch = run.run(progress)
    assert isinstance(branch, CycleBranch)
    return branch


def _check_parameter(system: System, parameter: str, period: Any) -> None:
    if system.autonomous:
        check_parameter(system, (parameter,))
    else:
        from ..integrators.ensemble import check_scalar

        check_scalar(system, parameter)


class CycleContinuation(Continuation):
    """A continuation of cycles; from a Hopf point or a period doubling, in the one direction that there is."""

    one_way = False

    @property
    def branch(self) -> CycleBranch:  # type: ignore[override]
        """What has been computed."""
        forward, backward = self.records
        before, after = (side.points[0] if side.points else self.beginning for side in (backward, forward))
        middle = Record([self.beginning])
        if kind := self._kind():
            verdict = before.data.unstable, after.data.unstable
            known = (self.origin.coefficients, self.origin.note) if self.origin else ({}, "")
            middle.marks.append(Mark(0, kind, True, *known, verdict))
        whole = backward.reversed().joined(middle).joined(forward)
        if not self._closed:
            for place in sorted({0, len(whole.points) - 1}):
                if self.one_way and place == 0:
                    continue
                count = whole.points[place].data.unstable
                whole.marks.append(Mark(place, "EP", unstable=(count, count)))
        first = "" if self._closed or self.one_way else self.endings[1]
        endings = self._sentence(first), self._sentence(self.endings[0])
        return cycle_branch(self.system, self.names, whole, endings, self.attrs)

    def _advance(self) -> Iterator[Point]:
        for side, sign in enumerate((1.0,) if self.one_way else (1.0, -1.0)):
            curve, record = self.make(), self.records[side]
            tests = {
                name: value * (sign if name in ("LPC", "BPC") else 1.0) for name, value in self.beginning.tests.items()
            }
            here = replace(self.beginning, tangent=sign * self.beginning.tangent, tests=tests)
            steps, known = follow(curve, here, self.stepping, fresh=self.fresh), 0
            while True:
                try:
                    point, events = next(steps)
                except StopIteration as end:
                    self.endings[side] = end.value
                    break
                known = len(record.points)
                record.add(events, point)
                yield point
            if curve.shrunk:  # what came last lies beyond the point where the cycle vanishes
                record.points = record.points[:known]
                record.marks = [mark for mark in record.marks if mark.position < known]
            if self._closed:
                return

    def _sentence(self, ending: str) -> str:
        if not ending.startswith("bound "):
            return ending
        _, index, side = ending.split()
        if int(index) < -len(self.names):
            return f"the period reaches {self.make().longest:g}"
        return f"{self.names[int(index)]} reaches its {'lower' if side == 'low' else 'upper'} bound"


class Cycles(Curve):
    """Cycles over one parameter; events LPC, PD, NS, BPC.

    ``u`` is the profile, then the unknown scalars, the parameter last.
    """

    extras: tuple[str, ...] = ("period",)

    def __init__(
        self,
        start: Point,
        bounds: Bounds,
        values: Sequence[float] = (),
        longest: float | None = None,
        origin: SpecialPoint | None = None,
    ):
        self.problem: Collocation = start.data.problem
        self.rates, self.n = self.problem.rates, self.problem.n
        self.width = bounds[1] - bounds[0]
        self.bounds = [(-1, *bounds)]  # counted from the end, as meshes change their size
        self.longest = math.inf if longest is None else longest
        if longest is not None and not self.rates.driven:
            self.bounds.append((-self.rates.scalars, 0.0, longest))
        self.marks = [(-1, value) for value in values]
        self.multipliers = Multipliers(self.n)
        self.origin = origin
        self.fewest = self.problem.intervals
        self.largest = np.zeros(self.n)
        self.shortest = math.inf
        self.shrunk, self.last = "", (0.0, math.inf)
        self.steps = 0
        self.small: Vector | None = None
        self.reference = self.problem.profile(start.u)
        self._conditions = start_conditions(start)
        self._scale(start)

    # -- metric and reference ----------------------------------------------------------------------------------

    def _scale(self, point: Point) -> None:
        """Sizes of the states so far, of the period now and of the range of the parameter."""
        problem, n = self.problem, self.n
        profile = problem.profile(point.u)
        size = np.maximum(abs(profile).max(axis=0), np.ptp(profile, axis=0))
        shape = abs(problem.profile(point.tangent)).max(axis=0)
        if size.max() < 1e-6 and shape.any():
            size = shape / shape.max()
        size = np.maximum(size, 1e-2 * size.max())
        self.largest = np.maximum(self.largest, size)
        scalars = np.maximum(abs(problem.scalars(point.u)), 1e-3)
        scalars[-1] = self.width
        typical = np.broadcast_to(self.largest, (problem.nodes, n))
        weights = np.sqrt(problem.node_weights / n)[:, None]
        self.scale = np.concatenate([(typical / weights).ravel(), scalars])
        self.sizes = np.concatenate([typical.ravel(), scalars])

    def adopt(self, point):
        if point.data.problem is not self.problem:
            self.problem = point.data.problem
        profile = self.problem.profile(point.u)
        value = float(point.u[-1])
        if self.steps > 1 and not self.shrunk:
            self.shrunk = self._collapsed(profile, value)
        self.value = value
        self.reference = profile
        if self.steps:
            flow = None if self.rates.driven else point.data.flow
            self._conditions = self.problem.conditions(profile, self.problem.scalars(point.u), flow)
        self.steps += 1
        if not self.rates.driven:
            self.shortest = min(self.shortest, point.data.period)
        self._scale(point)

    def _collapsed(self, profile: Matrix, value: float) -> str:
        """Whether the cycle has shrunk to a point (or a doubled one to half its period) and grown again."""
        problem = self.problem
        weights = problem.node_weights[:, None]
        old, new = (each - (weights * each).sum(axis=0) for each in (self.reference, profile))
        halves = [self._halves(each) for each in (self.reference, profile)]
        for before, after, story in (
            (old, new, "the cycle shrinks to a fixed point, in a Hopf bifurcation"),
            (*halves, "the doubled cycle returns to the one of half its period, in a period doubling"),
        ):
            first, second = ((weights * before * each / self.largest**2).sum() for each in (before, after))
            if second < 0:
                share = (second / first) ** 2  # the parameter depends on the square of the size
                limit = (self.value * share - value) / (share - 1) if abs(share - 1) > 1e-3 else value
                return f"{story} at {self.rates.active[-1]} = {limit:.6g}"
        return ""

    def _halves(self, profile: Matrix) -> Matrix:
        """How far states are from those half a period later."""
        return profile - self.problem.evaluated(profile, (self.problem.at_nodes + 0.5) % 1.0)

    def renewed(self, point):
        old, doubt = self.problem, self.doubt(point)
        if self.steps % EVERY and not (doubt > TRIVIAL and old.intervals < FINER * self.fewest):
            return point
        profile, most = old.profile(point.u), FINER * self.fewest
        _, count = old.fitted(profile, self.fewest, most, ERROR)
        if doubt > TRIVIAL:
            factor = min(2.0, 1.2 * (doubt / TRIVIAL) ** (1 / (2 * old.degree)))
            count = max(count, min(most, int(factor * old.intervals)))
        elif 0.6 * old.intervals < count < 1.25 * old.intervals or (count < old.intervals and doubt > 1e-3 * TRIVIAL):
            count = old.intervals
        problem = old.on(old.adapted(profile, count))
        u, tangent = old.moved(point.u, problem), old.moved(point.tangent, problem)
        self.problem = problem
        flow = problem.slope(problem.profile(u))
        self.reference = problem.profile(u)
        self._conditions = problem.conditions(self.reference, problem.scalars(u), flow)
        moved = replace(point, u=u, tangent=tangent, data=replace(point.data, problem=problem, flow=flow))
        self._scale(moved)
        return replace(moved, tangent=tangent / math.sqrt(((tangent / self.scale) ** 2).sum()))

    # -- equations ---------------------------------------------------------------------------------------------

    def correct(self, guess, row, near, iterations, tolerance=1e-7):
        rows, targets = self._conditions
        rows, targets = np.concatenate([rows, row[None]]), np.append(targets, row @ guess)
        run = self.problem.correct(guess, rows, targets, self.sizes, iterations, tolerance)
        if not run.converged:
            return None, run.story, run.effort
        if not self.rates.driven and not run.u[self.problem.nodes * self.n] > 0:
            return None, "the period shrinks to zero", run.effort
        sign = 1.0 if run.tangent @ (near.tangent / self.scale**2) >= 0 else -1.0
        tangent = run.tangent * (sign / math.sqrt(((run.tangent / self.scale) ** 2).sum()))
        return self.measured(self.problem, run, tangent, sign), "", run.effort

    def measured(self, problem: Collocation, run: Correction, tangent: Vector, sign: float = 1.0) -> Point:
        """A point that solves the equations, with its multipliers and test functions."""
        values = self.multipliers(run.factors)
        if values is None:
            values = np.full(self.n, np.nan + 0j)
        others = nontrivial(values, self.trivial)
        tests = {
            "LPC": float(tangent[-1] / self.width),
            "BPC": sign * run.orientation,
            "PD": _signed([v.real + 1 for v in others.tolist() if v.imag == 0]),
            "NS": pair_test(others, True),
        }
        period = self.rates.of_period(problem.scalars(run.u))
        orbit = Orbit(problem, values, int((abs(others) > 1).sum()), period, run.flow)
        return Point(run.u, tangent, tests, orbit, run.residual)

    @cached_property
    def trivial(self) -> int:
        """Number of multipliers that are always 1."""
        return 0 if self.rates.driven else 1 + len(self.rates.generators)

    def passes(self, here, there, start):
        a, b, c = here.u[-1], there.u[-1], start.u[-1]
        if (a - c) * (b - c) > 0 or not abs(there.data.period - start.data.period) < 0.1 * start.data.period:
            return False
        old = start.data.problem
        profile = old.evaluated(old.profile(start.u), self.problem.at_nodes)
        step = float(np.linalg.norm((there.u - here.u) / self.scale))
        gap = np.linalg.norm((self.problem.profile(there.u) - profile).ravel() / self.scale[: profile.size])
        same = start.tangent[-1] * there.tangent[-1] > 0
        return bool(gap < 2 * step) and same and self.steps > 5

    def condition(self, point):
        return math.inf

    # -- ends ----------------------------------------------------------------------------------------------------

    def ends(self, point):
        if self.shrunk:
            return self.shrunk
        if self.rates.driven:
            return None
        period, value = point.data.period, float(point.u[-1])
        still = period > STILL[0] * self.shortest and abs(value - self.last[1]) < STILL[1] * self.width
        still = still and abs(period - self.last[0]) > 1e-2 * period
        self.last = (period, value)
        if not still and period < LONGEST * self.shortest:
            return None
        if near := saddle(self.rates, self.problem, point):
            return near
        if point.data.period > BEYOND * self.shortest:
            return f"the period grows beyond {BEYOND:g} times its smallest value"
        return None

    # -- events --------------------------------------------------------------------------------------------------

    def explained(self, before, after, events):
        if max(self.doubt(before), self.doubt(after)) > HOPELESS:
            return True
        crossing = sum({"NS": 2, "LPC": 1, "BPC": 1, "PD": 1}.get(event.kind, 0) for event in events)
        if abs(after.data.unstable - before.data.unstable) <= crossing:
            return True
        close = [
            int((abs(abs(nontrivial(p.data.eigenvalues, self.trivial)) - 1) < NEUTRAL).sum()) for p in (before, after)
        ]
        return abs(after.data.unstable - before.data.unstable) <= crossing + max(close)

    def refine(self, name, near, locate):
        from .cycle_bifurcations import classified

        if name != "LPC" and self.doubt(near) > HOPELESS:
            return None
        event = classified(self, name, near, locate)
        if event is not None and name in ("LPC", "BPC"):
            problem: Collocation = event.point.data.problem
            profile = problem.profile(event.point.u)
            for measure in (lambda x: np.ptp(x, axis=0), lambda x: abs(self._halves(x)).max(axis=0)):
                if not self.rates.driven and (measure(profile) < 0.1 * measure(self.reference)).all():
                    return None  # the cycle shrinks to a point, or a doubled one to a single one, and grows again
        return event

    def doubt(self, point: Point) -> float:
        """Error of the trivial multiplier."""
        return 0.0 if self.rates.driven else float(abs(point.data.eigenvalues - 1).min())


def nontrivial(values: Vector, trivial: int) -> Vector:
    """The multipliers without those that are always 1."""
    if not trivial:
        return values
    others = np.delete(values, np.argsort(abs(values - 1), kind="stable")[:trivial])
    # a pair at 1 that rounding has made complex
    lonely = [
        k for k, v in enumerate(others) if v.imag != 0 and not (abs(others - v.conjugate()) < 1e-12 * abs(v)).any()
    ]
    others[lonely] = others[lonely].real
    return others


def start_conditions(start: Point) -> tuple[Matrix, Vector]:
    """Phase conditions at the beginning; at a Hopf point, that of the small cycle."""
    problem: Collocation = start.data.problem
    profile, c = problem.profile(start.u), problem.scalars(start.u)
    if not problem.rates.driven and np.ptp(profile, axis=0).max() == 0:
        rows, _ = problem.conditions(problem.profile(start.tangent), c)
        return rows, np.zeros(len(rows))
    return problem.conditions(profile, c, None if problem.rates.driven else start.data.flow)


def saddle(rates: Rates, problem: Collocation, point: Point) -> str | None:
    """A sentence about the fixed points that the cycle all but touches, if there are some."""
    states = problem.collocated(problem.profile(point.u))
    size = np.maximum(np.ptp(states, axis=0), 1e-12)
    speed = np.linalg.norm(point.data.flow / size, axis=1)
    dips = np.nonzero((speed <= np.roll(speed, 1)) & (speed <= np.roll(speed, -1)) & (speed < 0.05 * speed.max()))[0]
    p = dict(zip(rates.active, problem.scalars(point.u)[len(rates.extras) :].tolist(), strict=True))
    equations = Equations(rates.system.with_parameters(**p))
    found: list[Vector] = []
    for k in dips[np.argsort(speed[dips])]:
        y = _fixed_point(equations, states[k], size)
        if y is not None and (abs(states - y) / size).max(axis=1).min() < 0.02:
            if all((abs(y - other) / size).max() > 1e-4 for other in found):
                found.append(y)
    spectra = [np.linalg.eigvals(equations.values(y)[1][:, : rates.n]) for y in found]
    kinds = [classify(values, False) for values in spectra]
    where = ", ".join(f"{name} = {value:.8g}" for name, value in p.items())
    start = f"the period grows ({point.data.period:.5g}): the cycle approaches"
    for y, values in zip(found, spectra, strict=True):
        if abs(values.real).min() < 1e-3 * abs(values).max():
            return f"{start} a fixed point that is about to fold, at {_told(rates, y, size)} ({where})"
    saddles = [
        f"the {kind} at {_told(rates, y, size)}" for y, kind in zip(found, kinds, strict=True) if "saddle" in kind
    ]
    if not saddles:
        return None
    return (
        f"{start} a {'homo' if len(saddles) == 1 else 'hetero'}clinic connection of {' and '.join(saddles)} ({where})"
    )


def _fixed_point(equations: Equations, near: Vector, size: Vector) -> Vector | None:
    """The fixed point close to a state, within a fifth of the size."""
    y = near.copy()
    for _ in range(30):
        f, jacobian = equations.values(equations.unknowns(y))
        try:
            move = np.linalg.solve(jacobian[:, : equations.n], f)
        except np.linalg.LinAlgError:
            return None
        y = y - move
        if not np.isfinite(y).all() or (abs(y - near) / size).max() > 0.2:
            return None
        if (abs(move) / size).max() < 1e-12:
            return y
    return None


def _told(rates: Rates, y: Vector, size: Vector) -> str:
    y = np.where(abs(y) < 1e-9 * size, 0.0, y)
    return ", ".join(f"{name} = {value:.5g}" for name, value in zip(rates.system.component_names, y, strict=True))


# -- beginnings ------------------------------------------------------------------------------------------------


def _beginning(
    system: System,
    parameter: str,
    bounds: Bounds,
    start: Any,
    period: Any,
    symmetry: Sequence[Callable],
    intervals: int,
) -> tuple[Point, SpecialPoint | None, bool]:
    """The first point, the special point that it is, and whether the branch leaves in one direction only."""
    if isinstance(start, SpecialPoint):
        if not isinstance(start, CyclePoint):
            return _from_hopf(system, (parameter,), bounds, start, symmetry, intervals), start, True
        system = system.with_parameters(**start.parameters)
        assert start.cycle is not None
        cycle: Cycle = start.cycle
        if start.kind == "PD":
            if not system.autonomous:
                raise InputError(
                    "the doubled cycles of a driven system are found with find_cycle and twice the period; give the cycle"
                )
            return _from_doubling(system, parameter, bounds, cycle, symmetry), start, True
    elif isinstance(start, Cycle):
        cycle = start
        own = {k: v for k, v in cycle.parameters.items() if k in system.numeric and k not in system.frozen}
        if parameter in own:
            system = system.with_parameters(**{parameter: own[parameter]})
    else:
        cycle = find_cycle(system, start, period=period, symmetry=symmetry)
    rates = rates_of(system, (parameter,), period, symmetry)
    problem, u = problem_at(rates, cycle, scalars_at(rates, cycle))
    fitted = problem.on(problem.adapted(problem.profile(u), intervals))
    beginning = _regular(fitted, problem.moved(u, fitted), bounds)
    if isinstance(start, CyclePoint) and start.kind == "BPC":
        return _switched(beginning, bounds), start, False
    return beginning, None, False


def _regular(problem: Collocation, u: Vector, bounds: Bounds, amplitude: Vector | None = None) -> Point:
    """The cycle at the parameter value of ``u`` (or with the row ``amplitude . u`` kept), and its tangent."""
    from .cycles import scales

    sizes = scales(problem, u)
    name = problem.rates.system.name
    row = np.zeros(len(u)) if amplitude is None else amplitude
    if amplitude is None:
        row[-1] = 1.0
    for turn in range(3):
        profile, c = problem.profile(u), problem.scalars(u)
        conditions = problem.conditions(profile, c)
        rows = np.concatenate([conditions[0], row[None]])
        run = problem.correct(u, rows, np.append(conditions[1], row @ u), sizes, 20, 1e-9)
        if not run.converged and turn == 0 and amplitude is None:
            # at a fold: anywhere along the curve
            row = np.random.default_rng(0).normal(size=len(u)) / sizes**2
            row[-1] = 1 / (bounds[1] - bounds[0])
            continue
        if not run.converged:
            raise NumericsError(f"no cycle of {name!r} near the start: {run.story}; find it with find_cycle first")
        u = run.u
        break
    orbit = Orbit(problem, np.zeros(problem.n), 0, problem.rates.of_period(problem.scalars(u)), run.flow)
    rough = Point(u, run.tangent, {}, orbit, run.residual)
    curve = Cycles(rough, bounds)
    tangent = run.tangent / math.sqrt(((run.tangent / curve.scale) ** 2).sum())
    for _ in range(2):  # along the tangent itself, as all later points are
        point, story, _ = curve.correct(u, tangent / curve.scale**2, replace(rough, tangent=tangent), 8)
        if point is None:
            raise NumericsError(f"the branch of cycles of {name!r} cannot be followed from the start: {story}")
        tangent = point.tangent
    if amplitude is None and point.tangent[-1] < 0:
        point = curve.measured(problem, _corrected(curve, u, -tangent), -tangent)
    return point


def _corrected(curve: Cycles, u: Vector, tangent: Vector) -> Correction:
    rows, targets = curve._conditions
    row = tangent / curve.scale**2
    return curve.problem.correct(u, np.concatenate([rows, row[None]]), np.append(targets, row @ u), curve.sizes)


def hopf_direction(equations: Equations, vector: Vector, omega: float) -> tuple[Vector, float]:
    """Critical eigenvector of the Jacobian, and its frequency."""
    jacobian = equations.values(equations.unknowns(vector))[1][:, : equations.n]
    values, vectors = np.linalg.eig(jacobian)
    k = int(np.argmin(abs(values - 1j * omega)))
    q = vectors[:, k]
    # real and imaginary part orthogonal
    angle = 0.5 * np.angle((q * q).sum())
    return q * np.exp(-1j * angle), float(values[k].imag)


def _from_hopf(
    system: System,
    active: tuple[str, ...],
    bounds: Bounds,
    start: SpecialPoint,
    symmetry: Sequence[Callable],
    intervals: int,
) -> Point:
    """The fixed point as a cycle of no amplitude, with the small cycle's shape as its tangent."""
    if start.kind != "H":
        raise InputError(f"cycles begin at Hopf points (H), not at {start.label!r}; start from a cycle or an H point")
    system = system.with_parameters(**start.parameters)
    rates = rates_of(system, active, None, symmetry)
    q, omega = hopf_direction(Equations(system), start.vector, start.coefficients["omega"])
    problem = Collocation(rates, np.linspace(0, 1, intervals + 1))
    turn = np.exp(2j * np.pi * problem.at_nodes)[:, None]
    shape = (turn * q).real
    c = np.concatenate([[2 * np.pi / omega], np.zeros(len(rates.generators))])
    own = [float(system.parameters[name].value) for name in active]
    u = np.concatenate([np.tile(start.vector, problem.nodes), c, own])
    tangent = np.concatenate([shape.ravel(), np.zeros(rates.scalars)])
    flow = problem.slope(shape)
    values = np.exp(np.linalg.eigvals(Equations(system).values(start.vector)[1][:, : rates.n]) * (2 * np.pi / omega))
    orbit = Orbit(problem, values[np.argsort(-abs(values))], 0, 2 * np.pi / omega, flow)
    point = Point(u, tangent, {}, orbit, 0.0)
    curve = Cycles(point, bounds)
    count = int((abs(nontrivial(orbit.eigenvalues, 2)) > 1 + NEUTRAL).sum())
    tangent = tangent / math.sqrt(((tangent / curve.scale) ** 2).sum())
    return replace(point, tangent=tangent, data=replace(orbit, unstable=count))


def _from_doubling(system: System, parameter: str, bounds: Bounds, cycle: Cycle, symmetry: Sequence[Callable]) -> Point:
    """The cycle run through twice, with what changes sign from turn to turn as its tangent."""
    from .cycle_bifurcations import doubling_vector

    rates = rates_of(system, (parameter,), None, symmetry)
    single, u = problem_at(rates, cycle, scalars_at(rates, cycle))
    once = _regular(single, u, bounds)
    vector = doubling_vector(single, once.u)
    mesh = np.concatenate([single.mesh / 2, 0.5 + single.mesh[1:] / 2])
    problem = single.on(mesh)
    profile = single.profile(once.u)
    c = single.scalars(once.u).copy()
    c[0] *= 2
    doubled = np.concatenate([profile, profile[1:]])
    shape = np.concatenate([vector, -vector[1:]])
    u = np.concatenate([doubled.ravel(), c])
    tangent = np.concatenate([shape.ravel(), np.zeros(rates.scalars)])
    flow = 2 * np.concatenate([once.data.flow, once.data.flow])
    orbit = Orbit(problem, once.data.eigenvalues**2, 0, float(c[0]), flow)
    point = Point(u, tangent, {}, orbit, once.residual)
    scale = Cycles(point, bounds).scale
    return replace(point, tangent=tangent / math.sqrt(((tangent / scale) ** 2).sum()))


def _switched(here: Point, bounds: Bounds) -> Point:
    """The branch point with the direction, orthogonal to its tangent, in which the equations are singular too."""
    from .cycle_bifurcations import Variations

    # where the branch it was found on has a unique tangent
    aside = here.u.copy()
    aside[-1] += 2e-3 * (bounds[1] - bounds[0])
    here = replace(here, tangent=_regular(here.data.problem, aside, bounds).tangent)
    curve = Cycles(here, bounds)
    problem, scale, own = curve.problem, curve.scale, here.tangent / curve.scale**2
    size = problem.nodes * problem.n
    variations = Variations(problem, here.u)
    rows = np.concatenate([curve._conditions[0], own[None]])
    # the solution for any right-hand side is large along the direction looked for
    right = np.random.default_rng(0).normal(size=(problem.points, problem.n, 1))
    columns = problem.stretched(np.concatenate([-variations.d[:, :, problem.n :], right], axis=2))
    corner = np.concatenate([rows[:, size:], np.zeros((len(rows), 1))], axis=1)
    vector = problem.solve(variations.a, columns, rows[:, :size], corner)[0][0]
    vector = vector - (own @ vector) * here.tangent
    return replace(here, tangent=vector / math.sqrt(((vector / scale) ** 2).sum()))


def nearby(system: System, start: SpecialPoint, amplitude: float) -> Cycle:
    """The cycle of a given size on the branch that begins at a Hopf or PD point."""
    from .cycles import refined

    parameter = next(iter(start.parameters))
    value = start.parameters[parameter]
    width = max(1.0, abs(value))
    bounds = (value - width, value + width)
    beginning, _, _ = _beginning(system, parameter, bounds, start, None, (), 30)
    curve = Cycles(beginning, bounds, origin=start)
    here = beginning
    for point, _ in follow(curve, beginning, Stepping(amplitude / 5, 1e-9, amplitude / 5, 5), fresh=False):
        here = point
    problem = here.data.problem
    system = problem.rates.system.with_parameters(**{parameter: float(here.u[-1])})
    rates = rates_of(system, (), None)
    plain = Collocation(rates, problem.mesh, problem.degree)
    finer, u, run = refined(plain, here.u[:-1])
    return as_cycle(finer, u, run)
