"""Analyses of oscillators that are driven or kicked."""

from __future__ import annotations

from pydantic import Field

from ...engine.errors import InputError
from ..fields import Count, NotNegative, Positive, SweptName, Values
from .base import Analysis


class WindingNumbers(Analysis):
    """Turns of a driven oscillator in a period of its drive, and where it is locked (Arnold tongues)."""

    function = "winding_numbers"
    figures = ("winding_numbers",)

    sweep: dict[SweptName, Values] = Field(min_length=1)
    """Parameters and their values; several make a grid."""
    turn: str | Positive
    """Flows: the section that is crossed once a turn, such as 'max x'. Maps: how much the angle grows by in a turn."""
    period: str | Positive | None = None
    """Flows: the period of the drive, a number or a formula of parameters such as '2*pi/omega'."""
    turns: Count = 200
    """Turns (maps: iterates) to average over."""
    transient: NotNegative | None = None
    """Time (or iterates) before that; 100 periods of the drive by default."""
    longest: Count = 20
    """Most turns (maps: iterates) after which a locked motion is recognised."""

    def check(self, system):
        if system.kind == "map" and self.period is not None:
            raise InputError(f"period: {system.name!r} is a map, iterated once a period of its drive; leave it out")
        if system.kind == "flow" and self.period is None:
            raise InputError("period: give the period of the drive, as in 2*pi/omega")

    def arguments(self, work):
        from ...integrators import grid

        given = super().arguments(work)
        return {"parameters": grid(**given.pop("sweep")), **given}
