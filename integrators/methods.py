"""The methods by their names."""

from __future__ import annotations

from ..engine.errors import InputError
from ..engine.program import Program
from ..engine.system import System
from .control import Method
from .radau import RADAU5, Radau
from .rosenbrock import LARGEST, RODAS5P, Rosenbrock
from .stochastic import STOCHASTIC, Stochastic
from .tableaux import TABLEAUX

WITHOUT_NOISE: dict[str, Method] = {**TABLEAUX, RODAS5P.name: RODAS5P}
"""Methods for flows without noise whose steps are programs."""

METHODS: dict[str, Method | Radau | Stochastic] = {**WITHOUT_NOISE, RADAU5.name: RADAU5, **STOCHASTIC}
"""Every method for flows."""

ADAPTIVE: dict[str, Method] = {name: method for name, method in WITHOUT_NOISE.items() if method.adaptive}
"""Those with error control."""


def right_hand_side(system: System, method: str) -> Program:
    """What steps with error control are made from: the right-hand side, with its Jacobian where the method needs it."""
    if not isinstance(WITHOUT_NOISE[method], Rosenbrock):
        return system.program("rhs")
    if system.dimension > LARGEST:
        raise InputError(
            f"method {method!r} is for systems of up to {LARGEST} states, but {system.name!r} has {system.dimension}; "
            "use radau5, or an explicit method"
        )
    return system.program("linearisation")


def methods(kind: str = "flow") -> tuple[str, ...]:
    """Names of the methods for ``"flow"`` or ``"map"``."""
    return tuple(METHODS) if kind == "flow" else ("iterate",)
