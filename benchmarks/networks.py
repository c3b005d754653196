"""Rate networks with short-term plasticity (full depletion), dense and sparse: steps of RK4 of the whole network."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np

from .harness import Contender, Ratio, Table, Work
from .native import library

NUMBERS = {"a": 10.0, "b": 0.0, "tau_x": 20.0, "U_max": 4.0, "T_u": 30.0, "T_phi": 60.0}
STEP = 0.1
DENSE = {100: 5000, 1000: 200, 4000: 15}
SPARSE = {10_000: 100, 100_000: 10}
SIMULATED = {"dense": {1000: 1000}, "sparse": {10_000: 1000}}
NOISY = {10_000: {"euler_maruyama": 1, "stochastic_heun": 2, "milstein": 1}}
SYNAPSES, MEMBERS = 100, 64


def tables() -> Iterator[Table]:
    for n, steps in DENSE.items():
        contenders = {
            "attrax, double": _attrax_dense(n),
            "attrax, single weights": _attrax_dense(n, single=True),
            "C++": _cpp_dense(n),
            "JAX jit": _jax_dense(n),
            "NumPy": _numpy_dense(n),
        }
        yield Table(
            title=f"STSP network, dense, N = {n}",
            work=f"Two couplings of {n} x {n}; {steps} steps. Numbers are double, but for weights where it says so.",
            contenders=[Contender(k, _timed(f, steps), adapts=False) for k, f in contenders.items()],
            goals=[Ratio("C++", "attrax, double", 1.0), Ratio("JAX jit", "attrax, double", 1.0)],
        )
        members = max(1, steps // 40)
        yield Table(
            title=f"STSP networks, dense, N = {n}, ensemble",
            work=f"{MEMBERS} networks with the same weights, {members} steps: together, the products of matrices and "
            "vectors become products of matrices.",
            contenders=[
                Contender(
                    "attrax, one after the other",
                    _timed(_attrax_dense(n), steps),
                    adapts=False,
                    share=steps / (members * MEMBERS),
                ),
                Contender("attrax, together", _timed(_attrax_dense(n, MEMBERS), members), adapts=False),
                Contender("JAX vmap", _timed(_jax_dense(n, MEMBERS), members), adapts=False),
            ],
            goals=[
                Ratio("attrax, one after the other", "attrax, together", 2.0),
                Ratio("JAX vmap", "attrax, together", 1.0),
            ],
        )
    for n, steps in SPARSE.items():
        contenders = {
            "attrax, double": _attrax_sparse(n),
            "attrax, single weights": _attrax_sparse(n, single=True),
            "C++": _cpp_sparse(n),
            "SciPy": _scipy_sparse(n),
            "JAX jit": _jax_sparse(n),
        }
        yield Table(
            title=f"STSP network, sparse, N = {n}",
            work=f"One plastic coupling with {SYNAPSES} synapses onto each of {n} neurons; {steps} steps.",
            contenders=[Contender(k, _timed(f, steps), adapts=False) for k, f in contenders.items()],
            goals=[Ratio("C++", "attrax, double", 1.0), Ratio("JAX jit", "attrax, double", 1.0)],
        )
    for n, methods in NOISY.items():
        evaluations = 4 * SPARSE[n]
        noisy = [
            Contender(name, _timed(_attrax_sparse(n, method=name), evaluations // stages), adapts=False)
            for name, stages in methods.items()
        ]
        yield Table(
            title=f"STSP network, sparse, N = {n}, noise",
            work=f"{evaluations} evaluations of the network, which has noise on each of its {3 * n} states, or none.",
            contenders=[Contender("RK4, no noise", _timed(_attrax_sparse(n), SPARSE[n]), adapts=False), *noisy],
            goals=[Ratio("RK4", name, 0.5) for name in methods],
        )
    for n, steps in SIMULATED["dense"].items():
        yield Table(
            title=f"STSP network, dense, N = {n}, simulators",
            work=f"{steps} steps of Euler's method, two couplings of {n} x {n}.",
            contenders=[
                Contender("attrax", _timed(_attrax_dense(n, method="euler"), steps), adapts=False),
                Contender("ANNarchy", partial(_annarchy, "dense", n, steps), adapts=False),
            ],
            goals=[Ratio("ANNarchy", "attrax", 1.0)],
        )
    for n, steps in SIMULATED["sparse"].items():
        yield Table(
            title=f"STSP network, sparse, N = {n}, simulators",
            work=f"{steps} steps of Euler's method, {SYNAPSES} synapses onto each neuron. brian2 runs as a compiled "
            "program of its own, whose start is part of the time and whose compilation is not.",
            contenders=[
                Contender("attrax", _timed(_attrax_sparse(n, method="euler"), steps), adapts=False),
                Contender("brian2, C++ standalone", partial(_brian2, n, steps), adapts=False),
                Contender("ANNarchy", partial(_annarchy, "sparse", n, steps), adapts=False),
            ],
            goals=[Ratio("brian2", "attrax", 1.0), Ratio("ANNarchy", "attrax", 1.0)],
        )
    n, steps = 10_000, 10_000
    yield Table(
        title=f"integrate-and-fire network, N = {n}",
        work=f"{steps} steps of Euler's method, {SYNAPSES} synapses onto each neuron, some 18 spikes in a step, all "
        "of them recorded; brian2 as above.",
        contenders=[
            Contender("attrax", partial(_attrax_spiking, n, steps), adapts=False),
            Contender("brian2, C++ standalone", partial(_brian2_spiking, n, steps), adapts=False),
        ],
        goals=[Ratio("brian2", "attrax", 1.0)],
    )


SPIKING = {"drive": 1.05, "tau": 20.0, "tau_g": 5.0}


def _spiking(n: int, steps: int) -> Callable[[], int]:
    import jax.numpy as jnp

    import attrax as ax

    spike = ax.event(
        lambda t, s, p: s.v - 1.0,
        direction="up",
        reset=lambda t, s, p, passed: {"v": jnp.where(passed, 0.0, s.v), "g": s.g + p.w @ passed},
    )

    @ax.flow(state={"v": ("n",), "g": ("n",)}, parameters={"n": n, "w": _spikes(n), **SPIKING}, events={"spike": spike})
    def neurons(t, s, p):
        return {"v": (p.drive - s.v + s.g) / p.tau, "g": -s.g / p.tau_g}

    start = np.concatenate([_potentials(n), np.zeros(n)])

    def go() -> int:
        run = ax.simulate(
            neurons, steps * STEP, method="euler", dt=STEP, initial=start, sample="end", record=("g",), workers=1
        )
        return int(run.spike_count)

    return go


@cache
def _spikes(n: int) -> Any:
    import attrax as ax

    return ax.coupling.random(n, SYNAPSES, weights=0.005, seed=1)


def _potentials(n: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 1, n)


def _attrax_spiking(n: int, steps: int, _: float) -> Work:
    return Work(_spiking(n, steps))


def _brian2_spiking(n: int, steps: int, _: float) -> Work:
    from .simulators import spiking_brian2

    run = spiking_brian2(_spikes(n), _potentials(n), SPIKING, STEP, steps)
    if abs(run() / _spiking(n, steps)() - 1) > 0.01:
        raise RuntimeError("the numbers of spikes differ by more than 1 %")
    return Work(run)


def _brian2(n: int, steps: int, _: float) -> Work:
    from .simulators import brian2

    return _agreeing(brian2(_links(n), _start(n), NUMBERS, STEP, steps), _attrax_sparse(n, method="euler"), steps)


def _annarchy(kind: str, n: int, steps: int, _: float) -> Work:
    from .simulators import annarchy

    sparse = kind == "sparse"
    couplings = {"r": _links(n).to_scipy()} if sparse else dict(zip("yr", _weights(n), strict=True))
    same = (_attrax_sparse if sparse else _attrax_dense)(n, method="euler")
    return _agreeing(annarchy(couplings, _start(n), NUMBERS, STEP, steps), same, steps)


def _agreeing(run: Callable[[], np.ndarray], make: Callable[[], Callable[[int], np.ndarray]], steps: int) -> Work:
    """A simulator's run, if it arrives at attrax's states."""
    if (apart := np.abs(run() - make()(steps)).max()) > 1e-9:
        raise RuntimeError(f"the states differ by {apart:.1e} from attrax's")
    return Work(run)


def _timed(make: Callable[[], Callable[[int], Any]], steps: int) -> Callable[[float], Work]:
    def prepare(_: float) -> Work:
        go = make()
        if make.keywords.get("method", "rk4") != "rk4":  # type: ignore[attr-defined]
            return Work(partial(go, steps))  # by itself the measure of others
        found, expected = go(3), _expected(make)
        if np.abs(found - expected).max() > (1e-4 if make.keywords.get("single") else 1e-9):  # type: ignore[attr-defined]
            raise RuntimeError(f"the states differ by {np.abs(found - expected).max():.1e} from NumPy's")
        return Work(partial(go, steps))

    return prepare


def _expected(make: Any) -> np.ndarray:
    """NumPy's states of the first network after three steps."""
    kind, n = make.args
    return _three_steps(kind, n)


