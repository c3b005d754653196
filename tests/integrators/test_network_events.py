"""Events that happen to each element of an array, in straight-line code and in loops over arrays."""

from __future__ import annotations

from importlib import import_module

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

import attrax as ax
from attrax.engine.array_quantities import is_large
from attrax.engine.errors import AttraxError

PLANNING = import_module("attrax.integrators.planning")
EVENTS = import_module("attrax.integrators.large.events")
LEAK = 0.1
METHODS = [dict(method="rk4", dt=0.01), dict(method="tsit5", rtol=1e-8, atol=1e-10), dict(method="dop853", rtol=1e-9)]


@pytest.fixture(params=["lines", "arrays"])
def way(request, monkeypatch):
    """Straight-line code, or loops over arrays however small the system is."""
    for name in ("is_large", "is_huge"):
        monkeypatch.setattr(PLANNING, name, lambda _, large=request.param == "arrays": large)
    return request.param


@pytest.fixture
def by(monkeypatch):
    """Simulate by loops over arrays, or by straight-line code."""

    def simulate(arrays, *arguments, **options):
        with monkeypatch.context() as patch:
            for name in ("is_large", "is_huge"):
                patch.setattr(PLANNING, name, lambda _: arrays)
            return ax.simulate(*arguments, **options)

    return simulate


def driven(n=6):
    """dv/dt = i sin(t) - v / 10 from 0, of which the solution is known."""

    @ax.flow(state={"v": ("n",)}, parameters={"n": n, "i": np.linspace(1.05, 3.0, n), "level": 1.0})
    def network(t, s, p):
        return {"v": p.i * jnp.sin(t) - LEAK * s.v}

    return network


def potential(t, i):
    return i * (LEAK * np.sin(t) - np.cos(t) + np.exp(-LEAK * t)) / (1 + LEAK**2)


def passages(currents, level=1.0, t_end=30.0):
    """Times and neurons, sorted."""
    grid = np.linspace(0, t_end, 3001)
    found = []
    for k, i in enumerate(currents):
        v = potential(grid, i) - level
        for place in np.nonzero((v[:-1] < 0) & (v[1:] >= 0))[0]:
            found.append((brentq(lambda t, i=i: potential(t, i) - level, *grid[place : place + 2], xtol=1e-13), k))
    return map(np.array, zip(*sorted(found), strict=True))


def leaky(n=6, coupled=0.0):
    """Integrate-and-fire neurons."""
    w = coupled * np.abs(np.random.default_rng(0).normal(size=(n, n))) * (1 - np.eye(n))

    @ax.flow(
        state={"v": ("n",)},
        parameters={"n": n, "i": np.linspace(1.1, 2.0, n), "w": w},
        initial={"v": np.linspace(0.0, 0.9, n)},
        events={
            "spike": ax.event(
                lambda t, s, p: s.v - 1.0,
                direction="up",
                reset=lambda t, s, p, passed: {"v": jnp.where(passed, 0.0, s.v) + p.w @ passed},
            )
        },
    )
    def neurons(t, s, p):
        return {"v": p.i - s.v}

    return neurons


@pytest.mark.parametrize("how", METHODS, ids=lambda how: how["method"])
def test_passages_of_every_neuron(way, how):
    network = driven()
    run = ax.simulate(network, 30.0, sample="end", events={"up": "v > level"}, **how)
    times, neurons = passages(network.parameters["i"].value)
    assert int(run.up_count) == len(times)
    np.testing.assert_array_equal(run.up_element, neurons)
    np.testing.assert_allclose(run.up_time, times, atol=3e-8, rtol=0)


@pytest.mark.parametrize(("method", "order", "dt"), [("euler", 1, 0.01), ("heun", 2, 0.05), ("rk4", 4, 0.2)])
def test_the_times_converge_with_the_order_of_the_method(way, method, order, dt):
    network = driven()
    times, _ = passages(network.parameters["i"].value)
    errors = []
    for length in (dt, dt / 2, dt / 4):
        run = ax.simulate(network, 30.0, method=method, dt=length, sample="end", events={"up": "v > level"})
        errors.append(np.abs(run.up_time.values - times).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > order - 0.5).all(), orders


