"""Export, predict and the page of evaluate, as a user runs them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model import runtime
from smt_model.config import TrainConfig
from smt_schemas import taobao

runtime.start_tensorflow()

Smt = Callable[..., Any]


@pytest.fixture(scope="module")
def data(log_lines: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for seed, stem in enumerate(taobao().splits.values()):
        (folder / stem).write_text("".join(f"{line}\n" for line in log_lines(200, seed)))
    prepare(PrepareJob(folder, folder / "shards", taobao()))
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from smt_model.training import train

    path = tmp_path_factory.mktemp("run") / "run"
    options: dict[str, Any] = {"steps": 4, "batch_size": 64}
    train(TrainConfig(data_location=str(data), checkpoint=str(path), **options))
    return path


def test_export_says_what_it_made_and_its_card_holds_the_metrics(
    smt: Smt, run: Path, tmp_path: Path
) -> None:
    result = smt("export", run, "--to", tmp_path / "smt" / "1")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"Step 4 of {run} as {tmp_path / 'smt' / '1'}: 4 files, ")
    assert "serving_default: 18 features as text -> ctr, cvr" in result.out
    card = json.loads((tmp_path / "smt" / "1" / "model_card.json").read_text())
    evaluated = json.loads(smt("evaluate", run, "--json").out)
    assert card["metrics"] == evaluated
    assert card["schema_digest"] == taobao().digest
    assert card["hash"] == {"name": "murmur3_x86_32", "seed": 0}
    assert card["options"]["batch_size"] == 64
    # Where the data lay on this machine is nobody's business.
    assert str(run.parent) not in json.dumps(card)
    again = smt("export", run, "--to", tmp_path / "smt" / "1", "--json")
    assert (again.code, len(again.err.splitlines())) == (1, 1)
    assert "--overwrite" in again.err
    replaced = smt("export", run, "--to", tmp_path / "smt" / "1", "--json", "--overwrite")
    assert json.loads(replaced.out)["metrics"] == card["metrics"]


def test_predict_counts_rows_and_errors(smt: Smt, run: Path, data: Path, tmp_path: Path) -> None:
    rows = (data / "taobao_test_data").read_text().splitlines()
    features = [row.split(",", 2)[2] for row in rows]
    (tmp_path / "log.csv").write_text("\n".join([*features, "bad"]))
    output = tmp_path / "out.csv"
    result = smt("predict", run, tmp_path / "log.csv", "--output", output, "--json")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == {"output": str(output), "rows": 201, "errors": 1}
    lines = output.read_text().splitlines()
    assert lines[0] == "line,ctr,cvr,error"
    assert lines[-1] == "201,,,has 1 field instead of 18"
    shards = smt("predict", run, data, "--output", tmp_path / "out.jsonl")
    assert "200 predictions, 0 errors" in shards.out


def test_evaluate_takes_the_data_and_writes_a_page(
    smt: Smt, run: Path, data: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    result = smt("evaluate", run, data / "shards", "--split", "train", "--html", page)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0].startswith("Evaluation on split train: 200 rows")
    assert result.out.splitlines()[-1] == f"Page: {page}"
    assert page.read_text("utf-8").count("<svg") >= 4
    again = smt("evaluate", run, "--html", page)
    assert (again.code, again.err) == (
        1,
        f"Error: {page} exists. Give --html another file, or --overwrite.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["export", "{run}"], 2, "--to"),
        (["export", "{tmp}", "--to", "{tmp}/1"], 1, "Is this the directory of a run?"),
        (["export", "{run}", "--to", "{run}"], 1, "is no export"),
        (["predict", "{run}", "{tmp}/log", "--output", "{tmp}/out.csv"], 1, "is not a file"),
        (["predict", "{run}", "{tmp}", "--output", "{tmp}/out.csv"], 1, "holds no dataset"),
        (["predict", "{run}", "{data}", "--output", "{tmp}/out.txt"], 2, ".parquet, .csv, .jsonl"),
        (["predict", "{run}", "{data}", "--output", "{tmp}/o.csv", "--split", "x"], 2, "no split"),
        (["evaluate", "{run}", "{data}", "--data-location", "{data}"], 2, "one of the two"),
    ],
)
def test_errors_are_one_message(
    smt: Smt, arguments: list[str], code: int, words: str, run: Path, data: Path, tmp_path: Path
) -> None:
    result = smt(*(word.format(run=run, data=data, tmp=tmp_path) for word in arguments))
    assert result.code == code
    assert words in result.err
    assert "Traceback" not in result.err
    assert list(tmp_path.iterdir()) == []
