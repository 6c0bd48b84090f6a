"""Turns a reader's batch into what a step needs, so that no id work is left to the step."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smt_features import Bags, Batch
from smt_model.layout import TableLayout


class TableBatch(NamedTuple):
    """What a batch looks up in one table: a sparse matrix of weights [B·features, U].

    Attributes
    ----------
    rows
        int32 [U], the distinct rows of the table.
    positions
        int64 [E, 2], a line for each entry: ``example · features + feature``, and the
        position of its row in `rows`.
    weights
        float32 [E], ``count / Σ count`` in a list, 1 elsewhere.
    """

    rows: NDArray[np.int32]
    positions: NDArray[np.int64]
    weights: NDArray[np.float32]


class FusedBatch(NamedTuple):
    """A batch as a step takes it.

    Attributes
    ----------
    tables
        One part for each table.
    labels
        float32 [B, tasks].
    numerics
        float32 [B, numeric features].
    """

    tables: tuple[TableBatch, ...]
    labels: NDArray[np.float32]
    numerics: NDArray[np.float32]


class Fuser:
    """Makes fused batches.

    Parameters
    ----------
    layouts
        The tables of the model.
    labels
        Names of the label columns, in the order of the tasks.
    numerics
        Names of the numeric features.
    """

    def __init__(
        self, layouts: Sequence[TableLayout], labels: Sequence[str], numerics: Sequence[str] = ()
    ) -> None:
        self._tables = [_TableFuser(layout) for layout in layouts]
        self._labels = tuple(labels)
        self._numerics = tuple(numerics)

    def __call__(self, batch: Batch) -> FusedBatch:
        """Return the fused form of a batch of `smt_features`."""
        labels = np.stack([batch[name] for name in self._labels], axis=1, dtype=np.float32)
        numerics = np.empty((len(labels), len(self._numerics)), np.float32)
        for position, name in enumerate(self._numerics):
            numerics[:, position] = batch[name]
        tables = tuple(table(batch, len(labels)) for table in self._tables)
        return FusedBatch(tables, labels, numerics)


class _TableFuser:
    """Fuses the features of one table; keeps a scratch int32 for each row of the table."""

    def __init__(self, layout: TableLayout) -> None:
        self._width = len(layout.features)
        numbered = list(enumerate(zip(layout.features, layout.offsets, strict=False)))
        self._single = [
            (i, column.name, start) for i, (column, start) in numbered if not column.is_list
        ]
        self._lists = [(i, column.name, start) for i, (column, start) in numbered if column.is_list]
        self._last_entry = np.empty(layout.rows, np.int32)

    def __call__(self, batch: Batch, examples: int) -> TableBatch:
        first_bag = np.arange(0, examples * self._width, self._width, dtype=np.int64)
        ids, bags, weights = [], [], []
        for feature, name, start in self._single:
            ids.append(batch[name] + np.int32(start))  # type: ignore[operator]
            bags.append(first_bag + feature)
        weights.append(np.ones(examples * len(self._single), np.float32))
        for feature, name, start in self._lists:
            values: Bags = batch[name]  # type: ignore[assignment]
            lengths = np.diff(values.row_splits)
            ids.append(values.ids + np.int32(start))
            bags.append(np.repeat(first_bag + feature, lengths))
            weights.append(mean_weights(values.counts, lengths))
        rows, inverse = self._unique(np.concatenate(ids))
        positions = np.empty((len(inverse), 2), np.int64)
        np.concatenate(bags, out=positions[:, 0])
        positions[:, 1] = inverse
        return TableBatch(rows, positions, np.concatenate(weights))

    def _unique(self, ids: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        # Each id's last entry stands for it: linear in the entries, where np.unique sorts.
        entries = np.arange(len(ids), dtype=np.int32)
        self._last_entry[ids] = entries
        last = self._last_entry[ids]
        chosen = last == entries
        return ids[chosen], (np.cumsum(chosen) - 1)[last]


def mean_weights(counts: NDArray[np.integer], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return ``count / Σ count`` of each entry: the weights of the mean over all entries.

    Parameters
    ----------
    counts
        [E], how often each distinct id stands in its row.
    lengths
        int64 [B], distinct ids of each row; rows may be empty.
    """
    ends = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    stops = np.cumsum(lengths)
    totals = ends[stops] - ends[stops - lengths]
    weights: NDArray[np.float32] = (counts / np.repeat(totals, lengths)).astype(np.float32)
    return weights
