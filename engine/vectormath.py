"""Elementary functions as branch-free straight-line programs, for any number of lanes at once.

Each function is written with arithmetic, comparisons and integer operations only, so that its machine
code is vector code; special cases are selects. Results are within 2 units in the last place of the
exact value over the whole range, subnormal numbers included, and follow C99 at zeros, infinities and NaN.

The methods are the classical ones (W. J. Cody and W. Waite, *Software Manual for the Elementary
Functions*, 1980; J.-M. Muller, *Elementary Functions*, 3rd ed., 2016): the argument is reduced by
subtracting multiples of a constant given in several parts, each product exact in a fused multiply-add;
a polynomial approximates the function on what is left; the result is scaled by a power of two. The
coefficients minimise the largest relative error (C. L. Lawson's iteration); they are rounded to doubles
one after the other, lowest degree first, the higher ones being fitted anew each time. Polynomials are
summed in Estrin's order. Where twice the precision is needed, numbers are unevaluated sums
(T. J. Dekker, Numer. Math. 18, 1971).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .arithmetic import (
    Number,
    at_most,
    bits_of,
    clamp,
    copysign,
    equal,
    exact_square,
    fast_two_sum,
    fma,
    from_bits,
    polynomial,
    select,
    sqrt,
    sqrt_sum,
    trunc,
    two_sum,
)
from .program import Builder

_INF, _NAN = math.inf, math.nan


def expand(builder: Builder, op: str, *arguments: int) -> int:
    """Value of the mathematical operation ``op``, written with primitive operations.

    Parameters
    ----------
    builder
        Receives the instructions.
    op
        A key of :data:`EXPANSIONS`.
    arguments
        Values of type FLOAT.
    """
    return EXPANSIONS[op](*(Number(builder, v) for v in arguments)).value


def rough_log2(builder: Builder, x: int, factor: float, addend: int) -> int:
    """``addend + factor * log2(x)`` for ``x >= 0``, the logarithm to 0.05.

    That of 0 is about -1023, that of infinity or NaN 1024 or more. The bits of a number, read as an
    integer, are its logarithm but for a small error.
    """
    bits = builder.ior(builder.ilshr(builder.bits(x), builder.constant(11)), builder.constant(_TWO52_BITS))
    offset = builder.constant(factor * (2048.0 + 1023.0 - 0.043))
    return builder.fma(builder.from_bits(bits), builder.constant(factor * 2.0**-41), builder.sub(addend, offset))


def rough_exp2(builder: Builder, x: int) -> int:
    """``2**x`` for ``abs(x) < 1000``, exact for integers, up to 6.2 % too large in between."""
    fixed = builder.bits(builder.add(x, builder.constant(1.5 * 2.0**32)))
    return builder.from_bits(builder.iadd(builder.ishl(fixed, builder.constant(32)), builder.constant(_ONE_BITS)))


# -- exponentials --------------------------------------------------------------------------------------


def _exp(x: Number) -> Number:
    k, _, r, _ = _reduce_exp(clamp(x, -746.0, 710.0))
    first, second = _power_of_two(k)
    return fma(first, r + _exp_tail(r), first) * second


def _exp2(x: Number) -> Number:
    x = clamp(x, -1080.0, 1025.0)
    k = x + _MAGIC
    r = x - (k - _MAGIC)
    first, second = _power_of_two(k)
    return fma(first, fma(r, _LN2, (r * r) * polynomial(r, _EXP2)), first) * second


def _expm1(x: Number) -> Number:
    k, _, r, _ = _reduce_exp(clamp(x, -40.0, 710.0))
    half = from_bits((bits_of(k) << 52) + _HALF_BITS)
    y = 2.0 * fma(half, _exp_tail(r), fma(half, r, half - 0.5))
    return select(abs(x) < 2.0**-54, x, y)


def _logistic(x: Number) -> Number:
    """With ``exp(-x) = 2**k (1 + q)``: ``1 / (1 + 2**k (1 + q))``, or ``2**-k / (1 + q + 2**-k)``."""
    _, k, r, _ = _reduce_exp(clamp(-x, -746.0, 746.0))
    first, second = _power_of_two(_MAGIC - abs(k))
    scale = first * second
    small = k < 0.0
    numerator = select(small, 1.0, scale)
    q = r + (_exp_tail(r) + select(scale < 2.0**-52, numerator, 0.0))  # what 1 + scale would lose
    return numerator / fma(select(small, scale, 1.0), q, 1.0 + scale)


def _tanh(x: Number) -> Number:
    """``(exp(2a) - 1) / (exp(2a) + 1)`` for ``a = abs(x)``, and one step of refinement."""
    a = abs(x)
    k, _, r, low = _reduce_exp(at_most(a + a, 40.0))
    scale = from_bits((bits_of(k) << 52) + _ONE_BITS)
    numerator = fma(scale, r + (_exp_tail(r) + low), scale - 1.0)
    y = numerator / (numerator + 2.0)
    residue = fma(-y, numerator, fma(y, -2.0, numerator))
    y = fma(residue, fma(y, -0.5, 0.5), y)  # the reciprocal of the denominator is (1 - y) / 2
    return copysign(at_most(y, 1.0), x)


def _sinh(x: Number) -> Number:
    even, r, bend, low, plus, minus = _hyperbolic_parts(x)
    y = 4.0 * (fma(plus, r, minus) + fma(minus, even, plus * (bend + low)))
    return select(abs(x) < 2.0**-28, x, copysign(y, x))


def _cosh(x: Number) -> Number:
    even, r, bend, _, plus, minus = _hyperbolic_parts(x)
    return 4.0 * (fma(minus, r, plus) + fma(plus, even, minus * bend))


def _hyperbolic_parts(x: Number) -> tuple[Number, ...]:
    """For ``abs(x) = k log(2) + r``: ``cosh(r) - 1``; r, ``sinh(r) - r`` and what r lacks; and a quarter
    of ``(2**k + 2**-k) / 2`` and of ``(2**k - 2**-k) / 2``, so that nothing overflows too early."""
    shifted, k, r, low = _reduce_exp(at_most(abs(x), 711.0))
    bits = bits_of(shifted) << 52
    large = from_bits(bits + _EIGHTH_BITS)
    small = select(k < 100.0, from_bits(_EIGHTH_BITS - bits), 0.0)
    z = r * r
    even, bend = z * polynomial(z, _COSH), (r * z) * polynomial(z, _SINH)
    return even, r, bend, low, large + small, large - small


def _reduce_exp(x: Number) -> tuple[Number, Number, Number, Number]:
    """``x = k log(2) + r + low``: k plus the magic number, k, r with ``abs(r) <= log(2)/2``, and low."""
    shifted = fma(x, 1.0 / math.log(2.0), _MAGIC)
    k = shifted - _MAGIC
    exact = fma(k, -_LN2, x)
    r = fma(k, -_LN2_LOW, exact)
    return shifted, k, r, fma(k, -_LN2_LOW, exact - r)


def _exp_tail(r: Number) -> Number:
    """``exp(r) - 1 - r`` for ``abs(r) <= log(2)/2``."""
    return (r * r) * polynomial(r, _EXP)


def _power_of_two(shifted: Number) -> tuple[Number, Number]:
    """Two normal numbers whose product is ``2**k``, for k plus the magic number, ``abs(k) < 2000``."""
    bits = bits_of(shifted)
    half = (bits >> 1) << 52
    return from_bits(half + _ONE_BITS), from_bits(((bits << 52) - half) + _ONE_BITS)


# -- logarithms ----------------------------------------------------------------------------------------


def _log(x: Number) -> Number:
    k, f = _split(x)
    first = fma(k, _LN2, f)
    return _log_limits(x, first + fma(k, _LN2_LOW, -_log_bend(f)))


def _log2(x: Number) -> Number:
    k, f = _split(x)
    bend = _log_bend(f)
    high = f - bend
    low = (f - high) - bend
    scaled = high * _LOG2E
    low = fma(high, _LOG2E, -scaled) + fma(low, _LOG2E, high * _LOG2E_LOW)
    total = k + scaled
    return _log_limits(x, total + (((k - total) + scaled) + low))


def _log1p(x: Number) -> Number:
    u = 1.0 + x
    lost = select(x < 1.0, x - (u - 1.0), 1.0 - (u - x))
    return select(abs(x) < 2.0**-54, x, _log_sum(u, lost))


def _asinh(x: Number) -> Number:
    """``log(a + sqrt(a**2 + 1))`` for ``a = abs(x)``."""
    a = abs(x)
    huge = a > 2.0**500
    square, square_low = exact_square(a)
    inside, inside_low = two_sum(square, 1.0)
    root, root_low = sqrt_sum(inside, inside_low + square_low)
    u, low = fast_two_sum(root, a)
    y = _log_sum(select(huge, a, u), select(huge, 0.0, low + root_low), select(huge, 1.0, 0.0))
    return select(a < 2.0**-28, x, copysign(y, x))


def _acosh(x: Number) -> Number:
    """``log(x + sqrt(x**2 - 1))``."""
    huge = x > 2.0**500
    square, square_low = exact_square(x)
    inside, inside_low = fast_two_sum(square, -1.0)
    root, root_low = sqrt_sum(inside, inside_low + square_low)
    u, low = fast_two_sum(x, root)
    y = _log_sum(select(huge, x, u), select(huge, 0.0, low + root_low), select(huge, 1.0, 0.0))
    return select(x < 1.0, _NAN, y)


def _atanh(x: Number) -> Number:
    """``log(1 + 2a / (1 - a)) / 2`` for ``a = abs(x)``."""
    a = abs(x)
    d = 1.0 - a
    reciprocal = 1.0 / d
    w = (a + a) * reciprocal
    w_low = fma(-w, (1.0 - d) - a, fma(-w, d, a + a)) * reciprocal
    u, low = two_sum(w, 1.0)
    return select(a < 2.0**-28, x, copysign(0.5 * _log_sum(u, low + w_low), x))


def _log_sum(x: Number, low: Number, octaves: Number | float = 0.0) -> Number:
    """``log(x + low) + octaves * log(2)`` for a normal x and a low of at most its last bit."""
    k, f, exponent = _split_normal(x)
    scaled = (0.5 * low) * from_bits(_EXPONENT - exponent)
    total = f + scaled
    k = k + octaves
    rest = fma(k, _LN2_LOW, (f - total) + scaled)
    return _log_limits(x, fma(k, _LN2, total) + (rest - _log_bend(total)))


def _log_bend(f: Number) -> Number:
    """``f - log(1 + f)`` for ``1 + f`` between the square roots of 1/2 and 2, as in fdlibm."""
    s = f / (2.0 + f)
    z = s * s
    return s * (f - z * polynomial(z, _LOG))


def _log_limits(x: Number, y: Number) -> Number:
    """``y`` where x is positive and finite, else the logarithm's limits."""
    y = select(x < _INF, y, x)
    return select(x > 0.0, y, select(equal(x, 0.0), -_INF, _NAN))


