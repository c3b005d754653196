"""Straight-line scalar programs: what a traced function becomes before it is machine code.

A :class:`Program` is a list of scalar instructions in static single assignment: instruction *i*
defines value *i* and refers only to earlier ones. It is built through a :class:`Builder`, which
simplifies on the way (equal expressions are emitted once, constants are folded, products with 0
and 1 vanish), so that whatever lowers to a builder is partially evaluated for free.

The arithmetic is IEEE double precision, and it stays as written: code generation neither
reassociates nor contracts. Multiply-adds are fused here, by :meth:`Program.fused`, once and for all
vector widths, so that a value does not depend on the lane or the machine that computed it.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

FLOAT, INT, BOOL = "float", "int", "bool"

# operation -> (types of the arguments, type of the result)
_FF, _FFF = ((FLOAT,), FLOAT), ((FLOAT, FLOAT), FLOAT)
_II, _III = ((INT,), INT), ((INT, INT), INT)
_COMPARE = ((FLOAT, FLOAT), BOOL)
_COMPARE_INT = ((INT, INT), BOOL)
OPERATIONS: dict[str, tuple[tuple[str, ...], str]] = {
    # arithmetic; min and max return NaN if either argument is NaN, as jax.numpy does
    **dict.fromkeys(("neg", "abs", "sqrt", "floor", "ceil", "rint", "trunc"), _FF),
    **dict.fromkeys(("add", "sub", "mul", "div", "min", "max", "copysign"), _FFF),
    "fma": ((FLOAT, FLOAT, FLOAT), FLOAT),
    # functions of the vector mathematics (engine/vectormath.py)
    **dict.fromkeys(
        (
            *("exp", "expm1", "exp2", "log", "log1p", "log2", "logistic"),
            *("sin", "cos", "tan", "asin", "acos", "atan"),
            *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
            *("erf", "erfc", "cbrt"),
        ),
        _FF,
    ),
    **dict.fromkeys(("pow", "atan2", "fmod"), _FFF),
    # comparison (ordered: false where an argument is NaN, but for ne), choice, logic
    **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne"), _COMPARE),
    **dict.fromkeys(("ilt", "ile", "igt", "ige", "ieq", "ine"), _COMPARE_INT),
    "select": ((BOOL, FLOAT, FLOAT), FLOAT),
    "iselect": ((BOOL, INT, INT), INT),
    "bselect": ((BOOL, BOOL, BOOL), BOOL),
    **dict.fromkeys(("and", "or", "xor"), ((BOOL, BOOL), BOOL)),
    "not": ((BOOL,), BOOL),
    # 64-bit integers (two's complement, wrapping; shift counts below 64; idiv and irem truncate)
    **dict.fromkeys(("iadd", "isub", "imul", "idiv", "irem", "imin", "imax", "iand", "ior", "ixor"), _III),
    **dict.fromkeys(("ishl", "ilshr", "iashr"), _III),
    **dict.fromkeys(("ineg", "iabs"), _II),
    # conversion: to_int truncates and needs a finite argument in range; bits reinterpret
    "to_float": ((INT,), FLOAT),
    "to_int": ((FLOAT,), INT),
    "bool_to_float": ((BOOL,), FLOAT),
    "bool_to_int": ((BOOL,), INT),
    "bits": ((FLOAT,), INT),
    "from_bits": ((INT,), FLOAT),
}
_COMMUTATIVE = frozenset(
    ("add", "mul", "eq", "ne", "and", "or", "xor", "ieq", "ine")
    + ("iadd", "imul", "iand", "ior", "ixor", "imin", "imax")
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One scalar operation: ``op`` is in :data:`OPERATIONS`, or one of five others.

    ``arguments`` are the numbers of earlier instructions; ``type`` is one of FLOAT, INT, BOOL. ``"input"`` has the slot
    ``(block, index)`` as its ``payload``, ``"constant"`` its value. ``"lookup"`` takes the number at an index out of
    the :class:`Table` in its payload. ``"call"`` runs the program in its payload on all its inputs; ``"part"`` is the
    output number ``payload`` of such a call.
    """

    op: str
    arguments: tuple[int, ...]
    type: str
    payload: Any = None


