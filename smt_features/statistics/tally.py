"""Counts the values of some rows: the part of the statistics that touches every cell."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from smt_features.cell_rows import CellRows
from smt_features.lists import Runs, SplitLists
from smt_features.statistics.positives import positive_rows
from smt_features.statistics.sample import NO_LIMIT, rows_below
from smt_features.statistics.value_counts import (
    NO_IDS,
    NO_TEXTS,
    Counted,
    as_ids,
    count_columns,
    count_weighted,
)
from smt_features.statistics.waiting import detached
from smt_features.string_views import Bools, Int64s
from smt_schemas import DatasetSchema

RUN_ROWS = "__rows"
"""Column that holds the rows of a run, int64; no column of a schema begins with an underscore."""


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
    rows
        Rows counted.
    sample
        Some of them, for a `RowSample`.
    values
        By column, but for those of ``user_runs``: the cells, or the entries in a list column.
    user_runs
        The columns of users with one value in a row, once a run, with its rows in ``RUN_ROWS``.
    lists
        By list column.
    positives
        The rows that have a label of 1, for `PositiveCounts`.
    combinations
        Rows by the digits of their labels, such as ``10``; empty beyond 63 labels.
    """

    rows: int
    sample: pa.Table
    values: dict[str, Counted]
    user_runs: pa.Table
    lists: dict[str, ListTally]
    positives: pa.Table
    combinations: dict[str, int]


def tally(rows: CellRows, schema: DatasetSchema, places: Int64s, limit: int = NO_LIMIT) -> Tally:
    """Count the values of valid rows.

    Parameters
    ----------
    rows
        The rows.
    places
        For each row a number from 0 to 2^63 - 1, random but the same wherever it is counted.
    limit
        Rows whose number is below are given to the sample; see `RowSample.limit`.
    """
    cells, split, users = rows
    labels = {label.name: (cells[label.name] == "1").to_numpy() for label in schema.labels}
    counted_apart = [*users.cells.columns, *labels]
    single = [c.name for c in schema.columns if c.name not in counted_apart and not c.is_list]
    values = count_columns(cells, single)
    values |= {name: _count_label(is_one) for name, is_one in labels.items()}
    lists = {}
    for column in schema.columns:
        if column.is_list:
            values[column.name], lists[column.name] = _tally_lists(split[column.name])
    return Tally(
        rows=cells.height,
        sample=rows_below(cells, places, limit),
        values=values,
        user_runs=detached(users.cells.with_columns(pl.Series(RUN_ROWS, users.lengths))),
        lists=lists,
        positives=positive_rows(cells, schema, labels),
        combinations=_combinations(list(labels.values())),
    )


def _count_label(is_one: Bools) -> Counted:
    ones = int(is_one.sum())
    found = [(text, rows) for text, rows in (("0", len(is_one) - ones), ("1", ones)) if rows]
    return Counted(NO_IDS, NO_IDS, pl.DataFrame(found, NO_TEXTS.schema, orient="row"))


def _combinations(labels: list[Bools]) -> dict[str, int]:
    if not 0 < len(labels) < 64:
        return {}
    # One number for all labels: grouping by several columns takes several times as long.
    codes = np.zeros(len(labels[0]), np.int64)
    for bit, is_one in enumerate(labels):
        codes |= is_one.astype(np.int64) << bit
    found, rows = np.unique(codes, return_counts=True)
    return {
        "".join("01"[code >> bit & 1] for bit in range(len(labels))): number
        for code, number in zip(found.tolist(), rows.tolist(), strict=True)
    }


def _tally_lists(split: SplitLists) -> tuple[Counted, ListTally]:
    # A user's rows repeat the same list and a list repeats its entries, so only the first of
    # equal neighbours are looked at, with a weight.
    positions, runs = split
    lists = len(runs.lengths)
    rows = np.bincount(positions.to_numpy(), minlength=lists).astype(np.int64)
    owner = np.repeat(np.arange(lists), runs.lengths)
    # Sums of whole numbers below 2^53: as floats they are exact, and bincount is quick.
    lengths = np.bincount(owner, runs.counts, minlength=lists).astype(np.int64)
    by_length = np.bincount(lengths, rows, minlength=1).astype(np.int64)
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
    pairs = np.sort((owner[long] << 32) | ids[long])
    again = pairs[1:][pairs[1:] == pairs[:-1]]
    return int(rows[again >> 32].sum())
