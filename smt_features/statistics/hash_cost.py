"""What hashing costs a feature: the values that share a bucket, beside a uniform hash."""

import math

import numpy as np
import numpy.typing as npt
import polars as pl

from smt_features.hashing import bucket, hashed
from smt_features.statistics.column_counts import ColumnCounts
from smt_features.statistics.column_model import BucketLoad, Fill, HashStatistics
from smt_features.statistics.sketch import COUNT, MAX_TRACKED, VALUE, Sketch
from smt_features.statistics.value_counts import is_null_text

MAX_FILL = 8
"""Buckets with so many values or more are counted together."""

FREQUENT = 0.001
"""Share of the sample from which on a value is judged by itself, beside a sketch."""

MAX_LOADS = 128
"""Tables of at most so many buckets are described bucket by bucket."""

_DIGITS = 6


def hash_statistics(counts: ColumnCounts) -> HashStatistics:
    """Return what hashing did to a feature."""
    if counts.sketch is not None:
        return _of_sketch(counts, counts.sketch)
    column, texts = counts.column, counts.counts
    ids = counts.buckets
    rows = texts[COUNT].to_numpy()
    loads: list[BucketLoad] = []
    if column.buckets <= MAX_LOADS:
        filled = np.bincount(ids, minlength=column.buckets)
        loaded = np.bincount(ids, rows, column.buckets)  # exact: whole numbers below 2^53
        loads = [
            BucketLoad(values=int(number), rows=int(total))
            for number, total in zip(filled, loaded, strict=True)
        ]
    if column.buckets > MAX_TRACKED:  # too many for an array
        ids = np.unique(ids, return_inverse=True)[1]
    values = np.bincount(ids)
    is_alone = values[ids] == 1
    return _statistics(
        counts,
        values=texts.height,
        used=int((values > 0).sum()),
        alone_values=int(is_alone.sum()),
        alone_rows=int(rows[is_alone].sum()),
        fill=np.bincount(np.minimum(values, MAX_FILL), minlength=2),
        loads=loads,
    )


def collision_probability(values: int, buckets: float) -> float:
    """Return the chance that a value shares its bucket: ``1 - (1 - 1/B)^(k - 1)``."""
    if values < 2:
        return 0.0
    return -math.expm1((values - 1) * _log_stays_empty(buckets))


def _log_stays_empty(buckets: float) -> float:
    # log(1 - 1/B) without the loss of digits that B = 100,000 would bring.
    return math.log1p(-1 / buckets) if buckets > 1 else -math.inf


def _of_sketch(counts: ColumnCounts, sketch: Sketch) -> HashStatistics:
    if counts.column.encoding == "identity":
        values = min(sketch.distinct, counts.column.buckets)
        return _statistics(
            counts,
            values=values,
            used=values,
            alone_values=values,
            alone_rows=counts.occurrences,
            fill=np.zeros(1),
            loads=[],
        )
    scale = sketch.scale
    used, alone_values = int((sketch.rows > 0).sum()), int(sketch.is_alone.sum())
    # A value that is alone is certain; how many share their buckets is an estimate.
    values = max(sketch.distinct, round(used * scale))
    return _statistics(
        counts,
        values=values,
        used=round(used * scale),
        alone_values=round(alone_values * scale),
        alone_rows=_alone_rows(counts, sketch, values),
        fill=np.array([0, alone_values, used - alone_values]) * scale,
        loads=[],
    )


def _alone_rows(counts: ColumnCounts, sketch: Sketch, values: int) -> int:
    """Return the rows of values that are alone: exact where all buckets are tracked.

    Otherwise tracked buckets stand for the others, but not those of frequent values: one such
    value has too many rows to be taken several times, or not at all.
    """
    alone, tracked = sketch.is_alone, len(sketch.rows)
    likely = 1 - collision_probability(values, counts.column.buckets)
    frequent, rows = _frequent(counts)
    ids = hashed(frequent, lambda text: bucket(text, counts.column, counts.hash_seed))
    known, beyond = np.unique(ids[ids < tracked]), rows[ids >= tracked].sum()

    others = np.ones(tracked, np.bool_)
    others[known] = False
    seen = int(sketch.rows[others].sum())
    share = int(sketch.rows[others & alone].sum()) / seen if seen else likely
    rest = max(counts.occurrences - int(sketch.rows[known].sum()) - beyond, 0)
    found = int(sketch.rows[known][alone[known]].sum()) + beyond * likely + rest * share
    return min(round(float(found)), counts.occurrences)


def _frequent(counts: ColumnCounts) -> tuple[pl.Series, npt.NDArray[np.float64]]:
    """Return the frequent values of the sample, all nulls among them, and their rows in all."""
    sample = counts.counts
    rows = int(sample[COUNT].sum())
    is_frequent = (pl.col(COUNT) >= FREQUENT * rows) | is_null_text(counts.column)
    found = sample.filter(is_frequent)
    return found[VALUE], found[COUNT].to_numpy() * (counts.occurrences / max(rows, 1))


def _statistics(
    counts: ColumnCounts,
    *,
    values: int,
    used: int,
    alone_values: int,
    alone_rows: int,
    fill: np.ndarray[tuple[int], np.dtype[np.generic]],
    loads: list[BucketLoad],
) -> HashStatistics:
    column, rows = counts.column, counts.occurrences
    is_hashed = column.encoding == "hash"
    collides = collision_probability(values, column.buckets) if is_hashed else 0.0
    expected = column.buckets * -math.expm1(values * _log_stays_empty(column.buckets))
    fill[0] = column.buckets - used
    return HashStatistics(
        encoding="hash" if is_hashed else "identity",
        buckets=column.buckets,
        values=values,
        rows=rows,
        buckets_used=used,
        colliding_values=values - alone_values,
        colliding_rows=rows - alone_rows,
        alone_values=alone_values,
        alone_rows=alone_rows,
        expected_buckets_used=round(expected if values else 0.0, _DIGITS) if is_hashed else used,
        expected_colliding_values=round(values * collides, _DIGITS),
        expected_colliding_rows=round(rows * collides, _DIGITS),
        fill=[
            Fill(values=number, buckets=round(float(measured)), expected=round(would_be, _DIGITS))
            for number, (measured, would_be) in enumerate(
                zip(fill, _expected_fill(values, column.buckets, len(fill)), strict=True)
            )
        ]
        if is_hashed
        else [],
        loads=loads,
    )


def _expected_fill(values: int, buckets: int, length: int) -> list[float]:
    """Return the expected buckets with 0, 1, ... values: binomial of k trials with chance 1/B."""
    shares = [math.exp(values * _log_stays_empty(buckets)) if values else 1.0]
    for number in range(length - 2):
        odds = (values - number) / (number + 1) / max(buckets - 1, 1)
        shares.append(shares[-1] * max(odds, 0.0))
    shares.append(max(1.0 - sum(shares), 0.0))
    return [buckets * share for share in shares]
