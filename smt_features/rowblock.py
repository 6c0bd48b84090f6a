"""Rows of a source as cells, whatever the file's format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from smt_features.sources import Source


@dataclass(frozen=True)
class RowBlock:
    """Consecutive rows of a source.

    Attributes
    ----------
    source
        The file they come from.
    ordinal
        Number of the block in its source, from 0.
    cells
        A String column per schema column; "" where a cell is empty.
    refused
        Position in ``cells`` to the rule that the whole line breaks: ``fields``, ``utf8`` or
        ``quote``. The cells of such a row mean nothing.
    raw
        Gives the raw lines of positions in ``cells``.
    position
        Bytes of the file that were read so far, for showing progress.
    """

    source: Source
    ordinal: int
    cells: pl.DataFrame
    refused: Mapping[int, str]
    raw: Callable[[list[int]], list[str]]
    position: int
