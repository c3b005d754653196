"""Kicks from one attractor to another: which follows on which phase and strength, and the smallest that does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import trajectory
from ...engine.declaration import suggest
from ...engine.errors import InputError, Interrupted
from ...engine.layout import Layout, Variable
from ...engine.system import System
from ...integrators.ensemble import Members, check_system, numbers
from ...integrators.ensemble import zip as side_by_side
from ...integrators.parallel import Progress
from ...integrators.simulate import simulate
from ...integrators.times import number, positive, whole
from ..cycles.cycle import Cycle
from .attractors import motion
from .basins import TRANSIENT, Search

if TYPE_CHECKING:
    import xarray as xr

ZOOM = 9
"""Phases and strengths of a refinement: each makes the cell of the best kick four times smaller."""


def kick_map(
    system: System,
    start: Any,
    direction: Mapping[str, Any],
    strengths: Any,
    *,
    period: float | None = None,
    phases: Any = 50,
    duration: float = 0.0,
    transient: float = TRANSIENT["flow"],
    t_max: float | None = None,
    blocks: Sequence[str] | None = None,
    resolution: float = 0.01,
    parameters: Mapping[str, Any] | None = None,
    method: str | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    seed: int = 0,
    progress: Progress | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    """Which attractor follows on a kick, over its phase and its strength.

    A limit cycle is kicked at a fraction ``phase`` of its period after ``start``: the state is moved at once by
    ``strength`` times ``direction``, or, where ``direction`` names parameters, these are raised by that much for
    ``duration``. What follows is integrated and labelled as :func:`attrax.analysis.basins` does it.

    Parameters
    ----------
    system : System
        A flow without noise. If it depends on time, ``period`` must be a period of its drive.
    start : Cycle, dict or array
        The cycle, or a state on it at phase 0. A fixed point may be kicked too.
    direction : dict
        What a kick of strength 1 adds: amounts by state block, or by parameter.
    strengths : array
        Strengths, of either sign.
    period : float
        Period of the cycle (for a fixed point of an autonomous flow: any time); a Cycle has its own.
    phases : int or array
        How many phases, equally spaced from 0, or the phases, as fractions of the period.
    duration : float
        How long parameters are changed; 0 for kicks of the state.
    transient, t_max, blocks, resolution, parameters, method, rtol, atol, seed, progress, workers
        As in :func:`attrax.analysis.basins`.

    Returns
    -------
    xarray.Dataset
        ``follows`` ``(phase, strength)``: number of the attractor that follows, -1 for none. The kicked attractor has
        number 0, the others follow by their ``area`` ``(attractor)``, the fraction of the kicks that lead there;
        ``recurrence``: iterates or periods after which its states recur (autonomous flows: 1 for fixed points), 0
        beyond 100; and its states ``(attractor, point, block axes)``.

    Raises
    ------
    InputError
        An argument is wrong.
    Interrupted
        Ctrl-C; what had been labelled is in its ``partial``.
    """
    options = {"method": method, "rtol": rtol, "atol": atol, "workers": workers}
    kick = _kick(system, start, direction, period, duration, parameters, options)
    sizes = np.atleast_1d(numbers("strengths", strengths))
    if sizes.ndim != 1 or not sizes.size or not np.isfinite(sizes).all():
        raise InputError("strengths must be a list of at least one finite number")
    when = _phases(phases)
    following = _Following(kick, transient, t_max, blocks, resolution, seed)
    try:
        following.label(when, sizes, progress)
    except (KeyboardInterrupt, Interrupted):
        raise Interrupted("interrupted", following.result(when, sizes)) from None
    return following.result(when, sizes)


def smallest_kick(
    system: System,
    start: Any,
    target: Any,
    direction: Mapping[str, Any],
    strengths: Any,
    *,
    period: float | None = None,
    phases: int = 50,
    duration: float = 0.0,
    accuracy: float = 1e-4,
    transient: float = TRANSIENT["flow"],
    t_max: float | None = None,
    blocks: Sequence[str] | None = None,
    resolution: float = 0.01,
    parameters: Mapping[str, Any] | None = None,
    method: str | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    seed: int = 0,
    workers: int | None = None,
) -> xr.Dataset:
    """The weakest kick, and its phase, from one attractor to another.

    The map of :func:`kick_map` is refined around its weakest kick that leads to ``target``, until neighbouring
    strengths differ by no more than ``accuracy``. The kick that is returned has been simulated: it is certain; that
    there is no weaker one is so on the grids that were searched.

    Parameters
    ----------
    target : dict or array
        A state on, or in the basin of, the attractor wanted.
    strengths : array
        Strengths to begin with, as in :func:`kick_map`; the weakest kick is sought among them and in between.
    phases : int
        Phases to begin with.
    accuracy : float
        Relative difference to the strongest kick, at the same phase, of those that were found too weak.
    system, start, direction, period, duration, transient, t_max, blocks, resolution, parameters, method, rtol, atol, \
