"""From a function of JAX arrays to a sequence of loops over arrays: the lowering of large systems.

The equations of the jaxpr become :class:`Operation` after :class:`Operation`. Elementwise primitives are not computed
one by one: chains of them over the same shape are fused into one loop (:mod:`attrax.engine.loops`), together with the
reductions of their results and the indexed reads of their arguments. Views (slices, transposes, broadcasts) cost
nothing. What is known while lowering is computed on the spot.

Operations are sorted into *stages*; those of one stage do not depend on each other, and threads may share the work of
each.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from . import loops
from .folding import apply
from .lowering import Lowering, plain
from .program import BOOL, FLOAT, INT, OPERATIONS, Builder, Program

CHUNK = 1024
"""Elements of a loop that are one unit of work, and one partial sum of a long sum."""

FIXED = -(10**6)
"""Stage of what depends on fixed inputs alone; it is computed once."""

CHEAP = 4
"""Cost up to which a value is computed again rather than stored."""

_COSTS = {"div": 4, "sqrt": 4, "gather": 8, **{k: 20 for k in ("pow", "atan2", "fmod", "logistic", "erf", "cbrt")}}
_COSTS |= dict.fromkeys(
    ("exp", "expm1", "exp2", "log", "log1p", "log2", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh")
    + ("tanh", "asinh", "acosh", "atanh", "erfc"),
    20,
)


@dataclass(frozen=True)
class Access:
    """Where an operation finds numbers: in a buffer, from ``offset`` on, ``strides`` apart (bytes, per outer axis)."""

    buffer: str
    offset: int
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Operation:
    """A loop or a product over the outer axes ``shape`` and ``count`` elements or rows within.

    ``accesses`` are the entries of the kernel's table; the last ``partial`` of them move by 8 bytes from chunk to
    chunk. ``rows`` names the buffer of the segments. A product has ``matrix`` (bytes from row to row, columns).
    """

    kernel: loops.Kernel
    shape: tuple[int, ...]
    count: int
    chunk: int
    accesses: tuple[Access, ...]
    partial: int = 0
    rows: str = ""
    matrix: tuple[int, int] = (0, 0)

    @property
    def work(self) -> int:
        """About how many numbers it reads."""
        return math.prod(self.shape) * self.count * max(1, self.matrix[1])


@dataclass(frozen=True)
class ArrayProgram:
    """Operations from input buffers to output buffers.

    Attributes
    ----------
    inputs, outputs : dict
        Shape of each input and output, in C order.
    temporaries : dict
        Number of 64-bit numbers of each buffer between, for each member.
    constants : dict
        Arrays that were known.
    setup, stages : tuple of tuples of Operation
        What depends on fixed inputs alone, and the rest.
    """

    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    temporaries: dict[str, int]
    constants: dict[str, np.ndarray]
    setup: Stages
    stages: Stages


Stages = tuple[tuple[Operation, ...], ...]


def rebound(stages: Stages, buffers: Mapping[str, str | tuple[str, int]]) -> Stages:
    """The same operations on other buffers, or on parts of them that begin at an offset."""
    places = {k: v if isinstance(v, tuple) else (v, 0) for k, v in buffers.items()}

    def moved(a: Access) -> Access:
        if a.buffer not in places:
            return a
        name, start = places[a.buffer]
        return Access(name, a.offset + start, a.strides)

    def placed(o: Operation) -> Operation:
        return replace(o, accesses=tuple(map(moved, o.accesses)), rows=places.get(o.rows, (o.rows, 0))[0])

    return tuple(tuple(map(placed, stage)) for stage in stages)


def elementwise(
    program: Program, count: int, numbers: Sequence[str] = (), reductions: Mapping[str, str] | None = None
) -> Stages:
    """Stages of a program over arrays of ``count`` elements.

    Its blocks, of one scalar each, are called as the buffers; those in ``numbers`` hold one number for all elements.
    Outputs in ``reductions`` (name -> kind) are reduced to one number; their partial results are in the buffers
    ``<name> partial``, one for every `CHUNK` elements.
    """
    kinds = reductions or {}
    b = Builder()
    given = {name: b.input(f"in{k}", 1) for k, name in enumerate(program.inputs)}
    found = b.inline(program, given)
    stored = [name for name in found if name not in kinds]
    outputs = {f"out{k}": found[name] for k, name in enumerate(stored)}
    outputs |= {f"sum{k}": found[name] for k, name in enumerate(kinds)}
    streams = tuple(loops.Stream("scalar" if name in numbers else "column") for name in program.inputs)
    kernel = loops.Loop(b.program(outputs).fused(), streams, tuple(kinds.values()))
    names = (*program.inputs, *stored, *(f"{name} partial" for name in kinds))
    first = Operation(kernel, (), count, CHUNK, tuple(Access(n, 0, ()) for n in names), partial=len(kinds))
    if not kinds:
        return ((first,),)
    chunks, after = -(-count // CHUNK), []
    for name, kind in kinds.items():
        again = Builder()
        total = loops.Loop(again.program({"sum0": again.input("in0", 1)}), (loops.Stream(),), (kind,))
        after.append(Operation(total, (), chunks, chunks, (Access(f"{name} partial", 0, ()), Access(name, 0, ()))))
    return (first,), tuple(after)


# -- values ----------------------------------------------------------------------------------------------


@dataclass(eq=False)
class View:
    """Numbers in a buffer, as a NumPy array of the same strides whose memory is never touched."""

    buffer: str
    base: np.ndarray
    probe: np.ndarray
    ready: int = FIXED

    def of(self, probe: np.ndarray) -> View:
        return View(self.buffer, self.base, probe, self.ready)

    @property
    def offset(self) -> int:
        return self.probe.__array_interface__["data"][0] - self.base.__array_interface__["data"][0]

    @property
    def narrow(self) -> bool:
        return self.probe.dtype.itemsize == 4

    @property
    def contiguous(self) -> bool:
        return self.probe.flags.c_contiguous


@dataclass(eq=False)
class Value:
    """An array on its way: in memory (``view``), or still to be computed from ``args`` by ``op``."""

    shape: tuple[int, ...]
    kind: str
    op: str = ""
    args: tuple[Any, ...] = ()
    view: View | None = None
    stage: int = FIXED
    cost: int = 0

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class _Store:
    value: Value
    target: View


@dataclass(frozen=True)
class _Reduction:
    value: Value
    kind: str
    axes: tuple[int, ...]
    target: View


@dataclass(frozen=True)
class _Segments:
    value: Value
    rows: str
    index: str
    target: View


Action = _Store | _Reduction | _Segments


class ArrayLowering(Lowering):
    """The operations that the rules of the primitives are written in, on :class:`Value` and known NumPy arrays."""

    def __init__(self) -> None:
        super().__init__(Builder())
        self.temporaries: dict[str, int] = {}
        self.constants: dict[str, np.ndarray] = {}
        self._actions: list[tuple[int, Action]] = []
        self._products: list[tuple[int, Operation]] = []
        self._known: dict[tuple, View] = {}
        self._outputs: dict[str, str] = {}

    # -- leaves ------------------------------------------------------------------------------------------

    def input(self, name: str, shape: tuple[int, ...], dtype: Any, *, fixed: bool = False) -> Value:
        """An input, ``fixed`` if it stays the same during a run."""
        base = np.empty(shape, dtype)
        kind, ready = INT if base.dtype.kind == "i" else FLOAT, FIXED if fixed else 0
        return Value(tuple(shape), kind, view=View(f"in {name}", base, base, ready), stage=ready)

    def buffer(self, name: str, shape: tuple[int, ...]) -> View:
        base = np.empty(shape)
        return View(name, base, base)

    def temporary(self, shape: tuple[int, ...]) -> View:
        name = f"tmp {len(self.temporaries)}"
        self.temporaries[name] = math.prod(shape)
        return self.buffer(name, shape)

    def constant(self, array: np.ndarray) -> View:
        """A view of known numbers."""
        array = np.ascontiguousarray(array)
        key = (array.dtype.str, array.shape, hashlib.sha256(array).digest())
        if key not in self._known:
            name = f"const {len(self.constants)}"
            self.constants[name] = array
            self._known[key] = View(name, array, array)
        return self._known[key]

    def value(self, array: Any) -> Value:
        """A known array, or one that was reshaped, as an operand of elementwise operations."""
        if not isinstance(array, Value):
            array = plain(array)
            kind = {"b": BOOL, "i": INT, "f": FLOAT}[array.dtype.kind]
            if array.size and (array == array.flat[0]).all():
                single = Value((), kind, "constant", (array.flat[0].item(),))
                return single if array.ndim == 0 else Value(array.shape, kind, "spread", (single,))
            return Value(array.shape, kind, view=self.constant(array if kind == INT else array.astype(float)))
        if array.op == "reshape" and array.view is None:
            self.materialise(array)
        return array

    # -- what the rules ask for ----------------------------------------------------------------------------

    def op(self, name: str, *operands: Any) -> Any:
        if not any(isinstance(a, Value) for a in operands):
            return np.asarray(apply(name, *map(np.asarray, operands)))
        args = [self.value(a) for a in operands]
        shape = np.broadcast_shapes(*(a.shape for a in args))
        args = [a if a.size == 1 or a.shape == shape else self.broadcast(a, shape) for a in args]
        return self.lazy(OPERATIONS[name][1], name, args, shape)

    def lazy(self, kind: str, name: str, args: Sequence[Value], shape: tuple[int, ...]) -> Value:
        """An elementwise operation to be computed when it is needed."""
        stage = max(a.stage for a in args)
        for a in args:
            if a.stage < stage and a.size > 1 and a.view is None and a.cost > CHEAP:
                self.materialise(a)
        cost = _COSTS.get(name, 1) + sum(0 if a.view else a.cost for a in args)
        return Value(shape, kind, name, tuple(args), None, stage, min(cost, 10**6))

    def kind(self, array: Any) -> str:
        return array.kind if isinstance(array, Value) else super().kind(array)

    def known(self, array: Any) -> Any:
        return None if isinstance(array, Value) else array

    # -- memory ------------------------------------------------------------------------------------------

    def materialise(self, value: Value) -> View:
        """The view of a value's numbers, which are computed for it."""
        if value.view is None:
            if value.op == "reshape":
                view = self.materialise(value.args[0])
                value.view = self.viewed(view, lambda a: a.reshape(value.shape))
            else:
                value.view = self.store(value, self.temporary(value.shape))
            value.stage = max(value.stage, value.view.ready) if value.op == "reshape" else value.stage
        return value.view

    def store(self, value: Any, target: View) -> View:
        """Compute a value into a target."""
        value = self.value(value) if not isinstance(value, Value) else value
        while value.op == "reshape" and value.view is None and target.contiguous:
            value, target = value.args[0], target.of(target.probe.reshape(value.args[0].shape))
        value = self.value(value)
        if value.size:
            stage = value.stage if value.view is None else value.view.ready
            self._actions.append((stage, _Store(value, target)))
            target.ready = max(target.ready, stage + 1)
        return target

    def viewed(self, view: View, change: Callable[[np.ndarray], np.ndarray]) -> View:
        """A view of a view; what cannot be one (a reshaped transpose) is copied first."""
        probe = change(view.probe)
        if probe.size and not np.may_share_memory(probe, view.base):
            copy = self.temporary(view.probe.shape)
            self.store(self.leaf(view), copy)
            return copy.of(change(copy.probe))
        return view.of(probe)

    def leaf(self, view: View, kind: str = FLOAT) -> Value:
        return Value(view.probe.shape, kind, view=view, stage=view.ready)

    def broadcast(self, value: Value, shape: tuple[int, ...]) -> Value:
        if value.size == 1:
            return Value(shape, value.kind, "spread", (value,), None, value.stage, value.cost)
        view = self.materialise(value)
        return self.leaf(view.of(np.broadcast_to(view.probe, shape)), value.kind)

    def reshaped(self, value: Value, change: Callable[[np.ndarray], np.ndarray], reshape: bool) -> Value:
        """A change of shape."""
        shape = change(np.empty(value.shape)).shape
        if shape == value.shape and reshape:
            return value
        if value.size == 1:
            return self.broadcast(value, shape)
        if value.view is None and reshape:
            while value.op == "reshape":
                value = value.args[0]
            if value.view is None:
                return Value(shape, value.kind, "reshape", (value,), None, value.stage + 1)
        return self.leaf(self.viewed(self.materialise(value), change), value.kind)

    def joined(self, arrays: Sequence[Any], axis: int) -> Value:
        """Arrays one after the other."""
        values = [self.value(a) if not isinstance(a, Value) else a for a in arrays if a.size]
        kind = values[0].kind
        if axis > 0 and min(math.prod(v.shape[axis:]) for v in values) == 1:
            moved = [self.reshaped(v, lambda a: np.moveaxis(a, axis, 0), False) for v in values]
            return self.reshaped(self.joined(moved, 0), lambda a: np.moveaxis(a, 0, axis), False)
        shape = list(values[0].shape)
        shape[axis] = sum(v.shape[axis] for v in values)
        target, start = self.temporary(tuple(shape)), 0
        for v in values:
            where = (slice(None),) * axis + (slice(start, start + v.shape[axis]),)
            start += v.shape[axis]
            part = target.of(target.probe[where])
            target.ready = max(target.ready, self.store(v, part).ready)
        return self.leaf(target, kind)

    def picked(self, value: Value, positions: np.ndarray) -> Value:
        """Elements of the flat value, by known numbers; 0 where they are negative."""
        view = self.materialise(value)
        if not view.contiguous:
            view = self.store(self.leaf(view), self.temporary(view.probe.shape))
        flat = view.of(view.probe.reshape(-1))
        outside = positions < 0
        index = self.constant(np.where(outside, 0, positions).astype(np.int32))
        found = self.gather(self.leaf(flat, value.kind), index)
        if outside.any():
            zero = {FLOAT: 0.0, INT: 0, BOOL: False}[value.kind]
            found = self.select(outside, np.full(positions.shape, zero), found)
        return found

    def gather(self, value: Value, index: View) -> Value:
        view = self.materialise(value)
        ready = max(view.ready, index.ready)
        return Value(index.probe.shape, value.kind, "gather", (view, index), None, ready, _COSTS["gather"])

    def output(self, name: str, value: Any) -> None:
        """Let a value be an output."""
        value = self.value(value) if not isinstance(value, Value) else value
        view = value.view
        if view and view.ready > 0 and view.buffer in self.temporaries and view.probe.size == view.base.size:
            if view.contiguous and view.buffer not in self._outputs:
                self._outputs[view.buffer] = f"out {name}"
                return
        if value.stage < 0:  # results are written at every evaluation
            value = self.value(value)
            value = Value(value.shape, value.kind, "spread", (value,), None, 0, value.cost)
        self.store(value, self.buffer(f"out {name}", value.shape))

    def program(self, inputs: dict[str, tuple[int, ...]], outputs: dict[str, tuple[int, ...]]) -> ArrayProgram:
        """Everything together."""
        setup, stages = self.stages()
        names = self._outputs
        sizes = {k: size for k, size in self.temporaries.items() if k not in names}
        return ArrayProgram(inputs, outputs, sizes, self.constants, setup, rebound(stages, names))

    # -- operations with a loop of their own -----------------------------------------------------------------

    def reduced(self, kind: str, value: Any, axes: tuple[int, ...]) -> Value:
        value = self.value(value)
        given = value.kind
        value = self.value(self.convert(value, FLOAT))
        if value.size == 1:
            kept = tuple(n for k, n in enumerate(value.shape) if k not in axes)
            return self.convert(self.broadcast(value, kept), given)
        target = self.temporary(tuple(n for k, n in enumerate(value.shape) if k not in axes))
        stage = value.stage if value.view is None else value.view.ready
        self._actions.append((stage, _Reduction(value, kind, axes, target)))
        target.ready = stage + 1
        return self.convert(self.leaf(target), given)

    def segments(self, value: Any, rows: str, index: str, count: int) -> Value:
        """Sums of the parts of a flat value that begin where the buffer ``rows`` says; ``index`` has the part of each."""
        value = self.value(self.convert(value, FLOAT))
        target = self.temporary((count,))
        stage = value.stage if value.view is None else value.view.ready
        if value.size == 1:
            value = self.leaf(self.materialise(value))
        self._actions.append((stage, _Segments(value, rows, index, target)))
        target.ready = stage + 1
        return self.leaf(target)

    def product(self, a: Any, b: Any) -> Value:
        """``sum_j a[i, j] b[k, j]`` as an array ``[k, i]``."""
        matrix, vectors = (self._in_rows(self.value(self.convert(x, FLOAT))) for x in (a, b))
        (rows, columns), count = matrix.probe.shape, len(vectors.probe)
        if vectors.narrow:
            vectors = self.store(self.leaf(vectors), self.temporary(vectors.probe.shape))
        target = self.temporary((count, rows))
        stage = max(matrix.ready, vectors.ready)
        shape = (count,) if count > 1 else ()

        def access(view: View, stride: int) -> Access:
            return Access(view.buffer, view.offset, (stride,) * len(shape))

        self._products.append(
            (
                stage,
                Operation(
                    loops.Product(1, matrix.narrow),
                    shape,
                    rows,
                    max(loops.ROWS * 3, CHUNK // max(columns, 1) // 24 * 24),
                    (
                        access(matrix, 0),
                        access(vectors, vectors.probe.strides[0]),
                        access(target, target.probe.strides[0]),
                    ),
                    matrix=(matrix.probe.strides[0], columns),
                ),
            )
        )
        target.ready = stage + 1
        return self.leaf(target)

    def _in_rows(self, value: Value) -> View:
        """A view whose rows are contiguous."""
        view = self.materialise(value)
        probe = view.probe
        if probe.shape[1] > 1 and probe.strides[1] != probe.itemsize:
            return self.store(self.leaf(view), self.temporary(probe.shape))
        return view

    # -- the schedule ----------------------------------------------------------------------------------------

    def stages(self) -> tuple[Stages, Stages]:
        """All operations by stage, elementwise actions over the same shape fused: the fixed ones and the others."""
        found: dict[tuple[int, int], list[Operation]] = {}
        for stage, product in self._products:
            found.setdefault((stage, 0), []).append(product)
        grouped: dict[tuple, list[Action]] = {}
        for stage, action in self._actions:
            key: tuple[Any, ...] = (stage, action.value.shape)
            if isinstance(action, _Reduction):
                key += (action.axes,) if len(action.axes) < action.value.ndim else ()
            elif isinstance(action, _Segments):
                key += (action.rows,)
            grouped.setdefault(key, []).append(action)
        for (stage, *_), actions in grouped.items():
            for later, operation in enumerate(_fused(self, stage, actions)):
                found.setdefault((stage, min(later, 1)), []).append(operation)
        ordered = {k: tuple(found[k]) for k in sorted(found)}
        setup = tuple(v for k, v in ordered.items() if k[0] < 0)
        return setup, tuple(v for k, v in ordered.items() if k[0] >= 0)


# -- from actions to loops ----------------------------------------------------------------------------------


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


def _fused(low: ArrayLowering, stage: int, actions: list[Action]) -> list[Operation]:
    """The operation (and the sums of its partial sums) of actions over one shape."""
    shape = actions[0].value.shape or (1,)
    first = actions[0]
    reductions = [a for a in actions if isinstance(a, _Reduction)]
    axes = reductions[0].axes if reductions else ()
    order = tuple(k for k in range(len(shape)) if k not in axes) + tuple(axes)
    nest = _Nest(low, stage, tuple(shape[k] for k in order), order)
    if isinstance(first, _Segments):
        nest.rows, nest.index = first.rows, first.index
    outputs: dict[str, list[int]] = {}
    targets: list[View] = []
    stores = [a for a in actions if isinstance(a, _Store)]
    results = [a for a in actions if not isinstance(a, _Store)]
    for k, a in enumerate(stores):
        outputs[f"out{k}"] = [nest.write(a.value)]
        targets.append(a.target)
    for k, a in enumerate(results):
        outputs[f"sum{k}"] = [nest.write(a.value)]
    kinds = tuple(a.kind if isinstance(a, _Reduction) else "add" for a in results)
    return _operations(low, nest, outputs, targets, results, kinds)


def _operations(
    low: ArrayLowering,
    nest: _Nest,
    outputs: dict[str, list[int]],
    targets: list[View],
    results: list[Any],
    kinds: tuple[str, ...],
) -> list[Operation]:
    kept = len(nest.order) - len(results[0].axes) if results and isinstance(results[0], _Reduction) else None
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
        places = (
            Access(partial.buffer, partial.offset, tuple(s * width for s in _contiguous(lead))),
            Access(a.target.buffer, a.target.offset, _contiguous(lead)),
        )
        after.append(Operation(again, lead, width, max(width, 1), places))
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
