"""Maps a function over items on threads, in order and in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import polars as pl

from smt_features.cores import usable_cores

T = TypeVar("T")
R = TypeVar("R")

# Polars imports NumPy when it first meets an array, and fails when several threads do so at once.
pl.Series(np.zeros(0))


def ordered_map(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    waiting: int = 0,
    at_most: int | None = None,
) -> Iterator[R]:
    """Yield ``function(item)`` in the order of the items.

    One item is taken ahead for each thread. An error of the function or of the items surfaces at
    its place in the order. There is a thread for each core that may be used, and ``waiting`` more
    for when some wait, for the interpreter or for Polars' own threads; but never more than
    ``at_most``.
    """
    threads = usable_cores() + waiting
    threads = threads if at_most is None else min(threads, at_most)
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as executor:
        try:
            for item in items:
                pending.append(executor.submit(function, item))
                if len(pending) > threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
