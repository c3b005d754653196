"""Input streams: their distributions, what they depend on, and mistakes in declaring them."""

from __future__ import annotations

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import attrax as ax
from attrax.engine.errors import DeclarationError, InputError

PATTERNS = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0], [9.0, 10.0, 11.0]])


def recorder(stream, shape=("n",), n=3):
    """A map whose next state is its input."""

    @ax.map(state={"y": shape}, parameters={"n": n, "level": 0.25}, inputs={"x": stream})
    def record(t, s, p):
        return {"y": p.x}

    return record


def drawn(stream, iterations=20_000, shape=("n",), **options):
    """The values of a stream at the iterations 0, 1, ..."""
    return ax.simulate(recorder(stream, shape), iterations, **options).y.values[..., 1:, :]


# -- distributions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "law"),
    [
        (ax.stream.normal(1.0, 2.0, shape=("n",)), stats.norm(1.0, 2.0)),
        (ax.stream.uniform(-1.0, 3.0, shape=("n",)), stats.uniform(-1.0, 4.0)),
        (ax.stream.laplace(0.5, 2.0, shape=("n",)), stats.laplace(0.5, 2.0)),
    ],
    ids=["normal", "uniform", "laplace"],
)
def test_a_stream_has_its_distribution(stream, law):
    values = drawn(stream)
    for column in values.T:
        assert stats.kstest(column, law.cdf).pvalue > 1e-4
    correlations = np.corrcoef(values.T) - np.eye(3)
    assert np.abs(correlations).max() < 5 / np.sqrt(len(values))
    assert np.abs(np.corrcoef(values[:-1].T, values[1:].T)[:3, 3:]).max() < 5 / np.sqrt(len(values))


def test_bimodal_mixes_two_normal_distributions():
    values = drawn(ax.stream.bimodal(-2.0, 3.0, 0.5, weight=0.3, shape=("n",))).ravel()
    assert (
        stats.kstest(values, lambda x: 0.3 * stats.norm.cdf(x, -2, 0.5) + 0.7 * stats.norm.cdf(x, 3, 0.5)).pvalue > 1e-4
    )


def test_bernoulli_gives_zeros_and_ones():
    values = drawn(ax.stream.bernoulli(0.2, shape=("n",)))
    assert set(np.unique(values)) == {0.0, 1.0}
    assert values.mean() == pytest.approx(0.2, abs=5 * np.sqrt(0.16 / values.size))


@pytest.mark.parametrize("patterns", [PATTERNS, np.arange(60.0).reshape(20, 3)], ids=["few", "a table"])
def test_choice_gives_whole_rows_equally_often(patterns):
    values = drawn(ax.stream.choice(patterns))
    rows, counts = np.unique(values, axis=0, return_counts=True)
    np.testing.assert_array_equal(rows, patterns)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_arguments_may_be_functions_of_the_parameters():
    stream = ax.stream.normal(lambda p: 4 * p.level, lambda p: p.level * np.arange(1, p.n + 1), shape=("n",))
    values = drawn(stream, parameters={"level": 0.5})
    np.testing.assert_allclose(values.mean(0), 2.0, atol=0.05)
    np.testing.assert_allclose(values.std(0), [0.5, 1.0, 1.5], rtol=0.03)


# -- what they depend on -------------------------------------------------------------------------------------


def test_members_draw_for_themselves_and_are_computed_again_alone():
    stream = ax.stream.normal(shape=("n",))
    together = drawn(stream, 50, initial={"y": np.zeros((40, 3))}, seed=3)
    assert len(np.unique(together)) == together.size
    np.testing.assert_array_equal(drawn(stream, 50, seed=(3, 17)), together[17])
    np.testing.assert_array_equal(drawn(stream, 50, initial={"y": np.zeros((40, 3))}, seed=3, workers=1), together)


def test_another_seed_gives_other_numbers():
    stream = ax.stream.uniform(shape=("n",))
    assert not np.isin(drawn(stream, 100, seed=1), drawn(stream, 100, seed=2)).any()
    np.testing.assert_array_equal(drawn(stream, 100, seed=1), drawn(stream, 100, seed=1))


@settings(max_examples=20, deadline=None)
@given(first=st.integers(0, 2**40), seed=st.integers(0, 2**53 - 1))
def test_a_value_depends_on_the_iteration_and_not_on_the_start(first, seed):
    system = recorder(ax.stream.normal(shape=("n",)))
    late = ax.simulate(system, first + 20, t_start=first + 10, seed=seed).y.values[1:]
    early = ax.simulate(system, first + 20, t_start=first, seed=seed).y.values[11:]
    np.testing.assert_array_equal(late, early)


def test_streams_do_not_disturb_each_other():
    def mixed(**more):
        @ax.map(state={"y": ()}, inputs={"x": ax.stream.normal(), **more})
        def record(t, s, p):
            return {"y": p.x}

        return ax.simulate(record, 100).y.values

    np.testing.assert_array_equal(mixed(), mixed(z=ax.stream.normal(), a=ax.stream.uniform()))

    @ax.map(state={"y": (), "z": ()}, inputs={"a": ax.stream.normal(), "b": ax.stream.normal()})
    def two(t, s, p):
        return {"y": p.a, "z": p.b}

    data = ax.simulate(two, 20_000)
    assert abs(np.corrcoef(data.y[1:], data.z[1:])[0, 1]) < 5 / np.sqrt(20_000)


