"""From a function of JAX arrays to a straight-line program: trace it, then lower the jaxpr.

This is the one module that meets JAX's internals. The meaning of each primitive is in
:mod:`attrax.engine.lowering`; here are the primitives that contain functions (nested calls, loops of
fixed length, conditions), and the messages for mistakes in the user's function.
"""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import AttraxError, DeclarationError, UnsupportedPrimitive
from .lowering import RULES, Lowering, plain
from .program import FLOAT, INT, Builder, Program

Array = np.ndarray


def trace(function: Callable[..., Mapping[str, Any]], inputs: dict[str, tuple[int, ...]], *, name: str) -> Program:
    """The straight-line program of ``function``.

    Parameters
    ----------
    function : callable
        Takes one JAX array of 64-bit floats per input block, in the order of ``inputs``, and returns a
        dictionary of arrays.
    inputs : dict of str to tuple of int
        Shape of each input block.
    name : str
        Name of the system, for messages.

    Returns
    -------
    Program
        With flat blocks, in C order of the arrays; integers and bools are converted to floats.

    Raises
    ------
    DeclarationError
        If the function fails, or cannot be traced.
    UnsupportedPrimitive
        If the function uses a JAX primitive that has no lowering.
    """
    closed, names = _jaxpr(function, inputs, name)
    builder = Builder()
    interpreter = _Interpreter(builder, name)
    arrays = []
    for block, shape in inputs.items():
        values = builder.input(block, int(np.prod(shape)))
        arrays.append(np.array(values, dtype=object).reshape(shape) if values else np.zeros(shape))
    with np.errstate(all="ignore"):
        results = interpreter.run(closed.jaxpr, closed.consts, arrays)
        low = interpreter.low
        outputs = {n: low.values(low.convert(r, FLOAT)) if r.size else [] for n, r in zip(names, results, strict=True)}
    return builder.program(outputs)


def _jaxpr(function: Callable[..., Mapping[str, Any]], inputs: dict[str, tuple[int, ...]], name: str):
    """The closed jaxpr of ``function`` with a list of outputs, and their names."""
    import jax
    import jax.numpy as jnp

    names: list[str] = []

    def listed(*blocks):
        result = function(*blocks)
        names[:] = result
        return [jnp.asarray(v) for v in result.values()]

    with jax.enable_x64(True):
        blocks = [jax.ShapeDtypeStruct(shape, np.float64) for shape in inputs.values()]
        try:
            return jax.make_jaxpr(listed)(*blocks), names
        except Exception as error:
            message = _explain(error, name)
    raise DeclarationError(message)


