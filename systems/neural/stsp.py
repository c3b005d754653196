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

from ...engine.declaration import known, parameter, uniform
from ...engine.system import flow
from .._measures import period

STSP = (
    "L. Martin, B. Sandor, C. Gros, Front. Neurorobot. 10, 12 (2016), full-depletion model; "
    "weights of the networks of the same group"
)
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
START = {"x": uniform(-1.0, 1.0), "u": 1.0, "phi": 1.0}


def rate(t, s, p):
    """Rate of each neuron, logistic(a (x - b))."""
    return sigmoid(p.a * (s.x - p.b))


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
    "z": parameter(_ring_inhibition, "", "weight of the plastic synapse from neuron j to neuron i, z[i, j] (default: ring)"),
}


@flow(
    state={"x": ("n",), "u": ("n",), "phi": ("n",)},
    parameters={**WEIGHTS, **NEURON, **DEPLETION},
    initial=START,
    observables={"y": rate},
    source=STSP,
    known=(
        known(
            "rate of all neurons at gain 1 in a ring of six (w = 0.4, z = -1)",
            0.2625,
            lambda ax, s: ax.simulate(s.with_parameters(a=1.0), 2000.0, sample="end").y.mean(),
            atol=1e-4,
            source="same group's notes on cliques of neurons with plastic inhibition",
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
        "U": parameter(4.0, "", "calcium level u that sustained activity drives towards"),
        "alpha": parameter(0.01, "1/ms", "release rate"),
        "T_u": parameter(21.0, "ms", "recovery time of the calcium level u"),
        "T_phi": parameter(706.0, "ms", "recovery time of the vesicle reservoir phi"),
    },
    initial=START,
    observables={"y": rate},
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
    observables={"y": rate},
    source=STSP,
    known=(
        known(
            "rate of all neurons at gain 1",
            0.2625,
            lambda ax, s: ax.simulate(s.with_parameters(a=1.0), 2000.0, sample="end").y.mean(),
            atol=1e-4,
            source="same group's notes on cliques of neurons with plastic inhibition",
        ),
        known(
            "change of x in the sixth second at gain 5",
            0.0,
            lambda ax, s: _drift(ax, s.with_parameters(a=5.0)),
            atol=1e-6,
            source="same notes: the activity freezes",
        ),
        *(
            known(
                f"period of the cycle at gain {a}, in ms",
                value,
                lambda ax, s, a=a: _period(ax, s.with_parameters(a=a)),
                atol=10.0,
                source="own computation; the same notes show transient states at gain 10",
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


def _drift(ax, system):
    x = ax.simulate(system, 6000.0, transient=5000.0, rtol=1e-9, atol=1e-12).x.values
    return np.ptp(x, axis=0).max()


def _period(ax, system):
    return period(ax.simulate(system, 12_000.0, transient=6000.0, sample=1.0, rtol=1e-8).x[:, 0])


def _both_sides(v):
    return jnp.roll(v, 1) + jnp.roll(v, -1)
