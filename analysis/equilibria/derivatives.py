"""The equations of fixed points and all their exact derivatives, one point at a time.

Unknown is ``z``: the flat state, followed by the active parameters. For a flow ``F(z)`` is the right-hand side, for a
map the iterate minus the state. Small systems are evaluated by machine code of ours, large ones by JAX's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from ...engine.cache import remembered
from ...engine.errors import InputError, UnsupportedPrimitive
from ...engine.evaluation import evaluate
from ...engine.native import Straight, Workspace
from ...engine.program import Program
from ...engine.system import System
from ...integrators.ensemble import check_scalar
from ...integrators.groups import Compiled
from ...integrators.times import whole

LARGEST_UNROLLED = 24
"""Systems of more states are evaluated by JAX: their derivatives are too many for straight-line code."""
LARGEST_DENSE = 1000
"""Jacobians of larger systems are sparse matrices, or products with vectors."""

Vector = np.ndarray
Matrix = np.ndarray


class Equations:
    """``F(z) = 0`` for the fixed points of a system.

    Parameters
    ----------
    system : System
        The values of its other parameters are those of the system.
    active : tuple of str
        The scalar parameters that are unknowns.
    iterates : int
        Maps: which iterate.
    """

    def __init__(self, system: System, active: tuple[str, ...] = (), iterates: int = 1):
        check(system, active, iterates)
        self.system, self.active, self.iterates = system, active, iterates
        self.n, self.m = system.dimension, len(active)
        self.map = system.kind == "map"
        self._places = [system.parameter_slices[name].start for name in active]
        self._p = system.parameter_vector
        self._evaluators: dict[Any, Callable[..., dict[str, Vector]]] = {}

    def unknowns(self, state: Vector) -> Vector:
        """``z`` of a state and the system's own parameter values."""
        return np.concatenate([state, self._p[self._places]])

    def parameters(self, z: Vector) -> Vector:
        """The full parameter vector at ``z``."""
        p = self._p.copy()
        p[self._places] = z[self.n :]
        return p

    def values(self, z: Vector) -> tuple[Vector, Matrix]:
        """``F`` (n,) and its derivative (n, n + m); overwritten by the next call."""
        out = self._evaluate("values", z=z)
        return out["F"], out["D"].reshape(self.n, self.n + self.m)

    @cached_property
    def compiled(self) -> Native | None:
        """``F`` and its derivative as machine code with the fields ``z``, ``F`` and ``D``; None for large systems."""
        if not self._unrolled:
            return None
        self.values(np.zeros(self.n + self.m))
        return self._evaluators["values"]  # type: ignore[return-value]

    def at_many(self, states: Matrix) -> tuple[Matrix, np.ndarray]:
        """``F`` (points, n) and its derivative by the state (points, n, n) at states (points, n); none active."""
        if not self._unrolled:
            values = [tuple(block.copy() for block in self.values(y)) for y in states]
            return np.array([f for f, _ in values]), np.array([d for _, d in values])
        program = self.system.derive(*self._named("values"), z=self.n, p=len(self._p))
        out = evaluate(program, z=states.T, p=self._p)
        return out["F"].T, out["D"].T.reshape(-1, self.n, self.n)

    def products(self, z: Vector, directions: Matrix) -> tuple[Vector, Matrix]:
        """``F`` (n,), and the products (n, k) of its derivative with directions (n + m, k)."""
        out = self._evaluate("products", z=z, directions=directions)
        return out["F"], out["DV"]

    def transposed(self, z: Vector, w: Vector) -> Vector:
        """``w DF(z)`` (n + m,)."""
        return self._evaluate("transposed", z=z, w=w)["wD"]

    def gradient(self, z: Vector, w: Vector, v: Vector) -> Vector:
        """Gradient (n + m,) of ``w . DF(z) v``; ``v`` has n elements or n + m."""
        full = np.zeros(self.n + self.m)
        full[: len(v)] = v
        return self._evaluate("gradient", z=z, w=w, v=full)["G"].copy()

    def directional(self, z: Vector, *directions: Vector) -> Vector:
        """Derivative by the state along each of the directions (real or complex): B(u, v), C(u, v, w), ..."""
        for k, direction in enumerate(directions):
            if np.iscomplexobj(direction):
                before, after = directions[:k], directions[k + 1 :]
                real = self.directional(z, *before, direction.real, *after)
                return real + 1j * self.directional(z, *before, direction.imag, *after)
        named = {f"v{k}": v for k, v in enumerate(directions)}
        return self._evaluate(len(directions), z=z, **named)["B"].copy()

    # -- inside ---------------------------------------------------------------------------------------------

    def _evaluate(self, quantity: str | int, **blocks: Vector) -> dict[str, Vector]:
        if quantity not in self._evaluators:
            sizes = {"z": self.n + self.m, "p": len(self._p)} | {k: len(v) for k, v in blocks.items()}
            make = Native if self._unrolled else _jax
            self._evaluators[quantity] = make(self.system, *self._named(quantity), sizes, self._p)
        return self._evaluators[quantity](**blocks)

    @cached_property
    def _unrolled(self) -> bool:
        """Whether to use straight-line code."""
        if self.n > LARGEST_UNROLLED:
            return False
        try:
            self.system.derive(*self._named("values"), z=self.n + self.m, p=len(self._p))
        except UnsupportedPrimitive:
            return False
        return True

    def _named(self, quantity: str | int) -> tuple[Any, Callable[..., dict[str, Any]]]:
        return ("fixed points", self.active, self.iterates, quantity), self._function(quantity)

    def _function(self, quantity: str | int) -> Callable[..., dict[str, Any]]:
        import jax

        n, system, iterates, is_map = self.n, self.system, self.iterates, self.map
        keep = np.ones(len(self._p))
        keep[self._places] = 0.0
        rows = np.zeros((self.m, len(self._p)))
        rows[np.arange(self.m), self._places] = 1.0

        def residual(y, a, p):
            x = y
            p = p * keep + sum((a[k] * row for k, row in enumerate(rows)), np.zeros(len(keep)))
            for _ in range(iterates):
                x = system.flat(0.0, x, p)
            return x - y if is_map else x

        def along(z, p, direction):
            def split(z):
                return residual(z[:n], z[n:], p)

            return jax.jvp(split, (z,), (direction,))[1]

        def values(z, p):
            # apart, as the parameters may be many and do not depend on the state
            by_state = jax.jacfwd(residual)(z[:n], z[n:], p)
            by_parameters = jax.jacfwd(residual, 1)(z[:n], z[n:], p)
            return {"F": residual(z[:n], z[n:], p), "D": jax.numpy.concatenate([by_state, by_parameters], axis=1)}

        def directional(y, a, p, *directions):
            if not directions:
                return residual(y, a, p)
            return jax.jvp(lambda y: directional(y, a, p, *directions[1:]), (y,), (directions[0],))[1]

        def products(z, p, directions):
            f, linear = jax.linearize(lambda z: residual(z[:n], z[n:], p), z)
            return {"F": f, "DV": jax.vmap(linear, 1, 1)(directions)}

        if quantity == "values":
            return values
        if quantity == "products":
            return products
        if quantity == "transposed":
            return lambda z, p, w: {"wD": jax.vjp(lambda z: residual(z[:n], z[n:], p), z)[1](w)[0]}
        if quantity == "gradient":
            slope = jax.jacfwd if self._unrolled else jax.grad
            return lambda z, p, w, v: {"G": slope(lambda z: w @ along(z, p, v))(z)}
        return lambda z, p, *directions: {"B": directional(z[:n], z[n:], p, *directions)}


