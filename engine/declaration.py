"""The pieces of a system's declaration: parameters, random initial values, known values, namespaces."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import DeclarationError

Shape = tuple[str | int, ...]


@dataclass(frozen=True)
class Parameter:
    """A named parameter: its value, unit (empty if dimensionless) and one line of meaning.

    An ``int`` value is structural: it may size state blocks, it is a Python integer inside the
    system's function, and changing it makes another system. All other values are numbers or arrays
    of floats, changed at run time without compiling. The value of an array may be a function of the
    structural parameters, ``lambda p: np.zeros((p.n, p.n))``.
    """

    value: Any
    unit: str = ""
    meaning: str = ""

    @property
    def structural(self) -> bool:
        """Whether the value is an integer that shapes the system."""
        return isinstance(self.value, (int, np.integer)) and not isinstance(self.value, bool)


def parameter(value: Any, unit: str = "", meaning: str = "") -> Parameter:
    """A parameter with its default ``value``, ``unit`` and ``meaning`` (see :class:`Parameter`)."""
    return Parameter(value, unit, meaning)


@dataclass(frozen=True)
class Draw:
    """Initial values to be drawn, element by element, from a named distribution."""

    distribution: str
    arguments: tuple[float, float]

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """An array of ``shape`` drawn with ``generator``."""
        return getattr(generator, self.distribution)(*self.arguments, size=shape)


def uniform(low: float, high: float) -> Draw:
    """Initial values drawn uniformly from ``[low, high)``."""
    return Draw("uniform", (float(low), float(high)))


def normal(mean: float, standard_deviation: float) -> Draw:
    """Initial values drawn from a normal distribution."""
    return Draw("normal", (float(mean), float(standard_deviation)))


@dataclass(frozen=True)
class Known:
    """A published or exact value of a system, and how to compute it.

    ``compute(ax, system)`` receives the public face of attrax and the system, and returns a number that
    must agree with ``value`` within ``rtol`` (relative) plus ``atol`` (absolute).
    """

    quantity: str
    value: float
    compute: Callable[[Any, Any], float]
    rtol: float = 0.0
    atol: float = 0.0
    source: str = ""


def known(
    quantity: str,
    value: float,
    compute: Callable[[Any, Any], float],
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    source: str = "",
) -> Known:
    """A known value of a system (see :class:`Known`)."""
    return Known(quantity, value, compute, rtol, atol, source)


class Namespace:
    """Values by attribute, ``p.sigma``; an unknown name is an error that lists the known ones."""

    __slots__ = ("_system", "_values", "_what")

    def __init__(self, values: Mapping[str, Any], what: str, system: str):
        object.__setattr__(self, "_values", dict(values))
        object.__setattr__(self, "_what", what)
        object.__setattr__(self, "_system", system)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            if name.startswith("__"):
                raise AttributeError(name) from None
            raise DeclarationError(
                f"system {self._system!r}: its function reads a {self._what} {name!r} that is not declared; "
                + suggest(name, self._values)
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise DeclarationError(
            f"system {self._system!r}: its function assigns to {name!r}; values are read-only, return the "
            "derivatives (or next values) as a dictionary instead"
        )

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


def suggest(name: object, names: Iterable[object]) -> str:
    """``did you mean 'x'? (known: ...)`` for an error message."""
    known = [str(n) for n in names]
    near = difflib.get_close_matches(str(name), known, n=1)
    question = f"did you mean {near[0]!r}? " if near else ""
    return question + "known: " + (", ".join(known) if known else "none")
