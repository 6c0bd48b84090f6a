"""Distinct row numbers, in a scratch smaller than the table."""

import numpy as np
import pytest

from smt_model.distinct import Distinct

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
def test_distinct_numbers_come_in_the_order_of_their_last_entries(
    numbers: np.ndarray[tuple[int], np.dtype[np.int32]],
) -> None:
    find = Distinct()
    find(RNG.integers(0, 1000, 200, dtype=np.int32))  # leaves something in the scratch

    distinct, where = find(numbers)

    expected = list(dict.fromkeys(numbers[::-1].tolist()))[::-1]
    assert distinct.tolist() == expected
    assert distinct[where].tolist() == numbers.tolist()
