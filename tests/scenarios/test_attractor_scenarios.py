"""The scenarios of attractors compute what their first lines promise."""

from __future__ import annotations

import numpy as np
import pytest

import attrax as ax
from attrax.scenarios import runner
from attrax.scenarios.loader import load


@pytest.fixture(autouse=True)
def toys(monkeypatch, tmp_path):
    """Keep the real catalogue here."""
    monkeypatch.chdir(tmp_path)


def run(name: str, *settings: str) -> runner.Outcome:
    done = runner.run(load(name, list(settings)), plots=False)
    assert [result.failure for result in done.results] == [None] * len(done.results)
    return done


def test_one_neuron_jumps_at_folds():
    file = run("self_coupled_neuron").file
    found = ax.load(file, "metadynamics")
    y = 1 / (1 + np.exp(-found.a_change * (found.x_change - found.b_change)))
    assert abs(found.a_change * y * (1 - y) - 1).max() < 1e-8
    assert set(found.order.values) == {1} and int(found.visited.sum()) == 4
    plane = ax.load(file, "landscape").attractors
    assert plane.sel(a=slice(None, 3.99)).max() == 1
    assert plane.sel(a=6.0, b=0.5, method="nearest") == 2


def test_three_sites_pursue_their_targets():
    """Mean distance over two periods of 106: 0.570 by independent computation."""
    found = ax.load(run("target_points").file, "metadynamics")
    assert float(found.distance.mean()) == pytest.approx(0.570, rel=0.01)


def test_periods_of_the_henon_map():
    file = run("henon_periods").file
    period = ax.load(file, "isoperiodic_diagram").period
    a, b = period.a, period.b
    doubled, again = 3 * (1 - b) ** 2 / 4, (1 - b) ** 2 + (1 + b) ** 2 / 4
    inside = (a < doubled - 0.01) & (a < 1.3)
    assert (period.where(inside, 1) == 1).all()
    inside = (a > doubled + 0.01) & (a < again - 0.01) & (a < 1.3)
    assert (period.where(inside, 2) == 2).all()
    exponents = ax.load(file, "lyapunov_diagram").exponents
    assert float(exponents.sel(a=1.4, b=0.3, method="nearest").max()) == pytest.approx(0.419, abs=0.03)


def test_attractors_of_three_sites_vanish_in_folds():
    """There the Jacobian of the fast subsystem, w_ij a_j y_j (1 - y_j) - delta_ij, is singular."""
    found = ax.load(run("three_sites").file, "metadynamics")
    assert set(found.label.values) == {"LP"} and int(found.visited.sum()) > 4
    w = np.array([[0.0, 1.0, -1.0], [1.0, 0.0, 1.0], [-1.0, 1.0, 0.0]])
    for change in range(found.sizes["change"]):
        x, a, b = (found[f"{name}_change"].values[change] for name in ("x", "a", "b"))
        y = 1 / (1 + np.exp(-a * (x - b)))
        np.testing.assert_allclose(w @ y, x, atol=1e-9)
        assert abs(np.linalg.det(w * (a * y * (1 - y)) - np.eye(3))) < 1e-7