@cache
def _three_steps(kind: str, n: int) -> np.ndarray:
    return (_run_numpy if kind == "dense" else _run_scipy)(kind, n)(3)


@cache
def _weights(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, n)) / np.sqrt(n), -rng.random((n, n)) / n


@cache
def _matrices(n: int, single: bool = False) -> Any:
    import attrax as ax

    return tuple(ax.coupling.dense(matrix, single=single) for matrix in _weights(n))


@cache
def _links(n: int, single: bool = False) -> Any:
    import attrax as ax

    return ax.coupling.random(n, SYNAPSES, weights=ax.normal(-0.02, 0.05), seed=1, single=single)


@cache
def _start(n: int) -> np.ndarray:
    """The flat initial state: x, u, phi."""
    return np.concatenate([np.random.default_rng(1).uniform(-1, 1, n), np.ones(2 * n)])


def _starts(n: int, members: int) -> np.ndarray:
    """Members that differ a little, the first one as it is alone."""
    states = np.tile(_start(n), (members, 1))
    states[:, :n] *= 1 + 0.01 * np.arange(members)[:, None]
    return states


def _attrax_dense(n: int, members: int = 1, single: bool = False, method: str = "rk4") -> Any:
    return partial(_run_attrax, "dense", n, members=members, single=single, method=method)


