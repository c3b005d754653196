"""The threads of OpenBLAS, which cost more than they gain where matrices are of moderate size."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the linear algebra of NumPy and SciPy run in the calling thread alone.

    Eigenvalues of a 400 x 400 matrix take a fifth of the time so, those of smaller ones on a busy machine a fiftieth.
    Does nothing where NumPy and SciPy bring other libraries than OpenBLAS. The number of threads is one for all
    callers, and comes back when the last of them leaves.
    """
    with _lock:
        if not _before:
            _before.append([(write, read()) for write, read in _libraries()])
            for write, _ in _before[0]:
                write(1)
        else:
            _before.append([])
    try:
        yield
    finally:
        with _lock:
            own = _before.pop()
            for write, count in own:
                write(count)


_lock = threading.Lock()
_before: list[list[tuple[Callable[[int], None], int]]] = []
"""For each caller within, what it has to put back: the first entered has all, the last to leave pops it."""


@cache
def _libraries() -> list[tuple[Callable[[int], None], Callable[[], int]]]:
    """How to write and read the number of threads of each library in the wheels of NumPy and SciPy."""
    found: list[tuple[Callable[[int], None], Callable[[], int]]] = []
    packages = Path(np.__file__).parents[1]
    for path in sorted(packages.glob("*.libs/*openblas*")):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for suffix in ("", "64_"):
            write, read = (
                getattr(library, f"scipy_openblas_{what}_num_threads{suffix}", None) for what in ("set", "get")
            )
            if write is not None and read is not None:
                found.append((write, read))
    return found
