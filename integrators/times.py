"""When a trajectory is sampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.errors import InputError
from ..engine.system import System

INTERVALS = 1000
"""Number of intervals between samples where nothing is asked for."""

MANY = 10**6
"""Number of samples beyond which equally spaced times are computed when they are needed."""


@dataclass(frozen=True)
class Spaced:
    """Equally spaced times, the last one exactly at ``last``: a sequence of which slices are arrays."""

    first: float
    spacing: float
    count: int
    last: float

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, part: slice) -> np.ndarray:
        start, stop, _ = part.indices(self.count)
        times = self.first + self.spacing * np.arange(start, stop)
        if stop == self.count and stop > start:
            times[-1] = self.last
        return times


Times = np.ndarray | Spaced


def span(system: System, t_start: Any, t_end: Any, transient: Any) -> tuple[float, float, float]:
    """First time, last time, and the time from which on samples are kept; checked."""
    start, end, passing = (number(n, v) for n, v in (("t_start", t_start), ("t_end", t_end), ("transient", transient)))
    if start == end:
        raise InputError(f"t_end and t_start are both {end:g}; nothing to integrate")
    if system.kind == "map":
        for name, value in (("t_start", start), ("t_end", end), ("transient", passing)):
            if not value.is_integer():
                raise InputError(f"{name} of a map is a whole number of iterations, not {value:g}")
        if end < start:
            raise InputError(f"a map cannot be iterated backwards, from {start:g} to {end:g}")
    if not 0 <= passing <= abs(end - start):
        raise InputError(f"transient must lie between 0 and {abs(end - start):g}, not {passing:g}")
    return start, end, start + passing if end > start else start - passing


def samples(system: System, start: float, end: float, keep: float, sample: Any) -> Times:
    """The times of the samples that ``sample`` asks for."""
    direction = 1.0 if end > start else -1.0
    if isinstance(sample, str):
        if sample != "end":
            raise InputError(f"sample must be a spacing, an array of times or 'end', not {sample!r}")
        return np.array([end])
    if sample is None:
        if system.kind == "flow":
            return np.linspace(keep, end, INTERVALS + 1 if keep != end else 1)
        sample = 1.0
    try:
        times = np.array(sample, dtype=float, order="C")
    except (TypeError, ValueError):
        raise InputError(f"sample must be a spacing, an array of times or 'end', not {sample!r:.60}") from None
    if times.ndim == 0:
        spacing = float(times)
        if not 0 < spacing < np.inf:
            raise InputError(f"the spacing of samples must be positive, not {spacing:g}")
        if system.kind == "map" and not spacing.is_integer():
            raise InputError(f"the spacing of samples of a map is a whole number, not {spacing:g}")
        count = int(np.floor(abs(end - keep) / spacing * (1 + 1e-12) + 1e-9))
        last = keep + direction * spacing * count
        if direction * (last - end) >= -1e-9 * spacing:
            last = end
        spaced = Spaced(keep, direction * spacing, count + 1, last)
        return spaced if count >= MANY else spaced[:]
    if times.ndim != 1 or not times.size:
        raise InputError(f"the times of samples must be a list, not an array of shape {times.shape}")
    if not (np.diff(times) * direction > 0).all():
        raise InputError(f"the times of samples must {'increase' if direction > 0 else 'decrease'} strictly")
    if system.kind == "map" and (times != np.floor(times)).any():
        raise InputError("the times of samples of a map must be whole numbers")
    if direction * (times[0] - keep) < 0 or direction * (end - times[-1]) < 0 or not np.isfinite(times).all():
        raise InputError(
            f"the times of samples must lie between {keep:g} and {end:g}; they reach from {times[0]:g} to {times[-1]:g}"
        )
    return times


def number(name: str, value: Any) -> float:
    """``value`` as a finite float, or an error that names it."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, not {value!r:.60}") from None
    if not np.isfinite(result):
        raise InputError(f"{name} must be finite, not {result}")
    return result


def positive(name: str, value: Any) -> float:
    """``value`` as a finite float above zero, or an error that names it."""
    result = number(name, value)
    if not result > 0:
        raise InputError(f"{name} must be positive, not {value}")
    return result


def whole(name: str, value: Any, least: int) -> int:
    """``value`` as a whole number of at least ``least``, or an error that names it."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, not {value!r:.40}")
    return int(value)
