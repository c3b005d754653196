"""Lyapunov exponents of noisy systems, in closed form."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

import attrax as ax
from attrax.analysis import lyapunov_spectrum
from attrax.engine.errors import InputError


def exponents(system, dt=0.01, t_total=400.0, members=16, **options):
    """Exponents of several members, with the standard error of their mean."""
    starts = np.tile(system.initial_vector, (members, 1))
    found = lyapunov_spectrum(system, t_total=t_total, transient=20.0, dt=dt, initial=starts, **options)
    assert (found.status == 0).all()
    values = found.exponents.values
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(members), found


@pytest.mark.parametrize(("interpretation", "expected"), [("ito", 0.5 - 1.2**2 / 2), ("stratonovich", 0.5)])
def test_geometric_brownian_motion(interpretation, expected):
    @ax.flow(
        state={"x": ()},
        parameters={"a": 0.5, "b": 1.2},
        initial={"x": 1.0},
        noise=lambda t, s, p: {"x": p.b * s.x},
        interpretation=interpretation,
    )
    def growth(t, s, p):
        return {"x": p.a * s.x}

    mean, error, found = exponents(growth, t_total=100.0, members=64)
    assert abs(mean[0] - expected) < 4 * error[0] and error[0] < 0.03
    assert found.standard_error.mean().item() == pytest.approx(1.2 / np.sqrt(100.0), rel=0.2)


def test_double_well():
    """The mean of 1 - 3 x^2 over the stationary density exp(x^2 - x^4 / 2) of x' = x - x^3 + dW, D = 1/2."""

    @ax.flow(state={"x": ()}, initial={"x": 1.0}, noise=lambda t, s, p: {"x": 1.0 + 0.0 * s.x})
    def well(t, s, p):
        return {"x": s.x - s.x**3}

    def density(x):
        return np.exp(x**2 - x**4 / 2)

    expected = quad(lambda x: (1 - 3 * x**2) * density(x), -5, 5)[0] / quad(density, -5, 5)[0]
    mean, error, _ = exponents(well)
    assert abs(mean[0] - expected) < 4 * error[0] + 0.01


def test_linear_oscillator_with_noisy_frequency():
    """|z| of z' = (-g + i w) z, with Ito noise i b z dW, grows at the rate b^2 / 2 - g, along both directions."""

    @ax.flow(
        state={"z": (2,)},
        parameters={"g": 0.5, "w": 2.0, "b": 0.6},
        initial={"z": [1.0, 0.0]},
        noise=lambda t, s, p: {"z": p.b * jnp.stack([-s.z[1], s.z[0]])[:, None]},
    )
    def oscillator(t, s, p):
        return {"z": jnp.stack([-p.g * s.z[0] - p.w * s.z[1], p.w * s.z[0] - p.g * s.z[1]])}

    mean, error, found = exponents(oscillator, dt=0.002, t_total=50.0, members=8)
    np.testing.assert_allclose(mean, 0.6**2 / 2 - 0.5, atol=max(4 * error.max(), 0.004))
    assert "zero_exponent" not in found and "sum_minus_divergence" not in found


def test_little_noise_is_none():
    """Weak additive noise leaves the exponents of the Lorenz system; their sum stays its divergence."""
    lorenz = ax.systems.chaos.lorenz
    noisy = ax.flow(
        state=dict.fromkeys("xyz", ()),
        parameters={"sigma": 10.0, "rho": 28.0, "beta": 8 / 3},
        initial={"x": 1.0, "y": 1.0, "z": 20.0},
        noise=lambda t, s, p: dict.fromkeys("xyz", 1e-3),
    )(lorenz.function)
    mean, error, found = exponents(noisy, dt=0.002, t_total=60.0, members=12)
    assert (np.abs(mean - [0.9056, 0.0, -14.5723]) < 4 * error + 0.01).all()
    np.testing.assert_allclose(found.exponents.sum("exponent"), -(10 + 1 + 8 / 3), atol=0.01)


def test_members_do_not_depend_on_the_number_of_threads():
    @ax.flow(state={"x": ()}, initial={"x": 1.0}, noise=lambda t, s, p: {"x": 0.3 + 0.1 * s.x})
    def system(t, s, p):
        return {"x": -s.x}

    starts = np.ones((40, 1))
    runs = [lyapunov_spectrum(system, t_total=20.0, dt=0.01, initial=starts, workers=n) for n in (1, 2)]
    np.testing.assert_array_equal(runs[0].exponents, runs[1].exponents)
    with pytest.raises(InputError, match="give dt"):
        lyapunov_spectrum(system, t_total=20.0)
    with pytest.raises(InputError, match="its method is one of"):
        lyapunov_spectrum(system, t_total=20.0, dt=0.01, method="rk4")
