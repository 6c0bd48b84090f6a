"""Turns a reader's batch into what a step needs, so that no id work is left to the step."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, zip_longest
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smt_features import Bags, Batch
from smt_features.batch import Array
from smt_model.distinct import Distinct
from smt_model.layout import FeatureLayout, TableLayout
from smt_model.products import Products

if TYPE_CHECKING:
    from smt_model.ev.variables import EmbeddingVariables

KEY = "_key"
"""Ending of the columns of keys, which ``smt prepare --keys`` writes."""


class TableBatch(NamedTuple):
    """What a batch looks up in one table: a sparse matrix of weights [B·bags, U + P].

    Attributes
    ----------
    rows
        int32 [U], the distinct rows of the table.
    positions
        int64 [E, 2], a line for each entry: ``example · bags + bag``, and the position of its
        row in `rows`, or behind those of its product in `pairs`.
    weights
        float32 [E], ``count / Σ count`` in a list, 1 elsewhere.
    pairs
        Of a table with products one array, int32 [P, 2], the distinct products of two rows: the
        positions of these in `rows`. Else empty.
    """

    rows: NDArray[np.int32]
    positions: NDArray[np.int64]
    weights: NDArray[np.float32]
    pairs: tuple[NDArray[np.int32], ...] = ()


class FreshRows(NamedTuple):
    """Rows that keys own from this batch on.

    Attributes
    ----------
    rows
        int32 [N].
    vectors
        float32 [N, dim], what they begin with.
    shared
        int32 [N], a row whose vector they begin with instead; -1 for none.
    """

    rows: NDArray[np.int32]
    vectors: NDArray[np.float32]
    shared: NDArray[np.int32]


class FusedBatch(NamedTuple):
    """A batch as a step takes it.

    Attributes
    ----------
    tables
        A part for each table.
    labels
        float32 [B, tasks].
    numerics
        One array, float32 [B, numeric features]; empty for a model without.
    fresh
        Fresh rows of each table; empty for a model without embedding variables.
    """

    tables: tuple[TableBatch, ...]
    labels: NDArray[np.float32]
    numerics: tuple[NDArray[np.float32], ...] = ()
    fresh: tuple[FreshRows, ...] = ()


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
    variables
        The embedding variables of each table; none for a model without.
    """

    def __init__(
        self,
        layouts: Sequence[TableLayout],
        labels: Sequence[str],
        numerics: Sequence[str] = (),
        variables: "Sequence[EmbeddingVariables]" = (),
    ) -> None:
        self._tables = [
            _TableFuser(layout, of_table) for layout, of_table in zip_longest(layouts, variables)
        ]
        self._labels = tuple(labels)
        self._numerics = tuple(numerics)

    def __call__(self, batch: Batch, step: int | None = None) -> FusedBatch:
        """Return the fused form of a batch of `smt_features`.

        Parameters
        ----------
        batch
            The rows.
        step
            The update that they are for, counted from 1: keys are counted and admitted. None
            only looks them up.
        """
        labels = np.stack([batch[name] for name in self._labels], axis=1, dtype=np.float32)
        numbers = [batch[name] for name in self._numerics]
        numerics = (np.stack(numbers, axis=1, dtype=np.float32),) if numbers else ()
        parts, fresh = zip(*(table(batch, step) for table in self._tables), strict=True)
        begun = tuple(rows for rows in fresh if rows is not None)
        return FusedBatch(parts, labels, numerics, begun)


class Entries(NamedTuple):
    """The entries of a feature in a batch, row after row; or of several, feature after feature.

    Attributes
    ----------
    values
        [E], the ids (int32) or keys (int64).
    bags
        int64 [E], ``example · bags + bag``, a bag for each feature, or several.
    weights
        float32 [E], as in `TableBatch`.
    counts
        int64 [E], occurrences that an entry stands for.
    """

    values: NDArray[np.integer]
    bags: NDArray[np.int64]
    weights: NDArray[np.float32]
    counts: NDArray[np.int64]


