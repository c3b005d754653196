"""A barrel that rolls as a weight is driven along a rod through its axis, by one neuron that senses the weight.

Equations of motion: Lagrange's, of a cylinder that rolls on a plane without slip and a point-like weight on a rod that
turns with it. The neuron is a reconstruction: the paper's abstract says that it senses the weight and what motions
follow; the adaptation of the threshold is chosen so that they do.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid

from ...engine.declaration import known, parameter
from ...engine.events import event
from ...engine.system import flow
from .parts import Part, assemble, check_positive, servo

SOURCE = (
    "B. Sandor, T. Jahn, L. Martin, C. Gros, Front. Robot. AI 2, 31 (2015); mechanics derived anew, masses and motor "
    "of the authors' later simulations (github.com/sbulcsu/stsp_robots), neuron reconstructed"
)
OWN = "own computation: RK4 with dt = 1 ms of the same equations"


def motor_force(s: Any, p: Any, target: Any, target_rate: Any) -> Any:
    """Force on the weight along the rod, of a servo motor that goes to ``target`` (-1 to 1)."""
    return servo(p.L * target - s.s, p.L * target_rate - s.s_dot, p.K_P, p.K_D)


def rolling(s: Any, p: Any, force: Any) -> dict[str, Any]:
    """Derivatives of the barrel and the weight, that a ``force`` drives along its rod."""
    sine, cosine = jnp.sin(s.theta), jnp.cos(s.theta)
    inertia = (p.M + p.m) * p.R**2 + p.I + p.m * s.s**2 - 2 * p.m * p.R * s.s * sine
    mixed = p.m * p.R * cosine
    torque = (
        -p.psi * s.omega
        + 2 * p.m * s.s_dot * s.omega * (p.R * sine - s.s)
        + p.m * s.s * cosine * (p.R * s.omega**2 + p.g)
    )
    push = force + p.m * s.s * s.omega**2 + p.m * p.g * sine
    determinant = p.m * inertia - mixed**2
    return {
        "theta": s.omega,
        "omega": (p.m * torque - mixed * push) / determinant,
        "s": s.s_dot,
        "s_dot": (inertia * push - mixed * torque) / determinant,
    }


def normal_force(t: Any, s: Any, p: Any) -> Any:
    """Force of the ground on the barrel; where it would be negative the barrel takes off, and the model ends."""
    d = barrel.function(t, s, p)
    sine, cosine = jnp.sin(s.theta), jnp.cos(s.theta)
    down = d["s_dot"] * sine + 2 * s.s_dot * s.omega * cosine + s.s * (d["omega"] * cosine - s.omega**2 * sine)
    return (p.M + p.m) * p.g - p.m * down


took_off = event(normal_force, direction="down", terminal=True)
"""Ends a run of the barrel when it loses the ground: ``ax.simulate(barrel, ..., events={"took_off": took_off})``."""


def energy(t: Any, s: Any, p: Any) -> Any:
    """Mechanical energy, 0 with the weight at the centre at rest."""
    sine, cosine = jnp.sin(s.theta), jnp.cos(s.theta)
    across = p.R * s.omega + s.s_dot * cosine - s.s * s.omega * sine
    down = s.s_dot * sine + s.s * s.omega * cosine
    kinetic = (p.M * p.R**2 + p.I) * s.omega**2 + p.m * (across**2 + down**2)
    return kinetic / 2 - p.m * p.g * s.s * sine


BODY = Part(
    state={"theta": (), "omega": (), "s": (), "s_dot": ()},
    parameters={
        "R": parameter(1.0, "m", "radius of the barrel"),
        "M": parameter(1.0, "kg", "mass of the barrel"),
        "m": parameter(1.0, "kg", "mass of the weight"),
        "I": parameter(0.5 + 0.4 / 49, "kg m^2", "spin inertia: solid cylinder, and a weight of a seventh of its size"),
        "L": parameter(1.0, "m", "range of the motor, either side of the axis"),
        "K_P": parameter(150.0, "N/m", "gain of the motor"),
        "K_D": parameter(np.sqrt(4 / 150), "s", "derivative time of the motor (critically damped)"),
        "psi": parameter(0.3, "N m s", "rolling friction: torque over angular velocity"),
        "g": parameter(9.81, "m/s^2", "acceleration of gravity"),
    },
    observables={"E": energy},
    check=lambda s, p: check_positive(p, "R", "M", "m", "I", "L", "K_D"),
)
"""Barrel with one weight: rolling angle theta (position R theta), angular velocity omega, displacement s of the weight
along its rod, whose direction is (cos theta, -sin theta)."""

THRESHOLD_NEURON = Part(
    state={"b": ()},
    parameters={
        "a": parameter(2.0, "", "gain: slope of the rate function"),
        "eps": parameter(1.0, "1/s", "rate of adaptation of the threshold"),
    },
)
"""A neuron that adapts its threshold b towards the mean of what it senses."""


def threshold_neuron(s: Any, p: Any, sensed: Any, sensed_rate: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Neuron of rate y = logistic(a (sensed - b)) whose threshold grows at high rate, b' = eps (y - 1/2).

    Parameters
    ----------
    s, p
        State and parameters of `THRESHOLD_NEURON`.
    sensed, sensed_rate : float
        Position of the motor, from -1 to 1 in its range, and its rate of change.

    Returns
    -------
    target, target_rate : float
        Where the motor shall go, 2 y - 1, and its rate of change.
    derivatives : dict
        Of ``b``.
    """
    y = sigmoid(p.a * (sensed - s.b))
    db = p.eps * (y - 0.5)
    return 2 * y - 1, 2 * p.a * y * (1 - y) * (sensed_rate - db), {"b": db}


