"""Normal-form coefficients of bifurcations of fixed points, from exact derivatives.

Formulas and normalisation of Kuznetsov, Elements of Applied Bifurcation Theory (3rd ed. 2004): the critical eigenvector
has unit length, ``<q, q> = 1``, and the adjoint one ``<p, q> = 1``. Then the critical dynamics are

========  =======================================  =========================================
LP        x' = b + a x^2                           a, oriented so that b grows with the parameter
BP        x' = a x^2, or x' = c x^3                a; c of a pitchfork, c < 0 supercritical
H         z' = i omega z + omega l1 z |z|^2         l1 < 0 supercritical (Eq. 5.62)
PD        x -> -x + c x^3                           c > 0 supercritical (Eq. 5.66)
NS        z -> e^{i theta} z (1 + d |z|^2)          d is the real part, < 0 supercritical (Eq. 5.74)
========  =======================================  =========================================

and, for maps, LP x -> x + b + a x^2. Codimension two (Sec. 8.7; Beyn, Champneys, Doedel, Govaerts, Kuznetsov &
Sandstede, Handbook of Dynamical Systems 2, 2002): CP x' = c x^3; BT x' = y, y' = a x^2 + b x y; GH
z' = i omega z + omega l2 z |z|^4. ZH: the ratio theta = Re H110 / G200 and the sign s of G200 G011.
HH: theta = p12 / p22, delta = p21 / p11 and the product p11 p22, where |z1|' = |z1| (p11 |z1|^2 + p12 |z2|^2) and
|z2|' = |z2| (p21 |z1|^2 + p22 |z2|^2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .derivatives import Equations

Vector = np.ndarray
Matrix = np.ndarray
RESONANCES = {1: 0.0, 2: np.pi, 3: 2 * np.pi / 3, 4: np.pi / 2}


@dataclass(frozen=True)
class BranchPoint:
    """The branches through a branch point: their tangents in (state, parameter), and what kind of point it is."""

    tangents: tuple[Vector, ...]
    coefficients: dict[str, float]
    note: str


def null_vectors(matrix: Matrix, count: int = 1) -> tuple[Matrix, Matrix]:
    """Orthonormal bases (n, count) of the right and left null spaces of a nearly singular matrix."""
    left, _, right = np.linalg.svd(matrix)
    return right[len(right) - count :].T, left[:, left.shape[1] - count :]


def solve_singular(matrix: Matrix, right: Vector, q: Vector, p: Vector) -> Vector:
    """The solution of ``matrix x = right`` with ``<p, x> = 0``, where ``matrix q = 0`` and ``p* matrix = 0``."""
    n = len(matrix)
    bordered = np.zeros((n + 1, n + 1), dtype=np.result_type(matrix, right, q))
    bordered[:n, :n], bordered[:n, n], bordered[n, :n] = matrix, q, p.conj()
    return np.linalg.solve(bordered, np.append(right, 0.0))[:n]


def fold(equations: Equations, z: Vector) -> dict[str, float]:
    """LP: the quadratic coefficient a, positive where the two fixed points exist at smaller parameter values."""
    _, d = equations.values(z)
    d = d.copy()
    q, p = _real_pair(d[:, : equations.n])
    a = float(p @ equations.directional(z, q, q)) / 2
    return {"a": a if p @ d[:, equations.n] > 0 else -a}


def cubic(equations: Equations, z: Vector) -> float:
    """The cubic coefficient on the centre manifold where the quadratic one is zero (cusp, pitchfork)."""
    jacobian = _jacobian(equations, z)
    q, p = _real_pair(jacobian)
    b = equations.directional(z, q, q)
    h = solve_singular(jacobian, b - (p @ b) * q, q, p)
    third = equations.directional(z, q, q, q) - 3 * equations.directional(z, q, h)
    return float(p @ third) / 6


def branch_point(equations: Equations, z: Vector, scale: Vector) -> BranchPoint:
    """BP: the tangents of the branches from the algebraic branching equation, and the kind of point."""
    n = equations.n
    _, d = equations.values(z)
    d = d[:, : n + 1].copy()
    left, sizes, right = np.linalg.svd(d * scale)
    if (sizes < 1e-5 * _typical(equations, z, scale)).sum() > 1:
        return BranchPoint((), {}, "degenerate: more than two branches may cross")
    v1, v2, w = right[-2] * scale, right[-1] * scale, left[:, -1]
    tangents = crossing(equations, z, scale, v1, v2, w)
    if not tangents:
        return BranchPoint((), {}, "isolated point or degenerate")
    if any(abs(t[n] / scale[n]) < 1e-6 for t in tangents):
        coefficient = cubic(equations, z)
        verdict = _criticality(coefficient) if coefficient else "degenerate: c vanishes"
        return BranchPoint(tangents, {"c": coefficient}, f"pitchfork, {verdict}")
    return BranchPoint(tangents, {"a": abs(fold(equations, z)["a"])}, "transcritical")


def crossing(equations: Equations, z: Vector, scale: Vector, v1: Vector, v2: Vector, w: Vector) -> tuple[Vector, ...]:
    """Unit tangents of the two branches in the plane of ``v1`` and ``v2``, from the algebraic branching equation.

    ``w`` is the left null vector. There are none where the plane is not crossed.
    """
    n = len(v1) - 1
    g1, g2 = (equations.gradient(z, w, v)[: n + 1] for v in (v1, v2))
    a, b, c = v1 @ g1, v1 @ g2, v2 @ g2
    discriminant = b * b - a * c
    if discriminant <= 1e-12 * max(abs(a), abs(b), abs(c)) ** 2:
        return ()
    # x v1 + y v2 with a x^2 + 2 b x y + c y^2 = 0, without cancellation
    s = -(b + np.copysign(np.sqrt(discriminant), b))
    directions = [x * v1 + y * v2 for x, y in ((s, a), (c, s))]
    return tuple(t / np.linalg.norm(t / scale) for t in directions)


def around(equations: Equations, z: Vector, scale: Vector) -> list[tuple[Vector, Vector | None]]:
    """Points of all branches through a degenerate branch point, where several eigenvalues vanish together.

    Solutions whose part in the null space has a given length are found by Newton's method from many starts, and from
    each the one on the opposite side (None if there is none). The length is the smallest of three at which the
    solutions are distinct to rounding. Of a continuous family of solutions one is returned.
    """
    n = equations.n
    _, d = equations.values(z)
    _, sizes, right = np.linalg.svd(d * scale)
    null = right[int((sizes > 1e-5 * _typical(equations, z, scale)).sum()) :]
    starts = 200 if n <= 24 else 60
    best: list[list[Vector]] = []
    most = 0
    for radius in (1e-2, 3e-2, 1e-1):
        generator = np.random.default_rng(0)
        found: list[list[Vector]] = []
        count = 0
        for _ in range(starts):
            x = generator.normal(size=len(null)) @ null
            x = _on_sphere(equations, z, scale, null, radius, radius * x / np.linalg.norm(x))
            if x is None:
                continue
            count += 1
            own = next((sides for sides in found if _same_branch(equations, z, scale, x, sides[0])), None)
            if own is None:
                found.append([x])
            elif len(own) == 1 and x @ own[0] < -0.98 * np.linalg.norm(x) * np.linalg.norm(own[0]):
                own.append(x)
        if count >= most:
            best, most = found, count
        if count > 0.9 * starts and all(_isolated(equations, z + scale * x, x, scale) for x, *_ in found):
            break
    pairs = []
    for x, *others in best:
        other = others[0] if others else _on_sphere(equations, z, scale, null, float(np.linalg.norm(null @ x)), -x)
        pairs.append((z + scale * x, None if other is None else z + scale * other))
    return pairs


def _same_branch(equations: Equations, z: Vector, scale: Vector, x: Vector, y: Vector) -> bool:
    """Whether two solutions lie on one line through a branch point, or in one continuous family."""
    if abs(x @ y) > 0.98 * np.linalg.norm(x) * np.linalg.norm(y):
        return True
    n = equations.n
    if abs(x[n] - y[n]) > 1e-5 * np.linalg.norm(x) or _isolated(equations, z + scale * x, x, scale):
        return False
    jacobians = (equations.values(z + scale * each)[1][:, :n].copy() for each in (x, y))
    first, second = (np.sort_complex(np.linalg.eigvals(each)) for each in jacobians)
    return bool(abs(first - second).max() < 1e-6 * abs(first).max())


def _isolated(equations: Equations, z: Vector, x: Vector, scale: Vector) -> bool:
    """Whether a solution is the only one nearby in the directions across ``x``."""
    _, d = equations.values(z)
    sizes = np.linalg.svd(np.vstack([d * scale, x / np.linalg.norm(x)]), compute_uv=False)
    return bool(sizes[-1] > 1e-8 * sizes[0])


def _typical(equations: Equations, z: Vector, scale: Vector) -> float:
    """Size of the derivative near a point."""
    shifted = z + 0.05 * scale[: len(z)] / np.sqrt(len(z)) * np.random.default_rng(0).choice([-1.0, 1.0], len(z))
    return float(np.linalg.norm(equations.values(shifted)[1] * scale[: len(z)], 2))


def _on_sphere(equations: Equations, z: Vector, scale: Vector, null: Matrix, radius: float, x: Vector) -> Vector | None:
    """The solution ``z + scale x`` whose part in the null space has length ``radius``, near ``x``."""
    for _ in range(30):
        f, d = equations.values(z + scale * x)
        inside = null @ x
        matrix = np.vstack([d * scale, 2 * inside @ null])
        residual = np.append(f, inside @ inside - radius**2)
        try:
            step = np.linalg.solve(matrix, residual)
            if not np.linalg.norm(step) < radius:
                step = np.linalg.lstsq(matrix, residual, rcond=1e-9)[0]
        except np.linalg.LinAlgError:
            step = np.linalg.lstsq(matrix, residual, rcond=1e-9)[0]
        x = x - step * min(1.0, 0.5 * radius / max(float(np.linalg.norm(step)), 1e-300))
        if not np.isfinite(x).all() or np.linalg.norm(x) > 3 * radius:
            return None
        if abs(step).max() < 1e-10 * radius:
            f, d = equations.values(z + scale * x)
            rounding = abs(d) @ abs(z + scale * x)
            return x if (abs(f) <= 1e-14 * rounding + 1e-300).all() or abs(f).max() <= 1e-14 * rounding.max() else None
    return None


def hopf(equations: Equations, z: Vector, omega: float) -> tuple[dict[str, float], str]:
    """H: frequency and first Lyapunov coefficient."""
    g21, _ = _lyapunov(equations, z, omega)
    l1 = g21.real / (2 * omega)
    vanishes = abs(g21.real) <= 1e-11 * abs(g21) or g21 == 0
    return {"omega": omega, "l1": float(l1)}, "degenerate: l1 vanishes" if vanishes else _criticality(l1)


def period_doubling(equations: Equations, z: Vector) -> tuple[dict[str, float], str]:
    """PD: the cubic coefficient c."""
    jacobian = _jacobian(equations, z)
    q, p = _real_pair(jacobian + 2 * np.eye(equations.n))
    h = -np.linalg.solve(jacobian, equations.directional(z, q, q))
    c = float(p @ (equations.directional(z, q, q, q) + 3 * equations.directional(z, q, h))) / 6
    return {"c": c}, _criticality(-c) if c else "degenerate: c vanishes"


def neimark_sacker(equations: Equations, z: Vector, theta: float) -> tuple[dict[str, float], str]:
    """NS: angle of the multipliers and the cubic coefficient d; strong resonances have none."""
    near = [k for k, angle in RESONANCES.items() if abs(theta - angle) < 1e-6]
    if near:
        return {"theta": theta}, f"strong resonance 1:{near[0]}"
    n, multiplier = equations.n, np.exp(1j * theta)
    jacobian = _jacobian(equations, z)
    a = jacobian + np.eye(n)
    q, p = _complex_pair(a, multiplier)
    h20 = np.linalg.solve(multiplier**2 * np.eye(n) - a, equations.directional(z, q, q))
    h11 = -np.linalg.solve(jacobian, equations.directional(z, q, q.conj()))
    third = equations.directional(z, q, q, q.conj()) + 2 * equations.directional(z, q, h11)
    third = third + equations.directional(z, q.conj(), h20)
    d = float((np.conj(multiplier) * np.vdot(p, third)).real) / 2
    return {"theta": theta, "d": d}, _criticality(d)


def bogdanov_takens(equations: Equations, z: Vector) -> dict[str, float]:
    """BT: the coefficients a and b, for ``<q0, q0> = 1`` and ``<q1, q0> = 0``, oriented so that a > 0."""
    jacobian = _jacobian(equations, z)
    right, left = null_vectors(jacobian)
    q0, p1 = right[:, 0], left[:, 0]
    # the bordered matrix is regular, and A q1 = q0 and A^T p0 = p1 are solvable at a BT point
    q1 = solve_singular(jacobian, q0, p1, q0)
    p0 = solve_singular(jacobian.T, p1, q0, p1)
    p1, p0 = p1 / (p1 @ q1), p0 / (p0 @ q0)
    p0 = p0 - (p0 @ q1) * p1
    b = equations.directional(z, q0, q0)
    sign = 1.0 if p1 @ b > 0 else -1.0
    return {"a": sign * float(p1 @ b) / 2, "b": sign * float(p0 @ b + p1 @ equations.directional(z, q0, q1))}


def bautin(equations: Equations, z: Vector, omega: float) -> dict[str, float]:
    """GH: frequency and second Lyapunov coefficient (Beyn et al. 2002, Sec. 6.3)."""
    form = equations.directional
    g21, (q, p, h20, h11) = _lyapunov(equations, z, omega)
    jacobian, n = _jacobian(equations, z), equations.n

    def shifted(k: int) -> Matrix:
        return k * 1j * omega * np.eye(n) - jacobian

    qc, h02, c1 = q.conj(), h20.conj(), g21 / 2
    h30 = np.linalg.solve(shifted(3), form(z, q, q, q) + 3 * form(z, q, h20))
    r21 = form(z, q, q, qc) + form(z, qc, h20) + 2 * form(z, q, h11)
    h21 = solve_singular(shifted(1), r21 - 2 * c1 * q, q, p)
    h12 = h21.conj()
    r31 = form(z, q, q, q, qc) + 3 * form(z, q, q, h11) + 3 * form(z, q, qc, h20) + 3 * form(z, h20, h11)
    h31 = np.linalg.solve(shifted(2), r31 + form(z, qc, h30) + 3 * form(z, q, h21) - 6 * c1 * h20)
    r22 = form(z, q, q, qc, qc) + 4 * form(z, q, qc, h11) + form(z, qc, qc, h20) + form(z, q, q, h02)
    r22 = r22 + 2 * form(z, h11, h11) + 2 * form(z, q, h12) + 2 * form(z, qc, h21) + form(z, h02, h20)
    h22 = -np.linalg.solve(jacobian, r22 - 8 * c1.real * h11)
    r32 = (
        form(z, q, q, q, qc, qc)
        + form(z, q, q, q, h02)
        + 3 * form(z, q, qc, qc, h20)
        + 6 * form(z, q, q, qc, h11)
        + form(z, qc, qc, h30)
        + 3 * form(z, q, q, h12)
        + 6 * form(z, q, qc, h21)
        + 3 * form(z, q, h02, h20)
        + 6 * form(z, q, h11, h11)
        + 6 * form(z, qc, h20, h11)
        + 2 * form(z, qc, h31)
        + 3 * form(z, q, h22)
        + form(z, h02, h30)
        + 3 * form(z, h12, h20)
        + 6 * form(z, h11, h21)
    )
    return {"omega": omega, "l2": float(np.vdot(p, r32).real) / (12 * omega)}


def zero_hopf(equations: Equations, z: Vector, omega: float) -> dict[str, float]:
    """ZH: frequency, and the quadratic part of the normal form (Kuznetsov 2004, Sec. 8.7.4)."""
    jacobian = _jacobian(equations, z)
    q0, p0 = _real_pair(jacobian)
    q1, p1 = _complex_pair(jacobian, 1j * omega)
    g200, g011 = p0 @ equations.directional(z, q0, q0), p0 @ equations.directional(z, q1, q1.conj()).real
    h110 = np.vdot(p1, equations.directional(z, q0, q1)).real
    return {"omega": omega, "theta": float(h110 / g200), "s": float(np.sign(g200 * g011))}


def double_hopf(equations: Equations, z: Vector, first: float, second: float) -> dict[str, float]:
    """HH: both frequencies and the ratios of cubic coefficients (Kuznetsov 2004, Sec. 8.7.5)."""
    form, jacobian, n = equations.directional, _jacobian(equations, z), equations.n

    def solved(shift: complex, right: Vector) -> Vector:
        return np.linalg.solve(shift * np.eye(n) - jacobian, right)

    def own(omega: float) -> tuple[complex, tuple[Vector, ...]]:
        return _lyapunov(equations, z, omega)

    def mixed(one: tuple[Vector, ...], other: tuple[Vector, ...], sum_: Vector, difference: Vector) -> float:
        """Growth of ``one`` by the presence of ``other``."""
        (q, p, _, _), (r, _, _, h) = one, other
        terms = form(z, q, r, r.conj()) + form(z, sum_, r.conj()) + form(z, difference, r) + form(z, h, q)
        return float(np.vdot(p, terms).real)

    (g1, one), (g2, two) = own(first), own(second)
    plus = solved(1j * (first + second), form(z, one[0], two[0]))
    minus = solved(1j * (first - second), form(z, one[0], two[0].conj()))
    p11, p22 = g1.real / 2, g2.real / 2
    p12, p21 = mixed(one, two, plus, minus), mixed(two, one, plus, minus.conj())
    ratios = {"theta": float(p12 / p22), "delta": float(p21 / p11), "p11_p22": float(p11 * p22)}
    return {"omega": first, "omega2": second, **ratios}


# -- inside ---------------------------------------------------------------------------------------------------


def _jacobian(equations: Equations, z: Vector) -> Matrix:
    return equations.values(z)[1][:, : equations.n].copy()


def _criticality(coefficient: float) -> str:
    return "supercritical" if coefficient < 0 else "subcritical"


def _real_pair(singular: Matrix) -> tuple[Vector, Vector]:
    right, left = null_vectors(singular)
    q, p = right[:, 0], left[:, 0]
    return q, p / (p @ q)


def _complex_pair(matrix: Matrix, eigenvalue: complex) -> tuple[Vector, Vector]:
    right, left = null_vectors(matrix - eigenvalue * np.eye(len(matrix)))
    q, p = right[:, 0].conj(), left[:, 0]
    return q, p / np.vdot(q, p)


def _lyapunov(equations: Equations, z: Vector, omega: float) -> tuple[complex, tuple[Vector, ...]]:
    """``<p, C(q, q, q*) + B(q*, h20) + 2 B(q, h11)>`` and q, p, h20, h11."""
    jacobian, n = _jacobian(equations, z), equations.n
    q, p = _complex_pair(jacobian, 1j * omega)
    h20 = np.linalg.solve(2j * omega * np.eye(n) - jacobian, equations.directional(z, q, q))
    h11 = -np.linalg.solve(jacobian, equations.directional(z, q, q.conj()))
    third = equations.directional(z, q, q, q.conj()) + 2 * equations.directional(z, q, h11)
    third = third + equations.directional(z, q.conj(), h20)
    return complex(np.vdot(p, third)), (q, p, h20, h11)
