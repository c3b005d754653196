"""Poincaré maps as systems: closed forms, Floquet multipliers by SciPy, and the crossings of the flow itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import attrax as ax
from attrax.analysis import (
    continue_fixed_points,
    fixed_points,
    lyapunov_spectrum,
    orbit_diagram,
    poincare_map,
    poincare_section,
)
from attrax.engine.errors import InputError

roessler = ax.systems.chaos.roessler


@ax.flow(state={"x": (), "y": ()}, parameters={"mu": 0.1}, initial={"x": 0.2, "y": 0.0})
def circle(t, s, p):
    """In polar coordinates r' = mu r - r^3, phi' = 1."""
    q = p.mu - s.x**2 - s.y**2
    return {"x": q * s.x - s.y, "y": q * s.y + s.x}


def next_radius(r, mu):
    return np.sqrt(mu / (1 + (mu / r**2 - 1) * np.exp(-4 * np.pi * mu)))


@pytest.fixture(scope="module")
def around():
    return poincare_map(circle, "y > 0", 8.0)


def test_iterates_in_closed_form(around):
    run = ax.simulate(around, 5)
    expected = [0.2]
    for _ in range(5):
        expected.append(next_radius(expected[-1], 0.1))
    np.testing.assert_allclose(run.x, expected, rtol=1e-10)
    np.testing.assert_allclose(run.y, 0.0, atol=1e-12)
    np.testing.assert_allclose(run.return_time, 2 * np.pi, rtol=1e-10)
    off = ax.simulate(around, 1, initial={"x": 0.0, "y": 0.2})  # three quarters of a turn to go
    assert off.return_time[0].item() == pytest.approx(1.5 * np.pi, rel=1e-10)
    both = ax.simulate(poincare_map(circle, "y = 0", 8.0), 2)
    np.testing.assert_allclose(both.return_time, np.pi, rtol=1e-10)
    assert both.x[1].item() < 0


def test_derivative_has_the_multiplier_and_none_along_the_flow(around):
    values = np.linalg.eigvals(around.jacobian({"x": np.sqrt(0.1), "y": 0.0}))
    np.testing.assert_allclose(np.sort(np.abs(values)), [0.0, np.exp(-4 * np.pi * 0.1)], atol=1e-9)
    r, small = 0.25, 1e-5  # and away from the cycle
    slope = (next_radius(r + small, 0.1) - next_radius(r - small, 0.1)) / (2 * small)
    jacobian = around.jacobian({"x": r, "y": 0.0})
    assert jacobian[0, 0] == pytest.approx(slope, rel=1e-8)
    np.testing.assert_allclose(jacobian[1], 0.0, atol=1e-9)


def test_analyses_of_maps(around):
    cycle = fixed_points(around, {"x": (0.1, 1.0), "y": (-0.1, 0.1)}, starts=20)
    np.testing.assert_allclose(cycle.x, [np.sqrt(0.1)], rtol=1e-9)
    assert cycle.kind.values.tolist() == ["stable node"]
    found = lyapunov_spectrum(around, 1, t_total=500, transient=20)
    assert found.exponents[0].item() == pytest.approx(-4 * np.pi * 0.1, rel=1e-6)
    mu = [0.05, 0.1, 0.2]
    seen = orbit_diagram(around, "mu", mu, observable="x", transient=200, points=3)
    np.testing.assert_allclose(seen.x[0], np.sqrt(mu)[:, None] * np.ones(3), rtol=1e-8)


def test_floquet_multipliers_of_roessler():
    """The monodromy matrix of the cycle at a = b = 0.2, c = 2.5, integrated by SciPy."""
    system = roessler.with_parameters(a=0.2, b=0.2, c=2.5)
    at_maxima = poincare_map(system, "max x", 12.0)
    late = ax.simulate(at_maxima, 200, sample="end")
    state, period = np.array([late[k].item() for k in "xyz"]), late.return_time.item()

    def extended(t, u):
        jacobian = np.array([[0, -1, -1], [1, 0.2, 0], [u[2], 0, u[0] - 2.5]])
        x, y, z = u[:3]
        return np.concatenate([[-y - z, x + 0.2 * y, 0.2 + z * (x - 2.5)], (jacobian @ u[3:].reshape(3, 3)).ravel()])

    end = solve_ivp(extended, (0, period), [*state, *np.eye(3).ravel()], method="DOP853", rtol=1e-12, atol=1e-14).y[
        :, -1
    ]
    np.testing.assert_allclose(end[:3], state, atol=1e-6)
    floquet = np.linalg.eigvals(end[3:].reshape(3, 3))
    floquet = floquet[np.argsort(np.abs(floquet))].real  # the middle one or the last is 1, along the flow
    ours = np.linalg.eigvals(at_maxima.jacobian(dict(zip("xyz", state, strict=True))))
    assert np.abs(ours - -0.769696).min() < 1e-5
    assert np.abs(floquet - -0.769696).min() < 1e-5
    assert np.abs(np.delete(floquet, np.argmin(np.abs(floquet - 1)))).max() == pytest.approx(
        np.abs(ours).max(), rel=1e-5
    )


def test_the_crossings_of_the_flow_itself():
    section = poincare_section(roessler, "y > 0", points=6, rtol=1e-11, atol=1e-13)
    run = ax.simulate(poincare_map(roessler, "y > 0", 10.0), 6)
    np.testing.assert_allclose(run.x[1:], section.x, rtol=1e-5)


@pytest.mark.slow
def test_exponents_are_those_of_the_flow_times_the_time_of_return():
    once = poincare_map(roessler, "y > 0", 10.0)
    found = lyapunov_spectrum(once, 1, t_total=5000, transient=100)
    mean = float(ax.simulate(once, 5000, transient=100).return_time.mean())
    flow = lyapunov_spectrum(roessler, 1, t_total=20_000.0)
    error = np.hypot(float(found.standard_error[0]) / mean, float(flow.standard_error[0]))
    assert abs(float(found.exponents[0]) / mean - float(flow.exponents[0])) < 4 * error


@pytest.mark.slow
def test_the_first_period_doubling_of_roessler():
    """At c = 2.832 for a = b = 0.2."""
    start = roessler.with_parameters(a=0.2, b=0.2, c=2.5)
    at_maxima = poincare_map(start, "max x", 12.0)
    late = ax.simulate(at_maxima, 100, sample="end")
    branch = continue_fixed_points(
        at_maxima.with_initial(**{k: late[k].item() for k in "xyz"}), "c", (2.0, 3.5), max_step=0.05
    )
    assert branch["PD1"].parameters["c"] == pytest.approx(2.83244, abs=1e-4)


def test_events_are_sections():
    @ax.flow(
        state=circle.state,
        parameters={"mu": 0.1},
        initial={"x": 0.2},
        events={"turn": ax.event(lambda t, s, p: s.y, direction="up")},
    )
    def marked(t, s, p):
        return circle.function(t, s, p)

    run = ax.simulate(poincare_map(marked, marked.events["turn"], 8.0), 2)
    np.testing.assert_allclose(run.x[1], next_radius(0.2, 0.1), rtol=1e-10)


def test_a_state_that_does_not_return():
    run = ax.simulate(poincare_map(circle, "x > 5", 8.0), 3)
    assert run.status.item() == 2 and np.isnan(run.x[-1])


def test_wrong_arguments():
    with pytest.raises(InputError, match="is a map"):
        poincare_map(ax.systems.maps.henon, "x > 0", 5.0)
    with pytest.raises(InputError, match="longest must be positive"):
        poincare_map(circle, "y > 0", -1.0)
    with pytest.raises(InputError, match="'w' in"):
        poincare_map(circle, "w > 0", 8.0)
    with pytest.raises(InputError, match="explicit method"):
        poincare_map(circle, "y > 0", 8.0, method="rodas")
