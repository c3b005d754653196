"""Limit cycles: found from a trajectory, from a Hopf point or from a period doubling, and refined by collocation."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import events
from ...engine.errors import InputError, NumericsError
from ...engine.evaluation import evaluate
from ...engine.events import refuse
from ...engine.layout import Layout, Variable
from ...engine.program import Builder, Program
from ...engine.system import System
from ...engine.trajectory import dataset, provenance
from ...integrators.times import positive, whole
from ..continuation.time_limit import at_most, check_time
from ..sections.stroboscopic import duration
from .collocation import Collocation, Correction, Rates, extrema
from .floquet import accurate
from .moving_frames import closing

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..continuation.branches import SpecialPoint

Vector = np.ndarray
Matrix = np.ndarray

INTERVALS = 20
MOST = 640
"""Least and largest number of intervals of a mesh that is refined until the period does not change."""
ACCURACY = 1e-11
"""Relative change of the period by a finer mesh at which refinement ends."""
STABLE = 1e-6
"""Multipliers closer than this to the unit circle do not count as unstable."""
LARGEST_FLIPPED = 10
"""Systems of more states are not searched for reflections."""


@dataclass(frozen=True, eq=False)
class Cycle:
    """A periodic solution. ``Cycle(attrax.load(path, group))`` reads one back.

    Attributes
    ----------
    data : xarray.Dataset
        Along ``phase`` (0 to 1, the nodes of the mesh): the state blocks and ``time``. ``period``, ``multipliers``
        (Floquet's, largest first), ``unstable`` (how many are), ``residual`` (largest component of the equations of
        collocation), ``trivial_error`` (distance of the trivial multiplier from 1). Relative periodic orbits:
        ``velocities`` along the symmetries, in a frame of which they are periodic. Maps: along ``iterate``.
    """

    data: xr.Dataset

    @property
    def period(self) -> float:
        """The minimal period (maps: number of iterates)."""
        return float(self.data["period"])

    @property
    def multipliers(self) -> np.ndarray:
        """Floquet multipliers, largest first; of autonomous flows, the one nearest to 1 is trivial."""
        return np.array(self.data["multipliers"])

    @property
    def unstable(self) -> int:
        """Number of multipliers outside of the unit circle."""
        return int(self.data["unstable"])

    @property
    def stable(self) -> bool:
        """Whether nearby trajectories approach it."""
        return self.unstable == 0

    @property
    def residual(self) -> float:
        """Largest component of the equations that it solves."""
        return float(self.data["residual"])

    @property
    def symmetry(self) -> str:
        """The reflection that takes it to itself half a period later, as in ``"-x, -y, z"``; empty if there is none."""
        return str(self.data.attrs["symmetry"])

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameter values."""
        return dict(json.loads(self.data.attrs["parameters"]))

    @property
    def profile(self) -> Matrix:
        """States along the cycle, flat, (phase, components)."""
        blocks = json.loads(self.data.attrs["blocks"])
        arrays = [np.array(self.data[name]) for name in blocks]
        return np.concatenate([a.reshape(len(a), -1) for a in arrays], axis=1)

    @property
    def amplitude(self) -> dict[str, np.ndarray]:
        """Largest minus smallest value of each state block."""
        low, high = extrema(self.profile, int(self.data.attrs.get("degree", 1)))
        return self._blocks(high - low)

    def _blocks(self, flat: Vector) -> dict[str, np.ndarray]:
        shapes = {name: self.data[name].shape[1:] for name in json.loads(self.data.attrs["blocks"])}
        ends = np.cumsum([0, *(int(np.prod(shape, dtype=int)) for shape in shapes.values())])
        return {name: flat[a:b].reshape(shapes[name]) for name, a, b in zip(shapes, ends, ends[1:], strict=False)}

    @property
    def velocities(self) -> np.ndarray:
        """Of relative periodic orbits: along each symmetry; times the period, turn and step per period."""
        return np.array(self.data["velocities"]) if "velocities" in self.data else np.zeros(0)

    def __repr__(self) -> str:
        shown = ", ".join(f"{m:.6g}" for m in self.multipliers[:6])
        text = f"{self.data.attrs['system']}: cycle, period {self.period:.10g}, multipliers {shown}"
        return text + f", {'stable' if self.stable else 'unstable'}" + (f", {self.symmetry}" if self.symmetry else "")

    def save(self, path: str | os.PathLike, group: str = "/", **options: Any) -> None:
        """Store the data (see :func:`attrax.save`)."""
        from ...engine.storage import save

        save(self.data, path, group, **options)

    def plot(self, axes: Axes | None = None) -> Figure:
        """Draw it in phase space (see :func:`attrax.analysis.drawing.limit_cycles.cycles`)."""
        from ..drawing.limit_cycles import cycles

        return cycles([self.data], axes=axes)


