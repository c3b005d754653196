"""Input streams of driven systems: what arrives from outside at each time, as part of the declaration.

>>> import attrax as ax
>>> @ax.map(
...     state={"mean": ("n",)},
...     parameters={"n": 3, "rate": 0.01},
...     inputs={"x": ax.stream.normal(1.0, 0.5, shape=("n",))},
... )
... def trailing_mean(t, s, p):
...     return {"mean": s.mean + p.rate * (p.x - s.mean)}

Random streams are functions of the seed of the run, the number of the member, the name of the stream and the time
(Threefry), so that a member's inputs do not depend on its company, on threads or on pauses.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .declaration import Namespace, Shape, suggest
from .errors import DeclarationError, InputError
from .random import Arrays, normal_pair, threefry, unit

if TYPE_CHECKING:
    import jax

KEY = 2
"""Numbers of a run that streams depend on, behind the parameters of a driven system: its seed, the member."""

ROUNDING = 1e-9
"""Part of a piece by which the time may fall short of its beginning."""

Argument = Any
"""A number, an array, or a function of the parameters."""


@dataclass(frozen=True, eq=False)
class Stream:
    """What a function of this module declares: a kind of input, its arguments, its shape.

    Attributes
    ----------
    kind : str
        Name of the function that made it.
    arguments : dict
        Its numbers, arrays, or functions of the parameters.
    shape : tuple
        Shape of the input, as of a state block.
    hold : float
        Time, or number of iterations, for which a value lasts.
    rows : ndarray, or function of the structural parameters
        What arrays are taken from.
    """

    kind: str
    arguments: dict[str, Argument]
    shape: Shape | None = ()
    hold: float = 1.0
    rows: Any = None
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not (isinstance(self.hold, (int, float)) and 0 < self.hold < np.inf):
            raise DeclarationError(f"stream {self.kind}: hold must be a positive time, not {self.hold!r:.40}")
        if isinstance(self.shape, (str, int)):
            object.__setattr__(self, "shape", (self.shape,))
        for name, value in self.arguments.items():
            _check_argument(self.kind, name, value)
        if self.rows is not None and not callable(self.rows):
            object.__setattr__(self, "rows", _table(self.kind, self.rows))

    def __str__(self) -> str:
        given = [_short(v) for v in self.arguments.values()]
        if self.rows is not None:
            given.insert(0, self.source or ("rows of the parameters" if callable(self.rows) else _short(self.rows)))
        held = f", hold={self.hold:g}" if self.hold != 1 else ""
        return f"{self.kind}({', '.join(given)}{held})"

    def bound(self, structure: Namespace) -> Stream:
        """The stream with its rows computed for these structural parameters."""
        if self.rows is None:
            return self
        rows = _table(self.kind, self.rows(structure) if callable(self.rows) else self.rows)
        return replace(self, rows=rows, shape=rows.shape[1:])


# -- kinds ------------------------------------------------------------------------------------------------


def normal(mean: Argument = 0.0, standard_deviation: Argument = 1.0, *, shape: Shape = (), hold: float = 1.0) -> Stream:
    """Independent normal numbers.

    Parameters
    ----------
    mean, standard_deviation : number, array, or function of the parameters
        ``lambda p: p.sigma`` reads a parameter.
    shape : tuple
        As of a state block: sizes and names of integer parameters.
    hold : float
        Iterations (maps) or time (flows) for which a value lasts; a flow sees a piecewise constant input. With steps
        of equal length choose a ``dt`` of which ``hold`` is a multiple.
    """
    return Stream("normal", {"mean": mean, "standard_deviation": standard_deviation}, shape, hold)


def uniform(low: Argument = 0.0, high: Argument = 1.0, *, shape: Shape = (), hold: float = 1.0) -> Stream:
    """Independent numbers evenly distributed in [low, high); otherwise as :func:`normal`."""
    return Stream("uniform", {"low": low, "high": high}, shape, hold)


def laplace(mean: Argument = 0.0, scale: Argument = 1.0, *, shape: Shape = (), hold: float = 1.0) -> Stream:
    """Independent numbers with density exp(-|x - mean| / scale) / (2 scale); otherwise as :func:`normal`."""
    return Stream("laplace", {"mean": mean, "scale": scale}, shape, hold)


def bimodal(
    first: Argument = -1.0,
    second: Argument = 1.0,
    standard_deviation: Argument = 0.5,
    weight: Argument = 0.5,
    *,
    shape: Shape = (),
    hold: float = 1.0,
) -> Stream:
    """Independent numbers, normal about ``first`` with probability ``weight``, else about ``second``."""
    arguments = {"first": first, "second": second, "standard_deviation": standard_deviation, "weight": weight}
    return Stream("bimodal", arguments, shape, hold)


def bernoulli(probability: Argument = 0.5, *, shape: Shape = (), hold: float = 1.0) -> Stream:
    """Independent ones with this probability, else zeros; otherwise as :func:`normal`."""
    return Stream("bernoulli", {"probability": probability}, shape, hold)


def choice(rows: Any, *, hold: float = 1.0) -> Stream:
    """A row of ``rows`` drawn at random, all with the same probability.

    Parameters
    ----------
    rows : array, or function of the structural parameters
        Patterns, ``(patterns, ...)``; the shape of the input is that of a row.
    hold : float
        See :func:`normal`.
    """
    return Stream("choice", {}, None, hold, rows)


def array(rows: Any, *, hold: float = 1.0, interpolate: bool = False) -> Stream:
    """The rows of an array in their order, beginning again after the last.

    Parameters
    ----------
    rows : array, or function of the structural parameters
        ``(times, ...)``; row k is the input from time ``k hold`` on. At most 2^20 numbers on the numba back end.
    hold : float
        See :func:`normal`.
    interpolate : bool
        Between the rows (and from the last to the first) along straight lines.
    """
    return Stream("array", {"interpolate": bool(interpolate)}, None, hold, rows)


def hdf5(path: str | os.PathLike, dataset: str, *, hold: float = 1.0, interpolate: bool = False) -> Stream:
    """The rows of a dataset of an HDF5 file, read now; otherwise as :func:`array`.

    Raises
    ------
    InputError
        If the file or the dataset is not there, or holds no numbers.
    """
    stream = Stream("array", {"interpolate": bool(interpolate)}, None, hold, _read(path, dataset))
    return replace(stream, source=f"{os.fspath(path)}:{dataset}")


# -- values -----------------------------------------------------------------------------------------------


def values(
    streams: Mapping[str, Stream], shapes: Mapping[str, tuple[int, ...]], t: Any, p: Namespace, key: Any
) -> dict[str, jax.Array]:
    """The inputs at time ``t``, as JAX arrays.

    Parameters
    ----------
    streams, shapes
        The inputs by name, bound to the structural parameters, and their shapes.
    t : number
        Time, or number of the iteration.
    p : Namespace
        The parameters.
    key : array
        Seed of the run and number of the member.
    """
    import jax.numpy as jnp

    if jnp.result_type(float) != jnp.float64:
        raise InputError("input streams need 64-bit numbers; call JAX inside `with jax.enable_x64(True):`")
    found = {}
    for name, stream in streams.items():
        place = t / stream.hold + ROUNDING
        step = jnp.floor(place)
        arguments = {k: v(p) if callable(v) else v for k, v in stream.arguments.items()}
        if stream.kind == "array":
            value = _row(stream.rows, step, place - step, **arguments)
        else:
            source = _Source(key, step.astype(jnp.int64), name, shapes[name])
            value = _DRAWN[stream.kind](source, stream.rows, **arguments)
        found[name] = jnp.broadcast_to(jnp.asarray(value, dtype=float), shapes[name])
    return found


class _Source:
    """Random numbers for one value of one stream: of each kind as many as its shape has elements."""

    def __init__(self, key: Any, step: Any, name: str, shape: tuple[int, ...]):
        self.key = (key[0].astype(np.int64), key[1].astype(np.int64))
        self.step, self.shape = step, shape
        # the counters of noise are small; those of streams lie beyond, far apart
        self.counter = 2**62 + zlib.crc32(name.encode()) * 2**30

    def uniforms(self, shape: tuple[int, ...] | None = None) -> Any:
        return self._made(unit, self.shape if shape is None else shape)

    def normals(self) -> Any:
        return self._made(None, self.shape)

    def _made(self, each: Callable | None, shape: tuple[int, ...]) -> Any:
        import jax.numpy as jnp

        count = int(np.prod(shape))
        pairs = self.counter + jnp.arange(-(-count // 2), dtype=jnp.int64)
        self.counter += 2**24
        operations = Arrays()
        bits = threefry(operations, self.key, (self.step, pairs))
        two = [each(operations, b) for b in bits] if each else normal_pair(operations, *bits)
        return jnp.stack(two, axis=1).ravel()[:count].reshape(shape)


def _normal(source, rows, mean, standard_deviation):
    return mean + standard_deviation * source.normals()


def _uniform(source, rows, low, high):
    return low + (high - low) * source.uniforms()


def _laplace(source, rows, mean, scale):
    import jax.numpy as jnp

    v = source.uniforms() - 0.5
    return mean - scale * jnp.sign(v) * jnp.log1p(-2 * jnp.abs(v))


def _bimodal(source, rows, first, second, standard_deviation, weight):
    import jax.numpy as jnp

    centre = jnp.where(source.uniforms() < weight, first, second)
    return centre + standard_deviation * source.normals()


def _bernoulli(source, rows, probability):
    return source.uniforms() < probability


def _choice(source, rows):
    import jax.numpy as jnp

    return _taken(rows, jnp.floor(len(rows) * source.uniforms(())))


_DRAWN: dict[str, Callable[..., Any]] = {
    "normal": _normal,
    "uniform": _uniform,
    "laplace": _laplace,
    "bimodal": _bimodal,
    "bernoulli": _bernoulli,
    "choice": _choice,
}


def _row(rows: np.ndarray, step: Any, fraction: Any, interpolate: bool) -> Any:
    import jax.numpy as jnp

    count = float(len(rows))
    place = step - count * jnp.floor(step / count)
    now = _taken(rows, place)
    if not interpolate:
        return now
    later = _taken(rows, jnp.where(place == count - 1, 0.0, place + 1))
    return now + jnp.maximum(fraction - ROUNDING, 0.0) * (later - now)


def _taken(rows: np.ndarray, place: Any) -> Any:
    import jax.numpy as jnp

    return jnp.take(jnp.asarray(rows), place.astype(jnp.int64), axis=0, mode="clip")


# -- checks -----------------------------------------------------------------------------------------------

_POSITIVE = ("standard_deviation", "scale")
_FRACTIONS = ("probability", "weight")


def _check_argument(kind: str, name: str, value: Any) -> None:
    if callable(value):
        return
    try:
        numbers = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise DeclarationError(
            f"stream {kind}: {name} must be a number, an array or a function of the parameters, not {value!r:.60}"
        ) from None
    if not np.isfinite(numbers).all():
        raise DeclarationError(f"stream {kind}: {name} must be finite, not {_short(value)}")
    if name in _POSITIVE and (numbers < 0).any():
        raise DeclarationError(f"stream {kind}: {name} must not be negative, but is {_short(value)}")
    if name in _FRACTIONS and ((numbers < 0) | (numbers > 1)).any():
        raise DeclarationError(f"stream {kind}: {name} must lie between 0 and 1, but is {_short(value)}")


def _table(kind: str, rows: Any) -> np.ndarray:
    try:
        table = np.array(rows, dtype=float)
    except (TypeError, ValueError):
        raise DeclarationError(f"stream {kind}: its rows must be an array of numbers, not {rows!r:.60}") from None
    if not table.ndim or not table.size:
        raise DeclarationError(f"stream {kind}: its rows must be an array of at least one row, not {rows!r:.60}")
    if not np.isfinite(table).all():
        raise DeclarationError(f"stream {kind}: its rows hold values that are infinite or NaN")
    return table


def _read(path: str | os.PathLike, dataset: str) -> np.ndarray:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found = file.get(dataset)
            if not isinstance(found, h5py.Dataset):
                names: list[str] = []
                file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
                raise InputError(f"{os.fspath(path)} has no dataset {dataset!r}; {suggest(dataset, names)}")
            return _table(f"{os.fspath(path)}:{dataset}", found[()])
    except OSError:
        raise InputError(f"cannot read {os.fspath(path)} as an HDF5 file of input; check the path") from None


def _short(value: Any) -> str:
    if callable(value):
        return "a function of the parameters"
    shape = np.shape(value)
    return f"an array of shape {shape}" if shape else f"{value:g}" if not isinstance(value, bool) else str(value)
