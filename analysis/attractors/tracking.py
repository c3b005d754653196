"""Attractors followed over a parameter: where they exist, where they go, how large their basins are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import trajectory
from ...engine.errors import Interrupted
from ...engine.layout import Layout, Variable
from ...engine.system import System
from ...integrators.ensemble import Ensemble, Members, parameter_values
from ...integrators.parallel import Progress
from ...integrators.times import number as checked
from ...integrators.times import positive
from .attractors import Attractors, motion
from .basins import TRANSIENT, Search, starting_states

if TYPE_CHECKING:
    import xarray as xr

SEEDS = 5
"""States of an attractor that are carried to the next value of the parameter."""
POINTS = 100
"""Most states of an attractor that a result keeps at each value."""


def track_attractors(
    system: System,
    parameter: str,
    values: Any,
    initial: Mapping[str, Any] | Ensemble | np.ndarray,
    *,
    number: int = 300,
    match: float = 0.1,
    transient: float | None = None,
    t_max: float | None = None,
    period: float | None = None,
    resolution: float = 0.01,
    method: str | None = None,
    dt: float | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    seed: int = 0,
    progress: Progress | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    """Follow all attractors over a parameter: seed, continue, match.

    At each value, states of the attractors at the value before are seeds beside the ``initial`` ones, and
    :func:`basins` finds where all of them lead. An attractor on which seeds of an earlier one end keeps its number
    if the two sets are near each other; it gets a new one otherwise. So an attractor that disappears (its seeds
    jump elsewhere) and one that appears have different numbers, and gradual change keeps them.

    (Datseris, Rossi & Wagemakers, Chaos 33, 073151, 2023.)

    Parameters
    ----------
    system : System
    parameter : str
        A scalar parameter.
    values : array
        Its values, in the order in which they are visited.
    initial, number, transient, t_max, period, resolution, method, dt, rtol, atol, seed, progress, workers
        As in :func:`basins`.
    match : float
        Largest distance of two sets that are one attractor at neighbouring values, as a fraction of the range of the
        states seen: the larger one of the mean distances from the points of one set to the other set.

    Returns
    -------
    xarray.Dataset
        ``fraction`` of the initial states in the basin of each attractor (0 where only seeds lead to it, NaN where
        it does not exist), ``fraction_error`` and ``period`` ``(<parameter>, attractor)`` (see :func:`basins`); up
        to 100 states ``(<parameter>, attractor, point, block axes)``; ``lost``, the fraction of the states that
        reach no attractor.

    Raises
    ------
    InputError
        An argument is wrong.
    Interrupted
        Ctrl-C; the values that had been finished are in its ``partial``.
    """
    swept = parameter_values(system, parameter, values)
    positive("match", match)
    starts = starting_states(system, initial, number, seed).y
    options = {"method": method, "dt": dt, "rtol": rtol, "atol": atol, "workers": workers}
    passing = TRANSIENT[system.kind] if transient is None else transient
    longest = 8 * passing if t_max is None else checked("t_max", t_max)
    settings = {
        **{"parameter": parameter, "match": match, "transient": passing, "t_max": longest, "period": period},
        **{"resolution": resolution, "method": method, "dt": dt, "seed": seed},
        **({} if dt else {"rtol": rtol, "atol": atol}),
    }
    track = _Track(system, parameter, swept)
    try:
        for k, value in enumerate(swept):
            now = system.with_parameters(**{parameter: float(value)})
            y = np.concatenate([starts, *track.seeds()])
            search = Search(
                motion(now, passing, period, **options),
                Members(now, y, np.tile(now.parameter_vector, (len(y), 1)), {"member": len(y)}),
                resolution,
                seed,
            )
            search.run(longest, None)
            track.add(search, len(starts), match / float(resolution))
            if progress is not None:
                progress((k + 1) / len(swept))
    except (KeyboardInterrupt, Interrupted):
        raise Interrupted("interrupted", track.result(settings)) from None
    return track.result(settings)


class _Track:
    """Attractors at the values of a parameter so far, with numbers that last."""

    def __init__(self, system: System, parameter: str, values: np.ndarray):
        self.system, self.parameter, self.values = system, parameter, values
        self.found: list[dict[int, dict[str, Any]]] = []
        self.lost: list[float] = []
        self.count = 0

    def seeds(self) -> list[np.ndarray]:
        """States of the latest attractors, in the order of their numbers."""
        return [each["points"][:SEEDS] for each in self.found[-1].values()] if self.found else []

    def add(self, search: Search, starts: int, match: float) -> None:
        """Take what a search found from ``starts`` initial states and the seeds; ``match`` is in cells."""
        attractors = search.attractors or Attractors(np.ones(self.system.dimension))
        before = self.found[-1] if self.found else {}
        names = self._matched(attractors, search.labels[starts:], before, match)
        share = np.bincount(search.labels[:starts] + 1, minlength=len(attractors) + 1) / starts
        self.lost.append(float(share[0]))
        self.found.append(
            {
                name: {"points": attractors.points[k], "period": attractors.periods[k], "fraction": share[k + 1]}
                for k, name in sorted(names.items(), key=lambda pair: pair[1])
            }
        )
        self.starts = starts

    def _matched(
        self, attractors: Attractors, ends: np.ndarray, before: dict[int, dict[str, Any]], match: float
    ) -> dict[int, int]:
        """The lasting number of each attractor: that of the nearest one whose seeds ended on it, or a new one."""
        pairs, first = [], 0
        for name, old in before.items():
            seeds = ends[first : first + min(SEEDS, len(old["points"]))]
            first += len(seeds)
            for k in np.unique(seeds[seeds >= 0]):
                pairs.append(
                    (_distance(old["points"] / attractors.cell, attractors.points[k] / attractors.cell), name, k)
                )
        names: dict[int, int] = {}
        for distance, name, k in sorted(pairs):
            if distance <= match and k not in names and name not in names.values():
                names[int(k)] = name
        for k in range(len(attractors)):
            if k not in names:
                names[k] = self.count
                self.count += 1
        return names

    def result(self, settings: dict[str, Any]) -> xr.Dataset:
        """Everything as a Dataset."""
        system, shape = self.system, (len(self.values), self.count)
        fraction, period = np.full(shape, np.nan), np.zeros(shape, dtype=np.int64)
        lost = np.full(len(self.values), np.nan)
        lost[: len(self.lost)] = self.lost
        points = np.full((*shape, POINTS, system.dimension), np.nan)
        for k, attractors in enumerate(self.found):
            for name, each in attractors.items():
                fraction[k, name], period[k, name] = each["fraction"], each["period"]
                states = each["points"][:: -(-len(each["points"]) // POINTS)]
                points[k, name, : len(states)] = states
        arrays = system.unpack(points)
        with np.errstate(invalid="ignore"):
            error = np.sqrt(fraction * (1 - fraction) / self.starts) if self.found else fraction
        arrays |= {"fraction": fraction, "fraction_error": error, "period": period, "lost": lost}
        return trajectory.dataset(self._layout(settings), arrays)

    def _layout(self, settings: dict[str, Any]) -> Layout:
        system, dims = self.system, (self.parameter, "attractor")
        attrs = trajectory.provenance(system, analysis="track_attractors", **settings)
        plain = trajectory.layout(
            system,
            time=POINTS,
            members={self.parameter: len(self.values)},
            member_coords={self.parameter: ((self.parameter,), self.values)},
            attrs=attrs,
        )
        variables = {name: Variable((*dims, "point", *plain.variables[name].dims[2:])) for name in system.state}
        variables |= {
            "fraction": Variable(dims, float, {"long_name": "fraction of the initial states"}),
            "fraction_error": Variable(dims, float, {"long_name": "standard error of the fraction"}),
            "period": Variable(dims, np.int64, {"long_name": "iterates until states recur"}),
            "lost": Variable(dims[:1], float, {"long_name": "fraction of the initial states that reach no attractor"}),
        }
        coords = {name: v for name, v in plain.coords.items() if name != "time"}
        coords["attractor"] = Variable(("attractor",), np.int64, {}, np.arange(self.count))
        sizes = {"point" if d == "time" else d: n for d, n in plain.sizes.items()} | {"attractor": self.count}
        return Layout(sizes, coords, variables, plain.attrs)


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """The larger of the mean distances from the points of one set to the other set."""
    from scipy.spatial import cKDTree

    return max(cKDTree(a).query(b, p=np.inf)[0].mean() for a, b in ((one, other), (other, one)))
