"""Bounds, limits and symmetries of short-term synaptic plasticity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import attrax as ax
from attrax import systems
from attrax.integrators.methods import METHODS as METHODS_OF_FLOWS
from attrax.integrators.stochastic import Stochastic
from attrax.systems.neural import clique_weights, full_depletion, random_weights, tsodyks_markram

unit = st.floats(0.0, 1.0)
METHODS = [m for m, method in METHODS_OF_FLOWS.items() if not isinstance(method, Stochastic)]


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


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("name", "bound"), [("stsp_network", "U_max"), ("tsodyks_markram_network", "U")])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), a=st.floats(1.0, 30.0), highest=st.floats(1.0, 18.0))
def test_every_integrator_stays_within_the_bounds(method, name, bound, seed, a, highest):
    """From anywhere in the box 1 <= u <= U_max, 0 <= phi <= 1."""
    system = systems.get(f"neural.{name}").with_parameters(**{"a": a, bound: highest})
    generator = np.random.default_rng(seed)
    start = {
        "x": generator.uniform(-1, 1, 6),
        "u": generator.uniform(1, highest, 6) if highest > 1 else np.ones(6),
        "phi": generator.uniform(0, 1, 6),
    }
    rule = METHODS_OF_FLOWS[method]
    how = {"rtol": 1e-8, "atol": 1e-10} if rule is None or rule.adaptive else {"dt": 1.0}
    data = ax.simulate(system, 400.0, sample=1.0, method=method, initial=start, **how)
    slack = 1e-6 if "rtol" in how else 1e-12
    assert data.status == 0
    assert data.u.min() >= 1 - slack
    assert data.u.max() <= highest + slack
    assert data.phi.min() >= -slack
    assert data.phi.max() <= 1 + slack


def test_cliques_win_one_after_the_other():
    """Five cliques in a ring, of four neurons each, that share their last neuron with the next one."""
    cliques = [[3 * k + i for i in range(3)] + [(3 * k + 3) % 15] for k in range(5)]
    system = systems.get("neural.stsp_network").with_parameters(**clique_weights(cliques))
    assert system.dimension == 45
    data = ax.simulate(system, 20_000.0, transient=5000.0, sample=5.0, method="rk4", dt=1.0, seed=2)
    active = np.stack([data.y.values[:, clique].min(axis=1) > 0.6 for clique in cliques], axis=1)
    assert active.any(axis=0).all()
    assert (active.sum(axis=1) <= 2).all()
    both = active[active.sum(axis=1) == 2].argmax(axis=1), active[active.sum(axis=1) == 2][:, ::-1].argmax(axis=1)
    assert set((4 - both[1] - both[0]) % 5) <= {1, 4}


def test_weights_of_cliques_and_random_networks():
    cliques = [[0, 1, 2], [2, 3, 4]]
    found = clique_weights(cliques, n=6)
    assert found["w"][0, 1] == found["w"][3, 2] == 0.5
    assert found["w"][0, 3] == 0
    assert found["z"][0, 3] == found["z"][5, 0] == -1 / 3
    for weights in (found, random_weights(30, 5, seed=1)):
        w, z = weights["w"], weights["z"]
        np.testing.assert_array_equal(w, w.T)
        np.testing.assert_array_equal((w != 0) ^ (z != 0), ~np.eye(len(w), dtype=bool))
    assert (random_weights(200, 10, seed=1)["w"] > 0).sum(axis=1).mean() == pytest.approx(10, abs=1)


def test_random_networks_freeze_at_low_gain_and_move_at_high_gain():
    network = systems.get("neural.stsp_network").with_parameters(**random_weights(20, 4, seed=3))
    moved = []
    for a in (1.0, 10.0):
        data = ax.simulate(network.with_parameters(a=a), 12_000.0, transient=8000.0, sample=5.0, seed=1)
        moved.append(float((data.y.max("time") - data.y.min("time")).max()))
    assert moved[0] < 1e-3
    assert moved[1] > 0.5
