"""Parts of a computation worked off by threads, with progress and Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from ..engine.errors import InputError

Tick = Callable[[float], None]
Progress = Callable[[float], None]


def cores(workers: int | None) -> int:
    """Number of threads: ``workers``, or all cores that this process may use."""
    if workers is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise InputError(f"workers must be a whole number of at least 1, not {workers!r:.40}")
    return workers


def parts(count: int, workers: int, width: int, largest: int = 16384) -> list[slice]:
    """``range(count)`` cut into enough parts to share the work, of whole blocks of ``width``."""
    size = min(max(2 * width, -(-count // (4 * workers))), largest)
    size = -(-size // width) * width
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]


def work_off(
    work: Callable[[slice, Tick], None], todo: Sequence[slice], workers: int, progress: Progress | None
) -> None:
    """Call ``work(part, tick)`` for every part; it calls ``tick(fraction of the part)`` from time to time.

    When one part fails, or on Ctrl-C, the others are stopped in their next ``tick``.
    """
    total = sum(part.stop - part.start for part in todo)
    done: dict[int, float] = {}
    stop = False

    def tell() -> None:
        if progress:
            progress(min(1.0, sum(done.values())))

    def one(part: slice, tell: Callable[[], None]) -> None:
        share = (part.stop - part.start) / total

        def tick(fraction: float) -> None:
            done[part.start] = share * fraction
            tell()
            if stop:
                raise _Stopped

        if not stop:
            work(part, tick)
            done[part.start] = share

    if len(todo) == 1 or workers == 1:
        for part in todo:
            one(part, tell)
        tell()
        return
    with ThreadPoolExecutor(workers) as pool:
        jobs = {pool.submit(one, part, lambda: None) for part in todo}
        try:
            while jobs:
                finished, jobs = wait(jobs, timeout=0.1, return_when=FIRST_EXCEPTION)
                for job in finished:
                    job.result()
                tell()
        except BaseException:
            stop = True
            pool.shutdown(cancel_futures=True)
            raise


class _Stopped(Exception):
    """Another part failed or was interrupted."""
