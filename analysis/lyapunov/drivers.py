"""The loops around steps of equal length with tangent vectors, compiled by numba (see `engine.driver`)."""

from __future__ import annotations

from math import sqrt

from numba.extending import register_jitable

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
    rest: int,
    points: int,
    dimension: int,
    first: int,
    sums: int,
    grown: Doubles,
    reached: Integers,
) -> int:
    """Advance members by ``count`` times ``every`` steps and ``rest`` from step ``origin`` on; project after each.

    They do so as many times as there are ``points``, after each of which the ``sums`` in their states from number
    ``first`` on go to ``grown[member, point]`` and begin anew; ``reached`` counts the points up to which the first
    ``dimension`` components are finite. Without ``points``, they do so once.
    """
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
        for point in range(max(points, 1)):
            for _ in range(count):
                call(advance, work, work, 1, every)
                call(project, work, work, -1, 0)
            if rest > 0:
                call(advance, work, work, 1, rest)
                call(project, work, work, -1, 0)
            for lane in range(present if points > 0 else 0):
                for j in range(sums):
                    grown[((block + lane) * points + point) * sums + j] = y[(first + j) * width + lane]
                    y[(first + j) * width + lane] = 0.0
                off = 0.0
                for j in range(dimension):
                    off += y[j * width + lane] - y[j * width + lane]
                if off == 0.0 and reached[block + lane] == point:
                    reached[block + lane] = point + 1
        for lane in range(present):
            for j in range(size):
                state[(block + lane) * size + j] = y[j * width + lane]
    return 0


def vectors_in_lanes(
    kernels: Integers,
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
    points: int,
    steps: int,
    every: int,
    squares: Doubles,
    further: Doubles,
) -> int:
    """Advance one member and its ``k`` tangent vectors, one in each lane, by ``steps`` steps to each of the points.

    The vectors are made orthonormal after each ``every`` steps and at the points, and the squares of their lengths
    noted. The component of the state after the first ``dimension`` goes to ``further[point]`` and begins anew. Returns
    the number of points up to which the state is finite.
    """
    y, shared, index, lanes = at(work, field[0]), at(work, field[1]), at(work, field[2]), at(work, field[3])
    for j in range(size):
        y[j] = state[j]
    for j in range(parameters):
        shared[j] = p[j]
    for i in range(dimension * width):
        lanes[i] = vectors[i]
    index[0] = origin
    found, reached = 0, 0
    while reached < points:
        left = steps
        while left > 0:
            here = min(left, every)
            for _ in range(here):
                call(kernels[0], work, work, 1, 0)
                call(kernels[1], work, work, -1, 0)
                index[0] += 1.0
            left -= here
            _orthonormal(kernels, work, field, width, dimension, k, at(squares, found))
            found += k
        off = 0.0
        for j in range(dimension):
            off += y[j] - y[j]
        if off != 0.0:
            break
        for j in range(dimension, size):
            further[reached] = y[j]
            y[j] = 0.0
        reached += 1
    for j in range(size):
        state[j] = y[j]
    for i in range(dimension * width):
        vectors[i] = lanes[i]
    return reached


@register_jitable
def _orthonormal(kernels, work, field, width, dimension, k, squares):
    """Modified Gram-Schmidt; the squares of the lengths that it finds."""
    lanes, direction, inverse = at(work, field[3]), at(work, field[4]), at(work, field[5])
    overlap, scale = at(work, field[6]), at(work, field[7])
    for i in range(k):
        for j in range(dimension):
            direction[j] = lanes[j * width + i]
        first = i - i % 8
        call(kernels[2], work, work, -1 << first, 0)
        squares[i] = overlap[i]
        inverse[0] = 1.0 / max(overlap[i], 1e-300)
        scale[i] = sqrt(inverse[0])
        for m in range(first, i + 1):
            overlap[m] = 0.0
        call(kernels[3], work, work, -1 << first, 0)
    for j in range(dimension):
        row = at(lanes, j * width)
        for m in range(width):
            row[m] *= scale[m]
