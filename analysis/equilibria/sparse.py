"""Jacobians of large systems: sparse ones from a few products, others as products alone; and equations with them.

Which elements of a Jacobian can differ from zero is found once, by products with all unit vectors. Columns without a
common row get the same colour, and one product gives all columns of a colour (Curtis, Powell & Reid, J. Inst. Maths
Applics 13, 117, 1974).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .derivatives import Equations, Vector

if TYPE_CHECKING:
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import LinearOperator

DENSEST = 0.05
"""Jacobians with a larger share of elements are used through products alone."""
TOGETHER = 128
"""Products computed at a time."""
RESTART, CYCLES, TOLERANCE = 100, 20, 1e-11
"""Of GMRES."""


class Jacobian:
    """The derivative (n, n + m) of a large system's equations, where and as often as it is wanted."""

    def __init__(self, equations: Equations, z: Vector):
        self.equations, self.n, self.width = equations, equations.n, len(z)
        self.generator = np.random.default_rng(0)
        self.rows, self.columns = self._pattern(z)
        self.sparse = len(self.rows) <= DENSEST * self.n**2
        if self.sparse:
            self._colour()

    def values(self, z: Vector) -> tuple[Vector, csc_array | LinearOperator]:
        """``F`` and its derivative, a sparse matrix or a linear operator."""
        if not self.sparse:
            return self.equations.products(z, np.zeros((self.width, 1)))[0], self._operator(z)
        f, products = self.equations.products(z, self.seeds)
        matrix = self._matrix(products)
        if abs(matrix @ self.seeds[:, -1] - products[:, -1]).max() > 1e-9 * (1 + abs(products[:, -1]).max()):
            rows, columns = self._pattern(z)  # an element that was zero by chance
            known = np.unique(np.stack([np.append(self.rows, rows), np.append(self.columns, columns)]), axis=1)
            self.rows, self.columns = known
            self._colour()
            f, products = self.equations.products(z, self.seeds)
            matrix = self._matrix(products)
        return f, matrix

    # -- inside ---------------------------------------------------------------------------------------------

    def _pattern(self, z: Vector) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the elements by the state that differ from zero near ``z``."""
        moved = z + 1e-3 * (abs(z) + 1e-3) * self.generator.normal(size=len(z))
        moved[self.n :] = z[self.n :]
        rows, columns = [], []
        for first in range(0, self.n, TOGETHER):
            count = min(TOGETHER, self.n - first)
            unit = np.zeros((self.width, TOGETHER))
            unit[first + np.arange(count), np.arange(count)] = 1.0
            row, column = np.nonzero(self.equations.products(moved, unit)[1][:, :count])
            rows.append(row)
            columns.append(column + first)
        return np.concatenate(rows), np.concatenate(columns)

    def _colour(self) -> None:
        """Give the first free colour to each column."""
        order = np.lexsort((self.rows, self.columns))
        self.rows, self.columns = self.rows[order], self.columns[order]
        starts = np.searchsorted(self.columns, np.arange(self.n + 1))
        taken: list[set[int]] = [set() for _ in range(self.n)]
        colours = np.zeros(self.n, dtype=int)
        for column in range(self.n):
            rows = self.rows[starts[column] : starts[column + 1]].tolist()
            used = set().union(*(taken[row] for row in rows)) if rows else set()
            colour = next(k for k in range(self.n) if k not in used)
            colours[column] = colour
            for row in rows:
                taken[row].add(colour)
        self.starts, self.colours, count = starts, colours, int(colours.max()) + 1
        more = self.width - self.n
        self.seeds = np.zeros((self.width, count + more + 1))
        self.seeds[np.arange(self.n), colours] = 1.0
        self.seeds[self.n + np.arange(more), count + np.arange(more)] = 1.0
        self.seeds[:, -1] = self.generator.normal(size=self.width)
        self.parameters = slice(count, count + more)

    def _matrix(self, products: np.ndarray) -> csc_array:
        from scipy.sparse import csc_array, hstack

        data = products[self.rows, self.colours[self.columns]]
        by_state = csc_array((data, self.rows, self.starts), shape=(self.n, self.n))
        return hstack([by_state, csc_array(products[:, self.parameters])], format="csc")

    def _operator(self, z: Vector) -> LinearOperator:
        from scipy.sparse.linalg import LinearOperator

        z = z.copy()
        return LinearOperator(
            (self.n, self.width),
            matvec=lambda v: self.equations.products(z, np.reshape(v, (-1, 1)))[1][:, 0],
            rmatvec=lambda w: self.equations.transposed(z, np.ravel(w)),
            dtype=float,
        )


class Bordered:
    """A matrix or an operator with further columns and rows, as a system of linear equations.

    Parameters
    ----------
    matrix : sparse matrix or LinearOperator
        Its first columns are used, as many as make the whole square.
    columns, rows : ndarray
        Further columns (n, k), and rows (k, n) as long as there are columns of both.
    shift : complex
        Subtracted from the diagonal of the matrix.
    """

    def __init__(self, matrix: Any, columns: np.ndarray, rows: np.ndarray, shift: complex = 0.0):
        from scipy.sparse import block_array, csc_array, eye_array, issparse
        from scipy.sparse.linalg import splu

        self.n, self.width = len(columns), rows.shape[1]
        self.matrix, self.columns, self.rows, self.shift = matrix, columns, rows, shift
        self.factors: Any = None
        if issparse(matrix):
            inner = matrix[:, : self.width]
            if shift:
                inner = inner - shift * eye_array(*inner.shape)
            whole = block_array(
                [[inner, csc_array(columns)], [csc_array(rows), None]] if columns.size else [[inner], [rows]]
            )
            try:
                self.factors = splu(whole.tocsc())
            except RuntimeError as error:
                raise np.linalg.LinAlgError(str(error)) from None

    def solve(self, right: np.ndarray) -> np.ndarray:
        """The solution of the equations."""
        if self.factors is not None:
            return self._factored(right, "N")
        return self._iterate(self._times, right)

    def solve_transposed(self, right: np.ndarray) -> np.ndarray:
        """The solution with the conjugate transposed matrix."""
        if self.factors is not None:
            return self._factored(right, "H")
        return self._iterate(self._times_transposed, right)

    # -- inside ---------------------------------------------------------------------------------------------

    def _dtype(self, right: np.ndarray) -> Any:
        return np.result_type(right, self.shift, self.columns, self.rows, float)

    def _factored(self, right: np.ndarray, how: str) -> np.ndarray:
        real = not np.iscomplexobj(np.zeros(0, self._dtype(np.zeros(0))))
        if real and np.iscomplexobj(right):
            x = self.factors.solve(right.real.copy(), how) + 1j * self.factors.solve(right.imag.copy(), how)
        else:
            x = self.factors.solve(np.asarray(right, dtype=self._dtype(right)), how)
        if not np.isfinite(x).all():
            raise np.linalg.LinAlgError("singular")
        return x

    def _times(self, x: np.ndarray) -> np.ndarray:
        inner, outer = x[: self.width], x[self.width :]
        full = np.zeros(self.matrix.shape[1], dtype=x.dtype)
        full[: self.width] = inner
        product = self._apply(self.matrix.matvec, full) - self.shift * inner[: self.n]
        return np.concatenate([product + self.columns @ outer, self.rows @ inner])

    def _times_transposed(self, x: np.ndarray) -> np.ndarray:
        inner, outer = x[: self.n], x[self.n :]
        product = self._apply(self.matrix.rmatvec, inner)[: self.width].astype(x.dtype)
        product[: self.n] -= np.conj(self.shift) * inner
        return np.concatenate([product + self.rows.conj().T @ outer, self.columns.conj().T @ inner])

    @staticmethod
    def _apply(product: Any, x: np.ndarray) -> np.ndarray:
        if np.iscomplexobj(x):
            return product(x.real) + 1j * product(x.imag)
        return product(x)

    def _iterate(self, product: Any, right: np.ndarray) -> np.ndarray:
        from scipy.sparse.linalg import LinearOperator, gmres

        size = len(right)
        operator = LinearOperator((size, size), matvec=product, dtype=self._dtype(right))
        x, info = gmres(operator, right, rtol=TOLERANCE, restart=RESTART, maxiter=CYCLES)
        if info:
            raise np.linalg.LinAlgError(f"GMRES does not converge within {RESTART * CYCLES} products")
        return x


def leading(matrix: Any, n: int, count: int, start: Vector) -> np.ndarray:
    """Eigenvalues of a large Jacobian: the ``count`` nearest to zero (sparse), or of largest real part (products).

    By Arnoldi's method (ARPACK), of the inverse or of the matrix itself.
    """
    from scipy.sparse import eye_array, issparse
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs, splu

    options: dict[str, Any] = {"k": count, "v0": start, "return_eigenvectors": False, "ncv": max(3 * count, 40)}
    try:
        if issparse(matrix):
            square = matrix[:, :n].tocsc()
            shift = 1e-7 * abs(square).max()
            factors = splu((square - shift * eye_array(n)).tocsc())
            inverse = LinearOperator((n, n), matvec=factors.solve, dtype=float)
            found = 1 / eigs(inverse, which="LM", **options) + shift
        else:

            def product(v: Vector) -> Vector:
                return matrix.matvec(np.append(v, np.zeros(matrix.shape[1] - n)))

            found = eigs(LinearOperator((n, n), matvec=product, dtype=float), which="LR", tol=1e-12, **options)
    except ArpackNoConvergence as error:
        found = error.eigenvalues
        found = np.concatenate([found, np.full(count - len(found), np.nan)])
    found = np.where(abs(found.imag) < 1e-12 * abs(found).max(), found.real, found)
    return found[np.lexsort((found.imag, -found.real))]
