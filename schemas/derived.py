"""Features that are computed from other columns of the same row."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from smt_schemas.column import MAX_BUCKETS, MAX_NAME, NAME, Column, EmbeddingOptions
from smt_schemas.settings import is_none


class DerivedFeature(BaseModel):
    """What all derived features have.

    Attributes
    ----------
    name
        Name in the shards and the model.
    hash_buckets
        Number of buckets. Counts and lengths that exceed the last bucket fall into it.
    embedding_dim
        Width of the embedding.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str = Field(pattern=NAME, max_length=MAX_NAME)
    hash_buckets: PositiveInt = Field(le=MAX_BUCKETS)
    embedding_dim: PositiveInt = Field(le=4096)


class Count(DerivedFeature):
    """How many entries of a list equal the cell of another column; 0 when it is missing."""

    kind: Literal["count"]
    value_column: str
    list_column: str


class Length(DerivedFeature):
    """How many entries a list has, repetitions included."""

    kind: Literal["length"]
    list_column: str


class Cross(DerivedFeature):
    """Two cells hashed as one text, with ``CROSS_SEPARATOR`` between them.

    Attributes
    ----------
    embedding_options
        As of a `Column`.
    """

    kind: Literal["cross"]
    columns: list[str] = Field(min_length=2, max_length=2)
    embedding_options: EmbeddingOptions | None = Field(default=None, exclude_if=is_none)


CROSS_SEPARATOR = "\x1f"
"""ASCII's unit separator, which hardly any log contains."""

Derived = Annotated[Count | Length | Cross, Field(discriminator="kind")]


def derived_column(feature: Derived, columns: Mapping[str, Column]) -> Column:
    """Return the column that a derived feature is once its cells are computed.

    It is a feature of the user if all columns that it comes from are, otherwise of the item.
    """
    is_cross = isinstance(feature, Cross)
    of_user = all(columns[name].role == "user" for name in derived_sources(feature))
    return Column(
        name=feature.name,
        role="user" if of_user else "item",
        type="string" if is_cross else "int",
        required=True,
        encoding="hash" if is_cross else "identity",
        embedding_options=feature.embedding_options if isinstance(feature, Cross) else None,
        hash_buckets=feature.hash_buckets,
        embedding_dim=feature.embedding_dim,
    )


def derived_problem(feature: Derived, columns: Mapping[str, Column]) -> str | None:
    """Return what is wrong with a derived feature of a log, or None."""
    if unknown := [name for name in derived_sources(feature) if name not in columns]:
        return f"there is no column {unknown[0]!r}"
    if not isinstance(feature, Cross) and not columns[feature.list_column].is_list:
        return f"{feature.list_column!r} is not a list"
    if isinstance(feature, Length):
        return None
    single = feature.columns if isinstance(feature, Cross) else [feature.value_column]
    if len(set(single)) < len(single):
        return f"{single[0]!r} is crossed with itself"
    for column in (columns[name] for name in single):
        if column.is_list or column.role == "label" or column.type == "float":
            return f"{column.name!r} is a {_kind(column)}; it takes a single int or string"
    return None


def derived_sources(feature: Derived) -> list[str]:
    """Return the names of the columns that a derived feature is computed from."""
    match feature:
        case Count():
            return [feature.value_column, feature.list_column]
        case Length():
            return [feature.list_column]
        case Cross():
            return feature.columns


def _kind(column: Column) -> str:
    if column.is_list:
        return "list"
    return "label" if column.role == "label" else "float"
