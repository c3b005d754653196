"""The building blocks of the scenario schema: the strict base model, numbers, value ranges and names.

Names (of parameters, states, methods...) are checked while pydantic validates, against the sets of valid
names that the loader passes as validation context; without a context any name is accepted.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError


def nearest(name: str, valid: Iterable[str]) -> str:
    """Say which valid names resemble `name`, as the end of a sentence: ``; did you mean 'x'?``."""
    valid = sorted(valid)
    tails = {each: each.rpartition(".")[2] for each in valid}
    close = [each for each in valid if tails[each] == name] or _resembling(name, valid)
    if not close:
        alike = _resembling(name, tails.values())
        close = [each for each in valid if tails[each] in alike]
    if close:
        return f"; did you mean {' or '.join(repr(each) for each in close)}?"
    if valid and len(valid) <= 24:
        return f"; valid here: {', '.join(valid)}"
    return ""


def _resembling(name: str, valid: Iterable[str]) -> list[str]:
    alike = difflib.SequenceMatcher(b=name)

    def likeness(each: str) -> float:
        alike.set_seq1(each)
        return alike.ratio()

    close = difflib.get_close_matches(name, list(valid), n=3, cutoff=0.6)
    return [each for each in close if likeness(each) > likeness(close[0]) - 0.2]


def show(value: Any) -> str:
    """Write a value for an error message: short, one line, printable."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def problem(message: str) -> PydanticCustomError:
    """Make a validation error whose text stands as it is in the report to the user."""
    return PydanticCustomError("attrax", "{message}", {"message": message})


class Model(BaseModel):
    """A mapping of the scenario: unknown keys, wrong types, infinities and NaN are refused."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class OneKey(Model):
    """A mapping that holds exactly one of its possible keys."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    @model_validator(mode="after")
    def _exactly_one(self):
        if len(self.model_fields_set) != 1:
            names = ", ".join(type(self).model_fields)
            given = ", ".join(sorted(self.model_fields_set)) or "none"
            raise problem(f"expected exactly one key out of {names}; got {given}")
        return self

    @property
    def key(self) -> str:
        """The one key that is given."""
        return next(iter(self.model_fields_set))

    @property
    def value(self) -> Any:
        """The value of the one key that is given."""
        return getattr(self, self.key)


def _number_or_array(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, list)):
        raise problem(f"expected a number or a list of numbers, got {show(value)}")
    if isinstance(value, list):
        if not value:
            raise problem("expected a number or a list of numbers, got an empty list")
        if len({_shape(_number_or_array(each)) for each in value}) > 1:
            raise problem("expected rows of equal length, got a ragged list")
    elif not abs(value) < math.inf:
        raise problem(f"expected a finite number, got {value}")
    return value


def _shape(value: Any) -> tuple[int, ...]:
    return (len(value), *_shape(value[0])) if isinstance(value, list) else ()


Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1, le=10**9)]


def _ordered(ends: list[float]) -> list[float]:
    if ends[0] >= ends[1]:
        raise problem(f"expected [lowest, highest] with lowest < highest, got {show(ends)}")
    return ends


Interval = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_ordered)]

NumberOrArray = Annotated[
    Any,
    BeforeValidator(_number_or_array),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "array"}]}),
]


class Draw(OneKey):
    """A random initial value, drawn with the scenario's seed for every element of the state block."""

    uniform: Interval = Field(default=None)
    """Evenly between [lowest, highest]."""
    normal: list[float] = Field(default=None, min_length=2, max_length=2)
    """Normally distributed, [mean, standard deviation]."""

    @field_validator("normal")
    @classmethod
    def _spread(cls, moments: list[float]) -> list[float]:
        if moments[1] <= 0:
            raise problem(f"expected [mean, standard deviation] with a positive deviation, got {show(moments)}")
        return moments


class NameOf:
    """Marks a text as the name of something of the scenario's system: a parameter, a state, a method...

    The valid names come as validation context, ``{"parameter": {...}, "state": {...}, ...}``. Where `indexed`
    is true a name may carry an index into its block, ``x[0]``, checked against the context's ``"shapes"``.
    """

    def __init__(self, *kinds: str, indexed: bool = False):
        self.kinds = kinds
        self.indexed = indexed

    def __call__(self, name: str, info: ValidationInfo) -> str:
        context = info.context or {}
        if any(kind not in context for kind in self.kinds):
            return name
        valid = {each for kind in self.kinds for each in context[kind]}
        match = re.fullmatch(r"(\w+)\[(\d+(?:, ?\d+)*)\]", name) if self.indexed else None
        base = match[1] if match else name
        if base not in valid:
            what, system = " or ".join(self.kinds), context.get("system", "this system")
            article = "an" if what[0] in "aeiou" else "a"
            raise problem(f"{show(name)} is not {article} {what} of {system}{nearest(base, valid)}")
        if match and base in context.get("shapes", {}):
            shape = context["shapes"][base]
            index = [int(each) for each in match[2].split(",")]
            if len(index) != len(shape) or any(i >= size for i, size in zip(index, shape, strict=True)):
                raise problem(f"{name!r} is outside the block {base!r}, whose shape is {shape}")
        return name


ParameterName = Annotated[str, AfterValidator(NameOf("parameter"))]
ScalarName = Annotated[str, AfterValidator(NameOf("scalar parameter"))]
StateName = Annotated[str, AfterValidator(NameOf("state"))]
SweptName = Annotated[str, AfterValidator(NameOf("scalar parameter", "scalar state"))]
VariableName = Annotated[str, AfterValidator(NameOf("state", "observable", indexed=True))]


class Range(Model):
    """Equally spaced values from one end to the other, both included."""

    start: float = Field(alias="from")
    """First value."""
    stop: float = Field(alias="to")
    """Last value."""
    points: Count
    """How many values."""
    scale: Literal["linear", "log"] = "linear"
    """Equal steps of the value (linear) or of its logarithm (log; both ends positive)."""

    @field_validator("points")
    @classmethod
    def _worth_it(cls, points: int, info: ValidationInfo) -> int:
        if points > 1 and "start" in info.data and info.data["start"] == info.data.get("stop"):
            raise problem("expected 1 point where 'from' and 'to' are equal, got " + str(points))
        return points

    @field_validator("scale")
    @classmethod
    def _positive_ends(cls, scale: str, info: ValidationInfo) -> str:
        ends = [info.data[key] for key in ("start", "stop") if key in info.data]
        if scale == "log" and any(end <= 0 for end in ends):
            raise problem(f"scale log needs positive 'from' and 'to', got {' and '.join(map(str, ends))}")
        return scale


def _range_or_list(value: Any) -> str:
    return "<range>" if isinstance(value, (dict, Range)) else "<list>"


Values = Annotated[
    Annotated[Range, Tag("<range>")] | Annotated[list[float], Field(min_length=1), Tag("<list>")],
    Discriminator(_range_or_list),
]


def expand(values: Range | list[float]):
    """Return the values of a range or a list as a float64 array."""
    import numpy as np

    if isinstance(values, list):
        return np.array(values, dtype=np.float64)
    space = np.geomspace if values.scale == "log" else np.linspace
    return space(values.start, values.stop, values.points)
