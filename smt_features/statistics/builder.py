"""Builds the statistics of a dataset from its rows, in one pass."""

from collections.abc import Iterator

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
    some 200 MB while they are counted exactly and 25 MB when they are not (see `ValueCounts`).
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

    def to_frames(self, *, final: bool = False) -> Iterator[pl.DataFrame]:
        """Yield all counts, for `add_frame` of another builder.

        Parameters
        ----------
        final
            No other rows will be added to these: what only they would need is left out.

        Yields
        ------
        polars.DataFrame
            ``split``, ``column``, ``kind`` (what is counted), ``value`` (String) and ``count``
            (Int64), in an order that the rows' does not decide.
        """
        for split, counts in self.splits.items():
            yield from counts.to_frames(split, whole_sample=not final)

    def to_frame(self) -> pl.DataFrame:
        """Return all counts at once, for other rows to be added to."""
        return pl.concat([pl.DataFrame(schema=COUNTS), *self.to_frames()])

    def add_frame(self, counts: pl.DataFrame) -> None:
        """Add what another builder's `to_frames` yielded."""
        for (split,), part in counts.group_by("split", maintain_order=True):
            self._split(str(split)).add_frame(part)

    def finish(self) -> Statistics:
        """Return the statistics; splits stand in the schema's order."""
        splits = self.splits
        first, *others = splits or [""]
        columns: dict[str, list[ColumnStatistics]] = {split: [] for split in splits}
        drift: dict[str, list[ColumnDrift]] = {other: [] for other in others}
        users = {other: distinct_users(splits[first], splits[other]) for other in others}
        # All that is known of a column takes much memory, so one at a time.
        for column in self._schema.columns:
            found = {split: counts.column(column) for split, counts in splits.items()}
            for split, counts in found.items():
                columns[split].append(column_statistics(counts, self._seed))
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
