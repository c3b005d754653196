"""Bifurcations of limit cycles continued in two parameters.

To the equations of collocation come one or two that vanish on the curve: what is left over of a boundary value problem
for the critical solution of the variational equations, made regular by bordering (Doedel, Govaerts & Kuznetsov, SIAM J.
Numer. Anal. 41, 401, 2003). Their exact derivatives, too, are solutions of such problems. LPC: ``v' = A v + S f``,
periodic; PD: ``v' = A v``, antiperiodic; NS: ``v' + i theta v = A v``, periodic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...engine.errors import InputError, NumericsError
from ...engine.system import System
from ...integrators.parallel import Progress
from ..continuation.branches import Branch
from ..continuation.limits import Bounds, check_bounds, check_inside, stepping_of
from ..continuation.pseudo_arclength import Curve, Point
from .bifurcations import Variations, _joined, _rotated, _stacked, _Twice, along_cycle
from .branches import CycleBranch, CyclePoint, Orbit
from .collocation import Collocation
from .connections import saddle
from .continuation import CycleContinuation
from .cycle import problem_at, rates_of, scalars_at
from .floquet import Multipliers
from .following import BEYOND, EVERY, LONGEST, nontrivial, passes_in_two

Vector = np.ndarray
Matrix = np.ndarray

KINDS = ("LPC", "PD", "NS")
INTERVALS = 40


def continue_cycle_bifurcation(
    system: System,
    start: CyclePoint,
    bounds: Mapping[str, Bounds],
    *,
    step: float | None = None,
    max_step: float = 0.02,
    min_step: float = 1e-9,
    max_points: int = 2000,
    progress: Progress | None = None,
    checkpoint: Callable[[Branch], None] | None = None,
) -> CycleBranch:
    """Follow LPC, PD or NS points of cycles in two parameters: see :func:`continue_bifurcation`."""
    if start.kind not in KINDS:
        raise InputError(f"no curve leaves from a point {start.label!r} of cycles; curves are {', '.join(KINDS)}")
    names = tuple(bounds)
    check_bounds(bounds)
    assert start.cycle is not None
    known = {name: value for name, value in start.cycle.parameters.items() if name in start.parameters}
    system = system.with_parameters(**known)
    check_inside(system, bounds)
    drive = start.cycle.data.attrs.get("drive")
    stepping = stepping_of(step, max_step, min_step, max_points)
    attrs = {"analysis": "continue_bifurcation", "curve": f"{start.kind} points", "drive": drive}
    if any(event.reset is not None for event in system.events.values()):
        from .hybrid_curves import hybrid_curve

        attrs |= {"degree": 1, "method": "shooting"}
        hybrid = hybrid_curve(system, start, bounds, stepping, attrs).run(progress, checkpoint)
        assert isinstance(hybrid, CycleBranch)
        return hybrid
    rates = rates_of(system, names, drive)
    coarse, u = problem_at(rates, start.cycle, scalars_at(rates, start.cycle))
    problem = coarse.on(coarse.adapted(coarse.profile(u), max(INTERVALS, coarse.intervals)))
    u = coarse.moved(u, problem)
    if start.kind == "NS":
        u = np.append(u, start.coefficients["theta"])
    beginning = Beginning(problem, start.kind, list(bounds.values())).point(u)

    def make() -> CycleBifurcations:
        return CycleBifurcations(beginning, start.kind, list(bounds.values()))

    attrs |= {"intervals": problem.intervals, "degree": problem.degree}
    run = _Continuation(system, names, make, beginning, stepping, True, None, attrs)
    branch = run.run(progress, checkpoint)
    assert isinstance(branch, CycleBranch)
    return branch


class _Continuation(CycleContinuation):
    def _sentence(self, ending: str) -> str:
        curve: Any = self.make()
        return ending_of(ending, self.names, curve.more) or ending


def ending_of(ending: str, names: tuple[str, ...], more: int) -> str:
    """Why a curve ends at a bound, of a parameter or of ``more`` unknowns after them; empty if it does not."""
    if not ending.startswith("bound "):
        return ""
    _, index, side = ending.split()
    position = int(index) + more + len(names)
    if position >= len(names):
        return f"theta reaches {'0, a 1:1 resonance' if side == 'low' else 'pi, a 1:2 resonance'}"
    return f"{names[position]} reaches its {'lower' if side == 'low' else 'upper'} bound"


class CycleBifurcations(Curve):
    """A curve of LPC, PD or NS points; ``u`` is the profile, the scalars with both parameters, and theta of NS."""

    def __init__(self, start: Point, kind: str, ranges: list[Bounds]):
        self.kind, self.ranges = kind, ranges
        self.more = 1 if kind == "NS" else 0
        self.problem: Collocation = start.data.problem
        self.rates, self.n = self.problem.rates, self.problem.n
        self.widths = np.array([high - low for low, high in ranges])
        self.bounds = [(k - 2 - self.more, *interval) for k, interval in enumerate(ranges)]
        if self.more:
            self.bounds.append((-1, 0.0, math.pi))
        self.multipliers = Multipliers(self.n)
        self.largest = np.zeros(self.n)
        self.shortest, self.steps, self.shrunk = math.inf, 0, ""
        self._refer(start)

    # -- metric, reference, borders ------------------------------------------------------------------------------

    def _split(self, u: Vector) -> tuple[Vector, float]:
        return (u[:-1], float(u[-1])) if self.more else (u, 0.0)

    def _refer(self, point: Point) -> None:
        problem = self.problem
        u, theta = self._split(point.u)
        profile = problem.profile(u)
        size = np.maximum(abs(profile).max(axis=0), np.ptp(profile, axis=0))
        self.largest = np.maximum(self.largest, np.maximum(size, 1e-2 * size.max()))
        scalars = np.maximum(abs(problem.scalars(u)), 1e-3)
        scalars[-2:] = self.widths
        typical = np.broadcast_to(self.largest, (problem.nodes, self.n))
        weights = np.sqrt(problem.node_weights / self.n)[:, None]
        rest = np.concatenate([scalars, np.ones(self.more)])
        self.scale = np.concatenate([(typical / weights).ravel(), rest])
        self.sizes = np.concatenate([typical.ravel(), rest])
        self._conditions = problem.conditions(profile, problem.scalars(u))
        self.border, self.functional = _borders(self.kind, Variations(problem, u), theta)
        # two rows that make the equations regular: any two at first, then the directions of the surface of cycles
        across = self._across(u)
        found, scale = self._linear(point.u, across)[1][: len(u), :2], self.scale[: len(u), None]
        self.rows = (np.linalg.qr(found / scale)[0] / scale).T

    def _across(self, u: Vector) -> Matrix:
        generator = np.random.default_rng(0)
        return generator.normal(size=(2, len(u))) / self.scale[: len(u)] ** 2 * self.sizes[: len(u)]

    def adopt(self, point):
        self.steps += 1
        self.shortest = min(self.shortest, point.data.period)
        self._refer(point)

    def renewed(self, point):
        if self.steps % EVERY:
            return point
        old = self.problem
        (u, theta), (t, dtheta) = self._split(point.u), self._split(point.tangent)
        problem = old.on(old.adapted(old.profile(u)))
        rest = ([theta], [dtheta]) if self.more else ([], [])
        u, tangent = np.append(old.moved(u, problem), rest[0]), np.append(old.moved(t, problem), rest[1])
        self.problem = problem
        moved = replace(point, u=u, tangent=tangent, data=replace(point.data, problem=problem))
        self._refer(moved)
        return replace(moved, tangent=tangent / math.sqrt(((tangent / self.scale) ** 2).sum()))

    # -- equations -------------------------------------------------------------------------------------------------

    def _linear(self, full: Vector, across: Matrix) -> tuple[Vector, Matrix, Vector, Vector, Matrix, Any]:
        """Newton's step with ``across . step = 0``, directions of the surface of cycles, functions and their slopes.

        The functions are those that vanish on the curve: their values, their slopes along the step and along each
        direction (and theta).
        """
        problem, n = self.problem, self.n
        u, theta = self._split(full)
        s = Variations(problem, u)
        size, b = problem.nodes * n, self.rates.scalars
        profile = problem.profile(u)
        gap = problem.slope(profile) - s.f
        rows = np.concatenate([self._conditions[0], across])
        k = len(self._conditions[0])
        right = np.concatenate([-gap[:, :, None], np.zeros((problem.points, n, 2))], axis=2)
        columns = problem.stretched(np.concatenate([-s.d[:, :, n:], right], axis=2))
        columns[-n:, b] = profile[-1] - profile[0]
        corner = np.zeros((b, b + 3))
        corner[:, :b] = rows[:, size:]
        corner[:k, b] = self._conditions[1] - self._conditions[0] @ u
        corner[k:, b + 1 :] = np.eye(2)
        out, factors, _ = problem.solve(s.a, columns, rows[:, :size], corner)
        values, slopes = _leftover(self.kind, s, theta, self.border, self.functional, out)
        directions = np.zeros((len(full), 2 + self.more))
        directions[: len(u), :2] = out[1:].T
        if self.more:
            directions[-1, 2] = 1.0
        particular = np.append(out[0], np.zeros(self.more))
        return particular, directions, values, slopes[:, 0], slopes[:, 1:], (factors, s, float(abs(gap).max()))

    def correct(self, guess, row, near, iterations):
        u, target = guess.copy(), row @ guess
        residuals: list[float] = []
        for effort in range(1, iterations + 3):
            try:
                step, directions, values, along, slopes, found = self._linear(u, self.rows)
                matrix = np.concatenate([(row @ directions)[None], slopes])
                right = np.append(target - row @ (u + step), -values - along)
                share = np.linalg.solve(matrix, right)
            except np.linalg.LinAlgError:
                return None, "the linear equations are singular", effort
            step = step + directions @ share
            u = u + step
            update = float((abs(step) / self.sizes).max())
            residuals.append(found[2])
            if not math.isfinite(update):
                return None, "the equations became infinite or NaN", effort
            if update < 1e-8 or (effort > 4 and update < 1e-6 and found[2] < 1e-10):
                return self._point(u, directions, slopes, found, near), "", effort
            if update > 1e3:
                break
        told = ", ".join(f"{r:.1e}" for r in residuals[:6])
        return None, f"Newton's method does not converge (residuals {told})", effort

    def _point(self, u: Vector, directions: Matrix, slopes: Matrix, found: Any, near: Point) -> Point:
        factors, s, residual = found
        _, _, null = np.linalg.svd(slopes)
        tangent = directions @ null[-1]
        tangent /= math.sqrt(((tangent / self.scale) ** 2).sum())
        if tangent @ (near.tangent / self.scale**2) < 0:
            tangent = -tangent
        values = self.multipliers(factors)
        if values is None:
            values = np.full(self.n, np.nan + 0j)
        trivial = 0 if self.rates.driven else 1 + len(self.rates.generators)
        others = nontrivial(values, trivial + 1) if self.kind == "LPC" else nontrivial(values, trivial)
        count = int((abs(others) > 1 + 1e-6).sum())
        c = self.problem.scalars(self._split(u)[0])
        orbit = Orbit(self.problem, values, count, self.rates.of_period(c), s.f)
        return Point(u, tangent, {}, orbit, residual)

    def begin(self, u, tangent):
        raise NotImplementedError

    def condition(self, point):
        return math.inf

    def passes(self, here, there, start):
        if len(start.u) != len(there.u) or self.steps < 5:
            return False
        place = slice(len(there.u) - 2 - self.more, len(there.u) - self.more)
        return passes_in_two(here, there, start, place, self.widths)

    def ends(self, point):
        if self.rates.driven or point.data.period < LONGEST * self.shortest:
            return None
        plain = replace(point, u=self._split(point.u)[0])
        if near := saddle(self.rates, self.problem, plain):
            return near
        if point.data.period > BEYOND * self.shortest:
            return f"the period grows beyond {BEYOND:g} times its smallest value"
        return None


class Beginning:
    """The point of a curve nearest to a cycle that all but lies on it."""

    def __init__(self, problem: Collocation, kind: str, ranges: list[Bounds]):
        self.problem, self.kind, self.ranges = problem, kind, ranges

    def point(self, u: Vector) -> Point:
        """The point, with a tangent along which the first parameter grows."""
        problem = self.problem
        bare = u[:-1] if self.kind == "NS" else u
        period = problem.rates.of_period(problem.scalars(bare))
        orbit = Orbit(problem, np.zeros(problem.n), 0, period, np.zeros((problem.points, problem.n)))
        rough = Point(u, np.zeros(len(u)), {}, orbit, 0.0)
        for _ in range(12):
            curve = CycleBifurcations(replace(rough, u=u), self.kind, self.ranges)
            try:
                step, directions, values, along, slopes, found = curve._linear(u, curve.rows)
            except np.linalg.LinAlgError:
                break
            share = np.linalg.lstsq(slopes, -values - along, rcond=None)[0]
            step = step + directions @ share
            u = u + step
            if not np.isfinite(u).all():
                break
            if (abs(step) / curve.sizes).max() < 1e-9:
                up = np.zeros(len(u))
                up[-2 - curve.more] = 1.0
                near = replace(rough, u=u, tangent=up)
                return curve._point(u, directions, slopes, found, near)
        raise NumericsError(
            f"the start does not lie on a curve of {self.kind} points: its equations have no solution near it; check "
            " that the system has the parameter values with which the point was found"
        )


# -- the functions that vanish ---------------------------------------------------------------------------------


def _borders(kind: str, s: Variations, theta: float) -> tuple[Matrix, Matrix]:
    """A function outside of the range of the critical operator, and one not orthogonal to its null space."""
    match kind:
        case "PD":
            return s.null(-1.0, adjoint=True)[1], s.null(-1.0)[1]
        case "NS":
            return s.complex_null(theta, adjoint=True), s.complex_null(theta)
    _, phi = s.null(adjoint=True)
    if s.driven:
        return phi, s.null()[1]
    problem = s.problem
    columns = np.concatenate([problem.stretched(phi), problem.stretched(s.f)], axis=1)
    out, _, _ = problem.solve(s.a, columns, problem.functional(s.f)[None], np.zeros((1, 2)))
    v = problem.collocated(problem.profile(out[0]))
    return phi, v / math.sqrt(s.integral(v, v).real)


def _leftover(
    kind: str, s: Variations, theta: float, border: Matrix, functional: Matrix, directions: Matrix
) -> tuple[Vector, Matrix]:
    """What is left over of the critical equations, and its derivatives along directions (and by theta)."""
    problem, n = s.problem, s.n
    size, points = problem.nodes * n, problem.points
    ways = [(problem.collocated(problem.profile(d)).T, d[size:]) for d in directions]
    tau, y, c = problem.at_points, s.y, s.c

    def second(v: Matrix, w: Vector) -> Matrix:
        """Derivatives of ``D g (v, w)`` along the directions, (points, n, directions)."""
        v = np.ascontiguousarray(v.T)
        parts = [problem.rates.directional(tau, y, c, (v, w), (np.ascontiguousarray(d), e)).T for d, e in ways]
        return np.stack(parts, axis=2)

    zero = np.zeros(len(c))
    if kind == "NS":
        doubled = _Twice(problem)
        jacobian = _rotated(s.a, theta)
        rows = np.array([doubled.functional(_stacked(functional)), doubled.functional(_stacked(1j * functional))])
        bordered = np.stack([_stacked(border), _stacked(1j * border)], axis=2)
        first = np.concatenate([problem.stretched(bordered), np.zeros((points * 2 * n + 2 * n, 1))], axis=1)
        corner = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
        out, _, _ = problem.solve(jacobian, first, rows, corner)
        v = _joined(problem.collocated(out[0][: 2 * size].reshape(problem.nodes, 2 * n)))
        turned = _stacked(-1j * v)[:, :, None]
        density = np.concatenate([np.concatenate([second(v.real, zero), second(v.imag, zero)], axis=1), turned], axis=2)
        columns = np.concatenate([problem.stretched(bordered), problem.stretched(density)], axis=1)
        slopes, _, _ = problem.solve(jacobian, columns, rows, np.zeros((2, 2 + density.shape[2])))
        return out[0][2 * size :], slopes[:, 2 * size :].T
    sign = -1.0 if kind == "PD" else 1.0
    extra = 0 if kind == "PD" else problem.rates.conditions
    # LPC: the period (and velocities) may change along with the solution, which stays in phase
    own = problem.stretched(np.concatenate([-s.d[:, :, n : n + extra], border[:, :, None]], axis=2))
    phases = along_cycle(s) if extra else []
    rows = np.array([problem.functional(d) for d in [*phases, functional]])
    corner = np.zeros((extra + 1, extra + 2))
    corner[-1, -1] = 1.0
    first = np.concatenate([own, np.zeros((len(own), 1))], axis=1)
    closing = sign * np.eye(n)
    out, _, _ = problem.solve(s.a, first, rows, corner, closing)
    v = problem.collocated(problem.profile(out[0]))
    w = zero.copy()
    w[:extra] = out[0][size : size + extra]
    density = second(v, w)
    columns = np.concatenate([own, problem.stretched(density)], axis=1)
    slopes, _, _ = problem.solve(s.a, columns, rows, np.zeros((extra + 1, extra + 1 + density.shape[2])), closing)
    return out[0][-1:], slopes[:, -1:].T
