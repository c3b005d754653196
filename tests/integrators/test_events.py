"""Events and resets, against closed forms, SciPy's events, and themselves under other conditions."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import attrax as ax
from attrax.engine.errors import DeclarationError, InputError
from attrax.integrators import groups

DONE, EVENT, ZENO = 0, 5, 6
PI = np.pi


@ax.flow(
    state={"x": (), "v": ()},
    parameters={"e": 0.8, "g": 1.0},
    initial={"x": 1.0},
    events={"bounce": ax.event(lambda t, s, p: s.x, direction="down", reset=lambda t, s, p: {"v": -p.e * s.v})},
)
def ball(t, s, p):
    return {"x": s.v, "v": -p.g}


def bounces(count: int, e: float = 0.8, x: float = 1.0, g: float = 1.0) -> np.ndarray:
    first = np.sqrt(2 * x / g)
    return first + np.concatenate([[0.0], np.cumsum(2 * first * e ** np.arange(1, count))])


@ax.flow(state={"x": (), "v": ()}, parameters={"w": 1.0}, initial={"x": 1.0})
def oscillator(t, s, p):
    return {"x": s.v, "v": -(p.w**2) * s.x}


@ax.flow(state={"x": ()})
def clock(t, s, p):
    return {"x": 1.0 + 0 * s.x}


@ax.flow(
    state={"v": ()},
    parameters={"i": 1.5},
    events={"spike": ax.event(lambda t, s, p: s.v - 1.0, direction="up", reset=lambda t, s, p: {"v": 0.0})},
)
def lif(t, s, p):
    return {"v": p.i - s.v}


@ax.flow(
    state={"v": (), "wait": (), "active": ()},
    parameters={"i": 1.5, "refractory": 0.3},
    initial={"active": 1.0},
    events={
        "spike": ax.event(
            lambda t, s, p: s.v - 1.0,
            direction="up",
            reset=lambda t, s, p: {"v": 0.0, "wait": p.refractory, "active": 0.0},
        ),
        "release": ax.event(
            lambda t, s, p: s.wait, direction="down", reset=lambda t, s, p: {"wait": 0.0, "active": 1.0}
        ),
    },
)
def refractory(t, s, p):
    return {"v": s.active * (p.i - s.v), "wait": s.active - 1.0, "active": 0.0}


# -- where events are --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "how"),
    [("tsit5", {}), ("dop853", {}), ("dopri5", {}), ("bs3", {}), ("rodas5p", {})]
    + [("rk4", {"dt": 0.05}), ("heun", {"dt": 0.01}), ("tsit5", {"dt": 0.7})],
)
def test_bouncing_ball(method, how):
    """Parabolas are integrated without error, so that the bounces are exact."""
    data = ax.simulate(ball, 8.0, method=method, sample=0.5, **how)
    count = int(data.bounce_count)
    exact = bounces(200)
    assert count == (exact <= 8.0).sum()
    np.testing.assert_allclose(data.bounce_time, exact[:count], atol=1e-11)
    assert data.status == DONE
    start = exact[np.searchsorted(exact, 8.0) - 1]
    speed = np.sqrt(2) * 0.8**count
    assert data.v[-1] == pytest.approx(speed - (8.0 - start), abs=1e-10)
    assert data.x[-1] == pytest.approx(speed * (8.0 - start) - (8.0 - start) ** 2 / 2, abs=1e-10)


@pytest.mark.parametrize(("e", "height"), [(0.5, 0.0), (0.8, 0.0), (0.95, 0.0), (0.8, 1.0), (0.6, -3.0)])
def test_accumulation(e, height):
    """Bounces end at sqrt(2 x / g) (1 + e) / (1 - e), wherever the floor is."""

    @ax.flow(
        state={"x": (), "v": ()},
        initial={"x": height + 1.0},
        events={
            "bounce": ax.event(lambda t, s, p: s.x - height, direction="down", reset=lambda t, s, p: {"v": -e * s.v})
        },
    )
    def falling(t, s, p):
        return {"x": s.v, "v": -1.0}

    data = ax.simulate(falling, 200.0)
    exact = np.sqrt(2) * (1 + e) / (1 - e)
    assert data.status == ZENO
    assert data.status.attrs["flag_meanings"].split()[ZENO] == "zeno"
    assert data.t_stop == pytest.approx(exact, rel=1e-4)
    t = data.bounce_time.values[:20]
    assert t[-1] + np.diff(t)[-1] * e / (1 - e) == pytest.approx(exact, rel=1e-9)
    assert np.isfinite(data.x.values[data.time < data.t_stop]).all()
    assert np.isnan(data.x.values[data.time > data.t_stop]).all()
    end = ax.simulate(falling, 200.0, sample="end")
    assert end.x.item() == pytest.approx(height, abs=1e-9) and abs(end.v.item()) < 1e-4


def test_all_zeros_within_one_step():
    """The clock's step is as long as the run: everything happens within few steps."""
    events = {"z": "sin(x) = 0", "c": "cos(3*t) > 0", "q": "x**2 - 50*x + 600 = 0", "never": "x + 1 = 0"}
    data = ax.simulate(clock, 100.0, sample="end", events=events)
    assert data.steps < 12
    np.testing.assert_allclose(data.z_time, PI * np.arange(1, 32), rtol=1e-14)
    np.testing.assert_allclose(data.c_time, (2 * PI * np.arange(1, 48) - PI / 2) / 3, rtol=1e-13)
    np.testing.assert_allclose(data.q_time, [20.0, 30.0], rtol=1e-13)
    assert data.never_count == 0 and data.never_time.shape == (0,)


