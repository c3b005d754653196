"""Single neurons that fire: FitzHugh-Nagumo, Morris-Lecar, Hodgkin-Huxley, Hindmarsh-Rose."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ...engine.declaration import known, parameter
from ...engine.system import flow

ALGEBRA = "algebra: trace of the Jacobian zero"
OWN = "own computation: continuation with exact derivatives"


def _point(ax, system, kind, number, bounds, **parameters):
    """The ``number``-th bifurcation of a kind that fixed points meet as the current I rises."""
    branch = ax.analysis.continue_fixed_points(system.with_parameters(I=bounds[0], **parameters), "I", bounds)
    points = sorted(branch.special(kind), key=lambda p: p.parameters["I"])
    return points[number]


def _current(ax, system, kind, number, bounds, **parameters):
    return _point(ax, system, kind, number, bounds, **parameters).parameters["I"]


@flow(
    state={"v": (), "w": ()},
    parameters={
        "I": parameter(0.5, "", "current"),
        "a": parameter(0.7, "", "offset of the recovery"),
        "b": parameter(0.8, "", "decay of the recovery"),
        "eps": parameter(0.08, "", "rate of the recovery"),
    },
    initial={"v": -1.0, "w": -0.5},
    slow=("w",),
    source="R. FitzHugh, Biophys. J. 1, 445 (1961); J. Nagumo, S. Arimoto, S. Yoshizawa, Proc. IRE 50, 2061 (1962)",
    known=(
        known(
            "current of the first Hopf bifurcation",
            0.331281337455,
            lambda ax, s: _current(ax, s.with_initial(v=-1.2, w=-0.6), "H", 0, (0.0, 2.0)),
            rtol=1e-9,
            source=f"{ALGEBRA}: v = -sqrt(1 - b eps)",
        ),
        known(
            "current of the second Hopf bifurcation",
            1.418718662545,
            lambda ax, s: _current(ax, s.with_initial(v=-1.2, w=-0.6), "H", 1, (0.0, 2.0)),
            rtol=1e-9,
            source=f"{ALGEBRA}: v = sqrt(1 - b eps)",
        ),
        known(
            "frequency there",
            0.275506805724,
            lambda ax, s: max(_point(ax, s.with_initial(v=-1.2, w=-0.6), "H", 0, (0.0, 2.0)).eigenvalues.imag),
            rtol=1e-9,
            source="algebra: sqrt(eps - (b eps)^2)",
        ),
        known(
            "whether the first Hopf bifurcation is subcritical",
            1.0,
            lambda ax, s: _point(ax, s.with_initial(v=-1.2, w=-0.6), "H", 0, (0.0, 2.0)).note.startswith("subcritical"),
            source=OWN,
        ),
    ),
)
def fitzhugh_nagumo(t, s, p):
    """An excitable neuron in two variables: v the potential, w its slow recovery.

    At rest for small currents, firing between two subcritical Hopf bifurcations.
    """
    return {"v": s.v - s.v**3 / 3 - s.w + p.I, "w": p.eps * (s.v + p.a - p.b * s.w)}


CLASS_1 = {"g_Ca": 4.0, "V3": 12.0, "V4": 17.4, "phi": 1 / 15}
"""Parameters of `morris_lecar` with which firing begins at frequency zero."""


@flow(
    state={"V": (), "w": ()},
    parameters={
        "I": parameter(100.0, "uA/cm^2", "current"),
        "C": parameter(20.0, "uF/cm^2", "capacitance"),
        "g_L": parameter(2.0, "mS/cm^2", "conductance of the leak"),
        "g_Ca": parameter(4.4, "mS/cm^2", "conductance of calcium"),
        "g_K": parameter(8.0, "mS/cm^2", "conductance of potassium"),
        "V_L": parameter(-60.0, "mV", "reversal potential of the leak"),
        "V_Ca": parameter(120.0, "mV", "reversal potential of calcium"),
        "V_K": parameter(-84.0, "mV", "reversal potential of potassium"),
        "V1": parameter(-1.2, "mV", "where half of the calcium channels are open"),
        "V2": parameter(18.0, "mV", "width of their activation"),
        "V3": parameter(2.0, "mV", "where half of the potassium channels are open"),
        "V4": parameter(30.0, "mV", "width of their activation"),
        "phi": parameter(0.04, "1/ms", "rate of the potassium channels"),
    },
    initial={"V": -30.0, "w": 0.1},
    time_unit="ms",
    source=(
        "C. Morris, H. Lecar, Biophys. J. 35, 193 (1981); parameters of J. Rinzel, B. Ermentrout, "
        "Methods in Neuronal Modeling (MIT Press 1989)"
    ),
    known=(
        *(
            known(
                f"current of Hopf bifurcation {number + 1}",
                value,
                lambda ax, s, number=number: _current(ax, s.with_initial(V=-60.0, w=0.01), "H", number, (0.0, 300.0)),
                atol=0.01,
                source="93.86 and 212.02: Rinzel and Ermentrout, recollected",
            )
            for number, value in ((0, 93.86), (1, 212.02))
        ),
        *(
            known(
                f"current of fold {number + 1} with the parameters of class 1",
                value,
                lambda ax, s, number=number: _current(
                    ax, s.with_initial(V=-60.0, w=0.001), "LP", number, (-50.0, 150.0), **CLASS_1
                ),
                atol=0.01,
                source="-9.95 and 39.96: Rinzel and Ermentrout, recollected",
            )
            for number, value in ((0, -9.95), (1, 39.96))
        ),
        known(
            "current of the Hopf bifurcation with the parameters of class 1",
            97.79,
            lambda ax, s: _current(ax, s.with_initial(V=-60.0, w=0.001), "H", 0, (-50.0, 150.0), **CLASS_1),
            atol=0.02,
            source="97.79: Rinzel and Ermentrout, recollected",
        ),
    ),
)
def morris_lecar(t, s, p):
    """A neuron with calcium and potassium currents: V the potential in mV, w the open fraction of potassium channels.

    With the default parameters firing begins at a finite frequency, at a subcritical Hopf bifurcation (class 2); with
    `CLASS_1` at frequency zero, on a fold whose invariant circle becomes the cycle.
    """
    calcium = 0.5 * (1 + jnp.tanh((s.V - p.V1) / p.V2))
    potassium = 0.5 * (1 + jnp.tanh((s.V - p.V3) / p.V4))
    rate = p.phi * jnp.cosh((s.V - p.V3) / (2 * p.V4))
    current = p.g_L * (s.V - p.V_L) + p.g_Ca * calcium * (s.V - p.V_Ca) + p.g_K * s.w * (s.V - p.V_K)
    return {"V": (p.I - current) / p.C, "w": rate * (potassium - s.w)}


def _linoid(x):
    """x / (exp(x) - 1), which is 1 at 0."""
    near = jnp.abs(x) < 1e-4
    away = jnp.where(near, 1.0, x)
    return jnp.where(near, 1 - x / 2 + x * x / 12, away / jnp.expm1(away))


@flow(
    state={"V": (), "m": (), "h": (), "n": ()},
    parameters={
        "I": parameter(10.0, "uA/cm^2", "current"),
        "C": parameter(1.0, "uF/cm^2", "capacitance"),
        "g_Na": parameter(120.0, "mS/cm^2", "conductance of sodium"),
        "g_K": parameter(36.0, "mS/cm^2", "conductance of potassium"),
        "g_L": parameter(0.3, "mS/cm^2", "conductance of the leak"),
        "V_Na": parameter(115.0, "mV", "reversal potential of sodium, from rest"),
        "V_K": parameter(-12.0, "mV", "reversal potential of potassium, from rest"),
        "V_L": parameter(10.599, "mV", "reversal potential of the leak, from rest"),
    },
    initial={"V": 0.0, "m": 0.053, "h": 0.596, "n": 0.318},
    time_unit="ms",
    source="A. L. Hodgkin, A. F. Huxley, J. Physiol. 117, 500 (1952), depolarisation positive, 6.3 degrees",
    known=(
        *(
            known(
                f"current of Hopf bifurcation {number + 1}",
                value,
                lambda ax, s, number=number: _current(ax, s, "H", number, (0.0, 200.0)),
                rtol=1e-3,
                source="9.78 and 154.5: J. Rinzel, R. N. Miller, Math. Biosci. 49, 27 (1980), recollected",
            )
            for number, value in ((0, 9.78), (1, 154.5))
        ),
        known(
            "whether the first Hopf bifurcation is subcritical",
            1.0,
            lambda ax, s: _point(ax, s, "H", 0, (0.0, 200.0)).note.startswith("subcritical"),
            source="Rinzel and Miller 1980, recollected",
        ),
        known(
            "potential at rest without current",
            0.0,
            lambda ax, s: ax.simulate(s.with_parameters(I=0.0), 200.0, sample="end", rtol=1e-9).V,
            atol=0.01,
            source="by construction: the leak is chosen so",
        ),
    ),
)
def hodgkin_huxley(t, s, p):
    """The giant axon of the squid: V the potential in mV from rest, m, h sodium and n potassium gates.

    Fires repetitively for currents above about 6.3, beside a state of rest that is stable up to 9.78; above 154.5 it
    rests again.
    """
    current = (
        p.g_Na * s.m**3 * s.h * (s.V - p.V_Na) + p.g_K * s.n**4 * (s.V - p.V_K) + p.g_L * (s.V - p.V_L)
    )  # fmt: skip
    rates = {
        "m": (_linoid((25 - s.V) / 10), 4 * jnp.exp(-s.V / 18)),
        "h": (0.07 * jnp.exp(-s.V / 20), 1 / (jnp.exp((30 - s.V) / 10) + 1)),
        "n": (0.1 * _linoid((10 - s.V) / 10), 0.125 * jnp.exp(-s.V / 80)),
    }
    gates = {name: up * (1 - s[name]) - down * s[name] for name, (up, down) in rates.items()}
    return {"V": (p.I - current) / p.C, **gates}


@flow(
    state={"x": (), "y": (), "z": ()},
    parameters={
        "I": parameter(3.25, "", "current"),
        "a": parameter(1.0, "", "strength of the cubic term"),
        "b": parameter(3.0, "", "strength of the quadratic term"),
        "c": parameter(1.0, "", "offset of the recovery"),
        "d": parameter(5.0, "", "strength of the recovery"),
        "r": parameter(0.006, "", "rate of the slow adaptation"),
        "s": parameter(4.0, "", "strength of the adaptation"),
        "x_R": parameter(-1.6, "", "potential of rest"),
    },
    initial={"x": -1.0, "y": -4.0, "z": 2.0},
    slow=("z",),
    source="J. L. Hindmarsh, R. M. Rose, Proc. R. Soc. Lond. B 221, 87 (1984)",
    known=(
        *(
            known(
                f"adaptation z at the fold of the fast subsystem at x = {x:.4g}",
                value,
                lambda ax, s, k=k: _fold(ax, s, k),
                rtol=1e-8,
                source="algebra: 3 x^2 + 4 x = 0, z = 1 + I - x^3 - 2 x^2",
            )
            for k, (x, value) in enumerate(((-4 / 3, 3.25 + 1 - 32 / 27), (0.0, 4.25)))
        ),
        known(
            "potential of the fixed point at I = 3.25",
            min(np.roots([1.0, 2.0, 4.0, 5.4 - 3.25]), key=lambda z: abs(z.imag)).real,
            lambda ax, s: ax.analysis.fixed_points(s, {"x": (-3, 3), "y": (-40, 2), "z": (-6, 20)}).x[0],
            rtol=1e-9,
            source="algebra: the root of x^3 + 2 x^2 + 4 x + 5.4 = I",
        ),
        known(
            "largest Lyapunov exponent at I = 3.25",
            0.0130,
            lambda ax, s: ax.analysis.lyapunov_spectrum(s, 1, t_total=40_000.0, transient=2000.0).exponents[0],
            atol=0.0015,
            source="own computation; irregular bursts as in the paper",
        ),
    ),
)
def hindmarsh_rose(t, s, p):
    """A neuron that bursts: x the potential, y the fast recovery, z the slow adaptation.

    At rest for small currents, then bursts of spikes, chaos near I = 3.25, single spikes beyond.
    """
    return {
        "x": s.y - p.a * s.x**3 + p.b * s.x**2 - s.z + p.I,
        "y": p.c - p.d * s.x**2 - s.y,
        "z": p.r * (p.s * (s.x - p.x_R) - s.z),
    }


def _fold(ax, system, k):
    fast = system.freeze("z").with_parameters(z=-5.0).with_initial(x=2.0, y=-19.0)
    branch = ax.analysis.continue_fixed_points(fast, "z", (-5.0, 10.0))
    return sorted(p.parameters["z"] for p in branch.special("LP"))[k]
