"""`backend="jax"` gives the same results as machine code, and takes what machine code does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.engine.errors import InputError, UnsupportedPrimitive

LORENZ = ax.systems.get("chaos.lorenz")


@pytest.mark.parametrize("method", ["bs3", "tsit5", "dopri5", "dop853"])
def test_adaptive_methods_agree(method):
    settings = {"method": method, "rtol": 1e-9, "atol": 1e-12}
    ours, theirs = (ax.simulate(LORENZ, 2.0, **settings, backend=name) for name in ("numba", "jax"))
    np.testing.assert_allclose(theirs.x, ours.x, atol=1e-6)
    assert theirs.status == 0 and theirs.t_stop == 2.0


@pytest.mark.parametrize("method", ["euler", "heun", "tsit5"])
def test_equal_steps_agree(method):
    ours, theirs = (ax.simulate(LORENZ, 1.0, method=method, dt=1e-3, backend=name) for name in ("numba", "jax"))
    np.testing.assert_allclose(theirs.x, ours.x, atol=1e-11)


def test_a_map():
    logistic = ax.systems.get("maps.logistic")
    ours, theirs = (ax.simulate(logistic, 30, t_start=3, transient=5, sample=2, backend=b) for b in ("numba", "jax"))
    np.testing.assert_array_equal(theirs.time, ours.time)
    np.testing.assert_allclose(theirs.x, ours.x, atol=1e-9)


def test_ensembles_observables_and_files(tmp_path):
    ring = ax.systems.get("neural.stsp_ring")
    given = {"parameters": ax.grid(a=[1.0, 5.0], w=[0.3, 0.4]), "sample": 10.0, "rtol": 1e-8, "atol": 1e-8}
    ours = ax.simulate(ring, 100.0, **given)
    theirs = ax.simulate(ring, 100.0, **given, backend="jax", store=tmp_path / "a.h5")
    assert theirs.sizes == ours.sizes
    np.testing.assert_allclose(theirs.y, ours.y, atol=1e-6)
    assert theirs.attrs["backend"] == "jax"


def test_stiff():
    @ax.flow(state={"x": (), "y": ()}, parameters={"eps": 1e-5}, initial={"x": 2.0})
    def van_der_pol(t, s, p):
        return {"x": s.y, "y": ((1 - s.x**2) * s.y - s.x) / p.eps}

    settings = {"rtol": 1e-8, "atol": 1e-8, "sample": "end"}
    ours = ax.simulate(van_der_pol, 1.0, method="rodas5p", **settings)
    theirs = ax.simulate(van_der_pol, 1.0, method="kvaerno5", backend="jax", **settings)
    np.testing.assert_allclose(theirs.x, ours.x, atol=1e-6)


def test_a_blow_up_ends_with_a_status():
    @ax.flow(state={"x": ()}, initial={"x": 1.0})
    def blowing(t, s, p):
        return {"x": s.x**2}

    data = ax.simulate(blowing, 2.0, sample=0.1, backend="jax", max_steps=2000)
    assert data.status > 1
    assert np.isfinite(data.x.values[:9]).all() and np.isnan(data.x.values[-1])


def test_what_is_not_lowered():
    def halve(v):
        return v[0] + 1, v[1] / 2

    @ax.flow(
        state={"x": ()},
        initial={"x": 1.0},
        observables={"twice": lambda t, s, p: jnp.stack([2 * s.x, s.x])},
    )
    def looping(t, s, p):
        return {"x": -jax.lax.while_loop(lambda v: v[0] < 3, halve, (0, s.x))[1]}

    with pytest.raises(UnsupportedPrimitive, match='backend="jax"'):
        ax.simulate(looping, 1.0)
    data = ax.simulate(looping, 1.0, backend="jax", rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(data.x, np.exp(-data.time / 8), atol=1e-8)
    np.testing.assert_allclose(data.twice[:, 0], 2 * data.x)
    assert len(data.attrs["system_hash"]) == 16


def test_errors():
    with pytest.raises(InputError, match="backend 'cuda' does not exist"):
        ax.simulate(LORENZ, 1.0, backend="cuda")
    with pytest.raises(InputError, match="'rk4' does not exist for a flow with backend 'jax'"):
        ax.simulate(LORENZ, 1.0, backend="jax", method="rk4", dt=0.1)


def test_single_precision():
    lorenz = ax.systems.chaos.lorenz
    options = {"backend": "jax", "initial": {"x": np.linspace(1.0, 2.0, 3)}, "sample": 0.5}
    single = ax.simulate(lorenz, 2.0, dtype="float32", rtol=1e-5, **options)
    double = ax.simulate(lorenz, 2.0, rtol=1e-8, **options)
    assert single.x.dtype == np.float64 and single.attrs["dtype"] == "float32"
    assert (single.x.values.astype(np.float32) == single.x.values).all()
    np.testing.assert_allclose(single.z, double.z, atol=0.02)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"dtype": "float32"}, "backend='jax'"),
        ({"dtype": "float16", "backend": "jax"}, "'float32'"),
        ({"dtype": "float32", "backend": "jax", "rtol": 1e-9}, "at least 1e-6"),
    ],
)
def test_wrong_precision(options, told):
    with pytest.raises(InputError, match=told):
        ax.simulate(ax.systems.chaos.lorenz, 1.0, **options)
