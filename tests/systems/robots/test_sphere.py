"""The sphere with three weights: balances of energy and momentum, symmetries, modes of motion."""

from __future__ import annotations

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import attrax as ax
from attrax.systems.robots import assemble, rolling_sphere, sphere, sphere_in_mode, spheres
from attrax.systems.robots.sphere_modes import MODES

RNG = np.random.default_rng(5)


@ax.flow(**assemble(spheres.ROLLING_BODY), name="on_springs_rolling")
def on_springs_rolling(t, s, p):
    return spheres.rolling(s, p, -120.0 * s.s)


@ax.flow(**assemble(spheres.BODY), name="on_springs")
def on_springs(t, s, p):
    return spheres.on_soft_ground(s, p, -120.0 * s.s)


START = {
    "q": np.array([0.8, 0.2, -0.4, 0.4]) / np.linalg.norm([0.8, 0.2, -0.4, 0.4]),
    "omega": np.array([1.0, -2.0, 0.5]),
    "s": np.array([0.1, -0.05, 0.15]),
    "s_dot": np.array([0.2, 0.3, -0.4]),
}


def total_energy(data):
    return data.E + 60.0 * (data.s**2).sum("s_0")


def rotation(q):
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def test_rolling_on_springs_keeps_its_energy_to_the_order_of_the_method():
    system = on_springs_rolling.with_parameters(psi=0.0).with_initial(**START)
    drifts = []
    for dt in (2e-3, 1e-3, 5e-4):
        E = total_energy(ax.simulate(system, 10.0, method="rk4", dt=dt, sample=0.05)).values
        drifts.append(np.abs(E / E[0] - 1).max())
    assert drifts[0] < 1e-8
    assert drifts[0] > 15 * drifts[1] > 15**2 * drifts[2]


def test_the_energy_does_not_depend_on_the_length_of_the_quaternion():
    system = on_springs_rolling.with_parameters(psi=0.0).with_initial(**START)
    longer = {"q": 1.3 * START["q"]}
    with pytest.warns(UserWarning, match=r"'q' has length 1\.3, not 1"):
        data = ax.simulate(system, 10.0, method="rk4", dt=1e-3, sample=0.05, initial=longer)
    usual = ax.simulate(system, 10.0, method="rk4", dt=1e-3, sample=0.05)
    np.testing.assert_allclose(data.E, usual.E, rtol=1e-9)
    np.testing.assert_allclose(data.r, usual.r, atol=1e-9)
    assert np.abs(np.linalg.norm(data.q[-1]) - 1) < 1e-6


def test_the_quaternion_stays_at_length_one():
    data = ax.simulate(sphere_in_mode("irregular"), 100.0, method="rk4", dt=1e-3, sample=1.0)
    assert np.abs(np.linalg.norm(data.q, axis=1) - 1).max() < 1e-8


def test_the_angular_momentum_about_the_point_of_contact_is_balanced():
    """dL_P/dt = torque about P - V x momentum, for the moving point of contact P."""
    R0, M, m, I_t, g, psi = (float(rolling_sphere.parameters[k].value) for k in ("R0", "M", "m", "I_t", "g", "psi"))
    system = on_springs_rolling.with_initial(**START)
    data = ax.simulate(system, 1.0, method="rk4", dt=1e-4, sample=1e-3)
    R, omega = rotation(data.q.values), data.omega.values
    up = np.array([0.0, 0.0, 1.0])
    V = R0 * np.cross(omega, up)
    arms = R * data.s.values[:, None, :]
    velocities = V[:, :, None] + np.cross(omega[:, :, None], arms, axis=1) + R * data.s_dot.values[:, None, :]
    levers = arms + R0 * up[:, None]
    L = I_t * omega + M * R0 * np.cross(up, V) + m * np.cross(levers, velocities, axis=1).sum(axis=2)
    momentum = M * V + m * velocities.sum(axis=2)
    weights = np.cross(levers, -m * g * up[:, None] * np.ones_like(levers), axis=1).sum(axis=2)
    rate = np.gradient(L, data.time.values, axis=0, edge_order=2)
    expected = weights - psi * omega - np.cross(V, momentum)
    np.testing.assert_allclose(rate[2:-2], expected[2:-2], atol=3e-4 * np.abs(expected).max())


def test_a_stiff_ground_without_slip_is_ideal_rolling():
    stiff = {"k_p": 2e6, "k_d": 2e3, "sigma": 2e-5, "delta0": 0.0, "mu": 1e3, "psi": 0.3}
    depth = 4 * 9.81 / 2e6
    v = 0.25 * np.array([START["omega"][1], -START["omega"][0], 0.0])
    soft = on_springs.with_parameters(**stiff).with_initial(**START, v=v, r=np.array([0.0, 0.0, 0.25 - depth]))
    hard = on_springs_rolling.with_initial(**START)
    a = ax.simulate(soft, 1.0, method="rk4", dt=1e-6 * 2.5, sample=0.1).r[:, :2]
    b = ax.simulate(hard, 1.0, method="rk4", dt=1e-3, sample=0.1).r
    np.testing.assert_allclose(a, b, atol=1e-4)


