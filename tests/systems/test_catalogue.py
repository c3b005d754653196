"""What every catalogued system promises, and its published values."""

from __future__ import annotations

import subprocess
import sys

import jax
import numpy as np
import pytest

import attrax as ax
from attrax import systems
from attrax.engine.errors import InputError

SMALL = {
    "robots.ideal_train": {"n": 2},
    "robots.train": {"n": 2},
    "neural.hopfield_map": {"N": 12},
    "neural.hopfield_network": {"N": 12},
    "neural.modern_hopfield": {"d": 4, "K": 5},
    "neural.modern_hopfield_map": {"d": 4, "K": 5},
    "oscillators.kuramoto": {"N": 8},
    "neural.fisher_hebbian": {"n": 4},
    "neural.fisher_hebbian_bars": {"L": 2, "pixels": 4},
    "neural.latching_network": {"N": 10, "N_p": 3},
    "neural.polyhomeostatic_network": {"N": 12, "K": 4},
    "neural.theta_network": {"n": 12},
    "neural.stsp_clique_ring": {"n_c": 3, "s_c": 3},
    "neural.stsp_random_network": {"n": 8, "links": 3},
    "neural.tsodyks_markram_clique_ring": {"n_c": 3, "s_c": 3},
}
"""Sizes at which derivatives of all components are quickly compiled."""
LONG = {"neural.latching_network"}
KNOWN = [
    pytest.param(name, i, marks=[pytest.mark.slow] * (name in LONG))
    for name in systems.names()
    for i in range(len(systems.get(name).known))
]


@pytest.fixture(params=systems.names())
def system(request):
    return systems.get(request.param)


@pytest.fixture
def small(system):
    return system.with_parameters(**SMALL.get(system.name, {}))


@pytest.fixture
def states(small):
    """Three states near the initial one."""
    generator = np.random.default_rng(1)
    return small.initial_vector + 0.05 * generator.normal(size=(3, small.dimension))


def test_the_declaration_is_complete(system):
    assert system.doc and system.source and system.known
    for name, parameter in system.parameters.items():
        assert parameter.meaning, f"parameter {name} has no meaning"
    for value in system.known:
        assert value.quantity and value.source


def test_a_system_is_found_under_its_name(system):
    family, name = system.name.split(".")
    assert systems.get(system.name) is system
    assert getattr(getattr(systems, family), name) is system


def test_the_rhs_is_finite_at_the_initial_state(system):
    for block, values in system.rhs().items():
        assert values.shape == system.state[block]
        assert np.isfinite(values).all()


def test_the_lowered_rhs_is_that_of_jax(small, states):
    values = small.rhs(states, t=0.5)
    lowered = np.concatenate([v.reshape(3, -1) for v in values.values()], axis=1)
    with jax.enable_x64(True):
        expected = np.stack([small.flat(0.5, y, small.parameter_vector) for y in states])
    np.testing.assert_allclose(lowered, expected, rtol=1e-12, atol=1e-13 * np.abs(expected).max())


def test_the_jacobian_is_that_of_jax(small, states):
    with jax.enable_x64(True):
        slope = jax.jit(jax.jacfwd(small.flat, 1))
        expected = np.stack([slope(0.5, y, small.parameter_vector) for y in states])
    np.testing.assert_allclose(small.jacobian(states, t=0.5), expected, rtol=1e-11, atol=1e-13 * np.abs(expected).max())


def test_the_jacobian_is_the_slope_of_the_rhs(small, states):
    y, direction, h = states[0], np.random.default_rng(2).normal(size=small.dimension), 1e-5

    def f(y):
        return np.concatenate([np.ravel(v) for v in small.rhs(y).values()])

    difference = (f(y + h * direction) - f(y - h * direction)) / (2 * h)
    np.testing.assert_allclose(
        small.jacobian(y) @ direction, difference, rtol=1e-5, atol=1e-6 * np.abs(difference).max()
    )


def test_observables_are_finite(small):
    steps = {} if small.noise is None else {"dt": 0.1}
    data = ax.simulate(small, 2.0, sample=1.0, **steps)
    for name in small.observables:
        assert np.isfinite(data[name]).all()


@pytest.mark.parametrize(("name", "i"), KNOWN)
def test_a_known_value_comes_out(name, i):
    system = systems.get(name)
    known = system.known[i]
    value = float(np.real(np.asarray(known.compute(ax, system)).item()))
    assert value == pytest.approx(known.value, rel=known.rtol, abs=known.atol), f"{known.quantity} ({known.source})"


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(InputError, match=r"did you mean 'chaos\.lorenz'"):
        systems.get("chaos.lorentz")
    with pytest.raises(AttributeError, match="did you mean 'chaos'"):
        systems.chaso  # noqa: B018


def test_the_catalogue_is_imported_without_jax():
    code = "import sys, attrax.systems; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
