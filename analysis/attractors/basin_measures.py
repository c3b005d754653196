"""How intricate the boundaries between basins are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine.errors import InputError

if TYPE_CHECKING:
    import xarray as xr


def basin_entropy(basins: Any, box: int = 5) -> xr.Dataset:
    """Basin entropy of a grid of basins (Daza et al., Sci. Rep. 6, 31416, 2016).

    The grid is covered with boxes of ``box`` points a side; the entropy of a box is that of the fractions of the
    basins in it. Points left over at the upper ends are not used. States that reach no attractor (-1) count as a
    basin.

    Parameters
    ----------
    basins : Dataset or array
        The result of :func:`attrax.analysis.basins` on a grid, or numbers of basins on a grid of any dimension.
    box : int
        Points along a side of a box.

    Returns
    -------
    xarray.Dataset
        ``entropy``, the mean over all boxes, and ``boundary_entropy``, over those with more than one basin (in
        nats; NaN without such); above ln 2 the boundary is fractal. ``entropy_error`` and
        ``boundary_entropy_error``: standard errors of the means.
    """
    import xarray as xr

    grid = _grid(basins)
    if isinstance(box, bool) or not isinstance(box, (int, np.integer)) or not 2 <= box <= min(grid.shape):
        raise InputError(f"box must be a whole number from 2 to {min(grid.shape)}, not {box!r:.40}")
    counts = [size // box for size in grid.shape]
    cut = grid[tuple(slice(0, count * box) for count in counts)]
    split = cut.reshape([part for count in counts for part in (count, box)])
    boxes = split.transpose([*range(0, 2 * grid.ndim, 2), *range(1, 2 * grid.ndim, 2)]).reshape(-1, box**grid.ndim)
    entropy, several = np.zeros(len(boxes)), np.zeros(len(boxes), dtype=int)
    for basin in np.unique(grid):
        share = (boxes == basin).mean(axis=1)
        entropy -= share * np.log(np.where(share > 0, share, 1.0))
        several += share > 0
    boundary = entropy[several > 1]
    return xr.Dataset(
        {
            "entropy": entropy.mean(),
            "entropy_error": _error(entropy),
            "boundary_entropy": boundary.mean() if len(boundary) else np.nan,
            "boundary_entropy_error": _error(boundary),
        },
        attrs={"analysis": "basin_entropy", "box": box},
    )


def uncertainty_exponent(basins: Any) -> xr.Dataset:
    """Uncertainty exponent of basins on a grid (McDonald, Grebogi, Ott & Yorke, Physica D 17, 125, 1985).

    A point is uncertain at distance d if the points d away from it along an axis are not all in its basin; the
    fraction of such points falls as d to the power alpha, and the boundary has dimension D - alpha in D dimensions.
    Distances grow in powers of two from one spacing of the grid to a 32nd of its shortest side.

    Parameters
    ----------
    basins : Dataset or array
        As in :func:`basin_entropy`.

    Returns
    -------
    xarray.Dataset
        ``uncertain`` ``(distance)``, ``exponent`` and ``boundary_dimension`` with the ``standard_error`` of the
        straight line that is fitted to their logarithms; distances in spacings of the grid.

    Raises
    ------
    InputError
        The grid is too small, or there is no boundary.
    """
    import xarray as xr

    grid = _grid(basins)
    distances = 2 ** np.arange(int(np.log2(max(min(grid.shape) / 32, 1))) + 1)
    if len(distances) < 3:
        raise InputError(f"the grid needs at least 128 points along each axis, not the shape {grid.shape}")
    uncertain = np.array([_uncertain(grid, int(distance), int(distances[-1])) for distance in distances])
    if not uncertain.all():
        raise InputError("there is no boundary: all points of the grid are in one basin")
    exponent, error = _slope(np.log(distances), np.log(uncertain))
    return xr.Dataset(
        {
            "uncertain": ("distance", uncertain),
            "exponent": exponent,
            "boundary_dimension": grid.ndim - exponent,
            "standard_error": error,
        },
        coords={"distance": distances},
        attrs={"analysis": "uncertainty_exponent"},
    )


def _grid(basins: Any) -> np.ndarray:
    grid = np.asarray(basins["basin"] if hasattr(basins, "data_vars") else basins)
    if grid.ndim == 0 or grid.dtype.kind not in "iu":
        raise InputError("expected the numbers of basins on a grid, as basins(system, grid(...)) gives them")
    return grid


def _uncertain(grid: np.ndarray, distance: int, margin: int) -> float:
    """Fraction of the points inside of a margin that are uncertain."""
    inside = tuple(slice(margin, size - margin) for size in grid.shape)
    centre = grid[inside]
    uncertain = np.zeros(centre.shape, dtype=bool)
    for axis, size in enumerate(grid.shape):
        for shift in (-distance, distance):
            moved = list(inside)
            moved[axis] = slice(margin + shift, size - margin + shift)
            uncertain |= grid[tuple(moved)] != centre
    return float(uncertain.mean())


def _slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope of a straight line through points, and its standard error from their scatter."""
    x = x - x.mean()
    slope = (x @ y) / (x @ x)
    rest = y - y.mean() - slope * x
    return float(slope), float(np.sqrt(rest @ rest / (len(x) - 2) / (x @ x)))


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan
