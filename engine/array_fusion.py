"""Actions over arrays of one shape become one loop (:mod:`attrax.engine.loops`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from . import loops
from .array_values import Action, Reduction, Segments, Store, Value, View
from .arrays import CHUNK, Access, Operation
from .program import BOOL, INT, Builder

if TYPE_CHECKING:
    from .array_lowering import ArrayLowering


@dataclass
class _Nest:
    """The program of one loop while it is written, over the axes ``shape``."""

    low: ArrayLowering
    stage: int
    shape: tuple[int, ...]
    order: tuple[int, ...]
    rows: str = ""
    index: str = ""
    builder: Builder = field(default_factory=Builder)
    reads: list[tuple[View, View | None]] = field(default_factory=list)
    _inputs: dict[tuple, int] = field(default_factory=dict)
    _done: dict[int, int] = field(default_factory=dict)

    def write(self, value: Value) -> int:
        """The value in the loop's program."""
        if id(value) not in self._done:
            self._done[id(value)] = self._write(value)
        return self._done[id(value)]

    def _write(self, value: Value) -> int:
        b = self.builder
        if value.view is not None and value.view.ready <= self.stage:
            return self._typed(self.read(value.view, None), value.kind)
        if value.op == "constant":
            return b.constant(value.args[0])
        if value.op == "spread":
            return self.write(value.args[0])
        if value.op == "gather":
            return self._typed(self.read(*value.args), value.kind)
        return b.op(value.op, *map(self.write, value.args))

    def _typed(self, number: int, kind: str) -> int:
        if kind == INT:  # kept bit by bit
            return self.builder.bits(number)
        return self.builder.ne(number, self.builder.constant(0.0)) if kind == BOOL else number

    def read(self, view: View, index: View | None) -> int:
        if view.probe.dtype == np.int32:
            raise NotImplementedError
        parts = [(v.buffer, v.offset, v.probe.shape, v.probe.strides) for v in (view, index) if v is not None]
        key = tuple(parts)
        if key not in self._inputs:
            self._inputs[key] = self.builder.input(f"in{len(self.reads)}", 1)[0]
            self.reads.append((view, index))
        return self._inputs[key]

    def strides(self, view: View) -> list[int]:
        """Bytes from element to element along the axes of the loop."""
        probe = view.probe
        if probe.size == 1:
            return [0] * len(self.shape)
        if probe.shape != self.whole:
            probe = np.broadcast_to(probe, self.whole)
        return [probe.strides[k] if probe.shape[k] > 1 else 0 for k in self.order]

    @property
    def whole(self) -> tuple[int, ...]:
        whole = [0] * len(self.order)
        for k, n in zip(self.order, self.shape, strict=True):
            whole[k] = n
        return tuple(whole)


def fused(low: ArrayLowering, stage: int, actions: list[Action]) -> list[Operation]:
    """The operation (and the sums of its partial sums) of actions over one shape."""
    shape = actions[0].value.shape or (1,)
    first = actions[0]
    reductions = [a for a in actions if isinstance(a, Reduction)]
    axes = reductions[0].axes if reductions else ()
    order = tuple(k for k in range(len(shape)) if k not in axes) + tuple(axes)
    nest = _Nest(low, stage, tuple(shape[k] for k in order), order)
    if isinstance(first, Segments):
        nest.rows, nest.index = first.rows, first.index
    outputs: dict[str, list[int]] = {}
    targets: list[View] = []
    stores = [a for a in actions if isinstance(a, Store)]
    results = [a for a in actions if not isinstance(a, Store)]
    for k, a in enumerate(stores):
        outputs[f"out{k}"] = [nest.write(a.value)]
        targets.append(a.target)
    for k, result in enumerate(results):
        outputs[f"sum{k}"] = [nest.write(result.value)]
    kinds = tuple(a.kind if isinstance(a, Reduction) else "add" for a in results)
    return _operations(low, nest, outputs, targets, results, kinds)


