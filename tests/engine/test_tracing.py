"""Lowered programs compute what JAX computes, and mistakes in a user's function are explained."""

from __future__ import annotations

import math
from functools import cache

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attrax.engine.errors import DeclarationError, UnsupportedPrimitive
from attrax.engine.evaluation import evaluate
from attrax.engine.system import flow
from attrax.engine.tracing import RULES, trace

lax = jax.lax
ULP = 4


@cache
def lowered(function, *shapes):
    """The program of a function of arrays, and the function compiled by JAX."""
    inputs = {f"x{k}": shape for k, shape in enumerate(shapes)}
    return trace(lambda *blocks: {"r": function(*blocks)}, inputs, name="test"), jax.jit(function)


def both(function, *arrays):
    """The flat results of the lowered program and of JAX, both as 64-bit floats."""
    arrays = [np.asarray(a, dtype=float) for a in arrays]
    program, compiled = lowered(function, *(a.shape for a in arrays))
    with jax.enable_x64(True):
        theirs = np.ravel(np.asarray(compiled(*map(jnp.asarray, arrays)), dtype=float))
    ours = program(**{f"x{k}": a.ravel() for k, a in enumerate(arrays)})["r"]
    return ours.ravel(), theirs


def agree(function, *arrays, ulp=ULP):
    ours, theirs = both(function, *arrays)
    compare(ours, theirs, ulp)


def compare(ours, theirs, ulp=ULP):
    """Equal but for ``ulp`` units in the last place; JAX flushes subnormal numbers to zero."""
    assert ours.shape == theirs.shape
    ours, theirs = (np.where(np.abs(v) < np.finfo(float).tiny, 0.0, v) for v in (ours, theirs))
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(all="ignore"):
        distance = np.abs(ours - theirs) / np.spacing(np.maximum(np.abs(ours), np.abs(theirs)))
    assert np.all(same | (distance <= ulp)), (ours, theirs, distance)


def near(function, *arrays, bound):
    """Agreement up to ``bound``: relative to the largest number of the result."""
    ours, theirs = both(function, *arrays)
    assert ours.shape == theirs.shape
    assert np.max(np.abs(ours - theirs), initial=0.0) <= bound * np.max(np.abs(theirs), initial=0.0)


SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, math.inf, -math.inf, math.nan)
ANY = (-math.inf, math.inf)


def numbers(domain):
    low, high = domain
    special = [v for v in SPECIAL if low <= v <= high or (math.isnan(v) and domain == ANY)]
    finite = {"min_value": low, "max_value": high} if domain != ANY else {}
    return st.one_of(
        st.sampled_from(special or [low]),
        st.floats(**finite, allow_nan=domain == ANY, allow_subnormal=False),
        st.floats(max(low, -10.0), min(high, 10.0), allow_subnormal=False),
    )


def arrays(data, shape, domain=ANY):
    size = math.prod(shape)
    return np.reshape(data.draw(st.lists(numbers(domain), min_size=size, max_size=size)), shape)


quickly = settings(max_examples=15, deadline=None)
SHAPES = st.sampled_from([(), (2, 3)])

# name -> function, domain
UNARY = {
    "neg": (lambda x: -x, ANY),
    "abs": (jnp.abs, ANY),
    "sign": (jnp.sign, ANY),
    "floor": (jnp.floor, ANY),
    "ceil": (jnp.ceil, ANY),
    "trunc": (jnp.trunc, ANY),
    "rint": (jnp.rint, ANY),
    "round_away": (lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO), ANY),
    "is_finite": (jnp.isfinite, ANY),
    "isnan": (jnp.isnan, ANY),
    "square": (jnp.square, ANY),
    "cube": (lambda x: x**3, ANY),
    "eleventh": (lambda x: x**11, (-1e20, 1e20)),
    "power_40": (lambda x: x**40, (-1e7, 1e7)),
    "power_minus_2": (lambda x: x**-2, (0.1, 1e100)),
    "power_2.5": (lambda x: x**2.5, (0.0, 1e100)),
    "power_minus_1.5": (lambda x: x**-1.5, (1e-50, 1e100)),
    "power_0.3": (lambda x: x**0.3, (1e-50, 1e100)),
    "two_to_the": (lambda x: 2.0**x, (-1000.0, 1000.0)),
    "sqrt": (jnp.sqrt, ANY),
    "rsqrt": (lax.rsqrt, (1e-300, 1e300)),
    "cbrt": (jnp.cbrt, (-1e300, 1e300)),
    "exp": (jnp.exp, (-700.0, 700.0)),
    "expm1": (jnp.expm1, (-700.0, 700.0)),
    "log": (jnp.log, (1e-300, 1e300)),
    "log2": (jnp.log2, (1e-300, 0.5)),
    "log10": (jnp.log10, (2.0, 1e300)),
    "logistic": (jax.nn.sigmoid, (-700.0, 700.0)),
    "softplus": (jax.nn.softplus, (-700.0, 700.0)),
    "relu": (jax.nn.relu, ANY),
    "sin": (jnp.sin, (-1e5, 1e5)),
    "cos": (jnp.cos, (-1e5, 1e5)),
    "tan": (jnp.tan, (-1e5, 1e5)),
    "acos": (jnp.arccos, (-1.0, 1.0)),
    "atan": (jnp.arctan, ANY),
    "asinh": (jnp.arcsinh, (-1e150, 1e150)),
    "acosh": (jnp.arccosh, (1.0, 1e150)),
    "erf": (jax.scipy.special.erf, ANY),
    "sinc": (jnp.sinc, (-1e3, 1e3)),
    "heaviside": (lambda x: jnp.heaviside(x, 0.25), ANY),
    "signbit": (jnp.signbit, ANY),
    "nan_to_num": (jnp.nan_to_num, ANY),
    "to_int": (lambda x: x.astype(int), (-1e15, 1e15)),
    "to_bool": (lambda x: x.astype(bool), ANY),
    "piecewise": (
        lambda x: jnp.piecewise(x, [x < 0, x > 1], [lambda z: -z, lambda z: z * z, 0.5]),
        (-1e9, 1e9),
    ),
    "clip": (lambda x: jnp.clip(x, -1.0, 2.0), ANY),
    "clamp": (lambda x: lax.clamp(-1.0, x, 2.0), ANY),
    "degrees": (jnp.deg2rad, (-1e9, 1e9)),
    "ldexp": (lambda x: jnp.ldexp(x, 3), (-1e9, 1e9)),
    "modf": (lambda x: jnp.stack(jnp.modf(x)), (-1e9, 1e9)),
}


