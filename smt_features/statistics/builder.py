"""Collects what the statistics of a dataset are computed from, in one pass over its rows."""

import polars as pl

from smt_features.statistics.kind_counts import COUNTS
from smt_features.statistics.split_counts import SplitCounts
from smt_features.statistics.tally import Tally
from smt_schemas import DatasetSchema


class StatisticsBuilder:
    """Collects rows, which may come in any order and grouping; `finish` gives their statistics.

    Memory is bounded: of each split and column some 30 MB for ids, and for other texts at most
    some 300 MB while they are counted exactly and 25 MB when they are not (see `ValueCounts`);
    as much again for each label, for the rows where it is 1.
    """

    def __init__(self, schema: DatasetSchema, hash_seed: int = 0) -> None:
        self.schema = schema
        self.hash_seed = hash_seed
        self._splits: dict[str, SplitCounts] = {}

    @property
    def splits(self) -> dict[str, SplitCounts]:
        """The splits that have rows, in the schema's order."""
        return {
            split: self._splits[split]
            for split in self.schema.splits
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
        """Add what another builder's `to_frame` returned, or what `finish` wrote of it."""
        for (split,), part in counts.group_by("split", maintain_order=True):
            self._split(str(split)).add_frame(part)

    def _split(self, name: str) -> SplitCounts:
        return self._splits.setdefault(name, SplitCounts(self.schema, self.hash_seed))
