"""Populations of excitatory and inhibitory neurons, described by their mean activities."""

from __future__ import annotations

import numpy as np

from ...engine.declaration import known, parameter, uniform
from ...engine.events import event
from ...engine.system import flow


@flow(
    state={"x": (), "y": ()},
    parameters={
        "a": parameter(10.0, "", "weight from excitatory to excitatory neurons"),
        "b": parameter(10.0, "", "weight from inhibitory to excitatory neurons"),
        "c": parameter(10.0, "", "weight from excitatory to inhibitory neurons"),
        "d": parameter(-2.0, "", "weight from inhibitory to inhibitory neurons"),
        "rho_x": parameter(-3.0, "", "input to excitatory neurons"),
        "rho_y": parameter(-5.0, "", "input to inhibitory neurons"),
    },
    initial={"x": 0.1, "y": 0.1},
    source=(
        "H. R. Wilson, J. D. Cowan, Biophys. J. 12, 1 (1972); without refractoriness, and with these weights: "
        "F. C. Hoppensteadt, E. M. Izhikevich, Weakly Connected Neural Networks (Springer 1997), Ch. 2"
    ),
    known=(
        known(
            "trace of the Jacobian at its Bogdanov-Takens point",
            0.0,
            lambda ax, s: np.trace(_bogdanov_takens(s)),
            atol=1e-12,
            source="closed form: 600 X^2 - 120 X + 1 = 0 for X = x (1 - x), and y (1 - y) = 1 - 5 X",
        ),
        known(
            "determinant of the Jacobian there",
            0.0,
            lambda ax, s: np.linalg.det(_bogdanov_takens(s)),
            atol=1e-12,
            source="the same",
        ),
    ),
)
def wilson_cowan(t, s, p):
    """Activities of an excitatory (x) and an inhibitory (y) population, in units of the membrane time constant."""
    import jax

    return {
        "x": -s.x + jax.nn.sigmoid(p.rho_x + p.a * s.x - p.b * s.y),
        "y": -s.y + jax.nn.sigmoid(p.rho_y + p.c * s.x - p.d * s.y),
    }


def _bogdanov_takens(system):
    """The Jacobian at the one of four Bogdanov-Takens points where both activities are low."""
    gain = (120 + np.sqrt(12000)) / 1200
    x, y = ((1 - np.sqrt(1 - 4 * each)) / 2 for each in (gain, 1 - 5 * gain))
    inputs = {"rho_x": np.log(x / (1 - x)) - 10 * x + 10 * y, "rho_y": np.log(y / (1 - y)) - 10 * x - 2 * y}
    return system.with_parameters(**inputs).jacobian([x, y])


def _rates(eta, J):
    """Stationary rates for D = 1, rising: v = -1 / (2 pi r) in 0 = v^2 + eta + J r - pi^2 r^2."""
    roots = np.roots([-(np.pi**2), J, eta, 0.0, 1 / (4 * np.pi**2)])
    return np.sort(roots[(abs(roots.imag) < 1e-9) & (roots.real > 0)].real)


def _folds(J):
    """Input eta at the folds for D = 1, rising: roots of 2 pi^2 r - J + 1 / (2 pi^2 r^3)."""
    roots = np.roots([4 * np.pi**4, -2 * np.pi**2 * J, 0.0, 0.0, 1.0])
    r = roots[(abs(roots.imag) < 1e-9) & (roots.real > 0)].real
    return np.sort(np.pi**2 * r**2 - J * r - 1 / (4 * np.pi**2 * r**2))


@flow(
    state={"r": (), "v": ()},
    parameters={
        "eta": parameter(-5.0, "", "centre of the distribution of inputs"),
        "D": parameter(1.0, "", "half width of that distribution (Lorentzian)"),
        "J": parameter(15.0, "", "weight of the synapses"),
    },
    initial={"r": 0.1, "v": -2.0},
    source="E. Montbrio, D. Pazo, A. Roxin, Phys. Rev. X 5, 021028 (2015), Eq. 12",
    known=(
        *(
            known(
                f"input at fold {k + 1} for J = 15",
                value,
                lambda ax, s, k=k: _special(ax, s, "LP")[k],
                rtol=1e-9,
                source="algebra: 2 pi^2 r - J + D^2 / (2 pi^2 r^3) = 0",
            )
            for k, value in enumerate(_folds(15.0))
        ),
        *(
            known(
                f"{name} at the cusp",
                value,
                lambda ax, s, name=name: _cusp(ax, s, name),
                rtol=1e-7,
                source="algebra: r = (3 D^2 / (4 pi^4))^(1/4), J = 8 pi^2 r / 3, eta = -sqrt(3) D",
            )
            for name, value in (("J", 7.796217037), ("eta", -np.sqrt(3.0)))
        ),
    ),
)
def quadratic_integrate_and_fire(t, s, p):
    """Infinitely many quadratic integrate-and-fire neurons, all connected: r the rate, v the mean potential.

    Exact for inputs of Lorentzian distribution; the unit of time is the membrane time constant. Low and high activity
    coexist between two folds, which meet in a cusp.
    """
    return {"r": p.D / np.pi + 2 * s.r * s.v, "v": s.v**2 + p.eta + p.J * s.r - np.pi**2 * s.r**2}


