"""Floquet multipliers, without the product that they are the eigenvalues of.

The monodromy matrix is a product of one factor for each interval. Multiplied out, it keeps nothing of multipliers
that are smaller than the largest one by more than the rounding unit. Orthogonal iteration through the factors brings
all of them to triangular form together (the periodic Schur decomposition: Bojanczyk, Golub & Van Dooren, SPIE 1770,
31, 1992), in which multipliers of different size stand apart.
"""

from __future__ import annotations

import numpy as np

from ..engine.driver import driver

Vector = np.ndarray
Matrix = np.ndarray

DRIVERS = "attrax.analysis.collocation_drivers"
APART = 1e-9
"""Multipliers stand apart if what couples them is below this."""
ROUNDS = 60


class Multipliers:
    """Multipliers from the condensed equations of intervals; begins where it left off, for the next cycle of a branch.

    Parameters
    ----------
    n : int
        Dimension.
    """

    def __init__(self, n: int):
        self.n = n
        self.frame = np.eye(n)

    def __call__(self, factors: np.ndarray, closing: Matrix | None = None, rounds: int = ROUNDS) -> Vector | None:
        """The multipliers (n,), largest first, of ``A x_i + C x_{i+1} = 0`` (N, n, 2 n); None if they are singular.

        With a ``closing`` matrix S, those of ``S^-1 M``: of the period that is completed by the symmetry.
        """
        n = self.n
        if closing is not None and (closing != np.eye(n)).any():
            turned = np.concatenate([-np.eye(n), closing], axis=1)[None]
            factors = np.concatenate([factors, turned])
        count = len(factors)
        sizes = np.array([count, n, rounds])
        product, logarithms = np.empty((2, n, n)), np.empty(n)
        memory = np.empty((count + 5) * n * n + 2 * n)
        frame = self.frame.copy()
        if not driver(DRIVERS, "triangular")(sizes, np.ascontiguousarray(factors), frame, memory, product, logarithms):
            return None
        if np.isfinite(frame).all():
            self.frame = frame
        return _values(*product, logarithms)


def _values(turn: Matrix, triangle: Matrix, logarithms: Vector) -> Vector:
    """Eigenvalues of ``turn triangle exp(logarithms)``, group by group."""
    n = len(turn)
    below = np.tril(abs(turn), -1)
    starts = [0] + [s for s in range(1, n) if below[s:, :s].max() < APART] + [n]
    values: list[complex] = []
    for first, last in zip(starts, starts[1:], strict=False):
        part = slice(first, last)
        size = logarithms[part].max()
        if last - first == 1:
            values.append(turn[first, first] * triangle[first, first] * np.exp(size))
            continue
        block = turn[part, part] @ triangle[part, part] * np.exp(logarithms[part] - size)
        values.extend(np.linalg.eigvals(block) * np.exp(size))
    found = np.array(values, dtype=complex)
    return found[np.argsort(-abs(found), kind="stable")]
