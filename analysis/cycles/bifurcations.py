"""Normal forms of bifurcations of limit cycles, from periodic boundary value problems and exact derivatives.

Conventions of Kuznetsov, Govaerts, Doedel & Dhooge (SIAM J. Numer. Anal. 43, 1407, 2005), where time along the cycle is
``tau`` and the distance from it ``xi``:

====  ==============================================  =========================================================
LPC   dtau/dt = 1 - xi + ..., dxi/dt = b xi^2          b is not zero
PD    dtau/dt = 1 + a xi^2, dxi/dt = c xi^3             c < 0: the doubled cycle is stable where it branches off
NS    dtau/dt = 1 + a |xi|^2, dxi/dt = i w xi + d xi |xi|^2   Re d < 0: the torus is stable where it branches off
====  ==============================================  =========================================================

The critical solution v of the variational equations has ``int <v, v> = 1`` over a period scaled to 1 (LPC: it is the
generalised one, ``v' - A v = f``, orthogonal to the cycle's velocity); c, d and b are rates in the system's time.
Cycles of driven systems have no ``tau``: the terms with it are left out. Where the period does not change at a fold
(the cycle is isochronous, ``dtau/dt = 1``), no generalised solution exists; b then belongs to the periodic one with
``int <v, v> = 1`` that points away from the cycle's mean, and a note says so. The same holds for driven cycles.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..continuation.pseudo_arclength import Event, Point
from .collocation import Collocation

if TYPE_CHECKING:
    from .following import Cycles

Vector = np.ndarray
Matrix = np.ndarray

FINEST = 240
"""Most intervals on which a special point is located."""
LOCATED = 1e-10
"""Relative change of the parameter by a finer mesh at which a special point is located."""
ISOCHRONOUS = 1e-7
"""Relative change of the period, per change of the cycle by its own size, below which it counts as constant."""
RESONANCES = {1: 0.0, 2: math.pi, 3: 2 * math.pi / 3, 4: math.pi / 2}


def classified(curve: Cycles, name: str, point: Point, locate: Callable[[], Point | None]) -> Event | None:
    """The event close to a point, located on finer meshes (or by ``locate`` on this one), with its normal form."""
    values = point.data.eigenvalues
    if name == "NS":
        from .following import nontrivial

        others = nontrivial(values, curve.trivial)
        critical = others[np.argmin(abs(abs(others) - 1) + (others.imag == 0))]
        if critical.imag == 0 or abs(abs(critical) - 1) > 1e-3:
            return None  # two real multipliers with product 1: nothing bifurcates
    if name == "PD" and not (abs(values + 1) < 1e-2).any():
        return None
    refined, fine = sharpened(curve, name, point)
    if not refined:
        fine = locate() or point
    problem = point.data.problem
    u = fine.data.problem.moved(fine.u, problem)
    period = problem.rates.of_period(problem.scalars(u))
    at = replace(
        point,
        u=u,
        data=replace(point.data, eigenvalues=fine.data.eigenvalues, period=period),
        residual=fine.residual,
    )
    try:
        with np.errstate(all="ignore"):
            coefficients, note = normal_form(name, fine)
    except np.linalg.LinAlgError:
        coefficients, note = {}, "degenerate: the normal form is singular"
    return Event(name, at, refined, coefficients, note)


def sharpened(curve: Cycles, name: str, point: Point) -> tuple[bool, Point]:
    """The special point on meshes so fine that its parameter value does not change; False if that fails."""
    from .following import Cycles

    bounds = curve.bounds[0][1:]
    best, before = point, float(point.u[-1])
    while True:
        old: Collocation = best.data.problem
        count = 2 * old.intervals
        finer = old.on(old.adapted(old.profile(best.u), count))
        u, tangent = old.moved(best.u, finer), old.moved(best.tangent, finer)
        flow = finer.slope(finer.profile(u))
        start = replace(best, u=u, tangent=tangent, data=replace(best.data, problem=finer, flow=flow))
        trial = Cycles(start, (bounds[0], bounds[1]))
        trial.multipliers.frame = curve.multipliers.frame.copy()
        found = _zero(trial, name, start)
        if found is None:
            return False, best
        best, value = found, float(found.u[-1])
        if abs(value - before) <= LOCATED * max(abs(value), 1e-3 * trial.width) or 2 * count > FINEST:
            return True, best
        before = value


def _zero(curve: Cycles, name: str, near: Point) -> Point | None:
    """The zero of a test function along the curve, by the secant method from a point close to it."""
    row = near.tangent / curve.scale**2
    norm = math.sqrt(((near.tangent / curve.scale) ** 2).sum())
    direction = near.tangent / norm

    def at(s: float) -> Point | None:
        return curve.correct(near.u + s * direction, row / norm, near, 12, 1e-10)[0]

    if name == "BPC":
        return crossing(curve, at)
    s0, s1 = 0.0, 1e-4
    one, other = at(s0), at(s1)
    for _ in range(12):
        if one is None or other is None:
            return None
        f0, f1 = one.tests[name], other.tests[name]
        if f0 == f1:
            return other
        s2 = s1 - f1 * (s1 - s0) / (f1 - f0)
        if not abs(s2) < 0.05:
            return None
        if abs(s2 - s1) < 1e-11:
            return other
        s0, s1, one, other = s1, s2, other, at(s2)
    return other


def crossing(curve: Any, at: Callable[[float], Point | None]) -> Point | None:
    """The branch point, where a multiplier passes through 1: interpolated, as the equations are singular there."""
    from .following import nontrivial

    offsets, centre = 2e-3 * np.array([-1.5, -0.5, 0.5, 1.5]), 0.0
    for _ in range(6):
        points = [at(centre + d) for d in offsets]
        if any(point is None for point in points):
            return None
        others = [nontrivial(p.data.eigenvalues, curve.trivial) for p in points if p is not None]
        values = np.array([(v[np.argmin(abs(v - 1))] - 1).real for v in others])
        cubic = np.polyfit(offsets, values, 3)
        shift = 0.0
        for _ in range(20):
            shift -= float(np.polyval(cubic, shift) / np.polyval(np.polyder(cubic), shift))
        if not abs(shift) < 0.05:
            return None
        if abs(shift) < 1e-3:
            weights = np.array([np.prod([(shift - o) / (d - o) for o in offsets if o != d]) for d in offsets])
            nearest = points[int(np.argmin(abs(offsets - shift)))]
            assert nearest is not None
            return replace(nearest, u=sum(w * p.u for w, p in zip(weights, points, strict=True) if p is not None))
        centre += shift
    return None


class Variations:
    """The variational equations along a cycle, in scaled time, and their adjoint.

    Attributes
    ----------
    f, a : ndarray
        Velocity (points, n) and Jacobian (points, n, n) at the collocation points.
    """

    def __init__(self, problem: Collocation, u: Vector):
        self.problem, self.n = problem, problem.n
        self.c = problem.scalars(u)
        self.y = problem.collocated(problem.profile(u)).T
        self.f, d = problem.rates.linearised(problem.at_points, self.y, self.c)
        self.a = np.ascontiguousarray(d[:, :, : self.n])
        self.d = d
        self.driven = problem.rates.driven

    def integral(self, w: Matrix, v: Matrix) -> complex:
        """``int <w, v>`` of values at the collocation points."""
        return complex(self.problem.weights @ (w.conj() * v).sum(axis=1))

    def form(self, *directions: Matrix) -> Matrix:
        """B, C, ... of directions (points, n), real or complex, at the collocation points."""
        for k, v in enumerate(directions):
            if np.iscomplexobj(v):
                before, after = directions[:k], directions[k + 1 :]
                return self.form(*before, v.real, *after) + 1j * self.form(*before, v.imag, *after)
        zero = np.zeros(len(self.c))
        pairs = [(np.ascontiguousarray(v.T), zero) for v in directions]
        return self.problem.rates.directional(self.problem.at_points, self.y, self.c, *pairs).T

    def null(self, sign: float = 1.0, adjoint: bool = False) -> tuple[Matrix, Matrix]:
        """The solution with ``v(1) = sign v(0)`` at the nodes and the collocation points, ``int <v, v> = 1``."""
        problem, n = self.problem, self.n
        jacobian = -self.a.transpose(0, 2, 1) if adjoint else self.a
        generator = np.random.default_rng(0)
        v = generator.normal(size=(problem.points, n))
        columns = np.zeros((problem.points * n + n, 2))
        columns[:, 0] = problem.stretched(generator.normal(size=(problem.points, n)))[:, 0]
        columns[-n:, 0] = generator.normal(size=n)
        for _ in range(2):
            rows = problem.functional(v)[None]
            out, _, _ = problem.solve(jacobian, columns, rows, np.array([[0.0, 1.0]]), sign * np.eye(n))
            nodes = problem.profile(out[0])
            v = problem.collocated(nodes)
            size = math.sqrt(self.integral(v, v).real)
            nodes, v = nodes / size, v / size
        return nodes, v

    def complex_null(self, omega: float, adjoint: bool = False) -> Matrix:
        """The periodic solution of ``v' + i omega v = A v`` (or of the adjoint) at the collocation points."""
        problem, n = self.problem, self.n
        jacobian = _rotated(-self.a.transpose(0, 2, 1) if adjoint else self.a, omega)
        generator = np.random.default_rng(0)
        b, v = (
            generator.normal(size=(problem.points, n)) + 1j * generator.normal(size=(problem.points, n)) for _ in "ab"
        )
        columns = np.zeros((problem.points * 2 * n + 2 * n, 3))
        for k, factor in enumerate((1, 1j)):
            columns[:, k] = problem.stretched(_stacked(factor * b))[:, 0]
        for _ in range(2):
            doubled = _Twice(problem)
            rows = np.array([doubled.functional(_stacked(v)), doubled.functional(_stacked(1j * v))])
            corner = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
            out, _, _ = problem.solve(jacobian, columns, rows, corner)
            v = _joined(problem.collocated(out[0][: problem.nodes * 2 * n].reshape(problem.nodes, 2 * n)))
            v /= math.sqrt(self.integral(v, v).real)
        return v

    def solved(self, density: Matrix, omega: float = 0.0) -> Matrix:
        """The periodic solution of ``h' + i omega h = A h + density`` at the collocation points (regular)."""
        problem, n = self.problem, self.n
        if not np.iscomplexobj(density) and omega == 0.0:
            columns = problem.stretched(density)
            out, _, _ = problem.solve(self.a, columns, np.zeros((0, problem.nodes * n)), np.zeros((0, 1)))
            return problem.collocated(problem.profile(out[0]))
        columns = problem.stretched(_stacked(density))
        empty = np.zeros((0, problem.nodes * 2 * n))
        out, _, _ = problem.solve(_rotated(self.a, omega), columns, empty, np.zeros((0, 1)))
        return _joined(problem.collocated(out[0].reshape(problem.nodes, 2 * n)))

    def orthogonal(self, density: Matrix, phi: Matrix) -> Matrix:
        """The periodic solution of ``h' = A h + density`` with ``int <phi, h> = 0``; it exists along the cycle."""
        problem = self.problem
        if self.driven:
            return self.solved(density)
        columns = np.concatenate([problem.stretched(-self.f), problem.stretched(density)], axis=1)
        rows = problem.functional(phi)[None]
        out, _, _ = problem.solve(self.a, columns, rows, np.zeros((1, 2)))
        return problem.collocated(problem.profile(out[0]))

    def phase(self) -> Matrix:
        """The periodic adjoint solution phi with ``int <phi, f> = 1`` at the collocation points; 0 if driven."""
        if self.driven:
            return np.zeros_like(self.f)
        _, phi = self.null(adjoint=True)
        return phi / self.integral(phi, self.f).real


