from collections.abc import Callable
from typing import Any

import pytest

from smt_bench.result import Report


def test_ways_to_prepare_are_compared_with_the_copy(smt: Callable[..., Any]) -> None:
    outcome = smt(
        *("bench", "prepare", "--rows", "2000", "--runs", "2", "--json"),
        *("--only", "Polars copy", "--only", "smt prepare --no-statistics"),
    )

    report = Report.model_validate_json(outcome.out)
    copy, ours = (row.figures for row in report.rows)
    assert copy["times copy"].runs == [1, 1]
    seconds = zip(ours["seconds"].runs, copy["seconds"].runs, strict=True)
    assert ours["times copy"].runs == [mine / other for mine, other in seconds]
    assert ours["rows/s"].runs == [2000 / value for value in ours["seconds"].runs]
    assert 5 < ours["% of CSV"].median < 30
    assert outcome.err.splitlines()[-1].startswith("2/2  smt prepare --no-statistics: ")


@pytest.mark.slow
def test_a_way_that_is_timed_without_imports_gets_the_first_rows(smt: Callable[..., Any]) -> None:
    outcome = smt(
        *("bench", "prepare", "--rows", "2000", "--other-rows", "500", "--runs", "1", "--json"),
        *("--only", "tf.data from CSV"),
    )

    (row,) = Report.model_validate_json(outcome.out).rows
    assert row.settings == {"rows": 500, "timed": "work alone"}
    assert row.figures["rows/s"].median > 500
    assert set(row.figures) == {"seconds", "rows/s", "memory MiB"}
