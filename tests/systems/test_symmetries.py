"""Symmetries and conservation laws of catalogued systems."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

import attrax as ax
from attrax import systems

FAR = np.random.default_rng(3).normal(scale=3.0, size=(5, 3))


@pytest.mark.parametrize(
    ("name", "image", "shift"),
    [
        ("chaos.lorenz", [-1, -1, 1], [0, 0, 0]),
        ("chaos.van_der_pol", [-1, -1], [0, 0]),
        ("robots.adaptive_dissipation_double_well", [-1, -1], [0, 0]),
        ("robots.single_wheel", [-1, -1, 1], [0, 0, 0]),
        ("robots.single_wheel", [1, 1, -1], [np.pi, 0, 0]),
    ],
)
def test_the_image_of_a_solution_is_a_solution(name, image, shift):
    system = systems.get(name)
    y = FAR[:, : system.dimension]
    f, f_image = (np.stack(list(system.rhs(v).values()), axis=-1) for v in (y, y * image + shift))
    np.testing.assert_allclose(f_image, f * image, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "potential"),
    [
        ("robots.adaptive_dissipation", lambda x: x**3 / 3 - x**2 / 2),
        ("robots.adaptive_dissipation_double_well", lambda x: x**4 / 4 - x**2 / 2),
    ],
)
def test_energy_is_taken_up_below_mu_and_dissipated_above(name, potential):
    system = systems.get(name)
    x, y = FAR[:, 0] / 3, FAR[:, 1] / 3
    force = -np.polynomial.Polynomial([0, -1, 1] if name.endswith("dissipation") else [0, -1, 0, 1])(x)
    f = system.rhs({"x": x, "y": y})
    power = y * f["y"] - force * f["x"]
    np.testing.assert_allclose(power, (system.parameters["mu"].value - potential(x)) * y**2, rtol=1e-12, atol=1e-14)


def test_the_henon_map_is_inverted_by_hand():
    system = systems.get("maps.henon")
    y = FAR[:, :2] / 3
    image = system.rhs(y)
    x = image["y"] / 0.3
    np.testing.assert_allclose(np.stack([x, image["x"] - 1 + 1.4 * x**2], axis=-1), y, rtol=1e-12, atol=1e-12)


def test_the_three_sites_have_the_symmetry_of_the_triangle():
    """y_2 -> 1 - y_2 turns two exciting pairs and an inhibiting one into three inhibiting pairs."""
    system = systems.get("neural.three_site_network")
    generator = np.random.default_rng(8)
    x, b, a = generator.normal(size=3), generator.normal(size=3), generator.uniform(3, 6, 3)
    sign, shift = np.array([1, -1, 1]), np.array([-1, 0, -1])
    z, c = sign * x + shift, sign * b + shift
    rates = expit(a * (z - c))
    others = rates.sum() - rates
    f = system.rhs({"x": x, "a": a, "b": b})
    np.testing.assert_allclose(sign * f["x"], -z - others, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("changes", [{"a": 0.0}, {"Gamma": 1e4}])
def test_a_wheel_whose_neuron_does_not_lag_does_not_rotate(changes):
    """Without delay the rod's force has a potential, and friction takes the energy."""
    system = systems.get("robots.single_wheel").with_parameters(kappa=20.0, gamma=0.5, **changes)
    phi = ax.simulate(system, 60.0, transient=50.0, rtol=1e-8).phi
    assert float(phi.max() - phi.min()) < 0.1
