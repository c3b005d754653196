"""Stochastic tipping: two attractors of slow intrinsic plasticity, and a noisy fast neuron that drives between them.

A membrane potential that fluctuates as an Ornstein-Uhlenbeck process is seen through an adapting gain and threshold,
whose target is a distribution of the rate with two peaks, exp(lambda1 y + lambda2 y^2) with lambda1 < 0 < lambda2. Both
peaks cannot be had at once from one peak of the potential. Where the mean of the plasticity over the potential,
`averaged_tipping_neuron`, has two attractors, the neuron stays near one and tips to the other by chance.

The claim of the paper is recollected, lambda1 = -20 and the range of lambda2 too; the plasticity and its mean are
derived.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid

from ...engine.declaration import known, parameter
from ...engine.system import flow
from .metadynamics import intrinsic_plasticity

SOURCE = "M. Linkerhand, C. Gros, Math. Mech. Complex Syst. 1, 129 (2013), arXiv:1207.2928, reconstructed"
OWN = "own computation with steps of 0.01 and 0.05"
LOW, HIGH = 1.6, 3.0
"""Gains beyond which the neuron has tipped into the state of low or of high rates: nearly those of the two attractors
of the averaged plasticity."""
SPREAD = np.linspace(-8.0, 8.0, 161)
"""Nodes of the mean over the potential, in standard deviations."""


TARGET = {
    "Q": parameter(1.0, "", "variance of the membrane potential"),
    "lambda1": parameter(-20.0, "", "linear exponent of the target distribution of the rate"),
    "lambda2": parameter(18.8, "", "quadratic exponent of the target distribution of the rate"),
    "eps_a": parameter(0.07, "", "rate of adaptation of the gain"),
    "eps_b": parameter(0.07, "", "rate of adaptation of the threshold"),
}


@flow(
    state={"x": (), "a": (), "b": ()},
    parameters=TARGET,
    initial={"x": 0.0, "a": 1.5469, "b": 2.0239},
    noise=lambda t, s, p: {"x": jnp.sqrt(2 * p.Q)},
    observables={"y": lambda t, s, p: sigmoid(s.a * (s.x - s.b))},
    slow=("a", "b"),
    source=SOURCE,
    known=(
        known(
            "variance of the membrane potential",
            1.0,
            lambda ax, s: _long(ax, s, 400_000.0).x.var(),
            atol=0.03,
            source="closed form: Q",
        ),
        known(
            "gain for a uniform target under slow adaptation, mean over 16 neurons",
            1.767,
            lambda ax, s: _slow(ax, s).a.mean(),
            rtol=0.02,
            source=f"{OWN}: 1 % above the balance of the mean plasticity, 1.7488",
        ),
        known(
            "mean time between tips into the state of low rates at eps_a = eps_b = 0.1",
            5050.0,
            lambda ax, s: sum(v.mean() for v in _stays(ax, s.with_parameters(eps_a=0.1, eps_b=0.1)).values()),
            rtol=0.25,
            source=OWN,
        ),
    ),
)
def tipping_neuron(t, s, p):
    """One noisy neuron that tips between two states of its gain and threshold.

    x is the membrane potential, an Ornstein-Uhlenbeck process of relaxation time 1; a is the gain, b the threshold.
    With a high threshold the rate is low nearly always, with a low threshold it is high half of the time; the neuron
    stays in either for random times, which grow exponentially as the adaptation slows down.
    """
    y = sigmoid(s.a * (s.x - s.b))
    da, db = intrinsic_plasticity(s.x, y, s.a, s.b, p.lambda1, p.lambda2)
    return {"x": -s.x, "a": p.eps_a * da, "b": p.eps_b * db}


def dwell_times(a, step):
    """How long the neuron stays in each state.

    Parameters
    ----------
    a : array
        Gain, sampled evenly.
    step : float
        Time between samples.

    Returns
    -------
    dict
        ``"low"`` and ``"high"``: times between tipping into the state of low (gain below 1.6) or high (above 3) rates
        and tipping into the other; the first and the last stay, which are cut off, are left out.
    """
    there = np.flatnonzero((a < LOW) | (a > HIGH))
    low = a[there] < LOW
    tips = np.flatnonzero(low[1:] != low[:-1]) + 1
    stays = np.diff(there[tips]) * step
    first = low[tips[0]] if len(tips) else True
    return {"low": stays[0 if first else 1 :: 2], "high": stays[1 if first else 0 :: 2]}


def _stays(ax, system):
    return dwell_times(_long(ax, system, 800_000.0).a.values, 0.5)


def _long(ax, system, t_end):
    return ax.simulate(system, t_end, sample=0.5, dt=0.05, seed=1)


def _slow(ax, system):
    uniform = system.with_parameters(lambda1=0.0, lambda2=0.0, eps_a=1e-3, eps_b=1e-3)
    start = {"a": np.full(16, 1.7), "b": np.zeros(16)}
    return ax.simulate(uniform, 40_000.0, transient=10_000.0, sample=10.0, dt=0.05, initial=start, seed=1)


@flow(
    state={"a": (), "b": ()},
    parameters=TARGET,
    initial={"a": 1.5469, "b": 2.0239},
    source=SOURCE,
    known=(
        *(
            known(
                f"gain and threshold of the state of {which} rates at lambda2 = {lambda2}: {name}",
                value,
                lambda ax, s, lambda2=lambda2, name=name, start=(a, b): _rest(ax, s, lambda2, start)[name],
                atol=0.006,
                source="root of the mean of the plasticity, own computation with Gauss-Hermite quadrature",
            )
            for which, lambda2, a, b in (
                ("low", 18.5, 1.5072, 2.0920),
                ("low", 18.8, 1.5469, 2.0239),
                ("high", 18.8, 3.1013, 0.5716),
                ("low", 19.0, 1.5824, 1.9661),
                ("high", 19.0, 3.3049, 0.4180),
                ("high", 19.5, 3.5454, 0.1848),
            )
            for name, value in (("a", a), ("b", b))
        ),
        *(
            known(
                f"mean plasticity of the gain at gain {gain}, threshold 0, for a uniform target and Q = {Q}",
                0.0,
                lambda ax, s, gain=gain, Q=Q: s.with_parameters(lambda1=0.0, lambda2=0.0, eps_a=1.0, Q=Q).rhs(
                    {"a": gain, "b": 0.0}
                )["a"],
                atol=2e-4,
                source="closed form of the balance E[1 / a + x Theta(y)] = 0, solved by quadrature",
            )
            for gain, Q in ((1.7488, 1.0), (5.5302, 0.1))
        ),
        *(
            known(
                f"lambda2 at which the state of {which} rates vanishes in a fold",
                value,
                lambda ax, s, k=k: _folds(ax, s)[k],
                atol=1e-5,
                source="root of the mean plasticity and of the determinant of its slope, Gauss-Hermite quadrature",
            )
            for k, (which, value) in enumerate((("high", 18.711052), ("low", 19.421759)))
        ),
    ),
)
def averaged_tipping_neuron(t, s, p):
    """Mean of the plasticity of `tipping_neuron` over its potential: what remains where the adaptation is slow.

    a is the gain, b the threshold. For lambda1 = -20 and Q = 1 there is one attractor, of low rates, below lambda2 =
    18.71, and one, of high rates, above 19.42; between the two folds there are both.
    """
    x = jnp.sqrt(p.Q) * SPREAD
    weight = np.exp(-(SPREAD**2) / 2)
    da, db = intrinsic_plasticity(x, sigmoid(s.a * (x - s.b)), s.a, s.b, p.lambda1, p.lambda2)
    share = weight / weight.sum()
    return {"a": p.eps_a * jnp.sum(share * da), "b": p.eps_b * jnp.sum(share * db)}


def _rest(ax, system, lambda2, start):
    initial = {"a": start[0] + 0.02, "b": start[1] - 0.02}
    return ax.simulate(system.with_parameters(lambda2=lambda2), 5000.0, sample="end", initial=initial)


def _folds(ax, system):
    branch = ax.analysis.continue_fixed_points(system.with_parameters(lambda2=18.0), "lambda2", (18.0, 20.0))
    return sorted(point.parameters["lambda2"] for point in branch.special("LP"))
