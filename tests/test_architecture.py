"""What may import what, checked on the running program."""

import subprocess
import sys
from pathlib import Path

import pytest

from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_features.synth import synthesize
from smt_schemas import taobao

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("pydantic", "polars", "numpy", "pyarrow", "pyarrow.compute", "pandas", "tensorflow")

LOADED = """
import sys
try:
    {code}
except SystemExit:
    pass
print("loaded:", *[name for name in {heavy} if name in sys.modules])
"""


def output_of(code: str) -> list[str]:
    """Return what code prints, and behind ``loaded:`` the heavy modules that it imported."""
    script = LOADED.format(code=code, heavy=HEAVY)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return run.stdout.rsplit("loaded:", 1)


def loaded_by(code: str) -> list[str]:
    return output_of(code)[1].split()


def test_imports_go_one_way_and_only_the_tensorflow_reader_imports_tensorflow() -> None:
    command = [Path(sys.executable).with_name("lint-imports")]

    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout
    assert "2 kept, 0 broken" in run.stdout


def test_help_imports_no_machinery() -> None:
    assert loaded_by("sys.argv = ['smt', '--help']; from smt_cli.main import run; run()") == []


@pytest.mark.parametrize("command", ["prepare", "verify", "train", "bench", "env"])
def test_help_of_a_command_imports_no_machinery(command: str) -> None:
    code = f"sys.argv = ['smt', '{command}', '--help']; from smt_cli.main import run; run()"

    # Typer itself reads options with Pydantic.
    assert set(loaded_by(code)) <= {"pydantic"}


def test_statistics_of_shards_are_shown_without_what_counts_them(tmp_path: Path) -> None:
    synthesize(tmp_path, 200, seed=1)
    prepare(PrepareJob(tmp_path, tmp_path / "shards", taobao()))
    code = f"sys.argv = ['smt', 'inspect-stats', {str(tmp_path)!r}]"

    printed, loaded = output_of(f"{code}; from smt_cli.main import run; run()")

    assert "train: 160 rows" in printed
    # Less than a second is promised; Polars alone takes a quarter of one.
    assert loaded.split() == ["pydantic"]


@pytest.mark.parametrize("format_", ["parquet", "tfrecord"])
def test_preparing_does_not_import_what_is_slow_and_not_needed(
    format_: str, tmp_path: Path
) -> None:
    synthesize(tmp_path, 200, seed=1)
    code = f"sys.argv = ['smt', 'prepare', {str(tmp_path)!r}, '--format', '{format_}']"

    loaded = loaded_by(f"{code}; from smt_cli.main import run; run()")

    # pandas, if it is there, and Arrow's compute functions take half a second together.
    assert set(loaded) == {"pydantic", "polars", "numpy", "pyarrow"}


def test_a_dataset_is_read_without_pandas(tmp_path: Path) -> None:
    synthesize(tmp_path, 200, seed=1)
    prepare(PrepareJob(tmp_path, tmp_path / "shards", taobao()))
    batches = f"open_shards({str(tmp_path / 'shards')!r})['train'].batches(100)"

    loaded = loaded_by(f"from smt_features import open_shards; print(len(list({batches})))")

    assert "pandas" not in loaded


def test_features_do_not_import_tensorflow() -> None:
    modules = [
        f"smt_features.{path.stem}"
        for path in sorted((ROOT / "smt_features").glob("*.py"))
        if path.stem != "__init__"
    ]

    loaded = loaded_by(f"import {', '.join(modules)}")

    assert "polars" in loaded
    assert "tensorflow" not in loaded
