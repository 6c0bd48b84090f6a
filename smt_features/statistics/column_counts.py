"""All that was counted of one column: what its figures are computed from."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from smt_features.lists import Int64s
from smt_features.statistics.sketch import Sketch
from smt_features.statistics.value_counts import is_null_text
from smt_schemas import Column


@dataclass(frozen=True)
class ColumnCounts:
    """All that was counted of a column of a split.

    Attributes
    ----------
    rows, nulls
        Rows of the split, and those whose cell is missing.
    counts
        ``value`` and ``count`` of all texts, of the entries in a list column; where there is a
        sketch, of the sample's.
    sketch
        The sketch of all texts, or None where ``counts`` is exact.
    distinct
        Distinct values without nulls, estimated where there is a sketch.
    sampled_rows
        Rows of the sample that ``counts`` is of; 0 where it is exact.
    by_length, distinct_entries
        Of a list column: rows by length, and distinct entries of each list, added up.
    positives
        By label: ``value`` and ``count`` of the rows whose label is 1; of the sample's where
        there is a sketch.
    """

    column: Column
    rows: int
    nulls: int
    counts: pl.DataFrame
    sketch: Sketch | None
    distinct: int
    sampled_rows: int
    by_length: Int64s
    distinct_entries: int
    positives: dict[str, pl.DataFrame]

    @property
    def present(self) -> pl.DataFrame:
        """``counts`` without nulls; an entry of a list is never null."""
        if self.column.is_list:
            return self.counts
        return self.counts.filter(~is_null_text(self.column))

    @property
    def occurrences(self) -> int:
        """Rows, or entries of a list column, that were counted or sketched."""
        if self.column.is_list:
            return int(self.by_length @ np.arange(len(self.by_length)))
        return self.rows