def find_cycle(
    system: System,
    start: Mapping[str, Any] | SpecialPoint | Cycle | None = None,
    *,
    period: float | int | str | None = None,
    symmetry: Sequence[Callable] = (),
    t_max: float = 1e4,
    amplitude: float = 0.05,
    method: str = "collocation",
    max_seconds: float | None = None,
) -> Cycle:
    """A periodic solution, to rounding or 1e-11 of its period.

    Parameters
    ----------
    system : System
        A flow, driven or not, or a map. Cycles through events with resets are found by shooting.
    start : dict, Cycle or SpecialPoint
        A state from which a trajectory is followed until it returns (default: the initial state): the cycle need not
        be stable, but the trajectory must come close to it. Or a cycle at other parameter values. Or a Hopf point,
        of which a cycle nearby is returned, at its own parameter value; or a PD point of cycles: the doubled one.
    period : float, str or int
        Autonomous flows: a guess of the period; then ``start`` is a state close to the cycle. (A flow whose dependence
        on time is switched off by its parameters, as by an amplitude of zero, is autonomous if no period is given, or
        symmetries are.) Driven flows: the period
        of the solution, a number or a formula of parameters as ``"2*pi/omega"`` (a multiple of the drive's); default:
        that of the cycle at the start. Maps: the number of iterates.
    symmetry : sequence of functions
        Infinitesimal symmetries ``(s) -> {block: rate}``, such as ``lambda s: {"x": -s.y, "y": s.x, "heading": 1}``,
        whose flows commute with the system's: the cycle is periodic in a frame that moves along them.
    t_max : float
        How long to follow the trajectory. (Driven systems: if this is less than the period, the start is taken to be
        close to the cycle.)
    amplitude : float
        Size of a cycle from a Hopf or PD point, relative to the state there.
    method : "collocation" or "shooting"
        ``shooting``: multiple shooting, on variational equations integrated to 1e-13.
    max_seconds : float
        Wall time after which the search is given up.

    Raises
    ------
    InputError
        An argument is wrong.
    NumericsError
        No cycle was found, or not within ``max_seconds``.
    """
    from ..continuation.branches import SpecialPoint

    check_start(system, start)
    if method not in ("collocation", "shooting"):
        raise InputError(f"method must be 'collocation' or 'shooting', not {method!r:.40}")
    with at_most(max_seconds):
        if system.kind == "map":
            from .maps import find

            return find(system, start, whole("period", period, 1))
        if isinstance(start, Cycle) and period is None:
            period = start.data.attrs.get("drive")
        check(system, period, symmetry)
        if isinstance(start, SpecialPoint):
            refuse(system, "a cycle from a special point")
            from .starts import nearby

            found = nearby(system, start, positive("amplitude", amplitude))
        elif any(event.reset is not None for event in system.events.values()):
            return _hybrid(system, start, period, symmetry, positive("t_max", t_max))
        else:
            found = _smooth(system, start, period, symmetry, positive("t_max", t_max))
        return found if method == "collocation" else _by_shooting(system, found)


