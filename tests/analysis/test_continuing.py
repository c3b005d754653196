"""A continuation while it runs: as an iterator, its progress and checkpoints, interrupted and killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import (
    Branch,
    bifurcation_diagram,
    continue_bifurcation,
    continue_cycles,
    continue_fixed_points,
    find_cycle,
)
from attrax.analysis.continuation import continuing, time_limit
from attrax.engine.errors import InputError, Interrupted, NumericsError, StorageError


@ax.flow(state={"x": ()}, parameters={"a": 0.0})
def snake(t, s, p):
    """Folds at a = +-1, again and again."""
    return {"x": p.a - jnp.sin(s.x)}


def test_it_can_be_left_and_taken_up_again(monkeypatch):
    runs = []
    monkeypatch.setattr(continuing.Continuation, "run", lambda self, *_: runs.append(self))
    continue_fixed_points(snake, "a", (-2, 2), max_points=200)
    (run,) = runs
    for _ in range(25):
        next(run)
    part = run.branch
    assert len(part) >= 26 and part.endings == ("interrupted", "interrupted")
    assert 0 < run.fraction < 0.5
    for _ in run:
        pass
    monkeypatch.undo()
    whole = continue_fixed_points(snake, "a", (-2, 2), max_points=200)
    assert run.branch.data.drop_attrs().identical(whole.data.drop_attrs())
    assert run.branch.endings == ("reached 200 points", "reached 200 points")
    # up to the end of the part the whole is the same
    first = np.flatnonzero(whole.data["x"].values == part.data["x"].values[0])[0]
    np.testing.assert_array_equal(whole.data["x"][first : first + len(part)], part.data["x"])


def test_checkpoints_grow(monkeypatch):
    monkeypatch.setattr(continuing, "CHECKPOINT", 0.0)
    seen, told = [], []
    whole = continue_fixed_points(snake, "a", (-2, 2), checkpoint=seen.append, progress=told.append)
    sizes = [len(part) for part in seen]
    assert len(sizes) > 3 and sizes == sorted(sizes) and sizes[-1] <= len(whole)
    assert told == sorted(told) and told[-1] == 1.0


def test_checkpoints_of_a_diagram_hold_all_branches(monkeypatch):
    @ax.flow(state={"x": ()}, parameters={"a": -1.0})
    def pitchfork(t, s, p):
        return {"x": p.a * s.x - s.x**3}

    monkeypatch.setattr(continuing, "CHECKPOINT", 0.0)
    seen = []
    diagram = bifurcation_diagram(pitchfork, "a", (-2, 2), checkpoint=seen.append)
    assert [len(diagram), len(seen[0]), len(seen[-1])] == [2, 1, 2]


def test_an_interrupted_diagram_keeps_its_branches(monkeypatch):
    @ax.flow(state={"x": ()}, parameters={"a": -1.0})
    def pitchfork(t, s, p):
        return {"x": p.a * s.x - s.x**3}

    def stop(part):
        if len(part) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(continuing, "CHECKPOINT", 0.0)
    with pytest.raises(Interrupted) as caught:
        bifurcation_diagram(pitchfork, "a", (-2, 2), checkpoint=stop)
    first, second = caught.value.partial
    assert first.labels == ["EP1", "BP1", "EP2"] and "interrupted" in second.endings


PROGRAM = """
import sys
from attrax.analysis.continuation import continuing, time_limit
from attrax.scenarios.cli import main
continuing.CHECKPOINT = 0.2
sys.exit(main(["run", "snake.yaml", "--trust"]))
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_keeps_what_was_computed(tmp_path, how):
    (tmp_path / "snake.py").write_text(
        "import attrax as ax\nimport jax.numpy as jnp\n"
        "@ax.flow(state={'x': ()}, parameters={'a': 0.0})\n"
        "def snake(t, s, p):\n    return {'x': p.a - jnp.sin(s.x)}\n"
    )
    step = "continue_fixed_points: {parameter: a, bounds: [-2, 2], max_points: 1000000}"
    (tmp_path / "snake.yaml").write_text(f"system: snake.py:snake\nanalysis:\n  - {step}\nplots: [branches]\n")
    run = subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while _points(tmp_path / "snake.h5") < 100 and time.monotonic() < deadline:
        time.sleep(0.1)
    run.send_signal(how)
    _, err = run.communicate(timeout=60)
    assert run.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    branch = Branch(ax.load(tmp_path / "snake.h5", "continue_fixed_points"))
    assert branch.data.attrs["complete"] == 0
    assert len(branch) >= 100
    np.testing.assert_allclose(np.sin(branch.data["x"]), branch.data["a"], atol=1e-9)
    np.testing.assert_allclose([abs(p.parameters["a"]) for p in branch.special("LP")], 1, rtol=1e-12)
    if how == signal.SIGINT:
        assert "interrupted; what was computed is in snake.h5" in err