def test_a_stored_run_sees_the_same(tmp_path):
    system = recorder(ax.stream.normal(shape=("n",)))
    stored = ax.simulate(system, 3000, store=tmp_path / "run.h5")
    np.testing.assert_array_equal(stored.y, ax.simulate(system, 3000).y)
    assert "normal(0, 1)" in stored.attrs["inputs"]


@pytest.mark.parametrize(
    "stream",
    [
        ax.stream.normal(shape=("n",)),
        ax.stream.bimodal(shape=("n",)),
        ax.stream.choice(np.arange(60.0).reshape(20, 3)),
        ax.stream.array(PATTERNS, hold=2.5, interpolate=True),
    ],
    ids=str,
)
def test_jax_sees_the_same(stream):
    """But for rounding: of functions (2 units), and of ``t / hold`` where that is interpolated."""
    rounding = 1e-12 if stream.kind == "array" else 1e-14
    np.testing.assert_allclose(drawn(stream, 200, backend="jax"), drawn(stream, 200), rtol=0, atol=rounding)


def test_a_large_learning_map_sees_the_same_as_jax():
    """Large enough to be computed by loops over arrays; two blocks of weights share a factor."""
    n = 60
    generator = np.random.default_rng(0)

    @ax.map(
        state={"v": (n, n), "w": (n, n), "y": (n,)},
        inputs={"x": ax.stream.uniform(-1.0, 1.0, shape=(n,)), "g": ax.stream.normal(shape=(n,))},
        initial={"v": generator.normal(size=(n, n)), "w": generator.normal(size=(n, n))},
    )
    def learning(t, s, p):
        h = jnp.tanh(s.w @ p.x + s.v @ p.x)
        return {"v": s.v - 0.01 * jnp.outer(h, p.x), "w": s.w - 0.02 * jnp.outer(h, p.x), "y": p.g}

    ours, theirs = (ax.simulate(learning, 5, backend=backend) for backend in ("numba", "jax"))
    for name in learning.state:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    "of",
    [
        lambda s, p: p.A @ p.x,
        lambda s, p: jnp.tanh(p.A @ s.y) + p.pattern + p.record,
        lambda s, p: (p.A * p.A).sum(axis=1),
    ],
    ids=["forgets its state", "sees rows of tables", "is the same at all times"],
)
def test_a_large_map_sees_the_same_as_jax(of):
    n = 60
    generator = np.random.default_rng(1)

    @ax.map(
        state={"y": (n,), "z": (n,)},
        parameters={"A": generator.normal(scale=0.05, size=(n, n))},
        inputs={
            "x": ax.stream.uniform(shape=(n,)),
            "pattern": ax.stream.choice(generator.normal(size=(20, n))),
            "record": ax.stream.array(generator.normal(size=(30, n)), hold=3, interpolate=True),
        },
        initial={"z": 1.0},
    )
    def large(t, s, p):
        return {"y": of(s, p), "z": -s.z}

    ours, theirs = (ax.simulate(large, 50, backend=backend) for backend in ("numba", "jax"))
    np.testing.assert_allclose(ours.y, theirs.y, rtol=0, atol=1e-11)
    np.testing.assert_array_equal(ours.z, theirs.z)


