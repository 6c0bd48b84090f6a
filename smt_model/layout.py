"""Which features share an embedding table, and where the rows of each begin in it."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from smt_schemas import Column, DatasetSchema, UserError

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


def fused_tables(schema: DatasetSchema) -> tuple[TableLayout, ...]:
    """Return one table for each embedding width, all features of that width in it.

    One table means one lookup and one sparse update a step. Widths come in the order of
    their first feature, the features of a width in file order.

    Raises
    ------
    UserError
        When a table has more rows than an int32 can number.
    """
    widths: dict[int, list[Column]] = {}
    for column in schema.features:
        widths.setdefault(column.dim, []).append(column)
    return tuple(_table(columns) for columns in widths.values())


def separate_tables(schema: DatasetSchema) -> tuple[TableLayout, ...]:
    """Return a table for each feature, in the order in which `fused_tables` has their vectors."""
    return tuple(_table([column]) for table in fused_tables(schema) for column in table.features)


def _table(columns: Iterable[Column]) -> TableLayout:
    features = tuple(columns)
    offsets = tuple(accumulate((column.buckets for column in features), initial=0))
    if offsets[-1] > MAX_ROWS:
        msg = (
            f"The features of embedding_dim {features[0].dim} have {offsets[-1]:,} buckets in "
            f"all; a table holds at most {MAX_ROWS:,}. Lower hash_buckets in the schema."
        )
        raise UserError(msg)
    return TableLayout(features, features[0].dim, offsets)
