"""Running scenarios: what is in the file, what is kept when something goes wrong."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import xarray as xr

import attrax as ax
from attrax.engine import storage
from attrax.engine.errors import InputError, Interrupted, NumericsError, StorageError
from attrax.scenarios import runner
from attrax.scenarios.analyses.attractors import OrbitDiagram
from attrax.scenarios.loader import load

DECAY = """
system: toys.decay
title: Two ways to decay
parameters: {rate: 2}
simulate: {t_end: 1, sample: 0.25, rtol: 1e-9, atol: 1e-12}
plots: [time_series]
"""
DIAGRAM = """
system: toys.growth
analysis:
  - orbit_diagram: {parameter: r, values: {from: 2.5, to: 3.2, points: 8}, observable: x, points: 10}
  - orbit_diagram: {parameter: r, values: [2.5], observable: x}
  - orbit_diagram: {parameter: r, values: [3.2], observable: x, label: two_cycle}
plots: [orbit_diagram]
"""


def run(scenario, text, *overrides, **options):
    return runner.run(load(scenario(text), overrides), **options)


def test_a_trajectory(scenario):
    done = run(scenario, DECAY, "parameters.n=1")
    assert str(done.file) == "s.h5"
    (result,) = done.results
    assert (result.group, result.endings, result.failure) == ("trajectory", {"done": 1}, None)
    assert (result.variables, result.sizes) == (("x", "y", "energy"), {"time": 5})
    data = ax.load("s.h5", "trajectory")
    np.testing.assert_allclose(data.x, np.exp(-2 * data.time), rtol=1e-7)
    np.testing.assert_allclose(data.time, [0, 0.25, 0.5, 0.75, 1])
    assert data.rate == 2.0
    assert data.attrs["system"] == "toys.decay"
    assert [path.name for path in done.figures] == ["s_time_series.png"]
    assert done.figures[0].read_bytes().startswith(b"\x89PNG")


def test_the_file_holds_the_scenario(scenario):
    run(scenario, DECAY, "simulate.t_end=0.5", plots=False)
    attrs = ax.load("s.h5").attrs
    assert attrs["scenario"] == DECAY
    assert list(np.atleast_1d(attrs["overrides"])) == ["simulate.t_end=0.5"]
    assert attrs["title"] == "Two ways to decay"


def test_a_sweep_makes_a_grid(scenario):
    done = run(scenario, DECAY + "sweep: {rate: [1, 2, 4], x: {from: 1, to: 2, points: 2}}", plots=False)
    data = ax.load(done.file, "trajectory")
    assert dict(data.status.sizes) == {"rate": 3, "x_initial": 2}
    np.testing.assert_allclose(data.x.isel(time=-1), np.outer(np.exp([-1.0, -2.0, -4.0]), [1, 2]), rtol=1e-7)


def test_analyses_have_groups_of_their_own(scenario):
    done = run(scenario, DIAGRAM)
    assert [result.group for result in done.results] == ["orbit_diagram", "orbit_diagram_2", "two_cycle"]
    data = ax.load(done.file, "orbit_diagram")
    np.testing.assert_allclose(data.x.sel(r=2.5).max(), 1 - 1 / 2.5, rtol=1e-9)
    two = (4.2 + np.array([-1, 1]) * np.sqrt(0.2 * 4.2)) / 6.4
    np.testing.assert_allclose(np.unique(np.round(ax.load(done.file, "two_cycle").x, 9)), two, atol=1e-8)
    assert [path.name for path in done.figures] == [
        "s_orbit_diagram.png",
        "s_orbit_diagram_2_orbit_diagram.png",
        "s_two_cycle_orbit_diagram.png",
    ]


def test_the_output_can_be_named_and_compressed(scenario, tmp_path):
    (tmp_path / "sub").mkdir()
    done = run(scenario, DECAY + "output: {file: other.h5, compression: gzip}", plots=False)
    assert str(done.file) == "other.h5"
    with h5py.File("other.h5") as file:
        assert file["trajectory/x"].compression == "gzip"
    done = run(scenario, DECAY + "output: {file: other.h5}", output="sub/mine.h5")
    assert (tmp_path / "sub" / "mine_time_series.png").exists()


def test_an_existing_file_is_refused_before_anything_is_computed(scenario, monkeypatch):
    run(scenario, DECAY, plots=False)
    before = ax.load("s.h5", "trajectory")
    monkeypatch.setattr("attrax.integrators.simulate", lambda *a, **k: pytest.fail("computed"))
    with pytest.raises(StorageError, match=r"s.h5 exists already.*--force"):
        run(scenario, DECAY)
    with pytest.raises(StorageError, match="there is no folder nowhere; create it"):
        run(scenario, DECAY, output="nowhere/s.h5")
    xr.testing.assert_identical(ax.load("s.h5", "trajectory"), before)


def test_force_replaces_the_file(scenario):
    run(scenario, DIAGRAM, plots=False)
    run(scenario, DECAY, plots=False, force=True)
    assert storage.groups("s.h5") == ["/", "trajectory"]


def test_a_blow_up_is_kept_and_said(scenario):
    done = run(scenario, "system: toys.explosion\nsimulate: {t_end: 2, sample: 0.25}\nplots: [time_series]\n")
    (result,) = done.results
    assert "done" not in result.endings
    assert result.failure.startswith("trajectory: no integration reached its end (")
    data = ax.load("s.h5", "trajectory")
    early = data.sel(time=slice(0, 0.75))
    np.testing.assert_allclose(early.x, 1 / (1 - early.time), rtol=1e-4)
    assert np.isnan(data.x[-1])
    assert done.figures


def test_some_members_may_fail(scenario):
    text = "system: toys.explosion\nsimulate: {t_end: 2, sample: 0.25}\nsweep: {power: [1.0, 2.0]}\n"
    (result,) = run(scenario, text).results
    assert result.failure is None
    assert result.endings["done"] == 1
    assert sum(result.endings.values()) == 2


@pytest.mark.parametrize("kind", [Interrupted, NumericsError])
def test_what_an_analysis_had_computed_is_kept(scenario, monkeypatch, kind):
    def fail(self, work):
        raise kind("stopped half-way.", xr.Dataset({"x": ("r", [1.0, np.nan])}))

    monkeypatch.setattr(OrbitDiagram, "run", fail)
    with pytest.raises(kind, match="^(stopped half-way|interrupted); what was computed is in s.h5$"):
        run(scenario, DIAGRAM)
    data = ax.load("s.h5", "orbit_diagram")
    assert data.attrs["complete"] == 0
    assert data.x[0] == 1.0


def test_a_mistake_found_late_leaves_no_empty_file(scenario, monkeypatch, tmp_path):
    def refuse(self, work):
        raise InputError("the section is wrong")

    monkeypatch.setattr(OrbitDiagram, "run", refuse)
    with pytest.raises(InputError, match="the section is wrong"):
        run(scenario, DIAGRAM)
    assert not (tmp_path / "s.h5").exists()
    with pytest.raises(InputError, match="the section is wrong"):
        run(scenario, DIAGRAM + "simulate: {t_end: 3}")
    assert storage.groups("s.h5") == ["/", "trajectory"]


def test_ctrl_c_keeps_the_part_of_an_analysis(scenario):
    def press_ctrl_c(group, fraction):
        if fraction > 0.3:
            raise KeyboardInterrupt

    values = "{from: 2.5, to: 4, points: 20000}"
    text = f"system: toys.growth\nanalysis:\n  - orbit_diagram: {{parameter: r, values: {values}, observable: x}}\n"
    with pytest.raises(Interrupted, match="^interrupted; what was computed is in s.h5$"):
        run(scenario, text, progress=press_ctrl_c)
    data = ax.load("s.h5", "orbit_diagram")
    assert data.attrs["complete"] == 0
    assert data.status[0, 0] == 0
    assert data.status[0, -1] == 1
    np.testing.assert_allclose(data.x[0, 0], 1 - 1 / 2.5, rtol=1e-9)


def test_ctrl_c_before_anything_is_computed_leaves_no_file(scenario, monkeypatch, tmp_path):
    def interrupt(self, work):
        raise KeyboardInterrupt

    monkeypatch.setattr(OrbitDiagram, "run", interrupt)
    with pytest.raises(Interrupted, match="^interrupted; nothing had been computed$"):
        run(scenario, DIAGRAM)
    assert not (tmp_path / "s.h5").exists()


def test_ctrl_c_at_any_time_says_where_the_results_are(scenario, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "draw_all", interrupt)
    with pytest.raises(Interrupted, match="^interrupted; what was computed is in s.h5$"):
        run(scenario, DECAY)
    assert ax.load("s.h5", "trajectory").status == 0


def test_progress_names_the_group(scenario):
    seen = []
    run(scenario, DIAGRAM, progress=lambda group, fraction: seen.append((group, fraction)), plots=False)
    assert {group for group, _ in seen} <= {"orbit_diagram", "orbit_diagram_2", "two_cycle"}
    assert all(0 <= fraction <= 1 for _, fraction in seen)


def test_a_file_is_drawn_again(scenario, tmp_path):
    run(scenario, DECAY, plots=False)
    (tmp_path / "figures").mkdir()
    assert [p.name for p in runner.draw("s.h5")] == ["s_time_series.png", "s_phase_portrait.png"]
    (path,) = runner.draw("s.h5", "phase_portrait", "figures")
    assert str(path) == "figures/s_phase_portrait.png"
    with pytest.raises(InputError, match="'time_serie' is not a figure; did you mean 'time_series'?"):
        runner.draw("s.h5", "time_serie")
    with pytest.raises(InputError, match="s.h5 holds nothing that could be drawn as orbit_diagram"):
        runner.draw("s.h5", "orbit_diagram")
    with pytest.raises(StorageError, match="there is no folder nowhere"):
        runner.draw("s.h5", folder="nowhere")
    with pytest.raises(StorageError, match="there is no file t.h5"):
        runner.draw("t.h5")


def test_a_file_of_ax_save_is_drawn(scenario):
    run(scenario, DECAY, plots=False)
    ax.save(ax.load("s.h5", "trajectory"), "alone.h5")
    assert [p.name for p in runner.draw("alone.h5", "time_series")] == ["alone_time_series.png"]
