"""Lyapunov diagrams: exponents over two parameters, strip by strip."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import trajectory
from ...engine.layout import Variable
from ...engine.system import System
from ...integrators.ensemble import Ensemble
from ...integrators.ensemble import zip as together
from ...integrators.parallel import Progress, Tick
from ...integrators.times import whole
from ..sections.strips import Strips, columns, plane
from .spectrum import MEANINGS, lyapunov_spectrum

if TYPE_CHECKING:
    import xarray as xr


def lyapunov_diagram(
    system: System,
    parameters: Ensemble,
    k: int = 1,
    *,
    t_total: float | None = None,
    transient: float | None = None,
    initial: Any = None,
    seed: int = 0,
    store: str | os.PathLike | None = None,
    force: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
    **options: Any,
) -> xr.Dataset:
    """The ``k`` largest Lyapunov exponents over a grid of parameters, of any size.

    :func:`lyapunov_spectrum` strip by strip, without the histories of convergence.

    Parameters
    ----------
    system : System
    parameters : grid(...)
        Usually of two parameters; initial values may be among them.
    k : int
        How many exponents.
    t_total, transient : float
        Time (iterates) of averaging and before it; default 1000 after 500 for flows, 1000 after 1000 for maps.
    initial, seed, progress, workers
        As in :func:`attrax.simulate`.
    store, force
        HDF5 file to write strip by strip while the computation goes on, and whether to replace it.
    options
        Further options of :func:`lyapunov_spectrum`: ``method``, ``dt``, ``rtol``, ``atol``, ``tolerance``, ``t_max``.

    Returns
    -------
    xarray.Dataset
        ``exponents`` and ``standard_error`` over the parameters and ``exponent``; ``status``.

    Raises
    ------
    InputError
        An argument is wrong.
    Interrupted
        Ctrl-C; the strips that were finished are in its ``partial``, and in the file.
    """
    ensemble = plane(system, parameters, initial, seed)
    system = ensemble.system
    whole("k", k, 1)
    how = {
        "t_total": 1000 if t_total is None else t_total,
        "transient": {"map": 1000, "flow": 500.0}[system.kind] if transient is None else transient,
        **options,
    }
    rest = {name: system.initial[name] for name in system.state if name not in ensemble.coords}

    def compute(part: slice, tick: Tick) -> dict[str, np.ndarray]:
        found = lyapunov_spectrum(
            system,
            k,
            **how,
            parameters=together(**columns(ensemble, part)),
            initial=None if initial is None else _start(system, ensemble.y[part.start], rest),
            seed=seed,
            progress=tick,
            workers=1,
        )
        return {name: found[name].values for name in ("exponents", "standard_error", "status")}

    rate = {"units": f"1/{system.time_unit}"} if system.time_unit else {}
    variables = {
        name: Variable(("exponent",), float, {"long_name": MEANINGS[name][0], **rate})
        for name in ("exponents", "standard_error")
    }
    attrs = trajectory.provenance(system, analysis="lyapunov_diagram", k=k, seed=seed, **how)
    return Strips(ensemble, variables, {"exponent": k}, attrs).run(compute, store, force, workers, progress)


def _start(system: System, y: np.ndarray, names: dict[str, Any]) -> dict[str, np.ndarray]:
    """Initial values of the blocks that do not differ between members."""
    return {name: block for name, block in system.unpack(y).items() if name in names}
