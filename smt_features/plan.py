"""Plans an epoch: which row groups a worker reads, and where batches end in them."""

from typing import NamedTuple, TypedDict

import numpy as np

from smt_features.order import Int64s, RowGroup, batch_sizes, epoch_order, share_of


class Order(TypedDict, total=False):
    """The keyword arguments of `Split.batches`, which explains them; every reader takes them."""

    seed: int
    epoch: int
    shuffle: bool
    start: int
    drop_remainder: bool
    worker: tuple[int, int]
    shard: int | None


class Turn(NamedTuple):
    """A row group's turn in a worker's epoch.

    Attributes
    ----------
    group
        What to read, and the order of its rows.
    skip
        Its first rows in that order, which are not read now.
    cuts
        int64 [batches + 1], where batches begin and end: rows counted from the first row that
        is in no batch before this turn. It begins with 0; what is after the last cut waits for
        the next turn.
    """

    group: RowGroup
    skip: int
    cuts: Int64s


def plan_epoch(
    shards: list[list[int]],
    batch_size: int,
    *,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool = True,
    start: int = 0,
    drop_remainder: bool = False,
    worker: tuple[int, int] = (0, 1),
    shard: int | None = None,
) -> list[Turn]:
    """Return the turns of a worker's epoch from batch ``start`` on.

    Parameters
    ----------
    shards
        The rows of each row group, for each shard.
    batch_size, seed, epoch, shuffle, start, drop_remainder, worker, shard
        As for `Split.batches`.

    Raises
    ------
    UsageError
        When there is no such worker, or the rows cannot be shared in such batches.
    """
    order = epoch_order(shards, seed=seed, epoch=epoch, shuffle=shuffle)
    if shard is not None:
        order = [group for group in order if group.shard == shard]
    rows = sum(group.rows for group in order)
    sizes = batch_sizes(rows, batch_size, worker, drop_remainder=drop_remainder)
    first, _ = share_of(rows, worker)
    bounds = (first + np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]))[start:]
    turns: list[Turn] = []
    end = 0
    for group in order:
        begin, end = end, end + group.rows
        if len(bounds) < 2 or end <= bounds[0] or begin >= bounds[-1]:
            continue
        skip = max(int(bounds[0]) - begin, 0)
        held = np.searchsorted(bounds, begin + skip, "right") - 1
        cuts = bounds[held : np.searchsorted(bounds, end, "right")] - bounds[held]
        turns.append(Turn(group, skip, cuts))
    return turns
