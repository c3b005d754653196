"""Branches of limit cycles: their bifurcations against closed forms and published values, their ends, their storage."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

import attrax as ax
from attrax.analysis import CycleBranch, continue_cycles, continue_fixed_points, find_cycle
from attrax.analysis.continuation.pseudo_arclength import Curve
from attrax.analysis.cycles.following import Cycles
from attrax.engine.errors import InputError

from .test_cycles import brusselator, driven, van_der_pol

lorenz = ax.systems.chaos.lorenz
roessler = ax.systems.chaos.roessler.with_parameters(a=0.2, b=0.2, c=2.5)


@ax.flow(state={"x": (), "y": ()}, parameters={"b1": -0.1, "b2": 1.0})
def bautin(t, s, p):
    r2 = s.x**2 + s.y**2
    growth = p.b1 + p.b2 * r2 - r2**2
    turn = 1.3 + 0.5 * r2
    return {"x": growth * s.x - turn * s.y, "y": growth * s.y + turn * s.x}


@ax.flow(state={"x": (), "y": (), "z": ()}, parameters={"a": 0.6, "f": 0.0}, initial={"x": 1.0, "z": 0.7})
def langford(t, s, p):
    r2 = s.x**2 + s.y**2
    return {
        "x": (s.z - 0.7) * s.x - 3.5 * s.y,
        "y": 3.5 * s.x + (s.z - 0.7) * s.y,
        "z": 0.6 + p.a * s.z - s.z**3 / 3 - r2 * (1 + 0.25 * s.z) + p.f * s.z * s.x**3,
    }


@ax.flow(state={"x": (), "y": (), "z": ()}, parameters={"alpha": 0.5})
def feedback(t, s, p):
    """Genesio & Tesi; MatCont's tutorial adapt."""
    return {"x": s.y, "y": s.z, "z": -p.alpha * s.z - s.y - s.x + s.x**2}


@ax.flow(state={"v": (), "w": ()}, parameters={"I": 0.0}, initial={"v": -1.2, "w": -0.6})
def fitzhugh(t, s, p):
    return {"v": s.v - s.v**3 / 3 - s.w + p.I, "w": 0.08 * (s.v + 0.7 - 0.8 * s.w)}


@ax.flow(state={"u1": (), "u2": ()}, parameters={"p1": 0.5}, initial={"u1": 0.4, "u2": 1.0})
def predator(t, s, p):
    """AUTO's demo pp2."""
    rate = 3 * s.u1 * (1 - s.u1) - s.u1 * s.u2 - p.p1 * (1 - jnp.exp(-5 * s.u1))
    return {"u1": rate, "u2": -s.u2 + 3 * s.u1 * s.u2}


def hopf(system, parameter, bounds, index=0):
    return continue_fixed_points(system, parameter, bounds).special("H")[index]


def test_fold_of_cycles_of_the_bautin_normal_form():
    for b2 in (1.0, 0.5):
        system = bautin.with_parameters(b2=b2)
        branch = continue_cycles(system, "b1", (-1, 1), start=hopf(system, "b1", (-1, 1)))
        (fold,) = branch.special("LPC")
        assert fold.parameters["b1"] == pytest.approx(-(b2**2) / 4, abs=1e-9)
        assert fold.refined
        assert fold.unstable == (1, 0)
        data = branch.data
        r2 = ((data.x - data.x_min) / 2) ** 2
        assert data.b1.values[5:] == pytest.approx((-b2 * r2 + r2**2).values[5:], abs=1e-6)
        assert data.period.values == pytest.approx(2 * np.pi / (1.3 + 0.5 * r2.values), rel=1e-5)


@ax.flow(state={"x": (), "y": ()}, parameters={"mu": -0.2, "twist": 0.0}, initial={"x": 0.85})
def folding(t, s, p):
    q = s.x**2 + s.y**2
    growth, turn = p.mu + q - q**2, 1 + p.twist * (q - 0.5)
    return {"x": growth * s.x - turn * s.y, "y": growth * s.y + turn * s.x}


