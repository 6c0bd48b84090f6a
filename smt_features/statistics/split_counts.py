"""The counts of one split, and their form on the way between processes and files."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from smt_features.lists import Int64s
from smt_features.parquet import OLDEST
from smt_features.statistics.column_counts import ColumnCounts
from smt_features.statistics.positives import PositiveCounts
from smt_features.statistics.sample import PLACE, RowSample
from smt_features.statistics.sketch import COUNT, VALUE
from smt_features.statistics.tally import Tally
from smt_features.statistics.value_counts import NO_IDS, Counted, ValueCounts, is_null_text
from smt_schemas import Column, DatasetSchema

COUNTS = {
    "split": pl.String,
    "column": pl.String,
    "kind": pl.String,
    VALUE: pl.String,
    COUNT: pl.Int64,
}
"""Columns of counts outside a builder."""


class SplitCounts:
    """Adds up the counts of one split."""

    def __init__(self, schema: DatasetSchema, hash_seed: int) -> None:
        self.schema = schema
        self._rows = 0
        self._values = {c.name: ValueCounts(c, hash_seed) for c in schema.columns}
        self._positives = PositiveCounts(schema, hash_seed)
        self._lengths = {c.name: np.zeros(1, np.int64) for c in schema.columns if c.is_list}
        self._distinct = dict.fromkeys(self._lengths, 0)
        self._combinations: dict[str, int] = {}
        self._sample = RowSample()

    @property
    def rows(self) -> int:
        """Rows counted."""
        return self._rows

    @property
    def sample_limit(self) -> int:
        """The limit of the sample of rows, see `RowSample`."""
        return self._sample.limit

    @property
    def combinations(self) -> dict[str, int]:
        """Rows by the digits of their labels, in order of the digits."""
        return dict(sorted(self._combinations.items()))

    def add(self, counted: Tally) -> None:
        """Add the counts of some rows."""
        self._rows += counted.rows
        for name, values in counted.values.items():
            self._values[name].add(values)
        self._positives.add(counted.positives)
        for name, lists in counted.lists.items():
            self._lengths[name] = _added(self._lengths[name], lists.lengths)
            self._distinct[name] += lists.distinct
        for digits, rows in counted.combinations.items():
            self._add_combination(digits, rows)
        self._sample.add(counted.sample)

    def users(self) -> int | None:
        """Return the number of distinct users, or None where the schema names no user column."""
        named = [c for c in self.schema.columns if c.name == self.schema.user_column]
        return self.column(named[0]).distinct if named else None

    def column(self, column: Column) -> ColumnCounts:
        """Return the counts of a column."""
        name = column.name
        values = self._values[name]
        counts, sketch = values.frame(), values.sketch()
        nulls = int(counts.filter(is_null_text(column))[COUNT].sum())
        present = counts.filter(~is_null_text(column))
        distinct = present.height
        positives = self._positives.of(name)
        sample = pl.DataFrame()
        if sketch is not None:
            distinct = sketch.with_counts(present).distinct
            sketch = sketch.with_counts(counts)
            sample = self._sample.frame()
            counts = _count_sample(sample, column)
            positives = {
                label: _count_sample(sample.filter(pl.col(label) == "1"), column)
                for label in positives
            }
        return ColumnCounts(
            column=column,
            rows=self._rows,
            nulls=int(self._lengths[name][0]) if column.is_list else nulls,
            counts=counts,
            sketch=sketch,
            distinct=distinct,
            sampled_rows=sample.height,
            by_length=self._lengths.get(name, NO_IDS),
            distinct_entries=self._distinct.get(name, 0),
            positives=positives,
        )

    def to_frames(self, split: str, *, whole_sample: bool) -> Iterator[pl.DataFrame]:
        """Yield all counts with the columns of ``COUNTS``.

        ``whole_sample`` keeps the sample of columns that have no sketch yet but may get one when
        the counts are added to others.
        """
        yield _counts(split, "", "rows", [""], [self._rows])
        yield _counts(split, "", "combination", [*self.combinations], [*self.combinations.values()])
        sketched = [name for name, values in self._values.items() if values.sketch()]
        for name, values in self._values.items():
            counts = values.frame()
            yield _counts(split, name, "value", counts[VALUE], counts[COUNT])
            if sketch := values.sketch():
                for kind, (places, numbers) in sketch.state().items():
                    yield _counts(split, name, kind, _texts(places), numbers)
        if sketched or whole_sample:
            labels = [label.name for label in self.schema.labels]
            sample = self._sample.frame()
            for name in self._values if whole_sample else dict.fromkeys(labels + sketched):
                yield _counts(split, name, "sample", sample[name], sample[PLACE])
        for label, name, counts in self._positives.frames():
            yield _counts(split, name, f"positive {label}", counts[VALUE], counts[COUNT])
        for name, by_length in self._lengths.items():
            yield _counts(split, name, "length", _texts(np.arange(len(by_length))), by_length)
            yield _counts(split, name, "distinct", [""], [self._distinct[name]])

    def add_frame(self, counts: pl.DataFrame) -> None:
        """Add what `to_frames` yielded."""
        sample: dict[str, pl.DataFrame] = {}
        for (column, kind), part in counts.group_by("column", "kind", maintain_order=True):
            name, numbers = str(column), part[COUNT].to_numpy()
            texts = part.select(VALUE, COUNT)
            if kind == "rows":
                self._rows += int(numbers.sum())
            elif kind == "combination":
                for digits, rows in texts.iter_rows():
                    self._add_combination(digits, rows)
            elif kind == "value":
                self._values[name].add(Counted(NO_IDS, NO_IDS, texts))
            elif kind == "sample":
                sample[name] = texts
            elif kind == "length":
                by_length = np.zeros(part.height, np.int64)
                by_length[part[VALUE].cast(pl.Int64).to_numpy()] = numbers
                self._lengths[name] = _added(self._lengths[name], by_length)
            elif kind == "distinct":
                self._distinct[name] += int(numbers.sum())
            elif str(kind).startswith("positive "):
                label = str(kind).removeprefix("positive ")
                self._positives.add_counts(label, name, Counted(NO_IDS, NO_IDS, texts))
            else:
                registers = part[VALUE].cast(pl.Int64).to_numpy()
                self._values[name].add_sketch(str(kind), registers, numbers)
        if sample:
            columns = {name: texts[VALUE] for name, texts in sample.items()}
            places = next(iter(sample.values()))[COUNT]
            rows = pl.DataFrame({**columns, PLACE: places})
            self._sample.add(rows.to_arrow(compat_level=OLDEST))

    def _add_combination(self, digits: str, rows: int) -> None:
        self._combinations[digits] = self._combinations.get(digits, 0) + rows


def _counts(
    split: str,
    column: str,
    kind: str,
    values: pl.Series | list[str],
    counts: pl.Series | Int64s | list[int],
) -> pl.DataFrame:
    frame = pl.DataFrame({VALUE: values, COUNT: counts}, schema={VALUE: pl.String, COUNT: pl.Int64})
    place = {"split": split, "column": column, "kind": kind}
    return frame.select(*(pl.lit(text).alias(name) for name, text in place.items()), pl.all())


def _texts(numbers: Int64s) -> pl.Series:
    return pl.Series(numbers).cast(pl.String)


def _added(first: Int64s, second: Int64s) -> Int64s:
    if len(first) < len(second):
        first, second = second, first
    total = first.copy()
    total[: len(second)] += second
    return total


def _count_sample(sample: pl.DataFrame, column: Column) -> pl.DataFrame:
    texts = sample[column.name]
    if column.separator is not None:
        texts = texts.filter(texts != "").str.split(column.separator).explode()
    counted = texts.alias(VALUE).value_counts(name=COUNT).sort(VALUE)
    return counted.with_columns(pl.col(COUNT).cast(pl.Int64))
