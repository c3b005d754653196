"""Bifurcations of cycles with resets: normal forms, and curves in two parameters, in closed form."""

from __future__ import annotations

import numpy as np
import pytest

import attrax as ax
from attrax.analysis import CycleBranch, continue_bifurcation, continue_cycles, continue_fixed_points, find_cycle
from attrax.engine.errors import InputError

from .test_cycle_continuation import folding, langford, roessler
from .test_hybrid_cycles import robot, shaken

UNSEEN = ax.event(lambda t, s, p: s.x - 0.5, reset=lambda t, s, p: {"x": s.x})


@pytest.fixture(scope="module")
def bounces():
    return continue_cycles(shaken, "A", (0.005, 0.032), period="2*pi/w")


def folds(r, w):
    """Amplitude of the table at which a ball begins to bounce once a period (g = 1)."""
    return np.pi * (1 - r) / (1 + r) / w**2


def doublings(r, w):
    """... and at which this doubles its period (Luck & Mehta, Phys. Rev. E 48, 3988, 1993)."""
    return np.hypot(2 * (1 + r**2) / (1 + r) ** 2, np.pi * (1 - r) / (1 + r)) / w**2


@pytest.mark.parametrize(("kind", "exact"), [("LPC", folds), ("PD", doublings)])
@pytest.mark.parametrize(("name", "bounds"), [("r", (0.5, 0.95)), ("w", (4.0, 9.0))])
def test_curves_of_the_shaken_ball_in_closed_form(bounces, kind, exact, name, bounds):
    start = bounces[f"{kind}1"]
    assert start.refined
    assert start.parameters["A"] == pytest.approx(exact(0.8, 2 * np.pi), rel=1e-12)
    curve = continue_bifurcation(shaken, start, {"A": (1e-4, 0.1), name: bounds}, max_step=0.1)
    values = curve.data[name].values
    assert (values.min(), values.max()) == bounds
    assert curve.endings == (f"{name} reaches its upper bound", f"{name} reaches its lower bound")
    given = {"r": 0.8, "w": 2 * np.pi} | {name: values}
    assert curve.data.A.values == pytest.approx(exact(**given), rel=1e-12)
    known = curve.data.eigenvalues.values
    critical = 1.0 if kind == "LPC" else -1.0
    assert abs(known - critical).min(axis=1) == pytest.approx(np.zeros(len(curve)), abs=1e-5)  # a double one at R1
    assert np.prod(known, axis=1).real == pytest.approx(np.broadcast_to(given["r"] ** 2, len(curve)), rel=1e-8)


def test_a_point_of_a_curve_is_one_of_another_continuation(bounces):
    curve = continue_bifurcation(shaken, bounces["PD1"], {"A": (1e-4, 0.1), "r": (0.5, 0.95)}, max_step=0.1)
    k = len(curve) // 4
    r, A = (float(curve.data[name][k]) for name in ("r", "A"))
    system = shaken.with_parameters(r=r, A=0.98 * A)
    cycle = find_cycle(system, curve.cycle(k))
    again = continue_cycles(system, "A", (0.97 * A, 1.03 * A), start=cycle)
    (point,) = again.special("PD")
    assert point.parameters["A"] == pytest.approx(A, rel=1e-10)


@pytest.mark.parametrize(
    ("system", "name", "bounds", "kind"),
    [
        (roessler, "c", (2.5, 3.1), "PD"),
        (folding.with_parameters(twist=0.5), "mu", (-0.26, -0.19), "LPC"),
        (folding, "mu", (-0.26, -0.19), "LPC"),
        (langford.with_parameters(f=0.3), "a", (0.5, 0.8), "NS"),
    ],
)
def test_normal_forms_do_not_see_an_event_without_consequence(system, name, bounds, kind):
    (plain,) = continue_cycles(system, name, bounds).special(kind)
    (point,) = continue_cycles(system.with_events(unseen=UNSEEN), name, bounds).special(kind)
    assert point.refined
    assert point.parameters[name] == pytest.approx(plain.parameters[name], rel=1e-10)
    assert point.coefficients == pytest.approx(plain.coefficients, rel=1e-7)
    assert point.note == plain.note


