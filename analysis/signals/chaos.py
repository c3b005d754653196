"""Signs of chaos in time series: the 0-1 test, permutation entropy, correlation dimension.

Series are arrays with time as their last axis, or DataArrays with a dimension ``time``, which come back without it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine.errors import InputError

if TYPE_CHECKING:
    import xarray as xr


def _of_series(function: Callable[..., np.ndarray]) -> Callable[..., Any]:
    """A function of arrays ``(series, time)`` also takes arrays of other shapes, and DataArrays."""

    @functools.wraps(function)
    def over_time(series: Any, *arguments: Any, **options: Any) -> Any:
        if hasattr(series, "dims"):
            if "time" not in series.dims:
                raise InputError(f"expected a dimension 'time', got {', '.join(map(str, series.dims))}")
            moved = series.transpose(..., "time")
            values = over_time(moved.values, *arguments, **options)
            return moved.isel(time=0, drop=True).copy(data=values).rename(function.__name__)
        array = np.asarray(series, dtype=float)
        if array.ndim == 0 or not np.isfinite(array).all():
            raise InputError("expected a series of finite numbers; leave out what is infinite or NaN")
        found = function(array.reshape(-1, array.shape[-1]), *arguments, **options)
        return found.reshape(array.shape[:-1])

    return over_time


@_of_series
def zero_one_test(series: np.ndarray, *, frequencies: int = 100, seed: int = 0) -> np.ndarray:
    """0-1 test for chaos: close to 0 for regular, to 1 for chaotic motion.

    (Gottwald & Melbourne, SIAM J. Appl. Dyn. Syst. 8, 129, 2009.) The series drives a motion in a plane at an
    angular frequency c; the result is the median over ``frequencies`` random c in (pi/5, 4 pi/5) of the correlation
    of its mean square displacement, without the oscillating part, with time. Flows must be sampled coarsely, about
    at the first minimum of the mutual information: oversampled, chaos looks regular.

    Parameters
    ----------
    series : array or DataArray
        At least 1000 values are advisable.
    frequencies, seed : int
        How many values of c, and the seed that they are drawn with.

    Returns
    -------
    array or DataArray
        K for each series.
    """
    length = series.shape[1]
    if length < 100:
        raise InputError(f"the 0-1 test needs at least 100 values, not {length}")
    c = np.random.default_rng(seed).uniform(np.pi / 5, 4 * np.pi / 5, frequencies)
    lags = np.arange(1, length // 10 + 1)
    phases = np.exp(1j * c[:, None] * np.arange(1, length + 1))
    oscillation = (1 - np.cos(lags * c[:, None])) / (1 - np.cos(c))[:, None]
    found = np.empty(len(series))
    for k, x in enumerate(series):
        displacement = _mean_square_displacement(np.cumsum(x * phases, axis=1), len(lags)) - x.mean() ** 2 * oscillation
        found[k] = np.median(_correlation(displacement, lags))
    return found


def _mean_square_displacement(z: np.ndarray, lags: int) -> np.ndarray:
    """Of complex paths ``(paths, time)`` at lags 1, 2, ..., from the same starts for every lag."""
    starts = z.shape[1] - lags
    size = 2 ** math.ceil(math.log2(z.shape[1] + starts))
    head = np.fft.fft(z[:, :starts], size, axis=1)
    products = np.fft.ifft(np.conj(head) * np.fft.fft(z, size, axis=1), axis=1)[:, 1 : lags + 1].real
    squares = np.concatenate([np.zeros((len(z), 1)), np.cumsum(np.abs(z) ** 2, axis=1)], axis=1)
    moved = squares[:, starts + 1 : starts + lags + 1] - squares[:, 1 : lags + 1]
    return (moved + squares[:, starts, None] - 2 * products) / starts


def _correlation(rows: np.ndarray, with_: np.ndarray) -> np.ndarray:
    rows, other = rows - rows.mean(axis=1, keepdims=True), with_ - with_.mean()
    norm = np.sqrt((rows**2).sum(axis=1) * (other**2).sum())
    return np.where(norm > 0, rows @ other / np.where(norm > 0, norm, 1.0), 0.0)


@_of_series
def permutation_entropy(series: np.ndarray, *, order: int = 3, delay: int = 1) -> np.ndarray:
    """Permutation entropy, as a fraction of its largest value, ln(order!).

    (Bandt & Pompe, Phys. Rev. Lett. 88, 174102, 2002.) Of the frequencies with which ``order`` values, ``delay``
    apart, come in each order of size; equal values are taken to grow in time. Too small by about (order! - 1) / (2
    N ln order!) for N values: N should be much larger than order!.

    Parameters
    ----------
    series : array or DataArray
    order : int
        2 to 10.
    delay : int

    Returns
    -------
    array or DataArray
        The entropy of each series: 0 for growing ones, 1 for white noise.
    """
    if not 2 <= order <= 10 or delay < 1:
        raise InputError(f"order lies from 2 to 10 and delay is at least 1, not {order} and {delay}")
    length = series.shape[1] - (order - 1) * delay
    if length < 1:
        raise InputError(f"a series of {series.shape[1]} values is too short for order {order} and delay {delay}")
    found = np.empty(len(series))
    weights = order ** np.arange(order)
    for k, x in enumerate(series):
        windows = np.lib.stride_tricks.sliding_window_view(x, (order - 1) * delay + 1)[:, ::delay]
        patterns = np.argsort(windows, axis=1, kind="stable") @ weights
        share = np.unique(patterns, return_counts=True)[1] / length
        found[k] = -(share * np.log(share)).sum() / math.log(math.factorial(order))
    return np.abs(found)


def correlation_dimension(points: Any, *, theiler: int = 0, radii: int = 24) -> xr.Dataset:
    """Correlation dimension of a set of points (Grassberger & Procaccia, Phys. Rev. Lett. 50, 346, 1983).

    The slope of the logarithm of the correlation sum, the fraction of pairs closer than r, by that of r. It is
    fitted where the sum is between 10 / points (a few neighbours each) and 1/100: look at ``slope``, which must be
    level there. The error is that of the fit; it does not know of slow drifts of the slope.

    Parameters
    ----------
    points : array (points, dimension), or array (points,) for one dimension
        In the order of time, if ``theiler`` is used.
    theiler : int
        Pairs at most this many places apart are left out (Theiler 1986), as neighbours in time are for sampled flows.
    radii : int
        How many distances.

    Returns
    -------
    xarray.Dataset
        ``dimension`` and ``standard_error``; ``correlation_sum`` and local ``slope`` over ``radius``.
    """
    import xarray as xr
    from scipy.spatial import cKDTree

    points = np.asarray(points, dtype=float)
    points = points[:, None] if points.ndim == 1 else points
    count = len(points)
    if points.ndim != 2 or count < 500 or not np.isfinite(points).all():
        raise InputError(f"expected at least 500 finite points (points, dimension), not the shape {points.shape}")
    if not 0 <= theiler < count // 2:
        raise InputError(f"theiler must lie from 0 to {count // 2 - 1}, not {theiler}")
    pairs = (count - theiler) * (count - theiler - 1) / 2
    tree = cKDTree(points)
    radius = _radii(tree, points, radii)
    close = (tree.count_neighbors(tree, radius) - count) / 2
    for lag in range(1, theiler + 1):
        distance = np.sort(np.linalg.norm(points[lag:] - points[:-lag], axis=1))
        close -= np.searchsorted(distance, radius, side="right")
    found = close / pairs
    fitted = (found > 10 / count) & (found < 0.01)
    if fitted.sum() < 4:
        raise InputError("too few pairs are close to each other; give more points, or a smaller theiler")
    x, y = np.log(radius[fitted]), np.log(found[fitted])
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        local = np.gradient(np.log(found), np.log(radius))
    return xr.Dataset(
        {
            "dimension": slope,
            "standard_error": np.sqrt(covariance[0, 0]),
            "correlation_sum": ("radius", found),
            "slope": ("radius", local),
        },
        coords={"radius": radius},
        attrs={"analysis": "correlation_dimension", "points": count, "theiler": theiler},
    )


def _radii(tree: Any, points: np.ndarray, count: int) -> np.ndarray:
    """Distances from where a point has a few neighbours on average to where one in a hundred is one."""
    some = points[:: max(1, len(points) // 500)]
    few = np.median(tree.query(some, k=8)[0][:, -1])
    across = np.linalg.norm(some[:, None] - some[None], axis=2)
    wide = np.quantile(across[across > 0], 0.02) if (across > 0).any() else 0.0
    if not 0 < few < wide:
        raise InputError("the points do not spread: most of them are the same")
    return np.geomspace(few, wide, count)
