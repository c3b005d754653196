"""Trajectories of systems, one or many: :func:`simulate`."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import trajectory
from ..engine.array_quantities import is_huge, is_large
from ..engine.declaration import suggest
from ..engine.errors import InputError, Interrupted
from ..engine.evaluation import evaluate
from ..engine.events import Event, named
from ..engine.layout import Layout
from ..engine.storage import Writer, load
from ..engine.system import System
from . import stiffness
from .ensemble import Ensemble, Members, check_system, members
from .events import Happenings, happenings
from .fields import DONE, EVENT, RUNNING, TOO_MANY_STEPS, ZENO
from .groups import AdaptiveGroup, FixedGroup, Positions, adaptive, fixed, fixed_lanes, lanes, stochastic
from .methods import METHODS, right_hand_side
from .parallel import Progress, Tick, cores, parts, work_off
from .radau import Radau, RadauGroup
from .recording import check_room, kept, recorded
from .rosenbrock import Rosenbrock
from .stochastic import Stochastic, check
from .tableaux import Tableau
from .times import INTERVALS, Spaced, Times, number, positive, samples, span, whole

if TYPE_CHECKING:
    import xarray as xr

BUFFER = 2**23
"""Numbers that a worker holds at most before they are written to a file."""

EVALUATED = 2**14
"""States of which observables are computed at a time."""

FLUSH = 2.0
"""Seconds after which they are written even if they are fewer."""

Group = AdaptiveGroup | FixedGroup | RadauGroup


def methods(kind: str = "flow") -> tuple[str, ...]:
    """Names of the methods for ``"flow"`` or ``"map"``."""
    return tuple(METHODS) if kind == "flow" else ("iterate",)


def simulate(
    system: System,
    t_end: float,
    *,
    t_start: float = 0.0,
    method: str | None = None,
    dt: float | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    sample: float | str | np.ndarray | None = None,
    transient: float = 0.0,
    initial: Any = None,
    parameters: Mapping[str, Any] | Ensemble | None = None,
    events: Any = (),
    max_steps: int = 10**9,
    backend: str = "numba",
    dtype: str = "float64",
    seed: int | tuple[int, int] = 0,
    store: str | os.PathLike | Writer | None = None,
    force: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
    record: Sequence[str] | Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Integrate a flow or iterate a map, from one initial state or from many.

    A parameter or initial value with an extra leading axis makes an ensemble; several are combined by
    :func:`attrax.grid` or :func:`attrax.zip`. A member's numbers do not depend on the other members, on
    ``workers``, on ``store``, or on pauses.

    Parameters
    ----------
    system : System
    t_end, t_start : float
        Last and first time, in the system's unit (maps: whole numbers of iterations). Flows may run backwards.
    method : str
        ``tsit5`` (default), ``dopri5``, ``dop853``, ``bs3``, and for stiff systems ``rodas5p`` and ``radau5``, choose
        their steps by ``rtol`` and ``atol``; ``euler``, ``heun``, ``rk4`` need ``dt``, as do the other explicit ones
        if a ``dt`` is given. Maps: ``iterate``.
    dt : float
        Equal steps of this length, shortened where necessary so that a whole number of them fits.
    rtol, atol : float
        Relative and absolute tolerance of the error per step, for each component.
    sample : float, array or "end"
        Spacing of the samples, or their times, or only the last state. Default: 1000 intervals (maps: every iterate).
        Samples between steps are interpolated to the order of the method's dense output.
    transient : float
        Time at the beginning that is integrated but not sampled.
    initial : dict or array
        Initial values by state block (numbers, arrays, ``attrax.uniform``...), or flat. Default: the system's.
    parameters : dict, or grid(...) or zip(...) of parameters and state blocks
        Values in place of the system's.
    events : dict, or texts
        What to record besides the system's own events: ``{name: ax.event(...)}``, or texts such as ``"y > 0"`` (y on
        its way up through 0), ``"y < 0"``, ``"y = 0"``, ``"max x"``, ``"min x"``, alone or as the values of the
        dictionary. They are located to the accuracy of the dense output, whatever the samples.
    max_steps : int
        Members that need more steps, refused ones included, end with status ``too_many_steps``.
    backend : "numba" or "jax"
        ``numba``: machine code for this processor. ``jax``: diffrax on whatever JAX runs on, for functions that cannot
        be lowered to machine code, and for GPUs; its results are not the same to the last bit. Also has ``kvaerno5``.
    dtype : "float64" or "float32"
        In what ``backend="jax"`` computes. Single precision is for GPUs; results are stored as float64.
    seed : int, or (int, int)
        For noise and for initial values that are drawn. A second number is that of the first member (default 0): with
        it, a member of a noisy ensemble is computed again alone.
    store : path or Writer
        HDF5 file to write while the run goes on; the result is then read from it when it is used.
    force : bool
        Replace the file if it exists.
    progress : callable
        Called now and then with the fraction that is done.
    workers : int
        Threads (default: all cores).
    record : list or dict
        Names of the state blocks and observables to keep (default: all); or a dictionary of names and what they stand
        for: formulas (``{"m": "mean(x)"}``) or functions ``(t, s, p)``.

    Returns
    -------
    xarray.Dataset
        State blocks and observables ``(member..., time, block axes)``, NaN where not reached; ``status``, ``t_stop``,
        ``steps``, ``rejected`` ``(member...)``; of each event ``<event>_count`` ``(member...)`` and ``<event>_time``
        ``(member..., <event>_index)``, padded with NaN. How each member ended is data: see the attributes of
        ``status``. A sample at the time of a reset is the state after it.

    Raises
    ------
    InputError
        An argument is wrong.
    StorageError
        The file exists or cannot be written.
    Interrupted
        Ctrl-C; what had been computed is in its ``partial``, and in the file.
    """
    check_system(system)
    start, end, keep = span(system, t_start, t_end, transient)
    if system.noise is not None and backend == "numba":
        _refuse_huge(system, "noise")
    method = _method(system, method, dt, backend)
    rtol, atol = positive("rtol", rtol), positive("atol", atol)
    _check_dtype(dtype, backend, rtol)
    step = None if dt is None else number("dt", dt)
    most = float(whole("max_steps", max_steps, 1))
    seed, first_member = seed if isinstance(seed, tuple) and len(seed) == 2 else (seed, 0)
    seed, first_member = whole("seed", seed, 0), whole("the second number of seed", first_member, 0)
    ensemble = members(system, parameters, initial, seed, first_member)
    system, names = recorded(ensemble.system, record)
    ensemble = replace(ensemble, system=system)
    wanted = _events(system, events, method, backend, forward=end > start)
    times = samples(system, start, end, keep, sample)
    if store is None or backend == "jax" or system.noise is not None:
        check_room(len(times) * (2 + (len(ensemble.y) if store is None else 0)))
        times = times[:]
    only_end = isinstance(sample, str)
    numba = backend == "numba"
    plan = _Plan(
        ensemble, method, step, start, end, times, only_end, rtol, atol, most, (seed, first_member), names,
        cores(workers) if numba else 1, keep, wanted,
    )  # fmt: skip
    if system.noise is not None:
        times = plan.on_steps(sample)
        plan = replace(plan, times=times)
    steps_known = plan.dt is not None and system.kind == "flow"
    layout = trajectory.layout(
        system,
        time=len(times) if isinstance(times, Spaced) else times,
        members=ensemble.dims,
        member_coords=ensemble.coords,
        observables=system.observable_shapes,
        events=wanted,
        attrs=trajectory.provenance(
            system,
            method=method,
            backend=backend,
            dtype=None if dtype == "float64" else dtype,
            rtol=None if plan.dt is not None else rtol,
            atol=None if plan.dt is not None else atol,
            dt=plan.dt if steps_known else None,
            t_start=start,
            t_end=end,
            transient=abs(keep - start),
            seed=seed,
            first_member=first_member or None,
            events=list(wanted) or None,
            inputs={name: str(stream) for name, stream in system.inputs.items()} or None,
        ),
    )
    layout = kept(layout, system, names)
    if store is None:
        check_room(len(ensemble.y) * len(plan.times) * plan.numbers)
    if backend == "jax":
        return _by_diffrax(replace(plan, dtype=dtype), layout, _sink(store, force))
    return _Run(plan, layout, _sink(store, force), cores(workers)).result(progress)


