"""The arm with adaptive dissipation: energy, and the sequences of objects that it reaches for."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.systems.robots import arm, lazy_arm, reaching_arm

STILL = {"Omega": np.zeros(3)}


def engagements(system, t_end=3000.0):
    data = ax.simulate(system, t_end, sample=0.05, rtol=1e-8)
    return ax.analysis.activity_sequence(data.target, data.f < 0, kinds=system.structure["K"]), data


def test_the_energy_changes_with_the_dissipation_function():
    """dE/dt = f |alpha'|^2 for an object at rest."""
    system = arm.with_parameters(**STILL)
    data = ax.simulate(system, 4.0, sample=1e-3, method="dop853", rtol=1e-12, atol=1e-13)
    assert data.switch_count == 0
    power = (data.f * (data.omega**2).sum("n")).values
    simpson = (power[:-2:2] + 4 * power[1:-1:2] + power[2::2]) * 1e-3 / 3
    np.testing.assert_allclose(data.E[2::2] - data.E[0], np.cumsum(simpson), atol=1e-8)


@pytest.mark.parametrize("K", [2, 3, 5])
def test_activities_are_balanced(K):
    found, data = engagements(arm.with_parameters(K=K))
    assert float(found.entropy) > 0.95
    assert float(found.switching) > 0.95
    assert (np.diff(np.sign(data.f.values[data.f.values != 0])) != 0).sum() > 100
    begin, end = found.begin.values[1:-1], (found.begin + found.dwell + found.pause).values[1:-1]
    time, distance = data.time.values, data.distance.values
    reached = [distance[(time >= a) & (time <= b)].min() < 0.4 for a, b in zip(begin, end, strict=True)]
    assert np.mean(reached) > 0.99
    assert np.abs(data.omega).max() < 7.0


@pytest.mark.parametrize(("changes", "T_engage", "T_explore"), [
    ({"K": 2}, 5.7, 1.7), ({"K": 3}, 5.3, 1.7), ({"K": 5}, 3.13, 1.63), ({"f_dis": -2.0, "tau": 5.0}, 7.0, 4.7),
])  # fmt: skip
def test_dwell_times(changes, T_engage, T_explore):
    """Against means over much longer runs; the motion is chaotic."""
    found, _ = engagements(arm.with_parameters(**changes))
    assert float(found.dwell.mean()) == pytest.approx(T_engage, rel=0.1)
    assert float(found.pause.mean()) == pytest.approx(T_explore, rel=0.1)


@pytest.mark.parametrize(("K", "switching"), [(3, 0.11), (5, 0.33)])
def test_the_arm_that_may_stay_switches_less(K, switching):
    found, _ = engagements(lazy_arm.with_parameters(K=K), 12_000.0)
    assert float(found.entropy) > 0.95
    assert float(found.switching) == pytest.approx(switching, abs=0.03)


@pytest.mark.parametrize("changes", [{"f_up": 0.5}, {"f_up": 0.3}, {"d0": 0.2}])
def test_with_too_little_energy_it_stays_with_its_first_object(changes):
    found, data = engagements(lazy_arm.with_parameters(**changes), 1000.0)
    assert float(found.entropy) == 0.0
    assert (data.target == 0).all()
    assert data.switch_count > 50  # it chooses again and again, always the same


def test_without_energy_it_never_chooses_again():
    assert ax.simulate(arm.with_parameters(f_up=-0.1), 1000.0, sample=1.0).switch_count == 0


def test_law_and_rule_can_be_exchanged():
    """A step in place of the sigmoid, and objects in turn."""
    in_turn = reaching_arm(
        lambda distance, p: jnp.where(distance < p.d0, p.f_up, p.f_dis),
        lambda distances, current: (current + 1) % len(distances),
        name="dutiful_arm",
    )
    found, _ = engagements(in_turn, 500.0)
    steps = np.diff(found.label.values) % 3
    assert (steps == 1).mean() > 0.95


@pytest.mark.parametrize("n", [1, 3])
def test_other_numbers_of_joints(n):
    data = ax.simulate(arm.with_parameters(n=n), 100.0, sample=0.5)
    assert data.status == 0 and data.alpha.shape[-1] == n


def test_mistakes_are_told():
    with pytest.raises(
        ax.errors.InputError, match="an arm needs at least one object to reach for: K must be at least 1"
    ):
        arm.with_parameters(K=0)
    with pytest.raises(ax.errors.InputError, match="parameter 'l' .* must be positive, not -1"):
        arm.with_parameters(l=np.array([1.0, -1.0]))