def check_start(system: System, start: Any) -> None:
    """Refuse what is no start of a cycle."""
    from ..continuation.branches import SpecialPoint

    if not (start is None or isinstance(start, (Mapping, np.ndarray, list, tuple, Cycle, SpecialPoint))):
        raise InputError(
            f"start must be a state, a Cycle, or a labelled point such as branch['H1'], not {type(start).__name__}"
        )
    if isinstance(start, Cycle) and start.profile.shape[1] != system.dimension:
        raise InputError(
            f"the cycle at the start has {start.profile.shape[1]} states, but system {system.name!r} has "
            f"{system.dimension}; take one of this system"
        )


def check(system: System, period: Any, symmetry: Sequence[Callable]) -> None:
    """Refuse what has no cycles of this kind."""
    if system.noise is not None:
        raise InputError(f"system {system.name!r} is noisy and has no cycles; leave out the noise")
    if not isinstance(symmetry, (tuple, list)) or not all(callable(each) for each in symmetry):
        raise InputError("symmetry must be a list of functions of the state, such as lambda s: {'x': -s.y, 'y': s.x}")
    if driven(system, period, symmetry):
        _check_period(system, period)
        if symmetry:
            raise InputError("symmetry is for systems that do not depend on time")


def _check_period(system: System, period: Any) -> None:
    if period is None:
        raise InputError(
            f"system {system.name!r} depends on time: give the period of the solution, as in period='2*pi/omega'"
        )


def driven(system: System, period: Any = None, symmetry: Sequence[Callable] = (), active: tuple[str, ...] = ()) -> bool:
    """Whether the system, or one of its events with a reset, depends on time.

    Unless a period is given (without symmetries), the values of parameters that are not active may switch that off, as
    zero does a force.
    """
    resets = {name: event for name, event in system.single_events.items() if event.reset is not None}
    programs = [system.program("rhs")]
    if resets:
        programs.append(events.landing(system, resets))
    if any(event.located for event in resets.values()):
        programs.append(events.conditions(system, resets))
    timed = [program for program in programs if _reads_time(program)]
    if period is None or symmetry:
        timed = [program for program in timed if _reads_time(_with_values(program, system, active))]
    return bool(timed)


def _reads_time(program: Program) -> bool:
    return any(i.op == "input" and i.payload[0] == "t" for i in program.instructions)


def _with_values(program: Program, system: System, active: tuple[str, ...]) -> Program:
    """The program at the parameter values of the system, but for the active ones."""
    b = Builder()
    given = {name: b.input(name, size) for name, size in program.inputs.items()}
    if "p" in given:
        free = {system.parameter_slices[name].start for name in active}
        values = enumerate(zip(given["p"], system.parameter_vector.tolist(), strict=True))
        given["p"] = [own if k in free else b.constant(value) for k, (own, value) in values]
    return b.program(b.inline(program, given))


def rates_of(
    system: System, active: tuple[str, ...], period: Any, symmetry: Sequence[Callable] = (), doublings: int = 0
) -> Rates:
    """The scaled right-hand side; ``period`` matters to driven systems."""
    if not driven(system, period, symmetry, active):
        return Rates(system, active, None, symmetry, tuple(symmetry))
    _check_period(system, period)
    return Rates(system, active, duration(system, period), (), period)


def problem_at(rates: Rates, cycle: Cycle, c: Vector | None = None) -> tuple[Collocation, Vector]:
    """The equations on the mesh of a cycle, and its unknowns."""
    degree = int(cycle.data.attrs["degree"])
    problem = Collocation(rates, np.array(cycle.data["phase"])[::degree], degree)
    return problem, np.concatenate([cycle.profile.ravel(), scalars_at(rates, cycle) if c is None else c])


