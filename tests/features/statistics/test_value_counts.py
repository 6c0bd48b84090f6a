"""Exact counts of texts, whichever way they are counted."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smt_features.statistics import value_counts
from smt_features.statistics.value_counts import (
    MAX_ID,
    Counted,
    ValueCounts,
    as_ids,
    count_columns,
    count_weighted,
)
from smt_features.string_views import held_bytes
from smt_schemas import taobao

COLUMN = taobao().columns[7]
ODD = ["", "0", "00", "7", "07", "+7", "-7", "-0", " 7", "7 ", "1.0", "1e3", "NULL", "ü", "٣"]
EDGES = [str(MAX_ID - 1), str(MAX_ID), "999999", "1000000", "9999999", "2147483648", "9" * 30]
texts = st.sampled_from(ODD + EDGES) | st.integers(0, MAX_ID + 10).map(str) | st.text(max_size=9)


def as_dict(counts: ValueCounts) -> dict[str, int]:
    frame = counts.frame()
    assert frame["value"].n_unique() == len(frame)
    return dict(frame.iter_rows())


def counted(texts: list[str]) -> Counted:
    return count_columns(pl.DataFrame({"x": texts}, schema={"x": pl.String}), ["x"])["x"]


def test_only_the_canonical_text_of_a_small_integer_is_an_id() -> None:
    ids = as_ids(pl.Series(ODD + EDGES))

    expected = [
        int(text) if text.isascii() and text.isdigit() and str(int(text)) == text else -1
        for text in ODD + EDGES
    ]
    assert ids.tolist() == [value if value < MAX_ID else -1 for value in expected]


@given(st.lists(st.lists(texts, max_size=150), max_size=4))
def test_counts_equal_a_plain_counter(blocks: list[list[str]]) -> None:
    counts = ValueCounts(COLUMN)
    for block in blocks:
        counts.add(counted(block))

    assert as_dict(counts) == Counter(text for block in blocks for text in block)


def test_blocks_of_few_and_of_many_values_count_together() -> None:
    blocks = [["5", "NULL"] * 40, [str(value) for value in range(1_500)], ["5"], ["NULL", "x"]]
    counts = ValueCounts(COLUMN)
    for block in blocks:
        counts.add(counted(block))

    assert as_dict(counts) == Counter(text for block in blocks for text in block)


def test_many_distinct_texts_survive_merging() -> None:
    counts = ValueCounts(COLUMN)
    for start in range(0, 90_000, 30_000):
        many = [f"x{value}" for value in range(start, start + 60_000)] + ["12", "13"]
        counts.add(counted(many))

    found = as_dict(counts)

    assert len(found) == 120_002
    assert (found["x0"], found["x30000"], found["x119999"], found["12"]) == (1, 2, 1, 3)


@pytest.mark.parametrize("block_rows", [1, 7, 1_000])
@pytest.mark.parametrize(("limit", "is_exact"), [(40_000, True), (39_999, False)])
def test_texts_are_counted_up_to_so_many_bytes_however_they_come(
    block_rows: int, limit: int, is_exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(value_counts, "MAX_BYTES", limit)
    monkeypatch.setattr(value_counts, "MERGE_BYTES", 5_000)
    hundred = [f"{number:0400}" for number in range(100)]  # of 400 bytes each; no ids
    rows = [*hundred, *map(str, range(1_000, 1_300)), *hundred]
    order = np.random.default_rng(block_rows).permutation(len(rows))
    counts = ValueCounts(COLUMN)

    for start in range(0, len(rows), block_rows):
        counts.add(counted([rows[place] for place in order[start : start + block_rows]]))

    ids = {str(number): 1 for number in range(1_000, 1_300)}
    assert (counts.sketch() is None) == is_exact
    assert as_dict(counts) == (ids | dict.fromkeys(hundred, 2) if is_exact else ids)


def test_few_long_texts_do_not_keep_their_blocks_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_counts, "MERGE_BYTES", 1 << 20)
    counts = ValueCounts(COLUMN)
    for block in range(100):  # each of 1.2 MB
        counts.add(counted([f"https://example.org/{row % 10:030}" for row in range(24_000)]))
        held = sum(held_bytes(part["value"]) for part in [counts._texts, *counts._pending])
        assert held < 1 << 21, block

    assert as_dict(counts) == {f"https://example.org/{row:030}": 240_000 for row in range(10)}


@given(st.lists(st.tuples(texts, st.integers(1, 10**10)), max_size=30))
def test_weights_add_up(weighted: list[tuple[str, int]]) -> None:
    series = pl.Series([text for text, _ in weighted], dtype=pl.String)
    weights = np.array([weight for _, weight in weighted], dtype=np.int64)
    counts = ValueCounts(COLUMN)
    counts.add(count_weighted(series, as_ids(series), weights))

    expected: Counter[str] = Counter()
    for text, weight in weighted:
        expected[text] += weight
    assert as_dict(counts) == expected
