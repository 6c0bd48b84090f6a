"""Writes embeddings as Parquet, for nearest neighbours and other models."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from smt_model.embedding import part_name
from smt_model.model import MultiTaskModel
from smt_model.parts import parts


def write_embeddings(model: MultiTaskModel, directory: Path) -> None:
    """Write ``<feature>.parquet`` for each feature of a model.

    Its columns are ``bucket`` (int32, 0 to the number of buckets) and ``vector`` (a list of
    float32, of fixed size). With ``encoding = "identity"`` the bucket is the value itself.

    Parameters
    ----------
    model
        Whose embeddings are meant.
    directory
        Folder to make.
    """
    directory.mkdir()
    found = {part.name: part for part in parts(model, None)}
    for column in model.schema.features:
        values = found[part_name(column.name)].read()
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), column.dim)
        buckets = pa.array(np.arange(column.buckets, dtype=np.int32))
        table = pa.table({"bucket": buckets, "vector": vectors})
        pq.write_table(table, directory / f"{column.name}.parquet", compression="zstd")
