"""Machine code against the NumPy interpreter: every operation, and random programs of them."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
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
PRIMITIVE = sorted(set(OPERATIONS) - MATHEMATICAL)
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.5, 1e-310, -5e-324, 1e308, -1e308, np.inf, -np.inf, np.nan]
WHOLE = [0, 1, -1, 2, 7, -8, 63, 2**31, -(2**40) + 3, 2**62, -(2**62)]


def integer(b: Builder, x: int) -> int:
    """A whole number from a float: its bits, made the same for every NaN."""
    return b.bits(b.select(b.eq(x, x), x, b.constant(1.5)))


def guarded(b: Builder, name: str, arguments: list[int]) -> list[int]:
    """Arguments that the operation is defined for."""
    if name in ("ishl", "ilshr", "iashr"):
        arguments[1] = b.iand(arguments[1], b.constant(63))
    if name in ("idiv", "irem"):
        arguments[0] = b.iashr(arguments[0], b.constant(1))
        arguments[1] = b.ior(b.iand(arguments[1], b.constant(1023)), b.constant(1))
    if name == "to_int":
        (x,) = arguments
        arguments[0] = b.select(b.lt(b.abs(x), b.constant(1e18)), x, b.constant(-7.9))
    return arguments


def same(found, expected) -> None:
    """Equal, zeros by their sign too; a NaN is a NaN."""
    np.testing.assert_array_equal(found, expected)
    zeros = expected == 0
    np.testing.assert_array_equal(np.signbit(found[zeros]), np.signbit(expected[zeros]))


@pytest.mark.parametrize("name", PRIMITIVE)
def test_every_operation(name):
    """On all pairs (triples) of special values."""
    types, result = OPERATIONS[name]
    b = Builder()
    inputs = b.input("x", len(types))
    convert = {FLOAT: lambda v: v, INT: lambda v: integer(b, v), BOOL: lambda v: b.lt(b.constant(0.0), v)}
    arguments = guarded(b, name, [convert[t](v) for t, v in zip(types, inputs, strict=True)])
    value = b.op(name, *arguments)
    value = value if result != INT else b.iashr(value, b.constant(12))
    program = b.program({"r": [value]})
    grid = [SPECIAL if t == FLOAT else FROM_BITS if t == INT else [1.0, -1.0] for t in types]
    x = np.array(np.meshgrid(*grid)).reshape(len(types), -1)
    expected = np.broadcast_to(np.asarray(program(x=x)["r"], float), (1, x.shape[1]))
    found = evaluate(program, x=x)["r"]
    if name == "copysign":  # the sign of a NaN is nobody's promise
        found, expected = (np.where(np.isnan(x[1]), 0.0, v) for v in (found, expected))
    if name in ("min", "max"):
        np.testing.assert_array_equal(found, expected)
    else:
        same(found, expected)


FROM_BITS = [float(np.int64(w).view(np.float64)) for w in WHOLE]
RANDOM = sorted(set(PRIMITIVE) - {"bits", "from_bits", "copysign", "min", "max", "fma", "iabs"})


@st.composite
def programs(draw, operations=RANDOM) -> Program:
    """A random program of the input blocks ``x`` (3) and ``y`` (2)."""
    b = Builder()
    pools = {FLOAT: [*b.input("x", 3), *b.input("y", 2)], INT: [], BOOL: []}
    pools[FLOAT] += [b.constant(v) for v in draw(st.lists(st.floats(width=64, allow_nan=False), max_size=2))]
    pools[INT] += [integer(b, pools[FLOAT][0]), b.constant(draw(st.sampled_from(WHOLE)))]
    pools[BOOL] += [b.lt(pools[FLOAT][1], pools[FLOAT][2]), b.constant(draw(st.booleans()))]
    for _ in range(draw(st.integers(1, 15))):
        name = draw(st.sampled_from(operations))
        types, result = OPERATIONS[name]
        chosen = guarded(b, name, [draw(st.sampled_from(pools[t][-8:])) for t in types])
        pools[result].append(b.op(name, *chosen))
    whole = [b.iashr(v, b.constant(12)) for v in pools[INT][-2:]]
    return b.program({"f": pools[FLOAT][-3:], "i": whole, "b": pools[BOOL][-2:]})


def points(seed: int, count: int = 29) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    values = random.normal(size=(5, count)) * 10.0 ** random.integers(-3, 4, size=(5, count))
    special = random.random((5, count)) < 0.2
    values[special] = random.choice(SPECIAL, special.sum())
    return {"x": values[:3], "y": values[3:]}


def interpreted(program: Program, blocks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    count = next(iter(blocks.values())).shape[1]
    values = {k: np.asarray(v, float) for k, v in program(**blocks).items()}
    return {k: np.broadcast_to(v.reshape(len(v), -1), (len(v), count)) for k, v in values.items()}


@settings(max_examples=60)
@given(programs(), st.integers(0, 1000))
def test_random_programs(program, seed):
    blocks = points(seed)
    expected, found = interpreted(program, blocks), evaluate(program, **blocks)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


@settings(max_examples=60)
@given(programs(operations=("add", "sub", "mul", "neg", "fma")), st.integers(0, 1000))
def test_fused_programs_differ_by_rounding_only(program, seed):
    """Against the sum of the magnitudes of all that was added up, each operation errs by an ulp at most."""
    random = np.random.default_rng(seed)
    blocks = {"x": random.uniform(-2, 2, (3, 9)), "y": random.uniform(-2, 2, (2, 9))}
    plain, fused = interpreted(program, blocks)["f"], interpreted(program.fused(), blocks)["f"]
    size = magnitude(program, blocks)
    fine = np.isfinite(size) & (size < 1e300)
    assert (np.abs(fused - plain)[fine] <= 4 * len(program.instructions) * 2.0**-53 * size[fine]).all()
    np.testing.assert_array_equal(evaluate(program.fused(), **blocks)["f"], fused)


def magnitude(program: Program, blocks) -> np.ndarray:
    """The program with all signs positive: a bound of its rounding errors."""
    b = Builder()
    new = []
    for i in program.instructions:
        arguments = [new[a] for a in i.arguments]
        if i.op == "constant" and i.type == FLOAT:
            new.append(b.constant(abs(i.payload)))
        elif i.op == "input":
            new.append(b.abs(b.copy(i, new)))
        elif i.op == "neg":
            new.append(arguments[0])
        else:
            new.append(b.add(*arguments) if i.op == "sub" else b.copy(i, new))
    return interpreted(b.program({"f": [new[v] for v in program.outputs["f"]]}), blocks)["f"]


@settings(max_examples=30)
@given(programs(operations=("add", "sub", "mul", "neg", "div", "sqrt", "abs", "select", "lt")), st.integers(0, 1000))
def test_a_called_program_equals_the_inlined_one(program, seed):
    program = Program(program.instructions, program.inputs, {"f": program.outputs["f"]})
    results = []
    for how in ("call", "inline"):
        b = Builder()
        x, y = b.input("x", 3), b.input("y", 2)
        one = getattr(b, how)(program, {"x": x, "y": y})["f"]
        two = getattr(b, how)(program, {"x": one, "y": y})["f"]
        results.append(b.program({"f": [*one, *two]}))
    blocks = points(seed)
    expected = interpreted(results[1], blocks)["f"]
    for result in results:
        np.testing.assert_array_equal(interpreted(result, blocks)["f"], expected)
        np.testing.assert_array_equal(evaluate(result, **blocks)["f"], expected)


WIDTHS = [(name, width) for name in sorted(MATHEMATICAL) for width in (1, 8, 32)]
WIDTHS += [(name, width) for name in ("exp", "sin", "pow") for width in (2, 4, 16, 64)]


@pytest.mark.parametrize(("name", "width"), WIDTHS)
def test_functions_give_the_same_in_every_width(name, width):
    count = len(OPERATIONS[name][0])
    b = Builder()
    step = b.program({"r": [b.op(name, *b.input("x", count))]})
    random = np.random.default_rng(0)
    x = random.normal(size=(count, 64)) * 10.0 ** random.integers(-8, 9, size=(count, 64))
    x[:, : len(SPECIAL)] = SPECIAL
    x[-1, 14:20] = 1e17
    lanes = [straight(step, width, x[:, k : k + width])["r"] for k in range(0, 64, width)]
    np.testing.assert_array_equal(np.concatenate(lanes, axis=1), evaluate(step, x=x)["r"])


def straight(program: Program, width: int, x: np.ndarray) -> dict[str, np.ndarray]:
    """A program on one workspace of ``width`` lanes."""
    work = Workspace(width).lanes(**program.inputs, **{k: len(v) for k, v in program.outputs.items()})
    memory, views = memory_of(work)
    views["x"][...] = x
    run(load({"kernel": Straight(program)}, work)["kernel"], memory, a=-1)
    return {k: views[k].copy() for k in program.outputs}


def memory_of(work: Workspace):
    memory = aligned(work.size)
    views = {
        name: memory[start : start + size * (1 if shared else work.width)].reshape(size, -1)
        for name, (start, size, shared) in work.fields.items()
    }
    return memory, views


def run(kernel: int, memory: np.ndarray, out: np.ndarray | None = None, a: int = 0, b: int = 0) -> int:
    pointer, whole = ctypes.c_void_p, ctypes.c_int64
    function = ctypes.CFUNCTYPE(whole, pointer, pointer, whole, whole)(kernel)
    return function(memory.ctypes.data, out.ctypes.data if out is not None else None, a, b) & (2**64 - 1)


@pytest.mark.parametrize("width", [1, 8, 16, 32, 64])
def test_attention_is_a_mask_of_lanes(width):
    b = Builder()
    x, (bound,) = b.input("x", 1), b.input("bound", 1)
    program = b.program({"y": [b.mul(x[0], bound)], "attention": [b.gt(x[0], bound)]})
    work = Workspace(width).lanes(x=1, y=1).shared(bound=1)
    memory, views = memory_of(work)
    kernel = load({"kernel": Straight(program)}, work)["kernel"]
    views["bound"][...] = 0.5
    for seed in range(5):
        views["x"][...] = np.random.default_rng(seed).random(width)
        mask = run(kernel, memory, a=-1)
        assert [mask >> k & 1 for k in range(width)] == (views["x"][0] > 0.5).tolist()
        np.testing.assert_array_equal(views["y"], views["x"] * 0.5)


@pytest.mark.parametrize("width", [1, 8, 16, 32])
@pytest.mark.parametrize(("records", "every"), [(0, 5), (1, 0), (1, 7), (6, 1), (5, 3)])
def test_loops(width, records, every):
    """A state of two, a parameter per lane, a shared one, and the index."""
    b = Builder()
    x, p, (c,), (index,) = b.input("x", 2), b.input("p", 1), b.input("c", 1), b.input("index", 1)
    step = b.program({"x": [b.add(b.mul(x[0], p[0]), c), b.add(x[1], b.mul(index, x[0]))]})
    b = Builder()
    x, p, (index,) = b.input("x", 2), b.input("p", 1), b.input("index", 1)
    record = b.program({"a": [b.add(x[0], index)], "b": [x[1], p[0]]})
    work = Workspace(width).lanes(x=2, p=1).shared(c=1, index=1, strides=2)
    memory, views = memory_of(work)
    random = np.random.default_rng(1)
    first = random.normal(size=(2, width))
    views["x"][...], views["p"][...] = first, random.uniform(-1, 1, (1, width))
    views["c"][...], views["index"][...], views["strides"][...] = 0.25, 3.0, [[3 * width], [width]]
    out = np.full((records + 1, 3, width), -1.0)
    kernel = load({"kernel": Loop(step, record)}, work)["kernel"]
    assert run(kernel, memory, out, records, every) == 0
    u, v, n = first[0].copy(), first[1].copy(), 3.0
    for r in range(records):
        for _ in range(every):
            u, v, n = u * views["p"][0] + 0.25, v + n * u, n + 1
        np.testing.assert_array_equal(out[r], [u + n, v, views["p"][0]])
    np.testing.assert_array_equal(out[records], -1.0)
    np.testing.assert_array_equal(views["x"], [u, v])
    assert views["index"].item() == n


def test_loops_report_lanes_that_blow_up():
    b = Builder()
    (x,) = b.input("x", 1)
    step = b.program({"x": [b.mul(x, x)]})
    work = Workspace(16).lanes(x=1).shared(index=1, strides=2)
    memory, views = memory_of(work)
    kernel = load({"kernel": Loop(step, b.program({"x": [x]}))}, work)["kernel"]
    views["x"][0] = np.linspace(-2.0, 2.0, 16)
    mask = run(kernel, memory, np.zeros(64), 1, 40)
    assert [mask >> k & 1 for k in range(16)] == (np.abs(np.linspace(-2.0, 2.0, 16)) > 1).tolist()


def test_evaluate_takes_any_strides_and_broadcasts():
    b = Builder()
    x, p = b.input("x", 2), b.input("p", 2)
    program = b.program({"r": [b.mul(x[0], p[0]), b.sub(x[1], p[1])]})
    x = np.random.default_rng(0).normal(size=(31, 2))
    for block in (x.T, np.asfortranarray(x.T), np.repeat(x.T, 2, axis=1)[:, ::2], x[::-1].T[:, ::-1], x.T.copy()[:, :]):
        out = evaluate(program, x=block, p=np.array([2.0, 3.0]))["r"]
        np.testing.assert_array_equal(out, [2 * x[:, 0], x[:, 1] - 3])
    with pytest.raises(ValueError, match=r"\(3,"):
        evaluate(program, x=np.zeros((3, 4)), p=[2.0, 3.0])


def test_functions_of_numbers():
    b = Builder()
    x, (t,) = b.input("x", 2), b.input("t", 1)
    function = Function(b.program({"x": [b.mul(x[0], t)], "t": [x[1], t]}))
    out = function(t=2.0, x=[3.0, 4.0])
    again = function(t=5.0, x=[3.0, 4.0])
    assert out["x"].tolist() == [6.0] and out["t"].tolist() == [4.0, 2.0]
    assert again["x"].tolist() == [15.0]


def test_drivers_refuse_views():
    run = driver("attrax.integrators.drivers", "begin")
    with pytest.raises(ValueError, match="contiguous"):
        run(0, np.zeros((4, 4)).T, 0, np.zeros(1), 0, np.zeros(1), 0)


def test_constants_fold_to_what_machine_code_computes():
    """The value of a function must not depend on whether its argument was known."""
    for name in ("add", "mul", "div", "sqrt", "floor", "ceil", "rint", "trunc"):
        for x in (0.1, -2.5, 7.3, 1e-310):
            arguments = [x, 0.7][: len(OPERATIONS[name][0])]
            b = Builder()
            program = b.program({"r": [b.op(name, *b.input("x", len(arguments)))]})
            with np.errstate(invalid="ignore"):
                expected = apply(name, *arguments)
            np.testing.assert_array_equal(evaluate(program, x=np.array(arguments)[:, None])["r"].item(), expected)


def test_every_function_is_written():
    for name in MATHEMATICAL:
        b = Builder()
        assert vectormath.expand(b, name, *b.input("x", len(OPERATIONS[name][0]))) >= 0


def test_groups_of_lanes_without_work_are_left_out():
    b = Builder()
    program = b.program({"y": [b.mul(b.input("x", 1)[0], b.constant(3.0))]})
    work = Workspace(32).lanes(x=1, y=1)
    memory, views = memory_of(work)
    views["x"][...], views["y"][...] = 1.0, -1.0
    run(load({"kernel": Straight(program)}, work)["kernel"], memory, a=1 << 17)
    np.testing.assert_array_equal(views["y"][0, 16:24], 3.0)
    np.testing.assert_array_equal(views["y"][0, :16], -1.0)
