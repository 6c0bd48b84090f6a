import threading
import time
from collections.abc import Iterator

import pytest

from smt_model.prefetch import Prefetcher
from smt_schemas import UserError


def test_items_come_in_order_and_completely() -> None:
    with Prefetcher(range(100), depth=3) as items:
        assert list(items) == list(range(100))


def test_an_error_of_the_source_reaches_the_consumer_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        message = "the shard is damaged"
        raise UserError(message)

    with Prefetcher(source(), depth=5) as items:
        iterator = iter(items)
        assert [next(iterator), next(iterator)] == [1, 2]
        with pytest.raises(UserError, match="damaged"):
            next(iterator)


def test_leaving_early_stops_the_thread_and_closes_the_source() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = threading.active_count()
    with Prefetcher(endless(), depth=2) as items:
        assert next(iter(items)) == 0
    assert threading.active_count() == before
    del items
    assert closed.wait(5)


def test_leaving_stops_a_thread_that_waits_for_a_place() -> None:
    ahead = threading.Event()

    def source() -> Iterator[int]:
        yield from range(2)
        ahead.set()
        yield 2

    before = threading.active_count()
    with Prefetcher(source(), depth=2):
        assert ahead.wait(5)
        time.sleep(0.05)  # now it waits: both places are taken
    assert threading.active_count() == before


def test_it_works_ahead_but_not_further_than_its_depth() -> None:
    made = []
    ahead = threading.Event()

    def source() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            if len(made) == 3:
                ahead.set()
            yield number

    with Prefetcher(source(), depth=2) as items:
        assert ahead.wait(5)
        # Two in the queue and one in hand.
        assert made == [0, 1, 2]
        assert list(items) == list(range(10))
