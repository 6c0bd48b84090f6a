"""The schema's rules as Polars expressions, for whole blocks at a time.

They give the same verdict as the row model of ``smt_schemas``; a property test holds the two
together. Finding out *whether* a row is bad is cheap and done for every row; *which* rules it
breaks is asked of the bad rows only.
"""

import re

import polars as pl

from smt_features.cell_rows import CellRows
from smt_features.lists import SplitLists
from smt_schemas import INTEGER, NUMBER, Column, DatasetSchema, float_range, value_range

_ENUMERABLE = 1000
"""Up to so many allowed texts are compared as texts."""


def bad_rows(rows: CellRows, schema: DatasetSchema) -> pl.Series:
    """Return a boolean for each row: whether a cell breaks a rule."""
    cells, lists, users = rows  # a list's entries tell at once whether any list is bad
    of_user = [column for column in schema.columns if column.name in users.cells.columns]
    others = [
        column
        for column in schema.columns
        if column not in of_user
        if column.name not in lists or _has_bad_entry(lists[column.name], column)
    ]
    bad = _any_bad(cells, others)
    return bad | _any_bad(users.cells, of_user).gather(users.positions) if of_user else bad


def _any_bad(cells: pl.DataFrame, columns: list[Column]) -> pl.Series:
    bad = [~good for column in columns if (good := _is_good(column)) is not None]
    if not bad:
        return pl.repeat(False, cells.height, eager=True)
    return cells.select(bad=pl.any_horizontal(bad)).to_series()


def violations(cells: pl.DataFrame, schema: DatasetSchema) -> pl.DataFrame:
    """Return one row for each cell that breaks a rule.

    Returns
    -------
    polars.DataFrame
        ``row`` (UInt32, position in ``cells``), ``column``, ``rule`` and ``value`` (String),
        by row, then in column order.
    """
    found = [
        cells.lazy()
        .select(
            row=pl.int_range(pl.len(), dtype=pl.UInt32),
            order=pl.lit(order, pl.UInt32),
            column=pl.lit(column.name),
            rule=rule,
            value=pl.col(column.name),
        )
        .filter(pl.col("rule").is_not_null())
        for order, column in enumerate(schema.columns)
        if (rule := _broken_rule(column)) is not None
    ]
    if not found:
        return NO_VIOLATIONS.clone()
    return pl.concat(found).sort("row", "order").drop("order").collect()


NO_VIOLATIONS = pl.DataFrame(
    schema={"row": pl.UInt32, "column": pl.String, "rule": pl.String, "value": pl.String}
)


def _is_good(column: Column) -> pl.Expr | None:
    if (texts := _good_texts(column)) is not None:
        return pl.col(column.name).is_in(texts)
    steps = _steps(column)
    if not steps:
        return None
    # No names of rules yet: texts cost several times as much as truth values.
    broken = pl.any_horizontal(broken for broken, _ in steps).fill_null(False)
    return _is_missing(column) | ~broken


def _has_bad_entry(lists: SplitLists, column: Column) -> bool:
    entries = lists.runs.entries
    good = entries.str.contains(f"^{INTEGER}$") if column.type == "int" else entries != ""
    return column.required or not good.all()


def _good_texts(column: Column) -> list[str] | None:
    """Return every text the column may hold, when they are few."""
    if column.is_list:
        return None
    if column.allowed is not None:
        low, high = value_range(column)
        values = [v for v in column.allowed if isinstance(v, str) or low <= v <= high]
        texts = [str(value) for value in values]
    elif column.type == "int":
        low, high = value_range(column)
        if high - low >= _ENUMERABLE:
            return None
        texts = [str(value) for value in range(low, high + 1)]
    else:
        return None
    return texts + column.null_tokens + ([] if column.required else [""])


def _broken_rule(column: Column) -> pl.Expr | None:
    """Return the first rule that a cell breaks, as text; null when it breaks none."""
    steps = _steps(column)
    if not steps:
        return None
    rule = pl.when(_is_missing(column)).then(None)
    for broken, name in steps:
        rule = rule.when(broken).then(pl.lit(name))  # type: ignore[assignment]
    return rule.otherwise(None).cast(pl.String)


def _is_missing(column: Column) -> pl.Expr:
    allowed = [*column.null_tokens, *([] if column.required else [""])]
    return pl.col(column.name).is_in(allowed) if allowed else pl.lit(False)


def _steps(column: Column) -> list[tuple[pl.Expr, str]]:
    """Return whether a cell that is not missing breaks each rule, and the rule's name."""
    cell = pl.col(column.name)
    steps: list[tuple[pl.Expr, str]] = []
    if column.required:
        steps.append((cell == "", "required"))
    if column.separator is not None:
        steps += _list_steps(cell, column, column.separator)
    else:
        steps += _value_steps(cell, column)
    return steps


def _list_steps(cell: pl.Expr, column: Column, separator: str) -> list[tuple[pl.Expr, str]]:
    empty_entry = (
        cell.str.starts_with(separator)
        | cell.str.ends_with(separator)
        | cell.str.contains(separator * 2, literal=True)
    )
    steps = [(empty_entry & (cell != ""), "entry")]
    if column.type == "int":
        pattern = f"^(?:{INTEGER}{re.escape(separator)})*{INTEGER}$"
        steps.append((~cell.str.contains(pattern) & (cell != ""), "integer"))
    return steps


def _value_steps(cell: pl.Expr, column: Column) -> list[tuple[pl.Expr, str]]:
    steps: list[tuple[pl.Expr, str]] = []
    if column.type == "int":
        steps.append((~cell.str.contains(f"^{INTEGER}$"), "integer"))
    if column.allowed is not None:
        steps.append((~cell.is_in([str(value) for value in column.allowed]), "allowed"))
    if column.type == "int":
        integer = cell.cast(pl.Int64, strict=False)
        least, most = value_range(column)
        steps.append(((integer < least) | (integer > most), "range"))
    if column.type == "float":
        number = cell.cast(pl.Float64, strict=False)
        low, high = float_range(column)
        steps.append((~cell.str.contains(f"^{NUMBER}$"), "number"))
        steps.append(((number < low) | (number > high), "range"))
    return steps
