"""Limit cycles with resets (impacts, spikes) followed over a parameter, by multiple shooting.

The cycle stays smooth in the parameter as long as its events stay the same. Where it begins to graze, so that an event
is added or lost, the branch ends, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...engine.errors import InputError, NumericsError
from ...engine.system import System
from ..continuation.branches import SpecialPoint
from ..continuation.limits import Bounds, check_inside
from ..continuation.pseudo_arclength import Curve, Event, Point, Stepping
from ..equilibria.spectra import pair_test, signed
from .bifurcations import crossing
from .branches import CycleBranch, CyclePoint, Orbit
from .collocation import Rates
from .continuation import CycleContinuation
from .cycle import Cycle, find_cycle, rates_of, scalars_at
from .following import nontrivial
from .shooting import SAMPLES, Pieces, Section, Shooting, apart, pieces_of, recut, sampled, sizes_of

Vector = np.ndarray
Matrix = np.ndarray

CONVERGED = 1e-9
"""Newton's method ends with the first update below this, relative to the sizes of the unknowns."""
NEUTRAL = 1e-2
"""Distance from the unit circle of a multiplier that may cross it close by."""
NEARBY = 0.02
"""How far, in units of the sizes of the unknowns, a bifurcation may be from where it is located along the branch."""
GRAZES = "the cycle begins to graze event"
NEAR = 0.1
"""Pieces are cut anew where an event comes this close to the beginning of one, in units of its length."""


@dataclass(frozen=True, eq=False)
class Passage:
    """What is known of a cycle with resets besides its unknowns.

    Attributes
    ----------
    problem : Shooting
    run : Pieces
        With samples.
    eigenvalues : ndarray
        Floquet multipliers.
    unstable : int
    period : float
    """

    problem: Shooting
    run: Pieces
    eigenvalues: Vector
    unstable: int
    period: float


def continue_hybrid(
    system: System,
    parameter: str,
    bounds: Bounds,
    start: Any,
    period: Any,
    symmetry: Sequence[Callable],
    values: Sequence[float],
    longest: float | None,
    stepping: Stepping,
    attrs: dict[str, Any],
) -> CycleContinuation:
    """The continuation of cycles with resets: see :func:`continue_cycles`."""
    if isinstance(start, SpecialPoint) and not isinstance(start, CyclePoint):
        raise InputError(
            f"system {system.name!r} has resets; its cycles are followed from a cycle, or from a point of a branch of "
            f"cycles, not from the fixed point {start.label!r}"
        )
    cycle = start.cycle if isinstance(start, CyclePoint) else start
    if isinstance(cycle, Cycle):
        own = {k: v for k, v in cycle.parameters.items() if k in system.numeric and k not in system.frozen}
        known = own if isinstance(start, CyclePoint) else {k: v for k, v in own.items() if k == parameter}
        system = system.with_parameters(**known)
    else:
        cycle = find_cycle(system, cycle, period=period, symmetry=symmetry)
    check_inside(system, {parameter: bounds})
    rates = rates_of(system, (parameter,), period, symmetry)
    origin = start if isinstance(start, CyclePoint) else None
    first = _beginning(rates, cycle, bounds, origin)

    def make() -> HybridCycles:
        return HybridCycles(first, bounds, values, longest)

    run = HybridContinuation(system, (parameter,), make, first, stepping, origin is None, origin, attrs)
    run.one_way, run.largest_period = origin is not None and origin.kind == "PD", longest or 0.0
    return run


