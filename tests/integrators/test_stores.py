"""Runs that write a file while they go on, progress, and Ctrl-C: the numbers are those of a run in memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from importlib import import_module

import h5py
import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.engine.errors import Interrupted
from attrax.engine.storage import Writer

running = import_module("attrax.integrators.running")


@ax.flow(
    state={"x": (), "w": ("n",)},
    parameters={"n": 2, "a": 1.0, "b": 0.5},
    initial={"x": 1.0, "w": [0.5, -0.5]},
    observables={"norm": lambda t, s, p: jnp.sqrt(s.x**2 + p.a**2), "pair": lambda t, s, p: s.w * jnp.cos(t)},
)
def system(t, s, p):
    return {"x": -p.a * s.w[0] + jnp.sin(t), "w": p.b * jnp.flip(s.w) * s.x - 0.1 * s.w**3}


@ax.map(state={"x": (), "y": ()}, parameters={"a": 1.4}, initial={"x": 0.1}, observables={"s": lambda t, s, p: s.x + t})
def henon(t, s, p):
    return {"x": 1 - p.a * s.x**2 + s.y, "y": 0.3 * s.x}


ENSEMBLES = {
    "single": {},
    "one dimension": {"parameters": {"a": np.linspace(0.5, 2.0, 37)}},
    "two dimensions": {"parameters": ax.grid(a=np.linspace(0.5, 2.0, 5), b=np.linspace(0.1, 1.0, 13))},
    "three dimensions": {"parameters": ax.grid(a=[0.5, 2.0], b=[0.1, 1.0, 2.0], x=np.linspace(-1.0, 1.0, 7))},
    "zip": {"parameters": ax.zip(a=np.linspace(0.5, 2.0, 11), x=np.linspace(-1.0, 1.0, 11))},
    "cloud": {"initial": {"x": np.linspace(-2.0, 2.0, 45)}},
}
HOW = {
    "adaptive": {},
    "equal steps": {"method": "rk4", "dt": 0.05},
    "equal steps, samples between them": {"method": "dopri5", "dt": 0.06, "sample": 0.025},
    "several samples in a step": {"method": "dopri5", "dt": 0.1, "sample": 0.011},
    "irregular": {"sample": np.sort(np.random.default_rng(3).uniform(0.0, 5.0, 113))},
    "irregular, equal steps": {
        "method": "heun",
        "dt": 0.05,
        "sample": np.sort(np.random.default_rng(3).uniform(0.0, 5.0, 113)),
    },
    "end": {"sample": "end"},
}


def same(one, other) -> None:
    assert set(one.data_vars) == set(other.data_vars)
    for name in [*one.data_vars, *one.coords]:
        assert one[name].dims == other[name].dims
        np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=name)


@pytest.mark.parametrize("ensemble", ENSEMBLES)
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("buffer", [None, 100])
def test_file_equals_memory(ensemble, how, buffer, tmp_path, monkeypatch):
    given = ENSEMBLES[ensemble] | {"sample": 0.1} | HOW[how]
    memory = ax.simulate(system, 5.0, **given)
    if buffer:
        monkeypatch.setattr(running, "BUFFER", buffer)
    stored = ax.simulate(system, 5.0, store=tmp_path / "run.h5", **given)
    same(memory, stored)
    assert np.isfinite(stored.x.values[..., -1][stored.status.values == 0]).all()
    assert not np.isinf(stored.x).any()
    same(memory, ax.load(tmp_path / "run.h5"))
    attrs = dict(memory.attrs), dict(stored.attrs)
    for key in ("created", "complete"):
        [a.pop(key, None) for a in attrs]
    assert attrs[0] == attrs[1]


@pytest.mark.parametrize("buffer", [10**6, 50, 1])
def test_maps(buffer, tmp_path, monkeypatch):
    given = {"parameters": {"a": np.linspace(0.1, 1.4, 35)}, "transient": 7, "sample": 3}
    memory = ax.simulate(henon, 200, **given)
    monkeypatch.setattr(running, "BUFFER", buffer)
    same(memory, ax.simulate(henon, 200, store=tmp_path / "run.h5", **given))


def test_blow_ups_in_small_segments(tmp_path, monkeypatch):
    given = {"parameters": {"a": np.linspace(0.1, 3.0, 35)}}
    memory = ax.simulate(henon, 60, **given)
    assert {0, 2} == set(memory.status.values)
    monkeypatch.setattr(running, "BUFFER", 40)
    same(memory, ax.simulate(henon, 60, store=tmp_path / "run.h5", **given))


def test_a_group_of_a_file_that_is_open(tmp_path):
    with Writer(tmp_path / "all.h5", group="first") as writer:
        ax.simulate(system, 1.0, store=writer)
    same(ax.simulate(system, 1.0), ax.load(tmp_path / "all.h5", "first"))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("members", [1, 500])
@pytest.mark.parametrize("how", [{}, {"method": "rk4", "dt": 1e-3}], ids=["adaptive", "fixed"])
def test_progress(workers, members, how):
    told, threads = [], set()

    def progress(fraction):
        told.append(fraction)
        threads.add(threading.get_ident())

    a = np.linspace(0.5, 2.0, members)
    ax.simulate(system, 60.0, parameters={"a": a}, progress=progress, workers=workers, **how)
    assert told == sorted(told)
    assert told[0] >= 0.0 and told[-1] == 1.0
    assert threads == {threading.get_ident()}


def test_an_error_in_progress_ends_the_run(tmp_path):
    def progress(fraction):
        raise RuntimeError("no terminal")

    for workers in (1, 2):
        with pytest.raises(RuntimeError, match="no terminal"):
            ax.simulate(system, 2e6, parameters={"a": np.ones(200)}, sample=1e4, progress=progress, workers=workers)


LONG = """
import sys, threading, json
import h5py, xarray  # what is imported by the result must not count for the time that an interruption takes
import numpy as np
import attrax as ax
from attrax.engine.errors import Interrupted