def _split(x: Number) -> tuple[Number, Number]:
    """``x = 2**k (1 + f)`` for a positive number, ``1 + f`` between the square roots of 1/2 and 2."""
    subnormal = x < 2.0**-1022
    k, f, _ = _split_normal(select(subnormal, x * 2.0**54, x))
    return k - select(subnormal, 54.0, 0.0), f


def _split_normal(x: Number) -> tuple[Number, Number, Number]:
    """``k``, ``f`` and ``2**k`` as the bits of an exponent, for a positive normal number."""
    bits = bits_of(x) + (_ONE_BITS - _SQRT_HALF_BITS)
    k = from_bits((bits >> 52) | _TWO52_BITS) - (_TWO52 + 1023.0)
    return k, from_bits((bits & _FRACTION) + _SQRT_HALF_BITS) - 1.0, bits & _EXPONENT


# -- powers --------------------------------------------------------------------------------------------


def _pow(x: Number, y: Number) -> Number:
    """``exp(y log(abs(x)))`` with the logarithm and the product in twice the precision."""
    a = abs(x)
    high, low = _log_double(a)
    high = select(equal(a, 0.0), -_INF, select(a < _INF, high, a))
    bounded = clamp(y, -(2.0**65), 2.0**65)
    product = bounded * high
    rest = fma(bounded, high, -product) + bounded * low
    exponent = clamp(product, -746.0, 710.0)
    power = _exp_double(exponent, select(equal(exponent, product), rest, 0.0))

    whole = equal(trunc(y), y)
    half = 0.5 * y
    odd = whole & ~equal(trunc(half), half)
    negative = (x < 0.0) & (x > -_INF)
    power = select(negative & ~whole, _NAN, power)
    power = select(odd, copysign(power, x), power)
    return select(equal(y, 0.0) | equal(x, 1.0), 1.0, power)