@pytest.mark.parametrize("how", [dict(method="rk4", dt=0.05), dict(method="tsit5")], ids=["rk4", "tsit5"])
def test_members_that_end_and_samples_between(by, how):
    n = 5
    stop = ax.event(lambda t, s, p: jnp.mean(s.v) - p.level, direction="up", terminal=True)

    @ax.flow(
        state={"v": ("n",)},
        parameters={"n": n, "i": np.linspace(1.1, 2.0, n), "level": 0.5},
        events={"full": stop, "passed": ax.event(lambda t, s, p: s.v - 0.4)},
    )
    def filling(t, s, p):
        return {"v": p.i - s.v}

    levels = np.array([0.3, 0.5, 0.7, 5.0])
    options = dict(parameters={"level": levels}, sample=0.2, **how)
    expected, found = by(False, filling, 5.0, **options), by(True, filling, 5.0, workers=2, **options)
    for name in ("status", "full_count", "passed_count", "passed_element"):
        np.testing.assert_array_equal(found[name], expected[name])
    for name in ("t_stop", "full_time", "passed_time", "v"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-6, rtol=0)
    mean = np.linspace(1.1, 2.0, n).mean()
    np.testing.assert_allclose(found.t_stop, [*-np.log(1 - levels[:3] / mean), 5.0], atol=2e-6)
    last = by(True, filling, 5.0, parameters={"level": levels[:3]}, sample="end", **how)
    np.testing.assert_allclose(last.v.mean("n").squeeze(), levels[:3], atol=1e-6)


def test_resets_of_single_neurons_are_exact_in_straight_line_code():
    run = ax.simulate(leaky(), 20.0, method="dop853", rtol=1e-11, atol=1e-12, sample="end")
    currents, starts = np.linspace(1.1, 2.0, 6), np.linspace(0.0, 0.9, 6)
    for k, (i, v) in enumerate(zip(currents, starts, strict=True)):
        first, period = np.log((i - v) / (i - 1)), np.log(i / (i - 1))
        own = run.spike_time.values[run.spike_element.values == k]
        np.testing.assert_allclose(own, first + period * np.arange(len(own)), atol=1e-9)
        assert len(own) == 1 + int((20.0 - first) / period)


def test_resets_at_the_ends_of_steps_are_of_first_order(by):
    network = leaky(8, coupled=0.02)
    exact = by(False, network, 8.0, method="dop853", rtol=1e-11, atol=1e-12, sample="end")
    errors = []
    for dt in (0.004, 0.001, 0.00025):
        run = by(True, network, 8.0, method="rk4", dt=dt, sample="end")
        assert int(run.spike_count) == int(exact.spike_count)
        errors.append(np.abs(run.spike_time.values - exact.spike_time.values).max())
    assert errors[0] < 0.05 and errors[2] < errors[0] / 8, errors


def test_an_avalanche(way):
    """Each spike takes the next neuron over the threshold, at the same time."""
    n = 7
    next_one = 0.3 * np.eye(n, k=-1)

    @ax.flow(
        state={"v": ("n",)},
        parameters={"n": n, "w": next_one},
        initial={"v": [0.5, *[0.75] * (n - 1)]},
        events={
            "spike": ax.event(
                lambda t, s, p: s.v - 1.0,
                direction="up",
                reset=lambda t, s, p, passed: {"v": jnp.where(passed, -9.0, s.v) + p.w @ passed},
            )
        },
    )
    def chain(t, s, p):
        return {"v": jnp.where(jnp.arange(n) == 0, 1.0, 0.0)}

    run = ax.simulate(chain, 1.0, method="rk4", dt=0.125, sample="end")
    np.testing.assert_array_equal(np.sort(run.spike_element), np.arange(n))
    np.testing.assert_allclose(run.spike_time, 0.5, atol=1e-12)
    assert run.v.values.max() < 0.0


def test_extrema_of_oscillators(way):
    o = np.linspace(1.0, 3.0, 5)

    @ax.flow(state={"x": (5,), "v": (5,)}, parameters={"o": o}, initial={"x": 1.0, "v": 0.3})
    def oscillators(t, s, p):
        return {"x": p.o * s.v, "v": -p.o * s.x}

    events = {"top": "max x", "low": "min x"}
    rough = ax.simulate(oscillators, 2.0, method="heun", dt=0.01, sample="end", events=events)
    assert rough.top_count == 5 and rough.low_count == 3
    run = ax.simulate(oscillators, 20.0, method="rk4", dt=0.02, sample="end", events=events)
    for name, phase in (("top", np.arctan2(0.3, 1.0)), ("low", np.arctan2(0.3, 1.0) + np.pi)):
        expected = np.sort(np.concatenate([(phase + 2 * np.pi * np.arange(20)) / w for w in o]))
        expected = expected[expected < 20.0]
        np.testing.assert_allclose(run[f"{name}_time"], expected, atol=2e-5)


