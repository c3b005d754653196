"""Cycles of maps: fixed points of their iterates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...engine.errors import InputError, NumericsError
from ...engine.layout import Layout, Variable
from ...engine.system import System
from ...engine.trajectory import dataset, provenance
from ...integrators.times import whole
from ..continuation.branches import Branch, SpecialPoint
from ..continuation.limits import Bounds
from ..equilibria.bifurcations import continue_fixed_points
from ..equilibria.derivatives import Equations
from ..equilibria.spectra import spectrum
from .cycle import Cycle

TRANSIENT = 2000
"""Iterates before a cycle is looked for."""


def find(system: System, start: Any, period: int) -> Cycle:
    """The cycle of this period near the orbit of a state (or near a cycle, or a special point of a branch)."""
    from ...integrators.simulate import simulate

    if isinstance(start, SpecialPoint):
        system, y = system.with_parameters(**start.parameters), start.vector
    elif isinstance(start, Cycle):
        y = start.profile[0]
    else:
        y = system.pack(start)
    if y.ndim > 1:
        raise InputError("a cycle is looked for from one state, not from an ensemble")
    equations = Equations(system, (), period)
    here = _newton(equations, y) if isinstance(start, (SpecialPoint, Cycle)) else None
    if here is None:
        data = simulate(system, TRANSIENT, sample="end", initial=system.unpack(y))
        end = np.concatenate([np.ravel(data[name].values) for name in system.state])
        here = _newton(equations, end) if np.isfinite(end).all() else None
    if here is None:
        here = _newton(equations, y)
    if here is None:
        raise NumericsError(f"no cycle of period {period} of {system.name!r} near the start; take another start")
    step = Equations(system)
    orbit = [here]
    for _ in range(period - 1):
        orbit.append(orbit[-1] + step.values(orbit[-1])[0])
    states = np.array(orbit)
    size = np.maximum(abs(states).max(axis=0), 1e-12)
    least = next(k for k in range(1, period + 1) if period % k == 0 and _returns(states, k, size))
    if least < period:
        raise NumericsError(f"the orbit of {system.name!r} from the start has the period {least}, not {period}")
    f, jacobian = equations.values(here)
    found = spectrum(jacobian.copy(), True)
    values = found.eigenvalues[np.argsort(-abs(found.eigenvalues))]
    sizes: dict[str, int | None] = {"iterate": period, "multiplier": len(values)}
    variables = {
        "period": Variable((), np.int64),
        "multipliers": Variable(("multiplier",), complex),
        "unstable": Variable((), np.int64),
        "residual": Variable((), float),
    }
    arrays: dict[str, Any] = {
        "period": period,
        "multipliers": values,
        "unstable": found.unstable,
        "residual": abs(f).max(),
    }
    names = []
    for block, shape in system.state.items():
        key = block if block not in {*sizes, *variables} else f"{block}_"
        names.append(key)
        dims = tuple(f"{block}_{k}" if d in sizes else d for k, d in enumerate(system.state_dims[block]))
        sizes |= dict(zip(dims, shape, strict=True))
        variables[key] = Variable(("iterate", *dims))
        arrays[key] = states[:, system.state_slices[block]].reshape(period, *shape)
    attrs = provenance(system, analysis="find_cycle", blocks=names, symmetry="")
    return Cycle(dataset(Layout(sizes, {}, variables, attrs), arrays))


def follow_map(system: System, parameter: str, bounds: Bounds, start: Any, period: Any, **options: Any) -> Branch:
    """The cycles of a period over a parameter: :func:`continue_fixed_points` of the iterate."""
    options = {name: value for name, value in options.items() if value is not None}
    if isinstance(start, SpecialPoint):
        iterates = 1 if period is None else whole("period", period, 1)
        return continue_fixed_points(system, parameter, bounds, start=start, iterates=iterates, **options)
    values: Sequence[float] = options.pop("values", ())
    cycle = start if isinstance(start, Cycle) else find(system, start, whole("period", period, 1))
    if parameter in cycle.parameters:
        system = system.with_parameters(**{parameter: cycle.parameters[parameter]})
    state = {name: value[0] for name, value in system.unpack(cycle.profile).items()}
    count = int(cycle.period)
    return continue_fixed_points(system, parameter, bounds, start=state, iterates=count, values=values, **options)


def _returns(states: np.ndarray, k: int, size: np.ndarray) -> bool:
    return bool((abs(np.roll(states, -k, axis=0) - states) / size).max() < 1e-7) or k == len(states)


def _newton(equations: Equations, y: np.ndarray) -> np.ndarray | None:
    for _ in range(30):
        f, jacobian = equations.values(y)
        try:
            step = np.linalg.solve(jacobian, f)
        except np.linalg.LinAlgError:
            return None
        y = y - step
        if not np.isfinite(y).all():
            return None
        if (abs(step) <= 1e-13 * np.maximum(abs(y), 1e-3)).all():
            return y
    return y if (abs(step) <= 1e-9 * np.maximum(abs(y), 1e-3)).all() else None
