"""Cuts a split's sorted rows into shards and row groups."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from smt_features.shuffle import RowStore
from smt_schemas import Column, DatasetSchema


class Piece(NamedTuple):
    """Some rows of a frame, by position, in order."""

    frame: pl.DataFrame
    order: npt.NDArray[np.int64]


def cut_shards(store: RowStore, rows_per_shard: int) -> Iterator[list[Piece]]:
    """Yield the rows of each shard. No data is moved yet."""
    held: list[Piece] = []
    missing = rows_per_shard
    for frame, order in store.sorted_slices():
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


def cut_row_groups(
    pieces: list[Piece], rows_per_group: int, cluster_by: list[Column]
) -> Iterator[pl.DataFrame]:
    """Yield the row groups of a shard, each ordered by the ids of ``cluster_by``.

    A row group is a random sample of the split and readers permute it, so the order inside it
    is free; putting a user's rows and like users together makes Parquet shards a seventh smaller.
    """
    if len(pieces) > 1:
        whole = pl.concat([piece.frame[piece.order] for piece in pieces], rechunk=True)
        pieces = [Piece(whole, np.arange(whole.height))]
    frame, order = pieces[0]
    for start in range(0, len(order), rows_per_group):
        group = order[start : start + rows_per_group]
        if cluster_by:
            key = np.zeros(len(group), np.int64)
            for column in cluster_by:
                key = key * column.buckets + frame[column.name].to_numpy()[group]
            group = group[np.argsort(key, kind="stable")]
        yield frame[group]
