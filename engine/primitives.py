"""What each JAX primitive means for arrays of program values (see :mod:`attrax.engine.lowering`).

Arithmetic, shape, indexing, reductions and sorting; linear algebra is in
:mod:`attrax.engine.linear_algebra`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .lowering import BY_KIND, Array, Lowering, Rule, Rules, parts, plain
from .program import BOOL, FLOAT, INT

RULES = Rules()

# -- elementwise --------------------------------------------------------------------------------------

for _name in BY_KIND:
    RULES[_name] = lambda low, parameters, *arrays, name=_name: low.call(name, *arrays)
RULES["add_any"] = RULES["add"]

_NAMED_ALIKE = (
    *("floor", "ceil", "sqrt", "exp", "exp2", "expm1", "log", "log1p", "logistic", "erf", "erfc", "cbrt"),
    *(
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "asinh",
        "acosh",
        "atanh",
        "atan2",
    ),
)
for _name in _NAMED_ALIKE:
    RULES[_name] = lambda low, parameters, *arrays, name=_name: low.op(name, *arrays)
RULES["shift_left"] = lambda low, parameters, x, k: low.op("ishl", x, k)
RULES["shift_right_logical"] = lambda low, parameters, x, k: low.op("ilshr", x, k)
RULES["shift_right_arithmetic"] = lambda low, parameters, x, k: low.op("iashr", x, k)


@RULES("rsqrt")
def _(low, parameters, x):
    return low.op("div", 1.0, low.op("sqrt", x))


@RULES("is_finite")
def _(low, parameters, x):
    return low.op("lt", low.op("abs", x), np.inf)


@RULES("round")
def _(low, parameters, x):
    if int(parameters["rounding_method"]) == 1:
        return low.op("rint", x)
    almost_half = np.nextafter(0.5, 0.0)
    return low.op("trunc", low.op("add", x, low.op("copysign", almost_half, x)))


@RULES("pow")
def _(low, parameters, x, y):
    return low.op("pow", x, low.convert(y, FLOAT))


@RULES("integer_pow")
def _(low, parameters, x):
    n = parameters["y"]
    square, left = x, abs(n)
    result = low.convert(np.ones(x.shape, dtype=np.int64), low.kind(x))
    while left:
        if left & 1:
            result = low.call("mul", result, square)
        left >>= 1
        if left:
            square = low.call("mul", square, square)
    return low.op("div", 1.0, result) if n < 0 else result


@RULES("clamp")
def _(low, parameters, lowest, x, highest):
    return low.call("min", low.call("max", x, lowest), highest)


@RULES("select_n")
def _(low, parameters, which, *cases):
    if low.kind(which) == BOOL:
        return cases[0] if len(cases) == 1 else low.select(which, cases[1], cases[0])
    chosen = cases[0]
    for k, case in enumerate(cases[1:], start=1):
        chosen = low.select(low.op("ige", which, k), case, chosen)
    return chosen


def _before(low: Lowering, a: Array, b: Array) -> Array:
    """Whether ``a`` sorts before ``b``: smaller, or a number where ``b`` is NaN."""
    if low.kind(a) != FLOAT:
        return low.call("lt", a, b)
    return low.op("and", low.op("eq", a, a), low.op("not", low.op("ge", a, b)))


RULES["lt_to"] = lambda low, parameters, a, b: _before(low, a, b)
RULES["le_to"] = lambda low, parameters, a, b: low.op("not", _before(low, b, a))


@RULES("convert_element_type")
def _(low, parameters, x):
    to = np.dtype(parameters["new_dtype"])
    if to.kind not in "iu":
        return low.convert(x, BOOL if to.kind == "b" else FLOAT)
    if low.kind(x) == FLOAT:
        lowest, highest = np.iinfo(to).min, min(np.iinfo(to).max, 2**63 - 1024)
        number = low.select(low.op("eq", x, x), x, 0.0)
        x = low.op("min", low.op("max", number, float(lowest)), float(highest))
    return low.convert(x, INT)


@RULES("bitcast_convert_type")
def _(low, parameters, x):
    to = np.dtype(parameters["new_dtype"])
    if to.itemsize != 8:
        raise NotImplementedError
    if low.kind(x) == INT:
        return x if to.kind in "iu" else low.op("from_bits", x)
    return x if to.kind == "f" else low.op("bits", x)


@RULES("stop_gradient", "copy", "reduce_precision")
def _(low, parameters, x):
    return x


@RULES("platform_index")
def _(low, parameters):
    platforms = parameters["platforms"]
    return np.asarray(next(k for k, names in enumerate(platforms) if names is None or "cpu" in names))


@RULES("optimization_barrier", "device_put")
def _(low, parameters, *arrays):
    return list(arrays)


# -- shape --------------------------------------------------------------------------------------------


@RULES("reshape")
def _(low, parameters, x):
    return x.reshape(parameters["new_sizes"])


@RULES("squeeze")
def _(low, parameters, x):
    return x.squeeze(tuple(parameters["dimensions"]))


@RULES("expand_dims")
def _(low, parameters, x):
    return np.expand_dims(x, tuple(parameters["dimensions"]))


@RULES("transpose")
def _(low, parameters, x):
    return x.transpose(parameters["permutation"])


@RULES("rev")
def _(low, parameters, x):
    return np.flip(x, tuple(parameters["dimensions"]))


@RULES("broadcast_in_dim")
def _(low, parameters, x):
    shape = [1] * len(parameters["shape"])
    for axis, size in zip(parameters["broadcast_dimensions"], x.shape, strict=True):
        shape[axis] = size
    return np.broadcast_to(x.reshape(shape), parameters["shape"])


@RULES("tile")
def _(low, parameters, x):
    return np.tile(x, parameters["reps"])


@RULES("slice")
def _(low, parameters, x):
    strides = parameters["strides"] or (1,) * x.ndim
    bounds = zip(parameters["start_indices"], parameters["limit_indices"], strides, strict=True)
    return x[(*(slice(*b) for b in bounds), ...)]


@RULES("split")
def _(low, parameters, x):
    return np.split(x, np.cumsum(parameters["sizes"])[:-1], axis=parameters["axis"])


@RULES("concatenate")
def _(low, parameters, *arrays):
    filled = [a for a in arrays if a.size]
    return np.concatenate(low.alike(filled or arrays), axis=parameters["dimension"])


@RULES("stack")
def _(low, parameters, *arrays):
    return low.stack(arrays, axis=parameters["axis"])


@RULES("unstack")
def _(low, parameters, x):
    axis = parameters["axis"]
    return [np.squeeze(part, axis) for part in np.split(x, x.shape[axis], axis)]


@RULES("iota")
def _(low, parameters):
    shape, axis = parameters["shape"], parameters["dimension"]
    counts = np.arange(shape[axis]).reshape([-1 if k == axis else 1 for k in range(len(shape))])
    to = FLOAT if np.dtype(parameters["dtype"]).kind == "f" else INT
    return low.convert(np.broadcast_to(counts, shape), to)


@RULES("empty", "empty2")
def _(low, parameters):
    return plain(np.zeros(parameters.get("shape", ()), parameters["dtype"]))


@RULES("pad")
def _(low, parameters, x, value):
    config = parameters["padding_config"]
    sizes = [
        max(before + after + n + max(n - 1, 0) * gap, 0)
        for n, (before, after, gap) in zip(x.shape, config, strict=True)
    ]
    x, value = low.alike((x, value))
    result = np.full(sizes, value[()], dtype=x.dtype)
    targets, sources = [], []
    for n, size, (before, _, gap) in zip(x.shape, sizes, config, strict=True):
        places = before + (gap + 1) * np.arange(n)
        inside = (places >= 0) & (places < size)
        targets.append(places[inside])
        sources.append(np.arange(n)[inside])
    result[np.ix_(*targets)] = x[np.ix_(*sources)]
    return result


# -- indexing -----------------------------------------------------------------------------------------


@RULES("dynamic_slice")
def _(low, parameters, x, *starts):
    return low.window(x, starts, parameters["slice_sizes"])


@RULES("dynamic_update_slice")
def _(low, parameters, x, part, *starts):
    return low.put(x, _clamped(low, starts, x.shape, part.shape), part, None)


def _clamped(low: Lowering, starts: Iterable[Array], whole: Sequence[int], sizes: Sequence[int]) -> list[Array]:
    limits = (n - size for n, size in zip(whole, sizes, strict=True))
    return [low.op("imax", low.op("imin", s, limit), 0) for s, limit in zip(starts, limits, strict=True)]


@RULES("gather")
def _(low, parameters, x, indices):
    numbers, sizes = parameters["dimension_numbers"], parameters["slice_sizes"]
    gone = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    fill = parameters["mode"].name == "FILL_OR_DROP"
    batch = indices.shape[:-1]
    window = tuple(n for axis, n in enumerate(sizes) if axis not in gone)
    result = np.empty(batch + window, dtype=object)
    for b in np.ndindex(*batch):
        starts = _starts(
            x.ndim,
            b,
            indices[(*b, ...)],
            numbers.start_index_map,
            numbers.operand_batching_dims,
            numbers.start_indices_batching_dims,
        )
        part = low.window(x, starts, sizes)
        if fill:
            part = _or_missing(low, part, starts, x.shape, sizes, parameters["fill_value"])
        result[(*b, ...)] = low.as_traced(part).reshape(window)
    offset = tuple(numbers.offset_dims)
    rest = [axis for axis in range(result.ndim) if axis not in offset]
    result = result.transpose(np.argsort([*rest, *offset]).tolist())
    if x.dtype != object and (known := low.known(result)) is not None and known.size:
        return known
    return result if result.size else np.zeros(result.shape)


def _starts(ndim: int, b: tuple[int, ...], index: Array, mapped, batching, index_batching) -> list[Array]:
    starts: list[Array] = [np.asarray(0)] * ndim
    for k, axis in enumerate(mapped):
        starts[axis] = index[k, ...]
    for axis, position in zip(batching, index_batching, strict=True):
        starts[axis] = np.asarray(b[position])
    return starts


def _or_missing(low: Lowering, part: Array, starts, whole, sizes, value) -> Array:
    """The part of a gather, or the fill value where its index is out of bounds."""
    if value is None:
        value = {FLOAT: np.nan, INT: np.iinfo(np.int64).min, BOOL: True}[low.kind(part)]
    inside = np.asarray(True)
    for start, n, size in zip(starts, whole, sizes, strict=True):
        within = low.op("and", low.op("ige", start, 0), low.op("ile", start, n - size))
        inside = low.op("and", inside, within)
    return low.select(inside, part, plain(value))


def _scatter(low: Lowering, parameters, x: Array, indices: Array, updates: Array, combine: str | None) -> Array:
    numbers = parameters["dimension_numbers"]
    gone = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    window_dims = list(numbers.update_window_dims)
    batch_dims = [axis for axis in range(updates.ndim) if axis not in window_dims]
    updates = updates.transpose(batch_dims + window_dims)
    remaining = iter(updates.shape[len(batch_dims) :])
    sizes = tuple(1 if axis in gone else next(remaining) for axis in range(x.ndim))
    for b in np.ndindex(*indices.shape[:-1]):
        starts = _starts(
            x.ndim,
            b,
            indices[(*b, ...)],
            numbers.scatter_dims_to_operand_dims,
            numbers.operand_batching_dims,
            numbers.scatter_indices_batching_dims,
        )
        if parameters["mode"].name == "CLIP":
            starts = _clamped(low, starts, x.shape, sizes)
        x = low.put(x, starts, updates[(*b, ...)].reshape(sizes), combine)
    return x


def _scattering(combine: str | None) -> Rule:
    return lambda low, parameters, x, indices, updates: _scatter(low, parameters, x, indices, updates, combine)


RULES["scatter"] = _scattering(None)
for _name in ("add", "sub", "mul", "min", "max"):
    RULES[f"scatter-{_name}"] = RULES[f"scatter_{_name}"] = _scattering(_name)


# -- reductions ---------------------------------------------------------------------------------------


def _reduction(name: str, empty: Any) -> Rule:
    def rule(low: Lowering, parameters, x: Array) -> Array:
        axes = tuple(parameters["axes"])
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        shape = tuple(x.shape[axis] for axis in kept)
        count = math.prod(x.shape[axis] for axis in axes)
        rows = x.transpose([*axes, *kept]).reshape(count, *shape)
        return low.fold(name, parts(rows)) if count else np.full(shape, empty)

    return rule


RULES["reduce_sum"] = _reduction("add", 0.0)
RULES["reduce_prod"] = _reduction("mul", 1.0)
RULES["reduce_max"] = _reduction("max", -np.inf)
RULES["reduce_min"] = _reduction("min", np.inf)
RULES["reduce_and"] = _reduction("and", True)
RULES["reduce_or"] = _reduction("or", False)
RULES["reduce_xor"] = _reduction("xor", False)


def _cumulation(name: str) -> Rule:
    def rule(low: Lowering, parameters, x: Array) -> Array:
        if not x.size:
            return x
        step = -1 if parameters["reverse"] else 1
        results = itertools.accumulate(parts(x, parameters["axis"])[::step], lambda a, b: low.call(name, a, b))
        return low.stack(list(results)[::step], parameters["axis"])

    return rule


for _name, _operation in (("cumsum", "add"), ("cumprod", "mul"), ("cummax", "max"), ("cummin", "min")):
    RULES[_name] = _cumulation(_operation)


def _extreme(better: str) -> Rule:
    """Index of the first largest or smallest element; a NaN is more extreme than any number."""

    def rule(low: Lowering, parameters, x: Array) -> Array:
        (axis,) = parameters["axes"]
        best, *others = parts(x, axis)
        index = np.zeros(best.shape, dtype=np.int64)
        for k, part in enumerate(others, start=1):
            if low.kind(part) == FLOAT:
                not_worse = low.op("not", low.op({"gt": "le", "lt": "ge"}[better], part, best))
                take = low.op("and", low.op("eq", best, best), not_worse)
            else:
                take = low.call(better, part, best)
            best, index = low.select(take, part, best), low.select(take, np.asarray(k), index)
        return index

    return rule


RULES["argmax"] = _extreme("gt")
RULES["argmin"] = _extreme("lt")


@RULES("sort")
def _(low, parameters, *arrays):
    axis, keys = parameters["dimension"], parameters["num_keys"]
    columns = [parts(a, axis) for a in arrays]
    for end in range(len(columns[0]) - 1, 0, -1):
        for k in range(end):
            swap = np.asarray(False)
            for column in reversed(columns[:keys]):
                left, right = column[k], column[k + 1]
                same = low.op("not", low.op("or", _before(low, left, right), _before(low, right, left)))
                swap = low.op("or", _before(low, right, left), low.op("and", same, swap))
            for column in columns:
                left, right = column[k], column[k + 1]
                column[k], column[k + 1] = low.select(swap, right, left), low.select(swap, left, right)
    return [low.stack(c, axis=axis) if c else a for c, a in zip(columns, arrays, strict=True)]
