"""Numbers read off matrices and recorded trajectories, for the known values of the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from scipy.interpolate import CubicSpline


def leading_eigenvalue(matrix: Any) -> complex:
    """The eigenvalue with the largest real part; of a complex pair the one above the real axis."""
    eigenvalues = np.linalg.eigvals(matrix)
    return max(eigenvalues, key=lambda v: (round(v.real, 12), v.imag))


def crossings(series: Any, level: float = 0.0) -> np.ndarray:
    """Times at which a recorded ``series`` (dimension ``time``) rises through ``level``."""
    spline = _spline(series)
    times = spline.solve(level, extrapolate=False)
    return times[spline(times, 1) > 0]


def period(series: Any, level: float = 0.0) -> float:
    """Mean time between the rises of ``series`` through ``level``."""
    return float(np.diff(crossings(series, level)).mean())


def maxima(series: Any) -> np.ndarray:
    """The local maxima of ``series``."""
    spline = _spline(series)
    times = spline.derivative().roots(extrapolate=False)
    return spline(times[spline(times, 2) < 0])


def _spline(series: Any) -> CubicSpline:
    from scipy.interpolate import CubicSpline

    return CubicSpline(np.asarray(series.time), np.asarray(series))
