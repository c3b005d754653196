"""Exponents against closed forms, published values, independent computations, and their own identities."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import attrax as ax
from attrax.analysis import lyapunov_spectrum
from attrax.engine.errors import InputError, Interrupted

LORENZ, LOGISTIC, HENON = ax.systems.chaos.lorenz, ax.systems.maps.logistic, ax.systems.maps.henon


def flow_of(name, equations, initial, **parameters):
    """A flow with one state block from ``equations(y, p)``."""

    def function(t, s, p):
        return {"y": jnp.stack([jnp.asarray(v) for v in equations(s.y, p)])}

    return ax.flow(state={"y": (len(initial),)}, parameters=parameters, initial={"y": initial}, name=name)(function)


# Equations as in the dysts collection; spectra and their standard errors: own computation with Dormand-Prince 5(4),
# rtol 1e-9, 4000 periods, 20 batches.
FLOWS = {
    "Arneodo": (
        lambda y, p: [y[1], y[2], -p.a * y[0] - p.b * y[1] - p.c * y[2] + p.d * y[0] ** 3],
        {"a": -5.5, "b": 4.5, "c": 1.0, "d": -1.0},
        ([-2.7515698, 0.19079818, 3.4703629], 3.1641),
        ([0.2072913, -0.0001633, -1.2071280], [0.0045, 0.00074, 0.0046], 2.1715874),
    ),
    "Hadley": (
        lambda y, p: [
            -(y[1] ** 2) - y[2] ** 2 - p.a * y[0] + p.a * p.f,
            y[0] * y[1] - p.b * y[0] * y[2] - y[1] + p.g,
            p.b * y[0] * y[1] + y[0] * y[2] - y[2],
        ],
        {"a": 0.2, "b": 4.0, "f": 9.0, "g": 1.0},
        ([1.3664423, 0.9309146, 0.64283417], 1.4541),
        ([0.2134011, 0.0003432, -0.3721871], [0.0060, 0.0010, 0.0061], 2.5742927),
    ),
    "RikitakeDynamo": (
        lambda y, p: [-p.mu * y[0] + y[1] * y[2], -p.mu * y[1] + y[0] * (y[2] - p.a), 1 - y[0] * y[1]],
        {"a": 1.0, "mu": 1.0},
        ([-0.779156, -0.630224, 2.6712], 5.8975),
        ([0.1257212, -0.0000414, -2.1256800], [0.0011, 0.00028, 0.0012], 2.0591245),
    ),
    "LorenzStenflo": (
        lambda y, p: [
            p.a * (y[1] - y[0]) + p.d * y[3],
            y[0] * (p.c - y[2]) - y[1],
            y[0] * y[1] - p.b * y[2],
            -y[0] - p.a * y[3],
        ],
        {"a": 2.0, "b": 0.7, "c": 26.0, "d": 1.5},
        ([4.2334388, 9.0897060, 21.8666254, -1.4080702], 3.8877143),
        ([0.3827434, -0.0000257, -2.6978250, -3.3848920], [0.00085, 0.00020, 0.0045, 0.0043], 2.1418616),
    ),
    "Thomas": (
        lambda y, p: [-p.a * y[i] + p.b * jnp.sin(y[(i + 1) % 3]) for i in range(3)],
        {"a": 1.85, "b": 10.0},
        ([2.199442, 2.363422, 3.220197], 4.969),
        ([0.4924754, 0.0000049, -6.0424800], [0.0032, 0.00014, 0.0032], 2.0815030),
    ),
    "Lorenz96": (
        lambda y, p: [(y[(i + 1) % 4] - y[i - 2]) * y[i - 1] - y[i] + p.f for i in range(4)],
        {"f": 20.0},
        ([-2.468206, 0.095703, 1.592709, 10.213721], 2.1969),
        ([1.2051810, 0.0001761, -1.5859340, -3.6194240], [0.0089, 0.00025, 0.0076, 0.0077], 2.7600301),
    ),
}


@pytest.mark.parametrize("name", FLOWS)
def test_flows_of_the_literature(name):
    equations, parameters, (initial, period), (exponents, errors, dimension) = FLOWS[name]
    system = flow_of(name, equations, initial, **parameters)
    found = lyapunov_spectrum(system, t_total=2000 * period, transient=100 * period, workers=1)
    error = np.hypot(found.standard_error.values, errors)
    assert (np.abs(found.exponents.values - exponents) < 4 * error).all()
    assert abs(float(found.zero_exponent)) < 4 * float(found.standard_error.max())
    assert abs(float(found.sum_minus_divergence)) < 1e-6
    assert float(found.kaplan_yorke) == pytest.approx(dimension, abs=6 * float(found.kaplan_yorke_error) + 1e-3)


@pytest.mark.parametrize("how", [{}, {"method": "tsit5"}, {"dt": 0.005}, {"dt": 0.01, "method": "dopri5"}])
def test_lorenz(how):
    """Sprott, Chaos and Time-Series Analysis (2003): 0.9056, 0, -14.5723; the sum is -(sigma + 1 + beta)."""
    found = lyapunov_spectrum(LORENZ, t_total=5000, transient=50, **how)
    assert (np.abs(found.exponents.values - [0.9056, 0.0, -14.5723]) < 4 * found.standard_error.values).all()
    assert float(found.standard_error[0]) < 0.004
    assert float(found.mean_divergence) == pytest.approx(-(10 + 1 + 8 / 3), abs=1e-10)
    assert float(found.sum_minus_divergence) == pytest.approx(0.0, abs=1e-4)
    assert float(found.kaplan_yorke) == pytest.approx(2.062, abs=1e-3)


def test_logistic_map():
    """At r = 4: ln 2; on a cycle of period 2: half the logarithm of its multiplier 4 + 2r - r^2."""
    found = lyapunov_spectrum(LOGISTIC, t_total=1_000_000, initial={"x": 0.3123})
    assert float(found.exponents[0]) == pytest.approx(np.log(2), abs=2e-5)
    assert float(found.kaplan_yorke) == 1.0
    r = np.linspace(3.05, 3.4, 20)
    found = lyapunov_spectrum(LOGISTIC, t_total=4096, transient=5000, parameters={"r": r})
    np.testing.assert_allclose(found.exponents[:, 0], np.log(np.abs(4 + 2 * r - r**2)) / 2, atol=1e-9)
    np.testing.assert_allclose(found.sum_minus_divergence, 0.0, atol=1e-12)
    # where the critical point is on the cycle, any displacement dies at once
    assert lyapunov_spectrum(LOGISTIC, parameters={"r": 2.0}, initial={"x": 0.5}, t_total=256).exponents == -np.inf


def test_henon_map():
    """Sprott 2003: 0.41922, -1.62319, dimension 1.25827; the sum is ln b."""
    found = lyapunov_spectrum(HENON, t_total=1_000_000)
    assert (np.abs(found.exponents.values - [0.41922, -1.62319]) < 4 * found.standard_error.values + 5e-6).all()
    assert float(found.standard_error[0]) < 5e-4
    assert float(found.exponents.sum()) == pytest.approx(np.log(0.3), abs=1e-9)
    assert float(found.kaplan_yorke) == pytest.approx(1.25827, abs=5e-4)
    leading = lyapunov_spectrum(HENON, 1, t_total=100_000)
    assert leading.exponents.sizes == {"exponent": 1} and "sum_minus_divergence" not in leading
    assert float(leading.exponents[0]) == pytest.approx(0.41922, abs=4e-3)


def test_cat_map():
    @ax.map(state={"x": (2,)}, initial={"x": [0.1, np.sqrt(2) - 1]})
    def cat(t, s, p):
        moved = jnp.array([[2.0, 1.0], [1.0, 1.0]]) @ s.x
        return {"x": moved - jnp.floor(moved)}

    found = lyapunov_spectrum(cat, t_total=10_000)
    golden = np.log((3 + np.sqrt(5)) / 2)
    np.testing.assert_allclose(found.exponents, [golden, -golden], atol=1e-10)
    assert float(found.kaplan_yorke) == pytest.approx(2.0)


def test_linear_systems():
    """Exponents are the real parts of the eigenvalues; of a map, logarithms of their moduli."""
    matrix = np.array([[-0.1, 0.8, 0.3], [-0.8, -0.1, 0.0], [0.0, 0.0, -0.5]])

    def function(t, s, p):
        return {"x": jnp.asarray(matrix) @ s.x}

    linear = ax.flow(state={"x": (3,)}, initial={"x": [1.0, 0.0, 1.0]})(function)
    found = lyapunov_spectrum(linear, t_total=2000, transient=100)
    np.testing.assert_allclose(found.exponents, [-0.1, -0.1, -0.5], atol=2e-3)
    assert float(found.kaplan_yorke) == 0.0
    discrete = ax.map(state={"x": (3,)}, initial={"x": [1.0, 0.0, 1.0]})(function)
    found = lyapunov_spectrum(discrete, t_total=4096)
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(matrix))))[::-1]
    np.testing.assert_allclose(found.exponents, expected, atol=2e-3)


@ax.flow(
    state={"x": ("n",)},
    parameters={"n": 40, "F": 8.0},
    initial={"x": lambda p: 8 + np.sin(1.7 * np.arange(p.n))},
    source="E. N. Lorenz, Proc. Seminar on Predictability, ECMWF (1996)",
)
def lorenz96(t, s, p):
    x = s.x
    return {"x": (jnp.roll(x, -1) - jnp.roll(x, 2)) * jnp.roll(x, 1) - x + p.F}


def test_many_vectors():
    """Lorenz 1996 with 40 places: 13 positive exponents, the largest 1.68 (Lorenz & Emanuel 1998: doubling in 2.1 days
    of 0.2 time units; Karimi & Paul 2010: dimension 27.1)."""
    found = lyapunov_spectrum(lorenz96, t_total=500, transient=20, dt=0.02)
    error = found.standard_error.values
    assert abs(float(found.exponents[0]) - 1.68) < 4 * error[0] + 0.01
    assert (found.exponents.values > 3 * error).sum() in (12, 13)
    assert float(found.mean_divergence) == pytest.approx(-40.0, abs=1e-10)
    assert float(found.sum_minus_divergence) == pytest.approx(0.0, abs=1e-3)
    assert float(found.kaplan_yorke) == pytest.approx(27.1, abs=0.3)
    with pytest.raises(InputError, match="give dt"):
        lyapunov_spectrum(lorenz96)


@pytest.mark.parametrize("how", [{"dt": 0.01}, {"dt": 0.01, "method": "dop853"}])
def test_vectors_in_lanes_move_as_vectors_in_a_row(how, monkeypatch):
    system = lorenz96.with_parameters(n=6)
    given = {"t_total": 3, "transient": 0, "parameters": {"F": [8.0, 9.0]}, **how}
    expected = lyapunov_spectrum(system, 5, **given)
    monkeypatch.setattr("attrax.analysis.lyapunov.spectrum.WRITTEN_OUT", 0)
    found = lyapunov_spectrum(system, 5, **given)
    for name in ("exponents", "history", "mean_divergence", "t_stop"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-9)


def test_many_vectors_of_a_flow_that_diverges():
    growing = flow_of("growing", lambda y, p: list(y**2), np.linspace(0.1, 1.0, 10))
    found = lyapunov_spectrum(growing, t_total=20, transient=0, dt=0.01)
    assert np.isnan(found.exponents).all() and 0.9 < float(found.t_stop) < 1.2
    late = lyapunov_spectrum(growing, t_total=20, transient=20, dt=0.01)
    assert np.isnan(late.exponents).all() and int(late.status) == int(found.status)


def test_lattice_of_maps():
    """Uncoupled logistic maps at r = 4 all have ln 2; NumPy's QR finds the same in a coupled lattice."""

    @ax.map(
        state={"x": ("n",)},
        parameters={"n": 20, "coupling": 0.0},
        initial={"x": lambda p: 0.1 + 0.8 * np.modf(np.arange(p.n) * 0.618034)[0]},
    )
    def lattice(t, s, p):
        f = 4 * s.x * (1 - s.x)
        return {"x": f + 0.5 * p.coupling * (jnp.roll(f, 1) + jnp.roll(f, -1) - 2 * f)}

    found = lyapunov_spectrum(lattice, t_total=20_000, transient=100)
    np.testing.assert_allclose(found.exponents, np.log(2), atol=0.01)
    assert np.isnan(found.mean_divergence) and np.isnan(found.sum_minus_divergence)
    steps, coupled = 512, lattice.with_parameters(coupling=0.1)
    found = lyapunov_spectrum(coupled, t_total=steps, transient=0)
    states = ax.simulate(coupled, steps - 1).x.values
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(20, 20)))[0]
    grown = np.zeros(20)
    for jacobian in coupled.jacobian(states):
        q, r = np.linalg.qr(jacobian @ q)
        grown += np.log(np.abs(np.diag(r)))
    np.testing.assert_allclose(found.exponents, np.sort(grown)[::-1] / steps, atol=1e-6)


