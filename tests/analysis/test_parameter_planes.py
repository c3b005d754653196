"""Periods and exponents over two parameters, where regions and exponents are known in closed form."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import drawing, isoperiodic_diagram, lyapunov_diagram, lyapunov_spectrum
from attrax.engine.errors import InputError, Interrupted

henon, logistic = ax.systems.maps.henon, ax.systems.maps.logistic


def test_regions_of_the_henon_map():
    """Period 1 for -(1 - b)^2 / 4 < a < 3 (1 - b)^2 / 4, period 2 up to (1 - b)^2 + (1 + b)^2 / 4 (Henon 1976)."""
    a, b = np.linspace(-0.5, 1.2, 86), np.linspace(-0.3, 0.3, 31)
    found = isoperiodic_diagram(henon, ax.grid(a=a, b=b), transient=4000, initial={"x": 0.0, "y": 0.0})
    A, B = np.meshgrid(a, b, indexing="ij")
    born, doubled, again = -((1 - B) ** 2) / 4, 3 * (1 - B) ** 2 / 4, (1 - B) ** 2 + (1 + B) ** 2 / 4
    apart = 0.01
    np.testing.assert_array_equal(found.period.values[(born + apart < A) & (doubled - apart > A)], 1)
    np.testing.assert_array_equal(found.period.values[(doubled + apart < A) & (again - apart > A)], 2)
    np.testing.assert_array_equal(found.period.values[(again + apart < A) & (again + 0.03 > A)], 4)
    assert (found.status.values[born - apart > A] == 2).all()


def test_windows_of_the_logistic_map():
    """Doublings at 3, 1 + sqrt 6, 3.5441, 3.5644; the window of period 3 begins at 1 + sqrt 8; chaos at 4."""
    r = [2.9, 3.2, 3.5, 3.55, 3.567, 3.83, 3.845, 3.7, 3.9999]
    found = isoperiodic_diagram(logistic, ax.grid(r=r), transient=20_000)
    assert found.period.values.tolist() == [1, 2, 4, 8, 16, 3, 6, 0, 0]
    assert isoperiodic_diagram(logistic, ax.grid(r=r), transient=20_000, max_period=4).period.values.tolist() == [
        *(1, 2, 4, 0, 0, 3, 0, 0, 0)
    ]


def test_periods_of_flows():
    """Roessler's cycle doubles at c = 2.832 and 3.837 (a = b = 0.2); Lorenz comes to rest for 1 < rho < 13.9."""
    roessler = ax.systems.chaos.roessler.with_parameters(a=0.2, b=0.2)
    c = [2.5, 3.3, 4.0, 5.7]
    found = isoperiodic_diagram(roessler, ax.grid(c=c), transient=1000.0, t_max=600.0, max_period=8)
    assert found.period.values.tolist() == [1, 2, 4, 0]
    rest = isoperiodic_diagram(ax.systems.chaos.lorenz, ax.grid(rho=[5.0, 28.0]), transient=200.0, max_period=8)
    assert rest.period.values.tolist() == [-1, 0]


def test_exponents_in_closed_form():
    """ln |2 - r| at the fixed point of the logistic map, half of ln |4 + 2r - r^2| on its cycle of period 2."""
    r, x = np.linspace(2.6, 3.4, 41), [0.2, 0.4]
    found = lyapunov_diagram(logistic, ax.grid(r=r, x=x), t_total=2000, transient=2000)
    expected = np.where(r < 3, np.log(np.abs(2 - r)), np.log(np.abs(4 + 2 * r - r**2)) / 2)
    apart = np.abs(r - 3) > 0.015
    for k in range(2):
        np.testing.assert_allclose(found.exponents.values[apart, k, 0], expected[apart], atol=1e-6)


def test_the_same_as_the_spectrum():
    grid = ax.grid(a=np.linspace(1.0, 1.4, 7), b=[0.2, 0.3])
    found = lyapunov_diagram(henon, grid, 2, t_total=2000)
    plain = lyapunov_spectrum(henon, 2, t_total=2000, parameters=grid)
    np.testing.assert_allclose(found.exponents, plain.exponents, rtol=1e-12, equal_nan=True)
    sums = found.exponents.sum("exponent").values  # a map that contracts areas by b everywhere
    np.testing.assert_allclose(sums, np.broadcast_to(np.log(found.b.values), sums.shape), atol=1e-9)


def test_written_while_it_goes_on(tmp_path, monkeypatch):
    """A computation that is stopped leaves the finished strips in the file, with the status of the rest."""
    monkeypatch.setattr("attrax.analysis.sections.strips.SIZE", 8)
    grid = ax.grid(r=np.linspace(2.6, 3.9, 12), x=np.linspace(0.1, 0.9, 4))
    whole = isoperiodic_diagram(logistic, grid, transient=100, workers=1)

    def stop(fraction):
        if fraction > 0.6:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        isoperiodic_diagram(logistic, grid, transient=100, store=tmp_path / "d.h5", workers=1, progress=stop)
    with h5py.File(tmp_path / "d.h5") as file:
        status, period = file["status"][:], file["period"][:]
    done = status[:, 0] == 0
    assert 0 < done.sum() < 12
    np.testing.assert_array_equal(period[done], whole.period.values[done])
    np.testing.assert_array_equal(caught.value.partial.period, period)
    stored = isoperiodic_diagram(logistic, grid, transient=100, store=tmp_path / "e.h5", workers=2)
    np.testing.assert_array_equal(stored.period, whole.period)
    exponents = lyapunov_diagram(logistic, grid, t_total=500, store=tmp_path / "f.h5")
    np.testing.assert_array_equal(exponents.exponents, lyapunov_diagram(logistic, grid, t_total=500).exponents)
    assert drawing.kinds(stored) == ["isoperiodic_diagram"] and drawing.kinds(exponents) == ["lyapunov_spectrum"]
    for each in (stored, exponents):
        assert drawing.plot(each).axes


def test_wrong_arguments():
    with pytest.raises(InputError, match="over grid"):
        isoperiodic_diagram(logistic, {"r": [3.0, 3.1]})
    with pytest.raises(InputError, match="leave out section"):
        isoperiodic_diagram(logistic, ax.grid(r=[3.0]), section="x = 0")
    with pytest.raises(InputError, match="max_period"):
        isoperiodic_diagram(logistic, ax.grid(r=[3.0]), max_period=0)
    with pytest.raises(InputError, match="k must be"):
        lyapunov_diagram(logistic, ax.grid(r=[3.0]), 0)