class Native:
    """A function as our machine code, with memory of its own.

    Attributes
    ----------
    kernel : int
        Its address.
    work : ndarray
        Its memory, in which ``offsets`` tells where a block begins.
    """

    def __init__(self, system: System, key: Any, function: Callable, sizes: dict[str, int], p: Vector):
        compiled = _compiled(system.derive(key, function, **sizes))
        self.kernel, self.work = compiled.kernels["function"], compiled.memory()
        self._call, self._base = compiled.call, self.work.ctypes.data
        self.offsets = {name: offset for name, (offset, _, _) in compiled.workspace.fields.items()}
        self._blocks = {k: self.work[o : o + size] for k, (o, size, _) in compiled.workspace.fields.items()}
        self._blocks["p"][:] = p

    def __call__(self, **blocks: Vector) -> dict[str, Vector]:
        for name, block in blocks.items():
            self._blocks[name][:] = block
        self._call(self._base, None, 1, 0)
        return self._blocks


class _Compiled(Compiled):
    """A program of one point at a time, compiled."""

    def __init__(self, program: Program):
        import ctypes

        sizes = {name: len(values) for name, values in program.outputs.items()}
        super().__init__(Workspace(1).lanes(**program.inputs, **sizes), {"function": Straight(program)}, ())
        pointer, integer = ctypes.c_void_p, ctypes.c_int64
        self.call = ctypes.CFUNCTYPE(integer, pointer, pointer, integer, integer)(self.kernels["function"])


