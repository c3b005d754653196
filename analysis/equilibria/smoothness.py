"""Where a right-hand side is not smooth: which of its choices is undecided at a point."""

from __future__ import annotations

from typing import Any

from ...engine.errors import UnsupportedPrimitive
from ...engine.folding import apply
from .derivatives import LARGEST_UNROLLED, Equations, Vector

COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
STEPS = ("floor", "ceil", "rint", "trunc")
NEAR = 1e-6


def kinks(equations: Equations, z: Vector) -> list[str]:
    """Operations of the right-hand side that switch within a relative distance of 1e-6 of ``z``, in words.

    Those are absolute values, minima, maxima, comparisons and steps. Large systems, and those with tables,
    are not looked into.
    """
    if equations.n > LARGEST_UNROLLED:
        return []
    try:
        program = equations.system.program("rhs")
    except UnsupportedPrimitive:
        return []
    if any(i.op in ("call", "lookup") for i in program.instructions):
        return []
    blocks: dict[str, Any] = {"t": [0.0], "y": z[: equations.n], "p": equations.parameters(z)}
    values: list = []
    found = []
    for i in program.instructions:
        if i.op == "input":
            name, index = i.payload
            values.append(float(blocks[name][index]))
            continue
        if i.op == "constant":
            values.append(i.payload)
            continue
        a = [values[k] for k in i.arguments]
        values.append(apply(i.op, *a))
        if i.op == "abs" and abs(a[0]) < NEAR:
            found.append("an absolute value of 0")
        elif (i.op in COMPARISONS or i.op in ("min", "max")) and abs(a[0] - a[1]) <= NEAR * max(1.0, abs(a[0])):
            sign = COMPARISONS.get(i.op)
            found.append(f"{a[0]:.6g} {sign} {a[1]:.6g}" if sign else f"{i.op}({a[0]:.6g}, {a[1]:.6g})")
        elif i.op in STEPS and abs(a[0] - round(a[0])) < NEAR:
            found.append(f"{i.op}({a[0]:.6g})")
    return list(dict.fromkeys(found))
