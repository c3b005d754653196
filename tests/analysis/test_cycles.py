"""Limit cycles: closed forms, published and independently computed values, and agreement of methods."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import attrax as ax
from attrax.analysis import Cycle, find_cycle
from attrax.engine.errors import InputError, NumericsError


@ax.flow(state={"x": (), "y": ()}, parameters={"mu": 1.0}, initial={"x": 2.0})
def van_der_pol(t, s, p):
    return {"x": s.y, "y": p.mu * (1 - s.x**2) * s.y - s.x}


@ax.flow(state={"x": (), "y": ()}, parameters={"A": 1.0, "B": 3.0}, initial={"x": 1.5, "y": 2.0})
def brusselator(t, s, p):
    return {"x": p.A - (p.B + 1) * s.x + s.x**2 * s.y, "y": p.B * s.x - s.x**2 * s.y}


@ax.flow(state={"z": (2,)}, parameters={"a": 0.5, "w": 2.0, "shear": 0.7}, initial={"z": 0.9})
def stuart_landau(t, s, p):
    x, y = s.z
    r2 = x**2 + y**2
    turn = p.w - p.shear * r2
    return {"z": jnp.stack([(p.a - r2) * x - turn * y, (p.a - r2) * y + turn * x])}


@ax.flow(state={"x": (), "v": ()}, parameters={"friction": 0.2, "force": 0.5, "omega": 1.3}, initial={"x": 0.3})
def driven(t, s, p):
    return {"x": s.v, "v": -p.friction * s.v - 2 * s.x + p.force * jnp.cos(p.omega * t)}


@pytest.mark.parametrize(
    ("mu", "period"), [(0.1, 6.287111272289), (1.0, 6.663286859323), (5.0, 11.612230667720)]
)  # reference: 30-digit Taylor integration
def test_period_of_van_der_pol(mu, period):
    cycle = find_cycle(van_der_pol.with_parameters(mu=mu))
    assert cycle.period == pytest.approx(period, rel=1e-12)
    assert float(cycle.data.trivial_error) < 1e-8
    assert cycle.stable
    assert cycle.residual < 1e-9
    assert cycle.symmetry.startswith("(-x, -y)")


def test_multiplier_is_the_exponential_of_the_divergence_over_40_orders():
    for mu in (0.1, 1.0, 5.0, 8.0):
        system = van_der_pol.with_parameters(mu=mu)
        cycle = find_cycle(system)
        right = lambda t, u: [u[1], mu * (1 - u[0] ** 2) * u[1] - u[0], mu * (1 - u[0] ** 2)]  # noqa: B023, E731
        start = [*cycle.profile[0], 0.0]
        path = solve_ivp(right, (0, cycle.period), start, method="LSODA", rtol=1e-12, atol=1e-14)
        exponent = path.y[2, -1]
        assert np.log(abs(cycle.multipliers[1])) == pytest.approx(exponent, rel=1e-8)


def test_brusselator():
    cycle = find_cycle(brusselator)
    assert cycle.period == pytest.approx(7.156919921180, rel=1e-12)
    assert cycle.multipliers[1].real == pytest.approx(2.5163758e-4, rel=1e-7)
    assert cycle.symmetry == ""


def test_closed_form_of_the_hopf_normal_form():
    cycle = find_cycle(stuart_landau)
    assert cycle.period == pytest.approx(2 * np.pi / (2.0 - 0.7 * 0.5), rel=1e-12)
    assert cycle.multipliers[1].real == pytest.approx(np.exp(-2 * 0.5 * cycle.period), rel=1e-9)
    assert np.hypot(*cycle.profile.T) == pytest.approx(np.sqrt(0.5), abs=1e-8)
    assert cycle.amplitude["z"] == pytest.approx(2 * np.sqrt(0.5), abs=1e-8)


def test_robot_with_adaptive_dissipation():
    cycle = find_cycle(ax.systems.robots.dissipation.adaptive_dissipation)
    assert cycle.period == pytest.approx(7.1140804628, rel=1e-10)
    assert cycle.multipliers[1].real == pytest.approx(0.82511856, rel=1e-8)


def test_a_symmetric_cycle_of_lorenz():
    cycle = find_cycle(ax.systems.chaos.lorenz.with_parameters(rho=160.0))
    assert cycle.symmetry.startswith("(-x, -y, z)")
    product = np.prod(cycle.multipliers).real
    assert product == pytest.approx(np.exp(-41 / 3 * cycle.period), rel=1e-6)


def test_the_minimal_period_is_found_from_a_multiple():
    cycle = find_cycle(van_der_pol)
    start = dict(zip("xy", cycle.profile[0], strict=True))
    for times in (1, 2, 3):
        again = find_cycle(van_der_pol, start, period=times * cycle.period * 1.001)
        assert again.period == pytest.approx(cycle.period, rel=1e-11)


def test_a_period_doubled_cycle_and_a_start_from_a_cycle():
    system = ax.systems.chaos.roessler.with_parameters(a=0.2, b=0.2, c=3.5)
    doubled = find_cycle(system)
    assert doubled.period == pytest.approx(11.5452182878, rel=1e-9)
    assert doubled.stable
    other = find_cycle(system.with_parameters(c=3.6), doubled)
    assert other.period != doubled.period
    assert other.parameters["c"] == 3.6


def test_unstable_cycles_are_found_from_a_guess():
    """The cycle of Lorenz' equations around a fixed point below its subcritical Hopf bifurcation."""
    system = ax.systems.chaos.lorenz.with_parameters(rho=24.0)
    hopf = ax.analysis.continue_fixed_points(system.with_initial(x=8.0, y=8.0, z=23.0), "rho", (20, 28)).special("H")[0]
    cycle = find_cycle(system, hopf)
    assert cycle.unstable == 1
    assert cycle.parameters["rho"] < 470 / 19


