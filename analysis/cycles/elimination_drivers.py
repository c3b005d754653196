"""Linear equations of collocation, solved in lanes; compiled by numba (see `engine.driver`).

The equations of an interval couple its own unknowns with its two ends alone. Those inside are eliminated first
(condensation of parameters), then the ends of the intervals one after the other, each with row pivoting among the
equations on either side of it (de Boor & Weiss, ACM Trans. Math. Softw. 6, 80, 1980; Doedel, Keller & Kernevez, Int.
J. Bifurcation Chaos 1, 745, 1991). Eight stretches of the period are worked on side by side, one in each lane; what is
left couples their ends and the unknown scalars. The work is proportional to the number of intervals.

Lane l has the intervals l G, ..., l G + G - 1, where G = ceil(N / 8); of the N + 1-st and later ones, which have no
length, both ends are the same. "In lanes" means: an octet for each of the G places.
"""

from __future__ import annotations

from math import fabs, inf, isfinite

from numba.extending import register_jitable

from ...engine.memory import at, lowest
from ...engine.octets import (
    above,
    add_scaled,
    cleared,
    copied,
    exchange,
    larger,
    quotient,
    raised,
    scaled,
    subtract_along,
    subtract_dot,
    subtract_multiple,
)

LARGEST = 1e300
"""Numbers beyond this count as infinite."""


