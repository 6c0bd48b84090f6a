"""Computes the cells of derived features."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from smt_features.lists import SplitLists
from smt_features.string_views import Int64s
from smt_schemas import CROSS_SEPARATOR, Column, Count, Cross, DatasetSchema, Length


def derive(
    cells: pl.DataFrame, lists: Mapping[str, SplitLists], schema: DatasetSchema
) -> list[pl.Series]:
    """Return the cells of each derived feature of rows that passed validation.

    Parameters
    ----------
    cells
        A String column per schema column.
    lists
        Its list columns, split.

    Returns
    -------
    list of polars.Series
        Named after the features: a cross as String; a count and a length as Int64, those beyond
        the last bucket as the last bucket.
    """
    columns = {column.name: column for column in schema.columns}
    derived = []
    for feature in schema.derived:
        match feature:
            case Cross():
                first, second = (cells[name] for name in feature.columns)
                values = first + CROSS_SEPARATOR + second
            case Count():
                value = columns[feature.value_column]
                values = pl.Series(_occurrences(cells, value, lists[feature.list_column]))
            case Length():
                values = pl.Series(_entries(lists[feature.list_column]))
        if not isinstance(feature, Cross):
            values = values.clip(upper_bound=feature.hash_buckets - 1)
        derived.append(values.alias(feature.name))
    return derived


def _entries(lists: SplitLists) -> Int64s:
    """Return the number of entries of each row's list."""
    positions, runs = lists
    entries: Int64s = np.diff(_bounds(runs.counts)[_bounds(runs.lengths)])[positions.to_numpy()]
    return entries


def _occurrences(cells: pl.DataFrame, column: Column, lists: SplitLists) -> Int64s:
    """Return how many entries of each row's list equal the row's cell; 0 where it is missing."""
    positions, runs = lists
    position = positions.to_numpy()
    # One line for each row and each run of its list.
    lengths = runs.lengths[position]
    row = np.repeat(np.arange(len(lengths)), lengths)
    starts = _bounds(runs.lengths)[position] - _bounds(lengths)[:-1]
    run = np.arange(len(row)) + np.repeat(starts, lengths)
    equal = (cells[column.name].gather(row) == runs.entries.gather(run)).to_numpy()
    counts = np.bincount(row[equal], weights=runs.counts[run[equal]], minlength=cells.height)
    missing = cells[column.name].is_in(column.null_tokens).to_numpy()
    counts[missing] = 0
    return counts.astype(np.int64)


def _bounds(lengths: Int64s) -> Int64s:
    """Return where each part of some length begins, and at the end where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)])
