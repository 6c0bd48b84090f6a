"""Builds the statistics of a dataset from its rows, in one pass."""

import math

import numpy as np
import polars as pl

from smt_features.hashing import bucket
from smt_features.lists import Int64s, split_lists
from smt_features.manifest import Hash
from smt_features.statistics.model import (
    ColumnStatistics,
    HashStatistics,
    LabelStatistics,
    ListStatistics,
    SplitStatistics,
    Statistics,
    TopValue,
)
from smt_features.statistics.tally import Tally, tally
from smt_features.statistics.value_counts import COUNT, VALUE, Counted, ValueCounts
from smt_schemas import Column, DatasetSchema

COUNTS = {
    "split": pl.String,
    "column": pl.String,
    "kind": pl.String,
    VALUE: pl.String,
    COUNT: pl.Int64,
}
"""Columns of counts on their way from one builder to another."""

TOP = 10
DIGITS = 6
"""Decimals of expected numbers and means."""


class StatisticsBuilder:
    """Collects rows and gives their statistics; rows may come in any order and grouping.

    Counting is exact, so memory grows with the distinct values of each split and column: 8 bytes
    for each id below 4 million, some 40 for any other text (see `ValueCounts`).
    """

    def __init__(self, schema: DatasetSchema, hash_seed: int = 0) -> None:
        self._schema = schema
        self._seed = hash_seed
        self._splits: dict[str, _SplitCounts] = {}

    def add(self, split: str, cells: pl.DataFrame) -> None:
        """Add valid rows: a String column per schema column, "" where a cell is empty."""
        self.add_tally(split, tally(cells, split_lists(cells, self._schema), self._schema))

    def add_tally(self, split: str, counted: Tally) -> None:
        """Add rows that were counted elsewhere, as on another thread."""
        self._splits.setdefault(split, _SplitCounts(self._schema)).add(counted)

    def to_frame(self) -> pl.DataFrame:
        """Return all counts, for `add_frame` of a builder in another process.

        Returns
        -------
        polars.DataFrame
            ``split``, ``column``, ``kind`` (``rows``; ``value``; of lists ``length`` and
            ``distinct``), ``value`` (String) and ``count`` (Int64).
        """
        frames = [counts.to_frame(split) for split, counts in self._splits.items()]
        return pl.concat(frames) if frames else pl.DataFrame(schema=COUNTS)

    def add_frame(self, counts: pl.DataFrame) -> None:
        """Add what another builder's `to_frame` returned."""
        for (split,), part in counts.group_by("split", maintain_order=True):
            self._splits.setdefault(str(split), _SplitCounts(self._schema)).add_frame(part)

    def finish(self) -> Statistics:
        """Return the statistics; splits stand in the schema's order."""
        order = [split for split in self._schema.splits if split in self._splits]
        return Statistics(
            schema_digest=self._schema.digest,
            hash=Hash(seed=self._seed),
            splits={split: self._splits[split].finish(self._schema, self._seed) for split in order},
        )


