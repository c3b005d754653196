"""Adaptive dissipation: energy balance, and the global bifurcations in which its cycles merge and end."""

from __future__ import annotations

import numpy as np
import pytest

import attrax as ax
from attrax import systems
from attrax.systems import robots

GLUING = -0.1713395569
"""Where the unstable and the stable manifold of the saddle x = 0 of the double well meet (shooting, SciPy)."""
HOMOCLINIC = -0.1168488765
"""The same of the cubic potential."""
FINE = {"method": "dop853", "rtol": 1e-10, "atol": 1e-12}


def test_the_two_cycles_of_the_double_well_are_glued():
    system = robots.adaptive_dissipation_double_well
    mus = GLUING + np.array([-2e-4, 2e-4])
    data = ax.simulate(system, 2000.0, transient=1500.0, sample=0.05, parameters={"mu": mus}, **FINE)
    below, above = data.x.values
    assert below.min() > 0.0
    assert above.min() == pytest.approx(-above.max(), rel=1e-3)


def test_the_period_diverges_at_the_gluing():
    """By ln 10 over the rate at which the saddle repels for each factor of ten, and slowly less than that more."""
    system = robots.adaptive_dissipation_double_well
    mus = GLUING - np.array([1e-3, 1e-4, 1e-5, 1e-6])
    data = ax.simulate(system, 3000.0, transient=2500.0, sample=0.02, parameters={"mu": mus}, **FINE)
    longer = np.diff([systems._measures.period(each) for each in data.y])
    expected = np.log(10) / ((GLUING + np.sqrt(GLUING**2 + 4)) / 2)
    assert (np.diff(longer) < 0).all()
    assert (longer > expected).all()
    assert longer[-1] == pytest.approx(expected, rel=0.04)


def test_the_cycle_of_the_cubic_ends_at_the_saddle():
    mus = HOMOCLINIC + np.array([-2e-4, 2e-4])
    data = ax.simulate(robots.adaptive_dissipation, 3000.0, parameters={"mu": mus}, sample=1.0, **FINE)
    assert float(data.x[0].min()) > 0.0
    assert float(data.x[1].min()) < 0.0 or np.isnan(data.x[1]).any()


@pytest.mark.parametrize("name", ["adaptive_dissipation_wells", "adaptive_dissipation_plane"])
def test_energy_is_taken_up_below_mu_and_dissipated_above(name):
    system = getattr(robots, name)
    x = np.random.default_rng(1).normal(size=(7, *system.state["x"]))
    y = np.random.default_rng(2).normal(size=(7, *system.state["x"]))
    f, still = system.rhs({"x": x, "y": y}), system.rhs({"x": x, "y": 0 * y})
    E = ax.simulate(system, 1e-3, sample=[0.0], initial={"x": x, "y": 0 * y}).E.values[:, 0]
    power = np.atleast_2d((f["y"] - still["y"]) * y).reshape(7, -1).sum(1)
    np.testing.assert_allclose(
        power, (system.parameters["mu"].value - E) * (y**2).reshape(7, -1).sum(1), rtol=1e-10, atol=1e-12
    )
    h, slope = 1e-5, still["y"].reshape(7, -1)
    for k in range(slope.shape[1]):
        step = np.zeros_like(slope)
        step[:, k] = h
        ends = [
            ax.simulate(system, 1e-3, sample=[0.0], initial={"x": x + d.reshape(x.shape), "y": 0 * y}).E.values[:, 0]
            for d in (-step, step)
        ]
        np.testing.assert_allclose(-(ends[1] - ends[0]) / (2 * h), slope[:, k], rtol=1e-6, atol=1e-8)


def test_the_wells_begin_to_oscillate_one_after_the_other():
    """Beside its cycle around the deeper wells: a start in a well stays at rest until mu is above its bottom."""
    system = robots.adaptive_dissipation_wells
    for x, bottom in ((5.979563629859721, 0.9396), (11.927399365842893, 3.7539)):
        mus = bottom + np.array([-0.05, 0.05])
        start = system.with_initial(x=x + 0.01)
        data = ax.simulate(start, 1000.0, transient=900.0, parameters={"mu": mus}, sample=0.05, rtol=1e-9)
        spread = np.ptp(data.x.values, axis=1)
        assert spread[0] < 1e-6 and spread[1] > 0.1
        assert np.abs(data.x.values[1] - x).max() < 1.5


def test_the_image_of_a_solution_in_the_plane_is_a_solution():
    system = robots.adaptive_dissipation_plane
    y = np.random.default_rng(3).normal(size=(5, 4))
    for image in ([-1, 1, -1, 1], [1, -1, 1, -1]):
        f, g = (np.concatenate(list(system.rhs(v).values()), axis=-1) for v in (y, y * image))
        np.testing.assert_allclose(g, f * image, rtol=1e-12, atol=1e-12)
