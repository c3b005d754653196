"""Polyhomeostatic adaptation in discrete time: the neuron adapts the distribution of its rate, not its mean."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid

from ...engine import coupling
from ...engine.declaration import known, parameter, uniform
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


LAMBDAS = {0.15: 6.607089, 0.25: EXPONENTS[0.25], 0.3: 2.672104}
"""lambda of the target distributions with these mean rates."""


def signed_synapses(N, K, excitation, seed=0):
    """A coupling in which each of ``N`` neurons has ``K`` synapses of weight +-1 / sqrt(K).

    ``excitation`` is the percentage of positive ones.
    """
    synapses = coupling.random(N, K, seed=seed)
    positive = np.random.default_rng([seed, 1]).random(N * K) < excitation / 100
    after = np.repeat(np.arange(N), K)
    before = synapses.to_scipy().indices
    return coupling.edges(before, after, np.where(positive, 1.0, -1.0) / np.sqrt(K), shape=N)


@map(
    state={"y": ("N",), "a": ("N",), "b": ("N",)},
    parameters={
        "N": parameter(1000, "", "number of neurons"),
        "K": parameter(100, "", "number of synapses onto each neuron"),
        "excitation": parameter(50, "%", "percentage of excitatory synapses"),
        "w": parameter(
            lambda p: signed_synapses(p.N, p.K, p.excitation), "", "weights: +-1 / sqrt(K), drawn with a fixed seed"
        ),
        "lambda_": parameter(LAMBDAS[0.25], "", "exponent of the target distribution of the rate (mean rate 0.25)"),
        "eps": parameter(0.01, "", "rate of adaptation"),
    },
    initial={"y": uniform(0.0, 1.0), "a": 1.0, "b": 0.0},
    observables={
        "mean_rate": lambda t, s, p: jnp.mean(s.y),
        "change": lambda t, s, p: jnp.mean(jnp.abs(sigmoid(s.a * (p.w @ s.y) + s.b) - s.y)),
    },
    slow=("a", "b"),
    source=f"{GROS}, networks of 1000 neurons",
    known=(
        known(
            "population rate in the chaotic regime (mean 0.25, 50 % excitation)",
            0.251,
            lambda ax, s: _network(ax, s, 0.25, 50).mean_rate.mean(),
            atol=0.01,
            source=f"{OWN}; chaos, as in the paper",
        ),
        known(
            "standard deviation of the population rate in the chaotic regime",
            0.008,
            lambda ax, s: _network(ax, s, 0.25, 50).mean_rate.std(),
            atol=0.006,
            source=f"{OWN}; chaos, as in the paper",
        ),
        known(
            "fraction of laminar iterations in the intermittent regime (mean 0.15, 50 % excitation)",
            0.67,
            lambda ax, s: (_network(ax, s, 0.15, 50).change < 0.02).mean(),
            atol=0.2,
            source=f"{OWN}; intermittent bursts, as in the paper",
        ),
        known(
            "standard deviation of the population rate in the synchronised regime (mean 0.15, 70 % excitation)",
            0.28,
            lambda ax, s: _network(ax, s, 0.15, 70).mean_rate.std(),
            atol=0.06,
            source=f"{OWN}; synchronised oscillations, as in the paper",
        ),
    ),
)
def polyhomeostatic_network(t, s, p):
    """Neurons with random synapses, each of which adapts gain and bias to a target distribution of its rate.

    y are the rates, a the gains, b the biases. The adaptation drives the network to autonomous activity: chaos where
    the target rate is high, intermittent bursts where it is low, synchronised oscillations where excitation prevails.
    """
    x = p.w @ s.y
    y = sigmoid(s.a * x + s.b)
    da, db = polyhomeostatic_adaptation(x, y, s.a, p.lambda_)
    return {"y": y, "a": s.a + p.eps * da, "b": s.b + p.eps * db}


def _network(ax, system, mean, excitation):
    network = system.with_parameters(lambda_=LAMBDAS[mean], excitation=excitation)
    return ax.simulate(network, 6000, transient=3000, seed=1)
