"""From a function of JAX arrays to a straight-line program: trace it, then lower the jaxpr.

This is the one module that meets JAX's internals. The meaning of each primitive is in
:mod:`attrax.engine.primitives`; here are the primitives that contain functions (nested calls, loops of
fixed length, conditions), and the messages for mistakes in the user's function.
"""

from __future__ import annotations

import math
import re
import sysconfig
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from . import linear_algebra, primitives
from .errors import AttraxError, DeclarationError, UnsupportedPrimitive
from .lowering import Array, Lowering, plain, traced
from .program import FLOAT, INT, Builder, Program

RULES = primitives.RULES | linear_algebra.RULES
WRITTEN_OUT = 2000
"""Operations of all rounds of a scan up to which they are written out one after the other."""


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
    closed, names = jaxpr_of(function, {k: (shape, np.float64) for k, shape in inputs.items()}, name)
    builder = Builder()
    interpreter = Interpreter(Lowering(builder), name)
    arrays = [traced(builder.input(block, math.prod(shape)), shape) for block, shape in inputs.items()]
    with np.errstate(all="ignore"):
        results = interpreter.run(closed.jaxpr, closed.consts, arrays)
        low = interpreter.low
        outputs: dict[str, Sequence[int]] = {
            n: low.values(low.convert(r, FLOAT)) if r.size else [] for n, r in zip(names, results, strict=True)
        }
    return builder.program(outputs)


def jaxpr_of(function: Callable[..., Mapping[str, Any]], inputs: Mapping[str, tuple[tuple[int, ...], Any]], name: str):
    """The closed jaxpr of ``function`` of arrays of these shapes and types, with a list of outputs, and their names."""
    import jax
    import jax.numpy as jnp

    names: list[str] = []

    def listed(*blocks):
        result = function(*blocks)
        names[:] = result
        return [jnp.asarray(v) for v in result.values()]

    with jax.enable_x64(True):
        blocks = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in inputs.values()]
        try:
            return jax.make_jaxpr(listed)(*blocks), names
        except Exception as error:
            message = _explain(error, name)
    raise DeclarationError(message)


