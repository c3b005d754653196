"""The figures that a scenario may ask for: one model each, entered in `FIGURES`.

They are drawn by `analysis.drawing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from ..engine.errors import InputError, StorageError
from .fields import Model, Positive, VariableName

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


class FigureOptions(Model):
    """What every figure has."""

    kind: ClassVar[str]

    group: str | None = None
    """The group of the output file to draw; by default every group that can be drawn so."""

    def draw(self, data: xr.Dataset) -> Figure:
        """Draw this figure of one group."""
        from ..analysis import drawing

        options = self.model_dump(exclude={"group"}, exclude_none=True)
        return getattr(drawing, self.kind)(data, **options)


class TimeSeries(FigureOptions):
    """Variables against time."""

    kind = "time_series"

    variables: list[VariableName] | None = Field(default=None, min_length=1)
    """States or observables, or elements such as y[0]; the first six by default."""
    last: Positive | None = None
    """Only this much time before the end."""


class PhasePortrait(FigureOptions):
    """Two or three variables against each other."""

    kind = "phase_portrait"

    variables: list[VariableName] | None = Field(default=None, min_length=2, max_length=3)
    """Two or three single elements such as x or y[0]; the first three by default."""
    last: Positive | None = None
    """Only this much time before the end."""


class OrbitDiagramFigure(FigureOptions):
    """The recorded values of an orbit diagram over its parameter."""

    kind = "orbit_diagram"


FIGURES: dict[str, type[FigureOptions]] = {each.kind: each for each in (TimeSeries, PhasePortrait, OrbitDiagramFigure)}


def draw_all(groups: Mapping[str, xr.Dataset], figures: list[FigureOptions], stem: Path) -> list[Path]:
    """Draw figures of the groups of a run into PNG files beside it.

    Parameters
    ----------
    groups : mapping of str to Dataset
        What was computed, by group name.
    figures : list of FigureOptions
        What to draw of every group that can be drawn so (or of the one that a figure names).
    stem : Path
        The files are named ``<stem>_<group>_<kind>.png``, shorter where group and kind say the same.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        If a figure names a group that is not there.
    StorageError
        If a file cannot be written.
    """
    from ..analysis import drawing

    written: list[Path] = []
    for figure in figures:
        if figure.group is not None and figure.group not in groups:
            raise InputError(f"there is no group {figure.group!r} to draw; there are: {', '.join(groups)}")
        for group, data in groups.items():
            if figure.group not in (None, group) or figure.kind not in drawing.kinds(data):
                continue
            words = (figure.kind,) if group in ("trajectory", figure.kind) else (group, figure.kind)
            path = _unused(stem.with_name("_".join((stem.name, *words)) + ".png"), written)
            save(figure.draw(data), path)
            written.append(path)
    return written


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG (150 dots per inch) and close it.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    import matplotlib.pyplot as plt

    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise StorageError(f"cannot write the figure {path}: {error.strerror or error}") from error
    finally:
        plt.close(figure)


def _unused(path: Path, taken: list[Path]) -> Path:
    number = 1
    fresh = path
    while fresh in taken:
        number += 1
        fresh = path.with_stem(f"{path.stem}_{number}")
    return fresh
