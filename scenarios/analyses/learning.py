"""Systems that learn."""

from __future__ import annotations

from ..fields import Count, ParameterName, Values, VariableName
from .base import Analysis


class Discrimination(Analysis):
    """How well a learning map tells two kinds of input apart that it has not seen, against training."""

    function = "discrimination"
    figures = ("time_series",)

    times: Values
    """Numbers of iterations of training."""
    score: VariableName
    """The observable that is the output of the system."""
    truth: VariableName
    """The observable that says of which kind the present input is, above 0.5 or not."""
    test: dict[ParameterName, float]
    """Parameters during the tests: what stops learning, and makes both kinds frequent."""
    probes: Count = 4000
    """How many inputs in each test."""
