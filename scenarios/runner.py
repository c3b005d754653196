"""Runs a checked scenario: trajectories and analyses into one HDF5 file, figures beside it.

The root of the file holds the scenario, the group ``trajectory`` what `simulate` computed; each analysis has
a group of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import storage
from ..engine.errors import InputError, Interrupted, NumericsError, StorageError
from ..engine.layout import Layout
from ..engine.trajectory import CONVENTIONS, STATUS
from .fields import expand, nearest, show
from .figures import FIGURES, FigureOptions, draw_all

if TYPE_CHECKING:
    import xarray as xr

    from .analyses import Analysis
    from .loader import Loaded

Report = Callable[[float], None]
Compute = Callable[[Report | None], "xr.Dataset"]

BOOKKEEPING = {"status", "t_stop", "steps", "rejected", "count"}
NUMERICS = ("rtol", "atol", "max_steps")
"""The settings of `simulate` that an analysis integrates with, too."""


@dataclass(frozen=True)
class Result:
    """What one group of the output file holds."""

    group: str
    variables: tuple[str, ...]
    sizes: dict[str, int]
    """Length of each dimension that the variables share."""
    endings: dict[str, int]
    """How many integrations ended how, as in `engine.trajectory.STATUS`: ``{"done": 3, "nonfinite": 1}``."""
    seconds: float

    @property
    def failure(self) -> str | None:
        """What went wrong, where not a single integration reached its end."""
        if not self.endings or "done" in self.endings:
            return None
        worst = max(self.endings, key=self.endings.__getitem__)
        sentence = next(each.sentence for each in STATUS.values() if each.name == worst)
        return f"{self.group}: no integration reached its end ({counted(self.endings)}). {sentence}"


@dataclass
class Outcome:
    """What a run has computed and written."""

    file: Path
    results: list[Result] = field(default_factory=list)
    figures: list[Path] = field(default_factory=list)


def run(
    loaded: Loaded,
    output: str | Path | None = None,
    *,
    force: bool = False,
    workers: int | None = None,
    plots: bool = True,
    progress: Callable[[str, float], None] | None = None,
) -> Outcome:
    """Compute everything that a scenario asks for.

    Parameters
    ----------
    loaded : Loaded
        From `scenarios.loader.load`.
    output : path, optional
        The HDF5 file; by default the one that the scenario names, else its name with ``.h5``.
    force : bool
        Replace the file if it exists.
    workers : int, optional
        Threads; the results do not depend on it.
    plots : bool
        Whether to draw the scenario's figures.
    progress : callable, optional
        Called with the name of the group at work and the fraction of it that is done.

    Returns
    -------
    Outcome
        Integrations that failed are data: see `Result.failure`.

    Raises
    ------
    InputError
        If a system or an analysis does not accept what it is given.
    StorageError
        If the file exists or cannot be written: found before anything is computed.
    NumericsError, Interrupted
        If an analysis failed or Ctrl-C was pressed; what had been computed is in the file.
    """
    outcome = Outcome(Path(output or loaded.scenario.output.file or f"{loaded.name}.h5"))
    job = _Job(loaded, outcome.file, workers)
    job.create(force)
    try:
        for group, compute in job.steps():
            start = time.perf_counter()
            with compute(_of(group, progress)) as data:
                outcome.results.append(_summary(group, data, time.perf_counter() - start))
        if plots:
            figures = [step.value for step in loaded.scenario.plots]
            outcome.figures = draw_all(_groups(outcome.file), figures, outcome.file.with_suffix(""))
    except (KeyboardInterrupt, Interrupted) as stop:
        raise Interrupted(f"interrupted; {_what_is_kept(outcome.file)}", getattr(stop, "partial", None)) from None
    except NumericsError as error:
        raise NumericsError(f"{str(error).rstrip('.')}; {_what_is_kept(outcome.file)}", error.partial) from error
    except InputError:
        _what_is_kept(outcome.file)
        raise
    return outcome


def draw(file: str | Path, kind: str | None = None, folder: str | Path | None = None) -> list[Path]:
    """Draw every figure that the groups of a file allow, or those of one kind, as PNG files.

    Parameters
    ----------
    file : path
        As `run` or `attrax.save` writes it.
    kind : str, optional
        A key of `scenarios.figures.FIGURES`.
    folder : path, optional
        Where the figures go; beside the file by default.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        If there is no such kind, or nothing to draw.
    StorageError
        If the file cannot be read or a figure cannot be written.
    """
    file, folder = Path(file), Path(folder or Path(file).parent)
    if kind not in (None, *FIGURES):
        raise InputError(f"{show(kind)} is not a figure{nearest(str(kind), FIGURES)}")
    if not folder.is_dir():
        raise StorageError(f"there is no folder {folder}; create it or choose another")
    figures: list[FigureOptions] = [FIGURES[each]() for each in ([kind] if kind else FIGURES)]
    written = draw_all(_groups(file), figures, folder / file.stem)
    if not written:
        raise InputError(f"{file} holds nothing that could be drawn{f' as {kind}' if kind else ''}")
    return written


def counted(endings: dict[str, int]) -> str:
    """Write how integrations ended: ``done``, or ``38 done, 2 nonfinite``."""
    if sum(endings.values()) == 1:
        return next(iter(endings)).replace("_", " ")
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in endings.items())


@dataclass(frozen=True)
class _Job:
    """The parts of a run, each of which brings its group to the file."""

    loaded: Loaded
    file: Path
    workers: int | None

    def create(self, force: bool) -> None:
        """Create the file with the scenario in it, or find out that this cannot be done."""
        scenario = self.loaded.scenario
        attrs: dict[str, Any] = {
            "conventions": CONVENTIONS,
            "title": scenario.title or self.loaded.system.name,
            "scenario": self.loaded.text,
            "scenario_name": self.loaded.name,
        }
        if self.loaded.overrides:
            attrs["overrides"] = list(self.loaded.overrides)
        with storage.Writer(self.file, force=force) as writer:
            writer.create(Layout({}, attrs=attrs))

    def steps(self) -> Iterator[tuple[str, Compute]]:
        """Yield the name of each group and what computes it."""
        scenario = self.loaded.scenario
        if scenario.simulate:
            yield "trajectory", self.trajectory
        for group, step in zip(_group_names(scenario.analysis), scenario.analysis, strict=True):
            yield group, partial(self.analysis, group, step.value)

    def trajectory(self, report: Report | None) -> xr.Dataset:
        from ..integrators import grid, simulate

        sweep = {name: expand(values) for name, values in (self.loaded.scenario.sweep or {}).items()}
        return simulate(
            self.loaded.system,
            parameters=grid(**sweep) if sweep else None,
            store=storage.Writer(self.file, group="trajectory", append=True, compression=self._compression),
            progress=report,
            **self._settings(),
        )

    def analysis(self, group: str, analysis: Analysis, report: Report | None) -> xr.Dataset:
        try:
            data = analysis.run(self.loaded.system, self._settings(*NUMERICS), report)
        except (Interrupted, NumericsError) as error:
            if error.partial is not None:
                self._save(error.partial.assign_attrs(complete=0), group)
            raise
        self._save(data, group)
        return data

    def _settings(self, *only: str) -> dict[str, Any]:
        simulate = self.loaded.scenario.simulate
        given = simulate.model_dump(exclude_none=True, include=set(only) or None) if simulate else {}
        return {**given, "seed": self.loaded.scenario.seed, "workers": self.workers}

    def _save(self, data: xr.Dataset, group: str) -> None:
        storage.save(data, self.file, group, append=True, compression=self._compression)

    @property
    def _compression(self) -> str | None:
        name = self.loaded.scenario.output.compression
        return None if name == "none" else name


def _what_is_kept(file: Path) -> str:
    """Say where the results are; a file without any is removed."""
    if storage.groups(file) != ["/"]:
        return f"what was computed is in {file}"
    file.unlink()
    return "nothing had been computed"


def _group_names(steps: list[Any]) -> list[str]:
    """The label of each analysis, or its name, numbered where that is taken."""
    names: list[str] = []
    taken = {"trajectory", *(step.value.label for step in steps)}
    for step in steps:
        name, number = step.value.label or step.key, 1
        while not step.value.label and name in taken:
            number += 1
            name = f"{step.key}_{number}"
        names.append(name)
        taken.add(name)
    return names


def _groups(file: Path) -> dict[str, xr.Dataset]:
    """Read the groups of a file, titled as its scenario."""
    found = {name: storage.load(file, name) for name in storage.groups(file)}
    title = found["/"].attrs.get("title") if "/" in found else None
    return {
        name.replace("/", "_").strip("_") or "trajectory": data.assign_attrs(title=title) if title else data
        for name, data in found.items()
        if data.data_vars
    }


def _summary(group: str, data: xr.Dataset, seconds: float) -> Result:
    variables = {str(name): each for name, each in data.data_vars.items() if name not in BOOKKEEPING}
    common = [dim for dim in data.sizes if all(dim in each.dims for each in variables.values())]
    endings: dict[str, int] = {}
    if "status" in data:
        codes, counts = np.unique(np.asarray(data["status"]), return_counts=True)
        endings = {STATUS[int(code)].name: int(count) for code, count in zip(codes, counts, strict=True)}
    return Result(group, tuple(variables), {str(dim): data.sizes[dim] for dim in common}, endings, seconds)


def _of(group: str, progress: Callable[[str, float], None] | None) -> Report | None:
    return None if progress is None else lambda fraction: progress(group, fraction)
