"""Exported models, loaded by a TensorFlow that knows nothing of this project."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mmh3
import numpy as np
import polars as pl
import pytest
import tensorflow as tf

from smt_features import open_shards
from smt_features.batch import Bags, concat
from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model.config import TrainConfig
from smt_model.export import export_run
from smt_model.loading import load_run
from smt_model.predictor import Predictor
from smt_model.training import train
from smt_schemas import DatasetSchema, UserError, taobao


def predictions_on_shards(run: Path, data: Path, split: str) -> np.ndarray[Any, Any]:
    predictor = Predictor(load_run(run).model)
    batches = open_shards(data)[split].batches(1000, shuffle=False)
    return np.concatenate([predictor(batch) for batch in batches])


def test_real_rows_in_plain_tensorflow_equal_the_trainer_on_shards(
    real_rows: Path, in_plain_tensorflow: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    shards = tmp_path / "shards"
    prepare(PrepareJob(real_rows, shards, taobao(), PrepareOptions(shuffle=False), seed=5))
    run = tmp_path / "run"
    train(TrainConfig(data_location=str(shards), checkpoint=str(run), steps=60, evaluate=False))
    export_run(run, tmp_path / "smt" / "1")
    rows = 0
    for split, stem in taobao().splits.items():
        found = in_plain_tensorflow(
            tmp_path / "smt" / "1",
            real_rows / stem,
            [column.name for column in taobao().columns],
            tmp_path / f"{split}.npz",
        )
        expected = predictions_on_shards(run, shards, split)
        assert expected.std(axis=0).min() > 1e-4
        np.testing.assert_allclose(found["ctr"], expected[:, 0], rtol=0, atol=1e-6)
        np.testing.assert_allclose(found["cvr"], expected[:, 1], rtol=0, atol=1e-6)
        rows += len(expected)
    assert rows == 8050


def load(run: Path, target: Path) -> dict[str, Any]:
    export_run(run, target)
    return dict(tf.saved_model.load(str(target)).signatures)


@pytest.fixture(scope="module")
def signatures(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return load(trained, tmp_path_factory.mktemp("export") / "1")


def padded(bags: Bags) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    lengths = np.diff(bags.row_splits)
    ids = np.zeros((len(lengths), lengths.max()), np.int32)
    counts = np.zeros_like(ids)
    inside = np.arange(ids.shape[1]) < lengths[:, None]
    ids[inside], counts[inside] = bags.ids, bags.counts
    return ids, counts


def test_ids_of_the_shards_give_the_predictions_of_the_trainer(
    trained: Path, dataset: Path, signatures: dict[str, Any]
) -> None:
    batch = concat(list(open_shards(dataset)["test"].batches(64, shuffle=False)))
    tags, counts = padded(batch["tags"])  # type: ignore[arg-type]
    assert (counts.max(), counts.min()) == (2, 0)
    inputs = {"user": batch["user"], "brand": batch["brand"], "tags": tags, "tags_count": counts}
    found = signatures["hashed_ids"](
        **{name: tf.constant(values) for name, values in inputs.items()}
    )
    expected = predictions_on_shards(trained, dataset, "test")
    np.testing.assert_allclose(found["ctr"], expected[:, 0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found["cvr"], expected[:, 1], rtol=0, atol=1e-6)


def texts(**columns: list[str]) -> dict[str, tf.Tensor]:
    return {name: tf.constant(values) for name, values in columns.items()}


def hash_ids(entries: list[str], buckets: int) -> list[int]:
    return [mmh3.hash(entry, signed=False) % buckets for entry in entries]


@pytest.mark.parametrize(
    ("cell", "entries"),
    [
        ("", []),
        ("a", ["a"]),
        ("a|b|a|a", ["a", "b", "a", "a"]),
        ("größe|東京", ["größe", "東京"]),
        ("a||b", ["a", "", "b"]),
        ("|", ["", ""]),
    ],
)
def test_a_list_is_the_mean_over_all_its_entries(
    cell: str, entries: list[str], signatures: dict[str, Any]
) -> None:
    raw = texts(user=["u1", "u2"], brand=["b1", ""], tags=[cell, "z"])
    ids = [*hash_ids(entries, 40), *[0] * (4 - len(entries))]
    inputs = {
        "user": hash_ids(["u1", "u2"], 50),
        "brand": hash_ids(["b1", ""], 30),
        "tags": [ids, [*hash_ids(["z"], 40), 0, 0, 0]],
        "tags_count": [[1] * len(entries) + [0] * (4 - len(entries)), [1, 0, 0, 0]],
    }
    expected = signatures["hashed_ids"](
        **{name: tf.constant(values, tf.int32) for name, values in inputs.items()}
    )
    found = signatures["serving_default"](**raw)
    for task in ("ctr", "cvr"):
        np.testing.assert_allclose(found[task], expected[task], rtol=0, atol=1e-6)


@pytest.fixture
def trained_on(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that trains on a log of the small schema, changed."""

    def run(schema: DatasetSchema, lines: list[str], **options: Any) -> Path:
        for stem in schema.splits.values():
            (tmp_path / stem).write_text("".join(f"{line}\n" for line in lines))
        prepare(PrepareJob(tmp_path, tmp_path / "shards", schema, PrepareOptions(shuffle=False)))
        fields = {"steps": 5, "batch_size": 4, "evaluate": False, **options}
        config = TrainConfig(
            data_location=str(tmp_path), checkpoint=str(tmp_path / "run"), **fields
        )
        return train(config)[0].path

    return run


