"""Frames that move along the symmetries of a system: where relative periodic orbits close."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...engine.declaration import Parameter
from ...engine.system import System

Vector = np.ndarray

STARTS = (0.0, 1.5, -1.5, 3.0, -3.0, 4.5, -4.5, 6.0, -6.0, 7.5, -7.5)
"""Ways per period along the first symmetry (angles: in radians; quaternions close after 4 pi) from which the frame is
looked for."""


def in_frame(system: System, generators: Sequence[Callable]) -> System:
    """The system seen from a frame that moves along its symmetries at velocities ``_velocity0``, ..., parameters.

    Parameters
    ----------
    system : System
    generators : sequence of function
        Infinitesimal symmetries ``(s) -> {block: rate}``.
    """
    names = [f"_velocity{k}" for k in range(len(generators))]

    def function(t: Any, s: Any, p: Any) -> dict[str, Any]:
        import jax.numpy as jnp

        change = dict(system.function(t, s, p))
        for name, generator in zip(names, generators, strict=True):
            for block, rate in generator(s).items():
                change[block] = change[block] - p[name] * jnp.asarray(rate)
        return change

    declared = {**system.declared, **{name: Parameter(0.0) for name in names}}
    return replace(system, function=function, declared=declared, observables={}, check=None, known=(), _programs={})


def closing(
    generators: Sequence[Callable], system: System, y: Vector, T: float, end: Callable[[System, Vector, float], Vector]
) -> tuple[System, Vector, float]:
    """The frame in which the trajectory of a state returns to it most closely after about the time ``T``.

    Parameters
    ----------
    end : callable
        ``end(system, y, T)`` is the state a time T later.

    Returns
    -------
    tuple
        The system in that frame, the velocities and the time.
    """
    from scipy.optimize import least_squares

    frame, count = in_frame(system, generators), len(generators)
    size = np.maximum(abs(y), abs(end(frame, y, T / 2) - y))
    size = np.maximum(size, 1e-2 * size.max())

    def moving(x: Vector) -> System:
        return frame.with_parameters(**{f"_velocity{k}": float(v) for k, v in enumerate(x[:count] / T)})

    def gap(x: Vector) -> Vector:
        return (end(moving(x), y, T * x[count]) - y) / size

    best = None
    for first in STARTS:
        x = np.zeros(count + 1)
        x[0], x[count] = first, 1.0
        found = least_squares(gap, x, bounds=([-np.inf] * count + [0.8], [np.inf] * count + [1.25]), diff_step=1e-5)
        if best is None or found.cost < best.cost:
            best = found
        if best.cost < 1e-3:
            break
    assert best is not None
    return moving(best.x), best.x[:count] / T, T * float(best.x[count])