def test_threads_pauses_and_little_room_change_nothing(by, monkeypatch, tmp_path):
    network = leaky(40, coupled=0.001)
    options = dict(method="rk4", dt=0.01, sample=0.05)
    whole = by(True, network, 20.0, workers=1, **options)
    assert int(whole.spike_count) > 300
    monkeypatch.setattr(EVENTS, "ROOM", 1)
    monkeypatch.setattr(import_module("attrax.integrators.running"), "BUFFER", 500)
    monkeypatch.setattr(import_module("attrax.integrators.large.groups"), "SHARED_WORK", 1)
    for again in (
        by(True, network, 20.0, workers=2, **options),
        by(True, network, 20.0, workers=1, store=tmp_path / "run.h5", **options),
    ):
        for name in ("v", "spike_time", "spike_element", "spike_count"):
            np.testing.assert_array_equal(again[name], whole[name])


@pytest.mark.parametrize("method", ["euler", "rk4"])
@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_members_are_what_they_are_alone(method, kind):
    n = 50
    w = ax.coupling.random(n, 10, weights=0.02, seed=2)
    w = w if kind == "sparse" else ax.coupling.dense(w.to_scipy().toarray())

    @ax.flow(
        state={"v": ("n",), "count": ()},
        parameters={"n": n, "i": 1.5, "w": w, "most": 1e9},
        initial={"v": np.linspace(0, 0.9, n)},
        events={
            "spike": ax.event(
                lambda t, s, p: s.v - 1.0,
                direction="up",
                reset=lambda t, s, p, passed: {
                    "v": jnp.where(passed, 0.0, s.v) + p.w @ passed,
                    "count": s.count + jnp.sum(passed),
                },
            ),
            "enough": ax.event(lambda t, s, p: s.count - p.most, direction="up", terminal=True),
        },
    )
    def network(t, s, p):
        return {"v": p.i - s.v, "count": 0.0 * s.count}

    inputs, most = np.array([0.9, 1.2, 1.5, 2.0]), np.array([1e9, 99.5, 1e9, 199.5])
    how = dict(method=method, dt=0.01, sample=0.1)
    together = ax.simulate(network, 6.0, parameters=ax.zip(i=inputs, most=most), workers=2, **how)
    assert together.status.values.tolist() == [0, 5, 0, 5] and together.spike_count.values[[0, 1, 3]].tolist() == [
        0,
        100,
        200,
    ]
    for k in range(4):
        alone = ax.simulate(network.with_parameters(i=inputs[k], most=most[k]), 6.0, **how)
        count = int(alone.spike_count)
        assert int(together.spike_count[k]) == count and together.t_stop[k] == alone.t_stop
        np.testing.assert_array_equal(together.v[k], alone.v)
        for name in ("spike_time", "spike_element"):
            np.testing.assert_array_equal(together[name][k, :count], alone[name])


def test_a_network_too_large_for_straight_line_code():
    n = 2000
    w = ax.coupling.random(n, 50, weights=0.002, seed=1)

    @ax.flow(
        state={"v": ("n",), "g": ("n",)},
        parameters={"n": n, "w": w, "i": 1.05},
        initial={"v": ax.uniform(0, 1)},
        events={
            "spike": ax.event(
                lambda t, s, p: s.v - 1.0,
                direction="up",
                reset=lambda t, s, p, passed: {"v": jnp.where(passed, 0.0, s.v), "g": s.g + p.w @ passed},
            )
        },
    )
    def neurons(t, s, p):
        return {"v": (p.i - s.v + s.g) / 20.0, "g": -s.g / 5.0}

    assert is_large(neurons) and len(neurons.source_hash) == 16
    run = ax.simulate(neurons, 100.0, method="rk4", dt=0.1, sample="end", seed=4)
    assert int(run.status) == 0 and run.v.values.max() <= 1.0
    mine = _by_hand(w.to_scipy(), ax.simulate(neurons, 1e-9, dt=1e-9, method="rk4", sample=[0.0], seed=4).v.values[0])
    assert abs(int(run.spike_count) - mine) < 0.01 * mine


