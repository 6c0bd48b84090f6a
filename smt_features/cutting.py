"""Cuts a split's sorted rows into shards and row groups."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from smt_features.shuffle import RowStore


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


def cut_row_groups(
    pieces: list[Piece], rows_per_group: int, cluster_by: str | None
) -> Iterator[pl.DataFrame]:
    """Yield the row groups of a shard, each with equal ids of ``cluster_by`` side by side.

    A row group is a random sample of the split and readers permute it, so the order inside it
    is free; putting a user's rows together makes Parquet shards a tenth smaller.
    """
    if len(pieces) > 1:
        whole = pl.concat([piece.frame[piece.order] for piece in pieces], rechunk=True)
        pieces = [Piece(whole, np.arange(whole.height))]
    frame, order = pieces[0]
    for start in range(0, len(order), rows_per_group):
        group = order[start : start + rows_per_group]
        if cluster_by is not None:
            ids = frame[cluster_by].to_numpy()[group]
            group = group[np.argsort(ids, kind="stable")]
        yield frame[group]