LINES = ["1,0,3,a|b,x", "0,0,49,,y", "1,1,0,a,x", "0,0,7,c|c|a,"]


def columns_of(lines: list[str]) -> dict[str, tf.Tensor]:
    _, _, users, tags, brands = zip(*csv.reader(lines), strict=True)
    return texts(user=list(users), tags=list(tags), brand=list(brands))


def test_an_identity_feature_is_its_own_bucket(
    trained_on: Callable[..., Path], make_schema: Callable[..., DatasetSchema], tmp_path: Path
) -> None:
    identity = {"type": "int", "required": True, "encoding": "identity"}
    run = trained_on(make_schema(user=identity), LINES)
    serve = load(run, tmp_path / "1")["serving_default"]
    found = serve(**columns_of(LINES))
    expected = predictions_on_shards(run, tmp_path, "train")
    np.testing.assert_allclose(found["ctr"], expected[:, 0], rtol=0, atol=1e-6)
    for wrong in ("50", "-1", "x"):
        inputs = columns_of(LINES) | texts(user=["3", "49", "0", wrong])
        with pytest.raises(tf.errors.InvalidArgumentError):
            serve(**inputs)


def test_features_of_several_widths_stand_in_the_order_of_the_tables(
    trained_on: Callable[..., Path], make_schema: Callable[..., DatasetSchema], tmp_path: Path
) -> None:
    run = trained_on(make_schema(tags={"embedding_dim": 8}), LINES)
    found = load(run, tmp_path / "1")["serving_default"](**columns_of(LINES))
    expected = predictions_on_shards(run, tmp_path, "train")
    np.testing.assert_allclose(found["cvr"], expected[:, 1], rtol=0, atol=1e-6)


def test_a_bf16_model_is_served_in_bf16(
    trained_on: Callable[..., Path], schema: DatasetSchema, tmp_path: Path
) -> None:
    run = trained_on(schema, LINES, bf16=True)
    found = load(run, tmp_path / "1")["serving_default"](**columns_of(LINES))
    expected = predictions_on_shards(run, tmp_path, "train")
    np.testing.assert_allclose(found["ctr"], expected[:, 0], rtol=0, atol=2e-3)


def test_an_id_without_a_bucket_is_refused(signatures: dict[str, Any]) -> None:
    inputs = {"user": [50], "brand": [0], "tags": [[0]], "tags_count": [[1]]}
    with pytest.raises(tf.errors.InvalidArgumentError, match="50 is not in"):
        signatures["hashed_ids"](
            **{name: tf.constant(values, tf.int32) for name, values in inputs.items()}
        )


def test_embeddings_are_those_of_the_checkpoint(trained: Path, tmp_path: Path) -> None:
    card = export_run(trained, tmp_path / "1", embeddings=True)
    frame = pl.read_parquet(tmp_path / "1" / "embeddings" / "brand.parquet")
    assert frame.schema == {"bucket": pl.Int32, "vector": pl.Array(pl.Float32, 4)}
    assert frame["bucket"].to_list() == list(range(30))
    # `brand` stands after the 50 users and 40 tags in the only table.
    packed = load_run(trained).model.tables[0].packed.numpy()
    np.testing.assert_array_equal(frame["vector"].to_numpy(), packed[90:120, :4])
    assert {f"embeddings/{name}.parquet" for name in ("user", "tags", "brand")} <= card.files.keys()


def test_an_existing_export_stays_unless_it_is_to_be_replaced(
    trained: Path, tmp_path: Path
) -> None:
    target = tmp_path / "1"
    export_run(trained, target, embeddings=True)
    with pytest.raises(UserError, match="holds an export already"):
        export_run(trained, target)
    export_run(trained, target, overwrite=True)
    assert not (target / "embeddings").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_folder_that_is_no_export_is_never_replaced(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is no export"):
        export_run(trained, tmp_path, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_without_a_checkpoint_there_is_nothing_to_export(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_bytes((trained / "config.json").read_bytes())
    with pytest.raises(UserError, match="no checkpoint"):
        export_run(run, tmp_path / "1")
    with pytest.raises(UserError, match="directory of a run"):
        export_run(tmp_path, tmp_path / "1")
    assert not (tmp_path / "1").exists()


def test_an_unwritable_target_leaves_nothing_behind(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write"):
        export_run(trained, tmp_path / "file" / "1")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_export_goes_on_after_one_that_was_killed(trained: Path, tmp_path: Path) -> None:
    target, old = tmp_path / "1", tmp_path / ".1.old"
    export_run(trained, target)
    old.mkdir()
    (old / "rubbish").write_text("")

    export_run(trained, target, overwrite=True)

    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_the_current_folder_is_never_replaced(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="is the current folder"):
        export_run(trained, Path())
