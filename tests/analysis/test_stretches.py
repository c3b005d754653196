"""Points that a compiled driver computes many at a time are those that are computed one by one."""

from __future__ import annotations

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import continue_fixed_points
from attrax.analysis.continuation.pseudo_arclength import Curve
from attrax.analysis.equilibria import curves as equilibria
from attrax.analysis.equilibria.spectra import spectra


@ax.flow(state={"u": (2,)}, parameters={"p1": 0.0})
def ab(t, s, p):
    """Two reactions in a stirred tank: folds and Hopf points (demo ab of AUTO-07p)."""
    rate = p.p1 * (1 - s.u[0]) * jnp.exp(s.u[1])
    return {"u": jnp.stack([-s.u[0] + rate, -s.u[1] + 14 * rate - 2 * s.u[1]])}


@ax.flow(state={"x": ()}, parameters={"a": 0.0})
def snake(t, s, p):
    """Folds at a = +-1, again and again."""
    return {"x": p.a - jnp.sin(s.x)}


@ax.flow(state={"x": (), "y": ()}, parameters={"a": 0.0}, initial={"x": 0.0, "y": 1.0})
def island(t, s, p):
    """Fixed points on a circle: a closed branch."""
    return {"x": p.a - s.x, "y": 1 - s.x**2 - s.y**2}


@ax.flow(state={"x": ()}, parameters={"a": -1.0})
def pitchfork(t, s, p):
    return {"x": p.a * s.x - s.x**3}


@ax.map(state={"x": (), "y": ()}, parameters={"a": 0.1}, initial={"x": 0.9, "y": 0.3})
def henon(t, s, p):
    return {"x": 1 - p.a * s.x**2 + s.y, "y": 0.3 * s.x}


@ax.flow(state={"x": ()}, parameters={"a": 1.0}, initial={"x": 1.0})
def hyperbola(t, s, p):
    """The state grows beyond all bounds."""
    return {"x": 1 - p.a * s.x}


@pytest.mark.parametrize(
    ("system", "parameter", "bounds", "options"),
    [
        (ab, "p1", (0, 0.5), {"values": (0.1, 0.2)}),
        (snake, "a", (-2, 2), {"max_points": 400}),
        (island, "a", (-2, 2), {}),
        (pitchfork, "a", (-1, 1), {}),
        (henon, "a", (-0.3, 1.4), {}),
        (henon, "a", (0.05, 1.4), {"iterates": 4}),
        (hyperbola, "a", (-1, 2), {}),
    ],
    ids=["ab", "snake", "closed", "pitchfork", "map", "iterate", "to infinity"],
)
def test_they_are_the_points_computed_one_by_one(monkeypatch, system, parameter, bounds, options):
    many = continue_fixed_points(system, parameter, bounds, **options)
    monkeypatch.setattr(equilibria.FixedPoints, "ahead", Curve.ahead)
    single = continue_fixed_points(system, parameter, bounds, **options)
    assert many.labels == single.labels and many.endings == single.endings and len(many) == len(single)
    for label in many.labels:
        assert many[label].unstable == single[label].unstable and many[label].note == single[label].note
    np.testing.assert_allclose(many.data[parameter], single.data[parameter], rtol=1e-9, atol=1e-9)
    ordinary = many.data["label"].values == ""
    many, single = (branch.data.isel(point=ordinary) for branch in (many, single))
    for name in ("tangent", "unstable"):
        np.testing.assert_allclose(many[name], single[name], rtol=1e-8, atol=1e-8)
    for one, other in zip(many["eigenvalues"].values, single["eigenvalues"].values, strict=True):
        size = 1 + abs(other).max()
        np.testing.assert_allclose(np.sort_complex(one), np.sort_complex(other), atol=1e-6 * size)


def test_eigenvalues_of_two_states_have_full_accuracy():
    """Each relative to itself, also where the other is much larger, against 60 digits."""
    generator = np.random.default_rng(0)
    matrices = generator.normal(size=(200, 2, 2)) * 10.0 ** generator.integers(-8, 8, size=(200, 2, 2))
    matrices[::7, 0, 1] = matrices[::11, 1, 0] = 0.0
    matrices[::13, 1, 1] = matrices[::13, 0, 0]
    values, _ = spectra(matrices, False)
    with mpmath.workdps(60):
        for ((a, b), (c, d)), found in zip(matrices.tolist(), values, strict=True):
            mean, half = (mpmath.mpf(a) + d) / 2, (mpmath.mpf(a) - d) / 2
            root = mpmath.sqrt(half**2 + mpmath.mpf(b) * c)
            for value in found:
                nearest = min((mean + root, mean - root), key=lambda exact, value=value: abs(exact - value))
                assert abs(nearest - mpmath.mpc(value)) <= 1e-14 * abs(nearest)
            assert abs(found.sum() - (a + d)) <= 1e-15 * abs(found).max()
