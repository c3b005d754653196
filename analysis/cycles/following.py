"""The curve of limit cycles over a parameter: its metric, test functions, adaptive meshes, and where it ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from ...engine.driver import driver
from ..continuation.branches import SpecialPoint
from ..continuation.limits import Bounds
from ..continuation.pseudo_arclength import Curve, Point, newton
from ..equilibria.curves import Pairs
from ..equilibria.derivatives import Equations
from ..equilibria.spectra import pair_test, signed
from .branches import Orbit
from .collocation import MESHES, Collocation, Correction
from .connections import saddle
from .floquet import Multipliers
from .meshes import intervals
from .stretches import stretch

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
SMALL = 6
"""States up to which compiled code computes many points at a time: of larger systems, one takes long enough."""
TRIVIAL, HOPELESS = 1e-4, 1e-2
"""Error of the trivial multiplier from which on a mesh becomes finer: nearby solutions grow and shrink fast. Beyond the
larger one multipliers are not looked at."""
RESTING = 1e-6
"""Size, relative to that of the cycle before, of what is no cycle but a fixed point."""


class Cycles(Curve):
    """Cycles over one parameter; events LPC, PD, NS, BPC.

    ``u`` is the profile, then the unknown scalars, the parameter last.
    """

    extras: tuple[str, ...] = ("period",)
    chunk = (100, 200)

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
        self._set_reference(start, None)
        self._phase: tuple[Matrix, Vector] | None = start_conditions(start)
        self._scale(start)

    # -- metric and reference ----------------------------------------------------------------------------------

    def _scale(self, point: Point) -> None:
        """Sizes of the states so far, of the period now and of the range of the parameter."""
        problem, inside = self.problem, self.problem.nodes * self.n
        profile = problem.profile(point.u)
        low, high = profile.min(axis=0), profile.max(axis=0)
        size = np.maximum(np.maximum(-low, high), high - low)
        most = size.max()
        if most < 1e-6 and (shape := abs(problem.profile(point.tangent)).max(axis=0)).any():
            size = shape / shape.max()
            most = 1.0
        self.largest = np.maximum(self.largest, np.maximum(size, 1e-2 * most))
        self.scale, self.sizes = np.empty((2, len(point.u)))
        np.divide(self.largest, problem.root_weights, out=self.scale[:inside].reshape(-1, self.n))
        self.sizes[:inside].reshape(-1, self.n)[:] = self.largest
        self.scale[inside:] = np.maximum(abs(problem.scalars(point.u)), 1e-3)
        self.scale[-1] = self.width
        self.sizes[inside:] = self.scale[inside:]

    def adopt(self, point):
        if point.data.problem is not self.problem:
            self.problem = point.data.problem
        profile = self.problem.profile(point.u)
        value = float(point.u[-1])
        if self.steps > 1 and not self.shrunk:
            self.shrunk = self._collapsed(profile, value)
        self._refer_to(point)

    def _refer_to(self, point: Point) -> None:
        if self.steps:
            self._set_reference(point, point.data.flow)
        self.steps += 1
        if not self.rates.driven:
            self.shortest = min(self.shortest, point.data.period)
        self._scale(point)

    def _set_reference(self, point: Point, flow: Matrix | None) -> None:
        """The profile to which the next one is compared."""
        self.value, self.reference = float(point.u[-1]), self.problem.profile(point.u)
        self._around = self.problem.scalars(point.u), flow
        self._phase = None
        self._half: Matrix | None = None

    @property
    def conditions(self) -> tuple[Matrix, Vector]:
        """Rows and targets of the phase conditions with respect to the reference."""
        if self._phase is None:
            self._phase = self.problem.conditions(self.reference, *self._around)
        return self._phase

    @property
    def halves(self) -> Matrix:
        """How far the reference is, at the ends of the intervals, from itself half a period later."""
        if self._half is None:
            self._half = self._halves(self.reference)
        return self._half

    def adopt_many(self, points: Sequence[Point], largest: Vector, frame: Matrix) -> None:
        """Points that compiled code has computed, one after the other."""
        self.largest, self.multipliers.frame = largest, frame
        self.problem = points[-1].data.problem
        self.steps += len(points) - 1
        self.shortest = min([self.shortest, *(point.data.period for point in points[:-1])])
        self.last = (points[-1].data.period, float(points[-1].u[-1]))
        self._refer_to(points[-1])

    def _collapsed(self, profile: Matrix, value: float) -> str:
        """Whether the cycle has shrunk to a point (or a doubled one to half its period) and grown again."""
        problem = self.problem
        weights = problem.node_weights[:, None]
        old, new = (each - (weights * each).sum(axis=0) for each in (self.reference, profile))
        coarse = np.append(np.diff(problem.mesh), 0.0)[:, None]
        doubling = "the doubled cycle returns to the one of half its period, in a period doubling"
        for before, after, weight, story in (
            (old, new, weights, "the cycle shrinks to a fixed point, in a Hopf bifurcation"),
            (self.halves, self._halves(profile), coarse, doubling),
        ):
            first, second = ((weight * before * each / self.largest**2).sum() for each in (before, after))
            if second < 0:
                share = (second / first) ** 2  # the parameter depends on the square of the size
                limit = (self.value * share - value) / (share - 1) if abs(share - 1) > 1e-3 else value
                if before is old:
                    limit = self._hopf((problem.node_weights[:, None] * profile).sum(axis=0), limit)
                return f"{story} at {self.rates.active[-1]} = {limit:.6g}"
        return ""

    def _hopf(self, state: Vector, value: float) -> float:
        """Parameter value of the Hopf point near a state and a value; the same value if there is none."""
        equations = Equations(self.rates.system, self.rates.active)
        z = np.append(state, value)
        try:
            jacobian = equations.values(z)[1][:, : self.n]
            start = Pairs.start(equations, z, np.linalg.eigvals(jacobian))
            if start is None:
                return value
            pairs = Pairs(equations, start)
            run = newton(pairs.equations, start, None, pairs.scale, 12)
        except np.linalg.LinAlgError:
            return value
        found = float(run.u[self.n])
        return found if run.converged and abs(found - value) < 0.05 * self.width else value

    def _halves(self, profile: Matrix) -> Matrix:
        """How far states at the ends of the intervals are from those half a period later."""
        problem, out = self.problem, np.empty((self.problem.intervals + 1, self.n))
        sizes = np.array([problem.intervals, problem.degree, self.n])
        driver(MESHES, "halves")(sizes, problem.basis.flat, problem.mesh, np.ascontiguousarray(profile), out)
        return out

    def renewed(self, point):
        old, doubt = self.problem, self.doubt(point)
        if self.steps % EVERY and not (doubt > TRIVIAL and old.intervals < FINER * self.fewest):
            return point
        profile, most = old.profile(point.u), FINER * self.fewest
        mesh, fitted = old.fitted(profile, self.fewest, most, ERROR)
        count = intervals(fitted, old.intervals, most, doubt / TRIVIAL, old.degree)
        problem = old.on(mesh if count == fitted else old.adapted(profile, count))
        u, tangent = old.moved(point.u, problem), old.moved(point.tangent, problem)
        self.problem = problem
        flow = problem.slope(problem.profile(u))
        moved = replace(point, u=u, tangent=tangent, data=replace(point.data, problem=problem, flow=flow))
        self._set_reference(moved, flow)
        self._scale(moved)
        return replace(moved, tangent=tangent / math.sqrt(((tangent / self.scale) ** 2).sum()))

    # -- equations ---------------------------------------------------------------------------------------------

    def ahead(self, here, start, length, stepping, most):
        small = 1 < self.n <= SMALL and not self.rates.generators
        if not small or here.data.problem is not self.problem or self.steps < 2 or self.shrunk:
            return super().ahead(here, start, length, stepping, most)
        return stretch(self, here, start, length, stepping, most)

    def correct(self, guess, row, near, iterations, tolerance=1e-7):
        rows, targets = self.conditions
        rows, targets = np.concatenate([rows, row[None]]), np.append(targets, row @ guess)
        run = self.problem.correct(guess, rows, targets, self.sizes, iterations, tolerance)
        if not run.converged:
            return None, run.story, run.effort
        if not self.rates.driven and not run.u[self.problem.nodes * self.n] > 0:
            return None, "the period shrinks to zero", run.effort
        sign = 1.0 if run.tangent @ (near.tangent / self.scale**2) >= 0 else -1.0
        tangent = run.tangent * (sign / math.sqrt(((run.tangent / self.scale) ** 2).sum()))
        point = self.measured(self.problem, run, tangent, sign)
        if self.doubt(point) > TRIVIAL and self._rests(point, near):
            return None, "the corrector falls onto a fixed point", run.effort
        return point, "", run.effort

    def measured(self, problem: Collocation, run: Correction, tangent: Vector, sign: float = 1.0) -> Point:
        """A point that solves the equations, with its multipliers and test functions."""
        values = self.multipliers(run.factors)
        if values is None:
            values = np.full(self.n, np.nan + 0j)
        unstable, tests = self.tests(values, tangent[-1], sign * run.orientation)
        period = self.rates.of_period(problem.scalars(run.u))
        orbit = Orbit(problem, values, int(unstable), period, run.flow)
        return Point(run.u, tangent, {name: float(test) for name, test in tests.items()}, orbit, run.residual)

    def tests(self, values: Vector, turning: Any, orientation: Any) -> tuple[Vector, dict[str, Vector]]:
        """How many of the multipliers (..., n) are unstable, and test functions, at any number of points."""
        others = nontrivial(values, self.trivial)
        return (abs(others) > 1).sum(axis=-1), {
            "LPC": turning / self.width,
            "BPC": orientation,
            "PD": signed(others.real + 1, others.imag == 0),
            "NS": pair_test(others, True),
        }

    def _rests(self, point: Point, near: Point) -> bool:
        """Whether a solution is a fixed point, which has any period, close to a small cycle."""
        size, before = (float((np.ptp(self.problem.profile(p.u), axis=0) / self.largest).max()) for p in (point, near))
        return size < RESTING * before

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
        period = point.data.period
        still = self._still(point) and abs(period - self.last[0]) > 1e-2 * period
        self.last = (period, float(point.u[-1]))
        if not still and period < LONGEST * self.shortest:
            return None
        if near := saddle(self.rates, self.problem, point):
            return near
        if point.data.period > BEYOND * self.shortest:
            return f"the period grows beyond {BEYOND:g} times its smallest value"
        return None

    def _still(self, point: Point) -> bool:
        """Whether the parameter hardly changes although the period has grown much."""
        grown = not self.rates.driven and point.data.period > STILL[0] * self.shortest
        return grown and abs(float(point.u[-1]) - self.last[1]) < STILL[1] * self.width

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
        from .bifurcations import classified

        if name != "LPC" and self.doubt(near) > HOPELESS:
            return None
        if self._still(near) and saddle(self.rates, self.problem, near):
            return None  # towards a homoclinic connection the parameter converges, beyond rounding
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


def passes_in_two(here: Point, there: Point, start: Point, place: slice, widths: Vector) -> bool:
    """Whether a curve over two parameters, at this ``place`` of the unknowns, passes its start between two points."""
    a, b, c = (p.u[place] / widths for p in (here, there, start))
    way = b - a
    length = float(np.linalg.norm(way))
    share = float((c - a) @ way) / max(length**2, 1e-300)
    gap = np.linalg.norm(a + np.clip(share, 0, 1) * way - c)
    same = start.tangent[place] / widths @ way > 0
    alike = abs(there.data.period - start.data.period) < 0.05 * start.data.period
    return bool(0 <= share <= 1 and gap < 0.1 * length and same and alike)


def nontrivial(values: Vector, trivial: int) -> Vector:
    """The multipliers (..., n) without those that are always 1."""
    others = values
    for _ in range(trivial):
        n = others.shape[-1]
        nearest = abs(others - 1).argmin(axis=-1)
        others = others[np.arange(n) != nearest[..., None]].reshape(*values.shape[:-1], n - 1)
    if not trivial or not others.imag.any():
        return others
    # a pair at 1 that rounding has made complex
    gaps = abs(others[..., :, None] - others[..., None, :].conj())
    paired = (gaps < 1e-12 * abs(others)[..., None]).any(axis=-1)
    return np.where(paired, others, others.real)


def start_conditions(start: Point) -> tuple[Matrix, Vector]:
    """Phase conditions at the beginning; at a Hopf point, that of the small cycle."""
    problem: Collocation = start.data.problem
    profile, c = problem.profile(start.u), problem.scalars(start.u)
    if not problem.rates.driven and np.ptp(profile, axis=0).max() == 0:
        rows, _ = problem.conditions(problem.profile(start.tangent), c)
        return rows, np.zeros(len(rows))
    return problem.conditions(profile, c, None if problem.rates.driven else start.data.flow)