@register_jitable
def eliminate(
    N,
    m,
    n,
    b,
    k,
    basis,
    jacobian,
    columns,
    ends,
    rows,
    stride,
    corner,
    closing,
    memory,
    factors,
    out,
    out_stride,
    report,
):
    """Solve for all unknowns; False if a pivot vanishes.

    ``jacobian`` (m, n, n) and ``columns`` (m, n, b + k), coefficients of the scalars and right-hand sides, are in
    lanes; ``ends`` (n, b + k) are those of the closing. ``rows`` are further equations, whose coefficients of scalars
    and right-hand sides are in ``corner`` (b, b + k). ``memory`` has `collocation.scratch` numbers.
    """
    q, G, inner, size = b + k, (N + 7) // 8, (m - 1) * n, 9 * n + b
    w, v, held = inner + 2 * n + q, 3 * n + q, 2 * n + q
    table = at(memory, 0)
    reduced = at(table, 8 * G * m * n * w)
    edge = at(reduced, 8 * G * 2 * n * v)
    outer = at(edge, 8 * n * held)
    border = at(outer, 8 * b * w)
    sums = at(border, 8 * b * (G + 1) * n)
    best = at(sums, 8 * b * q)
    known = at(best, 8 * 2)
    knots = at(known, 8 * (w + n))
    z = at(knots, 8 * (G + 1) * n)
    final = at(z, size)
    sign = 1.0
    cleared(border, b * (G + 1) * n + b * q)
    for g in range(G):
        block = at(table, 8 * g * m * n * w)
        _assemble(m, n, q, w, basis, at(jacobian, 8 * g * m * n * n), at(columns, 8 * g * m * n * q), block)
        for r in range(b):
            _border_row(N, G, g, m, n, w, at(rows, r * stride), at(outer, 8 * r * w))
        for pivot in range(inner):
            turn = _pivot_in_lanes(block, m * n, w, pivot, best)
            if turn == 0.0:
                return False
            sign *= turn
            for r in range(pivot + 1, m * n):
                _subtract_in_lanes(at(block, 8 * r * w), at(block, 8 * pivot * w), pivot, w, best)
            for r in range(b):
                _subtract_in_lanes(at(outer, 8 * r * w), at(block, 8 * pivot * w), pivot, w, best)
        for r in range(b):
            row, here, total = (
                at(outer, 8 * (r * w + inner)),
                at(border, 8 * (r * (G + 1) + g) * n),
                at(sums, 8 * r * q),
            )
            for t in range(2 * n):
                add_scaled(at(here, 8 * t), at(row, 8 * t), 1.0)
            for t in range(q):
                add_scaled(at(total, 8 * t), at(row, 8 * (2 * n + t)), 1.0)
        for lane in range(filled(N, G, g)):
            pair = at(factors, (lane * G + g) * n * 2 * n)
            for r in range(n):
                for t in range(2 * n):
                    pair[r * 2 * n + t] = block[8 * ((inner + r) * w + inner + t) + lane]
    # the ends of the intervals; ``edge`` couples the first end of a stretch with the current one
    for r in range(n):
        copied(at(edge, 8 * r * held), at(table, 8 * ((inner + r) * w + inner)), held)
    for g in range(1, G):
        block = at(reduced, 8 * g * 2 * n * v)
        _join(n, q, at(edge, 0), held, at(table, 8 * ((g * m * n + inner) * w + inner)), w, block)
        for pivot in range(n):
            turn = _pivot_in_lanes(block, 2 * n, v, pivot, best)
            if turn == 0.0:
                return False
            sign *= turn
            top = at(block, 8 * pivot * v)
            for r in range(pivot + 1, 2 * n):
                _subtract_in_lanes(at(block, 8 * r * v), top, pivot, v, best)
            for r in range(b):
                here, first = at(border, 8 * (r * (G + 1) + g) * n), at(border, 8 * r * (G + 1) * n)
                quotient(best, at(here, 8 * pivot), at(top, 8 * pivot))
                subtract_multiple(at(here, 8 * pivot), at(top, 8 * pivot), best, n - pivot)
                subtract_multiple(first, at(top, 8 * n), best, n)
                subtract_multiple(at(here, 8 * n), at(top, 8 * 2 * n), best, n)
                subtract_multiple(at(sums, 8 * r * q), at(top, 8 * 3 * n), best, q)
        for r in range(n):
            copied(at(edge, 8 * r * held), at(block, 8 * ((n + r) * v + n)), held)
    wide = padded(9 * n + q)
    _gather(N, m, n, b, q, G, edge, ends, closing, border, rows, stride, corner, sums, wide, final)
    smallest, largest = inf, 0.0
    for pivot in range(size):
        swapped = pivoted(final, size, wide, pivot)
        if swapped < 0:
            return False
        top = at(final, pivot * wide)
        sign *= (-1.0 if swapped else 1.0) * (1.0 if top[pivot] > 0 else -1.0)
        if pivot >= 7 * n:
            smallest, largest = min(smallest, fabs(top[pivot])), max(largest, fabs(top[pivot]))
        for r in range(pivot + 1, size):
            subtracted(at(final, r * wide), top, pivot, wide)
    report[0], report[1] = sign, smallest / largest
    for solution in range(k):
        x = at(out, solution * out_stride)
        for back in range(size):
            pivot = size - 1 - back
            total = final[pivot * wide + size + solution]
            for t in range(pivot + 1, size):
                total -= final[pivot * wide + t] * z[t]
            z[pivot] = total / final[pivot * wide + pivot]
        for s in range(n):
            for lane in range(8):
                knots[8 * s + lane] = z[_unknown(lane, n) + s]
                knots[8 * (G * n + s) + lane] = z[_unknown(lane + 1, n) + s]
            x[N * m * n + s] = z[8 * n + s]
        for s in range(b):
            x[(N * m + 1) * n + s] = z[9 * n + s]
        for back in range(1, G):
            g = G - back
            _remember(n, b, n, knots, at(knots, 8 * (g + 1) * n), at(z, 9 * n), known)
            _substitute(n, v, v - k, solution, at(reduced, 8 * g * 2 * n * v), known)
            copied(at(knots, 8 * g * n), known, n)
        for g in range(G):
            _remember(n, b, inner, at(knots, 8 * g * n), at(knots, 8 * (g + 1) * n), at(z, 9 * n), known)
            _substitute(inner, w, w - k, solution, at(table, 8 * g * m * n * w), known)
            for lane in range(filled(N, G, g)):
                here = at(x, (lane * G + g) * m * n)
                for s in range(n):
                    here[s] = known[8 * (inner + s) + lane]
                for s in range(inner):
                    here[n + s] = known[8 * s + lane]
    return True


