"""Branches of more than a thousand states: discretised partial differential equations and networks."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import Branch, bifurcation_diagram, continue_bifurcation, continue_fixed_points
from attrax.analysis.equilibria import sparse
from attrax.analysis.equilibria.derivatives import Equations
from attrax.engine.errors import InputError, NumericsError


@pytest.fixture
def small_is_large(monkeypatch):
    """Treat systems of more than a hundred states as those of more than a thousand."""
    monkeypatch.setattr("attrax.analysis.equilibria.bifurcations.LARGEST_DENSE", 100)


def padded(u, value=0.0):
    return jnp.concatenate([jnp.ones(1) * value, u, jnp.ones(1) * value])


def laplacian(u, h, value=0.0):
    wide = padded(u, value)
    return (wide[2:] - 2 * u + wide[:-2]) / h**2


def bratu(n):
    @ax.flow(state={"u": (n,)}, parameters={"rate": 3.4})
    def system(t, s, p):
        return {"u": laplacian(s.u, 1 / (n + 1)) + p.rate * jnp.exp(s.u)}

    x = np.arange(1, n + 1) / (n + 1)
    return system.with_initial(u=4 * x * (1 - x))


def chafee_infante(n):
    @ax.flow(state={"u": (n,)}, parameters={"rate": 0.5})
    def system(t, s, p):
        return {"u": laplacian(s.u, np.pi / (n + 1)) + p.rate * (s.u - s.u**3)}

    return system


def modes(n, length=np.pi):
    """Eigenvalues of minus the discretised Laplacian."""
    h = length / (n + 1)
    return 4 / h**2 * np.sin(np.arange(1, 6) * np.pi / (n + 1) / 2) ** 2


def test_the_fold_of_bratu_and_gelfand(small_is_large):
    """3.513830719125163 in the limit; the error of the discretisation is of second order."""
    folds = []
    for n in (201, 321):
        branch = continue_fixed_points(bratu(n), "rate", (3.4, 3.6))
        (fold,) = branch.special("LP")
        assert fold.refined and fold.unstable == (0, 1)
        folds.append(fold.parameters["rate"])
    weight = (322 / 202) ** 2
    assert (weight * folds[1] - folds[0]) / (weight - 1) == pytest.approx(3.513830719125163, rel=2e-9)


def test_pitchforks_and_the_branches_that_leave_there(small_is_large, tmp_path):
    n = 201
    diagram = bifurcation_diagram(chafee_infante(n), "rate", (0.3, 5), depth=1)
    points = diagram[0].special("BP")
    np.testing.assert_allclose([p.parameters["rate"] for p in points], modes(n)[:2], rtol=1e-10)
    assert [p.unstable for p in points] == [(0, 1), (1, 2)]
    assert all(p.refined and p.note == "pitchfork" for p in points)
    assert len(diagram) == 3
    assert [int(branch.data["unstable"][0]) for branch in diagram[1:]] == [0, 1]
    for branch in diagram[1:]:
        first, last = (p.vector for p in branch.special("EP"))
        np.testing.assert_allclose(first, -last, atol=1e-8)
    diagram[1].save(tmp_path / "branch.h5")
    again = Branch(ax.load(tmp_path / "branch.h5"))
    assert again.data.sizes["eigenvalue"] == 20 and repr(again) == repr(diagram[1])


def test_hopf_points_of_the_brusselator_on_an_interval():
    """B = 1 + A^2 + (Dx + Dy) mu_k / L^2 for the k-th mode (Prigogine & Nicolis 1977)."""
    n = 600

    @ax.flow(state={"x": (n,), "y": (n,)}, parameters={"L": 0.45}, initial={"x": 2.0, "y": 2.725})
    def brusselator(t, s, p):
        h = p.L / (n + 1)
        x, y = s.x, s.y
        return {
            "x": 0.008 * laplacian(x, h, 2.0) + 2 - 6.45 * x + x**2 * y,
            "y": 0.004 * laplacian(y, h, 2.725) + 5.45 * x - x**2 * y,
        }

    (hopf,) = continue_fixed_points(brusselator, "L", (0.4, 0.6)).special("H")
    length = np.sqrt(0.012 * modes(n, 1.0)[0] / 0.45)
    assert hopf.parameters["L"] == pytest.approx(length, rel=1e-10)
    mu = modes(n, length)[0]
    a, d = 4.45 - 0.008 * mu, -4 - 0.004 * mu
    assert hopf.coefficients["omega"] == pytest.approx(np.sqrt(a * d + 4 * 5.45), rel=1e-10)
    assert hopf.note == "supercritical" and hopf.refined and hopf.unstable == (0, 2)


@pytest.mark.parametrize("seed", [0, 3])
def test_a_dense_network_by_products_alone(small_is_large, seed):
    """x' = -x + tanh(g W x): rest loses stability where g times the largest real part of W's eigenvalues is 1."""
    n = 200
    W = np.random.default_rng(seed).normal(size=(n, n)) / np.sqrt(n)
    values = np.linalg.eigvals(W)
    first = values[np.argmax(values.real)]
    critical = 1 / first.real

    @ax.flow(state={"x": (n,)}, parameters={"g": 0.97 * critical})
    def network(t, s, p):
        return {"x": -s.x + jnp.tanh(p.g * (jnp.asarray(W) @ s.x))}

    branch = continue_fixed_points(network, "g", (0.96 * critical, 1.001 * critical), max_step=0.5, step=0.1)
    (point,) = branch.special("H" if first.imag else "BP")
    assert point.parameters["g"] == pytest.approx(critical, rel=1e-9)


# -- the same with a dense and a sparse Jacobian ------------------------------------------------------------


def test_large_and_small_systems_agree(monkeypatch):
    system = bratu(60)
    dense = continue_fixed_points(system, "rate", (3.4, 3.6))
    monkeypatch.setattr("attrax.analysis.equilibria.bifurcations.LARGEST_DENSE", 50)
    few = continue_fixed_points(system, "rate", (3.4, 3.6))
    assert few.labels == dense.labels
    for one, other in zip(few.special(), dense.special(), strict=True):
        np.testing.assert_allclose(one.vector, other.vector, rtol=1e-9)
        assert one.unstable == other.unstable
        assert one.coefficients == pytest.approx(other.coefficients, rel=1e-7)
    exact = np.sort(dense.data["eigenvalues"].values[0].real)[::-1][:20]
    np.testing.assert_allclose(np.sort(few.data["eigenvalues"].values[0].real)[::-1], exact, rtol=1e-8)


def test_a_sparse_jacobian_from_few_products():
    equations = Equations(bratu(40), ("rate",))
    z = equations.unknowns(np.linspace(0, 1, 40))
    monkey = sparse.DENSEST
    try:
        sparse.DENSEST = 0.2
        jacobian = sparse.Jacobian(equations, z)
        f, d = jacobian.values(z)
    finally:
        sparse.DENSEST = monkey
    assert jacobian.seeds.shape[1] == 3 + 1 + 1
    expected_f, expected = equations.values(z)
    np.testing.assert_allclose(f, expected_f)
    np.testing.assert_allclose(d.toarray(), expected, rtol=1e-13, atol=1e-13)


def test_an_element_that_was_zero_by_chance_is_found_later(monkeypatch):
    @ax.flow(state={"u": (40,)}, parameters={"a": 1.0})
    def gated(t, s, p):
        return {"u": p.a - s.u + jnp.where(s.u > 5, jnp.roll(s.u, 7), 0.0)}

    monkeypatch.setattr(sparse, "DENSEST", 0.2)
    equations = Equations(gated, ("a",))
    jacobian = sparse.Jacobian(equations, equations.unknowns(np.zeros(40)))
    z = equations.unknowns(np.full(40, 6.0))
    np.testing.assert_allclose(jacobian.values(z)[1].toarray(), equations.values(z)[1], atol=1e-13)


# -- what is said -------------------------------------------------------------------------------------------


def test_a_start_without_a_fixed_point(small_is_large):
    @ax.flow(state={"u": (101,)}, parameters={"a": 1.0})
    def none(t, s, p):
        return {"u": p.a + s.u**2}

    with pytest.raises(NumericsError, match="no fixed point .* near the start"):
        continue_fixed_points(none, "a", (0.5, 2))


def test_curves_in_two_parameters_are_for_smaller_systems():
    @ax.flow(state={"u": (1001,)}, parameters={"a": 3.4, "b": 1.0})
    def bratu_(t, s, p):
        return {"u": laplacian(s.u, 1 / 1002) + p.a * jnp.exp(p.b * s.u)}

    branch = continue_fixed_points(bratu_, "a", (3.39, 3.45))
    with pytest.raises(InputError, match="1001 states; curves in two parameters are followed for at most 1000"):
        continue_bifurcation(bratu_, branch["EP1"], {"a": (0, 4), "b": (0, 2)}, curve="LP")
