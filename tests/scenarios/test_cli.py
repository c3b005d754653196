"""The command line: what it prints, its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import attrax as ax
from attrax.engine import storage
from attrax.scenarios.cli import main

DECAY = "system: toys.decay\nsimulate: {t_end: 1, sample: 0.5}\nplots: [time_series]\n"


def attrax(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "attrax", *arguments], capture_output=True, text=True, timeout=60, **options
    )


def test_run_prints_a_table_and_the_files(scenario, capsys):
    assert main(["run", scenario(DECAY), "--set", "parameters.rate=3"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].split() == ["result", "holds", "size", "integrations", "time"]
    assert lines[1].split()[:-2] == ["trajectory", "x,", "y,", "energy", "3", "time", "done"]
    assert [line.strip() for line in lines[2:]] == ["s.h5", "s_time_series.png"]
    assert err == ""
    assert ax.load("s.h5", "trajectory").rate == 3.0


def test_run_without_figures_into_a_named_file(scenario, capsys, tmp_path):
    assert main(["run", scenario(DECAY), "-o", "mine.h5", "--no-plots", "--workers", "1"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.h5", "s.yaml"]


def test_an_existing_file_needs_force(scenario, capsys):
    file = scenario(DECAY)
    assert main(["run", file, "--no-plots"]) == 0
    assert main(["run", file, "--no-plots"]) == 2
    assert capsys.readouterr().err.startswith("Error: s.h5 exists already")
    assert main(["run", file, "--no-plots", "--force"]) == 0


def test_failed_numerics_exit_with_3_after_the_table(scenario, capsys):
    assert main(["run", scenario("system: toys.explosion\nsimulate: {t_end: 2}\n")]) == 3
    out, err = capsys.readouterr()
    assert "trajectory" in out
    assert "s.h5" in out
    assert err.startswith("Error: trajectory: no integration reached its end")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nothing.yaml"], "nothing.yaml: there is no such file"),
        (
            ["validate", "wrong.yaml"],
            "wrong.yaml:1:9: system 'toys.decya' is not known; did you mean 'toys.decay'?",
        ),
        (["run", "s.yaml", "--set", "seed=x"], "--set seed=x: seed: expected a whole number, got 'x'"),
        (["run", "s.yaml", "-o", "no/where.h5"], "cannot write no/where.h5: there is no folder no"),
        (["show", "decya"], "system 'decya' is not known; did you mean"),
        (["plot", "nothing.h5"], "there is no file nothing.h5"),
        (["plot", "s.yaml"], "s.yaml is not an HDF5 file"),
        (["plot", "s.yaml", "--kind", "phase"], "'phase' is not a figure"),
        (["rnu"], "No such command 'rnu'"),
        (["run"], "Missing argument 'SCENARIO'"),
        (["run", "s.yaml", "--workers", "0"], "Invalid value for '--workers'"),
        (["run", "s.yaml", "--frce"], "No such option: --frce"),
    ],
)
def test_mistakes_exit_with_2_and_one_message(scenario, capsys, arguments, message):
    scenario(DECAY)
    scenario("system: toys.decya\nsimulate: {t_end: 1}\n", "wrong.yaml")
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"Error: {message}" in err
    assert "Traceback" not in err


def test_validate_computes_nothing(scenario, capsys, tmp_path):
    assert main(["validate", scenario(DECAY)]) == 0
    assert capsys.readouterr().out == "s: a valid scenario of toys.decay\n"
    assert [path.name for path in tmp_path.iterdir()] == ["s.yaml"]


def test_a_python_file_needs_trust(scenario, tmp_path, capsys):
    (tmp_path / "model.py").write_text(
        "import attrax as ax\n"
        "@ax.flow(state={'x': ()}, parameters={'k': 1.0})\n"
        "def spring(t, s, p):\n    return {'x': -p.k * s.x}\n"
    )
    file = scenario("system: model.py:spring\nsimulate: {t_end: 1}\n")
    assert main(["validate", file]) == 2
    assert "add --trust" in capsys.readouterr().err
    assert main(["validate", file, "--trust"]) == 0


def test_list_names_systems_and_scenarios(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for word in (
        "toys.decay",
        "toys.growth",
        "x, y[2]",
        "closed form",
        "lorenz",
        "stsp_ring",
        "maps.logistic",
    ):
        assert word in out


def test_show_tells_all_about_a_system(capsys):
    assert main(["show", "toys.decay"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for words in (
        "toys.decay, a flow",
        "Source: closed form: x = exp(-rate t)",
        'return {"x": -p.rate * s.x, "y": -p.omega * s.y}',
        "y [2] uniform in [-1, 1)",
        "rate 0.5 1/s decay rate of x",
        "omega [1, 2] rad/s frequencies",
        "energy",
    ):
        assert words in out


def test_plot_draws_a_file_again(scenario, capsys):
    assert main(["run", scenario(DECAY), "--no-plots"]) == 0
    capsys.readouterr()
    assert main(["plot", "s.h5", "--kind", "time_series"]) == 0
    assert capsys.readouterr().out == "s_time_series.png\n"


def test_schema_is_json(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Scenario"


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{ax.__version__}\n"


def test_help_is_immediate():
    before = os.times()
    done = attrax("--help")
    after = os.times()
    assert done.returncode == 0
    assert "validate" in done.stdout
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 0.3


def test_help_imports_nothing_heavy():
    code = "import sys; from attrax.scenarios import cli; cli.main(['--help']); print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = {name.partition(".")[0] for name in out.split()}
    assert not loaded & {
        "jax",
        "numba",
        "scipy",
        "matplotlib",
        "xarray",
        "h5py",
        "pydantic",
        "ruamel",
        "numpy",
    }


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT for a child process")
def test_ctrl_c_keeps_what_was_computed(scenario):
    file = scenario("system: chaos.lorenz\nsimulate: {t_end: 1e6, sample: 1, method: rk4, dt: 1e-4}\n")
    assert attrax("run", file, "--set", "simulate.t_end=1", "-o", "compiled.h5").returncode == 0
    child = subprocess.Popen([sys.executable, "-m", "attrax", "run", file], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not begun("s.h5") and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2.0)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert err == "Error: interrupted; what was computed is in s.h5\n"
    data = ax.load("s.h5", "trajectory")
    assert data.attrs["complete"] == 0
    assert data.status == 1
    assert np.isfinite(data.x[0])
    assert np.isnan(data.x[-1])


def begun(file: str) -> bool:
    """Whether a trajectory is being computed into a file."""
    return os.path.exists(file) and "trajectory" in storage.groups(file)
