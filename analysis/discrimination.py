"""How well a system that learns tells two kinds of input apart, as a curve against training: :func:`discrimination`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.declaration import suggest
from ..engine.errors import InputError
from ..engine.system import System
from ..engine.trajectory import provenance
from ..integrators.ensemble import check_system
from ..integrators.simulate import simulate
from ..integrators.times import whole

if TYPE_CHECKING:
    import xarray as xr


def discrimination(
    system: System,
    times: Any,
    *,
    score: str,
    label: str,
    test: Mapping[str, float],
    probes: int = 4000,
    parameters: Any = None,
    initial: Any = None,
    seed: int = 0,
    progress: Any = None,
) -> xr.Dataset:
    """Train a learning map, and measure at some times of its training how well it discriminates.

    Parameters
    ----------
    system : System
        A map with input streams.
    times : array
        Numbers of iterations of training, increasing.
    score, label : str
        Scalar observables: the output of the system, and the truth about the present input, above 0.5 or not.
    test : dict
        Parameters during the tests: what stops learning (``{"eta": 0}``), what makes the two kinds equally frequent.
    probes : int
        Number of inputs in each test. They are drawn with another seed than the training's: the system has not
        seen them.
    parameters, initial
        As of :func:`attrax.simulate`; ensembles give a curve for each member.
    seed : int
        Of the training.

    Returns
    -------
    xarray.Dataset
        Over members and ``time``: ``accuracy``, the mean of the fractions of both kinds that are told right with the
        best threshold; ``threshold``; ``auc``, the probability that of a pair of inputs the one with label 0 has the
        higher score, 1/2 for a system that knows nothing; ``score_true`` and ``score_false``, the mean scores.
    """
    check_system(system)
    if system.kind != "map" or not system.inputs:
        raise InputError(f"discrimination needs a map that is driven by input streams; {system.name!r} is not one")
    for argument, name in (("score", score), ("label", label)):
        if system.observable_shapes.get(name) != ():
            scalars = [k for k, shape in system.observable_shapes.items() if shape == ()]
            raise InputError(f"{argument} {name!r} is no scalar observable of {system.name!r}; {suggest(name, scalars)}")
    probes = whole("probes", probes, 2)
    at = np.atleast_1d(np.asarray(times, dtype=float))
    end = max(int(at[-1]), 1)
    trained = simulate(
        system, end, sample=at, parameters=parameters, initial=initial, seed=seed, progress=progress
    )
    dims = trained.status.dims
    count = trained.status.size
    states = {name: trained[name].values.reshape(count * at.size, *shape) for name, shape in system.state.items()}
    given = _given(system, trained, dims, at.size)
    from ..integrators.ensemble import zip as together

    tests = simulate(
        system.with_parameters(**test),
        probes,
        parameters=together(**{k: v for k, v in given.items() if k not in test}, **states),
        seed=seed + 1,
    )
    scores, labels = (tests[name].values.reshape(count, at.size, -1) for name in (score, label))
    import xarray as xr

    names = ("accuracy", "threshold", "auc", "score_true", "score_false")
    found = np.array([[_measures(s, m > 0.5) for s, m in zip(*pair, strict=True)] for pair in zip(scores, labels, strict=True)])
    shape = (*trained.status.shape, at.size)
    data = xr.Dataset(
        {name: ((*dims, "time"), found[..., k].reshape(shape)) for k, name in enumerate(names)},
        coords={"time": at, **{k: trained[k] for k in dims if k in trained.coords}},
        attrs=provenance(system, analysis="discrimination", score=score, label=label, test=dict(test), probes=probes, seed=seed),
    )
    data["time"].attrs["long_name"] = "iterations of training"
    return data