def _by_hand(w, v):
    """Number of spikes by NumPy: exact steps of the linear equations, spikes at their ends."""
    g, dt, count = np.zeros_like(v), 0.1, 0
    a, b = np.exp(-dt / 20), np.exp(-dt / 5)
    for _ in range(1000):
        v, g = 1.05 + (v - 1.05) * a + g * (a - b) / 3, g * b
        fired = v >= 1.0
        count += fired.sum()
        v[fired] = 0.0
        g = g + w @ fired.astype(float)
    return count


def test_exponents_and_derivatives_take_the_elements_one_by_one():
    network = leaky(2)
    s = network.saltation("spike[1]", {"v": [0.3, 1.0]})
    before, after = 2.0 - 1.0, 2.0 - 0.0
    np.testing.assert_allclose(s, [[1.0, 0.0], [0.0, after / before]], atol=1e-14)
    found = ax.analysis.lyapunov_spectrum(network, 2, t_total=300.0, transient=20.0)
    assert np.abs(found.exponents).max() < 5e-3  # two uncoupled periodic neurons


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: ax.event(lambda t, s, p: s.v, reset=lambda t, s, p: {"v": 0 * s.v}),
            r"event 'up' happens to 40 elements, each by itself; its reset must be a function \(t, s, p, passed\)",
        ),
        (lambda: ax.event(at=[1.0], reset=lambda t, s, p: {"v": 0 * s.v}), "stops only with equal steps; give dt"),
        (
            lambda: ax.event(lambda t, s, p: s.v, reset=lambda t, s, p, passed: {"v": s.v}),
            "resets act at the ends of equal steps there; give dt",
        ),
        (lambda: ax.event(lambda t, s, p: 0.0 * jnp.ones(3)), "neither on the state nor on time"),
    ],
)
def test_mistakes(by, make, message):
    with pytest.raises(AttraxError, match=message):
        by(True, driven(40).with_events(up=make()), 2.0)


@pytest.mark.parametrize("method", ["euler", "rk4"])
def test_kicks_at_given_times(by, method):
    """Those of straight-line code; a kick takes neurons over the threshold, which spike at the same time."""
    network = leaky(6)
    kick = ax.event(at="times", reset=lambda t, s, p: {"v": s.v + p.size})
    kicked = ax.flow(
        state={"v": ("n",)},
        parameters={"n": 6, "i": 0.5, "w": network.parameters["w"].value, "times": [0.5, 2.0, 9.0], "size": 0.4},
        initial={"v": np.linspace(0.0, 0.9, 6)},
        events={**network.events, "kick": kick, "end": ax.event(at=[4.0], terminal=True)},
    )(lambda t, s, p: {"v": p.i - s.v})
    sizes = {"size": np.array([0.3, 0.4, 0.7])}
    found, expected = (
        by(arrays, kicked, 5.0, method=method, dt=0.125, sample=0.25, parameters=sizes) for arrays in (True, False)
    )
    assert found.status.values.tolist() == [5, 5, 5] and (found.t_stop == 4.0).all()
    assert (found.spike_count == expected.spike_count).all() and int(found.spike_count.sum()) > 4
    for name in ("v", "kick_time", "kick_count", "end_time", "spike_time"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-12)
    with pytest.raises(AttraxError, match="event 'kick' comes at t = 0.5, within a step"):
        by(True, kicked, 5.0, method=method, dt=0.3)


def test_analyses_follow_few_elements():
    network = leaky(41)
    assert ax.simulate(network, 5.0, method="rk4", dt=0.01, sample="end").spike_count > 41
    assert len(network.source_hash) == 16
    with pytest.raises(
        AttraxError, match="happens to 41 elements; beside simulate, .* up to 40 are followed one by one"
    ):
        ax.analysis.lyapunov_spectrum(network, 1, t_total=10.0)


def test_a_reset_at_given_times_is_told_of_no_elements():
    with pytest.raises(AttraxError, match="of no fourth argument"):
        ax.event(at=[1.0], reset=lambda t, s, p, passed: {})