def normal_form(name: str, point: Point) -> tuple[dict[str, float], str]:
    """Coefficients and what they mean."""
    variations = Variations(point.data.problem, point.u)
    T = point.data.period
    match name:
        case "PD":
            c = doubling_coefficient(variations) / T
            return {"c": c}, criticality(c)
        case "NS":
            values = point.data.eigenvalues
            rotating = values[values.imag > 0]
            theta = float(np.angle(rotating[np.argmin(abs(abs(rotating) - 1))]))
            near = [k for k, angle in RESONANCES.items() if abs(theta - angle) < 1e-5]
            if near:
                return {"theta": theta}, f"strong resonance 1:{near[0]}"
            d = torus_coefficient(variations, theta) / T
            return {"theta": theta, "d": d}, criticality(d)
        case "LPC":
            coefficients, note = fold_coefficients(variations)
            return {"b": coefficients["b"] / T}, note
    return {}, ""


def doubling_vector(problem: Collocation, u: Vector) -> Matrix:
    """The solution of the variational equations that changes its sign in a period, at the nodes."""
    return Variations(problem, u).null(-1.0)[0]


def doubling_coefficient(s: Variations) -> float:
    """PD: c, in scaled time."""
    _, v = s.null(-1.0)
    _, w = s.null(-1.0, adjoint=True)
    w = w / s.integral(w, v).real
    phi = s.phase()
    square = s.form(v, v)
    a = 0.5 * s.integral(phi, square).real
    h = s.orthogonal(square - 2 * a * s.f, phi)
    turned = np.einsum("pij,pj->pi", s.a, v)
    return float(s.integral(w, s.form(v, v, v) / 6 + s.form(v, h) / 2 - a * turned).real)


