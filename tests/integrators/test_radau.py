"""`radau5`: its coefficients, orders and endings; large systems; bits that depend on nothing else.

Published values of small stiff problems are in test_rosenbrock.py.
"""

import signal
import threading
import time

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import block_diag
from scipy.sparse import csc_matrix

import attrax as ax
from attrax.engine.errors import InputError, Interrupted
from attrax.integrators import radau, radau_drivers
from attrax.integrators.radau import structure


def test_coefficients():
    """The transformation makes the inverse of the method's matrix block diagonal (Hairer & Wanner II, IV.8)."""
    d, root = radau_drivers, np.sqrt(6)
    c = np.array([d.C1, d.C2, 1.0])
    powers = np.vander(c, 3, increasing=True)
    a = (np.cumsum(np.ones(3)) ** -1 * c[:, None] * powers) @ np.linalg.inv(powers)
    np.testing.assert_allclose(a[2], [(16 - root) / 36, (16 + root) / 36, 1 / 9])
    t = np.array([[d.T11, d.T12, d.T13], [d.T21, d.T22, d.T23], [1, 1, 0]])
    inverse = np.array([[d.I11, d.I12, d.I13], [d.I21, d.I22, d.I23], [d.I31, d.I32, d.I33]])
    np.testing.assert_allclose(t @ inverse, np.eye(3), atol=1e-14)
    blocks = block_diag(d.GAMMA, [[d.ALPHA, d.BETA], [-d.BETA, d.ALPHA]])
    np.testing.assert_allclose(inverse @ np.linalg.inv(a) @ t, blocks, atol=1e-12)


@ax.flow(state={"x": (), "y": ()}, parameters={"w": 0.3}, initial={"x": 1.0, "y": 0.0})
def turning(t, s, p):
    return {
        "x": -s.y * (1 + p.w * jnp.cos(t)) + 0.1 * s.x * s.y,
        "y": s.x * (1 + 0.2 * s.y) - 0.05 * s.y**2 * t,
    }


def test_order_of_the_solution_and_of_the_dense_output():
    exact = ax.simulate(turning, 5.0, method="dop853", rtol=1e-13, atol=1e-14)
    steps, ends, everywhere = [], [], []
    for rtol in (1e-6, 1e-8, 1e-10):
        found = ax.simulate(turning, 5.0, method="radau5", rtol=rtol, atol=rtol)
        steps.append(int(found.steps))
        error = abs(found.x - exact.x).values
        ends.append(error[-1])
        everywhere.append(error.max())
        assert everywhere[-1] < 30 * rtol
    orders = np.diff(np.log([ends, everywhere])) / -np.diff(np.log(steps))
    assert (orders[0] > 4.5).all(), orders
    assert (orders[1] > 3.6).all(), orders


def test_backwards():
    there = ax.simulate(turning, 3.0, method="radau5", rtol=1e-10, atol=1e-10, sample="end")
    start = {k: there[k].values[0] for k in "xy"}
    back = ax.simulate(turning, 0.0, t_start=3.0, method="radau5", rtol=1e-10, atol=1e-10, initial=start, sample="end")
    np.testing.assert_allclose([back.x[0], back.y[0]], [1.0, 0.0], atol=1e-8)


@ax.flow(state={"x": (), "fast": ()}, parameters={"rate": 1e6}, initial={"x": 1.0, "fast": 0.0})
def prothero_robinson(t, s, p):
    """The fast component follows sin(t) (Prothero & Robinson 1974)."""
    return {"x": -s.x, "fast": -p.rate * (s.fast - jnp.sin(t)) + jnp.cos(t)}


def test_stiffness_costs_no_steps():
    run = ax.simulate(prothero_robinson, 10.0, method="radau5", rtol=1e-8, parameters={"rate": [1e2, 1e6, 1e10]})
    assert (run.steps < 500).all()
    np.testing.assert_allclose(run.fast.values, np.tile(np.sin(run.time), (3, 1)), atol=1e-6)
    np.testing.assert_allclose(run.x.values, np.tile(np.exp(-run.time), (3, 1)), rtol=1e-5)


