"""Files: what goes in comes out, other programs read them, and a killed run keeps what was flushed."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from attrax.engine import storage
from attrax.engine.errors import StorageError
from attrax.engine.layout import Layout, Variable
from attrax.engine.storage import Writer, groups, load, save

# -- what goes in comes out -----------------------------------------------------------------------------

names = st.text(st.characters(codec="utf-8", exclude_characters="\0/ ", exclude_categories=["Z", "C"]), min_size=1)
names = names.filter(lambda name: name not in (".", "..") and not name.isspace() and len(name.split()) == 1)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(sizes=(32, 64), endianness="?"),
    hnp.complex_number_dtypes(sizes=(64, 128)),
)
numbers = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.booleans(),
    texts,
    hnp.from_dtype(np.dtype("f4")),
)
attributes = st.dictionaries(
    names.filter(lambda name: name not in storage._RESERVED),
    st.one_of(numbers, st.lists(st.floats(), max_size=4), st.lists(texts, min_size=1, max_size=4)),
    max_size=12,
)


@st.composite
def arrays(draw, shape):
    if draw(st.integers(0, 3)) == 0:
        flat = draw(st.lists(texts, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
        return np.array(flat, dtype=str).reshape(shape)
    return draw(hnp.arrays(draw(dtypes), shape))


@st.composite
def datasets(draw):
    dims = draw(st.dictionaries(names, st.integers(0, 4), max_size=3))
    labels = draw(st.lists(names.filter(lambda name: name not in dims), max_size=5, unique=True))
    coordinates = draw(st.sets(st.sampled_from([*dims, *labels]))) if dims or labels else set()
    data, coords = {}, {}
    for label in [*labels, *dims]:
        own = label in dims
        if own and label not in coordinates:
            continue
        axes = (label,) if own else tuple(draw(st.lists(st.sampled_from(sorted(dims)), unique=True)) if dims else ())
        values = draw(arrays(tuple(dims[axis] for axis in axes)))
        (coords if label in coordinates else data)[label] = (axes, values, draw(attributes))
    return xr.Dataset(data, coords, draw(attributes))


@settings(max_examples=80)
@given(datasets(), st.sampled_from([None, "gzip"]))
def test_round_trip(dataset, compression):
    with tempfile.TemporaryDirectory() as folder:
        save(dataset, Path(folder) / "a.h5", compression=compression)
        back = load(Path(folder) / "a.h5")
    assert_same(back, dataset)


@settings(max_examples=25)
@given(datasets())
def test_round_trip_of_what_stays_on_disk(dataset):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "LAZY_BYTES", 0)
        save(dataset, Path(folder) / "a.h5")
        save(load(Path(folder) / "a.h5"), Path(folder) / "a.h5", "copy", append=True)
        back = load(Path(folder) / "a.h5", "copy").load()
    assert_same(back, dataset)


def assert_same(back: xr.Dataset, dataset: xr.Dataset) -> None:
    assert set(back.coords) == set(dataset.coords) and set(back.data_vars) == set(dataset.data_vars)
    for name, array in dataset.variables.items():
        assert back[name].dims == array.dims
        np.testing.assert_array_equal(back[name].values, array.values, strict=array.dtype.kind != "U")
        assert back[name].dtype.kind == array.dtype.kind
        assert_same_attributes(back[name].attrs, array.attrs)
    assert_same_attributes(back.attrs, dataset.attrs)


def assert_same_attributes(back: dict, attrs: dict) -> None:
    assert list(back) == list(attrs)
    for key, value in attrs.items():
        np.testing.assert_array_equal(back[key], value)


def example(n: int = 5) -> xr.Dataset:
    return xr.Dataset(
        {
            "x": (("time", "unit"), np.arange(2.0 * n).reshape(n, 2), {"units": "mV"}),
            "spiked": ("unit", [True, False]),
            "name": ("unit", ["left", "größer"]),
            "multiplier": ("unit", [1 + 2j, -0.5j]),
            "count": ((), 7),
        },
        {"time": np.arange(n) / 4, "rho": ((), 28.0, {"units": "1/s"}), "site": ("unit", ["a", "b"])},
        {"system": "chaos.lorenz", "seed": 3},
    )


def test_parts_of_an_array_on_disk(tmp_path, monkeypatch):
    save(example(40), tmp_path / "a.h5")
    whole = load(tmp_path / "a.h5")
    monkeypatch.setattr(storage, "LAZY_BYTES", 0)
    for part in (
        {"time": slice(None, None, -3)},
        {"time": [9, 2, 2], "unit": [1, 0]},
        {"time": 7},
        {"time": xr.DataArray([3, 1], dims="k"), "unit": xr.DataArray([0, 1], dims="k")},
    ):
        xr.testing.assert_identical(load(tmp_path / "a.h5").isel(part).load(), whole.drop_indexes("time").isel(part))
    assert "..." in repr(load(tmp_path / "a.h5"))


# -- other programs read them ----------------------------------------------------------------------------


def test_xarray_reads_it_without_us(tmp_path):
    save(example(), tmp_path / "a.h5")
    with xr.open_dataset(tmp_path / "a.h5", engine="h5netcdf") as read:
        xr.testing.assert_equal(read.load(), example())
        assert read.x.attrs == {"units": "mV"} and read.attrs["system"] == "chaos.lorenz"
        assert read.spiked.dtype == bool and read.attrs["complete"] == 1


@settings(max_examples=25)
@given(datasets())
def test_xarray_reads_any_of_them(dataset):
    with tempfile.TemporaryDirectory() as folder:
        save(dataset, Path(folder) / "a.h5", "deep/group")
        with xr.open_dataset(
            Path(folder) / "a.h5",
            engine="h5netcdf",
            group="deep/group",
            decode_times=False,
            decode_timedelta=False,
        ) as read:
            assert read.sizes == dataset.sizes
            for name, array in dataset.variables.items():
                assert read[name].dims == array.dims
                if "add_offset" not in array.attrs and "scale_factor" not in array.attrs:
                    np.testing.assert_array_equal(read[name].values, array.values)


def test_h5py_reads_it_without_us(tmp_path):
    save(example(), tmp_path / "a.h5", "run")
    with h5py.File(tmp_path / "a.h5") as file:
        x = file["run/x"]
        np.testing.assert_array_equal(x[:], example().x)
        assert x.dims[0][0] == file["run/time"] and file["run/time"].is_scale
        assert x.attrs["units"] == "mV" and x.compression is None
        assert list(file["run/name"].asstr()) == ["left", "größer"]
        np.testing.assert_array_equal(file["run/multiplier"][:], [1 + 2j, -0.5j])
        assert file["run"].attrs["coordinates"] == "rho site"


def test_chunks_are_about_a_mebibyte(tmp_path):
    sizes = {"member": 3000, "time": 700, "unit": 50}
    layout = Layout(sizes, variables={"x": Variable(tuple(sizes)), "y": Variable(("unit",))})
    with Writer(tmp_path / "a.h5") as writer:
        writer.create(layout)
    with h5py.File(tmp_path / "a.h5") as file:
        assert 2**19 < np.prod(file["x"].chunks) * 8 <= 2**20 and file["x"].chunks[1:] == (700, 50)[:2]
        assert file["y"].chunks == (50,)
    assert (tmp_path / "a.h5").stat().st_size < 100_000, "what was never written takes no space"


# -- streaming ------------------------------------------------------------------------------------------


def growing() -> Layout:
    return Layout(
        {"time": None, "unit": 2},
        {"time": Variable(("time",))},
        {
            "x": Variable(("time", "unit")),
            "status": Variable((), np.int8, fill=1),
            "done": Variable((), bool),
        },
        {"seed": 1},
    )


def test_blocks_of_unknown_number(tmp_path):
    values = np.random.default_rng(0).normal(size=(1000, 2))
    with Writer(tmp_path / "a.h5") as writer:
        writer.create(growing())
        for start in range(0, 1000, 130):
            writer.write("x", values[start : start + 130], time=start)
        assert load(tmp_path / "a.h5").attrs["complete"] == 0
        writer.write("status", 0)
        writer.write("time", np.arange(1000.0))
    data = load(tmp_path / "a.h5")
    np.testing.assert_array_equal(data.x, values)
    assert data.status == 0 and not data.done and "complete" not in data.attrs
    with xr.open_dataset(tmp_path / "a.h5", engine="h5netcdf") as read:
        np.testing.assert_array_equal(read.x, values)


@settings(max_examples=30)
@given(st.data())
def test_blocks_in_any_order(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=7))
    dims = tuple("abc"[: len(shape)])
    expected = np.full(shape, np.nan)
    with tempfile.TemporaryDirectory() as folder:
        with Writer(Path(folder) / "a.h5") as writer:
            writer.create(Layout(dict(zip(dims, shape, strict=True)), variables={"x": Variable(dims)}))
            for number in range(data.draw(st.integers(0, 5))):
                starts = [data.draw(st.integers(0, size - 1)) for size in shape]
                stops = [data.draw(st.integers(k, size)) for k, size in zip(starts, shape, strict=True)]
                where = tuple(slice(*ends) for ends in zip(starts, stops, strict=True))
                expected[where] = number
                writer.write("x", expected[where], **dict(zip(dims, starts, strict=True)))
        np.testing.assert_array_equal(load(Path(folder) / "a.h5").x, expected)


def test_memory_stays_flat(tmp_path):
    block = np.random.default_rng(0).normal(size=(10_000, 2))
    tracemalloc.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Writer(tmp_path / "a.h5") as writer:
        writer.create(growing())
        for number in range(200):
            writer.write("x", block, time=number * len(block))
            if number == 70:  # the caches are full
                early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    late, (_, peak) = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "a.h5").stat().st_size > 32e6
    assert peak < 1e6 and early - before < 24e3 and late - early < 3e3, (peak, early - before, late - early)


def test_what_does_not_fit_is_refused(tmp_path):
    with Writer(tmp_path / "a.h5") as writer:
        writer.create(growing())
        with pytest.raises(ValueError, match="has the dimensions"):
            writer.write("x", np.zeros(3))
        with pytest.raises(ValueError, match="'unit' has 2 elements"):
            writer.write("x", np.zeros((3, 3)))
    with pytest.raises(RuntimeError, match="not open"):
        writer.write("x", np.zeros((3, 2)))


# -- accidents -------------------------------------------------------------------------------------------


def child(code: str, *arguments: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_killed_writer_keeps_what_it_flushed(tmp_path, compression):
    process = child(
        """
        import signal, sys
        import numpy as np
        from attrax.engine.layout import Layout, Variable
        from attrax.engine.storage import Writer

        path, compression = sys.argv[1:]
        writer = Writer(path, compression=None if compression == "None" else compression)
        layout = Layout({"time": None, "unit": 2}, variables={"x": Variable(("time", "unit"))})
        writer.create(layout)
        block = np.random.default_rng(0).normal(size=(7777, 2))
        for number in range(10**6):
            writer.write("x", block + number, time=number * len(block))
            if number % 10 == 9:
                writer.flush()
                print(number + 1, flush=True)
            if number == 57:
                print("unflushed", flush=True)
                signal.pause()
        """,
        tmp_path / "a.h5",
        compression,
    )
    with process:
        for line in process.stdout:
            if line == "unflushed\n":
                break
            flushed = int(line)
        process.send_signal(signal.SIGKILL)
    data = load(tmp_path / "a.h5")
    assert data.attrs["complete"] == 0
    block = np.random.default_rng(0).normal(size=(7777, 2))
    kept = data.x.values[: flushed * len(block)]
    np.testing.assert_array_equal(kept, np.concatenate([block + number for number in range(flushed)]))
    save(example(), tmp_path / "a.h5", "later", append=True)
    assert groups(tmp_path / "a.h5") == ["/", "later"]
    xr.testing.assert_identical(load(tmp_path / "a.h5", "later"), example())


def test_an_exception_leaves_an_incomplete_group(tmp_path):
    with contextlib.suppress(KeyboardInterrupt), Writer(tmp_path / "a.h5") as writer:
        writer.create(growing())
        writer.write("x", np.ones((3, 2)))
        raise KeyboardInterrupt
    data = load(tmp_path / "a.h5")
    assert data.attrs == {"seed": 1, "complete": 0} and data.x.shape == (3, 2)
    save(data, tmp_path / "copy.h5")
    assert load(tmp_path / "copy.h5").attrs["complete"] == 0


def test_a_full_disk_keeps_what_was_written(tmp_path, monkeypatch):
    with pytest.raises(StorageError, match="the disk is full"), Writer(tmp_path / "a.h5") as writer:
        writer.create(growing())
        writer.write("x", np.ones((3, 2)))
        monkeypatch.setattr(storage, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9, 1000))
        writer.write("x", np.ones((3, 2)), time=3)
    data = load(tmp_path / "a.h5")
    np.testing.assert_array_equal(data.x, np.ones((3, 2)))
    assert data.attrs["complete"] == 0
    with pytest.raises(StorageError, match="the disk is full"):
        save(example(), tmp_path / "b.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_nothing_is_left_of_a_file_that_cannot_be(tmp_path):
    bad = example().assign(when=("unit", np.array(["2020-01-01", "2020-01-02"], "M8[ns]")))
    save(example(), tmp_path / "a.h5")
    with pytest.raises(StorageError, match="'when' is of type datetime64"):
        save(bad, tmp_path / "a.h5", force=True)
    xr.testing.assert_identical(load(tmp_path / "a.h5"), example())
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


# -- what is there already --------------------------------------------------------------------------------


def test_an_existing_file_is_replaced_only_by_force(tmp_path):
    save(example(), tmp_path / "a.h5")
    with pytest.raises(StorageError, match=r"exists already.*--force"):
        save(example(3), tmp_path / "a.h5")
    assert load(tmp_path / "a.h5").sizes["time"] == 5
    save(example(3), tmp_path / "a.h5", force=True)
    assert load(tmp_path / "a.h5").sizes["time"] == 3


def test_groups_stand_side_by_side(tmp_path):
    path = tmp_path / "a.h5"
    save(example(), path, append=True)
    save(example(2), path, "basins/fine", append=True)
    save(example(3), path, "/basins/", append=True)
    assert groups(path) == ["/", "basins", "basins/fine"]
    with pytest.raises(
        StorageError, match=r"has the group '/basins/fine' \(its groups: '/', 'basins', 'basins/fine'\)"
    ):
        save(example(), path, "basins/fine", append=True)
    save(example(4), path, "basins", append=True, force=True)
    assert [load(path, name).sizes["time"] for name in groups(path)] == [5, 4, 2]
    with pytest.raises(StorageError, match="'/x' is an array, so there can be no group"):
        save(example(), path, "x/more", append=True)
    with pytest.raises(StorageError, match="'basins' is a group already"):
        save(xr.Dataset({"basins": 1.0}), path, append=True, force=True)
    xr.testing.assert_identical(load(path), example())
    with pytest.raises(StorageError, match=r"has no group 'orbit'; its groups: '/', 'basins'"):
        load(path, "orbit")


def test_a_file_is_read_while_it_is_written(tmp_path):
    with Writer(tmp_path / "a.h5") as writer:
        writer.create(growing())
        writer.write("x", np.ones((3, 2)))
        writer.flush()
        code = "import sys, attrax; print(attrax.load(sys.argv[1]).x.shape)"
        assert child(code, tmp_path / "a.h5").communicate()[0] == "(3, 2)\n"


def test_two_processes_do_not_write_one_file(tmp_path):
    with Writer(tmp_path / "a.h5") as writer:
        writer.create(growing())
        code = """
            import sys
            from attrax.engine.errors import StorageError
            from attrax.engine.layout import Layout
            from attrax.engine.storage import Writer
            try:
                Writer(sys.argv[1], group="b", append=True).create(Layout({}))
            except StorageError as error:
                print(error)
        """
        assert "another process has it open" in child(code, tmp_path / "a.h5").communicate()[0]


# -- refusals ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def ordinary_user():
    """Permissions do not bind root: become somebody else."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_cannot_be_written():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        with ordinary_user(), pytest.raises(StorageError, match="no permission"):
            save(example(), Path(folder) / "a.h5")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing/a.h5", "there is no folder .*missing; create it"),
        (".", "it is a folder; give the name of a file"),
    ],
)
def test_a_place_that_is_no_file(tmp_path, path, message):
    with pytest.raises(StorageError, match=message):
        Writer(tmp_path / path)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (xr.Dataset({"a/b": 1.0}), "'a/b' cannot be a name"),
        (xr.Dataset({3: 1.0}), "3 cannot be a name"),
        (xr.Dataset(coords={"a b": 1.0}), "blank in its name"),
        (xr.Dataset({"x": ("x_", [1.0])}).rename(x_="y").assign(z=("y", [object()])), "is of type object"),
        (xr.Dataset({"x": "a\0b"}), "lone surrogates"),
        (xr.Dataset({"x": "\ud800"}), "lone surrogates"),
        (xr.Dataset({"x": 1.0}, attrs={"a": None}), "the attribute 'a' is None"),
        (xr.Dataset({"x": 1.0}, attrs={"a": {"b": 1}}), "write a dictionary as JSON"),
        (xr.Dataset({"x": 1.0}, attrs={"a": "b\0"}), "the attribute 'a'"),
        (xr.Dataset({"x": 1.0}, attrs={"a": np.zeros((2, 2))}), "the attribute 'a'"),
        (xr.Dataset({"x": ((), 1.0, {"CLASS": "?"})}), "'CLASS' cannot be the name of an attribute"),
    ],
)
def test_what_a_file_cannot_hold(tmp_path, dataset, message):
    with pytest.raises(StorageError, match=message):
        save(dataset, tmp_path / "a.h5")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (Layout({"n": 2}, variables={"x": Variable(("n", "n"))}), "each axis needs a name of its own"),
        (Layout({"n": 2}, variables={"n": Variable(())}), "the name of a dimension and of another array"),
    ],
)
def test_layouts_that_name_two_things_alike(tmp_path, layout, message):
    with pytest.raises(StorageError, match=message), Writer(tmp_path / "a.h5") as writer:
        writer.create(layout)


