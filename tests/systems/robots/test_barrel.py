"""The barrel: its energy, its symmetries, which motions coexist, and where rolling ends."""

from __future__ import annotations

import numpy as np
import pytest

import attrax as ax
from attrax.systems.robots import assemble, barrel, barrels

FAR = np.random.default_rng(4).normal(size=(5, 5))
EULER = {"method": "rk4", "dt": 2e-3}


@ax.flow(**assemble(barrels.BODY), name="on_a_spring")
def on_a_spring(t, s, p):
    return barrels.rolling(s, p, -30.0 * s.s)


def test_a_barrel_with_a_spring_keeps_its_energy_to_the_order_of_the_method():
    system = on_a_spring.with_parameters(psi=0.0).with_initial(theta=0.3, omega=1.0, s=0.4, s_dot=-0.5)
    drifts = []
    for dt in (2e-3, 1e-3, 5e-4):
        data = ax.simulate(system, 10.0, method="rk4", dt=dt, sample=0.05)
        E = (data.E + 15.0 * data.s**2).values
        drifts.append(np.abs(E - E[0]).max())
    assert drifts[0] < 1e-8
    assert drifts[0] > 12 * drifts[1] > 12**2 * drifts[2]


def test_friction_takes_the_energy_that_it_should():
    y = FAR[:, :4]
    f = np.stack(list(on_a_spring.rhs(y).values()), axis=-1)
    h = 1e-6
    data = [ax.simulate(on_a_spring, 1e-9, method="rk4", dt=1e-9, sample=[0.0], initial=y + k * h * f) for k in (-1, 1)]
    E = [(d.E + 15.0 * d.s**2).values[:, 0] for d in data]
    np.testing.assert_allclose((E[1] - E[0]) / (2 * h), -0.3 * y[:, 1] ** 2, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("image", "shift"), [([1, 1, -1, -1, -1], [np.pi, 0, 0, 0, 0]), ([-1, -1, 1, 1, 1], [np.pi, 0, 0, 0, 0])]
)
def test_the_image_of_a_solution_is_a_solution(image, shift):
    f, f_image = (np.stack(list(barrel.rhs(v).values()), axis=-1) for v in (FAR, FAR * image + shift))
    np.testing.assert_allclose(f_image, f * image, rtol=1e-9, atol=1e-9)


def starts(n, seed=1):
    rng = np.random.default_rng(seed)
    return {
        "theta": rng.uniform(0, 2 * np.pi, n),
        "omega": rng.uniform(-6, 6, n),
        "s": rng.uniform(-0.8, 0.8, n),
        "s_dot": rng.uniform(-3, 3, n),
        "b": rng.uniform(-0.5, 0.5, n),
    }


def test_two_kinds_of_rolling_either_way_and_rest_coexist():
    data = ax.simulate(barrel, 500.0, transient=400.0, sample=0.02, initial=starts(96), **EULER)
    turns = np.abs(data.omega.mean("time").values)
    moves = ((data.s[:, 1:].values > 0) & (data.s[:, :-1].values <= 0)).sum(1) / 100 * 2 * np.pi
    kinds = {(round(v, 1), 0 if v < 0.1 else round(m / v)) for v, m in zip(turns, moves, strict=True)}
    assert kinds == {(0.0, 0), (1.8, 3), (3.0, 1)}
    signs = np.sign(data.omega.mean("time").values[turns > 0.1])
    assert {-1.0, 1.0} == set(signs)


def test_without_adaptation_it_comes_to_rest():
    data = ax.simulate(barrel, 400.0, transient=390.0, initial=starts(24), parameters={"eps": 0.0}, **EULER)
    assert float(np.abs(data.omega).max()) < 1e-3


WEAK = {"a": 3.0, "eps": 1.0, "K_P": 30.0, "K_D": np.sqrt(4 / 30), "L": 0.5}
DRIFTING = WEAK | {"a": 5.0}


