"""Kicks between attractors, against nested circles whose basins are known exactly."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import drawing, kick_map, smallest_kick
from attrax.analysis.cycles.cycle import find_cycle

TURN = 2 * np.pi


@ax.flow(state={"x": (), "y": ()}, parameters={"c": 0.05, "push": 0.0, "omega": 1.0}, initial={"x": 1.0})
def rings(t, s, p):
    """Stable circles of radius 1 and 3, an unstable one of radius 2 between them."""
    q = s.x**2 + s.y**2
    growth = -p.c * (q - 1) * (q - 4) * (q - 9)
    return {"x": growth * s.x - p.omega * s.y + p.push, "y": growth * s.y + p.omega * s.x}


@ax.flow(state={"x": (), "y": ()}, parameters={"push": 0.0, "drive": 0.1}, initial={"x": 1.0})
def wells(t, s, p):
    """A driven damped particle in a double well: two small oscillations."""
    return {"x": s.y, "y": s.x - s.x**3 - 0.5 * s.y + p.drive * jnp.cos(t) + p.push}


SETTINGS = {"period": TURN, "transient": 60.0}


@pytest.fixture(scope="module")
def circles():
    return kick_map(rings, {"x": 1.0, "y": 0.0}, {"x": 1.0}, np.linspace(-4, 4, 24), phases=17, **SETTINGS)


def test_kicks_beyond_the_unstable_circle_lead_to_the_outer_one(circles):
    angle = TURN * circles["phase"].values
    radius = np.hypot(np.cos(angle)[:, None] + circles["strength"].values, np.sin(angle)[:, None])
    assert np.array_equal(circles["follows"], radius > 2)
    assert circles["area"].values == pytest.approx([(radius < 2).mean(), (radius > 2).mean()])
    assert np.hypot(circles["x"], circles["y"]).isel(attractor=1).dropna("point").values == pytest.approx(3.0, abs=1e-5)


def test_the_smallest_kick_pushes_outwards_along_the_radius():
    found = smallest_kick(rings, {"x": 1.0}, {"x": 3.0}, {"x": 1.0}, np.linspace(-4, 4, 17), phases=20, **SETTINGS)
    assert abs(found["strength"]) == pytest.approx(1.0, rel=2e-4)
    assert np.cos(TURN * found["phase"]) * np.sign(found["strength"]) == pytest.approx(1.0, abs=1e-4)
    assert abs(found["too_weak"]) < abs(found["strength"]) < abs(found["too_weak"]) * 1.001
    ends = found.isel(time=-1)
    assert np.hypot(ends["x"], ends["y"]) == pytest.approx(3.0, abs=1e-4)
    assert found["time"].values[0] == pytest.approx(-found["phase"] * TURN)


def test_a_cycle_brings_its_period():
    cycle = find_cycle(rings, {"x": 1.0, "y": 0.0})
    found = kick_map(rings, cycle, {"x": 1.0, "y": 1.0}, [0.0, 4.0], phases=5, transient=60.0)
    assert found.attrs["cycle_period"] == pytest.approx(TURN, rel=1e-9)
    assert found["follows"].values.tolist() == [[0, 1]] * 5


def test_a_short_pulse_is_as_good_as_a_push_of_the_state():
    pulse = smallest_kick(
        rings, {"x": 1.0}, {"x": 3.0}, {"push": 1e3}, np.linspace(0, 2, 5), phases=20, duration=1e-3, **SETTINGS
    )
    assert pulse["strength"] == pytest.approx(1.0, rel=2e-3)


def test_pulses_on_a_driven_system_count_from_the_phase_of_its_drive():
    at_rest = ax.simulate(wells, 40 * TURN, sample="end", initial={"x": 1.0})
    start = {name: float(at_rest[name][-1]) for name in ("x", "y")}
    mapped = kick_map(
        wells, start, {"push": 1.0}, np.linspace(-2, 2, 9), phases=[0.0, 0.5], duration=0.7, period=TURN, transient=120
    )
    assert set(np.unique(mapped["follows"])) == {0, 1}
    for i, phase in enumerate(mapped["phase"].values):
        for j, strength in enumerate(mapped["strength"].values):
            t = phase * TURN
            before = ax.simulate(wells, t, sample="end", initial=start) if t else None
            y = start if before is None else {k: float(before[k][-1]) for k in start}
            pulse = ax.simulate(wells, t + 0.7, t_start=t, sample="end", initial=y, parameters={"push": strength})
            y = {k: float(pulse[k][-1]) for k in start}
            after = ax.simulate(wells, t + 0.7 + 300, t_start=t + 0.7, sample="end", initial=y)
            assert mapped["follows"][i, j] == (after["x"][-1] < 0)


@ax.flow(state={"x": (), "y": (), "way": (2,)}, parameters={"c": 0.05}, initial={"x": 1.0})
def travelling(t, s, p):
    """The rings, carried away at an ever changing velocity."""
    q = s.x**2 + s.y**2
    growth = -p.c * (q - 1) * (q - 4) * (q - 9)
    return {"x": growth * s.x - s.y, "y": growth * s.y + s.x, "way": jnp.stack([1.0 + s.x, 0.1 * s.y])}


def test_what_travels_is_told_apart_by_what_does_not(circles):
    strengths = circles["strength"].values
    told = {"blocks": ["x", "y"], "phases": 17, **SETTINGS}
    moving = kick_map(travelling, {"x": 1.0}, {"x": 1.0}, strengths, **told)
    assert np.array_equal(moving["follows"], circles["follows"])
    found = ax.analysis.find_attractors(
        travelling, {"x": ax.uniform(-4, 4), "y": ax.uniform(-4, 4)}, number=100, transient=60.0, blocks=["x", "y"]
    )
    assert found.sizes["attractor"] == 2
    least = smallest_kick(travelling, {"x": 1.0}, {"x": 3.0, "way": 7.0}, {"x": 1.0}, strengths, **told)
    assert abs(least["strength"]) == pytest.approx(1.0, rel=1e-2)


def test_the_map_is_drawn(circles):
    figure = ax.plot(circles)
    assert drawing.kinds(circles) == ["kick_map"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["back to the same", "attractor 1"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"direction": {"z": 1.0}}, "'z'"),
        ({"direction": {}}, "direction must be"),
        ({"direction": {"x": 1.0, "push": 1.0}, "duration": 1.0}, "either the ones or the others"),
        ({"direction": {"push": 1.0}}, "duration"),
        ({"duration": 1.0}, "leave it out"),
        ({"phases": [0.5, 1.5]}, "from 0 to below 1"),
        ({"phases": 0}, "phases"),
        ({"period": -1.0}, "period"),
        ({"period": None}, "the cycle itself"),
        ({"strengths": []}, "strengths"),
        ({"start": {"q": 1.0}}, "'q'"),
        ({"start": {"x": [1.0, 2.0, 3.0]}}, "'x'"),
        ({"blocks": ["q"]}, "blocks names 'q'"),
        ({"blocks": []}, "blocks must be a list"),
        ({"blocks": "x"}, "blocks must be a list"),
    ],
)
def test_wrong_arguments_are_named(changed, said):
    given = {"start": {"x": 1.0}, "direction": {"x": 1.0}, "strengths": [1.0], **SETTINGS} | changed
    with pytest.raises(ax.errors.InputError, match=said):
        kick_map(rings, given.pop("start"), given.pop("direction"), given.pop("strengths"), **given)


def test_a_target_on_the_same_attractor_is_refused():
    with pytest.raises(ax.errors.InputError, match="the attractor that start is on"):
        smallest_kick(rings, {"x": 1.0}, {"x": 0.5}, {"x": 1.0}, [1.0], phases=3, **SETTINGS)


def test_kicks_that_are_all_too_weak_are_said_to_be():
    with pytest.raises(ax.errors.InputError, match="no kick of strength"):
        smallest_kick(rings, {"x": 1.0}, {"x": 3.0}, {"x": 1.0}, [0.1, 0.2], phases=3, **SETTINGS)
