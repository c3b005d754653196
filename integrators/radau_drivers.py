"""The steps of :mod:`attrax.integrators.radau`, compiled by numba (see :mod:`attrax.engine.driver`).

What a member takes along is its column: ``SCALARS`` numbers, then ``y``, its derivative, the state at which the
Jacobian was computed, and the three coefficients of the polynomial through the last step. Matrices are computed again
from the column when another member has used their memory, so that pauses do not change any number.
"""

from __future__ import annotations

from math import inf, sqrt

from numba.extending import register_jitable

from ..engine.memory import Doubles, Integers, at, call
from .fields import DONE, NONFINITE, PAUSED, RUNNING, STEP_TOO_SMALL, TOO_MANY_STEPS
from .radau_fields import (
    CURRENT,
    ETA,
    HLU,
    HOLD,
    LAST_ERROR,
    LAST_H,
    REFUSED,
    REJECTED,
    SAMPLE,
    SCALARS,
    STEPS,
    TJ,
    TOLD,
    WILD,
    H,
    T,
)

ROOT = 6.0**0.5
C1, C2 = (4.0 - ROOT) / 10.0, (4.0 + ROOT) / 10.0
GAMMA = 3.0 + 3.0 ** (2.0 / 3.0) - 3.0 ** (1.0 / 3.0)
ALPHA = 3.0 + 0.5 * (3.0 ** (1.0 / 3.0) - 3.0 ** (2.0 / 3.0))
BETA = 0.5 * (3.0 ** (5.0 / 6.0) + 3.0 ** (7.0 / 6.0))
T11, T12, T13 = 0.09443876248897524, -0.14125529502095421, 0.03002919410514742
T21, T22, T23 = 0.25021312296533332, 0.20412935229379994, -0.38294211275726192
I11, I12, I13 = 4.17871859155190428, 0.32768282076106237, 0.52337644549944951
I21, I22, I23 = -4.17871859155190428, -0.32768282076106237, 0.47662355450055044
I31, I32, I33 = 0.50287263494578682, -2.57192694985560522, 0.59603920482822492
E1, E2, E3 = (-13.0 - 7.0 * ROOT) / 3.0, (-13.0 + 7.0 * ROOT) / 3.0, -1.0 / 3.0

ITERATIONS = 7
SLOW = 1e-3
"""Rate of convergence above which the Jacobian is computed anew."""


