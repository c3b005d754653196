"""Critical variations of cycles with resets: where the equations of shooting that they obey become singular.

====  =====================================================================================
LPC   ``A_i v_i + S_i dc = v_{i+1}``, ``v_{N+1} = v_1``, with the period (and velocities) in c
PD    ``A_i v_i = v_{i+1}``, ``v_{N+1} = -v_1``
NS    ``A_i v_i = v_{i+1}``, ``v_{N+1} = exp(i theta) v_1``
====  =====================================================================================

``A_i`` and ``S_i`` are the derivatives of the end of piece i by its beginning and by scalars. What is left over of
these equations, made regular by bordering, vanishes at the bifurcation (W. Govaerts, Numerical Methods for Bifurcations
of Dynamical Equilibria, 2000, ch. 4). Its derivatives take second ones of the pieces, of which only those along the
critical variation occur: they are central differences of the exact first ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .shooting import Pieces, Shooting, sizes_of

Vector = np.ndarray
Matrix = np.ndarray

NARROW, WIDE = 1e-4, 1e-2
"""Steps of differences of order 2 and 8, in units of the sizes of the unknowns."""
EIGHTH = np.array([4 / 5, -1 / 5, 4 / 105, -1 / 280]), np.array([8 / 5, -1 / 5, 8 / 315, -1 / 560])
SIXTH = np.array([3 / 2, -3 / 20, 1 / 90])
"""Weights of central differences: first and second derivatives; second ones."""
AGREEING = 1e-5
"""Relative difference of second derivatives of different order that are right."""


@dataclass(frozen=True, eq=False)
class Borders:
    """A left and a right border of the equations, in units of the sizes."""

    left: Vector
    right: Vector


class Critical:
    """The equations of a critical variation at some unknowns.

    Parameters
    ----------
    kind : str
        "LPC", "PD" or "NS".
    problem : Shooting
    u : ndarray
        The unknowns.
    rows : ndarray
        Phase conditions.
    sizes : ndarray
        Of the unknowns.
    run : Pieces
        The pieces of ``u``.
    theta : float
        Angle of the multiplier of NS.
    """

    def __init__(
        self, kind: str, problem: Shooting, u: Vector, rows: Matrix, sizes: Vector, run: Pieces, theta: float = 0.0
    ):
        self.kind, self.problem, self.u, self.theta = kind, problem, u, theta
        self.phases, self.sizes, self.run = rows, sizes, run
        n, count = problem.n, problem.pieces * problem.n
        own = problem.rates.conditions if kind == "LPC" else 0
        factor = {"LPC": 1.0, "PD": -1.0, "NS": complex(np.exp(1j * theta))}[kind]
        states = problem.joined(run, factor)
        changes = run.derivatives[:, :, n : n + own].reshape(count, own)
        matrix = np.block([[states, changes], [rows[:own, :count], rows[:own, count : count + own]]])
        self.columns = sizes[: count + own]
        self.rows = np.append(1 / sizes[:count], np.ones(own))
        self.matrix = self.rows[:, None] * matrix * self.columns

    def borders(self) -> Borders:
        """The singular vectors of the equations that belong to their smallest singular value."""
        left, _, right = np.linalg.svd(self.matrix)
        return Borders(left[:, -1], right[-1].conj())

    def leftover(self, borders: Borders) -> tuple[complex, Vector, Vector]:
        """What is left over, the variation and its adjoint (both in units of the sizes)."""
        last = np.zeros(len(self.matrix) + 1)
        last[-1] = 1.0
        full = np.block([[self.matrix, borders.left[:, None]], [borders.right.conj()[None], np.zeros((1, 1))]])
        solution, adjoint = np.linalg.solve(full, last), np.linalg.solve(full.conj().T, last)
        return solution[-1], solution[:-1], adjoint[:-1]

    def slopes(self, variation: Vector, adjoint: Vector) -> Vector:
        """Derivatives of what is left over by all unknowns (states and scalars)."""
        v, w = self.columns * variation, self.rows * adjoint
        problem, n, N = self.problem, self.problem.n, self.problem.pieces
        w = w[: N * n].reshape(N, n).conj()
        total = np.zeros(N * n + problem.rates.scalars, dtype=v.dtype)
        for part, factor in ((v.real, 1.0), (v.imag, 1j)):
            if not part.any():
                continue
            slopes = np.einsum("ij,ijk->ik", w, self._slope(part))
            total[: N * n] -= factor * slopes[:, :n].ravel()
            total[N * n :] -= factor * slopes[:, n:].sum(axis=0)
        return total

    def slope_of_angle(self, variation: Vector, adjoint: Vector) -> complex:
        """Derivative of what is left over by theta."""
        n, count = self.problem.n, self.problem.pieces * self.problem.n
        v, w = self.columns * variation, self.rows * adjoint
        return complex(1j * np.exp(1j * self.theta) * (w[count - n : count].conj() @ v[:n]))

    def of(self, kind: str, theta: float = 0.0) -> Critical:
        """The equations of another kind at the same unknowns."""
        return Critical(kind, self.problem, self.u, self.phases, self.sizes, self.run, theta)

    def derivatives(self, variation: Vector) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivatives along a variation of the derivatives (pieces, n, n + scalars) of the pieces.

        By central differences of order 8; the longest step is taken at which those of order 6 agree.
        """
        way, (short, long) = self._way(variation)
        best, least = None, np.inf
        for length in np.geomspace(long, short / 10, 2 + math.ceil(math.log10(long / short))) * WIDE:
            ahead, behind = self._around(way * length, 4)
            odd, even = ahead - behind, ahead + behind - 2 * self.run.derivatives
            first, second = (np.tensordot(w, d, 1) for w, d in zip(EIGHTH, (odd, even), strict=True))
            rougher = np.tensordot(SIXTH, even[:3], 1)
            error = abs(rougher - second).max() / max(abs(second).max(), 1e-300)
            if best is None or error < least:
                best, least = (first / length, second / length**2), error
            if error < AGREEING:
                break
        assert best is not None
        return best

    def _slope(self, variation: Vector) -> np.ndarray:
        """First derivatives along a variation of the derivatives of the pieces."""
        way, sizes = self._way(variation)
        length = NARROW * math.sqrt(sizes[0] * sizes[1])
        ahead, behind = self._around(way * length, 1)
        return (ahead[0] - behind[0]) / (2 * length)

    def _way(self, variation: Vector) -> tuple[Vector, tuple[float, float]]:
        """A variation of all unknowns, and how much of it is as large as the cycle, and as the sizes."""
        problem, way, own = self.problem, np.zeros(len(self.u)), self.sizes.copy()
        way[: len(variation)] = variation
        states = problem.states(self.u)
        size = np.maximum(sizes_of(problem, self.u), abs(states).max(axis=0))
        own[: states.size] = np.minimum(np.tile(size, problem.pieces), own[: states.size])
        return way, (1 / float(abs(way / own).max()), 1 / float(abs(way / self.sizes).max()))

    def _around(self, step: Vector, count: int) -> np.ndarray:
        """Derivatives of the pieces so many steps ahead, and behind: (2, count, pieces, n, n + scalars)."""
        places = range(1, count + 1)
        return np.array([[self.problem.integrated(self.u + k * s * step).derivatives for k in places] for s in (1, -1)])
