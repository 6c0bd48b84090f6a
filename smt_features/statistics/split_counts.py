"""The counts of one split, and their form on the way between processes and files."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from smt_features.parquet import OLDEST
from smt_features.statistics.column_counts import (
    ColumnCounts,
    ColumnTotals,
    distinct,
    without_nulls,
)
from smt_features.statistics.kind_counts import KindCounts
from smt_features.statistics.positives import PositiveCounts
from smt_features.statistics.sample import PLACE, RowSample
from smt_features.statistics.sketch import COUNT, VALUE
from smt_features.statistics.tally import RUN_ROWS, Tally
from smt_features.statistics.value_counts import NO_IDS, Counted, ValueCounts
from smt_features.statistics.waiting import Waiting
from smt_features.string_views import Int64s
from smt_features.user_runs import user_columns
from smt_schemas import Column, DatasetSchema

_NO_VALUE = pl.Series([""])


class SplitCounts:
    """Adds up the counts of one split."""

    def __init__(self, schema: DatasetSchema, hash_seed: int) -> None:
        self.schema = schema
        self._hash_seed = hash_seed
        self._rows = 0
        self._values = {c.name: ValueCounts(c, hash_seed) for c in schema.columns}
        self._positives = PositiveCounts(schema, hash_seed)
        self._lengths = {c.name: np.zeros(1, np.int64) for c in schema.columns if c.is_list}
        self._distinct = dict.fromkeys(self._lengths, 0)
        self._combinations: dict[str, int] = {}
        self._sample = RowSample()
        self._user_columns = [column.name for column in user_columns(schema)]
        self._user_runs = Waiting()

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
        self._user_runs.add(counted.user_runs)
        if self._user_runs.is_enough:
            self._count_users()
        self._positives.add(counted.positives)
        for name, lists in counted.lists.items():
            self._lengths[name] = _added(self._lengths[name], lists.lengths)
            self._distinct[name] += lists.distinct
        for digits, rows in counted.combinations.items():
            self._add_combination(digits, rows)
        self._sample.add(counted.sample)

    def settle(self) -> None:
        """Count what waits, so that threads may ask for different columns."""
        self._count_users()
        self._positives.settle()
        self._sample.settle()

    def users(self) -> int | None:
        """Return the number of distinct users, or None where the schema names no user column."""
        named = [c for c in self.schema.columns if c.name == self.schema.user_column]
        if not named:
            return None
        values = self._counted(named[0].name)
        return distinct(without_nulls(values.frame(), named[0]), values.sketch())

    def totals(self, column: Column) -> ColumnTotals:
        """Return what was added up of a column."""
        name = column.name
        values = self._counted(name)
        return ColumnTotals(
            column=column,
            values=values.frame(),
            sketch=values.sketch(),
            by_length=self._lengths.get(name, NO_IDS),
            distinct_entries=self._distinct.get(name, 0),
            positives=self._positives.of(name),
        )

    def column(self, column: Column) -> ColumnCounts:
        """Return the counts of a column."""
        return self.column_of(self.totals(column))

    def column_of(self, totals: ColumnTotals) -> ColumnCounts:
        """Return the counts of a column, from what was added up of it."""
        column, counts, present = totals.column, totals.values, totals.present
        positives, sketch = totals.positives, totals.sketch
        sample = pl.DataFrame()
        if sketch is not None:
            sketch = sketch.with_counts(counts)
            sample = self._sample.frame()
            counts = _count_sample(sample, column)
            present = without_nulls(counts, column)
            positives = {
                label: _count_sample(sample.filter(pl.col(label) == "1"), column)
                for label in positives
            }
        return ColumnCounts(
            column=column,
            rows=self._rows,
            nulls=totals.nulls,
            counts=counts,
            present=counts if column.is_list else present,
            sketch=sketch,
            distinct=distinct(totals.present, totals.sketch),
            sampled_rows=sample.height,
            by_length=totals.by_length,
            distinct_entries=totals.distinct_entries,
            positives=positives,
            hash_seed=self._hash_seed,
        )

    def all_counts(self, split: str) -> Iterator[KindCounts]:
        """Yield all counts, for other rows to be added to."""
        yield from self.row_counts(split)
        for column in self.schema.columns:
            yield from self.column_counts(split, self.totals(column))
        yield from self.sample_counts(split, whole=True)

    def row_counts(self, split: str) -> Iterator[KindCounts]:
        """Yield the counts of rows."""
        yield KindCounts(split, "", "rows", _NO_VALUE, np.array([self._rows]))
        digits = pl.Series([*self.combinations], dtype=pl.String)
        rows = np.array([*self.combinations.values()], np.int64)
        yield KindCounts(split, "", "combination", digits, rows)

    def column_counts(self, split: str, totals: ColumnTotals) -> Iterator[KindCounts]:
        """Yield the counts of a column."""
        name = totals.column.name
        yield _of_frame(split, name, "value", totals.values)
        if totals.sketch:
            for kind, (places, numbers) in totals.sketch.state().items():
                yield KindCounts(split, name, kind, _texts(places), numbers)
        # Beside a sketch nothing is made of them: the sample is used.
        for label, counts in totals.positives.items() if totals.sketch is None else ():
            yield _of_frame(split, name, f"positive {label}", counts)
        if totals.column.is_list:
            lengths = _texts(np.arange(len(totals.by_length)))
            yield KindCounts(split, name, "length", lengths, totals.by_length)
            entries = np.array([totals.distinct_entries])
            yield KindCounts(split, name, "distinct", _NO_VALUE, entries)

    def sample_counts(self, split: str, *, whole: bool) -> Iterator[KindCounts]:
        """Yield the sample of rows.

        Unless it is wanted ``whole``, as for other rows to be added to, columns without a sketch
        are left out, but for the labels.
        """
        labels = [label.name for label in self.schema.labels]
        sketched = [name for name in self._values if self._counted(name).sketch()]
        if sketched or whole:
            sample = self._sample.frame()
            for name in self._values if whole else dict.fromkeys(labels + sketched):
                yield KindCounts(split, name, "sample", sample[name], sample[PLACE].to_numpy())

    def add_frame(self, counts: pl.DataFrame) -> None:
        """Add what `all_counts` yielded, as a frame."""
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
                lengths = part[VALUE].cast(pl.Int64).to_numpy()
                by_length = np.zeros(lengths.max(initial=0) + 1, np.int64)
                by_length[lengths] = numbers
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

    def _counted(self, name: str) -> ValueCounts:
        self._count_users()
        return self._values[name]

    def _count_users(self) -> None:
        runs = self._user_runs.take()
        if runs is not None:
            for name, counts in _count_runs(runs, self._user_columns).items():
                self._values[name].add(Counted(NO_IDS, NO_IDS, counts))

    def _add_combination(self, digits: str, rows: int) -> None:
        self._combinations[digits] = self._combinations.get(digits, 0) + rows


def _count_runs(runs: pl.DataFrame, names: list[str]) -> dict[str, pl.DataFrame]:
    rows = pl.col(RUN_ROWS).sum().alias(COUNT)
    grouped = [runs.lazy().group_by(pl.col(name).alias(VALUE)).agg(rows) for name in names]
    return dict(zip(names, pl.collect_all(grouped), strict=True))


def _of_frame(split: str, column: str, kind: str, counts: pl.DataFrame) -> KindCounts:
    return KindCounts(split, column, kind, counts[VALUE], counts[COUNT].to_numpy())


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