@pytest.mark.parametrize("name", UNARY)
@given(data=st.data(), shape=SHAPES)
@quickly
def test_function_of_one_array(name, data, shape):
    function, domain = UNARY[name]
    agree(function, arrays(data, shape, domain))


# where JAX's own error on this machine is more than ULP (up to 600), the reference is mpmath
INACCURATE = {
    "exp2": (jnp.exp2, lambda x: mpmath.mpf(2) ** x, (-1000.0, 1000.0)),
    "asin": (jnp.arcsin, mpmath.asin, (-1.0, 1.0)),
    "sinh": (jnp.sinh, mpmath.sinh, (-700.0, 700.0)),
    "cosh": (jnp.cosh, mpmath.cosh, (-700.0, 700.0)),
    "atanh": (jnp.arctanh, mpmath.atanh, (-0.99, 0.99)),
    "erfc": (jax.scipy.special.erfc, mpmath.erfc, (-5.0, 25.0)),
    "log1p": (jnp.log1p, mpmath.log1p, (-0.99, 1e300)),
    "tanh": (jnp.tanh, mpmath.tanh, ANY),
}


@pytest.mark.parametrize("name", INACCURATE)
@given(data=st.data())
@quickly
def test_function_that_jax_computes_inaccurately(name, data):
    function, exact, domain = INACCURATE[name]
    x = arrays(data, (5,), domain)
    program, _ = lowered(function, x.shape)
    with mpmath.workdps(30):
        expected = np.array([float(exact(mpmath.mpf(v))) for v in x])
    compare(program(x0=x)["r"], expected)


