"""Measure contenders in interleaved rounds and compare them.

A :class:`Contender` prepares its work outside the timing (imports, compilation, a first call); then the
rounds go A, B, C, A, B, C, ... so that a slow spell of the machine meets all of them. Times are CPU seconds
of the process, which is pinned to one core; medians with smallest and largest.
"""

from __future__ import annotations

import gc
import math
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

LONGEST = 20.0  # CPU seconds that the rounds of one contender may take together


@dataclass(frozen=True)
class Work:
    """What a contender has prepared: ``run`` is timed; ``error`` is its error on the problem's own scale."""

    run: Callable[[], Any]
    error: Callable[[], float] | None = None


@dataclass(frozen=True)
class Contender:
    """``prepare(tolerance)`` returns the warmed :class:`Work`.

    ``share`` is the part of the work that is really done (its time is scaled up): for very slow peers.
    ``adapts`` is false for those that have no tolerance.
    """

    name: str
    prepare: Callable[[float], Work]
    share: float = 1.0
    note: str = ""
    adapts: bool = True


@dataclass(frozen=True)
class Ratio:
    """``time(slower) / time(faster)``, with its goal; the best of the rows whose name begins so is taken."""

    slower: str | tuple[str, ...]
    faster: str
    at_least: float | None = None


@dataclass(frozen=True)
class Limit:
    """The goal ``time(name) <= at_most``, in the table's unit."""

    name: str
    at_most: float


@dataclass(frozen=True)
class Table:
    """Contenders for one piece of work, at one tolerance or at one error, with the goals."""

    title: str
    work: str
    contenders: Sequence[Contender]
    goals: Sequence[Ratio | Limit] = ()
    tolerance: float = math.nan
    error: float | None = None
    rounds: int = 5
    unit: str = "s"


@dataclass
class Row:
    """One contender's result; ``times`` are of the whole work, ``preparation`` is what comes before it."""

    name: str
    status: str = "measured"
    note: str = ""
    tolerance: float = math.nan
    error: float = math.nan
    preparation: float = math.nan
    share: float = 1.0
    times: list[float] = field(default_factory=list)

    @property
    def time(self) -> float:
        return median(self.times) if self.times else math.nan


