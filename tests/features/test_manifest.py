"""The manifest: its text, what it never holds, and what is refused."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smt_features import Dataset, open_shards
from smt_features.manifest import (
    FeatureSpec,
    Hash,
    Manifest,
    PrepareOptions,
    Shard,
    SourceRecord,
    SplitRecord,
)
from smt_schemas import DatasetSchema, UserError

ONES, TWOS, THREES = "1" * 64, "2" * 64, "3" * 64


@pytest.fixture
def manifest(log_schema: Callable[..., DatasetSchema]) -> Manifest:
    schema = log_schema("user")
    return Manifest(
        schema=schema,
        schema_digest=schema.digest,
        hash=Hash(seed=7),
        options=PrepareOptions(format="both"),
        sources=[SourceRecord(name="log", split="train", bytes=40, sha256=ONES, rows=5)],
        splits={
            "train": SplitRecord(
                rows=4,
                label_counts={},
                shards={
                    "parquet": [Shard(name="train/a.parquet", rows=4, bytes=90, sha256=TWOS)],
                    "tfrecord": [Shard(name="train/a.tfrecord", rows=4, bytes=80, sha256=THREES)],
                },
            )
        },
        rejected_rows=1,
        feature_spec={"user": FeatureSpec(kind="fixed")},
    )


def sealed(fields: dict[str, Any]) -> str:
    """Return the text of a manifest whose digest is right."""
    fields = {name: value for name, value in fields.items() if name != "digest"}
    body = json.dumps(fields, indent=1).removesuffix("\n}")
    return f'{body},\n "digest": "{hashlib.sha256(body.encode()).hexdigest()}"\n}}\n'


def column(name: str) -> dict[str, Any]:
    """Return a column of `log_schema` with every field."""
    return {
        "name": name,
        "role": "user",
        "type": "string",
        "required": False,
        "null_tokens": [],
        "hash_buckets": 50,
        "embedding_dim": 4,
        "encoding": "hash",
    }


def test_the_text_is_this(manifest: Manifest) -> None:
    expected = {
        "format": "smt-shards",
        "version": 1,
        "schema": {
            "name": "log",
            "csv": {"separator": ",", "header": False},
            "splits": {"train": "log", "test": "log_test"},
            "columns": [column("user")],
        },
        "schema_digest": manifest.schema_digest,
        "hash": {"name": "murmur3_x86_32", "seed": 7},
        "options": {
            "format": "both",
            "shuffle": True,
            "keys": False,
            "rows_per_shard": 262_144,
            "rows_per_group": 65_536,
            "rows_per_example": 4096,
            "tfrecord_compression": "gzip",
        },
        "sources": [{"name": "log", "split": "train", "bytes": 40, "sha256": ONES, "rows": 5}],
        "splits": {
            "train": {
                "rows": 4,
                "label_counts": {},
                "shards": {
                    "parquet": [
                        {"name": "train/a.parquet", "rows": 4, "bytes": 90, "sha256": TWOS}
                    ],
                    "tfrecord": [
                        {"name": "train/a.tfrecord", "rows": 4, "bytes": 80, "sha256": THREES}
                    ],
                },
            }
        },
        "rejected_rows": 1,
        "feature_spec": {"user": {"kind": "fixed", "dtype": "int64"}},
    }

    body = json.dumps(expected, indent=1).removesuffix("\n}")
    digest = hashlib.sha256(body.encode()).hexdigest()
    assert manifest.digest == digest
    assert manifest.to_json() == f'{body},\n "digest": "{digest}"\n}}\n'


def test_it_comes_back_as_it_was_written(manifest: Manifest, tmp_path: Path) -> None:
    manifest.write(tmp_path)

    assert Manifest.read(tmp_path) == manifest
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_it_holds_no_path_and_no_time(
    prepared: Callable[..., Dataset], log_lines: Callable[..., list[str]], tmp_path: Path
) -> None:
    text = (prepared(log_lines(20)).directory / "manifest.json").read_text()

    assert str(tmp_path) not in text
    assert not re.search(r"20\d\d-\d\d|\d\d:\d\d", text)
    names = re.findall(r'"name": "([^"]*)"', text)
    assert not any(name.startswith("/") for name in names)


CHANGES: dict[str, tuple[list[str | int], Any, str]] = {
    "another format": (["format"], "parquet", "is not the manifest of a dataset"),
    "another version": (["version"], 2, "has format version 2; this program reads version 1"),
    "version as text": (["version"], "1", "has format version 1"),
    "unknown key": (["comment"], "hello", "comment: Extra inputs are not permitted"),
    "absolute shard": (
        ["splits", "train", "shards", "parquet", 0, "name"],
        "/etc/passwd",
        "not a path inside the dataset",
    ),
    "shard above": (
        ["splits", "train", "shards", "parquet", 0, "name"],
        "train/../../a.parquet",
        "not a path inside the dataset",
    ),
    "shard with a backslash": (
        ["splits", "train", "shards", "parquet", 0, "name"],
        "..\\a.parquet",
        "not a path inside the dataset",
    ),
    "shard on a drive": (
        ["splits", "train", "shards", "parquet", 0, "name"],
        "C:a.parquet",
        "not a path inside the dataset",
    ),
    "shard without name": (
        ["splits", "train", "shards", "parquet", 0, "name"],
        "",
        "not a path inside the dataset",
    ),
    "absolute source": (["sources", 0, "name"], "/data/log", "not a path inside the dataset"),
    "no digest": (["splits", "train", "shards", "parquet", 0, "sha256"], "x", "sha256: String"),
    "negative rows": (["splits", "train", "rows"], -4, "splits.train.rows"),
    "rows as text": (["splits", "train", "rows"], "4", "splits.train.rows"),
    "shards do not add up": (["splits", "train", "rows"], 5, "do not add up to its rows"),
    "schema digest": (["schema_digest"], "0" * 64, "the schema's digest is wrong"),
    "schema": (["schema", "columns", 0, "hash_buckets"], 51, "the schema's digest is wrong"),
    "impossible schema": (["schema", "columns"], [], "schema.columns: List should have at least"),
    "another hash": (["hash", "name"], "md5", "hash.name"),
    "seed beyond 32 bits": (["hash", "seed"], 2**32, "hash.seed"),
    "unknown shard format": (["splits", "train", "shards"], {"csv": []}, "shards"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_changed_manifest_is_refused(case: str, manifest: Manifest, tmp_path: Path) -> None:
    path, value, reason = CHANGES[case]
    fields: Any = json.loads(manifest.to_json())
    part = fields
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    (tmp_path / "manifest.json").write_text(sealed(fields))

    with pytest.raises(UserError) as refusal:
        open_shards(tmp_path)

    assert reason in str(refusal.value)
    assert str(tmp_path / "manifest.json") in str(refusal.value)


TEXTS = {
    "empty": (b"", "is damaged"),
    "not JSON": (b"{'format'", "is damaged"),
    "not UTF-8": (b'{"format": "\xff"}', "Cannot read"),
    "a list": (b"[1]", "is not the manifest of a dataset"),
    "a number": (b"7", "is not the manifest of a dataset"),
    "cut off": (b'{"format": "smt-shards", "version": 1,', "is damaged"),
    "nothing else": (b'{"format": "smt-shards", "version": 1}', "was changed since it was written"),
    "nothing else, sealed": (sealed({"format": "smt-shards", "version": 1}).encode(), "required"),
    "nested deeply": (b"[" * 100_000, "is damaged"),
    "a huge number": (b"9" * 10_000, "is damaged"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_another_text_is_refused(case: str, tmp_path: Path) -> None:
    text, reason = TEXTS[case]
    (tmp_path / "manifest.json").write_bytes(text)

    with pytest.raises(UserError, match=reason):
        open_shards(tmp_path)


def test_a_folder_without_manifest_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no manifest\.json"):
        open_shards(tmp_path)


def test_raw_files_without_shards_get_a_hint(tmp_path: Path) -> None:
    (tmp_path / "taobao_train_data").touch()

    with pytest.raises(UserError, match=r"holds raw files but no shards\. Run `smt prepare"):
        open_shards(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none is not a folder"):
        open_shards(tmp_path / "none")


def test_a_missing_split_is_named(
    prepared: Callable[..., Dataset], log_lines: Callable[..., list[str]]
) -> None:
    dataset = prepared(log_lines(5))

    with pytest.raises(UserError, match=r"has no split 'test'\. It has: train"):
        dataset["test"]


def test_the_data_folder_opens_the_shards_inside(
    prepared: Callable[..., Dataset], log_lines: Callable[..., list[str]]
) -> None:
    dataset = prepared(log_lines(5))

    assert open_shards(dataset.directory.parent) == dataset
