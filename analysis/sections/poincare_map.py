"""Poincaré maps: flows seen at their crossings of a section, as maps to which every analysis of maps applies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...engine.declaration import Namespace
from ...engine.errors import InputError
from ...engine.events import Event
from ...engine.system import System
from ...integrators.tableaux import TABLEAUX
from ...integrators.times import positive, whole
from .sections import Function, Section, as_section
from .stroboscopic import runge_kutta_step

CORRECTIONS = 5
"""Iterations of Newton's method for the time of a crossing."""
JUST_LEFT = 1e-6
"""A state that is nearer to the section than it moves in this fraction of a step is on it."""


def poincare_map(
    system: System, section: str | Function | Event, longest: float, *, steps: int = 50, method: str = "dop853"
) -> System:
    """The map that takes the state of a flow to its next crossing of a section.

    A flow takes ``steps`` equal steps in the ``longest`` time of return; Newton's method on the length of the step in
    which the section is crossed first gives the crossing to the accuracy of the method, and the derivative of the map
    with its correction for the time of return. The map acts on all states of the flow, not only on the section, and
    takes them onto it: along the flow its multiplier is 0, and one exponent is minus infinity (ask for ``k`` less than
    the dimension). All else is that of the flow: fixed points are cycles, multipliers those of Floquet, exponents those
    of the flow times the mean time of return. A state that does not return in time becomes NaN.

    Parameters
    ----------
    system : System
        A flow that does not depend on time, without noise and resets. (For driven flows: :func:`stroboscopic_map`.)
    section : str, function or Event
        As in :func:`poincare_section`: ``"y = 0"``, ``"y > 0"``, ``"max x"``...; or an event such as
        ``system.events["spike"]``.
    longest : float
        Longest time of return.
    steps : int
        Steps in that time: compare with twice as many to see their error. Two crossings in one step are missed.
    method : str
        An explicit method.

    Returns
    -------
    System
        A map with the same state, parameters, initial values and observables, and the observable ``return_time``, the
        time until the next crossing.

    Raises
    ------
    InputError
        An argument is wrong.
    """
    jumps = any(each.reset is not None or each.terminal for each in system.events.values())
    if system.kind != "flow" or system.noise is not None or jumps:
        what = "a map" if system.kind == "map" else "noisy" if system.noise is not None else "reset by its events"
        raise InputError(f"{system.name!r} is {what}; expected a flow without noise and resets")
    if not system.autonomous:
        raise InputError(f"{system.name!r} depends on time; its period makes it a map: stroboscopic_map")
    h = positive("longest", longest) / whole("steps", steps, 1)
    if method not in TABLEAUX:
        raise InputError(f"a Poincaré map needs an explicit method ({', '.join(TABLEAUX)}), not {method!r}")
    returns = _Returns(system, as_section(system, section), h, steps, method)
    return replace(
        system,
        name=f"{system.name} at {returns.section.text}",
        kind="map",
        function=lambda t, s, p: returns.next(s, p)[0],
        observables={**system.observables, "return_time": lambda t, s, p: returns.next(s, p)[1]},
        events={},
        time_unit="",
        known=(),
        _programs={},
    )


class _Returns:
    """The first crossing after a state, in JAX."""

    def __init__(self, system: System, section: Section, h: float, steps: int, method: str):
        self.system, self.section, self.h, self.steps = system, section, h, steps
        self.tableau = TABLEAUX[method]

    def next(self, s: Any, p: Any) -> tuple[dict[str, Any], Any]:
        """State at the crossing, and the time until then."""
        import jax
        import jax.numpy as jnp

        system, h = self.system, self.h
        rest = {name: s[name] for name in system.frozen}

        def named(y: dict[str, Any]) -> Namespace:
            return Namespace(y | rest, "state block", system.name)

        def derivative(time: Any, y: dict[str, Any]) -> Any:
            return system.function(time, named(y), p)

        def level(y: dict[str, Any]) -> Any:
            if not self.section.extremum:
                return jnp.reshape(self.section.function(0.0, named(y), p), ())
            rates = {name: jnp.asarray(v, float) for name, v in derivative(0.0, y).items() if name in y}
            quantity = lambda y: jnp.reshape(self.section.function(0.0, named(y), p), ())  # noqa: E731
            return jax.jvp(quantity, (y,), (rates,))[1]

        def moved(y: dict[str, Any], length: Any) -> dict[str, Any]:
            return runge_kutta_step(self.tableau, derivative, 0.0, y, length)

        def step(carry: tuple, k: Any) -> tuple[tuple, None]:
            y, g, start, before, after, number, found = carry
            ahead = moved(y, h)
            there = level(ahead)
            g = jnp.where(k == 0, _left(g, there), g)
            here = self._crossed(g, there) & (found < 0.5)
            start = {name: jnp.where(here, y[name], start[name]) for name in y}
            before, after = jnp.where(here, g, before), jnp.where(here, there, after)
            number, found = jnp.where(here, k, number), jnp.where(here, 1.0, found)
            return (ahead, there, start, before, after, number, found), None

        def corrected(carry: tuple, _: Any) -> tuple[tuple, None]:
            start, part, _, _ = carry
            (y, g), (_, slope) = jax.jvp(landed(start), (part,), (jnp.ones_like(part),))
            return (start, part - g / slope, part, y), None

        def landed(start: dict[str, Any]) -> Any:
            def at(length: Any) -> tuple:
                y = moved(start, length)
                return y, level(y)

            return at

        y = {name: jnp.asarray(s[name], float) for name in system.state}
        g = level(y)
        begin = (y, g, y, g, g, 0.0 * g, 0.0 * g)
        start, before, after, number, found = jax.lax.scan(step, begin, jnp.arange(self.steps, dtype=float))[0][2:]
        part = before / jnp.where(before == after, 1.0, before - after) * h
        part, y = jax.lax.scan(corrected, (start, part, part, start), None, length=CORRECTIONS + 1)[0][2:]
        lost = jnp.where(found > 0.5, 0.0, jnp.nan)
        return {name: value + lost for name, value in y.items()}, number * h + part + lost

    def _crossed(self, before: Any, after: Any) -> Any:
        up, down = (before < 0) & (after >= 0), (before > 0) & (after <= 0)
        return {1: up, -1: down, 0: up | down}[self.section.side]


def _left(g: Any, ahead: Any) -> Any:
    """The level at a start; on the section, but for rounding, it has the sign that it goes to."""
    import jax.numpy as jnp

    return jnp.where(jnp.abs(g) < JUST_LEFT * jnp.abs(ahead - g), ahead, g)
