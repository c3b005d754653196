"""The analyses that a scenario may ask for: one model each, entered in `ANALYSES`.

To add one: write a model whose fields are its options and whose `run` calls the function, and enter it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from ..engine.errors import InputError
from .fields import Count, Model, NotNegative, Positive, ScalarName, Values, VariableName, expand

if TYPE_CHECKING:
    import xarray as xr

    from ..engine.system import System


class Analysis(Model):
    """What every analysis has; `label` names its group in the output file."""

    label: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the group in the output file; the name of the analysis by default."""

    def options(self, *apart: str) -> dict[str, Any]:
        """Return the options that are set, without `label` and those named in `apart`."""
        given = {name: getattr(self, name) for name in type(self).model_fields if name not in ("label", *apart)}
        return {name: value for name, value in given.items() if value is not None}

    def check(self, system: System) -> None:
        """Find out, before anything is computed, what of this does not fit `system`.

        Raises
        ------
        InputError
            Something that only the system can tell.
        """

    def run(self, system: System, settings: dict[str, Any], progress: Callable[[float], None] | None) -> xr.Dataset:
        """Compute the result of `system`; `settings` are the integration settings of the scenario."""
        raise NotImplementedError


class OrbitDiagram(Analysis):
    """What is seen in the long run (extrema or points on a section) over one parameter, by brute force."""

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
        from ..analysis.sections import as_section

        try:
            as_section(system, self.section)
        except InputError as error:
            raise InputError(f"section: {error}") from None

    def run(self, system, settings, progress):
        from ..analysis.orbit_diagram import orbit_diagram

        return orbit_diagram(
            system,
            self.parameter,
            expand(self.values),
            progress=progress,
            **{**settings, **self.options("parameter", "values")},
        )


ANALYSES: dict[str, type[Analysis]] = {"orbit_diagram": OrbitDiagram}
