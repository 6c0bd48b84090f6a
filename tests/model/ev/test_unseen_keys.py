"""Keys that training never saw: nothing is inserted for them, in no process."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from smt_features import open_shards
from smt_features.manifest import PrepareOptions
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model.config import TrainConfig
from smt_model.export import export_run
from smt_model.loading import load_run
from smt_model.training import train

STRANGERS = "0,0,stranger,s1|s1|3,b7\n0,0,u1,,other\n0,0,stranger,s1|s1|3,b7\n"
NAMES = ["clk", "buy", "user", "tags", "brand"]


@pytest.fixture(scope="module")
def run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    schema = open_shards(dataset).schema
    prepare(PrepareJob(dataset, folder / "shards", schema, PrepareOptions(keys=True)))
    path = folder / "run"
    fields: dict[str, Any] = {"steps": 12, "batch_size": 64, "ev_capacity": 1000, "ev": True}
    data = str(folder / "shards")
    train(TrainConfig(data_location=data, checkpoint=str(path), evaluate=False, **fields))
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.write_text(STRANGERS)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_each_process_predicts_alike_and_leaves_the_run_as_it_was(
    run: Path, log: Path, tmp_path: Path
) -> None:
    before = contents(run)
    outputs = [tmp_path / f"{number}.parquet" for number in range(2)]
    for output in outputs:
        command = [sys.executable, "-m", "smt_cli", "predict", str(run), str(log)]
        subprocess.run([*command, "--output", str(output)], check=True, capture_output=True)
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    ctr = pl.read_parquet(outputs[0])["ctr"].to_list()
    assert ctr[0] == ctr[2]  # the first time that a key comes is as the second
    assert contents(run) == before


def test_each_process_serves_alike_and_leaves_the_export_as_it_was(
    run: Path, log: Path, tmp_path: Path, in_plain_tensorflow: Any
) -> None:
    export_run(run, tmp_path / "1")
    before = contents(tmp_path / "1")
    first, second = (
        in_plain_tensorflow(tmp_path / "1", log, NAMES, tmp_path / f"{number}.npz")
        for number in range(2)
    )
    for task in ("ctr", "cvr"):
        assert np.array_equal(first[task], second[task])
        assert first[task][0] == first[task][2]
    assert contents(tmp_path / "1") == before


def test_a_lookup_finds_no_row_and_leaves_tables_as_they_were(run: Path) -> None:
    model = load_run(run).model
    owned = model.keys_of("user")
    assert owned is not None
    keys, table = owned
    size, used = len(keys.keys), (keys.rows >= 0).sum()
    vectors = table.packed.numpy().tobytes()

    found = [keys.look_up(np.array([-5, 7], np.int64)).tolist() for _ in range(2)]

    assert found == [[-1, -1], [-1, -1]]
    assert (len(keys.keys), (keys.rows >= 0).sum()) == (size, used)
    # Bytes, as rows that nobody owns hold anything, NaN among it.
    assert table.packed.numpy().tobytes() == vectors
