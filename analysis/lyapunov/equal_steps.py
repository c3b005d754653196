"""Equal steps of tangent vectors, by as many lanes as there are members, or vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...engine.cache import remembered
from ...engine.driver import driver
from ...engine.native import Straight, Workspace, load
from ...engine.program import Builder, Program
from ...integrators import explicit
from ...integrators.fields import DONE, NONFINITE, RUNNING
from ...integrators.groups import Compiled, Pace
from ...integrators.parallel import Tick
from ...integrators.tableaux import TABLEAUX, Tableau
from .tangent import Tangent
from .tangent_lanes import tangent_lanes

if TYPE_CHECKING:
    from .spectrum import _Settings


class Stepped:
    """Members that take equal steps together, or the iterates of a map; each has a lane."""

    def __init__(
        self, tangent: Tangent, how: _Settings, y: np.ndarray, p: np.ndarray, seed: int, width: int, first: int
    ):
        self.tangent, self.how, self.step = tangent, how, 0
        self.tableau = None if how.method == "iterate" else TABLEAUX[how.method]
        self.begin(y, np.ascontiguousarray(p), seed, width)
        self.work = self.compiled.memory(t0=0.0, dt=how.step)
        self.reached = np.zeros(len(y))
        self.closed = np.zeros(len(y), dtype=bool)
        self.status = np.full(len(y), RUNNING)
        self.pace = Pace(20_000)

    def begin(self, y: np.ndarray, p: np.ndarray, seed: int, width: int) -> None:
        """Compile, and fill the lanes."""
        self.lane = self.tangent
        self.compiled: Compiled = _renormalised(self.lane.rhs, self.lane.projection, self.tableau, width)
        self.extended, self.p = self.lane.start(y, seed), p

    def lanes(self, open: np.ndarray) -> np.ndarray:
        """Numbers of the lanes of some members, of which the first hold their states."""
        return open

    def growth(self, grown: np.ndarray) -> np.ndarray:
        """The growth ``(members, points, k + 1)`` that lanes have found."""
        return grown

    def go(self, duration: float, times: int, most: int, tick: Tick) -> np.ndarray:
        """Let the members go on, through as many points as a call of the driver may take."""
        how, lane = self.how, self.lane
        steps = round(duration * times / how.step)
        rounds, rest = divmod(steps, how.every)
        open = np.flatnonzero(~self.closed & (self.status != NONFINITE))
        lanes = self.lanes(open)
        state, p = self.extended[lanes], self.p[lanes]
        amount = max(1, self.pace.amount // max(1, len(lanes)))
        points = min(most, max(1, amount // max(1, rounds)))
        grown, reached = np.zeros((len(lanes), points, lane.k + 1)), np.zeros(len(lanes), dtype=np.int64)

        def run(count: int, rest: int, points: int) -> None:
            before = self.pace.amount
            with self.pace:
                driver("attrax.analysis.lyapunov.drivers", "rounds")(
                    *(self.compiled.kernels["advance"], self.compiled.kernels["project"]),
                    *(self.work, self.compiled.field, self.compiled.width),
                    *(state.shape[1], p.shape[1], state, p, len(lanes), self.step, count, how.every, rest, points),
                    *(lane.system.dimension, lane.growth.start, lane.k + 1, grown, reached),
                )
            if 2 * count * max(points, 1) < amount:
                self.pace.amount = before  # there was less to do than that
            self.step += (count * how.every + rest) * max(points, 1)
            tick(0.0)

        before = self.step
        while rounds > amount:
            run(amount, 0, 0)
            rounds -= amount
        run(rounds, rest, points)
        self.extended[lanes] = state
        reached = reached[: len(open)]
        self.status[open] = np.where(reached == points, DONE, NONFINITE)
        moved = reached > 0
        self.reached[open[moved]] = (before + steps * reached[moved]) * how.step
        found = np.zeros((len(self.status), points, how.k + 1))
        found[open] = self.growth(grown)
        return found


class Abreast(Stepped):
    """One member: its tangent vectors have a lane each, and each lane its state."""

    def begin(self, y: np.ndarray, p: np.ndarray, seed: int, width: int) -> None:
        self.lane, k, n = Tangent(self.tangent.system, 1), self.how.k, self.tangent.system.dimension
        self.compiled = _renormalised_abreast(self.lane.rhs, self.tangent.projection, self.tableau, n, k)
        self.extended = self.lane.start(y.repeat(self.compiled.width, axis=0), seed)
        self.extended[:, n : 2 * n] = 0.0
        self.extended[:k, n : 2 * n] = self.tangent.vectors(seed).T
        self.p = p.repeat(self.compiled.width, axis=0)

    def lanes(self, open: np.ndarray) -> np.ndarray:
        return np.arange(self.compiled.width * len(open))

    def growth(self, grown: np.ndarray) -> np.ndarray:
        each = grown.reshape(len(grown) // self.compiled.width, self.compiled.width, *grown.shape[1:])
        return np.concatenate([each[:, : self.how.k, :, 0], each[:, :1, :, 1]], axis=1).swapaxes(1, 2)


class Wide:
    """Members that take equal steps one after the other, their many tangent vectors side by side."""

    def __init__(
        self, tangent: Tangent, how: _Settings, y: np.ndarray, p: np.ndarray, seed: int, width: int, first: int
    ):
        self.tangent, self.how, self.step = tangent, how, 0
        tableau = None if how.method == "iterate" else TABLEAUX[how.method]
        self.lanes = tangent_lanes(tangent.with_volume, tangent.system.program("jvp"), tableau, how.k)
        self.work = self.lanes.memory(t0=0.0, dt=how.step)
        self.y = np.zeros((len(y), self.lanes.size))
        self.y[:, : tangent.system.dimension] = y
        self.p = np.ascontiguousarray(p)
        self.vectors = np.zeros((len(y), tangent.system.dimension, self.lanes.width))
        self.vectors[..., : how.k] = tangent.vectors(seed)
        self.reached, self.status = np.zeros(len(y)), np.full(len(y), RUNNING)
        self.closed = np.zeros(len(y), dtype=bool)
        self.pace = Pace(1000)

    def go(self, duration: float, times: int, most: int, tick: Tick) -> np.ndarray:
        """Let the members go on, through as many points as a call of the driver may take."""
        steps, before = round(duration * times / self.how.step), self.step
        points = min(most, max(1, self.pace.amount // steps))
        found = np.zeros((len(self.y), points, self.how.k + 1))
        for member in np.flatnonzero(~self.closed & (self.status != NONFINITE)).tolist():
            self.step, left, reached = before, steps, points
            while reached and left > (part := self.how.every * max(1, self.pace.amount // self.how.every)):
                reached, grown = self._run(member, 1, part, tick)
                found[member, 0] += grown[0]
                left -= part
            if reached:
                reached, grown = self._run(member, points, left, tick)
                found[member] += grown
            self.status[member] = DONE if reached == points else NONFINITE
            if reached:
                self.reached[member] = (before + steps * reached) * self.how.step
        self.step = before + steps * points
        if self.lanes.size == self.tangent.system.dimension:
            found[..., -1] = np.nan
        return found

    def _run(self, member: int, points: int, steps: int, tick: Tick) -> tuple[int, np.ndarray]:
        """``steps`` steps to each of the points, by one member."""
        amount = self.pace.amount
        with self.pace:
            result = self.lanes.run(
                *(self.work, self.y[member], self.p[member], self.vectors[member]),
                *(self.step, points, steps, self.how.every),
            )
        if 2 * points * steps < amount:
            self.pace.amount = amount  # there was less to do than that
        self.step += points * steps
        tick(0.0)
        return result


class _Renormalised(Compiled):
    """Equal steps and the projection, compiled."""

    def __init__(self, rhs: Program, projection: Program, tableau: Tableau | None, width: int):
        workspace = explicit.fixed_workspace(width, rhs.inputs["y"], rhs.inputs["p"])
        nothing = Builder().program({})
        kernels = explicit.fixed_kernels(rhs, tableau, nothing) if tableau else explicit.map_kernels(rhs, nothing)
        b = Builder()
        y = b.input("y", rhs.inputs["y"])
        project = b.program({"y": b.inline(projection, {"y": y, "k": [b.constant(0.0)] * len(y)})["y"]}).fused()
        kernels = {"advance": kernels["advance"], "project": Straight(project)}
        super().__init__(workspace, kernels, ("y", "p", "index"))


_renormalised = remembered(_Renormalised)


class _RenormalisedAbreast(Compiled):
    """Equal steps of lanes with a tangent vector each, and the projection of all ``k`` of them, compiled."""

    def __init__(self, rhs: Program, projection: Program, tableau: Tableau | None, n: int, k: int):
        size, width = rhs.inputs["y"], 4 if k <= 4 else 8
        workspace = explicit.fixed_workspace(width, size, rhs.inputs["p"])
        nothing = Builder().program({})
        kernels = explicit.fixed_kernels(rhs, tableau, nothing) if tableau else explicit.map_kernels(rhs, nothing)
        super().__init__(workspace, {"advance": kernels["advance"]}, ("y", "p", "index"))
        project = Straight(_across(projection, n, k, size, width))
        self.kernels |= load({"project": project}, Workspace(1).lanes(y=size * width))


_renormalised_abreast = remembered(_RenormalisedAbreast)


def _across(projection: Program, n: int, k: int, size: int, width: int) -> Program:
    """The projection of ``k`` vectors, each in the extended state of a lane of its own."""
    b = Builder()
    numbers = np.array(b.input("y", size * width)).reshape(size, width)
    alone = numbers[:n, 0], numbers[2 * n + 1 :, 0]
    extended = np.concatenate([alone[0], numbers[n : 2 * n, :k].T.ravel(), numbers[2 * n, :k], alone[1]]).tolist()
    moved = b.inline(projection, {"y": extended, "k": [b.constant(0.0)] * len(extended)})["y"]
    after = dict(zip(extended, moved, strict=True))
    return b.program({"y": [after.get(v, v) for v in numbers.ravel().tolist()]}).fused()
