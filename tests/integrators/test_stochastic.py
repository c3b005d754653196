"""Noise against closed forms. Orders are measured along the very Wiener paths of the runs, which depend on the seed,
the member and the step alone: a Wiener process simulated beside gives them."""

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.engine.errors import DeclarationError, InputError
from attrax.engine.program import Builder
from attrax.engine.random import normals, threefry


@ax.flow(
    state={"x": ()},
    parameters={"theta": 1.0, "sigma": 0.5},
    initial={"x": 1.0},
    noise=lambda t, s, p: {"x": p.sigma},
)
def ornstein_uhlenbeck(t, s, p):
    return {"x": -p.theta * s.x}


@ax.flow(state={"w": ()}, noise=lambda t, s, p: {"w": 1.0})
def wiener(t, s, p):
    return {"w": 0.0}


GEOMETRIC = {"state": {"x": ()}, "parameters": {"mu": 0.5, "sigma": 1.0}, "initial": {"x": 1.0}}


@ax.flow(**GEOMETRIC, noise=lambda t, s, p: {"x": p.sigma * s.x})
def geometric(t, s, p):
    return {"x": p.mu * s.x}


@ax.flow(**GEOMETRIC, noise=lambda t, s, p: {"x": p.sigma * s.x}, interpretation="stratonovich")
def geometric_stratonovich(t, s, p):
    return {"x": p.mu * s.x}


@ax.flow(
    state={"x": ()},
    parameters={"a": 2.0, "b": 0.5},
    initial={"x": 1.0},
    noise=lambda t, s, p: {"x": p.a * p.b / jnp.sqrt(1 + t)},
)
def additive(t, s, p):
    return {"x": p.b / jnp.sqrt(1 + t) - s.x / (2 * (1 + t))}


def final(system, dt, method, members=3000):
    block = next(iter(system.state))
    start = {block: np.full(members, float(system.initial[block]))}
    return ax.simulate(system, 1.0, dt=dt, method=method, initial=start, sample="end", seed=5)[block].values[:, -1]


def order(system, method, exact, steps=(2**-3, 2**-4, 2**-5, 2**-6, 2**-7)):
    errors = [np.mean(abs(final(system, dt, method) - exact(final(wiener, dt, method)))) for dt in steps]
    return -np.polyfit(np.log2(1 / np.array(steps)), np.log2(errors), 1)[0]


@pytest.mark.parametrize(
    ("system", "method", "expected"),
    [
        (geometric, "euler_maruyama", 0.5),
        (geometric, "milstein", 1.0),
        (geometric, "stochastic_heun", 1.0),
        (geometric_stratonovich, "euler_maruyama", 0.5),
        (geometric_stratonovich, "milstein", 1.0),
        (geometric_stratonovich, "stochastic_heun", 1.0),
        (additive, "euler_maruyama", 1.0),
        (additive, "sra1", 1.5),
    ],
    ids=lambda v: getattr(v, "name", v),
)
def test_strong_order(system, method, expected):
    """Solutions: Kloeden & Platen, Numerical Solution of SDEs (1992), Secs. 4.4 and 4.2."""

    solutions = {
        "geometric": lambda w: np.exp(w),
        "geometric_stratonovich": lambda w: np.exp(0.5 + w),
        "additive": lambda w: (1 + 0.5 * (1 + 2.0 * w)) / np.sqrt(2),
    }
    assert order(system, method, solutions[system.name]) > expected - 0.1


def test_weak_order():
    """The mean of geometric Brownian motion is exp(mu t)."""
    errors = [abs(final(geometric, dt, "euler_maruyama", 400_000).mean() - np.exp(0.5)) for dt in (1 / 2, 1 / 8)]
    assert np.log(errors[0] / errors[1]) / np.log(4) > 0.75


def test_ornstein_uhlenbeck_mean_and_variance():
    x = final(ornstein_uhlenbeck, 0.01, "sra1", 100_000)
    variance = 0.125 * (1 - np.exp(-2))
    assert abs(x.mean() - np.exp(-1)) < 4 * np.sqrt(variance / len(x))
    assert abs(x.var() - variance) < 4 * variance * np.sqrt(2 / len(x))