BINARY = {
    "add": (jnp.add, ANY),
    "sub": (jnp.subtract, ANY),
    "mul": (jnp.multiply, ANY),
    "div": (jnp.divide, ANY),
    "max": (jnp.maximum, ANY),
    "min": (jnp.minimum, ANY),
    "fmod": (jnp.fmod, (-1e6, 1e6)),
    "remainder": (lambda x, y: x % (1.0 + jnp.abs(y)), (-1e6, 1e6)),
    "floor_divide": (lambda x, y: x // (1.0 + jnp.abs(y)), (-1e6, 1e6)),
    "atan2": (jnp.arctan2, (-1e100, 1e100)),
    "hypot": (jnp.hypot, (-1e100, 1e100)),
    "power": (lambda x, y: jnp.power(jnp.abs(x) + 0.5, y), (-30.0, 30.0)),
    "copysign": (jnp.copysign, ANY),
    "lt": (jnp.less, ANY),
    "le": (jnp.less_equal, ANY),
    "gt": (jnp.greater, ANY),
    "ge": (jnp.greater_equal, ANY),
    "eq": (jnp.equal, ANY),
    "ne": (jnp.not_equal, ANY),
    "logic": (lambda x, y: (((x > 0) & (y > 0)) | ~(x < 1)) ^ (y < 2), ANY),
    "bools": (lambda x, y: ((x > 0) == (y > 0)) + 2 * ((x > 0) < (y > 0)) + 4 * ((x > 1) * (y > 1)), ANY),
    "where": (lambda x, y: jnp.where(x > y, x, y), ANY),
    "select": (lambda x, y: jnp.select([x < 0, y < 0], [x, y], 7.0), ANY),
    "logaddexp": (jnp.logaddexp, (-300.0, 300.0)),
    "integers": (
        lambda x, y: (
            lambda i, j: i // j + 10 * (i % j) + 100 * abs(i) + 1000 * jnp.sign(i) + (i & j) + (~i << 2) + j**3
        )(x.astype(int), 1 + abs(y.astype(int))),
        (-1000.0, 1000.0),
    ),
}


@pytest.mark.parametrize("name", BINARY)
@given(data=st.data(), shape=SHAPES)
@quickly
def test_function_of_two_arrays(name, data, shape):
    function, domain = BINARY[name]
    agree(function, arrays(data, shape, domain), arrays(data, shape, domain))


INDICES = np.array([2, 0, 1, 2])
MOVING = {
    "reshape": lambda a: a.reshape(4, 3),
    "transpose": lambda a: a.T,
    "reverse": lambda a: a[::-1, ::2],
    "roll": lambda a: jnp.roll(a, (1, -1), (0, 1)),
    "pad": lambda a: jnp.pad(a, ((1, 2), (0, 1)), constant_values=3.0),
    "pad_wrap": lambda a: jnp.pad(a, 1, mode="wrap"),
    "pad_gaps": lambda a: lax.pad(a, 9.0, ((-1, 2, 1), (1, -1, 2))),
    "concatenate": lambda a: jnp.concatenate([a, jnp.zeros((1, 4)), a[:1]]),
    "stack": lambda a: jnp.stack([a[0], a[1], jnp.arange(4.0)], axis=1),
    "unstack": jax.grad(lambda a: jnp.sum(jnp.stack([a[0] ** 2, jnp.sin(a[1])], axis=-1) ** 3)),
    "split": lambda a: jnp.split(a, 2, axis=1)[1],
    "tile": lambda a: jnp.tile(a, (2, 1)),
    "repeat": lambda a: jnp.repeat(a, 2, axis=0),
    "squeeze": lambda a: jnp.squeeze(a[:, None, :1]),
    "broadcast": lambda a: a[:, :, None] + jnp.zeros((1, 1, 2)),
    "gather_rows": lambda a: a[INDICES],
    "gather_columns": lambda a: a[:, INDICES],
    "gather_pairs": lambda a: a[INDICES, INDICES[::-1]],
    "take_fill": lambda a: jnp.take(a, jnp.array([0, 7]), axis=0, mode="fill", fill_value=-3.0),
    "take_clip": lambda a: jnp.take(a, jnp.array([-9, 7]), axis=0, mode="clip"),
    "take_along": lambda a: jnp.take_along_axis(a, jnp.argsort(a, axis=1), axis=1),
    "masked": lambda a: a[np.array([True, False, True])],
    "traced_index": lambda a: a[jnp.argmax(a[:, 0]), jnp.argmin(a[0])],
    "dynamic_slice": lambda a: lax.dynamic_slice(a, (jnp.argmax(a[:, 0]), 1), (2, 2)),
    "dynamic_update": lambda a: lax.dynamic_update_slice(a, jnp.ones((2, 2)), (jnp.argmax(a[:, 0]), 1)),
    "set": lambda a: a.at[0].set(3.0).at[1, 2].set(a[0, 0]),
    "set_many": lambda a: a.at[INDICES, INDICES].set(7.0),
    "set_dropped": lambda a: a.at[9].set(3.0),
    "set_clipped": lambda a: a.at[9].set(3.0, mode="clip"),
    "add_twice": lambda a: a.at[np.array([0, 0, 1])].add(a[:3] * 2),
    "multiply_at": lambda a: a.at[1:].multiply(3.0),
    "max_at": lambda a: a.at[:, 1].max(0.5).at[:, 2].min(-0.5),
    "traced_set": lambda a: a.at[jnp.argmax(a[:, 0])].set(9.0).at[0, jnp.argmin(a[0])].add(5.0),
    "tri": lambda a: jnp.triu(a) + jnp.tril(a, -1) * 2,
    "diagonal": lambda a: jnp.diag(jnp.diag(a)),
    "trace": lambda a: jnp.trace(a),
    "meshgrid": lambda a: jnp.stack(jnp.meshgrid(a[0], a[1])),
    "max": lambda a: jnp.max(a, axis=0),
    "min": lambda a: jnp.min(a, axis=1),
    "argmax": lambda a: jnp.argmax(a, axis=1),
    "argmin": lambda a: jnp.argmin(a),
    "any": lambda a: jnp.any(a > 0, axis=0) * 1.0 + jnp.all(a > 0, axis=0),
    "count": lambda a: jnp.sum(a > 0) + jnp.count_nonzero(a < 1),
    "cummax": lambda a: lax.cummax(a, axis=0) + lax.cummin(a, axis=1, reverse=True),
    "sort": lambda a: jnp.sort(a, axis=1),
    "argsort": lambda a: jnp.argsort(a.ravel()),
    "sort_two_keys": lambda a: jnp.stack(lax.sort((jnp.floor(a[0]), a[1], a[2]), num_keys=2)),
    "median": lambda a: jnp.median(a),
    "searchsorted": lambda a: jnp.searchsorted(jnp.arange(-3.0, 4.0), a[0]),
    "digitize": lambda a: jnp.digitize(a, jnp.array([0.0, 1.0])),
    "diff": lambda a: jnp.diff(a, axis=1),
    "one_hot": lambda a: jax.nn.one_hot(jnp.argmax(a, axis=1), 4),
    "segment_sum": lambda a: jax.ops.segment_sum(a, np.array([0, 0, 1]), 2),
    "index_loop": lambda a: lax.fori_loop(0, 3, lambda i, b: b.at[i].set(b[i - 1] + i), a),
}


@pytest.mark.parametrize("name", MOVING)
@given(data=st.data())
@quickly
def test_moving_and_choosing(name, data):
    agree(MOVING[name], arrays(data, (3, 4), (-1e9, 1e9)))


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin", "sort", "argsort", "cummax"])
@given(data=st.data())
@quickly
def test_order_with_nan(name, data):
    agree(MOVING[name], arrays(data, (3, 4)))


# sums of n terms: |error| <= 2 n eps sum |terms|, for either order of summation
SUMMING = {
    "sum": (lambda a: jnp.sum(a, axis=1), 4),
    "mean": (jnp.mean, 12),
    "cumsum": (lambda a: jnp.cumsum(a, axis=0), 3),
    "dot": (lambda a: a @ a.T, 4),
    "einsum": (lambda a: jnp.einsum("ij,kj,ij->ik", a, a, a), 4),
    "batched": (lambda a: jnp.einsum("ij,ik->ijk", a, a) @ jnp.ones((4, 2)), 4),
    "outer": (lambda a: jnp.outer(a[0], a[1]), 1),
    "tensordot": (lambda a: jnp.tensordot(a, a, ((0, 1), (0, 1))), 12),
    "cross": (lambda a: jnp.cross(a[:, :3], a[:, 1:]), 2),
    "kron": (lambda a: jnp.kron(a[:2, :2], a[:1]), 1),
    "vmap": (lambda a: jax.vmap(lambda r: r @ r)(a), 4),
    "norm": (lambda a: jnp.linalg.norm(a, axis=1) ** 2, 6),
    "trapezoid": (lambda a: jnp.trapezoid(a), 4),
    "scan": (lambda a: lax.scan(lambda c, r: (c + r @ r, r * 2), 0.0, a)[0], 12),
    "integers": (lambda a: jnp.arange(12).reshape(3, 4) @ a.astype(int).T, 4),
}


@pytest.mark.parametrize("name", SUMMING)
@given(data=st.data())
@quickly
def test_summing(name, data):
    function, terms = SUMMING[name]
    a = arrays(data, (3, 4), (-1e3, 1e3))
    ours, theirs = both(function, a)
    scale = max(both(function, np.abs(a))[1].max(), 1e-300)
    assert np.abs(ours - theirs).max() <= 2 * terms * np.finfo(float).eps * scale + 1e-300


@given(data=st.data())
@quickly
def test_products(data):
    a = arrays(data, (3, 4), (-9.0, 9.0))
    a = np.where(np.abs(a) < 1e-50, 0.0, a)  # no partial product is subnormal
    agree(product, a)
    agree(products_so_far, a)


def product(a):
    return jnp.prod(a, axis=1)


def products_so_far(a):
    return jnp.cumprod(a, axis=0)


# -- linear algebra: the error of a backward stable solve is a few n eps times the condition number ---


def matrices(data, n):
    seed = data.draw(st.integers(0, 10**6))
    generator = np.random.default_rng(seed)
    a, b = generator.normal(size=(n, n)), generator.normal(size=n)
    if data.draw(st.booleans()):  # zeros on the diagonal need pivoting
        np.fill_diagonal(a, 0.0)
        a += np.roll(np.eye(n), 1, axis=1) * 2 if n > 1 else 1
    return a, b


def tolerance(a):
    return 50 * len(a) * np.finfo(float).eps * np.linalg.cond(a)


def positive(a):
    return a @ a.T + jnp.eye(len(a))


SOLVING = {
    "solve": lambda a, b: jnp.linalg.solve(a, b),
    "inverse": lambda a, b: jnp.linalg.inv(a),
    "lu_solve": lambda a, b: jax.scipy.linalg.lu_solve(jax.scipy.linalg.lu_factor(a), b),
    "transposed": lambda a, b: jax.scipy.linalg.lu_solve(jax.scipy.linalg.lu_factor(a), b, trans=1),
    "triangular": lambda a, b: jax.scipy.linalg.solve_triangular(a + 5 * jnp.eye(len(b)), b, lower=True),
    "from_the_right": lambda a, b: lax.linalg.triangular_solve(a + 5 * jnp.eye(len(b)), b[None]),
    "batch": lambda a, b: jnp.linalg.solve(jnp.stack([a, a.T]), jnp.stack([b, b])[..., None]),
}


@pytest.mark.parametrize("n", [1, 3, 8])
@pytest.mark.parametrize("name", SOLVING)
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_solving(name, n, data):
    a, b = matrices(data, n)
    scale = np.linalg.cond(a + 5 * np.eye(n)) if name in ("triangular", "from_the_right") else 1.0
    near(SOLVING[name], a, b, bound=tolerance(a) * scale)


POSITIVE = {
    "cholesky": lambda a, b: jnp.linalg.cholesky(positive(a)),
    "cho_solve": lambda a, b: jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(positive(a)), b),
    "assume_positive": lambda a, b: jax.scipy.linalg.solve(positive(a), b, assume_a="pos"),
    "determinant": lambda a, b: jnp.linalg.det(positive(a)),
    "slogdet": lambda a, b: jnp.linalg.slogdet(positive(a))[1] + 1,
}


