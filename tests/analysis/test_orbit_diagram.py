"""Orbit diagrams against closed forms, published values and SciPy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import attrax as ax
from attrax.analysis import orbit_diagram
from attrax.engine.errors import InputError, Interrupted

HENON, ROESSLER, VAN_DER_POL = ax.systems.maps.henon, ax.systems.chaos.roessler, ax.systems.chaos.van_der_pol


@ax.map(
    state={"x": ()},
    parameters={"r": ax.parameter(3.0, "1/year", "growth")},
    initial={"x": 0.3},
    observables={"twice": lambda t, s, p: 2 * s.x},
)
def logistic(t, s, p):
    return {"x": p.r * s.x * (1 - s.x)}


@ax.flow(state={"x": ()}, parameters={"r": 0.0}, initial={"x": 0.01})
def subcritical(t, s, p):
    """Bistable for -1/4 < r < 0: rest, and x^2 = (1 + sqrt(1 + 4 r)) / 2."""
    return {"x": p.r * s.x + s.x**3 - s.x**5}


@ax.flow(state={"x": (2,)}, parameters={"mu": 0.1, "w": 1.0}, initial={"x": [0.1, 0.0]})
def hopf(t, s, p):
    """A circle of radius sqrt(mu)."""
    square = jnp.sum(s.x**2)
    return {"x": (p.mu - square) * s.x + p.w * jnp.array([-1.0, 1.0]) * jnp.flip(s.x)}


def levels(points: np.ndarray, atol: float) -> np.ndarray:
    """Distinct values, up to ``atol``."""
    points = np.sort(points[np.isfinite(points)])
    return points[np.concatenate([[True], np.diff(points) > atol])]


# -- maps ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["up", "down", "fixed"])
def test_fixed_points_of_the_logistic_map(direction):
    r = np.linspace(1.5, 2.9, 40)
    data = orbit_diagram(logistic, "r", r, direction=direction, transient=3000, points=20)
    assert data.x.dims == ("direction", "r", "point")
    np.testing.assert_allclose(data.x[0], (1 - 1 / r)[:, None] * np.ones(20), atol=1e-12)
    assert (data["count"] == 20).all() and (data.status == 0).all()


def test_period_two_of_the_logistic_map():
    r = np.linspace(3.05, 3.4, 20)
    data = orbit_diagram(logistic, "r", r, transient=5000, points=40).isel(direction=0)
    root = np.sqrt((r - 3) * (r + 1))
    for k in range(len(r)):
        low, high = (r[k] + 1 - root[k]) / (2 * r[k]), (r[k] + 1 + root[k]) / (2 * r[k])
        np.testing.assert_allclose(levels(data.x[k].values, 1e-9), [low, high], atol=1e-12)


def test_period_doublings_of_the_logistic_map():
    """At 3 and 1 + sqrt 6, then 3.54409 and 3.56441; the window of period three begins at 1 + sqrt 8."""
    edges = [3.0, 1 + np.sqrt(6), 3.544090359, 3.564407266]
    for k, edge in enumerate(edges):
        near = 0.02 / 4**k
        data = orbit_diagram(logistic, "r", [edge - near, edge + near], transient=20000, points=64).isel(direction=0)
        assert [len(levels(data.x[i].values, 1e-5)) for i in range(2)] == [2**k, 2 ** (k + 1)]
    data = orbit_diagram(logistic, "r", [1 + np.sqrt(8) + 1e-3], transient=20000, points=60)
    assert len(levels(data.x.values, 1e-6)) == 3


def test_chaos_fills_the_invariant_density():
    """At r = 4 the density is 1 / (pi sqrt(x (1 - x)))."""
    data = orbit_diagram(logistic, "r", [4.0], points=200_000, direction="fixed")
    x = np.sort(data.x.values.ravel())
    distribution = 2 / np.pi * np.arcsin(np.sqrt(x))
    assert np.abs(distribution - np.arange(1, len(x) + 1) / len(x)).max() < 0.01


def test_iterates_are_those_of_numpy():
    data = orbit_diagram(logistic, "r", [3.7, 3.9], transient=5, points=10, direction="fixed")
    for k, r in enumerate((3.7, 3.9)):
        x, orbit = 0.3, []
        for _ in range(15):
            x = r * x * (1 - x)
            orbit.append(x)
        np.testing.assert_allclose(data.x[0, k], orbit[5:], rtol=1e-10)


def test_the_state_is_carried():
    """Each value goes on from the last iterate of the one before."""
    values = [3.6, 3.7, 3.8]
    for direction, order in (("up", [0, 1, 2]), ("down", [2, 1, 0])):
        data = orbit_diagram(logistic, "r", values, transient=3, points=4, direction=direction)
        x = 0.3
        for i in order:
            alone = orbit_diagram(logistic, "r", [values[i]], transient=3, points=4, initial={"x": x})
            np.testing.assert_array_equal(data.x[0, i], alone.x[0, 0])
            x = float(data.x[0, i, -1])


def test_henon_fixed_point_and_period_two():
    a = np.array([0.1, 0.2, 0.5, 0.8])
    data = orbit_diagram(HENON, "a", a, transient=5000, points=10, initial={"x": 0.1, "y": 0.1}).isel(direction=0)
    b = HENON.parameters["b"].value
    fixed = (-(1 - b) + np.sqrt((1 - b) ** 2 + 4 * a[:2])) / (2 * a[:2])
    np.testing.assert_allclose(data.x[:2], fixed[:, None] * np.ones(10), atol=1e-12)
    root = np.sqrt(4 * a[2:] - 3 * (1 - b) ** 2)
    for k in (2, 3):
        pair = ((1 - b) + np.array([-1, 1]) * root[k - 2]) / (2 * a[k])
        np.testing.assert_allclose(levels(data.x[k].values, 1e-6), pair, atol=1e-10)


def test_values_that_escape_are_data():
    r = [3.9, 4.1, 3.2]
    for direction in ("up", "down", "fixed"):
        data = orbit_diagram(logistic, "r", r, direction=direction).isel(direction=0)
        np.testing.assert_array_equal(data.r, np.sort(r))
        np.testing.assert_array_equal(data.status, [0, 0, 2])
        np.testing.assert_array_equal(data["count"], [100, 100, 0])
        assert np.isnan(data.x[2]).all() and np.isfinite(data.x[:2]).all()


@pytest.mark.parametrize(
    ("observable", "name", "factor"),
    [("twice", "twice", 2.0), ("3*x", "3_x", 3.0), ("x", "x", 1.0), ("x + 0*t", "x_0_t", 1.0)],
)
def test_observables_of_maps(observable, name, factor):
    data = orbit_diagram(logistic, "r", [2.5], observable=observable, transient=500, points=3)
    (found,) = [k for k in data.data_vars if k not in ("count", "status")]
    assert found.isidentifier() or name[0].isdigit()
    np.testing.assert_allclose(data[found], 0.6 * factor, rtol=1e-12)


# -- flows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mu", "amplitude"), [(0.1, 2.00010408), (1.0, 2.008619861), (2.0, 2.019891), (5.0, 2.021511), (10.0, 2.014285)]
)
def test_amplitude_of_van_der_pol(mu, amplitude):
    """Known to many digits at mu = 1 (2.00861986087484); the others by a stiff solver of SciPy."""
    data = orbit_diagram(VAN_DER_POL, "mu", [mu], transient=200.0, points=5, rtol=1e-10, atol=1e-10)
    if mu != 1.0:
        amplitude = peer_amplitude(mu)
    np.testing.assert_allclose(data.x.values.ravel(), amplitude, atol=2e-8)


def peer_amplitude(mu: float) -> float:
    turning = lambda t, y: y[1]  # noqa: E731
    turning.direction = -1
    f = lambda t, y: [y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]]  # noqa: E731
    solution = solve_ivp(f, (0, 200), [2.0, 0.0], method="DOP853", rtol=1e-12, atol=1e-12, events=turning)
    return solution.y_events[0][-1, 0]


def test_hopf_circle():
    mu = np.linspace(0.05, 1.0, 20)
    data = orbit_diagram(hopf, "mu", mu, direction="both", transient=400.0, points=4, rtol=1e-9, atol=1e-11)
    assert data.x_0.dims == ("direction", "mu", "point")
    np.testing.assert_array_equal(data.direction, ["up", "down"])
    np.testing.assert_allclose(data.x_0, np.sqrt(mu)[None, :, None] * np.ones((2, 20, 4)), atol=1e-6)
    low = orbit_diagram(hopf, "mu", mu, observable="x[1]", section="min x[1]", transient=400.0, points=4)
    np.testing.assert_allclose(low.x_1[0], -np.sqrt(mu)[:, None] * np.ones(4), atol=1e-4)
    other = orbit_diagram(hopf, "mu", mu, observable="x[1]", section="x[0] > 0", transient=400.0, points=4)
    np.testing.assert_allclose(other.x_1[0], -np.sqrt(mu)[:, None] * np.ones(4), atol=1e-4)


def test_roessler_period_doubling():
    """Doublings of the maxima of x at c = 2.832445 and 3.837358, and the maxima of SciPy."""
    c = [2.5, 2.8, 2.87, 3.5, 3.8, 3.87, 4.0]
    data = orbit_diagram(ROESSLER, "c", c, transient=4000.0, t_max=800.0, points=16, rtol=1e-9, atol=1e-9).isel(
        direction=0
    )
    assert [len(levels(row, 1e-3)) for row in data.x.values] == [1, 1, 2, 2, 2, 4, 4]
    f = ROESSLER.with_parameters(c=3.5).as_scipy()
    turning = lambda t, y: -y[1] - y[2]  # noqa: E731
    turning.direction = -1
    peer = solve_ivp(f, (0, 800), f.initial, method="DOP853", rtol=1e-10, atol=1e-10, events=turning)
    np.testing.assert_allclose(levels(data.x[3].values, 1e-3), levels(peer.y_events[0][-16:, 0], 1e-3), atol=1e-6)


def test_hysteresis():
    r = np.linspace(-0.4, 0.1, 26)
    data = orbit_diagram(subcritical, "r", r, direction="both", transient=500.0, initial={"x": 1e-3})
    assert (data.status == 0).all()
    up, down = data.x[0, :, 0], data.x[1, :, 0]
    branch = np.sqrt((1 + np.sqrt(np.maximum(1 + 4 * r, 0))) / 2)
    np.testing.assert_allclose(up[r < -0.01], 0.0, atol=1e-3)
    np.testing.assert_allclose(up[r > 0.05], branch[r > 0.05], atol=1e-5)
    np.testing.assert_allclose(down[r > -0.24], branch[r > -0.24], atol=1e-4)
    np.testing.assert_allclose(down[r < -0.27], 0.0, atol=1e-4)


def test_fixed_direction_is_each_value_alone():
    c = np.linspace(2.0, 6.0, 37)
    how = dict(transient=50.0, points=6, direction="fixed")
    together = orbit_diagram(ROESSLER, "c", c, **how)
    for k in (0, 17, 36):
        alone = orbit_diagram(ROESSLER, "c", [c[k]], **how)
        np.testing.assert_array_equal(alone.x[0, 0], together.x[0, k])
    threads = orbit_diagram(ROESSLER, "c", c, workers=2, **how)
    np.testing.assert_array_equal(threads.x, together.x)
    up = orbit_diagram(ROESSLER, "c", c, transient=50.0, points=6, direction="up")
    np.testing.assert_array_equal(up.x[0, 0], together.x[0, 0])


def test_the_order_of_the_values_does_not_matter():
    c = np.array([4.0, 2.0, 3.0])
    one = orbit_diagram(ROESSLER, "c", c, transient=20.0, points=3, direction="both")
    two = orbit_diagram(ROESSLER, "c", np.sort(c), transient=20.0, points=3, direction="both")
    np.testing.assert_array_equal(one.x, two.x)
    np.testing.assert_array_equal(one.c, [2.0, 3.0, 4.0])


def test_nothing_crosses():
    data = orbit_diagram(subcritical, "r", [-1.0], section="x > 5", transient=10.0)
    assert data["count"] == 0 and np.isnan(data.x).all() and data.status == 0


def test_blow_up_is_data_and_the_next_starts_afresh():
    @ax.flow(state={"x": ()}, parameters={"r": 0.0}, initial={"x": 0.5})
    def fragile(t, s, p):
        return {"x": jnp.where(jnp.abs(p.r - 0.2) < 0.05, 1 + s.x**2, jnp.where(p.r > 0.25, 0.0, -s.x))}

    data = orbit_diagram(fragile, "r", [0.1, 0.2, 0.3], transient=100.0, initial={"x": 3.0}).isel(direction=0)
    assert data.status[1] in (2, 3)
    assert data["count"][1] == 0 and np.isnan(data.x[1]).all()
    assert abs(data.x[0, 0]) < 1e-8
    assert (data["count"][2], data.x[2, 0]) == (1, 3.0)


def test_provenance():
    data = orbit_diagram(logistic, "r", [2.0, 3.0], points=2, seed=3)
    expected = {
        "analysis": "orbit_diagram",
        "parameter": "r",
        "observable": "x",
        "method": "iterate",
        "transient": 1000,
    }
    assert expected.items() <= data.attrs.items()
    assert data.r.attrs == {"units": "1/year", "long_name": "growth"}
    data = orbit_diagram(hopf, "mu", [0.5], points=2, transient=10.0)
    assert data.attrs["section"] == "max x[0]"
    assert data.attrs["transient"] == 10.0
    assert json.loads(data.attrs["parameters"])["w"] == 1.0


def test_it_can_be_saved(tmp_path):
    data = orbit_diagram(logistic, "r", np.linspace(2.5, 4.0, 30), direction="both")
    ax.save(data, tmp_path / "diagram.h5")
    back = ax.load(tmp_path / "diagram.h5")
    for name in data.variables:
        np.testing.assert_array_equal(back[name], data[name])


@pytest.mark.parametrize("direction", ["up", "both", "fixed"])
@pytest.mark.parametrize("system", [logistic, hopf], ids=lambda s: s.name)
def test_progress(system, direction):
    told, name = [], "r" if system is logistic else "mu"
    orbit_diagram(system, name, np.linspace(0.1, 1.0, 50), direction=direction, points=20, progress=told.append)
    assert told == sorted(told) and told[-1] == 1.0 and told[0] >= 0.0


def test_ctrl_c_keeps_what_was_found():
    for direction in ("up", "fixed"):
        timer = threading.Timer(0.6, signal.raise_signal, [signal.SIGINT])
        timer.start()
        with pytest.raises(Interrupted) as caught:
            orbit_diagram(ROESSLER, "c", np.linspace(2.0, 6.0, 20_000), direction=direction, transient=1000.0)
        partial = caught.value.partial
        assert (partial.status == 1).any()
        done = partial["count"].values > 0
        assert np.isfinite(partial.x.values[done][:, 0]).all()
        assert np.isnan(partial.x.values[~done]).all()
        if direction == "up":
            assert done.any() and done[0, : done.sum()].all()


def test_ctrl_c_of_a_script():
    code = """