def test_against_two_nearby_trajectories():
    """The leading exponent of a forced oscillator is the mean growth of a small distance, by SciPy's solver."""

    @ax.flow(state={"x": (), "v": ()}, parameters={"force": 0.3}, initial={"x": 0.5, "v": 0.0})
    def duffing(t, s, p):
        return {"x": s.v, "v": s.x - s.x**3 - 0.25 * s.v + p.force * jnp.cos(t)}

    found = lyapunov_spectrum(duffing, t_total=8000, transient=100)
    assert "zero_exponent" not in found
    assert float(found.exponents.sum()) == pytest.approx(-0.25, abs=1e-7)

    def pair(t, y):
        x, v, u, w = y
        force = 0.3 * np.cos(t)
        return [v, x - x**3 - 0.25 * v + force, w, u - u**3 - 0.25 * w + force]

    y, grown, distance, block = np.array([0.5, 0.0, 1.5, 0.0]), [], 1e-8, 2 * np.pi
    for k in range(160):
        y[2:] = y[:2] + distance * (y[2:] - y[:2]) / np.linalg.norm(y[2:] - y[:2])
        y = solve_ivp(pair, (k * block, (k + 1) * block), y, rtol=1e-10, atol=1e-12, method="DOP853").y[:, -1]
        grown.append(np.log(np.linalg.norm(y[2:] - y[:2]) / distance) / block)
    batches = np.mean(np.reshape(grown[16:], (12, 12)), axis=1)
    error = np.hypot(batches.std() / np.sqrt(11), float(found.standard_error[0]))
    assert abs(batches.mean() - float(found.exponents[0])) < 4 * error