def test_unknown_compression(tmp_path):
    with pytest.raises(StorageError, match="expected None, 'gzip' or 'blosc'"):
        save(example(), tmp_path / "a.h5", compression="zip")


def test_large_attributes(tmp_path):
    attrs = {"text": "é" * 300_000, "numbers": np.arange(20_000.0), "words": ["a"] * 20_000}
    save(xr.Dataset({"x": ((), 1.0, attrs)}, attrs=attrs), tmp_path / "a.h5")
    back = load(tmp_path / "a.h5")
    assert_same_attributes(back.attrs, attrs)
    assert_same_attributes(back.x.attrs, attrs)


def test_foreign_files(tmp_path):
    with pytest.raises(StorageError, match="there is no file"):
        load(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("time,x\n")
    for read in (load, groups):
        with pytest.raises(StorageError, match="is not an HDF5 file"):
            read(tmp_path / "text.h5")
    h5py.File(tmp_path / "other.h5", "w").close()
    with pytest.raises(StorageError, match="attrax did not write"):
        load(tmp_path / "other.h5")
    with pytest.raises(StorageError, match="attrax did not write"):
        save(example(), tmp_path / "other.h5", "mine", append=True)
    with h5py.File(tmp_path / "other.h5", "r+") as file:
        file.attrs["attrax_storage"] = 99
    with pytest.raises(StorageError, match="newer attrax"):
        load(tmp_path / "other.h5")


def test_damaged_files(tmp_path):
    """Cut anywhere, a file is refused in a sentence, or gives its first arrays right."""
    save(example(), tmp_path / "whole.h5")
    whole = (tmp_path / "whole.h5").read_bytes()
    for length in range(0, len(whole), len(whole) // 60):
        (tmp_path / "cut.h5").write_bytes(whole[:length])
        with pytest.raises(StorageError, match=r"cut\.h5"):
            load(tmp_path / "cut.h5")
