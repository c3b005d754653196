"""Alignment indices: how fast deviation vectors fall onto each other, which tells regular from chaotic motion soon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import trajectory
from ...engine.errors import InputError
from ...engine.layout import Layout, Variable
from ...engine.system import System
from ...integrators.ensemble import Ensemble, members
from ...integrators.ensemble import zip as together
from ...integrators.simulate import simulate
from ...integrators.times import positive, whole
from .deviations import NAME, with_deviations

if TYPE_CHECKING:
    import xarray as xr


def alignment_index(
    system: System,
    t_end: float,
    k: int = 2,
    *,
    points: int = 100,
    method: str | None = None,
    dt: float | None = None,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    initial: Any = None,
    parameters: Mapping[str, Any] | Ensemble | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> xr.Dataset:
    """Generalised alignment index of ``k`` deviation vectors.

    (GALI; Skokos, Bountis & Antonopoulos, Physica D 231, 30, 2007.) The volume of the parallelepiped of the vectors,
    each of unit length. On chaotic orbits it falls exponentially, like exp(-[(l1 - l2) + ... + (l1 - lk)] t) with the
    Lyapunov exponents, down to rounding; on regular orbits it stays or falls as a power of time (on tori of
    conservative flows of n dimensions it stays for k up to n / 2; for maps of the plane it falls like 1 / t^2). For
    ``k = 2`` also the smaller alignment index (SALI; Skokos, J. Phys. A 34, 10029, 2001).

    Parameters
    ----------
    system : System
        Without noise.
    t_end : float
        Last time (iterates).
    k : int
        Number of vectors, from 2 to the dimension.
    points : int
        How often the index is noted and the vectors brought back to unit length. Between two of these times they must
        not align to machine precision.
    method, dt, rtol, atol, initial, parameters, seed, workers
        As in :func:`attrax.simulate`; the seed also draws the first vectors, which are orthonormal.

    Returns
    -------
    xarray.Dataset
        ``gali``, and for two vectors ``sali``, ``(member..., time)``; ``status``.
    """
    whole("points", points, 1)
    if system.noise is not None or not 2 <= whole("k", k, 2) <= system.dimension:
        raise InputError(f"k lies from 2 to {system.dimension}, and the system has no noise; k is {k}")
    last, ensemble = positive("t_end", t_end), members(system, parameters, initial, seed)
    times = np.linspace(0.0, last, points + 1)[1:]
    if system.kind == "map":
        times = np.unique(np.ceil(times))
    extended, y, n = with_deviations(ensemble.system, k), ensemble.y, system.dimension
    values = {name: ensemble.p[:, where] for name, where in system.parameter_slices.items()}
    given = {name: v.reshape(len(y), *system.numeric[name]) for name, v in values.items()}
    vectors = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, k)))[0].T
    vectors, now = np.broadcast_to(vectors, (len(y), k, n)), 0.0
    volume, smaller = np.full((len(y), len(times)), np.nan), np.full((len(y), len(times)), np.nan)
    status, alive = np.zeros(len(y), dtype=np.int8), np.arange(len(y))
    for j, time in enumerate(times):
        here = {name: v[alive] for name, v in given.items()} | {"state": y[alive], NAME: vectors[alive]}
        run = simulate(
            extended,
            time,
            t_start=now,
            sample="end",
            parameters=together(**here),
            method=method,
            dt=dt,
            rtol=rtol,
            atol=atol,
            workers=workers,
        )
        now, y, vectors = time, y.copy(), vectors.copy()
        status[alive] = run["status"].values
        y[alive], vectors[alive] = run["state"].values[:, 0], run[NAME].values[:, 0]
        alive = alive[status[alive] == 0]
        if not len(alive):
            break
        vectors[alive] /= np.linalg.norm(vectors[alive], axis=2, keepdims=True)
        volume[alive, j] = np.prod(np.linalg.svd(vectors[alive], compute_uv=False), axis=1)
        one, other = vectors[alive, 0], vectors[alive, 1]
        smaller[alive, j] = np.minimum(np.linalg.norm(one + other, axis=1), np.linalg.norm(one - other, axis=1))
    plain = trajectory.layout(
        ensemble.system,
        time=times,
        members=ensemble.dims,
        member_coords=ensemble.coords,
        attrs=trajectory.provenance(
            ensemble.system, analysis="alignment_index", k=k, t_end=last, method=run.attrs["method"], seed=seed
        ),
    )
    dims, shape = plain.variables["status"].dims, tuple(ensemble.dims.values())
    found = {"gali": volume} | ({"sali": smaller} if k == 2 else {})
    variables = {name: Variable((*dims, "time"), float) for name in found} | {"status": plain.variables["status"]}
    used = {d for v in (*variables.values(), *plain.coords.values()) for d in v.dims}
    layout = Layout({d: m for d, m in plain.sizes.items() if d in used}, plain.coords, variables, plain.attrs)
    arrays = {name: v.reshape(*shape, len(times)) for name, v in found.items()} | {"status": status.reshape(shape)}
    return trajectory.dataset(layout, arrays)
