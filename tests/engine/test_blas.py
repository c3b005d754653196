"""One thread for linear algebra, and as many as before afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from attrax.engine import blas


def test_the_number_of_threads_comes_back():
    np.linalg.eigvals(np.eye(3))
    libraries = blas._libraries()
    before = [read() for _, read in libraries]
    with pytest.raises(ZeroDivisionError), blas.one_thread():
        assert [read() for _, read in libraries] == [1] * len(libraries)
        1 / 0  # noqa: B018
    assert [read() for _, read in libraries] == before


def test_callers_may_overlap():
    libraries = blas._libraries()
    before = [read() for _, read in libraries]
    first, second = blas.one_thread(), blas.one_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert [read() for _, read in libraries] == [1] * len(libraries)
    second.__exit__(None, None, None)
    assert [read() for _, read in libraries] == before


def test_other_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(blas, "_libraries", list)
    with blas.one_thread():
        np.testing.assert_allclose(np.linalg.eigvals(2 * np.eye(3)), 2)