@register_jitable
def filled(N, G, g):
    """How many of the eight lanes have an interval at place ``g``."""
    return (N - g + G - 1) // G


# -- inside -------------------------------------------------------------------------------------------------


@register_jitable
def _assemble(m, n, q, w, basis, jacobian, columns, block):
    """The equations of one interval in every lane; its unknowns inside come first, then the left and the right end."""
    values, slopes, inner = at(basis, 0), at(basis, m * (m + 1)), (m - 1) * n
    for j in range(m):
        for s in range(n):
            row, slope = at(block, 8 * (j * n + s) * w), at(jacobian, 8 * (j * n + s) * n)
            for node in range(m + 1):
                place = inner if node == 0 else inner + n if node == m else (node - 1) * n
                for t in range(n):
                    scaled(at(row, 8 * (place + t)), at(slope, 8 * t), -values[j * (m + 1) + node])
                raised(at(row, 8 * (place + s)), slopes[j * (m + 1) + node])
            copied(at(row, 8 * (inner + 2 * n)), at(columns, 8 * (j * n + s) * q), q)


@register_jitable
def _border_row(N, G, g, m, n, w, source, row):
    """The part of a further equation that belongs to one interval in every lane, without its right end."""
    inner = (m - 1) * n
    cleared(row, w)
    for lane in range(filled(N, G, g)):
        own = at(source, (lane * G + g) * m * n)
        for t in range(inner):
            row[8 * t + lane] = own[n + t]
        for t in range(n):
            row[8 * (inner + t) + lane] = own[t]


@register_jitable
def _join(n, q, edge, held, fresh, w, block):
    """Equations on either side of an end of an interval: coefficients there, at the first end and at the next one."""
    v = 3 * n + q
    for r in range(n):
        row, old = at(block, 8 * r * v), at(edge, 8 * r * held)
        other, new = at(block, 8 * (n + r) * v), at(fresh, 8 * r * w)
        copied(row, at(old, 8 * n), n)
        copied(at(row, 8 * n), old, n)
        cleared(at(row, 8 * 2 * n), n)
        copied(at(row, 8 * 3 * n), at(old, 8 * 2 * n), q)
        copied(other, new, n)
        cleared(at(other, 8 * n), n)
        copied(at(other, 8 * 2 * n), at(new, 8 * n), n + q)


@register_jitable
def _gather(N, m, n, b, q, G, edge, ends, closing, border, rows, stride, corner, sums, wide, final):
    """The equations that are left: of the ends of the stretches (see `_unknown`) and the scalars."""
    held = 2 * n + q
    for place in range((9 * n + b) * wide):
        final[place] = 0.0
    for lane in range(8):
        left, right = _unknown(lane, n), _unknown(lane + 1, n)
        for r in range(n):
            row, source = at(final, (lane * n + r) * wide), at(edge, 8 * r * held + lane)
            for t in range(n):
                row[left + t], row[right + t] = source[8 * t], source[8 * (n + t)]
            for t in range(q):
                row[9 * n + t] = source[8 * (2 * n + t)]
        for r in range(b):
            row, source = at(final, (9 * n + r) * wide), at(border, 8 * r * (G + 1) * n + lane)
            for t in range(n):
                row[left + t] += source[8 * t]
                row[right + t] += source[8 * (G * n + t)]
            for t in range(q):
                row[9 * n + t] += sums[8 * (r * q + t) + lane]
    for r in range(n):
        row = at(final, (8 * n + r) * wide)
        for t in range(n):
            row[7 * n + t] = closing[r * n + t]
        row[8 * n + r] = -1.0
        for t in range(q):
            row[9 * n + t] = ends[r * q + t]
    for r in range(b):
        row = at(final, (9 * n + r) * wide)
        for t in range(n):
            row[8 * n + t] += rows[r * stride + N * m * n + t]
        for t in range(q):
            row[9 * n + t] += corner[r * q + t]


