"""Fixed points and their bifurcations."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ...engine.errors import InputError
from ..fields import Count, Interval, Model, NumberOrArray, Positive, ScalarName, StateName
from .base import Analysis, AtParameters


class FixedPoints(AtParameters):
    """All fixed points in a box, with eigenvalues and types."""

    function = "fixed_points"

    box: dict[StateName, Interval]
    """[lowest, highest] of every state."""
    iterates: Count = 1
    """Maps: fixed points of this iterate."""
    starts: Count | None = None
    """How many starting points of Newton's method; 1000 by default, 50 beyond 24 states."""

    def check(self, system):
        super().check(system)
        if missing := [name for name in system.state if name not in self.box]:
            raise InputError(f"box: give [lowest, highest] of {', '.join(missing)} too")
        _check_iterates(system, self.iterates)


class LabelledPoint(Model):
    """A labelled point of an earlier branch."""

    group: str
    """The label or name of the earlier analysis; diagram/2 is the second branch of a diagram."""
    point: str
    """Its label on the branch, such as H1 or BP2."""


class _Stepped(Analysis):
    """How a branch is stepped along."""

    step: Positive | None = None
    """Length of the first step, relative to the bounds and to the size of the states; 0.005 by default."""
    max_step: Positive = 0.02
    """Length of the longest step."""
    min_step: Positive = 1e-9
    """Length of the shortest step."""
    max_points: Count = 2000
    """How many points to compute in each direction."""


class _Branches(_Stepped, AtParameters):
    """Branches of fixed points over one parameter."""

    figures = ("branches",)

    parameter: ScalarName
    """The parameter to follow."""
    bounds: Interval
    """[lowest, highest] of its values."""
    start: dict[StateName, NumberOrArray] | None = None
    """State near the first fixed point; the initial values of the scenario by default."""
    origin: LabelledPoint | None = Field(default=None, alias="from")
    """Begin at a labelled point of an earlier branch: from a BP the other branch, from a PD twice the iterates."""
    iterates: Count = 1
    """Maps: fixed points of this iterate."""

    def sources(self):
        return [self.origin.group] if self.origin else []

    def check(self, system):
        if self.start is not None and self.origin is not None:
            raise InputError("start: the branch begins at a point of an earlier one; leave out start or from")
        _check_iterates(system, self.iterates)
        system = self.changed(system)
        system.pack(self.start)
        value, (low, high) = system.parameters[self.parameter].value, self.bounds
        if self.origin is None and not low <= value <= high:
            raise InputError(f"bounds: they exclude {self.parameter} = {value:g}, where the branch begins; widen them")

    def arguments(self, work):
        given = super().arguments(work)
        origin = given.pop("origin", None)
        return {**given, "start": labelled(work, origin)} if origin else given


class FixedPointBranch(_Branches):
    """Fixed points followed over a parameter, with their bifurcations located."""

    function = "continue_fixed_points"

    values: list[float] = []
    """Values of the parameter at which points are wanted (UZ)."""
    max_seconds: Positive | None = None
    """Wall time after which the branch ends where it is."""


class BifurcationDiagram(_Branches):
    """The branch through a start, the branches that cross it, and so on."""

    function = "bifurcation_diagram"

    depth: int = Field(default=2, ge=0, le=20)
    """How often to switch to crossing branches."""


class BifurcationCurve(_Stepped):
    """A bifurcation of fixed points or of limit cycles followed in two parameters."""

    function = "continue_bifurcation"
    figures = ("branches",)

    origin: LabelledPoint = Field(alias="from")
    """The bifurcation to follow, a labelled point of an earlier branch."""
    bounds: dict[ScalarName, Interval] = Field(min_length=2, max_length=2)
    """[lowest, highest] of two parameters."""
    curve: Literal["LP", "H", "BP", "PD", "NS"] | None = None
    """The bifurcation; by default that of the start, from BT and ZH points the other one."""
    max_seconds: Positive | None = None
    """Wall time after which the curve ends where it is."""

    def sources(self):
        return [self.origin.group]

    def arguments(self, work):
        given = super().arguments(work)
        start = labelled(work, given.pop("origin"))
        return {**given, "start": start}


def labelled(work, origin: LabelledPoint):
    """The labelled point of an earlier branch, of fixed points or of limit cycles."""
    from ...analysis import Branch, CycleBranch

    data = work.earlier(origin.group)
    return (CycleBranch if "profile" in data else Branch)(data)[origin.point]


def _check_iterates(system, iterates: int) -> None:
    if system.kind == "flow" and iterates > 1:
        raise InputError(f"iterates: {system.name!r} is a flow, which has none; leave it out")
