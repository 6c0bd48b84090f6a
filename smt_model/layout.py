"""Which features share an embedding table, and where the rows of each begin in it."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from smt_schemas import Column, UserError

MAX_ROWS = 2**31 - 1
"""Row numbers are int32."""


@dataclass(frozen=True)
class TableLayout:
    """One embedding table.

    Attributes
    ----------
    features
        The features that share the table, in the order of their vectors.
    dim
        Width of a vector.
    offsets
        First row of each feature, and at the end the number of rows.
    """

    features: tuple[Column, ...]
    dim: int
    offsets: tuple[int, ...]

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return self.offsets[-1]

    @property
    def width(self) -> int:
        """Width of the vectors of all features side by side."""
        return self.dim * len(self.features)


@dataclass(frozen=True)
class EvLayout:
    """A table of embedding variables: its rows belong to keys, in the order of admission.

    Attributes
    ----------
    features
        The features that share the table, in the order of their vectors.
    dim
        Width of a vector.
    rows
        Keys that it has room for. Rows cost memory only once a key owns them.
    """

    features: tuple[Column, ...]
    dim: int
    rows: int

    @property
    def width(self) -> int:
        """Width of the vectors of all features side by side."""
        return self.dim * len(self.features)


def ev_tables(columns: Iterable[Column], capacity: int) -> tuple[EvLayout, ...]:
    """Return one table for each embedding width of some features, in the order they come."""
    return tuple(EvLayout(features, dim, capacity) for dim, features in _by_width(columns).items())


def fused_tables(columns: Iterable[Column]) -> tuple[TableLayout, ...]:
    """Return one table for each embedding width of some features, all of that width in it.

    One table means one lookup and one sparse update a step. Widths come in the order of
    their first feature, the features of a width in file order.

    Raises
    ------
    UserError
        When a table has more rows than an int32 can number.
    """
    return tuple(_table(features) for features in _by_width(columns).values())


def _by_width(columns: Iterable[Column]) -> dict[int, tuple[Column, ...]]:
    widths: dict[int, tuple[Column, ...]] = {}
    for column in columns:
        widths[column.dim] = (*widths.get(column.dim, ()), column)
    return widths


def _table(features: tuple[Column, ...]) -> TableLayout:
    offsets = tuple(accumulate((column.buckets for column in features), initial=0))
    if offsets[-1] > MAX_ROWS:
        msg = (
            f"The features of embedding_dim {features[0].dim} have {offsets[-1]:,} buckets in "
            f"all; a table holds at most {MAX_ROWS:,}. Lower hash_buckets in the schema."
        )
        raise UserError(msg)
    return TableLayout(features, features[0].dim, offsets)
