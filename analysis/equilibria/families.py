"""Branches of fixed points that are never isolated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..continuation.pseudo_arclength import Event
from . import normal_forms
from .curves import FixedPoints
from .derivatives import Equations
from .guards import PREFIX
from .spectra import pairs

Vector = np.ndarray
Matrix = np.ndarray


class Orbits(FixedPoints):
    """Fixed points that are never isolated, as under a continuous symmetry: one of each family is followed.

    The parts of a step within the family are kept zero, and unfolding parameters (which stay zero) make up for
    the equations that depend on the others. Events are bracketed along the curve, not refined.
    """

    def __init__(self, eq: Equations, u: Vector, ranges: Sequence[tuple[float, float]], families: int):
        super().__init__(eq, u, ranges)
        self.families = families
        self.extras = tuple(f"beta{k}" for k in range(families))
        self.reference = u[: self.n].copy()
        _, d = self.eq.values(self.z(u))
        self.right, self.left = normal_forms.null_vectors(d[:, : self.n], families)

    def adopt(self, point):
        super().adopt(point)
        self.reference = point.u[: self.n].copy()
        _, d = self.eq.values(self.z(point.u))
        right, left = normal_forms.null_vectors(d[:, : self.n], self.families)
        self.right, self.left = _aligned(right, self.right), _aligned(left, self.left)

    def equations(self, u):
        n, k = self.n, self.families
        r, d = self.eq.values(self.z(u))
        out, derivative = np.empty(n + k), np.zeros((n + k, len(u)))
        out[:n], out[n:] = r + self.left @ u[n + 1 :], self.right.T @ (u[:n] - self.reference)
        derivative[:n, : n + 1], derivative[:n, n + 1 :] = d, self.left
        derivative[n:, :n] = self.right.T
        return out, derivative

    def across(self, eigenvalues):
        steady = eigenvalues - 1 if self.eq.map else eigenvalues
        return np.delete(eigenvalues, np.argsort(abs(steady))[: self.families])

    def refine(self, name, near, locate):
        if name.startswith(PREFIX):
            return super().refine(name, near, locate)
        point = locate()
        if point is None:
            return None
        if name in ("H", "NS") and not _oscillates(self.across(point.data.eigenvalues), self.eq.map):
            return Event("NSE", point, False, {}, "neutral saddle")
        point = replace(point, u=np.append(self.z(point.u), np.zeros(self.families)))
        return Event(name, point, False, {}, "of a family of fixed points")


def _oscillates(eigenvalues: Vector, is_map: bool) -> bool:
    """Whether the pair nearest to adding up to zero (multiplying to one) is complex."""
    first, second = pairs(len(eigenvalues))
    a, b = eigenvalues[first], eigenvalues[second]
    k = np.argmin(abs(a * b - 1) if is_map else abs(a + b))
    return bool(a[k].imag != 0)


def _aligned(basis: Matrix, old: Matrix) -> Matrix:
    """The orthonormal basis of the same space that is nearest to the old one."""
    left, _, right = np.linalg.svd(basis.T @ old)
    return basis @ left @ right
