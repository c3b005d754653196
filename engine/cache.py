"""The user's cache of compiled code: entries are checked when read and replaced as a whole.

The directory is ``$ATTRAX_CACHE_DIR``, else ``$XDG_CACHE_HOME/attrax`` or ``~/.cache/attrax``. Several
processes may share it. An entry carries a checksum; a damaged one is built anew. A directory that
cannot be written only costs the compilation in each process.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import TypeVar

Function = TypeVar("Function", bound=Callable)
_building = threading.RLock()


def remembered(function: Function) -> Function:
    """Keep results for this process; threads wait for each other instead of building the same thing twice."""
    kept = lru_cache(maxsize=1024)(function)

    @wraps(function)
    def once(*arguments):
        with _building:
            return kept(*arguments)

    return once  # type: ignore[return-value]


def directory() -> Path:
    """Where compiled code is kept."""
    if given := os.environ.get("ATTRAX_CACHE_DIR"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "attrax"


def fetch(kind: str, key: str, build: Callable[[], bytes]) -> bytes:
    """The entry for ``key``, built and kept if it is missing or damaged."""
    path = directory() / kind / hashlib.sha256(key.encode()).hexdigest()
    content = read(path)
    if content is None:
        content = build()
        write(path, content)
    return content


def read(path: Path) -> bytes | None:
    """Content of an entry, or None if it is missing or its checksum is wrong."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content = data[32:]
    return content if hashlib.sha256(content).digest() == data[:32] else None


def write(path: Path, content: bytes) -> None:
    """Keep an entry; a reader sees the old one or the new one, never a part."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            temporary = file.name
            file.write(hashlib.sha256(content).digest() + content)
        os.replace(temporary, path)
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
