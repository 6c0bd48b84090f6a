"""`smt verify`: what it says of whole and of damaged datasets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smt_features import Dataset


@pytest.fixture
def dataset(log_lines: Callable[..., list[str]], prepared: Callable[..., Dataset]) -> Dataset:
    return prepared(log_lines(40), rows_per_shard=25)


@pytest.mark.parametrize("above", [True, False])
def test_a_whole_dataset_is_counted(above: bool, dataset: Dataset, smt: Callable[..., Any]) -> None:
    outcome = smt("verify", dataset.directory.parent if above else dataset.directory)

    assert (outcome.code, outcome.err) == (0, "")
    expected = f"{dataset.directory}: 2 shards with 40 rows are as they were written\n"
    assert outcome.out == expected


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "flipped": (flip, "was changed since it was written"),
    "truncated": (truncate, "bytes instead"),
    "missing": (Path.unlink, "is missing"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_named(case: str, dataset: Dataset, smt: Callable[..., Any]) -> None:
    damage, reason = DAMAGE[case]
    path = dataset.directory / "train" / "part-00001-of-00002.parquet"
    damage(path)

    outcome = smt("verify", dataset.directory)

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("Error: The dataset is damaged:")
    assert str(path) in outcome.err
    assert reason in outcome.err
    assert "Run `smt prepare --overwrite`." in outcome.err


def test_a_changed_manifest_is_named(dataset: Dataset, smt: Callable[..., Any]) -> None:
    flip(dataset.directory / "manifest.json")

    outcome = smt("verify", dataset.directory)

    assert outcome.code == 1
    assert str(dataset.directory / "manifest.json") in outcome.err


def test_raw_files_without_shards_get_a_hint(tmp_path: Path, smt: Callable[..., Any]) -> None:
    (tmp_path / "taobao_train_data").touch()

    outcome = smt("verify", tmp_path)

    assert outcome.code == 1
    assert f"Run `smt prepare {tmp_path}` first." in outcome.err