@pytest.mark.parametrize("n", [1, 3, 6])
@pytest.mark.parametrize("name", POSITIVE)
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_positive_definite(name, n, data):
    a, b = matrices(data, n)
    near(POSITIVE[name], a, b, bound=tolerance(a @ a.T + np.eye(n)))


@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_determinant_of_any_matrix(data):
    a, _ = matrices(data, 4)
    near(determinant, a, bound=tolerance(a))


def determinant(a):
    return jnp.linalg.det(a)


def test_solve_of_a_mass_matrix_without_pivots_needs_no_choice():
    def accelerations(m, f):
        mass = jnp.diag(m)
        return jnp.linalg.solve(mass, f)

    program, _ = lowered(accelerations, (4,), (4,))
    assert program.size == 4  # four divisions: rows whose entry is a known zero are no pivots


# -- control flow -------------------------------------------------------------------------------------

CONTROL = {
    "fori": lambda x: lax.fori_loop(0, 5, lambda i, c: c * 0.5 + i, x),
    "scan": lambda x: lax.scan(lambda c, r: (c + r, c * r), 0.5, x)[1],
    "scan_reverse": lambda x: lax.scan(lambda c, r: (c * 0.5 + r, c), 0.5, x, reverse=True)[1],
    "map": lambda x: lax.map(lambda r: r * r, x),
    "cond": lambda x: lax.cond(x[0] > 0, lambda z: z * 3, lambda z: -z, x),
    "cond_known": lambda x: lax.cond(len(x) > 2, lambda z: z * 3, lambda z: -z, x),
    "switch": lambda x: lax.switch(x[0].astype(int), [lambda z: z, lambda z: -z, lambda z: z * z], x),
    "jit": lambda x: jax.jit(lambda z: z * 2)(x),
    "checkpoint": lambda x: jax.grad(lambda z: jax.checkpoint(lambda y: jnp.sum(y**3))(z))(x),
    "stop_gradient": lambda x: jax.grad(lambda z: jnp.sum(z * lax.stop_gradient(z)))(x),
    "interp": lambda x: jnp.interp(x, jnp.arange(3.0), jnp.array([1.0, 2.0, 4.0])),
    "interp_traced": lambda x: jnp.interp(x[0], jnp.arange(4.0), jnp.cumsum(0.5 + jnp.abs(x))),
    "custom_vjp": lambda x: jax.grad(lambda z: jnp.sum(_doubled(z)))(x) + _doubled(x),
    "barrier": lambda x: lax.optimization_barrier(x) + 1,
}


