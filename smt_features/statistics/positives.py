"""Counts the values of the rows whose label is 1: few rows, so many blocks' at a time."""

import polars as pl
import pyarrow as pa

from smt_features.parquet import OLDEST
from smt_features.statistics.kinds import rated_columns
from smt_features.statistics.value_counts import (
    MERGE_ROWS,
    NO_IDS,
    Counted,
    ValueCounts,
    group_texts,
)
from smt_schemas import DatasetSchema


def positive_rows(cells: pl.DataFrame, schema: DatasetSchema) -> pa.Table:
    """Return the labels and the rated columns of the rows that have a label of 1."""
    labels = [label.name for label in schema.labels]
    names = [*labels, *(column.name for column in rated_columns(schema))]
    is_positive = pl.any_horizontal(pl.lit(False), *(pl.col(label) == "1" for label in labels))
    # A copy: a view of strings would keep the whole block in memory.
    return cells.select(names).filter(is_positive).to_arrow(compat_level=OLDEST)


class PositiveCounts:
    """Counts by label and rated column."""

    def __init__(self, schema: DatasetSchema, hash_seed: int) -> None:
        self._labels = [label.name for label in schema.labels]
        self._names = [column.name for column in rated_columns(schema)]
        self._counts = {
            (label, column.name): ValueCounts(column, hash_seed)
            for label in self._labels
            for column in rated_columns(schema)
        }
        self._waiting: list[pa.Table] = []

    def add(self, rows: pa.Table) -> None:
        """Add what `positive_rows` returned."""
        self._waiting.append(rows)
        if sum(table.num_rows for table in self._waiting) >= MERGE_ROWS:
            self._count()

    def add_counts(self, label: str, name: str, counted: Counted) -> None:
        """Add counts of one label and column."""
        self._counts[label, name].add(counted)

    def of(self, name: str) -> dict[str, pl.DataFrame]:
        """Return ``value`` and ``count`` of one column, by label."""
        self._count()
        return {label: found.frame() for (label, of), found in self._counts.items() if of == name}

    def _count(self) -> None:
        if not self._waiting:
            return
        rows = pl.DataFrame(pa.concat_tables(self._waiting))
        self._waiting = []
        for label in self._labels:
            positive = rows.filter(pl.col(label) == "1")
            for name, texts in group_texts(positive, self._names).items():
                self._counts[label, name].add(Counted(NO_IDS, NO_IDS, texts))
