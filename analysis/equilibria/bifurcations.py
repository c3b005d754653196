"""Fixed points and their bifurcations, continued in one and two parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...engine.errors import InputError, Interrupted, NumericsError
from ...engine.system import System
from ...integrators.parallel import Progress
from ...integrators.times import whole
from ..continuation.branches import Branch, SpecialPoint
from ..continuation.continuing import Continuation, Starts
from ..continuation.limits import Bounds, check_bounds, check_inside, stepping_of
from ..continuation.pseudo_arclength import Curve, Point, Stepping, advance, begin, measured, newton
from ..continuation.time_limit import at_most
from . import normal_forms
from .curves import CURVES, FixedPoints, state_scale
from .derivatives import LARGEST_DENSE, Equations, check
from .families import Orbits
from .large import LargeFixedPoints, regular

FLOW_CURVES = ("LP", "H", "BP")
MAP_CURVES = ("LP", "PD", "NS", "BP")


def continue_fixed_points(
    system: System,
    parameter: str,
    bounds: Bounds,
    *,
    start: Mapping[str, Any] | SpecialPoint | None = None,
    iterates: int = 1,
    values: Sequence[float] = (),
    step: float | None = None,
    max_step: float = 0.02,
    min_step: float = 1e-9,
    max_points: int = 2000,
    max_seconds: float | None = None,
    progress: Progress | None = None,
    checkpoint: Callable[[Branch], None] | None = None,
) -> Branch:
    """Follow fixed points over a parameter, in both directions, through folds, and locate their bifurcations.

    Pseudo-arclength continuation; special points are located by their own defining equations, with exact derivatives.
    Labels: LP (fold), BP (transcritical or pitchfork), H (Hopf), NSE (neutral saddle), BE (boundary equilibrium:
    on the guard of an event that resets or ends the trajectory, named by the note), PD, NS (maps), UZ (a value asked
    for), EP (end). A branch that cannot be continued keeps its points; ``branch.endings`` and its table say
    what happened.

    Parameters
    ----------
    system : System
    parameter : str
        A scalar parameter.
    bounds : (low, high)
        Where to end. Lengths of steps are relative to this range and to the size of the states.
    start : dict or SpecialPoint
        State near the first fixed point (default: the system's initial state), corrected at the system's parameter
        value; or a labelled point of another branch. From a BP the *other* branch is followed, from a PD that of
        twice the iterates.
    iterates : int
        Maps: fixed points of this iterate.
    values : sequence of float
        Parameter values at which points are wanted (UZ).
    step, max_step, min_step : float
        Length of the first step (default 0.005), of the longest and of the shortest.
    max_points : int
        In each direction.
    max_seconds : float
        Wall time after which the branch ends where it is. Both directions share it; the first goes first.
    progress : callable
        Called with the fraction of ``max_points`` from time to time.
    checkpoint : callable
        Called with the branch so far: after ten seconds, and then whenever a quarter more time has passed.

    Raises
    ------
    InputError
        An argument is wrong.
    NumericsError
        There is no fixed point near the start.
    Interrupted
        Ctrl-C; the branch so far is its ``partial``.
    """
    check(system, (parameter,), iterates)
    try:
        values = [float(value) for value in values]
    except (TypeError, ValueError):
        raise InputError(f"values must be numbers, values of {parameter!r}, not {values!r:.60}") from None
    limits = {parameter: bounds}
    check_bounds(limits)
    origin = None
    if isinstance(start, SpecialPoint):
        if iterates == 1:
            iterates = start.iterates * (2 if start.kind == "PD" else 1)
        system = system.with_parameters(**start.parameters)
        state = start.vector
    else:
        if isinstance(start, (str, Branch)):
            raise InputError(
                f"start must be values of states, or a labelled point as in branch['BP1'], not {start!r:.40}"
            )
        state = system.pack(start)
        if state.ndim > 1:
            raise InputError("a continuation starts from one state, not from an ensemble")
    check_inside(system, limits)
    stepping = stepping_of(step, max_step, min_step, max_points)
    equations = Equations(system, (parameter,), iterates)
    u = equations.unknowns(state)
    starts: Starts = None
    with at_most(max_seconds):
        if isinstance(start, SpecialPoint) and start.kind in ("BP", "PD"):
            origin = start if iterates == start.iterates else replace(start, kind="BP")
            beginning, starts = _switched(equations, u, start, bounds)
        elif equations.n > LARGEST_DENSE:
            beginning = regular(equations, u, bounds)[1]
        else:
            beginning = _regular(equations, u, bounds)
        run = _fixed_point_branch(equations, beginning, bounds, values, stepping, origin, starts)
        return run.run(progress, checkpoint)


def bifurcation_diagram(
    system: System,
    parameter: str,
    bounds: Bounds,
    *,
    depth: int = 2,
    start: Mapping[str, Any] | SpecialPoint | None = None,
    iterates: int = 1,
    step: float | None = None,
    max_step: float = 0.02,
    min_step: float = 1e-9,
    max_points: int = 2000,
    progress: Progress | None = None,
    checkpoint: Callable[[list[Branch]], None] | None = None,
) -> list[Branch]:
    """The branch through a start, the branches that cross it, those that cross these, and so on.

    At simple branch points the other tangent comes from the algebraic branching equation. Where several eigenvalues
    vanish together (symmetry), solutions are sought on a small sphere in the null space, and every pair of opposite
    ones is a branch. For maps the period-doubled branches are followed too.

    Parameters
    ----------
    depth : int
        How often to switch; 0 follows the first branch only.
    system, parameter, bounds, start, iterates, step, max_step, min_step, max_points
        As in :func:`continue_fixed_points`.
    progress : callable
        Called with the fraction of the branches known so far.
    checkpoint : callable
        Called with the branches so far, as in :func:`continue_fixed_points`.

    Returns
    -------
    list of Branch
        The first branch first, then in the order in which they were found.

    Raises
    ------
    InputError, NumericsError, Interrupted
        As in :func:`continue_fixed_points`; the branches so far are the ``partial`` of Interrupted.
    """
    whole("depth", depth, 0)
    options: dict[str, Any] = {"step": step, "max_step": max_step, "min_step": min_step, "max_points": max_points}
    keep = (lambda part: checkpoint([part])) if checkpoint else None
    first = continue_fixed_points(system, parameter, bounds, start=start, iterates=iterates, checkpoint=keep, **options)
    found = [first]
    stepping = stepping_of(step, max_step, min_step, max_points)
    level, done = found, 0
    seen: list[np.ndarray] = []
    for _ in range(depth):
        new: list[Branch] = []
        for one in level:
            done += 1
            for point in one.special():
                if point.kind not in ("BP", "PD") or _seen(system, point, seen):
                    continue
                for run in _crossing(system, parameter, bounds, point, [*found, *new], stepping):
                    known = [*found, *new]
                    keep = (lambda part, known=known: checkpoint([*known, part])) if checkpoint else None
                    try:
                        new.append(run.run(checkpoint=keep))
                    except Interrupted as stop:
                        raise Interrupted("interrupted", [*known, stop.partial]) from None
            if progress:
                progress(done / (len(found) + len(new)))
        found += new
        level = new
    return found


def continue_bifurcation(
    system: System,
    start: SpecialPoint,
    bounds: Mapping[str, Bounds],
    *,
    curve: str | None = None,
    step: float | None = None,
    max_step: float = 0.02,
    min_step: float = 1e-9,
    max_points: int = 2000,
    max_seconds: float | None = None,
    progress: Progress | None = None,
    checkpoint: Callable[[Branch], None] | None = None,
) -> Branch:
    """Follow a bifurcation of fixed points in two parameters, and locate the points of codimension two on it.

    On curves of flows: CP, BT, ZH on LP curves, BT, ZH, HH, GH on H curves; of maps: CP, R1 on LP, R2 on PD, R1 to R4
    on NS curves. They are located as zeros of smooth test functions along the curve. A BP curve is one of the
    extended system with an unfolding ``beta``, which stays 0 where branch points persist in two parameters.
    Bifurcations of limit cycles (LPC, PD, NS) are followed as well, with resets or without.

    Parameters
    ----------
    system : System
    start : SpecialPoint
        From a branch of fixed points (LP, H, BP, PD, NS), or of another curve (BT, ZH, HH: switch to the curve that
        leaves there), or from a branch of limit cycles (LPC, PD, NS).
    bounds : dict
        ``(low, high)`` of two parameters.
    curve : str
        "LP", "H", "BP", "PD" or "NS"; default: that of the start, from BT and ZH the other one.
    step, max_step, min_step, max_points, max_seconds, progress, checkpoint
        As in :func:`continue_fixed_points`.

    Raises
    ------
    InputError, NumericsError, Interrupted
        As in :func:`continue_fixed_points`.
    """
    if not isinstance(start, SpecialPoint):
        raise InputError(f"start must be a labelled point of a branch, as in branch['H1'], not {start!r:.60}")
    if not isinstance(bounds, Mapping) or len(bounds) != 2:
        raise InputError("bounds must name two parameters, as in {'a': (0, 1), 'b': (-1, 1)}")
    from ..cycles.branches import CyclePoint

    if isinstance(start, CyclePoint):
        from ..cycles.curves import continue_cycle_bifurcation

        options: dict[str, Any] = {"step": step, "max_step": max_step, "min_step": min_step, "max_points": max_points}
        with at_most(max_seconds):
            return continue_cycle_bifurcation(
                system, start, bounds, **options, progress=progress, checkpoint=checkpoint
            )
    names = tuple(bounds)
    check(system, names, start.iterates)
    check_bounds(bounds)
    kind = curve or {"BT": "H", "ZH": "H", "HH": "H", "CP": "LP", "GH": "H", "R2": "NS"}.get(start.kind, start.kind)
    known = MAP_CURVES if system.kind == "map" else FLOW_CURVES
    if kind not in known:
        raise InputError(
            f"no curve {kind!r} leaves from a point {start.label!r} of a {system.kind}; curves are {', '.join(known)}"
        )
    system = system.with_parameters(**start.parameters)
    check_inside(system, bounds)
    if system.dimension > LARGEST_DENSE:
        raise InputError(
            f"{system.name!r} has {system.dimension} states; curves in two parameters are followed for at most "
            f"{LARGEST_DENSE}: repeat continue_fixed_points at values of the second parameter"
        )
    equations = Equations(system, names, start.iterates)
    z = equations.unknowns(start.vector)
    ranges = [bounds[name] for name in names]
    shift = 2.0 if kind == "PD" else 0.0
    first = CURVES[kind].start(equations, z, start.eigenvalues)
    if first is None:
        raise InputError(f"system {system.name!r} has one state, so that no pair of eigenvalues can cross")
    if start.kind == "HH":
        first[-1] = start.coefficients["omega2"] ** 2
    trial = CURVES[kind](equations, first, ranges, shift)
    u = _onto(trial, first)

    def make() -> Any:
        return CURVES[kind](equations, u, ranges, shift)

    attrs = {"analysis": "continue_bifurcation", "curve": f"{kind} points", "iterates": start.iterates}
    beginning = begin(make(), u)
    fresh = start.kind == kind
    stepping = stepping_of(step, max_step, min_step, max_points)
    origin = None if fresh else start
    run = Continuation(system, names, make, beginning, stepping, fresh, origin, attrs)
    with at_most(max_seconds):
        return run.run(progress, checkpoint)


# -- inside -------------------------------------------------------------------------------------------------


def _fixed_point_branch(
    equations: Equations,
    beginning: Point,
    bounds: Bounds,
    values: Sequence[float],
    stepping: Stepping,
    origin: SpecialPoint | None,
    starts: Starts = None,
) -> Continuation:
    def make() -> FixedPoints:
        first = starts[0] if starts and starts[0] else beginning
        curve = _curve(equations, first.u, bounds)
        curve.marks = [(equations.n, value) for value in values]
        return curve

    attrs = {"analysis": "continue_fixed_points", "curve": "fixed points", "iterates": equations.iterates}
    names = equations.active
    return Continuation(equations.system, names, make, beginning, stepping, origin is None, origin, attrs, starts)


def _seen(system: System, point: SpecialPoint, seen: list[np.ndarray]) -> bool:
    """Whether a point, or another point of its cycle, was met before; notes it."""
    equations = Equations(system.with_parameters(**point.parameters))
    cycles = point.iterates * (2 if point.kind == "PD" else 1)
    own = np.concatenate([[cycles, *point.parameters.values()], point.vector])
    state = point.vector
    for _ in range(point.iterates):
        here = np.concatenate([own[: -len(state)], state])
        if any(np.allclose(here, other, rtol=1e-6, atol=1e-8) for other in seen if len(other) == len(here)):
            return True
        if equations.map:
            state = state + equations.values(state)[0]
    seen.append(own)
    return False


def _crossing(
    system: System,
    parameter: str,
    bounds: Bounds,
    point: SpecialPoint,
    known: Sequence[Branch],
    stepping: Stepping,
) -> list[Continuation]:
    """The branches through a branch point (or a period doubling) that none of the known ones follows."""
    iterates = point.iterates * (2 if point.kind == "PD" else 1)
    system = system.with_parameters(**point.parameters)
    equations = Equations(system, (parameter,), iterates)
    u = equations.unknowns(point.vector)
    scale = FixedPoints(equations, u, [bounds]).scale
    followed = [point.tangent]
    for one in known:
        for other in one.special():
            same = iterates % other.iterates == 0 and np.linalg.norm((other.vector - u[:-1]) / scale[:-1]) < 1e-5
            if same and abs(other.parameters[parameter] - u[-1]) < 1e-5 * scale[-1]:
                followed.append(other.tangent)
    origin = replace(point, kind="BP", iterates=iterates)
    ways = _ways(equations, u, bounds)
    known_ways = {_nearest(ways, tangent, scale) for tangent in followed}
    return [
        _fixed_point_branch(equations, beginning, bounds, (), stepping, origin, starts)
        for k, (beginning, starts) in enumerate(ways)
        if k not in known_ways
    ]


def _nearest(ways: list[tuple[Point, Starts]], tangent: np.ndarray, scale: np.ndarray) -> int | None:
    """Which of the ways has this tangent; None if it is none of them."""
    if not ways:
        return None
    along = [_along(beginning.tangent[: len(scale)], tangent[: len(scale)], scale) for beginning, _ in ways]
    k = int(np.argmax(along))
    return k if along[k] > 0.9 else None


def _ways(equations: Equations, u: np.ndarray, bounds: Bounds) -> list[tuple[Point, Starts]]:
    """The branch point ``u`` with the tangent of each branch through it, and where the two sides begin, if apart."""
    if equations.n > LARGEST_DENSE:
        large = LargeFixedPoints(equations, u, [bounds])
        return [(large.at(u, tangent), None) for tangent in large.crossing(u)]
    curve = FixedPoints(equations, u, [bounds])
    if simple := normal_forms.branch_point(equations, u, curve.scale).tangents:
        return [(measured(curve, u, tangent), None) for tangent in simple]
    ways: list[tuple[Point, Starts]] = []
    for pair in normal_forms.around(equations, u, curve.scale):
        families = _families(equations, pair[0], curve.scale)
        more = np.zeros(families)
        base = np.append(u, more)
        here = _curve(equations, np.append(pair[0], more), bounds)
        away = [np.append(side - u, more) for side in pair if side is not None]
        sides: list[Point | None] = [begin(here, base + x, x) for x in away]
        beginning = measured(here, base, away[0] / np.linalg.norm(away[0] / here.scale))
        sides += [None] * (2 - len(sides))
        ways.append((beginning, (sides[0], sides[1])))
    return ways


def _along(a: np.ndarray, b: np.ndarray, scale: np.ndarray) -> float:
    """Cosine of the angle between two lines."""
    x, y = a / scale, b / scale
    return float(abs(x @ y) / np.sqrt((x @ x) * (y @ y)))


def _regular(equations: Equations, u: np.ndarray, bounds: Bounds) -> Point:
    """The fixed point near ``u``; if that is itself a special point, one a little further.

    Where fixed points come in families, the unknowns are those of :class:`Orbits`.
    """
    n, width = equations.n, bounds[1] - bounds[0]
    u = _corrected(equations, u, bounds)
    scale = FixedPoints(equations, u, [bounds]).scale
    families = _families(equations, u, scale)
    for shift in (1e-3, -1e-3):
        moved = u.copy()
        moved[n] += shift * width
        if families and bounds[0] <= moved[n] <= bounds[1]:
            u = _corrected(equations, moved, bounds)
            families = _families(equations, u, scale)
    u = np.append(u, np.zeros(families))
    curve = _curve(equations, u, bounds)
    up = np.zeros(len(u))
    up[n] = 1.0
    point = begin(curve, u, up)
    critical = abs(curve.growth(point)).min(initial=np.inf) < 1e-8 * abs(point.data.eigenvalues).max()
    if critical or abs(point.tests["LP"]) < 1e-3 * width:
        point = advance(curve, point, 0.003)[0] or point
        if not bounds[0] <= point.u[n] <= bounds[1]:
            back = replace(point, tangent=-point.tangent)
            point = advance(curve, back, 0.006)[0] or point
        point = begin(_curve(equations, point.u, bounds), point.u, point.tangent)
    if not bounds[0] <= point.u[n] <= bounds[1]:
        raise NumericsError(
            f"no fixed point of {equations.system.name!r} near the start: the nearest ones are beyond the bounds, at "
            f"{equations.active[0]} = {point.u[n]:.6g}; find a start with fixed_points"
        )
    return point


def _families(equations: Equations, u: np.ndarray, scale: np.ndarray) -> int:
    """By how much the rank of the derivative is too low."""
    sizes = np.linalg.svd(equations.values(u)[1] * scale, compute_uv=False)
    return int((sizes < 1e-9 * sizes[0]).sum())


def _curve(equations: Equations, u: np.ndarray, bounds: Bounds) -> FixedPoints:
    if equations.n > LARGEST_DENSE:
        return LargeFixedPoints(equations, u, [bounds])
    families = len(u) - equations.n - equations.m
    return Orbits(equations, u, [bounds], families) if families else FixedPoints(equations, u, [bounds])


def _corrected(equations: Equations, u: np.ndarray, bounds: Bounds) -> np.ndarray:
    """The fixed point near ``u`` at its parameter value; if there is a fold, near it."""
    n = equations.n
    f, _ = equations.values(u)
    if not np.isfinite(f).all():
        raise NumericsError(
            f"the right-hand side of {equations.system.name!r} is infinite or NaN at the start; take another one"
        )
    row = np.append(np.zeros(n), 1.0)
    scale = np.append(state_scale(u[:n]), bounds[1] - bounds[0])
    run = newton(equations.values, u, row, scale, 30)
    if run.converged:
        return run.u
    story = run.story
    # the shortest way to the curve of fixed points, for starts at a fold
    z = u.copy()
    for _ in range(50):
        f, d = equations.values(z)
        step = np.linalg.lstsq(d * scale, -f, rcond=1e-12)[0]
        size = abs(step).max()
        z = z + step * scale * min(1.0, 0.2 / max(size, 1e-300))
        if not np.isfinite(z).all():
            break
        if size < 1e-12:
            if bounds[0] <= z[n] <= bounds[1]:
                return z
            break
    condition = np.linalg.cond(equations.values(u)[1][:, :n])
    raise NumericsError(
        f"no fixed point of {equations.system.name!r} near the start: {story}; the condition number of the Jacobian "
        f"there is {condition:.1e}, and the shortest way in state and parameter was tried too; "
        "find a start with fixed_points"
    )


def _onto(curve: Curve, u: np.ndarray) -> np.ndarray:
    """The nearest point of a curve."""
    for _ in range(20):
        r, d = curve.equations(u)
        step = np.linalg.lstsq(d * curve.scale, -r, rcond=1e-14)[0]
        u = u + step * curve.scale
        if not np.isfinite(u).all():
            break
        if abs(step).max() < 1e-10:
            return u
    raise NumericsError(
        "the start does not lie on such a curve: the defining equations have no solution near it; check that the "
        "system has the parameter values with which the point was found"
    )


def _switched(equations: Equations, u: np.ndarray, start: SpecialPoint, bounds: Bounds) -> tuple[Point, Starts]:
    """The branch point, with the tangent of a branch that it was not found on."""
    ways = _ways(equations, u, bounds)
    scale = FixedPoints(equations, u, [bounds]).scale
    own = _nearest(ways, start.tangent, scale)
    others = [way for k, way in enumerate(ways) if k != own]
    if not others:
        raise NumericsError(f"no other branch was found at {start.label!r} ({start.note or 'degenerate'})")
    return min(others, key=lambda way: _along(way[0].tangent[: len(u)], start.tangent[: len(u)], scale))