class HybridCycles(Curve):
    """Cycles with resets over one parameter; events LPC, PD, NS, BPC. ``u`` are the states, then the scalars."""

    extras: tuple[str, ...] = ("period",)
    shrunk = ""

    def __init__(self, start: Point, bounds: Bounds, values: Sequence[float] = (), longest: float | None = None):
        self.problem: Shooting = start.data.problem
        self.rates, self.widths = self.problem.rates, np.array([bounds[1] - bounds[0]])
        self.bounds = [(-1, *bounds)]
        if longest is not None and not self.rates.driven:
            self.bounds.append((-self.rates.scalars, 0.0, longest))
        self.marks = [(-1, float(value)) for value in values]
        self._begin(start)

    def _begin(self, start: Point) -> None:
        self.counts: dict[str, int] = start.data.run.counts
        self.steps = 0
        self.size = np.full(self.rates.n, 1e-12)
        self.typical: float | None = None
        self.section: Section | None = None
        self._refer(start)

    def _refer(self, point: Point) -> None:
        problem = self.problem = point.data.problem
        states = problem.states(point.u)
        size = np.maximum(np.ptp(states, axis=0), abs(states).max(axis=0))
        self.size = np.maximum(self.size, np.maximum(size, 1e-2 * size.max()))
        scalars = np.maximum(abs(problem.scalars(point.u)), 1e-3)
        scalars[-len(self.widths) :] = self.widths
        typical = np.tile(self.size, problem.pieces)
        rest = np.append(scalars, np.ones(len(point.u) - len(typical) - len(scalars)))
        self.sizes = np.concatenate([typical, rest])
        self.scale = np.concatenate([typical * math.sqrt(len(typical)), rest])
        section = problem.section(point.data.run, self.section)
        self.turned, self.section = section != self.section, section
        self._conditions = problem.conditions(point.u, self.size, section)

    def _equations(self, u: Vector) -> tuple[Vector, Matrix, Pieces]:
        """What is to vanish, the gaps first, its derivatives, and the pieces."""
        gaps, matrix, run = self.problem.linear(u)
        rows, targets = self._conditions
        matrix = np.pad(matrix, ((0, 0), (0, len(u) - matrix.shape[1])))
        return np.concatenate([gaps, rows @ u - targets]), np.concatenate([matrix, rows]), run

    def adopt(self, point):
        self.steps += 1
        self._refer(point)

    def renewed(self, point):
        problem, times, u = point.data.problem, point.data.run.times, point.u
        apartness = abs((problem.beginnings[:, None] - times + 0.5) % 1.0 - 0.5).min(axis=1, initial=1.0)
        if (apartness > NEAR * problem.lengths).all():
            if not self.turned:
                return point
        else:
            problem, moved = recut(problem, u, apart(times, problem.pieces, float(problem.beginnings[0])))
            u = np.append(moved, u[len(moved) :])
            self.section = None
        run = problem.integrated(u, SAMPLES // problem.pieces)
        moved = replace(point, u=u, data=replace(point.data, problem=problem, run=run))
        self._refer(moved)
        # the tangent for this phase condition, along which the scalars go the same way
        tangent = np.linalg.svd(self._equations(u)[1] * self.sizes)[2][-1] * self.sizes
        size = problem.scalars(self.sizes)
        same = (problem.scalars(tangent) / size) @ (point.data.problem.scalars(point.tangent) / size)
        norm = math.sqrt(((tangent / self.scale) ** 2).sum())
        return replace(moved, tangent=tangent / (norm if same >= 0 else -norm))

    def correct(self, guess, row, near, iterations):
        u, residuals, target = guess.copy(), [], row @ guess
        right = np.zeros((len(u), 2))
        right[-1, 1] = 1.0
        grazed = ""
        for effort in range(1, iterations + 1):
            try:
                left, matrix, run = self._equations(u)
                right[:, 0] = np.append(-left, target - row @ u)
                full = np.concatenate([matrix, row[None]]) * self.sizes
                step, _ = (np.linalg.solve(full, right) * self.sizes[:, None]).T
            except (NumericsError, np.linalg.LinAlgError) as trouble:
                return None, str(trouble), effort
            u = u + step
            grazed = next((name for name, count in run.counts.items() if count != self.counts[name]), grazed)
            residuals.append(float((abs(run.gaps) / self.size).max()))
            update = float((abs(step) / self.sizes).max())
            if not update < 1e3:
                break
            if update < CONVERGED:
                return self.measured(u, row, near), "", effort
        if grazed:
            return None, f"{GRAZES} {grazed!r}", effort
        told = ", ".join(f"{r:.1e}" for r in residuals[:6])
        return None, f"Newton's method does not converge (gaps {told})", effort

    def measured(self, u: Vector, row: Vector, near: Point) -> Point:
        """The point of a solution, with its tangent, multipliers and test functions."""
        problem = self.problem
        right = np.zeros(len(u))
        right[-1] = 1.0
        full = np.concatenate([self._equations(u)[1], row[None]]) * self.sizes
        tangent = np.linalg.solve(full, right) * self.sizes
        tangent /= math.sqrt(((tangent / self.scale) ** 2).sum())
        if tangent @ (near.tangent / self.scale**2) < 0:
            tangent = -tangent
        passage = measure(problem, u)
        full[-1] = tangent / self.scale**2 * self.sizes
        return Point(u, tangent, self._tests(tangent, passage, full), passage, float(abs(passage.run.gaps).max()))

    def _tests(self, tangent: Vector, passage: Passage, full: Matrix) -> dict[str, float]:
        others = nontrivial(passage.eigenvalues, trivial(self.rates))
        sign, size = np.linalg.slogdet(full)
        self.typical = size if self.typical is None else self.typical
        return {
            "LPC": float(tangent[-1] / self.widths[-1]),
            "BPC": float(sign * np.exp(np.clip(size - self.typical, -300, 300))),
            "PD": float(signed(others.real + 1, others.imag == 0)),
            "NS": float(pair_test(others, True)),
        }

    def explained(self, before, after, events):
        return after.data.run.counts == self.counts

    def ends(self, point):
        counts = point.data.run.counts
        for name, count in counts.items():
            if count != self.counts[name]:
                value = float(self.problem.scalars(point.u)[-1])
                return (
                    f"{GRAZES} {name!r}, which happens {count} instead of {self.counts[name]} times in a period from "
                    f"{self.rates.active[-1]} = {value:.6g} on"
                )
        return None

    def refine(self, name, near, locate):
        from .hybrid_curves import refined

        values, theta = nontrivial(near.data.eigenvalues, trivial(self.rates)), 0.0
        if name == "BPC":
            return self._branching(near) if (abs(values - 1) < NEUTRAL).any() else None
        if name == "PD" and not (abs(values + 1) < NEUTRAL).any():
            return None
        if name == "NS":
            turning = values[values.imag > 0]
            if not len(turning) or abs(abs(turning) - 1).min() > NEUTRAL:
                return None
            theta = float(np.angle(turning[np.argmin(abs(abs(turning) - 1))]))
        try:
            u, coefficients, note = refined(near, name, self.bounds[0][1:], theta)
        except (NumericsError, np.linalg.LinAlgError):
            u = np.full(len(near.u), np.inf)
        if not (abs(u - near.u) / self.sizes).max() < NEARBY:
            return Event(name, locate() or near, False, {"theta": theta} if name == "NS" else {})
        point = self.measured(u, near.tangent / self.scale**2, near)
        return Event(name, point, True, coefficients, note)

    def _branching(self, near: Point) -> Event:
        """The branch point, where a multiplier passes through 1 along the branch."""
        row = near.tangent / self.scale**2
        found = crossing(self, lambda s: self.correct(near.u + s * near.tangent, row, near, 12)[0])
        if found is None:
            return Event("BPC", near, False)
        return Event("BPC", replace(found, data=measure(self.problem, found.u)), True)

    @property
    def trivial(self) -> int:
        """Number of multipliers that are always 1."""
        return trivial(self.rates)

    def condition(self, point):
        return math.inf

    def passes(self, here, there, start):
        if len(start.u) != len(there.u) or self.steps < 5 or start.data.problem is not self.problem:
            return False
        before, after = here.u[-1] - start.u[-1], there.u[-1] - start.u[-1]
        near = (abs(there.u - start.u) / self.sizes).max() < 2 * (abs(there.u - here.u) / self.sizes).max()
        return bool(before * after <= 0 and near and start.tangent[-1] * there.tangent[-1] > 0)


def measure(problem: Shooting, u: Vector) -> Passage:
    """The pieces with samples, and the multipliers, of a solution."""
    run = problem.integrated(u, SAMPLES // problem.pieces)
    values = problem.multipliers(run)
    others = nontrivial(values, trivial(problem.rates))
    count = int((abs(others) > 1 + 1e-9).sum())
    return Passage(problem, run, values, count, problem.rates.of_period(problem.scalars(u)))


def trivial(rates: Rates) -> int:
    """Number of multipliers that are always 1."""
    return (0 if rates.driven else 1) + len(rates.generators)


class HybridContinuation(CycleContinuation):
    """As of smooth cycles; the branch is made of samples along the cycles."""

    def _sentence(self, ending: str) -> str:
        if ending.startswith(f"failed: {GRAZES}"):
            return ending.removeprefix("failed: ").partition(";")[0]
        return super()._sentence(ending)

    @property
    def branch(self) -> CycleBranch:  # type: ignore[override]
        plain = [list(record.points) for record in self.records], self.beginning
        try:
            for record in self.records:
                record.points[:] = [_sampled(point) for point in record.points]
            self.beginning = _sampled(self.beginning)
            return super().branch
        finally:
            for record, points in zip(self.records, plain[0], strict=True):
                record.points[:] = points
            self.beginning = plain[1]


# -- inside ------------------------------------------------------------------------------------------------------


def _beginning(rates: Rates, cycle: Cycle, bounds: Bounds, origin: CyclePoint | None) -> Point:
    """The first point of a branch; from a period doubling, the cycle run through twice."""
    c = scalars_at(rates, cycle)
    problem, u = pieces_of(
        rates,
        cycle.profile[0],
        cycle.period,
        float(cycle.data.phase[0]),
        cycle.velocities if rates.generators else None,
    )
    u[problem.pieces * problem.n :] = c
    sizes = np.concatenate([np.tile(sizes_of(problem, u), problem.pieces), np.maximum(abs(c), 1e-3)])
    up = np.zeros(len(u))
    up[-1] = 1.0
    rough = Point(u, up, {}, measure(problem, u), 0.0)
    curve = HybridCycles(rough, bounds)
    if origin is not None and origin.kind == "BPC":
        return _switched(curve, rough, up)
    point, story, _ = curve.correct(u, up, rough, 20)
    if point is None:
        row = np.random.default_rng(0).normal(size=len(u)) / sizes
        point, story, _ = curve.correct(u, row, rough, 20)  # at a fold: anywhere along the curve
    if point is None:
        raise NumericsError(f"no cycle of {rates.system.name!r} near the start: {story}; find it with find_cycle first")
    if origin is not None and origin.kind == "PD":
        return _doubled(point)
    return point


def _switched(curve: HybridCycles, here: Point, up: Vector) -> Point:
    """The branch point with the direction, orthogonal to its branch, in which the equations are singular too."""
    aside, story, _ = curve.correct(here.u + 2e-3 * curve.widths[-1] * up, up, here, 20)
    if aside is None:
        raise NumericsError(f"the branch cannot be left at its branch point: {story}")
    both = np.linalg.svd(curve._equations(here.u)[1] * curve.sizes)[2][-2:] * curve.sizes / curve.scale
    own = both @ (aside.tangent / curve.scale)
    other = np.array([-own[1], own[0]]) @ np.linalg.inv(both @ both.T) @ both * curve.scale
    return replace(here, tangent=other / math.sqrt(((other / curve.scale) ** 2).sum()))


def _doubled(once: Point) -> Point:
    """The cycle run through twice, with what changes sign from turn to turn as its tangent."""
    single: Shooting = once.data.problem
    rates, n, pieces = single.rates, single.n, single.pieces
    if rates.driven:
        raise InputError(
            "find the doubled cycle of a driven system with find_cycle and twice the period, and start from it"
        )
    maps = once.data.run.derivatives[:, :, :n]
    whole = np.linalg.multi_dot([*maps[::-1], np.eye(n)])
    values, vectors = np.linalg.eig(whole)
    shapes = [vectors[:, int(np.argmin(abs(values + 1)))].real]
    for one in maps[:-1]:
        shapes.append(one @ shapes[-1])
    problem = single.on(np.concatenate([single.beginnings / 2, (single.beginnings + 1) / 2]))
    c = single.scalars(once.u).copy()
    c[0] *= 2
    states = single.states(once.u).ravel()
    u = np.concatenate([states, states, c])
    tangent = np.concatenate([np.ravel(shapes), -np.ravel(shapes), np.zeros(len(c))])
    point = replace(once, u=u, tangent=tangent, data=measure(problem, u))
    assert problem.pieces == 2 * pieces
    scale = HybridCycles(point, (0.0, 1.0)).scale
    return replace(point, tangent=tangent / math.sqrt(((tangent / scale) ** 2).sum()))


def _sampled(point: Point) -> Point:
    """A point as branches of cycles show it: ``u`` the samples, then the scalars."""
    passage: Passage = point.data
    problem = passage.problem
    phase, states = sampled(problem, point.u, passage.run)
    view = Sampled(problem.rates, phase)
    u = np.concatenate([states.ravel(), problem.scalars(point.u)])
    tangent = np.concatenate([np.zeros(states.size), problem.scalars(point.tangent)])
    flow = np.zeros((len(phase) - 1, problem.n))
    orbit = Orbit(view, passage.eigenvalues, passage.unstable, passage.period, flow)  # type: ignore[arg-type]
    return replace(point, u=u, tangent=tangent, data=orbit)


class Sampled:
    """Samples along a cycle, joined by straight lines, as `collocation.Collocation` shows its profile."""

    degree = 1

    def __init__(self, rates: Rates, phase: Vector):
        self.rates, self.n, self.mesh = rates, rates.n, phase
        self.nodes, self.intervals = len(phase), len(phase) - 1
        self.weights = np.diff(phase)

    def profile(self, u: Vector) -> Matrix:
        """Samples (nodes, n)."""
        return u[: self.nodes * self.n].reshape(self.nodes, self.n)

    def scalars(self, u: Vector) -> Vector:
        """The unknown scalars."""
        return u[self.nodes * self.n :]

    def collocated(self, profile: Matrix) -> Matrix:
        """Values between the samples."""
        return (profile[1:] + profile[:-1]) / 2