seed, workers
        As in :func:`kick_map`.

    Returns
    -------
    xarray.Dataset
        ``strength``, ``phase``, the strength ``too_weak`` at that phase, and the trajectory that certifies the kick:
        state blocks ``(time, block axes)``, from one period before it (time 0) to the attractor.

    Raises
    ------
    InputError
        An argument is wrong, start and target lead to the same attractor, or no kick of these strengths leads there.
    """
    options = {"method": method, "rtol": rtol, "atol": atol, "workers": workers}
    kick = _kick(system, start, direction, period, duration, parameters, options)
    sizes = np.unique(np.atleast_1d(numbers("strengths", strengths)))
    limit = positive("accuracy", accuracy)
    following = _Following(kick, transient, t_max, blocks, resolution, seed, also=_state(kick.system, "target", target))
    when = np.arange(whole("phases", phases, 1)) / phases
    spacing = 1.0 / len(when)
    best: tuple[float, float] | None = None
    while True:
        hits = following.label(when, sizes) == following.wanted
        if following.wanted in (-1, following.home):
            where = "no attractor" if following.wanted < 0 else "the attractor that start is on"
            raise InputError(f"target leads to {where}; give a state in the basin of another")
        if hits.any():
            j = min(np.flatnonzero(hits.any(axis=0)), key=lambda at: abs(sizes[at]))
            best = float(when[_middle(hits[:, j])]), float(sizes[j])
        if best is None:
            strongest = f"{sizes.min():g} to {sizes.max():g}"
            raise InputError(f"no kick of strength {strongest} leads to target; try stronger ones or more phases")
        weaker = np.abs(sizes) < abs(best[1])
        same_sign = weaker & ((np.sign(sizes) == np.sign(best[1])) | (sizes == 0))
        below = float(sizes[same_sign][np.argmax(np.abs(sizes[same_sign]))]) if same_sign.any() else 0.0
        if abs(best[1] - below) <= limit * abs(best[1]):
            return _certificate(following, best, below)
        sizes = np.linspace(below, best[1], ZOOM)
        when = (best[0] + spacing * np.linspace(-1.0, 1.0, ZOOM)) % 1.0
        spacing *= 2.0 / (ZOOM - 1)


@dataclass(frozen=True)
class _Kick:
    """A cycle, and what is done to it."""

    system: System
    start: np.ndarray
    direction: np.ndarray
    raised: dict[str, np.ndarray]
    period: float
    duration: float
    options: dict[str, Any]

    def before(self, phases: np.ndarray) -> np.ndarray:
        """States ``(phases, n)`` on the cycle."""
        order = np.argsort(phases, kind="stable")
        states = np.empty((len(phases), len(self.start)))
        times = np.unique(phases[order]) * self.period
        if times[-1] == 0.0:
            states[:] = self.start
            return states
        run = simulate(self.system, times[-1], sample=times, initial=self.start, **self.options)
        along = np.concatenate([run[name].values.reshape(len(times), -1) for name in self.system.state], axis=1)
        states[:] = along[np.searchsorted(times, phases * self.period)]
        return states

    def after(self, phases: np.ndarray, strengths: np.ndarray) -> np.ndarray:
        """States ``(kicks, n)`` after kicks, at the end of the next period if the system depends on time."""
        y = self.before(phases) + strengths[:, None] * self.direction
        if not self.raised and self.system.autonomous:
            return y
        if self.system.autonomous:
            return self.moved(y, strengths, 0.0, self.duration)
        end = self.period * np.ceil(1.0 + self.duration / self.period)
        for phase in np.unique(phases):
            these, t = phases == phase, phase * self.period
            if self.raised:
                y[these] = self.moved(y[these], strengths[these], t, t + self.duration)
            y[these] = self.moved(y[these], 0.0 * strengths[these], t + self.duration, end)
        return y

    def moved(self, y: np.ndarray, strengths: np.ndarray, t: float, end: float) -> np.ndarray:
        """States ``(kicks, n)`` from ``t`` to ``end`` with parameters raised; NaN for those that blow up."""
        raised = self._raised(strengths)
        state = self.system.unpack(y)
        run = simulate(
            self.system, end, t_start=t, sample="end", parameters=side_by_side(**raised, **state), **self.options
        )
        ends = np.concatenate([run[name].values.reshape(len(y), -1) for name in self.system.state], axis=1)
        ends[run["status"].values != 0] = np.nan
        return ends

    def trajectory(self, t: float, end: float, y: np.ndarray, strength: float) -> xr.Dataset:
        """The trajectory from one state, with parameters raised."""
        return simulate(self.system, end, t_start=t, initial=y, parameters=self._raised(strength), **self.options)

    def _raised(self, strength: Any) -> dict[str, Any]:
        return {
            name: self.system.parameters[name].value + np.multiply.outer(strength, amount)
            for name, amount in self.raised.items()
        }


def _kick(
    system: System, start: Any, direction: Any, period: Any, duration: Any, parameters: Any, options: dict[str, Any]
) -> _Kick:
    """Check the arguments that say what is kicked, and how."""
    check_system(system)
    if system.kind == "map":
        raise InputError(f"{system.name!r} is a map; kicks are for flows")
    system = system.with_parameters(**dict(parameters or {}))
    if not isinstance(direction, Mapping) or not direction:
        raise InputError("direction must be a dictionary of amounts by state block or by parameter")
    states = [name for name in direction if name in system.state]
    raised = {name: numbers(name, direction[name]) for name in direction if name in system.numeric}
    if strangers := [name for name in direction if name not in system.state and name not in system.numeric]:
        known = [*system.state, *system.numeric]
        raise InputError(
            f"direction names {strangers[0]!r}, which is no state block or parameter; {suggest(strangers[0], known)}"
        )
    for name, amount in raised.items():
        if amount.shape != system.numeric[name]:
            raise InputError(
                f"direction: parameter {name!r} has shape {system.numeric[name]}, its amount {amount.shape}"
            )
    if states and raised:
        raise InputError("direction names state blocks and parameters; kick either the ones or the others")
    if raised:
        lasting = positive("duration", duration)
    elif number("duration", duration) != 0:
        raise InputError("duration is for kicks of parameters; a kick of the state is at once, so leave it out")
    else:
        lasting = 0.0
    if isinstance(start, Cycle):
        start, period = start.profile[0], start.period if period is None else period
    elif period is None:
        raise InputError("give the period of the cycle that is kicked, or the cycle itself as start")
    zero = {name: np.zeros(shape) for name, shape in system.state.items()}
    move = system.pack(zero | {name: numbers(name, direction[name]) for name in states})
    if move.ndim != 1:
        raise InputError("direction is of one state; give arrays of the blocks' shapes")
    return _Kick(system, _state(system, "start", start), move, raised, positive("period", period), lasting, options)


def _state(system: System, name: str, given: Any) -> np.ndarray:
    """One state; blocks that are missing as in the system's initial values."""
    if isinstance(given, Mapping):
        return system.with_initial(**given).initial_vector
    y = system.pack(given)
    if y.ndim != 1:
        raise InputError(f"{name} is one state; give an array of {system.dimension} numbers")
    return y


