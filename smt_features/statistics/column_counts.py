"""All that was counted of one column: as it was added up, and as figures are computed from it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from smt_features.hashing import hashed, murmur
from smt_features.statistics.sketch import COUNT, VALUE, Sketch
from smt_features.statistics.value_counts import is_null_text
from smt_features.string_views import Int64s
from smt_schemas import Column


@dataclass(frozen=True)
class ColumnTotals:
    """What was added up of a column of a split.

    Attributes
    ----------
    values
        ``value`` and ``count`` of all texts; where there is a sketch, of those that it lacks.
    sketch
        The sketch of the texts that ``values`` lacks, or None where it lacks none.
    by_length, distinct_entries
        As in `ColumnCounts`.
    positives
        By label: ``value`` and ``count`` of the rows whose label is 1.
    """

    column: Column
    values: pl.DataFrame
    sketch: Sketch | None
    by_length: Int64s
    distinct_entries: int
    positives: dict[str, pl.DataFrame]

    @cached_property
    def present(self) -> pl.DataFrame:
        """``values`` without nulls."""
        return without_nulls(self.values, self.column)

    @property
    def nulls(self) -> int:
        """Rows whose cell is missing."""
        if self.column.is_list:
            return int(self.by_length[0])
        return int(self.values[COUNT].sum()) - int(self.present[COUNT].sum())


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
    present
        ``counts`` without nulls; an entry of a list is never null.
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
    hash_seed
        Seed of the hash.
    """

    column: Column
    rows: int
    nulls: int
    counts: pl.DataFrame
    present: pl.DataFrame
    sketch: Sketch | None
    distinct: int
    sampled_rows: int
    by_length: Int64s
    distinct_entries: int
    positives: dict[str, pl.DataFrame]
    hash_seed: int

    @cached_property
    def hashes(self) -> npt.NDArray[np.uint32]:
        """The hash of each text of ``counts``."""
        return hashed(self.counts[VALUE], lambda text: murmur(text, self.hash_seed))

    @property
    def buckets(self) -> npt.NDArray[np.integer]:
        """The bucket of each text of ``counts``, as `smt_features.hashing.bucket` has it."""
        if self.column.encoding == "identity":
            return self.counts[VALUE].cast(pl.Int32).to_numpy()
        return self.hashes % np.uint32(self.column.buckets)

    @property
    def occurrences(self) -> int:
        """Rows, or entries of a list column, that were counted or sketched."""
        if self.column.is_list:
            return int(self.by_length @ np.arange(len(self.by_length)))
        return self.rows


def without_nulls(counts: pl.DataFrame, column: Column) -> pl.DataFrame:
    """Return the counts of the texts that are values."""
    return counts.filter(~is_null_text(column))


def distinct(present: pl.DataFrame, sketch: Sketch | None) -> int:
    """Return the distinct values without nulls, estimated where there is a sketch.

    The arguments are those of `ColumnTotals`.
    """
    return sketch.with_counts(present).distinct if sketch else present.height
