"""Elementary functions: machine code against mpmath, C99's special cases, symmetries."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attrax.engine import native, vectormath
from attrax.engine.evaluation import evaluate
from attrax.engine.program import BOOL, OPERATIONS, Builder, Program

INF, NAN = math.inf, math.nan
LARGEST, TINY, SMALLEST = 1.7976931348623157e308, 2.2250738585072014e-308, 5e-324
PI, HALF_PI, QUARTER_PI = math.pi, math.pi / 2, math.pi / 4

_SAME_NAME = "exp expm1 log log1p sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh erf erfc"
EXACT = {name: getattr(mpmath, name) for name in _SAME_NAME.split()} | {
    "exp2": lambda x: mpmath.mpf(2) ** x,
    "log2": lambda x: mpmath.log(x) / mpmath.log(2),
    "logistic": lambda x: 1 / (1 + mpmath.exp(-x)),
    "pow": lambda x, y: x**y,
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
}


def program(op: str) -> Program:
    builder = Builder()
    arguments = builder.input("x", len(OPERATIONS[op][0]))
    return builder.program({"y": [builder.op(op, *arguments)]})


def machine(op: str, *arguments: np.ndarray) -> np.ndarray:
    return evaluate(program(op), x=np.array(np.broadcast_arrays(*arguments), dtype=float))["y"][0]


def ulps(op: str, *arguments: np.ndarray) -> np.ndarray:
    """Errors of the machine code in units of the last place of the exact value."""
    computed = machine(op, *arguments)
    errors = np.empty(len(computed))
    with mpmath.workprec(160):
        for i, y in enumerate(computed):
            exact = EXACT[op](*(mpmath.mpf(float(a[i])) for a in arguments))
            if exact == 0 or math.isinf(float(exact)):
                errors[i] = 0.0 if y == float(exact) else INF
            else:
                last = max(mpmath.frexp(exact)[1] - 53, -1074)
                errors[i] = abs(mpmath.ldexp(mpmath.mpf(float(y)) - exact, -last))
    return errors


# -- accuracy ------------------------------------------------------------------------------------------

COUNT = 500


def _uniform(a: float, b: float):
    return lambda random: random.uniform(a, b, COUNT)


def _decades(a: float, b: float, around: float = 0.0):
    """Logarithmic distances to both sides of a point."""

    def draw(random):
        distance = np.exp(random.uniform(math.log(a), math.log(b), COUNT))
        return around + distance * random.choice([-1.0, 1.0], COUNT)

    return draw


def _above(a: float, b: float, around: float = 0.0):
    return lambda random: around + np.abs(_decades(a, b)(random))


def _multiples(period: float, shift: float = 0.0):
    """Doubles next to zeros or poles, where reduction loses most."""
    return lambda random: (np.rint(10 ** random.uniform(0, 8.5, COUNT)) + shift) * period


ALL = _decades(SMALLEST, LARGEST)
REGIONS = {
    "exp": (_uniform(-746, 709.7), _uniform(-1, 1), _uniform(-745.2, -707), _decades(1e-20, 1)),
    "exp2": (_uniform(-1075, 1023.9), _uniform(-1, 1), _uniform(-1075, -1020)),
    "expm1": (_uniform(-40, 709.7), _uniform(-2, 2), _decades(SMALLEST, 1)),
    "logistic": (_uniform(-746, 40), _uniform(-5, 5), _uniform(-746, -707), _uniform(-38, -35)),
    "sinh": (_uniform(-710, 710), _uniform(-2, 2), _decades(SMALLEST, 1)),
    "cosh": (_uniform(-710, 710), _uniform(-2, 2), _decades(1e-20, 1)),
    "tanh": (_uniform(-20, 20), _uniform(-0.3, 0.3), _uniform(17, 20), _decades(SMALLEST, 1)),
    "log": (_above(SMALLEST, LARGEST), _uniform(0.5, 2), _decades(1e-16, 0.3, around=1.0)),
    "log2": (_above(SMALLEST, LARGEST), _uniform(0.5, 2), _decades(1e-16, 0.3, around=1.0)),
    "log1p": (_above(SMALLEST, LARGEST), _uniform(-0.99, 2), _decades(SMALLEST, 0.9), _above(1e-16, 1, -1.0)),
    "asinh": (ALL, _uniform(-5, 5), _decades(1e-9, 10)),
    "acosh": (_above(1, LARGEST), _uniform(1, 5), _above(1e-16, 1, 1.0)),
    "atanh": (_uniform(-1, 1), _decades(SMALLEST, 1), lambda random: 1 - _above(1e-16, 1)(random)),
    "sin": (_uniform(-7, 7), _decades(SMALLEST, 1e9), _multiples(PI), _decades(1e9, LARGEST)),
    "cos": (_uniform(-7, 7), _decades(1e-10, 1e9), _multiples(PI, 0.5), _decades(1e9, LARGEST)),
    "tan": (_uniform(-7, 7), _decades(SMALLEST, 1e9), _multiples(HALF_PI), _decades(1e9, LARGEST)),
    "asin": (_uniform(-1, 1), _decades(SMALLEST, 1), lambda random: 1 - _above(1e-16, 1)(random)),
    "acos": (_uniform(-1, 1), _above(1e-16, 1, -1.0), lambda random: 1 - _above(1e-16, 1)(random)),
    "atan": (ALL, _uniform(-5, 5), _uniform(-0.6, 0.6)),
    "erf": (_uniform(-6.5, 6.5), _uniform(-1, 1), _decades(SMALLEST, 1)),
    "erfc": (_uniform(-6.5, 27.2), _uniform(-1, 1), _uniform(26, 27.2), _decades(1e-10, 1)),
    "cbrt": (ALL, _uniform(-8, 8)),
    "atan2": (
        (ALL, ALL),
        (_uniform(-5, 5), _uniform(-5, 5)),
        (_decades(1e-310, 1e-305), _decades(1e-310, 1e-305)),
        (_decades(1e305, LARGEST), _decades(1e305, LARGEST)),
    ),
    "pow": (
        (_above(1e-300, 1e300), _uniform(-1, 1)),
        (_decades(1e-12, 0.5, around=1.0), _decades(1e-3, 700)),
        (_above(0.01, 100), _uniform(-150, 150)),
        (_uniform(0.5, 1.5), _uniform(-1000, 1000)),
        (_above(SMALLEST, TINY), _uniform(-1, 1)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("op", sorted(REGIONS))
def test_error_is_at_most_two_units_in_the_last_place(op):
    random = np.random.default_rng(20250101)
    for region in REGIONS[op]:
        draws = region if isinstance(region, tuple) else (region,)
        arguments = [draw(random) for draw in draws]
        if op == "tan":
            arguments[0] = arguments[0][np.abs(arguments[0]) < LARGEST]
        errors = ulps(op, *arguments)
        worst = int(np.argmax(errors))
        assert errors[worst] <= 2.0, [a[worst] for a in arguments]


def test_power_of_large_exponents():
    random = np.random.default_rng(1)
    x = 1.0 + _decades(1e-13, 1e-3)(random)
    y = random.uniform(-700, 700, COUNT) / np.log(x)
    assert ulps("pow", x, y).max() <= 2.0


def test_negative_base_to_whole_exponents():
    random = np.random.default_rng(2)
    x, y = -random.uniform(0.1, 10, COUNT), np.rint(random.uniform(-300, 300, COUNT))
    assert ulps("pow", x, y).max() <= 2.0


def test_remainder_is_exact():
    random = np.random.default_rng(3)
    x, y = (_decades(1e-300, 1e300)(random) for _ in range(2))
    near = x * random.uniform(1e-6, 2.0, COUNT)
    for divisor in (y, near, x / np.rint(random.uniform(1, 1e6, COUNT)), np.full(COUNT, SMALLEST)):
        with np.errstate(all="ignore"):
            expected = np.array([math.fmod(a, b) for a, b in zip(x, divisor, strict=True)])
        assert machine("fmod", x, divisor).tobytes() == expected.tobytes()


# -- special cases (C99, annex F) ----------------------------------------------------------------------

ODD = ("sinh", "tanh", "asinh", "atanh", "sin", "tan", "asin", "atan", "erf", "cbrt")
SPECIAL = {
    "exp": [(0, 1), (-0.0, 1), (INF, INF), (-INF, 0), (710, INF), (-746, 0), (-745, SMALLEST)],
    "exp2": [(0, 1), (INF, INF), (-INF, 0), (1024, INF), (-1074, SMALLEST), (-1076, 0), (10, 1024)],
    "expm1": [(INF, INF), (-INF, -1), (710, INF), (-50, -1), (LARGEST, INF), (-LARGEST, -1)],
    "logistic": [(0, 0.5), (-0.0, 0.5), (INF, 1), (-INF, 0), (LARGEST, 1), (-LARGEST, 0), (40, 1), (-746, 0)],
    "sinh": [(INF, INF), (-INF, -INF), (711, INF), (-711, -INF)],
    "cosh": [(0, 1), (-0.0, 1), (INF, INF), (-INF, INF), (711, INF)],
    "tanh": [(INF, 1), (-INF, -1), (LARGEST, 1), (-20, -1)],
    "log": [(0, -INF), (-0.0, -INF), (1, 0), (INF, INF), (-1, NAN), (-INF, NAN), (-SMALLEST, NAN)],
    "log2": [(0, -INF), (-0.0, -INF), (1, 0), (INF, INF), (-1, NAN), (8, 3), (SMALLEST, -1074), (0.5, -1)],
    "log1p": [(-1, -INF), (-2, NAN), (INF, INF), (-INF, NAN)],
    "asinh": [(INF, INF), (-INF, -INF)],
    "acosh": [(1, 0), (INF, INF), (0.5, NAN), (-2, NAN), (-1e200, NAN), (-INF, NAN)],
    "atanh": [(1, INF), (-1, -INF), (1.5, NAN), (-INF, NAN), (INF, NAN)],
    "sin": [(INF, NAN), (-INF, NAN), (HALF_PI, 1), (-HALF_PI, -1)],
    "cos": [(0, 1), (-0.0, 1), (INF, NAN), (-INF, NAN), (PI, -1)],
    "tan": [(INF, NAN), (-INF, NAN)],
    "asin": [(1, HALF_PI), (-1, -HALF_PI), (1.1, NAN), (-INF, NAN), (INF, NAN)],
    "acos": [(1, 0), (-1, PI), (0, HALF_PI), (1.1, NAN), (-1.1, NAN), (INF, NAN)],
    "atan": [(INF, HALF_PI), (-INF, -HALF_PI), (1, QUARTER_PI), (LARGEST, HALF_PI)],
    "erf": [(INF, 1), (-INF, -1), (7, 1), (LARGEST, 1)],
    "erfc": [(0, 1), (-0.0, 1), (INF, 0), (-INF, 2), (28, 0), (-7, 2), (LARGEST, 0)],
    "cbrt": [(INF, INF), (-INF, -INF), (27, 3), (-8, -2), (1e300, 1e100), (2.0**-1074, 2.0**-358)],
    "atan2": [
        ((0, 1), 0), ((-0.0, 1), -0.0), ((0, -1), PI), ((-0.0, -1), -PI), ((0, 0), 0), ((-0.0, 0), -0.0),
        ((0, -0.0), PI), ((-0.0, -0.0), -PI), ((1, 0), HALF_PI), ((-1, -0.0), -HALF_PI), ((1, INF), 0),
        ((-1, INF), -0.0), ((1, -INF), PI), ((-1, -INF), -PI), ((INF, 1), HALF_PI), ((-INF, -1), -HALF_PI),
        ((INF, INF), QUARTER_PI), ((-INF, INF), -QUARTER_PI), ((INF, -INF), 3 * QUARTER_PI),
        ((-INF, -INF), -3 * QUARTER_PI), ((NAN, 1), NAN), ((1, NAN), NAN), ((0, NAN), NAN), ((NAN, INF), NAN),
    ],
    "fmod": [
        ((0, 3), 0), ((-0.0, 3), -0.0), ((INF, 3), NAN), ((3, 0), NAN), ((3, INF), 3), ((-3, INF), -3),
        ((6, 3), 0), ((-6, 3), -0.0), ((-7, 3), -1), ((7, -3), 1), ((NAN, 3), NAN), ((3, NAN), NAN),
        ((0, 0), NAN), ((INF, INF), NAN), ((LARGEST, SMALLEST), 0), ((1, LARGEST), 1),
    ],
    "pow": [
        *(((x, zero), 1) for x in (0, -0.0, 1, -2, INF, -INF, NAN) for zero in (0, -0.0)),
        *(((1, y), 1) for y in (2, -0.5, INF, -INF, NAN)),
        ((NAN, 1), NAN), ((2, NAN), NAN), ((0, NAN), NAN), ((-1, NAN), NAN),
        ((0, 3), 0), ((-0.0, 3), -0.0), ((-0.0, 2), 0), ((-0.0, 0.5), 0), ((0, INF), 0), ((-0.0, INF), 0),
        ((0, -3), INF), ((-0.0, -3), -INF), ((-0.0, -2), INF), ((-0.0, -0.5), INF), ((0, -INF), INF),
        ((-1, INF), 1), ((-1, -INF), 1), ((0.5, INF), 0), ((0.5, -INF), INF), ((2, INF), INF), ((2, -INF), 0),
        ((-0.5, INF), 0), ((-2, INF), INF), ((INF, 2), INF), ((INF, 0.5), INF), ((INF, -1), 0),
        ((-INF, 3), -INF), ((-INF, 2), INF), ((-INF, 0.5), INF), ((-INF, -3), -0.0), ((-INF, -2), 0),
        ((-INF, INF), INF), ((-INF, -INF), 0), ((-8, 1 / 3), NAN), ((-1, 0.5), NAN), ((-2, 3), -8),
        ((-2, 2), 4), ((-1, LARGEST), 1), ((-1, 2.0**53 - 1), -1), ((-1, 2.0**53), 1), ((2, 1024), INF),
        ((2, -1075), 0), ((-2, 1025), -INF), ((2, -1074), SMALLEST), ((10, 2), 100),
    ],
}  # fmt: skip


@pytest.mark.parametrize("op", sorted(SPECIAL))
def test_special_cases(op):
    cases = [((x,) if isinstance(x, (int, float)) else x, y) for x, y in SPECIAL[op]]
    if len(OPERATIONS[op][0]) == 1:
        cases.append(((NAN,), NAN))
        if op in (*ODD, "expm1", "log1p"):
            cases += [((x,), x) for x in (0.0, -0.0)]
    arguments, expected = (np.array(v, dtype=float) for v in zip(*cases, strict=True))
    computed = machine(op, *arguments.T)
    np.testing.assert_array_equal(computed, expected)
    np.testing.assert_array_equal(np.signbit(computed)[expected == 0], np.signbit(expected)[expected == 0])


def test_every_mathematical_operation_is_covered():
    primitive = set(native._UNARY) | set(native._BINARY) | set(native._COMPARE) | set(native._CAST)
    others = {"neg", "not", "ineg", "iabs", "imin", "imax", "idiv", "irem", "select", "iselect", "bselect"}
    assert set(vectormath.EXPANSIONS) == set(OPERATIONS) - primitive - others
    assert set(SPECIAL) == set(vectormath.EXPANSIONS) == set(REGIONS) | {"fmod"}


# -- symmetry, order -----------------------------------------------------------------------------------

numbers = st.lists(st.floats(allow_nan=False), min_size=1, max_size=16).map(np.array)


@pytest.mark.parametrize("op", [*ODD, "cos", "cosh"])
@settings(max_examples=20, deadline=None)
@given(x=numbers)
def test_symmetry(op, x):
    y, mirrored = machine(op, x), machine(op, -x)
    np.testing.assert_array_equal(mirrored, y if op in ("cos", "cosh") else -y)


@pytest.mark.parametrize("op", ["exp", "log", "tanh", "logistic", "expm1", "atan", "erf", "asinh", "cbrt"])
@settings(max_examples=20, deadline=None)
@given(x=numbers)
def test_order(op, x):
    """Increasing functions increase, but for the error that they may have."""
    y = machine(op, np.sort(np.abs(x) if op == "log" else x))
    slack = 4 * np.spacing(np.abs(np.where(np.isfinite(y), y, 0.0)))
    assert not np.isnan(y).any()
    assert (np.maximum.accumulate(y) <= y + slack).all()


@settings(max_examples=40, deadline=None)
@given(x=numbers)
def test_sine_and_cosine_stay_within_one(x):
    x = x[np.isfinite(x)]
    sine, cosine = machine("sin", x), machine("cos", x)
    assert (np.abs(sine) <= 1).all() and (np.abs(cosine) <= 1).all()
    np.testing.assert_allclose(sine**2 + cosine**2, 1.0, rtol=2e-15)


# -- other ways to the same value ----------------------------------------------------------------------

ORDINARY = {"acosh": (1.0, 4.0), **dict.fromkeys(("asin", "acos", "atanh"), (-0.9, 0.9))}
ORDINARY |= dict.fromkeys(("log", "log2", "log1p", "pow"), (0.1, 4.0))


def _ordinary(op: str) -> np.ndarray:
    low, high = ORDINARY.get(op, (-4.0, 4.0))
    return np.random.default_rng(4).uniform(low, high, (len(OPERATIONS[op][0]), 64))


@pytest.mark.parametrize("op", sorted(vectormath.EXPANSIONS))
def test_interpreted_expansion_agrees(op):
    builder = Builder()
    x = builder.input("x", len(OPERATIONS[op][0]))
    expanded = builder.program({"y": [vectormath.expand(builder, op, *x)]})
    values = _ordinary(op)
    np.testing.assert_allclose(expanded(x=values)["y"][0], machine(op, *values), rtol=4e-15, atol=1e-16)


@pytest.mark.parametrize("op", sorted(vectormath.EXPANSIONS))
def test_one_lane_computes_the_same(op):
    values = _ordinary(op)
    single = native.Function(program(op))
    expected = [single(x=column)["y"][0] for column in values.T]
    assert machine(op, *values).tobytes() == np.array(expected).tobytes()


@pytest.mark.parametrize("op", sorted(vectormath.EXPANSIONS))
def test_only_rare_arguments_reach_the_c_library(op):
    kernel = program(op)
    workspace = native.Workspace(8).lanes(x=kernel.inputs["x"], y=1)
    text = native._Module(workspace).write({"k": native.Straight(kernel)})
    called = {line.split("@")[1].split("(")[0] for line in text.splitlines() if line.startswith("declare")}
    library = {name for name in called if not name.startswith("llvm.")}
    assert library == ({vectormath.RARE[op][1]} if op in vectormath.RARE else set())


@pytest.mark.parametrize("op", ["sin", "cos", "tan"])
def test_guard_leaves_limits_to_the_expansion(op):
    builder = Builder()
    (x,) = builder.input("x", 1)
    guard = vectormath.RARE[op][0](builder, x)
    assert builder.type(guard) == BOOL
    values = np.array([[0.0, 1.0, -(2.0**30), INF, -INF, NAN, 1e10, -LARGEST]])
    flags = builder.program({"rare": [guard]})(x=values)["rare"][0]
    assert flags.tolist() == [False] * 6 + [True] * 2


# -- rough powers for step-size control ----------------------------------------------------------------


def test_rough_log2():
    builder = Builder()
    (x,) = builder.input("x", 1)
    program = builder.program({"y": [vectormath.rough_log2(builder, x, -0.3, builder.constant(2.0))]})
    x = np.concatenate([np.exp(np.random.default_rng(5).uniform(-708, 709, 20_000)), [TINY, LARGEST, 1.0]])
    assert np.abs(evaluate(program, x=x[None])["y"][0] - (2 - 0.3 * np.log2(x))).max() < 0.3 * 0.05
    assert (evaluate(program, x=np.array([[np.inf, np.nan, -np.nan]]))["y"] < -300).all()


def test_rough_exp2():
    builder = Builder()
    (x,) = builder.input("x", 1)
    program = builder.program({"y": [vectormath.rough_exp2(builder, x)]})
    x = np.concatenate([np.random.default_rng(6).uniform(-1000, 1000, 20_000), [0.0, 0.5, -0.5, 1.0]])
    error = evaluate(program, x=x[None])["y"][0] / np.exp2(x) - 1
    assert error.min() > -1e-5 and error.max() < 0.062
    assert error[-4] == 0
