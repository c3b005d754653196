"""The meaning of JAX's primitives for arrays in memory (see :mod:`attrax.engine.arrays`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from .array_lowering import ArrayLowering
from .array_values import Value
from .arrays import ArrayProgram
from .lowering import BY_KIND, plain
from .primitives import RULES
from .program import FLOAT
from .tracing import Interpreter, jaxpr_of


def trace_arrays(
    function: Callable[..., Mapping[str, Any]],
    inputs: Mapping[str, tuple[tuple[int, ...], Any]],
    *,
    name: str,
    fixed: Sequence[str] = (),
    segments: Mapping[str, str] | None = None,
) -> ArrayProgram:
    """The array program of ``function``.

    Parameters
    ----------
    function : callable
        As for :func:`attrax.engine.tracing.trace`.
    inputs : dict of str to (shape, dtype)
        The type is float64, float32, or int32 for arrays of indices.
    name : str
        Name of the system, for messages.
    fixed : sequence of str
        Inputs that stay the same during a run.
    segments : dict of str to str
        For inputs that are sorted indices, the name of the array that says where each index begins.

    Raises
    ------
    DeclarationError, UnsupportedPrimitive
        As for :func:`attrax.engine.tracing.trace`.
    """
    import jax

    closed, names = jaxpr_of(function, inputs, name)
    low = ArrayLowering()
    arguments: list[Any]
    interpreter = _Interpreter(low, name)
    interpreter.segments = {f"in {k}": f"in {v}" for k, v in (segments or {}).items()}
    with np.errstate(all="ignore"), jax.enable_x64(True):
        arguments = [low.input(k, shape, dtype, fixed=k in fixed) for k, (shape, dtype) in inputs.items()]
        results = interpreter.run(closed.jaxpr, closed.consts, arguments)
        outputs = {n: tuple(r.shape) for n, r in zip(names, results, strict=True)}
        for output, result in zip(names, results, strict=True):
            low.output(output, low.convert(result, FLOAT))
    return low.program({k: shape for k, (shape, _) in inputs.items()}, outputs)


class _Interpreter(Interpreter):
    """Evaluates jaxprs on arrays of an :class:`ArrayLowering`."""

    low: ArrayLowering
    segments: dict[str, str]

    def apply(self, eqn, arguments: list[Any]) -> Any:
        primitive, params = eqn.primitive.name, eqn.params
        if primitive in ("scan", "cond"):
            return _scan(self, params, arguments) if primitive == "scan" else super().apply(eqn, arguments)
        if not any(isinstance(a, Value) for a in arguments):
            if primitive == "platform_index":
                return RULES[primitive](self.low, params)
            found = eqn.primitive.bind(*arguments, **params)
            return [plain(v) for v in found] if eqn.primitive.multiple_results else plain(found)
        if primitive in ELEMENTWISE:
            return RULES[primitive](self.low, params, *arguments)
        if primitive in _VIEWS:
            return _viewed(self.low, primitive, params, *arguments)
        if primitive in _ARRAYS:
            return _ARRAYS[primitive](self, eqn, *arguments)
        raise NotImplementedError


ELEMENTWISE = {
    *BY_KIND,
    *("add_any", "floor", "ceil", "sqrt", "exp", "exp2", "expm1", "log", "log1p", "logistic", "erf", "erfc", "cbrt"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "atan2"),
    *("rsqrt", "is_finite", "round", "pow", "integer_pow", "clamp", "select_n", "convert_element_type"),
    *("stop_gradient", "copy", "reduce_precision", "optimization_barrier", "device_put"),
    *("shift_left", "shift_right_logical", "shift_right_arithmetic", "bitcast_convert_type"),
}
_VIEWS = {"reshape", "squeeze", "expand_dims", "transpose", "rev", "slice"}


def _viewed(low: ArrayLowering, primitive: str, params: Any, x: Value) -> Value:
    same_order = primitive in ("reshape", "squeeze", "expand_dims")
    return low.reshaped(x, lambda a: RULES[primitive](low, params, a), same_order)


def _broadcast(self: _Interpreter, eqn, x: Value) -> Value:
    shape = tuple(eqn.params["shape"])
    if x.size == 1 or x.size == int(np.prod(shape)):
        return self.low.reshaped(x, lambda a: a.reshape(shape), True) if x.size > 1 else self.low.broadcast(x, shape)
    axes = eqn.params["broadcast_dimensions"]
    lined = [x.shape[axes.index(k)] if k in axes else 1 for k in range(len(shape))]
    return self.low.broadcast(self.low.reshaped(x, lambda a: a.reshape(lined), True), shape)


def _split(self: _Interpreter, eqn, x: Value) -> list[Value]:
    ends = np.cumsum(eqn.params["sizes"])
    axis = (slice(None),) * eqn.params["axis"]
    pairs = zip([0, *ends[:-1]], ends, strict=True)
    return [self.low.reshaped(x, lambda a, b=b, e=e: a[(*axis, slice(b, e))], False) for b, e in pairs]


def _concatenate(self: _Interpreter, eqn, *arrays: Any) -> Value:
    return self.low.joined(arrays, eqn.params["dimension"])


def _stack(self: _Interpreter, eqn, *arrays: Any) -> Value:
    return _stacked(self.low, arrays, eqn.params["axis"])


def _stacked(low: ArrayLowering, arrays: Sequence[Any], axis: int) -> Value:
    values = [a if isinstance(a, Value) else low.value(a) for a in arrays]
    return low.joined([low.reshaped(v, lambda a: np.expand_dims(a, axis), True) for v in values], axis)


def _reduction(kind: str) -> Callable[..., Value]:
    return lambda self, eqn, x: self.low.reduced(kind, x, tuple(eqn.params["axes"]))


def _product(self: _Interpreter, eqn, a: Any, b: Any) -> Any:
    low, ((ours, theirs), (batch, _)) = self.low, eqn.params["dimension_numbers"]
    if batch:
        raise NotImplementedError
    values = [low.value(x) for x in (a, b)]
    free = [[k for k in range(v.ndim) if k not in c] for v, c in zip(values, (ours, theirs), strict=True)]
    lengths = [tuple(v.shape[k] for k in axes) for v, axes in zip(values, free, strict=True)]
    shape = (*lengths[0], *lengths[1])
    rows = []
    for v, axes, contracted, length in zip(values, free, (ours, theirs), lengths, strict=True):
        order = [*axes, *contracted]
        if order != list(range(v.ndim)):
            v = low.reshaped(v, lambda x, order=order: x.transpose(order), False)
        rows.append(low.reshaped(v, lambda x, length=length: x.reshape(int(np.prod(length)), -1), True))
    if rows[0].shape[0] == 1 and rows[1].shape[0] == 1:
        return low.reshaped(low.reduced("add", low.op("mul", *rows), (0, 1)), lambda x: x.reshape(shape), True)
    if rows[0].shape[0] >= rows[1].shape[0]:
        found = low.product(*rows)  # [k, i]
        found = low.reshaped(found, lambda x: x.T, False) if rows[1].shape[0] > 1 else found
    else:
        found = low.product(*rows[::-1])
    return low.reshaped(found, lambda x: x.reshape(shape), True)


def _gather(self: _Interpreter, eqn, x: Any, indices: Any) -> Any:
    low, params = self.low, eqn.params
    if isinstance(indices, Value):
        numbers = params["dimension_numbers"]
        if not isinstance(x, Value) and indices.size == 1 and tuple(numbers.collapsed_slice_dims) == (0,):
            return _row(self, params, plain(x), indices)
        plain_one = x.ndim == 1 and tuple(numbers.collapsed_slice_dims) == (0,) and not numbers.offset_dims
        index = low.materialise(indices)
        if not plain_one or index.probe.dtype != np.int32:
            raise NotImplementedError
        value = x if isinstance(x, Value) else low.leaf(low.constant(plain(x).astype(float)), low.kind(x))
        return low.gather(value, index.of(index.probe.reshape(indices.shape[:-1])))
    return low.picked(x, _positions(eqn, x, indices, fill_value=-1))


def _row(self: _Interpreter, params: Any, table: np.ndarray, index: Value) -> Any:
    """One row of a known table, as the product of the table with a vector that is 1 there."""
    low = self.low
    if params["mode"].name != "CLIP" or tuple(params["slice_sizes"])[1:] != table.shape[1:]:
        raise NotImplementedError
    number = low.op("imin", low.op("imax", low.reshaped(index, lambda a: a.reshape(()), True), 0), len(table) - 1)
    here = low.convert(low.op("ieq", number, np.arange(len(table))), FLOAT)
    along = SimpleNamespace(params={"dimension_numbers": (((0,), (0,)), ((), ()))})
    row = _product(self, along, here, table.reshape(len(table), -1).astype(float))
    return low.reshaped(row, lambda a: a.reshape(table.shape[1:]), True)


def _positions(eqn, x: Value, *others: Any, **params: Any) -> np.ndarray:
    """Which element of the flat ``x`` comes where, for primitives that only move elements about."""
    numbers = np.arange(x.size).reshape(x.shape)
    return np.asarray(eqn.primitive.bind(numbers, *others, **{**eqn.params, **params}))


def _moved(self: _Interpreter, eqn, x: Any, *others: Any) -> Value:
    if not isinstance(x, Value) or any(isinstance(o, Value) for o in others):
        raise NotImplementedError
    return self.low.picked(x, _positions(eqn, x, *others))


def _dynamic_slice(self: _Interpreter, eqn, x: Any, *starts: Any) -> Value:
    if any(isinstance(s, Value) for s in starts):
        raise NotImplementedError
    sizes = eqn.params["slice_sizes"]
    bounds = [min(max(int(s), 0), n - k) for s, n, k in zip(starts, x.shape, sizes, strict=True)]
    where = tuple(slice(b, b + k) for b, k in zip(bounds, sizes, strict=True))
    return self.low.reshaped(x, lambda a: a[where], False)


def _pad(self: _Interpreter, eqn, x: Any, value: Any) -> Any:
    positions = _positions(eqn, x, np.asarray(-1))
    found = self.low.picked(x, positions)
    return found if not isinstance(value, Value) and value == 0 else self.low.select(positions < 0, value, found)


def _replaced(self: _Interpreter, eqn, x: Any, *rest: Any) -> Value:
    """Elements of ``x`` replaced by others, at known places: ``dynamic_update_slice`` and ``scatter``."""
    low, update = self.low, eqn.primitive.name == "dynamic_update_slice"
    new, places = (rest[0], rest[1:]) if update else (rest[1], rest[:1])
    if any(isinstance(p, Value) for p in places):
        raise NotImplementedError
    values = [a if isinstance(a, Value) else low.value(a) for a in (x, new)]
    numbers = np.arange(values[0].size + values[1].size)
    old, fresh = (n.reshape(v.shape) for n, v in zip(np.split(numbers, [values[0].size]), values, strict=True))
    arguments = (old, fresh, *places) if update else (old, *places, fresh)
    positions = np.asarray(eqn.primitive.bind(*arguments, **eqn.params))
    flat = [low.reshaped(v, lambda a: a.reshape(-1), True) for v in values]
    return low.picked(low.joined(flat, 0), positions)


def _scatter_add(self: _Interpreter, eqn, x: Any, indices: Any, updates: Any) -> Any:
    low, numbers = self.low, eqn.params["dimension_numbers"]
    if x.ndim != 1 or tuple(numbers.inserted_window_dims) != (0,) or numbers.update_window_dims:
        raise NotImplementedError
    count = x.shape[0]
    updates = low.reshaped(low.value(updates), lambda a: a.reshape(-1), True)
    if isinstance(indices, Value):
        index = low.materialise(indices).buffer
        if index not in self.segments:
            raise NotImplementedError
        sums = low.segments(updates, self.segments[index], index, count)
    else:
        flat = indices.reshape(-1)
        inside = np.flatnonzero((flat >= 0) & (flat < count))
        order = inside[np.argsort(flat[inside], kind="stable")]
        if not (order.size == flat.size and (order == np.arange(flat.size)).all()):
            updates = low.picked(updates, order)
        index = low.constant(flat[order].astype(np.int32)).buffer
        rows = low.constant(np.searchsorted(flat[order], np.arange(count + 1)).astype(np.int64)).buffer
        sums = low.segments(updates, rows, index, count)
    return sums if not isinstance(x, Value) and not x.any() else low.op("add", x, sums)


_ARRAYS: dict[str, Callable[..., Any]] = {
    "broadcast_in_dim": _broadcast,
    "split": _split,
    "concatenate": _concatenate,
    "stack": _stack,
    "reduce_sum": _reduction("add"),
    "reduce_prod": _reduction("mul"),
    "reduce_max": _reduction("max"),
    "reduce_min": _reduction("min"),
    "reduce_and": _reduction("min"),
    "reduce_or": _reduction("max"),
    "dot_general": _product,
    "gather": _gather,
    "dynamic_slice": _dynamic_slice,
    "tile": _moved,
    "pad": _pad,
    "dynamic_update_slice": _replaced,
    "scatter": _replaced,
    "scatter-add": _scatter_add,
    "scatter_add": _scatter_add,
}


def _scan(self: _Interpreter, params, arguments: list[Any]) -> list[Any]:
    """A loop of fixed length, its rounds one after the other."""
    low, constants, carries = self.low, params["num_consts"], params["num_carry"]
    fixed: list[Any] = arguments[:constants]
    carry: list[Any] = arguments[constants : constants + carries]
    sequences = arguments[constants + carries :]
    kept: list[list[Any]] = []
    for k in sorted(range(params["length"]), reverse=params["reverse"]):
        rows: list[Any] = [low.reshaped(low.value(s), lambda a, k=k: a[k, ...], False) for s in sequences]
        results = self.call(params["jaxpr"], [*fixed, *carry, *rows])
        carry = results[:carries]
        kept.append(results[carries:])
    if params["reverse"]:
        kept.reverse()
    return [*carry, *(_stacked(low, column, 0) for column in zip(*kept, strict=True))]
