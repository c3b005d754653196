"""Array programs of what is derived from a system's function, and their evaluation: for systems of many states."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from . import quantities
from .array_memory import Memory, Tape, Team, aligned
from .array_tracing import trace_arrays
from .arrays import ArrayProgram, rebound
from .errors import UnsupportedPrimitive

if TYPE_CHECKING:
    from .system import System

SMALL, HUGE = 1000, 20_000
"""Up to SMALL operations a right-hand side is written out as straight-line code; above HUGE it never is."""

ELEMENTS = 30
"""Elements that an equation has on average, at least, if loops over them are worth while."""

DRAWN = 16
"""Operations that a random number counts for."""


def is_large(system: System) -> bool:
    """Whether a system is computed by loops over arrays rather than by straight-line code."""
    key = ("large",)
    if key not in system._programs:
        system._programs[key] = _is_large(system)  # type: ignore[assignment]
    return bool(system._programs[key])


def is_huge(system: System) -> bool:
    """Whether a system is too large for straight-line code."""
    return system.dimension >= ELEMENTS and _with_noise(system)[0] > HUGE


def _is_large(system: System) -> bool:
    if system.dimension < ELEMENTS:
        return False
    operations, equations = _with_noise(system)
    if operations <= SMALL or operations > HUGE:
        return operations > HUGE
    if operations < ELEMENTS * equations:
        return False
    try:
        array_program(system, "rhs"), array_program(system, (*system.state, *system.observables))
    except UnsupportedPrimitive:
        return False
    return True


def array_program(system: System, quantity: str | tuple[str, ...]) -> ArrayProgram:
    """The array program of ``rhs`` (output ``f``), ``jvp`` (``Jv``), or of blocks and observables (``record``)."""
    import jax
    import jax.numpy as jnp

    def rhs(t, y, p, couplings):
        return {"f": quantities.flat(system, t, y, p, couplings)}

    def jvp(t, y, p, couplings, v):
        return {"Jv": jax.jvp(lambda z: quantities.flat(system, t, z, p, couplings), (y,), (v,))[1]}

    def record(t, y, p, couplings):
        s, q = quantities.namespaces(system, t, y, p, couplings)
        values = [s[n] if n in system.state else system.observables[n](t, s, q) for n in quantity]
        return {"record": jnp.concatenate([jnp.ravel(jnp.asarray(v, float)) for v in values or [jnp.zeros(0)]])}

    if quantity == "jvp":
        return derive_arrays(system, (quantity,), jvp, v=(system.dimension,))
    return derive_arrays(system, (quantity,), rhs if quantity == "rhs" else record)


def place(system: System, memory: Memory, p: np.ndarray, programs: Sequence[ArrayProgram]) -> None:
    """Give the parameters, couplings, constants and temporaries of programs their memory.

    ``p`` are the parameters ``(members, parameters)``.
    """
    shared = len(p) == 1 or p.strides[0] == 0
    memory.put("in p", p[:1] if shared else np.ascontiguousarray(p), shared=shared)
    for name, coupling in system.couplings.items():
        for role in (*coupling.traced, "rows"):
            if f"in {name}.{role}" in memory.tape.buffers:
                memory.put(f"in {name}.{role}", coupling.arrays[role], shared=True)
    for program in programs:
        for name, size in program.temporaries.items():
            if shared and name in program.fixed:
                memory.put(name, aligned(1, size), shared=True)
            else:
                memory.new(name, size)
        for name, array in program.constants.items():
            memory.put(name, array, shared=True)


def prefixed(program: ArrayProgram, prefix: str) -> ArrayProgram:
    """The program with the names of its temporaries and constants after a prefix."""

    def named(given: Mapping[str, Any]) -> dict[str, Any]:
        return {prefix + name: value for name, value in given.items()}

    names = {name: prefix + name for name in (*program.temporaries, *program.constants)}
    return replace(
        program,
        temporaries=named(program.temporaries),
        constants=named(program.constants),
        fixed=tuple(prefix + name for name in program.fixed),
        setup=rebound(program.setup, names),
        stages=rebound(program.stages, names),
    )


def evaluate_arrays(system: System, quantity: str, y: np.ndarray, t: float, **vectors: np.ndarray) -> np.ndarray:
    """Values ``(points, dimension)`` of ``rhs`` or ``jvp`` at states ``(points, dimension)``."""
    program = array_program(system, quantity)
    key = ("tape", quantity)
    if key not in system._programs:
        system._programs[key] = Tape({"setup": program.setup, "run": program.stages})  # type: ignore[assignment]
    memory = Memory(system._programs[key], len(y))  # type: ignore[arg-type]
    place(system, memory, system.parameter_vector[None], (program,))
    memory.put("in t", np.array([[float(t)]]), shared=True)
    for name, vector in {"y": y, **vectors}.items():
        memory.put(f"in {name}", np.ascontiguousarray(vector, dtype=float))
    ((name, shape),) = program.outputs.items()
    out = memory.new(f"out {name}", math.prod(shape))
    team = Team()
    team.play(memory, "setup")
    team.play(memory, "run")
    return np.array(out)


def derive_arrays(
    system: System, key: tuple, function: Callable[..., Mapping[str, Any]], **more: tuple[int, ...]
) -> ArrayProgram:
    """The array program of a function ``(t, y, p, couplings, *more)`` of flat vectors and further inputs.

    ``more`` are their names and shapes; ``key`` says what is computed.
    """
    key = ("arrays", *key)
    if key not in system._programs:
        inputs: dict[str, tuple[tuple[int, ...], Any]] = {
            k: (shape, np.float64) for k, shape in (quantities.flat_inputs(system) | more).items()
        }
        arrays, count = quantities.coupling_inputs(system), len(more)

        def bound(t, y, p, *given):
            return function(t, y, p, quantities.bound_couplings(system, given[count:]), *given[:count])

        segments = {f"{name}.post": f"{name}.rows" for name, c in system.couplings.items() if "rows" in c.arrays}
        system._programs[key] = trace_arrays(  # type: ignore[assignment]
            bound, inputs | arrays, name=system.name, fixed=("p", *arrays), segments=segments
        )
    return system._programs[key]  # type: ignore[return-value]


def operations(system: System) -> int:
    """About how many operations the right-hand side has when it is written out."""
    return _operations(system)[0]


def _operations(system: System) -> tuple[int, int]:
    """About how many operations the right-hand side has when it is written out, and of how many equations."""
    import jax

    def function(t, y, p, *given):
        return quantities.flat(system, t, y, p, quantities.bound_couplings(system, given))

    with jax.enable_x64(True):
        closed = jax.make_jaxpr(function)(*quantities.abstract_inputs(system))
    return _counted(closed.jaxpr)


def _with_noise(system: System) -> tuple[int, int]:
    """The same of the right-hand side and the noise together."""
    total, equations = _operations(system)
    if system.noise is None:
        return total, equations
    closed, _ = quantities.jaxpr_of_amplitudes(system)
    shapes = [v.shape for v in closed.out_avals]
    products = sum(math.prod(shape) for shape in shapes)
    processes = shapes[0][1] if shapes and len(shapes[0]) > 1 else products
    more, several = _counted(closed.jaxpr)
    return total + more + products + DRAWN * processes, equations + several + 1


def _counted(jaxpr: Any) -> tuple[int, int]:
    total = equations = 0
    for eqn in jaxpr.eqns:
        inner = [getattr(v, "jaxpr", v) for v in eqn.params.values() if hasattr(getattr(v, "jaxpr", v), "eqns")]
        if inner:
            for found, count in map(_counted, inner):
                total += eqn.params.get("length", 1) * found
                equations += eqn.params.get("length", 1) * count
        elif eqn.primitive.name == "dot_general":
            ((axes, _), _) = eqn.params["dimension_numbers"]
            size = math.prod(eqn.invars[0].aval.shape[k] for k in axes)
            total += size * sum(math.prod(v.aval.shape) for v in eqn.outvars)
            equations += 1
        elif eqn.primitive.name not in _MOVING:
            total += max(math.prod(v.aval.shape) for v in (*eqn.outvars, *eqn.invars) if hasattr(v.aval, "shape"))
            equations += 1
    return total, equations


_MOVING = {
    *("reshape", "squeeze", "expand_dims", "transpose", "rev", "slice", "broadcast_in_dim", "concatenate", "split"),
    *("gather", "dynamic_slice", "pad", "iota", "copy", "stack", "tile", "convert_element_type"),
}
