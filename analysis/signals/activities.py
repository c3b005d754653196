"""Sequences of activities: what is done when, for how long, and how evenly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine.errors import InputError

if TYPE_CHECKING:
    import xarray as xr


def activity_sequence(labels: xr.DataArray, active: Any = None, *, kinds: int | None = None) -> xr.Dataset:
    """The sequence of activities of one trajectory, with their dwell times and entropy.

    An activity is an interval in which ``active`` holds and the label does not change.

    Parameters
    ----------
    labels : DataArray (time,)
        What the system is engaged in, whole numbers from 0.
    active : boolean array (time,), optional
        When it is engaged in it; always by default.
    kinds : int, optional
        Number of possible activities; by default those that occur.

    Returns
    -------
    Dataset
        Along ``activity``: its ``label``, its ``begin``, its ``dwell`` time, and the ``pause`` until the next one (NaN
        after the last). ``count`` (kind,) of each, ``entropy`` of the sequence (that of the frequencies of the labels,
        over the logarithm of ``kinds``: 1 if all are equally frequent, 0 if there is only one), ``switching``, the
        fraction of activities that follow on another one. The first and the last, which are cut off, count too.

    Raises
    ------
    InputError
        If the labels are not whole numbers over time, or ``kinds`` is too small.

    Examples
    --------
    >>> data = ax.simulate(arm, 3000, sample=0.05)                            # doctest: +SKIP
    >>> ax.analysis.activity_sequence(data.target, data.f < 0, kinds=3)       # doctest: +SKIP
    """
    import xarray as xr

    values = np.asarray(labels, dtype=float)
    if getattr(labels, "dims", None) != ("time",) or not np.isfinite(values).all() or (values % 1 != 0).any():
        raise InputError("labels must be whole numbers over time, of one trajectory, as in data.target")
    on = np.ones(len(values), dtype=bool) if active is None else np.asarray(active, dtype=bool)
    if on.shape != values.shape:
        raise InputError(f"active must have the shape {values.shape} of the labels, not {on.shape}")
    seen = int(values.max()) + 1
    if kinds is not None and kinds < seen:
        raise InputError(f"kinds must be at least {seen}, since there is a label {seen - 1}, not {kinds}")
    time = np.asarray(labels.time)
    changed = np.flatnonzero(np.diff(np.where(on, values, -1.0))) + 1
    first = np.concatenate([[0], changed])
    ends = np.append(time[changed], time[-1])
    mine = on[first]
    label, begin, end = values[first][mine].astype(int), time[first][mine], ends[mine]
    counts = np.bincount(label, minlength=kinds or seen)
    shares = counts[counts > 0] / max(counts.sum(), 1)
    among = kinds or int((counts > 0).sum())
    entropy = float(np.sum(shares * np.log(1 / shares)) / np.log(among)) if among > 1 else 0.0
    units = {"units": labels.time.attrs.get("units", "")}
    return xr.Dataset(
        {
            "label": ("activity", label),
            "begin": ("activity", begin, units),
            "dwell": ("activity", end - begin, units),
            "pause": ("activity", np.append(begin[1:] - end[:-1], np.nan)[: len(label)], units),
            "count": ("kind", counts),
            "entropy": entropy,
            "switching": float(np.mean(label[1:] != label[:-1])) if len(label) > 1 else 0.0,
        }
    )
