"""What a schema may not say, and how it is told."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from smt_schemas import DatasetSchema, UserError, taobao

LABEL = {
    "name": "clk",
    "role": "label",
    "type": "int",
    "required": True,
    "allowed": [0, 1],
    "task": "ctr",
}
FEATURE = {"name": "user", "role": "user", "hash_buckets": 10, "embedding_dim": 4}
LIST = FEATURE | {"separator": "|"}
IDENTITY = FEATURE | {"type": "int", "required": True, "encoding": "identity"}
IGNORED = {"name": "note", "role": "ignore"}
NUMERIC = {
    "name": "age",
    "role": "user",
    "type": "float",
    "encoding": "numeric",
    "null_value": 0.0,
}
VOCAB = FEATURE | {"encoding": "vocab", "min_count": 2}
SIZE = {"hash_buckets": 5, "embedding_dim": 4}
COUNT = SIZE | {"name": "seen", "kind": "count", "value_column": "kind", "list_column": "tags"}
LENGTH = SIZE | {"name": "entries", "kind": "length", "list_column": "tags"}
CROSS = SIZE | {"name": "both", "kind": "cross", "columns": ["kind", "user"]}


COLUMNS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": (FEATURE | {"buckets": 3}, "Extra inputs are not permitted"),
    "unknown role": (FEATURE | {"role": "context"}, "Input should be 'label', 'user'"),
    "unknown type": (FEATURE | {"type": "date"}, "Input should be 'int', 'float' or 'string'"),
    "number as text": (FEATURE | {"hash_buckets": "10"}, "valid integer"),
    "name with a dash": (FEATURE | {"name": "user-id"}, "String should match"),
    "name with a newline": (FEATURE | {"name": "user\n"}, "String should match"),
    "name with a leading underscore": (FEATURE | {"name": "_user"}, "String should match"),
    "no name": (FEATURE | {"name": ""}, "String should match"),
    "name too long": (FEATURE | {"name": "u" * 65}, "at most 64 characters"),
    "no buckets": (FEATURE | {"hash_buckets": None}, "a feature needs hash_buckets"),
    "zero buckets": (FEATURE | {"hash_buckets": 0}, "greater than 0"),
    "ids beyond int32": (FEATURE | {"hash_buckets": 2**31}, "less than or equal to 2147483647"),
    "no width": (FEATURE | {"embedding_dim": None}, "a feature needs embedding_dim"),
    "zero width": (FEATURE | {"embedding_dim": 0}, "greater than 0"),
    "buckets of an ignored column": (IGNORED | {"hash_buckets": 3}, "only features have buckets"),
    "ignored list": (IGNORED | {"separator": "|"}, "only features can be lists"),
    "label without task": (LABEL | {"task": None}, "a label needs a task"),
    "task of a feature": (FEATURE | {"task": "ctr"}, "only labels have a task"),
    "label with other values": (LABEL | {"allowed": [0, 1, 2]}, "a label has allowed = [0, 1]"),
    "label of truth values": (LABEL | {"allowed": [False, True]}, "allowed"),
    "label of text": (LABEL | {"type": "string"}, 'a label has type = "int"'),
    "label that may be missing": (LABEL | {"required": False}, "a label has required = true"),
    "embedding options without an embedding": (
        IGNORED | {"embedding_options": {"ev": True}},
        'embedding_options are for a feature with encoding = "hash"',
    ),
    "embedding options of what is not hashed": (
        IDENTITY | {"embedding_options": {"ev": True}},
        'embedding_options are for a feature with encoding = "hash"',
    ),
    "embedding option that is a list": (
        FEATURE | {"embedding_options": {"ev": [True]}},
        "embedding_options",
    ),
    "label with null tokens": (LABEL | {"null_tokens": ["-1"]}, "a label has no null_tokens"),
    "empty null token": (FEATURE | {"null_tokens": [""]}, "an empty cell is a missing value"),
    "empty range": (FEATURE | {"type": "int", "minimum": 2, "maximum": 1}, "minimum exceeds"),
    "range of text": (FEATURE | {"minimum": 1}, 'minimum and maximum need type = "int"'),
    "range of a list": (LIST | {"type": "int", "minimum": 1}, "a list has no range"),
    "allowed values of a list": (LIST | {"allowed": ["a"]}, "a list has no range or allowed"),
    "null tokens of a list": (LIST | {"null_tokens": ["-"]}, "a list has no null tokens"),
    "allowed numbers of text": (FEATURE | {"allowed": [1]}, "must be of type string"),
    "allowed text of an integer": (FEATURE | {"type": "int", "allowed": ["1"]}, "of type int"),
    "separator of two characters": (LIST | {"separator": "||"}, "String should match"),
    "separator beyond ASCII": (LIST | {"separator": "·"}, "String should match"),
    "identity of text": (IDENTITY | {"type": "string"}, 'needs type = "int"'),
    "identity that may be missing": (IDENTITY | {"required": False}, "required = true"),
    "identity of a list": (IDENTITY | {"separator": "|"}, "cannot be identity encoded"),
    "identity with null tokens": (IDENTITY | {"null_tokens": ["-"]}, "has no null tokens"),
    "embedded float": (FEATURE | {"type": "float"}, "a float cannot be embedded"),
    "numeric text": (NUMERIC | {"type": "string"}, 'needs type = "float"'),
    "numeric label": (LABEL | {"encoding": "numeric"}, "only features are numeric"),
    "numeric with buckets": (NUMERIC | {"hash_buckets": 3}, "neither hash_buckets nor"),
    "numeric with a width": (NUMERIC | {"embedding_dim": 3}, "neither hash_buckets nor"),
    "numeric list": (NUMERIC | {"separator": "|"}, "only features can be lists"),
    "numeric without null value": (NUMERIC | {"null_value": None}, "needs null_value"),
    "required numeric with null tokens and no null value": (
        NUMERIC | {"null_value": None, "required": True, "null_tokens": ["-"]},
        "needs null_value",
    ),
    "null value that is never used": (NUMERIC | {"required": True}, "that may be missing"),
    "null value of a hashed feature": (FEATURE | {"null_value": 0.0}, "null_value is for"),
    "null value beyond float32": (NUMERIC | {"null_value": 1e39}, "exceeds the range of float32"),
    "null value that is not finite": (NUMERIC | {"null_value": float("nan")}, "finite number"),
    "allowed numbers of a float": (NUMERIC | {"allowed": [1]}, "no allowed values"),
    "fractional range of an integer": (IDENTITY | {"minimum": 0.5}, "is of integers"),
    "infinite range": (NUMERIC | {"maximum": float("inf")}, "finite number"),
    "vocabulary without a minimum": (VOCAB | {"min_count": None}, "needs min_count"),
    "vocabulary of all": (VOCAB | {"min_count": 0}, "greater than 0"),
    "minimum count of a hash": (FEATURE | {"min_count": 2}, 'needs encoding = "vocab"'),
}


def schema_of(*columns: dict[str, Any], **fields: Any) -> DatasetSchema:
    parts = {"name": "log", "splits": {"train": "log"}, "columns": list(columns)}
    return DatasetSchema.model_validate(parts | fields)


@pytest.mark.parametrize("case", COLUMNS)
def test_column_is_refused(case: str) -> None:
    column, reason = COLUMNS[case]

    with pytest.raises(ValidationError) as refusal:
        schema_of(FEATURE | {"name": "other"}, column)

    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    "column",
    [
        *(LABEL, FEATURE, LIST, IDENTITY, IGNORED, NUMERIC, VOCAB, VOCAB | {"separator": "|"}),
        NUMERIC | {"required": True, "null_value": None, "minimum": 0, "maximum": 0.5},
        IGNORED | {"type": "float"},
    ],
)
def test_column_is_accepted(column: dict[str, Any]) -> None:
    assert schema_of(FEATURE | {"name": "other"}, column).columns[1].name == column["name"]


SCHEMAS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str]] = {
    "unknown key": ([FEATURE], {"comment": "x"}, "Extra inputs are not permitted"),
    "unknown csv key": ([FEATURE], {"csv": {"quote": "'"}}, "Extra inputs are not permitted"),
    "no columns": ([], {}, "at least 1 item"),
    "labels only": ([LABEL], {}, "no column has role user or item"),
    "name twice": ([FEATURE, FEATURE], {}, "column name used twice: user"),
    "name of a list's counts": (
        [LIST, FEATURE | {"name": "user_count"}],
        {},
        "column name used twice: user_count",
    ),
    "name of a feature's keys": (
        [FEATURE, IGNORED | {"name": "user_key"}],
        {},
        "column name used twice: user_key",
    ),
    "name of a list's key counts": (
        [LIST, FEATURE | {"name": "user_key_count"}],
        {},
        "column name used twice: user_key_count",
    ),
    "name of a list's lengths": (
        [LIST, FEATURE | {"name": "user_length"}],
        {},
        "column name used twice: user_length",
    ),
    "name of a list's key lengths": (
        [LIST, FEATURE | {"name": "user_key_length"}],
        {},
        "column name used twice: user_key_length",
    ),
    "task twice": ([LABEL, LABEL | {"name": "buy"}, FEATURE], {}, "task used twice: ctr"),
    "user column missing": ([FEATURE], {"user_column": "uid"}, "user_column must name a feature"),
    "user column is a list": ([LIST], {"user_column": "user"}, "user_column must name a feature"),
    "user column is a label": ([LABEL, FEATURE], {"user_column": "clk"}, "must name a feature"),
    "user column is numeric": (
        [NUMERIC, FEATURE],
        {"user_column": "age"},
        "user_column must name a feature",
    ),
    "numeric features only": ([NUMERIC], {}, "no column has role user or item and is embedded"),
    "vocabulary without a train split": (
        [VOCAB],
        {"splits": {"test": "log"}},
        "made from the split 'train', which is not declared: user",
    ),
    "no split": ([FEATURE], {"splits": {}}, "at least 1 item"),
    "split in a folder": ([FEATURE], {"splits": {"train": "a/b"}}, "without a folder: a/b"),
    "split above": ([FEATURE], {"splits": {"train": ".."}}, "without a folder"),
    "split without name": ([FEATURE], {"splits": {"train": ""}}, "without a folder"),
    "split name is a path": ([FEATURE], {"splits": {"../x": "log"}}, "must be a plain word"),
    "quote as separator": ([FEATURE], {"csv": {"separator": '"'}}, "cannot be a quote"),
    "line end as separator": ([FEATURE], {"csv": {"separator": "\n"}}, "cannot be a quote"),
    "long separator": ([FEATURE], {"csv": {"separator": "::"}}, "String should match"),
}


@pytest.mark.parametrize("case", SCHEMAS)
def test_schema_is_refused(case: str) -> None:
    columns, fields, reason = SCHEMAS[case]

    with pytest.raises(ValidationError) as refusal:
        schema_of(*columns, **fields)

    assert reason in str(refusal.value)


TOML = """
name = "log"
splits = {train = "log"}
columns = [{name = "user", role = "user", hash_buckets = 10, embedding_dim = 4}]
"""
FILES: dict[str, tuple[bytes, str]] = {
    "not TOML": (b"name = ", "is not TOML"),
    "not UTF-8": (b'name = "\xff"', "Cannot read the schema"),
    "wrong value": (TOML.replace("= 10", "= 0").encode(), "columns.0.hash_buckets"),
    "unknown key": (TOML.encode() + b"extra = 1", "extra: Extra inputs are not permitted"),
    "contradiction": (TOML.replace("hash_buckets = 10, ", "").encode(), "needs hash_buckets"),
}


@pytest.mark.parametrize("case", FILES)
def test_schema_file_is_refused_by_name_and_reason(case: str, tmp_path: Path) -> None:
    text, reason = FILES[case]
    path = tmp_path / "my.toml"
    path.write_bytes(text)

    with pytest.raises(UserError) as refusal:
        DatasetSchema.from_toml(path)

    assert str(path) in str(refusal.value)
    assert reason in str(refusal.value)


def test_missing_schema_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Cannot read the schema .*none\.toml"):
        DatasetSchema.from_toml(tmp_path / "none.toml")


def test_schema_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(TOML)

    schema = DatasetSchema.from_toml(path)

    assert schema == schema_of(FEATURE)


def test_schema_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        taobao().name = "other"  # type: ignore[misc]


BASE = [
    FEATURE,
    LIST | {"name": "tags"},
    FEATURE | {"name": "kind", "role": "item"},
    NUMERIC,
    LABEL,
]

DERIVED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown kind": (COUNT | {"kind": "sum"}, "does not match any of the expected tags"),
    "unknown key": (COUNT | {"columns": ["kind"]}, "Extra inputs are not permitted"),
    "unknown value": (COUNT | {"value_column": "x"}, "'seen': there is no column 'x'"),
    "unknown list": (LENGTH | {"list_column": "x"}, "'entries': there is no column 'x'"),
    "length of no list": (LENGTH | {"list_column": "kind"}, "'kind' is not a list"),
    "count in no list": (COUNT | {"list_column": "kind"}, "'kind' is not a list"),
    "count of a list": (COUNT | {"value_column": "tags"}, "'tags' is a list"),
    "count of a label": (COUNT | {"value_column": "clk"}, "'clk' is a label"),
    "cross with a float": (CROSS | {"columns": ["kind", "age"]}, "'age' is a float"),
    "cross with itself": (CROSS | {"columns": ["kind", "kind"]}, "'kind' is crossed with itself"),
    "cross of three": (CROSS | {"columns": ["kind", "user", "tags"]}, "at most 2 items"),
    "name of a column": (COUNT | {"name": "kind"}, "column name used twice: kind"),
    "name of keys": (COUNT | {"name": "kind_key"}, "column name used twice: kind_key"),
    "no buckets": (LENGTH | {"hash_buckets": None}, "valid integer"),
}


@pytest.mark.parametrize("case", DERIVED)
def test_derived_feature_is_refused(case: str) -> None:
    feature, reason = DERIVED[case]

    with pytest.raises(ValidationError) as refusal:
        schema_of(*BASE, derived=[feature])

    assert reason in str(refusal.value)


def test_derived_features_are_features_after_the_columns() -> None:
    schema = schema_of(*BASE, derived=[CROSS, COUNT, LENGTH])

    features = [(column.name, column.role, column.encoding) for column in schema.features]
    assert features == [
        ("user", "user", "hash"),
        ("tags", "user", "hash"),
        ("kind", "item", "hash"),
        ("both", "item", "hash"),
        ("seen", "item", "identity"),
        ("entries", "user", "identity"),
    ]
    assert [column.name for column in schema.numerics] == ["age"]
