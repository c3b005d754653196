"""attrax: dynamical systems, their attractors and bifurcations, and simulations of behaviour.

This module only hands on names; what a name needs is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import analysis, systems
    from .analysis.drawing import plot
    from .engine import coupling, errors, stream
    from .engine.declaration import known, normal, parameter, uniform
    from .engine.events import event
    from .engine.storage import load, save
    from .engine.system import System, flow, map
    from .integrators.ensemble import grid, zip
    from .integrators.gradients import gradient
    from .integrators.simulate import simulate
    from .integrators.stepper import stepper

__version__ = "0.1.0"

__all__ = [
    "System",
    "analysis",
    "coupling",
    "errors",
    "event",
    "flow",
    "gradient",
    "grid",
    "known",
    "load",
    "map",
    "normal",
    "parameter",
    "plot",
    "save",
    "simulate",
    "stepper",
    "stream",
    "systems",
    "uniform",
    "zip",
]

_SUBMODULES = {
    "analysis": ".analysis",
    "coupling": ".engine.coupling",
    "errors": ".engine.errors",
    "stream": ".engine.stream",
    "systems": ".systems",
}
_HOMES = {
    ".analysis.drawing": ("plot",),
    ".engine.declaration": ("known", "normal", "parameter", "uniform"),
    ".engine.events": ("event",),
    ".engine.storage": ("load", "save"),
    ".engine.system": ("System", "flow", "map"),
    ".integrators": ("gradient", "grid", "simulate", "stepper", "zip"),
}


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        value = import_module(_SUBMODULES[name], __name__)
    else:
        home = next((module for module, names in _HOMES.items() if name in names), None)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
