"""Many tangent vectors of one member: each is a lane, and the state that they belong to is shared by all lanes."""

from __future__ import annotations

import numpy as np

from ...engine.cache import remembered
from ...engine.driver import driver
from ...engine.native import Straight, Workspace
from ...engine.parting import depth_first, parted
from ...engine.program import Builder, Program
from ...integrators.explicit import Stages
from ...integrators.groups import Compiled
from ...integrators.tableaux import Tableau

MOST = 64
"""Most lanes of a kernel."""
CHAINS = 8
"""Partial sums of an inner product, which hide each other's latency."""


class TangentLanes(Compiled):
    """Equal steps (or iterates), compiled: ``base`` moves the state and notes what it knows of the derivatives at all
    stages, with which ``tangent`` moves the vectors; ``measure`` and ``clear`` are one column of Gram-Schmidt.

    Parameters
    ----------
    rhs, jvp : Program
        The right-hand side, whose state may have further components after those of the system, and its derivative along
        a vector.
    tableau : Tableau
        None for maps.
    k : int
        Number of vectors.
    """

    def __init__(self, rhs: Program, jvp: Program, tableau: Tableau | None, k: int):
        base, tangent = (depth_first(part.fused()) for part in parted(_step(rhs, jvp, tableau), "V"))
        n = jvp.inputs["y"]
        workspace = Workspace(-(-k // 8) * 8).lanes(V=n, overlap=1, scale=1)
        workspace.shared(y=rhs.inputs["y"], p=jvp.inputs["p"], known=tangent.inputs["known"])
        workspace.shared(t0=1, dt=1, index=1, direction=n, inverse=1)
        programs = {"base": base, "tangent": tangent, "measure": _measure(n), "clear": _clear(n)}
        kernels = {name: Straight(program) for name, program in programs.items()}
        super().__init__(workspace, kernels, ("y", "p", "index", "V", "direction", "inverse", "overlap", "scale"))
        self.k, self.n, self.size = k, n, rhs.inputs["y"]
        self.addresses = np.array([self.kernels[name] for name in programs])

    def run(
        self,
        work: np.ndarray,
        y: np.ndarray,
        p: np.ndarray,
        vectors: np.ndarray,
        origin: int,
        points: int,
        steps: int,
        every: int,
    ) -> tuple[int, np.ndarray]:
        """Take ``steps`` steps to each of the points, from step ``origin`` on, with Gram-Schmidt after each ``every``.

        Changes the state ``y`` and the vectors ``(n, lanes)``; returns the number of points up to which the state is
        finite, and the growth ``(points, k + 1)`` of the vectors and of what follows the state, which begins anew.
        """
        rounds = -(-steps // every)
        squares, further = np.ones((points, rounds, self.k)), np.zeros(points)
        reached = driver("attrax.analysis.lyapunov.drivers", "vectors_in_lanes")(
            *(self.addresses, work, self.field, self.width, self.n, self.size, len(p), self.k, y, p, vectors),
            *(origin, points, steps, every, squares, further),
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            grown = 0.5 * np.log(squares).sum(axis=1)
        return reached, np.column_stack([grown, further])


tangent_lanes = remembered(TangentLanes)


class _Noted(Stages):
    """Stages that note where the right-hand side is asked for."""

    def __init__(self, b: Builder, rhs: Program, *arguments):
        super().__init__(b, rhs, *arguments)
        self.rhs = rhs
        self.noted: list[list[int]] = []

    def derivative(self, t, y):
        self.noted.append(list(y))
        return self.builder.inline(self.rhs, {"t": [t], "y": y, "p": self.p})["f"]


class _Linear(Stages):
    """Stages of a tangent vector, at states that were noted."""

    def __init__(self, b: Builder, jvp: Program, *arguments, noted):
        super().__init__(b, jvp, *arguments)
        self.jvp, self.noted = jvp, iter(noted)

    def derivative(self, t, y):
        given = {"t": [t], "y": next(self.noted), "p": self.p, "v": y}
        return self.builder.inline(self.jvp, given)["Jv"]


def _step(rhs: Program, jvp: Program, tableau: Tableau | None) -> Program:
    """A step of the state ``y`` and of a vector ``V``."""
    b, n = Builder(), jvp.inputs["y"]
    (t0,), (h,), (index,) = b.input("t0", 1), b.input("dt", 1), b.input("index", 1)
    y, v, p = b.input("y", rhs.inputs["y"]), b.input("V", n), b.input("p", rhs.inputs["p"])
    t = b.fma(index, h, t0)
    if tableau is None:
        moved = b.inline(rhs, {"t": [t], "y": y, "p": p})["f"]
        return b.program({"y": moved, "V": b.inline(jvp, {"t": [t], "y": y[:n], "p": p, "v": v})["Jv"]})
    stages = _Noted(b, rhs, tableau, t, y, h, p)
    stages.run()
    linear = _Linear(b, jvp, tableau, t, v, h, p, noted=[noted[:n] for noted in stages.noted])
    linear.run()
    return b.program({"y": stages.moved(tableau.b), "V": linear.moved(tableau.b)})


def _measure(n: int) -> Program:
    """Inner products of a direction, which all lanes share, with the vectors."""
    b = Builder()
    sums = [b.constant(0.0)] * CHAINS
    for j, (u, v) in enumerate(zip(b.input("direction", n), b.input("V", n), strict=True)):
        sums[j % CHAINS] = b.fma(u, v, sums[j % CHAINS])
    return b.program({"overlap": [b.sum(sums)]})


def _clear(n: int) -> Program:
    """The vectors less their parts along the direction, ``inverse`` the square of whose length."""
    b = Builder()
    part = b.neg(b.mul(b.input("overlap", 1)[0], b.input("inverse", 1)[0]))
    pairs = zip(b.input("direction", n), b.input("V", n), strict=True)
    return b.program({"V": [b.fma(u, part, v) for u, v in pairs]})
