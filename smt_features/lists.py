"""Encodes tag lists: hash each entry, merge equal ids of a row into ids and counts.

Lists come in runs: a user's rows repeat the same list, and a list repeats its entries. So a
list that equals the one of the row before is encoded once, and entries are merged in NumPy
rather than list by list.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Int64s = npt.NDArray[np.int64]


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


def distinct_runs(cells: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return the lists without immediate repeats, and for each row the position of its own."""
    positions = cells.rle_id()
    starts = np.flatnonzero(np.diff(positions.to_numpy().astype(np.int64), prepend=-1))
    return cells.gather(starts), positions


def split_entries(lists: pl.Series, separator: str) -> tuple[pl.Series, Int64s]:
    """Return the entries of all lists, and the number in each; an empty text has none."""
    split = lists.str.split(separator)
    lengths = split.list.len().to_numpy().astype(np.int64)
    lengths[(lists == "").to_numpy()] = 0
    entries = split.filter(lists != "").list.explode()
    return entries, lengths


def merge(ids: Int64s, lengths: Int64s, buckets: int) -> Merged:
    """Merge equal ids within each list, in order of first appearance.

    Parameters
    ----------
    ids
        Ids of all entries, list after list, each in ``[0, buckets)``.
    lengths
        Entries of each list.
    buckets
        Upper bound of the ids.
    """
    if not len(ids):
        return Merged(ids, ids, np.zeros_like(lengths))
    owner = np.repeat(np.arange(len(lengths)), lengths)
    pair = owner * buckets + ids
    # First collapse runs, which is most of the work and needs no sorting.
    starts = np.flatnonzero(np.concatenate([[True], pair[1:] != pair[:-1]]))
    pair, counts = pair[starts], np.diff(starts, append=len(pair))
    order = np.argsort(pair, kind="stable")
    ordered = pair[order]
    group = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    # The sort is stable: the first of each group is its first appearance.
    appearance = order[group]
    back = np.argsort(appearance)
    pair = ordered[group][back]
    counts = np.add.reduceat(counts[order], group)[back]
    return Merged(
        pair % buckets,
        counts,
        np.bincount(pair // buckets, minlength=len(lengths)).astype(np.int64),
    )


def list_series(values: npt.NDArray[np.int32 | np.int64], lengths: Int64s) -> pl.Series:
    """Return a Polars list column from flat values and the length of each list."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return pl.Series(pa.LargeListArray.from_arrays(offsets, values))
