"""Figures of Lyapunov exponents and basins: they are offered, and show what the data say."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import basins, drawing, lyapunov_spectrum, track_attractors
from attrax.engine.errors import InputError

HENON = ax.systems.maps.henon


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_convergence_of_exponents():
    found = lyapunov_spectrum(HENON, t_total=2000)
    assert drawing.kinds(found) == ["lyapunov_spectrum"]
    axes = drawing.lyapunov_spectrum(found).axes[0]
    curves = [line for line in axes.lines if len(line.get_xdata()) == found.sizes["time"]]
    np.testing.assert_array_equal(curves[1].get_ydata(), found.history[:, 1])


def test_exponents_over_parameters():
    found = lyapunov_spectrum(HENON, 1, t_total=512, parameters=ax.grid(a=np.linspace(1, 1.4, 5), b=[0.1, 0.2, 0.3]))
    one = drawing.lyapunov_spectrum(found.sel(b=0.3)).axes[0]
    np.testing.assert_array_equal(one.lines[1].get_ydata(), found.exponents.sel(b=0.3, exponent=1))
    figure = drawing.lyapunov_spectrum(found)
    assert figure.axes[0].collections[0].get_array().shape == (3, 5) and figure.axes[0].get_xlabel().startswith("a")
    with pytest.raises(InputError, match="from 1 to 1, not 2"):
        drawing.lyapunov_spectrum(found, exponent=2)


def test_basins():
    found = basins(HENON, ax.grid(x=np.linspace(-2, 2, 20), y=np.linspace(-1, 1, 10)), transient=100)
    assert drawing.kinds(found) == ["basins"]
    axes = drawing.basins(found).axes[0]
    np.testing.assert_array_equal(axes.collections[0].get_array(), found.basin.T)
    line = basins(HENON, ax.grid(x=np.linspace(-2, 2, 20)), transient=100)
    assert drawing.kinds(line) == []
    with pytest.raises(InputError, match="two dimensions"):
        drawing.basins(line)


def test_tracks():
    found = track_attractors(HENON, "a", [0.2, 0.3, 0.4], {"x": [0.0, 0.1], "y": [0.0, 0.1]})
    assert drawing.kinds(found) == ["track_attractors"]
    above, below = drawing.track_attractors(found, variable="y").axes
    np.testing.assert_array_equal(above.lines[0].get_ydata(), found.y[:, 0, 0])
    assert above.get_ylabel() == "y" and below.get_xlabel().startswith("a")
    with pytest.raises(InputError, match="not among the states"):
        drawing.track_attractors(found, variable="z")
    with pytest.raises(InputError, match="not one element"):
        drawing.track_attractors(found, variable="x[0]")
