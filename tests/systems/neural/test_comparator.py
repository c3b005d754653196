"""The self-organised comparator discriminates pairs that it has never seen; discrimination is measured as it should."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import attrax as ax
from attrax.analysis.signals.discrimination import _measures
from attrax.engine.errors import InputError
from attrax.systems.neural import comparator, comparator_network

TEST = {"score": "difference", "truth": "same", "test": {"eta": 0.0, "p_same": 0.5}}


def trained(N, M=None, *, iterations, networks=4, links=(0.8, 0.3), probes=4000, **parameters):
    """Discrimination of some networks, by member and time."""
    nets = [comparator_network(N, M, links=links, seed=k) for k in range(networks)]
    arrays = {
        name: np.stack([net[part][name] for net in nets])
        for part in ("parameters", "initial")
        for name in nets[0][part]
        if np.ndim(nets[0][part][name])
    }
    sizes = {name: value for name, value in nets[0]["parameters"].items() if name not in arrays}
    system = comparator.with_parameters(**sizes).with_parameters(**parameters)
    return ax.analysis.discrimination(system, iterations, parameters=ax.zip(**arrays), probes=probes, **TEST)


def test_it_learns_within_ten_thousand_pairs():
    accuracy = trained(5, iterations=[0, 3000, 30_000], networks=8).accuracy.median("member").values
    assert accuracy[0] < 0.55
    assert 0.5 < accuracy[1] < 0.75
    assert accuracy[2] > 0.93


@pytest.mark.parametrize(
    ("parameters", "least"),
    [({}, 0.90), ({"code": 2}, 0.90), ({"code": 1}, 0.90)],
    ids=["the same code", "opposite signs", "a linear code"],
)
def test_inputs_in_another_code_are_compared(parameters, least):
    assert trained(15, iterations=[150_000], **parameters).accuracy.median() >= least


def test_inputs_of_different_sizes_are_compared():
    assert trained(10, 30, iterations=[150_000], code=1).accuracy.median() >= 0.96


def test_a_slower_rate_discriminates_better():
    """0.93 with eta = 0.003 becomes 0.98."""
    assert trained(15, iterations=[600_000], networks=2, eta=0.001).accuracy.min() >= 0.96


def test_sparse_links_are_essential():
    full = trained(15, iterations=[150_000], networks=2, links=(1.0, 1.0)).accuracy
    sparse = trained(15, iterations=[150_000], networks=2).accuracy
    assert full.max() <= 0.85
    assert sparse.min() > full.max()


def test_the_output_grows_with_the_difference():
    """The second input is the first one plus noise: graded similarity."""
    state = ax.simulate(comparator, 200_000, sample="end", seed=2)
    y = np.random.default_rng(0).uniform(-1, 1, (4000, 5))
    noise = np.random.default_rng(1).normal(size=y.shape)
    w_y, w_z, w_out = (state[name].values[0] for name in ("w_y", "w_z", "w_out"))
    means = []
    for sigma in (0.0, 0.05, 0.1, 0.2, 0.4, 0.8):
        middle = np.tanh(2.7 * (y @ w_y.T + (y + sigma * noise) @ w_z.T))
        means.append(np.abs(np.tanh(2.7 * middle @ w_out.T)).max(axis=1).mean())
    assert (np.diff(means) > 0).all()
    assert means[-1] - means[0] > 0.4


def test_the_weights_of_both_inputs_come_to_cancel():
    """In the middle layer alone, with all links: minor component analysis."""
    net = comparator_network(10, links=(1.0, 0.3))
    system = comparator.with_parameters(**net["parameters"], alpha=1.0).with_initial(**net["initial"])
    data = ax.simulate(system, 30_000, sample=10_000, seed=4)
    left = np.linalg.norm(data.w_y.values + data.w_z.values, axis=2).mean(axis=1)
    assert left[0] > 1.0
    assert left[1] < 0.3 * left[0]
    assert left[2:].max() < 0.12


def test_measures_of_discrimination_are_those_of_statistics():
    generator = np.random.default_rng(0)
    true = generator.random(500) < 0.3
    scores = np.where(true, generator.normal(0.0, 1.0, 500), generator.normal(1.0, 1.0, 500))
    accuracy, threshold, auc, score_true, score_false = _measures(scores, true)
    u = stats.mannwhitneyu(scores[~true], scores[true]).statistic
    assert auc == pytest.approx(u / (true.sum() * (~true).sum()))
    right = 0.5 * ((scores < threshold)[true].mean() + (scores >= threshold)[~true].mean())
    assert accuracy == pytest.approx(right)
    levels = np.sort(scores)[:, None]
    best = 0.5 * ((scores < levels)[:, true].mean(axis=1) + (scores >= levels)[:, ~true].mean(axis=1)).max()
    assert accuracy == pytest.approx(best)
    assert (score_true, score_false) == (scores[true].mean(), scores[~true].mean())
    assert np.isnan(_measures(scores, np.ones(500, bool))).all()


def test_mistakes_are_told():
    with pytest.raises(InputError, match="needs a map that is driven by input streams"):
        ax.analysis.discrimination(ax.systems.maps.henon, [1], **TEST)
    with pytest.raises(InputError, match="truth 'sane' is no scalar observable .*did you mean 'same'"):
        ax.analysis.discrimination(comparator, [1], score="difference", truth="sane", test={})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "iterations", "code", "least"),
    [((400, 400), 30_000, 0, 0.94), ((400, 200), 40_000, 1, 0.90)],
    ids=["400 inputs twice", "400 inputs and 200 combinations of them"],
)
def test_large_networks_compare_objects_never_seen(sizes, iterations, code, least):
    found = trained(*sizes, iterations=[0, iterations], networks=1, probes=1000, alpha=1.0, eta=0.001, code=code)
    accuracy = found.accuracy.values[0]
    assert accuracy[0] < 0.6
    assert accuracy[1] > least