@pytest.mark.parametrize("depth", [1e-2, 1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("method", ["tsit5", "dop853"])
def test_two_zeros_within_one_step(depth, method):
    """A dip of cos below depth - 1, however short."""
    data = ax.simulate(
        oscillator, 10.0, method=method, rtol=1e-12, atol=1e-12, events={"dip": f"x = {depth} - 1"}, sample="end"
    )
    half = np.arccos(1 - depth)
    expected = np.concatenate([[PI - half, PI + half], [3 * PI - half, 3 * PI + half]])
    np.testing.assert_allclose(data.dip_time, expected, atol=1e-10 / np.sqrt(depth) + 1e-10)


def test_touching_is_no_event():
    """A parabola above zero by more than rounding is not found; one below is, twice."""
    for lift, count in ((1e-9, 0), (-1e-9, 2)):
        data = ax.simulate(clock, 10.0, events={"touch": f"(x - 3)**2 + {lift} = 0"}, sample="end")
        assert data.touch_count == count


@given(zeros=st.lists(st.integers(1, 97), min_size=1, max_size=6, unique=True), scale=st.floats(0.1, 10.0))
@settings(max_examples=25, deadline=None)
def test_polynomials_of_any_zeros(zeros, scale):
    """All zeros of a polynomial of time, in their order, with their directions."""
    zeros = np.sort(zeros) * 0.1

    @ax.flow(state={"x": ()}, parameters={"zeros": zeros, "scale": scale}, initial={"x": 0.0})
    def plain(t, s, p):
        return {"x": 1.0 + 0 * s.x}

    product = lambda t, s, p: p.scale * jnp.prod(s.x - p.zeros)  # noqa: E731
    events = {
        name: ax.event(product, direction=direction)
        for name, direction in (("each", "both"), ("rising", "up"), ("falling", "down"))
    }
    data = ax.simulate(plain, 10.0, events=events, sample="end")
    np.testing.assert_allclose(data.each_time, zeros, rtol=1e-9)
    np.testing.assert_allclose(data.rising_time, zeros[::-1][::2][::-1], rtol=1e-9)
    np.testing.assert_allclose(data.falling_time, zeros[::-1][1::2][::-1], rtol=1e-9)


def test_against_scipy():
    lorenz = ax.systems.chaos.lorenz
    how = dict(rtol=1e-11, atol=1e-11)
    events = {"up": "z > 27", "wall": "x + y = 0", "sphere": "x**2 + y**2 + z**2 < 900", "top": "max z"}
    data = ax.simulate(lorenz, 12.0, method="dop853", events=events, sample="end", **how)
    f = lorenz.as_scipy()
    functions = [
        (lambda t, y: y[2] - 27.0, 1),
        (lambda t, y: y[0] + y[1], 0),
        (lambda t, y: (y**2).sum() - 900.0, -1),
        (lambda t, y: f(t, y)[2], -1),
    ]
    for function, direction in functions:
        function.direction = direction
    peer = solve_ivp(
        f, (0, 12), f.initial, method="DOP853", rtol=1e-13, atol=1e-13, max_step=0.01, events=[g for g, _ in functions]
    )
    for name, times in zip(events, peer.t_events, strict=True):
        assert data[f"{name}_count"] == len(times)
        np.testing.assert_allclose(data[f"{name}_time"], times, atol=2e-6)


@pytest.mark.parametrize("method", ["tsit5", "dop853", "bs3", "rodas5p"])
def test_times_are_those_of_the_dense_output(method):
    """Where an event is says the interpolant: to rounding, at any tolerance."""
    data = ax.simulate(oscillator, 50.0, method=method, rtol=1e-4, atol=1e-4, events={"e": "x = 0.3"}, sample="end")
    again = ax.simulate(oscillator, 50.0, method=method, rtol=1e-4, atol=1e-4, sample=data.e_time.values)
    np.testing.assert_allclose(again.x, 0.3, atol=2e-15)


# -- what does not change them -----------------------------------------------------------------------------------


@pytest.mark.parametrize("system", [ball, lif, refractory], ids=lambda s: s.name)
@pytest.mark.parametrize("method", ["tsit5", "dop853"])
def test_samples_do_not_matter(system, method):
    name = next(iter(system.events))
    plain = ax.simulate(system, 6.0, method=method, sample="end")[f"{name}_time"].values
    assert len(plain) > 2
    for sample in (0.01, 3.0, np.array([0.1, 5.9]), plain[1:3]):
        np.testing.assert_array_equal(ax.simulate(system, 6.0, method=method, sample=sample)[f"{name}_time"], plain)
    watched = ax.simulate(system, 6.0, method=method, events={"other": "cos(5*t) = 0"})
    np.testing.assert_allclose(watched[f"{name}_time"], plain, rtol=1e-13)


def test_members_do_not_depend_on_their_company(monkeypatch, tmp_path):
    e = np.linspace(0.5, 0.95, 150)
    how = dict(sample=0.25, events={"top": "max x"})
    many = ax.simulate(ball, 9.0, parameters={"e": e}, workers=1, **how)
    assert set(np.unique(many.status)) == {DONE, ZENO}
    for k in (0, 63, 64, 149):
        alone = ax.simulate(ball, 9.0, parameters={"e": float(e[k])}, **how)
        for name in ("x", "v", "t_stop", "bounce_time", "top_time"):
            mine = many[name].values[k]
            values = alone[name].values
            np.testing.assert_array_equal(mine[: values.size] if values.ndim else mine, values)
            assert not values.ndim or np.isnan(mine[values.size :]).all()
    monkeypatch.setattr(groups, "LOGGED", 1)
    monkeypatch.setattr(groups, "SLICE", 0.0)
    again = ax.simulate(ball, 9.0, parameters={"e": e}, workers=2, store=tmp_path / "balls.h5", **how)
    for name in many.data_vars:
        np.testing.assert_array_equal(again[name], many[name])


def test_runs_put_together():
    """A run cut in two at a bounce or a kick is the same but for the steps."""
    whole = ax.simulate(lif, 20.0, sample="end", rtol=1e-12, atol=1e-12)
    cut = float(whole.spike_time[4])
    first = ax.simulate(lif, cut + 1e-9, sample="end", rtol=1e-12, atol=1e-12)
    assert first.spike_count == 5
    second = ax.simulate(lif, 20.0, t_start=cut + 1e-9, initial={"v": first.v.item()}, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(second.spike_time, whole.spike_time[5:], atol=1e-9)


# -- resets ------------------------------------------------------------------------------------------------------


def test_rate_of_a_leaky_neuron():
    """The period of v' = i - v from 0 to 1 is log(i / (i - 1)); with a refractory time, longer by that."""
    i = np.linspace(1.05, 3.0, 70)
    period = np.log(i / (i - 1))
    for system, more in ((lif, 0.0), (refractory, 0.3)):
        data = ax.simulate(system, 30.0, parameters={"i": i}, rtol=1e-10, atol=1e-12, sample="end")
        for k in range(len(i)):
            t = data.spike_time.values[k, : int(data.spike_count[k])]
            np.testing.assert_allclose(t, period[k] + (period[k] + more) * np.arange(len(t)), rtol=1e-8)
        assert (data.status == DONE).all()
    np.testing.assert_allclose(data.release_time[:, 0], data.spike_time[:, 0] + 0.3, rtol=1e-14)


def test_izhikevich_against_scipy():
    """Regular spiking, Izhikevich, IEEE Trans. Neural Networks 14, 1569 (2003)."""

    @ax.flow(
        state={"v": (), "u": ()},
        parameters={"a": 0.02, "b": 0.2, "c": -65.0, "d": 8.0, "i": 10.0},
        initial={"v": -65.0, "u": -13.0},
        events={
            "spike": ax.event(
                lambda t, s, p: s.v - 30.0, direction="up", reset=lambda t, s, p: {"v": p.c, "u": s.u + p.d}
            )
        },
    )
    def izhikevich(t, s, p):
        return {"v": 0.04 * s.v**2 + 5 * s.v + 140 - s.u + p.i, "u": p.a * (p.b * s.v - s.u)}

    data = ax.simulate(izhikevich, 500.0, rtol=1e-10, atol=1e-10, sample="end")

    def f(t, y):
        return [0.04 * y[0] ** 2 + 5 * y[0] + 140 - y[1] + 10.0, 0.02 * (0.2 * y[0] - y[1])]

    peak = lambda t, y: y[0] - 30.0  # noqa: E731
    peak.terminal, t, y, times = True, 0.0, [-65.0, -13.0], []
    while t < 500.0:
        peer = solve_ivp(f, (t, 500.0), y, method="DOP853", rtol=1e-12, atol=1e-12, events=peak)
        t, y = peer.t[-1], [-65.0, peer.y[1, -1] + 8.0]
        times += list(peer.t_events[0])
    assert data.spike_count == len(times) > 8
    np.testing.assert_allclose(data.spike_time, times, rtol=1e-7)


def test_a_sample_at_an_event_is_the_state_after_it():
    data = ax.simulate(ball, 3.0, sample="end")
    t = float(data.bounce_time[0])
    sampled = ax.simulate(ball, 3.0, sample=[np.nextafter(t, 0.0), t, np.nextafter(t, 9.0)])
    np.testing.assert_allclose(sampled.v, np.sqrt(2) * np.array([-1.0, 0.8, 0.8]), rtol=1e-12)


def test_samples_between_events_of_one_step():
    t = np.linspace(0.0, 7.0, 701)
    data = ax.simulate(ball, 7.0, sample=t)
    exact = bounces(50)
    k = np.searchsorted(exact, t, side="right")
    start = np.where(k > 0, exact[np.maximum(k - 1, 0)], -np.sqrt(2))
    since = t - start
    height = since * np.sqrt(2) * 0.8**k - since**2 / 2
    np.testing.assert_allclose(data.x, height, atol=1e-11)


def test_a_reset_to_the_wrong_side_does_not_come_again():
    """An event is a passage, not a state: below the surface nothing happens until it is passed again."""

    @ax.flow(
        state={"x": ()},
        initial={"x": 1.0},
        events={"deep": ax.event(lambda t, s, p: s.x, direction="down", reset=lambda t, s, p: {"x": -0.5})},
    )
    def sinking(t, s, p):
        return {"x": -1.0 + 0 * s.x}

    data = ax.simulate(sinking, 3.0)
    assert data.deep_count == 1 and data.x[-1] == pytest.approx(-2.5)


@pytest.mark.parametrize("direction", ["both", "up"])
def test_walls_are_hit_once_each(direction):
    """A ball between two walls: 2 hits per unit of time, for any direction that includes the passage."""

    @ax.flow(
        state={"x": (), "v": ()},
        initial={"x": 0.5, "v": 1.0},
        events={
            "right": ax.event(lambda t, s, p: s.x - 1.0, direction=direction, reset=lambda t, s, p: {"v": -s.v}),
            "left": ax.event(lambda t, s, p: -s.x, direction=direction, reset=lambda t, s, p: {"v": -s.v}),
        },
    )
    def box(t, s, p):
        return {"x": s.v, "v": 0 * s.v}

    data = ax.simulate(box, 100.2, sample="end")
    np.testing.assert_allclose(data.right_time, 0.5 + 2 * np.arange(50), rtol=1e-13)
    np.testing.assert_allclose(data.left_time, 1.5 + 2 * np.arange(50), rtol=1e-13)


def test_switching_targets():
    """Goes to +1 until it is there to 0.1, then to -1, and so on: the period is 2 log(1.9 / 0.1)."""

    @ax.flow(
        state={"x": (), "target": ()},
        initial={"x": 0.0, "target": 1.0},
        events={
            "arrival": ax.event(
                lambda t, s, p: s.target * (s.target - s.x) - 0.1, reset=lambda t, s, p: {"target": -s.target}
            )
        },
    )
    def commuter(t, s, p):
        return {"x": s.target - s.x, "target": 0.0}

    data = ax.simulate(commuter, 50.0, rtol=1e-10, atol=1e-12, sample="end")
    exact = np.log(10) + np.log(19) * np.arange(int(data.arrival_count))
    np.testing.assert_allclose(data.arrival_time, exact, rtol=1e-9)
    assert len(exact) == 17


def test_an_avalanche():
    """A spike lifts the next neuron over its threshold, which fires at the same time, and so on."""

    @ax.flow(
        state={"v": (3,)},
        initial={"v": [0.9, 0.7, 0.4]},
        events={
            f"spike{k}": ax.event(
                lambda t, s, p, k=k: s.v[k] - 1.0,
                direction="up",
                reset=lambda t, s, p, k=k: {"v": (s.v + 0.3).at[k].set(0.0)},
            )
            for k in range(3)
        },
    )
    def neurons(t, s, p):
        return {"v": 1.0 + 0 * s.v}

    data = ax.simulate(neurons, 0.2)
    for k in range(3):
        np.testing.assert_allclose(data[f"spike{k}_time"], [0.1], rtol=1e-13)
    # 0 fires at 0.1 and lifts 1 to 1.1 and 2 to 0.8; 1 fires and lifts 2 to 1.1 and 0 to 0.3; 2 fires, lifts 0 and 1
    np.testing.assert_allclose(data.v[-1], [0.6 + 0.1, 0.3 + 0.1, 0.1], rtol=1e-12)


@pytest.mark.parametrize("swap", [False, True])
def test_events_at_the_same_time_happen_in_their_order(swap):
    """Doubling and adding do not commute."""
    both = {
        "double": ax.event(lambda t, s, p: t - 1.0, reset=lambda t, s, p: {"y": 2 * s.y}),
        "add": ax.event(
            lambda t, s, p: jnp.sin(PI * t / 2) - jnp.cos(PI * t / 2) - 1.0, reset=lambda t, s, p: {"y": s.y + 1}
        ),
    }
    order = list(both)[1::-1] if swap else list(both)[:2]

    @ax.flow(state={"y": ()}, initial={"y": 3.0}, events={k: both[k] for k in order})
    def still(t, s, p):
        return {"y": 0 * s.y}

    data = ax.simulate(still, 1.5)
    for name in both:
        np.testing.assert_allclose(data[f"{name}_time"], [1.0], rtol=1e-13)
    assert data.y[-1] == pytest.approx((3 + 1) * 2 if swap else 3 * 2 + 1)


# -- given times -------------------------------------------------------------------------------------------------


def test_kicks_at_given_times():
    """v jumps by 1 at 1, 2, 3.5: x is the sum of ramps."""

    @ax.flow(
        state={"x": (), "v": ()},
        events={"kick": ax.event(at=[-1.0, 0.0, 1.0, 2.0, 3.5, 9.0], reset=lambda t, s, p: {"v": s.v + 1})},
    )
    def cart(t, s, p):
        return {"x": s.v, "v": 0 * s.v}

    t = np.linspace(0.0, 5.0, 51)
    for how in ({}, {"method": "rk4", "dt": 0.3}, {"method": "rodas5p"}):
        data = ax.simulate(cart, 5.0, sample=t, **how)
        ramps = np.maximum(t[:, None] - [1.0, 2.0, 3.5], 0.0).sum(axis=1)
        np.testing.assert_allclose(data.x, ramps, atol=1e-12)
        np.testing.assert_array_equal(data.v, (t[:, None] >= [1.0, 2.0, 3.5]).sum(axis=1))
        np.testing.assert_array_equal(data.kick_time, [1.0, 2.0, 3.5])


def test_times_that_are_a_parameter():
    @ax.flow(
        state={"x": ()},
        parameters={"times": [0.5, 1.5], "size": 1.0},
        events={"kick": ax.event(at="times", reset=lambda t, s, p: {"x": s.x + p.size})},
    )
    def decay(t, s, p):
        return {"x": -s.x}

    times = np.array([[0.5, 1.5], [0.25, 1.75], [2.5, 3.0]])
    data = ax.simulate(decay, 2.0, parameters={"times": times}, rtol=1e-10, sample="end")
    expected = np.where(times <= 2.0, np.exp(times - 2.0), 0.0).sum(axis=1)
    np.testing.assert_allclose(data.x[:, 0], expected, rtol=1e-8)
    np.testing.assert_array_equal(data.kick_count, [2, 2, 0])
    with pytest.raises(InputError, match="'kick' must increase"):
        ax.simulate(decay, 2.0, parameters={"times": times[:, ::-1].copy()})


def test_a_kick_at_the_end_and_at_a_given_phase():
    """The pendulum is kicked where it passes the bottom."""

    @ax.flow(
        state={"q": (), "v": ()},
        initial={"q": 0.1},
        events={
            "bottom": ax.event(lambda t, s, p: s.q, direction="up", reset=lambda t, s, p: {"v": s.v + 0.1}),
            "last": ax.event(at=[20.0], reset=lambda t, s, p: {"q": 7.0}),
        },
    )
    def swing(t, s, p):
        return {"q": s.v, "v": -s.q}

    data = ax.simulate(swing, 20.0, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(data.bottom_time, 1.5 * PI + 2 * PI * np.arange(3), rtol=1e-8)
    assert data.q[-1] == 7.0 and data.status == DONE
    assert np.hypot(data.q, data.v)[-2] == pytest.approx(0.4, rel=1e-8)


# -- endings -----------------------------------------------------------------------------------------------------


def test_terminal():
    events = {"stop": ax.event(lambda t, s, p: s.x + 0.5, terminal=True), "zero": "x = 0"}
    w = np.array([0.1, 1.0, 2.0])
    data = ax.simulate(oscillator, 10.0, parameters={"w": w}, rtol=1e-10, atol=1e-12, events=events, sample=0.25)
    np.testing.assert_array_equal(data.status, [DONE, EVENT, EVENT])
    np.testing.assert_allclose(data.t_stop, [10.0, 2 * PI / 3, PI / 3], rtol=1e-8)
    for k in (1, 2):
        known = np.isfinite(data.x.values[k])
        np.testing.assert_array_equal(known, data.time <= data.t_stop[k])
    end = ax.simulate(oscillator, 10.0, parameters={"w": w}, rtol=1e-10, atol=1e-12, events=events, sample="end")
    np.testing.assert_allclose(end.x[1:, 0], -0.5, rtol=1e-12)
    np.testing.assert_array_equal(end.zero_count, [0, 1, 1])


def test_transient_is_not_recorded():
    data = ax.simulate(lif, 20.0, transient=10.0)
    assert (data.spike_time > 10.0).all()
    assert len(data.spike_time) == ax.simulate(lif, 20.0).spike_count - (ax.simulate(lif, 20.0).spike_time < 10).sum()


def test_backwards():
    data = ax.simulate(oscillator, -7.0, events={"zero": "x = 0"})
    np.testing.assert_allclose(data.zero_time, [-PI / 2, -3 * PI / 2], rtol=1e-5)
    with pytest.raises(InputError, match="'bounce' resets the state"):
        ax.simulate(ball, -1.0)


def test_stored(tmp_path):
    how = dict(parameters={"e": [0.5, 0.8, 0.9]}, sample=0.1, events=("max x",))
    data, stored = ax.simulate(ball, 8.0, **how), ax.simulate(ball, 8.0, store=tmp_path / "a.h5", **how)
    assert set(stored.data_vars) == set(data.data_vars)
    for name in data.variables:
        np.testing.assert_array_equal(stored[name], data[name])
    assert data.bounce_time.dims == ("e", "bounce_index") and data.max_x_count.dims == ("e",)
    none = ax.simulate(oscillator, 1.0, events={"no": "x = 5"}, store=tmp_path / "b.h5")
    assert none.no_time.size == 0 and none.no_count == 0


# -- saltation ---------------------------------------------------------------------------------------------------


def test_saltation_matrix_of_an_impact():
    """For x'' = -g and v -> -e v at x = 0: [[-e, 0], [-(1 + e) g / v, -e]]."""
    for v in (-2.0, -0.3):
        matrix = ball.saltation("bounce", {"x": 0.0, "v": v})
        np.testing.assert_allclose(matrix, [[-0.8, 0.0], [-1.8 / v, -0.8]], rtol=1e-14)


def test_saltation_is_the_derivative_of_the_passage():
    """Against the difference of neighbouring trajectories, integrated through the event."""

    @ax.flow(
        state={"x": (), "v": ()},
        parameters={"e": 0.7},
        initial={"x": 0.3, "v": -1.0},
        events={
            "hit": ax.event(
                lambda t, s, p: s.x - 0.1 * jnp.sin(3 * t) + 0.1 * s.v**2,
                reset=lambda t, s, p: {"v": -p.e * s.v + 0.2 * jnp.cos(t) * s.x, "x": s.x + 0.05 * s.v},
            )
        },
    )
    def table(t, s, p):
        return {"x": s.v, "v": -jnp.sin(s.x) - 0.1 * s.v}

    how = dict(rtol=1e-13, atol=1e-13, method="dop853", sample="end")
    stop = ax.event(table.events["hit"].function, terminal=True)
    bare = ax.flow(state={"x": (), "v": ()}, initial={"x": 0.3, "v": -1.0})(table.function)
    at = ax.simulate(bare, 3.0, events={"hit": stop}, **how)
    t, before = float(at.t_stop), np.array([at.x.item(), at.v.item()])
    matrix = table.saltation("hit", before, t=t)
    small = 1e-4

    def passed(start):
        back = ax.simulate(bare, t - 0.05, t_start=t, initial=start, **how)
        first = [back.x.item(), back.v.item()]
        there = ax.simulate(table, t + 0.05, t_start=t - 0.05, initial=first, **how)
        assert there.hit_count == 1
        back = ax.simulate(bare, t, t_start=t + 0.05, initial=[there.x.item(), there.v.item()], **how)
        return np.array([back.x.item(), back.v.item()])

    columns = [(passed(before + small * d) - passed(before - small * d)) / (2 * small) for d in np.eye(2)]
    np.testing.assert_allclose(matrix, np.transpose(columns), rtol=1e-5, atol=1e-6)


# -- misuse ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (dict(), "either a function"),
        (dict(function=lambda t, s, p: s.x, at=[1.0]), "either a function"),
        (dict(function="x > 0"), "must be a function"),
        (dict(function=lambda t, s, p: s.x, reset={"x": 0.0}), "reset of an event must be a function"),
        (dict(function=lambda t, s, p: s.x, direction="upwards"), "'upwards'.*known: up"),
        (dict(function=lambda t, s, p: s.x, terminal=1), "terminal"),
        (dict(at=[1.0]), "needs a reset"),
        (dict(at=[2.0, 1.0], terminal=True), "strictly increasing"),
        (dict(at=[1.0, 1.0], terminal=True), "strictly increasing"),
        (dict(at=[np.nan], terminal=True), "strictly increasing"),
        (dict(at=[], terminal=True), "strictly increasing"),
    ],
)
def test_misuse_of_event(how, message):
    with pytest.raises(InputError, match=message):
        ax.event(**how)


def declared(**events):
    @ax.flow(state={"x": (), "w": (2,)}, parameters={"a": 1.0, "list": [1.0, 2.0], "m": np.eye(2)}, events=events)
    def system(t, s, p):
        return {"x": 1.0 + 0 * s.x, "w": -s.w}

    return ax.simulate(system, 1.0)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ("x > 0", "must be made by ax.event"),
        (ax.event(lambda t, s, p: s.w, reset=lambda t, s, p: {"x": 0.0}), r"2 elements.*\(t, s, p, passed\)"),
        (ax.event(lambda t, s, p: p.a), "'e' depends neither on the state nor on time"),
        (ax.event(lambda t, s, p: s.x - s.x), "always or never zero"),
        (ax.event(lambda t, s, p: s.z), "'z'"),
        (ax.event(lambda t, s, p: s.x, reset=lambda t, s, p: {"y": 0.0}), "reset of event 'e' names 'y'.*known: x, w"),
        (ax.event(lambda t, s, p: s.x, reset=lambda t, s, p: {"w": 0.0}), r"gives 'w' the shape \(\), .* \(2,\)"),
        (ax.event(lambda t, s, p: s.x, reset=lambda t, s, p: 0.0), "must return a dictionary"),
        (ax.event(at="lists", terminal=True), "'lists'.*did you mean 'list'"),
        (ax.event(at="m", terminal=True), "'m'"),
    ],
)
def test_misuse_in_a_declaration(event, message):
    with pytest.raises(InputError, match=message):
        declared(e=event)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (dict(events=5), "events must be a dictionary"),
        (dict(events={"bounce": "v = 0"}), "'bounce' already"),
        (dict(events={"not a name": "v = 0"}), "no name for an event"),
        (dict(events="x >= 0"), "not understood|no formula|not a formula"),
        (dict(events="q = 0"), "'q'"),
        (dict(events={"a": 3}), "expected a text"),
        (dict(backend="jax"), "backend='jax'.*numba"),
        (dict(method="radau5"), "radau5.*tsit5"),
    ],
)
def test_misuse_of_simulate(how, message):
    with pytest.raises(InputError, match=message):
        ax.simulate(ball, 1.0, **how)


def test_events_are_for_flows_without_noise():
    with pytest.raises(InputError, match="maps?.*flows"):
        ax.simulate(ax.systems.get("maps.logistic"), 10, events="x > 0.5")
    with pytest.raises(DeclarationError, match="without noise"):
        ax.flow(state={"x": ()}, noise=lambda t, s, p: {"x": 1.0}, events={"e": ax.event(lambda t, s, p: s.x)})(
            clock.function
        )
