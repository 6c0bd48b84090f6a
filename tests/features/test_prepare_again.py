"""A second run in a folder that holds a dataset: it is kept, or refused with the reason."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_schemas import UserError, taobao

KEYS = PrepareOptions(keys=True)


def contents(directory: Path) -> dict[str, bytes]:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def job_of(directory: Path, **fields: Any) -> PrepareJob:
    return PrepareJob(directory, directory / "shards", taobao(), **fields)


@pytest.fixture
def raw(tmp_path: Path, log_lines: Callable[..., list[str]]) -> Path:
    """Return a folder with a train and a test split."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, rows in (("taobao_train_data", 80), ("taobao_test_data", 20)):
        (folder / name).write_text("\n".join(log_lines(rows)) + "\n")
    return folder


def test_a_second_run_is_up_to_date(raw: Path) -> None:
    first = prepare(job_of(raw))
    before = contents(first.directory)

    second = prepare(job_of(raw))

    assert (first.was_current, second.was_current) == (False, True)
    assert second.manifest == first.manifest
    assert contents(first.directory) == before


CHANGED: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"seed": 1}, "--seed"),
    "format": ({"options": PrepareOptions(format="both")}, "--format"),
    "keys": ({"options": KEYS}, "--keys"),
    "rows per shard": ({"options": PrepareOptions(rows_per_shard=10)}, "--rows-per-shard"),
    "two options": ({"options": KEYS, "seed": 1}, "--seed, --keys"),
}


@pytest.mark.parametrize("case", CHANGED)
def test_other_options_are_refused_by_name_unless_overwritten(case: str, raw: Path) -> None:
    fields, name = CHANGED[case]
    prepare(job_of(raw))
    before = contents(raw / "shards")

    with pytest.raises(UserError, match=rf"changed: {name}\. Replace it with --overwrite"):
        prepare(job_of(raw, **fields))

    assert contents(raw / "shards") == before
    assert not prepare(job_of(raw, overwrite=True, **fields)).was_current


def test_other_files_are_refused_by_name(raw: Path) -> None:
    prepare(job_of(raw))
    path = raw / "taobao_train_data"
    path.write_text(path.read_text()[:-2] + "7\n")

    with pytest.raises(UserError, match="changed: the raw files"):
        prepare(job_of(raw))


def test_another_schema_is_refused_by_name(raw: Path) -> None:
    prepare(job_of(raw))
    schema = taobao().model_copy(update={"name": "other"})

    with pytest.raises(UserError, match="changed: the schema"):
        prepare(PrepareJob(raw, raw / "shards", schema))


def test_overwriting_leaves_nothing_of_the_old_dataset(raw: Path, tmp_path: Path) -> None:
    many = PrepareOptions(format="both", keys=True, rows_per_shard=15, rows_per_group=10)
    prepare(job_of(raw, options=many))

    replaced = prepare(job_of(raw, overwrite=True))

    fresh = prepare(PrepareJob(raw, tmp_path / "fresh", taobao()))
    assert contents(replaced.directory) == contents(fresh.directory)


@pytest.mark.parametrize("damage", ["missing", "truncated", "manifest"])
def test_a_damaged_dataset_is_not_up_to_date(damage: str, raw: Path) -> None:
    whole = contents(prepare(job_of(raw)).directory)
    shard = raw / "shards" / "train" / "part-00000-of-00001.parquet"
    if damage == "missing":
        shard.unlink()
    elif damage == "truncated":
        shard.write_bytes(shard.read_bytes()[:-1])
    else:
        (raw / "shards" / "manifest.json").write_text("{")

    with pytest.raises(UserError, match="--overwrite"):
        prepare(job_of(raw))

    assert contents(prepare(job_of(raw, overwrite=True)).directory) == whole


def test_statistics_that_are_missing_are_made_and_the_shards_stay(raw: Path) -> None:
    prepare(job_of(raw, statistics=False))
    before = {path: path.read_bytes() for path in (raw / "shards").rglob("part-*")}

    made = prepare(job_of(raw))

    assert (raw / "shards" / "statistics.json").exists()
    assert not made.was_current
    assert {path: path.read_bytes() for path in (raw / "shards").rglob("part-*")} == before


def test_bad_rows_that_were_allowed_once_are_not_allowed_for_ever(raw: Path) -> None:
    with (raw / "taobao_train_data").open("a") as file:
        file.write("bad\n")
    prepare(job_of(raw, max_bad_rows=1))

    with pytest.raises(UserError, match=r"made with 1 bad rows of .* left out.*--max-bad-rows"):
        prepare(job_of(raw))
