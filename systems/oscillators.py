"""Coupled oscillators."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ..engine.declaration import known, parameter
from ..engine.system import flow

KURAMOTO = "Y. Kuramoto, in Lecture Notes in Physics 39, 420 (Springer 1975)"


def lorentzian_frequencies(N, width):
    """``N`` frequencies that share a Lorentzian distribution of this half width evenly, shape (N,)."""
    return width * np.tan(np.pi * ((np.arange(N) + 0.5) / N - 0.5))


def order_parameter(t, s, p):
    """Length of the mean of exp(i theta): 0 without order, 1 for equal phases."""
    return jnp.hypot(jnp.mean(jnp.cos(s.theta)), jnp.mean(jnp.sin(s.theta)))


@flow(
    state={"theta": ("N",)},
    parameters={
        "N": parameter(100, "", "number of oscillators"),
        "K": parameter(2.0, "", "strength of the coupling"),
        "omega": parameter(
            lambda p: lorentzian_frequencies(p.N, 0.5), "", "frequencies (default: Lorentzian, half width 0.5)"
        ),
    },
    initial={"theta": lambda p: 2 * np.pi * np.random.default_rng(0).random(p.N)},
    observables={"r": order_parameter},
    source=KURAMOTO,
    known=(
        *(
            known(
                f"order parameter at K = {K} (critical: 1)",
                np.sqrt(1 - 1 / K),
                lambda ax, s, K=K: _order(ax, s.with_parameters(K=K)),
                atol=0.02,
                source="closed form for a Lorentzian: r = sqrt(1 - K_c / K), K_c twice the half width",
            )
            for K in (1.5, 2.0, 4.0)
        ),
        known(
            "order parameter at K = 0.5",
            0.0,
            lambda ax, s: _order(ax, s.with_parameters(K=0.5)),
            atol=0.15,
            source="no order below the critical coupling, but for fluctuations of size 1 / sqrt(N)",
        ),
        known(
            "mean of the phase velocities",
            0.0,
            lambda ax, s: s.rhs()["theta"].mean(),
            atol=1e-10,
            source="the couplings cancel; the frequencies have mean zero",
        ),
    ),
)
def kuramoto(t, s, p):
    """Phase oscillators, each drawn towards all others: theta_i' = omega_i + (K / N) sum_j sin(theta_j - theta_i)."""
    sine, cosine = jnp.sin(s.theta), jnp.cos(s.theta)
    return {"theta": p.omega + p.K * (jnp.mean(sine) * cosine - jnp.mean(cosine) * sine)}


def _order(ax, system):
    return ax.simulate(system, 400.0, transient=200.0, sample=0.5).r.mean()
