"""Periodic solutions by orthogonal collocation on an adaptive mesh.

Time is scaled to the period: ``U' = g(tau, U, c)`` for ``tau`` in [0, 1], where ``g`` is the period times the
right-hand side and ``c`` are the unknown scalars (period, velocities of a moving frame, active parameters). ``U`` is
a continuous piecewise polynomial of degree m that satisfies the equation at the m Gauss points of every interval
(de Boor & Swartz, SIAM J. Numer. Anal. 10, 582, 1973): of order 2 m at the ends of the intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ...engine.cache import remembered
from ...engine.driver import driver
from ...engine.errors import InputError
from ...engine.evaluation import evaluate
from ...engine.native import Straight, Workspace
from ...engine.program import Program
from ...engine.system import System
from ...integrators.groups import Compiled
from ..continuation.time_limit import check_time

Vector = np.ndarray
Matrix = np.ndarray

DEGREE = 4
LARGEST = 64
"""Most states: the derivatives of larger systems are too many for straight-line code."""
DRIVERS = "attrax.analysis.cycles.collocation_drivers"
MESHES = "attrax.analysis.cycles.mesh_drivers"
WIDTH = 8
DENSE = 12
"""Values in an interval among which the largest one is looked for."""


@dataclass(frozen=True)
class Basis:
    """Lagrange's polynomials through m + 1 equidistant points of [0, 1], at the Gauss points.

    Attributes
    ----------
    values, slopes : ndarray
        (m, m + 1).
    places, weights : ndarray
        Gauss points and weights (m,).
    integrals : ndarray
        Integrals of the polynomials (m + 1,).
    flat : ndarray
        ``values``, ``slopes``, ``places``, ``weights``, ``integrals`` and the coefficients of the m-th derivative, as
        drivers read them.
    """

    values: Matrix
    slopes: Matrix
    places: Vector
    weights: Vector
    integrals: Vector
    flat: Vector

    @property
    def degree(self) -> int:
        """m."""
        return len(self.places)


@lru_cache
def basis(degree: int) -> Basis:
    """The basis of a degree."""
    from numpy.polynomial import legendre

    places, weights = legendre.leggauss(degree)
    places, weights = (places + 1) / 2, weights / 2
    values, slopes = lagrange(degree, places), lagrange(degree, places, 1)
    integrals, highest = weights @ values, lagrange(degree, np.zeros(1), degree)[0]
    powers = _polynomials(degree, 0)
    parts = values, slopes, places, weights, integrals, highest, powers
    flat = np.concatenate([part.ravel() for part in parts])
    return Basis(values, slopes, places, weights, integrals, flat)


def lagrange(degree: int, x: Vector, derivative: int = 0) -> Matrix:
    """Lagrange's polynomials (or their derivatives) through equidistant points of [0, 1] at ``x``: (x, degree + 1)."""
    coefficients = _polynomials(degree, derivative)
    values = np.empty((len(x), degree + 1))
    values[:] = coefficients[-1]
    for row in coefficients[-2::-1]:
        values *= x[:, None]
        values += row
    return values


@lru_cache
def _polynomials(degree: int, derivative: int) -> Matrix:
    """Coefficients of the polynomials, constant ones first."""
    coefficients = np.linalg.inv(np.vander(np.linspace(0, 1, degree + 1), increasing=True))
    for _ in range(derivative):
        coefficients = coefficients[1:] * np.arange(1, len(coefficients))[:, None]
    return coefficients


