"""Lyapunov exponents: how fast small displacements grow or shrink in the long run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import trajectory
from ...engine.errors import InputError, Interrupted
from ...engine.events import refuse
from ...engine.layout import Layout, Variable
from ...engine.system import System
from ...integrators.ensemble import Ensemble, Members, members
from ...integrators.fields import DONE, RUNNING
from ...integrators.groups import AdaptiveGroup, adaptive, lanes
from ...integrators.methods import ADAPTIVE
from ...integrators.parallel import Progress, Tick, cores, parts, work_off
from ...integrators.tableaux import TABLEAUX
from ...integrators.times import number, positive
from .equal_steps import Abreast, Stepped, Wide
from .errors import BATCHES, batch_means, kaplan_yorke, standard_errors
from .noisy_tangents import NoisyTangents, noisy_method
from .tangent import LARGEST, WRITTEN_OUT, Tangent
from .tangent_lanes import MOST

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

DURATION = {"flow": 10_000.0, "map": 100_000}
TRANSIENT = {"flow": 500.0, "map": 1000}
POINTS = 256
"""Points of the history of convergence; fewer for short runs of maps."""
EVERY = 12
"""Steps of flows between two projections: stable explicit ones shrink vectors by so little (classical ones at most
0.27-fold in each) that these remain well apart."""
LARGE = 2**20
"""Ensembles whose histories would hold more numbers keep the batches alone."""
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
    """Lyapunov exponents, from tangent vectors that are kept orthonormal.

    (Benettin et al., Meccanica 15, 9, 1980; Shimada & Nagashima, Prog. Theor. Phys. 61, 1605, 1979.) The tangent
    vectors follow the exact derivative of the system, and are subject to the same tolerances as the state.
    Gram-Schmidt comes after each accepted step, or every few equal steps; the mean rates at which it finds the
    vectors grown are the exponents. Where an event resets the state, its saltation matrix takes the vectors on
    (:meth:`attrax.System.saltation`; Mueller, Chaos, Solitons & Fractals 5, 1671, 1995). Standard errors come from the
    differences between 16 batches: they mean something once a batch is much longer than the correlations of the
    motion; before, they are too large for flows (twice for Lorenz's after 500 time units), as growth within a batch
    also depends on the directions at its ends.

    Parameters
    ----------
    system : System
        A flow or a map, from one initial state or many.
    k : int
        How many exponents, from the largest (default: all).
    t_total, transient : float
        Time (iterates) of averaging, and before it, during which the vectors turn too. Default: 10000 after 500 for
        flows, 100000 after 1000 for maps; choose them by the system's time scale.
    tolerance, t_max : float
        Go on, doubling the time of averaging, until the standard errors are below ``tolerance``, but for at most
        ``t_max`` (default: 64 ``t_total``). What was not reached shows in ``standard_error``.
    method, dt, rtol, atol
        Flows: a method with error control (default ``dop853``), or any explicit one with steps of length ``dt``
        (default ``rk4``). Noisy flows need ``dt`` (default ``stochastic_heun``); their vectors see the noise of the
        state, so that exponents are those of the random dynamical system (Arnold, Random Dynamical Systems, 1998).
    max_steps, initial, parameters, seed, progress, workers
        As in :func:`attrax.simulate`; ``seed`` also draws the first tangent vectors.

    Returns
    -------
    xarray.Dataset
        ``exponents`` and ``standard_error`` ``(member..., exponent)``, falling, in units of inverse time (per iterate);
        ``history`` ``(member..., time, exponent)``, the means up to a time (at 256 times; 16 in very large
        ensembles); ``kaplan_yorke`` and ``kaplan_yorke_error``, the dimension of Kaplan & Yorke 1979 (NaN where
        ``k`` exponents do not suffice); ``mean_divergence``, the mean rate of growth of volumes along the orbit (NaN
        for maps of more than 6 states and with noise), and with all exponents ``sum_minus_divergence``, which must be
        zero; ``zero_exponent``, for autonomous flows the exponent nearest to zero (zero unless the orbit ends in a
        fixed point); ``status`` and ``t_stop``. NaN for members that fail.

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
    kind = _kind(tangent, how, len(ensemble.y))
    width, threads = lanes(len(ensemble.y), tangent.size, ensemble.p.shape[1]), cores(workers)
    spectra = _Spectra(ensemble, tangent, how, seed, width, kind)
    try:
        work_off(spectra.work, parts(len(ensemble.y), threads, width, 4096), threads, progress)
    except KeyboardInterrupt:
        raise Interrupted("interrupted", spectra.result()) from None
    return spectra.result()


@dataclass(frozen=True)
class _Settings:
    """The arguments, checked.

    ``interval`` is the time between the ``points`` of the history; ``step`` the length of equal steps, of which
    ``every`` at most lie between two projections, and a whole number in an interval.
    """

    k: int
    method: str
    transient: float
    points: int
    interval: float
    doublings: int
    tolerance: float
    step: float
    every: int
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
            "t_total": self.interval * self.points,
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
        positive(name, value)
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
            raise InputError(f"t_total and transient of a map are whole numbers, not {total:g} and {passing:g}")
        every, step, points = (8 if k == 1 else 2), 1.0, POINTS
        while points > BATCHES and points * every > total:
            points //= 2
        method, interval = "iterate", every * float(np.ceil(total / (every * points)))
    else:
        every, points, interval = EVERY, POINTS, total / POINTS
        if system.noise is not None:
            method = noisy_method(system.name, method, dt)
            step = _fitting(dt, interval)
        else:
            method, step = _method(method, dt, interval)
    return _Settings(
        k=int(k),
        method=method,
        transient=passing,
        points=points,
        interval=interval,
        doublings=0 if tolerance is None else int(np.log2(longest / total) + 1e-9),
        tolerance=float(values["tolerance"]),
        step=step,
        every=every,
        rtol=float(rtol),
        atol=float(atol),
        max_steps=float(max_steps),
    )


def _method(method: str | None, dt: Any, interval: float) -> tuple[str, float]:
    """Name of a method for flows, and the length of equal steps of which a whole number fits into ``interval``."""
    method = method or ("dop853" if dt is None else "rk4")
    if method not in TABLEAUX:
        raise InputError(f"Lyapunov exponents need an explicit method ({', '.join(TABLEAUX)}), not {method!r}")
    if dt is None:
        if method not in ADAPTIVE:
            raise InputError(f"method {method!r} has steps of equal length; give dt")
        return method, 0.0
    return method, _fitting(dt, interval)


def _fitting(dt: Any, interval: float) -> float:
    """The longest step up to ``dt`` of which a whole number fits into an interval."""
    return float(interval / np.ceil(interval / positive("dt", dt) * (1 - 1e-9)))


# -- runs ----------------------------------------------------------------------------------------------------


class _Controlled:
    """Members with steps of their own."""

    def __init__(
        self, tangent: Tangent, how: _Settings, y: np.ndarray, p: np.ndarray, seed: int, width: int, first: int
    ):
        self.tangent, self.time = tangent, 0.0
        events = tangent.happenings
        watch = events.watch if events else None
        compiled = adaptive(tangent.rhs, TABLEAUX[how.method], width, events is not None, watch, tangent.projection)
        end = how.transient + how.interval * how.points * 2**how.doublings
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
            events=events,
            record_from=np.inf,
        )
        self.closed = np.zeros(len(y), dtype=bool)
        self.nothing = np.empty((len(y), 0, tangent.size))

    def go(self, duration: float, times: int, most: int, tick: Tick) -> np.ndarray:
        """Let the members go on, several times (which shows in the last digits)."""
        for _ in range(times):
            self.time += duration
            self.group.extend(self.time)
            self.group.status[self.closed & (self.group.status == RUNNING)] = DONE
            self.group.advance(0, 0, self.nothing, tick)
        sums = self.group.y[:, self.tangent.growth]
        found, sums[:] = sums[:, None].copy(), 0.0
        return found

    @property
    def status(self) -> np.ndarray:
        return self.group.status

    @property
    def reached(self) -> np.ndarray:
        return self.group.result()["t_stop"]