@dataclass(frozen=True)
class _Plan:
    """What is to be integrated, and how."""

    members: Members
    method: str
    step: float | None
    start: float
    end: float
    times: Times
    only_end: bool
    rtol: float
    atol: float
    max_steps: float
    seed: tuple[int, int]
    names: tuple[str, ...]
    workers: int
    keep: float = 0.0
    events: dict[str, Event] = field(default_factory=dict)
    dtype: str = "float64"

    @cached_property
    def large(self) -> bool:
        """Whether members are advanced by loops over arrays (`large`), not by straight-line code."""
        system, method = self.members.system, METHODS.get(self.method)
        if isinstance(method, Radau) and not self.events:
            return False
        if self.events or not (method is None or isinstance(method, Tableau)):
            _refuse_huge(system, f"method {self.method!r}" if not self.events else "events")
            return False
        return is_large(system)

    @property
    def numbers(self) -> int:
        """How many numbers a sample of a member has."""
        system = self.members.system
        if not self.large:
            return system.dimension
        shapes = {**system.state, **system.observable_shapes}
        return sum(math.prod(shapes[name]) for name in self.names)

    @cached_property
    def dt(self) -> float | None:
        """Length of equal steps."""
        if self.step is None:
            return 1.0 if self.method == "iterate" else None
        return (self.end - self.start) / self.steps

    @cached_property
    def steps(self) -> int:
        """Number of equal steps."""
        whole = abs(self.end - self.start) / abs(self.step or 1.0)
        return max(1, math.ceil(whole - 1e-9 * max(1.0, whole)))

    @property
    def width(self) -> int:
        """Number of lanes."""
        if self.large:
            return 1
        members, dimension = self.members.y.shape
        if self.events:
            return lanes(members, dimension, self.members.p.shape[1], dense=True)
        if self.dt is not None:
            return fixed_lanes(members, dimension, self.members.p.shape[1])
        if isinstance(METHODS[self.method], Radau):
            return 1
        return lanes(members, dimension, self.members.p.shape[1], dense=not self.only_end)

    @cached_property
    def happenings(self) -> Happenings | None:
        """The events, ready for a group."""
        return happenings(self.members.system, self.events)

    def positions(self) -> Positions:
        """When to sample, in equal steps."""
        assert self.dt is not None
        return Positions(self.times, self.start, self.dt)

    def on_steps(self, sample: Any) -> np.ndarray:
        """The times of the samples of a noisy system, which lie on its steps."""
        assert self.dt is not None
        positions = self.positions()[:]
        if sample is None:
            every = max(1, self.steps // INTERVALS)
            return self.start + self.dt * np.arange(math.ceil(positions[0]), self.steps + 1, every)
        if (positions != np.rint(positions)).any():
            raise InputError(
                f"samples of a system with noise lie on its steps: choose times that are multiples of {self.dt:g}"
            )
        return self.times[:]

    def group(self, part: slice) -> Group:
        """The members of ``part``, ready to go."""
        system, y, p = self.members.system, self.members.y[part], self.members.p[part]
        times: Times = np.zeros(0) if self.only_end else self.times
        if self.large:
            return self._large(y, p, times)
        if isinstance(METHODS.get(self.method), Radau):
            return RadauGroup(
                *(system, y, p, self.start, self.end),
                times=times,
                rtol=self.rtol,
                atol=self.atol,
                max_steps=self.max_steps,
            )
        if self.dt is None or self.events:
            rule = METHODS[self.method]
            assert isinstance(rule, Tableau | Rosenbrock)
            happenings, dense = self.happenings, not self.only_end
            watch, equal = happenings.watch if happenings else None, self.dt is not None
            return AdaptiveGroup(
                adaptive(right_hand_side(system, self.method), rule, self.width, dense, watch, None, equal),
                y,
                p,
                self.start,
                self.end,
                times=times,
                rtol=self.rtol,
                atol=self.atol,
                max_steps=self.max_steps,
                dt=self.dt or 0.0,
                events=happenings,
                record_from=self.keep,
            )
        method, rhs = METHODS.get(self.method), system.program("rhs")
        if isinstance(method, Stochastic):
            compiled = stochastic(rhs, system.program("noise"), system.interpretation, method, self.width)
            numbers = self.seed[1] + np.arange(part.start, part.stop)
            p = np.column_stack([p, np.full(len(p), self.seed[0]), numbers])
        else:
            assert not isinstance(method, Rosenbrock | Radau)
            compiled = fixed(rhs, method, self.width, None)
        return FixedGroup(
            compiled,
            y,
            p,
            t_start=self.start,
            dt=self.dt,
            steps=self.steps,
            positions=np.zeros(0) if self.only_end else self.positions(),
            origin=int(self.start) if self.method == "iterate" else 0,
        )

    def _large(self, y: np.ndarray, p: np.ndarray, times: Times) -> Any:
        """The same for a system of many states."""
        from . import large

        system, tableau = self.members.system, METHODS.get(self.method)
        assert tableau is None or isinstance(tableau, Tableau)
        threads = max(1, self.workers // len(self.members.y))
        scheme = large.large(system, tableau, self.dt is None, self.names)
        if self.dt is None:
            limits = dict(rtol=self.rtol, atol=self.atol, max_steps=self.max_steps)
            return large.LargeAdaptiveGroup(
                scheme, system, y, p, self.start, self.end, times=times, workers=threads, **limits
            )
        return large.LargeFixedGroup(
            scheme,
            system,
            y,
            p,
            t_start=self.start,
            dt=self.dt,
            steps=self.steps,
            positions=np.zeros(0) if self.only_end else self.positions(),
            origin=int(self.start) if self.method == "iterate" else 0,
            workers=threads,
        )


def _by_diffrax(plan: _Plan, layout: Layout, writer: Writer | None) -> xr.Dataset:
    from .diffrax_backend import observables, solve

    raw, endings = solve(
        plan.members,
        plan.method,
        start=plan.start,
        end=plan.end,
        dt=plan.dt,
        times=plan.times[:],
        rtol=plan.rtol,
        atol=plan.atol,
        max_steps=plan.max_steps,
        dtype=plan.dtype,
    )
    shape = tuple(plan.members.dims.values())
    found = plan.members.system.unpack(raw) | observables(plan.members, raw, plan.times[:]) | endings
    found = {name: found[name] for name in (*plan.names, *endings)}
    arrays = {name: values.reshape((*shape, *values.shape[1:])) for name, values in found.items()}
    if writer is None:
        return trajectory.dataset(layout, arrays)
    with writer:
        writer.create(layout)
        for name, values in arrays.items():
            writer.write(name, values)
    return load(writer.path, writer.group)


def blocks(plan: _Plan, raw: np.ndarray, p: np.ndarray, times: np.ndarray) -> dict[str, np.ndarray]:
    """State blocks and observables of flat states ``(members, samples, dimension)``."""
    system = plan.members.system
    if plan.large:
        from .large import unpacked

        return unpacked(system, plan.names, raw)
    found = {name: values for name, values in system.unpack(raw).items() if name in plan.names}
    members, samples, n = raw.shape
    together = max(1, EVALUATED // max(samples, 1))
    for name, shape in system.observable_shapes.items():
        if name not in plan.names:
            continue
        found[name] = np.empty((members, samples, *shape))
        for first in range(0, members, together):
            some = raw[first : first + together]
            values = evaluate(
                system.program(name),
                t=np.tile(times, len(some))[None, :],
                y=some.reshape(-1, n).T,
                p=np.repeat(p[first : first + together], samples, axis=0).T,
            )[name]
            found[name][first : first + together] = values.T.reshape(len(some), samples, *shape)
    return found


class _Run:
    """The groups of a plan, worked off by threads, into memory or into a file."""

    def __init__(self, plan: _Plan, layout: Layout, writer: Writer | None, workers: int):
        self.plan, self.layout, self.writer = plan, layout, writer
        self.system = plan.members.system
        self.count, self.samples = len(plan.members.y), len(plan.times)
        self.shape = tuple(plan.members.dims.values())
        self.endings = {
            "status": np.full(self.count, RUNNING, dtype=np.int8),
            "t_stop": np.full(self.count, plan.start),
            "steps": np.zeros(self.count, dtype=np.int64),
            "rejected": np.zeros(self.count, dtype=np.int64),
        }
        self.last = plan.members.y.copy()
        self.raw = None if writer else np.empty((self.count, self.samples, plan.numbers))
        self.happened: dict[int, list[np.ndarray]] = {}
        self.workers = workers
        self.begun: set[int] = set()
        self.lock = threading.Lock()

    def result(self, progress: Progress | None) -> xr.Dataset:
        """Compute everything; returns the Dataset."""
        if self.writer:
            self.writer.create(self.layout)
        try:
            work_off(self._part, self._parts(), self.workers, progress)
        except KeyboardInterrupt:
            partial = self._finish(complete=False)
            where = f"; what was computed is in {self.writer.path}" if self.writer else ""
            raise Interrupted(f"interrupted{where}", partial) from None
        except BaseException:
            if self.writer:
                with suppress(Exception):
                    self.writer.close(complete=False)
            raise
        self._hint()
        return self._finish(complete=True)

    def _hint(self) -> None:
        """Warn if the member that took the most steps did so because the system is stiff."""
        plan, method = self.plan, METHODS.get(self.plan.method)
        if plan.dt is not None or plan.large or not isinstance(method, Tableau):
            return
        most = int((self.endings["steps"] + self.endings["rejected"]).argmax())
        if self.endings["steps"][most] < stiffness.MANY and self.endings["status"][most] != TOO_MANY_STEPS:
            return
        states = [(float(self.endings["t_stop"][most]), self.last[most])]
        if self.raw is not None and not plan.only_end:
            reached = np.flatnonzero(np.isfinite(self.raw[most]).all(axis=1))
            some = reached[[len(reached) * k // 5 for k in range(1, 5)]] if len(reached) >= 5 else reached[:-1]
            states += [(float(plan.times[k : k + 1][0]), self.raw[most, k]) for k in map(int, some)]
        compiled = adaptive(self.system.program("rhs"), method, plan.width, not plan.only_end, None)
        stiffness.warn_if_stiff(
            *(self.system, method, compiled, states, plan.members.p[most]),
            span=plan.end - plan.start,
            rtol=plan.rtol,
            atol=plan.atol,
            stacklevel=4,
        )

    def _parts(self) -> list[slice]:
        width, largest = self.plan.width, 16384
        if self.writer:
            largest = max(width, BUFFER // (self.samples * self.plan.numbers))
        if self.plan.large:
            size = min(-(-self.count // self.workers), largest)
            return [slice(first, min(first + size, self.count)) for first in range(0, self.count, size)]
        return parts(self.count, self.workers, width, largest)

    def _part(self, part: slice, tick: Tick) -> None:
        self.begun.add(part.start)
        group = self.plan.group(part)
        largest = max(1, BUFFER // ((part.stop - part.start) * self.plan.numbers))
        first, segment = 0, self.samples if self.raw is not None else min(64, largest)
        try:
            while first < self.samples:
                begin = time.monotonic()
                last = min(first + segment, self.samples)
                self._segment(group, part, first, last, tick)
                tick(group.fraction)
                longer = time.monotonic() - begin < FLUSH / 4
                first, segment = last, min(largest, 4 * segment) if longer else segment
        finally:
            self.last[part] = group.y
            for name, values in group.result().items():
                self.endings[name][part] = values
            if isinstance(group, AdaptiveGroup) and self.plan.events:
                self.happened[part.start] = [group.record.of(number) for number in range(len(group.record.names))]

    def _segment(self, group: Any, part: slice, first: int, last: int, tick: Tick) -> None:
        if self.raw is not None:
            out = self.raw[part, first:last]
        else:
            out = np.empty((part.stop - part.start, last - first, self.plan.numbers))
        try:
            if self.plan.only_end:
                group.advance(0, 0, out[:, :0], tick)
                out[:, 0] = group.recorded if self.plan.large else group.y
                arrived = np.where(np.isin(group.status, (DONE, EVENT, ZENO)), 1, 0)
            else:
                group.advance(first, last, out, tick)
                arrived = group.delivered
        except BaseException:
            arrived = 0 * group.delivered if self.plan.only_end else group.delivered
            raise
        finally:
            missing = np.arange(first, last)[None, :] >= arrived[:, None]
            if missing.any():
                out[missing] = np.nan
            if self.writer:
                self._write(part, first, out)

    def _write(self, part: slice, first: int, out: np.ndarray) -> None:
        assert self.writer is not None
        p = self.plan.members.p[part]
        times = self.plan.times[first : first + out.shape[1]]
        with self.lock:
            if isinstance(self.plan.times, Spaced):
                self.writer.write("time", times, time=first)
            for name, values in blocks(self.plan, out, p, times).items():
                for rows, shape, offsets in self._boxes(part):
                    box = values[rows.start - part.start : rows.stop - part.start]
                    self.writer.write(name, box.reshape(*shape, *values.shape[1:]), time=first, **offsets)
            self.writer.flush()

    def _boxes(self, part: slice) -> Iterator[tuple[slice, tuple[int, ...], dict[str, int]]]:
        """Members in a row, cut into boxes of the ensemble's dimensions: which, their shape, where it begins."""
        dims = self.layout.arrays["status"].dims
        if len(dims) < 2:
            yield part, (part.stop - part.start,) * len(dims), dict.fromkeys(dims, part.start)
            return
        row, first = self.shape[-1], part.start
        while first < part.stop:
            last = min(part.stop, first - first % row + row)
            offsets = dict(zip(dims, map(int, np.unravel_index(first, self.shape)), strict=True))
            yield slice(first, last), (1,) * (len(dims) - 1) + (last - first,), offsets
            first = last

    def _finish(self, complete: bool) -> xr.Dataset:
        self.endings["t_stop"][self.endings["status"] == DONE] = self.plan.end
        for part in self._parts():
            if self.raw is not None and part.start not in self.begun:
                self.raw[part] = np.nan
        endings = {name: values.reshape(self.shape) for name, values in self.endings.items()} | self._happened()
        if self.writer:
            for name, values in endings.items():
                self.writer.write(name, values)
            self.writer.close(complete=complete)
            return load(self.writer.path, self.writer.group)
        assert self.raw is not None
        split = blocks(self.plan, self.raw, self.plan.members.p, self.plan.times[:])
        arrays = {name: values.reshape(*self.shape, *values.shape[1:]) for name, values in split.items()}
        return trajectory.dataset(self.layout, arrays | endings)

    def _happened(self) -> dict[str, np.ndarray]:
        """Numbers and times of the events."""
        found = {}
        for e, name in enumerate(self.plan.happenings.names if self.plan.happenings else ()):
            most = max((events[e].shape[1] for events in self.happened.values()), default=0)
            times = np.full((self.count, most), np.nan)
            for first, events in self.happened.items():
                here = events[e][..., 0]
                times[first : first + len(here), : here.shape[1]] = here
            found[f"{name}_count"] = np.isfinite(times).sum(axis=1).reshape(self.shape)
            found[f"{name}_time"] = times.reshape(*self.shape, most)
        return found


def _refuse_huge(system: System, what: str) -> None:
    """Raise an InputError if a system is too large for what needs straight-line code."""
    if is_huge(system):
        raise InputError(
            f"{what} is for systems whose function is some thousand operations, but that of {system.name!r} "
            f"({system.dimension} states) has more; large systems take explicit methods, without noise and events"
        )


def _events(system: System, given: Any, method: str, backend: str, *, forward: bool) -> dict[str, Event]:
    """The events of a run, checked against how it is to be computed."""
    events = named(system, given)
    if not events:
        return events
    if backend == "jax":
        raise InputError("backend='jax' does not follow events; use backend='numba'")
    if system.noise is not None:
        raise InputError(f"system {system.name!r} has noise; events are for flows without noise")
    if not isinstance(METHODS[method], Tableau | Rosenbrock):
        raise InputError(f"method {method!r} does not follow events; use tsit5, dop853 or rodas5p")
    if not forward and (resets := [name for name, event in events.items() if event.reset is not None]):
        raise InputError(f"event {resets[0]!r} resets the state, which cannot be undone: integrate forwards in time")
    return events


def _sink(store: Any, force: bool) -> Writer | None:
    if store is None or isinstance(store, Writer):
        return store
    return Writer(Path(store), force=force)


def _check_dtype(dtype: str, backend: str, rtol: float) -> None:
    if dtype not in ("float64", "float32"):
        raise InputError(f"dtype is 'float64' or 'float32', not {dtype!r:.40}")
    if dtype == "float32" and backend != "jax":
        raise InputError(f"backend {backend!r} computes in float64; float32 needs backend='jax'")
    if dtype == "float32" and rtol < 1e-6:
        raise InputError(f"float32 has 7 digits; choose an rtol of at least 1e-6, not {rtol:g}")


def _method(system: System, method: str | None, dt: Any, backend: str) -> str:
    if backend not in ("numba", "jax"):
        raise InputError(f"backend {backend!r} does not exist; known: numba, jax")
    known = methods(system.kind)
    if backend == "jax" and system.kind == "flow":
        from .diffrax_backend import SOLVERS

        known = tuple(SOLVERS)
    if method is None:
        default = "tsit5" if system.noise is None else "stochastic_heun"
        method = default if system.kind == "flow" else "iterate"
    if method not in known:
        other = methods("map" if system.kind == "flow" else "flow")
        why = f"it is for {'maps' if system.kind == 'flow' else 'flows'}; " if method in other else ""
        raise InputError(
            f"method {method!r} does not exist for a {system.kind} with backend {backend!r}: "
            f"{why}{suggest(str(method), known)}"
        )
    if system.kind == "map" and dt is not None:
        raise InputError("a map has no dt; leave it out")
    if dt is not None:
        positive("dt", dt)
    rule = METHODS.get(method)
    if isinstance(rule, Stochastic) != (system.noise is not None):
        fitting = [name for name, m in METHODS.items() if isinstance(m, Stochastic) != isinstance(rule, Stochastic)]
        has = "no noise" if system.noise is None else "noise"
        raise InputError(f"system {system.name!r} has {has}; use {', '.join(fitting)}, not {method!r}")
    if isinstance(rule, Stochastic):
        check(system, rule)
    if isinstance(rule, Rosenbrock | Radau) and dt is not None:
        raise InputError(f"method {method!r} chooses its steps by rtol and atol; leave out dt")
    if dt is None and rule is not None and not rule.adaptive:
        raise InputError(f"method {method!r} has steps of equal length; give dt")
    return method
