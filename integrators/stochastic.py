"""Steps of stochastic differential equations as programs.

The Wiener increments are a function of the seed, the number of the member, and the number of the step, so that a
member's path does not depend on its company and can be computed again alone. Noise is read as its system declares it,
Ito or Stratonovich: a method that converges to the other one gets the drift that corrects for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

from ..engine.errors import InputError
from ..engine.native import Kernel, Loop
from ..engine.program import Builder, Program
from ..engine.random import normals
from ..engine.system import System
from .dense import Values


@dataclass(frozen=True)
class Stochastic:
    """A method for systems with noise.

    Attributes
    ----------
    name : str
    converges_to : "ito" or "stratonovich"
    noise : "any", "diagonal" or "additive"
        What the method needs: any noise; that each component's amplitude depends on that component alone; that
        amplitudes do not depend on the state.
    step : function
        Writes a step.
    """

    name: str
    converges_to: str
    noise: str
    step: Callable[[Step], list[int]]

    @property
    def adaptive(self) -> bool:
        """Whether the method estimates its error."""
        return False


class Step:
    """A step from ``y`` on its way into a builder."""

    def __init__(self, b: Builder, drift: Program, noise: Program, t: int, y: Values, h: int, p: Values, dw: Values):
        self.b, self._drift, self._noise = b, drift, noise
        self.t, self.y, self.h, self.p, self.dw = t, y, h, p, dw

    def later(self, fraction: float) -> int:
        """The time at a fraction of the step."""
        return self.b.fma(self.b.constant(fraction), self.h, self.t)

    def drift(self, t: int, y: Values) -> list[int]:
        """The drift at ``(t, y)``."""
        return self.b.inline(self._drift, {"t": [t], "y": y, "p": self.p})["f"]

    def noise(self, t: int, y: Values) -> dict[str, list[int]]:
        """Amplitudes ``g`` (diagonal) or ``G``, and the correction ``c``, at ``(t, y)``."""
        return self.b.inline(self._noise, {"t": [t], "y": y, "p": self.p})

    def diffused(self, noise: dict[str, list[int]], dw: Values) -> list[int]:
        """Amplitudes times increments."""
        b, m = self.b, len(dw)
        if "g" in noise:
            return [b.mul(u, w) for u, w in zip(noise["g"], dw, strict=True)]
        return [b.dot(noise["G"][i * m : (i + 1) * m], dw) for i in range(len(self.y))]

    def moved(self, *terms: tuple[int, Values]) -> list[int]:
        """``y`` plus factors times vectors."""
        result = list(self.y)
        for factor, vector in terms:
            result = [self.b.fma(factor, v, r) for v, r in zip(vector, result, strict=True)]
        return result


def _euler_maruyama(s: Step) -> list[int]:
    diffused = s.diffused(s.noise(s.t, s.y), s.dw)
    return s.moved((s.h, s.drift(s.t, s.y)), (s.b.constant(1.0), diffused))


def _stochastic_heun(s: Step) -> list[int]:
    end, half, one = s.later(1.0), s.b.constant(0.5), s.b.constant(1.0)
    f, g = s.drift(s.t, s.y), s.diffused(s.noise(s.t, s.y), s.dw)
    guess = s.moved((s.h, f), (one, g))
    f2, g2 = s.drift(end, guess), s.diffused(s.noise(end, guess), s.dw)
    half_h = s.b.mul(half, s.h)
    return s.moved((half_h, f), (half_h, f2), (half, g), (half, g2))


def _milstein(s: Step) -> list[int]:
    b, noise = s.b, s.noise(s.t, s.y)
    squares = [b.mul(c, b.fma(w, w, b.neg(s.h))) for c, w in zip(noise["c"], s.dw, strict=True)]
    return s.moved((s.h, s.drift(s.t, s.y)), (b.constant(1.0), s.diffused(noise, s.dw)), (b.constant(0.5), squares))


def _sra1(s: Step) -> list[int]:
    """The second half of ``dw`` are the increments that make up the integrals ``I_10``."""
    b, m = s.b, len(s.dw) // 2
    dw = s.dw[:m]
    # I_10 / h = (dW + dZ / sqrt(3)) / 2
    area = [b.mul(b.constant(0.5), b.fma(b.constant(1 / sqrt(3)), z, w)) for w, z in zip(dw, s.dw[m:], strict=True)]
    now, end = s.noise(s.t, s.y), s.noise(s.later(1.0), s.y)
    f = s.drift(s.t, s.y)
    inner = s.moved((b.mul(b.constant(0.75), s.h), f), (b.constant(1.5), s.diffused(end, area)))
    f2 = s.drift(s.later(0.75), inner)
    change = [b.sub(u, v) for u, v in zip(s.diffused(now, area), s.diffused(end, area), strict=True)]
    one = b.constant(1.0)
    return s.moved(
        (b.mul(b.constant(1 / 3), s.h), f),
        (b.mul(b.constant(2 / 3), s.h), f2),
        (one, s.diffused(end, dw)),
        (one, change),
    )


EULER_MARUYAMA = Stochastic("euler_maruyama", "ito", "any", _euler_maruyama)
"""Strong order 1/2, weak order 1 (G. Maruyama 1955)."""

STOCHASTIC_HEUN = Stochastic("stochastic_heun", "stratonovich", "any", _stochastic_heun)
"""Strong order 1 for commutative noise, weak order 1 (P. E. Kloeden, E. Platen 1992, Ch. 15)."""

MILSTEIN = Stochastic("milstein", "ito", "diagonal", _milstein)
"""Strong order 1 for diagonal noise (G. N. Milstein 1975)."""

SRA1 = Stochastic("sra1", "ito", "additive", _sra1)
"""Strong order 3/2 for additive noise (A. Roessler, SIAM J. Numer. Anal. 48 (2010) 922, Table 6.3)."""

STOCHASTIC: dict[str, Stochastic] = {m.name: m for m in (EULER_MARUYAMA, STOCHASTIC_HEUN, MILSTEIN, SRA1)}


def stochastic_kernels(rhs: Program, noise: Program, interpretation: str, method: Stochastic) -> dict[str, Kernel]:
    """The kernel ``advance``, whose parameters are the system's, then the seed and the number of the member."""
    n = rhs.inputs["y"]
    processes = n if "g" in noise.outputs else len(noise.outputs["G"]) // n
    b = Builder()
    y, given = b.input("y", n), b.input("p", rhs.inputs["p"] + 2)
    p, (seed, member) = given[:-2], given[-2:]
    (t0,), (h,), (index,) = b.input("t0", 1), b.input("dt", 1), b.input("index", 1)
    count = 2 * processes if method is SRA1 else processes
    root = b.sqrt(h)
    numbers = normals(b, (b.to_int(seed), b.to_int(member)), b.to_int(index), count)
    dw = [b.mul(root, x) for x in numbers]
    drift = _drift(rhs, noise, interpretation, method)
    step = Step(b, drift, noise, b.fma(index, h, t0), y, h, p, dw)
    record = Builder()
    state = record.program({"y": record.input("y", n)})
    return {"advance": Loop(b.program({"y": method.step(step)}).fused(), state)}


