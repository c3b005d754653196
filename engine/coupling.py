"""Couplings between neurons: which neuron acts on which, and how strongly.

A coupling is given as the value of a parameter, ``parameters={"w": ax.coupling.random(1000, 100, seed=1)}``, and
used in the system's function like a matrix, ``p.w @ s.rate``: row i has the weights of the synapses onto neuron i.

Rules on the synapses themselves use their structure: ``p.w.pre(x)`` and ``p.w.post(x)`` are the values of the neuron
before and after each synapse, ``p.w.sum(values)`` sums over the synapses of each neuron. Plastic weights are a state
block of the shape of the synapses::

    links = ax.coupling.random(1000, 100, seed=1)

    @ax.flow(state={"x": ("n",), "w": (links.synapses,)}, parameters={"n": 1000, "links": links})
    def hebbian(t, s, p):
        return {"x": -s.x + p.links.sum(s.w * p.links.pre(s.x)), "w": p.links.pre(s.x) * p.links.post(s.x) - s.w}
"""

from __future__ import annotations

import copy
import hashlib
from functools import cached_property
from typing import Any

import numpy as np

from . import room
from .declaration import Draw
from .errors import InputError

__all__ = ["all_to_all", "dense", "edges", "random", "ring_star", "small_world", "sparse"]


CACHED = 2**25
"""Bytes of a matrix from which on it does not matter that its rows begin with a line of the cache."""


def dense(weights: Any, *, single: bool = False) -> Dense:
    """A coupling of all neurons with all, ``weights[i, j]`` from neuron j to neuron i.

    With ``single`` the weights are kept in single precision: about 7 digits, half the memory and up to twice the speed.
    States and sums have double precision all the same.
    """
    try:
        matrix = np.ascontiguousarray(weights, dtype=np.float32 if single else np.float64)
    except (TypeError, ValueError):
        raise InputError(f"the weights of a dense coupling are a matrix of numbers, not {weights!r:.60}") from None
    if matrix.ndim != 2 or not matrix.size:
        raise InputError(f"the weights of a dense coupling are a matrix, not an array of shape {matrix.shape}")
    _check_finite(matrix)
    if matrix.ctypes.data % 64 and matrix.nbytes < CACHED:
        raw = np.empty(matrix.nbytes + 64, dtype=np.uint8)
        start = -raw.ctypes.data % 64
        matrix = raw[start : start + matrix.nbytes].view(matrix.dtype).reshape(matrix.shape)
        matrix[:] = weights
    return Dense(matrix.shape, matrix=matrix)


def sparse(matrix: Any, *, single: bool = False) -> Sparse:
    """The coupling of a SciPy sparse matrix or array, ``matrix[i, j]`` from neuron j to neuron i.

    Zeros that it stores are synapses. ``single`` as for :func:`dense`.
    """
    try:
        found = matrix.tocoo()
    except AttributeError:
        raise InputError(
            f"expected a sparse matrix of SciPy, not {type(matrix).__name__}; dense(...) takes arrays, "
            "edges(...) lists of neurons"
        ) from None
    return edges(found.col, found.row, found.data, shape=found.shape, single=single)


def edges(pre: Any, post: Any, weights: Any = 1.0, *, shape: int | tuple[int, int], single: bool = False) -> Sparse:
    """The coupling of a list of synapses, from neurons ``pre`` to neurons ``post``.

    Parameters
    ----------
    pre, post : array of int
        Number of the neuron before and after each synapse.
    weights : number, array or attrax.uniform, attrax.normal
        Weight of all synapses, of each, or their distribution (drawn with seed 0).
    shape : int or (int, int)
        Number of neurons; or of those after and those before the synapses.
    single : bool
        As for :func:`dense`.
    """
    rows, columns = (shape, shape) if isinstance(shape, (int, np.integer)) else shape
    before, after = _numbers("pre", pre, columns), _numbers("post", post, rows)
    if len(before) != len(after):
        raise InputError(f"pre and post have a neuron for each synapse, not {len(before)} and {len(after)}")
    if not len(before):
        raise InputError("the coupling has no synapses; give at least one")
    values = _drawn(weights, len(before), np.random.default_rng(0))
    order = np.lexsort((before, after))
    return _sorted(before[order], after[order], values[order], (rows, columns), single)


