"""Order of convergence of every method and of its dense output, and what tolerances are worth, against closed forms."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import DOP853, RK45

import attrax as ax
from attrax.integrators.tableaux import TABLEAUX

ADAPTIVE = [name for name, tableau in TABLEAUX.items() if tableau.adaptive]
STEPS = {"dop853": (0.4, 0.2), "tsit5": (0.1, 0.05), "dopri5": (0.1, 0.05)}
DENSE_ORDER = {"euler": 1, "heun": 2, "rk4": 3, "bs3": 3, "tsit5": 4, "dopri5": 4, "dop853": 7}


@ax.flow(state={"x": (), "v": ()}, parameters={"w": 1.0}, initial={"x": 1.0})
def oscillator(t, s, p):
    return {"x": s.v, "v": -(p.w**2) * s.x}


@ax.flow(state={"x": ()}, parameters={"rate": 1.0}, initial={"x": 0.1})
def logistic(t, s, p):
    return {"x": p.rate * s.x * (1 - s.x)}


@ax.flow(state={"x": ()}, initial={"x": 1.0})
def forced(t, s, p):
    return {"x": jnp.cos(t) - s.x}


@ax.flow(state={"x": ()}, initial={"x": 1.0})
def driven(t, s, p):
    return {"x": -2 * t * s.x**2}


PROBLEMS = {
    "oscillator": (oscillator, np.cos),
    "logistic": (logistic, lambda t: 1 / (1 + 9 * np.exp(-t))),
    "forced": (forced, lambda t: (np.cos(t) + np.sin(t) + np.exp(-t)) / 2),
    "driven": (driven, lambda t: 1 / (1 + t**2)),
}


def errors(problem: str, method: str, **how) -> np.ndarray:
    """Largest error over samples within steps."""
    system, exact = PROBLEMS[problem]
    times = np.linspace(0.0, 4.0, 801)
    data = ax.simulate(system, 4.0, method=method, sample=times, **how)
    return np.abs(data.x.values - exact(times)).max()


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("method", TABLEAUX)
def test_order_of_convergence(method, problem):
    coarse, fine = STEPS.get(method, (0.025, 0.0125))
    order = np.log2(errors(problem, method, dt=coarse) / errors(problem, method, dt=fine))
    assert TABLEAUX[method].order - 0.4 < order < TABLEAUX[method].order + 1.2


@pytest.mark.parametrize("problem", ["logistic", "forced", "driven"])
@pytest.mark.parametrize("method", TABLEAUX)
def test_local_order_of_dense_output(method, problem):
    """The error within a first step falls as the power of the step that the interpolant's order promises."""
    system, exact = PROBLEMS[problem]
    order = DENSE_ORDER[method]
    found = []
    for h in STEPS.get(method, (0.05, 0.025)):
        times = np.linspace(0.1, 0.9, 9) * h
        inside = ax.simulate(system, h, method=method, dt=h, sample=times).x.values
        found.append(np.abs(inside - exact(times)).max())
    assert np.log2(found[0] / found[1]) > order + 1 - 0.35


@pytest.mark.parametrize("method", TABLEAUX)
def test_dense_output_meets_the_steps(method):
    """The interpolant joins the ends of the step."""
    h = 0.25
    near = np.array([h * (1 - 1e-9), h, h * (1 + 1e-9)])
    x = ax.simulate(oscillator, 1.0, method=method, dt=h, sample=near).x.values
    assert np.ptp(x) < 1e-8


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("method", ADAPTIVE)
def test_error_follows_the_tolerance(method, problem):
    tolerances = (1e-4, 1e-6, 1e-8) if method == "bs3" else (1e-5, 1e-7, 1e-9, 1e-11)
    found = [errors(problem, method, rtol=tol, atol=tol) for tol in tolerances]
    for tol, error in zip(tolerances, found, strict=True):
        assert error < 60 * tol
    slope = np.polyfit(np.log10(tolerances), np.log10(found), 1)[0]
    assert 0.7 < slope < 1.3


@pytest.mark.parametrize("method", ADAPTIVE)
def test_absolute_tolerance_alone(method):
    """Without a relative tolerance to speak of, the error follows atol."""
    exact = np.exp(-10.0)
    for atol in (1e-4, 1e-7):
        data = ax.simulate(decay, 10.0, method=method, rtol=1e-15, atol=atol, sample="end")
        assert abs(data.x.item() - exact) < 10 * atol


@pytest.mark.parametrize("method", ADAPTIVE)
def test_relative_tolerance_alone(method):
    """A state that decays over 40 orders of magnitude keeps its relative accuracy if atol is far below it."""
    data = ax.simulate(decay, 90.0, method=method, rtol=1e-6, atol=1e-60, sample=10.0)
    assert np.abs(data.x.values / np.exp(-data.time.values) - 1).max() < 1e-3


@ax.flow(state={"x": ()}, initial={"x": 1.0})
def decay(t, s, p):
    return {"x": -s.x}


@pytest.mark.parametrize("method", ADAPTIVE)
def test_work_grows_with_accuracy_as_the_order_says(method):
    """Steps per decade of tolerance: tol ** (-1 / order)."""
    tolerances = (1e-5, 1e-8)
    steps = [
        ax.simulate(oscillator, 200.0, method=method, rtol=t, atol=t, sample="end").steps.item() for t in tolerances
    ]
    assert steps[1] / steps[0] == pytest.approx(1e3 ** (1 / TABLEAUX[method].error_order), rel=0.25)


@pytest.mark.parametrize(("method", "solver"), [("dopri5", RK45), ("dop853", DOP853)])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-9])
def test_no_more_work_than_scipy_with_the_same_method(method, solver, tolerance):
    """But for the safety factor, which is 0.9 there: on a problem as smooth as this one all steps scale with it."""
    peer = solver(lambda t, y: np.array([y[1], -y[0]]), 0.0, [1.0, 0.0], 200.0, rtol=tolerance, atol=1e-3 * tolerance)
    while peer.status == "running":
        peer.step()
    data = ax.simulate(oscillator, 200.0, method=method, rtol=tolerance, atol=1e-3 * tolerance, sample="end")
    assert (data.steps + data.rejected) * (len(TABLEAUX[method].b)) <= 1.08 * peer.nfev * 0.9 / TABLEAUX[method].safety
    assert abs(data.x.item() - np.cos(200.0)) < 1.2 * abs(peer.y[0] - np.cos(200.0))


@pytest.mark.parametrize("method", TABLEAUX)
def test_linear_step_is_the_stability_polynomial(method):
    """One step on x' = x reproduces the exponential series up to the order of the method."""

    @ax.flow(state={"x": ()}, initial={"x": 1.0})
    def growth(t, s, p):
        return {"x": s.x}

    h = 0.1
    step = ax.simulate(growth, h, method=method, dt=h, sample="end").x.item()
    term, series = 1.0, 1.0
    for k in range(1, TABLEAUX[method].order + 1):
        term *= h / k
        series += term
    assert abs(step - series) < 2 * term * h
