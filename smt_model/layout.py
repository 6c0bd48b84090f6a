"""Which features share an embedding table, and where the rows of each begin in it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from smt_model.multihash import MultiHash
from smt_schemas import Column, UserError

MAX_ROWS = 2**31 - 1
"""Row numbers are int32."""


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a table that are initialised and saved together.

    Attributes
    ----------
    name
        The feature, or which of its two tables.
    rows
        How many there are.
    deviation
        Of the initial vectors.
    """

    name: str
    rows: int
    deviation: float


@dataclass(frozen=True)
class FeatureLayout:
    """How the vectors of a feature are kept.

    Attributes
    ----------
    column
        The feature.
    dim
        Width of its rows.
    blocks
        Its rows, a block after the other.
    bags
        How many means of rows, side by side, are its vector.
    multihash
        How two rows make the vector of a bucket; None where it is one row.
    """

    column: Column
    dim: int
    blocks: tuple[Block, ...]
    bags: int = 1
    multihash: MultiHash | None = None

    @property
    def name(self) -> str:
        """Name of the feature."""
        return self.column.name

    @property
    def products(self) -> int:
        """Products of two rows that there can be."""
        is_product = self.multihash is not None and self.multihash.operation == "mul"
        return self.column.buckets if is_product else 0


@dataclass(frozen=True)
class TableLayout:
    """One embedding table: the rows of buckets, then rows that keys can own.

    Attributes
    ----------
    features
        The features that share the table, in the order of their vectors.
    dim
        Width of a row.
    capacity
        Rows that keys can own.
    """

    features: tuple[FeatureLayout, ...]
    dim: int
    capacity: int = 0

    @property
    def blocks(self) -> list[Block]:
        """The blocks of all features."""
        return [block for feature in self.features for block in feature.blocks]

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """First row of each block, and at the end the first row that a key can own."""
        return tuple(accumulate((block.rows for block in self.blocks), initial=0))

    @cached_property
    def starts(self) -> dict[str, int]:
        """First row of each feature."""
        sizes = (sum(block.rows for block in feature.blocks) for feature in self.features)
        first = accumulate(sizes, initial=0)
        return dict(zip((feature.name for feature in self.features), first, strict=False))

    @cached_property
    def rows(self) -> int:
        """Rows of the table."""
        return self.offsets[-1] + self.capacity

    @cached_property
    def bags(self) -> int:
        """Means of rows that an example has."""
        return sum(feature.bags for feature in self.features)

    @property
    def width(self) -> int:
        """Width of the vectors of all features side by side."""
        return self.dim * self.bags

    @cached_property
    def products(self) -> int:
        """Products of two rows that there can be."""
        return sum(feature.products for feature in self.features)


def fused_tables(
    features: Iterable[Column],
    unbucketed: Collection[str] = (),
    capacity: int = 0,
    multihash: Mapping[str, MultiHash] | None = None,
    block_sizes: Mapping[str, int] | None = None,
) -> tuple[TableLayout, ...]:
    """Return one table for each width of rows, all features of that width in it.

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
    multihash
        How two rows make a vector, for the features where they do.
    block_sizes
        Width of the blocks that make the vectors of a feature, where several do.

    Raises
    ------
    UserError
        When a table has more rows than an int32 can number.
    """
    widths: dict[int, list[FeatureLayout]] = {}
    for column in features:
        name = column.name
        if size := (block_sizes or {}).get(name):
            blocks = (Block(name, 0, column.dim**-0.5),)
            feature = FeatureLayout(column, size, blocks, column.dim // size)
        else:
            feature = _feature(column, (multihash or {}).get(name), name in unbucketed)
        widths.setdefault(feature.dim, []).append(feature)
    return tuple(_table(placed, capacity) for placed in widths.values())


def separate_tables(
    features: Iterable[Column], multihash: Mapping[str, MultiHash] | None = None
) -> tuple[TableLayout, ...]:
    """Return a table for each feature, in the order in which `fused_tables` has their vectors."""
    fused = fused_tables(features, multihash=multihash)
    return tuple(_table([feature], 0) for table in fused for feature in table.features)


def _feature(column: Column, multihash: MultiHash | None, is_unbucketed: bool) -> FeatureLayout:
    name, dim = column.name, column.dim
    if multihash is None:
        rows = 0 if is_unbucketed else column.buckets
        return FeatureLayout(column, dim, (Block(name, rows, dim**-0.5),))
    halves = 2 if multihash.operation == "concat" else 1
    kinds = zip(("quotient", "remainder"), multihash.rows(column.buckets), strict=True)
    deviation = multihash.deviation(dim)
    blocks = tuple(Block(f"{name}/{kind}", rows, deviation) for kind, rows in kinds)
    return FeatureLayout(column, dim // halves, blocks, halves, multihash)


def _table(features: Iterable[FeatureLayout], capacity: int) -> TableLayout:
    placed = tuple(features)
    layout = TableLayout(placed, placed[0].dim, capacity)
    if layout.rows + layout.products > MAX_ROWS:
        remedy = "--ev-capacity" if capacity > MAX_ROWS // 2 else "hash_buckets in the schema"
        msg = (
            f"The features of embedding_dim {layout.dim} need {layout.rows:,} rows in all; a "
            f"table holds at most {MAX_ROWS:,}. Lower {remedy}."
        )
        raise UserError(msg)
    return layout
