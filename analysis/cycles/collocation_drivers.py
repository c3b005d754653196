"""The linear algebra of collocation, compiled by numba (see `engine.driver`).

The equations of an interval couple its own unknowns with its two ends alone. Those inside are eliminated first
(condensation of parameters), then the ends of the intervals one after the other, each with row pivoting among the
equations on either side of it. What is left couples the two ends of the period with the unknown scalars
(de Boor & Weiss, ACM Trans. Math. Softw. 6, 80, 1980; Doedel, Keller & Kernevez, Int. J. Bifurcation Chaos 1, 745,
1991). The work is proportional to the number of intervals.
"""

from __future__ import annotations

from math import fabs, isfinite, log, sqrt

from numba.extending import register_jitable

from ...engine.memory import Doubles, Integers, at, call

VECTORISED = False


def correct(
    kernel: int,
    work: Doubles,
    field: Integers,
    width: int,
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
    update and the tangent; ``flow`` the right-hand side at all collocation points; ``factors`` the condensed
    equations ``A x_i + C x_{i+1}`` of every interval. ``report``: sign of the determinant, ratio of the smallest to
    the largest pivot, then residual and update of every iteration. Returns the number of iterations if it converged;
    0 if not, -1 where numbers are not finite, -2 where the equations are singular.
    """
    N, m, n, b = sizes[0], sizes[1], sizes[2], sizes[3]
    unknown, most = (N * m + 1) * n, int(options[1])
    q, points = b + 2, N * m
    columns_at = points * n * n
    corner_at = columns_at + (points * n + n) * q
    scratch_at = corner_at + b * q
    jacobian, columns = at(memory, 0), at(memory, columns_at)
    corner, scratch = at(memory, corner_at), at(memory, scratch_at)
    for iteration in range(most):
        residual, noise = linearise(kernel, work, field, width, N, m, n, b, mesh, basis, u, jacobian, columns, q, flow)
        for i in range(n):
            row = at(columns, (points * n + i) * q)
            total = -u[points * n + i]
            for j in range(n):
                total += closing[i * n + j] * u[j]
            for k in range(b):
                row[k] = 0.0
            row[b], row[b + 1] = -total, 0.0
            residual = max(residual, fabs(total))
        for r in range(b):
            total = -targets[r]
            row = at(rows, r * (unknown + b))
            for k in range(unknown + b):
                total += row[k] * u[k]
            for k in range(b):
                corner[r * q + k] = row[unknown + k]
            corner[r * q + b], corner[r * q + b + 1] = -total, 1.0 if r == b - 1 else 0.0
        report[2 + 2 * iteration] = residual
        if not isfinite(residual):
            return -1
        good = eliminate(
            N,
            m,
            n,
            b,
            2,
            basis,
            jacobian,
            columns,
            rows,
            unknown + b,
            corner,
            closing,
            scratch,
            factors,
            steps,
            unknown + b,
            report,
        )
        if not good:
            return -2
        if iteration > 1 and residual < noise:
            return iteration + 1  # ill-conditioned, and solved as well as it can be
        update = 0.0
        for k in range(unknown + b):
            u[k] += steps[k]
            update = max(update, fabs(steps[k]) / scale[k])
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
    rows: Doubles,
    corner: Doubles,
    memory: Doubles,
    factors: Doubles,
    out: Doubles,
    report: Doubles,
) -> int:
    """Solve linear equations of this structure; ``sizes`` as in `correct`, and the number of right-hand sides.

    ``columns`` has a row for every equation of collocation and closing: coefficients of the scalars, right-hand
    sides. ``rows`` are further equations, whose coefficients of scalars and right-hand sides are in ``corner``.
    """
    N, m, n, b, k = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    unknown = (N * m + 1) * n
    good = eliminate(
        N,
        m,
        n,
        b,
        k,
        basis,
        jacobian,
        columns,
        rows,
        unknown,
        corner,
        closing,
        memory,
        factors,
        out,
        unknown + b,
        report,
    )
    return 1 if good else 0


def triangular(
    sizes: Integers, factors: Doubles, frame: Doubles, memory: Doubles, product: Doubles, logarithms: Doubles
) -> int:
    """Orthogonal iteration through all intervals, until what the multipliers of different size share has died out.

    ``sizes``: intervals, dimension, most rounds. ``frame`` (n, n): a basis at the beginning, improved in place.
    Then the monodromy matrix is ``frame Z R frame^T``; ``product`` holds Z (n, n), then R (n, n), upper triangular,
    whose columns are scaled by the exponentials of ``logarithms``.
    """
    N, n, most = sizes[0], sizes[1], sizes[2]
    maps, y, z, previous = (
        at(memory, 0),
        at(memory, N * n * n),
        at(memory, (N + 1) * n * n),
        at(memory, (N + 2) * n * n),
    )
    r = at(memory, (N + 3) * n * n)
    for i in range(N):
        if not _propagate(n, at(factors, i * 2 * n * n), at(maps, i * n * n), at(memory, (N + 3) * n * n)):
            return 0
    for j in range(n):
        previous[j] = 1e300
    for turn in range(most):
        for k in range(n * n):
            z[k] = frame[k]
            product[n * n + k] = 0.0
        for k in range(n):
            product[n * n + k * n + k] = 1.0
            logarithms[k] = 0.0
        for i in range(N):
            one = at(maps, i * n * n)
            for j in range(n):
                for k in range(n):
                    total = 0.0
                    for t in range(n):
                        total += one[j * n + t] * z[t * n + k]
                    y[j * n + k] = total
            if not _orthonormal(n, y, r):
                return 0
            _accumulate(n, r, at(product, n * n), logarithms)
            for k in range(n * n):
                z[k] = y[k]
        for j in range(n):
            for k in range(n):
                total = 0.0
                for t in range(n):
                    total += frame[t * n + j] * z[t * n + k]
                product[j * n + k] = total
        going = False
        for s in range(1, n):
            below = 0.0
            for j in range(s, n):
                for k in range(s):
                    below = max(below, fabs(product[j * n + k]))
            if below > 1e-14 and (turn < 4 or below < 0.7 * previous[s]):
                going = True
            previous[s] = below
        if not going:
            return turn + 1
        if turn < most - 1:
            for k in range(n * n):
                frame[k] = z[k]
    return most


# -- inside -------------------------------------------------------------------------------------------------


@register_jitable
def linearise(kernel, work, field, width, N, m, n, b, mesh, basis, u, jacobian, columns, q, flow):
    """Equations and their derivatives at all collocation points; the largest residual, and what rounding makes it."""
    tau, y, c, f, d = (
        at(work, field[0]),
        at(work, field[1]),
        at(work, field[2]),
        at(work, field[3]),
        at(work, field[4]),
    )
    values, slopes, places = at(basis, 0), at(basis, m * (m + 1)), at(basis, 2 * m * (m + 1))
    points, residual, noise = N * m, 0.0, 0.0
    for k in range(b):
        c[k] = u[(points + 1) * n + k]
    for first in range(0, points, width):
        count = min(width, points - first)
        for lane in range(width):
            point = first + min(lane, count - 1)
            i, j = point // m, point % m
            h = mesh[i + 1] - mesh[i]
            tau[lane] = mesh[i] + h * places[j]
            node, weights = at(u, i * m * n), at(values, j * (m + 1))
            for s in range(n):
                total = 0.0
                for k in range(m + 1):
                    total += weights[k] * node[k * n + s]
                y[s * width + lane] = total
        call(kernel, work, work, -1, 0)
        for lane in range(count):
            point = first + lane
            i, j = point // m, point % m
            h = mesh[i + 1] - mesh[i]
            node, weights = at(u, i * m * n), at(slopes, j * (m + 1))
            for s in range(n):
                row = at(columns, (point * n + s) * q)
                velocity = f[s * width + lane]
                flow[point * n + s] = velocity
                total, size = -h * velocity, fabs(h * velocity)
                for k in range(m + 1):
                    total += weights[k] * node[k * n + s]
                    size += fabs(weights[k] * node[k * n + s])
                residual, noise = max(residual, fabs(total) / h), max(noise, 1e-15 * size / h)
                if not isfinite(total):
                    return total, noise
                for k in range(n):
                    jacobian[(point * n + s) * n + k] = h * d[(s * (n + b) + k) * width + lane]
                for k in range(b):
                    row[k] = -h * d[(s * (n + b) + n + k) * width + lane]
                row[b] = -total
                for k in range(b + 1, q):
                    row[k] = 0.0
    return residual, noise


@register_jitable
def eliminate(
    N, m, n, b, k, basis, jacobian, columns, rows, stride, corner, closing, memory, factors, out, out_stride, report
):
    """Solve for all unknowns; False if a pivot vanishes.

    ``memory`` needs ``N m n w + N n (3 n + q) + b (N + 1) n + ...`` numbers (see ``collocation.scratch``).
    """
    q = b + k
    inner, w = (m - 1) * n, (m + 1) * n + q
    nodes = N * m * n * w
    borders = nodes + N * 2 * n * (3 * n + q)
    last = borders + b * (N + 1) * n
    table, reduced, border, final = at(memory, 0), at(memory, nodes), at(memory, borders), at(memory, last)
    edge = at(memory, last + (2 * n + b) * (2 * n + q))
    values, slopes = at(basis, 0), at(basis, m * (m + 1))
    sign = 1.0
    for r in range(b):
        for s in range((N + 1) * n):
            border[r * (N + 1) * n + s] = 0.0
    for i in range(N):
        block = at(table, i * m * n * w)
        for j in range(m):
            for s in range(n):
                row = at(block, (j * n + s) * w)
                slope = at(jacobian, ((i * m + j) * n + s) * n)
                for node in range(m + 1):
                    place = inner if node == 0 else inner + n if node == m else (node - 1) * n
                    value = values[j * (m + 1) + node]
                    for t in range(n):
                        row[place + t] = -value * slope[t]
                    row[place + s] += slopes[j * (m + 1) + node]
                source = at(columns, ((i * m + j) * n + s) * q)
                for t in range(q):
                    row[inner + 2 * n + t] = source[t]
        for r in range(b):
            row, source = at(edge, r * w), at(rows, r * stride + i * m * n)
            for t in range(inner):
                row[t] = source[n + t]
            for t in range(n):
                row[inner + t] = border[(r * (N + 1) + i) * n + t] + source[t]
                row[inner + n + t] = 0.0
            for t in range(q):
                row[inner + 2 * n + t] = corner[r * q + t]
        for pivot in range(inner):
            swapped = _pivot(block, m * n, w, pivot, pivot)
            if swapped < 0:
                return False
            top = at(block, pivot * w)
            sign *= (-1.0 if swapped else 1.0) * (1.0 if top[pivot] > 0 else -1.0)
            for r in range(pivot + 1, m * n):
                _subtract(at(block, r * w), top, pivot, w)
            for r in range(b):
                _subtract(at(edge, r * w), top, pivot, w)
        for r in range(b):
            row = at(edge, r * w)
            for t in range(2 * n):
                border[(r * (N + 1) + i) * n + t] = row[inner + t]
            for t in range(q):
                corner[r * q + t] = row[inner + 2 * n + t]
        for r in range(n):
            for t in range(2 * n):
                factors[(i * n + r) * 2 * n + t] = block[(inner + r) * w + inner + t]
    for r in range(b):
        for t in range(n):
            border[(r * (N + 1) + N) * n + t] += rows[r * stride + N * m * n + t]
    # the ends of the intervals; ``edge`` holds the equations that couple the first end with the current one
    v = 3 * n + q
    for r in range(n):
        for t in range(2 * n + q):
            edge[r * (2 * n + q) + t] = table[(inner + r) * w + inner + t]
    for i in range(1, N):
        block, source = at(reduced, i * 2 * n * v), at(table, (i * m * n + inner) * w)
        for r in range(n):
            row, held = at(block, r * v), at(edge, r * (2 * n + q))
            other, fresh = at(block, (n + r) * v), at(source, r * w + inner)
            for t in range(n):
                row[t], row[n + t], row[2 * n + t] = held[n + t], held[t], 0.0
                other[t], other[n + t], other[2 * n + t] = fresh[t], 0.0, fresh[n + t]
            for t in range(q):
                row[3 * n + t], other[3 * n + t] = held[2 * n + t], fresh[2 * n + t]
        for pivot in range(n):
            swapped = _pivot(block, 2 * n, v, pivot, pivot)
            if swapped < 0:
                return False
            top = at(block, pivot * v)
            sign *= (-1.0 if swapped else 1.0) * (1.0 if top[pivot] > 0 else -1.0)
            for r in range(pivot + 1, 2 * n):
                _subtract(at(block, r * v), top, pivot, v)
            for r in range(b):
                here, first = at(border, (r * (N + 1) + i) * n), at(border, r * (N + 1) * n)
                factor = here[pivot] / top[pivot]
                if factor != 0.0:
                    for t in range(pivot, n):
                        here[t] -= factor * top[t]
                    for t in range(n):
                        first[t] -= factor * top[n + t]
                        here[n + t] -= factor * top[2 * n + t]
                    for t in range(q):
                        corner[r * q + t] -= factor * top[3 * n + t]
        for r in range(n):
            row, held = at(block, (n + r) * v), at(edge, r * (2 * n + q))
            for t in range(2 * n + q):
                held[t] = row[n + t]
    # both ends of the period, and the scalars
    size, wide = 2 * n + b, 2 * n + q
    for r in range(n):
        for t in range(wide):
            final[r * wide + t] = edge[r * wide + t]
        row = at(final, (n + r) * wide)
        for t in range(n):
            row[t], row[n + t] = closing[r * n + t], 0.0
        row[n + r] = -1.0
        for t in range(q):
            row[2 * n + t] = columns[(N * m * n + r) * q + t]
    for r in range(b):
        row = at(final, (2 * n + r) * wide)
        for t in range(n):
            row[t], row[n + t] = border[r * (N + 1) * n + t], border[(r * (N + 1) + N) * n + t]
        for t in range(q):
            row[2 * n + t] = corner[r * q + t]
    smallest, largest = 1e300, 0.0
    for pivot in range(size):
        swapped = _pivot(final, size, wide, pivot, pivot)
        if swapped < 0:
            return False
        top = at(final, pivot * wide)
        sign *= (-1.0 if swapped else 1.0) * (1.0 if top[pivot] > 0 else -1.0)
        smallest, largest = min(smallest, fabs(top[pivot])), max(largest, fabs(top[pivot]))
        for r in range(pivot + 1, size):
            _subtract(at(final, r * wide), top, pivot, wide)
    report[0], report[1] = sign, smallest / largest
    for solution in range(k):
        x = at(out, solution * out_stride)
        scalars = at(x, (N * m + 1) * n)
        for back in range(size):
            pivot = size - 1 - back
            row = at(final, pivot * wide)
            total = row[2 * n + b + solution]
            for t in range(pivot + 1, size):
                known = x[t] if t < n else x[N * m * n + t - n] if t < 2 * n else scalars[t - 2 * n]
                total -= row[t] * known
            total /= row[pivot]
            if pivot < n:
                x[pivot] = total
            elif pivot < 2 * n:
                x[N * m * n + pivot - n] = total
            else:
                scalars[pivot - 2 * n] = total
        for step in range(1, N):
            i = N - step
            block, here, after = at(reduced, i * 2 * n * v), at(x, i * m * n), at(x, (i + 1) * m * n)
            for back in range(n):
                pivot = n - 1 - back
                row = at(block, pivot * v)
                total = row[3 * n + b + solution]
                for t in range(pivot + 1, n):
                    total -= row[t] * here[t]
                for t in range(n):
                    total -= row[n + t] * x[t] + row[2 * n + t] * after[t]
                for t in range(b):
                    total -= row[3 * n + t] * scalars[t]
                here[pivot] = total / row[pivot]
        for i in range(N):
            block, here, after = at(table, i * m * n * w), at(x, i * m * n), at(x, (i + 1) * m * n)
            inside = at(here, n)
            for back in range(inner):
                pivot = inner - 1 - back
                row = at(block, pivot * w)
                total = row[inner + 2 * n + b + solution]
                for t in range(pivot + 1, inner):
                    total -= row[t] * inside[t]
                for t in range(n):
                    total -= row[inner + t] * here[t] + row[inner + n + t] * after[t]
                for t in range(b):
                    total -= row[inner + 2 * n + t] * scalars[t]
                inside[pivot] = total / row[pivot]
    return True


@register_jitable
def _pivot(block, rows, width, first, column):
    """Bring the largest element of a column to the top; 1 if rows were exchanged, -1 if all are zero."""
    best, place = 0.0, first
    for r in range(first, rows):
        size = fabs(block[r * width + column])
        if size > best:
            best, place = size, r
    if best == 0.0 or not isfinite(best):
        return -1
    if place == first:
        return 0
    one, other = at(block, first * width), at(block, place * width)
    for t in range(width):
        one[t], other[t] = other[t], one[t]
    return 1


@register_jitable
def _subtract(row, top, pivot, width):
    """Make the element below a pivot zero."""
    factor = row[pivot] / top[pivot]
    if factor != 0.0:
        for t in range(pivot, width):
            row[t] -= factor * top[t]


@register_jitable
def _propagate(n, pair, result, scratch):
    """``-C^-1 A`` of a pair ``A, C`` (rows of 2 n)."""
    w = 2 * n
    for r in range(n):
        for t in range(n):
            scratch[r * w + t], scratch[r * w + n + t] = pair[r * w + n + t], -pair[r * w + t]
    for pivot in range(n):
        if _pivot(scratch, n, w, pivot, pivot) < 0:
            return False
        for r in range(pivot + 1, n):
            _subtract(at(scratch, r * w), at(scratch, pivot * w), pivot, w)
    for back in range(n):
        pivot = n - 1 - back
        row = at(scratch, pivot * w)
        for k in range(n):
            total = row[n + k]
            for t in range(pivot + 1, n):
                total -= row[t] * result[t * n + k]
            result[pivot * n + k] = total / row[pivot]
    return True


@register_jitable
def _orthonormal(n, y, r):
    """Gram-Schmidt, twice, of the columns of ``y``; ``r`` such that old ``y`` = new ``y`` times ``r``."""
    for k in range(n):
        for j in range(n):
            r[j * n + k] = 0.0
        before = 0.0
        for t in range(n):
            before += y[t * n + k] * y[t * n + k]
        for _ in range(2):
            for j in range(k):
                part = 0.0
                for t in range(n):
                    part += y[t * n + j] * y[t * n + k]
                r[j * n + k] += part
                for t in range(n):
                    y[t * n + k] -= part * y[t * n + j]
        square = 0.0
        for t in range(n):
            square += y[t * n + k] * y[t * n + k]
        length = sqrt(square)
        if not isfinite(length) or length == 0.0:
            return False
        r[k * n + k] = length
        for t in range(n):
            y[t * n + k] /= length
    return True


@register_jitable
def _accumulate(n, r, product, logarithms):
    """``product = r product`` for upper triangles, each column scaled by the size of its diagonal, whose logarithm is
    added up."""
    for k in range(n):
        for j in range(k + 1):
            total = 0.0
            for t in range(j, k + 1):
                total += r[j * n + t] * product[t * n + k]
            product[j * n + k] = total
        size = fabs(product[k * n + k])
        logarithms[k] += log(size)
        for j in range(k + 1):
            product[j * n + k] /= size