def torus_coefficient(s: Variations, theta: float) -> float:
    """NS: the real part of d, in scaled time."""
    v = s.complex_null(theta)
    w = s.complex_null(theta, adjoint=True)
    w = w / s.integral(v, w)  # <w, v> = 1
    phi = s.phase()
    both = s.form(v, v.conj()).real
    a = s.integral(phi, both).real
    h20 = s.solved(s.form(v, v), 2 * theta)
    h11 = s.orthogonal(both - a * s.f, phi)
    turned = np.einsum("pij,pj->pi", s.a, v)
    third = s.form(v, v, v.conj()) / 2 + s.form(v, h11) + s.form(v.conj(), h20) / 2 - a * turned
    return float(s.integral(w, third).real)


def fold_coefficients(s: Variations) -> tuple[dict[str, float], str]:
    """LPC: b in scaled time, and what it means if the period does not change at the fold."""
    problem, rates = s.problem, s.problem.rates
    v, along = _bordered(s)
    phi, _ = _bordered(s, adjoint=True)
    apart = s.y.T - problem.weights @ s.y.T
    if s.integral(v, apart).real < 0:
        v, along = -v, -along
    way = np.ascontiguousarray(v.T), np.concatenate([along, np.zeros(len(s.c) - len(along))])
    density = rates.directional(problem.at_points, s.y, s.c, way, way).T
    b = float(s.integral(phi, density).real / (2 * s.integral(phi, v).real))
    if s.driven:
        return {"b": b}, ""
    slope = float(along[0] / s.c[0])
    if abs(slope) * math.sqrt(s.integral(apart, apart).real) < ISOCHRONOUS:
        return {"b": b}, "isochronous: the period does not change at the fold; b is for int <v, v> = 1"
    return {"b": b / slope}, ""


