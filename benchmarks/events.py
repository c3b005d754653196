"""Ensembles with events beside the same without: passages of a section, spikes that reset the state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from .harness import Contender, Ratio, Table, Work

MEMBERS, END = 10_000, 10.0


def tables() -> Iterator[Table]:
    for method in ("tsit5", "dop853"):
        yield Table(
            title=f"Events that are recorded, {method}",
            work=f"Lorenz, {MEMBERS} members to t = {END:g}, rtol = atol = 1e-6: when z grows through 27.",
            contenders=[
                Contender("without", _lorenz(method, ())),
                Contender("with events", _lorenz(method, {"up": "z > 27"})),
            ],
            goals=[Ratio("without", "with events", 1 / 1.5)],
            tolerance=1e-6,
        )
    yield Table(
        title="Events that reset the state",
        work="Izhikevich's neuron, 2000 members with currents from 4 to 20, 200 ms, rtol = atol = 1e-6.",
        contenders=[Contender("attrax tsit5", _spiking)],
        tolerance=1e-6,
    )


def _lorenz(method: str, events: Any) -> Callable[[float], Work]:
    def prepare(tolerance: float) -> Work:
        import attrax as ax

        how: dict[str, Any] = {"method": method, "rtol": tolerance, "atol": tolerance, "sample": "end", "workers": 1}
        rho = np.linspace(24.0, 32.0, MEMBERS)
        system = ax.systems.get("chaos.lorenz")
        return Work(lambda: ax.simulate(system, END, parameters={"rho": rho}, events=events, **how))

    return prepare


def _spiking(tolerance: float) -> Work:
    import attrax as ax

    currents = np.linspace(4.0, 20.0, 2000)
    how: dict[str, Any] = {"rtol": tolerance, "atol": tolerance, "sample": "end", "workers": 1}
    return Work(lambda: ax.simulate(_izhikevich(), 200.0, parameters={"i": currents}, **how))


@cache
def _izhikevich() -> Any:
    import attrax as ax

    @ax.flow(
        state={"v": (), "u": ()},
        parameters={"a": 0.02, "b": 0.2, "c": -65.0, "d": 8.0, "i": 10.0},
        initial={"v": -65.0, "u": -13.0},
        events={
            "spike": ax.event(
                lambda t, s, p: s.v - 30.0, direction="up", reset=lambda t, s, p: {"v": p.c, "u": s.u + p.d}
            )
        },
        source="Izhikevich, IEEE Trans. Neural Networks 14, 1569 (2003)",
    )
    def izhikevich(t, s, p):
        return {"v": 0.04 * s.v**2 + 5 * s.v + 140 - s.u + p.i, "u": p.a * (p.b * s.v - s.u)}

    return izhikevich
