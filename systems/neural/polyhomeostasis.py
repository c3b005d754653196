"""Polyhomeostatic adaptation in discrete time: the neuron adapts the distribution of its rate, not its mean."""

from __future__ import annotations

import numpy as np
from jax.nn import sigmoid

from ...engine.declaration import known, parameter
from ...engine.system import map
from .._measures import period

GROS = "D. Markovic, C. Gros, Neural Comput. 24, 523 (2012)"
OWN = "own computation: iteration"
EXPONENTS = {0.25: 3.59351196944743, 0.5: 0.0}
"""lambda of the target distributions with the mean rates 0.25 and 0.5."""


def polyhomeostatic_adaptation(x, y, a, lambda_):
    """Directions in which gain and bias of y = logistic(a x + b) adapt to p(y) ~ exp(-lambda y).

    Parameters
    ----------
    x, y, a : array
        Input, rate, gain of each neuron.
    lambda_ : float
        Exponent of the target distribution.

    Returns
    -------
    da, db : array
        To be multiplied by the rate of adaptation.
    """
    db = 1 - (2 + lambda_) * y + lambda_ * y**2
    return 1 / a + x * db, db


@map(
    state={"y": (), "a": (), "b": ()},
    parameters={
        "lambda_": parameter(
            EXPONENTS[0.25], "", "exponent of the target distribution of the rate (default: mean rate 0.25)"
        ),
        "eps": parameter(0.01, "", "rate of adaptation"),
    },
    initial={"y": 0.3, "a": 5.8, "b": -2.0},
    slow=("a", "b"),
    source=f"{GROS}, self-coupled neuron",
    known=(
        *(
            known(
                f"slope of the rate at the critical gain for mean rate {mean}",
                1.0,
                lambda ax, s, exponent=exponent: _critical_slope(s, exponent),
                rtol=1e-12,
                source="closed form: a_c = 1 / (y (1 - y)), y = (2 + lambda - sqrt(4 + lambda^2)) / (2 lambda)",
            )
            for mean, exponent in EXPONENTS.items()
        ),
        *(
            known(
                f"{quantity} at mean rate {mean}",
                value,
                lambda ax, s, exponent=exponent, measure=measure: measure(_run(ax, s, exponent)),
                rtol=0.01,
                atol=0.0005,
                source=OWN,
            )
            for quantity, measure, values in (
                ("period", lambda d: period(d.y, 0.5), (306, 130)),
                ("smallest rate", lambda d: d.y.min(), (0.045, 0.112)),
                ("largest rate", lambda d: d.y.max(), (0.955, 0.909)),
                ("smallest gain", lambda d: d.a.min(), (5.58, 4.92)),
                ("largest gain", lambda d: d.a.max(), (6.10, 5.13)),
            )
            for (mean, exponent), value in zip(EXPONENTS.items(), values, strict=True)
        ),
    ),
)
def self_coupled_neuron_map(t, s, p):
    """One neuron that excites itself, with polyhomeostatic adaptation of its gain and bias, in discrete time.

    y is the rate, a the gain, b the bias. Above a critical gain the fast map has two stable states, between
    which the adaptation switches.
    """
    y = sigmoid(s.a * s.y + s.b)
    da, db = polyhomeostatic_adaptation(s.y, y, s.a, p.lambda_)
    return {"y": y, "a": s.a + p.eps * da, "b": s.b + p.eps * db}


def _critical_slope(system, exponent):
    y = (2 + exponent - np.sqrt(4 + exponent**2)) / (2 * exponent) if exponent else 0.5
    a = 1 / (y * (1 - y))
    fast = system.freeze("a", "b").with_parameters(lambda_=exponent, a=a, b=np.log(y / (1 - y)) - a * y)
    return fast.jacobian([y])[0, 0]


def _run(ax, system, exponent):
    return ax.simulate(system.with_parameters(lambda_=exponent), 100_000, transient=80_000)
