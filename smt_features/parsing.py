"""Splits a block of lines into cells: one row a line, every line accounted for.

Polars parses the lines that need no care. It drops surplus cells and fills missing ones
silently, so the cells' bytes are summed and held against the text's length: they match if and
only if the line has the right number of separators. A block whose totals match needs no look at
single lines. Lines with quotes are split by Python's ``csv`` module, and invalid UTF-8 is found
line by line; both are rare.
"""

import codecs
import csv
from contextlib import suppress

import numpy as np
import numpy.typing as npt
import polars as pl

from smt_features.blocks import Block
from smt_features.rowblock import RowBlock
from smt_schemas import CsvFormat

csv.field_size_limit(2**31 - 1)  # lines are bounded already

NEWLINE, RETURN = 10, 13

_ROW = "__row"  # no column of a schema begins with an underscore


class LineIndex:
    """Where the lines of a block begin and end."""

    def __init__(self, data: bytes) -> None:
        buffer = np.frombuffer(data, np.uint8)
        self._data = data
        self._ends = _newlines(buffer)
        self._starts = np.concatenate([[0], self._ends[:-1] + 1])
        carriage = buffer[np.maximum(self._ends - 1, 0)] == RETURN
        self.lengths = self._ends - self._starts
        self.lengths -= carriage & (self.lengths > 0)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, row: int) -> bytes:
        """Return a line without its line end."""
        start = int(self._starts[row])
        return self._data[start : start + int(self.lengths[row])]


def parse(block: Block, names: list[str], fmt: CsvFormat) -> RowBlock:
    """Split a block's lines into the cells of the named columns."""
    data = block.data
    if data.isascii() and b'"' not in data and b"\r" not in data:
        cells = _split(data, names, fmt)
        if _adds_up(cells, len(data)):
            return _row_block(block, cells, {})
    return _parse_by_line(block, names, fmt)


def _parse_by_line(block: Block, names: list[str], fmt: CsvFormat) -> RowBlock:
    lines = LineIndex(block.data)
    careful = _undecodable(block.data, lines) | _quoted(block.data, lines)
    careful |= _returned(block.data, lines)
    if block.data.startswith(codecs.BOM_UTF8):  # Polars would drop it: a block may begin anywhere
        careful.add(0)
    data = block.data if not careful else _blanked(lines, careful)
    cells = _split(data, names, fmt)
    assert cells.height == len(lines), "one row a line"
    refused = dict.fromkeys(_ragged(cells, lines, len(names)), "fields")
    patches = {}
    for row in sorted(careful):
        refused.pop(row, None)
        outcome = _split_carefully(lines[row], len(names), fmt)
        if isinstance(outcome, str):
            refused[row] = outcome
        else:
            patches[row] = outcome
    return _row_block(block, _patched(cells, patches), dict(sorted(refused.items())))


def _row_block(block: Block, cells: pl.DataFrame, refused: dict[int, str]) -> RowBlock:
    def raw(rows: list[int]) -> list[str]:
        lines = LineIndex(block.data)
        return [lines[row].decode("utf-8", "backslashreplace") for row in rows]

    return RowBlock(
        source=block.source,
        ordinal=block.ordinal,
        cells=cells,
        refused=refused,
        raw=raw,
        position=block.position,
    )


def _adds_up(cells: pl.DataFrame, size: int) -> bool:
    """Return whether every line has the right number of separators, judging by totals.

    A line with too few leaves its last cell empty. If no last cell is, none has too few, and
    the bytes add up only if none has too many.
    """
    total, shortened = cells.select(
        pl.sum_horizontal(pl.all().str.len_bytes().cast(pl.Int64).sum()),
        shortened=(pl.last() == "").any(),
    ).row(0)
    return not shortened and total + cells.height * cells.width == size


def _newlines(buffer: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    # Small pieces keep the comparison's result in the cache.
    step = 1 << 18
    pieces = [
        np.flatnonzero(buffer[start : start + step] == NEWLINE) + start
        for start in range(0, len(buffer), step)
    ]
    return np.concatenate(pieces)


def _split(data: bytes, names: list[str], fmt: CsvFormat) -> pl.DataFrame:
    # It leaves a chunk for each piece of the text: every later step would take them one by one.
    return pl.read_csv(
        data,
        has_header=False,
        separator=fmt.separator,
        quote_char=None,
        schema=dict.fromkeys(names, pl.String),
        empty_string_is_null=False,
        missing_columns="insert",
        extra_columns="ignore",
    ).rechunk()


def _ragged(cells: pl.DataFrame, lines: LineIndex, columns: int) -> list[int]:
    widths = cells.select(pl.sum_horizontal(pl.all().str.len_bytes().cast(pl.Int64))).to_series()
    wrong = np.flatnonzero(widths.to_numpy() + (columns - 1) != lines.lengths)
    return wrong.tolist()


def _undecodable(data: bytes, lines: LineIndex) -> set[int]:
    if data.isascii():
        return set()
    try:
        data.decode()
    except UnicodeDecodeError:
        return {row for row in range(len(lines)) if not _is_utf8(lines[row])}
    return set()


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _quoted(data: bytes, lines: LineIndex) -> set[int]:
    if b'"' not in data:
        return set()
    return {row for row in range(len(lines)) if b'"' in lines[row]}


def _returned(data: bytes, lines: LineIndex) -> set[int]:
    """Return the lines with a carriage return that is no line end: Polars drops some of them."""
    if data.count(b"\r") == data.count(b"\r\n"):
        return set()
    return {row for row in range(len(lines)) if b"\r" in lines[row]}


def _blanked(lines: LineIndex, rows: set[int]) -> bytes:
    return b"\n".join(b"" if row in rows else lines[row] for row in range(len(lines))) + b"\n"


def _split_carefully(line: bytes, columns: int, fmt: CsvFormat) -> list[str] | str:
    try:
        text = line.decode()
        if '"' in text:
            cells = next(csv.reader([text], delimiter=fmt.separator, strict=True))
        else:
            cells = text.split(fmt.separator)
    except UnicodeDecodeError:
        return "utf8"
    except csv.Error:
        return "quote"
    return cells if len(cells) == columns else "fields"


def count_fields(line: str, fmt: CsvFormat) -> int:
    """Return the number of fields of a line whose quotes are balanced."""
    return len(split_line(line, fmt.separator))


def split_line(line: str, separator: str) -> list[str]:
    """Return the cells of a line whose quotes are balanced."""
    if '"' in line:
        # A carriage return in mid-line is what the reader fails on; no cell spans lines here.
        with suppress(csv.Error):
            return next(csv.reader([line], delimiter=separator))
    return line.split(separator)


def _patched(cells: pl.DataFrame, patches: dict[int, list[str]]) -> pl.DataFrame:
    if not patches:
        return cells
    rows = pl.Series(_ROW, list(patches), pl.UInt32)
    fixed = pl.DataFrame(list(patches.values()), schema=cells.schema, orient="row")
    return (
        cells.with_row_index(_ROW).update(fixed.with_columns(rows), on=_ROW, how="left").drop(_ROW)
    )
