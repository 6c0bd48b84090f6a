"""The README of the shard format is enough to write a reader: here is one, without this project.

`IndependentReader` is written from smt_features/README.md alone, with pyarrow, gzip and struct.
"""

import gzip
import json
import struct
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from smt_features import Bags, Batch, Dataset

Row = dict[str, Any]


class IndependentReader:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = json.loads((folder / "manifest.json").read_text())
        assert (self.manifest["format"], self.manifest["version"]) == ("smt-shards", 1)

    def rows(self, split: str, fmt: str, seed: int, epoch: int) -> Iterator[Row]:
        shards = self.manifest["splits"][split]["shards"][fmt]
        of_epoch, size = number(seed, epoch), self.manifest["options"]["rows_per_group"]
        for shard in order_of(len(shards), of_epoch):
            read = self.parquet if fmt == "parquet" else self.tfrecord
            rows = list(read(self.folder / shards[shard]["name"]))
            of_shard = number(of_epoch, shard)
            for group in order_of(-(-len(rows) // size), of_shard):
                members = rows[group * size : (group + 1) * size]
                for row in order_of(len(members), number(of_shard, group)):
                    yield members[row]

    def parquet(self, path: Path) -> Iterator[Row]:
        yield from pq.read_table(path).to_pylist()

    def tfrecord(self, path: Path) -> Iterator[Row]:
        data = gzip.decompress(path.read_bytes())
        while data:
            (length,) = struct.unpack_from("<Q", data)
            columns = dict(map(feature, fields(message(data[12 : 12 + length], 1))))
            data = data[12 + length + 4 :]
            lists = [name for name in columns if f"{name}_count" in columns]
            values = {name: iter(column) for name, column in columns.items()}
            for _ in columns["clk"]:
                row: Row = {name: next(values[name]) for name in columns if "tag_" not in name}
                for name in lists:
                    entries = next(values[f"{name}_length"])
                    row[name] = list(islice(values[name], entries))
                    row[f"{name}_count"] = list(islice(values[f"{name}_count"], entries))
                yield row


def number(seed: int, n: int) -> int:
    z = (seed + (n + 1) * 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def order_of(count: int, seed: int) -> list[int]:
    return sorted(range(count), key=lambda n: number(seed, n))


# Protocol Buffers, as the README's sketch of an Example needs them: bytes fields and varints.
def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        length, at = varint(data, at)
        yield tag >> 3, data[at : at + length]
        at += length


def message(data: bytes, field: int) -> bytes:
    return b"".join(content for found, content in fields(data) if found == field)


def feature(entry: tuple[int, bytes]) -> tuple[str, list[int]]:
    packed, at, values = message(message(message(entry[1], 2), 3), 1), 0, []
    while at < len(packed):
        value, at = varint(packed, at)
        values.append(value)
    return message(entry[1], 1).decode(), values


def rows_of(batches: Iterator[Batch]) -> Iterator[Row]:
    for batch in batches:
        for place in range(len(batch["clk"])):
            row: Row = {}
            for name, values in batch.items():
                if isinstance(values, Bags):
                    entries = slice(*values.row_splits[place : place + 2])
                    row[name] = values.ids[entries].tolist()
                    row[f"{name}_count"] = values.counts[entries].tolist()
                else:
                    row[name] = int(values[place])
            yield row


@pytest.mark.parametrize("fmt", ["parquet", "tfrecord"])
def test_a_reader_written_from_the_readme_gives_the_rows_in_the_order_of_the_epoch(
    fmt: str, prepared: Callable[..., Dataset], log_lines: Callable[..., list[str]]
) -> None:
    sizes = {"rows_per_shard": 70, "rows_per_group": 32, "rows_per_example": 9}
    dataset = prepared(log_lines(200), format="both", **sizes)

    rows = list(IndependentReader(dataset.directory).rows("train", fmt, seed=5, epoch=2))

    assert rows == list(rows_of(dataset["train"].batches(64, seed=5, epoch=2)))