def _inputs(p):
    """Inputs of the neurons, and the potentials by which theirs are measured."""
    import jax.numpy as jnp

    eta = p.eta + p.D * jnp.tan(jnp.pi * ((jnp.arange(p.n) + 0.5) / p.n - 0.5))
    return eta, jnp.sqrt(jnp.maximum(1.0, jnp.abs(eta)))


def _mean_field(t, s, p):
    """pi r + i v = (1 - Z*) / (1 + Z*) with the mean Z of (1 + i V) / (1 - i V)."""
    import jax.numpy as jnp

    _, a = _inputs(p)
    below, above = jnp.cos(s.theta / 2), a * jnp.sin(s.theta / 2)
    square = below**2 + above**2
    x, y = jnp.mean((below**2 - above**2) / square), jnp.mean(2 * below * above / square)
    return (1 - x**2 - y**2) / ((1 + x) ** 2 + y**2), 2 * y / ((1 + x) ** 2 + y**2)


def _spiked(t, s, p, passed):
    import jax.numpy as jnp

    return {"theta": s.theta - 2 * jnp.pi * passed, "s": s.s + jnp.mean(passed) / p.tau_s}


@flow(
    state={"theta": ("n",), "s": ()},
    parameters={
        "n": parameter(1000, "", "number of neurons"),
        "eta": parameter(-5.0, "", "centre of the distribution of inputs"),
        "D": parameter(1.0, "", "half width of that distribution (Lorentzian)"),
        "J": parameter(15.0, "", "weight of the synapses"),
        "tau_s": parameter(0.02, "", "time constant of the synapses"),
    },
    initial={"theta": uniform(-np.pi, np.pi)},
    observables={
        "r": lambda t, s, p: _mean_field(t, s, p)[0] / np.pi,
        "v": lambda t, s, p: _mean_field(t, s, p)[1],
    },
    events={"spike": event(lambda t, s, p: s.theta - np.pi, direction="up", reset=_spiked)},
    source=(
        "E. Montbrio, D. Pazo, A. Roxin, Phys. Rev. X 5, 021028 (2015), Eqs. 1-3; "
        "in the phase theta of G. B. Ermentrout, N. Kopell, SIAM J. Appl. Math. 46, 233 (1986)"
    ),
    known=(
        known(
            "rate of 2000 neurons, high activity",
            _rates(-5.0, 15.0)[-1],
            lambda ax, s: _counted(ax, s),
            rtol=0.01,
            source="algebra: the mean field of infinitely many, 0 = D / pi + 2 r v = v^2 + eta + J r - (pi r)^2",
        ),
    ),
)
def theta_network(t, s, p):
    """Quadratic integrate-and-fire neurons, all connected: the network that `quadratic_integrate_and_fire` describes.

    A neuron's potential is V = a tan(theta / 2); it spikes where theta passes pi. Inputs are the quantiles of their
    distribution, and a is the root of a neuron's own, but at least 1, so that all phases move slowly. Spikes reach all
    neurons through the synaptic activation s. Observables: the rate r and the mean potential v. Take equal steps, such
    as ``dt=0.005``. The rate of n neurons is below that of infinitely many by 0.4 / sqrt(n), for their largest input is
    finite.
    """
    import jax.numpy as jnp

    eta, a = _inputs(p)
    c = jnp.cos(s.theta)
    return {"theta": a * (1 - c) + (1 + c) * (eta + p.J * s.s) / a, "s": -s.s / p.tau_s}


def _counted(ax, system):
    """Spikes per neuron and unit of time, after more input has woken them up."""
    network, how = system.with_parameters(n=2000), {"method": "rk4", "dt": 0.005, "sample": "end"}
    awake = ax.simulate(network.with_parameters(eta=-2.0), 10.0, record=("theta", "s"), **how)
    start = {name: awake[name].values[0] for name in ("theta", "s")}
    run = ax.simulate(network, 90.0, initial=start, transient=40.0, record=("s",), **how)
    return float(run.spike_count) / 2000 / 50.0


def _branch(ax, system):
    return ax.analysis.continue_fixed_points(system.with_parameters(eta=-12.0), "eta", (-12.0, 0.0))


def _special(ax, system, kind):
    return sorted(p.parameters["eta"] for p in _branch(ax, system).special(kind))


def _cusp(ax, system, name):
    start = _branch(ax, system).special("LP")[0]
    curve = ax.analysis.continue_bifurcation(system, start, {"eta": (-12.0, 0.0), "J": (5.0, 20.0)})
    return curve.special("CP")[0].parameters[name]
