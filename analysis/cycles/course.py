"""The course of a cycle with resets, in short segments between which its events happen.

Whatever varies along the cycle goes from node to node by one matrix: the derivative of a segment without events, or
the saltation matrix of an event. Backwards the adjoint goes, by their transposes: it jumps where the state does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...engine import events
from ...engine.errors import InputError
from ...engine.evaluation import evaluate
from ...engine.system import System
from .cycle import Cycle
from .shooting import Pieces, Shooting, passed, pieces_at

Vector = np.ndarray
Matrix = np.ndarray

NEUTRAL = 1e-6
"""Multipliers this close to 1 count as 1."""
NODES = 400
"""About how many there are."""
PLACES = (1 + np.array([-1.0, -np.sqrt(3 / 7), 0.0, np.sqrt(3 / 7), 1.0])) / 2
WEIGHTS = np.array([1 / 20, 49 / 180, 16 / 45, 49 / 180, 1 / 20])
"""Of Gauss and Lobatto: integrals over [0, 1] of order 8."""


@dataclass(frozen=True, eq=False)
class Course:
    """A cycle at its nodes, two at each event: one just before and one just after it.

    Attributes
    ----------
    phase : ndarray
        (nodes,) from the beginning of the first piece to the end of the last.
    states, velocities : ndarray
        (nodes, n); velocities are derivatives by the phase.
    passages : ndarray
        (nodes - 1, n, n + scalars): derivatives of the state at a node by that at the node before, and by the scalars.
    weights : ndarray
        (nodes,) of integrals over a period.
    pieces : ndarray
        (pieces,) nodes at which pieces begin.
    """

    phase: Vector
    states: Matrix
    velocities: Matrix
    passages: np.ndarray
    weights: Vector
    pieces: Vector

    def varied(self, starts: Matrix, scalars: Vector) -> Matrix:
        """A variation (nodes, n), real or complex, from its values at the beginnings of the pieces."""
        values = np.empty((len(self.phase), starts.shape[1]), dtype=starts.dtype)
        values[self.pieces] = starts
        n, begins = starts.shape[1], set(self.pieces.tolist())
        for k, passage in enumerate(self.passages, 1):
            if k not in begins:
                values[k] = passage[:, :n] @ values[k - 1] + passage[:, n:] @ scalars
        return values

    def adjoint(self, ends: Matrix) -> Matrix:
        """An adjoint variation (nodes, n), from its values at the ends of the pieces."""
        n, last = ends.shape[1], len(self.phase) - 1
        values = np.empty((last + 1, n))
        places = np.append(self.pieces[1:], last)
        values[places] = ends
        known = set(places.tolist())
        for k in range(last - 1, -1, -1):
            if k not in known:
                values[k] = self.passages[k, :, :n].T @ values[k + 1]
        return values

    def integral(self, a: Matrix, b: Matrix) -> float:
        """The mean over a period of the real part of ``<a, b>``, values (nodes, n)."""
        return float(self.weights @ (a.conj() * b).sum(axis=1).real)


def course_of(problem: Shooting, u: Vector, run: Pieces) -> Course:
    """The course of a solution, of which ``run`` are the pieces."""
    rates, n, c = problem.rates, problem.n, problem.scalars(u)
    jumps, afters = _jumps(problem, run, c), passed(problem, u, run)
    cuts = np.concatenate([problem.beginnings, run.times])
    order = np.argsort(cuts, kind="stable")
    begins, starts = cuts[order], np.concatenate([problem.states(u), afters])[order]
    lengths = np.diff(np.append(begins, problem.beginnings[0] + 1))
    panels = -(-NODES // (4 * len(begins)))
    places = ((np.arange(panels)[:, None] + PLACES[:-1]) / panels).ravel()

    smooth = problem.without_events
    stretches = smooth.on(begins, lengths).integrated(np.append(starts.ravel(), c), places)
    ends = stretches.gaps + np.roll(starts, -1, axis=0)
    inside = begins[:, None] + lengths[:, None] * places
    short = lengths[:, None] * np.diff(np.append(places, 1.0))
    segments = smooth.on(inside.ravel(), short.ravel()).integrated(np.append(stretches.samples.ravel(), c))

    phase = np.concatenate([inside, (begins + lengths)[:, None]], axis=1)
    states = np.concatenate([stretches.samples, ends[:, None]], axis=1).reshape(-1, n)
    flows = segments.derivatives.reshape(len(begins), -1, n, n + rates.scalars)
    crossings = np.concatenate([np.broadcast_to(np.eye(n), (problem.pieces, n, n)), jumps])[np.roll(order, -1)]
    crossings = np.pad(crossings[:, None], ((0, 0), (0, 0), (0, 0), (0, rates.scalars)))
    passages = np.concatenate([flows, crossings], axis=1).reshape(-1, n, n + rates.scalars)[:-1]
    share = np.zeros(4 * panels + 1)
    for k in range(panels):
        share[4 * k : 4 * k + 5] += WEIGHTS / panels
    flow, _ = rates.linearised(phase.ravel(), states.T, c)
    phase[1:, 0] = np.where(order[1:] < problem.pieces, phase[1:, 0], np.nextafter(phase[1:, 0], np.inf))
    pieces = np.flatnonzero(order < problem.pieces) * phase.shape[1]
    return Course(phase.ravel(), states, flow, passages, np.outer(lengths, share).ravel(), pieces)


def response(system: System, cycle: Cycle) -> tuple[Vector, Matrix, float]:
    """Phase response of a cycle with resets: phases, responses (nodes, n) and the largest ``|Z . f - 1|``."""
    course, values, error = responding(system, cycle)
    inner = np.append(np.diff(course.phase) > 0, True)
    phase, values = course.phase[inner] - float(cycle.data.phase[0]), values[inner]
    if phase[0] > 0:  # the first piece begins later than the cycle
        order = np.argsort(phase[:-1] % 1.0, kind="stable")
        phase, values = phase[order] % 1.0, values[order]
    return phase, values, error


def responding(system: System, cycle: Cycle) -> tuple[Course, Matrix, float]:
    """The course of a cycle, phase responses at its nodes, and the largest ``|Z . f - 1|``."""
    if (abs(cycle.multipliers - 1) < NEUTRAL).sum() > 1:
        raise InputError(
            f"more than one multiplier of the cycle of {system.name!r} is 1: kicks also take it to other cycles, and "
            "shift its phase beyond all bounds; give an isolated cycle, away from its bifurcations"
        )
    problem, u = pieces_at(system, cycle)
    run = problem.integrated(u)
    course = course_of(problem, u, run)
    ends = np.linalg.svd(problem.joined(run))[0][:, -1].reshape(problem.pieces, problem.n)
    values = course.adjoint(ends)
    speeds = (values * course.velocities).sum(axis=1) / cycle.period
    values, speeds = values / speeds[0], speeds / speeds[0]
    return course, values, float(abs(speeds - 1).max())


# -- inside ------------------------------------------------------------------------------------------------------


def _jumps(problem: Shooting, run: Pieces, c: Vector) -> np.ndarray:
    """Saltation matrices (events, n, n) of the events of a period."""
    rates, system, n = problem.rates, problem.rates.system, problem.n
    times = run.times * rates.of_period(c) if rates.driven else np.zeros(len(run.times))
    matrices = [
        evaluate(events.saltation(system, name, problem.events[name]), t=[t], y=before, p=rates.parameters(c))["S"]
        for name, t, before in zip(run.names, times, run.befores, strict=True)
    ]
    return np.reshape(matrices, (len(times), n, n))
