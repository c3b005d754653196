"""Rules of pseudo-arclength continuation that its two forms have in common, in Python and compiled."""

from __future__ import annotations

import math

CONVERGED = 1e-9
"""Newton's method ends with the first update below this (in units of the scale); the error is its square."""
LARGEST = 1e100
"""Derivatives beyond this count as infinite."""
SHARPEST_TURN = math.cos(0.5)
"""Cosine of the angle between the tangents at the ends of a step; a step that turns more is refused."""


def factor(effort: int, cosine: float) -> float:
    """By how much the next step is longer: after few iterations of Newton's method, and where the curve is straight."""
    growth = 2.0 if effort <= 2 else 1.5 if effort == 3 else 1.0 if effort == 4 else 0.6
    turn = math.acos(min(1.0, max(-1.0, cosine)))
    return min(growth, max(0.5, 0.2 / max(turn, 1e-3)))
