"""The examples run on shards and print their AUC, next to that of a run of `smt train`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SCRIPTS = {
    "sql_query.py": "duckdb",
    "lightgbm_ctr.py": "lightgbm",
    "jax_loop.py": "jax",
    "torch_two_tasks.py": "torch",
    "keras_two_tasks.py": "keras",
}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder: 20,000 synthetic rows and their shards."""
    folder = tmp_path_factory.mktemp("data")
    smt("synth", folder, "--rows", 20_000)
    smt("prepare", folder, "--no-statistics")
    return folder


def smt(*arguments: object) -> str:
    return python("-m", "smt_cli", *arguments)


def python(*arguments: object) -> str:
    command = [sys.executable, *map(str, arguments)]
    # More threads than cores would only slow these small models down.
    environment = os.environ | {"OMP_NUM_THREADS": "2", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=environment
    ).stdout


def click_auc(output: str) -> float:
    found = re.search(r"^ctr AUC: \w+ (0\.\d{4})", output, re.MULTILINE)
    assert found, output
    return float(found[1])


# The rows' best attainable click AUC is 0.75; these few rows allow less, chance is 0.5.
@pytest.mark.parametrize(
    ("script", "least"), [("sql_query.py", 0.5), ("lightgbm_ctr.py", 0.5), ("jax_loop.py", 0.6)]
)
def test_an_example_learns_from_shards(script: str, least: float, data: Path) -> None:
    pytest.importorskip(SCRIPTS[script], reason="the extra `examples` is not installed")

    assert click_auc(python(EXAMPLES / script, data)) > least


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "least"), [("torch_two_tasks.py", 0.58), ("keras_two_tasks.py", 0.58)]
)
def test_a_two_task_example_learns_from_shards(script: str, least: float, data: Path) -> None:
    pytest.importorskip(SCRIPTS[script], reason="the extra `examples` is not installed")

    assert click_auc(python(EXAMPLES / script, data)) > least


@pytest.mark.slow
def test_an_example_shows_the_auc_of_a_run(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="the extra `examples` is not installed")
    run = tmp_path / "run"
    smt("train", "--data-location", data, "--steps", 5, "--checkpoint", run, "--no-eval")

    output = python(EXAMPLES / "sql_query.py", data, "--run", run)

    assert re.search(r"^ctr AUC: DuckDB 0\.\d{4}  smt 0\.\d{4}$", output, re.MULTILINE)
