"""Stiff problems of the Test Set for IVP Solvers at equal error, a large sparse one, and the cost of noise.

``python -m benchmarks.stiff FILE.png`` draws time over error for a range of tolerances (the picture of the gallery).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from .harness import Contender, Ratio, Table, Work, cpu
from .problems import Array

RUNS = 64  # of each of the small problems
MEMBERS, STEPS = 8192, 500  # of the systems with noise

Solve = Callable[[], Array]


@dataclass(frozen=True)
class Problem:
    """``end`` is the reference solution at ``t_end``; absolute tolerances are ``scale`` times the relative one."""

    name: str
    t_end: float
    start: tuple[float, ...]
    end: tuple[float, ...]
    scale: float


PROBLEMS = (
    Problem(
        *("robertson", 1e11, (1.0, 0.0, 0.0)),
        end=(0.2083340149701255e-7, 0.8333360770334713e-13, 0.9999999791665050),
        scale=1e-10,
    ),
    Problem("van_der_pol", 2.0, (2.0, 0.0), end=(1.706167732170483, -0.8928097010247975), scale=1.0),
    Problem(
        *("hires", 321.8122, (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057)),
        end=(
            *(0.7371312573325668e-3, 0.1442485726316185e-3, 0.5888729740967575e-4, 0.1175651343283149e-2),
            *(0.2386356198831331e-2, 0.6238968252742796e-2, 0.2849998395185769e-2, 0.2850001604814231e-2),
        ),
        scale=1e-3,
    ),
    Problem(
        *("oregonator", 360.0, (1.0, 2.0, 3.0)),
        end=(0.1000814870318523e1, 0.1228178521549917e4, 0.1320554942846706e3),
        scale=1.0,
    ),
)


def tables() -> Iterator[Table]:
    for problem in PROBLEMS:
        yield Table(
            title=f"{problem.name}, error 1e-06",
            work=f"{RUNS} runs to t = {problem.t_end:g}, at once or, as single runs, one by one; the final states. The "
            "error is the largest relative one of a component.",
            contenders=[_contender(name, problem) for name in SOLVERS],
            goals=[
                Ratio(("numbalsoda", "SciPy"), "attrax", 1.0),
                Ratio("diffrax", "attrax"),
                *(Ratio("numbalsoda", f"attrax {method}, single") for method in ("rodas5p", "radau5")),
            ],
            error=1e-6,
        )
    yield Table(
        title="Brusselator with diffusion, 1000 states",
        work="To t = 10, the final state, at a tolerance of 1e-6; the error is the largest absolute one.",
        contenders=[
            Contender("attrax radau5", lambda tol: _brusselator(_attrax_large, tol)),
            Contender("SciPy Radau, sparse", lambda tol: _brusselator(_scipy_large("Radau"), tol)),
            Contender("SciPy BDF, sparse", lambda tol: _brusselator(_scipy_large("BDF"), tol)),
        ],
        goals=[Ratio("SciPy Radau", "attrax", 1.0)],
        tolerance=1e-6,
    )
    for name in ("lorenz", "stsp_ring"):
        yield _noise(name)


def _contender(name: str, problem: Problem) -> Contender:
    """The whole ensemble at once, or as many single runs as are bearable."""
    together = _together(name)
    count = RUNS if name.startswith(("attrax", "numbalsoda")) else 1

    def prepare(tolerance: float) -> Work:
        solve = SOLVERS[name](problem, tolerance)
        run = solve if together else lambda: [solve() for _ in range(count)]
        return Work(run, lambda: _error(solve(), problem))

    return Contender(name, prepare, share=count / RUNS)


def _together(name: str) -> bool:
    """Whether a call of a solver does all the runs."""
    return name.startswith("attrax") and "single" not in name


def _error(found: Array, problem: Problem) -> float:
    end = np.array(problem.end)
    return float(np.nan_to_num(abs(found - end) / abs(end), nan=np.inf, posinf=1e9).max())


# ---- the problems ------------------------------------------------------------------------------------------


@cache
def system(name: str) -> Any:
    """A problem as attrax, SciPy and diffrax have it."""
    import jax.numpy as jnp

    import attrax as ax

    def robertson(t: Any, s: Any, p: Any) -> dict[str, Any]:
        a, b, c = 0.04 * s.y[0], 1e4 * s.y[1] * s.y[2], 3e7 * s.y[1] ** 2
        return {"y": jnp.stack([b - a, a - b - c, c])}

    def van_der_pol(t: Any, s: Any, p: Any) -> dict[str, Any]:
        return {"y": jnp.stack([s.y[1], ((1 - s.y[0] ** 2) * s.y[1] - s.y[0]) / 1e-6])}

    def hires(t: Any, s: Any, p: Any) -> dict[str, Any]:
        return {"y": jnp.stack(_hires(s.y))}

    def oregonator(t: Any, s: Any, p: Any) -> dict[str, Any]:
        x, y, z = s.y
        return {"y": jnp.stack([77.27 * (y + x * (1 - 8.375e-6 * x - y)), (z - (1 + x) * y) / 77.27, 0.161 * (x - z)])}

    functions = {f.__name__: f for f in (robertson, van_der_pol, hires, oregonator)}
    (problem,) = (problem for problem in PROBLEMS if problem.name == name)
    return ax.flow(state={"y": (len(problem.start),)}, initial={"y": problem.start})(functions[name])


def _hires(y: Any) -> list[Any]:
    pair = 280 * y[5] * y[7]
    return [
        -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007,
        1.71 * y[0] - 8.75 * y[1],
        -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4],
        8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3],
        -1.745 * y[4] + 0.43 * y[5] + 0.43 * y[6],
        -pair + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6],
        pair - 1.81 * y[6],
        -pair + 1.81 * y[6],
    ]


@cache
def _callbacks() -> SimpleNamespace:
    """The right-hand sides as numbalsoda wants them."""
    from numba import carray, cfunc
    from numbalsoda import lsoda_sig

    @cfunc(lsoda_sig)
    def robertson(t, u, du, p):
        y, d = carray(u, (3,)), carray(du, (3,))
        a, b, c = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
        d[0], d[1], d[2] = b - a, a - b - c, c

    @cfunc(lsoda_sig)
    def van_der_pol(t, u, du, p):
        y, d = carray(u, (2,)), carray(du, (2,))
        d[0], d[1] = y[1], ((1 - y[0] ** 2) * y[1] - y[0]) / 1e-6

    @cfunc(lsoda_sig)
    def hires(t, u, du, p):
        y, d = carray(u, (8,)), carray(du, (8,))
        pair = 280 * y[5] * y[7]
        d[0] = -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007
        d[1] = 1.71 * y[0] - 8.75 * y[1]
        d[2] = -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4]
        d[3] = 8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3]
        d[4] = -1.745 * y[4] + 0.43 * y[5] + 0.43 * y[6]
        d[5] = -pair + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6]
        d[6] = pair - 1.81 * y[6]
        d[7] = -pair + 1.81 * y[6]

    @cfunc(lsoda_sig)
    def oregonator(t, u, du, p):
        y, d = carray(u, (3,)), carray(du, (3,))
        d[0] = 77.27 * (y[1] + y[0] * (1 - 8.375e-6 * y[0] - y[1]))
        d[1] = (y[2] - (1 + y[0]) * y[1]) / 77.27
        d[2] = 0.161 * (y[0] - y[2])

    return SimpleNamespace(robertson=robertson, van_der_pol=van_der_pol, hires=hires, oregonator=oregonator)


# ---- the contenders ----------------------------------------------------------------------------------------


def _attrax(method: str, runs: int = RUNS) -> Callable[[Problem, float], Solve]:
    def make(problem: Problem, tolerance: float) -> Solve:
        import attrax as ax

        options = {"method": method, "rtol": tolerance, "atol": tolerance * problem.scale, "sample": "end"}
        start = np.tile(problem.start, (runs, 1))
        return lambda: ax.simulate(system(problem.name), problem.t_end, initial=start, workers=1, **options).y.values[
            0, 0
        ]

    return make


def _scipy(method: str) -> Callable[[Problem, float], Solve]:
    def make(problem: Problem, tolerance: float) -> Solve:
        from scipy.integrate import solve_ivp

        f, rtol = system(problem.name).as_scipy(), max(tolerance, 3e-14)
        options = {"method": method, "jac": f.jacobian, "rtol": rtol, "atol": tolerance * problem.scale}
        return lambda: solve_ivp(f, (0.0, problem.t_end), problem.start, t_eval=[problem.t_end], **options).y[:, 0]

    return make


def _numbalsoda(problem: Problem, tolerance: float) -> Solve:
    from numbalsoda import lsoda

    address, times = getattr(_callbacks(), problem.name).address, np.array([0.0, problem.t_end])
    start = np.array(problem.start)

    def solve() -> Array:
        states, success = lsoda(
            address, start, times, rtol=tolerance, atol=tolerance * problem.scale, mxstep=100_000_000
        )
        return states[1] if success else np.full(len(start), np.nan)

    return solve


def _diffrax(problem: Problem, tolerance: float) -> Solve:
    run = _diffrax_solver(problem.name)
    start = np.array(problem.start)
    return lambda: np.asarray(run(start, problem.t_end, tolerance, tolerance * problem.scale))[0]


@cache
def _diffrax_solver(name: str) -> Callable[..., Any]:
    import diffrax
    import jax

    jax.config.update("jax_enable_x64", True)
    term = diffrax.ODETerm(system(name).flat)

    @jax.jit
    def solve(start: Any, t_end: Any, rtol: Any, atol: Any) -> Any:
        return diffrax.diffeqsolve(
            *(term, diffrax.Kvaerno5(), 0.0, t_end, None, start),
            args=np.zeros(0),
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
            max_steps=1_000_000,
            adjoint=diffrax.ForwardMode(),
            throw=False,
        ).ys

    return solve


SOLVERS: dict[str, Callable[[Problem, float], Solve]] = {
    "attrax rodas5p": _attrax("rodas5p"),
    "attrax radau5": _attrax("radau5"),
    "attrax rodas5p, single runs": _attrax("rodas5p", 1),
    "attrax radau5, single runs": _attrax("radau5", 1),
    "numbalsoda LSODA": _numbalsoda,
    "SciPy LSODA": _scipy("LSODA"),
    "SciPy Radau": _scipy("Radau"),
    "diffrax Kvaerno5": _diffrax,
}


# ---- a large system ----------------------------------------------------------------------------------------


@cache
def brusselator(n: int = 500) -> Any:
    """The Brusselator with diffusion on ``n`` places (Hairer & Wanner II, IV.10)."""
    import jax.numpy as jnp

    import attrax as ax

    places = np.arange(1, n + 1) / (n + 1)

    @ax.flow(state={"u": (n,), "v": (n,)}, initial={"u": 1 + np.sin(2 * np.pi * places), "v": 3.0})
    def system(t: Any, s: Any, p: Any) -> dict[str, Any]:
        k = 0.02 * (n + 1) ** 2
        u, v = jnp.pad(s.u, 1, constant_values=1.0), jnp.pad(s.v, 1, constant_values=3.0)
        reaction = s.u**2 * s.v
        return {
            "u": 1 + reaction - 4 * s.u + k * (u[2:] - 2 * s.u + u[:-2]),
            "v": 3 * s.u - reaction + k * (v[2:] - 2 * s.v + v[:-2]),
        }

    return system


def _attrax_large(tolerance: float) -> Solve:
    import attrax as ax

    def solve() -> Array:
        options = {"method": "radau5", "rtol": tolerance, "atol": tolerance, "sample": "end", "workers": 1}
        run = ax.simulate(brusselator(), 10.0, **options)
        return np.concatenate([run.u.values[0], run.v.values[0]])

    return solve


def _scipy_large(method: str) -> Callable[[float], Solve]:
    def make(tolerance: float) -> Solve:
        from scipy.integrate import solve_ivp
        from scipy.sparse import diags

        f, n = brusselator().as_scipy(), 500
        pattern = diags([1.0] * 5, [-n, -1, 0, 1, n], shape=(2 * n, 2 * n))
        options = {"method": method, "jac_sparsity": pattern, "rtol": tolerance, "atol": tolerance}
        return lambda: solve_ivp(f, (0.0, 10.0), f.initial, t_eval=[10.0], **options).y[:, 0]

    return make


def _brusselator(make: Callable[[float], Solve], tolerance: float) -> Work:
    solve = make(tolerance)
    return Work(solve, lambda: float(abs(solve() - _brusselator_end()).max()))


@cache
def _brusselator_end() -> Array:
    return _scipy_large("Radau")(1e-10)()


# ---- noise -------------------------------------------------------------------------------------------------


def _noise(name: str) -> Table:
    """Steps of an ensemble with additive noise on every component, beside RK4 without."""
    methods = {"euler_maruyama": 1, "stochastic_heun": 2}
    return Table(
        title=f"Noise, {name}, per evaluation of the right-hand side",
        work=f"{MEMBERS} members, {STEPS} steps; each time is divided by the evaluations in a step.",
        contenders=[
            Contender("rk4, no noise", lambda _: _ensemble(name, "rk4"), share=4.0, adapts=False),
            *(
                Contender(method, lambda _, m=method: _ensemble(name, m), share=float(count), adapts=False)
                for method, count in methods.items()
            ),
        ],
        goals=[Ratio("rk4", method, 0.5) for method in methods],
    )


def _ensemble(name: str, method: str) -> Work:
    import dataclasses

    import attrax as ax

    system = ax.systems.get({"lorenz": "chaos.lorenz", "stsp_ring": "neural.stsp_ring"}[name])
    if method != "rk4":
        import jax.numpy as jnp

        amplitudes = lambda t, s, p: {k: 0.01 * jnp.ones(shape) for k, shape in system.state.items()}  # noqa: E731
        system = dataclasses.replace(system, noise=amplitudes, _programs={})
    initial = np.tile(system.initial_vector, (MEMBERS, 1))
    options = {"dt": 0.01, "method": method, "initial": initial, "sample": "end", "workers": 1}
    return Work(lambda: ax.simulate(system, 0.01 * STEPS, **options))


# ---- the picture -------------------------------------------------------------------------------------------


def draw(path: str) -> None:
    """Time of a run over its error, for tolerances from 1e-3 to 1e-10."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
    for problem, panel in zip(PROBLEMS, axes.flat, strict=True):
        for (name, make), mark in zip(SOLVERS.items(), "ososv^D<", strict=True):
            points = []
            for tolerance in 10.0 ** -np.arange(3, 11):
                solve = make(problem, tolerance)
                error, runs = _error(solve(), problem), RUNS if _together(name) else 1
                time = _shortest(solve)
                if error < 1:
                    points.append((error, time / runs))
                if time > 0.1 * runs:
                    break
            print(problem.name, name, *(f"{error:.0e} {1e3 * time:.3g} ms;" for error, time in points), flush=True)
            if points:
                line = mark + ("--" if "single" in name else "-")
                panel.loglog(*zip(*points, strict=True), line, label=name, markersize=4)
        panel.set(title=problem.name.replace("_", " "), xlabel="relative error", ylabel="CPU time of a run (s)")
        panel.invert_xaxis()
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    figure.savefig(path, dpi=100)


def _shortest(run: Solve) -> float:
    first = cpu(run)[0]
    return first if first > 0.03 else min(first, *(cpu(run)[0] for _ in range(4)))


if __name__ == "__main__":
    draw(sys.argv[1])