def _phases(given: Any) -> np.ndarray:
    if isinstance(given, (int, np.integer)):
        return np.arange(whole("phases", given, 1)) / given
    phases = np.atleast_1d(numbers("phases", given))
    if phases.ndim != 1 or not phases.size or not ((phases >= 0) & (phases < 1)).all():
        raise InputError("phases must be a number of phases, or fractions of the period from 0 to below 1")
    return phases


def _middle(hits: np.ndarray) -> int:
    """Of the phases in a circle that hit, the one farthest from those that do not."""
    places, misses, count = np.flatnonzero(hits), np.flatnonzero(~hits), len(hits)
    if not len(misses):
        return int(places[len(places) // 2])
    apart = np.abs(places[:, None] - misses)
    return int(places[np.argmax(np.minimum(apart, count - apart).min(axis=1))])


class _Following:
    """Labels of what follows on kicks; attractors found once are known from then on."""

    def __init__(
        self,
        kick: _Kick,
        transient: Any,
        t_max: Any,
        blocks: Sequence[str] | None,
        resolution: float,
        seed: int,
        also: np.ndarray | None = None,
    ):
        self.kick = kick
        drive = None if kick.system.autonomous else kick.period
        self.how = motion(kick.system, transient, drive, **kick.options)
        self.t_max = 8 * self.how.transient if t_max is None else positive("t_max", t_max)
        self.blocks, self.resolution, self.seed = blocks, resolution, seed
        self.extra = [kick.after(np.zeros(1), np.zeros(1))[0], *([] if also is None else [also])]
        self.search: Search | None = None

    def label(self, phases: np.ndarray, strengths: np.ndarray, progress: Progress | None = None) -> np.ndarray:
        """Number of the attractor that follows on each kick ``(phase, strength)``."""
        kicked = self.kick.after(np.repeat(phases, len(strengths)), np.tile(strengths, len(phases)))
        lost = ~np.isfinite(kicked).all(axis=1)
        y = np.concatenate([np.where(lost[:, None], self.extra[0], kicked), self.extra])
        system = self.kick.system
        p = np.broadcast_to(system.parameter_vector, (len(y), system.parameter_vector.size))
        known = self.search.attractors if self.search else None
        self.search = Search(self.how, Members(system, y, p, {"kick": len(y)}), self.resolution, self.seed, self.blocks)
        self.search.attractors = known
        if known is None:
            self.search.scout(np.array(self.extra), 0.0)
        self.search.run(self.t_max, progress)
        self.search.labels[: len(kicked)][lost] = -1
        return self._of_kicks(len(phases))

    def _of_kicks(self, phases: int) -> np.ndarray:
        assert self.search is not None
        return self.search.labels[: -len(self.extra)].reshape(phases, -1)

    @property
    def home(self) -> int:
        """Number of the attractor that is kicked."""
        assert self.search is not None
        return int(self.search.labels[-len(self.extra)])

    @property
    def wanted(self) -> int:
        """Number of the attractor of the further state."""
        assert self.search is not None
        return int(self.search.labels[-1])

    def provenance(self, analysis: str) -> dict[str, Any]:
        """Attributes of a result."""
        kick = self.kick
        return trajectory.provenance(
            kick.system,
            analysis=analysis,
            cycle_period=kick.period,
            duration=kick.duration,
            transient=self.how.transient,
            t_max=self.t_max,
            blocks=self.blocks and list(self.blocks),
            resolution=self.resolution,
            seed=self.seed,
            **{name: value for name, value in kick.options.items() if name != "workers"},
        )

    def result(self, phases: np.ndarray, strengths: np.ndarray) -> xr.Dataset:
        """The labels as a Dataset, home first."""
        assert self.search is not None
        kick, found = self.kick, self.search.result({})
        basin = found["basin"].values
        home = int(basin[-len(self.extra)])
        order = sorted(found["attractor"].values, key=lambda k: k != home)
        rank = np.append(np.argsort(order), -1)
        follows = rank[basin[: -len(self.extra)]].reshape(len(phases), len(strengths))
        area = [(follows == k).mean() for k in range(len(order))]
        arrays = {name: found[name].values[order] for name in kick.system.state}
        arrays |= {"follows": follows, "area": np.array(area), "recurrence": found["period"].values[order]}
        attrs = self.provenance("kick_map")
        variables = {name: Variable(found[name].dims) for name in kick.system.state}
        variables |= {
            "follows": Variable(
                ("phase", "strength"), np.int64, {"long_name": "number of the attractor that follows; -1: none"}
            ),
            "area": Variable(("attractor",), float, {"long_name": "fraction of the kicks that lead there"}),
            "recurrence": Variable(("attractor",), np.int64, {"long_name": "iterates until states recur"}),
        }
        coords = {
            "phase": Variable(("phase",), float, {"long_name": "fraction of the period"}, phases),
            "strength": Variable(("strength",), float, {"long_name": "in units of the direction"}, strengths),
            "attractor": Variable(("attractor",), np.int64, {}, np.arange(len(order))),
        }
        sizes = {d: n for d, n in found.sizes.items() if d != "kick"}
        sizes |= {"phase": len(phases), "strength": len(strengths), "attractor": len(order)}
        return trajectory.dataset(Layout(sizes, coords, variables, attrs), arrays)


def _certificate(following: _Following, best: tuple[float, float], too_weak: float) -> xr.Dataset:
    """The kick, and its trajectory from the start of the period to the attractor."""
    kick, (phase, strength) = following.kick, best
    t = phase * kick.period
    pieces = [(0.0, t, kick.start, 0.0)] if phase else []
    moved = kick.before(np.array([phase]))[0] + strength * kick.direction
    if kick.raised:
        pieces.append((t, t + kick.duration, moved, strength))
        moved = kick.moved(moved[None], np.array([strength]), t, t + kick.duration)[0]
    pieces.append((t + kick.duration, t + kick.duration + following.how.transient, moved, 0.0))
    runs = [kick.trajectory(*piece) for piece in pieces]
    times = np.concatenate([run["time"].values for run in runs]) - t
    arrays = {name: np.concatenate([run[name].values for run in runs]) for name in kick.system.state}
    arrays |= {"strength": np.array(strength), "phase": np.array(phase), "too_weak": np.array(too_weak)}
    attrs = following.provenance("smallest_kick")
    plain = trajectory.layout(kick.system, time=times, attrs=attrs)
    variables = {name: plain.variables[name] for name in kick.system.state}
    variables |= {
        "strength": Variable((), float, {"long_name": "strength of the weakest kick"}),
        "phase": Variable((), float, {"long_name": "its phase"}),
        "too_weak": Variable((), float, {"long_name": "strength at this phase that does not do it"}),
    }
    return trajectory.dataset(Layout(plain.sizes, plain.coords, variables, attrs), arrays)
