"""What all analyses of scenarios share, and the fields that several of them have."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from pydantic import Field

from ...engine.errors import InputError
from ..fields import Model, NumberOrArray, OneKey, ParameterName, Range, expand

if TYPE_CHECKING:
    import xarray as xr

    from ...analysis import Branch
    from ...engine.system import System

    Result: TypeAlias = xr.Dataset | Branch | list[Branch]


@dataclass(frozen=True)
class Work:
    """What an analysis works on, and how it reports."""

    system: System
    """With the scenario's parameters and initial values."""
    settings: dict[str, Any]
    """``rtol``, ``atol`` and ``max_steps`` where the scenario gives them, ``seed``, ``workers``."""
    earlier: Callable[[str], xr.Dataset]
    """Gives what an earlier group of the output file holds."""
    checkpoint: Callable[[Any], None]
    """Stores a part of the result."""
    progress: Callable[[float], None] | None = None
    """Is called with the fraction that is done."""


class Analysis(Model):
    """What every analysis has; `label` names its group in the output file."""

    function: ClassVar[str]
    """The function of `attrax.analysis` that does it, and the key in scenario files."""
    figures: ClassVar[tuple[str, ...]] = ()
    """The figures that can be drawn of its result."""

    label: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the group in the output file; the name of the analysis by default."""

    def sources(self) -> list[str]:
        """Name the groups of earlier analyses that this one needs."""
        return []

    def check(self, system: System) -> None:
        """Find out, before anything is computed, what of this does not fit `system`.

        Raises
        ------
        InputError
            Something that only the system can tell.
        """

    def arguments(self, work: Work) -> dict[str, Any]:
        """Return the arguments of the function: the options that are set, values expanded to arrays."""
        given = {name: getattr(self, name) for name in type(self).model_fields if name != "label"}
        return {name: plain(value) for name, value in given.items() if value is not None}

    def run(self, work: Work) -> Result:
        """Compute the result.

        The function gets its arguments, and whatever it takes of the settings, `progress` and `checkpoint`.
        """
        from ... import analysis

        function = getattr(analysis, self.function)
        offered = {**work.settings, "progress": work.progress, "checkpoint": work.checkpoint}
        taken = inspect.signature(function).parameters
        arguments = {name: value for name, value in offered.items() if name in taken} | self.arguments(work)
        system = arguments.pop("system", work.system)
        return function(system, **arguments)


class AtParameters(Analysis):
    """An analysis for which some parameters have other values than in the rest of the scenario."""

    parameters: dict[ParameterName, NumberOrArray] | None = None
    """Values of parameters for this analysis; the others are those of the scenario."""

    def check(self, system):
        self.changed(system)

    def changed(self, system: System) -> System:
        """Return the system with these parameters."""
        try:
            return system.with_parameters(**self.parameters or {})
        except InputError as error:
            raise InputError(f"parameters: {error}") from None

    def arguments(self, work):
        given = super().arguments(work)
        given.pop("parameters", None)
        return {**given, "system": self.changed(work.system)}


def plain(value: Any) -> Any:
    """Turn ranges, draws and mappings of them into what the functions take."""
    from ...engine import declaration

    if isinstance(value, Range):
        return expand(value)
    if isinstance(value, OneKey):
        return getattr(declaration, value.key)(*value.value)
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return value
