"""What must not matter to a continuation: coordinates, order, direction, company; and curves of awkward shapes."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import Branch, bifurcation_diagram, continue_bifurcation, continue_fixed_points
from attrax.analysis.continuation.pseudo_arclength import Curve, Stepping, begin, follow
from attrax.engine.errors import InputError, NumericsError


def neurons(t, s, p):
    """Wilson & Cowan's excitatory and inhibitory populations, as a flat array."""
    e, i = s.x[0], s.x[1]

    def gain(x, a, theta):
        return 1 / (1 + jnp.exp(-a * (x - theta))) - 1 / (1 + jnp.exp(a * theta))

    drive_e, drive_i = 16 * e - 12 * i + p.P, 15 * e - 3 * i
    return jnp.stack([-e + (1 - e) * gain(drive_e, 1.3, 4.0), -i + (1 - i) * gain(drive_i, 2.0, 3.7)])


def system(change=None, undo=None, parameter=lambda p: p, extra=0):
    """The populations in coordinates ``X = change x``, with ``extra`` decoupled stable states."""
    change = np.eye(2) if change is None else np.asarray(change)
    undo = np.linalg.inv(change)

    class State:
        def __init__(self, x):
            self.x = x

    class Value:
        def __init__(self, P):
            self.P = P

    @ax.flow(state={"x": (2 + extra,)}, parameters={"P": 0.0})
    def moved(t, s, p):
        rate = change @ neurons(t, State(undo @ (s.x[:2] - 0.3)), Value(parameter(p.P)))
        return {"x": jnp.concatenate([rate, -2.0 * s.x[2:]])}

    start = change @ np.array([0.0, 0.0]) + 0.3
    return moved.with_initial(x=np.concatenate([start, np.zeros(extra)]))


def summary(branch, parameter=lambda p: p):
    """Kinds, parameter values, verdicts and signs of the special points."""
    points = [p for p in branch.special() if p.kind not in ("EP", "NSE")]
    kinds = [(p.kind, p.note, p.unstable, np.sign(p.coefficients.get("a", 0))) for p in points]
    return kinds, np.array([parameter(p.parameters["P"]) for p in points])


PLAIN = continue_fixed_points(system(), "P", (-1, 4))


def test_the_populations_have_folds_and_hopf_points():
    kinds, _ = summary(PLAIN)
    assert [kind for kind, *_ in kinds].count("LP") == 2
    assert "H" in [kind for kind, *_ in kinds]


@pytest.mark.parametrize(
    "change",
    [[[0, 1], [1, 0]], [[-1, 0], [0, 1]], [[3, 0], [0, 0.2]], [[1, 0.7], [-0.4, 1.3]]],
    ids=["permuted", "reflected", "rescaled", "sheared"],
)
def test_affine_changes_of_state_change_nothing(change):
    kinds, values = summary(continue_fixed_points(system(change), "P", (-1, 4)))
    expected_kinds, expected_values = summary(PLAIN)
    assert kinds == expected_kinds
    np.testing.assert_allclose(values, expected_values, rtol=1e-10)


def test_a_decoupled_system_changes_nothing():
    branch = continue_fixed_points(system(extra=1), "P", (-1, 4))
    assert summary(branch)[0] == summary(PLAIN)[0]
    np.testing.assert_allclose(summary(branch)[1], summary(PLAIN)[1], rtol=1e-10)


def test_another_parametrisation_changes_nothing():
    moved = system(parameter=lambda q: jnp.exp(q) - 1)
    branch = continue_fixed_points(moved, "P", (-1, np.log(5)))
    kinds, values = summary(branch, lambda q: np.exp(q) - 1)
    expected = [(k, v) for k, v in zip(*summary(PLAIN), strict=True) if np.exp(-1) - 1 < v]
    assert kinds == [k for k, _ in expected]
    np.testing.assert_allclose(values, [v for _, v in expected], rtol=1e-10)


def test_a_branch_continued_backwards_returns():
    end = PLAIN["EP2"]
    back = continue_fixed_points(system(), "P", (-1, 4), start=end)
    kinds, values = summary(back)
    expected_kinds, expected_values = summary(PLAIN)
    if not np.allclose(values, expected_values):
        kinds = [(kind, note, verdict[::-1], sign) for kind, note, verdict, sign in kinds[::-1]]
        values = values[::-1]
    assert kinds == expected_kinds
    np.testing.assert_allclose(values, expected_values, rtol=1e-11)


