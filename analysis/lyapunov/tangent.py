"""Tangent dynamics: a system with small displacements from its state, as programs for lanes.

The extended state is the state ``y`` (n), the tangent vectors ``V`` (k n), the logarithms of their growth (k), the
logarithm of the growth of volumes (1) and, for maps, their growth since the vectors were last made orthonormal (1).
Tangent vectors obey ``V' = J(y) V``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...engine import events
from ...engine.cache import remembered
from ...engine.events import Event
from ...engine.program import Builder, Program
from ...engine.system import System
from ...integrators.events import Happenings, happenings

WRITTEN_OUT = 64
"""Numbers in all tangent vectors up to which equal steps write them out one after the other."""
LARGEST = 4000
"""Operations of all products with the Jacobian up to which steps with error control are possible."""
LARGEST_DETERMINANT = 6
"""Maps and resets of more states do without the growth of volumes."""


@dataclass(frozen=True)
class Tangent:
    """A system with ``k`` tangent vectors."""

    system: System
    k: int

    @cached_property
    def operations(self) -> int:
        """Number of operations of all products with the Jacobian."""
        return self.system.program("jvp").size * self.k

    @property
    def size(self) -> int:
        """Number of scalars of the extended state."""
        return self.growth.stop + (self.system.kind == "map")

    @property
    def growth(self) -> slice:
        """Where the logarithms of the growth of the vectors and of volumes lie."""
        first = self.system.dimension * (1 + self.k)
        return slice(first, first + self.k + 1)

    @property
    def volumes(self) -> bool:
        """Whether the growth of volumes is known: resets of many states do without it."""
        resets = any(event.reset is not None for event in self.system.events.values())
        return not resets or self.system.dimension <= LARGEST_DETERMINANT

    def start(self, y: np.ndarray, seed: int) -> np.ndarray:
        """Extended states of states ``(members, n)``, with the same random orthonormal vectors."""
        n = self.system.dimension
        extended = np.zeros((len(y), self.size))
        extended[:, :n], extended[:, n : n * (1 + self.k)] = y, self.vectors(seed).T.ravel()
        extended[:, self.growth.stop :] = 1.0
        return extended

    def vectors(self, seed: int) -> np.ndarray:
        """Random orthonormal vectors ``(n, k)``."""
        normal = np.random.default_rng(seed).normal(size=(self.system.dimension, self.k))
        return np.linalg.qr(normal)[0]

    @cached_property
    def with_volume(self) -> Program:
        """The right-hand side of the state and the logarithm of the growth of volumes; of maps, the map alone."""
        rhs = self.system.program("rhs")
        return rhs if self.system.kind == "map" else _with_volume(rhs, _volume(self.system))

    @cached_property
    def rhs(self) -> Program:
        """The extended right-hand side (flows), or the extended map, whose vectors are not made orthonormal."""
        system = self.system
        return _extended(system.program("rhs"), system.program("jvp"), _volume(system), self.k, system.kind == "map")

    @cached_property
    def projection(self) -> Program:
        """Make the vectors orthonormal (modified Gram-Schmidt) and add up the logarithms of their growth.

        Their derivatives ``k`` (flows) undergo the same linear change.
        """
        return _projection(self.system.dimension, self.k, self.size)

    @cached_property
    def happenings(self) -> Happenings | None:
        """The events that reset the state, for the extended state: displacements pass them by the saltation matrix."""
        system, n, size = self.system, self.system.dimension, self.size
        resets = {name: event for name, event in system.single_events.items() if event.reset is not None}
        conditions = None
        if any(event.located for event in resets.values()):
            b = Builder()
            given = {"t": b.input("t", 1), "p": b.input("p", system.parameter_vector.size)}
            given |= {"y": b.input("y", size)[:n], "f": b.input("f", size)[:n]}
            conditions = b.program(b.inline(events.conditions(system, resets), given))
        landing = events.by_number(resets, self._landed, y=size, p=system.parameter_vector.size)
        return happenings(system, resets, conditions, landing)

    def _landed(self, b: Builder, name: str, event: Event, given: dict[str, list[int]]) -> list[int]:
        """The extended state after an event."""
        system, n, y = self.system, self.system.dimension, given["y"]
        before = {"t": given["t"], "y": y[:n], "p": given["p"]}
        after = b.inline(events.reset(system, name, event), before)["y"]
        passage = events.displacement(system, name, event)
        for i in range(self.k):
            after = after + b.inline(passage, {**before, "v": y[n * (i + 1) : n * (i + 2)]})["Sv"]
        growth = y[self.growth]
        if self.volumes:
            growth[-1] = b.add(growth[-1], b.inline(events.volume(system, name, event), before)["volume"][0])
        return after + growth


@remembered
def _with_volume(rhs: Program, volume: Program) -> Program:
    n = rhs.inputs["y"]
    b = Builder()
    given = {"t": b.input("t", 1), "y": b.input("y", n + 1)[:n], "p": b.input("p", rhs.inputs["p"])}
    return b.program({"f": b.inline(rhs, given)["f"] + b.inline(volume, given)["volume"]})


@remembered
def _extended(rhs: Program, jvp: Program, volume: Program, k: int, is_map: bool) -> Program:
    n = jvp.inputs["y"]
    b = Builder()
    t, p, y = b.input("t", 1), b.input("p", rhs.inputs["p"]), b.input("y", n * (1 + k) + k + 1 + is_map)
    state = {"t": t, "y": y[:n], "p": p}
    moved = b.inline(rhs, state)["f"]
    for i in range(k):
        moved = moved + b.inline(jvp, {**state, "v": y[n * (i + 1) : n * (i + 2)]})["Jv"]
    grown = b.inline(volume, state)["volume"]
    if is_map:
        return b.program({"f": moved + y[n * (1 + k) : -1] + [b.mul(y[-1], grown[0])]})
    return b.program({"f": moved + [b.constant(0.0)] * k + grown})


@remembered
def _projection(n: int, k: int, size: int) -> Program:
    first = n * (1 + k)
    b = Builder()
    y, slope = b.input("y", size), b.input("k", size)
    vectors = [y[n * (i + 1) : n * (i + 2)] for i in range(k)]
    slopes = [slope[n * (i + 1) : n * (i + 2)] for i in range(k)]
    grown, rest = y[first : first + k + 1], y[first + k + 1 :]
    one, tiny = b.constant(1.0), b.constant(1e-300)
    for i in range(k):
        square = b.dot(vectors[i], vectors[i])
        grown[i] = b.add(grown[i], b.mul(b.constant(0.5), b.log(square)))
        inverse = b.div(one, b.select(b.gt(square, tiny), square, tiny))
        for j in range(i + 1, k):
            part = b.neg(b.mul(b.dot(vectors[i], vectors[j]), inverse))
            vectors[j] = [b.add(b.mul(part, u), v) for u, v in zip(vectors[i], vectors[j], strict=True)]
            slopes[j] = [b.add(b.mul(part, u), v) for u, v in zip(slopes[i], slopes[j], strict=True)]
        scale = b.sqrt(inverse)
        vectors[i] = [b.mul(scale, v) for v in vectors[i]]
        slopes[i] = [b.mul(scale, v) for v in slopes[i]]
    if rest:
        grown[-1], rest = b.add(grown[-1], b.log(rest[0])), [one]
    state = {"y": y[:n] + [v for row in vectors for v in row] + grown + rest}
    rates = {"k": slope[:n] + [v for row in slopes for v in row] + slope[first:]}
    return b.program(state | rates)


@remembered
def _divergence(jacobian: Program) -> Program:
    b = Builder()
    given = {name: b.input(name, size) for name, size in jacobian.inputs.items()}
    return b.program({"volume": [b.sum(b.inline(jacobian, given)["J"][:: jacobian.inputs["y"] + 1])]})


def _volume(system: System) -> Program:
    """Rate at which volumes grow: the divergence of a flow, ``|det J|`` of a map."""
    n = system.dimension
    if system.kind == "flow":
        return _divergence(system.program("jacobian"))

    if n > LARGEST_DETERMINANT:
        b = Builder()
        return b.program({"volume": [b.constant(np.nan)]})

    def volume(t, y, p):
        import jax
        import jax.numpy as jnp

        return {"volume": jnp.abs(jnp.linalg.det(jax.jacfwd(system.flat, 1)(t[0], y, p)))}

    return system.derive("volume", volume, t=1, y=n, p=system.parameter_vector.size)
