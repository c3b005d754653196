"""A limit to the wall time of a computation, looked at wherever its loops come past."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from ...engine.errors import AttraxError, NumericsError
from ...integrators.times import positive


@dataclass
class _Limit:
    """``seconds`` that may pass until the clock shows ``end``, and how far one has come."""

    seconds: float
    end: float
    reached: str = "not even the start was found"


_limit: ContextVar[_Limit | None] = ContextVar("limit", default=None)


class OutOfTime(AttraxError):
    """The time is used up."""


@contextmanager
def at_most(seconds: float | None) -> Iterator[None]:
    """Limit what is done inside to ``max_seconds`` of wall time; None: as long as it takes, or as is left.

    Raises
    ------
    NumericsError
        The time is used up, and nothing inside made a result of what there was; it says how far that came.
    """
    if seconds is None:
        yield
        return
    limit = _Limit(positive("max_seconds", seconds), time.monotonic() + seconds)
    token = _limit.set(limit)
    try:
        yield
    except OutOfTime as stop:
        raise NumericsError(f"{stop}: {limit.reached}") from None
    finally:
        _limit.reset(token)


def check_time(reached: str = "") -> None:
    """Raise OutOfTime if no time is left; ``reached`` is remembered as how far one has come."""
    limit = _limit.get()
    if limit is None:
        return
    limit.reached = reached or limit.reached
    if time.monotonic() >= limit.end:
        raise OutOfTime(f"stopped after {limit.seconds:g} s (max_seconds)")


def affordable(pace: float) -> int:
    """How many things, at least one, that take ``pace`` seconds each can be done in the time that is left."""
    limit = _limit.get()
    return max(1, int((limit.end - time.monotonic()) / max(pace, 1e-9))) if limit else sys.maxsize
