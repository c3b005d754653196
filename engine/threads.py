"""What threads that work on one thing together use in compiled drivers. Needs numba."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def add(typing, memory, amount):
    """Add to an integer that threads share; returns what it was."""

    def generate(context, builder, signature, arguments):
        return builder.atomic_rmw("add", arguments[0], arguments[1], "seq_cst")

    return types.int64(memory, types.int64), generate


@intrinsic
def get(typing, memory):
    """An integer that threads share."""

    def generate(context, builder, signature, arguments):
        return builder.load_atomic(arguments[0], "seq_cst", 8)

    return types.int64(memory), generate


@intrinsic
def rest(typing, address):
    """Let other threads run: call the C function at ``address``, which takes microseconds, if there is one."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(32)])
        with builder.if_then(builder.icmp_unsigned("!=", arguments[0], ir.Constant(ir.IntType(64), 0))):
            builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [ir.Constant(ir.IntType(32), 50)])
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(types.int64), generate
