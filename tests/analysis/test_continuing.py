"""A continuation while it runs: as an iterator, its progress and checkpoints, interrupted and killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import Branch, bifurcation_diagram, continue_fixed_points
from attrax.analysis.continuation import continuing
from attrax.engine.errors import Interrupted, StorageError


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
from attrax.analysis.continuation import continuing
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
