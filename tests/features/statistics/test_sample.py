"""The sample of rows does not depend on how they were grouped."""

import numpy as np
import polars as pl
import pytest

from smt_features.statistics import sample
from smt_features.statistics.sample import PLACE, RowSample, rows_below


@pytest.mark.parametrize("block", [7, 300, 1_000])
def test_the_rows_with_the_smallest_numbers_are_kept(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "SAMPLE_ROWS", 50)
    places = np.random.default_rng(5).permutation(1_000)
    cells = pl.DataFrame({"user_id": [f"user {place}" for place in places]})
    rows = RowSample()

    for start in range(0, 1_000, block):
        numbers = places[start : start + block]
        rows.add(rows_below(cells[start : start + block], numbers, rows.limit))

    assert rows.frame()[PLACE].to_list() == list(range(50))
    assert rows.frame()["user_id"].to_list() == [f"user {place}" for place in range(50)]
