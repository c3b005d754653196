"""Lyapunov spectra, basins on large grids, and diagrams over two parameters."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from .harness import Contender, Limit, Ratio, Table, Work
from .native import call, library

Array = np.ndarray

SPECTRUM = np.array([0.9056, 0.0, -14.5723])
"""Of the Lorenz system: Sprott, Chaos and Time-Series Analysis (2003)."""
LONG, STEP, EVERY = 10_000.0, 0.01, 12
PLACES, SHORT = 40, 100.0
UNIT = 1.0
"""Time between two projections of the peers with error control."""
SIDE = 1000
DUFFING = {"damping": 0.15, "force": 0.1, "omega": 1.2}
PENDULUM = {"damping": 0.2, "spring": 0.25, "height": 0.25}
NEAR = 0.05
ITERATES = 1000


def tables() -> Iterator[Table]:
    yield Table(
        title="Lyapunov spectrum of Lorenz",
        work=f"All three exponents over {LONG:g} time units, classical steps of {STEP} with Gram-Schmidt after every "
        f"{EVERY}; adaptive ones at their tolerance. The error is that of the first exponent, which even exact "
        "integration leaves at about 0.003.",
        contenders=[
            Contender("attrax rk4", _attrax_lorenz({"dt": STEP}), adapts=False),
            Contender("attrax dop853", _attrax_lorenz({})),
            Contender("C++ rk4", _lorenz_in_cpp, adapts=False),
            Contender("heyoka variational", _heyoka_lorenz, share=0.1),
            Contender("jitcode dop853", _jitcode_lorenz, share=0.1),
            Contender("pynamicalsys rk4", _pynamicalsys_lorenz, share=0.02, adapts=False),
        ],
        goals=[
            Ratio("C++", "attrax", 1.0),
            Ratio("heyoka", "attrax", 12.0),
            Ratio("pynamicalsys", "attrax", 60.0),
        ],
        tolerance=1e-7,
        rounds=7,
    )
    yield Table(
        title=f"Lyapunov spectrum of Lorenz 1996, {PLACES} places",
        work=f"All {PLACES} exponents over {SHORT:g} time units, classical steps of {STEP} with Gram-Schmidt after "
        f"every {EVERY}; adaptive ones with the tolerance of equal error, made orthonormal every {UNIT:g}. The error "
        f"is that of the sum, which is -{PLACES}.",
        contenders=[
            Contender("attrax", _attrax_lorenz96, adapts=False),
            Contender("C++ without a matrix", _lorenz96_in_cpp, adapts=False),
            Contender("jitcode dop853", _jitcode_lorenz96, share=0.2),
        ],
        goals=[Ratio("C++", "attrax", 1 / 1.7), Ratio("jitcode", "attrax", 4.0)],
        tolerance=1e-6,
        error=2.5e-5,
        rounds=7,
    )
    for title, contenders in (
        ("driven Duffing oscillator", (_attrax_duffing, _duffing_in_cpp)),
        ("magnetic pendulum", (_attrax_pendulum, _pendulum_in_cpp)),
    ):
        yield Table(
            title=f"Basins of the {title}, {SIDE} x {SIDE}",
            work="Classical steps until a state is near a known attractor at two looks. The error is the share "
            "of a 50 x 50 grid on which the contenders do not agree.",
            contenders=[
                Contender("attrax", contenders[0], adapts=False),
                Contender("C++ lanes", contenders[1], adapts=False),
            ],
            goals=[Ratio("C++", "attrax", 1 / 1.2)],
            rounds=5,
        )
    yield Table(
        title=f"Lyapunov diagram of the Chialvo map, {SIDE} x {SIDE}",
        work=f"Largest exponent over b and k, {ITERATES} iterates after {ITERATES}.",
        contenders=[
            Contender("attrax", _attrax_chialvo, adapts=False),
            Contender("C++ lanes", _chialvo_in_cpp, share=0.1, adapts=False),
        ],
        goals=[Limit("attrax", 10.0)],
        rounds=3,
    )


# ---- spectra ------------------------------------------------------------------------------------------------


def _spectrum(run: Callable[[], Array]) -> Work:
    return Work(run, lambda: float(abs(run()[0] - SPECTRUM[0])))


def _attrax_lorenz(how: dict) -> Callable[[float], Work]:
    def prepare(tolerance: float) -> Work:
        import attrax as ax

        options = how or {"rtol": tolerance}

        def run() -> Array:
            found = ax.analysis.lyapunov_spectrum(
                ax.systems.chaos.lorenz, t_total=LONG, transient=0.0, workers=1, **options
            )
            return found.exponents.values

        return _spectrum(run)

    return prepare


def _lorenz_in_cpp(_: float) -> Work:
    out, rounds = np.empty(3), int(LONG / STEP / EVERY)

    def run() -> Array:
        call(library("attractors").lorenz_spectrum, STEP, rounds, EVERY, out)
        return out / (rounds * EVERY * STEP)

    return _spectrum(run)


def _heyoka_lorenz(tolerance: float) -> Work:
    import heyoka as hy

    x, y, z = hy.make_vars("x", "y", "z")
    system = hy.var_ode_sys(
        [(x, 10.0 * (y - x)), (y, x * (28.0 - z) - y), (z, x * y - 8.0 / 3 * z)], hy.var_args.vars, order=1
    )
    integrator = hy.taylor_adaptive(system, [1.0, 1.0, 20.0], tol=tolerance, compact_mode=True)
    places = np.array([integrator.get_vslice(order=1)]).ravel()[0]

    def run() -> Array:
        integrator.time = 0.0
        integrator.state[:3] = 1.0, 1.0, 20.0
        vectors, total = np.eye(3), np.zeros(3)
        for k in range(int(0.1 * LONG / UNIT)):
            integrator.state[places] = vectors.ravel()
            integrator.propagate_until((k + 1) * UNIT)
            vectors, r = np.linalg.qr(integrator.state[places].reshape(3, 3))
            total += np.log(np.abs(np.diag(r)))
        return total / (0.1 * LONG)

    return _spectrum(run)


def _jitcode_lorenz(tolerance: float) -> Work:
    return _spectrum(_with_jitcode("lorenz", [1.0, 1.0, 20.0], 0.1 * LONG, tolerance))


def _with_jitcode(which: str, start: Array, duration: float, tolerance: float) -> Callable[[], Array]:
    from jitcode import jitcode_lyap

    size = len(start)
    warnings.filterwarnings("ignore", "You are about to calculate")  # that it takes time to compile
    system = jitcode_lyap(n=size, n_lyap=size, module_location=_module_of_jitcode(which), verbose=False)
    system.set_integrator("dop853", rtol=tolerance, atol=tolerance)

    def run() -> Array:
        np.random.seed(0)
        system.set_initial_value(np.array(start), 0.0)
        found = [system.integrate((k + 1) * UNIT)[1] for k in range(round(duration / UNIT))]
        return np.mean(found[1:], axis=0)  # the first random vectors are no basis

    return run


@cache
def _module_of_jitcode(which: str) -> str:
    """Where jitcode's compiled variational equations of a system are."""
    from jitcode import jitcode_lyap, y

    if which == "lorenz":
        slope = [10.0 * (y(1) - y(0)), y(0) * (28.0 - y(2)) - y(1), y(0) * y(1) - 8.0 / 3 * y(2)]
    else:
        n = PLACES
        slope = [(y((i + 1) % n) - y((i - 2) % n)) * y((i - 1) % n) - y(i) + 8.0 for i in range(n)]
    folder = tempfile.mkdtemp(prefix="attrax-benchmarks-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with contextlib.chdir(folder):  # away from this project's pyproject.toml, which setuptools would read
        system = jitcode_lyap(slope, n_lyap=len(slope), verbose=False)
        system.compile_C()
        return system.save_compiled(f"{folder}/{which}.so", overwrite=True)


def _pynamicalsys_lorenz(_: float) -> Work:
    from pynamicalsys import ContinuousDynamicalSystem

    system = ContinuousDynamicalSystem(model="lorenz system")
    system.integrator("rk4", time_step=STEP)

    def run() -> Array:
        return np.atleast_1d(system.lyapunov([1.0, 1.0, 20.0], 0.02 * LONG, parameters=[10.0, 28.0, 8 / 3]))

    return _spectrum(run)


def _sum(run: Callable[[], Array]) -> Work:
    return Work(run, lambda: float(abs(run().sum() + PLACES)))


def _uniform() -> Array:
    start = np.full(PLACES, 8.0)
    start[0] += 0.01
    return start


def _attrax_lorenz96(_: float) -> Work:
    import jax.numpy as jnp

    import attrax as ax

    @ax.flow(state={"x": (PLACES,)}, parameters={"forcing": 8.0}, initial={"x": _uniform()})
    def lorenz96(t, s, p):
        x = s.x
        return {"x": (jnp.roll(x, -1) - jnp.roll(x, 2)) * jnp.roll(x, 1) - x + p.forcing}

    def run() -> Array:
        found = ax.analysis.lyapunov_spectrum(lorenz96, t_total=SHORT, transient=0.0, dt=STEP, workers=1)
        return found.exponents.values

    return _sum(run)


def _lorenz96_in_cpp(_: float) -> Work:
    out, rounds = np.empty(PLACES), int(SHORT / STEP / EVERY)

    def run() -> Array:
        call(library("attractors").lorenz96_spectrum, STEP, rounds, EVERY, 8.0, out)
        return out / (rounds * EVERY * STEP)

    return _sum(run)


def _jitcode_lorenz96(tolerance: float) -> Work:
    return _sum(_with_jitcode("lorenz96", _uniform(), 0.2 * SHORT, tolerance))


# ---- basins -------------------------------------------------------------------------------------------------


@cache
def _duffing():
    import jax.numpy as jnp

    import attrax as ax

    @ax.flow(state={"x": (), "v": ()}, parameters=DUFFING)
    def duffing(t, s, p):
        return {"x": s.v, "v": s.x - s.x**3 - p.damping * s.v + p.force * jnp.cos(p.omega * t)}

    period = 2 * np.pi / DUFFING["omega"]
    grid = {name: np.linspace(-2.0, 2.0, 30) for name in ("x", "v")}
    known = ax.analysis.find_attractors(duffing, ax.grid(**grid), period=period, transient=80 * period)
    return duffing, period, known


@cache
def _pendulum():
    import jax.numpy as jnp

    import attrax as ax

    @ax.flow(state={"q": (2,), "v": (2,)}, parameters=PENDULUM)
    def pendulum(t, s, p):
        pull = 0.0
        for x, y in ((1.0, 0.0), (-0.5, np.sqrt(0.75)), (-0.5, -np.sqrt(0.75))):
            away = jnp.asarray([x, y]) - s.q
            square = away @ away + p.height**2
            pull = pull + away * (1 / (square * jnp.sqrt(square)))
        return {"q": s.v, "v": -p.spring * s.q - p.damping * s.v + pull}

    axis = np.linspace(-1.5, 1.5, 20)
    known = ax.analysis.find_attractors(pendulum, _at_rest(axis), transient=100.0)
    return pendulum, 0.05 * 25, known


def _at_rest(axis: Array) -> Array:
    """States of the pendulum on a square grid, at rest."""
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.concatenate([grid, np.zeros_like(grid)], axis=1)


def _moving(axis: Array) -> Array:
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


STEPS = {"duffing": 64, "pendulum": 25}
"""Steps in the unit of time: the period of the drive, and 1.25."""
UNITS, LOOKS = {"duffing": 5, "pendulum": 8}, 80
"""Units between two looks, and how many looks at most."""


def _basins(which: str, run: Callable[[Array], Array], reference: Callable[[Array], Array] | None) -> Work:
    states, axis = (
        (_moving, np.linspace(-2.0, 2.0, SIDE))
        if which == "duffing"
        else (
            _at_rest,
            np.linspace(-1.5, 1.5, SIDE),
        )
    )
    all_of_them, few = states(axis), states(axis[:: SIDE // 50])

    def error() -> float:
        return float((run(few) != reference(few)).mean()) if reference else 0.0

    return Work(lambda: run(all_of_them), error)


def _with_attrax(which: str) -> Callable[[Array], Array]:
    import attrax as ax

    system, unit, known = _duffing() if which == "duffing" else _pendulum()
    look = UNITS[which] * unit

    def run(starts: Array) -> Array:
        found = ax.analysis.basins_by_proximity(
            system,
            starts,
            known,
            NEAR,
            period=unit if which == "duffing" else None,
            transient=8 * look,
            t_max=LOOKS * look,
            method="rk4",
            dt=unit / STEPS[which],
            workers=1,
        )
        # attrax numbers basins by size: back to the numbers of the known attractors
        first = [_nearest(found, known, k) for k in range(found.sizes["attractor"])]
        return np.array([*first, -1])[found.basin.values]

    return run


def _nearest(found, known, k: int) -> int:
    names = [name for name in ("x", "q") if name in known]
    own, others = (
        np.concatenate([np.asarray(data[name]).reshape(*data[name].shape[:2], -1) for name in names], axis=2)
        for data in (found, known)
    )
    return int(np.nanargmin(np.abs(others[:, 0] - own[k, 0]).sum(axis=1)))


def _with_cpp(which: str) -> Callable[[Array], Array]:
    system, unit, known = _duffing() if which == "duffing" else _pendulum()
    points = np.concatenate(
        [np.asarray(known[name])[:, 0].reshape(known.sizes["attractor"], -1) for name in system.state], axis=1
    )
    points = np.ascontiguousarray(points)
    kernel = getattr(library("attractors"), f"{which}_basins")
    numbers = [float(v) for v in (DUFFING if which == "duffing" else PENDULUM).values()]

    def run(starts: Array) -> Array:
        out = np.empty(len(starts))
        call(
            kernel,
            len(starts),
            np.ascontiguousarray(starts),
            *numbers,
            unit / STEPS[which],
            STEPS[which] * UNITS[which],
            LOOKS,
            len(points),
            points,
            NEAR,
            out,
        )
        return out

    return run


def _attrax_duffing(_: float) -> Work:
    return _basins("duffing", _with_attrax("duffing"), _with_cpp("duffing"))


def _duffing_in_cpp(_: float) -> Work:
    return _basins("duffing", _with_cpp("duffing"), None)


def _attrax_pendulum(_: float) -> Work:
    return _basins("pendulum", _with_attrax("pendulum"), _with_cpp("pendulum"))


def _pendulum_in_cpp(_: float) -> Work:
    return _basins("pendulum", _with_cpp("pendulum"), None)


# ---- two parameters -------------------------------------------------------------------------------------------

B, K = np.linspace(0.1, 0.7, SIDE), np.linspace(0.0, 0.1, SIDE)


def _attrax_chialvo(_: float) -> Work:
    import jax.numpy as jnp

    import attrax as ax

    @ax.map(
        state={"x": (), "y": ()},
        parameters={"a": 0.89, "b": 0.6, "c": 0.28, "k": 0.03},
        initial={"x": 0.1, "y": 0.1},
        source="D. R. Chialvo, Chaos Solitons Fractals 5, 461 (1995)",
    )
    def chialvo(t, s, p):
        return {"x": s.x**2 * jnp.exp(s.y - s.x) + p.k, "y": p.a * s.y - p.b * s.x + p.c}

    def run(b: Array = B, k: Array = K) -> Array:
        found = ax.analysis.lyapunov_diagram(
            chialvo, ax.grid(b=b, k=k), t_total=ITERATES, transient=ITERATES, workers=1
        )
        return found.exponents.values[..., 0]

    return Work(run, lambda: float(np.abs(run(B[::50], K[::50]) - _chialvo(B[::50], K[::50])).mean()))


def _chialvo(b: Array, k: Array) -> Array:
    out = np.empty((len(b), len(k)))
    b, k = np.ascontiguousarray(b), np.ascontiguousarray(k)
    call(library("attractors").chialvo_diagram, len(b), len(k), b, k, ITERATES, ITERATES // 8, 8, out)
    return out


def _chialvo_in_cpp(_: float) -> Work:
    return Work(lambda: _chialvo(B[::10], K))
