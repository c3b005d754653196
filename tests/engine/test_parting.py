"""Programs in parts, and in another order, compute what the whole computes."""

from __future__ import annotations

import numpy as np

from attrax.engine.native import Function
from attrax.engine.parting import depth_first, parted
from attrax.engine.program import Builder


def _example():
    """All kinds of numbers that the second part may take from the first, and one that is both output and taken."""
    b = Builder()
    x, v = b.input("x", 3), b.input("v", 2)
    large, count = b.gt(x[0], b.constant(0.5)), b.to_int(b.mul(x[1], b.constant(10.0)))
    e = b.exp(x[2])
    moved = [b.select(large, b.mul(e, v[0]), v[1]), b.add(b.to_float(b.iadd(count, b.to_int(v[0]))), v[1]), b.sin(e)]
    return b.program({"x": [e, b.add(x[0], x[1]), x[2]], "v": moved})


def test_parts_compute_the_whole():
    whole = _example()
    first, second = parted(whole, "v")
    assert "v" not in first.inputs and "x" not in second.inputs
    assert first.size + second.size <= whole.size + 2 * 3
    assert all(i.op not in ("exp", "sin") for i in second.instructions)
    for seed in range(5):
        x, v = np.random.default_rng(seed).random(3), 5 * np.random.default_rng(9 + seed).random(2)
        expected = whole(x=x, v=v)
        known = first(x=x)
        np.testing.assert_array_equal(known["x"], expected["x"])
        np.testing.assert_array_equal(second(v=v, known=known["known"])["v"], expected["v"])
        machine = Function(first)(x=x)["known"]
        np.testing.assert_array_equal(Function(second)(v=v, known=machine)["v"], Function(whole)(x=x, v=v)["v"])


def test_nothing_depends():
    b = Builder()
    x, v = b.input("x", 1), b.input("v", 1)
    first, second = parted(b.program({"x": x, "v": [b.constant(2.0)]}), "v")
    assert first(x=np.ones(1))["known"].size == 0
    assert second(v=v, known=np.zeros(0))["v"] == 2.0


def test_depth_first_keeps_few_values():
    """Three smoothings of a chain: as many values wait as the chain is long, or a few of each pass."""
    b, n = Builder(), 50
    line = b.input("x", n)
    for _ in range(3):
        line = [b.add(b.mul(line[j], line[(j + 1) % n]), line[j - 1]) for j in range(n)]
    program = b.program({"x": line})
    ordered = depth_first(program)
    x = np.random.default_rng(0).random(n)
    np.testing.assert_array_equal(ordered(x=x)["x"], program(x=x)["x"])
    assert ordered.size == program.size and ordered.inputs == program.inputs
    assert _most_alive(ordered) < _most_alive(program) / 2


def _most_alive(program):
    """How many computed values wait for a later use, at most."""
    last = {a: v for v, i in enumerate(program.instructions) for a in i.arguments}
    computed = [v for v, i in enumerate(program.instructions) if i.op not in ("input", "constant")]
    return max(sum(v <= now < last.get(v, 0) for v in computed) for now in computed)
