"""Drivers: the loops around kernels, written in Python, compiled by numba, kept as machine code in the cache.

A driver is a function of a module of its own, whose parameters are annotated ``Doubles``, ``Integers`` (memory)
or ``int``, and which returns an ``int``. It works on bare memory through indexing, and calls kernels by
:func:`attrax.engine.memory.call`. It is compiled once, for all systems; numba is imported only if the cache does
not hold the machine code of this very source. Loops are vectorised, unless the module says ``VECTORISED = False``, as
where they are short.
"""

from __future__ import annotations

import ast
import ctypes
import importlib
import importlib.util
import inspect
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_type_hints

from . import cache as disk
from . import native


@disk.remembered
def driver(module: str, name: str) -> Callable[..., int]:
    """The compiled driver ``name`` of ``module``; its arguments are integers and contiguous arrays.

    Called with the GIL released. Arrays must be float64 for ``Doubles``, int64 for ``Integers``.
    """
    kernel, count = address(module, name)
    prototype = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * count)(kernel)

    def run(*arguments) -> int:
        return prototype(*(a if isinstance(a, int) else _address(a) for a in arguments))

    return run


@disk.remembered
def address(module: str, name: str) -> tuple[int, int]:
    """Address of the machine code of a driver, and its number of parameters."""
    key = "\n".join([native.identity(), version("numba"), Path(__file__).read_text(), name, *_sources(module).values()])
    symbol, _, code = disk.fetch("drivers", key, lambda: _compile(module, name)).partition(b"\n")
    return native.link(code, symbol.split()[0].decode()), int(symbol.split()[1])


def _address(array: Any) -> int:
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # four times as fast as the other way
    except (TypeError, ValueError):  # read-only, empty or not contiguous
        if not array.flags.c_contiguous:
            raise ValueError("a driver takes contiguous arrays") from None
        return array.ctypes.data


def _sources(module: str) -> dict[str, str]:
    """Source of a module and of the modules of this package that it imports."""
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    sources = {module: Path(spec.origin).read_text()}
    for statement in ast.walk(ast.parse(sources[module])):
        if isinstance(statement, ast.ImportFrom) and statement.level:
            sources |= _sources(
                importlib.util.resolve_name("." * statement.level + (statement.module or ""), spec.parent)
            )
    return sources


def _compile(module: str, name: str) -> bytes:
    """Machine code of a driver, after a line with the name of its C function and its number of parameters."""
    from numba import config, njit, types

    native.compilations += 1
    home = importlib.import_module(module)
    function = getattr(home, name)
    hints = get_type_hints(function)
    parameters = [types.int64 if hints[p] is int else hints[p] for p in inspect.signature(function).parameters]
    usual = config.OPT
    if not getattr(home, "VECTORISED", True):
        config.OPT = type(usual)(0)  # the passes of `compile_keeping` are enough, and take a third of the time
    try:
        compiled = njit(types.int64(*parameters), error_model="numpy")(function)
    finally:
        config.OPT = usual
    result = compiled.overloads[compiled.signatures[0]]
    symbol = result.fndesc.llvm_cfunc_wrapper_name
    code = native.compile_keeping(result.library.get_llvm_str(), symbol)
    return f"{symbol} {len(parameters)}\n".encode() + code
