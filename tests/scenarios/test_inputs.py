"""Scenarios name the streams that drive a system."""

from __future__ import annotations

import numpy as np
import pytest

import attrax as ax
from attrax.engine.errors import InputError
from attrax.scenarios import runner
from attrax.scenarios.loader import load

SYSTEM = """
import attrax as ax

@ax.map(state={"y": (2,)}, inputs={"x": ax.stream.normal(shape=(2,))})
def record(t, s, p):
    return {"y": p.x}
"""
SCENARIO = "system: toy.py:record\nsimulate: {t_end: 40}\nseed: 3\n"


@pytest.fixture(autouse=True)
def toy(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.py").write_text(SYSTEM)
    return tmp_path


def loaded(folder, inputs):
    (folder / "run.yaml").write_text(SCENARIO + inputs)
    return load("run.yaml", trust=True)


@pytest.mark.parametrize(
    ("inputs", "lowest", "highest"),
    [
        ("inputs: {x: {uniform: [2, 3]}}", 2.0, 3.0),
        ("inputs: {x: {choice: [[5, 6], [7, 8]]}}", 5.0, 8.0),
        ("inputs: {x: {bimodal: [5, 6, 0]}}", 5.0, 6.0),
        ("inputs: {x: {array: [[1, 2], [3, 4]]}}", 1.0, 4.0),
        ("inputs: {x: {bernoulli: [0.5]}}", 0.0, 1.0),
    ],
)
def test_a_scenario_names_its_inputs(toy, inputs, lowest, highest):
    done = runner.run(loaded(toy, inputs), plots=False)
    y = ax.load(done.file, "trajectory").y.values[1:]
    assert y.min() >= lowest
    assert y.max() <= highest
    assert len(np.unique(y)) > 1


def test_the_seed_of_the_scenario_is_that_of_its_inputs(toy):
    done = runner.run(loaded(toy, ""), plots=False)
    again = ax.simulate(loaded(toy, "").system, 40, seed=3)
    np.testing.assert_array_equal(ax.load(done.file, "trajectory").y, again.y)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("inputs: {z: {normal: [0, 1]}}", "'z' is not an input"),
        ("inputs: {x: {normal: [0, 1], uniform: [0, 1]}}", "exactly one key"),
        ("inputs: {x: {normal: [0, -1]}}", "standard_deviation must not be negative"),
        ("inputs: {x: {choice: [1, 2, 3]}}", r"input 'x' .* has shape \(2,\), not \(\)"),
        ("inputs: {x: {hdf5: [none.h5, x]}}", "cannot read none.h5"),
    ],
)
def test_a_mistake_is_told(toy, inputs, message):
    with pytest.raises(InputError, match=message):
        loaded(toy, inputs)
