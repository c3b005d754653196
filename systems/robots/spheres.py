"""A spherical shell that rolls as three weights are driven along orthogonal rods through its centre.

On `on_soft_ground` it touches the ground by a spring with damper, and slips by an amount in proportion to the
tangential force up to a cone of friction; `rolling` is its limit of ideal rolling on rigid ground. The orientation is a
quaternion that only enters by its direction, q / |q|, so that its length has no part in the mechanics; it relaxes to 1.

Equations: Newton's and Euler's for shell and weights, the sliding motion of the weights eliminated. Masses, lengths,
motors, contact: authors' LPZRobots simulations, public repositories LaChriMa/Sphere_robots_with_stsp and
sbulcsu/stsp_robots of L. Martin, B. Sandor, C. Gros, Front. Neurorobot. 10, 12 (2016).
"""

from __future__ import annotations

import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np

from ...engine.declaration import Draw, known, parameter, suggest
from ...engine.errors import InputError
from ...engine.events import event
from ...engine.system import System, flow
from .controllers import STSP_CONTROLLER, stsp_controller
from .parts import Part, assemble, check_positive, servo
from .sphere_modes import MODES

SOURCE = (
    "L. Martin, B. Sandor, C. Gros, Front. Neurorobot. 10, 12 (2016); mechanics derived anew, parameters of the "
    "authors' simulations (github.com/LaChriMa/Sphere_robots_with_stsp)"
)
OWN = "own computation: independent simulation of the same equations (RK4, dt = 1 ms)"


def _check(s: Any, p: Any) -> None:
    check_positive(p, "R0", "M", "m", "I_t", "L", "K_D")
    length = np.sqrt((np.asarray(s.q) ** 2).sum(axis=-1))
    if not (length > 0).all():
        raise InputError("the quaternion 'q' of a sphere is (1, 0, 0, 0) or a turn of it; it cannot be all 0")
    if (np.abs(length - 1) > 1e-6).any():
        farthest = float(np.ravel(length)[np.argmax(np.abs(np.ravel(length) - 1))])
        warnings.warn(
            f"the quaternion 'q' has length {farthest:.6g}, not 1; the sphere moves as with q / |q|", stacklevel=2
        )


PARAMETERS = {
    "R0": parameter(0.25, "m", "radius of the shell"),
    "M": parameter(1.0, "kg", "mass of the shell"),
    "m": parameter(1.0, "kg", "mass of each weight"),
    "I_t": parameter(0.4 * 0.25**2 + 1.2 * (0.5 / 14) ** 2, "kg m^2", "spin inertia: shell (solid sphere) and weights"),
    "L": parameter(0.125, "m", "range of the motors, either side of the centre"),
    "K_P": parameter(120.0, "N/m", "gain of the motors"),
    "K_D": parameter(np.sqrt(4 / 120), "s", "derivative time of the motors (critically damped)"),
    "psi": parameter(0.3, "N m s", "rolling friction: torque over angular velocity"),
    "g": parameter(9.81, "m/s^2", "acceleration of gravity"),
}
GROUND = {
    "k_p": parameter(2000.0, "N/m", "stiffness of the ground"),
    "k_d": parameter(25.0, "N s/m", "damping of the ground"),
    "delta0": parameter(0.001, "m", "depth of penetration without force"),
    "sigma": parameter(0.02, "m/(N s)", "slip velocity over tangential force"),
    "mu": parameter(0.64, "", "coefficient of friction, along x and along y"),
}


class Orientation(Draw):
    """Quaternions of length 1, drawn evenly from all orientations."""

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """One quaternion."""
        q = generator.normal(size=shape)
        return q / np.linalg.norm(q)


RANDOM = Orientation("any orientation", (0.0, 1.0))


def _rotation(q: Any) -> Any:
    """Rotation matrix, body to world, of the quaternion q / \\|q\\| (w, x, y, z)."""
    w, x, y, z = q
    double = 2 / jnp.sum(q * q)
    return jnp.array(
        [
            [1 - double * (y * y + z * z), double * (x * y - w * z), double * (x * z + w * y)],
            [double * (x * y + w * z), 1 - double * (x * x + z * z), double * (y * z - w * x)],
            [double * (x * z - w * y), double * (y * z + w * x), 1 - double * (x * x + y * y)],
        ]
    )


