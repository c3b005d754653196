"""Normal-form coefficients against planar formulas, and against systems that are normal forms in other coordinates."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import continue_bifurcation, continue_fixed_points

OMEGA = 1.7


def sheared(x, y):
    """The coordinate X = x, Y = y + 0.4 x^2 - 0.3 x^3, undone: what is y?"""
    return y - 0.4 * x**2 + 0.3 * x**3


def planar_lyapunov(f, g, omega):
    """Guckenheimer & Holmes (1983), Eq. 3.4.11, for x' = -omega y + f, y' = omega x + g: r' = a r^3.

    ``f`` and ``g`` are coefficients by the powers of x and y.
    """

    def d(p, i, j):
        return p.get((i, j), 0.0) * np.prod(np.arange(1, i + 1)) * np.prod(np.arange(1, j + 1))

    cubic = d(f, 3, 0) + d(f, 1, 2) + d(g, 2, 1) + d(g, 0, 3)
    quadratic = d(f, 1, 1) * (d(f, 2, 0) + d(f, 0, 2)) - d(g, 1, 1) * (d(g, 2, 0) + d(g, 0, 2))
    return cubic / 16 + (quadratic - d(f, 2, 0) * d(g, 2, 0) + d(f, 0, 2) * d(g, 0, 2)) / (16 * omega)


@pytest.mark.parametrize("seed", range(5))
def test_first_lyapunov_coefficient(seed):
    """With <q, q> = 1, |z|^2 = r^2 / 2, so that l1 = 2 a / omega."""
    powers = [(i, j) for i in range(4) for j in range(4 - i) if i + j > 1]
    f, g = (dict(zip(powers, each, strict=True)) for each in np.random.default_rng(seed).normal(size=(2, len(powers))))

    @ax.flow(state={"x": (), "y": ()}, parameters={"mu": -0.1, "f": list(f.values()), "g": list(g.values())})
    def planar(t, s, p):
        terms = jnp.stack([s.x**i * s.y**j for i, j in powers])
        return {
            "x": p.mu * s.x - OMEGA * s.y + terms @ p.f,
            "y": OMEGA * s.x + p.mu * s.y + terms @ p.g,
        }

    (point,) = continue_fixed_points(planar, "mu", (-0.2, 0.2)).special("H")
    expected = 2 * planar_lyapunov(f, g, OMEGA) / OMEGA
    assert point.coefficients["l1"] == pytest.approx(expected, rel=1e-10)
    assert point.coefficients["omega"] == pytest.approx(OMEGA, rel=1e-12)
    assert point.note == ("supercritical" if expected < 0 else "subcritical")


def test_second_lyapunov_coefficient_does_not_depend_on_coordinates():
    """r' = r (b1 + b2 r^2 - r^4): GH at b1 = b2 = 0, l2 = -4 / omega as |z|^2 = r^2 / 2."""

    @ax.flow(state={"x": (), "y": ()}, parameters={"b1": -1.0, "b2": 0.5})
    def bautin(t, s, p):
        x, y = s.x, sheared(s.x, s.y)
        q = x**2 + y**2
        g = p.b1 + p.b2 * q - q**2
        dx, dy = g * x - OMEGA * y, g * y + OMEGA * x
        return {"x": dx, "y": dy + (0.8 * x - 0.9 * x**2) * dx}

    hopf = continue_fixed_points(bautin, "b1", (-2, 2))["H1"]
    assert hopf.coefficients["l1"] == pytest.approx(2 * 0.5 / OMEGA, rel=1e-10)
    curve = continue_bifurcation(bautin, hopf, {"b1": (-1, 1), "b2": (-1, 1)})
    (point,) = curve.special("GH")
    np.testing.assert_allclose([*point.parameters.values(), *point.vector], 0, atol=1e-10)
    assert point.coefficients["l2"] == pytest.approx(-4 / OMEGA, rel=1e-9)


@pytest.mark.parametrize("d", [-0.7, 0.4])
def test_neimark_sacker_coefficient(d):
    """z -> e^{i theta} z (1 + mu + d r^2) in sheared coordinates: the coefficient is 2 d."""

    @ax.map(state={"x": (), "y": ()}, parameters={"mu": -0.1, "theta": 1.0})
    def rotation(t, s, p):
        x, y = s.x, sheared(s.x, s.y)
        g = 1 + p.mu + d * (x**2 + y**2)
        a, b = g * (jnp.cos(p.theta) * x - jnp.sin(p.theta) * y), g * (jnp.sin(p.theta) * x + jnp.cos(p.theta) * y)
        return {"x": a, "y": b + 0.4 * a**2 - 0.3 * a**3}

    (point,) = continue_fixed_points(rotation, "mu", (-0.2, 0.2)).special("NS")
    assert point.coefficients["d"] == pytest.approx(2 * d, rel=1e-10)
    assert point.coefficients["theta"] == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize(("theta", "k"), [(2 * np.pi / 3, 3), (np.pi / 2, 4)])
