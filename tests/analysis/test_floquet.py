"""Floquet multipliers and phase responses: closed forms, identities, and direct kicks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import attrax as ax
from attrax.analysis import find_cycle, floquet, phase_response
from attrax.engine.errors import InputError

from .test_cycles import brusselator, driven, stuart_landau, van_der_pol


@pytest.mark.parametrize("system", [van_der_pol, brusselator, stuart_landau, van_der_pol.with_parameters(mu=5.0)])
def test_identities(system):
    cycle = find_cycle(system)
    result = floquet(system, cycle)
    assert float(result.trivial_error) < 1e-8
    assert abs(float(result.divergence_error)) < 1e-8
    response = phase_response(system, cycle)
    assert float(response.identity_error) < 1e-6


def test_multipliers_over_20_orders_together():
    """Four uncoupled directions besides the cycle, whose multipliers are known."""
    rates = np.array([1.0, 4.0, 8.0, 15.0])

    @ax.flow(state={"x": (), "y": (), "v": (4,)}, parameters={}, initial={"x": 1.0})
    def shrinking(t, s, p):
        r2 = s.x**2 + s.y**2
        return {
            "x": (1 - r2) * s.x - s.y,
            "y": (1 - r2) * s.y + s.x,
            "v": -rates * s.v + 0.3 * s.x**2 - 0.1 * s.v * s.y,
        }

    cycle = find_cycle(shrinking)
    exact = np.exp(-2 * np.pi * np.array([0.0, 1.0, 2.0, 4.0, 8.0, 15.0]))
    assert cycle.multipliers.real == pytest.approx(np.sort(exact)[::-1], rel=1e-7)


def test_phase_response_of_the_hopf_normal_form():
    """Z = (-sin th - c cos th, cos th - c sin th) / r in angle, where c is the shear over the growth rate's slope."""
    cycle = find_cycle(stuart_landau)
    response = phase_response(stuart_landau, cycle)
    z = cycle.profile
    theta, r, c = np.arctan2(z[:, 1], z[:, 0]), np.sqrt(0.5), -0.7
    exact = np.stack([-np.sin(theta) + c * np.cos(theta), np.cos(theta) + c * np.sin(theta)], axis=1) / r
    omega = 2 * np.pi / cycle.period
    assert response.z.values * omega == pytest.approx(exact, abs=1e-6)


def test_phase_response_agrees_with_kicks():
    cycle = find_cycle(van_der_pol)
    response = phase_response(van_der_pol, cycle)
    f = lambda t, u: [u[1], (1 - u[0] ** 2) * u[1] - u[0]]  # noqa: E731
    T, size = cycle.period, 1e-4
    tolerances = {"rtol": 1e-12, "atol": 1e-13, "method": "DOP853"}

    def passage(start):
        """When x passes through 0 upwards for the fifth time."""
        event = lambda t, u: u[0]  # noqa: E731
        event.direction = 1
        return solve_ivp(f, (0, 6 * T), start, events=event, **tolerances).t_events[0][4]

    for k in range(0, len(cycle.profile) - 1, 97):
        start = cycle.profile[k]
        for axis, name in enumerate("xy"):
            kick = np.eye(2)[axis] * size
            if min(abs(start[0] - s) for s in (0.0,)) < 1e-2:
                continue
            advance = (passage(start - kick) - passage(start + kick)) / 2
            assert advance / size == pytest.approx(response[name].values[k], rel=1e-4, abs=1e-5)


def test_mistakes_are_explained():
    cycle = find_cycle(driven, period="2*pi/omega")
    assert abs(floquet(driven, cycle).divergence_error) < 1e-9
    with pytest.raises(InputError, match="its phase is that of the drive"):
        phase_response(driven, cycle)
    with pytest.raises(InputError, match="expected a Cycle"):
        floquet(van_der_pol, 3)
    with pytest.raises(InputError, match="is a map"):
        floquet(ax.systems.maps.logistic, cycle)
