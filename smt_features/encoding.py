"""Encodes valid cells: labels as they are, features as buckets, tag lists as ids and counts."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from smt_features.hashing import bucket, key
from smt_features.layout import column_names
from smt_features.lists import Int64s, SplitLists, list_series, merge
from smt_schemas import Column, DatasetSchema


def encode(
    cells: pl.DataFrame,
    lists: Mapping[str, SplitLists],
    schema: DatasetSchema,
    *,
    seed: int,
    keys: bool,
) -> pl.DataFrame:
    """Encode rows that passed validation.

    Parameters
    ----------
    cells
        A String column per schema column.
    lists
        Its list columns, split.
    schema
        What becomes of each column.
    seed
        Seed of the hash.
    keys
        Also write ``<name>_key`` (int64) for each hashed feature.

    Returns
    -------
    polars.DataFrame
        The columns of `layout`: labels int8, ids int32, keys int64; a list column is
        a list of distinct ids in order of first appearance, with its counts beside it.
    """
    single = [column for column in schema.columns if not column.is_list]
    frame = cells.select(
        expression for column in single for expression in _single(column, seed, keys=keys)
    )
    encoded = [
        series
        for column in schema.features
        if column.is_list
        for series in _encode_list(lists[column.name], column, seed, keys=keys)
    ]
    # Not with_columns: a frame without columns has no rows.
    return pl.DataFrame([*frame, *encoded]).select(column_names(schema, keys=keys))


def _single(column: Column, seed: int, *, keys: bool) -> list[pl.Expr]:
    cell = pl.col(column.name)
    if column.role == "label":
        return [cell.cast(pl.Int8)]
    if not column.is_feature:
        return []
    expressions = [bucket(cell, column, seed)]
    if keys and column.encoding == "hash":
        expressions.append(key(cell, seed).alias(f"{column.name}_key"))
    return expressions


def _encode_list(lists: SplitLists, column: Column, seed: int, *, keys: bool) -> list[pl.Series]:
    positions, runs = lists
    ids = pl.select(bucket(pl.lit(runs.entries), column, seed)).to_series().to_numpy()
    merged = merge(ids.astype(np.int64), runs.counts, runs.lengths, column.buckets)
    flat: dict[str, tuple[Int64s, Int64s, type]] = {
        column.name: (merged.ids, merged.lengths, np.int32),
        f"{column.name}_count": (merged.counts, merged.lengths, np.int32),
    }
    if keys:
        hashed = pl.select(key(pl.lit(runs.entries), seed)).to_series().to_numpy()
        # Keys are merged by their rank, which is small enough to pair with a row number.
        distinct_keys, ranks = np.unique(hashed, return_inverse=True)
        merged = merge(ranks.astype(np.int64), runs.counts, runs.lengths, len(distinct_keys))
        flat[f"{column.name}_key"] = (distinct_keys[merged.ids], merged.lengths, np.int64)
        flat[f"{column.name}_key_count"] = (merged.counts, merged.lengths, np.int32)
    return [
        list_series(values.astype(dtype), lengths).gather(positions).alias(name)
        for name, (values, lengths, dtype) in flat.items()
    ]