def test_sweep_and_history():
    found = lyapunov_spectrum(
        LORENZ, t_total=200, transient=20, parameters=ax.grid(rho=[10.0, 28.0], sigma=[9.0, 10.0, 11.0])
    )
    assert found.exponents.dims == ("rho", "sigma", "exponent") and found.exponents.shape == (2, 3, 3)
    assert found.history.dims == ("rho", "sigma", "time", "exponent")
    np.testing.assert_array_equal(found.history[:, :, -1], found.exponents)
    assert (found.sel(rho=28).exponents[:, 0] > 0.5).all() and (found.sel(rho=10).exponents[:, 0] < 0).all()
    np.testing.assert_allclose(found.mean_divergence, np.tile(-(found.sigma + 1 + 8 / 3), (2, 1)), atol=1e-10)


@pytest.mark.parametrize("k", [1, 2])
def test_a_member_of_maps_alone(k):
    """Its vectors have a lane each; in company, members have."""
    alone = lyapunov_spectrum(HENON, k, t_total=3000, transient=100)
    together = lyapunov_spectrum(HENON, k, t_total=3000, transient=100, parameters={"a": [1.2, 1.4, 1.3]})
    for name in ("exponents", "history", "mean_divergence", "t_stop"):
        np.testing.assert_array_equal(together[name][1], alone[name])


