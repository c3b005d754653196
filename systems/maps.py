"""Maps: iterated functions of one and two variables."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ..engine.declaration import known, parameter
from ..engine.system import map
from ._measures import leading_eigenvalue


@map(
    state={"x": ()},
    parameters={"r": parameter(4.0, "", "growth rate")},
    initial={"x": 0.2},
    source="R. M. May, Nature 261, 459 (1976), Eq. 3",
    known=(
        known(
            "multiplier of the fixed point 1 - 1/r at the first period doubling, r = 3",
            -1.0,
            lambda ax, s: s.with_parameters(r=3.0).jacobian([2 / 3])[0, 0],
            rtol=1e-14,
            source="closed form: 2 - r",
        ),
        known(
            "largest point of the cycle of period 2 at r = 3.2",
            (4.2 + np.sqrt(0.2 * 4.2)) / 6.4,
            lambda ax, s: _orbit(ax, s, 3.2).max(),
            rtol=1e-12,
            source="closed form: (r + 1 + sqrt((r - 3)(r + 1))) / 2r",
        ),
        known(
            "multiplier of the cycle of period 2 at the second period doubling, r = 1 + sqrt(6)",
            -1.0,
            lambda ax, s: _multiplier_of_two(s.with_parameters(r=1 + np.sqrt(6.0))),
            rtol=1e-12,
            source="closed form: 4 + 2r - r^2",
        ),
        known(
            "distance of the superstable cycle of period 2, r = 1 + sqrt(5), from the maximum at 1/2",
            0.0,
            lambda ax, s: np.abs(_orbit(ax, s, 1 + np.sqrt(5.0)) - 0.5).min(),
            atol=1e-14,
            source="closed form: 4 + 2r - r^2 = 0",
        ),
        *(
            known(
                f"points of the attractor at r = {r}",
                number,
                lambda ax, s, r=r: len(np.unique(np.round(_orbit(ax, s, r), 6))),
                source="May 1976: doublings at 3, 3.4495, 3.5441, 3.5644; period 3 from 1 + sqrt(8)",
            )
            for r, number in ((2.8, 1), (3.2, 2), (3.5, 4), (3.56, 8), (3.835, 3))
        ),
        known(
            "mean of ln |f'| at r = 4",
            np.log(2.0),
            lambda ax, s: np.log(np.abs(4 - 8 * ax.simulate(s, 100_000).x)).mean(),
            rtol=1e-3,
            source="closed form: conjugate to the tent map",
        ),
    ),
)
def logistic(t, s, p):
    """Growth limited by its own square, the standard example of period doubling and chaos on an interval."""
    return {"x": p.r * s.x * (1 - s.x)}


def _orbit(ax, system, r):
    diagram = ax.analysis.orbit_diagram(system, "r", [r], transient=20_000, points=64)
    return diagram.x.values.ravel()


def _multiplier_of_two(system):
    r = system.parameters["r"].value
    points = (r + 1 + np.sqrt((r - 3) * (r + 1)) * np.array([[1.0], [-1.0]])) / (2 * r)
    return np.prod(system.jacobian(points))


@map(
    state={"x": (), "y": ()},
    parameters={
        "a": parameter(1.4, "", "strength of the folding"),
        "b": parameter(0.3, "", "contraction of areas"),
    },
    initial={"x": 0.0, "y": 0.0},
    source="M. Henon, Commun. Math. Phys. 50, 69 (1976), Eq. 4",
    known=(
        known(
            "determinant of the Jacobian, -b, at the point (0.7, -0.1)",
            -0.3,
            lambda ax, s: np.linalg.det(s.jacobian([0.7, -0.1])),
            rtol=1e-14,
            source="Henon 1976, Sec. 2",
        ),
        known(
            "distance that the fixed point moves",
            0.0,
            lambda ax, s: abs(float(s.rhs(_fixed_point(s))["x"]) - _fixed_point(s)[0]),
            atol=1e-15,
            source="closed form: a x^2 + (1 - b) x - 1 = 0",
        ),
        known(
            "unstable multiplier of the fixed point",
            -1.92373886,
            lambda ax, s: min(np.linalg.eigvals(s.jacobian(_fixed_point(s)))),
            atol=1e-8,
            source="Henon 1976, Sec. 3: -a x - sqrt(a^2 x^2 + b)",
        ),
        known(
            "multiplier of the fixed point at the first period doubling, a = 3 (1 - b)^2 / 4 = 0.3675",
            -1.0,
            lambda ax, s: _slowest(s.with_parameters(a=0.3675)),
            rtol=1e-12,
            source="closed form",
        ),
        known(
            "multiplier of the fixed point at the fold, a = -(1 - b)^2 / 4 = -0.1225",
            1.0,
            lambda ax, s: leading_eigenvalue(s.with_parameters(a=-0.1225).jacobian([1 / 0.35, 0.3 / 0.35])).real,
            rtol=1e-12,
            source="closed form: double root x = (1 - b) / (-2a) = 1 / 0.35",
        ),
        *(
            known(
                f"points of the attractor at a = {a}",
                number,
                lambda ax, s, a=a: len(np.unique(np.round(_attractor(ax, s, a), 6))),
                source="period doublings at a = 0.3675, 0.9125, 1.0258554050738",
            )
            for a, number in ((0.3, 1), (0.5, 2), (1.0, 4), (1.03, 8))
        ),
    ),
)
def henon(t, s, p):
    """Stretching and folding of the plane with a constant contraction of areas: a strange attractor."""
    return {"x": 1 - p.a * s.x**2 + s.y, "y": p.b * s.x}


def _fixed_point(system):
    a, b = (system.parameters[k].value for k in "ab")
    x = (b - 1 + np.sqrt((1 - b) ** 2 + 4 * a)) / (2 * a)
    return [x, b * x]


def _slowest(system):
    multipliers = np.linalg.eigvals(system.jacobian(_fixed_point(system)))
    return multipliers[np.argmax(np.abs(multipliers))]


def _attractor(ax, system, a):
    return ax.analysis.orbit_diagram(system, "a", [a], transient=20_000, points=64).x.values.ravel()


@map(
    state={"theta": ()},
    parameters={
        "omega": parameter(0.3, "", "turns per iterate of the undisturbed rotation"),
        "k": parameter(0.9, "", "strength of the coupling"),
    },
    source="V. I. Arnold, Am. Math. Soc. Transl. 46, 213 (1965)",
    known=(
        known(
            "slope at theta = 1/2, where the map ceases to be invertible at k = 1",
            2.0,
            lambda ax, s: s.with_parameters(k=1.0).jacobian([0.5])[0, 0],
            rtol=1e-14,
            source="closed form: 1 - k cos(2 pi theta)",
        ),
        known(
            "multiplier of the fixed point at the edge of the tongue 0:1, omega = k / 2 pi",
            1.0,
            lambda ax, s: s.with_parameters(omega=0.9 / (2 * np.pi)).jacobian([0.25])[0, 0],
            rtol=1e-12,
            source="closed form: sin(2 pi theta) = 2 pi omega / k",
        ),
        known(
            "winding number at the critical golden mean, k = 1 and omega = 0.60666106347",
            (np.sqrt(5.0) - 1) / 2,
            lambda ax, s: ax.analysis.winding_numbers(
                s.with_parameters(k=1.0), ax.grid(omega=[0.60666106347]), turn=1.0, turns=20_000
            ).winding.item(),
            rtol=1e-6,
            source="S. J. Shenker, Physica D 5, 405 (1982)",
        ),
    ),
)
def circle(t, s, p):
    """An angle, in turns, that is rotated and pulled once a period: the sine circle map.

    The angle is not taken modulo a turn, so that turns can be counted. Locked motion fills the tongues of Arnold in the
    plane of omega and k.
    """
    return {"theta": s.theta + p.omega - p.k / (2 * jnp.pi) * jnp.sin(2 * jnp.pi * s.theta)}
