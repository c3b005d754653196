"""Branches of fixed points of large systems: sparse or iterative linear algebra, and the leading eigenvalues alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...engine.errors import NumericsError
from ..continuation.pseudo_arclength import CONVERGED, UNBOUNDED, Event, Point
from ..continuation.time_limit import check_time
from . import normal_forms
from .curves import CLOSE, FixedPoints, interpolated, state_scale
from .derivatives import Equations, Vector
from .guards import PREFIX
from .sparse import Bordered, Jacobian, leading
from .spectra import NEUTRAL, Spectrum

EIGENVALUES = 20
"""How many eigenvalues are computed at each point; stability is judged by these."""


class LargeFixedPoints(FixedPoints):
    """Fixed points of more than a thousand states over one parameter; events LP, BP, H."""

    def __init__(self, eq: Equations, u: Vector, ranges: Sequence[tuple[float, float]] = ()):
        super().__init__(eq, u, ranges)
        self.jacobian = _jacobian(eq, u)
        self.first = np.random.default_rng(0).normal(size=self.n)

    def equations(self, u):
        return self.jacobian.values(u)

    def begin(self, u, tangent):
        row = np.append(np.zeros(self.n), 1.0) if tangent is None else tangent / self.scale**2
        f, d = self.equations(u)
        return self._point(u, row, d, float(abs(f).max()))

    def correct(self, guess, row, near, iterations):
        u, story, effort, (f, d) = self._newton(guess, row, iterations)
        if story:
            return None, story, effort
        try:
            return self._point(u, near.tangent / self.scale**2, d, float(abs(f).max())), "", effort
        except np.linalg.LinAlgError as error:
            return None, f"the linear equations are singular ({error})", effort

    def condition(self, point):
        from scipy.sparse import issparse
        from scipy.sparse.linalg import LinearOperator, onenormest

        _, d = self.equations(point.u)
        if not issparse(d):
            return math.nan
        whole = Bordered(d, np.zeros((self.n, 0)), (point.tangent / self.scale**2)[None])
        size = self.n + 1
        inverse = LinearOperator((size, size), matvec=whole.solve, rmatvec=whole.solve_transposed, dtype=float)
        return float(onenormest(inverse) * max(abs(d).sum(axis=0).max(), 1.0))

    def measure(self, u, tangent, derivative, orientation):
        values = leading(derivative, self.n, min(EIGENVALUES, self.n - 2), self.first)
        if self.eq.map:
            values = values + 1.0
        growth = abs(values) - 1.0 if self.eq.map else values.real
        unstable = int((growth > NEUTRAL * max(1.0, np.nanmax(abs(values)))).sum())
        guards = {name: float(value[0]) for name, value in self.guards(u[None]).items()}
        return {"LP": float(tangent[self.n])} | guards, Spectrum(values, unstable)

    def adopt(self, point):
        super().adopt(point)
        self.rate = float(np.nanmax(abs(point.data.eigenvalues)))

    def refine(self, name, near, locate):
        if name.startswith(PREFIX):
            return super().refine(name, near, locate)
        try:
            match name:
                case "LP":
                    found = self._fold(near)
                case "H":
                    found = self._hopf(near)
                case _:
                    found = self._branch_point(near)
        except np.linalg.LinAlgError:
            found = None
        if found is not None and np.linalg.norm((found[0] - near.u) / self.scale) < CLOSE:
            u, coefficients, note = found
            return Event(name, self.at(u, near.tangent), True, coefficients, note)
        point = locate()
        return None if point is None else Event(name, point, False)

    def at(self, u: Vector, tangent: Vector) -> Point:
        """The point at ``u`` with this tangent, where it need not be unique."""
        f, d = self.equations(u)
        tests, data = self.measure(u, tangent, d, 0.0)
        return Point(u, tangent, tests, data, float(abs(f).max()))

    def crossing(self, u: Vector) -> tuple[Vector, ...]:
        """Tangents of the two branches through a simple branch point."""
        _, d = self.equations(u)
        q, p = self._nearly(d)
        by_parameter = d @ np.append(np.zeros(self.n), 1.0)
        other = Bordered(d, p[:, None], q[None]).solve(np.append(-by_parameter, 0.0))[: self.n]
        first, second = np.append(q, 0.0), np.append(other, 1.0)
        first, second = (v / np.linalg.norm(v / self.scale) for v in (first, second))
        return normal_forms.crossing(self.eq, u, self.scale, first, second, p)

    # -- inside ---------------------------------------------------------------------------------------------

    def _newton(self, u: Vector, row: Vector, iterations: int) -> tuple[Vector, str, int, tuple[Vector, Any]]:
        """Newton's method with ``row . u`` kept: the solution, why it failed, the effort, F and D there."""
        residuals: list[float] = []
        f, d = self.equations(u)
        for k in range(1, iterations + 1):
            check_time()
            residuals.append(float(abs(f).max()))
            if not math.isfinite(residuals[-1]):
                return u, "the equations became infinite or NaN", k, (f, d)
            try:
                step = Bordered(d, np.zeros((self.n, 0)), row[None]).solve(np.append(f, 0.0))
            except np.linalg.LinAlgError as error:
                return u, f"the linear equations are singular ({error})", k, (f, d)
            u = u - step
            if not np.isfinite(u).all() or abs(u).max() > 1e100:
                return u, UNBOUNDED, k, (f, d)
            f, d = self.equations(u)
            if (abs(step) / self.scale).max() < CONVERGED:
                return u, "", k, (f, d)
        history = ", ".join(f"{r:.1e}" for r in residuals[:6])
        return u, f"Newton's method does not converge (residuals {history})", iterations, (f, d)

    def _point(self, u: Vector, row: Vector, d: Any, residual: float) -> Point:
        unit = np.append(np.zeros(self.n), 1.0)
        tangent = Bordered(d, np.zeros((self.n, 0)), row[None]).solve(unit)
        tangent /= np.linalg.norm(tangent / self.scale)
        tests, data = self.measure(u, tangent, d, 0.0)
        return Point(u, tangent, tests, data, residual)

    def _null(self, d: Any, v: Vector, w: Vector, shift: complex = 0.0) -> tuple[Vector, Vector, complex]:
        """Nearly null vectors of ``J - shift``, and the function that vanishes with its determinant."""
        whole = Bordered(d, w[:, None], v.conj()[None], shift)
        unit = np.append(np.zeros(self.n), 1.0)
        right, left = whole.solve(unit), whole.solve_transposed(unit)
        return right[: self.n], left[: self.n], right[self.n]

    def _nearly(self, d: Any, shift: complex = 0.0) -> tuple[Vector, Vector]:
        """Null vectors of unit length, from nothing."""
        generator = np.random.default_rng(0)
        v, w = generator.normal(size=(2, self.n))
        if shift:
            v, w = v + 1j * generator.normal(size=self.n), w + 1j * generator.normal(size=self.n)
        for _ in range(3):
            v, w, _ = self._null(d, v / np.linalg.norm(v), w / np.linalg.norm(w), shift)
        return v / np.linalg.norm(v), w / np.linalg.norm(w)

    def _fold(self, near: Point) -> tuple[Vector, dict[str, float], str] | None:
        """``F = 0`` with a singular Jacobian (Govaerts 2000, Sec. 4.1)."""
        u = near.u.copy()
        f, d = self.equations(u)
        v, w = self._nearly(d)
        for _ in range(10):
            right, left, g = self._null(d, v, w)
            slope = -self.eq.gradient(u, left, right)
            step = Bordered(d, np.zeros((self.n, 0)), slope[None]).solve(np.append(f, g))
            u = u - step
            f, d = self.equations(u)
            if (abs(step) / self.scale).max() < CONVERGED:
                break
        else:
            return None
        q, p = self._nearly(d)
        a = float(p @ self.eq.directional(u, q, q) / (p @ q)) / 2
        by_parameter = d @ np.append(np.zeros(self.n), 1.0)
        return u, {"a": a if p @ by_parameter / (p @ q) > 0 else -a}, ""

    def _hopf(self, near: Point) -> tuple[Vector, dict[str, float], str] | None:
        """``F = 0`` with ``J - i omega`` singular: two real equations for the parameter and omega."""
        values = near.data.eigenvalues
        omega = float(values[np.argmin(np.where(values.imag > 0, abs(values.real), np.inf))].imag)
        u = near.u.copy()
        f, d = self.equations(u)
        v, w = self._nearly(d, 1j * omega)
        none = np.zeros((self.n, 0))
        for _ in range(10):
            right, left, g = self._null(d, v, w, 1j * omega)
            slope = -sum(
                factor * self.eq.gradient(u, a, b)
                for factor, a, b in (
                    (1, left.real, right.real),
                    (1, left.imag, right.imag),
                    (1j, left.real, right.imag),
                    (-1j, left.imag, right.real),
                )
            )
            by_omega = 1j * np.vdot(left, right)
            # eliminate omega: two real equations g = 0, linear in du and d omega
            along = slope * np.conj(by_omega)
            rhs = g * np.conj(by_omega)
            step = Bordered(d, none, along.imag[None]).solve(np.append(f, rhs.imag))
            turn = (rhs.real - along.real @ step) / abs(by_omega) ** 2
            u, omega = u - step, omega - float(turn)
            f, d = self.equations(u)
            if (abs(step) / self.scale).max() < CONVERGED and abs(turn) < CONVERGED * max(1.0, omega):
                break
        else:
            return None
        q, p = self._nearly(d, 1j * omega)
        p = p / np.conj(np.vdot(p, q))
        form, zero = self.eq.directional, np.zeros((self.n, 0))
        empty = np.zeros((0, self.n))
        h20 = -Bordered(d, zero, empty, 2j * omega).solve(form(u, q, q))
        h11 = -Bordered(d, zero, empty).solve(form(u, q, q.conj()))
        third = form(u, q, q, q.conj()) + 2 * form(u, q, h11) + form(u, q.conj(), h20)
        l1 = float(np.vdot(p, third).real) / (2 * omega)
        return u, {"omega": omega, "l1": l1}, "supercritical" if l1 < 0 else "subcritical"

    def _branch_point(self, near: Point) -> tuple[Vector, dict[str, float], str] | None:
        u = interpolated(self, near)
        if u is None:
            return None
        tangents = self.crossing(u)
        vertical = any(abs(t[self.n] / self.scale[self.n]) < 1e-6 for t in tangents)
        return u, {}, "pitchfork" if vertical else "transcritical" if tangents else "degenerate"


def regular(equations: Equations, u: Vector, bounds: tuple[float, float]) -> tuple[LargeFixedPoints, Point]:
    """The curve and its point near ``u`` at the same parameter value."""
    curve = LargeFixedPoints(equations, u, [bounds])
    row = np.append(np.zeros(equations.n), 1.0)
    u, story, _, _ = curve._newton(u, row, 30)
    if story:
        raise NumericsError(
            f"no fixed point of {equations.system.name!r} near the start: {story}; begin with another state, for "
            "instance the last one of a simulation"
        )
    curve.scale[: curve.n] = state_scale(u[: curve.n])
    return curve, curve.begin(u, None)


def _jacobian(equations: Equations, z: Vector) -> Jacobian:
    """The Jacobian of these equations, whose pattern is found once."""
    if "jacobian" not in vars(equations):
        vars(equations)["jacobian"] = Jacobian(equations, z)
    return vars(equations)["jacobian"]
