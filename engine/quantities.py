"""Programs of what is derived from a system's function: its flat form, its derivatives, its noise, its observables.

Each is a JAX function of the flat state ``y`` and the flat parameters ``p``, traced to straight-line code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from . import stream
from .declaration import Namespace, suggest
from .errors import DeclarationError, InputError
from .program import Program

if TYPE_CHECKING:
    from .system import Function, System


def flat_inputs(system: System) -> dict[str, tuple[int, ...]]:
    """Shapes of time, flat state and flat parameters."""
    return {"t": (), "y": (system.dimension,), "p": (system.parameter_vector.size,)}


def coupling_inputs(system: System) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Shapes and types of the arrays of its couplings that a function may read, as ``<parameter>.<array>``."""
    return {
        f"{name}.{role}": coupling.described(role)
        for name, coupling in system.couplings.items()
        for role in coupling.traced
    }


def bound_couplings(system: System, given: Sequence[Any]) -> dict[str, Any]:
    """The couplings with arrays in the order of :func:`coupling_inputs` in the place of their own."""
    arrays = dict(zip(coupling_inputs(system), given, strict=True))
    return {k: c.bound({role: arrays[f"{k}.{role}"] for role in c.traced}) for k, c in system.couplings.items()}


def abstract_inputs(system: System) -> list[Any]:
    """Time, state, parameters and the arrays of couplings as shapes and types, for JAX."""
    import jax

    plain = [jax.ShapeDtypeStruct(shape, float) for shape in flat_inputs(system).values()]
    return plain + [jax.ShapeDtypeStruct(*given) for given in coupling_inputs(system).values()]


def program(system: System, quantity: str) -> Program:
    """The program of a quantity: see :meth:`System.program`."""
    import jax

    from .tracing import trace

    inputs, n = flat_inputs(system), system.dimension
    function: Callable[..., dict[str, Any]]
    match quantity:
        case "rhs":
            function = lambda t, y, p: {"f": flat(system, t, y, p)}  # noqa: E731
        case "jacobian":
            function = lambda t, y, p: {"J": jax.jacfwd(partial(flat, system), 1)(t, y, p)}  # noqa: E731
        case "parameter_jacobian":
            function = lambda t, y, p: {"Jp": jax.jacfwd(partial(flat, system), 2)(t, y, p)}  # noqa: E731
        case "linearisation":
            one = jax.numpy.ones
            function = lambda t, y, p: {  # noqa: E731
                "f": flat(system, t, y, p),
                "J": jax.jacfwd(partial(flat, system), 1)(t, y, p),
                "ft": jax.jvp(lambda t: flat(system, t, y, p), (t,), (one(()),))[1],
            }
        case "jvp":
            inputs["v"] = (n,)
            function = lambda t, y, p, v: {"Jv": _along(system, t, y, p, v)}  # noqa: E731
        case "second_derivative":
            inputs["v"] = inputs["w"] = (n,)
            function = lambda t, y, p, v, w: {  # noqa: E731
                "B": jax.jvp(lambda z: _along(system, t, z, p, v), (y,), (w,))[1]
            }
        case "noise":
            function = partial(_noise, system)
        case _ if quantity in system.observables:
            observable = system.observables[quantity]
            function = lambda t, y, p: {quantity: observable(t, *namespaces(system, t, y, p))}  # noqa: E731
        case _:
            raise InputError(
                f"system {system.name!r} has no quantity {quantity!r}; "
                + suggest(quantity, ["rhs", "jacobian", "parameter_jacobian", "jvp", "second_derivative"])
            )
    return trace(function, inputs, name=system.name)


def expression(system: System, function: Function, *, rate: bool = False) -> Program:
    """The program (block ``value``) of a function ``(t, s, p)``, or with ``rate`` of its time derivative."""
    import jax

    from .tracing import trace

    def value(t, y, p):
        def of(t, y):
            return function(t, *namespaces(system, t, y, p))

        if rate:
            one = jax.numpy.ones_like(t)
            return {"value": jax.jvp(of, (t, y), (one, flat(system, t, y, p)))[1]}
        return {"value": of(t, y)}

    return trace(value, flat_inputs(system), name=system.name)


def flat(system: System, t, y, p, couplings: Mapping[str, Any] | None = None):
    """The right-hand side as a JAX function of flat vectors: state ``y`` (dimension,), parameters ``p``."""
    import jax.numpy as jnp

    return jnp.concatenate([jnp.ravel(v) for v in by_block(system, t, y, p, couplings).values()])


