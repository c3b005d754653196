"""What drivers use besides plain Python: calls of kernels by their address. Needs numba."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

Doubles = types.CPointer(types.float64)
Integers = types.CPointer(types.int64)
Narrow = types.CPointer(types.int32)


@intrinsic
def call(typing, kernel, work, out, a, b):
    """Call a kernel (see :mod:`attrax.engine.native`); ``work`` and ``out`` are Doubles."""

    def generate(context, builder, signature, arguments):
        integer, pointer = ir.IntType(64), arguments[1].type
        kind = ir.FunctionType(integer, [pointer, pointer, integer, integer])
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])

    return types.int64(types.int64, work, out, types.int64, types.int64), generate


@intrinsic
def at(typing, memory, offset):
    """The memory that begins ``offset`` elements further on."""

    def generate(context, builder, signature, arguments):
        return builder.gep(arguments[0], [arguments[1]])

    return memory(memory, types.int64), generate


@intrinsic
def doubles(typing, address):
    """The memory at an address."""

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return Doubles(types.int64), generate


@intrinsic
def integers(typing, address):
    """The memory of integers at an address."""

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return Integers(types.int64), generate


@intrinsic
def narrow(typing, address):
    """The memory of integers of 32 bits at an address."""

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return Narrow(types.int64), generate


@intrinsic
def lowest(typing, bits):
    """Number of the lowest bit that is set."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), generate
