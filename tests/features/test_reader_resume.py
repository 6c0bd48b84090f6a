"""A fresh process that is told (epoch, step) goes on with the batches that are left."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smt_features import Bags, Batch, Dataset

LIBRARIES = {"batches": "numpy", "to_tensorflow": "tensorflow", "to_torch": "torch"}

REST = """
import hashlib, os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
from smt_features import open_shards

def arrays(values):
    if hasattr(values, "row_splits"):
        inner = values.ids if hasattr(values, "ids") else values.values
        return [inner, values.row_splits]
    return [values]

order = {"seed": 6, "epoch": 3, "start": int(sys.argv[3]), "worker": (1, 2)}
for batch in getattr(open_shards(sys.argv[1])["train"], sys.argv[2])(8, **order):
    digest = hashlib.sha256()
    for name in sorted(batch):
        if not name.endswith("_count"):
            for array in arrays(batch[name]):
                array = array.numpy() if hasattr(array, "numpy") else array
                digest.update(array.tobytes())
    print(digest.hexdigest())
"""


def digest_of(batch: Batch) -> str:
    digest = hashlib.sha256()
    for name in sorted(batch):
        values = batch[name]
        for array in (values.ids, values.row_splits) if isinstance(values, Bags) else (values,):
            digest.update(array.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("fmt", ["parquet", "tfrecord"])
@pytest.mark.parametrize("reader", LIBRARIES)
def test_a_fresh_process_resumes_an_epoch(
    reader: str, fmt: str, prepared: Callable[..., Dataset], log_lines: Callable[..., list[str]]
) -> None:
    pytest.importorskip(LIBRARIES[reader])
    size: dict[str, Any] = {"rows_per_group": 16, "rows_per_shard": 50, "rows_per_example": 7}
    dataset = prepared(log_lines(120), format=fmt, **size)
    epoch = dataset["train"].batches(8, seed=6, epoch=3, worker=(1, 2))
    whole = [digest_of(batch) for batch in epoch]

    run = subprocess.run(
        [sys.executable, "-c", REST, dataset.directory, reader, "3"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(dataset.directory),
    )

    assert len(whole) == 8
    assert run.stdout.split() == whole[3:]
