"""Power spectra and cross-correlations of series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine.errors import InputError
from ...integrators.times import positive, whole

if TYPE_CHECKING:
    import xarray as xr


def power_spectrum(series: Any, spacing: float | None = None, *, segments: int = 16) -> xr.Dataset:
    """Power spectral density of a series, by Welch's method with Hann windows (SciPy), with standard errors.

    Its integral over frequencies is the variance. The error is that of the mean over the segments, half
    overlapping.

    Parameters
    ----------
    series : array (time,), or DataArray with a dimension ``time``
    spacing : float
        Time between two values (DataArrays: that of their times, by default).
    segments : int
        Into how many the series is cut: more make errors smaller and frequencies coarser.

    Returns
    -------
    xarray.Dataset
        ``power`` and ``standard_error`` over ``frequency`` (cycles per unit of time).
    """
    import xarray as xr
    from scipy import signal

    values, step = _series(series, spacing)
    count = whole("segments", segments, 2)
    size = len(values) // count
    if size < 8:
        raise InputError(f"{len(values)} values are too few for {count} segments; ask for fewer")
    frequency, _, each = signal.spectrogram(
        values - values.mean(), 1 / step, "hann", nperseg=size, noverlap=size // 2, detrend=False
    )
    # with Hann windows, halves that overlap have a correlation of 1/36 (Welch 1967)
    independent = each.shape[1] / (1 + 2 / 36)
    return xr.Dataset(
        {
            "power": ("frequency", each.mean(axis=1)),
            "standard_error": ("frequency", each.std(axis=1, ddof=1) / np.sqrt(independent)),
        },
        coords={"frequency": frequency},
        attrs={"analysis": "power_spectrum", "segments": count, "spacing": step},
    )


def cross_correlation(one: Any, other: Any = None, spacing: float | None = None, *, lags: int = 100) -> xr.Dataset:
    """Correlation of two series at several lags, with Bartlett's standard errors; of one with itself by default.

    Parameters
    ----------
    one, other : arrays (time,), or DataArrays with a dimension ``time``
    spacing : float
        Time between two values (DataArrays: that of their times, by default).
    lags : int
        Largest lag, in values.

    Returns
    -------
    xarray.Dataset
        ``correlation`` over ``lag``, in time, positive where ``other`` comes later; ``standard_error``: what series of
        these autocorrelations would show by chance if they were independent.
    """
    import xarray as xr
    from scipy import signal

    first, step = _series(one, spacing)
    second = first if other is None else _series(other, spacing)[0]
    most = whole("lags", lags, 1)
    if len(first) != len(second) or most >= len(first) // 2:
        raise InputError(f"series of {len(first)} and {len(second)} values, lags up to {most}: at most half the length")
    first, second = (_standardised(each) for each in (first, second))
    n = len(first)

    def at_lags(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        full = signal.correlate(b, a, method="fft")[n - 1 - most : n + most]
        return full / n

    product = at_lags(first, first) * at_lags(second, second)
    places = np.arange(-most, most + 1)
    return xr.Dataset(
        {
            "correlation": ("lag", at_lags(first, second)),
            "standard_error": np.sqrt(max(product.sum(), 1.0) / n),
        },
        coords={"lag": places * step},
        attrs={"analysis": "cross_correlation", "spacing": step},
    )


def _standardised(values: np.ndarray) -> np.ndarray:
    spread = values.std()
    if not spread > 0:
        raise InputError("a series is constant; its correlations are not defined")
    return (values - values.mean()) / spread


def _series(given: Any, spacing: float | None) -> tuple[np.ndarray, float]:
    """Values and the time between them."""
    values = np.asarray(given, dtype=float)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise InputError(f"expected one series of finite numbers, not an array of shape {values.shape}")
    if spacing is not None:
        return values, positive("spacing", spacing)
    if not hasattr(given, "dims") or "time" not in given.coords:
        return values, 1.0
    steps = np.diff(np.asarray(given["time"], dtype=float))
    if not len(steps) or np.ptp(steps) > 1e-6 * abs(steps).max():
        raise InputError("the times are not equally spaced; sample the trajectory at equal steps")
    return values, float(steps.mean())
