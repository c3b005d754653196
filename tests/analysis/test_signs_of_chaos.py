"""Alignment indices, partially predictable chaos, sample entropy, spectra: against closed forms and publications."""

from __future__ import annotations

from math import erf

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import (
    alignment_index,
    cross_correlation,
    lyapunov_spectrum,
    power_spectrum,
    predictability,
    sample_entropy,
)
from attrax.engine.errors import InputError

LORENZ = ax.systems.chaos.lorenz


@ax.map(state={"x": (), "y": ()}, parameters={"K": 0.0}, initial={"x": 1.0, "y": 0.3})
def standard_map(t, s, p):
    y = s.y + p.K * jnp.sin(s.x)
    return {"x": s.x + y, "y": y}


@ax.flow(state={"q": (2,), "p": (2,)}, initial={"q": [0.0, 0.1], "p": [0.49, 0.0]})
def henon_heiles(t, s, p):
    x, y = s.q
    return {"q": s.p, "p": jnp.stack([-x - 2 * x * y, -y - x**2 + y**2])}


def test_alignment_in_a_shear():
    """Vectors (a + n b, b) of the integrable map align exactly as |det| / (|v| |w|), in the end like 1 / n^2."""
    found = alignment_index(standard_map, 200, points=200, seed=3)
    v = np.linalg.qr(np.random.default_rng(3).normal(size=(2, 2)))[0].T
    n = found.time.values
    moved = [np.stack([u[0] + n * u[1], np.full_like(n, u[1])]) for u in v]
    expected = abs(np.linalg.det(v)) / np.prod([np.linalg.norm(u, axis=0) for u in moved], axis=0)
    np.testing.assert_allclose(found.gali, expected, rtol=1e-8)
    cosine = np.abs((moved[0] * moved[1]).sum(axis=0)) / np.prod([np.linalg.norm(u, axis=0) for u in moved], axis=0)
    np.testing.assert_allclose(found.sali[:20], np.sqrt(2 - 2 * cosine[:20]), rtol=1e-6)


def test_alignment_is_exponential_in_chaos():
    """For an area-preserving map the rate is l1 - l2 = 2 l1; at large K, l1 is about ln(K / 2)."""
    starts = {"x": np.random.default_rng(0).uniform(0, 6, 200), "y": np.zeros(200) + 0.1}
    found = alignment_index(standard_map, 10, points=10, parameters={"K": 20.0}, initial=starts)
    rate = -np.polyfit(found.time[1:6], np.log(found.gali[:, 1:6]).mean("member"), 1)[0]  # above rounding
    assert rate == pytest.approx(2 * np.log(20 / 2), rel=0.1)


def test_alignment_tells_regular_from_chaotic_flow():
    """Henon & Heiles 1964: E = 1/8 has islands of regular motion in a chaotic sea."""
    regular, chaotic = [0.0, 0.3], [0.0, -0.2]

    def momentum(y):
        return np.sqrt(2 * (1 / 8) - y[1] ** 2 + 2 * y[1] ** 3 / 3)

    start = {"q": np.array([regular, chaotic]), "p": np.array([[momentum(y), 0.0] for y in (regular, chaotic)])}
    found = alignment_index(henon_heiles, 1500.0, initial=start, points=150)
    exponents = lyapunov_spectrum(henon_heiles, 1, t_total=5000.0, initial=start).exponents.values[:, 0]
    assert exponents[0] < 0.003 and exponents[1] > 0.02
    assert found.gali[0, -50:].min() > 0.05
    assert found.gali[1, -50:].max() < 1e-8
    assert (found.status == 0).all()