PLANE = {"P": (-6, 7), "Q": (-14, 2)}


def plane(change=None, extra=0):
    """Curves of folds and Hopf points over two inputs: kinds, parameters and coefficients that are invariant."""
    change = np.eye(2) if change is None else np.asarray(change)
    undo = np.linalg.inv(change)

    @ax.flow(state={"x": (2 + extra,)}, parameters={"P": -8.0, "Q": -5.0})
    def moved(t, s, p):
        x, y = undo @ s.x[:2]
        rate = jnp.stack(
            [
                -x + 1 / (1 + jnp.exp(-(p.P + 10 * x - 10 * y))),
                -y + 1 / (1 + jnp.exp(-(p.Q + 10 * x + 2 * y))),
            ]
        )
        return {"x": jnp.concatenate([change @ rate, -2.0 * s.x[2:]])}

    branch = continue_fixed_points(moved, "P", (-8, 4))
    found = []
    for label in ("LP1", "H1"):
        points = [p for p in continue_bifurcation(moved, branch[label], PLANE).special() if p.kind != "EP"]
        points.sort(key=lambda p: p.parameters["P"])
        signs = [(p.kind, np.sign(p.coefficients.get("c", 0)), np.sign(p.coefficients.get("l2", 0))) for p in points]
        found.append((signs, np.array([list(p.parameters.values()) for p in points])))
    return found


@pytest.mark.parametrize(
    ("change", "extra"),
    [([[0, 1], [1, 0]], 0), ([[1, 0.7], [-0.4, 1.3]], 0), (None, 1), ([[-3, 0], [0, 0.2]], 2)],
    ids=["permuted", "sheared", "in company", "rescaled, in company"],
)
def test_curves_of_bifurcations_do_not_depend_on_coordinates(change, extra):
    for (kinds, values), (expected_kinds, expected) in zip(plane(change, extra), plane(), strict=True):
        assert [kind for kind, *_ in kinds] == [kind for kind, *_ in expected_kinds]
        assert [abs(c) for _, c, _ in kinds] == [abs(c) for _, c, _ in expected_kinds]
        assert [l2 for *_, l2 in kinds] == [l2 for *_, l2 in expected_kinds]
        np.testing.assert_allclose(values, expected, rtol=1e-9)


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("change", [[[0, 1], [1, 0]], [[1, 0.7], [-0.4, 1.3]]], ids=["permuted", "sheared"])
def test_bifurcations_of_maps_do_not_depend_on_coordinates(change, extra):
    """The cubic Henon map x' = y, y' = -0.2 x + a y - y^3, and the delayed logistic map."""

    def duffing(x, y, a):
        return [y, -0.2 * x + a * y - y**3]

    def delayed(x, y, a):
        return [a * x * (1 - y), x]

    def points(rule, change, start, bounds):
        undo = np.linalg.inv(change)

        @ax.map(state={"x": (2 + extra,)}, parameters={"a": np.mean(bounds)})
        def moved(t, s, p):
            x, y = undo @ s.x[:2]
            return {"x": jnp.concatenate([change @ jnp.stack(rule(x, y, p.a)), 0.5 * s.x[2:]])}

        moved = moved.with_initial(x=np.concatenate([change @ np.array(start), np.zeros(extra)]))
        special = [p for p in continue_fixed_points(moved, "a", bounds).special() if p.kind not in ("EP", "NSE")]
        return sorted((round(p.parameters["a"], 10), p.kind, p.note, sorted(p.unstable)) for p in special)

    for rule, start, bounds in ((duffing, [0.9, 0.9], (0.5, 3.0)), (delayed, [0.5, 0.5], (1.2, 2.6))):
        expected = points(rule, np.eye(2), start, bounds)
        assert len(expected) in (1, 3)
        assert points(rule, np.array(change, float), start, bounds) == expected


@ax.map(state={"x": (), "y": ()}, parameters={"a": 0.1}, initial={"x": 0.9, "y": 0.3})
def henon(t, s, p):
    return {"x": 1 - p.a * s.x**2 + s.y, "y": 0.3 * s.x}


