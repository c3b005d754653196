"""Entrainment: where driven oscillators turn in step with their drive (Arnold tongues)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import trajectory
from ...engine.errors import InputError
from ...engine.evaluation import evaluate
from ...engine.expressions import Formula
from ...engine.layout import Layout, Variable
from ...engine.system import System
from ...integrators.ensemble import Ensemble, Members, members
from ...integrators.parallel import Progress
from ...integrators.simulate import simulate
from ...integrators.times import positive, whole
from ..sections.sections import poincare_section

if TYPE_CHECKING:
    import xarray as xr

TOLERANCE = 1e-5
"""Fraction of a period of the drive by which the turns of a locked oscillator may be out of step."""


def winding_numbers(
    system: System,
    parameters: Ensemble,
    *,
    turn: str | float,
    period: str | float | None = None,
    turns: int = 200,
    transient: float | None = None,
    longest: int = 20,
    initial: Any = None,
    method: str | None = None,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    seed: int = 0,
    progress: Progress | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    """Winding numbers of a driven oscillator, and where it is locked to its drive.

    The winding number is the mean number of turns in a period of the drive. It is averaged with weights that fall
    smoothly to zero at both ends, which for quasiperiodic motion converges faster than any power of the number of turns
    (Das, Saiki, Sander & Yorke, Nonlinearity 30, 4111, 2017). The motion is locked, p turns to q periods, if the time
    of p turns is q periods at all times, to 1e-5 of a period.

    Parameters
    ----------
    system : System
        A flow with a periodic drive, or a map of the circle.
    parameters : grid(...) or zip(...)
        Values of one or more parameters, usually ``attrax.grid`` of the frequency and the strength of the drive.
    turn : str or float
        Flows: the section that is crossed once a turn, such as ``"max x"`` or ``"y > 0"``. Maps: how much the first
        state, an angle that is not taken modulo a turn, grows by in a turn (1 or 2 pi).
    period : float or str
        Period of the drive of a flow, a number or a formula of parameters such as ``"2*pi/omega"``. A map is iterated
        once a period.
    turns : int
        Turns to average over (maps: iterations).
    transient : float
        Time (maps: iterations) before that; default 100 of the longest periods.
    longest : int
        Most turns p (maps: iterations q) after which a locked motion is recognised.
    initial, method, rtol, atol, seed, progress, workers
        As in :func:`attrax.analysis.poincare_section`.

    Returns
    -------
    xarray.Dataset
        ``winding`` ``(member...)``, turns per period, NaN where there were none; ``locked_turns`` p and
        ``locked_periods`` q, 0 where the motion is not locked.

    Raises
    ------
    InputError
        An argument is wrong.
    """
    if not isinstance(parameters, Ensemble):
        raise InputError("parameters must be grid(...) or zip(...) of the values to go through")
    whole("turns", turns, 20)
    whole("longest", longest, 1)
    ensemble = members(system, parameters, initial, whole("seed", seed, 0))
    drive = _periods(ensemble, period)
    before = 100.0 * float(np.max(drive)) if transient is None else transient
    shared = {"initial": initial, "parameters": parameters, "seed": seed, "progress": progress, "workers": workers}
    if system.kind == "map":
        times = round(before) + np.arange(turns + 1.0)
        run = simulate(system, times[-1], sample=times, **shared)
        angles = np.asarray(run[next(iter(system.state))]).reshape(len(drive), -1) / positive("turn", turn)
        winding = _averages(np.diff(angles, axis=1))
        locked_periods, locked_turns = _in_step(angles, longest)
    else:
        run = poincare_section(
            system,
            _section(turn),
            points=turns + 1,
            transient=before,
            t_max=1e3 * turns * float(np.max(drive)),
            method=method,
            rtol=rtol,
            atol=atol,
            **shared,
        )
        passed = np.asarray(run["t_cross"]).reshape(len(drive), -1) / drive[:, None]
        winding = 1.0 / _averages(np.diff(passed, axis=1))
        locked_turns, locked_periods = _in_step(passed, longest)

    dims = tuple(run["status"].dims)
    told = {"turn": turn, "period": period, "turns": turns, "transient": before, "longest": longest, "seed": seed}
    variables = {
        "winding": Variable(dims, float, {"long_name": "turns in a period of the drive"}),
        "locked_turns": Variable(dims, np.int64, {"long_name": "turns until locked motion recurs; 0: not locked"}),
        "locked_periods": Variable(dims, np.int64, {"long_name": "periods until locked motion recurs; 0: not locked"}),
    }
    layout = trajectory.layout(
        ensemble.system,
        time=0,
        members=ensemble.dims,
        member_coords=ensemble.coords,
        attrs=trajectory.provenance(ensemble.system, analysis="winding_numbers", **told),
    )
    shape = tuple(ensemble.dims.values())
    arrays = {"winding": winding, "locked_turns": locked_turns, "locked_periods": locked_periods}
    coords = {name: v for name, v in layout.coords.items() if name != "time"}
    sizes = {dim: size for dim, size in layout.sizes.items() if dim in dims}
    return trajectory.dataset(
        Layout(sizes, coords, variables, layout.attrs), {name: v.reshape(shape) for name, v in arrays.items()}
    )


def _section(turn: Any) -> str:
    if not isinstance(turn, str):
        raise InputError(f"turn is a section that the flow crosses once a turn, such as 'max x', not {turn!r:.40}")
    return turn


def _periods(ensemble: Members, period: Any) -> np.ndarray:
    """Period of the drive of each member."""
    if ensemble.system.kind == "map":
        if period is not None:
            raise InputError(
                f"{ensemble.system.name!r} is a map, iterated once a period of its drive; leave out period"
            )
        return np.ones(len(ensemble.y))
    if period is None:
        raise InputError("give the period of the drive, a number or a formula of parameters such as '2*pi/omega'")
    if not isinstance(period, str):
        return np.full(len(ensemble.y), positive("period", period))
    program = ensemble.system.expression(Formula(period, ensemble.system))
    values = evaluate(program, t=np.zeros((1, len(ensemble.y))), y=ensemble.y.T, p=ensemble.p.T)["value"]
    if values.shape[0] != 1 or not (values > 0).all():
        raise InputError(f"period {period!r} must be one positive number for each member")
    return values[0]


def _averages(steps: np.ndarray) -> np.ndarray:
    """Weighted averages over the last axis; NaN where a value is missing."""
    place = (np.arange(steps.shape[-1]) + 0.5) / steps.shape[-1]
    weights = np.exp(-1.0 / (place * (1.0 - place)))
    return steps @ (weights / weights.sum())


def _in_step(values: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """The smallest lag over which values grow by the same whole number everywhere, and that number; 0 without such."""
    lags, growths = np.zeros(len(values), dtype=np.int64), np.zeros(len(values), dtype=np.int64)
    with np.errstate(invalid="ignore"):
        for lag in range(longest, 0, -1):
            steps = values[:, lag:] - values[:, :-lag]
            growth = np.rint(steps[:, :1])
            locked = (np.abs(steps - growth) < TOLERANCE).all(axis=1)
            lags[locked], growths[locked] = lag, growth[locked, 0]
    return lags, growths
