"""A counting Bloom filter: how often keys came, in fixed memory, never too low."""

import math

import numpy as np
from numpy.typing import NDArray

from smt_model.ev.mixing import mixed


class CountingBloomFilter:
    """Counts keys up to a limit.

    Fan, Cao, Almeida and Broder (2000), section V-C; sized for a false-positive rate p at n
    keys by ``m = -n·ln p / (ln 2)²`` counters and ``k = m/n · ln 2`` hashes, rounded up. An
    estimate is the least of a key's k counters: never below its true count, and above it only
    when all of its counters are shared.

    Parameters
    ----------
    expected_keys
        n, at least 1.
    false_positive_rate
        p, in (0, 1).
    limit
        Counting stops here, which decides the bytes of a counter.

    Attributes
    ----------
    counters
        The counters.
    changed
        bool, whether each was counted up since `track`; None before.
    """

    def __init__(self, expected_keys: int, false_positive_rate: float, limit: int) -> None:
        counters, self._hashes = sizes(expected_keys, false_positive_rate)
        self._limit = limit
        self.counters = np.zeros(counters, np.min_scalar_type(limit))
        self.changed: NDArray[np.bool_] | None = None

    def track(self) -> None:
        """Note from now on which counters change."""
        self.changed = np.zeros(len(self.counters), bool)

    @property
    def nbytes(self) -> int:
        """Bytes of the counters."""
        return self.counters.nbytes

    def add(self, keys: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count distinct keys, each so many times, and return the estimates after that."""
        where = self._where(keys)
        # Counters that several keys share grow by the sum.
        touched, inverse = np.unique(where, return_inverse=True)
        added = np.bincount(inverse.ravel(), np.repeat(counts, self._hashes), len(touched))
        sums = np.minimum(self.counters[touched] + added, self._limit)
        self.counters[touched] = sums.astype(self.counters.dtype)
        if self.changed is not None:
            self.changed[touched] = True
        estimates: NDArray[np.int64] = self.counters[where].min(axis=1).astype(np.int64)
        return estimates

    def _where(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        # Two hashes give k (Kirsch and Mitzenmacher, 2006).
        words = mixed(keys, 1, 2)
        steps = np.arange(self._hashes, dtype=np.uint64)
        spread = words[:, :1] + steps * (words[:, 1:] | np.uint64(1))
        return (spread % np.uint64(len(self.counters))).astype(np.int64)


def sizes(expected_keys: int, false_positive_rate: float) -> tuple[int, int]:
    """Return the number of counters and of hashes of a filter."""
    bits = -math.log(false_positive_rate) / math.log(2) ** 2
    return math.ceil(expected_keys * bits), max(1, math.ceil(bits * math.log(2)))