@pytest.mark.parametrize("twist", [0.5, -2.0, 1e-3])
def test_the_fold_coefficient_in_polar_coordinates(twist):
    """With r = (1 + d) / sqrt(2): d' = -d^2 and theta' = 1 + twist d + ..., and xi = -twist d."""
    (fold,) = continue_cycles(folding.with_parameters(twist=twist), "mu", (-0.5, -0.1)).special("LPC")
    assert fold.parameters["mu"] == pytest.approx(-0.25, rel=1e-11)
    assert fold.coefficients["b"] == pytest.approx(1 / twist, rel=1e-8)


def test_the_fold_coefficient_of_isochronous_cycles_is_that_of_the_radius():
    """r' = r (r^2 - r^4 - 1/4): half its second derivative at r = 1/sqrt(2)."""
    (fold,) = continue_cycles(folding, "mu", (-0.5, -0.1)).special("LPC")
    assert fold.coefficients["b"] == pytest.approx(-np.sqrt(2), rel=1e-9)
    assert "isochronous" in fold.note


def test_the_fold_coefficient_does_not_depend_on_a_step_ahead():
    """What only advances with the cycle changes nothing."""

    @ax.flow(state={**folding.state, "place": ()}, parameters={"mu": -0.2, "twist": 0.5}, initial={"x": 0.85})
    def stepping(t, s, p):
        return {**folding.function(t, s, p), "place": 0.3 + 0.2 * (s.x**2 + s.y**2) + 0.1 * s.x}

    ahead = [lambda s: {"place": 1.0}]
    cycle = find_cycle(stepping, period=5.7, symmetry=ahead)
    (fold,) = continue_cycles(stepping, "mu", (-0.5, -0.1), start=cycle, symmetry=ahead).special("LPC")
    assert fold.coefficients["b"] == pytest.approx(2.0, rel=1e-8)


def test_torus_bifurcation_of_langfords_system():
    branch = continue_cycles(langford, "a", (0.3, 1.2))
    (torus,) = branch.special("NS")
    trace = lambda a: a - 0.49 - 0.25 * (0.6 + 0.7 * a - 0.343 / 3) / (1 + 0.25 * 0.7)  # noqa: E731
    exact = brentq(trace, 0, 3, xtol=1e-15)
    assert torus.parameters["a"] == pytest.approx(exact, abs=1e-9)
    assert torus.unstable == (0, 2)
    # in polar coordinates the cycle is a fixed point, whose Hopf bifurcation is that of the torus
    radius2 = (0.6 + 0.7 * exact - 0.343 / 3) / (1 + 0.25 * 0.7)
    omega = np.sqrt(2 * radius2 * (1 + 0.25 * 0.7))
    assert torus.coefficients["theta"] == pytest.approx(
        abs((omega * 2 * np.pi / 3.5 + np.pi) % (2 * np.pi) - np.pi), rel=1e-6
    )
    assert torus.note == "supercritical"


def test_the_torus_coefficient_is_that_of_the_hopf_bifurcation_in_polar_coordinates():
    @ax.flow(state={"r": (), "z": ()}, parameters={"a": 0.6}, initial={"r": 1.0, "z": 0.7})
    def polar(t, s, p):
        return {
            "r": (s.z - 0.7) * s.r,
            "z": 0.6 + p.a * s.z - s.z**3 / 3 - s.r**2 * (1 + 0.25 * s.z),
        }

    point = hopf(polar, "a", (0.3, 1.2))
    branch = continue_cycles(langford, "a", (0.3, 1.2))
    assert branch["NS1"].parameters["a"] == pytest.approx(point.parameters["a"], abs=1e-9)
    # the angle runs at the same speed everywhere, so that both normal forms are the same
    expected = point.coefficients["omega"] * point.coefficients["l1"]
    assert branch["NS1"].coefficients["d"] == pytest.approx(expected, rel=1e-6)


