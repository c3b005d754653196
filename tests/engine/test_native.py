"""Machine code against the NumPy interpreter: random programs over all operations."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from attrax.engine import vectormath
from attrax.engine.driver import driver
from attrax.engine.evaluation import evaluate
from attrax.engine.folding import apply
from attrax.engine.native import Function, Loop, Straight, Workspace, aligned, load
from attrax.engine.program import BOOL, FLOAT, INT, OPERATIONS, Builder, Program

MATHEMATICAL = {
    *("exp", "expm1", "exp2", "log", "log1p", "log2", "logistic", "sin", "cos", "tan", "asin", "acos", "atan"),
    *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "cbrt", "pow", "atan2", "fmod"),
}
PRIMITIVE = sorted(set(OPERATIONS) - MATHEMATICAL - {"to_int"})
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.5, 1e-310, -5e-324, 1e308, -1e308, np.inf, -np.inf, np.nan])


@st.composite
def programs(draw, operations=tuple(PRIMITIVE), steps=12, exact=True) -> Program:
    """A random program of inputs ``x`` (3) and ``y`` (2)."""
    b = Builder()
    pools = {FLOAT: [*b.input("x", 3), *b.input("y", 2)], INT: [b.constant(3)], BOOL: [b.constant(True)]}
    pools[FLOAT] += [b.constant(v) for v in draw(st.lists(st.floats(width=64), max_size=2))]
    pools[INT] += [b.constant(v) for v in draw(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=2))]
    pools[INT].append(b.bits(pools[FLOAT][0]))
    pools[BOOL].append(b.lt(pools[FLOAT][1], pools[FLOAT][2]))
    for _ in range(draw(st.integers(1, steps))):
        name = draw(st.sampled_from(operations))
        types, result = OPERATIONS[name]
        chosen = [draw(st.sampled_from(pools[t][-8:])) for t in types]
        if name in ("ishl", "ilshr", "iashr"):
            chosen[1] = b.iand(chosen[1], b.constant(63))
        if name in ("idiv", "irem"):
            chosen[1] = b.ior(b.iand(chosen[1], b.constant(1023)), b.constant(1))
        pools[result].append(b.op(name, *chosen))
    return b.program({"f": pools[FLOAT][-3:], "i": pools[INT][-2:], "b": pools[BOOL][-2:]})


def points(seed: int, count: int = 29) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    values = random.normal(size=(5, count)) * 10.0 ** random.integers(-3, 4, size=(5, count))
    special = random.random((5, count)) < 0.2
    values[special] = random.choice(SPECIAL, special.sum())
    return {"x": values[:3], "y": values[3:]}


def as_floats(out: dict[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    return {k: np.broadcast_to(np.asarray(v, float), (len(v), count)) for k, v in out.items()}


def same(one, other) -> None:
    """Equal, zeros by sign too; NaN is NaN."""
    np.testing.assert_array_equal(one, other)
    numbers = ~np.isnan(one)
    np.testing.assert_array_equal(np.signbit(one)[numbers], np.signbit(other)[numbers])


@settings(max_examples=120)
@given(programs(), st.integers(0, 1000))
def test_machine_code_computes_what_the_interpreter_does(program, seed):
    blocks = points(seed)
    assume("fma" not in {i.op for i in program.instructions})
    # the sign and payload of a NaN are nobody's promise, so its bits must not be read
    assume(not np.isnan(np.concatenate(list(blocks.values()))).any() or "bits" not in used(program))
    with np.errstate(all="ignore"):
        expected = as_floats(program(**blocks), 29)
    found = evaluate(program, **blocks)
    for name in expected:
        if "bits" in used(program) and np.isnan(expected[name]).any():
            continue
        same(found[name], expected[name]) if "bits" not in used(program) else check_bits(found[name], expected[name])


def check_bits(found, expected) -> None:
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))


def used(program: Program) -> set[str]:
    return {i.op for i in program.instructions}
