"""Rolling and rotation end in folds of cycles: by continuation, by a return map, by sweeps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar, root

import attrax as ax
from attrax.systems.robots import barrel, barrels, on_circle, single_wheel


def settled(system, angle):
    """On the circle, after transients."""
    system = on_circle(system, angle)
    data = ax.simulate(system, 300.0, sample="end", rtol=1e-9)
    return system.with_initial(**{name: data[name].values[0] for name in system.state})


def folds(branch):
    return [point.parameters for point in branch.special("LPC")]


def test_on_the_circle_it_is_the_same_system():
    fast = barrel.with_parameters(eps=2.0)
    data, other = (ax.simulate(s, 5.0, sample=0.5, rtol=1e-10) for s in (fast, on_circle(fast, "theta")))
    for name in ("omega", "s", "s_dot", "b", "E", "N"):
        np.testing.assert_allclose(other[name], data[name], atol=1e-6)
    direction = np.stack([np.cos(data.theta), np.sin(data.theta)], axis=-1)
    np.testing.assert_allclose(other.theta_direction, direction, atol=1e-7)


@pytest.mark.parametrize("angle", ["phi", "r"])
def test_an_angle_is_a_block_of_one_number(angle):
    with pytest.raises(ax.errors.InputError, match="angle must name a state block"):
        on_circle(barrel, angle)


def test_the_rotation_of_the_wheel_ends_in_a_fold():
    """At k = 0.1012 N, below which the wheel stops."""
    wheel = settled(single_wheel.with_parameters(kappa=0.5 / 0.026).with_initial(omega=45.0, x=0.0), "phi")
    (fold,) = folds(ax.analysis.continue_cycles(wheel, "kappa", (1.0, 25.0), intervals=40))
    assert 0.026 * fold["kappa"] == pytest.approx(0.1012, abs=1e-4)


def test_three_moves_in_a_turn_live_on_an_island():
    """The branch has a fold at either end, and closes."""
    system = settled(barrel.with_initial(**barrels.THREE_TO_ONE), "theta")
    branch = ax.analysis.continue_cycles(system, "eps", (0.82, 9.0), intervals=40)
    ends = sorted({round(fold["eps"], 3) for fold in folds(branch)})
    assert ends[0] == pytest.approx(0.828, abs=2e-3)
    assert ends[-1] == pytest.approx(8.048, abs=2e-3)


@pytest.mark.slow
def test_continuation_and_the_half_turn_map_find_the_same_fold():
    """On the half-turn map, with the symmetry (theta + pi, -s, -s_dot, -b), the branch is eps(omega): its maximum."""
    system = settled(barrel.with_initial(**barrels.ONE_TO_ONE), "theta")
    branch = ax.analysis.continue_cycles(system, "eps", (1.0, 7.0), intervals=40)
    eps = max(fold["eps"] for fold in folds(branch))
    reflect = np.array([1.0, -1.0, -1.0, -1.0])

    def meets(t, y):
        return y[0] - np.pi

    meets.terminal = True

    def half_turn(x, eps):
        f = barrel.with_parameters(eps=float(eps)).as_scipy()
        return (
            solve_ivp(f, (0, 10), [0.0, *x], events=meets, rtol=1e-10, atol=1e-11, method="DOP853").y[1:, -1] * reflect
        )

    def at(omega):
        """The rest of the fixed point, and the eps that it needs."""
        found = root(lambda z: half_turn([omega, *z[:3]], z[3]) - [omega, *z[:3]], [*guess, 5.9], tol=1e-9)
        assert found.success
        return found.x

    start = barrels.ONE_TO_ONE
    for value in np.arange(1.0, 5.91, 0.1):
        rolling = barrel.with_parameters(eps=value).with_initial(**start)
        data = ax.simulate(rolling, 60.0, transient=50.0, sample=1e-3, method="rk4", dt=1e-3)
        start = {name: float(data[name][-1]) for name in barrel.state}
    turn = np.flatnonzero(np.diff(np.floor(data.theta.values / (2 * np.pi))))[-1]
    omega, *guess = (float(data[name][turn]) for name in ("omega", "s", "s_dot", "b"))
    best = minimize_scalar(lambda omega: -at(omega)[3], bracket=(omega, omega + 0.1), tol=1e-7)
    assert -best.fun == pytest.approx(eps, rel=1e-6)
    x, h = np.array([best.x, *at(best.x)[:3]]), 1e-5
    slope = [(half_turn(x + h * e, eps) - half_turn(x - h * e, eps)) / (2 * h) for e in np.eye(4)]
    assert np.abs(np.linalg.eigvals(np.transpose(slope)) - 1).min() < 1e-2
