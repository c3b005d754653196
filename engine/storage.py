"""Labelled arrays in HDF5 files that h5py, MATLAB, Julia and xarray read without attrax.

The layout is netCDF4's. Dimensions are HDF5 dimension scales: a coordinate is the scale of its own dimension,
a dimension without coordinate has a scale named "This is a netCDF dimension but not a netCDF variable". Other
coordinates are listed in the group's attribute ``coordinates``. Booleans are int8 with the attribute
``dtype="bool"``, strings are variable-length UTF-8, complex numbers are compounds ``{r, i}`` (h5py's
convention: one step outside netCDF4, understood by h5netcdf and Julia). Variables and attributes keep their
order. Data lie in chunks of about 1 MiB, uncompressed unless asked otherwise; a floating-point value that was
never written reads as NaN and takes no space.

Each group that was written carries ``complete``: 1, or 0 when the writer was interrupted, killed, or is still
running.

`Writer` streams arrays of any length into a file; `save` and `load` move whole Datasets. Writing needs no
xarray.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import StorageError
from .layout import Layout, Variable

if TYPE_CHECKING:
    import h5py
    import xarray as xr

CHUNK_BYTES = 2**20
CACHE_BYTES = 2**23
LAZY_BYTES = 2**28
_MARK = "attrax_storage"
_VERSION = 1
_BARE_DIMENSION = "This is a netCDF dimension but not a netCDF variable."
_RESERVED = {
    *(_MARK, "complete", "coordinates", "dtype"),
    *("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS"),
    *("_Netcdf4Dimid", "_Netcdf4Coordinates", "_NCProperties", "_nc3_strict"),
}
_ADVICE = {
    "No space left": "the disk is full; free some space or choose another place",
    "File too large": "the file is larger than the system allows here; choose another place",
    "unable to lock": "another process has it open; wait for it or choose another name",
    "already open": "it is open in this process; close it first",
    "ermission denied": "no permission; choose another place or change its permissions",
    **dict.fromkeys(
        ("required filter", "/plugin"), "it is compressed with blosc; install hdf5plugin (pip install hdf5plugin)"
    ),
}


class Writer:
    """Write arrays into a group of an HDF5 file, piece by piece, while they are computed.

    A context manager. The file appears, or replaces an older one, in one step at the end of `create`; from
    then on it can be read up to the last `flush`, whatever happens to this process: between two flushes
    nothing that the file's index needs is touched. Only a process that is killed during a flush, or a machine
    that loses power, can leave a damaged file.

    Parameters
    ----------
    path
        The file. Its folder must exist.
    group
        The group inside the file, "/" for the file itself; nested ones are separated by "/".
    force
        Replace what is there: the file, or with ``append`` the group.
    append
        Add the group to the file if the file exists already.
    compression
        None, "gzip" (readable everywhere, several times slower) or "blosc" (readers need hdf5plugin). Each
        flush of a partly filled chunk then leaves a gap in the file: flush rarely.

    Raises
    ------
    StorageError
        The file or the group exists already, its folder is missing or read-only, the disk is full, the file
        is in use or not one of ours, or the layout holds something that a file cannot.

    Examples
    --------
    ::

        with Writer("out.h5") as writer:
            writer.create(Layout({"time": 10**9}, variables={"x": Variable(("time",))}))
            for j, block in enumerate(blocks):
                writer.write("x", block, time=j * len(block))
                writer.flush()
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        group: str = "/",
        force: bool = False,
        append: bool = False,
        compression: str | None = None,
    ) -> None:
        self.path = Path(path)
        self.group = _group_name(group)
        self._append = append and self.path.exists()
        self._filter = _compression(compression)
        self._file: h5py.File | None = None
        self._layout = Layout({})
        self._arrays: dict[str, h5py.Dataset] = {}
        self._check_target(force)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: Any) -> None:
        if kind is None:
            self.close()
        else:
            with suppress(StorageError):
                self.close(complete=False)

    def create(self, layout: Layout) -> None:
        """Create the group and its arrays: those with values are written, the others wait for `write`."""
        _check(layout, self.path)
        self._layout = layout
        self._check_space(sum(getattr(array.values, "nbytes", 0) for array in layout.arrays.values()))
        if self._append:
            self._check_homonyms()
            with _guard(self.path, "write"), _open(self.path, "r+") as file:
                self._skeleton(file)
        else:
            part = self.path.with_name(self.path.name + ".part")
            try:
                with _guard(self.path, "write"):
                    with _open(part, "w") as file:
                        self._skeleton(file)
                    os.replace(part, self.path)
            finally:
                part.unlink(missing_ok=True)
        with _guard(self.path, "write"):
            self._file = _open(self.path, "r+")
            _keep_index_in_memory(self._file)
            # Kept open: closing an array would write its unfinished chunks, and hide what goes wrong.
            self._arrays = {name: self._file[self.group][name] for name in {**layout.sizes, **layout.arrays}}

    def write(self, name: str, array: Any, /, **offsets: int) -> None:
        """Write a block of the array `name`; `offsets` says where it begins along each dimension (default 0).

        Blocks that cover whole chunks are fastest. Past the end of a dimension of unknown size, the dimension
        grows.
        """
        self._check_open()
        variable = self._layout.arrays[name]
        block = np.asarray(array)
        if block.ndim != len(variable.dims) or not set(offsets) <= set(variable.dims):
            raise ValueError(
                f"'{name}' has the dimensions {variable.dims}: given a block of shape {block.shape} "
                f"at {offsets or 'its beginning'}"
            )
        self._check_space(block.nbytes)
        where = []
        for dim, length in zip(variable.dims, block.shape, strict=True):
            start = offsets.get(dim, 0)
            self._make_room(dim, start + length)
            where.append(slice(start, start + length))
        with _guard(self.path, "write"):
            self._arrays[name][tuple(where)] = _stored(block)

    def flush(self) -> None:
        """Bring all that was written to the file, where it survives the end of this process."""
        file = self._check_open()
        with _guard(self.path, "write"):
            file.flush()

    def close(self, *, complete: bool = True) -> None:
        """Flush and close the file; `complete` says whether all that was meant to be written is there."""
        if self._file is None:
            return
        file, self._file = self._file, None
        with _guard(self.path, "write"):
            try:
                file.flush()
                file[self.group].attrs.modify("complete", int(complete))
            finally:
                file.close()

    def _check_open(self) -> h5py.File:
        if self._file is None:
            raise RuntimeError("the writer is not open: call create first, and nothing after close")
        return self._file

    def _check_space(self, size: int) -> None:
        """Stop while there is room for what HDF5 still holds: it does not survive a full disk."""
        if disk_usage(self.path.parent).free < size + CACHE_BYTES * (len(self._arrays) + 1):
            raise StorageError(
                f"cannot write {self.path}: the disk is full (what was written so far is kept); "
                "free some space or choose another place"
            )

    def _check_target(self, force: bool) -> None:
        """Find out before a long computation what would prevent its result from being stored."""
        path, folder = self.path, self.path.parent
        if not folder.is_dir():
            raise StorageError(f"cannot write {path}: there is no folder {folder}; create it or choose another")
        if path.is_dir():
            raise StorageError(f"cannot write {path}: it is a folder; give the name of a file, as in {path / 'out.h5'}")
        touched = path if self._append else folder
        if not os.access(touched, os.W_OK):
            raise StorageError(
                f"cannot write {path}: no permission to write into {touched}; "
                "choose another place or change its permissions"
            )
        if self._append:
            with _ours(path) as file:
                if _is_written(file, self.group) and not force:
                    raise StorageError(
                        f"{path} already has the group '{self.group}' (its groups: {_listing(file)}): "
                        "give another group, or force=True (--force) to replace it"
                    )
        elif path.exists() and not force:
            raise StorageError(f"{path} exists already: give another name, or force=True (--force) to replace it")

    def _check_homonyms(self) -> None:
        """In HDF5 groups and arrays share their names: refuse to put one where the other is."""
        import h5py

        with _ours(self.path) as file:
            for name in [str(parent) for parent in (Path(self.group), *Path(self.group).parents)]:
                if isinstance(file.get(name), h5py.Dataset):
                    raise StorageError(f"{self.path}: '{name}' is an array, so there can be no group '{self.group}'")
            for name in [*self._layout.sizes, *self._layout.arrays]:
                if isinstance(file.get(f"{self.group}/{name}"), h5py.Group):
                    raise StorageError(f"{self.path}: '{name}' is a group already, it cannot be an array; rename it")

    def _skeleton(self, file: h5py.File) -> None:
        layout = self._layout
        file.attrs[_MARK] = _VERSION
        node = file[self.group] if self.group in file else file.create_group(self.group, track_order=True)
        _clear(node)
        for key, value in layout.attrs.items():
            node.attrs[key] = _attribute(value)
        node.attrs["complete"] = 0
        auxiliary = [name for name in layout.coords if name not in layout.sizes]
        if auxiliary:
            node.attrs["coordinates"] = " ".join(auxiliary)
        for name, variable in layout.arrays.items():
            self._array(node, name, variable)
        for dim, size in layout.sizes.items():
            if dim in layout.coords:
                node[dim].make_scale(dim)
            else:
                self._array(node, dim, Variable((dim,), ">f4", fill=0.0))
                node[dim].make_scale(f"{_BARE_DIMENSION}{size or 0:10d}")
        for name, variable in layout.arrays.items():
            if name not in layout.sizes:
                for axis, dim in enumerate(variable.dims):
                    node[name].dims[axis].attach_scale(node[dim])

    def _array(self, node: h5py.Group, name: str, variable: Variable) -> None:
        import h5py

        kind = np.dtype(variable.dtype).kind
        stored = {"b": np.dtype(np.int8), "U": h5py.string_dtype()}.get(kind, np.dtype(variable.dtype))
        sizes = [self._layout.sizes[dim] for dim in variable.dims]
        values = None if variable.values is None else np.asarray(variable.values)
        shape = tuple(size or 0 for size in sizes) if values is None else values.shape
        options: dict[str, Any] = {"shape": shape, "dtype": stored, "fillvalue": variable.filling}
        if sizes and (None in sizes or 0 not in sizes):
            options |= {"chunks": _chunks(sizes, stored.itemsize), "maxshape": tuple(sizes)}
            if kind != "U":
                options |= self._filter
        array = node.create_dataset(name, track_order=True, **options)
        if values is not None and values.size:
            array[...] = _stored(values)
        for key, value in variable.attrs.items():
            array.attrs[key] = _attribute(value)
        if kind == "b":
            array.attrs["dtype"] = "bool"

    def _make_room(self, dim: str, size: int) -> None:
        current = self._arrays[dim].shape[0]
        if size <= current:
            return
        if self._layout.sizes[dim] is not None:
            raise ValueError(f"the dimension '{dim}' has {current} elements: cannot write up to element {size}")
        with _guard(self.path, "write"):
            if dim not in self._layout.coords:
                self._arrays[dim].resize(size, axis=0)
            for name, variable in self._layout.arrays.items():
                if dim in variable.dims:
                    self._arrays[name].resize(size, axis=variable.dims.index(dim))