def radau(
    rhs: int,
    jacobian: int,
    factor: int,
    solve: int,
    n: int,
    stages: Doubles,
    places: Integers,
    point: Doubles,
    matrices: Doubles,
    pivots: Integers,
    scratch: Doubles,
    column: Doubles,
    again: int,
    span: Doubles,
    times: Doubles,
    first_sample: int,
    last_sample: int,
    all_samples: int,
    samples: Doubles,
    budget: int,
) -> int:
    """Advance a member by at most ``budget`` steps; returns its status, or a negative number if a callback failed.

    ``rhs`` is a kernel of four lanes on the memory ``stages``, ``jacobian`` a kernel or a callback on the memory
    ``point``; ``places`` are the offsets of t, y and f in the one, t, y and J in the other. ``factor`` and ``solve``
    are callbacks, or 0 for elimination here. ``again``: the matrices in memory are not this member's.
    """
    y, f, jy, q = at(column, SCALARS), at(column, SCALARS + n), at(column, SCALARS + 2 * n), at(column, SCALARS + 3 * n)
    z, w, r = at(scratch, 0), at(scratch, 3 * n), at(scratch, 6 * n)
    weight, mixed, trial = at(scratch, 9 * n), at(scratch, 10 * n), at(scratch, 11 * n)
    stage_t, stage_y, stage_f = at(stages, places[0]), at(stages, places[1]), at(stages, places[2])
    point_t, point_y, matrix = at(point, places[3]), at(point, places[4]), at(point, places[5])
    t_end, direction, rtol, atol, max_steps = span[0], span[1], span[2], span[3], span[4]
    newton = max(10.0 * 2.0**-52 / rtol, min(0.03, sqrt(rtol)))
    taken = 0

    if column[H] == 0.0:
        _evaluate(rhs, stages, stage_t, stage_y, stage_f, column[T], y, f, n)
        _first_step(rhs, stages, stage_t, stage_y, stage_f, column, y, f, weight, trial, mixed, span, n)
        column[ETA] = 1.0
    elif again and column[HLU] == 0.0:
        column[CURRENT] = 0.0
    elif again:
        if _differentiate(jacobian, point, point_t, point_y, column[TJ], jy, n) != 0:
            return -1
        if _factorise(factor, matrix, matrices, pivots, r, column[HLU], n) < 0:
            return -1

    while True:
        t = column[T]
        s = int(column[SAMPLE])
        while s < last_sample and direction * (t - times[s - first_sample]) >= 0.0:
            record = at(samples, (s - first_sample) * n)
            x = (times[s - first_sample] - column[TOLD]) / column[HOLD] if times[s - first_sample] != t else 1.0
            for j in range(n):
                inside = (x - 1.0) * (q[j] + (x + 1.0) * q[n + j] + (x * x + x + 1.0) * q[2 * n + j])
                record[j] = y[j] + inside if x != 1.0 else y[j]
            s += 1
        column[SAMPLE] = s
        if t == t_end or s == last_sample < all_samples:
            return PAUSED if s == last_sample < all_samples else DONE
        if column[STEPS] >= max_steps:
            return TOO_MANY_STEPS
        if abs(column[H]) <= 2.0**-50 * abs(t) + 1e-280 and column[REFUSED] != 0.0:
            return NONFINITE if column[WILD] != 0.0 else STEP_TOO_SMALL
        if taken >= budget:
            return RUNNING
        taken += 1

        left = abs(t_end - t)
        last = column[H] * 1.0001 >= left
        h = direction * (left if last else column[H])
        if column[HLU] == 0.0 and column[CURRENT] == 0.0:
            if _differentiate(jacobian, point, point_t, point_y, t, y, n) != 0:
                return -1
            column[TJ], column[CURRENT] = t, 1.0
            for j in range(n):
                jy[j] = y[j]
        singular = 0
        if column[HLU] != h:
            singular = _factorise(factor, matrix, matrices, pivots, r, h, n)
            if singular < 0:
                return -1
            column[HLU] = h

        for j in range(n):
            weight[j] = 1.0 / (atol + rtol * abs(y[j]))
        if column[HOLD] == 0.0:
            for j in range(3 * n):
                z[j] = w[j] = 0.0
        else:
            _guess(z, w, q, h / column[HOLD], n)

        # simplified Newton iteration
        column[STEPS] += 1.0
        eta = sqrt(max(column[ETA], 2.0**-52) * sqrt(max(column[ETA], 2.0**-52)))
        rate, ratio, change, before = 0.0, 0.0, 0.0, 0.0
        iterations, converged, wild = 0, False, False
        while singular == 0 and not converged and iterations < ITERATIONS:
            iterations += 1
            stage_t[0], stage_t[1], stage_t[2], stage_t[3] = t + C1 * h, t + C2 * h, t + h, t + h
            for j in range(n):
                stage_y[4 * j], stage_y[4 * j + 1] = y[j] + z[j], y[j] + z[n + j]
                stage_y[4 * j + 2] = stage_y[4 * j + 3] = y[j] + z[2 * n + j]
            call(rhs, stages, stages, -1, 0)
            real, alpha, beta = GAMMA / h, ALPHA / h, BETA / h
            for j in range(n):
                a, b, c = stage_f[4 * j], stage_f[4 * j + 1], stage_f[4 * j + 2]
                u, v = w[n + j], w[2 * n + j]
                r[j] = I11 * a + I12 * b + I13 * c - real * w[j]
                r[n + j] = I21 * a + I22 * b + I23 * c - (alpha * u + beta * v)
                r[2 * n + j] = I31 * a + I32 * b + I33 * c - (alpha * v - beta * u)
            if _solve(solve, matrices, pivots, r, 1, n) != 0:
                return -1
            square = 0.0
            for j in range(n):
                square += (r[j] * r[j] + r[n + j] * r[n + j] + r[2 * n + j] * r[2 * n + j]) * weight[j] * weight[j]
            change = sqrt(square / (3 * n))
            if not change < inf:
                wild = True
                break
            if iterations > 1:
                rate = change / before if iterations == 2 else sqrt(ratio * change / before)
                ratio = change / before
                if rate >= 0.99:
                    break
                eta = rate / (1.0 - rate)
                expected = eta * change
                for _ in range(iterations, ITERATIONS - 1):
                    expected *= rate
                if expected > newton:
                    break
            before = max(change, 2.0**-52)
            for j in range(n):
                w[j] += r[j]
                w[n + j] += r[n + j]
                w[2 * n + j] += r[2 * n + j]
                z[j] = T11 * w[j] + T12 * w[n + j] + T13 * w[2 * n + j]
                z[n + j] = T21 * w[j] + T22 * w[n + j] + T23 * w[2 * n + j]
                z[2 * n + j] = w[j] + w[n + j]
            converged = eta * change <= newton

        if not converged:
            column[REJECTED] += 1.0
            column[REFUSED], column[HLU] = 1.0, 0.0
            column[WILD] = 1.0 if wild else 0.0
            column[ETA] = 1.0
            if column[CURRENT] != 0.0 or wild:
                column[H] = 0.5 * abs(h)
            continue
        column[ETA] = eta

        # estimate of the error
        for j in range(n):
            mixed[j] = (E1 * z[j] + E2 * z[n + j] + E3 * z[2 * n + j]) / h
            r[j] = f[j] + mixed[j]
            trial[j] = y[j] + z[2 * n + j]
            weight[j] = 1.0 / (atol + rtol * max(abs(y[j]), abs(trial[j])))
        if _solve(solve, matrices, pivots, r, 0, n) != 0:
            return -1
        error = _norm(r, weight, n)
        if error > 1.0 and (column[REFUSED] != 0.0 or column[HOLD] == 0.0):
            for j in range(n):
                trial[j] = y[j] + r[j]
            _evaluate(rhs, stages, stage_t, stage_y, stage_f, t, trial, r, n)
            for j in range(n):
                r[j] += mixed[j]
            if _solve(solve, matrices, pivots, r, 0, n) != 0:
                return -1
            error = _norm(r, weight, n)
            for j in range(n):
                trial[j] = y[j] + z[2 * n + j]
        end = t_end if last else t + h
        wild = not error < inf
        if not wild and error <= 1.0:
            _evaluate(rhs, stages, stage_t, stage_y, stage_f, end, trial, mixed, n)
            for j in range(n):
                wild = wild or not abs(mixed[j]) < inf
        error = max(error, 1e-10)
        safety = 0.9 * (2 * ITERATIONS + 1) / (2 * ITERATIONS + iterations)
        grow = safety / sqrt(sqrt(error))
        if wild or error > 1.0:
            column[REJECTED] += 1.0
            column[WILD] = 1.0 if wild else 0.0
            smallest = 0.1 if column[HOLD] == 0.0 else 0.2
            column[H] = abs(h) * (0.1 if wild else min(max(smallest, grow), 0.95))
            column[REFUSED], column[HLU] = 1.0, 0.0
            continue

        if column[HOLD] != 0.0:
            predicted = grow * abs(h) / column[LAST_H] * sqrt(sqrt(column[LAST_ERROR] / error))
            grow = min(grow, predicted)
        grow = min(max(0.2, grow), 8.0 if column[REFUSED] == 0.0 else 1.0)
        column[LAST_H], column[LAST_ERROR] = abs(h), max(1e-2, error)
        column[REFUSED] = column[WILD] = column[CURRENT] = 0.0
        column[TOLD], column[HOLD], column[T] = t, h, end
        for j in range(n):
            a, b, c = z[j], z[n + j], z[2 * n + j]
            q[j] = (13.0 + 7.0 * ROOT) / 3.0 * a + (13.0 - 7.0 * ROOT) / 3.0 * b + c / 3.0
            q[n + j] = (-23.0 - 22.0 * ROOT) / 3.0 * a + (-23.0 + 22.0 * ROOT) / 3.0 * b - 8.0 / 3.0 * c
            q[2 * n + j] = (10.0 + 15.0 * ROOT) / 3.0 * a + (10.0 - 15.0 * ROOT) / 3.0 * b + 10.0 / 3.0 * c
            y[j], f[j] = trial[j], mixed[j]
        if iterations > 2 and rate > SLOW:
            column[HLU] = 0.0
        elif 1.0 <= grow <= 1.2 and not last:
            grow = 1.0
        column[H] = abs(h) * grow