def test_driven_oscillator_has_its_closed_form():
    cycle = find_cycle(driven, period="2*pi/omega")
    w = 1.3
    response = 0.5 / (2 - w**2 + 0.2j * w)
    time = cycle.data.time.values
    assert cycle.period == pytest.approx(2 * np.pi / w, rel=1e-15)
    assert cycle.profile[:, 0] == pytest.approx((response * np.exp(1j * w * time)).real, abs=1e-9)
    exact = np.exp(np.roots([1, 0.2, 2]) * cycle.period)
    assert np.sort_complex(cycle.multipliers) == pytest.approx(np.sort_complex(exact), rel=1e-8)


def test_cycles_of_maps():
    logistic = ax.systems.maps.logistic.with_parameters(r=3.5)
    cycle = find_cycle(logistic, period=4)
    x = cycle.profile[:, 0]
    assert np.roll(3.5 * x * (1 - x), 1) == pytest.approx(x, abs=1e-12)
    assert cycle.multipliers[0].real == pytest.approx(np.prod(3.5 * (1 - 2 * x)), rel=1e-10)
    with pytest.raises(NumericsError, match="period 4, not 8"):
        find_cycle(logistic, period=8)


def test_cycles_are_stored_and_read_back(tmp_path):
    cycle = find_cycle(brusselator)
    cycle.save(tmp_path / "cycle.h5")
    again = Cycle(ax.load(tmp_path / "cycle.h5"))
    assert again.period == cycle.period
    assert (again.profile == cycle.profile).all()
    assert (again.multipliers == cycle.multipliers).all()
    assert find_cycle(brusselator, again).period == pytest.approx(cycle.period, rel=1e-12)
    assert "period 7.156919921" in repr(cycle)


@ax.flow(state={"x": ()}, parameters={}, initial={"x": 1.0})
def decay(t, s, p):
    return {"x": -s.x}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: find_cycle(driven), "depends on time: give the period"),
        (lambda: find_cycle(van_der_pol, method="guess"), "method must be"),
        (lambda: find_cycle(van_der_pol, period=-1.0), "period must be positive"),
        (lambda: find_cycle(van_der_pol, {"z": 1.0}), "no state block 'z'"),
        (lambda: find_cycle(van_der_pol, symmetry="x"), "symmetry must be a list"),
        (lambda: find_cycle(ax.systems.maps.logistic), "period must be a whole number"),
        (lambda: find_cycle(van_der_pol, {"x": [1.0, 2.0]}), "not from an ensemble"),
        (lambda: find_cycle(van_der_pol, t_max=0), "t_max must be positive"),
        (lambda: find_cycle(van_der_pol, "here"), "start must be a state, a Cycle, or a labelled point"),
        (lambda: find_cycle(driven, period="2*pi/w"), "'w' in '2.pi/w' is unknown"),
        (lambda: find_cycle(driven, find_cycle(van_der_pol), period=-2), "period must be positive"),
        (
            lambda: find_cycle(ax.systems.chaos.lorenz, find_cycle(van_der_pol)),
            "has 2 states, but system 'chaos.lorenz' has 3",
        ),
    ],
)
def test_mistakes_are_explained(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_failures_are_explained():
    with pytest.raises(NumericsError, match="ends in a fixed point|shrinks to a fixed point"):
        find_cycle(decay)
    with pytest.raises(NumericsError, match="ends in a fixed point|shrinks to a fixed point"):
        find_cycle(brusselator.with_parameters(B=1.5))


@pytest.mark.parametrize("system", [van_der_pol, brusselator, ax.systems.chaos.lorenz.with_parameters(rho=160.0)])
def test_shooting_and_collocation_agree(system):
    one, other = (find_cycle(system, method=method) for method in ("collocation", "shooting"))
    assert one.period == pytest.approx(other.period, rel=1e-11)
    assert one.multipliers == pytest.approx(other.multipliers, rel=1e-7, abs=1e-11)
    assert float(other.data.trivial_error) < 1e-8
    assert other.residual < 1e-9
    again = find_cycle(system, other)
    assert again.period == pytest.approx(one.period, rel=1e-11)
    assert float(ax.analysis.floquet(system, other).trivial_error) < 1e-8


def test_shooting_of_a_driven_oscillator():
    one, other = (find_cycle(driven, period="2*pi/omega", method=method) for method in ("collocation", "shooting"))
    assert np.sort_complex(one.multipliers) == pytest.approx(np.sort_complex(other.multipliers), rel=1e-8)
    assert other.profile[0] == pytest.approx(one.profile[0], abs=1e-9)
