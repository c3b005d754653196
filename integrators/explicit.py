"""Explicit Runge-Kutta steps as programs: from a right-hand side and a tableau to kernels over lanes.

One kernel advances all lanes of a workspace by one step. For adaptive methods every lane has its own time
``t``, step ``h`` (a magnitude; ``direction`` gives the sign) and error history, and keeps its state when the
step is rejected; what needs a decision (end reached, sample due, section crossed, step too small) is reported
by the kernel's bit mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import log2

from ..engine.native import Kernel, Loop, Straight, Workspace
from ..engine.program import Builder, Program
from ..engine.vectormath import fast_exp2, fast_log2
from .tableaux import Tableau

SAFETY = 0.9
INLINED = 500
"""Number of operations of all stages up to which the right-hand side is written out at every stage."""

Values = Sequence[int]


class Stages:
    """The stages of one step of ``tableau``, written into a builder."""

    def __init__(self, builder: Builder, rhs: Program, tableau: Tableau, t: int, y: Values, h: int, p: Values):
        self.builder, self.tableau = builder, tableau
        large = rhs.size * (len(tableau.b) + len(tableau.extra_a) + 1) > INLINED
        self.evaluate = partial(builder.call, rhs.fused()) if large else partial(builder.inline, rhs)
        self.t, self.y, self.h, self.p = t, y, h, p
        self.k: list[Values] = []

    def derivative(self, t: int, y: Values) -> list[int]:
        """The right-hand side at ``(t, y)``."""
        return self.evaluate({"t": [t], "y": y, "p": self.p})["f"]

    def at(self, row: Sequence[float], c: float) -> list[int]:
        """The stage at ``t + c h`` whose argument weighs the earlier stages with ``row``."""
        b = self.builder
        time = b.fma(b.constant(c), self.h, self.t) if c else self.t
        argument = list(self.y)
        for w, k in zip(row, self.k, strict=False):
            if w != 0.0:
                hw = b.mul(self.h, b.constant(w))
                argument = [b.fma(hw, slope, y) for slope, y in zip(k, argument, strict=True)]
        return self.derivative(time, argument)

    def moved(self, row: Sequence[float]) -> list[int]:
        """``y + h sum_i row_i k_i``, component by component, with one rounding of the size of ``y``."""
        b = self.builder
        return [b.fma(self.h, w, y) for w, y in zip(self.weighted(row), self.y, strict=True)]

    def weighted(self, row: Sequence[float]) -> list[int]:
        """``sum_i row_i k_i``."""
        b = self.builder
        terms = [(b.constant(w), k) for w, k in zip(row, self.k, strict=False) if w != 0.0]
        sums = []
        for j in range(len(self.y)):
            total = b.constant(0.0)
            for w, k in terms:
                total = b.fma(w, k[j], total)
            sums.append(total)
        return sums

    def run(self, first: Values | None = None) -> list[int]:
        """All stages of ``b`` (the first one given, if known); returns the new state."""
        for i, (row, c) in enumerate(zip(self.tableau.a, self.tableau.c, strict=True)):
            self.k.append(first if i == 0 and first is not None else self.at(row, c))
        return self.moved(self.tableau.b)


def fixed_kernels(rhs: Program, tableau: Tableau, record: Program | None = None) -> dict[str, Kernel]:
    """Kernels of a fixed step: ``advance`` (a loop of steps) and ``sample`` (dense output in one step).

    Fields: ``y``, ``p`` per lane; ``t0``, ``dt``, ``index``, ``strides`` and ``theta`` shared. ``record``
    computes what is written out from the same fields (default: the state). ``sample`` computes ``ytheta``,
    the state at ``theta`` within the step that begins at ``index``.
    """
    b = Builder()
    stages, y = _fixed_stages(b, rhs, tableau)
    advance = b.program({"y": stages.run()}).fused()

    b = Builder()
    stages, y = _fixed_stages(b, rhs, tableau)
    new = stages.run()
    stages.k.append(stages.derivative(b.add(stages.t, stages.h), new))
    coefficients = _dense_coefficients(b, stages, y, new)
    sample = b.program({"ytheta": _dense(b, b.input("theta", 1)[0], y, coefficients)}).fused()

    return {"advance": Loop(advance, record or _identity(len(y))), "sample": Straight(sample)}


def map_kernels(rhs: Program, record: Program | None = None) -> dict[str, Kernel]:
    """The kernel ``advance`` of a map, on the memory of :func:`fixed_kernels`; its time is ``index``."""
    b = Builder()
    y, p, index = b.input("y", rhs.inputs["y"]), b.input("p", rhs.inputs["p"]), b.input("index", 1)
    step = b.program({"y": b.inline(rhs, {"t": index, "y": y, "p": p})["f"]}).fused()
    return {"advance": Loop(step, record or _identity(len(y)))}


def fixed_workspace(width: int, dimension: int, parameters: int) -> Workspace:
    """The memory of :func:`fixed_kernels`."""
    return (
        Workspace(width)
        .lanes(y=dimension, p=parameters, ytheta=dimension)
        .shared(t0=1, dt=1, index=1, strides=2, theta=1)
    )


def _fixed_stages(b: Builder, rhs: Program, tableau: Tableau) -> tuple[Stages, Values]:
    y, p = b.input("y", rhs.inputs["y"]), b.input("p", rhs.inputs["p"])
    (t0,), (dt,), (index,) = b.input("t0", 1), b.input("dt", 1), b.input("index", 1)
    return Stages(b, rhs, tableau, b.fma(index, dt, t0), y, dt, p), y


def _identity(dimension: int) -> Program:
    b = Builder()
    return b.program({"y": b.input("y", dimension)})


def adaptive_kernels(
    rhs: Program, tableau: Tableau, *, dense: bool, section: Program | None = None
) -> dict[str, Kernel]:
    """Kernels of a step with error control.

    ``start`` computes the first derivative ``k`` and a first step ``h``; ``step`` tries a step. With
    ``dense``, ``step`` keeps what ``prepare`` turns into the coefficients that ``interpolate`` evaluates at
    ``theta``. With ``section`` (a program with output ``value``), the sign of that function is watched, and
    ``interpolate`` gives its value ``gtheta`` as well.
    """
    kernels: dict[str, Kernel] = {
        "start": Straight(_start(rhs, tableau, section)),
        "step": Straight(_step(rhs, tableau, dense, section)),
    }
    if dense:
        kernels["prepare"] = Straight(_prepare(rhs, tableau))
        kernels["interpolate"] = Straight(_interpolate(rhs, tableau, section))
    return kernels


def adaptive_workspace(
    width: int, tableau: Tableau, dimension: int, parameters: int, *, dense: bool
) -> Workspace:
    """The memory of :func:`adaptive_kernels`; the fields before ``active`` are what a member takes along."""
    n, stages = dimension, len(tableau.b) + 1
    return (
        Workspace(width)
        .lanes(t=1, h=1, y=n, k=n, memory=1, held=1, p=parameters)
        .lanes(accepted=1, stuck=1, steps=1, rejected=1, sample=1, sample_time=1, g=1, gold=1, crossed=1)
        .lanes(told=1, hold=1, yold=n, K=stages * n if dense else 0)
        .lanes(active=1, theta=1, ytheta=n, gtheta=1, Q=(3 + len(tableau.bubbles)) * n if dense else 0)
        .shared(t_end=1, direction=1, rtol=1, atol=1, max_step=1, max_steps=1, side=1)
    )


def _start(rhs: Program, tableau: Tableau, section: Program | None) -> Program:
    """First derivative and first step (Hairer, Norsett & Wanner, II.4, squared norms)."""
    b = Builder()
    n = rhs.inputs["y"]
    (t,), y, p = b.input("t", 1), b.input("y", n), b.input("p", rhs.inputs["p"])
    (t_end,), (direction,), (longest,) = (b.input(k, 1) for k in ("t_end", "direction", "max_step"))
    stages = Stages(b, rhs, tableau, t, y, b.constant(0.0), p)
    k = stages.derivative(t, y)
    weights = _weights(b, y, y)
    size, slope = _mean_square(b, y, weights), _mean_square(b, k, weights)
    tiny = b.constant(1e-10)
    small = b.or_(b.lt(size, tiny), b.lt(slope, tiny))
    ratio = b.mul(b.constant(0.01), b.sqrt(b.div(size, _at_least(b, slope, 1e-300))))
    span = b.abs(b.sub(t_end, t))
    first = _smaller(b, b.select(small, b.constant(1e-6), ratio), span)
    move = b.mul(direction, first)
    ahead = stages.derivative(b.add(t, move), [b.fma(move, f, x) for f, x in zip(k, y, strict=True)])
    curvature = b.div(
        _mean_square(b, [b.sub(u, v) for u, v in zip(ahead, k, strict=True)], weights),
        _at_least(b, b.mul(first, first), 1e-300),
    )
    largest = _larger(b, slope, curvature)
    exponent = b.constant(-0.5 / tableau.error_order)
    guess = fast_exp2(b, b.mul(exponent, fast_log2(b, b.mul(b.constant(1e4), _at_least(b, largest, 1e-30)))))
    flat = b.le(largest, b.constant(1e-30))
    guess = b.select(flat, _larger(b, b.constant(1e-6), b.mul(first, b.constant(1e-3))), guess)
    h = _smaller(b, _smaller(b, b.mul(b.constant(100.0), first), guess), _smaller(b, span, longest))
    outputs = {"k": k, "h": [h], "memory": [b.constant(log2(1e-4))], "held": [b.constant(0.0)]}
    if section is not None:
        outputs["g"] = b.inline(section, {"t": [t], "y": y, "p": p})["value"]
    return b.program(outputs).fused()


def _step(rhs: Program, tableau: Tableau, dense: bool, section: Program | None) -> Program:
    b = Builder()
    n = rhs.inputs["y"]
    y, k, p = b.input("y", n), b.input("k", n), b.input("p", rhs.inputs["p"])
    lane = {
        name: b.input(name, 1)[0]
        for name in ("t", "h", "memory", "held", "active", "steps", "rejected", "sample_time", "g")
    }
    shared = {name: b.input(name, 1)[0] for name in ("t_end", "direction", "max_step", "max_steps", "side")}
    t, h = lane["t"], lane["h"]

    left = b.abs(b.sub(shared["t_end"], t))
    last = b.ge(h, left)
    used = b.copysign(_smaller(b, h, left), shared["direction"])
    stages = Stages(b, rhs, tableau, t, y, used, p)
    new = stages.run(k)
    end = b.select(last, shared["t_end"], b.add(t, used))
    stages.k.append(stages.derivative(end, new))

    error = _error(b, stages, y, new)
    accepted = b.le(error, b.constant(1.0))
    level = b.mul(b.constant(0.5), fast_log2(b, _at_least(b, error, 1e-30)))
    power = 1.0 / tableau.error_order - 0.75 * tableau.beta
    plain = b.fma(b.constant(-power), level, b.constant(log2(SAFETY)))
    change = b.select(accepted, b.fma(b.constant(tableau.beta), lane["memory"], plain), plain)
    ceiling = b.select(
        b.and_(accepted, b.eq(lane["held"], b.constant(0.0))),
        b.constant(log2(tableau.grow)),
        b.constant(0.0),
    )
    floor = b.constant(log2(tableau.shrink))
    finite = b.lt(error, b.constant(1e300))
    change = b.select(finite, change, floor)
    factor = fast_exp2(b, _larger(b, floor, _smaller(b, change, ceiling)))
    next_h = _smaller(b, b.mul(b.abs(used), factor), shared["max_step"])
    next_h = b.select(b.and_(accepted, last), _larger(b, next_h, h), next_h)
    resolution = b.fma(b.constant(2.0**-50), b.abs(t), b.constant(1e-280))
    stuck = b.and_(b.not_(accepted), b.le(next_h, resolution))

    def choose(a: Values, c: Values) -> list[int]:
        return [b.select(accepted, u, v) for u, v in zip(a, c, strict=True)]

    (new_t,) = choose([end], [t])
    count = b.add(lane["steps"], b.constant(1.0))
    refusals = b.add(lane["rejected"], b.select(accepted, b.constant(0.0), b.constant(1.0)))
    arrived = b.and_(accepted, last)
    attention = b.or_(b.or_(arrived, stuck), b.ge(count, shared["max_steps"]))
    outputs: dict[str, Values] = {
        "y": choose(new, y),
        "k": choose(stages.k[-1], k),
        "t": [new_t],
        "h": [next_h],
        "memory": choose([_larger(b, level, b.constant(log2(1e-4)))], [lane["memory"]]),
        "held": [b.select(accepted, b.constant(0.0), b.constant(1.0))],
        "steps": [count],
        "rejected": [refusals],
        "accepted": [b.bool_to_float(accepted)],
        "stuck": [b.select(stuck, b.select(finite, b.constant(3.0), b.constant(2.0)), b.constant(0.0))],
    }
    if dense:
        outputs |= {
            "told": [t],
            "hold": [used],
            "yold": y,
            "K": [v for stage in stages.k for v in stage],
        }
        due = b.ge(b.mul(shared["direction"], b.sub(new_t, lane["sample_time"])), b.constant(0.0))
        attention = b.or_(attention, b.and_(accepted, due))
    if section is not None:
        (g,) = b.inline(section, {"t": [end], "y": new, "p": p})["value"]
        zero, side = b.constant(0.0), shared["side"]
        up = b.and_(b.and_(b.lt(lane["g"], zero), b.ge(g, zero)), b.ge(side, zero))
        down = b.and_(b.and_(b.gt(lane["g"], zero), b.le(g, zero)), b.le(side, zero))
        crossed = b.and_(accepted, b.or_(up, down))
        outputs |= {"g": choose([g], [lane["g"]]), "gold": [lane["g"]], "crossed": [b.bool_to_float(crossed)]}
        attention = b.or_(attention, crossed)
    outputs["attention"] = [b.and_(attention, b.gt(lane["active"], b.constant(0.0)))]
    return b.program(outputs).fused()


def _prepare(rhs: Program, tableau: Tableau) -> Program:
    b = Builder()
    n, count = rhs.inputs["y"], len(tableau.b) + 1
    y, p, flat = b.input("yold", n), b.input("p", rhs.inputs["p"]), b.input("K", count * n)
    stages = Stages(b, rhs, tableau, b.input("told", 1)[0], y, b.input("hold", 1)[0], p)
    stages.k = [flat[i * n : (i + 1) * n] for i in range(count)]
    coefficients = _dense_coefficients(b, stages, y, stages.moved(tableau.b))
    return b.program({"Q": [v for row in coefficients for v in row]}).fused()


def _interpolate(rhs: Program, tableau: Tableau, section: Program | None) -> Program:
    b = Builder()
    n, rows = rhs.inputs["y"], 3 + len(tableau.bubbles)
    y, flat, (theta,) = b.input("yold", n), b.input("Q", rows * n), b.input("theta", 1)
    inside = _dense(b, theta, y, [flat[i * n : (i + 1) * n] for i in range(rows)])
    outputs: dict[str, Values] = {"ytheta": inside}
    if section is not None:
        t = b.fma(theta, b.input("hold", 1)[0], b.input("told", 1)[0])
        p = b.input("p", rhs.inputs["p"])
        outputs["gtheta"] = b.inline(section, {"t": [t], "y": inside, "p": p})["value"]
    return b.program(outputs).fused()


def _dense_coefficients(b: Builder, stages: Stages, y: Values, new: Values) -> list[list[int]]:
    """Rows of the nested dense output; ``stages`` holds all stages up to the end of the step."""
    tableau, h = stages.tableau, stages.h
    first, final = stages.k[0], stages.k[-1]
    for row, c in zip(tableau.extra_a, tableau.extra_c, strict=True):
        stages.k.append(stages.at(row, c))
    rise = [b.sub(u, v) for u, v in zip(new, y, strict=True)]
    bend = [b.sub(b.mul(h, k), d) for k, d in zip(first, rise, strict=True)]
    twist = [b.sub(b.sub(d, b.mul(h, k)), c) for d, k, c in zip(rise, final, bend, strict=True)]
    return [rise, bend, twist] + [[b.mul(h, w) for w in stages.weighted(row)] for row in tableau.bubbles]


def _dense(b: Builder, theta: int, y: Values, coefficients: Sequence[Values]) -> list[int]:
    """``y + theta (Q0 + (1 - theta) (Q1 + theta (Q2 + (1 - theta) (Q3 + ...))))``."""
    rest = b.sub(b.constant(1.0), theta)
    result = []
    for j in range(len(y)):
        value = coefficients[-1][j]
        for i in range(len(coefficients) - 1, 0, -1):
            value = b.fma(value, rest if i % 2 else theta, coefficients[i - 1][j])
        result.append(b.fma(value, theta, y[j]))
    return result


def _error(b: Builder, stages: Stages, y: Values, new: Values) -> int:
    """Mean square of the estimated error over its tolerance."""
    tableau = stages.tableau
    weights = _weights(b, y, new)
    h2 = b.mul(stages.h, stages.h)
    fine = _mean_square(b, stages.weighted(tableau.error[0]), weights)
    if len(tableau.error) == 1:
        return b.mul(h2, fine)
    coarse = _mean_square(b, stages.weighted(tableau.error[1]), weights)
    both = b.fma(b.constant(0.01), coarse, fine)
    return b.mul(b.mul(h2, fine), b.div(fine, _at_least(b, both, 1e-300)))


def _weights(b: Builder, y: Values, new: Values) -> list[int]:
    """Reciprocals of ``atol + rtol max(|y|, |new|)``, to about 1e-4: enough to judge an error."""
    (rtol,), (atol,) = b.input("rtol", 1), b.input("atol", 1)
    two, magic = b.constant(2.0), b.constant(0x7FDE623822FC16E6)
    weights = []
    for u, v in zip(y, new, strict=True):
        scale = b.fma(rtol, b.abs(u) if u == v else _larger(b, b.abs(u), b.abs(v)), atol)
        guess = b.from_bits(b.isub(magic, b.bits(scale)))
        for _ in range(2):
            guess = b.mul(guess, b.fma(b.neg(scale), guess, two))
        weights.append(guess)
    return weights


def _mean_square(b: Builder, values: Values, weights: Values) -> int:
    scaled = [b.mul(v, w) for v, w in zip(values, weights, strict=True)]
    return b.mul(b.dot(scaled, scaled), b.constant(1.0 / len(scaled)))


def _smaller(b: Builder, x: int, y: int) -> int:
    return b.select(b.lt(x, y), x, y)


def _larger(b: Builder, x: int, y: int) -> int:
    return b.select(b.gt(x, y), x, y)


def _at_least(b: Builder, x: int, bound: float) -> int:
    return _larger(b, x, b.constant(bound))
