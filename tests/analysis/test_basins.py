"""Basins where they are known by symmetry or in closed form; attractors that coexist; what gets lost."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import basin_entropy, basins, find_attractors, uncertainty_exponent
from attrax.engine.errors import InputError, Interrupted


@ax.flow(state={"x": (), "v": ()}, parameters={"damping": 0.2})
def well(t, s, p):
    return {"x": s.v, "v": s.x - s.x**3 - p.damping * s.v}


@ax.flow(state={"x": (), "v": ()}, parameters={"damping": 0.2, "force": 0.36})
def duffing(t, s, p):
    return {"x": s.v, "v": s.x - s.x**3 - p.damping * s.v + p.force * jnp.cos(t)}


@ax.flow(state={"x": (2,), "v": (2,)}, parameters={"friction": 0.2, "pull": 0.25, "height": 0.3})
def pendulum(t, s, p):
    force = -p.pull * s.x - p.friction * s.v
    for angle in (0, 2 * np.pi / 3, 4 * np.pi / 3):
        away = jnp.array([np.cos(angle), np.sin(angle)]) - s.x
        force = force + away / (jnp.sum(away**2) + p.height**2) ** 1.5
    return {"x": s.v, "v": force}


@ax.map(state={"z": (2,)})
def newton(t, s, p):
    """Newton's iteration for z^3 = 1."""
    x, y = s.z[0], s.z[1]
    size = 3 * (x**2 + y**2) ** 2
    return {"z": jnp.stack([2 * x / 3 + (x**2 - y**2) / size, 2 * y / 3 - 2 * x * y / size])}


def plane(*sides):
    return np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, len(sides))


def test_two_wells():
    side = np.linspace(-2.0, 2.0, 60)
    found = basins(well, ax.grid(x=side, v=side), transient=100)
    assert found.basin.dims == ("x_initial", "v_initial")
    assert found.sizes["attractor"] == 2 and found.period.values.tolist() == [1, 1]
    np.testing.assert_allclose(np.sort(found.x[:, 0]), [-1.0, 1.0], atol=1e-4)
    np.testing.assert_allclose(found.fraction, 0.5)
    np.testing.assert_array_equal(found.basin.values[::-1, ::-1], 1 - found.basin.values)


def test_newton_fractal():
    side = np.linspace(-1.5, 1.5, 241)
    found = basins(newton, {"z": plane(side, side)}, transient=60)
    roots = found.z.values[:, 0]
    np.testing.assert_allclose(np.sort_complex(roots @ [1, 1j]), np.sort_complex(np.roots([1, 0, 0, -1])), atol=1e-12)
    z = plane(side, side) @ [1, 1j]
    with np.errstate(all="ignore"):
        for _ in range(60):
            z = (2 * z + 1 / z**2) / 3
    nearest = np.abs(z[:, None] - roots @ [1, 1j]).argmin(axis=1)
    there = np.isfinite(z)
    np.testing.assert_array_equal(found.basin.values[there], nearest[there])
    grid = found.basin.values.reshape(241, 241)
    assert float(basin_entropy(grid).boundary_entropy) > np.log(2)


def test_cycle_and_chaos_of_a_forced_oscillator():
    """The exponents of the attractors say which is which; basins agree with another integrator and step."""
    side = np.linspace(-2.0, 2.0, 40)
    states = ax.grid(x=side, v=side)
    found = basins(duffing, states, transient=300, period=2 * np.pi)
    assert sorted(found.period.values) == [0, 1]
    equal = basins(duffing, states, transient=300, period=2 * np.pi, method="rk4", dt=2 * np.pi / 200)
    assert (equal.basin == found.basin).mean() > 0.98
    for k in range(2):
        start = {name: float(found[name][k, 0]) for name in ("x", "v")}
        leading = float(
            ax.analysis.lyapunov_spectrum(duffing, 1, t_total=2000, transient=0, initial=start).exponents[0]
        )
        assert leading > 0.05 if found.period[k] == 0 else leading < -0.05
    cycle = int(found.period.values.argmax())
    again = ax.simulate(
        duffing, 2 * np.pi, initial={name: float(found[name][cycle, 0]) for name in ("x", "v")}, sample="end", rtol=1e-9
    )
    assert again.x.item() == pytest.approx(float(found.x[cycle, 0]), abs=1e-3)


def test_magnetic_pendulum():
    """Over a disc the three magnets have equal shares, and mirrored states mirrored ends."""
    rng = np.random.default_rng(1)
    radius, angle = 1.5 * np.sqrt(rng.uniform(size=400)), rng.uniform(0, np.pi, 400)
    upper = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    rotated = [
        upper @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) for a in (0, 2 * np.pi / 3, -2 * np.pi / 3)
    ]
    states = np.concatenate(rotated)
    found = basins(pendulum, np.hstack([states, 0 * states]), transient=100, rtol=1e-9, atol=1e-11)
    assert found.sizes["attractor"] == 3 and (found.period == 1).all()
    ends = np.arctan2(found.x[:, 0, 1], found.x[:, 0, 0]).values[found.basin.values].reshape(3, 400)
    for k, turn in ((1, 2 * np.pi / 3), (2, -2 * np.pi / 3)):
        assert (np.cos(ends[k] - ends[0] - turn) > 0.999).mean() > 0.99
    error = np.hypot(*found.fraction_error.values[:2])
    assert float(found.fraction.max() - found.fraction.min()) < 4 * error


