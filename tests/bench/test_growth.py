from pathlib import Path

import pytest

from smt_bench import growth
from smt_bench.growth import SIZES, Job, Options, job, measured
from smt_bench.processes import Command, Run
from smt_schemas import DatasetSchema, UserError


def schema(what: str, size: int, folder: Path) -> DatasetSchema:
    path = folder / "schema.toml"
    path.write_text(job(what, size).schema)
    return DatasetSchema.from_toml(path)


@pytest.mark.parametrize("size", SIZES["columns"])
def test_a_job_has_so_many_columns(size: int, tmp_path: Path) -> None:
    found = schema("columns", size, tmp_path)
    assert len(found.features) == size
    assert len(found.columns) == 20


def test_a_job_has_so_many_buckets_and_so_wide_vectors(tmp_path: Path) -> None:
    buckets = [column.buckets for column in schema("buckets", 4_000_000, tmp_path).features]
    widths = {column.dim for column in schema("width", 64, tmp_path).features}
    assert sorted(buckets)[-8:] == [10_000] + [4_000_000] * 7
    assert widths == {64}


def test_a_job_has_so_many_rows() -> None:
    assert job("rows", 50_000).rows == 50_000


def test_a_log_with_too_few_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="smt synth .* --rows 2500000"):
        measured(job("rows", 50_000), tmp_path, tmp_path / "work")
    (tmp_path / "taobao_train_data").write_text("1\n")
    (tmp_path / "work").mkdir()
    with pytest.raises(UserError, match="has 1 rows; 50,000 are needed"):
        measured(job("rows", 50_000), tmp_path, tmp_path / "work")


def test_tables_have_medians_and_a_job_of_several_tables_is_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([3.0, 1.0, 2.0, 9.0, 7.0, 8.0])
    monkeypatch.setattr(growth, "SIZES", {"rows": (100, 200_000), "width": (16,)})
    monkeypatch.setattr(growth, "measured", lambda *_: {"prepare s": next(seconds)})

    report = growth.growth(Options(tmp_path, runs=3), lambda _: None)

    found = [(row.settings["growth"], row.name, row.figures["prepare s"]) for row in report.rows]
    assert [(what, name, figure.median) for what, name, figure in found] == [
        ("rows", "100", 3.0),
        ("rows", "200,000", 8.0),
        ("width", "16", 8.0),
    ]
    assert [figure.runs for _, _, figure in found][:2] == [[3.0, 2.0, 7.0], [1.0, 9.0, 8.0]]


def test_a_job_in_parts_runs_each_part_and_merges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taobao_train_data").write_text("a\n" * 40)
    (tmp_path / "work").mkdir()
    asked: list[list[str]] = []

    def measure(command: Command) -> Run:
        asked.append([str(word) for word in command.arguments[-2:]])
        return Run(0.0, float(len(asked)), 100.0 * len(asked), "")

    monkeypatch.setattr(growth, "measure", measure)
    found = measured(Job(rows=40, schema="", parts=4), tmp_path, tmp_path / "work")

    parts = [["--part", f"{part}/4"] for part in range(1, 5)]
    assert asked == [*parts, ["--merge", "4"]]
    assert found == {"a part s": 2.5, "merge s": 5.0, "merge MiB": 500.0}