@pytest.mark.parametrize(("rho", "kind"), [(181.10, "laminar"), (180.78, "partially predictable"), (180.70, "strong")])
def test_three_kinds_of_motion(rho, kind):
    """The Lorenz system is laminar, partially predictable and strongly chaotic at these (Wernecke et al. 2017)."""
    found = predictability(LORENZ, 400.0, parameters={"rho": rho}, distances=[1e-6, 1e-5, 1e-4], pairs=100)
    exponent, correlation = float(found.exponent), float(found.correlation[0])
    if kind == "laminar":
        assert exponent == pytest.approx(1.0, abs=0.05)
        assert correlation == pytest.approx(1.0, abs=1e-6)
    else:
        assert abs(exponent) < 0.1
        if kind == "strong":
            assert abs(correlation) < 4 * float(found.correlation_error[0]) + 0.02
        else:
            assert 0.9 < correlation < 0.999


def test_predictability_of_maps():
    found = predictability(ax.systems.maps.logistic, 200, pairs=400, parameters={"r": 3.9})
    assert abs(float(found.exponent)) < 4 * float(found.exponent_error)
    assert (np.abs(found.correlation) < 4 * found.correlation_error).all()
    assert (np.abs(found.distance - np.sqrt(2)) < 4 * found.distance_error).all()


def test_sample_entropy():
    noise = np.random.default_rng(1).normal(size=6000)
    for tolerance in (0.2, 0.5):
        found = sample_entropy(noise, tolerance=tolerance)
        assert abs(float(found.entropy) + np.log(erf(tolerance / 2))) < 4 * float(found.standard_error)
    assert float(sample_entropy(np.tile([0.0, 1.0, 3.0], 300)).entropy) == pytest.approx(0.0, abs=0.01)
    # chaos with one exponent ln 2 and no noise: the entropy of the logistic map, for fine tolerances
    x = ax.simulate(ax.systems.maps.logistic, 20_000, transient=100).x
    assert float(sample_entropy(x, tolerance=0.01, length=4).entropy) == pytest.approx(np.log(2), abs=0.05)
    with pytest.raises(InputError, match="constant"):
        sample_entropy(np.ones(500))


def test_power_spectrum():
    """An AR(1) process has the density 1 / |1 - a exp(-2 pi i f)|^2, twice that on one side; a sine its half square."""
    generator = np.random.default_rng(2)
    a, x = 0.7, np.zeros(200_000)
    for k, kick in enumerate(generator.normal(size=len(x) - 1)):
        x[k + 1] = a * x[k] + kick
    found = power_spectrum(x, segments=400)
    inner = slice(3, -3)
    expected = 2 / np.abs(1 - a * np.exp(-2j * np.pi * found.frequency.values)) ** 2
    deviation = ((found.power.values - expected) / found.standard_error.values)[inner]
    assert np.abs(deviation).max() < 4.5 and deviation.std() == pytest.approx(1.0, abs=0.2)
    assert float(found.power.integrate("frequency")) == pytest.approx(x.var(), rel=0.01)
    run = ax.simulate(
        ax.flow(state={"q": (), "v": ()}, initial={"q": 2.0})(lambda t, s, p: {"q": s.v, "v": -s.q}),
        2000.0,
        sample=0.25,
    )
    sine = power_spectrum(run.q)
    assert float(sine.frequency[sine.power.values.argmax()]) == pytest.approx(1 / (2 * np.pi), abs=0.005)
    assert float(sine.power.integrate("frequency")) == pytest.approx(2.0, rel=0.01)


def test_cross_correlation():
    generator = np.random.default_rng(3)
    x = generator.normal(size=20_000)
    later = np.roll(x, 5) + generator.normal(size=len(x))
    found = cross_correlation(x, later, lags=20, spacing=0.1)
    assert float(found.lag[found.correlation.values.argmax()]) == pytest.approx(0.5)
    assert float(found.correlation.max()) == pytest.approx(1 / np.sqrt(2), abs=0.02)
    others = found.correlation.where(np.abs(found.lag - 0.5) > 0.05, drop=True) / found.standard_error
    assert float(np.abs(others).max()) < 4
    own = cross_correlation(np.cumsum(x)[:1000], lags=50)
    assert float(own.correlation.sel(lag=0)) == pytest.approx(1.0)
    with pytest.raises(InputError, match="at most half"):
        cross_correlation(x, x[:-1])
