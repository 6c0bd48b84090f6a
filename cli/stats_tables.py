"""Statistics as terminal tables of at most 100 columns."""

from rich.table import Table
from rich.text import Text

from smt_cli.tables import console, table
from smt_features.statistics.column_model import ColumnStatistics, HashStatistics, Recommendation
from smt_features.statistics.model import SplitStatistics, Statistics
from smt_features.statistics.text import compact, percent, printable

NOTABLE = 0.01
"""Colliding rows above this share are marked; in red when they are twice the expected ones."""

NOTE = (
    "colliding: rows (of a list: entries) whose value shares its bucket with another value, alone: "
    "all others; missing values and null tokens are hashed and take part. expected: colliding, "
    "for a uniform hash of as many values. under 1%: what would bring colliding there, and the "
    "embedding parameters it costs. All about one column: --column NAME. Formulas: "
    "docs/statistics.md"
)


def print_columns(statistics: Statistics) -> None:
    """Print all columns of every split: values, hashing, lists and labels."""
    out = console()
    for name, split in statistics.splits.items():
        out.print(Text(f"{name}: {split.rows:,} rows", style="bold"))
        out.print(_values(split), "")
        if any(column.hashing for column in split.columns):
            out.print(_hashing(split), "")
        if any(column.lists for column in split.columns):
            out.print(_lists(split), "")
        if any(column.label for column in split.columns):
            out.print(_labels(split), "")
            out.print(Text(_combinations(split)), "")
    out.print(Text(NOTE, style="dim"))


def distinct(column: ColumnStatistics) -> str:
    """Return the number of distinct values, with a mark where it is an estimate."""
    return f"{'~' if column.distinct_error else ''}{column.distinct:,}"


def advice(recommendation: Recommendation) -> str:
    """Return what to do about a feature, in few words."""
    if recommendation.action == "keep":
        return "as it is"
    return f"{recommendation.action}, {recommendation.buckets:,}"


def _values(split: SplitStatistics) -> Table:
    result = table("column", "null", "distinct", "entropy", "top value", "share", "top 10")
    for column in split.columns:
        top = column.top[0] if column.top else None
        result.add_row(
            Text(column.name),
            percent(column.null_share),
            distinct(column),
            f"{column.entropy_bits:.2f} bits",
            Text(printable(top.value, 20) if top else "-"),
            percent(top.share) if top else "-",
            percent(min(sum(value.share for value in column.top), 1.0)),
        )
    return result


def _hashing(split: SplitStatistics) -> Table:
    result = table(
        *("feature", "buckets", "used", "colliding", "expected", "alone", "under 1%", "parameters")
    )
    for column in split.columns:
        if column.hashing and column.recommendation:
            advised = column.recommendation
            result.add_row(
                Text(column.name),
                *_hash_cells(column.hashing),
                advice(advised),
                compact(advised.current_parameters)
                if advised.action == "keep"
                else f"{compact(advised.current_parameters)} → {compact(advised.parameters)}",
            )
    return result


def _hash_cells(hashing: HashStatistics) -> list[str | Text]:
    rows = max(hashing.rows, 1)
    measured = hashing.colliding_rows / rows
    expected = hashing.expected_colliding_rows / rows
    style = "" if measured < NOTABLE else "red" if measured > 2 * expected else "yellow"
    return [
        f"{hashing.buckets:,}",
        percent(hashing.buckets_used / hashing.buckets),
        Text(percent(measured), style=style),
        percent(expected),
        percent(hashing.alone_rows / rows),
    ]


def _lists(split: SplitStatistics) -> Table:
    result = table(
        *("list", "empty", "entries", "min", "p25", "p50", "p75", "p95", "max", "mean"),
        *("distinct", "at max"),
    )
    for column in split.columns:
        if lists := column.lists:
            lengths = (lists.minimum, lists.p25, lists.p50, lists.p75, lists.p95, lists.maximum)
            result.add_row(
                Text(column.name),
                percent(column.null_share),
                f"{lists.entries:,}",
                *(f"{length:,}" for length in lengths),
                f"{lists.mean:.1f}",
                f"{lists.distinct_mean:.2f}",
                percent(lists.at_maximum),
            )
    return result


def _labels(split: SplitStatistics) -> Table:
    result = table("label", "task", "positives", "rate", "95% interval")
    for column in split.columns:
        if label := column.label:
            result.add_row(
                Text(column.name),
                label.task,
                f"{label.positives:,}",
                f"{label.rate:.4%}",
                f"{label.low:.4%} to {label.high:.4%}",
            )
    return result


def _combinations(split: SplitStatistics) -> str:
    """Return a line such as ``clk=0 buy=0: 6,054 rows``, the labels' rows added up."""
    return ", ".join(
        " ".join(f"{label}={value}" for label, value in combination.labels.items())
        + f": {combination.rows:,} rows"
        for combination in split.label_combinations
    )