def scalars_at(rates: Rates, cycle: Cycle) -> Vector:
    """The unknown scalars at a cycle: those of it, and the values of the active parameters in the system."""
    own = [] if rates.driven else [cycle.period]
    velocities = cycle.velocities if len(cycle.velocities) else np.zeros(len(rates.generators))
    return np.concatenate([own, velocities, [float(rates.system.parameters[k].value) for k in rates.active]])


def refined(
    problem: Collocation, u: Vector, *, rows: Matrix | None = None, iterations: int = 20
) -> tuple[Collocation, Vector, Correction]:
    """The solution near ``u`` on meshes of more and more intervals, until the period does not change."""
    first = solved(problem, u, iterations)
    before = first.u
    for _ in range(8):
        check_time(f"the cycle of {problem.rates.system.name!r} is not accurate on {problem.intervals} intervals")
        for _ in range(2):
            finer = problem.on(problem.adapted(problem.profile(before)))
            run = solved(finer, problem.moved(before, finer), iterations)
            problem, before = finer, run.u
        finer = problem.on(problem.adapted(problem.profile(before), 2 * problem.intervals))
        run = solved(finer, problem.moved(before, finer), iterations)
        if _same(problem, before, finer, run.u) or finer.intervals >= MOST:
            return finer, run.u, run
        problem, before = finer, run.u
    return problem, before, run


def _same(problem: Collocation, before: Vector, finer: Collocation, u: Vector) -> bool:
    """Whether two meshes give the same cycle; driven ones have the same period, but not the same states."""
    if not problem.rates.driven:
        a, b = problem.scalars(before)[0], finer.scalars(u)[0]
        return bool(abs(a - b) <= ACCURACY * abs(b))
    a, b = problem.profile(before), finer.profile(u)
    return bool((abs(a[0] - b[0]) <= ACCURACY * np.ptp(b, axis=0)).all())


def solved(problem: Collocation, u: Vector, iterations: int = 20) -> Correction:
    """The solution near ``u`` at the same parameters, or an error that says why there is none."""
    profile, c = problem.profile(u), problem.scalars(u)
    active = len(problem.rates.active)
    flow = np.ascontiguousarray(problem.rates.linearised(problem.at_points, problem.collocated(profile).T, c)[0])
    phase, targets = problem.conditions(profile, c, flow)
    fixed = np.zeros((active, len(u)))
    fixed[np.arange(active), len(u) - active + np.arange(active)] = 1.0
    scale = scales(problem, u)
    run = problem.correct(
        u, np.concatenate([phase, fixed]), np.append(targets, u[len(u) - active :]), scale, iterations, 1e-10
    )
    name = problem.rates.system.name
    if not run.converged:
        raise NumericsError(f"no cycle of {name!r} near the start: {run.story}; take a start that is closer to one")
    if not problem.rates.driven and not run.u[problem.nodes * problem.n] > 0:
        raise NumericsError(f"no cycle of {name!r} near the start: the period shrank to zero")
    spread = np.ptp(problem.profile(run.u), axis=0)
    if not problem.rates.driven and (spread <= 1e-7 * np.maximum(1e-3, abs(run.u[: problem.n]))).all():
        raise NumericsError(f"no cycle of {name!r} near the start: it shrinks to a fixed point")
    return run


def scales(problem: Collocation, u: Vector, floor: Vector | None = None) -> Vector:
    """Typical size of each unknown."""
    profile = problem.profile(u)
    spread = np.ptp(profile, axis=0)
    size = np.maximum(np.maximum(spread, 1e-2 * spread.max()), 1e-9 * abs(profile).max(axis=0))
    size = np.maximum(size, 1e-12) if floor is None else np.maximum(size, floor)
    own = np.maximum(abs(problem.scalars(u)), 1e-3)
    return np.concatenate([np.tile(size, problem.nodes), own])