def _turning(q: Any, omega: Any) -> Any:
    """Rate of change of the quaternion of a body that turns with ``omega`` (world axes)."""
    w, v = q[0], q[1:]
    spin = jnp.concatenate([-jnp.dot(omega, v)[None], w * omega + jnp.cross(omega, v)])
    return spin / 2 + (1 - jnp.sum(q * q)) * q


def _forces_of_inertia(s: Any, p: Any, w: Any, up: Any) -> Any:
    """Acceleration b_k (row k, body axes) of a weight that slides evenly in a shell that only turns, less gravity."""
    across = jnp.array([[0.0, w[2], -w[1]], [-w[2], 0.0, w[0]], [w[1], -w[0], 0.0]])  # w x e_k in row k
    return jnp.outer(s.s * w, w) - jnp.dot(w, w) * jnp.diag(s.s) + 2 * s.s_dot[:, None] * across + p.g * up


def _levers(b: Any) -> Any:
    """e_k x b_k in row k."""
    return jnp.array([[0.0, -b[0, 2], b[0, 1]], [b[1, 2], 0.0, -b[1, 0]], [-b[2, 1], b[2, 0], 0.0]])


def _solve(J: Any, n: Any) -> Any:
    """Solution of J x = n for a symmetric 3 x 3 matrix, by its cofactors."""
    (a, b, c), (_, d, e), (_, _, f) = J
    cofactors = jnp.array(
        [
            [d * f - e * e, c * e - b * f, b * e - c * d],
            [c * e - b * f, a * f - c * c, b * c - a * e],
            [b * e - c * d, b * c - a * e, a * d - b * b],
        ]
    )
    return cofactors @ n / (a * cofactors[0, 0] + b * cofactors[0, 1] + c * cofactors[0, 2])


def sensed(s: Any, p: Any) -> Any:
    """Position of each motor in its range, -s / L: the motors count from the weight to the centre."""
    return -s.s / p.L


def motor_force(s: Any, p: Any, target: Any, target_rate: Any) -> Any:
    """Force on each weight along its rod, of servo motors that go to ``target`` (-1 to 1)."""
    return -servo(p.L * target + s.s, p.L * target_rate + s.s_dot, p.K_P, p.K_D)


def contact_force(s: Any, p: Any) -> Any:
    """Force of the soft ground on the shell (world axes); 0 when it has taken off."""
    N = jnp.maximum(0.0, p.k_p * (p.R0 - s.r[2] - p.delta0) - p.k_d * s.v[2])
    N = jnp.where(s.r[2] < p.R0, N, 0.0)
    slip = jnp.array([s.v[0] - p.R0 * s.omega[1], s.v[1] + p.R0 * s.omega[0]])
    return jnp.concatenate([jnp.clip(-slip / p.sigma, -p.mu * N, p.mu * N), N[None]])


def on_soft_ground(s: Any, p: Any, force: Any) -> dict[str, Any]:
    """Derivatives of the shell and the weights on soft ground with slip.

    Parameters
    ----------
    s, p
        State and parameters of `BODY`.
    force : array (3,)
        Force of the motors on each weight, along its rod.
    """
    R = _rotation(s.q)
    up, w = R[2], s.omega @ R
    b = _forces_of_inertia(s, p, w, up)
    along = jnp.diagonal(b)
    F = contact_force(s, p)
    M_l = p.M + 2 * p.m
    push = F @ R - p.M * p.g * up - force - p.m * (jnp.sum(b, axis=0) - along)
    torque = p.R0 * jnp.array([F[1], -F[0], 0.0]) @ R - p.psi * w - p.m * s.s @ _levers(b)
    J = (
        p.I_t * jnp.eye(3)
        + p.m * (jnp.sum(s.s**2) * jnp.eye(3) - jnp.diag(s.s**2))
        - p.m**2 / M_l * (jnp.sum(s.s**2) * jnp.eye(3) - jnp.outer(s.s, s.s))
    )
    dw = _solve(J, torque - p.m / M_l * jnp.cross(s.s, push))
    A = (push + p.m * jnp.cross(s.s, dw)) / M_l
    return {
        "r": s.v,
        "q": _turning(s.q, s.omega),
        "v": R @ A,
        "omega": R @ dw,
        "s": s.s_dot,
        "s_dot": force / p.m - along - A,
    }