def by_block(system: System, t, y, p, couplings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The right-hand side of each state block, like :func:`flat`."""
    s, parameters = namespaces(system, t, y, p, couplings)
    return _checked_result(system, system.function(t, s, parameters))


def amplitudes(system: System, t, y, p):
    """Amplitudes of the noise as a JAX function of flat vectors: (dimension,) or (dimension, processes)."""
    import jax.numpy as jnp

    values = amplitudes_by_block(system, t, y, p)
    axes = next((v.shape[1:] for v in values.values()), ())
    zero = {k: jnp.zeros((math.prod(shape), *axes)) for k, shape in system.state.items()}
    return jnp.concatenate(list((zero | values).values()))


def amplitudes_by_block(system: System, t, y, p, couplings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The amplitudes of the state blocks that have noise, (size,) or (size, processes)."""
    import jax.numpy as jnp

    assert system.noise is not None
    given = system.noise(t, *namespaces(system, t, y, p, couplings))
    if not isinstance(given, Mapping):
        raise DeclarationError(
            f"system {system.name!r}: its noise must return a dictionary, not {type(given).__name__}"
        )
    if unknown := [k for k in given if k not in system.shapes]:
        raise DeclarationError(
            f"system {system.name!r}: its noise names {unknown[0]!r}, which is no state block; "
            + suggest(unknown[0], system.shapes)
        )
    values = {k: jnp.asarray(v, dtype=float) for k, v in given.items() if k in system.state}
    extra = {v.shape[len(system.state[k]) :] for k, v in values.items()}
    fits = all(v.shape[: len(system.state[k])] == system.state[k] for k, v in values.items())
    if not fits or len(extra) > 1 or len(next(iter(extra), ())) > 1:
        told = ", ".join(f"{k} {v.shape}" for k, v in values.items())
        raise DeclarationError(
            f"system {system.name!r}: an amplitude has the shape of its state block, or that and one last axis, "
            f"the same for all blocks; given: {told}"
        )
    axes = next(iter(extra), ())
    return {k: values[k].reshape(math.prod(shape), *axes) for k, shape in system.state.items() if k in values}


def jaxpr_of_amplitudes(system: System) -> tuple[Any, list[str]]:
    """The closed jaxpr of :func:`amplitudes_by_block`, of the arrays of couplings too, and the names of the blocks."""
    import numpy as np

    from .tracing import jaxpr_of

    def function(t, y, p, *given):
        return amplitudes_by_block(system, t, y, p, bound_couplings(system, given))

    inputs = {name: (shape, np.float64) for name, shape in flat_inputs(system).items()}
    return jaxpr_of(function, inputs | coupling_inputs(system), system.name)


def observed(system: System, t, y, p, couplings: Mapping[str, Any] | None = None):
    """The observables by name, as a JAX function like :meth:`flat`."""
    import jax.numpy as jnp

    return {name: jnp.asarray(f(t, *namespaces(system, t, y, p, couplings))) for name, f in system.observables.items()}


def namespaces(system: System, t, y, p, couplings: Mapping[str, Any] | None = None) -> tuple[Namespace, Namespace]:
    """State blocks, and parameters with inputs, of time and flat vectors, as a system's function reads them.

    ``couplings`` stand for the system's own, whose numbers are constants.
    """
    parameters: dict[str, Any] = {
        k: p[s].reshape(system.numeric[k]) if system.numeric[k] else p[s.start]
        for k, s in system.parameter_slices.items()
    }
    state = {
        k: y[s].reshape(system.state[k]) if system.state[k] else y[s.start] for k, s in system.state_slices.items()
    }
    state |= {k: parameters.pop(k) for k in system.frozen}
    parameters |= system.structure
    parameters |= {k: c.plain() for k, c in system.couplings.items()} if couplings is None else couplings
    if system.inputs:
        given = Namespace(parameters, "parameter", system.name)
        parameters |= stream.values(system.streams, system.input_shapes, t, given, p[-stream.KEY :])
    return Namespace(state, "state block", system.name), Namespace(parameters, "parameter", system.name)


def _noise(system: System, t, y, p):
    """Amplitudes, their slopes ``Dg`` = dg/dy, and ``c_i = sum_jk g_kj dg_ij/dy_k``.

    Amplitudes are ``g`` (dimension,) if they are diagonal, else ``G`` (dimension, processes).
    """
    import jax
    import jax.numpy as jnp

    g, slopes = amplitudes(system, t, y, p), jax.jacfwd(partial(amplitudes, system), 1)(t, y, p)
    c = g * jnp.diagonal(slopes) if g.ndim == 1 else jnp.einsum("kj,ijk->i", g, slopes)
    return {"g" if g.ndim == 1 else "G": g, "Dg": slopes, "c": c}


def _along(system: System, t, y, p, v):
    import jax

    return jax.jvp(lambda z: flat(system, t, z, p), (y,), (v,))[1]


def _checked_result(system: System, result: Any) -> dict[str, Any]:
    import jax.numpy as jnp

    if not isinstance(result, Mapping):
        blocks = ", ".join(f'"{k}": ...' for k in system.shapes)
        raise DeclarationError(
            f"system {system.name!r}: its function must return a dictionary {{{blocks}}}, not {type(result).__name__}"
        )
    word = "derivative" if system.kind == "flow" else "next value"
    if unknown := [k for k in result if k not in system.shapes]:
        raise DeclarationError(
            f"system {system.name!r}: its function returns {unknown[0]!r}, which is no state block; "
            + suggest(unknown[0], system.shapes)
        )
    values = {}
    for name, shape in system.state.items():
        if name not in result:
            raise DeclarationError(f"system {system.name!r}: its function returns no {word} for state block {name!r}")
        values[name] = jnp.asarray(result[name], dtype=float)
        if values[name].shape != shape:
            raise DeclarationError(
                f"system {system.name!r}: the {word} of {name!r} has shape {values[name].shape}, "
                f"but the block has shape {shape}"
            )
    return values
