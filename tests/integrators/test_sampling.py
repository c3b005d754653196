"""Which times are sampled, and that each sample is the state at its time."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.integrators.tableaux import TABLEAUX

ADAPTIVE = [name for name, tableau in TABLEAUX.items() if tableau.adaptive]


@ax.flow(state={"x": ()}, initial={"x": 0.0})
def clock(t, s, p):
    """The state is the time since the start."""
    return {"x": 1.0 + 0 * s.x}


@ax.flow(state={"x": (), "v": ()}, initial={"x": 1.0})
def oscillator(t, s, p):
    return {"x": s.v, "v": -s.x}


@ax.map(state={"x": (), "n": ()}, parameters={"r": 1.0}, initial={"x": 0.0, "n": -1.0})
def counter(t, s, p):
    """x counts the iterations, n is the time that the last one was given."""
    return {"x": s.x + p.r, "n": t * p.r}


HOW = {m: ({"method": m, "dt": 0.3} if not t.adaptive else {"method": m}) for m, t in TABLEAUX.items()}
HOW["tsit5, equal steps"] = {"method": "tsit5", "dt": 0.3}


@pytest.fixture(params=HOW)
def how(request):
    return HOW[request.param]


def test_default_sampling(how):
    data = ax.simulate(clock, 7.0, t_start=2.0, **how)
    np.testing.assert_array_equal(data.time, np.linspace(2.0, 7.0, 1001))
    np.testing.assert_allclose(data.x, data.time - 2.0, atol=1e-12)
    assert data.t_stop == 7.0


@pytest.mark.parametrize(("spacing", "count"), [(0.1, 71), (0.7, 11), (0.75, 10), (7.0, 2), (10.0, 1), (1e-3, 7001)])
def test_spacing(how, spacing, count):
    data = ax.simulate(clock, 9.0, t_start=2.0, sample=spacing, **how)
    np.testing.assert_allclose(data.time, 2.0 + spacing * np.arange(count), rtol=1e-15)
    assert data.time[-1] <= 9.0
    np.testing.assert_allclose(data.x, data.time - 2.0, atol=1e-11)


@pytest.mark.parametrize(
    ("t_end", "spacing"), [(1.0, 0.1), (0.3, 0.1), (1e5, 0.1), (1e-5, 1e-6), (1e6 - 5e-7, 1.0), (-0.3, 0.1)]
)
def test_rounding_of_the_spacing(t_end, spacing):
    """As many intervals as fit, up to rounding; no sample beyond the end, and none lost."""
    data = ax.simulate(clock, t_end, sample=spacing)
    assert data.sizes["time"] == round(abs(t_end) / spacing) + 1
    assert abs(data.time[-1]) <= abs(t_end)
    assert np.isfinite(data.x).all()
    np.testing.assert_allclose(data.x, data.time, rtol=1e-12)


def test_arbitrary_times(how):
    times = np.array([0.0, 1e-300, 1e-12, 0.3, np.nextafter(0.3, 1), 0.31, 0.9, 2.9999999999, 3.0])
    data = ax.simulate(oscillator, 3.0, sample=times, **how)
    np.testing.assert_array_equal(data.time, times)
    assert data.x[0] == 1.0
    assert data.x[-1] == ax.simulate(oscillator, 3.0, sample="end", **how).x[-1]
    dense = ax.simulate(oscillator, 3.0, sample=np.union1d(times, np.linspace(0.0, 3.0, 77)), **how)
    np.testing.assert_array_equal(data.x, dense.x.sel(time=times))


def test_sampling_does_not_change_the_steps(how):
    few = ax.simulate(oscillator, 20.0, sample="end", **how)
    many = ax.simulate(oscillator, 20.0, sample=0.001, **how)
    assert few.x[-1] == many.x[-1]
    assert few.steps == many.steps
    assert few.rejected == many.rejected


def test_many_samples_in_a_step():
    data = ax.simulate(oscillator, 10.0, method="dop853", rtol=1e-12, atol=1e-12, sample=0.0005)
    assert data.steps < 100
    np.testing.assert_allclose(data.x, np.cos(data.time), atol=1e-10)
    assert (np.diff(data.x[:6000]) < 0).all()


def test_transient(how):
    data = ax.simulate(oscillator, 9.0, t_start=1.0, transient=2.5, sample=0.5, **how)
    np.testing.assert_array_equal(data.time, np.arange(3.5, 9.1, 0.5))
    whole = ax.simulate(oscillator, 9.0, t_start=1.0, sample=0.5, **how)
    np.testing.assert_array_equal(data.x, whole.x.sel(time=data.time))


@pytest.mark.parametrize(("sample", "times"), [(None, [5.0]), (0.5, [5.0]), ("end", [5.0]), ([5.0], [5.0])])
def test_transient_up_to_the_end(how, sample, times):
    data = ax.simulate(clock, 5.0, transient=5.0, sample=sample, **how)
    np.testing.assert_array_equal(data.time, times)
    np.testing.assert_allclose(data.x, 5.0)


def test_only_the_end(how):
    data = ax.simulate(oscillator, 3.1, t_start=-2.0, sample="end", **how)
    assert data.time.values.tolist() == [3.1]
    assert data.t_stop == 3.1
    assert data.x[-1] == ax.simulate(oscillator, 3.1, t_start=-2.0, **how).x[-1]


@pytest.mark.parametrize("t_end", [1.0, np.pi, 1e-12, 123456.789, -1.0])
@pytest.mark.parametrize("method", ADAPTIVE)
def test_the_end_is_met_exactly(method, t_end):
    data = ax.simulate(clock, t_end, method=method, sample=[t_end])
    assert data.t_stop == t_end == data.time[-1]
    assert data.x.item() == pytest.approx(t_end, rel=1e-13)


@pytest.mark.parametrize("method", TABLEAUX)
def test_equal_steps_are_shortened_to_fit(method):
    data = ax.simulate(clock, 1.0, method=method, dt=0.3, sample="end")
    assert data.steps == 4
    assert data.attrs["dt"] == 0.25
    assert ax.simulate(clock, 0.9, method=method, dt=0.3, sample="end").steps == 3
    assert ax.simulate(clock, 0.1, method=method, dt=0.3, sample="end").steps == 1


@pytest.mark.parametrize("method", TABLEAUX)
def test_backwards_in_equal_steps(method):
    data = ax.simulate(clock, -2.0, method=method, dt=0.3, sample=0.45)
    np.testing.assert_allclose(data.time, -0.45 * np.arange(5), atol=1e-15)
    np.testing.assert_allclose(data.x, data.time, atol=1e-14)


def test_time_reaches_the_right_hand_side(how):
    @ax.flow(state={"x": ()}, initial={"x": 0.0})
    def ramp(t, s, p):
        return {"x": 2 * t}

    if how["method"] != "euler":
        data = ax.simulate(ramp, 4.0, t_start=-1.0, sample=0.05, **how)
        np.testing.assert_allclose(data.x, data.time**2 - 1, atol=1e-12)


def test_samples_in_reversed_and_strided_arrays():
    """Views in memory of any order are read as what they are."""
    times = np.linspace(0.0, 4.0, 41)
    back = ax.simulate(clock, 0.0, t_start=4.0, sample=times[::-1])
    np.testing.assert_allclose(back.x, times[::-1] - 4.0, atol=1e-12)
    third = ax.simulate(clock, 4.0, sample=times[::3], method="rk4", dt=0.1)
    np.testing.assert_allclose(third.x, times[::3], atol=1e-12)


def test_observables_are_those_of_the_samples():
    @ax.flow(
        state={"x": (), "v": ()},
        parameters={"k": 2.0},
        initial={"x": 1.0},
        observables={
            "energy": lambda t, s, p: p.k * s.x**2 / 2 + s.v**2 / 2,
            "pair": lambda t, s, p: jnp.stack([t, s.x]),
        },
    )
    def spring(t, s, p):
        return {"x": s.v, "v": -p.k * s.x}

    data = ax.simulate(spring, 5.0, parameters={"k": [1.0, 4.0]}, sample=0.25, rtol=1e-11)
    assert data.energy.dims == ("k", "time")
    np.testing.assert_allclose(data.energy, data.k / 2 + 0 * data.time, rtol=1e-9)
    np.testing.assert_array_equal(data.pair[..., 1], data.x)
    np.testing.assert_array_equal(data.pair[0, :, 0], data.time)


# -- maps ------------------------------------------------------------------------------------------------------


def test_every_iterate():
    data = ax.simulate(counter, 20)
    np.testing.assert_array_equal(data.time, np.arange(21))
    np.testing.assert_array_equal(data.x, np.arange(21))
    np.testing.assert_array_equal(data.n, np.arange(21) - 1)
    assert (data.steps, data.t_stop, data.status, data.rejected) == (20, 20, 0, 0)


@pytest.mark.parametrize("sample", [1, 3, 7.0, 19, 25])
@pytest.mark.parametrize("start", [0, 5, -4])
@pytest.mark.parametrize("transient", [0, 6])
def test_spacing_of_a_map(sample, start, transient):
    data = ax.simulate(counter, start + 25, t_start=start, transient=transient, sample=sample)
    times = np.arange(start + transient, start + 26, int(sample))
    np.testing.assert_array_equal(data.time, times)
    np.testing.assert_array_equal(data.x, times - start)
    np.testing.assert_array_equal(data.n[times > start], times[times > start] - 1)


def test_chosen_iterates_of_an_ensemble():
    times = [2, 3, 17, 400, 1999, 2000]
    data = ax.simulate(counter, 2000, parameters={"r": np.arange(1.0, 40.0)}, sample=times)
    np.testing.assert_array_equal(data.x, data.r * data.time)


def test_the_last_iterate():
    data = ax.simulate(counter, 123456, sample="end")
    assert data.x.item() == 123456 == data.time.item()
    assert data.n.item() == 123455
