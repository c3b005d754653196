"""Poincaré sections: where trajectories cross a surface, or where a quantity has its extrema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import trajectory
from ...engine.errors import InputError, Interrupted
from ...engine.events import Event, as_event, conditions
from ...engine.layout import Layout, Variable
from ...engine.system import System
from ...integrators.ensemble import Ensemble, members
from ...integrators.events import happenings
from ...integrators.fields import RUNNING
from ...integrators.groups import AdaptiveGroup, adaptive, lanes
from ...integrators.methods import ADAPTIVE, right_hand_side
from ...integrators.parallel import Progress, Tick, cores, parts, work_off
from ...integrators.times import number, positive, whole

if TYPE_CHECKING:
    import xarray as xr

Function = Callable[[Any, Any, Any], Any]

LARGE = 60
"""Number of states beyond which the many stages of ``dop853`` take too long to compile."""


NAME = " section"
"""What the event of a section is called, as none of a system's can be."""


@dataclass(frozen=True)
class Section:
    """A surface that trajectories cross.

    Attributes
    ----------
    event : Event
    text : str
    """

    event: Event
    text: str

    @property
    def function(self) -> Function:
        """Function ``(t, s, p)`` that is zero there, or whose time derivative is."""
        assert self.event.function is not None
        return self.event.function

    @property
    def side(self) -> int:
        """1: the function grows through zero; -1: it falls; 0: both."""
        return self.event.side

    @property
    def extremum(self) -> bool:
        """Whether it is crossed where a quantity has its extrema."""
        return self.event.rate


def as_section(system: System, given: str | Function | Event) -> Section:
    """What a section means in a system.

    Parameters
    ----------
    system : System
    given : str or function ``(t, s, p)``
        ``"y = 0"`` (crossed either way), ``"y > 0"`` (on the way up), ``"y < 0"`` (on the way down), ``"max x"``,
        ``"min x"``; both sides of the comparison may be formulas. A function's zeros are crossed either way.

    Raises
    ------
    InputError
        If it is none of these.
    """
    text = given if isinstance(given, str) else getattr(given, "__name__", "section")
    section = Section(as_event(system, given, "section"), text)
    conditions(system, {text: section.event})
    return section


@dataclass(frozen=True)
class Settings:
    """How crossings are looked for: the arguments of :func:`poincare_section`, checked."""

    method: str
    rtol: float
    atol: float
    transient: float
    t_max: float
    points: int
    max_steps: float


def settings(
    system: System,
    *,
    method: str | None,
    rtol: float,
    atol: float,
    transient: float,
    t_max: float | None,
    points: int,
    max_steps: int,
) -> Settings:
    """Check the arguments of an analysis of crossings."""
    if system.kind != "flow":
        raise InputError(f"{system.name!r} is a map; sections are for flows")
    method = method or ("dop853" if system.dimension <= LARGE else "tsit5")
    if method not in ADAPTIVE:
        raise InputError(f"sections need a method with error control ({', '.join(ADAPTIVE)}), not {method!r}")
    points = whole("points", points, 1)
    most = float(whole("max_steps", max_steps, 1))
    if number("transient", transient) < 0:
        raise InputError(f"transient must not be negative, but is {transient}")
    rtol, atol = positive("rtol", rtol), positive("atol", atol)
    longest = positive("t_max", transient or 500.0 if t_max is None else t_max)
    return Settings(method, rtol, atol, float(transient), longest, points, most)


def crossing_group(
    system: System, section: Section, how: Settings, y: np.ndarray, p: np.ndarray, t_start: float, width: int
) -> AdaptiveGroup:
    """Members that record their crossings, until they have enough of them or ``t_max`` after the transient."""
    events = happenings(system, {**system.single_events, NAME: section.event})
    assert events is not None
    compiled = adaptive(right_hand_side(system, how.method), ADAPTIVE[how.method], width, False, events.watch)
    return AdaptiveGroup(
        compiled,
        y,
        p,
        t_start,
        t_start + how.transient + how.t_max,
        times=np.zeros(0),
        rtol=how.rtol,
        atol=how.atol,
        max_steps=how.max_steps,
        events=events,
        record_from=t_start + how.transient,
        limits={NAME: how.points},
        state_too=True,
    )


