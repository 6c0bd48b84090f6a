from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from smt_model.origin import Origin
from smt_schemas import DatasetSchema, UserError


def origin(schema: DatasetSchema, seed: int = 0) -> Origin:
    return Origin(dataset="d", hash={"name": "m", "seed": seed}, dataset_schema=schema)


def test_data_of_the_same_kind_is_accepted(schema: DatasetSchema, make_schema: Any) -> None:
    # What is valid may differ; what an id means may not.
    origin(schema).require_same(origin(make_schema(brand={"required": True})), "The model")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"brand": {"hash_buckets": 31}}, "brand.hash_buckets: 30 against 31"),
        ({"tags": {"separator": ";"}}, "tags.separator: | against ;"),
        ({"brand": {"name": "marque"}}, "feature brand is missing; feature marque is new"),
        ({"buy": {"task": "sale"}}, "tasks: ctr=clk cvr=buy against ctr=clk sale=buy"),
    ],
)
def test_a_difference_is_named(
    schema: DatasetSchema, make_schema: Any, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError) as caught:
        origin(schema).require_same(origin(make_schema(**changes)), "The model")
    assert words in str(caught.value)


def test_a_numeric_feature_that_is_missing_is_named(
    schema: DatasetSchema, make_schema: Any
) -> None:
    no_table = {"hash_buckets": None, "embedding_dim": None}
    numeric = {"type": "float", "encoding": "numeric", "required": True, **no_table}
    mine, theirs = (
        origin(make_schema(brand=brand)) for brand in (numeric, {"role": "ignore", **no_table})
    )
    with pytest.raises(UserError, match="numeric feature brand is missing"):
        mine.require_same(theirs, "The model")


def test_another_hash_seed_is_named(schema: DatasetSchema) -> None:
    with pytest.raises(UserError, match="hash: name=m seed=0 against name=m seed=7"):
        origin(schema).require_same(origin(schema, seed=7), "The model")


def test_another_vocabulary_is_named(schema: DatasetSchema) -> None:
    mine, theirs = (
        origin(schema).model_copy(update={"vocabularies": {"brand": digest, "user": "same"}})
        for digest in ("aa", "bb")
    )
    with pytest.raises(UserError, match="given\\): brand has another vocabulary$"):
        mine.require_same(theirs, "The model")


def test_a_derived_feature_that_is_computed_otherwise_is_named(schema: DatasetSchema) -> None:
    def with_feature(**computed: object) -> Origin:
        size = {"name": "mixed", "hash_buckets": 10, "embedding_dim": 4}
        values = schema.model_dump(exclude_none=True) | {"derived": [size | computed]}
        return origin(DatasetSchema.model_validate(values))

    mine = with_feature(kind="cross", columns=["user", "brand"])
    theirs = with_feature(kind="cross", columns=["brand", "user"])
    with pytest.raises(UserError, match="derived feature mixed is computed otherwise$"):
        mine.require_same(theirs, "The model")
    mine.require_same(with_feature(kind="cross", columns=["user", "brand"]), "The model")


def test_the_origin_of_a_dataset_has_its_vocabularies(
    tmp_path: Path, prepared_in: Any, make_schema: Any
) -> None:
    columns = {"brand": {"encoding": "vocab", "min_count": 1}}
    lines = [f"{i % 2},0,u{i},1|2,b{i % 3}" for i in range(9)]
    dataset = prepared_in(tmp_path, lines, lines, schema=make_schema(**columns))
    found = Origin.of(dataset).vocabularies
    (record,) = dataset.manifest.vocabularies.values()
    assert found == {"brand": sha256((dataset.directory / record.name).read_bytes()).hexdigest()}
