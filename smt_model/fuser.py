"""Turns a reader's rows into what steps need, so that no id work is left to a step."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, zip_longest
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smt_features import Batch
from smt_features.batch import rows_of
from smt_model.batching import FreshRows, FusedBatch, TableBatch
from smt_model.distinct import SMALL_TABLE, Distinct, DistinctRows
from smt_model.entries import Entries, FeatureEntries, entries_of, ones
from smt_model.layout import FeatureLayout, TableLayout
from smt_model.products import Products

if TYPE_CHECKING:
    from smt_model.ev.variables import EmbeddingVariables

KEY = "_key"
"""Ending of the columns of keys, which ``smt prepare --keys`` writes."""


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
        """Return the fused form of a batch of `smt_features`; see `cut`."""
        return next(self.cut(batch, [(0, rows_of(batch))], step))

    def cut(
        self, rows: Batch, ranges: Sequence[tuple[int, int]], step: int | None = None
    ) -> Iterator[FusedBatch]:
        """Yield the fused form of batches that lie in some rows.

        Parameters
        ----------
        rows
            Some rows, such as a row group's.
        ranges
            First row and end of each batch; none overlaps another.
        step
            The update that the first batch is for, counted from 1, the others following: when a
            batch is made, its keys are counted and admitted. None only looks them up.
        """
        if not ranges:  # a batch may span many row groups
            return
        labels = np.stack([rows[name] for name in self._labels], axis=1, dtype=np.float32)
        numbers = [rows[name] for name in self._numerics]
        numerics = (np.stack(numbers, axis=1, dtype=np.float32),) if numbers else ()
        examples = np.zeros(len(labels), np.int32)
        for start, stop in ranges:
            examples[start:stop] = np.arange(stop - start)
        tables = [(table, table.entries(rows, examples)) for table in self._tables]
        for number, (start, stop) in enumerate(ranges):
            at = None if step is None else step + number
            made = [table(entries, start, stop, at) for table, entries in tables]
            parts, fresh = zip(*made, strict=True)
            begun = tuple(rows for rows in fresh if rows is not None)
            cut_numerics = tuple(values[start:stop] for values in numerics)
            yield FusedBatch(parts, labels[start:stop], cut_numerics, begun)


class _TableEntries(NamedTuple):
    """The entries of the features of a table in many rows.

    Attributes
    ----------
    simple
        int32 [simple features, rows], rows of the table.
    others
        Those of each other feature.
    """

    simple: NDArray[np.int32]
    others: list[FeatureEntries]


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
        self._simple_bags = tuple(simple_bags)
        self._products = Products(layout)
        self._variables = variables
        # Rows that keys can own are many; products have numbers beyond the table's rows.
        is_small = layout.rows <= SMALL_TABLE and not (variables or layout.products)
        self._distinct = DistinctRows(layout.rows) if is_small else Distinct()

    def entries(self, rows: Batch, examples: NDArray[np.int32]) -> _TableEntries:
        """Return the entries of some rows, given their numbers in their batches."""
        simple = np.empty((len(self._simple), len(examples)), np.int32)
        for name, values in zip(self._simple, simple, strict=True):
            np.add(rows[name], np.int32(self._layout.starts[name]), out=values)
        bags = examples * self._layout.bags
        others = []
        for feature, bag in self._others:
            has_keys = _has_keys(feature, self._variables)
            found = entries_of(rows[feature.name + (KEY if has_keys else "")], bags + bag)
            others.append(found if has_keys else self._placed(feature, found))
        return _TableEntries(simple, others)

    def __call__(
        self, entries: _TableEntries, start: int, stop: int, step: int | None
    ) -> tuple[TableBatch, FreshRows | None]:
        parts, fresh = [], [self._variables.no_rows] if self._variables else []
        if self._simple:
            values = entries.simple[:, start:stop].reshape(-1)
            bags = _bags(self._simple_bags, self._layout.bags, stop - start)
            parts.append(Entries(values, bags, *ones(len(values))))
        for (feature, _), all_rows in zip(self._others, entries.others, strict=True):
            found = all_rows.cut(start, stop)
            if self._variables and _has_keys(feature, self._variables):
                (keys,) = found
                blocks = [
                    self._variables.rows_of(feature.name, keys, step),
                    *self._variables.further_blocks(feature.name, keys, step),
                ]
                parts += [owned for owned, _ in blocks]
                fresh += [begun for _, begun in blocks]
            else:
                parts += found
        joined = FreshRows(*map(np.concatenate, zip(*fresh, strict=True))) if fresh else None
        return self._joined(parts), joined

    def _placed(self, feature: FeatureLayout, found: FeatureEntries) -> FeatureEntries:
        """Replace the ids of a feature's entries by rows of the table, or by products of two."""
        (entries,) = found.blocks
        if feature.products:
            first = self._products.first[feature.name]
            blocks = [entries._replace(values=entries.values + np.int32(first))]
            return found._replace(blocks=blocks)
        start = np.int32(self._layout.starts[feature.name])
        if feature.multihash is None:
            return found._replace(blocks=[entries._replace(values=entries.values + start)])
        quotients, remainders = feature.multihash.split(entries.values)
        start2 = start + np.int32(feature.blocks[0].rows)
        # A mean of sums is the sum of two means, and so is one of two vectors side by side.
        blocks = [
            entries._replace(values=quotients + start),
            entries._replace(values=remainders + start2, bags=entries.bags + feature.bags - 1),
        ]
        return found._replace(blocks=blocks)

    def _joined(self, parts: list[Entries]) -> TableBatch:
        rows, inverse = self._distinct(np.concatenate([part.values for part in parts]))
        pairs: tuple[NDArray[np.int32], ...] = ()
        if self._layout.products:
            rows, of_rows, places = self._factors(rows)
            inverse, pairs = places[inverse], (of_rows,)
        positions = np.empty((len(inverse), 2), np.int32)
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


@lru_cache(maxsize=32)
def _bags(of_row: tuple[int, ...], bags: int, rows: int) -> NDArray[np.int32]:
    """Return some of the bags of each row of a batch, int32 [len(of_row) · rows], read-only."""
    first = np.arange(rows, dtype=np.int32) * bags
    found = (np.array(of_row, np.int32)[:, np.newaxis] + first).reshape(-1)
    found.setflags(write=False)
    return found


def _is_simple(feature: FeatureLayout, variables: "EmbeddingVariables | None") -> bool:
    """Return whether a feature has one id in each row, and a row of the table for each id."""
    others = feature.multihash or feature.column.is_list or _has_keys(feature, variables)
    return not others


def _has_keys(feature: FeatureLayout, variables: "EmbeddingVariables | None") -> bool:
    """Return whether a feature's keys own their vectors."""
    return variables is not None and feature.name in variables.tables
