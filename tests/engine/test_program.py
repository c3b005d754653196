"""Programs and their builder: what is simplified keeps its value, and digests tell programs apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attrax.engine.program import BOOL, FLOAT, INT, OPERATIONS, Builder

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)


def test_equal_expressions_are_one():
    b = Builder()
    x, y = b.input("x", 2)
    assert b.add(x, y) == b.add(y, x)
    assert b.mul(b.add(x, y), x) == b.mul(x, b.add(y, x))
    assert b.sub(x, y) != b.sub(y, x)
    assert b.sin(x) == b.sin(x)


def test_constants_are_folded():
    b = Builder()
    assert b.add(b.constant(2.0), b.constant(3.0)) == b.constant(5.0)
    assert b.lt(b.constant(2.0), b.constant(3.0)) == b.constant(True)
    assert b.iadd(b.constant(2**63 - 1), b.constant(1)) == b.constant(-(2**63))
    assert b.constant(0.0) != b.constant(-0.0)
    assert b.constant(1.0) != b.constant(1)
    assert b.constant(float("nan")) == b.constant(float("nan"))


def test_neutral_elements_vanish():
    b = Builder()
    (x,) = b.input("x", 1)
    one, zero, minus = b.constant(1.0), b.constant(0.0), b.constant(-1.0)
    assert b.add(x, zero) == b.add(zero, x) == b.sub(x, zero) == b.mul(x, one) == b.neg(b.neg(x)) == x
    assert b.mul(x, zero) == zero
    assert b.sub(zero, x) == b.mul(minus, x) == b.neg(x)
    assert b.fma(x, one, x) == b.add(x, x)
    assert b.fma(zero, x, x) == x
    assert b.select(b.constant(True), x, zero) == x
    assert b.select(b.lt(x, one), x, x) == x


@given(FINITE, st.sampled_from([k / 2 for k in range(-16, 17)]))
def test_powers_by_multiplication(x, exponent):
    b = Builder()
    (v,) = b.input("x", 1)
    program = b.program({"r": [b.pow(v, b.constant(exponent))]})
    assert all(i.op != "pow" for i in program.instructions)
    with np.errstate(all="ignore"):
        expected = np.power(x, exponent)
        found = program(x=np.array([[x]]))["r"].ravel()[0]
    if np.isfinite(expected) and abs(expected) > 1e-290 and np.isfinite(np.power(x, np.ceil(abs(exponent)))):
        assert found == pytest.approx(expected, rel=1e-13)


def test_types_are_checked():
    b = Builder()
    (x,) = b.input("x", 1)
    with pytest.raises(TypeError, match="add"):
        b.add(x, b.constant(1))
    with pytest.raises(TypeError, match="select"):
        b.select(x, x, x)
    with pytest.raises(ValueError, match="'x' has 1"):
        b.input("x", 2)
    with pytest.raises(AttributeError):
        b.plus(x, x)
    assert [b.type(b.constant(v)) for v in (1.0, 1, True)] == [FLOAT, INT, BOOL]


def test_only_what_is_needed_stays():
    b = Builder()
    x, y = b.input("x", 2)
    b.sin(x)
    program = b.program({"r": [b.add(x, y)], "s": [y]})
    assert program.size == 1
    assert program.inputs == {"x": 2}
    out = program(x=np.array([1.0, 2.0]))
    np.testing.assert_array_equal(out["r"], [3.0])
    np.testing.assert_array_equal(out["s"], [2.0])


def build(order: str, name: str = "r", factor: float = 2.0):
    b = Builder()
    x, y = b.input("x", 2)
    return b.program({name: [b.sub(x, b.mul(y, b.constant(factor)))] if order == "xy" else [b.sub(y, x)]})


def test_digest():
    assert build("xy") == build("xy") and build("xy").digest == build("xy").digest
    different = [build("xy"), build("yx"), build("xy", "s"), build("xy", factor=-2.0), build("xy", factor=2 + 1e-15)]
    assert len({p.digest for p in different}) == len(different)
    assert len({*different, *different}) == len(different)


def test_digest_tells_signed_zeros_and_blocks_apart():
    def zero(value):
        b = Builder()
        (x,) = b.input("x", 1)
        return b.program({"r": [b.copysign(x, b.constant(value))]})

    assert zero(0.0).digest != zero(-0.0).digest
    b, c = Builder(), Builder()
    one = b.program({"r": b.input("x", 2), "s": []})
    two = c.program({"r": c.input("x", 2)[:1], "s": c.input("x", 2)[1:]})
    assert one.digest != two.digest


def test_fusing_needs_a_product_used_once():
    b = Builder()
    x, y, z = b.input("x", 3)
    product = b.mul(x, y)
    assert ops(b.program({"r": [b.add(product, z)]}).fused()) == ["fma"]
    assert ops(b.program({"r": [b.sub(z, product)]}).fused()) == ["neg", "fma"]
    assert sorted(ops(b.program({"r": [b.add(product, z), product]}).fused())) == ["add", "mul"]


def ops(program) -> list[str]:
    return [i.op for i in program.instructions if i.op not in ("input", "constant")]


def test_calls_are_counted_and_nest():
    b = Builder()
    x, y = b.input("x", 2)
    inner = b.program({"s": [b.add(x, y)], "d": [b.sub(x, y)]})
    b = Builder()
    u, v = b.input("u", 2)
    out = b.call(inner, {"x": [u, v]})
    again = b.call(inner, {"x": [out["s"][0], out["d"][0]]})
    program = b.program({"r": [*again["s"], *again["d"]]})
    assert program.size == 4
    np.testing.assert_array_equal(program(u=np.array([3.0, 4.0]))["r"], [6.0, 8.0])
    assert b.call(inner, {"x": [u, v]}) == out


def test_every_operation_has_a_meaning():
    from attrax.engine.folding import apply

    sample = {FLOAT: 0.5, INT: 3, BOOL: True}
    for name, (types, result) in OPERATIONS.items():
        value = np.asarray(apply(name, *(sample[t] for t in types)))
        assert value.dtype.kind == {FLOAT: "f", INT: "i", BOOL: "b"}[result], name
