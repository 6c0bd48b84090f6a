"""The order in which an epoch reads rows, and how workers share it.

The order is a pure function of (seed, epoch): shards are permuted, then the row groups of a
shard, then the rows of a row group. Each level is sorted by the numbers that SplitMix64 gives
(https://prng.di.unimi.it/splitmix64.c), seeded with the number of the level above. Its n-th number
depends on the seed and n alone, so any language, and a TensorFlow graph, can compute it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smt_schemas import UsageError

Int64s = npt.NDArray[np.int64]

GAMMA = 0x9E3779B97F4A7C15
"""SplitMix64: the step of its state."""

MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
"""SplitMix64: the shift and the factor of each round that turns the state into a number."""

LAST_SHIFT = 31
"""SplitMix64: the shift after the rounds."""


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
    seed
        Seed of the permutation of its rows; None when they stay in order.
    """

    shard: int
    index: int
    rows: int
    seed: int | None = None

    def permutation(self) -> Int64s | None:
        """Return the order of the rows, or None when they stay in order."""
        return (
            None if self.seed is None else np.argsort(splitmix64(self.seed, np.arange(self.rows)))
        )


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
    (epoch_seed,) = splitmix64(seed, np.array([epoch]))
    shard_seeds = splitmix64(int(epoch_seed), np.arange(len(shards)))
    order = []
    for shard in np.argsort(shard_seeds).tolist():
        groups = shards[shard]
        seeds = splitmix64(int(shard_seeds[shard]), np.arange(len(groups)))
        order += [
            RowGroup(shard, index, groups[index], int(seeds[index]))
            for index in np.argsort(seeds).tolist()
        ]
    return order


def splitmix64(seed: int, positions: Int64s) -> npt.NDArray[np.uint64]:
    """Return SplitMix64's numbers at some positions of its sequence; no two are equal."""
    state = (positions.astype(np.uint64) + np.uint64(1)) * np.uint64(GAMMA)
    state += np.uint64(seed % (1 << 64))
    for shift, factor in MIX:
        state ^= state >> np.uint64(shift)
        state *= np.uint64(factor)
    state ^= state >> np.uint64(LAST_SHIFT)
    return state


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
