"""Limit cycles followed over a parameter, and their bifurcations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ...engine.system import System
from ...integrators.ensemble import check_scalar
from ...integrators.parallel import Progress
from ...integrators.times import positive, whole
from ..continuation.branches import Branch, Mark, Record
from ..continuation.continuing import Continuation
from ..continuation.limits import Bounds, check_bounds, check_inside, stepping_of
from ..continuation.pseudo_arclength import Point, follow
from ..continuation.time_limit import at_most
from ..equilibria.derivatives import check as check_parameter
from .branches import CycleBranch, CyclePoint, cycle_branch
from .collocation import DEGREE
from .cycle import Cycle, check, check_start, driven
from .following import Cycles
from .starts import beginning


def continue_cycles(
    system: System,
    parameter: str,
    bounds: Bounds,
    *,
    start: Any = None,
    period: float | int | str | None = None,
    symmetry: Sequence[Callable] = (),
    values: Sequence[float] = (),
    intervals: int = 30,
    max_period: float | None = None,
    step: float | None = None,
    max_step: float = 0.05,
    min_step: float = 1e-9,
    max_points: int = 1000,
    max_seconds: float | None = None,
    progress: Progress | None = None,
    checkpoint: Callable[[Branch], None] | None = None,
) -> Branch:
    """Follow limit cycles over a parameter, in both directions, through folds, and locate their bifurcations.

    Pseudo-arclength continuation of collocation equations, on a mesh that follows the shape of the cycle. Labels: LPC
    (fold), PD (period doubling), NS (torus), BPC (branch point), UZ (a value asked for), EP (end). They are located
    along the branch, then on finer meshes until their parameter value does not change, and have normal forms (see
    :mod:`attrax.analysis.cycles.bifurcations`). ``branch.endings`` and its table say why a branch ends: among others at
    a bound, as the cycle shrinks to a fixed point, or as it approaches a homoclinic or heteroclinic connection of
    saddles, which are named.

    Cycles of systems with resets are followed by multiple shooting, with the same labels and normal forms (see
    :mod:`attrax.analysis.cycles.hybrid_forms`); a branch ends where its cycle begins to graze another event (or loses
    one).

    Parameters
    ----------
    system : System
        A flow, driven or not, with or without resets, or a map.
    parameter : str
        A scalar parameter.
    bounds : (low, high)
        Where to end.
    start : Cycle, SpecialPoint or dict
        A cycle; a Hopf point of fixed points, from which its cycles are followed; an LPC, PD, NS, BPC or UZ point of
        another branch: from a PD the doubled cycle is followed, from a BPC the *other* branch. Or a state as in
        :func:`find_cycle` (default: the initial state).
    period, symmetry
        As in :func:`find_cycle`.
    values : sequence of float
        Parameter values at which cycles are wanted (UZ).
    intervals : int
        Least number of intervals of the mesh, each with four collocation points; sharp cycles get up to eight times as
        many.
    max_period : float
        Where to end, too. By default branches end at 20 times their shortest period if a homoclinic connection is
        near, else at 2000 times.
    step, max_step, min_step : float
        Length of the first step (default 0.005), of the longest and of the shortest, relative to the range of the
        parameter, the size of the states and the period.
    max_points : int
        In each direction.
    max_seconds : float
        Wall time after which the branch ends where it is. Both directions share it, and the
        search for the first cycle.
    progress : callable
        Called with the fraction of ``max_points`` from time to time.
    checkpoint : callable
        Called from time to time with the branch so far.

    Returns
    -------
    CycleBranch
        For maps a branch of fixed points of the iterate.

    Raises
    ------
    InputError, NumericsError, Interrupted
        As in :func:`continue_fixed_points`.
    """
    check_start(system, start)
    if system.kind == "map":
        from .maps import follow_map

        options = {"step": step, "max_step": max_step, "min_step": min_step, "max_points": max_points}
        with at_most(max_seconds):
            return follow_map(system, parameter, bounds, start, period, values=values, progress=progress, **options)
    if isinstance(start, CyclePoint) and start.cycle is not None and period is None:
        period = start.cycle.data.attrs.get("drive")
    if isinstance(start, Cycle) and period is None:
        period = start.data.attrs.get("drive")
    check(system, period, symmetry)
    _check_parameter(system, parameter, period)
    check_bounds({parameter: bounds})
    if max_period is not None:
        positive("max_period", max_period)
    whole("intervals", intervals, 4)
    stepping = stepping_of(step, max_step, min_step, max_points)
    attrs = {
        "analysis": "continue_cycles",
        "curve": "cycles",
        "intervals": intervals,
        "degree": DEGREE,
        "drive": period if driven(system) else None,
    }
    if any(event.reset is not None for event in system.events.values()):
        from .hybrid import continue_hybrid

        attrs |= {"degree": 1, "method": "shooting"}
        given = (start, period, symmetry, values, max_period, stepping, attrs)
        with at_most(max_seconds):
            return continue_hybrid(system, parameter, bounds, *given).run(progress, checkpoint)
    marks = [float(v) for v in values]

    def make() -> Cycles:
        return Cycles(first, bounds, marks, max_period, origin)

    with at_most(max_seconds):
        first, origin, one_way = beginning(system, parameter, bounds, start, period, symmetry, intervals)
        system = first.data.problem.rates.system
        check_inside(system, {parameter: bounds})
        run = CycleContinuation(system, (parameter,), make, first, stepping, origin is None, origin, attrs)
        run.one_way, run.largest_period = one_way, max_period or 0.0
        return run.run(progress, checkpoint)


def _check_parameter(system: System, parameter: str, period: Any) -> None:
    if system.autonomous and not system.events:
        check_parameter(system, (parameter,))
    else:
        check_scalar(system, parameter)


class CycleContinuation(Continuation):
    """A continuation of cycles; from a Hopf point or a period doubling, in the one direction that there is."""

    one_way = False
    largest_period = 0.0

    @property
    def branch(self) -> CycleBranch:  # type: ignore[override]
        """What has been computed."""
        forward, backward = self.records
        before, after = (side.points[0] if side.points else self.beginning for side in (backward, forward))
        middle = Record([self.beginning])
        if kind := self._kind():
            verdict = before.data.unstable, after.data.unstable
            known = (self.origin.coefficients, self.origin.note) if self.origin else ({}, "")
            middle.marks.append(Mark(0, kind, True, *known, verdict))
        whole = backward.reversed().joined(middle).joined(forward)
        if not self._closed:
            for place in sorted({0, len(whole.points) - 1}):
                if self.one_way and place == 0:
                    continue
                count = whole.points[place].data.unstable
                whole.marks.append(Mark(place, "EP", unstable=(count, count)))
        first = "" if self._closed or self.one_way else self.endings[1]
        endings = self._sentence(first), self._sentence(self.endings[0])
        return cycle_branch(self.system, self.names, whole, endings, self.attrs)

    def _advance(self) -> Iterator[list[Point]]:
        for side, sign in enumerate((1.0,) if self.one_way else (1.0, -1.0)):
            curve: Any = self.make() if side else self.curve
            record = self.records[side]
            tests = {
                name: value * (sign if name in ("LPC", "BPC") else 1.0) for name, value in self.beginning.tests.items()
            }
            here = replace(self.beginning, tangent=sign * self.beginning.tangent, tests=tests)
            steps, known = follow(curve, here, self.stepping, fresh=self.fresh), 0
            while True:
                try:
                    points, events = next(steps)
                except StopIteration as end:
                    self.endings[side] = end.value
                    break
                known = len(record.points)
                record.add(events, points)
                yield points
            if curve.shrunk:  # what came last lies beyond the point where the cycle vanishes
                record.points = record.points[:known]
                record.marks = [mark for mark in record.marks if mark.position < known]
            if self._closed:
                return

    def _sentence(self, ending: str) -> str:
        if not ending.startswith("bound "):
            return ending
        _, index, side = ending.split()
        if int(index) < -len(self.names):
            return f"the period reaches its upper bound {self.largest_period:g}"
        return f"{self.names[int(index)]} reaches its {'lower' if side == 'low' else 'upper'} bound"