def save(
    dataset: xr.Dataset,
    path: str | os.PathLike,
    group: str = "/",
    *,
    force: bool = False,
    append: bool = False,
    compression: str | None = None,
) -> None:
    """Store a Dataset; `load` gives back the same values, dimensions, coordinates, types and attributes.

    A file is replaced only once the new one is whole. Arrays that are not in memory are brought in one at a
    time. Attributes that are booleans come back as 0 or 1, lists of numbers as arrays.

    Parameters
    ----------
    dataset
        Arrays of booleans, integers, floating-point and complex numbers, and strings.
    path, group, force, append, compression
        As in `Writer`.

    Raises
    ------
    StorageError
        As in `Writer`; also for dates, Python objects, multi-indices and names that a file cannot hold.
    """
    coords: dict[Any, Variable] = {name: _variable(array.variable) for name, array in dataset.coords.items()}
    variables: dict[Any, Variable] = {name: _variable(array.variable) for name, array in dataset.data_vars.items()}
    sizes: dict[Any, int | None] = dict(dataset.sizes)
    attrs = {key: value for key, value in dataset.attrs.items() if key != "complete"}
    with Writer(path, group=group, force=force, append=append, compression=compression) as writer:
        writer.create(Layout(sizes, coords, variables, attrs))
        writer.close(complete=bool(dataset.attrs.get("complete", True)))


