"""The equations of collocation, compiled by numba (see `engine.driver`): corrections, linear equations."""

from __future__ import annotations

from math import fabs, inf, isfinite

from numba.extending import register_jitable

from ...engine.memory import Doubles, Integers, at, call
from ...engine.octets import add_scaled, cleared, larger, product, quotient, scaled, subtract_dot
from .elimination_drivers import eliminate, filled

VECTORISED = False


def correct(
    kernel: int,
    work: Doubles,
    field: Integers,
    sizes: Integers,
    mesh: Doubles,
    basis: Doubles,
    closing: Doubles,
    u: Doubles,
    rows: Doubles,
    targets: Doubles,
    scale: Doubles,
    options: Doubles,
    memory: Doubles,
    flow: Doubles,
    factors: Doubles,
    steps: Doubles,
    report: Doubles,
) -> int:
    """Newton's method for a periodic solution; the last row is that along which the tangent is wanted.

    ``sizes`` are intervals N, points of an interval m, dimension n, number of scalars (unknown ones, and rows);
    ``options`` the update at which to stop, and the most iterations. ``u`` changes in place; ``steps`` are the last
    update and the tangent; ``flow`` the right-hand side at all collocation points; ``factors`` the condensed equations
    ``A x_i + C x_{i+1}`` of every interval. ``report``: sign of the determinant, ratio of the smallest to the largest
    pivot, then residual and update of every iteration. Returns the number of iterations if it converged; 0 if not, -1
    where numbers are not finite, -2 where the equations are singular.
    """
    N, m, n, b = sizes[0], sizes[1], sizes[2], sizes[3]
    unknown, most = (N * m + 1) * n, int(options[1])
    q, places = b + 2, 8 * ((N + 7) // 8) * m * n
    jacobian = at(memory, 0)
    columns = at(jacobian, places * n)
    nodes = at(columns, places * q)
    ends = at(nodes, 8 * ((m + 1) * n + 8))
    corner = at(ends, n * q)
    scratch = at(corner, b * q)
    for iteration in range(most):
        residual, noise = _linearise(kernel, work, field, N, m, n, b, mesh, basis, u, jacobian, columns, q, nodes, flow)
        for i in range(n):
            row = at(ends, i * q)
            total = -u[N * m * n + i]
            for j in range(n):
                total += closing[i * n + j] * u[j]
            for k in range(b):
                row[k] = 0.0
            row[b], row[b + 1] = -total, 0.0
            residual = max(residual, fabs(total))
        for r in range(b):
            row = at(rows, r * (unknown + b))
            total = _dot(unknown + b, row, u, nodes) - targets[r]
            for k in range(b):
                corner[r * q + k] = row[unknown + k]
            corner[r * q + b], corner[r * q + b + 1] = -total, 1.0 if r == b - 1 else 0.0
        report[2 + 2 * iteration] = residual
        if not isfinite(residual):
            return -1
        good = eliminate(
            *(N, m, n, b, 2, basis, jacobian, columns, ends, rows, unknown + b, corner, closing, scratch),
            *(factors, steps, unknown + b, report),
        )
        if not good:
            return -2
        if iteration > 1 and residual < noise:
            return iteration + 1  # ill-conditioned, and solved as well as it can be
        for k in range(unknown + b):
            u[k] += steps[k]
        update = _largest_ratio(unknown + b, steps, scale, nodes)
        report[3 + 2 * iteration] = update
        if not isfinite(update):
            return -1
        if update < options[0]:
            return iteration + 1
        if iteration > 2 and update > 2.0 * report[3 + 2 * (iteration - 2)]:
            return 0
    return 0


def solve(
    sizes: Integers,
    basis: Doubles,
    closing: Doubles,
    jacobian: Doubles,
    columns: Doubles,
    ends: Doubles,
    rows: Doubles,
    corner: Doubles,
    memory: Doubles,
    factors: Doubles,
    out: Doubles,
    report: Doubles,
) -> int:
    """Solve linear equations of this structure (see `eliminate`); ``sizes`` as in `correct`, and the number of
    right-hand sides."""
    N, m, n, b, k = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    unknown = (N * m + 1) * n
    good = eliminate(
        *(N, m, n, b, k, basis, jacobian, columns, ends, rows, unknown, corner, closing, memory),
        *(factors, out, unknown + b, report),
    )
    return 1 if good else 0


# -- inside -------------------------------------------------------------------------------------------------


@register_jitable
def _linearise(kernel, work, field, N, m, n, b, mesh, basis, u, jacobian, columns, q, nodes, flow):
    """Equations and their derivatives in lanes (see `eliminate`); the largest residual, and what rounding makes it."""
    tau, y, c, f, d = at(work, field[0]), at(work, field[1]), at(work, field[2]), at(work, field[3]), at(work, field[4])
    values, slopes, places = at(basis, 0), at(basis, m * (m + 1)), at(basis, 2 * m * (m + 1))
    G, residual, noise = (N + 7) // 8, 0.0, 0.0
    left = at(nodes, 8 * (m + 1) * n)
    h, minus, most, which = at(left, 8), at(left, 8 * 2), at(left, 8 * 3), at(left, 8 * 4)
    gap, fastest, finite = at(left, 8 * 5), at(left, 8 * 6), at(left, 8 * 7)
    steepest = 0.0
    for j in range(m):
        steep = 0.0
        for k in range(m + 1):
            steep += fabs(slopes[j * (m + 1) + k])
        steepest = max(steepest, steep)
    for k in range(b):
        c[k] = u[(N * m + 1) * n + k]
    for g in range(G):
        count = filled(N, G, g)
        for lane in range(8):
            i = lane * G + g
            left[lane], h[lane] = (mesh[i], mesh[i + 1] - mesh[i]) if lane < count else (1.0, 0.0)
            minus[lane] = -h[lane]
            node = at(u, min(i, N) * m * n)
            for k in range((m + 1) * n):
                nodes[8 * k + lane] = node[k if lane < count else k % n]
        cleared(most, 5)
        for k in range((m + 1) * n):
            larger(most, which, at(nodes, 8 * k), 0.0)
        for j in range(m):
            weights, first = at(values, j * (m + 1)), at(slopes, j * (m + 1))
            for lane in range(8):
                tau[lane] = left[lane] + h[lane] * places[j]
            for s in range(n):
                scaled(at(y, 8 * s), at(nodes, 8 * s), weights[0])
                for k in range(1, m + 1):
                    add_scaled(at(y, 8 * s), at(nodes, 8 * (k * n + s)), weights[k])
            call(kernel, work, work, -1, 0)
            for s in range(n):
                place = (g * m + j) * n + s
                row = at(columns, 8 * place * q)
                right, velocity = at(row, 8 * b), at(f, 8 * s)
                product(right, h, velocity)
                for k in range(m + 1):
                    add_scaled(right, at(nodes, 8 * (k * n + s)), -first[k])
                for lane in range(count, 8):
                    right[lane] = 0.0
                larger(gap, which, right, 0.0)
                larger(fastest, which, velocity, 0.0)
                add_scaled(finite, right, 0.0)
                for lane in range(count):
                    flow[((lane * G + g) * m + j) * n + s] = velocity[lane]
                for k in range(n):
                    product(at(jacobian, 8 * (place * n + k)), h, at(d, 8 * (s * (n + b) + k)))
                for k in range(b):
                    product(at(row, 8 * k), minus, at(d, 8 * (s * (n + b) + n + k)))
                cleared(at(row, 8 * (b + 1)), q - b - 1)
        for lane in range(count):
            residual = max(residual, gap[lane] / h[lane])
            noise = max(noise, 1e-15 * (fastest[lane] + steepest * most[lane] / h[lane]))
            if finite[lane] != 0.0:
                return inf, noise
    return residual, noise


@register_jitable
def _dot(count, a, b, octet):
    """The sum of products of ``count`` numbers."""
    whole, total = count // 8 * 8, 0.0
    cleared(octet, 1)
    subtract_dot(octet, a, b, count // 8)
    for lane in range(8):
        total -= octet[lane]
    for k in range(whole, count):
        total += a[k] * b[k]
    return total


@register_jitable
def _largest_ratio(count, a, b, octets):
    """The largest of ``count`` ratios; infinite if one is no number."""
    ratio, most, which, sums = octets, at(octets, 8), at(octets, 16), at(octets, 24)
    cleared(octets, 4)
    for k in range(0, count // 8 * 8, 8):
        quotient(ratio, at(a, k), at(b, k))
        larger(most, which, ratio, 0.0)
        add_scaled(sums, ratio, 0.0)
    largest = 0.0
    for lane in range(8):
        largest = max(largest, most[lane]) if sums[lane] == 0.0 else inf
    for k in range(count // 8 * 8, count):
        ratio[0] = fabs(a[k] / b[k])
        largest = max(largest, ratio[0]) if isfinite(ratio[0]) else inf
    return largest