@register_jitable
def _evaluate(rhs, stages, stage_t, stage_y, stage_f, t, y, f, n):
    """The derivative at one state."""
    for lane in range(4):
        stage_t[lane] = t
    for j in range(n):
        for lane in range(4):
            stage_y[4 * j + lane] = y[j]
    call(rhs, stages, stages, -1, 0)
    for j in range(n):
        f[j] = stage_f[4 * j]


@register_jitable
def _differentiate(jacobian, point, point_t, point_y, t, y, n):
    point_t[0] = t
    for j in range(n):
        point_y[j] = y[j]
    return call(jacobian, point, point, -1, 0)


@register_jitable
def _first_step(rhs, stages, stage_t, stage_y, stage_f, column, y, f, weight, trial, slope, span, n):
    """A first step (Hairer, Norsett & Wanner, *Solving ODEs I*, II.4)."""
    t, left = column[T], abs(span[0] - column[T])
    for j in range(n):
        weight[j] = 1.0 / (span[3] + span[2] * abs(y[j]))
    size, speed = _norm(y, weight, n), _norm(f, weight, n)
    h = 1e-6 if size < 1e-5 or speed < 1e-5 else 0.01 * size / speed
    h = min(h, left)
    for j in range(n):
        trial[j] = y[j] + span[1] * h * f[j]
    _evaluate(rhs, stages, stage_t, stage_y, stage_f, t + span[1] * h, trial, slope, n)
    for j in range(n):
        slope[j] -= f[j]
    steep = max(speed, _norm(slope, weight, n) / h)
    second = max(1e-6, h * 1e-3) if steep <= 1e-15 else sqrt(sqrt(0.01 / steep))
    h = min(min(100.0 * h, second), left)
    column[H] = h if h > 1e-60 * left else 1e-60 * left