def _drift(rhs: Program, noise: Program, interpretation: str, method: Stochastic) -> Program:
    """The drift of the interpretation that a method converges to."""
    if interpretation == method.converges_to:
        return rhs
    b = Builder()
    inputs = {name: b.input(name, size) for name, size in rhs.inputs.items()}
    half = b.constant(0.5 if method.converges_to == "ito" else -0.5)
    pairs = zip(b.inline(rhs, inputs)["f"], b.inline(noise, inputs)["c"], strict=True)
    return b.program({"f": [b.fma(half, c, f) for f, c in pairs]})


def check(system: System, method: Stochastic) -> None:
    """Raise an InputError if a system's noise is not what a method needs."""
    noise = system.program("noise")
    slopes = [noise.instructions[v] for v in noise.outputs["Dg"]]
    depends = [k for k, i in enumerate(slopes) if not (i.op == "constant" and i.payload == 0.0)]
    n = system.dimension
    if method.noise == "additive" and depends:
        raise InputError(
            f"method {method.name!r} is for additive noise, but the amplitudes of {system.name!r} depend on its state; "
            "use milstein, stochastic_heun or euler_maruyama"
        )
    if method.noise == "diagonal" and ("G" in noise.outputs or any(k // n != k % n for k in depends)):
        raise InputError(
            f"method {method.name!r} is for noise whose amplitude in each component depends on that component alone, "
            f"which is not so in {system.name!r}; use stochastic_heun or euler_maruyama"
        )
