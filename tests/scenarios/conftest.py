"""A small catalogue of its own, so that these tests do not change with the catalogue of attrax."""

from __future__ import annotations

import os

import numpy as np
import pytest

import attrax as ax
from attrax import systems

os.environ.setdefault("MPLBACKEND", "Agg")


@ax.flow(
    state={"x": (), "y": ("n",)},
    parameters={
        "n": ax.parameter(2, "", "number of oscillators"),
        "rate": ax.parameter(0.5, "1/s", "decay rate of x"),
        "omega": ax.parameter(lambda p: np.arange(1.0, p.n + 1), "rad/s", "frequencies"),
    },
    initial={"x": 1.0, "y": ax.uniform(-1.0, 1.0)},
    observables={"energy": lambda t, s, p: s.x**2},
    source="closed form: x = exp(-rate t)",
    name="toys.decay",
)
def decay(t, s, p):
    """A decaying x, beside n decaying y."""
    return {"x": -p.rate * s.x, "y": -p.omega * s.y}


@ax.flow(state={"x": ()}, parameters={"power": 2.0}, initial={"x": 1.0}, name="toys.explosion")
def explosion(t, s, p):
    """x = 1 / (1 - t) for power 2."""
    return {"x": s.x**p.power}


@ax.map(state={"x": ()}, parameters={"r": 2.5}, initial={"x": 0.2}, name="toys.growth")
def growth(t, s, p):
    """The logistic map."""
    return {"x": p.r * s.x * (1 - s.x)}


TOYS = {each.name: each for each in (decay, explosion, growth)}


@pytest.fixture(autouse=True)
def toys(monkeypatch, tmp_path):
    """Replace the catalogue by the toys, and work in an empty folder."""
    monkeypatch.setattr(systems, "names", lambda: sorted(TOYS))
    monkeypatch.setattr(systems, "get", TOYS.__getitem__)
    monkeypatch.chdir(tmp_path)
    return TOYS


@pytest.fixture
def scenario(tmp_path):
    """Write a scenario file and return its name."""

    def write(text: str, name: str = "s.yaml") -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return name

    return write


# --- temporary: until attrax.integrators.simulate exists
def _fake_simulate(system, t_end, *, parameters=None, store=None, progress=None, sample=None, t_start=0.0, **rest):
    from scipy.integrate import solve_ivp

    from attrax.engine import storage, trajectory
    time = np.linspace(t_start, t_end, round((t_end - t_start) / (sample or 0.1)) + 1)
    values = parameters.values if parameters else {}
    axes = [np.asarray(v) for v in values.values()]
    shape = tuple(len(a) for a in axes)
    arrays = {k: np.full((*shape, len(time), *v), np.nan) for k, v in system.state.items()}
    status = np.zeros(shape, np.int8)
    for i in np.ndindex(shape):
        here = {k: axes[j][i[j]] for j, k in enumerate(values)}
        one = system.with_parameters(**{k: v for k, v in here.items() if k in system.parameters})
        one = one.with_initial(**{k: v for k, v in here.items() if k in system.state})

        class NS(dict):
            __getattr__ = dict.__getitem__
        p = NS({k: v.value for k, v in one.parameters.items()})

        def f(t, y, one=one, p=p):
            s = NS({k: y[sl].reshape(one.state[k]) if one.state[k] else y[sl.start] for k, sl in one.state_slices.items()})
            return np.concatenate([np.ravel(v) for v in one.function(t, s, p).values()])
        event = lambda t, y: 1e6 - np.abs(y).max()
        event.terminal = True
        sol = solve_ivp(f, (t_start, t_end), one.initial_vector, rtol=1e-10, atol=1e-12, t_eval=time, events=event)
        n = len(sol.t)
        status[i] = 0 if n == len(time) else 2
        for k, sl in one.state_slices.items():
            arrays[k][(*i, slice(0, n))] = sol.y[sl].T.reshape(n, *one.state[k])
        system_used = one
    lay = trajectory.layout(
        system_used, time=time, members={k: len(a) for k, a in zip(values, axes)},
        member_coords={k: ((k,), a) for k, a in zip(values, axes)},
        attrs={"system": system.name, "system_kind": system.kind, "system_source": system.source})
    data = trajectory.dataset(lay, {**arrays, "status": status})
    store.complete = True
    with store as writer:
        writer.create(lay)
        for k, v in {**arrays, "status": status}.items():
            writer.write(k, v)
    if progress:
        progress(1.0)
    return data


def _fake_orbit(system, parameter, values, *, observable, points=100, progress=None, **rest):
    import xarray as xr
    out = np.empty((1, len(values), points))
    for j, r in enumerate(values):
        x = 0.2
        for _ in range(1000):
            x = r * x * (1 - x)
        for k in range(points):
            x = r * x * (1 - x)
            out[0, j, k] = x
    if progress:
        progress(1.0)
    return xr.Dataset(
        {"x": (("direction", parameter, "point"), out), "status": (("direction", parameter), np.zeros(out.shape[:2], np.int8))},
        {parameter: values, "direction": ["up"]}, {"system": system.name})


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    import importlib.util
    import types
    if importlib.util.find_spec("attrax.integrators.simulate") is None:
        monkeypatch.setattr("attrax.integrators.simulate", _fake_simulate, raising=False)
        from attrax.integrators import ensemble
        monkeypatch.setattr("attrax.integrators.grid", ensemble.grid, raising=False)
    if importlib.util.find_spec("attrax.analysis.orbit_diagram") is None:
        module = types.ModuleType("attrax.analysis.orbit_diagram")
        module.orbit_diagram = _fake_orbit
        import sys
        monkeypatch.setitem(sys.modules, "attrax.analysis.orbit_diagram", module)
