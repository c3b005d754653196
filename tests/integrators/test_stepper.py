"""Step by step: the same numbers as `simulate`, and loops that are closed from outside."""

import time
import timeit

import numpy as np
import pytest

import attrax as ax
from attrax.engine.errors import InputError, NumericsError

lorenz = ax.systems.chaos.lorenz


@ax.flow(state={"x": (), "w": (2,)}, parameters={"a": 1.0, "k": [0.5, 2.0]}, initial={"x": 1.0, "w": 0.3})
def blocks(t, s, p):
    return {"x": -p.a * s.x + s.w[0] * np.pi / 10 + t * 0.01, "w": -p.k * s.w + s.x}


@ax.flow(state={"x": ()}, parameters={"theta": 1.0, "sigma": 0.5}, noise=lambda t, s, p: {"x": p.sigma})
def ornstein_uhlenbeck(t, s, p):
    return {"x": -p.theta * s.x}


@pytest.mark.parametrize("method", ["euler", "heun", "rk4"])
def test_equal_steps_are_those_of_simulate(method):
    run = ax.simulate(blocks, 1.0, method=method, dt=1 / 64, sample=1 / 64)
    loop = ax.stepper(blocks, method=method, dt=1 / 64)
    for k in range(1, 65):
        loop.step()
        assert loop.time == run.time[k]
        assert (loop.state["x"] == run.x.values[k]).all() and (loop.state["w"] == run.w.values[k]).all()


@pytest.mark.parametrize("seed", [0, 5])
def test_noise_is_that_of_simulate(seed):
    start = {"x": np.zeros(9)}
    run = ax.simulate(ornstein_uhlenbeck, 0.5, dt=1 / 128, initial=start, seed=seed, sample=1 / 128)
    loop = ax.stepper(ornstein_uhlenbeck, dt=1 / 128, initial=start, seed=seed)
    for k in range(1, 65):
        loop.step()
        assert (loop.state["x"] == run.x.values[:, k]).all()


def test_a_map():
    henon = ax.systems.maps.henon
    run = ax.simulate(henon, 30)
    loop = ax.stepper(henon)
    for _ in range(10):
        loop.step()
    loop.step(20)
    assert loop.time == 30 and loop.state["x"] == run.x.values[-1]


@pytest.mark.parametrize("method", ["tsit5", "dop853", "rodas5p", "radau5"])
def test_error_control_reaches_its_tolerance(method):
    exact = ax.simulate(blocks, 2.0, method="dop853", rtol=1e-13, atol=1e-13, sample=0.1)
    loop = ax.stepper(blocks, dt=0.1, method=method, rtol=1e-8, atol=1e-10)
    for k in range(1, 21):
        loop.step()
        np.testing.assert_allclose(loop.state["w"], exact.w.values[k], rtol=1e-6)
    loop.step(0.05)
    assert loop.time == pytest.approx(2.05)


@pytest.mark.parametrize("method", ["rk4", "tsit5", "radau5"])
def test_parameters_change_between_steps(method):
    """dx/dt = -a x with a changed at t = 0.5: exp(-0.5 a1 - 0.5 a2)."""

    @ax.flow(state={"x": ()}, parameters={"a": 1.0}, initial={"x": 1.0})
    def decay(t, s, p):
        return {"x": -p.a * s.x}

    loop = ax.stepper(decay, dt=1 / 64, method=method, rtol=1e-9, atol=1e-11, parameters={"a": [1.0, 2.0]})
    for _ in range(32):
        loop.step()
    loop.set_parameters(a=[5.0, 0.0])
    for _ in range(32):
        loop.step()
    own = 5.0**5 / 64**4 / 120  # the error of RK4 over a time of 1
    tolerance = own if method == "rk4" else 1e-7
    np.testing.assert_allclose(loop.state["x"], np.exp([-3.0, -1.0]), rtol=tolerance)
    loop.set_state(x=7.0)
    assert (loop.state["x"] == 7.0).all()
    loop.step()
    np.testing.assert_allclose(loop.state["x"], 7 * np.exp([-5 / 64, 0.0]), rtol=tolerance)


def test_steps_of_other_lengths():
    loop = ax.stepper(blocks, method="rk4", dt=0.01)
    for h in (0.01, 0.02, 0.005, 0.01, 0.01):
        loop.step(h)
    assert loop.time == pytest.approx(0.055)
    exact = ax.simulate(blocks, 0.055, method="dop853", rtol=1e-13, atol=1e-13, sample="end")
    own = 0.055 * 2.0**5 * 0.02**4 / 120  # at most, with the longest of the steps
    np.testing.assert_allclose(loop.state["w"], exact.w.values[-1], rtol=3 * own)


def test_a_controller_closes_the_loop():
    """A PI controller holds a leaky integrator at its set point, against a load that it does not know."""

    @ax.flow(state={"v": ()}, parameters={"drive": 0.0, "load": 0.7})
    def motor(t, s, p):
        return {"v": -s.v + p.drive - p.load}

    loop, dt, summed = ax.stepper(motor, dt=0.05), 0.05, 0.0
    for _ in range(600):
        error = 1.0 - float(loop.state["v"])
        summed += error * dt
        loop.set_parameters(drive=2.0 * error + 1.5 * summed)
        loop.step()
    assert float(loop.state["v"]) == pytest.approx(1.0, abs=1e-6)


def test_members_that_fail_do_not_stop_the_others():
    @ax.flow(state={"x": ()}, initial={"x": 1.0})
    def square(t, s, p):
        return {"x": s.x**2}

    loop = ax.stepper(square, dt=0.3, initial={"x": [0.1, 1.0]})
    for _ in range(5):
        loop.step()
    assert list(loop.status) == [1, 3]
    assert loop.state["x"][0] == pytest.approx(0.1 / (1 - 0.15), rel=1e-5)
    alone = ax.stepper(square, dt=0.3)
    with pytest.raises(NumericsError, match="square"):
        for _ in range(5):
            alone.step()
    alone.set_state(x=0.5)
    now = alone.time
    alone.step()
    assert alone.time == pytest.approx(now + 0.3)
    assert alone.state["x"] == pytest.approx(0.5 / (1 - 0.15), rel=1e-5)


@pytest.mark.parametrize("method", ["tsit5", "rk4"])
def test_a_step_costs_little(method):
    loop = ax.stepper(lorenz, dt=0.01, method=method)
    loop.step()
    assert min(timeit.repeat(loop.step, number=100, repeat=9, timer=time.process_time)) / 100 < 1e-4


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "give dt"),
        ({"dt": -1.0}, "positive"),
        ({"dt": 0.1, "method": "rk45"}, "rk45"),
        ({"dt": 0.1, "initial": {"q": 1.0}}, "'q'"),
    ],
)
def test_wrong_input(options, told):
    with pytest.raises(InputError, match=told):
        ax.stepper(lorenz, **options)


def test_wrong_changes():
    loop = ax.stepper(lorenz, dt=0.1)
    for change in (
        lambda: loop.set_parameters(rh=1.0),
        lambda: loop.set_state(q=1.0),
        lambda: loop.set_parameters(rho=[1.0, 2.0]),
        lambda: loop.set_state(x=np.nan),
        lambda: loop.step(0.0),
    ):
        with pytest.raises(InputError):
            change()
    with pytest.raises(InputError, match="map"):
        ax.stepper(ax.systems.maps.henon, dt=1.0)
