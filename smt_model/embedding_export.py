"""Writes embeddings as Parquet, for nearest neighbours and other models."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from numpy.typing import NDArray

from smt_model.embedding import EmbeddingTable, part_name
from smt_model.ev.key_table import KeyTable
from smt_model.model import MultiTaskModel
from smt_model.parts import PIECE, parts
from smt_model.serving_tables import SharedBuckets, shared_buckets, vectors_of

TextsOf = Callable[[str, NDArray[np.int64]], pa.Array]
"""Returns the texts of some keys of a feature."""


def write_embeddings(
    model: MultiTaskModel, directory: Path, texts_of: TextsOf | None = None
) -> None:
    """Write ``<feature>.parquet`` for each feature of a model.

    Its columns are ``bucket`` (int32, 0 to the number of buckets) and ``vector`` (a list of
    float32, of fixed size). With ``encoding = "identity"`` the bucket is the value itself, and
    with ``--multihash`` the vector is that which its quotient and its remainder make.

    Of a feature whose keys own vectors they are ``key`` (int64, ascending), ``text`` (string,
    where texts are at hand), ``vector``, ``count`` (int32, how often the key came) and
    ``last_step`` (int32, the step in which it came last); buckets that its rare keys share are
    in ``<feature>.shared.parquet``.

    Parameters
    ----------
    model
        Whose embeddings are meant.
    directory
        Folder to make.
    texts_of
        Knows the texts of keys; None for an export without.
    """
    directory.mkdir()
    found = {part.name: part for part in parts(model, None)}
    shared = shared_buckets(model)
    for column in model.schema.features:
        name = column.name
        part = found.get(part_name(name))
        if owned := model.keys_of(name):
            _write(directory / f"{name}.parquet", _keys(name, *owned, texts_of))
            name += ".shared"
        if part:
            _write(directory / f"{name}.parquet", _buckets(part.pieces()))
        elif name in shared:
            vectors = _made(shared[name], column.buckets)
            _write(directory / f"{name}.parquet", _buckets(vectors))


def _keys(
    name: str, keys: KeyTable, table: EmbeddingTable, texts_of: TextsOf | None
) -> Iterator[pa.Table]:
    owners = keys.owners
    texts = texts_of(name, keys.keys[owners]) if texts_of else None
    start = 0
    for vectors in vectors_of(keys, table):
        numbers = owners[start : start + len(vectors)]
        text = {} if texts is None else {"text": texts[start : start + len(vectors)]}
        yield pa.table(
            {
                "key": keys.keys[numbers],
                **text,
                "vector": _fixed(vectors),
                "count": keys.counts[numbers],
                "last_step": keys.last_steps[numbers],
            }
        )
        start += len(vectors)


def _made(vectors: SharedBuckets, buckets: int) -> Iterator[NDArray[np.generic]]:
    for start in range(0, buckets, PIECE):
        yield vectors(tf.range(start, min(start + PIECE, buckets))).numpy()


def _buckets(pieces: Iterator[NDArray[np.generic]]) -> Iterator[pa.Table]:
    start = 0
    for vectors in pieces:
        buckets = pa.array(np.arange(start, start + len(vectors), dtype=np.int32))
        yield pa.table({"bucket": buckets, "vector": _fixed(vectors)})
        start += len(vectors)


def _fixed(vectors: NDArray[np.generic]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])


def _write(path: Path, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        for table in (first, *tables):
            writer.write_table(table, row_group_size=PIECE)