def test_period_doublings_of_roesslers_system():
    first = continue_cycles(roessler, "c", (2, 6))
    assert first["PD1"].parameters["c"] == pytest.approx(2.832445028, rel=1e-9)
    assert first["PD1"].period == pytest.approx(5.76982002, rel=1e-8)
    assert first["PD1"].note == "supercritical"
    second = continue_cycles(roessler, "c", (2, 6), start=first["PD1"])
    assert second.data.period.values[0] == pytest.approx(2 * first["PD1"].period, rel=1e-8)
    point = second.special("PD")[-1]
    assert point.parameters["c"] == pytest.approx(3.837358168, rel=1e-9)
    assert point.period == pytest.approx(11.5726888, rel=1e-8)
    doubled = find_cycle(roessler, first["PD1"])
    assert doubled.period == pytest.approx(2 * first["PD1"].period, rel=1e-2)
    assert doubled.stable


def test_the_period_doubling_coefficient_gives_the_size_of_the_doubled_cycle():
    """Where the single cycle grows at rate l, the doubled one is at a distance xi from it with l + c xi^2 = 0."""
    single = continue_cycles(roessler, "c", (2, 3.2))
    point = single["PD1"]
    beyond = point.parameters["c"] + 0.002
    doubled = continue_cycles(roessler, "c", (2, 3.2), start=point, values=[beyond], max_step=0.005)
    (cycle,) = (p.cycle for p in doubled.special("UZ"))
    tau, phase = np.arange(4000) / 4000, cycle.data.phase.values
    states = np.stack([np.interp(tau, phase, x) for x in cycle.profile.T], axis=1)
    square = ((states - np.roll(states, 2000, axis=0)) ** 2).sum(axis=1).mean() / 4
    unstable = find_cycle(roessler.with_parameters(c=beyond), point.cycle)
    rate = np.log(abs(unstable.multipliers[0])) / unstable.period
    assert unstable.multipliers[0].real < -1
    assert -rate / square == pytest.approx(point.coefficients["c"], rel=1e-3)


def test_folds_and_period_doublings_of_hodgkin_and_huxleys_neuron():
    """Knees of the unstable branch: Hassard, J. Theor. Biol. 71, 401 (1978); Rinzel & Miller 1980."""
    neuron = ax.systems.neural.hodgkin_huxley
    start = hopf(neuron.with_parameters(I=0.0), "I", (0, 200))
    branch = continue_cycles(neuron, "I", (0, 200), start=start)
    folds = [p.parameters["I"] for p in branch.special("LPC")]
    assert folds == pytest.approx([7.84654, 7.92198, 6.26490], abs=6e-4)
    assert "Hopf bifurcation at I = 154.527" in branch.endings[1]


def test_a_doubled_cycle_that_returns_to_the_single_one_is_named():
    doubled = find_cycle(roessler.with_parameters(c=3.0))
    branch = continue_cycles(roessler.with_parameters(c=3.0), "c", (2, 3.3), start=doubled)
    assert "returns to the one of half its period, in a period doubling at c = 2.832" in " ".join(branch.endings)
    assert not branch.special("LPC")
    assert not branch.special("BPC")


def test_symmetry_breaking_and_period_doubling_of_lorenz_cycles():
    branch = continue_cycles(lorenz.with_parameters(rho=320.0), "rho", (200, 330))
    (pitchfork,) = branch.special("BPC")
    assert pitchfork.parameters["rho"] == pytest.approx(312.973533, rel=1e-8)
    assert pitchfork.period == pytest.approx(0.41116606, rel=1e-7)
    other = continue_cycles(lorenz, "rho", (200, 330), start=pitchfork)
    points = other.special("PD")
    assert len(points) == 2
    for point in points:
        assert point.parameters["rho"] == pytest.approx(229.406709, rel=1e-8)
        assert point.period == pytest.approx(0.48086682, rel=1e-7)


