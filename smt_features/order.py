"""The order in which an epoch reads rows, and how workers share it.

The order is a pure function of (seed, epoch): shards are permuted, then the row groups of a
shard, then the rows of a row group. It uses PCG64's raw stream, which NumPy keeps stable.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smt_schemas import UsageError

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RowGroup:
    """A row group's turn in an epoch.

    Attributes
    ----------
    shard
        Position of the shard among the split's.
    index
        Position of the row group in the shard.
    rows
        Its rows.
    entropy
        Seed of the permutation of its rows; empty when they stay in order.
    """

    shard: int
    index: int
    rows: int
    entropy: tuple[int, ...] = ()

    def permutation(self) -> Int64s | None:
        """Return the order of the rows, or None when they stay in order."""
        return _permutation(self.rows, self.entropy) if self.entropy else None


def epoch_order(shards: list[list[int]], *, seed: int, epoch: int, shuffle: bool) -> list[RowGroup]:
    """Return the row groups in reading order.

    Parameters
    ----------
    shards
        The rows of each row group, for each shard.
    seed, epoch
        Decide the order.
    shuffle
        Otherwise the order is that of the files.
    """
    if not shuffle:
        return [
            RowGroup(shard, index, rows)
            for shard, groups in enumerate(shards)
            for index, rows in enumerate(groups)
        ]
    return [
        RowGroup(int(shard), int(index), shards[shard][index], (seed, epoch, shard + 1, index + 1))
        for shard in _permutation(len(shards), (seed, epoch)).tolist()
        for index in _permutation(len(shards[shard]), (seed, epoch, shard + 1)).tolist()
    ]


def share_of(rows: int, worker: tuple[int, int]) -> tuple[int, int]:
    """Return the first and the end of the rows that a worker (index, count) reads.

    Raises
    ------
    UsageError
        When there is no such worker, or there are fewer rows than workers.
    """
    index, count = worker
    if not 0 <= index < count:
        msg = f"worker {index} of {count} does not exist; indices start at 0."
        raise UsageError(msg)
    if rows < count:
        msg = f"{rows} rows cannot be shared by {count} workers."
        raise UsageError(msg)
    return rows * index // count, rows * (index + 1) // count


def batch_sizes(
    rows: int, batch_size: int, worker: tuple[int, int] = (0, 1), *, drop_remainder: bool = False
) -> list[int]:
    """Return the rows of each batch of a worker's epoch.

    All workers get equally many batches; the shares differ by a row at most, so a worker that
    would run out takes one row from its batch before the last.

    Raises
    ------
    UsageError
        When ``batch_size`` is too small for that, or ``worker`` does not exist.
    """
    if batch_size < 1:
        msg = f"batch size {batch_size} is not positive."
        raise UsageError(msg)
    first, end = share_of(rows, worker)
    mine, largest = end - first, -(-rows // worker[1])
    if drop_remainder:
        return [batch_size] * (rows // worker[1] // batch_size)
    steps = -(-largest // batch_size)
    sizes = [min(batch_size, mine - start) for start in range(0, mine, batch_size)]
    if len(sizes) < steps:
        if batch_size == 1:
            msg = f"{rows} rows in batches of 1 cannot be shared equally by {worker[1]} workers."
            raise UsageError(msg)
        sizes[-1] -= 1
        sizes.append(1)
    return sizes


def _permutation(count: int, entropy: tuple[int, ...]) -> Int64s:
    bits = np.random.PCG64(np.random.SeedSequence(entropy)).random_raw(count)
    return np.argsort(bits, kind="stable")
