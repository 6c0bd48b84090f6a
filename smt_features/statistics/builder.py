"""Builds the statistics of a dataset from its rows, in one pass."""

from collections.abc import Callable, Iterator

import polars as pl

from smt_features.manifest import Hash
from smt_features.statistics.column_model import ColumnStatistics
from smt_features.statistics.drift import column_drift, distinct_users
from smt_features.statistics.drift_model import ColumnDrift, Drift
from smt_features.statistics.figures import column_statistics
from smt_features.statistics.model import LabelCombination, SplitStatistics, Statistics
from smt_features.statistics.split_counts import COUNTS, SplitCounts
from smt_features.statistics.tally import Tally
from smt_schemas import DatasetSchema


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
        frames = [frame for name, split in self.splits.items() for frame in split.to_frames(name)]
        return pl.concat([pl.DataFrame(schema=COUNTS), *frames])

    def add_frame(self, counts: pl.DataFrame) -> None:
        """Add what another builder's `to_frame` returned, or its `finish` wrote."""
        for (split,), part in counts.group_by("split", maintain_order=True):
            self._split(str(split)).add_frame(part)

    def finish(
        self, write: Callable[[Iterator[pl.DataFrame]], None] = lambda _frames: None
    ) -> Statistics:
        """Return the statistics; splits stand in the schema's order.

        Parameters
        ----------
        write
            Called several times with some of the counts that the statistics come from, in the
            form of `to_frame`. What only other rows would need is left out.
        """
        splits = self.splits
        first, *others = splits or [""]
        columns: dict[str, list[ColumnStatistics]] = {split: [] for split in splits}
        drift: dict[str, list[ColumnDrift]] = {other: [] for other in others}
        users = {other: distinct_users(splits[first], splits[other]) for other in others}
        # All that is known of a column takes much memory, so one at a time.
        for split, counts in splits.items():
            write(counts.row_frames(split))
            write(counts.sample_frames(split, whole=False))
        for column in self._schema.columns:
            found = {}
            for split, counts in splits.items():
                totals = counts.totals(column)
                write(counts.column_frames(split, totals))
                found[split] = counts.column_of(totals)
                columns[split].append(column_statistics(found[split], self._seed))
            for other in others:
                drift[other].append(
                    column_drift(found[first], found[other], users[other], self._schema.drift)
                )
        return Statistics(
            schema_digest=self._schema.digest,
            hash=Hash(seed=self._seed),
            splits={
                split: SplitStatistics(
                    rows=counts.rows,
                    label_combinations=self._combinations(counts),
                    columns=columns[split],
                )
                for split, counts in splits.items()
            },
            drift=[
                Drift(reference=first, current=other, columns=moved)
                for other, moved in drift.items()
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
