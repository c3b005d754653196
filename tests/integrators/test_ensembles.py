"""Which members an ensemble has, how its Dataset is labelled, and what is refused."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.engine.errors import InputError, StorageError


@ax.flow(
    state={"x": ("n",), "z": ()},
    parameters={
        "n": 3,
        "rate": ax.parameter(1.0, "1/s", "decay"),
        "drive": lambda p: np.zeros(p.n),
        "scale": 1.0,
    },
    initial={"x": 1.0, "z": 5.0},
)
def relax(t, s, p):
    return {"x": p.scale * (p.drive - p.rate * s.x), "z": 0 * s.z}


@ax.map(state={"x": ()}, parameters={"r": 2.0}, initial={"x": 0.1})
def double(t, s, p):
    return {"x": p.r * s.x}


def end(**how):
    return ax.simulate(relax, 1.0, rtol=1e-9, atol=1e-12, sample="end", **how).isel(time=0)


def test_one_parameter():
    rates = [0.0, 1.0, 2.0]
    data = end(parameters={"rate": rates})
    assert data.x.dims == ("rate", "n")
    assert data.z.dims == data.status.dims == data.t_stop.dims == ("rate",)
    assert data.rate.attrs == {"units": "1/s", "long_name": "decay"}
    np.testing.assert_allclose(data.x, np.exp(-np.array(rates))[:, None] * np.ones(3), rtol=1e-8)


def test_array_parameter_with_a_leading_axis():
    drives = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    data = end(parameters={"drive": drives, "scale": 2.0})
    assert data.x.dims[0] == "drive"
    expected = drives + (1 - drives) * np.exp(-2.0)
    np.testing.assert_allclose(data.x, expected, rtol=1e-8)
    np.testing.assert_array_equal(data.drive_values, drives)
    assert data.scale == 2.0


def test_grid():
    data = end(parameters=ax.grid(rate=[1.0, 2.0], scale=[1.0, 3.0, 5.0], z=[7.0, 8.0]))
    assert data.x.dims == ("rate", "scale", "z_initial", "n")
    assert data.x.shape == (2, 3, 2, 3)
    np.testing.assert_allclose(data.x[..., 0], np.exp(-data.rate * data.scale) + 0 * data.z_initial, rtol=1e-8)
    np.testing.assert_array_equal(data.z, 0 * data.z + data.z_initial)


def test_grid_of_state_arrays():
    starts = np.arange(6.0).reshape(2, 3)
    data = end(parameters=ax.grid(x=starts, rate=[0.5, 1.0]))
    np.testing.assert_allclose(data.x, starts[:, None] * np.exp([-0.5, -1.0])[:, None], rtol=1e-8)


def test_zip():
    data = end(parameters=ax.zip(rate=[1.0, 2.0, 4.0], z=[7.0, 8.0, 9.0]))
    assert data.x.dims == ("member", "n")
    np.testing.assert_allclose(data.x[:, 1], np.exp([-1.0, -2.0, -4.0]), rtol=1e-8)
    np.testing.assert_array_equal(data.z, [7.0, 8.0, 9.0])
    np.testing.assert_array_equal(data.rate, [1.0, 2.0, 4.0])
    assert data.rate.dims == ("member",)


def test_cloud_of_initial_states():
    starts = np.random.default_rng(0).normal(size=(50, 3))
    data = end(initial={"x": starts, "z": 3.0}, parameters={"rate": 1.0})
    assert data.x.dims == ("member", "n")
    np.testing.assert_allclose(data.x, starts * np.exp(-1), rtol=1e-8, atol=1e-12)
    assert (data.z == 3.0).all()
    same = end(initial=np.column_stack([starts, np.full(50, 3.0)]), parameters={"rate": 1.0})
    np.testing.assert_array_equal(same.x, data.x)


def test_single_trajectory_has_no_member_axis():
    data = end(initial={"x": [1.0, 2.0, 3.0]}, parameters={"drive": [1.0, 1.0, 1.0], "rate": 2.0})
    assert data.x.dims == ("n",)
    np.testing.assert_allclose(data.x, 0.5 + (np.array([1.0, 2.0, 3.0]) - 0.5) * np.exp(-2), rtol=1e-8)
    np.testing.assert_array_equal(end(initial=[1.0, 2.0, 3.0, 4.0]).z, 4.0)


def test_an_ensemble_of_one():
    data = end(parameters={"rate": [2.0]})
    assert data.x.shape == (1, 3)
    np.testing.assert_array_equal(data.x[0], end(parameters={"rate": 2.0}).x)


def test_a_structural_parameter_changes_the_shape():
    assert end(parameters={"n": 5}).x.shape == (5,)
    assert end(parameters={"n": 2, "rate": [1.0, 2.0]}).x.shape == (2, 2)


def test_drawn_initial_values():
    one, two, other = (end(initial={"x": ax.uniform(1.0, 2.0)}, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.x, two.x)
    assert (one.x != other.x).all()
    assert one.attrs["seed"] == 3
    start = ax.simulate(relax, 1.0, initial={"x": ax.uniform(1.0, 2.0)}, seed=3).x[0]
    assert ((start >= 1.0) & (start < 2.0)).all()


def test_the_order_of_dimensions_is_that_of_the_call():
    assert end(parameters=ax.grid(scale=[1.0], rate=[1.0, 2.0])).x.dims[:2] == ("scale", "rate")


REFUSED = [
    (dict(t_end=0.0), "t_end"),
    (dict(t_end=np.nan), "t_end"),
    (dict(t_end=np.inf), "t_end"),
    (dict(t_end="long"), "t_end"),
    (dict(t_end=None), "t_end"),
    (dict(t_start=np.nan), "t_start"),
    (dict(transient=-1.0), "transient"),
    (dict(transient=2.0), "transient"),
    (dict(transient=np.nan), "transient"),
    (dict(method="rk5"), "'rk5'.*(rk4|known)"),
    (dict(method="iterate"), "iterate"),
    (dict(method=5), "5"),
    (dict(method="rk4"), "dt"),
    (dict(method="rk4", dt=0.0), "dt"),
    (dict(method="rk4", dt=-0.1), "dt"),
    (dict(method="rk4", dt=np.nan), "dt"),
    (dict(method="rk4", dt="small"), "dt"),
    (dict(method="rodas5p", dt=0.1), "rodas5p.*dt"),
    (dict(backend="cuda"), "'cuda'"),
    (dict(rtol=0.0), "rtol"),
    (dict(rtol=-1e-6), "rtol"),
    (dict(rtol=np.nan), "rtol"),
    (dict(rtol="fine"), "rtol"),
    (dict(atol=-1e-9), "atol"),
    (dict(atol=0), "atol"),
    (dict(atol=np.inf), "atol"),
    (dict(max_steps=0), "max_steps"),
    (dict(max_steps=-5), "max_steps"),
    (dict(max_steps="many"), "max_steps"),
    (dict(max_steps=np.nan), "max_steps"),
    (dict(seed=-1), "seed"),
    (dict(seed=0.5), "seed"),
    (dict(seed="one"), "seed"),
    (dict(workers=0), "workers"),
    (dict(workers=1.5), "workers"),
    (dict(sample=0.0), "spacing"),
    (dict(sample=-0.1), "spacing"),
    (dict(sample=np.nan), "spacing"),
    (dict(sample=[]), "sample"),
    (dict(sample=[[0.1, 0.2]]), "sample"),
    (dict(sample=[0.2, 0.1]), "sample"),
    (dict(sample=[0.1, 0.1]), "sample"),
    (dict(sample=[0.1, np.nan]), "sample"),
    (dict(sample=[0.1, 1.1]), "sample.*1.1"),
    (dict(sample=[-0.1, 0.5]), "sample.*-0.1"),
    (dict(sample=[0.1, 0.5], transient=0.2), "sample"),
    (dict(sample="last"), "'last'"),
    (dict(sample={"a": 1}), "sample"),
    (dict(initial={"x": np.nan}), "x.*NaN"),
    (dict(initial={"x": [1.0, np.inf, 0.0]}), r"x\[1\]"),
    (dict(initial={"y": 1.0}), "'y'"),
    (dict(initial={"x": [1.0, 2.0]}), "x.*shape"),
    (dict(initial={"x": "one"}), "x"),
    (dict(initial=[1.0, 2.0]), "flat state"),
    (dict(initial="origin"), "initial"),
    (dict(initial=5.0), "initial|state"),
    (dict(initial={"x": np.ones((2, 3)), "z": np.ones(3)}), "x: 2, z: 3"),
    (dict(initial={"x": np.ones((0, 3))}), "no members"),
    (dict(initial=np.ones((0, 4))), "no members|at least one"),
    (dict(initial={"x": np.array([[1.0, 1.0, 1.0], [1.0, np.nan, 1.0]])}), r"x\[1\]"),
    (dict(initial={"x": 1j}), "x"),
    (dict(parameters={"rat": 1.0}), "'rat'.*'rate'"),
    (dict(parameters={"rate": "fast"}), "rate"),
    (dict(parameters={"rate": np.nan}), "rate"),
    (dict(parameters={"drive": [1.0, 2.0]}), "drive"),
    (dict(parameters={"drive": [1.0, np.inf, 2.0]}), "drive"),
    (dict(parameters={"rate": []}), "rate"),
    (dict(parameters={"rate": [1.0, np.nan]}), "rate"),
    (dict(parameters={"rate": [1.0, 2.0], "scale": [1.0, 2.0]}), "rate, scale.*grid"),
    (dict(parameters={"rate": [1.0, 2.0]}, initial={"z": [1.0, 2.0]}), "rate.*grid"),
    (dict(parameters={"n": [2, 3]}), "'n'"),
    (dict(parameters={"n": 2.5}), "'n'"),
    (dict(parameters={"n": 0}), "'n'"),
    (dict(parameters=[1.0]), "parameters"),
    (dict(parameters=ax.grid()), "empty"),
    (dict(parameters=ax.zip()), "empty"),
    (dict(parameters=ax.grid(rate=[])), "rate"),
    (dict(parameters=ax.grid(rate=1.0)), "rate"),
    (dict(parameters=ax.grid(n=[2, 3])), "'n'"),
    (dict(parameters=ax.grid(rat=[1.0])), "'rat'.*'rate'"),
    (dict(parameters=ax.grid(drive=[1.0, 2.0])), "drive"),
    (dict(parameters=ax.grid(rate=["a"])), "rate"),
    (dict(parameters=ax.zip(rate=[1.0, 2.0], scale=[1.0])), "rate: 2, scale: 1"),
    (dict(parameters=ax.grid(rate=[1.0]), initial={"z": [1.0, 2.0]}), "rate"),
]


@pytest.mark.parametrize(("how", "message"), REFUSED, ids=lambda v: str(v)[:60])
def test_misuse_is_refused_with_a_message_that_names_it(how, message):
    how = {"t_end": 1.0, **how}
    with pytest.raises(InputError, match=message) as caught:
        ax.simulate(relax, how.pop("t_end"), **how)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (dict(t_end=1.5), "t_end"),
        (dict(t_end=-3), "backwards"),
        (dict(t_start=0.5), "t_start"),
        (dict(transient=0.5), "transient"),
        (dict(sample=0.5), "spacing"),
        (dict(sample=[0, 1.5]), "whole"),
        (dict(dt=1.0), "dt"),
        (dict(method="rk4"), "rk4"),
    ],
    ids=str,
)
def test_misuse_of_maps(how, message):
    how = {"t_end": 10, **how}
    with pytest.raises(InputError, match=message):
        ax.simulate(double, how.pop("t_end"), **how)


@pytest.mark.parametrize("misuse", [dict(rtol=-1.0), dict(initial={"x": np.nan}), dict(sample=0.0)], ids=str)
def test_misuse_leaves_no_file(tmp_path, misuse):
    with pytest.raises(InputError):
        ax.simulate(relax, 1.0, store=tmp_path / "run.h5", **misuse)
    assert not list(tmp_path.iterdir())


def test_a_file_that_exists_is_kept(tmp_path):
    path = tmp_path / "run.h5"
    ax.simulate(relax, 1.0, store=path)
    before = path.read_bytes()
    with pytest.raises(StorageError, match="run.h5"):
        ax.simulate(relax, 2.0, store=path)
    assert path.read_bytes() == before
    assert ax.simulate(relax, 2.0, store=path, force=True).t_stop == 2.0


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(StorageError, match="nowhere"):
        ax.simulate(relax, 1.0, store=tmp_path / "nowhere" / "run.h5")


@ax.flow(state={"x": (), "v": ()}, parameters={"damping": 0.15, "force": 0.3, "omega": 1.2, "power": 0.7})
def driven(t, s, p):
    drive = p.force * jnp.cos(p.omega * t) * jnp.exp(-p.damping) + p.omega**p.power * jnp.sin(1e6 * p.omega)
    return {"x": s.v, "v": s.x - s.x**3 - p.damping * s.v + drive}


@ax.map(state={"x": ()}, parameters={"a": 0.3, "omega": 1.2})
def turning(t, s, p):
    return {"x": s.x + p.a * jnp.sin(s.x) + jnp.log(p.omega) * jnp.cos(p.omega * t)}


@pytest.mark.parametrize(
    ("system", "how"),
    [
        (driven, {"method": "rk4", "dt": 0.01, "sample": 0.37}),
        (driven, {"method": "dopri5", "dt": 0.01, "sample": "end"}),
        (turning, {}),
    ],
)
def test_shared_parameters_change_no_bits(system, how):
    """Members whose parameters are all the same, and so computed with once for all, and in other company."""
    first = next(iter(system.state))
    starts = np.linspace(-2, 2, 70)
    alike = ax.simulate(system, 40, parameters=ax.zip(**{first: starts}), **how)
    omega = np.where(np.arange(70) == 5, 0.9, 1.2)
    mixed = ax.simulate(system, 40, parameters=ax.zip(**{first: starts, "omega": omega}), **how)
    alone = ax.simulate(system.with_initial(**{first: starts[7]}), 40, **how)
    for name in system.state:
        same = np.delete(np.arange(70), 5)
        assert np.array_equal(alike[name].values[same], mixed[name].values[same])
        assert not np.array_equal(alike[name].values[5], mixed[name].values[5])
        assert np.array_equal(alike[name].values[7], alone[name].values)
