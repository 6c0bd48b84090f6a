"""Computes the statistics of a dataset from what a builder collected."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from smt_features.manifest import Hash
from smt_features.parallel import ordered_map
from smt_features.statistics.builder import StatisticsBuilder
from smt_features.statistics.column_counts import ColumnCounts
from smt_features.statistics.column_model import ColumnStatistics
from smt_features.statistics.drift import column_drift, distinct_users
from smt_features.statistics.drift_model import ColumnDrift, Drift
from smt_features.statistics.figures import column_statistics
from smt_features.statistics.kind_counts import KindCounts
from smt_features.statistics.model import LabelCombination, SplitStatistics, Statistics
from smt_features.statistics.split_counts import SplitCounts
from smt_schemas import Column

_COLUMNS = 2
"""Columns that are finished at a time: all that is known of one takes much memory."""


def finish(
    builder: StatisticsBuilder,
    write: Callable[[Iterator[KindCounts]], None] = lambda _counts: None,
) -> Statistics:
    """Return the statistics; splits stand in the schema's order.

    Parameters
    ----------
    builder
        What was collected.
    write
        Called several times with some of the counts that the statistics come from. What only
        other rows would need is left out.
    """
    splits = builder.splits
    for split, counts in splits.items():
        counts.settle()
        write(counts.row_counts(split))
        write(counts.sample_counts(split, whole=False))
    first, *others = splits or [""]
    users = [distinct_users(splits[first], splits[other]) for other in others]
    finished = []
    work = partial(_finish_column, builder, users)
    for counts_of_column, column in ordered_map(work, builder.schema.columns, at_most=_COLUMNS):
        write(iter(counts_of_column))
        finished.append(column)
    return Statistics(
        schema_digest=builder.schema.digest,
        hash=Hash(seed=builder.hash_seed),
        splits={
            split: SplitStatistics(
                rows=counts.rows,
                label_combinations=_combinations(counts),
                columns=[column.statistics[number] for column in finished],
            )
            for number, (split, counts) in enumerate(splits.items())
        },
        drift=[
            Drift(
                reference=first,
                current=other,
                columns=[column.drift[number] for column in finished],
            )
            for number, other in enumerate(others)
        ],
    )


class _Finished(NamedTuple):
    """A column: its figures by split, and its drift from the first split to each other."""

    statistics: list[ColumnStatistics]
    drift: list[ColumnDrift]


def _finish_column(
    builder: StatisticsBuilder, users: list[tuple[int, int] | None], column: Column
) -> tuple[list[KindCounts], _Finished]:
    counts: list[KindCounts] = []
    found: list[ColumnCounts] = []
    for name, split in builder.splits.items():
        totals = split.totals(column)
        counts += split.column_counts(name, totals)
        found.append(split.column_of(totals))
    return counts, _Finished(
        statistics=[column_statistics(each) for each in found],
        drift=[
            column_drift(found[0], other, both, builder.schema.drift)
            for other, both in zip(found[1:], users, strict=True)
        ],
    )


def _combinations(counts: SplitCounts) -> list[LabelCombination]:
    labels = [label.name for label in counts.schema.labels]
    return [
        LabelCombination(
            labels={
                label: 1 if digit == "1" else 0 for label, digit in zip(labels, digits, strict=True)
            },
            rows=rows,
        )
        for digits, rows in counts.combinations.items()
    ]
