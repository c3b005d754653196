"""How many intervals the next mesh along a branch has: a rule that continuation in Python and compiled share."""

from __future__ import annotations


def intervals(fitted: int, now: int, most: int, doubt: float, degree: int) -> int:
    """The number of intervals after ``now``, where ``fitted`` would do for the profile; not changed for little.

    ``doubt`` is the error of the trivial multiplier in units of what it may be: nearby solutions grow and shrink fast.
    """
    if doubt > 1.0:
        return max(fitted, min(most, int(min(2.0, 1.2 * doubt ** (0.5 / degree)) * now)))
    if 0.6 * now < fitted < 1.25 * now or (fitted < now and doubt > 1e-3):
        return now
    return fitted
