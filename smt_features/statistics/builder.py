"""Builds the statistics of a dataset from its rows, in one pass."""

from typing import Literal, cast

import polars as pl

from smt_features.manifest import Hash
from smt_features.statistics.column_counts import ColumnCounts
from smt_features.statistics.drift import column_drift
from smt_features.statistics.drift_model import Drift
from smt_features.statistics.figures import column_statistics
from smt_features.statistics.model import LabelCombination, SplitStatistics, Statistics
from smt_features.statistics.split_counts import COUNTS, SplitCounts
from smt_features.statistics.tally import Tally
from smt_schemas import DatasetSchema, UserError

Counts = dict[str, dict[str, ColumnCounts]]
"""By split and column."""


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

    def add_tally(self, split: str, counted: Tally) -> None:
        """Add rows that were counted, as on another thread."""
        self._split(split).add(counted)

    def to_frame(self, *, final: bool = False) -> pl.DataFrame:
        """Return all counts, for `add_frame` of another builder.

        Parameters
        ----------
        final
            No other rows will be added to these: what only they would need is left out.

        Returns
        -------
        polars.DataFrame
            ``split``, ``column``, ``kind`` (what is counted), ``value`` (String) and ``count``
            (Int64), in an order that the rows' does not decide.
        """
        frames = [
            counts.to_frame(split, whole_sample=not final) for split, counts in self.splits.items()
        ]
        return pl.concat(frames) if frames else pl.DataFrame(schema=COUNTS)

    def add_frame(self, counts: pl.DataFrame) -> None:
        """Add what another builder's `to_frame` returned."""
        for (split,), part in counts.group_by("split", maintain_order=True):
            self._split(str(split)).add_frame(part)

    def finish(self) -> Statistics:
        """Return the statistics; splits stand in the schema's order."""
        counts = self.counts()
        first, *others = counts or [""]
        return Statistics(
            schema_digest=self._schema.digest,
            hash=Hash(seed=self._seed),
            splits={split: self._statistics(split, columns) for split, columns in counts.items()},
            drift=[
                split_drift(self._schema, counts[first], counts[other], first, other)
                for other in others
            ],
        )

    def counts(self) -> Counts:
        """Return the counts of every column."""
        return {
            split: {column.name: counts.column(column) for column in self._schema.columns}
            for split, counts in self.splits.items()
        }

    def _split(self, name: str) -> SplitCounts:
        return self._splits.setdefault(name, SplitCounts(self._schema, self._seed))

    def _statistics(self, split: str, columns: dict[str, ColumnCounts]) -> SplitStatistics:
        labels = [label.name for label in self._schema.labels]
        return SplitStatistics(
            rows=self._splits[split].rows,
            label_combinations=[
                LabelCombination(
                    labels={
                        label: cast("Literal[0, 1]", int(digit))
                        for label, digit in zip(labels, digits, strict=True)
                    },
                    rows=rows,
                )
                for digits, rows in self._splits[split].combinations.items()
            ],
            columns=[column_statistics(counts, self._seed) for counts in columns.values()],
        )


def split_drift(
    schema: DatasetSchema,
    reference: dict[str, ColumnCounts],
    current: dict[str, ColumnCounts],
    reference_name: str,
    current_name: str,
) -> Drift:
    """Return how far the columns of ``current`` have moved from those of ``reference``.

    Raises
    ------
    UserError
        When they have other columns.
    """
    if set(reference) != set(current):
        names = ", ".join(sorted(set(reference) ^ set(current)))
        msg = f"{reference_name} and {current_name} have different columns: {names}."
        raise UserError(msg)
    users = None
    if schema.user_column is not None:
        users = (reference[schema.user_column].distinct, current[schema.user_column].distinct)
    return Drift(
        reference=reference_name,
        current=current_name,
        columns=[
            column_drift(reference[name], current[name], users, schema.drift) for name in reference
        ],
    )
