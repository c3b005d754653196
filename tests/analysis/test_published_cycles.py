"""Limit cycles of published models: periods and bifurcations against shooting with SciPy, which shares nothing.

The other method integrates the variational equations with DOP853 at a relative tolerance of 1e-12. At a bifurcation it
finds the cycles at parameter values on either side and interpolates the function of their multipliers that vanishes; at
a fold it finds the parameter for given periods and takes the vertex.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import attrax as ax
from attrax.analysis import continue_cycles, continue_fixed_points, find_cycle

from .test_published_bifurcations import (
    brusselator,
    carbon_monoxide,
    chua,
    fitzhugh_nagumo,
    hindmarsh_rose,
    lorenz84,
    morris_lecar,
    rosenzweig_macarthur,
    sel_kov,
)


def steinmetz_larter(m, y, p):
    """Peroxidase and oxidase (Steinmetz & Larter, J. Chem. Phys. 94, 1388, 1991)."""
    a, b, x, y = y
    k7, k8 = p
    first, second, third = 0.1631021 * a * b * x, 1250 * x**2, 0.046875 * a * b * y
    return [
        -first - third + k7 - 0.1175 * a,
        -first - third + k8,
        first - 2 * second + 2 * third - 20 * x + 0.001,
        -third + 2 * second - 1.104 * y,
    ]


def seasonal(m, y, p):
    """Predators and prey, with seasons from an oscillator (Kuznetsov, Muratori & Rinaldi, IJBC 2, 117, 1992)."""
    x, y, v, w = y
    strength, saturation = p
    eaten = 4 * np.pi * x * y / (saturation * (1 + strength * v) + x)
    r2 = v**2 + w**2
    return [
        2 * np.pi * x * (1 - x) - eaten,
        eaten - 2 * np.pi * y,
        v - 2 * np.pi * w - v * r2,
        2 * np.pi * v + w - w * r2,
    ]


def langford(m, y, p):
    x, y, z = y
    r2 = x**2 + y**2
    return [
        (z - 0.7) * x - 3.5 * y,
        3.5 * x + (z - 0.7) * y,
        0.6 + p[0] * z - z**3 / 3 - r2 * (1 + 0.25 * z) + 0.05 * z * x**3,
    ]


def adaptive_dissipation(m, y, p):
    """A particle whose dissipation depends on the potential, x^4/4 - x^2/2 here (double well)."""
    potential = y[0] ** 4 / 4 - y[0] ** 2 / 2
    return [y[1], (p[0] - potential) * y[1] - y[0] ** 3 + y[0]]


def ring(m, y, p):
    """Three rate neurons that inhibit each other through synapses with short-term depression."""
    x, phi = y[:3], y[3:]
    rates = [1 / (1 + m.exp(-p[0] * a)) for a in x]
    sent = [r * d for r, d in zip(rates, phi, strict=True)]
    drive = [0.6 - 2.4 * sent[k - 1] - 0.3 * sent[(k + 1) % 3] for k in range(3)]
    return [d - a for d, a in zip(drive, x, strict=True)] + [
        (1 - d) / 6 - 0.3 * s for d, s in zip(phi, sent, strict=True)
    ]


@dataclass(frozen=True)
class Model:
    """A model, a start close to a cycle, and what is followed."""

    rhs: Callable
    parameters: dict[str, float]
    start: list[float]
    along: str
    bounds: tuple[float, float]
    expected: str = ""
    """Kinds of special points along the branch, without its ends."""
    options: dict = field(default_factory=dict)

    @cached_property
    def system(self):
        n, names = len(self.start), list(self.parameters)

        def function(t, s, p):
            return {"y": jnp.stack(self.rhs(jnp, [s.y[k] for k in range(n)], [getattr(p, name) for name in names]))}

        declared = ax.flow(state={"y": (n,)}, parameters=self.parameters, initial={"y": np.array(self.start)})
        return declared(function)

    @cached_property
    def shooting(self) -> Shooting:
        """The other method."""
        return Shooting(self)


class Shooting:
    """Newton's method on the ends of trajectories."""

    def __init__(self, model: Model):
        self.n = len(model.start)
        self.model, self.place = model, list(model.parameters).index(model.along)
        # complex steps in every direction of state and parameter
        self.aside = 1e-30j * np.eye(self.n + 1)

    def f(self, y, parameter):
        """The right-hand side."""
        p = [parameter if k == self.place else v for k, v in enumerate(self.model.parameters.values())]
        return np.array(np.broadcast_arrays(*self.model.rhs(np, list(y), p)))

    def extended(self, u, parameter):
        """The right-hand side with its variational equations."""
        y, moved = u[: self.n, None], u[self.n :].reshape(self.n, self.n + 1)
        rates = self.f(y + self.aside[:-1], parameter + self.aside[-1])
        slopes = rates.imag * 1e30
        right = slopes[:, :-1] @ moved
        right[:, -1] += slopes[:, -1]
        return np.concatenate([rates[:, 0].real, right.ravel()])

    def end(self, y, T, parameter):
        """The state a time T later, with its derivatives by the beginning and by the parameter."""
        start = np.concatenate([y, np.eye(self.n, self.n + 1).ravel()])
        right = lambda t, u: self.extended(u, parameter)  # noqa: E731
        u = solve_ivp(right, (0, T), start, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
        return u[: self.n], u[self.n :].reshape(self.n, self.n + 1)

    def cycle(self, parameter, y, T, fixed=False):
        """State, period, parameter, monodromy matrix; the parameter is that given, or the period is ``fixed``."""
        reference = y.copy()
        along = self.f(y, parameter)
        for _ in range(12):
            end, moved = self.end(y, T, parameter)
            last = self.f(end, parameter) if not fixed else moved[:, -1]
            matrix = np.block([[moved[:, :-1] - np.eye(self.n), last[:, None]], [along[None], np.zeros((1, 1))]])
            step = np.linalg.solve(matrix, -np.append(end - y, along @ (y - reference)))
            y = y + step[:-1]
            T, parameter = (T + step[-1], parameter) if not fixed else (T, parameter + step[-1])
            if (abs(step) < 1e-10 * np.maximum(1.0, abs(np.append(y, T)))).all():
                break
        return y, T, parameter, moved[:, :-1]


MODELS = {
    "FitzHugh-Nagumo": Model(fitzhugh_nagumo, {"I": 0.5, "b": 0.8}, [-1.0, 0.2], "I", (0.4, 0.6)),
    "Morris-Lecar": Model(morris_lecar, {"I": 90.0, "g": 4.4}, [10.0, 0.3], "I", (88.0, 120.0), "LPC"),
    "Brusselator": Model(brusselator, {"A": 1.0, "B": 2.5}, [1.5, 2.0], "B", (2.3, 2.7)),
    "Sel'kov": Model(sel_kov, {"a": 0.08, "b": 0.6}, [0.7, 1.2], "b", (0.5, 0.7)),
    "Rosenzweig-MacArthur": Model(rosenzweig_macarthur, {"K": 3.5, "d": 0.3}, [1.2, 1.2], "K", (3.3, 3.7)),
    "Chua": Model(chua, {"alpha": 8.3, "beta": 14.0}, [1.0, 0.1, -1.0], "alpha", (8.0, 9.2), "PD"),
    "Langford": Model(langford, {"a": 0.6}, [1.0, 0.0, 0.7], "a", (0.5, 1.0), "NS"),
    "Steinmetz-Larter": Model(
        steinmetz_larter, {"k7": 1.5, "k8": 0.8}, [6.7, 8.5, 0.001, 0.4], "k7", (0.8, 2.0), "LPC NS"
    ),
    "Lorenz 1984": Model(lorenz84, {"F": 6.0, "G": 0.5}, [1.0, 1.0, 0.0], "G", (0.1, 2.0), "NS"),
    "seasonal": Model(
        seasonal, {"e": 0.3, "b": 0.4}, [0.4, 0.4, 1.0, 0.0], "e", (0.1, 1.45), "PD PD LPC", {"max_points": 80}
    ),
    "carbon monoxide": Model(carbon_monoxide, {"q2": 1.05, "k": 0.4}, [0.1, 0.3, 0.4], "q2", (1.0, 1.1), "LPC LPC"),
    "Hindmarsh-Rose": Model(hindmarsh_rose, {"I": 4.0}, [0.0, 0.0, 3.0], "I", (3.3, 5.0), "PD"),
    "adaptive dissipation": Model(adaptive_dissipation, {"mu": -0.1}, [1.2, 0.0], "mu", (-0.24, -0.05)),
    "depressing ring": Model(ring, {"a": 8.0}, [0.5, -0.5, 0.0, 0.8, 0.8, 0.8], "a", (7.0, 9.0)),
}
SLOW = ("Steinmetz-Larter", "carbon monoxide")


@pytest.mark.parametrize("name", MODELS)
def test_periods_and_multipliers(name):
    model = MODELS[name]
    cycle = find_cycle(model.system)
    _, T, _, monodromy = model.shooting.cycle(model.parameters[model.along], cycle.profile[0], cycle.period)
    assert cycle.period == pytest.approx(T, rel=1e-9)
    values = np.linalg.eigvals(monodromy)
    values = values[np.argsort(-abs(values))]
    large = abs(values) > 1e-6
    assert np.sort(abs(cycle.multipliers[large])) == pytest.approx(np.sort(abs(values[large])), rel=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name, model in MODELS.items()
        if model.expected
    ],
)
def test_bifurcations(name):
    model = MODELS[name]
    branch = continue_cycles(model.system, model.along, model.bounds, **model.options)
    points = [point for point in branch.special() if point.kind in ("PD", "NS", "LPC", "BPC")]
    assert sorted(point.kind for point in points) == sorted(model.expected.split())
    for point in points[:2]:
        found = point.parameters[model.along]
        assert point.refined
        assert found == pytest.approx(independent(model, point), rel=1e-6)


