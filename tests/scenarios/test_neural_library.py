"""The scenarios of neural systems and of behaviour compute what their first lines promise."""

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


def run(name: str, *changes: str, plots: bool = False) -> runner.Outcome:
    done = runner.run(load(name, overrides=changes) if changes else load(name), plots=plots)
    assert [result.failure for result in done.results] == [None] * len(done.results)
    return done


def special(file, group: str, kind: str, parameter: str) -> list[float]:
    branch = ax.analysis.Branch(ax.load(file, group))
    return sorted(point.parameters[parameter] for point in branch.special(kind))


@pytest.mark.parametrize(
    ("name", "kind", "currents"),
    [
        ("fitzhugh_nagumo", "H", [0.331281337455, 1.418718662545]),
        ("hodgkin_huxley", "H", [9.7796, 154.527]),
        ("morris_lecar", "LP", [-9.949, 39.963]),
    ],
)
def test_neurons_have_their_bifurcations_and_fire_between_them(name, kind, currents):
    file = run(name).file
    np.testing.assert_allclose(special(file, "continue_fixed_points", kind, "I"), currents, rtol=2e-4)
    diagram = ax.load(file, "orbit_diagram")
    block = next(iter(diagram.data_vars))
    top = diagram[block].max("point").sel(direction="up")
    between = top.sel(I=slice(currents[-1] - 1, currents[-1])) if kind == "LP" else top.sel(I=slice(*currents))
    if kind == "H":
        assert float(between.isel(I=slice(2, -4)).min()) > float(top[0])


def test_two_folds_meet_in_a_cusp():
    file = run("quadratic_integrate_and_fire").file
    np.testing.assert_allclose(special(file, "continue_fixed_points", "LP", "eta"), [-5.7435272, -3.1361341], rtol=1e-7)
    assert special(file, "continue_bifurcation", "CP", "J") == pytest.approx([7.796217037], rel=1e-6)


def test_order_of_oscillators():
    r = ax.load(run("kuramoto").file, "trajectory").r.sel(time=slice(30, 60)).mean("time")
    np.testing.assert_allclose(r.sel(K=[1.5, 2.0, 4.0]), np.sqrt(1 - 1 / np.array([1.5, 2.0, 4.0])), atol=0.06)


def test_the_comparator_learns():
    curve = ax.load(run("comparator_sizes").file, "discrimination")
    assert float(curve.auc[0]) < 0.7
    assert float(curve.accuracy[20:].min()) > 0.95


def test_a_bar_is_learned():
    assert float(ax.load(run("hebbian_bars").file, "trajectory").bar_alignment[-100:].mean()) == pytest.approx(
        0.92, abs=0.02
    )


def test_learning_is_fast_and_unlearning_slow():
    alignment = ax.load(run("hebbian_unlearning").file, "trajectory").alignment
    assert float(alignment.sel(time=10_000)[0]) > 0.9
    later = alignment.time.values[(alignment[:, 1] > 0.9).values & (alignment.time.values > 10_000)]
    assert later[0] > 50_000


def test_emotions_suit_the_character():
    data = ax.load(run("emotional_stationarity").file, "trajectory").sel(time=slice(40_000, None))
    np.testing.assert_allclose(data.q.mean("time"), [0.2524, 0.6357, 0.1119], atol=0.02)


def test_latching_visits_patterns_and_stress_silences():
    overlaps = ax.load(run("latching").file, "trajectory").O
    assert int((overlaps.max("time") > 0.8).sum()) >= 5
    data = ax.load(run("latching_stress").file, "trajectory")
    speed = np.abs(np.gradient(data.y.values, data.time.values, axis=0)).mean(axis=1)
    assert np.mean(speed < 0.01) > 0.3


def test_a_thousand_neurons_burst():
    change = ax.load(run("polyhomeostatic_network").file, "trajectory").change
    laminar = float((change < 0.02).mean())
    assert 0.35 < laminar < 0.65
    assert float(change.max()) > 0.2


def test_cliques_win_in_turn():
    y = ax.load(run("stsp_cliques").file, "trajectory").y
    winning = (y.mean("s_c") > 0.7).values
    assert winning.any(axis=0).all()
    assert (winning.sum(axis=1) == 1).mean() > 0.9


@pytest.mark.parametrize("name", ["hopfield", "modern_hopfield", "three_sites", "polyhomeostasis", "hebbian_principal"])
def test_the_others_run(name):
    assert run(name, plots=False).file.exists()


def test_a_neuron_tips_between_the_attractors_of_its_averaged_plasticity():
    gain = ax.load(run("tipping").file, "trajectory").a
    assert 0.1 < float((gain < 2.4).mean()) < 0.9
    folds = special(run("tipping_attractors").file, "continue_fixed_points", "LP", "lambda2")
    np.testing.assert_allclose(folds, [18.711052, 19.421759], rtol=1e-6)


def test_a_random_network_activates_groups_in_turn():
    y = ax.load(run("stsp_random").file, "trajectory").y.values
    assert 15 <= (y > 0.7).any(axis=0).sum() <= 25
    assert 3 < (y > 0.7).sum(axis=1).mean() < 10


def test_the_gain_passes_a_change_of_second_order():
    found = ax.load(run("self_coupled_neuron_pitchfork").file, "metadynamics")
    assert found.label.values.tolist() == ["BP"]
    assert found.order.values.tolist() == [2]
    assert float(found.a_change[0]) == pytest.approx(4.0, abs=1e-6)
    x = found.x_fixed.where(found.unstable == 0).values
    late = found.a.values > 4
    width = (np.nanmax(x, axis=0) - np.nanmin(x, axis=0))[late] / 2
    near = found.a.values[late] < 4.05
    np.testing.assert_allclose(width[near], np.sqrt(3 * (found.a.values[late][near] - 4)) / 4, rtol=0.02)


@pytest.mark.slow
def test_stored_patterns_are_transiently_stable():
    found = ax.load(run("latching_adiabatic").file, "metadynamics")
    visited = found.visited.values.astype(bool)
    assert set(found.label.values[visited]) == {"LP"}
    assert set(found.order.values[visited]) == {1}
    assert visited.sum() == 9
    assert (found.jump.values[visited] > 2).all()
    assert 1 <= found.attractors.min() <= found.attractors.max() <= 4


def test_negative_excess_kurtosis_is_seen():
    w = ax.load(run("hebbian_kurtosis").file, "trajectory").w
    assert float(w[0, 0]) < float(w[0, 1])
    np.testing.assert_allclose(w[-1], [2.3994 / np.sqrt(1.8), 0.0], atol=1e-3)
