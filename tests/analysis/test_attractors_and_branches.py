"""Attractors by three means that must agree; attractors and branches that validate each other; slow passages."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import (
    basins,
    basins_by_features,
    basins_by_proximity,
    bifurcation_diagram,
    continue_fixed_points,
    find_attractors,
    match_branches,
    track_attractors,
)
from attrax.engine.errors import InputError


@ax.flow(state={"x": (), "v": ()}, parameters={"friction": 0.3})
def double_well(t, s, p):
    return {"x": s.v, "v": s.x - s.x**3 - p.friction * s.v}


@ax.flow(state={"x": ()}, parameters={"r": 1.0, "h": 0.0})
def cubic(t, s, p):
    return {"x": p.h + p.r * s.x - s.x**3}


@ax.flow(state={"x": (), "y": ()}, parameters={"mu": 0.5})
def cycle_beside_a_point(t, s, p):
    """In polar coordinates r' = r (r^2 - 1/4) (1 - r^2): a point, and a cycle of radius 1, parted by r = 1/2."""
    q = s.x**2 + s.y**2
    return {"x": s.x * (q - 0.25) * (1 - q) - s.y, "y": s.y * (q - 0.25) * (1 - q) + s.x}


def same(one, other):
    """Whether two labellings agree up to the numbers of the basins."""
    return all(len(np.unique(other[one == k])) == 1 for k in np.unique(one)) and len(np.unique(one)) == len(
        np.unique(other)
    )


@pytest.mark.parametrize("system", [double_well, cycle_beside_a_point], ids=lambda s: s.name)
def test_three_ways_agree(system):
    first, second = system.state
    grid = ax.grid(**{first: np.linspace(-1.9, 1.9, 30), second: np.linspace(-1.9, 1.9, 30)})
    recurrences = basins(system, grid, transient=80.0)
    known = find_attractors(system, grid, transient=80.0)
    proximity = basins_by_proximity(system, grid, known, 0.05, transient=80.0)
    features = basins_by_features(system, grid, transient=80.0)
    assert recurrences.sizes["attractor"] == 2
    assert same(recurrences.basin.values, proximity.basin.values)
    assert same(recurrences.basin.values, features.basin.values)
    np.testing.assert_allclose(features.fraction, recurrences.fraction)


def test_basin_stability_of_a_disc():
    """The basin of the point is the disc of radius 1/2; fractions of random states have binomial errors."""
    box = {"x": ax.uniform(-2.0, 2.0), "y": ax.uniform(-2.0, 2.0)}
    for found in (
        find_attractors(cycle_beside_a_point, box, number=4000, transient=60.0),
        basins_by_features(cycle_beside_a_point, box, number=4000, transient=60.0),
    ):
        share, error = float(found.fraction[1]), float(found.fraction_error[1])
        assert error == pytest.approx(np.sqrt(np.pi / 64 * (1 - np.pi / 64) / 4000), rel=0.1)
        assert abs(share - np.pi * 0.5**2 / 16) < 4 * error


def test_own_features():
    found = basins_by_features(
        cycle_beside_a_point,
        {"x": ax.uniform(-1.0, 1.0), "y": ax.uniform(-1.0, 1.0)},
        lambda states: np.hypot(*states.transpose(2, 0, 1)).mean(axis=1)[:, None],
        transient=60.0,
        number=300,
    )
    radii = np.hypot(found.x, found.y).mean("point").values
    np.testing.assert_allclose(np.sort(radii), [0.0, 1.0], atol=1e-3)
    with pytest.raises(InputError, match="members, features"):
        basins_by_features(double_well, {"x": [0.1, 0.2]}, lambda states: states, transient=20.0)


@ax.flow(state={"phi": (2,)}, parameters={"ghost": 1e-3}, initial={"phi": [1.0, 0.0]})
def bottleneck(t, s, p):
    """On the circle phi' = 1 + ghost - cos(phi) in Cartesian coordinates: a cycle that creeps past a ghost."""
    c, d = s.phi
    radius = jnp.hypot(c, d)
    rate = 1 + p.ghost - c / radius
    pull = 1 - radius
    return {"phi": jnp.stack([pull * c - rate * d, pull * d + rate * c])}


@ax.flow(state={"v": (), "w": ()}, parameters={"eps": 0.002})
def relaxation(t, s, p):
    """Van der Pol in Lienard coordinates: slow passages along two branches, and jumps."""
    return {"v": (s.v - s.v**3 / 3 - s.w) / p.eps, "w": s.v}


