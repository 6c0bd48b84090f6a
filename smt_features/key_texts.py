"""The text behind each key: side files of a dataset with keys, on request.

``key_texts/<feature>.parquet`` has a row for each distinct text of a hashed feature in the good
rows of all splits: ``key`` (int64) and ``text``. Within a row group keys ascend.
"""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from smt_features.files import published, sha256
from smt_features.hashing import key
from smt_features.manifest import KeyTextsRecord
from smt_features.reading import PrepareJob, Progress
from smt_features.sources import find_sources
from smt_features.units import Unit
from smt_features.value_totals import VALUE, ValueTotals
from smt_features.vocabulary_build import count_values
from smt_schemas import UserError

FOLDER = "key_texts"
"""Folder below the dataset."""

_WORK = ".key_texts"
_ARROW = pa.schema(
    [pa.field("key", pa.int64(), nullable=False), pa.field("text", pa.string(), nullable=False)]
)


def write_key_texts(job: PrepareJob, progress: Progress) -> dict[str, KeyTextsRecord] | None:
    """Read the raw files once more and write what the job asks for, in bounded memory.

    Raises
    ------
    UserError
        When a raw file cannot be read or a side file cannot be written.
    """
    if not job.options.key_texts:
        return None
    units = [Unit(source) for source in find_sources(job.directory, job.schema)]
    columns = [column for column in job.schema.features if column.encoding == "hash"]
    work = job.output / _WORK
    shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
    try:
        totals = count_values(units, job.schema, columns, work, progress)
        return {name: _write(job, name, texts) for name, texts in totals.items()}
    finally:
        shutil.rmtree(work, ignore_errors=True)


def texts_of(directory: Path, record: KeyTextsRecord, keys: NDArray[np.int64]) -> pl.Series:
    """Return the text of each of some keys, String; null where a key is not in the side file.

    Of texts that have the same key, which hardly any two have, it is the first by its bytes.

    Raises
    ------
    UserError
        When the file of a dataset's folder cannot be read, or is not that of its record.
    """
    path = directory / record.name
    try:
        if sha256(path) == record.sha256:
            texts = pl.scan_parquet(path, glob=False).group_by("key").agg(pl.col("text").min())
            wanted = pl.LazyFrame({"key": keys}, schema={"key": pl.Int64})
            return wanted.join(texts, "key", "left", maintain_order="left").collect()["text"]
    except OSError as error:
        msg = f"Cannot read the texts of keys {path}: {error.strerror}."
        raise UserError(msg) from error
    msg = f"{path} was changed since it was written. Run `smt prepare --overwrite`."
    raise UserError(msg)


def _write(job: PrepareJob, column: str, texts: ValueTotals) -> KeyTextsRecord:
    name = f"{FOLDER}/{column}.parquet"
    rows = 0
    with published(job.output / name) as temporary:
        with pq.ParquetWriter(temporary, _ARROW, compression="zstd", store_schema=False) as writer:
            for part in texts.totals():
                frame = part.select(key=key(pl.col(VALUE), job.seed), text=VALUE)
                writer.write_table(frame.sort("key", "text").to_arrow().cast(_ARROW))
                rows += part.height
        return KeyTextsRecord(
            name=name, texts=rows, bytes=temporary.stat().st_size, sha256=sha256(temporary)
        )
