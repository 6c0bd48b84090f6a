"""Batches of encoded rows as NumPy arrays."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Ids = npt.NDArray[np.integer]
Array = npt.NDArray[np.integer | np.float32]


class Bags(NamedTuple):
    """The tag lists of a batch: distinct ids with their counts, row after row.

    Attributes
    ----------
    ids
        int32 (keys: int64), shape [entries].
    counts
        int32, shape [entries]: occurrences of each id in its row.
    row_splits
        int64, shape [rows + 1]: row ``i`` owns entries ``row_splits[i]:row_splits[i + 1]``.
    """

    ids: Ids
    counts: Ids
    row_splits: Int64s


Batch = Mapping[str, "Array | Bags"]
"""Column name to values, of shape [rows] but for lists, which are Bags.

Labels int8, ids int32, keys int64, numeric features float32.
"""


def rows_of(batch: Batch) -> int:
    """Return the number of rows of a batch."""
    first = next(iter(batch.values()))
    return len(first.row_splits) - 1 if isinstance(first, Bags) else len(first)


def take(batch: Batch, rows: Int64s) -> dict[str, Array | Bags]:
    """Return some rows of a batch, in the order given: int64, shape [rows]; dtypes stay."""
    return {
        name: _take_bags(values, rows) if isinstance(values, Bags) else values[rows]
        for name, values in batch.items()
    }


def cut(batch: Batch, start: int, stop: int) -> dict[str, Array | Bags]:
    """Return consecutive rows of a batch, without copying values."""
    return {
        name: _cut_bags(values, start, stop) if isinstance(values, Bags) else values[start:stop]
        for name, values in batch.items()
    }


def concat(batches: Sequence[Batch]) -> dict[str, Array | Bags]:
    """Return the rows of several batches, of the same columns and dtypes, as one."""
    if len(batches) == 1:
        return dict(batches[0])
    joined: dict[str, Array | Bags] = {}
    for name, first in batches[0].items():
        parts = [batch[name] for batch in batches]
        if isinstance(first, Bags):
            joined[name] = _concat_bags([part for part in parts if isinstance(part, Bags)])
        else:
            joined[name] = np.concatenate([part for part in parts if not isinstance(part, Bags)])
    return joined


def entry_rows(row_splits: Int64s) -> Int64s:
    """Return the row of each entry, int64 [entries], given the splits of `Bags`."""
    entries = row_splits[-1]
    # Where rows end is counted and added up: `np.repeat` takes twice as long for short lists.
    return np.cumsum(np.bincount(row_splits[1:-1], minlength=entries)[:entries])


def _take_bags(bags: Bags, rows: Int64s) -> Bags:
    starts = bags.row_splits[:-1].take(rows)
    lengths = np.diff(bags.row_splits).take(rows)
    splits = np.concatenate([[0], np.cumsum(lengths)])
    # Entry j of the result is entry j - splits[i] of its row i, whose entries begin at starts[i].
    entries = (starts - splits[:-1]).take(entry_rows(splits))
    entries += np.arange(len(entries))
    return Bags(bags.ids.take(entries), bags.counts.take(entries), splits)


def _cut_bags(bags: Bags, start: int, stop: int) -> Bags:
    splits = bags.row_splits[start : stop + 1]
    entries = slice(splits[0], splits[-1])
    return Bags(bags.ids[entries], bags.counts[entries], splits - splits[0])


def _concat_bags(parts: Sequence[Bags]) -> Bags:
    lengths = np.concatenate([np.diff(part.row_splits) for part in parts])
    return Bags(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.counts for part in parts]),
        np.concatenate([[0], np.cumsum(lengths)]),
    )
