"""Normal forms of bifurcations of cycles with resets, by multiple shooting.

The conventions are those of smooth cycles (:mod:`attrax.analysis.cycles.bifurcations`). The expansion of the flow along
the cycle holds from piece to piece (Kuznetsov, Elements of Applied Bifurcation Theory, 2004, sec. 5.4, with the maps of
the pieces in place of one map): the homological equations are linear equations of shooting, and c, d and b follow from
their solvability. Second and third derivatives of the pieces along the critical variation are differences of order 8 of
the exact first ones: coefficients are right to about six digits.
"""

from __future__ import annotations

import math

import numpy as np

from .bifurcations import ISOCHRONOUS, RESONANCES, criticality
from .course import course_of
from .critical import Critical

Vector = np.ndarray
Matrix = np.ndarray


def normal_form(critical: Critical) -> tuple[dict[str, float], str]:
    """Coefficients of LPC, PD or NS, and what they mean."""
    forms = _Forms(critical)
    match critical.kind:
        case "PD":
            c = forms.doubling()
            return {"c": c}, criticality(c)
        case "NS":
            theta = critical.theta
            near = [k for k, angle in RESONANCES.items() if abs(theta - angle) < 1e-5]
            if near:
                return {"theta": theta}, f"strong resonance 1:{near[0]}"
            d = forms.torus()
            return {"theta": theta, "d": d}, criticality(d)
    b, note = forms.fold()
    return {"b": b}, note


class _Forms:
    """What the normal forms at a cycle have in common."""

    def __init__(self, critical: Critical):
        problem, u = critical.problem, critical.u
        self.critical, self.problem = critical, problem
        self.n, self.count = problem.n, problem.pieces * problem.n
        self.times = problem.lengths * problem.rates.of_period(problem.scalars(u))
        self.course = course_of(problem, u, critical.run)
        self.whole = critical.of("LPC")

    def doubling(self) -> float:
        """PD: c."""
        v, w, _ = self._null()
        first, second = self.critical.derivatives(v.ravel())
        h, change = self._periodic(_along(first, v))
        third = _along(second, v) / 6 + _along(first, h, change) / 2
        return float((w * third).sum() / self._weight(w, v))

    def torus(self) -> float:
        """NS: the real part of d."""
        v, w, _ = self._null()
        parts = [self.critical.derivatives(part.ravel()) for part in (v.real, v.imag)]
        first = parts[0][0] + 1j * parts[1][0]
        both = parts[0][1] + parts[1][1]
        turned = self._turned(_along(first, v), 2 * self.critical.theta)
        h, change = self._periodic(_along(first, v.conj()).real)
        third = _along(both, v) / 2 + _along(first, h, change) + _along(first.conj(), turned) / 2
        return float(((w.conj() * third).sum() / self._weight(w.conj(), v)).real)

    def fold(self) -> tuple[float, str]:
        """LPC: b, and what it means if the period does not change at the fold."""
        course, rates = self.course, self.problem.rates
        v, w, change = self._null()
        scalars = np.zeros(rates.scalars)
        scalars[: len(change)] = change
        values = course.varied(v, scalars)
        if not rates.driven:
            f = course.velocities
            share = course.integral(f, values) / course.integral(f, f)
            values = values - share * f
            v = v - share * f[course.pieces]
        apart = course.states - course.weights @ course.states
        size = math.copysign(math.sqrt(course.integral(values, values)), course.integral(values, apart))
        v, change = v / size, change / size
        first, _ = self.critical.derivatives(np.append(v.ravel(), change))
        weight = self.times @ (w * np.roll(v, -1, axis=0)).sum(axis=1)
        b = float((w * _along(first, v, change)).sum() / (2 * weight))
        if rates.driven:
            return b, ""
        slope = float(change[0] / self.times.sum())
        if abs(slope) * math.sqrt(course.integral(apart, apart)) < ISOCHRONOUS:
            return b, "isochronous: the period does not change at the fold; b is for int <v, v> = 1"
        return b / slope, ""

    def _null(self) -> tuple[Matrix, Matrix, Vector]:
        """Critical variation and adjoint (pieces, n), and changes of the scalars; ``int <v, v> = 1`` but for LPC."""
        critical = self.critical
        borders = critical.borders()
        v, w = critical.columns * borders.right, critical.rows * borders.left
        starts, change = v[: self.count].reshape(-1, self.n), v[self.count :]
        if critical.kind != "LPC":
            values = self.course.varied(starts, np.zeros(self.problem.rates.scalars))
            starts = starts / math.sqrt(self.course.integral(values, values))
        return starts, w[: self.count].reshape(-1, self.n), change

    def _periodic(self, density: Matrix) -> tuple[Matrix, Vector]:
        """The periodic solution of ``A_i h_i + S_i dc + density_i = h_{i+1}`` in phase."""
        right = np.zeros(len(self.whole.matrix))
        right[: self.count] = -density.ravel()
        out = self.whole.columns * np.linalg.solve(self.whole.matrix, self.whole.rows * right)
        return out[: self.count].reshape(-1, self.n), out[self.count :]

    def _turned(self, density: Matrix, angle: float) -> Matrix:
        """The solution of ``A_i h_i + density_i = h_{i+1}`` that closes with ``exp(i angle)``."""
        critical = self.critical.of("NS", angle)
        out = critical.columns * np.linalg.solve(critical.matrix, -critical.rows * density.ravel())
        return out.reshape(-1, self.n)

    def _weight(self, w: Matrix, v: Matrix) -> complex:
        """The period times ``<w, v>``, which is the same at the end of every piece."""
        ends = np.einsum("ijk,ik->ij", self.critical.run.derivatives[:, :, : self.n], v)
        return self.times @ (w * ends).sum(axis=1)


def _along(derivatives: np.ndarray, states: Matrix, scalars: Vector | None = None) -> Matrix:
    """Derivatives (pieces, n) along states and the first scalars."""
    n = states.shape[1]
    change = np.einsum("ijk,ik->ij", derivatives[:, :, :n], states)
    return change if scalars is None else change + derivatives[:, :, n : n + len(scalars)] @ scalars
