"""Where the fast subsystem settles, from many states at many values of its frozen slow blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...integrators.ensemble import zip as members
from ...integrators.simulate import simulate
from .frozen import Frozen

PATIENCE = 8
"""How many times the time of settling a state is given."""
NUDGE = 1e-6
"""Push, relative to the range of the fast states, the same for all, so that those on unstable fixed points leave."""
NEAR = 1e-3
"""How near a fixed point, relative to the range of the fast states, a state has settled on it."""
KINDS = ("fixed point", "oscillating", "unsettled", "diverged")
FIXED, OSCILLATING, UNSETTLED, DIVERGED = range(len(KINDS))


@dataclass(frozen=True)
class Relaxed:
    """Where states have settled.

    Attributes
    ----------
    root : ndarray (points, n)
        The stable fixed point; NaN where there is none.
    kind : ndarray (points,)
        Index into `KINDS`.
    apart : ndarray (points,)
        Distance of the first state from the nearest one of the oscillation that it ends in; NaN elsewhere.
    end : ndarray (points, n)
        Where it is in the end.
    """

    root: np.ndarray
    kind: np.ndarray
    apart: np.ndarray
    end: np.ndarray


def relax(parts: Frozen, y: np.ndarray, p: np.ndarray, settle: float, reach: np.ndarray, options: dict) -> Relaxed:
    """Let states ``(points, n)`` settle at their parameters ``(points, parameters)``."""
    root, kind = np.full_like(y, np.nan), np.full(len(y), UNSETTLED)
    now = nudged(y, reach)
    open, away, towards = np.arange(len(y)), np.full(len(y), np.inf), np.full_like(y, np.nan)
    creeping = np.zeros(len(y), dtype=bool)
    for _ in range(PATIENCE):
        now[open] = advance(parts, now[open], p[open], settle, 1, options)[:, 0]
        gone = ~np.isfinite(now[open]).all(axis=1)
        kind[open[gone]] = DIVERGED
        open = open[~gone]
        found, distance = _settled_on(parts, now[open], p[open], reach)
        # near a bifurcation states creep: they are on their way to a fixed point that they come nearer to
        with np.errstate(invalid="ignore"):
            same = (np.abs(found - towards[open]) <= NEAR * reach).all(axis=1)
        creeping[open] = same & (distance < np.minimum(0.25, away[open]))
        away[open], towards[open] = distance, found
        arrived = distance < NEAR
        root[open[arrived]], kind[open[arrived]] = found[arrived], FIXED
        open = open[~arrived]
        if not len(open):
            break
    late = creeping[open]
    root[open[late]], kind[open[late]] = towards[open[late]], FIXED
    open, apart = open[~late], np.full(len(y), np.nan)
    if len(open):
        first = advance(parts, now[open], p[open], settle, 200, options)
        second = advance(parts, first[:, -1], p[open], settle, 200, options)
        now[open] = second[:, -1]
        low, high = second.min(axis=1), second.max(axis=1)
        alike = (np.abs(first.min(axis=1) - low) <= 0.1 * (high - low) + NEAR * reach).all(axis=1)
        alike &= (np.abs(first.max(axis=1) - high) <= 0.1 * (high - low) + NEAR * reach).all(axis=1)
        swinging = alike & ((high - low) > NEAR * reach).any(axis=1)
        kind[open[swinging]] = OSCILLATING
        apart[open[swinging]] = np.linalg.norm(second - y[open][:, None], axis=2).min(axis=1)[swinging]
    return Relaxed(root, kind, apart, now)


def _settled_on(parts: Frozen, y: np.ndarray, p: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The stable fixed point that Newton's method finds from each state, and how far it is (infinite: none)."""
    found = parts.newton(y, p, reach)
    there = np.flatnonzero(np.isfinite(found).all(axis=1))
    distance = np.full(len(y), np.inf)
    stable = there[parts.unstable(found[there], p[there]) == 0]
    distance[stable] = (np.abs(found[stable] - y[stable]) / reach).max(axis=1)
    return found, distance


def nudged(y: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """States ``(points, n)`` a little off."""
    return y + NUDGE * reach * np.random.default_rng(0).uniform(-1.0, 1.0, y.shape[1])


def advance(parts: Frozen, y: np.ndarray, p: np.ndarray, duration: float, samples: int, options: dict) -> np.ndarray:
    """States ``(points, samples, n)`` at equal times up to ``duration``; NaN from where they blow up."""
    fast = parts.fast
    if not len(y):
        return np.empty((0, samples, fast.dimension))
    values: dict[str, Any] = dict(fast.unpack(y))
    for name in parts.slow:
        values[name] = p[:, fast.parameter_slices[name]].reshape(-1, *parts.system.state[name])
    sample: Any = "end"
    if samples > 1:
        sample = duration * np.arange(1, samples + 1) / samples
        sample = np.unique(np.round(sample)) if fast.kind == "map" else sample
    run = simulate(fast, duration, sample=sample, parameters=members(**values), **options)
    states = [run[name].values.reshape(len(y), run.sizes["time"], -1) for name in fast.state]
    return np.concatenate(states, axis=2)
