"""Counts of texts are exact, however often they wait on disk."""

import random
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from smt_features import value_totals
from smt_features.value_totals import ValueTotals


@pytest.mark.parametrize("limit", [1, 40, 1 << 20])
def test_totals_are_exact(limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_totals, "MERGE_ROWS", 16)
    chance = random.Random(3)
    totals = ValueTotals(tmp_path / "counts", limit)
    expected: Counter[str] = Counter()
    for _ in range(50):
        part = {f"täxt {chance.randrange(300)}": chance.randrange(1, 9) for _ in range(20)}
        expected.update(part)
        totals.add(pl.DataFrame({"value": list(part), "count": list(part.values())}))

    parts = list(totals.totals())

    found = [row for part in parts for row in part.rows()]
    assert len(found) == len(expected)
    assert dict(found) == expected
    assert (len(parts) > 1) == (limit < 1 << 20)


def test_nothing_counted_has_no_totals(tmp_path: Path) -> None:
    assert sum(part.height for part in ValueTotals(tmp_path).totals()) == 0
