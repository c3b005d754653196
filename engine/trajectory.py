"""What a trajectory is: a labelled Dataset of states over members and time, with full provenance.

`layout` is the one definition. `dataset` fills it with arrays in memory; `attrax.engine.storage.Writer`
creates a file from the same layout, to be filled while the run goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .errors import DeclarationError
from .layout import Layout, Variable

if TYPE_CHECKING:
    import xarray as xr

    from .system import System

CONVENTIONS = "attrax-1"
LARGEST_LISTED = 10_000
"""Arrays with more elements are recorded in the provenance by shape and hash."""


class Ending(NamedTuple):
    """How the integration of a member ended: a name, and a sentence for people."""

    name: str
    sentence: str


STATUS: dict[int, Ending] = {
    0: Ending("done", "The integration reached its end."),
    1: Ending("running", "The integration was interrupted before its end, or is still running."),
    2: Ending("nonfinite", "The state became infinite or NaN."),
    3: Ending(
        "step_too_small",
        "The step fell below rounding: the solution has a singularity, or the tolerance cannot be met.",
    ),
    4: Ending("too_many_steps", "The number of steps reached max_steps before the end."),
    5: Ending("event", "A terminal event ended the integration."),
    6: Ending("zeno", "An event that resets the state came faster and faster, accumulating at this time."),
}


def layout(
    system: System,
    *,
    time: np.ndarray | int | None,
    members: Mapping[str, int] | None = None,
    member_coords: Mapping[str, tuple[tuple[str, ...], np.ndarray]] | None = None,
    observables: Mapping[str, tuple[int, ...]] | None = None,
    events: Iterable[str] = (),
    elements: Iterable[str] = (),
    attrs: Mapping[str, Any] | None = None,
) -> Layout:
    """Describe the trajectories of a system before they are computed.

    Parameters
    ----------
    system
        Gives the names, axes, parameters.
    time
        The times of the samples; their number where they are known only later; None where that is unknown too
        (in files only).
    members
        Length of each dimension of the ensemble, outermost first. Default: a single trajectory.
    member_coords
        What differs between the members: for each name of a parameter or state block the member dimensions
        and the values, whose further axes are those of the parameter or block.
    observables
        Shape of each observable.
    events
        Names of events whose times are recorded.
    elements
        Those of them that happen to the elements of an array.
    attrs
        Attributes of the Dataset, as `provenance` makes them.

    Returns
    -------
    Layout
        States and observables ``(members..., time, block axes)``, NaN where not reached; ``status`` (see
        `STATUS`), ``t_stop``, ``steps``, ``rejected`` ``(members...)``; of each event ``<event>_count``
        ``(members...)``, ``<event>_time`` and, where there are `elements`, ``<event>_element``
        ``(members..., <event>_index)``. Coordinates: ``time``; what differs
        between members; scalar float parameters. A state block in `members` or `member_coords`, being data
        too, becomes ``<block>_initial``; arrays along a dimension of their own name become ``<name>_values``.
        An axis name that is taken or occurs twice in one block gets a number: ``("n", "n_1")``.

    Raises
    ------
    DeclarationError
        Two things have the same name.
    """
    members, member_coords, observables, events = members or {}, member_coords or {}, observables or {}, tuple(events)
    elements = tuple(elements)
    recorded = {**dict(system.state), **observables}
    renamed = {name: f"{name}_initial" for name in [*members, *member_coords] if name in recorded}
    member_dims = tuple(renamed.get(dim, dim) for dim in members)
    scalars = {
        name: parameter
        for name, parameter in system.parameters.items()
        if name not in member_coords and _is_scalar(parameter.value)
    }
    unit = {"units": system.time_unit} if system.time_unit else {}
    results = {
        "status": Variable(member_dims, np.int8, status_attrs(), fill=1),
        "t_stop": Variable(member_dims, float, unit | {"long_name": "time reached"}),
        "steps": Variable(member_dims, np.int64, {"long_name": "accepted steps"}),
        "rejected": Variable(member_dims, np.int64, {"long_name": "rejected steps"}),
    }
    for name in events:
        results[f"{name}_count"] = Variable(member_dims, np.int64, {"long_name": f"number of events '{name}'"})
        meaning = unit | {"long_name": f"times of events '{name}'"}
        results[f"{name}_time"] = Variable((*member_dims, f"{name}_index"), float, meaning)
        if name in elements:
            meaning = {"long_name": f"elements to which event '{name}' happens"}
            results[f"{name}_element"] = Variable((*member_dims, f"{name}_index"), np.int64, meaning, fill=-1)
    own = [name for name in members if name not in renamed and name not in system.parameters]
    names = [*system.state, *observables, *scalars, *renamed.values(), *own, "time", *results]
    _refuse_homonyms(names, system.name)

    sizes: dict[str, int | None] = dict(zip(member_dims, members.values(), strict=True))
    sizes["time"] = time if time is None or isinstance(time, (int, np.integer)) else len(time)
    sizes |= {f"{name}_index": None for name in events}
    taken = {*sizes, *names, *member_coords}

    def axes(name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
        """Name the axes of a block and note their sizes."""
        named: list[str] = []
        alike = (block for block, other in system.state.items() if name in observables and other == shape)
        source = name if name in system.state else next(alike, "")
        wanted = system.state_dims.get(source) or [f"{name}_{axis}" for axis in range(len(shape))]
        for dim, size in zip(wanted, shape, strict=True):
            candidates = (f"{dim}_{number}" if number else dim for number in count())
            free = next(c for c in candidates if c not in {*taken, *named} and sizes.get(c, size) == size)
            sizes[free] = size
            named.append(free)
        return tuple(named)

    variables = {name: Variable((*member_dims, "time", *axes(name, shape))) for name, shape in recorded.items()}
    samples = None if sizes["time"] is None or isinstance(time, (int, np.integer)) else np.asarray(time)
    meaning = unit | {"long_name": "time" if system.kind == "flow" else "iteration"}
    coords = {"time": Variable(("time",), float if samples is None else samples.dtype, meaning, samples)}
    for name, (dims, values) in member_coords.items():
        values = np.asarray(values)
        own_dims = (*(renamed.get(dim, dim) for dim in dims), *axes(name, values.shape[len(dims) :]))
        label = renamed.get(name, name)
        if label in own_dims and values.ndim > 1:
            label = f"{label}_values"
        attributes = _parameter_attrs(system.parameters[name]) if name in system.parameters else {}
        coords[label] = Variable(own_dims, values.dtype, attributes, values)
    for name, parameter in scalars.items():
        coords[name] = Variable((), float, _parameter_attrs(parameter), np.asarray(parameter.value, float))
    return Layout(sizes, coords, {**variables, **results}, dict(attrs or {}))


def dataset(layout: Layout, arrays: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Make the Dataset that a layout describes.

    Parameters
    ----------
    layout
        From `layout`.
    arrays
        The values by name, not copied. What is missing reads as not computed: NaN, status "running".

    Raises
    ------
    ValueError
        An array does not fit the layout.
    """
    import pandas as pd
    import xarray as xr
    from xarray.indexes import PandasIndex

    planned = layout.arrays
    unknown = set(arrays) - set(planned)
    if unknown:
        raise ValueError(f"the layout has no {sorted(unknown)}; it has {list(planned)}")
    sizes = dict(layout.sizes)
    for name, array in arrays.items():
        for dim, length in zip(planned[name].dims, np.shape(array), strict=True):
            if sizes[dim] is None:
                sizes[dim] = length
            if sizes[dim] != length:
                raise ValueError(f"'{name}' has {length} elements along '{dim}'; expected {sizes[dim]}")

    def filled(name: str, variable: Variable) -> xr.Variable:
        if name in arrays:
            values = np.asarray(arrays[name], dtype=variable.dtype)
        elif variable.values is not None:
            values = np.asarray(variable.values)
        else:
            values = np.full([sizes[dim] or 0 for dim in variable.dims], variable.filling, variable.dtype)
        return xr.Variable(variable.dims, values, dict(variable.attrs), fastpath=True)

    variables = {name: filled(name, variable) for name, variable in planned.items()}
    indexes = {}
    for name in layout.coords:
        if variables[name].dims == (name,):
            indexes[name] = PandasIndex(pd.Index(variables[name].values, name=name), name)
            variables |= indexes[name].create_variables({name: variables[name]})
    # the public constructor looks for conflicts, which costs several times as much as a short integration
    return xr.Dataset._construct_direct(variables, set(layout.coords), None, dict(layout.attrs), indexes)


