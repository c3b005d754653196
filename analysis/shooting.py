"""Periodic solutions by multiple shooting: pieces of trajectories, with their variational equations, joined by Newton.

The pieces are integrated together, one in each lane, to a tolerance of 1e-13. They may pass through events with
resets: displacements cross them by the saltation matrix. So the cycles of hybrid systems (impacts, spikes) are found.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.errors import InputError, NumericsError
from ..engine.evaluation import evaluate
from ..engine.layout import Layout, Variable
from ..engine.system import System
from ..engine.trajectory import dataset, provenance
from ..integrators.fields import DONE
from ..integrators.groups import AdaptiveGroup, adaptive
from ..integrators.tableaux import TABLEAUX
from .cycles import Cycle, unstable
from .floquet import Multipliers
from .tangent import LARGEST, Tangent

Vector = np.ndarray
Matrix = np.ndarray

PIECES = 16
SAMPLES = 400
"""Samples along a cycle."""
TOLERANCE = 1e-13


def shoot(system: System, y: Vector, T: float, *, drive: Any = None, **attrs: Any) -> Cycle:
    """The cycle near the trajectory of a state over a time close to its period.

    Parameters
    ----------
    system : System
        A flow, possibly with events.
    y : ndarray
        A flat state close to the cycle.
    T : float
        The period, or of autonomous systems a guess.
    drive : float or str
        Of driven systems the period as it was given.

    Raises
    ------
    NumericsError
        Newton's method does not converge.
    InputError
        The system is too large for its variational equations to be written out.
    """
    n = system.dimension
    tangent = Tangent(system, n)
    if tangent.operations > LARGEST:
        raise InputError(f"system {system.name!r} is too large for shooting; use method='collocation'")
    driven = drive is not None
    starts = _pieces(system, y, T)
    unit = _velocity(system, starts[:1], np.zeros(1))[0]
    reference = starts[0].copy()
    residuals: list[float] = []
    size = np.maximum(np.ptp(starts, axis=0), 1e-6 * max(1e-3, abs(starts).max()))
    for _ in range(30):
        ends, maps = _flow(tangent, starts, T / PIECES, driven)
        gaps = ends - np.roll(starts, -1, axis=0)
        count = PIECES * n
        matrix, right = np.zeros((count + 1, count + 1)), np.zeros(count + 1)
        right[:count] = -gaps.ravel()
        times = (np.arange(PIECES) + 1) * (T / PIECES)
        speed = _velocity(system, ends, times)
        for i in range(PIECES):
            rows, after = slice(i * n, (i + 1) * n), (i + 1) % PIECES
            matrix[rows, rows] += maps[i]
            matrix[rows, after * n : (after + 1) * n] -= np.eye(n)
            matrix[rows, count] = speed[i] / PIECES
        if driven:
            matrix[count, count] = 1.0
        else:
            matrix[count, :n], right[count] = unit / size, -(unit / size) @ (starts[0] - reference)
        residuals.append(float((abs(gaps) / size).max()))
        step = np.linalg.lstsq(matrix, right, rcond=None)[0]
        starts, T = starts + step[:count].reshape(PIECES, n), T + step[count]
        update = max(float((abs(step[:count].reshape(PIECES, n)) / size).max()), abs(step[count]) / abs(T))
        if not np.isfinite(update) or T <= 0:
            break
        if update < 1e-11 or (len(residuals) > 4 and residuals[-1] < 1e-11 and update < 1e-9):
            return _result(system, tangent, starts, T, drive, **attrs)
    told = ", ".join(f"{r:.1e}" for r in residuals[:6])
    raise NumericsError(
        f"no cycle of {system.name!r} near the start: shooting does not converge (gaps {told}); take a start that is "
        "closer to one"
    )


# -- inside ------------------------------------------------------------------------------------------------------


def _pieces(system: System, y: Vector, T: float) -> Matrix:
    """States at the beginnings of the pieces."""
    return _samples(system, y, np.arange(PIECES) * (T / PIECES), T)


def _samples(system: System, y: Vector, times: Vector, T: float) -> Matrix:
    from ..integrators.simulate import simulate

    data = simulate(
        system, T, sample=times, initial=system.unpack(y), method="dop853", rtol=TOLERANCE, atol=TOLERANCE * 1e-2
    )
    states = np.concatenate([np.array(data[k]).reshape(len(times), -1) for k in system.state], axis=1)
    if not np.isfinite(states).all():
        raise NumericsError(f"the trajectory of {system.name!r} does not stay finite over a period")
    return states


def _velocity(system: System, states: Matrix, times: Vector) -> Matrix:
    return evaluate(system.program("rhs"), t=times[None], y=states.T, p=system.parameter_vector)["f"].T


def _flow(tangent: Tangent, starts: Matrix, duration: float, driven: bool) -> tuple[Matrix, np.ndarray]:
    """Ends of pieces of trajectories (pieces, n), and their derivatives by the beginnings (pieces, n, n)."""
    if driven:  # each piece has its own time
        parts = [_integrated(tangent, y[None], i * duration, duration) for i, y in enumerate(starts)]
        return np.concatenate([e for e, _ in parts]), np.concatenate([m for _, m in parts])
    return _integrated(tangent, starts, 0.0, duration)


def _integrated(tangent: Tangent, starts: Matrix, begin: float, duration: float) -> tuple[Matrix, np.ndarray]:
    system, n, events = tangent.system, tangent.system.dimension, tangent.happenings
    watch = events.watch if events else None
    compiled = adaptive(tangent.rhs, TABLEAUX["dop853"], 8 if len(starts) > 1 else 1, events is not None, watch)
    extended = np.zeros((len(starts), tangent.size))
    extended[:, :n], extended[:, n : n * (n + 1)] = starts, np.eye(n).ravel()
    group = AdaptiveGroup(
        compiled,
        extended,
        np.tile(system.parameter_vector, (len(starts), 1)),
        begin,
        begin + duration,
        times=np.zeros(0),
        rtol=TOLERANCE,
        atol=TOLERANCE * 1e-2,
        max_steps=10**6,
        events=events,
        record_from=np.inf,
    )
    group.advance(0, 0, np.empty((len(starts), 0, tangent.size)), lambda _: None)
    if (group.status != DONE).any():
        raise NumericsError(f"a trajectory of {system.name!r} near the start does not reach the end of the period")
    y = np.array(group.y)
    return y[:, :n], y[:, n : n * (n + 1)].reshape(-1, n, n).transpose(0, 2, 1)


def _result(system: System, tangent: Tangent, starts: Matrix, T: float, drive: Any, **attrs: Any) -> Cycle:
    n = system.dimension
    ends, maps = _flow(tangent, starts, T / PIECES, drive is not None)
    factors = np.concatenate([-maps, np.broadcast_to(np.eye(n), maps.shape)], axis=2)
    values = Multipliers(n)(factors)
    if values is None:
        values = np.full(n, np.nan + 0j)
    phase = np.linspace(0, 1, SAMPLES + 1)
    states = np.concatenate(
        [_samples_at(system, start, i * T / PIECES, T / PIECES, drive is not None) for i, start in enumerate(starts)]
    )
    states = np.concatenate([states, ends[-1:]])
    sizes: dict[str, int | None] = {"phase": len(phase), "multiplier": n}
    coords = {
        "phase": Variable(("phase",), float, {"long_name": "time, in periods"}, phase),
        "time": Variable(("phase",), float, {"long_name": "time"}, phase * T),
    }
    variables = {
        "period": Variable((), float),
        "multipliers": Variable(("multiplier",), complex, {"long_name": "Floquet multipliers"}),
        "unstable": Variable((), np.int64, {"long_name": "number of unstable multipliers"}),
        "residual": Variable((), float, {"long_name": "largest gap between the pieces"}),
        "trivial_error": Variable((), float, {"long_name": "distance of the trivial multiplier from 1"}),
    }
    arrays: dict[str, Any] = {
        "period": T,
        "multipliers": values,
        "unstable": unstable(values, 0 if drive is not None else 1),
        "residual": abs(ends - np.roll(starts, -1, axis=0)).max(),
        "trivial_error": np.nan if drive is not None else abs(values - 1).min(),
    }
    names = []
    for block, shape in system.state.items():
        key = block if block not in {*sizes, *coords, *variables} else f"{block}_"
        names.append(key)
        dims = tuple(f"{block}_{k}" if d in sizes else d for k, d in enumerate(system.state_dims[block]))
        sizes |= dict(zip(dims, shape, strict=True))
        variables[key] = Variable(("phase", *dims))
        arrays[key] = states[:, system.state_slices[block]].reshape(len(phase), *shape)
    smooth = not any(event.reset is not None for event in system.events.values())
    attrs |= {"degree": 4 if smooth else 1, "drive": drive}
    settings = provenance(system, analysis="find_cycle", method="shooting", blocks=names, **attrs)
    return Cycle(dataset(Layout(sizes, coords, variables, settings), arrays))


def _samples_at(system: System, y: Vector, begin: float, duration: float, driven: bool) -> Matrix:
    from ..integrators.simulate import simulate

    count = SAMPLES // PIECES
    begin = begin if driven else 0.0
    times = begin + np.arange(count) * (duration / count)
    data = simulate(
        system,
        begin + duration,
        t_start=begin,
        sample=times,
        initial=system.unpack(y),
        method="dop853",
        rtol=TOLERANCE,
        atol=TOLERANCE * 1e-2,
    )
    return np.concatenate([np.array(data[k]).reshape(count, -1) for k in system.state], axis=1)
