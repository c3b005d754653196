"""The model of a scenario file: an experiment as data.

The JSON Schema of `Scenario` (``attrax schema``) lets editors complete and check scenario files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    create_model,
    field_validator,
)

from .analyses import ANALYSES
from .fields import (
    Count,
    Draw,
    Model,
    NameOf,
    NotNegative,
    NumberOrArray,
    OneKey,
    ParameterName,
    Positive,
    StateName,
    SweptName,
    Values,
    nearest,
    problem,
    show,
)
from .figures import FIGURES
from .inputs import InputName, InputStream

InitialValue = Annotated[
    Annotated[Draw, Tag("<draw>")] | Annotated[NumberOrArray, Tag("<value>")],
    Discriminator(lambda value: "<draw>" if isinstance(value, (dict, Draw)) else "<value>"),
]
MOST_SAMPLES = 1e8

Initial = Annotated[
    Annotated[Literal["random"], Tag("<name>")] | Annotated[dict[StateName, InitialValue], Tag("<values>")],
    Discriminator(lambda value: "<values>" if isinstance(value, dict) else "<name>"),
]


def _increasing(times: list[float]) -> list[float]:
    if any(after <= before for before, after in zip(times, times[1:], strict=False)):
        raise problem("expected increasing times")
    return times


def _kind_of_sample(value: Any) -> str:
    return "<times>" if isinstance(value, list) else "<end>" if isinstance(value, str) else "<spacing>"


Sample = Annotated[
    Annotated[Positive, Tag("<spacing>")]
    | Annotated[list[float], Field(min_length=1), AfterValidator(_increasing), Tag("<times>")]
    | Annotated[Literal["end"], Tag("<end>")],
    Discriminator(_kind_of_sample),
]


class Simulate(Model):
    """How the system is advanced in time."""

    t_start: float = 0.0
    """First time."""
    t_end: float
    """Last time, in the time unit of the system."""
    method: Annotated[str, AfterValidator(NameOf("method"))] | None = None
    """The method of integration; by default tsit5 for flows, iterate for maps."""
    dt: Positive | None = Field(default=None, validate_default=True)
    """The step of a method of fixed steps."""
    rtol: Positive | None = None
    """Relative tolerance of an adaptive method."""
    atol: Positive | None = None
    """Absolute tolerance of an adaptive method."""
    sample: Sample | None = None
    """What is kept: a spacing in time, a list of times, or 'end'; 1000 intervals by default."""
    transient: NotNegative | None = None
    """Time that passes before anything is kept."""
    max_steps: Count | None = None
    """Give up after this many steps."""

    @field_validator("t_end")
    @classmethod
    def _after_start(cls, t_end: float, info: ValidationInfo) -> float:
        t_start = info.data.get("t_start", 0.0)
        if t_end <= t_start:
            raise problem(f"expected a number greater than t_start = {t_start:g}, got {t_end:g}")
        return t_end

    @field_validator("dt")
    @classmethod
    def _where_needed(cls, dt: float | None, info: ValidationInfo) -> float | None:
        context, method = info.context or {}, info.data.get("method")
        if dt is None and method in context.get("method of equal steps", ()):
            raise problem(f"the method {method!r} has steps of equal length; give dt")
        if dt is not None and context.get("kind") == "map":
            raise problem("a map has no dt; leave it out")
        return dt

    @field_validator("sample")
    @classmethod
    def _not_too_many(cls, sample: Any, info: ValidationInfo) -> Any:
        if isinstance(sample, float) and {"t_start", "t_end"} <= set(info.data):
            count = (info.data["t_end"] - info.data["t_start"]) / sample
            if count > MOST_SAMPLES:
                raise problem(f"expected at most {MOST_SAMPLES:g} samples, got {count:.2g}; take a wider spacing")
        return sample


class Output(Model):
    """Where the results go."""

    file: str | None = Field(default=None, min_length=1)
    """HDF5 file, relative to the current directory; the scenario's name with .h5 by default."""
    compression: Literal["none", "gzip", "blosc"] = "none"
    """none is fastest, gzip is read everywhere, blosc needs the package hdf5plugin."""