class Table:
    """Numbers that a program looks up, flat; tables of the same numbers are equal."""

    def __init__(self, values: np.ndarray):
        self.values = np.ascontiguousarray(values, dtype=float).ravel()
        self.digest = hashlib.sha256(self.values.tobytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


@dataclass(frozen=True, eq=False)
class Program:
    """A straight-line program from named input blocks to named output blocks.

    ``inputs`` gives the number of scalars of each input block, ``outputs`` the values (numbers of
    instructions) of each output block; both are flat, in C order of the arrays they stand for.
    """

    instructions: tuple[Instruction, ...]
    inputs: dict[str, int]
    outputs: dict[str, tuple[int, ...]]

    @cached_property
    def size(self) -> int:
        """Number of operations (inputs and constants do not count)."""
        sizes = {"input": 0, "constant": 0, "part": 0}
        return sum(i.payload.size if i.op == "call" else sizes.get(i.op, 1) for i in self.instructions)  # type: ignore[attr-defined]

    @cached_property
    def digest(self) -> str:
        """Hash of what the program computes, the same in every process."""
        text = hashlib.sha256()
        for i in self.instructions:
            payload = i.payload
            if i.op in ("call", "lookup"):
                payload = payload.digest  # type: ignore[attr-defined]
            elif i.op == "constant" and i.type == FLOAT:
                payload = struct.pack("<d", payload).hex()
            text.update(f"{i.op}{i.arguments}{i.type}{payload};".encode())
        text.update(repr((sorted(self.inputs.items()), list(self.outputs.items()))).encode())
        return text.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __call__(self, **blocks: np.ndarray) -> dict[str, np.ndarray]:
        """Interpret the program with NumPy: blocks of shape ``(size, ...)``, elementwise in the rest.

        The slow, obvious meaning of a program; machine code is tested against it.
        """
        from .folding import apply

        values: list = []
        with np.errstate(all="ignore"):
            for i in self.instructions:
                if i.op == "input":
                    name, index = i.payload
                    values.append(np.asarray(blocks[name])[index])
                elif i.op == "constant":
                    values.append(i.payload)
                elif i.op == "call":
                    values.append(_run(i.payload, [values[a] for a in i.arguments]))  # type: ignore[arg-type]
                elif i.op == "part":
                    values.append(values[i.arguments[0]][i.payload])
                elif i.op == "lookup":
                    values.append(i.payload.values[values[i.arguments[0]]])
                else:
                    values.append(apply(i.op, *(values[a] for a in i.arguments)))
        return {
            name: np.array(np.broadcast_arrays(*(values[v] for v in ids))) if ids else np.zeros(0)
            for name, ids in self.outputs.items()
        }

    def fused(self) -> Program:
        """The same program with multiply-adds: ``a*b + c`` is one rounding if ``a*b`` has one use."""
        uses = [0] * len(self.instructions)
        for i in self.instructions:
            for a in i.arguments:
                uses[a] += 1
        for ids in self.outputs.values():
            for v in ids:
                uses[v] += 1
        builder = Builder()
        new: list[int] = []
        for name, size in self.inputs.items():
            builder.input(name, size)
        for i in self.instructions:
            fused = self._fuse(builder, new, uses, i) if i.op in ("add", "sub") else None
            new.append(builder.copy(i, new) if fused is None else fused)
        return builder.program({name: [new[v] for v in ids] for name, ids in self.outputs.items()})

    def _fuse(self, builder: Builder, new: list[int], uses: list[int], i: Instruction) -> int | None:
        def product(v: int) -> tuple[int, int] | None:
            factor = self.instructions[v]
            if factor.op == "mul" and uses[v] == 1:
                return new[factor.arguments[0]], new[factor.arguments[1]]
            return None

        a, b = i.arguments
        if (right := product(b)) is not None:
            x, y = right
            return builder.op("fma", builder.op("neg", x) if i.op == "sub" else x, y, new[a])
        if (left := product(a)) is not None:
            c = new[b]
            return builder.op("fma", *left, builder.op("neg", c) if i.op == "sub" else c)
        return None


def _run(program: Program, arguments: list) -> list:
    """Outputs of a program, one after the other, for its inputs, one after the other."""
    blocks, start = {}, 0
    for name, size in program.inputs.items():
        blocks[name] = np.array(np.broadcast_arrays(*arguments[start : start + size]))
        start += size
    return [row for block in program(**blocks).values() for row in block]


class Builder:
    """Writes a :class:`Program`; values are the numbers of instructions.

    >>> b = Builder()
    >>> (x, y) = b.input("x", 2)
    >>> b.program({"r": [b.add(b.mul(x, x), b.constant(1.0))]}).size
    2
    """

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.inputs: dict[str, int] = {}
        self._known: dict[Instruction, int] = {}
        self._constants: dict[tuple[str, object], int] = {}

    # -- leaves ------------------------------------------------------------------------------

    def input(self, name: str, size: int, type: str = FLOAT) -> list[int]:
        """Values of the input block ``name`` of ``size`` scalars (declared on first use)."""
        if self.inputs.setdefault(name, size) != size:
            raise ValueError(f"input block {name!r} has {self.inputs[name]} scalars, not {size}")
        return [self._emit(Instruction("input", (), type, (name, k))) for k in range(size)]

    def constant(self, value: float | int | bool) -> int:
        """A constant: ``bool``, ``int`` and ``float`` give values of the three types."""
        if isinstance(value, (bool, np.bool_)):
            type, value = BOOL, bool(value)
        elif isinstance(value, (int, np.integer)):
            type, value = INT, (int(value) + 2**63) % 2**64 - 2**63
        else:
            type, value = FLOAT, float(value)
        key = (type, struct.pack("<d", value) if type == FLOAT else value)
        if key not in self._constants:
            self._constants[key] = len(self.instructions)
            self.instructions.append(Instruction("constant", (), type, value))
        return self._constants[key]

    # -- operations --------------------------------------------------------------------------

    def op(self, name: str, *arguments: int) -> int:
        """Value of operation ``name`` (see :data:`OPERATIONS`), simplified where possible."""
        types, result = OPERATIONS[name]
        given = tuple(self.instructions[a].type for a in arguments)
        if given != types:
            raise TypeError(f"operation {name!r} takes {types}, not {given}")
        if all(self.instructions[a].op == "constant" for a in arguments):
            from .folding import apply

            with np.errstate(all="ignore"):
                value = apply(name, *(self.instructions[a].payload for a in arguments))
            return self.constant({FLOAT: float, INT: int, BOOL: bool}[result](value))
        simpler = self._simplify(name, arguments)
        if simpler is not None:
            return simpler
        if name in _COMMUTATIVE:
            arguments = tuple(sorted(arguments))
        return self._emit(Instruction(name, arguments, result))

    def __getattr__(self, name: str):
        """``builder.add(x, y)`` is ``builder.op("add", x, y)``; ``and_``, ``or_``, ``not_`` likewise."""
        operation = name.rstrip("_")
        if operation not in OPERATIONS:
            raise AttributeError(name)
        return lambda *arguments: self.op(operation, *arguments)

    def type(self, value: int) -> str:
        """FLOAT, INT or BOOL."""
        return self.instructions[value].type

    def sum(self, values: Iterable[int]) -> int:
        """Sum of values, as a balanced tree (short dependency chains, small rounding errors)."""
        values = list(values)
        if not values:
            return self.constant(0.0)
        while len(values) > 1:
            pairs = [self.op("add", a, b) for a, b in zip(values[::2], values[1::2], strict=False)]
            values = pairs + values[len(pairs) * 2 :]
        return values[0]

    def dot(self, a: Sequence[int], b: Sequence[int]) -> int:
        """Inner product of two sequences of values, zeros left out."""
        return self.sum(self.op("mul", x, y) for x, y in zip(a, b, strict=True))

    def inline(self, program: Program, inputs: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
        """Copy ``program`` with its input blocks bound to values; returns its output blocks."""
        new: list[int] = []
        for i in program.instructions:
            if i.op == "input":
                name, k = i.payload
                new.append(inputs[name][k])
            else:
                new.append(self.copy(i, new))
        return {name: [new[v] for v in ids] for name, ids in program.outputs.items()}

    def call(self, program: Program, inputs: dict[str, Sequence[int]]) -> dict[str, list[int]]:
        """As :meth:`inline`, but ``program`` becomes a function of its own: worth it if it is large."""
        arguments = tuple(v for name in program.inputs for v in inputs[name])
        result = self._emit(Instruction("call", arguments, FLOAT, program))
        outputs, number = {}, 0
        for name, ids in program.outputs.items():
            outputs[name] = [self._emit(Instruction("part", (result,), FLOAT, number + k)) for k in range(len(ids))]
            number += len(ids)
        return outputs

    def lookup(self, table: Table, index: int) -> int:
        """The number of a table at an index, which must lie within it."""
        if (known := self._constant_of(index)) is not None:
            return self.constant(float(table.values[known]))
        return self._emit(Instruction("lookup", (index,), FLOAT, table))

    def copy(self, i: Instruction, new: Sequence[int]) -> int:
        """Re-emit instruction ``i`` of another program whose values ``new`` translates."""
        if i.op == "constant":
            return self.constant(i.payload)
        if i.op == "input":
            return self._emit(i)
        if i.op in ("call", "part", "lookup"):
            return self._emit(Instruction(i.op, tuple(new[a] for a in i.arguments), i.type, i.payload))
        return self.op(i.op, *(new[a] for a in i.arguments))

    def program(self, outputs: Mapping[str, Sequence[int]]) -> Program:
        """The program that computes ``outputs``; what they do not need is dropped."""
        needed = [False] * len(self.instructions)
        stack = [v for ids in outputs.values() for v in ids]
        while stack:
            v = stack.pop()
            if not needed[v]:
                needed[v] = True
                stack.extend(self.instructions[v].arguments)
        new: dict[int, int] = {}
        kept: list[Instruction] = []
        for v, i in enumerate(self.instructions):
            if needed[v]:
                new[v] = len(kept)
                kept.append(Instruction(i.op, tuple(new[a] for a in i.arguments), i.type, i.payload))
        return Program(
            tuple(kept),
            dict(self.inputs),
            {name: tuple(new[v] for v in ids) for name, ids in outputs.items()},
        )

    # -- inside ------------------------------------------------------------------------------

    def _emit(self, instruction: Instruction) -> int:
        number = self._known.setdefault(instruction, len(self.instructions))
        if number == len(self.instructions):
            self.instructions.append(instruction)
        return number

    def _constant_of(self, value: int) -> Any:
        i = self.instructions[value]
        return i.payload if i.op == "constant" else None

    def _negated(self, value: int) -> int | None:
        i = self.instructions[value]
        return i.arguments[0] if i.op == "neg" else None

    def _simplify(self, name: str, arguments: tuple[int, ...]) -> int | None:
        """A value that equals ``name(arguments)``, or None. Products with 0 are 0 by agreement."""
        if name in ("select", "iselect", "bselect"):
            condition, a, b = arguments
            if a == b:
                return a
            chosen = self._constant_of(condition)
            return None if chosen is None else (a if chosen else b)
        if name == "fma":
            a, b, c = arguments
            if 0.0 in (self._constant_of(a), self._constant_of(b)):
                return c
            if self._constant_of(c) == 0.0:
                return self.op("mul", a, b)
            for x, y in ((a, b), (b, a)):
                if self._constant_of(x) == 1.0:
                    return self.op("add", y, c)
            return None
        if len(arguments) == 1:
            return self._negated(arguments[0]) if name == "neg" else None
        if len(arguments) != 2:
            return None
        a, b = arguments
        x, y = self._constant_of(a), self._constant_of(b)
        match name:
            case "add":
                if x == 0.0:
                    return b
                if y == 0.0:
                    return a
                if (n := self._negated(b)) is not None:
                    return self.op("sub", a, n)
                if (n := self._negated(a)) is not None:
                    return self.op("sub", b, n)
            case "sub":
                if y == 0.0:
                    return a
                if x == 0.0:
                    return self.op("neg", b)
                if (n := self._negated(b)) is not None:
                    return self.op("add", a, n)
            case "mul":
                if x == 0.0 or y == 0.0:
                    return self.constant(0.0)
                for constant, other in ((x, b), (y, a)):
                    if constant == 1.0:
                        return other
                    if constant == -1.0:
                        return self.op("neg", other)
            case "div":
                if x == 0.0:
                    return self.constant(0.0)
                if isinstance(y, float) and abs(y) > 1e-300 and np.frexp(y)[0] in (0.5, -0.5):
                    return self.op("mul", a, self.constant(1.0 / y))
            case "pow":
                return self._power(a, y)
            case "iadd":
                if x == 0 or y == 0:
                    return b if x == 0 else a
            case "imul":
                if x == 1 or y == 1:
                    return b if x == 1 else a
            case "and" | "or":
                for constant, other in ((x, b), (y, a)):
                    if constant is not None:
                        absorbing = constant is (name == "or")
                        return self.constant(name == "or") if absorbing else other
        return None

    def _power(self, base: int, exponent: object) -> int | None:
        """``base ** exponent`` without ``pow`` for halves of small integers."""
        if not isinstance(exponent, float) or not abs(exponent) <= 8 or 2 * exponent != int(2 * exponent):
            return None
        if exponent < 0:
            return self.op("div", self.constant(1.0), self.op("pow", base, self.constant(-exponent)))
        result = self.constant(1.0)
        whole, square = int(exponent), base
        while whole:
            if whole & 1:
                result = self.op("mul", result, square)
            whole >>= 1
            if whole:
                square = self.op("mul", square, square)
        if exponent != int(exponent):
            result = self.op("mul", result, self.op("sqrt", base))
        return result
