"""Entries of features: their bags and weights."""

import numpy as np
import pytest

from smt_features import Bags
from smt_model.entries import entries_of, mean_weights


def test_the_weights_of_a_row_are_the_shares_of_its_counts() -> None:
    counts, rows = np.array([3, 1, 2, 7], np.int32), np.array([1, 1, 3, 4])
    weights = mean_weights(counts, rows)
    assert weights.dtype == np.float32
    assert weights.tolist() == [0.75, 0.25, 1, 1]


def test_a_weight_is_the_nearest_float32_of_its_share() -> None:
    rng = np.random.default_rng(0)
    counts, rows = rng.integers(1, 51, 1000), np.sort(rng.integers(0, 90, 1000))
    totals = [counts[rows == row].sum() for row in rows]
    assert mean_weights(counts, rows).tolist() == (counts / totals).astype(np.float32).tolist()


@pytest.fixture
def lists() -> Bags:
    """Four rows, of which two are empty."""
    splits = np.array([0, 0, 2, 2, 3])
    return Bags(np.array([5, 6, 7], np.int32), np.array([1, 3, 2], np.int32), splits)


def test_entries_of_some_rows_of_a_list_feature(lists: Bags) -> None:
    bags = np.array([2, 5, 8, 11], np.int32)
    (all_rows,) = entries_of(lists, bags).cut(0, 4)
    (last_rows,) = entries_of(lists, bags).cut(2, 4)
    (no_rows,) = entries_of(lists, bags).cut(2, 3)
    assert [part.tolist() for part in all_rows] == [
        [5, 6, 7],
        [5, 5, 11],
        [0.25, 0.75, 1],
        [1, 3, 2],
    ]
    assert [part.tolist() for part in last_rows] == [[7], [11], [1], [2]]
    assert [part.tolist() for part in no_rows] == [[], [], [], []]


def test_a_feature_with_one_value_a_row_has_an_entry_a_row() -> None:
    values, bags = np.array([9, 8, 7], np.int32), np.array([0, 3, 6], np.int32)
    (entries,) = entries_of(values, bags).cut(1, 3)
    assert [part.tolist() for part in entries] == [[8, 7], [3, 6], [1, 1], [1, 1]]
