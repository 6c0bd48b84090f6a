"""Counts the values of some rows: the part of the statistics that touches every cell."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from smt_features.lists import Int64s, Runs, SplitLists
from smt_features.statistics.value_counts import Counted, as_ids, count_texts, count_weighted
from smt_schemas import DatasetSchema

ROWS = "rows"
"""Column of `Tally.combinations` beside the labels."""


@dataclass(frozen=True)
class ListTally:
    """Lengths of some lists.

    Attributes
    ----------
    lengths
        Rows by length of their list, int64 of shape (longest + 1,).
    distinct
        Distinct entries of each row's list, added up.
    """

    lengths: Int64s
    distinct: int


@dataclass(frozen=True)
class Tally:
    """Counts of some rows; tallies add up in any order.

    Attributes
    ----------
    cells
        The rows.
    places
        uint64 random numbers that belong to the rows wherever they are counted.
    values
        By column: the cells, or the entries in a list column.
    lists
        By list column.
    positives
        By label and feature that is no list: the cells of the rows whose label is 1.
    combinations
        The labels (String) and ``rows`` (int64), each combination once.
    """

    cells: pl.DataFrame
    places: npt.NDArray[np.uint64]
    values: dict[str, Counted]
    lists: dict[str, ListTally]
    positives: dict[str, dict[str, Counted]]
    combinations: pl.DataFrame


def tally(
    cells: pl.DataFrame,
    split: Mapping[str, SplitLists],
    schema: DatasetSchema,
    places: npt.NDArray[np.uint64],
) -> Tally:
    """Count the values of valid rows.

    Parameters
    ----------
    cells
        A String column per schema column, "" where empty.
    split
        Its list columns, split.
    places
        A random number for each row; see `Tally`.
    """
    values = {}
    lists = {}
    for column in schema.columns:
        if column.is_list:
            values[column.name], lists[column.name] = _tally_lists(split[column.name])
        else:
            values[column.name] = count_texts(cells[column.name])
    labels = [label.name for label in schema.labels]
    return Tally(
        cells=cells,
        places=places,
        values=values,
        lists=lists,
        positives={label: _tally_positives(cells, label, schema) for label in labels},
        combinations=cells.group_by(labels).agg(pl.len().cast(pl.Int64).alias(ROWS))
        if labels
        else pl.DataFrame(schema={ROWS: pl.Int64}),
    )


def _tally_positives(cells: pl.DataFrame, label: str, schema: DatasetSchema) -> dict[str, Counted]:
    single = [column.name for column in schema.features if not column.is_list]
    positive = cells.lazy().filter(pl.col(label) == "1").select(single).collect()
    return {name: count_texts(positive[name]) for name in single}


def _tally_lists(split: SplitLists) -> tuple[Counted, ListTally]:
    # A user's rows repeat the same list and a list repeats its entries, so only the first of
    # equal neighbours are looked at, with a weight.
    positions, runs = split
    lists = len(runs.lengths)
    rows = np.bincount(positions.to_numpy(), minlength=lists).astype(np.int64)
    owner = np.repeat(np.arange(lists), runs.lengths)
    lengths = np.zeros(lists, np.int64)
    np.add.at(lengths, owner, runs.counts)
    by_length = np.zeros(int(lengths.max(initial=0)) + 1, np.int64)
    np.add.at(by_length, lengths, rows)
    ids = as_ids(runs.entries)
    distinct = int(rows @ runs.lengths) - _repeats(runs, ids, owner, rows)
    counted = count_weighted(runs.entries, ids, rows[owner] * runs.counts)
    return counted, ListTally(by_length, distinct)


def _repeats(runs: Runs, ids: Int64s, owner: Int64s, rows: Int64s) -> int:
    """Return how many runs repeat an earlier run of their list, each times the list's rows."""
    # Neighbouring runs differ, so a list needs three runs for one to come back.
    long = runs.lengths[owner] > 2
    if (ids < 0).any():
        ids = runs.entries.rank("dense").to_numpy().astype(np.int64)
    pairs = pl.Series((owner[long] << 32) | ids[long])
    return int(rows[owner[long]].sum() - rows[pairs.unique().to_numpy() >> 32].sum())
