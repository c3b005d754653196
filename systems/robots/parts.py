"""A robot is a body in its environment, sensors, motors and a controller: parts, wired together in one flow.

A `Part` holds what a body or a controller declares; its equations are plain functions of the state and the
parameters, ``(s, p, input) -> derivatives``. `assemble` joins the declarations, and the function of the flow is the
wiring: what the body senses goes into the controller, what the controller aims at into the motors. A new controller on
an old body is

    @flow(**assemble(spheres.BODY, CLOCKWORK), source=...)
    def clockwork_sphere(t, s, p):
        target, rate, clocks = clockwork(s, p)
        return {**clocks, **spheres.on_soft_ground(s, p, spheres.motor_force(s, p, target, rate))}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from ...engine.declaration import Namespace, Parameter
from ...engine.errors import DeclarationError, InputError
from ...engine.system import System, flow


@dataclass(frozen=True)
class Part:
    """What one part of a robot declares (see :func:`attrax.flow`).

    ``check(s, p)`` gets initial values and parameters as NumPy arrays, of many members at once with an axis in front.
    """

    state: Mapping[str, Any]
    parameters: Mapping[str, Parameter]
    initial: Mapping[str, Any] = field(default_factory=dict)
    observables: Mapping[str, Any] = field(default_factory=dict)
    check: Callable[[Any, Any], None] | None = None


def assemble(*parts: Part, **changes: Any) -> dict[str, Any]:
    """The declaration of a robot of these ``parts``, for :func:`attrax.flow`.

    Parameters
    ----------
    *parts : Part
        Body, controller and whatever else has a state or parameters.
    **changes
        More keywords of :func:`attrax.flow`; dictionaries (``parameters``, ``initial``, ``observables``) are added to
        those of the parts, and win over them.

    Raises
    ------
    DeclarationError
        If two parts declare the same name.
    """
    declaration: dict[str, Any] = {}
    for what in ("state", "parameters", "initial", "observables"):
        joined: dict[str, Any] = {}
        for part in parts:
            if twice := sorted(joined.keys() & getattr(part, what).keys()):
                raise DeclarationError(f"two parts of the robot declare the {what} {twice[0]!r}; rename one of them")
            joined |= getattr(part, what)
        declaration[what] = joined | changes.pop(what, {})
    checks = [part.check for part in parts if part.check]

    def check(s: Any, p: Any) -> None:
        for each in checks:
            each(s, p)

    return {**declaration, "check": check, **changes}


def on_circle(system: System, angle: str) -> System:
    """The system with an angle replaced by its direction on the unit circle: rotations become limit cycles.

    The block ``<angle>_direction`` (2,) holds cosine and sine of the angle; its length relaxes to 1.

    Parameters
    ----------
    system : System
        A flow in which only the cosine and the sine of the angle matter.
    angle : str
        A state block that is a number, the angle in radians.

    Raises
    ------
    InputError
        If there is no such block.

    Examples
    --------
    >>> ax.analysis.continue_cycles(on_circle(barrel, "theta"), "eps", (1, 7))        # doctest: +SKIP
    """
    if system.state.get(angle) != ():
        raise InputError(f"angle must name a state block of {system.name!r} that is a number, not {angle!r}")
    direction = f"{angle}_direction"
    others = [name for name in system.state if name != angle]

    def rolled_up(s: Any) -> Namespace:
        values = {name: s[name] for name in others}
        return Namespace({**values, angle: jnp.arctan2(s[direction][1], s[direction][0])}, "state block", system.name)

    def function(t: Any, s: Any, p: Any) -> dict[str, Any]:
        d = dict(system.function(t, rolled_up(s), p))
        c, rate = s[direction], d.pop(angle)
        return {direction: rate * jnp.stack([-c[1], c[0]]) + (1 - c @ c) * c, **d}

    start = {name: system.starts[name] for name in others if name in system.starts}
    first = float(system.initial[angle])
    return flow(
        state={direction: (2,), **{name: system.shapes[name] for name in others}},
        parameters=system.declared,
        initial={direction: np.array([np.cos(first), np.sin(first)]), **start},
        observables={name: lambda t, s, p, of=of: of(t, rolled_up(s), p) for name, of in system.observables.items()},
        time_unit=system.time_unit,
        source=system.source,
        name=f"{system.name}_on_circle",
    )(function)


def check_positive(p: Any, *names: str) -> None:
    """Raise an InputError unless the parameters of these names (masses, lengths...) are positive."""
    for name in names:
        if not (np.asarray(p[name]) > 0).all():
            least = float(np.min(p[name]))
            raise InputError(
                f"parameter {name!r} of a robot is a mass, length or time and must be positive, not {least:g}"
            )


def servo(error: Any, error_rate: Any, K_P: Any, K_D: Any) -> Any:
    """Force of a linear servo motor with proportional gain ``K_P`` and derivative time ``K_D``.

    The derivative term is cut off at 0.9, the force at ``K_P`` (R. Der, G. Martius, LPZRobots, PID controller of the
    sliding motors).

    Parameters
    ----------
    error, error_rate : array
        Target minus position, in m, and its rate of change, in m/s.
    K_P, K_D : float
        Gain, in N/m, and derivative time, in s.
    """
    return jnp.clip(K_P * (error + jnp.clip(K_D * error_rate, -0.9, 0.9)), -K_P, K_P)
