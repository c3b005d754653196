"""Large systems: the same trajectories as by other ways, whatever the threads, members, samples and pauses."""

from __future__ import annotations

import time
from importlib import import_module

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import attrax as ax
from attrax.engine import array_quantities
from attrax.integrators.large.scheme import large
from attrax.integrators.tableaux import TABLEAUX

RNG = np.random.default_rng(3)
PLANNING = import_module("attrax.integrators.planning")
STSP = ax.systems.get("neural.stsp_network")


def stsp(n, seed=0):
    rng = np.random.default_rng(seed)
    return STSP.with_parameters(n=n, w=rng.normal(size=(n, n)) / np.sqrt(n), z=-rng.random((n, n)) / n)


@pytest.fixture
def unrolled(monkeypatch):
    """Simulate by straight-line code, for comparison."""

    def simulate(system, *arguments, **options):
        with monkeypatch.context() as patch:
            patch.setattr(PLANNING, "is_large", lambda _: False)
            return ax.simulate(system, *arguments, **options)

    return simulate


def test_networks_are_large_and_small_systems_are_not():
    assert array_quantities.is_large(stsp(40))
    assert not array_quantities.is_large(stsp(8))
    assert not array_quantities.is_large(ax.systems.chaos.lorenz)


@pytest.mark.parametrize("method", ["euler", "heun", "rk4", "tsit5", "bs3", "dop853"])
def test_equal_steps_agree_with_straight_line_code(method, unrolled):
    system = stsp(10)
    options = dict(method=method, dt=0.5, sample=[0.0, 0.2, 0.4, 3.0, 7.77, 20.0], rtol=1e-6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PLANNING, "is_large", lambda _: True)
        found = ax.simulate(system, 20.0, **options)
    expected = unrolled(system, 20.0, **options)
    assert int(found.steps) == int(expected.steps) == 40
    for name in ("x", "u", "phi", "y"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("method", ["tsit5", "bs3", "dopri5", "dop853"])
def test_steps_by_tolerance_agree_with_a_tighter_run(method):
    system = stsp(60)
    options = dict(sample=[0.0, 1.0, 33.3, 50.0])
    found = ax.simulate(system, 50.0, method=method, rtol=1e-7, atol=1e-9, **options)
    exact = ax.simulate(system, 50.0, method="dop853", rtol=1e-12, atol=1e-13, **options)
    assert np.abs(found.x - exact.x).max() < 2e-6
    assert found.x.values[0] == pytest.approx(system.initial["x"])
    assert int(found.status) == 0 and int(found.steps) > 5


@pytest.mark.parametrize("method", ["euler", "heun", "rk4"])
def test_orders(method):
    a = RNG.normal(size=(40, 40)) / 7

    @ax.flow(state={"x": (40,)}, parameters={"a": a}, initial={"x": 1.0})
    def linear(t, s, p):
        return {"x": p.a @ s.x}

    exact = expm(a) @ np.ones(40)
    errors = [
        np.abs(ax.simulate(linear, 1.0, method=method, dt=dt, sample="end").x.values[0] - exact).max()
        for dt in (0.1, 0.05, 0.025)
    ]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders == pytest.approx(TABLEAUX[method].order, abs=0.15)


def test_a_linear_network_is_its_exponential():
    n = 300
    links = ax.coupling.random(n, 20, weights=ax.normal(0, 0.3), seed=5)

    @ax.flow(state={"x": ("n",)}, parameters={"n": n, "w": links}, initial={"x": ax.normal(0, 1)})
    def linear(t, s, p):
        return {"x": -s.x + p.w @ s.x}

    run = ax.simulate(linear, 2.0, rtol=1e-10, atol=1e-12, sample="end")
    exact = expm(2.0 * (links.to_scipy().toarray() - np.eye(n))) @ linear.initial["x"]
    np.testing.assert_allclose(run.x.values[0], exact, rtol=1e-7, atol=1e-8)


def test_kuramotos_order_parameter():
    """Lorentzian frequencies of width 1 above the critical coupling K = 2: r = sqrt(1 - 2/K).

    Y. Kuramoto, Chemical Oscillations, Waves, and Turbulence (1984), 5.4.
    """
    n = 2000
    quantiles = (np.arange(n) + 0.5) / n
    omega = np.tan(np.pi * (quantiles - 0.5))

    @ax.flow(
        state={"theta": ("n",)},
        parameters={"n": n, "omega": omega, "K": 4.0},
        initial={"theta": ax.uniform(0, 2 * np.pi)},
        observables={"r": lambda t, s, p: jnp.hypot(jnp.mean(jnp.cos(s.theta)), jnp.mean(jnp.sin(s.theta)))},
    )
    def kuramoto(t, s, p):
        c, d = jnp.mean(jnp.cos(s.theta)), jnp.mean(jnp.sin(s.theta))
        return {"theta": p.omega + p.K * (d * jnp.cos(s.theta) - c * jnp.sin(s.theta))}

    run = ax.simulate(kuramoto, 30.0, method="rk4", dt=0.02, record=("r",), transient=15.0, sample=0.1)
    assert set(run.data_vars) == {"r", "status", "t_stop", "steps", "rejected"}
    assert float(run.r.mean()) == pytest.approx(np.sqrt(1 - 2 / 4.0), abs=0.01)

    @ax.flow(state={"theta": ("n",)}, parameters={"n": 200, "omega": omega[::10], "K": 4.0})
    def pairwise(t, s, p):
        pairs = jnp.sin(s.theta[None, :] - s.theta[:, None])
        return {"theta": p.omega + p.K * jnp.mean(pairs, axis=1)}

    theta = np.random.default_rng(0).uniform(0, 6, 200)
    few = kuramoto.with_parameters(n=200, omega=omega[::10])
    np.testing.assert_allclose(pairwise.rhs({"theta": theta})["theta"], few.rhs({"theta": theta})["theta"], rtol=1e-9)


def test_threads_do_not_change_bits():
    links = ax.coupling.random(3000, 50, weights=ax.normal(0, 0.2), seed=1)

    @ax.flow(state={"x": ("n",)}, parameters={"n": 3000, "w": links}, initial={"x": ax.uniform(-1, 1)})
    def network(t, s, p):
        return {"x": -s.x + p.w @ jnp.tanh(s.x) + jnp.mean(s.x)}

    for options in (dict(method="rk4", dt=0.1), dict(method="dop853", dt=0.3), {}, dict(method="dop853")):
        one, two = (ax.simulate(network, 2.0, workers=workers, sample=0.25, **options) for workers in (1, 2))
        np.testing.assert_array_equal(one.x, two.x)


def test_members_do_not_depend_on_their_company():
    system = stsp(50)
    starts = RNG.uniform(-1, 1, size=(11, 50))
    for options in (dict(method="rk4", dt=0.5), dict(rtol=1e-7)):
        both = [ax.simulate(system, 20.0, initial={"x": starts}, workers=w, sample=1.7, **options) for w in (1, 2)]
        np.testing.assert_array_equal(both[0].x, both[1].x)
        for m in (0, 6):
            alone = ax.simulate(system, 20.0, initial={"x": starts[m]}, sample=1.7, **options)
            np.testing.assert_array_equal(alone.x, both[0].x[m])
            assert int(alone.steps) == int(both[0].steps[m])


def test_parameters_may_differ_between_members():
    system = stsp(50)
    gains = np.array([1.0, 5.0, 10.0])
    sweep = ax.simulate(system, 20.0, parameters={"a": gains}, sample="end")
    for k, a in enumerate(gains):
        alone = ax.simulate(system, 20.0, parameters={"a": a}, sample="end")
        np.testing.assert_array_equal(alone.x.values, sweep.x.values[k])


def test_what_is_computed_from_shared_parameters_in_advance_serves_all_members():
    n = 200

    @ax.flow(
        state={"x": (n,)},
        parameters={"a": np.linspace(0, 1, n), "w": RNG.normal(size=(n, n)) / 20},
        initial={"x": 1.0},
    )
    def network(t, s, p):
        return {"x": -jnp.exp(p.a) * s.x + jnp.tanh(p.w).T @ s.x}

    starts = RNG.normal(size=(5, n))
    together = ax.simulate(network, 1.0, method="rk4", dt=0.1, initial={"x": starts}, sample="end", workers=1)
    for k, start in enumerate(starts):
        alone = ax.simulate(network, 1.0, method="rk4", dt=0.1, initial={"x": start}, sample="end")
        np.testing.assert_array_equal(alone.x.values, together.x.values[k])


def test_maps():
    """A chain of coupled logistic maps against NumPy."""

    @ax.map(state={"x": ("n",)}, parameters={"n": 1000, "r": 3.9, "e": 0.3}, initial={"x": ax.uniform(0, 1)})
    def coupled(t, s, p):
        f = p.r * s.x * (1 - s.x)
        return {"x": (1 - p.e) * f + 0.5 * p.e * (jnp.roll(f, 1) + jnp.roll(f, -1))}

    run = ax.simulate(coupled, 5)
    x = coupled.initial["x"]
    for k in range(6):
        np.testing.assert_allclose(run.x.values[k], x, rtol=1e-11)
        f = 3.9 * x * (1 - x)
        x = 0.7 * f + 0.15 * (np.roll(f, 1) + np.roll(f, -1))


def test_members_that_blow_up_stop_where_they_were_finite():
    @ax.flow(state={"x": (200,)}, parameters={"a": 1.0, "w": np.eye(200)}, initial={"x": 1.0})
    def explosion(t, s, p):
        return {"x": p.a * (p.w @ s.x) ** 3}

    found = ax.simulate(explosion, 1.0, parameters={"a": [0.1, 2.0]}, method="rk4", dt=0.01, sample=0.1)
    assert found.status.values.tolist() == [0, 2]
    assert 0.2 < float(found.t_stop[1]) < 0.4  # at 1 / (2 a), but for the steps
    assert np.isfinite(found.x.values[1, :3]).all() and np.isnan(found.x.values[1, 5:]).all()
    np.testing.assert_allclose(found.x.values[0, -1], (1 - 0.2) ** -0.5, rtol=1e-8)
    adaptive = ax.simulate(explosion, 1.0, parameters={"a": [0.1, 2.0]})
    assert adaptive.status.values[0] == 0 and adaptive.status.values[1] in (2, 3)
    assert float(adaptive.t_stop[1]) == pytest.approx(0.25, abs=1e-3)
    assert int(ax.simulate(explosion, 0.9, parameters={"a": 0.1}, max_steps=3, rtol=1e-10).status) == 4


def test_storing_does_not_change_numbers(tmp_path):
    system = stsp(50)
    for k, options in enumerate((dict(method="rk4", dt=0.5), {})):
        plain = ax.simulate(system, 30.0, sample=0.1, **options)
        stored = ax.simulate(system, 30.0, sample=0.1, store=tmp_path / f"{k}.h5", **options)
        np.testing.assert_array_equal(plain.x, stored.x)
        np.testing.assert_array_equal(plain.y, stored.y)


def test_ctrl_c_keeps_what_was_computed():
    def stop(fraction):
        if fraction > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(ax.errors.Interrupted) as caught:
        ax.simulate(stsp(100), 20_000.0, method="rk4", dt=0.5, progress=stop, sample=10.0)
    x = caught.value.partial.x.values
    assert int(caught.value.partial.status) == 1
    assert np.isfinite(x[0]).all() and np.isnan(x[-1]).all()


def test_recording():
    system = stsp(40)
    everything = ax.simulate(system, 10.0, sample=1.0)
    some = ax.simulate(
        system, 10.0, sample=1.0, record={"m": "mean(x)", "y": "y", "first": lambda t, s, p: s.x[:3] + t}
    )
    assert set(some.data_vars) == {"m", "y", "first", "status", "t_stop", "steps", "rejected"}
    np.testing.assert_allclose(some.m, everything.x.mean("n"), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(some.y, everything.y)
    expected = everything.x.values[:, :3] + everything.time.values[:, None]
    np.testing.assert_allclose(some["first"].values, expected, rtol=1e-14)
    small = ax.simulate(ax.systems.chaos.lorenz, 10.0, record={"r": "sqrt(x**2 + y**2)", "z": "z"})
    whole = ax.simulate(ax.systems.chaos.lorenz, 10.0)
    assert set(small.data_vars) == {"r", "z", "status", "t_stop", "steps", "rejected"}
    np.testing.assert_allclose(small.r, np.hypot(whole.x, whole.y), rtol=1e-13)
    np.testing.assert_array_equal(small.z, whole.z)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("x", "record must be a list"),
        (["v"], "no state block or observable 'v' to record"),
        (["mean(x)"], "formulas have a name of their own"),
        ({"x": "mean(x)"}, "has a 'x' already"),
        ({"m": "mean(v)"}, "'v'"),
        ({"m": 3}, "recorded as a formula or a function"),
    ],
)
def test_mistakes_in_record_are_named(record, message):
    with pytest.raises(ax.errors.InputError, match=message):
        ax.simulate(stsp(6), 1.0, record=record)


