"""Arrays that stay in their file: xarray reads the parts that are used, when they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core.indexing import IndexingSupport, LazilyIndexedArray, explicit_indexing_adapter


def lazily(shape: tuple[int, ...], dtype: np.dtype, read: Callable[[tuple], np.ndarray]) -> Any:
    """What a `xarray.Variable` takes in place of an array; ``read`` gives the part under an h5py index."""
    return LazilyIndexedArray(_OnDisk(shape, dtype, read))


class _OnDisk(BackendArray):
    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, read: Callable[[tuple], np.ndarray]):
        self.shape = shape
        self.dtype = dtype
        self.read = read

    def __getitem__(self, key: Any) -> np.ndarray:
        return explicit_indexing_adapter(key, self.shape, IndexingSupport.OUTER_1VECTOR, self.read)