def _operations(
    low: ArrayLowering,
    nest: _Nest,
    outputs: dict[str, list[int]],
    targets: list[View],
    results: list[Any],
    kinds: tuple[str, ...],
) -> list[Operation]:
    kept = len(nest.order) - len(results[0].axes) if results and isinstance(results[0], Reduction) else None
    # an index moves with the elements; the numbers that it points to do not
    moving = [view if index is None else index for view, index in nest.reads]
    shape, groups = _collapse(nest.shape, [nest.strides(v) for v in (*moving, *targets)], kept)
    outer, count = shape[:-1], shape[-1]
    reduced_outer = 0 if kept is None else sum(1 for g in groups[:-1] if g[0] >= kept)

    def steps(view: View) -> tuple[tuple[int, ...], int]:
        strides = [nest.strides(view)[g[-1]] for g in groups]
        return tuple(strides[:-1]), strides[-1]

    streams, accesses = [], []
    still = (0,) * len(outer)
    for view, index in nest.reads:
        if index is not None and index.buffer == nest.index:
            streams.append(loops.Stream("row", view.narrow))
            accesses.append(Access(view.buffer, view.offset, still))
            continue
        if index is not None:
            along, inner = steps(index)
            streams.append(loops.Stream("gather", view.narrow))
            accesses.append(Access(view.buffer, view.offset, still))
            accesses.append(Access(index.buffer, index.offset, along))
            continue
        (along, inner), size = steps(view), view.probe.itemsize
        if inner in (0, size) or count == 1:
            streams.append(loops.Stream("scalar" if inner == 0 or count == 1 else "column", view.narrow))
            accesses.append(Access(view.buffer, view.offset, along))
        else:
            step = inner // size
            first = min(0, step * (count - 1))
            places = low.constant((np.arange(count) * step - first).astype(np.int32))
            streams.append(loops.Stream("gather", view.narrow))
            accesses.append(Access(view.buffer, view.offset + first * size, along))
            accesses.append(Access(places.buffer, 0, still))
    for target in targets:
        along, _ = steps(target)
        accesses.append(Access(target.buffer, target.offset, tuple(along)))

    program = nest.builder.program(outputs).fused()
    if nest.rows:
        rows = results[0].target.probe.shape[0]
        accesses += [Access(a.target.buffer, a.target.offset, ()) for a in results]
        kernel = loops.Loop(program, tuple(streams), kinds, True)
        return [Operation(kernel, (), rows, 64, tuple(accesses), rows=nest.rows)]
    kernel = loops.Loop(program, tuple(streams), kinds)
    if not results:
        return [Operation(kernel, outer, count, CHUNK, tuple(accesses))]

    lines = math.prod(outer)
    chunk = CHUNK if lines < 16 else max(count, 1)
    chunks = -(-count // chunk)
    after: list[Operation] = []
    for a in results:
        if chunks == 1 and not reduced_outer:
            strides = _contiguous(outer)
            accesses.append(Access(a.target.buffer, a.target.offset, strides))
            continue
        partial = low.temporary((*outer, chunks))
        accesses.append(Access(partial.buffer, partial.offset, partial.probe.strides[:-1]))
        width = chunks * math.prod(outer[len(outer) - reduced_outer :])
        lead = outer[: len(outer) - reduced_outer]
        b = Builder()
        again = loops.Loop(b.program({"sum0": b.input("in0", 1)}), (loops.Stream(),), (a.kind,))
        ends = (
            Access(partial.buffer, partial.offset, tuple(s * width for s in _contiguous(lead))),
            Access(a.target.buffer, a.target.offset, _contiguous(lead)),
        )
        after.append(Operation(again, lead, width, max(width, 1), ends))
    return [Operation(kernel, outer, count, chunk, tuple(accesses), partial=len(results)), *after]


def _contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    return np.empty((*shape, 1)).strides[:-1]


def _collapse(
    shape: tuple[int, ...], strides: list[list[int]], kept: int | None
) -> tuple[tuple[int, ...], list[list[int]]]:
    """Neighbouring axes that all arrays run through in one go become one; those from ``kept`` on are reduced."""
    axes = [k for k in range(len(shape)) if shape[k] != 1]
    if kept is not None and not any(k >= kept for k in axes):
        axes.append(len(shape) - 1)
    if not axes:
        return (1,), [[len(shape) - 1]]
    groups = [[axes[0]]]
    for k in axes[1:]:
        last = groups[-1][-1]
        same = all(s[last] == s[k] * shape[k] for s in strides)
        if same and (kept is None or (last < kept) == (k < kept)):
            groups[-1].append(k)
        else:
            groups.append([k])
    return tuple(math.prod(shape[k] for k in g) for g in groups), groups
