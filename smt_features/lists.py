"""Encodes tag lists: hash each entry, merge equal ids of a row into ids and counts.

Tag lists are most of a log's bytes, and they come in runs: a user's rows repeat the same list,
and a list repeats its entries. So a list that equals the one of the row before is encoded once,
and only the first entry of a run within a list is hashed.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from smt_features.arrow_arrays import arrow_array
from smt_features.stable_order import stable_order
from smt_features.string_views import Int64s, changes
from smt_schemas import DatasetSchema


class Runs(NamedTuple):
    """Runs of equal entries, list after list.

    Attributes
    ----------
    entries
        String, one entry for each run.
    counts
        int64, entries in each run.
    lengths
        int64, runs in each list.
    """

    entries: pl.Series
    counts: Int64s
    lengths: Int64s


class SplitLists(NamedTuple):
    """The lists of a column, split.

    Attributes
    ----------
    positions
        UInt32, for each row the position of its list in ``runs.lengths``.
    runs
        The lists' entries. A list that equals the one of the row before stands there once.
    """

    positions: pl.Series
    runs: Runs


class Merged(NamedTuple):
    """Ids and how often each occurs, list after list.

    Attributes
    ----------
    ids
        int64, the distinct ids of each list, in order of first appearance.
    counts
        int64, occurrences of each id.
    lengths
        int64, distinct ids of each list.
    """

    ids: Int64s
    counts: Int64s
    lengths: Int64s


def split_lists(cells: pl.DataFrame, schema: DatasetSchema) -> dict[str, SplitLists]:
    """Split the cells of the list columns."""
    split = {}
    for column in schema.features:
        if column.separator is not None:
            texts = cells[column.name]
            begins = changes(texts)
            positions = np.cumsum(begins, dtype=np.uint32) - np.uint32(1)
            runs = find_runs(texts.filter(pl.Series(begins)), column.separator)
            split[column.name] = SplitLists(pl.Series(positions), runs)
    return split


def find_runs(lists: pl.Series, separator: str) -> Runs:
    """Split lists at a separator and collapse runs of equal entries.

    An empty text is a list without entries.
    """
    filled = lists != ""
    split = lists.filter(filled).str.split(separator)
    entries = split.list.explode()
    ends = np.cumsum(split.list.len().to_numpy().astype(np.int64))
    begins = changes(entries)
    begins[ends[:-1]] = True
    starts = np.flatnonzero(begins)
    lengths = np.zeros(len(lists), np.int64)
    lengths[filled.to_numpy()] = np.diff(np.searchsorted(starts, ends), prepend=0)
    return Runs(entries.gather(starts), np.diff(starts, append=len(entries)), lengths)


def merge(ids: Int64s, counts: Int64s, lengths: Int64s, buckets: int) -> Merged:
    """Merge equal ids within each list, in order of first appearance.

    Parameters
    ----------
    ids, counts
        Ids, each in ``[0, buckets)``, and their occurrences, list after list.
    lengths
        Ids of each list.
    buckets
        Upper bound of the ids.
    """
    if not len(ids):
        return Merged(ids, counts, lengths)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    pair = owner * buckets + ids
    order = stable_order(pair)  # stable: the first of each group is its first appearance
    ordered = pair[order]
    group = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    first = order[group]
    sums = np.zeros(len(ids), np.int64)
    sums[first] = np.add.reduceat(counts[order], group)
    kept = np.flatnonzero(sums > 0)  # of booleans: a third of the time
    return Merged(
        ids=ids[kept],
        counts=sums[kept],
        lengths=np.bincount(owner[kept], minlength=len(lengths)).astype(np.int64),
    )


def list_series(values: npt.NDArray[np.int32 | np.int64], lengths: Int64s) -> pl.Series:
    """Return a Polars list column from flat values and the length of each list."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    lists = pa.LargeListArray.from_arrays(arrow_array(offsets), arrow_array(values))
    # A frame's way into Polars, unlike a series', does not import Arrow's compute functions.
    return pl.DataFrame(pa.record_batch([lists], names=["lists"])).to_series()