@jax.custom_vjp
def _doubled(x):
    return 2 * x


_doubled.defvjp(lambda x: (2 * x, None), lambda _, g: (3 * g,))


@pytest.mark.parametrize("name", CONTROL)
@given(data=st.data())
@quickly
def test_control_flow(name, data):
    agree(CONTROL[name], arrays(data, (4,), (-5.0, 5.0)))


# -- composite expressions, drawn at random -----------------------------------------------------------

LEAVES = st.sampled_from(["x", "y", "x[0]", "y[1]", "x[::-1]", "1.7", "jnp.array([0.3, 2.0])"])


def grown(children):
    one = st.sampled_from(
        ["jnp.sin", "jnp.cos", "jnp.tanh", "jax.nn.sigmoid", "jnp.sum", "-", "abs", "jnp.exp(-abs({}))"]
    )
    two = st.sampled_from(
        ["{} + {}", "{} - {}", "{} * {}", "{} / (2.0 + abs({}))", "jnp.maximum({}, {})", "jnp.dot({}, {})"]
    )
    three = st.just("jnp.where({} > 0, {}, {})")

    def unary(name, a):
        return name.format(a) if "{" in name else f"{name}({a})"

    return st.one_of(
        st.builds(unary, one, children),
        st.builds(lambda name, a, b: "(" + name.format(a, b) + ")", two, children, children),
        st.builds(lambda name, a, b, c: name.format(a, b, c), three, children, children, children),
    )


@given(text=st.recursive(LEAVES, grown, max_leaves=12), data=st.data())
@settings(max_examples=30, deadline=None)
def test_composite_expressions(text, data):
    function = eval(f"lambda x, y: jnp.asarray({text}, dtype=float)", {"jnp": jnp, "jax": jax})
    x, y = arrays(data, (2,), (-3.0, 3.0)), arrays(data, (2,), (-3.0, 3.0))
    program = trace(lambda x, y: {"r": function(x, y)}, {"x": (2,), "y": (2,)}, name="test")
    ours = program(x=x, y=y)["r"].ravel()
    with jax.enable_x64(True):
        theirs = np.ravel(function(jnp.asarray(x), jnp.asarray(y)))
    assert np.allclose(ours, theirs, rtol=1e-12, atol=1e-11), text


# -- systems: the derived programs --------------------------------------------------------------------


@flow(
    state={"x": (), "y": (), "z": ()},
    parameters={"sigma": 10.0, "rho": 28.0, "beta": 8 / 3},
    initial={"x": 1.0, "y": 2.0, "z": 20.0},
)
def lorenz(t, s, p):
    return {"x": p.sigma * (s.y - s.x), "y": s.x * (p.rho - s.z) - s.y, "z": s.x * s.y - p.beta * s.z}


@flow(
    state={"v": ("n",), "w": ("n", "n")},
    parameters={"n": 3, "gain": 1.5, "tau": lambda p: np.linspace(1.0, 2.0, p.n)},
    initial={
        "v": lambda p: np.linspace(-0.5, 1.0, p.n),
        "w": lambda p: 0.1 * np.arange(p.n**2).reshape(p.n, p.n),
    },
)
def plastic(t, s, p):
    rate = jnp.tanh(p.gain * s.v)
    return {"v": (-s.v + s.w @ rate + jnp.sin(t)) / p.tau, "w": 0.1 * (jnp.outer(rate, rate) - s.w)}


@flow(
    state={"q": (2,), "u": (2,)},
    parameters={"m": (1.0), "length": 0.7, "g": 9.81},
    initial={"q": [1.0, 0.5], "u": [0.1, -0.2]},
)
def double_pendulum(t, s, p):
    c, d = jnp.cos(s.q[0] - s.q[1]), jnp.sin(s.q[0] - s.q[1])
    mass = p.m * p.length**2 * jnp.array([[2.0, c], [c, 1.0]])
    force = (
        -p.m
        * p.length
        * jnp.array(
            [
                p.length * s.u[1] ** 2 * d + 2 * p.g * jnp.sin(s.q[0]),
                -p.length * s.u[0] ** 2 * d + p.g * jnp.sin(s.q[1]),
            ]
        )
    )
    return {"q": s.u, "u": jnp.linalg.solve(mass, force)}


@flow(state={"x": (4,)}, parameters={"a": 0.5}, initial={"x": [0.3, -0.4, 1.2, 0.1]})
def kinked(t, s, p):
    x = jnp.where(s.x > 0, s.x**2, jnp.abs(s.x)) + jnp.maximum(s.x, p.a) + jax.nn.softplus(s.x)
    return {"x": jnp.roll(x, 1) - jnp.cumsum(x) / (1 + jnp.exp(-x)) + jnp.linalg.norm(s.x)}


