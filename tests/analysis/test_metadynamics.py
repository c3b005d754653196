"""Adiabatic attractors along a trajectory, where their bifurcations are known in closed form or were published."""

from __future__ import annotations

import numpy as np
import pytest

import attrax as ax
from attrax.analysis import drawing, landscape, metadynamics
from attrax.engine.errors import InputError

neuron = ax.systems.neural.self_coupled_neuron
network = ax.systems.neural.target_point_network


@ax.flow(
    state={"x": (), "y": (), "r": ()},
    parameters={"eps": 0.01, "omega": 2.0},
    initial={"x": 0.1, "r": -0.5},
    slow=("r",),
)
def swept_hopf(t, s, p):
    q = s.r - s.x**2 - s.y**2
    return {"x": q * s.x - p.omega * s.y, "y": q * s.y + p.omega * s.x, "r": p.eps + 0.0 * s.x}


@ax.flow(state={"x": (), "r": ()}, parameters={"eps": 0.01}, initial={"x": 0.05, "r": -1.0}, slow=("r",))
def swept_pitchfork(t, s, p):
    return {"x": s.r * s.x - s.x**3, "r": p.eps + 0.0 * s.x}


@ax.map(state={"x": (), "r": ()}, parameters={"eps": 0.001}, initial={"x": 0.6, "r": 2.8}, slow=("r",))
def swept_logistic(t, s, p):
    return {"x": s.r * s.x * (1 - s.x), "r": s.r + p.eps}


def test_single_neuron_jumps_at_the_folds_of_its_fast_subsystem():
    """Gros, Linkerhand & Walther 2014: the state follows one attractor until it vanishes in a fold (first order).

    Folds obey a w y (1 - y) = Gamma and x = w y / Gamma; the other root of b(y) is where the target jumps.
    """
    found = metadynamics(neuron, 1110.0, transient=1000.0, sample=0.5)
    visited = found.visited.values.astype(bool)
    assert set(found.label.values) == {"LP"} and set(found.order.values) == {1}
    assert set(found.event.values[visited]) == {"vanishes"} and visited.sum() >= 2
    y = 1 / (1 + np.exp(-found.a_change * (found.x_change - found.b_change)))
    np.testing.assert_allclose(found.a_change * y * (1 - y), 1.0, atol=1e-8)
    np.testing.assert_allclose(found.x_change, y, atol=1e-8)
    fixed = found.x_fixed.values
    rates = 1 / (1 + np.exp(-found.a.values * (fixed - found.b.values)))
    np.testing.assert_allclose((rates - fixed)[np.isfinite(fixed)], 0.0, atol=1e-12)
    np.testing.assert_array_equal(found.target_kind, "fixed point")
    # two attractors only between the folds of the moment, in closed form
    lower = (1 - np.sqrt(1 - 4 / found.a.values)) / 2
    width = 0.5 - (lower - np.log(lower / (1 - lower)) / found.a.values)
    np.testing.assert_array_equal(found.attractors, np.where(np.abs(found.b.values - 0.5) < width, 2, 1))
    np.testing.assert_allclose(found.jump.values[visited], 0.60, atol=0.02)  # 0.870 - 0.293, somewhat later


def test_single_neuron_beyond_its_pitchfork():
    """Without oscillation the gain grows as sqrt(a^2 + 2 eps_a t) past 4, where the attractor splits: second order."""
    start = neuron.with_parameters(eps_a=0.01, eps_b=0.05).with_initial(x=0.5, a=3.0, b=0.5)
    found = metadynamics(start, 700.0, sample=3.0)
    assert found.label.values.tolist() == ["BP"] and found.order.values.tolist() == [2]
    assert "supercritical" in str(found.note.values[0]) and bool(found.visited[0])
    assert found.change_time.item() == pytest.approx((4.0**2 - 3.0**2) / (2 * 0.01), abs=0.01)
    np.testing.assert_array_equal(found.attractors, np.where(found.a > 4, 2, 1))
    late = found.sel(time=slice(450.0, 500.0))  # the rate solves y = logistic(a (y - 1/2))
    y = late.x_target.values
    np.testing.assert_allclose(np.log(y / (1 - y)) / late.a.values, y - 0.5, atol=1e-10)
    assert np.abs(np.diff(found.x_target.values[np.isfinite(found.x_target.values)])).max() < 0.15


