"""Formulas as text."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import attrax as ax
from attrax.engine.errors import InputError
from attrax.engine.evaluation import evaluate
from attrax.engine.expressions import FUNCTIONS, Formula


@ax.flow(
    state={"x": (3,), "y": (), "w": (2, 2)},
    parameters={"a": 2.0, "k": lambda p: np.array([1.0, 4.0]), "n": 3},
    initial={"x": [1.0, 2.0, 3.0], "y": 0.5, "w": [[0.1, 0.2], [0.3, 0.4]]},
    observables={"total": lambda t, s, p: jnp.sum(s.x) + p.a, "twice": lambda t, s, p: 2 * s.x},
)
def system(t, s, p):
    return {"x": -s.x, "y": p.a * s.y, "w": 0 * s.w}


def value(text: str, t: float = 1.5) -> float:
    program = system.expression(Formula(text, system))
    out = evaluate(program, t=[t], y=system.initial_vector[:, None], p=system.parameter_vector)["value"]
    assert out.shape == (1, 1)
    return float(out[0, 0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y", 0.5),
        ("x[0]", 1.0),
        ("x[-1]", 3.0),
        ("w[1, 0]", 0.3),
        ("a * x[1] - 2", 2.0),
        ("k[1]", 4.0),
        ("t", 1.5),
        ("pi", math.pi),
        ("-x[2]**2", -9.0),
        ("2**-1", 0.5),
        ("2**3**2", 512.0),
        ("1 - 2 - 3", -4.0),
        ("8 / 4 / 2", 1.0),
        ("+y - -y", 1.0),
        (" ( y + 1 ) * 2 ", 3.0),
        ("total", 8.0),
        ("twice[2]", 6.0),
        ("sum(x)", 6.0),
        ("mean(x)", 2.0),
        ("hypot(x[2], k[1])", 5.0),
        ("arctan2(y, 0.5)", math.pi / 4),
        ("maximum(y, minimum(x[0], 0.75))", 0.75),
        ("exp(log(a))", 2.0),
        ("abs(-y)", 0.5),
        ("sign(y - 1)", -1.0),
        ("1e-3 + .5", 0.501),
        ("n", 3.0),
    ],
)
def test_values(text, expected):
    assert value(text) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a formula"),
        ("x +", "not a formula"),
        ("z", "'z'.*unknown"),
        ("totl", "'total'"),
        ("sine(y)", "'sine'"),
        ("sqr(y)", "'sqrt'"),
        ("x[3]", r"x\[3\].*\(3,\)"),
        ("x[-4]", r"x\[-4\]"),
        ("w[0, 2]", r"w\[0, 2\]"),
        ("w[0, 0, 0]", "outside"),
        ("y[0]", "outside"),
        ("x[0.5]", "whole"),
        ("x[i]", "whole"),
        ("x[True]", "whole"),
        ("x[0:2]", "whole"),
        ("y > 1", "not understood"),
        ("y and 1", "not understood"),
        ("y if y else 1", "not understood"),
        ("lambda: y", "not understood"),
        ("y.real", "not understood"),
        ("__import__('os')", "'__import__'"),
        ("(lambda: 1)()", "not understood"),
        ("[x for x in y]", "not understood"),
        ("'text'", "not understood"),
        ("1j", "not understood"),
        ("True", "not understood"),
        ("sin(y, out=y)", "not understood"),
        ("sin()", "sin"),
        ("sin(y, y)", "sin"),
        ("hypot(y)", "hypot"),
        ("y // 2", "not understood"),
        ("y @ y", "not understood"),
        ("y\x00", "not a formula"),
        ("(" * 300 + "y" + ")" * 300, "not a formula"),
        ("y" + "+y" * 5000, "deep"),
    ],
    ids=lambda v: v[:30],
)
def test_what_is_no_formula(text, message):
    with pytest.raises(InputError, match=message):
        value(text)


def formulas():
    leaves = st.sampled_from(["y", "x[0]", "x[2]", "w[1, 1]", "a", "t", "2.5", "3"])
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda v: f"({v[0]} {v[1]} {v[2]})"),
            inner.map(lambda v: f"-{v}"),
            st.tuples(st.sampled_from(["sin", "cos", "tanh", "arctan", "abs"]), inner).map(lambda v: f"{v[0]}({v[1]})"),
        ),
        max_leaves=8,
    )


@given(formulas())
def test_means_what_python_means(text):
    names = {name: getattr(np, name) for name in FUNCTIONS}
    names |= {"x": [1.0, 2.0, 3.0], "y": 0.5, "w": np.array([[0.1, 0.2], [0.3, 0.4]]), "a": 2.0, "t": 1.5}
    expected = eval(text, names)
    program = system.expression(Formula(text, system))
    blocks = dict(t=np.array([[1.5]]), y=system.initial_vector[:, None], p=system.parameter_vector[:, None])
    assert float(program(**blocks)["value"].ravel()[0]) == pytest.approx(expected, rel=1e-12, abs=1e-12)