@pytest.mark.parametrize("system", [lorenz, plastic, double_pendulum, kinked], ids=lambda s: s.name)
def test_derived_programs(system):
    t, y, p = 0.4, system.initial_vector, system.parameter_vector
    v, w = np.cos(np.arange(y.size)), np.sin(1.0 + np.arange(y.size))
    f = system.flat

    @jax.jit
    def derived(t, y, p, v, w):
        def along(z):
            return jax.jvp(lambda x: f(t, x, p), (z,), (v,))[1]

        return {
            "rhs": f(t, y, p),
            "jacobian": jax.jacrev(f, 1)(t, y, p),
            "parameter_jacobian": jax.jacrev(f, 2)(t, y, p),
            "jvp": along(y),
            "second_derivative": jax.jacfwd(along)(y) @ w,
        }

    with jax.enable_x64(True):
        expected = derived(*map(jnp.asarray, (t, y, p, v, w)))
    for quantity, theirs in expected.items():
        program = system.program(quantity)
        blocks = {"t": np.array([t]), "y": y, "p": p, "v": v, "w": w}
        blocks = {name: blocks[name] for name in program.inputs}
        (interpreted,), (compiled,) = program(**blocks).values(), evaluate(program, **blocks).values()
        theirs = np.ravel(theirs)
        for ours in (interpreted, compiled[:, 0]):
            assert np.allclose(ours, theirs, rtol=1e-12, atol=1e-12 * np.abs(theirs).max()), quantity


def test_linear_system_has_the_jacobian_that_one_writes_by_hand():
    program = lorenz.program("jacobian")
    assert program.size <= 5  # -sigma, rho - z, -x, -beta and no product of the chain rule


def test_blocks_are_flat_floats_in_the_order_of_the_function():
    program = trace(lambda a: {"z": a > 0, "b": a.astype(int), "a": a.T, "none": a[:0]}, {"a": (2, 2)}, name="test")
    result = program(a=np.array([1.5, -2.5, 3.5, 0.0]))
    assert list(result) == ["z", "b", "a", "none"]
    assert [list(r) for r in result.values()] == [[1, 0, 1, 0], [1, -2, 3, 0], [1.5, 3.5, -2.5, 0.0], []]
    assert all(program.instructions[v].type == "float" for ids in program.outputs.values() for v in ids)


def test_tracing_leaves_the_precision_of_jax_alone():
    before = jax.config.jax_enable_x64
    trace(lambda a: {"r": a}, {"a": ()}, name="test")
    assert jax.config.jax_enable_x64 == before


# -- the set of primitives ----------------------------------------------------------------------------

HANDLED = """
    abs acos acosh add add_any and argmax argmin asin asinh atan atan2 atanh bitcast_convert_type
    broadcast_in_dim cbrt ceil cholesky clamp concatenate convert_element_type copy cos cosh cummax cummin
    cumprod cumsum device_put div dot_general dynamic_slice dynamic_update_slice empty empty2 eq erf erfc
    exp exp2 expand_dims expm1 floor gather ge gt integer_pow iota is_finite le le_to log log1p logistic lt lt_to
    lu lu_pivots_to_permutation max min mul ne neg not optimization_barrier or pad platform_index pow
    reduce_and reduce_max reduce_min reduce_or reduce_precision reduce_prod reduce_sum reduce_xor rem
    reshape rev round rsqrt scatter scatter-add scatter-max scatter-min scatter-mul scatter-sub
    scatter_add scatter_max scatter_min scatter_mul scatter_sub select_n shift_left shift_right_arithmetic
    shift_right_logical sign sin sinh slice sort split sqrt square squeeze stack stop_gradient sub tan
    tanh tile transpose unstack triangular_solve xor
"""