_compiled = remembered(_Compiled)


def _jax(system: System, key: Any, function: Callable, sizes: dict[str, int], p: Vector) -> Callable:
    """The function compiled by JAX."""
    import jax

    shape = (tuple(system.structure.items()), tuple(system.numeric.items()), system.frozen)
    compiled = _jitted(_Named(system.function, shape, key, function))

    def evaluate(z, **others):
        with jax.enable_x64(True):
            results = compiled(z, p, *others.values())
        return {name: np.array(value) for name, value in results.items()}

    return evaluate


class _Named:
    """A function that equals another one made for the same system and purpose."""

    def __init__(self, *identity: Any):
        *self.identity, self.function = identity

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Named) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(tuple(self.identity))


@remembered
def _jitted(named: _Named) -> Callable:
    import jax

    return jax.jit(named.function)


def check(system: System, active: tuple[str, ...], iterates: int = 1) -> None:
    """Refuse parameters that cannot be followed, and systems without fixed points."""
    for name in active:
        check_scalar(system, name)
    if len(set(active)) < len(active):
        raise InputError(f"parameter {active[0]!r} is given twice; name two different ones")
    whole("iterates", iterates, 1)
    used = _used(system)
    if "t" in used:
        raise InputError(f"system {system.name!r} depends on time and has no fixed points; remove the time dependence")
    for name in active:
        known = _matters(system, name) if "p" in used else ("p", system.parameter_slices[name].start) in used
        if not known:
            raise InputError(
                f"parameter {name!r} does not occur in the right-hand side of {system.name!r}; follow another"
            )
    if system.kind == "flow" and iterates != 1:
        raise InputError(f"{system.name!r} is a flow, which has no iterates; leave out iterates")


def _used(system: System) -> set[Any]:
    """What the right-hand side reads: "t", ("p", index) for each parameter, or "p" where it is not looked into."""
    if system.dimension <= LARGEST_UNROLLED:
        try:
            read = {i.payload for i in system.program("rhs").instructions if i.op == "input"}
        except UnsupportedPrimitive:
            pass
        else:
            return read | ({"t"} if ("t", 0) in read else set())
    import jax

    with jax.enable_x64(True):
        shapes = [jax.ShapeDtypeStruct(s, float) for s in ((), (system.dimension,), system.parameter_vector.shape)]
        jaxpr = jax.make_jaxpr(system.flat)(*shapes).jaxpr
    return {"p"} | ({"t"} if any(v is jaxpr.invars[0] for equation in jaxpr.eqns for v in equation.invars) else set())


def _matters(system: System, name: str) -> bool:
    """Whether a parameter changes the right-hand side of a large system at a state without symmetry."""
    import jax

    state = np.random.default_rng(0).normal(size=system.dimension)
    unit = np.zeros(len(system.parameter_vector))
    unit[system.parameter_slices[name]] = 1.0
    with jax.enable_x64(True):
        slope = jax.jvp(lambda p: system.flat(0.0, state, p), (system.parameter_vector,), (unit,))[1]
    return bool((np.asarray(slope) != 0).any())
