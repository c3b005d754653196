"""Whether there is room in memory, asked before it is taken."""

from __future__ import annotations

from pathlib import Path

from .errors import InputError

MEMORY = Path("/proc/meminfo")

ALWAYS = 2**20
"""Numbers for which there is always room."""


def check(numbers: float, what: str, advice: str) -> None:
    """Raise an InputError if so many 64-bit numbers do not fit into the memory that is free."""
    if numbers < ALWAYS:
        return
    try:
        lines = dict(line.split(":", 1) for line in MEMORY.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return
    if 8 * numbers > free:
        raise InputError(
            f"{what} would take {8 * numbers / 1e9:.1f} GB, but {free / 1e9:.1f} GB of memory are free; {advice}"
        )
