"""The same cycles and bifurcations, however the system is written down."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import continue_cycles, find_cycle

SAME = np.eye(3)
MATRIX = np.array([[1.0, 0.4, -0.2], [0.3, 2.0, 0.1], [0.0, -0.5, 0.7]])
SHIFT = np.array([3.0, -1.0, 2.0])
PERMUTATION = np.eye(3)[[2, 0, 1]]
START = np.array([1.0, -4.0, 0.1])


def roessler(matrix=SAME, shift=0.0, pace=1.0, reparametrised=False, aside=0):
    """u = matrix y + shift of Roessler's y; time runs faster by ``pace``; ``aside`` states decay on their own."""
    inverse = np.linalg.inv(matrix)
    shift = np.broadcast_to(shift, 3)

    def function(t, s, p):
        x, y, z = jnp.asarray(inverse) @ (s.u[:3] - shift)
        c = jnp.exp(p.c) if reparametrised else p.c
        f = jnp.stack([-y - z, x + 0.2 * y, 0.2 + z * (x - c)])
        rates = pace * (jnp.asarray(matrix) @ f)
        rates = jnp.concatenate([rates, -jnp.arange(1.0, aside + 1) * s.u[3:]])
        return {"u": rates}

    start = np.concatenate([matrix @ START + shift, np.zeros(aside)])
    value = np.log(2.6) if reparametrised else 2.6
    return ax.flow(state={"u": (3 + aside,)}, parameters={"c": value}, initial={"u": start})(function)


def branch_of(system, bounds=(2.5, 3.2)):
    return continue_cycles(system, "c", bounds, max_step=0.1)


@pytest.fixture(scope="module")
def plain():
    return branch_of(roessler())["PD1"]


@pytest.mark.parametrize(
    "change",
    [
        {"matrix": PERMUTATION},
        {"matrix": MATRIX, "shift": SHIFT},
        {"pace": 7.0},
        {"aside": 2},
    ],
    ids=["permuted", "affine", "faster", "with others"],
)
def test_the_period_doubling_stays(plain, change):
    point = branch_of(roessler(**change))["PD1"]
    pace = change.get("pace", 1.0)
    assert point.parameters["c"] == pytest.approx(plain.parameters["c"], rel=1e-9)
    assert point.period * pace == pytest.approx(plain.period, rel=1e-9)
    assert point.note == plain.note
    small = [np.exp(-k * point.period) for k in range(1, change.get("aside", 0) + 1)]
    values = np.concatenate([plain.eigenvalues, small])
    assert np.sort(point.eigenvalues.real) == pytest.approx(np.sort(values.real), rel=1e-5, abs=1e-9)


def test_of_another_parameter(plain):
    point = branch_of(roessler(reparametrised=True), tuple(np.log([2.5, 3.2])))["PD1"]
    assert np.exp(point.parameters["c"]) == pytest.approx(plain.parameters["c"], rel=1e-9)
    assert point.coefficients["c"] == pytest.approx(plain.coefficients["c"], rel=1e-6)


def test_backward_multipliers_are_inverse():
    system = ax.systems.chaos.van_der_pol
    forward = find_cycle(system)

    @ax.flow(state={"x": (), "y": ()}, parameters={"mu": 1.0})
    def backward(t, s, p):
        return {"x": -s.y, "y": -p.mu * (1 - s.x**2) * s.y + s.x}

    start = dict(zip("xy", forward.profile[0], strict=True))
    cycle = find_cycle(backward, start, period=forward.period)
    assert cycle.period == pytest.approx(forward.period, rel=1e-11)
    assert cycle.unstable == 1
    assert cycle.multipliers[0].real == pytest.approx(1 / forward.multipliers[1].real, rel=1e-8)


def test_a_branch_followed_back_returns():
    ahead = branch_of(roessler())
    last = ahead.cycle(len(ahead) - 1)
    back = continue_cycles(roessler(), "c", (2.5, 3.2), start=last, max_step=0.1)
    assert back["PD1"].parameters["c"] == pytest.approx(ahead["PD1"].parameters["c"], rel=1e-9)
    assert float(back.data.period[0]) == pytest.approx(float(ahead.data.period[0]), rel=1e-8)
