"""Pseudo-arclength continuation of cycles, compiled by numba (see `engine.driver`): many points in one call.

The predictor-corrector of `pseudo_arclength.follow` with what `following.Cycles` does around it: metric, phase
condition, adaptive mesh. It stops wherever a point is not plainly there or something may happen, and leaves it to
`follow` to find out what.
"""

from __future__ import annotations

from math import fabs, isfinite, sqrt

from numba.extending import register_jitable

from ...engine.memory import Doubles, Integers, at
from ..continuation.steps import SHARPEST_TURN, factor
from .collocation_drivers import correct, triangular

factor = register_jitable(factor)
correct = register_jitable(correct)
triangular = register_jitable(triangular)


def cycles(
    kernel: int,
    work: Doubles,
    field: Integers,
    width: int,
    sizes: Integers,
    options: Doubles,
    basis: Doubles,
    closing: Doubles,
    u: Doubles,
    tangent: Doubles,
    mesh: Doubles,
    rows: Doubles,
    targets: Doubles,
    largest: Doubles,
    reference: Doubles,
    halves: Doubles,
    frame: Doubles,
    metric: Doubles,
    memory: Doubles,
    scratch: Doubles,
    out: Doubles,
    meshes: Doubles,
    flows: Doubles,
    products: Doubles,
) -> int:
    """Cycles from ``u`` with its ``tangent`` on, until there are as many as wanted or one is not plainly there.

    ``sizes``: intervals N, points of an interval m, dimension n, scalars b, phase conditions (0 or 1), points wanted,
    points so far, points between two adaptations of the mesh, fewest and most intervals, whether the mesh may not
    become coarser, most rounds for multipliers; then memory (N, n, rounds) for them. ``options``: tolerance and most
    iterations of Newton's method, length of the first step and of the longest, sign of the parameter's change and of
    the determinant, bounds of the parameter, shortest period, its multiples at which a closer look is needed (in any
    case, and where the parameter changes less than the next number), error that a mesh may have.

    ``mesh``, ``rows`` and ``targets`` (phase condition, then a free row), ``largest``, ``reference``, ``halves`` and
    ``frame`` are those of `Cycles` and change along. Every point is a row of ``out``: u, tangent, sizes of the states
    (n), residual, sign of the determinant, length of the step after it; of ``meshes``; of ``flows``; of ``products``
    (see `triangular`, logarithms last). ``metric`` holds 4 (U), ``scratch`` 2 + 2 (iterations + N n^2) + (N + 5) n^2 +
    2 U + 8 (N + 1) n numbers, for U unknowns. Returns how many points there are.
    """
    N, m, n, b, phases, wanted, steps = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6]
    every, least, most, steady = sizes[7], sizes[8], sizes[9], sizes[10]
    length, longest, shortest = options[2], options[3], options[8]
    inside = (N * m + 1) * n
    U = inside + b
    record, product_size = 2 * U + n + 3, 2 * n * n + n
    scale, typical, update = at(metric, 0), at(metric, U), at(metric, 2 * U)
    report = at(scratch, 0)
    factors = at(report, 2 * int(options[1]) + 4)
    rotations = at(factors, 2 * N * n * n)
    other = at(rotations, (N + 5) * n * n + 2 * n)
    further = at(other, U)
    fresh = at(further, U)
    row, target = at(rows, (b - 1) * U), b - 1
    _measure(N, m, n, b, basis, mesh, u, largest, options, scale, typical)
    for number in range(wanted):
        point, flow = at(out, number * record), at(flows, number * N * m * n)
        direction = at(point, U)
        targets[target] = 0.0
        for k in range(U):
            point[k] = u[k] + length * tangent[k]
            row[k] = tangent[k] / (scale[k] * scale[k])
            targets[target] += row[k] * point[k]
        effort = correct(
            *(kernel, work, field, width, sizes, mesh, basis, closing, point, rows, targets, typical, options),
            *(memory, flow, factors, update, report),
        )
        if effort <= 0 or (phases and not point[inside] > 0.0):
            return number
        _directed(U, tangent, scale, at(update, U), direction)
        leap = 0.0
        for k in range(U):
            leap = max(leap, fabs(point[k] - u[k] - length * tangent[k]) / scale[k])
        if leap > max(length, 1e-6) or not _cosine(U, tangent, direction, scale) >= SHARPEST_TURN:
            return number
        # what needs a closer look: a fold, a branch point, a bound, a long period
        value, sign = point[U - 1], report[0]
        if direction[b + inside - 1] * options[4] <= 0.0:
            return number
        if _against(U, at(update, U), direction):
            sign = -sign
        if sign * options[5] <= 0.0 or not options[6] <= value <= options[7]:
            return number
        if phases:
            period = point[inside]
            still = fabs(value - u[U - 1]) < options[11]
            if period >= options[9] * shortest or (period > options[10] * shortest and still):
                return number
            shortest = min(shortest, period)
        _halves(N, m, n, mesh, point, fresh)
        if steps > 1 and _collapsed(N, m, n, basis, mesh, reference, point, halves, fresh, largest):
            return number
        product = at(products, number * product_size)
        if triangular(at_integers(sizes), factors, frame, rotations, product, at(product, 2 * n * n)) == 0:
            return number
        if not _grown(N, m, n, point, largest) > 1e-6:
            return number
        # the point is there
        steps += 1
        _measure(N, m, n, b, basis, mesh, point, largest, options, scale, typical)
        length = min(length * factor(effort, _cosine(U, tangent, direction, scale)), longest)
        for k in range(U):
            u[k], tangent[k] = point[k], direction[k]
        for s in range(n):
            point[2 * U + s] = largest[s]
        point[2 * U + n] = _residual(N * m * n, effort, report, flow)
        point[2 * U + n + 1], point[2 * U + n + 2] = sign, length
        for i in range(N + 1):
            meshes[number * (N + 1) + i] = mesh[i]
        if number == wanted - 1:
            return wanted
        # the next mesh, the next reference
        if steps % every == 0:
            count = fit(N, m, n, 1, least, most, options[12], basis, mesh, u, further)
            if not (0.6 * N < count < 1.25 * N or (steady and count < N)):
                return number + 1
            refill(N, N, mesh, further, fresh)
            _move(N, m, n, mesh, fresh, u, other)
            _move(N, m, n, mesh, fresh, tangent, further)
            for k in range(inside):
                u[k], tangent[k] = other[k], further[k]
            for i in range(N + 1):
                mesh[i] = fresh[i]
            _slope(N, m, n, basis, mesh, u, further)
            _halves(N, m, n, mesh, u, fresh)
            _grown(N, m, n, u, largest)
            _measure(N, m, n, b, basis, mesh, u, largest, options, scale, typical)
            _unit(U, tangent, scale)
            if phases:
                targets[0] = _phase_condition(N, m, n, basis, mesh, further, u, rows)
        elif phases:
            targets[0] = _phase_condition(N, m, n, basis, mesh, flow, u, rows)
        for k in range(inside):
            reference[k] = u[k]
        for k in range((N + 1) * n):
            halves[k] = fresh[k]
    return wanted
