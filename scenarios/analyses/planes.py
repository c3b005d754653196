"""Analyses over grids of parameters, and of attractors over one parameter."""

from __future__ import annotations

from pydantic import Field

from ...engine.errors import InputError
from ..fields import Count, NotNegative, Positive, ScalarName, StateName, SweptName, Values
from .attractors import Start
from .base import Analysis


class _Plane(Analysis):
    """An analysis over a grid of parameters."""

    sweep: dict[SweptName, Values] = Field(min_length=1)
    """Parameters or scalar states and their values; they make a grid."""
    transient: NotNegative | None = None
    """Time (or iterates) discarded; 500 (1000) by default."""

    def arguments(self, work):
        from ...integrators import grid

        given = super().arguments(work)
        return {"parameters": grid(**given.pop("sweep")), **given}


class IsoperiodicDiagram(_Plane):
    """Period of the long-run motion over a grid of parameters."""

    function = "isoperiodic_diagram"
    figures = ("isoperiodic_diagram",)

    section: str | None = None
    """Flows: which crossings count as iterates; by default the maxima of the first state."""
    max_period: Count | None = None
    """Longest period that is looked for; 32 by default."""
    tolerance: Positive | None = None
    """States that differ by less than this (and as a fraction of their size) are the same; 1e-5 by default."""
    t_max: Positive | None = None
    """Flows: longest time after the transient."""

    def check(self, system):
        if self.section is None:
            return
        if system.kind == "map":
            raise InputError(f"section: {system.name!r} is a map, every iterate counts; leave it out")
        from ...analysis.sections.sections import as_section

        try:
            as_section(system, self.section)
        except InputError as error:
            raise InputError(f"section: {error}") from None


class LyapunovDiagram(_Plane):
    """The largest Lyapunov exponents over a grid of parameters of any size."""

    function = "lyapunov_diagram"
    figures = ("lyapunov_spectrum",)

    k: Count = 1
    """How many exponents, from the largest."""
    t_total: Positive | None = None
    """Time (or iterates) of averaging; 1000 by default."""

    def check(self, system):
        if self.k > system.dimension:
            raise InputError(f"k: {system.name!r} has {system.dimension} exponents; ask for at most so many")


class TrackAttractors(Analysis):
    """Attractors followed over one parameter, with the fractions of initial states that lead to them."""

    function = "track_attractors"
    figures = ("track_attractors",)

    parameter: ScalarName
    """The parameter."""
    values: Values
    """Its values, in the order in which they are visited."""
    initial: dict[StateName, Start] = Field(min_length=1)
    """Random draws of states; the other states start as the scenario says."""
    number: Count | None = None
    """How many random states; 300 by default."""
    transient: Positive | None = None
    """Time (or iterates) after which a state should be on an attractor; 500 (1000) by default."""
    period: Positive | None = None
    """Of the forcing, for flows that depend on time."""
