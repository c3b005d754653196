"""Cars and trains: energy and momentum, the motions of a car, kicks, walls, the onset of wiggling."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import attrax as ax
from attrax.systems.robots import car, ideal_train, kick, single_wheel, train, trains

EULER = {"method": "rk4", "dt": 1e-3}
STOPPED = {"phi": np.zeros(2), "omega": np.zeros(2), "x": np.ones(2)}


def signs(system, t_end=60.0, **options):
    """Whether each wheel turns forwards (1), backwards (-1), or has stopped (0), on the average of the end."""
    data = ax.simulate(system, t_end, transient=t_end - 5.0, sample=0.01, **EULER, **options)
    mean = data.omega.mean("time").values
    return np.sign(np.where(np.abs(mean) < 1.0, 0.0, mean)).astype(int)


@pytest.fixture(scope="module")
def cruising():
    """A car that drives on, at four phases of its wheels."""
    data = ax.simulate(car.with_initial(omega=90.0), 120.0, transient=119.0, sample=1e-3, **EULER)
    phases = np.unwrap(data.phi.values[:, 0])
    at = [np.argmin(np.abs(phases - (phases[0] + 1.0 + k * np.pi / 4))) for k in range(4)]
    return {name: data[name].values[at] for name in car.state}


def test_a_wheel_of_a_car_that_drives_straight_is_the_single_wheel():
    y = np.random.default_rng(2).normal(size=(5, 3))
    f = single_wheel.rhs(y)
    states = {"phi": y[:, :1] * [1, 1], "omega": y[:, 1:2] * [1, 1], "x": y[:, 2:] * [1, 1]}
    g = car.rhs({**{name: np.zeros((5, *shape)) for name, shape in car.state.items()}, **states})
    np.testing.assert_allclose(g["omega"], f["omega"][:, None] * [1, 1], rtol=1e-12)
    np.testing.assert_allclose(g["x"], f["x"][:, None] * [1, 1], rtol=1e-12)


def test_a_car_without_gain_and_friction_keeps_its_energy():
    system = car.with_parameters(a=0.0, f_w=0.0).with_initial(omega=np.array([10.0, -4.0]))
    E = ax.simulate(system, 10.0, **EULER).E.values
    assert np.ptp(E) / E[0] < 1e-9


def test_an_ideal_train_without_gain_and_friction_keeps_its_energy():
    bent = np.array([0.3, 0.0, -0.2, 0.1, 0.4])
    system = ideal_train.with_parameters(a=0.0, f_w=0.0, D=0.0).with_initial(theta=bent, u=np.array([0.5, 1.0]))
    drifts = [np.ptp(ax.simulate(system, 5.0, method="rk4", dt=dt).E.values) for dt in (1e-3, 5e-4)]
    assert drifts[0] < 2e-8
    assert drifts[0] > 12 * drifts[1]


def test_a_train_on_ice_keeps_its_energy_and_its_momenta():
    start = {"theta": np.array([0.3, 0.0, -0.2, 0.1, 0.4]), "spin": np.array([1.0, -2.0, 0.5, 0.0, 2.0]), "omega": 0.0}
    system = train.with_parameters(k=0.0, mu_c=0.0, D=0.0, f_w=0.0).with_initial(**start)
    data = ax.simulate(system, 5.0, method="rk4", dt=5e-4, sample=0.05)
    assert np.ptp(data.E.values) / float(data.E[0]) < 1e-8
    theta, spin, r, v = (data[name].values for name in ("theta", "spin", "r", "v"))
    ahead, across = np.stack([np.cos(theta), np.sin(theta)], -1), np.stack([-np.sin(theta), np.cos(theta)], -1)
    joints = 0.176 / 2
    where, speed = [r], [v]
    for i in range(4):
        where.append(where[-1] - joints * (ahead[:, i] + ahead[:, i + 1]))
        both = across[:, i] * spin[:, i, None] + across[:, i + 1] * spin[:, i + 1, None]
        speed.append(speed[-1] - joints * both)
    momentum = 1.2 * np.sum(speed, axis=0)
    np.testing.assert_allclose(momentum, momentum[0] * np.ones((len(r), 1)), atol=1e-9)
    J = float(train.parameters["J"].value)
    L = J * spin.sum(1) + 1.2 * sum(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0] for a, b in zip(where, speed, strict=True))
    np.testing.assert_allclose(L, L[0], atol=1e-8)


def test_gripping_wheels_make_a_train_an_ideal_one():
    bent = {"theta": np.array([0.2, 0.0, -0.1]), "phi": np.full((3, 2), 0.3), "x": np.full((3, 2), 0.5)}
    ideal = ideal_train.with_parameters(n=3).with_initial(u=np.array([0.5, 0.3]), **bent)
    first = ax.simulate(ideal, 0.01, sample=[0.0], **EULER)
    speeds = first.omega.values[0]
    v = 0.5 * np.array([np.cos(0.2), np.sin(0.2)])
    spin = (speeds[:, 1] - speeds[:, 0]) * 0.04 / 0.17
    a = ax.simulate(ideal, 1.0, sample=0.1, **EULER)
    apart = []
    for sigma in (2e-4, 4e-5):
        slipping = train.with_parameters(n=3, sigma=sigma, mu_c=1e3).with_initial(v=v, spin=spin, omega=speeds, **bent)
        b = ax.simulate(slipping, 1.0, sample=0.1, method="rk4", dt=sigma / 20)
        apart.append(float(np.abs(b.r - a.r).max()))
    assert apart[1] < 1e-3
    assert apart[0] / apart[1] == pytest.approx(5.0, rel=0.02)


def test_nine_motions_of_a_car_coexist():
    starts = list(product((-90.0, 0.0, 90.0), repeat=2))
    x = np.where(np.array(starts) == 0, 1.0, 0.0)
    data = {"omega": np.array(starts), "phi": np.where(x > 0, 0.0, np.pi / 2), "x": x}
    found = signs(car, 120.0, initial=data)
    assert {tuple(pair) for pair in found} == set(product((-1, 0, 1), repeat=2))


def test_a_car_with_one_stopped_wheel_circles():
    system = car.with_initial(omega=np.array([0.0, 90.0]), phi=np.array([0.0, np.pi / 2]), x=np.array([1.0, 0.0]))
    data = ax.simulate(system, 120.0, transient=100.0, sample=0.01, **EULER)
    assert float(data.speed.mean()) == pytest.approx(1.95, rel=0.01)
    assert float(data.turning.mean()) == pytest.approx(22.9, rel=0.01)
    motion = ax.analysis.modes_of_motion(data)
    assert motion["mode"] == 3
    assert float(motion.radius) == pytest.approx(1.95 / 22.9, rel=0.02)


@pytest.mark.parametrize(("force", "end"), [(0.1, 0), (0.2, 0), (1.0, 1), (2.0, 1), (-1.0, -1)])
def test_a_push_starts_a_stopped_car_only_if_it_is_strong(force, end):
    system = kick(car.with_initial(**STOPPED), "all", force, start=1.0, length=0.1)
    assert list(signs(system)) == [end, end]


@pytest.mark.parametrize(("wheels", "force", "end"), [
    ("all", -6.0, (-1, -1)),
    ("all", -5.0, (1, 1)),
    (0, -8.0, (-1, 1)),
    (1, -8.0, (1, -1)),
    (0, -3.0, (1, 1)),
])  # fmt: skip
def test_a_kick_turns_wheels_round_if_it_is_strong(cruising, wheels, force, end):
    system = kick(car, wheels, force, start=1.0, length=0.5)
    assert {tuple(pair) for pair in signs(system, initial=cruising)} == {end}


def test_the_map_of_kicks_says_what_simulations_of_kicks_do(cruising):
    start, period = {name: values[0] for name, values in cruising.items()}, 2 * np.pi / 97.42
    told = {"period": period, "duration": 0.5, "transient": 80.0, "blocks": ["omega"], "phases": 4}
    for wheels, push, strengths in (("all", [1.0, 1.0], (-6.0, -5.0)), (0, [1.0, 0.0], (-8.0, -3.0))):
        mapped = ax.analysis.kick_map(car, start, {"push": push}, strengths, **told)
        kicked = [kick(car, wheels, strength, start=1.0, length=0.5) for strength in strengths]
        ends = [signs(system, initial=cruising)[0] for system in kicked]
        found = mapped.omega.isel(point=0).values[mapped.follows.values]
        assert np.array_equal(np.sign(np.round(found / 97)), [ends] * 4)
    least = ax.analysis.smallest_kick(
        car, start, {"omega": -97.0}, {"push": [1.0, 1.0]}, [-6.0, -5.5, -5.0], accuracy=0.01, **told | {"phases": 8}
    )
    assert -5.5 <= least.strength < least.too_weak <= -5.0
    np.testing.assert_allclose(least.omega.values[-1], -97.4, atol=0.5)


@pytest.mark.parametrize("D", [0.0, 30.0, 100.0])
def test_a_wall_turns_the_car_back(cruising, D):
    ahead = cruising["r"] + 10.0 * np.stack([np.cos(cruising["theta"]), np.sin(cruising["theta"])], axis=-1)
    assert np.abs(cruising["theta"]).max() < 1e-9
    system = car.with_parameters(wall=float(ahead[:, 0].max()), D_wall=D)
    data = ax.simulate(system, 60.0, sample=0.01, initial=cruising, method="rk4", dt=2e-4)
    assert (data.omega[:, -200:].mean("time") < -50.0).all()
    deepest = data.r[:, :, 0].max("time") + 0.08 - ahead[:, 0].max()
    assert (deepest < 1.02 * 3.9 * np.sqrt(1.3 / 2000)).all()  # all its kinetic energy in the spring


@pytest.mark.parametrize("restitution", [1.0, 0.6])
def test_a_hard_wall_turns_the_car_back_at_once(cruising, restitution):
    """The wheels keep the difference of their velocities, and the car loses 1 - e^2 of the energy of its motion."""
    wall = float(cruising["r"][:, 0].max()) + 10.0
    system = car.with_parameters(wall=wall, K_wall=0.0, D_wall=0.0)
    options = {"initial": cruising, "events": {"bounce": trains.bounce(restitution)}, "rtol": 1e-8}
    data = ax.simulate(system, 60.0, sample=0.002, **options)
    assert (data.bounce_count == 1).all()
    assert (data.omega[:, -200:].mean("time") < -50.0).all()
    assert float(data.r[:, :, 0].max()) < wall - 0.08 + 1e-6
    at = np.searchsorted(data.time.values, data.bounce_time.values[:, 0])
    before, after = (data.speed.values[range(4), at + shift] for shift in (-1, 1))
    np.testing.assert_allclose(after / before, -restitution, rtol=0.01)


def test_a_wall_turns_a_train_back():
    data = ax.simulate(train.with_parameters(k=0.2, wall=20.0, n=3), 90.0, sample=0.1, method="rk4", dt=5e-4)
    assert float(data.r[:, 0].max()) < 20.0
    assert (data.omega[-100:].mean("time") < -5.0).all()


def test_cars_wiggle_above_one_metre_a_second():
    """Five cars between k = 0.20 and 0.25 N, one and two cars never."""
    for n, k, wiggles in ((5, 0.2, False), (5, 0.25, True), (5, 0.5, True), (2, 0.5, False), (2, 2.0, False)):
        data = ax.simulate(train.with_parameters(n=n, k=k), 120.0, transient=100.0, sample=0.01, method="rk4", dt=5e-4)
        assert (float(data.bend.mean()) > 0.01) == wiggles, (n, k)
        if wiggles:
            bend = (data.theta[:, 0] - data.theta[:, 1]).values
            frequency = ((bend[1:] > 0) & (bend[:-1] <= 0)).sum() / 20.0
            assert frequency == pytest.approx(3.95 if k == 0.25 else 3.90, rel=0.03)


def test_an_ideal_train_does_not_wiggle():
    data = ax.simulate(ideal_train.with_parameters(k=0.5), 60.0, sample=0.1, method="rk4", dt=1e-3)
    assert float(np.abs(data.theta[-1].diff("n")).max()) < 5e-4


@pytest.mark.parametrize(("system", "wheel", "message"), [
    (car, 2, "has wheels 0 and 1; there is no wheel 2 to kick"),
    (car, (0, 1), "there is no wheel (0, 1)"),
    (train, (5, 0), "has wheels (0, 0) to (4, 1); there is no wheel (5, 0)"),
    (train, 3, "there is no wheel 3"),
    (train, (0, -1), "there is no wheel (0, -1)"),
])  # fmt: skip
def test_a_kick_needs_a_wheel(system, wheel, message):
    with pytest.raises(ax.errors.InputError) as caught:
        kick(system, wheel, 1.0)
    assert message in str(caught.value)


def test_a_train_that_breaks_a_joint_stop_ends_in_an_event():
    wild = train.with_parameters(k=3.0)
    data = ax.simulate(wild, 60.0, events={"joint_stop": trains.joint_stop})
    assert data.status.attrs["flag_meanings"].split()[int(data.status)] == "event"
    bend = np.abs(data.theta.diff("n")).max("n").dropna("time")
    assert float(bend.max()) <= np.pi / 4 and len(bend) > 10


def test_other_mistakes_are_told():
    with pytest.raises(ax.errors.InputError, match="axis 'n' of state block 'theta' must be at least 1, not 0"):
        train.with_parameters(n=0)
    with pytest.raises(ax.errors.InputError, match="the length of a kick must be positive, not 0"):
        kick(car, 0, 1.0, length=0.0)
    with pytest.raises(ax.errors.InputError, match="the force of a kick must be a number of newtons, not nan"):
        kick(car, 0, float("nan"))
    with pytest.raises(ax.errors.InputError, match="restitution of a bounce lies between 0 and 1, not at 2"):
        trains.bounce(2.0)
    with pytest.raises(ax.errors.InputError, match="has no wheels that could be kicked"):
        kick(ax.systems.robots.barrel, 0, 1.0)
    with pytest.raises(ax.errors.InputError, match="parameter 'M_c' .* must be positive"):
        car.with_parameters(M_c=-1.0)
