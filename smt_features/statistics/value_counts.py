"""Counts of texts, quick where the texts are ids: small non-negative integers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from smt_features.stable_order import stable_order
from smt_features.statistics.sketch import COUNT, VALUE, Sketch
from smt_features.string_views import Int64s, decimals, held_bytes, total_bytes, words_of
from smt_schemas import Column

MAX_ID = 1 << 22
"""Ids below are counted in an array, of 32 MB at most; everything else by its text."""

MAX_TEXTS = 1 << 20
"""Distinct texts of a column, ids left out, that are counted exactly."""

MAX_BYTES = 1 << 26
"""Bytes of all these texts, each taken once, up to which they are counted exactly."""

NO_IDS = np.empty(0, np.int64)
NO_TEXTS = pl.DataFrame(schema={VALUE: pl.String, COUNT: pl.Int64})

MERGE_ROWS = 1 << 16
MERGE_BYTES = 1 << 24

FEW = 1 << 14
"""Ids that came as texts stay with them up to so many texts."""


@dataclass(frozen=True)
class Counted:
    """Texts of some rows, with weights that add up to their number.

    Attributes
    ----------
    ids, weights
        Small integers, possibly repeated, and how often each stands there; int64.
    texts
        All other texts, and ids where there are few: ``value`` (String), each once, and
        ``count`` (int64).
    """

    ids: Int64s
    weights: Int64s
    texts: pl.DataFrame


def as_ids(texts: pl.Series) -> Int64s:
    """Return the texts as integers, -1 where a text is not an integer in ``[0, MAX_ID)``.

    Only the decimal form without signs, blanks and leading zeros counts, so that each id has
    one text.
    """
    numbers = decimals(words_of(texts))
    numbers[numbers >= MAX_ID] = -1
    return numbers


def count_columns(cells: pl.DataFrame, names: list[str]) -> dict[str, Counted]:
    """Count the texts of some columns."""
    # Few values: grouping is quicker than parsing.
    distinct = cells.head(1000).select(pl.col(name).n_unique() for name in names)
    many = [name for name in names if distinct[name].item() >= 100] if names else []
    ids = {name: as_ids(cells[name]) for name in many}
    is_id = {name: found >= 0 for name, found in ids.items()}
    others = {name: pl.Series(~found) for name, found in is_id.items() if not found.all()}
    texts = group_texts(cells, [n for n in names if n in others or n not in ids], others)
    counted = {}
    for name in names:
        numbers = ids.get(name, NO_IDS)
        if name in others:
            numbers = numbers[is_id[name]]
        weights = np.ones(len(numbers), np.int64)
        counted[name] = Counted(numbers, weights, texts.get(name, NO_TEXTS))
    return counted


def group_texts(
    rows: pl.DataFrame, names: list[str], where: Mapping[str, pl.Series] | None = None
) -> dict[str, pl.DataFrame]:
    """Return ``value`` and ``count`` of the texts of some columns, ids among them.

    ``where`` has a boolean for each row, by column: only those are counted.
    """
    # All at one go: a call of Polars costs as much as grouping thousands of texts.
    counts = pl.Struct({VALUE: pl.String, COUNT: pl.Int64})
    found = rows.select(
        texts.alias(VALUE).value_counts(name=COUNT).cast(counts).implode().alias(name)
        for name in names
        for texts in [pl.col(name).filter(where[name]) if where and name in where else pl.col(name)]
    )
    return {name: found[name][0].struct.unnest() for name in names}


def count_weighted(texts: pl.Series, ids: Int64s, weights: Int64s) -> Counted:
    """Count texts that stand for several rows each; ``ids`` is what `as_ids` gave."""
    is_id = ids >= 0
    if is_id.all():
        return Counted(ids, weights, NO_TEXTS)
    others = pl.DataFrame({VALUE: texts, COUNT: weights}).filter(pl.Series(~is_id))
    grouped = others.group_by(VALUE).agg(pl.col(COUNT).sum())
    return Counted(ids[is_id], weights[is_id], grouped)


def is_null_text(column: Column) -> pl.Expr:
    """Return whether ``value`` means that a cell is missing: empty, or a null token."""
    return pl.col(VALUE).is_in(["", *column.null_tokens])


class ValueCounts:
    """Counts of the texts of a column: exact up to `MAX_TEXTS` and `MAX_BYTES` of texts, no ids.

    Beyond, texts go into a sketch and are forgotten. Whether they do depends on the texts alone,
    not on the order or grouping in which they come.

    Memory: at most 16 bytes for each integer up to the largest id below 2^22; about 40 bytes for
    each other distinct text, and the text itself on top where it has more than 12 bytes, up to
    three times that while counts are merged: some 300 MB for texts at both limits; and 16 MB, or
    a block, for texts that wait to be merged. A sketch takes 24 bytes a bucket, 25 MB at most.

    Parameters
    ----------
    column, hash_seed
        For the sketch.
    """

    def __init__(self, column: Column, hash_seed: int = 0) -> None:
        self._column = column
        self._seed = hash_seed
        self._ids = np.zeros(0, np.int64)
        self._texts = NO_TEXTS
        self._pending: list[pl.DataFrame] = []
        self._pending_rows = self._pending_bytes = 0
        self._sketch: Sketch | None = None

    def add(self, counted: Counted) -> None:
        """Add counts; those of texts are merged when as many wait as are merged already."""
        self._add_ids(counted.ids, counted.weights)
        if counted.texts.height:
            self._pending.append(counted.texts)
            self._pending_rows += counted.texts.height
            # A few long texts keep all the texts of their block in memory.
            self._pending_bytes += held_bytes(counted.texts[VALUE])
            if (
                self._pending_rows >= max(self._texts.height, MERGE_ROWS)
                or self._pending_bytes >= MERGE_BYTES
            ):
                self._merge()

    def add_sketch(self, kind: str, places: Int64s, numbers: Int64s) -> None:
        """Add a part of a sketch's state; what is counted here goes into the sketch, too."""
        self._sketching().add_state(kind, places, numbers)

    def frame(self) -> pl.DataFrame:
        """Return ``value`` and ``count``, each value once: ids in order, then texts in theirs.

        Where there is a sketch, null texts are all that is left of the texts.
        """
        self._merge()
        self._texts = self._texts.sort(VALUE)
        if len(self._ids):
            self._take_ids()
            return pl.concat([self._ids_frame(), self._texts])
        ids = as_ids(self._texts[VALUE])
        return self._texts[stable_order(np.where(ids < 0, MAX_ID, ids))]

    def sketch(self) -> Sketch | None:
        """Return the sketch of the texts that `frame` lacks, or None where it lacks none."""
        self._merge()
        return self._sketch

    def _ids_frame(self) -> pl.DataFrame:
        ids = np.flatnonzero(self._ids > 0)  # of booleans: a third of the time
        return pl.DataFrame({VALUE: pl.Series(ids).cast(pl.String), COUNT: self._ids[ids]})

    def _add_ids(self, ids: Int64s, weights: Int64s) -> None:
        if len(ids):
            largest = int(ids.max())
            if largest >= len(self._ids):
                grown = np.zeros(largest + 1, np.int64)
                grown[: len(self._ids)] = self._ids
                self._ids = grown
            np.add.at(self._ids, ids, weights)

    def _merge(self) -> None:
        if not self._pending:
            return
        parts = [frame for frame in (self._texts, *self._pending) if frame.height]
        merged = parts[0]
        if len(parts) > 1:
            merged = pl.concat(parts).group_by(VALUE).agg(pl.col(COUNT).sum())
        self._texts = merged
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0
        if self._texts.height > FEW or total_bytes(self._texts[VALUE]) > MAX_BYTES:
            self._take_ids()
        is_large = self._texts.height > MAX_TEXTS or total_bytes(self._texts[VALUE]) > MAX_BYTES
        if self._sketch or is_large:
            self._sketching()

    def _take_ids(self) -> None:
        """Count the ids among the merged texts as ids."""
        ids = as_ids(self._texts[VALUE])
        is_id = ids >= 0
        if is_id.any():
            self._add_ids(ids[is_id], self._texts[COUNT].to_numpy()[is_id])
            self._texts = self._texts.filter(pl.Series(~is_id))

    def _sketching(self) -> Sketch:
        """Move the merged texts into the sketch, but for nulls, and return it."""
        self._take_ids()
        if self._sketch is None:
            self._sketch = Sketch(self._column, self._seed)
        is_null = is_null_text(self._column)
        self._sketch.add(self._texts.filter(~is_null))
        self._texts = self._texts.filter(is_null)
        return self._sketch
