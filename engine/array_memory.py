"""Array programs as tapes that a compiled driver plays, and the memory that they work on."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from . import cache, loops
from .array_fields import CHUNK, HEAD, LENGTH, MEET
from .arrays import Operation, Stages
from .driver import address, driver

DRIVERS = "attrax.engine.array_drivers"


class Tape:
    """Operations of several sections as the integers that drivers read, with their kernels compiled.

    Attributes
    ----------
    code : ndarray
    sections : dict of str to (int, int)
        Where each section begins and ends in the code; ``places`` has the same as an array.
    together : dict of str to bool
        Whether threads share the work of a section; the others are played by the first one alone.
    buffers : tuple of str
        All buffers, in the order of their numbers.
    used : dict of str to frozenset
        Buffers that each section reads or writes.
    entries : int
        Number of entries of the table of a kernel.
    """

    def __init__(self, sections: Mapping[str, Stages]):
        operations = [o for stages in sections.values() for stage in stages for o in stage]
        kernels: dict[loops.Kernel, str] = {}
        for o in operations:
            kernels.setdefault(o.kernel, f"k{len(kernels)}")
            if isinstance(o.kernel, loops.Product):
                kernels.setdefault(loops.Product(loops.MEMBERS, o.kernel.narrow), f"k{len(kernels)}")
        found = loops.load({name: kernel for kernel, name in kernels.items()})
        addresses = {kernel: found[name] for kernel, name in kernels.items()}
        used = (n for o in operations for n in (*(a.buffer for a in o.accesses), o.rows) if n)
        names = dict.fromkeys(("y", "new", *used))  # those two change places, also where the state is not read
        self.buffers = tuple(names)
        self._numbers = {name: k for k, name in enumerate(self.buffers)}
        self.entries = 16 + max((len(o.accesses) for o in operations), default=0)
        self.used = {
            name: frozenset(a.buffer for stage in stages for o in stage for a in o.accesses)
            for name, stages in sections.items()
        }
        self.work = {name: sum(o.work for stage in stages for o in stage) for name, stages in sections.items()}
        code: list[int] = []
        self.sections = {}
        self.together = {}
        for name, stages in sections.items():
            first = len(code)
            together = [any(o.shared for o in stage) for stage in stages]
            self.together[name] = any(together)
            if any(together):  # nothing to do but to meet
                code += [HEAD if k in (LENGTH, CHUNK) else int(k == MEET) for k in range(HEAD)]
            for k, stage in enumerate(stages):
                meet = together[k] or any(together[k + 1 : k + 2]) or (any(together) and k == len(stages) - 1)
                for number, o in enumerate(stage):
                    code += self._encoded(o, addresses, meet and number == len(stage) - 1)
            self.sections[name] = (first, len(code))
        self.code = np.array(code or [0], dtype=np.int64)
        self.places = np.array([place for both in self.sections.values() for place in both])

    def _encoded(self, o: Operation, addresses: Mapping[loops.Kernel, int], meet: bool) -> list[int]:
        product = isinstance(o.kernel, loops.Product)
        group = addresses[loops.Product(loops.MEMBERS, o.kernel.narrow)] if isinstance(o.kernel, loops.Product) else 0
        body = list(o.shape)
        for a in o.accesses:
            body += [self._numbers[a.buffer], a.offset, *a.strides]
        head = [int(product), HEAD + len(body), addresses[o.kernel], group]
        head += [self._numbers[o.rows] if o.rows else -1, len(o.shape), math.prod(o.shape)]
        head += [
            o.count,
            o.chunk,
            -(-o.count // o.chunk),
            len(o.accesses),
            o.partial,
            *o.matrix,
            int(o.shared),
            int(meet),
        ]
        return head + body

    def number(self, buffer: str) -> int:
        """The number of a buffer; that of one that is not used is one too many."""
        return self._numbers.get(buffer, len(self.buffers))


class Memory:
    """Where the buffers of a tape lie, for a number of members.

    Buffers are arrays whose first axis are the members, or arrays that all members share.
    """

    def __init__(self, tape: Tape, members: int):
        self.tape, self.members = tape, members
        self.bases = np.zeros(2 * (len(tape.buffers) + 1), dtype=np.int64)
        self.arrays: dict[str, np.ndarray] = {}

    def put(self, buffer: str, array: np.ndarray, *, shared: bool = False) -> np.ndarray:
        """Let a buffer lie in an array; with a stride of 0 along the members they share it, too."""
        if not array[0:1].flags.c_contiguous if not shared else not array.flags.c_contiguous:
            raise ValueError(f"buffer {buffer!r} must be contiguous for each member")
        self.arrays[buffer] = array
        k = self.tape.number(buffer)
        self.bases[2 * k] = array.ctypes.data
        self.bases[2 * k + 1] = 0 if shared or self.members == 1 else array.strides[0]
        return array

    def shares(self, buffer: str) -> bool:
        """Whether all members have a buffer in common."""
        return self.bases[2 * self.tape.number(buffer) + 1] == 0

    def new(self, buffer: str, size: int) -> np.ndarray:
        """Let a buffer lie in new memory ``(members, size)``."""
        return self.put(buffer, aligned(self.members, size))


def aligned(members: int, size: int) -> np.ndarray:
    """An array ``(members, size)`` of which each row begins at a multiple of 64 bytes."""
    row = -(-size // 8) * 8
    raw = np.zeros(members * row + 8)
    start = (-raw.ctypes.data % 64) // 8
    return raw[start : start + members * row].reshape(members, row)[:, :size]


class Team:
    """Threads that play a tape together."""

    def __init__(self, threads: int = 1):
        self.threads = threads
        self._gate = np.zeros(16, dtype=np.int64)
        self._memory: Memory | None = None
        self._players: list[tuple[np.ndarray, np.ndarray]] = []
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None

    def run(self, module: str, name: str, memory: Memory, *arguments: Any) -> int:
        """Call a driver in all threads; its first two arguments are the function that plays, and its player."""
        function, (play, _) = driver(module, name), address(DRIVERS, "play")

        if self._memory is not memory:
            self._memory, self._players = memory, [self._player(memory, k) for k in range(self.threads)]

        def one(thread: int) -> int:
            return function(play, self._players[thread][0], *arguments)

        if self._pool is None:
            return one(0)
        others = [self._pool.submit(one, k) for k in range(1, self.threads)]
        result = one(0)
        for other in others:
            other.result()
        return result

    def _player(self, memory: Memory, thread: int) -> tuple[np.ndarray, np.ndarray]:
        """What a thread needs to play, and the table to which it points."""
        tape, table = memory.tape, np.zeros(memory.tape.entries, dtype=np.int64)
        arrays = [a.ctypes.data for a in (tape.code, tape.places, memory.bases, table)]
        player = [*arrays, thread, self.threads, self._gate.ctypes.data, _pause()]
        return np.array(player, dtype=np.int64), table

    def play(self, memory: Memory, section: str, members: Sequence[int] | np.ndarray | None = None) -> None:
        """Play a section of a tape for some members, or for all; once, if it concerns only what they share."""
        if members is None:
            members = np.arange(1 if all(map(memory.shares, memory.tape.used[section])) else memory.members)
        listed = np.asarray(members, dtype=np.int64)
        number = list(memory.tape.sections).index(section)
        self.run(DRIVERS, "once", memory, listed, number, len(listed))


@cache.remembered
def _pause() -> int:
    """Address of the C function that sleeps for a number of microseconds, or 0."""
    try:
        if sys.platform == "win32":
            function = ctypes.windll.kernel32.SwitchToThread
        else:
            function = ctypes.CDLL(None).usleep
    except (AttributeError, OSError):
        return 0
    return ctypes.cast(function, ctypes.c_void_p).value or 0
