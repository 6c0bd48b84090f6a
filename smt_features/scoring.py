"""Opens a log whose rows are to be scored.

Labels play no part: a log may lack them, and one that has them is read past them unchecked.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from smt_features.blocks import read_blocks
from smt_features.json_rows import parse_json
from smt_features.parallel import ordered_map
from smt_features.parsing import count_fields
from smt_features.pipeline import block_reads
from smt_features.rowblock import RowBlock
from smt_features.scoring_rows import ScoringRows, score
from smt_features.sources import Source, kind_of
from smt_features.units import Unit
from smt_features.vocabulary import NO_VOCABULARIES, Vocabularies
from smt_schemas import Column, DatasetSchema, UserError, row_model

JSON_SUFFIXES = {".jsonl": "csv", ".jsonl.gz": "gzip", ".jsonl.zst": "zstd"}
"""Extensions of JSON lines, and the kind of text file that each is."""

_SAMPLE = 1000
"""Lines that tell whether a CSV file has labels."""


@dataclass(frozen=True)
class ScoringLog:
    """A log to be scored.

    Attributes
    ----------
    schema
        Of its columns.
    first_line
        Line (of a Parquet file: row) of the first row, from 1.
    size
        Bytes of the file.
    reads
        What parses each block.
    """

    schema: DatasetSchema
    first_line: int
    size: int
    reads: Iterator[Callable[[], RowBlock]]

    def rows(
        self, seed: int, vocabularies: Vocabularies = NO_VOCABULARIES, *, keys: bool = False
    ) -> Iterator[ScoringRows]:
        """Yield all rows in order, encoded on all cores in bounded memory.

        ``seed`` is that of the hash; the schema's vocab columns need their vocabularies, and
        ``keys`` asks for the keys of hashed features, too.

        Raises
        ------
        UserError
            When the file cannot be read, or is none of a log of this schema.
        """
        model = row_model(self.schema)

        def work(read: Callable[[], RowBlock]) -> ScoringRows:
            return score(read(), self.schema, model, seed, vocabularies, keys=keys)

        return ordered_map(work, self.reads)


def open_log(path: Path, schema: DatasetSchema) -> ScoringLog:
    """Open CSV (also ``.gz``, ``.zst``), Parquet or JSON lines, by the extension.

    Parquet and JSON lines are read by column name. In CSV the first lines tell by their number of
    fields whether the label columns are there.

    Raises
    ------
    UserError
        When there is no such file, or its extension is that of another format.
    """
    if not path.is_file():
        msg = f"{path} is not a file. Give a log, or a folder of shards."
        raise UserError(msg)
    log, size = _without_labels(schema), path.stat().st_size
    if kind := _json_kind(path):
        labels = frozenset(column.name for column in schema.labels)
        blocks = read_blocks(_source(path, kind))
        return ScoringLog(
            log, 1, size, (partial(parse_json, block, log, labels) for block in blocks)
        )
    source = _source(path, kind_of(path))
    if source.kind == "parquet":
        return ScoringLog(log, 1, size, block_reads(Unit(source), log))
    if _has_labels(source, schema):
        log = _with_unchecked_labels(schema)
    return ScoringLog(log, 1 + schema.csv.header, size, block_reads(Unit(source), log))


def _without_labels(schema: DatasetSchema) -> DatasetSchema:
    columns = [column for column in schema.columns if column.role != "label"]
    return schema.model_copy(update={"columns": columns})


def _with_unchecked_labels(schema: DatasetSchema) -> DatasetSchema:
    columns = [
        Column(name=column.name, role="ignore") if column.role == "label" else column
        for column in schema.columns
    ]
    return schema.model_copy(update={"columns": columns})


def _json_kind(path: Path) -> str | None:
    kinds = (kind for suffix, kind in JSON_SUFFIXES.items() if path.name.lower().endswith(suffix))
    return next(kinds, None)


def _source(path: Path, kind: str) -> Source:
    return Source("predict", 0, path, path.name, kind)


def _has_labels(source: Source, schema: DatasetSchema) -> bool:
    """Return whether more of the first lines have the fields of all columns than of the features.

    A bad line does not decide.
    """
    block = next(read_blocks(source))
    lines = block.data.split(b"\n", _SAMPLE)[:_SAMPLE]
    widths = [count_fields(line.decode("utf-8", "replace"), schema.csv) for line in lines]
    every = len(schema.columns)
    return widths.count(every) >= widths.count(every - len(schema.labels))
