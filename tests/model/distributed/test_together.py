"""Workers that make every step together, as processes."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smt_features import open_shards
from smt_model.checkpoint import Pending
from smt_model.config import TrainConfig
from smt_model.run_directory import RunDirectory
from smt_model.tensors import read_tensors
from smt_model.trainer import Trainer
from smt_model.training import train


def options(data: Path, run: Path, **more: Any) -> list[Any]:
    """Return options of a worker with half of a batch of 64 rows."""
    given = {"data_location": data, "checkpoint": run, "batch_size": 32, **more}
    return [word for name, value in given.items() for word in (f"--{name}", value)]


def one_process(data: Path, run: Path, **more: Any) -> Path:
    train(TrainConfig(data_location=str(data), checkpoint=str(run), batch_size=64, **more))
    return run


def tensors(run: Path) -> dict[str, Any]:
    (file,) = RunDirectory(run).newest_checkpoint().glob("*.safetensors")
    return dict(read_tensors(file))


def figures(run: Path) -> list[Any]:
    """Return what a run reported, without rates."""
    lines = RunDirectory(run).metrics
    return [
        [line.step, line.auc, *(task.log_loss for task in line.tasks.values())]
        for line in lines.evaluations()
    ]


def test_two_workers_give_one_process_s_losses_and_weights(
    dataset: Path,
    tmp_path: Path,
    job: Callable[..., Any],
    losses: Callable[[Path], list[float]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("smt_model.trainer.LOG_STEPS", 1)
    together = job(worker=2)
    together.start(options=options(dataset, tmp_path / "two", steps=200), every_step=True)
    expected = one_process(dataset, tmp_path / "one", steps=200)
    assert together.wait() == {"worker0": 0, "worker1": 0}, together.said
    assert len(losses(expected)) == 200
    assert losses(tmp_path / "two") == pytest.approx(losses(expected), abs=1e-5)
    found, wanted = tensors(tmp_path / "two"), tensors(expected)
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, atol=1e-4, err_msg=name)
    np.testing.assert_allclose(figures(tmp_path / "two"), figures(expected), atol=1e-4)
    assert "AUC" in together["worker0"].out
    assert "AUC" not in together["worker1"].out
    # One process goes on from there.
    one_process(dataset, tmp_path / "two", steps=210)
    one_process(dataset, expected, steps=210)
    np.testing.assert_allclose(figures(tmp_path / "two"), figures(expected), atol=1e-4)


@pytest.mark.parametrize("killed", ["worker1", pytest.param("worker0", marks=pytest.mark.slow)])
def test_a_killed_process_stops_the_others_with_its_name_and_the_run_goes_on(
    dataset: Path, tmp_path: Path, job: Callable[..., Any], killed: str
) -> None:
    run = tmp_path / "run"
    given = options(dataset, run, save_steps=50)
    together = job(worker=2)
    together.start(options=[*given, "--steps", 1_000_000])
    together["worker0"].waits_for("step 100/")
    together[killed].send(signal.SIGKILL)
    (other,) = {"worker0", "worker1"} - {killed}
    assert together[other].wait() == 1
    error = together[other].err.splitlines()[-1]
    assert f"Error: The connection to {killed[:-1]} {killed[-1]} (127.0.0.1:" in error
    assert f"from the newest checkpoint in {run}." in error
    assert "Traceback" not in together[other].err
    step = int(RunDirectory(run).newest_checkpoint().name.removeprefix("step-"))
    assert step >= 50  # a chief that is killed at step 100 may not have saved it
    # The next attempt goes on there; a signal to a worker stops it, saved.
    together.start(options=[*given, "--steps", 1_000_000])
    together["worker0"].waits_for(f"step {step + 100:,}/")
    together["worker1"].send(signal.SIGTERM)
    assert together.wait() == {"worker0": 143, "worker1": 143}, together.said
    assert f"Going on at step {step:,} of" in together["worker0"].err
    assert "Saved at step" in together["worker0"].err


@pytest.mark.parametrize("other", [("--learning-rate", "0.2"), ("--steps", "20")])
def test_workers_with_other_options_are_refused(
    dataset: Path, tmp_path: Path, job: Callable[..., Any], other: tuple[str, str]
) -> None:
    together = job(worker=2)
    given = options(dataset, tmp_path / "run", steps=10)
    together.start("worker0", options=given)
    together.start("worker1", options=[*given, *other])
    assert together.wait() == {"worker0": 1, "worker1": 1}
    for name in ("worker0", "worker1"):
        assert "have not the same options, or not the same data" in together[name].err


def test_two_workers_go_on_from_a_delta_and_leave_a_finished_run_as_it_is(
    dataset: Path, tmp_path: Path, job: Callable[..., Any]
) -> None:
    runs = [tmp_path / name for name in ("two", "one")]
    for run in runs:
        begun = TrainConfig(data_location=str(dataset), checkpoint=str(run), batch_size=64, steps=9)
        trainer = Trainer(
            begun.model_copy(update={"incremental_ckpt": 1.0}),
            open_shards(dataset),
            RunDirectory(run),
        )
        with trainer.batches(9) as batches:
            ready = iter(batches)
            trainer.advance(ready)
            trainer.save(Pending(), None)
            trainer.advance(ready)
        trainer.save_delta(Pending(), None)
    together = job(worker=2)

    together.start(options=options(dataset, runs[0], steps=30))
    assert together.wait() == {"worker0": 0, "worker1": 0}, together.said

    one_process(dataset, runs[1], steps=30)
    assert "from step-0000000005 + delta-0000000009" in together["worker0"].err
    np.testing.assert_allclose(figures(runs[0]), figures(runs[1]), atol=1e-4)
    together.start(options=options(dataset, runs[0], steps=20))
    assert together.wait() == {"worker0": 0, "worker1": 0}, together.said
    assert "is finished: 30 of 20 steps" in together["worker0"].err


def test_a_worker_that_never_appears_is_named(
    dataset: Path, tmp_path: Path, job: Callable[..., Any]
) -> None:
    together = job(worker=2)
    given = options(dataset, tmp_path / "run", startup_timeout=1)
    together.start("worker0", options=given)
    assert together["worker0"].wait() == 1
    assert "Error: Waited 1 s for worker 1 (127.0.0.1:" in together["worker0"].err


@pytest.mark.slow
def test_bf16_and_early_stopping_with_two_workers(
    dataset: Path, tmp_path: Path, job: Callable[..., Any]
) -> None:
    together = job(chief=1, worker=1)
    given = options(dataset, tmp_path / "run", steps=5000, eval_steps=10, seed=7)
    given += ["--bf16", "--early-stop-metric", "ctr.auc", "--early-stop-patience", 2]
    together.start(options=given)
    assert together.wait() == {"chief0": 0, "worker0": 0}, together.said
    assert "Stopped early: best ctr.auc" in together["chief0"].err
    assert "done at step" in together["worker0"].err