# what functions of this field use, and derivatives of them
TYPICAL = """
    jnp.apply_along_axis(jnp.sum, 0, a)
    jnp.vectorize(lambda x: x * x)(a)
    jnp.nanmax(a)
    jnp.quantile(a, 0.3)
    jnp.gradient(a[0])
    jnp.average(a, weights=jnp.arange(1.0, 5.0), axis=1)
    jnp.std(a)
    jnp.triu(a)[np.triu_indices(3)]
    jnp.block([[a, a], [a, a]])
    jnp.vander(a[0])
    jnp.cov(a)
    jnp.corrcoef(a)
    jax.nn.softmax(a)
    jax.nn.elu(a)
    jax.nn.gelu(a)
    jax.nn.silu(a)
    jax.nn.selu(a)
    jax.nn.leaky_relu(a)
    jax.nn.soft_sign(a)
    jax.nn.hard_tanh(a)
    jax.nn.relu6(a)
    jax.nn.log_sigmoid(a)
    jax.nn.logsumexp(a)
    jax.nn.standardize(a)
    sp.expit(a)
    sp.logit(jax.nn.sigmoid(a))
    sp.xlogy(a * a, a * a)
    sp.entr(a * a)
    jax.scipy.stats.norm.pdf(a)
    jax.scipy.stats.norm.cdf(a)
    jax.scipy.stats.norm.logpdf(a)
    jnp.float_power(a * a, 1.3)
    jnp.reciprocal(a)
    jnp.isclose(a, a[::-1])
    jnp.array_equal(a, a)
    jnp.fliplr(a)
    jnp.rot90(a)
    jnp.moveaxis(a, 0, 1)
    jnp.vstack([a, a])
    jnp.append(a, a)
    jnp.insert(a, 1, 3.0)
    jnp.delete(a, 1, axis=0)
    jnp.vdot(a, a)
    jnp.inner(a, a)
    jnp.linalg.multi_dot([a, a.T, a])
    jnp.linalg.norm(a)
    jnp.linalg.norm(a, ord=1)
    jnp.linalg.norm(a[0], ord=jnp.inf)
    jnp.linalg.matrix_power(a[:, :3], 3)
    jax.scipy.linalg.expm(a[:, :3])
    jnp.cross(a[0, :2], a[1, :2])
    lax.associative_scan(jnp.add, a)
    jnp.polyval(jnp.array([1.0, 2.0, 3.0]), a)
    jnp.polyval(a[0], 2.0)
    jnp.unwrap(a[0])
    jnp.angle(a)
    jnp.real(a) + jnp.conj(a)
    jnp.mod(a + jnp.pi, 2 * jnp.pi) - jnp.pi
    jnp.sum(a, where=a > 0)
    jnp.max(a, initial=0.0, where=a > 0)
    jnp.fill_diagonal(a, 0.0, inplace=False)
    jnp.einsum("ij,jk->", a, a.T)
    jnp.sin(a[:, None, :] - a[None, :, :]).sum(2)
    jnp.log(jnp.abs(a)) / jnp.log(10.0)
    jnp.exp(-0.5 * (a / 0.3) ** 2) / jnp.sqrt(2 * jnp.pi)
    jnp.logspace(0, 1, 3) * a[0, 0] + jnp.linspace(a[0, 0], a[0, 1], 3)
    jnp.arange(3) * a[:, 0]
    jnp.ones_like(a) + jnp.full((3, 4), a[0, 0])
    jax.hessian(lambda x: jnp.sum(jnp.tanh(x) ** 3))(a[0])
    jax.jacrev(lambda x: jnp.roll(x, 1) * jax.nn.softplus(x) - jnp.cumsum(x))(a[0])
    jax.jvp(lambda x: jax.jvp(jnp.sin, (x,), (x,))[1], (a,), (a,))[1]
    jax.linearize(jnp.tanh, a)[1](a)
    jax.vmap(jax.grad(lambda x: jnp.sum(x**2)))(a)
    jax.jacfwd(lambda x: jnp.linalg.solve(x[:, :3] + 5 * jnp.eye(3), x[:, 3]))(a)
    jax.grad(lambda x: jnp.linalg.det(x[:, :3]))(a)
    jax.jacfwd(lambda x: jnp.linalg.inv(x[:, :3] + 5 * jnp.eye(3)))(a)
    jax.grad(lambda x: jnp.linalg.slogdet(x[:, :3] @ x[:, :3].T + jnp.eye(3))[1])(a)
    jax.jacfwd(lambda x: jnp.linalg.cholesky(x[:, :3] @ x[:, :3].T + jnp.eye(3)))(a)
    jax.jacrev(lambda x: jnp.linalg.cholesky(x[:, :3] @ x[:, :3].T + jnp.eye(3)))(a)
    jax.grad(lambda x: jnp.sum(jnp.sort(x) * jnp.arange(4)))(a[0])
    jax.grad(lambda x: jnp.max(x) + jnp.median(x))(a)
    jax.grad(lambda x: jnp.interp(0.5, jnp.arange(4.0), x))(a[0])
    jax.grad(lambda x: lax.fori_loop(0, 3, lambda i, c: jnp.sin(c) * c, x).sum())(a)
    jax.jacfwd(lambda x: lax.scan(lambda c, r: (c * r, c + r), 1.0, x)[1])(a[0])
    jax.jacrev(lambda x: lax.scan(lambda c, r: (c * r, c + r), 1.0, x)[1])(a[0])
    jax.grad(lambda x: jnp.cumprod(x)[2] + jnp.prod(x))(a[0])
    jax.grad(lambda x: x.at[np.array([0, 0])].add(x[:2])[0].sum() + x[np.array([1, 1])].sum())(a)
    jax.grad(lambda x: lax.cond(x[0] > 0, jnp.sin, jnp.cos, x).sum())(a[0])
    jax.jacfwd(lambda x: x[jnp.argmax(x)] * x)(a[0])
    jax.jacfwd(lambda x: jnp.linalg.norm(x) + jnp.hypot(x, 2.0) + jnp.arctan2(x, 2.0))(a[0])
    jax.jacfwd(lambda x: jnp.maximum(x, 0.5) + jnp.clip(x, -1, 1) + jnp.abs(x) + x % 0.7)(a[0])
    jax.jacfwd(lambda x: jnp.power(jnp.abs(x), 2.5) + jnp.sqrt(jnp.abs(x)) + jnp.cbrt(x) + 2.0**x)(a[0])
    jax.jacfwd(lambda x: sp.erf(x) + jnp.arcsinh(x) + jnp.log1p(x * x) + jnp.expm1(x))(a[0])
    jax.jacfwd(lambda x: jnp.sinc(x) + jax.nn.softplus(x) + jnp.logaddexp(x, 1.0) + jax.nn.relu(x))(a[0])
"""


@pytest.mark.parametrize("expression", [line.strip() for line in TYPICAL.strip().splitlines()])
def test_typical_expressions(expression):
    names = {"jnp": jnp, "jax": jax, "np": np, "lax": lax, "sp": jax.scipy.special}
    function = eval(f"lambda a: {expression}", names)
    near(function, np.random.default_rng(3).normal(size=(3, 4)), bound=1e-13)


def test_primitives_that_are_handled():
    assert set(RULES) == set(HANDLED.split())


# -- mistakes -----------------------------------------------------------------------------------------

