"""Fixed points found in a box: all of them, with their types and eigenvalues."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import fixed_points
from attrax.engine.errors import InputError


@ax.flow(
    state={"x": (), "y": (), "z": ()},
    parameters={"sigma": 10.0, "rho": 28.0, "beta": 8 / 3},
    source="Lorenz 1963",
)
def lorenz(t, s, p):
    return {"x": p.sigma * (s.y - s.x), "y": s.x * (p.rho - s.z) - s.y, "z": s.x * s.y - p.beta * s.z}


@ax.map(state={"x": (), "y": ()}, parameters={"a": 1.4, "b": 0.3}, source="Henon 1976")
def henon(t, s, p):
    return {"x": 1 - p.a * s.x**2 + s.y, "y": p.b * s.x}


@ax.flow(state={"x": ("n",)}, parameters={"n": 3, "a": 1.0})
def wells(t, s, p):
    """Decoupled: 3^n fixed points, each component 0 or +-1."""
    return {"x": s.x - s.x**3 * p.a}


LORENZ_BOX = {"x": (-30, 30), "y": (-30, 30), "z": (-10, 60)}


def test_all_three_of_lorenz():
    found = fixed_points(lorenz, LORENZ_BOX)
    roll = np.sqrt(8 / 3 * 27)
    np.testing.assert_allclose(found.x, [-roll, 0, roll], rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(found.z, [27, 0, 27], rtol=1e-14, atol=1e-14)
    assert found.kind.values.tolist() == ["saddle-focus", "saddle", "saddle-focus"]
    assert found.unstable.values.tolist() == [2, 1, 2]
    assert found.residual.max() < 1e-12
    # at rest: -beta, and the roots of l^2 + (sigma + 1) l + sigma (1 - rho)
    root = np.sqrt(11**2 + 40 * 27)
    expected = sorted([-8 / 3, (-11 + root) / 2, (-11 - root) / 2])
    np.testing.assert_allclose(np.sort(found.eigenvalues.values[1].real), expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("iterates", "count", "periods"), [(1, 2, {1}), (2, 4, {1, 2}), (4, 8, {1, 2, 4}), (6, 16, {1, 2, 6})]
)
def test_cycles_of_henon(iterates, count, periods):
    """a = 1.4, b = 0.3 has two fixed points, and 1, 0, 1, 0, 2 cycles of periods 2 to 6 (Galias 2001)."""
    found = fixed_points(henon, {"x": (-2, 2), "y": (-2, 2)}, iterates=iterates)
    assert found.sizes["point"] == count
    assert set(found.period.values.tolist()) == periods
    for point in range(count):
        y = np.array([found.x[point], found.y[point]])
        for _ in range(iterates):
            y = np.concatenate(list(henon.rhs(y).values()), axis=None)
        np.testing.assert_allclose(y, [found.x[point], found.y[point]], atol=1e-11)


def test_many_fixed_points_of_an_array():
    found = fixed_points(wells, {"x": (-1.5, 1.5)})
    assert found.x.shape == (27, 3)
    np.testing.assert_allclose(found.x, np.round(found.x), atol=1e-14)
    assert (found.kind == "stable node").sum() == 8


def test_a_large_system():
    """Thirty decoupled states: x' = a - x - x^3 / 10 has one fixed point each."""

    @ax.flow(state={"x": (30,)})
    def large(t, s, p):
        return {"x": jnp.linspace(-1, 1, 30) - s.x - s.x**3 / 10}

    found = fixed_points(large, {"x": (-3, 3)}, starts=10)
    assert found.sizes["point"] == 1
    x = found.x.values[0]
    np.testing.assert_allclose(x + x**3 / 10, np.linspace(-1, 1, 30), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("seed", range(4))
def test_deflation_finds_more_from_the_same_starts(seed):
    """Two coupled bistable units have 9 fixed points; Newton's method alone finds 6 to 8 of them from 10 starts."""

    @ax.flow(state={"x": (2,)})
    def units(t, s, p):
        return {"x": s.x - s.x**3 + 0.1 * s.x[::-1]}

    found = fixed_points(units, {"x": (-1.5, 1.6)}, starts=10, seed=seed)
    assert found.sizes["point"] == 9


def test_narrow_basins():
    """Newton's method arrives only from within 0.01 of the two roots."""

    @ax.flow(state={"x": ()})
    def dip(t, s, p):
        return {"x": 1 - 2 * jnp.exp(-(((s.x - 0.3) / 0.01) ** 2))}

    found = fixed_points(dip, {"x": (-1, 1)})
    np.testing.assert_allclose(found.x, 0.3 + 0.01 * np.sqrt(np.log(2)) * np.array([-1, 1]), rtol=1e-12)


def test_the_same_seed_gives_the_same_points():
    a, b = (fixed_points(lorenz, LORENZ_BOX, seed=3).drop_attrs() for _ in range(2))
    assert a.identical(b)


def test_fixed_points_are_stored(tmp_path):
    found = fixed_points(henon, {"x": (-2, 2), "y": (-2, 2)}, iterates=2)
    ax.save(found, tmp_path / "points.h5")
    assert ax.load(tmp_path / "points.h5").equals(found)


def test_none_in_the_box():
    found = fixed_points(lorenz, {"x": (100, 101), "y": (0, 1), "z": (0, 1)})
    assert found.sizes["point"] == 0


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ({"x": (-1, 1), "y": (-1, 1)}, "does not name state block 'z'"),
        ({**LORENZ_BOX, "w": (0, 1)}, "names 'w', no state block"),
        ({**LORENZ_BOX, "x": (1, -1)}, "low one below"),
        ({**LORENZ_BOX, "x": 3}, "must be .low, high."),
        ([0, 1], "must be a dictionary"),
    ],
)
def test_a_wrong_box_is_explained(box, message):
    with pytest.raises(InputError, match=message):
        fixed_points(lorenz, box)


def test_a_system_that_depends_on_time_has_none():
    @ax.flow(state={"x": ()})
    def forced(t, s, p):
        return {"x": jnp.sin(t) - s.x}

    with pytest.raises(InputError, match="depends on time"):
        fixed_points(forced, {"x": (-1, 1)})


def test_iterates_are_for_maps():
    with pytest.raises(InputError, match="is a flow"):
        fixed_points(lorenz, LORENZ_BOX, iterates=2)