@pytest.mark.parametrize(
    ("a", "eps", "period", "distance"),
    [(4.5, 0.01, 62.4, 0.630), (10.0, 0.001, 1040.0, 0.140), (10.0, 0.1, 17.4, 1.106), (4.5, 0.001, 198.4, 0.583)],
)
def test_three_sites_pursue_their_targets(a, eps, period, distance):
    """Mean distance from the target over periods: independent rk4 computation of the network of Wernecke et al. 2016.

    Slow adaptation at high gain is adiabatic: the target jumps (by 1.34 to 1.38) once every half period and the median
    distance is below 1e-3.
    """
    system = network.with_parameters(a=a, eps=eps)
    found = metadynamics(system, 4000.0 + 2.1 * period, transient=4000.0, sample=period / 1000)
    x = found.x.values[:, 0]
    first, last = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))[[0, -1]]
    assert found.distance[first:last].mean().item() == pytest.approx(distance, rel=0.01)
    visited = found.visited.values.astype(bool)
    if (a, eps) == (10.0, 0.001):
        assert set(found.order.values[visited]) == {1}
        np.testing.assert_allclose(np.diff(found.change_time.values[visited]), period / 2, rtol=0.01)
        jumps = found.jump.values[visited]
        assert ((jumps > 1.34) & (jumps < 1.38)).all()
        assert found.distance.median().item() < 1e-3
    if a == 4.5:
        assert found.sizes["change"] == 0


def test_hopf_is_of_second_order_and_gives_oscillating_targets():
    found = metadynamics(swept_hopf, 100.0, sample=1.0)
    assert found.label.values.tolist() == ["H"] and found.order.values.tolist() == [2]
    assert found.change_time.item() == pytest.approx(50.0, abs=1e-6)
    late = found.sel(time=slice(60.0, None))
    assert set(late.target_kind.values) == {"oscillating"}
    radius = np.hypot(late.x, late.y)  # the cycle of the frozen system is a circle of radius sqrt(r)
    np.testing.assert_allclose(late.distance, np.abs(radius - np.sqrt(late.r)), atol=0.02)
    (period, high), r = (found[name].values[0] for name in ("cycle_period", "x_high")), found.r.values
    there = np.isfinite(period)
    np.testing.assert_array_equal(there[r > 0.02], True)
    np.testing.assert_allclose(high[there], np.sqrt(r[there]), rtol=1e-3)


def test_cycles_of_the_fast_subsystem_end_at_a_saddle():
    """Square-wave bursting: rest ends at the fold z = 1 + I - 32 / 27, spiking at a homoclinic connection."""
    system = ax.systems.neural.hindmarsh_rose.with_parameters(I=2.0, r=0.002)
    found = metadynamics(system, 800.0, transient=600.0, sample=4.0)
    told = [str(each) for each in found.label.values]
    assert told == ["LP", "LP", "homoclinic"]
    assert [str(each) for each in found.event.values] == ["vanishes", "appears", "vanishes"]
    np.testing.assert_allclose(found.z_change[:2], 3.0 - 32 / 27, rtol=1e-10)
    fast = system.freeze("z").with_parameters(z=1.9)
    branch = ax.analysis.continue_cycles(fast, "z", (1.85, 2.3), start={"x": 1.0, "y": 0.0})
    assert found.z_change[2].item() == pytest.approx(branch.data["z"].values.max(), abs=1e-8)
    on = found.target_cycle.values == 0
    assert on.sum() > 20 and (found.target_kind.values[on] == "oscillating").all()
    k = int(np.flatnonzero(on)[5])
    one = ax.analysis.find_cycle(fast.with_parameters(z=found.z.values[k]), {"x": 1.0, "y": 0.0})
    assert found.cycle_period.values[0, k] == pytest.approx(one.period, rel=1e-6)
    assert found.x_high.values[0, k] == pytest.approx(one.data.x.values.max(), abs=1e-3)
    assert drawing.plot(found).axes[0].get_legend() is not None


def test_delayed_pitchfork_and_its_slow_flow():
    """The critical manifold is x = 0 below r = 0 and x = +-sqrt(r) above; the slow flow on it is eps."""
    found = metadynamics(swept_pitchfork, 200.0, sample=2.0)
    assert found.label.values.tolist() == ["BP"] and found.order.values.tolist() == [2]
    assert found.change_time.item() == pytest.approx(100.0, abs=1e-6)
    r = found.r.values
    stable = np.where(found.unstable.values == 0, np.abs(found.x_fixed.values), np.nan)
    above = r > 1e-9
    np.testing.assert_allclose(np.nanmax(stable[:, above], axis=0), np.sqrt(r[above]), atol=1e-9)
    np.testing.assert_array_equal((found.unstable.values[:, above] == 0).sum(axis=0), 2)
    drift = found.r_drift.values
    np.testing.assert_allclose(drift[np.isfinite(drift)], 0.01, rtol=1e-12)


