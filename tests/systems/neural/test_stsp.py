"""Bounds, limits and symmetries of short-term synaptic plasticity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import attrax as ax
from attrax import systems
from attrax.systems.neural import full_depletion, tsodyks_markram

unit = st.floats(0.0, 1.0)


@given(y=unit, fraction=unit, U_max=st.floats(1.0, 20.0))
def test_full_depletion_never_leaves_its_bounds(y, fraction, U_max):
    """At each side of the box 1 <= u <= U_max, 0 <= phi <= 1 the flow does not point outwards."""
    u = 1 + fraction * (U_max - 1)
    rule = {"y": y, "U_max": U_max, "T_u": 30.0, "T_phi": 60.0}
    rounding = 1e-15 * U_max
    assert full_depletion(1.0, fraction, **rule)[0] >= -rounding
    assert full_depletion(U_max, fraction, **rule)[0] <= rounding
    assert full_depletion(u, 0.0, **rule)[1] >= -rounding
    assert full_depletion(u, 1.0, **rule)[1] <= rounding


@given(y=unit, fraction=unit, U=st.floats(1.0, 20.0))
def test_tsodyks_markram_never_leaves_its_bounds(y, fraction, U):
    u = 1 + fraction * (U - 1)
    rule = {"y": y, "U": U, "alpha": 0.01, "T_u": 21.0, "T_phi": 706.0}
    assert tsodyks_markram(1.0, fraction, **rule)[0] >= 0
    assert tsodyks_markram(U, fraction, **rule)[0] <= 0
    assert tsodyks_markram(u, 0.0, **rule)[1] >= 0
    assert tsodyks_markram(u, 1.0, **rule)[1] <= 0


@pytest.mark.parametrize(("U_max", "largest", "at"), [(1.0, 0.25, 0.5), (4.0, 1.000, 0.6667)])
def test_steady_release_of_full_depletion(U_max, largest, at):
    y = np.linspace(0, 1, 100_001)
    u = 1 + (U_max - 1) * y
    phi = 1 - u * y / U_max
    np.testing.assert_allclose(full_depletion(u, phi, y, U_max, 30.0, 60.0), 0, atol=1e-15)
    released = u * phi * y
    assert released.max() == pytest.approx(largest, abs=5e-4)
    assert y[released.argmax()] == pytest.approx(at, abs=1e-3)


@pytest.mark.parametrize(("U", "u", "phi"), [(4.0, 1.5207, 0.0852), (18.0, 3.9504, 0.0346)])
def test_steady_state_of_tsodyks_markram_at_full_rate(U, u, phi):
    rates = tsodyks_markram(u, phi, 1.0, U, 0.01, 21.0, 706.0)
    np.testing.assert_allclose(rates, 0, atol=1e-5)


@pytest.mark.parametrize("name", ["stsp_network", "stsp_ring"])
def test_a_run_stays_within_the_bounds(name):
    system = systems.get(f"neural.{name}")
    data = ax.simulate(system, 3000.0, sample=1.0, rtol=1e-9, atol=1e-12)
    assert data.u.min() >= 1 - 1e-9
    assert data.u.max() <= 4 + 1e-9
    assert data.phi.min() >= -1e-9
    assert data.phi.max() <= 1 + 1e-9


@pytest.mark.parametrize("n", [3, 6, 9])
def test_the_ring_is_the_network_with_ring_weights(n):
    ring = systems.get("neural.stsp_ring").with_parameters(n=n)
    network = systems.get("neural.stsp_network").with_parameters(n=n)
    y = np.random.default_rng(4).uniform(0, 1, size=(4, 3 * n))
    for block, values in network.rhs(y).items():
        np.testing.assert_allclose(ring.rhs(y)[block], values, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("image", [np.roll(np.arange(6), 2), np.arange(6)[::-1]])
def test_turning_and_mirroring_the_ring_changes_nothing(image):
    ring = systems.get("neural.stsp_ring")
    y = np.random.default_rng(5).uniform(0, 1, size=(3, 6))
    f, f_image = (np.stack(list(ring.rhs(v.ravel()).values())) for v in (y, y[:, image]))
    np.testing.assert_allclose(f_image, f[:, image], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("n_c", "s_c"), [(3, 2), (4, 3)])
def test_the_ring_of_cliques_is_the_network_with_its_weights(n_c, s_c):
    n = n_c * s_c
    clique, position = np.divmod(np.arange(n), s_c)
    same = (clique[:, None] == clique) & ~np.eye(n, dtype=bool)
    follows = (clique[:, None] == (clique + 1) % n_c) & (position[:, None] == 0) & (position == s_c - 1)
    linked = follows | follows.T
    w = same / (s_c - 1) + linked / s_c
    z = -1.0 * ~(same | linked | np.eye(n, dtype=bool)) / s_c
    network = systems.get("neural.stsp_network").with_parameters(n=n, w=w, z=z)
    ring = systems.get("neural.stsp_clique_ring").with_parameters(n_c=n_c, s_c=s_c)
    y = np.random.default_rng(7).uniform(0, 1, size=3 * n)
    for block, values in network.rhs(y).items():
        np.testing.assert_allclose(ring.rhs(y)[block].ravel(), values, rtol=1e-12, atol=1e-14)
