"""Ids and counts as one integer."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from smt_features.pairs import pair, unpair

NUMBERS = st.integers(0, 2**31 - 1)


@given(values=st.lists(st.tuples(NUMBERS, NUMBERS)))
def test_pairs_give_ids_and_counts_back(values: list[tuple[int, int]]) -> None:
    expected = np.array(values, np.int64).reshape(-1, 2)

    ids, counts = unpair(pair(expected[:, 0], expected[:, 1]))

    assert {ids.dtype.name, counts.dtype.name} == {"int32"}
    assert ids.tolist() == expected[:, 0].tolist()
    assert counts.tolist() == expected[:, 1].tolist()


def test_the_count_is_the_upper_half() -> None:
    assert pair(np.array([5]), np.array([3])).tolist() == [3 * 2**32 + 5]
