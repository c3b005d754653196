"""What the command line prints: tables on standard output, a progress bar on a terminal's standard error."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .runner import Outcome, counted

if TYPE_CHECKING:
    from ..engine.system import System

PIPE_WIDTH = 120


def console() -> Console:
    """The standard output, in plain text where it is not a terminal."""
    out = Console(markup=False, highlight=False, emoji=False)
    if not out.is_terminal:
        out.width = PIPE_WIDTH
    return out


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None] | None]:
    """Give a function that shows how far a group is, or None where nobody looks."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    err = Console(stderr=True)
    if not err.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(group: str, fraction: float) -> None:
            if group not in tasks:
                tasks[group] = bars.add_task(group, total=1.0)
            bars.update(tasks[group], completed=fraction)

        yield show


def outcome(done: Outcome) -> Group:
    """What a run has computed, and its files."""
    rows = [
        (
            result.group,
            ", ".join(result.variables),
            " × ".join(f"{size} {dim}" for dim, size in result.sizes.items()),
            counted(result.endings) if result.endings else "",
            f"{result.seconds:.2f} s",
        )
        for result in done.results
    ]
    return Group(
        table(("result", "holds", "size", "integrations", "time"), rows),
        *(part for result in done.results for each in result.tables for part in ("", f"{result.group}: {each}")),
        *([""] if any(result.tables for result in done.results) else []),
        *(f"{path}" for path in (done.file, *done.figures)),
    )


def catalogue(systems: Iterable[System], scenarios: Iterable[tuple[str, str, str]]) -> Group:
    """The systems, and the scenarios as (name, system, title)."""
    rows = [(each.name, each.kind, _blocks(each), each.source) for each in systems]
    return Group(
        table(("system", "kind", "state", "source"), rows),
        "",
        table(("scenario", "system", "what it shows"), scenarios),
        "",
        "attrax show SYSTEM, attrax run SCENARIO",
    )


def system(each: System) -> Group:
    """Everything that a system declares."""
    parts: list[Any] = [Text(f"{each.name}, a {each.kind}", style="bold")]
    if each.source:
        parts.append(f"Source: {each.source}")
    if each.time_unit:
        parts.append(f"Unit of time: {each.time_unit}")
    parts += ["", Padding(_equations(each), (0, 0, 0, 2))]
    state = [(name, _shape(shape), _start(each, name)) for name, shape in each.state.items()]
    parts += ["", table(("state", "shape", "initial value"), state)]
    if each.parameters:
        declared = [(name, _value(p.value), p.unit, p.meaning) for name, p in each.parameters.items()]
        parts += ["", table(("parameter", "default", "unit", "meaning"), declared)]
    if each.inputs:
        driven = [(name, _shape(each.input_shapes[name]), str(stream)) for name, stream in each.inputs.items()]
        parts += ["", table(("input", "shape", "stream"), driven)]
    if each.observables:
        seen = [(name, inspect.getdoc(function) or "") for name, function in each.observables.items()]
        parts += ["", table(("observable", "meaning"), seen)]
    if each.known:
        known = [(k.quantity, f"{k.value:.10g}", _tolerance(k.rtol, k.atol), k.source) for k in each.known]
        parts += ["", table(("known value", "", "tolerance", "source"), known)]
    return Group(*parts)


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """A table without lines, the first column never broken."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for position, heading in enumerate(headings):
        made.add_column(heading, no_wrap=position == 0, overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def _equations(each: System) -> str:
    """The function of a system as it is written, without its decorator."""
    try:
        lines = textwrap.dedent(inspect.getsource(each.function)).splitlines()
    except (OSError, TypeError):
        return each.doc
    start = next((i for i, line in enumerate(lines) if line.startswith("def ")), 0)
    return "\n".join(lines[start:])


def _blocks(each: System) -> str:
    return ", ".join(name + (_shape(shape) if shape else "") for name, shape in each.state.items())


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]" if shape else ""


def _start(each: System, block: str) -> str:
    from ..engine.declaration import Draw

    start = each.starts.get(block, 0.0)
    if not isinstance(start, Draw):
        return _value(each.initial[block])
    if start.distribution not in ("uniform", "normal"):
        return f"{start.distribution}, evenly"
    first, second = (f"{number:g}" for number in start.arguments)
    return f"uniform in [{first}, {second})" if start.distribution == "uniform" else f"normal, {first} ± {second}"


def _value(value: Any) -> str:
    import numpy as np

    array = np.asarray(value)
    if array.ndim == 0:
        return f"{array[()]:g}"
    if array.size <= 6 and array.ndim == 1:
        return f"[{', '.join(f'{number:g}' for number in array)}]"
    if array.size and (array == array.flat[0]).all():
        return f"{array.flat[0]:g} everywhere, {_shape(array.shape)}"
    return f"an array {_shape(array.shape)}"


def _tolerance(rtol: float, atol: float) -> str:
    return " + ".join(text for text in (f"{rtol:g} relative" if rtol else "", f"{atol:g}" if atol else "") if text)
