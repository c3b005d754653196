"""Radau IIA of order 5: fully implicit, for stiff systems of any size.

The three stages are found by simplified Newton iterations with the exact Jacobian, in the form that needs one real and
one complex factorisation (E. Hairer, G. Wanner, *Solving ODEs II*, 2nd ed. 1996, IV.8). Small matrices are eliminated
in the driver; large ones go to LAPACK, or to SuperLU where they are sparse, and their Jacobian is computed by columns
that do not meet in any row, all at once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine import cache
from ..engine.array_quantities import operations
from ..engine.blas import one_thread
from ..engine.driver import driver
from ..engine.evaluation import evaluate
from ..engine.native import Straight, Workspace, aligned, load
from ..engine.program import Builder, Program
from ..engine.system import System
from .fields import DONE, PAUSED, RUNNING
from .groups import Pace
from .parallel import Tick
from .radau_fields import REJECTED, SAMPLE, SCALARS, STEPS, T
from .times import Times

SMALL = 64
"""Largest dimension whose matrices are eliminated by the driver."""

SHARED = 500
"""Dimension from which on threads share the work of a factorisation; in smaller ones they only wait for each other."""

UNROLLED = 10_000
"""Operations of a right-hand side above which it is computed by JAX, which compiles it faster."""

TRACED = 1_000_000
"""Operations above which it is not even asked which components depend on which."""

BAND = 0.2
"""Part of the matrix that a band around the diagonal fills, in the best order, below which it is treated as sparse."""

Callback = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


@dataclass(frozen=True)
class Radau:
    """A collocation method at Radau points."""

    name: str
    order: int

    @property
    def adaptive(self) -> bool:
        """Whether the method estimates its error."""
        return True


RADAU5 = Radau("radau5", 5)
"""Order 5, stage order 3, L-stable; the estimate of the error is of order 3, the dense output too."""


class _Compiled:
    """The right-hand side for four stages at once; for small systems also the Jacobian."""

    def __init__(self, n: int, parameters: int, rhs: Program | None, jacobian: Program | None):
        self.stages = Workspace(4).lanes(t=1, y=n, f=n).shared(p=parameters)
        self.point = Workspace(1).lanes(t=1, y=n, J=n * n if jacobian else 0, p=parameters)
        self.rhs = load({"rhs": Straight(_fields(rhs))}, self.stages)["rhs"] if rhs else 0
        self.jacobian = load({"jacobian": Straight(_fields(jacobian))}, self.point)["jacobian"] if jacobian else 0
        self.places = np.array(
            [self.stages.offset(name) for name in ("t", "y", "f")]
            + [self.point.offset(name) for name in ("t", "y", "J")]
        )


def _fields(program: Program) -> Program:
    b = Builder()
    return b.program(b.inline(program, {name: b.input(name, size) for name, size in program.inputs.items()})).fused()


compiled = cache.remembered(_Compiled)


class RadauGroup:
    """Members with a step size each, one after the other; used as :class:`attrax.integrators.groups.AdaptiveGroup`."""

    def __init__(
        self,
        system: System,
        y: np.ndarray,
        p: np.ndarray,
        t_start: float,
        t_end: float,
        *,
        times: Times,
        rtol: float,
        atol: float,
        max_steps: float,
    ):
        n = self.dimension = system.dimension
        self.times, self.t_start, self.t_end = times, t_start, t_end
        self.members, self.p = len(y), np.array(p, dtype=float)
        self.status = np.full(self.members, RUNNING)
        self.columns = np.zeros((self.members, SCALARS + 6 * n))
        self.columns[:, T] = t_start
        self.y[:] = y
        rhs = system.program("rhs") if n * n <= TRACED or operations(system) <= TRACED else None
        unrolled = rhs is not None and rhs.size <= UNROLLED
        small = unrolled and n <= SMALL
        jacobian = system.program("jacobian") if small else None
        self.compiled = c = compiled(n, self.p.shape[1], rhs if unrolled else None, jacobian)
        self.stages, self.point = aligned(c.stages.size), aligned(c.point.size)
        self.matrices = np.empty(3 * n * n if small else 0)
        self.pivots = np.zeros(2 * n, dtype=np.int64)
        self.scratch = np.zeros(12 * n)
        self.span = np.array([t_end, np.sign(t_end - t_start), rtol, atol, max_steps])
        self.algebra = None if small else _Algebra(system, rhs, c, self.stages, self.point, self.scratch)
        self.loaded = -1
        self.pace = Pace(20)

    @property
    def y(self) -> np.ndarray:
        """Last states ``(members, dimension)``."""
        return self.columns[:, SCALARS : SCALARS + self.dimension]

    def advance(self, first: int, last: int, out: np.ndarray, tick: Tick) -> None:
        """Deliver the samples ``first`` to ``last`` into ``out`` ``(members, last - first, dimension)``.

        With the last sample, members go on to the end.
        """
        self.status[self.status == PAUSED] = RUNNING
        times = np.ascontiguousarray(self.times[first : last + 1])
        with one_thread() if self.algebra and self.dimension < SHARED else nullcontext():
            for member in map(int, np.flatnonzero(self.status == RUNNING)):
                self._advance(member, times, (first, last, len(self.times)), out[member], tick)

    def _advance(self, member: int, times: np.ndarray, which: tuple, out: np.ndarray, tick: Tick) -> None:
        c, run = self.compiled, driver("attrax.integrators.radau_drivers", "radau")
        addresses = self.algebra.addresses if self.algebra else (c.rhs, c.jacobian, 0, 0)
        again = int(self.loaded != member)
        if again:
            self._load(member)
        while self.status[member] == RUNNING:
            with self.pace:
                ending = self._apart(
                    run,
                    *(*addresses, self.dimension, self.stages, c.places, self.point),
                    *(self.matrices, self.pivots, self.scratch, self.columns[member], again, self.span),
                    *(times, *which, out, self.pace.amount),
                )
            again = 0
            if self.algebra and self.algebra.failure:
                raise self.algebra.failure
            self.status[member] = ending
            tick(self.fraction)

    def _apart(self, run: Callable[..., int], *arguments: Any) -> int:
        """Run where callbacks are never interrupted by Ctrl-C, which would get lost in the driver."""
        if self.algebra is None:
            return run(*arguments)
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(run, *arguments).result()

    def _load(self, member: int) -> None:
        """Make the memory that of a member."""
        self.loaded = member
        for workspace, memory in ((self.compiled.stages, self.stages), (self.compiled.point, self.point)):
            start = workspace.offset("p")
            memory[start : start + self.p.shape[1]] = self.p[member]

    def extend(self, t_end: float) -> None:
        """Let the members that have arrived go on to a later end."""
        self.t_end = self.span[0] = t_end
        self.status[self.status == DONE] = RUNNING

    def restart(self, t: float) -> None:
        """Begin anew at ``t`` with the present states and parameters."""
        counts = self.columns[:, [STEPS, REJECTED, SAMPLE]]
        self.columns[:, :SCALARS] = 0.0
        self.columns[:, T] = t
        self.columns[:, [STEPS, REJECTED, SAMPLE]] = counts
        self.loaded = -1

    @property
    def fraction(self) -> float:
        """How much of the way is done."""
        going = (self.status == RUNNING) | (self.status == PAUSED)
        left = np.where(going, (self.t_end - self.columns[:, T]) / (self.t_end - self.t_start), 0.0)
        return float(1.0 - left.mean())

    @property
    def delivered(self) -> np.ndarray:
        """Number of samples that each member has delivered."""
        return self.columns[:, SAMPLE]

    def result(self) -> dict[str, np.ndarray]:
        """Status, time reached and numbers of steps of each member."""
        steps, rejected = self.columns[:, STEPS], self.columns[:, REJECTED]
        return {
            "status": np.where(self.status == PAUSED, RUNNING, self.status),
            "t_stop": self.columns[:, T],
            "steps": steps - rejected,
            "rejected": rejected,
        }


class _Algebra:
    """Jacobian, factors and solutions of a large system, and if need be the derivative, for the driver to call back.

    It reads time, state and parameters from the group's memory, and the right-hand sides, or the diagonals of the
    matrices, from its scratch memory.
    """

    def __init__(
        self,
        system: System,
        rhs: Program | None,
        compiled: _Compiled,
        stages: np.ndarray,
        point: np.ndarray,
        scratch: np.ndarray,
    ):
        n, places = system.dimension, compiled.places
        size = compiled.point.fields["p"][1]
        self.stage_t = stages[places[0] :][:4]
        self.stage_y, self.stage_f = (stages[place:][: 4 * n].reshape(n, 4) for place in places[1:3])
        self.t, self.y = point[places[3] :][:1], point[places[4] :][:n]
        self.p = point[compiled.point.offset("p") :][:size]
        self.vector = scratch[6 * n : 9 * n]
        self.structure = structure(rhs, n)
        self.failure: Exception | None = None
        self.functions = _functions(system) if compiled.rhs == 0 else None
        self.program = None if self.functions else system.program("jvp")
        self._values = np.empty(0)
        self._factors: tuple[Any, Any] = (None, None)
        callbacks = (self._derive, self._differentiate, self._factorise, self._solve)
        self._callbacks = [Callback(self._guarded(f)) for f in callbacks]
        own = [ctypes.cast(c, ctypes.c_void_p).value or 0 for c in self._callbacks]
        self.addresses = (compiled.rhs or own[0], *own[1:])

    def _guarded(self, function: Callable[[int], int]) -> Callable[[int, int, int, int], int]:
        def callback(work: int, out: int, a: int, b: int) -> int:
            try:
                return function(a)
            except Exception as failure:
                self.failure = failure
                return -1

        return callback

    def _derive(self, _: int) -> int:
        import jax

        assert self.functions is not None
        self.stage_f[:] = np.nan
        with jax.enable_x64(True):
            self.stage_f[:, :3] = self.functions[0](self.stage_t[:3], self.stage_y[:, :3].T, self.p).T
        return 0

    def _differentiate(self, _: int) -> int:
        import jax

        s = self.structure
        if self.functions is None:
            assert self.program is not None
            found = evaluate(self.program, t=self.t, y=self.y, p=self.p, v=s.seeds)["Jv"]
        else:
            with jax.enable_x64(True):
                found = np.asarray(self.functions[1](self.t[0], self.y, self.p, s.seeds.T)).T
        self._values = found[s.rows, s.colours[s.columns]]
        return 0

    def _factorise(self, _: int) -> int:
        s, (real, alpha, beta) = self.structure, self.vector[:3].tolist()
        try:
            self._factors = s.factors(self._values, real), s.factors(self._values, complex(alpha, beta))
        except (RuntimeError, np.linalg.LinAlgError):
            return 1
        return 0

    def _solve(self, both: int) -> int:
        real, double = self._factors
        n = len(self.y)
        self.vector[:n] = real(self.vector[:n])
        if both:
            solution = double(self.vector[n : 2 * n] + 1j * self.vector[2 * n :])
            self.vector[n : 2 * n], self.vector[2 * n :] = solution.real, solution.imag
        return 0


@cache.remembered
def _functions(system: System) -> tuple[Any, Any]:
    """The derivative at several times and states, and products of the Jacobian with several vectors, by JAX."""
    import jax

    def product(t: Any, y: Any, p: Any, v: Any) -> Any:
        return jax.jvp(lambda z: system.flat(t, z, p), (y,), (v,))[1]

    return jax.jit(jax.vmap(system.flat, (0, 0, None))), jax.jit(jax.vmap(product, (None, None, None, 0)))


class Structure:
    """Which components of a right-hand side depend on which of the state, and what follows for linear algebra.

    Attributes
    ----------
    rows, columns : ndarray
        Places of the entries of the Jacobian that may differ from zero, the diagonal always among them; by columns.
    colours : ndarray
        A number for each column, such that columns of the same number have no row in common.
    seeds : ndarray (dimension, colours)
        Sums of unit vectors, whose products with the Jacobian contain all its entries.
    sparse : bool
    """

    def __init__(self, rhs: Program | None, n: int):
        depends = _dependences(rhs) if rhs else [list(range(n))] * n
        entries = [(j, i) for i, found in enumerate(depends) for j in sorted({*found, i})]
        self.columns, self.rows = np.array(sorted(entries)).T
        self.sparse = _bandwidth(self.rows, self.columns, n) < BAND * n
        self.colours = _coloured(depends, n)
        self.seeds = np.equal.outer(self.colours, np.arange(self.colours.max() + 1)).astype(float)
        self._diagonal = np.flatnonzero(self.rows == self.columns)
        self._starts = np.searchsorted(self.columns, np.arange(n + 1)).astype(np.int32)

    def factors(self, values: np.ndarray, shift: complex) -> Callable[[np.ndarray], np.ndarray]:
        """``solve(b)`` of ``(shift - J) x = b``."""
        n = len(self._diagonal)
        if self.sparse:
            from scipy.sparse import csc_matrix
            from scipy.sparse.linalg import splu

            data = -values.astype(type(shift))
            data[self._diagonal] += shift
            return splu(csc_matrix((data, self.rows.astype(np.int32), self._starts), shape=(n, n))).solve
        from scipy.linalg import get_lapack_funcs

        matrix = np.zeros((n, n), dtype=type(shift), order="F")
        matrix[self.rows, self.columns] = -values
        matrix[np.diag_indices(n)] += shift
        factorise, solve = get_lapack_funcs(("getrf", "getrs"), (matrix,))
        lu, pivots, info = factorise(matrix, overwrite_a=True)
        if info > 0:
            raise np.linalg.LinAlgError("singular")
        return lambda b: solve(lu, pivots, b)[0]


structure = cache.remembered(Structure)


def _bandwidth(rows: np.ndarray, columns: np.ndarray, n: int) -> int:
    """Largest distance of an entry from the diagonal in the reverse Cuthill-McKee order; elimination fills no more."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    graph = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(n, n))
    order = np.argsort(reverse_cuthill_mckee(graph + graph.T, symmetric_mode=True))
    return int(abs(order[rows] - order[columns]).max())


