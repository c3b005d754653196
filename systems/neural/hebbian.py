"""Self-limiting Hebbian learning from the Fisher information with respect to the synaptic flux.

A neuron sees x = sum_j w_j (y_j - <y_j>), with trailing means <y_j> of its inputs, and has the rate
y = logistic(x - b). Learning minimises the Fisher information of its rate with respect to the flux of all weights,
F = E[(N + x (1 - 2 y))^2], by steepest descent on every input:

    w_j += eps_w G H (y_j - <y_j>),     G = N + x (1 - 2 y),     H = 2 y - 1 + 2 x y (1 - y)
    b   -= eps_b (1 - 2 y + lambda y (1 - y))

H is Hebbian, and G stops the growth where |x| reaches the root of G, about N for large N: no weight needs to be
bounded. The rule for the weights is derived here from F, as -dF/dw / 2, and agrees with the paper as recollected; the
rule for the threshold, which sets the mean rate, is recollected. The parameters of the paper's figures were not at
hand, nor a correction that was published later.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid

from ...engine import stream
from ...engine.declaration import known, parameter, uniform
from ...engine.system import flow, map

SOURCE = "R. Echeveste, C. Gros, Front. Robot. AI 1, 1 (2014)"
BARS = "R. Echeveste, S. Eckmann, C. Gros, Entropy 17, 3838 (2015)"
OWN = "own computation"


def limiting(x, y, N):
    """The factor G of the rule: it changes sign where the weights have grown enough."""
    return N + x * (1 - 2 * y)


def hebbian(x, y):
    """The factor H of the rule, of the sign of x: H = -dG/dx."""
    return 2 * y - 1 + 2 * x * y * (1 - y)


def membrane(t, s, p):
    """Membrane potential x = sum_j w_j (y_j - <y_j>) for the present input."""
    return jnp.sum(s.w * (_seen(t, p) - s.mean))


def norm(t, s, p):
    """Length of the weight vector."""
    return jnp.sqrt(jnp.sum(s.w**2))


def alignment(t, s, p):
    """|cosine| of the angles between the weight vector and the axes of the first two inputs."""
    return jnp.abs(s.w[:2]) / norm(t, s, p)


def _seen(t, p):
    return jnp.where(t < p.swap, p.y, jnp.concatenate([p.y[1::-1], p.y[2:]]))


def _learn(s, p, inputs):
    away = inputs - s.mean
    x = jnp.sum(s.w * away)
    y = sigmoid(x - s.b)
    return {
        "w": s.w + p.eps_w * limiting(x, y, p.N) * hebbian(x, y) * away,
        "mean": s.mean + p.eps_mean * away,
        "b": s.b - p.eps_b * (1 - 2 * y + p.lambda_ * y * (1 - y)),
    }


RULE = {
    "N": parameter(2.0, "", "scale of the membrane potential at which the weights stop to grow"),
    "eps_w": parameter(0.001, "", "learning rate of the weights"),
    "eps_b": parameter(0.1, "", "learning rate of the threshold"),
    "eps_mean": parameter(0.001, "", "rate at which the means of the inputs are followed"),
    "lambda_": parameter(0.0, "", "exponent of the target distribution of the rate (0: mean rate 1/2)"),
}


@map(
    state={"w": ("n",), "mean": ("n",), "b": ()},
    parameters={
        "n": parameter(100, "", "number of inputs, at least 2"),
        **RULE,
        "sigma": parameter(lambda p: np.where(np.arange(p.n) == 0, 0.25, 0.125), "", "width of each input's mode(s)"),
        "separation": parameter(lambda p: np.zeros(p.n), "", "distance of two modes of each input from its mean"),
        "swap": parameter(1e300, "", "iteration from which on the first two inputs change places"),
    },
    inputs={
        "y": stream.bimodal(
            lambda p: 0.5 - p.separation, lambda p: 0.5 + p.separation, lambda p: p.sigma, shape=("n",)
        ),
    },
    initial={"w": uniform(-0.005, 0.005), "mean": 0.5, "b": 0.0},
    observables={"x": membrane, "norm": norm, "alignment": alignment},
    source=SOURCE,
    known=(
        *(
            known(
                f"x at which the rule changes sign for N = {N}, b = 0",
                value,
                lambda ax, s, N=N: _root(N),
                atol=5e-5,
                source="root of x tanh(x / 2) = N",
            )
            for N, value in ((1.0, 1.5434), (2.0, 2.3994))
        ),
        *(
            known(
                f"standard deviation of x in the long run for Gaussian inputs, N = {N}",
                value,
                lambda ax, s, N=N: _deviation(ax, s.with_parameters(n=10, N=N)),
                atol=0.03,
                source="root of E[G H x] = 0 for normal x",
            )
            for N, value in ((1.0, 1.0352), (2.0, 1.7931), (4.0, 3.3720))
        ),
        known(
            "largest alignment with the principal component of 100 Gaussian inputs",
            0.9925,
            lambda ax, s: ax.simulate(s, 100_000, sample=100, transient=40_000, seed=1).alignment[:, 0].max(),
            atol=0.0075,
            source=OWN,
        ),
        known(
            "alignment with a bimodal input (separation 0.9 of its deviation) against a Gaussian one of equal variance",
            1.0,
            lambda ax, s: ax.simulate(_bimodal_against_gaussian(s), 300_000, sample="end", seed=1).alignment[0, 0],
            atol=0.02,
            source=f"{SOURCE}: directions of negative excess kurtosis are preferred",
        ),
    ),
)
def fisher_hebbian(t, s, p):
    """A neuron that learns from a stream of inputs which of their directions is worth to see.

    w are the weights, mean the trailing means of the inputs, b the threshold. Of inputs with one principal direction
    the neuron aligns with it; of several directions of equal variance it chooses the one with the most negative excess
    kurtosis, which is a linear discrimination of its two modes. The weights grow from any start and limit themselves.
    """
    return _learn(s, p, _seen(t, p))


def _root(N):
    from scipy.optimize import brentq

    return brentq(lambda x: limiting(x, 1 / (1 + np.exp(-x)), N), 0.0, 10.0 + N, xtol=1e-13)


def _deviation(ax, system):
    data = ax.simulate(system, 400_000, sample=20, transient=200_000, seed=3)
    return np.sqrt((data.w.values**2 @ system.parameters["sigma"].value ** 2).mean())


def _bimodal_against_gaussian(system):
    """The first input bimodal, the second Gaussian with the same variance, the others narrow."""
    n, s = system.structure["n"], 0.25
    sigma, separation = np.full(n, s / 4), np.zeros(n)
    sigma[:2], separation[0] = (s * np.sqrt(1 - 0.81), s), 0.9 * s
    return system.with_parameters(sigma=sigma, separation=separation, eps_w=0.01)


def picture(t, s, p):
    """The present picture: a pixel is 1 where a horizontal or a vertical bar covers it."""
    return jnp.maximum(p.rows[:, None], p.columns[None, :]).ravel()


def templates(L):
    """The 2 L bars without their mean, of length 1, shape (2 L, L^2): horizontal ones first."""
    bars = np.stack([np.outer(*pair) for k in range(L) for pair in [(np.eye(L)[k], np.ones(L))]])
    bars = np.concatenate([bars, bars.transpose(0, 2, 1)]).reshape(2 * L, L * L)
    bars = bars - bars.mean(axis=1, keepdims=True)
    return bars / np.linalg.norm(bars, axis=1, keepdims=True)


def bar_alignment(t, s, p):
    """|cosine| of the angle between the weights and the nearest bar without its mean."""
    return jnp.max(jnp.abs(jnp.asarray(templates(p.L)) @ s.w)) / norm(t, s, p)


@map(
    state={"w": ("pixels",), "mean": ("pixels",), "b": ()},
    parameters={
        "L": parameter(5, "", "side of the picture"),
        "pixels": parameter(25, "", "number of pixels, L^2"),
        **RULE,
        "eps_w": parameter(0.005, "", "learning rate of the weights"),
        "eps_b": parameter(0.05, "", "learning rate of the threshold"),
        "eps_mean": parameter(0.0005, "", "rate at which the means of the inputs are followed"),
        "lambda_": parameter(-10.0, "", "exponent of the target distribution of the rate (-10: mean rate 0.1)"),
        "p_bar": parameter(0.2, "", "probability of each bar"),
    },
    inputs={
        "rows": stream.bernoulli(lambda p: p.p_bar, shape=("L",)),
        "columns": stream.bernoulli(lambda p: p.p_bar, shape=("L",)),
    },
    initial={"w": uniform(-0.005, 0.005), "mean": 0.36, "b": 0.0},
    observables={"bar_alignment": bar_alignment, "picture": picture},
    source=f"{BARS}, non-linear bars problem",
    known=(
        known(
            "alignment with a single bar after 1e5 pictures, median of 32 starts",
            0.923,
            lambda ax, s: _bars(ax, s).median(),
            atol=0.02,
            source=OWN,
        ),
        known(
            "fraction of 32 starts that end at a single bar",
            0.9,
            lambda ax, s: (_bars(ax, s) > 0.85).mean(),
            atol=0.1,
            source=f"{OWN}; the paper's claim that independent components are found",
        ),
    ),
)
def fisher_hebbian_bars(t, s, p):
    """The neuron of `fisher_hebbian` sees pictures of overlapping bars and learns one bar: an independent component.

    Each of the 2 L horizontal and vertical bars is there with probability p_bar; where two cross, the pixel is not
    brighter, so that the picture is no linear superposition. w are the weights, mean the means of the pixels, b the
    threshold. With few bars at a time (p_bar = 0.1) or a large N the neuron learns a single pixel instead.
    """
    return _learn(s, p, picture(t, s, p))


def _bars(ax, system):
    w = np.random.default_rng(0).uniform(-0.005, 0.005, (32, system.structure["pixels"]))
    return ax.simulate(system, 100_000, seed=1, initial={"w": w}, sample="end").bar_alignment


@flow(
    state={"w": ("n",)},
    parameters={
        "n": parameter(2, "", "number of inputs"),
        "x0": parameter(2.3994, "", "root of the limiting factor"),
        "sigma": parameter(lambda p: np.ones(p.n), "", "standard deviation of each input"),
        "kurtosis": parameter(lambda p: np.linspace(-1.2, 3.0, p.n), "", "excess kurtosis of each input"),
    },
    initial={"w": lambda p: np.linspace(0.1, 0.2, p.n)},
    source=f"{BARS}: the cubic rule is found in fragments of the paper, its mean is derived",
    known=(
        known(
            "weight of the only input that is seen, of excess kurtosis -1.2",
            2.3994 / np.sqrt(1.8),
            lambda ax, s: ax.simulate(s, 20.0, sample="end", rtol=1e-10).w[0, 0],
            rtol=1e-6,
            source="closed form: w^2 sigma^2 = x0^2 / (3 + K)",
        ),
        known(
            "growth rate of the other weight there",
            2.3994**2 * -1.2 / 1.8,
            lambda ax, s: s.jacobian([2.3994 / np.sqrt(1.8), 0.0])[1, 1],
            rtol=1e-12,
            source="closed form: x0^2 K / (3 + K), stable for K < 0 alone",
        ),
        known(
            "its growth rate where the seen input has excess kurtosis 3",
            2.3994**2 * 3 / 6,
            lambda ax, s: s.with_parameters(kurtosis=[3.0, 3.0]).jacobian([2.3994 / np.sqrt(6.0), 0.0])[1, 1],
            rtol=1e-12,
            source="the same",
        ),
        known(
            "weight of each of two inputs of excess kurtosis 3",
            2.3994 / 3,
            lambda ax, s: ax.simulate(s.with_parameters(kurtosis=[3.0, 3.0]), 200.0, sample="end", rtol=1e-10).w[0, 1],
            rtol=1e-6,
            source="closed form: w^2 sigma^2 = x0^2 / (6 + K)",
        ),
    ),
)
def averaged_hebbian(t, s, p):
    """Mean of the cubic rule x (x0^2 - x^2) (y - <y>) over independent symmetric inputs.

    w are the weights, time is in units of the inverse learning rate. The cubic rule resembles that of `fisher_hebbian`
    and is exact for a neuron whose rate is an error function of x. One input alone is seen in a stable state if its
    excess kurtosis is negative; inputs of positive excess kurtosis are mixed; for Gaussian inputs of equal variance all
    directions are alike.
    """
    flux = (s.w * p.sigma) ** 2
    return {"w": s.w * p.sigma**2 * (p.x0**2 - 3 * jnp.sum(flux) - p.kurtosis * flux)}
