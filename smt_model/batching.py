"""Turns a reader's batch into what a step needs, so that no id work is left to the step."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smt_features import Bags, Batch
from smt_model.layout import TableLayout
from smt_schemas import Column

if TYPE_CHECKING:
    from smt_model.ev.fuser import EvFuser


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


class FreshRows(NamedTuple):
    """Rows of a table that a batch is the first to use.

    Attributes
    ----------
    rows
        int32 [N].
    vectors
        float32 [N, dim], what they begin with.
    """

    rows: NDArray[np.int32]
    vectors: NDArray[np.float32]


class FusedBatch(NamedTuple):
    """A batch as a step takes it.

    Attributes
    ----------
    tables
        A part for each table.
    labels
        float32 [B, tasks].
    fresh
        For each table of embedding variables, the last ones, its fresh rows.
    """

    tables: tuple[TableBatch, ...]
    labels: NDArray[np.float32]
    fresh: tuple[FreshRows, ...] = ()


class Fuser:
    """Makes fused batches.

    Parameters
    ----------
    layouts
        The tables of a fixed size.
    labels
        Names of the label columns, in the order of the tasks.
    variables
        Fuse the features whose keys own their vectors.
    """

    def __init__(
        self,
        layouts: Sequence[TableLayout],
        labels: Sequence[str],
        variables: "Sequence[EvFuser]" = (),
    ) -> None:
        self._tables = [_TableFuser(layout) for layout in layouts]
        self._variables = variables
        self._labels = tuple(labels)

    def __call__(self, batch: Batch, step: int | None = None) -> FusedBatch:
        """Return the fused form of a batch of `smt_features`.

        Parameters
        ----------
        batch
            The rows.
        step
            The update that they are for, so that keys are counted and admitted; None leaves
            all as it is.
        """
        labels = np.stack([batch[name] for name in self._labels], axis=1, dtype=np.float32)
        fixed = [table(batch) for table in self._tables]
        grown = [variable(batch, step) for variable in self._variables]
        return FusedBatch(
            (*fixed, *(part for part, _ in grown)), labels, tuple(fresh for _, fresh in grown)
        )


class Entries(NamedTuple):
    """The entries of one feature in a batch, row after row.

    Attributes
    ----------
    values
        [E], the ids or keys.
    bags
        int64 [E], ``example · features + feature``.
    weights
        float32 [E], as in `TableBatch`.
    counts
        [E], occurrences that an entry of a list stands for; None means one each.
    """

    values: NDArray[np.integer]
    bags: NDArray[np.int64]
    weights: NDArray[np.float32]
    counts: NDArray[np.integer] | None


def entries(batch: Batch, features: Sequence[Column], ending: str = "") -> Iterator[Entries]:
    """Yield the entries of each feature; ``ending`` is that of the names of their columns."""
    for number, column in enumerate(features):
        values = batch[column.name + ending]
        if isinstance(values, Bags):
            lengths = np.diff(values.row_splits)
            first = np.arange(number, len(lengths) * len(features), len(features))
            weights = mean_weights(values.counts, lengths)
            yield Entries(values.ids, np.repeat(first, lengths), weights, values.counts)
        else:
            first = np.arange(number, len(values) * len(features), len(features))
            yield Entries(values, first, np.ones(len(values), np.float32), None)


class TableEntries:
    """Makes a table's part of a batch; keeps a scratch int32 for each row of the table.

    Parameters
    ----------
    rows
        Rows of the table.
    """

    def __init__(self, rows: int) -> None:
        # Pages that no batch touches cost no memory.
        self._last_entry = np.empty(rows, np.int32)

    def __call__(self, rows: Sequence[NDArray[np.int32]], found: Sequence[Entries]) -> TableBatch:
        """Return the part, given the row of each entry, feature by feature."""
        distinct, inverse = self._distinct(np.concatenate(rows))
        positions = np.empty((len(inverse), 2), np.int64)
        np.concatenate([entry.bags for entry in found], out=positions[:, 0])
        positions[:, 1] = inverse
        return TableBatch(distinct, positions, np.concatenate([entry.weights for entry in found]))

    def _distinct(self, ids: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        # Each id's last entry stands for it: linear in the entries, where np.unique sorts.
        numbers = np.arange(len(ids), dtype=np.int32)
        self._last_entry[ids] = numbers
        last = self._last_entry[ids]
        chosen = last == numbers
        return ids[chosen], (np.cumsum(chosen) - 1)[last]


class _TableFuser:
    """Fuses the features of a table of a fixed size."""

    def __init__(self, layout: TableLayout) -> None:
        self._features = layout.features
        self._starts = [np.int32(start) for start in layout.offsets]
        self._entries = TableEntries(layout.rows)

    def __call__(self, batch: Batch) -> TableBatch:
        found = list(entries(batch, self._features))
        rows = [part.values + start for part, start in zip(found, self._starts, strict=False)]
        return self._entries(rows, found)


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
