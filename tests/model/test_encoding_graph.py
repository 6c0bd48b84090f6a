"""Every kind of column in the graph, against shards of the same rows."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from smt_features import open_shards
from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model.config import TrainConfig
from smt_model.export import export_run
from smt_model.loading import load_run
from smt_model.predict import predict_run
from smt_model.predictor import Predictor
from smt_model.training import train
from smt_schemas import DatasetSchema, UserError

LABEL = {"role": "label", "type": "int", "required": True, "allowed": [0, 1]}
FEATURE = {"role": "user", "hash_buckets": 40, "embedding_dim": 4}
NUMBER = {"role": "item", "type": "float", "encoding": "numeric"}
COLUMNS: list[dict[str, Any]] = [
    {"name": "clk", "task": "ctr", **LABEL},
    {"name": "buy", "task": "cvr", **LABEL},
    {"name": "user", **FEATURE},
    {"name": "tags", "separator": "|", **FEATURE},
    {"name": "brand", "encoding": "vocab", "min_count": 3, **FEATURE},
    {"name": "price", "null_tokens": ["NULL"], "null_value": -1.5, **NUMBER},
    {"name": "age", "required": True, **NUMBER},
    {"name": "note", "role": "ignore"},
]
NAMES = [column["name"] for column in COLUMNS]
SCHEMA = DatasetSchema.model_validate(
    {
        "name": "every",
        "splits": {"train": "log"},
        "columns": COLUMNS,
        "derived": [
            {
                "name": "brand_in_tags",
                "kind": "count",
                "value_column": "brand",
                "list_column": "tags",
                "hash_buckets": 3,
                "embedding_dim": 4,
            },
            {
                "name": "length_of_tags",
                "kind": "length",
                "list_column": "tags",
                "hash_buckets": 4,
                "embedding_dim": 2,
            },
            {
                "name": "user_note",
                "kind": "cross",
                "columns": ["user", "note"],
                "hash_buckets": 40,
                "embedding_dim": 4,
            },
        ],
    }
)


def row(chance: random.Random) -> list[str]:
    tags = "|".join(chance.choice("abcé") for _ in range(chance.randrange(7)))
    return [
        str(chance.randrange(2)),
        str(chance.randrange(2)),
        f"u{chance.randrange(20)}",
        tags,
        chance.choice(["a", "b", "é", "", f"rare{chance.randrange(500)}"]),
        chance.choice(["", "NULL", "0.1", "-2e-3", "3"]),
        str(chance.randrange(5)),
        chance.choice(["x", "", "y"]),
    ]


class Trained:
    """A short run on rows of every kind, and what it predicts for them on shards."""

    def __init__(self, folder: Path) -> None:
        chance = random.Random(7)
        self.rows = [row(chance) for _ in range(400)]
        (folder / "log").write_text("".join(",".join(cells) + "\n" for cells in self.rows))
        options = PrepareOptions(shuffle=False)
        prepare(PrepareJob(folder, folder / "shards", SCHEMA, options, seed=3))
        fields: dict[str, Any] = {"steps": 20, "batch_size": 64, "evaluate": False}
        config = TrainConfig(data_location=str(folder), checkpoint=str(folder / "run"), **fields)
        self.run = train(config)[0].path
        self.batch: Any = next(open_shards(folder)["train"].batches(400, shuffle=False))
        self.expected = Predictor(load_run(self.run).model)(self.batch)


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tmp_path_factory.mktemp("every"))


@pytest.fixture(scope="module")
def signatures(every: Trained, tmp_path_factory: pytest.TempPathFactory) -> Any:
    target = tmp_path_factory.mktemp("export") / "1"
    export_run(every.run, target)
    return tf.saved_model.load(str(target)).signatures


def test_texts_of_every_kind_give_the_predictions_of_the_shards(
    every: Trained, signatures: Any
) -> None:
    columns = dict(zip(NAMES, zip(*every.rows, strict=True), strict=True))
    # A column that is only crossed is an input, a label is none.
    inputs = {name: tf.constant(columns[name]) for name in NAMES if name not in ("clk", "buy")}
    assert signatures["serving_default"].structured_input_signature[1].keys() == inputs.keys()
    found = signatures["serving_default"](**inputs)
    assert every.expected.std(axis=0).min() > 1e-3
    assert_allclose(found["ctr"], every.expected[:, 0], rtol=0, atol=1e-6)
    assert_allclose(found["cvr"], every.expected[:, 1], rtol=0, atol=1e-6)


def test_ids_of_every_kind_give_the_predictions_of_the_shards(
    every: Trained, signatures: Any
) -> None:
    inputs = {name: tf.constant(values) for name, values in every.batch.items() if name != "tags"}
    tags = every.batch["tags"]
    splits = tf.constant(tags.row_splits)
    inputs["tags"] = tf.RaggedTensor.from_row_splits(tags.ids, splits).to_tensor()
    inputs["tags_count"] = tf.RaggedTensor.from_row_splits(tags.counts, splits).to_tensor()
    wanted = signatures["hashed_ids"].structured_input_signature[1]
    found = signatures["hashed_ids"](**{name: inputs[name] for name in wanted})
    assert_allclose(found["ctr"], every.expected[:, 0], rtol=0, atol=1e-6)


def test_a_log_of_every_kind_is_predicted_as_its_shards(every: Trained, tmp_path: Path) -> None:
    predict_run(every.run, every.run.parent / "log", tmp_path / "out.parquet")
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame["error"].null_count() == 400
    found = frame.select("ctr", "cvr").to_numpy()
    assert_allclose(found, every.expected, rtol=0, atol=1e-6)


def test_a_vocabulary_that_is_gone_is_a_message(every: Trained, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(every.run, run)
    config = json.loads((run / "config.json").read_text())
    config["data_location"] = str(tmp_path / "gone")
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="gone is not a folder"):
        export_run(run, tmp_path / "1")
    with pytest.raises(UserError, match="gone is not a folder"):
        predict_run(run, every.run.parent / "log", tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