@ax.flow(state={"x": (), "r": ()}, parameters={"rate": 0.01, "eps": 0.02}, initial={"x": 0.0, "r": -0.5}, slow=("r",))
def moving_boundary(t, s, p):
    """Stable points at -1 and 1 all the time; the boundary r between their basins passes the state."""
    return {"x": p.rate * (s.x + 1) * (s.x - s.r) * (1 - s.x), "r": p.eps + 0.0 * s.x}


def test_a_state_is_left_by_its_basin():
    found = metadynamics(moving_boundary, 45.0, sample=0.5, settle=2000.0, box={"x": (-1.5, 1.5)})
    assert found.label.values.tolist() == ["basin"] and found.event.values.tolist() == ["left"]
    assert found.order.values.tolist() == [1] and bool(found.visited[0])
    assert found.jump.item() == pytest.approx(2.0, abs=1e-9)
    crossing = found.time[np.argmax(found.r.values > found.x.values)].item()
    assert abs(found.change_time.item() - crossing) <= 0.5
    np.testing.assert_array_equal(found.attractors, 2)


def test_maps():
    """The fixed point of the logistic map loses stability by period doubling at r = 3."""
    found = metadynamics(swept_logistic, 400, settle=200)
    assert found.label.values.tolist() == ["PD"] and found.order.values.tolist() == [2]
    assert found.r_change.item() == pytest.approx(3.0, abs=1e-9)
    late = found.sel(time=slice(260, None))
    assert set(late.target_kind.values) == {"oscillating"}


def test_landscape_has_its_cusp():
    """Two attractors between the folds b(y), y (1 - y) = 1 / a; the cusp is at a = 4, b = 1/2."""
    a, b = np.linspace(3.0, 7.0, 41), np.linspace(0.3, 0.7, 61)
    found = landscape(neuron, ax.grid(a=a, b=b), {"x": (-0.5, 1.5)})
    lower = (1 - np.sqrt(np.maximum(0.0, 1 - 4 / a))) / 2
    width = np.where(a > 4, 0.5 - (lower - np.log(lower / (1 - lower)) / a), 0.0)
    np.testing.assert_array_equal(found.attractors, np.where(np.abs(b - 0.5) < width[:, None], 2, 1))
    np.testing.assert_array_equal(found.oscillating, 0.0)
    y = found.x_fixed.where(found.unstable == 0)
    theta = 1 - 2 * y
    assert abs(found.b_drift.where(found.unstable == 0) + 0.001 * found.a * theta).max() < 1e-12
    assert drawing.kinds(found) == ["landscape"]


def test_landscape_of_oscillations():
    found = landscape(swept_hopf, {"r": [-0.5, 0.5]}, {"x": (-1.0, 1.0), "y": (-1.0, 1.0)})
    assert found.attractors.values.tolist() == [1, 0]
    assert found.oscillating.values.tolist() == [0.0, 1.0]
    np.testing.assert_allclose(found.x_fixed, 0.0, atol=1e-12)


def test_saved_and_drawn(tmp_path):
    pytest.importorskip("h5netcdf")
    found = metadynamics(network, 4050.0, transient=4000.0, sample=1.0)
    ax.save(found, tmp_path / "m.h5")
    again = ax.load(tmp_path / "m.h5")
    np.testing.assert_array_equal(again.x_fixed, found.x_fixed)
    assert drawing.kinds(again) == ["metadynamics"]
    figure = drawing.plot(again, variable="x[2]")
    assert [each.get_ylabel() for each in figure.axes] == ["x[2]", "distance", "b"]


def test_wrong_arguments():
    with pytest.raises(InputError, match="declares no slow blocks"):
        metadynamics(ax.systems.chaos.lorenz, 10.0)
    with pytest.raises(InputError, match="no state block 'c'"):
        metadynamics(neuron, 10.0, slow=("a", "c"))
    with pytest.raises(InputError, match="one trajectory"):
        metadynamics(neuron, 10.0, initial={"x": [0.1, 0.2]})
    with pytest.raises(InputError, match="slow blocks a, b"):
        landscape(neuron, ax.grid(x=[0.0, 1.0]), {"x": (-1.0, 1.0)})
