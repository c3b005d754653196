"""Analyses of how robots move."""

from __future__ import annotations

from pydantic import Field

from ...engine.errors import InputError
from ..fields import Count, Draw, NotNegative, Positive, ScalarName, StateName, Values, VariableName
from .base import Analysis


class MotionMap(Analysis):
    """Modes of motion over a grid of parameters, from random initial states at each point."""

    function = "motion_map"
    figures = ("motion_map",)

    parameters: dict[ScalarName, Values] = Field(min_length=1)
    """Parameters and their values, which make the grid; two can be drawn."""
    starts: Count = 3
    """Initial states at each point of the grid."""
    initial: dict[StateName, Draw] | None = None
    """Random draws of initial values; those that the catalogue declares for the system by default."""
    position: VariableName = "r"
    """The state or observable whose first two components are the position."""
    t_end: Positive = 320.0
    """Time of motion."""
    transient: NotNegative = 200.0
    """How much of it is passed over."""
    sample: Positive = 0.05
    """Spacing of the samples that are classified."""
    rest: Positive = 1e-3
    """Mean speed below which the robot rests."""
    method: str | None = None
    """The method of integration."""
    dt: Positive | None = None
    """Its step, if it has steps of equal length."""

    def check(self, system):
        shape = {**system.state, **system.observable_shapes}.get(self.position, ())
        if len(shape) != 1 or shape[0] < 2:
            raise InputError(f"position: {self.position!r} has the shape {shape}, not two components or more")

    def arguments(self, work):
        from ... import systems
        from ...engine.declaration import Draw as Drawn

        declared = systems.get(work.system.name).starts if work.system.name in systems.names() else {}
        drawn = {name: start for name, start in declared.items() if isinstance(start, Drawn)}
        given = super().arguments(work)
        return {**given, "initial": drawn | given.get("initial", {})}