def _log_double(x: Number) -> tuple[Number, Number]:
    """``log(x)`` of a positive finite number as a sum of two, with a relative error near 2**-65."""
    k, f = _split(x)
    # s = f / (2 + f)
    d = 2.0 + f
    reciprocal = 1.0 / d
    s = f * reciprocal
    s_low = fma(-s, f - (d - 2.0), fma(-s, d, f)) * reciprocal
    # z = s**2; series = 2/3 + 2/5 z + ...
    z = s * s
    z_low = fma(s, s, -z) + (s + s) * s_low
    rest = z * polynomial(z, _LOG_DOUBLE)
    series = 2.0 / 3.0 + rest
    series_low = ((2.0 / 3.0 - series) + rest) + _TWO_THIRDS_LOW
    # log(1 + f) = s (2 + z series)
    bend = z * series
    bend_low = fma(z, series, -bend) + fma(z, series_low, z_low * series)
    factor = 2.0 + bend
    factor_low = ((2.0 - factor) + bend) + bend_low
    log = s * factor
    log_low = fma(s, factor, -log) + fma(s, factor_low, s_low * factor)
    # + k log 2
    exact = k * _LN2_SHORT
    high = exact + log
    return high, ((exact - high) + log) + fma(k, _LN2_REST, log_low)