def _attrax_sparse(n: int, single: bool = False, method: str = "rk4") -> Any:
    return partial(_run_attrax, "sparse", n, single=single, method=method)


def _cpp_dense(n: int) -> Any:
    return partial(_run_cpp, "dense", n)


def _cpp_sparse(n: int) -> Any:
    return partial(_run_cpp, "sparse", n)


def _jax_dense(n: int, members: int = 1) -> Any:
    return partial(_run_jax, "dense", n, members=members)


def _jax_sparse(n: int) -> Any:
    return partial(_run_jax, "sparse", n)


def _numpy_dense(n: int) -> Any:
    return partial(_run_numpy, "dense", n)


def _scipy_sparse(n: int) -> Any:
    return partial(_run_scipy, "sparse", n)


def _run_attrax(
    kind: str, n: int, members: int = 1, single: bool = False, method: str = "rk4"
) -> Callable[[int], np.ndarray]:
    import jax

    import attrax as ax
    from attrax.systems.neural.stsp import full_depletion

    couplings = dict(zip("wz", _matrices(n, single), strict=True)) if kind == "dense" else {"z": _links(n, single)}

    noisy = any(method in of_network for of_network in NOISY.values())

    @ax.flow(
        state={k: ("n",) for k in ("x", "u", "phi")},
        parameters={"n": n, **NUMBERS, **couplings},
        noise=(lambda t, s, p: {"x": 0.01 * s.x, "u": 0.01 * s.u, "phi": 0.01 * s.phi}) if noisy else None,
    )
    def network(t, s, p):
        y = jax.nn.sigmoid(p.a * (s.x - p.b))
        du, dphi = full_depletion(s.u, s.phi, y, p.U_max, p.T_u, p.T_phi)
        given = p.z @ (s.u * s.phi * y) + (p.w @ y if kind == "dense" else 0.0)
        return {"x": (given - s.x) / p.tau_x, "u": du, "phi": dphi}

    start = _start(n) if members == 1 else _starts(n, members)

    def go(steps: int) -> np.ndarray:
        run = ax.simulate(
            network, steps * STEP, method=method, dt=STEP, initial=start, sample="end", record=("x",), workers=1
        )
        return run.x.values.reshape(members, n)[0]

    return go


