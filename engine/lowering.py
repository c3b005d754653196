"""Arrays of program values, and the operations on them in which JAX primitives are expressed.

An array is either *known*, a plain NumPy array (of 64-bit floats, 64-bit integers or bools), or
*traced*, an object array of values of a :class:`~attrax.engine.program.Builder`. Known arrays are
computed with NumPy on the spot. On traced ones, whatever moves numbers about (slices, reshapes,
broadcasts, gathers) costs nothing, and whatever computes emits one operation per element.

All floats are 64-bit and all integers are 64-bit, whatever narrower type JAX gives them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .folding import apply
from .program import BOOL, FLOAT, INT, Builder, Table

Array = np.ndarray
TABULATED = 8
"""Number of elements from which a known array at a traced index is a table in memory, not a chain of choices."""
LARGEST_TABLE = 2**20
Rule = Callable[..., Any]


class Rules(dict[str, Rule]):
    """Primitive -> ``rule(lowering, parameters, *arrays)``, which returns an array or a list of arrays."""

    def __call__(self, *primitives: str) -> Callable[[Rule], Rule]:
        """Decorator: the rule of ``primitives``."""

        def register(rule: Rule) -> Rule:
            self.update(dict.fromkeys(primitives, rule))
            return rule

        return register


def plain(value: Any) -> Array:
    """A known array: ``value`` with 64-bit floats, 64-bit integers or bools."""
    array = np.asarray(value)
    if array.dtype.kind == "b":
        return array
    return array.astype(np.int64 if array.dtype.kind in "iu" else np.float64, copy=False)


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
        return traced([operate(name, *row) for row in zip(*columns, strict=True)], shape)

    def call(self, name: str, *operands: Any) -> Array:
        """A function of :data:`BY_KIND`: the operation that fits the type of its last operand."""
        operation = BY_KIND[name].get(self.kind(operands[-1]))
        if operation is None:
            raise NotImplementedError(name)
        return operation(self, *operands) if callable(operation) else self.op(operation, *operands)

    def kind(self, array: Any) -> str:
        """FLOAT, INT or BOOL."""
        array = np.asarray(array)
        if array.dtype == object:
            return self.builder.type(array.flat[0]) if array.size else FLOAT
        return {"b": BOOL, "i": INT, "f": FLOAT}[array.dtype.kind]

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
        if array.dtype == np.float64 and last >= TABULATED:
            return self._looked_up(array, axis, start, size)
        chosen = part(0)
        for k in range(1, last + 1):
            chosen = self.select(self.op("ige", start, k), part(k), chosen)
        return chosen

    def _looked_up(self, array: Array, axis: int, start: Array, size: int) -> Array:
        if array.size > LARGEST_TABLE:
            raise NotImplementedError("a table of this size")
        table, last = Table(array), array.shape[axis] - size
        step = array[(0,) * (axis + 1)].size if array.size else 1
        (first,) = self.values(self.op("imul", self.op("imin", self.op("imax", start, 0), last), step).reshape(1))
        places = np.arange(array.size).reshape(array.shape)[(slice(None),) * axis + (slice(0, size),)]
        indices = [self.builder.iadd(first, self.builder.constant(k)) for k in places.ravel().tolist()]
        return traced([self.builder.lookup(table, index) for index in indices], places.shape)

    def put(self, array: Array, starts: Sequence[Array], part: Array, combine: str | None) -> Array:
        """The array with ``part`` written at (or combined into) a window, left alone if that sticks out."""
        array = self.as_traced(array)
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
            array[where] = self.as_traced(new)
        return array

    def as_traced(self, array: Array) -> Array:
        """The array as an object array of values, a new one."""
        return array.copy() if array.dtype == object else traced(self.values(array), array.shape)

    def alike(self, arrays: Sequence[Array]) -> Sequence[Array]:
        """The arrays, all traced if one is, so that NumPy can join them."""
        if all(a.dtype != object for a in arrays):
            return arrays
        return [self.as_traced(a) for a in arrays]

    def stack(self, arrays: Sequence[Array], axis: int = -1) -> Array:
        """The arrays joined along a new axis."""
        return np.stack(self.alike(arrays), axis=axis)


def traced(values: Sequence[int], shape: tuple[int, ...]) -> Array:
    """A traced array of values in C order (a known one, if it is empty)."""
    if not values:
        return np.zeros(shape)
    return np.array(values, dtype=object).reshape(shape)


def parts(array: Array, axis: int = 0) -> list[Array]:
    """The slices of an array along an axis (as arrays, also where they are of no dimension)."""
    array = np.moveaxis(array, axis, 0)
    return [array[k, ...] for k in range(len(array))]


# -- functions that differ by type ------------------------------------------------------------------


def _sign(low: Lowering, x: Array) -> Array:
    return low.select(low.op("gt", low.op("abs", x), 0.0), low.op("copysign", 1.0, x), x)


def _int_sign(low: Lowering, x: Array) -> Array:
    return low.op("imin", low.op("imax", x, -1), 1)


def _of_ints(name: str) -> Rule:
    """Comparison of bools as integers."""
    return lambda low, a, b: low.op(name, low.convert(a, INT), low.convert(b, INT))


def _same(low: Lowering, a: Array, b: Array) -> Array:
    return low.op("not", low.op("xor", a, b))


BY_KIND: dict[str, dict[str, str | Rule]] = {
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
    "eq": {FLOAT: "eq", INT: "ieq", BOOL: _same},
    "ne": {FLOAT: "ne", INT: "ine", BOOL: "xor"},
    **{name: {FLOAT: name, INT: "i" + name, BOOL: _of_ints("i" + name)} for name in ("lt", "le", "gt", "ge")},
    "and": {BOOL: "and", INT: "iand"},
    "or": {BOOL: "or", INT: "ior"},
    "xor": {BOOL: "xor", INT: "ixor"},
    "not": {BOOL: "not", INT: lambda low, x: low.op("ixor", x, -1)},
    "square": {FLOAT: lambda low, x: low.op("mul", x, x), INT: lambda low, x: low.op("imul", x, x)},
}
"""Function -> what it is for arguments of each type: an operation, or a rule of the arrays."""
