"""Results over grids of parameters, computed strip by strip, and written to a file while the computation goes on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import trajectory
from ...engine.errors import InputError, Interrupted
from ...engine.layout import Layout, Variable
from ...engine.storage import Writer, load
from ...engine.system import System
from ...integrators.ensemble import Ensemble, Members, members
from ...integrators.parallel import Progress, Tick, cores, work_off

if TYPE_CHECKING:
    import xarray as xr

SIZE = 32_768
"""Members of a strip, about."""

Compute = Callable[[slice, Tick], dict[str, np.ndarray]]


@dataclass
class Strips:
    """A grid of parameters cut into strips along its first axis.

    Parameters
    ----------
    ensemble : Members
    variables : dict of str to Variable
        What is computed for each member: its further axes, type and attributes, besides ``status``.
    sizes : dict of str to int
        Lengths of the further axes.
    attrs : dict
        Provenance.
    """

    ensemble: Members
    variables: Mapping[str, Variable]
    sizes: Mapping[str, int]
    attrs: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        """Of the whole result."""
        system, over = self.ensemble.system, self.ensemble.dims
        plain = trajectory.layout(system, time=1, members=over, member_coords=self.ensemble.coords, attrs=self.attrs)
        status = plain.variables["status"]
        own = {name: each._replace(dims=(*status.dims, *each.dims)) for name, each in self.variables.items()} | {
            "status": status
        }
        further = {name: Variable((name,), int, {}, np.arange(1, size + 1)) for name, size in self.sizes.items()}
        coords = {name: each for name, each in plain.coords.items() if name != "time"} | further
        used = {d for each in (*own.values(), *coords.values()) for d in each.dims}
        return Layout({d: n for d, n in {**plain.sizes, **self.sizes}.items() if d in used}, coords, own, plain.attrs)

    def run(
        self,
        compute: Compute,
        store: str | os.PathLike | None,
        force: bool,
        workers: int | None,
        progress: Progress | None,
    ) -> xr.Dataset:
        """Compute all strips; ``compute`` gives the variables of the members of a part."""
        layout, shape = self.layout, tuple(self.ensemble.dims.values())
        rest = int(np.prod(shape[1:], dtype=int))
        height, lock = max(1, SIZE // rest), threading.Lock()
        writer = None if store is None else Writer(Path(store), force=force)
        if writer is None:
            self.arrays = {
                name: np.full([layout.sizes[d] or 0 for d in each.dims], each.filling, each.dtype)
                for name, each in layout.variables.items()
            }
        else:
            writer.create(layout)
        first_dim = layout.variables["status"].dims[0]

        def work(part: slice, tick: Tick) -> None:
            found = compute(slice(part.start * rest, part.stop * rest), tick)
            for name, values in found.items():
                block = values.reshape(part.stop - part.start, *shape[1:], *values.shape[1:])
                if writer is None:
                    self.arrays[name][part] = block
                else:
                    with lock:
                        writer.write(name, block.astype(layout.variables[name].dtype), **{first_dim: part.start})
                        writer.flush()

        def result(complete: bool) -> xr.Dataset:
            if writer is None:
                return trajectory.dataset(layout, self.arrays)
            writer.close(complete=complete)
            return load(writer.path)

        rows = [slice(k, min(k + height, shape[0])) for k in range(0, shape[0], height)]
        try:
            work_off(work, rows, cores(workers), progress)
        except (KeyboardInterrupt, Interrupted):
            raise Interrupted("interrupted", result(False)) from None
        except BaseException:
            if writer is not None:
                writer.close(complete=False)
            raise
        return result(True)


def plane(system: System, parameters: Any, initial: Any, seed: int) -> Members:
    """The members of a diagram over parameters."""
    if not isinstance(parameters, Ensemble):
        raise InputError("a diagram is over grid(...) of parameters, as in grid(a=[...], b=[...])")
    return members(system, parameters, initial, seed)


def columns(ensemble: Members, part: slice) -> dict[str, np.ndarray]:
    """Values of what differs between the members of a part."""
    shape = tuple(ensemble.dims.values())
    found = {}
    for name, (along, values) in ensemble.coords.items():
        sizes = [ensemble.dims[d] if d in along else 1 for d in ensemble.dims]
        own = values.shape[len(along) :]
        spread = np.broadcast_to(values.reshape(*sizes, *own), (*shape, *own))
        found[name] = spread.reshape(-1, *own)[part]
    return found
