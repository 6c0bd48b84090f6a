"""Runs with embedding variables: they stop and go on, drop keys, and refuse what makes no sense."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_series_equal

from smt_features import open_shards
from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model.config import TrainConfig
from smt_model.evaluation import evaluate_run
from smt_model.predict import predict_run
from smt_model.run_directory import RunDirectory
from smt_model.tensors import read_tensors
from smt_model.training import train
from smt_schemas import UsageError, UserError

OPTIONS: dict[str, Any] = {
    "counter": {"ev": True, "ev_filter": "counter", "filter_freq": 2},
    "everything": {
        "columns": {"user": {"ev": True, "ev_elimination": "gstep", "steps_to_live": 3}},
        "ev": True,
        "ev_filter": "cbf",
        "ev_elimination": "l2",
        "l2_threshold": 0.35,
        "optimizer": "adamasync",
        "bf16": True,
    },
    "adagrad": {
        "ev": True,
        "ev_filter": "counter",
        "ev_elimination": "gstep",
        "steps_to_live": 2,
        "bf16": True,
    },
    "adaptive": {"adaptive_emb": True, "adaptive_threshold": 20},
}
SLOW = ("counter",)
"""``adagrad`` has the same filter."""


@pytest.fixture(scope="module")
def with_keys(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("keys") / "shards"
    schema = open_shards(dataset).schema
    prepare(PrepareJob(dataset, output, schema, PrepareOptions(keys=True)))
    return output


def config(data: Path, run: Path, **options: Any) -> TrainConfig:
    fields = {"steps": 40, "batch_size": 64, "save_steps": 10, "ev_capacity": 1000} | options
    return TrainConfig(data_location=str(data), checkpoint=str(run), **fields)


def tensors(run: Path) -> dict[str, bytes]:
    path = RunDirectory(run).newest_checkpoint() / "tensors-00000-of-00001.safetensors"
    return {name: array.tobytes() for name, array in read_tensors(path).items()}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(options, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name, options in OPTIONS.items()
    ],
)
def test_a_run_that_is_gone_on_with_equals_one_that_never_stopped(
    with_keys: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    train(config(with_keys, tmp_path / "whole", **options))
    train(config(with_keys, tmp_path / "parts", **options, steps=23))

    _, result = train(config(with_keys, tmp_path / "parts", **options))

    assert tensors(tmp_path / "parts") == tensors(tmp_path / "whole")
    assert evaluate_run(tmp_path / "whole", None, "test") == result


def test_a_checkpoint_holds_the_keys_of_the_log_and_vectors_of_admitted_ones_alone(
    with_keys: Path, tmp_path: Path
) -> None:
    run, _ = train(config(with_keys, tmp_path / "run", **OPTIONS["counter"], batch_size=400))
    (file,) = run.newest_checkpoint().glob("*.safetensors")
    found = read_tensors(file)
    # 40 users, and every batch of 400 rows has each of them; 25 brands.
    assert found["embedding/user/key"].shape == (40,)
    assert found["embedding/user/vector"].shape == (40, 4)
    assert found["embedding/user/vector/accumulator"].shape == (40, 4)
    assert found["embedding/user/candidate"].shape == (0,)
    assert (np.diff(found["embedding/brand/key"]) > 0).all()
    assert found["embedding/user/key/count"].sum() == 13 * 1000 + 400  # 40 steps, 3 an epoch
    assert "embedding/user" not in found


def test_data_without_keys_is_refused(dataset: Path, with_keys: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Prepare it with --keys"):
        train(config(dataset, tmp_path / "run", ev=True))
    run, _ = train(config(with_keys, tmp_path / "run", ev=True, evaluate=False, steps=1))
    with pytest.raises(UserError, match="Prepare it with --keys"):
        evaluate_run(run.path, dataset, "test")
    with pytest.raises(UserError, match="Prepare it with --keys"):
        predict_run(run.path, dataset, tmp_path / "predicted.csv")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"ev": True, "adaptive_emb": True}, "choose one"),
        ({"ev_filter": "counter"}, "needs ev or adaptive-emb"),
        ({"adaptive_emb": True, "ev_filter": "counter"}, "no ev-filter counter"),
        ({"ev": True, "tf": True}, "no --tf"),
        ({"ev": True, "emb_fusion": False}, "no --no-emb-fusion"),
        ({"ev": True, "ev_elimination": "l2"}, "save-steps"),
        ({"columns": {"user": {"ev": 3}}}, "column user: --ev"),
    ],
)
def test_combinations_without_sense_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        TrainConfig.from_options(**options)


def test_options_for_a_column_that_is_not_there_are_refused(
    with_keys: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"columns\.usr"):
        train(config(with_keys, tmp_path / "run", columns={"usr": {"ev": True}}))


def test_a_feature_can_be_left_out_of_what_all_others_do(with_keys: Path, tmp_path: Path) -> None:
    options = OPTIONS["counter"] | {"columns": {"brand": {"ev": False}}}
    run, _ = train(config(with_keys, tmp_path / "run", **options))
    (file,) = run.newest_checkpoint().glob("*.safetensors")
    found = read_tensors(file)
    assert found["embedding/brand"].shape == (30, 4)
    assert "embedding/brand/key" not in found
    assert "embedding/user/key" in found


def test_a_log_and_its_shards_are_predicted_alike(
    with_keys: Path, dataset: Path, tmp_path: Path
) -> None:
    run, _ = train(config(with_keys, tmp_path / "run", **OPTIONS["counter"]))
    of_log, of_shards = tmp_path / "log.parquet", tmp_path / "shards.parquet"
    predict_run(run.path, dataset / "b", of_log)
    predict_run(run.path, with_keys, of_shards)
    # Shards are in an order of their own.
    first, second = (pl.read_parquet(path)["ctr"].sort() for path in (of_log, of_shards))
    assert_series_equal(first, second, check_exact=False, abs_tol=1e-6)
