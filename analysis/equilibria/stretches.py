"""Points of a branch of a small system, many at a time: computed by a compiled driver, looked at together."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from ...engine.driver import driver
from ..continuation.pseudo_arclength import Point, Stepping, Stretch
from .derivatives import Native
from .spectra import Spectrum, spectra

if TYPE_CHECKING:
    from .curves import FixedPoints

Vector = np.ndarray


def stretch(
    curve: FixedPoints, native: Native, here: Point, start: Point, length: float, how: Stepping, most: int
) -> Stretch:
    """Points of a curve from ``here`` on, until something happens: the step after them needs a closer look.

    Nothing happens while no test function changes sign and as many eigenvalues are unstable, no value asked for is
    passed, and the curve keeps within its bounds and away from its start. Only the last point has its test functions.
    """
    n, N = curve.n, curve.n + 1
    out, derivatives = np.empty((most, 2 * N + 3)), np.empty((most, n, N))
    count = driver("attrax.analysis.continuation.drivers", "points")(
        *(native.kernel, native.work, np.array([native.offsets[name] for name in "zFD"])),
        *(np.array([N, most, how.iterations]), np.array([length, how.largest])),
        *(np.concatenate([here.u, here.tangent]), curve.scale.copy(), curve.weight),
        *(np.empty((N + 3) * N), out, derivatives),
    )
    u, tangents, residuals, signs, lengths = np.split(out[:count], [N, 2 * N, 2 * N + 1, 2 * N + 2], axis=1)
    tests = {"LP": curve.turning(tangents[:, n]), "BP": signs[:, 0]} | curve.guards(u)
    count = _quiet(_noticed(curve, np.vstack([here.u, u]), start), _changes(here, tests))
    if not count:
        return Stretch([], np.array([length]))
    values, unstable = spectra(derivatives[:count, :, :n], curve.eq.map)
    tests |= curve.crossings(values)
    count = _quiet(_changes(here, tests)[:count], np.diff(unstable, prepend=here.data.unstable) != 0)
    curve.adopt_many(u[:count], values[:count])
    data = map(Spectrum, values[:count], unstable.tolist())
    points = list(map(Point, u, tangents, repeat({}), data, residuals[:, 0].tolist()))
    if points:
        points[-1].tests = {name: float(test[count - 1]) for name, test in tests.items()}
    return Stretch(points, np.append(length, lengths[:count, 0]), count < most)


def _quiet(*noticed: np.ndarray) -> int:
    """How many steps come before the first in which something is noticed."""
    anything = np.logical_or.reduce(noticed)
    return int(anything.argmax()) if anything.any() else len(anything)


def _changes(here: Point, tests: dict[str, Vector]) -> np.ndarray:
    """In which steps a test function changes sign."""
    count = min(len(values) for values in tests.values())
    negative = np.array([np.append(here.tests[name], values[:count]) < 0 for name, values in tests.items()])
    return (negative[:, 1:] != negative[:, :-1]).any(axis=0)


def _noticed(curve: FixedPoints, u: np.ndarray, start: Point) -> np.ndarray:
    """In which steps between the points (steps + 1, N) the curve passes a value or its start, or may end."""
    place = (u - start.u) @ (start.tangent / curve.scale**2)
    found = (place[:-1] < 0) & (place[1:] >= 0)
    for index, value in curve.marks:
        beyond = u[:, index] > value
        found |= beyond[1:] != beyond[:-1]
    return found | curve.may_end(u[1:])
