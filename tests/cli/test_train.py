"""The commands as a user runs them: processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model.config import TrainConfig
from smt_schemas import taobao

ROW = "{clk},0,430548_1007,{ad},65,{ad},9,NULL,{user},3,4,2,4,2,3,0,3,65|65|7,39|39|4,{price}\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name, rows in (("taobao_train_data", 300), ("taobao_test_data", 80)):
        lines = [
            ROW.format(clk=int(i % 9 == 0), ad=i % 17, user=i % 23, price=i % 50)
            for i in range(rows)
        ]
        (folder / name).write_text("".join(lines))
    prepare(PrepareJob(folder, folder / "shards", taobao()))
    return folder


def smt(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from smt_cli.main import run; run()", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_train_then_evaluate_in_a_fresh_process(data: Path, tmp_path: Path) -> None:
    # DeepRec's spelling.
    trained = smt(
        *("train", "--data_location", data, "--steps", "6", "--batch_size", "64"),
        *("--output_dir", tmp_path, "--json"),
    )
    assert trained.returncode == 0, trained.stderr
    (run,) = tmp_path.iterdir()
    assert run.name.startswith("model_SimpleMultiTask_")
    assert trained.stderr.splitlines()[0].startswith("Training 6 steps of 64 rows (5 an epoch)")
    assert trained.stderr.splitlines()[1].startswith("step 6/6  epoch 1  loss 0.")
    assert len(trained.stderr.splitlines()) == 2
    evaluated = smt("evaluate", run, "--json")
    assert evaluated.stderr == ""
    metrics = json.loads(evaluated.stdout)
    assert metrics == json.loads(trained.stdout)
    assert metrics["rows"] == 80
    assert metrics["tasks"]["cvr"]["auc"] is None
    text = smt("evaluate", run).stdout
    assert "AUC          undefined (no positives)" in text
    assert f"ACC = {metrics['accuracy']:.6f}" in text


def test_threads_do_not_change_a_bit(data: Path, tmp_path: Path) -> None:
    found = []
    for inter, intra in ((1, 1), (3, 2)):
        run = tmp_path / f"{inter}{intra}"
        result = smt(
            *("train", "--data-location", data, "--steps", "7", "--no-eval", "--checkpoint", run),
            *("--inter", str(inter), "--intra", str(intra)),
        )
        assert result.returncode == 0, result.stderr
        (tensors,) = run.glob("checkpoints/*/*.safetensors")
        line = json.loads((run / "metrics.jsonl").read_text())
        found.append((tensors.read_bytes(), line["loss"]))
    assert found[0] == found[1]


def test_options_of_the_update_reach_the_run_in_both_spellings(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = smt(
        *("train", "--data_location", data, "--checkpoint", run, "--steps", "3", "--no_eval"),
        *("--batch_size", "20", "--micro_batch", "3", "--optimizer", "adagraddecay"),
        *("--accumulator_decay_steps", "2", "--accumulator-decay-rate", "0.5"),
        *("--lr_schedule", "exponential", "--warmup_steps", "1", "--lr-decay-steps", "4"),
        *("--lr-decay-rate", "0.3", "--clip_norm", "0.7", "--task_weight", "ctr=2,cvr=5"),
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("Training 3 steps of 60 rows (5 an epoch)")
    expected = {
        "batch_size": 20,
        "micro_batch": 3,
        "optimizer": "adagraddecay",
        "accumulator_decay_steps": 2,
        "accumulator_decay_rate": 0.5,
        "lr_schedule": "exponential",
        "warmup_steps": 1,
        "lr_decay_steps": 4,
        "lr_decay_rate": 0.3,
        "clip_norm": 0.7,
        "task_weight": "ctr=2,cvr=5",
    }
    config = json.loads((run / "config.json").read_text())
    assert {name: config[name] for name in expected} == expected


def test_raw_files_without_shards_point_to_prepare(data: Path, tmp_path: Path) -> None:
    (tmp_path / "taobao_train_data").write_bytes((data / "taobao_train_data").read_bytes())
    result = smt("train", "--data-location", tmp_path)
    assert result.returncode == 1
    assert "smt prepare" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--batch-size", "0"], "--batch-size"),
        (["--optimizer", "adamw"], "--optimizer"),
        (["--steps", "5", "--epochs", "2"], "exclude each other"),
        (["--task_weight", "ctr"], "--task-weight: 'ctr'"),
        (["--lr-decay-rate", "0.5"], "lr-decay-rate is for lr-schedule exponential"),
        (["--micro_batch_size", "2"], "--micro-batch-size"),
    ],
)
def test_wrong_options_exit_2_and_are_named(option: list[str], words: str) -> None:
    result = smt("train", *option)
    assert result.returncode == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_without_tensorflow_it_says_what_to_install(data: Path, tmp_path: Path) -> None:
    # A finder that knows no tensorflow stands for an installation without it.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\n"
        "known = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'tensorflow' else known(name, *rest)\n"
    )
    result = smt("train", "--data-location", data, PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    assert result.stderr.strip().endswith("run: pip install 'simple-multitask[train]'")
    assert len(result.stderr.splitlines()) == 1


def test_the_defaults_of_the_command_are_those_of_the_configuration() -> None:
    import inspect

    from smt_cli.train import command

    config = TrainConfig().model_dump()
    for name, parameter in inspect.signature(command).parameters.items():
        if name in config:
            default = parameter.default
            assert (str(default) if isinstance(default, Path) else default) == config[name], name
