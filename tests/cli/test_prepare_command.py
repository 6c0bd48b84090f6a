"""`smt prepare`: what it prints, and what each option reaches."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from smt_features import open_shards

Smt = Callable[..., Any]


@pytest.fixture
def raw(tmp_path: Path, log_lines: Callable[..., list[str]]) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "taobao_train_data").write_text("\n".join(log_lines(80)) + "\n")
    (folder / "taobao_test_data").write_text("\n".join(log_lines(20, seed=1)) + "\n")
    return folder


def spoil(raw: Path, rows: int) -> None:
    path = raw / "taobao_train_data"
    path.write_text("bad\n" * rows + path.read_text())


def test_it_says_what_it_read_and_wrote(raw: Path, smt: Smt) -> None:
    outcome = smt("prepare", raw)

    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0].split()[:3] == ["train", "80", "rows"]
    assert lines[1].split()[:3] == ["test", "20", "rows"]
    assert lines[2] == "100 rows read = 100 published + 0 rejected"
    assert lines[3].startswith(f"Dataset: {raw / 'shards'} in ")


def test_a_second_run_says_that_nothing_is_to_do(raw: Path, smt: Smt) -> None:
    smt("prepare", raw)

    outcome = smt("prepare", raw)

    assert outcome.code == 0
    assert f"{raw / 'shards'} is up to date" in outcome.out
    assert "100 rows read = 100 published + 0 rejected" in outcome.out


def test_json_is_one_document(raw: Path, smt: Smt) -> None:
    spoil(raw, 3)

    outcome = smt("prepare", raw, "--json", "--max-bad-rows", "3", "--format", "both")

    assert (outcome.code, outcome.err) == (0, "")
    found = json.loads(outcome.out)
    manifest = open_shards(raw / "shards").manifest
    sizes = {
        split: {fmt: sum(shard.bytes for shard in shards) for fmt, shards in record.shards.items()}
        for split, record in manifest.splits.items()
    }
    assert found == {
        "dataset": str(raw / "shards"),
        "digest": manifest.digest,
        "was_current": False,
        "rows_read": 103,
        "rows_published": 100,
        "rows_rejected": 3,
        "source_bytes": sum(path.stat().st_size for path in raw.glob("taobao_*")),
        "splits": {
            split: {
                "rows": rows,
                "label_counts": manifest.splits[split].label_counts,
                "shards": {"parquet": 1, "tfrecord": 1},
                "bytes": sizes[split],
            }
            for split, rows in (("train", 80), ("test", 20))
        },
    }
    again = smt("prepare", raw, "--json", "--format", "both", "--max-bad-rows", 3)
    assert json.loads(again.out) == found | {"was_current": True}


def test_bad_rows_fail_with_one_message(raw: Path, smt: Smt) -> None:
    spoil(raw, 7)

    outcome = smt("prepare", raw, "--json")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("Error: Bad rows: 7 of 107; nothing was published.")
    assert "taobao_train_data:1: 1 field instead of 20" in outcome.err
    assert outcome.err.count("taobao_train_data:") == 5
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("option", [("--max-bad-rows", 7), ("--max-bad-fraction", 0.1)])
def test_bad_rows_that_are_allowed_are_reported(
    option: tuple[str, float], raw: Path, smt: Smt
) -> None:
    spoil(raw, 7)

    outcome = smt("prepare", raw, *map(str, option))

    assert outcome.code == 0
    assert "107 rows read = 100 published + 7 rejected" in outcome.out
    assert "        7  wrong number of fields" in outcome.out
    assert f"All of them: {raw / 'shards' / 'rejected.parquet'}" in outcome.out


def test_a_fraction_that_is_no_number_allows_nothing(raw: Path, smt: Smt) -> None:
    spoil(raw, 1)

    outcome = smt("prepare", raw, "--max-bad-fraction", "nan")

    assert outcome.code in (1, 2)
    assert "Traceback" not in outcome.err


def test_options_reach_the_manifest(raw: Path, tmp_path: Path, smt: Smt) -> None:
    output = tmp_path / "out"
    options = "--format tfrecord --seed 7 --no-shuffle --keys --rows-per-shard 30"

    outcome = smt("prepare", raw, "--output", output, *options.split(), "--rows-per-example", "8")

    assert outcome.code == 0
    manifest = open_shards(output).manifest
    assert manifest.hash.seed == 7
    found = manifest.options
    assert (found.format, found.shuffle, found.keys) == ("tfrecord", False, True)
    assert (found.rows_per_shard, found.rows_per_example) == (30, 8)
    assert len(manifest.splits["train"].shards["tfrecord"]) == 3


def test_other_options_are_refused_until_overwritten(raw: Path, smt: Smt) -> None:
    smt("prepare", raw)

    refused = smt("prepare", raw, "--keys")
    replaced = smt("prepare", raw, "--keys", "--overwrite")

    assert refused.code == 1
    assert "changed: --keys. Replace it with --overwrite" in refused.err
    assert replaced.code == 0


def test_another_log_is_prepared_with_its_own_schema(tmp_path: Path, smt: Smt) -> None:
    (tmp_path / "my.toml").write_text("""
name = "clicks"
csv = {separator = ";", header = true}
splits = {train = "clicks"}

[[columns]]
name = "seen"
role = "label"
type = "int"
required = true
allowed = [0, 1]
task = "ctr"

[[columns]]
name = "visitor"
role = "user"
hash_buckets = 10
embedding_dim = 2

[[columns]]
name = "words"
role = "item"
separator = " "
hash_buckets = 100
embedding_dim = 2
""")
    (tmp_path / "clicks.csv").write_text("seen;visitor;words\n1;ann;red hat red\n0;bob;\n")

    outcome = smt("prepare", tmp_path, "--schema", tmp_path / "my.toml", "--no-shuffle")

    assert outcome.code == 0
    frame = open_shards(tmp_path)["train"].to_polars().collect()
    assert frame.columns == ["seen", "visitor", "words", "words_count"]
    assert frame["seen"].to_list() == [1, 0]
    assert frame["words_count"].to_list() == [[2, 1], []]
    assert frame.schema["words"] == pl.List(pl.Int32)


def test_empty_and_truncated_files_fail_with_one_message(raw: Path, smt: Smt) -> None:
    (raw / "taobao_test_data").write_bytes(b"")

    outcome = smt("prepare", raw)

    assert outcome.code == 1
    assert outcome.err.startswith(f"Error: {raw / 'taobao_test_data'} holds no rows")
