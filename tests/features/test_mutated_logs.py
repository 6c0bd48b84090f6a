"""Damaged logs: never a crash, and every line is published or rejected."""

import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_schemas import UserError, taobao

Mutation = Callable[[random.Random, bytearray], None]


def _insert(*pieces: bytes) -> Mutation:
    def mutate(chance: random.Random, data: bytearray) -> None:
        place = chance.randrange(len(data) + 1)
        data[place:place] = chance.choice(pieces)

    return mutate


def _delete_separator(chance: random.Random, data: bytearray) -> None:
    place = data.find(b",", chance.randrange(len(data) + 1))
    if place >= 0:
        del data[place]


def _flip(chance: random.Random, data: bytearray) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _cut(chance: random.Random, data: bytearray) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _replace_cell(chance: random.Random, data: bytearray) -> None:
    cells = data.split(b",")
    values = [b"", b"1" + b"0" * 30, b"-1", b"00", b"|".join([b"7"] * 60), b"||", b"x" * 5000]
    cells[chance.randrange(len(cells))] = bytearray(chance.choice(values))
    data[:] = b",".join(cells)


def _windows_line_ends(_: random.Random, data: bytearray) -> None:
    data[:] = data.replace(b"\n", b"\r\n")


MUTATIONS: list[Mutation] = [
    _insert(b",", b"|", b"\n", b"\n\n", b"\r", b"\r\n"),
    _insert(b'"', b'""', b'","', b"'"),
    _insert(b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", "é".encode(), b"\x1a"),
    _delete_separator,
    _flip,
    _cut,
    _replace_cell,
    _windows_line_ends,
]


def mutated(seed: int, lines: list[str]) -> bytes:
    chance = random.Random(seed)
    start = chance.randrange(len(lines) - 12)
    data = bytearray("".join(f"{line}\n" for line in lines[start : start + 12]).encode())
    for _ in range(chance.randrange(1, 6)):
        chance.choice(MUTATIONS)(chance, data)
    return bytes(data)


def check(data: bytes, folder: Path) -> None:
    """Prepare a log and hold what came out against its number of lines."""
    (folder / "taobao_train_data").write_bytes(data)
    output = folder / "shards"
    text = data.removeprefix(b"\xef\xbb\xbf")
    lines = text.count(b"\n") + (bool(data) and not data.endswith(b"\n"))
    job = PrepareJob(folder, output, taobao(), PrepareOptions(), max_bad_rows=10**9, overwrite=True)
    published, rejected, refusal = 0, lines, "Bad rows: " if data else "holds no rows"
    try:
        prepared = prepare(job)
    except UserError as error:
        refused = str(error)
    else:
        refused = refusal
        assert prepared.rows_read == lines
        published, rejected = prepared.manifest.splits["train"].rows, prepared.rejected.rows
    assert refusal in refused
    assert published + rejected == lines
    if rejected:
        frame = pl.read_parquet(output / "rejected.parquet")
        assert frame["line"].n_unique() == rejected
        assert frame["line"].is_between(1, lines).all()
        assert frame["rule"].null_count() == frame["raw"].null_count() == 0
    assert not list(output.rglob("*.tmp"))
    assert not (output / ".work").exists()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("batch", range(4))
def test_mutated_logs(batch: int, tmp_path: Path, log_lines: Callable[..., list[str]]) -> None:
    lines = log_lines(60)

    for seed in range(25 * batch, 25 * batch + 25):
        check(mutated(seed, lines), tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("batch", range(20))
def test_many_mutated_logs(batch: int, tmp_path: Path, log_lines: Callable[..., list[str]]) -> None:
    lines = log_lines(500, seed=9)

    for seed in range(10_000 + 500 * batch, 10_000 + 500 * batch + 500):
        check(mutated(seed, lines), tmp_path)