@pytest.mark.parametrize("transient", [0, 100])
def test_one_member_that_diverges(transient):
    """Alone or not: NaN, and where it stopped."""
    alone = lyapunov_spectrum(HENON.with_parameters(a=2.0), t_total=1000, transient=transient)
    together = lyapunov_spectrum(HENON, t_total=1000, transient=transient, parameters={"a": [1.4, 2.0]})
    assert np.isnan(alone.exponents).all() and int(alone.status) == int(together.status[1]) != int(together.status[0])
    assert float(alone.t_stop) == float(together.t_stop[1]) < 1000


@pytest.mark.parametrize("how", [{}, {"dt": 0.01}])
def test_a_member_does_not_depend_on_its_company(how):
    rho = np.linspace(20.0, 40.0, 11)
    together = lyapunov_spectrum(LORENZ, t_total=20, transient=5, parameters={"rho": rho}, workers=2, **how)
    alone = lyapunov_spectrum(LORENZ, t_total=20, transient=5, parameters={"rho": rho[7]}, **how)
    np.testing.assert_array_equal(together.exponents[7], alone.exponents)


@pytest.mark.parametrize("system, t_total", [(LORENZ, 3000), (HENON, 8192)])
def test_standard_errors_are_those_between_runs(system, t_total):
    rng = np.random.default_rng(0)
    starts = system.initial_vector + rng.uniform(0, 0.05, (100, system.dimension))
    found = lyapunov_spectrum(system, t_total=t_total, transient=100, initial=starts)
    scatter = found.exponents.std("member", ddof=1)[0]
    reported = np.sqrt((found.standard_error**2).mean("member"))[0]
    assert 0.85 * scatter < reported < 1.6 * scatter
    scatter = found.kaplan_yorke.std("member", ddof=1)
    reported = np.sqrt((found.kaplan_yorke_error**2).mean("member"))
    assert 0.85 * scatter < reported < 1.6 * scatter


