"""Flows that are driven periodically, seen once a period: maps, to which every analysis of maps applies."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ...engine.declaration import Namespace
from ...engine.errors import InputError
from ...engine.events import refuse
from ...engine.expressions import Formula
from ...engine.system import Function, System
from ...integrators.tableaux import TABLEAUX
from ...integrators.times import positive


def stroboscopic_map(system: System, period: float | str, *, steps: int = 32, method: str = "dop853") -> System:
    """The map that takes the state of a flow over one period.

    Its fixed points are cycles of the flow; its Lyapunov exponents are those of the flow times the period. It is
    differentiable exactly, as the flow is, being so many equal steps of a Runge-Kutta method: compare with twice as
    many to see their error. Time, as observables and diagrams see it, counts periods.

    Parameters
    ----------
    system : System
        A flow.
    period : float or str
        A number, or a formula of parameters such as ``"2*pi/omega"``, which holds when they are varied. It must be a
        period of the drive: the map does not depend on the number of the period.
    steps : int
        Steps in a period.
    method : str
        An explicit method.

    Returns
    -------
    System
        A map with the same state, parameters, initial values and observables.

    Raises
    ------
    InputError
        An argument is wrong.
    """
    if system.kind != "flow" or system.noise is not None:
        raise InputError(
            f"{system.name!r} is {'noisy' if system.kind == 'flow' else 'a map'}; expected a flow without noise"
        )
    refuse(system, "a stroboscopic map")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InputError(f"steps must be a whole number of at least 1, not {steps!r:.40}")
    if method not in TABLEAUX:
        raise InputError(f"a stroboscopic map needs an explicit method ({', '.join(TABLEAUX)}), not {method!r}")
    of_parameters = duration(system, period)

    def function(t: Any, s: Any, p: Any) -> dict[str, Any]:
        import jax

        length = of_parameters(p)
        h = length / steps
        rest = {name: s[name] for name in system.frozen}

        def derivative(time, y):
            return system.function(time, Namespace(y | rest, "state block", system.name), p)

        def step(y, k):
            return runge_kutta_step(TABLEAUX[method], derivative, k * h, y, h), None

        start = {name: s[name] for name in system.state}
        return jax.lax.scan(step, start, jax.numpy.arange(steps, dtype=float))[0]

    def observed(f: Function) -> Function:
        return lambda t, s, p: f(t * of_parameters(p), s, p)

    return replace(
        system,
        name=f"{system.name} once a period",
        kind="map",
        function=function,
        observables={name: observed(f) for name, f in system.observables.items()},
        time_unit="",
        known=(),
        _programs={},
    )


def duration(system: System, period: Any) -> Any:
    """The period as a function of the parameters."""
    if not isinstance(period, str):
        constant = positive("period", period)
        return lambda p: constant
    formula = Formula(period, system)
    changing = {"t", *system.state, *system.observables} & set(re.findall(r"[A-Za-z_]\w*", period))
    if changing:
        raise InputError(f"{sorted(changing)[0]!r} in {period!r} changes in time; a period is a formula of parameters")
    return lambda p: formula(None, None, p)


def runge_kutta_step(tableau: Any, derivative: Any, t: Any, y: dict[str, Any], h: Any) -> dict[str, Any]:
    """One Runge-Kutta step of a dictionary of arrays."""
    slopes: list[dict[str, Any]] = []

    def moved(row: Any) -> dict[str, Any]:
        weighed = [(w, k) for w, k in zip(row, slopes, strict=False) if w]
        return {name: value + h * sum(w * k[name] for w, k in weighed) for name, value in y.items()}

    for row, c in zip(tableau.a, tableau.c, strict=True):
        slopes.append(derivative(t + c * h, moved(row)))
    return moved(tableau.b)
