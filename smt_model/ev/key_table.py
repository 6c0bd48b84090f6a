"""The keys of one feature: how often each came, when last, and which row it owns."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smt_model.ev.bloom import CountingBloomFilter
from smt_model.ev.growing import extended
from smt_model.ev.key_index import KeyIndex
from smt_model.ev.rows import RowAllocator

Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]

NO_ROW = np.int32(-1)
MAX_COUNT = 2**31 - 1


class Lookup(NamedTuple):
    """What a batch's entries read of the table.

    Attributes
    ----------
    rows
        int32, a row for each entry, -1 where its key has none: a zero vector.
    new_keys, new_rows
        Keys that were admitted just now, int64, and their rows, int32.
    """

    rows: Int32s
    new_keys: Int64s
    new_rows: Int32s


class KeyTable:
    """Admits keys, counts them and drops them.

    A key that is admitted owns a row from then on. Keys that are known take 12 bytes, those
    that own a row 8 more, and `KeyIndex` up to 11.

    Parameters
    ----------
    allocator
        Gives out rows; tables of several features may share it.
    filter_freq
        A key is admitted when it came so often, repetitions in a batch included.
    bloom
        Counts the keys that are not admitted, in fixed memory; None for exact counts.

    Attributes
    ----------
    bloom
        The same.
    """

    def __init__(
        self,
        allocator: RowAllocator,
        filter_freq: int = 1,
        bloom: CountingBloomFilter | None = None,
    ) -> None:
        self._allocator = allocator
        self._filter_freq = filter_freq
        self.bloom = bloom
        self._index = KeyIndex()
        self._rows = np.empty(1, np.int32)
        self._counts = np.empty(1, np.int32)
        self._last_steps = np.empty(1, np.int32)

    @property
    def keys(self) -> Int64s:
        """Known keys, int64, in the order in which they came."""
        return self._index.keys

    @property
    def rows(self) -> Int32s:
        """Row of each known key, int32; -1 when it is not admitted."""
        return self._rows[: len(self._index)]

    @property
    def block_rows(self) -> list[Int32s]:
        """The rows of each block of the vectors: here a vector is one block."""
        return [self.rows]

    @property
    def counts(self) -> Int32s:
        """How often each known key came, int32."""
        return self._counts[: len(self._index)]

    @property
    def last_steps(self) -> Int32s:
        """Step in which each known key came last, int32."""
        return self._last_steps[: len(self._index)]

    @property
    def owners(self) -> Int64s:
        """Numbers of the keys that own a row, int64, in the order of the keys."""
        order = np.argsort(self.keys)
        return order[self.rows[order] >= 0]

    def look_up(self, keys: Int64s) -> Int32s:
        """Return the row of each key without changing anything; -1 where there is none."""
        return self._rows_of(self.find(keys))

    def find(self, keys: Int64s) -> Int32s:
        """Return the number of each key, int32; -1 where it is not known."""
        return self._index.find(keys)

    def count(self, keys: Int64s, counts: Int64s, step: int) -> Lookup:
        """Count the entries of a training batch, admit keys, and look all of them up.

        Parameters
        ----------
        keys
            int64 [entries], possibly repeated.
        counts
            int64 [entries], occurrences that each entry stands for.
        step
            The update that the batch is for.
        """
        numbers = self._index.find(keys)
        unknown = np.flatnonzero(numbers < 0)
        if len(unknown):
            numbers[unknown] = self._made_known(keys[unknown], counts[unknown])
        known, came = numbers, counts
        if self.bloom is not None:
            known, came = numbers[numbers >= 0], counts[numbers >= 0]
        np.add.at(self._counts, known, came.astype(np.int32))
        self._last_steps[known] = step
        totals = self._counts.take(known).view(np.uint32)
        if totals.max(initial=0) > MAX_COUNT:
            self._counts[known[totals > MAX_COUNT]] = MAX_COUNT
        due = known[(self._rows.take(known) < 0) & (totals >= self._filter_freq)]
        admitted = self._admitted(due) if len(due) else due
        return Lookup(self._rows_of(numbers), self._index.keys[admitted], self._rows[admitted])

    def restore(
        self, keys: Int64s, counts: Int32s, last_steps: Int32s, owns: NDArray[np.bool_]
    ) -> Int32s:
        """Take over the keys of a checkpoint, and return the rows of those that own one."""
        self._allocator.give_back(self.rows[self.rows >= 0])
        self._index = KeyIndex()
        return self.put(keys, counts, last_steps, owns)

    def put(
        self, keys: Int64s, counts: Int32s, last_steps: Int32s, owns: NDArray[np.bool_]
    ) -> Int32s:
        """Take over distinct keys besides those that are known, or instead of them.

        A key that owns a row already goes on with it.

        Parameters
        ----------
        keys, counts, last_steps
            The keys, how often each came, and when last.
        owns
            Whether each key owns a row.

        Returns
        -------
        ndarray
            int32, the rows of those that do.
        """
        numbers = self._index.find(keys)
        absent = np.flatnonzero(numbers < 0)
        numbers[absent] = np.arange(len(absent)) + len(self._index)
        self._append(keys[absent], counts[absent], last_steps[absent])
        self._counts[numbers] = counts
        self._last_steps[numbers] = last_steps
        owners = numbers[owns]
        without = owners[self._rows[owners] < 0]
        self._rows[without] = self._allocator.take(len(without))
        return self._rows[owners]

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Drop all known keys but the chosen ones; their rows are given back."""
        if chosen.all():
            return
        rows = self.rows
        self._allocator.give_back(rows[~chosen & (rows >= 0)])
        kept = rows[chosen]
        keys, counts, last_steps = self.keys[chosen], self.counts[chosen], self.last_steps[chosen]
        self._index = KeyIndex()
        self._append(keys, counts, last_steps)
        self._rows[: len(kept)] = kept

    def _admitted(self, numbers: Int32s) -> Int32s:
        """Give keys a row each, and return their numbers once each."""
        distinct = np.unique(numbers)
        self._rows[distinct] = self._allocator.take(len(distinct))
        return distinct

    def _rows_of(self, numbers: Int32s) -> Int32s:
        return np.where(numbers < 0, NO_ROW, self._rows.take(numbers))

    def _made_known(self, keys: Int64s, counts: Int64s) -> Int32s:
        """Return the numbers of entries' keys that were unknown, once those that may be known are.

        They have not been counted then.
        """
        distinct, inverse = np.unique(keys, return_inverse=True)
        numbers = np.full(len(distinct), -1, np.int32)
        passed, before = np.arange(len(distinct)), np.zeros(len(distinct), np.int64)
        if self.bloom is not None:
            occurrences = np.bincount(inverse, counts, len(distinct)).astype(np.int64)
            estimates = self.bloom.add(distinct, occurrences)
            passed = np.flatnonzero(estimates >= self._filter_freq)
            before = np.maximum(estimates - occurrences, 0)[passed]
        numbers[passed] = np.arange(len(self._index), len(self._index) + len(passed))
        self._append(distinct[passed], before, np.zeros(len(passed), np.int32))
        return numbers[inverse]

    def _append(self, keys: Int64s, counts: NDArray[np.integer], last_steps: Int32s) -> None:
        first, stop = len(self._index), len(self._index) + len(keys)
        self._index.add(keys)
        self._rows = extended(self._rows, stop)
        self._counts = extended(self._counts, stop)
        self._last_steps = extended(self._last_steps, stop)
        self._rows[first:stop] = NO_ROW
        self._counts[first:stop] = counts
        self._last_steps[first:stop] = last_steps
