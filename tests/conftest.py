"""What all tests share. Compiled code comes from the user's cache, so that a second run is fast; a test that
looks at the cache itself sets ATTRAX_CACHE_DIR to a folder of its own."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "agg")
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in what a shell runs in the background; tests press Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("attrax", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("attrax")


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """A cache of compiled code of the test's own."""
    monkeypatch.setenv("ATTRAX_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"
