"""``python -m benchmarks [NAME ...]``: run tables, print them as Markdown, keep them as JSON."""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from .harness import markdown, measure

NAMES = (
    *("ensembles", "trajectories", "orbit_diagrams", "attractors", "networks", "events"),
    *("stiff", "robots", "continuation", "cycles", "felt"),
)
PEERS = (
    *("numpy", "numba", "llvmlite", "jax", "diffrax", "scipy", "heyoka", "numbalsoda", "pynamicalsys"),
    *("jitcode", "brian2", "annarchy"),
)
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--rounds", type=int, help="rounds of each table (default: the table's own)")
    parser.add_argument("--only", default="", help="only tables whose title contains this")
    parser.add_argument("--core", type=int, help="core to run on (default: the last)")
    options = parser.parse_args()
    if wrong := [n for n in options.names if n not in NAMES]:
        parser.error(f"no benchmark {wrong[0]!r}; there are {', '.join(NAMES)}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0)) if options.core is None else options.core})
    for name in options.names or NAMES:
        run(name, options.rounds, options.only)


def run(name: str, rounds: int | None, only: str) -> None:
    """Measure the tables of a module; what is done is kept in ``results/<date>-<time>-<name>.json``."""
    now = datetime.datetime.now().astimezone()
    path = RESULTS / f"{now:%Y-%m-%d-%H%M}-{name}.json"
    results: list[dict[str, Any]] = []
    record = {"date": now.isoformat(timespec="seconds"), **machine(), "tables": results}
    for table in import_module(f".{name}", __package__).tables():
        if only.lower() in table.title.lower():
            say(f"{name}: {table.title}")
            results.append(measure(table, rounds, say))
            print(markdown(results[-1]), flush=True)
            RESULTS.mkdir(exist_ok=True)
            path.write_text(json.dumps(_plain(record), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def say(line: str) -> None:
    """Tell how far it is, beside the tables."""
    print(line, file=sys.stderr, flush=True)


def _plain(value: Any) -> Any:
    """The value as JSON has it: four digits, null for what is not a number."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else None
    return value


def machine() -> dict[str, Any]:
    """The processor and the versions of all that takes part."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = models[0].split(":", 1)[1].strip() if models else cpu
    return {"cpu": cpu, "cores": os.cpu_count(), "python": platform.python_version(), "versions": versions()}


def versions() -> dict[str, str]:
    found = {}
    for name in PEERS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    try:
        import attrax

        found["attrax"] = getattr(attrax, "__version__", "unknown")
        asked = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True)
        found["g++"] = asked.stdout.strip()
    except (ImportError, FileNotFoundError):
        pass
    return found


if __name__ == "__main__":
    main()
