"""Starts a command quickly."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Import without garbage collection.

    Modules make many objects and no garbage: looking for some takes a fifth of the imports'
    time, and looking at them again would slow down every later collection.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
