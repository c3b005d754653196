"""Random numbers as programs: a function of a key and a counter, so that any of them can be computed at any time.

Threefry-2x64 with 13 rounds (J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, SC'11, 2011), the Box-Muller
transform. They are written in the operations of a `Builder`, or in those of `Arrays` on JAX arrays.

Noise needs a great many normal numbers, so each 64 random bits make two: 52 bits the radius, of which the last 20 are
shared with the 32 of the angle. They reach to 8.4 standard deviations; logarithm, sine and cosine are polynomials that
err by less than a part in 2**32, as fine as the angles are spaced.
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
    groups = [four_normals(b, key, step, b.constant(group)) for group in range(-(-count // 4))]
    return [number for group in groups for number in group][:count]


def four_normals(b: Builder, key: tuple[int, int], step: int, group: int) -> list[int]:
    """The numbers ``4 group`` to ``4 group + 3`` of a key and a step."""
    return [number for bits in threefry(b, key, (step, group)) for number in _two_normals(b, bits)]


def _two_normals(b: Builder, bits: int) -> tuple[int, int]:
    """``sqrt(-2 log u) (cos a, sin a)`` with the angle a of a quadrant, and two random signs."""
    radius = b.sqrt(_minus_log(b, b.sub(b.constant(2.0), _in_one_to_two(b, bits))))
    thirty = b.from_bits(b.ior(b.iand(b.ishl(bits, b.constant(22)), b.constant(_FRACTION)), b.constant(_ONE)))
    turn = b.sub(thirty, b.constant(1.5))  # a = pi/4 + pi/2 turn
    square = b.mul(turn, turn)
    sine, cosine = b.mul(turn, _polynomial(b, square, _SINE)), _polynomial(b, square, _COSINE)
    found = b.mul(radius, b.sub(cosine, sine)), b.mul(radius, b.add(cosine, sine))
    signs = [b.iand(b.ishl(bits, b.constant(shift)), b.constant(_SIGN)) for shift in (32, 33)]
    x, y = (b.from_bits(b.ixor(b.bits(v), sign)) for v, sign in zip(found, signs, strict=True))
    return x, y


def _minus_log(b: Builder, u: int) -> int:
    """``-log(u)`` for u in (0, 1] and no smaller than 2**-52: ``u = 2**k (1 + f)``, 1 + f near 1."""
    bits = b.iadd(b.bits(u), b.constant(_ONE - _SQRT_HALF))
    k = b.sub(b.from_bits(b.ior(b.ilshr(bits, b.constant(52)), b.constant(_TWO52))), b.constant(2.0**52 + 1023.0))
    f = b.sub(b.from_bits(b.iadd(b.iand(bits, b.constant(_FRACTION)), b.constant(_SQRT_HALF))), b.constant(1.0))
    return b.fma(k, b.constant(-math.log(2)), b.mul(f, _polynomial(b, f, _LOG)))


def _polynomial(b: Builder, x: int, coefficients: tuple[float, ...]) -> int:
    """Even and odd powers apart, which takes half as long."""
    square, sums = b.mul(x, x), []
    for some in (coefficients[::2], coefficients[1::2]):
        total = b.constant(some[-1])
        for c in some[-2::-1]:
            total = b.fma(total, square, b.constant(c))
        sums.append(total)
    return b.fma(sums[1], x, sums[0])


_ONE, _SQRT_HALF, _TWO52 = 0x3FF0000000000000, 0x3FE6A09E667F3BCD, 0x4330000000000000
"""The numbers 1, sqrt(1/2) and 2**52 as bits."""
_FRACTION, _SIGN = 2**52 - 1, -(2**63)
_SINE = (
    1.5707963267881,
    -0.6459640961467954,
    0.07969258272563062,
    -0.004681266256726245,
    0.00015820630355647733,
)
_COSINE = (
    0.9999999999524894,
    -1.2337005406331623,
    0.2536692036551135,
    -0.02086006950026408,
    0.0009036280663802505,
)
_LOG = (
    -1.000000000048012,
    0.5000000030845538,
    -0.3333333084628052,
    0.24999936585814816,
    -0.2000016963794254,
    0.16670383652377296,
    -0.14283798395270253,
    0.12410885665961421,
    -0.11042736039719009,
    0.10898112577877182,
    -0.10636542375579953,
    0.058456713350896375,
)
"""Of sin(pi/2 x) / x and cos(pi/2 x), abs(x) < 1/2, in x**2; of -log(1 + x) / x, 1 + x between sqrt(1/2) and sqrt(2):
interpolated at the zeros of Chebyshev's polynomials."""


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
