"""Phase responses across resets: closed forms of spiking neurons, and direct kicks."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import find_cycle, phase_response
from attrax.engine.errors import InputError


@ax.flow(
    state={"v": ()},
    parameters={"I": 1.5, "tau": 2.0},
    initial={"v": 0.0},
    events={"spike": ax.event(lambda t, s, p: s.v - 1.0, direction="up", reset=lambda t, s, p: {"v": 0.0})},
)
def leaky(t, s, p):
    """Leaky integrate-and-fire neuron."""
    return {"v": (p.I - s.v) / p.tau}


@ax.flow(
    state={"v": ()},
    parameters={"I": 0.7, "peak": 3.0, "reset": -2.0},
    initial={"v": 0.0},
    events={"spike": ax.event(lambda t, s, p: s.v - p.peak, direction="up", reset=lambda t, s, p: {"v": p.reset})},
)
def quadratic(t, s, p):
    """Quadratic integrate-and-fire neuron."""
    return {"v": s.v**2 + p.I}


@ax.flow(
    state={"v": (), "u": ()},
    parameters={"a": 0.02, "b": 0.2, "c": -55.0, "d": 4.0, "I": 10.0},
    initial={"v": -60.0, "u": -10.0},
    events={
        "spike": ax.event(lambda t, s, p: s.v - 30.0, direction="up", reset=lambda t, s, p: {"v": p.c, "u": s.u + p.d})
    },
)
def izhikevich(t, s, p):
    return {"v": 0.04 * s.v**2 + 5 * s.v + 140 - s.u + p.I, "u": p.a * (p.b * s.v - s.u)}


@ax.flow(
    state={"x": (), "omega": ()},
    parameters={"k": 3.0, "friction": 0.5, "r": 0.7},
    initial={"omega": 6.0},
    events={
        "right": ax.event(lambda t, s, p: s.x - 1.0, direction="up", reset=lambda t, s, p: {"omega": -p.r * s.omega}),
        "left": ax.event(lambda t, s, p: s.x + 1.0, direction="down", reset=lambda t, s, p: {"omega": -p.r * s.omega}),
    },
)
def wheel(t, s, p):
    """Between two walls; its motor pulls the way it turns."""
    return {"x": 0.1 * s.omega, "omega": p.k * jnp.tanh(3 * s.omega) - p.friction * s.omega + 0.5 * jnp.sin(3 * s.x)}


def test_leaky_integrate_and_fire():
    """Z = tau / (I - v), with v = I (1 - exp(-t / tau)) since the spike."""
    cycle = find_cycle(leaky)
    response = phase_response(leaky, cycle)
    T, since = 2.0 * np.log(1.5 / 0.5), -2.0 * np.log(1 - cycle.profile[0, 0] / 1.5)
    assert cycle.period == pytest.approx(T, rel=1e-12)
    t = response.time.values + since
    v = 1.5 * (1 - np.exp(-np.where(response.time.values > T - since + 1e-13, t - T, t) / 2.0))
    v[abs(t - T) < 1e-12] = [1.0, 0.0]
    assert response.v.values == pytest.approx(2.0 / (1.5 - v), rel=1e-11)
    assert response.identity_error < 1e-12


def test_quadratic_integrate_and_fire():
    """Z = 1 / (v^2 + I): of a spike to infinity it is (1 - cos) of the phase; its least and largest values here."""
    cycle = find_cycle(quadratic)
    T = (np.arctan(3.0 / np.sqrt(0.7)) - np.arctan(-2.0 / np.sqrt(0.7))) / np.sqrt(0.7)
    assert cycle.period == pytest.approx(T, rel=1e-11)
    response = phase_response(quadratic, cycle).v.values
    assert response.min() == pytest.approx(1 / 9.7, rel=1e-10)
    k = int(np.argmin(response))
    assert response[k + 1] == pytest.approx(1 / 4.7, rel=1e-10)  # after the reset
    start = np.arctan(cycle.profile[0, 0] / np.sqrt(0.7))
    early = np.array(phase_response(quadratic, cycle).time)[: k + 1]
    assert response[: k + 1] == pytest.approx(np.cos(start + np.sqrt(0.7) * early) ** 2 / 0.7, rel=1e-9)


def advanced(system, cycle, state, event, periods=40):
    """When an event comes after many periods, from states of shape (starts, n)."""
    run = ax.simulate(system, periods * cycle.period, initial=state, sample=cycle.period, rtol=1e-12, atol=1e-13)
    times = np.array(run[f"{event}_time"])
    return times[:, periods - 2]


@pytest.mark.parametrize(("system", "event"), [(izhikevich, "spike"), (wheel, "left")])
def test_direct_kicks(system, event):
    cycle = find_cycle(system)
    response = phase_response(system, cycle)
    assert response.identity_error < 1e-10
    places = np.arange(20, len(response.phase), 37)
    times = np.append(0.0, response.time.values[places])
    there = ax.simulate(system, times[-1], initial=cycle.profile[:1], sample=times, rtol=1e-12, atol=1e-13)
    there = np.stack([np.array(there[name])[0, 1:] for name in system.state], axis=1)
    size = 1e-5 * np.ptp(cycle.profile, axis=0)
    for k, name in enumerate(system.state):
        shift = size * (np.arange(2) == k)
        late, early = np.split(advanced(system, cycle, np.concatenate([there + shift, there - shift]), event), 2)
        kicked = -(late - early) / (2 * size[k])
        kicked -= np.rint(kicked * 2 * size[k] / cycle.period) * cycle.period / (2 * size[k])
        exact = response[name].values
        assert kicked == pytest.approx(exact[places], abs=1e-6 * abs(exact).max())


def test_an_event_without_consequence_changes_nothing():
    smooth = ax.systems.chaos.van_der_pol
    marked = smooth.with_events(mark=ax.event(lambda t, s, p: s.x - 0.5, reset=lambda t, s, p: {"x": s.x}))
    plain = phase_response(smooth, find_cycle(smooth))
    cycle = find_cycle(marked)
    response = phase_response(marked, cycle)
    assert int(cycle.data.mark_count) == 2
    for name in smooth.state:
        assert response[name].values.max() == pytest.approx(plain[name].values.max(), rel=1e-3)
        assert response[name].values.min() == pytest.approx(plain[name].values.min(), rel=1e-3)


def test_mistakes_are_explained():
    kicked = ax.flow(
        state={"v": ()},
        parameters={"w": 1.0},
        events={"spike": ax.event(lambda t, s, p: s.v - 1.0, direction="up", reset=lambda t, s, p: {"v": 0.0})},
    )(lambda t, s, p: {"v": 2.0 - s.v + 0.1 * jnp.cos(p.w * t)})
    cycle = find_cycle(leaky)
    with pytest.raises(InputError, match="its phase is that of the drive"):
        phase_response(kicked, cycle)
