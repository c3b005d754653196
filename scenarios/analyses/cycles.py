"""Limit cycles and their bifurcations."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ...engine.errors import InputError
from ..fields import Count, Interval, NumberOrArray, Positive, ScalarName, StateName
from .base import AtParameters
from .equilibria import LabelledPoint, labelled


class FindCycle(AtParameters):
    """A limit cycle, from a trajectory that returns to where it was."""

    function = "find_cycle"
    figures = ("cycle",)

    start: dict[StateName, NumberOrArray] | None = None
    """State from which the trajectory begins; the initial values of the scenario by default."""
    period: float | str | None = None
    """A guess of the period; of driven systems the period, such as 2*pi/omega; of maps the number of iterates."""
    t_max: Positive = 1e4
    """How long to follow the trajectory."""
    method: Literal["collocation", "shooting"] = "collocation"
    """How the cycle is refined."""
    max_seconds: Positive | None = None
    """Wall time after which the search is given up."""

    def check(self, system):
        super().check(system)
        _check_period(system, self.period)

    def arguments(self, work):
        return _whole(super().arguments(work), work.system)

    def run(self, work):
        return super().run(work).data


class CycleBranch(AtParameters):
    """Limit cycles followed over a parameter, with their bifurcations located."""

    function = "continue_cycles"
    figures = ("branches",)

    parameter: ScalarName
    """The parameter to follow."""
    bounds: Interval
    """[lowest, highest] of its values."""
    start: dict[StateName, NumberOrArray] | None = None
    """State from which a trajectory leads to the first cycle; the initial values of the scenario by default."""
    origin: LabelledPoint | None = Field(default=None, alias="from")
    """Begin at a labelled point of an earlier branch: H of fixed points; PD (doubled), BPC (the other branch)."""
    period: float | str | None = None
    """Of driven systems the period, such as 2*pi/omega; of maps the number of iterates."""
    values: list[float] = []
    """Values of the parameter at which cycles are wanted (UZ)."""
    intervals: Count = 30
    """Least number of intervals of the mesh."""
    max_period: Positive | None = None
    """Where to end, too."""
    step: Positive | None = None
    """Length of the first step, relative to the bounds, the size of the states and the period; 0.005 by default."""
    max_step: Positive = 0.05
    """Length of the longest step."""
    min_step: Positive = 1e-9
    """Length of the shortest step."""
    max_points: Count = 1000
    """How many points to compute in each direction."""
    max_seconds: Positive | None = None
    """Wall time after which the branch ends where it is."""

    def sources(self):
        return [self.origin.group] if self.origin else []

    def check(self, system):
        if self.start is not None and self.origin is not None:
            raise InputError("start: the branch begins at a point of an earlier one; leave out start or from")
        super().check(system)
        if self.origin is None:
            _check_period(system, self.period)

    def arguments(self, work):
        given = _whole(super().arguments(work), work.system)
        origin = given.pop("origin", None)
        return {**given, "start": labelled(work, origin)} if origin else given


def _check_period(system, period) -> None:
    from ...analysis.cycles.cycle import driven

    if system.kind == "map" and (not isinstance(period, float) or not period.is_integer()):
        raise InputError(f"period: {system.name!r} is a map; give the number of iterates")
    if system.kind == "flow" and period is None and driven(system):
        raise InputError(f"period: {system.name!r} depends on time; give the period, such as 2*pi/omega")


def _whole(given, system):
    """Of maps the period is a whole number."""
    if system.kind == "map" and "period" in given:
        given["period"] = int(given["period"])
    return given
