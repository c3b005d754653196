"""Bifurcations of cycles with resets continued in two parameters, by multiple shooting.

To the equations of shooting comes what is left over of those of the critical variation (see
:mod:`attrax.analysis.cycles.critical`): one number for LPC and PD, two and the angle theta for NS.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...engine.errors import InputError, NumericsError
from ...engine.system import System
from ..continuation.limits import Bounds
from ..continuation.pseudo_arclength import Point, Stepping
from .branches import CyclePoint
from .continuation import CycleContinuation
from .critical import Critical
from .following import nontrivial, passes_in_two
from .hybrid import CONVERGED, HybridContinuation, HybridCycles, Passage, measure, trivial
from .hybrid_forms import normal_form
from .shooting import Pieces, pieces_at

Vector = np.ndarray
Matrix = np.ndarray

UNSTABLE = 1e-6
"""How far outside of the unit circle unstable multipliers are."""


def hybrid_curve(
    system: System, start: CyclePoint, bounds: Mapping[str, Bounds], stepping: Stepping, attrs: dict
) -> CycleContinuation:
    """The continuation of LPC, PD or NS points of cycles with resets: see :func:`continue_bifurcation`."""
    cycle, names = start.cycle, tuple(bounds)
    assert cycle is not None
    if len(cycle.velocities):
        raise InputError("the bifurcations of cycles with symmetries are not followed through resets")
    problem, u = pieces_at(system, cycle, names)
    if start.kind == "NS":
        u = np.append(u, start.coefficients["theta"])
    rough = Point(u, np.zeros(len(u)), {}, measure(problem, u), 0.0)
    ranges = list(bounds.values())
    curve, u = _solved(rough, start.kind, ranges)
    tangent = np.linalg.svd(curve._equations(u)[1] * curve.sizes)[2][-1] * curve.sizes
    tangent *= np.sign(tangent[-2 - curve.more]) / math.sqrt(((tangent / curve.scale) ** 2).sum())
    beginning = curve.measured(u, tangent / curve.scale**2, replace(rough, u=u, tangent=tangent))

    def make() -> HybridBifurcations:
        return HybridBifurcations(beginning, start.kind, ranges)

    return _Continuation(system, names, make, beginning, stepping, True, None, attrs)


class HybridBifurcations(HybridCycles):
    """A curve of LPC, PD or NS points; ``u`` are the states, the scalars with both parameters, and theta of NS."""

    def __init__(self, start: Point, kind: str, ranges: list[Bounds]):
        self.kind, self.more = kind, 1 if kind == "NS" else 0
        self.problem, self.rates = start.data.problem, start.data.problem.rates
        self.widths = np.array([high - low for low, high in ranges])
        self.bounds = [(k - len(ranges) - self.more, *interval) for k, interval in enumerate(ranges)]
        if self.more:
            self.bounds.append((-1, 0.0, math.pi))
        self._begin(start)

    def _refer(self, point: Point) -> None:
        super()._refer(point)
        self.borders = self._critical(point.u, point.data.run).borders()

    def _critical(self, u: Vector, run: Pieces) -> Critical:
        theta = float(u[-1]) if self.more else 0.0
        return Critical(self.kind, self.problem, u, self._conditions[0], self.sizes, run, theta)

    def _equations(self, u: Vector) -> tuple[Vector, Matrix, Pieces]:
        left, matrix, run = super()._equations(u)
        critical = self._critical(u, run)
        value, variation, adjoint = critical.leftover(self.borders)
        slopes = critical.slopes(variation, adjoint)
        if self.more:
            slopes = np.append(slopes, critical.slope_of_angle(variation, adjoint))
        parts = slice(0, 1 + self.more)
        further = np.array([slopes.real, slopes.imag])[parts]
        return np.append(left, [value.real, value.imag][parts]), np.concatenate([matrix, further]), run

    def _tests(self, tangent: Vector, passage: Passage, full: Matrix) -> dict[str, float]:
        return {}

    def measured(self, u, row, near):
        point = super().measured(u, row, near)
        passage: Passage = point.data
        others = nontrivial(passage.eigenvalues, trivial(self.rates) + (self.kind == "LPC"))
        count = int((abs(others) > 1 + UNSTABLE).sum())
        return replace(point, data=replace(passage, unstable=count))

    def passes(self, here, there, start):
        if len(start.u) != len(there.u) or self.steps < 5:
            return False
        place = slice(len(there.u) - 2 - self.more, len(there.u) - self.more)
        return passes_in_two(here, there, start, place, self.widths)


def refined(near: Point, kind: str, bounds: Bounds, theta: float) -> tuple[Vector, dict[str, float], str]:
    """The bifurcation next to a point of a branch: unknowns, coefficients of its normal form and what they mean."""
    rough = replace(near, u=np.append(near.u, theta)) if kind == "NS" else near
    curve, u = _solved(rough, kind, [bounds])
    theta = float(u[-1]) if curve.more else 0.0
    u, count = u[: len(near.u)], len(near.u)
    run = curve.problem.integrated(u)
    critical = Critical(kind, curve.problem, u, curve._conditions[0][:, :count], curve.sizes[:count], run, theta)
    return u, *normal_form(critical)


# -- inside ------------------------------------------------------------------------------------------------------


class _Continuation(HybridContinuation):
    def _sentence(self, ending: str) -> str:
        from .curves import ending_of

        return ending_of(ending, self.names, self.make().more) or super()._sentence(ending)  # type: ignore[attr-defined]


def _solved(rough: Point, kind: str, ranges: list[Bounds]) -> tuple[HybridBifurcations, Vector]:
    """The bifurcation nearest to a cycle that all but is one, and a curve that refers to it."""
    u, problem = rough.u, rough.data.problem
    for _ in range(12):
        curve = HybridBifurcations(replace(rough, u=u, data=measure(problem, u)), kind, ranges)
        left, matrix, _ = curve._equations(u)
        step = -np.linalg.lstsq(matrix * curve.sizes, left, rcond=None)[0] * curve.sizes
        u = u + step
        if not np.isfinite(u).all():
            break
        if (abs(step) / curve.sizes).max() < CONVERGED:
            return curve, u
    raise NumericsError(
        f"the start does not lie on a curve of {kind} points: its equations have no solution near it; check that the "
        "system has the parameter values with which the point was found"
    )
