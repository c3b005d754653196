"""The problems, with references in extended precision that share nothing with the contenders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from .native import call, library

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Flow:
    """A flow of three variables as the contenders know it.

    ``horizon`` is short beside the time in which an error grows by a large factor; ``size`` is the scale of
    the state, by which errors are divided.
    """

    name: str
    number: int  # in the C++ sources
    parameters: dict[str, float]
    start: tuple[float, float, float]
    horizon: float
    size: float

    @property
    def p(self) -> Array:
        return np.array(list(self.parameters.values()))


LORENZ = Flow("lorenz", 0, {"sigma": 10.0, "rho": 28.0, "beta": 8 / 3}, (-5.0, -6.0, 22.0), 2.0, 25.0)
ROESSLER = Flow("roessler", 1, {"a": 0.2, "b": 0.2, "c": 5.7}, (1.0, 1.0, 0.0), 20.0, 10.0)
FLOWS = {flow.name: flow for flow in (LORENZ, ROESSLER)}


def reference(flow: Flow, p: Array, x0: Array, spacing: float, samples: int) -> Array:
    """States (samples, 3) at ``spacing``, ``2 spacing``, ..."""
    out = np.empty((samples, 3))
    call(library("reference").reference, flow.number, p, np.ascontiguousarray(x0), spacing, samples, out)
    return out


@cache
def starts(flow: Flow, count: int = 16) -> Array:
    """States (count, 3) on the attractor, far from each other in time."""
    return reference(flow, flow.p, np.array(flow.start), 17.3, count + 3)[3:]


@cache
def short_runs(flow: Flow, samples: int) -> Array:
    """Reference (start, samples, 3) over the horizon from each of :func:`starts`."""
    return np.array([reference(flow, flow.p, x, flow.horizon / samples, samples) for x in starts(flow)])


def short_error(flow: Flow, runs: Sequence[Array]) -> float:
    """Largest error over the samples of the short runs, over the size; the median of the starts."""
    runs = np.array(runs).reshape(len(runs), -1, 3)
    wrong = np.linalg.norm(runs - short_runs(flow, runs.shape[1]), axis=2).max(axis=1)
    return float(np.median(wrong)) / flow.size
