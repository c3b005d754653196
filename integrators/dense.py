"""What an attempted step leaves behind, and the polynomial through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..engine.program import Builder

Values = Sequence[int]


@dataclass(frozen=True)
class Attempt:
    """A step as values of a builder.

    Attributes
    ----------
    new, slope : state at the end, and its derivative
    errors : one or two estimates of the error, divided by ``scale``
    kept : vectors from which the dense output is made
    """

    new: Values
    slope: Values
    errors: Sequence[Values]
    scale: int
    kept: Sequence[Values]


def moving(b: Builder, theta: int, y: Values, rows: Sequence[Values]) -> tuple[list[int], list[int]]:
    """The :func:`interpolant`, and its derivative by ``theta``."""
    rest = b.sub(b.constant(1.0), theta)
    values, slopes = [], []
    for j in range(len(y)):
        value, slope = rows[-1][j], b.constant(0.0)
        for i in range(len(rows) - 1, 0, -1):
            slope = b.fma(slope, rest, b.neg(value)) if i % 2 else b.fma(slope, theta, value)
            value = b.fma(value, rest if i % 2 else theta, rows[i - 1][j])
        slopes.append(b.fma(slope, theta, value))
        values.append(b.fma(value, theta, y[j]))
    return values, slopes


def interpolant(b: Builder, theta: int, y: Values, rows: Sequence[Values]) -> list[int]:
    """``y + theta (Q0 + (1 - theta) (Q1 + theta (Q2 + (1 - theta) (Q3 + ...))))``."""
    rest = b.sub(b.constant(1.0), theta)
    result = []
    for j in range(len(y)):
        value = rows[-1][j]
        for i in range(len(rows) - 1, 0, -1):
            value = b.fma(value, rest if i % 2 else theta, rows[i - 1][j])
        result.append(b.fma(value, theta, y[j]))
    return result
