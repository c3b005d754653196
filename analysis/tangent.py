"""Tangent dynamics: a system with small displacements from its state, as programs for lanes.

The extended state is the state ``y`` (n), the tangent vectors ``V`` (k n), the logarithms of their growth (k) and the
logarithm of the growth of volumes (1). Tangent vectors obey ``V' = J(y) V`` and are made orthonormal now and then.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..engine.errors import InputError
from ..engine.program import Builder, Program
from ..engine.system import System

LARGEST = 4000
"""Number of operations of the extended right-hand side up to which it is written out."""


@dataclass(frozen=True)
class Tangent:
    """A system with ``k`` tangent vectors."""

    system: System
    k: int

    def __post_init__(self) -> None:
        size = self.system.program("jvp").size * self.k
        if size > LARGEST:
            raise InputError(
                f"{self.k} tangent vectors of system {self.system.name!r} need {size} operations per evaluation, "
                f"more than {LARGEST}; ask for fewer exponents"
            )

    @property
    def size(self) -> int:
        """Number of scalars of the extended state."""
        return self.system.dimension * (1 + self.k) + self.k + 1

    @property
    def growth(self) -> slice:
        """Where the logarithms of the growth of the vectors and of volumes lie."""
        return slice(self.system.dimension * (1 + self.k), self.size)

    def start(self, y: np.ndarray, seed: int) -> np.ndarray:
        """Extended states of states ``(members, n)``, with the same random orthonormal vectors."""
        n = self.system.dimension
        vectors = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, self.k)))[0].T
        extended = np.zeros((len(y), self.size))
        extended[:, :n], extended[:, n : n * (1 + self.k)] = y, vectors.ravel()
        return extended

    @cached_property
    def rhs(self) -> Program:
        """The extended right-hand side (flows), or the extended map, whose vectors are not made orthonormal."""
        system, n, k = self.system, self.system.dimension, self.k
        b = Builder()
        t, p, y = b.input("t", 1), b.input("p", system.parameter_vector.size), b.input("y", self.size)
        state, grown = y[:n], y[n * (1 + k) : -1]
        moved = b.inline(system.program("rhs"), {"t": t, "y": state, "p": p})["f"]
        for i in range(k):
            given = {"t": t, "y": state, "p": p, "v": y[n * (i + 1) : n * (i + 2)]}
            moved = moved + b.inline(system.program("jvp"), given)["Jv"]
        volume = b.inline(_volume(system), {"t": t, "y": state, "p": p})["volume"]
        if system.kind == "flow":
            return b.program({"f": moved + [b.constant(0.0)] * k + volume})
        return b.program({"f": moved + grown + [b.add(y[-1], volume[0])]})

    @cached_property
    def projection(self) -> Program:
        """Make the vectors orthonormal (modified Gram-Schmidt) and add up the logarithms of their growth.

        Their derivatives ``k`` (flows) undergo the same linear change.
        """
        n, count = self.system.dimension, self.k
        b = Builder()
        y, slope = b.input("y", self.size), b.input("k", self.size)
        vectors = [y[n * (i + 1) : n * (i + 2)] for i in range(count)]
        slopes = [slope[n * (i + 1) : n * (i + 2)] for i in range(count)]
        grown = list(y[n * (1 + count) : -1])
        one, tiny = b.constant(1.0), b.constant(1e-300)
        for i in range(count):
            square = b.dot(vectors[i], vectors[i])
            length = b.sqrt(square)
            grown[i] = b.add(grown[i], b.mul(b.constant(0.5), b.log(square)))
            scale = b.div(one, b.select(b.gt(length, tiny), length, tiny))
            vectors[i] = [b.mul(scale, v) for v in vectors[i]]
            slopes[i] = [b.mul(scale, v) for v in slopes[i]]
            for j in range(i + 1, count):
                part = b.neg(b.dot(vectors[i], vectors[j]))
                vectors[j] = [b.add(b.mul(part, u), v) for u, v in zip(vectors[i], vectors[j], strict=True)]
                slopes[j] = [b.add(b.mul(part, u), v) for u, v in zip(slopes[i], slopes[j], strict=True)]
        state = {"y": y[:n] + [v for row in vectors for v in row] + grown + [y[-1]]}
        rates = {"k": slope[:n] + [v for row in slopes for v in row] + slope[n * (1 + count) :]}
        return b.program(state | rates)


def _volume(system: System) -> Program:
    """Rate at which volumes grow: the divergence of a flow, ``log |det J|`` of a map."""
    n = system.dimension
    if system.kind == "flow":
        jacobian = system.program("jacobian")
        b = Builder()
        given = {name: b.input(name, size) for name, size in jacobian.inputs.items()}
        rows = b.inline(jacobian, given)["J"]
        return b.program({"volume": [b.sum(rows[:: n + 1])]})

    def volume(t, y, p):
        import jax

        return {"volume": _log_determinant(jax.jacfwd(system.flat, 1)(t[0], y, p))}

    return system.derive("volume", volume, t=1, y=n, p=system.parameter_vector.size)


def _log_determinant(matrix):
    """``log |det|``: of a small matrix by its minors, of a larger one by elimination."""
    import jax.numpy as jnp

    if len(matrix) > 3:
        return jnp.linalg.slogdet(matrix)[1]
    if len(matrix) == 1:
        determinant = matrix[0, 0]
    elif len(matrix) == 2:
        determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    else:
        determinant = jnp.dot(matrix[0], jnp.cross(matrix[1], matrix[2]))
    return jnp.log(jnp.abs(determinant))
