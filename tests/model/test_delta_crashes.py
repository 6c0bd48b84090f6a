"""Runs with deltas that are killed at any moment, most of them while they write."""

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from smt_features import open_shards
from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model.config_file import read_config
from smt_model.resume import newest_sound
from smt_model.run_directory import RunDirectory
from smt_model.tensors import read_tensors
from smt_model.training import train

KINDS: dict[str, dict[str, Any]] = {
    "static": {},
    "ev": {"ev": True, "ev-filter": "cbf", "cbf-expected-keys": 100, "ev-capacity": 1000},
}
LENGTH = {"steps": 2000, "batch-size": 16, "save-steps": 300, "no-eval": True}
SHORT = LENGTH | {"steps": 600, "save-steps": 150}


@pytest.fixture(scope="module")
def with_keys(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("keys") / "shards"
    prepare(PrepareJob(dataset, output, open_shards(dataset).schema, PrepareOptions(keys=True)))
    return output


def typed(options: dict[str, Any]) -> list[str]:
    words = ((f"--{name}", "" if value is True else str(value)) for name, value in options.items())
    return [word for pair in words for word in pair if word]


def newest_step(run: Path) -> int:
    """Return the step from which a run goes on; what is damaged fails."""
    directory = RunDirectory(run)
    if not directory.checkpoints():
        return 0
    damaged: list[str] = []
    start = newest_sound(directory, damaged.append)
    assert damaged == []
    return start.state.step


def weights(run: RunDirectory) -> dict[str, bytes]:
    (file,) = run.newest_checkpoint().glob("*.safetensors")
    return {name: array.tobytes() for name, array in read_tensors(file).items()}


def killed_often(data: Path, run: Path, options: dict[str, Any], moments: int) -> list[int]:
    """Kill a run that many times, going on each time; return the steps it went on from."""
    chance = random.Random(moments)
    command = [sys.executable, "-m", "smt_cli", "train", "--data-location", str(data)]
    command += ["--checkpoint", str(run), *typed(options), "--incremental-ckpt", "0.001"]
    steps = [0]
    for _ in range(moments):
        before = RunDirectory(run).restorable()
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        while RunDirectory(run).restorable() == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.5))
        process.kill()
        process.communicate()
        steps.append(newest_step(run))
        assert steps[-1] >= steps[-2]
    return steps


@pytest.mark.parametrize(
    ("kind", "moments"),
    [("ev", 1), *(pytest.param(kind, 20, marks=pytest.mark.slow) for kind in KINDS)],
)
def test_a_killed_run_goes_on_from_no_earlier_step_and_ends_as_if_it_never_was(
    kind: str, moments: int, with_keys: Path, tmp_path: Path
) -> None:
    options = (LENGTH if moments > 1 else SHORT) | KINDS[kind]
    steps = killed_often(with_keys, tmp_path / "run", options, moments)
    assert steps[-1] > 0
    run = RunDirectory(tmp_path / "run")

    train(run.config, resume=run.path)

    given = {"data_location": str(with_keys), "checkpoint": str(tmp_path / "whole")}
    plain = read_config(run.path / "config.json", given | {"incremental_ckpt": 0.0})
    whole, _ = train(plain)
    assert weights(run) == weights(whole)
