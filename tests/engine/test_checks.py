"""The check that a system declares sees all values before they are used."""

from __future__ import annotations

import numpy as np
import pytest

import attrax as ax

SEEN: list[tuple] = []


def check(s, p):
    SEEN.append((np.shape(s.x), np.shape(p.rate), p.n))
    if (np.asarray(p.rate) < 0).any():
        raise ax.errors.InputError("rate must not be negative")
    if (np.asarray(s.x) > 10).any():
        raise ax.errors.InputError("x must not be above 10")


@ax.flow(state={"x": ("n",), "y": ()}, parameters={"n": 2, "rate": 1.0}, initial={"x": 1.0}, check=check)
def decay(t, s, p):
    return {"x": -p.rate * s.x, "y": 0.0 * s.y}


@pytest.mark.parametrize(
    "make",
    [
        lambda: decay.with_parameters(rate=-1.0),
        lambda: decay.with_parameters(rate=-1.0, n=3),
        lambda: ax.simulate(decay, 1.0, parameters={"rate": -1.0}),
        lambda: ax.simulate(decay, 1.0, parameters={"rate": [1.0, -1.0]}),
        lambda: ax.simulate(decay, 1.0, parameters=ax.grid(rate=[-1.0, 1.0], y=[0.0, 1.0])),
    ],
)
def test_wrong_parameters_are_refused(make):
    with pytest.raises(ax.errors.InputError, match="rate must not be negative"):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: decay.with_initial(x=11.0),
        lambda: decay.with_initial(x=ax.uniform(20.0, 30.0)),
        lambda: ax.simulate(decay, 1.0, initial={"x": [1.0, 11.0]}),
        lambda: ax.simulate(decay, 1.0, initial={"x": np.array([[1.0, 2.0], [3.0, 11.0]])}),
        lambda: ax.simulate(decay, 1.0, initial=np.array([11.0, 1.0, 0.0])),
    ],
)
def test_wrong_initial_values_are_refused(make):
    with pytest.raises(ax.errors.InputError, match="x must not be above 10"):
        make()


def test_it_sees_many_members_at_once_and_frozen_blocks():
    SEEN.clear()
    ax.simulate(decay, 1.0, parameters={"rate": [1.0, 2.0, 3.0]})
    assert SEEN[-1] == ((3, 2), (3,), 2)
    frozen = decay.freeze("x")
    ax.simulate(frozen, 1.0)
    assert SEEN[-1][0] == (1, 2)
