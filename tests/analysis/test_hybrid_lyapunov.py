"""Lyapunov exponents of flows with resets, against closed forms, return maps and the contraction of volumes."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import lyapunov_spectrum
from attrax.engine.errors import InputError

PI = np.pi


@ax.flow(
    state={"x": (), "v": ()},
    parameters={"e": 0.9},
    initial={"v": 1.0},
    events={"hit": ax.event(lambda t, s, p: s.x, direction="down", reset=lambda t, s, p: {"v": -p.e * s.v})},
)
def half_oscillator(t, s, p):
    """A spring with a wall at its rest: a hit every pi, after which all is as before but smaller by e."""
    return {"x": s.v, "v": -s.x}


@ax.flow(
    state={"v": (), "a": ()},
    parameters={"i": 1.5, "tau": 5.0, "d": 0.2},
    events={
        "spike": ax.event(lambda t, s, p: s.v - 1.0, direction="up", reset=lambda t, s, p: {"v": 0.0, "a": s.a + p.d})
    },
)
def adapting(t, s, p):
    return {"v": p.i - s.v - s.a, "a": -s.a / p.tau}


@ax.flow(
    state={"x": (), "v": ()},
    parameters={"e": 0.9, "A": 0.3, "w": 6.0},
    initial={"x": 1.0},
    events={
        "hit": ax.event(
            lambda t, s, p: s.x - p.A * jnp.sin(p.w * t),
            direction="down",
            reset=lambda t, s, p: {"v": -p.e * s.v + (1 + p.e) * p.A * p.w * jnp.cos(p.w * t)},
        )
    },
)
def table(t, s, p):
    """A ball on a table that moves up and down."""
    return {"x": s.v, "v": -1.0 + 0 * s.x}


def test_impacts_of_an_oscillator():
    e = np.array([0.5, 0.9, 1.0])
    data = lyapunov_spectrum(half_oscillator, t_total=200 * PI, transient=0.5 * PI, parameters={"e": e}, rtol=1e-11)
    expected = np.log(e) / PI
    np.testing.assert_allclose(data.exponents, np.stack([expected, expected], axis=1), atol=1e-9)
    np.testing.assert_allclose(data.mean_divergence, 2 * expected, atol=1e-9)


def test_the_derivative_of_a_return_map():
    """The exponents of a neuron with adaptation: zero, and that of its map from spike to spike over its period."""
    data = lyapunov_spectrum(adapting, t_total=4000.0, transient=200.0)
    run = ax.simulate(adapting, 400.0, rtol=1e-11, atol=1e-12, sample="end", method="dop853")
    period = float(run.spike_time[-1] - run.spike_time[-2])
    adaptation = 0.2 / (1 - np.exp(-period / 5.0))

    def following(a):
        first = ax.simulate(adapting, 30.0, initial={"a": a}, rtol=1e-12, atol=1e-13, sample="end", method="dop853")
        return a * np.exp(-float(first.spike_time[0]) / 5.0) + 0.2

    assert following(adaptation) == pytest.approx(adaptation, rel=1e-8)
    slope = (following(adaptation + 1e-4) - following(adaptation - 1e-4)) / 2e-4
    assert data.exponents[0] == pytest.approx(0.0, abs=1e-3)
    assert data.exponents[1] == pytest.approx(np.log(abs(slope)) / period, rel=1e-3)
    assert data.sum_minus_divergence == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("e", "A", "w"), [(0.9, 0.3, 6.0), (0.9, 0.5, 8.0)])
def test_each_impact_contracts_areas_by_its_square(e, A, w):
    """Hits in a run of this chaos vary by 15 %: means over 16 starts are compared."""
    start = {"x": np.linspace(1.0, 1.001, 16)}
    how = dict(parameters={"e": e, "A": A, "w": w}, initial=start, transient=100.0, rtol=1e-8, atol=1e-10)
    data = lyapunov_spectrum(table, t_total=3000.0, **how)
    assert data.exponents[:, 0].mean() > 0.1
    np.testing.assert_allclose(data.sum_minus_divergence, 0.0, atol=1e-9)
    hits = ax.simulate(table, 3100.0, method="dop853", sample="end", **how).hit_count.mean()
    assert float(data.mean_divergence.mean()) == pytest.approx(2 * np.log(e) * float(hits) / 3000, rel=0.2)


def test_kicks_of_a_rotor():
    """Kicks at 1, 2, 3, ... of a free rotor: the standard map, whose exponents are those of its matrices."""
    times = np.arange(1.0, 301.0)

    @ax.flow(
        state={"q": (), "v": ()},
        parameters={"k": 6.0},
        initial={"q": 0.3, "v": 0.1},
        events={"kick": ax.event(at=times, reset=lambda t, s, p: {"v": s.v + p.k * jnp.sin(s.q)})},
    )
    def rotor(t, s, p):
        return {"q": s.v, "v": 0 * s.v}

    data = lyapunov_spectrum(rotor, t_total=300.5, transient=0.0, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(data.exponents.sum(), 0.0, atol=1e-9)
    assert data.exponents[0] == pytest.approx(np.log(6.0 / 2), rel=0.15)


def test_a_switch_without_a_jump_changes_nothing():
    """Chua's piecewise linear circuit with and without events where its pieces meet."""

    def right(t, s, p):
        f = -0.714 * s.x - 0.215 * (jnp.abs(s.x + 1) - jnp.abs(s.x - 1))
        return {"x": 9.0 * (s.y - s.x - f), "y": s.x - s.y + s.z, "z": -14.286 * s.y}

    declaration = dict(state={"x": (), "y": (), "z": ()}, initial={"x": 0.7}, name="chua")
    events = {
        "right": ax.event(lambda t, s, p: s.x - 1.0, reset=lambda t, s, p: {}),
        "left": ax.event(lambda t, s, p: s.x + 1.0, reset=lambda t, s, p: {}),
    }
    plain = lyapunov_spectrum(ax.flow(**declaration)(right), t_total=2000.0, transient=100.0)
    switched = lyapunov_spectrum(ax.flow(events=events, **declaration)(right), t_total=2000.0, transient=100.0)
    allowed = 4 * np.hypot(plain.standard_error, switched.standard_error) + 0.01
    assert (np.abs(plain.exponents - switched.exponents) < allowed).all()
    assert switched.status == 0 and switched.sum_minus_divergence == pytest.approx(0.0, abs=1e-6)


def test_equal_steps_do_not_follow_resets():
    with pytest.raises(InputError, match="dt.*'hit'"):
        lyapunov_spectrum(half_oscillator, dt=0.01)
