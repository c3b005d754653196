"""Noise in large systems: the same paths as straight-line code computes, and closed forms of large networks."""

from __future__ import annotations

from importlib import import_module

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

import attrax as ax
from attrax.engine.array_quantities import is_huge, is_large
from attrax.engine.errors import DeclarationError, InputError
from attrax.integrators.large.noise import noise_of, noisy
from attrax.integrators.stochastic import STOCHASTIC

PLANNING = import_module("attrax.integrators.planning")
RNG = np.random.default_rng(2)
BLOCKS = {"u": (3,), "x": (11,), "v": (2, 2), "w": (5,), "z": ()}
L = RNG.normal(size=(11, 6))
NOISES = {
    "additive": lambda t, s, p: {"x": p.sigma * p.a * (1 + t), "v": p.sigma * jnp.ones((2, 2)), "z": 1.0},
    "diagonal": lambda t, s, p: {"x": p.sigma * p.a * jnp.sin(s.x), "w": p.sigma * s.w[::-1][::-1]},
    "shared, additive": lambda t, s, p: {"x": p.sigma * p.L * jnp.cos(t)},
    "shared": lambda t, s, p: {"x": p.L * jnp.tanh(jnp.roll(s.x, 1))[:, None], "w": 0.1 * jnp.ones((5, 6))},
}


def system_with(noise, interpretation="ito"):
    @ax.flow(
        state=BLOCKS,
        parameters={"sigma": 0.3, "a": np.linspace(1, 2, 11), "L": L},
        initial={"x": ax.uniform(0, 1), "u": 0.5, "w": 1.0},
        noise=noise,
        interpretation=interpretation,
    )
    def mixed(t, s, p):
        du, dz = jnp.mean(s.x) - s.u, jnp.cos(s.z) + s.u[0]
        return {"u": du, "x": -p.a * jnp.sin(s.x) + 0.1 * t, "v": -s.v, "w": -s.w, "z": dz}

    return mixed


@pytest.fixture
def by_arrays(monkeypatch):
    """Simulate by loops over arrays, however small the system is."""

    def simulate(system, *arguments, **options):
        with monkeypatch.context() as patch:
            patch.setattr(PLANNING, "is_large", lambda _: True)
            return ax.simulate(system, *arguments, **options)

    return simulate


@pytest.mark.parametrize("interpretation", ["ito", "stratonovich"])
@pytest.mark.parametrize("noise", NOISES)
def test_paths_are_those_of_straight_line_code(noise, interpretation, by_arrays):
    system = system_with(NOISES[noise], interpretation)
    for method in ("euler_maruyama", "stochastic_heun", "milstein", "sra1"):
        if (method == "milstein" and "shared" in noise) or (method == "sra1" and "additive" not in noise):
            continue
        options = dict(method=method, dt=0.1, seed=(4, 7), sample=[0.0, 0.5, 2.0], parameters={"sigma": [0.3, 0.5]})
        found, expected = by_arrays(system, 2.0, **options), ax.simulate(system, 2.0, **options)
        for name in system.state:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-13)
        assert found.x.std() > 0.1


def test_what_is_read_off_the_noise():
    kinds = {name: noise_of(system_with(noise)).kind for name, noise in NOISES.items()}
    assert kinds == {"additive": "additive", "diagonal": "diagonal", "shared, additive": "additive", "shared": "any"}
    found = noise_of(system_with(NOISES["diagonal"]))
    assert found.pieces == ((0, 3, False), (3, 14, True), (14, 18, False), (18, 23, True), (23, 24, False))
    for amplitude in (
        lambda s: jnp.mean(s.x) * jnp.ones(11),
        lambda s: s.x[::-1],
        lambda s: jnp.cumsum(s.x),
        lambda s: s.x * s.u[0],
        lambda s: jnp.where(s.u[1] > 0, s.x, 1.0),
    ):
        assert noise_of(system_with(lambda t, s, p, amplitude=amplitude: {"x": amplitude(s)})).kind == "any"
    for amplitude in (lambda s: jnp.where(s.x > 0, s.x, 0.1), lambda s: s.x[jnp.arange(11)], lambda s: jnp.exp(s.x)):
        assert noise_of(system_with(lambda t, s, p, amplitude=amplitude: {"x": amplitude(s)})).kind == "diagonal"


def test_noisy_networks_are_large():
    def neurons(n, noise):
        return ax.flow(state={"x": (n,)}, noise=noise)(lambda t, s, p: {"x": -s.x})

    assert not is_large(neurons(40, lambda t, s, p: {"x": s.x}))
    assert is_large(neurons(60, lambda t, s, p: {"x": s.x}))  # because of its random numbers
    assert not is_large(neurons(60, lambda t, s, p: {"x": jnp.ones((60, 1))}))
    assert is_huge(neurons(30_000, lambda t, s, p: {"x": jnp.full(30_000, 0.1)}))


