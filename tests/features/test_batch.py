"""Lists of a batch: which row an entry is of, and rows taken."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from smt_features import Bags
from smt_features.batch import entry_rows, take

Lists = list[list[int]]
lists_of_ids = st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=30)


def bags(lists: Lists) -> Bags:
    ids = [id_ for ids in lists for id_ in ids]
    splits = np.cumsum([0, *map(len, lists)])
    return Bags(np.array(ids, np.int32), np.array(ids, np.int32) + 1, splits)


@given(lists_of_ids)
def test_each_entry_has_the_row_in_which_it_stands(lists: Lists) -> None:
    expected = [row for row, ids in enumerate(lists) for _ in ids]
    assert entry_rows(bags(lists).row_splits).tolist() == expected


@given(lists_of_ids, st.lists(st.integers(0, 29), max_size=30))
def test_rows_are_taken_in_the_order_given(lists: Lists, numbers: list[int]) -> None:
    order = [number for number in numbers if number < len(lists)]
    taken = take({"lists": bags(lists)}, np.array(order, np.int64))["lists"]
    expected = bags([lists[row] for row in order])
    assert isinstance(taken, Bags)
    for found, wanted in zip(taken, expected, strict=True):
        assert found.tolist() == wanted.tolist()
        assert found.dtype == wanted.dtype