def test_a_canard_ends_in_the_hopf_points_at_both_of_its_ends():
    """Near the second one, where cycles grow from nothing within 1e-3 of it, lie fixed points of any period."""
    model = MODELS["carbon monoxide"]
    branch = continue_cycles(model.system, model.along, model.bounds)
    assert [point.kind for point in branch.special()] == ["EP", "LPC", "LPC", "EP"]
    rest = continue_fixed_points(model.system, model.along, model.bounds)
    for hopf, end in zip(rest.special("H"), branch.endings, strict=True):
        assert "Hopf bifurcation" in end
        assert float(end.split("=")[1]) == pytest.approx(hopf.parameters["q2"], rel=1e-5)


def independent(model, point) -> float:
    """The parameter value of a bifurcation by the other method."""
    value, y, T = point.parameters[model.along], point.cycle.profile[0], point.period
    if point.kind == "LPC":
        h = 1e-3 * T
        values = [model.shooting.cycle(value, y, T + k * h, fixed=True)[2] for k in (-2, -1, 0, 1, 2)]
        a, b, middle, c, d = values
        slope, bend = (a - 8 * b + 8 * c - d) / (12 * h), (-a + 16 * b - 30 * middle + 16 * c - d) / (12 * h**2)
        return middle - slope**2 / (2 * bend)

    def test(parameter):
        monodromy = model.shooting.cycle(parameter, y, T)[3]
        values = np.linalg.eigvals(monodromy)
        if point.kind == "PD":
            return values[np.argmin(abs(values + 1))].real + 1
        turning = values[abs(values.imag) > 1e-6]
        return abs(turning[np.argmin(abs(abs(turning) - 1))]) - 1

    aside = value + 1e-5 * (model.bounds[1] - model.bounds[0])
    here, there = test(value), test(aside)
    return value - here * (aside - value) / (there - here)