def test_independent_ornstein_uhlenbeck_processes():
    """Mean and variance of sigma dW - theta x dt, and that neighbours know nothing of each other."""
    n, theta, sigma = 20_000, 1.0, 0.5

    @ax.flow(
        state={"x": ("n",)},
        parameters={"n": n, "theta": theta, "sigma": sigma},
        initial={"x": 1.0},
        noise=lambda t, s, p: {"x": p.sigma * jnp.ones_like(s.x)},
    )
    def processes(t, s, p):
        return {"x": -p.theta * s.x}

    for method in ("sra1", "stochastic_heun"):
        x = ax.simulate(processes, 2.0, dt=0.02, method=method, sample="end", seed=8).x.values[0]
        variance = sigma**2 / (2 * theta) * (1 - np.exp(-4 * theta))
        assert abs(x.mean() - np.exp(-2 * theta)) < 4 * np.sqrt(variance / n)
        assert abs(x.var() - variance) < 4 * variance * np.sqrt(2 / n)
        x = (x - x.mean()) / x.std()
        for lag in (1, 2, 3, 4, 5, 8):
            assert abs((x[lag:] * x[:-lag]).mean()) < 4.5 / np.sqrt(n)


def test_the_covariance_of_a_linear_network_solves_lyapunovs_equation():
    """A S + S A^T + D D^T = 0 (C. Gardiner, Handbook of Stochastic Methods, 4.4.6); 200 networks of 60 neurons."""
    n, members = 60, 200
    links = ax.coupling.random(n, 8, weights=ax.normal(0.0, 0.25), seed=3)
    amplitude = np.linspace(0.2, 1.0, n)

    @ax.flow(
        state={"x": ("n",)},
        parameters={"n": n, "w": links, "g": amplitude},
        noise=lambda t, s, p: {"x": p.g},
    )
    def network(t, s, p):
        return {"x": -s.x + p.w @ s.x}

    assert is_large(network)
    run = ax.simulate(
        network, 60.0, dt=0.05, method="sra1", initial={"x": np.zeros((members, n))}, transient=10.0, sample=5.0
    )
    x = run.x.values.reshape(-1, n)
    exact = solve_continuous_lyapunov(links.to_scipy().toarray() - np.eye(n), -np.diag(amplitude**2))
    found = x.T @ x / len(x)
    spread = np.sqrt((np.outer(np.diag(exact), np.diag(exact)) + exact**2) / len(x))
    assert abs((found - exact) / spread).max() < 6  # 1830 numbers; samples are nearly, not quite, independent
    assert (abs(found - exact) < 2 * spread).mean() > 0.9


def test_the_covariance_in_a_large_ring():
    """10^4 neurons, each with two neighbours: the covariances of Fourier modes of rates 1 - 2 c cos k are known."""
    n, c, sigma, members = 10_000, 0.4, 0.7, 4

    @ax.flow(
        state={"x": ("n",)},
        parameters={"n": n, "c": c, "sigma": sigma},
        noise=lambda t, s, p: {"x": p.sigma * jnp.ones(n)},
    )
    def ring(t, s, p):
        return {"x": -s.x + p.c * (jnp.roll(s.x, 1) + jnp.roll(s.x, -1))}

    start = {"x": np.zeros((members, n))}
    x = ax.simulate(ring, 30.0, dt=0.1, method="sra1", initial=start, sample="end").x.values[:, 0]
    k = 2 * np.pi * np.arange(n) / n
    power = sigma**2 / (2 * (1 - 2 * c * np.cos(k)))
    for lag in (0, 1, 2, 5, 100):
        exact = (power * np.cos(lag * k)).mean()
        spread = np.sqrt((power**2 * (1 + np.cos(2 * lag * k))).mean() / (members * n))
        assert abs((x * np.roll(x, lag, axis=1)).mean() - exact) < 4 * spread


def test_weak_order():
    """Milstein's and Euler's means of geometric Brownian motion, of 400 000 paths."""

    @ax.flow(state={"x": (100_000,)}, initial={"x": 1.0}, noise=lambda t, s, p: {"x": s.x})
    def geometric(t, s, p):
        return {"x": 0.5 * s.x}

    start = {"x": np.ones((4, 100_000))}
    for method in ("euler_maruyama", "milstein"):
        errors = [
            abs(ax.simulate(geometric, 1.0, dt=dt, method=method, initial=start, sample="end").x.mean() - np.exp(0.5))
            for dt in (1 / 2, 1 / 8)
        ]
        assert np.log(errors[0] / errors[1]) / np.log(4) > 0.75


