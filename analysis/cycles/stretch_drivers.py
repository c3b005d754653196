"""Pseudo-arclength continuation of cycles, compiled by numba (see `engine.driver`): many points in one call.

The predictor-corrector of `pseudo_arclength.follow` with what `following.Cycles` does around it: metric, phase
condition, adaptive mesh. It stops wherever a point is not plainly there or something may happen, and leaves it to
`follow` to find out what.
"""

from __future__ import annotations

from math import fabs, inf, sqrt

from numba.extending import register_jitable

from ...engine.memory import Doubles, Integers, at
from ..continuation.steps import SHARPEST_TURN, factor
from .collocation_drivers import correct
from .floquet_drivers import nearest, triangular
from .mesh_drivers import half_way, move, refill, spread
from .meshes import intervals

VECTORISED = False

factor = register_jitable(factor)
intervals = register_jitable(intervals)
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
    kept: Doubles,
    products: Doubles,
) -> int:
    """Cycles from ``u`` with its ``tangent`` on, until there are as many as wanted or one is not plainly there.

    ``sizes``: intervals N, points of an interval m, dimension n, scalars b, phase conditions (0 or 1), points wanted,
    points so far, points between two adaptations of the mesh, fewest and most intervals; ``turns``: N, n, most rounds
    for multipliers. ``options``: tolerance and most iterations of Newton's method, length of the first step and of the
    longest, sign of the parameter's change and of the determinant, bounds of the parameter, shortest period, its
    multiples at which a closer look is needed (in any case, and where the parameter changes less than the next number),
    error that a mesh may have, range of the parameter, error that the trivial multiplier may have.

    ``mesh``, ``rows`` and ``targets`` (phase condition, then a free row), ``largest``, ``reference``, ``halves`` and
    ``frame`` are those of `Cycles` and change along. Every point is a row of ``out``: intervals, whether the mesh is
    another one than that of the point before, residual, sign of the determinant, length of the step after it, change of
    the parameter along the tangent, sizes of the states (n), scalars (b); and of ``products`` (see `triangular`,
    logarithms last). One after the other in ``kept``: u, tangent, flow (N m, n) and mesh (N + 1) of every point. All
    have room for the largest number of intervals M and of unknowns U that go with it; ``metric`` has 6 U numbers,
    ``scratch`` 2 (iterations + 2) + (3 M + 5) n^2 + 9 n + 3 U. Returns how many points there are.
    """
    N, m, n, b, phases, wanted, steps = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6]
    every, least, most = sizes[7], sizes[8], sizes[9]
    length, longest, shortest = options[2], options[3], options[8]
    inside = (N * m + 1) * n
    U, room = inside + b, (most * m + 1) * n + b
    before, product_size, fresh_mesh = 6 + n + b, 2 * n * n + n, 0.0
    inverse, typical, weights, update = at(metric, 0), at(metric, room), at(metric, 2 * room), at(metric, 4 * room)
    report = at(scratch, 0)
    factors = at(report, 2 * int(options[1]) + 4)
    rotations = at(factors, 2 * most * n * n)
    other = at(rotations, (most + 5) * n * n + 9 * n)
    further = at(other, room)
    fresh = at(further, room)
    _weigh(N, m, n, basis, mesh, weights)
    _measure(N, m, n, b, weights, u, largest, options[13], inverse, typical)
    for number in range(wanted):
        known, row = at(out, number * before), at(rows, (b - 1) * U)
        point, direction, flow = at(kept, 0), at(kept, U), at(kept, 2 * U)
        for k in range(2 * int(options[1]) + 4):
            report[k] = 0.0
        targets[b - 1] = 0.0
        for k in range(U):
            point[k] = u[k] + length * tangent[k]
            row[k] = tangent[k] * (inverse[k] * inverse[k])
            targets[b - 1] += row[k] * point[k]
        effort = correct(
            *(kernel, work, field, sizes, mesh, basis, closing, point, rows, targets, typical, options),
            *(memory, flow, factors, update, report),
        )
        if effort <= 0 or (phases and not point[inside] > 0.0):
            return number
        sign = report[0] * _directed(U, tangent, inverse, at(update, U), direction)
        leap = 0.0
        for k in range(U):
            leap = max(leap, fabs(point[k] - u[k] - length * tangent[k]) * inverse[k])
        if leap > max(length, 1e-6) or not _cosine(U, tangent, direction, inverse) >= SHARPEST_TURN:
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
        if steps > 1 and _collapsed(N, m, n, weights, mesh, reference, point, halves, fresh, largest):
            return number
        product = at(products, number * product_size)
        if triangular(turns, factors, frame, rotations, product, at(product, 2 * n * n)) == 0:
            return number
        doubt = nearest(n, product, at(product, 2 * n * n), rotations) if phases else 0.0
        if not _grown(N, m, n, point, largest) > 1e-6:
            return number
        # the point is there
        steps += 1
        _measure(N, m, n, b, weights, point, largest, options[13], inverse, typical)
        length = min(length * factor(effort, _cosine(U, tangent, direction, inverse)), longest)
        for k in range(U):
            u[k], tangent[k] = point[k], direction[k]
        known[0], known[1], known[2] = N, fresh_mesh, _residual(N * m * n, effort, report, flow)
        known[3], known[4], known[5] = sign, length, direction[U - 1]
        for s in range(n):
            known[6 + s] = largest[s]
        for k in range(b):
            known[6 + n + k] = u[inside + k]
        kept = at(flow, N * m * n)
        for i in range(N + 1):
            kept[i] = mesh[i]
        kept, fresh_mesh = at(kept, N + 1), 0.0
        if number == wanted - 1 or doubt == inf:
            return number + 1
        # the next mesh, the next reference
        if steps % every == 0 or (doubt > options[14] and most > N):
            count = spread(N, m, n, 1, least, most, options[12], basis, mesh, u, further)
            count, fresh_mesh = intervals(count, N, most, doubt / options[14], m), 1.0
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
            _weigh(N, m, n, basis, mesh, weights)
            _measure(N, m, n, b, weights, u, largest, options[13], inverse, typical)
            _unit(U, tangent, inverse)
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
def _weigh(N, m, n, basis, mesh, weights):
    """Of integrals from values at the nodes: weights, then square roots of these over the dimension."""
    integrals, nodes = at(basis, 2 * m * (m + 1) + 2 * m), N * m + 1
    weights[0] = 0.0
    for i in range(N):
        h = mesh[i + 1] - mesh[i]
        weights[i * m] += h * integrals[0]
        for k in range(1, m + 1):
            weights[i * m + k] = h * integrals[k]
    for node in range(nodes):
        weights[nodes + node] = sqrt(weights[node] / n)


