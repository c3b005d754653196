"""Eigenvalues at fixed points: how many are unstable, and functions of them that change sign at bifurcations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

Vector = np.ndarray
Matrix = np.ndarray

NEUTRAL = 1e-10
"""Eigenvalues closer than this to the stability boundary (relative to the largest) do not count as unstable."""


@dataclass(eq=False, slots=True)
class Spectrum:
    """Eigenvalues (multipliers of maps) at a fixed point, and how many are unstable; or at many, along a first axis."""

    eigenvalues: np.ndarray
    unstable: Any

    def __getitem__(self, which: int | slice) -> Spectrum:
        return Spectrum(self.eigenvalues[which], self.unstable[which])


def spectrum(jacobian: Matrix, is_map: bool) -> Spectrum:
    """Eigenvalues of ``DF``; of a map, those of the iterate."""
    values, unstable = spectra(jacobian, is_map)
    return Spectrum(values, int(unstable))


def spectra(jacobians: np.ndarray, is_map: bool) -> tuple[np.ndarray, Vector]:
    """Eigenvalues (..., n) of many ``DF`` (..., n, n), and how many of each are unstable."""
    values = eigenvalues(jacobians)
    if is_map:
        values += 1.0
    growth = abs(values) - 1.0 if is_map else values.real
    largest = abs(values).max(axis=-1, keepdims=True)
    return values, (growth > NEUTRAL * np.maximum(1.0, largest)).sum(axis=-1)


def eigenvalues(matrices: np.ndarray) -> np.ndarray:
    """Of many matrices (..., n, n); of two rows and columns in closed form, without cancellation."""
    if matrices.shape[-1] != 2:
        return np.linalg.eigvals(matrices).astype(complex)
    a, b, c, d = matrices[..., 0, 0], matrices[..., 0, 1], matrices[..., 1, 0], matrices[..., 1, 1]
    half, product = (a - d) / 2, b * c
    square = half * half + product
    root = np.sqrt(abs(square))
    far = half + np.copysign(root, half)
    shift = product / np.where(far == 0, 1.0, far)
    pair, values = d + half + 1j * root, np.empty((*square.shape, 2), dtype=complex)
    values[..., 0] = np.where(square < 0, pair, a + shift)
    values[..., 1] = np.where(square < 0, pair.conj(), d - shift)
    return values


def pair_test(values: np.ndarray, is_map: bool) -> Vector:
    """A function of eigenvalues (..., n) that changes sign where two of them add up to 0 (maps: multiply to 1)."""
    if values.shape[-1] < 2:
        return np.ones(values.shape[:-1])
    first, second = pairs(values.shape[-1])
    a, b = values[..., first], values[..., second]
    together = (a * b).real - 1 if is_map else (a + b).real
    return signed(together, a.imag == -b.imag)


@lru_cache
def pairs(n: int) -> tuple[Vector, Vector]:
    """Indices of the first and of the second of each pair of ``n`` things."""
    return np.triu_indices(n, 1)


def signed(values: np.ndarray, wanted: np.ndarray) -> Vector:
    """Of the values wanted (..., k), the smallest absolute one, with the sign of the product; 1 if there are none."""
    values = np.where(wanted, values, np.inf)
    smallest = abs(values).min(axis=-1, initial=np.inf)
    odd = np.logical_xor.reduce(values < 0, axis=-1)
    return np.where(np.isfinite(smallest), np.where(odd, -smallest, smallest), 1.0)
