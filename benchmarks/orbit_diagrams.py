"""Orbit diagrams over many parameter values: iterates of the logistic map, a section of the Roessler flow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from .harness import Contender, Ratio, Table, Work, cpu
from .native import call, library
from .problems import ROESSLER, Array, starts
from .trajectories import derivatives

RATES, TRANSIENT, POINTS, X0 = 100_000, 1100, 100, 0.4
VALUES, WAIT, CROSSINGS = 500, 500.0, 100

# run(c, x0, transient, points) -> x at the crossings (c, points)
Section = Callable[[Array, Array, float, int], Array]


def tables() -> Iterator[Table]:
    yield Table(
        title="Orbit diagram, logistic map",
        work=f"{RATES} parameters, {TRANSIENT} iterations passed over, then {POINTS} kept, in a new array.",
        contenders=[
            Contender("attrax", _attrax_map, adapts=False),
            Contender("C++ lanes", _lanes_map, adapts=False),
            Contender("NumPy over parameters", _numpy_map, share=0.1, adapts=False),
            Contender("numba, loop over parameters", _loop_map, adapts=False),
            Contender("pynamicalsys", _pynamicalsys_map, share=0.02, adapts=False),
        ],
        goals=[Ratio("C++ lanes", "attrax", 1 / 1.6), Ratio("pynamicalsys", "attrax", 200)],
    )
    sections = {
        "attrax tsit5": _attrax_section("tsit5"),
        "attrax dop853": _attrax_section("dop853"),
        "C++ scalar dopri5": _odeint_section(0),
        "C++ scalar fehlberg78": _odeint_section(1),
        "heyoka events": _heyoka_section,
    }
    yield Table(
        title="Orbit diagram, section of Roessler",
        work=f"x at {CROSSINGS} upward crossings of y = 0 after {WAIT:g} time units, {VALUES} values of c in "
        "[2, 6]. The error is the median, over 16 starts, of the largest at the first 5 crossings, over the "
        "size of the attractor.",
        contenders=[
            *(Contender(name, _section(make)) for name, make in sections.items()),
            Contender(
                "pynamicalsys rk45",
                _section(_pynamicalsys_section, 0.02),
                share=0.02,
                note="at tolerance 1e-6: its crossings are interpolated linearly",
                adapts=False,
            ),
        ],
        goals=[
            Ratio("heyoka", "attrax", 8),
            Ratio("C++ scalar", "attrax", 10),
            Ratio("pynamicalsys", "attrax"),
        ],
        error=1e-6,
    )


# ---- logistic map -----------------------------------------------------------------------------------------


def _map(run: Callable[[Array], Array], share: float = 1.0) -> Work:
    """The work ``run(rates) -> (point, rate)``, which must be right where the orbit is a known one."""
    rates = np.linspace(2.5, 4.0, int(RATES * share))
    calm = run(np.linspace(2.5, 2.9, 50)) - (1 - 1 / np.linspace(2.5, 2.9, 50))
    if calm.shape[0] != POINTS or not np.abs(calm).max() < 1e-9:
        raise ArithmeticError("the fixed point 1 - 1/r is missed")
    return Work(lambda: run(rates))


def _attrax_map(_: float) -> Work:
    import attrax as ax

    @ax.map(state={"x": ()}, parameters={"r": 3.5}, initial={"x": X0})
    def logistic(t, s, p):
        return {"x": p.r * s.x * (1 - s.x)}

    def run(rates: Array) -> Array:
        data = ax.analysis.orbit_diagram(
            logistic, "r", rates, direction="fixed", transient=TRANSIENT, points=POINTS, workers=1
        )
        return np.asarray(data["x"])[0].T

    return _map(run)


def _lanes_map(_: float) -> Work:
    def run(vectors: int, rates: Array) -> Array:
        out = np.empty((POINTS, len(rates)))
        call(library("maps").logistic_diagram, vectors, len(rates), rates, X0, TRANSIENT, POINTS, out)
        return out

    few = np.linspace(2.5, 4.0, 8000)
    best = min((1, 2, 4, 8), key=lambda u: min(cpu(lambda: run(u, few))[0] for _ in range(5)))
    return _map(lambda rates: run(best, rates))


def _numpy_map(_: float) -> Work:
    def run(rates: Array) -> Array:
        x, out = np.full(len(rates), X0), np.empty((POINTS, len(rates)))
        for _ in range(TRANSIENT):
            x = rates * x * (1 - x)
        for k in range(POINTS):
            x = rates * x * (1 - x)
            out[k] = x
        return out

    return _map(run, 0.1)


def _loop_map(_: float) -> Work:
    from numba import njit

    @njit
    def diagram(rates, out):
        for m in range(len(rates)):
            x, r = X0, rates[m]
            for _ in range(TRANSIENT):
                x = r * x * (1 - x)
            for k in range(POINTS):
                x = r * x * (1 - x)
                out[m, k] = x

    def run(rates: Array) -> Array:
        out = np.empty((len(rates), POINTS))
        diagram(rates, out)
        return out.T

    return _map(run)


def _pynamicalsys_map(_: float) -> Work:
    from pynamicalsys import DiscreteDynamicalSystem

    system = DiscreteDynamicalSystem(model="logistic map")

    def run(rates: Array) -> Array:
        total = TRANSIENT + POINTS
        found = system.bifurcation_diagram([X0], 0, rates, total, transient_time=TRANSIENT)
        return found[1].T

    return _map(run, 0.02)


# ---- section of the Roessler flow -------------------------------------------------------------------------


def _section(make: Callable[[float], Section], share: float = 1.0) -> Callable[[float], Work]:
    def prepare(tolerance: float) -> Work:
        run = make(tolerance)
        values = np.linspace(2.0, 6.0, int(VALUES * share))
        x0 = np.array(ROESSLER.start)

        def error() -> float:
            c = np.array([ROESSLER.parameters["c"]])
            found = np.array([run(c, x, 0.0, 5)[0] for x in starts(ROESSLER)])
            return float(np.median(np.abs(found - _first_crossings()).max(axis=1))) / ROESSLER.size

        return Work(lambda: run(values, x0, WAIT, CROSSINGS), error)

    return prepare


@cache
def _first_crossings(count: int = 5) -> Array:
    out = np.empty((len(starts(ROESSLER)), count))
    for row, x in zip(out, starts(ROESSLER), strict=True):
        call(library("reference").reference_crossings, ROESSLER.p, np.ascontiguousarray(x), count, row)
    return out


def _attrax_section(method: str) -> Callable[[float], Section]:
    def make(tolerance: float) -> Section:
        import attrax as ax

        system = ax.systems.get("chaos.roessler")

        def run(c: Array, x0: Array, transient: float, points: int) -> Array:
            data = ax.analysis.orbit_diagram(
                system,
                "c",
                c,
                observable="x",
                section="y > 0",
                direction="fixed",
                transient=transient,
                points=points,
                method=method,
                rtol=tolerance,
                atol=tolerance,
                initial=dict(zip("xyz", x0.tolist(), strict=True)),
                workers=1,
            )
            return np.asarray(data["x"])[0]

        return run

    return make


def _odeint_section(method: int) -> Callable[[float], Section]:
    def make(tolerance: float) -> Section:
        compiled = library("sections").roessler_diagram

        def run(c: Array, x0: Array, transient: float, points: int) -> Array:
            out = np.empty((len(c), points))
            x0 = np.ascontiguousarray(x0)
            call(compiled, method, len(c), ROESSLER.p, c, x0, transient, points, tolerance, tolerance, out)
            return out

        return run

    return make


def _heyoka_section(tolerance: float) -> Section:
    """The transient without the event, then spans of time until the event has come often enough."""
    import heyoka

    names = heyoka.make_vars("x", "y", "z")
    system = list(zip(names, derivatives(ROESSLER, names, heyoka.par), strict=True))
    found: list[float] = []

    def crossed(integrator, time, sign):
        found.append(integrator.update_d_output(time)[0])

    up = heyoka.nt_event(names[1], crossed, direction=heyoka.event_direction.positive)
    options = {"pars": ROESSLER.p.tolist(), "tol": tolerance}
    plain = heyoka.taylor_adaptive(system, [0.0, 0.0, 0.0], **options)
    watching = heyoka.taylor_adaptive(system, [0.0, 0.0, 0.0], nt_events=[up], **options)

    def run(c: Array, x0: Array, transient: float, points: int) -> Array:
        out = np.empty((len(c), points))
        for row, value in zip(out, c, strict=True):
            plain.time = watching.time = 0.0
            plain.state[:] = x0
            plain.pars[2] = watching.pars[2] = value
            plain.propagate_until(transient)
            watching.state[:] = plain.state
            found.clear()
            while len(found) < points:
                watching.propagate_for(6.0 * (points - len(found)))
            row[:] = found[:points]
        return out

    return run


def _pynamicalsys_section(tolerance: float) -> Section:
    from pynamicalsys import ContinuousDynamicalSystem

    system = ContinuousDynamicalSystem(model="rossler system")
    system.integrator("rk45", atol=tolerance, rtol=tolerance)

    def run(c: Array, x0: Array, transient: float, points: int) -> Array:
        out = np.empty((len(c), points))
        for row, value in zip(out, c, strict=True):
            found = system.poincare_section(
                x0,
                points,
                1,
                0.0,
                parameters=[ROESSLER.parameters["a"], ROESSLER.parameters["b"], value],
                transient_time=transient or None,
                crossing=1,
            )
            row[:] = found[:, 1]
        return out

    return run
