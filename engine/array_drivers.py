"""The loops around the kernels of array programs, compiled by numba (see :mod:`attrax.engine.driver`).

Several threads run the same driver, each with its own number; they share the work of an operation by whole units,
rows or chunks, so that results do not depend on how many there are, and wait for each other after every stage.
"""

from __future__ import annotations

from numba.extending import register_jitable

from .array_fields import (
    ACCESSES,
    AXES,
    BASES,
    CHUNK,
    CHUNKS,
    COLUMNS,
    COUNT,
    GATE,
    GROUP,
    HEAD,
    KERNEL,
    KIND,
    LENGTH,
    LINES,
    MEET,
    MEMBERS,
    PARTIAL,
    PAUSE,
    ROWS,
    SECTIONS,
    SHARED,
    STRIDE,
    TABLE,
    TAPE,
    THREAD,
    THREADS,
)
from .memory import Integers, at, call, doubles, integers
from .threads import add, get, rest


def play(player: Integers, members: Integers, section: int, count: int) -> int:
    """Play a section of a tape for ``count`` members."""
    tape, sections, bases = integers(player[TAPE]), integers(player[SECTIONS]), integers(player[BASES])
    table, thread, threads = integers(player[TABLE]), player[THREAD], player[THREADS]
    place, end = sections[2 * section], sections[2 * section + 1]
    while place < end:
        op = at(tape, place)
        if op[SHARED] != 0:
            _operate(op, bases, members, count, table, player[TABLE], thread, threads)
        elif thread == 0:
            _operate(op, bases, members, count, table, player[TABLE], 0, 1)
        if op[MEET] != 0:
            meet(player)
        place += op[LENGTH]
    return 0


def once(play: int, player: Integers, members: Integers, section: int, count: int) -> int:
    """Play a section of a tape, once."""
    return call(play, player, members, section, count)


@register_jitable
def meet(player):
    """Wait until all threads are here."""
    threads = player[THREADS]
    if threads == 1:
        return
    gate = integers(player[GATE])
    phase = get(at(gate, 8))
    if add(gate, 1) + 1 == threads:
        add(gate, -threads)
        add(at(gate, 8), 1)
        return
    waited = 0
    while get(at(gate, 8)) == phase:
        waited += 1
        if waited > 20_000:  # other work may need the core
            rest(player[PAUSE])


@register_jitable
def _operate(op, bases, members, count, table, table_address, thread, threads):
    if op[KIND] == 0:
        _loop(op, bases, members, count, table, table_address, thread, threads)
    else:
        _product(op, bases, members, count, table, table_address, thread, threads)


@register_jitable
def _loop(op, bases, members, count, table, table_address, thread, threads):
    axes, chunk, chunks, accesses, partial = op[AXES], op[CHUNK], op[CHUNKS], op[ACCESSES], op[PARTIAL]
    units = op[LINES] * chunks
    shape, access = at(op, HEAD), at(op, HEAD + axes)
    begin, end = units * thread // threads, units * (thread + 1) // threads
    rows = doubles(bases[2 * op[ROWS]] if op[ROWS] >= 0 else 0)
    for k in range(count):
        member = members[k]
        for unit in range(begin, end):
            line, part = unit // chunks, unit % chunks
            for a in range(accesses):
                one = at(access, a * (2 + axes))
                buffer = one[0]
                address = bases[2 * buffer] + member * bases[2 * buffer + 1] + one[1]
                left = line
                for axis in range(axes - 1, -1, -1):
                    address += left % shape[axis] * one[2 + axis]
                    left //= shape[axis]
                if a >= accesses - partial:
                    address += 8 * part
                table[a] = address
            call(op[KERNEL], doubles(table_address), rows, part * chunk, min((part + 1) * chunk, op[COUNT]))


@register_jitable
def _product(op, bases, members, count, table, table_address, thread, threads):
    chunk = op[CHUNK]
    begin, end = op[CHUNKS] * thread // threads, op[CHUNKS] * (thread + 1) // threads
    vectors = op[LINES]
    access = at(op, HEAD + op[AXES])
    size = 2 + op[AXES]
    matrix, given, result = at(access, 0), at(access, size), at(access, 2 * size)
    shared = bases[2 * matrix[0] + 1] == 0
    table[1], table[2] = op[STRIDE], op[COLUMNS]
    total = count * vectors
    for unit in range(begin, end):
        first, last = unit * chunk, min((unit + 1) * chunk, op[COUNT])
        k = 0
        while k < total:
            together = MEMBERS if shared and k + MEMBERS <= total else 1
            table[0] = bases[2 * matrix[0]] + matrix[1] + members[k // vectors] * bases[2 * matrix[0] + 1]
            for j in range(together):
                member, vector = members[(k + j) // vectors], (k + j) % vectors
                address = bases[2 * given[0]] + given[1] + member * bases[2 * given[0] + 1]
                target = bases[2 * result[0]] + result[1] + member * bases[2 * result[0] + 1]
                if size > 2:
                    address += vector * given[2]
                    target += vector * result[2]
                table[3 + j], table[3 + together + j] = address, target
            kernel = op[GROUP] if together > 1 else op[KERNEL]
            call(kernel, doubles(table_address), doubles(0), first, last)
            k += together