class _SplitCounts:
    """The counts of one split."""

    def __init__(self, schema: DatasetSchema) -> None:
        self._rows = 0
        self._values = {column.name: ValueCounts() for column in schema.columns}
        self._lengths = {c.name: np.zeros(1, np.int64) for c in schema.columns if c.is_list}
        self._distinct = dict.fromkeys(self._lengths, 0)

    def add(self, counted: Tally) -> None:
        self._rows += counted.rows
        for name, values in counted.values.items():
            self._values[name].add(values)
        for name, lists in counted.lists.items():
            self._lengths[name] = _added(self._lengths[name], lists.lengths)
            self._distinct[name] += lists.distinct

    def to_frame(self, split: str) -> pl.DataFrame:
        frames = [_counts(split, "", "rows", pl.DataFrame({VALUE: [""], COUNT: [self._rows]}))]
        for name, values in self._values.items():
            frames.append(_counts(split, name, "value", values.frame()))
        for name, by_length in self._lengths.items():
            lengths = pl.Series(np.arange(len(by_length))).cast(pl.String)
            frames.append(
                _counts(split, name, "length", pl.DataFrame({VALUE: lengths, COUNT: by_length}))
            )
            distinct = pl.DataFrame({VALUE: [""], COUNT: [self._distinct[name]]})
            frames.append(_counts(split, name, "distinct", distinct))
        return pl.concat(frames)

    def add_frame(self, counts: pl.DataFrame) -> None:
        no_ids = np.empty(0, np.int64)
        for (column, kind), part in counts.group_by("column", "kind", maintain_order=True):
            name, numbers = str(column), part[COUNT].to_numpy()
            if kind == "rows":
                self._rows += int(numbers.sum())
            elif kind == "value":
                self._values[name].add(Counted(no_ids, no_ids, part.select(VALUE, COUNT)))
            elif kind == "length":
                by_length = np.zeros(part.height, np.int64)
                by_length[part[VALUE].cast(pl.Int64).to_numpy()] = numbers
                self._lengths[name] = _added(self._lengths[name], by_length)
            else:
                self._distinct[name] += int(numbers.sum())

    def finish(self, schema: DatasetSchema, seed: int) -> SplitStatistics:
        columns = [self._column(column, seed) for column in schema.columns]
        return SplitStatistics(rows=self._rows, columns=columns)

    def _column(self, column: Column, seed: int) -> ColumnStatistics:
        counts = self._values[column.name].frame()
        is_null = pl.col(VALUE).is_in(["", *column.null_tokens])
        present = counts if column.is_list else counts.filter(~is_null)
        occurrences = int(counts[COUNT].sum())
        if column.is_list:
            nulls = int(self._lengths[column.name][0])
        else:
            nulls = occurrences - int(present[COUNT].sum())
        return ColumnStatistics(
            name=column.name,
            role=column.role,
            rows=self._rows,
            nulls=nulls,
            null_share=nulls / max(self._rows, 1),
            distinct=present.height,
            top=_top(present, occurrences),
            hashing=_hashing(counts, column, seed) if column.is_feature else None,
            lists=self._lists(column.name) if column.is_list else None,
            label=self._label(column, counts) if column.role == "label" else None,
        )

    def _lists(self, name: str) -> ListStatistics:
        by_length = self._lengths[name].copy()
        by_length[0] = 0
        lists = int(by_length.sum())
        lengths = np.flatnonzero(by_length)
        entries = int(by_length @ np.arange(len(by_length)))
        return ListStatistics(
            entries=entries,
            minimum=int(lengths[0]) if lists else 0,
            p25=_quantile(by_length, 25),
            p50=_quantile(by_length, 50),
            p75=_quantile(by_length, 75),
            p95=_quantile(by_length, 95),
            maximum=int(lengths[-1]) if lists else 0,
            mean=round(entries / max(lists, 1), DIGITS),
            distinct_mean=round(self._distinct[name] / max(lists, 1), DIGITS),
            at_maximum=int(by_length[lengths[-1]]) / lists if lists else 0.0,
        )

    def _label(self, column: Column, counts: pl.DataFrame) -> LabelStatistics:
        assert column.task is not None
        positives = int(counts.filter(pl.col(VALUE) == "1")[COUNT].sum())
        rate = positives / max(self._rows, 1)
        return LabelStatistics(task=column.task, positives=positives, rate=rate)


def _counts(split: str, column: str, kind: str, counts: pl.DataFrame) -> pl.DataFrame:
    place = {"split": split, "column": column, "kind": kind}
    return counts.select(
        *(pl.lit(text).alias(name) for name, text in place.items()),
        pl.col(VALUE),
        pl.col(COUNT).cast(pl.Int64),
    )


def _added(first: Int64s, second: Int64s) -> Int64s:
    if len(first) < len(second):
        first, second = second, first
    total = first.copy()
    total[: len(second)] += second
    return total


def _quantile(by_length: Int64s, percent: int) -> int:
    reached = np.cumsum(by_length) * 100 >= percent * by_length.sum()
    return int(np.argmax(reached)) if by_length.any() else 0


def _top(counts: pl.DataFrame, occurrences: int) -> list[TopValue]:
    # Cut first: sorting all values by text would cost more than counting them.
    least = counts[COUNT].top_k(TOP).min() if counts.height > TOP else 0
    frequent = counts.filter(pl.col(COUNT) >= least)
    ordered = frequent.sort(COUNT, VALUE, descending=[True, False]).head(TOP)
    return [
        TopValue(value=value, count=count, share=count / occurrences)
        for value, count in ordered.iter_rows()
    ]


def _hashing(counts: pl.DataFrame, column: Column, seed: int) -> HashStatistics:
    values, rows = counts.height, int(counts[COUNT].sum())
    buckets = counts.group_by(bucket(pl.col(VALUE), column, seed).alias("bucket")).agg(
        values=pl.len(), rows=pl.col(COUNT).sum()
    )
    shared = buckets.filter(pl.col("values") > 1)
    hashed = column.encoding == "hash"
    # 1 - (1 - 1/B)^n without the loss of digits that B = 100,000 would bring.
    stays_empty = math.log1p(-1 / column.buckets) if column.buckets > 1 else -math.inf
    used = column.buckets * -math.expm1(values * stays_empty) if values else 0.0
    collides = -math.expm1((values - 1) * stays_empty) if hashed and values > 1 else 0.0
    return HashStatistics(
        encoding=column.encoding,
        buckets=column.buckets,
        values=values,
        rows=rows,
        buckets_used=buckets.height,
        colliding_values=int(shared["values"].sum()),
        colliding_rows=int(shared["rows"].sum()),
        expected_buckets_used=round(used, DIGITS) if hashed else float(buckets.height),
        expected_colliding_values=round(values * collides, DIGITS),
        expected_colliding_rows=round(rows * collides, DIGITS),
    )
