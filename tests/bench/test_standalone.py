"""`smt bench standalone` on few rows, with real processes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smt_bench.contenders import USUAL
from smt_bench.result import Report

SIZE = ("--rows", "2000", "--steps", "40", "--batch-size", "128", "--initial-accumulator", "1e-4")


@pytest.fixture
def no_python37(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PATH", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


@pytest.mark.usefixtures("no_python37")
def test_what_is_missing_says_so_and_the_rest_is_measured(
    smt: Callable[..., Any], tmp_path: Path
) -> None:
    outcome = smt(
        *("bench", "standalone", tmp_path / "none", *SIZE, "--runs", "1", "--json"),
        *("--only", "TF 1.15.5", "--only", "smt FP32"),
    )

    assert outcome.code == 0
    report = Report.model_validate_json(outcome.out)
    missing, ours = report.rows
    assert missing.failed == "no Python 3.7; give one with --python37"
    assert missing.figures == {}
    # 40 steps of 512 rows are 160 of 128.
    assert ours.settings == {"data": "2,000 synthetic rows", "batch size": 128, "steps": 160}
    found = {name: figure.median for name, figure in ours.figures.items()}
    assert found["samples/s"] == pytest.approx(128 * found["steps/s"])
    assert 0 < found["first step s"] < 120
    assert 100 < found["memory MiB"] < 4000
    assert report.machine["packages"]["torch"]
    told, _, measured = outcome.err.partition("1/1  ")
    assert told.endswith("TF 1.15.5: no Python 3.7; give one with --python37\n")
    assert measured.startswith("smt FP32 on 2,000 synthetic rows, batch 128")
    assert found["click AUC"] == pytest.approx(auc_of_smt_train(smt, tmp_path), abs=1e-6)


def auc_of_smt_train(smt: Callable[..., Any], folder: Path) -> float:
    """Return what the commands give that a user would type."""
    smt("synth", folder / "data", "--rows", "2000", "--test-fraction", "0.1")
    smt("prepare", folder / "data")
    options = ("--batch-size", "128", "--steps", "160", "--initial-accumulator", "1e-4", "--json")
    run = smt("train", "--data-location", folder / "data", "--checkpoint", folder / "run", *options)
    return float(json.loads(run.out)["tasks"]["ctr"]["auc"])


@pytest.mark.slow
def test_every_way_learns_about_the_same(smt: Callable[..., Any], tmp_path: Path) -> None:
    options = ("--rows", "50000", "--steps", "80", "--initial-accumulator", "1e-6", "--runs", "2")

    outcome = smt("bench", "standalone", tmp_path, *options, "--batch-size", "512", "--json")

    report = Report.model_validate_json(outcome.out)
    assert [row.name for row in report.rows] == list(USUAL)
    found = {row.name: row.figures["click AUC"].median for row in report.rows if not row.failed}
    assert len(found) >= 3
    assert max(found.values()) - min(found.values()) < 0.03
    assert min(found.values()) > 0.6


@pytest.mark.parametrize("command", ["standalone", "prepare"])
def test_a_line_that_does_not_exist_is_refused(smt: Callable[..., Any], command: str) -> None:
    outcome = smt("bench", command, "--only", "abacus")

    assert outcome.code == 2
    assert "--only 'abacus': there is no such line. There are: " in outcome.err


def test_real_rows_alone_without_any_are_refused(smt: Callable[..., Any], tmp_path: Path) -> None:
    outcome = smt("bench", "standalone", tmp_path, "--rows", "0", "--only", "smt FP32")

    assert outcome.code == 2
    assert f"{tmp_path} holds no log, and --rows 0 asks for no synthetic one." in outcome.err


def test_more_cores_than_there_are_are_refused(smt: Callable[..., Any]) -> None:
    outcome = smt("bench", "standalone", "--cores", "1", "--cores", "9999")

    assert outcome.code == 2
    assert outcome.err.startswith("Error: --cores 9999: this process may use ")


@pytest.mark.usefixtures("no_python37")
def test_nothing_measured_is_a_failure(smt: Callable[..., Any], tmp_path: Path) -> None:
    options = ("--rows", "200", "--runs", "1", "--only", "TF 1.15.5")

    outcome = smt("bench", "standalone", tmp_path / "none", *options)

    assert outcome.code == 1
    assert "TF 1.15.5: no Python 3.7; give one with --python37" in outcome.out


@pytest.mark.parametrize("command", ["standalone", "prepare"])
def test_two_forms_at_a_time_are_refused(smt: Callable[..., Any], command: str) -> None:
    outcome = smt("bench", command, "--json", "--markdown")

    assert (outcome.code, outcome.out) == (2, "")
