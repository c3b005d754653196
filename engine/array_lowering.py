"""The operations in which JAX's primitives are expressed, on arrays in memory: the lowering of large systems.

Elementwise primitives are not computed one by one: chains of them over the same shape are fused into one loop, together
with the reductions of their results and the indexed reads of their arguments. Views (slices, transposes, broadcasts)
cost nothing. What is known while lowering is computed on the spot.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import loops
from .array_fusion import fused
from .array_values import FIXED, Action, Reduction, Segments, Store, Value, View
from .arrays import CHUNK, Access, ArrayProgram, Operation, Stages, rebound
from .folding import apply
from .lowering import Lowering, plain
from .program import BOOL, FLOAT, INT, OPERATIONS, Builder

CHEAP = 4
"""Cost up to which a value is computed again rather than stored."""

_COSTS = {"div": 4, "sqrt": 4, "gather": 8, **{k: 20 for k in ("pow", "atan2", "fmod", "logistic", "erf", "cbrt")}}
_COSTS |= dict.fromkeys(
    ("exp", "expm1", "exp2", "log", "log1p", "log2", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh")
    + ("tanh", "asinh", "acosh", "atanh", "erfc"),
    20,
)


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
        key = (array.dtype.str, array.shape, hashlib.sha256(array.data).digest())
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

    def convert(self, array: Any, to: str) -> Any:
        return super().convert(array, to)

    def select(self, condition: Any, yes: Any, no: Any) -> Any:
        return super().select(condition, yes, no)

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
            self._actions.append((stage, Store(value, target)))
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
        whole = view and view.buffer in self.temporaries and view.probe.size == view.base.size and view.contiguous
        once = view and any(stage < 0 and action.target.buffer == view.buffer for stage, action in self._actions)
        if view and whole and view.ready > 0 and not once and view.buffer not in self._outputs:
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
        late = {action.target.buffer for stage, action in self._actions if stage >= 0}
        late |= {operation.accesses[-1].buffer for stage, operation in self._products if stage >= 0}
        early = {a.buffer for operations in setup for o in operations for a in o.accesses}
        fixed = tuple(k for k in sizes if k in early - late)
        return ArrayProgram(inputs, outputs, sizes, self.constants, fixed, setup, rebound(stages, names))

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
        self._actions.append((stage, Reduction(value, kind, axes, target)))
        target.ready = stage + 1
        return self.convert(self.leaf(target), given)

    def segments(self, value: Any, rows: str, index: str, count: int) -> Value:
        """Sums of the parts of a flat value that begin where ``rows`` says; ``index`` has the part of each element."""
        value = self.value(self.convert(value, FLOAT))
        target = self.temporary((count,))
        stage = value.stage if value.view is None else value.view.ready
        if value.size == 1:
            value = self.leaf(self.materialise(value))
        self._actions.append((stage, Segments(value, rows, index, target)))
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
                    max(24, CHUNK // max(columns, 1) // 24 * 24),
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
            if isinstance(action, Reduction):
                key += (action.axes,) if len(action.axes) < action.value.ndim else ()
            elif isinstance(action, Segments):
                key += (action.rows,)
            grouped.setdefault(key, []).append(action)
        for (stage, *_), actions in grouped.items():
            for later, operation in enumerate(fused(self, stage, actions)):
                found.setdefault((stage, min(later, 1)), []).append(operation)
        ordered = {k: tuple(found[k]) for k in sorted(found)}
        setup = tuple(v for k, v in ordered.items() if k[0] < 0)
        return setup, tuple(v for k, v in ordered.items() if k[0] >= 0)