def test_strong_resonances_are_flagged(theta, k):
    @ax.map(state={"x": (), "y": ()}, parameters={"mu": -0.1})
    def rotation(t, s, p):
        g = 1 + p.mu - s.x**2 - s.y**2
        return {
            "x": g * (np.cos(theta) * s.x - np.sin(theta) * s.y),
            "y": g * (np.sin(theta) * s.x + np.cos(theta) * s.y),
        }

    (point,) = continue_fixed_points(rotation, "mu", (-0.2, 0.2)).special("NS")
    assert point.note == f"strong resonance 1:{k}"


@pytest.mark.parametrize("c", [2.0, -1.0])
def test_period_doubling_coefficient(c):
    """x -> -(1 + mu) x + c x^3, coupled to a contracting y in sheared coordinates."""

    @ax.map(state={"x": (), "y": ()}, parameters={"mu": -0.1})
    def doubling(t, s, p):
        x, y = s.x, sheared(s.x, s.y)
        a, b = -(1 + p.mu) * x + c * x**3, 0.5 * y
        return {"x": a, "y": b + 0.4 * a**2 - 0.3 * a**3}

    (point,) = continue_fixed_points(doubling, "mu", (-0.2, 0.2)).special("PD")
    assert point.coefficients["c"] == pytest.approx(c, rel=1e-10)
    assert point.note == ("supercritical" if c > 0 else "subcritical")


@pytest.mark.parametrize(("c", "note"), [(1.5, "pitchfork, subcritical"), (-0.5, "pitchfork, supercritical")])
def test_pitchfork_coefficient(c, note):
    """x' = mu x + c x^3 with a slaved y: the sheared coordinates change nothing."""

    @ax.flow(state={"x": (), "y": ()}, parameters={"mu": -0.1})
    def pitchfork(t, s, p):
        x, y = s.x, sheared(s.x, s.y)
        dx, dy = p.mu * x + c * x**3, -2 * y
        return {"x": dx, "y": dy + (0.8 * x - 0.9 * x**2) * dx}

    (point,) = continue_fixed_points(pitchfork, "mu", (-0.2, 0.2)).special("BP")
    assert point.note == note
    assert point.coefficients["c"] == pytest.approx(c, rel=1e-10)