def test_slow_passages_are_no_attractors():
    """The time to pass is pi sqrt(2 / ghost) = 140; a state lingers there far longer than anywhere else."""
    start = {"phi": np.random.default_rng(0).uniform(-1.5, 1.5, (60, 2))}
    found = find_attractors(bottleneck, start, transient=400.0)
    assert found.sizes["attractor"] == 1 and float(found.fraction[0]) == 1.0
    spread = np.ptp(found.phi.values[0][np.isfinite(found.phi.values[0, :, 0])], axis=0)
    np.testing.assert_allclose(spread, 2.0, atol=0.1)
    box = {"v": ax.uniform(-2.0, 2.0), "w": ax.uniform(-1.0, 1.0)}
    found = find_attractors(relaxation, box, number=40, transient=20.0, method="rodas5p")
    assert found.sizes["attractor"] == 1 and float(found.fraction[0]) == 1.0


def test_attractors_and_branches_of_a_hysteresis():
    h = np.linspace(-0.6, 0.6, 25)
    tracked = track_attractors(cubic, "h", h, {"x": ax.uniform(-2.0, 2.0)}, number=200, transient=50)
    branch = continue_fixed_points(cubic.with_parameters(h=-0.6).with_initial(x=-1.3), "h", (-0.6, 0.6))
    matched = match_branches(tracked, [branch])
    assert (matched.without_branch == 0).all() and (matched.without_attractor == 0).all()
    # one of two branches of a pitchfork left out: its attractor has no branch
    r = np.linspace(0.1, 1.0, 10)
    pitchfork = cubic.with_parameters(r=0.1)
    tracked = track_attractors(pitchfork, "r", r, {"x": ax.uniform(-1.5, 1.5)}, number=100, transient=200)
    upper = continue_fixed_points(pitchfork.with_initial(x=np.sqrt(0.1)), "r", (0.05, 1.0))
    matched = match_branches(tracked, [upper])
    np.testing.assert_array_equal(matched.without_branch, 1)
    # starts on one side only: the other stable branch has no attractor
    tracked = track_attractors(pitchfork, "r", r, {"x": ax.uniform(0.5, 1.5)}, number=50, transient=200)
    both = bifurcation_diagram(cubic.with_parameters(r=-0.5).with_initial(x=0.0), "r", (-0.5, 1.0))
    matched = match_branches(tracked, both)
    np.testing.assert_array_equal(matched.without_branch, 0)
    np.testing.assert_array_equal(matched.without_attractor, 1)


@ax.flow(state={"x": (), "y": ()}, parameters={"mu": 0.2})
def subcritical_hopf(t, s, p):
    """In polar coordinates r' = r (mu + r^2 - r^4): cycles of two sizes between the fold mu = -1/4 and mu = 0."""
    q = s.x**2 + s.y**2
    rate = p.mu + q - q**2
    return {"x": rate * s.x - s.y, "y": rate * s.y + s.x}


def test_attractors_and_branches_of_cycles():
    mu = np.linspace(-0.5, 0.25, 16)
    box = {"x": ax.uniform(-1.5, 1.5), "y": ax.uniform(-1.5, 1.5)}
    tracked = track_attractors(subcritical_hopf, "mu", mu, box, number=100, transient=100)
    points = continue_fixed_points(subcritical_hopf, "mu", (-0.6, 0.4))
    cycles = ax.analysis.continue_cycles(subcritical_hopf, "mu", (-0.6, 0.4), start={"x": 1.0, "y": 0.0})
    matched = match_branches(tracked, [points, cycles])
    clear = (mu != 0) & (mu != -0.25)
    np.testing.assert_array_equal(matched.without_branch[clear], 0)
    np.testing.assert_array_equal(matched.without_attractor[clear], 0)
    assert (matched.on_branch.values[mu > 0.01] == [-2, tracked.attractor.values[-1]]).all()
    assert (matched.on_branch.values[mu < -0.26, 1] == -2).all()
    alone = match_branches(tracked, [points])
    np.testing.assert_array_equal(alone.without_branch[clear], (mu > -0.25)[clear])


def test_wrong_results_are_refused():
    tracked = track_attractors(cubic, "h", [0.0, 0.1], {"x": [-1.0, 1.0]}, transient=50)
    branch = continue_fixed_points(cubic.with_initial(x=1.0), "r", (0.5, 1.5))
    with pytest.raises(InputError, match="over 'h', a branch over r"):
        match_branches(tracked, [branch])
    with pytest.raises(InputError, match="track_attractors"):
        match_branches(tracked.drop_attrs(), [branch])