# -- arrays and time ------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, 30), hold=st.integers(1, 4), iterations=st.integers(1, 80))
def test_an_array_is_read_in_its_order_and_again(rows, hold, iterations):
    table = np.random.default_rng(rows).normal(size=(rows, 3))
    values = drawn(ax.stream.array(table, hold=hold), iterations)
    np.testing.assert_array_equal(values, table[np.arange(iterations) // hold % rows])


def test_hdf5_is_read_as_an_array(tmp_path):
    path = tmp_path / "input.h5"
    with h5py.File(path, "w") as file:
        file["recordings/whisker"] = PATTERNS
    values = drawn(ax.stream.hdf5(path, "recordings/whisker"), 10)
    np.testing.assert_array_equal(values, PATTERNS[np.arange(10) % 4])


@pytest.mark.parametrize("method", ["euler", "rk4"])
def test_a_flow_sees_pieces_of_constant_input(method):
    """Its integral is that of the pieces; rk4's last stage lies on the next piece, whose weight is 1/6."""

    @ax.flow(state={"y": ()}, inputs={"x": ax.stream.array([1.0, -2.0, 5.0], hold=0.3)})
    def integral(t, s, p):
        return {"y": p.x}

    data = ax.simulate(integral, 0.9, dt=0.1, method=method, sample=0.3)
    exact = np.cumsum([0.0, 0.3, -0.6, 1.5])
    weight = {"euler": 0.0, "rk4": 0.1 / 6}[method]
    slip = np.array([0.0, -3.0, 4.0, 0.0]) * weight
    np.testing.assert_allclose(data.y, exact + slip, atol=1e-12)


def test_an_array_is_interpolated():
    @ax.flow(state={"y": ()}, inputs={"x": ax.stream.array([0.0, 1.0, 4.0], hold=0.5, interpolate=True)},
             observables={"now": lambda t, s, p: p.x})  # fmt: skip
    def driven(t, s, p):
        return {"y": p.x}

    data = ax.simulate(driven, 3.0, sample=0.125)
    t = data.time.values
    expected = np.interp(t % 1.5, [0.0, 0.5, 1.0, 1.5], [0.0, 1.0, 4.0, 0.0])
    np.testing.assert_allclose(data.now, expected, atol=1e-7)
    np.testing.assert_allclose(data.y[-1], 2 * 0.5 * (0.5 + 2.5 + 2.0), rtol=1e-5)


def test_rows_may_depend_on_structural_parameters():
    system = recorder(ax.stream.array(lambda p: np.eye(p.n)))
    assert system.input_shapes == {"x": (3,)}
    larger = system.with_parameters(n=5)
    np.testing.assert_array_equal(ax.simulate(larger, 5).y[1:], np.eye(5))


def test_a_large_table_is_looked_up():
    table = np.random.default_rng(0).normal(size=(100_000, 3))
    np.testing.assert_array_equal(drawn(ax.stream.array(table), 500, t_start=0), table[:500])


# -- derived systems, mistakes ------------------------------------------------------------------------------


def test_other_streams_take_the_place_of_the_declared():
    system = recorder(ax.stream.normal(shape=("n",)))
    other = system.with_inputs(x=ax.stream.uniform(2.0, 3.0))
    values = ax.simulate(other, 200).y.values[1:]
    assert values.min() > 2
    assert values.max() < 3
    assert "normal" in str(system.inputs["x"])
    with pytest.raises(InputError, match="did you mean 'x'"):
        system.with_inputs(xx=ax.stream.normal())
    with pytest.raises(InputError, match=r"input 'x' .* has shape \(3,\), not \(2,\)"):
        system.with_inputs(x=ax.stream.choice(PATTERNS[:, :2]))


def test_driven_systems_have_derivatives_and_freeze():
    @ax.map(state={"y": (), "w": ()}, parameters={"a": 0.5}, inputs={"x": ax.stream.normal()})
    def driven(t, s, p):
        return {"y": p.a * s.y + s.w * p.x, "w": s.w}

    x = driven.rhs({"y": 0.0, "w": 1.0}, t=7.0)["y"]
    np.testing.assert_allclose(driven.jacobian({"y": 1.0, "w": 0.0}, t=7.0), [[0.5, x], [0.0, 1.0]])
    assert driven.parameter_derivative("a", {"y": 2.0, "w": 1.0}) == pytest.approx([2.0, 0.0])
    frozen = driven.freeze("w").with_parameters(w=1.0)
    assert frozen.rhs({"y": 0.0}, t=7.0)["y"] == x
    assert not driven.autonomous


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: ax.stream.normal(0.0, -1.0), "standard_deviation must not be negative, but is -1"),
        (lambda: ax.stream.normal("p.mean"), "mean must be a number, an array or a function of the parameters"),
        (lambda: ax.stream.uniform(0.0, np.inf), "high must be finite"),
        (lambda: ax.stream.bernoulli(1.5), "probability must lie between 0 and 1, but is 1.5"),
        (lambda: ax.stream.normal(hold=0.0), "hold must be a positive time, not 0.0"),
        (lambda: ax.stream.choice([]), "rows must be an array of at least one row"),
        (lambda: ax.stream.array([[1.0], [np.nan]]), "rows hold values that are infinite or NaN"),
        (lambda: ax.stream.array(["a"]), "rows must be an array of numbers"),
        (lambda: recorder(3.0), "input 'x' must be a stream such as attrax.stream.normal"),
        (lambda: recorder(ax.stream.normal(shape=("m",))), "the shape of input 'x' names 'm', which is no integer"),
    ],
)
def test_a_mistake_is_told(declare, message):
    with pytest.raises(DeclarationError, match=message):
        declare()


def test_an_input_has_a_name_of_its_own():
    with pytest.raises(DeclarationError, match="'y' names two things"):

        @ax.map(state={"y": ()}, inputs={"y": ax.stream.normal()})
        def twice(t, s, p):
            return {"y": s.y}


def test_missing_files_and_datasets_are_told(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none\.h5 as an HDF5 file"):
        ax.stream.hdf5(tmp_path / "none.h5", "x")
    path = tmp_path / "input.h5"
    with h5py.File(path, "w") as file:
        file["whisker"] = PATTERNS
    with pytest.raises(InputError, match="has no dataset 'wisker'; did you mean 'whisker'"):
        ax.stream.hdf5(path, "wisker")


def test_single_precision_is_refused():
    system = recorder(ax.stream.normal(shape=("n",)))
    with jax.enable_x64(False), pytest.raises(InputError, match="need 64-bit numbers"):
        system.flat(0.0, np.zeros(3, np.float32), np.zeros(3, np.float32))
