"""Controllers of robots: neurons that sense what a motor did and set its target."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ...engine.declaration import parameter, uniform
from ..neural.stsp import full_depletion, rate
from .parts import Part, check_positive

STSP_CONTROLLER = Part(
    state={"x": (3,), "u": (3,), "phi": (3,)},
    parameters={
        "w0": parameter(190.0, "1/s", "excitation of each neuron by its own sensor"),
        "z0": parameter(-600.0, "1/s", "weight of the plastic inhibition between neurons"),
        "Gamma": parameter(20.0, "1/s", "leak rate of the membrane potential"),
        "a": parameter(0.4, "", "gain: slope of the rate function"),
        "b": parameter(0.0, "", "threshold of the rate function"),
        "U_max": parameter(1.0, "", "largest calcium level u"),
        "T_u": parameter(0.3, "s", "time constant of the calcium level u"),
        "T_phi": parameter(0.6, "s", "time constant of the vesicle reservoir phi"),
    },
    initial={"x": uniform(-5.0, 5.0), "u": 1.0, "phi": uniform(0.0, 1.0)},
    check=lambda s, p: check_positive(p, "T_u", "T_phi", "U_max"),
)
"""Three rate neurons that inhibit each other through synapses with short-term plasticity (full depletion)."""


def stsp_controller(s: Any, p: Any, sensed: Any) -> tuple[Any, Any, dict[str, Any]]:
    """One neuron per motor, which excites itself by the position that it senses and inhibits the others.

        x_i' = -Gamma x_i + w0 (q_i + 1) / 2 + z0 sum_{j != i} u_j phi_j y_j,     y = logistic(a (x - b))

    with the plasticity of :func:`attrax.systems.neural.stsp.full_depletion`.

    Parameters
    ----------
    s, p
        State with the blocks ``x``, ``u``, ``phi``; parameters: those of `STSP_CONTROLLER`.
    sensed : array (n,)
        Position q of each motor, from -1 to 1 in its range.

    Returns
    -------
    target, target_rate : array (n,)
        Where each motor shall go, 2 y - 1, and its rate of change.
    derivatives : dict
        Of ``x``, ``u``, ``phi``.
    """
    y = rate(None, s, p)
    du, dphi = full_depletion(s.u, s.phi, y, p.U_max, p.T_u, p.T_phi)
    released = s.u * s.phi * y
    dx = -p.Gamma * s.x + p.w0 * (sensed / 2 + 0.5) + p.z0 * (jnp.sum(released) - released)
    return 2 * y - 1, 2 * p.a * y * (1 - y) * dx, {"x": dx, "u": du, "phi": dphi}
