"""Trajectories of systems, one or many: :func:`simulate`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import trajectory
from ..engine.errors import InputError
from ..engine.storage import Writer
from ..engine.system import System
from .ensemble import Ensemble, check_system, members
from .parallel import Progress, cores
from .planning import Plan, chosen_events, chosen_method
from .recording import check_room, kept, recorded
from .running import Run, by_diffrax
from .times import Spaced, number, positive, samples, span, whole

if TYPE_CHECKING:
    import xarray as xr


def simulate(
    system: System,
    t_end: float,
    *,
    t_start: float = 0.0,
    method: str | None = None,
    dt: float | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    sample: float | str | np.ndarray | None = None,
    transient: float = 0.0,
    initial: Any = None,
    parameters: Mapping[str, Any] | Ensemble | None = None,
    events: Any = (),
    max_steps: int = 10**9,
    backend: str = "numba",
    dtype: str = "float64",
    seed: int | tuple[int, int] = 0,
    store: str | os.PathLike | Writer | None = None,
    force: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
    record: Sequence[str] | Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Integrate a flow or iterate a map, from one initial state or from many.

    A parameter or initial value with an extra leading axis makes an ensemble; several are combined by
    :func:`attrax.grid` or :func:`attrax.zip`. A member's numbers do not depend on the other members, on
    ``workers``, on ``store``, or on pauses.

    Parameters
    ----------
    system : System
    t_end, t_start : float
        Last and first time, in the system's unit (maps: whole numbers of iterations). Flows may run backwards.
    method : str
        ``tsit5`` (default), ``dopri5``, ``dop853``, ``bs3``, and for stiff systems ``rodas5p`` and ``radau5``, choose
        their steps by ``rtol`` and ``atol``; ``euler``, ``heun``, ``rk4`` need ``dt``, as do the other explicit ones
        if a ``dt`` is given. Maps: ``iterate``.
    dt : float
        Equal steps of this length, shortened where necessary so that a whole number of them fits.
    rtol, atol : float
        Relative and absolute tolerance of the error per step, for each component.
    sample : float, array or "end"
        Spacing of the samples, or their times, or only the last state. Default: 1000 intervals (maps: every iterate).
        Samples between steps are interpolated to the order of the method's dense output.
    transient : float
        Time at the beginning that is integrated but not sampled.
    initial : dict or array
        Initial values by state block (numbers, arrays, ``attrax.uniform``...), or flat. Default: the system's.
    parameters : dict, or grid(...) or zip(...) of parameters and state blocks
        Values in place of the system's.
    events : dict, or texts
        What to record besides the system's own events: ``{name: ax.event(...)}``, or texts such as ``"y > 0"`` (y on
        its way up through 0), ``"y < 0"``, ``"y = 0"``, ``"max x"``, ``"min x"``, alone or as the values of the
        dictionary. They are located to the accuracy of the dense output, whatever the samples.
    max_steps : int
        Members that need more steps, refused ones included, end with status ``too_many_steps``.
    backend : "numba" or "jax"
        ``numba``: machine code for this processor. ``jax``: diffrax on whatever JAX runs on, for functions that cannot
        be lowered to machine code, and for GPUs; its results are not the same to the last bit. Also has ``kvaerno5``.
    dtype : "float64" or "float32"
        In what ``backend="jax"`` computes. Single precision is for GPUs; results are stored as float64.
    seed : int, or (int, int)
        For noise and for initial values that are drawn. A second number is that of the first member (default 0): with
        it, a member of a noisy ensemble is computed again alone.
    store : path or Writer
        HDF5 file to write while the run goes on; the result is then read from it when it is used.
    force : bool
        Replace the file if it exists.
    progress : callable
        Called now and then with the fraction that is done.
    workers : int
        Threads (default: all cores).
    record : list or dict
        Names of the state blocks and observables to keep (default: all); or a dictionary of names and what they stand
        for: formulas (``{"m": "mean(x)"}``) or functions ``(t, s, p)``.

    Returns
    -------
    xarray.Dataset
        State blocks and observables ``(member..., time, block axes)``, NaN where not reached; ``status``, ``t_stop``,
        ``steps``, ``rejected`` ``(member...)``; of each event ``<event>_count`` ``(member...)`` and ``<event>_time``
        ``(member..., <event>_index)``, padded with NaN, and if it happens to the elements of an array
        ``<event>_element``, their numbers, padded with -1. How each member ended is data: see the attributes of
        ``status``. A sample at the time of a reset is the state after it.

    Raises
    ------
    InputError
        An argument is wrong.
    StorageError
        The file exists or cannot be written.
    Interrupted
        Ctrl-C; what had been computed is in its ``partial``, and in the file.
    """
    check_system(system)
    start, end, keep = span(system, t_start, t_end, transient)
    method = chosen_method(system, method, dt, backend)
    rtol, atol = positive("rtol", rtol), positive("atol", atol)
    _check_dtype(dtype, backend, rtol)
    step = None if dt is None else number("dt", dt)
    most = float(whole("max_steps", max_steps, 1))
    seed, first_member = seed if isinstance(seed, tuple) and len(seed) == 2 else (seed, 0)
    seed, first_member = whole("seed", seed, 0), whole("the second number of seed", first_member, 0)
    ensemble = members(system, parameters, initial, seed, first_member)
    system, names = recorded(ensemble.system, record)
    ensemble = replace(ensemble, system=system)
    wanted = chosen_events(system, events, method, backend, forward=end > start)
    times = samples(system, start, end, keep, sample)
    if store is None or backend == "jax" or system.noise is not None:
        check_room(len(times) * (2 + (len(ensemble.y) if store is None else 0)))
        times = times[:]
    only_end = isinstance(sample, str)
    numba = backend == "numba"
    plan = Plan(
        ensemble, method, step, start, end, times, only_end, rtol, atol, most, (seed, first_member), names,
        cores(workers) if numba else 1, keep, wanted,
    )  # fmt: skip
    if system.noise is not None:
        times = plan.on_steps(sample)
        plan = replace(plan, times=times)
    steps_known = plan.dt is not None and system.kind == "flow"
    layout = trajectory.layout(
        system,
        time=len(times) if isinstance(times, Spaced) else times,
        members=ensemble.dims,
        member_coords=ensemble.coords,
        observables=system.observable_shapes,
        events=wanted,
        elements=[name for name, shape in plan.elements.items() if shape is not None],
        attrs=trajectory.provenance(
            system,
            method=method,
            backend=backend,
            dtype=None if dtype == "float64" else dtype,
            rtol=None if plan.dt is not None else rtol,
            atol=None if plan.dt is not None else atol,
            dt=plan.dt if steps_known else None,
            t_start=start,
            t_end=end,
            transient=abs(keep - start),
            seed=seed,
            first_member=first_member or None,
            events=list(wanted) or None,
            inputs={name: str(stream) for name, stream in system.inputs.items()} or None,
        ),
    )
    layout = kept(layout, system, names)
    plan.check_room()
    if store is None:
        check_room(len(ensemble.y) * len(plan.times) * plan.numbers)
    if backend == "jax":
        return by_diffrax(replace(plan, dtype=dtype), layout, _sink(store, force))
    return Run(plan, layout, _sink(store, force), cores(workers)).result(progress)


def _sink(store: Any, force: bool) -> Writer | None:
    if store is None or isinstance(store, Writer):
        return store
    return Writer(Path(store), force=force)


def _check_dtype(dtype: str, backend: str, rtol: float) -> None:
    if dtype not in ("float64", "float32"):
        raise InputError(f"dtype is 'float64' or 'float32', not {dtype!r:.40}")
    if dtype == "float32" and backend != "jax":
        raise InputError(f"backend {backend!r} computes in float64; float32 needs backend='jax'")
    if dtype == "float32" and rtol < 1e-6:
        raise InputError(f"float32 has 7 digits; choose an rtol of at least 1e-6, not {rtol:g}")
