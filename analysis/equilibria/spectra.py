"""Eigenvalues at fixed points: how many are unstable, and functions of them that change sign at bifurcations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Vector = np.ndarray
Matrix = np.ndarray

NEUTRAL = 1e-10
"""Eigenvalues closer than this to the stability boundary (relative to the largest) do not count as unstable."""


@dataclass(eq=False, slots=True)
class Spectrum:
    """Eigenvalues (multipliers of maps) at a fixed point, and how many are unstable."""

    eigenvalues: Vector
    unstable: int


def spectrum(jacobian: Matrix, is_map: bool) -> Spectrum:
    """Eigenvalues of ``DF``; of a map, those of the iterate."""
    values, unstable = spectra(jacobian, is_map)
    return Spectrum(values, int(unstable))


def spectra(jacobians: np.ndarray, is_map: bool) -> tuple[np.ndarray, Vector]:
    """Eigenvalues (..., n) of many ``DF`` (..., n, n), and how many of each are unstable."""
    values = np.linalg.eigvals(jacobians).astype(complex)
    if is_map:
        values += 1.0
    growth = abs(values) - 1.0 if is_map else values.real
    largest = abs(values).max(axis=-1, keepdims=True)
    return values, (growth > NEUTRAL * np.maximum(1.0, largest)).sum(axis=-1)


def pair_test(values: np.ndarray, is_map: bool) -> Vector:
    """A function of eigenvalues (..., n) that changes sign where two of them add up to 0 (maps: multiply to 1)."""
    first, second = _pairs(values.shape[-1])
    alone, real = values.imag > 0, values.imag == 0
    a, b = values.real[..., first], values.real[..., second]
    conjugates, pairs = (abs(values) ** 2 - 1, a * b - 1) if is_map else (2 * values.real, a + b)
    wanted = np.concatenate([alone, real[..., first] & real[..., second]], axis=-1)
    return signed(np.concatenate([conjugates, pairs], axis=-1), wanted)


@lru_cache
def _pairs(n: int) -> tuple[Vector, Vector]:
    return np.triu_indices(n, 1)


def signed(values: np.ndarray, wanted: np.ndarray) -> Vector:
    """Of the values wanted (..., k), the smallest absolute one, with the sign of the product; 1 if there are none."""
    smallest = np.where(wanted, abs(values), np.inf).min(axis=-1, initial=np.inf)
    odd = (wanted & (values < 0)).sum(axis=-1) % 2 == 1
    return np.where(np.isfinite(smallest), smallest, 1.0) * np.where(odd, -1.0, 1.0)
