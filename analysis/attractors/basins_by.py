"""Basins by other means: attractors that are known, and clusters of features of the motion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine.errors import InputError, Interrupted
from ...engine.system import System
from ...integrators.ensemble import Ensemble
from ...integrators.parallel import Progress
from ...integrators.times import number as checked
from ...integrators.times import positive, whole
from .attractors import SAMPLES, Attractors, motion
from .basins import TRANSIENT, Search, starting_states

if TYPE_CHECKING:
    import xarray as xr

CLUSTERED = 1000
"""Most members whose features are clustered; the others join the nearest one."""

Features = Callable[[np.ndarray], np.ndarray]


def basins_by_proximity(
    system: System,
    initial: Mapping[str, Any] | Ensemble | np.ndarray,
    attractors: xr.Dataset,
    distance: float,
    *,
    number: int = 10_000,
    transient: float | None = None,
    t_max: float | None = None,
    period: float | None = None,
    parameters: Mapping[str, Any] | None = None,
    method: str | None = None,
    dt: float | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    seed: int = 0,
    progress: Progress | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    """Basins of attractors that are known: a state belongs to the one that it comes within a distance of.

    Parameters
    ----------
    attractors : Dataset
        The state blocks ``(attractor, point, block axes)``, as :func:`find_attractors` gives them.
    distance : float
        In each component; less than between any two attractors.
    system, initial, number, transient, t_max, period, parameters, method, dt, rtol, atol, seed, progress, workers
        As in :func:`basins`.

    Returns
    -------
    xarray.Dataset
        As :func:`basins`; ``period`` is not known and 0.
    """
    system = system.with_parameters(**dict(parameters or {}))
    starts = starting_states(system, initial, number, seed)
    passing = TRANSIENT[system.kind] if transient is None else transient
    options = {"method": method, "dt": dt, "rtol": rtol, "atol": atol, "workers": workers}
    how = motion(system, passing, period, **options)
    longest = 8 * how.transient if t_max is None else checked("t_max", t_max)
    if missing := [name for name in system.state if name not in attractors]:
        raise InputError(f"attractors have no state block {missing[0]!r}; give the result of find_attractors")
    flat = np.concatenate([attractors[k].values.reshape(*attractors[k].shape[:2], -1) for k in system.state], axis=2)
    points = [each[np.isfinite(each).all(axis=1)] for each in flat]
    search = _Near(how, starts, 0.01, seed)
    size = positive("distance", distance)
    search.attractors = Attractors(np.full(system.dimension, size), points, [0] * len(points))
    settings = {"transient": how.transient, "t_max": longest, "distance": size, "method": method, "seed": seed}
    try:
        search.run(longest, progress)
    except (KeyboardInterrupt, Interrupted):
        raise Interrupted("interrupted", search.result(settings)) from None
    return search.result(settings)


class _Near(Search):
    """A search that learns nothing."""

    def scout(self, y: np.ndarray, t: float) -> None:
        pass


def basins_by_features(
    system: System,
    initial: Mapping[str, Any] | Ensemble | np.ndarray,
    features: Features | None = None,
    *,
    gap: float | None = None,
    smallest: float = 0.005,
    number: int = 1000,
    transient: float | None = None,
    period: float | None = None,
    parameters: Mapping[str, Any] | None = None,
    method: str | None = None,
    dt: float | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    seed: int = 0,
    workers: int | None = None,
) -> xr.Dataset:
    """Basins by clusters of features of the motion after a transient (Stender & Hoffmann, Nonlinear Dyn. 107, 2022).

    Features, scaled to their ranges, are clustered by single linkage (SciPy): members nearer to each other than a gap
    are in one cluster. This tells apart what differs in its statistics, symmetric partners by their means for instance,
    and works where attractors have too many dimensions to be covered by cells.

    Parameters
    ----------
    features : function
        Takes states ``(members, time, dimension)`` of a window of 200, gives ``(members, features)``. Default: mean and
        standard deviation of each component.
    gap : float
        Smallest distance between clusters, as a fraction of the range of the features. Default: in the middle of
        the widest gap between the distances of linkage, if one is wider than 0.05; else all are one cluster.
    smallest : float
        Clusters with a smaller share of the members are given up as lost.
    system, initial, number, transient, period, parameters, method, dt, rtol, atol, seed, workers
        As in :func:`basins`.

    Returns
    -------
    xarray.Dataset
        As :func:`basins`; the states of an attractor are those of a window of one member, ``period`` is 0.
    """
    system = system.with_parameters(**dict(parameters or {}))
    starts = starting_states(system, initial, whole("number", number, 1), seed)
    passing = TRANSIENT[system.kind] if transient is None else transient
    options = {"method": method, "dt": dt, "rtol": rtol, "atol": atol, "workers": workers}
    how = motion(system, passing, period, **options)
    ahead = how.advance(starts.y, 0.0, how.transient)
    alive = np.flatnonzero(np.isfinite(ahead).all(axis=1))
    search = _Near(how, starts, 0.01, seed)
    settings = {"transient": how.transient, "gap": gap, "smallest": smallest, "method": method, "seed": seed}
    if not len(alive):
        return search.result(settings)
    seen = how.observe(ahead[alive], how.transient)
    whole_ones = np.isfinite(seen).all(axis=(1, 2))
    alive, seen = alive[whole_ones], seen[whole_ones]
    found = np.asarray((features or _moments)(seen), dtype=float)
    if found.ndim != 2 or len(found) != len(seen) or not np.isfinite(found).all():
        raise InputError(f"features must be finite numbers (members, features), not of the shape {found.shape}")
    labels = _clusters(found, gap, np.random.default_rng(seed))
    kept = [k for k in np.unique(labels) if (labels == k).mean() >= smallest]
    search.attractors = Attractors(np.ones(system.dimension))
    for name, k in enumerate(kept):
        search.labels[alive[labels == k]] = name
        search.attractors.points.append(seen[np.flatnonzero(labels == k)[0]][:SAMPLES])
        search.attractors.periods.append(0)
    return search.result(settings)


def _moments(states: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of each component."""
    return np.concatenate([states.mean(axis=1), states.std(axis=1)], axis=1)


def _clusters(features: np.ndarray, gap: float | None, generator: np.random.Generator) -> np.ndarray:
    """Number of the cluster of each member."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial import cKDTree

    extent = np.ptp(features, axis=0)
    extent = np.where(extent > 1e-6 * np.abs(features).max(axis=0), extent, np.inf)
    scaled = (features - features.min(axis=0)) / extent
    some = np.arange(len(scaled))
    if len(some) > CLUSTERED:
        some = np.sort(generator.choice(some, CLUSTERED, replace=False))
    if len(some) < 2:
        return np.zeros(len(scaled), dtype=int)
    links = linkage(scaled[some], "single")
    wide = _widest(links[:, 2]) if gap is None else positive("gap", gap)
    own = fcluster(links, wide, "distance")
    return own[cKDTree(scaled[some]).query(scaled)[1]]


def _widest(distances: np.ndarray) -> float:
    """The middle of the widest gap between distances of linkage, zero included; beyond all if it is not wide."""
    steps = np.concatenate([[0.0], np.sort(distances)])
    wide = np.diff(steps)
    k = int(np.argmax(wide))
    return float((steps[k] + steps[k + 1]) / 2) if wide[k] > 0.05 else float(steps[-1] + 1.0)
