"""Runs that start from another one: what they take, what not, and that they go on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mmh3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from smt_features import open_shards
from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model.config import TrainConfig
from smt_model.ev.beginnings import Beginnings, DistinctPairs, find_beginnings
from smt_model.ev.initial import first_vectors, stream_of
from smt_model.feature_options import embedding_variables
from smt_model.loading import load_run
from smt_model.model import MultiTaskModel
from smt_model.origin import Origin
from smt_model.run_directory import RunDirectory
from smt_model.tensors import read_tensors
from smt_model.training import train
from smt_model.transfer import Transfer
from smt_schemas import DatasetSchema, UserError

MakeSchema = Callable[..., DatasetSchema]
COUNTER: dict[str, Any] = {
    "ev": True,
    "ev_capacity": 1000,
    "ev_filter": "counter",
    "filter_freq": 20,
}


@pytest.fixture(scope="module")
def data(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("keys") / "shards"
    prepare(PrepareJob(dataset, output, open_shards(dataset).schema, PrepareOptions(keys=True)))
    return output


def config(data: Path, run: Path, **options: Any) -> TrainConfig:
    fields = {"steps": 12, "batch_size": 64, "evaluate": False} | options
    return TrainConfig(data_location=str(data), checkpoint=str(run), **fields)


@pytest.fixture(scope="module")
def static(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(config(data, tmp_path_factory.mktemp("static") / "run"))[0].path


@pytest.fixture(scope="module")
def by_key(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(config(data, tmp_path_factory.mktemp("keys") / "run", **COUNTER))[0].path


def tensors(run: Path) -> dict[str, NDArray[Any]]:
    (file,) = RunDirectory(run).newest_checkpoint().glob("*.safetensors")
    return {name: np.array(values) for name, values in read_tensors(file).items()}


def transfer(run: Path, data: Path, schema: DatasetSchema, **options: Any) -> Transfer:
    """Take what fits into a fresh model of a schema."""
    made = TrainConfig(seed=9, **options)
    model = MultiTaskModel(schema, 9, variables=embedding_variables(made, schema), capacity=1000)
    origin = Origin.of(open_shards(data)).model_copy(update={"dataset_schema": schema})
    found = Transfer(load_run(run), model, origin)
    found.run()
    return found


def test_tables_and_towers_of_the_same_kind_are_taken_without_slots(
    static: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A rate so small that nothing moves.
    options = {"steps": 1, "learning_rate": 1e-30, "seed": 9, "init_from": str(static)}
    train(config(data, tmp_path / "run", **options))
    before, after = tensors(static), tensors(tmp_path / "run")
    for name in ("embedding/user", "embedding/tags", "tower/ctr/0/kernel", "tower/cvr/4/bias"):
        np.testing.assert_array_equal(after[name], before[name])
    assert (after["embedding/user/accumulator"] >= 0.1).all()
    assert after["embedding/user/accumulator"].sum() < before["embedding/user/accumulator"].sum()
    said = capsys.readouterr().err
    assert f"Starting from {static} at step 12" in said
    assert "taken: user, tags, brand, tower ctr, tower cvr" in said


def test_what_does_not_fit_is_named_with_the_reason(
    static: Path, data: Path, make_schema: MakeSchema
) -> None:
    schema = make_schema(brand={"hash_buckets": 31}, tags={"name": "labels"})
    found = transfer(static, data, schema)
    assert found.whole == ["user"]
    assert found.refused == {
        "labels": "it is new",
        "brand": "brand.hash_buckets: 30 against 31",
        "tower ctr": "its inputs are others",
        "tower cvr": "its inputs are others",
    }


def test_another_hash_fits_nothing_that_is_hashed(
    static: Path, other_dataset: Path, schema: DatasetSchema
) -> None:
    found = transfer(static, other_dataset, schema)
    assert found.refused["user"] == "hash seed: 0 against 1"
    assert found.whole == ["tower ctr", "tower cvr"]


def test_new_keys_begin_with_the_vector_of_their_bucket(
    static: Path, data: Path, tmp_path: Path
) -> None:
    options = {
        "steps": 16,
        "learning_rate": 1e-30,
        "ev": True,
        "ev_capacity": 1000,
        "init_from": str(static),
    }
    run, _ = train(config(data, tmp_path / "run", **options))  # one epoch: all keys come
    buckets = tensors(static)
    (keys, table) = load_run(run.path).model.keys_of("user")  # type: ignore[misc]
    split = open_shards(data)["train"]
    batch: dict[str, Any] = dict(next(iter(split.batches(1000, shuffle=False))))
    of_key = dict(zip(batch["user_key"].tolist(), batch["user"].tolist(), strict=True))
    assert len(keys.keys) == len(of_key) == 40
    found = table.packed.sparse_read(keys.rows).numpy()[:, :4]
    expected = buckets["embedding/user"][[of_key[key] for key in keys.keys.tolist()]]
    np.testing.assert_array_equal(found, expected)


def test_keys_of_a_list_are_paired_with_buckets_where_the_row_tells(
    static: Path, data: Path
) -> None:
    split = open_shards(data)["train"]
    vectors = tensors(static)["embedding/tags"]
    found = find_beginnings(split, {"tags": vectors})["tags"]
    # Entries are the numbers 0 to 29.
    expected = {
        mmh3.hash64(text, signed=False)[0] % 2**63: mmh3.hash(text, signed=False) % 40
        for text in map(str, range(30))
    }
    assert dict(zip(found.keys.tolist(), found.buckets.tolist(), strict=True)) == expected


def test_a_key_without_a_bucket_begins_with_its_own_vector() -> None:
    own = first_vectors(np.array([5, 6, 7]), 2, stream_of("f", 1))
    rows = np.array([[1, 2], [3, 4]], np.float32)
    filled = own.copy()
    Beginnings(np.array([2, 6]), np.array([0, 1], np.int32), rows).fill(np.array([5, 6, 7]), filled)
    np.testing.assert_array_equal(filled[1], [3, 4])
    np.testing.assert_array_equal(filled[[0, 2]], own[[0, 2]])


def test_keys_are_taken_with_counts_under_another_threshold_and_capacity(
    by_key: Path, data: Path, schema: DatasetSchema
) -> None:
    source = load_run(by_key).model.keys_of("user")
    assert source is not None
    known, _ = source
    options = COUNTER | {"filter_freq": 10_000}

    found = transfer(by_key, data, schema, **options)

    keys, table = found._model.keys_of("user")  # type: ignore[misc]
    assert found.keys["user"] == len(known.owners) < len(known.keys) == len(keys.keys)
    np.testing.assert_array_equal(keys.keys[keys.owners], known.keys[known.owners])
    np.testing.assert_array_equal(keys.counts[keys.owners], known.counts[known.owners])
    (rows,) = (keys.rows[keys.owners],)
    vectors = tensors(by_key)["embedding/user/vector"]
    np.testing.assert_array_equal(table.packed.sparse_read(rows).numpy()[:, :4], vectors)


def test_what_owns_vectors_by_key_does_not_fit_buckets(
    by_key: Path, data: Path, schema: DatasetSchema
) -> None:
    found = transfer(by_key, data, schema)
    assert found.refused["user"] == "it has vectors of keys there, and of buckets here"
    adaptive = transfer(by_key, data, schema, adaptive_emb=True)
    assert adaptive.keys.keys() == {"user", "tags", "brand"}
    assert adaptive.refused["buckets that rare keys of user share"] == "there are others there"


def test_a_stopped_run_that_started_from_another_goes_on_bit_for_bit(
    static: Path, data: Path, tmp_path: Path
) -> None:
    options = COUNTER | {"init_from": str(static), "save_steps": 7}
    train(config(data, tmp_path / "whole", **options, steps=30))
    train(config(data, tmp_path / "parts", **options, steps=9))

    train(config(data, tmp_path / "parts", **options | {"ev_capacity": 700}, steps=30))

    whole, parts_ = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert whole.keys() == parts_.keys()
    for name in whole:
        np.testing.assert_array_equal(parts_[name], whole[name], name)


def test_a_run_that_lost_what_its_keys_begin_with_says_so(
    static: Path, data: Path, tmp_path: Path
) -> None:
    options = COUNTER | {"init_from": str(static)}
    run, _ = train(config(data, tmp_path / "run", **options))
    path = run.path / "first_vectors.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="is damaged"):
        train(config(data, tmp_path / "run", **options, steps=20))
    path.unlink()
    with pytest.raises(UserError, match="The run needs it to go on"):
        train(config(data, tmp_path / "run", **options, steps=20))


def test_there_must_be_a_run_to_start_from(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="directory of a run"):
        train(config(data, tmp_path / "run", init_from=str(tmp_path / "nothing")))


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=6), max_size=8))
def test_the_first_bucket_of_a_key_counts_however_batches_fall(
    batches: list[list[tuple[int, int]]],
) -> None:
    distinct = DistinctPairs()
    expected: dict[int, int] = {}
    for batch in batches:
        pairs = np.array(batch, np.int64).reshape(-1, 2)
        distinct.add(pairs[:, 0], pairs[:, 1].astype(np.int32))
        for key, bucket in batch:
            expected.setdefault(key, bucket)

    keys, buckets = distinct.all()

    assert list(zip(keys.tolist(), buckets.tolist(), strict=True)) == sorted(expected.items())
