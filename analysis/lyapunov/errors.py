"""Uncertainties of Lyapunov exponents, from the differences between batches of a run, and of the dimension."""

from __future__ import annotations

import numpy as np

BATCHES = 16
"""Stretches of a run from whose differences the standard errors are taken."""


def kaplan_yorke(exponents: np.ndarray, batches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kaplan-Yorke dimension of falling spectra ``(members, k)``, and its standard error from those of batches.

    ``batches`` are ``(members, batch, k)``. The dimension is the number of exponents where the sum of them all is
    not negative.
    """
    members, k = exponents.shape
    sums = np.cumsum(exponents, axis=1)
    whole = (sums >= 0).sum(axis=1)
    known = (whole < k) & np.isfinite(exponents).all(axis=1)
    rows, last = np.arange(members), np.minimum(whole, k - 1)
    next_one = np.where(known, exponents[rows, last], -1.0)
    below = np.where(whole > 0, sums[rows, np.maximum(whole - 1, 0)], 0.0)
    dimension = np.where(known, whole + below / -next_one, np.where(np.isfinite(sums[:, -1]), k, np.nan))
    # a batch moves the dimension by its gradient: 1/|next| for each exponent of the sum, below/next^2 for the next one
    partial = np.cumsum(batches, axis=2)
    in_sum = np.where((whole > 0)[:, None], partial[rows, :, np.maximum(whole - 1, 0)], 0.0)
    moved = in_sum / -next_one[:, None] + batches[rows, :, last] * (below / next_one**2)[:, None]
    return dimension, np.where(known, _error_of_mean(moved), np.where(np.isfinite(sums[:, -1]), 0.0, np.nan))


def batch_means(grown: np.ndarray, interval: np.ndarray) -> np.ndarray:
    """Mean rates ``(members, batch, k)`` of the batches of a run."""
    length = grown.shape[1] // BATCHES
    ends = np.concatenate([np.zeros_like(grown[:, :1]), grown[:, length - 1 :: length]], axis=1)
    return np.diff(ends, axis=1) / (length * interval)[:, None, None]


def standard_errors(grown: np.ndarray, interval: np.ndarray) -> np.ndarray:
    """Standard errors ``(members, k)`` of the mean rates of runs."""
    with np.errstate(invalid="ignore"):
        return _error_of_mean(batch_means(grown, interval))


def _error_of_mean(batches: np.ndarray) -> np.ndarray:
    """Standard error of the mean over axis 1."""
    return batches.std(axis=1, ddof=1) / np.sqrt(batches.shape[1])
