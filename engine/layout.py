"""A labelled set of arrays before there are any numbers: dimensions, coordinates, variables, attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np


class Variable(NamedTuple):
    """One array of a `Layout`: its dimensions, type, attributes and, where already known, its values.

    Parameters
    ----------
    dims
        Names of the axes.
    dtype
        Anything that `numpy.dtype` takes: boolean, integer, floating, complex or ``str``.
    attrs
        Numbers, strings, and one-dimensional lists of them.
    values
        An array, or whatever `numpy.asarray` turns into one; None when it is to be written later.
    fill
        What a value reads as until it is written. Default: NaN, or 0, False, "" where there is no NaN.
    """

    dims: tuple[str, ...]
    dtype: Any = float
    attrs: Mapping[str, Any] = {}
    values: Any = None
    fill: Any = None

    @property
    def filling(self) -> Any:
        """The value of an element that was never written."""
        if self.fill is not None:
            return self.fill
        return {"f": np.nan, "c": complex(np.nan, np.nan), "U": ""}.get(np.dtype(self.dtype).kind, 0)


@dataclass(frozen=True)
class Layout:
    """What a labelled set of arrays consists of.

    Parameters
    ----------
    sizes
        The length of each dimension; None when it is not known yet and grows as it is written (in files
        only).
    coords, variables
        Coordinates and data variables by name.
    attrs
        Attributes of the whole: numbers, strings, and one-dimensional lists of them.
    """

    sizes: Mapping[str, int | None]
    coords: Mapping[str, Variable] = field(default_factory=dict)
    variables: Mapping[str, Variable] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arrays(self) -> dict[str, Variable]:
        """Coordinates and data variables together, in this order."""
        return {**self.coords, **self.variables}
