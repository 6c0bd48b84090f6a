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