class Rates:
    """The scaled right-hand side of a flow along its cycles, with its exact derivatives.

    Parameters
    ----------
    system : System
        A flow.
    active : tuple of str
        The scalar parameters that are unknowns.
    period : function, optional
        Of driven systems: the period from the parameters; then it is no unknown.
    generators : sequence of function
        Infinitesimal symmetries ``(s) -> {block: rate}``; the frame moves along each at an unknown velocity.
    key : hashable
        Of ``period`` and ``generators``: what tells them from others.
    """

    def __init__(
        self,
        system: System,
        active: tuple[str, ...] = (),
        period: Callable | None = None,
        generators: Sequence[Callable] = (),
        key: Any = (),
    ):
        if system.dimension > LARGEST:
            raise InputError(
                f"cycles are followed in systems of up to {LARGEST} states, but {system.name!r} has {system.dimension}"
            )
        self.system, self.active, self.period, self.generators = system, active, period, tuple(generators)
        self.driven = period is not None
        self.n, self.key = system.dimension, (tuple(active), self.driven, key)
        self.extras = (() if self.driven else ("period",)) + tuple(f"velocity{k}" for k in range(len(self.generators)))
        self.scalars = len(self.extras) + len(active)
        self.p = system.parameter_vector
        self._places = [system.parameter_slices[name].start for name in active]

    @property
    def conditions(self) -> int:
        """Number of phase conditions."""
        return len(self.extras)

    def parameters(self, c: Vector) -> Vector:
        """The full parameter vector."""
        p = self.p.copy()
        p[self._places] = c[len(self.extras) :]
        return p

    def of_period(self, c: Vector) -> float:
        """The period."""
        return float(self._run("period", {}, c)["T"][0, 0]) if self.driven else float(c[0])

    def slope_of_period(self, c: Vector) -> Vector:
        """Derivatives of the period by the scalars."""
        if not self.driven:
            return np.eye(self.scalars)[0]
        return self._run("period", {}, c)["D"][:, 0] if self.scalars else np.zeros(0)

    @cached_property
    def values(self) -> Program:
        """``F`` (n) and its derivatives ``D`` by state and scalars (n, n + scalars)."""
        return self._derive("values", {"tau": 1, "y": self.n})

    def directional(self, tau: Vector, y: Matrix, c: Vector, *directions: tuple[Matrix, Vector]) -> Matrix:
        """Derivatives (n, points) along directions of state (n, points) and scalars, at many points."""
        blocks: dict[str, Any] = {"tau": tau[None], "y": y}
        for k, (v, w) in enumerate(directions):
            blocks |= {f"v{k}": v, f"w{k}": w}
        return self._run(len(directions), blocks, c)["B"]

    def linearised(self, tau: Vector, y: Matrix, c: Vector) -> tuple[Matrix, np.ndarray]:
        """``F`` (points, n) and its derivatives (points, n, n + scalars)."""
        out = self._run("values", {"tau": tau[None], "y": y}, c)
        return out["F"].T, out["D"].T.reshape(-1, self.n, self.n + self.scalars)

    def along_group(self, tau: Vector, y: Matrix, c: Vector) -> np.ndarray:
        """The infinitesimal symmetries (generators, points, n)."""
        out = self._run("group", {"tau": tau[None], "y": y}, c)["G"]
        return out.T.reshape(-1, len(self.generators), self.n).transpose(1, 0, 2)

    def _run(self, quantity: Any, blocks: dict[str, Any], c: Vector) -> dict[str, Matrix]:
        program = self._derive(quantity, {name: len(block) for name, block in blocks.items()})
        return evaluate(program, **blocks, c=c, p=self.p)

    def _derive(self, quantity: Any, sizes: dict[str, int]) -> Program:
        sizes = sizes | {"c": self.scalars, "p": len(self.p)}
        function = self._function(quantity)
        positional = lambda *arrays: function(**dict(zip(sizes, arrays, strict=True)))  # noqa: E731
        return self.system.derive(("cycles", self.key, quantity), positional, **sizes)

    def _function(self, quantity: Any) -> Callable:
        import jax
        import jax.numpy as jnp

        from ...engine.quantities import namespaces

        system, n, first = self.system, self.n, len(self.extras)
        keep = np.ones(len(self.p))
        keep[self._places] = 0.0
        rows = np.zeros((len(self.active), len(self.p)))
        rows[np.arange(len(self.active)), self._places] = 1.0

        def full(c, p):
            return p * keep + sum((c[first + k] * row for k, row in enumerate(rows)), np.zeros(len(keep)))

        def length(c, q):
            if not self.driven:
                return c[0]
            return jnp.asarray(self.period(namespaces(system, 0.0, np.zeros(n), q)[1]), dtype=float)

        def shifted(y, q):
            s = namespaces(system, 0.0, y, q)[0]
            moved = []
            for generator in self.generators:
                rates = generator(s)
                blocks = [
                    jnp.ravel(jnp.broadcast_to(jnp.asarray(rates.get(name, 0.0), dtype=float), shape))
                    for name, shape in system.state.items()
                ]
                moved.append(jnp.concatenate(blocks))
            return moved

        def g(tau, y, c, p):
            q = full(c, p)
            T = length(c, q)
            rate = system.flat(tau * T if self.driven else 0.0, y, q)
            for k, one in enumerate(shifted(y, q), first - len(self.generators)):
                rate = rate - c[k] * one
            return T * rate

        def values(tau, y, c, p):
            at = (tau[0], y, c, p)
            slopes = [jax.jacfwd(g, 1)(*at)] + ([jax.jacfwd(g, 2)(*at)] if self.scalars else [])
            return {"F": g(*at), "D": jnp.concatenate(slopes, axis=1)}

        def directional(tau, y, c, p, **directions):
            def along(count):
                if not count:
                    return lambda y, c: g(tau[0], y, c, p)
                inner, way = along(count - 1), (directions[f"v{count - 1}"], directions[f"w{count - 1}"])
                return lambda y, c: jax.jvp(inner, (y, c), way)[1]

            return {"B": along(quantity)(y, c)}

        match quantity:
            case "values":
                return values
            case "period":
                of = lambda c, p: length(c, full(c, p))  # noqa: E731
                slope = jax.jacfwd(of) if self.scalars else lambda c, p: c
                return lambda c, p: {"T": of(c, p)[None], "D": slope(c, p)}
            case "group":
                return lambda tau, y, c, p: {"G": jnp.stack(shifted(y, full(c, p)))}
        return directional


