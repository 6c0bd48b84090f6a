"""Guesses how a text file is written: its separator, and whether a header names its columns."""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from smt_features.parsing import split_line
from smt_schemas import NUMBER, CsvFormat, UserError

SEPARATORS = ("\t", ",", ";", "|", "\x01")
"""Between columns; the first one that fits is taken."""

_LINES = 1000
_FITS = 0.9
_NAME = r"[A-Za-z][A-Za-z0-9_]{0,63}"


class TextFormat(NamedTuple):
    """How a file is written, and what its columns are called."""

    csv: CsvFormat
    names: list[str]


def guess_format(data: bytes, path: Path) -> TextFormat:
    """Guess the format of a file from its first lines.

    Raises
    ------
    UserError
        When the first line is a header with a name that a column cannot have.
    """
    lines = [line.rstrip("\r") for line in data.decode("utf-8", "replace").split("\n", _LINES)]
    lines = [line for line in lines[:_LINES] if line]
    if not lines:
        msg = f"{path}: its first {_LINES:,} lines are blank."
        raise UserError(msg)
    separator, width = _separator(lines)
    rows = [cells for line in lines if len(cells := split_line(line, separator)) == width]
    first, rest = rows[0], rows[1:]
    if not _is_header(first, rest):
        names = [f"column_{number}" for number in range(1, width + 1)]
        return TextFormat(CsvFormat(separator=separator), names)
    require_names(first, f"{path}, line 1")
    return TextFormat(CsvFormat(separator=separator, header=True), first)


def require_names(names: list[str], where: str) -> None:
    """Check that a schema can have columns of these names.

    Raises
    ------
    UserError
        Naming the first that it cannot have.
    """
    for number, name in enumerate(names, 1):
        if not re.fullmatch(_NAME, name):
            msg = (
                f"{where}: column {number} is called {name!r}. A name has letters, digits and "
                "underscores, at most 64, and begins with a letter. Rename the column."
            )
            raise UserError(msg)


def _separator(lines: list[str]) -> tuple[str, int]:
    """Return the separator and the number of columns."""
    candidates = []
    for separator in SEPARATORS:
        widths = Counter(len(split_line(line, separator)) for line in lines)
        width, count = widths.most_common(1)[0]
        if width > 1:
            candidates.append((count / len(lines), separator, width))
    fitting = [candidate for candidate in candidates if candidate[0] >= _FITS]
    if fitting or candidates:
        _, separator, width = (fitting or sorted(candidates, reverse=True))[0]
        return separator, width
    return ",", 1


def _is_header(first: list[str], rest: list[list[str]]) -> bool:
    """Return whether the first line is unlike the others: no numbers, nothing twice or empty."""
    if not rest or "" in first or len(set(first)) < len(first) or any(map(_is_number, first)):
        return False
    columns = list(zip(*rest, strict=True))
    if any(all(_is_number(cell) for cell in column if cell) for column in columns):
        return True
    seen_below = any(name in column for name, column in zip(first, columns, strict=True))
    return not seen_below and all(re.fullmatch(_NAME, name) for name in first)


def _is_number(text: str) -> bool:
    return re.fullmatch(NUMBER, text) is not None
