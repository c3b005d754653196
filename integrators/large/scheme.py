"""A method and a system of many states, compiled: whole arrays at once (see `engine.arrays`).

A right-hand side is a sequence of loops over arrays, and so are the stages of a step; one tape of operations makes up a
step of all members together. Products with weights that members share become products of matrices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ...engine import array_quantities as quantities
from ...engine.array_memory import Memory, Tape
from ...engine.arrays import ArrayProgram, Stages, elementwise, rebound
from ...engine.events import Event
from ...engine.program import Builder
from ...engine.system import System
from ..dense import interpolant
from ..tableaux import Tableau
from .events import watched
from .fields import CLOCKS, SECTIONS

NO_EVENTS: Mapping[str, Event] = {}


class Large:
    """A method and a system of many states, compiled.

    Parameters
    ----------
    system : System
    tableau : Tableau, or None for maps
    adaptive : bool
        Whether steps are chosen by tolerances.
    recorded : tuple of str
        Names of the state blocks and observables to deliver.
    events : dict of str to Event
        Located ones.
    """

    more: tuple[ArrayProgram, ...] = ()
    """Further programs that the sections need."""

    def __init__(
        self,
        system: System,
        tableau: Tableau | None,
        adaptive: bool,
        recorded: tuple[str, ...],
        events: Mapping[str, Event] = NO_EVENTS,
    ):
        self.tableau, self.adaptive, self.recorded = tableau, adaptive, recorded
        self.dimension = system.dimension
        self.rhs = quantities.prefixed(self.rates(system), "rhs ")
        self.recording = quantities.prefixed(quantities.array_program(system, recorded), "record ")
        self.outputs = math.prod(self.recording.outputs["record"])
        self.nodes = self.times()
        self.stages = len(self.nodes)
        self.estimates = len(tableau.error) if adaptive and tableau else 0
        self.watch = watched(system, events, tableau) if events and tableau else None
        sections = self.sections()
        places: dict[str, str | tuple[str, int]] = {
            "in y": "shown",
            "in t": ("times", 8 * (self.stages + 1)),
            "out record": "record",
        }
        programs = (self.rhs, self.recording, *self.more, *(self.watch.programs if self.watch else ()))
        sections |= {"record": rebound(self.recording.stages, places), "setup": sum((q.setup for q in programs), ())}
        sections |= self.watch.sections(self.stages) if self.watch else {}
        self.programs, self.tape = programs, Tape(dict.fromkeys(SECTIONS, ()) | sections)

    def rates(self, system: System) -> ArrayProgram:
        """The program of the right-hand side."""
        return quantities.array_program(system, "rhs")

    def times(self) -> tuple[float, ...]:
        """Where the stages lie in a step."""
        return (*self.tableau.c, *self.tableau.extra_c) if self.tableau else (0.0,)

    def sections(self) -> dict[str, Stages]:
        """A step, and what goes with it."""
        return _map(self) if self.tableau is None else _runge_kutta(self, self.tableau, self.dimension)

    def slope(self, y: str, stage: int, k: str) -> Stages:
        """The right-hand side at the time of a stage."""
        return rebound(self.rhs.stages, {"in y": y, "in t": ("times", 8 * stage), "out f": k})

    def memory(self, system: System, y: np.ndarray, p: np.ndarray) -> Memory:
        """New memory for members with these initial states and parameters."""
        memory, n = Memory(self.tape, len(y)), self.dimension
        quantities.place(system, memory, p, self.programs)
        for name in ("new", "shown"):
            memory.new(name, n)
        memory.new("y", n)[:] = y
        for name in self.tape.buffers:
            if name == "u" or name[0] == "k" and name[1:].isdigit():
                memory.new(name, n)
            elif name in ("bad", "h", "error0", "error1"):
                memory.put(name, np.zeros((len(y), 1)))
            elif name.endswith(" partial"):
                memory.new(name, -(-n // 8))
        memory.put("record", np.zeros((len(y), self.outputs)))
        memory.put("times", np.zeros((len(y), self.stages + CLOCKS)), shared=not self.adaptive)
        if self.watch:
            self.watch.place(memory)
        return memory


def large(
    system: System,
    tableau: Tableau | None,
    adaptive: bool,
    recorded: tuple[str, ...],
    events: Mapping[str, Event] = NO_EVENTS,
) -> Large:
    """A :class:`Large`, kept with the system."""
    key = ("large", tableau.name if tableau else "", adaptive, recorded, tuple(events.items()))
    if key not in system._programs:
        system._programs[key] = Large(system, tableau, adaptive, recorded, events)  # type: ignore[assignment]
    return system._programs[key]  # type: ignore[return-value]


def unpacked(system: System, recorded: tuple[str, ...], raw: np.ndarray) -> dict[str, np.ndarray]:
    """Blocks and observables of recorded numbers ``(members, samples, outputs)``."""
    shapes: Mapping[str, tuple[int, ...]] = {**system.state, **system.observable_shapes}
    found, start = {}, 0
    for name in recorded:
        size = math.prod(shapes[name])
        found[name] = raw[..., start : start + size].reshape(*raw.shape[:-1], *shapes[name])
        start += size
    return found


# -- steps as operations -------------------------------------------------------------------------------------


def _map(scheme: Large) -> dict[str, Stages]:
    return {"step": scheme.slope("y", 0, "new") + finite(scheme.dimension)}


def finite(n: int) -> Stages:
    """The sum of ``new - new``, which is 0 if all numbers are finite."""
    b = Builder()
    (new,) = b.input("new", 1)
    return elementwise(b.program({"bad": [b.sub(new, new)]}), n, (), {"bad": "add"})


def _runge_kutta(scheme: Large, tableau: Tableau, n: int) -> dict[str, Stages]:
    s = len(tableau.b)
    inner: Stages = ()
    for i in range(1, s):
        inner += _moved(tableau.a[i], "u", n) + scheme.slope("u", i, f"k{i}")
    extra: Stages = ()
    for i, row in enumerate(tableau.extra_a):
        extra += _moved(row, "u", n) + scheme.slope("u", s + i, f"k{s + 1 + i}")
    first, new = scheme.slope("y", 0, "k0"), _moved(tableau.b, "new", n)
    last = scheme.slope("new", scheme.stages, f"k{s}")
    interpolate = _interpolated(tableau, n)
    if not scheme.adaptive:
        step, final = inner + _arrived(tableau.b, n), last + extra
        if not scheme.watch:
            step = first + step
        elif scheme.watch.degree > 1:
            step, final = step + last, extra
        return {"start": first, "step": step, "final": final, "interpolate": interpolate}
    b = Builder()
    commit = elementwise(b.program({"y": b.input("new", 1), "k0": b.input(f"k{s}", 1)}), n)
    step = inner + new + last + _errors(tableau, n)
    return {"start": first, "step": step, "final": extra, "interpolate": interpolate, "commit": commit}


def _sum(b: Builder, row: Sequence[float]) -> int:
    """``sum_i row_i k_i`` at one element."""
    total = b.constant(0.0)
    for i, w in enumerate(row):
        if w != 0.0:
            total = b.fma(b.constant(w), b.input(f"k{i}", 1)[0], total)
    return total


def _moved(row: Sequence[float], target: str, n: int) -> Stages:
    """``y + h sum_i row_i k_i``."""
    b = Builder()
    (y,), (h,) = b.input("y", 1), b.input("h", 1)
    return elementwise(b.program({target: [b.fma(h, _sum(b, row), y)]}), n, ("h",))


def _arrived(row: Sequence[float], n: int) -> Stages:
    """The state at the end of a step, and whether it is finite (see :func:`finite`)."""
    b = Builder()
    (y,), (h,) = b.input("y", 1), b.input("h", 1)
    new = b.fma(h, _sum(b, row), y)
    return elementwise(b.program({"new": [new], "bad": [b.sub(new, new)]}), n, ("h",), {"bad": "add"})


def _errors(tableau: Tableau, n: int) -> Stages:
    """Sums of the squares of the errors, each divided by its tolerance."""
    b = Builder()
    (y,), (new,), (h,), (rtol,), (atol,) = (b.input(k, 1) for k in ("y", "new", "h", "rtol", "atol"))
    allowed = b.fma(rtol, b.max(b.abs(y), b.abs(new)), atol)
    outputs = {}
    for k, row in enumerate(tableau.error):
        ratio = b.div(b.mul(h, _sum(b, row)), allowed)
        outputs[f"error{k}"] = [b.mul(ratio, ratio)]
    return elementwise(b.program(outputs), n, ("h", "rtol", "atol"), dict.fromkeys(outputs, "add"))


def _interpolated(tableau: Tableau, n: int) -> Stages:
    """The dense output at ``theta``: see `explicit.Stages.dense_rows`."""
    b = Builder()
    (y,), (new,), (h,), (theta,) = (b.input(k, 1) for k in ("y", "new", "h", "theta"))
    (first,), (final,) = b.input("k0", 1), b.input(f"k{len(tableau.b)}", 1)
    rise = b.sub(new, y)
    bend = b.sub(b.mul(h, first), rise)
    twist = b.sub(b.sub(rise, b.mul(h, final)), bend)
    rows = [[rise], [bend], [twist], *([b.mul(h, _sum(b, row))] for row in tableau.bubbles)]
    stages = elementwise(b.program({"shown": interpolant(b, theta, [y], rows)}), n, ("h", "theta"))
    count = len(tableau.c) + len(tableau.extra_c)
    return rebound(stages, {"theta": ("times", 8 * (count + 3))})
