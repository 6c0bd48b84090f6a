"""The commands as a user runs them: processes of their own."""

import inspect
import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from ctypes.util import find_library
from pathlib import Path
from typing import get_type_hints

import pytest

from smt_cli.train import command
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model.config import TrainConfig
from smt_model.ev.options import EvOptions
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


def test_threads_change_no_more_than_the_order_of_a_sum(data: Path, tmp_path: Path) -> None:
    weights, losses = [], []
    for inter, intra in ((1, 1), (3, 1), (1, 2)):
        run = tmp_path / f"{inter}{intra}"
        result = smt(
            *("train", "--data-location", data, "--steps", "7", "--no-eval", "--checkpoint", run),
            *("--inter", str(inter), "--intra", str(intra)),
        )
        assert result.returncode == 0, result.stderr
        (tensors,) = run.glob("checkpoints/*/*.safetensors")
        weights.append(tensors.read_bytes())
        losses.append(json.loads((run / "metrics.jsonl").read_text())["loss"])
    assert weights[0] == weights[1]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)


def test_options_of_the_update_reach_the_run_in_both_spellings(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = smt(
        *("train", "--data_location", data, "--checkpoint", run, "--steps", "3", "--no_eval"),
        *("--batch_size", "60", "--micro_batch", "3", "--optimizer", "adagraddecay"),
        *("--accumulator_decay_steps", "2", "--accumulator-decay-rate", "0.5"),
        *("--lr_schedule", "exponential", "--warmup_steps", "1", "--lr-decay-steps", "4"),
        *("--lr-decay-rate", "0.3", "--clip_norm", "0.7", "--task_weight", "ctr=2,cvr=5"),
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("Training 3 steps of 60 rows (5 an epoch)")
    expected = {
        "batch_size": 60,
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
        (["--resume", "run", "--config", "x.toml"], "no --config"),
        (["--resume", "run", "--checkpoint", "other"], "no --checkpoint"),
        (["--task_weight", "ctr"], "--task-weight: 'ctr'"),
        (["--lr-decay-rate", "0.5"], "it is for --lr-schedule exponential"),
        (["--optimizer", "adam", "--initial-accumulator", "1e-6"], "--initial-accumulator 1e-06"),
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


IN_FILES_ONLY = {"columns"}


def test_the_command_and_the_configuration_have_the_same_options() -> None:
    parameters = inspect.signature(command).parameters
    own = {"context", "resume", "config", "json"}
    assert set(parameters) - own == set(TrainConfig.model_fields) - IN_FILES_ONLY
    for name, value in TrainConfig().model_dump(exclude=IN_FILES_ONLY).items():
        default = parameters[name].default
        assert (str(default) if isinstance(default, Path) else default) == value, name


def test_every_option_is_explained_by_the_command_and_the_configuration() -> None:
    hints = get_type_hints(command, include_extras=True)
    explained = f"{inspect.getdoc(TrainConfig)}\n{inspect.getdoc(EvOptions)}"
    for name in TrainConfig.model_fields.keys() - IN_FILES_ONLY:
        (option,) = hints[name].__metadata__
        assert option.help.endswith("."), name
        assert re.search(rf"^(\w+, )*{name}(, \w+)*$", explained, re.MULTILINE), name


def test_the_documentation_shows_the_help_of_the_command() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "options.md"
    shown = smt("train", "--help", COLUMNS="100").stdout
    assert shown.strip() in page.read_text(), (
        f"write the output of `COLUMNS=100 smt train --help` to {page.name}"
    )


def test_options_of_a_file_apply_unless_typed(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "options.toml"
    file.write_text(f'data-location = "{data}"\nsteps = 9\nbatch_size = 32\nevaluate = false\n')
    run = tmp_path / "run"
    result = smt("train", "--config", file, "--steps", "4", "--checkpoint_dir", run)
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("Training 4 steps of 32 rows")
    assert TrainConfig.from_json(run / "config.json") == TrainConfig(
        data_location=str(data),
        steps=4,
        batch_size=32,
        evaluate=False,
        checkpoint=str(run),
    )
    # An option with the value of its default is typed all the same.
    resumed = smt("train", "--resume", run, "--steps", "6", "--batch-size", "512")
    assert resumed.returncode == 1
    assert "--batch-size 32 against 512" in resumed.stderr


def test_a_terminal_shows_how_far_the_run_is(data: Path, tmp_path: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        command = [sys.executable, "-m", "smt_cli", "train", "--data-location", str(data)]
        command += ["--steps", "110", "--batch-size", "64", "--checkpoint", str(tmp_path / "run")]
        os.execv(sys.executable, command)
    shown = b""
    with suppress(OSError):  # the end of a terminal is an error
        while piece := os.read(terminal, 65_536):
            shown += piece
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert re.search(r"training \S+ +110/110 0:00:00", text), text
    assert re.search(r"step 100/110 +epoch 19 +loss 0\.\d+ \(ctr 0\.\d+ cvr 0\.\d+\)", text), text


def test_a_thousand_epochs_are_announced(data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "smt_cli", "train", "--data-location", str(data)]
    command += ["--checkpoint", str(tmp_path / "run")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        before = process.stderr.readline()
        measured = process.stderr.readline()
        process.terminate()
    assert before.startswith("Training 1,000 steps (1,000 epochs, as --steps 0 means) of 512 rows")
    assert re.match(r"At the measured [\d.]+ steps/s this takes \d+ ", measured), measured


def test_the_steps_of_deeprecs_variables_are_measured(data: Path, tmp_path: Path) -> None:
    arguments = ("train", "--data-location", data, "--steps", "20", "--no-eval")
    steps = {"START_STATISTIC_STEP": "5", "STOP_STATISTIC_STEP": "15"}
    result = smt(*arguments, "--output-dir", tmp_path, **steps)
    assert re.search(
        r"^Steps 5 to 15: [\d.]+ steps/s, peak memory since the start [\d,]+ MiB$",
        result.stderr,
        re.MULTILINE,
    )
    wrong = smt(*arguments, "--output-dir", tmp_path, START_STATISTIC_STEP="5")
    assert wrong.returncode == 2
    assert "give two steps" in wrong.stderr


def test_an_allocator_is_preloaded_or_its_absence_named(data: Path, tmp_path: Path) -> None:
    arguments = ("train", "--data-location", data, "--steps", "5", "--no-eval")
    result = smt(*arguments, "--output-dir", tmp_path, "--allocator", "jemalloc")
    if find_library("jemalloc") is None:
        assert result.returncode == 1
        assert "apt install libjemalloc2" in result.stderr
    else:
        assert result.returncode == 0, result.stderr
    assert smt(*arguments, "--allocator", "hoard").returncode == 2