def rolling(s: Any, p: Any, force: Any) -> dict[str, Any]:
    """Derivatives of the shell and the weights when the shell rolls on a rigid plane without slip.

    Parameters
    ----------
    s, p
        State and parameters of `ROLLING_BODY`.
    force : array (3,)
        Force of the motors on each weight, along its rod.
    """
    R = _rotation(s.q)
    up, w = R[2], s.omega @ R
    b = _forces_of_inertia(s, p, w, up)
    along = jnp.diagonal(b)
    rho = p.R0 * up + jnp.diag(s.s)  # from the point of contact to weight k, in row k
    J = p.I_t * jnp.eye(3) + (p.M - p.m) * p.R0**2 * (jnp.eye(3) - jnp.outer(up, up))
    J = J + p.m * (jnp.sum(rho**2) * jnp.eye(3) - rho.T @ rho)
    sideways = jnp.cross(up, force - p.m * along)
    torque = -p.psi * w - p.m * jnp.sum(jnp.cross(rho, b), axis=0) - p.R0 * sideways
    dw = _solve(J, torque)
    A = p.R0 * jnp.cross(dw, up)
    return {
        "r": _rolling_velocity(s, p)[:2],
        "q": _turning(s.q, s.omega),
        "omega": R @ dw,
        "s": s.s_dot,
        "s_dot": force / p.m - along - A,
    }


def _rolling_velocity(s, p):
    return p.R0 * jnp.array([s.omega[1], -s.omega[0], 0.0])


def _energy(s, p, velocity, height):
    R = _rotation(s.q)
    arms = R * s.s  # to weight k, in column k
    velocities = velocity[:, None] + jnp.cross(s.omega, arms, axisb=0, axisc=0) + R * s.s_dot
    kinetic = p.M * velocity @ velocity + p.I_t * s.omega @ s.omega + p.m * jnp.sum(velocities**2)
    return kinetic / 2 + p.g * ((p.M + 3 * p.m) * height + p.m * jnp.sum(arms[2]))


def normal_force(t: Any, s: Any, p: Any) -> Any:
    """Force of the plane on `rolling_sphere`; where it would be negative the sphere takes off, and the model ends."""
    d = rolling_sphere.function(t, s, p)
    R = _rotation(s.q)
    up, w, dw = R[2], s.omega @ R, d["omega"] @ R
    b = _forces_of_inertia(s, p, w, up)
    turned = jnp.cross(dw, s.s[:, None] * jnp.eye(3))
    return p.M * p.g + p.m * (jnp.sum((turned + b) @ up) + d["s_dot"] @ up)


lifted = event(normal_force, direction="down", terminal=True)
"""Ends a run of `rolling_sphere` when it would lose the ground."""


def _ground_energy(s, p):
    depth = jnp.maximum(0.0, p.R0 - s.r[2] - p.delta0)
    return p.k_p * depth**2 / 2


BODY = Part(
    state={"r": (3,), "q": (4,), "v": (3,), "omega": (3,), "s": (3,), "s_dot": (3,)},
    parameters={**PARAMETERS, **GROUND},
    initial={"q": RANDOM, "r": np.array([0.0, 0.0, 0.22938])},
    observables={
        "E": lambda t, s, p: _energy(s, p, s.v, s.r[2]) + _ground_energy(s, p),
        "speed": lambda t, s, p: jnp.hypot(s.v[0], s.v[1]),
    },
    check=_check,
)
"""Sphere on soft ground: position r and velocity v of the centre, orientation q, angular velocity omega (all in world
axes, q from body to world), displacement s of each weight along its rod."""

ROLLING_BODY = Part(
    state={"r": (2,), "q": (4,), "omega": (3,), "s": (3,), "s_dot": (3,)},
    parameters=PARAMETERS,
    initial={"q": RANDOM},
    observables={
        "E": lambda t, s, p: _energy(s, p, _rolling_velocity(s, p), p.R0),
        "speed": lambda t, s, p: p.R0 * jnp.hypot(s.omega[0], s.omega[1]),
    },
    check=_check,
)
"""Sphere that rolls without slip: as `BODY`, but with r in the plane only, and v given by omega."""