def test_period_doubling_of_the_feedback_system():
    branch = continue_cycles(feedback, "alpha", (0.3, 2), start=hopf(feedback, "alpha", (0.3, 2)))
    assert branch["PD1"].parameters["alpha"] == pytest.approx(0.6303020, abs=1e-6)  # MatCont's manual


def test_cycles_of_lorenz_end_in_a_homoclinic_connection():
    start = hopf(lorenz.with_parameters(rho=10.0).with_initial(x=5.0, y=5.0, z=9.0), "rho", (1, 30))
    branch = continue_cycles(lorenz, "rho", (1, 30), start=start)
    assert branch.data.rho.values[-1] == pytest.approx(13.926557407, rel=1e-7)  # Kaplan & Yorke 1979: 13.926
    assert "homoclinic connection of the saddle at x = 0, y = 0, z = 0" in branch.endings[1]
    assert (branch.data.unstable.values[1:] == 1).all()


def test_predators_and_prey_approach_a_heteroclinic_cycle():
    branch = continue_cycles(predator, "p1", (0, 1), start=hopf(predator, "p1", (0, 1)))
    assert "heteroclinic connection of the saddle" in branch.endings[1]


def test_a_canard_explosion_is_followed_through_both_folds_to_the_other_hopf_point():
    branch = continue_cycles(fitzhugh, "I", (0, 2), start=hopf(fitzhugh, "I", (0, 2)))
    assert [p.kind for p in branch.special()] == ["H", "LPC", "LPC", "EP"]
    first, second = branch.special("LPC")
    assert first.parameters["I"] + second.parameters["I"] == pytest.approx(2 * 0.875, abs=1e-7)  # by symmetry
    assert "shrinks to a fixed point" in branch.endings[1]
    assert "at I = 1.41872" in branch.endings[1]  # the other Hopf point, 1.418718662545


def test_points_of_a_branch_are_cycles():
    branch = continue_cycles(
        brusselator, "B", (1, 4), start=hopf(brusselator.with_parameters(B=1.5), "B", (1, 4)), values=[3.0]
    )
    (wanted,) = branch.special("UZ")
    assert wanted.period == pytest.approx(7.156919921180, rel=1e-7)
    assert wanted.eigenvalues[1].real == pytest.approx(2.5163758e-4, rel=1e-4)
    exact = find_cycle(brusselator)
    high = exact.profile.max(axis=0)
    assert wanted.vector == pytest.approx(high, rel=1e-5)
    again = find_cycle(brusselator, wanted.cycle)
    assert again.period == pytest.approx(exact.period, rel=1e-12)


def test_directions_and_meshes_do_not_matter():
    results = []
    for intervals in (20, 60):
        for c in (2.2, 2.7):
            branch = continue_cycles(roessler.with_parameters(c=c), "c", (2, 3.5), intervals=intervals)
            results.append(branch["PD1"].parameters["c"])
    assert np.ptp(results) < 1e-8


@pytest.mark.parametrize(
    ("system", "parameter", "bounds"),
    [
        (lorenz.with_parameters(rho=10.0).with_initial(x=5.0, y=5.0, z=9.0), "rho", (1.0, 30.0)),
        (predator, "p1", (0, 1)),
    ],
)
def test_compiled_code_and_python_compute_the_same_cycles_on_the_same_meshes(monkeypatch, system, parameter, bounds):
    options = {"start": hopf(system, parameter, bounds), "intervals": 20, "max_step": 0.02, "max_points": 100}
    compiled = continue_cycles(system, parameter, bounds, **options).data
    monkeypatch.setattr(Cycles, "ahead", Curve.ahead)
    python = continue_cycles(system, parameter, bounds, **options).data
    assert python.period[-1] > 1.5 * python.period.min()  # where meshes become finer for the multipliers, too
    assert dict(compiled.sizes) == dict(python.sizes) and compiled.sizes["node"] > 4 * 20 + 1
    np.testing.assert_allclose(compiled[parameter], python[parameter], rtol=1e-11)
    np.testing.assert_allclose(compiled.period, python.period, rtol=1e-11)
    np.testing.assert_allclose(compiled.eigenvalues, python.eigenvalues, atol=1e-6)


