"""What JAX's primitives of linear algebra mean for arrays of program values: small and unrolled."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from .lowering import Array, Lowering, Rules, parts, traced
from .program import FLOAT

RULES = Rules()


@RULES("dot_general")
def _(low, parameters, a, b):
    (contract_a, contract_b), (batch_a, batch_b) = parameters["dimension_numbers"]
    free_a = [k for k in range(a.ndim) if k not in (*contract_a, *batch_a)]
    free_b = [k for k in range(b.ndim) if k not in (*contract_b, *batch_b)]
    shape = [a.shape[k] for k in (*batch_a, *free_a)] + [b.shape[k] for k in free_b]
    batches, length = (math.prod(a.shape[k] for k in axes) for axes in (batch_a, contract_a))
    a = a.transpose([*batch_a, *free_a, *contract_a])
    a = a.reshape(batches, math.prod(a.shape[len(batch_a) : a.ndim - len(contract_a)]), length)
    b = b.transpose([*batch_b, *free_b, *contract_b])
    b = b.reshape(batches, math.prod(b.shape[len(batch_b) : b.ndim - len(contract_b)]), length)
    if a.dtype != object and b.dtype != object:
        return np.einsum("bik,bjk->bij", a, b).reshape(shape)
    if FLOAT in (low.kind(a), low.kind(b)):
        a, b = low.convert(a, FLOAT), low.convert(b, FLOAT)
    else:
        products = low.call("mul", a[:, :, None, :], b[:, None, :, :])
        return low.fold("add", parts(products, -1)).reshape(shape)
    rows_a = [[low.values(row) for row in batch] for batch in a]
    rows_b = [[low.values(row) for row in batch] for batch in b]
    return traced(
        [_dot(low, x, y) for batch in range(batches) for x in rows_a[batch] for y in rows_b[batch]],
        tuple(shape),
    )


def _dot(low: Lowering, x: list[int], y: list[int]) -> int:
    zeros = (low.builder.constant(0.0), low.builder.constant(-0.0))
    pairs = [(a, b) for a, b in zip(x, y, strict=True) if a not in zeros and b not in zeros]
    return low.builder.sum([low.builder.op("mul", a, b) for a, b in pairs])


@RULES("lu")
def _(low, parameters, a):
    """Rows are exchanged by selection, so that the pivots are data: ``a[permutation] = L U``."""
    rows, columns = a.shape[-2:]
    lead = a.shape[:-2]
    # the last column of the table is the number of the row
    table = [[*(a[..., i, j] for j in range(columns)), np.full(lead, i)] for i in range(rows)]
    pivots = []
    for k in range(min(rows, columns)):
        pivots.append(_bring_pivot(low, table, k))
        for row in table[k + 1 :]:
            factor = row[k] = low.op("div", row[k], table[k][k])
            for j in range(k + 1, columns):
                row[j] = low.op("sub", row[j], low.op("mul", factor, table[k][j]))
    factors = low.stack([low.stack(row[:columns]) for row in table], axis=-2)
    return [factors, low.stack(pivots), low.stack([row[columns] for row in table])]


def _bring_pivot(low: Lowering, table: list[list[Array]], k: int) -> Array:
    """Exchange row ``k`` and the row from there on whose element ``k`` is largest; returns its number."""
    largest, pivot = low.op("abs", table[k][k]), np.full(table[k][k].shape, k)
    candidates = []
    for i in range(k + 1, len(table)):
        size = low.op("abs", table[i][k])
        number = low.known(size)
        if number is None or number.any():
            candidates.append(i)
            larger = low.op("gt", size, largest)
            largest, pivot = low.select(larger, size, largest), low.select(larger, np.asarray(i), pivot)
    _exchange(low, table, k, candidates, pivot)
    return pivot


def _exchange(low: Lowering, rows: list[list[Array]], k: int, others: Iterable[int], chosen: Array) -> None:
    """Exchange row ``k`` and that of the rows ``others`` whose number is ``chosen`` (data)."""
    first = list(rows[k])
    for i in others:
        this = low.op("ieq", chosen, i)
        rows[k] = [low.select(this, x, y) for x, y in zip(rows[i], rows[k], strict=True)]
        rows[i] = [low.select(this, x, y) for x, y in zip(first, rows[i], strict=True)]


@RULES("lu_pivots_to_permutation")
def _(low, parameters, pivots):
    lead, size = pivots.shape[:-1], parameters["permutation_size"]
    rows = [[np.full(lead, i)] for i in range(size)]
    for k in range(pivots.shape[-1]):
        _exchange(low, rows, k, range(k + 1, size), pivots[..., k])
    return low.stack([row[0] for row in rows])


@RULES("triangular_solve")
def _(low, parameters, a, b):
    lower, transposed, on_left = parameters["lower"], parameters["transpose_a"], parameters["left_side"]
    if not on_left:
        b, transposed = np.swapaxes(b, -1, -2), not transposed
    if transposed:
        a, lower = np.swapaxes(a, -1, -2), not lower
    n = a.shape[-1]
    x: list[Array] = [b[..., i, :] for i in range(n)]
    done: list[int] = []
    for i in range(n) if lower else reversed(range(n)):
        for j in done:
            x[i] = low.op("sub", x[i], low.op("mul", a[..., i, j, None], x[j]))
        if not parameters["unit_diagonal"]:
            x[i] = low.op("div", x[i], a[..., i, i, None])
        done.append(i)
    result = low.stack(x, axis=-2)
    return result if on_left else np.swapaxes(result, -1, -2)


@RULES("cholesky")
def _(low, parameters, a):
    n = a.shape[-1]
    zero = np.zeros(a.shape[:-2])
    factor: list[list[Array]] = [[zero] * n for _ in range(n)]
    for j in range(n):
        for i in range(j, n):
            rest = a[..., i, j]
            for k in range(j):
                rest = low.op("sub", rest, low.op("mul", factor[i][k], factor[j][k]))
            factor[i][j] = low.op("sqrt", rest) if i == j else low.op("div", rest, factor[j][j])
    return low.stack([low.stack(row) for row in factor], axis=-2)
