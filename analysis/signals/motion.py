"""How a robot moves on the plane: its gait, period, speed, and how far it goes and turns in a period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine.errors import InputError
from ...engine.system import System
from ...engine.trajectory import provenance
from ...integrators.ensemble import check_system, parameter_values
from ...integrators.ensemble import zip as side_by_side
from ...integrators.parallel import Progress
from ...integrators.simulate import simulate
from ...integrators.times import positive, whole

if TYPE_CHECKING:
    import xarray as xr

MODES = ("rest", "in place", "straight", "circle", "rosette", "irregular", "lost")
"""The modes of motion, by their number in the result of :func:`modes_of_motion`."""

TOGETHER = 256
"""Members whose paths are held in memory at a time."""
RETURNED = 0.05
"""A motion repeats itself if all but this part of the decay of its correlation is restored."""
UNIFORM = 1e-6
"""Decay of the correlation below which speed and curvature count as constant."""
TURN = 2e-3
"""Least turn in a period, in radians, of a motion that is not straight; least part of its way that it gets on in it."""
RING = 0.5
"""A circle keeps at least this part of its largest distance from its centre."""


def modes_of_motion(data: xr.Dataset, position: str = "r", *, rest: float = 1e-3) -> xr.Dataset:
    """Classify paths on the plane, each by the whole of its samples.

    The velocity w = x' + i y' of a motion that repeats itself turned obeys w(t + T) = exp(i turn) w(t): the period T is
    the first lag at which its correlation is restored as fully as at any longer lag, and the turn is the angle of the
    correlation there. Body and symmetric parts of the robot may need longer to repeat than the path does.

    Parameters
    ----------
    data : Dataset
        Trajectories as :func:`attrax.simulate` returns them, equally spaced in time, after the transient; at least four
        samples in a period.
    position : str
        The state or observable whose first two components are the position.
    rest : float
        Mean speed below which the robot rests.

    Returns
    -------
    Dataset
        By member: ``mode``, a number whose names are its attribute ``names`` (``rest``; ``in place``: periodic without
        getting anywhere; ``straight``: on average; ``circle``; ``rosette``: the path returns close to the centre that
        it turns about; ``irregular``; ``lost``: the trajectory has ended before), ``speed``, ``period``, ``turn`` in a
        period in radians (to the left positive), ``step``, the distance that it gets on in a period, ``radius``, the
        mean distance from the centre about which it turns. What does not apply is NaN.

    Raises
    ------
    InputError
        If the position has less than two components or the samples are not equally spaced.

    Examples
    --------
    >>> data = ax.simulate(sphere, 320, transient=200, sample=0.05, method="rk4", dt=1e-3)   # doctest: +SKIP
    >>> float(ax.analysis.modes_of_motion(data).period)                                       # doctest: +SKIP
    1.592
    """
    import xarray as xr

    path, dt = _paths(data, position)
    members = path.dims[:-2]
    flat = path.values.reshape(-1, *path.shape[-2:])
    found = [_motion(x[:, 0] + 1j * x[:, 1], dt, rest) for x in flat]
    shape = path.shape[:-2]
    result = xr.Dataset(
        {
            name: (members, np.array([each[name] for each in found]).reshape(shape))
            for name in ("mode", "speed", "period", "turn", "step", "radius")
        },
        coords={name: data.coords[name] for name in data.coords if set(data.coords[name].dims) <= set(members)},
        attrs=dict(data.attrs),
    )
    result["mode"].attrs["names"] = ", ".join(MODES)
    return result


def motion_map(
    system: System,
    parameters: Mapping[str, Any],
    *,
    starts: int = 3,
    initial: Mapping[str, Any] | None = None,
    position: str = "r",
    t_end: float = 320.0,
    transient: float = 200.0,
    sample: float = 0.05,
    rest: float = 1e-3,
    method: str | None = None,
    dt: float | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    seed: int = 0,
    progress: Progress | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    """Modes of motion over a grid of parameters, from several random initial states at each point.

    Parameters
    ----------
    system : System
        A flow with a position on the plane and random initial values.
    parameters : dict
        Values of each scalar parameter that spans the grid.
    starts : int
        Initial states at each point of the grid, drawn anew for each with ``seed``.
    initial : dict
        Initial values by state block, at least one of them to be drawn, in place of the system's.
    position, rest
        As in :func:`modes_of_motion`.
    t_end, transient, sample : float
        Time of motion, its beginning that is passed over, and the spacing of the samples that are classified.
    method, dt, rtol, atol, seed, progress, workers
        As in :func:`attrax.simulate`; results do not depend on ``workers``.

    Returns
    -------
    Dataset
        As :func:`modes_of_motion`, with dimensions ``(*parameters, start)``.

    Raises
    ------
    InputError
        An argument is wrong.
    """
    import xarray as xr

    check_system(system)
    system = system.with_initial(**initial or {})
    axes = {name: parameter_values(system, name, values) for name, values in parameters.items()}
    if not axes:
        raise InputError("the map has no axes; name at least one parameter with its values")
    starts, seed = whole("starts", starts, 1), whole("seed", seed, 0)
    if positive("t_end", t_end) - transient < 16 * positive("sample", sample):
        raise InputError(f"from transient = {transient:g} to t_end = {t_end:g} there are less than 16 samples")
    shape = (*map(len, axes.values()), starts)
    grid = [values.ravel() for values in np.meshgrid(*axes.values(), np.arange(starts), indexing="ij")]
    states = np.array([system.pack(_drawn(system, seed, k)) for k in range(len(grid[0]))])
    found = []
    for first in range(0, len(states), TOGETHER):
        part = slice(first, first + TOGETHER)
        values = dict(zip(axes, (column[part] for column in grid[:-1]), strict=True))
        data = simulate(
            system,
            t_end,
            transient=transient,
            sample=sample,
            method=method,
            dt=dt,
            rtol=rtol,
            atol=atol,
            parameters=side_by_side(**values, **system.unpack(states[part])),
            progress=None if progress is None else lambda done, first=first: progress(_share(done, first, len(states))),
            workers=workers,
        )
        found.append(modes_of_motion(data, position, rest=rest).drop_vars(["time", "member"], errors="ignore"))
    together = xr.concat(found, "member")
    settings = {"method": data.attrs["method"], "dt": dt, "rtol": None if dt else rtol, "atol": None if dt else atol}
    return xr.Dataset(
        {
            name: ((*axes, "start"), values.values.reshape(shape), values.attrs)
            for name, values in together.data_vars.items()
        },
        coords={name: (name, values, _meaning(system, name)) for name, values in axes.items()},
        attrs=provenance(
            system,
            analysis="motion_map",
            **settings,
            t_end=t_end,
            transient=transient,
            sample=sample,
            position=position,
            rest=rest,
            seed=seed,
        ),
    )


def _drawn(system: System, seed: int, number: int) -> dict[str, np.ndarray]:
    """Initial values of the member of this number."""
    return system.draw_initial(int(np.random.SeedSequence((seed, number)).generate_state(1)[0]))


def _share(done: float, first: int, total: int) -> float:
    return (first + done * min(TOGETHER, total - first)) / total


def _meaning(system: System, name: str) -> dict[str, str]:
    parameter = system.parameters[name]
    return {"long_name": parameter.meaning, "units": parameter.unit}


def _paths(data: xr.Dataset, position: str) -> tuple[xr.DataArray, float]:
    if position not in data or data[position].dims[-2:-1] != ("time",) or data[position].shape[-1] < 2:
        raise InputError(f"position must name a block with two components or more over time, not {position!r}")
    times = np.asarray(data.time)
    spacing = np.diff(times)
    if len(times) < 16 or not np.allclose(spacing, spacing[0], rtol=1e-6):
        raise InputError("modes of motion are found from at least 16 samples that are equally spaced in time")
    return data[position], float(spacing[0])


def _motion(z: np.ndarray, dt: float, rest: float) -> dict[str, float]:
    """What is told about one path, complex positions ``dt`` apart."""
    nothing = dict.fromkeys(("speed", "period", "turn", "step", "radius"), np.nan)
    if not np.isfinite(z).all():
        return {**nothing, "mode": MODES.index("lost")}
    w = np.diff(z) / dt
    speed = float(np.abs(w).mean())
    if speed < rest:
        return {**nothing, "mode": MODES.index("rest"), "speed": speed}
    correlation = _correlation(w)
    size = np.abs(correlation)
    decay = 1 - size.min()
    if decay < UNIFORM:
        return {**nothing, "speed": speed} | _uniform(correlation, dt, speed)
    if size[len(size) // 2 :].max() < 1 - RETURNED * decay:
        return {**nothing, "mode": MODES.index("irregular"), "speed": speed}
    lag, turn = _return(correlation, size[len(size) // 2 :].max() - RETURNED * decay)
    if abs(turn) > np.pi - TURN:  # there and back
        lag, turn = 2 * lag, turn - np.copysign(np.pi, turn)
    return {**nothing, "speed": speed, "period": lag * dt, "turn": turn} | _shape(z, lag, turn, speed * lag * dt)


def _correlation(w: np.ndarray) -> np.ndarray:
    """Normalised correlation of a complex signal with itself later, at lags up to half its length."""
    n = len(w)
    spectrum = np.fft.fft(w, 2 * n)
    products = np.fft.ifft(np.abs(spectrum) ** 2)[: n // 2]
    power = np.concatenate([[0.0], np.cumsum(np.abs(w) ** 2)])
    lags = np.arange(n // 2)
    return products / np.sqrt(power[n - lags] * (power[n] - power[lags]))


def _uniform(correlation: np.ndarray, dt: float, speed: float) -> dict[str, float]:
    """The circle or straight line of a motion without any change of speed and curvature."""
    rate = float(np.angle(correlation[1])) / dt
    if abs(rate) * dt * len(correlation) < TURN:
        return {"mode": MODES.index("straight")}
    return {"mode": MODES.index("circle"), "radius": speed / abs(rate)}


def _return(correlation: np.ndarray, level: float) -> tuple[float, float]:
    """The first lag (in samples, located between them) at which the correlation peaks above ``level``; its angle."""
    size = np.abs(correlation)
    peaks = 1 + np.flatnonzero((size[1:-1] > size[:-2]) & (size[1:-1] >= size[2:]))
    first = next((k for k in peaks if size[k] > level), peaks[np.argmax(size[peaks])])
    lag = _summit(size, first)
    count = 1
    while (near := round((count + 1) * lag)) < len(size) - 2:  # the farther peaks locate the period better
        count += 1
        top = near - 1 + int(np.argmax(size[near - 1 : near + 2]))
        if 0 < top < len(size) - 1:
            lag = _summit(size, top) / count
    return lag, float(np.angle(_between(correlation, lag)))


def _summit(values: np.ndarray, k: Any) -> float:
    """Where the parabola through three values about the largest, number ``k``, has its top."""
    before, here, after = values[k - 1 : k + 2]
    bend = before - 2 * here + after
    return k + float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < 0 else float(k)


def _between(values: np.ndarray, position: float) -> complex:
    """Quadratic interpolation at a position counted in samples."""
    k = round(position)
    x = position - k
    before, here, after = values[k - 1 : k + 2]
    return here + x * (after - before) / 2 + x**2 * (before - 2 * here + after) / 2


def _shape(z: np.ndarray, lag: float, turn: float, arc: float) -> dict[str, float]:
    """Mode, step and radius of a motion that repeats itself, turned, after ``lag`` samples and a way ``arc``."""
    times = np.arange(len(z) - int(np.ceil(lag)))
    later = np.interp(times + lag, np.arange(len(z)), z)
    moved = later - z[: len(times)]
    step = float(np.abs(moved).mean())
    if abs(turn) < TURN:
        return {"mode": MODES.index("straight" if step > TURN * arc else "in place"), "step": step}
    distances = np.abs(z - np.mean(z[: len(times)] - moved / (np.exp(1j * turn) - 1)))
    mode = "circle" if distances.min() > RING * distances.max() else "rosette"
    return {"mode": MODES.index(mode), "step": step, "radius": float(distances.mean())}
