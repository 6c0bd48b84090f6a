"""Workers and parameter servers, as processes."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model.checkpoint import read_state
from smt_model.config import TrainConfig
from smt_model.evaluation import evaluate_run
from smt_model.run_directory import RunDirectory
from smt_model.tensors import read_tensors
from smt_model.training import train
from smt_model.work_queue import QueueState
from smt_schemas import DatasetSchema

SLICED = {"dense_layer_partitioner": 1, "input_layer_partitioner": 1}


def options(data: Path, run: Path, **more: Any) -> list[Any]:
    given = {"data_location": data, "checkpoint": run, "batch_size": 64, **more}
    return [word for name, value in given.items() for word in (f"--{name}", value)]


def one_process(data: Path, run: Path, **more: Any) -> None:
    train(TrainConfig(data_location=str(data), checkpoint=str(run), batch_size=64, **more))


def tensors(run: Path) -> dict[str, Any]:
    (file,) = RunDirectory(run).newest_checkpoint().glob("*.safetensors")
    return dict(read_tensors(file))


def step_of(run: Path) -> int:
    return int(RunDirectory(run).newest_checkpoint().name.removeprefix("step-"))


def require_equal(found: Path, wanted: Path) -> None:
    """Compare the weights and slots of two runs."""
    ours, theirs = tensors(found), tensors(wanted)
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    "optimizer",
    [
        "adagrad",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("adagraddecay", "adam", "adamasync", "gradientdescent")
        ),
    ],
)
def test_one_worker_does_what_one_process_does_and_goes_on_with_its_runs(
    dataset: Path,
    tmp_path: Path,
    job: Callable[..., Any],
    losses: Callable[[Path], list[float]],
    optimizer: Any,
) -> None:
    expected, run = tmp_path / "one", tmp_path / "served"
    rule: dict[str, Any] = {"optimizer": optimizer, "learning_rate": 0.01}
    if optimizer == "adagraddecay":
        rule |= {"accumulator_decay_steps": 30, "accumulator_decay_rate": 0.5}
    for path in (expected, run):
        one_process(dataset, path, steps=50, **rule)
    one_process(dataset, expected, steps=200, **rule)
    served = job(worker=1, ps=2)
    served.start(options=options(dataset, run, steps=200, **rule, **SLICED))
    assert served.wait() == {"worker0": 0, "ps0": 0, "ps1": 0}, served.said
    assert "Going on at step 50 of 200" in served["worker0"].err
    assert losses(run) == pytest.approx(losses(expected), abs=1e-5)
    require_equal(run, expected)
    for path in (expected, run):
        one_process(dataset, path, steps=220, **rule)
    require_equal(run, expected)


def test_two_workers_make_all_steps_and_one_process_evaluates_them(
    dataset: Path, tmp_path: Path, job: Callable[..., Any]
) -> None:
    served = job(chief=1, worker=1, ps=2)
    run = tmp_path / "run"
    given = options(dataset, run, steps=301, save_steps=100, eval_steps=150, **SLICED)
    served.start(options=[*given, "--bf16", "--clip-norm", 5])
    codes = {"chief0": 0, "worker0": 0, "ps0": 0, "ps1": 0}
    assert served.wait() == codes, served.said
    assert step_of(run) == 301
    found = RunDirectory(run).metrics.evaluations()
    assert found[-1].step == 301
    assert len(found) == 3
    again = evaluate_run(run, None, "test")
    for task, metrics in again.tasks.items():
        assert metrics.log_loss == pytest.approx(found[-1].tasks[task].log_loss, abs=1e-5)
    assert again.tasks["ctr"].auc is not None
    assert again.tasks["ctr"].auc > 0.7


@pytest.mark.slow
def test_a_killed_worker_is_named_with_the_steps_that_are_lost(
    dataset: Path, tmp_path: Path, job: Callable[..., Any]
) -> None:
    served = job(worker=2, ps=1)
    run = tmp_path / "run"
    served.start(options=options(dataset, run, steps=1000, startup_timeout=20))
    served["worker0"].waits_for("step ")
    served["worker1"].send(signal.SIGKILL)
    served["worker1"].wait()
    assert served["worker0"].wait() == 0, served.said
    assert served["ps0"].wait() == 0
    assert "worker 1 (127.0.0.1:" in served["worker0"].err
    assert "of its steps: so many batches were not trained on." in served["worker0"].err
    assert 500 < step_of(run) < 1000


@pytest.mark.slow
def test_a_worker_that_is_started_again_makes_the_steps_that_are_left_to_it(
    dataset: Path, tmp_path: Path, job: Callable[..., Any]
) -> None:
    served = job(worker=2, ps=1)
    given = options(dataset, tmp_path / "run", steps=3000)
    served.start(options=given)
    served["worker0"].waits_for("step ")
    served["worker1"].send(signal.SIGKILL)
    served["worker1"].wait()
    served.start("worker1", options=given)
    assert served.wait() == {"worker0": 0, "worker1": 0, "ps0": 0}, served.said
    assert "training from step 0 on" not in served["worker1"].err
    assert step_of(tmp_path / "run") == 3000


@pytest.mark.parametrize("killed", ["ps1", pytest.param("worker0", marks=pytest.mark.slow)])
def test_a_lost_server_or_chief_stops_the_job_which_goes_on_when_started_again(
    dataset: Path, tmp_path: Path, job: Callable[..., Any], killed: str
) -> None:
    served = job(worker=2, ps=2)
    run = tmp_path / "run"
    given = options(dataset, run, save_steps=100)
    served.start(options=[*given, "--steps", 1_000_000])
    served["worker0"].waits_for("step 3")
    served[killed].send(signal.SIGKILL)
    codes = served.wait()
    assert codes.pop(killed) == -signal.SIGKILL
    assert set(codes.values()) == {1}, served.said
    assert "Traceback" not in served.said
    name = f"{killed[:-1]} {killed[-1]} (127.0.0.1:"
    assert name in served["worker1"].err.splitlines()[-1]
    assert "go on from the newest checkpoint" in served["worker1"].err
    step = step_of(run)
    served.start(options=[*given, "--steps", step + 50])
    assert set(served.wait().values()) == {0}, served.said
    assert f"Going on at step {step:,} of" in served["worker0"].err
    assert step_of(run) == step + 50


@pytest.mark.slow
def test_a_dead_worker_s_shards_are_trained_on_by_the_others(
    dataset: Path, schema: DatasetSchema, tmp_path: Path, job: Callable[..., Any]
) -> None:
    shards = tmp_path / "shards"  # 1,000 rows: 4 shards of 5, 5, 5 and 2 batches of 64
    prepare(PrepareJob(dataset, shards, schema, PrepareOptions(rows_per_shard=310)))
    run = tmp_path / "run"
    served = job(worker=2, ps=1)
    served.start(options=[*options(shards, run, epochs=60), "--workqueue"])
    served["worker0"].waits_for("step ")
    served["worker1"].send(signal.SIGKILL)
    served["worker1"].wait()
    assert served["worker0"].wait() == 0, served.said
    assert served["ps0"].wait() == 0
    assert "worker 1 (127.0.0.1:" in served["worker0"].err
    assert "that it had begun are handed out again." in served["worker0"].err
    # Every batch once; the one that the dead worker had pushed but not recorded at most twice.
    assert 60 * 17 <= step_of(run) <= 60 * 17 + 1
    state = read_state(RunDirectory(run).newest_checkpoint())
    assert state.queue == QueueState(following=60 * 4)
    # One process goes on with the queue.
    one_process(shards, run, steps=60 * 17 + 20, workqueue=True)
    state = read_state(RunDirectory(run).newest_checkpoint())
    assert state.queue is not None
    assert state.queue.following > 60 * 4
