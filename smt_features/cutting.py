"""Cuts a split's sorted rows into shards and row groups."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from smt_features.shuffle import RowStore
from smt_features.stable_order import stable_order
from smt_schemas import Column, DatasetSchema

CLUSTER = "__cluster"
"""Column that row groups are ordered by, int64; it is not written."""


class Piece(NamedTuple):
    """Some rows of a frame, by position, in order."""

    frame: pl.DataFrame
    order: npt.NDArray[np.int64]


def cut_shards(
    store: RowStore, rows_per_shard: int, cluster_by: list[Column]
) -> Iterator[list[Piece]]:
    """Yield the rows of each shard, with ``CLUSTER`` beside them. No row is moved yet."""
    held: list[Piece] = []
    missing = rows_per_shard
    for rows, order in store.sorted_slices():
        frame = rows.with_columns(_cluster_key(rows, cluster_by))
        start = 0
        while start < len(order):
            piece = Piece(frame, order[start : start + missing])
            held.append(piece)
            start += len(piece.order)
            missing -= len(piece.order)
            if not missing:
                yield held
                held, missing = [], rows_per_shard
    if held:
        yield held


def cluster_columns(schema: DatasetSchema) -> list[Column]:
    """Return the columns that row groups are ordered by: those of the user, fewest buckets first.

    As many as fit a 63-bit integer; none when the schema names no ``user_column``.
    """
    if schema.user_column is None:
        return []
    columns = [c for c in schema.features if c.role == "user" and not c.is_list]
    columns.sort(key=lambda column: column.buckets)
    while math.prod(column.buckets for column in columns) >= 1 << 63:
        columns.pop(0)
    return columns


def cut_row_groups(pieces: list[Piece], rows_per_group: int) -> Iterator[pl.DataFrame]:
    """Yield the row groups of a shard, each ordered by ``CLUSTER``.

    A row group is a random sample of the split and readers permute it, so the order inside it
    is free; putting a user's rows and like users together makes Parquet shards a seventh smaller.
    """
    if len(pieces) > 1:
        whole = pl.concat([_rows(piece.frame, piece.order) for piece in pieces], rechunk=True)
        pieces = [Piece(whole, np.arange(whole.height))]
    frame, order = pieces[0]
    cluster = frame[CLUSTER].to_numpy()
    frame = frame.drop(CLUSTER)
    for start in range(0, len(order), rows_per_group):
        group = order[start : start + rows_per_group]
        yield _rows(frame, group[stable_order(cluster[group])])


def _cluster_key(frame: pl.DataFrame, cluster_by: list[Column]) -> pl.Series:
    """Return the ids of some columns as digits of one integer; all 0 without a column."""
    key = np.zeros(frame.height, np.int64)
    for column in cluster_by:
        key *= column.buckets
        key += frame[column.name].to_numpy()
    return pl.Series(CLUSTER, key)


def _rows(frame: pl.DataFrame, positions: npt.NDArray[np.int64]) -> pl.DataFrame:
    # Polars' own index type: anything else is checked and converted for every column.
    return frame[pl.Series(positions.astype(np.uint32))]
