"""Partially predictable chaos: how far apart, and how correlated, nearby trajectories are in the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import trajectory
from ...engine.errors import InputError, NumericsError
from ...engine.system import System
from ...integrators.simulate import simulate
from ...integrators.times import positive, whole

if TYPE_CHECKING:
    import xarray as xr


def predictability(
    system: System,
    horizon: float,
    *,
    distances: Sequence[float] = (1e-6, 1e-5, 1e-4, 1e-3),
    pairs: int = 200,
    transient: float = 500.0,
    spread: float | None = None,
    window: float = 0.1,
    initial: Any = None,
    parameters: Mapping[str, Any] | None = None,
    method: str | None = None,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    seed: int = 0,
    workers: int | None = None,
) -> xr.Dataset:
    """Cross-distance scaling and cross-correlation of pairs of nearby trajectories.

    (Wernecke, Sandor & Gros, Sci. Rep. 7, 1087, 2017.) Pairs start on the attractor at small distances d, relative to
    its size, and are compared a ``horizon`` later. The mean distance then grows like d to the power of ``exponent``:
    1 in laminar flow, 0 in chaos. Their ``correlation`` tells the kinds of chaos apart: 0 if it is strong; still
    finite, often close to 1, if it is only partially predictable, as where trajectories diverge within narrow bands.

    Parameters
    ----------
    system : System
        Without noise.
    horizon : float
        Time (iterates) after which pairs are compared: many Lyapunov times.
    distances : sequence of float
        First distances, as fractions of the standard deviation of the states on the attractor; at least two.
    pairs : int
        How many at each distance.
    transient, spread : float
        Time until the attractor is reached, and the time over which starts are spread (default: the horizon).
    window : float
        Fraction of the horizon, at its end, over which distances are averaged.
    initial, parameters, method, rtol, atol, seed, workers
        As in :func:`attrax.simulate`.

    Returns
    -------
    xarray.Dataset
        ``distance`` and ``distance_error`` (of the mean over pairs) by ``start``; ``correlation`` and
        ``correlation_error``, 1 - distance^2 / 2 by ``start``; ``exponent`` with ``exponent_error``, of the straight
        line in logarithms. Distances are root mean squares in units of the standard deviation of the states.

    Raises
    ------
    InputError
        An argument is wrong.
    NumericsError
        Trajectories do not stay finite, or there is no motion.
    """
    import xarray as xr

    if system.noise is not None:
        raise InputError(f"{system.name!r} is noisy; pairs of trajectories would see different noise")
    system = system.with_parameters(**dict(parameters or {}))
    starts = np.asarray(distances, dtype=float)
    if starts.ndim != 1 or len(starts) < 2 or not (np.isfinite(starts) & (starts > 0)).all():
        raise InputError("distances are at least two positive numbers")
    count, after = whole("pairs", pairs, 2), positive("horizon", horizon)
    wide = after if spread is None else positive("spread", spread)
    part = positive("window", window)
    options: dict[str, Any] = {"method": method, "rtol": rtol, "atol": atol, "workers": workers}
    times = transient + wide * np.arange(1, count + 1) / count
    if system.kind == "map":
        times = transient + np.ceil(wide / count) * np.arange(1, count + 1)
    along = simulate(system, times[-1], sample=times, transient=transient, initial=initial, seed=seed, **options)
    points = _states(along, system)[0]
    size = np.sqrt(points.var(axis=0).sum())
    if not np.isfinite(points).all() or not size > 0:
        raise NumericsError("the trajectory does not stay finite, or rests; choose other initial values or parameters")
    generator = np.random.default_rng(seed)
    directions = generator.normal(size=points.shape)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    looks = after * (1 - part * np.linspace(1, 0, 50))
    looks = np.unique(np.round(looks)) if system.kind == "map" else looks
    clouds = np.concatenate([points, *(points + size * d * directions for d in starts)])
    run = simulate(system, looks[-1], sample=looks, initial=clouds, **options)
    states = _states(run, system).reshape(1 + len(starts), count, len(looks), -1)
    variance = states[0].var(axis=(0, 1)).sum()
    squares = ((states[1:] - states[0]) ** 2).sum(axis=-1).mean(axis=2) / variance
    if not np.isfinite(squares).all():
        raise NumericsError("trajectories beside the attractor do not stay finite; choose smaller distances")
    mean, error = squares.mean(axis=1), squares.std(axis=1, ddof=1) / np.sqrt(count)
    distance = np.sqrt(mean)
    slope, slope_error = _slope(np.log(starts), np.log(np.maximum(distance, 1e-300)), error / (2 * mean))
    attrs = trajectory.provenance(
        system, analysis="predictability", horizon=after, pairs=count, transient=transient, window=part, seed=seed
    )
    return xr.Dataset(
        {
            "distance": ("start", distance),
            "distance_error": ("start", error / (2 * distance)),
            "correlation": ("start", 1 - mean / 2),
            "correlation_error": ("start", error / 2),
            "exponent": slope,
            "exponent_error": slope_error,
        },
        coords={"start": starts},
        attrs=attrs,
    )


def _states(run: xr.Dataset, system: System) -> np.ndarray:
    """States ``(members, time, dimension)``."""
    count = run.sizes["time"]
    return np.concatenate(
        [run[name].values.reshape(-1, count, int(np.prod(shape, dtype=int))) for name, shape in system.state.items()],
        axis=2,
    )


def _slope(x: np.ndarray, y: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """Slope of a straight line, and its standard error: from the errors of the points or their scatter."""
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    rest = y - y.mean() - slope * x
    scatter = float(np.sqrt(rest @ rest / max(len(x) - 2, 1) / (x @ x)))
    return slope, max(scatter, float(np.sqrt(x**2 @ errors**2) / (x @ x)))
