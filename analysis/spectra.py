"""Eigenvalues at fixed points: how many are unstable, and functions of them that change sign at bifurcations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Vector = np.ndarray
Matrix = np.ndarray

NEUTRAL = 1e-10
"""Eigenvalues closer than this to the stability boundary (relative to the largest) do not count as unstable."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues (multipliers of maps) at a fixed point, and how many are unstable."""

    eigenvalues: Vector
    unstable: int


def spectrum(jacobian: Matrix, is_map: bool) -> Spectrum:
    """Eigenvalues of ``DF``; of a map, those of the iterate."""
    from scipy.linalg.lapack import dgeev

    real, imaginary, _, _, _ = dgeev(jacobian, 0, 0)
    values = real + 1j * imaginary
    if is_map:
        values += 1.0
    growth = abs(values) - 1.0 if is_map else real
    return Spectrum(values, int((growth > NEUTRAL * max(1.0, abs(values).max())).sum()))


def pair_test(values: Vector, is_map: bool) -> float:
    """A function of the eigenvalues that changes sign where two of them add up to 0 (maps: multiply to 1)."""
    complex_ones = [v for v in values.tolist() if v.imag > 0]
    real = [v.real for v in values.tolist() if v.imag == 0]
    if is_map:
        found = [abs(v) ** 2 - 1 for v in complex_ones] + [a * b - 1 for k, a in enumerate(real) for b in real[:k]]
    else:
        found = [2 * v.real for v in complex_ones] + [a + b for k, a in enumerate(real) for b in real[:k]]
    return signed(found)


def signed(values: list[float]) -> float:
    """The smallest absolute value with the sign of the product; 1 if there are none."""
    if not values:
        return 1.0
    negative = sum(1 for v in values if v < 0)
    return math.copysign(min(abs(v) for v in values), -1.0 if negative % 2 else 1.0)
