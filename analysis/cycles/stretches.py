"""Cycles of a branch, many at a time: computed by a compiled driver, looked at together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...engine.driver import driver
from ..continuation.pseudo_arclength import Point, Stepping, Stretch
from .branches import Orbit
from .floquet import ROUNDS, spectra

if TYPE_CHECKING:
    from .following import Cycles

Vector = np.ndarray


def stretch(curve: Cycles, here: Point, start: Point, length: float, how: Stepping, most: int) -> Stretch:
    """Cycles of a curve from ``here`` on, until something happens: the step after them needs a closer look.

    Nothing happens while no test function changes sign and as many multipliers are unstable, no value asked for or
    bound is passed, the number of intervals need not change, the cycle neither vanishes nor has a very long period, and
    the parameter keeps away from that of the start. Only the last point has its test functions.
    """
    from .following import ERROR, EVERY, FINER, LONGEST, STILL, TRIVIAL

    problem, n, driven = curve.problem, curve.n, curve.rates.driven
    N, b, size, inside = problem.intervals, problem.rates.scalars, len(here.u), problem.nodes * problem.n
    finest, held = FINER * curve.fewest, problem._held()
    record = 2 * size + n + 3
    out, meshes = np.empty((most, record)), np.empty((most, N + 1))
    flows, products = np.empty((most, problem.points, n)), np.empty((most, (2 * n + 1) * n))
    sizes = [N, problem.degree, n, b, not driven, most, curve.steps, EVERY, curve.fewest, finest]
    sizes.append(curve.doubt(here) > 1e-3 * TRIVIAL)
    options = [1e-7, how.iterations, length, how.largest, here.tests["LPC"], here.tests["BPC"], *curve.bounds[0][1:]]
    options += [curve.shortest, LONGEST, STILL[0], STILL[1] * curve.width, ERROR, curve.width]
    rows, targets, frame = np.zeros((b, size)), np.zeros(b), curve.multipliers.frame.copy()
    rows[:-1], targets[:-1] = curve._conditions
    scratch = np.empty(2 * (how.iterations + 2) + (3 * N + 5) * n * n + 7 * n + 3 * size)
    computed = driver("attrax.analysis.cycles.stretch_drivers", "cycles")(
        *(held.kernel.kernels["values"], held.work, held.kernel.field, np.array(sizes)),
        *(np.array([N, n, ROUNDS]), np.array(options, dtype=float), problem.basis.flat, problem.closing),
        *(here.u.copy(), here.tangent.copy(), problem.mesh.copy(), rows, targets, curve.largest.copy()),
        *(curve.reference.copy(), curve.halves.copy(), frame, np.empty((4, size)), held.memory, scratch),
        *(out, meshes, flows, products),
    )
    count = abs(computed)
    u, tangents, largest, ends = np.split(out[:count], [size, 2 * size, 2 * size + n], axis=1)
    values = spectra(*np.split(products[:count], [n * n, 2 * n * n], axis=1))
    unstable, tests = curve.tests(values, tangents[:, -1], ends[:, 1])
    periods = u[:, inside] if not driven else np.array([curve.rates.of_period(each[inside:]) for each in u])
    again = abs(periods - start.data.period) < 0.1 * start.data.period
    quiet = _quiet(curve, np.vstack([here.u, u]), start.u[-1], again, here, tests, unstable)
    interrupted = quiet < count or 0 < computed < most
    doubtful = ~(abs(values[:quiet] - 1).min(axis=1) <= TRIVIAL)
    if doubtful.any() and not driven and finest > N:  # there the mesh becomes finer
        quiet, interrupted = int(doubtful.argmax()) + 1, False
    if not quiet:
        return Stretch([], np.array([length]))
    points: list[Point] = []
    fresh = np.append(True, (meshes[1:quiet] != meshes[: quiet - 1]).any(axis=1))
    for k in range(quiet):
        if fresh[k] and not np.array_equal(problem.mesh, meshes[k]):
            problem = problem.on(meshes[k])
        orbit = Orbit(problem, values[k], int(unstable[k]), float(periods[k]), flows[k])
        points.append(Point(u[k], tangents[k], {}, orbit, float(ends[k, 0])))
    points[-1].tests = {name: float(test[quiet - 1]) for name, test in tests.items()}
    curve.adopt_many(points, largest[quiet - 1], frame)
    return Stretch(points, np.append(length, ends[:quiet, 2]), interrupted)


def _quiet(
    curve: Cycles, u: np.ndarray, first: float, again: Vector, here: Point, tests: dict[str, Vector], unstable: Vector
) -> int:
    """How many steps between the points (steps + 1, unknowns) come before the first in which something is noticed.

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
