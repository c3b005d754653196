"""Attractor metadynamics: the attractors of the fast subsystem along a trajectory that reshapes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import trajectory
from ...engine.errors import InputError, NumericsError
from ...engine.layout import Layout, Variable
from ...engine.system import System
from ...integrators.parallel import Progress
from ...integrators.simulate import simulate
from ...integrators.times import positive, whole
from ..continuation.branches import SpecialPoint
from ..equilibria.bifurcations import continue_fixed_points
from ..equilibria.fixed_points import box_ends
from .changes import BEYOND, Change, event, order
from .cycles import FollowedCycles
from .frozen import POSITION, Frozen, frozen
from .relaxation import FIXED, KINDS, OSCILLATING, Relaxed, advance, nudged, relax

if TYPE_CHECKING:
    import xarray as xr

INTERVALS = 500
"""Number of intervals between samples where nothing is asked for."""
STABILITY = ("LP", "BP", "H", "PD", "NS")
"""Bifurcations at which an attractor can appear, vanish, or turn into another one."""


def metadynamics(
    system: System,
    t_end: float,
    *,
    slow: tuple[str, ...] | None = None,
    transient: float = 0.0,
    sample: Any = None,
    settle: float = 100.0,
    starts: int = 20,
    box: Mapping[str, Any] | None = None,
    initial: Any = None,
    parameters: Mapping[str, Any] | None = None,
    method: str | None = None,
    dt: float | None = None,
    rtol: float = 1e-8,
    atol: float = 1e-10,
    seed: int = 0,
    progress: Progress | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    """Follow the attractors of the fast subsystem along a trajectory, and the state among them.

    (Gros, Linkerhand & Walther, arXiv:1404.5417; target points: Wernecke, Sandor & Gros, arXiv:1611.00174.) At each
    sample the slow blocks are frozen. The fixed points of the fast subsystem then, its adiabatic attractors if they are
    stable, are found by Newton's method from random starts and from those of the neighbouring samples, and linked to
    branches. The fast subsystem, started at the state, relaxes to the target: one of them, or an oscillation. If that
    is a limit cycle, it is found and followed over the samples too (flows of up to 64 states without resets). Where an
    attractor appears, vanishes or changes stability between two samples, the path of the slow variables between them,
    taken as straight, is continued exactly: a fold is a change of first order, and so is the end of a cycle at a
    saddle; a supercritical pitchfork, Hopf bifurcation or period doubling is one of second order, as the attractor
    moves on continuously.

    Parameters
    ----------
    system : System
        Autonomous, without noise.
    t_end, transient, sample, initial, parameters, method, dt, rtol, atol, seed, progress, workers
        As in :func:`attrax.simulate`; ``sample`` defaults to 500 intervals. They must be so short that little happens
        within one: what appears and vanishes between two samples is not seen.
    slow : tuple of str
        The blocks to freeze (default: those that the system declares).
    settle : float
        Time in which the fast subsystem settles; states that have not are given up to 8 times as long.
    starts : int
        Random starts of Newton's method at each sample.
    box : dict
        ``(low, high)`` of each fast block, where the starts lie. Default: twice the range of what the states see.

    Returns
    -------
    xarray.Dataset
        Over ``time``: the states; ``target``, the number of the branch that the frozen system would settle on (-1:
        none) and its state ``<block>_target``; ``target_kind``, how it settles ("fixed point", "oscillating",
        "unsettled", "diverged"); ``distance`` of the fast state from it (of oscillations, from their nearest state);
        ``attractors``, how many fixed points are stable. Over ``branch`` and ``time``: the fixed points
        ``<block>_fixed``, NaN where there is none; ``unstable``, the number of unstable eigenvalues, -1 where there is
        none; ``<slow block>_drift``, the slow flow on the critical manifold. Over ``cycle`` and ``time``:
        ``cycle_period``, ``cycle_unstable`` and the ends ``<block>_low``, ``<block>_high`` of the limit cycles;
        ``target_cycle`` is the number of the one that the frozen system would settle on. Over ``change``:
        ``change_time``, ``label`` (LP, BP, H, PD, NS; of cycles LPC, PD, NS, BPC, "homoclinic" and "heteroclinic";
        "basin" where the state gets into another basin while its old attractor lives on), ``order`` 1 or 2 (0:
        degenerate), ``note``, ``event`` ("appears", "vanishes", "turns unstable", "turns stable", "left"), the
        ``change_branch`` or ``change_cycle`` it happens to, ``visited`` (whether the state was on its way to it),
        ``jump`` of the target if so, and the states ``<block>_change``.

    Raises
    ------
    InputError
        An argument is wrong.
    Interrupted
        Ctrl-C.
    """
    system = system.with_parameters(**dict(parameters or {}))
    parts = frozen(system, slow)
    positive("settle", settle)
    whole("starts", starts, 1)
    options: dict[str, Any] = {"method": method, "dt": dt, "rtol": rtol, "atol": atol, "workers": workers}
    tell = progress or (lambda fraction: None)
    if sample is None and system.kind == "flow":
        sample = np.linspace(transient, t_end, INTERVALS + 1)
    run = simulate(system, t_end, transient=transient, sample=sample, initial=initial, seed=seed, **options)
    if "member" in run.dims or run["status"].ndim:
        raise InputError("metadynamics is that of one trajectory; give one initial state")
    there = np.isfinite(np.stack([run[k].values.reshape(run.sizes["time"], -1).sum(axis=1) for k in system.state]))
    run = run.isel(time=np.flatnonzero(there.all(axis=0)))
    if run.sizes["time"] < 2:
        raise InputError(f"the trajectory has {run.sizes['time']} finite samples; ask for more, or shorten it")
    tell(0.1)
    y = parts.fast.pack({name: run[name].values for name in parts.fast.state})
    p = parts.parameters({name: run[name].values for name in parts.slow})
    reach, low = _reach(parts, y, p, settle, box, options)
    relaxed = relax(parts, y, p, settle, reach, options)
    tell(0.5)
    random = low + reach * np.random.default_rng(seed).random((starts, parts.fast.dimension))
    seeds = [np.concatenate([random, each[None]]) for each in np.where(np.isfinite(relaxed.root), relaxed.root, y)]
    points = parts.gather(p, seeds, reach)
    tell(0.7)
    cycles = FollowedCycles(parts, p, reach, np.full(len(p), -1))
    cycles.follow(relaxed.end, relaxed.kind == OSCILLATING, settle)
    tell(0.8)
    found = _Landscape(parts, run["time"].values, y, p, points, reach, relaxed, cycles)
    found.changes = sorted(found.find_changes(tell) + cycles.changes, key=lambda each: each.interval + each.position)
    settings = {"slow": parts.slow, "settle": settle, "starts": starts, "seed": seed, "transient": transient}
    return found.result(run, settings | {"method": run.attrs["method"], "rtol": run.attrs.get("rtol")})


def _reach(
    parts: Frozen, y: np.ndarray, p: np.ndarray, settle: float, box: Mapping[str, Any] | None, options: dict
) -> tuple[np.ndarray, np.ndarray]:
    """Extent of the box of starts, and its lower end: the user's, or that of what the states see as they settle."""
    if box is not None:
        low, high = box_ends(parts.fast, box)
        return high - low, low
    ahead = advance(parts, nudged(y, np.maximum(np.abs(y).max(axis=0), 1e-3)), p, settle, 1, options)[:, 0]
    seen = np.concatenate([y, ahead[np.isfinite(ahead).all(axis=1)]])
    width = np.maximum(np.ptp(seen, axis=0), 0.1 * np.abs(seen).max(axis=0))
    width[width == 0] = 1.0
    return 2 * width, (seen.max(axis=0) + seen.min(axis=0)) / 2 - width


