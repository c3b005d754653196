"""Bifurcations of limit cycles in two parameters: closed forms, and the same points from branches in one parameter."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import continue_bifurcation, continue_cycles, find_cycle
from attrax.engine.errors import InputError

from .test_cycle_continuation import bautin, hopf, langford, roessler


def test_the_fold_of_cycles_of_the_bautin_normal_form_is_a_parabola():
    branch = continue_cycles(bautin, "b1", (-1, 1), start=hopf(bautin, "b1", (-1, 1)))
    curve = continue_bifurcation(bautin, branch["LPC1"], {"b1": (-1, 0.1), "b2": (0.05, 2)})
    assert curve.data.b1.values == pytest.approx(-(curve.data.b2.values**2) / 4, abs=1e-10)
    assert curve.data.b2.values.min() == pytest.approx(0.05)
    assert curve.data.b2.values.max() == pytest.approx(2.0)
    assert curve.data.attrs["curve"] == "LPC points"


def test_period_doublings_on_the_curve_are_those_of_branches():
    branch = continue_cycles(roessler, "c", (2, 6))
    curve = continue_bifurcation(roessler, branch["PD1"], {"c": (2, 6), "a": (0.1, 0.3)}, max_step=0.05)
    for k in (3, len(curve) // 2, len(curve) - 5):
        a, c = float(curve.data.a[k]), float(curve.data.c[k])
        along = continue_cycles(roessler.with_parameters(a=a, c=c), "c", (c - 0.4, c + 0.4), start=curve.cycle(k))
        gaps = [abs(point.parameters["c"] - c) for point in along.special("PD")]
        assert min(gaps) < 1e-7


def test_the_torus_bifurcation_of_langfords_system_in_a_plane_of_parameters():
    branch = continue_cycles(langford, "a", (0.3, 1.2))
    curve = continue_bifurcation(langford, branch["NS1"], {"a": (0.3, 1.2), "f": (-0.1, 0.1)}, max_step=0.05)
    order = np.argsort(curve.data.f.values)
    a, f = curve.data.a.values[order], curve.data.f.values[order]
    assert np.interp(0.0, f, a) == pytest.approx(branch["NS1"].parameters["a"], abs=1e-5)
    assert a[0] == pytest.approx(a[-1], abs=1e-9)  # turning x and y by pi changes the sign of f
    assert f[[0, -1]] == pytest.approx([-0.1, 0.1])
    values = curve.data.eigenvalues.values
    assert abs(abs(values) - 1).max() < 1e-4


@pytest.mark.slow
def test_folds_of_driven_oscillators():
    @ax.flow(state={"x": (), "v": ()}, parameters={"omega": 0.8, "force": 0.3}, initial={"x": 0.5})
    def duffing(t, s, p):
        return {"x": s.v, "v": -0.1 * s.v - s.x - s.x**3 + p.force * jnp.cos(p.omega * t)}

    branch = continue_cycles(duffing, "omega", (0.8, 3.0), period="2*pi/omega")
    box = {"omega": (0.8, 3.0), "force": (0.05, 0.5)}
    curve = continue_bifurcation(duffing, branch["LPC1"], box, max_step=0.05)
    strobe = ax.analysis.stroboscopic_map(duffing, "2*pi/omega", steps=64)
    twin = ax.analysis.continue_fixed_points(strobe, "omega", (0.8, 3.0), start={"x": 0.3, "v": 0.0})
    folds = ax.analysis.continue_bifurcation(strobe, twin.special("LP")[0], box, max_step=0.05)
    places = np.stack([folds.data.omega, folds.data.force], axis=1)
    middle = np.array([float(curve.data.omega[len(curve) // 2]), float(curve.data.force[len(curve) // 2])])
    assert np.linalg.norm(places - middle, axis=1).min() < 0.05  # near a computed point of the other curve
    shortest = abs(curve.data.force.values.min() - folds.data.force.values.min())
    assert shortest < 1e-3  # the cusp where both folds meet


def test_mistakes_are_explained():
    branch = continue_cycles(roessler, "c", (2, 3))
    with pytest.raises(InputError, match="no curve leaves from a point 'EP1' of cycles"):
        continue_bifurcation(roessler, branch["EP1"], {"c": (2, 6), "a": (0.1, 0.3)})
    with pytest.raises(InputError, match="exclude its value"):
        continue_bifurcation(roessler, branch["PD1"], {"c": (2, 6), "a": (0.25, 0.3)})


def test_curves_are_stored_and_drawn(tmp_path):
    branch = continue_cycles(roessler, "c", (2, 3))
    curve = continue_bifurcation(roessler, branch["PD1"], {"c": (2, 4), "a": (0.15, 0.25)}, max_step=0.1)
    curve.save(tmp_path / "curve.h5")
    again = ax.analysis.CycleBranch(ax.load(tmp_path / "curve.h5"))
    assert again.labels == curve.labels
    curve.plot()


# -- relative periodic orbits ------------------------------------------------------------------------------------


@ax.flow(
    state={"x": (), "y": (), "heading": (), "u": (), "w": ()},
    parameters={"turn": 0.3, "speed": 1.0},
    initial={"u": 1.0, "w": 0.0},
)
def swimmer(t, s, p):
    """A body that goes ahead while its speed and its turning oscillate (a Hopf normal form drives both)."""
    r2 = s.u**2 + s.w**2
    return {
        "x": (p.speed + 0.5 * s.u) * jnp.cos(s.heading),
        "y": (p.speed + 0.5 * s.u) * jnp.sin(s.heading),
        "heading": p.turn + 0.4 * s.w,
        "u": (1 - r2) * s.u - 2.0 * s.w,
        "w": (1 - r2) * s.w + 2.0 * s.u,
    }


PLANE = [
    lambda s: {"x": -s.y, "y": s.x, "heading": 1.0},
    lambda s: {"x": 1.0},
    lambda s: {"y": 1.0},
]


def test_a_circular_run_is_periodic_up_to_a_turn():
    cycle = find_cycle(swimmer, {"u": 1.0, "w": 0.0}, period=np.pi * 1.01, symmetry=PLANE)
    assert cycle.period == pytest.approx(np.pi, rel=1e-10)
    assert cycle.velocities[0] * cycle.period == pytest.approx(0.3 * np.pi, rel=1e-9)  # turn per period
    assert cycle.stable
    inner = cycle.multipliers[np.argmin(abs(cycle.multipliers))]
    assert inner.real == pytest.approx(np.exp(-2 * np.pi), rel=1e-7)


def test_a_straight_run_is_periodic_up_to_a_step():
    straight = swimmer.with_parameters(turn=0.0)
    cycle = find_cycle(straight, {"u": 1.0, "w": 0.0}, period=np.pi * 1.01, symmetry=PLANE)
    assert cycle.velocities[0] == pytest.approx(0.0, abs=1e-10)
    path = ax.simulate(straight, 2 * np.pi, initial={"u": 1.0, "w": 0.0}, sample=np.pi, rtol=1e-12, atol=1e-13)
    step = np.hypot(path.x.values[2] - path.x.values[1], path.y.values[2] - path.y.values[1])
    assert np.hypot(*cycle.velocities[1:]) * cycle.period == pytest.approx(step, rel=1e-8)


def test_relative_periodic_orbits_are_followed():
    cycle = find_cycle(swimmer, {"u": 1.0, "w": 0.0}, period=np.pi, symmetry=PLANE)
    branch = continue_cycles(swimmer, "turn", (0.1, 1.0), start=cycle, symmetry=PLANE)
    turns = branch.data.velocities.values[:, 0] * branch.data.period.values
    assert turns == pytest.approx(branch.data.turn.values * np.pi, rel=1e-7)


def test_cycles_on_the_curves_have_the_multiplier_of_their_bifurcation():
    """Found anew by shooting at the parameter values of the curve."""
    doubling = continue_cycles(roessler, "c", (2, 4))["PD1"]
    torus = continue_cycles(langford, "a", (0.3, 1.2))["NS1"]
    first = continue_bifurcation(roessler, doubling, {"c": (2, 4), "a": (0.15, 0.25)}, max_step=0.1)
    second = continue_bifurcation(langford, torus, {"a": (0.3, 1.2), "f": (-0.1, 0.1)}, max_step=0.1)
    for system, curve in ((roessler, first), (langford, second)):
        cycle = curve.cycle(len(curve) // 3)
        known = {name: cycle.parameters[name] for name in curve.parameters}
        values = find_cycle(system.with_parameters(**known), cycle, method="shooting").multipliers
        if system is roessler:
            assert abs(values + 1).min() < 1e-6
        else:
            assert abs(abs(values[values.imag > 1e-3]) - 1).min() < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["straight", "circle"])
def test_turn_and_step_of_the_sphere_robot(mode):
    """The three weights take turns: after a third of the circle's period they have changed their roles."""
    from attrax.systems.robots import sphere_in_mode

    def turned(s):
        w, x, y, z = s.q
        return {
            "r": jnp.stack([-s.r[1], s.r[0], 0.0 * w]),
            "v": jnp.stack([-s.v[1], s.v[0], 0.0 * w]),
            "omega": jnp.stack([-s.omega[1], s.omega[0], 0.0 * w]),
            "q": jnp.stack([-z, -y, x, w]) / 2,
        }

    plane = [turned, lambda s: {"r": jnp.eye(3)[0]}, lambda s: {"r": jnp.eye(3)[1]}]
    robot = sphere_in_mode(mode)
    end = ax.simulate(robot, 300.0, method="rk4", dt=1e-3, sample="end")
    start = {name: end[name].values.reshape(shape) for name, shape in robot.state.items()}
    cycle = find_cycle(robot, start, period={"straight": 1.6315, "circle": 4.7767}[mode], symmetry=plane)
    here = {name: cycle.data[name].values[0] for name in robot.state}
    times = cycle.period * np.arange(4)
    run = ax.simulate(robot, times[-1], initial=here, sample=times, rtol=1e-11, atol=1e-12)
    path = run.r.values[:, 0] + 1j * run.r.values[:, 1]
    steps = np.diff(path)
    turn = cycle.velocities[0] * cycle.period
    assert np.exp(1j * turn) == pytest.approx(steps[1] / steps[0], abs=1e-7)
    drift = cycle.velocities[1] + 1j * cycle.velocities[2]
    rotation = 1j * cycle.velocities[0]
    ahead = drift * cycle.period if mode == "straight" else (path[0] + drift / rotation) * (np.exp(1j * turn) - 1)
    assert abs(ahead) == pytest.approx(abs(steps[0]), rel=1e-7)
