"""Chaotic and relaxation oscillators: the flows by which every method is measured first."""

from __future__ import annotations

import numpy as np

from ..engine.declaration import known, parameter
from ..engine.system import flow
from ._measures import leading_eigenvalue, maxima, period

OWN_TAYLOR = "own computation: Taylor series of order 30 with 40 digits (mpmath)"
OWN_SHOOTING = "own computation: shooting with DOP853 at rtol 1e-13 (SciPy)"


@flow(
    state={"x": (), "y": (), "z": ()},
    parameters={
        "sigma": parameter(10.0, "", "Prandtl number"),
        "rho": parameter(28.0, "", "Rayleigh number over its value at the onset of convection"),
        "beta": parameter(8 / 3, "", "geometry of the convection rolls, 4 / (1 + aspect ratio squared)"),
    },
    initial={"x": 0.0, "y": 1.0, "z": 0.0},
    source="E. N. Lorenz, J. Atmos. Sci. 20, 130 (1963), Eqs. 25-27",
    known=(
        known(
            "divergence, -(sigma + 1 + beta)",
            -41 / 3,
            lambda ax, s: np.trace(s.jacobian()),
            rtol=1e-14,
            source="Lorenz 1963, Sec. 6",
        ),
        known(
            "growth rate of the convecting state at its Hopf point rho = 470/19",
            0.0,
            lambda ax, s: _convection_eigenvalue(s.with_parameters(rho=470 / 19)).real,
            atol=1e-10,
            source="Lorenz 1963, Sec. 6: rho = sigma (sigma + beta + 3) / (sigma - beta - 1)",
        ),
        known(
            "angular frequency of the convecting state at its Hopf point",
            9.624530063715754,
            lambda ax, s: _convection_eigenvalue(s.with_parameters(rho=470 / 19)).imag,
            rtol=1e-12,
            source="closed form: sqrt(beta (sigma + rho)) at rho = 470/19",
        ),
        known(
            "growth rate of rest at the onset of convection, rho = 1",
            0.0,
            lambda ax, s: leading_eigenvalue(s.with_parameters(rho=1.0).jacobian([0.0, 0.0, 0.0])).real,
            atol=1e-12,
            source="Lorenz 1963, Sec. 6: pitchfork at rho = 1",
        ),
        known(
            "x at t = 10",
            -5.916618121743248,
            lambda ax, s: ax.simulate(s, 10.0, method="dop853", rtol=1e-12, atol=1e-12, sample="end").x,
            rtol=1e-7,
            source=OWN_TAYLOR,
        ),
        known(
            "mean of z",
            23.551,
            lambda ax, s: ax.simulate(s, 40_000.0, transient=20.0, sample=0.1, rtol=1e-8, atol=1e-8).z.mean(),
            atol=0.015,
            source="own computation: rk4 with dt = 0.002 over 2e5 time units, 23.551 +- 0.002",
        ),
    ),
)
def lorenz(t, s, p):
    """Thermal convection in three modes: the butterfly attractor.

    x is the strength of the convection roll, y the temperature difference between its rising and sinking
    sides, z the distortion of the vertical temperature profile. Symmetric under (x, y) -> (-x, -y).
    """
    return {
        "x": p.sigma * (s.y - s.x),
        "y": s.x * (p.rho - s.z) - s.y,
        "z": s.x * s.y - p.beta * s.z,
    }


def _convection_eigenvalue(system):
    p = system.parameters
    roll = np.sqrt(p["beta"].value * (p["rho"].value - 1))
    return leading_eigenvalue(system.jacobian([roll, roll, p["rho"].value - 1]))


