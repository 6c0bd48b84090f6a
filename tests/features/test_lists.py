"""Tag lists: runs found, equal ids merged in order of first appearance."""

from collections import Counter
from itertools import chain

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from smt_features.cell_rows import cell_rows
from smt_features.encoding import encode
from smt_features.layout import layout
from smt_features.lists import merge
from smt_features.parquet import to_table
from smt_schemas import Column, DatasetSchema

Lists = list[list[tuple[int, int]]]


def merged_by_dict(lists: Lists) -> list[dict[int, int]]:
    """Return id to count for each list; dicts keep the order of first appearance."""
    result = []
    for pairs in lists:
        counts: dict[int, int] = {}
        for id_, count in pairs:
            counts[id_] = counts.get(id_, 0) + count
        result.append(counts)
    return result


@given(
    lists=st.lists(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 9)), max_size=12)),
    buckets=st.sampled_from([7, 100_000, 2**31 - 1]),
)
def test_merge_equals_a_dict(lists: Lists, buckets: int) -> None:
    pairs = list(chain.from_iterable(lists))
    ids = np.array([pair[0] for pair in pairs], np.int64)
    counts = np.array([pair[1] for pair in pairs], np.int64)
    lengths = np.array([len(pairs) for pairs in lists], np.int64)

    merged = merge(ids, counts, lengths, buckets)

    expected = merged_by_dict(lists)
    assert merged.ids.tolist() == [id_ for counts in expected for id_ in counts]
    assert merged.counts.tolist() == [count for counts in expected for count in counts.values()]
    assert merged.lengths.tolist() == [len(counts) for counts in expected]


@given(cells=st.lists(st.lists(st.sampled_from(["1", "2", "12", "x", " "]), max_size=8)))
def test_counts_are_those_of_the_entries(cells: list[list[str]]) -> None:
    column = Column(name="t", role="user", separator="|", hash_buckets=10**6, embedding_dim=1)
    schema = DatasetSchema(name="log", splits={"train": "log"}, columns=[column])
    frame = pl.DataFrame({"t": ["|".join(entries) for entries in cells]}, schema={"t": pl.String})

    encoded = encode(cell_rows(frame, schema), schema, seed=0, keys=False)
    table = to_table(encoded, layout(schema, keys=False))

    counts = [list(Counter(entries).values()) for entries in cells]
    assert table["t_count"].to_pylist() == counts
    assert [len(set(ids)) for ids in table["t"].to_pylist()] == [len(c) for c in counts]