def _kind(tangent: Tangent, how: _Settings, members: int) -> type:
    """How the tangent vectors are best moved."""
    if tangent.system.noise is not None:
        return NoisyTangents
    if how.step:
        refuse(tangent.system, "a Lyapunov spectrum by steps of equal length (dt)")
    if how.step and how.k * tangent.system.dimension <= WRITTEN_OUT:
        return Abreast if members == 1 and how.k > 1 else Stepped
    if how.step:
        if how.k > MOST:
            raise InputError(f"at most {MOST} exponents can be had, not {how.k}")
        return Wide
    if tangent.operations > LARGEST:
        raise InputError(
            f"{how.k} tangent vectors of system {tangent.system.name!r} are too many for steps with error control; "
            "give dt, the length of equal steps, or ask for fewer exponents"
        )
    return _Controlled


# -- results -------------------------------------------------------------------------------------------------


class _Spectra:
    """What the members have found."""

    def __init__(self, ensemble: Members, tangent: Tangent, how: _Settings, seed: int, width: int, kind: type):
        self.ensemble, self.tangent, self.how, self.kind = ensemble, tangent, how, kind
        self.seed, self.width = seed, width
        count = len(ensemble.y)
        self.points = how.points if count * how.points * how.k <= LARGE else BATCHES
        self.times = how.points // self.points
        self.interval = how.interval * self.times
        self.grown = np.full((count, self.points, how.k + 1), np.nan)
        self.doublings = np.zeros(count, dtype=np.int64)
        self.status, self.reached = np.full(count, RUNNING), np.zeros(count)

    def work(self, part: slice, tick: Tick) -> None:
        """Run the members of a part."""
        how, points = self.how, self.points
        y, p = self.ensemble.y[part], self.ensemble.p[part]
        run = self.kind(self.tangent, how, y, p, self.seed, self.width, part.start)
        doublings = self.doublings[part]
        total = how.transient + self.interval * points
        passed = 0.0

        def tell(_: float) -> None:
            tick(min(1.0, passed / total))

        def go(duration: float, times: int, points: int) -> np.ndarray:
            nonlocal passed
            grown = np.empty((len(y), points, how.k + 1))
            done = 0
            while done < points:
                found = run.go(duration, times, points - done, tell)
                grown[:, done : done + found.shape[1]] = found
                passed += duration * times * found.shape[1]
                done += found.shape[1]
            return np.cumsum(grown, axis=1, out=grown)

        if how.transient:
            go(how.transient, 1, 1)
        grown = go(how.interval, self.times, points)
        for doubling in range(1, how.doublings + 1):
            errors = standard_errors(grown[..., : how.k], self.interval * 2.0**doublings)
            run.closed |= ~(errors > how.tolerance).any(axis=1) | (run.status > RUNNING)
            open = np.flatnonzero(~run.closed)
            if not len(open):
                break
            passed, total = 0.0, self.interval * points * 2.0 ** (doubling - 1)
            doublings[open] = doubling
            more = go(how.interval * 2.0**doubling, self.times, points // 2)
            grown[open, : points // 2] = grown[open, 1::2]
            grown[open, points // 2 :] = grown[open, -1:] + more[open]
        failed = run.status > RUNNING
        grown[failed] = np.nan
        self.grown[part], self.status[part], self.reached[part] = grown, run.status, run.reached

    def result(self) -> xr.Dataset:
        """Everything as a Dataset."""
        k = self.how.k
        interval = self.interval * 2.0**self.doublings
        with np.errstate(invalid="ignore"):
            exponents = self.grown[:, -1, :k] / (interval * self.points)[:, None]
            order = np.argsort(-exponents, axis=1, kind="stable")
            grown = np.take_along_axis(self.grown[..., :k], order[:, None, :], axis=2)
            exponents = np.take_along_axis(exponents, order, axis=1)
            errors = standard_errors(grown, interval)
            dimension, dimension_error = kaplan_yorke(exponents, batch_means(grown, interval))
            if k < self.tangent.system.dimension:
                beyond = exponents.sum(axis=1) >= 0
                dimension[beyond] = dimension_error[beyond] = np.nan
            divergence = self.grown[:, -1, k] / (interval * self.points)
            divergence[:] = divergence if self.tangent.volumes else np.nan
        history, times = self._history(grown)
        found = {
            "exponents": exponents,
            "standard_error": errors,
            "history": history,
            "kaplan_yorke": dimension,
            "kaplan_yorke_error": dimension_error,
            "mean_divergence": divergence,
            "status": self.status,
            "t_stop": self.reached,
        }
        if k == self.tangent.system.dimension and self.kind is not NoisyTangents:
            with np.errstate(invalid="ignore"):
                found["sum_minus_divergence"] = exponents.sum(axis=1) - divergence
        if self.tangent.system.kind == "flow" and self.tangent.system.autonomous and self.kind is not NoisyTangents:
            nearest = np.argmin(np.abs(np.nan_to_num(exponents, nan=np.inf)), axis=1)
            found["zero_exponent"] = exponents[np.arange(len(exponents)), nearest]
        return self._dataset(found, times)

    def _history(self, grown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Running means on the time grid of the longest runs; NaN after the end of shorter ones."""
        most = int(self.doublings.max(initial=0))
        elapsed = self.interval * 2.0**most * np.arange(1, self.points + 1)
        history = np.full(grown.shape, np.nan)
        for doublings in np.unique(self.doublings):
            which, stride = self.doublings == doublings, 2 ** (most - doublings)
            history[which, : self.points // stride] = grown[which, stride - 1 :: stride]
        return history / elapsed[:, None], elapsed

    def _dataset(self, found: dict[str, np.ndarray], times: np.ndarray) -> xr.Dataset:
        system, shape = self.tangent.system, tuple(self.ensemble.dims.values())
        attrs = trajectory.provenance(
            system, analysis="lyapunov_spectrum", k=self.how.k, seed=self.seed, **self.how.provenance
        )
        plain = trajectory.layout(
            system, time=times, members=self.ensemble.dims, member_coords=self.ensemble.coords, attrs=attrs
        )
        dims = plain.variables["status"].dims
        axes = {"exponents": ("exponent",), "standard_error": ("exponent",), "history": ("time", "exponent")}
        rate = {"units": f"1/{system.time_unit}"} if system.time_unit else {}
        variables = {
            name: Variable((*dims, *axes.get(name, ())), float, {"long_name": text, **(rate if is_rate else {})})
            for name, (text, is_rate) in MEANINGS.items()
            if name in found
        }
        variables |= {name: plain.variables[name] for name in ("status", "t_stop")}
        coords = {**plain.coords, "exponent": Variable(("exponent",), int, {}, np.arange(1, self.how.k + 1))}
        coords["time"] = coords["time"]._replace(attrs={**coords["time"].attrs, "long_name": "time of averaging"})
        used = {d for v in (*variables.values(), *coords.values()) for d in v.dims}
        sizes = {**plain.sizes, "exponent": self.how.k}
        layout = Layout({d: n for d, n in sizes.items() if d in used}, coords, variables, plain.attrs)
        arrays = {name: value.reshape((*shape, *value.shape[1:])) for name, value in found.items()}
        return trajectory.dataset(layout, arrays)


MEANINGS = {
    "exponents": ("Lyapunov exponents", True),
    "standard_error": ("standard errors of the exponents", True),
    "history": ("mean rates of growth up to a time", True),
    "kaplan_yorke": ("Kaplan-Yorke dimension", False),
    "kaplan_yorke_error": ("standard error of the Kaplan-Yorke dimension", False),
    "mean_divergence": ("mean rate of growth of volumes", True),
    "sum_minus_divergence": ("sum of the exponents less the mean rate of growth of volumes", True),
    "zero_exponent": ("exponent nearest to zero", True),
}