ONE_TO_ONE = {"theta": 1.0577, "omega": 4.1646, "s": 0.5463, "s_dot": -0.128, "b": 0.0195}
"""Near the cycle on which the weight moves once in a turn of the barrel, at a = 2, eps = 1."""
THREE_TO_ONE = {"theta": 2.5524, "omega": 1.5329, "s": -0.5681, "s_dot": 1.0961, "b": 0.0383}
"""Near the cycle on which the weight moves three times in a turn of the barrel, at a = 2, eps = 1."""


@flow(
    **assemble(BODY, THRESHOLD_NEURON, initial=ONE_TO_ONE, observables={"N": normal_force}),
    time_unit="s",
    source=SOURCE,
    known=(
        known(
            "restoring acceleration of the weight over its displacement at a = 1.9, without gravity, in 1/s^2",
            150 * (0.95 - 1) * (2.5 + 0.4 / 49) / (1.5 + 0.4 / 49),
            lambda ax, s: s.with_parameters(a=1.9, eps=0.0, g=0.0).jacobian(np.zeros(5))[3, 2],
            rtol=1e-9,
            source="closed form: K_P (a / 2 - 1) over the weight's share of the mass: 0 at a = 2",
        ),
        *(
            known(
                f"mean angular velocity of {motion} rolling at a = {a:g}, eps = {eps:g}, in rad/s",
                value,
                lambda ax, s, start=start, a=a, eps=eps: _velocity(ax, s, start, a=a, eps=eps),
                atol=0.01,
                source=OWN,
            )
            for motion, start, a, eps, value in (
                ("1:1", ONE_TO_ONE, 2.0, 1.0, 3.04),
                ("1:1", ONE_TO_ONE, 2.0, 3.0, 4.85),
                ("3:1", THREE_TO_ONE, 2.0, 1.0, 1.77),
                ("1:1", ONE_TO_ONE, 3.0, 1.0, 2.23),
                ("no (rest)", THREE_TO_ONE, 2.0, 0.0, 0.0),
            )
        ),
    ),
)
def barrel(t, s, p):
    """Barrel with one weight that a neuron with an adaptive threshold drives.

    theta is the rolling angle (not wrapped; the position is R theta), omega its rate, s the displacement of the weight
    along its rod, b the neuron's threshold, E the mechanical energy, N the force of the ground. The ground holds the
    barrel: when it rolls fast, N is negative for a part of each turn, where a barrel of these masses would hop; the
    event `took_off` ends a run there. Symmetric under (theta, omega) -> (pi - theta, -omega) and, with theta -> theta +
    pi, under (s, s_dot, b) -> (-s, -s_dot, -b).
    """
    target, target_rate, neuron = threshold_neuron(s, p, s.s / p.L, s.s_dot / p.L)
    return {**rolling(s, p, motor_force(s, p, target, target_rate)), **neuron}


def _velocity(ax, system, start, **parameters):
    """Mean over whole turns, after the values of the parameters were reached slowly enough to stay on the cycle."""
    values = np.linspace(1.0, parameters["eps"], 9) if parameters["eps"] > 1.0 else [parameters["eps"]]
    for eps in values:
        system = system.with_parameters(**parameters | {"eps": float(eps)}).with_initial(**start)
        data = ax.simulate(system, 250.0, transient=150.0, sample=0.02, method="rk4", dt=2e-3)
        start = {name: float(data[name][-1]) for name in system.state}
    turns = np.flatnonzero(np.diff(np.floor(data.theta.values / (2 * np.pi))))
    ends = [turns[0], turns[-1]] if len(turns) > 1 else [0, -1]
    return float(np.diff(data.theta.values[ends])[0]) / float(np.diff(data.time.values[ends])[0])
