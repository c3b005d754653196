"""Rosenbrock-Wanner steps as programs: linearly implicit, for stiff systems of moderate size.

Each stage solves ``(1 / (gamma h) - J) k = f + ...`` with the exact Jacobian J, factorised once a step by unrolled
elimination with partial pivoting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ..engine.program import Builder, Program
from . import explicit
from .dense import Attempt, Values

Row = tuple[float, ...]
LARGEST = 24
"""Largest dimension: the elimination is written out, so code and compile time grow with its cube."""


@dataclass(frozen=True)
class Rosenbrock:
    """A stiffly accurate Rosenbrock-Wanner method, in the form that needs no product with the Jacobian.

    ``k_i`` solves ``(1/(gamma h) - J) k_i = f(t + c_i h, y + sum_j a_ij k_j) + h d_i df/dt + sum_j C_ij k_j / h``. Of
    the stages beyond the rows of ``a``, each has the argument of the one before plus its ``k``; the last ``k`` is the
    error estimate and completes the step. ``dense`` are the rows of the continuous extension ``(1-x) y0 + x (y1 + (1-x)
    (D1 + x (D2 + x D3)))``, ``x`` the fraction of the step.
    """

    name: str
    order: int
    error_order: int
    gamma: float
    a: tuple[Row, ...]
    C: tuple[Row, ...]
    c: Row
    d: Row
    dense: tuple[Row, ...]
    safety: float = 0.9
    beta: float = 0.0
    shrink: float = 0.2
    grow: float = 6.0

    @property
    def adaptive(self) -> bool:
        """Whether the method estimates its error."""
        return True


RODAS5P = Rosenbrock(
    "rodas5p",
    5,
    5,
    gamma=0.21193756319429014,
    a=(
        (),
        (3.0,),
        (2.849394379747939, 0.45842242204463923),
        (-6.954028509809101, 2.489845061869568, -10.358996098473584),
        (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
        (
            *(-7.502846399306121, 2.561846144803919, -11.627539656261098),
            *(-0.18268767659942256, 0.030198172008377946),
        ),
    ),
    C=(
        (),
        (-14.155112264123755,),
        (-17.97296035885952, -2.859693295451294),
        (147.12150275711716, -1.41221402718213, 71.68940251302358),
        (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
        (
            *(24.854864614690072, -3.0009227002832186, 47.4931110020768),
            *(5.5814197821558125, -0.6610691825249471),
        ),
        (
            *(30.91273214028599, -3.1208243349937974, 77.79954646070892),
            *(34.28646028294783, -19.097331116725623, -28.087943162872662),
        ),
        (
            *(37.80277123390563, -3.2571969029072276, 112.26918849496327, 66.9347231244047),
            *(-40.06618937091002, -54.66780262877968, -9.48861652309627),
        ),
    ),
    c=(0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1.0, 1.0, 1.0),
    d=(
        *(0.21193756319429014, -0.42387512638858027, -0.3384627126235924),
        *(1.8046452872882734, 2.325825639765069, 0.0, 0.0, 0.0),
    ),
    dense=(
        (
            *(25.948786856663858, -2.5579724845846235, 10.433815404888879, -2.3679251022685204),
            *(0.524948541321073, 1.1241088310450404, 0.4272876194431874, -0.17202221070155493),
        ),
        (
            *(-9.91568850695171, -0.9689944594115154, 3.0438037242978453, -24.495224566215796),
            *(20.176138334709044, 15.98066361424651, -6.789040303419874, -6.710236069923372),
        ),
        (
            *(11.419903575922262, 2.8879645146136994, 72.92137995996029, 80.12511834622643),
            *(-52.072871366152654, -59.78993625266729, -0.15582684282751913, 4.883087185713722),
        ),
    ),
)
"""Order 5, L-stable; G. Steinebach, BIT Numer. Math. 63 (2023) 27."""


def kept(method: Rosenbrock) -> int:
    """Number of vectors that the dense output keeps of a step."""
    return len(method.C)


def rows(method: Rosenbrock) -> int:
    """Number of rows of the dense output."""
    return 1 + len(method.dense)


def attempt(
    b: Builder, rhs: Program, method: Rosenbrock, t: int, end: int, y: Values, h: int, p: Values, k: Values
) -> Attempt:
    """A step from ``(t, y)``; ``rhs`` also gives the Jacobian ``J`` and the time derivative ``ft``."""
    n = len(y)
    derivative = _slope_of(b, rhs, len(method.C) + 1)
    local = b.inline(rhs, {"t": [t], "y": y, "p": p})
    jacobian, ft = local["J"], local["ft"]
    rate = b.div(b.constant(1.0), b.mul(h, b.constant(method.gamma)))
    matrix = [
        [b.sub(rate, jacobian[i * n + j]) if i == j else b.neg(jacobian[i * n + j]) for j in range(n)] for i in range(n)
    ]
    solve = _factorised(b, matrix)
    per_h = b.div(b.constant(1.0), h)
    stages: list[Values] = []
    argument: Values = y
    for i, (row, c, d) in enumerate(zip(method.C, method.c, method.d, strict=True)):
        if i == 0:
            slope: Values = k
        else:
            argument = (
                _combined(b, y, method.a[i], stages)
                if i < len(method.a)
                else _combined(b, argument, (1.0,), stages[-1:])
            )
            time = end if c == 1.0 else b.fma(b.constant(c), h, t)
            slope = derivative(time, argument, p)
        right = [b.fma(b.mul(b.constant(d), h), x, f) for f, x in zip(slope, ft, strict=True)] if d else list(slope)
        weights = tuple(b.mul(b.constant(w), per_h) for w in row)
        for w, stage in zip(weights, stages, strict=True):
            right = [b.fma(w, x, r) for x, r in zip(stage, right, strict=True)]
        stages.append(solve(right))
    new = _combined(b, argument, (1.0,), stages[-1:])
    return Attempt(new, derivative(end, new, p), [stages[-1]], b.constant(1.0), stages)


def dense_rows(
    b: Builder, rhs: Program, method: Rosenbrock, t: int, y: Values, h: int, p: Values, kept: Sequence[Values]
) -> list[list[int]]:
    """Rows of the dense output of a step, from what it kept."""
    last = method.a[-1] + (1.0,) * (len(method.C) - len(method.a[-1]))
    zero = [b.constant(0.0)] * len(y)
    rise = _combined(b, zero, last, kept)
    first, second, third = (_combined(b, zero, row, kept) for row in method.dense)
    both = [b.add(u, v) for u, v in zip(second, third, strict=True)]
    return [rise, first, both, [b.neg(v) for v in third]]


def _slope_of(b: Builder, rhs: Program, evaluations: int):
    """``f(t, y, p)`` alone, of a program that gives more."""
    alone = Builder()
    inputs = {name: alone.input(name, size) for name, size in rhs.inputs.items()}
    program = alone.program({"f": alone.inline(rhs, inputs)["f"]})
    large = program.size * evaluations > explicit.INLINED
    evaluate = partial(b.call, program.fused()) if large else partial(b.inline, program)
    return lambda t, y, p: evaluate({"t": [t], "y": y, "p": p})["f"]


def _combined(b: Builder, start: Values, row: Row, vectors: Sequence[Values]) -> list[int]:
    result = list(start)
    for w, vector in zip(row, vectors, strict=True):
        result = [b.fma(b.constant(w), x, r) for x, r in zip(vector, result, strict=True)]
    return result


def _factorised(b: Builder, matrix: list[list[int]]):
    """Gaussian elimination with partial pivoting by selection; returns ``solve(right-hand side)``."""
    n = len(matrix)
    zero = b.constant(0.0)
    rows = [list(row) for row in matrix]
    reciprocals: list[int] = []
    forward: list[Callable[[list[int]], None]] = []

    def exchange(k: int, i: int, larger: int) -> Callable[[list[int]], None]:
        def apply(x: list[int]) -> None:
            x[k], x[i] = b.select(larger, x[i], x[k]), b.select(larger, x[k], x[i])

        return apply

    def eliminate(k: int, i: int, factor: int) -> Callable[[list[int]], None]:
        def apply(x: list[int]) -> None:
            x[i] = b.fma(factor, x[k], x[i])

        return apply

    for k in range(n):
        for i in range(k + 1, n):
            if rows[i][k] != zero:
                larger = b.gt(b.abs(rows[i][k]), b.abs(rows[k][k]))
                forward.append(exchange(k, i, larger))
                pairs = list(zip(rows[k], rows[i], strict=True))
                rows[k] = [b.select(larger, v, u) for u, v in pairs]
                rows[i] = [b.select(larger, u, v) for u, v in pairs]
        reciprocals.append(b.div(b.constant(1.0), rows[k][k]))
        for i in range(k + 1, n):
            if rows[i][k] != zero:
                factor = b.neg(b.mul(rows[i][k], reciprocals[k]))
                forward.append(eliminate(k, i, factor))
                rows[i] = [zero if j <= k else b.fma(factor, rows[k][j], rows[i][j]) for j in range(n)]

    def solve(right: Values) -> list[int]:
        x = list(right)
        for apply in forward:
            apply(x)
        for k in reversed(range(n)):
            for j in range(k + 1, n):
                x[k] = b.fma(b.neg(rows[k][j]), x[j], x[k])
            x[k] = b.mul(x[k], reciprocals[k])
        return x

    return solve
