"""`smt inspect-stats` on prepared and on raw logs."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from smt_cli.main import app
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_features.statistics.model import NAME, Statistics
from smt_features.statistics.text import percent, printable
from smt_features.synth import synthesize
from smt_schemas import UserError, taobao


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with raw files and shards."""
    path = tmp_path_factory.mktemp("data")
    synthesize(path, 2_000, seed=1)
    prepare(PrepareJob(path, path / "shards", taobao()))
    return path


@pytest.fixture
def raw(data: Path, tmp_path: Path) -> Path:
    """A folder with the same raw files alone."""
    for path in data.glob("taobao_*"):
        shutil.copy(path, tmp_path)
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["inspect-stats", *map(str, arguments)])


def test_tables_name_every_column_and_fit_100_columns(data: Path) -> None:
    output = run(data).output

    assert all(column.name in output for column in taobao().columns)
    assert "train: 1,600 rows" in output
    assert "test: 400 rows" in output
    assert "…" not in output
    assert max(map(len, output.splitlines()[:-1])) <= 100


def test_json_is_what_prepare_wrote(data: Path) -> None:
    expected = (data / "shards" / NAME).read_text(encoding="utf-8")

    assert run(data, "--json").output == expected
    assert run(data / "shards", "--json").output == expected


def test_raw_files_have_the_statistics_of_their_shards(data: Path, raw: Path) -> None:
    assert run(raw, "--json").output == run(data, "--json").output


def test_one_column_shows_its_figures_in_one_split(data: Path) -> None:
    output = run(data, "--split", "test", "--column", "brand").output

    brand = Statistics.read(data / "shards").splits["test"].by_name()["brand"]
    assert "brand in test" in output
    assert "brand in train" not in output
    assert f"{brand.nulls:,} ({brand.null_share:.1%})" in output
    assert all(top.value in output for top in brand.top)


def test_json_of_one_column_holds_nothing_else(data: Path) -> None:
    splits = json.loads(run(data, "--column", "price", "--json").output)["splits"]

    assert [[c["name"] for c in split["columns"]] for split in splits.values()] == [["price"]] * 2


def test_bad_rows_of_raw_files_are_left_out_and_counted(raw: Path) -> None:
    with (raw / "taobao_test_data").open("a") as file:
        file.write("1,0\n2,0,,,,\n")

    output = run(raw).output

    assert "test: 400 rows" in output
    assert "Left out: 2 bad rows" in output


def test_statistics_of_another_dataset_are_refused(data: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    shutil.copytree(data / "shards", shards)
    text = (shards / NAME).read_text(encoding="utf-8")
    (shards / NAME).write_text(text.replace('"rows": 1600', '"rows": 1601'), encoding="utf-8")

    error = run(tmp_path).exception

    assert isinstance(error, UserError)
    assert "belongs to another dataset" in str(error)


def test_a_folder_of_nothing_is_an_error(tmp_path: Path) -> None:
    error = run(tmp_path).exception

    assert isinstance(error, UserError)
    assert "smt synth" in str(error)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (1e-6, "<0.1%"), (0.0345, "3.5%"), (0.99999, ">99.9%"), (1, "100%")],
)
def test_a_share_never_looks_like_none_or_all_unless_it_is(share: float, text: str) -> None:
    assert percent(share) == text


def test_values_cannot_control_the_terminal() -> None:
    assert printable("a\x1b[31m\n[red]", 40) == r"a\x1b[31m\n[red]"
    assert printable("x" * 50, 5) == "xxxx…"
