"""Adaptive meshes of collocation, compiled by numba (see `engine.driver`)."""

from __future__ import annotations

from math import fabs, isfinite, sqrt

from numba.extending import register_jitable

from ...engine.memory import Doubles, Integers, at

OVERSHOOT = 0.61
"""How far a polynomial rises at most above the largest of five equidistant values, in units of their range: half of
what their Lebesgue constant, 2.208, exceeds 1 by."""


def adapted(
    sizes: Integers, options: Doubles, basis: Doubles, mesh: Doubles, profile: Doubles, memory: Doubles, out: Doubles
) -> int:
    """The mesh on which the error of a profile is spread evenly (see `Collocation.fitted`); its number of intervals.

    ``sizes`` are intervals N, points of an interval m, dimension n, whether the profile is periodic, least and most
    intervals; ``options`` the error (0: as few intervals as there may be). ``memory`` holds N + 1 + (N + 1) n numbers.
    """
    N, m, n = sizes[0], sizes[1], sizes[2]
    count = spread(N, m, n, sizes[3], sizes[4], sizes[5], options[0], basis, mesh, profile, memory)
    refill(N, count, mesh, memory, out)
    return count


def described(
    sizes: Integers,
    counts: Integers,
    basis: Doubles,
    dense: Doubles,
    meshes: Doubles,
    profiles: Doubles,
    memory: Doubles,
    extremes: Doubles,
    norms: Doubles,
    finer: Doubles,
    moved: Doubles,
) -> int:
    """Of many profiles: smallest and largest values (2, n), norm (1); each on a finer adapted mesh (M + 1).

    ``sizes`` are the number of profiles, points of an interval m, dimension n, values in an interval among which
    extrema are looked for (by their basis ``dense``), intervals M of the finer meshes; ``counts`` the intervals N of
    each. Their ``meshes`` (N + 1) and ``profiles`` (N m + 1, n) are one after the other; ``memory`` as in `adapted`.
    """
    count, m, n, rows, M = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    mesh, profile = at(meshes, 0), at(profiles, 0)
    for point in range(count):
        N = counts[point]
        _extrema(N, m, n, rows, dense, profile, at(extremes, point * 2 * n))
        norms[point] = _norm(N, m, n, basis, mesh, profile)
        other, out = at(finer, point * (M + 1)), at(moved, point * (M * m + 1) * n)
        if M > N:
            spread(N, m, n, 1, M, M, 0.0, basis, mesh, profile, memory)
            refill(N, M, mesh, memory, other)
            move(N, m, n, basis, mesh, profile, M, other, out)
        else:
            for k in range(N + 1):
                other[k] = mesh[k]
            for k in range((N * m + 1) * n):
                out[k] = profile[k]
        mesh, profile = at(mesh, N + 1), at(profile, (N * m + 1) * n)
    return count


def extrema(sizes: Integers, dense: Doubles, profile: Doubles, out: Doubles) -> int:
    """Smallest and largest values (2, n); ``sizes``: intervals, points of one, dimension, values looked at in one."""
    _extrema(sizes[0], sizes[1], sizes[2], sizes[3], dense, profile, out)
    return 1


def moved(sizes: Integers, basis: Doubles, mesh: Doubles, profile: Doubles, other: Doubles, out: Doubles) -> int:
    """Values at the nodes of another mesh; ``sizes``: intervals, points of one, dimension, intervals of the other."""
    move(sizes[0], sizes[1], sizes[2], basis, mesh, profile, sizes[3], other, out)
    return 1


def halves(sizes: Integers, basis: Doubles, mesh: Doubles, profile: Doubles, out: Doubles) -> int:
    """See `half_way`; ``sizes`` are intervals, points of one, dimension."""
    half_way(sizes[0], sizes[1], sizes[2], basis, mesh, profile, out)
    return 1


