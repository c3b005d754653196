"""Arrays on their way through the array lowering, and what is to be done with them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

FIXED = -(10**6)
"""Stage of what depends on fixed inputs alone; it is computed once."""


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
class Store:
    value: Value
    target: View


@dataclass(frozen=True)
class Reduction:
    value: Value
    kind: str
    axes: tuple[int, ...]
    target: View


@dataclass(frozen=True)
class Segments:
    value: Value
    rows: str
    index: str
    target: View


Action = Store | Reduction | Segments
