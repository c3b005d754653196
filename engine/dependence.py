"""On which component of the state each number of a function depends, read off its jaxpr without unrolling it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .array_tracing import ELEMENTWISE
from .lowering import plain
from .tracing import Interpreter

NONE, SEVERAL = -1, -2
"""What stands for no component, and for more than one, or one that is not known."""


def dependence(closed: Any, vector: int, name: str) -> list[np.ndarray]:
    """The number of the element of an input that each element of the outputs depends on, or NONE, or SEVERAL.

    Parameters
    ----------
    closed : closed jaxpr
    vector : int
        Which of its inputs is the vector.
    name : str
        Name of the system, for messages.
    """
    import jax

    inputs: list[Any] = [_Numbers(np.broadcast_to(np.int64(NONE), v.aval.shape)) for v in closed.jaxpr.invars]
    inputs[vector] = _Numbers(np.arange(len(inputs[vector].array)))
    with np.errstate(all="ignore"), jax.enable_x64(True):
        results = _Followed(None, name).run(closed.jaxpr, closed.consts, inputs)
    return [_numbers(r) for r in results]


class _Numbers:
    """An array that is not known, by the element that each of its numbers depends on."""

    def __init__(self, array: np.ndarray):
        self.array = array

    @property
    def free(self) -> bool:
        """Whether none depends on any."""
        return bool((self.array == NONE).all())


def _numbers(value: Any) -> np.ndarray:
    return value.array if isinstance(value, _Numbers) else np.broadcast_to(np.int64(NONE), np.shape(value))


class _Followed(Interpreter):
    """Follows through a jaxpr on what each number depends."""

    def apply(self, eqn, arguments: list[Any]) -> Any:
        primitive, shapes = eqn.primitive.name, [v.aval.shape for v in eqn.outvars]
        followed = [a for a in arguments if isinstance(a, _Numbers)]
        if not followed:
            found = eqn.primitive.bind(*arguments, **eqn.params)
            return [plain(v) for v in found] if eqn.primitive.multiple_results else plain(found)
        if all(a.free for a in followed):
            return [_Numbers(np.broadcast_to(np.int64(NONE), shape)) for shape in shapes]
        if primitive in ELEMENTWISE:
            total = _numbers(arguments[0])
            for other in map(_numbers, arguments[1:]):
                total = np.where(total == NONE, other, np.where((other == NONE) | (other == total), total, SEVERAL))
            return [_Numbers(np.broadcast_to(total, shapes[0]))]
        if primitive in _MOVING:
            found = eqn.primitive.bind(*map(np.array, map(_numbers, arguments)), **eqn.params)
            return [_Numbers(np.asarray(v)) for v in (found if eqn.primitive.multiple_results else [found])]
        if primitive in ("gather", "dynamic_slice") and not any(isinstance(a, _Numbers) for a in arguments[1:]):
            params = eqn.params | ({"fill_value": NONE} if primitive == "gather" else {})
            return [_Numbers(np.asarray(eqn.primitive.bind(np.array(arguments[0].array), *arguments[1:], **params)))]
        return [_Numbers(np.full(shape, SEVERAL)) for shape in shapes]


_MOVING = {
    *("reshape", "squeeze", "expand_dims", "transpose", "rev", "slice", "broadcast_in_dim"),
    *("concatenate", "split", "stack", "tile"),
}