@register_jitable
def spread(N, m, n, periodic, least, most, error, basis, mesh, profile, grown):
    """Integral over the mesh of what the density of intervals should be (N + 1), and how many there should be.

    The monitor is the (m + 1)-st derivative, from the jumps of the m-th between intervals.
    """
    highest = at(basis, 2 * m * (m + 1) + 2 * m + m + 1)
    high, ranges = at(grown, N + 1), at(grown, N + 1 + N * n)
    largest = widest = 0.0
    for s in range(n):
        low = top = profile[s]
        for node in range(1, N * m + 1):
            low, top = min(low, profile[node * n + s]), max(top, profile[node * n + s])
        ranges[s] = top - low
        widest, largest = max(widest, ranges[s]), max(largest, max(fabs(low), fabs(top)))
    for s in range(n):
        ranges[s] = max(ranges[s], 1e-3 * widest + 1e-12 * max(1e-9, largest))
    for i in range(N):
        power = (mesh[i + 1] - mesh[i]) ** m
        for s in range(n):
            total = 0.0
            for k in range(m + 1):
                total += highest[k] * profile[(i * m + k) * n + s]
            high[i * n + s] = total / (ranges[s] * power)
    grown[0] = 0.0
    for i in range(N):
        largest = 0.0
        for s in range(n):
            around = _jump(N, n, periodic, mesh, high, i, s) + _jump(N, n, periodic, mesh, high, i + 1, s)
            largest = max(largest, around / 2)
        grown[i + 1] = largest ** (1.0 / (m + 1))
    total, factorial = 0.0, 1.0
    for i in range(N):
        total += grown[i + 1] * (mesh[i + 1] - mesh[i])
    for k in range(2, m + 2):
        factorial *= k
    flat = not isfinite(total) or total < 1e-7 * m
    if flat:
        total = 0.0
    floor = 0.1 * max(total, 1e-300)  # no interval much longer than equal ones would be
    for i in range(N):
        monitor = 1.0 if flat else max(grown[i + 1], floor)
        grown[i + 1] = grown[i] + monitor * (mesh[i + 1] - mesh[i])
    if error == 0.0:
        return least
    return int(min(max(total / (factorial * error) ** (1.0 / (m + 1)), float(least)), float(most)))


@register_jitable
def refill(N, count, mesh, grown, out):
    """The mesh of ``count`` intervals in each of which ``grown`` increases by the same."""
    i = 0
    out[0], out[count] = 0.0, 1.0
    for k in range(1, count):
        wanted = grown[N] * k / count
        while i < N - 1 and grown[i + 1] <= wanted:
            i += 1
        out[k] = mesh[i] + (wanted - grown[i]) / (grown[i + 1] - grown[i]) * (mesh[i + 1] - mesh[i])


@register_jitable
def move(N, m, n, basis, mesh, profile, count, other, out):
    """Values of a profile at the nodes of another mesh, of ``count`` intervals."""
    i = 0
    for k in range(count):
        for j in range(m):
            tau = other[k] + (other[k + 1] - other[k]) * j / m
            while i < N - 1 and mesh[i + 1] <= tau:
                i += 1
            inside = (tau - mesh[i]) / (mesh[i + 1] - mesh[i])
            _evaluate(m, n, basis, inside, at(profile, i * m * n), at(out, (k * m + j) * n))
    for s in range(n):
        out[count * m * n + s] = profile[N * m * n + s]


@register_jitable
def half_way(N, m, n, basis, mesh, profile, out):
    """How far states at the ends of the intervals are from those half a period later."""
    i = 0
    for k in range(N + 1):
        tau = (mesh[k] + 0.5) % 1.0
        if tau < mesh[i]:
            i = 0
        while i < N - 1 and mesh[i + 1] <= tau:
            i += 1
        inside = (tau - mesh[i]) / (mesh[i + 1] - mesh[i])
        _evaluate(m, n, basis, inside, at(profile, i * m * n), at(out, k * n))
        for s in range(n):
            out[k * n + s] = profile[k * m * n + s] - out[k * n + s]