def all_to_all(n: int, weight: float = 1.0) -> Uniform:
    """Every neuron acts on every other one (not on itself) with the same weight: computed from the sum over all."""
    count = _count("n", n, 2)
    return Uniform((count, count), weight=np.asarray(float(weight)))


def random(n: int, k: int, *, weights: Any = 1.0, seed: int = 0, single: bool = False) -> Sparse:
    """Every neuron has synapses from ``k`` others, drawn without replacement; none from itself.

    ``weights`` as for :func:`edges`; ``single`` as for :func:`dense`.
    """
    count, degree = _count("n", n, 2), _count("k", k, 1)
    if degree > count - 1:
        raise InputError(f"each of {count} neurons has at most {count - 1} others, not k = {degree}")
    _check_room(count * degree)
    generator = np.random.default_rng(seed)
    found = np.empty((count, degree), dtype=np.int32)
    if degree > count // 8:
        for i in range(count):
            found[i] = generator.choice(count - 1, degree, replace=False)
    else:
        found[:] = generator.integers(0, count - 1, (count, degree), dtype=np.int32)
        found.sort(axis=1)
        while (again := np.flatnonzero((found[:, 1:] == found[:, :-1]).any(axis=1))).size:
            found[again] = np.sort(generator.integers(0, count - 1, (len(again), degree), dtype=np.int32), axis=1)
    found.sort(axis=1)
    after = np.repeat(np.arange(count, dtype=np.int32), degree)
    before = found.ravel()
    before += before >= after  # the neuron itself is left out
    return _sorted(before, after, _drawn(weights, len(before), generator), (count, count), single)


