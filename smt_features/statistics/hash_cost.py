"""What hashing costs a feature: the values that share a bucket, beside a uniform hash."""

import math

import numpy as np
import polars as pl

from smt_features.hashing import bucket
from smt_features.statistics.column_counts import ColumnCounts
from smt_features.statistics.column_model import BucketLoad, Fill, HashStatistics
from smt_features.statistics.sketch import COUNT, VALUE, Sketch

MAX_FILL = 8
"""Buckets with so many values or more are counted together."""

MAX_LOADS = 128
"""Tables of at most so many buckets are described bucket by bucket."""

_DIGITS = 6


def hash_statistics(counts: ColumnCounts, seed: int) -> HashStatistics:
    """Return what hashing did to a feature."""
    if counts.sketch is not None:
        return _of_sketch(counts, counts.sketch)
    column, texts = counts.column, counts.counts
    buckets = texts.group_by(bucket(pl.col(VALUE), column, seed).alias("bucket")).agg(
        values=pl.len().cast(pl.Int64), rows=pl.col(COUNT).sum()
    )
    alone = buckets.filter(pl.col("values") == 1)
    fill = np.bincount(np.minimum(buckets["values"].to_numpy(), MAX_FILL), minlength=2)
    loads: list[BucketLoad] = []
    if column.buckets <= MAX_LOADS:
        every = pl.DataFrame({"bucket": np.arange(column.buckets, dtype=np.int32)})
        found = every.join(buckets, on="bucket", how="left", maintain_order="left").fill_null(0)
        loads = [BucketLoad(values=v, rows=r) for _, v, r in found.iter_rows()]
    return _statistics(
        counts,
        values=texts.height,
        used=buckets.height,
        alone_values=alone.height,
        alone_rows=int(alone["rows"].sum()),
        fill=fill,
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
    alone, scale = sketch.is_alone, sketch.scale
    used, alone_values = int((sketch.rows > 0).sum()), int(alone.sum())
    # A value that is alone is certain; how many share their buckets is an estimate.
    values = max(sketch.distinct, round(used * scale))
    return _statistics(
        counts,
        values=values,
        used=round(used * scale),
        alone_values=round(alone_values * scale),
        alone_rows=min(round(int(sketch.rows[alone].sum()) * scale), counts.occurrences),
        fill=np.array([0, alone_values, used - alone_values]) * scale,
        loads=[],
    )


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
    hashed = column.encoding == "hash"
    collides = collision_probability(values, column.buckets) if hashed else 0.0
    expected = column.buckets * -math.expm1(values * _log_stays_empty(column.buckets))
    fill[0] = column.buckets - used
    return HashStatistics(
        encoding="hash" if hashed else "identity",
        buckets=column.buckets,
        values=values,
        rows=rows,
        buckets_used=used,
        colliding_values=values - alone_values,
        colliding_rows=rows - alone_rows,
        alone_values=alone_values,
        alone_rows=alone_rows,
        expected_buckets_used=round(expected if values else 0.0, _DIGITS) if hashed else used,
        expected_colliding_values=round(values * collides, _DIGITS),
        expected_colliding_rows=round(rows * collides, _DIGITS),
        fill=[
            Fill(values=number, buckets=round(float(measured)), expected=round(would_be, _DIGITS))
            for number, (measured, would_be) in enumerate(
                zip(fill, _expected_fill(values, column.buckets, len(fill)), strict=True)
            )
        ]
        if hashed
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
