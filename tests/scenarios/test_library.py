"""The scenarios of the library compute what their first lines promise."""

from __future__ import annotations

import numpy as np
import pytest

import attrax as ax
from attrax.scenarios import runner
from attrax.scenarios.loader import library, load


@pytest.fixture(autouse=True)
def toys(monkeypatch, tmp_path):
    """Keep the real catalogue here."""
    monkeypatch.chdir(tmp_path)


def run(name: str) -> runner.Outcome:
    done = runner.run(load(name), plots=False)
    assert [result.failure for result in done.results] == [None] * len(done.results)
    return done


def test_every_scenario_is_valid_and_titled():
    assert set(library()) >= {"logistic", "logistic_branches", "lorenz", "roessler", "stsp_ring", "wilson_cowan"}
    for name in library():
        scenario = load(name).scenario
        assert scenario.title
        assert scenario.plots


def test_lorenz_has_hysteresis():
    data = ax.load(run("lorenz").file, "orbit_diagram").z
    spread = data.max("point") - data.min("point")
    both = spread.sel(rho=slice(24.2, 24.6))
    assert float(both.sel(direction="up").max()) < 1.0
    assert float(both.sel(direction="down").min()) > 5.0
    assert float(spread.sel(rho=slice(25, 27)).min()) > 5.0
    rest = data.sel(direction="up", rho=slice(23, 24)).mean("point")
    np.testing.assert_allclose(rest, rest.rho - 1, atol=0.01)


def test_logistic_doubles_its_period():
    data = ax.load(run("logistic").file, "orbit_diagram").x.sel(direction="up")
    assert [levels(data.sel(r=r, method="nearest"), 1e-4) for r in (2.9, 3.2, 3.5, 3.55, 3.835)] == [1, 2, 4, 8, 3]
    assert levels(data.sel(r=3.9, method="nearest"), 1e-6) > 200


def test_logistic_cycles_go_on_from_their_period_doublings():
    file = run("logistic_branches").file
    branches = [ax.analysis.Branch(ax.load(file, f"cycles/{k}")) for k in (1, 2, 3, 4)]
    assert [branch.data.attrs["iterates"] for branch in branches] == [1, 2, 4, 8]
    first = [branch.special("PD")[0].parameters["r"] for branch in branches]
    np.testing.assert_allclose(first, [3, 1 + np.sqrt(6), 3.544090359551923, 3.564407266095], rtol=1e-12)


def test_wilson_and_cowan_have_four_bogdanov_takens_points():
    file = run("wilson_cowan").file
    found = set()
    for group in ("upper_folds", "lower_folds", "hopf", "hopf_from_upper_folds"):
        for point in ax.analysis.Branch(ax.load(file, group)).special("BT"):
            x, y = point.vector
            X = x * (1 - x)
            assert pytest.approx(-1, abs=1e-10) == 600 * X**2 - 120 * X
            assert y * (1 - y) == pytest.approx(1 - 5 * X, rel=1e-10)
            found.add(tuple(np.round(point.vector, 8)))
    assert len(found) == 4


def test_roessler_doubles_its_period():
    data = ax.load(run("roessler").file, "orbit_diagram").x.sel(direction="up")
    assert [levels(data.sel(c=c, method="nearest"), 0.02) for c in (2.5, 3.5, 4.0)] == [1, 2, 4]
    assert levels(data.sel(c=5.7, method="nearest"), 0.02) > 30


def levels(points, gap: float) -> int:
    """How many distinct values there are, apart by more than `gap`."""
    return 1 + int((np.diff(np.sort(points)) > gap).sum())


def test_the_ring_cycles_in_650_ms_and_freezes_at_low_gain():
    file = run("stsp_ring").file
    y = ax.load(file, "trajectory").y[:, 0]
    up = np.flatnonzero((y[:-1] < 0.5).values & (y[1:] >= 0.5).values)
    crossings = y.time.values[up] + 2.0 * ((0.5 - y[up]) / (y[up + 1].values - y[up].values)).values
    assert np.diff(crossings).mean() == pytest.approx(650, abs=10)
    diagram = ax.load(file, "orbit_diagram").y_max
    np.testing.assert_allclose(diagram.sel(a=1.0).max("point"), 0.262547, atol=1e-4)
    frozen = diagram.sel(a=slice(2, 6))
    assert float((frozen.max("point") - frozen.min("point")).max()) < 1e-3
    cycling = diagram.sel(a=slice(8, None))
    assert float(cycling.max("point").min()) > 0.9


def test_tongues_of_the_circle_map_end_where_they_should():
    found = ax.load(run("arnold_tongues").file, "winding_numbers").sel(k=0.9, method="nearest")
    locked = found["omega"].values[(found["locked_periods"] == 1).values & (found["locked_turns"] == 0).values]
    assert 0 <= 0.9 / (2 * np.pi) - locked.max() < 1 / 300
    half = found["omega"].values[(found["locked_periods"] == 2).values]
    assert 0.5 - half.min() == pytest.approx(half.max() - 0.5, abs=1e-12)
