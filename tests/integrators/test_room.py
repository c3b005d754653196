"""Results that do not fit into memory are refused before anything is computed."""

import time

import numpy as np
import pytest

import attrax as ax
from attrax.engine.errors import InputError

lorenz = ax.systems.chaos.lorenz


@pytest.mark.parametrize(
    "options",
    [
        {"sample": 1e-9},
        {"sample": 1e-6, "parameters": {"rho": np.linspace(20.0, 30.0, 10_000)}},
        {"sample": 1e-3, "initial": np.ones((100_000, 3))},
        {"sample": 1e-9, "backend": "jax"},
        {"sample": 1e-8, "method": "radau5"},
    ],
)
def test_too_many_samples(options):
    begin = time.monotonic()
    with pytest.raises(InputError, match=r"memory are free; .*\(store=") as told:
        ax.simulate(lorenz, 1000.0, **options)
    assert "sample" in str(told.value)
    assert time.monotonic() - begin < 5


def test_the_last_state_alone_fits():
    run = ax.simulate(lorenz, 0.1, sample="end", initial=np.ones((100_000, 3)))
    assert run.sizes == {"member": 100_000, "time": 1}
