"""A small catalogue of its own, so that these tests do not change with the catalogue of attrax."""

from __future__ import annotations

import os

import numpy as np
import pytest

import attrax as ax
from attrax import systems
from attrax.engine.errors import InputError

os.environ.setdefault("MPLBACKEND", "Agg")


@ax.flow(
    state={"x": (), "y": ("n",)},
    parameters={
        "n": ax.parameter(2, "", "number of oscillators"),
        "rate": ax.parameter(0.5, "1/s", "decay rate of x"),
        "omega": ax.parameter(lambda p: np.arange(1.0, p.n + 1), "rad/s", "frequencies"),
    },
    initial={"x": 1.0, "y": ax.uniform(-1.0, 1.0)},
    observables={"energy": lambda t, s, p: s.x**2},
    source="closed form: x = exp(-rate t)",
    name="toys.decay",
)
def decay(t, s, p):
    """A decaying x, beside n decaying y."""
    return {"x": -p.rate * s.x, "y": -p.omega * s.y}


@ax.flow(state={"x": ()}, parameters={"power": 2.0}, initial={"x": 1.0}, name="toys.explosion")
def explosion(t, s, p):
    """x = 1 / (1 - t) for power 2."""
    return {"x": s.x**p.power}


@ax.map(state={"x": ()}, parameters={"r": 2.5}, initial={"x": 0.2}, name="toys.growth")
def growth(t, s, p):
    """The logistic map."""
    return {"x": p.r * s.x * (1 - s.x)}


@ax.flow(state={"x": (), "v": ()}, parameters={"b1": -1.0, "b2": 1.0}, initial={"x": -1.5}, name="toys.wells")
def wells(t, s, p):
    """Two wells with a tilt: folds at 27 b1^2 = 4 b2^3, a cusp at b1 = b2 = 0."""
    return {"x": s.v, "v": p.b1 + p.b2 * s.x - s.x**3 - s.v}


TOYS = {each.name: each for each in (decay, explosion, growth, wells)}


def get(name: str) -> ax.System:
    if name not in TOYS:
        raise InputError(name)
    return TOYS[name]


@pytest.fixture(autouse=True)
def toys(monkeypatch, tmp_path):
    """Replace the catalogue by the toys, and work in an empty folder."""
    monkeypatch.setattr(systems, "names", lambda: sorted(TOYS))
    monkeypatch.setattr(systems, "get", get)
    monkeypatch.chdir(tmp_path)
    return TOYS


@pytest.fixture
def scenario(tmp_path):
    """Write a scenario file and return its name."""

    def write(text: str, name: str = "s.yaml") -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return name

    return write