def _exp_double(high: Number, low: Number) -> Number:
    """``exp(high + low)`` for high between -746 and 710."""
    shifted, r, rest = _reduce_exp_double(high, low)
    first, second = _power_of_two(shifted)
    return fma(first, r + (_exp_tail(r) + rest), first) * second


def _reduce_exp_double(high: Number, low: Number) -> tuple[Number, Number, Number]:
    """``high + low = k log(2) + r + rest``: k plus the magic number, r and the rest."""
    shifted = fma(high, 1.0 / math.log(2.0), _MAGIC)
    k = shifted - _MAGIC
    r, rest = fast_two_sum(fma(k, -_LN2, high), fma(k, -_LN2_LOW, low))
    return shifted, r, rest


# -- circular functions --------------------------------------------------------------------------------


def _sin(x: Number) -> Number:
    a = abs(x)
    shifted = fma(a, 1.0 / math.pi, _MAGIC)
    k = shifted - _MAGIC
    r = a
    for part in _PI:
        r = fma(k, -part, r)
    sign = (bits_of(x) & _SIGN) ^ (bits_of(shifted) << 63)
    return from_bits(bits_of(_sin_half_turn(r)) ^ sign)


def _cos(x: Number) -> Number:
    """``cos(x) = (-1)**(j+1) sin(x - (2j+1) pi/2)``."""
    a = abs(x)
    shifted = fma(a, 1.0 / math.pi, -0.5) + _MAGIC
    k = fma(shifted - _MAGIC, 2.0, 1.0)
    r = a
    for part in _PI:
        r = fma(k, -0.5 * part, r)
    return from_bits(bits_of(-_sin_half_turn(r)) ^ (bits_of(shifted) << 63))


