"""The commands on a log of another shape, and on the Taobao log with derived features."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smt_schemas import taobao_plus

SCHEMA = Path(__file__).with_name("shops.toml")


def process(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from smt_cli.main import run; run()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_prepare_verify_and_inspect(
    second_log: Any, tmp_path: Path, smt: Callable[..., Any]
) -> None:
    out = tmp_path / "out"

    prepared = smt("prepare", second_log.directory, "--schema", SCHEMA, "--output", out, "--json")
    verified = smt("verify", out)
    inspected = smt("inspect-stats", out, "--json")
    raw = smt("inspect-stats", second_log.directory, "--schema", SCHEMA, "--json")
    shown = smt("inspect-stats", out)

    assert [run.code for run in (prepared, verified, inspected, raw, shown)] == [0] * 5
    assert json.loads(prepared.out)["rows_published"] == 1100
    assert "with 1,100 rows are as they were written" in verified.out
    splits = json.loads(inspected.out)["splits"]
    assert splits == json.loads(raw.out)["splits"]
    columns = {column["name"]: column for column in splits["train"]["columns"]}
    ages = [row["age"] for row in second_log.train]
    assert columns["age"]["nulls"] == sum(age in ("", "?") for age in ages)
    assert columns["shop"]["distinct"] == len(
        {row["shop"] for row in second_log.train} - {"", "none"}
    )
    assert "price" in shown.out


def test_guessed_schema_prepares_the_log(
    second_log: Any, tmp_path: Path, smt: Callable[..., Any]
) -> None:
    path = tmp_path / "guess.toml"
    log = second_log.directory / "later_visits"

    guessed = smt("schema", "infer", log, "--output", path)
    again = smt("schema", "infer", log, "--output", path)
    printed = smt("schema", "infer", log)
    prepared = smt("prepare", second_log.directory, "--schema", path, "--output", tmp_path / "out")

    assert (guessed.code, printed.code, prepared.code) == (0, 0, 0), prepared.err
    assert printed.out == path.read_text()
    assert (again.code, "is there already" in again.err) == (1, True)
    assert "200 rows read = 200 published + 0 rejected" in prepared.out


def test_train_on_all_kinds_of_features(second_log: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepared = process("prepare", second_log.directory, "--schema", SCHEMA, "--output", out)
    assert prepared.returncode == 0, prepared.stderr

    trained = process(
        *("train", "--data-location", out, "--output-dir", tmp_path / "runs"),
        *("--steps", "4", "--batch-size", "128", "--json"),
    )
    (run,) = (tmp_path / "runs").iterdir()
    evaluated = process("evaluate", run, "--json")

    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["rows"] == 200
    assert json.loads(evaluated.stdout) == json.loads(trained.stdout)


@pytest.mark.parametrize("fmt", ["parquet", "tfrecord"])
def test_derived_features_are_read_in_batches(
    fmt: str, log_lines: Callable[..., list[str]], prepared: Callable[..., Any]
) -> None:
    dataset = prepared(log_lines(300), schema=taobao_plus(), format=fmt)

    (batch,) = dataset["train"].batches(300)

    entries = batch["tag_category_list"]
    lengths = [
        int(entries.counts[start:stop].sum())
        for start, stop in zip(entries.row_splits[:-1], entries.row_splits[1:], strict=True)
    ]
    assert batch["tag_category_entries"].tolist() == lengths