def test_the_coefficient_of_a_fold_is_that_of_the_return_map():
    """On a section P(s) = s + beta s^2 with times T (1 + tau s) of return: with tau s = xi, b = beta / (T tau)."""
    model = MODELS["Morris-Lecar"]
    (point,) = continue_cycles(model.system, model.along, model.bounds).special("LPC")
    value, y, T = point.parameters[model.along], point.cycle.profile[30], point.period
    forward = model.shooting.f(y, value)
    across = np.array([-forward[1], forward[0]]) / np.linalg.norm(forward)

    def moved(y, time):
        right = lambda t, y: model.shooting.f(y, value)  # noqa: E731
        return solve_ivp(right, (0, time), y, method="DOP853", rtol=1e-13, atol=1e-13).y[:, -1]

    def returned(s):
        end, time = moved(y + s * across, T), T
        for _ in range(6):
            more = -forward @ (end - y) / (forward @ model.shooting.f(end, value))
            end, time = moved(end, more), time + more
        return across @ (end - y), time

    h = 2e-4
    (a, first), (b, before), (middle, _), (c, after), (d, last) = (returned(k * h) for k in (-2, -1, 0, 1, 2))
    assert middle == pytest.approx(0.0, abs=1e-10)
    assert (a - 8 * b + 8 * c - d) / (12 * h) == pytest.approx(1.0, abs=1e-6)
    bend, slope = (-a + 16 * b - 30 * middle + 16 * c - d) / (24 * h**2), (first - 8 * before + 8 * after - last) / 12
    assert point.coefficients["b"] == pytest.approx(bend * h / slope, rel=1e-5)
