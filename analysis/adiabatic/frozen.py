"""Fixed points of a fast subsystem, at many values of its frozen slow blocks at once, one in each lane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...engine.declaration import Namespace, Parameter, suggest
from ...engine.errors import InputError
from ...engine.evaluation import evaluate
from ...engine.system import System

ROUNDS = 60
"""Iterations of Newton's method."""
CLOSE = 1e-6
"""Fixed points closer than this, relative to the range of the fast states, are one."""
BLURRED = 1e-3
"""At degenerate fixed points the solutions that Newton's method finds scatter by up to this."""
POSITION = "path_position"
"""Parameter of a :meth:`Frozen.path`."""

Vector = np.ndarray
Matrix = np.ndarray


def frozen(system: System, slow: tuple[str, ...] | None) -> Frozen:
    """The fast subsystem of a system, with its slow blocks (default: those that it declares) as parameters."""
    blocks = system.slow if slow is None else (slow,) if isinstance(slow, str) else tuple(slow)
    if not blocks:
        raise InputError(f"{system.name!r} declares no slow blocks; name them, as in slow=('a', 'b')")
    for name in blocks:
        if name not in system.state:
            raise InputError(f"{system.name!r} has no state block {name!r}; {suggest(name, system.state)}")
    if system.noise is not None:
        raise InputError(f"{system.name!r} is noisy; adiabatic attractors are those of systems without noise")
    if not system.autonomous:
        raise InputError(f"{system.name!r} depends on time; it has no adiabatic attractors")
    return Frozen(system, blocks)