SINGLE = jnp.array([1.0, 2.0, 3.1])


def _if(t, s, p):
    if s.x > 0:
        return {"x": s.x, "v": s.v}
    return {"x": -s.x, "v": s.v}


def _assign(t, s, p):
    s.v[0] = 3.0
    return {"x": s.x, "v": s.v}


MISTAKES = {
    "if": (_if, "jnp.where"),
    "and": (lambda t, s, p: {"x": s.x > 0 and s.x < 1, "v": s.v}, "& | ~"),
    "chain": (lambda t, s, p: {"x": 0 < s.x < 1, "v": s.v}, "chained"),
    "max": (lambda t, s, p: {"x": max(s.x, 0.0), "v": s.v}, "jnp.maximum"),
    "numpy": (lambda t, s, p: {"x": np.sin(s.x), "v": s.v}, "jnp.sin for np.sin"),
    "numpy_array": (lambda t, s, p: {"x": s.x, "v": np.array([s.x, s.x, s.x])}, "jax.numpy"),
    "math": (lambda t, s, p: {"x": math.sin(s.x), "v": s.v}, "jnp.sin for math.sin"),
    "float": (lambda t, s, p: {"x": float(s.x), "v": s.v}, "leave out float()"),
    "int": (lambda t, s, p: {"x": int(s.x), "v": s.v}, "jnp.floor for int"),
    "index": (lambda t, s, p: {"x": s.v[s.x], "v": s.v}, "cannot be an index"),
    "list_index": (lambda t, s, p: {"x": [1.0, 2.0][s.x], "v": s.v}, "cannot be an index"),
    "range": (lambda t, s, p: {"x": sum(s.v[i] for i in range(s.x)), "v": s.v}, "integer parameter"),
    "size": (lambda t, s, p: {"x": s.x, "v": jnp.zeros(s.x)}, "integer parameter"),
    "mask": (lambda t, s, p: {"x": s.x, "v": s.v[s.v > 0]}, "jnp.where(condition, array, 0)"),
    "assign": (_assign, "x.at[i].set(y)"),
    "shapes": (lambda t, s, p: {"x": s.x, "v": s.v @ jnp.ones(4)}, "got (3,) and (4,)"),
    "name": (lambda t, s, p: {"x": s.x, "v": undefined}, "NameError: name 'undefined' is not defined"),  # noqa: F821
    "attribute": (lambda t, s, p: {"x": s.x, "v": jnp.sinus(s.v)}, "AttributeError"),
    "zero": (lambda t, s, p: {"x": s.x, "v": s.v * (1 / 0)}, "ZeroDivisionError"),
    "text": (lambda t, s, p: {"x": s.x + "a", "v": s.v}, "'JAX array' and 'str'"),
    "undeclared": (lambda t, s, p: {"x": s.q, "v": s.v}, "state block 'q' that is not declared"),
    "parameter": (lambda t, s, p: {"x": p.b, "v": s.v}, "parameter 'b' that is not declared"),
    "while": (
        lambda t, s, p: {"x": lax.while_loop(lambda c: c < 3, lambda c: c + 1, s.x), "v": s.v},
        "fori_loop",
    ),
    "complex": (lambda t, s, p: {"x": jnp.real(jnp.exp(1j * s.x)), "v": s.v}, "real and imaginary parts"),
    "random": (
        lambda t, s, p: {"x": jax.random.normal(jax.random.key(0)), "v": s.v},
        "noise",
    ),
    "eigenvalues": (lambda t, s, p: {"x": s.x, "v": jnp.linalg.eigvalsh(jnp.outer(s.v, s.v))}, "'eigh'"),
    "callback": (
        lambda t, s, p: {"x": jax.pure_callback(lambda v: v, s.x, s.x), "v": s.v},
        "'pure_callback'",
    ),
    "gamma": (lambda t, s, p: {"x": jax.scipy.special.gammaln(s.x), "v": s.v}, 'backend="jax"'),
}


@pytest.mark.parametrize(
    ("name", "quantity"), [*((m, "rhs") for m in MISTAKES), ("if", "jacobian"), ("eigenvalues", "jvp")]
)
def test_mistakes_are_explained_where_they_are(name, quantity):
    function, hint = MISTAKES[name]
    system = flow(state={"x": (), "v": (3,)}, parameters={"a": 1.0}, name="my.system")(function)
    with pytest.raises(DeclarationError) as caught:
        system.program(quantity)
    message = str(caught.value)
    line = function.__code__.co_firstlineno
    places = [f"{__file__}:{k}" for k in range(line, line + 3)]
    assert message.startswith("system 'my.system' (") and any(f"({p}):" in message for p in places), message
    assert hint in message
    assert "\n" not in message and "Tracer" not in message
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    if name in ("while", "complex", "random", "eigenvalues", "callback", "gamma"):
        assert isinstance(caught.value, UnsupportedPrimitive)


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (lambda t, s, p: {"x": s.x}, "returns no derivative for state block 'v'"),
        (lambda t, s, p: {"x": s.x, "v": s.x}, "has shape ()"),
        (lambda t, s, p: s.x, "must return a dictionary"),
        (lambda t, s, p: {"x": s.x, "v": s.v * SINGLE}, "float32"),
        (lambda t, s: {"x": s.x, "v": s.v}, "TypeError"),
    ],
)
def test_mistakes_without_a_place(function, hint):
    system = flow(state={"x": (), "v": (3,)}, name="my.system")(function)
    with pytest.raises(DeclarationError, match="my.system") as caught:
        system.program()
    assert hint in str(caught.value) and "Tracer" not in str(caught.value)
