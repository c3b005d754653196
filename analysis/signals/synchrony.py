"""How much the units of a network move together."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.errors import InputError


def kuramoto_order_parameter(phases: Any, dim: str | None = None) -> Any:
    """Length of the mean of ``exp(i phase)`` over the units: 1 if they agree, about 1/sqrt(N) if they are random.

    Parameters
    ----------
    phases : array or DataArray
        In radians; units along the last axis, or along the dimension ``dim`` (default: the last).
    """
    phases, axis = _units(phases, dim)
    return np.hypot(np.cos(phases).mean(axis), np.sin(phases).mean(axis))


def synchronisation_error(values: Any, dim: str | None = None) -> Any:
    """Root mean square distance of the units from their mean: 0 if they move together.

    Parameters
    ----------
    values : array or DataArray
        Units along the last axis, or along the dimension ``dim`` (default: the last).
    """
    values, axis = _units(values, dim)
    return values.std(axis)


def _units(values: Any, dim: str | None) -> tuple[Any, Any]:
    """The values, and the axis or dimension of the units."""
    if not hasattr(values, "dims"):
        if dim is not None:
            raise InputError(f"an array has no dimension {dim!r}; units lie along its last axis")
        return np.asarray(values, dtype=float), -1
    if dim is not None and dim not in values.dims:
        raise InputError(f"there is no dimension {dim!r}; there are {', '.join(map(str, values.dims))}")
    return values, dim or values.dims[-1]
