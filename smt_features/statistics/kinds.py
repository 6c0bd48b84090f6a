"""Which figures a column has."""

from smt_schemas import Column, DatasetSchema


def has_buckets(column: Column) -> bool:
    """Return whether a text alone decides its bucket."""
    return column.is_feature and column.encoding in ("hash", "identity")


def rated_columns(schema: DatasetSchema) -> list[Column]:
    """Return the columns whose values have label rates: features with one value in a row."""
    return [
        column
        for column in schema.columns
        if column.role in ("user", "item") and not column.is_list
    ]