@ax.flow(
    state={"v": (), "m": (), "h": (), "n": ()},
    parameters={"current": 10.0},
    initial={"v": -65.0, "m": 0.0529, "h": 0.5961, "n": 0.3177},
    source="Hodgkin & Huxley 1952, in the convention of a resting potential of -65 mV",
)
def hodgkin_huxley(t, s, p):
    def ratio(x):
        return jnp.where(abs(x) < 1e-7, 1.0, x / -jnp.expm1(-jnp.where(abs(x) < 1e-7, 1.0, x)))

    u = s.v + 65.0
    a_m, b_m = ratio((u - 25) / 10), 4 * jnp.exp(-u / 18)
    a_h, b_h = 0.07 * jnp.exp(-u / 20), 1 / (1 + jnp.exp((30 - u) / 10))
    a_n, b_n = 0.1 * ratio((u - 10) / 10), 0.125 * jnp.exp(-u / 80)
    ionic = 120 * s.m**3 * s.h * (s.v - 50) + 36 * s.n**4 * (s.v + 77) + 0.3 * (s.v + 54.4)
    return {
        "v": p.current - ionic,
        "m": a_m * (1 - s.m) - b_m * s.m,
        "h": a_h * (1 - s.h) - b_h * s.h,
        "n": a_n * (1 - s.n) - b_n * s.n,
    }


@pytest.mark.parametrize("method", ["radau5", "rodas5p"])
def test_hodgkin_huxley(method):
    exact = ax.simulate(hodgkin_huxley, 100.0, method="dop853", rtol=1e-12, atol=1e-12, sample=0.1)
    found = ax.simulate(hodgkin_huxley, 100.0, method=method, rtol=1e-9, atol=1e-9, sample=0.1)
    assert abs(found.v - exact.v).max() < 2e-4
    spikes = ((exact.v[:-1].values < 0) & (exact.v[1:].values >= 0)).sum()
    assert 6 <= spikes <= 8  # about 68 Hz at 10 uA/cm2


# -- large systems ------------------------------------------------------------------------------------------

ZETA = np.arange(1, 201) / 200


@ax.flow(state={"u": (200,), "v": (200,)}, parameters={"phi": 2.0}, initial={"v": 1.0})
def medical_akzo_nobel(t, s, p):
    """Penetration of radio-labelled antibodies into tissue (Test Set for IVP Solvers, problem medakzo)."""
    c, dz = 4.0, 1 / 200
    alpha, beta = 2 * (ZETA - 1) ** 3 / c**2, (ZETA - 1) ** 4 / c**2
    left = jnp.concatenate([jnp.reshape(p.phi, (1,)), s.u[:-1]])
    right = jnp.concatenate([s.u[1:], s.u[-1:]])
    inside = jnp.arange(200) < 199
    moved = alpha * (right - left) / (2 * dz) + beta * (left - 2 * s.u + right) / dz**2
    reaction = 100.0 * s.u * s.v
    return {"u": jnp.where(inside, moved, 0.0) - reaction, "v": -reaction}


def test_medical_akzo_nobel():
    """400 states, a jump of the boundary value at t = 5; reference solution of the test set at t = 20."""
    options = {"method": "radau5", "rtol": 1e-9, "atol": 1e-12, "sample": "end"}
    first = ax.simulate(medical_akzo_nobel, 5.0, **options)
    start = {k: first[k].values[0] for k in "uv"}
    last = ax.simulate(medical_akzo_nobel, 20.0, t_start=5.0, initial=start, parameters={"phi": 0.0}, **options)
    u, v = last.u.values[0], last.v.values[0]
    found = [u[39], u[74], u[99], v[99], v[104]]
    published = [
        *(0.2339942217046434e-3, 0.3595616017506735e-3, 0.1173741304462833e-3),
        *(0.6190822732534586e-5, 0.4026980529594953),
    ]
    np.testing.assert_allclose(found, published, rtol=1e-6)


@ax.flow(state={"u": ("n",), "v": ("n",)}, parameters={"n": 500, "d": 0.02})
def brusselator(t, s, p):
    """With diffusion (Hairer & Wanner II, IV.10, BRUSS)."""
    k = p.d * (p.n + 1) ** 2
    u, v = (jnp.concatenate([jnp.full(1, edge), x, jnp.full(1, edge)]) for x, edge in ((s.u, 1.0), (s.v, 3.0)))
    reaction = s.u**2 * s.v
    return {
        "u": 1 + reaction - 4 * s.u + k * (u[2:] - 2 * s.u + u[:-2]),
        "v": 3 * s.u - reaction + k * (v[2:] - 2 * s.v + v[:-2]),
    }


