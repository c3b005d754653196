"""Gradients through trajectories, against closed forms, differences, and the sensitivity equations."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

import attrax as ax
from attrax.engine.errors import DeclarationError, InputError

lorenz = ax.systems.chaos.lorenz


@ax.flow(state={"x": ()}, parameters={"a": 0.7}, initial={"x": 2.0}, observables={"twice": lambda t, s, p: 2 * s.x})
def decay(t, s, p):
    return {"x": -p.a * s.x}


@ax.flow(
    state={"v": (), "w": ()},
    parameters={"a": 0.7, "b": 0.8, "eps": 0.08, "current": 0.5},
    initial={"v": -1.0, "w": 1.0},
    source="FitzHugh 1961",
)
def fitzhugh_nagumo(t, s, p):
    return {"v": s.v - s.v**3 / 3 - s.w + p.current, "w": p.eps * (s.v + p.a - p.b * s.w)}


def test_closed_form():
    last = ax.gradient(lambda t, s, p: s.x[-1], decay, 3.0, wrt=("a", "x"), rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(last.start, [0.7, 2.0])
    value, slopes = last([0.5, 1.5])
    assert value == pytest.approx(1.5 * np.exp(-1.5), rel=1e-9)
    np.testing.assert_allclose(slopes, [-3 * 1.5 * np.exp(-1.5), np.exp(-1.5)], rtol=1e-8)


def test_a_matrix_by_its_closed_form():
    """For dx/dt = A x the sensitivity to the initial state is exp(A t)."""
    from scipy.linalg import expm

    a = np.array([[0.0, 1.0, 0.3], [-1.0, -0.2, 0.0], [0.1, 0.0, -1.0]])

    @ax.flow(state={"x": (3,)}, parameters={"a": a}, initial={"x": [1.0, 2.0, 3.0]})
    def linear(t, s, p):
        return {"x": p.a @ s.x}

    end = ax.gradient(lambda t, s, p: s.x[-1, 1], linear, 2.0, wrt="x", rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(end(end.start)[1], expm(2 * a)[1], rtol=1e-7)


def test_lorenz_against_differences():
    def loss(t, s, p):
        return jnp.mean((s.x - 1.0) ** 2 + s.z) + p.beta**2 + 0.01 * t[-1]

    objective = ax.gradient(loss, lorenz, 1.0, wrt=("beta", "y", "rho"), rtol=1e-11, atol=1e-11, sample=0.1)
    value, slopes = objective(objective.start)
    for k in range(3):
        h = 1e-4 * np.eye(3)[k]
        difference = (objective(objective.start + h)[0] - objective(objective.start - h)[0]) / 2e-4
        assert slopes[k] == pytest.approx(difference, rel=1e-5)
    run = ax.simulate(lorenz, 1.0, rtol=1e-11, atol=1e-11, sample=0.1)
    assert value == pytest.approx(float(((run.x - 1) ** 2 + run.z).mean() + (8 / 3) ** 2 + 0.01), rel=1e-8)


def test_sensitivity_equations():
    """The state's derivatives by eps and by v(0), integrated beside the state."""

    @ax.flow(
        state={"v": (), "w": (), "e": (2,), "s": (2,)},
        parameters={"eps": 0.08},
        initial={"v": -1.0, "w": 1.0, "s": [1.0, 0.0]},
    )
    def variational(t, s, p):
        def along(u):
            return jnp.stack([(1 - s.v**2) * u[0] - u[1], p.eps * (u[0] - 0.8 * u[1])])

        forced = jnp.stack([0.0 * t, s.v + 0.7 - 0.8 * s.w])
        return {
            "v": s.v - s.v**3 / 3 - s.w + 0.5,
            "w": p.eps * (s.v + 0.7 - 0.8 * s.w),
            "e": along(s.e) + forced,
            "s": along(s.s),
        }

    exact = ax.simulate(variational, 40.0, method="dop853", rtol=1e-12, atol=1e-12, sample="end")
    last = ax.gradient(
        lambda t, s, p: s.v[-1] + 3 * s.w[-1], fitzhugh_nagumo, 40.0, wrt=("eps", "v"), rtol=1e-10, atol=1e-10
    )
    _, slopes = last(last.start)
    expected = np.concatenate([exact.e.values, exact.s.values]) @ [1, 3]
    np.testing.assert_allclose(slopes, expected, rtol=1e-5)