def along_cycle(s: Variations) -> list[Matrix]:
    """Displacements, of unit size, along the cycle itself and along its symmetries, at the collocation points."""
    problem = s.problem
    densities = [] if s.driven else [s.f]
    if problem.rates.generators:
        densities.extend(problem.rates.along_group(problem.at_points, s.y, s.c))
    return [d / math.sqrt(s.integral(d, d).real) for d in densities]


# -- inside ------------------------------------------------------------------------------------------------------


class _Twice:
    """Functionals of real and imaginary parts together."""

    def __init__(self, problem: Collocation):
        self.problem = problem

    def functional(self, density: Matrix) -> Vector:
        n = self.problem.n
        parts = [
            self.problem.functional(density[:, k * n : (k + 1) * n]).reshape(self.problem.nodes, n) for k in range(2)
        ]
        return np.concatenate(parts, axis=1).ravel()


def _bordered(s: Variations, adjoint: bool = False) -> tuple[Matrix, Vector]:
    """The solution at a fold that is orthogonal to motions along the cycle, and what the period (...) changes with it.

    It is the generalised one if there is a Jordan block, else another periodic one; the equations are regular for both.
    """
    problem, n = s.problem, s.n
    count, moving = problem.rates.conditions, along_cycle(s)
    own = np.stack(moving, axis=2) if adjoint and count else s.d[:, :, n : n + count]
    jacobian = -s.a.transpose(0, 2, 1) if adjoint else s.a
    generator = np.random.default_rng(0)
    v, border = (generator.normal(size=(problem.points, n)) for _ in "ab")
    columns = problem.stretched(np.concatenate([-own, border[:, :, None]], axis=2))
    columns = np.concatenate([columns, np.zeros((len(columns), 1))], axis=1)
    corner = np.zeros((count + 1, count + 2))
    corner[-1, -1] = 1.0
    for _ in range(2):
        rows = np.array([problem.functional(d) for d in [*moving, v]])
        out, _, _ = problem.solve(jacobian, columns, rows, corner)
        v = problem.collocated(problem.profile(out[0]))
        size = math.sqrt(s.integral(v, v).real)
        v, along = v / size, out[0][problem.nodes * n :][:count] / size
    return v, along


def _stacked(v: Matrix) -> Matrix:
    return np.concatenate([v.real, v.imag], axis=1)


def _joined(v: Matrix) -> Matrix:
    n = v.shape[1] // 2
    return v[:, :n] + 1j * v[:, n:]


def _rotated(a: np.ndarray, omega: float) -> np.ndarray:
    """Real form of ``A - i omega``."""
    n = a.shape[1]
    eye = np.broadcast_to(omega * np.eye(n), a.shape)
    return np.concatenate([np.concatenate([a, eye], axis=2), np.concatenate([-eye, a], axis=2)], axis=1)


def criticality(coefficient: float) -> str:
    """What the sign of a coefficient means."""
    return "supercritical" if coefficient < 0 else "subcritical"
