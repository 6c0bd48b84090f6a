"""Builds the statistics of a dataset from its rows, in one pass."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import polars as pl

from smt_features.manifest import Hash
from smt_features.parallel import ordered_map
from smt_features.statistics.column_counts import ColumnCounts
from smt_features.statistics.column_model import ColumnStatistics
from smt_features.statistics.drift import column_drift, distinct_users
from smt_features.statistics.drift_model import ColumnDrift, Drift
from smt_features.statistics.figures import column_statistics
from smt_features.statistics.kind_counts import COUNTS, KindCounts
from smt_features.statistics.model import LabelCombination, SplitStatistics, Statistics
from smt_features.statistics.split_counts import SplitCounts
from smt_features.statistics.tally import Tally
from smt_schemas import Column, DatasetSchema

_COLUMNS = 2
"""Columns that are finished at a time."""


class StatisticsBuilder:
    """Collects rows and gives their statistics; rows may come in any order and grouping.

    Memory is bounded: of each split and column some 30 MB for ids, and for other texts at most
    some 300 MB while they are counted exactly and 25 MB when they are not (see `ValueCounts`);
    as much again for each label, for the rows where it is 1.
    """

    def __init__(self, schema: DatasetSchema, hash_seed: int = 0) -> None:
        self._schema = schema
        self._seed = hash_seed
        self._splits: dict[str, SplitCounts] = {}

    @property
    def splits(self) -> dict[str, SplitCounts]:
        """The splits that have rows, in the schema's order."""
        return {
            split: self._splits[split]
            for split in self._schema.splits
            if split in self._splits and self._splits[split].rows
        }

    def sample_limit(self, split: str) -> int:
        """Return what `tally` needs to know of the rows that were added so far."""
        return self._split(split).sample_limit

    def add_tally(self, split: str, counted: Tally) -> None:
        """Add rows that were counted, as on another thread."""
        self._split(split).add(counted)

    def to_frame(self) -> pl.DataFrame:
        """Return all counts, for `add_frame` of another builder.

        Returns
        -------
        polars.DataFrame
            ``split``, ``column``, ``kind`` (what is counted), ``value`` (String) and ``count``
            (Int64), in an order that the rows' does not decide.
        """
        counted = [part for name, split in self.splits.items() for part in split.all_counts(name)]
        return pl.concat([pl.DataFrame(schema=COUNTS), *(part.to_frame() for part in counted)])

    def add_frame(self, counts: pl.DataFrame) -> None:
        """Add what another builder's `to_frame` returned, or its `finish` wrote."""
        for (split,), part in counts.group_by("split", maintain_order=True):
            self._split(str(split)).add_frame(part)

    def finish(
        self, write: Callable[[Iterator[KindCounts]], None] = lambda _counts: None
    ) -> Statistics:
        """Return the statistics; splits stand in the schema's order.

        Parameters
        ----------
        write
            Called several times with some of the counts that the statistics come from. What only
            other rows would need is left out.
        """
        splits = self.splits
        for split, counts in splits.items():
            counts.settle()
            write(counts.row_counts(split))
            write(counts.sample_counts(split, whole=False))
        first, *others = splits or [""]
        users = [distinct_users(splits[first], splits[other]) for other in others]
        columns = []
        # All that is known of a column takes much memory, so only some at a time.
        finish = partial(self._finish_column, users=users)
        for column in ordered_map(finish, self._schema.columns, at_most=_COLUMNS):
            write(iter(column.counts))
            columns.append(column)
        return Statistics(
            schema_digest=self._schema.digest,
            hash=Hash(seed=self._seed),
            splits={
                split: SplitStatistics(
                    rows=counts.rows,
                    label_combinations=self._combinations(counts),
                    columns=[column.statistics[number] for column in columns],
                )
                for number, (split, counts) in enumerate(splits.items())
            },
            drift=[
                Drift(
                    reference=first,
                    current=other,
                    columns=[column.drift[number] for column in columns],
                )
                for number, other in enumerate(others)
            ],
        )

    def _finish_column(
        self, column: Column, users: list[tuple[int, int] | None]
    ) -> "_FinishedColumn":
        counts: list[KindCounts] = []
        found: list[ColumnCounts] = []
        for name, split in self.splits.items():
            totals = split.totals(column)
            counts += split.column_counts(name, totals)
            found.append(split.column_of(totals))
        thresholds = self._schema.drift
        return _FinishedColumn(
            counts=counts,
            statistics=[column_statistics(each, self._seed) for each in found],
            drift=[
                column_drift(found[0], other, both, thresholds)
                for other, both in zip(found[1:], users, strict=True)
            ],
        )

    def _split(self, name: str) -> SplitCounts:
        return self._splits.setdefault(name, SplitCounts(self._schema, self._seed))

    def _combinations(self, counts: SplitCounts) -> list[LabelCombination]:
        labels = [label.name for label in self._schema.labels]
        return [
            LabelCombination(
                labels={
                    label: 1 if digit == "1" else 0
                    for label, digit in zip(labels, digits, strict=True)
                },
                rows=rows,
            )
            for digits, rows in counts.combinations.items()
        ]


class _FinishedColumn(NamedTuple):
    counts: list[KindCounts]
    statistics: list[ColumnStatistics]
    drift: list[ColumnDrift]