def _step(name: str, models: Mapping[str, type[Model]], doc: str) -> type[OneKey]:
    fields: dict[str, Any] = {
        key: (model, Field(default=None, description=model.__doc__)) for key, model in models.items()
    }
    return create_model(name, __base__=OneKey, __doc__=doc, **fields)


if TYPE_CHECKING:
    AnalysisStep = OneKey
    FigureStep = OneKey
else:
    AnalysisStep = _step("AnalysisStep", ANALYSES, "One analysis and its options.")
    FigureStep = _step("FigureStep", FIGURES, "One figure and its options.")


def _name_to_mapping(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in FIGURES:
        raise problem(f"{show(value)} is not a figure{nearest(value, FIGURES)}")
    return {value: {}}


Plot = Annotated[
    FigureStep,
    BeforeValidator(
        _name_to_mapping,
        json_schema_input_type=Literal[tuple(FIGURES)] | FigureStep,  # type: ignore[valid-type]
    ),
]


class Scenario(Model):
    """An experiment: a system, how to simulate and sweep it, what to analyse and what to draw."""

    system: str = Field(min_length=1)
    """A catalogued system (see: attrax list), or file.py:function, which is run only with --trust."""
    title: str | None = None
    """What the experiment shows, for headings and figures."""
    parameters: dict[ParameterName, NumberOrArray] = {}
    """Values of the system's parameters; the others keep their defaults."""
    inputs: dict[InputName, InputStream] = {}
    """What drives the system in place of the input streams that it declares."""
    initial: Initial = {}
    """Initial values by state (numbers, lists or random draws), or 'random': every state near its default."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of everything that is drawn."""
    simulate: Simulate | None = None
    """How the system is advanced in time."""
    sweep: Annotated[dict[SweptName, Values], Field(min_length=1)] | None = None
    """Parameters or scalar states and their values; several make a grid."""
    analysis: list[AnalysisStep] = Field(default=[], validate_default=True)
    """What is computed besides trajectories."""
    output: Output = Output()
    """Where the results go."""
    plots: list[Plot] = []
    """Figures, as PNG files beside the output."""

    @field_validator("sweep")
    @classmethod
    def _something_to_sweep(cls, sweep: dict | None, info: ValidationInfo) -> dict | None:
        if sweep and "simulate" in info.data and info.data["simulate"] is None:
            raise problem("a sweep needs the key 'simulate'")
        return sweep

    @field_validator("analysis")
    @classmethod
    def _something_to_do(cls, analysis: list, info: ValidationInfo) -> list:
        if not analysis and "simulate" in info.data and info.data["simulate"] is None:
            raise problem("expected the key 'simulate', or at least one analysis; got neither")
        labels = [step.value.label for step in analysis if step.value.label]
        if taken := {"trajectory", *(label for label in labels if labels.count(label) > 1)}.intersection(labels):
            raise problem(f"label {sorted(taken)[0]!r} is taken; give each analysis its own")
        return analysis

    @field_validator("plots")
    @classmethod
    def _something_to_draw(cls, plots: list, info: ValidationInfo) -> list:
        if not {"simulate", "analysis"} <= set(info.data):
            return plots
        computed = {figure for step in info.data["analysis"] for figure in step.value.figures}
        if info.data["simulate"] is not None:
            computed |= {"time_series", "phase_portrait", "raster"}
        for plot in plots:
            if plot.key not in computed:
                able = [repr(name) for name, each in ANALYSES.items() if plot.key in each.figures]
                need = f"an analysis {' or '.join(able)}" if able else "the key 'simulate'"
                raise problem(f"the figure {plot.key!r} needs {need}")
        return plots

    @property
    def groups(self) -> list[str]:
        """The group of each analysis: its label or its name, numbered where that is taken."""
        names: list[str] = []
        taken = {"trajectory", *(step.value.label for step in self.analysis)}
        for step in self.analysis:
            name, number = step.value.label or step.key, 1
            while not step.value.label and name in taken:
                number += 1
                name = f"{step.key}_{number}"
            names.append(name)
            taken.add(name)
        return names


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of scenario files."""

    def tidy(schema: Any) -> Any:
        if isinstance(schema, list):
            return [tidy(each) for each in schema]
        if isinstance(schema, dict):
            return {key: tidy(each) for key, each in schema.items() if (key, each) != ("default", None)}
        return schema

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **tidy(Scenario.model_json_schema())}
