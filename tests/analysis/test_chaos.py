"""Signs of chaos and of synchrony on series whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

import attrax as ax
from attrax.analysis import (
    correlation_dimension,
    kuramoto_order_parameter,
    permutation_entropy,
    synchronisation_error,
    zero_one_test,
)
from attrax.engine.errors import InputError

LOGISTIC, HENON, LORENZ = ax.systems.maps.logistic, ax.systems.maps.henon, ax.systems.chaos.lorenz


def test_zero_one_test():
    """Gottwald & Melbourne 2009, Fig. 1: the logistic map at r = 3.55 and 3.97."""
    run = ax.simulate(LOGISTIC, 4000, parameters={"r": [3.55, 3.6785735, 3.97]}, transient=1000)
    found = zero_one_test(run.x)
    assert found.dims == ("r",)
    assert float(found[0]) == pytest.approx(0.0, abs=0.02) and float(found[2]) == pytest.approx(1.0, abs=0.02)
    torus = np.sin(np.arange(3000) * 1.234) + np.cos(np.arange(3000) * np.sqrt(2))
    assert zero_one_test(torus) == pytest.approx(0.0, abs=0.05)
    assert zero_one_test(np.random.default_rng(0).normal(size=3000)) == pytest.approx(1.0, abs=0.02)
    with pytest.raises(InputError, match="at least 100"):
        zero_one_test(np.arange(10.0))


def test_permutation_entropy():
    """Bandt & Pompe 2002: for (4, 7, 9, 10, 6, 11, 3), order 2: 0.918, order 3: 1.522 bits."""
    x = [4, 7, 9, 10, 6, 11, 3]
    assert permutation_entropy(x, order=2) == pytest.approx(0.9183, abs=1e-4)
    assert permutation_entropy(x, order=3) * np.log2(6) == pytest.approx(1.5219, abs=1e-4)
    assert permutation_entropy(np.arange(20.0)) == 0.0
    noise = np.random.default_rng(0).normal(size=100_000)
    assert permutation_entropy(noise, order=4) == pytest.approx(1.0, abs=3e-4)
    assert permutation_entropy(np.repeat(noise[:1000], 2)[None], order=3, delay=2).shape == (1,)


def test_correlation_dimension():
    """Henon: 1.22 +- 0.03 (Sprott & Rowlands 2001: 1.220); Lorenz 2.05 +- 0.03; a line 1, a square 2."""
    run = ax.simulate(HENON, 20_000, transient=100)
    found = correlation_dimension(np.stack([run.x, run.y], axis=1))
    assert float(found.dimension) == pytest.approx(1.22, abs=0.04)
    run = ax.simulate(LORENZ, 1500, transient=100, sample=0.1)
    found = correlation_dimension(np.stack([run.x, run.y, run.z], axis=1), theiler=20)
    assert float(found.dimension) == pytest.approx(2.05, abs=0.04)
    line = np.linspace(0, 1, 5000)
    assert float(correlation_dimension(np.stack([line, 2 * line], axis=1)).dimension) == pytest.approx(1.0, abs=0.02)
    square = np.random.default_rng(0).uniform(size=(10_000, 2))
    assert float(correlation_dimension(square).dimension) == pytest.approx(2.0, abs=0.05)
    with pytest.raises(InputError, match="do not spread"):
        correlation_dimension(np.zeros((1000, 2)))


def test_synchrony():
    angles = 2 * np.pi * np.arange(7) / 7
    assert kuramoto_order_parameter(angles) == pytest.approx(0.0, abs=1e-15)
    assert kuramoto_order_parameter(np.full((3, 5), 1.7)) == pytest.approx([1.0, 1.0, 1.0])
    assert synchronisation_error([[1.0, -1.0], [2.0, 2.0]]).tolist() == [1.0, 0.0]
    run = ax.simulate(HENON, 50, parameters={"b": [0.1, 0.2, 0.3]})
    assert synchronisation_error(run.x, "b").dims == ("time",)
    np.testing.assert_allclose(synchronisation_error(run.x, "b"), np.std(run.x.values, axis=0))
    with pytest.raises(InputError, match="no dimension 'unit'"):
        synchronisation_error(run.x, "unit")
