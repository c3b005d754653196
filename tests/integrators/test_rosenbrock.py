"""`rodas5p` and `radau5` on problems of the Test Set for IVP Solvers (Mazzia & Magherini, release 2.4, Bari 2008)."""

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.engine.errors import InputError
from attrax.integrators.methods import METHODS


@ax.flow(state={"y": (3,)}, initial={"y": [1.0, 0.0, 0.0]})
def robertson(t, s, p):
    a, b, c = 0.04 * s.y[0], 1e4 * s.y[1] * s.y[2], 3e7 * s.y[1] ** 2
    return {"y": jnp.stack([b - a, a - b - c, c])}


@ax.flow(state={"y": (2,)}, parameters={"eps": 1e-6}, initial={"y": [2.0, 0.0]})
def van_der_pol(t, s, p):
    return {"y": jnp.stack([s.y[1], ((1 - s.y[0] ** 2) * s.y[1] - s.y[0]) / p.eps])}


@ax.flow(state={"y": (8,)}, initial={"y": [1.0, 0, 0, 0, 0, 0, 0, 0.0057]})
def hires(t, s, p):
    y = s.y
    pair = 280 * y[5] * y[7]
    return {
        "y": jnp.stack(
            [
                -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007,
                1.71 * y[0] - 8.75 * y[1],
                -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4],
                8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3],
                -1.745 * y[4] + 0.43 * y[5] + 0.43 * y[6],
                -pair + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6],
                pair - 1.81 * y[6],
                -pair + 1.81 * y[6],
            ]
        )
    }


@ax.flow(state={"y": (3,)}, initial={"y": [1.0, 2.0, 3.0]})
def oregonator(t, s, p):
    x, y, z = s.y
    return {"y": jnp.stack([77.27 * (y + x * (1 - 8.375e-6 * x - y)), (z - (1 + x) * y) / 77.27, 0.161 * (x - z)])}


PUBLISHED = [
    (robertson, 1e11, [0.2083340149701255e-7, 0.8333360770334713e-13, 0.9999999791665050]),
    (van_der_pol, 2.0, [0.1706167732170483e1, -0.8928097010247975]),
    (
        hires,
        321.8122,
        [
            *(0.7371312573325668e-3, 0.1442485726316185e-3, 0.5888729740967575e-4, 0.1175651343283149e-2),
            *(0.2386356198831331e-2, 0.6238968252742796e-2, 0.2849998395185769e-2, 0.2850001604814231e-2),
        ],
    ),
    (oregonator, 360.0, [0.1000814870318523e1, 0.1228178521549917e4, 0.1320554942846706e3]),
]


@pytest.mark.parametrize("method", ["rodas5p", "radau5"])
@pytest.mark.parametrize(("system", "t_end", "published"), PUBLISHED, ids=lambda v: getattr(v, "name", None))
def test_published_values(system, t_end, published, method):
    end = ax.simulate(system, t_end, method=method, rtol=1e-9, atol=1e-15, sample="end")
    np.testing.assert_allclose(end.y.values[-1], published, rtol=1e-7)


def test_steps_follow_the_solution_not_the_stiffness():
    end = ax.simulate(robertson, 1e11, method="rodas5p", rtol=1e-6, atol=1e-12, sample="end")
    assert end.steps < 500


@ax.flow(state={"x": (), "y": ()}, initial={"x": 1.0, "y": 0.0})
def turning(t, s, p):
    return {
        "x": -s.y * (1 + 0.3 * jnp.cos(t)) + 0.1 * s.x * s.y,
        "y": s.x * (1 + 0.2 * s.y) - 0.05 * s.y**2 * t,
    }


def test_order_of_the_solution_and_of_the_dense_output():
    exact = ax.simulate(turning, 5.0, method="dop853", rtol=1e-13, atol=1e-14)
    steps, ends, everywhere = [], [], []
    for rtol in (1e-6, 1e-8, 1e-10):
        found = ax.simulate(turning, 5.0, method="rodas5p", rtol=rtol, atol=rtol)
        steps.append(int(found.steps))
        error = abs(found.x - exact.x).values
        ends.append(error[-1])
        everywhere.append(error.max())
    orders = np.diff(np.log([ends, everywhere])) / -np.diff(np.log(steps))
    assert (orders[0] > 4.7).all(), orders
    assert (orders[1] > 3.8).all(), orders


@ax.flow(state={"x": (4,)}, parameters={"a": np.zeros((4, 4))}, initial={"x": [1.0, 2.0, 3.0, 4.0]})
def linear(t, s, p):
    return {"x": p.a @ s.x + jnp.sin(t)}


def test_pivoting():
    """A zero diagonal, as a cyclic permutation has it, needs rows to be exchanged."""
    a = np.roll(np.eye(4), 1, axis=0) * [1.0, -300.0, 2.0, 0.3]
    system = linear.with_parameters(a=a)
    exact = ax.simulate(system, 0.5, method="dop853", rtol=1e-12, atol=1e-12, sample="end")
    found = ax.simulate(system, 0.5, method="rodas5p", rtol=1e-9, atol=1e-9, sample="end")
    np.testing.assert_allclose(found.x, exact.x, rtol=1e-7)


def test_lanes_give_the_same_bits():
    together = ax.simulate(turning, 5.0, method="rodas5p", initial={"x": np.linspace(0.5, 1.5, 11)})
    alone = ax.simulate(turning, 5.0, method="rodas5p", initial={"x": np.linspace(0.5, 1.5, 11)[7]})
    assert (together.x[7] == alone.x).all()


def test_the_tableau_meets_the_conditions_of_stiff_accuracy():
    method = METHODS["rodas5p"]
    np.testing.assert_allclose(method.d[0], method.gamma)
    assert sum(map(len, method.C)) == 28


def test_too_many_states():
    @ax.flow(state={"x": (30,)}, initial={"x": 1.0})
    def many(t, s, p):
        return {"x": -s.x}

    with pytest.raises(InputError, match="up to 24 states, but 'many' has 30"):
        ax.simulate(many, 1.0, method="rodas5p")
