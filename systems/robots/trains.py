"""Cars and trains of cars on wheels that rate neurons turn through coupling rods, and kicks that push them.

Each wheel has its own neuron, which knows nothing but the angle of its wheel (see `wheel.single_wheel`): all that the
cars of a train have in common is the ground and the joints. Wheels roll without slip in `car` and `ideal_train`; in
`train` they slip in proportion to the force, up to the cone of friction.

Equations of motion: Newton's and Lagrange's on the plane. Masses, lengths, neurons and frictions are those of the
authors' LPZRobots simulations (github.com/LaChriMa/wheeled_robots, github.com/fkubandt/wheeled_snake_robots).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...engine.declaration import known, parameter
from ...engine.errors import InputError
from ...engine.events import Event, event
from ...engine.system import System, flow
from .parts import check_positive

SOURCE = (
    "B. Sandor, M. Nowak, T. Koglin, L. Martin, C. Gros, Front. Neurorobot. 12, 40 (2018); F. Kubandt, M. Nowak, "
    "T. Koglin, C. Gros, B. Sandor, arXiv 1905.07153; mechanics derived anew"
)
OWN = "own computation: RK4 of the same equations"

WHEELS = {
    "k": parameter(2.0, "N", "strength of the coupling rods"),
    "a": parameter(1.0, "", "gain of the neurons"),
    "Gamma": parameter(20.0, "1/s", "leak rate of the neurons"),
    "R": parameter(0.04, "m", "radius of the wheels"),
    "d_w": parameter(0.17, "m", "distance between left and right wheel"),
    "I_w": parameter(8e-5, "kg m^2", "inertia of each wheel"),
    "M_c": parameter(1.2, "kg", "mass of a car, wheels included"),
    "J": parameter(0.0032 + 0.2 * 0.085**2 + 8.2e-5, "kg m^2", "yaw inertia of a car, wheels included"),
    "f_w": parameter(0.002, "N s", "friction of each wheel: force at its rim over angular velocity"),
    "mu": parameter(0.0, "N s/m", "friction of each car: force over velocity"),
}
PUSHES = {
    "push_start": parameter(0.0, "s", "when the push on the wheels begins"),
    "push_length": parameter(1e9, "s", "how long it lasts"),
}
WALL = {
    "wall": parameter(1e9, "m", "position of a wall across the x axis"),
    "K_wall": parameter(2000.0, "N/m", "stiffness of the wall"),
    "D_wall": parameter(30.0, "N s/m", "damping of the wall"),
    "R_c": parameter(0.08, "m", "radius of a car"),
}
JOINTS = {
    "L": parameter(0.176, "m", "distance of neighbouring cars; the joint is halfway"),
    "c": parameter(1.0, "N m", "stiffness of the joints"),
    "D": parameter(0.005, "N m s", "damping of the joints"),
}
joint_stop = event(
    lambda t, s, p: jnp.max(jnp.abs(jnp.diff(s.theta))) - np.pi / 4,
    direction="up",
    terminal=True,
)
"""Ends a run of a train when a joint is bent by pi/4: ``ax.simulate(train, 60, events={"joint_stop": joint_stop})``."""
POSITIVE = ("R", "d_w", "I_w", "M_c", "J", "R_c")


def coupling_rods(t: Any, s: Any, p: Any) -> tuple[Any, Any]:
    """Force at the rim of each wheel, and the rate of change of its neuron's membrane potential.

    The force is that of the rod, k sin(phi) (tanh(a x) - cos(phi)), less friction f_w omega, and of the push.
    """
    sensed = jnp.cos(s.phi)
    pushing = (t >= p.push_start) & (t < p.push_start + p.push_length)
    force = p.k * jnp.sin(s.phi) * (jnp.tanh(p.a * s.x) - sensed) - p.f_w * s.omega + jnp.where(pushing, p.push, 0.0)
    return force, p.Gamma * (sensed - s.x)


def wall_force(p: Any, x: Any, v: Any) -> Any:
    """Force (in the direction of x) of the wall on cars at ``x`` that move at ``v``: it pushes and never pulls."""
    depth = x + p.R_c - p.wall
    return -jnp.where(depth > 0, jnp.maximum(0.0, p.K_wall * depth + p.D_wall * v), 0.0)


def bounce(restitution: float) -> Event:
    """Event in place of the springy wall of a `car`: its speed is turned round at once, times ``restitution`` (0 to 1).

    Examples
    --------
    >>> hard = car.with_parameters(wall=10.0, K_wall=0.0, D_wall=0.0)                     # doctest: +SKIP
    >>> data = ax.simulate(hard, 20.0, events={"bounce": bounce(0.8)})                    # doctest: +SKIP
    """
    if not 0 <= restitution <= 1:
        raise InputError(f"the restitution of a bounce lies between 0 and 1, not at {restitution:g}")

    def reset(t, s, p):
        return {"omega": s.omega - (1 + restitution) * jnp.mean(s.omega)}

    return event(lambda t, s, p: s.r[0] + p.R_c - p.wall, direction="up", reset=reset)


def kick(system: System, wheels: Any, force: float, *, start: float = 0.0, length: float = 1e9) -> System:
    """The robot with a push of ``force`` on some of its wheels.

    Parameters
    ----------
    system : System
        A car or a train.
    wheels : "all", int, tuple, or list of these
        Which wheels: 0 (left) or 1 (right) of the car; ``(car, side)`` of a train.
    force : float
        In N at the rim, forwards positive.
    start, length : float
        When the push begins, and how long it lasts, in s.

    Raises
    ------
    InputError
        If there is no such wheel, the force is not finite, or the length not positive.

    Examples
    --------
    >>> turned = kick(car, 0, -8.0, start=2.0, length=0.5)       # doctest: +SKIP
    """
    if "push" not in system.parameters:
        raise InputError(f"system {system.name!r} has no wheels that could be kicked")
    if not np.isfinite(force):
        raise InputError(f"the force of a kick must be a number of newtons, not {force:g}")
    if not length > 0:
        raise InputError(f"the length of a kick must be positive, not {length:g}")
    push = np.zeros(system.numeric["push"])
    if isinstance(wheels, str) and wheels == "all":
        push[:] = force
    else:
        for wheel in wheels if isinstance(wheels, list) else [wheels]:
            index = wheel if isinstance(wheel, tuple) else (wheel,)
            whole = all(
                isinstance(i, (int, np.integer)) and 0 <= i < n for i, n in zip(index, push.shape, strict=False)
            )
            if len(index) != push.ndim or not whole:
                count = "wheels 0 and 1" if push.ndim == 1 else f"wheels (0, 0) to ({push.shape[0] - 1}, 1)"
                raise InputError(f"system {system.name!r} has {count}; there is no wheel {wheel!r} to kick")
            push[index] = force
    return system.with_parameters(push=push, push_start=float(start), push_length=float(length))


def _ahead(theta):
    return jnp.stack([jnp.cos(theta), jnp.sin(theta)], axis=-1)


def _across(theta):
    return jnp.stack([-jnp.sin(theta), jnp.cos(theta)], axis=-1)


# -- one car -------------------------------------------------------------------------------------------------


def _car_energy(t, s, p):
    """Of motion and, at a = 0, of the rods."""
    v, turning = p.R * (s.omega[0] + s.omega[1]) / 2, p.R * (s.omega[1] - s.omega[0]) / p.d_w
    motion = p.M_c * v**2 + p.J * turning**2 + p.I_w * jnp.sum(s.omega**2)
    return motion / 2 + p.R * p.k / 2 * jnp.sum(jnp.sin(s.phi) ** 2)


@flow(
    state={"r": (2,), "theta": (), "phi": (2,), "omega": (2,), "x": (2,)},
    parameters={**WHEELS, "push": parameter(np.zeros(2), "N", "push on the rim of each wheel"), **PUSHES, **WALL},
    initial={"phi": -np.pi / 3, "omega": 20.0, "x": 0.5},
    observables={
        "E": _car_energy,
        "speed": lambda t, s, p: p.R * (s.omega[0] + s.omega[1]) / 2,
        "turning": lambda t, s, p: p.R * (s.omega[1] - s.omega[0]) / p.d_w,
    },
    check=lambda s, p: check_positive(p, *POSITIVE),
    time_unit="s",
    source=SOURCE,
    known=(
        *(
            known(
                f"mean {quantity} of a car that {motion}",
                value,
                lambda ax, s, start=start, name=name: abs(_cruise(ax, s.with_initial(omega=np.array(start)))[name]),
                rtol=2e-3,
                atol=1e-4,
                source=OWN,
            )
            for motion, start, name, quantity, value in (
                ("drives on", [90.0, 90.0], "speed", "speed, in m/s,", 3.897),
                ("spins", [-90.0, 90.0], "turning", "yaw rate, in rad/s,", 45.8),
                ("spins", [-90.0, 90.0], "speed", "speed, in m/s,", 0.0),
            )
        ),
    ),
)
def car(t, s, p):
    """Car with two wheels that roll without slip, each turned by the coupling rod of its own neuron.

    r is the position, theta the heading (not wrapped), phi the angles of left and right wheel, omega their rates, x the
    neurons' membrane potentials; speed is that ahead, turning the yaw rate, E the energy (conserved without gain and
    friction). Each wheel is in one of three states, forwards, backwards, stopped: nine motions coexist, driving either
    way, spinning either way, circling, rest. Symmetric under the exchange of the wheels and under (phi, omega) ->
    (-phi, -omega). `kick` pushes its wheels, a ``wall`` turns it back.
    """
    force, dx = coupling_rods(t, s, p)
    v, turning = p.R * (s.omega[0] + s.omega[1]) / 2, p.R * (s.omega[1] - s.omega[0]) / p.d_w
    ahead = _ahead(s.theta)
    body = wall_force(p, s.r[0], v * ahead[0]) * ahead[0] - p.mu * v
    torque = p.R * (force + body / 2)
    own = p.I_w + p.R**2 * (p.M_c / 4 + p.J / p.d_w**2)
    other = p.R**2 * (p.M_c / 4 - p.J / p.d_w**2)
    return {
        "r": v * ahead,
        "theta": turning,
        "phi": s.omega,
        "omega": (own * torque - other * torque[::-1]) / (own**2 - other**2),
        "x": dx,
    }


def _cruise(ax, system, t_end=120.0):
    data = ax.simulate(system, t_end, method="rk4", dt=1e-3, transient=t_end - 20.0, sample=0.01)
    return {name: float(data[name].mean()) for name in ("speed", "turning")}


# -- trains --------------------------------------------------------------------------------------------------


TRAIN = {
    "n": parameter(5, "", "number of cars"),
    **WHEELS,
    **JOINTS,
    "push": parameter(lambda p: np.zeros((p.n, 2)), "N", "push on the rim of each wheel"),
    **PUSHES,
    **WALL,
}


def _joint_torques(p, theta, spin):
    """Of the springs and dampers between neighbouring cars, on each car."""
    bend = p.c * (theta[:-1] - theta[1:]) + p.D * (spin[:-1] - spin[1:])
    nothing = jnp.zeros(1)
    return jnp.concatenate([nothing, bend]) - jnp.concatenate([bend, nothing])


def _speeds(p, theta, u):
    """Speed and yaw rate (n, 2) of each car, of which the first has ``u``; the joints transmit them without slip."""
    pairs = [(u[0], u[1])]
    for i in range(p.n - 1):
        v, turning = pairs[-1]
        c, s = jnp.cos(theta[i] - theta[i + 1]), jnp.sin(theta[i] - theta[i + 1])
        pairs.append((v * c + p.L / 2 * turning * s, 2 / p.L * v * s - turning * c))
    return jnp.array(pairs)


def _wheel_rates(p, speeds):
    """Angular velocities (n, 2) of wheels that roll."""
    return (speeds[:, :1] + p.d_w / 2 * speeds[:, 1:] * jnp.array([-1.0, 1.0])) / p.R


def _inertias(p):
    return jnp.array([p.M_c + 2 * p.I_w / p.R**2, p.J + p.I_w * p.d_w**2 / (2 * p.R**2)])


def _ideal_energy(t, s, p):
    speeds = _speeds(p, s.theta, s.u)
    joints = p.c / 2 * jnp.sum((s.theta[:-1] - s.theta[1:]) ** 2)
    return jnp.sum(_inertias(p) * speeds**2) / 2 + joints + p.R * p.k / 2 * jnp.sum(jnp.sin(s.phi) ** 2)


class _Rolling:
    """State of a train as the rods see it, with the angular velocities that follow from rolling."""

    def __init__(self, s, omega):
        self.phi, self.x, self.omega = s.phi, s.x, omega


@flow(
    state={"r": (2,), "theta": ("n",), "u": (2,), "phi": ("n", 2), "x": ("n", 2)},
    parameters=TRAIN,
    initial={"theta": lambda p: 0.01 * (np.arange(p.n) == 0), "u": np.array([0.8, 0.0]), "phi": -np.pi / 3, "x": 0.5},
    observables={"E": _ideal_energy, "omega": lambda t, s, p: _wheel_rates(p, _speeds(p, s.theta, s.u))},
    check=lambda s, p: check_positive(p, *POSITIVE, "L"),
    time_unit="s",
    source=SOURCE,
    known=(
        known(
            "mean speed of the train, in m/s, that of one car",
            3.897,
            lambda ax, s: float(_last(ax, s.with_initial(u=np.array([3.5, 0.0]), theta=0.0), 60.0).u[:, 0].mean()),
            rtol=5e-3,
            source="own computation: single car",
        ),
    ),
)
def ideal_train(t, s, p):
    """Train of n cars whose wheels roll without slip: it drives straight on.

    r is the position of the first car and u its speed and yaw rate, theta the heading of each car (not wrapped), phi
    the angles of its left and right wheel, x their neurons' membrane potentials; omega are the rates of the wheels, E
    is the energy (conserved without gain and friction).
    """
    speeds = _speeds(p, s.theta, s.u)
    turning = speeds[:, 1]
    force, dx = coupling_rods(t, _Rolling(s, _wheel_rates(p, speeds)), p)
    S = jnp.stack([_speeds(p, s.theta, e) for e in jnp.eye(2)], axis=-1)  # (n, 2, 2)
    drift = jax.jvp(lambda theta: _speeds(p, theta, s.u), (s.theta,), (turning,))[1]
    ahead = _ahead(s.theta)
    behind = -p.L / 2 * jnp.concatenate([jnp.zeros((1, 2)), jnp.cumsum(ahead[:-1] + ahead[1:], axis=0)])
    wall = wall_force(p, (s.r + behind)[:, 0], speeds[:, 0] * ahead[:, 0]) * ahead[:, 0]
    Q = jnp.stack(
        [
            force[:, 0] + force[:, 1] - p.mu * speeds[:, 0] + wall,
            p.d_w / 2 * (force[:, 1] - force[:, 0]) + _joint_torques(p, s.theta, turning),
        ],
        axis=-1,
    )
    weights = _inertias(p)
    (m11, m12), (_, m22) = jnp.einsum("nij,i,nik->jk", S, weights, S)
    q1, q2 = jnp.einsum("nij,ni->j", S, Q - weights * drift)
    return {
        "r": s.u[0] * ahead[0],
        "theta": turning,
        "u": jnp.stack([m22 * q1 - m12 * q2, m11 * q2 - m12 * q1]) / (m11 * m22 - m12**2),
        "phi": _wheel_rates(p, speeds),
        "x": dx,
    }


def _chain(n: int) -> np.ndarray:
    """C with position of car i = first car - L/2 sum_j C_ij (direction of car j)."""
    C = np.zeros((n, n))
    for i in range(1, n):
        C[i, 0], C[i, 1:i], C[i, i] = 1.0, 2.0, 1.0
    return C


def _car_velocities(s, p):
    return s.v - p.L / 2 * _chain(p.n) @ (_across(s.theta) * s.spin[:, None])


def _train_energy(t, s, p):
    motion = p.M_c * jnp.sum(_car_velocities(s, p) ** 2) + p.J * jnp.sum(s.spin**2) + p.I_w * jnp.sum(s.omega**2)
    joints = p.c * jnp.sum((s.theta[:-1] - s.theta[1:]) ** 2)
    return (motion + joints) / 2 + p.R * p.k / 2 * jnp.sum(jnp.sin(s.phi) ** 2)


@flow(
    state={
        "r": (2,),
        "v": (2,),
        "theta": ("n",),
        "spin": ("n",),
        "phi": ("n", 2),
        "omega": ("n", 2),
        "x": ("n", 2),
    },
    parameters={
        **TRAIN,
        "sigma": parameter(0.02, "m/(N s)", "slip velocity of a wheel over the force on it"),
        "mu_c": parameter(0.64, "", "coefficient of friction of the wheels, along and across"),
        "g": parameter(9.8, "m/s^2", "acceleration of gravity"),
    },
    initial={
        "theta": lambda p: 0.01 * (np.arange(p.n) == 0),
        "v": np.array([0.8, 0.0]),
        "phi": -np.pi / 3,
        "omega": 20.0,
        "x": 0.5,
    },
    observables={
        "E": _train_energy,
        "bend": lambda t, s, p: jnp.sqrt(jnp.mean((s.theta[:-1] - s.theta[1:]) ** 2)) if p.n > 1 else 0.0 * s.theta[0],
        "speed": lambda t, s, p: jnp.linalg.norm(jnp.mean(_car_velocities(s, p), axis=0)),
    },
    check=lambda s, p: check_positive(p, *POSITIVE, "L", "sigma"),
    time_unit="s",
    source=SOURCE,
    known=(
        *(
            known(
                f"{quantity} with k = {k:g} N",
                value,
                lambda ax, s, k=k, name=name: float(
                    np.sqrt((_last(ax, s.with_parameters(k=k), 120.0)[name] ** 2).mean())
                ),
                rtol=0.03,
                atol=atol,
                source=OWN,
            )
            for k, speed, bend in ((0.2, 0.898, 0.0), (0.25, 1.050, 0.024), (0.3, 1.042, 0.051), (0.5, 1.009, 0.108))
            for name, quantity, value, atol in (
                ("speed", "mean speed, in m/s,", speed, 0.0),
                ("bend", "root mean square angle of the joints, in rad,", bend, 2e-3),
            )
        ),
    ),
)
def train(t, s, p):
    """Train of n cars whose wheels slip: above about 1 m/s it wiggles like a snake.

    r and v are position and velocity of the first car, theta the heading of each car (not wrapped), spin its rate, phi
    the angles of its left and right wheel, omega their rates, x their neurons' membrane potentials; speed is that of
    the centre of mass, bend the root mean square angle of the joints, E the energy.
    """
    force, dx = coupling_rods(t, s, p)
    C, half = _chain(p.n), p.L / 2
    ahead, across = _ahead(s.theta), _across(s.theta)
    arms = C @ (across * s.spin[:, None])
    velocities = s.v - half * arms
    v_ahead, v_across = jnp.sum(velocities * ahead, axis=1), jnp.sum(velocities * across, axis=1)
    grip = p.mu_c * p.M_c * p.g / 2
    side = jnp.array([-1.0, 1.0])
    slip = v_ahead[:, None] + p.d_w / 2 * s.spin[:, None] * side - p.R * s.omega
    along = jnp.clip(-slip / p.sigma, -grip, grip)
    sideways = 2 * jnp.clip(-v_across / p.sigma, -grip, grip)
    F = jnp.sum(along, axis=1)[:, None] * ahead + sideways[:, None] * across - p.mu * velocities
    F = F + _east(wall_force(p, (s.r - half * C @ ahead)[:, 0], velocities[:, 0]))
    F = F - p.M_c * half * C @ (ahead * (s.spin**2)[:, None])
    torque = p.d_w / 2 * (along @ side) + _joint_torques(p, s.theta, s.spin)
    torque = torque - half * jnp.sum(across * (C.T @ F), axis=1)
    mean = C.sum(axis=0) / p.n
    inertia = p.M_c * half**2 * (C.T @ C - p.n * np.outer(mean, mean)) * (across @ across.T) + p.J * jnp.eye(p.n)
    total = jnp.sum(F, axis=0)
    turned = jnp.linalg.cholesky(inertia)
    dspin = jax.scipy.linalg.cho_solve((turned, True), torque + half * (across @ total) * mean)
    return {
        "r": s.v,
        "v": total / (p.n * p.M_c) + half * mean @ (across * dspin[:, None]),
        "theta": s.spin,
        "spin": dspin,
        "phi": s.omega,
        "omega": p.R * (force - along) / p.I_w,
        "x": dx,
    }


def _east(force):
    return jnp.stack([force, jnp.zeros_like(force)], axis=-1)


def _last(ax, system, t_end, seconds=20.0, dt=5e-4):
    return ax.simulate(system, t_end, method="rk4", dt=dt, transient=t_end - seconds, sample=0.01)