def from_trajectory(rates: Rates, y: Vector, period: Any, t_max: float) -> tuple[Collocation, Vector]:
    """A mesh that fits a trajectory which returns close to where it was, and unknowns on it."""
    y, T = returning(rates, y, period, t_max)
    system, frame = rates.system, np.zeros(0)
    if rates.generators:
        system, frame, T = closing(rates.generators, system, y, T, _later)
    even = Collocation(rates, np.linspace(0, 1, 201))
    problem = even.on(even.adapted(path(system, y, even.at_nodes * T), 3 * INTERVALS))
    states = path(system, y, problem.at_nodes * T)
    # the gap is spread over the period
    states = states - problem.at_nodes[:, None] * (states[-1] - states[0])
    return problem, np.concatenate([states.ravel(), [] if rates.driven else np.append(T, frame)])


def _later(system: System, y: Vector, T: float) -> Vector:
    return path(system, y, np.array([0.0, T]))[-1]


def path(system: System, y: Vector, times: Vector) -> Matrix:
    """The trajectory of a state at some times."""
    from ...integrators.simulate import simulate

    options: dict[str, Any] = {"sample": times, "rtol": 1e-9, "atol": 1e-12, "progress": lambda _: check_time()}
    data = simulate(system, times[-1], initial=system.unpack(y), **options)
    states = np.concatenate([np.array(data[k]).reshape(len(times), -1) for k in system.state], axis=1)
    if not np.isfinite(states).all():
        raise NumericsError(f"the trajectory of {system.name!r} from the start does not stay finite")
    return states


def returning(rates: Rates, y: Vector, period: Any, t_max: float) -> tuple[Vector, float]:
    """A state to which the trajectory returns closely (all but exactly, if the cycle is stable), and when."""
    system = rates.system
    if y.ndim > 1:
        raise InputError("a cycle is looked for from one state, not from an ensemble")
    if rates.driven:
        T = rates.of_period(np.zeros(0))
        turns = min(200, int(t_max / T))
        return (y, T) if not turns else (path(system, y, np.arange(0, turns + 1) * T)[-1], T)
    if period is not None:
        return y, positive("period", period)

    window, passed, best, widest = 1.0, 0.0, (np.inf, y, 0.0), 0.0
    while passed + window <= t_max and best[0] > 1e-4:
        check_time(f"the trajectory of {system.name!r} has not returned to where it was until t = {passed:g}")
        times = np.linspace(0, window, 4001)
        states = path(system, y, times)
        base = len(times) // 4
        closeness, T = _returns(rates, states[base:], times[base:] - times[base])
        if closeness < best[0]:
            best = (closeness, states[base], T)
        width, widest = np.ptp(states[2000:], axis=0).max(), max(widest, np.ptp(states, axis=0).max())
        if width <= max(1e-9 * max(1e-6, abs(states).max()), 1e-5 * widest):
            raise NumericsError(
                f"the trajectory of {system.name!r} from the start ends in a fixed point, not in a cycle"
            )
        y, passed = states[-1], passed + window
        if window < 8 * best[2] or best[0] > 0.1:
            window *= 2
        else:
            y, passed = path(system, y, np.array([0.0, passed]))[-1], 2 * passed  # the transient takes longer
    closeness, y, T = best
    if closeness > 0.1:
        raise NumericsError(
            f"the trajectory of {system.name!r} from the start does not return to where it was within {t_max:g}; "
            "take another start, a larger t_max, or give a guess of the period"
        )
    return y, T


