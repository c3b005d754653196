"""The robots' scenarios of the library compute what their first lines promise."""

from __future__ import annotations

import time

import numpy as np
import pytest

import attrax as ax
from attrax.analysis.signals.motion import MODES, modes_of_motion
from attrax.scenarios import runner
from attrax.scenarios.loader import load


@pytest.fixture(autouse=True)
def toys(monkeypatch, tmp_path):
    """Keep the real catalogue here."""
    monkeypatch.chdir(tmp_path)


def run(name: str, *overrides: str) -> str:
    done = runner.run(load(name, overrides), plots=False)
    assert [result.failure for result in done.results] == [None] * len(done.results)
    return done.file


@pytest.mark.parametrize(("name", "mode", "period"), [("sphere_circle", "circle", 1.592), ("sphere_straight", "straight", 1.6315)])  # fmt: skip  # noqa: E501
def test_the_sphere_moves_in_its_mode(name, mode, period):
    motion = modes_of_motion(ax.load(run(name), "trajectory"))
    assert MODES[int(motion["mode"])] == mode
    assert float(motion.period) == pytest.approx(period, rel=0.01)


@pytest.mark.parametrize(("name", "end"), [("barrel_rolling", 6.001), ("barrel_rolling_slowly", 8.048)])
def test_rolling_ends(name, end):
    omega = ax.load(run(name), "orbit_diagram").omega.max("point")[0]
    assert float(omega.eps[omega > 0.5].max()) == pytest.approx(end, abs=0.11)


def test_the_car_turns_back_and_spins():
    assert float(ax.load(run("car_wall"), "trajectory").speed[-1]) < -2.0
    omega = ax.load(run("car_kick"), "trajectory").omega.values[-1]
    np.testing.assert_allclose(omega, [-97.4, 97.4], rtol=0.02)


def test_a_push_leads_the_barrel_from_one_to_three_moves_in_a_turn():
    file = run("barrel_kick_map")
    data = ax.load(file, "kick_map")
    assert (data.follows.sel(strength=slice(-1.2, 0.0)) == 0).all()
    fastest, slowest = data.omega.max("point").values, data.omega.min("point").values
    assert data.sizes["attractor"] == 10  # 1:1 and back; 3:1, back, standing, rocking, each with its mirror image
    assert np.sum(slowest > 0) == np.sum(fastest < 0) == 3
    np.testing.assert_allclose(np.sort(-slowest), np.sort(fastest), atol=0.05)
    found = ax.load(file, "smallest_kick")
    assert -1.4 < float(found.strength) < float(found.too_weak) < -1.2
    start = {name: found[name].sel(time=0.0).values[-1] for name in ax.systems.robots.barrel.state}
    later = ax.simulate(ax.systems.robots.barrel.with_initial(**start), 400.0, transient=200.0, rtol=1e-9, sample=0.02)
    assert float(later.omega.mean()) == pytest.approx(1.77, abs=0.01)


def test_the_train_begins_to_wiggle():
    bend = ax.load(run("train_wiggling"), "orbit_diagram").bend.max("point")[0]
    assert 0.24 < float(bend.k[bend > 0.01].min()) < 0.26


def test_the_arm_goes_from_object_to_object():
    data = ax.load(run("arm"), "trajectory")
    assert set(data.target.values) == {0.0, 1.0, 2.0}
    assert int(data.switch_count) > 10


def test_both_wells_oscillate_and_merge():
    x = ax.load(run("adaptive_dissipation"), "orbit_diagram").x
    below = x.sel(mu=slice(-0.24, -0.18))
    assert float(below.sel(direction="up").min()) > 0 or float(below.sel(direction="up").max()) < 0
    np.testing.assert_allclose(x.max("point").sel(mu=0.0, direction="up"), 1.937127634, atol=1e-4)


@pytest.mark.slow
def test_the_map_of_modes_in_minutes():
    begin = time.process_time()
    data = ax.load(run("sphere_modes"), "motion_map")
    assert time.process_time() - begin < 1200
    mode = data["mode"]
    names = np.array(MODES)[mode.values]
    assert set(names.ravel()) >= {"rest", "circle", "straight", "rosette", "irregular"}
    w0, z0 = np.meshgrid(data.w0, data.z0, indexing="ij")
    assert (names[w0 < 130] == "rest").all()
    assert (names[(z0 < -600) & (w0 > 200)] == "circle").mean() > 0.9
    assert (names[(z0 > -520) & (z0 < -460) & (w0 > 305)] == "straight").mean() > 0.9
    slope = np.broadcast_to((z0 / w0)[..., None], names.shape)
    strong = np.broadcast_to((w0 > 200)[..., None], names.shape)
    kinds = (["circle"], ["rosette", "irregular"], ["straight"])
    circles, band, straight = (np.median(slope[strong & np.isin(names, kind)]) for kind in kinds)
    assert circles < band < straight
    assert band == pytest.approx(-1.85, abs=0.15)
    differ = (names != names[..., :1]).any(axis=-1)
    assert differ.any()
