"""Orbit diagrams: what is seen in the long run, over a parameter, by brute force."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import trajectory
from ...engine.declaration import suggest
from ...engine.errors import InputError, Interrupted
from ...engine.evaluation import evaluate
from ...engine.expressions import Formula
from ...engine.layout import Layout, Variable
from ...engine.program import Builder, Program
from ...engine.system import System
from ...integrators.ensemble import members, parameter_values
from ...integrators.fields import NONFINITE, RUNNING
from ...integrators.groups import FixedGroup, fixed, fixed_lanes, lanes
from ...integrators.parallel import Progress, Tick, cores, parts, work_off
from ...integrators.times import number, whole
from .sections import Function, Section, Settings, as_section, crossing_group, crossings, settings

if TYPE_CHECKING:
    import xarray as xr

DIRECTIONS = {"up": ("up",), "down": ("down",), "both": ("up", "down"), "fixed": ("fixed",)}
TRANSIENT = {"map": 1000, "flow": 500.0}


def orbit_diagram(
    system: System,
    parameter: str,
    values: Any,
    *,
    observable: str | None = None,
    section: str | Function | None = None,
    direction: str = "up",
    transient: float | None = None,
    points: int = 100,
    t_max: float | None = None,
    method: str | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    max_steps: int = 10**9,
    initial: Any = None,
    seed: int = 0,
    progress: Progress | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    """Long-run values of an observable over a parameter: every iterate of a map, the crossings of a flow.

    At a fixed point, which has no extrema, an extremum section records the last value, once. A member that blows up or
    gets stuck has no points and its ``status`` says so; the next value then starts from the initial state.

    Parameters
    ----------
    system : System
    parameter : str
        A scalar parameter.
    values : array
        Its values, in any order; they are worked off sorted.
    observable : str
        What to record: a state block, an observable, an element ``x[0]``, or a formula. Default: the first scalar.
    section : str or function
        Flows: when to record (see :func:`attrax.analysis.poincare_section`). Default: ``"max <observable>"``.
    direction : "up", "down", "both" or "fixed"
        Carry the state (and time) along growing or falling values, both, so that hysteresis shows; or start afresh at
        each value (all values in lanes).
    transient, t_max : float
        Time (iterates) that passes at each value before anything is recorded (default 500; maps 1000), and the longest
        time of recording (flows; default: as long as the transient).
    points : int
        How many points to record at each value.
    method, rtol, atol, max_steps, initial, seed, progress, workers
        As in :func:`attrax.simulate`; the default method is ``dop853``.

    Returns
    -------
    xarray.Dataset
        The observable, under its name (``x[0]`` as ``x_0``), with dimensions ``(direction, <parameter>, point)``, NaN
        where there are fewer points; ``count`` and ``status`` ``(direction, <parameter>)``.

    Raises
    ------
    InputError
        An argument is wrong.
    Interrupted
        Ctrl-C; what had been computed is in its ``partial``.
    """
    job = _job(system, parameter, values, observable, section, direction, initial, seed, points)
    transient = TRANSIENT[system.kind] if transient is None else transient
    if system.kind == "map":
        if section is not None or method not in (None, "iterate"):
            raise InputError(f"{system.name!r} is a map: every iterate is recorded; leave out section and method")
        if not number("transient", transient).is_integer() or transient < 0:
            raise InputError(f"the transient of a map is a whole number of iterates, not {transient}")
        run: _Iterates | _Crossings = _Iterates(job, int(transient))
    else:
        how = settings(
            system,
            method=method,
            rtol=rtol,
            atol=atol,
            transient=transient,
            t_max=t_max,
            points=points,
            max_steps=max_steps,
        )
        run = _Crossings(job, how, _surface(system, job.observable, section))
    threads = cores(workers)
    try:
        if direction == "fixed":
            work_off(run.afresh, parts(len(job.values), threads, job.width), threads, progress)
        else:
            todo = [slice(d, d + 1) for d in range(len(job.directions))]
            work_off(lambda part, tick: run.carried(part.start, tick), todo, threads, progress)
    except KeyboardInterrupt:
        raise Interrupted("interrupted", job.result(run.provenance)) from None
    return job.result(run.provenance)


@dataclass(frozen=True)
class _Job:
    """What is asked for, and the arrays that take what is found."""

    system: System
    parameter: str
    values: np.ndarray
    observable: str
    program: Program
    directions: tuple[str, ...]
    y: np.ndarray
    points: int
    found: np.ndarray
    count: np.ndarray
    status: np.ndarray
    seed: int

    @property
    def width(self) -> int:
        """Number of lanes."""
        sizes = len(self.values), self.system.dimension, self.system.parameter_vector.size
        return fixed_lanes(*sizes) if self.system.kind == "map" else lanes(*sizes, dense=True)

    def parameters(self, which: slice) -> np.ndarray:
        """Parameter vectors of values."""
        values = self.values[which]
        p = np.tile(self.system.parameter_vector, (len(values), 1))
        p[:, self.system.parameter_slices[self.parameter].start] = values
        return p

    def order(self, direction: int) -> np.ndarray:
        """In which order a direction visits the values."""
        order = np.arange(len(self.values))
        return order[::-1] if self.directions[direction] == "down" else order

    def result(self, how: dict[str, Any]) -> xr.Dataset:
        """What was found, as a Dataset."""
        name = re.sub(r"\W+", "_", self.observable).strip("_") or "value"
        if name == self.parameter:
            name = f"{name}_value"
        declared = self.system.parameters[self.parameter]
        described = {"units": declared.unit, "long_name": declared.meaning}
        described = {key: text for key, text in described.items() if text}
        dims = ("direction", self.parameter)
        coords = {
            "direction": Variable(("direction",), str, {}, np.array(self.directions)),
            self.parameter: Variable((self.parameter,), float, described, self.values),
        }
        variables = {
            name: Variable((*dims, "point"), float, {"long_name": self.observable}),
            "count": Variable(dims, np.int64, {"long_name": "number of points"}),
            "status": Variable(dims, np.int8, trajectory.status_attrs()),
        }
        attrs = trajectory.provenance(
            self.system,
            analysis="orbit_diagram",
            parameter=self.parameter,
            observable=self.observable,
            points=self.points,
            seed=self.seed,
            **how,
        )
        self.found[self.status == RUNNING] = np.nan
        sizes = dict(zip((*dims, "point"), self.found.shape, strict=True))
        arrays = {name: self.found, "count": self.count, "status": self.status}
        return trajectory.dataset(Layout(sizes, coords, variables, attrs), arrays)


def _job(
    system: System,
    parameter: str,
    values: Any,
    observable: str | None,
    section: Any,
    direction: str,
    initial: Any,
    seed: int,
    points: int,
) -> _Job:
    swept = np.sort(parameter_values(system, parameter, values))
    if direction not in DIRECTIONS:
        raise InputError(f"direction {direction!r} does not exist; {suggest(str(direction), DIRECTIONS)}")
    points = whole("points", points, 1)
    start = members(system, None, initial, whole("seed", seed, 0))
    if start.dims:
        raise InputError("an orbit diagram starts from one initial state, not from an ensemble")
    observable = observable or system.component_names[0]
    program = system.expression(Formula(observable, system))
    if len(program.outputs["value"]) != 1:
        raise InputError(
            f"observable {observable!r} has {len(program.outputs['value'])} elements; name one, as in '{observable}[0]'"
        )
    shape = (len(DIRECTIONS[direction]), len(swept))
    return _Job(
        start.system,
        parameter,
        swept,
        observable,
        program,
        DIRECTIONS[direction],
        start.y[0],
        points,
        np.empty((*shape, points)),
        np.zeros(shape, dtype=np.int64),
        np.full(shape, RUNNING),
        seed,
    )


def _surface(system: System, observable: str, given: Any) -> Section:
    return as_section(system, f"max {observable}" if given is None else given)


@dataclass(frozen=True)
class _Iterates:
    """Orbit diagram of a map: every iterate after the transient."""

    job: _Job
    transient: int

    @property
    def provenance(self) -> dict[str, Any]:
        return {"method": "iterate", "transient": self.transient}

    def group(self, y: np.ndarray, p: np.ndarray, width: int, origin: int) -> FixedGroup:
        b = Builder()
        state, parameters, index = b.input("y", y.shape[1]), b.input("p", p.shape[1]), b.input("index", 1)
        record = b.program(b.inline(self.job.program, {"t": index, "y": state, "p": parameters}))
        return FixedGroup(
            fixed(self.job.system.program("rhs"), None, width, record),
            y,
            p,
            t_start=0.0,
            dt=1.0,
            steps=self.transient + self.job.points,
            positions=self.transient + 1.0 + np.arange(self.job.points),
            origin=origin,
        )

    def afresh(self, part: slice, tick: Tick) -> None:
        job = self.job
        p = job.parameters(part)
        group = self.group(np.tile(job.y, (len(p), 1)), p, job.width, 0)
        self.take(group, (0, part), tick)

    def carried(self, direction: int, tick: Tick) -> None:
        job, y, origin = self.job, self.job.y, 0
        for k, i in enumerate(job.order(direction)):
            group = self.group(y[None], job.parameters(slice(i, i + 1)), 1, origin)
            self.take(group, (direction, slice(i, i + 1)), lambda f, k=k: tick((k + f) / len(job.values)))
            y, origin = group.y[0], origin + group.step
            if job.status[direction, i] == NONFINITE:
                y = job.y

    def take(self, group: FixedGroup, where: tuple, tick: Tick) -> None:
        job = self.job
        found = job.found[where]
        group.advance(0, job.points, found[:, :, None], tick)
        failed = group.status == NONFINITE
        found[failed] = np.nan
        job.count[where] = np.where(failed, 0, job.points)
        job.status[where] = group.status


@dataclass(frozen=True)
class _Crossings:
    """Orbit diagram of a flow: the observable at the crossings of a section."""

    job: _Job
    how: Settings
    section: Section

    @property
    def provenance(self) -> dict[str, Any]:
        how = {name: value for name, value in self.how.__dict__.items() if name != "points"}
        return {"section": self.section.text, **how}

    def afresh(self, part: slice, tick: Tick) -> None:
        job = self.job
        p = job.parameters(part)
        y = np.tile(job.y, (len(p), 1))
        group = crossing_group(job.system, self.section, self.how, y, p, 0.0, job.width)
        self.take(group, (0, part), tick)

    def carried(self, direction: int, tick: Tick) -> None:
        job, y, t = self.job, self.job.y, 0.0
        for k, i in enumerate(job.order(direction)):
            p = job.parameters(slice(i, i + 1))
            group = crossing_group(job.system, self.section, self.how, y[None], p, t, 1)
            self.take(group, (direction, slice(i, i + 1)), lambda f, k=k: tick((k + f) / len(job.values)))
            y, t = group.y[0].copy(), float(group.result()["t_stop"][0])
            if job.status[direction, i] > RUNNING:
                y = job.y

    def take(self, group: Any, where: tuple, tick: Tick) -> None:
        job, n = self.job, self.job.system.dimension
        group.advance(0, 0, np.empty((group.members, 0, n)), tick)
        result = group.result()
        failed = result["status"] > RUNNING
        crossed, count = crossings(group, job.points)
        count = np.where(failed, 0, count)
        p = job.parameters(where[1])
        if self.section.extremum:
            still = ~failed & ((count == 0) | self._at_rest(crossed, count, p))
            crossed[still, 0, 0] = result["t_stop"][still]
            crossed[still, 0, 1:] = group.y[still]
            count[still] = 1
        flat = crossed.reshape(-1, 1 + n).T
        p = np.repeat(p, job.points, axis=0)
        found = evaluate(job.program, t=flat[:1], y=flat[1:], p=p.T)["value"].reshape(group.members, job.points)
        job.found[where] = np.where(np.arange(job.points) < count[:, None], found, np.nan)
        job.count[where], job.status[where] = count, result["status"]

    def _at_rest(self, crossed: np.ndarray, count: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Whether the extrema are those of the rounding and truncation errors about a fixed point.

        So it is where, in the time between two of them, the state moves by no more than a hundred tolerances.
        """
        if not self.job.system.autonomous:
            return np.zeros(len(count), dtype=bool)
        rhs = self.job.system.program("rhs")
        last = crossed[np.arange(len(count)), np.maximum(count, 1) - 1]
        between = (last[:, 0] - crossed[:, 0, 0]) / np.maximum(count - 1, 1)
        slope = evaluate(rhs, t=last[:, :1].T, y=last[:, 1:].T, p=p.T)["f"].T
        small = 100 * (self.how.atol + self.how.rtol * np.abs(last[:, 1:]))
        return (count > 1) & (np.abs(slope * between[:, None]) <= small).all(axis=1)
