"""Exports of models whose keys own vectors: what is served, and the Parquet files."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import mmh3
import numpy as np
import polars as pl
import pytest
import tensorflow as tf

from smt_features import open_shards
from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model.config import TrainConfig
from smt_model.export import export_run
from smt_model.loading import load_run
from smt_model.predict import predict_run
from smt_model.training import train
from smt_schemas import UserError

OPTIONS: dict[str, dict[str, Any]] = {
    "every key": {"ev": True},
    "frequent keys": {"ev": True, "ev_filter": "counter", "filter_freq": 20},
    "one feature": {"columns": {"user": {"ev": True}}, "bf16": True},
    "adaptive": {"adaptive_emb": True, "adaptive_threshold": 25},
}
SLOW = ("every key",)
"""What ``frequent keys`` do, too."""
NAMES = ["clk", "buy", "user", "tags", "brand"]
UNSEEN = "0,0,stranger,s1|s1|3,b7\n0,0,u1,,stranger\n0,0,,s1,\n"


@pytest.fixture(scope="module")
def data(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small log with keys, seed 3, in file order."""
    output = tmp_path_factory.mktemp("keys") / "shards"
    schema = open_shards(dataset).schema
    options = PrepareOptions(keys=True, key_texts=True, shuffle=False)
    prepare(PrepareJob(dataset, output, schema, options, seed=3))
    return output


@pytest.fixture(scope="module")
def run_of(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def run(name: str) -> Path:
        path = tmp_path_factory.mktemp("run") / "run"
        fields = {"steps": 12, "batch_size": 64, "ev_capacity": 1000, "evaluate": False}
        options = fields | OPTIONS[name]
        train(TrainConfig(data_location=str(data), checkpoint=str(path), **options))
        return path

    return run


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in OPTIONS],
)
def test_texts_in_plain_tensorflow_equal_predict_unseen_keys_included(
    run_of: Callable[[str], Path],
    in_plain_tensorflow: Callable[..., dict[str, Any]],
    dataset: Path,
    tmp_path: Path,
    name: str,
) -> None:
    run, log = run_of(name), tmp_path / "log"
    log.write_text((dataset / "b").read_text() + UNSEEN)
    predict_run(run, log, tmp_path / "predicted.parquet")
    expected = pl.read_parquet(tmp_path / "predicted.parquet")
    export_run(run, tmp_path / "smt" / "1")

    found = in_plain_tensorflow(tmp_path / "smt" / "1", log, NAMES, tmp_path / "served.npz")

    assert np.ptp(expected["ctr"].to_numpy()) > 1e-3
    tolerance = 2e-3 if OPTIONS[name].get("bf16") else 1e-6
    for task in ("ctr", "cvr"):
        np.testing.assert_allclose(found[task], expected[task], rtol=0, atol=tolerance)


def test_keys_of_the_shards_give_the_predictions_of_texts(
    run_of: Callable[[str], Path], dataset: Path, tmp_path: Path
) -> None:
    export_run(run_of("frequent keys"), tmp_path / "1")
    signatures = tf.saved_model.load(str(tmp_path / "1")).signatures
    texts = {"user": ["u1", "nobody"], "brand": ["b3", "b4"], "tags": ["5|5|9", ""]}
    keys = {
        "user_key": [key("u1"), key("nobody")],
        "brand_key": [key("b3"), key("b4")],
        "tags_key": [[key("5"), key("9")], [0, 0]],
    }
    counts = tf.constant([[2, 1], [0, 0]], tf.int32)

    found = signatures["hashed_ids"](
        **{name: tf.constant(values, tf.int64) for name, values in keys.items()},
        tags_key_count=counts,
    )

    expected = signatures["serving_default"](
        **{name: tf.constant(values) for name, values in texts.items()}
    )
    np.testing.assert_allclose(found["ctr"], expected["ctr"], rtol=0, atol=1e-7)


def test_lists_without_any_entry_are_served(run_of: Callable[[str], Path], tmp_path: Path) -> None:
    export_run(run_of("every key"), tmp_path / "1")
    serve = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]
    cells = {"user": ["u1", "u2"], "brand": ["b3", "b4"], "tags": ["", ""]}
    found = serve(**{name: tf.constant(values) for name, values in cells.items()})
    assert np.isfinite(found["ctr"]).all()


def test_embeddings_are_the_vectors_of_the_keys_with_counts_and_steps(
    run_of: Callable[[str], Path], tmp_path: Path
) -> None:
    run = run_of("frequent keys")
    card = export_run(run, tmp_path / "1", embeddings=True)
    frame = pl.read_parquet(tmp_path / "1" / "embeddings" / "user.parquet")
    assert frame.schema == {
        "key": pl.Int64,
        "text": pl.String,
        "vector": pl.Array(pl.Float32, 4),
        "count": pl.Int32,
        "last_step": pl.Int32,
    }
    assert frame["key"].is_sorted()
    assert frame["key"].to_list() == [key(text) for text in frame["text"]]
    assert frame["count"].min() >= 20  # type: ignore[operator]
    assert frame["last_step"].max() == 12
    assert card.features["user"].keys == frame.height < 40
    # By hand: look a key up in the model.
    keys, table = load_run(run).model.keys_of("user")  # type: ignore[misc]
    number = keys.keys.tolist().index(frame["key"][2])
    row = table.packed.sparse_read([keys.rows[number]]).numpy()[0, :4]
    np.testing.assert_array_equal(frame["vector"][2], row)


def test_embeddings_of_adaptive_features_come_with_the_buckets_that_are_shared(
    run_of: Callable[[str], Path], tmp_path: Path
) -> None:
    export_run(run_of("adaptive"), tmp_path / "1", embeddings=True)
    folder = tmp_path / "1" / "embeddings"
    assert pl.read_parquet(folder / "brand.parquet").columns[0] == "key"
    shared = pl.read_parquet(folder / "brand.shared.parquet")
    assert shared["bucket"].to_list() == list(range(30))


def test_without_the_texts_keys_are_exported_all_the_same(
    run_of: Callable[[str], Path], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, moved = run_of("every key"), data.with_name("moved")
    data.rename(moved)
    try:
        export_run(run, tmp_path / "1", embeddings=True)
    finally:
        moved.rename(data)
    frame = pl.read_parquet(tmp_path / "1" / "embeddings" / "user.parquet")
    assert frame.columns == ["key", "vector", "count", "last_step"]
    assert "exported without their texts" in capsys.readouterr().err


def test_texts_that_were_changed_are_refused(
    run_of: Callable[[str], Path], data: Path, tmp_path: Path
) -> None:
    run, path = run_of("every key"), data / "key_texts" / "tags.parquet"
    sound = path.read_bytes()
    path.write_bytes(sound[:-9] + b"x" + sound[-8:])
    try:
        with pytest.raises(UserError, match=r"tags\.parquet was changed since it was written"):
            export_run(run, tmp_path / "1", embeddings=True)
    finally:
        path.write_bytes(sound)
    assert not (tmp_path / "1").exists()


def key(text: str) -> int:
    return mmh3.hash64(text, 3, signed=False)[0] % 2**63
