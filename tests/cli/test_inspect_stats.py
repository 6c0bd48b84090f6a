"""`smt inspect-stats` on prepared and on raw logs."""

import json
import re
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner, Result

from smt_cli.main import app
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_features.statistics.drift_model import Comparison
from smt_features.statistics.files import STATISTICS_NAME
from smt_features.statistics.model import Statistics
from smt_features.statistics.text import compact, percent, printable
from smt_features.synth import synthesize
from smt_schemas import DatasetSchema, UserError, taobao


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
    expected = (data / "shards" / STATISTICS_NAME).read_text(encoding="utf-8")

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


def test_bad_rows_are_told_beside_json_and_in_a_comparison(
    data: Path, raw: Path, smt: Callable[..., Any]
) -> None:
    with (raw / "taobao_test_data").open("a") as file:
        file.write("1,0\n2,0,,,,\n")

    alone = smt("inspect-stats", raw, "--json")
    compared = smt("inspect-stats", data, raw)
    as_json = smt("inspect-stats", data, raw, "--json")

    told = f"Left out: 2 bad rows of {raw}."
    assert (alone.code, alone.err.strip()) == (0, told)
    assert told in compared.out
    document = json.loads(as_json.out)
    assert (document["reference_rejected_rows"], document["current_rejected_rows"]) == (0, 2)


def test_a_log_without_a_good_row_is_an_error(raw: Path) -> None:
    for path in raw.iterdir():
        path.write_text("bad\n" * 9)

    error = run(raw).exception

    assert isinstance(error, UserError)
    assert f"All 18 rows of {raw} break the rules of schema 'taobao'" in str(error)


def test_raw_files_are_read_by_the_schema_of_the_dataset_beside(
    tmp_path: Path, log_schema: Callable[..., DatasetSchema]
) -> None:
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log").write_text("a\nb\n" * 20)
    job = PrepareJob(tmp_path / "before", tmp_path / "before" / "shards", log_schema("user"))
    prepare(job)

    output = run(tmp_path / "before", tmp_path / "after").output

    assert "0 of 1 columns have drifted" in " ".join(output.split())


def test_rates_of_many_labels_are_all_shown_whole(
    tmp_path: Path, log_schema: Callable[..., DatasetSchema]
) -> None:
    label = {"role": "label", "type": "int", "required": True, "allowed": [0, 1]}
    labels = [{"name": name, "task": name, **label} for name in ("click", "cart", "buy")]
    feature = {"name": "shop", "role": "item", "hash_buckets": 50, "embedding_dim": 4}
    schema = log_schema(columns=[*labels, feature])
    (tmp_path / "log").write_text("1,0,1,a\n0,0,1,b\n" * 50)
    prepare(PrepareJob(tmp_path, tmp_path / "shards", schema))

    output = run(tmp_path, "--column", "shop").output

    assert "…" not in output
    assert max(map(len, output.splitlines())) <= 100
    assert all(f"{name}, 95% interval" in output for name in ("click", "cart", "buy"))


