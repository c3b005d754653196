"""Numbers that the drivers of array programs and their callers agree on."""

from __future__ import annotations

KIND, LENGTH, KERNEL, GROUP, ROWS, AXES, LINES, COUNT, CHUNK, CHUNKS, ACCESSES, PARTIAL, STRIDE, COLUMNS = range(14)
SHARED, MEET, HEAD = range(14, 17)
"""Length of the beginning of an operation on a tape."""

TAPE, SECTIONS, BASES, TABLE, THREAD, THREADS, GATE, PAUSE = range(8)
PLAYER = 8
"""Length of what a thread needs to play a tape."""

MEMBERS = 4
"""Vectors that a matrix is multiplied with together."""
