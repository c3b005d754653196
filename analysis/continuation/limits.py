"""Where a continuation ends and how long its steps are, from the arguments of those who ask for one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...engine.errors import InputError
from ...engine.system import System
from ...integrators.times import whole
from .pseudo_arclength import Stepping

Bounds = tuple[float, float]
"""Smallest and largest value of a parameter."""


def stepping_of(step: float | None, largest: float, smallest: float, points: int) -> Stepping:
    """The steps of a continuation, from its arguments ``step``, ``max_step``, ``min_step`` and ``max_points``."""
    for name, value in (("step", step), ("max_step", largest), ("min_step", smallest)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} must be a positive number, not {value!r:.40}")
    step = min(0.005, largest) if step is None else step
    if not smallest <= step <= largest:
        raise InputError(f"steps must be ordered min_step <= step <= max_step, not {smallest}, {step}, {largest}")
    return Stepping(step, smallest, largest, whole("max_points", points, 1))


def check_bounds(bounds: Mapping[str, Bounds]) -> None:
    """Refuse bounds that are no finite intervals."""
    for name, interval in bounds.items():
        try:
            low, high = (float(end) for end in interval)
        except (TypeError, ValueError):
            raise InputError(f"the bounds of {name!r} must be (low, high), not {interval!r:.60}") from None
        if not (np.isfinite([low, high]).all() and low < high):
            raise InputError(f"the bounds of {name!r} must be finite and increasing, not {interval!r:.60}")


def check_inside(system: System, bounds: Mapping[str, Bounds]) -> None:
    """Refuse bounds that exclude the parameter values of the system."""
    for name, (low, high) in bounds.items():
        value = float(system.parameters[name].value)
        if not low <= value <= high:
            raise InputError(
                f"the bounds ({low:g}, {high:g}) of {name!r} exclude its value {value:g} at the start; widen them, or "
                f"start from system.with_parameters({name}=...)"
            )
