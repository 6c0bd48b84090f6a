"""The entries of features: what a batch looks up, and with which weight."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smt_features import Bags
from smt_features.batch import Array, entry_rows


class Entries(NamedTuple):
    """The entries of a feature, row after row; or of several, feature after feature.

    Attributes
    ----------
    values
        [E], the ids (int32) or keys (int64).
    bags
        int32 [E], ``example · bags + bag``, a bag for each feature, or several.
    weights
        float32 [E], ``count / Σ count`` in a list, 1 elsewhere.
    counts
        int64 [E], occurrences that an entry stands for.
    """

    values: NDArray[np.integer]
    bags: NDArray[np.int32]
    weights: NDArray[np.float32]
    counts: NDArray[np.int64]


class FeatureEntries(NamedTuple):
    """The entries of a feature in many rows, from which batches are cut.

    Attributes
    ----------
    blocks
        Its entries; again, with other rows and bags, for each further block of rows it has.
    row_splits
        int64 [rows + 1], as those of `Bags`; None where each row has one entry.
    """

    blocks: list[Entries]
    row_splits: NDArray[np.int64] | None

    def cut(self, start: int, stop: int) -> list[Entries]:
        """Return the entries of some rows, without copying."""
        if self.row_splits is not None:
            start, stop = self.row_splits[[start, stop]].tolist()
        return [Entries._make(part[start:stop] for part in block) for block in self.blocks]


def entries_of(values: Array | Bags, bags: NDArray[np.int32]) -> FeatureEntries:
    """Return the entries of a feature, given the bag that each row has, int32 [rows]."""
    if not isinstance(values, Bags):
        single: NDArray[np.integer] = values  # type: ignore[assignment]
        return FeatureEntries([Entries(single, bags, *ones(len(bags)))], None)
    rows = entry_rows(values.row_splits)
    weights = mean_weights(values.counts, rows)
    entries = Entries(values.ids, bags.take(rows), weights, values.counts.astype(np.int64))
    return FeatureEntries([entries], values.row_splits)


@lru_cache(maxsize=32)
def ones(entries: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the weights and counts of features with one value a row; they take no memory."""
    return np.broadcast_to(np.float32(1), entries), np.broadcast_to(np.int64(1), entries)


def mean_weights(counts: NDArray[np.integer], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return ``count / Σ count`` of each entry: the weights of the mean over all entries.

    Parameters
    ----------
    counts
        [E], how often each distinct id stands in its row.
    rows
        int64 [E], the row of each.
    """
    # Counts and sums below 2^24 are exact in float32, and their quotient is the nearest one.
    totals = np.bincount(rows, counts).astype(np.float32)
    weights: NDArray[np.float32] = counts.astype(np.float32)
    weights /= totals.take(rows)
    return weights
