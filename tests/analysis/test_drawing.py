"""Figures: what is drawn of which data, and that the numbers in the figure are those of the data."""

from __future__ import annotations

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from attrax.analysis import drawing
from attrax.engine.errors import InputError

TIME = np.linspace(0.0, 10.0, 101)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def trajectory(kind="flow", **variables) -> xr.Dataset:
    """A Dataset as `simulate` returns it; variables are functions of time or (dims, array)."""
    return xr.Dataset(
        {n: (("time",), v(TIME)) if callable(v) else v for n, v in variables.items()}
        | {"status": ((), np.int8(0)), "steps": ((), 100)},
        {"time": ("time", TIME, {"units": "ms", "long_name": "time" if kind == "flow" else "iteration"})},
        {
            "system": "toys.circle",
            "system_kind": kind,
            "system_source": "closed form",
            "attrax_version": "1.2",
        },
    )


@pytest.fixture
def circle():
    return trajectory(x=np.cos, y=np.sin)


@pytest.fixture
def ensemble():
    rate = np.array([0.5, 1.0, 2.0])
    decay = np.exp(-rate[:, None] * TIME)
    data = trajectory(x=(("rate", "time"), decay), y=(("rate", "time"), 1 - decay))
    return data.assign_coords(rate=("rate", rate, {"units": "1/s"}))


@pytest.fixture
def diagram():
    r = np.linspace(2.5, 3.2, 8)
    x = np.full((2, 8, 3), np.nan)
    x[:, :, 0] = 1 - 1 / r
    x[1, 4:, 1] = 0.5
    return xr.Dataset(
        {"x": (("direction", "r", "point"), x), "count": (("direction", "r"), np.isfinite(x).sum(-1))},
        {"r": ("r", r, {"long_name": "growth rate"}), "direction": ["up", "down"]},
        {"system": "maps.logistic", "title": "Period doubling", "observable": "x"},
    )


def test_time_series_has_a_panel_for_each_variable(circle):
    figure = drawing.time_series(circle)
    assert [axes.get_ylabel() for axes in figure.axes] == ["x", "y"]
    assert figure.axes[-1].get_xlabel() == "time (ms)"
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xydata(), np.column_stack([TIME, np.cos(TIME)]))


def test_title_and_origin(circle):
    figure = drawing.time_series(circle)
    assert figure.get_suptitle() == "toys.circle"
    assert figure.get_supxlabel() == "toys.circle: closed form · attrax 1.2"
    circle.attrs["title"] = "A circle " * 20
    assert "\n" in drawing.phase_portrait(circle).get_suptitle()


def test_the_last_part_only(circle):
    (line,) = drawing.time_series(circle, variables=["x"], last=2.0).axes[0].lines
    assert line.get_xdata()[0] == pytest.approx(8.0)
    (line,) = drawing.phase_portrait(circle, last=2.0).axes[0].lines
    assert len(line.get_xdata()) == 21


def test_elements_of_a_block():
    data = trajectory(w=(("time", "n", "m"), np.arange(101.0 * 6).reshape(101, 2, 3)))
    figure = drawing.time_series(data, variables=["w[1, 2]", "w"])
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), data.w[:, 1, 2])
    assert figure.axes[0].get_ylabel() == "w[1, 2]"
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert labels == [f"w[{i}, {j}]" for i in range(2) for j in range(3)]


def test_a_raster_shows_every_spike():
    spikes = {"spike_time": ("spike_index", [0.5, 2.0, 8.0]), "spike_element": ("spike_index", [4, 0, 2])}
    data = trajectory(x=("time", np.cos(TIME)), **spikes)
    assert drawing.kinds(data) == ["time_series", "raster"]
    dots, counts = drawing.raster(data).axes
    np.testing.assert_array_equal(dots.lines[0].get_xydata(), [[0.5, 4], [2.0, 0], [8.0, 2]])
    assert counts.get_ylabel() == "spikes" and counts.patches[0].get_data().values.sum() == 3
    np.testing.assert_array_equal(drawing.raster(data, last=6.0).axes[0].lines[0].get_xdata(), [2.0, 8.0])
    with pytest.raises(InputError, match="the data have spike"):
        drawing.raster(data, event="burst")
    with pytest.raises(InputError, match="of one member have none"):
        drawing.raster(trajectory(x=("time", np.cos(TIME))))


def test_large_blocks_become_a_heat_map():
    data = trajectory(x=(("time", "neuron"), np.arange(101.0 * 40).reshape(101, 40)))
    axes = drawing.time_series(data).axes[0]
    (image,) = axes.collections
    np.testing.assert_array_equal(image.get_array().reshape(40, 101), data.x.T)
    assert axes.get_ylabel() == "neuron"


