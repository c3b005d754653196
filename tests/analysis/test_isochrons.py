"""Asymptotic phases against a spiral whose isochrons are known in closed form, and against direct kicks."""

from __future__ import annotations

import numpy as np
import pytest

import attrax as ax
from attrax.analysis import asymptotic_phase, find_cycle, phase_response


@ax.flow(state={"x": (), "y": ()}, parameters={"twist": 1.5, "rate": 0.5}, initial={"x": 1.0})
def spiral(t, s, p):
    """A circle of radius 1 on which turns at 1; off it, faster or slower by the twist."""
    inwards = p.rate * (1 - s.x**2 - s.y**2)
    turn = 1 + p.twist * inwards
    return {"x": inwards * s.x - turn * s.y, "y": inwards * s.y + turn * s.x}


@pytest.fixture(scope="module")
def cycle():
    return find_cycle(spiral, {"x": 1.0, "y": 0.0})


def exact(x, y, twist=1.5):
    """Isochrons are logarithmic spirals: the angle less twist times the logarithm of the radius grows at 1."""
    return (np.arctan2(y, x) - twist * np.log(np.hypot(x, y))) / (2 * np.pi)


def test_isochrons_of_a_twisted_circle_are_logarithmic_spirals(cycle):
    axis = np.linspace(-1.6, 1.6, 24)
    found = asymptotic_phase(spiral, cycle, ax.grid(x=axis, y=axis))
    first = cycle.profile[0]
    phase = exact(axis[:, None], axis[None]) - exact(*first)
    apart = (found["asymptotic_phase"].values - phase + 0.5) % 1.0 - 0.5
    assert np.abs(apart).max() < 1e-6
    assert found["asymptotic_phase"].dims == ("x", "y") or set(found["asymptotic_phase"].dims) == {
        "x_initial",
        "y_initial",
    }


def test_a_small_kick_shifts_the_phase_by_the_phase_response():
    neuron = ax.systems.chaos.van_der_pol
    cycle = find_cycle(neuron)
    response = phase_response(neuron, cycle)
    at, size = len(cycle.profile) // 3, 1e-4
    kicked = cycle.profile[at] + size * np.eye(2)
    found = asymptotic_phase(neuron, cycle, np.vstack([cycle.profile[at], kicked]))["asymptotic_phase"].values
    slopes = (found[1:] - found[0]) / size * cycle.period
    assert slopes == pytest.approx([float(response["x"][at]), float(response["y"][at])], rel=2e-3)
    assert found[0] == pytest.approx(float(cycle.data["phase"][at]), abs=1e-7)


def test_states_that_do_not_come_to_the_cycle_have_no_phase(cycle):
    found = asymptotic_phase(spiral, cycle, np.array([[0.0, 0.0], [0.5, 0.0]]), periods=20)
    assert np.isnan(found["asymptotic_phase"].values).tolist() == [True, False]


def test_the_isochrons_are_drawn(cycle):
    axis = np.linspace(-1.5, 1.5, 8)
    figure = ax.plot(asymptotic_phase(spiral, cycle, ax.grid(x=axis, y=axis), periods=10))
    assert figure.axes[0].get_xlabel().startswith("x")


def test_an_unstable_cycle_is_refused(cycle):
    backwards = spiral.with_parameters(rate=-0.5)
    with pytest.raises(ax.errors.InputError, match="not stable"):
        asymptotic_phase(backwards, find_cycle(backwards, {"x": 1.0, "y": 0.0}, period=2 * np.pi), np.ones((2, 2)))
    with pytest.raises(ax.errors.InputError, match="Cycle"):
        asymptotic_phase(spiral, {"x": 1.0}, np.ones((2, 2)))