class _Interpreter:
    """Evaluates jaxprs on arrays of a :class:`Lowering`."""

    def __init__(self, builder: Builder, name: str):
        self.low = Lowering(builder)
        self.name = name

    def run(self, jaxpr, consts: Sequence[Any], arguments: Sequence[Array]) -> list[Array]:
        """Outputs of an open ``jaxpr``."""
        environment: dict[Any, Array] = dict(zip(jaxpr.constvars, (plain(c) for c in consts), strict=True))
        environment.update(zip(jaxpr.invars, arguments, strict=True))

        def read(atom) -> Array:
            return plain(atom.val) if hasattr(atom, "val") else environment[atom]

        for eqn in jaxpr.eqns:
            results = self.equation(eqn, [read(v) for v in eqn.invars])
            environment.update(zip(eqn.outvars, results, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def call(self, closed, arguments: Sequence[Array]) -> list[Array]:
        """Outputs of a jaxpr, closed or open."""
        return self.run(getattr(closed, "jaxpr", closed), getattr(closed, "consts", ()), arguments)

    def equation(self, eqn, arguments: list[Array]) -> list[Array]:
        primitive = eqn.primitive.name
        if any(np.dtype(v.aval.dtype).kind == "c" for v in eqn.outvars if hasattr(v.aval, "dtype")):
            raise UnsupportedPrimitive(self._where(eqn) + "complex numbers; write real and imaginary parts instead")
        if primitive in _WITH_FUNCTIONS:
            return _WITH_FUNCTIONS[primitive](self, eqn.params, arguments)
        if primitive in RULES:
            try:
                result = RULES[primitive](self.low, eqn.params, *arguments)
                return result if isinstance(result, list) else [result]
            except NotImplementedError:
                pass
        if primitive in _NESTED:
            return self.call(next(eqn.params[k] for k in ("jaxpr", "call_jaxpr") if k in eqn.params), arguments)
        raise UnsupportedPrimitive(self._where(eqn) + f"JAX's {primitive!r}{_ADVICE}")

    def _where(self, eqn) -> str:
        from jax._src import source_info_util

        frames = source_info_util.user_frames(eqn.source_info.traceback)
        frame = next((f for f in frames if not _internal(f.file_name)), None)
        place = f" ({frame.file_name}:{frame.start_line})" if frame else ""
        return f"system {self.name!r}{place}: its function uses "


_ADVICE = ', which is not lowered to machine code; write it with other functions of jax.numpy, or simulate with backend="jax"'


def _scan(self: _Interpreter, params, arguments: list[Array]) -> list[Array]:
    constants, carries = params["num_consts"], params["num_carry"]
    fixed = arguments[:constants]
    carry = arguments[constants : constants + carries]
    sequences = arguments[constants + carries :]
    rounds = range(params["length"])
    kept: list[list[Array]] = []
    for k in reversed(rounds) if params["reverse"] else rounds:
        results = self.call(params["jaxpr"], [*fixed, *carry, *(s[k, ...] for s in sequences)])
        carry = results[:carries]
        kept.append(results[carries:])
    if params["reverse"]:
        kept.reverse()
    if not kept:
        return [*carry, *(np.zeros(v.aval.shape) for v in params["jaxpr"].jaxpr.outvars[carries:])]
    return carry + [RULES["stack"](self.low, {"axis": 0}, *column) for column in zip(*kept, strict=True)]


def _cond(self: _Interpreter, params, arguments: list[Array]) -> list[Array]:
    index, *rest = arguments
    branches = params["branches"]
    index = self.low.convert(index, INT)
    known = self.low.known(index)
    if known is not None:
        return self.call(branches[min(max(int(known), 0), len(branches) - 1)], rest)
    results = [self.call(branch, rest) for branch in branches]
    return [RULES["select_n"](self.low, {}, index, *cases) for cases in zip(*results, strict=True)]


def _linear_solve(self: _Interpreter, params, arguments: list[Array]) -> list[Array]:
    lengths, before = params["const_lengths"], 0
    before = lengths.matvec + lengths.vecmat
    constants = arguments[before : before + lengths.solve]
    right = arguments[sum(lengths) :]
    return self.call(params["jaxprs"].solve, [*constants, *right])


_NESTED = ("jit", "pjit", "call", "closed_call", "core_call", "remat", "remat2", "checkpoint")
_NESTED += ("custom_jvp_call", "custom_vjp_call")
_WITH_FUNCTIONS = {"scan": _scan, "cond": _cond, "custom_linear_solve": _linear_solve}


# -- mistakes in the user's function ------------------------------------------------------------------


def _explain(error: Exception, name: str) -> str:
    """One sentence on what is wrong in the user's function, and what to write instead."""
    import jax

    place = _place(error)
    if isinstance(error, AttraxError):
        return str(error) + place
    start = f"system {name!r}{place}: "
    match error:
        case jax.errors.TracerBoolConversionError():
            return start + (
                "Python's if, while, and, or, not cannot depend on the state, the time or a parameter; "
                "write jnp.where(condition, a, b), and & | ~ between conditions"
            )
        case jax.errors.TracerArrayConversionError():
            return start + (
                "NumPy cannot compute with the state, the time or a parameter; "
                "write the function of jax.numpy instead (jnp.sin for np.sin)"
            )
        case jax.errors.NonConcreteBooleanIndexError():
            return start + "an array cannot be indexed with a condition; write jnp.where(condition, array, 0) instead"
        case jax.errors.TracerIntegerConversionError():
            return start + (
                "the state, the time or a parameter cannot be the length of a range or an index of a Python list; "
                "declare an integer parameter for a size, or index an array of jax.numpy"
            )
        case jax.errors.ConcretizationTypeError():
            return start + (
                "float(), int() and the math module cannot compute with the state, the time or a parameter; "
                "leave out float(), and write jnp.sin for math.sin, jnp.floor for int"
            )
    return start + f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"


def _place(error: Exception) -> str:
    frames = [f for f, _ in traceback.walk_tb(error.__traceback__) if not _internal(f.f_code.co_filename)]
    lines = [line for f, line in traceback.walk_tb(error.__traceback__) if not _internal(f.f_code.co_filename)]
    return f" ({frames[-1].f_code.co_filename}:{lines[-1]})" if frames else ""


def _internal(file: str) -> bool:
    """Whether a file belongs to attrax's machinery, to a library or to Python itself."""
    path = Path(file)
    parts = path.parts
    return (
        file.startswith("<")
        or "site-packages" in parts
        or path.is_relative_to(sysconfig.get_path("stdlib"))
        or path.is_relative_to(Path(__file__).parent)
    )