@register_jitable
def _jump(N, n, periodic, mesh, high, i, s):
    """Size of the jump of the m-th derivative at the beginning of interval ``i``, over the distance of its sides."""
    before, after = (i - 1) % N, i % N
    widths = (mesh[before + 1] - mesh[before] + mesh[after + 1] - mesh[after]) / 2
    if not periodic and (i == 0 or i == N):
        return 0.0
    return fabs(high[after * n + s] - high[before * n + s]) / widths


@register_jitable
def _evaluate(m, n, basis, x, nodes, out):
    """The polynomial through values at m + 1 equidistant points of [0, 1], at ``x``."""
    powers = at(basis, 2 * m * (m + 1) + 2 * m + 2 * (m + 1))
    for s in range(n):
        out[s] = 0.0
    for k in range(m + 1):
        value = 0.0
        for power in range(m, -1, -1):
            value = value * x + powers[power * (m + 1) + k]
        for s in range(n):
            out[s] += value * nodes[k * n + s]


@register_jitable
def _extrema(N, m, n, rows, dense, profile, out):
    """The largest one of values at equal distances, and the top of the parabola through it and its neighbours."""
    for s in range(n):
        lowest = highest = 0
        for node in range(1, N * m + 1):
            lowest = node if profile[node * n + s] < profile[lowest * n + s] else lowest
            highest = node if profile[node * n + s] > profile[highest * n + s] else highest
        size = profile[highest * n + s] - profile[lowest * n + s]
        for side in range(2):
            sign, node = 2.0 * side - 1.0, highest if side == 1 else lowest
            best = sign * profile[node * n + s]
            if m > 1:  # else samples, perhaps with jumps between them
                best = _between(N, m, n, rows, dense, profile, s, sign, min(node // m, N - 1), 0.1 * size)
            out[side * n + s] = sign * best


@register_jitable
def _between(N, m, n, rows, dense, profile, s, sign, first, most):
    """The largest value of ``sign`` times a component; beyond that at equal distances by less than ``most``.

    Where it is not, the values at the nodes tell; ``first`` is the interval where it is most likely.
    """
    best, place = -1e308, 0
    for turn in range(N):
        i = first if turn == 0 else turn - 1 if turn <= first else turn
        low = top = sign * profile[i * m * n + s]
        for node in range(i * m + 1, i * m + m + 1):
            low, top = min(low, sign * profile[node * n + s]), max(top, sign * profile[node * n + s])
        if m <= 4 and top + OVERSHOOT * (top - low) < best:
            continue
        for k in range(i * rows, (i + 1) * rows):
            value = sign * _dense_value(m, n, rows, dense, profile, k, s)
            if value > best:
                best, place = value, k
    place += 1 if place % rows == 0 else -1 if place % rows == rows - 1 else 0
    a = sign * _dense_value(m, n, rows, dense, profile, place - 1, s)
    b = sign * _dense_value(m, n, rows, dense, profile, place, s)
    c = sign * _dense_value(m, n, rows, dense, profile, place + 1, s)
    if a - 2 * b + c != 0.0:
        top = b - (c - a) ** 2 / (8 * (a - 2 * b + c))
        if best <= top < best + most:
            return top
    return best


@register_jitable
def _dense_value(m, n, rows, dense, profile, k, s):
    """The k-th value of component ``s``, ``rows`` in each interval."""
    weights, nodes = at(dense, k % rows * (m + 1)), at(profile, k // rows * m * n)
    total = 0.0
    for j in range(m + 1):
        total += weights[j] * nodes[j * n + s]
    return total


@register_jitable
def _norm(N, m, n, basis, mesh, profile):
    """Root of the mean square over time."""
    weights, total = at(basis, 2 * m * (m + 1) + m), 0.0
    for i in range(N):
        for j in range(m):
            for s in range(n):
                value = 0.0
                for k in range(m + 1):
                    value += basis[j * (m + 1) + k] * profile[(i * m + k) * n + s]
                total += (mesh[i + 1] - mesh[i]) * weights[j] * value * value
    return sqrt(total)
