"""The same integration by JAX and diffrax: for functions that are not lowered to machine code, and for GPUs."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..engine.declaration import suggest
from ..engine.errors import InputError
from ..engine.system import System
from .ensemble import Members
from .fields import DONE, NONFINITE, STEP_TOO_SMALL, TOO_MANY_STEPS

SOLVERS = {
    "euler": "Euler",
    "heun": "Heun",
    "bs3": "Bosh3",
    "tsit5": "Tsit5",
    "dopri5": "Dopri5",
    "dop853": "Dopri8",
    "kvaerno5": "Kvaerno5",
}
"""Our names of diffrax's solvers; its ``Dopri8`` is of order 8 too, with another error estimate than ``dop853``."""


def solve(
    ensemble: Members,
    method: str,
    *,
    start: float,
    end: float,
    dt: float | None,
    times: np.ndarray,
    rtol: float,
    atol: float,
    max_steps: float,
    dtype: str = "float64",
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """States ``(members, times, dimension)``, and how each member ended, as `groups` tell it."""
    import jax
    import jax.numpy as jnp

    system = ensemble.system
    settings = (float(start), float(end), dt, rtol, atol, int(min(max_steps, 2**31 - 2)))
    with jax.enable_x64(dtype == "float64"):
        y, p, t = jnp.asarray(ensemble.y), jnp.asarray(np.ascontiguousarray(ensemble.p)), jnp.asarray(times)
        if system.kind == "map":
            raw = np.array(jax.jit(jax.vmap(partial(iterated, system, int(start), int(end), times)))(y, p), dtype=float)
            count = len(raw)
            steps = np.full(count, end - start)
            codes = np.where(np.isfinite(raw).all(axis=(1, 2)), DONE, NONFINITE)
            return raw, {"status": codes, "t_stop": np.full(count, end), "steps": steps, "rejected": 0 * steps}
        raw, codes, accepted, rejected = map(
            np.array, jax.jit(jax.vmap(partial(integrated, system, method, settings), (0, 0, None)))(y, p, t)
        )
    raw = raw.astype(float)
    finite = np.isfinite(raw).all(axis=2)
    codes = np.where((codes == DONE) & ~finite.all(axis=1), NONFINITE, codes)
    raw[~finite] = np.nan
    reached = np.concatenate([[start], times])[finite.sum(axis=1)]
    stop = np.where(codes == DONE, end, reached)
    return raw, {"status": codes, "t_stop": stop, "steps": accepted, "rejected": rejected}


def observables(ensemble: Members, raw: np.ndarray, times: np.ndarray) -> dict[str, np.ndarray]:
    """Observables ``(members, times, axes)`` of states ``(members, times, dimension)``."""
    import jax

    system = ensemble.system
    with jax.enable_x64(True):
        each = jax.vmap(jax.vmap(system.observed, (0, 0, None)), (None, 0, 0))
        found = jax.jit(each)(times, raw, np.ascontiguousarray(ensemble.p))
        return {name: np.array(values) for name, values in found.items()}


def solver(method: str) -> Any:
    """The class of diffrax that a method stands for."""
    import diffrax

    if method not in SOLVERS:
        raise InputError(f"method {method!r} does not exist in the JAX back end; {suggest(method, SOLVERS)}")
    return getattr(diffrax, SOLVERS[method])


def integrated(system: System, method: str, settings: tuple, y: Any, p: Any, times: Any) -> tuple:
    """States ``(times, dimension)``, how it ended, and numbers of steps, as a JAX function of flat ``y`` and ``p``."""
    import diffrax
    import jax.numpy as jnp

    start, end, dt, rtol, atol, max_steps = settings
    controller: Any = diffrax.ConstantStepSize() if dt else diffrax.PIDController(rtol=rtol, atol=atol)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(system.flat),
        solver(method)(),
        start,
        end,
        dt,
        y,
        args=p,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=controller,
        max_steps=max_steps,
        throw=False,
    )
    results = diffrax.RESULTS
    code = jnp.select(
        [
            solution.result == results.successful,
            solution.result == results.max_steps_reached,
            solution.result == results.dt_min_reached,
        ],
        [DONE, TOO_MANY_STEPS, STEP_TOO_SMALL],
        NONFINITE,
    )
    stats = solution.stats
    return solution.ys, code, stats["num_accepted_steps"], stats["num_rejected_steps"]


def iterated(system: System, start: int, end: int, times: np.ndarray, y: Any, p: Any) -> Any:
    """The same for a map: states ``(times, dimension)``."""
    import jax
    import jax.numpy as jnp

    def step(state: Any, t: Any) -> tuple:
        return system.flat(t, state, p), state

    last: Any
    states: Any
    last, states = jax.lax.scan(step, y, jnp.arange(start, end, dtype=float))
    return jnp.concatenate([states, last[None]])[np.asarray(times, dtype=int) - start]