def _returns(rates: Rates, states: Matrix, times: Vector) -> tuple[float, float]:
    """How close the states come to the first one again (relative to their range), and when first so."""
    size = np.ptp(states, axis=0)
    moving = size > 1e-9 * np.maximum(abs(states).max(axis=0), 1e-6)
    if not moving.any():
        return np.inf, 0.0
    apart = (states[:, moving] - states[0, moving]) / size[moving]
    distance = np.sqrt((apart**2).sum(axis=1))
    away = np.argmax(distance > 0.3 * distance.max())
    inner = distance[1:-1]
    dips = 1 + np.nonzero((inner <= distance[:-2]) & (inner <= distance[2:]))[0]
    dips = dips[(dips > away) & (away > 2)]
    found: list[tuple[float, float]] = []
    for k in dips:
        # nearest point of the piecewise linear path
        nearest, when = np.inf, 0.0
        for i in (k - 1, k):
            step = apart[i + 1] - apart[i]
            share = float(np.clip(-(apart[i] @ step) / max(step @ step, 1e-300), 0, 1))
            gap = float(np.linalg.norm(apart[i] + share * step))
            if gap < nearest:
                nearest, when = gap, times[i] + share * (times[i + 1] - times[i])
        found.append((nearest, when))
    if not found:
        return np.inf, 0.0
    closest = min(gap for gap, _ in found)
    return next((gap, when) for gap, when in found if gap <= max(3 * closest, 1e-3))


