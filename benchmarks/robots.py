"""An ensemble of the sphere robot: 28 states, contact and friction as selections, RK4 with a step of 1 ms."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .harness import Contender, Limit, Ratio, Table, Work
from .native import call, library
from .problems import Array

MEMBERS, SECONDS, DT = 512, 4.0, 1e-3
MAP = 1500 * 320.0 / (MEMBERS * SECONDS)
"""Work of the map of modes (500 cells, 3 starts, 320 s), in pieces of the size of this benchmark."""

# run(states (members, 28), seconds) -> states at the end
Run = Callable[[Array, float], Array]


def tables() -> Iterator[Table]:
    yield Table(
        title="Sphere robot, ensemble",
        work=f"{MEMBERS} spheres with random weights w0 and z0, {SECONDS:g} s of motion, RK4 with dt = 1 ms; times are "
        f"of {MAP:.0f} such pieces, as many as the map of modes needs. The error is the difference from C after 0.5 s.",
        contenders=[
            Contender("attrax", _work(_attrax), share=1 / MAP, adapts=False),
            Contender("C, gcc -O3 -march=native, scalar", _work(_c), share=1 / MAP, adapts=False),
        ],
        goals=[Ratio("C, gcc", "attrax", 3.0), Limit("attrax", 1200.0)],
    )


def _work(make: Callable[[Array], Run]) -> Callable[[float], Work]:
    def prepare(_: float) -> Work:
        rng = np.random.default_rng(1)
        weights = np.column_stack([rng.uniform(100, 320, MEMBERS), rng.uniform(-700, -200, MEMBERS)])
        states = _states(rng)
        run, check = make(weights), _c(weights)(states[:8], 0.5) if make is not _c else None

        def error() -> float:
            return 0.0 if check is None else float(np.abs(run(states, 0.5)[:8] - check).max())

        return Work(lambda: run(states, SECONDS), error)

    return prepare


def _states(rng: np.random.Generator) -> Array:
    """Spheres at rest, turned at random, with random neurons."""
    q = rng.normal(size=(MEMBERS, 4))
    states = np.zeros((MEMBERS, 28))
    states[:, 2] = 0.22938
    states[:, 3:7] = q / np.linalg.norm(q, axis=1, keepdims=True)
    states[:, 19:22] = rng.uniform(-5, 5, (MEMBERS, 3))
    states[:, 22:25] = 1.0
    states[:, 25:28] = rng.uniform(0, 1, (MEMBERS, 3))
    return states


def _attrax(weights: Array) -> Run:
    import attrax as ax

    sphere = ax.systems.robots.sphere

    def run(states: Array, seconds: float) -> Array:
        blocks = sphere.unpack(states)
        parameters = ax.zip(w0=weights[: len(states), 0], z0=weights[: len(states), 1], **blocks)
        data = ax.simulate(sphere, seconds, method="rk4", dt=DT, sample="end", parameters=parameters, workers=1)
        return np.concatenate([np.asarray(data[name])[:, 0] for name in blocks], axis=1)

    return run


def _c(weights: Array) -> Run:
    import attrax as ax

    sphere = ax.systems.robots.sphere
    p = np.tile(sphere.parameter_vector, (len(weights), 1))
    p[:, sphere.parameter_slices["w0"]], p[:, sphere.parameter_slices["z0"]] = weights[:, :1], weights[:, 1:]

    def run(states: Array, seconds: float) -> Array:
        states = states.copy()
        call(library("sphere").sphere, len(states), p, states, round(seconds / DT), DT)
        return states

    return run
