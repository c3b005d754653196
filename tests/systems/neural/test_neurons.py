"""Neighbours of the neural models: their bifurcations in simulation, energies, symmetries, reductions."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.systems import neural, oscillators
from attrax.systems.neural.excitable import CLASS_1


def spread(system, block, current, t_end, start, **options):
    """Range of a variable in the last part of a run."""
    data = ax.simulate(
        system.with_parameters(I=current), t_end, transient=0.7 * t_end, initial=start, rtol=1e-8, **options
    )
    return float(data[block].max() - data[block].min())


@pytest.mark.parametrize(("b", "eps"), [(0.8, 0.08), (0.5, 0.05)])
def test_fitzhugh_nagumo_oscillates_between_its_hopf_points(b, eps):
    """v = -+sqrt(1 - b eps); I from the nullclines."""
    v = np.array([-1.0, 1.0]) * np.sqrt(1 - b * eps)
    system = neural.fitzhugh_nagumo.with_parameters(b=b, eps=eps)
    w = (v + 0.7) / b
    expected = np.sort(w - v + v**3 / 3)
    branch = ax.analysis.continue_fixed_points(
        system.with_parameters(I=-3.0).with_initial(v=-2.0, w=-1.6), "I", (-3.0, 4.0)
    )
    found = sorted(p.parameters["I"] for p in branch.special("H"))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert spread(system, "v", expected.mean(), 600.0, {"v": 0.1, "w": 0.1}) > 1.0
    for outside in (expected[0] - 0.3, expected[1] + 0.3):
        assert spread(system, "v", outside, 600.0, {"v": 0.1, "w": 0.1}) < 1e-3


def test_the_squid_axon_rests_or_fires_at_the_same_current():
    rest = ax.simulate(neural.hodgkin_huxley.with_parameters(I=0.0), 100.0, sample="end")
    rest = {name: float(rest[name][-1]) for name in neural.hodgkin_huxley.state}
    assert spread(neural.hodgkin_huxley, "V", 5.0, 400.0, rest) < 1.0
    assert spread(neural.hodgkin_huxley, "V", 12.0, 400.0, rest) > 60.0
    near = ax.analysis.fixed_points(
        neural.hodgkin_huxley.with_parameters(I=8.0), {"V": (-5, 15), "m": (0, 1), "h": (0, 1), "n": (0, 1)}
    )
    rest = {name: float(near[name][0]) + 1e-3 for name in neural.hodgkin_huxley.state}
    assert spread(neural.hodgkin_huxley, "V", 8.0, 2000.0, rest) < 0.1
    assert spread(neural.hodgkin_huxley, "V", 8.0, 2000.0, {"V": 20.0}) > 60.0
    assert spread(neural.hodgkin_huxley, "V", 200.0, 2000.0, rest) < 0.1


def test_the_rates_of_the_gates_are_smooth_where_their_formulas_are_zero_by_zero():
    V = np.array([10.0 - 1e-3, 10.0, 10.0 + 1e-3, 25.0 - 1e-3, 25.0, 25.0 + 1e-3])
    states = np.stack([V, np.full(6, 0.1), np.full(6, 0.5), np.full(6, 0.4)], axis=1)
    slopes = neural.hodgkin_huxley.jacobian(states)
    assert np.isfinite(slopes).all()
    for middle in (1, 4):
        np.testing.assert_allclose(slopes[middle], (slopes[middle - 1] + slopes[middle + 1]) / 2, rtol=1e-5, atol=1e-7)


def frequency(current):
    """Of firing of the Morris-Lecar neuron of class 1, per ms."""
    system = neural.morris_lecar.with_parameters(**CLASS_1, I=current)
    data = ax.simulate(system, 8000.0, transient=1000.0, sample=0.5, rtol=1e-8)
    up = np.flatnonzero((data.V.values[:-1] < 0) & (data.V.values[1:] >= 0))
    return 1 / np.diff(data.time.values[up]).mean()


def test_class_1_fires_at_any_low_frequency():
    """Frequency ~ sqrt(I - I_c) near the saddle-node on an invariant circle at I_c = 39.963."""
    near, far = frequency(39.963 + 0.02), frequency(39.963 + 0.08)
    assert far / near == pytest.approx(2.0, rel=0.1)


def test_hindmarsh_and_rose_rest_burst_and_fire():
    start = {"x": -1.0, "y": -4.0, "z": 2.0}
    assert spread(neural.hindmarsh_rose, "x", 1.0, 6000.0, start) < 1e-3
    bursting = ax.simulate(
        neural.hindmarsh_rose.with_parameters(I=2.0), 4000.0, transient=2000.0, sample=0.1, rtol=1e-8
    )
    spikes = bursting.time.values[1:][(bursting.x.values[1:] > 0.5) & (bursting.x.values[:-1] <= 0.5)]
    gaps = np.diff(spikes)
    assert gaps.max() > 4 * gaps.min()
    firing = ax.simulate(neural.hindmarsh_rose.with_parameters(I=4.0), 4000.0, transient=2000.0, sample=0.1, rtol=1e-8)
    spikes = firing.time.values[1:][(firing.x.values[1:] > 0.5) & (firing.x.values[:-1] <= 0.5)]
    assert np.diff(spikes).max() < 1.1 * np.diff(spikes).min()


def rate_of_neurons(N, eta, J):
    """Of neurons as phases, v = tan(theta / 2), by the conformal map of their order parameter."""
    inputs = eta + np.tan(np.pi * ((np.arange(N) + 0.5) / N - 0.5))

    def rate(t, s, p):
        a, b = jnp.mean(jnp.cos(s.theta)), jnp.mean(jnp.sin(s.theta))
        return (1 - a * a - b * b) / ((1 + a) ** 2 + b * b) / jnp.pi

    @ax.flow(state={"theta": (N,)}, parameters={"inputs": inputs}, observables={"r": rate}, initial={"theta": 1.0})
    def neurons(t, s, p):
        c = jnp.cos(s.theta)
        return {"theta": 1 - c + (1 + c) * (p.inputs + J * rate(t, s, p))}

    return float(ax.simulate(neurons, 60.0, transient=20.0, sample=0.02, method="rk4", dt=0.01).r.mean())


def test_the_mean_field_is_that_of_many_neurons():
    system = neural.quadratic_integrate_and_fire.with_parameters(eta=-2.0, J=15.0)
    few = float(ax.simulate(system, 60.0, sample="end").r[-1])
    errors = [abs(rate_of_neurons(N, -2.0, 15.0) - few) / few for N in (30, 120)]
    assert errors[1] < 0.07
    assert errors[1] < errors[0] / 2.5


@pytest.mark.parametrize("name", ["hopfield_network", "modern_hopfield"])
def test_memories_descend_their_energy(name):
    system = getattr(neural, name)
    starts = np.random.default_rng(3).normal(scale=1.0, size=(5, system.dimension))
    data = ax.simulate(system, 15.0, initial=starts, sample=0.05, rtol=1e-9, atol=1e-12)
    assert (data.E.diff("time") <= 1e-9).all()


def test_the_update_of_the_modern_memory_descends_its_energy():
    starts = np.random.default_rng(4).normal(scale=3.0, size=(20, 16))
    data = ax.simulate(neural.modern_hopfield_map, 20, initial=starts)
    assert (data.E.diff("time") <= 1e-12).all()


def test_binary_memories_end_in_short_cycles():
    starts = np.random.default_rng(5).choice([-1.0, 1.0], (10, 200))
    y = ax.simulate(neural.hopfield_map, 200, initial=starts).y.values
    np.testing.assert_array_equal(y[:, -1], y[:, -3])


def test_a_memory_holds_few_patterns_and_loses_many():
    kept = [float(ax.simulate(neural.hopfield_map.with_parameters(K=K), 60).m[-1, 0]) for K in (4, 60)]
    assert kept[0] > 0.97
    assert kept[1] < 0.8


def test_oscillators_turn_together():
    """Kuramoto's equations do not change when all phases turn, and locked oscillators keep their distances."""
    system = oscillators.kuramoto
    theta = np.random.default_rng(6).uniform(0, 6, 100)
    np.testing.assert_allclose(
        system.rhs({"theta": theta})["theta"], system.rhs({"theta": theta + 1})["theta"], atol=1e-12
    )
    locked = system.with_parameters(omega=np.linspace(-0.2, 0.2, 100), K=1.0)
    speed = locked.rhs({"theta": ax.simulate(locked, 200.0, sample="end").theta.values[-1]})["theta"]
    np.testing.assert_allclose(speed, 0.0, atol=1e-6)