@register_jitable
def _guess(z, w, q, ratio, n):
    """First guess of the stages: the polynomial through the last step, continued."""
    for j in range(n):
        for i in range(3):
            x = 1.0 + ratio * (C1 if i == 0 else C2 if i == 1 else 1.0)
            z[i * n + j] = (x - 1.0) * (q[j] + (x + 1.0) * q[n + j] + (x * x + x + 1.0) * q[2 * n + j])
        a, b, c = z[j], z[n + j], z[2 * n + j]
        w[j] = I11 * a + I12 * b + I13 * c
        w[n + j] = I21 * a + I22 * b + I23 * c
        w[2 * n + j] = I31 * a + I32 * b + I33 * c


@register_jitable
def _norm(x, weight, n):
    square = 0.0
    for j in range(n):
        square += x[j] * weight[j] * (x[j] * weight[j])
    return sqrt(square / n)


@register_jitable
def _factorise(factor, matrix, matrices, pivots, r, h, n):
    """Factors of ``gamma / h - J`` and ``(alpha - i beta) / h - J``: 0, or 1 if singular, or negative on failure."""
    if factor != 0:
        r[0], r[1], r[2] = GAMMA / h, ALPHA / h, -BETA / h
        return call(factor, r, r, 0, 0)
    a, re, im = at(matrices, 0), at(matrices, n * n), at(matrices, 2 * n * n)
    for i in range(n):
        for j in range(n):
            k = i * n + j
            a[k] = re[k] = -matrix[k]
            im[k] = 0.0
        k = i * n + i
        a[k] += GAMMA / h
        re[k] += ALPHA / h
        im[k] = -BETA / h
    return _real_factors(a, pivots, n) | _complex_factors(re, im, at(pivots, n), n)


