"""Analyses of what a system does in the long run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator

from ...engine.errors import InputError
from ..fields import Count, Draw, NotNegative, Positive, ScalarName, StateName, SweptName, Values, VariableName, problem
from .base import Analysis, plain


class OrbitDiagram(Analysis):
    """What is seen in the long run (extrema or points on a section) over one parameter, by brute force."""

    function = "orbit_diagram"
    figures = ("orbit_diagram",)

    parameter: ScalarName
    """The parameter along the abscissa."""
    values: Values
    """Its values."""
    observable: VariableName
    """The state or observable that is recorded, or one element of it such as x[0]."""
    section: str | None = None
    """When to record; by default at the maxima of the observable (flows) or at every iterate (maps)."""
    direction: Literal["up", "down", "both", "fixed"] = "up"
    """Follow the attractor with growing or falling parameter, or both; fixed starts afresh at every value."""
    transient: NotNegative | None = None
    """Time (or iterates) discarded at every value."""
    points: Count = 100
    """How many points to record at every value."""
    t_max: Positive | None = None
    """Longest time spent at one value."""

    def check(self, system):
        shape = {**system.state, **system.observable_shapes}.get(self.observable, ())
        if shape:
            raise InputError(f"observable: {self.observable!r} has the shape {shape}; name one element")
        if self.section is None:
            return
        if system.kind == "map":
            raise InputError(f"section: {system.name!r} is a map, every iterate is recorded; leave it out")
        _check_section(system, self.section)


class PoincareSection(Analysis):
    """States at which the trajectory crosses a section."""

    function = "poincare_section"

    section: str
    """'y = 0', 'y > 0' (upwards), 'y < 0' (downwards), 'max x', 'min x', with formulas in place of y and x."""
    points: Count = 1000
    """How many crossings to record."""
    transient: NotNegative = 0.0
    """Time before the first crossing is recorded."""
    t_max: Positive = 1e6
    """Longest time after that."""

    def check(self, system):
        if system.kind == "map":
            raise InputError(f"section: {system.name!r} is a map, which crosses nothing; take a flow")
        _check_section(system, self.section)


class LyapunovSpectrum(Analysis):
    """Lyapunov exponents with standard errors, of one trajectory or over parameters."""

    function = "lyapunov_spectrum"
    figures = ("lyapunov_spectrum",)

    k: Count | None = None
    """How many exponents, from the largest; all by default."""
    t_total: Positive | None = None
    """Time (or iterates) of averaging; 10000 (100000) by default."""
    transient: NotNegative | None = None
    """Time (or iterates) before that; 500 (1000) by default."""
    tolerance: Positive | None = None
    """Go on until the standard errors are below this."""
    t_max: Positive | None = None
    """For at most so long; 64 times t_total by default."""
    sweep: dict[SweptName, Values] | None = Field(default=None, min_length=1)
    """Parameters or scalar states and their values; several make a grid."""

    def check(self, system):
        if self.k is not None and self.k > system.dimension:
            raise InputError(f"k: {system.name!r} has {system.dimension} exponents; ask for at most so many")

    def arguments(self, work):
        from ...integrators import grid

        given = super().arguments(work)
        sweep = given.pop("sweep", None)
        return {**given, "parameters": grid(**sweep)} if sweep else given


Start = Annotated[
    Annotated[Draw, Tag("<draw>")] | Annotated[Values, Tag("<values>")],
    Discriminator(lambda value: "<draw>" if isinstance(value, Draw) or _draws(value) else "<values>"),
]


def _draws(value: object) -> bool:
    return isinstance(value, dict) and bool(set(value) & set(Draw.model_fields))


class Basins(Analysis):
    """Attractors and their basins, from initial states on a grid or drawn at random."""

    function = "basins"
    figures = ("basins",)

    initial: dict[StateName, Start] = Field(min_length=1)
    """Values of states that make a grid, or random draws; the other states start as the scenario says."""
    number: Count | None = None
    """How many random states; 10000 by default."""
    transient: Positive | None = None
    """Time (or iterates) after which a state should be on an attractor; 500 (1000) by default."""
    t_max: Positive | None = None
    """When to give up; 8 transients by default."""
    period: Positive | None = None
    """Of the forcing, for flows that depend on time."""
    blocks: list[StateName] | None = Field(default=None, min_length=1)
    """The state blocks that tell attractors apart, without those that go on for ever; all by default."""
    resolution: Positive = 0.01
    """Size of a cell in which attractors are told apart, as a fraction of the range of the states."""

    @field_validator("initial")
    @classmethod
    def _alike(cls, initial: dict) -> dict:
        if len({isinstance(each, Draw) for each in initial.values()}) > 1:
            raise problem("expected either values for all states, which make a grid, or random draws for all")
        return initial

    @field_validator("number")
    @classmethod
    def _of_draws(cls, number: int | None, info: ValidationInfo) -> int | None:
        starts = info.data.get("initial", {}).values()
        if number is not None and starts and not any(isinstance(each, Draw) for each in starts):
            raise problem("a grid has as many states as values; leave it out")
        return number

    def arguments(self, work):
        from ...integrators import grid

        given = super().arguments(work)
        drawn = any(isinstance(each, Draw) for each in self.initial.values())
        return given if drawn else {**given, "initial": grid(**plain(self.initial))}


def _check_section(system, section: str) -> None:
    from ...analysis.sections.sections import as_section

    try:
        as_section(system, section)
    except InputError as error:
        raise InputError(f"section: {error}") from None