class _Kernel(Compiled):
    """The scaled right-hand side and its derivatives at collocation points, compiled."""

    def __init__(self, program: Program):
        sizes = {name: len(v) for name, v in program.outputs.items()}
        workspace = Workspace(WIDTH).lanes(tau=1, y=program.inputs["y"], **sizes)
        workspace.shared(c=program.inputs["c"], p=program.inputs["p"])
        super().__init__(workspace, {"values": Straight(program)}, ("tau", "y", "c", "F", "D"))


_kernel = remembered(_Kernel)


@dataclass
class Correction:
    """How Newton's method went.

    Attributes
    ----------
    u, tangent : ndarray
        Unknowns, and the direction along the last of the rows.
    converged : bool
    story : str
        Why it failed.
    effort : int
        Number of iterations.
    residual : float
        Largest component of the equations.
    flow : ndarray
        Scaled right-hand side at the collocation points (points, n).
    factors : ndarray
        Condensed equations of the intervals, (N, n, 2 n).
    orientation : float
        Sign of the determinant.
    spread : float
        Ratio of the smallest to the largest pivot of the last matrix.
    """

    u: Vector
    tangent: Vector
    converged: bool
    story: str
    effort: int
    residual: float
    flow: Matrix
    factors: np.ndarray
    orientation: float
    spread: float


