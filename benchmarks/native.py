"""C++ built on the fly with the machine's own compiler, kept in a cache folder, called through ctypes."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

SOURCES = Path(__file__).parent / "cpp"
FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC")
FURTHER = {"attractors": ("-fno-math-errno", "-fno-trapping-math")}
"""Flags of single libraries, without which square roots would not be taken in lanes."""


@cache
def library(name: str) -> ctypes.CDLL:
    """The shared library of ``cpp/<name>.cpp``; ModuleNotFoundError without g++ or a header that it needs."""
    source = SOURCES / f"{name}.cpp"
    text = b"".join(path.read_bytes() for path in (source, *sorted(SOURCES.glob("*.hpp"))))
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "attrax-benchmarks"
    flags = FLAGS + FURTHER.get(name, ())
    key = hashlib.sha256(text + _compiler() + repr(flags).encode()).hexdigest()[:16]
    target = folder / f"{name}-{key}.so"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            built = Path(scratch) / target.name
            command = ["g++", *flags, str(source), "-o", str(built)]
            done = subprocess.run(command, capture_output=True, text=True)
            if "No such file or directory" in done.stderr:
                raise ModuleNotFoundError(done.stderr, name=f"a header of {name}.cpp (libboost-dev)")
            if done.returncode:
                raise RuntimeError(done.stderr)
            built.replace(target)
    return ctypes.CDLL(str(target))


@cache
def _compiler() -> bytes:
    """What names the compiler and the processor that -march=native means."""
    try:
        target = subprocess.run(["g++", "-march=native", "-Q", "--help=target"], capture_output=True).stdout
        return subprocess.run(["g++", "--version"], capture_output=True).stdout + target
    except FileNotFoundError:
        raise ModuleNotFoundError("g++", name="g++") from None


def call(function: Any, *arguments: Any) -> Any:
    """Call a C function with arrays of doubles, Python integers (int64) and floats (double)."""
    return function(*(_argument(a) for a in arguments))


def _argument(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        assert value.dtype == np.float64 and value.flags.c_contiguous
        return ctypes.c_void_p(value.ctypes.data)
    return ctypes.c_int64(value) if isinstance(value, int) else ctypes.c_double(value)
