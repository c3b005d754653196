"""One step at a time, for loops that other programs close: :func:`stepper`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from ..engine.declaration import suggest
from ..engine.errors import InputError, NumericsError
from ..engine.system import System
from ..engine.trajectory import STATUS
from .ensemble import Ensemble, check_system, members, numbers
from .fields import DONE, RUNNING
from .planning import Plan, chosen_events, chosen_method
from .times import number, positive, whole


def stepper(
    system: System,
    *,
    dt: float | None = None,
    t_start: float = 0.0,
    method: str | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    initial: Any = None,
    parameters: Mapping[str, Any] | Ensemble | None = None,
    seed: int = 0,
) -> Stepper:
    """Prepare a system to be advanced step by step, with parameters and state open to change between steps.

    Parameters
    ----------
    system : System
    dt : float
        Length of a step (maps have none). Methods with error control take as many steps of their own as they need
        within it, down to the tolerances; the others take one.
    t_start : float
        First time.
    method, rtol, atol, initial, parameters, seed
        As for :func:`attrax.simulate`. Extra leading axes make an ensemble, whose members advance together.

    Returns
    -------
    Stepper

    Raises
    ------
    InputError
        An argument is wrong.

    Examples
    --------
    >>> import attrax as ax
    >>> loop = ax.stepper(ax.systems.chaos.lorenz, dt=0.01)
    >>> while loop.time < 1.0:
    ...     loop.step()
    ...     loop.set_parameters(rho=28.0 - 0.1 * float(loop.state["x"]))
    """
    check_system(system)
    if system.kind == "flow" and dt is None:
        raise InputError("give dt, the length of a step")
    fixed = system.kind == "map" or system.noise is not None or method in FIXED
    method = chosen_method(system, method, dt if fixed else None, "numba")
    length = 1.0 if dt is None else positive("dt", dt)
    start, seed = number("t_start", t_start), whole("seed", seed, 0)
    rtol, atol = positive("rtol", rtol), positive("atol", atol)
    ensemble = members(system, parameters, initial, seed)
    events = chosen_events(ensemble.system, (), method, "numba", forward=True)
    plan = Plan(
        members=ensemble,
        method=method,
        step=length if fixed and system.kind == "flow" else None,
        start=start,
        end=start + length,
        times=np.zeros(0),
        only_end=True,
        rtol=rtol,
        atol=atol,
        max_steps=np.inf,
        seed=(seed, 0),
        names=(),
        workers=1,
        keep=start,
        events=events,
    )
    if plan.large and (timed := [name for name, what in events.items() if not what.located]):
        raise InputError(f"event {timed[0]!r} comes at given times, at which a stepper of a large system does not stop")
    if events and fixed and not plan.large:
        raise InputError(f"system {system.name!r} has events; choose a method with error control")
    return Stepper(plan, length)


FIXED = ("euler", "heun", "rk4")
"""Methods that take one step of the length that is asked for."""


class Stepper:
    """A system on its way, step by step. Made by :func:`stepper`.

    Attributes
    ----------
    system : System
    time : float
    state : dict of str to ndarray
        Copies of the state blocks ``(members..., block axes)``.
    status : ndarray
        How each member is: 1 (running), or the code of what ended it (see ``attrax.simulate``).
    """

    def __init__(self, plan: Plan, dt: float):
        self.system = plan.members.system
        self.dt = dt
        self._dims = tuple(plan.members.dims.values())
        self._large, self._equal = plan.large, plan.dt is not None
        self._group = cast(Any, plan.group(slice(0, len(plan.members.y)), own=True))
        self._nothing = np.empty((len(plan.members.y), 0, self.system.dimension))
        self._anchor, self._count, self._length = plan.start, 0, dt
        self._changed = False
        if self._equal and self.system.kind == "flow":
            self._group.restep(plan.start, dt)

    def __repr__(self) -> str:
        return f"<stepper of {self.system.name} at time {self.time:g}>"

    @property
    def time(self) -> float:
        """The present time."""
        return self._anchor + self._count * self._length

    @property
    def state(self) -> dict[str, np.ndarray]:
        """Copies of the state blocks."""
        return self.system.unpack(self._group.y.reshape(*self._dims, -1).copy())

    @property
    def status(self) -> np.ndarray:
        """How each member is."""
        status = np.where(self._group.status == DONE, RUNNING, self._group.status)
        return status.reshape(self._dims)

    def step(self, dt: float | None = None) -> None:
        """Advance by ``dt``, or by the length given at the beginning (maps: by that many iterations).

        Members that fail keep their last state.

        Raises
        ------
        NumericsError
            No member is left to go on.
        """
        length = self.dt if dt is None else self._checked_length(dt)
        if self._equal:
            self._fixed(length)
        else:
            if length != self._length:
                self._anchor, self._count, self._length = self.time, 0, length
            self._group.extend(self._anchor + (self._count + 1) * length)
            if self._changed:
                self._group.restart(self.time)
            self._group.advance(0, 0, self._nothing, _no_tick)
            self._count += 1
        self._changed = False
        if self._large and self._group.events:
            self._group.events.forget()
        status = self._group.status
        if ((status != DONE) & (status != RUNNING)).all():
            ending = STATUS[int(status[0])]
            raise NumericsError(
                f"system {self.system.name!r} stops near t = {self.time:g}: {ending.sentence}", self.state
            )

    def set_parameters(self, **values: Any) -> None:
        """Change parameters from now on; values are those of all members, or have the ensemble's axes in front."""
        for name, value in values.items():
            if name not in self.system.numeric:
                known = suggest(name, self.system.numeric)
                raise InputError(f"system {self.system.name!r} has no such parameter {name!r} to change; {known}")
            shape, where = self.system.numeric[name], self.system.parameter_slices[name]
            rows = self._rows(name, value, shape)
            if self._large:
                self._group.change(where, rows)
            else:
                self._group.p[:, where] = rows
        self._changed = True

    def set_state(self, **values: Any) -> None:
        """Change state blocks now; members that had failed go on from there."""
        for name, value in values.items():
            if name not in self.system.state:
                known = suggest(name, self.system.state)
                raise InputError(f"system {self.system.name!r} has no state block {name!r}; {known}")
            self._group.y[:, self.system.state_slices[name]] = self._rows(name, value, self.system.state[name])
        if self._large:
            self._group.revive()
        else:
            self._group.status[:] = RUNNING
        self._changed = True

    def _fixed(self, length: float) -> None:
        steps = 1
        if self.system.kind == "map":
            steps = int(length)
        elif length != self._length:
            self._anchor, self._count, self._length = self.time, 0, length
            self._group.restep(self._anchor, length)
        if self._large and self._changed:
            self._group.restart(self.time)
        self._group.go(self._group.step + steps, _no_tick)
        self._count += steps

    def _checked_length(self, dt: Any) -> float:
        length = positive("dt", dt)
        if self.system.kind == "map" and not length.is_integer():
            raise InputError(f"a step of a map is a whole number of iterations, not {length:g}")
        return length

    def _rows(self, name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
        """Values ``(members, size)``."""
        given = numbers(name, value)
        whole_shape = (*self._dims, *shape)
        if not np.isfinite(given).all():
            raise InputError(f"{name!r} must be finite")
        if given.ndim and given.shape not in (shape, whole_shape):
            raise InputError(f"{name!r} needs shape {shape} or {whole_shape}, not {given.shape}")
        return np.broadcast_to(given, whole_shape).reshape(len(self._group.y), -1)


def _no_tick(fraction: float) -> None:
    pass
