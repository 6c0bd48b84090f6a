"""Real processes, stopped by signals, by a full disk, or by one another."""

import json
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from smt_model.config import TrainConfig
from smt_model.run_directory import RunDirectory
from smt_model.tensors import read_tensors
from smt_model.training import train

STEPS, BATCH = 1500, 64
RATES = ("steps_per_second", "samples_per_second")


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "smt_cli", "train", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def new_run(data: Path, run: Path, **options: Any) -> list[str | Path]:
    fields = {"steps": STEPS, "batch-size": BATCH, "save-steps": 7, **options}
    typed = [word for name, value in fields.items() for word in (f"--{name}", str(value))]
    return ["--data-location", data, "--checkpoint", run, *typed]


def outcome(run: Path) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """Return the last weights, and the lines of metrics without what depends on the clock."""
    (file,) = RunDirectory(run).newest_checkpoint().glob("*.safetensors")
    tensors = {name: array.tobytes() for name, array in read_tensors(file).items()}
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return tensors, [{k: v for k, v in line.items() if k not in RATES} for line in lines]


@pytest.fixture(scope="module")
def uninterrupted(
    dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    run = tmp_path_factory.mktemp("whole") / "run"
    data = str(dataset)
    train(TrainConfig(data_location=data, checkpoint=str(run), steps=STEPS, batch_size=BATCH))
    return outcome(run)


def killed_and_resumed(data: Path, run: Path, moments: int, seed: int) -> None:
    """Kill a run that many times at random moments, and go on each time in a new process."""
    chance = random.Random(seed)
    arguments = new_run(data, run)
    for _ in range(moments):
        process = start(*arguments)
        first_line(process)
        time.sleep(chance.uniform(0, 1.5))
        process.kill()
        process.communicate()
        arguments = ["--resume", run]
    last = start(*arguments)
    _, said = last.communicate()
    assert last.returncode == 0, said


@pytest.mark.parametrize("seed", [1])
def test_a_run_killed_at_any_moment_ends_as_if_it_never_was(
    seed: int, dataset: Path, tmp_path: Path, uninterrupted: Any
) -> None:
    killed_and_resumed(dataset, tmp_path / "run", moments=2, seed=seed)
    assert outcome(tmp_path / "run") == uninterrupted


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_five_times_ends_as_if_it_never_was(
    seed: int, dataset: Path, tmp_path: Path, uninterrupted: Any
) -> None:
    killed_and_resumed(dataset, tmp_path / "run", moments=5, seed=seed)
    assert outcome(tmp_path / "run") == uninterrupted


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_the_run_and_sets_the_exit_code(
    number: signal.Signals, code: int, dataset: Path, tmp_path: Path, uninterrupted: Any
) -> None:
    run = tmp_path / "run"
    process = start(*new_run(dataset, run, **{"save-steps": 0}))
    first_line(process)
    first_line(process)  # the losses of the first steps
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == code
    assert f"Go on: smt train --resume {run}" in said
    assert "Traceback" not in said
    assert 0 < int(RunDirectory(run).newest_checkpoint().name[5:]) < STEPS

    train(RunDirectory(run).config, resume=run)

    assert outcome(run) == uninterrupted


def test_a_second_process_is_kept_out_of_a_run(dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(*new_run(dataset, run, steps=100_000))
    first_line(process)
    second = start("--resume", run)
    _, said = second.communicate()
    assert process.poll() is None
    process.kill()
    process.communicate()
    assert second.returncode == 1
    assert f"process {process.pid}" in said
    assert "choose another --checkpoint" in said


def test_a_full_disk_loses_no_earlier_checkpoint(dataset: Path, tmp_path: Path) -> None:
    # The limit on the size of a file lets everything through but a checkpoint's tensors.
    run = tmp_path / "run"
    train(TrainConfig(data_location=str(dataset), checkpoint=str(run), steps=10, batch_size=64))
    before, _ = outcome(run)
    limit = 100_000
    process = start(
        *("--resume", run, "--steps", "20"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    _, said = process.communicate()
    assert process.returncode == 1
    assert "Cannot save the checkpoint" in said
    assert "File too large. Earlier ones are kept." in said
    assert "Traceback" not in said
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-0000000010"]
    assert outcome(run)[0] == before
