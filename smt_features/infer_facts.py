"""What the cells of a column have in common."""

import re
from collections.abc import Iterable

import numpy as np
import polars as pl

from smt_schemas import INTEGER, NUMBER

ENTRY_SEPARATORS = ("|", ";", ",", "\x01", "\x02", "\x1f")
"""Between the entries of a list."""

NULL_TOKENS = ("NULL", "null", "None", "none", "NA", "N/A", "NaN", "nan", "\\N")
"""Texts that usually mean "missing"."""

DIGITS = r"[+-]?[0-9]+"
"""What ids and codes are made of: also with leading zeros or a sign, and of any length."""

MAX_VALUES = 1_000_000
"""Distinct cells that are remembered."""

LARGEST = float(np.finfo(np.float32).max)
"""Of a numeric column, which is stored as float32."""


class Facts:
    """Facts about a column, collected block by block.

    Parameters
    ----------
    name
        Of the column.

    Attributes
    ----------
    rows, empty
        Cells, and empty ones.
    values
        The distinct cells that are not empty, ``MAX_VALUES`` at most.
    is_unique
        Whether no cell is empty or equals another one, as far as ``values`` tells.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows = 0
        self.empty = 0
        self.values = pl.Series(name, dtype=pl.String)
        self.is_unique = True
        self._misfits: dict[str, pl.Series] = {}
        self._of_entries = {
            (separator, holds): True
            for separator in ENTRY_SEPARATORS
            for holds in (_are_whole, _are_trimmed, _are_int)
        }

    def add(self, cells: pl.Series) -> None:
        """Take the cells of some rows, "" where empty."""
        self.rows += len(cells)
        self.empty += int((cells == "").sum())
        values = cells.filter(cells != "").unique(maintain_order=True)
        for kind, pattern in (("int", INTEGER), ("digits", DIGITS), ("float", NUMBER)):
            fits = values.str.contains(f"^{pattern}$")
            if kind == "float":
                size = values.cast(pl.Float64, strict=False).abs()
                fits &= (size <= LARGEST).fill_null(value=False)
            misfits = values.filter(~fits)
            # A few are enough to tell null tokens from text.
            known = self._misfits.get(kind, values.clear())
            self._misfits[kind] = pl.concat([known, misfits]).unique().head(len(NULL_TOKENS) + 1)
        for (separator, holds), so_far in self._of_entries.items():
            self._of_entries[separator, holds] = so_far and holds(values, separator)
        if self.is_unique or len(self.values) < MAX_VALUES:
            every = pl.concat([self.values, values]).unique(maintain_order=True)
            self.is_unique &= len(every) == len(self.values) + len(cells)
            self.values = every.head(MAX_VALUES)

    @property
    def null_tokens(self) -> list[str]:
        """The usual texts for "missing" that occur."""
        return [token for token in NULL_TOKENS if token in self.values]

    @property
    def texts(self) -> pl.Series:
        """The distinct cells that are neither empty nor null tokens."""
        return self.values.filter(~self.values.is_in(self.null_tokens))

    def is_of(self, kind: str) -> bool:
        """Return whether all texts are an ``int``, ``digits`` or a ``float``."""
        misfits = self._misfits[kind]
        return len(self.texts) > 0 and bool(misfits.is_in(self.null_tokens).all())

    def separator(self, taken: Iterable[str]) -> str | None:
        """Return what separates the entries, or None when the column is no list."""
        for separator in ENTRY_SEPARATORS:
            occurs = self.values.str.contains(separator, literal=True).any()
            if separator not in taken and occurs and self._are_lists(separator):
                return separator
        return None

    def entries(self, separator: str) -> pl.Series:
        """Return the distinct entries of the lists."""
        return self.values.str.split(separator).list.explode().unique()

    def entries_are_int(self, separator: str) -> bool:
        """Return whether all entries of all lists are integers."""
        return self._of_entries[separator, _are_int]

    def entries_are_whole(self, separator: str) -> bool:
        """Return whether no list has an empty entry."""
        return self._of_entries[separator, _are_whole]

    def _are_lists(self, separator: str) -> bool:
        # Prose has a space around its commas.
        return self.entries_are_whole(separator) and self._of_entries[separator, _are_trimmed]


def _are_whole(values: pl.Series, separator: str) -> bool:
    """Return whether no entry is empty."""
    mark = re.escape(separator)
    return not values.str.contains(f"^{mark}|{mark}{mark}|{mark}$").any()


def _are_trimmed(values: pl.Series, separator: str) -> bool:
    """Return whether no entry of a list has a space around it."""
    separated = values.filter(values.str.contains(separator, literal=True))
    entries = separated.str.split(separator).list.explode()
    return bool((entries == entries.str.strip_chars()).all())


def _are_int(values: pl.Series, separator: str) -> bool:
    """Return whether all entries are integers."""
    mark = re.escape(separator)
    return bool(values.str.contains(f"^{INTEGER}(?:{mark}{INTEGER})*$").all())
