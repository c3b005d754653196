"""The loop around steps of equal length with tangent vectors, compiled by numba (see `engine.driver`)."""

from __future__ import annotations

from ..engine.memory import Doubles, Integers, at, call


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
    """Advance members by ``count`` times ``every`` steps from step ``origin`` on, with a projection after each ``every``."""
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