def load(path: str | os.PathLike, group: str = "/") -> xr.Dataset:
    """Read a group of a file: into memory, or from 256 MiB on each array where and when it is used.

    A coordinate of that size alone gets no index, so that it need not be read: select by ``isel`` there.
    The attribute ``complete = 0`` is there only when the writer did not finish. Strings come as ``<U``.

    Raises
    ------
    StorageError
        There is no such file or group, or the file is damaged or not one of ours.
    """
    import xarray as xr

    with _ours(path) as file, _guard(path, "read"):
        if not _is_written(file, _group_name(group)):
            raise StorageError(f"{path} has no group '{group}'; its groups: {_listing(file)}")
        node = file[_group_name(group)]
        arrays = _datasets(node)
        lazy = sum(item.size * item.dtype.itemsize for item in arrays.values()) >= LAZY_BYTES
        auxiliary = _text(node.attrs.get("coordinates", "")).split()
        coords: dict[str, Any] = {}
        variables: dict[str, Any] = {}
        for name, item in arrays.items():
            target = coords if item.is_scale or name in auxiliary else variables
            target[name] = (_dims(name, item), _values(item, lazy, path), _attributes(item))
        large = {name for name, (_, values, _) in coords.items() if values.size * values.dtype.itemsize >= LAZY_BYTES}
        data = xr.Dataset(variables, {k: v for k, v in coords.items() if k not in large}, _attributes(node))
        return data.assign_coords(xr.Coordinates({k: coords[k] for k in large}, indexes={})) if large else data


