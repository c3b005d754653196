"""Floquet multipliers, compiled by numba (see `engine.driver`)."""

from __future__ import annotations

from math import exp, fabs, inf, isfinite, log, sqrt

from numba.extending import register_jitable

from ...engine.memory import Doubles, Integers, at
from .elimination_drivers import padded, pivoted, subtracted

VECTORISED = False
FLATTEST = 100.0
"""Maps of adjacent intervals are multiplied as long as this bounds half the condition number of the product."""
ROUNDS, SETTLED = 20, 1e-6
"""Most rounds of inverse iteration, and the relative change that ends it."""


def triangular(
    sizes: Integers, factors: Doubles, frame: Doubles, memory: Doubles, product: Doubles, logarithms: Doubles
) -> int:
    """Orthogonal iteration through all intervals, until what the multipliers of different size share has died out.

    ``sizes``: intervals, dimension, most rounds. ``frame`` (n, n): a basis at the beginning, improved in place.
    Then the monodromy matrix is ``frame Z R frame^T``; ``product`` holds Z (n, n), then R (n, n), upper triangular,
    whose columns are scaled by the exponentials of ``logarithms``.
    """
    N, n, most = sizes[0], sizes[1], sizes[2]
    maps = at(memory, 0)
    y = at(maps, N * n * n)
    z, previous, r = at(y, n * n), at(y, 2 * n * n), at(y, 3 * n * n)
    count = 0
    for i in range(N):
        one = at(maps, count * n * n)
        if not _propagate(n, at(factors, i * 2 * n * n), one, r):
            return 0
        if count > 0 and _multiplied(n, one, at(maps, (count - 1) * n * n), y, r):
            continue
        count += 1
    for j in range(n):
        previous[j] = 1e300
    for turn in range(most):
        for k in range(n * n):
            z[k] = frame[k]
            product[n * n + k] = 0.0
        for k in range(n):
            product[n * n + k * n + k] = 1.0
            logarithms[k] = 0.0
        for i in range(count):
            _product(n, at(maps, i * n * n), z, y)
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


@register_jitable
def nearest(n, product, logarithms, memory):
    """How far from 1 the multiplier nearest to it is, by inverse iteration; infinite where that does not settle.

    ``product`` and ``logarithms`` are those of `triangular`, ``memory`` holds 5 n^2 + 9 n numbers.
    """
    pair, inverse = at(memory, 0), at(memory, 2 * n * n)
    x, y = at(memory, 3 * n * n), at(memory, 3 * n * n + n)
    for j in range(n):
        for k in range(n):
            total, size = 0.0, max(logarithms[k], 0.0)
            for t in range(k + 1):
                total += product[j * n + t] * product[(n + t) * n + k]
            here = exp(-size) if j == k else 0.0
            pair[2 * j * n + k] = -1.0 if j == k else 0.0
            pair[(2 * j + 1) * n + k] = exp(logarithms[k] - size) * total - here
    if not _propagate(n, pair, inverse, at(y, n)):
        return 0.0
    for j in range(n):
        x[j] = 1.0 / sqrt(1.0 * n)
        for k in range(n):
            inverse[j * n + k] *= exp(-max(logarithms[j], 0.0))
    distance = inf
    for _ in range(ROUNDS):
        growth = square = 0.0
        for j in range(n):
            y[j] = 0.0
            for k in range(n):
                y[j] += inverse[j * n + k] * x[k]
            growth += x[j] * y[j]
            square += y[j] * y[j]
        for j in range(n):
            x[j] = y[j] / sqrt(square)
        before, distance = distance, 1.0 / fabs(growth)
        if fabs(distance - before) <= SETTLED * distance:
            return distance
    return inf


# -- inside -------------------------------------------------------------------------------------------------


@register_jitable
def _propagate(n, pair, result, scratch):
    """``-C^-1 A`` of a pair ``A, C`` (rows of 2 n)."""
    w = padded(2 * n)
    for r in range(n):
        for t in range(n):
            scratch[r * w + t], scratch[r * w + n + t] = pair[(2 * r + 1) * n + t], -pair[2 * r * n + t]
        for t in range(2 * n, w):
            scratch[r * w + t] = 0.0
    for pivot in range(n):
        if pivoted(scratch, n, w, pivot) < 0:
            return False
        for r in range(pivot + 1, n):
            subtracted(at(scratch, r * w), at(scratch, pivot * w), pivot, w)
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
def _product(n, a, b, out):
    """``out = a b``."""
    for j in range(n):
        for k in range(n):
            total = 0.0
            for t in range(n):
                total += a[j * n + t] * b[t * n + k]
            out[j * n + k] = total


@register_jitable
def _multiplied(n, one, last, result, scratch):
    """Make ``last`` the product ``one last`` if that is far from singular.

    The condition number of P is below ``2 (|P|_F / sqrt(n))^n / |det P|`` (Guggenheimer, Edelman & Johnson, Coll. Math.
    J. 26, 2, 1995).
    """
    _product(n, one, last, result)
    w, square, bound = padded(n), 0.0, 0.0
    for r in range(n):
        for t in range(w):
            scratch[r * w + t] = result[r * n + t] if t < n else 0.0
            square += scratch[r * w + t] ** 2
    for pivot in range(n):
        if pivoted(scratch, n, w, pivot) < 0:
            return False
        top = at(scratch, pivot * w)
        bound += 0.5 * log(square / n) - log(fabs(top[pivot]))
        for r in range(pivot + 1, n):
            subtracted(at(scratch, r * w), top, pivot, w)
    if not bound < log(FLATTEST):
        return False
    for k in range(n * n):
        last[k] = result[k]
    return True


@register_jitable
def _orthonormal(n, y, r):
    """Gram-Schmidt of the columns of ``y``, twice where needed; ``r`` such that old ``y`` = new ``y`` times ``r``."""
    for k in range(n):
        for j in range(n):
            r[j * n + k] = 0.0
        before, square = inf, 0.0
        for t in range(n):
            square += y[t * n + k] * y[t * n + k]
        while k > 0 and square < 0.5 * before:
            before, square = square, 0.0
            for j in range(k):
                part = 0.0
                for t in range(n):
                    part += y[t * n + j] * y[t * n + k]
                r[j * n + k] += part
                for t in range(n):
                    y[t * n + k] -= part * y[t * n + j]
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
