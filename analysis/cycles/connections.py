"""Fixed points that a cycle all but touches as its period grows: homoclinic and heteroclinic connections."""

from __future__ import annotations

import numpy as np

from ..continuation.pseudo_arclength import Point
from ..equilibria.derivatives import Equations
from ..equilibria.fixed_points import classify
from .collocation import Collocation, Rates

Vector = np.ndarray


def saddle(rates: Rates, problem: Collocation, point: Point) -> str | None:
    """A sentence about the fixed points that the cycle all but touches, if there are some."""
    states = problem.collocated(problem.profile(point.u))
    size = np.maximum(np.ptp(states, axis=0), 1e-12)
    speed = np.linalg.norm(point.data.flow / size, axis=1)
    dips = np.nonzero((speed <= np.roll(speed, 1)) & (speed <= np.roll(speed, -1)) & (speed < 0.05 * speed.max()))[0]
    p = dict(zip(rates.active, problem.scalars(point.u)[len(rates.extras) :].tolist(), strict=True))
    equations = Equations(rates.system.with_parameters(**p))
    found: list[Vector] = []
    for k in dips[np.argsort(speed[dips])]:
        y = _fixed_point(equations, states[k], size)
        if y is None or (abs(states - y) / size).max(axis=1).min() > 0.02:
            continue
        if all((abs(y - other) / size).max() > 1e-4 for other in found):
            found.append(y)
    spectra = [np.linalg.eigvals(equations.values(y)[1][:, : rates.n]) for y in found]
    kinds = [classify(values, False) for values in spectra]
    where = ", ".join(f"{name} = {value:.8g}" for name, value in p.items())
    start = f"the period grows ({point.data.period:.5g}): the cycle approaches"
    for y, values in zip(found, spectra, strict=True):
        if abs(values.real).min() < 1e-3 * abs(values).max():
            return f"{start} a fixed point that is about to fold, at {_told(rates, y, size)} ({where})"
    saddles = [
        f"the {kind} at {_told(rates, y, size)}" for y, kind in zip(found, kinds, strict=True) if "saddle" in kind
    ]
    if not saddles:
        return None
    return (
        f"{start} a {'homo' if len(saddles) == 1 else 'hetero'}clinic connection of {' and '.join(saddles)} ({where})"
    )


def _fixed_point(equations: Equations, near: Vector, size: Vector) -> Vector | None:
    """The fixed point close to a state, within a fifth of the size."""
    y = near.copy()
    for _ in range(30):
        f, jacobian = equations.values(equations.unknowns(y))
        try:
            move = np.linalg.solve(jacobian[:, : equations.n], f)
        except np.linalg.LinAlgError:
            return None
        y = y - move
        if not np.isfinite(y).all() or (abs(y - near) / size).max() > 0.2:
            return None
        if (abs(move) / size).max() < 1e-12:
            return y
    return None


def _told(rates: Rates, y: Vector, size: Vector) -> str:
    y = np.where(abs(y) < 1e-9 * size, 0.0, y)
    return ", ".join(f"{name} = {value:.5g}" for name, value in zip(rates.system.component_names, y, strict=True))
