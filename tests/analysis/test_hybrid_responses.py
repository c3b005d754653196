"""Phase responses across resets: closed forms of spiking neurons, and direct kicks."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import asymptotic_phase, continue_cycles, find_cycle, phase_response, winding_numbers
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


def leaky_cycles():
    branch = continue_cycles(leaky, "I", (1.2, 2.0), max_step=0.2)
    return [find_cycle(leaky), branch.cycle(1), branch.cycle(len(branch) - 1)]


def test_leaky_integrate_and_fire():
    """Z = tau / (I - v), with v = I (1 - exp(-t / tau)) since the spike; I > 1."""
    for cycle in leaky_cycles():
        strength = cycle.parameters["I"]
        response = phase_response(leaky, cycle)
        T = 2.0 * np.log(strength / (strength - 1))
        assert cycle.period == pytest.approx(T, rel=1e-11)
        assert response.identity_error < 1e-12
        assert (np.diff(response.phase) > 0).all()
        t = response.time.values - 2.0 * np.log(1 - cycle.profile[0, 0] / strength)
        v = strength * (1 - np.exp(-np.where(t > T, t - T, t) / 2.0))
        v[abs(t - T) < 1e-11] = [1.0, 0.0]
        assert response.v.values == pytest.approx(2.0 / (strength - v), rel=1e-10)


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


def test_isochrons_of_a_neuron_with_adaptation():
    """Izhikevich's neuron: the phase of states is that of simulation, and shifts by the response to a kick."""
    cycle = find_cycle(izhikevich)
    response = phase_response(izhikevich, cycle)
    phases = asymptotic_phase(izhikevich, cycle, cycle.profile[5:-5:23]).asymptotic_phase.values
    apart = (phases - cycle.data.phase.values[5:-5:23] + 0.5) % 1.0 - 0.5
    assert abs(apart).max() < 1e-6
    kicked = cycle.profile[100] + [0.0, 1e-3]
    (phase,) = asymptotic_phase(izhikevich, cycle, kicked[None]).asymptotic_phase.values
    expected = np.interp(cycle.data.phase.values[100], response.phase.values, response.u.values) * 1e-3
    assert (phase - cycle.data.phase.values[100]) * cycle.period == pytest.approx(expected, rel=1e-2)
    far = np.array([[-70.0, 0.0], [-40.0, 5.0]])
    phases = asymptotic_phase(izhikevich, cycle, far).asymptotic_phase.values
    run = ax.simulate(izhikevich, 30 * cycle.period, initial=far, sample=cycle.period, rtol=1e-12, atol=1e-13)
    spike = cycle.data.phase.values[np.argmax(cycle.profile[:, 0])]
    last = np.nanmax(np.array(run.spike_time), axis=1)
    assert (phases - spike + last / cycle.period + 0.5) % 1.0 - 0.5 == pytest.approx([0.0, 0.0], abs=1e-6)


def test_the_tongue_of_a_forced_neuron():
    """Its drive entrains it if their periods differ by less than the response to the drive's frequency (Malkin)."""
    forced = ax.flow(
        state={"v": ()},
        parameters={"I": 1.5, "A": 0.01, "w": 5.0},
        initial={"v": 0.0},
        events={"spike": ax.event(lambda t, s, p: s.v - 1.0, direction="up", reset=lambda t, s, p: {"v": 0.0})},
    )(lambda t, s, p: {"v": p.I - s.v + p.A * jnp.cos(p.w * t)})
    T = np.log(3.0)
    free = winding_numbers(forced, ax.grid(A=[0.0], w=[5.0]), turn="v > 0.5", period="2*pi/w")
    assert free.winding.values.ravel() == pytest.approx([2 * np.pi / 5 / T], rel=1e-9)
    # Z = exp(t) / 1.5
    width = 0.01 * abs((np.exp(T) - 1) / 1.5 / (1 + 2j * np.pi / T))
    periods = T + width * np.array([-1.1, -0.9, 0.9, 1.1])
    options = {"turn": "v > 0.5", "period": "2*pi/w", "transient": 3000.0}
    driven = winding_numbers(forced, ax.grid(w=2 * np.pi / periods), **options)
    assert driven.locked_turns.values.tolist() == [0, 1, 1, 0]


def test_mistakes_are_explained():
    kicked = ax.flow(
        state={"v": ()},
        parameters={"w": 1.0},
        events={"spike": ax.event(lambda t, s, p: s.v - 1.0, direction="up", reset=lambda t, s, p: {"v": 0.0})},
    )(lambda t, s, p: {"v": 2.0 - s.v + 0.1 * jnp.cos(p.w * t)})
    cycle = find_cycle(leaky)
    with pytest.raises(InputError, match="its phase is that of the drive"):
        phase_response(kicked, cycle)
