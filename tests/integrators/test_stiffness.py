"""The hint that an explicit method is held down by stiffness: given where it is, and nowhere else."""

import time
import warnings

import numpy as np
import pytest

import attrax as ax
from attrax.engine.errors import StiffnessWarning
from attrax.integrators import stiffness

van_der_pol = ax.systems.chaos.van_der_pol.with_parameters(mu=1000.0)
lorenz = ax.systems.chaos.lorenz


@pytest.mark.parametrize("method", ["tsit5", "dop853", "bs3"])
@pytest.mark.parametrize("sample", ["end", None])
def test_van_der_pol(method, sample):
    with pytest.warns(StiffnessWarning) as told:
        ax.simulate(van_der_pol, 1000.0, method=method, sample=sample)
    (one,) = told
    text = str(one.message)
    assert f"method {method!r}" in text and "method='rodas5p'" in text
    assert one.filename == __file__
    product = float(text.split("long (")[1].split()[0])
    assert 2 < product < 7  # the stability boundary on the negative real axis


def test_one_warning_for_an_ensemble_that_is_stored(tmp_path):
    with pytest.warns(StiffnessWarning) as told:
        values = [5.0, 1000.0, 2.0]
        ax.simulate(van_der_pol, 1000.0, parameters={"mu": values}, store=tmp_path / "run.h5", sample=1.0)
    assert len(told) == 1


def test_large_systems_are_told_of_radau5():
    @ax.flow(state={"x": (30,)}, initial={"x": 1.0})
    def many(t, s, p):
        return {"x": -(np.arange(1.0, 31.0) ** 3) * (s.x - 1) + 0.1 * s.x}

    with pytest.warns(StiffnessWarning, match="method='radau5'"):
        ax.simulate(many, 100.0, sample="end")


@pytest.mark.parametrize(
    ("system", "t_end", "options"),
    [
        (lorenz, 2e4, {}),
        (lorenz, 3e4, {"method": "dop853"}),
        (lorenz, 1e4, {"rtol": 1e-10, "atol": 1e-12}),
        (lorenz, 4e4, {"rtol": 1e-3}),
        (ax.systems.chaos.roessler, 2e4, {"sample": "end"}),
        (van_der_pol.with_parameters(mu=5.0), 2e4, {}),
    ],
)
def test_runs_that_accuracy_limits(system, t_end, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = ax.simulate(system, t_end, **options)
    assert run.steps > stiffness.MANY


def test_it_costs_little():
    go = lambda: ax.simulate(lorenz, 1e4, sample="end", workers=1)  # noqa: E731

    def shortest():
        times = []
        for _ in range(7):
            begin = time.process_time()
            go()
            times.append(time.process_time() - begin)
        return min(times)

    go()
    with_hint = shortest()
    most = stiffness.MANY
    try:
        stiffness.MANY = 10**12
        without = shortest()
    finally:
        stiffness.MANY = most
    assert with_hint < 1.2 * without + 1e-3
