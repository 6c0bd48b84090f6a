"""The command line as a whole: exit codes, where errors go, and what they look like."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SMT = Path(sys.executable).with_name("smt")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SMT, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", **environment},
    )


def test_help_lists_the_commands() -> None:
    help_ = run("--help")

    assert (help_.returncode, help_.stderr) == (0, "")
    for command in ("prepare", "synth", "verify"):
        assert command in help_.stdout


def test_python_runs_it_as_a_module() -> None:
    module = subprocess.run(
        [sys.executable, "-m", "smt_cli", "--help"], capture_output=True, text=True, check=True
    )

    assert "prepare" in module.stdout


def test_no_command_is_wrong_usage() -> None:
    assert run().returncode == 2


WRONG = {
    "unknown command": ["bake"],
    "unknown option": ["prepare", "data", "--colour", "red"],
    "missing argument": ["prepare"],
    "not a number": ["prepare", "data", "--seed", "x"],
    "seed too large": ["prepare", "data", "--seed", str(2**32)],
    "negative seed": ["prepare", "data", "--seed", "-1"],
    "no rows in a shard": ["prepare", "data", "--rows-per-shard", "0"],
    "no rows in an Example": ["prepare", "data", "--rows-per-example", "0"],
    "fraction beyond one": ["prepare", "data", "--max-bad-fraction", "1.1"],
    "negative bad rows": ["prepare", "data", "--max-bad-rows", "-1"],
    "unknown format": ["prepare", "data", "--format", "csv"],
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_exits_with_2(case: str, smt: Callable[..., Any]) -> None:
    outcome = smt(*WRONG[case])

    assert (outcome.code, outcome.out) == (2, "")
    assert "Traceback" not in outcome.err
    assert outcome.err.startswith("Usage: smt")


FAILED = {
    "prepare": (["prepare", "nowhere"], "Error: nowhere is not a folder."),
    "schema": (
        ["prepare", ".", "--schema", "none.toml"],
        "Error: Cannot read the schema none.toml",
    ),
    "verify": (["verify", "nowhere"], "Error: nowhere is not a folder."),
}


@pytest.mark.parametrize("case", FAILED)
def test_failed_work_exits_with_1_and_one_message(
    case: str, smt: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, message = FAILED[case]

    outcome = smt(*arguments)

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith(message)
    assert "Traceback" not in outcome.err
    assert outcome.err.count("Error") == 1


@pytest.mark.parametrize("place", [0, 1, 2])
def test_debug_anywhere_shows_the_traceback(place: int) -> None:
    arguments = ["verify", "nowhere"]
    arguments.insert(place, "--debug")

    outcome = run(*arguments)

    assert outcome.returncode == 1
    assert "Traceback (most recent call last)" in outcome.stderr
    assert "UserError: nowhere is not a folder" in outcome.stderr


def test_debug_can_come_from_the_environment() -> None:
    assert "Traceback" in run("verify", "nowhere", SMT_DEBUG="1").stderr
    assert "Traceback" not in run("verify", "nowhere").stderr
