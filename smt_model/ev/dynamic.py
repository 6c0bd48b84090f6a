"""Keys whose vectors grow by blocks as the keys come more often (``--dynamic-ev``)."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from smt_model.ev.bloom import CountingBloomFilter
from smt_model.ev.growing import extended
from smt_model.ev.key_table import NO_ROW, Int32s, Int64s, KeyTable
from smt_model.ev.rows import RowAllocator


class DynamicKeyTable(KeyTable):
    """A key owns a row for each block of its vector that it has; the first one at its admission.

    Rows are as wide as a block. A block that a key does not have takes 4 bytes, and no row.

    Parameters
    ----------
    allocator, filter_freq, bloom
        As for `KeyTable`.
    grows_at
        Counts at which a key gets its second block, its third, and so on; ascending.
    """

    def __init__(
        self,
        allocator: RowAllocator,
        filter_freq: int,
        bloom: CountingBloomFilter | None,
        grows_at: Sequence[int],
    ) -> None:
        super().__init__(allocator, filter_freq, bloom)
        self._grows_at = tuple(grows_at)
        self._further = [np.empty(1, np.int32) for _ in grows_at]

    @property
    def block_rows(self) -> list[Int32s]:
        """Row of each known key in each block, int32; -1 where it has none."""
        return [self.rows, *(rows[: len(self.keys)] for rows in self._further)]

    def grow(self, numbers: Int32s) -> Iterator[tuple[Int64s, Int32s]]:
        """Give keys that were counted, by number, the blocks that they are due.

        Yields
        ------
        tuple of ndarray, and ndarray
            For each block behind the first, the keys that have it from now on, and their rows.
        """
        numbers = numbers[numbers >= 0]
        for rows, count in zip(self._further, self._grows_at, strict=True):
            due = np.unique(numbers[(rows[numbers] < 0) & (self._counts[numbers] >= count)])
            rows[due] = new_rows = self._allocator.take(len(due))
            yield self.keys[due], new_rows

    def look_up_further(self, numbers: Int32s) -> list[Int32s]:
        """Return the row of each key, by number, in each block behind the first, or -1."""
        return [np.where(numbers < 0, NO_ROW, rows[numbers]) for rows in self._further]

    def put_further(self, keys: Int64s, blocks: NDArray[np.integer]) -> list[Int32s]:
        """Give known keys so many blocks; return the rows, by block behind the first."""
        numbers = self.find(keys)
        found = []
        for block, rows in enumerate(self._further, 1):
            owners = numbers[blocks > block]
            without = owners[rows[owners] < 0]
            rows[without] = self._allocator.take(len(without))
            found.append(rows[owners])
        return found

    def restore(
        self, keys: Int64s, counts: Int32s, last_steps: Int32s, owns: NDArray[np.bool_]
    ) -> Int32s:
        """Take over the keys of a checkpoint, as `KeyTable`, with a block each."""
        for rows in self.block_rows[1:]:
            self._allocator.give_back(rows[rows >= 0])
        return super().restore(keys, counts, last_steps, owns)

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Drop all known keys but the chosen ones; their rows are given back."""
        further = [rows.copy() for rows in self.block_rows[1:]]
        super().keep(chosen)
        for rows, before in zip(self._further, further, strict=True):
            self._allocator.give_back(before[~chosen & (before >= 0)])
            rows[: len(self.keys)] = before[chosen]

    def _append(self, keys: Int64s, counts: NDArray[np.integer], last_steps: Int32s) -> None:
        first = len(self.keys)
        super()._append(keys, counts, last_steps)
        stop = len(self.keys)
        self._further = [extended(rows, stop) for rows in self._further]
        for rows in self._further:
            rows[first:stop] = NO_ROW
