"""Arithmetic on values of a builder, written as on numbers; sums of two doubles for twice the precision.

(T. J. Dekker, Numer. Math. 18, 1971.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .program import INT, Builder


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """A value of a builder, with Python's operators; plain numbers become constants of its type."""

    builder: Builder
    value: int

    @property
    def type(self) -> str:
        return self.builder.type(self.value)

    def constant(self, value: float | int) -> Number:
        return Number(self.builder, self.builder.constant(value))

    def apply(self, op: str, *others: Number | float) -> Number:
        operands = (o if isinstance(o, Number) else self.constant(o) for o in others)
        return Number(self.builder, self.builder.op(op, self.value, *(o.value for o in operands)))

    def __add__(self, other):
        return self.apply("iadd" if self.type == INT else "add", other)

    def __radd__(self, other):
        return self.constant(other) + self

    def __sub__(self, other):
        return self.apply("isub" if self.type == INT else "sub", other)

    def __rsub__(self, other):
        return self.constant(other) - self

    def __mul__(self, other):
        return self.apply("mul", other)

    def __rmul__(self, other):
        return self.constant(other) * self

    def __truediv__(self, other):
        return self.apply("div", other)

    def __rtruediv__(self, other):
        return self.constant(other) / self

    def __neg__(self):
        return self.apply("neg")

    def __abs__(self):
        return self.apply("abs")

    def __lt__(self, other):
        return self.apply("ilt" if self.type == INT else "lt", other)

    def __gt__(self, other):
        return self.apply("gt", other)

    def __and__(self, other):
        return self.apply("iand" if self.type == INT else "and", other)

    def __or__(self, other):
        return self.apply("ior" if self.type == INT else "or", other)

    def __xor__(self, other):
        return self.apply("ixor" if self.type == INT else "xor", other)

    def __lshift__(self, count):
        return self.apply("ishl", count)

    def __rshift__(self, count):
        """Zeros come in from the left."""
        return self.apply("ilshr", count)

    def __invert__(self):
        return self.apply("not")


def fma(a: Number, b: Number | float, c: Number | float) -> Number:
    return a.apply("fma", b, c)


def select(condition: Number, a: Number | float, b: Number | float) -> Number:
    return condition.apply("select", a, b)


def equal(a: Number, b: Number | float) -> Number:
    return a.apply("eq", b)


def at_most(x: Number, limit: float) -> Number:
    """NaN stays NaN."""
    return select(x > limit, limit, x)


def clamp(x: Number, lower: float, upper: float) -> Number:
    """NaN stays NaN."""
    x = at_most(x, upper)
    return select(x < lower, lower, x)


def copysign(a: Number, b: Number) -> Number:
    return a.apply("copysign", b)


def sqrt(a: Number) -> Number:
    return a.apply("sqrt")


def trunc(a: Number) -> Number:
    return a.apply("trunc")


def bits_of(a: Number) -> Number:
    return a.apply("bits")


def from_bits(a: Number) -> Number:
    return a.apply("from_bits")


def exact_square(a: Number) -> tuple[Number, Number]:
    """``a**2``, and what rounding took from it."""
    square = a * a
    return square, fma(a, a, -square)


def fast_two_sum(a: Number, b: Number | float) -> tuple[Number, Number]:
    """``a + b``, and what rounding took from it, for ``abs(a) >= abs(b)``."""
    total = a + b
    return total, b - (total - a)


def two_sum(a: Number, b: Number | float) -> tuple[Number, Number]:
    """``a + b``, and what rounding took from it."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def sqrt_sum(a: Number, low: Number) -> tuple[Number, Number]:
    """The square root of ``a + low`` as a sum of two."""
    root = sqrt(a)
    rest = (fma(-root, root, a) + low) / (root + root)
    return root, select(a > 0.0, rest, 0.0)


def polynomial(x: Number, coefficients: Sequence[float]) -> Number:
    """Sum of ``coefficients[i] * x**i`` in Estrin's order: few operations depend on each other."""
    terms: list[Number | float] = list(coefficients)
    while len(terms) > 1:
        pairs: list[Number | float] = [fma(x, b, a) for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + terms[len(pairs) * 2 :]
        x = x * x
    return terms[0]  # type: ignore[return-value]