def test_general_noise_of_shared_processes():
    @ax.flow(
        state={"x": (2,)},
        parameters={"L": np.array([[1.0, 0.0, 0.5], [0.3, 2.0, 0.0]])},
        noise=lambda t, s, p: {"x": p.L},
    )
    def correlated(t, s, p):
        return {"x": jnp.zeros(2)}

    data = ax.simulate(correlated, 1.0, dt=0.1, initial={"x": np.zeros((100_000, 2))}, sample="end", seed=2)
    measured = np.cov(data.x.values[:, -1].T)
    expected = correlated.parameters["L"].value @ correlated.parameters["L"].value.T
    np.testing.assert_allclose(measured, expected, atol=0.06)


def test_a_member_alone_and_any_number_of_workers():
    start = {"x": np.ones(100)}
    many = ax.simulate(ornstein_uhlenbeck, 2.0, dt=0.01, initial=start, seed=3, workers=2)
    one = ax.simulate(ornstein_uhlenbeck, 2.0, dt=0.01, seed=(3, 77))
    assert (many.x[77] == one.x).all()
    assert (many.x == ax.simulate(ornstein_uhlenbeck, 2.0, dt=0.01, initial=start, seed=3, workers=1).x).all()
    assert not (many.x == ax.simulate(ornstein_uhlenbeck, 2.0, dt=0.01, initial=start, seed=4).x).all()


def test_known_answers_of_threefry():
    """Random123's known-answer tests (kat_vectors), threefry2x64 of zeros."""
    for rounds, expected in (
        (13, (0xF167B032C3B480BD, 0xE91F9FEE4B7A6FB5)),
        (20, (0xC2B6E3A8C2C69865, 0x6F81ED42F350084D)),
    ):
        b = Builder()
        zero = b.constant(0)
        found = threefry(b, (zero, zero), (zero, zero), rounds)
        assert tuple(b.instructions[v].payload % 2**64 for v in found) == expected


def test_normal_numbers():
    """Of one step and the next, five each: distribution, moments, no relation between them or between their squares."""
    from scipy.stats import kstest

    from attrax.engine.evaluation import evaluate

    b = Builder()
    (member,) = b.input("member", 1)
    key, count = (b.constant(1), b.to_int(member)), 100_000
    numbers = normals(b, key, b.constant(7), 5) + normals(b, key, b.constant(8), 5)
    found = evaluate(b.program({"x": numbers}), member=np.arange(float(count))[None])["x"]
    for row in found:
        assert kstest(row, "norm").pvalue > 1e-3
        for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)):
            assert abs((row**power).mean() - mean) < 4.5 * np.sqrt(variance / count)
    for values in (found, found**2, abs(found)):
        assert abs(np.corrcoef(values) - np.eye(10)).max() < 4.5 / np.sqrt(count)
        for lag in (1, 2, 8):
            assert abs(np.corrcoef(values[:, lag:], values[:, :-lag])[:10, 10:]).max() < 4.5 / np.sqrt(count)


def test_normal_numbers_are_those_of_box_and_muller():
    """Radius and angle of a number and the next follow from the same 64 bits, to the accuracy that is promised."""
    b = Builder()
    key, step = (b.constant(5), b.constant(6)), b.constant(7)
    bits = threefry(b, key, (step, b.constant(0)))
    for word, x, y in zip(bits, *[iter(normals(b, key, step, 4))] * 2, strict=True):
        word, x, y = b.instructions[word].payload % 2**64, b.instructions[x].payload, b.instructions[y].payload
        radius = np.sqrt(-2 * np.log(1 - (word >> 12) / 2**52))
        angle = np.pi / 2 * (word % 2**30) / 2**30
        signs = [1 - 2 * (word >> k & 1) for k in (31, 30)]
        np.testing.assert_allclose([x, y], radius * np.array(signs) * [np.cos(angle), np.sin(angle)], rtol=2e-9)


def test_errors():
    with pytest.raises(InputError, match="give dt"):
        ax.simulate(geometric, 1.0)
    with pytest.raises(InputError, match="'geometric' has noise; use euler_maruyama"):
        ax.simulate(geometric, 1.0, dt=0.1, method="rk4")
    with pytest.raises(InputError, match="for additive noise"):
        ax.simulate(geometric, 1.0, dt=0.1, method="sra1")
    with pytest.raises(InputError, match="lie on its steps"):
        ax.simulate(geometric, 1.0, dt=0.1, sample=0.03)

    @ax.flow(state={"x": (3,)}, noise=lambda t, s, p: {"x": jnp.zeros(2)})
    def wrong(t, s, p):
        return {"x": s.x}

    with pytest.raises(DeclarationError, match=r"given: x \(2,\)"):
        ax.simulate(wrong, 1.0, dt=0.1)
