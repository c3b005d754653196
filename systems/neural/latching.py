"""Latching: an associative memory whose intrinsic plasticity drives it from pattern to pattern."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ...engine.declaration import known, parameter
from ...engine.system import flow
from .metadynamics import PLASTICITY, intrinsic_plasticity, rate

OWN = (
    "own computation: Euler steps of 0.05 over 12000 time units, 3 seeds; regular and bursting latching as in the paper"
)
ACTIVE = 0.3
"""Fraction of active neurons in the default patterns."""


def random_patterns(N_p, N, seed=0):
    """``N_p`` binary patterns of ``N`` neurons, of which 30 % (rounded) are active, shape (N_p, N)."""
    generator = np.random.default_rng(seed)
    pattern = (np.arange(N) < round(ACTIVE * N)).astype(float)
    return np.stack([generator.permutation(pattern) for _ in range(N_p)])


def _first_pattern_with_noise(p):
    return random_patterns(p.N_p, p.N)[0] + np.random.default_rng(1).normal(0.0, 0.1, p.N)


def overlap(t, s, p):
    """Overlap of the rates with each pattern, the cosine of the angle between them."""
    y = rate(t, s, p)
    return p.xi @ y / jnp.sqrt(jnp.sum(p.xi**2, axis=1) * jnp.sum(y**2))


def energy(t, s, p):
    """Energy that the fast subsystem, at frozen gains and thresholds, never increases."""
    y = rate(t, s, p)
    entropy = y * jnp.log(y) + (1 - y) * jnp.log(1 - y)
    return -y @ _drive(y, p.xi) / 2 + p.Gamma * jnp.sum(s.b * y + entropy / s.a)


@flow(
    state={"x": ("N",), "a": ("N",), "b": ("N",)},
    parameters={
        "N": parameter(100, "", "number of neurons"),
        "N_p": parameter(7, "", "number of patterns"),
        "xi": parameter(lambda p: random_patterns(p.N_p, p.N), "", "patterns, xi[p, i] = 1 where neuron i is active"),
        **PLASTICITY,
        "eps_a": parameter(0.1, "", "rate of adaptation of the gain"),
        "eps_b": parameter(0.01, "", "rate of adaptation of the threshold"),
        "lambda1": parameter(
            -2.67210385527339, "", "linear exponent of the target distribution of the rate (default: mean rate 0.3)"
        ),
    },
    initial={"x": _first_pattern_with_noise, "a": 4.0, "b": 0.3},
    observables={"y": rate, "O": overlap, "E": energy},
    slow=("a", "b"),
    source="M. Linkerhand, C. Gros, Sci. Rep. 3, 2042 (2013)",
    known=(
        known(
            "mean rate at target 0.3",
            0.295,
            lambda ax, s: _run(ax, s).y.mean(),
            atol=0.01,
            source=OWN,
        ),
        known(
            "fraction of time without motion at target 0.3",
            0.0,
            lambda ax, s: _quiet_fraction(_run(ax, s)),
            atol=0.06,
            source=OWN,
        ),
        known(
            "number of patterns visited at target 0.3",
            7,
            lambda ax, s: (_run(ax, s).O.max("time") > 0.8).sum(),
            atol=2,
            source=OWN,
        ),
        known(
            "fraction of time without motion at target 0.15 (stress)",
            0.525,
            lambda ax, s: _quiet_fraction(_run(ax, s.with_parameters(lambda1=-6.60708898020153))),
            atol=0.065,
            source=OWN,
        ),
    ),
)
def latching_network(t, s, p):
    """Hopfield-like network with patterns as attractors, which intrinsic plasticity makes unstable in turn.

    x is the membrane potential, a the gain, b the threshold of each neuron. The weights are the covariances
    of the patterns, w_ij = sum_p (xi_i^p - <xi_i>) (xi_j^p - <xi_j>) / N_p, w_ii = 0; they are applied
    pattern by pattern, never formed. A target mean rate that differs from the patterns' mean activity
    (stress) makes the latching intermittent.
    """
    y = rate(t, s, p)
    da, db = intrinsic_plasticity(s.x, y, s.a, s.b, p.lambda1, p.lambda2)
    return {"x": -p.Gamma * s.x + _drive(y, p.xi), "a": p.eps_a * da, "b": p.eps_b * db}


def _drive(y, xi):
    centred = xi - jnp.mean(xi, axis=0)
    return ((centred @ y) @ centred - jnp.sum(centred**2, axis=0) * y) / xi.shape[0]


def _run(ax, system):
    return ax.simulate(system, 12_000.0, transient=4000.0, sample=0.2, method="euler", dt=0.05)


def _quiet_fraction(data):
    """Fraction of time in which the mean of |y'| is below 0.01."""
    speed = np.abs(np.gradient(data.y.values, data.time.values, axis=0)).mean(axis=1)
    return np.mean(speed < 0.01)
