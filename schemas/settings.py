"""Which settings of a column make sense together."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smt_schemas.column import Column

LARGEST_FLOAT = (2 - 2**-23) * 2.0**127
"""The largest finite float32."""


def is_none(value: object) -> bool:
    """Return whether a setting is not set."""
    return value is None


def column_problem(column: "Column") -> str | None:
    """Return what is wrong with a column's settings, or None."""
    checks = [
        *_of_role(column),
        *_of_range(column),
        *_of_list(column),
        *_of_encoding(column),
        *_of_numeric(column),
    ]
    return next((text for wrong, text in checks if wrong), None)


def _of_role(column: "Column") -> list[tuple[bool, str]]:
    is_label = column.role == "label"
    return [
        (column.is_numeric and column.role not in ("user", "item"), "only features are numeric"),
        (column.is_feature and column.hash_buckets is None, "a feature needs hash_buckets"),
        (column.is_feature and column.embedding_dim is None, "a feature needs embedding_dim"),
        (
            column.is_numeric and (column.hash_buckets or column.embedding_dim) is not None,
            "a numeric feature has neither hash_buckets nor embedding_dim",
        ),
        (
            not column.is_feature and column.hash_buckets is not None,
            "only features have buckets",
        ),
        (not column.is_feature and column.is_list, "only features can be lists"),
        (is_label and column.task is None, "a label needs a task"),
        (not is_label and column.task is not None, "only labels have a task"),
        (is_label and column.allowed != [0, 1], "a label has allowed = [0, 1]"),
        (is_label and column.type != "int", 'a label has type = "int"'),
        (is_label and not column.required, "a label has required = true"),
        (is_label and bool(column.null_tokens), "a label has no null_tokens"),
    ]


def _of_range(column: "Column") -> list[tuple[bool, str]]:
    low, high = column.minimum, column.maximum
    bounds = [bound for bound in (low, high) if bound is not None]
    wanted = int if column.type == "int" else str
    return [
        (
            bool(bounds) and column.type == "string",
            'minimum and maximum need type = "int" or "float"',
        ),
        (
            column.type == "int" and any(type(bound) is not int for bound in bounds),
            "the range of an int column is of integers",
        ),
        (low is not None and high is not None and low > high, "minimum exceeds maximum"),
        ("" in column.null_tokens, "an empty cell is a missing value without null_tokens"),
        (
            column.type == "float" and column.allowed is not None,
            "a float column has a range, but no allowed values",
        ),
        (
            any(type(value) is not wanted for value in column.allowed or []),
            f"allowed values must be of type {column.type}",
        ),
    ]


def _of_list(column: "Column") -> list[tuple[bool, str]]:
    ranged = column.minimum is not None or column.maximum is not None
    return [
        (
            column.is_list and (ranged or bool(column.allowed)),
            "a list has no range or allowed values",
        ),
        (column.is_list and bool(column.null_tokens), "a list has no null tokens"),
        (column.is_list and column.type == "float", "a list cannot be of floats"),
        (
            column.is_list and column.encoding == "identity",
            "a list cannot be identity encoded",
        ),
    ]


def _of_encoding(column: "Column") -> list[tuple[bool, str]]:
    is_identity, is_vocab = column.encoding == "identity", column.encoding == "vocab"
    return [
        (
            is_identity and (column.type != "int" or not column.required),
            'encoding = "identity" needs type = "int" and required = true',
        ),
        (
            is_identity and bool(column.null_tokens),
            'encoding = "identity" has no null tokens',
        ),
        (is_vocab and column.min_count is None, 'encoding = "vocab" needs min_count'),
        (not is_vocab and column.min_count is not None, 'min_count needs encoding = "vocab"'),
        (
            column.embedding_options is not None
            and not (column.is_feature and column.encoding == "hash"),
            'embedding_options are for a feature with encoding = "hash"',
        ),
    ]


def _of_numeric(column: "Column") -> list[tuple[bool, str]]:
    may_be_missing = not column.required or bool(column.null_tokens)
    has_value = column.null_value is not None
    return [
        (
            column.is_feature and column.type == "float",
            'a float cannot be embedded: a feature of type = "float" needs encoding = "numeric"',
        ),
        (column.is_numeric and column.type != "float", 'encoding = "numeric" needs type = "float"'),
        (
            column.is_numeric and may_be_missing and not has_value,
            "a numeric feature needs null_value, or required = true and no null tokens",
        ),
        (
            has_value and not (column.is_numeric and may_be_missing),
            "null_value is for a numeric feature that may be missing",
        ),
        (
            abs(column.null_value or 0.0) > LARGEST_FLOAT,
            "null_value exceeds the range of float32",
        ),
    ]
