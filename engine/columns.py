"""The driver of :func:`attrax.engine.evaluation.evaluate`, compiled by numba (see :mod:`attrax.engine.driver`)."""

from __future__ import annotations

from .memory import Doubles, Integers, call, doubles


def columns(
    kernel: int,
    work: Doubles,
    width: int,
    inputs: int,
    places: Integers,
    addresses: Integers,
    strides: Integers,
    outputs: int,
    results: Integers,
    out: Doubles,
    count: int,
) -> int:
    """Run a kernel over ``count`` columns of numbers.

    Number k of column c of the inputs is at ``addresses[k]`` plus ``c * strides[k]`` doubles, and goes to
    ``work[places[k] + lane]``; output k is taken from ``work[results[k] + lane]`` to ``out[c, k]``.
    """
    for first in range(0, count, width):
        lanes = min(width, count - first)
        for k in range(inputs):
            source, place, stride = doubles(addresses[k]), places[k], strides[k]
            for lane in range(width):
                work[place + lane] = source[(first + min(lane, lanes - 1)) * stride]
        call(kernel, work, work, -1, 0)
        for lane in range(lanes):
            for k in range(outputs):
                out[(first + lane) * outputs + k] = work[results[k] + lane]
    return 0
