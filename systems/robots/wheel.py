"""A wheel turned by the coupling rod of a rate neuron that senses the wheel's own angle."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ...engine.declaration import known, parameter
from ...engine.system import flow
from .._measures import leading_eigenvalue

OWN = "own computation: DOP853 (SciPy)"
OWN_MAP = "own computation: Newton's method on the half-turn Poincare map, DOP853 at rtol 1e-12 (SciPy)"
UPRIGHT = {"gamma": 1.0, "Gamma": 1.0, "a": 2.5}
NEAR_FOLD = (3.16230333, 0.15365737)
"""omega and x at phi = pi/2 of the rotation at k = 0.1015 N."""


@flow(
    state={"phi": (), "omega": (), "x": ()},
    parameters={
        "kappa": parameter(2 / (0.65 * 0.04), "1/s^2", "spring constant of the rod over moving mass and wheel radius"),
        "a": parameter(1.0, "", "gain of the neuron"),
        "gamma": parameter(0.05 / 0.65, "1/s", "friction"),
        "Gamma": parameter(20.0, "1/s", "leak rate of the neuron"),
    },
    initial={"phi": -np.pi / 3, "omega": 20.0, "x": 0.5},
    time_unit="s",
    source=(
        "B. Sandor, M. Nowak, T. Koglin, L. Martin, C. Gros, Front. Neurorobot. 12, 40 (2018), wheel of a car of "
        "1.3 kg with wheels of radius 0.04 m"
    ),
    known=(
        known(
            "growth rate of the stopped wheel, phi = 0, without gain, a = 0",
            -0.05 / 1.3,
            lambda ax, s: leading_eigenvalue(s.with_parameters(a=0.0).jacobian([0.0, 0.0, 1.0])).real,
            rtol=1e-12,
            source="closed form: (-gamma + i sqrt(4 kappa - gamma^2)) / 2",
        ),
        known(
            "growth rate of phi = pi/2 at its Hopf point (gamma = Gamma = 1, a = 2.5, kappa = 4/7)",
            0.0,
            lambda ax, s: leading_eigenvalue(_upright(s)).real,
            atol=1e-12,
            source="closed form: kappa = gamma Gamma (gamma + Gamma) / (gamma + a Gamma)",
        ),
        known(
            "angular frequency of phi = pi/2 at its Hopf point",
            np.sqrt(3 / 7),
            lambda ax, s: leading_eigenvalue(_upright(s)).imag,
            rtol=1e-12,
            source="closed form: sqrt(gamma Gamma - kappa)",
        ),
        known(
            "growth rate of phi = pi/2 at its pitchfork, a = 1",
            0.0,
            lambda ax, s: min(np.abs(np.linalg.eigvals(s.jacobian([np.pi / 2, 0.0, 0.0])))),
            atol=1e-12,
            source="closed form: product of the eigenvalues kappa Gamma (1 - a)",
        ),
        *(
            known(
                f"mean angular velocity of rotation {setting}, in rad/s",
                value,
                lambda ax, s, changes=changes: _mean_velocity(ax, s.with_parameters(**changes)),
                rtol=1e-3,
                source=OWN_MAP,
            )
            for setting, changes, value in (
                ("with k = 2 N", {}, 97.42),
                ("with k = 0.5 N", {"kappa": 0.5 / 0.026}, 44.71),
                ("with k = 2 N, Gamma = 60 / s", {"Gamma": 60.0}, 159.69),
                ("with k = 0.5 N, Gamma = 60 / s", {"kappa": 0.5 / 0.026, "Gamma": 60.0}, 55.09),
                ("with k = 2 N, gamma = 0.3846 / s", {"gamma": 0.25 / 0.65}, 38.63),
            )
        ),
        *(
            known(
                f"largest angular velocity of the {motion} at gamma = Gamma = 1, a = 2.5, kappa = {kappa:.3f}",
                value,
                lambda ax, s, kappa=kappa: _largest_velocity(ax, s.with_parameters(**UPRIGHT, kappa=kappa)),
                atol=0.01,
                source=OWN,
            )
            for motion, kappa, value in (
                ("rest upright", 0.95 * 4 / 7, 0.0),
                ("libration", 1.2 * 4 / 7, 0.29),
                ("libration", 1.6 * 4 / 7, 0.49),
                ("libration", 2.0 * 4 / 7, 0.64),
                ("stopped wheel", 2.5 * 4 / 7, 0.0),
            )
        ),
        *(
            known(
                f"mean speed of rotation at gamma = Gamma = 1, a = 2.5, kappa = {kappa:.3f}",
                value,
                lambda ax, s, kappa=kappa: abs(
                    _mean_velocity(ax, s.with_parameters(**UPRIGHT, kappa=kappa), omega=1.0, t_end=5000.0)
                ),
                atol=0.01,
                source=OWN,
            )
            for kappa, value in ((3.0 * 4 / 7, 0.28), (4.0 * 4 / 7, 0.71))
        ),
        known(
            "mean angular velocity just above the fold of the rotation (0.10116 N), k = 0.1015 N, in rad/s",
            3.2016053964,
            lambda ax, s: _mean_velocity(ax, s.with_parameters(kappa=0.1015 / 0.026), *NEAR_FOLD),
            rtol=1e-3,
            source=OWN_MAP,
        ),
        known(
            "mean angular velocity just below the fold of the rotation, k = 0.1 N",
            0.0,
            lambda ax, s: _mean_velocity(ax, s.with_parameters(kappa=0.1 / 0.026), *NEAR_FOLD, t_end=1500.0),
            atol=1e-6,
            source=OWN_MAP,
        ),
    ),
)
def single_wheel(t, s, p):
    """Wheel of a car that drives straight on, turned by a rod that a rate neuron pulls and pushes.

    phi is the angle of the wheel (not wrapped), omega its angular velocity, x the neuron's membrane
    potential. The neuron senses cos(phi) with a delay and pulls the rod towards tanh(a x): the wheel stops at
    phi = 0 or pi, or it rotates either way. Symmetric under (phi, omega) -> (-phi, -omega) and under
    (phi, x) -> (phi + pi, -x).

    A rod of spring constant k [N] on a wheel of radius R = 0.04 m that moves m = 0.65 kg has
    kappa = k / (m R), here k = 2 N; friction mu on the car has gamma = mu / (2 m), here mu = 0.1 N s/m.
    """
    return {
        "phi": s.omega,
        "omega": p.kappa * jnp.sin(s.phi) * (jnp.tanh(p.a * s.x) - jnp.cos(s.phi)) - p.gamma * s.omega,
        "x": p.Gamma * (jnp.cos(s.phi) - s.x),
    }


def _upright(system):
    return system.with_parameters(**UPRIGHT, kappa=4 / 7).jacobian([np.pi / 2, 0.0, 0.0])


def _largest_velocity(ax, system):
    system = system.with_initial(phi=np.pi / 2 + 0.1, omega=0.0, x=0.0)
    return abs(ax.simulate(system, 2000.0, transient=1900.0, sample=0.05).omega).max()


def _mean_velocity(ax, system, omega=100.0, x=0.0, t_end=240.0):
    system = system.with_initial(phi=np.pi / 2, omega=omega, x=x)
    phi = ax.simulate(system, t_end, transient=0.8 * t_end, sample=0.005 * t_end, rtol=1e-9, atol=1e-9).phi
    return float(phi[-1] - phi[0]) / float(phi.time[-1] - phi.time[0])