def _sin_half_turn(r: Number) -> Number:
    """``sin(r)`` between -pi/2 and pi/2."""
    z = r * r
    bend = fma(z, -1.0 / 6.0, (z * z) * polynomial(z, _SIN))
    return fma(r, bend, r)


def _tan(x: Number) -> Number:
    """Sine over cosine of ``abs(x) - k pi/2``, or minus its reciprocal for an odd k."""
    a = abs(x)
    shifted = fma(a, 2.0 / math.pi, _MAGIC)
    k = shifted - _MAGIC
    product = k * (0.5 * _PI[1])
    r, low = two_sum(fma(k, -0.5 * _PI[0], a), -product)
    low = fma(k, -0.5 * _PI[2], low - fma(k, 0.5 * _PI[1], -product))

    z = r * r
    half = 0.5 * z
    sine, sine_low = fast_two_sum(r, fma(r * z, polynomial(z, _SIN_QUARTER), low))
    cosine = 1.0 - half
    rest = fma(z * z, polynomial(z, _COS_QUARTER), -(r * low))
    cosine, cosine_low = fast_two_sum(cosine, ((1.0 - cosine) - half) + rest)

    bits = bits_of(shifted) << 63
    odd = bits < 0
    numerator, denominator = select(odd, cosine, sine), select(odd, sine, cosine)
    reciprocal = 1.0 / denominator
    y = numerator * reciprocal
    residue = fma(-y, denominator, numerator) + select(odd, cosine_low, sine_low)
    residue = fma(-y, select(odd, sine_low, cosine_low), residue)
    y = fma(residue, reciprocal, y)
    return from_bits(bits_of(y) ^ ((bits_of(x) & _SIGN) ^ bits))


def _far(builder: Builder, x: int) -> int:
    a = abs(Number(builder, x))
    return ((a > 2.0**30) & (a < _INF)).value


# -- inverse circular functions ------------------------------------------------------------------------


def _asin(x: Number) -> Number:
    """For ``a = abs(x)`` above 1/2, ``pi/2 - 2 asin(sqrt((1 - a) / 2))``."""
    a = abs(x)
    large = a > 0.5
    z = select(large, fma(a, -0.5, 0.5), a * a)
    s = select(large, -2.0 * sqrt(z), a)
    rest = fma(s * z, polynomial(z, _ASIN), select(large, _HALF_PI_LOW, 0.0))
    return copysign(select(large, _HALF_PI, 0.0) + (s + rest), x)


def _acos(x: Number) -> Number:
    a = abs(x)
    large = a > 0.5
    z = select(large, fma(a, -0.5, 0.5), a * a)
    s = select(large, copysign(2.0 * sqrt(z), x), -x)
    quarters = select(large, select(x < 0.0, 2.0, 0.0), 1.0)
    rest = fma(s * z, polynomial(z, _ASIN), quarters * _HALF_PI_LOW)
    return fma(quarters, _HALF_PI, s + rest)


def _atan(x: Number) -> Number:
    octants, t, rest = _arc(abs(x), x.constant(1.0))
    return copysign(fma(octants, 0.5 * _HALF_PI, t + fma(octants, 0.5 * _HALF_PI_LOW, rest)), x)


def _atan2(y: Number, x: Number) -> Number:
    a, b = abs(y), abs(x)
    alike = equal(a, b) & ~((a > 0.0) & (a < _INF))
    huge = (a > 2.0**1000) | (b > 2.0**1000)
    tiny = (a < 2.0**-900) & (b < 2.0**-900)
    scale = select(huge, 2.0**-100, select(tiny, 2.0**100, 1.0))
    octants, t, rest = _arc(select(alike, at_most(a, 1.0), a * scale), select(alike, 1.0, b * scale))
    back = bits_of(x) < 0
    octants = select(back, 4.0 - octants, octants)
    t, rest = select(back, -t, t), select(back, -rest, rest)
    return copysign(fma(octants, 0.5 * _HALF_PI, t + fma(octants, 0.5 * _HALF_PI_LOW, rest)), y)


