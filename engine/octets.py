"""Octets: eight numbers beside each other in memory, one of each lane; what drivers compute with them. Needs numba.

An octet is given by where it begins (``Doubles``), a row of octets by where the first one begins. Every function is a
few vector instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

OCTET = ir.VectorType(ir.DoubleType(), 8)
FUSED = {"flags": ["contract"]}


def _intrinsic(generate: Callable[..., None], *signature: Any) -> tuple[Any, Callable]:
    """A typing function's result: an intrinsic of this signature, which returns nothing."""

    def code(context, builder, _, arguments):
        generate(builder, *arguments)
        return context.get_dummy_value()

    return types.void(*signature), code


def _load(builder, place, number=None):
    place = builder.bitcast(place, OCTET.as_pointer())
    return builder.load(place if number is None else builder.gep(place, [number]), align=8)


def _store(builder, value, place, number=None):
    place = builder.bitcast(place, OCTET.as_pointer())
    builder.store(value, place if number is None else builder.gep(place, [number]), align=8)


def _spread(builder, number):
    """An octet of eight equal numbers."""
    one = builder.insert_element(ir.Constant(OCTET, None), number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, ir.Constant(OCTET, None), ir.Constant(ir.VectorType(ir.IntType(32), 8), [0] * 8))


def _minus_product(builder, value, a, b):
    return builder.fsub(value, builder.fmul(a, b, **FUSED), **FUSED)


@intrinsic
def product(typing, out, a, b):
    """``out = a b``."""

    def generate(builder, out, a, b):
        _store(builder, builder.fmul(_load(builder, a), _load(builder, b)), out)

    return _intrinsic(generate, out, a, b)


@intrinsic
def quotient(typing, out, a, b):
    """``out = a / b``."""

    def generate(builder, out, a, b):
        _store(builder, builder.fdiv(_load(builder, a), _load(builder, b)), out)

    return _intrinsic(generate, out, a, b)


@intrinsic
def scaled(typing, out, a, number):
    """``out = number a``."""

    def generate(builder, out, a, number):
        _store(builder, builder.fmul(_spread(builder, number), _load(builder, a)), out)

    return _intrinsic(generate, out, a, types.float64)


@intrinsic
def raised(typing, out, number):
    """``out += number``."""

    def generate(builder, out, number):
        _store(builder, builder.fadd(_load(builder, out), _spread(builder, number)), out)

    return _intrinsic(generate, out, types.float64)


@intrinsic
def add_scaled(typing, out, a, number):
    """``out += number a``."""

    def generate(builder, out, a, number):
        term = builder.fmul(_spread(builder, number), _load(builder, a), **FUSED)
        _store(builder, builder.fadd(_load(builder, out), term, **FUSED), out)

    return _intrinsic(generate, out, a, types.float64)


@intrinsic
def copied(typing, out, a, count):
    """``out = a`` for rows of ``count`` octets."""

    def generate(builder, out, a, count):
        with cgutils.for_range(builder, count) as loop:
            _store(builder, _load(builder, a, loop.index), out, loop.index)

    return _intrinsic(generate, out, a, types.int64)


@intrinsic
def cleared(typing, out, count):
    """``out = 0`` for a row of ``count`` octets."""

    def generate(builder, out, count):
        with cgutils.for_range(builder, count) as loop:
            _store(builder, ir.Constant(OCTET, None), out, loop.index)

    return _intrinsic(generate, out, types.int64)


@intrinsic
def subtract_multiple(typing, row, other, factor, count):
    """``row -= factor other`` for rows of ``count`` octets and one octet of factors."""

    def generate(builder, row, other, factor, count):
        factors = _load(builder, factor)
        with cgutils.for_range(builder, count) as loop:
            old = _load(builder, row, loop.index)
            _store(builder, _minus_product(builder, old, factors, _load(builder, other, loop.index)), row, loop.index)

    return _intrinsic(generate, row, other, factor, types.int64)


@intrinsic
def subtract_dot(typing, out, a, b, count):
    """``out -= a . b``, the sum over the ``count`` octets of two rows."""

    def generate(builder, out, a, b, count):
        total = cgutils.alloca_once(builder, OCTET)
        builder.store(_load(builder, out), total)
        with cgutils.for_range(builder, count) as loop:
            pair = [_load(builder, row, loop.index) for row in (a, b)]
            builder.store(_minus_product(builder, builder.load(total), *pair), total)
        _store(builder, builder.load(total), out)

    return _intrinsic(generate, out, a, b, types.int64)


@intrinsic
def exchange(typing, a, b, count, lanes):
    """Exchange two rows of ``count`` octets in some lanes, the bits of an integer."""

    def generate(builder, a, b, count, lanes):
        chosen = builder.bitcast(builder.trunc(lanes, ir.IntType(8)), ir.VectorType(ir.IntType(1), 8))
        with cgutils.for_range(builder, count) as loop:
            first, second = _load(builder, a, loop.index), _load(builder, b, loop.index)
            _store(builder, builder.select(chosen, second, first), a, loop.index)
            _store(builder, builder.select(chosen, first, second), b, loop.index)

    return _intrinsic(generate, a, b, types.int64, types.int64)


@intrinsic
def larger(typing, most, which, candidate, number):
    """Where ``abs(candidate) > most``: ``most`` becomes that, and ``which`` becomes ``number``."""

    def generate(builder, most, which, candidate, number):
        value, best = _load(builder, candidate), _load(builder, most)
        size = builder.select(builder.fcmp_ordered("<", value, ir.Constant(OCTET, None)), builder.fneg(value), value)
        wins = builder.fcmp_ordered(">", size, best)
        _store(builder, builder.select(wins, size, best), most)
        _store(builder, builder.select(wins, _spread(builder, number), _load(builder, which)), which)

    return _intrinsic(generate, most, which, candidate, types.float64)


@intrinsic
def above(typing, a, number):
    """The lanes in which ``a > number``, as the bits of an integer."""

    def code(context, builder, _, arguments):
        wins = builder.fcmp_ordered(">", _load(builder, arguments[0]), _spread(builder, arguments[1]))
        return builder.zext(builder.bitcast(wins, ir.IntType(8)), ir.IntType(64))

    return types.int64(a, types.float64), code


@intrinsic
def subtract_along(typing, row, other, factor):
    """``row -= factor other`` for eight numbers of a row that is not of octets, and one factor."""

    def generate(builder, row, other, factor):
        factors = _spread(builder, factor)
        _store(builder, _minus_product(builder, _load(builder, row), factors, _load(builder, other)), row)

    return _intrinsic(generate, row, other, types.float64)
