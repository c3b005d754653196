"""Step by step: the same numbers as `simulate`, and loops that are closed from outside."""

import time
import timeit

import jax.numpy as jnp
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


# -- large systems ---------------------------------------------------------------------------------------------


LINKS = ax.coupling.random(500, 30, weights=ax.normal(0.0, 0.2), seed=1)
NETWORK = {
    "state": {"x": ("n",), "a": ("n",)},
    "parameters": {"n": 500, "w": LINKS, "tau": np.linspace(1, 3, 500), "drive": 0.0},
    "initial": {"x": ax.uniform(-1, 1)},
}


def rates(t, s, p):
    return {"x": (-s.x - s.a + p.w @ jnp.tanh(s.x) + p.drive) / jnp.sqrt(p.tau), "a": 0.1 * (s.x - s.a)}


network = ax.flow(**NETWORK)(rates)
noisy_network = ax.flow(**NETWORK, noise=lambda t, s, p: {"x": 0.2 * s.x})(rates)


@pytest.mark.parametrize(
    ("system", "method"),
    [(network, "euler"), (network, "rk4"), (noisy_network, "euler_maruyama"), (noisy_network, "stochastic_heun")],
)
def test_steps_of_a_large_system_are_those_of_simulate(system, method):
    start = {"x": np.random.default_rng(0).normal(size=(2, 500))}
    run = ax.simulate(system, 1.0, method=method, dt=1 / 32, sample=1 / 32, initial=start, seed=3)
    loop = ax.stepper(system, method=method, dt=1 / 32, initial=start, seed=3)
    for k in range(1, 33):
        loop.step()
        assert (loop.state["x"] == run.x.values[:, k]).all() and (loop.state["a"] == run.a.values[:, k]).all()
    for h in (1 / 64, 1 / 32, 1 / 64):
        loop.step(h)
    assert loop.time == 1 + 1 / 16


@pytest.mark.parametrize("method", ["rk4", "tsit5", "dop853"])
def test_parameters_and_state_of_a_large_system_change_between_steps(method):
    """What members share, what they have of their own, and what is computed from parameters in advance."""
    exact = dict(method="dop853", rtol=1e-11, atol=1e-12, sample="end")
    loop = ax.stepper(network, dt=1 / 32, method=method, rtol=1e-9, atol=1e-11, initial={"x": np.ones((3, 500))})
    x, a, tau = np.ones((3, 500)), np.zeros((3, 500)), NETWORK["parameters"]["tau"]
    now = {"drive": np.zeros(3), "tau": np.broadcast_to(tau, (3, 500))}
    changes = ({}, {"drive": 0.5, "tau": 2 * tau}, {"drive": [0.0, 1.0, 2.0]}, {"tau": np.stack([tau, tau, 3 * tau])})
    for stage, change in enumerate(changes):
        loop.set_parameters(**change)
        now |= {name: np.broadcast_to(value, now[name].shape) for name, value in change.items()}
        for _ in range(16):
            loop.step()
        for k in range(3):
            alone, t = network.with_parameters(**{name: values[k] for name, values in now.items()}), stage / 2
            run = ax.simulate(alone, t + 0.5, t_start=t, initial={"x": x[k], "a": a[k]}, **exact)
            x[k], a[k] = run.x.values[0], run.a.values[0]
        np.testing.assert_allclose(loop.state["x"], x, rtol=1e-6, atol=1e-7)
    assert network.parameters["tau"].value is tau and (tau == np.linspace(1, 3, 500)).all()
    loop.set_state(x=0.5)
    assert (loop.state["x"] == 0.5).all()
    loop.step()
    assert not (loop.state["x"] == 0.5).any()


def test_a_large_map():
    @ax.map(state={"x": ("n",)}, parameters={"n": 3000, "r": 3.9}, initial={"x": ax.uniform(0, 1)})
    def coupled(t, s, p):
        f = p.r * s.x * (1 - s.x)
        return {"x": 0.7 * f + 0.15 * (jnp.roll(f, 1) + jnp.roll(f, -1)) + 0 * t}

    run, loop = ax.simulate(coupled, 30), ax.stepper(coupled)
    loop.step()
    loop.step(29)
    assert loop.time == 30 and (loop.state["x"] == run.x.values[-1]).all()
    loop.set_parameters(r=0.0)
    loop.step()
    assert (loop.state["x"] == 0).all()


def test_large_members_that_fail_go_on_from_a_new_state():
    @ax.flow(state={"x": (200,)}, parameters={"w": np.eye(200)}, initial={"x": 1.0})
    def square(t, s, p):
        return {"x": (p.w @ s.x) ** 2}

    for method in ("rk4", "tsit5"):
        loop = ax.stepper(square, dt=0.3, initial={"x": np.array([[0.1] * 200, [1.0] * 200])}, method=method)
        for _ in range(20 if method == "rk4" else 5):
            loop.step()
        assert loop.status[0] == 1 and loop.status[1] in (2, 3)
        loop.set_state(x=0.1)
        loop.step()
        np.testing.assert_allclose(loop.state["x"], 0.1 / (1 - 0.03), rtol=1e-5)
        assert list(loop.status) == [1, 1]


def test_spikes_of_a_large_network_are_those_of_simulate():
    @ax.flow(
        state={"v": ("n",)},
        parameters={
            "n": 1500,
            "w": ax.coupling.random(1500, 20, weights=0.02, seed=1),
            "I": np.linspace(1.1, 1.5, 1500),
        },
        initial={"v": ax.uniform(0, 1)},
        events={
            "spike": ax.event(
                lambda t, s, p: s.v - 1.0,
                direction="up",
                reset=lambda t, s, p, passed: {"v": jnp.where(passed, 0.0, s.v) + p.w @ passed},
            )
        },
    )
    def neurons(t, s, p):
        return {"v": p.I - s.v}

    run = ax.simulate(neurons, 5.0, method="rk4", dt=1 / 16, sample=1 / 16)
    loop = ax.stepper(neurons, method="rk4", dt=1 / 16)
    assert int(run.spike_count) > 3000
    for k in range(1, 81):
        loop.step()
        assert (loop.state["v"] == run.v.values[k]).all()
    loop.set_parameters(I=0.5)
    loop.set_state(v=0.99)  # below threshold from now on
    for _ in range(16):
        loop.step()
    np.testing.assert_allclose(loop.state["v"], 0.5 + 0.49 * np.exp(-1), rtol=1e-6)


def test_a_step_of_a_large_system_costs_little():
    loop = ax.stepper(network, dt=0.01, method="euler")
    loop.step()
    assert min(timeit.repeat(loop.step, number=50, repeat=9, timer=time.process_time)) / 50 < 2e-4
