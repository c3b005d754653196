"""Cycles of a branch, many at a time: computed by a compiled driver, looked at together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...engine.driver import driver
from ..continuation.pseudo_arclength import Point, Stepping, Stretch
from .branches import Orbit
from .collocation import memory
from .floquet import ROUNDS, spectra

if TYPE_CHECKING:
    from .following import Cycles

Vector = np.ndarray


def stretch(curve: Cycles, here: Point, start: Point, length: float, how: Stepping, most: int) -> Stretch:
    """Cycles of a curve from ``here`` on, until something happens: the step after them needs a closer look.

    Nothing happens while no test function changes sign and as many multipliers are unstable, no value asked for or
    bound is passed, the cycle neither vanishes nor has a very long period, and
    the parameter keeps away from that of the start. Only the last point has its test functions.
    """
    from .following import ERROR, EVERY, FINER, LONGEST, STILL, TRIVIAL

    problem, n, m, b, driven = curve.problem, curve.n, curve.problem.degree, curve.rates.scalars, curve.rates.driven
    N, finest, held = problem.intervals, FINER * curve.fewest, problem._held()
    size = (finest * m + 1) * n + b
    out, products = np.empty((most, 6 + n + b)), np.empty((most, (2 * n + 1) * n))
    kept = np.empty(most * (2 * size + finest * (m * n + 1) + 1))
    sizes = [N, m, n, b, not driven, most, curve.steps, EVERY, curve.fewest, finest]
    options = [1e-7, how.iterations, length, how.largest, here.tests["LPC"], here.tests["BPC"], *curve.bounds[0][1:]]
    options += [curve.shortest, LONGEST, STILL[0], STILL[1] * curve.width, ERROR, curve.width, TRIVIAL]
    rows, targets, frame = np.zeros(b * size), np.zeros(b), curve.multipliers.frame.copy()
    rows[: (b - 1) * len(here.u)], targets[:-1] = curve.conditions[0].ravel(), curve.conditions[1]
    scratch = np.empty(2 * (how.iterations + 2) + (3 * finest + 5) * n * n + 9 * n + 3 * size)
    state = (here.u, here.tangent, problem.mesh, rows, targets, curve.largest, curve.reference, curve.halves, frame)
    room = (size, size, finest + 1, b * size, b, n, size, (finest + 1) * n, n * n)
    changing = [_with_room(values, length) for values, length in zip(state, room, strict=True)]
    count = driver("attrax.analysis.cycles.stretch_drivers", "cycles")(
        *(held.kernel.kernels["values"], held.work, held.kernel.field, np.array(sizes)),
        *(np.array([N, n, ROUNDS]), np.array(options, dtype=float), problem.basis.flat, problem.closing),
        *(*changing, np.empty((6, size)), np.empty(memory(finest, m, n, b)), scratch, out, kept, products),
    )
    frame = changing[-1].reshape(n, n)
    known, largest, scalars = np.split(out[:count], [6, 6 + n], axis=1)
    counts, fresh, residuals, signs, lengths, turning = known.T
    values = spectra(*np.split(products[:count], [n * n, 2 * n * n], axis=1))
    unstable, tests = curve.tests(values, turning, signs)
    periods = scalars[:, 0] if not driven else np.array([curve.rates.of_period(each) for each in scalars])
    again = abs(periods - start.data.period) < 0.1 * start.data.period
    quiet = _quiet(curve, np.vstack([here.u[-b:], scalars]), start.u[-1], again, here, tests, unstable)
    if not quiet:
        return Stretch([], np.array([length]))
    points: list[Point] = []
    columns = [each[:quiet].tolist() for each in (counts.astype(int), fresh, unstable, periods, residuals)]
    end = 0
    for k, (N, other, count, period, residual) in enumerate(zip(*columns, strict=True)):
        u, tangent, flow = end, end + (N * m + 1) * n + b, end + 2 * ((N * m + 1) * n + b)
        mesh, end = flow + N * m * n, flow + N * m * n + N + 1
        if other:
            problem = problem.on(kept[mesh:end])
        orbit = Orbit(problem, values[k], count, period, kept[flow:mesh].reshape(N * m, n))
        points.append(Point(kept[u:tangent], kept[tangent:flow], {}, orbit, residual))
    points[-1].tests = {name: float(test[quiet - 1]) for name, test in tests.items()}
    curve.adopt_many(points, largest[quiet - 1], frame)
    return Stretch(points, np.append(length, lengths[:quiet]), quiet < most)


def _with_room(values: np.ndarray, size: int) -> Vector:
    """A flat copy with room for ``size`` numbers."""
    copy = np.empty(size)
    copy[: values.size] = values.ravel()
    return copy


def _quiet(
    curve: Cycles, u: np.ndarray, first: float, again: Vector, here: Point, tests: dict[str, Vector], unstable: Vector
) -> int:
    """How many steps between the points (steps + 1, scalars) come before the first in which something is noticed.

    ``first`` is the parameter at the start of the curve, ``again`` where the cycles may be the same as there.
    """
    values = u[:, -1] - first
    noticed = (np.diff(unstable, prepend=here.data.unstable) != 0) | (values[1:] * values[:-1] <= 0) & again
    for name, test in tests.items():
        negative = np.append(here.tests[name], test) < 0
        noticed |= (negative[1:] != negative[:-1]) | ~np.isfinite(test)
    for index, value in curve.marks:
        beyond = u[:, index] > value
        noticed |= beyond[1:] != beyond[:-1]
    for index, low, high in curve.bounds:
        noticed |= (u[1:, index] < low) | (u[1:, index] > high)
    return int(noticed.argmax()) if noticed.any() else len(noticed)
