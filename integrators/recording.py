"""What of a trajectory is kept, and whether there is room for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..engine import room
from ..engine.declaration import suggest
from ..engine.errors import InputError
from ..engine.expressions import Formula
from ..engine.layout import Layout
from ..engine.system import System


def recorded(system: System, record: Any) -> tuple[System, tuple[str, ...]]:
    """The system with what is to be recorded among its observables, and the names of all that is recorded."""
    known = (*system.state, *system.observables)
    if record is None:
        return system, known
    if isinstance(record, str) or not isinstance(record, (Mapping, Sequence)) or not record:
        raise InputError(
            "record must be a list of state blocks and observables, or a dictionary of names and formulas, "
            f"not {record!r:.60}"
        )
    if not isinstance(record, Mapping):
        for name in record:
            if name not in known:
                raise InputError(
                    f"system {system.name!r} has no state block or observable {name!r} to record; "
                    f'{suggest(name, known)}; formulas have a name of their own, as in record={{"m": "mean(x)"}}'
                )
        return system, tuple(dict.fromkeys(record))
    new = {}
    for name, what in record.items():
        if what == name and name in known:
            continue
        if name in known:
            raise InputError(f"system {system.name!r} has a {name!r} already; choose another name for what to record")
        if not callable(what) and not isinstance(what, str):
            raise InputError(f"{name!r} is recorded as a formula or a function (t, s, p), not {what!r:.60}")
        new[name] = what if callable(what) else Formula(what, system)
    system = replace(system, observables={**system.observables, **new}, _programs=dict(system._programs))
    system._check()
    return system, tuple(record)


def kept(layout: Layout, system: System, names: Sequence[str]) -> Layout:
    """The layout without the blocks and observables that are not recorded."""
    gone = {*system.state, *system.observables} - set(names)
    variables = {k: v for k, v in layout.variables.items() if k not in gone}
    used = {d for v in (*variables.values(), *layout.coords.values()) for d in v.dims}
    return replace(layout, variables=variables, sizes={k: n for k, n in layout.sizes.items() if k in used})


def check_room(numbers: int) -> None:
    """Raise an InputError if so many 64-bit numbers of samples do not fit into the memory that is free."""
    less = 'record less (record=...), sample less often (sample=..., or "end"), or write to a file (store=...)'
    room.check(numbers, "the samples", less)
