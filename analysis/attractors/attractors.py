"""Attractors: found from many initial states, told apart by the cells of state space that they visit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...engine.declaration import suggest
from ...engine.driver import driver
from ...engine.errors import InputError
from ...engine.system import System
from ...integrators.parallel import Progress
from ...integrators.simulate import simulate
from ...integrators.times import number, positive

SAMPLES = 200
"""States of a member in a window of observation."""
SCOUTS = 500
"""Most members that are observed at once in search of new attractors."""
SHIFTS = (0.0, 1 / 3, 2 / 3)
"""Grids of cells are laid in three positions, so that states closer than a third of a cell share one of them."""
TOGETHER = 2**17
"""Most members that are moved on at once: what is kept of them on the way is small."""
FEW = 24
"""Most points of all attractors whose distances are computed one by one; of more, the nearest is looked up."""
KEPT = 1000
"""Most points of an attractor that a result keeps."""


@dataclass(frozen=True)
class Motion:
    """How states are moved on: a system and the options of :func:`attrax.simulate`.

    Attributes
    ----------
    transient : float
        Time after which a state is expected to be on an attractor.
    piece : float
        About an eighth of it, between two looks.
    spacing : float
        Time between two states of a window of observation: one iterate, one period, or a fraction of the transient.
    """

    system: System
    transient: float
    piece: float
    spacing: float
    options: Mapping[str, Any]

    def advance(self, y: np.ndarray, t: float, duration: float, progress: Progress | None = None) -> np.ndarray:
        """States ``(members, n)`` a while later; NaN for members that blow up."""
        moved = np.empty_like(y)
        for first in range(0, len(y), TOGETHER):
            part = slice(first, first + TOGETHER)
            tell = None if progress is None else lambda f: progress((first + f * len(y[part])) / len(y))  # noqa: B023
            moved[part] = self._run(y[part], t, duration, "end", tell)[:, 0]
        return moved

    def observe(self, y: np.ndarray, t: float) -> np.ndarray:
        """States ``(members, SAMPLES, n)`` of a window that begins at ``t``."""
        return self._run(y, t, self.window, t + self.spacing * np.arange(1, SAMPLES + 1), None)

    @property
    def window(self) -> float:
        """Duration of a window."""
        return self.spacing * SAMPLES

    def _run(self, y: np.ndarray, t: float, duration: float, sample: Any, progress: Progress | None) -> np.ndarray:
        end = t + duration if isinstance(sample, str) else float(sample[-1])
        run = simulate(self.system, end, t_start=t, sample=sample, initial=y, progress=progress, **self.options)
        count = 1 if isinstance(sample, str) else len(sample)
        states = np.concatenate([run[name].values.reshape(len(y), count, -1) for name in self.system.state], axis=2)
        states[run["status"].values != 0] = np.nan
        return states


def motion(system: System, transient: Any, period: Any, **options: Any) -> Motion:
    """Check the arguments that say how states are moved."""
    if system.noise is not None:
        raise InputError(f"{system.name!r} is noisy; attractors are sought in systems without noise")
    passing = positive("transient", transient)
    if system.kind == "map":
        if period is not None:
            raise InputError(f"{system.name!r} is a map; leave out period")
        unit = spacing = 1.0
    elif period is None:
        if not system.autonomous:
            raise InputError(f"{system.name!r} depends on time; give the period of its forcing")
        unit, spacing = passing / 8, passing / SAMPLES
    else:
        unit = spacing = positive("period", period)
    piece = unit * max(1.0, np.round(passing / 8 / unit))
    return Motion(system, piece * np.ceil(passing / piece - 1e-9), piece, spacing, options)


@dataclass
class Attractors:
    """Sets of states that trajectories came to stay in, numbered from 0.

    ``cell`` is the size of a cell in each component, infinite where components do not tell attractors apart; two sets
    with a cell in common are one attractor.
    """

    cell: np.ndarray
    points: list[np.ndarray] = field(default_factory=list)
    periods: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.points)

    def label(self, states: np.ndarray) -> np.ndarray:
        """Number of the attractor within a cell of each state ``(members, n)``; -1 where there is none."""
        if not len(self):
            return np.full(len(states), -1)
        owners = np.repeat(np.arange(len(self)), [len(p) for p in self.points])
        if len(owners) <= FEW:
            return self._among_few(states, owners)
        from scipy.spatial import cKDTree

        labels = np.full(len(states), -1)
        there = np.isfinite(states).all(axis=1)
        if not there.any():
            return labels
        tree = cKDTree(np.concatenate(self.points) / self.cell)
        distance, nearest = tree.query(states[there] / self.cell, p=np.inf, distance_upper_bound=1.0)
        labels[there] = np.where(np.isfinite(distance), owners[np.minimum(nearest, len(owners) - 1)], -1)
        return labels

    def _among_few(self, states: np.ndarray, owners: np.ndarray) -> np.ndarray:
        """What `label` says, by distances from all points."""
        labels, points = np.empty(len(states), dtype=np.int64), np.concatenate(self.points) / self.cell
        driver("attrax.analysis.attractors.drivers", "nearest")(
            *(np.ascontiguousarray(states), *states.shape, self.cell, points, owners, len(owners), labels),
            np.empty(states.shape[1]),
        )
        return labels

    def learn(self, first: np.ndarray, second: np.ndarray) -> None:
        """Add what members saw in the second of two windows ``(members, SAMPLES, n)``, as far as they had settled."""
        seen = second[self._settled(first, second)]
        seen = seen[np.argsort((seen.std(axis=1) / self.cell).max(axis=1), kind="stable")]
        if not len(seen):
            return
        known = len(self)
        groups = self._groups([*self.points, *seen])
        for group in np.unique(groups[known:]):
            inside = np.flatnonzero(groups == group)
            old, new = inside[inside < known], inside[inside >= known] - known
            points = self._thinned(np.concatenate([*(self.points[k] for k in old), *seen[new, ::-1]]))
            if len(old):
                self.points[old[0]] = points
            else:
                self.points.append(points)
                self.periods.append(self._period(seen[new[0]]))

    def _settled(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Whether two windows look alike: a slow passage moves on, or swings further, by more than it spreads."""
        with np.errstate(invalid="ignore"):
            before, after = first.std(axis=1), second.std(axis=1)
            tolerance = 0.25 * (before + after) + 0.5 * self.cell
            moved = np.abs(first.mean(axis=1) - second.mean(axis=1))
            return ((moved <= tolerance) & (np.abs(after - before) <= tolerance)).all(axis=1)

    def _groups(self, clouds: list[np.ndarray]) -> np.ndarray:
        """Number of the group of each cloud of states; clouds that share a cell are in one group."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        owners = np.repeat(np.arange(len(clouds)), [len(c) for c in clouds])
        scaled = np.concatenate(clouds) / self.cell
        keys = np.concatenate([_keys(np.floor(scaled + shift), k) for k, shift in enumerate(SHIFTS)])
        cells, place = np.unique(keys, return_inverse=True)
        size = len(clouds) + len(cells)
        edges = (np.ones(len(keys), dtype=bool), (np.tile(owners, len(SHIFTS)), len(clouds) + place))
        return connected_components(coo_matrix(edges, shape=(size, size)), directed=False)[1][: len(clouds)]

    def _thinned(self, points: np.ndarray) -> np.ndarray:
        """The first point of each cell."""
        return points[np.sort(np.unique(_keys(np.floor(points / self.cell), 0), return_index=True)[1])]

    def _period(self, states: np.ndarray) -> int:
        """Number of samples after which all states of a window recur within a cell; 0 beyond half the window."""
        for lag in range(1, SAMPLES // 2 + 1):
            if (np.abs(states[lag:] - states[:-lag]) <= self.cell).all():
                return lag
        return 0


def cells(resolution: Any, starts: np.ndarray, early: np.ndarray, late: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Size of a cell: a fraction of the range of the states, outliers aside; infinite in components not ``told``.

    Of initial states ``(members, n)``, of what a member sees at first, or of all in a late window ``(members, time,
    n)``, whichever is largest.
    """
    if not 0 < number("resolution", resolution) < 1:
        raise InputError(f"resolution is a fraction of the range of the states between 0 and 1, not {resolution}")
    ranges = [
        np.ptp(np.percentile(states, [1, 99], axis=0), axis=0) for states in (starts, late.reshape(-1, late.shape[-1]))
    ]
    whole = early[np.isfinite(early).all(axis=(1, 2))]
    if len(whole):
        ranges.append(np.percentile(np.ptp(whole, axis=1), 90, axis=0))
    extent = np.max(ranges, axis=0)
    return np.where(told, float(resolution) * np.where(extent > 0, extent, 1.0), np.inf)


def telling(system: System, blocks: Sequence[str] | None) -> np.ndarray:
    """Which components ``(n,)`` of the state tell attractors apart: those of the blocks that are named, or all."""
    if blocks is None:
        return np.full(system.dimension, True)
    if isinstance(blocks, str) or not list(blocks):
        raise InputError("blocks must be a list of at least one state block, such as ['omega']")
    for name in blocks:
        if name not in system.state:
            raise InputError(f"blocks names {name!r}, which is no state block; {suggest(str(name), system.state)}")
    return system.pack({name: np.full(shape, name in blocks) for name, shape in system.state.items()}) > 0


def _keys(cells: np.ndarray, position: int) -> np.ndarray:
    """A 64-bit number for each cell ``(points, n)`` of the grid in a position."""
    factors = np.random.default_rng(position).integers(1, 2**62, cells.shape[1]) * 2 + 1
    mixed = (cells.astype(np.int64) * factors).sum(axis=1)
    return mixed ^ (mixed >> 29)
