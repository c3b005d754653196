"""How often anything is compiled: once for a kernel, in the life of a cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

WORK = """
import json, sys
import numpy as np
import attrax as ax
from attrax.engine import native

lorenz, logistic = ax.systems.chaos.lorenz, ax.systems.maps.logistic
rho = np.linspace(20.0, 30.0, 40)
counts, numbers = {}, {}

def step(name, call):
    if sys.argv[1:] and name not in sys.argv[1:]:
        return
    before = native.compilations
    data = call()
    counts[name] = native.compilations - before
    numbers[name] = float(np.nansum(data.x.values))

step("first", lambda: ax.simulate(lorenz, 2.0))
step("again", lambda: ax.simulate(lorenz, 2.0))
step("parameters", lambda: ax.simulate(lorenz, 2.0, parameters={"rho": 20.0, "sigma": 9.0}))
step("system", lambda: ax.simulate(lorenz.with_parameters(beta=2.0).with_initial(x=3.0), 2.0))
step("initial", lambda: ax.simulate(lorenz, 2.0, initial={"x": 5.0}))
step("tolerances", lambda: ax.simulate(lorenz, 2.0, rtol=1e-9, atol=1e-11))
step("end", lambda: ax.simulate(lorenz, 7.5, t_start=-1.0, transient=1.0))
step("backwards", lambda: ax.simulate(lorenz, -0.1))
step("sampling", lambda: ax.simulate(lorenz, 2.0, sample=[0.1, 0.5]))
step("steps", lambda: ax.simulate(lorenz, 2.0, max_steps=1000, workers=2, seed=4))
step("many", lambda: ax.simulate(lorenz, 2.0, parameters={"rho": rho}))
step("more", lambda: ax.simulate(lorenz, 1.0, parameters=ax.grid(rho=rho, x=[1.0, 2.0, 3.0]), rtol=1e-4))
step("few", lambda: ax.simulate(lorenz, 1.0, initial={"y": [1.0, 2.0]}))
step("fixed", lambda: ax.simulate(lorenz, 2.0, method="rk4", dt=0.01))
step("fixed again", lambda: ax.simulate(lorenz, 3.0, method="rk4", dt=0.02, sample=0.033, initial={"x": 2.0}))
step("map", lambda: ax.simulate(logistic, 100))
step("map again", lambda: ax.simulate(logistic, 200, t_start=50, parameters={"r": 3.9}, sample=5))
step("diagram", lambda: ax.analysis.orbit_diagram(logistic, "r", [3.0, 3.5]))
step("diagram again", lambda: ax.analysis.orbit_diagram(logistic, "r", [2.0, 3.5, 3.7], points=7, transient=20))
step("section", lambda: ax.analysis.poincare_section(lorenz, "z > 27", points=50))
step("section again", lambda: ax.analysis.poincare_section(lorenz, "z > 27", points=90, initial={"x": 2.0}, rtol=1e-6))
modules = [name for name in ("numba", "jax", "llvmlite") if name in sys.modules]
print(json.dumps([counts, numbers, modules]))
"""
NEW = {"first", "many", "fixed", "map", "section"}
FEW = ("map", "map again")


def start(folder, *steps) -> subprocess.Popen:
    environment = os.environ | {"ATTRAX_CACHE_DIR": str(folder)}
    return subprocess.Popen([sys.executable, "-c", WORK, *steps], env=environment, stdout=subprocess.PIPE, text=True)


def result(process: subprocess.Popen) -> tuple[dict, dict, list]:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return tuple(json.loads(out))


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A process with an empty cache, and the cache that it leaves."""
    folder = tmp_path_factory.mktemp("cache")
    return folder, *result(start(folder))


def test_only_what_is_new_is_compiled(first):
    _, counts, _, _ = first
    assert {name for name, count in counts.items() if count} == NEW


def test_a_second_process_compiles_nothing(first):
    folder, _, numbers, _ = first
    counts, again, modules = result(start(folder))
    assert set(counts.values()) == {0}
    assert again == numbers
    assert "numba" not in modules


def test_damaged_entries_are_built_anew(first):
    folder, counts, numbers, _ = first
    entries = sorted(p for p in folder.rglob("*") if p.is_file())
    assert len(entries) >= sum(counts.values())
    random = np.random.default_rng(0)
    damaged = random.permutation(len(entries))[:4]
    for k, i in enumerate(damaged):
        data = bytearray(entries[i].read_bytes())
        if k % 2:
            data[random.integers(len(data))] ^= 0x55
        else:
            del data[random.integers(len(data)) :]
        entries[i].write_bytes(data)
    rebuilt, again, _ = result(start(folder))
    assert again == numbers
    assert 1 <= sum(rebuilt.values()) <= 4
    assert set(result(start(folder))[0].values()) == {0}


def test_two_processes_share_an_empty_cache(first, tmp_path):
    _, _, numbers, _ = first
    both = [start(tmp_path, *FEW) for _ in range(2)]
    for process in both:
        assert result(process)[1] == {name: numbers[name] for name in FEW}
    assert set(result(start(tmp_path, *FEW))[0].values()) == {0}
    assert not [p for p in tmp_path.rglob("tmp*")]


def test_a_cache_that_cannot_be_written(first, tmp_path):
    _, counts, numbers, _ = first
    (tmp_path / "file").write_text("in the way")
    here, again, _ = result(start(tmp_path / "file" / "cache", *FEW))
    assert again == {name: numbers[name] for name in FEW}
    assert here["map"] >= counts["map"] == 1 and here["map again"] == 0
