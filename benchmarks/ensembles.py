"""Ensembles of Lorenz systems whose rho differs between the members; the final states are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from .harness import Contender, Ratio, Table, Work, cpu
from .native import call, library
from .problems import LORENZ, Array, reference

START = np.array([1.0, 1.0, 1.0])
SLOTS = 45  # floating-point instructions in a step of RK4 for one member: 4 x 6 + 3 x 3 + 4 x 3
FIXED_MEMBERS, FIXED_STEP, FIXED_STEPS = 100_000, 0.01, 1000
ADAPTIVE_MEMBERS, ADAPTIVE_END = 10_000, 10.0
MOST_STEPS = 1_000_000  # numbalsoda's own default, 10000, ends a run silently


def tables() -> Iterator[Table]:
    yield Table(
        title="Ensemble, RK4",
        work=f"Lorenz, {FIXED_MEMBERS} members, {FIXED_STEPS} steps of {FIXED_STEP}. The peak is the time of "
        f"{SLOTS} fused multiply-adds, as many floating-point instructions as a step has, each.",
        contenders=[
            Contender("peak of the core", _peak, adapts=False),
            Contender("attrax rk4", _attrax_fixed, adapts=False),
            Contender("C++ lanes", _lanes_fixed, adapts=False),
            Contender("numba, loop over trajectories", _loop_fixed, adapts=False),
            Contender("numba, loop, states as arrays", _arrays_fixed, share=0.05, adapts=False),
            Contender("JAX vmap", _jax_fixed, share=0.2, adapts=False),
            Contender("diffrax vmap", _diffrax_fixed, share=0.1, adapts=False),
        ],
        goals=[
            Ratio("peak", "attrax", 0.8),
            Ratio("C++ lanes", "attrax", 1.0),
            Ratio("numba, loop over trajectories", "attrax", 20),
            Ratio("diffrax", "attrax", 50),
        ],
    )
    adaptive = {
        "attrax tsit5": _attrax_adaptive("tsit5"),
        "attrax dop853": _attrax_adaptive("dop853"),
        "C++ lanes dopri5": _lanes_adaptive(0),
        "C++ lanes tsit5": _lanes_adaptive(1),
        "heyoka batch": _heyoka,
        "numbalsoda dop853, loop": _numbalsoda,
        "numba dopri5, loop over trajectories": _loop_adaptive,
    }
    contenders = [Contender(name, _solver(solve)) for name, solve in adaptive.items()]
    diffrax = Contender("diffrax tsit5 vmap", _solver(_diffrax_adaptive, 0.1), share=0.1)
    work = (
        f"Lorenz, {ADAPTIVE_MEMBERS} members to t = {ADAPTIVE_END:g}. The error is that of the final states "
        "(median of 200), over the size of the attractor."
    )
    yield Table(
        title="Ensemble, adaptive, rtol 1e-6",
        work=f"{work} The tolerance is the same, rtol = atol = 1e-6.",
        contenders=[*contenders, diffrax],
        goals=[
            Ratio("C++ lanes", "attrax", 1.0),
            Ratio("numba dopri5, loop", "attrax"),
            Ratio("diffrax", "attrax", 30),
        ],
        tolerance=1e-6,
    )
    for error, least in ((1e-6, 3.0), (1e-9, None)):
        yield Table(
            title=f"Ensemble, adaptive, error {error:.0e}",
            work=f"{work} The tolerances are such that it is {error:.0e}.",
            contenders=contenders,
            goals=[Ratio("C++ lanes", "attrax", 1.0), Ratio("heyoka", "attrax", least)],
            error=error,
        )


def members(count: int) -> Array:
    return np.linspace(24.0, 32.0, count)


# ---- fixed steps ------------------------------------------------------------------------------------------


def _checked(run: Callable[[Array], Array], share: float = 1.0) -> Work:
    """The work, whose result must agree with the C++ one to the rounding that chaos has amplified."""
    rho = members(FIXED_MEMBERS)[: int(FIXED_MEMBERS * share)].copy()
    wrong = float(np.abs(run(rho) - _lanes(1, rho)).max()) / LORENZ.size
    if not wrong < 1e-7:
        raise ArithmeticError(f"the final states differ from the C++ ones by {wrong:.1e}")
    return Work(lambda: run(rho))


def _peak(_: float) -> Work:
    peak = library("peak")
    rounds = FIXED_MEMBERS * FIXED_STEPS * SLOTS // (12 * peak.lanes())
    return Work(lambda: call(peak.peak_fma, rounds))


def _lanes(vectors: int, rho: Array) -> Array:
    state = np.tile(START, (len(rho), 1))
    call(library("ensembles").lorenz_rk4, vectors, len(rho), rho, state, FIXED_STEP, FIXED_STEPS)
    return state


def _lanes_fixed(_: float) -> Work:
    few = members(4000)
    best = min((1, 2, 3, 4, 8), key=lambda u: min(cpu(lambda: _lanes(u, few))[0] for _ in range(5)))
    return _checked(lambda rho: _lanes(best, rho))


def _attrax_fixed(_: float) -> Work:
    return _checked(lambda rho: _simulate(rho, FIXED_STEP * FIXED_STEPS, method="rk4", dt=FIXED_STEP))


def _simulate(rho: Array, t_end: float, **options: object) -> Array:
    import attrax as ax

    data = ax.simulate(
        ax.systems.get("chaos.lorenz"),
        t_end,
        initial=dict(zip("xyz", START.tolist(), strict=True)),
        parameters={"rho": rho},
        sample="end",
        workers=1,
        **options,
    )
    return np.stack([np.asarray(data[v]).reshape(-1) for v in "xyz"], axis=1)


def _loop_fixed(_: float) -> Work:
    from . import loops

    return _checked(lambda rho: _filled(loops.rk4_ensemble, rho, START, FIXED_STEP, FIXED_STEPS))


def _arrays_fixed(_: float) -> Work:
    from . import loops

    return _checked(lambda rho: _filled(loops.rk4_ensemble_arrays, rho, START, FIXED_STEP, FIXED_STEPS), 0.05)


def _filled(function: Callable[..., None], rho: Array, *arguments: object) -> Array:
    out = np.empty((len(rho), 3))
    function(rho, *arguments, out)
    return out


def _lorenz_jax(t, s, rho):
    import jax.numpy as jnp

    x, y, z = s
    return jnp.stack([10.0 * (y - x), x * (rho - z) - y, x * y - 8 / 3 * z])


def _jax_fixed(_: float) -> Work:
    import jax

    def step(_, s, rho, h=FIXED_STEP):
        k1 = _lorenz_jax(0.0, s, rho)
        k2 = _lorenz_jax(0.0, s + h / 2 * k1, rho)
        k3 = _lorenz_jax(0.0, s + h / 2 * k2, rho)
        k4 = _lorenz_jax(0.0, s + h * k3, rho)
        return s + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    def one(rho):
        return jax.lax.fori_loop(0, FIXED_STEPS, lambda i, s: step(i, s, rho), jax.numpy.array(START))

    every = jax.jit(jax.vmap(one))
    return _checked(lambda rho: np.asarray(every(rho)), 0.2)


def _diffrax_fixed(_: float) -> Work:
    import diffrax
    import jax

    class RK4(diffrax.AbstractERK):
        """The classical method, which diffrax does not bring."""

        tableau = diffrax.ButcherTableau(
            c=np.array([0.5, 0.5, 1.0]),
            a_lower=(np.array([0.5]), np.array([0.0, 0.5]), np.array([0.0, 0.0, 1.0])),
            b_sol=np.array([1, 2, 2, 1]) / 6,
            b_error=np.zeros(4),
        )
        interpolation_cls = diffrax.ThirdOrderHermitePolynomialInterpolation.from_k

        def order(self, terms):
            return 4

    def one(rho):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(_lorenz_jax),
            RK4(),
            0.0,
            FIXED_STEP * FIXED_STEPS,
            FIXED_STEP,
            jax.numpy.array(START),
            args=rho,
            max_steps=FIXED_STEPS + 1,
            adjoint=diffrax.ForwardMode(),
        ).ys[0]

    every = jax.jit(jax.vmap(one))
    return _checked(lambda rho: np.asarray(every(rho)), 0.1)


# ---- adaptive steps ---------------------------------------------------------------------------------------

Solve = Callable[[float], Callable[[Array], Array]]  # tolerance -> (rho -> final states)


def _solver(solve: Solve, share: float = 1.0) -> Callable[[float], Work]:
    def prepare(tolerance: float) -> Work:
        run = solve(tolerance)
        rho = members(int(ADAPTIVE_MEMBERS * share))
        few, exact = _exact()
        error = lambda: float(np.median(np.linalg.norm(run(few) - exact, axis=1))) / LORENZ.size  # noqa: E731
        return Work(lambda: run(rho), error)

    return prepare


@cache
def _exact() -> tuple[Array, Array]:
    rho = members(200)
    p = lambda r: np.array([10.0, r, 8 / 3])  # noqa: E731
    return rho, np.array([reference(LORENZ, p(r), START, ADAPTIVE_END, 1)[0] for r in rho])


def _attrax_adaptive(method: str) -> Solve:
    return lambda tol: lambda rho: _simulate(rho, ADAPTIVE_END, method=method, rtol=tol, atol=tol)


def _lanes_adaptive(pair: int) -> Solve:
    def solve(tolerance: float) -> Callable[[Array], Array]:
        def run(rho: Array) -> Array:
            out = np.empty((len(rho), 3))
            compiled = library("ensembles").lorenz_adaptive
            call(compiled, pair, len(rho), rho, START, ADAPTIVE_END, tolerance, tolerance, out)
            return out

        return run

    return solve


def _loop_adaptive(tolerance: float) -> Callable[[Array], Array]:
    from . import loops

    return lambda rho: _filled(loops.dopri5_ensemble, rho, START, ADAPTIVE_END, tolerance, tolerance)


def _heyoka(tolerance: float) -> Callable[[Array], Array]:
    """One integrator whose lanes are as many members as the machine's vectors hold, used again and again.

    (Its ensemble call copies the integrator for every member.)
    """
    import heyoka

    x, y, z = heyoka.make_vars("x", "y", "z")
    lanes = heyoka.recommended_simd_size()
    system = [(x, 10.0 * (y - x)), (y, x * (heyoka.par[0] - z) - y), (z, x * y - 8 / 3 * z)]
    start = np.tile(START[:, None], lanes)
    batch = heyoka.taylor_adaptive_batch(system, start.copy(), pars=np.ones((1, lanes)), tol=tolerance)

    def run(rho: Array) -> Array:
        out = np.empty((len(rho), 3))
        for first in range(0, len(rho), lanes):
            part = rho[first : first + lanes]
            batch.pars[0, : len(part)] = part
            batch.state[:] = start
            batch.set_time(0.0)
            batch.propagate_until(ADAPTIVE_END)
            out[first : first + lanes] = batch.state.T[: len(part)]
        return out

    return run


def _numbalsoda(tolerance: float) -> Callable[[Array], Array]:
    ensemble = _numbalsoda_ensemble()
    return lambda rho: _filled(ensemble, rho, START, ADAPTIVE_END, tolerance)


@cache
def _numbalsoda_ensemble() -> Callable[..., None]:
    from numba import carray, cfunc, njit
    from numbalsoda import dop853, lsoda_sig

    @cfunc(lsoda_sig)
    def lorenz(t, u, du, p):
        s, d, rho = carray(u, (3,)), carray(du, (3,)), carray(p, (1,))[0]
        d[0] = 10.0 * (s[1] - s[0])
        d[1] = s[0] * (rho - s[2]) - s[1]
        d[2] = s[0] * s[1] - 8 / 3 * s[2]

    address = lorenz.address

    @njit
    def ensemble(rho, start, t_end, tolerance, out):
        times, p = np.array([0.0, t_end]), np.empty(1)
        for m in range(len(rho)):
            p[0] = rho[m]
            states, success = dop853(address, start, times, p, tolerance, tolerance, MOST_STEPS)
            if not success:
                raise ArithmeticError("numbalsoda did not arrive")
            out[m] = states[1]

    return ensemble


def _diffrax_adaptive(tolerance: float) -> Callable[[Array], Array]:
    import diffrax
    import jax

    def one(rho):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(_lorenz_jax),
            diffrax.Tsit5(),
            0.0,
            ADAPTIVE_END,
            None,
            jax.numpy.array(START),
            args=rho,
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
            max_steps=100_000,
            adjoint=diffrax.ForwardMode(),
        ).ys[0]

    every = jax.jit(jax.vmap(one))
    return lambda rho: np.asarray(every(rho))
