"""Collects rejected rows and reports them: one row a violation."""

from collections import Counter
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from smt_features.files import published, writing
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

_ARROW = pa.schema([(name, pa.int64() if name == "line" else pa.string()) for name in SCHEMA])

MEANING = {
    "fields": "wrong number of fields",
    "utf8": "not valid UTF-8",
    "quote": "unbalanced quotes",
    "separator": "a list's entry contains the list's separator",
    "required": "empty, but required",
    "entry": "empty entry in a list",
    "integer": "not an integer",
    "number": "not a finite number",
    "allowed": "not an allowed value",
    "range": "outside the range",
}
"""What each rule says in messages."""


class Rejected:
    """The rejected rows of a run: counted, the first few kept, all written to a file.

    Parameters
    ----------
    work
        Folder for the file until it is published; made when a row is rejected.

    Attributes
    ----------
    rows
        Rejected rows; a row may have several violations.
    """

    def __init__(self, work: Path) -> None:
        self._work = work
        self._writer: pq.ParquetWriter | None = None
        self._counts: Counter[tuple[str | None, str]] = Counter()
        self._first = pl.DataFrame(schema=SCHEMA)
        self.rows = 0

    def add(self, violations: pl.DataFrame, rows: int) -> None:
        """Add the violations (columns of ``SCHEMA``) of some rejected rows.

        Raises
        ------
        UserError
            When they cannot be written.
        """
        self.rows += rows
        if violations.is_empty():
            return
        for column, rule, count in violations.group_by("column", "rule").len().iter_rows():
            self._counts[column, rule] += count
        self._first = pl.concat([self._first, violations.head(_SHOWN)]).head(_SHOWN)
        with writing(self._work / NAME) as path:
            if self._writer is None:
                self._writer = pq.ParquetWriter(path, _ARROW, compression="zstd")
            self._writer.write_table(violations.to_arrow().cast(_ARROW))

    def publish(self, directory: Path) -> Path | None:
        """Move the file to a folder; return its path, or None when nothing was rejected."""
        if self._writer is None:
            return None
        path = directory / NAME
        with published(path) as temporary:
            self._writer.close()
            (self._work / NAME).replace(temporary)
        return path

    def summary(self, schema: DatasetSchema) -> str:
        """Return counts per rule and the first few violations with file and line."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1], str(item[0])))
        lines = [
            f"  {count:>9,}  {f'{column}: ' if column else ''}{MEANING[rule]}"
            for (column, rule), count in ranked
        ]
        lines.append("First of them:")
        lines += [
            f"  {row['file']}:{row['line']}: {_explain(row, schema)}"
            for row in self._first.iter_rows(named=True)
        ]
        return "\n".join(lines)


def _explain(violation: dict[str, str], schema: DatasetSchema) -> str:
    if violation["column"]:
        column = next(c for c in schema.columns if c.name == violation["column"])
        shown = _short(violation["value"])
        return f"{column.name} {shown} {explain_cell(column, violation['value'])}"
    if violation["rule"] == "fields":
        count = violation["value"]
        fields = "field" if count == "1" else "fields"
        return f"{count} {fields} instead of {len(schema.columns)}"
    return f"{MEANING[violation['rule']]}: {_short(violation['raw'])}"


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_VALUE else text[: _SHOWN_VALUE - 1] + "…")