@register_jitable
def _measure(N, m, n, b, weights, u, largest, width, inverse, typical):
    """One over the scale of the unknowns, and their typical sizes."""
    inside, nodes = (N * m + 1) * n, N * m + 1
    for s in range(n):
        one = 1.0 / largest[s]
        for node in range(nodes):
            typical[node * n + s] = largest[s]
            inverse[node * n + s] = weights[nodes + node] * one
    for k in range(b):
        typical[inside + k] = width if k == b - 1 else max(fabs(u[inside + k]), 1e-3)
        inverse[inside + k] = 1.0 / typical[inside + k]


@register_jitable
def _directed(U, tangent, inverse, found, direction):
    """A solution of the linear equations as a unit tangent near another one; -1 if it was turned round, else 1."""
    product = square = 0.0
    for k in range(U):
        scaled = found[k] * inverse[k]
        product += scaled * tangent[k] * inverse[k]
        square += scaled * scaled
    sign = 1.0 if product >= 0.0 else -1.0
    size = sign / sqrt(square)
    for k in range(U):
        direction[k] = found[k] * size
    return sign


@register_jitable
def _unit(U, tangent, inverse):
    square = 0.0
    for k in range(U):
        square += (tangent[k] * inverse[k]) ** 2
    size = 1.0 / sqrt(square)
    for k in range(U):
        tangent[k] *= size


@register_jitable
def _cosine(U, a, b, inverse):
    """Of the angle between two directions."""
    product = first = second = 0.0
    for k in range(U):
        x, y = a[k] * inverse[k], b[k] * inverse[k]
        product += x * y
        first += x * x
        second += y * y
    return product / sqrt(first * second)


@register_jitable
def _collapsed(N, m, n, weights, mesh, reference, profile, halves, fresh, largest):
    """Whether the cycle has shrunk to a point (or a doubled one to half its period) and grown again."""
    whole = doubled = 0.0
    for s in range(n):
        old = new = 0.0
        for node in range(N * m + 1):
            old += weights[node] * reference[node * n + s]
            new += weights[node] * profile[node * n + s]
        product = 0.0
        for node in range(N * m + 1):
            product += weights[node] * (reference[node * n + s] - old) * (profile[node * n + s] - new)
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
            square = 0.0
            for s in range(n):
                square += flow[(i * m + j) * n + s] ** 2
            size += (mesh[i + 1] - mesh[i]) * weights[j] * square
    size = 1.0 / sqrt(size)
    for k in range((N * m + 1) * n):
        row[k] = 0.0
    for i in range(N):
        for j in range(m):
            share = (mesh[i + 1] - mesh[i]) * weights[j] * size
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
