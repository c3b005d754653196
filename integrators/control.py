"""Steps with error control, as programs: one kernel tries a step of every lane at once.

Every lane has its own time ``t``, step ``h`` (a magnitude; ``direction`` gives the sign) and error history, and keeps
its state when the step is rejected; what needs a decision (end reached, sample due, section crossed, step too small)
is reported by the kernel's bit mask.
"""

from __future__ import annotations

from functools import partial
from math import log2, sqrt
from typing import Any

from ..engine.native import Kernel, Straight, Workspace
from ..engine.program import Builder, Program
from ..engine.vectormath import rough_exp2, rough_log2
from . import explicit, rosenbrock
from .dense import Attempt, Values, interpolant
from .rosenbrock import Rosenbrock
from .tableaux import Tableau

Method = Tableau | Rosenbrock


def adaptive_kernels(
    rhs: Program, method: Method, *, dense: bool, section: Program | None = None, projection: Program | None = None
) -> dict[str, Kernel]:
    """Kernels of a step with error control.

    ``start`` computes the first derivative ``k`` and a first step ``h``; ``step`` tries a step. With ``dense``,
    ``step`` keeps what ``prepare`` turns into the coefficients that ``interpolate`` evaluates at ``theta``. With
    ``section`` (a program with output ``value``), the sign of that function is watched, and ``interpolate`` gives its
    value ``gtheta`` as well. ``projection`` (blocks ``y`` and ``k`` from the same) changes the state and its derivative
    at the end of every step, as tangent vectors are made orthonormal.
    """
    kernels: dict[str, Kernel] = {
        "start": Straight(_start(rhs, method, section)),
        "step": Straight(_step(rhs, method, dense, section, projection)),
    }
    if dense:
        kernels["prepare"] = Straight(_prepare(rhs, method))
        kernels["interpolate"] = Straight(_interpolate(rhs, method, section))
    return kernels


def adaptive_workspace(width: int, method: Method, dimension: int, parameters: int, *, dense: bool) -> Workspace:
    """The memory of :func:`adaptive_kernels`; the fields before ``theta`` are what a member takes along."""
    n, scheme = dimension, _scheme(method)
    return (
        Workspace(width)
        .lanes(t=1, h=1, y=n, k=n, memory=1, held=1, p=parameters)
        .lanes(stuck=1, steps=1, rejected=1, sample=1, sample_time=1, g=1, gold=1, crossed=1)
        .lanes(told=1, hold=1, yold=n, K=scheme.kept(method) * n if dense else 0)
        .lanes(theta=1, ytheta=n, gtheta=1, Q=scheme.rows(method) * n if dense else 0)
        .shared(t_end=1, direction=1, rtol=1, atol=1, max_steps=1, side=1)
    )


def _scheme(method: Method) -> Any:
    """The module that writes steps of a method."""
    return rosenbrock if isinstance(method, Rosenbrock) else explicit


def _start(rhs: Program, method: Method, section: Program | None) -> Program:
    """First derivative and first step (Hairer, Norsett & Wanner, II.4, squared norms)."""
    b = Builder()
    n = rhs.inputs["y"]
    (t,), y, p = b.input("t", 1), b.input("y", n), b.input("p", rhs.inputs["p"])
    (t_end,), (direction,) = (b.input(k, 1) for k in ("t_end", "direction"))
    evaluate = partial(b.call, rhs.fused()) if rhs.size > explicit.INLINED else partial(b.inline, rhs)
    k = evaluate({"t": [t], "y": y, "p": p})["f"]
    weights = _weights(b, y, y)
    size, slope = _square(b, y, weights), _square(b, k, weights)
    tiny = b.constant(1e-10)
    small = b.or_(b.lt(size, tiny), b.lt(slope, tiny))
    ratio = b.mul(b.constant(0.01), b.sqrt(b.div(size, _at_least(b, slope, 1e-300))))
    span = b.abs(b.sub(t_end, t))
    first = _smaller(b, b.select(small, b.constant(1e-6), ratio), span)
    move = b.mul(direction, first)
    there = [b.fma(move, f, x) for f, x in zip(k, y, strict=True)]
    ahead = evaluate({"t": [b.add(t, move)], "y": there, "p": p})["f"]
    curvature = b.div(
        _square(b, [b.sub(u, v) for u, v in zip(ahead, k, strict=True)], weights),
        _at_least(b, b.mul(first, first), 1e-300),
    )
    largest = _larger(b, slope, curvature)
    power = -0.5 / method.error_order
    guess = rough_exp2(b, rough_log2(b, _at_least(b, largest, 1e-30), power, b.constant(power * log2(1e4))))
    flat = b.le(largest, b.constant(1e-30))
    guess = b.select(flat, _larger(b, b.constant(1e-6), b.mul(first, b.constant(1e-3))), guess)
    h = _smaller(b, _smaller(b, b.mul(b.constant(100.0), first), guess), span)
    h = _larger(b, h, b.mul(b.constant(1e-60), span))
    outputs = {"k": k, "h": [h], "memory": [b.constant(log2(1e-8))], "held": [b.constant(0.0)]}
    if section is not None:
        outputs["g"] = b.inline(section, {"t": [t], "y": y, "p": p})["value"]
    return b.program(outputs).fused()