def measure(table: Table, rounds: int | None = None, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Run a table and return what is written to the JSON file."""
    ready: list[tuple[Row, Work]] = []
    rows: list[Row] = []
    for contender in table.contenders:
        row = Row(contender.name, note=contender.note, share=contender.share)
        rows.append(row)
        say(f"  preparing {contender.name}")
        try:
            ready.append((row, _prepare(contender, table, row)))
        except ModuleNotFoundError as problem:
            row.status = f"missing: {problem.name}"
        except Exception as problem:
            row.status = f"failed: {type(problem).__name__}: {problem}".split("\n")[0][:200]
    for _ in range(rounds or table.rounds):
        for row, work in ready:
            if sum(row.times) * row.share < LONGEST:
                row.times.append(cpu(work.run)[0] / row.share)
    return {
        "title": table.title,
        "work": table.work,
        "unit": table.unit,
        "equal_error": table.error,
        "rows": [asdict(row) | {"time": row.time} for row in rows],
        "goals": [_judge(goal, rows) for goal in table.goals],
    }


def cpu(run: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process, and of those that it waits for, in ``run()``; and what it returned."""
    gc.collect()
    start = _cpu_now()
    result = run()
    return _cpu_now() - start, result


def _cpu_now() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time_ns() * 1e-9 + children.ru_utime + children.ru_stime


def _prepare(contender: Contender, table: Table, row: Row) -> Work:
    tolerance = table.tolerance if table.error is None else table.error
    row.preparation, work = cpu(lambda: _warm(contender.prepare(tolerance)))
    if work.error is not None:
        row.error = work.error()
    if table.error is not None and contender.adapts and work.error is not None:
        tolerance, row.error, work = _at_error(contender, table.error, tolerance, row.error, work)
        _warm(work)
    row.tolerance = tolerance if contender.adapts else math.nan
    return work


def _warm(work: Work) -> Work:
    work.run()
    return work


def _at_error(
    contender: Contender, goal: float, tolerance: float, error: float, work: Work
) -> tuple[float, float, Work]:
    """Tolerance, error and work such that the error is the goal, or as little below it as can be had.

    Bracketing, then bisection and regula falsi in turn, all in logarithms. (An order chosen by the tolerance,
    as heyoka does, makes the error jump, so that no tolerance may give the goal itself.)
    """
    tried = [(tolerance, error, work)]
    for attempt in range(12):
        fine = max((t for t in tried if t[1] <= goal), default=None, key=lambda t: t[0])
        rough = min((t for t in tried if t[1] > goal), default=None, key=lambda t: t[0])
        close = min(tried, key=lambda t: abs(math.log(t[1] / goal)))
        if abs(math.log(close[1] / goal)) < math.log(1.1) or (fine and rough and rough[0] < 1.1 * fine[0]):
            break
        if fine and rough:
            part = math.log(goal / fine[1]) / math.log(rough[1] / fine[1]) if attempt % 2 else 0.5
            tolerance = fine[0] * (rough[0] / fine[0]) ** min(max(part, 0.1), 0.9)
        else:
            tolerance = close[0] * min(max((goal / close[1]) ** 1.2, 1e-3), 1e3)
        work = contender.prepare(tolerance)
        tried.append((tolerance, work.error() if work.error else math.nan, work))
    return max((t for t in tried if t[1] <= 1.15 * goal), default=close, key=lambda t: t[0])


def _judge(goal: Ratio | Limit, rows: Sequence[Row]) -> dict[str, Any]:
    """The goal with its value: ``what``, ``value``, ``wanted``, ``met`` (None: not measured)."""
    if isinstance(goal, Limit):
        row = _best(rows, goal.name)
        value = row.time if row else math.nan
        what, wanted, met = goal.name, f"at most {goal.at_most:g}", value <= goal.at_most
    else:
        slower, faster = _best(rows, goal.slower), _best(rows, goal.faster)
        value = slower.time / faster.time if slower and faster else math.nan
        asked = " or ".join([goal.slower] if isinstance(goal.slower, str) else goal.slower)
        what = f"{slower.name if slower else asked} / {faster.name if faster else goal.faster}"
        wanted = "" if goal.at_least is None else f"at least {goal.at_least:.3g}"
        met = value >= (goal.at_least or 0.0)
    return {"what": what, "value": value, "wanted": wanted, "met": None if math.isnan(value) else met}


def _best(rows: Sequence[Row], names: str | tuple[str, ...]) -> Row | None:
    """The fastest row whose name begins with ``names``."""
    return min((r for r in rows if r.times and r.name.startswith(names)), key=lambda r: r.time, default=None)


def markdown(result: dict[str, Any]) -> str:
    """A measured table as Markdown, the fastest first; columns that are empty are left out."""
    rows = sorted(result["rows"], key=lambda r: (math.isnan(r["time"]), r["time"]))
    best = min((r["time"] for r in rows if r["times"]), default=math.nan)
    columns: dict[str, list[str]] = {
        "contender": [_title(r) for r in rows],
        f"CPU {result['unit']}": [_number(r["time"], ".4g") or r["status"] for r in rows],
        "min .. max": [f"{min(r['times']):.3g} .. {max(r['times']):.3g}" if r["times"] else "" for r in rows],
        "factor": [_number(r["time"] / best, ".3g") for r in rows],
        "tolerance": [_number(r["tolerance"]) for r in rows],
        "error": [_number(r["error"]) for r in rows],
        "preparation s": [_number(r["preparation"], ".2f") for r in rows],
    }
    columns = {name: cells for name, cells in columns.items() if any(cells)}
    lines = [f"### {result['title']}", "", result["work"], "", _line(columns), "|---" * len(columns) + "|"]
    lines += [_line(cells) for cells in zip(*columns.values(), strict=True)] + [""]
    for goal in result["goals"]:
        verdict = {True: "met", False: "**missed**", None: "not measured"}[goal["met"]]
        wanted = f" (goal: {goal['wanted']}; {verdict})" if goal["wanted"] else ""
        lines.append(f"- {goal['what']}: {_number(goal['value'], '.3g')}{wanted}")
    return "\n".join(lines) + "\n"


def _title(row: dict[str, Any]) -> str:
    scaled = "" if row["share"] == 1 else f" (from {row['share']:.2g} of the work)"
    return row["name"] + scaled + (f"; {row['note']}" if row["note"] else "")


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(value: float, form: str = ".1e") -> str:
    return "" if math.isnan(value) else f"{value:{form}}"
