"""Prepared in parts and merged, a dataset is the one of a single run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smt_features import blocks, parts, units
from smt_features.manifest import PrepareOptions
from smt_features.parts import FOLDER, merge_parts, parse_part, prepare_part
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_schemas import UsageError, UserError, taobao

OPTIONS = PrepareOptions(keys=True, key_texts=True, rows_per_shard=150, rows_per_group=64)


def silent(_stage: str, _done: int, _total: int) -> None:
    """Show no progress."""


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def raw(tmp_path: Path, log_lines: Callable[..., list[str]]) -> Path:
    """Return a folder with a split in two files, bad lines in both, and a very long line."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for number, rows in enumerate((170, 90)):
        lines = log_lines(rows, seed=number)
        lines[50:50] = ["bad", "x" * 9000]
        (folder / f"taobao_train_data-{number}.csv").write_text("\n".join(lines) + "\n")
    (folder / "taobao_test_data").write_text("\n".join(log_lines(60, seed=5)) + "\n")
    return folder


def job_of(raw: Path, output: Path, **fields: Any) -> PrepareJob:
    return PrepareJob(raw, output, taobao(), OPTIONS, max_bad_rows=4, **fields)


@pytest.mark.parametrize(
    ("count", "block_bytes"), [(1, 4096), (2, 4096), (3, 4096), (7, 4096), (2, 1500), (25, 1500)]
)
def test_merged_parts_are_byte_identical_to_a_single_run(
    count: int, block_bytes: int, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(units, "BLOCK_BYTES", block_bytes)
    single = prepare(job_of(raw, tmp_path / "single")).directory
    job = job_of(raw, tmp_path / "merged")

    for part in reversed(range(1, count + 1)):
        prepare_part(job, part, count, silent)
    merged = merge_parts(job, count, silent).directory

    assert contents(merged) == contents(single)


def test_a_missing_part_is_named(raw: Path, tmp_path: Path) -> None:
    job = job_of(raw, tmp_path / "merged")
    prepare_part(job, 1, 2, silent)

    with pytest.raises(
        UserError, match=r"Part 2 of 2 is missing\. Run `smt prepare .* --part 2/2`"
    ):
        merge_parts(job, 2, silent)


def test_a_part_of_another_run_is_named(raw: Path, tmp_path: Path) -> None:
    for part in (1, 2):
        prepare_part(job_of(raw, tmp_path / "merged", seed=part), part, 2, silent)

    with pytest.raises(UserError, match="Part 2 of 2 was made from other files or options"):
        merge_parts(job_of(raw, tmp_path / "merged", seed=1), 2, silent)


def test_a_part_whose_rows_another_version_wrote_is_named(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(raw, tmp_path / "merged")
    prepare_part(job, 2, 2, silent)
    monkeypatch.setattr(parts, "_RUNS", "something else")
    prepare_part(job, 1, 2, silent)

    with pytest.raises(UserError, match="Part 2 of 2 was made from other files or options"):
        merge_parts(job, 2, silent)


def test_a_part_of_a_file_that_was_corrected_since_is_named(raw: Path, tmp_path: Path) -> None:
    job = job_of(raw, tmp_path / "merged")
    for part in (1, 2):
        prepare_part(job, part, 2, silent)
    log = raw / "taobao_test_data"
    log.write_text(log.read_text().replace("0", "1", 1))

    with pytest.raises(UserError, match="Part 1 of 2 was made from other files or options"):
        merge_parts(job, 2, silent)


def test_of_two_runs_of_a_part_the_first_result_stays(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(raw, tmp_path / "merged")
    record = prepare_part(job, 1, 2, silent)
    (folder,) = (tmp_path / "merged" / FOLDER).iterdir()
    before = folder.stat().st_ino
    seen = iter([None])  # as if the other run had not ended when this one began
    monkeypatch.setattr(parts, "_read_record", lambda path: next(seen, record))

    assert prepare_part(job, 1, 2, silent) == record

    assert [path.stat().st_ino for path in (tmp_path / "merged" / FOLDER).iterdir()] == [before]


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1 / 2"])
def test_a_text_that_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="give K/N"):
        parse_part(text)


def test_a_dataset_that_was_merged_without_statistics_is_up_to_date(
    raw: Path, tmp_path: Path
) -> None:
    job = job_of(raw, tmp_path / "out", statistics=False)
    prepare_part(job, 1, 1, silent)
    merge_parts(job, 1, silent)

    again = merge_parts(job_of(raw, tmp_path / "out"), 1, silent)

    assert again.was_current