import sys, numpy as np, attrax as ax
begun = []

def progress(fraction):
    if fraction > 0 and not begun:
        begun.append(print("going", flush=True))

ax.analysis.orbit_diagram(
    ax.systems.maps.logistic, "r", np.linspace(2, 4, 10**6), transient=10**6, progress=progress
)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "going\n"
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert "Interrupted" in err


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (dict(parameter="q"), "'q'"),
        (dict(parameter="m"), "'m'.*'mu'"),
        (dict(values=[]), "values"),
        (dict(values=[np.nan]), "values"),
        (dict(values="all"), "values"),
        (dict(values=[[1.0, 2.0]]), "values"),
        (dict(direction="left"), "'left'"),
        (dict(direction=None), "direction"),
        (dict(points=0), "points"),
        (dict(points=1.5), "points"),
        (dict(transient=-1.0), "transient"),
        (dict(transient=np.nan), "transient"),
        (dict(t_max=0.0), "t_max"),
        (dict(t_max=-5.0), "t_max"),
        (dict(observable="x"), "'x'.*2 elements"),
        (dict(observable="y"), "'y'"),
        (dict(observable="x[2]"), "x\\[2\\]"),
        (dict(observable="x["), "formula"),
        (dict(section="x[0]"), "section"),
        (dict(section="y > 0"), "'y'"),
        (dict(method="rk4"), "rk4"),
        (dict(rtol=-1.0), "rtol"),
        (dict(atol=0.0), "atol"),
        (dict(max_steps=0), "max_steps"),
        (dict(workers=0), "workers"),
        (dict(seed=-1), "seed"),
        (dict(initial={"x": np.ones((3, 2))}), "one initial state"),
        (dict(initial={"x": [np.nan, 0.0]}), "x\\[0\\]"),
        (dict(initial={"z": 0.0}), "'z'"),
    ],
    ids=str,
)
def test_misuse(how, message):
    how = {"parameter": "mu", "values": [0.5], **how}
    with pytest.raises(InputError, match=message) as caught:
        orbit_diagram(hopf, how.pop("parameter"), how.pop("values"), **how)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (dict(section="x > 0.5"), "section"),
        (dict(method="tsit5"), "method"),
        (dict(transient=0.5), "transient"),
        (dict(transient=-1), "transient"),
        (dict(transient="long"), "transient"),
    ],
    ids=str,
)
def test_misuse_of_maps(how, message):
    with pytest.raises(InputError, match=message):
        orbit_diagram(logistic, "r", [3.0], **how)
