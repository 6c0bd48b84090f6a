"""Statistics as terminal tables of at most 100 columns."""

import sys

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from smt_features.statistics.model import (
    ColumnStatistics,
    HashStatistics,
    ListStatistics,
    SplitStatistics,
    Statistics,
)

WIDTH = 100
NOTABLE = 0.01
"""Colliding rows above this share are marked; in red when they are twice the expected ones."""

NOTE = (
    "colliding: rows (of a list: entries) whose value shares its bucket with another value; "
    "missing values and null tokens are hashed and take part. expected: the same for a uniform "
    "hash of as many values. All about one column: --column NAME"
)


def print_columns(statistics: Statistics) -> None:
    """Print all columns of every split: a table of features, one of lists and one of labels."""
    console = _console()
    for name, split in statistics.splits.items():
        console.print(Text(f"{name}: {split.rows:,} rows", style="bold"))
        console.print(_features(split), "")
        if any(column.lists for column in split.columns):
            console.print(_lists(split), "")
        if any(column.label for column in split.columns):
            console.print(_labels(split), "")
    console.print(Text(NOTE, style="dim"))


def print_one_column(statistics: Statistics) -> None:
    """Print all about the only column of every split."""
    console = _console()
    for name, split in statistics.splits.items():
        for column in split.columns:
            console.print(Text(f"{column.name} in {name}", style="bold"))
            console.print(_facts(column), "")
            if column.top:
                console.print(_top(column), "")


def percent(share: float) -> str:
    """Return a share as a percentage that keeps the difference from 0% and from 100%."""
    if share in (0, 1):
        return f"{share:.0%}"
    if 0 < share < 0.0005:
        return "<0.1%"
    if 0.9995 <= share < 1:
        return ">99.9%"
    return f"{share:.1%}"


def printable(text: str, length: int) -> str:
    """Return a text for the terminal: control characters escaped, long ones cut."""
    escaped = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    return escaped if len(escaped) <= length else escaped[: length - 1] + "…"


def _console() -> Console:
    # Beyond a terminal there is no width to fit in.
    width = Console().width if sys.stdout.isatty() else WIDTH
    return Console(width=min(width, WIDTH), highlight=False)


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    # Only the first column gives way when a table is too wide: a cut number is a wrong number.
    table.add_column(names[0], overflow="ellipsis")
    for name in names[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _features(split: SplitStatistics) -> Table:
    table = _table(
        *("feature", "null", "distinct", "top value", "share"),
        *("buckets", "used", "colliding", "expected"),
    )
    for column in split.columns:
        if column.label:
            continue
        top = column.top[0] if column.top else None
        table.add_row(
            Text(column.name),
            percent(column.null_share),
            f"{column.distinct:,}",
            Text(printable(top.value, 12) if top else "-"),
            percent(top.share) if top else "-",
            *_hash_cells(column.hashing),
        )
    return table


def _hash_cells(hashing: HashStatistics | None) -> list[str | Text]:
    if hashing is None:
        return ["-"] * 4
    rows = max(hashing.rows, 1)
    measured = hashing.colliding_rows / rows
    expected = hashing.expected_colliding_rows / rows
    style = "" if measured < NOTABLE else "red" if measured > 2 * expected else "yellow"
    return [
        f"{hashing.buckets:,}",
        percent(hashing.buckets_used / hashing.buckets),
        Text(percent(measured), style=style),
        percent(expected),
    ]


def _lists(split: SplitStatistics) -> Table:
    table = _table(
        *("list", "empty", "entries", "min", "p25", "p50", "p75", "p95", "max", "mean"),
        *("distinct", "at max"),
    )
    for column in split.columns:
        if column.lists:
            lists = column.lists
            table.add_row(
                Text(column.name),
                percent(column.null_share),
                f"{lists.entries:,}",
                *(f"{length:,}" for length in _lengths(lists).values()),
                f"{lists.mean:.1f}",
                f"{lists.distinct_mean:.2f}",
                percent(lists.at_maximum),
            )
    return table


def _labels(split: SplitStatistics) -> Table:
    table = _table("label", "task", "positives", "rate")
    for column in split.columns:
        if column.label:
            label = column.label
            table.add_row(
                Text(column.name), label.task, f"{label.positives:,}", f"{label.rate:.4%}"
            )
    return table


def _lengths(lists: ListStatistics) -> dict[str, int]:
    return {
        "min": lists.minimum,
        "p25": lists.p25,
        "p50": lists.p50,
        "p75": lists.p75,
        "p95": lists.p95,
        "max": lists.maximum,
    }


def _facts(column: ColumnStatistics) -> Table:
    facts = {
        "role": column.role,
        "rows": f"{column.rows:,}",
        "null": f"{column.nulls:,} ({percent(column.null_share)})",
        "distinct values": f"{column.distinct:,}",
    }
    if column.label:
        facts["positives"] = f"{column.label.positives:,} ({column.label.rate:.4%})"
    if column.lists:
        lengths = ", ".join(f"{name} {length:,}" for name, length in _lengths(column.lists).items())
        facts["entries"] = f"{column.lists.entries:,}"
        facts["list length"] = f"{lengths}, mean {column.lists.mean:.2f}"
        facts["distinct per list"] = f"{column.lists.distinct_mean:.2f}"
        facts["at maximum length"] = percent(column.lists.at_maximum)
    if column.hashing:
        facts |= _hash_facts(column.hashing, "entries" if column.lists else "rows")
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        table.add_row(Text(name, style="dim"), Text(value))
    return table


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
    }


def _top(column: ColumnStatistics) -> Table:
    table = _table("value", "count", "share", "")
    table.columns[-1].justify = "left"
    largest = column.top[0].share
    for top in column.top:
        bar = "█" * max(round(30 * top.share / largest), 1)
        table.add_row(
            Text(printable(top.value, 40)),
            f"{top.count:,}",
            percent(top.share),
            Text(bar, style="cyan"),
        )
    return table
