"""Bifurcations of cycles with resets: normal forms, and curves in two parameters, in closed form."""

from __future__ import annotations

import mpmath as mp
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


def of_the_map(kind):
    """b or c of the shaken ball (r = 0.8, w = 2 pi) from its map over a period, in 40 digits; begins at half a period.

    The impact is where A w cos(phi) = pi (1 - r) / ((1 + r) w), with the relative speed of 1/2 afterwards.
    """
    mp.mp.dps = 40
    r, w, half = mp.mpf("0.8"), 2 * mp.pi, mp.mpf("0.5")
    sine = 2 * (1 + r**2) / (1 + r) ** 2 / w**2 if kind == "PD" else mp.mpf(0)
    cosine = mp.pi * (1 - r) / (1 + r) / w**2
    A, late = mp.hypot(sine, cosine), mp.atan2(sine, cosine) / w
    table = lambda t: (A * mp.sin(w * t), A * w * mp.cos(w * t), -A * w**2 * mp.sin(w * t))  # noqa: E731

    def flown(h, v):
        s = mp.findroot(lambda s: h + v * s - s * s / 2 - table(half + s)[0], half + late)
        height, speed, _ = table(half + s)
        after, left = -r * (v - s) + (1 + r) * speed, 1 - s
        return height + after * left - left**2 / 2, after - left

    left = half - late
    y = table(late)[0] + left / 2 - left**2 / 2, half - left
    assert max(abs(a - b) for a, b in zip(flown(*y), y, strict=True)) < 1e-35
    slope = lambda *n: [mp.diff(lambda h, v, i=i: flown(h, v)[i], y, n) for i in (0, 1)]  # noqa: E731
    matrix = mp.matrix([slope(1, 0), slope(0, 1)]).T
    critical = -1 if kind == "PD" else 1
    v = mp.matrix([matrix[0, 1], critical - matrix[0, 0]])
    p = mp.matrix([matrix[1, 0], critical - matrix[0, 0]])
    p /= (p.T * v)[0]
    second, mixed = (slope(2, 0), slope(1, 1), slope(0, 2)), (slope(3, 0), slope(2, 1), slope(1, 2), slope(0, 3))
    form = lambda a, b: mp.matrix(  # noqa: E731
        [s * a[0] * b[0] + t * (a[0] * b[1] + a[1] * b[0]) + u * a[1] * b[1] for s, t, u in zip(*second, strict=True)]
    )
    third = mp.matrix(
        [
            s * v[0] ** 3 + 3 * t * v[0] ** 2 * v[1] + 3 * u * v[0] * v[1] ** 2 + x * v[1] ** 3
            for s, t, u, x in zip(*mixed, strict=True)
        ]
    )
    # the mean of its square, before and after the impact
    s, (_, speed, pull) = half + late, table(late)
    before = y[1] - s
    dh, delay = v[0] + v[1] * s, -(v[0] + v[1] * s) / (before - speed)
    dv = -r * (v[1] - delay) + (1 + r) * pull * delay + delay
    dh += (before - (-r * before + (1 + r) * speed)) * delay
    mean = mp.quad(lambda t: (v[0] + v[1] * t) ** 2 + v[1] ** 2, [0, s])
    mean += mp.quad(lambda t: (dh + dv * t) ** 2 + dv**2, [0, 1 - s])
    if kind == "LPC":
        return float((p.T * form(v, v))[0] / 2 / mp.sqrt(mean))
    h = mp.lu_solve(mp.eye(2) - matrix, form(v, v))
    return -float(((p.T * third)[0] / 6 + (p.T * form(v, h))[0] / 2) / mean)


def test_normal_forms_of_the_shaken_ball_in_forty_digits(bounces):
    fold, doubling = bounces["LPC1"], bounces["PD1"]
    assert abs(fold.coefficients["b"]) == pytest.approx(abs(of_the_map("LPC")), rel=1e-9)
    assert doubling.coefficients["c"] == pytest.approx(of_the_map("PD"), rel=1e-9)
    assert doubling.note == "supercritical"


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
    branch = continue_cycles(robot.with_parameters(kappa=6.0), "kappa", (4.0, 6.5), max_step=0.1)
    curve = continue_bifurcation(robot, branch["LPC1"], {"kappa": (4.0, 6.5), "Gamma": (19.0, 22.0)}, max_step=0.1)
    k = int(np.argmax(curve.data.Gamma.values))
    Gamma, kappa = float(curve.data.Gamma[k]), float(curve.data.kappa[k])
    slower = robot.with_parameters(Gamma=Gamma, kappa=kappa + 0.5)
    (fold,) = continue_cycles(slower, "kappa", (kappa - 0.1, kappa + 0.6), max_step=0.1).special("LPC")
    assert fold.parameters["kappa"] == pytest.approx(kappa, rel=1e-9)
    curve.save(tmp_path / "folds.h5")
    assert CycleBranch(ax.load(tmp_path / "folds.h5")).endings == curve.endings


def test_mistakes_are_explained(bounces):
    with pytest.raises(InputError, match="curves are LPC, PD, NS"):
        continue_bifurcation(shaken, bounces["EP1"], {"A": (0.02, 0.04), "r": (0.5, 0.9)})
