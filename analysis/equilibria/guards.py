"""Guards of the events of a hybrid flow: where fixed points lie on them."""

from __future__ import annotations

import numpy as np

from ...engine.evaluation import evaluate
from ...engine.events import conditions
from .derivatives import Equations

Vector = np.ndarray
Matrix = np.ndarray

PREFIX = "BE "
"""Test functions are called by this and the name of the event."""


class Guards:
    """The functions ``g`` of located events with a reset or an end, which vanish on their guards."""

    def __init__(self, equations: Equations):
        events = {} if equations.map else equations.system.single_events
        self.equations = equations
        self.events = {
            name: event for name, event in events.items() if event.located and (event.reset or event.terminal)
        }

    def __call__(self, u: Matrix) -> dict[str, Vector]:
        """Their values at many points (points, N), by the names of the test functions."""
        if not self.events:
            return {}
        equations = self.equations
        n, count = equations.n, len(u)
        program = conditions(equations.system, self.events)
        parameters = np.stack([equations.parameters(z) for z in u[:, : n + equations.m]], axis=1)
        blocks = {"t": np.zeros((1, count)), "y": u[:, :n].T, "p": parameters, "f": np.zeros((n, count))}
        values = evaluate(program, **{name: np.ascontiguousarray(blocks[name]) for name in program.inputs})["g"]
        return {PREFIX + name: row for name, row in zip(self.events, values, strict=True)}
