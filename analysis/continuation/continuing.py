"""A continuation under way: both directions from a point, one point at a time, and the branch so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ...engine import trajectory
from ...engine.blas import one_thread
from ...engine.errors import Interrupted
from ...engine.system import System
from ...integrators.parallel import Progress
from .branches import Branch, Mark, Record, SpecialPoint, branch
from .pseudo_arclength import Curve, Point, Stepping, begin, follow

CHECKPOINT = 10.0
"""Seconds until the first checkpoint; later ones come whenever a quarter more time has passed."""


Starts = tuple[Point | None, Point | None] | None
"""Where the two sides of a branch begin, None for a side that is missing; or None: both at its beginning."""


class Continuation(Iterator[Point]):
    """Both directions from a point of a curve, joined to one branch.

    An iterator over the points as they are computed: first forwards, then backwards. It can be left and taken up again;
    :attr:`branch` is at any time what has been computed.

    Parameters
    ----------
    system : System
    names : tuple of str
        The parameters that are unknowns.
    make : callable
        Makes a fresh curve.
    beginning : Point
        As such a curve has it.
    stepping : Stepping
    fresh : bool
        Whether the beginning is an ordinary point of the curve.
    origin : SpecialPoint
        The special point of another branch that it begins at.
    attrs : dict
        For the provenance.
    starts : pair of Point
        Where the sides begin, apart from a beginning that cannot be computed by the curve.
    """

    def __init__(
        self,
        system: System,
        names: tuple[str, ...],
        make: Callable[[], Curve],
        beginning: Point,
        stepping: Stepping,
        fresh: bool,
        origin: SpecialPoint | None,
        attrs: dict[str, Any],
        starts: Starts = None,
    ):
        self.system, self.names, self.make, self.stepping = system, names, make, stepping
        self.beginning, self.fresh, self.origin, self.starts = beginning, fresh, origin, starts
        self.attrs = trajectory.provenance(system, **attrs, step=stepping.first, max_step=stepping.largest)
        self.records, self.endings = (Record(), Record()), ["interrupted", "interrupted"]
        self.curve = make()
        self._added = self._advance()
        self._points = (point for points in self._added for some in points for point in some)

    def __next__(self) -> Point:
        return next(self._points)

    def run(self, progress: Progress | None = None, checkpoint: Callable[[Branch], None] | None = None) -> Branch:
        """Go on to the end.

        Parameters
        ----------
        progress : callable
            Called with the fraction of the largest number of points, every twenty points or more.
        checkpoint : callable
            Called with the branch so far: after ten seconds, and then whenever a quarter more time has passed.

        Raises
        ------
        Interrupted
            Ctrl-C; the branch so far is its ``partial``.
        """
        start, due = time.monotonic(), CHECKPOINT
        try:
            with one_thread():
                count = 0
                for points in self._added:
                    before, count = count, count + sum(point.count for point in points)
                    if progress and count // 20 > before // 20:
                        progress(self.fraction)
                    if checkpoint and time.monotonic() - start >= due:
                        checkpoint(self.branch)
                        due = max(CHECKPOINT, 1.25 * (time.monotonic() - start))
            if progress:
                progress(1.0)
        except KeyboardInterrupt:
            raise Interrupted("interrupted", self.branch) from None
        return self.branch

    @property
    def fraction(self) -> float:
        """Share of the largest number of points that has been computed; a direction that ended counts as whole."""
        done = [
            min(1.0, len(record) / self.stepping.points) if ending == "interrupted" else 1.0
            for record, ending in zip(self.records, self.endings, strict=True)
        ]
        return sum(done) / 2

    @property
    def branch(self) -> Branch:
        """What has been computed."""
        forward, backward = self.records
        whole = backward.reversed().joined(Record([self.beginning])).joined(forward)
        unstable, place, last = whole.unstable.tolist(), len(backward), len(whole) - 1
        if kind := self._kind():
            verdict = unstable[max(place - 1, 0)], unstable[min(place + 1, last)]
            known = (self.origin.coefficients, self.origin.note) if self.origin else ({}, "")
            whole.marks.append(Mark(place, kind, True, *known, verdict))
        if not self._closed:
            whole.marks += [Mark(end, "EP", unstable=(unstable[end], unstable[end])) for end in sorted({0, last})]
        endings = self._sentence("" if self._closed else self.endings[1]), self._sentence(self.endings[0])
        return branch(self.system, self.names, self.curve.extras, whole, endings, self.attrs)

    # -- inside ---------------------------------------------------------------------------------------------

    @property
    def _closed(self) -> bool:
        return self.endings[0] == "closed"

    def _advance(self) -> Iterator[list[Point]]:
        """The points that were added to a record."""
        for side, sign in enumerate((1.0, -1.0)):
            curve, record = self.make() if side else self.curve, self.records[side]
            if self.starts:
                first = self.starts[side]
                if first is None:
                    self.endings[side] = "no branch on this side"
                    continue
                record.add((), [first])
                yield [first]
                steps = follow(curve, first, self.stepping)
            else:
                here = replace(self.beginning, tangent=sign * self.beginning.tangent)
                if self.fresh and side:
                    here = begin(curve, self.beginning.u, here.tangent)
                steps = follow(curve, here, self.stepping, fresh=self.fresh)
            while True:
                try:
                    points, events = next(steps)
                except StopIteration as end:
                    self.endings[side] = end.value
                    break
                record.add(events, points)
                yield points
            if self._closed:
                return

    def _kind(self) -> str:
        """What special point the beginning is, if any."""
        if self.origin:
            return self.origin.kind
        return "UZ" if any(self.beginning.u[k] == value for k, value in self.curve.marks) else ""

    def _sentence(self, ending: str) -> str:
        """Why a branch ends, with the names of the parameters."""
        if not ending.startswith("bound "):
            return ending
        _, index, side = ending.split()
        name = self.names[int(index) - self.system.dimension]
        return f"{name} reaches its {'lower' if side == 'low' else 'upper'} bound"
