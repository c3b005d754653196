"""Stroboscopic maps do what their flows do over a period."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import attrax as ax
from attrax.analysis import basins, lyapunov_spectrum, stroboscopic_map
from attrax.engine.errors import InputError


@ax.flow(
    state={"x": (), "v": ()},
    parameters={"damping": 0.2, "force": 0.36, "omega": 1.0},
    initial={"x": 0.1},
    observables={"drive": lambda t, s, p: p.force * jnp.cos(p.omega * t)},
)
def duffing(t, s, p):
    return {"x": s.v, "v": s.x - s.x**3 - p.damping * s.v + p.force * jnp.cos(p.omega * t)}


@pytest.fixture(scope="module")
def strobed():
    return stroboscopic_map(duffing, "2*pi/omega")


def test_it_follows_the_flow(strobed):
    for omega in (0.8, 1.0):
        given = {"force": 0.25, "omega": omega}
        period = 2 * np.pi / omega
        flow = ax.simulate(
            duffing, 8 * period, sample=period, parameters=given, method="dop853", rtol=1e-12, atol=1e-12
        )
        found = ax.simulate(strobed, 8, parameters=given)
        np.testing.assert_allclose(found.x, flow.x, atol=1e-5)
        np.testing.assert_allclose(found.drive, 0.25, rtol=1e-12)


def test_a_linear_flow_becomes_its_matrix_exponential():
    matrix = np.array([[-0.1, 2.0], [-2.0, -0.3]])

    @ax.flow(state={"y": (2,)}, initial={"y": [1.0, 0.0]})
    def linear(t, s, p):
        return {"y": jnp.asarray(matrix) @ s.y}

    found = stroboscopic_map(linear, 1.5, steps=10)
    np.testing.assert_allclose(found.jacobian(), expm(1.5 * matrix), rtol=1e-10)


def test_exponents_are_those_of_the_flow_times_the_period(strobed):
    flow = lyapunov_spectrum(duffing, t_total=10_000, transient=300, initial={"x": -1.0, "v": 0.8})
    found = lyapunov_spectrum(strobed, t_total=4096, transient=50, initial={"x": -1.0, "v": 0.8})
    error = np.hypot(found.standard_error / (2 * np.pi), flow.standard_error)
    assert float(flow.exponents[0]) > 0.05
    assert (np.abs(found.exponents / (2 * np.pi) - flow.exponents) < 4 * error).all()
    assert float(found.mean_divergence) == pytest.approx(-0.2 * 2 * np.pi, abs=1e-6)


def test_basins_are_those_of_the_flow(strobed):
    states = ax.grid(x=np.linspace(-2, 2, 30), v=np.linspace(-2, 2, 30))
    flow = basins(duffing, states, transient=300, period=2 * np.pi)
    found = basins(strobed, states, transient=48)
    assert (found.basin == flow.basin).mean() > 0.98
    cycle = int(np.flatnonzero(found.period == 1)[0])
    assert found.x[cycle, 0].item() == pytest.approx(flow.x[cycle, 0].item(), abs=1e-4)


def test_wrong_arguments(strobed):
    with pytest.raises(InputError, match="'x' in 'x' changes in time"):
        stroboscopic_map(duffing, "x")
    with pytest.raises(InputError, match="is a map"):
        stroboscopic_map(strobed, 1.0)
    with pytest.raises(InputError, match="period must be positive"):
        stroboscopic_map(duffing, -1.0)


def test_many_vectors():
    """Lorenz 1996 seen ten times a time unit: exponents in proportion, from the same first vectors."""

    @ax.flow(state={"x": (12,)}, initial={"x": 8 + np.sin(1.7 * np.arange(12))})
    def lorenz96(t, s, p):
        x = s.x
        return {"x": (jnp.roll(x, -1) - jnp.roll(x, 2)) * jnp.roll(x, 1) - x + 8.0}

    strobed = stroboscopic_map(lorenz96, 0.1, steps=32, method="rk4")
    found = lyapunov_spectrum(strobed, t_total=32, transient=0)
    flow = lyapunov_spectrum(lorenz96, t_total=3.2, transient=0, dt=0.1 / 32)
    np.testing.assert_allclose(found.exponents / 0.1, flow.exponents, atol=1e-8)