def test_with_a_weak_motor_it_goes_back_and_forth():
    data = ax.simulate(barrel, 1500.0, transient=500.0, sample=0.1, initial=starts(24), parameters=WEAK, **EULER)
    np.testing.assert_allclose(np.ptp(data.theta.values, axis=1), 5.19, atol=0.02)
    assert (data.omega.max("time") > 2.0).all() and (data.omega.min("time") < -2.0).all()


def test_with_a_strong_neuron_it_drifts_either_way_as_it_goes_back_and_forth():
    data = ax.simulate(barrel, 1500.0, transient=500.0, sample=0.1, initial=starts(16), parameters=DRIFTING, **EULER)
    drift = (data.theta[:, -1] - data.theta[:, 0]).values / 1000.0
    np.testing.assert_allclose(np.abs(drift), 0.81, atol=0.01)
    assert {-1.0, 1.0} == set(np.sign(drift))
    assert (data.omega.max("time") > 1.0).all() and (data.omega.min("time") < -1.0).all()


def test_the_phase_of_a_kick_decides_where_it_drifts():
    system = barrel.with_parameters(**DRIFTING).with_initial(theta=1.0, omega=1.0, s=0.2, s_dot=0.0, b=0.1)
    data = ax.simulate(system, 1020.0, transient=1000.0, sample=0.5, **EULER)
    before = {name: data[name].values for name in system.state}
    kicked = before | {"omega": before["omega"] + 2.0}
    later = ax.simulate(system, 1000.0, transient=500.0, sample=500.0, initial=kicked, **EULER)
    signs = np.sign((later.theta[:, -1] - later.theta[:, 0]).values)
    assert {-1.0, 1.0} == set(signs)


def after(system, t_end):
    data = ax.simulate(system, t_end, sample="end", **EULER)
    return {name: float(data[name][-1]) for name in system.state}


def carried(start, values):
    """The state at the end of a slow change of eps."""
    for eps in values:
        start = after(barrel.with_parameters(eps=float(eps)).with_initial(**start), 60.0)
    return start


@pytest.mark.parametrize(("start", "end", "omega"), [("ONE_TO_ONE", 6.001, 6.6), ("THREE_TO_ONE", 8.048, 3.6)])
def test_rolling_ends_in_a_jump_and_does_not_come_back(start, end, omega):
    """Carried up beyond the end of its branch it stops at finite speed, and rests when it is carried back."""
    values = np.arange(1.0, end + 0.3, 0.1)
    options = {"observable": "omega", "transient": 120.0, "points": 40, "t_max": 40.0, "rtol": 1e-7}
    system = barrel.with_initial(**getattr(barrels, start))
    up = ax.analysis.orbit_diagram(system, "eps", values, **options).omega.max("point")[0].values
    last = np.flatnonzero(up > 0.5)[-1]
    assert abs(values[last] - end) < 0.15
    assert up[last] > omega
    stopped = carried(getattr(barrels, start), values)
    rest = barrel.with_parameters(eps=values[-1]).with_initial(**stopped)
    rest = rest.with_initial(**after(rest, 2000.0))
    back = ax.analysis.orbit_diagram(rest, "eps", values, direction="down", **options).omega
    assert float(np.abs(back).max()) < 0.1


def test_the_ground_carries_the_weight_on_the_average():
    data = ax.simulate(barrel, 400.0, transient=200.0, sample=0.01, **EULER)
    assert float(data.N.mean()) == pytest.approx(2 * 9.81, rel=5e-3)


def test_a_fast_barrel_takes_off():
    data = ax.simulate(barrel.with_initial(omega=8.0), 5.0, events={"took_off": barrels.took_off}, rtol=1e-9)
    assert "event" in data.status.attrs["flag_meanings"].split()[int(data.status)]
    assert float(data.took_off_time[0]) == pytest.approx(float(data.t_stop))
    last = data.N.dropna("time")
    assert (last > -1e-6).all() and 0 < float(last[-1]) < 2.0


@pytest.mark.parametrize("name", ["R", "m", "L"])
def test_a_mass_or_length_that_is_not_positive_is_refused(name):
    with pytest.raises(ax.errors.InputError, match=f"parameter '{name}' .* must be positive, not 0"):
        barrel.with_parameters(**{name: 0.0})
