"""An arm that reaches for one moving object after the other, as its dissipation adapts.

The arm dissipates energy while it approaches the object of its choice. Close to it the dissipation function grows, and
beyond its zero the arm takes up energy and wanders off; away from the object the function falls, and as it becomes
negative again a new object is chosen. The paper's abstract says so much; the equations are a reconstruction from it and
from the authors' prototypes of adaptive dissipation. What is uncertain can be exchanged: see `reaching_arm`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...engine.declaration import Known, known, parameter
from ...engine.errors import InputError
from ...engine.events import event
from ...engine.system import System, flow
from .parts import check_positive

SOURCE = (
    "T. Koglin, B. Sandor, C. Gros, PLoS ONE 14(6), e0217004 (2019), arXiv 1905.07235; equations reconstructed from "
    "the abstract"
)


def sigmoidal(distance: Any, p: Any) -> Any:
    """Dissipation that the function f relaxes to: ``f_up`` > 0 close to the object, ``f_dis`` < 0 away from it."""
    return p.f_dis + (p.f_up - p.f_dis) / (1 + jnp.exp((distance - p.d0) / p.w))


def nearest_other(distances: Any, current: Any) -> Any:
    """Number of the nearest object that is not the current one."""
    others = jnp.where(jnp.arange(len(distances)) == current, 1e9, distances)
    return jnp.argmin(others).astype(float)


def nearest(distances: Any, current: Any) -> Any:
    """Number of the nearest object, the current one included."""
    return jnp.argmin(distances).astype(float)


def hand(t: Any, s: Any, p: Any) -> Any:
    """Position (2,) of the hand."""
    angles = jnp.cumsum(s.alpha)
    return jnp.stack([jnp.sum(p.l * jnp.cos(angles)), jnp.sum(p.l * jnp.sin(angles))])


def objects(t: Any, s: Any, p: Any) -> Any:
    """Positions (K, 2) of the objects, which circle about their centres."""
    angles = p.Omega * t + p.psi
    return p.centre + p.rho * jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=-1)


def distance(t: Any, s: Any, p: Any) -> Any:
    """Distance of the hand from the current object."""
    return _length(hand(t, s, p) - _current(t, s, p))


def _current(t, s, p):
    chosen = jnp.arange(p.K) == jnp.round(s.target)
    return jnp.sum(jnp.where(chosen[:, None], objects(t, s, p), 0.0), axis=0)


def _length(v):
    return jnp.sqrt(jnp.sum(v**2, axis=-1))


def _energy(t, s, p):
    return jnp.sum(s.omega**2) / 2 + p.kappa / 2 * jnp.sum((hand(t, s, p) - _current(t, s, p)) ** 2)


def _ring(p: Any) -> np.ndarray:
    angles = 2 * np.pi * np.arange(p.K) / max(p.K, 1)
    return 1.1 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def _both_ways(p: Any) -> np.ndarray:
    """Angular velocities of about 0.3 of alternating sign, all different."""
    i = np.arange(p.K)
    return 0.3 * (-1.0) ** i * (1 + 0.3 * np.sin(2.4 * i + 0.5))


def _check(s: Any, p: Any) -> None:
    if p.K < 1:
        raise InputError(f"an arm needs at least one object to reach for: K must be at least 1, not {p.K}")
    check_positive(p, "tau", "w", "l")


def reaching_arm(
    dissipation: Callable[[Any, Any], Any] = sigmoidal,
    switch: Callable[[Any, Any], Any] = nearest_other,
    *,
    name: str = "arm",
    doc: str = "",
    values: Sequence[Known] = (),
) -> System:
    """An arm of n joints among K moving objects, with a law of dissipation and a rule of switching.

        alpha_i'' = f alpha_i' - kappa d/dalpha_i |hand - object|^2 / 2,     tau f' = dissipation(|hand - object|) - f

    and where f falls through zero, object := switch(distances, object).

    Parameters
    ----------
    dissipation : function (distance, p)
        What f relaxes to.
    switch : function (distances, current)
        Number of the object that is chosen, from the distances (K,) of the hand from all objects.
    name, doc, values
        Name, docstring, known values of the system.
    """

    def arm(t, s, p):
        def potential(alpha):
            place = hand(t, _Joints(alpha), p)
            return p.kappa / 2 * jnp.sum((place - _current(t, s, p)) ** 2)

        return {
            "alpha": s.omega,
            "omega": s.f * s.omega - jax.grad(potential)(s.alpha),
            "f": (dissipation(distance(t, s, p), p) - s.f) / p.tau,
            "target": jnp.zeros(()),
        }

    def chosen(t, s, p):
        return {"target": switch(_length(objects(t, s, p) - hand(t, s, p)), jnp.round(s.target))}

    arm.__doc__ = doc or reaching_arm.__doc__
    return flow(
        state={"alpha": ("n",), "omega": ("n",), "f": (), "target": ()},
        parameters={
            "n": parameter(2, "", "number of joints"),
            "K": parameter(3, "", "number of objects"),
            "l": parameter(lambda p: 0.8 ** np.arange(p.n), "", "lengths of the links"),
            "kappa": parameter(2.0, "", "strength of the attraction to the object"),
            "f_dis": parameter(-1.0, "", "dissipation function away from the object"),
            "f_up": parameter(2.0, "", "dissipation function close to the object: energy is taken up"),
            "tau": parameter(2.0, "", "time constant of the dissipation function"),
            "d0": parameter(0.4, "", "distance that is close"),
            "w": parameter(0.05, "", "width of the border of what is close"),
            "centre": parameter(_ring, "", "centres of the objects' circles"),
            "rho": parameter(0.25, "", "radius of the objects' circles"),
            "Omega": parameter(_both_ways, "", "angular velocities of the objects"),
            "psi": parameter(lambda p: 2.0 * np.arange(p.K), "", "phases of the objects at t = 0"),
        },
        initial={"alpha": lambda p: 0.3 + 0.2 * np.arange(p.n), "f": -1.0},
        observables={"hand": hand, "distance": distance, "E": _energy},
        events={"switch": event(lambda t, s, p: s.f, direction="down", reset=chosen)},
        check=_check,
        source=SOURCE,
        known=tuple(values),
        name=f"robots.{name}",
    )(arm)


class _Joints:
    """Joint angles as a state."""

    def __init__(self, alpha):
        self.alpha = alpha


def _sequence(ax, system):
    data = ax.simulate(system, 3000.0, sample=0.05, rtol=1e-8)
    return ax.analysis.activity_sequence(data.target, data.f < 0, kinds=system.structure["K"]), data


OWN = "own computation: RK4 with dt = 0.01 of the same equations, other objects"

arm = reaching_arm(
    doc="""Arm with adaptive dissipation that turns to the nearest other object when it has done with one.

    alpha are the angles of the joints, omega their rates, f is the dissipation function (energy is taken up where it is
    positive), target the number of the current object; hand is the position of the hand, distance that from the object,
    E the energy of motion and attraction. The equations are a reconstruction from the abstract of the paper.
    """,
    values=(
        known(
            "entropy of the sequence of objects (1: balanced)",
            1.0,
            lambda ax, s: float(_sequence(ax, s)[0].entropy),
            atol=0.02,
            source=OWN,
        ),
        known(
            "mean time of engagement with an object",
            5.3,
            lambda ax, s: float(_sequence(ax, s)[0].dwell.mean()),
            rtol=0.15,
            source=OWN,
        ),
        known(
            "switches with too little energy to be taken up, f_up = -0.1",
            0.0,
            lambda ax, s: float(ax.simulate(s.with_parameters(f_up=-0.1), 1000.0).switch_count),
            source="closed form: f stays negative",
        ),
    ),
)
lazy_arm = reaching_arm(
    switch=nearest,
    name="lazy_arm",
    doc="""Arm as `arm` that turns to the nearest object, even if it is the one that it has just done with.

    It often comes back to the same object; with little energy to be taken up it never leaves the first.
    """,
    values=(
        known(
            "entropy of the sequence of objects with little energy to be taken up, f_up = 0.3",
            0.0,
            lambda ax, s: float(_sequence(ax, s.with_parameters(f_up=0.3))[0].entropy),
            source=OWN,
        ),
    ),
)
