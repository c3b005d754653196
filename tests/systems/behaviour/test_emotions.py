"""Emotional stationarity: what the optimisation promises, and that it becomes stationary."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

import attrax as ax
from attrax.systems.behaviour import emotional_stationarity, emotional_stationarity_mean_field
from attrax.systems.behaviour.emotions import OUTCOMES, RESPONSES

R = np.array(RESPONSES)
CHARACTERS = [P for P, _, _ in OUTCOMES]


@pytest.mark.parametrize("P", CHARACTERS, ids=str)
def test_the_divergence_never_increases_and_ends_at_its_minimum(P):
    data = ax.simulate(emotional_stationarity_mean_field.with_parameters(P=P), 100_000, sample=100)
    assert (np.diff(data.KL) <= 1e-14).all()
    P = np.array(P)
    best = minimize(
        lambda z: P @ np.log(P / (R @ np.exp(z - np.logaddexp.reduce(z)))), np.zeros(5), tol=1e-12, method="BFGS"
    )
    assert data.KL[-1] <= best.fun + 1e-6
    assert data.f.sum("tasks").values == pytest.approx(1.0)


@pytest.mark.parametrize("P", CHARACTERS, ids=str)
def test_experience_becomes_stationary(P):
    data = ax.simulate(emotional_stationarity.with_parameters(P=P), 4_000_000, sample=100, transient=2_000_000, seed=2)
    half = len(data.time) // 2
    assert abs(data.q[:half].mean("time") - data.q[half:].mean("time")).max() < 0.005
    np.testing.assert_allclose(data.f.sum("tasks"), 1.0, rtol=1e-12)
    np.testing.assert_allclose(data.q.sum("emotions"), 1.0, rtol=1e-9)


def test_tasks_and_emotions_come_with_their_probabilities():
    frozen = emotional_stationarity.with_parameters(eta=0.0, tau=2.0)
    start = {"f": [0.5, 0.1, 0.2, 0.15, 0.05]}
    q = ax.simulate(frozen, 200_000, initial=start, seed=1).q.values
    felt = 2 * q[1:] - q[:-1]
    np.testing.assert_allclose(felt, np.rint(felt), atol=1e-12)
    np.testing.assert_allclose(felt.mean(axis=0), R @ start["f"], atol=5 * np.sqrt(0.25 / 200_000))
