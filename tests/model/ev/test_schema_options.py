"""Options of embeddings that the schema has for its columns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smt_features import open_shards
from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model.config import TrainConfig
from smt_model.evaluation import evaluate_run
from smt_model.feature_options import embedding_variables
from smt_model.loading import load_run
from smt_model.training import train
from smt_schemas import DatasetSchema, UsageError

MakeSchema = Callable[..., DatasetSchema]


def test_a_column_goes_before_all_and_the_file_before_the_schema(make_schema: MakeSchema) -> None:
    schema = make_schema(
        user={"embedding_options": {"ev": True, "ev_filter": "counter", "filter_freq": 7}},
        brand={"embedding_options": {"ev": True, "filter_freq": 5}},
    )
    columns: dict[str, dict[str, Any]] = {"user": {"filter_freq": 9}, "tags": {"ev": False}}

    config = TrainConfig(ev=True, filter_freq=3, columns=columns).with_options_of(schema)

    options = embedding_variables(config, schema)
    assert options.keys() == {"user", "brand"}
    assert (options["user"].ev_filter, options["user"].filter_freq) == ("counter", 9)
    assert (options["brand"].ev_filter, options["brand"].filter_freq) == (None, 5)
    assert config.with_options_of(schema) is config


def test_a_cross_has_options_too(make_schema: MakeSchema) -> None:
    cross = {
        "name": "both",
        "kind": "cross",
        "columns": ["user", "brand"],
        "hash_buckets": 9,
        "embedding_dim": 4,
        "embedding_options": {"ev": True},
    }
    fields = make_schema().model_dump() | {"derived": [cross]}
    schema = DatasetSchema.model_validate(fields)
    options = embedding_variables(TrainConfig().with_options_of(schema), schema)
    assert options.keys() == {"both"}


@pytest.mark.parametrize(
    ("values", "given", "reason"),
    [
        ({"fliter_freq": 3}, {}, "column user: --fliter-freq"),
        ({"ev": True, "filter_freq": "many"}, {}, "column user: --filter-freq"),
        ({"ev_filter": "counter"}, {}, "column user: ev-filter is about keys"),
        ({"ev": True}, {"tf": True}, "no --tf"),
        ({"ev": True, "ev_elimination": "gstep"}, {}, "save-steps"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(
    make_schema: MakeSchema, values: dict[str, Any], given: dict[str, Any], reason: str
) -> None:
    schema = make_schema(user={"embedding_options": values})
    with pytest.raises(UsageError, match=reason):
        TrainConfig(**given).with_options_of(schema)


def test_a_run_follows_the_schema_and_so_does_all_that_reads_it(
    dataset: Path, make_schema: MakeSchema, tmp_path: Path
) -> None:
    schema = make_schema(user={"embedding_options": {"ev": True}})
    prepare(PrepareJob(dataset, tmp_path / "shards", schema, PrepareOptions(keys=True)))
    assert open_shards(tmp_path).schema == schema
    options: dict[str, Any] = {"batch_size": 64, "checkpoint": str(tmp_path / "run")}
    train(TrainConfig(data_location=str(tmp_path), steps=10, evaluate=False, **options))

    run, result = train(TrainConfig(data_location=str(tmp_path), steps=20, **options))

    assert run.config.columns == {"user": {"ev": True}}
    model = load_run(run.path).model
    assert model.keys_of("user") is not None
    assert model.keys_of("brand") is None
    assert evaluate_run(run.path, None, "test") == result
