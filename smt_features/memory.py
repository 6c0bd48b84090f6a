"""Lets a process keep the memory it frees."""

import ctypes
import os

VARIABLE = "_RJEM_MALLOC_CONF"
"""Settings of Polars' jemalloc; Polars puts its own before them when it is imported."""

MALLOC_CONF = "dirty_decay_ms:5000,muzzy_decay_ms:0,narenas:2"
"""Freed memory is kept for 5 seconds, not half a second, and shared by all threads."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_LARGEST_INT = 2**31 - 1
_MOST = 32 << 20  # glibc takes no larger threshold, and a block of rows is smaller


def keep_freed_memory() -> None:
    """Tell the allocators of Polars and of the C library to keep freed memory for what comes next.

    Blocks and batches of rows need the same amounts again and again, and a page that the system
    takes back and gives once more costs as much as filling it. To be called before Polars is
    imported: its jemalloc reads the variable then, and it is left alone when it is set. For
    reading with NumPy or TensorFlow, which use the C library's, any time will do. Another C
    library than glibc is left as it is. https://jemalloc.net/jemalloc.3.html, mallopt(3).
    """
    os.environ.setdefault(VARIABLE, MALLOC_CONF)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MOST)
        mallopt(_M_TRIM_THRESHOLD, _LARGEST_INT)
