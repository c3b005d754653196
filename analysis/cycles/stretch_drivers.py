"""Pseudo-arclength continuation of cycles, compiled by numba (see `engine.driver`): many points in one call.

The predictor-corrector of `pseudo_arclength.follow` with what `following.Cycles` does around it: metric, phase
condition, adaptive mesh. It stops wherever a point is not plainly there or something may happen, and leaves it to
`follow` to find out what.
"""

from __future__ import annotations

from math import fabs, sqrt

from numba.extending import register_jitable

from ...engine.memory import Doubles, Integers, at
from ..continuation.steps import SHARPEST_TURN, factor
from .collocation_drivers import correct
from .floquet_drivers import triangular
from .mesh_drivers import half_way, move, refill, spread

VECTORISED = False

factor = register_jitable(factor)
correct = register_jitable(correct)
triangular = register_jitable(triangular)


def cycles(
    kernel: int,
    work: Doubles,
    field: Integers,
    sizes: Integers,
    turns: Integers,
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
    become coarser; ``turns``: N, n, most rounds for multipliers. ``options``: tolerance and most
    iterations of Newton's method, length of the first step and of the longest, sign of the parameter's change and of
    the determinant, bounds of the parameter, shortest period, its multiples at which a closer look is needed (in any
    case, and where the parameter changes less than the next number), error that a mesh may have,
    range of the parameter.

    ``mesh``, ``rows`` and ``targets`` (phase condition, then a free row), ``largest``, ``reference``, ``halves`` and
    ``frame`` are those of `Cycles` and change along. Every point is a row of ``out``: intervals, residual, sign of the
    determinant, length of the step after it, sizes of the states (n), scalars (b), u, tangent; of ``meshes``; of
    ``flows``; of ``products`` (see `triangular`, logarithms last). All have room for the largest number of intervals M
    and of unknowns U that go with it; ``metric`` has 4 U numbers, ``scratch`` 2 (iterations + 2) + (3 M + 5) n^2 + 7 n
    + 3 U. Returns how many points there are.
    """
    N, m, n, b, phases, wanted, steps = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6]
    every, least, most, steady = sizes[7], sizes[8], sizes[9], sizes[10]
    length, longest, shortest = options[2], options[3], options[8]
    inside = (N * m + 1) * n
    U, room = inside + b, (most * m + 1) * n + b
    before, product_size = 4 + n + b, 2 * n * n + n
    scale, typical, update = at(metric, 0), at(metric, room), at(metric, 2 * room)
    report = at(scratch, 0)
    factors = at(report, 2 * int(options[1]) + 4)
    rotations = at(factors, 2 * most * n * n)
    other = at(rotations, (most + 5) * n * n + 7 * n)
    further = at(other, room)
    fresh = at(further, room)
    _measure(N, m, n, b, basis, mesh, u, largest, options[13], scale, typical)
    for number in range(wanted):
        known, flow = at(out, number * (before + 2 * room)), at(flows, number * most * m * n)
        point, direction, row = at(known, before), at(known, before + room), at(rows, (b - 1) * U)
        for k in range(2 * int(options[1]) + 4):
            report[k] = 0.0
        targets[b - 1] = 0.0
        for k in range(U):
            point[k] = u[k] + length * tangent[k]
            row[k] = tangent[k] / (scale[k] * scale[k])
            targets[b - 1] += row[k] * point[k]
        effort = correct(
            *(kernel, work, field, sizes, mesh, basis, closing, point, rows, targets, typical, options),
            *(memory, flow, factors, update, report),
        )
        if effort <= 0 or (phases and not point[inside] > 0.0):
            return number
        sign = report[0] * _directed(U, tangent, scale, at(update, U), direction)
        leap = 0.0
        for k in range(U):
            leap = max(leap, fabs(point[k] - u[k] - length * tangent[k]) / scale[k])
        if leap > max(length, 1e-6) or not _cosine(U, tangent, direction, scale) >= SHARPEST_TURN:
            return number
        # what needs a closer look: a fold, a branch point, a bound, a long period
        value = point[U - 1]
        if direction[U - 1] * options[4] <= 0.0 or sign * options[5] <= 0.0 or not options[6] <= value <= options[7]:
            return number
        if phases:
            period = point[inside]
            still = fabs(value - u[U - 1]) < options[11]
            if period >= options[9] * shortest or (period > options[10] * shortest and still):
                return number
            shortest = min(shortest, period)
        half_way(N, m, n, basis, mesh, point, fresh)
        if steps > 1 and _collapsed(N, m, n, basis, mesh, reference, point, halves, fresh, largest):
            return number
        product = at(products, number * product_size)
        if triangular(turns, factors, frame, rotations, product, at(product, 2 * n * n)) == 0:
            return number
        if not _grown(N, m, n, point, largest) > 1e-6:
            return number
        # the point is there
        steps += 1
        _measure(N, m, n, b, basis, mesh, point, largest, options[13], scale, typical)
        length = min(length * factor(effort, _cosine(U, tangent, direction, scale)), longest)
        for k in range(U):
            u[k], tangent[k] = point[k], direction[k]
        known[0], known[1], known[2], known[3] = N, _residual(N * m * n, effort, report, flow), sign, length
        for s in range(n):
            known[4 + s] = largest[s]
        for k in range(b):
            known[4 + n + k] = u[inside + k]
        for i in range(N + 1):
            meshes[number * (most + 1) + i] = mesh[i]
        if number == wanted - 1:
            return wanted
        # the next mesh, the next reference
        if steps % every == 0:
            count = spread(N, m, n, 1, least, most, options[12], basis, mesh, u, further)
            if 0.6 * N < count < 1.25 * N or (steady and count < N):
                count = N
            refill(N, count, mesh, further, fresh)
            move(N, m, n, basis, mesh, u, count, fresh, other)
            move(N, m, n, basis, mesh, tangent, count, fresh, further)
            for k in range(b):
                other[(count * m + 1) * n + k], further[(count * m + 1) * n + k] = u[inside + k], tangent[inside + k]
            N = sizes[0] = turns[0] = count
            inside = (N * m + 1) * n
            U = inside + b
            for k in range(U):
                u[k], tangent[k], rows[k] = other[k], further[k], 0.0
            for i in range(N + 1):
                mesh[i] = fresh[i]
            _slope(N, m, n, basis, mesh, u, further)
            half_way(N, m, n, basis, mesh, u, fresh)
            _grown(N, m, n, u, largest)
            _measure(N, m, n, b, basis, mesh, u, largest, options[13], scale, typical)
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


# -- inside -------------------------------------------------------------------------------------------------


@register_jitable
def _grown(N, m, n, profile, largest):
    """Make the sizes of the states so far (n) those of a profile where these are larger; the largest of these."""
    most = 0.0
    for turn in range(2):
        for s in range(n):
            low = top = profile[s]
            for node in range(1, N * m + 1):
                low, top = min(low, profile[node * n + s]), max(top, profile[node * n + s])
            size = max(top - low, max(fabs(low), fabs(top)))
            if turn == 0:
                most = max(most, size)
            else:
                largest[s] = max(largest[s], max(size, 1e-2 * most))
    return most


@register_jitable
def _measure(N, m, n, b, basis, mesh, u, largest, width, scale, typical):
    """Scale of the unknowns, and their typical sizes."""
    inside = (N * m + 1) * n
    for node in range(N * m + 1):
        weight = sqrt(_node_weight(N, m, basis, mesh, node) / n)
        for s in range(n):
            typical[node * n + s] = largest[s]
            scale[node * n + s] = largest[s] / weight
    for k in range(b):
        scale[inside + k] = typical[inside + k] = width if k == b - 1 else max(fabs(u[inside + k]), 1e-3)


@register_jitable
def _node_weight(N, m, basis, mesh, node):
    """Of an integral from values at the nodes."""
    integrals = at(basis, 2 * m * (m + 1) + 2 * m)
    i, k = node // m, node % m
    weight = 0.0
    if i < N:
        weight += (mesh[i + 1] - mesh[i]) * integrals[k]
    if k == 0 and i > 0:
        weight += (mesh[i] - mesh[i - 1]) * integrals[m]
    return weight


@register_jitable
def _directed(U, tangent, scale, found, direction):
    """A solution of the linear equations as a unit tangent near another one; -1 if it was turned round, else 1."""
    product = square = 0.0
    for k in range(U):
        product += found[k] * tangent[k] / (scale[k] * scale[k])
        square += (found[k] / scale[k]) ** 2
    sign = 1.0 if product >= 0.0 else -1.0
    for k in range(U):
        direction[k] = found[k] * (sign / sqrt(square))
    return sign


@register_jitable
def _unit(U, tangent, scale):
    square = 0.0
    for k in range(U):
        square += (tangent[k] / scale[k]) ** 2
    for k in range(U):
        tangent[k] /= sqrt(square)


@register_jitable
def _cosine(U, a, b, scale):
    """Of the angle between two directions."""
    product = first = second = 0.0
    for k in range(U):
        x, y = a[k] / scale[k], b[k] / scale[k]
        product += x * y
        first += x * x
        second += y * y
    return product / sqrt(first * second)


@register_jitable
def _collapsed(N, m, n, basis, mesh, reference, profile, halves, fresh, largest):
    """Whether the cycle has shrunk to a point (or a doubled one to half its period) and grown again."""
    whole = doubled = 0.0
    for s in range(n):
        old = new = 0.0
        for node in range(N * m + 1):
            weight = _node_weight(N, m, basis, mesh, node)
            old += weight * reference[node * n + s]
            new += weight * profile[node * n + s]
        product = 0.0
        for node in range(N * m + 1):
            weight = _node_weight(N, m, basis, mesh, node)
            product += weight * (reference[node * n + s] - old) * (profile[node * n + s] - new)
        whole += product / largest[s] ** 2
        for i in range(N):
            doubled += (mesh[i + 1] - mesh[i]) * halves[i * n + s] * fresh[i * n + s] / largest[s] ** 2
    return whole < 0.0 or doubled < 0.0


@register_jitable
def _slope(N, m, n, basis, mesh, profile, out):
    """Derivatives by scaled time at the collocation points."""
    slopes = at(basis, m * (m + 1))
    for i in range(N):
        for j in range(m):
            for s in range(n):
                total = 0.0
                for k in range(m + 1):
                    total += slopes[j * (m + 1) + k] * profile[(i * m + k) * n + s]
                out[(i * m + j) * n + s] = total / (mesh[i + 1] - mesh[i])


@register_jitable
def _phase_condition(N, m, n, basis, mesh, flow, profile, row):
    """The integral of ``U . flow`` as a row of the equations, flow of unit size; its value for a profile."""
    weights, size, target = at(basis, 2 * m * (m + 1) + m), 0.0, 0.0
    for i in range(N):
        for j in range(m):
            for s in range(n):
                size += (mesh[i + 1] - mesh[i]) * weights[j] * flow[(i * m + j) * n + s] ** 2
    for k in range((N * m + 1) * n):
        row[k] = 0.0
    for i in range(N):
        for j in range(m):
            share = (mesh[i + 1] - mesh[i]) * weights[j] / sqrt(size)
            for k in range(m + 1):
                for s in range(n):
                    row[(i * m + k) * n + s] += share * basis[j * (m + 1) + k] * flow[(i * m + j) * n + s]
    for k in range((N * m + 1) * n):
        target += row[k] * profile[k]
    return target


@register_jitable
def _residual(count, effort, report, flow):
    """Largest component of the equations after the last iteration, from what it was before and the last update."""
    residual, update = report[2 * effort], report[2 * effort + 1]
    if update == 0.0:
        return residual
    largest = 0.0
    for k in range(count):
        largest = max(largest, fabs(flow[k]))
    return min(residual, residual * update + 1e-15 * largest)