@dataclass(frozen=True)
class Frozen:
    """A system whose slow blocks are frozen.

    States of the fast subsystem are flat, ``(points, n)``; what it depends on comes as parameter vectors of
    ``fast``, ``(points, parameters)``.
    """

    system: System
    slow: tuple[str, ...]

    @cached_property
    def fast(self) -> System:
        """The fast subsystem."""
        return self.system.freeze(*self.slow)

    def parameters(self, slow: dict[str, np.ndarray]) -> Matrix:
        """Parameter vectors for values ``(points, block axes)`` of the slow blocks."""
        count = len(next(iter(slow.values())))
        p = np.tile(self.fast.parameter_vector, (count, 1))
        for name, values in slow.items():
            p[:, self.fast.parameter_slices[name]] = np.reshape(values, (count, -1))
        return p

    def values(self, y: Matrix, p: Matrix) -> tuple[Matrix, np.ndarray]:
        """What vanishes at fixed points ``(points, n)`` and its derivative ``(points, n, n)``."""
        n, identity = self.fast.dimension, np.eye(self.fast.dimension)
        f = evaluate(self.fast.program("rhs"), t=[0.0], y=y.T, p=p.T)["f"].T
        slope = evaluate(self.fast.program("jacobian"), t=[0.0], y=y.T, p=p.T)["J"].T.reshape(-1, n, n)
        return (f - y, slope - identity) if self.fast.kind == "map" else (f, slope)

    def unstable(self, y: Matrix, p: Matrix) -> Vector:
        """Number of unstable eigenvalues (multipliers) at fixed points ``(points, n)``."""
        if not len(y):
            return np.zeros(0, dtype=np.int64)
        values = np.linalg.eigvals(self.values(y, p)[1])
        growth = np.abs(values + 1) - 1 if self.fast.kind == "map" else values.real
        return (growth > 1e-10 * np.maximum(1.0, np.abs(values).max(axis=1, keepdims=True))).sum(axis=1)

    def drift(self, y: Matrix, p: Matrix) -> dict[str, np.ndarray]:
        """Rate (maps: change in one iterate) of each slow block at fast states: the slow flow if they are fixed."""
        fast, full = self.fast, self.system
        state, n = np.empty((len(y), full.dimension)), np.empty((len(y), full.parameter_vector.size))
        for name, where in full.state_slices.items():
            state[:, where] = p[:, fast.parameter_slices[name]] if name in self.slow else y[:, fast.state_slices[name]]
        for name, where in full.parameter_slices.items():
            n[:, where] = p[:, fast.parameter_slices[name]]
        f = evaluate(full.program("rhs"), t=[0.0], y=state.T, p=n.T)["f"].T
        f = f - state if full.kind == "map" else f
        return {name: f[:, full.state_slices[name]] for name in self.slow}

    def newton(self, y: Matrix, p: Matrix, reach: Vector) -> Matrix:
        """Fixed points that Newton's method finds from ``y`` by steps of at most half the ``reach``; NaN where none."""
        y, found = y.copy(), np.full_like(y, np.nan)
        open = np.flatnonzero(np.isfinite(y).all(axis=1))
        start = y.copy()
        for _ in range(ROUNDS):
            if not len(open):
                break
            f, slope = self.values(y[open], p[open])
            step = -_solve(slope, f)
            size = (np.abs(step) / reach).max(axis=1)
            y[open] += step / np.maximum(1.0, 2 * size)[:, None]
            arrived = size < 1e-11
            found[open[arrived]] = y[open[arrived]]
            near = (np.abs(y[open] - start[open]) <= 4 * reach).all(axis=1)
            open = open[near & ~arrived & np.isfinite(size)]
        if len(open):
            f, slope = self.values(y[open], p[open])
            size = np.maximum(1.0, np.einsum("kij,kj->ki", np.abs(slope), np.abs(y[open])).max(axis=1))
            exact = np.abs(f).max(axis=1) <= 1e-13 * size
            found[open[exact]] = y[open[exact]]
        return found

    def gather(self, p: Matrix, seeds: list[Matrix], reach: Vector, progress: Callable | None = None) -> list[Matrix]:
        """All fixed points found at each of many parameter vectors, in the order of a path through them.

        Newton's method starts from the ``seeds`` of each; what is found at one is a start at its neighbours, until
        nothing new turns up.
        """
        known: list[Matrix] = [np.zeros((0, self.fast.dimension)) for _ in p]
        front = seeds
        while any(len(each) for each in front):
            owner = np.repeat(np.arange(len(p)), [len(each) for each in front])
            roots = self.newton(np.concatenate(front), p[owner], reach)
            new: list[list[Vector]] = [[] for _ in p]
            for k, root in zip(owner, roots, strict=True):
                if np.isfinite(root).all() and not self._known(known[k], root, p[k], reach):
                    known[k] = np.concatenate([known[k], root[None]])
                    new[k].append(root)
            front = [
                np.array([*(new[k - 1] if k else []), *(new[k + 1] if k + 1 < len(p) else [])]).reshape(
                    -1, self.fast.dimension
                )
                for k in range(len(p))
            ]
        return known

    def _known(self, points: Matrix, root: Vector, p: Vector, reach: Vector) -> bool:
        """Whether a root is one of the points: close to it, or so degenerate that what lies between them solves too."""
        apart = (np.abs(points - root) / reach).max(axis=1, initial=0.0)
        if (apart < CLOSE).any():
            return True
        near = points[apart < BLURRED]
        if not len(near):
            return False
        f, slope = self.values((near + root) / 2, np.tile(p, (len(near), 1)))
        size = np.maximum(1.0, (np.abs(slope) @ np.abs(root)).max(axis=1))
        return bool((np.abs(f).max(axis=1) <= 1e-14 * size).any())

    def link(self, p: Matrix, points: list[Matrix], reach: Vector) -> list[Vector]:
        """Number of the branch of each of the fixed points at parameters along a path.

        Two fixed points at neighbouring parameters are on one branch if Newton's method leads from each, moved along
        its tangent, to the other.
        """
        ahead = self._followed(p[:-1], p[1:], points[:-1], points[1:], reach)
        back = self._followed(p[1:], p[:-1], points[1:], points[:-1], reach)
        names, count = [np.arange(len(points[0]))], len(points[0])
        for k, (forth, origin) in enumerate(zip(ahead, back, strict=True)):
            now = np.full(len(points[k + 1]), -1)
            for i, j in enumerate(forth):
                if j >= 0 and origin[j] == i:
                    now[j] = names[k][i]
            new = np.flatnonzero(now < 0)
            now[new] = count + np.arange(len(new))
            count += len(new)
            names.append(now)
        return names

    def _followed(
        self, before: Matrix, after: Matrix, points: list[Matrix], others: list[Matrix], reach: Vector
    ) -> list[Vector]:
        """For each fixed point, which of those at the next parameters it leads to; -1 for none."""
        owner = np.repeat(np.arange(len(points)), [len(each) for each in points])
        if not len(owner):
            return [np.zeros(0, dtype=int) for _ in points]
        y = np.concatenate(points)
        moved = self.values(y, after[owner])[0]  # F at the old state is the derivative along the path, to first order
        slope = self.values(y, before[owner])[1]
        step = -_solve(slope, moved)
        step /= np.maximum(1.0, 5 * (np.abs(step) / reach).max(axis=1))[:, None]
        roots = self.newton(y + np.where(np.isfinite(step), step, 0.0), after[owner], reach)
        lead = np.array([_nearest(others[k], root, reach) for k, root in zip(owner, roots, strict=True)], dtype=int)
        return np.split(lead, np.cumsum([len(each) for each in points])[:-1])

    def between(self, before: Vector, after: Vector, start: float) -> System:
        """The `path` from one parameter vector to another, at a position of it."""
        values: dict[str, Any] = {POSITION: start}
        for name in self.slow:
            where, shape = self.fast.parameter_slices[name], self.system.state[name]
            values |= {f"{name}_before": before[where].reshape(shape), f"{name}_after": after[where].reshape(shape)}
        return self.path.with_parameters(**values)

    @cached_property
    def path(self) -> System:
        """The fast subsystem on a straight line through its slow blocks, from ``<block>_before`` to ``<block>_after``.

        Its parameter `POSITION` goes from 0 to 1.
        """
        system, fast = self.system, self.fast
        ends = {
            f"{name}_{end}": Parameter(np.asarray(system.initial[name], float))
            for name in self.slow
            for end in ("before", "after")
        }

        def function(t: Any, s: Any, p: Any) -> dict[str, Any]:
            at = {
                name: p[f"{name}_before"] + p[POSITION] * (p[f"{name}_after"] - p[f"{name}_before"])
                for name in self.slow
            }
            state = {name: s[name] for name in fast.state} | at
            moved = system.function(t, Namespace(state, "state block", system.name), p)
            return {name: moved[name] for name in fast.state}

        return System(
            name=f"{system.name} along its slow variables",
            kind=system.kind,
            function=function,
            shapes={name: system.shapes[name] for name in fast.state},
            declared={**system.declared, POSITION: Parameter(0.0), **ends},
            starts={name: system.starts[name] for name in fast.state if name in system.starts},
            observables={},
        )


def _solve(matrices: np.ndarray, vectors: Matrix) -> Matrix:
    """Solutions of many linear systems; NaN where a matrix is singular."""
    good = np.isfinite(matrices).all(axis=(1, 2)) & np.isfinite(vectors).all(axis=1)
    out = np.full_like(vectors, np.nan)
    try:
        out[good] = np.linalg.solve(matrices[good], vectors[good][..., None])[..., 0]
    except np.linalg.LinAlgError:
        out[good] = (np.linalg.pinv(matrices[good]) @ vectors[good][..., None])[..., 0]
    return out


def _nearest(points: Matrix, one: Vector, reach: Vector) -> int:
    if not len(points) or not np.isfinite(one).all():
        return -1
    distance = (np.abs(points - one) / reach).max(axis=1)
    best = int(np.argmin(distance))
    return best if distance[best] < CLOSE else -1