def test_bistable_lorenz():
    """Between rho = 24.06 and 24.74 two fixed points are stable beside the strange attractor (Sparrow 1982)."""
    system = ax.systems.chaos.lorenz.with_parameters(rho=24.4)
    found = find_attractors(
        system, {"x": ax.uniform(-20, 20), "y": ax.uniform(-20, 20), "z": ax.uniform(0, 40)}, transient=300, number=600
    )
    assert found.period.values.tolist() == [0, 1, 1] and "basin" not in found
    np.testing.assert_allclose(found.z[1:, 0], 23.4, atol=0.3)
    np.testing.assert_allclose(np.sort(found.x[1:, 0]), np.sqrt(8 / 3 * 23.4) * np.array([-1, 1]), atol=0.4)
    assert found.fraction.sum() == pytest.approx(1.0)


def test_rare_attractors_and_divergence():
    """z -> z^2 on the line: 0 attracts (-1, 1), the rest diverges; of 3000 states 500 are scouts."""

    @ax.map(state={"x": ()})
    def square(t, s, p):
        return {"x": s.x**2}

    found = basins(square, ax.grid(x=np.linspace(-30.0, 30.0, 3000)), transient=100)
    x = found.x_initial.values
    np.testing.assert_array_equal(found.basin.values, np.where(np.abs(x) < 1, 0, -1))


def test_slow_passage_is_no_attractor():
    """Past the ghost of a fold, x' = gap + x^2 takes pi / (2 sqrt(gap)) = 157 time units; the attractor is beyond."""

    @ax.flow(state={"x": ()}, parameters={"gap": 1e-4})
    def ghost(t, s, p):
        return {"x": (p.gap + s.x**2) * (2.0 - s.x)}

    found = basins(ghost, ax.grid(x=np.linspace(-1.0, 1.0, 101)), transient=30, resolution=0.001)
    assert found.sizes["attractor"] == 1 and (found.basin == 0).all()
    assert float(found.x[0, 0]) == pytest.approx(2.0, abs=1e-3)


def test_wrong_arguments():
    with pytest.raises(InputError, match="give the period of its forcing"):
        basins(duffing, ax.grid(x=[0.0, 1.0]))
    with pytest.raises(InputError, match="is no state block"):
        basins(well, ax.grid(damping=[0.1, 0.2]))
    with pytest.raises(InputError, match="many initial states"):
        basins(well, {"x": 1.0})
    with pytest.raises(InputError, match="resolution"):
        basins(well, ax.grid(x=[0.0, 1.0]), resolution=2.0)


def test_interrupted():
    def stop(fraction):
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        basins(well, ax.grid(x=np.linspace(-1, 1, 11)), transient=100, progress=stop, workers=1)
    assert (caught.value.partial.basin == -1).all()


def test_uncertainty_exponent():
    """1 for a smooth curve; 1 - ln 2 / ln 3 where the boundary is the Cantor set."""
    n = np.arange(600)
    disc = (np.add.outer((n - 300) ** 2, (n - 300) ** 2) < 200**2).astype(int)
    smooth = uncertainty_exponent(disc)
    assert float(smooth.exponent) == pytest.approx(1.0, abs=0.03)
    assert float(smooth.boundary_dimension) == pytest.approx(1.0, abs=0.03)
    levels = 13
    place, gap = np.arange(3**levels), np.zeros(3**levels, dtype=int)
    for level in range(levels):
        middle = place // 3 ** (levels - 1 - level) % 3 == 1
        gap[(gap == 0) & middle] = level % 2 + 1
    cantor = uncertainty_exponent(gap)
    assert float(cantor.exponent) == pytest.approx(1 - np.log(2) / np.log(3), abs=0.03)
    with pytest.raises(InputError, match="no boundary"):
        uncertainty_exponent(np.zeros((200, 200), dtype=int))


def test_basin_entropy():
    """ln 2 for two basins mixed at random in large boxes; 0 for one basin; half-planes by hand."""
    mixed = np.random.default_rng(0).integers(0, 2, (400, 400))
    assert float(basin_entropy(mixed, box=20).entropy) == pytest.approx(np.log(2), abs=2e-3)
    assert float(basin_entropy(np.zeros((20, 20), dtype=int)).entropy) == 0.0
    halves = np.zeros((20, 20), dtype=int)
    halves[:, 12:] = 1
    found = basin_entropy(halves)
    boundary = -(0.4 * np.log(0.4) + 0.6 * np.log(0.6))
    assert float(found.boundary_entropy) == pytest.approx(boundary)
    assert float(found.entropy) == pytest.approx(boundary / 4)