@flow(
    state={"x": (), "y": (), "z": ()},
    parameters={
        "a": parameter(0.2, "", "growth of the spiral in the x-y plane"),
        "b": parameter(0.2, "", "feed of z"),
        "c": parameter(5.7, "", "value of x from which on z grows"),
    },
    initial={"x": 1.0, "y": 1.0, "z": 0.0},
    source="O. E. Roessler, Phys. Lett. A 57, 397 (1976), Eq. 2",
    known=(
        known(
            "x at t = 40",
            -2.1292319368034267,
            lambda ax, s: ax.simulate(s, 40.0, method="dop853", rtol=1e-12, atol=1e-12, sample="end").x,
            rtol=1e-9,
            source=OWN_TAYLOR,
        ),
        known(
            "derivative at the inner fixed point",
            0.0,
            lambda ax, s: max(abs(float(v)) for v in s.rhs(_inner_fixed_point(s)).values()),
            atol=1e-14,
            source="closed form: x = -a y = a z = (c - sqrt(c^2 - 4ab)) / 2",
        ),
        known(
            "period of x at c = 2.5",
            5.748991183278053,
            lambda ax, s: period(_cycle(ax, s.with_parameters(c=2.5)).x),
            rtol=1e-8,
            source=OWN_SHOOTING,
        ),
        *(
            known(
                f"maxima of x in a period at c = {c}",
                number,
                lambda ax, s, c=c: _distinct_maxima(ax, s, c),
                source=f"period doublings at c = 2.832445028 and 3.837358168; {OWN_SHOOTING}",
            )
            for c, number in ((2.5, 1), (3.5, 2), (4.0, 4))
        ),
    ),
)
def roessler(t, s, p):
    """Spiral with one fold, the simplest chaotic flow: a single quadratic term, z x."""
    return {
        "x": -s.y - s.z,
        "y": s.x + p.a * s.y,
        "z": p.b + s.z * (s.x - p.c),
    }


def _inner_fixed_point(system):
    a, b, c = (system.parameters[k].value for k in "abc")
    z = (c - np.sqrt(c * c - 4 * a * b)) / (2 * a)
    return [a * z, -z, z]


def _distinct_maxima(ax, system, c):
    diagram = ax.analysis.orbit_diagram(
        system, "c", [c], observable="x", section="max x", transient=1000.0, points=16, rtol=1e-9, atol=1e-10
    )
    heights = diagram.x.values.ravel()
    return len(np.unique(np.round(heights[np.isfinite(heights)], 3)))


@flow(
    state={"x": (), "y": ()},
    parameters={"mu": parameter(1.0, "", "strength of the nonlinear friction")},
    initial={"x": 2.0, "y": 0.0},
    source="B. van der Pol, Phil. Mag. 2, 978 (1926)",
    known=(
        *(
            known(
                f"period at mu = {mu}",
                value,
                lambda ax, s, mu=mu: period(_cycle(ax, s.with_parameters(mu=mu)).x),
                rtol=1e-8,
                source=OWN_SHOOTING,
            )
            for mu, value in ((0.1, 6.287111272289), (1.0, 6.663286859323), (5.0, 11.612230667720))
        ),
        known(
            "amplitude at mu = 1",
            2.00861986087,
            lambda ax, s: maxima(_cycle(ax, s).x).mean(),
            rtol=1e-8,
            source=OWN_SHOOTING,
        ),
        known(
            "angular frequency of the linear oscillation, mu = 0",
            1.0,
            lambda ax, s: leading_eigenvalue(s.with_parameters(mu=0.0).jacobian([0.0, 0.0])).imag,
            rtol=1e-14,
            source="closed form",
        ),
    ),
)
def van_der_pol(t, s, p):
    """Oscillator with friction that feeds small and damps large amplitudes; y is the velocity.

    Its limit cycle is nearly harmonic for small mu, a relaxation oscillation for large mu. Symmetric under
    (x, y) -> (-x, -y).
    """
    return {"x": s.y, "y": p.mu * (1 - s.x**2) * s.y - s.x}


def _cycle(ax, system):
    return ax.simulate(system, 400.0, transient=300.0, sample=0.005, method="dop853", rtol=1e-11, atol=1e-12)
