"""Mean first-passage times and stationary variances of noisy systems against exact ones by quadrature.

A process that is watched at its steps alone passes a level later than a continuous one: as if the level were farther
away by 0.5826 sigma sqrt(dt), where 0.5826 = -zeta(1/2) / sqrt(2 pi) (M. Broadie, P. Glasserman, S. Kou, Math. Finance
7 (1997) 325).
"""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

import attrax as ax

SHIFT = 0.5825971579390106


@ax.flow(
    state={"x": (), "passage": ()},
    parameters={"theta": 1.0, "sigma": 0.8, "level": 0.6},
    noise=lambda t, s, p: {"x": jnp.where(s.x < p.level, p.sigma, 0.0)},
)
def absorbed(t, s, p):
    """An Ornstein-Uhlenbeck process that stays where it first is above the level; its clock stops there."""
    inside = s.x < p.level
    return {"x": jnp.where(inside, -p.theta * s.x, 0.0), "passage": jnp.where(inside, 1.0, 0.0)}


def exact_mean(force, sigma, start, level, lowest=-6.0):
    """C. Gardiner, *Handbook of Stochastic Methods*, Eq. 5.2.160, for the potential of ``force``."""
    potential = lambda x: -2 / sigma**2 * quad(force, 0.0, x)[0]  # noqa: E731
    inner = lambda y: quad(lambda z: np.exp(potential(y) - potential(z)), lowest, y)[0]  # noqa: E731
    return 2 / sigma**2 * quad(inner, start, level, epsabs=1e-8)[0]


def test_ornstein_uhlenbeck_first_passage():
    dt, members, sigma, level = 1 / 256, 20000, 0.8, 0.6
    run = ax.simulate(
        absorbed, 60.0, dt=dt, method="euler_maruyama", initial={"x": np.zeros(members)}, sample="end", seed=4
    )
    times = run.passage.values[:, -1]
    assert (run.x.values[:, -1] >= level).all()
    exact = exact_mean(lambda x: -x, sigma, 0.0, level + SHIFT * sigma * np.sqrt(dt))
    error = times.std() / np.sqrt(members)
    assert abs(times.mean() - exact) < 3 * error + dt
    assert exact - exact_mean(lambda x: -x, sigma, 0.0, level) > 5 * error  # the correction is needed


def test_escape_from_a_double_well():
    """Kramers' problem, with the exact quadrature instead of his estimate: from one well to the top of the barrier."""

    @ax.flow(
        state={"x": (), "passage": ()},
        initial={"x": -1.0},
        noise=lambda t, s, p: {"x": jnp.where(s.x < 0.0, 0.7, 0.0)},
    )
    def well(t, s, p):
        inside = s.x < 0.0
        return {"x": jnp.where(inside, s.x - s.x**3, 0.0), "passage": jnp.where(inside, 1.0, 0.0)}

    dt, members = 1 / 128, 10000
    start = {"x": np.full(members, -1.0)}
    run = ax.simulate(well, 150.0, dt=dt, method="euler_maruyama", initial=start, sample="end", seed=1)
    times = run.passage.values[:, -1]
    assert (run.x.values[:, -1] >= 0).mean() > 0.9999
    exact = exact_mean(lambda x: x - x**3, 0.7, -1.0, SHIFT * 0.7 * np.sqrt(dt), lowest=-4.0)
    assert abs(times.mean() - exact) < 3 * times.std() / np.sqrt(members) + dt


@ax.flow(state={"x": ()}, parameters={"theta": 2.0, "sigma": 0.5}, noise=lambda t, s, p: {"x": p.sigma})
def ornstein_uhlenbeck(t, s, p):
    return {"x": -p.theta * s.x}


@pytest.mark.parametrize("method", ["euler_maruyama", "stochastic_heun", "milstein", "sra1"])
def test_stationary_variance_and_correlation(method):
    """Along one path; a step multiplies x by 1 - theta dt in Euler-Maruyama, and in Milstein, the same here."""
    dt, theta = 1 / 32, 2.0
    options = {"dt": dt, "method": method, "transient": 10.0, "sample": 1 / 4, "seed": 2}
    x = ax.simulate(ornstein_uhlenbeck, 20000.0, **options).x.values
    first_order = method in ("euler_maruyama", "milstein")
    factor = 1 - theta * dt if first_order else np.exp(-theta * dt)
    variance = 0.25 * dt / (1 - factor**2) if first_order else 0.25 / (2 * theta)
    statistical = 4 * variance * np.sqrt(2 / (theta * 20000.0))  # x**2 is correlated over 1 / (2 theta)
    assert abs(x.var() - variance) < statistical + (theta * dt) ** 2 * variance / 4
    assert (x[1:] * x[:-1]).mean() / x.var() == pytest.approx(factor**8, abs=0.01)
