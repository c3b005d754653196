"""The loop over states and known points, compiled by numba (see `engine.driver`)."""

from __future__ import annotations

from ...engine.memory import Doubles, Integers


def nearest(
    states: Doubles,
    members: int,
    n: int,
    cell: Doubles,
    points: Doubles,
    owners: Integers,
    count: int,
    labels: Integers,
    scaled: Doubles,
) -> int:
    """The owner of the nearest of ``count`` points, in units of cells, to each state; -1 if none is within a cell."""
    for m in range(members):
        for j in range(n):
            scaled[j] = states[m * n + j] / cell[j]
        label, least = -1, 1.0
        for k in range(count):
            largest = 0.0
            for j in range(n):
                distance = abs(scaled[j] - points[k * n + j])
                if not distance < least:
                    largest = least
                    break
                largest = max(largest, distance)
            if largest < least:
                label, least = owners[k], largest
        labels[m] = label
    return 0
