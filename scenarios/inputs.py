"""Input streams in a scenario: what drives a system in place of the streams that it declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from .fields import NameOf, NumberOrArray, OneKey

if TYPE_CHECKING:
    from ..engine.stream import Stream

InputName = Annotated[str, AfterValidator(NameOf("input"))]


class InputStream(OneKey):
    """An input stream by its kind; random ones are drawn with the scenario's seed."""

    normal: list[float] = Field(default=None, min_length=2, max_length=2)
    """[mean, standard deviation]."""
    uniform: list[float] = Field(default=None, min_length=2, max_length=2)
    """Evenly between [lowest, highest]."""
    laplace: list[float] = Field(default=None, min_length=2, max_length=2)
    """[mean, scale]."""
    bimodal: list[float] = Field(default=None, min_length=3, max_length=4)
    """Normal about two means, [first mean, second mean, standard deviation, weight of the first (0.5)]."""
    bernoulli: list[float] = Field(default=None, min_length=1, max_length=1)
    """Ones with [probability], else zeros."""
    choice: NumberOrArray = None
    """A list of patterns, one of which is drawn each time."""
    array: NumberOrArray = None
    """Values in their order, beginning again after the last."""
    hdf5: list[str] = Field(default=None, min_length=2, max_length=2)
    """The same out of [file, dataset]; the file relative to the current directory."""

    def stream(self) -> Stream:
        """Return the stream."""
        from ..engine import stream

        given = [self.value] if self.key in ("choice", "array") else self.value
        return getattr(stream, self.key)(*given)
