"""What would bring the rows that share a bucket under 1%, and what that costs."""

import math

import numpy as np
import numpy.typing as npt

from smt_features.statistics.column_counts import ColumnCounts
from smt_features.statistics.column_model import HashStatistics, Recommendation
from smt_features.statistics.hash_cost import collision_probability
from smt_features.statistics.sketch import COUNT, VALUE
from smt_features.statistics.value_counts import as_ids
from smt_features.string_views import Int64s
from smt_schemas import MAX_BUCKETS

TARGET = 0.01
"""Share of rows that may collide."""

SMALL = 10_000
"""Columns of at most so many values had better list them than hash them."""

_TRIES = 25
_GROWTH = 1.1


def recommend(counts: ColumnCounts, hashing: HashStatistics) -> Recommendation:
    """Return what to change about a feature, if anything.

    A column with few collisions keeps what it has. A required column of small integers takes
    them as they are (``identity``). Another small one lists its values (``vocab``, with one
    bucket more for all others). Neither does when too many others are to come: their share is
    estimated by that of the values seen once (Good 1953). The rest hash into more buckets; where
    there are too many values for any table, some 21.6 million, a list costs a hundredth of the
    largest.
    """
    dim = counts.column.dim
    current = hashing.colliding_rows / max(hashing.rows, 1)
    more, share = _enough_buckets(counts, hashing)
    is_exact = counts.sketch is None
    if current < TARGET:
        action, buckets, share = "keep", hashing.buckets, current
    elif (largest := _largest_id(counts)) and _unseen(counts) < TARGET:
        action, buckets, share = "identity", largest + 1, 0.0
    elif more is None or (hashing.values <= SMALL and _unseen(counts) < TARGET):
        action, buckets, share = "vocab", hashing.values + 1, 0.0
    else:
        action, buckets = "hash", more
    return Recommendation.model_validate(
        {
            "action": action,
            "buckets": buckets,
            "parameters": buckets * dim,
            "current_parameters": hashing.buckets * dim,
            "colliding_share": share,
            "is_measured": is_exact or action != "hash",
            "hash_buckets": more,
            "values": hashing.values,
        }
    )


def buckets_needed(values: int) -> int:
    """Return the least B with ``1 - (1 - 1/B)^(k - 1) < 0.01``, for k values."""
    if values < 2:
        return 1
    return math.floor(-1 / math.expm1(math.log1p(-TARGET) / (values - 1))) + 1


def _enough_buckets(counts: ColumnCounts, hashing: HashStatistics) -> tuple[int | None, float]:
    """Return buckets that bring collisions under the target with these values, and the share.

    The formula's number is a start: one frequent value in a shared bucket can exceed it.
    """
    buckets = buckets_needed(hashing.values)
    if counts.sketch is not None or counts.column.encoding == "identity":
        share = collision_probability(hashing.values, buckets)
        return (buckets if buckets <= MAX_BUCKETS else None), share
    rows = counts.counts[COUNT].to_numpy()
    for _ in range(_TRIES):
        if buckets > MAX_BUCKETS:
            break
        share = _colliding(counts.hashes, rows, buckets)
        if share < TARGET:
            return buckets, share
        buckets = math.ceil(buckets * _GROWTH)
    return None, 0.0


def _colliding(hashes: npt.NDArray[np.uint32], rows: Int64s, buckets: int) -> float:
    """Return the share of rows whose value shares a bucket."""
    ids = hashes % np.uint32(buckets)
    order = np.argsort(ids)
    ordered, collides = ids[order], np.zeros(len(ids), np.bool_)
    is_same = ordered[1:] == ordered[:-1]
    collides[1:] |= is_same
    collides[:-1] |= is_same
    return float(rows[order[collides]].sum() / max(rows.sum(), 1))


def _unseen(counts: ColumnCounts) -> float:
    """Return the share of further rows that would have a new value, by Good and Turing."""
    rows = counts.counts[COUNT].to_numpy()
    return int((rows == 1).sum()) / max(int(rows.sum()), 1)


def _largest_id(counts: ColumnCounts) -> int:
    """Return the largest value of a column that could be stored as it is, else 0."""
    column = counts.column
    if column.type != "int" or not column.required or column.is_list or column.null_tokens:
        return 0
    ids = as_ids(counts.counts[VALUE])
    largest = int(ids.max(initial=-1))
    fits = counts.sketch is None and bool((ids >= 0).all())
    return largest if fits and largest < max(SMALL, column.buckets) else 0
