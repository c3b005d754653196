"""Couplings: what they are, what they compute, and what they refuse."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

import attrax as ax

RNG = np.random.default_rng(2)
N = 60


def system(coupling, n=N):
    """Rates that decay and are driven through a coupling."""

    @ax.flow(state={"x": ("n",)}, parameters={"n": n, "w": coupling, "tau": 2.0}, initial={"x": ax.uniform(-1, 1)})
    def network(t, s, p):
        return {"x": (-s.x + p.w @ jnp.tanh(s.x)) / p.tau}

    return network


def matrix_of(coupling):
    """The matrix of a coupling, column by column."""
    with jax.enable_x64(True):
        return np.array([np.asarray(coupling @ e, float) for e in np.eye(coupling.shape[1])]).T


def large(made, **changes):
    """The right-hand side as the array lowering computes it."""
    from attrax.engine.array_quantities import evaluate_arrays

    return evaluate_arrays(made, "rhs", made.initial_vector[None], 0.0)[0]


SPARSE = sp.random_array((N, N), density=0.15, rng=RNG, format="csr")


@pytest.mark.parametrize(
    "coupling",
    [
        ax.coupling.dense(SPARSE.toarray()),
        ax.coupling.sparse(SPARSE),
        ax.coupling.sparse(SPARSE.tocsc()),
        ax.coupling.all_to_all(N, 0.3),
        ax.coupling.random(N, 5, weights=ax.normal(0, 1), seed=3),
        ax.coupling.small_world(N, 4, 0.2, seed=1),
        ax.coupling.ring_star(N, ring=0.5, star=2.0),
    ],
    ids=repr,
)
def test_all_ways_to_compute_agree(coupling):
    made = system(coupling)
    x = made.initial_vector
    expected = (-x + matrix_of(coupling) @ np.tanh(x)) / 2.0
    np.testing.assert_allclose(large(made), expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(made.rhs()["x"], expected, rtol=1e-13, atol=1e-13)
    with jax.enable_x64(True):
        by_jax = made.flat(0.0, jnp.asarray(x), jnp.asarray(made.parameter_vector))
    np.testing.assert_allclose(by_jax, expected, rtol=1e-13, atol=1e-13)


def test_sparse_is_scipys_and_dense_is_numpys():
    np.testing.assert_allclose(matrix_of(ax.coupling.sparse(SPARSE)), SPARSE.toarray(), rtol=1e-15)
    np.testing.assert_allclose(ax.coupling.sparse(SPARSE).to_scipy().toarray(), SPARSE.toarray(), rtol=1e-15)


def test_rectangular_couplings():
    matrix = sp.random_array((7, 12), density=0.4, rng=RNG)
    coupling = ax.coupling.sparse(matrix)
    assert coupling.shape == (7, 12)
    np.testing.assert_allclose(matrix_of(coupling), matrix.toarray())


def test_single_precision_weights():
    weights = RNG.normal(size=(N, N))
    for make, given in ((ax.coupling.dense, weights), (ax.coupling.sparse, sp.csr_array(weights))):
        coupling = make(given, single=True)
        made = system(coupling)
        x = made.initial_vector
        expected = (-x + weights.astype(np.float32).astype(float) @ np.tanh(x)) / 2.0
        np.testing.assert_allclose(large(made), expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(made.rhs()["x"], expected, rtol=1e-12, atol=1e-12)


def test_random_couplings_have_their_in_degree_and_no_loops():
    for n, k in ((50, 4), (50, 40), (3000, 10)):
        w = ax.coupling.random(n, k, seed=4)
        pre, post = w.arrays["pre"].reshape(n, k), w.arrays["post"].reshape(n, k)
        assert (post == np.arange(n)[:, None]).all()
        assert (np.diff(pre, axis=1) > 0).all()
        assert (pre != post).all() and pre.min() >= 0 and pre.max() < n
    assert ax.coupling.random(50, 4, seed=4).digest == ax.coupling.random(50, 4, seed=4).digest
    assert ax.coupling.random(50, 4, seed=4).digest != ax.coupling.random(50, 4, seed=5).digest


def test_random_couplings_are_uniform():
    n, k = 400, 20
    counts = np.bincount(ax.coupling.random(n, k, seed=0).arrays["pre"], minlength=n)
    p = k / (n - 1)  # out-degrees are binomial
    assert abs(counts.mean() - k) < 1e-12
    assert counts.var() == pytest.approx((n - 1) * p * (1 - p), rel=0.25)


def test_small_worlds():
    ring = ax.coupling.small_world(20, 4, 0.0)
    distance = np.abs(ring.arrays["pre"] - ring.arrays["post"])
    assert set(np.minimum(distance, 20 - distance)) == {1, 2}
    random = ax.coupling.small_world(200, 4, 1.0, seed=1)
    pre, post = random.arrays["pre"], random.arrays["post"]
    assert (pre != post).all() and len(set(zip(pre.tolist(), post.tolist(), strict=True))) == 800
    assert (np.bincount(post) == 4).all()
    kept = np.abs(pre - post) % 199 <= 2
    assert kept.mean() < 0.1


def test_ring_star():
    w = matrix_of(ax.coupling.ring_star(6, ring=0.5, star=2.0))
    assert (w == w.T).all() and (w.diagonal() == 0).all()
    assert (w[0, 1:] == 2.0).all()
    np.testing.assert_array_equal(w[1], [2.0, 0.0, 0.5, 0.0, 0.0, 0.5])


def test_synapses():
    w = ax.coupling.edges([2, 0, 1], [0, 1, 1], [0.1, 0.2, 0.3], shape=3)
    with jax.enable_x64(True):
        x = jnp.array([10.0, 20.0, 30.0])
        np.testing.assert_array_equal(w.pre(x), [30.0, 10.0, 20.0])
        np.testing.assert_array_equal(w.post(x), [10.0, 20.0, 20.0])
        np.testing.assert_array_equal(w.sum(jnp.array([1.0, 2.0, 4.0])), [1.0, 6.0, 0.0])
        d = ax.coupling.dense([[0.0, 1.0], [2.0, 3.0]])
        np.testing.assert_array_equal(d.pre(x[:2]) - d.post(x[:2]), [[0.0, 10.0], [-10.0, 0.0]])
        np.testing.assert_array_equal(d.sum(d.weights), [1.0, 5.0])


@pytest.mark.parametrize("backend", ["numba", "jax"])
def test_plastic_weights_follow_a_hebbian_rule(backend):
    """With frozen rates, w' = a x_pre x_post - b w has a closed solution."""
    n, links = 400, ax.coupling.random(400, 10, seed=2)

    @ax.flow(
        state={"x": ("n",), "w": (links.synapses,)},
        parameters={"n": n, "links": links, "a": 0.7, "b": 0.4},
        initial={"x": ax.uniform(0, 1), "w": 0.1},
        observables={"drive": lambda t, s, p: p.links.sum(s.w * p.links.pre(s.x))},
    )
    def hebbian(t, s, p):
        return {"x": 0.0 * s.x, "w": p.a * p.links.pre(s.x) * p.links.post(s.x) - p.b * s.w}

    run = ax.simulate(hebbian, 3.0, rtol=1e-9, atol=1e-12, sample="end", backend=backend)
    x = hebbian.initial["x"]
    target = 0.7 / 0.4 * x[links.arrays["pre"]] * x[links.arrays["post"]]
    weights = target + (0.1 - target) * np.exp(-0.4 * 3.0)
    np.testing.assert_allclose(run.w.values[0], weights, rtol=1e-8)
    expected = np.bincount(links.arrays["post"], weights * x[links.arrays["pre"]], minlength=n)
    np.testing.assert_allclose(run.drive.values[0], expected, rtol=1e-8)