def _step(rhs: Program, method: Method, dense: bool, section: Program | None, projection: Program | None) -> Program:
    b = Builder()
    n = rhs.inputs["y"]
    y, k, p = b.input("y", n), b.input("k", n), b.input("p", rhs.inputs["p"])
    lane = {name: b.input(name, 1)[0] for name in ("t", "h", "memory", "held", "steps", "rejected", "sample_time", "g")}
    shared = {name: b.input(name, 1)[0] for name in ("t_end", "direction", "max_steps", "side")}
    t, h = lane["t"], lane["h"]

    left = b.abs(b.sub(shared["t_end"], t))
    last = b.ge(h, left)
    used = b.copysign(_smaller(b, h, left), shared["direction"])
    end = b.select(last, shared["t_end"], b.add(t, used))
    trial = _scheme(method).attempt(b, rhs, method, t, end, y, used, p, k)
    new, slope = trial.new, trial.slope

    error, tolerated = _error(b, trial, y)
    if projection is not None:
        projected = b.inline(projection, {"y": new, "k": slope})
        new, slope = projected["y"], projected["k"]
    finite = b.lt(error, b.constant(1e300))
    accepted = b.and_(b.le(error, tolerated), finite)
    # what follows is about the logarithm of the square of the error
    power = 0.5 / method.error_order - 0.75 * 0.5 * method.beta
    zero, split = b.constant(0.0), len(trial.errors) == 2
    change = b.fma(b.constant(0.5 * method.beta), lane["memory"], b.constant(log2(method.safety)))
    level = zero
    if split:
        change = rough_log2(b, tolerated, power, change)
        level = rough_log2(b, tolerated, -1.0, zero)
    change = rough_log2(b, error, -power, change)
    level = rough_log2(b, error, 1.0, level)
    ceiling = b.select(b.eq(lane["held"], b.constant(0.0)), b.constant(log2(method.grow)), b.constant(0.0))
    factor = rough_exp2(b, _larger(b, _smaller(b, change, ceiling), b.constant(log2(method.shrink))))
    next_h = b.mul(b.abs(used), factor)
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
        "k": choose(slope, k),
        "t": [new_t],
        "h": [next_h],
        "memory": choose([_larger(b, level, b.constant(log2(1e-8)))], [lane["memory"]]),
        "held": [b.select(accepted, b.constant(0.0), b.constant(1.0))],
        "steps": [count],
        "rejected": [refusals],
        "stuck": [b.select(stuck, b.select(finite, b.constant(3.0), b.constant(2.0)), b.constant(0.0))],
    }
    if dense:
        outputs |= {
            "told": [t],
            "hold": [used],
            "yold": y,
            "K": [v for vector in trial.kept for v in vector],
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
    outputs["attention"] = [attention]
    return b.program(outputs).fused()


def _prepare(rhs: Program, method: Method) -> Program:
    b = Builder()
    n, count = rhs.inputs["y"], _scheme(method).kept(method)
    y, p, flat = b.input("yold", n), b.input("p", rhs.inputs["p"]), b.input("K", count * n)
    kept = [flat[i * n : (i + 1) * n] for i in range(count)]
    (t,), (h,) = b.input("told", 1), b.input("hold", 1)
    found = _scheme(method).dense_rows(b, rhs, method, t, y, h, p, kept)
    return b.program({"Q": [v for row in found for v in row]}).fused()


def _interpolate(rhs: Program, method: Method, section: Program | None) -> Program:
    b = Builder()
    n, count = rhs.inputs["y"], _scheme(method).rows(method)
    y, flat, (theta,) = b.input("yold", n), b.input("Q", count * n), b.input("theta", 1)
    inside = interpolant(b, theta, y, [flat[i * n : (i + 1) * n] for i in range(count)])
    outputs: dict[str, Values] = {"ytheta": inside}
    if section is not None:
        t = b.fma(theta, b.input("hold", 1)[0], b.input("told", 1)[0])
        p = b.input("p", rhs.inputs["p"])
        outputs["gtheta"] = b.inline(section, {"t": [t], "y": inside, "p": p})["value"]
    return b.program(outputs).fused()


def _error(b: Builder, trial: Attempt, y: Values) -> tuple[int, int]:
    """Mean square of the estimated error over its tolerance, and what it may be.

    Two estimates are combined into ``fine**2 / (fine + coarse / 100)`` (Hairer, Norsett & Wanner, II.10.17), of which
    numerator and denominator are returned.
    """
    weights = [b.mul(w, trial.scale) for w in _weights(b, y, trial.new)]
    fine = _square(b, trial.errors[0], weights)
    if len(trial.errors) == 1:
        return fine, b.constant(1.0)
    coarse = _square(b, trial.errors[1], weights)
    return b.mul(fine, fine), _at_least(b, b.fma(b.constant(0.01), coarse, fine), 1e-270)


def _weights(b: Builder, y: Values, new: Values) -> list[int]:
    """Reciprocals of ``(atol + rtol max(|y|, |new|)) sqrt(n)``, to about 2 %: enough to judge an error."""
    root = b.constant(sqrt(len(y)))
    rtol, atol = (b.mul(b.input(name, 1)[0], root) for name in ("rtol", "atol"))
    two, magic = b.constant(2.0), b.constant(0x7FDE623822FC16E6)
    weights = []
    for u, v in zip(y, new, strict=True):
        scale = b.fma(rtol, b.abs(u) if u == v else _larger(b, b.abs(u), b.abs(v)), atol)
        guess = b.from_bits(b.isub(magic, b.bits(scale)))
        weights.append(b.mul(guess, b.fma(b.neg(scale), guess, two)))
    return weights


def _square(b: Builder, values: Values, weights: Values) -> int:
    scaled = [b.mul(v, w) for v, w in zip(values, weights, strict=True)]
    return b.dot(scaled, scaled)


def _smaller(b: Builder, x: int, y: int) -> int:
    return b.select(b.lt(x, y), x, y)


def _larger(b: Builder, x: int, y: int) -> int:
    return b.select(b.gt(x, y), x, y)


def _at_least(b: Builder, x: int, bound: float) -> int:
    return _larger(b, x, b.constant(bound))