def groups(path: str | os.PathLike) -> list[str]:
    """The groups of a file that hold something, as `load` takes them: "/", "trajectory", "basins/fine"..."""
    with _ours(path) as file, _guard(path, "read"):
        return _groups(file)


def _variable(variable: xr.Variable) -> Variable:
    dtype = variable.dtype
    if dtype.kind in "OT" and all(isinstance(item, str) for item in np.ravel(variable.values)):
        dtype = np.dtype(str)
    dims: tuple[Any, ...] = variable.dims
    return Variable(dims, dtype, variable.attrs, variable)


def _check(layout: Layout, path: Path) -> None:
    """Refuse what a file cannot hold, before anything is touched."""
    for name in [*layout.sizes, *layout.arrays]:
        if not _is_text(name) or name in ("", ".", "..") or "/" in name:
            raise StorageError(f"{path}: {name!r} cannot be a name in a file; rename it to a word without '/'")
    for name in layout.coords:
        if name not in layout.sizes and name.split() != [name]:
            raise StorageError(f"{path}: the coordinate {name!r} has a blank in its name; rename it")
    for name, variable in layout.arrays.items():
        if name in layout.sizes and (name not in layout.coords or tuple(variable.dims) != (name,)):
            raise StorageError(f"{path}: '{name}' is the name of a dimension and of another array; rename one of them")
        if len(set(variable.dims)) < len(variable.dims):
            raise StorageError(
                f"{path}: '{name}' has the dimensions {variable.dims}: each axis needs a name of its own"
            )
        kind = np.dtype(variable.dtype).kind
        if kind not in "biufcU":
            raise StorageError(
                f"{path}: '{name}' is of type {variable.dtype}; a file holds booleans, integers, floats, "
                "complex numbers and strings: convert it (dates to numbers, a multi-index with reset_index)"
            )
        if kind == "U" and variable.values is not None and not _is_text(np.ravel(variable.values)):
            raise StorageError(f"{path}: '{name}' has strings with '\\0' or lone surrogates; replace them")
        _check_attributes(variable.attrs, f"{path}: '{name}'")
    _check_attributes(layout.attrs, str(path))


