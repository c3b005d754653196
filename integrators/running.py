"""A plan carried out: its groups worked off by threads, into memory or into a file."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import trajectory
from ..engine.errors import Interrupted
from ..engine.evaluation import evaluate
from ..engine.layout import Layout
from ..engine.storage import Writer, load
from . import stiffness
from .fields import DONE, EVENT, RUNNING, TOO_MANY_STEPS, ZENO
from .groups import AdaptiveGroup, adaptive, space
from .methods import METHODS
from .parallel import Progress, Tick, parts, work_off
from .planning import Plan
from .tableaux import Tableau
from .times import Spaced

if TYPE_CHECKING:
    import xarray as xr

BUFFER = 2**23
"""Numbers that a worker holds at most before they are written to a file."""

EVALUATED = 2**14
"""States of which observables are computed at a time."""

FLUSH = 2.0
"""Seconds after which they are written even if they are fewer."""


class Run:
    """The groups of a plan, worked off by threads, into memory or into a file."""

    def __init__(self, plan: Plan, layout: Layout, writer: Writer | None, workers: int):
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
        names = plan.happenings.names if plan.happenings else ()
        self.found = [space(self.count) for _ in names]
        self.happened: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
        nothing = (np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=np.int64))
        self.listed: dict[str, list[tuple[np.ndarray, ...]]] = {name: [nothing] for name in plan.events}
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
        group = self.plan.group(part, found=self.found)
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
                self.happened[part.start] = [group.record.rows(number) for number in range(len(self.found))]
            elif self.plan.large and self.plan.events:
                record = group.events  # type: ignore[union-attr]
                keep, way = self.plan.keep, self.plan.end - self.plan.start
                for number, name in enumerate(self.plan.events):
                    member, times, elements = record.happened(number, keep, way)
                    self.listed[name].append((part.start + member, times, elements))

    def _segment(self, group: Any, part: slice, first: int, last: int, tick: Tick) -> None:
        if self.raw is not None:
            out = self.raw[part, first:last]
        else:
            out = np.empty((part.stop - part.start, last - first, self.plan.numbers))
        try:
            if self.plan.only_end:
                group.advance(0, 0, out[:, :0], tick)
                out[:, 0] = group.recorded if self.plan.large else group.y
                status = group.status
                arrived = ((status == DONE) | (status == EVENT) | (status == ZENO)).astype(np.int64)
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
        """Numbers and times of the events, and the elements to which they happen."""
        found: dict[str, np.ndarray] = {}
        for e, name in enumerate(self.plan.happenings.names if self.plan.happenings else ()):
            most = max((len(events[e][0]) for events in self.happened.values()), default=0)
            rows = self.found[e] if most <= len(self.found[e]) else np.empty((most, self.count, 1))
            times, counts = rows[:most, :, 0], np.zeros(self.count, dtype=np.int64)
            for first, events in self.happened.items():
                own, many = events[e]
                part = slice(first, first + len(many))
                counts[part] = many
                if not np.may_share_memory(own, rows):
                    times[: len(own), part] = own[..., 0]
            whole, _, element = name.partition("[")
            if element:
                number, member = np.nonzero(np.arange(most)[:, None] < counts)
                places = np.full(len(member), int(element[:-1]))
                self.listed[whole].append((member, times[number, member], places))
                continue
            np.copyto(times, np.nan, where=np.arange(most)[:, None] >= counts)
            found[f"{name}_count"] = counts.reshape(self.shape)
            found[f"{name}_time"] = times.T.reshape(*self.shape, most)
        for name, parts_of_it in self.listed.items():
            if self.plan.large or self.plan.elements[name] is not None:
                found |= self._padded(name, *map(np.concatenate, zip(*parts_of_it, strict=True)))
        return found

    def _padded(self, name: str, member: np.ndarray, times: np.ndarray, elements: np.ndarray) -> dict[str, np.ndarray]:
        """Arrays of events that were listed, in the order of time for each member."""
        way = 1.0 if self.plan.end > self.plan.start else -1.0
        order = np.lexsort((elements, way * times, member))
        member, times, elements = member[order], times[order], elements[order]
        counts = np.bincount(member, minlength=self.count)
        most = int(counts.max(initial=0))
        place = np.arange(len(member)) - np.repeat(np.cumsum(counts) - counts, counts)
        when, which = np.full((self.count, most), np.nan), np.full((self.count, most), -1)
        when[member, place], which[member, place] = times, elements
        found = {f"{name}_count": counts.reshape(self.shape), f"{name}_time": when.reshape(*self.shape, most)}
        if self.plan.elements[name] is not None:
            found[f"{name}_element"] = which.reshape(*self.shape, most)
        return found


def by_diffrax(plan: Plan, layout: Layout, writer: Writer | None) -> xr.Dataset:
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


def blocks(plan: Plan, raw: np.ndarray, p: np.ndarray, times: np.ndarray) -> dict[str, np.ndarray]:
    """State blocks and observables of flat states ``(members, samples, dimension)``."""
    system = plan.members.system
    if plan.large:
        from .large.scheme import unpacked

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