class _TableFuser:
    """Fuses the features of one table."""

    def __init__(self, layout: TableLayout, variables: "EmbeddingVariables | None") -> None:
        self._layout = layout
        self._simple: list[str] = []
        self._others: list[tuple[FeatureLayout, int]] = []
        simple_bags = []
        bags = accumulate((feature.bags for feature in layout.features), initial=0)
        for feature, bag in zip(layout.features, bags, strict=False):
            if _is_simple(feature, variables):
                self._simple.append(feature.name)
                simple_bags.append(bag)
            else:
                self._others.append((feature, bag))
        self._starts = np.array([[layout.starts[name]] for name in self._simple], np.int32)
        self._simple_bags = np.array(simple_bags, np.int64)[:, np.newaxis]
        self._products = Products(layout)
        self._variables = variables
        self._distinct = Distinct()

    def __call__(self, batch: Batch, step: int | None) -> tuple[TableBatch, FreshRows | None]:
        parts, fresh = [], [self._variables.no_rows] if self._variables else []
        if self._simple:
            parts.append(self._simple_entries(batch))
        for feature, bag in self._others:
            if self._variables and feature.name in self._variables.tables:
                entries = self._entries(batch[feature.name + KEY], bag)
                blocks = [
                    self._variables.rows_of(feature.name, entries, step),
                    *self._variables.further_blocks(feature.name, entries, step),
                ]
                parts += [found for found, _ in blocks]
                fresh += [begun for _, begun in blocks]
            else:
                parts += self._placed(feature, self._entries(batch[feature.name], bag))
        joined = FreshRows(*map(np.concatenate, zip(*fresh, strict=True))) if fresh else None
        return self._joined(parts), joined

    def _simple_entries(self, batch: Batch) -> Entries:
        """Return the entries of all simple features, whose values are rows of the table."""
        values = np.stack([batch[name] for name in self._simple], dtype=np.int32)
        bags = np.arange(0, values.shape[1] * self._layout.bags, self._layout.bags)
        places = (self._simple_bags + bags).reshape(-1)
        return Entries((values + self._starts).reshape(-1), places, *_ones(values.size))

    def _entries(self, values: Array | Bags, bag: int) -> Entries:
        rows = len(values.row_splits) - 1 if isinstance(values, Bags) else len(values)
        bags = np.arange(bag, rows * self._layout.bags, self._layout.bags)
        if not isinstance(values, Bags):
            single: NDArray[np.integer] = values  # type: ignore[assignment]
            return Entries(single, bags, *_ones(rows))
        lengths = np.diff(values.row_splits)
        counts = values.counts.astype(np.int64)
        weights = mean_weights(counts, lengths)
        return Entries(values.ids, np.repeat(bags, lengths), weights, counts)

    def _placed(self, feature: FeatureLayout, entries: Entries) -> list[Entries]:
        """Replace the ids of a feature's entries by rows of the table, or by products of two."""
        if feature.products:
            first = self._products.first[feature.name]
            return [entries._replace(values=entries.values + np.int32(first))]
        start = np.int32(self._layout.starts[feature.name])
        if feature.multihash is None:
            return [entries._replace(values=entries.values + start)]
        quotients, remainders = feature.multihash.split(entries.values)
        start2 = start + np.int32(feature.blocks[0].rows)
        # A mean of sums is the sum of two means, and so is one of two vectors side by side.
        return [
            entries._replace(values=quotients + start),
            entries._replace(values=remainders + start2, bags=entries.bags + feature.bags - 1),
        ]

    def _joined(self, parts: list[Entries]) -> TableBatch:
        rows, inverse = self._distinct(np.concatenate([part.values for part in parts]))
        pairs: tuple[NDArray[np.int32], ...] = ()
        if self._layout.products:
            rows, of_rows, places = self._factors(rows)
            inverse, pairs = places[inverse], (of_rows,)
        positions = np.empty((len(inverse), 2), np.int64)
        np.concatenate([part.bags for part in parts], out=positions[:, 0])
        positions[:, 1] = inverse
        weights = np.concatenate([part.weights for part in parts])
        return TableBatch(rows, positions, weights, pairs)

    def _factors(
        self, values: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
        """Return rows and pairs of distinct rows and products, and where each of these stands."""
        is_product = values >= self._layout.rows
        direct, factors = values[~is_product], self._products.factors(values[is_product])
        rows, where = self._distinct(np.concatenate([direct, factors.reshape(-1)]))
        places = np.empty(len(values), np.int64)
        places[~is_product] = where[: len(direct)]
        places[is_product] = np.arange(len(rows), len(rows) + len(factors))
        return rows, where[len(direct) :].reshape(-1, 2).astype(np.int32), places


def _is_simple(feature: FeatureLayout, variables: "EmbeddingVariables | None") -> bool:
    """Return whether a feature has one id in each row, and a row of the table for each id."""
    has_keys = variables is not None and feature.name in variables.tables
    return not (has_keys or feature.multihash or feature.column.is_list)


@lru_cache(maxsize=32)
def _ones(entries: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the weights and counts of features with one value a row; nobody writes to them."""
    weights, counts = np.ones(entries, np.float32), np.ones(entries, np.int64)
    for ones in (weights, counts):
        ones.setflags(write=False)
    return weights, counts


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
