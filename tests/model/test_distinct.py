"""Distinct row numbers, in a scratch smaller than the table, or one of its length."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from smt_model.distinct import Distinct, DistinctRows

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "numbers",
    [
        np.empty(0, np.int32),
        np.array([7, 7, 7], np.int32),
        RNG.integers(0, 2**31, 1000, dtype=np.int32),
        RNG.integers(0, 50, 1000, dtype=np.int32),
        np.arange(300, dtype=np.int32)[::-1] << 12,  # all want the same slot at first
        np.array([0, 2**30, 0, 2**30, 2**31 - 1], np.int32),
    ],
    ids=["none", "one", "large", "repeated", "colliding", "ends"],
)
@pytest.mark.parametrize("by_row", [False, True], ids=["hashed", "by row"])
def test_distinct_numbers_come_in_the_order_of_their_last_entries(
    numbers: np.ndarray[tuple[int], np.dtype[np.int32]], by_row: bool
) -> None:
    find = DistinctRows(5000) if by_row else Distinct()
    numbers = numbers % 5000 if by_row else numbers
    find(RNG.integers(0, 1000, 200, dtype=np.int32))  # leaves something in the scratch

    distinct, where = find(numbers)

    expected = list(dict.fromkeys(numbers[::-1].tolist()))[::-1]
    assert distinct.tolist() == expected
    assert distinct[where].tolist() == numbers.tolist()


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Let threads take turns all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
@pytest.mark.parametrize("find", [Distinct(), DistinctRows(9000)], ids=["hashed", "by row"])
def test_threads_do_not_disturb_each_other(find: Distinct | DistinctRows) -> None:
    batches = [RNG.integers(0, size, size, dtype=np.int32) for size in (2000, 9000)]

    def is_right(batch: np.ndarray[tuple[int], np.dtype[np.int32]]) -> bool:
        distinct, where = find(batch)
        return len(distinct) == len(np.unique(batch)) and bool((distinct[where] == batch).all())

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(is_right, batches * 500))

    assert all(found)
