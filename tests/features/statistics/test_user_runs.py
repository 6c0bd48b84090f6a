"""Columns of users are counted by runs of equal rows."""

from collections import Counter

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from smt_features.statistics.user_runs import count_runs, user_runs

NAMES = ["user_id", "count"]
rows = st.tuples(st.sampled_from(["1", "2", ""]), st.sampled_from(["", "4"]))


@given(st.lists(st.lists(rows, max_size=20), min_size=1, max_size=3))
def test_runs_count_every_row(blocks: list[list[tuple[str, str]]]) -> None:
    frames = [
        pl.DataFrame(block, schema=dict.fromkeys(NAMES, pl.String), orient="row")
        for block in blocks
    ]

    runs = pl.concat(pl.DataFrame(user_runs(frame, NAMES)) for frame in frames)

    for position, (name, counts) in enumerate(count_runs(runs, NAMES).items()):
        expected = Counter(row[position] for block in blocks for row in block)
        assert dict(counts.iter_rows()) == expected, name


def test_a_row_that_repeats_the_one_before_is_kept_once() -> None:
    cells = pl.DataFrame({"user_id": ["7", "7", "7", "8", "7"], "count": list("11222")})

    runs = user_runs(cells, NAMES)

    assert runs.to_pylist() == [
        {"user_id": "7", "count": "1", "__rows": 2},
        {"user_id": "7", "count": "2", "__rows": 1},
        {"user_id": "8", "count": "2", "__rows": 1},
        {"user_id": "7", "count": "2", "__rows": 1},
    ]


def test_a_log_without_users_has_no_runs() -> None:
    runs = pl.DataFrame(user_runs(pl.DataFrame({"pid": ["a", "b"]}), []))

    assert count_runs(runs, []) == {}
