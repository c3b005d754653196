"""Floquet multipliers, without the product that they are the eigenvalues of.

The monodromy matrix is a product of one factor for each interval. Multiplied out, it keeps nothing of multipliers
that are smaller than the largest one by more than the rounding unit. Orthogonal iteration through the factors brings
all of them to triangular form together (the periodic Schur decomposition: Bojanczyk, Golub & Van Dooren, SPIE 1770,
31, 1992), in which multipliers of different size stand apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine.driver import driver
from ...engine.errors import InputError
from ...engine.events import refuse
from ...engine.layout import Layout, Variable
from ...engine.system import System
from ...engine.trajectory import dataset, provenance
from ..equilibria.spectra import eigenvalues
from .collocation import Collocation

if TYPE_CHECKING:
    import xarray as xr

    from .cycle import Cycle

Vector = np.ndarray
Matrix = np.ndarray

DRIVERS = "attrax.analysis.cycles.floquet_drivers"
APART = 1e-9
"""Multipliers stand apart if what couples them is below this."""
ROUNDS = 60
SETTLED, FINEST = 1e-9, 20_000
"""Change of the logarithms of multipliers, and number of steps, at which steps are no longer halved."""


def floquet(system: System, cycle: Cycle) -> xr.Dataset:
    """Floquet multipliers and exponents of a cycle, with two checks.

    Parameters
    ----------
    system : System
        The flow; its parameters are taken from the cycle.
    cycle : Cycle

    Returns
    -------
    xarray.Dataset
        Along ``multiplier``, largest first: ``multipliers`` (complex) and ``exponents``, their logarithms per unit of
        time (imaginary parts between ``-pi/T`` and ``pi/T``). ``trivial_error``: distance of one multiplier from 1
        (autonomous systems). ``divergence_error``: difference between the sum of the exponents and the mean divergence
        along the cycle, which are equal (Liouville; jumps count with the determinant of their saltation matrix, and the
        difference is NaN if there are more than a few states, or if a reset projects).

    Raises
    ------
    InputError
        An argument is wrong.
    """
    _check(system, cycle)
    T = cycle.period
    if any(event.reset is not None for event in system.events.values()):
        from .shooting import along

        rates, values, growth = along(system, cycle)
        divergence = growth / T
    else:
        problem, u = on_mesh(system, cycle)
        rates, values = problem.rates, accurate(problem, u)
        _, d = rates.linearised(problem.at_points, problem.collocated(problem.profile(u)).T, problem.scalars(u))
        divergence = float(problem.weights @ np.trace(d[:, :, : problem.n], axis1=1, axis2=2)) / T
    with np.errstate(divide="ignore"):
        exponents = np.log(values) / T
    unit = {"units": f"1/{system.time_unit}"} if system.time_unit else {}
    variables = {
        "multipliers": Variable(("multiplier",), complex, {"long_name": "Floquet multipliers"}),
        "exponents": Variable(("multiplier",), complex, unit | {"long_name": "Floquet exponents"}),
        "trivial_error": Variable((), float, {"long_name": "distance of the trivial multiplier from 1"}),
        "divergence_error": Variable((), float, unit | {"long_name": "sum of exponents minus mean divergence"}),
    }
    arrays: dict[str, Any] = {
        "multipliers": values,
        "exponents": exponents,
        "trivial_error": np.nan if rates.driven else abs(values - 1).min(),
        "divergence_error": exponents.real.sum() - divergence if np.isfinite(divergence) else np.nan,
    }
    attrs = provenance(rates.system, analysis="floquet", period=T)
    return dataset(Layout({"multiplier": rates.n}, {}, variables, attrs), arrays)


def phase_response(system: System, cycle: Cycle) -> xr.Dataset:
    """How a small kick at any phase of a cycle shifts the phase: the periodic solution of the adjoint equations.

    A kick ``dx`` advances the oscillation by ``Z . dx`` in time (times ``2 pi / T`` in angle). It is normalised by
    ``Z . f = 1``, where f is the velocity (Malkin; Ermentrout & Terman, Mathematical Foundations of Neuroscience,
    2010, Sec. 8.1). It passes events with resets by the transpose of their saltation matrix (Shirasaka, Kurebayashi &
    Nakao, Phys. Rev. E 95, 012212, 2017).

    Parameters
    ----------
    system : System
        An autonomous flow; its parameters are taken from the cycle.
    cycle : Cycle

    Returns
    -------
    xarray.Dataset
        Along ``phase`` (0 to 1): for each state block the response Z to a kick of it, in time per unit of the block;
        ``time``; ``identity_error``, the largest ``|Z . f - 1|``. An event with a reset has two phases, those just
        before and just after it, which differ by rounding.

    Raises
    ------
    InputError
        The system is driven (its phase is that of the drive), or a map; or the cycle is periodic only up to symmetries.
    """
    from .cycle import driven

    _check(system, cycle)
    known = {name: value for name, value in cycle.parameters.items() if name in system.numeric}
    system = system.with_parameters(**known)
    if driven(system, cycle.data.attrs.get("drive")):
        raise InputError(f"system {system.name!r} is driven: its phase is that of the drive and cannot be shifted")
    if len(cycle.velocities):
        raise InputError("the phase response of a relative periodic orbit, one found with symmetries, is not computed")
    if any(event.reset is not None for event in system.events.values()):
        from .course import response

        phase, responses, error = response(system, cycle)
    else:
        phase, responses, error = _response(system, cycle)
    T = cycle.period
    names = [name for name in cycle.data.data_vars if "phase" in cycle.data[name].dims]
    sizes: dict[str, int | None] = {}
    variables: dict[str, Variable] = {}
    arrays: dict[str, Any] = {}
    unit = f"{system.time_unit or 'time'} per unit of"
    for key, (block, where) in zip(names, system.state_slices.items(), strict=True):
        dims, shape = cycle.data[key].dims, (len(phase), *cycle.data[key].shape[1:])
        sizes |= dict(zip(dims, shape, strict=True))
        variables[key] = Variable(dims, float, {"long_name": f"phase response, {unit} {block}"})
        arrays[key] = responses[:, where].reshape(shape)
    coords = {
        "phase": Variable(("phase",), float, {"long_name": "time, in periods"}, phase),
        "time": Variable(("phase",), float, {"long_name": "time"}, phase * T),
    }
    variables["identity_error"] = Variable((), float, {"long_name": "largest |Z . f - 1|"})
    arrays["identity_error"] = error
    attrs = provenance(system, analysis="phase_response", period=T)
    return dataset(Layout(sizes, coords, variables, attrs), arrays)


def _response(system: System, cycle: Cycle) -> tuple[Vector, Matrix, float]:
    """Phases, responses (nodes, n) and the largest ``|Z . f - 1|`` of a smooth cycle."""
    from .bifurcations import Variations

    problem, u = on_mesh(system, cycle)
    variations = Variations(problem, u)
    nodes, response = variations.null(adjoint=True)
    T, weight = cycle.period, variations.integral(response, variations.f).real
    speeds = (response * variations.f).sum(axis=1) / weight
    return problem.at_nodes, nodes * (T / weight), float(abs(speeds - 1).max())


def on_mesh(system: System, cycle: Cycle) -> tuple[Collocation, Vector]:
    """The equations on the mesh of a cycle, at its parameters, and its unknowns."""
    from .cycle import problem_at, rates_of, refined

    _check(system, cycle)
    refuse(system, "an analysis of the variational equations along a cycle")
    known = {name: value for name, value in cycle.parameters.items() if name in system.numeric}
    system = system.with_parameters(**known)
    problem, u = problem_at(rates_of(system, (), cycle.data.attrs.get("drive")), cycle)
    if cycle.data.attrs.get("method") == "shooting":
        problem, u, _ = refined(problem, u)
    return problem, u


def _check(system: System, cycle: Cycle) -> None:
    from .cycle import Cycle

    if not isinstance(cycle, Cycle):
        raise InputError(f"expected a Cycle, as find_cycle returns it, not {type(cycle).__name__}")
    if system.kind == "map":
        raise InputError(f"{system.name!r} is a map; the multipliers of its cycles are in cycle.multipliers")
    if cycle.profile.shape[1] != system.dimension:
        raise InputError(
            f"the cycle has {cycle.profile.shape[1]} states, but system {system.name!r} has {system.dimension}"
        )


class Multipliers:
    """Multipliers from the condensed equations of intervals; begins where it left off, for the next cycle of a branch.

    Parameters
    ----------
    n : int
        Dimension.
    """

    def __init__(self, n: int):
        self.n = n
        self.frame = np.eye(n)

    def __call__(self, factors: np.ndarray, closing: Matrix | None = None, rounds: int = ROUNDS) -> Vector | None:
        """The multipliers (n,), largest first, of ``A x_i + C x_{i+1} = 0`` (N, n, 2 n); None if they are singular.

        With a ``closing`` matrix S, those of ``S^-1 M``: of the period that is completed by the symmetry.
        """
        n = self.n
        if closing is not None and (closing != np.eye(n)).any():
            turned = np.concatenate([-np.eye(n), closing], axis=1)[None]
            factors = np.concatenate([factors, turned])
        count = len(factors)
        sizes = np.array([count, n, rounds])
        product, logarithms = np.empty((2, n, n)), np.empty(n)
        memory = np.empty((count + 5) * n * n + 7 * n)
        frame = self.frame.copy()
        if not driver(DRIVERS, "triangular")(sizes, np.ascontiguousarray(factors), frame, memory, product, logarithms):
            return None
        if np.isfinite(frame).all():
            self.frame = frame
        return spectra(product[:1], product[1:], logarithms[None])[0]


def accurate(problem: Collocation, u: Vector) -> Vector:
    """The multipliers of a cycle, from steps through its variational equations that are halved until they settle.

    A small multiplier is right to many digits only if every interval shrinks its direction moderately.
    """
    profile, c, n = problem.profile(u), problem.scalars(u), problem.n
    before, parts = None, 1
    while True:
        shares = np.linspace(0, 1, parts, endpoint=False)
        mesh = np.append((problem.mesh[:-1, None] + np.diff(problem.mesh)[:, None] * shares).ravel(), 1.0)
        finer = problem.on(mesh)
        states = problem.evaluated(profile, finer.at_points)
        _, d = problem.rates.linearised(finer.at_points, states.T, c)
        empty = np.zeros((0, finer.nodes * n))
        columns = np.zeros((finer.points * n + n, 0))
        _, factors, _ = finer.solve(d[:, :, :n], columns, empty, np.zeros((0, 0)))
        values = Multipliers(n)(factors)
        if values is None:
            return np.full(n, np.nan + 0j)
        with np.errstate(divide="ignore", invalid="ignore"):
            settled = before is not None and (abs(np.log(abs(values)) - np.log(abs(before))) < SETTLED).all()
        if settled or len(mesh) > FINEST:
            return values
        before, parts = values, 2 * parts


def spectra(turns: np.ndarray, triangles: np.ndarray, logarithms: Matrix) -> Matrix:
    """Eigenvalues (points, n) of many ``turn triangle exp(logarithms)``, group by group, largest first."""
    count, n = logarithms.shape
    turns, triangles = turns.reshape(count, n, n), triangles.reshape(count, n, n)
    ties = abs(turns) >= APART
    joined = np.array([ties[:, s:, :s].any(axis=(1, 2)) for s in range(1, n)]).reshape(n - 1, count).T
    values, patterns = np.empty((count, n), dtype=complex), set(map(tuple, joined.tolist()))
    for pattern in patterns:
        here = (joined == pattern).all(axis=1) if len(patterns) > 1 else slice(None)
        starts = [0] + [s for s, tied in enumerate(pattern, 1) if not tied] + [n]
        for first, last in zip(starts, starts[1:], strict=False):
            part = slice(first, last)
            size = logarithms[here, part].max(axis=1, keepdims=True)
            turn, triangle = turns[here, part, part], triangles[here, part, part]
            block = turn @ (triangle * np.exp(logarithms[here, part] - size)[:, None])
            values[here, part] = (block[:, 0] if last - first == 1 else eigenvalues(block)) * np.exp(size)
    order = np.argsort(-abs(values), axis=1, kind="stable")
    return values[np.arange(count)[:, None], order]
