"""Which features share an embedding table, and where the rows of each begin in it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import accumulate

from smt_schemas import Column, UserError

MAX_ROWS = 2**31 - 1
"""Row numbers are int32."""


@dataclass(frozen=True)
class TableLayout:
    """One embedding table: a row for each bucket, then rows that keys can own.

    Attributes
    ----------
    features
        The features that share the table, in the order of their vectors.
    dim
        Width of a vector.
    offsets
        First row of each feature's buckets, and at the end the first row that a key can own.
    capacity
        Rows that keys can own.
    """

    features: tuple[Column, ...]
    dim: int
    offsets: tuple[int, ...]
    capacity: int = 0

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return self.offsets[-1] + self.capacity

    @property
    def width(self) -> int:
        """Width of the vectors of all features side by side."""
        return self.dim * len(self.features)


def fused_tables(
    features: Iterable[Column], unbucketed: Collection[str] = (), capacity: int = 0
) -> tuple[TableLayout, ...]:
    """Return one table for each embedding width, all features of that width in it.

    One table means one lookup and one sparse update a step. Widths come in the order of
    their first feature, the features of a width in file order.

    Parameters
    ----------
    features
        The features of the model.
    unbucketed
        Features that have no rows for buckets, as each key owns a row.
    capacity
        Rows for keys in each table.

    Raises
    ------
    UserError
        When a table has more rows than an int32 can number.
    """
    widths: dict[int, list[Column]] = {}
    for column in features:
        widths.setdefault(column.dim, []).append(column)
    return tuple(_table(columns, unbucketed, capacity) for columns in widths.values())


def separate_tables(features: Iterable[Column]) -> tuple[TableLayout, ...]:
    """Return a table for each feature, in the order in which `fused_tables` has their vectors."""
    return tuple(_table([c], (), 0) for table in fused_tables(features) for c in table.features)


def _table(columns: Iterable[Column], unbucketed: Collection[str], capacity: int) -> TableLayout:
    features = tuple(columns)
    buckets = (0 if column.name in unbucketed else column.buckets for column in features)
    layout = TableLayout(features, features[0].dim, tuple(accumulate(buckets, initial=0)), capacity)
    if layout.rows > MAX_ROWS:
        msg = (
            f"The features of embedding_dim {layout.dim} need {layout.rows:,} rows in all; a "
            f"table holds at most {MAX_ROWS:,}. Lower hash_buckets in the schema."
        )
        raise UserError(msg)
    return layout
