"""Where branches of limit cycles begin: at cycles, Hopf points, period doublings and branch points."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...engine.errors import InputError, NumericsError
from ...engine.system import System
from ..continuation.branches import SpecialPoint
from ..continuation.limits import Bounds
from ..continuation.pseudo_arclength import Point, Stepping, follow
from ..equilibria.derivatives import Equations
from .bifurcations import Variations, doubling_vector
from .branches import CyclePoint, Orbit
from .collocation import Collocation, Correction
from .cycle import Cycle, as_cycle, driven, find_cycle, problem_at, rates_of, refined, scalars_at, scales
from .following import NEUTRAL, Cycles, nontrivial

Vector = np.ndarray
Matrix = np.ndarray


def beginning(
    system: System,
    parameter: str,
    bounds: Bounds,
    start: Any,
    period: Any,
    symmetry: Sequence[Callable],
    intervals: int,
) -> tuple[Point, SpecialPoint | None, bool]:
    """The first point, the special point that it is, and whether the branch leaves in one direction only."""
    if isinstance(start, SpecialPoint):
        if not isinstance(start, CyclePoint):
            return _from_hopf(system, (parameter,), bounds, start, symmetry, intervals), start, True
        system = system.with_parameters(**start.parameters)
        assert start.cycle is not None
        cycle: Cycle = start.cycle
        if start.kind == "PD":
            if driven(system, period):
                raise InputError(
                    "find the doubled cycle of a driven system with find_cycle and twice the period, and start from it"
                )
            return _from_doubling(system, parameter, bounds, cycle, symmetry), start, True
    elif isinstance(start, Cycle):
        cycle = start
        own = {k: v for k, v in cycle.parameters.items() if k in system.numeric and k not in system.frozen}
        if parameter in own:
            system = system.with_parameters(**{parameter: own[parameter]})
    else:
        cycle = find_cycle(system, start, period=period, symmetry=symmetry)
    rates = rates_of(system, (parameter,), period, symmetry)
    problem, u = problem_at(rates, cycle, scalars_at(rates, cycle))
    fitted = problem.on(problem.adapted(problem.profile(u), intervals))
    beginning = _regular(fitted, problem.moved(u, fitted), bounds)
    if isinstance(start, CyclePoint) and start.kind == "BPC":
        return _switched(beginning, bounds), start, False
    return beginning, None, False


def _regular(problem: Collocation, u: Vector, bounds: Bounds, amplitude: Vector | None = None) -> Point:
    """The cycle at the parameter value of ``u`` (or with the row ``amplitude . u`` kept), and its tangent."""
    sizes = scales(problem, u)
    name = problem.rates.system.name
    row = np.zeros(len(u)) if amplitude is None else amplitude
    if amplitude is None:
        row[-1] = 1.0
    for turn in range(3):
        profile, c = problem.profile(u), problem.scalars(u)
        conditions = problem.conditions(profile, c)
        rows = np.concatenate([conditions[0], row[None]])
        run = problem.correct(u, rows, np.append(conditions[1], row @ u), sizes, 20, 1e-9)
        if not run.converged and turn == 0 and amplitude is None:
            # at a fold: anywhere along the curve
            row = np.random.default_rng(0).normal(size=len(u)) / sizes**2
            row[-1] = 1 / (bounds[1] - bounds[0])
            continue
        if not run.converged:
            raise NumericsError(f"no cycle of {name!r} near the start: {run.story}; find it with find_cycle first")
        u = run.u
        break
    orbit = Orbit(problem, np.zeros(problem.n), 0, problem.rates.of_period(problem.scalars(u)), run.flow)
    rough = Point(u, run.tangent, {}, orbit, run.residual)
    curve = Cycles(rough, bounds)
    tangent = run.tangent / math.sqrt(((run.tangent / curve.scale) ** 2).sum())
    for _ in range(2):  # along the tangent itself, as all later points are
        point, story, _ = curve.correct(u, tangent / curve.scale**2, replace(rough, tangent=tangent), 8)
        if point is None:
            raise NumericsError(f"the branch of cycles of {name!r} cannot be followed from the start: {story}")
        tangent = point.tangent
    if amplitude is None and point.tangent[-1] < 0:
        point = curve.measured(problem, _corrected(curve, u, -tangent), -tangent)
    return point


def _corrected(curve: Cycles, u: Vector, tangent: Vector) -> Correction:
    rows, targets = curve.conditions
    row = tangent / curve.scale**2
    return curve.problem.correct(u, np.concatenate([rows, row[None]]), np.append(targets, row @ u), curve.sizes)


def hopf_direction(equations: Equations, vector: Vector, omega: float) -> tuple[Vector, float]:
    """Critical eigenvector of the Jacobian, and its frequency."""
    jacobian = equations.values(equations.unknowns(vector))[1][:, : equations.n]
    values, vectors = np.linalg.eig(jacobian)
    k = int(np.argmin(abs(values - 1j * omega)))
    q = vectors[:, k]
    # real and imaginary part orthogonal
    angle = 0.5 * np.angle((q * q).sum())
    return q * np.exp(-1j * angle), float(values[k].imag)


def _from_hopf(
    system: System,
    active: tuple[str, ...],
    bounds: Bounds,
    start: SpecialPoint,
    symmetry: Sequence[Callable],
    intervals: int,
) -> Point:
    """The fixed point as a cycle of no amplitude, with the small cycle's shape as its tangent."""
    if start.kind != "H":
        raise InputError(f"cycles begin at Hopf points (H), not at {start.label!r}; start from a cycle or an H point")
    system = system.with_parameters(**start.parameters)
    rates = rates_of(system, active, None, symmetry)
    q, omega = hopf_direction(Equations(system), start.vector, start.coefficients["omega"])
    problem = Collocation(rates, np.linspace(0, 1, intervals + 1))
    turn = np.exp(2j * np.pi * problem.at_nodes)[:, None]
    shape = (turn * q).real
    c = np.concatenate([[2 * np.pi / omega], np.zeros(len(rates.generators))])
    own = [float(system.parameters[name].value) for name in active]
    u = np.concatenate([np.tile(start.vector, problem.nodes), c, own])
    tangent = np.concatenate([shape.ravel(), np.zeros(rates.scalars)])
    flow = problem.slope(shape)
    values = np.exp(np.linalg.eigvals(Equations(system).values(start.vector)[1][:, : rates.n]) * (2 * np.pi / omega))
    orbit = Orbit(problem, values[np.argsort(-abs(values))], 0, 2 * np.pi / omega, flow)
    point = Point(u, tangent, {}, orbit, 0.0)
    curve = Cycles(point, bounds)
    count = int((abs(nontrivial(orbit.eigenvalues, 2)) > 1 + NEUTRAL).sum())
    tangent = tangent / math.sqrt(((tangent / curve.scale) ** 2).sum())
    return replace(point, tangent=tangent, data=replace(orbit, unstable=count))


