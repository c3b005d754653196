"""Intrinsic plasticity against the divergence that it descends, and the energy of the fast subsystem."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import expit

import attrax as ax
from attrax import systems
from attrax.systems.neural import intrinsic_plasticity, polyhomeostatic_adaptation


def loss(x, a, b, lambda1, lambda2):
    """Integrand of the Kullback-Leibler divergence between the rate and its target, up to a constant."""
    y = expit(a * (x - b))
    return -np.log(a * y * (1 - y)) - lambda1 * y - lambda2 * y**2


@pytest.mark.parametrize(
    ("a", "b", "lambda1", "lambda2"), [(1.3, 0.2, 0.0, 0.0), (4.0, -0.5, 3.0, -5.0), (0.7, 1.0, -20, 18.8)]
)
def test_the_plasticity_descends_the_divergence(a, b, lambda1, lambda2):
    x, h = np.linspace(-2, 2, 21), 1e-6
    y = expit(a * (x - b))
    da, db = intrinsic_plasticity(x, y, a, b, lambda1, lambda2)
    slope_a = (loss(x, a + h, b, lambda1, lambda2) - loss(x, a - h, b, lambda1, lambda2)) / (2 * h)
    slope_b = (loss(x, a, b + h, lambda1, lambda2) - loss(x, a, b - h, lambda1, lambda2)) / (2 * h)
    np.testing.assert_allclose(da, -slope_a, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(db, -slope_b, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("a", "b", "lambda_"), [(1.3, 0.2, 0.0), (4.0, -0.5, 3.6)])
def test_the_discrete_adaptation_descends_the_divergence(a, b, lambda_):
    x, h = np.linspace(-2, 2, 21), 1e-6

    def f(a, b):
        return loss(x, a, -b / a, -lambda_, 0.0)

    da, db = polyhomeostatic_adaptation(x, expit(a * x + b), a, lambda_)
    np.testing.assert_allclose(da, -(f(a + h, b) - f(a - h, b)) / (2 * h), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(db, -(f(a, b + h) - f(a, b - h)) / (2 * h), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("variance", "gain"), [(1.0, 1.7488), (0.1, 5.5302)])
def test_the_stationary_gain_for_gaussian_input(variance, gain):
    """Mean-field values for a uniform target of the rate."""

    def mean(a):
        def integrand(z):
            x = np.sqrt(variance) * z
            return float(intrinsic_plasticity(x, expit(a * x), a, 0.0, 0.0, 0.0)[0]) * np.exp(-(z**2) / 2)

        return quad(integrand, -8, 8, limit=200)[0]

    assert brentq(mean, 0.3, 20.0) == pytest.approx(gain, rel=1e-4)


@pytest.mark.parametrize(("eps_b", "oscillates"), [(0.009, True), (0.011, False)])
def test_fast_adaptation_of_the_threshold_ends_the_oscillation(eps_b, oscillates):
    """Target exponent lambda1 = -3.6: the oscillation is possible for eps_b < w^2 q / (4 Gamma kappa) = 0.0099."""
    system = systems.get("neural.self_coupled_neuron").with_parameters(lambda1=-3.6, eps_a=eps_b, eps_b=eps_b)
    y = ax.simulate(system, 20_000.0, transient=19_000.0, sample=0.5).y
    assert (float(y.max() - y.min()) > 0.5) == oscillates


def test_the_energy_of_the_fast_subsystem_never_grows():
    system = systems.get("neural.latching_network").with_parameters(N=20, N_p=3)
    generator = np.random.default_rng(6)
    fast = system.with_initial(a=generator.uniform(3, 6, 20), b=generator.uniform(0, 0.5, 20)).freeze("a", "b")
    energy = ax.simulate(
        fast, 20.0, sample=0.05, initial={"x": generator.normal(size=(5, 20))}, rtol=1e-10, atol=1e-12
    ).E.values
    assert np.diff(energy, axis=-1).max() < 1e-9
    assert (energy[:, -1] < energy[:, 0] - 0.01).all()


def test_the_latching_network_applies_the_covariance_of_its_patterns():
    system = systems.get("neural.latching_network").with_parameters(N=12, N_p=4)
    xi = system.parameters["xi"].value
    assert (xi.sum(axis=1) == round(0.3 * 12)).all()
    centred = xi - xi.mean(axis=0)
    w = centred.T @ centred / 4
    np.fill_diagonal(w, 0.0)
    s = system.initial
    y = expit(s["a"] * (s["x"] - s["b"]))
    np.testing.assert_allclose(system.rhs()["x"], -s["x"] + w @ y, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("lambda_", "critical"), [(3.59351196944743, 6.1126), (0.0, 4.0)])
def test_the_map_oscillates_above_its_critical_gain(lambda_, critical):
    """Frozen gain 3 % below and above 1 / (y (1 - y))."""
    system = systems.get("neural.self_coupled_neuron_map").with_parameters(lambda_=lambda_).freeze("a")
    for factor, oscillates in ((0.97, False), (1.03, True)):
        y = ax.simulate(system.with_parameters(a=factor * critical), 20_000, transient=18_000).y
        assert (float(y.max() - y.min()) > 0.1) == oscillates
