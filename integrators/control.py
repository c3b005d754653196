"""Steps with error control, as programs: one kernel tries a step of every lane at once.

Every lane has its own time ``t``, step ``h`` (a magnitude; ``direction`` gives the sign) and error history, and keeps
its state when the step is rejected; what needs a decision (end reached, sample due, event near, step too small)
is reported by the kernel's bit mask. Equal steps, which are never refused, come here too where there are events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import log2, sqrt
from typing import Any

from ..engine.native import Kernel, Straight, Workspace
from ..engine.program import Builder, Program
from ..engine.vectormath import rough_exp2, rough_log2
from . import events, explicit, rosenbrock
from .dense import Attempt, Values, interpolant
from .events import Watch
from .rosenbrock import Rosenbrock
from .tableaux import Tableau

Method = Tableau | Rosenbrock


def adaptive_kernels(
    rhs: Program,
    method: Method,
    *,
    dense: bool,
    again: bool = False,
    watch: Watch | None = None,
    projection: Program | None = None,
    equal: bool = False,
) -> dict[str, Kernel]:
    """Kernels of a step with error control.

    ``start`` computes the first derivative ``k`` and a first step ``h``; ``step`` tries a step. With ``dense``,
    ``step`` keeps what ``prepare`` turns into the coefficients that ``interpolate`` evaluates at ``theta``; with
    ``again``, which saves memory where few steps are asked about, ``prepare`` repeats the step, for the states that
    ``watch`` asks for.
    ``projection`` (blocks ``y`` and ``k`` from the same) changes the state and its derivative at the end of every step,
    as tangent vectors are made orthonormal. With ``equal``, all steps have length ``dt``.

    With ``watch``, ``step`` flags steps in which an event may lie, ``polynomials`` describes the event functions in
    such a step, ``refine`` leads ``theta`` to a zero of one of them, and ``land`` takes lanes with ``lands`` to the
    state after event ``which`` at time ``when`` in state ``ytheta``, and tells the event functions just before.
    """
    kernels: dict[str, Kernel] = {
        "start": Straight(_start(rhs, method, watch, equal)),
        "step": Straight(_step(rhs, method, dense, again, watch, projection, equal)),
    }
    asked = _asked(rhs.inputs["y"], watch, again)
    if dense or again:
        kernels["prepare"] = Straight(_prepare(rhs, method, again, equal, asked))
    if dense:
        kernels["interpolate"] = Straight(_interpolate(rhs, method, asked))
    if watch is not None:
        if watch.acting:
            kernels["land"] = Straight(_land(rhs, method, watch, equal))
        if watch.count:
            kernels["polynomials"] = Straight(_polynomials(rhs, method, watch, asked))
            kernels["refine"] = Straight(_refine(rhs, method, watch, asked))
    return kernels


def adaptive_workspace(
    width: int,
    method: Method,
    dimension: int,
    parameters: int,
    *,
    dense: bool,
    again: bool = False,
    watch: Watch | None = None,
    equal: bool = False,
) -> Workspace:
    """The memory of :func:`adaptive_kernels`; the fields before ``theta`` are what a member takes along."""
    n, scheme = dimension, _scheme(method)
    events, watched, acting = (watch.count, 1, int(watch.acting)) if watch else (0, 0, 0)
    searching = {name: watched for name in ("begin", "end", "after", "last", "over")}
    coefficients = events * (watch.degree(rows(method)) + 1) if watch else 0
    asked = rows(method) * len(_asked(n, watch, again)) if dense or again else 0
    return (
        Workspace(width)
        .lanes(t=1, h=1, y=n, k=n, memory=1, held=1, p=parameters)
        .lanes(stuck=1, steps=1, rejected=1, sample=1, sample_time=1)
        .lanes(g=events, gold=events, rate=events, flag=watched)
        .lanes(fired=acting * events, gap=acting * events, widest=acting * events, due=acting * events)
        .lanes(stop=acting, kick=acting, **(searching if acting else {}))
        .lanes(told=1, hold=1, yold=n, kold=n if again and equal else 0, K=scheme.kept(method) * n if dense else 0)
        .lanes(theta=1, **({} if acting else searching), ytheta=n, Q=asked)
        .lanes(
            gtheta=events, which=watched, when=watched, lands=acting, gone=acting * events, gone_rate=acting * events
        )
        .lanes(bernstein=coefficients, residual=events)
        .lanes(passages=watched, low=watched, high=watched, rising=watched, moved=watched)
        .shared(t_end=1, direction=1, rtol=1, atol=1, max_steps=1, dt=1, t_start=1)
    )


def rows(method: Method) -> int:
    """Degree of the dense output."""
    return _scheme(method).rows(method)


def _scheme(method: Method) -> Any:
    """The module that writes steps of a method."""
    return rosenbrock if isinstance(method, Rosenbrock) else explicit


def _start(rhs: Program, method: Method, watch: Watch | None, equal: bool) -> Program:
    b = Builder()
    t, y = b.input("t", 1)[0], b.input("y", rhs.inputs["y"])
    return b.program(_first(b, rhs, method, watch, equal, t, y, b.input("p", rhs.inputs["p"]))).fused()


def _first(
    b: Builder, rhs: Program, method: Method, watch: Watch | None, equal: bool, t: int, y: Values, p: Values
) -> dict[str, Values]:
    """First derivative and first step (Hairer, Norsett & Wanner, II.4, squared norms)."""
    (t_end,), (direction,) = (b.input(k, 1) for k in ("t_end", "direction"))
    evaluate = _evaluation(b, rhs)
    k = evaluate({"t": [t], "y": y, "p": p})["f"]
    found = events.values(b, watch, t, y, p, k) if watch else {}
    if equal:
        nothing = [b.constant(0.0)]
        return {"k": k, "h": b.input("dt", 1), "memory": nothing, "held": nothing, **found}
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
    outputs: dict[str, Values] = {"k": k, "h": [h], "memory": [b.constant(log2(1e-8))], "held": [b.constant(0.0)]}
    return {**outputs, **found}


def _evaluation(b: Builder, rhs: Program) -> Callable[[Mapping[str, Values]], dict[str, list[int]]]:
    """The right-hand side where it is asked for once or twice."""
    return partial(b.call, rhs.fused()) if rhs.size > explicit.INLINED else partial(b.inline, rhs)


def _step(
    rhs: Program,
    method: Method,
    dense: bool,
    again: bool,
    watch: Watch | None,
    projection: Program | None,
    equal: bool,
) -> Program:
    b = Builder()
    n = rhs.inputs["y"]
    y, k, p = b.input("y", n), b.input("k", n), b.input("p", rhs.inputs["p"])
    lane = {name: b.input(name, 1)[0] for name in ("t", "h", "memory", "held", "steps", "rejected", "sample_time")}
    shared = {name: b.input(name, 1)[0] for name in ("t_end", "direction", "max_steps")}
    t, h = lane["t"], lane["h"]

    stop = b.input("stop", 1)[0] if watch and watch.acting else shared["t_end"]
    left = b.abs(b.sub(stop, t))
    last = b.ge(b.mul(h, b.constant(1.0 + 1e-9)), left) if equal else b.ge(h, left)
    used = b.copysign(b.select(last, left, h) if equal else _smaller(b, h, left), shared["direction"])
    end = b.select(last, stop, b.add(t, used))
    trial = _scheme(method).attempt(b, rhs, method, t, end, y, used, p, k)
    new, slope = trial.new, trial.slope

    error, tolerated = (_sum_of_zeros(b, new), b.constant(0.0)) if equal else _error(b, trial, y)
    if projection is not None:
        projected = b.inline(projection, {"y": new, "k": slope})
        new, slope = projected["y"], projected["k"]
    finite = b.lt(error, b.constant(1e300))
    accepted = b.and_(b.le(error, tolerated), finite)
    if equal:
        next_h, level, stuck = b.input("dt", 1)[0], b.constant(0.0), b.not_(finite)
    else:
        next_h, level, stuck = _next_step(b, method, trial, lane, used, error, tolerated, accepted)

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
        "memory": choose([level], [lane["memory"]]),
        "held": [b.select(accepted, b.constant(0.0), b.constant(1.0))],
        "steps": [count],
        "rejected": [refusals],
        "stuck": [b.select(stuck, b.select(finite, b.constant(3.0), b.constant(2.0)), b.constant(0.0))],
    }
    if dense or again:
        outputs |= {"told": [t], "hold": [used], "yold": y}
    if again and equal:
        outputs["kold"] = k
    if dense:
        outputs["K"] = [v for vector in trial.kept for v in vector]
    if dense:
        due = b.ge(b.mul(shared["direction"], b.sub(new_t, lane["sample_time"])), b.constant(0.0))
        attention = b.or_(attention, b.and_(accepted, due))
    if watch is not None:
        old = {name: b.input(name, watch.count) for name in ("g", "rate")}
        found = events.values(b, watch, end, new, p, slope)
        between = partial(_between, b, watch, t, used, (y, k), (trial.new, trial.slope), p)
        flag = b.and_(accepted, events.suspicious(b, watch, old, found, used, between))
        outputs |= {name: choose(found[name], old[name]) for name in old}
        outputs |= {"gold": old["g"], "flag": [b.bool_to_float(flag)]}
        attention = b.or_(attention, flag)
    outputs["attention"] = [attention]
    return b.program(outputs).fused()


def _next_step(
    b: Builder,
    method: Method,
    trial: Attempt,
    lane: dict[str, int],
    used: int,
    error: int,
    tolerated: int,
    accepted: int,
) -> tuple[int, int, int]:
    """Length of the next step, logarithm of the square of the error, and whether the step is too small to go on."""
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
    resolution = b.fma(b.constant(2.0**-50), b.abs(lane["t"]), b.constant(1e-280))
    stuck = b.and_(b.not_(accepted), b.le(next_h, resolution))
    return next_h, _larger(b, level, b.constant(log2(1e-8))), stuck


def _prepare(rhs: Program, method: Method, again: bool, equal: bool, asked: Sequence[int]) -> Program:
    b = Builder()
    n, count = rhs.inputs["y"], _scheme(method).kept(method)
    y, p = b.input("yold", n), b.input("p", rhs.inputs["p"])
    (t,), (h,) = b.input("told", 1), b.input("hold", 1)
    kept: Sequence[Values]
    if again:
        k = b.input("kold", n) if equal else _evaluation(b, rhs)({"t": [t], "y": y, "p": p})["f"]
        kept = _scheme(method).attempt(b, rhs, method, t, b.add(t, h), y, h, p, k).kept
    else:
        flat = b.input("K", count * n)
        kept = [flat[i * n : (i + 1) * n] for i in range(count)]
    found = _scheme(method).dense_rows(b, rhs, method, t, y, h, p, kept)
    return b.program({"Q": [row[j] for row in found for j in asked]}).fused()


def _asked(dimension: int, watch: Watch | None, again: bool) -> Sequence[int]:
    """The states of which the dense output is made."""
    return range(dimension) if watch is None or not again else watch.asked(dimension)


def _interpolate(rhs: Program, method: Method, asked: Sequence[int]) -> Program:
    b = Builder()
    y, found = _dense_output(b, rhs, method, asked)
    return b.program({"ytheta": interpolant(b, b.input("theta", 1)[0], y, found)}).fused()


def _polynomials(rhs: Program, method: Method, watch: Watch, asked: Sequence[int]) -> Program:
    b = Builder()
    y, found = _dense_output(b, rhs, method, asked)
    p = b.input("p", rhs.inputs["p"])
    return b.program(events.polynomials(b, watch, len(found), y, found, p)).fused()


def _refine(rhs: Program, method: Method, watch: Watch, asked: Sequence[int]) -> Program:
    b = Builder()
    y, found = _dense_output(b, rhs, method, asked)
    return b.program(events.refine(b, watch, y, found, b.input("p", rhs.inputs["p"]))).fused()


def _land(rhs: Program, method: Method, watch: Watch, equal: bool) -> Program:
    b = Builder()
    n = rhs.inputs["y"]
    y, p, when = b.input("ytheta", n), b.input("p", rhs.inputs["p"]), b.input("when", 1)
    slope = b.inline(rhs, {"t": when, "y": y, "p": p})["f"]
    gone = events.values(b, watch, when[0], y, p, slope)
    landed = b.inline(watch.landing, {"t": when, "y": y, "p": p, "which": b.input("which", 1)})["y"]
    new = {"t": when, "y": landed, **_first(b, rhs, method, watch, equal, when[0], landed, p)}
    lands = b.ne(b.input("lands", 1)[0], b.constant(0.0))
    outputs: dict[str, Values] = {"gone": gone["g"], "gone_rate": gone["rate"]}
    for name, values in new.items():
        old = b.input(name, len(values))
        outputs[name] = [b.select(lands, u, v) for u, v in zip(values, old, strict=True)]
    return b.program(outputs).fused()


def _dense_output(b: Builder, rhs: Program, method: Method, asked: Sequence[int]) -> tuple[Values, list[Values]]:
    """State at the beginning of a step, and the rows of the polynomial through it (zeros where it is not asked for)."""
    n, count, m = rhs.inputs["y"], rows(method), len(asked)
    flat = b.input("Q", count * m)
    found: list[Values] = []
    for i in range(count):
        known = dict(zip(asked, flat[i * m : (i + 1) * m], strict=True))
        found.append([known.get(j, b.constant(0.0)) for j in range(n)])
    return b.input("yold", n), found


def _between(
    b: Builder,
    watch: Watch,
    t: int,
    h: int,
    begin: tuple[Values, Values],
    end: tuple[Values, Values],
    p: Values,
    x: float,
) -> Values:
    """The event functions at fraction ``x`` of a step on the cubic through states and slopes at its ends."""
    weights = ((1 + 2 * x) * (1 - x) ** 2, x * (1 - x) ** 2, x * x * (3 - 2 * x), x * x * (x - 1))
    low, up, high, down = map(b.constant, weights)
    state = []
    for y0, k0, y1, k1 in zip(*begin, *end, strict=True):
        bend = b.fma(up, k0, b.mul(down, k1))
        state.append(b.fma(low, y0, b.fma(high, y1, b.mul(h, bend))))
    return events.values(b, watch, b.fma(b.constant(x), h, t), state, p, state)["g"]


def _sum_of_zeros(b: Builder, values: Values) -> int:
    """Zero, or NaN if a value is not finite."""
    return b.sum([b.sub(v, v) for v in values])


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