class Interpreter:
    """Evaluates jaxprs on arrays of a :class:`Lowering`."""

    def __init__(self, low: Any, name: str):
        self.low = low
        self.name = name
        self._path: list[Any] = []

    def run(self, jaxpr, consts: Sequence[Any], arguments: Sequence[Array]) -> list[Array]:
        """Outputs of an open ``jaxpr``."""
        environment: dict[Any, Array] = dict(zip(jaxpr.constvars, map(self._constant, consts), strict=True))
        environment.update(zip(jaxpr.invars, arguments, strict=True))

        def read(atom) -> Array:
            return self._constant(atom.val) if hasattr(atom, "val") else environment[atom]

        for eqn in jaxpr.eqns:
            self._path.append(eqn)
            results = self._equation(eqn, [read(v) for v in eqn.invars])
            self._path.pop()
            environment.update(zip(eqn.outvars, results, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def call(self, closed, arguments: Sequence[Array]) -> list[Array]:
        """Outputs of a jaxpr, closed or open."""
        return self.run(getattr(closed, "jaxpr", closed), getattr(closed, "consts", ()), arguments)

    def round(self, closed, arguments: Sequence[Array], count: int) -> Callable[[Sequence[Array]], list[Array]] | None:
        """A jaxpr of numbers that is large and called ``count`` times, as a function of its own in the program."""
        if any(not a.size or self.low.kind(a) != FLOAT for a in arguments):
            return None
        apart = Interpreter(Lowering(Builder()), self.name)
        apart._path = self._path
        blocks = {f"in{k}": a for k, a in enumerate(arguments)}
        results = apart.call(closed, [traced(apart.low.builder.input(k, a.size), a.shape) for k, a in blocks.items()])
        if any(not r.size or apart.low.kind(r) != FLOAT for r in results):
            return None
        shapes = {f"out{k}": r.shape for k, r in enumerate(results)}
        values = dict(zip(shapes, map(apart.low.values, results), strict=True))
        program = apart.low.builder.program(values).fused()
        if program.size * count <= WRITTEN_OUT:
            return None

        def run(given: Sequence[Array]) -> list[Array]:
            called = self.low.builder.call(program, dict(zip(blocks, map(self.low.values, given), strict=True)))
            return [traced(called[name], shape) for name, shape in shapes.items()]

        return run

    def _equation(self, eqn, arguments: list[Array]) -> list[Array]:
        primitive = eqn.primitive.name
        if any(getattr(getattr(v.aval, "dtype", None), "kind", "") == "c" for v in eqn.outvars):
            raise UnsupportedPrimitive(
                f"{self._start()} uses complex numbers ({primitive}), which are not lowered to machine code; "
                "write real and imaginary parts instead"
            )
        if primitive in _NESTED:
            return self.call(next(eqn.params[k] for k in ("jaxpr", "call_jaxpr") if k in eqn.params), arguments)
        with suppress(NotImplementedError):
            result = self.apply(eqn, arguments)
            return result if isinstance(result, list) else [result]
        advice = _ADVICE.get(primitive, "write it with other functions of jax.numpy")
        raise UnsupportedPrimitive(
            f"{self._start()} uses JAX's {primitive!r}, which is not lowered to machine code; {advice}, "
            'or simulate with backend="jax"'
        )

    def apply(self, eqn, arguments: list[Array]) -> Any:
        """What an equation's primitive makes of its arguments; NotImplementedError if it is not known."""
        primitive = eqn.primitive.name
        if primitive in _WITH_FUNCTIONS:
            return _WITH_FUNCTIONS[primitive](self, eqn.params, arguments)
        if primitive not in RULES:
            raise NotImplementedError
        return RULES[primitive](self.low, eqn.params, *arguments)

    def _constant(self, value: Any) -> Array:
        if getattr(value, "dtype", None) in (np.float32, np.float16):
            shape = f"an array of shape {value.shape}" if value.shape else "a number"
            raise DeclarationError(
                f"{self._start()} uses {shape} of {value.dtype}, but computes with 64 bits; make it with "
                "NumPy (np.array) or inside the function, where JAX's floats have 64 bits"
            )
        return plain(value)

    def _start(self) -> str:
        """``system 'name' (file:line): its function``, with the user's line of the current equation."""
        from jax._src import source_info_util

        frames = (f for eqn in self._path for f in source_info_util.user_frames(eqn.source_info.traceback))
        frame = next((f for f in frames if not _internal(f.file_name)), None)
        place = f" ({frame.file_name}:{frame.start_line})" if frame else ""
        return f"system {self.name!r}{place}: its function"


_NESTED = (
    *("jit", "pjit", "call", "closed_call", "core_call", "remat", "remat2", "checkpoint"),
    *("custom_jvp_call", "custom_vjp_call"),
)

_RANDOM = "declare the noise instead of drawing it"
_ADVICE = {
    "gather": "tables may have 2^20 numbers, no more",
    "while": "write jax.lax.fori_loop or jax.lax.scan of a fixed length",
    **dict.fromkeys(("random_seed", "random_wrap", "random_bits", "random_unwrap", "threefry2x32"), _RANDOM),
    **dict.fromkeys(("debug_callback", "debug_print"), "leave it out"),
}


def _scan(self: Interpreter, params, arguments: list[Array]) -> list[Array]:
    constants, carries = params["num_consts"], params["num_carry"]
    fixed = arguments[:constants]
    carry = arguments[constants : constants + carries]
    sequences = arguments[constants + carries :]
    rounds = range(params["length"])
    kept: list[list[Array]] = []
    first = [*fixed, *carry, *(s[0, ...] for s in sequences)] if rounds else []
    run = self.round(params["jaxpr"], first, len(rounds)) if rounds else None
    for k in reversed(rounds) if params["reverse"] else rounds:
        given = [*fixed, *carry, *(s[k, ...] for s in sequences)]
        results = run(given) if run else self.call(params["jaxpr"], given)
        carry = results[:carries]
        kept.append(results[carries:])
    if params["reverse"]:
        kept.reverse()
    if not kept:
        return [*carry, *(np.zeros((0, *v.aval.shape)) for v in params["jaxpr"].jaxpr.outvars[carries:])]
    return carry + [self.low.stack(column, axis=0) for column in zip(*kept, strict=True)]


def _cond(self: Interpreter, params, arguments: list[Array]) -> list[Array]:
    index, *rest = arguments
    branches = params["branches"]
    index = self.low.convert(index, INT)
    known = self.low.known(index)
    if known is not None:
        return self.call(branches[min(max(int(known), 0), len(branches) - 1)], rest)
    results = [self.call(branch, rest) for branch in branches]
    return [RULES["select_n"](self.low, {}, index, *cases) for cases in zip(*results, strict=True)]


def _linear_solve(self: Interpreter, params, arguments: list[Array]) -> list[Array]:
    lengths = params["const_lengths"]
    before = lengths.matvec + lengths.vecmat
    constants = arguments[before : before + lengths.solve]
    right = arguments[sum(lengths) :]
    return self.call(params["jaxprs"].solve, [*constants, *right])


_WITH_FUNCTIONS = {"scan": _scan, "cond": _cond, "custom_linear_solve": _linear_solve}


# -- mistakes in the user's function ------------------------------------------------------------------

_TRACED = "the state, the time or a parameter"
_CONDITION = (
    f"Python's if, while, and, or, not, min, max and chained comparisons cannot depend on {_TRACED}; "
    "write jnp.where(condition, a, b), jnp.minimum, jnp.maximum, and & | ~ between conditions"
)
_NUMPY = f"NumPy cannot compute with {_TRACED}; write the function of jax.numpy instead (jnp.sin for np.sin)"
_MASK = "an array cannot be indexed with a condition; write jnp.where(condition, array, 0) instead"
_INTEGER = (
    f"{_TRACED} cannot be an index, a size or the length of a range; declare an integer parameter "
    "for a size, or choose with jnp.where"
)
_NUMBER = (
    f"float(), int() and the math module cannot compute with {_TRACED}; leave out float(), and write "
    "jnp.sin for math.sin, jnp.floor for int"
)
# beginnings of messages of errors that are plain TypeErrors in JAX
_HINTS = {
    "Only integer scalar arrays can be converted": _INTEGER,
    "Indexer must have integer": _INTEGER,
    "Shapes must be 1D sequences of concrete values": _INTEGER,
    "JAX arrays are immutable": "JAX arrays do not change; write x = x.at[i].set(y) instead of x[i] = y",
}


def _explain(error: Exception, name: str) -> str:
    """One sentence on what is wrong in the user's function, and what to write instead."""
    place, start = _place(error), f"system {name!r}"
    if isinstance(error, AttraxError):
        return _plain_words(str(error)).replace(start, start + place, 1)
    return f"{start}{place}: {_mistake(error)}"


def _mistake(error: Exception) -> str:
    import jax

    text = str(error).strip()
    match error:
        case jax.errors.TracerBoolConversionError():
            return _CONDITION
        case jax.errors.TracerArrayConversionError():
            return _NUMPY
        case jax.errors.NonConcreteBooleanIndexError():
            return _MASK
        case jax.errors.TracerIntegerConversionError():
            return _INTEGER
        case jax.errors.ConcretizationTypeError():
            return _NUMBER
    hint = next((hint for beginning, hint in _HINTS.items() if text.startswith(beginning)), None)
    return hint or f"{type(error).__name__}: {_plain_words(text.splitlines()[0] if text else 'no message')}"


def _plain_words(text: str) -> str:
    """Without the names of JAX's tracers."""
    return re.sub(r"\w*Tracer\b", "JAX array", text)


def _place(error: Exception) -> str:
    """`` (file:line)`` of the deepest frame in the user's code, if there is one."""
    frames = [(f.f_code.co_filename, line) for f, line in traceback.walk_tb(error.__traceback__)]
    frames = [f for f in frames if not _internal(f[0])]
    return " ({}:{})".format(*frames[-1]) if frames else ""


_LIBRARIES = ("jax", "jaxlib", "numpy", "scipy", "equinox", "diffrax", "lineax", "optimistix")


def _internal(file: str) -> bool:
    """Whether a file belongs to attrax's machinery, to a library that it uses or to Python itself."""
    path = Path(file)
    if file.startswith("<frozen") or path.is_relative_to(Path(__file__).parent):
        return True
    for folder in ("site-packages", "dist-packages"):
        if folder in path.parts:
            return path.parts[path.parts.index(folder) + 1] in _LIBRARIES
    return path.is_relative_to(sysconfig.get_path("stdlib"))
