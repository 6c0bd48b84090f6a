"""The figures of a column from its counts."""

import math

import numpy as np
import polars as pl

from smt_features.statistics.column_counts import ColumnCounts
from smt_features.statistics.column_model import (
    ColumnStatistics,
    Coverage,
    LabelRate,
    LabelStatistics,
    ListStatistics,
    TopValue,
)
from smt_features.statistics.hash_cost import hash_statistics
from smt_features.statistics.kinds import has_buckets
from smt_features.statistics.recommendation import recommend
from smt_features.statistics.sketch import COUNT, STANDARD_ERROR, VALUE
from smt_features.string_views import Int64s

TOP = 10
DIGITS = 6
"""Decimals of expected numbers, means and bits."""

Z = 1.959964
"""Normal quantile of a two-sided 95% interval."""


def column_statistics(counts: ColumnCounts) -> ColumnStatistics:
    """Return the figures of a column."""
    column = counts.column
    ordered = np.sort(counts.present[COUNT].to_numpy())[::-1]
    hashing = hash_statistics(counts) if has_buckets(column) else None
    return ColumnStatistics(
        name=column.name,
        role=column.role,
        rows=counts.rows,
        nulls=counts.nulls,
        null_share=counts.nulls / max(counts.rows, 1),
        distinct=counts.distinct,
        distinct_error=round(STANDARD_ERROR, DIGITS) if counts.sketch else 0.0,
        singletons=int((ordered == 1).sum()),
        entropy_bits=entropy(ordered),
        sampled_rows=counts.sampled_rows,
        top=_top(counts, int(ordered[TOP - 1]) if len(ordered) > TOP else 0),
        coverage=_coverage(ordered),
        hashing=hashing,
        recommendation=recommend(counts, hashing) if hashing else None,
        lists=_lists(counts) if column.is_list else None,
        label=_label(counts) if column.role == "label" else None,
    )


def entropy(counts: Int64s) -> float:
    """Return the Shannon entropy of counts, in bits: the sum of ``-p log2 p``."""
    if len(counts) < 2:
        return 0.0
    # Equal counts at once: few terms, in an order that the values do not decide.
    sizes, times = np.unique(counts, return_counts=True)
    shares = sizes / sizes.dot(times)
    return round(abs(float(-(times * shares * np.log2(shares)).sum())), DIGITS)


def wilson(positives: int, rows: int) -> LabelRate:
    """Return a rate with its Wilson score interval (Wilson 1927), 95%, two-sided."""
    if not rows:
        return LabelRate(positives=0, rate=0.0, low=0.0, high=1.0)
    rate = positives / rows
    square = Z * Z / rows
    centre = (rate + square / 2) / (1 + square)
    half = Z / (1 + square) * math.sqrt(rate * (1 - rate) / rows + square / (4 * rows))
    low = 0.0 if positives == 0 else max(centre - half, 0.0)
    high = 1.0 if positives == rows else min(centre + half, 1.0)
    return LabelRate(positives=positives, rate=rate, low=low, high=high)


def _top(counts: ColumnCounts, least: int) -> list[TopValue]:
    # Cut first: sorting all values by text would cost more than counting them.
    frequent = counts.present.filter(pl.col(COUNT) >= least)
    ordered = frequent.sort(COUNT, VALUE, descending=[True, False]).head(TOP)
    total = int(counts.counts[COUNT].sum())
    positives = {
        label: dict(found.filter(pl.col(VALUE).is_in(ordered[VALUE].implode())).iter_rows())
        for label, found in counts.positives.items()
    }
    return [
        TopValue(
            value=value,
            count=count,
            share=count / total,
            rates={label: wilson(found.get(value, 0), count) for label, found in positives.items()},
        )
        for value, count in ordered.iter_rows()
    ]


def _coverage(ordered: Int64s) -> list[Coverage]:
    """Return points of the curve at 1, 2, 5, 10, 20, 50, ... values, and at all."""
    if not len(ordered):
        return []
    cumulated = np.cumsum(ordered)
    steps = [step * 10**power for power in range(10) for step in (1, 2, 5)]
    points = [*(step for step in steps if step < len(ordered)), len(ordered)]
    return [
        Coverage(values=point, share=float(cumulated[point - 1] / cumulated[-1]))
        for point in points
    ]


def _lists(counts: ColumnCounts) -> ListStatistics:
    by_length = counts.by_length.copy()
    by_length[0] = 0
    lists = int(by_length.sum())
    lengths = np.flatnonzero(by_length)
    return ListStatistics(
        entries=counts.occurrences,
        minimum=int(lengths[0]) if lists else 0,
        p25=_quantile(by_length, 25),
        p50=_quantile(by_length, 50),
        p75=_quantile(by_length, 75),
        p95=_quantile(by_length, 95),
        maximum=int(lengths[-1]) if lists else 0,
        mean=round(counts.occurrences / max(lists, 1), DIGITS),
        distinct_mean=round(counts.distinct_entries / max(lists, 1), DIGITS),
        at_maximum=int(by_length[lengths[-1]]) / lists if lists else 0.0,
    )


def _label(counts: ColumnCounts) -> LabelStatistics:
    assert counts.column.task is not None
    positives = int(counts.counts.filter(pl.col(VALUE) == "1")[COUNT].sum())
    rate = wilson(positives, counts.rows)
    return LabelStatistics(
        task=counts.column.task, positives=positives, rate=rate.rate, low=rate.low, high=rate.high
    )


def _quantile(by_length: Int64s, percent: int) -> int:
    reached = np.cumsum(by_length) * 100 >= percent * by_length.sum()
    return int(np.argmax(reached)) if by_length.any() else 0