def small_world(n: int, k: int, p: float, *, weights: Any = 1.0, seed: int = 0, single: bool = False) -> Sparse:
    """A ring in which every neuron has synapses from its ``k`` nearest neighbours, each rewired with probability ``p``.

    The directed network of D. J. Watts and S. H. Strogatz, Nature 393, 440 (1998): a rewired synapse comes from a
    neuron drawn among all others from which there is none yet. ``k`` is even.
    """
    count, degree = _count("n", n, 3), _count("k", k, 2)
    if degree % 2 or degree > count - 1:
        raise InputError(f"k must be even and less than n = {count}, not {degree}")
    if not 0 <= p <= 1:
        raise InputError(f"p is a probability, not {p!r:.40}")
    _check_room(count * degree)
    generator = np.random.default_rng(seed)
    reach = np.concatenate([np.arange(-(degree // 2), 0), np.arange(1, degree // 2 + 1)])
    found = (np.arange(count)[:, None] + reach) % count
    rewired = generator.random((count, degree)) < p
    for i in np.flatnonzero(rewired.any(axis=1)):
        for j in np.flatnonzero(rewired[i]):
            if degree == count - 1:
                break
            new = generator.integers(count)
            while new == i or new in found[i]:
                new = generator.integers(count)
            found[i, j] = new
    found.sort(axis=1)
    after = np.repeat(np.arange(count), degree)
    return _sorted(found.ravel(), after, _drawn(weights, count * degree, generator), (count, count), single)


def ring_star(n: int, *, ring: float = 1.0, star: float = 1.0, single: bool = False) -> Sparse:
    """A ring of ``n - 1`` neurons with a hub, neuron 0, that is coupled with all of them both ways.

    Neighbours on the ring act on each other with weight ``ring``, the hub and the others with weight ``star``.
    """
    count = _count("n", n, 4)
    around = np.arange(1, count)
    after_one = 1 + (around % (count - 1))
    hub = np.zeros(count - 1, dtype=np.int64)
    before = np.concatenate([around, after_one, hub, around])
    after = np.concatenate([after_one, around, around, hub])
    weights = np.repeat([ring, ring, star, star], count - 1)
    return edges(before, after, weights, shape=count, single=single)


class Coupling:
    """A coupling; ``coupling @ x`` is what each neuron receives from the values ``x`` of the others.

    Attributes
    ----------
    shape : (int, int)
        Number of neurons that receive and that send.
    """

    traced: tuple[str, ...] = ()
    """The arrays that a traced function reads."""

    def __init__(self, shape: tuple[int, int], **arrays: np.ndarray):
        self.shape = (int(shape[0]), int(shape[1]))
        self.arrays: dict[str, Any] = arrays

    def bound(self, arrays: dict[str, Any]) -> Coupling:
        """The same coupling with other arrays in the place of its own (those of a trace)."""
        other = copy.copy(self)
        other.arrays = arrays
        return other

    def plain(self) -> Coupling:
        """The same coupling with all numbers in double precision."""
        found = {k: self.arrays[k] for k in self.traced}
        return self.bound({k: v.astype(float) if v.dtype == np.float32 else v for k, v in found.items()})

    def described(self, role: str) -> tuple[tuple[int, ...], Any]:
        """Shape and type of an array."""
        return self.arrays[role].shape, self.arrays[role].dtype

    def __matmul__(self, x: Any) -> Any:
        raise NotImplementedError

    @cached_property
    def digest(self) -> str:
        """Hash of its structure and weights."""
        text = hashlib.sha256(repr((type(self).__name__, self.shape)).encode())
        for name in sorted(self.arrays):
            text.update(np.ascontiguousarray(self.arrays[name]).data)
        return text.hexdigest()[:16]

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} coupling {self.shape[0]} x {self.shape[1]}, {self.digest}>"

    def _sent(self, x: Any) -> Any:
        return self._checked(x, self.shape[1], "what the neurons send")

    def _checked(self, x: Any, count: int, what: str) -> Any:
        import jax.numpy as jnp

        x = jnp.asarray(x)
        if x.shape != (count,):
            raise InputError(
                f"a coupling of {self.shape[0]} x {self.shape[1]} neurons needs {what} as an array of shape "
                f"({count},), not {x.shape}"
            )
        return x


class Dense(Coupling):
    """All neurons with all: its synapses are the elements of a matrix ``(receiving, sending)``."""

    traced = ("matrix",)

    @property
    def synapses(self) -> tuple[int, int]:
        """Shape of an array with a number for each synapse."""
        return self.shape

    @property
    def weights(self) -> Any:
        """Weight of each synapse, shape ``(receiving, sending)``."""
        return self.arrays["matrix"]

    def __matmul__(self, x: Any) -> Any:
        import jax.numpy as jnp

        return jnp.asarray(self.weights, float) @ self._sent(x)

    def pre(self, x: Any) -> Any:
        """Value of the neuron before each synapse."""
        import jax.numpy as jnp

        return jnp.broadcast_to(self._sent(x)[None, :], self.shape)

    def post(self, x: Any) -> Any:
        """Value of the neuron after each synapse."""
        import jax.numpy as jnp

        return jnp.broadcast_to(self._checked(x, self.shape[0], "a value for each neuron")[:, None], self.shape)

    def sum(self, values: Any) -> Any:
        """Sum of values of the synapses of each receiving neuron."""
        return values.sum(axis=1)


class Uniform(Coupling):
    """The same weight between all different neurons."""

    traced = ("weight",)

    def __matmul__(self, x: Any) -> Any:
        x = self._sent(x)
        return self.arrays["weight"] * (x.sum() - x)


class Sparse(Coupling):
    """Some synapses, sorted by the neuron that they act on.

    Attributes
    ----------
    synapses : int
        Their number.
    """

    traced = ("weights", "pre", "post")
    known: tuple[Any, Any] | None = None

    def __init__(self, shape: tuple[int, int], **arrays: np.ndarray):
        super().__init__(shape)
        self.arrays = _Synapses(arrays)

    def described(self, role: str) -> tuple[tuple[int, ...], Any]:
        """Shape and type of an array."""
        return super().described("pre" if role == "post" else role)

    @property
    def synapses(self) -> int:
        """Number of synapses."""
        return len(self.arrays["pre"])

    @property
    def weights(self) -> Any:
        """Weight of each synapse, shape ``(synapses,)``."""
        return self.arrays["weights"]

    def __matmul__(self, x: Any) -> Any:
        if self.known and x is self.known[0]:
            return self.known[1]
        return self.sum(self.weights * self.pre(x))

    def pre(self, x: Any) -> Any:
        """Value of the neuron before each synapse, shape ``(synapses,)``."""
        return _taken(self._sent(x), self.arrays["pre"])

    def post(self, x: Any) -> Any:
        """Value of the neuron after each synapse, shape ``(synapses,)``."""
        return _taken(self._checked(x, self.shape[0], "a value for each neuron"), self.arrays["post"])

    def sum(self, values: Any) -> Any:
        """Sum of values ``(synapses,)`` of the synapses of each receiving neuron."""
        from jax import lax
        from jax import numpy as jnp

        values = self._checked(values, self.synapses, "a value for each synapse")
        numbers = lax.ScatterDimensionNumbers((), (0,), (0,))
        mode = lax.GatherScatterMode.PROMISE_IN_BOUNDS
        return lax.scatter_add(
            jnp.zeros(self.shape[0], values.dtype),
            jnp.asarray(self.arrays["post"])[:, None],
            values,
            numbers,
            indices_are_sorted=True,
            mode=mode,
        )

    def delivering(self, passed: Any, arrived: Any) -> Sparse:
        """The same coupling, whose product with ``passed`` is known to be ``arrived`` (of a trace)."""
        other = copy.copy(self)
        other.known = passed, arrived
        return other

    @cached_property
    def columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Synapses sorted by the neuron that sends: where those of each begin, who receives, and the weights."""
        found = self.to_scipy().tocsc()
        return found.indptr.astype(np.int64), found.indices.astype(np.int32), found.data.astype(float)

    def to_scipy(self) -> Any:
        """The coupling as a sparse array of SciPy."""
        from scipy.sparse import csr_array

        return csr_array((self.weights, self.arrays["pre"], self.arrays["rows"]), shape=self.shape)


class _Synapses(dict[str, Any]):
    """The arrays of a sparse coupling; the neuron after each synapse is told from where its synapses begin."""

    def __missing__(self, role: str) -> np.ndarray:
        if role != "post":
            raise KeyError(role)
        counts = np.diff(self["rows"])
        return np.repeat(np.arange(len(counts), dtype=np.int32), counts)


def _taken(x: Any, index: Any) -> Any:
    from jax import lax
    from jax import numpy as jnp

    numbers = lax.GatherDimensionNumbers((), (0,), (0,))
    mode = lax.GatherScatterMode.PROMISE_IN_BOUNDS
    return lax.gather(x, jnp.asarray(index)[:, None], numbers, (1,), mode=mode)


def _sorted(before: Any, after: Any, weights: Any, shape: tuple[int, int], single: bool) -> Sparse:
    """A coupling of synapses in the order of the neurons that they act on."""
    return Sparse(
        shape,
        weights=np.ascontiguousarray(weights, dtype=np.float32 if single else np.float64),
        pre=before.astype(np.int32, copy=False),
        rows=np.searchsorted(after, np.arange(shape[0] + 1, dtype=after.dtype)).astype(np.int64),
    )


def _drawn(weights: Any, count: int, generator: np.random.Generator) -> np.ndarray:
    """A weight for each synapse."""
    if isinstance(weights, Draw):
        return weights.sample(generator, (count,))
    try:
        values = np.asarray(weights, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"weights are a number, an array or a distribution, not {weights!r:.60}") from None
    if values.shape not in ((), (count,)):
        raise InputError(f"weights are a number or one for each of {count} synapses, not an array of {values.shape}")
    _check_finite(values)
    return np.broadcast_to(values, (count,))


def _numbers(name: str, value: Any, count: int) -> np.ndarray:
    """Numbers of neurons."""
    found = np.asarray(value)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise InputError(f"{name} is a list of numbers of neurons, not {value!r:.60}")
    found = found.astype(np.int64)
    if found.size and (found.min() < 0 or found.max() >= count):
        wrong = int(found[(found < 0) | (found >= count)][0])
        raise InputError(f"{name} names neuron {wrong}, but there are only neurons 0 to {count - 1}")
    return found


def _count(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value < 2**31:
        raise InputError(f"{name} must be a whole number of at least {least}, not {value!r:.40}")
    return int(value)


def _check_room(synapses: int) -> None:
    room.check(4 * synapses, f"to draw {synapses} synapses", "draw fewer")


def _check_finite(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise InputError("the coupling has weights that are infinite or NaN; give finite numbers")