def _check_attributes(attrs: Mapping[str, Any], owner: str) -> None:
    for key, value in attrs.items():
        if not _is_text(key) or not key or key in _RESERVED:
            raise StorageError(f"{owner}: {key!r} cannot be the name of an attribute; rename it")
        simple = isinstance(value, (str, list, tuple, int, float, np.ndarray, np.generic))
        array = np.asarray(value) if simple else np.asarray(None)
        if array.ndim > 1 or array.dtype.kind not in "biufUT" or (array.dtype.kind in "UT" and not _is_text(value)):
            raise StorageError(
                f"{owner}: the attribute '{key}' is {value!r}; expected a number, a string or a list of them "
                "(leave out what is None, write a dictionary as JSON)"
            )


def _is_text(value: Any) -> bool:
    """Whether this is a string, or an array of strings, that HDF5 can hold."""
    try:
        text = value if isinstance(value, str) else "".join(value)
        return b"\0" not in text.encode()
    except (TypeError, UnicodeError):
        return False


def _attribute(value: Any) -> Any:
    return str(value) if isinstance(value, str) else _stored(np.asarray(value))


def _stored(array: np.ndarray) -> np.ndarray:
    """An array as HDF5 takes it: booleans as integers, strings of variable length."""
    if array.dtype.kind in "UT":
        return array.astype(object)
    return array.astype(np.int8) if array.dtype.kind == "b" else array


