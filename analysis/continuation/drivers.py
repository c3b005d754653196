"""Pseudo-arclength continuation of small systems, compiled by numba (see `engine.driver`): many points in one call.

The predictor-corrector of `pseudo_arclength.follow` for equations that a kernel evaluates. It stops wherever a point is
not plainly there (no convergence, a sharp turn, a singular matrix), and leaves it to `follow` to find out why. What
happens between the points, too, is looked at by the caller.
"""

from __future__ import annotations

from math import fabs, isfinite, sqrt

from numba.extending import register_jitable

from ...engine.memory import Doubles, Integers, at, call
from .steps import CONVERGED, LARGEST, SHARPEST_TURN, factor

factor = register_jitable(factor)


def points(
    kernel: int,
    work: Doubles,
    field: Integers,
    sizes: Integers,
    options: Doubles,
    here: Doubles,
    scale: Doubles,
    weight: Doubles,
    memory: Doubles,
    out: Doubles,
    derivatives: Doubles,
) -> int:
    """Points from ``here`` on (u, tangent), until there are as many as wanted or one is not plainly there.

    ``field`` says where in ``work`` the kernel finds the unknowns and leaves the N - 1 equations and their derivatives
    (N - 1, N); ``sizes`` are N, the most points, the most iterations of Newton's method; ``options`` the length of the
    first step and of the longest. The scale becomes ``|u| weight`` where that is larger. Every point is a row of
    ``out``: u, tangent, residual, sign of det(derivative over tangent), length of the step after it, number of
    iterations; and of ``derivatives``. ``memory`` holds (N + 3) N numbers. Returns how many points there are.
    """
    N, wanted, most = sizes[0], sizes[1], sizes[2]
    n, row = N - 1, 2 * N + 4
    length = options[0]
    z, f, d = at(work, field[0]), at(work, field[1]), at(work, field[2])
    matrix, right, normal, pivots = at(memory, 0), at(memory, N * N), at(memory, (N + 1) * N), at(memory, (N + 2) * N)
    for number in range(wanted):
        u, tangent = at(here, 0), at(here, N)
        if number > 0:
            u, tangent = at(out, (number - 1) * row), at(out, (number - 1) * row + N)
        point = at(out, number * row)
        for j in range(N):
            normal[j] = tangent[j] / (scale[j] * scale[j])
            point[j] = u[j] + length * tangent[j]
        effort = _correct(kernel, work, z, f, d, N, most, point, normal, scale, matrix, right, pivots)
        if effort == 0:
            return number
        leap = residual = 0.0
        for j in range(N):
            leap = max(leap, fabs(point[j] - u[j] - length * tangent[j]) / scale[j])
        for i in range(n):
            if not isfinite(f[i]):
                return number
            residual = max(residual, fabs(f[i]))
        if leap > max(length, 1e-6):
            return number
        if not _linear(d, N, normal, matrix):
            return number
        for i in range(n):
            right[i] = 0.0
        right[n] = 1.0
        sign = _solve(N, matrix, right, pivots)
        if sign == 0.0 or not pivots[0] > 1e-12 * pivots[1]:
            return number
        size = 0.0
        for j in range(N):
            size += (right[j] / scale[j]) ** 2
        size = sqrt(size)
        for j in range(N):
            point[N + j] = right[j] / size
        if not _cosine(N, tangent, at(point, N), scale) >= SHARPEST_TURN:
            return number
        for j in range(N):
            scale[j] = max(scale[j], fabs(point[j]) * weight[j])
        length = min(length * factor(effort, _cosine(N, tangent, at(point, N), scale)), options[1])
        point[2 * N], point[2 * N + 1], point[2 * N + 2], point[2 * N + 3] = residual, sign, length, effort
        one = at(derivatives, number * n * N)
        for k in range(n * N):
            one[k] = d[k]
    return wanted


# -- inside -------------------------------------------------------------------------------------------------


@register_jitable
def _correct(kernel, work, z, f, d, N, most, u, normal, scale, matrix, right, pivots):
    """Newton's method from ``u`` with ``normal . u`` kept: number of iterations, or 0 if it does not converge.

    The equations and derivatives at the solution are left in ``f`` and ``d``.
    """
    before = 0.0
    for iteration in range(most + 1):
        for j in range(N):
            z[j] = u[j]
        call(kernel, work, work, -1, 0)
        if iteration > 0 and before < CONVERGED:
            return iteration
        if iteration == most or not _linear(d, N, normal, matrix):
            return 0
        for i in range(N - 1):
            right[i] = f[i]
        right[N - 1] = 0.0
        if _solve(N, matrix, right, pivots) == 0.0:
            return 0
        update = 0.0
        for j in range(N):
            u[j] -= right[j]
            if not isfinite(right[j]):
                return 0
            update = max(update, fabs(right[j]) / scale[j])
        if iteration > 1 and update > 2.0 * before:
            return 0
        before = update
    return 0


@register_jitable
def _linear(d, N, normal, matrix):
    """The derivatives over a further row; whether all are finite."""
    good = True
    for k in range((N - 1) * N):
        matrix[k] = d[k]
        good = good and fabs(d[k]) < LARGEST
    for j in range(N):
        matrix[(N - 1) * N + j] = normal[j]
    return good


@register_jitable
def _solve(N, matrix, right, pivots):
    """Solve linear equations in place by elimination with row pivoting.

    Returns the sign of the determinant, 0 where it vanishes; ``pivots`` become the smallest and the largest.
    """
    sign, pivots[0], pivots[1] = 1.0, 1e308, 0.0
    for k in range(N):
        best = k
        for i in range(k + 1, N):
            if fabs(matrix[i * N + k]) > fabs(matrix[best * N + k]):
                best = i
        pivot = matrix[best * N + k]
        if pivot == 0.0:
            return 0.0
        if pivot < 0.0:
            sign = -sign
        pivots[0], pivots[1] = min(pivots[0], fabs(pivot)), max(pivots[1], fabs(pivot))
        if best != k:
            sign = -sign
            for j in range(k, N):
                matrix[k * N + j], matrix[best * N + j] = matrix[best * N + j], matrix[k * N + j]
            right[k], right[best] = right[best], right[k]
        for i in range(k + 1, N):
            share = matrix[i * N + k] / pivot
            for j in range(k + 1, N):
                matrix[i * N + j] -= share * matrix[k * N + j]
            right[i] -= share * right[k]
    for k in range(N - 1, -1, -1):
        for j in range(k + 1, N):
            right[k] -= matrix[k * N + j] * right[j]
        right[k] /= matrix[k * N + k]
    return sign


@register_jitable
def _cosine(N, a, b, scale):
    """Of the angle between two directions."""
    product = first = second = 0.0
    for j in range(N):
        x, y = a[j] / scale[j], b[j] / scale[j]
        product += x * y
        first += x * x
        second += y * y
    return product / sqrt(first * second)
