"""Array programs: loops over arrays and products with matrices, what large systems become before machine code.

Operations are sorted into *stages*; those of one stage do not depend on each other, and threads may share the work of
each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from . import loops
from .program import Builder, Program

SHARED = 50_000
"""Numbers read by an operation from which on threads share its work."""

CHUNK = 1024
"""Elements of a loop that are one unit of work, and one partial sum of a long sum."""


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
        """About how many numbers it reads; segments count as a hundred."""
        each = 100 if self.rows else max(1, self.matrix[1])
        return math.prod(self.shape) * self.count * each

    @property
    def shared(self) -> bool:
        """Whether threads share its work."""
        return self.work >= SHARED


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
    fixed : tuple of str
        Temporaries that depend on fixed inputs alone.
    setup, stages : tuple of tuples of Operation
        What depends on fixed inputs alone, and the rest.
    """

    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    temporaries: dict[str, int]
    constants: dict[str, np.ndarray]
    fixed: tuple[str, ...]
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