@pytest.mark.parametrize(("method", "order"), [("euler_maruyama", 0.5), ("milstein", 1.0), ("stochastic_heun", 1.0)])
def test_strong_order(method, order):
    """exp(W) along the same paths, which a Wiener process simulated beside gives."""
    n = 2000

    @ax.flow(state={"x": (n,)}, initial={"x": 1.0}, noise=lambda t, s, p: {"x": s.x})
    def geometric(t, s, p):
        return {"x": 0.5 * s.x}

    @ax.flow(state={"w": (n,)}, noise=lambda t, s, p: {"w": jnp.ones(n)})
    def wiener(t, s, p):
        return {"w": jnp.zeros(n)}

    errors, steps = [], (2**-3, 2**-5, 2**-7)
    for dt in steps:
        paths = ax.simulate(wiener, 1.0, dt=dt, sample="end").w.values
        found = ax.simulate(geometric, 1.0, dt=dt, method=method, sample="end").x.values
        errors.append(abs(found - np.exp(paths)).mean())
    assert np.polyfit(np.log2(steps), np.log2(errors), 1)[0] == pytest.approx(order, abs=0.12)


def test_numbers_do_not_depend_on_workers_company_or_storage(tmp_path):
    n = 6000
    links = ax.coupling.random(n, 50, weights=ax.normal(0, 0.2), seed=1)

    @ax.flow(
        state={"x": ("n",), "a": ("n",)},
        parameters={"n": n, "w": links},
        initial={"x": ax.uniform(-1, 1)},
        noise=lambda t, s, p: {"x": 0.3 * s.x},
    )
    def network(t, s, p):
        return {"x": -s.x - s.a + p.w @ jnp.tanh(s.x), "a": 0.1 * (s.x - s.a)}

    options = dict(dt=0.1, sample=0.5, seed=3)
    one, two = (ax.simulate(network, 2.0, workers=w, **options) for w in (1, 2))
    np.testing.assert_array_equal(one.x, two.x)
    stored = ax.simulate(network, 2.0, store=tmp_path / "run.h5", **options)
    np.testing.assert_array_equal(one.x, stored.x)
    starts = {"x": RNG.uniform(-1, 1, size=(5, n))}
    many, again = (ax.simulate(network, 2.0, initial=starts, workers=w, **options) for w in (1, 2))
    np.testing.assert_array_equal(many.x, again.x)
    alone = ax.simulate(network, 2.0, initial={"x": starts["x"][3]}, **(options | {"seed": (3, 3)}))
    np.testing.assert_array_equal(alone.x, many.x[3])
    other = ax.simulate(network, 2.0, initial={"x": starts["x"][3]}, **options)
    assert (other.x.values[1:] != many.x.values[3, 1:]).all()


def test_what_only_unrolled_systems_can_is_refused():
    n = 30_000

    def neurons(noise, **options):
        return ax.flow(state={"x": (n,)}, initial={"x": 1.0}, noise=noise, **options)(lambda t, s, p: {"x": -s.x})

    field = neurons(lambda t, s, p: {"x": 0.1 * jnp.mean(s.x) * s.x})
    with pytest.raises(InputError, match="needs derivatives of the amplitudes .* use euler_maruyama, which needs"):
        ax.simulate(field, 0.1, dt=0.1)
    with pytest.raises(InputError, match="in each component depends on that component alone"):
        ax.simulate(field, 0.1, dt=0.1, method="milstein")
    with pytest.raises(InputError, match="for additive noise"):
        ax.simulate(field, 0.1, dt=0.1, method="sra1")
    assert int(ax.simulate(field, 0.1, dt=0.1, method="euler_maruyama").status) == 0
    with pytest.raises(DeclarationError, match=r"given: x \(2,\)"):
        ax.simulate(neurons(lambda t, s, p: {"x": jnp.ones(2)}), 0.1, dt=0.1)
    with pytest.raises(InputError, match="lie on its steps"):
        ax.simulate(field, 1.0, dt=0.1, method="euler_maruyama", sample=0.03)


def test_a_member_that_blows_up_stops():
    @ax.flow(
        state={"x": (300,)},
        parameters={"a": 1.0, "w": np.eye(300)},
        initial={"x": 1.0},
        noise=lambda t, s, p: {"x": 0.1 * s.x},
    )
    def explosion(t, s, p):
        return {"x": p.a * (p.w @ s.x) ** 3}

    found = ax.simulate(explosion, 1.0, parameters={"a": [0.01, 2.0]}, dt=0.01, sample=0.1)
    assert found.status.values.tolist() == [0, 2]
    assert np.isfinite(found.x.values[0]).all() and np.isnan(found.x.values[1, -1]).all()


@pytest.mark.parametrize("method", STOCHASTIC)
def test_memory_is_little_more_than_weights_and_states(method):
    n = 3000
    links = ax.coupling.random(n, 100, weights=ax.normal(0, 0.1), seed=1)

    @ax.flow(state={"x": ("n",)}, parameters={"n": n, "w": links}, noise=lambda t, s, p: {"x": jnp.full(n, 0.1)})
    def network(t, s, p):
        return {"x": -s.x + p.w @ jnp.tanh(s.x)}

    scheme = noisy(network, STOCHASTIC[method], ("x",))
    memory = scheme.memory(network, network.initial_vector[None], network.parameter_vector[None])
    used = sum(array.nbytes for array in memory.arrays.values())
    assert used < 1.5 * (sum(links.arrays[k].nbytes for k in ("weights", "pre")) + 8 * n)
