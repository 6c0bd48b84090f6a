"""Counts the columns of users: their rows stand together, so most repeat the row before."""

import numpy as np
import polars as pl
import pyarrow as pa

from smt_features.statistics.sketch import COUNT, VALUE
from smt_features.statistics.waiting import detached
from smt_schemas import Column, DatasetSchema

RUN = "__rows"
"""Column that holds the rows of a run, int64; no column of a schema begins with an underscore."""


def user_columns(schema: DatasetSchema) -> list[Column]:
    """Return the columns of users with one value in a row."""
    return [column for column in schema.columns if column.role == "user" and not column.is_list]


def user_runs(cells: pl.DataFrame, names: list[str]) -> pa.Table:
    """Return some columns of rows, equal neighbours once, with their number in ``RUN``."""
    begins = np.zeros(cells.height, np.bool_)
    begins[:1] = bool(names)
    for name in names:
        begins[1:] |= (cells[name][1:] != cells[name][:-1]).to_numpy()
    starts = np.flatnonzero(begins)
    weights = pl.Series(RUN, np.diff(starts, append=cells.height), pl.Int64)
    return detached(cells.select(names)[starts].with_columns(weights))


def count_runs(runs: pl.DataFrame, names: list[str]) -> dict[str, pl.DataFrame]:
    """Return ``value`` and ``count`` of each column of what `user_runs` returned."""
    rows = pl.col(RUN).sum().alias(COUNT)
    grouped = [runs.lazy().group_by(pl.col(name).alias(VALUE)).agg(rows) for name in names]
    return dict(zip(names, pl.collect_all(grouped), strict=True))
