"""Limit cycles of a fast subsystem, followed along a path of its frozen slow blocks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...engine.errors import NumericsError
from ..cycles.branches import CycleBranch
from ..cycles.collocation import LARGEST
from ..cycles.continuation import continue_cycles
from ..cycles.cycle import Cycle, as_cycle, find_cycle, problem_at, rates_of, solved
from ..cycles.floquet import Multipliers
from .changes import BEYOND, Change, event, order
from .frozen import POSITION, Frozen

STABILITY = ("LPC", "PD", "NS", "BPC")
"""Bifurcations at which a stable cycle vanishes or turns unstable."""
CLOSE = 0.02
"""How near a cycle, relative to the range of the fast states, a state that has settled on it is."""
INTERVALS = 30, 300
"""Least and most intervals of a mesh."""
ERROR = 1e-6
"""Error of the states, relative to their range, that a mesh allows."""
LEAP = 0.1
"""Largest change of the extent and of the period, as a fraction, from a sample to the next that is trusted."""

Vector = np.ndarray
Matrix = np.ndarray


@dataclass
class FollowedCycles:
    """Cycles of the fast subsystem over the samples of a path.

    Attributes
    ----------
    target : ndarray (samples,)
        Number of the cycle that the frozen system settles on; -1 for none.
    cycles : list of dict
        Each cycle, by sample.
    changes : list of Change
        Where they vanish or change stability.
    """

    parts: Frozen
    p: Matrix
    reach: Vector
    target: np.ndarray
    cycles: list[dict[int, Cycle]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def follow(self, ends: Matrix, oscillating: np.ndarray, settle: float) -> None:
        """Find the cycles on which states have settled, ``ends`` (samples, n), and follow each as far as it goes.

        Of flows without resets that are not too large.
        """
        fast = self.parts.fast
        if fast.kind == "map" or fast.dimension > LARGEST or any(each.reset for each in fast.events.values()):
            return
        wait, again = 1, 0
        for k in np.flatnonzero(oscillating).tolist():
            known = next((i for i, each in enumerate(self.cycles) if k in each and self._on(each[k], ends[k])), None)
            if known is not None:
                self.target[k] = known
            elif k >= again:
                try:
                    found = find_cycle(self._frozen(k), self.parts.fast.unpack(ends[k]), t_max=8 * settle)
                except NumericsError:  # a torus or chaos, most likely for a while
                    wait, again = 2 * wait, k + wait
                    continue
                self.target[k], wait = len(self.cycles), 1
                self.cycles.append({k: found})
                for direction in (1, -1):
                    self._follow(k, direction)
        self._see()

    def _frozen(self, k: int) -> Any:
        fast = self.parts.fast
        values = {
            name: self.p[k, fast.parameter_slices[name]].reshape(self.parts.system.state[name])
            for name in self.parts.slow
        }
        return fast.with_parameters(**values)

    def _on(self, cycle: Cycle, y: Vector) -> bool:
        """Whether a state is on a cycle."""
        a, b = cycle.profile[:-1] / self.reach, cycle.profile[1:] / self.reach
        step = b - a
        share = ((y / self.reach - a) * step).sum(axis=1) / np.maximum((step**2).sum(axis=1), 1e-300)
        nearest = a + np.clip(share, 0.0, 1.0)[:, None] * step
        return bool(np.abs(nearest - y / self.reach).max(axis=1).min() < CLOSE)

    def _follow(self, k: int, direction: int) -> None:
        """Follow the latest cycle from a sample, forwards or backwards."""
        known = self.cycles[-1]
        while 0 <= k + direction < len(self.p):
            after = self._corrected(known[k], k + direction)
            changes: list[tuple[Any, ...]] = []
            if after is None or after.stable != known[k].stable:
                branch = self._continued(known[k], k, direction)
                if branch is None:
                    changes = [(0.5, "", 0, "not located: the path between the samples could not be continued")]
                else:
                    passed, changes = self._passed(branch, direction)
                    after = self._corrected(passed, k + direction) if passed else None
            counts = known[k].unstable, after.unstable if after else -1
            for position, label, degree, note in changes:
                before, later = counts[::direction]
                interval, y = min(k, k + direction), known[k].profile[0]
                told = event(before, later)
                self.changes.append(
                    Change(interval, position, label, degree, note, told, -1, False, y, len(self.cycles) - 1)
                )
            if after is None:
                return
            k += direction
            known[k] = after

    def _corrected(self, cycle: Cycle, k: int) -> Cycle | None:
        """The cycle at another sample, by Newton's method on its mesh."""
        rates = rates_of(self._frozen(k), (), None)
        problem, u = problem_at(rates, cycle)
        try:
            for _ in range(2):  # on a mesh that fits the cycle before, then itself
                fitted = problem.on(problem.fitted(problem.profile(u), *INTERVALS, ERROR)[0])
                run = solved(fitted, problem.moved(u, fitted), 10)
                problem, u = fitted, run.u
        except NumericsError:
            return None
        found = as_cycle(problem, u, run, Multipliers(problem.n)(run.factors))
        old, new = np.ptp(cycle.profile, axis=0), np.ptp(found.profile, axis=0)
        leap = max((np.abs(new - old) / np.maximum(old, 1e-3 * self.reach)).max(), abs(found.period / cycle.period - 1))
        return found if leap < LEAP else None

    def _continued(self, cycle: Cycle, k: int, direction: int) -> CycleBranch | None:
        """The branch of a cycle on the path from a sample to the next or to the one before."""
        first, start = (k, 0.0) if direction > 0 else (k - 1, 1.0)
        path = self.parts.between(self.p[first], self.p[first + 1], start)
        try:
            branch = continue_cycles(
                path,
                POSITION,
                (-BEYOND, 1.0 + BEYOND),
                start=cycle,
                values=[1.0 - start],
                intervals=(cycle.data.sizes["phase"] - 1) // int(cycle.data.attrs["degree"]),
                max_points=200,
            )
        except NumericsError:
            return None
        assert isinstance(branch, CycleBranch)
        return branch

    def _passed(self, branch: CycleBranch, direction: int) -> tuple[Cycle | None, list[tuple[Any, ...]]]:
        """The cycle at the other end of the path, if it gets there, and what happens to it on the way."""
        there = [each.cycle for each in branch.special("UZ")]
        changes = [
            (each.parameters[POSITION], each.kind, order(each), each.note)
            for each in branch.special()
            if each.kind in STABILITY and min(each.unstable) == 0 and 0 <= each.parameters[POSITION] <= 1
        ]
        if there:
            return there[0], changes
        along = branch.data[POSITION].values
        for end, sentence in zip((0, -1), branch.endings, strict=True):
            if changes or "shrinks" in sentence or direction * (along[end] - along[-1 - end]) <= 0:
                continue
            which = next((word for word in ("homoclinic", "heteroclinic") if word in sentence), "")
            changes.append((float(along[end]), which, 1 if which else 0, sentence))
        return None, changes

    def _see(self) -> None:
        """Say which changes are those of the state's target."""
        seen = []
        for each in self.changes:
            ends = self.target[each.interval : each.interval + 2]
            there = ends[0] if each.event in ("vanishes", "turns unstable") else ends[1]
            seen.append(replace(each, visited=bool(there == each.cycle)))
        self.changes = seen

    def table(self) -> dict[str, np.ndarray]:
        """``period``, ``unstable`` (-1 where there is none) (cycles, samples), ``low``, ``high`` (.., .., n)."""
        shape, n = (len(self.cycles), len(self.p)), self.parts.fast.dimension
        period, unstable = np.full(shape, np.nan), np.full(shape, -1)
        low, high = np.full((*shape, n), np.nan), np.full((*shape, n), np.nan)
        for i, each in enumerate(self.cycles):
            for k, cycle in each.items():
                period[i, k], unstable[i, k] = cycle.period, cycle.unstable
                low[i, k], high[i, k] = cycle.profile.min(axis=0), cycle.profile.max(axis=0)
        return {"period": period, "unstable": unstable, "low": low, "high": high}
