"""Programs in two parts, and in the order that needs the fewest registers."""

from __future__ import annotations

from .program import BOOL, FLOAT, INT, Builder, Instruction, Program


def parted(program: Program, block: str) -> tuple[Program, Program]:
    """What does not depend on an input block, and the rest, which computes the output block of the same name.

    The first part has the further outputs ``known``, the numbers that the second takes from it. Worth it where the
    first is computed once for many values of the block.

    >>> b = Builder()
    >>> (x,), (v,) = b.input("x", 1), b.input("v", 1)
    >>> first, second = parted(b.program({"x": [b.exp(x)], "v": [b.mul(b.exp(x), v)]}), "v")
    >>> first.size, second.size
    (1, 1)
    """
    depends: list[bool] = []
    for i in program.instructions:
        depends.append(any(depends[a] for a in i.arguments) or (i.op == "input" and i.payload[0] == block))
    asked = {a for v, i in enumerate(program.instructions) if depends[v] for a in i.arguments}
    fixed = {v for v, i in enumerate(program.instructions) if i.op == "constant"}
    known = [v for v in sorted(asked.union(program.outputs[block]) - fixed) if not depends[v]]

    b = Builder()
    new = _copied(b, program, [v for v in range(len(depends)) if not depends[v]], {})
    outputs = {name: [new[v] for v in ids] for name, ids in program.outputs.items() if name != block}
    first = b.program({**outputs, "known": [_as_number(b, new[v]) for v in known]})

    b = Builder()
    given = dict(zip(known, b.input("known", len(known)), strict=True))
    given = {v: _from_number(b, number, program.instructions[v].type) for v, number in given.items()}
    new = _copied(b, program, [v for v in range(len(depends)) if depends[v] or v in fixed], given)
    return first, b.program({block: [new[v] for v in program.outputs[block]]})


def depth_first(program: Program) -> Program:
    """The same program, each value computed right before its first use, one output after the other.

    Where outputs depend on their neighbours alone, as in chains, few values wait at a time, even over all stages of a
    step.
    """
    order: dict[int, int] = {}
    for root in (v for ids in program.outputs.values() for v in ids):
        waiting = [root]
        while waiting:
            v = waiting[-1]
            missing = [a for a in program.instructions[v].arguments if a not in order]
            if missing:
                waiting.append(missing[0])
            else:
                order.setdefault(v, len(order))
                waiting.pop()
    instructions = []
    for v in order:
        i = program.instructions[v]
        instructions.append(Instruction(i.op, tuple(order[a] for a in i.arguments), i.type, i.payload))
    outputs = {name: tuple(order[v] for v in ids) for name, ids in program.outputs.items()}
    return Program(tuple(instructions), dict(program.inputs), outputs)


def _copied(b: Builder, program: Program, values: list[int], new: dict[int, int]) -> dict[int, int]:
    """Write some values of a program; ``new`` has those that they take from elsewhere."""
    new = dict(new)
    for v in values:
        i = program.instructions[v]
        if i.op == "input":
            name, k = i.payload
            new[v] = b.input(name, program.inputs[name], i.type)[k]
        else:
            new[v] = b.copy(i, new)  # type: ignore[arg-type]
    return new


def _as_number(b: Builder, value: int) -> int:
    return {FLOAT: lambda v: v, BOOL: b.bool_to_float, INT: b.from_bits}[b.type(value)](value)


def _from_number(b: Builder, number: int, kind: str) -> int:
    return {FLOAT: lambda v: v, BOOL: lambda v: b.gt(v, b.constant(0.5)), INT: b.bits}[kind](number)