def test_statistics_of_another_dataset_are_refused(data: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    shutil.copytree(data / "shards", shards)
    text = (shards / STATISTICS_NAME).read_text(encoding="utf-8")
    (shards / STATISTICS_NAME).write_text(
        text.replace('"rows": 1600', '"rows": 1601'), encoding="utf-8"
    )

    error = run(tmp_path).exception

    assert isinstance(error, UserError)
    assert "belongs to another dataset" in str(error)


def test_a_folder_of_nothing_is_an_error(tmp_path: Path) -> None:
    error = run(tmp_path).exception

    assert isinstance(error, UserError)
    assert "smt synth" in str(error)


def test_two_days_are_compared(data: Path, raw: Path) -> None:
    output = run(data, raw).output

    verdict = f"{raw} train against {data} train: 0 of 20 columns have drifted"
    assert verdict in " ".join(output.split())
    assert max(map(len, output.splitlines()[1:])) <= 100


def test_drift_fails_the_command_only_when_it_is_asked_to(
    data: Path, raw: Path, smt: Callable[..., Any]
) -> None:
    path = raw / "taobao_train_data"
    path.write_text(re.sub(r"(?m)^([01],[01],)[^,]*", r"\1elsewhere", path.read_text()))

    calm = smt("inspect-stats", data, raw)
    strict = smt("inspect-stats", data, raw, "--fail-on", "drift", "--json")

    assert (calm.code, strict.code) == (0, 1)
    assert re.search(r"pid +0\.000 .* drift", calm.out)
    assert "1 column has drifted:\n  pid in " in strict.err
    assert "new_values, psi, jensen_shannon, l_infinity" in strict.err
    comparison = Comparison.model_validate_json(strict.out)
    assert [column.name for column in comparison.drift[0].drifted] == ["pid"]


@pytest.mark.parametrize("options", [(), ("--json",), ("--column", "price")])
def test_a_gate_that_judges_nothing_is_wrong_usage(
    options: tuple[str, ...], data: Path, smt: Callable[..., Any]
) -> None:
    judged = smt(
        "inspect-stats", data, "--split", "test", "--column", "price", "--fail-on", "drift"
    )
    refused = smt("inspect-stats", data, "--split", "train", *options, "--fail-on", "drift")

    assert (judged.code, refused.code) == (0, 2)
    assert "train is what other splits are compared with" in refused.err
    assert refused.out == ""


def test_drift_of_a_single_split_is_wrong_usage(raw: Path, smt: Callable[..., Any]) -> None:
    (raw / "taobao_test_data").unlink()

    outcome = smt("inspect-stats", raw, "--fail-on", "drift")

    assert outcome.code == 2
    assert "--fail-on needs two splits to compare; there is train." in outcome.err


def test_thresholds_of_the_schema_judge_a_dataset(
    data: Path, tmp_path: Path, smt: Callable[..., Any]
) -> None:
    schema = tmp_path / "strict.toml"
    text = resources.files("smt_schemas").joinpath("taobao.toml").read_text()
    names = [column.name for column in taobao().columns if column.name != "price"]
    limits = f"psi = 0.0\nnull_rate = 0.5\nignore = {json.dumps(names)}"
    schema.write_text(text.replace("[csv]", f"[drift]\n{limits}\n\n[csv]"))

    found = json.loads(smt("inspect-stats", data, "--schema", schema, "--json").out)

    [price] = [column for column in found["drift"][0]["columns"] if column["name"] == "price"]
    limits_of = {distance["measure"]: distance["threshold"] for distance in price["distances"]}
    assert (limits_of["psi"], limits_of["null_rate"]) == (0, 0.5)
    assert limits_of["l_infinity"] == taobao().drift.l_infinity


def test_details_of_one_column_hold_the_numbers_that_went_in(data: Path) -> None:
    output = run(data, "--column", "brand").output

    [drift] = Statistics.read(data / "shards").drift
    brand = next(column for column in drift.columns if column.name == "brand")
    assert all(f"{distance.noise:.4f}" in output for distance in brand.distances)
    assert "all others" in output
    assert "entropy" in output
    assert max(map(len, output.splitlines()[:-1])) <= 100


def test_a_page_is_written(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"

    output = run(data, "--html", page).output

    assert f"Page: {page}" in output
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_page_of_two_datasets_is_wrong_usage(data: Path, smt: Callable[..., Any]) -> None:
    assert smt("inspect-stats", data, data, "--html", "page.html").code == 2


@pytest.mark.parametrize(
    ("name", "model"), [("statistics", Statistics), ("comparison", Comparison)]
)
def test_the_published_json_schema_is_the_models(name: str, model: type[BaseModel]) -> None:
    path = Path(__file__).parents[2] / "docs" / f"{name}.schema.json"

    assert json.loads(path.read_text(encoding="utf-8")) == model.model_json_schema()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (10_000, "10 k"),
        (999_499, "999 k"),
        (999_999, "1 M"),
        (8_749_568, "8.75 M"),
        (34 * 10**9, "34 G"),
        (2 * 10**12, "2 T"),
    ],
)
def test_large_numbers_are_written_in_three_digits(number: int, text: str) -> None:
    assert compact(number) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (1e-6, "<0.1%"), (0.0345, "3.5%"), (0.99999, ">99.9%"), (1, "100%")],
)
def test_a_share_never_looks_like_none_or_all_unless_it_is(share: float, text: str) -> None:
    assert percent(share) == text


def test_values_cannot_control_the_terminal() -> None:
    assert printable("a\x1b[31m\n[red]", 40) == r"a\x1b[31m\n[red]"
    assert printable("x" * 50, 5) == "xxxx…"


@pytest.mark.parametrize(("times", "action"), [(1, "hash"), (200, "identity")])
def test_integers_are_taken_as_they_are_only_when_new_ones_are_rare(
    times: int, action: str, tmp_path: Path, log_schema: Callable[..., DatasetSchema]
) -> None:
    size = {"hash_buckets": 50, "embedding_dim": 4}
    shop = {"name": "shop", "role": "item", "type": "int", "required": True, **size}
    (tmp_path / "log").write_text("".join(f"{n}\n" for n in range(300)) * times)
    prepare(PrepareJob(tmp_path, tmp_path / "shards", log_schema(columns=[shop])))

    (column,) = Statistics.read(tmp_path / "shards").splits["train"].columns

    assert column.recommendation is not None
    assert column.recommendation.action == action
