"""Many tangent vectors of one member: each is a lane, and the state that they belong to is shared by all lanes."""

from __future__ import annotations

import numpy as np

from ...engine.cache import remembered
from ...engine.driver import driver
from ...engine.native import Straight, Workspace
from ...engine.program import Builder, Program
from ...integrators.explicit import Stages
from ...integrators.groups import Compiled
from ...integrators.tableaux import Tableau

MOST = 64
"""Most lanes of a kernel."""


class TangentLanes(Compiled):
    """Equal steps (or iterates), compiled: ``base`` moves the state and notes the arguments of all stages, at which
    ``tangent`` moves the vectors.

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
        n, parameters, stages = jvp.inputs["y"], jvp.inputs["p"], len(tableau.b) if tableau else 1
        workspace = Workspace(-(-k // 8) * 8).lanes(V=n)
        workspace.shared(y=rhs.inputs["y"], p=parameters, stages=stages * n, t0=1, dt=1, index=1)
        kernels = {"base": Straight(_base(rhs, n, tableau)), "tangent": Straight(_tangent(jvp, stages, tableau))}
        super().__init__(workspace, kernels, ("y", "p", "index", "V"))
        self.k, self.n, self.size = k, n, rhs.inputs["y"]

    def run(
        self, work: np.ndarray, y: np.ndarray, p: np.ndarray, vectors: np.ndarray, origin: int, rounds: int, every: int
    ) -> np.ndarray:
        """Take ``rounds`` times ``every`` steps from step ``origin`` on, with Gram-Schmidt after each ``every``.

        Changes the state ``y`` and the vectors ``(n, lanes)``; returns the squares ``(rounds, k)`` of the lengths
        found.
        """
        squares, scratch = np.empty((rounds, self.k)), np.empty(self.width)
        driver("attrax.analysis.lyapunov.drivers", "vectors_in_lanes")(
            *(self.kernels["base"], self.kernels["tangent"], work, self.field, self.width, self.n, self.size, len(p)),
            *(self.k, y, p, vectors, origin, rounds, every, squares, scratch),
        )
        return squares


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
    """Stages of tangent vectors, at states that were noted."""

    def __init__(self, b: Builder, jvp: Program, *arguments, noted):
        super().__init__(b, jvp, *arguments)
        self.jvp, self.noted = jvp, iter(noted)

    def derivative(self, t, y):
        given = {"t": [t], "y": next(self.noted), "p": self.p, "v": y}
        return self.builder.inline(self.jvp, given)["Jv"]


def _base(rhs: Program, n: int, tableau: Tableau | None) -> Program:
    b = Builder()
    y, p, t, h = _inputs(b, rhs, "y")
    if tableau is None:
        return b.program({"y": b.inline(rhs, {"t": [t], "y": y, "p": p})["f"], "stages": y[:n]}).fused()
    stages = _Noted(b, rhs, tableau, t, y, h, p)
    stages.run()
    return b.program({"y": stages.moved(tableau.b), "stages": [v for noted in stages.noted for v in noted[:n]]}).fused()


def _tangent(jvp: Program, count: int, tableau: Tableau | None) -> Program:
    b = Builder()
    v, p, t, h = _inputs(b, jvp, "V")
    n = len(v)
    flat = b.input("stages", count * n)
    noted = [flat[i * n : (i + 1) * n] for i in range(count)]
    if tableau is None:
        return b.program({"V": b.inline(jvp, {"t": [t], "y": noted[0], "p": p, "v": v})["Jv"]}).fused()
    stages = _Linear(b, jvp, tableau, t, v, h, p, noted=noted)
    stages.run()
    return b.program({"V": stages.moved(tableau.b)}).fused()


def _inputs(b: Builder, program: Program, name: str) -> tuple[list[int], list[int], int, int]:
    (t0,), (dt,), (index,) = b.input("t0", 1), b.input("dt", 1), b.input("index", 1)
    values, p = b.input(name, program.inputs["y"]), b.input("p", program.inputs["p"])
    return values, p, b.fma(index, dt, t0), dt
