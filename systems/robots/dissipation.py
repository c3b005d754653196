"""Prototypes of adaptive dissipation: friction where the potential energy is high, uptake of energy where it is low.

    x'' = (mu - V(x)) x' - V'(x),        d/dt (x'^2 / 2 + V) = (mu - V(x)) x'^2

Every minimum of V loses its stability in a Hopf bifurcation at mu = V_min. The limit cycles that are born there grow,
merge where they meet saddles, and in more than one dimension turn into tori and chaos.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ...engine.declaration import known, parameter
from ...engine.system import flow
from .._measures import leading_eigenvalue, maxima, period

SOURCE = "B. Sandor, C. Gros, Sci. Rep. 5, 12316 (2015)"
OWN = "own computation: shooting with DOP853 at rtol 1e-13 (SciPy)"


def _adaptive_dissipation(s, p, potential):
    V, slope = jax.value_and_grad(potential)(s.x)
    return {"x": s.y, "y": (p.mu - V) * s.y - slope}


def _cubic(x):
    return x**3 / 3 - x**2 / 2


def _double_well(x):
    return x**4 / 4 - x**2 / 2


@flow(
    state={"x": (), "y": ()},
    parameters={"mu": parameter(-0.14, "", "potential energy at which friction turns into uptake of energy")},
    initial={"x": 1.3, "y": 0.0},
    observables={"E": lambda t, s, p: s.y**2 / 2 + _cubic(s.x)},
    source=SOURCE,
    known=(
        known(
            "growth rate of x = 1 at its Hopf point mu = -1/6",
            0.0,
            lambda ax, s: leading_eigenvalue(s.with_parameters(mu=-1 / 6).jacobian([1.0, 0.0])).real,
            atol=1e-15,
            source="closed form: (mu - V(1)) / 2",
        ),
        known(
            "angular frequency of x = 1 at its Hopf point",
            1.0,
            lambda ax, s: leading_eigenvalue(s.with_parameters(mu=-1 / 6).jacobian([1.0, 0.0])).imag,
            rtol=1e-14,
            source="closed form: sqrt(V''(1))",
        ),
        known(
            "period of the cycle at mu = -0.14",
            7.1140804628,
            lambda ax, s: period(_cycle(ax, s).y),
            rtol=1e-9,
            source=OWN,
        ),
        known(
            "largest x of the cycle at mu = -0.14",
            1.39863505,
            lambda ax, s: maxima(_cycle(ax, s).x).mean(),
            atol=1e-8,
            source=OWN,
        ),
    ),
)
def adaptive_dissipation(t, s, p):
    """Adaptive dissipation in the cubic potential V = x^3/3 - x^2/2, with one minimum at x = 1 and a saddle at 0.

    x is the position, y its velocity, the observable E the mechanical energy. The limit cycle that is born
    at mu = -1/6 grows until it meets the saddle (homoclinic bifurcation).
    """
    return _adaptive_dissipation(s, p, _cubic)


@flow(
    state={"x": (), "y": ()},
    parameters={"mu": parameter(-0.2, "", "potential energy at which friction turns into uptake of energy")},
    initial={"x": 1.3, "y": 0.0},
    observables={"E": lambda t, s, p: s.y**2 / 2 + _double_well(s.x)},
    source=SOURCE,
    known=(
        known(
            "growth rate of x = 1 at its Hopf point mu = -1/4",
            0.0,
            lambda ax, s: leading_eigenvalue(s.with_parameters(mu=-0.25).jacobian([1.0, 0.0])).real,
            atol=1e-15,
            source="closed form: (mu - V(1)) / 2",
        ),
        known(
            "period of the cycle around x = 1 at mu = -0.2",
            5.565249402,
            lambda ax, s: period(_cycle(ax, s).y),
            rtol=1e-9,
            source=OWN,
        ),
        known(
            "largest x of the cycle around x = 1 at mu = -0.2",
            1.360040781,
            lambda ax, s: maxima(_cycle(ax, s).x).mean(),
            atol=1e-8,
            source=OWN,
        ),
        known(
            "smallest x of the cycle around x = 1 at mu = -0.2",
            0.387952102,
            lambda ax, s: -maxima(-_cycle(ax, s).x).mean(),
            atol=1e-8,
            source=OWN,
        ),
        known(
            "period of the symmetric cycle at mu = 0",
            4.944056642,
            lambda ax, s: period(_cycle(ax, s.with_parameters(mu=0.0)).y),
            rtol=1e-9,
            source=OWN,
        ),
        known(
            "largest x of the symmetric cycle at mu = 0",
            1.937127634,
            lambda ax, s: maxima(_cycle(ax, s.with_parameters(mu=0.0)).x).mean(),
            atol=1e-8,
            source=OWN,
        ),
    ),
)
def adaptive_dissipation_double_well(t, s, p):
    """Adaptive dissipation in the double well V = x^4/4 - x^2/2, with minima at x = -1 and 1.

    x is the position, y its velocity, the observable E the mechanical energy. Two mirror cycles are born at
    mu = -1/4 and merge into one around both wells (gluing bifurcation). Symmetric under (x, y) -> (-x, -y).
    """
    return _adaptive_dissipation(s, p, _double_well)


TILT = 0.05
WELLS = (0.0, 5.979563629859721, 11.927399365842893)
"""Minima of the potential with several wells."""


def _wells(x):
    return TILT / 2 * x**2 + 1 - jnp.cos(x)


@flow(
    state={"x": (), "y": ()},
    parameters={"mu": parameter(0.5, "", "potential energy at which friction turns into uptake of energy")},
    initial={"x": 0.5, "y": 0.0},
    observables={"E": lambda t, s, p: s.y**2 / 2 + _wells(s.x)},
    source=SOURCE,
    known=tuple(
        known(
            f"growth rate of the {name} well, x = {x:.4f}, at its Hopf point mu = V_min",
            0.0,
            lambda ax, s, x=x: (
                leading_eigenvalue(s.with_parameters(mu=TILT / 2 * x**2 + 1 - np.cos(x)).jacobian([x, 0.0])).real
            ),
            atol=1e-12,
            source="closed form: (mu - V_min) / 2",
        )
        for name, x in zip(("first", "second", "third"), WELLS, strict=True)
    )
    + (
        known(
            "angular frequency in the third well at its Hopf point",
            np.sqrt(TILT + np.cos(WELLS[2])),
            lambda ax, s: leading_eigenvalue(s.with_parameters(mu=3.753861691776248).jacobian([WELLS[2], 0.0])).imag,
            rtol=1e-12,
            source="closed form: sqrt(V'')",
        ),
    ),
)
def adaptive_dissipation_wells(t, s, p):
    """Adaptive dissipation in seven wells of different depth, V = x^2/40 + 1 - cos x.

    x is the position, y its velocity, the observable E the mechanical energy. The wells lose their stability one after
    the other, at mu = 0, 0.940, 3.754, 8.423, and their cycles are swallowed by the larger one. Symmetric under
    (x, y) -> (-x, -y).
    """
    return _adaptive_dissipation(s, p, _wells)


@flow(
    state={"x": (2,), "y": (2,)},
    parameters={
        "mu": parameter(-0.06, "", "potential energy at which friction turns into uptake of energy"),
        "b": parameter(0.2, "", "steepness of the potential along the second axis; 1: the same along all"),
    },
    initial={"x": np.array([1.1, 0.2]), "y": np.array([0.1, 0.3])},
    observables={"E": lambda t, s, p: jnp.sum(s.y**2) / 2 + _plane(s.x, p)},
    source=SOURCE,
    known=(
        known(
            "largest growth rate of the minimum at its Hopf point mu = -1/4",
            0.0,
            lambda ax, s: leading_eigenvalue(s.with_parameters(mu=-0.25).jacobian([1.0, 0.0, 0.0, 0.0])).real,
            atol=1e-15,
            source="closed form: (mu - V(1, 0)) / 2, of both directions at once",
        ),
        known(
            "acceleration towards the centre on the circle of radius sqrt(2), at b = 1, mu = 0",
            np.sqrt(2.0),
            lambda ax, s: -s.with_parameters(b=1.0, mu=0.0).rhs([2**0.5, 0.0, 0.0, 2**0.5])["y"][0],
            rtol=1e-12,
            source="closed form: V(radius) = mu, speed^2 = radius V'(radius)",
        ),
        known(
            "largest Lyapunov exponent at b = 0.2, mu = -0.06",
            0.064,
            lambda ax, s: ax.analysis.lyapunov_spectrum(s, k=1, t_total=4000.0, transient=1000.0).exponents.values[0],
            atol=0.01,
            source="own computation",
        ),
    ),
)
def adaptive_dissipation_plane(t, s, p):
    """Adaptive dissipation in two dimensions, V = |x|^4/4 - (x_0^2 + b x_1^2)/2, with minima at (-1, 0) and (1, 0).

    x is the position, y its velocity, the observable E the mechanical energy. Both directions lose their stability
    together at mu = -1/4; tori, chaos and cycles follow. Symmetric under reflections of either axis.
    """
    V, slope = jax.value_and_grad(_plane)(s.x, p)
    return {"x": s.y, "y": (p.mu - V) * s.y - slope}


def _plane(x, p):
    return jnp.sum(x**2) ** 2 / 4 - (x[0] ** 2 + p.b * x[1] ** 2) / 2


def _cycle(ax, system):
    return ax.simulate(system, 1200.0, transient=1100.0, sample=0.005, method="dop853", rtol=1e-11, atol=1e-12)
