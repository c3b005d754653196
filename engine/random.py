"""Random numbers as programs: a function of a key and a counter, so that any of them can be computed at any time.

Threefry-2x64 with 13 rounds (J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, SC'11, 2011), the Box-Muller
transform. They are written in the operations of a `Builder`, or in those of `Arrays` on JAX arrays.
"""

from __future__ import annotations

import math
from typing import Any

from .program import Builder

ROTATIONS = (16, 42, 12, 31, 16, 32, 24, 21)
PARITY = 0x1BD11BDAA9FC1A22
ROUNDS = 13


def threefry(b: Any, key: tuple[Any, Any], counter: tuple[Any, Any], rounds: int = ROUNDS) -> tuple[Any, Any]:
    """Two random 64-bit integers of a key and a counter, of two 64-bit integers each."""
    keys = (*key, b.ixor(b.ixor(*key), b.constant(PARITY)))
    x, y = b.iadd(counter[0], keys[0]), b.iadd(counter[1], keys[1])
    for i in range(rounds):
        x = b.iadd(x, y)
        r = ROTATIONS[i % 8]
        y = b.ixor(b.ior(b.ishl(y, b.constant(r)), b.ilshr(y, b.constant(64 - r))), x)
        if i % 4 == 3:
            s = i // 4 + 1
            x = b.iadd(x, keys[s % 3])
            y = b.iadd(b.iadd(y, keys[(s + 1) % 3]), b.constant(s))
    return x, y


def normals(b: Builder, key: tuple[int, int], step: int, count: int) -> list[int]:
    """``count`` independent standard normal numbers of a key and the number of a step."""
    found: list[int] = []
    for pair in range(-(-count // 2)):
        found += normal_pair(b, *threefry(b, key, (step, b.constant(pair))))
    return found[:count]


def normal_pair(b: Any, first: Any, second: Any) -> tuple[Any, Any]:
    """Two independent standard normal numbers of two random integers."""
    radius = b.sqrt(b.mul(b.constant(-2.0), b.log(b.sub(b.constant(2.0), _in_one_to_two(b, first)))))
    angle = b.mul(b.constant(2 * math.pi), b.sub(_in_one_to_two(b, second), b.constant(1.5)))
    return b.mul(radius, b.cos(angle)), b.mul(radius, b.sin(angle))


def unit(b: Any, bits: Any) -> Any:
    """A number evenly distributed in [0, 1) of a random integer."""
    return b.sub(_in_one_to_two(b, bits), b.constant(1.0))


def _in_one_to_two(b: Any, bits: Any) -> Any:
    return b.from_bits(b.ior(b.ilshr(bits, b.constant(12)), b.constant(0x3FF0000000000000)))


class Arrays:
    """The operations of a `Builder` that random numbers need, on JAX arrays of 64 bits."""

    def __getattr__(self, name: str) -> Any:
        import jax
        import jax.numpy as jnp

        return {
            "constant": lambda value: value,
            "iadd": jnp.add,
            "ixor": jnp.bitwise_xor,
            "ior": jnp.bitwise_or,
            "ishl": jnp.left_shift,
            "ilshr": lambda x, k: jax.lax.shift_right_logical(x, jnp.full_like(x, k)),
            "from_bits": lambda x: jax.lax.bitcast_convert_type(x, jnp.float64),
            "sub": jnp.subtract,
            "mul": jnp.multiply,
            "sqrt": jnp.sqrt,
            "log": jnp.log,
            "cos": jnp.cos,
            "sin": jnp.sin,
        }[name]
