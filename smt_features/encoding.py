"""Encodes valid cells: labels and numbers as they are, features as ids, lists as ids and counts."""

from typing import NamedTuple

import numpy as np
import polars as pl

from smt_features.cell_rows import CellRows
from smt_features.derived import derive
from smt_features.hashing import bucket, hashed, key
from smt_features.layout import encoded_names
from smt_features.lists import SplitLists, list_series, merge
from smt_features.pairs import pair
from smt_features.string_views import Int64s
from smt_features.vocabulary import NO_VOCABULARIES, Vocabularies, vocabulary_of
from smt_schemas import Column, DatasetSchema


def encode(
    rows: CellRows,
    schema: DatasetSchema,
    *,
    seed: int,
    keys: bool,
    vocabularies: Vocabularies = NO_VOCABULARIES,
) -> pl.DataFrame:
    """Encode rows that passed validation.

    Parameters
    ----------
    rows
        The rows.
    schema
        What becomes of each column.
    seed
        Seed of the hash.
    keys
        Also write ``<name>_key`` (int64) for each hashed feature.
    vocabularies
        Those of the schema's vocab columns.

    Returns
    -------
    polars.DataFrame
        The columns of `layout`: labels int8, ids int32, keys int64, numbers float32. A list
        column is a list of distinct ids in order of first appearance, each with its count in
        one int64 (`pairs`); a list of keys has its counts beside it.
    """
    cells, lists, users = rows
    encoder = _Encoder(seed, keys, vocabularies)
    of_user = [column for column in schema.columns if column.name in users.cells.columns]
    others = [c for c in schema.columns if not c.is_list and c not in of_user]
    frame = encoder.of_cells(
        cells.with_columns(derive(cells, lists, schema)), others + schema.derived_columns
    )
    user_frame = users.spread(encoder.of_cells(users.cells, of_user))
    encoded = [
        series
        for column in schema.features
        if column.is_list
        for series in encoder.of_list(lists[column.name], column)
    ]
    # Not with_columns: a frame without columns has no rows.
    return pl.DataFrame([*frame, *user_frame, *encoded]).select(encoded_names(schema, keys=keys))


class _Encoder(NamedTuple):
    seed: int
    keys: bool
    vocabularies: Vocabularies

    def of_cells(self, cells: pl.DataFrame, columns: list[Column]) -> pl.DataFrame:
        return cells.select(expression for column in columns for expression in self.of_cell(column))

    def of_cell(self, column: Column) -> list[pl.Expr]:
        cell = pl.col(column.name)
        if column.role == "label":
            return [cell.cast(pl.Int8)]
        if column.is_numeric:
            return [_number(cell, column)]
        if not column.is_feature:
            return []
        expressions = [self._ids(cell, column)]
        if self._has_key(column):
            expressions.append(key(cell, self.seed).alias(f"{column.name}_key"))
        return expressions

    def of_list(self, lists: SplitLists, column: Column) -> list[pl.Series]:
        positions, runs = lists
        ids = hashed(runs.entries, lambda text: self._ids(text, column))
        merged = merge(ids.astype(np.int64), runs.counts, runs.lengths, column.buckets)
        flat: dict[str, tuple[Int64s, Int64s, type]] = {
            column.name: (pair(merged.ids, merged.counts), merged.lengths, np.int64),
        }
        if self._has_key(column):
            keys = hashed(runs.entries, lambda text: key(text, self.seed))
            # Keys are merged by their rank, which is small enough to pair with a row number.
            distinct_keys, ranks = np.unique(keys, return_inverse=True)
            merged = merge(ranks.astype(np.int64), runs.counts, runs.lengths, len(distinct_keys))
            flat[f"{column.name}_key"] = (distinct_keys[merged.ids], merged.lengths, np.int64)
            flat[f"{column.name}_key_count"] = (merged.counts, merged.lengths, np.int32)
        return [
            list_series(values.astype(dtype), lengths).gather(positions).alias(name)
            for name, (values, lengths, dtype) in flat.items()
        ]

    def _ids(self, text: pl.Expr, column: Column) -> pl.Expr:
        if column.encoding == "vocab":
            return vocabulary_of(column, self.vocabularies).ids(text)
        return bucket(text, column, self.seed)

    def _has_key(self, column: Column) -> bool:
        return self.keys and column.encoding == "hash"


def _number(cell: pl.Expr, column: Column) -> pl.Expr:
    missing = cell.is_in(["", *column.null_tokens])
    number = cell.cast(pl.Float64, strict=False)  # a missing cell is no number
    filled = pl.when(missing).then(column.null_value).otherwise(number)
    return filled.cast(pl.Float32).alias(column.name)
