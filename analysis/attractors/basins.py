"""Basins of attraction: which initial states end on which attractor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import trajectory
from ...engine.declaration import Draw
from ...engine.errors import InputError, Interrupted
from ...engine.layout import Layout, Variable
from ...engine.system import System
from ...integrators.ensemble import Ensemble, Members, members
from ...integrators.parallel import Progress
from ...integrators.times import number as checked
from ...integrators.times import whole
from .attractors import KEPT, SCOUTS, Attractors, Motion, cells, motion, telling

if TYPE_CHECKING:
    import xarray as xr

TRANSIENT = {"flow": 500.0, "map": 1000}


def basins(
    system: System,
    initial: Mapping[str, Any] | Ensemble | np.ndarray,
    *,
    number: int = 10_000,
    transient: float | None = None,
    t_max: float | None = None,
    period: float | None = None,
    blocks: Sequence[str] | None = None,
    resolution: float = 0.01,
    parameters: Mapping[str, Any] | None = None,
    method: str | None = None,
    dt: float | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    seed: int = 0,
    progress: Progress | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    """Find the attractors that initial states lead to, and which state leads to which.

    Up to 500 of the states are followed for a transient and for two windows of observation as long as it (200 iterates
    or periods where there are such). Those whose windows look alike have settled; two of them are on the same
    attractor if they, or others between them, visit the same cells of state space. Then all states are followed,
    and belong to the attractor that they are within a cell of at two looks in a row, an eighth of the transient
    apart, or when the transient is over. Those near none are searched for further attractors and followed on, until
    ``t_max``. Attractors closer than a cell are not told apart, and a state that passes an attractor closely may be
    taken for one of its basin: if a smaller ``resolution`` or a longer ``transient`` changes the fractions, they
    were too coarse or too short.

    Parameters
    ----------
    system : System
    initial : grid(...) or zip(...) of state blocks, dict, or array
        The initial states: all combinations of values, or, in a dictionary with ``attrax.uniform`` or
        ``attrax.normal``, ``number`` random ones; a flat array ``(members, dimension)``. Other blocks start as the
        system says.
    number : int
        How many random states.
    transient, t_max : float
        Time (iterates) after which a state should be on an attractor (default 500; maps 1000), and when to give up
        (default: 8 transients).
    period : float
        Of the forcing, for flows that depend on time: attractors are then those of the stroboscopic map.
    blocks : list of str
        The state blocks that tell attractors apart; all by default. Leave out what goes on for ever: positions,
        headings and angles that are not wrapped.
    resolution : float
        Size of a cell, as a fraction of the range of the states seen (initial ones included).
    parameters : dict
        Values in place of the system's.
    method, dt, rtol, atol, seed, progress, workers
        As in :func:`attrax.simulate`.

    Returns
    -------
    xarray.Dataset
        ``basin`` ``(member...)``: number of the attractor, the largest basin first, -1 for states that diverge or
        are lost; ``fraction`` of the states in each basin and ``fraction_error``, the standard error if states are
        random (basin stability, Menck et al. 2013); the attractors' ``period`` in iterates or periods of forcing
        (autonomous flows: 1 for fixed points), 0 if longer than 100; and up to 1000 of their states ``(attractor,
        point, block axes)``.

    Raises
    ------
    InputError
        An argument is wrong.
    Interrupted
        Ctrl-C; what had been labelled is in its ``partial``.
    """
    system = system.with_parameters(**dict(parameters or {}))
    starts = starting_states(system, initial, number, seed)
    how = motion(
        system,
        TRANSIENT[system.kind] if transient is None else transient,
        period,
        **{"method": method, "dt": dt, "rtol": rtol, "atol": atol, "workers": workers},
    )
    longest = 8 * how.transient if t_max is None else checked("t_max", t_max)
    search = Search(how, starts, resolution, seed, blocks)
    settings = {
        "transient": how.transient,
        "t_max": longest,
        "period": period,
        "blocks": blocks and list(blocks),
        "resolution": resolution,
        "method": method,
        "dt": dt,
        "rtol": rtol if dt is None else None,
        "atol": atol if dt is None else None,
        "seed": seed,
    }
    try:
        search.run(longest, progress)
    except (KeyboardInterrupt, Interrupted):
        raise Interrupted("interrupted", search.result(settings)) from None
    return search.result(settings)


def find_attractors(
    system: System, initial: Mapping[str, Any] | Ensemble | np.ndarray, *, number: int = 1000, **options: Any
) -> xr.Dataset:
    """Find the attractors that ``number`` initial states lead to: :func:`basins`, with its options, without the states.

    Returns
    -------
    xarray.Dataset
        ``fraction``, ``fraction_error``, ``period`` ``(attractor)`` and states ``(attractor, point, block axes)``.
    """
    found = basins(system, initial, number=number, **options)
    dims = set(found["basin"].dims)
    kept = found.drop_vars([name for name, each in found.variables.items() if dims & set(each.dims)])
    return kept.assign_attrs(analysis="find_attractors")


def starting_states(system: System, initial: Any, number: Any, seed: int) -> Members:
    """The initial states that ``initial`` of :func:`basins` means."""
    if isinstance(initial, Ensemble):
        if strangers := [name for name in initial.values if name not in system.state]:
            raise InputError(f"{strangers[0]!r} is no state block; basins are for one set of parameters at a time")
        return members(system, initial, None, seed)
    if isinstance(initial, Mapping) and any(isinstance(value, Draw) for value in initial.values()):
        whole("number", number, 1)
        generator = np.random.default_rng(seed)
        initial = {
            name: value.sample(generator, (int(number), *system.state.get(name, ())))
            if isinstance(value, Draw)
            else value
            for name, value in initial.items()
        }
    found = members(system, None, initial, seed)
    if not found.dims:
        raise InputError("basins need many initial states: grid(x=...), a dictionary with uniform(...), or an array")
    return found


class Search:
    """States on their way to attractors, and what was found."""

    def __init__(self, how: Motion, starts: Members, resolution: float, seed: int, blocks: Sequence[str] | None = None):
        self.how, self.starts = how, starts
        self.told = telling(starts.system, blocks)
        self.generator = np.random.default_rng(seed)
        self.labels = np.full(len(starts.y), -1)
        self.resolution = resolution
        self.attractors: Attractors | None = None

    def run(self, t_max: float, progress: Progress | None) -> None:
        """Follow all states until each is on an attractor, has diverged, or ``t_max`` has passed."""
        y, t, how = self.starts.y, 0.0, self.how
        open, seen = np.arange(len(y)), np.full(len(y), -1)
        self.scout(y, t)
        while len(open) and t < t_max:
            done = 1.0 - len(open) / len(self.labels)
            tell = None if progress is None else lambda f: progress(done + 0.9 * (1 - done) * f)  # noqa: B023
            y = how.advance(y, t, how.piece, tell)
            t += how.piece
            labels = self.near(y)
            settled = (labels >= 0) & ((labels == seen) | (t >= how.transient))
            self.labels[open[settled]] = labels[settled]
            going = ~settled if np.isfinite(y).all() else ~settled & np.isfinite(y).all(axis=1)
            y, open, seen = (each.take(np.flatnonzero(going), axis=0) for each in (y, open, labels))
            if how.transient <= t < t_max and len(open):
                self.scout(y, t)
        self.labels[open] = self.near(y)
        if progress is not None:
            progress(1.0)

    def near(self, y: np.ndarray) -> np.ndarray:
        """Number of the attractor near each state; -1 where there is none."""
        return self.attractors.label(y) if self.attractors else np.full(len(y), -1)

    def scout(self, y: np.ndarray, t: float) -> None:
        """Look for attractors that some of the states lead to."""
        how = self.how
        if len(y) > SCOUTS:
            y = y[np.sort(self.generator.choice(len(y), SCOUTS, replace=False))]
        ahead = how.advance(y, t, how.transient)
        ahead = ahead[np.isfinite(ahead).all(axis=1)]
        if not len(ahead):
            return
        first = how.observe(ahead, t + how.transient)
        going = np.isfinite(first[:, -1]).all(axis=1)
        first = first[going]
        if not len(first):
            return
        second = how.observe(first[:, -1], t + how.transient + how.window)
        if self.attractors is None:
            settled = second[np.isfinite(second).all(axis=(1, 2))]
            if not len(settled):
                return
            self.attractors = Attractors(cells(self.resolution, self.starts.y, how.observe(y, t), settled, self.told))
        self.attractors.learn(first, second)

    def result(self, settings: dict[str, Any]) -> xr.Dataset:
        """What was found, as a Dataset: basins numbered by size."""
        system, found = self.starts.system, self.attractors or Attractors(np.ones(self.starts.y.shape[1]))
        sizes = np.bincount(self.labels[self.labels >= 0], minlength=len(found))
        order = np.argsort(-sizes, kind="stable")
        rank = np.empty(len(order) + 1, dtype=np.int64)
        rank[order], rank[-1] = np.arange(len(order)), -1
        fraction = sizes[order] / len(self.labels)
        points = np.full((len(order), KEPT, system.dimension), np.nan)
        for k, which in enumerate(order):
            states = found.points[which]
            if len(states) > KEPT:
                states = states[np.random.default_rng(0).choice(len(states), KEPT, replace=False)]
            points[k, : len(states)] = states
        most = int(np.isfinite(points[..., 0]).sum(axis=1).max(initial=0))
        arrays = system.unpack(points[:, :most])
        arrays |= {
            "basin": rank[self.labels].reshape(tuple(self.starts.dims.values())),
            "fraction": fraction,
            "fraction_error": np.sqrt(fraction * (1 - fraction) / len(self.labels)),
            "period": np.array([found.periods[k] for k in order], dtype=np.int64),
        }
        return trajectory.dataset(self._layout(len(order), most, settings), arrays)

    def _layout(self, attractors: int, points: int, settings: dict[str, Any]) -> Layout:
        system = self.starts.system
        attrs = trajectory.provenance(system, analysis="basins", **settings)
        plain = trajectory.layout(
            system, time=points, members=self.starts.dims, member_coords=self.starts.coords, attrs=attrs
        )
        dims = plain.variables["status"].dims
        variables = {
            name: Variable(("attractor", "point", *plain.variables[name].dims[len(dims) + 1 :]))
            for name in system.state
        }
        meaning = {"long_name": "number of the attractor reached; -1: none"}
        variables |= {
            "basin": Variable(dims, np.int64, meaning),
            "fraction": Variable(("attractor",), float, {"long_name": "fraction of the initial states"}),
            "fraction_error": Variable(("attractor",), float, {"long_name": "standard error of the fraction"}),
            "period": Variable(("attractor",), np.int64, {"long_name": "iterates until states recur"}),
        }
        coords = {name: v for name, v in plain.coords.items() if name != "time"}
        coords["attractor"] = Variable(("attractor",), np.int64, {}, np.arange(attractors))
        sizes = {"point" if d == "time" else d: n for d, n in plain.sizes.items()} | {"attractor": attractors}
        return Layout(sizes, coords, variables, plain.attrs)
