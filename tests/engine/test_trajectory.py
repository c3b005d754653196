"""The layout of trajectories: which arrays, axes and coordinates a system gives, in memory and in files."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import attrax
from attrax.engine.declaration import Parameter
from attrax.engine.errors import DeclarationError
from attrax.engine.storage import Writer, load
from attrax.engine.system import flow
from attrax.engine.trajectory import LARGEST_LISTED, STATUS, dataset, layout, provenance


def system(**changes):
    """A network of n neurons, without its equations."""
    parts = {
        "name": "toys.net",
        "kind": "flow",
        "source": "Nobody (1900), eq. 1",
        "source_hash": "cafe",
        "time_unit": "ms",
        "state": {"x": (), "y": (3,), "w": (3, 3)},
        "state_dims": {"y": ("n",), "w": ("n", "n")},
        "parameters": {
            "n": Parameter(3, meaning="neurons"),
            "tau": Parameter(0.5, "ms", "time constant"),
            "bias": Parameter(np.array([1.0, 2.0, 3.0]), "mV"),
        },
        "initial": {"x": np.zeros(()), "y": np.zeros(3), "w": np.eye(3)},
    }
    return SimpleNamespace(**{**parts, **changes})


def test_a_single_trajectory():
    plan = layout(system(), time=np.linspace(0, 1, 5), observables={"energy": (), "rates": (3,)})
    data = dataset(plan, {"x": np.arange(5.0), "status": 0})
    assert {name: data[name].dims for name in data.data_vars} == {
        "x": ("time",),
        "y": ("time", "n"),
        "w": ("time", "n", "n_1"),
        "energy": ("time",),
        "rates": ("time", "n"),
        "status": (),
        "t_stop": (),
        "steps": (),
        "rejected": (),
    }
    assert list(data.coords) == ["time", "tau"], "structural parameters and arrays are no coordinates"
    assert data.tau.attrs == {"units": "ms", "long_name": "time constant"} and float(data.tau) == 0.5
    assert data.status == 0 and np.isnan(data.y).all() and np.isnan(data.t_stop)
    assert data.time.attrs["long_name"] == "time"
    assert layout(system(kind="map"), time=3).coords["time"].attrs["long_name"] == "iteration"


def test_nothing_computed_reads_as_running():
    data = dataset(layout(system(), time=4, members={"member": 2}), {})
    assert (data.status == 1).all() and STATUS[1].name == "running" and data.x.shape == (2, 4)


def test_status_explains_itself():
    attrs = dataset(layout(system(), time=4), {}).status.attrs
    named = dict(zip(attrs["flag_values"], attrs["flag_meanings"].split(), strict=True))
    assert list(named) == list(range(7))
    assert list(named.values()) == [
        "done", "running", "nonfinite", "step_too_small", "too_many_steps", "event", "zeno"
    ]  # fmt: skip
    assert all(ending.sentence in attrs["comment"] for ending in STATUS.values())


def test_ensembles():
    plan = layout(
        system(),
        time=np.arange(4.0),
        members={"tau": 2, "x": 3, "bias": 5},
        member_coords={
            "tau": (("tau",), np.array([0.1, 0.2])),
            "x": (("x",), np.array([1.0, 2.0, 3.0])),
            "bias": (("bias",), np.ones((5, 3))),
            "y": (("x",), np.ones((3, 3))),
        },
    )
    data = dataset(plan, {})
    assert data.x.dims == ("tau", "x_initial", "bias", "time") and data.x.shape == (2, 3, 5, 4)
    assert data.w.dims == ("tau", "x_initial", "bias", "time", "n", "n_1")
    assert data.status.dims == ("tau", "x_initial", "bias")
    assert data.tau.dims == ("tau",) and data.tau.attrs["units"] == "ms"
    assert data.x_initial.dims == ("x_initial",)
    assert data.bias_values.dims == ("bias", "bias_0") and data.bias_values.attrs == {"units": "mV"}
    assert data.y_initial.dims == ("x_initial", "n"), "a block's initial values have the block's axes"
    np.testing.assert_array_equal(data.sel(tau=0.2, x_initial=3.0).x_initial, 3.0)


def test_an_axis_gives_way_to_what_has_its_name():
    plan = layout(system(state={"n": (), "y": (3,)}, parameters={}), time=2)
    assert plan.variables["y"].dims == ("time", "n_1")
    plan = layout(system(state={"y": (3,), "z": (4,)}, state_dims={"y": ("k",), "z": ("k",)}), time=2)
    assert plan.variables["z"].dims == ("time", "k_1") and plan.sizes["k_1"] == 4


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ({"state": {"time": ()}}, {}),
        ({"state": {"status": ()}}, {}),
        ({"parameters": {"x": Parameter(1.0)}}, {}),
        ({}, {"observables": {"tau": ()}}),
        ({"state": {"x": (), "x_initial": ()}}, {"members": {"x": 2}}),
        ({"state": {"member": ()}, "parameters": {"steps": Parameter(0.0)}}, {}),
    ],
)
def test_homonyms_are_refused(changes, settings):
    with pytest.raises(DeclarationError, match="toys.net: '.*' names two things"):
        layout(system(**changes), time=3, **settings)


def test_arrays_that_do_not_fit():
    plan = layout(system(), time=4)
    with pytest.raises(ValueError, match="'x' has 5 elements along 'time'; expected 4"):
        dataset(plan, {"x": np.zeros(5)})
    with pytest.raises(ValueError, match=r"has no \['z'\]"):
        dataset(plan, {"z": np.zeros(4)})


shapes = st.lists(st.integers(1, 3), max_size=2).map(tuple)
words = st.sampled_from(["x", "y", "n", "k", "rate", "n_1", "bias", "x_initial"])


@given(st.data())
def test_every_layout_is_a_dataset_and_a_file(tmp_path_factory, data):
    """Whatever the names, the layout either is refused or holds the same in memory and in a file."""
    state = data.draw(st.dictionaries(words, shapes, min_size=1, max_size=3))
    given_dims = {name: tuple(data.draw(words) for _ in shape) for name, shape in state.items()}
    rest = sorted({"x", "y", "n", "k", "rate", "n_1", "bias", "x_initial"} - set(state))
    parameters = {name: Parameter(data.draw(st.floats(-1, 1))) for name in data.draw(st.sets(st.sampled_from(rest)))}
    swept = data.draw(st.lists(st.sampled_from([*state, *parameters]), unique=True, max_size=2))
    shape_of = {**dict.fromkeys(parameters, ()), **state}
    try:
        plan = layout(
            system(state=state, state_dims=given_dims, parameters=parameters),
            time=np.arange(3.0),
            members={name: 2 for name in swept},
            member_coords={name: ((name,), np.ones((2, *shape_of[name]))) for name in swept},
        )
    except DeclarationError:
        return
    memory = dataset(plan, {name: np.ones([plan.sizes[d] for d in plan.variables[name].dims]) for name in state})
    path = tmp_path_factory.mktemp("layouts") / "a.h5"
    with Writer(path) as writer:
        writer.create(plan)
        for name in state:
            writer.write(name, memory[name])
    xr.testing.assert_identical(load(path), memory)
    for name, shape in state.items():
        assert memory[name].shape == (2,) * len(swept) + (3, *shape)


def test_provenance():
    attrs = provenance(
        system(),
        method="tsit5",
        rtol=1e-6,
        max_steps=10**9,
        seed=np.int64(3),
        adaptive=True,
        dt=None,
        tags=["a"],
    )
    assert attrs["attrax_version"] == attrax.__version__ and attrs["system"] == "toys.net"
    assert attrs["system_source"] == "Nobody (1900), eq. 1" and attrs["system_hash"] == "cafe"
    assert json.loads(attrs["parameters"]) == {"n": 3, "tau": 0.5, "bias": [1.0, 2.0, 3.0]}
    assert json.loads(attrs["initial"])["w"] == np.eye(3).tolist()
    assert (attrs["method"], attrs["seed"], attrs["adaptive"], attrs["tags"]) == ("tsit5", 3, 1, '["a"]')
    assert "dt" not in attrs and attrs["created"].endswith("+00:00")
    assert all(type(value) in (str, int, float) for value in attrs.values())


def test_large_arrays_are_recorded_by_their_hash():
    large = np.zeros(LARGEST_LISTED + 1)
    attrs = [provenance(system(initial={"x": large + shift}))["initial"] for shift in (0.0, 0.0, 1e-300)]
    assert attrs[0] == attrs[1] != attrs[2] and len(attrs[0]) < 200
    assert json.loads(attrs[0])["x"]["shape"] == [LARGEST_LISTED + 1]


def test_of_a_real_system(tmp_path):
    @flow(state={"y": ("n",)}, parameters={"n": 3, "rate": attrax.parameter(2.0, "1/s")}, initial={"y": 1.0})
    def decay(t, s, p):
        return {"y": -p.rate * s.y}

    data = dataset(layout(decay, time=np.arange(2.0), attrs=provenance(decay)), {"y": np.ones((2, 3))})
    assert data.y.dims == ("time", "n") and data.rate.attrs == {"units": "1/s"}
    attrax.save(data, tmp_path / "a.h5")
    xr.testing.assert_identical(attrax.load(tmp_path / "a.h5"), data)
