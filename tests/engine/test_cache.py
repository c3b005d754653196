"""The cache of compiled code: what is damaged is built anew, and several processes may share it."""

from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attrax.engine import cache


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTRAX_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def entry(folder):
    (path,) = [p for p in folder.rglob("*") if p.is_file()]
    return path


def test_where_it_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("ATTRAX_CACHE_DIR", str(tmp_path / "own"))
    assert cache.directory() == tmp_path / "own"
    monkeypatch.delenv("ATTRAX_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.directory() == tmp_path / "xdg" / "attrax"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.directory() == tmp_path / "home" / ".cache" / "attrax"


def test_built_once(folder):
    built = []

    def build():
        built.append(1)
        return b"code"

    assert [cache.fetch("native", "key", build) for _ in range(3)] == [b"code"] * 3
    assert len(built) == 1
    assert cache.fetch("native", "other", lambda: b"other code") == b"other code"
    assert cache.fetch("drivers", "key", lambda: b"driver") == b"driver"
    assert cache.fetch("native", "key", build) == b"code" and len(built) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:40],
        lambda data: data[:31],
        lambda data: b"",
        lambda data: data + b"\0",
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: data[:50] + bytes([data[50] ^ 128]) + data[51:],
        lambda data: bytes(len(data)),
    ],
)
def test_what_is_damaged_is_built_anew(folder, damage):
    cache.fetch("native", "key", lambda: b"code" * 100)
    path = entry(folder)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.fetch("native", "key", lambda: b"new" * 100) == b"new" * 100
    assert cache.read(path) == b"new" * 100
    assert [p for p in folder.rglob("*") if p.is_file()] == [path]


@given(content=st.binary(max_size=2000), position=st.integers(0, 10**6), flip=st.integers(1, 255))
def test_any_flipped_byte_is_seen(tmp_path_factory, content, position, flip):
    path = tmp_path_factory.mktemp("cache") / "entry"
    cache.write(path, content)
    assert cache.read(path) == content
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= flip
    path.write_bytes(data)
    assert cache.read(path) is None


def test_a_folder_in_place_of_the_entry(folder):
    cache.fetch("native", "key", lambda: b"code")
    path = entry(folder)
    path.unlink()
    path.mkdir()
    assert cache.fetch("native", "key", lambda: b"code") == b"code"


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ATTRAX_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert [cache.fetch("native", "key", lambda: b"code") for _ in range(2)] == [b"code"] * 2
    if os.geteuid() != 0:
        monkeypatch.setenv("ATTRAX_CACHE_DIR", str(tmp_path / "locked"))
        (tmp_path / "locked").mkdir(mode=0o500)
        assert cache.fetch("native", "key", lambda: b"code") == b"code"


def test_many_threads(folder):
    found = []

    def work(k):
        for i in range(30):
            found.append(cache.fetch("native", f"key {i}", lambda i=i: bytes([i]) * 1000) == bytes([i]) * 1000)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert all(found) and len(found) == 180
    assert len([p for p in folder.rglob("*") if p.is_file()]) == 30


def test_remembered_builds_once_in_many_threads():
    built = []

    @cache.remembered
    def build(x):
        built.append(x)
        return object()

    found = []
    threads = [threading.Thread(target=lambda: found.append(build(3))) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert built == [3]
    assert len(set(map(id, found))) == 1