def _arc(a: Number, b: Number) -> tuple[Number, Number, Number]:
    """``atan(a/b)`` is so many eighths of a turn, and t and the rest, for positive numbers.

    The eighths are 0 up to a ratio of 1/2, 2 above ``1 + sqrt(2)``, and 1 in between.
    """
    middle, steep = a > 0.5 * b, a > 2.414213562373095 * b
    numerator = select(steep, -b, select(middle, a - b, a))
    denominator = select(steep, a, select(middle, a + b, b))
    t = numerator / denominator
    z = t * t
    return select(steep, 2.0, select(middle, 1.0, 0.0)), t, (t * z) * polynomial(z, _ATAN)


# -- error functions -----------------------------------------------------------------------------------


def _erf(x: Number) -> Number:
    a = abs(x)
    return copysign(select(a < 0.75, _erf_near(a), 1.0 - _erfc_positive(a)), x)


def _erfc(x: Number) -> Number:
    a = abs(x)
    far = _erfc_positive(a)
    return select(a < 0.47, 1.0 - _erf_near(x), select(x < 0.0, 2.0 - far, far))


def _erf_near(x: Number) -> Number:
    return fma(x, polynomial(x * x, _ERF), x)


def _erfc_positive(a: Number) -> Number:
    """``exp(-a**2) g / (1 + 2a)``, where g hardly varies and is a polynomial in ``(a - 4) / (a + 4)``
    (M. M. Shepherd and J. G. Laframboise, Math. Comput. 36, 1981)."""
    a = at_most(a, 27.5)
    t = (a - 4.0) / (a + 4.0)
    d = fma(a, 2.0, 1.0)
    reciprocal = 1.0 / d
    bend = t * polynomial(t, _ERFC)
    g = bend + _ERFC_MIDDLE
    g_low = bend - (g - _ERFC_MIDDLE) + _ERFC_MIDDLE_LOW
    w = g * reciprocal
    w_low = fma(-w, fma(a, 2.0, 1.0 - d), fma(-w, d, g)) + g_low

    square, square_low = exact_square(a)
    shifted, r, rest = _reduce_exp_double(-square, -square_low)
    q = r + (_exp_tail(r) + rest)
    first, second = _power_of_two(shifted)
    return ((w + fma(w, q, w_low * reciprocal)) * first) * second


# -- roots and remainders ------------------------------------------------------------------------------


def _cbrt(x: Number) -> Number:
    """Reciprocal cube root by a polynomial and a step of third order; then a step for the cube root."""
    a = abs(x)
    k, f = _split(a)
    thirds = fma(k, 1.0 / 3.0, -1.0 / 3.0) + _MAGIC
    whole = thirds - _MAGIC
    left = fma(whole, -3.0, k)
    m = 1.0 + f
    y = polynomial(m, _CBRT)
    one, two = left > 0.5, left > 1.5
    m = m * select(two, 4.0, select(one, 2.0, 1.0))
    y = y * select(two, 0.6299605249474366, select(one, 0.7937005259840998, 1.0))
    error = fma(-m, (y * y) * y, 1.0)
    y = fma(y * error, fma(error, 2.0 / 9.0, 1.0 / 3.0), y)
    square = y * y
    c = m * square
    cc, cc_low = exact_square(c)
    residue = fma(-c, cc_low, fma(-c, cc, m))
    c = fma(residue, square * (1.0 / 3.0), c)
    c = c * from_bits((bits_of(thirds) << 52) + _ONE_BITS)
    return select((a > 0.0) & (a < _INF), copysign(c, x), x)


def _fmod(x: Number, y: Number) -> Number:
    """The rest of a division with a quotient below 2**53; off by one divisor if the quotient was rounded."""
    a, b = abs(x), abs(y)
    rest = fma(-trunc(a / b), b, a)
    rest = select(rest < 0.0, rest + b, rest)
    return copysign(select(a < b, a, rest), x)