def test_bogdanov_takens_coefficients():
    """x' = y, y' = b1 + b2 y + x^2 + s x y: a = 1, b = s with the usual orientation; H and LP curves meet there."""

    @ax.flow(state={"x": (), "y": ()}, parameters={"b1": -1.0, "b2": -0.5, "s": -0.7}, initial={"x": -1.0})
    def bogdanov_takens(t, s, p):
        return {"x": s.y, "y": p.b1 + p.b2 * s.y + s.x**2 + p.s * s.x * s.y}

    bounds = {"b1": (-2, 1), "b2": (-2, 2)}
    branch = continue_fixed_points(bogdanov_takens, "b1", (-2, 1))
    for label in ("LP1", "H1"):
        (point,) = continue_bifurcation(bogdanov_takens, branch[label], bounds).special("BT")
        np.testing.assert_allclose([*point.parameters.values(), *point.vector], 0, atol=1e-10)
        assert point.coefficients["a"] == pytest.approx(1, rel=1e-8)
        assert point.coefficients["b"] / point.coefficients["a"] == pytest.approx(-0.7, rel=1e-8)
    hopf = continue_bifurcation(bogdanov_takens, point, bounds, curve="H")
    x = hopf.data["x"].values
    # trace 0 and y = 0: b2 = 0.7 x, b1 = -x^2
    np.testing.assert_allclose(hopf.data["b1"], -(x**2), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(hopf.data["b2"], 0.7 * x, rtol=1e-10, atol=1e-14)


def test_zero_hopf_and_double_hopf_are_found_and_left_on_the_other_curve():
    @ax.flow(
        state={"x": (), "y": (), "z": (), "v": (2,)},
        parameters={"b1": -1.0, "b2": -0.5, "b3": -0.4},
        initial={"x": -1.0},
    )
    def mixed(t, s, p):
        q = s.y**2 + s.z**2
        g = p.b2 - s.x - 0.3 * q
        r = jnp.sum(s.v**2)
        return {
            "x": p.b1 + s.x**2 + q,
            "y": g * s.y - 2 * s.z,
            "z": g * s.z + 2 * s.y,
            "v": (p.b3 + 0.4 * p.b2 - r) * s.v + 3 * jnp.array([-s.v[1], s.v[0]]),
        }

    bounds = {"b1": (-2, 1), "b2": (-2, 4)}
    branch = continue_fixed_points(mixed, "b1", (-2, 1))
    folds = continue_bifurcation(mixed, branch["LP1"], bounds)
    # on the folds b1 = 0 the first pair crosses at b2 = 0, the second at b2 = 1
    np.testing.assert_allclose([p.parameters["b2"] for p in folds.special("ZH")], [0, 1], atol=1e-10)
    assert [p.coefficients["omega"] for p in folds.special("ZH")] == pytest.approx([2, 3])
    hopf = continue_bifurcation(mixed, folds["ZH1"], bounds)
    np.testing.assert_allclose(hopf.data["b1"], -(hopf.data["b2"] ** 2), atol=1e-10)
    (double,) = hopf.special("HH")
    np.testing.assert_allclose(list(double.parameters.values()), [-1, 1], rtol=1e-10)
    assert double.coefficients["omega"] == pytest.approx(2) and double.coefficients["omega2"] == pytest.approx(3)
    other = continue_bifurcation(mixed, double, bounds)
    np.testing.assert_allclose(other.data["b2"], 1, rtol=1e-12)


def test_double_hopf_coefficients():
    """r1' = r1 (b1 - r1^2 - 3 r2^2), r2' = r2 (b2 + 5 r1^2 - 2 r2^2), sheared: theta = 3/2, delta = -5, p11 p22 > 0."""

    @ax.flow(state={"x": (), "y": (), "u": (), "v": ()}, parameters={"b1": -0.5, "b2": -0.5})
    def oscillators(t, s, p):
        x, y, u, v = s.x, sheared(s.x, s.y) - 0.2 * s.u * s.x, s.u, s.v
        q, r = x**2 + y**2, u**2 + v**2
        g, h = p.b1 - q - 3 * r, p.b2 + 5 * q - 2 * r
        dx, dy = g * x - 2 * y, g * y + 2 * x
        du, dv = h * u - 3.3 * v, h * v + 3.3 * u
        shear = (0.8 * x - 0.9 * x**2) * dx + 0.2 * (du * x + u * dx)
        return {"x": dx, "y": dy + shear, "u": du, "v": dv}

    hopf = continue_fixed_points(oscillators, "b1", (-1, 1))["H1"]
    (point,) = continue_bifurcation(oscillators, hopf, {"b1": (-1, 1), "b2": (-1, 1)}).special("HH")
    assert [point.coefficients[k] for k in ("omega", "omega2")] == pytest.approx([2, 3.3], rel=1e-10)
    assert point.coefficients["theta"] == pytest.approx(3 / 2, rel=1e-9)
    assert point.coefficients["delta"] == pytest.approx(-5, rel=1e-9)
    assert point.coefficients["p11_p22"] > 0


@pytest.mark.parametrize("s", [-1, 1])
def test_zero_hopf_coefficients(s):
    """x' = b1 + x^2 + s r^2, r' = r (b2 - 0.7 x): theta = Re H110 / G200 = -0.7 / 2."""

    @ax.flow(state={"x": (), "y": (), "z": ()}, parameters={"b1": -0.5, "b2": -0.5}, initial={"x": -0.7})
    def zero_hopf(t, state, p):
        x, y, z = state.x, sheared(state.x, state.y), state.z
        g = p.b2 - 0.7 * x
        dx, dy, dz = p.b1 + x**2 + s * (y**2 + z**2), g * y - 2 * z, g * z + 2 * y
        return {"x": dx, "y": dy + (0.8 * x - 0.9 * x**2) * dx, "z": dz}

    branch = continue_fixed_points(zero_hopf, "b1", (-1, 1))
    (point,) = continue_bifurcation(zero_hopf, branch["LP1"], {"b1": (-1, 1), "b2": (-1, 1)}).special("ZH")
    assert point.coefficients == pytest.approx({"omega": 2, "theta": -0.35, "s": s}, rel=1e-9)


def test_strong_resonances_on_a_neimark_sacker_curve():
    """x' = y, y' = a - b x - y^2: b = 1, the multipliers have real part -y, and a = 2 y + y^2."""

    @ax.map(state={"x": (), "y": ()}, parameters={"a": 0.5, "b": 0.5}, initial={"x": 0.3, "y": 0.3})
    def henon(t, s, p):
        return {"x": s.y, "y": p.a - p.b * s.x - s.y**2}

    branch = continue_fixed_points(henon, "b", (0, 2))
    curve = continue_bifurcation(henon, branch["NS1"], {"a": (-2, 5), "b": (0, 2)})
    np.testing.assert_allclose(curve.data["b"], 1, rtol=1e-12)
    for kind, y in (("R1", -1), ("R2", 1), ("R3", 0.5), ("R4", 0)):
        (point,) = curve.special(kind)
        assert point.parameters["a"] == pytest.approx(2 * y + y**2, abs=1e-10)
        np.testing.assert_allclose(point.vector, y, atol=1e-10)