def provenance(system: System, **settings: Any) -> dict[str, Any]:
    """Describe where a result comes from, as attributes: what is needed to compute it again.

    Parameters
    ----------
    system
        With the parameters and initial values that were used.
    settings
        Method, tolerances, seed, ...: numbers and strings stay, booleans become 0 or 1, None is left out, all
        else becomes JSON.

    Returns
    -------
    dict
        ``conventions``, ``attrax_version``, ``system``, ``system_kind``, ``system_source``, ``system_hash``,
        ``parameters`` and ``initial`` (JSON), ``created`` (UTC, ISO 8601), and the settings.
    """
    from datetime import UTC, datetime

    from .. import __version__

    attrs: dict[str, Any] = {
        "conventions": CONVENTIONS,
        "attrax_version": __version__,
        "system": system.name,
        "system_kind": system.kind,
        "system_source": system.source or "",
        "system_hash": system.source_hash,
        "parameters": {name: parameter.value for name, parameter in system.parameters.items()},
        "initial": dict(system.initial),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    attrs |= settings
    return {name: _plain(value) for name, value in attrs.items() if value is not None}


def _is_scalar(value: Any) -> bool:
    return np.ndim(value) == 0 and np.asarray(value).dtype.kind == "f"


def _parameter_attrs(parameter: Any) -> dict[str, str]:
    attrs = {"units": parameter.unit, "long_name": parameter.meaning}
    return {key: text for key, text in attrs.items() if text}


def status_attrs() -> dict[str, Any]:
    """Attributes of a variable of statuses, as netCDF describes flags."""
    return {
        "long_name": "how the integration ended",
        "flag_values": np.array(list(STATUS), dtype=np.int8),
        "flag_meanings": " ".join(ending.name for ending in STATUS.values()),
        "comment": " ".join(f"{ending.name}: {ending.sentence}" for ending in STATUS.values()),
    }


def _refuse_homonyms(names: Iterable[str], system: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DeclarationError(
                f"{system}: '{name}' names two things in its trajectories (state blocks, observables, "
                "parameters, time, status, t_stop, steps, rejected); rename the one in the system"
            )
        seen.add(name)


def _plain(value: Any) -> Any:
    """A number or string as it is, all else as JSON."""
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, (str, int, float)) else json.dumps(value, default=_jsonable)


def _jsonable(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        if value.size <= LARGEST_LISTED:
            return value.tolist()
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"shape": value.shape, "dtype": str(value.dtype), "sha256": digest}
    return str(value)
