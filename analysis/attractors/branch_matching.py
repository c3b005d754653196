"""Attractors that were found by simulation and branches that were continued: each validates the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...engine.errors import InputError
from ...integrators.times import positive
from ..continuation.branches import Branch

if TYPE_CHECKING:
    import xarray as xr

NODES = 1000
"""States of a cycle that an attractor is compared with."""
MOSTLY = 0.9
"""Fraction of an attractor's states that lie on its cycle."""


def match_branches(tracked: xr.Dataset, branches: Sequence[Branch], *, tolerance: float = 0.02) -> xr.Dataset:
    """Which continued branch each attractor lies on, and which attractor lies on each stable part of a branch.

    At each value of the parameter, states of the branches are interpolated between their points. An attractor lies on a
    branch of fixed points if one that is stable there is within the tolerance of one of its states; on a branch of
    cycles if nine tenths of its states are within the tolerance of a cycle that is stable there.

    Parameters
    ----------
    tracked : Dataset
        The result of :func:`track_attractors`.
    branches : sequence of Branch
        Over the same parameter, as :func:`bifurcation_diagram`, :func:`continue_fixed_points` and
        :func:`continue_cycles` give them: fixed points, those of an iterate, cycles.
    tolerance : float
        As a fraction of the range of all states of the attractors.

    Returns
    -------
    xarray.Dataset
        Over the parameter: ``branch`` of each ``attractor``, -1 where it lies on none; ``on_branch``, the (first)
        attractor on each ``branch_number``, -1 where the branch is stable and nothing was found on it, -2 where it is
        not stable or does not exist. ``without_branch`` and ``without_attractor`` count the attractors on no branch
        and the stable parts of branches that no attractor is at: an attractor without a branch is a torus or chaos, or
        a branch is missing; a stable branch without an attractor has a basin that no initial state was in, or
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
            stable = _stable_parts(each, parameter, value)
            if not len(stable):
                continue
            lies = np.array([[_lies(a, b, near) for b in stable] for a in states[k][there[k]]]).reshape(-1, len(stable))
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


def _lies(attractor: np.ndarray, orbit: np.ndarray, near: np.ndarray) -> bool:
    """Whether states ``(points, n)``, some of them NaN, lie on an orbit ``(nodes, n)``."""
    seen = attractor[np.isfinite(attractor).all(axis=1)]
    on = (np.abs(seen[:, None] - orbit) / near < 1).all(axis=2).any(axis=1)
    return bool(on.any() if len(orbit) == 1 else on.mean() >= MOSTLY)


def _stable_parts(branch: Branch, parameter: str, value: float) -> np.ndarray:
    """Orbits ``(crossings, nodes, n)`` of the stable parts of a branch at a value of its parameter."""
    data = branch.data
    along = np.asarray(data[json.loads(data.attrs["continued"])[parameter]])
    stable = np.asarray(data["unstable"]) == 0
    first = np.flatnonzero((along[:-1] - value) * (along[1:] - value) <= 0)
    first = first[stable[first] & stable[first + 1]]
    width = along[first + 1] - along[first]
    share = np.where(width != 0, (value - along[first]) / np.where(width != 0, width, 1.0), 0.0)[:, None, None]
    before, after = _orbits(branch, first), _orbits(branch, first + 1)
    found = before + share * (after - before)
    size = 1e-9 * np.maximum(np.abs(found).max(axis=(0, 1), initial=0.0), 1e-300)
    return found[np.unique(np.round(found / size), axis=0, return_index=True)[1]]  # once if it is at a point itself


def _orbits(branch: Branch, places: np.ndarray) -> np.ndarray:
    """States ``(places, nodes, n)`` at points of a branch; of cycles, at equal times."""
    data = branch.data
    if "profile" not in data:
        blocks = [np.asarray(data[key]) for key in json.loads(data.attrs["blocks"]).values()]
        return np.concatenate([block.reshape(len(block), -1)[places] for block in blocks], axis=1)[:, None]
    times = np.linspace(0.0, 1.0, NODES)
    orbits = np.empty((len(places), NODES, data.sizes["component"]))
    for orbit, phase, profile in zip(orbits, data["phase"].values[places], data["profile"].values[places], strict=True):
        orbit[:] = np.stack([np.interp(times, phase, column) for column in profile.T], axis=1)
    return orbits
