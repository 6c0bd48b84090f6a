"""Whole runs of prepare: the same bytes every time, nothing left behind."""

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from smt_features import Bags, Dataset
from smt_features.files import published
from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_schemas import DatasetSchema, UserError, taobao

SMALL: dict[str, Any] = {
    "format": "both",
    "keys": True,
    "rows_per_shard": 150,
    "rows_per_group": 64,
}


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def shards(dataset: Dataset) -> dict[str, bytes]:
    files = contents(dataset.directory)
    return {name: data for name, data in files.items() if "/part-" in name}


def job_of(directory: Path, output: Path | None = None, **fields: Any) -> PrepareJob:
    options = PrepareOptions(**{name: fields.pop(name) for name in SMALL if name in fields})
    return PrepareJob(directory, output or directory / "shards", taobao(), options, **fields)


@pytest.fixture
def raw(tmp_path: Path, log_lines: Callable[..., list[str]]) -> Path:
    """Return a folder with a train and a test split."""
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "taobao_train_data").write_text("\n".join(log_lines(400)) + "\n")
    (folder / "taobao_test_data").write_text("\n".join(log_lines(90, seed=1)) + "\n")
    return folder


def test_a_dataset_is_its_manifest_shards_and_statistics(raw: Path) -> None:
    prepared = prepare(job_of(raw, **SMALL))

    assert list(contents(prepared.directory)) == [
        "manifest.json",
        "statistics.json",
        "test/part-00000-of-00001.parquet",
        "test/part-00000-of-00001.tfrecord",
        *(
            f"train/part-0000{number}-of-00003.{fmt}"
            for number in range(3)
            for fmt in ("parquet", "tfrecord")
        ),
        "value_counts.parquet",
    ]
    assert (prepared.rows_read, prepared.manifest.rejected_rows) == (490, 0)
    rows = {name: split.rows for name, split in prepared.manifest.splits.items()}
    assert rows == {"train": 400, "test": 90}


def test_the_manifest_counts_labels_and_sources(raw: Path) -> None:
    manifest = prepare(job_of(raw)).manifest

    for source, split in zip(manifest.sources, ("train", "test"), strict=True):
        path = raw / f"taobao_{split}_data"
        lines = path.read_text().splitlines()
        assert (source.name, source.split) == (path.name, split)
        assert (source.bytes, source.rows) == (path.stat().st_size, len(lines))
        clicks = sum(line.startswith("1,") for line in lines)
        buys = sum(line.split(",")[1] == "1" for line in lines)
        assert manifest.splits[split].label_counts == {"clk": clicks, "buy": buys}


SCRIPT = """
import smt_features.blocks as blocks
blocks.BLOCK_BYTES = 4096
from smt_cli.main import run
run()
"""


def test_runs_elsewhere_with_other_threads_give_the_same_bytes(raw: Path, tmp_path: Path) -> None:
    outputs = []
    for threads in ("1", "3"):
        output = tmp_path / f"threads{threads}" / "deep" / "dataset"
        command = [sys.executable, "-c", SCRIPT, "prepare", str(raw), "--output", str(output)]
        command += ["--format", "both", "--keys", "--rows-per-shard", "150"]
        environment = os.environ | {"POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": threads}
        subprocess.run(command, check=True, env=environment, capture_output=True)
        outputs.append(contents(output))

    assert len(outputs[0]) == 11
    assert outputs[0] == outputs[1]


@pytest.mark.usefixtures("small_blocks")
def test_a_second_run_gives_the_same_bytes(raw: Path, tmp_path: Path) -> None:
    first, second = (
        contents(prepare(job_of(raw, tmp_path / name, **SMALL)).directory) for name in "ab"
    )

    assert first == second


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "taobao_train_data.csv": lambda data: data,
    "taobao_train_data.gz": gzip.compress,
    "taobao_train_data.zst": lambda data: pa.compress(data, "zstd", asbytes=True),
    "taobao_train_data-7.csv": lambda data: data,
    "taobao_train_data/any.csv.gz": gzip.compress,
}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", FORMS)
def test_shards_do_not_depend_on_the_form_of_the_file(
    name: str, log_lines: Callable[..., list[str]], prepared: Callable[..., Dataset], tmp_path: Path
) -> None:
    lines = log_lines(200)
    plain = prepared(lines, **SMALL)
    path = tmp_path / "other" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(FORMS[name]("".join(f"{line}\n" for line in lines).encode()))

    other = prepared(tmp_path / "other", folder="other_shards", **SMALL)

    assert shards(other) == shards(plain)