def _points(path) -> int:
    try:
        return ax.load(path, "continue_fixed_points").sizes["point"]
    except (StorageError, KeyError):
        return 0


# -- wall time --------------------------------------------------------------------------------------------------


STOPPED = "stopped after 0.2 s (max_seconds); the points so far are kept"


def test_a_branch_ends_when_its_time_is_up_and_goes_on_from_there():
    continue_fixed_points(snake, "a", (-2, 2), max_points=10)  # what is compiled takes no time below
    begun = time.monotonic()
    branch = continue_fixed_points(snake, "a", (-2, 2), max_points=10**7, max_step=1e-3, max_seconds=0.2)
    assert time.monotonic() - begun < 5
    assert len(branch) > 20 and branch.endings == (STOPPED, STOPPED)
    further = continue_fixed_points(snake, "a", (-2, 2), start=branch["EP2"], max_points=20)
    assert further.data["x"].values.max() > branch.data["x"].values.max()
    np.testing.assert_allclose(np.sin(further.data["x"]), further.data["a"], atol=1e-12)


def test_many_cycles_at_a_time_keep_to_the_time_too():
    lorenz = ax.systems.chaos.lorenz.with_parameters(rho=10.0).with_initial(x=5.0, y=5.0, z=9.0)
    hopf = continue_fixed_points(lorenz, "rho", (0.5, 30.0))["H2"]
    options = {"start": hopf, "intervals": 200, "max_step": 1e-4}
    continue_cycles(lorenz, "rho", (0.5, 30.0), max_points=60, **options)
    begun = time.monotonic()
    branch = continue_cycles(lorenz, "rho", (0.5, 30.0), max_points=10**5, max_seconds=0.2, **options)
    assert time.monotonic() - begun < 5
    assert 3 < len(branch) < 10**4 and branch.endings == ("", STOPPED)
    further = continue_cycles(lorenz, "rho", (0.5, 30.0), start=branch["EP1"], max_points=3, max_step=1e-4)
    rho, period = (branch.data[name].values for name in ("rho", "period"))
    later, periods = (further.data[name].values for name in ("rho", "period"))
    assert abs(periods[abs(later - rho[-1]).argmin()] - period[-1]) < 1e-8 < np.ptp(later)


def test_curves_of_bifurcations_keep_to_the_time():
    lorenz = ax.systems.chaos.lorenz.with_parameters(rho=10.0).with_initial(x=5.0, y=5.0, z=9.0)
    hopf = continue_fixed_points(lorenz, "rho", (0.5, 30.0))["H2"]
    bounds = {"rho": (0.0, 100.0), "sigma": (5.0, 30.0)}
    continue_bifurcation(lorenz, hopf, bounds, max_points=3)
    curve = continue_bifurcation(lorenz, hopf, bounds, max_points=10**5, max_step=1e-5, step=1e-6, max_seconds=0.2)
    assert curve.endings == (STOPPED, STOPPED) and len(curve) > 1
    further = continue_bifurcation(lorenz, curve["EP2"], bounds, curve="H", max_points=3)
    assert len(further) > 3


def test_a_cycle_that_takes_too_long_is_given_up(monkeypatch):
    roessler = ax.systems.chaos.roessler.with_parameters(a=0.2, b=0.2, c=2.5)
    with pytest.raises(NumericsError, match=r"^stopped after 1e-09 s \(max_seconds\): the trajectory .* until t = 0"):
        find_cycle(roessler, max_seconds=1e-9)
    with pytest.raises(NumericsError, match="the trajectory of 'chaos.roessler' has not returned"):
        continue_cycles(roessler, "c", (2.0, 3.0), max_seconds=1e-9)
    clock = iter(np.r_[np.zeros(6), np.full(100, 2.0)])
    monkeypatch.setattr(time_limit, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with pytest.raises(NumericsError, match="the cycle of 'chaos.roessler' is not accurate on 60 intervals"):
        find_cycle(roessler, [0.0, -4.4, 0.02], period=5.75, max_seconds=1.0)
    with pytest.raises(InputError, match="max_seconds must be positive"):
        find_cycle(roessler, max_seconds=0)
