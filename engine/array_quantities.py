"""Array programs of what is derived from a system's function, and their evaluation: for systems of many states."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from . import quantities
from .array_memory import Memory, Tape, Team
from .array_tracing import trace_arrays
from .arrays import ArrayProgram, rebound
from .errors import UnsupportedPrimitive

if TYPE_CHECKING:
    from .system import System

SMALL, HUGE = 1000, 20_000
"""Up to SMALL operations a right-hand side is written out as straight-line code; above HUGE it never is."""

ELEMENTS = 30
"""Elements that an equation has on average, at least, if loops over them are worth while."""


def is_large(system: System) -> bool:
    """Whether a system is computed by loops over arrays rather than by straight-line code."""
    key = ("large",)
    if key not in system._programs:
        system._programs[key] = _is_large(system)  # type: ignore[assignment]
    return bool(system._programs[key])


def is_huge(system: System) -> bool:
    """Whether a system is too large for straight-line code."""
    return system.dimension >= ELEMENTS and _operations(system)[0] > HUGE


def _is_large(system: System) -> bool:
    if system.dimension < ELEMENTS:
        return False
    operations, equations = _operations(system)
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
    key = ("arrays", quantity)
    if key not in system._programs:
        system._programs[key] = _traced(system, quantity)  # type: ignore[assignment]
    return system._programs[key]  # type: ignore[return-value]


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


def _traced(system: System, quantity: str | tuple[str, ...]) -> ArrayProgram:
    import jax
    import jax.numpy as jnp

    inputs: dict[str, tuple[tuple[int, ...], Any]] = {
        k: (shape, np.float64) for k, shape in quantities.flat_inputs(system).items()
    }
    arrays = quantities.coupling_inputs(system)
    bound = partial(quantities.bound_couplings, system)
    segments = {f"{name}.post": f"{name}.rows" for name, c in system.couplings.items() if "rows" in c.arrays}

    def rhs(t, y, p, *given):
        return {"f": quantities.flat(system, t, y, p, bound(given))}

    def jvp(t, y, p, v, *given):
        along = partial(quantities.flat, system)
        return {"Jv": jax.jvp(lambda z: along(t, z, p, bound(given)), (y,), (v,))[1]}

    def record(t, y, p, *given):
        s, q = quantities.namespaces(system, t, y, p, bound(given))
        values = [s[n] if n in system.state else system.observables[n](t, s, q) for n in quantity]
        return {"record": jnp.concatenate([jnp.ravel(jnp.asarray(v, float)) for v in values])}

    if quantity == "jvp":
        inputs["v"] = inputs["y"]
    function = {"rhs": rhs, "jvp": jvp}.get(quantity, record)  # type: ignore[arg-type]
    fixed = ("p", *arrays)
    return trace_arrays(function, inputs | arrays, name=system.name, fixed=fixed, segments=segments)


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
