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


def turns(system, t_end):
    """Times between the rises of the first rate through 1/2, in the second half of a run."""
    data = ax.simulate(system, t_end, transient=t_end / 2, sample=0.1, rtol=1e-8, atol=1e-10)
    y = data.y.values[:, 0]
    return np.diff(data.time.values[1:][(y[1:] >= 0.5) & (y[:-1] < 0.5)])


@pytest.mark.parametrize(("lambda1", "irregular"), [(0.0, False), (2.0, True), (-2.0, True)])
def test_three_sites_turn_regularly_for_the_symmetric_target_alone(lambda1, irregular):
    system = systems.get("neural.three_site_network").with_parameters(lambda1=lambda1, eps_a=0.01, eps_b=0.01)
    times = turns(system, 3000.0)
    spread = times.std() / times.mean()
    assert (spread > 0.1) if irregular else (spread < 0.02)


def test_three_sites_run_away_to_the_target_mean():
    """lambda1 = -3.6, eps = 0.01: all rates rest at y = 0.206, where Theta = 0, while the gains grow."""
    system = systems.get("neural.three_site_network").with_parameters(lambda1=-3.6, eps_a=0.01, eps_b=0.01)
    data = ax.simulate(system, 8000.0, transient=7000.0, sample=10.0)
    np.testing.assert_allclose(data.y, 0.206, atol=0.001)
    assert (np.diff(data.a.values, axis=0) > 0).all()


# mean distance from the target points, by gain, at these rates of adaptation: independent computation with rk4
RATES = (0.1, 0.03, 0.01, 0.003, 0.001)
DISTANCES = {4.5: (0.534, 0.651, 0.630, 0.602, 0.583), 10.0: (1.106, 1.023, 0.570, 0.245, 0.140)}


@pytest.mark.parametrize("a", DISTANCES)
def test_the_distance_from_target_points_shrinks_in_the_adiabatic_state_alone(a):
    """As the square root of eps at gain 10, slowly or not at all at gain 4.5."""
    network = systems.get("neural.target_point_network").with_parameters(a=a)
    found = []
    for eps in RATES:
        system = network.with_parameters(eps=eps)
        period = turns(system, 4000.0 + 5 / eps).mean()
        near = ax.analysis.metadynamics(
            system, 4000.0 + 2 * period, transient=4000.0, sample=period / 250, starts=1
        ).distance
        found.append(float(near.mean()))
    np.testing.assert_allclose(found, DISTANCES[a], rtol=0.05)
    slope = np.log(found[-1] / found[-2]) / np.log(RATES[-1] / RATES[-2])
    assert slope == pytest.approx(0.5 if a == 10.0 else 0.0, abs=0.1)


@pytest.mark.slow
def test_stress_silences_the_latching_network_more_and_more():
    quiet = []
    for mean, exponent in ((0.3, -2.672), (0.25, -3.594), (0.2, -4.801), (0.15, -6.607), (0.05, -20.0)):
        system = systems.get("neural.latching_network").with_parameters(lambda1=exponent)
        data = ax.simulate(system, 8000.0, transient=3000.0, sample=0.2, method="euler", dt=0.05)
        speed = np.abs(np.gradient(data.y.values, data.time.values, axis=0)).mean(axis=1)
        quiet.append(float(np.mean(speed < 0.01)))
        assert float(data.y.mean()) == pytest.approx(mean, abs=0.03)
    assert (np.diff(quiet) > 0).all()
    assert quiet[0] < 0.06
    assert quiet[3] > 0.4
    assert quiet[4] == 1.0
