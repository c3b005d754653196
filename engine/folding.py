"""The meaning of every operation in NumPy: constant folding and the reference for tests."""

from __future__ import annotations

import math

import numpy as np


def apply(op: str, *arguments):
    """Value of ``op``, one of :data:`~attrax.engine.program.OPERATIONS`, on numbers; NaN outside of its domain."""
    with np.errstate(all="ignore"):
        return _MEANING[op](*arguments)


def _int(x):
    return np.asarray(x, dtype=np.int64)


def _wrap(function):
    return lambda *arguments: function(*map(_int, arguments))


def _divide(a, b):
    return (np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))).astype(np.int64)


def _fma(a, b, c):
    """``a*b + c`` in extended precision, rounded once more: the fused result but for rare ties."""
    wide = np.longdouble
    return np.asarray(np.asarray(a, wide) * np.asarray(b, wide) + np.asarray(c, wide), np.float64)[()]


def _logical_shift(x, k):
    return (_int(x).view(np.uint64) >> _int(k).view(np.uint64)).view(np.int64)


_MEANING = {
    "neg": np.negative,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "floor": np.floor,
    "ceil": np.ceil,
    "rint": np.rint,
    "trunc": np.trunc,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "min": np.minimum,
    "max": np.maximum,
    "copysign": np.copysign,
    "fma": _fma,
    "exp": np.exp,
    "expm1": np.expm1,
    "exp2": np.exp2,
    "log": np.log,
    "log1p": np.log1p,
    "log2": np.log2,
    "logistic": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "erf": np.vectorize(math.erf, otypes=[float]),
    "erfc": np.vectorize(math.erfc, otypes=[float]),
    "cbrt": np.cbrt,
    "pow": np.power,
    "atan2": np.arctan2,
    "fmod": np.fmod,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "ilt": np.less,
    "ile": np.less_equal,
    "igt": np.greater,
    "ige": np.greater_equal,
    "ieq": np.equal,
    "ine": np.not_equal,
    "select": np.where,
    "iselect": np.where,
    "bselect": np.where,
    "and": np.logical_and,
    "or": np.logical_or,
    "xor": np.logical_xor,
    "not": np.logical_not,
    "iadd": _wrap(np.add),
    "isub": _wrap(np.subtract),
    "imul": _wrap(np.multiply),
    "idiv": _wrap(_divide),
    "irem": _wrap(np.fmod),
    "imin": _wrap(np.minimum),
    "imax": _wrap(np.maximum),
    "iand": _wrap(np.bitwise_and),
    "ior": _wrap(np.bitwise_or),
    "ixor": _wrap(np.bitwise_xor),
    "ishl": _wrap(np.left_shift),
    "ilshr": _logical_shift,
    "iashr": _wrap(np.right_shift),
    "ineg": _wrap(np.negative),
    "iabs": _wrap(np.abs),
    "to_float": lambda x: np.asarray(x, np.float64),
    "to_int": lambda x: np.trunc(x).astype(np.int64),
    "bool_to_float": lambda x: np.asarray(x, np.float64),
    "bool_to_int": lambda x: np.asarray(x, np.int64),
    "bits": lambda x: np.asarray(x, np.float64).view(np.int64),
    "from_bits": lambda x: np.asarray(x, np.int64).view(np.float64),
}
