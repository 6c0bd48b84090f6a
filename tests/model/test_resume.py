"""A run that is gone on with equals the one that never stopped."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from smt_features import open_shards
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model.checkpoint import Pending
from smt_model.config import OPTIMIZERS, OptimizerName, TrainConfig
from smt_model.config_file import read_config
from smt_model.early_stopping import EarlyStopping
from smt_model.evaluation import evaluate_run
from smt_model.run_directory import RunDirectory
from smt_model.tensors import read_tensors
from smt_model.trainer import Trainer
from smt_model.training import train
from smt_schemas import UserError

RATES = ("steps_per_second", "samples_per_second")


def config(data: Path, run: Path, **options: Any) -> TrainConfig:
    fields = {"steps": 40, "batch_size": 64, **options}
    return TrainConfig(data_location=str(data), checkpoint=str(run), **fields)


def weights(run: Path) -> dict[str, bytes]:
    path = RunDirectory(run).newest_checkpoint() / "tensors-00000-of-00001.safetensors"
    return {name: array.tobytes() for name, array in read_tensors(path).items()}


def lines(run: Path) -> list[dict[str, Any]]:
    """Return the lines of metrics.jsonl without what depends on the clock."""
    found = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if key not in RATES} for line in found]


def damage(checkpoint: Path) -> None:
    (file,) = checkpoint.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-1])


def test_lookups_that_run_ahead_go_on_as_if_nothing_had_been(dataset: Path, tmp_path: Path) -> None:
    options = {"async_embedding": True, "save_steps": 7, "keep_checkpoint_max": 9}
    run, _ = train(config(dataset, tmp_path / "run", **options))
    whole = weights(run.path)
    for path in run.checkpoints()[3:]:  # killed after step 21, in the middle of a call
        shutil.rmtree(path)

    train(config(dataset, tmp_path / "run", **options))

    assert weights(run.path) == whole


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_longer_run_equals_one_that_was_as_long_from_the_start(
    optimizer: OptimizerName, dataset: Path, tmp_path: Path
) -> None:
    # 23 steps end in the middle of the second epoch of 16.
    train(config(dataset, tmp_path / "whole", optimizer=optimizer))
    train(config(dataset, tmp_path / "parts", optimizer=optimizer, steps=23))

    train(config(dataset, tmp_path / "parts", optimizer=optimizer))

    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert lines(tmp_path / "parts")[-1] == lines(tmp_path / "whole")[-1]


@pytest.mark.parametrize("native", [True, False])
def test_a_bf16_run_keeps_the_kernels_it_began_with(
    native: bool, dataset: Path, tmp_path: Path
) -> None:
    # Either kind: whichever is faster on this machine now, one of them is the other.
    for name, stop in (("whole", 40), ("parts", 20)):
        options = config(dataset, tmp_path / name, bf16=True)
        run = RunDirectory(tmp_path / name)
        trainer = Trainer(options, open_shards(dataset), run, bf16_native=native)
        run.write_config(options)
        with trainer.batches(trainer.total) as batches:
            ready = iter(batches)
            while trainer.step < stop:
                trainer.advance(ready)
        trainer.save(Pending(), None)

    train(config(dataset, tmp_path / "parts", bf16=True), resume=tmp_path / "parts")

    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_a_finished_run_is_left_as_it_is(dataset: Path, tmp_path: Path) -> None:
    run, result = train(config(dataset, tmp_path / "run"))
    before = lines(run.path), weights(run.path)

    again, same = train(run.config, resume=run.path)

    assert same == result
    assert (lines(again.path), weights(again.path)) == before


def test_metrics_of_an_earlier_step_are_not_given_for_the_last(
    dataset: Path, tmp_path: Path
) -> None:
    run, _ = train(config(dataset, tmp_path / "run", steps=20))
    _, result = train(config(dataset, run.path, steps=21, evaluate=False))
    assert result is None


def test_a_run_killed_before_its_evaluation_catches_up_on_it(dataset: Path, tmp_path: Path) -> None:
    run, result = train(config(dataset, tmp_path / "run"))
    log = run.path / "metrics.jsonl"
    expected = lines(run.path)
    # The evaluation was being written: half a line.
    log.write_text(log.read_text()[:-30])

    _, found = train(run.config)

    assert found == result
    assert lines(run.path) == expected


def test_an_evaluation_on_the_way_that_was_cut_short_is_made_up_for(
    dataset: Path, tmp_path: Path
) -> None:
    options = {"save_steps": 20, "keep_checkpoint_max": 2, "eval_steps": 20}
    run, _ = train(config(dataset, tmp_path / "run", **options))
    expected = lines(run.path)
    shutil.rmtree(run.checkpoint(40))
    (run.path / "metrics.jsonl").write_text("")  # killed between the two

    train(run.config)

    assert [line["step"] for line in expected if "split" in line] == [20, 40]
    assert lines(run.path) == expected


def test_metrics_after_the_checkpoint_are_replaced(dataset: Path, tmp_path: Path) -> None:
    options = {"steps": 230, "save_steps": 50, "keep_checkpoint_max": 9, "eval_steps": 60}
    run, _ = train(config(dataset, tmp_path / "run", **options))
    expected = lines(run.path)
    for step in (200, 230):
        damage(run.checkpoint(step))

    train(run.config)

    assert [line["step"] for line in expected] == [60, 100, 120, 180, 200, 230, 230]
    assert lines(run.path) == expected


def test_a_damaged_checkpoint_is_replaced_by_the_one_before(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"save_steps": 15, "keep_checkpoint_max": 3}
    run, _ = train(config(dataset, tmp_path / "run", **options))
    expected = weights(run.path)
    damage(run.checkpoint(40))
    capsys.readouterr()

    evaluated = evaluate_run(run.path, None, "test")
    assert evaluated.step == 30
    assert "step-0000000040 is damaged" in capsys.readouterr().err

    train(run.config)

    said = capsys.readouterr().err
    assert "step-0000000040 is damaged: a file differs from its digest. Trying the one" in said
    assert "Going on at step 30 of 40 steps" in said
    assert weights(run.path) == expected
    assert [path.name[-2:] for path in run.checkpoints()] == ["15", "30", "40"]


def test_a_checkpoint_that_cannot_be_read_is_not_given_up(dataset: Path, tmp_path: Path) -> None:
    options = {"save_steps": 20, "keep_checkpoint_max": 2}
    run, _ = train(config(dataset, tmp_path / "run", **options))
    state = run.checkpoint(40) / "state.json"
    aside = state.rename(tmp_path / "state.json")
    state.mkdir()  # reading it fails, as with a disk that does not answer

    with pytest.raises(UserError, match="Cannot read the checkpoint .*step-0000000040: Is a dir"):
        train(run.config)

    state.rmdir()
    aside.rename(state)
    _, result = train(run.config)
    assert result
    assert result.step == 40


def test_a_copy_beside_the_checkpoints_is_left_alone(dataset: Path, tmp_path: Path) -> None:
    run, _ = train(config(dataset, tmp_path / "run"))
    copy = run.path / "checkpoints" / "step-0000000040.bak"
    shutil.copytree(run.checkpoint(40), copy)

    train(config(dataset, run.path, steps=50))

    assert run.checkpoints() == [run.checkpoint(50)]
    assert copy.is_dir()


def test_without_a_sound_checkpoint_it_says_so(dataset: Path, tmp_path: Path) -> None:
    run, _ = train(config(dataset, tmp_path / "run"))
    damage(run.newest_checkpoint())
    with pytest.raises(UserError, match="no checkpoint that is not damaged"):
        train(run.config)


def test_a_run_killed_before_its_first_checkpoint_starts_anew(
    dataset: Path, tmp_path: Path
) -> None:
    run, _ = train(config(dataset, tmp_path / "run", steps=120))
    expected = lines(run.path)
    shutil.rmtree(run.path / "checkpoints")

    train(run.config)

    assert lines(run.path) == expected


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"seed": 5}, "--seed 2021 against 5"),
        ({"batch_size": 32}, "--batch-size 64 against 32"),
        ({"optimizer": "adam"}, "--optimizer adagrad against adam"),
        ({"bf16": True}, "--bf16 False against True"),
        ({"shuffle": False}, "--shuffle True against False"),
    ],
)
def test_other_options_are_refused_by_name(
    option: dict[str, Any], words: str, trained: Path, dataset: Path
) -> None:
    with pytest.raises(UserError, match=words):
        train(config(dataset, trained, **option))


def test_a_learning_rate_that_falls_to_the_end_fixes_the_length(
    dataset: Path, tmp_path: Path
) -> None:
    run, _ = train(config(dataset, tmp_path / "run", lr_schedule="cosine", evaluate=False))
    with pytest.raises(UserError, match="--steps 40 against 50"):
        train(config(dataset, run.path, lr_schedule="cosine", steps=50))


def test_data_of_another_hash_is_refused(trained: Path, other_dataset: Path) -> None:
    with pytest.raises(UserError, match=r"hash: .*seed=0 against .*seed=1"):
        train(config(other_dataset, trained))


def test_data_of_another_shape_is_refused(
    trained: Path, dataset: Path, tmp_path: Path, make_schema: Callable[..., Any]
) -> None:
    for name in "ab":
        shutil.copy(dataset / name, tmp_path / name)
    schema = make_schema(brand={"hash_buckets": 31})
    prepare(PrepareJob(tmp_path, tmp_path / "shards", schema))
    with pytest.raises(UserError, match=r"brand.hash_buckets: 30 against 31"):
        train(config(tmp_path, trained))


def test_other_rows_are_refused(trained: Path, dataset: Path, tmp_path: Path, schema: Any) -> None:
    shutil.copy(dataset / "b", tmp_path / "b")
    rows = (dataset / "a").read_text().splitlines(keepends=True)
    (tmp_path / "a").write_text("".join(rows[:-1]))
    prepare(PrepareJob(tmp_path, tmp_path / "shards", schema))
    with pytest.raises(UserError, match="trained on other rows"):
        train(config(tmp_path, trained))


def test_the_same_data_elsewhere_is_accepted(trained: Path, dataset: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(dataset / "shards", tmp_path / "moved")
    run, _ = train(config(moved, trained, steps=41))
    assert run.config.data_location == str(moved)
    assert run.newest_checkpoint() == run.checkpoint(41)


def test_the_configuration_of_a_run_reproduces_it(dataset: Path, tmp_path: Path) -> None:
    options = {"optimizer": "adam", "learning_rate": 0.003, "seed": 7, "l2_regularization": 0.01}
    first, _ = train(config(dataset, tmp_path / "first", **options))

    again = read_config(first.path / "config.json", {"checkpoint": str(tmp_path / "again")})
    train(again)

    assert weights(tmp_path / "again") == weights(first.path)
    assert lines(tmp_path / "again") == lines(first.path)


def test_tensorboard_is_told_which_events_are_void(dataset: Path, tmp_path: Path) -> None:
    run, _ = train(config(dataset, tmp_path / "run", steps=30, evaluate=False))
    (first,) = run.path.glob("events.*")
    first.rename(first.with_name("events.out.tfevents.0.1.smt"))
    train(config(dataset, run.path, evaluate=False))
    second = max(run.path.glob("events.*"))
    records = tf.data.TFRecordDataset(str(second)).as_numpy_iterator()
    events = [tf.compat.v1.Event.FromString(record) for record in records]
    assert events[1].session_log.status == tf.compat.v1.SessionLog.START
    assert events[1].step == 31


def test_early_stopping_ends_the_run_and_keeps_the_best_checkpoint(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # So high a rate that the click loss is best early and then worsens.
    options = {
        "steps": 600,
        "learning_rate": 0.05,
        "optimizer": "adam",
        "eval_steps": 20,
        "early_stop_metric": "ctr.log_loss",
        "early_stop_patience": 2,
    }
    run, result = train(config(dataset, tmp_path / "run", **options))
    said = capsys.readouterr().err
    evaluations = run.metrics.evaluations()
    losses = [found.tasks["ctr"].log_loss for found in evaluations]
    best = int(np.argmin(np.array(losses, np.float64)))
    assert len(evaluations) == best + 3 < 30
    assert result == evaluations[best]
    assert f"Stopped early: best ctr.log_loss {losses[best]:.6f} at step {result.step}" in said
    assert said.count(" on split test:  ctr AUC 0.") == len(evaluations)
    assert "retracing" not in said
    kept = [path.name for path in run.checkpoints()]
    assert kept == [run.checkpoint(evaluations[i].step).name for i in (best, -1)]
    assert evaluate_run(run.path, None, "test", best=True) == result
    # Gone on with, it stays stopped.
    assert train(run.config)[1] == result
    assert len(run.metrics.evaluations()) == len(evaluations)


@pytest.mark.parametrize(
    ("metric", "words"),
    [("cvr2.auc", "no task 'cvr2'"), ("ctr.auc", "undefined: split test has 0 positives")],
)
def test_a_metric_without_a_value_is_refused_before_training(
    metric: str, words: str, tmp_path: Path, dataset: Path, schema: Any
) -> None:
    shutil.copy(dataset / "a", tmp_path / "a")
    (tmp_path / "b").write_text("0,0,u1,1|2,b1\n" * 5)
    prepare(PrepareJob(tmp_path, tmp_path / "shards", schema))
    with pytest.raises(UserError, match=words):
        train(config(tmp_path, tmp_path / "run", eval_steps=5, early_stop_metric=metric))
    assert not (tmp_path / "run").exists()


def test_a_run_without_early_stopping_has_no_best_checkpoint(trained: Path) -> None:
    with pytest.raises(UserError, match="not trained with --early-stop-metric"):
        evaluate_run(trained, None, "test", best=True)
    assert EarlyStopping.of(RunDirectory(trained).config, [], ()) is None


@pytest.fixture
def trained(dataset: Path, tmp_path: Path) -> Path:
    return train(config(dataset, tmp_path / "trained", evaluate=False))[0].path
