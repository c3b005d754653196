"""The rule of the Fisher information: its derivation, its limits, what it learns from which inputs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.nn import sigmoid
from scipy import stats

import attrax as ax
from attrax.systems.neural import averaged_hebbian, fisher_hebbian, fisher_hebbian_bars
from attrax.systems.neural.hebbian import hebbian, limiting

PAIR = {"n": 2, "sigma": [1.0, 1.0], "separation": [0.0, 0.0], "eps_w": 0.001}


@pytest.mark.parametrize(("N", "x", "b"), [(1.0, 0.3, 0.0), (2.0, -1.7, 0.4), (2.0, 4.0, -1.0), (5.0, 2.0, 0.0)])
def test_the_rule_descends_the_fisher_information(N, x, b):
    """-dF/dw / 2 of F = (N + x (1 - 2 y))^2 at x = w u is G H u."""
    with jax.enable_x64(True):
        u = 0.7

        def information(w):
            y = sigmoid(w * u - b)
            return (N + w * u * (1 - 2 * y)) ** 2

        y = sigmoid(jnp.asarray(x) - b)
        rule = float(limiting(x, y, N) * hebbian(x, y) * u)
        assert float(-jax.grad(information)(x / u) / 2) == pytest.approx(rule, rel=1e-12)


def test_small_weights_grow_at_the_predicted_rate():
    """ln |w_1| rises by eps_w N sigma^2 in an iteration."""
    w = np.zeros((400, 2))
    w[:, 0] = 1e-4
    data = ax.simulate(
        fisher_hebbian.with_parameters(n=2, sigma=[0.5, 0.5], separation=[0.0, 0.0]),
        4000,
        initial={"w": w},
        sample="end",
    )
    growth = np.log(data.w[:, -1, 0].mean() / 1e-4) / 4000
    assert growth == pytest.approx(0.001 * 2 * 0.25, rel=0.1)


def test_the_weights_limit_themselves_for_arbitrary_time():
    data = ax.simulate(fisher_hebbian.with_parameters(n=10), 1_000_000, sample=1000, transient=100_000, seed=2)
    assert data.norm.std() / data.norm.mean() < 0.03


def test_the_neuron_finds_the_principal_component_and_keeps_it():
    data = ax.simulate(fisher_hebbian, 250_000, sample=1000, transient=50_000, seed=5)
    assert data.alignment[:, 0].min() >= 0.98
    assert data.alignment[:, 0].mean() >= 0.99


def mixed(*laws, T=200_000, seed=0):
    """The neuron with two inputs of variance 1 and these distributions: its weights in the long run."""
    columns = [law.rvs(T, random_state=seed + k) / law.std() for k, law in enumerate(laws)]
    system = fisher_hebbian.with_parameters(**PAIR).with_inputs(y=ax.stream.array(np.stack(columns, axis=1)))
    data = ax.simulate(system, T, initial={"w": [0.02, 0.02], "mean": [0.0, 0.0]}, sample=100, transient=T // 2)
    return np.abs(data.w.values).mean(axis=0)


UNIFORM, LAPLACE = stats.uniform(-1, 2), stats.laplace()


@pytest.mark.parametrize(
    ("laws", "weights"),
    [((UNIFORM, LAPLACE), (1.98, 0.0)), ((LAPLACE, UNIFORM), (0.0, 1.98)), ((LAPLACE, LAPLACE), (1.17, 1.17))],
    ids=["uniform, Laplace", "Laplace, uniform", "Laplace twice"],
)
def test_negative_excess_kurtosis_is_preferred(laws, weights):
    """And of two inputs of positive excess kurtosis both are mixed. Values of the averaged flow."""
    np.testing.assert_allclose(mixed(*laws), weights, atol=0.08)


def test_fast_learning_and_slow_unlearning():
    """From small weights a bimodal direction is learned fast; from adapted ones the next takes far longer."""
    s = 0.25
    sigma, separation = np.full(100, s / 2), np.zeros(100)
    sigma[0], separation[0] = s * np.sqrt(1 - 0.81), 0.9 * s
    swap = 10_000
    system = fisher_hebbian.with_parameters(sigma=sigma, separation=separation, eps_w=0.01, swap=float(swap))
    w = np.random.default_rng(1).uniform(-0.005, 0.005, (4, 100))
    data = ax.simulate(system, 400_000, initial={"w": w}, sample=100, seed=6)
    time, first, second = data.time.values, data.alignment.values[..., 0], data.alignment.values[..., 1]
    learned = np.array([time[np.argmax(a > 0.9)] for a in first])
    again = np.array([time[np.argmax(a > 0.9)] if (a > 0.9).any() else np.inf for a in second]) - swap
    ratio = again / learned
    assert (learned < swap).all()
    assert (ratio >= 5).all()
    assert np.median(ratio) >= 20


def test_the_threshold_sets_the_mean_rate():
    """lambda of the exponential distributions of means 0.2, 0.3, 0.4."""
    for exponent, mean in ((-4.801, 0.2), (-2.672, 0.3), (-1.23, 0.4)):
        system = fisher_hebbian.with_parameters(n=10, lambda_=exponent, eps_b=0.02)
        data = ax.simulate(system, 200_000, sample=10, transient=100_000, seed=1)
        assert float((1 / (1 + np.exp(data.b - data.x))).mean()) == pytest.approx(mean, abs=0.03)


def test_rare_bars_are_learned_as_pixels():
    w = np.random.default_rng(0).uniform(-0.005, 0.005, (8, 25))
    data = ax.simulate(fisher_hebbian_bars.with_parameters(p_bar=0.1), 100_000, initial={"w": w}, sample="end")
    largest = np.abs(data.w.values).max(axis=-1) / np.linalg.norm(data.w.values, axis=-1)
    assert (largest > 0.9).mean() > 0.8


def test_a_picture_is_the_union_of_its_bars():
    data = ax.simulate(fisher_hebbian_bars, 200)
    pictures = data.picture.values.reshape(-1, 5, 5)
    rows, columns = pictures.min(axis=2), pictures.min(axis=1)
    full = (rows.sum(axis=1) < 5) & (columns.sum(axis=1) < 5)
    union = np.maximum(rows[:, :, None], columns[:, None, :])
    np.testing.assert_array_equal(pictures[full], union[full])
    assert pictures.mean() == pytest.approx(1 - 0.8**2, abs=0.05)


def test_the_cubic_rule_is_exact_for_an_error_function():
    """y = (1 + erf(sqrt(pi) x / 4)) / 2: d ln y' / dx = -x / s^2 with s^2 = 8 / pi, so that G = N - x^2 / s^2."""
    x, variance, h = np.linspace(-3, 3, 25), 8 / np.pi, 1e-4
    slope = stats.norm(scale=np.sqrt(variance)).pdf(x)
    np.testing.assert_allclose(np.sqrt(np.pi) / 4 * np.exp(-np.pi * x**2 / 16) / np.sqrt(np.pi), slope, rtol=1e-12)
    curvature = (
        (stats.norm(scale=np.sqrt(variance)).pdf(x + h) - stats.norm(scale=np.sqrt(variance)).pdf(x - h)) / 2 / h
    )
    np.testing.assert_allclose(2 + x * curvature / slope, 2 - x**2 / variance, atol=1e-6)


def test_the_averaged_rule_is_the_mean_of_the_cubic_one():
    """For uniform and Laplacian inputs, whose fourth moments are known."""
    generator = np.random.default_rng(3)
    inputs = np.stack(
        [generator.uniform(-1, 1, 2_000_000) * np.sqrt(3), generator.laplace(size=2_000_000) / np.sqrt(2)]
    )
    w = np.array([0.7, 0.4])
    x = w @ inputs
    rule = (x * (2.3994**2 - x**2) * inputs).mean(axis=1)
    np.testing.assert_allclose(
        averaged_hebbian.with_parameters(kurtosis=[-1.2, 3.0]).rhs({"w": w})["w"], rule, atol=0.03
    )