def _compression(name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    if name == "gzip":
        return {"compression": "gzip", "compression_opts": 4, "shuffle": True}
    if name == "blosc":
        try:
            import hdf5plugin
        except ImportError:
            raise StorageError(
                "compression='blosc' needs hdf5plugin: install it (pip install hdf5plugin) or use 'gzip'"
            ) from None
        return dict(hdf5plugin.Blosc())
    raise StorageError(f"compression={name!r}: expected None, 'gzip' or 'blosc'")


def _chunks(sizes: list[int | None], itemsize: int) -> tuple[int, ...]:
    """A chunk of about `CHUNK_BYTES`, long along the last axes; an unknown size counts as 1024 at first."""
    room = max(CHUNK_BYTES // itemsize, 1)
    chunk: list[int] = []
    for size in reversed(sizes):
        chunk.insert(0, min(1024 if size is None else size, room))
        room //= chunk[0]
    if None in sizes:
        chunk[sizes.index(None)] *= max(room, 1)
    return tuple(chunk)


def _group_name(group: str) -> str:
    return "/" + group.strip("/")


def _clear(node: h5py.Group) -> None:
    """Remove the arrays and attributes of a group, not the groups inside it."""
    import h5py

    for name in [name for name, item in node.items() if isinstance(item, h5py.Dataset)]:
        del node[name]
    for key in [key for key in node.attrs if key != _MARK]:
        del node.attrs[key]


def _open(path: str | os.PathLike, mode: str) -> h5py.File:
    import h5py

    cache: dict[str, Any] = {"rdcc_nbytes": CACHE_BYTES, "rdcc_w0": 1.0}
    if mode == "w":  # "aggregate": space that becomes free is not used again, so that an older index stays right
        return h5py.File(path, mode, track_order=True, fs_strategy="aggregate", **cache)
    if mode == "r+":
        return h5py.File(path, mode, track_order=True, **cache)
    try:
        return h5py.File(path, mode, locking=False)
    except OSError as error:
        if "locking flag" in str(error):  # open in this process too, with a lock
            return h5py.File(path, mode)
        raise


def _keep_index_in_memory(file: h5py.File) -> None:
    """Let HDF5 write its index (metadata) at a flush only: what the file holds meanwhile stays readable."""
    config = file.id.get_mdc_config()
    config.incr_mode = config.flash_incr_mode = config.decr_mode = 0
    config.evictions_enabled = False
    file.id.set_mdc_config(config)


@contextmanager
def _guard(path: str | os.PathLike, doing: str) -> Iterator[None]:
    """Turn what HDF5 and the operating system complain about into a StorageError that says what to do."""
    try:
        yield
    except (OSError, RuntimeError, LookupError, ValueError) as error:
        advice = next((known for sign, known in _ADVICE.items() if sign in str(error)), None)
        raise StorageError(f"cannot {doing} {path}: {advice or f'the file is damaged or in use ({error})'}") from error


@contextmanager
def _ours(path: str | os.PathLike) -> Iterator[h5py.File]:
    """Open a file for reading and check that attrax wrote it."""
    import h5py

    with suppress(ImportError):
        import hdf5plugin  # noqa: F401  (makes its filters known to HDF5)
    if not Path(path).is_file():
        raise StorageError(f"there is no file {path}; check the name")
    with _guard(path, "read"):
        if not h5py.is_hdf5(path):
            raise StorageError(f"{path} is not an HDF5 file, or damaged; expected a file that attrax wrote")
        file = _open(path, "r")
    with file:
        with _guard(path, "read"):
            version = file.attrs.get(_MARK)
        if version is None:
            raise StorageError(f"{path} is an HDF5 file that attrax did not write; open it with h5py or xarray")
        if version > _VERSION:
            raise StorageError(f"{path} was written by a newer attrax (layout {version}, known: {_VERSION}); update")
        yield file


def _is_written(file: h5py.File, group: str) -> bool:
    return group in file and "complete" in file[group].attrs


def _groups(file: h5py.File) -> list[str]:
    import h5py

    found = ["/"] if _is_written(file, "/") else []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Group) and "complete" in item.attrs:
            found.append(name)

    file.visititems(visit)
    return found


def _listing(file: h5py.File) -> str:
    return ", ".join(f"'{name}'" for name in _groups(file)) or "none"


def _datasets(node: h5py.Group) -> dict[str, h5py.Dataset]:
    import h5py

    return {
        name: item
        for name, item in node.items()
        if isinstance(item, h5py.Dataset) and not _text(item.attrs.get("NAME", "")).startswith(_BARE_DIMENSION)
    }


def _dims(name: str, item: h5py.Dataset) -> tuple[str, ...]:
    return (name,) if item.is_scale else tuple(scales[0].name.rsplit("/", 1)[-1] for scales in item.dims)


def _values(item: h5py.Dataset, lazy: bool, path: str | os.PathLike) -> Any:
    if item.dtype.kind == "O":
        return np.asarray(item.asstr()[()], dtype=str)
    dtype = np.dtype(bool) if _text(item.attrs.get("dtype", "")) == "bool" else item.dtype
    if not lazy:
        return np.asarray(item[()], dtype)
    from .ondisk import lazily

    return lazily(item.shape, dtype, partial(_part, os.path.abspath(path), item.name, dtype))


def _part(path: str, name: str, dtype: np.dtype, index: tuple) -> np.ndarray:
    with _ours(path) as file, _guard(path, "read"):
        return np.asarray(file[name][index], dtype)


def _attributes(item: h5py.Dataset | h5py.Group) -> dict[str, Any]:
    """The attributes that the user gave; ``complete`` only when it says something."""
    attrs = {}
    for key, value in item.attrs.items():
        if key in _RESERVED and not (key == "complete" and value == 0):
            continue
        if isinstance(value, np.generic):
            value = value.item()
        elif isinstance(value, np.ndarray) and value.dtype.kind == "O":
            value = [_text(entry) for entry in value]
        attrs[key] = value
    return attrs


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
