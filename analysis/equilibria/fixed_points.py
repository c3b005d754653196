"""Fixed points of flows and maps: found in a box, with their eigenvalues and types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import trajectory
from ...engine.declaration import suggest
from ...engine.errors import InputError
from ...engine.layout import Layout, Variable
from ...engine.system import System
from .derivatives import Equations
from .spectra import NEUTRAL, spectrum

if TYPE_CHECKING:
    import xarray as xr

CLOSE = 1e-6
"""Solutions closer than this (relative to the box) are one."""
ROUNDS = 40
"""Iterations of Newton's method."""


def fixed_points(
    system: System,
    box: Mapping[str, Any],
    *,
    iterates: int = 1,
    parameters: Mapping[str, Any] | None = None,
    starts: int | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Fixed points in a box, by Newton's method from many starts at once and deflation of what is known.

    Newton's method runs from random starts with steps limited to half the box. Then it runs again on the equations
    divided by the distances to the known solutions (deflation: Farrell, Birkisson & Funke, SIAM J. Sci. Comput. 37,
    A2026, 2015), until a round finds nothing new. There is no proof that all are found: more ``starts``, smaller boxes.

    Parameters
    ----------
    system : System
    box : dict
        ``(low, high)`` for each state block, numbers or arrays.
    iterates : int
        Maps: fixed points of this iterate, that is the cycles whose period divides it.
    parameters : dict
        Parameter values other than the system's.
    starts : int
        Number of starting points; default 1000, 50 for systems of more than 24 states.
    seed : int
        Of the starting points.

    Returns
    -------
    xarray.Dataset
        Dimension ``point``, sorted by the first component: the state blocks; ``eigenvalues`` (of the iterate's Jacobian
        for maps); ``unstable``, how many of them are unstable; ``kind`` ("stable focus", "saddle", ...);
        ``residual``, the largest component of the right-hand side (of the iterate minus the state); maps: ``period``.

    Raises
    ------
    InputError
        An argument is wrong, or the system depends on time.
    """
    if parameters:
        system = system.with_parameters(**parameters)
    equations = Equations(system, (), iterates)
    low, high = box_ends(system, box)
    starts = starts or (1000 if equations.n <= 24 else 50)
    generator = np.random.default_rng(seed)
    y = low + (high - low) * generator.random((starts, equations.n))
    y[0] = (low + high) / 2
    with np.errstate(all="ignore"):
        found = _distinct(_search(equations, y, low, high, np.zeros((0, equations.n))), low, high)
        while len(found):
            more = _search(equations, y, low, high, found)
            together = _distinct(np.concatenate([found, more]), low, high)
            if len(together) == len(found):
                break
            found = together
    return _result(equations, found, starts, seed, (low, high))


def classify(eigenvalues: np.ndarray, is_map: bool) -> str:
    """Type of a fixed point: stable or unstable node or focus, saddle, saddle-focus, or nonhyperbolic."""
    growth = np.log(np.maximum(abs(eigenvalues), 1e-300)) if is_map else eigenvalues.real
    size = 1.0 if is_map else max(abs(eigenvalues).max(), 1e-300)
    if (abs(growth) <= max(NEUTRAL, 1e-9) * size).any():
        return "nonhyperbolic"
    rotating = bool((eigenvalues.imag != 0).any())
    if (growth < 0).all():
        return "stable focus" if rotating else "stable node"
    if (growth > 0).all():
        return "unstable focus" if rotating else "unstable node"
    return "saddle-focus" if rotating else "saddle"


# -- inside -------------------------------------------------------------------------------------------------


def box_ends(system: System, box: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Low and high end of a box, flat: ``{block: (low, high)}`` for each state block."""
    if not isinstance(box, Mapping):
        raise InputError(f"box must be a dictionary of (low, high) for each state block, not {type(box).__name__}")
    for name in box:
        if name not in system.state:
            raise InputError(f"box names {name!r}, no state block of {system.name!r}; {suggest(name, system.state)}")
    low, high = np.empty(system.dimension), np.empty(system.dimension)
    for name, where in system.state_slices.items():
        if name not in box:
            blocks = ", ".join(system.state)
            raise InputError(f"box does not name state block {name!r}; give (low, high) for each of {blocks}")
        try:
            ends = [np.ravel(np.broadcast_to(np.asarray(end, float), system.state[name])) for end in box[name]]
            low[where], high[where] = ends
        except (TypeError, ValueError):
            raise InputError(
                f"box[{name!r}] must be (low, high), numbers or arrays of shape {system.state[name]}, "
                f"not {box[name]!r:.60}"
            ) from None
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise InputError("box must have finite ends, the low one below the high one")
    return low, high


def _search(equations: Equations, y: np.ndarray, low: np.ndarray, high: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Solutions in the box from starts ``y`` (starts, n), other than the known ones."""
    width = high - low
    y, done = y.copy(), []
    for _ in range(ROUNDS if len(known) == 0 else 2 * ROUNDS):
        f, jacobian = equations.at_many(y)
        step = -_solve(jacobian, f)
        if len(known):
            step *= _deflation(y, step, known, width)[:, None]
        size = (abs(step) / width).max(axis=1)
        y = y + step / np.maximum(1.0, 2 * size)[:, None]
        beyond = ((y < low - width) | (y > high + width)).any(axis=1)
        arrived = size < 1e-9
        done.append(y[arrived & ~beyond])
        keep = np.isfinite(y).all(axis=1) & ~beyond & ~arrived
        y = y[keep]
        if not len(y):
            break
    if len(y):
        done.append(y[(abs(_residual(equations, y)) < 1e-12).all(axis=1)])
    found = _polished(equations, np.concatenate(done))
    inside = ((found >= low - 1e-9 * width) & (found <= high + 1e-9 * width)).all(axis=1)
    return found[inside]


def _polished(equations: Equations, y: np.ndarray) -> np.ndarray:
    """Two more steps of Newton's method, kept where they help; what is no solution is dropped."""
    if not len(y):
        return y
    for _ in range(2):
        f, jacobian = equations.at_many(y)
        better = y - _solve(jacobian, f)
        improved = abs(_residual(equations, better)).max(axis=1) < abs(f).max(axis=1)
        y = np.where(improved[:, None], better, y)
    f, jacobian = equations.at_many(y)
    size = np.maximum(1.0, np.einsum("kij,kj->ki", abs(jacobian), abs(y)).max(axis=1))
    return y[abs(f).max(axis=1) <= 1e-9 * size]


def _deflation(y: np.ndarray, step: np.ndarray, known: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Factor (starts,) of Newton's step for the equations times the product of ``1 / |y - known|^2 + 1``."""
    apart = (y[:, None] - known) / width
    square = np.maximum((apart**2).sum(axis=2), 1e-300)
    # logarithmic derivative of each factor along the step
    slope = -2 * (apart * (step / width)[:, None]).sum(axis=2) / (square**2 * (1 / square + 1))
    return 1 / (1 - slope.sum(axis=1))


def _residual(equations: Equations, y: np.ndarray) -> np.ndarray:
    return equations.at_many(y)[0]


def _solve(jacobian: np.ndarray, f: np.ndarray) -> np.ndarray:
    good = np.isfinite(jacobian).all(axis=(1, 2)) & np.isfinite(f).all(axis=1)
    step = np.full_like(f, np.nan)
    try:
        step[good] = np.linalg.solve(jacobian[good], f[good][..., None])[..., 0]
    except np.linalg.LinAlgError:
        step[good] = (np.linalg.pinv(jacobian[good]) @ f[good][..., None])[..., 0]
    return step


def _distinct(y: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """One of each group of close points."""
    kept: list[np.ndarray] = []
    for each in y:
        if not kept or (abs(np.array(kept) - each) / (high - low)).max(axis=1).min() > CLOSE:
            kept.append(each)
    return np.array(kept).reshape(len(kept), len(low))


def _period(equations: Equations, state: np.ndarray, width: np.ndarray) -> int:
    divisors = [k for k in range(1, equations.iterates + 1) if equations.iterates % k == 0]
    for k in divisors:
        f, _ = Equations(equations.system, (), k).values(state)
        if (abs(f) / width).max() < CLOSE:
            return k
    return equations.iterates


def _result(equations: Equations, y: np.ndarray, starts: int, seed: int, box: tuple) -> xr.Dataset:
    system, n = equations.system, equations.n
    y = y[np.lexsort(np.round(y / (box[1] - box[0]), 9).T[::-1])]
    f, jacobian = equations.at_many(y) if len(y) else (np.zeros((0, n)), np.zeros((0, n, n)))
    spectra = [spectrum(j.copy(), equations.map) for j in jacobian]
    eigenvalues = np.array([np.sort_complex(s.eigenvalues)[::-1] for s in spectra]).reshape(-1, n)
    kinds = np.array([classify(values, equations.map) for values in eigenvalues], dtype=str)
    sizes: dict[str, int | None] = {"point": len(y), "eigenvalue": n}
    variables, arrays = {}, {}
    for name, shape in system.state.items():
        dims = tuple(f"{name}_{k}" if d in sizes else d for k, d in enumerate(system.state_dims[name]))
        sizes |= dict(zip(dims, shape, strict=True))
        variables[name] = Variable(("point", *dims))
        arrays[name] = y[:, system.state_slices[name]].reshape(-1, *shape)
    variables |= {
        "eigenvalues": Variable(("point", "eigenvalue"), complex, {"long_name": "eigenvalues of the Jacobian"}),
        "unstable": Variable(("point",), np.int64, {"long_name": "number of unstable eigenvalues"}),
        "kind": Variable(("point",), str),
        "residual": Variable(("point",), float),
    }
    arrays |= {
        "eigenvalues": eigenvalues.astype(complex),
        "unstable": np.array([s.unstable for s in spectra], dtype=np.int64),
        "kind": kinds,
        "residual": abs(f).max(axis=1) if len(y) else np.zeros(0),
    }
    if equations.map:
        variables["period"] = Variable(("point",), np.int64)
        arrays["period"] = np.array([_period(equations, each, box[1] - box[0]) for each in y], dtype=np.int64)
    attrs = trajectory.provenance(
        system,
        analysis="fixed_points",
        iterates=equations.iterates,
        starts=starts,
        seed=seed,
        box=[list(end) for end in box],
    )
    return trajectory.dataset(Layout(sizes, {}, variables, attrs), arrays)