def minimal(problem: Collocation, u: Vector, run: Correction) -> tuple[Collocation, Vector, Correction]:
    """The same cycle, once around, if ``u`` goes around it several times."""
    if problem.rates.driven or problem.rates.generators:
        return problem, u, run
    profile, size = problem.profile(u), scales(problem, u)[: problem.n]
    tau = np.linspace(0, 1, 200, endpoint=False)
    values = problem.evaluated(profile, tau)
    for times in range(12, 1, -1):
        moved = problem.evaluated(profile, (tau + 1 / times) % 1.0)
        if (abs(moved - values) / size).max() < 1e-5:
            part = problem.on(np.linspace(0, 1, max(INTERVALS, problem.intervals // times) + 1))
            c = problem.scalars(u).copy()
            c[0] /= times
            once = problem.evaluated(profile, part.at_nodes / times)
            return refined(part, np.append(once.ravel(), c))
    return problem, u, run


def unstable(multipliers: Vector, trivial: int) -> int:
    """How many multipliers are outside of the unit circle, leaving out those nearest to 1 that always are there."""
    others = np.delete(multipliers, np.argsort(abs(multipliers - 1))[:trivial])
    return int((abs(others) > 1 + STABLE).sum())


def as_cycle(
    problem: Collocation, u: Vector, run: Correction, multipliers: Vector | None = None, **attrs: Any
) -> Cycle:
    """The result for a solution."""
    rates, system = problem.rates, problem.rates.system
    profile, c = problem.profile(u), problem.scalars(u)
    if multipliers is None:
        multipliers = accurate(problem, u)
    system = system.with_parameters(**dict(zip(rates.active, c[len(rates.extras) :].tolist(), strict=True)))
    T = rates.of_period(c)
    sizes: dict[str, int | None] = {"phase": problem.nodes, "multiplier": problem.n}
    unit = {"units": system.time_unit} if system.time_unit else {}
    coords = {
        "phase": Variable(("phase",), float, {"long_name": "time, in periods"}, problem.at_nodes),
        "time": Variable(("phase",), float, unit | {"long_name": "time"}, problem.at_nodes * T),
    }
    variables = {
        "period": Variable((), float, unit),
        "multipliers": Variable(("multiplier",), complex, {"long_name": "Floquet multipliers"}),
        "unstable": Variable((), np.int64, {"long_name": "number of unstable multipliers"}),
        "residual": Variable((), float, {"long_name": "largest component of the equations"}),
        "trivial_error": Variable((), float, {"long_name": "distance of the trivial multiplier from 1"}),
    }
    trivial = 0 if rates.driven else 1
    arrays: dict[str, Any] = {
        "period": T,
        "multipliers": multipliers,
        "unstable": unstable(multipliers, trivial + len(rates.generators)),
        "residual": run.residual,
        "trivial_error": abs(multipliers - 1).min() if trivial else np.nan,
    }
    if rates.generators:
        sizes["generator"] = len(rates.generators)
        variables["velocities"] = Variable(("generator",), float, {"long_name": "velocities along the symmetries"})
        arrays["velocities"] = c[1 : 1 + len(rates.generators)]
    names = {}
    for block, shape in system.state.items():
        names[block] = key = block if block not in {*sizes, *coords, *variables} else f"{block}_"
        dims = tuple(f"{block}_{k}" if d in sizes else d for k, d in enumerate(system.state_dims[block]))
        sizes |= dict(zip(dims, shape, strict=True))
        variables[key] = Variable(("phase", *dims))
        arrays[key] = profile[:, system.state_slices[block]].reshape(problem.nodes, *shape)
    settings = {"analysis": "find_cycle", "degree": problem.degree, "blocks": list(names.values()), **attrs}
    if rates.driven:
        settings["drive"] = rates.key[-1]
    settings["symmetry"] = reflection(problem, u)
    return Cycle(dataset(Layout(sizes, coords, variables, provenance(system, **settings)), arrays))


def reflection(problem: Collocation, u: Vector) -> str:
    """The change of signs that commutes with the system and takes the cycle to itself, half a period later."""
    n, rates = problem.n, problem.rates
    if rates.driven or rates.generators or n > LARGEST_FLIPPED:
        return ""
    profile = problem.profile(u)
    tau = np.linspace(0, 1, 64, endpoint=False)
    here, later = problem.evaluated(profile, tau), problem.evaluated(profile, (tau + 0.5) % 1.0)
    size = np.maximum(np.ptp(here, axis=0), 1e-6 * abs(here).max())
    signs = [[s for s in (1.0, -1.0) if (abs(later[:, k] - s * here[:, k]) < 1e-5 * size[k]).all()] for k in range(n)]
    p = rates.parameters(problem.scalars(u))
    states = here[::4] + 0.1 * size * np.random.default_rng(0).normal(size=here[::4].shape)
    for flip in product(*signs):
        if min(flip) > 0:
            continue
        program = rates.system.program("rhs")
        f, g = (evaluate(program, t=[0.0], y=y.T, p=p)["f"].T for y in (states, states * flip))
        if np.allclose(g, f * flip, rtol=1e-9, atol=1e-9 * abs(f).max()):
            text = ", ".join(
                f"{'-' if s < 0 else ''}{c}" for s, c in zip(flip, rates.system.component_names, strict=True)
            )
            return f"({text}) half a period later"
    return ""


def _smooth(system: System, start: Any, period: Any, symmetry: Sequence[Callable], t_max: float) -> Cycle:
    """A cycle without resets, by collocation."""
    rates = rates_of(system, (), period, symmetry)
    if isinstance(start, Cycle):
        problem, u = problem_at(rates, start)
    else:
        problem, u = from_trajectory(rates, system.pack(start), period, t_max)
    return as_cycle(*minimal(*refined(problem, u)))


def _by_shooting(system: System, found: Cycle) -> Cycle:
    from .shooting import shoot

    if len(found.velocities):
        raise InputError("relative periodic orbits are found by collocation; leave out method='shooting'")
    own = {name: value for name, value in found.parameters.items() if name in system.numeric}
    attrs = found.data.attrs
    rates = rates_of(system.with_parameters(**own), (), attrs.get("drive"))
    return shoot(rates, found.profile[0], found.period, symmetry=attrs["symmetry"])


def _hybrid(system: System, start: Any, period: Any, symmetry: Sequence[Callable], t_max: float) -> Cycle:
    """A cycle through events with resets, by shooting."""
    from .shooting import shoot

    if isinstance(start, Cycle):
        rates = rates_of(system, (), period, symmetry)
        frame = start.velocities if len(start.velocities) else None
        return shoot(rates, start.profile[0], start.period, begin=float(start.data.phase[0]), frame=frame)
    rates = rates_of(system, (), period, symmetry)
    y, T = returning(rates, system.pack(start), period, t_max)
    if not symmetry:
        return shoot(rates, y, T)
    _, frame, T = closing(rates.generators, system, y, T, _later)
    return shoot(rates, y, T, frame=frame)