@dataclass(eq=False)
class Collocation:
    """The equations on a mesh.

    Attributes
    ----------
    rates : Rates
    mesh : ndarray
        Ends of the intervals, from 0 to 1.
    degree : int
    closing : ndarray
        ``U(1) = closing U(0)``; the identity by default.
    """

    rates: Rates
    mesh: Vector
    degree: int = DEGREE
    closing: Matrix | None = None
    _memory: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.mesh = np.ascontiguousarray(self.mesh, dtype=float)
        self.n, self.basis = self.rates.n, basis(self.degree)
        self.intervals = len(self.mesh) - 1
        self.points = self.intervals * self.degree
        self.nodes = self.points + 1
        self.closing = np.eye(self.n) if self.closing is None else np.ascontiguousarray(self.closing)

    def on(self, mesh: Vector) -> Collocation:
        """The same on another mesh."""
        same = len(mesh) == len(self.mesh)
        return Collocation(self.rates, mesh, self.degree, self.closing, self._memory if same else {})

    # -- functions on the mesh --------------------------------------------------------------------------------

    @cached_property
    def at_nodes(self) -> Vector:
        """Where the unknown values are (nodes,)."""
        inside = self.mesh[:-1, None] + np.diff(self.mesh)[:, None] * np.arange(self.degree) / self.degree
        return np.append(inside.ravel(), 1.0)

    @cached_property
    def at_points(self) -> Vector:
        """The collocation points (points,)."""
        return (self.mesh[:-1, None] + np.diff(self.mesh)[:, None] * self.basis.places).ravel()

    @cached_property
    def weights(self) -> Vector:
        """Of integrals from values at the collocation points (points,)."""
        return (np.diff(self.mesh)[:, None] * self.basis.weights).ravel()

    @cached_property
    def node_weights(self) -> Vector:
        """Of integrals from values at the nodes (nodes,)."""
        parts = np.diff(self.mesh)[:, None] * self.basis.integrals
        out = np.append(parts[:, :-1].ravel(), 0.0)
        out[self.degree :: self.degree] += parts[:, -1]
        return out

    @cached_property
    def root_weights(self) -> Matrix:
        """Square roots (nodes, 1) of these for a mean over the states."""
        return np.sqrt(self.node_weights / self.n)[:, None]

    def profile(self, u: Vector) -> Matrix:
        """Values at the nodes (nodes, n)."""
        return u[: self.nodes * self.n].reshape(self.nodes, self.n)

    def scalars(self, u: Vector) -> Vector:
        """The unknown scalars."""
        return u[self.nodes * self.n :]

    def local(self, profile: Matrix) -> np.ndarray:
        """Values at the nodes, interval by interval (N, m + 1, ...)."""
        return profile[self._local]

    @cached_property
    def _local(self) -> Matrix:
        return np.arange(self.intervals)[:, None] * self.degree + np.arange(self.degree + 1)

    def collocated(self, profile: Matrix) -> Matrix:
        """Values at the collocation points (points, ...) of values at the nodes."""
        values = np.einsum("jk,ik...->ij...", self.basis.values, self.local(profile))
        return values.reshape(self.points, *profile.shape[1:])

    def slope(self, profile: Matrix) -> Matrix:
        """Derivatives by scaled time at the collocation points."""
        slopes = np.einsum("jk,ik...->ij...", self.basis.slopes, self.local(profile))
        slopes /= np.diff(self.mesh).reshape(-1, *[1] * (slopes.ndim - 1))
        return slopes.reshape(self.points, *profile.shape[1:])

    def evaluated(self, profile: Matrix, tau: Vector) -> Matrix:
        """Values at any scaled times in [0, 1]."""
        which = np.searchsorted(self.mesh[1:-1], tau, side="right")
        inside = (tau - self.mesh[which]) / (self.mesh[which + 1] - self.mesh[which])
        nodes = profile[which[:, None] * self.degree + np.arange(self.degree + 1)]
        return np.einsum("tk,tk...->t...", lagrange(self.degree, inside), nodes)

    def functional(self, density: Matrix) -> Vector:
        """Row (nodes * n,) of the integral of ``density . U``, from the density at the collocation points."""
        weighed = (self.weights[:, None] * density).reshape(self.intervals, self.degree, self.n)
        parts = np.einsum("jk,ijs->iks", self.basis.values, weighed)
        row = np.zeros((self.nodes, self.n))
        row[: self.points].reshape(self.intervals, self.degree, self.n)[:] = parts[:, :-1]
        row[self.degree :: self.degree] += parts[:, -1]
        return row.ravel()

    def adapted(self, profile: Matrix, intervals: int | None = None) -> Vector:
        """The mesh on which the error of this profile is spread evenly (de Boor, Lect. Notes Math. 363, 12, 1974)."""
        return self.fitted(profile, intervals or self.intervals)[0]

    def fitted(self, profile: Matrix, least: int, most: int = 0, error: float = 0.0) -> tuple[Vector, int]:
        """As `adapted`, with as many intervals as keep the error (relative to the range of the states) small.

        The monitor is the (m + 1)-st derivative, from the jumps of the m-th between intervals. The number of intervals
        stays between ``least`` and ``most``.
        """
        most = max(least, most)
        sizes = np.array([self.intervals, self.degree, profile.shape[1], self._periodic, least, most])
        memory, mesh = np.empty((self.intervals + 1) * (profile.shape[1] + 1)), np.empty(most + 1)
        count = driver(MESHES, "adapted")(
            *(sizes, np.array([error]), self.basis.flat, self.mesh, np.ascontiguousarray(profile), memory, mesh)
        )
        return mesh[: count + 1].copy(), count

    @property
    def _periodic(self) -> bool:
        return np.array_equal(np.asarray(self.closing), np.eye(self.n))

    def moved(self, u: Vector, other: Collocation) -> Vector:
        """Unknowns interpolated to another mesh."""
        inside = other.nodes * self.n
        out = np.empty(inside + self.rates.scalars)
        sizes = np.array([self.intervals, self.degree, self.n, other.intervals])
        driver(MESHES, "moved")(sizes, self.basis.flat, self.mesh, np.ascontiguousarray(u), other.mesh, out)
        out[inside:] = self.scalars(u)
        return out

    # -- equations --------------------------------------------------------------------------------------------

    def conditions(self, profile: Matrix, c: Vector, flow: Matrix | None = None) -> tuple[Matrix, Vector]:
        """Rows (conditions, unknowns) and targets of the phase conditions with respect to a reference.

        The distance to the reference may not shrink by a shift in time or a symmetry (integral phase condition).
        """
        count, size = self.rates.conditions, self.nodes * self.n
        rows, targets = np.zeros((count, size + self.rates.scalars)), np.zeros(count)
        densities = []
        if not self.rates.driven:
            densities.append(self.slope(profile) if flow is None else flow)
        if self.rates.generators:
            densities.extend(self.rates.along_group(self.at_points, self.collocated(profile).T, c))
        for k, density in enumerate(densities):
            rows[k, :size] = self.functional(density / np.sqrt((self.weights @ density**2).sum()))
            targets[k] = rows[k, :size] @ profile.ravel()
        return rows, targets

    def correct(
        self, u: Vector, rows: Matrix, targets: Vector, scale: Vector, iterations: int = 8, tolerance: float = 1e-7
    ) -> Correction:
        """Newton's method for the equations with ``rows u = targets``; there are as many rows as scalars."""
        check_time()
        b, n = self.rates.scalars, self.n
        if len(rows) != b:
            raise ValueError(f"{len(rows)} conditions for {b} unknown scalars")
        held = self._held()
        u = np.ascontiguousarray(u, dtype=float).copy()
        report, steps = np.zeros(2 * iterations + 4), np.empty((2, len(u)))
        flow, factors = np.empty((self.points, n)), np.empty((self.intervals, n, 2 * n))
        done = driver(DRIVERS, "correct")(
            *(held.kernel.kernels["values"], held.work, held.kernel.field),
            *(held.sizes, self.mesh, self.basis.flat, self.closing, u),
            *(np.ascontiguousarray(rows), np.ascontiguousarray(targets, dtype=float), scale),
            *(np.array([tolerance, float(iterations)]), held.memory, flow, factors, steps, report),
        )
        residuals, updates = report[2::2][:iterations], report[3::2][:iterations]
        count = done if done > 0 else int(np.count_nonzero(residuals))
        story = ""
        if done <= 0:
            told = ", ".join(f"{r:.1e}" for r in residuals[: max(1, count)])
            story = {
                0: f"Newton's method does not converge (residuals {told})",
                -1: "the equations became infinite or NaN",
                -2: "the linear equations are singular",
            }[done]
        last = float(residuals[max(0, count - 1)])
        if done > 0 and updates[count - 1] > 0:
            last = min(last, last * float(updates[count - 1]) + 1e-15 * float(abs(flow).max()))
        return Correction(u, steps[1], done > 0, story, count, last, flow, factors, float(report[0]), float(report[1]))

    def solve(
        self, jacobian: np.ndarray, columns: Matrix, rows: Matrix, corner: Matrix, closing: Matrix | None = None
    ) -> tuple[Matrix, np.ndarray, float]:
        """Solutions of linear equations of this structure, of any dimension.

        Parameters
        ----------
        jacobian : ndarray
            (points, d, d): of ``v' = jacobian v``, in scaled time.
        columns : ndarray
            (points * d + d, b + k): coefficients of the b scalars and right-hand sides, multiplied by the lengths of
            the intervals, then those of the closing.
        rows, corner : ndarray
            (b, nodes * d) and (b, b + k): further equations.
        closing : ndarray
            (d, d).

        Returns
        -------
        tuple
            Solutions (k, nodes * d + b), condensed equations, ratio of pivots.
        """
        d, b = jacobian.shape[1], len(rows)
        k = columns.shape[1] - b
        h = np.repeat(np.diff(self.mesh), self.degree)
        sizes = np.array([self.intervals, self.degree, d, b, k])
        room = np.empty(scratch(*sizes.tolist()))
        factors, out = np.empty((self.intervals, d, 2 * d)), np.empty((k, self.nodes * d + b))
        report, inside = np.zeros(2), self.points * d
        good = driver(DRIVERS, "solve")(
            *(sizes, self.basis.flat, np.ascontiguousarray(np.eye(d) if closing is None else closing, dtype=float)),
            *(self._in_lanes(jacobian * h[:, None, None]), self._in_lanes(columns[:inside])),
            *(np.ascontiguousarray(columns[inside:], dtype=float), np.ascontiguousarray(rows, dtype=float)),
            *(np.array(corner, dtype=float, order="C"), room, factors, out, report),
        )
        if not good:
            raise np.linalg.LinAlgError("singular")
        return out, factors, float(report[1])

    def stretched(self, density: Matrix) -> Matrix:
        """Right-hand side rows from values at the collocation points (points, d, ...), closing rows zero."""
        h = np.repeat(np.diff(self.mesh), self.degree)
        rows = (density * h.reshape(-1, *[1] * (density.ndim - 1))).reshape(self.points * density.shape[1], -1)
        return np.concatenate([rows, np.zeros((density.shape[1], rows.shape[1]))])

    def _in_lanes(self, values: np.ndarray) -> np.ndarray:
        """Numbers of every interval, for the compiled elimination: eight intervals beside each other."""
        own = values.reshape(self.intervals, values.size // self.intervals)
        places = -(-self.intervals // 8)
        lanes = np.zeros((8 * places, own.shape[1]))
        lanes[: self.intervals] = own
        return np.ascontiguousarray(lanes.reshape(8, places, own.shape[1]).transpose(1, 2, 0))

    def _held(self) -> _Held:
        if "held" not in self._memory:
            self._memory["held"] = _Held(self)
        held = self._memory["held"]
        place = held.kernel.workspace.offset("p")
        held.work[place : place + len(self.rates.p)] = self.rates.p
        return held


class _Held:
    """Memory that corrections on meshes of the same size share."""

    def __init__(self, problem: Collocation):
        n, b = problem.n, problem.rates.scalars
        self.kernel = _kernel(problem.rates.values)
        self.work = self.kernel.memory()
        self.sizes = np.array([problem.intervals, problem.degree, n, b])
        self.memory = np.empty(memory(problem.intervals, problem.degree, n, b))


def memory(N: int, m: int, n: int, b: int) -> int:
    """How many numbers corrections need."""
    lanes = -(-N // 8) * m * n * (n + b + 2) + (m + 1) * n + 8
    return 8 * lanes + (n + b) * (b + 2) + scratch(N, m, n, b, 2)


def scratch(N: int, m: int, n: int, b: int, k: int) -> int:
    """How many numbers the elimination needs."""
    q, G = b + k, -(-N // 8)
    w = (m + 1) * n + q
    lanes = G * m * n * w + G * 2 * n * (3 * n + q) + n * (2 * n + q) + b * w + b * (G + 1) * n + b * q
    return 8 * (lanes + 2 + w + n + (G + 1) * n) + (9 * n + b) * (9 * n + q + 8)


def extrema(profile: Matrix, degree: int) -> tuple[Vector, Vector]:
    """Smallest and largest value of each component of values at the nodes (nodes, n), between the nodes too."""
    n = profile.shape[1]
    sizes, out = np.array([(len(profile) - 1) // degree, degree, n, DENSE]), np.empty((2, n))
    driver(MESHES, "extrema")(sizes, _dense(degree), np.ascontiguousarray(profile, dtype=float), out)
    return out[0], out[1]


def described(
    meshes: Sequence[Vector], profiles: Sequence[Matrix], degree: int
) -> tuple[np.ndarray, Vector, Matrix, np.ndarray]:
    """Of profiles on their meshes: extrema (points, 2, n), norms (points,), and the same on meshes of one size.

    The norm is the root of the mean square over time. Profiles on smaller meshes are moved to adapted finer ones.
    """
    intervals = np.array([len(mesh) - 1 for mesh in meshes])
    count, finest, n = len(meshes), int(intervals.max()), profiles[0].shape[1]
    extremes, norms = np.empty((count, 2, n)), np.empty(count)
    finer, moved = np.empty((count, finest + 1)), np.empty((count, finest * degree + 1, n))
    driver(MESHES, "described")(
        *(np.array([count, degree, n, DENSE, finest]), intervals, basis(degree).flat, _dense(degree)),
        *(np.concatenate(meshes), np.concatenate(profiles), np.empty((finest + 1) * (n + 1))),
        *(extremes, norms, finer, moved),
    )
    return extremes, norms, finer, moved


@lru_cache
def _dense(degree: int) -> Matrix:
    """Lagrange's polynomials at `DENSE` equidistant points of [0, 1]."""
    return lagrange(degree, np.linspace(0, 1, DENSE))