def _many(builder: Builder, x: int, y: int) -> int:
    a, b = abs(Number(builder, x)), abs(Number(builder, y))
    return ((a / b > _TWO52) & ((a < _INF) & (b > 0.0))).value


# -- tables --------------------------------------------------------------------------------------------

EXPANSIONS: dict[str, Callable[..., Number]] = {
    "exp": _exp,
    "exp2": _exp2,
    "expm1": _expm1,
    "logistic": _logistic,
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": _tanh,
    "log": _log,
    "log2": _log2,
    "log1p": _log1p,
    "asinh": _asinh,
    "acosh": _acosh,
    "atanh": _atanh,
    "pow": _pow,
    "sin": _sin,
    "cos": _cos,
    "tan": _tan,
    "asin": _asin,
    "acos": _acos,
    "atan": _atan,
    "atan2": _atan2,
    "erf": _erf,
    "erfc": _erfc,
    "cbrt": _cbrt,
    "fmod": _fmod,
}
"""How each mathematical operation is written."""

RARE: dict[str, tuple[Callable[..., int], str]] = {
    "sin": (_far, "sin"),
    "cos": (_far, "cos"),
    "tan": (_far, "tan"),
    "fmod": (_many, "fmod"),
}
"""``guard(builder, *arguments)`` tells where an expansion does not serve, and which C function does."""


# -- constants -----------------------------------------------------------------------------------------

_TWO52 = 2.0**52
_MAGIC = 1.5 * _TWO52
"""Adding it rounds to an integer, which then stands in the low bits."""

_TWO52_BITS = 0x4330000000000000
_ONE_BITS = 0x3FF0000000000000
_HALF_BITS = 0x3FE0000000000000
_EIGHTH_BITS = 0x3FC0000000000000
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_FRACTION = 0x000FFFFFFFFFFFFF
_EXPONENT = 0x7FF0000000000000
_SIGN = -(2**63)

_LN2, _LN2_LOW = 0.6931471805599453, 2.3190468138462996e-17
_LN2_SHORT, _LN2_REST = 0.6931471805598903, 5.497923018708371e-14  # 42 bits and what they lack
_LOG2E, _LOG2E_LOW = 1.4426950408889634, 2.0355273740931033e-17
_HALF_PI, _HALF_PI_LOW = 1.5707963267948966, 6.123233995736766e-17
_TWO_THIRDS_LOW = 3.700743415417188e-17
_PI = (3.141592653589793, 1.224646799147353e-16, 2.1657133478438278e-32)

