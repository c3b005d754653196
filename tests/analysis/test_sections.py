"""Crossings of sections, against closed forms and SciPy's events."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import ellipk

import attrax as ax
from attrax.analysis import poincare_section
from attrax.engine.errors import InputError
from attrax.integrators import groups


@ax.flow(
    state={"x": (), "v": ()},
    parameters={"w": 1.0, "loss": 0.0},
    initial={"x": 1.0},
    observables={
        "energy": lambda t, s, p: (s.v**2 + p.w**2 * s.x**2) / 2,
        "both": lambda t, s, p: jnp.stack([s.x, s.v]),
    },
)
def oscillator(t, s, p):
    return {"x": s.v, "v": -(p.w**2) * s.x - 2 * p.loss * s.v}


@ax.flow(state={"q": (), "v": ()}, initial={"q": 2.0})
def pendulum(t, s, p):
    return {"q": s.v, "v": -jnp.sin(s.q)}


@ax.flow(state={"x": ()}, initial={"x": 0.0})
def clock(t, s, p):
    return {"x": 1.0 + 0 * s.x}


PI = np.pi


@pytest.mark.parametrize(
    ("section", "first", "period"),
    [
        ("x = 0", PI / 2, PI),
        ("x == 0", PI / 2, PI),
        ("x > 0", 3 * PI / 2, 2 * PI),
        ("x < 0", PI / 2, 2 * PI),
        ("v = 0", PI, PI),
        ("x = 0.5", PI / 3, None),
        ("x > 0.5", 5 * PI / 3, 2 * PI),
        ("0.5 > x", PI / 3, 2 * PI),
        ("2*x < 1", PI / 3, 2 * PI),
        ("max x", 2 * PI, 2 * PI),
        ("min x", PI, 2 * PI),
        ("max v", 3 * PI / 2, 2 * PI),
        ("max x*v", 3 * PI / 4, PI),
        ("min both[1]", PI / 2, 2 * PI),
        ("x > v", 7 * PI / 4, 2 * PI),
        ("max cos(t)", 2 * PI, 2 * PI),
        ("sin(t) > 0", 2 * PI, 2 * PI),
        (lambda t, s, p: s.x - s.v, 3 * PI / 4, PI),
    ],
    ids=lambda v: "function" if callable(v) else str(v),
)
@pytest.mark.parametrize("method", ["dop853", "tsit5", "dopri5"])
def test_times_of_crossings(section, first, period, method):
    data = poincare_section(oscillator, section, points=30, method=method, rtol=1e-11, atol=1e-12)
    times = data.t_cross.values
    assert data["count"] == 30 and data.status == 0
    assert times[0] == pytest.approx(first, abs=1e-9)
    if period:
        np.testing.assert_allclose(times, first + period * np.arange(30), atol=2e-8)
    np.testing.assert_allclose(data.x, np.cos(times), atol=2e-8)
    np.testing.assert_allclose(data.v, -np.sin(times), atol=2e-8)


@pytest.mark.parametrize("method", ["bs3", "tsit5", "dopri5", "dop853"])
def test_the_crossing_lies_on_the_section(method):
    """To rounding, whatever the tolerance: the root of the dense output is found, not approached."""
    data = poincare_section(oscillator, "x = 0.3", points=100, method=method, rtol=1e-5, atol=1e-5)
    assert np.abs(data.x - 0.3).max() < 1e-14


@pytest.mark.parametrize("start", [0.1, 1.0, 2.0, 3.1])
def test_period_of_the_pendulum(start):
    data = poincare_section(pendulum, "v > 0", initial={"q": start}, points=5, rtol=1e-12, atol=1e-13)
    period = 4 * ellipk(np.sin(start / 2) ** 2)
    np.testing.assert_allclose(np.diff(data.t_cross), period, rtol=1e-9)
    np.testing.assert_allclose(data.q, -start, rtol=1e-9)


def test_return_map_of_a_damped_oscillator():
    """Successive maxima fall by exp(-2 pi loss / omega)."""
    loss = np.array([0.0, 0.02, 0.1])
    data = poincare_section(oscillator, "max x", parameters={"loss": loss}, points=8, rtol=1e-12, atol=1e-15)
    assert data.x.dims == ("loss", "point")
    omega = np.sqrt(1 - loss**2)
    ratios = data.x.values[:, 1:] / data.x.values[:, :-1]
    np.testing.assert_allclose(ratios, np.exp(-2 * PI * loss / omega)[:, None] * np.ones(7), rtol=1e-7)


def test_lorenz_against_events_of_scipy():
    lorenz = ax.systems.chaos.lorenz
    data = poincare_section(lorenz, "z > 27", t_max=12.0, points=100, rtol=1e-12, atol=1e-12)
    f = lorenz.as_scipy()
    rising = lambda t, y: y[2] - 27.0  # noqa: E731
    rising.direction = 1
    peer = solve_ivp(f, (0, 12), f.initial, method="DOP853", rtol=1e-13, atol=1e-13, events=rising)
    count = len(peer.t_events[0])
    assert data["count"] == count
    np.testing.assert_allclose(data.t_cross[:count], peer.t_events[0], atol=1e-6)
    np.testing.assert_allclose(data.x[:count], peer.y_events[0][:, 0], atol=1e-5)
    assert np.isnan(data.x[count:]).all()


def test_transient_and_longest_time():
    whole = poincare_section(oscillator, "x = 0", t_max=20.0, points=100)
    assert whole["count"] == 6
    late = poincare_section(oscillator, "x = 0", transient=5.0, t_max=15.0, points=100)
    np.testing.assert_array_equal(late.t_cross[:4], whole.t_cross[2:6])
    assert late["count"] == 4
    np.testing.assert_array_equal(late.status, 0)
    none = poincare_section(oscillator, "x = 2", t_max=20.0, points=3)
    assert none["count"] == 0 and np.isnan(none.t_cross).all()


def test_a_section_on_which_it_starts():
    """The start is no crossing."""
    data = poincare_section(oscillator, "x = 1", t_max=7.0, points=5)
    assert (data.t_cross[: int(data["count"])] > 1.0).all()
    data = poincare_section(clock, "x > 0", t_max=3.0, points=5)
    assert data["count"] == 0


def test_a_crossing_exactly_at_the_end_of_a_step():
    data = poincare_section(clock, "x > 2", t_max=2.0, points=5)
    assert data["count"] == 1
    assert data.t_cross[0] == pytest.approx(2.0, abs=1e-14)


def test_members_do_not_depend_on_their_company(monkeypatch):
    w = np.linspace(0.3, 3.0, 45)
    together = poincare_section(oscillator, "max x", parameters={"w": w}, points=9)
    np.testing.assert_allclose(together.t_cross[:, 0], 2 * PI / w, rtol=1e-7)
    for m in (0, 20, 44):
        alone = poincare_section(oscillator, "max x", parameters={"w": w[m]}, points=9)
        np.testing.assert_array_equal(alone.t_cross, together.t_cross[m])
        np.testing.assert_array_equal(alone.x, together.x[m])
    monkeypatch.setattr(groups, "SLICE", 0.0)
    halting = poincare_section(oscillator, "max x", parameters={"w": w}, points=9, workers=1)
    np.testing.assert_array_equal(halting.t_cross, together.t_cross)


def test_blow_up_keeps_the_crossings_before_it():
    @ax.flow(state={"x": (), "y": ()}, initial={"x": 1.0, "y": 1.0})
    def exploding(t, s, p):
        return {"x": s.x**2, "y": -20 * jnp.sin(20 * t)}

    data = poincare_section(exploding, "y = 0", points=100)
    assert data.status in (2, 3)
    count = int(data["count"])
    np.testing.assert_allclose(data.t_cross[:count], (np.arange(count) + 0.5) * PI / 20, atol=1e-7)
    assert count == 6


def test_what_is_recorded_with_it():
    data = poincare_section(oscillator, "max x", points=3, seed=4)
    assert data.attrs["analysis"] == "poincare_section"
    assert data.attrs["section"] == "max x"
    assert data.attrs["method"] == "dop853"
    assert data.t_cross.dims == ("point",)
    assert data.attrs["seed"] == 4


def test_as_many_as_are_asked_for():
    """The first crossings in time, also where several lie in one step, and members go side by side."""
    fast = lambda t, s, p: jnp.sin(11 * s.x) + 0.1 * s.v  # noqa: E731
    how = dict(initial={"x": np.linspace(0.5, 3.0, 40)}, method="dop853", rtol=1e-4, atol=1e-4)
    many = poincare_section(oscillator, fast, points=60, **how)
    for points in range(1, 60, 7):
        few = poincare_section(oscillator, fast, points=points, **how)
        for name in ("t_cross", "x", "v"):
            np.testing.assert_array_equal(few[name], many[name][:, :points])
        assert (few["count"] == points).all()


def test_progress():
    told = []
    poincare_section(oscillator, "x = 0", points=200_000, t_max=1e6, progress=told.append, workers=1)
    assert told == sorted(told) and told[-1] == 1.0


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (dict(section="x"), "'x'"),
        (dict(section=""), "section"),
        (dict(section="x = 0 = 1"), "section"),
        (dict(section="x >= 0"), "not understood|not a formula"),
        (dict(section="z = 0"), "'z'"),
        (dict(section="max"), "section"),
        (dict(section="max both"), "both.*2 elements"),
        (dict(section="both > 0"), "both.*2 elements"),
        (dict(section="maximum x"), "section"),
        (dict(section=5), "section"),
        (dict(section=None), "section"),
        (dict(points=0), "points"),
        (dict(points=2.5), "points"),
        (dict(points=True), "points"),
        (dict(t_max=0), "t_max"),
        (dict(t_max=-1.0), "t_max"),
        (dict(t_max=np.inf), "t_max"),
        (dict(transient=-1.0), "transient"),
        (dict(transient="long"), "transient"),
        (dict(method="rk4"), "rk4"),
        (dict(method="none"), "none"),
        (dict(rtol=0.0), "rtol"),
        (dict(atol=-1.0), "atol"),
        (dict(max_steps=0), "max_steps"),
        (dict(seed=-1), "seed"),
        (dict(workers=0), "workers"),
        (dict(initial={"x": np.nan}), "x.*NaN"),
        (dict(parameters={"q": 1.0}), "'q'"),
    ],
    ids=str,
)
def test_misuse(how, message):
    how = {"section": "x = 0", "points": 3, **how}
    with pytest.raises(InputError, match=message):
        poincare_section(oscillator, how.pop("section"), **how)


def test_maps_have_no_sections():
    with pytest.raises(InputError, match="map"):
        poincare_section(ax.systems.maps.henon, "x = 0")
