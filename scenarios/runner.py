"""Runs a checked scenario: trajectories and analyses into one HDF5 file, figures beside it.

The root of the file holds the scenario, the group ``trajectory`` what `simulate` computed; each analysis has
a group of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import storage
from ..engine.errors import InputError, Interrupted, NumericsError, StorageError
from ..engine.layout import Layout
from ..engine.trajectory import CONVENTIONS, STATUS
from .analyses import Analysis, Work
from .fields import expand, nearest, show
from .figures import FIGURES, FigureOptions, draw_all

if TYPE_CHECKING:
    import xarray as xr

    from ..analysis import Branch
    from .loader import Loaded

Report = Callable[[float], None]
Compute = Callable[[Report | None], "Result"]

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
    seconds: float = 0.0
    tables: tuple[str, ...] = ()
    """Branches as tables."""
    troubles: tuple[str, ...] = ()
    """Why branches could not be continued."""

    @property
    def failure(self) -> str | None:
        """What went wrong, where not a single integration reached its end, or a branch could not be continued."""
        if self.troubles:
            return "\n".join(f"{self.group}: {trouble}" for trouble in self.troubles)
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
            result = compute(_of(group, progress))
            outcome.results.append(replace(result, seconds=time.perf_counter() - start))
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
        for group, step in zip(scenario.groups, scenario.analysis, strict=True):
            yield group, partial(self.analysis, group, step.value)

    def trajectory(self, report: Report | None) -> Result:
        from ..integrators import grid, simulate

        sweep = {name: expand(values) for name, values in (self.loaded.scenario.sweep or {}).items()}
        data = simulate(
            self.loaded.system,
            parameters=grid(**sweep) if sweep else None,
            store=storage.Writer(self.file, group="trajectory", append=True, compression=self._compression),
            progress=report,
            **self._settings(),
        )
        with data:
            return _summary("trajectory", data)

    def analysis(self, group: str, analysis: Analysis, report: Report | None) -> Result:
        def keep(part: Any) -> None:
            self._save(part, group, complete=False)

        earlier = partial(storage.load, self.file)
        work = Work(self.loaded.system, self._settings(*NUMERICS), earlier, keep, report)
        try:
            result = analysis.run(work)
        except (Interrupted, NumericsError) as error:
            if error.partial is not None:
                keep(error.partial)
            raise
        self._save(result, group)
        return _of_branches(group, result) if _branches(result) else _summary(group, result)

    def _settings(self, *only: str) -> dict[str, Any]:
        simulate = self.loaded.scenario.simulate
        given = simulate.model_dump(exclude_none=True, include=set(only) or None) if simulate else {}
        return {**given, "seed": self.loaded.scenario.seed, "workers": self.workers}

    def _save(self, result: Any, group: str, *, complete: bool = True) -> None:
        """Store a Dataset, a branch, or a list of branches in groups inside this one."""
        parts = (
            {f"{group}/{k}": each for k, each in enumerate(result, 1)} if isinstance(result, list) else {group: result}
        )
        for name, part in parts.items():
            data = part.data if _branches(part) else part
            data = data if complete else data.assign_attrs(complete=0)
            storage.save(data, self.file, name, append=True, force=True, compression=self._compression)

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


def _groups(file: Path) -> dict[str, xr.Dataset]:
    """Read the groups of a file, titled as its scenario."""
    found = {name: storage.load(file, name) for name in storage.groups(file)}
    title = found["/"].attrs.get("title") if "/" in found else None
    return {
        name.strip("/") or "trajectory": data.assign_attrs(title=title) if title else data
        for name, data in found.items()
        if data.data_vars
    }


def _summary(group: str, data: xr.Dataset) -> Result:
    variables = {str(name): each for name, each in data.data_vars.items() if name not in BOOKKEEPING}
    common = [dim for dim in data.sizes if all(dim in each.dims for each in variables.values())]
    endings: dict[str, int] = {}
    if "status" in data:
        codes, counts = np.unique(np.asarray(data["status"]), return_counts=True)
        endings = {STATUS[int(code)].name: int(count) for code, count in zip(codes, counts, strict=True)}
    return Result(group, tuple(variables), {str(dim): data.sizes[dim] for dim in common}, endings)


def _branches(result: Any) -> list[Branch]:
    """The branches that a result consists of, if it does."""
    from ..analysis import Branch

    return [each for each in (result if isinstance(result, list) else [result]) if isinstance(each, Branch)]


def _of_branches(group: str, result: Any) -> Result:
    branches = _branches(result)
    sizes = {"branch": len(branches)} if isinstance(result, list) else {}
    sizes["point"] = sum(map(len, branches))
    troubles = [ending for each in branches for ending in each.endings if ending.startswith("failed")]
    return Result(group, (*branches[0].parameters,), sizes, {}, 0.0, tuple(map(repr, branches)), tuple(troubles))


def _of(group: str, progress: Callable[[str, float], None] | None) -> Report | None:
    return None if progress is None else lambda fraction: progress(group, fraction)