def doublings(branch, parameter=lambda a: a):
    """Kinds, notes, verdicts (without direction) and parameter values of the special points, by parameter."""
    points = [p for p in branch.special() if p.kind not in ("EP", "NSE")]
    points.sort(key=lambda p: parameter(p.parameters["a"]))
    return [(p.kind, p.note, sorted(p.unstable)) for p in points], [parameter(p.parameters["a"]) for p in points]


@pytest.mark.parametrize("iterates", [1, 2])
def test_a_branch_of_a_map_continued_backwards_returns(iterates):
    there = continue_fixed_points(henon, "a", (-0.3, 1.3), iterates=iterates)
    back = continue_fixed_points(henon, "a", (-0.3, 1.3), start=there[there.labels[-1]], iterates=iterates)
    assert doublings(there)[0] == doublings(back)[0] and len(doublings(there)[0]) == 2
    np.testing.assert_allclose(doublings(there)[1], doublings(back)[1], rtol=1e-11)
    np.testing.assert_allclose(doublings(there)[1], [-0.1225, 0.3675], rtol=1e-12)


def test_another_parametrisation_of_a_map_changes_nothing():
    @ax.map(state={"x": (), "y": ()}, parameters={"a": np.log(1.1)}, initial={"x": 0.9, "y": 0.3})
    def moved(t, s, p):
        return {"x": 1 - (jnp.exp(p.a) - 1) * s.x**2 + s.y, "y": 0.3 * s.x}

    branch = continue_fixed_points(moved, "a", (np.log(0.7), np.log(2.3)))
    plain = doublings(continue_fixed_points(henon, "a", (-0.3, 1.3)))
    kinds, values = doublings(branch, lambda a: np.exp(a) - 1)
    assert kinds == plain[0]
    np.testing.assert_allclose(values, plain[1], rtol=1e-11)


def test_steps_do_not_move_special_points():
    fine = continue_fixed_points(system(), "P", (-1, 4), max_step=0.005)
    assert summary(fine)[0] == summary(PLAIN)[0]
    np.testing.assert_allclose(summary(fine)[1], summary(PLAIN)[1], rtol=1e-12)


def test_eigenvalues_are_those_of_the_jacobian():
    for place in range(0, len(PLAIN), 17):
        data = PLAIN.data.isel(point=place)
        here = system().with_parameters(P=float(data["P"]))
        expected = np.sort_complex(np.linalg.eigvals(here.jacobian(data["x"].values)))
        np.testing.assert_allclose(np.sort_complex(data["eigenvalues"].values), expected, atol=1e-10)


def test_symmetric_systems_have_symmetric_diagrams():
    """Three identical bistable units, coupled all to all: S3 x Z2. Six branches leave where two eigenvalues vanish."""

    @ax.flow(state={"x": (3,)}, parameters={"a": -1.0}, initial={"x": 0.0})
    def units(t, s, p):
        return {"x": p.a * s.x - s.x**3 + 0.1 * (jnp.sum(s.x) - 3 * s.x)}

    diagram = bifurcation_diagram(units, "a", (-2, 1), depth=1)
    assert len(diagram) == 1 + 1 + 6
    ends = {tuple(np.round(np.sort(p.vector), 8) + 0.0) for b in diagram[1:] for p in b.special("EP")}
    assert len(ends) == 2 + 1 + 2
    for branch in diagram[1:]:
        first, last = branch.special("EP")
        np.testing.assert_allclose(first.vector, -last.vector, atol=1e-9)


def test_all_branches_of_decoupled_units():
    """x_i' = a x_i - x_i^3: (3^3 - 1) / 2 branches leave at a = 0."""

    @ax.flow(state={"x": (3,)}, parameters={"a": -1.0}, initial={"x": 0.0})
    def units(t, s, p):
        return {"x": p.a * s.x - s.x**3}

    assert len(bifurcation_diagram(units, "a", (-2, 1), depth=1)) == 14