took_off = event(lambda t, s, p: s.r[2] - p.R0, direction="up", terminal=True)
"""Ends a run of `sphere` when it loses the ground: ``ax.simulate(sphere, ..., events={"took_off": took_off})``."""


@flow(
    **assemble(BODY, STSP_CONTROLLER),
    time_unit="s",
    source=SOURCE,
    known=(
        known(
            "height of the centre at rest, in m",
            0.25 - 0.001 - 4 * 9.81 / 2000,
            lambda ax, s: _run(ax, s.with_parameters(w0=0.0), t_end=20.0, sample="end").r[-1, 2],
            atol=1e-6,
            source="closed form: R0 - delta0 - (M + 3 m) g / k_p; 0.2294 m in the authors' saved agents",
        ),
        *(
            known(
                f"{quantity} in the mode {mode!r}",
                value,
                lambda ax, s, mode=mode, name=name: abs(_motion(ax, sphere_in_mode(mode))[name]),
                rtol=0.01 if name in ("period", "speed") else 0.02,
                atol=1e-3 if value == 0.0 else 0.0,
                source=OWN,
            )
            for mode, values in (
                ("circle", (0.369, 1.592, 0.866, 0.488)),
                ("straight", (0.420, 1.6315, 0.0, 0.0377)),
                ("wide circle", (0.318, 1.800, 0.333, 0.516)),
            )
            for name, quantity, value in zip(
                ("speed", "period", "turn", "step"),
                ("speed, in m/s,", "period, in s,", "turn in a period, in radians,", "way in a period, in m,"),
                values,
                strict=True,
            )
        ),
    ),
)
def sphere(t, s, p):
    """Sphere with three weights that neurons with short-term plasticity drive, on soft ground with slip.

    r and v are position and velocity of the centre, q the orientation (quaternion w, x, y, z), omega the angular
    velocity, s the displacement of each weight along its rod; x, u, phi are membrane potential, calcium level and
    vesicle reservoir of the neuron of each weight. E is the mechanical energy, speed the horizontal one.
    `sphere_in_mode` starts it in its modes of motion.
    """
    target, target_rate, neurons = stsp_controller(s, p, sensed(s, p))
    return {**on_soft_ground(s, p, motor_force(s, p, target, target_rate)), **neurons}


@flow(
    **assemble(ROLLING_BODY, STSP_CONTROLLER, observables={"N": normal_force}),
    time_unit="s",
    source=SOURCE,
    known=(
        known(
            "mode of motion from the state saved in the mode 'straight' (4: rosette)",
            4.0,
            lambda ax, s: _motion(ax, sphere_in_mode("straight", s)).mode,
            source=OWN,
        ),
    ),
)
def rolling_sphere(t, s, p):
    """Sphere as `sphere` that rolls on a rigid plane without slip, held by the force N.

    Some modes that are straight on soft ground turn into rosettes: slip matters.
    """
    target, target_rate, neurons = stsp_controller(s, p, sensed(s, p))
    return {**rolling(s, p, motor_force(s, p, target, target_rate)), **neurons}


def sphere_in_mode(mode: str, system: System = sphere) -> System:
    """The sphere (or ``rolling_sphere``) with parameters of a mode of motion, in a state that the authors saved in it.

    Parameters
    ----------
    mode : str
        ``"circle"``, ``"straight"`` (meandering), ``"irregular"`` or, with U_max = 4, ``"wide circle"``.
    system : System
        A system with the blocks of either.

    Raises
    ------
    InputError
        If there is no such mode.
    """
    if mode not in MODES:
        raise InputError(f"the sphere has no saved mode {mode!r}; {suggest(mode, MODES)}")
    start = {name: np.array(value) for name, value in MODES[mode]["initial"].items() if name in system.state}
    start["r"] = start["r"][: system.state["r"][0]]
    return system.with_parameters(**MODES[mode]["parameters"]).with_initial(**start)


def _run(ax, system, t_end=400.0, **options):
    return ax.simulate(system, t_end, method="rk4", dt=1e-3, **options)


def _motion(ax, system):
    return ax.analysis.modes_of_motion(_run(ax, system, transient=280.0, sample=0.02))
