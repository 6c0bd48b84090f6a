"""Counts the values of the rows whose label is 1: few rows, so many blocks' at a time."""

from collections.abc import Mapping

import numpy as np
import polars as pl
import pyarrow as pa

from smt_features.statistics.kinds import rated_columns
from smt_features.statistics.value_counts import (
    NO_IDS,
    Counted,
    ValueCounts,
    group_texts,
)
from smt_features.statistics.waiting import Waiting, detached
from smt_features.string_views import Bools
from smt_schemas import DatasetSchema


def positive_rows(
    cells: pl.DataFrame, schema: DatasetSchema, labels: Mapping[str, Bools]
) -> pa.Table:
    """Return the labels and the rated columns of the rows that have a label of 1.

    ``labels`` has for each row, by label, whether it is 1.
    """
    names = [*labels, *(column.name for column in rated_columns(schema))]
    is_positive = np.zeros(cells.height, np.bool_)
    for is_one in labels.values():
        is_positive |= is_one
    # Several times as fast as a gather, which looks at each column's whole text.
    return detached(cells.filter(pl.Series(is_positive)).select(names))


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
        self._waiting = Waiting()

    def add(self, rows: pa.Table) -> None:
        """Add what `positive_rows` returned."""
        self._waiting.add(rows)
        if self._waiting.is_enough:
            self.settle()

    def add_counts(self, label: str, name: str, counted: Counted) -> None:
        """Add counts of one label and column."""
        self._counts[label, name].add(counted)

    def of(self, name: str) -> dict[str, pl.DataFrame]:
        """Return ``value`` and ``count`` of one column, by label."""
        self.settle()
        return {label: found.frame() for (label, of), found in self._counts.items() if of == name}

    def settle(self) -> None:
        """Count the rows that wait."""
        rows = self._waiting.take()
        if rows is None:
            return
        for label in self._labels:
            positive = rows.filter(pl.col(label) == "1")
            for name, texts in group_texts(positive, self._names).items():
                self._counts[label, name].add(Counted(NO_IDS, NO_IDS, texts))
