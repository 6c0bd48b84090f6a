import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import smt_bench.strategy
from smt_bench.strategy import Chief, Data
from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_features.synth import synthesize
from smt_model.config import TrainConfig
from smt_model.run_directory import RunDirectory
from smt_model.tensors import read_tensors
from smt_model.training import train
from smt_schemas import taobao


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strategy")
    synthesize(folder / "log", rows=5000)
    options = PrepareOptions(rows_per_shard=2000)
    prepare(PrepareJob(folder / "log", folder / "shards", taobao(), options))
    return folder / "shards"


def test_the_model_on_the_strategy_learns_what_ours_learns(shards: Path, tmp_path: Path) -> None:
    data = Data(shards)
    pieces = data.work.pieces_until(5)
    batches = [batch for piece in range(pieces) for batch in data.batches(piece)]
    chief = Chief(data, tf.distribute.get_strategy())
    for batch in batches:
        chief.update(*batch)
    run = tmp_path / "run"
    steps = len(batches)
    train(
        TrainConfig(
            data_location=str(shards),
            checkpoint=str(run),
            batch_size=512,
            steps=steps,
            workqueue=True,
        )
    )
    (file,) = RunDirectory(run).newest_checkpoint().glob("*.safetensors")
    expected = dict(read_tensors(file))
    for name in ("user_id", "tag_brand_list"):
        start = data.layout.starts[name]
        wanted = np.asarray(expected[f"embedding/{name}"], np.float32)
        found = chief.table[0][0].numpy()[start : start + len(wanted)]
        np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--kill", "worker"]])
def test_both_kinds_of_parameter_servers_are_measured(shards: Path, more: list[str]) -> None:
    script = smt_bench.strategy.__file__
    command = [sys.executable, script, shards, "--steps", "300", "--turns", "1", *more]
    found = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
    ours, theirs = [line for line in found.stdout.splitlines() if not line.startswith("  ")]
    assert ours.startswith("smt train ")
    assert theirs.startswith("ParameterServerStrategy ")
