"""Winding numbers and Arnold tongues against circle maps and Adler's equation, which are solved in closed form."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import winding_numbers

circle = ax.systems.maps.circle


@ax.flow(state={"x": (), "y": ()}, parameters={"omega": 1.0, "strength": 0.1, "drive": 1.0}, initial={"x": 1.0})
def adler(t, s, p):
    """A phase on the unit circle, pulled by its drive: it is locked where ``|omega - drive| < strength``."""
    rate = p.omega + p.strength * (s.x * jnp.sin(p.drive * t) - s.y * jnp.cos(p.drive * t))
    inwards = 1 - s.x**2 - s.y**2
    return {"x": inwards * s.x - rate * s.y, "y": inwards * s.y + rate * s.x}


@ax.flow(state={"x": (), "y": ()}, parameters={"epsilon": 0.0, "drive": 1.0}, initial={"x": 2.0})
def forced_van_der_pol(t, s, p):
    return {"x": s.y, "y": 0.2 * (1 - s.x**2) * s.y - s.x + p.epsilon * jnp.cos(p.drive * t)}


def test_rotations_without_coupling_turn_by_omega():
    omega = np.array([0.1, (np.sqrt(5) - 1) / 2, 0.75, 1.3])
    found = winding_numbers(circle.with_parameters(k=0.0), ax.grid(omega=omega), turn=1.0)
    assert found["winding"].values == pytest.approx(omega, abs=1e-13)
    assert found["locked_periods"].values.tolist() == [10, 0, 4, 10]
    assert found["locked_turns"].values.tolist() == [1, 0, 3, 13]


def test_the_widest_tongue_of_the_circle_map_is_as_wide_as_its_coupling():
    k = np.array([0.3, 0.9])
    omega = np.linspace(0.0, 0.3, 61)
    found = winding_numbers(circle, ax.grid(k=k, omega=omega), turn=1.0, turns=400, transient=3000)
    inside = omega[None] < k[:, None] / (2 * np.pi)
    clear = np.abs(omega[None] - k[:, None] / (2 * np.pi)) > 1e-3
    assert np.array_equal((found["winding"].values < 1e-9)[clear], inside[clear])
    assert (found["locked_periods"].values[inside & clear] == 1).all()
    assert (np.diff(found["winding"].values, axis=1) > -1e-6).all()


def test_a_quasiperiodic_winding_number_converges_faster_than_its_mean():
    parameters = ax.grid(omega=[0.6066610635])  # winding number near the golden mean at k = 0.9 (Shenker 1982)
    long = winding_numbers(circle.with_parameters(k=0.9), parameters, turn=1.0, turns=20000, transient=0)
    short = winding_numbers(circle.with_parameters(k=0.9), parameters, turn=1.0, turns=2000, transient=0)
    assert float(short["winding"][0]) == pytest.approx(float(long["winding"][0]), abs=1e-8)


def test_adlers_equation_is_locked_in_its_tongue_and_beats_outside():
    drive = np.array([0.8, 0.93, 0.97, 1.0, 1.05, 1.15])
    found = winding_numbers(adler, ax.grid(drive=drive), turn="y > 0", period="2*pi/drive", turns=300, transient=500)
    apart = 1.0 - drive
    beat = np.sign(apart) * np.sqrt(np.maximum(apart**2 - 0.01, 0.0))
    assert found["winding"].values == pytest.approx(1 + beat / drive, abs=2e-7)
    locked = np.abs(apart) < 0.1
    assert found["locked_turns"].values[locked].tolist() == [1] * 4
    assert found["locked_periods"].values[locked].tolist() == [1] * 4


def test_a_driven_oscillator_locks_over_a_width_proportional_to_its_drive():
    drive = 0.9975 + np.linspace(-0.05, 0.05, 41)
    found = winding_numbers(
        forced_van_der_pol,
        ax.grid(epsilon=[0.05, 0.1], drive=drive),
        turn="max x",
        period="2*pi/drive",
        turns=60,
        transient=1500,
    )
    width = (found["locked_periods"] == 1).sum("drive").values * (drive[1] - drive[0])
    # averaging: an oscillation 2 cos(t) with phase response of amplitude 1/2 locks over a width epsilon / 2
    assert width == pytest.approx([0.025, 0.05], abs=0.006)


def test_the_tongues_are_drawn():
    found = winding_numbers(circle, ax.grid(omega=np.linspace(0, 1, 12), k=[0.2, 0.9]), turn=1.0)
    figure = ax.plot(found)
    assert figure.axes[0].get_xlabel().startswith("omega")


@pytest.mark.parametrize(
    ("system", "changed", "said"),
    [
        (circle, {"parameters": {"k": 1.0}}, "grid"),
        (circle, {"period": 2.0}, "leave out period"),
        (circle, {"turn": -1.0}, "turn"),
        (adler, {"turn": "y > 0"}, "give the period"),
        (adler, {"turn": 1.0, "period": 1.0}, "section"),
        (adler, {"turn": "y > 0", "period": "0*drive"}, "positive"),
    ],
)
def test_wrong_arguments_are_named(system, changed, said):
    name = "k" if system is circle else "drive"
    given = {"turn": 1.0, "parameters": ax.grid(**{name: [1.0]})} | changed
    with pytest.raises(ax.errors.InputError, match=said):
        winding_numbers(system, given.pop("parameters"), **given)
