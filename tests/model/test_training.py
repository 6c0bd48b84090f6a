"""Runs on a small dataset that was really prepared."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from smt_features import open_shards
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model import recorder
from smt_model.config import TrainConfig
from smt_model.evaluation import evaluate_run
from smt_model.model import MultiTaskModel
from smt_model.progress import TrainingProgress
from smt_model.run_directory import RunDirectory
from smt_model.tensors import read_tensors
from smt_model.trainer import Trainer, fused_batches, stretches_from
from smt_model.training import Training, train
from smt_schemas import DatasetSchema, UsageError, UserError


def lines(run: RunDirectory) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]


def config(data: Path, run: Path, **options: Any) -> TrainConfig:
    fields = {"steps": 12, "batch_size": 64, **options}
    return TrainConfig(data_location=str(data), checkpoint=str(run), **fields)


def test_a_run_directory_holds_options_metrics_events_and_a_checkpoint(
    dataset: Path, tmp_path: Path
) -> None:
    run, result = train(config(dataset, tmp_path / "run", steps=105))
    assert result is not None
    assert run.config == config(dataset, tmp_path / "run", steps=105)
    first, last, evaluation = lines(run)
    assert set(first) == {
        *("step", "epoch", "loss", "loss_ctr", "loss_cvr"),
        *("steps_per_second", "samples_per_second"),
    }
    assert (first["step"], last["step"]) == (100, 105)
    assert first["loss"] == pytest.approx((first["loss_ctr"] + first["loss_cvr"]) / 2)
    assert first["steps_per_second"] > 0
    assert evaluation == json.loads(result.model_dump_json())
    assert evaluation["split"] == "test"
    assert [path.name for path in run.checkpoints()] == ["step-0000000105"]
    (events,) = run.path.glob("events.out.tfevents.*")
    records = [
        tf.compat.v1.Event.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(events))
    ]
    assert records[0].file_version == "brain.Event:2"
    (loss,) = [value for value in records[1].summary.value if value.tag == "loss"]
    assert (records[1].step, loss.simple_value) == (100, pytest.approx(first["loss"]))


def test_the_loss_falls(dataset: Path, tmp_path: Path) -> None:
    run, _ = train(config(dataset, tmp_path / "run", steps=300, evaluate=False))
    losses = [line["loss"] for line in lines(run)]
    assert losses[0] > losses[1] > losses[2]


def test_the_rate_leaves_out_the_call_that_builds_the_graph(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [100.0, 1.0, 1.0, 1.0]  # of each call
    clock = [0.0]
    original = Trainer.advance

    def advance(trainer: Trainer, batches: Iterator[Any]) -> Any:
        clock[0] += seconds.pop(0)
        return original(trainer, batches)

    monkeypatch.setattr(Trainer, "advance", advance)
    monkeypatch.setattr(recorder, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    run, _ = train(config(dataset, tmp_path / "run", steps=20, batch_size=8, evaluate=False))

    (line,) = lines(run)
    assert (line["steps_per_second"], line["samples_per_second"]) == (15 / 3, 15 * 8 / 3)


@pytest.mark.parametrize("bf16", [False, True])
def test_two_runs_are_equal_bit_for_bit(dataset: Path, tmp_path: Path, bf16: bool) -> None:
    found = []
    for name in ("a", "b"):
        run, result = train(config(dataset, tmp_path / name, bf16=bf16))
        digest = next(run.newest_checkpoint().glob("*.safetensors")).read_bytes()
        found.append((lines(run)[0]["loss"], result, digest))
    assert found[0] == found[1]


def test_a_fresh_evaluation_gives_the_same_metrics(dataset: Path, tmp_path: Path) -> None:
    run, result = train(config(dataset, tmp_path / "run"))
    assert evaluate_run(run.path, None, "test") == result


def test_checkpoints_come_every_so_many_steps_and_the_newest_stay(
    dataset: Path, tmp_path: Path
) -> None:
    options = {"steps": 10, "save_steps": 3, "keep_checkpoint_max": 2, "evaluate": False}
    run, _ = train(config(dataset, tmp_path / "run", **options))
    assert [path.name for path in run.checkpoints()] == ["step-0000000009", "step-0000000010"]


def test_saving_on_the_way_changes_no_value(dataset: Path, tmp_path: Path) -> None:
    plain, _ = train(config(dataset, tmp_path / "plain", evaluate=False))
    often, _ = train(config(dataset, tmp_path / "often", evaluate=False, save_steps=1))
    name = "tensors-00000-of-00001.safetensors"
    first = read_tensors(plain.newest_checkpoint() / name)
    second = read_tensors(often.newest_checkpoint() / name)
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_l2_regularisation_shrinks_the_kernels(dataset: Path, tmp_path: Path) -> None:
    norms = []
    for factor in (0.0, 0.1):
        options = {"l2_regularization": factor, "evaluate": False}
        run, _ = train(config(dataset, tmp_path / str(factor), **options))
        (file,) = run.newest_checkpoint().glob("*.safetensors")
        norms.append(float(np.square(read_tensors(file)["tower/ctr/1/kernel"]).sum()))
    assert norms[1] < 0.8 * norms[0]


def test_micro_batches_train_as_one_batch_of_all_their_rows(dataset: Path, tmp_path: Path) -> None:
    options = {"evaluate": False, "lr_schedule": "cosine", "steps": 20}
    whole, _ = train(config(dataset, tmp_path / "whole", batch_size=60, **options))
    cut, _ = train(config(dataset, tmp_path / "cut", batch_size=60, micro_batch=4, **options))
    assert lines(cut)[0]["loss"] == pytest.approx(lines(whole)[0]["loss"], abs=1e-6)
    assert cut.config.micro_batch == 4
    (first,), (second,) = (run.newest_checkpoint().glob("*.safetensors") for run in (whole, cut))
    found = read_tensors(second)
    for name, values in read_tensors(first).items():
        assert np.allclose(found[name], values, rtol=1e-4, atol=1e-6), name


def test_a_learning_rate_fallen_to_zero_changes_no_weight(dataset: Path, tmp_path: Path) -> None:
    schedule = {"lr_schedule": "cosine", "lr_decay_steps": 3, "evaluate": False}
    weights = []
    for steps in (3, 9):
        run, _ = train(config(dataset, tmp_path / str(steps), steps=steps, **schedule))
        (file,) = run.newest_checkpoint().glob("*.safetensors")
        tensors = read_tensors(file)
        weights.append({name: tensors[name] for name in ("tower/ctr/0/kernel", "embedding/user")})
    for name, values in weights[0].items():
        assert np.array_equal(weights[1][name], values), name


def test_a_tight_bound_of_the_gradient_slows_training(dataset: Path, tmp_path: Path) -> None:
    moved = []
    for norm in (0.0, 1e-3):
        options = {"optimizer": "gradientdescent", "clip_norm": norm, "steps": 1}
        run, _ = train(config(dataset, tmp_path / str(norm), evaluate=False, **options))
        (file,) = run.newest_checkpoint().glob("*.safetensors")
        biases = {k: v for k, v in read_tensors(file).items() if k.endswith("/bias")}
        moved.append(float(sum(np.square(bias).sum() for bias in biases.values())) ** 0.5)
    # A step of plain gradient descent is the rate, 0.1, times the gradient; biases start at 0.
    assert moved[1] < 0.1 * 1e-3 < moved[0]


def test_a_task_with_more_weight_is_learned_sooner(dataset: Path, tmp_path: Path) -> None:
    losses = []
    for weight in (None, "ctr=0.01,cvr=10"):
        options = {"task_weight": weight, "steps": 100, "learning_rate": 0.01, "evaluate": False}
        run, _ = train(config(dataset, tmp_path / f"run{weight}", **options))
        losses.append(lines(run)[0])
    assert losses[1]["loss_cvr"] < losses[0]["loss_cvr"]
    assert losses[1]["loss_ctr"] > losses[0]["loss_ctr"]
    weighted = (0.01 * losses[1]["loss_ctr"] + 10 * losses[1]["loss_cvr"]) / 2
    assert losses[1]["loss"] == pytest.approx(weighted, rel=1e-5)


def test_a_weight_of_an_unknown_task_leaves_no_run(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no task 'buy'"):
        train(config(dataset, tmp_path / "run", task_weight="buy=10"))
    assert not (tmp_path / "run").exists()


def test_an_infinite_loss_stops_with_its_step(dataset: Path, tmp_path: Path) -> None:
    options = {"optimizer": "gradientdescent", "learning_rate": 1e30}
    with pytest.raises(UserError, match=r"loss is (nan|inf) at step .*Lower --learning-rate"):
        train(config(dataset, tmp_path / "run", **options))
    assert not RunDirectory(tmp_path / "run").checkpoints()


def test_a_prediction_that_is_not_finite_is_not_evaluated(dataset: Path, tmp_path: Path) -> None:
    options = {"optimizer": "gradientdescent", "learning_rate": 1e30, "steps": 1}
    with pytest.raises(UserError, match="prediction for row 0 of split test is not finite"):
        train(config(dataset, tmp_path / "run", **options))


def test_what_a_killed_run_left_is_cleared_away(dataset: Path, tmp_path: Path) -> None:
    left = tmp_path / "run" / "checkpoints" / ".step-0000000007.partial"
    left.mkdir(parents=True)
    run, _ = train(config(dataset, tmp_path / "run", steps=1, evaluate=False))
    assert [path.name for path in left.parent.iterdir()] == ["step-0000000001"]
    assert run.newest_checkpoint().name == "step-0000000001"


def test_a_directory_with_another_run_is_not_overwritten(dataset: Path, tmp_path: Path) -> None:
    train(config(dataset, tmp_path / "run", steps=1, evaluate=False))
    with pytest.raises(UserError, match="other options .*--seed 2021 against 5"):
        train(config(dataset, tmp_path / "run", steps=1, seed=5))


def test_data_of_another_hash_is_refused(
    dataset: Path, other_dataset: Path, tmp_path: Path
) -> None:
    run, _ = train(config(dataset, tmp_path / "run", steps=1, evaluate=False))
    with pytest.raises(UserError, match=r"hash: .*seed=0 against .*seed=1"):
        evaluate_run(run.path, other_dataset, "test")


def test_a_damaged_checkpoint_is_not_evaluated(dataset: Path, tmp_path: Path) -> None:
    run, _ = train(config(dataset, tmp_path / "run", steps=1, evaluate=False))
    (file,) = run.newest_checkpoint().glob("*.safetensors")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(UserError, match="damaged"):
        evaluate_run(run.path, None, "test")


def test_unknown_splits_and_missing_runs_are_named(dataset: Path, tmp_path: Path) -> None:
    run, _ = train(config(dataset, tmp_path / "run", steps=1, evaluate=False))
    with pytest.raises(UsageError, match="no split 'validation'"):
        evaluate_run(run.path, None, "validation")
    with pytest.raises(UserError, match="Is this the directory of a run"):
        evaluate_run(tmp_path / "nothing", None, "test")


def test_batches_go_on_from_any_step(schema: DatasetSchema, make_split: Any) -> None:
    model = MultiTaskModel(schema, 1)
    split = make_split(schema, 50)
    options = TrainConfig(batch_size=20)

    def labels(start: int) -> list[bytes]:
        stretches = stretches_from(split, options, start)
        batches = islice(fused_batches(model, stretches, start), 8 - start)
        return [np.asarray(batch.labels).tobytes() for batch in batches]

    whole = labels(0)
    assert [len(part) // 8 for part in whole] == [20, 20, 10, 20, 20, 10, 20, 20]
    assert labels(4) == whole[4:]


def test_workers_have_shares_of_each_batch(schema: DatasetSchema, make_split: Any) -> None:
    model = MultiTaskModel(schema, 1)
    split, options = make_split(schema, 43), TrainConfig(batch_size=20)  # a last batch of 3 rows

    def labels(share: tuple[int, int]) -> list[bytes]:
        stretches = stretches_from(split, options, 0)
        batches = islice(fused_batches(model, stretches, 0, share), 3)
        return [np.asarray(batch.labels).tobytes() for batch in batches]

    whole, *shares = (labels(share) for share in [(0, 1), *((index, 4) for index in range(4))])
    assert [b"".join(parts) for parts in zip(*shares, strict=True)] == whole


def test_a_chief_that_only_waited_has_no_activations(dataset: Path, tmp_path: Path) -> None:
    config = TrainConfig(data_location=str(dataset))
    trainer = Trainer(config, open_shards(dataset), RunDirectory(tmp_path))
    assert trainer.activations() == {}


def test_users_in_no_vocabulary_are_not_one_user(
    tmp_path: Path, prepared_in: Any, make_schema: Any
) -> None:
    schema = make_schema(user={"encoding": "vocab", "min_count": 1})
    known, unknown = (
        [f"{i % 2},0,{who}{i // 4},1|2,b{i % 3}" for i in range(16)] for who in ("u", "x")
    )
    dataset = prepared_in(tmp_path, known, known[:8] + unknown, schema=schema)
    run = str(tmp_path / "run")

    _, found = train(TrainConfig(data_location=str(dataset.directory), checkpoint=run, steps=1))

    assert found
    assert found.tasks["ctr"].gauc_users == 2


def test_data_without_labels_is_refused(schema: DatasetSchema, tmp_path: Path) -> None:
    features = [column for column in schema.columns if column.role != "label"]
    unlabelled = schema.model_copy(update={"columns": features, "split_files": {"train": "a"}})
    (tmp_path / "a").write_text("".join(f"u{n},a,b\n" for n in range(9)))
    prepare(PrepareJob(tmp_path, tmp_path / "shards", unlabelled))

    with pytest.raises(UserError, match="has no label, so there is nothing to learn"):
        train(config(tmp_path / "shards", tmp_path / "run", evaluate=False))


def test_a_step_that_is_saved_is_not_saved_again(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So it is for a chief that waits, and whose run then ends where it was saved.
    original = Training._react

    def twice(training: Training, progress: TrainingProgress) -> None:
        original(training, progress)
        original(training, progress)

    monkeypatch.setattr(Training, "_react", twice)

    run, _ = train(config(dataset, tmp_path / "run", steps=10, save_steps=5))

    assert [path.name for path in run.checkpoints()] == ["step-0000000010"]


def test_data_without_rows_to_evaluate_on_says_how_to_train_on_it(
    dataset: Path, tmp_path: Path
) -> None:
    schema = open_shards(dataset).schema.model_copy(update={"splits": {"train": "a"}})
    prepare(PrepareJob(dataset, tmp_path / "shards", schema))

    with pytest.raises(UserError, match=r"has no split 'test' to evaluate on\. Give --no-eval"):
        train(config(tmp_path / "shards", tmp_path / "run"))
