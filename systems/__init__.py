"""The catalogue of systems, one module or package per family: equations, parameters, sources, known values.

A system is named by its family and its function, ``chaos.lorenz``. A family is imported when it is first
asked for, as its equations need JAX.

>>> import attrax as ax
>>> ax.systems.names()                                                          # doctest: +SKIP
>>> ax.systems.chaos.lorenz is ax.systems.get("chaos.lorenz")
True
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from types import ModuleType

from ..engine.declaration import suggest
from ..engine.errors import InputError
from ..engine.system import System


def get(name: str) -> System:
    """The catalogued system called ``name``, for instance ``"chaos.lorenz"``.

    Raises
    ------
    InputError
        If there is none; the message names the nearest one.
    """
    family, _, member = str(name).partition(".")
    system = vars(_module(family)).get(member) if family in _families() else None
    if isinstance(system, System) and system.name == name:
        return system
    raise InputError(f"the catalogue has no system {name!r}; {suggest(name, names())}")


def names() -> list[str]:
    """The names of all catalogued systems, in alphabetical order (imports every family)."""
    found = {v.name for family in _families() for v in vars(_module(family)).values() if isinstance(v, System)}
    return sorted(found)


def __getattr__(name: str) -> ModuleType:
    if name in _families():
        return _module(name)
    raise AttributeError(f"the catalogue has no family {name!r}; {suggest(name, _families())}")


def __dir__() -> list[str]:
    return ["get", "names", *_families()]


def _families() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]


def _module(family: str) -> ModuleType:
    return import_module(f".{family}", __name__)
