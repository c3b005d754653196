"""Explicit Runge-Kutta steps as programs, from a right-hand side and a tableau; kernels of steps of equal length."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..engine.native import Kernel, Loop, Straight, Workspace
from ..engine.program import Builder, Program
from .dense import Attempt, Values, interpolant
from .tableaux import Tableau

INLINED = 500
"""Number of operations of all stages up to which the right-hand side is written out at every stage."""


class Stages:
    """The stages of one step of ``tableau``, written into a builder.

    The first ``ready`` of them are known from before, so that sums over them need not wait for one after the other.
    """

    def __init__(self, builder: Builder, rhs: Program, tableau: Tableau, t: int, y: Values, h: int, p: Values):
        self.builder, self.tableau = builder, tableau
        large = rhs.size * (len(tableau.b) + len(tableau.extra_a) + 1) > INLINED
        self.evaluate = partial(builder.call, rhs.fused()) if large else partial(builder.inline, rhs)
        self.t, self.y, self.h, self.p = t, y, h, p
        self.k: list[Values] = []
        self.ready = 0

    def derivative(self, t: int, y: Values) -> list[int]:
        """The right-hand side at ``(t, y)``."""
        return self.evaluate({"t": [t], "y": y, "p": self.p})["f"]

    def at(self, row: Sequence[float], c: float) -> list[int]:
        """The stage at ``t + c h`` whose argument weighs the earlier stages with ``row``."""
        b = self.builder
        time = b.fma(b.constant(c), self.h, self.t) if c else self.t
        return self.derivative(time, self.chained(row))

    def chained(self, row: Sequence[float]) -> list[int]:
        """``y + h row_1 k_1 + h row_2 k_2 + ...``: the fewest operations, a rounding of the size of ``y`` for each."""
        b = self.builder
        result = list(self.y)
        if self.ready:
            known = self.weighted(row[: self.ready])
            result = [b.fma(self.h, w, y) for w, y in zip(known, result, strict=True)]
        for w, k in zip(row[self.ready :], self.k[self.ready :], strict=False):
            if w != 0.0:
                hw = b.mul(self.h, b.constant(w))
                result = [b.fma(hw, slope, y) for slope, y in zip(k, result, strict=True)]
        return result

    def moved(self, row: Sequence[float]) -> list[int]:
        """``y + h sum_i row_i k_i``, component by component, with one rounding of the size of ``y``."""
        b = self.builder
        return [b.fma(self.h, w, y) for w, y in zip(self.weighted(row), self.y, strict=True)]

    def weighted(self, row: Sequence[float]) -> list[int]:
        """``sum_i row_i k_i``."""
        b = self.builder
        terms = [(b.constant(w), k) for w, k in zip(row, self.k, strict=False) if w != 0.0]
        if self.ready:
            return [b.dot([w for w, _ in terms], [k[j] for _, k in terms]) for j in range(len(self.y))]
        sums = []
        for j in range(len(self.y)):
            total = b.constant(0.0)
            for w, k in terms:
                total = b.fma(w, k[j], total)
            sums.append(total)
        return sums

    def run(self, first: Values | None = None) -> None:
        """All stages of ``b`` (the first one given, if known)."""
        for i, (row, c) in enumerate(zip(self.tableau.a, self.tableau.c, strict=True)):
            self.k.append(first if i == 0 and first is not None else self.at(row, c))

    def dense_rows(self, new: Values) -> list[list[int]]:
        """Rows of the dense output, once all stages up to the end of the step are there."""
        b, tableau, h = self.builder, self.tableau, self.h
        first, final = self.k[0], self.k[-1]
        for row, c in zip(tableau.extra_a, tableau.extra_c, strict=True):
            self.k.append(self.at(row, c))
        rise = [b.sub(u, v) for u, v in zip(new, self.y, strict=True)]
        bend = [b.sub(b.mul(h, k), d) for k, d in zip(first, rise, strict=True)]
        twist = [b.sub(b.sub(d, b.mul(h, k)), c) for d, k, c in zip(rise, final, bend, strict=True)]
        return [rise, bend, twist] + [[b.mul(h, w) for w in self.weighted(row)] for row in tableau.bubbles]


def kept(tableau: Tableau) -> int:
    """Number of vectors that the dense output keeps of a step."""
    return len(tableau.b) + 1


def rows(tableau: Tableau) -> int:
    """Number of rows of the dense output."""
    return 3 + len(tableau.bubbles)


def attempt(
    b: Builder, rhs: Program, tableau: Tableau, t: int, end: int, y: Values, h: int, p: Values, k: Values
) -> Attempt:
    """A step from ``(t, y)`` with first stage ``k``."""
    stages = Stages(b, rhs, tableau, t, y, h, p)
    stages.run(k)
    new = stages.moved(tableau.b)
    stages.k.append(stages.derivative(end, new))
    errors = [stages.weighted(row) for row in tableau.error]
    return Attempt(new, stages.k[-1], errors, h, list(stages.k))


def dense_rows(
    b: Builder, rhs: Program, tableau: Tableau, t: int, y: Values, h: int, p: Values, kept: Sequence[Values]
) -> list[list[int]]:
    """Rows of the dense output of a step, from what it kept."""
    stages = Stages(b, rhs, tableau, t, y, h, p)
    stages.k, stages.ready = list(kept), len(kept)
    return stages.dense_rows(stages.moved(tableau.b))


def fixed_kernels(rhs: Program, tableau: Tableau, record: Program | None = None) -> dict[str, Kernel]:
    """Kernels of a fixed step: ``advance`` (a loop of steps) and ``sample`` (dense output in one step).

    Fields: ``y``, ``p`` per lane; ``t0``, ``dt``, ``index``, ``strides`` and ``theta`` shared. ``record``
    computes what is written out from the same fields (default: the state). ``sample`` computes ``ytheta``,
    the state at ``theta`` within the step that begins at ``index``.
    """
    b = Builder()
    stages, y = _fixed_stages(b, rhs, tableau)
    stages.run()
    advance = b.program({"y": stages.chained(tableau.b)}).fused()

    b = Builder()
    stages, y = _fixed_stages(b, rhs, tableau)
    stages.run()
    new = stages.chained(tableau.b)
    stages.k.append(stages.derivative(b.add(stages.t, stages.h), new))
    sample = b.program({"ytheta": interpolant(b, b.input("theta", 1)[0], y, stages.dense_rows(new))}).fused()

    return {"advance": Loop(advance, record or _identity(len(y))), "sample": Straight(sample)}


def map_kernels(rhs: Program, record: Program | None = None) -> dict[str, Kernel]:
    """The kernel ``advance`` of a map, on the memory of :func:`fixed_kernels`; its time is ``index``."""
    b = Builder()
    y, p, index = b.input("y", rhs.inputs["y"]), b.input("p", rhs.inputs["p"]), b.input("index", 1)
    step = b.program({"y": b.inline(rhs, {"t": index, "y": y, "p": p})["f"]}).fused()
    return {"advance": Loop(step, record or _identity(len(y)))}


def fixed_workspace(width: int, dimension: int, parameters: int, alike: bool = False) -> Workspace:
    """The memory of :func:`fixed_kernels`; ``p`` is shared where all lanes have the same parameters (``alike``).

    What depends on the time and shared parameters alone, such as a drive, is then computed once for all lanes.
    """
    workspace = Workspace(width).lanes(y=dimension, ytheta=dimension)
    workspace = workspace.shared(p=parameters) if alike else workspace.lanes(p=parameters)
    return workspace.shared(t0=1, dt=1, index=1, strides=2, theta=1)


def _fixed_stages(b: Builder, rhs: Program, tableau: Tableau) -> tuple[Stages, Values]:
    y, p = b.input("y", rhs.inputs["y"]), b.input("p", rhs.inputs["p"])
    (t0,), (dt,), (index,) = b.input("t0", 1), b.input("dt", 1), b.input("index", 1)
    return Stages(b, rhs, tableau, b.fma(index, dt, t0), y, dt, p), y


def _identity(dimension: int) -> Program:
    b = Builder()
    return b.program({"y": b.input("y", dimension)})
