"""A folder whose name is a pattern is that folder, and not one that it matches."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from smt_features import Dataset, open_shards
from smt_features.key_texts import texts_of
from smt_features.manifest import PrepareOptions
from smt_features.parts import merge_parts, prepare_part
from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_features.statistics.store import read_counts
from smt_schemas import taobao

OPTIONS = PrepareOptions(keys=True, key_texts=True)


@pytest.fixture
def folder(tmp_path: Path, log_lines: Callable[..., list[str]]) -> Path:
    """Return a folder ``d[1]`` with 40 rows, beside ``d1``, which that matches, with 70."""
    for name, rows in (("d[1]", 40), ("d1", 70)):
        raw = tmp_path / name
        raw.mkdir()
        (raw / "taobao_train_data").write_text("\n".join(log_lines(rows, seed=rows)) + "\n")
        prepare(PrepareJob(raw, raw / "shards", taobao(), OPTIONS))
    return tmp_path / "d[1]"


def test_its_rows_texts_and_counts_are_read(folder: Path) -> None:
    dataset: Dataset = open_shards(folder)
    assert dataset.manifest.key_texts is not None
    keys = np.concatenate([batch["brand_key"] for batch in dataset["train"].batches(100)])

    rows = dataset["train"].to_polars().collect().height
    texts = texts_of(dataset.directory, dataset.manifest.key_texts["brand"], keys)
    counted = read_counts(dataset.directory, dataset.schema, 0).splits

    assert rows == 40
    assert texts.null_count() == 0
    assert counted["train"].rows == 40


def test_parts_in_it_are_merged(folder: Path) -> None:
    merged = folder / "merged"
    job = PrepareJob(folder, merged, taobao(), OPTIONS)
    prepare_part(job, 1, 1, lambda _stage, _done, _total: None)

    merge_parts(job, 1, lambda _stage, _done, _total: None)

    for path in (folder / "shards").rglob("*.*"):
        same = merged / path.relative_to(folder / "shards")
        assert same.read_bytes() == path.read_bytes()
