"""Programs evaluated at many points at once, as machine code."""

from __future__ import annotations

import numpy as np

from . import cache
from .driver import driver
from .native import Straight, Workspace, aligned, load
from .program import BOOL, FLOAT, INT, Builder, Program

WIDTH = 8


def evaluate(program: Program, **blocks) -> dict[str, np.ndarray]:
    """Values of the output blocks of ``program``, each of shape ``(size, points)``.

    An input block of shape ``(size, points)`` has a column for each point (any strides); one of shape ``(size,)`` is
    shared by all.

    >>> evaluate(lorenz.program("jacobian"), t=[0.0], y=states.T, p=lorenz.parameter_vector)   # doctest: +SKIP
    """
    return _evaluator(program)(blocks)


class _Evaluator:
    def __init__(self, program: Program):
        self.program = program
        workspace = Workspace(WIDTH).lanes(**{f"in {k}": v for k, v in program.inputs.items()})
        workspace.lanes(**{f"out {k}": len(v) for k, v in program.outputs.items()})
        builder = Builder()
        bound = {k: builder.input(f"in {k}", v) for k, v in program.inputs.items()}
        convert = {FLOAT: lambda v: v, INT: builder.to_float, BOOL: builder.bool_to_float}
        results = {
            f"out {k}": [convert[builder.type(v)](v) for v in ids] for k, ids in builder.inline(program, bound).items()
        }
        self.kernel = load({"evaluate": Straight(builder.program(results))}, workspace)["evaluate"]
        self.size = workspace.size

        def rows(prefix: str) -> np.ndarray:
            found = [
                start + WIDTH * k
                for name, (start, size, _) in workspace.fields.items()
                if name.startswith(prefix)
                for k in range(size)
            ]
            return np.array(found, dtype=np.int64)

        self.places, self.results = rows("in "), rows("out ")

    def __call__(self, blocks: dict) -> dict[str, np.ndarray]:
        arrays = [np.asarray(blocks[name], dtype=np.float64) for name in self.program.inputs]
        arrays = [a[:, None] if a.ndim == 1 else a for a in arrays]
        count = max((a.shape[1] for a in arrays), default=1)
        addresses, strides = [], []
        for array, size in zip(arrays, self.program.inputs.values(), strict=True):
            if array.shape not in ((size, 1), (size, count)):
                raise ValueError(f"expected a block of shape ({size},) or ({size}, {count}), not {array.shape}")
            first, step = array.ctypes.data, array.strides[0]
            addresses += [first + k * step for k in range(size)]
            strides += [array.strides[1] // 8 if array.shape[1] > 1 else 0] * size
        out = np.empty((count, len(self.results)))
        driver("attrax.engine.columns", "columns")(
            *(self.kernel, aligned(self.size), WIDTH),
            *(len(self.places), self.places, np.array(addresses, dtype=np.int64), np.array(strides, dtype=np.int64)),
            *(len(self.results), self.results, out, count),
        )
        blocks, start = {}, 0
        for name, ids in self.program.outputs.items():
            blocks[name] = out[:, start : start + len(ids)].T
            start += len(ids)
        return blocks


_evaluator = cache.remembered(_Evaluator)
