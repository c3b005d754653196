"""Ensembles: which parameters and initial values differ between the members."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..engine.declaration import Draw, suggest
from ..engine.errors import InputError
from ..engine.system import System


@dataclass(frozen=True)
class Ensemble:
    """Values that differ between members; made by :func:`grid` and :func:`zip`."""

    product: bool
    values: dict[str, Any]


def grid(**values: Any) -> Ensemble:
    """All combinations of values of parameters and state blocks: one dimension each, in the order given.

    >>> ax.simulate(lorenz, 10, parameters=ax.grid(rho=[20, 28], x=[-1, 0, 1]))   # doctest: +SKIP
    """
    return Ensemble(True, values)


def zip(**values: Any) -> Ensemble:
    """Members that take their values side by side, along one dimension called ``member``."""
    return Ensemble(False, values)


@dataclass(frozen=True)
class Members:
    """The members of a run, flattened in C order of ``dims``.

    Attributes
    ----------
    system : System
        With the values that all members share.
    dims : dict of str to int
        Length of each dimension of the ensemble; empty for a single trajectory.
    coords : dict
        For each name that differs: its dimensions and its values.
    y, p : ndarray
        Initial states ``(members, dimension)`` and parameter vectors ``(members, parameters)``.
    """

    system: System
    y: np.ndarray
    p: np.ndarray
    dims: dict[str, int] = field(default_factory=dict)
    coords: Mapping[str, tuple[tuple[str, ...], np.ndarray]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.system.check_values(self.y, self.p)


def members(system: System, parameters: Any, initial: Any, seed: int, first: int = 0) -> Members:
    """Bring ``parameters`` and ``initial`` of :func:`attrax.simulate` together; members are counted from ``first``."""
    check_system(system)
    together = _together(system, parameters, initial, seed)
    if not system.inputs:
        return together
    p = together.p.copy()
    p[:, -2], p[:, -1] = seed, first + np.arange(len(p))
    return replace(together, p=p)


def _together(system: System, parameters: Any, initial: Any, seed: int) -> Members:
    swept: dict[str, np.ndarray] = {}
    how = None
    if isinstance(parameters, Ensemble):
        how, parameters = parameters, {}
        swept = {name: _axis(system, name, value) for name, value in how.values.items()}
        if not swept:
            raise InputError("the ensemble is empty; name at least one parameter, as in grid(rho=[20, 28])")
    elif parameters is not None and not isinstance(parameters, Mapping):
        raise InputError(f"parameters must be a dictionary, grid(...) or zip(...), not {type(parameters).__name__}")

    common = {}
    for name, value in (parameters or {}).items():
        if _extra_axis(system, name, value):
            swept[name] = _axis(system, name, value)
        else:
            common[name] = value
    if common:
        system = system.with_parameters(**common)
        for name in common:
            if name not in system.couplings and not np.isfinite(system.parameters[name].value).all():
                raise InputError(f"parameter {name!r} is infinite or NaN; give a finite number")
    if isinstance(initial, Mapping):
        drawn = {name: value for name, value in initial.items() if isinstance(value, Draw)}
        system = system.with_initial(**drawn) if drawn else system
        initial = {name: value for name, value in initial.items() if name not in drawn}
    start, cloud = _initial(system, initial, seed)

    if cloud is not None:
        if swept:
            raise InputError(
                f"both {', '.join(swept)} and the initial values differ between members; say how they combine "
                "with grid(...) or zip(...), which take state blocks too"
            )
        coords = {} if isinstance(cloud, int) else {name: (("member",), value) for name, value in cloud.items()}
        p = np.broadcast_to(system.parameter_vector, (len(start), system.parameter_vector.size))
        return Members(system, start, p, {"member": len(start)}, coords)
    if not swept:
        return Members(system, start[None], system.parameter_vector[None])
    if len(swept) > 1 and how is None:
        raise InputError(
            f"{', '.join(swept)} all differ between members; say how they combine with grid(...) or zip(...)"
        )
    return _combine(system, start, swept, how is None or how.product)


def check_system(system: Any) -> None:
    """Raise an InputError if this is no system."""
    if not isinstance(system, System):
        hint = f"; attrax.systems.get({system!r}) gives the one of that name" if isinstance(system, str) else ""
        raise InputError(f"expected a system made by attrax.flow or attrax.map, not {system!r:.60}{hint}")


def check_scalar(system: System, parameter: str) -> None:
    """Raise an InputError if this is no scalar parameter."""
    scalars = [name for name, shape in system.numeric.items() if shape == ()]
    if parameter not in scalars:
        raise InputError(f"system {system.name!r} has no scalar parameter {parameter!r}; {suggest(parameter, scalars)}")


def parameter_values(system: System, parameter: str, values: Any) -> np.ndarray:
    """Values of a scalar parameter that an analysis goes through."""
    check_scalar(system, parameter)
    swept = np.atleast_1d(numbers("values", values))
    if swept.ndim != 1 or not swept.size or not np.isfinite(swept).all():
        raise InputError("values must be a list of at least one finite number")
    return swept


def _combine(system: System, start: np.ndarray, swept: dict[str, np.ndarray], product: bool) -> Members:
    lengths = {name: len(value) for name, value in swept.items()}
    if product:
        dims = lengths
        coords = {name: ((name,), value) for name, value in swept.items()}
    else:
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name}: {length}" for name, length in lengths.items())
            raise InputError(f"zip needs values of equal number, not {told}")
        dims = {"member": next(iter(lengths.values()))}
        coords = {name: (("member",), value) for name, value in swept.items()}
    shape = tuple(dims.values())
    count = math.prod(shape)
    flat = {}
    for which, common, where in (
        ("y", start, system.state_slices),
        ("p", system.parameter_vector, system.parameter_slices),
    ):
        own = {name: coords[name] for name in coords if name in where}
        target = np.broadcast_to(common, (*shape, common.size))
        if own:
            target = target.copy()
        for name, (along, values) in own.items():
            columns = values.reshape(len(values), -1)
            axes = [len(columns) if dim in along else 1 for dim in dims]
            target[..., where[name]] = columns.reshape(*axes, columns.shape[1])
        flat[which] = target.reshape(count, common.size) if own else np.broadcast_to(common, (count, common.size))
    return Members(system, dims=dims, coords=coords, **flat)


def _shape_of(system: System, name: str) -> tuple[int, ...]:
    if name in system.structure:
        raise InputError(
            f"parameter {name!r} of system {system.name!r} is an integer that shapes the system and cannot differ "
            "between members; make one run for each value"
        )
    shapes = {**system.state, **system.numeric}
    if name not in shapes:
        raise InputError(f"system {system.name!r} has no parameter or state block {name!r}; {suggest(name, shapes)}")
    return shapes[name]


def _extra_axis(system: System, name: str, value: Any) -> bool:
    if name in system.structure or name not in system.numeric:
        return False
    return np.ndim(value) == len(system.numeric[name]) + 1


def _axis(system: System, name: str, value: Any) -> np.ndarray:
    """Values of one parameter or state block along a new leading axis."""
    shape = _shape_of(system, name)
    array = numbers(name, value)
    if array.ndim != len(shape) + 1 or array.shape[1:] != shape:
        raise InputError(
            f"{name!r} of an ensemble needs shape (members{''.join(f', {n}' for n in shape)}), not {array.shape}"
        )
    if not len(array):
        raise InputError(f"{name!r} has no values; give at least one")
    if not np.isfinite(array).all():
        raise InputError(f"{name!r} has values that are infinite or NaN")
    return array


def _initial(system: System, initial: Any, seed: int) -> tuple[np.ndarray, Any]:
    """Initial state(s), flat, and what differs between members: None, a number of members, or arrays by name."""
    if initial is None or (isinstance(initial, Mapping) and not initial):
        start = system.initial_vector if seed == 0 else system.pack(system.draw_initial(seed))
        return _finite(system, start), None
    if not isinstance(initial, Mapping):
        flat = _finite(system, system.pack(numbers("initial", initial)))
        if flat.ndim > 2:
            raise InputError(
                f"initial has shape {flat.shape}; expected ({system.dimension},) or (members, {system.dimension})"
            )
        if not len(flat):
            raise InputError("the initial values have no members; give at least one")
        return flat, (len(flat) if flat.ndim == 2 else None)
    values = {name: numbers(name, value) for name, value in initial.items()}
    cloud = {}
    for name, value in values.items():
        if name not in system.state:
            raise InputError(f"system {system.name!r} has no state block {name!r}; {suggest(name, system.state)}")
        shape = system.state[name]
        if value.ndim == len(shape) + 1 and value.shape[1:] == shape:
            cloud[name] = value
        elif value.shape != shape and value.ndim:
            raise InputError(
                f"the initial value of {name!r} needs shape {shape}, or (members, ...) for an ensemble, "
                f"not {value.shape}"
            )
        elif value.ndim == 0:
            values[name] = np.broadcast_to(value, shape)
    if len({len(value) for value in cloud.values()}) > 1:
        told = ", ".join(f"{name}: {len(value)}" for name, value in cloud.items())
        raise InputError(f"initial values of an ensemble need equal numbers of members, not {told}")
    if cloud and not len(next(iter(cloud.values()))):
        raise InputError("the initial values have no members; give at least one")
    drawn = system.draw_initial(seed) if seed else system.initial
    return _finite(system, system.pack({**drawn, **values})), cloud or None


def _finite(system: System, flat: np.ndarray) -> np.ndarray:
    if not np.isfinite(flat).all():
        bad = int(np.argwhere(~np.isfinite(flat))[0][-1])
        raise InputError(
            f"the initial value of {system.component_names[bad]!r} is infinite or NaN; give a finite number"
        )
    return flat


def numbers(name: str, value: Any) -> np.ndarray:
    """``value`` as an array of floats, or an error that names it."""
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{name!r} must be a number or an array of numbers, not {value!r:.60}") from None