def _run_cpp(kind: str, n: int) -> Callable[[int], np.ndarray]:
    compiled = library("networks")
    p = np.array(list(NUMBERS.values()))

    def address(a: np.ndarray) -> ctypes.c_void_p:
        assert a.flags.c_contiguous
        return ctypes.c_void_p(a.ctypes.data)

    if kind == "dense":
        arrays = tuple(matrix.weights for matrix in _matrices(n))
    else:
        links = _links(n)
        arrays = (links.arrays["weights"], links.arrays["pre"], links.arrays["rows"])
    function = getattr(compiled, kind)

    def go(steps: int) -> np.ndarray:
        s = _start(n).copy()
        function(*map(address, (*arrays, p, s)), ctypes.c_int64(n), ctypes.c_int64(steps), ctypes.c_double(STEP))
        return s[:n]

    return go


def _run_jax(kind: str, n: int, members: int = 1) -> Callable[[int], np.ndarray]:
    import jax
    import jax.numpy as jnp

    a, b, tau_x, U_max, T_u, T_phi = NUMBERS.values()
    if kind == "dense":
        arrays = tuple(jnp.asarray(v) for v in _weights(n))
    else:
        links = _links(n)
        arrays = tuple(jnp.asarray(links.arrays[k]) for k in ("weights", "pre", "post"))

    def rhs(s, arrays):
        x, u, phi = s
        y = jax.nn.sigmoid(a * (x - b))
        released = u * phi * y
        if kind == "dense":
            given = arrays[0] @ y + arrays[1] @ released
        else:
            w, pre, post = arrays
            given = jax.ops.segment_sum(w * released[pre], post, num_segments=n, indices_are_sorted=True)
        return jnp.stack([(given - x) / tau_x, (1 + (U_max - 1) * y - u) / T_u, (1 - u * y / U_max - phi) / T_phi])

    def step(s, arrays):
        k1 = rhs(s, arrays)
        k2 = rhs(s + STEP / 2 * k1, arrays)
        k3 = rhs(s + STEP / 2 * k2, arrays)
        k4 = rhs(s + STEP * k3, arrays)
        return s + STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    several = jax.vmap(step, (0, None)) if members > 1 else step
    run = jax.jit(lambda s, steps, arrays: jax.lax.fori_loop(0, steps, lambda _, z: several(z, arrays), s))
    start = (_start(n) if members == 1 else _starts(n, members)).reshape(*(() if members == 1 else (members,)), 3, n)
    start = jnp.asarray(start)
    return lambda steps: np.asarray(run(start, steps, arrays)).reshape(members, 3, n)[0, 0]


def _run_numpy(kind: str, n: int) -> Callable[[int], np.ndarray]:
    w, z = _weights(n)
    return _by_hand(n, lambda y, released: w @ y + z @ released)


def _run_scipy(kind: str, n: int) -> Callable[[int], np.ndarray]:
    matrix = _links(n).to_scipy()
    return _by_hand(n, lambda y, released: matrix @ released)


def _by_hand(n: int, coupled: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[int], np.ndarray]:
    a, b, tau_x, U_max, T_u, T_phi = NUMBERS.values()

    def rhs(s: np.ndarray) -> np.ndarray:
        x, u, phi = s
        y = 1 / (1 + np.exp(-a * (x - b)))
        given = coupled(y, u * phi * y)
        return np.stack([(given - x) / tau_x, (1 + (U_max - 1) * y - u) / T_u, (1 - u * y / U_max - phi) / T_phi])

    def go(steps: int) -> np.ndarray:
        s = _start(n).reshape(3, n)
        for _ in range(steps):
            k1 = rhs(s)
            k2 = rhs(s + STEP / 2 * k1)
            k3 = rhs(s + STEP / 2 * k2)
            k4 = rhs(s + STEP * k3)
            s = s + STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return s[0]

    return go