LINE_ENDS: dict[str, Callable[[str], bytes]] = {
    "windows line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "no line end at the end": lambda text: text.rstrip("\n").encode(),
    "quotes": lambda text: text.replace(",430548_1007,", ',"430548_1007",').encode(),
}


@pytest.mark.parametrize("case", LINE_ENDS)
def test_shards_do_not_depend_on_how_lines_are_written(
    case: str, log_lines: Callable[..., list[str]], prepared: Callable[..., Dataset], tmp_path: Path
) -> None:
    lines = log_lines(200)
    plain = prepared(lines)
    (tmp_path / "other").mkdir()
    text = LINE_ENDS[case]("".join(f"{line}\n" for line in lines))
    (tmp_path / "other" / "taobao_train_data").write_bytes(text)

    other = prepared(tmp_path / "other", folder="other_shards")

    assert shards(other) == shards(plain)


@pytest.mark.usefixtures("small_blocks")
def test_numbered_files_in_order_are_one_file(
    log_lines: Callable[..., list[str]], prepared: Callable[..., Dataset], tmp_path: Path
) -> None:
    lines = log_lines(200)
    whole = prepared(lines, shuffle=False)
    folder = tmp_path / "numbered"
    folder.mkdir()
    for number in range(4):
        part = lines[50 * number : 50 * number + 50]
        (folder / f"taobao_train_data-{number}").with_suffix(".csv").write_text("\n".join(part))

    numbered = prepared(folder, folder="numbered_shards", shuffle=False)

    assert shards(numbered) == shards(whole)


def test_one_split_is_enough(
    log_lines: Callable[..., list[str]], prepared: Callable[..., Dataset]
) -> None:
    assert prepared(log_lines(5)).splits == ("train",)


def test_a_second_run_is_up_to_date(raw: Path) -> None:
    first = prepare(job_of(raw))
    before = contents(first.directory)

    second = prepare(job_of(raw))

    assert (first.was_current, second.was_current) == (False, True)
    assert second.manifest == first.manifest
    assert contents(first.directory) == before


CHANGED: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"seed": 1}, "--seed"),
    "format": ({"format": "both"}, "--format"),
    "keys": ({"keys": True}, "--keys"),
    "rows per shard": ({"rows_per_shard": 10}, "--rows-per-shard"),
    "two options": ({"keys": True, "seed": 1}, "--seed, --keys"),
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
    prepare(job_of(raw, **SMALL))

    replaced = prepare(job_of(raw, overwrite=True))

    fresh = prepare(job_of(raw, tmp_path / "fresh"))
    assert contents(replaced.directory) == contents(fresh.directory)


@pytest.mark.parametrize("damage", ["missing", "truncated", "manifest"])
def test_a_damaged_dataset_is_not_up_to_date(damage: str, raw: Path, tmp_path: Path) -> None:
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


def test_an_unwritable_output_is_refused(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UserError, match="Choose another --output"):
        prepare(job_of(raw, tmp_path / "file" / "dataset"))


def test_a_run_that_fails_to_read_leaves_nothing(raw: Path) -> None:
    (raw / "taobao_test_data").unlink()
    (raw / "taobao_test_data.gz").write_bytes(gzip.compress(b"0,0,1\n" * 10_000)[:-9])

    with pytest.raises(UserError, match=r"Cannot read .*taobao_test_data\.gz"):
        prepare(job_of(raw))

    assert contents(raw / "shards") == {}


@pytest.mark.parametrize(
    ("happening", "message"),
    [
        (lambda path: path.write_text(path.read_text() * 2), "changed while it was read"),
        (lambda path: path.write_text(path.read_text()[:-40]), "changed while it was read"),
        (lambda path: os.utime(path, (1, 1)), "changed while it was read"),
        (Path.unlink, "vanished while it was read"),
    ],
    ids=["longer", "shorter", "touched", "gone"],
)
def test_a_source_that_changes_meanwhile_is_noticed(
    happening: Callable[[Path], object], message: str, raw: Path
) -> None:
    happened: list[object] = []

    def happen(_stage: str, _done: int, _total: int) -> None:
        if not happened:
            happened.append(happening(raw / "taobao_train_data"))

    with pytest.raises(UserError, match=message):
        prepare(job_of(raw), happen)

    assert contents(raw / "shards") == {}


