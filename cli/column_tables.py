"""All about one column as terminal tables of at most 100 columns."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from smt_cli.stats_tables import advice, distinct
from smt_cli.tables import console, table
from smt_features.statistics.column_model import (
    ColumnStatistics,
    HashStatistics,
    LabelRate,
    ListStatistics,
    Recommendation,
    TopValue,
)
from smt_features.statistics.model import Statistics
from smt_features.statistics.text import percent, printable

_LABELS = 2
"""Labels whose rates fit beside a value, its count and its share."""


def print_one_column(statistics: Statistics) -> None:
    """Print all about the only column of every split."""
    out = console()
    for name, split in statistics.splits.items():
        for column in split.columns:
            out.print(Text(f"{column.name} in {name}", style="bold"))
            out.print(_facts(column), "")
            if column.top:
                for top in _tops(column):
                    out.print(top, "")


def _facts(column: ColumnStatistics) -> Table:
    error = f" ± {column.distinct_error:.1%} (HyperLogLog)" if column.distinct_error else ""
    facts = {
        "role": column.role,
        "rows": f"{column.rows:,}",
        "null": f"{column.nulls:,} ({percent(column.null_share)})",
        "distinct values": f"{distinct(column)}{error}",
        "seen once": f"{column.singletons:,}",
        "entropy": f"{column.entropy_bits:.3f} bits",
    }
    if column.sampled_rows:
        facts["sample"] = f"entropy and frequent values are of {column.sampled_rows:,} rows"
    if column.label:
        label = column.label
        facts["positives"] = f"{label.positives:,} ({label.rate:.4%})"
        facts["95% interval"] = f"{label.low:.4%} to {label.high:.4%}"
    if column.lists:
        facts |= _list_facts(column.lists)
    if column.hashing and column.recommendation:
        facts |= _hash_facts(column.hashing, "entries" if column.lists else "rows")
        facts["under 1%"] = _advice(column.recommendation)
    result = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        result.add_row(Text(name, style="dim"), Text(value))
    return result


def _list_facts(lists: ListStatistics) -> dict[str, str]:
    lengths = (
        f"min {lists.minimum:,}, p25 {lists.p25:,}, p50 {lists.p50:,}, p75 {lists.p75:,}, "
        f"p95 {lists.p95:,}, max {lists.maximum:,}, mean {lists.mean:.2f}"
    )
    return {
        "entries": f"{lists.entries:,}",
        "list length": lengths,
        "distinct per list": f"{lists.distinct_mean:.2f}",
        "at maximum length": percent(lists.at_maximum),
    }


def _hash_facts(hashing: HashStatistics, unit: str) -> dict[str, str]:
    def compared(count: int, expected: float, total: int) -> str:
        share = f"{percent(count / max(total, 1))} of {total:,}"
        return f"{count:,} ({share}; a uniform hash: {expected:,.1f})"

    return {
        "encoding": hashing.encoding,
        "buckets used": compared(
            hashing.buckets_used, hashing.expected_buckets_used, hashing.buckets
        ),
        "colliding values": compared(
            hashing.colliding_values, hashing.expected_colliding_values, hashing.values
        ),
        f"colliding {unit}": compared(
            hashing.colliding_rows, hashing.expected_colliding_rows, hashing.rows
        ),
        f"alone {unit}": f"{hashing.alone_rows:,} "
        f"({percent(hashing.alone_rows / max(hashing.rows, 1))})",
    }


def _advice(recommendation: Recommendation) -> str:
    now, then = recommendation.current_parameters, recommendation.parameters
    if recommendation.action == "keep":
        return f"as it is ({now:,} parameters)"
    text = f"{advice(recommendation)} buckets: {then:,} parameters instead of {now:,}"
    if recommendation.action != "hash" and recommendation.hash_buckets:
        text += f" (hashing would need {recommendation.hash_buckets:,} buckets)"
    return text


def _tops(column: ColumnStatistics) -> Iterator[Table]:
    """Yield the frequent values with their rates by label, as many labels as fit in a table."""
    labels = list(column.top[0].rates)
    yield _top(column, labels[:_LABELS])
    for start in range(_LABELS, len(labels), _LABELS):
        some = labels[start : start + _LABELS]
        result = table("value", *map(_heading, some))
        for top in column.top:
            result.add_row(_value(top), *(_rate(top.rates[label]) for label in some))
        yield result


def _top(column: ColumnStatistics, labels: list[str]) -> Table:
    result = table("value", "count", "share", "", *map(_heading, labels))
    result.columns[3].justify = "left"
    largest = column.top[0].share
    for top in column.top:
        bar = "█" * max(round(12 * top.share / largest), 1)
        result.add_row(
            _value(top),
            f"{top.count:,}",
            percent(top.share),
            Text(bar, style="cyan"),
            *(_rate(top.rates[label]) for label in labels),
        )
    return result


def _heading(label: str) -> str:
    return f"{label}, 95% interval"


def _value(top: TopValue) -> Text:
    return Text(printable(top.value, 24))


def _rate(rate: LabelRate) -> str:
    return f"{rate.rate:.2%} ({rate.low:.2%} to {rate.high:.2%})"
