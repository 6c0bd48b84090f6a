"""Pseudo-random bits of a key."""

import numpy as np
from numpy.typing import NDArray

_GAMMA = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


def mixed(keys: NDArray[np.int64], stream: int, words: int) -> NDArray[np.uint64]:
    """Return uint64 [keys, words]: 64 bits of each key in this stream and in those that follow it.

    The finaliser of SplitMix64 (Steele, Lea and Flood, 2014; public domain code by Vigna).
    """
    starts = [(stream + word) * _GAMMA & _WORD for word in range(words)]
    bits = keys.view(np.uint64)[:, np.newaxis] + np.array(starts, np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits ^= bits >> np.uint64(shift)
        bits *= np.uint64(factor)
    bits ^= bits >> np.uint64(31)
    return bits
