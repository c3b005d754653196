"""Isoperiodic diagrams: the period of what a system does in the long run, over two parameters."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import trajectory
from ...engine.errors import InputError
from ...engine.evaluation import evaluate
from ...engine.layout import Variable
from ...engine.program import Builder, Program
from ...engine.system import System
from ...integrators.ensemble import Ensemble, Members
from ...integrators.fields import NONFINITE, RUNNING
from ...integrators.groups import FixedGroup, fixed, fixed_lanes, lanes
from ...integrators.parallel import Progress, Tick
from ...integrators.times import number, positive, whole
from .orbit_diagram import TRANSIENT
from .sections import Function, Section, Settings, as_section, crossing_group, crossings, settings
from .strips import Strips, plane

if TYPE_CHECKING:
    import xarray as xr

AT_REST = -1
"""Period of flows that have come to rest."""


def isoperiodic_diagram(
    system: System,
    parameters: Ensemble,
    *,
    section: str | Function | None = None,
    max_period: int = 32,
    tolerance: float = 1e-5,
    transient: float | None = None,
    t_max: float | None = None,
    method: str | None = None,
    rtol: float = 1e-8,
    atol: float = 1e-10,
    max_steps: int = 10**9,
    initial: Any = None,
    seed: int = 0,
    store: str | os.PathLike | None = None,
    force: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    """Period of the long-run motion from one initial state, over a grid of parameters.

    (Gallas, Phys. Rev. Lett. 70, 2714, 1993.) After the transient a state is remembered, and the first iterate that
    comes back to it is the period, if the same is found from a second state ``max_period`` later. Slow transients look
    aperiodic: compare with a longer ``transient``. What coexists is not seen.

    Parameters
    ----------
    system : System
        A map, or a flow, whose iterates are its crossings of a section.
    parameters : grid(...)
        Usually of two parameters; initial values may be among them.
    section : str or function
        Flows: as in :func:`poincare_section` (default: the maxima of the first component).
    max_period : int
        Longest period that is looked for.
    tolerance : float
        States are the same if they differ by less than this times one plus their absolute value, in each component.
    transient, t_max : float
        Time (iterates) before (default 500; maps 1000); flows: longest time after that (default: as long).
    method, rtol, atol, max_steps, initial, seed, progress, workers
        As in :func:`attrax.simulate`; the default method is ``dop853``.
    store, force
        HDF5 file to write strip by strip while the computation goes on, and whether to replace it.

    Returns
    -------
    xarray.Dataset
        ``period`` over the parameters: 0 for motion that is aperiodic or of a longer period, -1 for flows at rest; and
        ``status``.

    Raises
    ------
    InputError
        An argument is wrong.
    Interrupted
        Ctrl-C; the strips that were finished are in its ``partial``, and in the file.
    """
    ensemble = plane(system, parameters, initial, seed)
    system = ensemble.system
    most, near = whole("max_period", max_period, 1), positive("tolerance", tolerance)
    passing = number("transient", TRANSIENT[system.kind] if transient is None else transient)
    told: dict[str, Any] = {"max_period": most, "tolerance": near, "transient": passing, "seed": seed}
    job: _Iterates | _Crossings
    if system.kind == "map":
        if section is not None or method not in (None, "iterate") or t_max is not None:
            raise InputError(f"{system.name!r} is a map: every iterate counts; leave out section, method and t_max")
        if passing < 0 or not passing.is_integer():
            raise InputError(f"the transient of a map is a whole number of iterates, not {transient}")
        job = _Iterates(ensemble, int(passing), most, near)
    else:
        surface = as_section(system, f"max {system.component_names[0]}" if section is None else section)
        how = settings(
            system,
            method=method,
            rtol=rtol,
            atol=atol,
            transient=passing,
            t_max=t_max,
            points=2 * most + 1,
            max_steps=max_steps,
        )
        told |= {"section": surface.text, "method": how.method, "rtol": rtol, "atol": atol, "t_max": how.t_max}
        job = _Crossings(ensemble, surface, how, most, near)
    attrs = trajectory.provenance(system, analysis="isoperiodic_diagram", **told)
    meaning = {"long_name": "period; 0: longer or none, -1: at rest"}
    return Strips(ensemble, {"period": Variable((), np.int64, meaning)}, {}, attrs).run(
        job.period, store, force, workers, progress
    )


class _Iterates:
    """Periods of the iterates of a map, looked for while they are computed."""

    def __init__(self, ensemble: Members, transient: int, most: int, near: float):
        self.ensemble, self.transient, self.most = ensemble, transient, most
        system = ensemble.system
        size, parameters = system.dimension, system.parameter_vector.size
        self.plain, self.watched = system.program("rhs"), _watched(system, near)
        self.widths = fixed_lanes(2, size, parameters), fixed_lanes(2, 2 * size + 2, parameters)

    def period(self, part: slice, tick: Tick) -> dict[str, np.ndarray]:
        """Period and status of a part of the members."""
        y, p = self.ensemble.y[part], self.ensemble.p[part]
        y, status = self._go(self.plain, y, p, self.transient, 0, self.widths[0], tick)
        found = []
        for begin in (0, self.most):
            start = np.concatenate([y, y, np.zeros((len(y), 2))], axis=1)
            end, ended = self._go(
                self.watched, start, p, self.most, self.transient + begin, self.widths[1], lambda fraction: tick(1.0)
            )
            status = np.maximum(status, ended)
            y = end[:, : y.shape[1]]
            found.append(end[:, -1])
        same = (found[0] == found[1]) & (status != NONFINITE)
        return {"period": np.where(same, found[0], 0).astype(np.int64), "status": status}

    def _go(
        self, rhs: Program, y: np.ndarray, p: np.ndarray, steps: int, origin: int, width: int, tick: Tick
    ) -> tuple[np.ndarray, np.ndarray]:
        if not steps:
            return y, np.zeros(len(y), dtype=np.int64)
        nothing = Builder().program({})
        group = FixedGroup(
            fixed(rhs, None, width, nothing),
            y,
            p,
            t_start=0.0,
            dt=1.0,
            steps=steps,
            positions=np.zeros(0),
            origin=origin,
        )
        group.advance(0, 0, np.empty((len(y), 0, 0)), tick)
        return group.y, group.status


def _watched(system: System, near: float) -> Program:
    """The map with a remembered state, the number of iterates since, and the first one that came back to it."""
    n = system.dimension
    b = Builder()
    t, y, p = b.input("t", 1), b.input("y", 2 * n + 2), b.input("p", system.parameter_vector.size)
    moved = b.inline(system.program("rhs"), {"t": t, "y": y[:n], "p": p})["f"]
    kept, count, found = y[n : 2 * n], b.add(y[-2], b.constant(1.0)), y[-1]
    apart = b.constant(0.0)
    for now, then in zip(moved, kept, strict=True):
        scale = b.mul(b.constant(near), b.add(b.constant(1.0), b.abs(then)))
        apart = b.max(apart, b.div(b.abs(b.sub(now, then)), scale))
    back = b.select(b.lt(apart, b.constant(1.0)), count, b.constant(0.0))
    return b.program({"f": [*moved, *kept, count, b.select(b.gt(found, b.constant(0.0)), found, back)]})


class _Crossings:
    """Periods of the crossings of a section by a flow."""

    def __init__(self, ensemble: Members, section: Section, how: Settings, most: int, near: float):
        self.ensemble, self.section, self.how, self.most, self.near = ensemble, section, how, most, near

    def period(self, part: slice, tick: Tick) -> dict[str, np.ndarray]:
        """Period and status of a part of the members."""
        y, p = self.ensemble.y[part], self.ensemble.p[part]
        system = self.ensemble.system
        width = lanes(len(self.ensemble.y), system.dimension, p.shape[1], dense=True)
        group = crossing_group(system, self.section, self.how, y, p, 0.0, width)
        group.advance(0, 0, np.empty((len(y), 0, system.dimension)), tick)
        status = group.result()["status"]
        states = crossings(group, self.how.points)[0][..., 1:]
        first, second = _first_return(states, self.near, self.most), self._later(states)
        period = np.where((first == second) & (status <= RUNNING), first, 0)
        return {"period": np.where(self._at_rest(group, p), AT_REST, period), "status": status}

    def _later(self, states: np.ndarray) -> np.ndarray:
        return _first_return(states[:, self.most :], self.near, self.most)

    def _at_rest(self, group: Any, p: np.ndarray) -> np.ndarray:
        """Whether nothing moves any more by more than a hundred tolerances in a hundredth of the time."""
        system = self.ensemble.system
        if not system.autonomous:
            return np.zeros(len(p), dtype=bool)
        slope = evaluate(system.program("rhs"), t=[0.0], y=group.y.T, p=p.T)["f"].T
        small = 100 * (self.how.atol + self.how.rtol * np.abs(group.y))
        return (np.abs(slope) * self.how.t_max / 100 <= small).all(axis=1)


def _first_return(states: np.ndarray, near: float, most: int) -> np.ndarray:
    """Number of the first of the states ``(members, crossing, n)`` that is the same as the one at the beginning."""
    found = np.zeros(len(states), dtype=np.int64)
    scale = near * (1 + np.abs(states[:, 0]))
    for lag in range(min(most, states.shape[1] - 1), 0, -1):
        with np.errstate(invalid="ignore"):
            found[(np.abs(states[:, lag] - states[:, 0]) < scale).all(axis=1)] = lag
    return found