def held(function, parameters, start):
    """A map as a system that holds its state, and changes it by the map once a unit of time; and the map."""
    names = list(start)
    tick = ax.event(
        lambda t, s, p: s.clock - 1.0,
        direction="up",
        reset=lambda t, s, p: {"clock": 0.0, **function(s, p)},
    )
    flow = ax.flow(
        state={"clock": (), **{name: () for name in names}},
        parameters=parameters,
        initial={"clock": 0.3, **start},
        events={"tick": tick},
    )(lambda t, s, p: {"clock": 1.0 + 0.0 * s.clock, **{name: 0.0 * s.clock for name in names}})
    plain = ax.map(state={name: () for name in names}, parameters=parameters, initial=start)
    return flow, plain(lambda t, s, p: function(s, p))


def delayed(s, p):
    """The delayed logistic map (Maynard Smith 1968), and a further term."""
    return {"x": p.r * s.x * (1 - s.y) + 0.1 * p.b * s.x**2, "y": s.x}


def test_a_torus_that_a_reset_makes_has_the_normal_form_and_the_curve_of_its_map():
    """With b = 0 at r = 2, theta = pi / 3; else where r x = 1, and r (1 - x) + 0.1 b x = 1 at the fixed point."""
    flow, plain = held(delayed, {"r": 1.8, "b": 0.0}, {"x": 1 - 1 / 1.8, "y": 1 - 1 / 1.8})
    (point,) = continue_cycles(flow, "r", (1.7, 2.3)).special("NS")
    assert point.parameters["r"] == pytest.approx(2.0, rel=1e-12)
    assert point.coefficients["theta"] == pytest.approx(np.pi / 3, rel=1e-12)
    (torus,) = continue_fixed_points(plain, "r", (1.7, 2.3)).special("NS")
    assert point.coefficients["d"] == pytest.approx(torus.coefficients["d"], rel=1e-8)
    curve = continue_bifurcation(flow, point, {"r": (1.5, 2.5), "b": (-0.5, 1.0)}, max_step=0.1)
    r, b = curve.data.r.values, 0.1 * curve.data.b.values
    assert r * (1 - 1 / r) + b / r == pytest.approx(np.ones(len(r)), rel=1e-11)
    assert abs(curve.data.eigenvalues.values[:, :2]) == pytest.approx(np.ones((len(r), 2)), rel=1e-9)


def test_a_period_doubling_that_a_reset_makes():
    """Henon's map at b = 0.3: at a = 3 (1 - b)^2 / 4; over a unit of time, the reset turns the sign of c."""
    henon = lambda s, p: {"x": 1 - p.a * s.x**2 + s.y, "y": p.b * s.x}  # noqa: E731
    flow, plain = held(henon, {"a": 0.3, "b": 0.3}, {"x": 0.9, "y": 0.27})
    (point,) = continue_cycles(flow, "a", (0.2, 0.5)).special("PD")
    assert point.parameters["a"] == pytest.approx(0.75 * 0.49, rel=1e-12)
    (doubling,) = continue_fixed_points(plain, "a", (0.2, 0.5)).special("PD")
    assert -point.coefficients["c"] == pytest.approx(doubling.coefficients["c"], rel=1e-8)
    curve = continue_bifurcation(flow, point, {"a": (0.1, 0.7), "b": (0.1, 0.5)}, max_step=0.1)
    assert curve.data.a.values == pytest.approx(0.75 * (1 - curve.data.b.values) ** 2, rel=1e-11)


def test_the_fold_of_a_robot_between_walls_in_two_parameters(tmp_path):
    branch = continue_cycles(robot, "kappa", (2.0, 80.0), max_points=120)
    curve = continue_bifurcation(robot, branch["LPC1"], {"kappa": (2.0, 80.0), "Gamma": (15.0, 30.0)}, max_step=0.1)
    Gamma, kappa = float(curve.data.Gamma[0]), float(curve.data.kappa[0])
    slower = robot.with_parameters(Gamma=Gamma)
    (fold,) = continue_cycles(slower, "kappa", (2.0, 80.0), max_points=120).special("LPC")
    assert fold.parameters["kappa"] == pytest.approx(kappa, rel=1e-8)
    curve.save(tmp_path / "folds.h5")
    assert CycleBranch(ax.load(tmp_path / "folds.h5")).endings == curve.endings


def test_mistakes_are_explained(bounces):
    with pytest.raises(InputError, match="curves are LPC, PD, NS"):
        continue_bifurcation(shaken, bounces["EP1"], {"A": (0.02, 0.04), "r": (0.5, 0.9)})
