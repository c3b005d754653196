"""Changes of a landscape of attractors: what happens to which attractor between two samples of a path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..continuation.branches import SpecialPoint

BEYOND = 0.02
"""How far the path between two samples is followed beyond them, where a bifurcation is at a sample itself."""


@dataclass(frozen=True)
class Change:
    """A change between a sample and the next.

    Attributes
    ----------
    interval, position : int, float
        The sample before it, and the fraction of the way to the next.
    label, order, note, event : str, int, str, str
        As in the result of :func:`attrax.analysis.metadynamics`.
    branch, cycle : int
        Which branch of fixed points or which cycle it happens to; -1 for the other.
    visited : bool
        Whether the state was on its way to it.
    y : ndarray (n,)
        The fast state there.
    """

    interval: int
    position: float
    label: str
    order: int
    note: str
    event: str
    branch: int
    visited: bool
    y: np.ndarray
    cycle: int = -1


def order(point: SpecialPoint) -> int:
    """Order of the change of an attractor at a bifurcation: 1 where it jumps, 2 where it moves on; 0 if degenerate."""
    if point.kind in ("LP", "LPC"):
        return 1
    if "degenerate" in point.note or not point.note:
        return 0
    return 1 if "subcritical" in point.note else 2


def event(before: int, after: int) -> str:
    """What happens to an attractor of so many unstable directions before and after; -1 where it is not there."""
    if before >= 0 and after >= 0:
        return "turns unstable" if before == 0 else "turns stable"
    return "vanishes" if before >= 0 else "appears"