def test_all_six_branches_of_a_ring_of_six_neurons():
    """Two eigenvalues vanish together (D6): three branches with an axis through neurons, three with one between."""
    ring = ax.systems.neural.stsp_ring.with_parameters(n=6, a=1.0)
    first, *others = bifurcation_diagram(ring, "a", (0.5, 8), depth=1)
    (point,) = first.special("BP")
    assert point.refined and point.unstable == (0, 2) and "2 eigenvalues vanish" in point.note
    assert point.parameters["a"] == pytest.approx(_loss_of_uniform_activity(ring), rel=1e-11)
    assert len(others) == 6
    ends = np.array([end.vector.reshape(3, 6) for each in others for end in each.special("EP")])
    assert len(ends) == 12
    turned = {tuple(np.round(np.roll(end, k, axis=1).ravel(), 6)) for end in ends for k in range(6)}
    assert len(turned) == 12
    stable = [each for each in others if each.data["unstable"].values[len(each) // 4] == 0]
    assert len(stable) == 3
    for each in stable:
        assert [p.kind for p in each.special() if p.kind != "NSE"] == ["EP", "H", "BP", "H", "EP"]


def _loss_of_uniform_activity(ring):
    """Where the two eigenvalues of the first mode vanish along the uniform fixed points."""
    from scipy.optimize import brentq

    y = np.repeat([-0.9, 0.5, 0.5], 6)

    def growth(a):
        nonlocal y
        here = ring.with_parameters(a=a)
        for _ in range(30):
            f = np.concatenate([np.ravel(v) for v in here.rhs(y).values()])
            y = y - np.linalg.lstsq(here.jacobian(y), f, rcond=1e-10)[0]
            y = np.repeat(y.reshape(3, 6).mean(axis=1), 6)
        return np.sort(np.linalg.eigvals(here.jacobian(y)).real)[-2:].mean()

    return brentq(growth, 1.25, 1.35, xtol=1e-15, rtol=1e-15)


def test_a_branch_that_is_a_group_orbit_leaves_where_two_eigenvalues_vanish():
    """Amplitude equations of a rotation-symmetric bifurcation: a circle of patterns, one of which is followed."""

    @ax.flow(state={"x": (), "y": (), "w": ()}, parameters={"r": -0.3})
    def pattern(t, s, p):
        q = s.x**2 + s.y**2
        return {"x": (p.r - q + s.w) * s.x, "y": (p.r - q + s.w) * s.y, "w": -s.w - 0.3 * q}

    rest, branch = bifurcation_diagram(pattern, "r", (-0.5, 0.6), depth=1)
    assert rest.special("BP")[0].unstable == (0, 2)
    data = branch.data
    np.testing.assert_allclose(1.3 * (data["x"] ** 2 + data["y"] ** 2), data["r"], atol=1e-12)
    assert (data["unstable"] == 0).all()
    assert branch.endings == ("r reaches its upper bound", "r reaches its upper bound")
    again = continue_fixed_points(pattern, "r", (-0.5, 0.6), start=rest["BP1"])
    assert again.labels == branch.labels


def test_oscillators_that_turn_together_are_followed_modulo_rotation():
    """Kuramoto's oscillators in a rotating frame: phase-locked states are a circle; locking is lost in a fold."""
    omega = np.array([-1.0, -0.2, 0.3, 0.9])

    @ax.flow(state={"theta": (4,)}, parameters={"K": 4.0})
    def kuramoto(t, s, p):
        return {"theta": omega + p.K / 4 * jnp.sum(jnp.sin(s.theta[None, :] - s.theta[:, None]), axis=1)}

    start = ax.simulate(kuramoto, 50.0, sample="end").theta.values[-1]
    branch = continue_fixed_points(kuramoto, "K", (0.5, 6.0), start={"theta": start})
    folds = branch.special("LP")
    assert len(folds) >= 1
    K = min(p.parameters["K"] for p in folds)
    # with u = K r, the self-consistency is 1 / K = mean sqrt(1 - (omega / u)^2) / u
    u = np.linspace(1.0, 6.0, 2_000_001)
    expected = 1 / (np.sqrt(1 - (omega[:, None] / u) ** 2).mean(axis=0) / u).max()
    np.testing.assert_allclose(K, expected, rtol=1e-9)


def test_the_cascade_of_the_logistic_map_as_a_diagram():
    @ax.map(state={"x": ()}, parameters={"r": 0.5})
    def logistic(t, s, p):
        return {"x": p.r * s.x * (1 - s.x)}

    diagram = bifurcation_diagram(logistic, "r", (0.2, 3.56), depth=4)
    assert [b.data.attrs["iterates"] for b in diagram] == [1, 1, 2, 4, 8]


@pytest.mark.parametrize("apart", [1e-3, 1e-5])
def test_events_within_one_step_are_told_apart(apart):
    """Two Hopf points, and a pitchfork between them."""

    @ax.flow(state={"x": (2,), "y": (2,), "z": ()}, parameters={"a": -1.0})
    def oscillators(t, s, p):
        def hopf(v, a, omega):
            return (a - jnp.sum(v**2)) * v + omega * jnp.array([-v[1], v[0]])

        return {
            "x": hopf(s.x, p.a, 1.0),
            "y": hopf(s.y, p.a - apart, 2.0),
            "z": (p.a - apart / 2) * s.z - s.z**3,
        }

    points = continue_fixed_points(oscillators, "a", (-1, 1.3)).special()
    assert [p.kind for p in points] == ["EP", "H", "BP", "H", "EP"]
    assert [p.unstable for p in points[1:-1]] == [(0, 2), (2, 3), (3, 5)]
    np.testing.assert_allclose([p.parameters["a"] for p in points[1:-1]], [0, apart / 2, apart], atol=1e-12)


def test_a_closed_branch_is_recognised():
    @ax.flow(state={"x": ()}, parameters={"a": 0.0}, initial={"x": 1.0})
    def circle(t, s, p):
        return {"x": p.a**2 + s.x**2 - 1}

    branch = continue_fixed_points(circle, "a", (-3, 3))
    assert branch.endings[1] == "closed"
    np.testing.assert_allclose([p.parameters["a"] for p in branch.special("LP")], [1, -1], rtol=1e-12)
    np.testing.assert_allclose(branch.data["a"] ** 2 + branch.data["x"] ** 2, 1, rtol=1e-12)
    turns = np.unwrap(np.arctan2(branch.data["x"], branch.data["a"]))
    assert abs(turns[-1] - turns[0]) == pytest.approx(2 * np.pi, abs=1e-9)


def test_a_branch_that_cannot_go_on_keeps_its_points_and_says_why():
    @ax.flow(state={"x": ()}, parameters={"a": 1.0}, initial={"x": 1.0})
    def root(t, s, p):
        return {"x": jnp.sqrt(p.a) - s.x}

    branch = continue_fixed_points(root, "a", (-1, 2))
    assert "infinite or NaN" in branch.endings[0] and "condition number" in branch.endings[0]
    assert float(branch.data["a"].min()) < 1e-12


def test_a_branch_to_infinity_ends():
    @ax.flow(state={"x": ()}, parameters={"a": 1.0}, initial={"x": 1.0})
    def hyperbola(t, s, p):
        return {"x": 1 - p.a * s.x}

    assert "grows beyond" in continue_fixed_points(hyperbola, "a", (-1, 2)).endings[0]


def test_branch_points_persist_in_two_parameters():
    """x' = (a - b^2) x - x^3: pitchforks along a = b^2."""

    @ax.flow(state={"x": (), "y": ()}, parameters={"a": -1.0, "b": 0.3})
    def pitchfork(t, s, p):
        return {"x": (p.a - p.b**2) * s.x - s.x**3, "y": s.x**2 - s.y}

    branch = continue_fixed_points(pitchfork, "a", (-2, 1))
    curve = continue_bifurcation(pitchfork, branch["BP1"], {"a": (-2, 1), "b": (-0.9, 0.9)})
    np.testing.assert_allclose(curve.data["a"], curve.data["b"] ** 2, atol=1e-12)
    assert float(abs(curve.data["b"]).max()) == 0.9


def test_a_network_of_forty_states():
    """x' = -x + g tanh(W x): rest loses stability where g times the largest real eigenvalue of W is 1."""
    generator = np.random.default_rng(0)
    W = generator.normal(size=(40, 40)) / np.sqrt(40)
    W = (W + W.T) / np.sqrt(2)

    @ax.flow(state={"x": (40,)}, parameters={"g": 0.1})
    def network(t, s, p):
        return {"x": -s.x + p.g * jnp.tanh(jnp.asarray(W) @ s.x)}

    expected = 1 / np.linalg.eigvalsh(W)[::-1][:3]
    points = continue_fixed_points(network, "g", (0, np.mean(expected[1:]))).special("BP")
    np.testing.assert_allclose([p.parameters["g"] for p in points], expected[:2], rtol=1e-10)
    assert [p.note for p in points] == ["pitchfork, supercritical"] * 2
    assert [p.unstable for p in points] == [(0, 1), (1, 2)]


def test_names_that_the_result_uses_itself(tmp_path):
    @ax.flow(state={"label": ("special",), "kind": ()}, parameters={"special": 2, "point": 0.5, "tangent": 1.0})
    def odd(t, s, p):
        return {"label": p.point - s.label, "kind": p.tangent * p.point**2 - s.kind}

    branch = continue_fixed_points(odd, "point", (0, 1))
    end = branch["EP2"]
    np.testing.assert_allclose(end.state["label"], [1, 1])
    assert end.parameters == {"point": 1.0} and end.state["kind"] == pytest.approx(1)
    branch.save(tmp_path / "odd.h5")
    np.testing.assert_allclose(Branch(ax.load(tmp_path / "odd.h5"))["EP2"].vector, end.vector)


def test_a_curve_needs_two_parameters():
    with pytest.raises(InputError, match="bounds must name two parameters"):
        continue_bifurcation(system(), PLAIN["EP1"], {"P": (-1, 4)})


def test_a_continuous_symmetry_does_not_break_it():
    """x' = a x - (x^2 + y^2) x, likewise y: a circle of fixed points, one of which is followed."""

    @ax.flow(state={"x": (), "y": (), "z": ()}, parameters={"a": 1.0}, initial={"x": 0.6, "y": 0.8})
    def circle(t, s, p):
        q = s.x**2 + s.y**2
        return {"x": (p.a - q) * s.x, "y": (p.a - q) * s.y, "z": (p.a - 0.5) * s.z - s.z**3}

    branch = continue_fixed_points(circle, "a", (0.1, 2))
    data = branch.data
    np.testing.assert_allclose(data["x"] ** 2 + data["y"] ** 2, data["a"], rtol=1e-12)
    np.testing.assert_allclose(data["y"] / data["x"], 4 / 3, rtol=1e-6)
    assert [p.kind for p in branch.special()] == ["EP", "BP", "EP"]
    assert branch["BP1"].parameters["a"] == pytest.approx(0.5, rel=1e-9)
    assert branch["BP1"].unstable == (0, 1)


def test_a_fold_at_a_kink_is_named():
    @ax.flow(state={"x": ()}, parameters={"a": 1.0}, initial={"x": -1.0})
    def tent(t, s, p):
        return {"x": p.a - jnp.abs(s.x)}

    branch = continue_fixed_points(tent, "a", (-1, 2))
    (point,) = branch.special("LP")
    assert point.note == "not smooth here: an absolute value of 0" and not point.refined
    assert abs(point.parameters["a"]) < 1e-9


def test_a_vertical_branch_has_no_folds_of_rounding():
    """The tent map: at a = 1 all x below 1/2 are fixed points."""

    @ax.map(state={"x": ()}, parameters={"a": 1.5}, initial={"x": 0.6})
    def tent(t, s, p):
        return {"x": p.a * (1 - jnp.abs(2 * s.x - 1)) / 2}

    branch = continue_fixed_points(tent, "a", (0.2, 2))
    assert branch["PD1"].note == "not smooth here: an absolute value of 0"
    assert branch["PD1"].parameters["a"] == pytest.approx(1, rel=1e-9)
    assert all(p.note == branch["PD1"].note for p in branch.special("LP")) and len(branch.special("LP")) <= 1
    assert len(branch.special("BP")) == 1


def test_a_leap_is_not_followed():
    @ax.flow(state={"x": ()}, parameters={"a": 1.0}, initial={"x": -1.0})
    def step(t, s, p):
        return {"x": p.a - jnp.where(s.x > 0.5, 3 * s.x, -s.x - 3)}

    branch = continue_fixed_points(step, "a", (-6, 5))
    assert "not smooth there: 0.5 > 0.5" in branch.endings[0]
    assert float(branch.data["x"].max()) <= 0.5 + 1e-6


def test_a_branch_is_drawn_over_an_orbit_diagram():
    import matplotlib.pyplot as plt

    @ax.map(state={"x": ()}, parameters={"r": 2.9}, initial={"x": 0.6})
    def logistic(t, s, p):
        return {"x": p.r * s.x * (1 - s.x)}

    from attrax.analysis import drawing, orbit_diagram

    figure, axes = plt.subplots()
    drawing.orbit_diagram(orbit_diagram(logistic, "r", np.linspace(2.8, 3.2, 20), points=10, transient=100), axes)
    drawn = len(axes.lines)
    branch = continue_fixed_points(logistic, "r", (2.8, 3.2))
    assert branch.plot(axes) is figure
    stable, unstable, point = axes.lines[drawn:]
    assert np.nanmax(stable.get_xdata()[np.isfinite(stable.get_ydata())]) <= 3.03
    assert unstable.get_linestyle() == "--" and point.get_xdata()[0] == pytest.approx(3)
    assert [text.get_text() for text in axes.texts] == ["PD1"]
    with pytest.raises(InputError, match="no component 'y'"):
        branch.plot(variable="y")
    plt.close("all")


# -- the core alone --------------------------------------------------------------------------------------------


class Ellipse(Curve):
    """x^2 / 9 + y^2 = 1, without test functions."""

    def __init__(self):
        self.scale = np.array([3.0, 1.0])

    def equations(self, u):
        return np.array([u[0] ** 2 / 9 + u[1] ** 2 - 1]), np.array([[2 * u[0] / 9, 2 * u[1]]])

    def measure(self, u, tangent, derivative, orientation):
        return {}, None


def test_any_curve_can_be_followed():
    curve = Ellipse()
    start = begin(curve, np.array([3.0, 0.0]), np.array([0.0, 1.0]))
    points = [point for (point,), _ in follow(curve, start, Stepping(largest=0.1))]
    u = np.array([point.u for point in points])
    np.testing.assert_allclose(u[:, 0] ** 2 / 9 + u[:, 1] ** 2, 1, rtol=1e-14)
    assert points[-1] is start
    steps = np.linalg.norm(np.diff(u, axis=0) / curve.scale, axis=1)
    assert steps.max() < 0.11


def test_a_curve_is_followed_up_to_its_bounds():
    curve = Ellipse()
    curve.bounds = [(0, -1.0, 2.0)]
    start = begin(curve, np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    u = np.array([point.u for (point,), _ in follow(curve, start, Stepping())])
    assert u[-1, 0] == 2.0
    assert (u[:, 0] <= 2).all()


def test_no_second_branch_is_an_error():
    @ax.flow(state={"x": ()}, parameters={"a": 0.5}, initial={"x": 0.5})
    def isolated(t, s, p):
        return {"x": p.a**2 + s.x**2 + 1e-3}

    with pytest.raises(NumericsError, match="no fixed point"):
        continue_fixed_points(isolated, "a", (-1, 1))


def test_neutral_saddles_of_large_systems():
    """Forty decoupled states: the growing one meets every decaying one."""
    rates = np.linspace(0.5, 5.0, 39)

    @ax.flow(state={"y": (), "x": (39,)}, parameters={"mu": 0.1})
    def saddle(t, s, p):
        return {"y": p.mu * s.y + s.y**2, "x": -rates * s.x}

    found = [point.parameters["mu"] for point in continue_fixed_points(saddle, "mu", (0.1, 2.0)).special("NSE")]
    assert found == pytest.approx(rates[rates < 2.0], rel=1e-10)


@pytest.mark.parametrize("rest", [1, 30])
def test_fixed_points_on_the_guard_of_an_event_are_named(rest):
    """v = I / (1 + a) reaches the threshold; what only looks on is no guard."""

    @ax.flow(
        state={"v": (), "w": (), "others": (rest,)},
        parameters={"I": 0.2, "a": 0.5, "top": 1.0},
        events={
            "spike": ax.event(lambda t, s, p: s.v - p.top, direction="up", reset=lambda t, s, p: {"v": 0.0 * s.v}),
            "half": ax.event(lambda t, s, p: s.v - p.top / 2),
        },
    )
    def neuron(t, s, p):
        return {"v": p.I - s.v - s.w, "w": p.a * s.v - s.w, "others": -s.others}

    branch = continue_fixed_points(neuron, "I", (0.0, 3.0))
    assert branch.labels == ["EP1", "BE1", "EP2"]
    assert branch["BE1"].parameters["I"] == pytest.approx(1.5, rel=1e-12)
    assert "event 'spike'" in branch["BE1"].note