def crossings(group: AdaptiveGroup, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Times and states ``(members, points, 1 + n)`` of crossings, padded with NaN, and how many there are."""
    number = group.record.names.index(NAME)
    found = group.record.of(number)
    padded = np.full((group.members, points, found.shape[2]), np.nan)
    padded[:, : found.shape[1]] = found
    return padded, group.record.counts[:, number]


def poincare_section(
    system: System,
    section: str | Function,
    *,
    points: int = 1000,
    transient: float = 0.0,
    t_max: float = 1e6,
    method: str | None = None,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    max_steps: int = 10**9,
    initial: Any = None,
    parameters: Mapping[str, Any] | Ensemble | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    """States at which trajectories cross a section.

    Crossings are the zeros of a function on the dense output, all of which are located in each step, to its accuracy.
    The events of the system happen on the way.

    Parameters
    ----------
    system : System
        A flow.
    section : str or function
        ``"y = 0"``, ``"y > 0"`` (upwards), ``"y < 0"`` (downwards), ``"max x"``, ``"min x"``, or a function ``(t, s,
        p)``.
    points : int
        Crossings to record of each member.
    transient, t_max : float
        Time before the first crossing is recorded, and longest time after that.
    method, rtol, atol, max_steps, initial, parameters, seed, progress, workers
        As in :func:`attrax.simulate`; the default method is ``dop853``
        (``tsit5`` beyond 60 states).

    Returns
    -------
    xarray.Dataset
        ``t_cross`` and the state blocks ``(member..., point, block axes)``, NaN where there are fewer crossings;
        ``count`` and ``status`` ``(member...)``.
    """
    surface = as_section(system, section)
    how = settings(
        system,
        method=method,
        rtol=rtol,
        atol=atol,
        transient=transient,
        t_max=t_max,
        points=points,
        max_steps=max_steps,
    )
    ensemble = members(system, parameters, initial, whole("seed", seed, 0))
    count, n = len(ensemble.y), system.dimension
    found = np.full((count, points, 1 + n), np.nan)
    counts, status = np.zeros(count, dtype=np.int64), np.full(count, RUNNING)
    width, threads = lanes(count, n, ensemble.p.shape[1], dense=True), cores(workers)

    def work(part: slice, tick: Tick) -> None:
        group = crossing_group(ensemble.system, surface, how, ensemble.y[part], ensemble.p[part], 0.0, width)
        try:
            group.advance(0, 0, np.empty((group.members, 0, n)), tick)
        finally:
            found[part], counts[part] = crossings(group, points)
            status[part] = group.result()["status"]

    def result() -> xr.Dataset:
        layout = trajectory.layout(
            ensemble.system,
            time=points,
            members=ensemble.dims,
            member_coords=ensemble.coords,
            attrs=trajectory.provenance(
                ensemble.system, analysis="poincare_section", section=surface.text, **how.__dict__, seed=seed
            ),
        )
        shape = tuple(ensemble.dims.values())
        states = found.reshape(*shape, points, 1 + n)
        blocks = system.unpack(states[..., 1:]) | {"t_cross": states[..., 0]}
        ends = {"count": counts.reshape(shape), "status": status.reshape(shape)}
        return trajectory.dataset(_of_points(layout), blocks | ends)

    try:
        work_off(work, parts(count, threads, width), threads, progress)
    except KeyboardInterrupt:
        raise Interrupted("interrupted", result()) from None
    return result()


def _of_points(layout: Layout) -> Layout:
    """The layout with crossings in place of times."""
    rename = lambda v: v._replace(dims=tuple("point" if d == "time" else d for d in v.dims))  # noqa: E731
    variables = {name: rename(v) for name, v in layout.variables.items() if name not in ("t_stop", "steps", "rejected")}
    dims = variables["status"].dims
    variables["t_cross"] = Variable((*dims, "point"), float, {"long_name": "time of crossing"})
    variables["count"] = Variable(dims, np.int64, {"long_name": "number of crossings"})
    coords = {name: v for name, v in layout.coords.items() if name != "time"}
    sizes = {"point" if d == "time" else d: n for d, n in layout.sizes.items()}
    return Layout(sizes, coords, variables, layout.attrs)