def starting(system):
    n = system.structure["n"]
    return system.with_initial(u=1 + np.sin(2 * np.pi * np.arange(1, n + 1) / (n + 1)), v=3.0)


def test_a_thousand_states_as_scipy():
    system = starting(brusselator)
    run = ax.simulate(system, 10.0, method="radau5", rtol=1e-7, atol=1e-7, sample=[2.0, 5.0, 10.0])
    assert run.steps < 300
    parts = structure(system.program("rhs"), system.dimension)
    assert parts.sparse and parts.seeds.shape[1] <= 6
    f, shape = system.as_scipy(), csc_matrix((np.ones(len(parts.rows)), (parts.rows, parts.columns)))
    options = {"method": "Radau", "rtol": 1e-9, "atol": 1e-9, "jac_sparsity": shape, "t_eval": run.time}
    peer = solve_ivp(f, (0, 10), f.initial, **options).y.T
    np.testing.assert_allclose(np.concatenate([run.u, run.v], axis=1), peer, atol=1e-6)


def test_a_heat_equation_against_its_closed_form():
    @ax.flow(state={"u": (1200,)}, initial={"u": np.sin(np.pi * np.arange(1, 1201) / 1201)})
    def heat(t, s, p):
        padded = jnp.pad(s.u, 1)
        return {"u": 1201.0**2 * (padded[2:] - 2 * s.u + padded[:-2])}

    run = ax.simulate(heat, 0.2, method="radau5", rtol=1e-8, atol=1e-10, sample="end")
    rate = 4 * 1201.0**2 * np.sin(np.pi / 2402) ** 2
    np.testing.assert_allclose(run.u.values[0], heat.initial["u"] * np.exp(-0.2 * rate), rtol=1e-6)
    assert run.steps < 200


@ax.flow(
    state={"x": ("n",)},
    parameters={"n": 80, "gain": 1.0},
    initial={"x": lambda p: np.cos(np.arange(p.n))},
)
def dense(t, s, p):
    """All-to-all coupled, with rates from 1 to n**2."""
    rates = jnp.arange(1.0, p.n + 1) ** 2
    return {"x": -rates * s.x + p.gain * jnp.tanh(s.x.sum()) + jnp.cos(t)}


