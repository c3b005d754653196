"""Stochastic tipping: by chance, more rarely where the adaptation is slow, between the folds of the mean plasticity."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

import attrax as ax
from attrax.systems.neural import averaged_tipping_neuron, dwell_times, intrinsic_plasticity, tipping_neuron


def stays(eps, t_end):
    system = tipping_neuron.with_parameters(eps_a=eps, eps_b=eps)
    return dwell_times(ax.simulate(system, t_end, sample=0.5, dt=0.05, seed=4, record=["a"]).a.values, 0.5)


def test_stays_are_timed_between_tips():
    gain = np.repeat([1.5, 3.2, 2.0, 3.1, 1.0, 2.9, 1.2, 3.5], [3, 2, 4, 1, 5, 2, 1, 2])
    found = dwell_times(gain, 0.5)
    np.testing.assert_allclose(found["high"], [3.5])
    np.testing.assert_allclose(found["low"], [4.0])
    assert all(len(times) == 0 for times in dwell_times(np.full(9, 1.0), 0.5).values())


def test_the_neuron_tips_by_chance_and_not_quasi_periodically():
    """Times between tips are distributed exponentially, but for the shortest, the time of the tip itself."""
    found = stays(0.1, 4_000_000.0)
    for times in found.values():
        assert len(times) > 600
        assert times.std() / times.mean() == pytest.approx(1.0, abs=0.15)
        late = times[times > 200.0] - 200.0
        assert stats.kstest(late, "expon", args=(0.0, late.mean())).pvalue > 0.01


def test_slower_adaptation_tips_more_rarely():
    fast, slow = stays(0.1, 400_000.0), stays(0.07, 800_000.0)
    for state in ("low", "high"):
        assert slow[state].mean() > 1.3 * fast[state].mean()


def test_the_averaged_plasticity_is_the_mean_over_a_gaussian():
    z, weight = np.polynomial.hermite_e.hermegauss(200)
    for a, b in ((1.5, 2.0), (3.1, 0.5)):
        da, db = intrinsic_plasticity(z, expit(a * (z - b)), a, b, -20.0, 18.8)
        slopes = averaged_tipping_neuron.with_parameters(eps_a=1.0, eps_b=1.0).rhs({"a": a, "b": b})
        assert float(slopes["a"]) == pytest.approx(weight @ da / weight.sum(), rel=1e-6, abs=1e-8)
        assert float(slopes["b"]) == pytest.approx(weight @ db / weight.sum(), rel=1e-6, abs=1e-8)
