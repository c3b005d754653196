"""Attractors that were found by simulation and branches that were continued: each validates the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..engine.errors import InputError
from ..integrators.times import positive
from .branches import Branch

if TYPE_CHECKING:
    import xarray as xr


def match_branches(tracked: xr.Dataset, branches: Sequence[Branch], *, tolerance: float = 0.02) -> xr.Dataset:
    """Which continued branch each attractor lies on, and which attractor lies on each stable part of a branch.

    At each value of the parameter, states of the branches are interpolated between their points. An attractor lies on a
    branch if a state of the branch that is stable there is within the tolerance of one of the attractor's.

    Parameters
    ----------
    tracked : Dataset
        The result of :func:`track_attractors`.
    branches : sequence of Branch
        Over the same parameter, as :func:`bifurcation_diagram` or :func:`continue_fixed_points` gives them: fixed
        points, or those of an iterate.
    tolerance : float
        As a fraction of the range of all states of the attractors.

    Returns
    -------
    xarray.Dataset
        Over the parameter: ``branch`` of each ``attractor``, -1 where it lies on none; ``on_branch``, the (first)
        attractor on each ``branch_number``, -1 where the branch is stable and nothing was found on it, -2 where it is
        not stable or does not exist. ``without_branch`` and ``without_attractor`` count the attractors on no branch
        and the stable states of branches that no attractor is at: an attractor without a branch is a cycle, a torus or
        chaos, or a branch is missing; a stable branch without an attractor has a basin that no initial state was in, or
        the search ended too early.

    Raises
    ------
    InputError
        The results are not of the same system and parameter.
    """
    import xarray as xr

    if tracked.attrs.get("analysis") != "track_attractors":
        raise InputError("expected the result of track_attractors")
    parameter = str(tracked["fraction"].dims[0])
    for each in branches:
        if each.parameters != [parameter]:
            raise InputError(f"the attractors are over {parameter!r}, a branch over {', '.join(each.parameters)}")
    if not branches:
        raise InputError("give at least one branch")
    values = tracked[parameter].values
    names = list(json.loads(branches[0].data.attrs["blocks"]))
    if any(name not in tracked for name in names):
        raise InputError(f"the branches have the states {', '.join(names)}, which the attractors do not have")
    states = np.concatenate([tracked[name].values.reshape(*tracked[name].shape[:3], -1) for name in names], axis=-1)
    extent = np.nanmax(states, axis=(0, 1, 2)) - np.nanmin(states, axis=(0, 1, 2))
    near = positive("tolerance", tolerance) * np.where(extent > 0, extent, 1.0)
    there = np.isfinite(tracked["fraction"].values)
    belongs = np.full(there.shape, -1)
    on_branch, alone = np.full((len(values), len(branches)), -2), np.zeros(len(values), dtype=np.int64)
    for number, each in enumerate(branches):
        for k, value in enumerate(values):
            stable = _stable_states(each, parameter, value)
            if not len(stable):
                continue
            apart = np.abs(states[k][there[k]][:, :, None] - stable) / near  # attractor, point, state, component
            with np.errstate(invalid="ignore"):
                lies = (apart.max(axis=3) < 1).any(axis=1)
            attractors = np.flatnonzero(there[k])
            belongs[k, attractors[lies.any(axis=1)]] = number
            alone[k] += (~lies.any(axis=0)).sum()
            on_branch[k, number] = attractors[lies.any(axis=1)][0] if lies.any() else -1
    over = (parameter, "attractor")
    return xr.Dataset(
        {
            "branch": (over, np.where(there, belongs, -2), {"long_name": "branch; -1: none, -2: no attractor"}),
            "on_branch": ((parameter, "branch_number"), on_branch),
            "without_branch": ((parameter,), (there & (belongs < 0)).sum(axis=1)),
            "without_attractor": ((parameter,), alone),
        },
        coords={parameter: values, "attractor": tracked["attractor"].values, "branch_number": np.arange(len(branches))},
        attrs={"analysis": "match_branches", "system": tracked.attrs.get("system", ""), "tolerance": tolerance},
    )


def _stable_states(branch: Branch, parameter: str, value: float) -> np.ndarray:
    """States ``(crossings, n)`` of the stable parts of a branch at a value of its parameter."""
    data = branch.data
    along = np.asarray(data[json.loads(data.attrs["continued"])[parameter]])
    blocks = json.loads(data.attrs["blocks"]).values()
    states = np.concatenate([np.asarray(data[key]).reshape(len(along), -1) for key in blocks], axis=1)
    stable = np.asarray(data["unstable"]) == 0
    first = np.flatnonzero((along[:-1] - value) * (along[1:] - value) <= 0)
    first = first[stable[first] & stable[first + 1]]
    width = along[first + 1] - along[first]
    share = np.where(width != 0, (value - along[first]) / np.where(width != 0, width, 1.0), 0.0)[:, None]
    found = states[first] + share * (states[first + 1] - states[first])
    size = 1e-9 * np.maximum(np.abs(states).max(axis=0), 1e-300)
    return found[np.unique(np.round(found / size), axis=0, return_index=True)[1]]  # once if it is at a point itself
