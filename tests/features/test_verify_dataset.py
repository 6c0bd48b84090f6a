"""Damage to a dataset is noticed and named."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from smt_features import Dataset, open_shards, verify
from smt_features.files import sha256
from smt_features.manifest import Manifest
from smt_features.verify import shards_of
from smt_schemas import DatasetSchema, UserError


@pytest.fixture
def dataset(log_lines: Callable[..., list[str]], prepared: Callable[..., Dataset]) -> Dataset:
    return prepared(log_lines(40), log_lines(10, seed=1), format="both", rows_per_shard=25)


def shard_paths(dataset: Dataset) -> list[Path]:
    return [dataset.directory / shard.name for shard in shards_of(dataset.manifest)]


def test_a_whole_dataset_passes(dataset: Dataset) -> None:
    assert len(shard_paths(dataset)) == 6
    assert open_shards(dataset.directory, verify=True) == dataset


def test_a_flipped_byte_in_any_shard_is_noticed(dataset: Dataset) -> None:
    for path in shard_paths(dataset):
        data = path.read_bytes()
        for position in range(0, len(data), max(len(data) // 7, 1)):
            flipped = bytearray(data)
            flipped[position] ^= 0x10
            path.write_bytes(flipped)
            with pytest.raises(UserError, match=f"{path.name} was changed since it was written"):
                open_shards(dataset.directory, verify=True)
        path.write_bytes(data)


def test_a_missing_shard_is_noticed_without_reading(dataset: Dataset) -> None:
    path = shard_paths(dataset)[2]
    path.unlink()

    with pytest.raises(UserError, match=f"{path} is missing"):
        open_shards(dataset.directory)


def test_a_truncated_shard_is_noticed_without_reading(dataset: Dataset) -> None:
    path = shard_paths(dataset)[0]
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(UserError, match=f"has {size - 1:,} bytes instead of {size:,}"):
        open_shards(dataset.directory)


def test_a_shard_that_cannot_be_read_is_named(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, changed = shard_paths(dataset)[:2]
    changed.write_bytes(bytes(changed.stat().st_size))

    def read(path: Path) -> str:
        if path == broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return sha256(path)

    monkeypatch.setattr(verify, "sha256", read)

    with pytest.raises(UserError) as refusal:
        open_shards(dataset.directory, verify=True)

    assert str(refusal.value).splitlines()[1:3] == [
        f"  {broken} cannot be read: Input/output error",
        f"  {changed} was changed since it was written",
    ]


def test_all_damage_is_listed_up_to_five(dataset: Dataset) -> None:
    for path in shard_paths(dataset):
        path.unlink()

    with pytest.raises(UserError) as refusal:
        open_shards(dataset.directory)

    lines = str(refusal.value).splitlines()
    assert [line.endswith("is missing") for line in lines[1:6]] == [True] * 5
    assert lines[6] == "  and 1 more"


def test_every_flipped_byte_in_the_manifest_is_noticed(
    prepared: Callable[..., Dataset], log_schema: Callable[..., DatasetSchema]
) -> None:
    dataset = prepared(["a", "b"], schema=log_schema("user"))
    path = dataset.directory / "manifest.json"
    data = path.read_bytes()
    unnoticed = []

    for position, byte in enumerate(data):
        flipped = bytearray(data)
        flipped[position] ^= 0x20 if chr(byte).isalpha() else 0x01
        path.write_bytes(flipped)
        try:
            Manifest.read(dataset.directory)
        except UserError:
            continue
        unnoticed.append(position)

    assert unnoticed == []


@pytest.mark.parametrize("change", [b"\n", b" ", b"\0"], ids=["line end", "space", "NUL"])
def test_bytes_added_to_the_manifest_are_noticed(change: bytes, dataset: Dataset) -> None:
    path = dataset.directory / "manifest.json"
    path.write_bytes(path.read_bytes() + change)

    with pytest.raises(UserError, match=r"manifest\.json"):
        open_shards(dataset.directory)


def test_other_line_ends_in_the_manifest_are_noticed(dataset: Dataset) -> None:
    path = dataset.directory / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    with pytest.raises(UserError, match="was changed since it was written"):
        open_shards(dataset.directory)
