"""Counts of one kind, and their two forms outside a builder: a frame and a table for Parquet."""

from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from smt_features.arrow_arrays import arrow_array
from smt_features.parquet import OLDEST
from smt_features.statistics.sketch import COUNT, VALUE
from smt_features.string_views import Int64s

COUNTS = {
    "split": pl.String,
    "column": pl.String,
    "kind": pl.String,
    VALUE: pl.String,
    COUNT: pl.Int64,
}
"""Columns of both forms."""


class KindCounts(NamedTuple):
    """What is counted of a column of a split.

    Attributes
    ----------
    split, column, kind
        What is counted: such as ``value`` or ``length``; no column means the rows as such.
    values, counts
        String and int64, of equal length.
    """

    split: str
    column: str
    kind: str
    values: pl.Series
    counts: Int64s

    def to_frame(self) -> pl.DataFrame:
        """Return the columns of ``COUNTS``."""
        frame = pl.DataFrame({VALUE: self.values, COUNT: self.counts})
        return frame.select(*(pl.lit(text).alias(name) for name, text in self._place()), pl.all())

    def to_arrow(self) -> pa.Table:
        """Return the columns of ``COUNTS``; the first three are dictionaries, quick to write."""
        first = arrow_array(np.zeros(len(self.counts), np.int32))
        place = [
            pa.DictionaryArray.from_arrays(first, pl.Series([text]).to_arrow(compat_level=OLDEST))
            for _, text in self._place()
        ]
        values = self.values.to_arrow(compat_level=OLDEST)
        return pa.Table.from_arrays([*place, values, arrow_array(self.counts)], names=list(COUNTS))

    def _place(self) -> list[tuple[str, str]]:
        return [("split", self.split), ("column", self.column), ("kind", self.kind)]