def test_driven_oscillators_keep_to_the_drive():
    branch = continue_cycles(driven, "omega", (0.5, 3.0), period="2*pi/omega")
    w = branch.data.omega.values
    assert branch.data.period.values == pytest.approx(2 * np.pi / w, rel=1e-12)
    amplitude = 0.5 / abs(2 - w**2 + 0.2j * w)
    assert branch.data.x.values == pytest.approx(amplitude, rel=1e-4)


def test_folds_of_a_driven_duffing_oscillator():
    """Its resonance bends over: two folds, which simulation brackets."""

    @ax.flow(state={"x": (), "v": ()}, parameters={"omega": 0.8, "force": 0.3}, initial={"x": 0.5})
    def duffing(t, s, p):
        return {"x": s.v, "v": -0.1 * s.v - s.x - s.x**3 + p.force * jnp.cos(p.omega * t)}

    branch = continue_cycles(duffing, "omega", (0.8, 3.0), period="2*pi/omega")
    folds = sorted(p.parameters["omega"] for p in branch.special("LPC"))
    assert len(folds) == 2
    upper = find_cycle(duffing.with_parameters(omega=folds[1] - 1e-4), branch["LPC1"].cycle, period="2*pi/omega")
    assert abs(upper.multipliers).max() == pytest.approx(1.0, abs=0.05)
    twin = ax.analysis.continue_fixed_points(
        ax.analysis.stroboscopic_map(duffing, "2*pi/omega", steps=64), "omega", (0.8, 3.0), start={"x": 0.3, "v": 0.0}
    )
    others = sorted(p.parameters["omega"] for p in twin.special("LP"))
    assert folds == pytest.approx(others, abs=1e-8)


def test_maps_are_continued_as_fixed_points_of_their_iterates():
    branch = continue_cycles(ax.systems.maps.logistic.with_parameters(r=3.2), "r", (3.05, 3.6), period=2)
    assert branch["PD1"].parameters["r"] == pytest.approx(1 + np.sqrt(6), rel=1e-9)


def test_branches_are_stored_drawn_and_taken_up(tmp_path):
    branch = continue_cycles(roessler, "c", (2, 4))
    branch.save(tmp_path / "cycles.h5")
    again = CycleBranch(ax.load(tmp_path / "cycles.h5"))
    assert again.labels == branch.labels
    assert again["PD1"].period == branch["PD1"].period
    assert repr(again) == repr(branch)
    doubled = continue_cycles(roessler, "c", (2, 4), start=again["PD1"])
    assert doubled.parameters == ["c"]
    axes = branch.plot().axes[0]
    doubled.plot(axes, variable="x")
    assert len(axes.lines) > 6
    branch.plot(variable="period")
    branch["PD1"].cycle.plot()
    from attrax.analysis.drawing.limit_cycles import multipliers

    multipliers(branch.data)
    with pytest.raises(InputError, match="no component 'q'"):
        branch.plot(variable="q")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameter": "nu"}, "nu"),
        ({"bounds": (2, 1)}, "finite and increasing"),
        ({"bounds": (2, 3)}, "exclude its value"),
        ({"intervals": 2}, "intervals must be a whole number of at least 4"),
        ({"max_period": -1}, "max_period must be positive"),
        ({"step": 1.0}, "steps must be ordered"),
    ],
)
def test_mistakes_are_explained(options, message):
    given = {"parameter": "mu", "bounds": (0.5, 2.0)} | options
    with pytest.raises(InputError, match=message):
        continue_cycles(van_der_pol, given.pop("parameter"), given.pop("bounds"), **given)


def test_only_hopf_points_of_fixed_points_are_starts():
    branch = continue_fixed_points(fitzhugh, "I", (0, 2))
    with pytest.raises(InputError, match="begin at Hopf points"):
        continue_cycles(fitzhugh, "I", (0, 2), start=branch["EP1"])
