from pathlib import Path
from typing import Any

import pytest

from smt_model.config import TrainConfig
from smt_schemas import UsageError, UserError


def test_the_defaults_are_those_of_the_documented_command() -> None:
    config = TrainConfig()
    assert (config.batch_size, config.optimizer, config.learning_rate) == (512, "adagrad", 0.1)
    assert (config.initial_accumulator, config.seed) == (0.1, 2021)
    assert (config.data_location, config.output_dir) == ("data", "result")
    assert config.keep_checkpoint_max == 1


def test_no_steps_mean_a_thousand_epochs_unless_epochs_are_given() -> None:
    assert TrainConfig().total_steps(13) == 13_000
    assert TrainConfig(epochs=2).total_steps(13) == 26
    assert TrainConfig(steps=7).total_steps(13) == 7


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "--batch-size: "),
        ({"learning_rate": float("nan")}, "--learning-rate: "),
        ({"optimizer": "adamw"}, "'adam', 'adamasync' or 'gradientdescent'"),
        ({"micro_batch": 0}, "--micro-batch: "),
        ({"clip_norm": -1.0}, "--clip-norm: "),
        ({"lr_schedule": "linear"}, "'constant', 'cosine' or 'exponential'"),
        ({"task_weight": "ctr"}, "--task-weight: 'ctr' in 'ctr' is not TASK=WEIGHT"),
        ({"task_weight": "ctr=1,cvr=0"}, "--task-weight: 'cvr=0' in"),
        ({"task_weight": "ctr=1,ctr=2"}, "--task-weight: 'ctr=2' in"),
        ({"task_weight": "=1"}, "--task-weight: '=1' in"),
        ({"task_weight": "ctr=inf"}, "--task-weight: 'ctr=inf' in"),
        ({"steps": 5, "epochs": 5}, "steps and epochs exclude each other"),
        ({"bach_size": 5}, "--bach-size: "),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        TrainConfig.from_options(**options)
    assert words in str(caught.value)


def test_a_configuration_survives_its_file(tmp_path: Path) -> None:
    config = TrainConfig(
        steps=5, bf16=True, learning_rate=0.3, checkpoint="here", task_weight="cvr=10"
    )
    path = tmp_path / "config.json"
    path.write_text(config.model_dump_json())
    assert TrainConfig.from_json(path) == config


def test_a_file_that_is_no_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Is this the directory of a run"):
        TrainConfig.from_json(tmp_path / "config.json")
    (tmp_path / "config.json").write_text('{"steps": -1}')
    with pytest.raises(UserError, match="not the configuration of a run: --steps"):
        TrainConfig.from_json(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("name", "theirs", "ours"),
    [("lr_schedule", "cosine", "constant"), ("async_embedding", True, False)],
)
def test_only_options_that_differ_are_named(name: str, theirs: Any, ours: Any) -> None:
    run = TrainConfig.from_options(steps=500, **{name: theirs})

    found = run.model_copy(update={name: ours}).differences(run.deciding())

    assert found == [f"--{name.replace('_', '-')} {theirs} against {ours}"]