@register_jitable
def _unknown(end, n):
    """Where the ends of the eight stretches are among the last unknowns: the two of the period after the others."""
    return 7 * n if end == 0 else 8 * n if end == 8 else (end - 1) * n


@register_jitable
def _remember(n, b, before, left, right, scalars, known):
    """What is known when one substitutes back: after the first octets ``left``, ``right`` and the scalars."""
    copied(at(known, 8 * before), left, n)
    copied(at(known, 8 * (before + n)), right, n)
    cleared(at(known, 8 * (before + 2 * n)), b)
    for t in range(b):
        raised(at(known, 8 * (before + 2 * n + t)), scalars[t])


@register_jitable
def _substitute(count, w, end, solution, block, known):
    """Substitute back in a triangle of ``count`` rows, whose columns from ``end`` on are right-hand sides."""
    for back in range(count):
        pivot = count - 1 - back
        row, here = at(block, 8 * pivot * w), at(known, 8 * pivot)
        copied(here, at(row, 8 * (end + solution)), 1)
        subtract_dot(here, at(row, 8 * (pivot + 1)), at(known, 8 * (pivot + 1)), end - pivot - 1)
        quotient(here, here, at(row, 8 * pivot))


@register_jitable
def _pivot_in_lanes(block, rows, width, pivot, best):
    """Bring the largest element of a column to the diagonal in every lane; the sign this makes, 0 if one has none."""
    which, diagonal = at(best, 8), at(block, 8 * (pivot * width + pivot))
    cleared(best, 2)
    raised(which, float(pivot))
    for r in range(pivot, rows):
        larger(best, which, at(block, 8 * (r * width + pivot)), float(r))
    if above(best, 0.0) != 255 or above(best, LARGEST) != 0:
        return 0.0
    left = lanes = above(which, float(pivot))
    while left:
        row = int(which[lowest(left)])
        same = left & above(which, row - 0.5) & (255 ^ above(which, row + 0.5))
        exchange(diagonal, at(block, 8 * (row * width + pivot)), width - pivot, same)
        left ^= same
    parity = lanes ^ above(diagonal, 0.0)
    parity ^= parity >> 4
    parity ^= parity >> 2
    return -1.0 if (parity ^ parity >> 1) & 1 else 1.0


@register_jitable
def _subtract_in_lanes(row, top, pivot, width, factor):
    """Make the element below a pivot zero; what is left of it is of no use any more."""
    quotient(factor, at(row, 8 * pivot), at(top, 8 * pivot))
    subtract_multiple(at(row, 8 * (pivot + 1)), at(top, 8 * (pivot + 1)), factor, width - pivot - 1)


@register_jitable
def padded(width):
    """The width of a row that is filled up to whole octets."""
    return (width + 7) // 8 * 8


@register_jitable
def pivoted(block, rows, width, pivot):
    """Bring the largest element of a column to the diagonal; 1 if rows were exchanged, -1 if all are zero."""
    best, place = 0.0, pivot
    for r in range(pivot, rows):
        size = fabs(block[r * width + pivot])
        if size > best:
            best, place = size, r
    if best == 0.0 or not isfinite(best):
        return -1
    if place == pivot:
        return 0
    one, other = at(block, pivot * width), at(block, place * width)
    for t in range(width):
        one[t], other[t] = other[t], one[t]
    return 1


@register_jitable
def subtracted(row, top, pivot, width):
    """Make the element below a pivot zero, in a row of whole octets; what is left of it is of no use any more."""
    if row[pivot] != 0.0:
        factor = row[pivot] / top[pivot]
        for t in range(pivot // 8 * 8, width, 8):
            subtract_along(at(row, t), at(top, t), factor)