def test_what_needs_straight_line_code_is_refused():
    system = stsp(300)
    with pytest.raises(ax.errors.InputError, match="method 'rodas5p' is for systems .* 'neural.stsp_network'"):
        ax.simulate(system, 1.0, method="rodas5p")


def test_too_little_memory_is_said_before_it_starts():
    big = ax.flow(state={"x": (100_000,)}, parameters={"k": 1.0}, initial={"x": 1.0})(lambda t, s, p: {"x": -p.k * s.x})
    begin = time.monotonic()
    with pytest.raises(ax.errors.InputError, match=r"GB of memory are free; record less"):
        ax.simulate(big, 1e5, sample=0.1)
    assert time.monotonic() - begin < 5


def test_large_systems_start_quickly(empty_cache):
    system = stsp(1000)
    begin = time.process_time()
    ax.simulate(system, 0.2, method="rk4", dt=0.1, sample="end")
    assert time.process_time() - begin < 15  # drivers are compiled once per machine; what a network adds is below 1 s
    other = stsp(1001)
    begin = time.process_time()
    ax.simulate(other, 0.2, method="rk4", dt=0.1, sample="end")
    assert time.process_time() - begin < 2


@pytest.mark.parametrize("method", ["rk4", "tsit5"])
def test_memory_is_little_more_than_weights_and_states(method):
    n = 3000
    links = ax.coupling.random(n, 100, weights=ax.normal(0, 0.1), seed=1)

    @ax.flow(state={"x": ("n",)}, parameters={"n": n, "w": links}, observables={"m": lambda t, s, p: jnp.mean(s.x)})
    def network(t, s, p):
        return {"x": -s.x + p.w @ jnp.tanh(s.x)}

    tableau = TABLEAUX[method]
    scheme = large(network, tableau, tableau.adaptive, ("m",))
    memory = scheme.memory(network, network.initial_vector[None], network.parameter_vector[None])
    used = sum(array.nbytes for array in memory.arrays.values())
    assert used < 1.5 * (sum(links.arrays[k].nbytes for k in ("weights", "pre")) + 8 * n)
