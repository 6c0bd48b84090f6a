"""Collects rejected rows and reports them: one row a violation."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from smt_features.files import published
from smt_schemas import DatasetSchema, explain_cell

NAME = "rejected.parquet"
_SHOWN = 5
_SHOWN_VALUE = 60

SCHEMA = {
    "file": pl.String,
    "line": pl.Int64,
    "column": pl.String,
    "rule": pl.String,
    "value": pl.String,
    "raw": pl.String,
}
"""The columns of ``rejected.parquet``.

When the whole line is wrong ``column`` is null, and ``value`` is the number of fields for the rule
``fields``, otherwise null.
"""

MEANING = {
    "fields": "wrong number of fields",
    "utf8": "not valid UTF-8",
    "quote": "unbalanced quotes",
    "required": "empty, but required",
    "entry": "empty entry in a list",
    "integer": "not an integer",
    "allowed": "not an allowed value",
    "range": "outside the range",
}
"""What each rule says in messages."""


@dataclass
class Rejected:
    """The rejected rows of a run.

    Attributes
    ----------
    rows
        Rejected rows; a row may have several violations.
    frames
        The violations, in the order of the files.
    """

    rows: int
    frames: list[pl.DataFrame]

    def add(self, violations: pl.DataFrame, rows: int) -> None:
        """Add the violations (columns of ``SCHEMA``) of some rejected rows."""
        if rows:
            self.rows += rows
            self.frames.append(violations)

    def frame(self) -> pl.DataFrame:
        """Return all violations."""
        return pl.concat(self.frames) if self.frames else pl.DataFrame(schema=SCHEMA)

    def write(self, directory: Path) -> Path:
        """Publish ``rejected.parquet``."""
        path = directory / NAME
        with published(path) as temporary:
            self.frame().write_parquet(temporary)
        return path

    def summary(self, schema: DatasetSchema) -> str:
        """Return counts per rule and the first few violations with file and line."""
        frame = self.frame()
        counts = (
            frame.group_by("column", "rule").len().sort("len", "column", "rule", descending=True)
        )
        lines = [
            f"  {count:>9,}  {f'{column}: ' if column else ''}{MEANING[rule]}"
            for column, rule, count in counts.iter_rows()
        ]
        lines.append(f"First {min(_SHOWN, frame.height)}:")
        lines += [
            f"  {row['file']}:{row['line']}: {_explain(row, schema)}"
            for row in frame.head(_SHOWN).iter_rows(named=True)
        ]
        return "\n".join(lines)


def _explain(violation: dict[str, str], schema: DatasetSchema) -> str:
    if violation["column"]:
        column = next(c for c in schema.columns if c.name == violation["column"])
        shown = _short(violation["value"])
        return f"{column.name} {shown} {explain_cell(column, violation['value'])}"
    if violation["rule"] == "fields":
        return f"{violation['value']} fields instead of {len(schema.columns)}"
    return f"{MEANING[violation['rule']]}: {_short(violation['raw'])}"


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_VALUE else text[: _SHOWN_VALUE - 1] + "…")
