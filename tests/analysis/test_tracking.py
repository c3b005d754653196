"""Attractors over a parameter, where folds and pitchforks are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

import attrax as ax
from attrax.analysis import track_attractors
from attrax.engine.errors import InputError, Interrupted


@ax.flow(state={"x": ()}, parameters={"r": 1.0, "h": 0.0})
def cubic(t, s, p):
    return {"x": p.h + p.r * s.x - s.x**3}


def roots(r, h):
    found = np.roots([-1.0, 0.0, r, h])
    return np.sort(found[np.abs(found.imag) < 1e-9].real)


def test_two_folds():
    """The lower state exists up to h = 2 / (3 sqrt 3), the upper one from minus that; the middle root parts them."""
    h = np.linspace(-0.6, 0.6, 25)
    found = track_attractors(cubic, "h", h, {"x": ax.uniform(-2.0, 2.0)}, number=400, transient=50)
    assert found.sizes["attractor"] == 2
    fold = 2 / (3 * np.sqrt(3))
    lower, upper = found.isel(attractor=0), found.isel(attractor=1)
    np.testing.assert_array_equal(np.isfinite(lower.fraction), h < fold)
    np.testing.assert_array_equal(np.isfinite(upper.fraction), h > -fold)
    for k, value in enumerate(h):
        states = roots(1.0, value)
        if value < fold:
            assert lower.x[k, 0].item() == pytest.approx(states[0], abs=1e-3)
        if value > -fold:
            assert upper.x[k, 0].item() == pytest.approx(states[-1], abs=1e-3)
        if len(states) == 3:
            assert lower.fraction[k].item() == pytest.approx((states[1] + 2) / 4, abs=4 * 0.025)
    np.testing.assert_array_equal(found.lost, 0.0)


def test_pitchfork():
    """The symmetric state goes over into one of the two that are born at r = 0; the other is new."""
    found = track_attractors(cubic, "r", np.linspace(-1.05, 0.95, 21), {"x": ax.uniform(-1.5, 1.5)}, transient=200)
    assert found.sizes["attractor"] == 2
    there = np.isfinite(found.fraction.values)
    assert there[:, 0].all() and there[:, 1].sum() == 10
    np.testing.assert_allclose(np.abs(found.x[-1, :, 0]), np.sqrt(0.95), atol=1e-3)


def test_period_doubling_keeps_its_number():
    found = track_attractors(
        ax.systems.maps.logistic, "r", np.linspace(2.8, 3.56, 39), {"x": ax.uniform(0.01, 0.99)}, number=50
    )
    assert found.sizes["attractor"] == 1
    assert found.period.values[[0, 20, -5, -1], 0].tolist() == [1, 2, 4, 8]


def test_interrupted_and_wrong_arguments():
    def stop(fraction):
        if fraction > 0.4:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        track_attractors(cubic, "h", [0.0, 0.1, 0.2, 0.3], {"x": [-1.0, 1.0]}, transient=50, progress=stop)
    assert np.isfinite(caught.value.partial.fraction).all(axis=1).values.tolist() == [True, True, False, False]
    with pytest.raises(InputError, match="no scalar parameter 'g'"):
        track_attractors(cubic, "g", [0.0], {"x": [-1.0, 1.0]})
