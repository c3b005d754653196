"""Branches of limit cycles: the demos ab, pp2 and lor of AUTO-07p, from their Hopf points on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .harness import Contender, Table, Work

POINTS = 100
"""Cycles computed of each branch; times are of ten such branches, that is 1000 cycles."""


def tables() -> Iterator[Table]:
    for name in DEMOS:
        yield Table(
            title=f"Limit cycles, AUTO's demo {name}",
            work=f"{POINTS} cycles from the Hopf point on, with 4 collocation points in each interval, Floquet "
            "multipliers and bifurcations; times are of 1000 cycles. The error is that of the trivial multiplier.",
            contenders=[
                Contender(f"attrax, {n} intervals or more", _branch(name, n), share=POINTS / 1000, adapts=False)
                for n in (20, 50)
            ],
        )


def _branch(name: str, intervals: int) -> Callable[[float], Work]:
    def prepare(_: float) -> Work:
        from attrax.analysis import continue_cycles, continue_fixed_points

        make, (parameter, bounds) = DEMOS[name]
        system = make()
        hopf = continue_fixed_points(system, parameter, bounds).special("H")[0]

        def run() -> Any:
            return continue_cycles(
                system, parameter, bounds, start=hopf, intervals=intervals, max_step=0.02, max_points=POINTS
            )

        def error() -> float:
            values = run().data.eigenvalues.values
            return float(np.median(abs(values - 1).min(axis=1)))

        branch = run()
        if len(branch) < POINTS / 2:
            raise ArithmeticError(f"the branch ends after {len(branch)} points: {branch.endings[1]}")
        return Work(run, error)

    return prepare


def _ab() -> Any:
    import jax.numpy as jnp

    import attrax as ax

    @ax.flow(state={"u1": (), "u2": ()}, parameters={"p1": 0.01, "p2": 14.0})
    def ab(t, s, p):
        e = jnp.exp(s.u2)
        rate = p.p1 * (1 - s.u1) * e
        return {"u1": -s.u1 + rate, "u2": -s.u2 + p.p2 * rate - 3 * s.u2}

    return ab


def _pp2() -> Any:
    import jax.numpy as jnp

    import attrax as ax

    @ax.flow(state={"u1": (), "u2": ()}, parameters={"p1": 0.5}, initial={"u1": 0.4, "u2": 1.0})
    def pp2(t, s, p):
        rate = 3 * s.u1 * (1 - s.u1) - s.u1 * s.u2 - p.p1 * (1 - jnp.exp(-5 * s.u1))
        return {"u1": rate, "u2": -s.u2 + 3 * s.u1 * s.u2}

    return pp2


def _lor() -> Any:
    import attrax as ax

    return ax.systems.chaos.lorenz.with_parameters(rho=10.0).with_initial(x=5.0, y=5.0, z=9.0)


DEMOS: dict[str, tuple[Callable[[], Any], tuple[str, tuple[float, float]]]] = {
    "ab": (_ab, ("p1", (0.0, 0.25))),
    "pp2": (_pp2, ("p1", (0.0, 1.0))),
    "lor": (_lor, ("rho", (1.0, 30.0))),
}
