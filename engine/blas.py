"""The threads of OpenBLAS, which cost more than they gain where matrices are of moderate size."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the linear algebra of NumPy and SciPy run in the calling thread alone.

    Eigenvalues of a 400 x 400 matrix take a fifth of the time so, those of smaller ones on a busy machine a fiftieth.
    Does nothing where NumPy and SciPy bring other libraries than OpenBLAS.
    """
    before = [(write, read()) for write, read in _libraries()]
    try:
        for write, _ in before:
            write(1)
        yield
    finally:
        for write, count in before:
            write(count)


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
