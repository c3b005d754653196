"""Analyses of oscillators that are driven or kicked."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from ...engine.errors import InputError
from ..fields import Count, NameOf, NotNegative, NumberOrArray, Positive, StateName, SweptName, Values
from .base import Analysis, AtParameters


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


KickedName = Annotated[str, AfterValidator(NameOf("state", "parameter"))]


class KickMap(AtParameters):
    """Which attractor follows on kicks of a limit cycle, over their phase and strength."""

    function = "kick_map"
    figures: ClassVar[tuple[str, ...]] = ("kick_map",)

    direction: dict[KickedName, NumberOrArray] = Field(min_length=1)
    """What a kick of strength 1 adds: amounts by state block, or by parameter."""
    strengths: Values
    """Strengths, of either sign."""
    start: dict[StateName, NumberOrArray] | None = None
    """A state on the cycle; by default the initial values of the scenario."""
    period: Positive | None = None
    """Period of the cycle; by default the cycle is looked for from the start."""
    phases: Count = 50
    """How many phases, equally spaced."""
    duration: NotNegative = 0.0
    """How long parameters are changed; 0 for kicks of the state."""
    transient: Positive | None = None
    """Time after which a state should be on an attractor; 500 by default."""
    t_max: Positive | None = None
    """When to give up; 8 transients by default."""
    blocks: list[StateName] | None = Field(default=None, min_length=1)
    """The state blocks that tell attractors apart, without those that go on for ever; all by default."""
    resolution: Positive = 0.01
    """Size of a cell in which states are the same, as a fraction of their range."""

    def check(self, system):
        super().check(system)
        if self.period is None and not system.autonomous:
            raise InputError(f"period: {system.name!r} depends on time; give the period of its drive")

    def arguments(self, work):
        from ...analysis import find_cycle

        given = super().arguments(work)
        start = given.pop("start", {})
        return {**given, "start": find_cycle(given["system"], start) if self.period is None else start}


class SmallestKick(KickMap):
    """The weakest kick, and its phase, that leads from a limit cycle to another attractor, and what follows on it."""

    function = "smallest_kick"
    figures = ("time_series", "phase_portrait")

    target: dict[StateName, NumberOrArray] = Field(min_length=1)
    """A state on the attractor wanted, or in its basin; other blocks as in the initial values of the scenario."""
    accuracy: Positive = 1e-4
    """Relative difference to the strongest kick at the same phase that was found too weak."""
