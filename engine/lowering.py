"""JAX primitives become scalar operations: what each primitive means for arrays of program values.

An array is either *known*, a plain NumPy array (of 64-bit floats, 64-bit integers or bools), or
*traced*, an object array of values of a :class:`~attrax.engine.program.Builder`. Known arrays are
computed with NumPy on the spot. On traced ones, whatever moves numbers about (slices, reshapes,
broadcasts, gathers) costs nothing, and whatever computes emits one operation per element.

All floats are 64-bit and all integers are 64-bit, whatever narrower type JAX gives them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .folding import apply
from .program import BOOL, FLOAT, INT, Builder

Array = np.ndarray
Rule = Callable[..., Any]

RULES: dict[str, Rule] = {}
"""Primitive -> ``rule(lowering, parameters, *arrays)``, which returns an array or a list of arrays."""


def plain(value: Any) -> Array:
    """A known array: ``value`` with 64-bit floats, 64-bit integers or bools."""
    array = np.asarray(value)
    if array.dtype.kind == "b":
        return array
    return array.astype(np.int64 if array.dtype.kind in "iu" else np.float64, copy=False)


def kind(array: Array, builder: Builder) -> str:
    """FLOAT, INT or BOOL."""
    if array.dtype == object:
        return builder.type(array.flat[0])
    return {"b": BOOL, "i": INT, "f": FLOAT}[array.dtype.kind]


class Lowering:
    """Operations on arrays, known or traced, that the rules are written in."""

    def __init__(self, builder: Builder):
        self.builder = builder

    def op(self, name: str, *operands: Any) -> Array:
        """An operation of :data:`~attrax.engine.program.OPERATIONS`, elementwise with broadcasting."""
        arrays = [np.asarray(a) for a in operands]
        if all(a.dtype != object for a in arrays):
            return np.asarray(apply(name, *arrays))
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
        operate = self.builder.op
        columns = [self.values(a if a.shape == shape else np.broadcast_to(a, shape)) for a in arrays]
        return _traced([operate(name, *row) for row in zip(*columns, strict=True)], shape)

    def call(self, name: str, *operands: Any) -> Array:
        """A function of :data:`_BY_KIND`: the operation that fits the type of its last operand."""
        operation = _BY_KIND[name].get(self.kind(operands[-1]))
        if operation is None:
            raise NotImplementedError(name)
        return operation(self, *operands) if callable(operation) else self.op(operation, *operands)

    def kind(self, array: Any) -> str:
        """FLOAT, INT or BOOL."""
        return kind(np.asarray(array), self.builder)

    def values(self, array: Array) -> list[int]:
        """Program values of an array in C order; constants where it is known."""
        if array.dtype == object:
            return array.ravel().tolist()
        return [self.builder.constant(v) for v in array.ravel().tolist()]

    def known(self, array: Array) -> Array | None:
        """The numbers of an array all of whose elements are constants, else None."""
        if array.dtype != object:
            return array
        instructions = [self.builder.instructions[v] for v in array.ravel().tolist()]
        if any(i.op != "constant" for i in instructions):
            return None
        return plain([i.payload for i in instructions]).reshape(array.shape)

    def select(self, condition: Any, yes: Any, no: Any) -> Array:
        """``yes`` where ``condition`` holds, else ``no``."""
        return self.op({FLOAT: "select", INT: "iselect", BOOL: "bselect"}[self.kind(yes)], condition, yes, no)

    def convert(self, array: Array, to: str) -> Array:
        """The array as FLOAT, INT (truncated) or BOOL (not zero)."""
        given = self.kind(array)
        if given == to:
            return array
        if to == BOOL:
            return self.op("ne", array, 0.0) if given == FLOAT else self.op("ine", array, 0)
        name = {FLOAT: "to_int", INT: "to_float", BOOL: f"bool_to_{to}"}[given]
        return self.op(name, array)

    def fold(self, name: str, parts: Sequence[Array]) -> Array:
        """``name`` between all parts, as a balanced tree."""
        parts = list(parts)
        while len(parts) > 1:
            pairs = [self.call(name, a, b) for a, b in zip(parts[::2], parts[1::2], strict=False)]
            parts = pairs + parts[len(pairs) * 2 :]
        return parts[0]

    def window(self, array: Array, starts: Sequence[Array], sizes: Sequence[int]) -> Array:
        """``array[start : start + size, ...]``, moved inside if it sticks out; traced starts select."""
        for axis, (start, size) in enumerate(zip(starts, sizes, strict=True)):
            array = self._along(array, axis, start, size)
        return array

    def _along(self, array: Array, axis: int, start: Array, size: int) -> Array:
        last = array.shape[axis] - size

        def part(k: int) -> Array:
            return array[(slice(None),) * axis + (slice(k, k + size),)]

        number = self.known(start)
        if number is not None:
            return part(min(max(int(number), 0), last))
        chosen = part(0)
        for k in range(1, last + 1):
            chosen = self.select(self.op("ige", start, k), part(k), chosen)
        return chosen

    def put(self, array: Array, starts: Sequence[Array], part: Array, combine: str | None) -> Array:
        """The array with ``part`` written at (or combined into) a window, left alone if that sticks out."""
        array = self._as_object(array)
        places = []
        for start, whole, size in zip(starts, array.shape, part.shape, strict=True):
            number = self.known(start)
            inside = range(whole - size + 1)
            places.append([k for k in inside if number is None or k == int(number)])
        original = array.copy()
        for corner in itertools.product(*places):
            where = tuple(slice(k, k + size) for k, size in zip(corner, part.shape, strict=True))
            new = part if combine is None else self.call(combine, original[where], part)
            for start, k in zip(starts, corner, strict=True):
                if self.known(start) is None:
                    new = self.select(self.op("ieq", start, k), new, array[where])
            array[where] = self._as_object(new)
        return array

    def _as_object(self, array: Array) -> Array:
        return array.copy() if array.dtype == object else _traced(self.values(array), array.shape)


def _traced(values: Sequence[int], shape: tuple[int, ...]) -> Array:
    if not values:
        return np.zeros(shape)
    return np.array(values, dtype=object).reshape(shape)


def _parts(array: Array, axis: int = 0) -> list[Array]:
    """The slices of an array along an axis (as arrays, also where they are of no dimension)."""
    array = np.moveaxis(array, axis, 0)
    return [array[k, ...] for k in range(len(array))]


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, rule))
        return rule

    return register


# -- elementwise --------------------------------------------------------------------------------------


def _sign(low: Lowering, x: Array) -> Array:
    return low.select(low.op("gt", low.op("abs", x), 0.0), low.op("copysign", 1.0, x), x)


def _int_sign(low: Lowering, x: Array) -> Array:
    return low.op("imin", low.op("imax", x, -1), 1)


def _of_ints(name: str) -> Rule:
    """Comparison of bools as integers."""
    return lambda low, a, b: low.op(name, low.convert(a, INT), low.convert(b, INT))


def _composed(*names: str) -> Rule:
    """``names[0](names[1](... (arguments)))``."""

    def compute(low: Lowering, *arrays: Array) -> Array:
        result = low.op(names[-1], *arrays)
        for name in names[-2::-1]:
            result = low.op(name, result)
        return result

    return compute


# function -> what it is for each type of its arguments: an operation or a rule
_BY_KIND: dict[str, dict[str, str | Rule]] = {
    "add": {FLOAT: "add", INT: "iadd", BOOL: "or"},
    "sub": {FLOAT: "sub", INT: "isub"},
    "mul": {FLOAT: "mul", INT: "imul", BOOL: "and"},
    "div": {FLOAT: "div", INT: "idiv"},
    "rem": {FLOAT: "fmod", INT: "irem"},
    "max": {FLOAT: "max", INT: "imax", BOOL: "or"},
    "min": {FLOAT: "min", INT: "imin", BOOL: "and"},
    "neg": {FLOAT: "neg", INT: "ineg"},
    "abs": {FLOAT: "abs", INT: "iabs"},
    "sign": {FLOAT: _sign, INT: _int_sign},
    "eq": {FLOAT: "eq", INT: "ieq", BOOL: _composed("not", "xor")},
    "ne": {FLOAT: "ne", INT: "ine", BOOL: "xor"},
    **{name: {FLOAT: name, INT: "i" + name, BOOL: _of_ints("i" + name)} for name in ("lt", "le", "gt", "ge")},
    "and": {BOOL: "and", INT: "iand"},
    "or": {BOOL: "or", INT: "ior"},
    "xor": {BOOL: "xor", INT: "ixor"},
    "not": {BOOL: "not", INT: lambda low, x: low.op("ixor", x, -1)},
    "square": {FLOAT: lambda low, x: low.op("mul", x, x), INT: lambda low, x: low.op("imul", x, x)},
}
for _name in _BY_KIND:
    RULES[_name] = lambda low, parameters, *arrays, name=_name: low.call(name, *arrays)
RULES["add_any"] = RULES["add"]

_ALIKE = ("floor", "ceil", "sqrt", "exp", "exp2", "expm1", "log", "log1p", "logistic", "erf", "erfc", "cbrt", "atan2")
_ALIKE += ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh")
for _name in _ALIKE:
    RULES[_name] = lambda low, parameters, *arrays, name=_name: low.op(name, *arrays)
RULES["shift_left"] = lambda low, parameters, x, k: low.op("ishl", x, k)
RULES["shift_right_logical"] = lambda low, parameters, x, k: low.op("ilshr", x, k)
RULES["shift_right_arithmetic"] = lambda low, parameters, x, k: low.op("iashr", x, k)


@_rule("rsqrt")
def _(low, parameters, x):
    return low.op("div", 1.0, low.op("sqrt", x))


@_rule("is_finite")
def _(low, parameters, x):
    return low.op("lt", low.op("abs", x), np.inf)


@_rule("round")
def _(low, parameters, x):
    if int(parameters["rounding_method"]) == 1:
        return low.op("rint", x)
    almost_half = np.nextafter(0.5, 0.0)
    return low.op("trunc", low.op("add", x, low.op("copysign", almost_half, x)))


@_rule("pow")
def _(low, parameters, x, y):
    return low.op("pow", x, low.convert(y, FLOAT))


@_rule("integer_pow")
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


@_rule("clamp")
def _(low, parameters, lowest, x, highest):
    return low.call("min", low.call("max", x, lowest), highest)


@_rule("select_n")
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


@_rule("convert_element_type")
def _(low, parameters, x):
    return low.convert(x, {"b": BOOL, "i": INT, "u": INT}.get(np.dtype(parameters["new_dtype"]).kind, FLOAT))


@_rule("bitcast_convert_type")
def _(low, parameters, x):
    to = np.dtype(parameters["new_dtype"])
    if to.itemsize != 8:
        raise NotImplementedError
    if low.kind(x) == INT:
        return x if to.kind in "iu" else low.op("from_bits", x)
    return x if to.kind == "f" else low.op("bits", x)


@_rule("stop_gradient", "copy", "copy_p", "reduce_precision")
def _(low, parameters, x):
    return x


@_rule("platform_index")
def _(low, parameters):
    platforms = parameters["platforms"]
    return np.asarray(next(k for k, names in enumerate(platforms) if names is None or "cpu" in names))


@_rule("optimization_barrier", "device_put")
def _(low, parameters, *arrays):
    return list(arrays)


# -- shape --------------------------------------------------------------------------------------------


@_rule("reshape")
def _(low, parameters, x):
    return x.reshape(parameters["new_sizes"])


@_rule("squeeze")
def _(low, parameters, x):
    return x.squeeze(tuple(parameters["dimensions"]))


@_rule("expand_dims")
def _(low, parameters, x):
    return np.expand_dims(x, tuple(parameters["dimensions"]))


@_rule("transpose")
def _(low, parameters, x):
    return x.transpose(parameters["permutation"])


@_rule("rev")
def _(low, parameters, x):
    return np.flip(x, tuple(parameters["dimensions"]))


@_rule("broadcast_in_dim")
def _(low, parameters, x):
    shape = [1] * len(parameters["shape"])
    for axis, size in zip(parameters["broadcast_dimensions"], x.shape, strict=True):
        shape[axis] = size
    return np.broadcast_to(x.reshape(shape), parameters["shape"])


@_rule("tile")
def _(low, parameters, x):
    return np.tile(x, parameters["reps"])


@_rule("slice")
def _(low, parameters, x):
    strides = parameters["strides"] or (1,) * x.ndim
    bounds = zip(parameters["start_indices"], parameters["limit_indices"], strides, strict=True)
    return x[(*(slice(*b) for b in bounds), ...)]


@_rule("split")
def _(low, parameters, x):
    return np.split(x, np.cumsum(parameters["sizes"])[:-1], axis=parameters["axis"])


@_rule("concatenate")
def _(low, parameters, *arrays):
    return np.concatenate(_same_kind(low, arrays), axis=parameters["dimension"])


@_rule("stack")
def _(low, parameters, *arrays):
    return np.stack(_same_kind(low, arrays), axis=parameters["axis"])


def _same_kind(low: Lowering, arrays: Sequence[Array]) -> Sequence[Array]:
    if all(a.dtype != object for a in arrays):
        return arrays
    return [low._as_object(a) for a in arrays]


@_rule("iota")
def _(low, parameters):
    shape, axis = parameters["shape"], parameters["dimension"]
    counts = np.arange(shape[axis]).reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return low.convert(np.broadcast_to(counts, shape), FLOAT if np.dtype(parameters["dtype"]).kind == "f" else INT)


@_rule("pad")
def _(low, parameters, x, value):
    config = parameters["padding_config"]
    sizes = [max(before + after + n + max(n - 1, 0) * gap, 0) for n, (before, after, gap) in zip(x.shape, config, strict=True)]
    x, value = _same_kind(low, (x, value))
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


@_rule("dynamic_slice")
def _(low, parameters, x, *starts):
    return low.window(x, starts, parameters["slice_sizes"])


@_rule("dynamic_update_slice")
def _(low, parameters, x, part, *starts):
    return low.put(x, _clamped(low, starts, x.shape, part.shape), part, None)


def _clamped(low: Lowering, starts: Iterable[Array], whole: Sequence[int], sizes: Sequence[int]) -> list[Array]:
    limits = (n - size for n, size in zip(whole, sizes, strict=True))
    return [low.op("imax", low.op("imin", s, limit), 0) for s, limit in zip(starts, limits, strict=True)]


@_rule("gather")
def _(low, parameters, x, indices):
    numbers, sizes = parameters["dimension_numbers"], parameters["slice_sizes"]
    gone = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    fill = parameters["mode"].name == "FILL_OR_DROP"
    batch = indices.shape[:-1]
    window = tuple(n for axis, n in enumerate(sizes) if axis not in gone)
    result = np.empty(batch + window, dtype=object)
    for b in np.ndindex(*batch):
        starts = _starts(
            x.ndim, b, indices[(*b, ...)], numbers.start_index_map, numbers.operand_batching_dims, numbers.start_indices_batching_dims
        )
        part = low.window(x, starts, sizes)
        if fill:
            part = _or_missing(low, part, starts, x.shape, sizes, parameters["fill_value"])
        result[(*b, ...)] = low._as_object(part).reshape(window)
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


_COMBINE = {
    "scatter": None,
    "scatter-add": "add",
    "scatter_add": "add",
    "scatter-sub": "sub",
    "scatter_sub": "sub",
    "scatter-mul": "mul",
    "scatter_mul": "mul",
    "scatter-min": "min",
    "scatter_min": "min",
    "scatter-max": "max",
    "scatter_max": "max",
}


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


for _name, _combine in _COMBINE.items():
    RULES[_name] = lambda low, parameters, *arrays, combine=_combine: _scatter(low, parameters, *arrays, combine)


# -- reductions ---------------------------------------------------------------------------------------


def _reduction(name: str, empty: Any) -> Rule:
    def rule(low: Lowering, parameters, x: Array) -> Array:
        axes = tuple(parameters["axes"])
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        shape = tuple(x.shape[axis] for axis in kept)
        rows = x.transpose(list(axes) + kept).reshape(-1, *shape)
        if not len(rows):
            return np.full(shape, empty)
        return low.fold(name, _parts(rows))

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
        parts = _parts(x, parameters["axis"])
        parts = parts[::-1] if parameters["reverse"] else parts
        results = list(itertools.accumulate(parts, lambda a, b: low.call(name, a, b)))
        results = results[::-1] if parameters["reverse"] else results
        return np.stack(_same_kind(low, results), axis=parameters["axis"])

    return rule


for _name, _operation in (("cumsum", "add"), ("cumprod", "mul"), ("cummax", "max"), ("cummin", "min")):
    RULES[_name] = _cumulation(_operation)


def _extreme(better: str) -> Rule:
    """Index of the first largest or smallest element; a NaN is more extreme than any number."""

    def rule(low: Lowering, parameters, x: Array) -> Array:
        (axis,) = parameters["axes"]
        parts = _parts(x, axis)
        best, index = parts[0], np.zeros(parts[0].shape, dtype=np.int64)
        for k, part in enumerate(parts[1:], start=1):
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


@_rule("sort")
def _(low, parameters, *arrays):
    axis, keys = parameters["dimension"], parameters["num_keys"]
    columns = [_parts(a, axis) for a in arrays]
    for end in range(len(columns[0]) - 1, 0, -1):
        for k in range(end):
            swap = np.asarray(False)
            for column in columns[keys - 1 :: -1] if keys < len(columns) else columns[::-1]:
                left, right = column[k], column[k + 1]
                same = low.op("not", low.op("or", _before(low, left, right), _before(low, right, left)))
                swap = low.op("or", _before(low, right, left), low.op("and", same, swap))
            for column in columns:
                left, right = column[k], column[k + 1]
                column[k], column[k + 1] = low.select(swap, right, left), low.select(swap, left, right)
    return [np.stack(_same_kind(low, c), axis=axis) if c else a for c, a in zip(columns, arrays, strict=True)]


# -- linear algebra -----------------------------------------------------------------------------------


@_rule("dot_general")
def _(low, parameters, a, b):
    (contract_a, contract_b), (batch_a, batch_b) = parameters["dimension_numbers"]
    free_a = [k for k in range(a.ndim) if k not in (*contract_a, *batch_a)]
    free_b = [k for k in range(b.ndim) if k not in (*contract_b, *batch_b)]
    shape = [a.shape[k] for k in (*batch_a, *free_a)] + [b.shape[k] for k in free_b]
    length = int(np.prod([a.shape[k] for k in contract_a]))
    batches = int(np.prod([a.shape[k] for k in batch_a]))
    a = a.transpose([*batch_a, *free_a, *contract_a]).reshape(batches, -1, length)
    b = b.transpose([*batch_b, *free_b, *contract_b]).reshape(batches, -1, length)
    if a.dtype != object and b.dtype != object:
        return np.einsum("bik,bjk->bij", a, b).reshape(shape)
    if low.kind(a) != FLOAT:
        products = low.call("mul", a[:, :, None, :], b[:, None, :, :])
        return low.fold("add", _parts(products, -1)).reshape(shape)
    rows_a = [[low.values(row) for row in batch] for batch in a]
    rows_b = [[low.values(row) for row in batch] for batch in b]
    return _traced(
        [_dot(low, x, y) for batch in range(batches) for x in rows_a[batch] for y in rows_b[batch]], tuple(shape)
    )


def _dot(low: Lowering, x: list[int], y: list[int]) -> int:
    zeros = (low.builder.constant(0.0), low.builder.constant(-0.0))
    pairs = [(a, b) for a, b in zip(x, y, strict=True) if a not in zeros and b not in zeros]
    return low.builder.sum([low.builder.op("mul", a, b) for a, b in pairs])


@_rule("lu")
def _(low, parameters, a):
    """Rows are exchanged by selection, so that the pivots are data: ``a[permutation] = L U``."""
    rows, columns = a.shape[-2:]
    lead = a.shape[:-2]
    m = [[a[..., i, j] for j in range(columns)] for i in range(rows)]
    order = [np.full(lead, i) for i in range(rows)]
    pivots = []
    for k in range(min(rows, columns)):
        largest, pivot = low.op("abs", m[k][k]), np.full(lead, k)
        for i in range(k + 1, rows):
            size = low.op("abs", m[i][k])
            larger = low.op("gt", size, largest)
            largest, pivot = low.select(larger, size, largest), low.select(larger, np.asarray(i), pivot)
        pivots.append(pivot)
        _exchange(low, m, k, pivot)
        table = [[o] for o in order]
        _exchange(low, table, k, pivot)
        order = [row[0] for row in table]
        for i in range(k + 1, rows):
            factor = m[i][k] = low.op("div", m[i][k], m[k][k])
            for j in range(k + 1, columns):
                m[i][j] = low.op("sub", m[i][j], low.op("mul", factor, m[k][j]))
    factors = _stacked(low, [_stacked(low, row) for row in m], axis=-2)
    return [factors, _stacked(low, pivots), _stacked(low, order)]


def _exchange(low: Lowering, rows: list[list[Array]], k: int, other: Array) -> None:
    """Exchange row ``k`` and the later row whose number is ``other`` (data)."""
    first = list(rows[k])
    for i in range(k + 1, len(rows)):
        chosen = low.op("ieq", other, i)
        rows[k] = [low.select(chosen, x, y) for x, y in zip(rows[i], rows[k], strict=True)]
        rows[i] = [low.select(chosen, x, y) for x, y in zip(first, rows[i], strict=True)]


def _stacked(low: Lowering, parts: Sequence[Array], axis: int = -1) -> Array:
    return np.stack(_same_kind(low, parts), axis=axis)


@_rule("lu_pivots_to_permutation")
def _(low, parameters, pivots):
    lead, size = pivots.shape[:-1], parameters["permutation_size"]
    rows = [[np.full(lead, i)] for i in range(size)]
    for k in range(pivots.shape[-1]):
        _exchange(low, rows, k, pivots[..., k])
    return _stacked(low, [row[0] for row in rows])


@_rule("triangular_solve")
def _(low, parameters, a, b):
    lower, transposed, on_left = parameters["lower"], parameters["transpose_a"], parameters["left_side"]
    if not on_left:
        b, transposed = np.swapaxes(b, -1, -2), not transposed
    if transposed:
        a, lower = np.swapaxes(a, -1, -2), not lower
    n = a.shape[-1]
    x: list[Array] = [b[..., i, :] for i in range(n)]
    done: list[int] = []
    for i in range(n) if lower else reversed(range(n)):
        for j in done:
            x[i] = low.op("sub", x[i], low.op("mul", a[..., i, j, None], x[j]))
        if not parameters["unit_diagonal"]:
            x[i] = low.op("div", x[i], a[..., i, i, None])
        done.append(i)
    result = _stacked(low, x, axis=-2)
    return result if on_left else np.swapaxes(result, -1, -2)


@_rule("cholesky")
def _(low, parameters, a):
    n = a.shape[-1]
    zero = np.zeros(a.shape[:-2])
    factor: list[list[Array]] = [[zero] * n for _ in range(n)]
    for j in range(n):
        for i in range(j, n):
            rest = a[..., i, j]
            for k in range(j):
                rest = low.op("sub", rest, low.op("mul", factor[i][k], factor[j][k]))
            factor[i][j] = low.op("sqrt", rest) if i == j else low.op("div", rest, factor[j][j])
    return _stacked(low, [_stacked(low, row) for row in factor], axis=-2)