def test_fitting_a_trajectory():
    truth = ax.simulate(fitzhugh_nagumo, 60.0, sample=1.0, rtol=1e-8, atol=1e-8)
    v = truth.v.values
    fit = ax.gradient(
        lambda t, s, p: jnp.mean((s.v - v) ** 2), fitzhugh_nagumo, 60.0, wrt=("a", "eps", "w"), sample=1.0,
        parameters={"a": 0.75, "eps": 0.085}, initial={"w": 0.8}, rtol=1e-8, atol=1e-8,
    )  # fmt: skip
    found = minimize(fit, fit.start, jac=True, method="BFGS", options={"gtol": 1e-7})
    np.testing.assert_allclose(found.x, [0.7, 0.08, 1.0], rtol=1e-3)
    assert set(fit.unpack(found.x)) == {"a", "eps", "w"}


def test_ensembles_share_what_does_not_differ():
    values = np.array([0.2, 0.5, 1.0])
    loss = ax.gradient(
        lambda t, s, p: s.twice[:, -1].sum() / 2,
        decay,
        2.0,
        wrt=("a", "x"),
        parameters={"a": values},
        rtol=1e-10,
        atol=1e-12,
    )
    value, slopes = loss(loss.start)
    assert {k: v.shape for k, v in loss.unpack(loss.start).items()} == {"a": (3,), "x": ()}
    assert value == pytest.approx(2 * np.exp(-2 * values).sum(), rel=1e-8)
    np.testing.assert_allclose(slopes[:3], -4 * np.exp(-2 * values), rtol=1e-7)
    assert slopes[3] == pytest.approx(np.exp(-2 * values).sum(), rel=1e-7)


def test_a_map():
    """d x_n / d x_0 of the logistic map is the product of r (1 - 2 x_k)."""
    logistic = ax.systems.maps.logistic
    run = ax.simulate(logistic, 10)
    r, x = float(run.r), run.x.values
    last = ax.gradient(lambda t, s, p: s.x[-1], logistic, 10, wrt="x")
    assert last(last.start)[1][0] == pytest.approx(np.prod(r * (1 - 2 * x[:-1])), rel=1e-9)


def test_failing_integrations_are_infinitely_bad():
    @ax.flow(state={"x": ()}, parameters={"a": 1.0}, initial={"x": 1.0})
    def blow_up(t, s, p):
        return {"x": p.a * s.x**2}

    end = ax.gradient(lambda t, s, p: s.x[-1], blow_up, 2.0, wrt="a", max_steps=1000)
    assert end([2.0])[0] == np.inf
    value, slopes = end([0.25])
    assert value == pytest.approx(2.0, rel=1e-4) and slopes[0] == pytest.approx(8.0, rel=1e-3)


@pytest.mark.parametrize(
    ("wrt", "told"), [("q", "'q'"), ((), "at least one"), (("a", "a"), "once"), (("a", "y"), "'y'")]
)
def test_wrong_names(wrt, told):
    with pytest.raises(InputError, match=told):
        ax.gradient(lambda t, s, p: s.x[-1], decay, 1.0, wrt=wrt)


def test_wrong_loss():
    with pytest.raises(DeclarationError, match="a number, not an array"):
        ax.gradient(lambda t, s, p: s.x, decay, 1.0, wrt="a")([0.7])
    with pytest.raises(InputError, match="2 numbers"):
        ax.gradient(lambda t, s, p: s.x[-1], decay, 1.0, wrt=("a", "x"))([0.7])