@register_jitable
def _solve(solve, matrices, pivots, r, every, n):
    """Replace the right-hand sides ``r`` (real, and with ``every`` complex) by the solutions."""
    if solve != 0:
        return call(solve, r, r, every, 0)
    _real_solution(at(matrices, 0), pivots, r, n)
    if every:
        re, im = at(matrices, n * n), at(matrices, 2 * n * n)
        _complex_solution(re, im, at(pivots, n), at(r, n), at(r, 2 * n), n)
    return 0


@register_jitable
def _real_factors(a, pivots, n):
    for k in range(n):
        best = k
        for i in range(k + 1, n):
            if abs(a[i * n + k]) > abs(a[best * n + k]):
                best = i
        pivots[k] = best
        if a[best * n + k] == 0.0:
            return 1
        if best != k:
            for j in range(n):
                a[k * n + j], a[best * n + j] = a[best * n + j], a[k * n + j]
        top = at(a, k * n)
        for i in range(k + 1, n):
            row = at(a, i * n)
            if row[k] != 0.0:
                row[k] /= top[k]
                x = row[k]
                for j in range(k + 1, n):
                    row[j] -= x * top[j]
    return 0


@register_jitable
def _complex_factors(re, im, pivots, n):
    for k in range(n):
        best, largest = k, 0.0
        for i in range(k, n):
            size = abs(re[i * n + k]) + abs(im[i * n + k])
            if size > largest:
                best, largest = i, size
        pivots[k] = best
        if largest == 0.0:
            return 1
        if best != k:
            for j in range(n):
                re[k * n + j], re[best * n + j] = re[best * n + j], re[k * n + j]
                im[k * n + j], im[best * n + j] = im[best * n + j], im[k * n + j]
        top_re, top_im = at(re, k * n), at(im, k * n)
        square = top_re[k] * top_re[k] + top_im[k] * top_im[k]
        inverse_re, inverse_im = top_re[k] / square, -top_im[k] / square
        for i in range(k + 1, n):
            row_re, row_im = at(re, i * n), at(im, i * n)
            if row_re[k] != 0.0 or row_im[k] != 0.0:
                u = row_re[k] * inverse_re - row_im[k] * inverse_im
                v = row_re[k] * inverse_im + row_im[k] * inverse_re
                row_re[k], row_im[k] = u, v
                for j in range(k + 1, n):
                    row_re[j] -= u * top_re[j] - v * top_im[j]
                    row_im[j] -= u * top_im[j] + v * top_re[j]
    return 0


@register_jitable
def _real_solution(a, pivots, x, n):
    for k in range(n):
        best = pivots[k]
        x[k], x[best] = x[best], x[k]
    for i in range(n):
        total = x[i]
        for j in range(i):
            total -= a[i * n + j] * x[j]
        x[i] = total
    for back in range(n):
        i = n - 1 - back
        total = x[i]
        for j in range(i + 1, n):
            total -= a[i * n + j] * x[j]
        x[i] = total / a[i * n + i]


@register_jitable
def _complex_solution(re, im, pivots, x, y, n):
    for k in range(n):
        best = pivots[k]
        x[k], x[best] = x[best], x[k]
        y[k], y[best] = y[best], y[k]
    for i in range(n):
        u, v = x[i], y[i]
        for j in range(i):
            k = i * n + j
            u -= re[k] * x[j] - im[k] * y[j]
            v -= re[k] * y[j] + im[k] * x[j]
        x[i], y[i] = u, v
    for back in range(n):
        i = n - 1 - back
        u, v = x[i], y[i]
        for j in range(i + 1, n):
            k = i * n + j
            u -= re[k] * x[j] - im[k] * y[j]
            v -= re[k] * y[j] + im[k] * x[j]
        k = i * n + i
        square = re[k] * re[k] + im[k] * im[k]
        x[i], y[i] = (u * re[k] + v * im[k]) / square, (v * re[k] - u * im[k]) / square
