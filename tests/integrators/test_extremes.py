"""What a sceptic tries: no motion, jumps, huge and tiny scales, long and short spans, many components."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.integrators.tableaux import TABLEAUX

ADAPTIVE = [name for name, tableau in TABLEAUX.items() if tableau.adaptive]


def simulate(*what, **how):
    """Ends where something goes wrong, in place of going on for ever."""
    return ax.simulate(*what, max_steps=10**5, **how)


@ax.flow(state={"x": (), "v": ()}, parameters={"w": 1.0, "scale": 1.0}, initial={"x": 1.0})
def oscillator(t, s, p):
    return {"x": p.w * s.v, "v": -p.w * s.x}


@ax.flow(state={"x": ()}, parameters={"c": 0.0}, initial={"x": 1.5})
def still(t, s, p):
    return {"x": p.c + 0 * s.x}


@pytest.mark.parametrize("method", ADAPTIVE)
def test_no_motion(method):
    data = simulate(still, 1e9, method=method, sample=1e8)
    assert (data.x == 1.5).all()
    assert data.status == 0
    assert data.steps < 50 and data.rejected == 0


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("start", [0.0, 1e300, -1e-300, 5e-324])
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_state_of_any_size(method, start, rate):
    @ax.flow(state={"x": ()}, parameters={"rate": 1.0}, initial={"x": 1.0})
    def growth(t, s, p):
        return {"x": p.rate * s.x}

    data = simulate(growth, 3.0, method=method, initial={"x": start}, parameters={"rate": rate}, sample="end")
    assert data.status == 0
    assert data.x.item() == pytest.approx(start * np.exp(3 * rate), rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e-9, 1e9, 1e30, 1e200])
def test_the_unit_of_the_state_does_not_matter(method, scale):
    """With atol in the same unit, the steps are the same."""
    here = simulate(oscillator, 30.0, method=method, rtol=1e-7, atol=1e-7, sample=1.0)
    there = simulate(oscillator, 30.0, method=method, rtol=1e-7, atol=1e-7 * scale, initial={"x": scale}, sample=1.0)
    assert there.status == 0
    assert there.steps.item() == pytest.approx(here.steps.item(), abs=2)
    np.testing.assert_allclose(there.x / scale, np.cos(there.time), atol=1e-4)


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e9, 1e30])
def test_the_unit_of_time_does_not_matter(method, scale):
    here = simulate(oscillator, 30.0, method=method, rtol=1e-7, atol=1e-9, sample=1.0)
    there = simulate(
        oscillator, 30.0 * scale, method=method, rtol=1e-7, atol=1e-9, parameters={"w": 1 / scale}, sample=scale
    )
    assert there.status == 0
    assert there.steps < here.steps + 60  # a first step that is far too small grows tenfold
    np.testing.assert_allclose(there.x, np.cos(there.time / scale), atol=1e-4)


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("atol", [1e-30, 1e-100, 1e-200, 1e-300])
def test_a_tiny_absolute_tolerance(method, atol):
    """Components that start at zero, and one that stays there."""

    @ax.flow(state={"x": (3,)}, initial={"x": [1.0, 0.0, 0.0]})
    def chain(t, s, p):
        return {"x": jnp.stack([-s.x[0], s.x[0] - s.x[1], 0.0 * s.x[2]])}

    data = simulate(chain, 10.0, method=method, rtol=1e-6, atol=atol, sample="end")
    assert data.status == 0
    np.testing.assert_allclose(data.x[0], np.exp(-10.0) * np.array([1.0, 10.0, 0.0]), rtol=1e-4)


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("start", [1e9, -1e9])
def test_far_from_time_zero(method, start):
    data = simulate(oscillator, start + 10.0, t_start=start, method=method, sample=[start, start + 5, start + 10])
    assert (data.status, data.t_stop) == (0, start + 10.0)
    np.testing.assert_allclose(data.x, np.cos([0.0, 5.0, 10.0]), atol=1e-4)


@pytest.mark.parametrize("method", ADAPTIVE)
def test_spans_of_any_length(method):
    for t_end in (1e-300, 1e-12, 1e-3):
        data = simulate(oscillator, t_end, method=method, sample=[0.0, t_end / 3, t_end])
        assert (data.status, data.t_stop) == (0, t_end)
        np.testing.assert_allclose(data.v, -np.sin(data.time), rtol=1e-6)
        np.testing.assert_allclose(data.x, 1.0, rtol=1e-6)
    data = simulate(oscillator, 1e9, method=method, parameters={"w": 1e-8}, sample=1e8)
    np.testing.assert_allclose(data.x, np.cos(1e-8 * data.time), atol=1e-4)


@pytest.mark.parametrize("method", ADAPTIVE)
def test_time_through_zero(method):
    data = simulate(oscillator, 1e-9, t_start=-3.0, method=method, rtol=1e-9, sample=[-3.0, -1e-12, 0.0, 1e-12, 1e-9])
    np.testing.assert_allclose(data.x, np.cos(data.time + 3.0), atol=1e-7)


@pytest.mark.parametrize("method", ADAPTIVE)
def test_jumps_in_the_right_hand_side(method):
    """A rectangular drive: refused steps at the jumps, and the right area at the end."""

    @ax.flow(state={"x": ()}, initial={"x": 0.0})
    def steps(t, s, p):
        return {"x": jnp.where(jnp.sin(2 * jnp.pi * t / 3) > 0, 1.0, -2.0)}

    data = simulate(steps, 9.0, method=method, rtol=1e-8, atol=1e-8, sample=0.5)
    assert data.status == 0
    phase = data.time % 3
    exact = -1.5 * (data.time // 3) * 1.0 + np.where(phase <= 1.5, phase, 1.5 - 2 * (phase - 1.5))
    np.testing.assert_allclose(data.x, exact, atol=1e-5)


@pytest.mark.parametrize("method", ADAPTIVE)
def test_a_jump_in_the_state(method):
    """Bang-bang towards zero: the solution slides; the steps get small, but it goes on."""

    @ax.flow(state={"x": ()}, initial={"x": 1.0})
    def sliding(t, s, p):
        return {"x": -jnp.sign(s.x)}

    data = simulate(sliding, 1.01, method=method, rtol=1e-4, atol=1e-4, sample="end")
    assert data.status == 0
    assert abs(data.x.item()) < 5e-3


@pytest.mark.parametrize("method", ["bs3", "tsit5"])
def test_many_components_of_different_speed(method):
    """Uncoupled equations with rates over two decades: each is right to the tolerance of the whole."""
    n = 200 if method == "bs3" else 100
    rates = np.geomspace(0.1, 10.0, n)

    @ax.flow(state={"x": ("n",)}, parameters={"n": n, "rate": lambda p: rates}, initial={"x": 1.0})
    def many(t, s, p):
        return {"x": -p.rate * s.x * (1 + 0.5 * jnp.sin(t))}

    data = simulate(many, 5.0, method=method, rtol=1e-8, atol=1e-10, sample=0.5)
    t = data.time.values[:, None]
    np.testing.assert_allclose(data.x, np.exp(-rates * (t + 0.5 * (1 - np.cos(t)))), atol=3e-6)


@pytest.mark.parametrize("method", ADAPTIVE)
def test_a_pulse_after_a_long_rest(method):
    """The controller does not step over a pulse that is wide against its tolerance for growth."""

    @ax.flow(state={"x": ()}, initial={"x": 0.0})
    def pulse(t, s, p):
        return {"x": jnp.exp(-((t - 20.0) ** 2)) / jnp.sqrt(jnp.pi)}

    data = simulate(pulse, 40.0, method=method, sample="end")
    assert data.x.item() in (pytest.approx(0.0, abs=1e-8), pytest.approx(1.0, abs=1e-4))