how = json.loads(sys.argv[1])
members = how.pop("members")
lorenz = ax.systems.chaos.lorenz
if members > 1:
    how["parameters"] = {"rho": np.linspace(20.0, 40.0, members)}
seen = False

def progress(fraction):
    global seen
    if fraction > 0.0 and not seen:
        seen = True
        print("going", flush=True)

try:
    ax.simulate(lorenz, 2e6, progress=progress, **how)
except Interrupted as stop:
    partial = stop.partial
    print(json.dumps({
        "message": str(stop),
        "status": sorted(set(np.ravel(partial.status).tolist())),
        "t_stop": float(np.max(partial.t_stop)),
        "finite": int(np.isfinite(partial.x.values).sum()),
        "gaps": bool((np.diff(np.isnan(partial.x.values).astype(int)) < 0).any()),
    }))
    sys.exit(130)
"""


@pytest.mark.parametrize(
    "how",
    [
        {"members": 1, "store": True, "sample": 0.5},
        {"members": 1, "store": False, "sample": 1000.0},
        {"members": 1, "store": True, "sample": 0.5, "method": "rk4", "dt": 0.01},
        {"members": 100, "store": True, "sample": 20.0, "workers": 2},
        {"members": 100, "store": False, "sample": 1000.0, "workers": 1},
        {"members": 3, "store": False, "sample": "end", "workers": 2},
    ],
    ids=str,
)
def test_ctrl_c_keeps_what_was_computed(how, tmp_path):
    path = tmp_path / "run.h5"
    stored = how.pop("store")
    given = how | ({"store": str(path)} if stored else {})
    process = subprocess.Popen(
        [sys.executable, "-c", LONG, json.dumps(given)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "going\n", process.stderr.read()
    time.sleep(0.7)
    begin = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - begin < 5
    assert process.returncode == 130, err
    assert err == ""
    told = json.loads(out)
    assert told["message"].startswith("interrupted")
    assert 1 in told["status"]
    assert 0 < told["t_stop"] <= 2e6
    assert not told["gaps"]
    if how["sample"] != "end":
        assert told["finite"] > 0
    if stored:
        assert str(path) in told["message"]
        with h5py.File(path) as file:
            assert file.attrs["complete"] == 0
            assert (file["status"][...] == 1).any()
        data = ax.load(path)
        assert np.isfinite(data.x).sum() == told["finite"]
        if how["members"] == 1 and "dt" not in how:
            known = ax.simulate(ax.systems.chaos.lorenz, 2e6, sample=data.time.values[:5], max_steps=1000)
            np.testing.assert_array_equal(data.x[:5], known.x)


def test_ctrl_c_inside_a_program():
    """The exception that a program sees, and what it carries."""
    timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(Interrupted) as caught:
        ax.simulate(ax.systems.chaos.lorenz, 1e8, sample=1e4)
    assert caught.value.partial.status == 1
