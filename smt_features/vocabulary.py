"""The vocabulary of a feature: the frequent texts of the train split, by rank.

A text's id is its rank, from 1: the most frequent first, equals in the order of their UTF-8
bytes. All other texts have the id 0.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from smt_features.files import published, sha256
from smt_features.manifest import VocabularyRecord
from smt_schemas import Column, UserError

OUT_OF_VOCABULARY: Literal[0] = 0
"""The id of a text that is not in the vocabulary."""

FOLDER = "vocabulary"
"""Folder below the dataset."""

_ARROW = pa.schema(
    [pa.field("value", pa.string(), nullable=False), pa.field("count", pa.int64(), nullable=False)]
)


class Vocabulary:
    """The texts of a feature that have an id of their own.

    Parameters
    ----------
    frame
        ``value`` (String) and ``count`` (Int64), in the order of their ids.
    others
        How often any other text stands in the train split.
    """

    def __init__(self, frame: pl.DataFrame, others: int) -> None:
        self.frame = frame
        self.others = others

    def ids(self, text: pl.Expr) -> pl.Expr:
        """Return the id of each text, int32."""
        rank = text.cast(self._texts, strict=False).to_physical().cast(pl.Int32)
        return (rank + 1).fill_null(OUT_OF_VOCABULARY)

    @cached_property
    def _texts(self) -> pl.Enum:
        return pl.Enum(self.frame["value"])

    def write(self, directory: Path, column: str) -> VocabularyRecord:
        """Write the file of a column's vocabulary into a dataset and return its record."""
        name = f"{FOLDER}/{column}.parquet"
        with published(directory / name) as temporary:
            table = self.frame.to_arrow().cast(_ARROW)
            pq.write_table(table, temporary, compression="zstd", store_schema=False)
            return VocabularyRecord(
                name=name,
                values=self.frame.height,
                others=self.others,
                bytes=temporary.stat().st_size,
                sha256=sha256(temporary),
            )

    @classmethod
    def read(cls, directory: Path, record: VocabularyRecord) -> "Vocabulary":
        """Read a vocabulary of a dataset.

        Raises
        ------
        UserError
            When the file is missing, or is not the one of its record.
        """
        path = directory / record.name
        try:
            if path.stat().st_size == record.bytes and sha256(path) == record.sha256:
                frame = pl.DataFrame(pq.read_table(path, columns=_ARROW.names))
                if frame.height == record.values and not frame["value"].is_duplicated().any():
                    return cls(frame, record.others)
        except (OSError, pa.ArrowInvalid) as error:
            msg = f"Cannot read the vocabulary {path}: {error}. Run `smt prepare --overwrite`."
            raise UserError(msg) from error
        msg = f"{path} was changed since it was written. Run `smt prepare --overwrite`."
        raise UserError(msg)


Vocabularies = Mapping[str, Vocabulary]
"""Column name to vocabulary."""

NO_VOCABULARIES: Vocabularies = MappingProxyType({})


def vocabulary_of(column: Column, vocabularies: Vocabularies) -> Vocabulary:
    """Return the vocabulary of a column.

    Raises
    ------
    UserError
        When it is not among those given.
    """
    if column.name not in vocabularies:
        msg = (
            f'Column {column.name!r} has encoding = "vocab", and its vocabulary is not at hand '
            'here. Use encoding = "hash" where a log is encoded without its dataset.'
        )
        raise UserError(msg)
    return vocabularies[column.name]
