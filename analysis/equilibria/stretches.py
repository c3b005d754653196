"""Points of a branch of a small system, many at a time: computed by a compiled driver, looked at together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...engine.driver import driver
from ..continuation.pseudo_arclength import Point, Points, Stepping, Stretch
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
    out, derivatives = np.empty((most, 2 * N + 4)), np.empty((most, n, N))
    count = driver("attrax.analysis.continuation.drivers", "points")(
        *(native.kernel, native.work, np.array([native.offsets[name] for name in "zFD"])),
        *(np.array([N, most, how.iterations]), np.array([length, how.largest])),
        *(np.concatenate([here.u, here.tangent]), curve.scale.copy(), curve.weight),
        *(np.empty((N + 3) * N), out, derivatives),
    )
    out = out[:count]
    u, tangents, (residuals, signs, lengths, efforts) = out[:, :N], out[:, N : 2 * N], out[:, 2 * N :].T
    tests = {"LP": curve.turning(tangents[:, n]), "BP": signs} | curve.guards(u)
    count = _quiet(_noticed(curve, np.vstack([here.u, u]), start) | _changes(here, tests))
    data = Spectrum(*spectra(derivatives[: min(count + 1, len(u)), :, :n], curve.eq.map))
    crossings = curve.crossings(data.eigenvalues)
    count = min(count, _quiet(_changes(here, crossings) | _differs(here.data.unstable, data.unstable)))

    def point(k: int) -> Point:
        own = {name: float(test[k]) for name, test in (tests | crossings).items()}
        return Point(u[k], tangents[k], own, data[k], float(residuals[k]))

    points: list[Point] = []
    if count:
        curve.adopt_many(u[:count], data.eigenvalues[:count])
        points = [Points(u[: count - 1], tangents[: count - 1], {}, data[: count - 1], residuals[: count - 1])]
        points.append(point(count - 1))
    after = (point(count), "", int(efforts[count])) if count < len(u) else None
    return Stretch(points, np.append(length, lengths[:count]), count < most, after)


def _quiet(noticed: np.ndarray) -> int:
    """How many steps come before the first in which something is noticed."""
    return int(noticed.argmax()) if noticed.any() else len(noticed)


def _changes(here: Point, tests: dict[str, Vector]) -> np.ndarray:
    """In which steps a test function changes sign."""
    return np.logical_or.reduce([_differs(here.tests[name] < 0, values < 0) for name, values in tests.items()])


def _differs(first: float, values: Vector) -> np.ndarray:
    """Which values are not the same as the one before; that before them is ``first``."""
    different = np.empty(len(values), dtype=bool)
    different[:1], different[1:] = values[:1] != first, values[1:] != values[:-1]
    return different


def _noticed(curve: FixedPoints, u: np.ndarray, start: Point) -> np.ndarray:
    """In which steps between the points (steps + 1, N) the curve passes a value or its start, or may end."""
    place = (u - start.u) @ (start.tangent / curve.scale**2)
    found = (place[:-1] < 0) & (place[1:] >= 0)
    for index, value in curve.marks:
        beyond = u[:, index] > value
        found |= beyond[1:] != beyond[:-1]
    return found | curve.may_end(u[1:])
