"""Modes of motion of paths that are written down, and maps of them."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import attrax as ax
from attrax.analysis import drawing
from attrax.analysis.signals.motion import MODES, modes_of_motion, motion_map

TIME = np.arange(0.0, 60.0, 0.05)


def motion(path, **options):
    """Of a complex path."""
    z = path(TIME)
    data = xr.Dataset({"r": (("time", "k"), np.stack([z.real, z.imag], axis=1))}, {"time": TIME})
    found = modes_of_motion(data, **options)
    return MODES[int(found["mode"])], found


@pytest.mark.parametrize(("turn", "mode"), [(0.5, "circle"), (-0.5, "circle"), (2.0, "rosette")])
def test_a_path_that_turns_has_its_period_turn_and_step(turn, mode):
    T, swing = 1.7, 0.1 if mode == "circle" else 0.35
    nu, radius = turn / T, 0.4

    def path(t):
        return radius * np.exp(1j * nu * t) * (1 + swing / radius * np.exp(2j * np.pi * t / T))

    name, found = motion(path)
    assert name == mode
    assert float(found.period) == pytest.approx(T, rel=1e-3)
    assert float(found.turn) == pytest.approx(turn, abs=2e-3)
    at_once = path(np.array([T, 0.0]))
    assert float(found.step) == pytest.approx(abs(np.diff(path(TIME[:, None] + [0.0, T]), axis=1)).mean(), rel=0.01)
    assert at_once.shape == (2,)


def test_a_meandering_path_is_straight():
    name, found = motion(lambda t: 0.1 * t + 0.2j * np.sin(2 * np.pi * t / 2.3))
    assert name == "straight"
    assert float(found.period) == pytest.approx(2.3, rel=1e-3)
    assert float(found.step) == pytest.approx(0.23, rel=1e-3)
    assert float(found.turn) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(("path", "mode", "radius"), [
    (lambda t: 0.3 * t + 0j, "straight", np.nan),
    (lambda t: 0.7 * np.exp(0.4j * t), "circle", 0.7),
    (lambda t: 0 * t + 1j, "rest", np.nan),
])  # fmt: skip
def test_uniform_motion_has_no_period(path, mode, radius):
    name, found = motion(path)
    assert name == mode
    assert np.isnan(found.period)
    assert float(found.radius) == pytest.approx(radius, rel=1e-3, nan_ok=True)


@pytest.mark.parametrize("path", [
    lambda t: 0.2 * np.sin(2 * np.pi * t / 1.3) + 0j,
    lambda t: 0.2 * np.sin(2 * np.pi * t / 1.3) + 0.1j * np.cos(4 * np.pi * t / 1.3),
])  # fmt: skip
def test_there_and_back_is_in_place(path):
    name, found = motion(path)
    assert name == "in place"
    assert float(found.period) == pytest.approx(1.3, rel=1e-3)


def test_a_random_walk_is_irregular():
    heading = np.cumsum(np.random.default_rng(3).normal(0.0, 0.4, TIME.size))
    assert motion(lambda t: np.cumsum(0.05 * np.exp(1j * heading)))[0] == "irregular"


def test_a_path_that_ends_early_is_lost():
    assert motion(lambda t: np.where(t < 30, t, np.nan) + 0j)[0] == "lost"


@pytest.mark.parametrize(("changes", "message"), [
    ({"position": "s"}, "position must name a block with two components or more over time, not 's'"),
    ({"position": "h"}, "position must name a block"),
])  # fmt: skip
def test_what_is_no_position_is_refused(changes, message):
    data = xr.Dataset({"r": (("time", "k"), np.zeros((TIME.size, 2))), "h": ("time", TIME)}, {"time": TIME})
    with pytest.raises(ax.errors.InputError, match=message):
        modes_of_motion(data, **changes)


def test_unequal_samples_are_refused():
    with pytest.raises(ax.errors.InputError, match="equally spaced"):
        modes_of_motion(xr.Dataset({"r": (("time", "k"), np.zeros((TIME.size, 2)))}, {"time": TIME**2}))


@ax.flow(
    state={"r": (2,), "heading": ()},
    parameters={"pace": 1.0, "bend": 0.5},
    initial={"heading": ax.uniform(0.0, 6.0)},
)
def cart(t, s, p):
    import jax.numpy as jnp

    return {"r": p.pace * jnp.stack([jnp.cos(s.heading), jnp.sin(s.heading)]), "heading": p.bend}


def test_a_map_has_a_mode_for_every_start(tmp_path):
    options = {"t_end": 60.0, "transient": 10.0, "method": "rk4", "dt": 0.05}
    found = motion_map(cart, {"pace": [0.0, 1.0], "bend": [0.0, 0.5, 1.0]}, starts=2, **options)
    names = np.array(MODES)[found["mode"].values]
    assert found["mode"].dims == ("pace", "bend", "start")
    assert (names[0] == "rest").all()
    assert (names[1, 0] == "straight").all() and (names[1, 1:] == "circle").all()
    np.testing.assert_allclose(found.radius[1, 1:], [[2.0, 2.0], [1.0, 1.0]], rtol=1e-3)
    xr.testing.assert_equal(
        found, motion_map(cart, {"pace": [0.0, 1.0], "bend": [0.0, 0.5, 1.0]}, starts=2, workers=1, **options)
    )
    ax.save(found, tmp_path / "map.h5")
    assert drawing.kinds(ax.load(tmp_path / "map.h5")) == ["motion_map"]


def test_the_drawn_map_shows_its_modes():
    options = {"t_end": 30.0, "transient": 10.0, "method": "rk4", "dt": 0.05}
    found = motion_map(cart, {"pace": [0.0, 1.0], "bend": [0.0, 0.5]}, starts=2, **options)
    figure = drawing.plot(found)
    texts = {text.get_text() for text in figure.legends[0].get_texts()}
    assert texts == {"rest", "straight", "circle"}
    mesh = figure.axes[0].collections[0].get_array()
    assert mesh.shape == (2, 4)
    plt.close(figure)
