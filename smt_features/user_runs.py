"""Finds a user's rows: they stand together, so what is known of users is looked at once a run."""

from typing import NamedTuple

import numpy as np
import polars as pl

from smt_features.string_views import Int64s, changes
from smt_schemas import Column, DatasetSchema


class UserRuns(NamedTuple):
    """Neighbouring rows that are equal in all columns of users with one value in a row.

    Attributes
    ----------
    cells
        Those columns, a row for each run; without rows when there are no such columns.
    positions
        UInt32, for each row the position of its run.
    lengths
        int64, rows of each run.
    """

    cells: pl.DataFrame
    positions: pl.Series
    lengths: Int64s

    def spread(self, runs: pl.DataFrame) -> pl.DataFrame:
        """Return for each row what ``runs`` has for its run."""
        return runs[self.positions] if runs.width else runs


def user_columns(schema: DatasetSchema) -> list[Column]:
    """Return the columns of users with one value in a row."""
    return [column for column in schema.columns if column.role == "user" and not column.is_list]


def user_runs(cells: pl.DataFrame, schema: DatasetSchema) -> UserRuns:
    """Find the runs of some rows; ``cells`` has a String column per schema column."""
    names = [column.name for column in user_columns(schema)]
    begins = np.zeros(cells.height, np.bool_)
    for name in names:
        begins |= changes(cells[name])
    positions = np.cumsum(begins, dtype=np.uint32) - np.uint32(1)
    return UserRuns(
        cells=cells.filter(pl.Series(begins)).select(names),
        positions=pl.Series(positions),
        lengths=np.diff(np.flatnonzero(begins), append=cells.height),
    )
