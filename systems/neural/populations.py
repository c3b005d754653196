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
