"""Predictions as files: a row for every row of the input, in order."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from smt_features import open_shards
from smt_features.batch import take
from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model.loading import load_run
from smt_model.predict import Predicted, predict_run
from smt_model.predictor import BATCH, Predictor
from smt_schemas import DatasetSchema, UsageError, UserError

SCHEMA = {"line": pl.Int64, "ctr": pl.Float32, "cvr": pl.Float32, "error": pl.String}


def features(dataset: Path) -> list[str]:
    """Return the rows of the test split without their labels."""
    return [line.split(",", 2)[2] for line in (dataset / "b").read_text().splitlines()]


@pytest.fixture
def predict(trained: Path, tmp_path: Path) -> Callable[..., tuple[Predicted, pl.DataFrame]]:
    """Return a function that predicts lines or a path, and the counts and rows it gave."""

    def run(source: list[str] | Path, **options: Any) -> tuple[Predicted, pl.DataFrame]:
        if isinstance(source, list):
            (tmp_path / "log").write_text("".join(f"{line}\n" for line in source))
            source = tmp_path / "log"
        output = tmp_path / "output.parquet"
        counts = predict_run(trained, source, output, overwrite=True, **options)
        return counts, pl.read_parquet(output)

    return run


def test_every_row_gets_the_prediction_that_its_ids_have(
    predict: Callable[..., Any],
    trained: Path,
    dataset: Path,
    schema: DatasetSchema,
    tmp_path: Path,
) -> None:
    counts, frame = predict(features(dataset))
    assert counts == Predicted(rows=300, errors=0)
    assert frame.schema == SCHEMA
    assert frame["line"].to_list() == list(range(1, 301))
    assert frame["error"].null_count() == 300
    plain = PrepareJob(dataset, tmp_path / "plain", schema, PrepareOptions(shuffle=False))
    prepare(plain)
    batch = next(open_shards(plain.output)["test"].batches(300, shuffle=False))
    expected = Predictor(load_run(trained).model)(batch)
    np.testing.assert_allclose(frame.select("ctr", "cvr").to_numpy(), expected, rtol=0, atol=1e-6)


def test_shards_are_predicted_in_the_order_of_their_files(
    predict: Callable[..., Any], trained: Path, dataset: Path
) -> None:
    counts, frame = predict(dataset, split="train")
    assert counts == Predicted(rows=1000, errors=0)
    batch = next(open_shards(dataset)["train"].batches(1000, shuffle=False))
    expected = Predictor(load_run(trained).model)(batch)
    assert frame["line"].to_list() == list(range(1, 1001))
    np.testing.assert_array_equal(frame.select("ctr", "cvr").to_numpy(), expected)


def test_a_bad_row_has_an_error_instead_of_a_prediction(predict: Callable[..., Any]) -> None:
    counts, frame = predict(["u1,a|b,b1", "u1,a||b,b1", "u1", "u1,a|b,b1"])
    assert counts == Predicted(rows=4, errors=2)
    assert frame["error"].to_list() == [
        None,
        "tags 'a||b' has an empty entry in its list",
        "has 1 field instead of 3",
        None,
    ]
    assert frame["ctr"].is_null().to_list() == [False, True, True, False]
    assert frame["cvr"].is_null().to_list() == [False, True, True, False]
    assert frame["ctr"][0] == frame["ctr"][3]


def test_a_log_of_bad_rows_alone_gives_as_many_errors(predict: Callable[..., Any]) -> None:
    counts, frame = predict(["u1", "u2"])
    assert counts == Predicted(rows=2, errors=2)
    assert frame["ctr"].null_count() == 2


@pytest.mark.usefixtures("small_blocks")
def test_rows_of_many_blocks_keep_their_order_and_number(
    predict: Callable[..., Any], dataset: Path
) -> None:
    lines = features(dataset) * 3
    lines[500] = "bad"
    counts, frame = predict(lines)
    assert counts == Predicted(rows=900, errors=1)
    assert frame["line"].to_list() == list(range(1, 901))
    assert frame.filter(pl.col("error").is_not_null())["line"].to_list() == [501]
    first, second = frame["ctr"][:300].to_numpy(), frame["ctr"][600:].to_numpy()
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-6)


def test_more_rows_than_the_model_takes_at_once(trained: Path, dataset: Path) -> None:
    model = load_run(trained).model
    batches = open_shards(dataset)["train"].batches(1000, shuffle=False)
    batch = next(batches)
    rows = np.arange(BATCH + 5) % 1000
    found = Predictor(model)(take(batch, rows))
    np.testing.assert_allclose(found, Predictor(model)(batch)[rows], rtol=0, atol=1e-6)


def test_the_three_forms_of_output_hold_the_same(
    trained: Path, predict: Callable[..., Any], tmp_path: Path
) -> None:
    _, frame = predict(["u1,a,b1", 'u"1,a,b1', "u2,,b2"])
    for name in ("out.csv", "out.jsonl"):
        predict_run(trained, tmp_path / "log", tmp_path / name)
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    objects = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    for expected, text, found in zip(frame.iter_rows(named=True), rows, objects, strict=True):
        assert list(found) == list(text) == ["line", "ctr", "cvr", "error"]
        assert found["line"] == int(text["line"]) == expected["line"]
        assert found["error"] == (text["error"] or None) == expected["error"]
        for task in ("ctr", "cvr"):
            same = expected[task]
            assert found[task] == (None if same is None else pytest.approx(same, rel=1e-7))
            assert text[task] == "" if same is None else float(text[task]) == pytest.approx(same)


def test_an_output_is_not_replaced_unless_asked_for(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("u1,a,b1\n")
    output = tmp_path / "out.csv"
    output.write_text("mine")
    with pytest.raises(UserError, match="--overwrite"):
        predict_run(trained, tmp_path / "log", output)
    assert output.read_text() == "mine"
    predict_run(trained, tmp_path / "log", output, overwrite=True)
    assert output.read_text().startswith("line,ctr,cvr,error\n1,0.")


def test_an_unknown_extension_and_an_unwritable_folder_are_refused(
    trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "log").write_text("u1,a,b1\n")
    with pytest.raises(UsageError, match=r"one of \.parquet, \.csv, \.jsonl"):
        predict_run(trained, tmp_path / "log", tmp_path / "out.txt")
    with pytest.raises(UserError, match="Cannot write"):
        predict_run(trained, tmp_path / "log", tmp_path / "log" / "out.csv")


def test_an_input_that_breaks_off_leaves_no_output(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "log.csv.gz").write_bytes(b"\x1f\x8b\x08\x00not gzip")
    with pytest.raises(UserError, match="Cannot read"):
        predict_run(trained, tmp_path / "log.csv.gz", tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv.gz"]


def test_shards_of_another_hash_are_refused(
    trained: Path, other_dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"hash: .*seed=0 against .*seed=1"):
        predict_run(trained, other_dataset, tmp_path / "out.csv")


def test_the_log_is_never_replaced_by_its_predictions(trained: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("u1,a,b1\n")

    with pytest.raises(UsageError, match="is the log itself"):
        predict_run(trained, log, tmp_path / "." / "log.csv", overwrite=True)

    assert log.read_text() == "u1,a,b1\n"
