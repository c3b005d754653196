"""Attractor metadynamics: intrinsic plasticity moves and destroys the attractors of fast rate neurons.

Gain a and threshold b of each neuron adapt slowly such that the rate y comes to be distributed as
p(y) ~ exp(lambda1 y + lambda2 y^2) on [0, 1], by stochastic descent of the Kullback-Leibler divergence:

    x_i' = -Gamma x_i + sum_j w_ij y_j,      y_i = logistic(a_i (x_i - b_i))
    a_i' = eps_a (1 / a_i + (x_i - b_i) Theta_i),      b_i' = -eps_b a_i Theta_i
    Theta = 1 - 2 y + (lambda1 + 2 lambda2 y) y (1 - y)

``system.freeze("a", "b")`` is the fast subsystem, whose attractors are the adiabatic attractors.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid

from ...engine.declaration import known, parameter
from ...engine.system import flow
from .._measures import crossings, leading_eigenvalue, maxima, period

GROS = "C. Gros, M. Linkerhand, V. Walther, arXiv:1404.5417 (2014)"
OWN = "own computation: rk4 with small steps"


def intrinsic_plasticity(x, y, a, b, lambda1, lambda2):
    """Directions in which gain and threshold adapt to the target distribution of the rate.

    They are the derivatives by -a and -b of -ln y'(x) - lambda1 y - lambda2 y^2, whose mean is, up to a
    constant, the Kullback-Leibler divergence between the distribution of y and exp(lambda1 y + lambda2 y^2).

    Parameters
    ----------
    x, y, a, b : array
        Membrane potential, rate, gain, threshold of each neuron.
    lambda1, lambda2 : float
        Target distribution.

    Returns
    -------
    da, db : array
        To be multiplied by the rates of adaptation.
    """
    theta = 1 - 2 * y + (lambda1 + 2 * lambda2 * y) * y * (1 - y)
    return 1 / a + (x - b) * theta, -a * theta


PLASTICITY = {
    "Gamma": parameter(1.0, "", "leak rate of the membrane potential"),
    "eps_a": parameter(0.001, "", "rate of adaptation of the gain"),
    "eps_b": parameter(0.001, "", "rate of adaptation of the threshold"),
    "lambda1": parameter(0.0, "", "linear exponent of the target distribution of the rate"),
    "lambda2": parameter(0.0, "", "quadratic exponent of the target distribution of the rate"),
}


SITES = {
    "w12": parameter(1.0, "", "weight between sites 1 and 2, both ways"),
    "w23": parameter(1.0, "", "weight between sites 2 and 3, both ways"),
    "w13": parameter(-1.0, "", "weight between sites 1 and 3, both ways"),
}


def rate(t, s, p):
    """Rate of each neuron, logistic(a (x - b))."""
    return sigmoid(s.a * (s.x - s.b))


def _adapting(s, p, y, drive):
    da, db = intrinsic_plasticity(s.x, y, s.a, s.b, p.lambda1, p.lambda2)
    return {"x": -p.Gamma * s.x + drive, "a": p.eps_a * da, "b": p.eps_b * db}


@flow(
    state={"x": (), "a": (), "b": ()},
    parameters={"w": parameter(1.0, "", "weight of the neuron's synapse on itself"), **PLASTICITY},
    initial={"x": 0.3, "a": 4.8, "b": 0.3},
    observables={"y": rate},
    slow=("a", "b"),
    source=f"{GROS}, self-coupled neuron",
    known=(
        *(
            known(
                f"growth rate of y = 1/2 at gain {a:.4f}, where fixed gain has a Hopf bifurcation for eps_b = 0.01",
                0.0,
                lambda ax, s, a=a: (
                    leading_eigenvalue(_half_active(s.freeze("a").with_parameters(a=a, eps_b=0.01))).real
                ),
                atol=1e-12,
                source="closed form: roots of eps_b kappa q a^2 - w q a + Gamma, here 0.005 a^2 - a / 4 + 1",
            )
            for a in (25 - np.sqrt(425.0), 25 + np.sqrt(425.0))
        ),
        known(
            "slope of the fast subsystem at the fold of its fixed points, a = 4.8236 and b = 0.4756",
            0.0,
            lambda ax, s: _fast(s, 4.8236, _fold(4.8236)[1]).jacobian([_fold(4.8236)[0]])[0, 0],
            atol=1e-14,
            source="closed form: y (1 - y) = Gamma / (a w)",
        ),
        known(
            "x at the landing of the jump from the fold for a = 4.8236",
            0.8703,
            lambda ax, s: ax.simulate(_fast(s, 4.8236, _fold(4.8236)[1] - 1e-6), 8000.0, sample="end").x,
            atol=5e-5,
            source="closed form: the other root of x = w y / Gamma",
        ),
        known(
            "rate above the pitchfork of the fast subsystem, a = 4.01, b = 1/2",
            0.5 + np.sqrt(3 * 0.01) / 4,
            lambda ax, s: ax.simulate(_fast(s, 4.01, 0.5).with_initial(x=0.6), 8000.0, sample="end").y,
            atol=5e-4,
            source="expansion at a = 4: y = 1/2 +- sqrt(3 (a - 4)) / 4",
        ),
        *(
            known(
                f"{quantity} of the cycle at eps_a = eps_b = {eps}",
                value,
                lambda ax, s, eps=eps, measure=measure: measure(_cycle(ax, s.with_parameters(eps_a=eps, eps_b=eps))),
                rtol=0.01,
                source=OWN,
            )
            for quantity, measure, values in (
                ("period", lambda d: period(d.x, 0.5), {0.01: 17.89, 0.001: 78.18}),
                ("mean gain", lambda d: d.a.mean(), {0.01: 5.788, 0.001: 5.084}),
                ("largest threshold", lambda d: maxima(d.b).mean(), {0.01: 0.650, 0.001: 0.559}),
                ("smallest threshold", lambda d: -maxima(-d.b).mean(), {0.01: 0.350, 0.001: 0.441}),
                ("largest potential", lambda d: maxima(d.x).mean(), {0.01: 0.886, 0.001: 0.896}),
            )
            for eps, value in values.items()
        ),
        known(
            "squared gain at t = 1e4 without oscillation (eps_b = 0.05, eps_a = 0.01, a = 2 at first)",
            203.996,
            lambda ax, s: (
                ax.simulate(s.with_parameters(eps_a=0.01, eps_b=0.05).with_initial(a=2.0), 10_000.0, sample="end").a
                ** 2
            ),
            rtol=1e-3,
            source="closed form 4 + 2 eps_a t = 204; own computation",
        ),
    ),
)
def self_coupled_neuron(t, s, p):
    """One neuron that excites itself, with intrinsic plasticity: its attractors are born, move and vanish.

    x is the membrane potential, a the gain, b the threshold. At frozen (a, b) there are one or two stable
    states; the cusp lies at a = 4 Gamma / w, b = w / (2 Gamma). As the plasticity has no fixed point the
    state either oscillates, jumping between the two, or stays while the gain grows for ever: the latter
    where eps_b > w^2 q / (4 Gamma kappa), that is 1 / 32 for the uniform target.
    """
    y = rate(t, s, p)
    return _adapting(s, p, y, p.w * y)


def _half_active(system):
    return system.jacobian({"x": 0.5, "b": 0.5})


def _fast(system, a, b):
    return system.freeze("a", "b").with_parameters(a=a, b=b).with_initial(x=_fold(a)[0])


def _fold(a):
    """x and b at the lower fold for Gamma = w = 1."""
    y = (1 - np.sqrt(1 - 4 / a)) / 2
    return y, y - np.log(y / (1 - y)) / a


def _cycle(ax, system):
    return ax.simulate(system, 40_000.0, transient=39_000.0, sample=0.02, rtol=1e-8, atol=1e-10)


@flow(
    state={"x": (3,), "a": (3,), "b": (3,)},
    parameters={**SITES, **PLASTICITY},
    initial={"x": [0.9, 0.9, 0.1], "a": 5.0, "b": [0.1, 1.0, -0.1]},
    observables={"y": rate},
    slow=("a", "b"),
    source=f"{GROS}, three-site network",
    known=(
        *(
            known(
                f"{quantity} of the travelling wave at eps_a = eps_b = {eps}",
                value,
                lambda ax, s, eps=eps, measure=measure: measure(_wave(ax, s.with_parameters(eps_a=eps, eps_b=eps))),
                rtol=0.01,
                source=source,
            )
            for quantity, measure, values, source in (
                ("period", lambda d: period(d.y[:, 0], 0.5), {0.01: 16.9, 0.001: 60.1}, OWN),
                ("mean gain", lambda d: d.a.mean(), {0.01: 5.99, 0.001: 5.32}, OWN),
                (
                    "correlation of y_1 and y_3",
                    lambda d: _correlation(d),
                    {0.01: -0.5, 0.001: -0.5},
                    "exact: phases a third of a turn apart",
                ),
            )
            for eps, value in values.items()
        ),
        known(
            "growth rate of the linear mode with w = 1 at frozen a = 4 (pitchfork)",
            0.0,
            lambda ax, s: leading_eigenvalue(_balanced(s, 4.0)).real,
            atol=1e-12,
            source="closed form: eigenvalues 1, 1, -2 of w times a / 4, minus Gamma",
        ),
        known(
            "fastest decay at frozen a = 4",
            -3.0,
            lambda ax, s: min(np.linalg.eigvals(_balanced(s, 4.0)).real),
            rtol=1e-12,
            source="closed form: eigenvalues 1, 1, -2 of w times a / 4, minus Gamma",
        ),
    ),
)
def three_site_network(t, s, p):
    """Three sites in two exciting pairs, (1, 2) and (2, 3), that compete as 1 and 3 inhibit each other.

    x is the membrane potential, a the gain, b the threshold of each site. With the plasticity the activity
    travels around the sites. The exchange y_2 -> 1 - y_2 turns the network into a triangle of mutual
    inhibition, hence the symmetry of the triangle.
    """
    y = rate(t, s, p)
    return _adapting(s, p, y, _between_sites(y, p))


def _between_sites(y, p):
    return jnp.stack([p.w12 * y[1] + p.w13 * y[2], p.w12 * y[0] + p.w23 * y[2], p.w13 * y[0] + p.w23 * y[1]])


def _wave(ax, system):
    return ax.simulate(system, 40_000.0, transient=39_000.0, sample=0.05, rtol=1e-7, atol=1e-9)


def _correlation(data):
    times = crossings(data.y[:, 0], 0.5)
    y = data.y.sel(time=slice(times[0], times[-1]))
    return np.corrcoef(y[:, 0], y[:, 2])[0, 1]


def _balanced(system, a):
    """Jacobian of the fast subsystem where all rates are 1/2."""
    x = np.array([0.0, 1.0, 0.0])
    return system.freeze("a", "b").with_parameters(a=np.full(3, a), b=x).jacobian(x)


@flow(
    state={"x": (3,), "b": (3,)},
    parameters={
        **SITES,
        "Gamma": parameter(1.0, "", "leak rate of the membrane potential"),
        "a": parameter(4.5, "", "gain: slope of the rate function"),
        "eps": parameter(0.01, "", "rate of adaptation of the threshold"),
        "y_T": parameter(0.5, "", "target rate"),
    },
    initial={"x": [0.9, 0.9, 0.1], "b": [0.1, 1.0, -0.1]},
    observables={"y": lambda t, s, p: sigmoid(p.a * (s.x - s.b))},
    slow=("b",),
    source="H. Wernecke, B. Sandor, C. Gros, arXiv:1611.00174 (2016), reconstructed three-site network",
    known=(
        *(
            known(
                f"period of the travelling wave at eps = {eps}",
                2 * np.pi * np.sqrt((1 - eps) / eps),
                lambda ax, s, eps=eps: _switching_period(ax, s.with_parameters(eps=eps)),
                rtol=0.01,
                source="harmonic balance: 2 pi sqrt((1 - eps) / eps) for Gamma = w = 1",
            )
            for eps in (0.1, 0.03, 0.01, 0.003)
        ),
        *(
            known(
                f"period of the adiabatic switching at a = 10, eps = {eps}",
                value,
                lambda ax, s, eps=eps: _switching_period(ax, s.with_parameters(a=10.0, eps=eps)),
                rtol=0.01,
                source=OWN,
            )
            for eps, value in ((0.01, 106.0), (0.003, 366.0), (0.001, 1040.0))
        ),
    ),
)
def target_point_network(t, s, p):
    """Three-site network whose thresholds drive each rate to a target; the gain is fixed.

    x is the membrane potential, b the threshold of each site. The fast subsystem at frozen b has attractors,
    the target points, that the state pursues: closely where the adaptation is slow and the gain high (adiabatic
    switching, period ~ 1 / eps); at low gain it travels as a wave of period ~ 1 / sqrt(eps) independent of them.
    """
    y = sigmoid(p.a * (s.x - s.b))
    return {"x": -p.Gamma * s.x + _between_sites(y, p), "b": p.eps * (y - p.y_T)}


def _switching_period(ax, system):
    data = ax.simulate(system, 40_000.0, transient=20_000.0, sample=0.25, rtol=1e-8, atol=1e-10)
    return period(data.y[:, 0], 0.5)
