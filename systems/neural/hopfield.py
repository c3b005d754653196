"""Associative memories: Hopfield networks and modern (dense) Hopfield networks, as flows and as maps."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.nn import logsumexp, softmax

from ...engine.declaration import known, parameter
from ...engine.system import flow, map

HOPFIELD = "J. J. Hopfield, PNAS 79, 2554 (1982)"
GRADED = "J. J. Hopfield, PNAS 81, 3088 (1984)"
MODERN = "H. Ramsauer et al., Hopfield Networks is All You Need, ICLR 2021"
MAGNETISATION = 0.8585598

SIGNS = {
    "N": parameter(60, "", "number of neurons"),
    "K": parameter(3, "", "number of patterns"),
    "xi": parameter(lambda p: random_signs(p.K, p.N), "", "patterns of -1 and 1, xi[k, i]"),
}
VECTORS = {
    "d": parameter(16, "", "number of components"),
    "K": parameter(24, "", "number of patterns"),
    "X": parameter(lambda p: random_vectors(p.K, p.d), "", "patterns X[k, i]"),
    "beta": parameter(1.0, "", "inverse temperature: how sharply the nearest pattern is preferred"),
}


def random_signs(K, N, seed=0):
    """``K`` random patterns of -1 and 1, shape (K, N)."""
    return np.random.default_rng(seed).choice([-1.0, 1.0], (K, N))


def random_vectors(K, d, seed=0):
    """``K`` random patterns of length sqrt(d), shape (K, d)."""
    X = np.random.default_rng(seed).normal(size=(K, d))
    return X * np.sqrt(d) / np.linalg.norm(X, axis=1, keepdims=True)


def _near_the_first(p):
    """The first pattern with a tenth of the signs turned."""
    turned = np.arange(p.N) < p.N // 10
    return np.where(turned, -1.0, 1.0) * random_signs(p.K, p.N)[0]


def _cue(p):
    return random_vectors(p.K, p.d)[0] + np.random.default_rng(1).normal(0.0, 0.3, p.d)


def _field(y, xi):
    """Hebbian weights sum_k xi_i^k xi_j^k / N without self-coupling, times y."""
    K, N = xi.shape
    return (xi.T @ (xi @ y) - K * y) / N


def _rates(t, s, p):
    return jnp.tanh(p.beta * s.x)


def _graded_overlap(t, s, p):
    return p.xi @ _rates(t, s, p) / p.N


def _graded_energy(t, s, p):
    y = _rates(t, s, p)
    entropy = ((1 + y) * jnp.log1p(y) + (1 - y) * jnp.log1p(-y)) / 2
    return -y @ _field(y, p.xi) / 2 + jnp.sum(entropy) / p.beta


@flow(
    state={"x": ("N",)},
    parameters={**SIGNS, "beta": parameter(4.0, "", "gain: slope of the rates")},
    initial={"x": _near_the_first},
    observables={"m": _graded_overlap, "E": _graded_energy},
    source=GRADED,
    known=(
        known(
            "overlap with a single pattern at gain 1.5, in the limit of many neurons",
            MAGNETISATION,
            lambda ax, s: _one_pattern(ax, s.with_parameters(beta=1.5 * 60 / 59)),
            atol=1e-5,
            source="closed form: m = tanh(beta m), beta corrected for the missing self-coupling",
        ),
        known(
            "growth rate of a single pattern from rest at the critical gain",
            0.0,
            lambda ax, s: np.linalg.eigvalsh(s.with_parameters(K=1, beta=60 / 59).jacobian(np.zeros(60))).max(),
            atol=1e-12,
            source="closed form: beta (1 - 1 / N) = 1",
        ),
        known(
            "overlap with the first pattern after a cue with a tenth of the signs turned",
            1.0,
            lambda ax, s: ax.simulate(s, 40.0, sample="end").m[0, 0],
            atol=0.02,
            source="Hopfield 1984: patterns are attractors while they are few",
        ),
    ),
)
def hopfield_network(t, s, p):
    """Graded neurons with Hebbian weights: stored patterns are attractors of a flow that never increases its energy E.

    x are the potentials, m the overlaps of the rates tanh(beta x) with the patterns. The weights are applied pattern by
    pattern, never formed.
    """
    return {"x": -s.x + _field(_rates(t, s, p), p.xi)}


def _one_pattern(ax, system):
    one = system.with_parameters(K=1)
    return ax.simulate(one, 80.0, sample="end").m[0, 0]


@map(
    state={"y": ("N",)},
    parameters={**SIGNS, "N": parameter(200, "", "number of neurons"), "K": parameter(10, "", "number of patterns")},
    initial={"y": _near_the_first},
    observables={"m": lambda t, s, p: p.xi @ s.y / p.N},
    source=f"{HOPFIELD}, all neurons at once (W. A. Little, Math. Biosci. 19, 101, 1974)",
    known=(
        known(
            "overlap with the first pattern, 10 patterns of 200 neurons",
            1.0,
            lambda ax, s: ax.simulate(s, 10).m[-1, 0],
            atol=0.02,
            source="retrieval below the capacity of 0.138 patterns per neuron (Amit, Gutfreund, Sompolinsky 1985)",
        ),
        known(
            "overlap with 80 patterns of 200 neurons, far above the capacity",
            0.35,
            lambda ax, s: ax.simulate(s.with_parameters(K=80), 200, transient=100).m[:, 0].mean(),
            atol=0.2,
            source="what remains of the cue, about 0.35 (Amit, Gutfreund, Sompolinsky 1985, recollected)",
        ),
    ),
)
def hopfield_map(t, s, p):
    """Binary neurons with Hebbian weights, updated together: y -> sign(W y).

    y are the neurons, -1 or 1, m the overlaps with the patterns. Orbits end in a fixed point or a cycle of length two.
    """
    return {"y": jnp.where(_field(s.y, p.xi) >= 0, 1.0, -1.0)}


def _attended(s, p):
    return softmax(p.beta * (p.X @ s.x)) @ p.X


def _modern_energy(t, s, p):
    largest = jnp.max(jnp.sum(p.X**2, axis=1))
    return -logsumexp(p.beta * (p.X @ s.x)) / p.beta + (s.x @ s.x + largest) / 2 + np.log(p.K) / p.beta


def _similarity(t, s, p):
    """Cosine of the angles between the state and the patterns."""
    return p.X @ s.x / (jnp.sqrt(jnp.sum(p.X**2, axis=1)) * jnp.sqrt(s.x @ s.x))


MODERN_MEMORY = {
    "state": {"x": ("d",)},
    "parameters": VECTORS,
    "initial": {"x": _cue},
    "observables": {"similarity": _similarity, "E": _modern_energy},
    "source": MODERN,
}


def _pair(system, beta):
    """A memory of one pattern of length 1 and its negative: x = m X with m = tanh(beta m)."""
    one = np.zeros((2, 16))
    one[:, 0] = 1.0, -1.0
    return system.with_parameters(K=2, X=one, beta=beta).with_initial(x=0.1 * np.eye(16)[0])


@flow(
    **MODERN_MEMORY,
    known=(
        known(
            "state for one pattern of length 1 and its negative at beta = 1.5",
            MAGNETISATION,
            lambda ax, s: ax.simulate(_pair(s, 1.5), 80.0, sample="end", rtol=1e-9).x[0, 0],
            atol=1e-6,
            source="closed form: m = tanh(beta m)",
        ),
        known(
            "its growth rate from rest at beta = 1",
            0.0,
            lambda ax, s: np.linalg.eigvalsh(_pair(s, 1.0).jacobian(np.zeros(16))).max(),
            atol=1e-12,
            source="closed form: pitchfork at beta = 1",
        ),
        known(
            "similarity with the first of 24 patterns after a noisy cue",
            1.0,
            lambda ax, s: ax.simulate(s, 20.0, sample="end").similarity[0, 0],
            atol=1e-3,
            source=f"{MODERN}: patterns that are far apart are retrieved",
        ),
    ),
)
def modern_hopfield(t, s, p):
    """A memory that recalls by attention: the flow of x towards softmax(beta X x) X, a descent of the energy E.

    x is the state, X the patterns. For large beta patterns are attractors, up to exponentially many; for small beta all
    states flow to the mean of the patterns.
    """
    return {"x": _attended(s, p) - s.x}


@map(
    **MODERN_MEMORY,
    known=(
        known(
            "distance from the first of 24 patterns after one step from a noisy cue",
            0.0,
            lambda ax, s: float(np.linalg.norm(ax.simulate(s, 1).x[-1] - s.parameters["X"].value[0])),
            atol=0.02,
            source=f"{MODERN}: retrieval in one step",
        ),
        known(
            "largest deviation from the mean of all patterns at beta = 0.001",
            0.0,
            lambda ax, s: float(abs(ax.simulate(s.with_parameters(beta=0.001), 50).x[-1] - _mean(s)).max()),
            atol=0.02,
            source=f"{MODERN}: one global fixed point for small beta",
        ),
    ),
)
def modern_hopfield_map(t, s, p):
    """The update of `modern_hopfield` in one step: x -> softmax(beta X x) X."""
    return {"x": _attended(s, p)}


def _mean(system):
    return system.parameters["X"].value.mean(axis=0)
