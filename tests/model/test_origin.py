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


def test_another_hash_seed_is_named(schema: DatasetSchema) -> None:
    with pytest.raises(UserError, match="hash: name=m seed=0 against name=m seed=7"):
        origin(schema).require_same(origin(schema, seed=7), "The model")