def test_members_are_labelled(ensemble):
    axes = drawing.time_series(ensemble, variables=["x"]).axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["rate = 0.5", "rate = 1", "rate = 2"]
    np.testing.assert_array_equal(axes.lines[2].get_ydata(), ensemble.x[2])
    axes = drawing.phase_portrait(ensemble).axes[0]
    np.testing.assert_array_equal(axes.lines[1].get_xydata(), np.column_stack([ensemble.x[1], ensemble.y[1]]))


def test_many_members_are_cut_and_that_is_said():
    many = np.exp(-np.outer(np.arange(30.0), TIME))
    data = trajectory(x=(("rate", "time"), many), y=(("rate", "time"), many))
    data = data.assign_coords(rate=np.arange(30.0))
    for figure in (drawing.time_series(data), drawing.phase_portrait(data)):
        assert len(figure.axes[0].lines) == 12
        assert figure.axes[0].get_title(loc="right") == "the first 12 of 30 curves"


def test_maps_are_drawn_as_points():
    data = trajectory("map", x=np.cos, y=np.sin)
    assert drawing.time_series(data).axes[-1].get_xlabel() == "iteration (ms)"
    (line,) = drawing.phase_portrait(data).axes[0].lines
    assert (line.get_linestyle(), line.get_marker()) == ("None", ".")


def test_phase_portrait_in_three_dimensions():
    figure = drawing.phase_portrait(trajectory(x=np.cos, y=np.sin, z=np.sqrt))
    (axes,) = figure.axes
    assert (axes.name, axes.get_xlabel(), axes.get_ylabel(), axes.get_zlabel()) == ("3d", "x", "y", "z")


def test_orbit_diagram_draws_every_point(diagram):
    (axes,) = drawing.orbit_diagram(diagram).axes
    up, down = axes.lines
    np.testing.assert_allclose(up.get_xydata(), np.column_stack([diagram.r, 1 - 1 / diagram.r]))
    assert len(down.get_xdata()) == 12
    assert up.get_color() != down.get_color()
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["r increasing", "r decreasing"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("r, growth rate", "x")
    assert all(line.get_rasterized() for line in axes.lines)


@pytest.mark.parametrize(
    ("section", "label"),
    [
        ("max x[0]", "maxima of x[0]"),
        ("min x[0]", "minima of x[0]"),
        ("y > 0", "x[0] at y > 0"),
        ("", "x[0]"),
    ],
)
def test_orbit_diagram_says_what_was_recorded(diagram, section, label):
    diagram.attrs |= {"observable": "x[0]", "section": section}
    assert drawing.orbit_diagram(diagram).axes[0].get_ylabel() == label


def test_drawing_into_given_axes_leaves_the_figure_alone(circle, diagram):
    figure, (first, second, third) = plt.subplots(1, 3)
    assert drawing.time_series(circle, first, variables=["x"]) is figure
    assert drawing.phase_portrait(circle, second) is figure
    assert drawing.orbit_diagram(diagram, third) is figure
    assert figure.get_suptitle() == ""


def test_the_style_of_the_user_is_left_alone(circle):
    before = dict(plt.rcParams)
    drawing.time_series(circle)
    assert dict(plt.rcParams) == before


def test_kinds(circle, diagram):
    assert drawing.kinds(circle) == ["time_series", "phase_portrait"]
    assert drawing.kinds(circle[["x"]]) == ["time_series"]
    assert drawing.kinds(diagram) == ["orbit_diagram"]
    assert drawing.kinds(xr.Dataset()) == drawing.kinds(circle.isel(time=[-1])) == []


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda d: drawing.time_series(d, variables=["q"]), "'q' is not in the trajectory; there are: x, y"),
        (
            lambda d: drawing.time_series(d, variables=["x[1]"]),
            r"'x\[1\]' is outside the block 'x' of shape \(\)",
        ),
        (lambda d: drawing.phase_portrait(d, variables=["x"]), "expected two or three variables, got 1: x"),
        (lambda d: drawing.time_series(d.isel(time=0)), "expected a trajectory with a time axis"),
        (
            lambda d: drawing.orbit_diagram(d),
            "expected a variable with dimensions direction, parameter and point",
        ),
    ],
)
def test_what_cannot_be_drawn_is_said(circle, draw, message):
    with pytest.raises(InputError, match=message):
        draw(circle)


def test_a_block_is_no_axis_of_a_phase_portrait():
    data = trajectory(x=np.cos, y=(("time", "n"), np.ones((101, 3))))
    with pytest.raises(InputError, match=r"needs single elements, got the block 'y'; say y\[0\]"):
        drawing.phase_portrait(data, variables=["x", "y"])


def test_importing_it_imports_no_matplotlib():
    code = "import sys, attrax.analysis.drawing; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