def _from_doubling(system: System, parameter: str, bounds: Bounds, cycle: Cycle, symmetry: Sequence[Callable]) -> Point:
    """The cycle run through twice, with what changes sign from turn to turn as its tangent."""
    rates = rates_of(system, (parameter,), None, symmetry)
    single, u = problem_at(rates, cycle, scalars_at(rates, cycle))
    once = _regular(single, u, bounds)
    vector = doubling_vector(single, once.u)
    mesh = np.concatenate([single.mesh / 2, 0.5 + single.mesh[1:] / 2])
    problem = single.on(mesh)
    profile = single.profile(once.u)
    c = single.scalars(once.u).copy()
    c[0] *= 2
    doubled = np.concatenate([profile, profile[1:]])
    shape = np.concatenate([vector, -vector[1:]])
    u = np.concatenate([doubled.ravel(), c])
    tangent = np.concatenate([shape.ravel(), np.zeros(rates.scalars)])
    flow = 2 * np.concatenate([once.data.flow, once.data.flow])
    orbit = Orbit(problem, once.data.eigenvalues**2, 0, float(c[0]), flow)
    point = Point(u, tangent, {}, orbit, once.residual)
    scale = Cycles(point, bounds).scale
    return replace(point, tangent=tangent / math.sqrt(((tangent / scale) ** 2).sum()))


def _switched(here: Point, bounds: Bounds) -> Point:
    """The branch point with the direction, orthogonal to its tangent, in which the equations are singular too."""
    # where the branch it was found on has a unique tangent
    aside = here.u.copy()
    aside[-1] += 2e-3 * (bounds[1] - bounds[0])
    here = replace(here, tangent=_regular(here.data.problem, aside, bounds).tangent)
    curve = Cycles(here, bounds)
    problem, scale, own = curve.problem, curve.scale, here.tangent / curve.scale**2
    size = problem.nodes * problem.n
    variations = Variations(problem, here.u)
    rows = np.concatenate([curve.conditions[0], own[None]])
    # the solution for any right-hand side is large along the direction looked for
    right = np.random.default_rng(0).normal(size=(problem.points, problem.n, 1))
    columns = problem.stretched(np.concatenate([-variations.d[:, :, problem.n :], right], axis=2))
    corner = np.concatenate([rows[:, size:], np.zeros((len(rows), 1))], axis=1)
    vector = problem.solve(variations.a, columns, rows[:, :size], corner)[0][0]
    vector = vector - (own @ vector) * here.tangent
    return replace(here, tangent=vector / math.sqrt(((vector / scale) ** 2).sum()))


def nearby(system: System, start: SpecialPoint, amplitude: float) -> Cycle:
    """The cycle of a given size on the branch that begins at a Hopf or PD point."""
    parameter = next(iter(start.parameters))
    value = start.parameters[parameter]
    width = max(1.0, abs(value))
    bounds = (value - width, value + width)
    first, _, _ = beginning(system, parameter, bounds, start, None, (), 30)
    curve = Cycles(first, bounds, origin=start)
    here = first
    for points, _ in follow(curve, first, Stepping(amplitude / 5, 1e-9, amplitude / 5, 5), fresh=False):
        here = points[-1]
    problem = here.data.problem
    system = problem.rates.system.with_parameters(**{parameter: float(here.u[-1])})
    rates = rates_of(system, (), None)
    plain = Collocation(rates, problem.mesh, problem.degree)
    finer, u, run = refined(plain, here.u[:-1])
    return as_cycle(finer, u, run)
