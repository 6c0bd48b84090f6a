"""Starts a command quickly."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Import without garbage collection.

    Modules make many objects and no garbage: looking for some takes a fifth of the imports'
    time, and looking at them again would slow down every later collection. And NumPy's linear
    algebra, which is not needed, would start threads that spin on every core.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()