def _dependences(rhs: Program) -> list[list[int]]:
    """For each output, the numbers of the components of ``y`` that it may depend on."""
    found: list[int] = []
    for i in rhs.instructions:
        if i.op == "input":
            block, k = i.payload  # type: ignore[misc]
            found.append(1 << k if block == "y" else 0)
        else:
            bits = 0
            for a in i.arguments:
                bits |= found[a]
            found.append(bits)
    return [_ones(found[v]) for v in rhs.outputs["f"]]


def _ones(bits: int) -> list[int]:
    places = []
    while bits:
        lowest = bits & -bits
        places.append(lowest.bit_length() - 1)
        bits ^= lowest
    return places


def _coloured(depends: list[list[int]], n: int) -> np.ndarray:
    """Numbers of columns such that no row has an entry in two columns of the same number, the first that will do."""
    rows: list[list[int]] = [[] for _ in range(n)]
    for i, found in enumerate(depends):
        for j in found:
            rows[j].append(i)
    colours = np.zeros(n, dtype=np.int64)
    taken: list[set[int]] = [set() for _ in range(n)]
    for j in range(n):
        forbidden = set().union(*(taken[i] for i in rows[j]))
        colour = next(c for c in range(n + 1) if c not in forbidden)
        colours[j] = colour
        for i in rows[j]:
            taken[i].add(colour)
    return colours
