"""The digest names a schema: stable, and different for every difference."""

import hashlib
import json
from typing import Any

import pytest

from smt_schemas import DatasetSchema, taobao, taobao_plus

GOLDEN = "dfd40d30262928d7797912e6da58ab204edfa220cfcf735225e2d605c4d0fe27"


def changed(path: list[str | int], value: Any) -> DatasetSchema:
    fields = taobao().model_dump(mode="json")
    part: Any = fields
    for step in path[:-1]:
        part = part[step]
    # What is not set may be left out.
    assert (part.get(path[-1]) if isinstance(part, dict) else part[path[-1]]) != value
    part[path[-1]] = value
    return DatasetSchema.model_validate(fields)


def test_digest_of_the_taobao_schema_does_not_change() -> None:
    assert taobao().digest == GOLDEN


def test_digest_is_the_sha256_of_canonical_json() -> None:
    fields = json.loads(taobao().model_dump_json())
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))

    assert taobao().digest == hashlib.sha256(text.encode()).hexdigest()


CHANGES: dict[str, tuple[list[str | int], Any]] = {
    "name": (["name"], "other"),
    "user column": (["user_column"], "cms_segid"),
    "csv separator": (["csv", "separator"], ";"),
    "csv header": (["csv", "header"], True),
    "split": (["splits", "test"], "other_data"),
    "column name": (["columns", 9, "name"], "segment"),
    "column role": (["columns", 9, "role"], "item"),
    "column type": (["columns", 9, "type"], "int"),
    "column required": (["columns", 9, "required"], True),
    "column null tokens": (["columns", 9, "null_tokens"], ["-"]),
    "column allowed": (["columns", 9, "allowed"], ["1"]),
    "column minimum": (["columns", 19, "minimum"], 1),
    "column maximum": (["columns", 19, "maximum"], 48),
    "column buckets": (["columns", 9, "hash_buckets"], 101),
    "column width": (["columns", 9, "embedding_dim"], 8),
    "column encoding": (["columns", 19, "encoding"], "identity"),
    "column embedding options": (["columns", 9, "embedding_options"], {"ev": True}),
    "column separator": (["columns", 17, "separator"], ";"),
    "column task": (["columns", 0, "task"], "click"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_digest_changes_with(case: str) -> None:
    assert changed(*CHANGES[case]).digest != GOLDEN


@pytest.mark.parametrize("added", ["null_value", "min_count"])
def test_digest_changes_with_a_setting_that_taobao_does_not_use(added: str) -> None:
    numeric = {"encoding": "numeric", "type": "float", "null_value": 1.0}
    vocab = {"encoding": "vocab", "min_count": 3}
    size = {"hash_buckets": None, "embedding_dim": None}
    fields = taobao().model_dump(mode="json")
    fields["columns"][9] |= numeric | size if added == "null_value" else vocab
    before = DatasetSchema.model_validate(fields).digest

    fields["columns"][9][added] += 1

    assert DatasetSchema.model_validate(fields).digest != before


def test_digest_changes_with_every_derived_feature() -> None:
    whole = taobao_plus()

    fewer = [
        whole.model_copy(update={"derived": whole.derived[:count]}).digest for count in range(5)
    ]

    assert len(set(fewer)) == 5
    assert fewer[4] == whole.digest


def test_digest_changes_with_the_order_of_columns() -> None:
    fields = taobao().model_dump(mode="json")
    fields["columns"][8:10] = reversed(fields["columns"][8:10])

    assert DatasetSchema.model_validate(fields).digest != GOLDEN


def test_schema_survives_json() -> None:
    schema = DatasetSchema.model_validate_json(taobao().model_dump_json())

    assert (schema, schema.digest) == (taobao(), GOLDEN)
