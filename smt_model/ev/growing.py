"""Arrays that grow by doubling."""

import mmap
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)

_HUGE_FROM = 1 << 24
"""Bytes from which huge pages are asked for: lookups in millions of keys miss fewer of them, and
one that is half written no longer counts."""


def zeros(length: int, dtype: np.dtype[Scalar] | type[Scalar]) -> NDArray[Scalar]:
    """Return zeros in pages of their own, which cost memory only once they are written.

    NumPy's arrays are the C library's, which keeps those that were outgrown for later use.
    """
    size = max(1, length) * np.dtype(dtype).itemsize
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if size >= _HUGE_FROM and hasattr(mmap, "MADV_HUGEPAGE"):
        pages.madvise(mmap.MADV_HUGEPAGE)
    array: NDArray[Any] = np.frombuffer(pages, dtype)
    return array[:length]


def extended(array: NDArray[Scalar], length: int) -> NDArray[Scalar]:
    """Return an array of at least ``length``, twice as long as before when it was too short.

    What lies behind the old values is zero, and costs memory only once it is written.
    """
    if length <= len(array):
        return array
    longer = zeros(max(length, 2 * len(array)), array.dtype)
    longer[: len(array)] = array
    return longer
