"""Bifurcations of fixed points against closed forms and published values."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import Branch, continue_bifurcation, continue_fixed_points
from attrax.engine.errors import InputError, Interrupted, NumericsError


@ax.flow(state={"x": (), "y": (), "z": ()}, parameters={"sigma": 10.0, "rho": 0.5, "beta": 8 / 3})
def lorenz(t, s, p):
    return {"x": p.sigma * (s.y - s.x), "y": s.x * (p.rho - s.z) - s.y, "z": s.x * s.y - p.beta * s.z}


@ax.flow(state={"x": (), "y": ()}, parameters={"A": 1.0, "B": 1.5}, initial={"x": 1.0, "y": 1.5})
def brusselator(t, s, p):
    return {"x": p.A - (p.B + 1) * s.x + s.x**2 * s.y, "y": p.B * s.x - s.x**2 * s.y}


@ax.flow(state={"v": (), "w": ()}, parameters={"I": 0.0}, initial={"v": -1.2, "w": -0.6})
def fitzhugh_nagumo(t, s, p):
    return {"v": s.v - s.v**3 / 3 - s.w + p.I, "w": 0.08 * (s.v + 0.7 - 0.8 * s.w)}


@ax.flow(state={"u1": (), "u2": ()}, parameters={"p1": 0.0, "p2": 14.0}, source="demo ab of AUTO-07p")
def ab(t, s, p):
    rate = p.p1 * (1 - s.u1) * jnp.exp(s.u2)
    return {"u1": -s.u1 + rate, "u2": -s.u2 + p.p2 * rate - 3 * s.u2}


@ax.flow(
    state={"r": (), "v": ()},
    parameters={"eta": -5.0, "J": 15.0, "D": 1.0},
    initial={"r": 0.1, "v": -2.0},
    source="Montbrio, Pazo & Roxin, Phys. Rev. X 5, 021028 (2015)",
)
def mean_field(t, s, p):
    return {"r": p.D / jnp.pi + 2 * s.r * s.v, "v": s.v**2 + p.eta + p.J * s.r - jnp.pi**2 * s.r**2}


@ax.flow(state={"x": ()}, parameters={"b1": -1.0, "b2": 1.0}, initial={"x": -1.5})
def cusp(t, s, p):
    return {"x": p.b1 + p.b2 * s.x - s.x**3}


@ax.map(state={"x": ()}, parameters={"r": 0.5})
def logistic(t, s, p):
    return {"x": p.r * s.x * (1 - s.x)}


@ax.map(state={"x": (), "y": ()}, parameters={"a": 0.0, "b": 0.3}, initial={"x": 1.0, "y": 0.3})
def henon(t, s, p):
    return {"x": 1 - p.a * s.x**2 + s.y, "y": p.b * s.x}


@ax.map(state={"x": (), "y": ()}, parameters={"a": 1.5}, initial={"x": 1 / 3, "y": 1 / 3})
def delayed_logistic(t, s, p):
    return {"x": p.a * s.x * (1 - s.y), "y": s.x}


def only(branch, kind):
    (point,) = branch.special(kind)
    return point


# -- flows --------------------------------------------------------------------------------------------------


def test_lorenz_from_rest_to_the_subcritical_hopf_points():
    """Pitchfork at rho = 1; Hopf at sigma (sigma + beta + 3) / (sigma - beta - 1) = 470/19."""
    rest = continue_fixed_points(lorenz, "rho", (0, 30))
    pitchfork = only(rest, "BP")
    assert pitchfork.parameters["rho"] == pytest.approx(1, rel=1e-12)
    assert pitchfork.note == "pitchfork, supercritical"
    assert pitchfork.unstable == (0, 1)
    rolls = continue_fixed_points(lorenz, "rho", (0, 30), start=pitchfork)
    hopf = rolls.special("H")
    assert len(hopf) == 2
    for point in hopf:
        assert point.parameters["rho"] == pytest.approx(470 / 19, rel=1e-12)
        assert point.coefficients["omega"] == pytest.approx(9.624530063715754, rel=1e-12)
        assert point.note == "subcritical" and point.refined and point.residual < 1e-12
    assert [point.unstable for point in hopf] == [(2, 0), (0, 2)]
    np.testing.assert_allclose(abs(hopf[0].vector), abs(hopf[1].vector), rtol=1e-12)
    assert rolls.special("LP") == []


@pytest.mark.parametrize("A", [0.5, 1.0, 2.0])
def test_brusselator(A):
    """Hopf at B = 1 + A^2, omega = A, supercritical."""
    branch = continue_fixed_points(brusselator.with_parameters(A=A), "B", (0.5, 8), start={"x": A, "y": 1.5 / A})
    hopf = only(branch, "H")
    assert hopf.parameters["B"] == pytest.approx(1 + A**2, rel=1e-12)
    assert hopf.coefficients["omega"] == pytest.approx(A, rel=1e-12)
    assert hopf.note == "supercritical" and hopf.coefficients["l1"] < 0
    np.testing.assert_allclose(hopf.vector, [A, (1 + A**2) / A], rtol=1e-12)


def test_fitzhugh_nagumo():
    """trace 0: v^2 = 1 - 0.064; omega^2 = 0.08 - 0.064^2; I from the nullclines."""
    hopf = continue_fixed_points(fitzhugh_nagumo, "I", (-1, 2)).special("H")
    v = np.sqrt(1 - 0.064) * np.array([-1, 1])
    currents = (v + 0.7) / 0.8 - v + v**3 / 3
    np.testing.assert_allclose([p.parameters["I"] for p in hopf], currents, rtol=1e-12)
    np.testing.assert_allclose(currents, [0.331281337455, 1.418718662545], rtol=1e-11)
    np.testing.assert_allclose([p.coefficients["omega"] for p in hopf], np.sqrt(0.08 - 0.064**2), rtol=1e-12)
    assert [p.note for p in hopf] == ["subcritical", "subcritical"]
    assert [p.unstable for p in hopf] == [(0, 2), (2, 0)]


def test_adaptive_dissipation():
    """x'' = (mu - V) x' - V' with V = x^3/3 - x^2/2: at x = 1, Hopf at mu = V(1) = -1/6 with omega^2 = V''(1) = 1."""

    @ax.flow(state={"x": (), "v": ()}, parameters={"mu": -0.3}, initial={"x": 1.0})
    def well(t, s, p):
        return {"x": s.v, "v": (p.mu - s.x**3 / 3 + s.x**2 / 2) * s.v - s.x**2 + s.x}

    hopf = only(continue_fixed_points(well, "mu", (-0.5, 0.1)), "H")
    assert hopf.parameters["mu"] == pytest.approx(-1 / 6, rel=1e-12)
    assert hopf.coefficients["omega"] == pytest.approx(1, rel=1e-12)
    np.testing.assert_allclose(hopf.vector, [1, 0], atol=1e-14)


@pytest.mark.parametrize(("p2", "p1"), [(14, 0.16504205), (15, 0.14688248), (16, 0.13253844)])
def test_auto_demo_ab(p2, p1):
    first = continue_fixed_points(ab.with_parameters(p2=float(p2)), "p1", (0, 0.5)).special("H")[0]
    assert first.parameters["p1"] == pytest.approx(p1, abs=5e-9)


def test_mean_field_folds_meet_in_a_cusp():
    branch = continue_fixed_points(mean_field, "eta", (-10, 0))
    folds = branch.special("LP")
    assert [p.unstable for p in folds] == [(0, 1), (1, 0)]
    curve = continue_bifurcation(mean_field, folds[0], {"eta": (-10, 5), "J": (1, 20)})
    point = only(curve, "CP")
    assert point.parameters["eta"] == pytest.approx(-np.sqrt(3), rel=1e-10)
    assert point.parameters["J"] == pytest.approx(7.796217037, rel=1e-9)
    assert point.vector[0] == pytest.approx(0.296220727, rel=2e-9)
    # both folds lie on the one curve
    at = [np.interp(15.0, j, eta) for j, eta in _halves(curve, "J", "eta", point.parameters["J"])]
    np.testing.assert_allclose(sorted(at), sorted(p.parameters["eta"] for p in folds), atol=5e-3)


def _halves(curve, across, along, turn):
    x, y = curve.data[across].values, curve.data[along].values
    k = int(np.argmin(abs(x - turn)))
    return [(x[: k + 1][::-1], y[: k + 1][::-1]), (x[k:], y[k:])]


def test_cusp_normal_form():
    """27 b1^2 = 4 b2^3 along the whole curve of folds; at the fold x = b^(1/2), x'' = -6 x: a = -3 x."""
    branch = continue_fixed_points(cusp, "b1", (-2, 2))
    for point in branch.special("LP"):
        assert 27 * point.parameters["b1"] ** 2 == pytest.approx(4, rel=1e-12)
        assert abs(point.coefficients["a"]) == pytest.approx(3 / np.sqrt(3), rel=1e-10)
    curve = continue_bifurcation(cusp, branch["LP1"], {"b1": (-2, 2), "b2": (-1, 1.5)})
    b1, b2 = curve.data["b1"].values, curve.data["b2"].values
    np.testing.assert_allclose(27 * b1**2, 4 * b2**3, rtol=1e-10, atol=1e-14)
    point = only(curve, "CP")
    np.testing.assert_allclose([*point.parameters.values(), *point.vector], 0, atol=1e-10)
    assert point.coefficients["c"] == pytest.approx(-1, rel=1e-10)


# -- maps ---------------------------------------------------------------------------------------------------


def test_logistic_map_through_its_cascade():
    rest = continue_fixed_points(logistic, "r", (0, 4))
    transcritical = only(rest, "BP")
    assert transcritical.parameters["r"] == pytest.approx(1, rel=1e-12)
    assert transcritical.note == "transcritical"
    branch = continue_fixed_points(logistic, "r", (0.5, 4), start=transcritical)
    for expected in (3, 1 + np.sqrt(6), 3.544090359551923):
        first = branch.special("PD")[0]
        assert first.parameters["r"] == pytest.approx(expected, rel=1e-12)
        assert first.note == "supercritical" and first.residual < 1e-14
        branch = continue_fixed_points(logistic, "r", (0.5, 4), start=first)
    assert branch.data.attrs["iterates"] == 8


def test_the_period_doubling_coefficient_of_the_logistic_map():
    """c = (f''^2 / 4 + f''' / 6) for one dimension (Kuznetsov 4.5.1, with the sign that makes c > 0 supercritical)."""
    branch = continue_fixed_points(logistic.with_parameters(r=2.5), "r", (2, 3.5), start={"x": 0.6})
    assert only(branch, "PD").coefficients["c"] == pytest.approx((2 * 3) ** 2 / 4, rel=1e-12)


def test_period_three_begins_at_a_fold():
    start = logistic.with_parameters(r=3.84)
    points = ax.analysis.fixed_points(start, {"x": (0.1, 1)}, iterates=3)
    x = float(points.x[(points.kind == "stable node") & (points.period == 3)][0])
    branch = continue_fixed_points(start, "r", (3.8, 3.9), start={"x": x}, iterates=3)
    fold = branch.special("LP")[0]
    assert fold.parameters["r"] == pytest.approx(1 + np.sqrt(8), rel=1e-12)


def test_henon_map():
    branch = continue_fixed_points(henon, "a", (-0.3, 1.4))
    assert only(branch, "LP").parameters["a"] == pytest.approx(-0.1225, rel=1e-12)
    for expected in (0.3675, 0.9125, 1.0258554050738):
        first = branch.special("PD")[0]
        assert first.parameters["a"] == pytest.approx(expected, rel=1e-12)
        branch = continue_fixed_points(henon, "a", (-0.3, 1.4), start=first)


def test_period_doublings_of_henon_in_two_parameters():
    """4 a = 3 (1 - b)^2 along the curve; the folds are at 4 a = -(1 - b)^2."""
    branch = continue_fixed_points(henon, "a", (-0.3, 1.4))
    for kind, factor in (("PD", 3), ("LP", -1)):
        curve = continue_bifurcation(henon, branch[f"{kind}1"], {"a": (-1, 2), "b": (-0.5, 0.8)})
        a, b = curve.data["a"].values, curve.data["b"].values
        np.testing.assert_allclose(4 * a, factor * (1 - b) ** 2, rtol=1e-10)


def test_delayed_logistic_map():
    """Neimark-Sacker at a = 2 with the multipliers (1 +- i sqrt 3) / 2 (Kuznetsov, example 4.3)."""
    point = only(continue_fixed_points(delayed_logistic, "a", (1.2, 2.5)), "NS")
    assert point.parameters["a"] == pytest.approx(2, rel=1e-12)
    assert point.coefficients["theta"] == pytest.approx(np.pi / 3, rel=1e-12)
    assert point.note == "supercritical"
    expected = [0.5 - 0.75**0.5 * 1j, 0.5 + 0.75**0.5 * 1j]
    np.testing.assert_allclose(np.sort_complex(point.eigenvalues), expected, rtol=1e-12)


# -- the result -----------------------------------------------------------------------------------------------


def test_a_branch_prints_as_a_table_and_is_stored(tmp_path):
    branch = continue_fixed_points(fitzhugh_nagumo, "I", (-1, 2), values=[0.0, 1.0])
    assert branch.labels == ["EP1", "UZ1", "H1", "UZ2", "H2", "EP2"]
    assert branch["UZ2"].parameters["I"] == 1.0
    text = repr(branch)
    assert "H1" in text and "0.33128134" in text and "subcritical" in text and "0 -> 2" in text
    branch.save(tmp_path / "branch.h5", "branch")
    again = Branch(ax.load(tmp_path / "branch.h5", "branch"))
    assert again.data.equals(branch.data) and repr(again) == text
    curve = continue_fixed_points(fitzhugh_nagumo, "I", (-1, 2), start=again["H2"])
    np.testing.assert_allclose([p.parameters["I"] for p in curve.special("H")][-1], branch["H2"].parameters["I"])
    with pytest.raises(InputError, match="no point .H3.; known: EP1"):
        branch["H3"]


def test_residuals_along_a_branch():
    branch = continue_fixed_points(ab, "p1", (0, 0.5))
    data = branch.data
    assert float(data["residual"].max()) < 1e-9
    assert (np.diff(data["u1"]) > 0).all()


def test_what_was_computed_survives_an_interruption():
    def stop(fraction):
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        continue_fixed_points(ab, "p1", (0, 0.5), progress=stop)
    assert len(caught.value.partial) > 10


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"parameter": "rh"}, InputError, "no scalar parameter 'rh'; did you mean 'rho'"),
        ({"bounds": (1, 30)}, InputError, "exclude its value 0.5"),
        ({"bounds": (30, 1)}, InputError, "finite and increasing"),
        ({"bounds": 3}, InputError, r"must be \(low, high\)"),
        ({"max_step": -1}, InputError, "max_step must be a positive number"),
        ({"step": 0.1}, InputError, "min_step <= step <= max_step"),
        ({"max_points": 0}, InputError, "max_points must be a whole number"),
        ({"iterates": 2}, InputError, "is a flow"),
    ],
)
def test_mistakes_are_explained(change, error, message):
    arguments = {"parameter": "rho", "bounds": (0, 30)} | change
    with pytest.raises(error, match=message):
        continue_fixed_points(lorenz, **arguments)


def test_a_start_at_a_special_point_finds_it_once():
    start = lorenz.with_parameters(rho=10.0).with_initial(x=5.0, y=5.0, z=9.0)
    branch = continue_fixed_points(start, "rho", (0.5, 30))
    again = continue_fixed_points(start, "rho", (0.5, 30), start=branch["H1"])
    assert sorted(p.kind for p in again.special()) == sorted(p.kind for p in branch.special())


def test_wrong_starts_of_curves_are_explained():
    start = lorenz.with_parameters(rho=10.0).with_initial(x=5.0, y=5.0, z=9.0)
    branch = continue_fixed_points(start, "rho", (0.5, 30))
    bounds = {"rho": (0, 100), "sigma": (5, 30)}
    for given in ("H1", branch):
        with pytest.raises(InputError, match=r"start must be a labelled point of a branch, as in branch\['H1'\]"):
            continue_bifurcation(lorenz, given, bounds)
    with pytest.raises(InputError, match="start must be values of states, or a labelled point"):
        continue_fixed_points(lorenz, "rho", (0, 30), start="H1")
    with pytest.raises(InputError, match="no curve 'PD' leaves from a point 'H1' of a flow; curves are LP, H, BP"):
        continue_bifurcation(lorenz, branch["H1"], bounds, curve="PD")
    with pytest.raises(NumericsError, match="the start does not lie on such a curve"):
        continue_bifurcation(lorenz, branch["H1"], bounds, curve="LP")
    with pytest.raises(InputError, match="values must be numbers, values of 'rho'"):
        continue_fixed_points(start, "rho", (0.5, 30), values="a")


def test_a_hopf_point_of_a_linear_centre_is_degenerate():
    """Van der Pol's equation without its damping."""

    @ax.flow(state={"x": (), "y": ()}, parameters={"mu": -0.5})
    def van_der_pol(t, s, p):
        return {"x": s.y, "y": p.mu * (1 - s.x**2) * s.y - s.x}

    assert only(continue_fixed_points(van_der_pol, "mu", (-1, 1)), "H").note == "degenerate: l1 vanishes"


def test_a_parameter_that_does_not_occur_in_a_network_is_refused():
    @ax.flow(state={"x": (40,)}, parameters={"a": 1.0, "b": 2.0})
    def network(t, s, p):
        return {"x": p.a - s.x}

    with pytest.raises(InputError, match="parameter 'b' does not occur"):
        continue_fixed_points(network, "b", (0, 3))


def test_a_branch_that_comes_close_to_its_bound_without_end_ends_there():
    """rate = u exp(-u): the upper branch approaches rate = 0 while u grows."""

    @ax.flow(state={"u": ()}, parameters={"rate": 0.1}, initial={"u": 0.1})
    def ignition(t, s, p):
        return {"u": p.rate * jnp.exp(s.u) - s.u}

    branch = continue_fixed_points(ignition, "rate", (0, 1))
    assert only(branch, "LP").parameters["rate"] == pytest.approx(np.exp(-1), rel=1e-12)
    assert branch.endings == ("rate reaches its lower bound", "rate reaches its lower bound")


def test_a_start_without_a_fixed_point_is_explained():
    @ax.flow(state={"x": ()}, parameters={"mu": 1.0})
    def none(t, s, p):
        return {"x": p.mu**2 + 1 + s.x**2}

    with pytest.raises(NumericsError, match="no fixed point .* condition number"):
        continue_fixed_points(none, "mu", (0, 2), start={"x": 1.0})


def test_fixed_points_beyond_the_bounds_are_explained():
    @ax.flow(state={"x": ()}, parameters={"mu": 1.0})
    def fold(t, s, p):
        return {"x": p.mu + s.x**2}

    with pytest.raises(NumericsError, match="the nearest ones are beyond the bounds"):
        continue_fixed_points(fold, "mu", (0, 2))


def test_a_hopf_point_where_an_eigenvalue_vanishes_too_is_degenerate():
    """Rossler's equations with a = b have a zero-Hopf point at c = 2 a."""

    @ax.flow(state={"x": (), "y": (), "z": ()}, parameters={"a": 0.2, "b": 0.2, "c": 5.7})
    def roessler(t, s, p):
        return {"x": -s.y - s.z, "y": s.x + p.a * s.y, "z": p.b + s.z * (s.x - p.c)}

    branch = continue_fixed_points(roessler, "c", (0.1, 6), start={"x": 0.007, "y": -0.035, "z": 0.035})
    point = only(branch, "H")
    assert point.note == "degenerate: an eigenvalue vanishes, too"
    assert point.parameters["c"] == pytest.approx(0.4, rel=1e-9)
    assert point.coefficients["omega"] == pytest.approx(1.4, rel=1e-9)


def test_a_parameter_that_does_not_occur_is_refused():
    with pytest.raises(InputError, match="parameter 'D' does not occur"):

        @ax.flow(state={"x": ()}, parameters={"a": 1.0, "D": 1.0})
        def simple(t, s, p):
            return {"x": p.a - s.x}

        continue_fixed_points(simple, "D", (0, 2))


def test_a_start_near_a_fold_is_corrected():
    @ax.flow(state={"x": ()}, parameters={"mu": -0.01})
    def fold(t, s, p):
        return {"x": p.mu - s.x**2}

    branch = continue_fixed_points(fold, "mu", (-1, 1))
    point = only(branch, "LP")
    np.testing.assert_allclose([point.parameters["mu"], *point.vector], 0, atol=1e-12)
    assert point.coefficients["a"] == pytest.approx(-1)
