"""Limit cycles in scenarios."""

from __future__ import annotations

import pytest

import attrax as ax
from attrax.analysis import Cycle, CycleBranch, find_cycle
from attrax.engine.errors import InputError
from attrax.scenarios.loader import load
from attrax.scenarios.runner import run

TEXT = """
system: chaos.roessler
parameters: {a: 0.2, b: 0.2, c: 2.5}
analysis:
  - find_cycle: {}
  - continue_cycles: {label: single, parameter: c, bounds: [2, 3.5]}
  - continue_cycles: {label: double, from: {group: single, point: PD1}, parameter: c, bounds: [2, 3.5]}
  - continue_bifurcation: {from: {group: single, point: PD1}, bounds: {c: [2.5, 3.2], a: [0.18, 0.22]}, max_step: 0.1}
plots: [branches, cycle]
"""


@pytest.fixture(autouse=True)
def toys(monkeypatch, tmp_path):
    """Keep the real catalogue here."""
    monkeypatch.chdir(tmp_path)


def test_cycles_are_found_followed_and_drawn(tmp_path):
    (tmp_path / "cycles.yaml").write_text(TEXT)
    done = run(load("cycles.yaml"))
    assert [result.failure for result in done.results] == [None] * 4
    cycle = Cycle(ax.load("cycles.h5", "find_cycle"))
    system = ax.systems.chaos.roessler.with_parameters(a=0.2, b=0.2, c=2.5)
    assert cycle.period == pytest.approx(find_cycle(system).period, rel=1e-11)
    double = CycleBranch(ax.load("cycles.h5", "double"))
    assert double.parameters == ["c"]
    assert CycleBranch(ax.load("cycles.h5", "continue_bifurcation")).parameters == ["c", "a"]


def test_a_map_needs_a_number_of_iterates(tmp_path):
    text = "system: maps.logistic\nanalysis:\n  - find_cycle: {}\n"
    (tmp_path / "wrong.yaml").write_text(text)
    with pytest.raises(InputError, match="is a map; give the number of iterates"):
        load(tmp_path / "wrong.yaml")


def test_the_cycles_of_lorenz_in_the_library():
    done = run(load("lorenz_cycles"), plots=False)
    branch = CycleBranch(ax.load(done.file, "cycles"))
    assert branch.data.rho.values[-1] == pytest.approx(13.926557, abs=1e-5)
    assert "homoclinic" in branch.endings[1]
