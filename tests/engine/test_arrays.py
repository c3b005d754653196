"""The array lowering gives the numbers of JAX, for any members and any number of threads."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import attrax as ax
from attrax.engine.array_memory import Memory, Tape, Team
from attrax.engine.array_tracing import trace_arrays

RNG = np.random.default_rng(1)
N = 37
X, W, P, M = RNG.normal(size=N), RNG.normal(size=(N, N)), RNG.normal(size=5), RNG.normal(size=(6, 7))


def run(function, members=None, threads=1, fixed=(), **inputs):
    """Outputs of the array program; with ``members``, inputs have an axis for them."""
    count = members or 1
    shapes = {k: (v.shape[1:] if members else v.shape, v.dtype) for k, v in inputs.items()}
    program = trace_arrays(function, shapes, name="test", fixed=fixed)
    memory = Memory(Tape({"setup": program.setup, "run": program.stages}), count)
    for name, value in inputs.items():
        memory.put(f"in {name}", np.ascontiguousarray(value.reshape(count, -1)))
    for name, size in program.temporaries.items():
        memory.new(name, size)
    for name, value in program.constants.items():
        memory.put(name, value, shared=True)
    outs = {k: memory.new(f"out {k}", math.prod(shape)) for k, shape in program.outputs.items()}
    team = Team(threads)
    team.play(memory, "setup")
    team.play(memory, "run")
    lead = (members,) if members else ()
    return {k: v.reshape(lead + program.outputs[k]) for k, v in outs.items()}, program


def agrees(function, **inputs):
    found, program = run(function, **inputs)
    with jax.enable_x64(True):
        expected = function(**{k: jnp.asarray(v) for k, v in inputs.items()})
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], np.asarray(value, float), rtol=1e-12, atol=1e-12, err_msg=name)
    return program


def network(x, W, p):
    y = jax.nn.sigmoid(p[0] * (x - p[1]))
    pairs = jnp.sin(x[None, :] - x[:, None] * p[0])
    return {
        "rate": (-x + W @ y) / p[2],
        "joined": jnp.concatenate([y, jnp.sum(y) * x, x[::-1], jnp.roll(x, 3)]),
        "transposed": y @ W,
        "pairs": jnp.sum(pairs, axis=1),
        "pairs_first": jnp.sum(pairs, axis=0),
        "largest": jnp.max(W, axis=0),
        "mean": jnp.mean(W * y),
        "dot": jnp.dot(x, y),
        "matrices": W @ jnp.stack([x, y], 1),
        "part": W.T[:5, 3:9] * 2,
    }


def shapes(M, x):
    return {
        "differences": M[:, 1:] - M[:, :-1],
        "padded": jnp.pad(M, ((1, 2), (0, 1)), constant_values=2.0),
        "replaced": M.at[2].set(0.0),
        "rows": M[jnp.array([0, 3, 3]), :],
        "centred": jnp.sum(M, axis=1, keepdims=True) - M,
        "columns": jnp.stack([M[:, 0], M[:, 1]], axis=1),
        "picked": x[jnp.array([1, 5, 2])] * x[2],
        "added": jnp.zeros(4).at[jnp.array([0, 1, 1])].add(x[:3]),
        "tiled": jnp.tile(x, 2),
        "rolled": jnp.roll(M, 1, axis=0) + jnp.roll(M, 2, axis=1),
        "ravelled": jnp.ravel(M.T),
        "all": jnp.all(x > 0),
        "einsum": jnp.einsum("ij,kj->ik", M, M),
        "clipped": jnp.clip(x, -1, 1) ** 3,
        "blocks": jnp.concatenate([jnp.ravel(M * 2), jnp.ravel(M)]),
        "constant": jnp.linspace(0, 1, 5) * M[0, 0],
        "three": jnp.broadcast_to(M[None], (3, 6, 7)) * jnp.arange(3.0)[:, None, None],
        "chosen": jnp.where(jnp.any(M > 1), jnp.where(M > 0, M, -M), 0.0),
        "number": jnp.array(3.0),
    }


def test_networks_and_shapes_agree_with_jax():
    agrees(network, x=X, W=W, p=P)
    agrees(shapes, M=M, x=X)


def test_a_scan_is_unrolled():
    def rounds(x, W):
        carry, sums = jax.lax.scan(lambda c, w: (0.5 * c + w, c.sum()), x, W[:4])
        return {"carry": carry, "sums": sums}

    agrees(rounds, x=X, W=W)


def test_long_sums_are_made_of_partial_sums():
    x = np.linspace(0, 1, 5000)
    agrees(lambda x: {"sum": jnp.sum(jnp.exp(x)), "shares": x / jnp.max(x)}, x=x)


UNARY = (jnp.sin, jnp.tanh, jnp.exp, lambda a: a * 0.3, lambda a: a[::-1], jnp.cumsum, lambda a: a - jnp.mean(a))
BINARY = (
    jnp.add,
    jnp.multiply,
    jnp.minimum,
    lambda a, b: jnp.where(a > b, a, 0.5 * b),
    lambda a, b: jnp.roll(a, 2) - b,
)


@st.composite
def expressions(draw):
    """A random expression of two vectors, as a function."""
    steps = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=8))
    unary = [f for f in UNARY if f is not jnp.cumsum]

    def function(x, y):
        values = [x, y]
        for kind, i, j in steps:
            a, b = values[i % len(values)], values[j % len(values)]
            if kind < 5:
                values.append(jnp.tanh(unary[kind](a)))
            else:
                values.append(jnp.tanh(BINARY[kind - 5](a, b)))
        return {"last": values[-1], "sum": jnp.sum(values[-1] * values[-2])}

    return function


@settings(max_examples=40)
@given(expressions(), st.integers(1, 40))
def test_random_expressions_agree_with_jax(function, n):
    agrees(function, x=RNG.normal(size=n), y=RNG.normal(size=n))


def test_members_and_threads_do_not_change_bits():
    x, p = RNG.normal(size=(7, N)), RNG.normal(size=(7, 5))
    together, _ = run(network, members=7, x=x, W=np.broadcast_to(W, (7, N, N)), p=p)
    threaded, _ = run(network, members=7, threads=3, x=x, W=np.broadcast_to(W, (7, N, N)), p=p)
    for m in range(7):
        alone, _ = run(network, x=x[m], W=W, p=p[m])
        for name, value in alone.items():
            np.testing.assert_array_equal(value, together[name][m], err_msg=name)
            np.testing.assert_array_equal(value, threaded[name][m], err_msg=name)


def test_what_is_fixed_is_computed_once():
    _, program = run(lambda x, W: {"y": x @ W}, fixed=("W",), x=X, W=W)
    assert len(program.setup) == 1  # the transposed matrix
    assert len(program.stages) == 1


def test_elementwise_chains_are_fused():
    _, program = run(lambda x: {"y": jnp.tanh(x * 2 + 1) - x**2, "z": jnp.exp(-x)}, x=X)
    assert [len(stage) for stage in program.stages] == [1]
    assert not program.temporaries


def test_an_unknown_primitive_is_named():
    def function(t, s, p):
        return {"x": jnp.sort(s.x) - s.x}

    system = ax.flow(state={"x": (30_000,)}, initial={"x": 1.0})(function)
    with pytest.raises(ax.errors.UnsupportedPrimitive, match=r"'sort'.*backend=\"jax\""):
        ax.simulate(system, 1.0)


def test_integers_keep_their_bits():
    def function(x):
        bits = jnp.concatenate([jax.lax.bitcast_convert_type(x, jnp.int64), jnp.arange(3)])
        return {"y": jax.lax.bitcast_convert_type(bits, jnp.float64)[: x.size]}

    with jax.enable_x64(True):
        found, _ = run(function, x=X)
    np.testing.assert_array_equal(found["y"], X)