def test_jacobian_vector_products():
    for coupling in (ax.coupling.sparse(SPARSE), ax.coupling.dense(SPARSE.toarray()), ax.coupling.all_to_all(N, 0.2)):
        made = system(coupling)
        x, v = made.initial_vector, RNG.normal(size=N)
        expected = (-v + matrix_of(coupling) @ (v / np.cosh(x) ** 2)) / 2.0
        np.testing.assert_allclose(made.jvp(v), expected, rtol=1e-12, atol=1e-12)
    big = system(ax.coupling.random(2000, 20, seed=1, weights=ax.normal(0, 1)), 2000)
    x, v = big.initial_vector, RNG.normal(size=2000)
    expected = (-v + big.couplings["w"].to_scipy() @ (v / np.cosh(x) ** 2)) / 2.0
    np.testing.assert_allclose(big.jvp(v), expected, rtol=1e-12, atol=1e-12)


def test_another_coupling_takes_the_place_of_the_first():
    made = system(ax.coupling.sparse(SPARSE)).with_parameters(w=ax.coupling.all_to_all(N, 1.0))
    x = made.initial_vector
    np.testing.assert_allclose(made.rhs()["x"], (-x + np.tanh(x).sum() - np.tanh(x)) / 2.0, rtol=1e-12, atol=1e-12)


def test_a_coupling_may_depend_on_structural_parameters():
    @ax.flow(
        state={"x": ("n",)},
        parameters={"n": 10, "w": lambda p: ax.coupling.random(p.n, 3, seed=1)},
        initial={"x": 1.0},
    )
    def network(t, s, p):
        return {"x": p.w @ s.x}

    assert (network.rhs()["x"] == 3.0).all()
    assert network.with_parameters(n=500).rhs()["x"].shape == (500,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ax.coupling.edges([0, 5], [1, 1], shape=5), "pre names neuron 5, but there are only neurons 0 to 4"),
        (lambda: ax.coupling.edges([0, -1], [1, 1], shape=5), "pre names neuron -1"),
        (lambda: ax.coupling.edges([0], [1, 1], shape=5), "a neuron for each synapse, not 1 and 2"),
        (lambda: ax.coupling.edges([0.5], [1], shape=5), "pre is a list of numbers of neurons"),
        (lambda: ax.coupling.edges([], [], shape=5), "no synapses"),
        (lambda: ax.coupling.edges([0], [1], [1.0, 2.0], shape=5), "one for each of 1 synapses"),
        (lambda: ax.coupling.edges([0], [1], np.nan, shape=5), "infinite or NaN"),
        (lambda: ax.coupling.dense([1.0, 2.0]), "a matrix, not an array of shape"),
        (lambda: ax.coupling.dense("w"), "a matrix of numbers"),
        (lambda: ax.coupling.sparse(np.eye(3)), r"expected a sparse matrix of SciPy, not ndarray; dense\(\.\.\.\)"),
        (lambda: ax.coupling.random(10, 10), "at most 9 others, not k = 10"),
        (lambda: ax.coupling.random(10, 0), "k must be a whole number of at least 1"),
        (lambda: ax.coupling.small_world(10, 3, 0.1), "k must be even"),
        (lambda: ax.coupling.small_world(10, 4, 1.5), "p is a probability"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ax.errors.InputError, match=message):
        make()


def test_a_coupling_of_the_wrong_size_is_named():
    with pytest.raises(ax.errors.InputError, match=r"10 x 10 neurons needs .* shape \(10,\), not \(60,\)"):
        system(ax.coupling.random(10, 3)).rhs()
