"""Ids with their counts as one integer each: a list column is then moved once, not twice."""

import numpy as np
import numpy.typing as npt

from smt_features.string_views import Int64s

Int32s = npt.NDArray[np.int32]

_HALF = 32
_ID = (1 << _HALF) - 1


def pair(ids: Int64s, counts: Int64s) -> Int64s:
    """Return ids, each below 2**31, with their counts, below 2**31 too, in the upper half."""
    return ids | (counts << _HALF)


def unpair(pairs: Int64s) -> tuple[Int32s, Int32s]:
    """Return the ids and the counts of pairs."""
    return (pairs & _ID).astype(np.int32), (pairs >> _HALF).astype(np.int32)
