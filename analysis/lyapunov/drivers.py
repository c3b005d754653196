"""The loops around steps of equal length with tangent vectors, compiled by numba (see `engine.driver`)."""

from __future__ import annotations

from math import sqrt

from ...engine.memory import Doubles, Integers, at, call


def rounds(
    advance: int,
    project: int,
    work: Doubles,
    field: Integers,
    width: int,
    size: int,
    parameters: int,
    state: Doubles,
    p: Doubles,
    members: int,
    origin: int,
    count: int,
    every: int,
) -> int:
    """Advance members by ``count`` times ``every`` steps from step ``origin`` on; project after each ``every``."""
    y, lane_p, index = at(work, field[0]), at(work, field[1]), at(work, field[2])
    for block in range(0, members, width):
        present = min(width, members - block)
        for lane in range(width):
            member = block + min(lane, present - 1)
            for j in range(size):
                y[j * width + lane] = state[member * size + j]
            for j in range(parameters):
                lane_p[j * width + lane] = p[member * parameters + j]
        index[0] = origin
        for _ in range(count):
            call(advance, work, work, 1, every)
            call(project, work, work, -1, 0)
        for lane in range(present):
            for j in range(size):
                state[(block + lane) * size + j] = y[j * width + lane]
    return 0


def vectors_in_lanes(
    base: int,
    tangent: int,
    work: Doubles,
    field: Integers,
    width: int,
    dimension: int,
    size: int,
    parameters: int,
    k: int,
    state: Doubles,
    p: Doubles,
    vectors: Doubles,
    origin: int,
    rounds: int,
    every: int,
    squares: Doubles,
    scratch: Doubles,
) -> int:
    """Advance one member and its ``k`` tangent vectors, one in each lane; the vectors are made orthonormal after each
    ``every`` steps, and the squares of their lengths noted."""
    y, shared, index, lanes = at(work, field[0]), at(work, field[1]), at(work, field[2]), at(work, field[3])
    for j in range(size):
        y[j] = state[j]
    for j in range(parameters):
        shared[j] = p[j]
    for i in range(dimension * width):
        lanes[i] = vectors[i]
    index[0] = origin
    for r in range(rounds):
        for _ in range(every):
            call(base, work, work, 1, 0)
            call(tangent, work, work, -1, 0)
            index[0] += 1.0
        for i in range(k):
            square = 0.0
            for j in range(dimension):
                square += lanes[j * width + i] * lanes[j * width + i]
            squares[r * k + i] = square
            scale = 1.0 / max(sqrt(square), 1e-300)
            for m in range(i + 1, width):
                scratch[m] = 0.0
            for j in range(dimension):
                row = at(lanes, j * width)
                part = row[i] * scale
                row[i] = part
                for m in range(i + 1, width):
                    scratch[m] += part * row[m]
            for j in range(dimension):
                row = at(lanes, j * width)
                part = row[i]
                for m in range(i + 1, width):
                    row[m] -= part * scratch[m]
    for j in range(size):
        state[j] = y[j]
    for i in range(dimension * width):
        vectors[i] = lanes[i]
    return 0
