"""Rate networks whose inhibitory synapses have short-term plasticity (STSP).

A synapse releases transmitter in proportion to its activity y, to u (the calcium in the presynaptic terminal,
1 at rest) and to phi (the reservoir of vesicles, 1 when full): its effective activity is u phi y. Both
variables belong to the presynaptic neuron. Two rules for them, `full_depletion` and `tsodyks_markram`, serve
any network.

The neurons obey, with rates y = logistic(a (x - b)),

    tau_x x_i' = -x_i + sum_j w_ij y_j + sum_j z_ij u_j phi_j y_j
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid

from ...engine import coupling
from ...engine.declaration import known, parameter, uniform
from ...engine.system import flow
from .._measures import period

STSP = (
    "full-depletion model of L. Martin, B. Sandor, C. Gros, Front. Neurorobot. 10, 12 (2016); "
    "weights and time constants of E. Varriale's and C. Gros's notes on networks of cliques"
)
CLIQUE_NOTES = "notes of E. Varriale and C. Gros on networks of cliques"
OWN = "own computation"
MARKRAM = "M. Tsodyks, H. Markram, PNAS 94, 719 (1997); A. Gupta, Y. Wang, H. Markram, Science 287, 273 (2000)"


def full_depletion(u, phi, y, U_max, T_u, T_phi):
    """Time derivatives of u and phi: at full activity, y = 1, the reservoir empties completely.

    u relaxes within ``T_u`` to 1 + (U_max - 1) y, phi within ``T_phi`` to 1 - u y / U_max. For rates in [0, 1]
    u stays in [1, U_max] and phi in [0, 1].

    Parameters
    ----------
    u, phi, y : array
        Calcium, reservoir, rate of each presynaptic neuron.
    U_max, T_u, T_phi : float
        Largest u, time constants.

    Returns
    -------
    du, dphi : array
    """
    return (1 + (U_max - 1) * y - u) / T_u, (1 - u * y / U_max - phi) / T_phi


def tsodyks_markram(u, phi, y, U, alpha, T_u, T_phi):
    """Time derivatives of u and phi: the rates at which activity drives them are proportional to y.

    u recovers to 1 within ``T_u`` and is driven towards ``U`` at the rate ``alpha`` y; phi recovers to 1
    within ``T_phi`` and is used up at the rate ``alpha`` u y.

    Parameters
    ----------
    u, phi, y : array
        Calcium, reservoir, rate of each presynaptic neuron.
    U, alpha, T_u, T_phi : float
        Largest u, release rate (inverse time), time constants.

    Returns
    -------
    du, dphi : array
    """
    return (1 - u) / T_u + alpha * (U - u) * y, (1 - phi) / T_phi - alpha * phi * u * y


def clique_weights(cliques, n=None):
    """Weights of a network that stores cliques: sets of neurons that excite each other and inhibit all others.

    Parameters
    ----------
    cliques : sequence of sequences of int
        Numbers of the neurons of each clique, at least 2; cliques may overlap.
    n : int
        Number of neurons (default: up to the last that belongs to a clique).

    Returns
    -------
    dict
        ``{"n": ..., "w": ..., "z": ...}``, for ``with_parameters``: w is 1 / (s - 1) between neurons that share a
        clique (of s neurons, the smallest that they share), z is -1 / s between all others, for the mean size s.
    """
    n = 1 + max(map(max, cliques)) if n is None else n
    w = np.zeros((n, n))
    for clique in sorted(cliques, key=len, reverse=True):
        w[np.ix_(clique, clique)] = 1 / (len(clique) - 1)
    np.fill_diagonal(w, 0.0)
    z = np.where((w == 0) & ~np.eye(n, dtype=bool), -1 / np.mean([len(c) for c in cliques]), 0.0)
    return {"n": n, "w": w, "z": z}


def random_weights(n, links, seed=0):
    """Weights of a random symmetric network: ``links`` neurons excite each one on average, all others inhibit it.

    Excitation and inhibition are of strength 1 / ``links``, as in `clique_weights`; returned as there.
    """
    w = _random_links(n, links, seed) / links
    z = np.where((w == 0) & ~np.eye(n, dtype=bool), -1.0 / links, 0.0)
    return {"n": n, "w": w, "z": z}


def _random_links(n, links, seed=0):
    upper = np.triu(np.random.default_rng(seed).random((n, n)) < links / (n - 1), 1)
    return (upper | upper.T).astype(float)


def _sparse(links):
    after, before = np.nonzero(links)
    return coupling.edges(before, after, shape=len(links))


NEURON = {
    "a": parameter(10.0, "", "gain: slope of the rate function"),
    "b": parameter(0.0, "", "threshold of the rate function"),
    "tau_x": parameter(20.0, "ms", "membrane time constant"),
}
DEPLETION = {
    "U_max": parameter(4.0, "", "largest calcium level u"),
    "T_u": parameter(30.0, "ms", "time constant of the calcium level u"),
    "T_phi": parameter(60.0, "ms", "time constant of the vesicle reservoir phi"),
}
GABA = {
    "U": parameter(4.0, "", "calcium level u that sustained activity drives towards"),
    "alpha": parameter(0.01, "1/ms", "release rate"),
    "T_u": parameter(21.0, "ms", "recovery time of the calcium level u"),
    "T_phi": parameter(706.0, "ms", "recovery time of the vesicle reservoir phi"),
}
START = {"x": uniform(-1.0, 1.0), "u": 1.0, "phi": 1.0}


def rate(t, s, p):
    """Rate of each neuron, logistic(a (x - b))."""
    return sigmoid(p.a * (s.x - p.b))


def largest_rate(t, s, p):
    """Rate of the most active neuron: the same for all patterns that only differ by a rotation."""
    return jnp.max(rate(t, s, p))


def _ring_excitation(p):
    i = np.arange(p.n)
    return 0.4 * _neighbours(i)


def _ring_inhibition(p):
    i = np.arange(p.n)
    return -1.0 * ~(_neighbours(i) | np.eye(p.n, dtype=bool))


def _neighbours(i):
    distance = (i[:, None] - i) % len(i)
    return (distance == 1) | (distance == len(i) - 1)


WEIGHTS = {
    "n": parameter(6, "", "number of neurons"),
    "w": parameter(_ring_excitation, "", "excitatory weight from neuron j to neuron i, w[i, j] (default: ring)"),
    "z": parameter(
        _ring_inhibition, "", "weight of the plastic synapse from neuron j to neuron i, z[i, j] (default: ring)"
    ),
}


@flow(
    state={"x": ("n",), "u": ("n",), "phi": ("n",)},
    parameters={**WEIGHTS, **NEURON, **DEPLETION},
    initial=START,
    observables={"y": rate},
    time_unit="ms",
    source=STSP,
    known=(
        known(
            "rate of all neurons at gain 1 in a ring of six (w = 0.4, z = -1)",
            0.2625,
            lambda ax, s: ax.simulate(s.with_parameters(a=1.0), 2000.0, sample="end").y.mean(),
            atol=1e-4,
            source=CLIQUE_NOTES,
        ),
    ),
)
def stsp_network(t, s, p):
    """Rate network with constant excitatory and plastic inhibitory weights, full-depletion rule.

    x is the membrane potential, u the calcium level, phi the vesicle reservoir of each neuron; time is in ms.
    The default weights are those of `stsp_ring`; any (n, n) arrays ``w`` and ``z`` may take their place.
    """
    y = rate(t, s, p)
    du, dphi = full_depletion(s.u, s.phi, y, p.U_max, p.T_u, p.T_phi)
    return {"x": (-s.x + p.w @ y + p.z @ (s.u * s.phi * y)) / p.tau_x, "u": du, "phi": dphi}


@flow(
    state={"x": ("n",), "u": ("n",), "phi": ("n",)},
    parameters={
        **WEIGHTS,
        **NEURON,
        **GABA,
    },
    initial=START,
    observables={"y": rate},
    time_unit="ms",
    source=MARKRAM,
    known=(
        known(
            "calcium level at sustained rate 1",
            (1 + 0.01 * 21 * 4) / (1 + 0.01 * 21),
            lambda ax, s: _clamped(ax, s).u.mean(),
            rtol=1e-6,
            source="closed form: (1 + alpha T_u U) / (1 + alpha T_u)",
        ),
        known(
            "reservoir at sustained rate 1",
            0.0852,
            lambda ax, s: _clamped(ax, s).phi.mean(),
            atol=5e-5,
            source="closed form: 1 / (1 + alpha u T_phi)",
        ),
    ),
)
def tsodyks_markram_network(t, s, p):
    """Rate network as `stsp_network`, with the rule of Tsodyks and Markram and GABA (F2) time constants."""
    y = rate(t, s, p)
    du, dphi = tsodyks_markram(s.u, s.phi, y, p.U, p.alpha, p.T_u, p.T_phi)
    return {"x": (-s.x + p.w @ y + p.z @ (s.u * s.phi * y)) / p.tau_x, "u": du, "phi": dphi}


def _clamped(ax, system):
    return ax.simulate(system.with_parameters(b=-100.0), 4000.0, sample="end")


@flow(
    state={"x": ("n",), "u": ("n",), "phi": ("n",)},
    parameters={
        "n": parameter(6, "", "number of neurons in the ring, at least 3"),
        "w": parameter(0.4, "", "excitatory weight between nearest neighbours"),
        "z": parameter(-1.0, "", "weight of the plastic inhibition between all other pairs"),
        **NEURON,
        **DEPLETION,
    },
    initial=START,
    observables={"y": rate, "y_max": largest_rate},
    time_unit="ms",
    source=STSP,
    known=(
        known(
            "rate of all neurons at gain 1",
            0.2625,
            lambda ax, s: ax.simulate(s.with_parameters(a=1.0), 2000.0, sample="end").y.mean(),
            atol=1e-4,
            source=CLIQUE_NOTES,
        ),
        known(
            "change of x in the sixth second at gain 5",
            0.0,
            lambda ax, s: _drift(ax, s.with_parameters(a=5.0)),
            atol=1e-6,
            source=CLIQUE_NOTES,
        ),
        *(
            known(
                f"period of the cycle at gain {a}, in ms",
                value,
                lambda ax, s, a=a: _period(ax, s.with_parameters(a=a)),
                atol=10.0,
                source=OWN,
            )
            for a, value in ((8.0, 851.0), (10.0, 650.0))
        ),
    ),
)
def stsp_ring(t, s, p):
    """Ring of neurons: nearest neighbours excite each other, all other pairs inhibit through plastic synapses.

    x is the membrane potential, u the calcium level, phi the vesicle reservoir of each neuron; time is in ms.
    As an active group of neighbours exhausts its inhibition of the others, the next group takes over: above a
    gain of about 7 the activity cycles, below it freezes.
    """
    y = rate(t, s, p)
    released = s.u * s.phi * y
    others = jnp.sum(released) - released - _both_sides(released)
    du, dphi = full_depletion(s.u, s.phi, y, p.U_max, p.T_u, p.T_phi)
    return {"x": (-s.x + p.w * _both_sides(y) + p.z * others) / p.tau_x, "u": du, "phi": dphi}


@flow(
    state={"x": ("n",), "u": ("n",), "phi": ("n",)},
    parameters={
        "n": parameter(60, "", "number of neurons"),
        "links": parameter(6, "", "number of neurons that excite each one, on average"),
        "linked": parameter(
            lambda p: _sparse(_random_links(p.n, p.links)), "", "which neurons excite each other (a random graph)"
        ),
        "w": parameter(1.0, "", "sum of the excitatory weights of a neuron with as many links as the average"),
        "z": parameter(-1.0, "", "weight of the plastic inhibition of all other pairs, times links"),
        **NEURON,
        **DEPLETION,
    },
    initial=START,
    observables={"y": rate, "y_mean": lambda t, s, p: jnp.mean(rate(t, s, p))},
    time_unit="ms",
    source=STSP,
    known=(
        known(
            "mean number of links",
            6.0,
            lambda ax, s: s.parameters["linked"].value.to_scipy().nnz / 60,
            atol=0.6,
            source="by construction: a random graph",
        ),
        known(
            "change of x in the sixth second at gain 1",
            0.0,
            lambda ax, s: _drift(ax, s.with_parameters(a=1.0)),
            atol=1e-6,
            source=CLIQUE_NOTES,
        ),
        known(
            "smallest rate of those with a link at w = 3, if all are active at first and their reservoirs exhausted",
            1.0,
            lambda ax, s: _exhausted(ax, s.with_parameters(w=3.0)),
            atol=0.01,
            source="closed form: at full rate phi = 0, so that x = w times the number of links over its mean",
        ),
        known(
            "number of neurons that are active at some time within 10 s, w = 2",
            20,
            lambda ax, s: (_late(ax, s.with_parameters(w=2.0)) > 0.7).any(axis=0).sum(),
            atol=2,
            source=OWN,
        ),
    ),
)
def stsp_random_network(t, s, p):
    """Random network: neurons that are linked excite each other, all other pairs inhibit through plastic synapses.

    x is the membrane potential, u the calcium level, phi the vesicle reservoir of each neuron; time is in ms. At
    high gain overlapping groups of linked neurons take turns; at low gain the activity freezes.
    """
    y = rate(t, s, p)
    released = s.u * s.phi * y
    others = jnp.sum(released) - released - p.linked @ released
    du, dphi = full_depletion(s.u, s.phi, y, p.U_max, p.T_u, p.T_phi)
    return {"x": (-s.x + (p.w * (p.linked @ y) + p.z * others) / p.links) / p.tau_x, "u": du, "phi": dphi}


def _exhausted(ax, system):
    full = ax.simulate(system.with_initial(x=1.0, u=4.0, phi=0.0), 3000.0, sample="end").y[0]
    return full.values[_random_links(60, 6).any(axis=0)].min()


def _late(ax, system):
    return ax.simulate(system, 20_000.0, transient=10_000.0, sample=5.0, seed=1).y.values


def _drift(ax, system):
    x = ax.simulate(system, 6000.0, transient=5000.0, rtol=1e-9, atol=1e-12).x.values
    return np.ptp(x, axis=0).max()


def _period(ax, system):
    return period(ax.simulate(system, 12_000.0, transient=6000.0, sample=1.0, rtol=1e-8).x[:, 0])


def _both_sides(v):
    return jnp.roll(v, 1) + jnp.roll(v, -1)


CLIQUES = {
    "n_c": parameter(8, "", "number of cliques in the ring, at least 3"),
    "s_c": parameter(7, "", "number of neurons in a clique, at least 2"),
}


@flow(
    state={"x": ("n_c", "s_c"), "u": ("n_c", "s_c"), "phi": ("n_c", "s_c")},
    parameters={**CLIQUES, **NEURON, **DEPLETION},
    initial=START,
    observables={"y": rate},
    time_unit="ms",
    source=STSP,
    known=(
        known(
            "number of cliques that win within 50 s",
            8,
            lambda ax, s: _winners(ax, s).any(axis=0).sum(),
            source=CLIQUE_NOTES,
        ),
        known(
            "fraction of time with exactly one winner",
            0.965,
            lambda ax, s: (_winners(ax, s).sum(axis=1) == 1).mean(),
            atol=0.02,
            source=OWN,
        ),
        known(
            "changes of the winner in a second",
            3.85,
            lambda ax, s: _switches(_winners(ax, s)) / 45.0,
            atol=0.55,
            source=OWN,
        ),
        known(
            "largest change of a rate in the last 10 s of 50 s at gain 5 (frozen)",
            0.0,
            lambda ax, s: np.ptp(_rates(ax, s.with_parameters(a=5.0))[-2000:], axis=0).max(),
            atol=1e-6,
            source=CLIQUE_NOTES,
        ),
    ),
)
def stsp_clique_ring(t, s, p):
    """Ring of cliques: excitation within a clique, plastic inhibition (full depletion) between cliques.

    x is the membrane potential, u the calcium level, phi the vesicle reservoir, by clique and neuron; time is
    in ms. Neurons of a clique excite each other with weight 1 / (s_c - 1); the last neuron of a clique and the
    first of the next one excite each other with 1 / s_c; every other pair inhibits with -1 / s_c through
    plastic synapses. At high gain the cliques win one after the other.
    """
    y = rate(t, s, p)
    du, dphi = full_depletion(s.u, s.phi, y, p.U_max, p.T_u, p.T_phi)
    return {"x": (-s.x + _clique_input(y, s.u * s.phi * y)) / p.tau_x, "u": du, "phi": dphi}


@flow(
    state={"x": ("n_c", "s_c"), "u": ("n_c", "s_c"), "phi": ("n_c", "s_c")},
    parameters={
        **CLIQUES,
        "s_c": parameter(6, "", "number of neurons in a clique, at least 2"),
        **NEURON,
        "a": parameter(10.8, "", "gain: slope of the rate function"),
        **GABA,
        "U": parameter(10.0, "", "calcium level u that sustained activity drives towards"),
    },
    initial=START,
    observables={"y": rate},
    time_unit="ms",
    source=f"{MARKRAM}; ring of cliques as in {CLIQUE_NOTES}",
    known=(
        known(
            "number of cliques that win within 50 s",
            8,
            lambda ax, s: _winners(ax, s).any(axis=0).sum(),
            source=OWN,
        ),
        known(
            "largest change of a rate in the last 10 s of 50 s at U = 4 (frozen)",
            0.0,
            lambda ax, s: np.ptp(_rates(ax, s.with_parameters(U=4.0))[-2000:], axis=0).max(),
            atol=1e-6,
            source=OWN,
        ),
    ),
)
def tsodyks_markram_clique_ring(t, s, p):
    """Ring of cliques as `stsp_clique_ring`, with the rule of Tsodyks and Markram and GABA (F2) time constants.

    The cliques win one after the other if U is large enough, between 4 and 8 for eight cliques of six.
    """
    y = rate(t, s, p)
    du, dphi = tsodyks_markram(s.u, s.phi, y, p.U, p.alpha, p.T_u, p.T_phi)
    return {"x": (-s.x + _clique_input(y, s.u * s.phi * y)) / p.tau_x, "u": du, "phi": dphi}


def _clique_input(y, released):
    s_c = y.shape[1]
    excitation = (jnp.sum(y, axis=1, keepdims=True) - y) / (s_c - 1) + _linked(y) / s_c
    others = jnp.sum(released) - jnp.sum(released, axis=1, keepdims=True) - _linked(released)
    return excitation - others / s_c


def _linked(v):
    """At the ends of each clique the value at the linked end of the neighbouring clique, elsewhere 0."""
    before, after = jnp.roll(v[:, -1:], 1, axis=0), jnp.roll(v[:, :1], -1, axis=0)
    return jnp.concatenate([before, jnp.zeros((v.shape[0], v.shape[1] - 2)), after], axis=1)


def _rates(ax, system):
    """Rates every 5 ms from 5 s to 50 s."""
    return ax.simulate(system, 50_000.0, transient=5000.0, sample=5.0, method="rk4", dt=1.0).y.values


def _winners(ax, system):
    """Whether the mean rate of each clique is above 0.7, every 5 ms."""
    return _rates(ax, system).mean(axis=2) > 0.7


def _switches(winners):
    """Number of times at which another clique than before becomes the only winner."""
    only = winners[winners.sum(axis=1) == 1].argmax(axis=1)
    return np.count_nonzero(np.diff(only))
