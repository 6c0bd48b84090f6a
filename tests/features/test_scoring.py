"""Logs to be scored: every row is encoded or explained, in order."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smt_features import Dataset
from smt_features.batch import Bags, concat
from smt_features.rejected import MEANING
from smt_features.scoring import open_log
from smt_schemas import DatasetSchema, UserError, explain, row_model, taobao

NAMES = [column.name for column in taobao().columns]


def scored(path: Path, schema: DatasetSchema | None = None) -> tuple[Any, list[str | None], int]:
    """Return the encoded rows, for each row its error, and the first line."""
    log = open_log(path, schema or taobao())
    batches, errors = [], []
    for rows in log.rows(seed=0):
        batches.append(rows.batch)
        waiting = iter(rows.errors)
        errors += [None if good else next(waiting) for good in rows.good]
        assert list(waiting) == []
    return concat(batches), errors, log.first_line


def write(path: Path, lines: list[str]) -> Path:
    text = "".join(f"{line}\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def without_labels(lines: list[str]) -> list[str]:
    return [line.split(",", 2)[2] for line in lines]


def same(found: Any, expected: Any) -> bool:
    return all(
        all(np.array_equal(a, b) for a, b in zip(values, expected[name], strict=True))
        if isinstance(values, Bags)
        else np.array_equal(values, expected[name])
        for name, values in found.items()
    )


@pytest.fixture
def lines(log_lines: Callable[..., list[str]]) -> list[str]:
    return log_lines(60)


@pytest.fixture
def expected(lines: list[str], prepared: Callable[..., Dataset]) -> Any:
    """What `smt prepare` makes of the same rows."""
    dataset = prepared(lines, shuffle=False)
    return concat(list(dataset["train"].batches(7, shuffle=False)))


def frame(lines: list[str]) -> pl.DataFrame:
    cells = [line.split(",") for line in lines]
    columns = pl.DataFrame(cells, schema=dict.fromkeys(NAMES, pl.String), orient="row")
    return columns.with_columns(pl.col("price", "clk").cast(pl.Int64))


@pytest.mark.parametrize("name", ["log", "log.csv", "log.csv.gz", "log.parquet", "log.jsonl"])
@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.usefixtures("small_blocks")
def test_every_form_is_encoded_as_prepare_does_with_labels_or_without(
    name: str, labelled: bool, lines: list[str], expected: Any, tmp_path: Path
) -> None:
    path = tmp_path / name
    table = frame(lines) if labelled else frame(lines).drop("clk", "buy")
    if path.suffix == ".parquet":
        table.write_parquet(path)
    elif path.suffix == ".jsonl":
        table.write_ndjson(path)
    else:
        write(path, lines if labelled else without_labels(lines))
    batch, errors, first_line = scored(path)
    assert errors == [None] * 60
    assert first_line == 1
    assert batch.keys() == expected.keys() - {"clk", "buy"}
    assert same(batch, expected)


def test_labels_are_not_checked(lines: list[str], expected: Any, tmp_path: Path) -> None:
    unlabelled = [f",maybe,{line}" for line in without_labels(lines)]
    batch, errors, _ = scored(write(tmp_path / "log", unlabelled))
    assert errors == [None] * 60
    assert same(batch, expected)


def test_bad_lines_do_not_decide_whether_there_are_labels(lines: list[str], tmp_path: Path) -> None:
    features = without_labels(lines)
    features[0] = lines[0]
    _, errors, _ = scored(write(tmp_path / "log", features))
    assert errors == ["has 20 fields instead of 18", *[None] * 59]


def test_a_bad_row_is_explained_and_the_others_are_encoded(
    lines: list[str], tmp_path: Path
) -> None:
    rows = without_labels(lines)[:7]
    rows[1] = rows[1].rsplit(",", 1)[0] + ",50"
    rows[2] = '"' + rows[2]
    rows[3] = "," + rows[3].split(",", 1)[1]
    rows[5] = rows[5].rsplit(",", 1)[0]
    path = write(tmp_path / "log", rows)
    path.write_bytes(path.read_bytes() + b"\xff" + rows[0].encode() + b"\n")
    batch, errors, _ = scored(path)
    assert errors == [
        None,
        "price '50' is not between 0 and 49",
        "unbalanced quotes",
        "pid '' is empty, but the column is required",
        None,
        "has 17 fields instead of 18",
        None,
        "not valid UTF-8",
    ]
    assert len(batch["pid"]) == 3


def test_a_row_with_several_faults_names_them_all(lines: list[str], tmp_path: Path) -> None:
    cells = without_labels(lines)[0].split(",")
    cells[0], cells[-1] = "", "x" * 100
    _, (error,), _ = scored(write(tmp_path / "log", [",".join(cells)]))
    assert error == (
        f"pid '' is empty, but the column is required; price '{'x' * 59}…' is not an integer"
    )


def test_lines_are_counted_from_after_the_header(tmp_path: Path, make: Any) -> None:
    schema = make(header=True)
    path = write(tmp_path / "log.csv", ["a,b", "1,2"])
    batch, errors, first_line = scored(path, schema)
    assert (len(batch["a"]), errors, first_line) == (1, [None], 2)
    labelled = write(tmp_path / "labelled.csv", ["clk,a,b", "x,1,2"])
    assert same(scored(labelled, schema)[0], batch)


@pytest.fixture
def make(log_schema: Callable[..., DatasetSchema]) -> Callable[..., DatasetSchema]:
    label = {
        "name": "clk",
        "role": "label",
        "type": "int",
        "required": True,
        "allowed": [0, 1],
        "task": "ctr",
    }
    size = {"role": "user", "hash_buckets": 50, "embedding_dim": 4}
    columns = [label, {"name": "a", **size}, {"name": "b", **size}]
    return lambda **csv: log_schema(columns=columns, csv=csv)


def test_a_single_line_without_a_line_end_is_a_row(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "log"
    path.write_text("1,2")
    batch, errors, _ = scored(path, make())
    assert (len(batch["a"]), errors) == (1, [None])


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="log is not a file"):
        open_log(tmp_path / "log", taobao())


def test_a_parquet_file_without_a_feature_is_refused(lines: list[str], tmp_path: Path) -> None:
    frame(lines).drop("brand").write_parquet(tmp_path / "log.parquet")
    with pytest.raises(UserError, match="has no column brand"):
        scored(tmp_path / "log.parquet")


cell = st.text(st.sampled_from('019-|, aé"'), max_size=4)


@given(rows=st.lists(st.lists(cell, min_size=17, max_size=19), min_size=1, max_size=8))
def test_the_verdict_is_that_of_the_row_model(
    rows: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.csv"
    features = [column for column in taobao().columns if column.role != "label"]
    schema = taobao().model_copy(update={"columns": features})
    # A first row that says that there are no labels.
    good = [["1"] * 18] * (len(rows) + 1)
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in good + rows]
    _, errors, _ = scored(write(path, lines))
    model = row_model(schema)
    for row, error in zip(good + rows, errors, strict=True):
        if len(row) != len(features):
            assert error == f"has {len(row)} fields instead of 18"
            continue
        wrong = explain(model, dict(zip([c.name for c in features], row, strict=True)))
        assert (error is None) == (not wrong)
        assert all(violation.message in error for violation in wrong if error)
        assert error not in MEANING


@pytest.mark.parametrize(
    "name", ["log", "log.TXT", "log-00001", "access.log.2026-11-27", "v1.0_log", "log.JSONL"]
)
def test_any_name_of_a_text_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("1\n")

    assert open_log(tmp_path / name, taobao()).first_line == 1


@pytest.mark.parametrize("name", ["log.json", "log.parq", "log.PARQUET", "log.json.gz", "log.zip"])
def test_another_format_is_not_taken_for_text(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("1\n")

    with pytest.raises(UserError, match=r"is not read \(\.csv, .*\)\. Convert or rename it"):
        open_log(tmp_path / name, taobao())