@dataclass
class _Landscape:
    """The fixed points at the samples, linked to branches, and the targets of the states."""

    parts: Frozen
    time: np.ndarray
    y: np.ndarray
    p: np.ndarray
    points: list[np.ndarray]
    reach: np.ndarray
    relaxed: Relaxed
    cycles: FollowedCycles
    changes: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        parts, points = self.parts, self.points
        names = parts.link(self.p, points, self.reach)
        owner = np.repeat(np.arange(len(points)), [len(each) for each in points])
        number = np.concatenate(names) if names else np.zeros(0, dtype=int)
        flat = np.concatenate(points)
        count = int(number.max(initial=-1)) + 1
        shape = (count, len(self.time))
        self.fixed = np.full((*shape, parts.fast.dimension), np.nan)
        self.fixed[number, owner] = flat
        self.unstable = np.full(shape, -1)
        self.unstable[number, owner] = parts.unstable(flat, self.p[owner])
        self.drift = {}
        for name, rate in parts.drift(flat, self.p[owner]).items():
            self.drift[name] = np.full((*shape, rate.shape[1]), np.nan)
            self.drift[name][number, owner] = rate
        self.target = np.full(len(self.time), -1)
        for k in np.flatnonzero(self.relaxed.kind == FIXED):
            apart = (np.abs(self.fixed[:, k] - self.relaxed.root[k]) / self.reach).max(axis=1)
            if np.isfinite(apart).any():
                self.target[k] = int(np.nanargmin(apart))

    def find_changes(self, tell: Progress) -> list[Change]:
        """What happens between neighbouring samples."""
        found: list[Change] = []
        stable = self.unstable == 0
        for k in range(len(self.time) - 1):
            tell(0.8 + 0.2 * k / len(self.time))
            here: list[Change] = []
            changed = np.flatnonzero(stable[:, k] != stable[:, k + 1])
            ends = (self.unstable[changed, k : k + 2] < 0).any(axis=1)
            for branch in changed[np.argsort(ends, kind="stable")]:  # at a pitchfork the branch that goes on, first
                here += self._bifurcations(int(branch), k, here)
            left, target = self.target[k], self.target[k + 1]
            if left >= 0 and target not in (-1, left) and stable[left, k + 1] and not _explained(here, left, target):
                here.append(Change(k, 0.5, "basin", 1, "", "left", int(left), True, self.y[k]))
            found += sorted(here, key=lambda each: each.position)
        return [each for each in found if each.label or not self._belongs(each, found)]

    def _belongs(self, one: Change, found: list[Change]) -> bool:
        """Whether a change that was not located is that of a bifurcation located nearby, at a sample for instance."""
        return any(
            each.label and abs(each.interval - one.interval) < 2 and (np.abs(each.y - one.y) / self.reach).max() < 0.3
            for each in found
        )

    def _bifurcations(self, branch: int, k: int, known: list[Change]) -> list[Change]:
        """Where an attractor appears, vanishes or changes stability in an interval; one that is known is left out."""
        before, after = self.unstable[branch, k], self.unstable[branch, k + 1]
        told = event(before, after)
        ends = [each for each, there in ((k, before), (k + 1, after)) if there >= 0]
        at = max(ends, key=lambda each: self._clearance(branch, each))
        visited = self.target[k if before == 0 else k + 1] == branch
        special = self._followed(self.fixed[branch, at], k, float(at - k))
        changes = []
        for point in special:
            position = point.parameters[POSITION]
            if any(
                abs(each.position - position) < 1e-5 and (np.abs(each.y - point.vector) / self.reach).max() < 1e-3
                for each in known
            ):
                continue
            changes.append(
                Change(k, position, point.kind, order(point), point.note, told, branch, bool(visited), point.vector)
            )
        if not special:
            note = "not located: the path between the samples could not be continued"
            changes.append(Change(k, 0.5, "", 0, note, told, branch, bool(visited), self.fixed[branch, at]))
        return changes

    def _followed(self, y: np.ndarray, k: int, start: float) -> list[SpecialPoint]:
        """Bifurcations of stable fixed points on the path from a sample to the next, on the branch through ``y``."""
        try:
            branch = continue_fixed_points(
                self.parts.between(self.p[k], self.p[k + 1], start),
                POSITION,
                (-BEYOND, 1.0 + BEYOND),
                start=self.parts.fast.unpack(y),
                step=0.05,
                max_step=0.1,
                max_points=200,
            )
        except NumericsError:
            return []
        found = [each for each in branch.special() if each.kind in STABILITY and min(each.unstable) == 0]
        return [each for each in found if 0 <= each.parameters[POSITION] <= 1] or found

    def _clearance(self, branch: int, k: int) -> float:
        """How far the eigenvalue nearest to the stability boundary is from it at a sample."""
        slope = self.parts.values(self.fixed[branch, k : k + 1], self.p[k : k + 1])[1][0]
        values = np.linalg.eigvals(slope)
        growth = np.abs(values + 1) - 1 if self.parts.fast.kind == "map" else values.real
        return float(np.abs(growth).min())

    def result(self, run: xr.Dataset, settings: dict[str, Any]) -> xr.Dataset:
        """Everything as a Dataset."""
        parts, system = self.parts, self.parts.system
        arrays: dict[str, np.ndarray] = {name: run[name].values for name in system.state}
        place = [each.interval for each in self.changes]
        where = np.array([each.position for each in self.changes])
        dims = {name: run[name].dims[1:] for name in system.state}
        variables = {name: Variable(("time", *dims[name])) for name in system.state}
        for name, block in parts.fast.unpack(self.fixed).items():
            arrays[f"{name}_fixed"] = block
            variables[f"{name}_fixed"] = Variable(("branch", "time", *dims[name]))
        for name, block in parts.fast.unpack(self.relaxed.root).items():
            arrays[f"{name}_target"] = block
            variables[f"{name}_target"] = Variable(("time", *dims[name]))
        cycles = self.cycles.table()
        for end in ("low", "high"):
            for name, block in parts.fast.unpack(cycles[end]).items():
                arrays[f"{name}_{end}"] = block
                variables[f"{name}_{end}"] = Variable(("cycle", "time", *dims[name]))
        for name, rate in self.drift.items():
            arrays[f"{name}_drift"] = rate.reshape((*rate.shape[:2], *system.state[name]))
            variables[f"{name}_drift"] = Variable(
                ("branch", "time", *dims[name]), float, {"long_name": "slow flow on the critical manifold"}
            )
        changed = np.array([each.y for each in self.changes]).reshape(len(self.changes), parts.fast.dimension)
        blocks = parts.fast.unpack(changed)
        for name in parts.slow:
            values = arrays[name]
            share = where.reshape(-1, *[1] * (values.ndim - 1))
            blocks[name] = values[place] + share * (values[[k + 1 for k in place]] - values[place])
        for name, block in blocks.items():
            arrays[f"{name}_change"] = block
            variables[f"{name}_change"] = Variable(("change", *dims[name]))
        jumps = self._jumps()
        visited = np.array([c.visited for c in self.changes], dtype=bool)
        columns: dict[str, tuple[tuple[str, ...], Any, Any, str]] = {
            "target": (("time",), np.int64, self.target, "branch that the frozen system would settle on"),
            "target_kind": (("time",), str, np.array(KINDS)[self.relaxed.kind], "how the frozen system settles"),
            "distance": (("time",), float, self._distance(), "distance of the fast state from its target"),
            "target_cycle": (("time",), np.int64, self.cycles.target, "cycle that the frozen system would settle on"),
            "cycle_period": (("cycle", "time"), float, cycles["period"], "period"),
            "cycle_unstable": (
                ("cycle", "time"),
                np.int64,
                cycles["unstable"],
                "number of unstable multipliers; -1: no cycle",
            ),
            "attractors": (("time",), np.int64, (self.unstable == 0).sum(axis=0), "number of stable fixed points"),
            "unstable": (("branch", "time"), np.int64, self.unstable, "number of unstable eigenvalues; -1: no point"),
            "change_time": (("change",), float, self.time[place] + where * np.diff(self.time)[place], "time"),
            "label": (("change",), str, np.array([c.label for c in self.changes], dtype=str), "bifurcation"),
            "order": (("change",), np.int64, [c.order for c in self.changes], "1: jump, 2: continuous"),
            "note": (("change",), str, np.array([c.note for c in self.changes], dtype=str), "normal form"),
            "event": (("change",), str, np.array([c.event for c in self.changes], dtype=str), "what the branch does"),
            "change_branch": (("change",), np.int64, [c.branch for c in self.changes], "branch"),
            "change_cycle": (("change",), np.int64, [c.cycle for c in self.changes], "cycle"),
            "visited": (("change",), bool, visited, "whether it was the target"),
            "jump": (
                ("change",),
                float,
                np.where([c.visited for c in self.changes], jumps[place], np.nan),
                "of target",
            ),
        }
        for name, (along, kind, values, meaning) in columns.items():
            arrays[name] = np.asarray(values)
            variables[name] = Variable(along, kind, {"long_name": meaning})
        sizes = {d: n for d, n in run.sizes.items()}
        sizes |= {"branch": len(self.fixed), "cycle": len(self.cycles.cycles), "change": len(self.changes)}
        time = Variable(("time",), self.time.dtype, dict(run["time"].attrs), self.time)
        attrs = trajectory.provenance(system, analysis="metadynamics", **settings)
        used = {d for v in (*variables.values(), time) for d in v.dims}
        layout = Layout({str(d): n for d, n in sizes.items() if d in used}, {"time": time}, variables, attrs)
        return trajectory.dataset(layout, arrays)

    def _jumps(self) -> np.ndarray:
        """How far the target moves in each interval; where it is not known, from the last known one to the next."""
        known = np.isfinite(self.relaxed.root).all(axis=1)
        place = np.arange(len(known))
        before = np.maximum.accumulate(np.where(known, place, -1))[:-1]
        after = np.minimum.accumulate(np.where(known, place, len(known))[::-1])[::-1][1:]
        there = (before >= 0) & (after < len(known))
        moved = np.full(len(before), np.nan)
        moved[there] = np.linalg.norm(self.relaxed.root[after[there]] - self.relaxed.root[before[there]], axis=1)
        return moved

    def _distance(self) -> np.ndarray:
        apart = np.linalg.norm(self.y - self.relaxed.root, axis=1)
        return np.where(self.relaxed.kind == FIXED, apart, self.relaxed.apart)


def _explained(changes: list[Change], left: int, target: int) -> bool:
    """Whether the state's way from one branch to another is that of a bifurcation of second order."""
    return any(each.branch in (left, target) and each.order != 1 for each in changes)
