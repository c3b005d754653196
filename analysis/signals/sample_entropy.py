"""Sample entropy: how unpredictable a short series is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine.errors import InputError
from ...integrators.times import positive, whole

if TYPE_CHECKING:
    import xarray as xr

BLOCKS = 8
"""Parts of the series whose entropies give the standard error."""


def sample_entropy(series: Any, *, length: int = 2, tolerance: float = 0.2) -> xr.Dataset:
    """Sample entropy of a series (Richman & Moorman, Am. J. Physiol. 278, H2039, 2000).

    Minus the logarithm of the probability that two stretches of ``length`` values that agree within the tolerance agree
    in the next value too. 0 for periodic series; for Gaussian white noise -ln erf(tolerance / 2), whatever the length.

    Parameters
    ----------
    series : array (time,) or DataArray
    length : int
        Of the stretches, m.
    tolerance : float
        As a fraction of the standard deviation of the series.

    Returns
    -------
    xarray.Dataset
        ``entropy``; ``standard_error``, from 8 parts of the series (NaN where one has no matches); ``matches``, how
        many pairs of longer stretches agreed: below 100 the entropy is a guess.

    Raises
    ------
    InputError
        The series is too short, constant, or has no two stretches that agree.
    """
    import xarray as xr

    values = np.asarray(series, dtype=float)
    m, wide = whole("length", length, 1), positive("tolerance", tolerance)
    if values.ndim != 1 or len(values) < 10 * BLOCKS or not np.isfinite(values).all():
        raise InputError(f"expected a series of at least {10 * BLOCKS} finite numbers, not the shape {values.shape}")
    spread = values.std()
    if not spread > 0:
        raise InputError("the series is constant; its sample entropy is not defined")
    near = wide * spread
    longer, shorter = _matches(values, m, near)
    if not longer:
        raise InputError("no two stretches agree; give more values or a larger tolerance")
    parts = [_matches(part, m, near) for part in np.array_split(values, BLOCKS)]
    found = np.array([-np.log(a / b) if a else np.nan for a, b in parts])
    return xr.Dataset(
        {
            "entropy": -np.log(longer / shorter),
            "standard_error": found.std(ddof=1) / np.sqrt(BLOCKS),
            "matches": longer,
        },
        attrs={"analysis": "sample_entropy", "length": m, "tolerance": wide, "values": len(values)},
    )


def _matches(values: np.ndarray, m: int, near: float) -> tuple[int, int]:
    """Pairs of stretches of m + 1 and of m values that agree, among the same starts."""
    from scipy.spatial import cKDTree

    stretches = np.lib.stride_tricks.sliding_window_view(values, m + 1)
    trees = cKDTree(stretches), cKDTree(stretches[:, :m])
    longer, shorter = (int(tree.count_neighbors(tree, near, p=np.inf) - len(stretches)) // 2 for tree in trees)
    return longer, shorter
