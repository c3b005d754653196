"""Periodic solutions by multiple shooting: pieces of trajectories, with their variational equations, joined by Newton.

The pieces are integrated together, one in each lane, to a tolerance of 1e-13. They may pass through events with
resets: displacements cross them by the saltation matrix. So the cycles of hybrid systems (impacts, spikes) are found
and followed. What else is unknown (period, velocities of a moving frame, parameters) is part of the state of an
extended system, where it stays as it is: the derivatives by it pass the events by the same matrices.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...engine import events
from ...engine.declaration import Namespace
from ...engine.errors import InputError, NumericsError
from ...engine.evaluation import evaluate
from ...engine.layout import Layout, Variable
from ...engine.system import System
from ...engine.trajectory import dataset, provenance
from ...integrators.fields import DONE
from ...integrators.groups import AdaptiveGroup, adaptive
from ...integrators.tableaux import TABLEAUX
from ..continuation.time_limit import check_time
from ..lyapunov.tangent import LARGEST, Tangent
from .collocation import Rates
from .cycle import Cycle, rates_of, unstable
from .floquet import Multipliers

Vector = np.ndarray
Matrix = np.ndarray
Section = tuple[int, tuple[bool, ...]]

PIECES, FEWER = 16, 8
"""Pieces of smooth cycles, and of those with resets."""
SAMPLES = 400
"""Samples along a cycle."""
TOLERANCE = 1e-13
LANES = 8
SINGULAR = 1e-7
"""Singular values of the equations, in units of the sizes, below which cycles form a family, along which none moves."""
ROUNDING = 1e-10
"""Gaps between pieces, in units of the sizes of the states, that are due to rounding if they shrink no more."""
STEADY = 0.3
"""Smallest rate of change along a piece, in units of its mean, of components that tell where on the cycle one is."""
ASIDE = 0.35
"""How far the beginning of a piece may be moved away from an event, in units of the length of a piece."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """Pieces of trajectories as they are integrated.

    Attributes
    ----------
    gaps : ndarray
        (pieces, n) ends minus the next beginnings.
    derivatives : ndarray
        (pieces, n, n + scalars) of the ends by the beginnings and the unknown scalars.
    counts : dict of str to int
        How often each event with a reset happens.
    times : ndarray
        When, in periods, in order.
    names : list of str
        Which, in this order.
    befores : ndarray
        (events, n) states just before them.
    samples : ndarray
        (pieces, samples, n) along them.
    volume : float
        Logarithm of the growth of volumes; NaN for more than a few states.
    """

    gaps: Matrix
    derivatives: np.ndarray
    counts: dict[str, int]
    times: Vector
    names: list[str]
    befores: Matrix
    samples: np.ndarray
    volume: float


class Shooting:
    """The equations that join pieces of trajectories to a cycle.

    The unknowns are the states at the beginnings of the pieces, then the scalars of ``rates``.

    Parameters
    ----------
    rates : Rates
        The system, and which scalars are unknown.
    beginnings : ndarray
        Phases (pieces,) at which pieces begin, the last less than one period after the first.
    """

    def __init__(self, rates: Rates, beginnings: Vector):
        if rates.system.events and any(not e.located and e.reset for e in rates.system.events.values()):
            raise InputError(
                f"system {rates.system.name!r} has resets at given times, through which cycles are not followed; make "
                "them a part of the drive, or of the state"
            )
        self.rates, self.n = rates, rates.n
        self.events = events.singly(rates.system, rates.system.events)
        self._memory: dict[str, Shooting] = {}
        self._cut(beginnings)
        self.extended = _extended(rates)
        self.tangent = Tangent(self.extended, self.extended.dimension)
        if self.tangent.operations > LARGEST:
            raise InputError(f"system {rates.system.name!r} is too large for shooting; use method='collocation'")

    def on(self, beginnings: Vector, lengths: Vector | None = None) -> Shooting:
        """The same with pieces that begin elsewhere, each as long as the next one is away unless lengths are given."""
        other = copy(self)
        other._cut(beginnings, lengths)
        return other

    def _cut(self, beginnings: Vector, lengths: Vector | None = None) -> None:
        self.beginnings, self.pieces = beginnings, len(beginnings)
        self.lengths = np.diff(np.append(beginnings, beginnings[0] + 1)) if lengths is None else lengths

    def states(self, u: Vector) -> Matrix:
        """States at the beginnings (pieces, n)."""
        return u[: self.pieces * self.n].reshape(self.pieces, self.n)

    def scalars(self, u: Vector) -> Vector:
        """The unknown scalars."""
        return u[self.pieces * self.n :][: self.rates.scalars]

    def integrated(self, u: Vector, samples: int | Vector = 0) -> Pieces:
        """The pieces of some unknowns, with so many samples along each, or with samples at places from 0 to 1."""
        sampling = np.arange(samples) / max(1, samples) if isinstance(samples, int) else samples
        rates, n, driven = self.rates, self.n, self.rates.driven
        c, size = self.scalars(u), self.extended.dimension
        T, frame = rates.of_period(c), c[0 if driven else 1 :]
        starts = np.zeros((self.pieces, self.tangent.size))
        starts[:, :n], starts[:, n] = self.states(u), self.lengths * T
        if driven:
            starts[:, n + 1] = self.beginnings * T
        first = n + 1 + driven
        starts[:, first:size] = frame
        starts[:, size : size * (size + 1)] = np.eye(size).ravel()
        happenings = self.tangent.happenings
        watch = happenings.watch if happenings else None
        group = AdaptiveGroup(
            adaptive(self.tangent.rhs, TABLEAUX["dop853"], LANES, True, watch),
            starts,
            np.tile(self.extended.parameter_vector, (self.pieces, 1)),
            0.0,
            1.0,
            times=sampling,
            rtol=TOLERANCE,
            atol=TOLERANCE * 1e-2,
            max_steps=10**5,
            events=happenings,
            state_too=True,
        )
        out = np.empty((self.pieces, len(sampling), self.tangent.size))
        group.advance(0, len(sampling), out, lambda _: check_time())
        if (group.status != DONE).any():
            raise NumericsError(
                f"a trajectory of {rates.system.name!r} near the start does not reach the end of the period"
            )
        y = np.array(group.y)
        gaps = y[:, :n] - np.roll(self.states(u), -1, axis=0)
        moved = y[:, size : size * (size + 1)].reshape(-1, size, size).transpose(0, 2, 1)[:, :n]
        slopes = rates.slope_of_period(c)
        by_period = self.lengths[:, None] * moved[:, :, n]
        if driven:
            by_period = by_period + self.beginnings[:, None] * moved[:, :, n + 1]
        scalars = np.zeros((self.pieces, n, rates.scalars))
        scalars[:, :, 0 if driven else 1 :] = moved[:, :, first:]
        scalars += by_period[:, :, None] * slopes
        names = happenings.names if happenings else ()
        passed = [group.record.of(k) for k in range(len(names))]
        places = [(self.beginnings[:, None] + self.lengths[:, None] * each[:, :, 0]).ravel() for each in passed]
        when = np.concatenate(places) if places else np.zeros(0)
        order = np.argsort(when)[: int(np.isfinite(when).sum())]
        befores = np.concatenate([each[:, :, 1 : 1 + n].reshape(-1, n) for each in passed] or [np.zeros((0, n))])
        kinds = np.repeat(np.arange(len(names)), [place.size for place in places])[order]
        counts = dict(zip(names, group.record.counts.sum(axis=0).tolist(), strict=True))
        volume = float(y[:, self.tangent.growth.stop - 1].sum()) if self.tangent.volumes else np.nan
        derivatives = np.concatenate([moved[:, :, :n], scalars], axis=2)
        passings = [names[k] for k in kinds]
        return Pieces(gaps, derivatives, counts, when[order], passings, befores[order], out[:, :, :n], volume)

    def linear(self, u: Vector) -> tuple[Vector, Matrix, Pieces]:
        """Gaps (pieces * n,), and their derivatives by all unknowns."""
        run, n = self.integrated(u), self.n
        matrix = np.concatenate([self.joined(run), run.derivatives[:, :, n:].reshape(self.pieces * n, -1)], axis=1)
        return run.gaps.ravel(), matrix, run

    def joined(self, run: Pieces, closing: complex = 1.0) -> Matrix:
        """Derivatives of the gaps by the states at the beginnings, the last of which close with a factor."""
        n, count = self.n, self.pieces * self.n
        matrix = np.zeros((count, count), dtype=type(closing))
        for i in range(self.pieces):
            rows, after = slice(i * n, (i + 1) * n), (i + 1) % self.pieces
            matrix[rows, rows] += run.derivatives[i, :, :n]
            matrix[rows, after * n : (after + 1) * n] -= np.eye(n) * (closing if after == 0 else 1.0)
        return matrix

    def conditions(self, u: Vector, sizes: Vector, section: Section | None = None) -> tuple[Matrix, Vector]:
        """Rows and targets of the phase conditions: one of the states may not move along the cycle or a symmetry."""
        rates, c = self.rates, self.scalars(u)
        place, steady = section or (0, (True,) * self.n)
        own = slice(place * self.n, (place + 1) * self.n)
        rows = np.zeros((rates.conditions, len(u)))
        here = u[own][None]
        densities = []
        if not rates.driven:
            densities.append(rates.linearised(np.zeros(1), here.T, c)[0][0] * steady)
        if rates.generators:
            densities.extend(rates.along_group(np.zeros(1), here.T, c)[:, 0])
        for row, density in zip(rows, densities, strict=True):
            row[own] = density / sizes**2
            row /= np.linalg.norm(row[own] * sizes)
        return rows, rows @ u

    def section(self, run: Pieces, before: Section | None = None) -> Section:
        """A section that stays transversal: a piece, and its components that change steadily along it.

        That is the one before as long as it is one. ``run`` has samples.
        """
        steps = np.diff(run.samples, axis=1)
        mean = steps.mean(axis=1)
        steady = (steps * np.sign(mean)[:, None]).min(axis=1) > STEADY * abs(mean)
        if before and before[0] < self.pieces and steady[before[0]][list(before[1])].all():
            return before
        place = int(np.argmax(steady.any(axis=1)))
        return place, tuple((steady[place] if steady[place].any() else ~steady[place]).tolist())

    def multipliers(self, run: Pieces) -> Vector:
        """Of the cycle; NaN where they cannot be told."""
        n = self.n
        factors = np.concatenate(
            [-run.derivatives[:, :, :n], np.broadcast_to(np.eye(n), (self.pieces, n, n))],
            axis=2,
        )
        values = Multipliers(n)(factors)
        return np.full(n, np.nan + 0j) if values is None else values

    @property
    def without_events(self) -> Shooting:
        """The same for the flow without its events."""
        if "smooth" not in self._memory:
            rates = copy(self.rates)
            rates.system = replace(rates.system, events={}, _programs={})
            self._memory["smooth"] = Shooting(rates, self.beginnings)
        return self._memory["smooth"]

    @cached_property
    def hybrid(self) -> bool:
        """Whether there are resets."""
        return self.tangent.happenings is not None


def shoot(rates: Rates, y: Vector, T: float, *, begin: float = 0.0, frame: Vector | None = None, **attrs: Any) -> Cycle:
    """The cycle near the trajectory of a state over a time close to its period.

    Parameters
    ----------
    rates : Rates
        The system, without active parameters.
    y : ndarray
        A flat state close to the cycle, at the phase ``begin`` of the drive.
    T : float
        The period, or of autonomous systems a guess.
    frame : ndarray
        Guess of the velocities along the symmetries, 0 by default.

    Raises
    ------
    NumericsError
        Newton's method does not converge.
    InputError
        The system is too large for its variational equations to be written out.
    """
    problem, u = pieces_of(rates, y, T, begin, frame)
    name, residuals = rates.system.name, []
    sizes = sizes_of(problem, u)
    conditions, targets = problem.conditions(u, sizes)
    scale = np.concatenate([np.tile(sizes, problem.pieces), np.maximum(abs(problem.scalars(u)), 1e-3)])
    for _ in range(30):
        gaps, matrix, _ = problem.linear(u)
        residuals.append(float((abs(gaps.reshape(-1, problem.n)) / sizes).max()))
        full = np.concatenate([matrix, conditions])
        rows = np.append(1 / np.tile(sizes, problem.pieces), np.ones(len(conditions)))
        left, values, right = np.linalg.svd(rows[:, None] * full * scale, full_matrices=False)
        regular = values > SINGULAR
        change = left.T @ (rows * np.concatenate([-gaps, targets - conditions @ u]))
        step = right[regular].T @ (change[regular] / values[regular]) * scale
        u = u + step
        update = float((abs(step) / scale).max())
        if not np.isfinite(update) or not rates.of_period(problem.scalars(u)) > 0:
            break
        settled = residuals[-1] < 1e-6 and (update < 1e-11 or (residuals[-1] < 1e-11 and update < 1e-9))
        if settled or (len(residuals) > 1 and residuals[-2] <= residuals[-1] < ROUNDING):
            return as_cycle(problem, u, **attrs)
    told = ", ".join(f"{r:.1e}" for r in residuals[:6])
    raise NumericsError(
        f"no cycle of {name!r} near the start: shooting does not converge (gaps {told}); take a start that is closer "
        "to one"
    )


def pieces_of(
    rates: Rates, y: Vector, T: float, begin: float = 0.0, frame: Vector | None = None
) -> tuple[Shooting, Vector]:
    """Pieces of the trajectory of a state over a period that begin away from its events, and the unknowns."""
    c = np.concatenate([[] if rates.driven else [T], np.zeros(len(rates.generators)) if frame is None else frame])
    c = np.append(c, [float(rates.system.parameters[k].value) for k in rates.active])
    whole = Shooting(rates, np.array([begin]))
    count = FEWER if whole.hybrid else PIECES
    return recut(whole, np.append(y, c), apart(whole.integrated(np.append(y, c)).times, count, begin))


def recut(problem: Shooting, u: Vector, beginnings: Vector) -> tuple[Shooting, Vector]:
    """The same cycle in other pieces, which begin less than a period after those that there are."""
    c, starts = problem.scalars(u), []
    for begin in beginnings:
        k = int(np.searchsorted(problem.beginnings, begin, side="right")) - 1
        state, ahead = problem.states(u)[k], begin - problem.beginnings[k]
        if ahead > 0:
            part = problem.on(problem.beginnings[k : k + 1], np.array([ahead]))
            state = state + part.integrated(np.append(state, c)).gaps[0]
        starts.append(state)
    return problem.on(beginnings), np.concatenate([*starts, c])


def apart(times: Vector, count: int, begin: float) -> Vector:
    """Phases, almost equidistant, at which pieces begin: as far as possible from events at these phases.

    They begin with ``begin`` or soon after it.
    """
    even = begin + np.arange(count) / count
    if not len(times):
        return even
    shifts = np.linspace(0, 1 / count, 41)[:-1] if len(times) else np.zeros(1)
    distance = lambda phases: abs((phases[..., None] - times + 0.5) % 1.0 - 0.5).min(axis=-1)  # noqa: E731
    best = even + shifts[int(np.argmax([distance(even + shift).min() for shift in shifts]))]
    near = best[:, None] + np.linspace(-ASIDE, ASIDE, 29) / count
    near = np.where(near < begin, best[:, None], near)
    return near[np.arange(count), np.argmax(np.minimum(distance(near), 0.25 / count), axis=1)]


def along(system: System, cycle: Cycle) -> tuple[Rates, Vector, float]:
    """Multipliers of a cycle with resets, and the logarithm of the growth of volumes in a period."""
    problem, u = pieces_at(system, cycle)
    run = problem.integrated(u)
    return problem.rates, problem.multipliers(run), run.volume


def pieces_at(system: System, cycle: Cycle, active: tuple[str, ...] = ()) -> tuple[Shooting, Vector]:
    """The pieces of a cycle, at its parameters, and the unknowns."""
    known = {name: value for name, value in cycle.parameters.items() if name in system.numeric}
    rates = rates_of(system.with_parameters(**known), active, cycle.data.attrs.get("drive"))
    return pieces_of(rates, cycle.profile[0], cycle.period, float(cycle.data.phase[0]))


def sizes_of(problem: Shooting, u: Vector) -> Vector:
    """Typical size (n,) of the states."""
    states = problem.states(u)
    return np.maximum(np.ptp(states, axis=0), 1e-6 * max(1e-3, abs(states).max()))


def as_cycle(problem: Shooting, u: Vector, run: Pieces | None = None, **attrs: Any) -> Cycle:
    """The result for a solution."""
    rates, n, c = problem.rates, problem.n, problem.scalars(u)
    run = run or problem.integrated(u, SAMPLES // problem.pieces)
    system = rates.system.with_parameters(**dict(zip(rates.active, c[len(rates.extras) :].tolist(), strict=True)))
    T, values = rates.of_period(c), problem.multipliers(run)
    phase, states = sampled(problem, u, run)
    sizes: dict[str, int | None] = {"phase": len(phase), "multiplier": n}
    coords = {
        "phase": Variable(("phase",), float, {"long_name": "time, in periods"}, phase),
        "time": Variable(("phase",), float, {"long_name": "time"}, phase * T),
    }
    variables = {
        "period": Variable((), float),
        "multipliers": Variable(("multiplier",), complex, {"long_name": "Floquet multipliers"}),
        "unstable": Variable((), np.int64, {"long_name": "number of unstable multipliers"}),
        "residual": Variable((), float, {"long_name": "largest gap between the pieces"}),
        "trivial_error": Variable((), float, {"long_name": "distance of the trivial multiplier from 1"}),
    }
    arrays: dict[str, Any] = {
        "period": T,
        "multipliers": values,
        "unstable": unstable(values, (0 if rates.driven else 1) + len(rates.generators)),
        "residual": abs(run.gaps).max(),
        "trivial_error": np.nan if rates.driven else abs(values - 1).min(),
    }
    if rates.generators:
        sizes["generator"] = len(rates.generators)
        variables["velocities"] = Variable(("generator",), float, {"long_name": "velocities along the symmetries"})
        arrays["velocities"] = c[1 : 1 + len(rates.generators)]
    for name, count in run.counts.items():
        variables[f"{name}_count"] = Variable((), np.int64, {"long_name": f"number of events {name} in a period"})
        arrays[f"{name}_count"] = count
    names = []
    for block, shape in system.state.items():
        key = block if block not in {*sizes, *coords, *variables} else f"{block}_"
        names.append(key)
        dims = tuple(f"{block}_{k}" if d in sizes else d for k, d in enumerate(system.state_dims[block]))
        sizes |= dict(zip(dims, shape, strict=True))
        variables[key] = Variable(("phase", *dims))
        arrays[key] = states[:, system.state_slices[block]].reshape(len(phase), *shape)
    attrs = {"symmetry": "", "degree": 1 if problem.hybrid else 4} | attrs
    if rates.driven:
        attrs["drive"] = rates.key[-1]
    settings = provenance(system, analysis="find_cycle", method="shooting", blocks=names, **attrs)
    return Cycle(dataset(Layout(sizes, coords, variables, settings), arrays))


def sampled(problem: Shooting, u: Vector, run: Pieces) -> tuple[Vector, Matrix]:
    """Phases and states along the cycle, its end included; the samples next to events are moved up to them."""
    count, first = run.samples.shape[1], 0.0 if problem.rates.driven else problem.beginnings[0]
    inside = problem.beginnings[:, None] + problem.lengths[:, None] * np.arange(count) / count
    end = problem.states(u)[0] + run.gaps[-1]
    phase = np.append(inside.ravel(), problem.beginnings[0] + 1) - first
    states = np.concatenate([run.samples.reshape(-1, problem.n), end[None]])
    afters = passed(problem, u, run)
    for when, before, after in zip(run.times - first, run.befores, afters, strict=True):
        k = int(np.searchsorted(phase, when)) - 1
        if k > 0:
            phase[k], states[k] = when, before
        if 0 < k < len(phase) - 2:
            phase[k + 1], states[k + 1] = np.nextafter(when, np.inf), after
    return phase, states


def passed(problem: Shooting, u: Vector, run: Pieces) -> Matrix:
    """States (events, n) after the events of a period."""
    rates, c = problem.rates, problem.scalars(u)
    times = run.times * rates.of_period(c) if rates.driven else np.zeros(len(run.times))
    states = [
        evaluate(events.reset(rates.system, name, problem.events[name]), t=[t], y=before, p=rates.parameters(c))["y"]
        for name, t, before in zip(run.names, times, run.befores, strict=True)
    ]
    return np.reshape(states, (len(times), rates.n))


# -- inside ------------------------------------------------------------------------------------------------------


def _extended(rates: Rates) -> System:
    """The system with the length of a piece, the drive's time, velocities of the frame and parameters as states."""
    system, driven = rates.system, rates.driven
    frame = tuple(f"_{name}" for name in rates.extras if name != "period")
    own = ("_length", *(("_time",) if driven else ()), *frame, *(f"_{name}" for name in rates.active))
    known = [*system.parameter_slices, *system.structure, *system.couplings, *system.inputs]
    known = [name for name in known if name not in system.frozen]

    def given(t: Any, s: Any, p: Any) -> tuple[Any, Any, Any]:
        values = {name: p[name] for name in known} | {name: s[f"_{name}"] for name in rates.active}
        return s["_time"] if driven else t, s, Namespace(values, "parameter", system.name)

    def function(t: Any, s: Any, p: Any) -> dict[str, Any]:
        import jax.numpy as jnp

        change = dict(system.function(*given(t, s, p)))
        for name, generator in zip(frame, rates.generators, strict=True):
            for block, rate in generator(s).items():
                change[block] = change[block] - s[name] * jnp.asarray(rate)
        change = {block: s["_length"] * jnp.asarray(rate) for block, rate in change.items()}
        return {**change, **dict.fromkeys(own, 0.0), **({"_time": s["_length"]} if driven else {})}

    def moved(f: Any, several: bool = False) -> Any:
        if f is None or not several:
            return None if f is None else lambda t, s, p: f(*given(t, s, p))
        return lambda t, s, p, passed: f(*given(t, s, p), passed)

    return replace(
        system,
        name=f"{system.name} along a cycle",
        function=function,
        shapes={**system.shapes, **dict.fromkeys(own, ())},
        starts={**system.starts},
        observables={},
        slow=(),
        check=None,
        events={
            name: replace(event, function=moved(event.function), reset=moved(event.reset, event.element is not None))
            for name, event in system.single_events.items()
        },
        known=(),
        _programs={},
    )