def test_large_and_dense():
    run = ax.simulate(dense, 3.0, method="radau5", rtol=1e-8, atol=1e-8, sample="end")
    assert not structure(dense.program("rhs"), 80).sparse
    f = dense.as_scipy()
    peer = solve_ivp(f, (0, 3), f.initial, method="Radau", jac=f.jacobian, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(run.x.values[0], peer.y[:, -1], atol=1e-8)


def test_elimination_here_and_by_lapack_agree(monkeypatch):
    small = dense.with_parameters(n=12)
    here = ax.simulate(small, 3.0, method="radau5", rtol=1e-8, sample="end")
    monkeypatch.setattr(radau, "SMALL", 5)
    there = ax.simulate(small, 3.0, method="radau5", rtol=1e-8, sample="end")
    assert here.steps == there.steps
    np.testing.assert_allclose(here.x, there.x, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("traced", [10**6, 0])
def test_by_jax_where_unrolling_would_take_long(traced, monkeypatch):
    small = starting(brusselator.with_parameters(n=20))
    here = ax.simulate(small, 2.0, method="radau5", rtol=1e-8, sample="end")
    monkeypatch.setattr(radau, "UNROLLED", 0)
    monkeypatch.setattr(radau, "TRACED", traced)
    there = ax.simulate(small, 2.0, method="radau5", rtol=1e-8, sample="end")
    assert here.steps == there.steps
    np.testing.assert_allclose(here.u, there.u, rtol=1e-10)


def test_a_coupled_network(monkeypatch):
    """Neurons with random synapses, whose matrices fill when they are factorised, and rates over five decades."""
    monkeypatch.setattr(radau, "UNROLLED", 0)
    links = ax.coupling.random(80, 6, seed=1)

    @ax.flow(state={"x": (80,)}, parameters={"w": links}, initial={"x": np.linspace(-1, 1, 80)})
    def network(t, s, p):
        return {"x": jnp.logspace(-1, 4, 80) * (0.05 * (p.w @ jnp.tanh(s.x)) + 0.5 - s.x)}

    run = ax.simulate(network, 1e4, method="radau5", rtol=1e-6, sample="end")
    assert run.status == 0 and run.steps < 300
    rest = run.x.values[0]
    np.testing.assert_allclose(rest, 0.05 * (links.to_scipy() @ np.tanh(rest)) + 0.5, atol=1e-6)


def test_the_structure_is_that_of_the_jacobian():
    system = starting(brusselator.with_parameters(n=7))
    parts = structure(system.program("rhs"), system.dimension)
    state = np.random.default_rng(0).normal(size=14)
    expected = system.jacobian(state)
    compressed = expected @ parts.seeds
    found = np.zeros((14, 14))
    found[parts.rows, parts.columns] = compressed[parts.rows, parts.colours[parts.columns]]
    np.testing.assert_array_equal(found, expected)


# -- bits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("small", [64, 1])
def test_company_pauses_and_workers_change_no_bit(small, tmp_path, monkeypatch):
    monkeypatch.setattr(radau, "SMALL", small)
    values = np.linspace(-0.9, 0.9, 7)
    options = {"method": "radau5", "rtol": 1e-6, "sample": 0.01}
    together = ax.simulate(turning, 6.0, parameters={"w": values}, workers=2, **options)
    alone = ax.simulate(turning, 6.0, parameters={"w": values[3]}, **options)
    assert (together.x.values[3] == alone.x.values).all()
    stored = ax.simulate(turning, 6.0, parameters={"w": values}, store=tmp_path / "run.h5", workers=1, **options)
    assert (stored.x.values == together.x.values).all() and (stored.steps.values == together.steps.values).all()


# -- endings ------------------------------------------------------------------------------------------------


@ax.flow(state={"x": ()}, initial={"x": 1.0})
def square(t, s, p):
    return {"x": s.x**2}


@ax.flow(state={"x": ()}, parameters={"edge": 1.0}, initial={"x": 0.0})
def cliff(t, s, p):
    return {"x": jnp.where(t > p.edge, jnp.nan, 1.0)}


def test_blow_up():
    run = ax.simulate(square, 3.0, method="radau5", sample=0.01)
    assert run.status in (2, 3)
    assert run.t_stop.item() == pytest.approx(1.0, abs=1e-4)
    assert np.isnan(run.x[run.time > run.t_stop]).all() and np.isfinite(run.x[run.time <= run.t_stop]).all()


def test_a_right_hand_side_that_ends():
    run = ax.simulate(cliff, 3.0, method="radau5", sample=0.5, parameters={"edge": [1.0, 10.0, 0.2]})
    assert list(run.status) == [2, 0, 2]
    np.testing.assert_allclose(run.t_stop, [1.0, 3.0, 0.2], atol=1e-6)


def test_too_many_steps():
    run = ax.simulate(turning, 50.0, method="radau5", max_steps=20, sample=[0.1, 50.0])
    assert run.status == 4 and run.steps + run.rejected == 20
    assert np.isfinite(run.x[0]) and np.isnan(run.x[1])


def test_equal_steps_are_refused():
    with pytest.raises(InputError, match="radau5"):
        ax.simulate(turning, 1.0, method="radau5", dt=0.1)


@pytest.mark.parametrize("small", [64, 1])
def test_interrupt(small, monkeypatch):
    monkeypatch.setattr(radau, "SMALL", small)
    ax.simulate(hodgkin_huxley, 1.0, method="radau5", sample="end")
    timer = threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    begin = time.monotonic()
    with pytest.raises(Interrupted) as caught:
        ax.simulate(hodgkin_huxley, 1e7, method="radau5", sample=1e4)
    assert time.monotonic() - begin < 5
    run = caught.value.partial
    assert run.status == 1 and 0 < run.t_stop < 1e7
    assert np.isfinite(run.v[run.time <= run.t_stop]).all()