def test_soft_ground_only_takes_energy():
    system = on_springs.with_initial(**START)
    E = total_energy(ax.simulate(system, 10.0, method="rk4", dt=1e-3, sample=0.01)).values
    assert (np.diff(E) < 1e-6).all()
    assert E[-1] < E[0] - 0.1


def test_a_sphere_in_flight_keeps_its_momentum_and_energy():
    system = on_springs.with_parameters(psi=0.0).with_initial(**START, r=np.array([0.0, 0.0, 5.0]))
    data = ax.simulate(system, 0.9, method="rk4", dt=1e-3, sample=0.01)
    E = total_energy(data).values
    assert np.abs(E / E[0] - 1).max() < 1e-9
    R = rotation(data.q.values)
    arms = R * data.s.values[:, None, :]
    omega, v = data.omega.values, data.v.values
    velocities = v[:, :, None] + np.cross(omega[:, :, None], arms, axis=1) + R * data.s_dot.values[:, None, :]
    momentum = v + velocities.sum(axis=2)
    fall = momentum[0] - 4 * 9.81 * data.time.values[:, None] * np.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(momentum, fall, atol=1e-8)


@pytest.mark.parametrize("mode", ["circle", "straight"])
def test_a_turned_start_turns_the_whole_path(mode):
    system, beta = sphere_in_mode(mode), 0.7
    turn = np.array([[np.cos(beta), -np.sin(beta), 0], [np.sin(beta), np.cos(beta), 0], [0, 0, 1]])
    c, d = np.cos(beta / 2), np.sin(beta / 2)
    w, x, y, z = system.initial["q"]
    turned = {name: turn @ system.initial[name] for name in ("r", "v", "omega")}
    turned["q"] = np.array([c * w - d * z, c * x - d * y, c * y + d * x, c * z + d * w])
    options = {"method": "rk4", "dt": 1e-3, "sample": 0.1}
    path, other = (ax.simulate(system, 10.0, initial=start, **options).r.values for start in (None, turned))
    np.testing.assert_allclose(other, path @ turn.T, atol=1e-6)


def test_permuted_weights_and_neurons_take_the_same_path():
    """e_k -> e_(k+1) in the body: an even permutation is a rotation of the body axes."""
    system = sphere_in_mode("circle")
    start = system.initial
    permuted = {name: np.roll(start[name], 1) for name in ("s", "s_dot", "x", "u", "phi")}
    w, x, y, z = start["q"]
    # body axes cycled: q times the inverse of the rotation (1, 1, 1, 1) / 2
    permuted["q"] = np.array([w + x + y + z, x - w - y + z, y - w - z + x, z - w - x + y]) / 2
    options = {"method": "rk4", "dt": 1e-3, "sample": 0.1}
    path = ax.simulate(system, 10.0, **options).r.values
    np.testing.assert_allclose(ax.simulate(system, 10.0, initial=permuted, **options).r.values, path, atol=1e-6)


def test_an_odd_permutation_mirrors_the_path():
    system, mirror, swap = sphere_in_mode("circle"), np.diag([1.0, -1.0, 1.0]), [1, 0, 2]
    start = system.initial
    image = {name: start[name][swap] for name in ("s", "s_dot", "x", "u", "phi")}
    image |= {"r": mirror @ start["r"], "v": mirror @ start["v"], "omega": -mirror @ start["omega"]}
    turned = mirror @ rotation(start["q"])[:, swap]
    image["q"] = np.roll(Rotation.from_matrix(turned).as_quat(), 1)
    options = {"method": "rk4", "dt": 1e-3, "sample": 0.1}
    path = ax.simulate(system, 10.0, **options).r.values
    np.testing.assert_allclose(ax.simulate(system, 10.0, initial=image, **options).r, path @ mirror, atol=1e-6)


@pytest.mark.parametrize("mode", ["circle", "straight", "wide circle"])
def test_the_saved_state_lies_close_to_the_attractor(mode):
    """Root mean square over the state, whatever the position, the heading and the numbering of the weights."""
    system = sphere_in_mode(mode)
    data = ax.simulate(system, 230.0, method="rk4", dt=1e-3, transient=200.0, sample=0.001)
    distance = np.inf
    start = ax.simulate(system, 1e-3, method="rk4", dt=1e-3, sample=[0.0])
    here = reduced(start, [0, 1, 2])
    for order in itertools.permutations(range(3)):
        distance = min(distance, np.sqrt(((reduced(data, list(order)) - here) ** 2).mean(axis=1)).min())
    assert distance < 0.01, distance