def test_runs_until_the_wanted_error():
    found = lyapunov_spectrum(
        LORENZ, 1, t_total=200, transient=20, tolerance=0.01, parameters={"rho": [10.0, 28.0, 60.0]}
    )
    assert (found.standard_error < 0.01).all()
    assert float(found.t_stop[0]) == 220.0 and float(found.t_stop[1]) > 400.0
    assert float(found.exponents[1, 0]) == pytest.approx(0.9056, abs=0.04)
    assert np.isfinite(found.history[1]).any() and np.isnan(found.history[0, -1]).all()


def test_members_that_blow_up():
    found = lyapunov_spectrum(HENON, t_total=1024, parameters={"a": [1.4, 3.0]})
    assert found.status.values.tolist() == [0, 2]
    assert np.isfinite(found.exponents[0]).all() and np.isnan(found.exponents[1]).all()


def test_wrong_arguments():
    with pytest.raises(InputError, match="from 1 to 3, not 4"):
        lyapunov_spectrum(LORENZ, 4)
    with pytest.raises(InputError, match="t_total must be positive"):
        lyapunov_spectrum(LORENZ, t_total=-1)
    with pytest.raises(InputError, match="give dt"):
        lyapunov_spectrum(LORENZ, method="rk4")
    with pytest.raises(InputError, match="explicit method"):
        lyapunov_spectrum(LORENZ, method="rodas5p")
    with pytest.raises(InputError, match="is a map"):
        lyapunov_spectrum(HENON, dt=0.1)


def test_interrupted():
    def stop(fraction):
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        lyapunov_spectrum(LORENZ, t_total=1e6, workers=1, progress=stop)
    assert np.isnan(caught.value.partial.exponents).all() and int(caught.value.partial.status) == 1
