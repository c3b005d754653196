"""Populations of excitatory and inhibitory neurons, described by their mean activities."""

from __future__ import annotations

import numpy as np

from ...engine.declaration import known, parameter
from ...engine.system import flow


@flow(
    state={"x": (), "y": ()},
    parameters={
        "a": parameter(10.0, "", "weight from excitatory to excitatory neurons"),
        "b": parameter(10.0, "", "weight from inhibitory to excitatory neurons"),
        "c": parameter(10.0, "", "weight from excitatory to inhibitory neurons"),
        "d": parameter(-2.0, "", "weight from inhibitory to inhibitory neurons"),
        "rho_x": parameter(-3.0, "", "input to excitatory neurons"),
        "rho_y": parameter(-5.0, "", "input to inhibitory neurons"),
    },
    initial={"x": 0.1, "y": 0.1},
    source=(
        "H. R. Wilson, J. D. Cowan, Biophys. J. 12, 1 (1972); without refractoriness, and with these weights: "
        "F. C. Hoppensteadt, E. M. Izhikevich, Weakly Connected Neural Networks (Springer 1997), Ch. 2"
    ),
    known=(
        known(
            "trace of the Jacobian at its Bogdanov-Takens point",
            0.0,
            lambda ax, s: np.trace(_bogdanov_takens(s)),
            atol=1e-12,
            source="closed form: 600 X^2 - 120 X + 1 = 0 for X = x (1 - x), and y (1 - y) = 1 - 5 X",
        ),
        known(
            "determinant of the Jacobian there",
            0.0,
            lambda ax, s: np.linalg.det(_bogdanov_takens(s)),
            atol=1e-12,
            source="the same",
        ),
    ),
)
def wilson_cowan(t, s, p):
    """Activities of an excitatory (x) and an inhibitory (y) population, in units of the membrane time constant."""
    import jax

    return {
        "x": -s.x + jax.nn.sigmoid(p.rho_x + p.a * s.x - p.b * s.y),
        "y": -s.y + jax.nn.sigmoid(p.rho_y + p.c * s.x - p.d * s.y),
    }


def _bogdanov_takens(system):
    """The Jacobian at the one of four Bogdanov-Takens points where both activities are low."""
    gain = (120 + np.sqrt(12000)) / 1200
    x, y = ((1 - np.sqrt(1 - 4 * each)) / 2 for each in (gain, 1 - 5 * gain))
    inputs = {"rho_x": np.log(x / (1 - x)) - 10 * x + 10 * y, "rho_y": np.log(y / (1 - y)) - 10 * x - 2 * y}
    return system.with_parameters(**inputs).jacobian([x, y])


def _folds(J):
    """Input eta at the folds for D = 1, rising: roots of 2 pi^2 r - J + 1 / (2 pi^2 r^3)."""
    roots = np.roots([4 * np.pi**4, -2 * np.pi**2 * J, 0.0, 0.0, 1.0])
    r = roots[(abs(roots.imag) < 1e-9) & (roots.real > 0)].real
    return np.sort(np.pi**2 * r**2 - J * r - 1 / (4 * np.pi**2 * r**2))


@flow(
    state={"r": (), "v": ()},
    parameters={
        "eta": parameter(-5.0, "", "centre of the distribution of inputs"),
        "D": parameter(1.0, "", "half width of that distribution (Lorentzian)"),
        "J": parameter(15.0, "", "weight of the synapses"),
    },
    initial={"r": 0.1, "v": -2.0},
    source="E. Montbrio, D. Pazo, A. Roxin, Phys. Rev. X 5, 021028 (2015), Eq. 12",
    known=(
        *(
            known(
                f"input at fold {k + 1} for J = 15",
                value,
                lambda ax, s, k=k: _special(ax, s, "LP")[k],
                rtol=1e-9,
                source="algebra: 2 pi^2 r - J + D^2 / (2 pi^2 r^3) = 0",
            )
            for k, value in enumerate(_folds(15.0))
        ),
        *(
            known(
                f"{name} at the cusp",
                value,
                lambda ax, s, name=name: _cusp(ax, s, name),
                rtol=1e-7,
                source="algebra: r = (3 D^2 / (4 pi^4))^(1/4), J = 8 pi^2 r / 3, eta = -sqrt(3) D",
            )
            for name, value in (("J", 7.796217037), ("eta", -np.sqrt(3.0)))
        ),
    ),
)
def quadratic_integrate_and_fire(t, s, p):
    """Infinitely many quadratic integrate-and-fire neurons, all connected: r the rate, v the mean potential.

    Exact for inputs of Lorentzian distribution; the unit of time is the membrane time constant. Low and high activity
    coexist between two folds, which meet in a cusp.
    """
    return {"r": p.D / np.pi + 2 * s.r * s.v, "v": s.v**2 + p.eta + p.J * s.r - np.pi**2 * s.r**2}


def _branch(ax, system):
    return ax.analysis.continue_fixed_points(system.with_parameters(eta=-12.0), "eta", (-12.0, 0.0))


def _special(ax, system, kind):
    return sorted(p.parameters["eta"] for p in _branch(ax, system).special(kind))


def _cusp(ax, system, name):
    start = _branch(ax, system).special("LP")[0]
    curve = ax.analysis.continue_bifurcation(system, start, {"eta": (-12.0, 0.0), "J": (5.0, 20.0)})
    return curve.special("CP")[0].parameters[name]