def reduced(data, order):
    """Weights, neurons and body velocities, which know nothing of place and heading; mirrored if ``order`` is odd."""
    R = rotation(data.q.values)
    mirrored = np.linalg.det(np.eye(3)[order])
    up = R[:, 2, :][:, order]
    w = mirrored * np.einsum("tij,ti->tj", R, data.omega.values)[:, order]
    v = np.einsum("tij,ti->tj", R, data.v.values)[:, order]
    blocks = [up, w / 10, v, *(data[name].values[:, order] for name in ("s", "s_dot", "u", "phi"))]
    y = 1 / (1 + np.exp(-0.4 * data.x.values[:, order]))
    return np.concatenate([*blocks, y, data.r.values[:, 2:]], axis=1)


@pytest.mark.parametrize("mode", ["circle", "straight"])
def test_the_plane_carries_the_weight_on_the_average(mode):
    data = ax.simulate(sphere_in_mode(mode, rolling_sphere), 300.0, method="rk4", dt=1e-3, transient=100.0, sample=0.01)
    assert float(data.N.mean()) == pytest.approx(4 * 9.81, rel=1e-3)


@pytest.mark.parametrize(("system", "start", "name"), [
    (sphere, {"v": [0.0, 0.0, 2.0]}, "took_off"),
    (rolling_sphere, {"omega": [0.0, 60.0, 0.0], "s": [0.1, 0.1, 0.1]}, "lifted"),
])  # fmt: skip
def test_a_sphere_that_takes_off_ends_in_an_event(system, start, name):
    data = ax.simulate(system.with_initial(**start), 5.0, events={name: getattr(spheres, name)})
    assert data.status.attrs["flag_meanings"].split()[int(data.status)] == "event"
    assert 0 < float(data.t_stop) == float(data[f"{name}_time"][0]) < 1.0
    assert np.isfinite(data.r[0]).all()


def test_the_irregular_mode_stays_irregular():
    data = ax.simulate(sphere_in_mode("irregular"), 400.0, method="rk4", dt=1e-3, transient=200.0, sample=0.05)
    motion = ax.analysis.modes_of_motion(data)
    assert motion.mode == 5
    assert float(motion.speed) == pytest.approx(0.300, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(MODES))
def test_only_the_irregular_mode_is_chaotic(mode):
    spectrum = ax.analysis.lyapunov_spectrum(
        sphere_in_mode(mode), k=1, t_total=1200.0, transient=100.0, method="rk4", dt=1e-3
    )
    largest = float(spectrum.exponents[0])
    assert largest > 0.05 if mode == "irregular" else abs(largest) < 0.005, largest


@pytest.mark.parametrize(("name", "value"), [("m", 0.0), ("R0", -0.25), ("M", -1.0)])
def test_a_mass_or_length_that_is_not_positive_is_refused(name, value):
    with pytest.raises(ax.errors.InputError, match=f"parameter '{name}' of a robot .* must be positive, not"):
        sphere.with_parameters(**{name: value})
    with pytest.raises(ax.errors.InputError, match=f"parameter '{name}'"):
        ax.simulate(sphere, 1.0, parameters={name: [1.0, value]})


def test_a_quaternion_of_length_zero_is_refused():
    with pytest.raises(ax.errors.InputError, match="cannot be all 0"):
        sphere.with_initial(q=np.zeros(4))


def test_an_unknown_mode_gets_the_nearest_one():
    with pytest.raises(ax.errors.InputError, match="did you mean 'circle'"):
        sphere_in_mode("cirle")


def test_a_new_controller_on_the_old_body():
    """Clocks that drive the weights one after the other, instead of neurons."""
    clocks = ax.systems.robots.Part({"theta": (3,)}, {"nu": ax.parameter(2.0, "1/s", "frequency")})

    @ax.flow(**assemble(spheres.BODY, clocks))
    def clockwork(t, s, p):
        force = spheres.motor_force(s, p, jnp.sin(s.theta), p.nu * jnp.cos(s.theta))
        return {"theta": p.nu * jnp.ones(3), **spheres.on_soft_ground(s, p, force)}

    start = {"theta": 2 * np.pi / 3 * np.arange(3)}
    data = ax.simulate(clockwork, 40.0, method="rk4", dt=1e-3, transient=20.0, initial=start)
    assert float(data.speed.mean()) > 0.01


def test_parts_that_declare_the_same_name_are_refused():
    with pytest.raises(ax.errors.DeclarationError, match="two parts of the robot declare the state"):
        assemble(spheres.BODY, spheres.ROLLING_BODY)
