"""Sequences of activities that are written down."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import attrax as ax
from attrax.analysis import activity_sequence


def over_time(values):
    return xr.DataArray(np.asarray(values, dtype=float), {"time": 0.5 * np.arange(len(values))}, ("time",))


def test_dwell_times_and_pauses():
    labels = over_time([0, 0, 0, 0, 2, 2, 2, 2, 2, 0])
    found = activity_sequence(labels, [1, 1, 1, 0, 0, 1, 1, 1, 0, 1], kinds=4)
    np.testing.assert_array_equal(found.label, [0, 2, 0])
    np.testing.assert_allclose(found.begin, [0.0, 2.5, 4.5])
    np.testing.assert_allclose(found.dwell, [1.5, 1.5, 0.0])
    np.testing.assert_allclose(found.pause, [1.0, 0.5, np.nan])
    np.testing.assert_array_equal(found["count"], [2, 0, 1, 0])
    assert float(found.switching) == 1.0
    p = np.array([2 / 3, 1 / 3])
    assert float(found.entropy) == pytest.approx(-(p * np.log(p)).sum() / np.log(4))


def test_a_balanced_sequence_has_entropy_one_and_a_single_activity_none():
    assert float(activity_sequence(over_time([0, 1, 2, 0, 1, 2])).entropy) == pytest.approx(1.0)
    alone = activity_sequence(over_time([1, 1, 1]), [True, False, True], kinds=3)
    assert float(alone.entropy) == 0.0 and float(alone.switching) == 0.0
    assert len(alone.label) == 2


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (over_time([0.5, 1]), {}, "whole numbers over time"),
        (np.zeros(3), {}, "whole numbers over time"),
        (over_time([0, 1]), {"active": [True]}, r"active must have the shape \(2,\)"),
        (over_time([0, 3]), {"kinds": 3}, "kinds must be at least 4"),
    ],
)
def test_mistakes_are_told(labels, options, message):
    with pytest.raises(ax.errors.InputError, match=message):
        activity_sequence(labels, **options)
