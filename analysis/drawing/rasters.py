"""Drawing of the spikes of networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...engine.errors import InputError
from .style import described, new_figure, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 200


def rastered(data: xr.Dataset) -> list[str]:
    """Events that happen to the elements of an array, such as spikes of neurons, in data of one member."""
    names = [str(name).removesuffix("_element") for name in data.data_vars if str(name).endswith("_element")]
    return [name for name in names if f"{name}_time" in data and data[f"{name}_element"].ndim == 1]


@styled
def raster(
    data: xr.Dataset, axes: Axes | None = None, *, event: str | None = None, last: float | None = None
) -> Figure:
    """Draw a dot for every spike, neuron against time, and below in a new figure how many there are.

    Parameters
    ----------
    data : Dataset
        Of one member, with an event that happens to each element of an array.
    axes : Axes, optional
        For the dots alone; a new figure by default.
    event : str, optional
        The first such event by default.
    last : float, optional
        Draw only this much time before the last event (in the time unit of the data).

    Raises
    ------
    InputError
        There is no such event.
    """
    known = rastered(data)
    if not known or event is not None and event not in known:
        told = f"the data have {', '.join(known)}" if known else "the data of one member have none"
        raise InputError(f"a raster needs an event that happens to each element of an array; {told}")
    name = event or known[0]
    times, elements = np.asarray(data[f"{name}_time"]), np.asarray(data[f"{name}_element"])
    shown = times >= (times.max(initial=0.0) - last if last is not None else -np.inf)
    times, elements = times[shown], elements[shown]
    below = None
    if axes is None:
        figure = new_figure(data, (8.0, 4.6))
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        figure.align_ylabels()
    assert axes is not None
    axes.plot(times, elements, ",", color="#1f5a94", rasterized=len(times) > 5000)
    axes.set_ylabel("element")
    if below is not None:
        counts, edges = np.histogram(times, bins=BINS)
        below.stairs(counts, edges, color="#1f5a94", fill=True, alpha=0.6)
        below.set_ylabel(f"{name}s")
    (below or axes).set_xlabel(described(data["time"]))
    return axes.figure  # type: ignore[return-value]
