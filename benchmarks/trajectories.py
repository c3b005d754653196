"""One long adaptive trajectory: its end, and its states at every 0.05, at equal errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from .harness import Contender, Ratio, Table, Work
from .native import call, library
from .problems import FLOWS, LORENZ, Array, Flow, short_error, starts

ENDS = {"lorenz": 5000.0, "roessler": 20000.0}
SPACING = 0.05
MOST_STEPS = 100_000_000  # numbalsoda's own default, 10000, ends a run silently

# run(x0, t_end, samples) -> the final state (3), or with samples > 0 as many equidistant states (samples, 3)
Run = Callable[[Array, float, int], Array]


def tables() -> Iterator[Table]:
    for flow in FLOWS.values():
        for error in (1e-6, 1e-10):
            for sampled in (False, True):
                yield _table(flow, error, sampled)


def _table(flow: Flow, error: float, sampled: bool) -> Table:
    end = ENDS[flow.name]
    kept = f"the states at every {SPACING:g}" if sampled else "the final state"
    where = "at the samples " if sampled else ""
    contenders = {
        "attrax tsit5": (_attrax("tsit5"), 1.0),
        "attrax dop853": (_attrax("dop853"), 1.0),
        "Boost.odeint dopri5": (_odeint(0), 1.0),
        "Boost.odeint fehlberg78": (_odeint(1), 1.0),
        "heyoka": (_heyoka, 1.0),
        "numbalsoda dop853": (_numbalsoda, 1.0),
        "diffrax tsit5": (_diffrax, 0.05),
        "SciPy DOP853": (_scipy, 0.002),
    }
    return Table(
        title=f"{flow.name.capitalize()}, error {error:.0e}, {'sampled' if sampled else 'final state'}",
        work=f"One trajectory to t = {end:g}; {kept}. The error is the median, over 16 starts on it, of the "
        f"largest {where}within {flow.horizon:g} time units, over the size of the attractor.",
        contenders=[
            Contender(name, _prepare(make, flow, sampled, end * share), share)
            for name, (make, share) in contenders.items()
        ],
        goals=[Ratio(("Boost", "heyoka", "numbalsoda"), "attrax", 1 / 1.2)],
        error=error,
    )


def _prepare(
    make: Callable[[Flow, float, bool], Run], flow: Flow, sampled: bool, end: float
) -> Callable[[float], Work]:
    def prepare(tolerance: float) -> Work:
        run = make(flow, tolerance, sampled)
        x0 = starts(flow)[0]
        count = lambda t: round(t / SPACING) if sampled else 0  # noqa: E731
        short = lambda: [run(x, flow.horizon, count(flow.horizon)) for x in starts(flow)]  # noqa: E731
        return Work(lambda: run(x0, end, count(end)), lambda: short_error(flow, short()))

    return prepare


def _attrax(method: str) -> Callable[[Flow, float, bool], Run]:
    def make(flow: Flow, tolerance: float, sampled: bool) -> Run:
        import attrax as ax

        system = ax.systems.get(f"chaos.{flow.name}")

        def run(x0: Array, t_end: float, samples: int) -> Array:
            data = ax.simulate(
                system,
                t_end,
                method=method,
                rtol=tolerance,
                atol=tolerance,
                initial=dict(zip("xyz", x0.tolist(), strict=True)),
                parameters=flow.parameters,
                sample=t_end * np.arange(1, samples + 1) / samples if samples else "end",
                workers=1,
            )
            states = np.stack([np.asarray(data[v]) for v in "xyz"], axis=-1)
            return states if samples else states.reshape(3)

        return run

    return make


def _odeint(method: int) -> Callable[[Flow, float, bool], Run]:
    def make(flow: Flow, tolerance: float, sampled: bool) -> Run:
        compiled = library("odeint").odeint_run

        def run(x0: Array, t_end: float, samples: int) -> Array:
            out = np.empty((samples, 3) if samples else 3)
            x0 = np.ascontiguousarray(x0)
            call(compiled, flow.number, method, flow.p, x0, t_end, tolerance, tolerance, samples, out)
            return out

        return run

    return make


def derivatives(flow: Flow, s: Any, p: Any) -> list[Any]:
    """The right-hand side in any algebra (floats, traced arrays, expressions)."""
    x, y, z = s
    if flow is LORENZ:
        return [p[0] * (y - x), x * (p[1] - z) - y, x * y - p[2] * z]
    return [-y - z, x + p[0] * y, p[1] + z * (x - p[2])]


def _heyoka(flow: Flow, tolerance: float, sampled: bool) -> Run:
    import heyoka

    names = heyoka.make_vars("x", "y", "z")
    system = list(zip(names, derivatives(flow, names, heyoka.par), strict=True))
    integrator = heyoka.taylor_adaptive(system, [0.0, 0.0, 0.0], pars=flow.p.tolist(), tol=tolerance)

    def run(x0: Array, t_end: float, samples: int) -> Array:
        integrator.time = 0.0
        integrator.state[:] = x0
        if samples:
            return integrator.propagate_grid(np.linspace(0.0, t_end, samples + 1))[-1][1:]
        integrator.propagate_until(t_end)
        return integrator.state.copy()

    return run


@cache
def _callbacks() -> SimpleNamespace:
    """The right-hand sides as numbalsoda wants them."""
    from numba import carray, cfunc
    from numbalsoda import lsoda_sig

    @cfunc(lsoda_sig)
    def lorenz(t, u, du, p):
        s, d, q = carray(u, (3,)), carray(du, (3,)), carray(p, (3,))
        d[0] = q[0] * (s[1] - s[0])
        d[1] = s[0] * (q[1] - s[2]) - s[1]
        d[2] = s[0] * s[1] - q[2] * s[2]

    @cfunc(lsoda_sig)
    def roessler(t, u, du, p):
        s, d, q = carray(u, (3,)), carray(du, (3,)), carray(p, (3,))
        d[0] = -s[1] - s[2]
        d[1] = s[0] + q[0] * s[1]
        d[2] = q[1] + s[2] * (s[0] - q[2])

    return SimpleNamespace(lorenz=lorenz, roessler=roessler)


def _numbalsoda(flow: Flow, tolerance: float, sampled: bool) -> Run:
    from numbalsoda import dop853

    address, p = getattr(_callbacks(), flow.name).address, flow.p

    def run(x0: Array, t_end: float, samples: int) -> Array:
        times = np.linspace(0.0, t_end, max(samples, 1) + 1)
        states, success = dop853(address, x0, times, p, tolerance, tolerance, MOST_STEPS)
        if not success:
            raise ArithmeticError("numbalsoda did not arrive")
        return states[1:] if samples else states[1]

    return run


def _diffrax(flow: Flow, tolerance: float, sampled: bool) -> Run:
    solve = _diffrax_solver(flow)

    def run(x0: Array, t_end: float, samples: int) -> Array:
        times = np.linspace(0.0, t_end, max(samples, 1) + 1)[1:]
        states = np.asarray(solve(x0, times, tolerance))
        return states if samples else states[0]

    return run


@cache
def _diffrax_solver(flow: Flow) -> Callable[[Array, Array, float], Any]:
    import diffrax
    import jax

    def field(t: Any, s: Any, args: Any) -> Any:
        return jax.numpy.stack(derivatives(flow, s, list(flow.parameters.values())))

    @jax.jit
    def solve(x0: Any, times: Any, tolerance: Any) -> Any:
        return diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            diffrax.Tsit5(),
            0.0,
            times[-1],
            None,
            x0,
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
            max_steps=10_000_000,
            adjoint=diffrax.ForwardMode(),
        ).ys

    return solve


def _scipy(flow: Flow, tolerance: float, sampled: bool) -> Run:
    from scipy.integrate import solve_ivp

    p = flow.p.tolist()

    def run(x0: Array, t_end: float, samples: int) -> Array:
        times = np.linspace(0.0, t_end, samples + 1)[1:] if samples else [t_end]
        found = solve_ivp(
            lambda t, s: derivatives(flow, s, p),
            (0.0, t_end),
            x0,
            method="DOP853",
            t_eval=times,
            rtol=max(tolerance, 3e-14),
            atol=tolerance,
        )
        return found.y.T if samples else found.y[:, 0]

    return run
