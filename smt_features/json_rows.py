"""Reads a block of JSON lines as cells: an object a line, with every column by name.

A string is its text, a number the digits as they stand, null an empty cell; a list column may
also be an array of these. Every column must be there and nothing unknown, so that a misspelt
name is an error and not a missing value.
"""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl

from smt_features.blocks import Block
from smt_features.rowblock import RowBlock
from smt_schemas import Column, DatasetSchema


class _LineError(Exception):
    """A line is no row; the text says why."""


def parse_json(block: Block, schema: DatasetSchema, ignored: frozenset[str]) -> RowBlock:
    """Read a block's lines as the cells of a schema.

    Parameters
    ----------
    block
        Whole lines.
    schema
        The columns.
    ignored
        Names that an object may have besides.

    Returns
    -------
    RowBlock
        ``refused`` gives the reason in words.
    """
    lines = block.data.split(b"\n")[:-1]
    empty = ("",) * len(schema.columns)
    rows, refused = [], {}
    for row, line in enumerate(lines):
        try:
            rows.append(_cells(line, schema, ignored))
        except _LineError as error:
            rows.append(empty)
            # A name in it may be no valid Unicode.
            refused[row] = str(error).encode(errors="backslashreplace").decode()
    names = {column.name: pl.String for column in schema.columns}
    return RowBlock(
        source=block.source,
        ordinal=block.ordinal,
        cells=pl.DataFrame(rows, schema=names, orient="row"),
        refused=refused,
        raw=lambda positions: [lines[row].decode("utf-8", "replace") for row in positions],
        position=block.position,
    )


def _cells(line: bytes, schema: DatasetSchema, ignored: frozenset[str]) -> tuple[str, ...]:
    try:
        found = json.loads(
            line,
            parse_int=str,
            parse_float=str,
            parse_constant=_refuse,
            object_pairs_hook=_once,
        )
    except (ValueError, RecursionError) as error:
        reason = f"not JSON: {error}"
        raise _LineError(reason) from error
    if not isinstance(found, dict):
        raise _LineError("not a JSON object")
    _check_names(found, schema, ignored)
    cells = tuple(_text(found[column.name], column) for column in schema.columns)
    try:
        "".join(cells).encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair, escaped
        reason = "not valid Unicode"
        raise _LineError(reason) from error
    return cells


def _check_names(found: Mapping[str, Any], schema: DatasetSchema, ignored: frozenset[str]) -> None:
    names = {column.name for column in schema.columns}
    if missing := names - found.keys():
        reason = f"{', '.join(sorted(missing))}: missing; write null where there is no value"
        raise _LineError(reason)
    if unknown := found.keys() - names - ignored:
        reason = f"{', '.join(sorted(unknown))}: no column of schema {schema.name!r}"
        raise _LineError(reason)


def _text(value: object, column: Column) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    separator = column.separator
    if isinstance(value, list) and separator is not None:
        entries = ["" if entry is None else entry for entry in value]
        if not all(isinstance(entry, str) and separator not in entry for entry in entries):
            reason = f"{column.name}: an entry is no text or number without {separator!r}"
            raise _LineError(reason)
        # A list of one empty entry would read as an empty list; two are as wrong.
        return separator.join(entries) if entries != [""] else separator
    reason = f"{column.name}: neither text nor a number, but {json.dumps(value)[:60]}"
    raise _LineError(reason)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = Counter(name for name, _ in pairs)
        reason = f"{names.most_common(1)[0][0]}: there more than once"
        raise _LineError(reason)
    return found


def _refuse(constant: str) -> None:
    reason = f"{constant} is no number"
    raise ValueError(reason)
