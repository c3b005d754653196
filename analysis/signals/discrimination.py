"""How well a system that learns tells two kinds of input apart, as a curve against training: :func:`discrimination`."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine.declaration import suggest
from ...engine.errors import InputError
from ...engine.system import System
from ...engine.trajectory import provenance
from ...integrators.ensemble import Members, check_system, members, zip
from ...integrators.simulate import simulate
from ...integrators.times import whole

if TYPE_CHECKING:
    import xarray as xr

MEASURES = ("accuracy", "threshold", "auc", "score_true", "score_false")


def discrimination(
    system: System,
    times: Any,
    *,
    score: str,
    truth: str,
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
        Numbers of iterations of training, rounded to whole numbers.
    score, truth : str
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
        best threshold; ``threshold``; ``auc``, the probability that of two inputs the one that is not true has the
        higher score, 1/2 for a system that knows nothing; ``score_true`` and ``score_false``, the mean scores.
    """
    import xarray as xr

    check_system(system)
    if system.kind != "map" or not system.inputs:
        raise InputError(f"discrimination needs a map that is driven by input streams; {system.name!r} is not one")
    for argument, name in (("score", score), ("truth", truth)):
        if system.observable_shapes.get(name) != ():
            scalars = [k for k, shape in system.observable_shapes.items() if shape == ()]
            raise InputError(
                f"{argument} {name!r} is no scalar observable of {system.name!r}; {suggest(name, scalars)}"
            )
    probes = whole("probes", probes, 2)
    at = np.unique(np.rint(np.atleast_1d(np.asarray(times, dtype=float))))
    trained = simulate(system, at[-1], sample=at, parameters=parameters, initial=initial, seed=seed, progress=progress)
    together = members(system, parameters, initial, seed)
    states = {k: trained[k].values.reshape(-1, *shape) for k, shape in system.state.items()}
    tests = simulate(
        together.system.with_parameters(**test),
        probes,
        parameters=zip(**states, **_repeated(together, at.size, leave=test)),
        seed=seed + 1,
        record=[score, truth],
    )
    scores, labels = tests[score].values, tests[truth].values > 0.5
    measured = np.array([_measures(x, true) for x, true in builtins.zip(scores, labels, strict=True)])
    found = measured.reshape(*trained.status.shape, at.size, len(MEASURES))
    dims = (*trained.status.dims, "time")
    settings = {"score": score, "truth": truth, "test": dict(test), "probes": probes, "seed": seed}
    data = xr.Dataset(
        {name: (dims, found[..., k]) for k, name in enumerate(MEASURES)},
        coords={"time": ("time", at, {"long_name": "iterations of training"})},
        attrs=provenance(together.system, analysis="discrimination", **settings),
    )
    return data.assign_coords({name: coord for name, coord in trained.coords.items() if name in dims[:-1]})


def _repeated(together: Members, times: int, leave: Mapping[str, float]) -> dict[str, np.ndarray]:
    """What differs between the members, for each member and time of a test."""
    shape = tuple(together.dims.values())
    found = {}
    for name, (along, values) in together.coords.items():
        if name not in together.system.numeric or name in leave:
            continue
        axes = [len(values) if dim in along else 1 for dim in together.dims]
        each = values.reshape(*axes, *values.shape[1:])
        full = np.broadcast_to(each, (*shape, *values.shape[1:])).reshape(-1, *values.shape[1:])
        found[name] = np.repeat(full, times, axis=0)
    return found


def _measures(scores: np.ndarray, true: np.ndarray) -> tuple[float, ...]:
    """`MEASURES` of the scores of some inputs and whether they are true; NaN if all are alike."""
    if true.all() or not true.any():
        return (np.nan,) * len(MEASURES)
    order = np.argsort(scores, kind="stable")
    ranked = true[order]
    right_true = np.concatenate([[0.0], np.cumsum(ranked) / ranked.sum()])
    right_false = 1.0 - np.concatenate([[0.0], np.cumsum(~ranked) / (~ranked).sum()])
    best = int(np.argmax(right_true + right_false))
    padded = np.concatenate([[-np.inf], scores[order], [np.inf]])
    threshold = 0.5 * (padded[best] + padded[best + 1]) if 0 < best < len(scores) else padded[best + (best == 0)]
    auc = float(np.sum(np.diff(right_true) * 0.5 * (right_false[1:] + right_false[:-1])))
    accuracy = 0.5 * (right_true[best] + right_false[best])
    return accuracy, threshold, auc, float(scores[true].mean()), float(scores[~true].mean())