# (exp(r) - 1 - r) / r**2 for abs(r) <= log(2)/2
_EXP = (
    0.5000000000000011, 0.1666666666666642, 0.04166666666652594, 0.00833333333349086,
    0.0013888888944802965, 0.00019841269514740033, 2.4801491819322232e-05, 2.7557578212139395e-06,
    2.7630726764914694e-07, 2.5003023128458237e-08,
)  # fmt: skip
# (2**r - 1 - r log(2)) / r**2 for abs(r) <= 1/2
_EXP2 = (
    0.24022650695910122, 0.055504108664822666, 0.009618129107596598, 0.0013333558146239508,
    0.00015403530454855492, 1.525273396448035e-05, 1.3215436120201393e-06, 1.0178014862233818e-07,
    7.0736747072449275e-09, 4.4613052484556357e-10,
)  # fmt: skip
# (2 atanh(s)/s - 2) / z of z = s**2 for s <= (sqrt(2) - 1)/(sqrt(2) + 1)
_LOG = (
    0.6666666666666735, 0.39999999999410807, 0.28571428743122257, 0.222221985064908,
    0.1818356747354932, 0.15313976020171413, 0.1479664993016856,
)  # fmt: skip
# the same less 2/3, over z
_LOG_DOUBLE = (
    0.4000000000000227, 0.28571428570092894, 0.22222222520960275, 0.18181784286374028,
    0.15386760693104606, 0.13256746145247097, 0.13196942224890315,
)  # fmt: skip
# (sin(r)/r - 1 + z/6) / z**2 of z = r**2 for abs(r) <= pi/2, the last one such that cos(0) = 1
_SIN = (
    0.008333333333333207, -0.0001984126984121254, 2.7557319211592344e-06, -2.505210690757131e-08,
    1.6058941208421534e-10, -7.643025844330064e-13, 2.7214996585420295e-15,
)  # fmt: skip
# (cosh(r) - 1) / z and (sinh(r)/r - 1) / z of z = r**2 for abs(r) <= log(2)/2
_COSH = (
    0.5000000000000013, 0.04166666666651159, 0.00138888889478568, 2.480148918734427e-05,
    2.763151926189883e-07,
)  # fmt: skip
_SINH = (
    0.16666666666666677, 0.008333333333321454, 0.00019841269886513747, 2.755724386418808e-06,
    2.51091449336884e-08,
)  # fmt: skip
# the same less 1, over z, and (cos(r) - 1 + z/2) / z**2, for abs(r) <= pi/4
_SIN_QUARTER = (
    -0.16666666666666632, 0.008333333333322493, -0.00019841269829861053, 2.7557313708078024e-06,
    -2.5050760390699443e-08, 1.5896916586294614e-10,
)  # fmt: skip
_COS_QUARTER = (
    0.041666666666666595, -0.0013888888888873348, 2.4801587289007887e-05, -2.7557314218929756e-07,
    2.087570566313805e-09, -1.1358763091625565e-11,
)  # fmt: skip
# (asin(s)/s - 1) / z and (atan(s)/s - 1) / z of z = s**2 for s <= 1/2
_ASIN = (
    0.16666666666665383, 0.07500000000342745, 0.04464285682379451, 0.030381959316866446,
    0.02237175388972633, 0.017359765389941058, 0.01388465602000237, 0.012172897717957041,
    0.0065125107349919475, 0.019569366848466246, -0.01628696070086412, 0.0319541042955971,
)  # fmt: skip
_ATAN = (
    -0.33333333333332993, 0.19999999999905635, -0.1428571427658726, 0.11111110667674336,
    -0.09090896431504125, 0.07692076644582443, -0.0666383681819157, 0.0585846611225281,
    -0.05122709274376922, 0.041883791046993586, -0.027463626217572867, 0.010136025408971086,
)  # fmt: skip
# erf(x)/x - 1 of x**2 for abs(x) <= 3/4
_ERF = (
    0.1283791670955126, -0.37612638903184115, 0.11283791670973332, -0.026866170648784996,
    0.005223977662812979, -0.0008548329185589628, 0.00012055405887975651, -1.4927007732388522e-05,
    1.6471941260177906e-06, -1.6276518611226813e-07, 1.2642162148553405e-08,
)  # fmt: skip
# m**(-1/3) between the square roots of 1/2 and 2
_CBRT = (
    1.8743681766925655, -1.8612242038667985, 1.5604092244734808, -0.7018097610593556, 0.1282329161006982,
)  # fmt: skip
# (1 + 2x) exp(x**2) erfc(x) at t = (x - 4)/(x + 4) = 0, and its difference from there over t, for x <= 27.5
_ERFC_MIDDLE, _ERFC_MIDDLE_LOW = 1.2329951186255526, -4.631352045092472e-17
_ERFC = (
    -0.13962111684056286, 0.015379652102620087, 0.06809705425473403, -0.10103906603632007,
    0.09373283499689543, -0.06633036581212767, 0.037167515560985576, -0.0161977340535753,
    0.005031969768584923, -0.0007577733698581153, -0.00019925557249028824, 0.00015062232748111598,
    -2.440296154720371e-05, -1.1224921639592152e-05, 5.717473869710724e-06, 3.0142963842848827e-07,
    -8.34670870526863e-07, 6.276579038718007e-08, 1.1503691449134138e-07, -7.819996872309334e-09,
    -1.3591771603363846e-08, -1.7828232187345375e-09,
)  # fmt: skip