def test_progress_reaches_its_totals(raw: Path) -> None:
    seen: list[tuple[str, int, int]] = []

    prepare(job_of(raw), lambda *step: seen.append(step))

    size = sum(path.stat().st_size for path in raw.glob("taobao*"))
    last = {stage: (done, total) for stage, done, total in seen}
    assert last == {"read": (size, size), "write": (490, 490)}


def test_sizes_of_the_real_rows_are_as_designed(
    real_rows: Path, prepared: Callable[..., Dataset]
) -> None:
    dataset = prepared(real_rows, format="both")

    read = sum(source.bytes for source in dataset.manifest.sources)
    written = {
        fmt: sum(
            shard.bytes for split in dataset.manifest.splits.values() for shard in split.shards[fmt]
        )
        for fmt in ("parquet", "tfrecord")
    }
    assert written["parquet"] <= 0.10 * read
    assert written["tfrecord"] <= 0.20 * read


def test_every_real_row_is_published(real_rows: Path, prepared: Callable[..., Dataset]) -> None:
    dataset = prepared(real_rows)

    rows = {
        name: (dataset[name].rows, dict(dataset[name].label_counts)) for name in ("train", "test")
    }
    assert rows == {
        "train": (6391, {"clk": 337, "buy": 4}),
        "test": (1659, {"clk": 96, "buy": 0}),
    }
    assert dataset.manifest.rejected_rows == 0
    assert pl.read_parquet(dataset.directory / "train" / "*.parquet").height == 6391


def test_shards_among_the_raw_files_are_refused(raw: Path) -> None:
    (raw / "train").mkdir()
    (raw / "taobao_train_data").rename(raw / "train" / "part-00000-of-00001.csv")
    before = contents(raw)
    schema = taobao().model_copy(update={"splits": {"train": "train"}})

    with pytest.raises(UserError, match=r"part-00000-of-00001\.csv. Choose another --output"):
        prepare(PrepareJob(raw, raw, schema))

    assert contents(raw) == before


def test_a_file_may_have_any_name(raw: Path) -> None:
    named = "taobao_train_data-2026-11-27T10:00.csv"
    (raw / "taobao_train_data").rename(raw / named)

    prepared = prepare(job_of(raw))

    assert [source.name for source in prepared.manifest.sources] == [named, "taobao_test_data"]


def test_a_list_may_come_first(tmp_path: Path, prepared_in: Callable[..., Dataset]) -> None:
    size = {"role": "user", "hash_buckets": 1000, "embedding_dim": 4}
    columns = [{"name": "tags", "separator": "|", **size}, {"name": "user", **size}]
    splits = {"train": "a", "test": "b"}
    schema = DatasetSchema.model_validate({"name": "s", "splits": splits, "columns": columns})
    lines = ["1|2|3,u", ",v", "4,w"]
    for rows_per_example in (1, 128):
        dataset = prepared_in(
            tmp_path / str(rows_per_example),
            lines,
            lines,
            schema=schema,
            format="tfrecord",
            shuffle=False,
            rows_per_example=rows_per_example,
        )
        (batch,) = dataset["train"].batches(8, shuffle=False)
        tags = batch["tags"]
        assert isinstance(tags, Bags)
        assert tags.row_splits.tolist() == [0, 3, 3, 4]


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


def test_a_run_that_fails_early_does_not_wait_for_digests(tmp_path: Path) -> None:
    (tmp_path / "taobao_train_data").write_text("a row\n")
    script = f"""
import time
from pathlib import Path
from smt_features import identity
from smt_features.sources import find_sources
from smt_schemas import taobao
identity.sha256 = lambda path: time.sleep(600)
identity.SourceDigests(find_sources(Path({str(tmp_path)!r}), taobao()))
"""

    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize("name", [".", "folder"])
def test_a_folder_is_no_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    with pytest.raises(UserError, match="is a folder. Give a file"), published(tmp_path / name):
        pytest.fail("published")
