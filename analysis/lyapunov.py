"""Lyapunov exponents: how fast small displacements grow or shrink in the long run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import trajectory
from ..engine.driver import driver
from ..engine.errors import InputError, Interrupted
from ..engine.layout import Layout, Variable
from ..engine.native import Loop, Straight
from ..engine.program import Builder, Program
from ..engine.system import System
from ..integrators import explicit
from ..integrators.ensemble import Ensemble, Members, members
from ..integrators.fields import DONE, NONFINITE, RUNNING
from ..integrators.groups import AdaptiveGroup, Compiled, Pace, adaptive, lanes
from ..integrators.methods import ADAPTIVE
from ..integrators.parallel import Progress, Tick, cores, parts, work_off
from ..integrators.tableaux import TABLEAUX, Tableau
from ..integrators.times import number
from .tangent import Tangent

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

DURATION = {"flow": 10_000.0, "map": 100_000}
TRANSIENT = {"flow": 500.0, "map": 1000}
POINTS = 256
"""Points of the history of convergence."""
BATCHES = 16
"""Stretches of a run from whose differences the standard errors are taken."""
LONGEST = 64
"""How many times longer than asked for a run becomes for the sake of a wanted error."""


def lyapunov_spectrum(
    system: System,
    k: int | None = None,
    *,
    t_total: float | None = None,
    transient: float | None = None,
    tolerance: float | None = None,
    t_max: float | None = None,
    method: str | None = None,
    dt: float | None = None,
    rtol: float = 1e-7,
    atol: float = 1e-10,
    max_steps: int = 10**9,
    initial: Any = None,
    parameters: Mapping[str, Any] | Ensemble | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    """Lyapunov exponents from tangent vectors that are kept orthonormal (Benettin et al. 1980; Shimada & Nagashima 1979).

    The tangent vectors follow the exact derivative of the system, and are subject to the same tolerances as the state.
    Gram-Schmidt comes after each accepted step, or every few equal steps; the mean rates at which it finds the vectors
    grown are the exponents. Standard errors come from the differences between 16 batches: they mean something once a
    batch is much longer than the correlations of the motion.

    Parameters
    ----------
    system : System
        A flow or a map, from one initial state or many.
    k : int
        How many exponents, from the largest (default: all).
    t_total, transient : float
        Time (iterates) of averaging, and before it, during which the vectors turn too. Default: 10000 after 500 for flows,
        100000 after 1000 for maps; choose them by the system's time scale.
    tolerance, t_max : float
        Go on, doubling the time of averaging, until the standard errors are below ``tolerance``, but for at most ``t_max``
        (default: 64 ``t_total``). What was not reached shows in ``standard_error``.
    method, dt, rtol, atol
        Flows: a method with error control (default ``tsit5``), or any explicit one with steps of length ``dt`` (default ``rk4``).
    max_steps, initial, parameters, seed, progress, workers
        As in :func:`attrax.simulate`; ``seed`` also draws the first tangent vectors.

    Returns
    -------
    xarray.Dataset
        ``exponents`` and ``standard_error`` ``(member..., exponent)``, falling, in units of inverse time (per iterate);
        ``history`` ``(member..., time, exponent)``, the means up to a time; ``kaplan_yorke`` and ``kaplan_yorke_error``, the
        dimension of Kaplan & Yorke 1979 (NaN where the sum of the ``k`` exponents is positive); ``mean_divergence``, the mean
        rate of growth of volumes along the orbit, and with all exponents ``sum_minus_divergence``, which must be zero;
        ``zero_exponent``, for autonomous flows the exponent nearest to zero (zero unless the orbit ends in a fixed point);
        ``status`` and ``t_stop``. NaN for members that fail.

    Raises
    ------
    InputError
        An argument is wrong.
    Interrupted
        Ctrl-C; the members that were finished are in its ``partial``.
    """
    how = _settings(
        system,
        k,
        t_total=t_total,
        transient=transient,
        tolerance=tolerance,
        t_max=t_max,
        method=method,
        dt=dt,
        rtol=rtol,
        atol=atol,
        max_steps=max_steps,
    )
    ensemble = members(system, parameters, initial, seed)
    tangent = Tangent(ensemble.system, how.k)
    spectra = _Spectra(ensemble, how, seed)
    width, threads = lanes(len(ensemble.y), tangent.size), cores(workers)

    def work(part: slice, tick: Tick) -> None:
        spectra.take(part, _run(tangent, how, ensemble.y[part], ensemble.p[part], seed, width), tick)

    try:
        work_off(work, parts(len(ensemble.y), threads, width, 4096), threads, progress)
    except KeyboardInterrupt:
        raise Interrupted("interrupted", spectra.result()) from None
    return spectra.result()


@dataclass(frozen=True)
class _Settings:
    """The arguments, checked. ``interval`` is the time between points of the history, ``step`` the length of equal steps."""

    k: int
    method: str
    transient: float
    interval: float
    doublings: int
    tolerance: float
    step: float
    rtol: float
    atol: float
    max_steps: float

    @property
    def provenance(self) -> dict[str, Any]:
        """What of it is worth keeping."""
        fixed = self.step > 0
        return {
            "method": self.method,
            "transient": self.transient,
            "t_total": self.interval * POINTS,
            "tolerance": self.tolerance if self.doublings else None,
            "dt": self.step if fixed and self.method != "iterate" else None,
            "rtol": None if fixed else self.rtol,
            "atol": None if fixed else self.atol,
        }


def _settings(
    system: System,
    k: Any,
    *,
    t_total: Any,
    transient: Any,
    tolerance: Any,
    t_max: Any,
    method: str | None,
    dt: Any,
    rtol: Any,
    atol: Any,
    max_steps: Any,
) -> _Settings:
    n = system.dimension
    k = n if k is None else k
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= n:
        raise InputError(f"k must be a whole number from 1 to {n}, not {k!r:.40}")
    values = {
        "t_total": DURATION[system.kind] if t_total is None else t_total,
        "rtol": rtol,
        "atol": atol,
        "max_steps": max_steps,
        "tolerance": np.finfo(float).max if tolerance is None else tolerance,
    }
    for name, value in values.items():
        if not number(name, value) > 0:
            raise InputError(f"{name} must be positive, not {value}")
    total = float(values["t_total"])
    passing = number("transient", TRANSIENT[system.kind] if transient is None else transient)
    if passing < 0:
        raise InputError(f"transient must not be negative, but is {transient}")
    longest = LONGEST * total if t_max is None else number("t_max", t_max)
    if longest < total:
        raise InputError(f"t_max must be at least t_total, {total:g}, but is {longest:g}")
    if system.kind == "map":
        if method not in (None, "iterate") or dt is not None:
            raise InputError(f"{system.name!r} is a map; leave out method and dt")
        if not (total.is_integer() and passing.is_integer()):
            raise InputError(f"t_total and transient of a map are whole numbers of iterates, not {total:g} and {passing:g}")
        method, interval, step = "iterate", float(np.ceil(total / POINTS)), 1.0
    else:
        interval = total / POINTS
        method, step = _method(method, dt, interval)
    return _Settings(
        k=int(k),
        method=method,
        transient=passing,
        interval=interval,
        doublings=0 if tolerance is None else int(np.log2(longest / total) + 1e-9),
        tolerance=float(values["tolerance"]),
        step=step,
        rtol=float(rtol),
        atol=float(atol),
        max_steps=float(max_steps),
    )


def _method(method: str | None, dt: Any, interval: float) -> tuple[str, float]:
    """Name of a method for flows, and the length of equal steps of which a whole number fits into ``interval``."""
    method = method or ("tsit5" if dt is None else "rk4")
    if method not in TABLEAUX:
        raise InputError(f"Lyapunov exponents need an explicit method ({', '.join(TABLEAUX)}), not {method!r}")
    if dt is None:
        if method not in ADAPTIVE:
            raise InputError(f"method {method!r} has steps of equal length; give dt")
        return method, 0.0
    if not number("dt", dt) > 0:
        raise InputError(f"dt must be positive, not {dt}")
    return method, interval / np.ceil(interval / float(dt) * (1 - 1e-9))


# -- runs ----------------------------------------------------------------------------------------------------


class _Controlled:
    """Members with steps of their own."""

    def __init__(self, tangent: Tangent, how: _Settings, y: np.ndarray, p: np.ndarray, seed: int, width: int):
        self.tangent, self.time = tangent, 0.0
        compiled = adaptive(tangent.rhs, TABLEAUX[how.method], width, False, None, tangent.projection)
        end = how.transient + how.interval * POINTS * 2**how.doublings
        self.group = AdaptiveGroup(
            compiled,
            tangent.start(y, seed),
            p,
            0.0,
            end,
            times=np.zeros(0),
            rtol=how.rtol,
            atol=how.atol,
            max_steps=how.max_steps,
        )
        self.closed = np.zeros(len(y), dtype=bool)
        self.nothing = np.empty((len(y), 0, tangent.size))

    def go(self, duration: float, tick: Tick) -> None:
        """Let the members go on."""
        self.time += duration
        self.group.extend(self.time)
        self.group.status[self.closed & (self.group.status == RUNNING)] = DONE
        self.group.advance(0, 0, self.nothing, tick)

    @property
    def extended(self) -> np.ndarray:
        return self.group.y

    @property
    def status(self) -> np.ndarray:
        return self.group.status

    @property
    def reached(self) -> np.ndarray:
        return self.group.result()["t_stop"]


class _Stepped:
    """Members that take equal steps together, or the iterates of a map."""

    def __init__(self, tangent: Tangent, how: _Settings, y: np.ndarray, p: np.ndarray, seed: int, width: int):
        self.tangent, self.how, self.step = tangent, how, 0
        tableau = None if how.method == "iterate" else TABLEAUX[how.method]
        self.every = 4 if tableau else 8 if how.k == 1 else 2
        self.compiled = _Renormalised.of(tangent.rhs, tangent.projection, tableau, width)
        self.extended, self.p = tangent.start(y, seed), np.ascontiguousarray(p)
        self.work = self.compiled.memory(t0=0.0, dt=how.step)
        self.reached = np.zeros(len(y))
        self.closed = np.zeros(len(y), dtype=bool)
        self.status = np.full(len(y), RUNNING)
        self.pace = Pace(20_000)

    def go(self, duration: float, tick: Tick) -> None:
        """Let the members go on."""
        steps = round(duration / self.how.step)
        open = np.flatnonzero(~self.closed & (self.status != NONFINITE))
        state, p = self.extended[open], self.p[open]
        while steps and len(open):
            count = min(steps // self.every, max(1, self.pace.amount // len(open)))
            every = self.every if count else steps
            with self.pace:
                driver("attrax.analysis.lyapunov_drivers", "rounds")(
                    *(self.compiled.kernels["advance"], self.compiled.kernels["project"]),
                    *(self.work, self.compiled.field, self.compiled.width),
                    *(state.shape[1], p.shape[1], state, p, len(open), self.step, max(1, count), every),
                )
            done = max(1, count) * every
            steps -= done
            self.step += done
            tick(0.0)
        self.extended[open] = state
        finite = np.isfinite(state[:, : self.tangent.system.dimension]).all(axis=1)
        self.status[open] = np.where(finite, DONE, NONFINITE)
        self.reached[open[finite]] = self.step * self.how.step


class _Renormalised(Compiled):
    """Equal steps and the projection, compiled."""

    def __init__(self, rhs: Program, projection: Program, tableau: Tableau | None, width: int):
        workspace = explicit.fixed_workspace(width, rhs.inputs["y"], rhs.inputs["p"])
        nothing = Builder().program({})
        kernels = explicit.fixed_kernels(rhs, tableau, nothing) if tableau else explicit.map_kernels(rhs, nothing)
        b = Builder()
        y = b.input("y", rhs.inputs["y"])
        project = b.program({"y": b.inline(projection, {"y": y, "k": [b.constant(0.0)] * len(y)})["y"]}).fused()
        kernels = {"advance": kernels["advance"], "project": Straight(project)}
        super().__init__(workspace, kernels, ("y", "p", "index"))
