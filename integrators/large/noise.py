"""Steps of large systems with noise: the methods of `stochastic`, as loops over arrays (see `scheme`).

The random numbers are those of the straight-line code, a function of the seed, the member, the step and the component.
Only those of components with noise are drawn, four at a time, as they come.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine import array_quantities, quantities
from ...engine.array_memory import Memory
from ...engine.arrays import CHUNK, Access, ArrayProgram, Operation, Stages, elementwise, rebound
from ...engine.dependence import NONE, dependence
from ...engine.errors import InputError, UnsupportedPrimitive
from ...engine.loops import Loop, Stream
from ...engine.program import INT, Builder
from ...engine.random import four_normals
from ...engine.system import System
from ..stochastic import EULER_MARUYAMA, MILSTEIN, SRA1, Stochastic
from .groups import LargeFixedGroup
from .scheme import Large, finite

FEW = 16
"""Shared processes up to which the other interpretation's drift is computed, a derivative for each of them."""


@dataclass(frozen=True)
class Noise:
    """The noise of a system, as it can be read off its function without unrolling it.

    Attributes
    ----------
    processes : int
        Number of Wiener processes that components share; 0 if each has its own.
    pieces : tuple of (int, int, bool)
        The flat state in parts, from where to where, with noise or without.
    kind : "additive", "diagonal" or "any"
        Whether amplitudes do not depend on the state, or each on its own component alone.
    """

    processes: int
    pieces: tuple[tuple[int, int, bool], ...]
    kind: str

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The components with noise."""
        return [(start, stop) for start, stop, noisy in self.pieces if noisy]


def noise_of(system: System) -> Noise:
    """The noise of a system, kept with it."""
    key = ("noise",)
    if key not in system._programs:
        system._programs[key] = _read(system)  # type: ignore[assignment]
    return system._programs[key]  # type: ignore[return-value]


def fits(system: System, method: Stochastic) -> bool:
    """Whether a method can be taken without unrolling the system."""
    try:
        if found := _fits(system, method):
            _drift(system, method), _diffusion(system, method)
        return found
    except UnsupportedPrimitive:
        return False


def _fits(system: System, method: Stochastic) -> bool:
    noise = noise_of(system)
    if method.noise == "diagonal":
        return noise.kind != "any" and not noise.processes
    if method.noise == "additive" or noise.kind == "additive":
        return noise.kind == "additive"
    same = system.interpretation == method.converges_to
    return same or noise.kind == "diagonal" or 0 < noise.processes <= FEW


def check_noise(system: System, method: Stochastic) -> None:
    """Raise an InputError if a method cannot be taken by a system that is too large to be unrolled."""
    if _fits(system, method):
        return
    name = system.name
    if method.noise == "additive":
        raise InputError(
            f"method {method.name!r} is for additive noise, but the amplitudes of {name!r} depend on its state; "
            "use milstein, stochastic_heun or euler_maruyama"
        )
    own = EULER_MARUYAMA.name if system.interpretation == "ito" else "stochastic_heun"
    if method.noise == "diagonal":
        raise InputError(
            f"method {method.name!r} is for noise whose amplitude in each component depends on that component alone, "
            f"which is not so in {name!r}; use {own}"
        )
    raise InputError(
        f"method {method.name!r} needs derivatives of the amplitudes of {name!r}, which for large systems are known if "
        f"each depends on its own component alone, or of up to {FEW} shared processes; use {own}, which needs none"
    )


class Noisy(Large):
    """A method for noise and a system of many states, compiled."""

    def __init__(self, system: System, method: Stochastic, recorded: tuple[str, ...]):
        self.method, self.noise = method, noise_of(system)
        self.w = _increments(self.noise)
        after = self.noise.processes or system.dimension
        self.z = _Drawn("z", [(after + start, after + stop) for start, stop in self.w.ranges])
        self.diffusion = array_quantities.prefixed(_diffusion(system, method), "noise ")
        self.more = (self.diffusion,)
        super().__init__(system, None, False, recorded)

    def rates(self, system: System) -> ArrayProgram:
        """The program of the drift."""
        return _drift(system, self.method)

    def times(self) -> tuple[float, ...]:
        """Where the stages lie in a step."""
        return (0.0, 0.75) if self.method is SRA1 else (0.0,)

    def sections(self) -> dict[str, Stages]:
        """The step."""
        draw = self.w.stages(self.stages)
        if self.method is SRA1:
            step = draw + self.z.stages(self.stages) + self._area() + self._sra1()
        else:
            end, heun = self.stages, self.method.name == "stochastic_heun"
            step = draw + self.slope("y", 0, "k0") + self._diffused("y", 0, "w", "d0")
            if heun:
                step += self._moved("k0 h", "d0")
                step += self.slope("new", end, "k1") + self._diffused("new", end, "w", "d1")
                step += self._moved("k0 h", "k1 h", "d0", "d1", weights=(0.5, 0.5, 0.5, 0.5))
            else:
                step += self._moved("k0 h", "d0")
        return {"step": step + finite(self.dimension)}

    def memory(self, system: System, y: np.ndarray, p: np.ndarray) -> Memory:
        """New memory for members with these initial states and parameters."""
        memory, used = super().memory(system, y, p), self.tape.buffers
        sizes = {"w": self.w.size, "area": self.w.size, "z": self.z.size}
        many = sum(stop - start for start, stop in self.noise.ranges)
        for name, size in (sizes | dict.fromkeys(("d0", "d1", "d2"), many)).items():
            if name in used:
                memory.new(name, size)
        memory.put("key", np.zeros((len(y), 2)))
        return memory

    # -- steps as operations -----------------------------------------------------------------------------------

    def _sra1(self) -> Stages:
        end = self.stages
        noise = self._diffused("y", 0, "area", "d0") + self._diffused("y", end, "area", "d1")
        noise += self._diffused("y", end, "w", "d2")
        inner = self._moved("k0 h", "d1", weights=(0.75, 1.5))
        last = self._moved("k0 h", "k1 h", "d2", "d0", "d1", weights=(1 / 3, 2 / 3, 1, 1, -1))
        return noise + self.slope("y", 0, "k0") + inner + self.slope("new", 1, "k1") + last

    def _area(self) -> Stages:
        """The integrals ``I_10 / h = (dW + dZ / sqrt(3)) / 2``."""
        b = Builder()
        (w,), (z,) = b.input("w", 1), b.input("z", 1)
        program = b.program({"area": [b.mul(b.constant(0.5), b.fma(b.constant(1 / math.sqrt(3)), z, w))]})
        places = zip(self.w.ranges, self.w.places, self.z.places, strict=True)
        found = [
            rebound(elementwise(program, stop - start), {"w": ("w", 8 * w), "z": ("z", 8 * z), "area": ("area", 8 * w)})
            for (start, stop), w, z in places
        ]
        return _side_by_side(found)

    def _diffused(self, y: str, stage: int, w: str, target: str) -> Stages:
        """Amplitudes at the time of a stage times increments."""
        places: dict[str, str | tuple[str, int]] = {"in y": y, "in t": ("times", 8 * stage), "in w": w, "in h": "h"}
        return rebound(self.diffusion.stages, places | {"out b": target})

    def _moved(self, *terms: str, weights: Sequence[float] = ()) -> Stages:
        """``new``: y plus weighted terms, those called ``k h`` times the step, those called ``d`` where noise is."""
        found, before = [], 0
        for start, stop, noisy in self.noise.pieces:
            b = Builder()
            (total,), (h,) = b.input("y", 1), b.input("h", 1)
            for term, weight in zip(terms, weights or [1.0] * len(terms), strict=True):
                name, *by_h = term.split()
                if not by_h and not noisy:
                    continue
                (vector,), factor = b.input(name, 1), b.constant(float(weight))
                total = b.fma(b.mul(factor, h) if by_h else factor, vector, total)
            stages = elementwise(b.program({"new": [total]}), stop - start, ("h",))
            places = {name: (name, 8 * (before if name[0] == "d" else start)) for name in b.inputs if name != "h"}
            found.append(rebound(stages, places | {"new": ("new", 8 * start)}))
            before += (stop - start) * noisy
        return _side_by_side(found)


class NoisyGroup(LargeFixedGroup):
    """Members with noise that take equal steps together; parameters as of `LargeFixedGroup`.

    Parameters
    ----------
    numbers : ndarray
        Of each member, the seed and its number.
    """

    def __init__(self, scheme: Noisy, *arguments: Any, numbers: np.ndarray, **options: Any):
        super().__init__(scheme, *arguments, **options)
        self.memory.arrays["key"][:] = numbers


def noisy(system: System, method: Stochastic, recorded: tuple[str, ...]) -> Noisy:
    """A :class:`Noisy`, kept with the system."""
    key = ("large", method.name, False, recorded)
    if key not in system._programs:
        system._programs[key] = Noisy(system, method, recorded)  # type: ignore[assignment]
    return system._programs[key]  # type: ignore[return-value]


class _Drawn:
    """Increments of Wiener processes in a buffer: those of some ranges, each from a whole group of four on."""

    def __init__(self, buffer: str, ranges: Sequence[tuple[int, int]]):
        self.buffer, self.ranges, self.size = buffer, ranges, 0
        self.places: list[int] = []
        self._groups: list[tuple[int, int, int]] = []
        for start, stop in ranges:
            first = start // 4
            count = -(-stop // 4) - first
            self._groups.append((first, count, self.size))
            self.places.append(self.size + start - 4 * first)
            self.size += 4 * count

    def stages(self, stages: int) -> Stages:
        """Draw them for a step whose number lies behind the times of its stages."""
        operations = []
        for first, count, place in self._groups:
            b = Builder()
            (four,) = b.input("in0", 1, INT)
            (seed,), (member,), (step,), (h,) = (b.input(f"in{k}", 1) for k in range(1, 5))
            group = b.iadd(four, b.constant(first))
            root, key = b.sqrt(h), (b.to_int(seed), b.to_int(member))
            found = {f"out{k}": [b.mul(root, x)] for k, x in enumerate(four_normals(b, key, b.to_int(step), group))}
            kernel = Loop(b.program(found).fused(), (Stream("counter"), *[Stream("scalar")] * 4), woven=True)
            scalars = (("key", 0), ("key", 8), ("times", 8 * (stages + 2)), ("h", 0))
            accesses = [Access(name, offset, ()) for name, offset in scalars]
            operations.append(Operation(kernel, (), count, CHUNK // 4, (*accesses, Access(self.buffer, 8 * place, ()))))
        return (tuple(operations),)


def _side_by_side(stages: Sequence[Stages]) -> Stages:
    """Operations that do not depend on each other as one stage."""
    return (tuple(operation for several in stages for stage in several for operation in stage),)


# -- noise as JAX functions --------------------------------------------------------------------------------------


def _read(system: System) -> Noise:
    closed, names = quantities.jaxpr_of_amplitudes(system)
    shapes = [v.shape for v in closed.out_avals]
    kind, processes = "additive", shapes[0][1] if shapes and len(shapes[0]) > 1 else 0
    for name, found in zip(names, dependence(closed, 1, system.name), strict=True):
        where = system.state_slices[name]
        if (found != NONE).any() and kind == "additive":
            kind = "any" if processes else "diagonal"
        if kind == "diagonal" and ((found != NONE) & (found != np.arange(where.start, where.stop))).any():
            kind = "any"
    pieces: list[tuple[int, int, bool]] = []
    for name, where in system.state_slices.items():
        has = name in names
        start = pieces.pop()[0] if pieces and pieces[-1][2] == has else where.start
        pieces.append((start, where.stop, has))
    return Noise(processes, tuple(pieces), kind)


def _increments(noise: Noise) -> _Drawn:
    return _Drawn("w", [(0, noise.processes)] if noise.processes else noise.ranges)


def _drift(system: System, method: Stochastic) -> ArrayProgram:
    """The drift of the interpretation that a method converges to."""
    import jax.numpy as jnp

    noise = noise_of(system)
    if system.interpretation == method.converges_to or noise.kind == "additive":
        return array_quantities.array_program(system, "rhs")
    half = 0.5 if method.converges_to == "ito" else -0.5

    def drift(t, y, p, couplings):
        f, c = quantities.by_block(system, t, y, p, couplings), _correction(system, noise, t, y, p, couplings)
        return {"f": jnp.concatenate([jnp.ravel(v) + half * c[k] if k in c else jnp.ravel(v) for k, v in f.items()])}

    return array_quantities.derive_arrays(system, ("drift", half), drift)


def _diffusion(system: System, method: Stochastic) -> ArrayProgram:
    """Amplitudes times increments, where noise is; for Milstein's method with the term of second order."""
    import jax.numpy as jnp

    noise = noise_of(system)
    w = _increments(noise)
    milstein = method is MILSTEIN and noise.kind != "additive"

    def diffused(t, y, p, couplings, dw, *h):
        g = quantities.amplitudes_by_block(system, t, y, p, couplings)
        if noise.processes:
            return {"b": jnp.concatenate([v @ dw[: noise.processes] for v in g.values()])}
        c = _correction(system, noise, t, y, p, couplings) if milstein else {}
        found = []
        for name, v in g.items():
            where = system.state_slices[name]
            (first,) = [
                place + where.start - start
                for (start, stop), place in zip(w.ranges, w.places, strict=True)
                if start <= where.start < stop
            ]
            own = dw[first : first + where.stop - where.start]
            found.append(v * own + 0.5 * c[name] * (own * own - h[0]) if milstein else v * own)
        return {"b": jnp.concatenate(found)}

    more: dict[str, tuple[int, ...]] = {"w": (w.size,)} | ({"h": ()} if milstein else {})
    return array_quantities.derive_arrays(system, ("diffusion", milstein), diffused, **more)


def _correction(system: System, noise: Noise, t, y, p, couplings) -> dict[str, Any]:
    """Of each block with noise ``c_i = sum_jk g_kj dg_ij/dy_k``: derivatives of the amplitudes along themselves."""
    import jax
    import jax.numpy as jnp

    def amplitudes(z, j):
        g = quantities.amplitudes_by_block(system, t, z, p, couplings)
        return {k: v[:, j] for k, v in g.items()} if noise.processes else g

    zero = {k: jnp.zeros(math.prod(shape)) for k, shape in system.state.items()}
    total: dict[str, Any] = {}
    for j in range(max(1, noise.processes)):
        along = jnp.concatenate(list((zero | amplitudes(y, j)).values()))
        for name, c in jax.jvp(lambda z, j=j: amplitudes(z, j), (y,), (along,))[1].items():
            total[name] = total[name] + c if name in total else c
    return total
