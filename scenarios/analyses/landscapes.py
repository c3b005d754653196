"""Analyses of slow-fast systems: the attractors of the fast subsystem."""

from __future__ import annotations

from pydantic import Field

from ...engine.errors import InputError
from ..fields import Count, Interval, NotNegative, Positive, StateName, SweptName, Values
from .base import Analysis


class _SlowFast(Analysis):
    """An analysis of a system with slow state blocks."""

    slow: list[StateName] | None = Field(default=None, min_length=1)
    """The states to freeze; those that the system declares as slow by default."""
    settle: Positive | None = None
    """Time in which the fast subsystem settles; 100 by default."""
    starts: Count | None = None
    """Random starts of Newton's method."""
    box: dict[StateName, Interval] | None = None
    """Low and high end of each fast state, where the starts lie."""

    def check(self, system):
        from ...analysis.adiabatic.frozen import frozen

        try:
            frozen(system, None if self.slow is None else tuple(self.slow))
        except InputError as error:
            raise InputError(f"slow: {error}") from None

    def arguments(self, work):
        given = super().arguments(work)
        return given | ({"slow": tuple(self.slow)} if self.slow else {})


class Metadynamics(_SlowFast):
    """The attractors of the fast subsystem along a trajectory, and the state among them."""

    function = "metadynamics"
    figures = ("metadynamics",)

    t_end: Positive
    """Last time."""
    transient: NotNegative = 0.0
    """Time before the first sample."""
    sample: Positive | None = None
    """Time between samples; 500 intervals by default."""


class Landscape(_SlowFast):
    """Fixed points of the fast subsystem and the slow flow on them, over a grid of slow variables."""

    function = "landscape"
    figures = ("landscape",)

    values: dict[SweptName, Values] = Field(min_length=1)
    """Values of slow states (and parameters), which make a grid."""
    box: dict[StateName, Interval]
    """Low and high end of each fast state, where the starts lie."""

    def arguments(self, work):
        from ...integrators import grid

        given = super().arguments(work)
        return {**given, "values": grid(**given["values"])}
