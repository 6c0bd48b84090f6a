"""Runs an iterator in a thread, ahead of whoever consumes it."""

import threading
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

_END = object()


class Prefetcher(Generic[T]):
    """Iterates over `source` in a thread that works up to `depth` items ahead.

    An exception of the source is raised to the consumer, after the items made before it.
    Leaving the ``with`` block stops the thread, whether or not all items were taken.
    """

    def __init__(self, source: Iterable[T], depth: int) -> None:
        self._source = source
        # Two queues in C, one of items and one of places: a bounded queue is in Python, and slow.
        self._items: SimpleQueue[object] = SimpleQueue()
        self._places: SimpleQueue[None] = SimpleQueue()
        for _ in range(depth):
            self._places.put(None)
        self._stopped = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._produce, name="smt-prefetch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped = True
        self._places.put(None)  # for a thread that waits for one
        self._thread.join()

    def __iter__(self) -> Iterator[T]:
        while (item := self._items.get()) is not _END:
            self._places.put(None)
            yield item  # type: ignore[misc]
        if self._error is not None:
            raise self._error

    def _produce(self) -> None:
        try:
            for item in self._source:
                self._places.get()
                if self._stopped:
                    return
                self._items.put(item)
        except BaseException as error:  # noqa: BLE001 - the consumer raises it
            self._error = error
        self._items.put(_END)
