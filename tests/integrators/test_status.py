"""How trajectories end that cannot go on: what is kept, what is NaN, and that the others do not notice."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.integrators.tableaux import TABLEAUX

DONE, RUNNING, NONFINITE, STEP_TOO_SMALL, TOO_MANY_STEPS = range(5)
ADAPTIVE = [name for name, tableau in TABLEAUX.items() if tableau.adaptive]


@ax.flow(state={"x": ()}, initial={"x": 1.0})
def square(t, s, p):
    """x = x0 / (1 - x0 t), infinite at t = 1 / x0."""
    return {"x": s.x**2}


@ax.flow(state={"x": ()}, parameters={"edge": 1.0}, initial={"x": 0.0})
def cliff(t, s, p):
    """The right-hand side is NaN beyond t = edge."""
    return {"x": jnp.where(t > p.edge, jnp.nan, 1.0)}


@ax.map(state={"x": ()}, parameters={"r": 2.0}, initial={"x": 2.0})
def power(t, s, p):
    return {"x": p.r * s.x**2}


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("sample", [0.01, None, "end"])
def test_blow_up_with_error_control(method, sample):
    data = ax.simulate(square, 3.0, method=method, sample=sample)
    assert data.status in (NONFINITE, STEP_TOO_SMALL)
    assert data.t_stop.item() == pytest.approx(1.0, abs=1e-4)
    reached = data.time <= data.t_stop
    assert np.isnan(data.x[~reached]).all()
    assert np.isfinite(data.x[reached]).all()
    early = data.time < 0.95
    np.testing.assert_allclose(data.x[early], 1 / (1 - data.time[early]), rtol=1e-3)


@pytest.mark.parametrize("method", TABLEAUX)
@pytest.mark.parametrize("sample", [0.01, 0.013, None, "end"])
def test_blow_up_in_equal_steps(method, sample):
    data = ax.simulate(square, 30.0, method=method, dt=0.01, sample=sample)
    assert data.status == NONFINITE
    assert 1.0 <= data.t_stop < 1.3
    assert data.steps.item() == pytest.approx(data.t_stop.item() / 0.01)
    assert np.isnan(data.x[data.time > data.t_stop + 1e-9]).all()
    assert np.isfinite(data.x[data.time < data.t_stop - 0.011]).all()
    assert not np.isinf(data.x).any()


def test_the_last_finite_step_is_the_last():
    x, count = 2.0, 0
    while np.isfinite(2 * x * x):
        x, count = 2 * x * x, count + 1
    for sample in (None, 2, [0, 1, 3, 50], "end"):
        data = ax.simulate(power, 100, sample=sample)
        assert (data.status, data.t_stop, data.steps) == (NONFINITE, count, count)
        assert np.isfinite(data.x[data.time <= count]).all()
        assert np.isnan(data.x[data.time > count]).all()
    assert ax.simulate(power, 100).x[count] == x


HOW = {"tsit5": {}, "dop853": {"method": "dop853"}, "rk4": {"method": "rk4", "dt": 0.01}}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    "sample", [0.05, "end", np.sort(np.random.default_rng(0).uniform(0, 2, 30))], ids=["regular", "end", "irregular"]
)
@pytest.mark.parametrize("stored", [False, True])
def test_the_others_go_on(how, sample, stored, tmp_path):
    start = np.linspace(-1.0, 1.0, 101)
    store = tmp_path / "run.h5" if stored else None
    data = ax.simulate(square, 2.0, initial={"x": start}, sample=sample, store=store, **HOW[how])
    blown = start > 0.55
    assert (data.status[blown] != DONE).all()
    calm = start < 0.45
    assert (data.status[calm] == DONE).all()
    assert (data.t_stop[calm] == 2.0).all()
    np.testing.assert_allclose(data.t_stop[blown], 1 / start[blown], atol=0.2)
    for m in np.flatnonzero(calm):
        np.testing.assert_allclose(data.x[m], start[m] / (1 - start[m] * data.time), rtol=1e-4, atol=1e-12)
        alone = ax.simulate(square, 2.0, initial={"x": start[m]}, sample=sample, **HOW[how])
        np.testing.assert_array_equal(data.x[m], alone.x)
    for m in np.flatnonzero(blown):
        assert np.isnan(data.x[m][data.time > data.t_stop[m] + 1e-9]).all()
        assert np.isfinite(data.x[m][data.time < data.t_stop[m] - 0.011]).all()


@pytest.mark.parametrize("method", ADAPTIVE)
def test_a_right_hand_side_that_ends(method):
    data = ax.simulate(cliff, 3.0, method=method, parameters={"edge": [1.0, 2.0, 5.0]}, sample=0.25)
    np.testing.assert_array_equal(data.status, [NONFINITE, NONFINITE, DONE])
    np.testing.assert_allclose(data.t_stop, [1.0, 2.0, 3.0], atol=1e-9)
    np.testing.assert_allclose(data.x[2], data.time, atol=1e-12)


def test_not_a_number_from_the_start():
    for how in HOW.values():
        data = ax.simulate(cliff, 3.0, parameters={"edge": -1.0}, sample=0.5, **how)
        assert data.status == NONFINITE
        assert data.t_stop == 0.0
        assert data.x[0] == 0.0
        assert np.isnan(data.x[1:]).all()


@pytest.mark.parametrize("method", ADAPTIVE)
def test_a_tolerance_that_cannot_be_met(method):
    @ax.flow(state={"x": ()}, initial={"x": 1.0})
    def jumping(t, s, p):
        return {"x": jnp.where(s.x > 1.5, -1e9, 1e9) * (2 + jnp.sin(1e12 * s.x))}

    data = ax.simulate(jumping, 1.0, method=method, rtol=1e-14, atol=1e-300, sample="end", max_steps=10**6)
    assert data.status in (STEP_TOO_SMALL, TOO_MANY_STEPS)
    assert 0 <= data.t_stop < 1


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("most", [1, 7, 100])
def test_too_many_steps(method, most):
    lorenz = ax.systems.chaos.lorenz
    data = ax.simulate(lorenz, 50.0, method=method, max_steps=most, sample=0.01, rtol=1e-9)
    assert data.status == TOO_MANY_STEPS
    assert data.steps + data.rejected == most
    assert 0 <= data.t_stop < 50.0
    reached = data.time <= data.t_stop
    assert np.isfinite(data.x[reached]).all()
    assert np.isnan(data.x[~reached]).all()
    whole = ax.simulate(lorenz, 50.0, method=method, sample=0.01, rtol=1e-9)
    np.testing.assert_array_equal(data.x[reached], whole.x[reached])


def test_the_bound_counts_for_each_member():
    rho = np.linspace(0.1, 100.0, 60)
    steps = ax.simulate(ax.systems.chaos.lorenz, 10.0, parameters={"rho": rho}, sample="end")
    bound = int(np.median(steps.steps + steps.rejected))
    data = ax.simulate(ax.systems.chaos.lorenz, 10.0, parameters={"rho": rho}, sample="end", max_steps=bound)
    enough = (steps.steps + steps.rejected) <= bound
    np.testing.assert_array_equal(data.status, np.where(enough, DONE, TOO_MANY_STEPS))
    np.testing.assert_array_equal(data.x[enough], steps.x[enough])
    assert np.isnan(data.x[~enough]).all()


def test_arrival_with_the_last_allowed_step_is_done():
    needed = ax.simulate(square, 0.5, sample="end")
    most = int(needed.steps + needed.rejected)
    assert ax.simulate(square, 0.5, sample="end", max_steps=most).status == DONE
    assert ax.simulate(square, 0.5, sample="end", max_steps=most - 1).status == TOO_MANY_STEPS


def test_a_member_dies_in_every_block_of_lanes():
    """Also if a whole block is dead, the next ones are computed."""
    start = np.concatenate([np.full(200, 5.0), np.full(3, 0.1), np.full(100, 5.0), [0.2]])
    for how in HOW.values():
        data = ax.simulate(square, 1.0, initial={"x": start}, sample=0.1, **how)
        calm = start < 1
        assert (data.status[calm] == DONE).all() and (data.status[~calm] != DONE).all()
        np.testing.assert_allclose(data.x[calm].isel(time=-1), start[calm] / (1 - start[calm]), rtol=1e-5)
