from pathlib import Path

import pytest

from smt_bench.growth import SIZES, job, measured
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
    (tmp_path / "taobao_train_data").write_text("1\n")
    (tmp_path / "work").mkdir()
    with pytest.raises(UserError, match="has 1 rows; 50,000 are needed"):
        measured(job("rows", 50_000), tmp_path, tmp_path / "work")
