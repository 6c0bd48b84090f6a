"""Prepares a data set in parts, on any machines that see the files, and merges them.

Part ``k`` of ``n`` reads its share of the raw files and leaves sorted runs of encoded rows below
the output folder. Merging does with all runs what a single run does with its own, so the dataset
is the same byte for byte. A part can be run again at any time, in any order.
"""

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from uuid import uuid4

import polars as pl
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from smt_features.files import flush, published
from smt_features.identity import run_identity
from smt_features.lock import locked
from smt_features.prepare import Prepared, find_current, publish, sources_of
from smt_features.reading import PrepareJob, Progress, Rows, read_rows
from smt_features.rejected import NAME as REJECTED
from smt_features.rejected import Rejected
from smt_features.shuffle import RowStore
from smt_features.source_digests import SourceDigests
from smt_features.sources import Source
from smt_features.statistics.builder import StatisticsBuilder
from smt_features.units import divide
from smt_features.vocabulary import Vocabularies
from smt_features.vocabulary_shared import digest_of, shared_vocabularies
from smt_schemas import UsageError, UserError

FOLDER = ".parts"
"""Folder below the output that holds finished parts until they are merged."""

_RECORD = "part.json"
_COUNTS = "counts.parquet"
_RUNS = "pairs"  # how runs hold encoded rows; a part of a version with others does not fit


class PartRecord(BaseModel):
    """What a finished part holds; written last.

    Attributes
    ----------
    identity
        Digest of what decides its bytes.
    rows
        Rows read, by source name.
    rejected_rows
        Rows rejected.
    runs
        Number of sorted runs, by split.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    identity: str
    rows: dict[str, NonNegativeInt]
    rejected_rows: NonNegativeInt
    runs: dict[str, NonNegativeInt]


def parse_part(text: str) -> tuple[int, int]:
    """Return part and number of parts of a text like ``3/8``.

    Raises
    ------
    UsageError
        When the text is no such pair, or there is no such part.
    """
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        msg = f"--part {text}: give K/N, such as 1/8, with K from 1 to N."
        raise UsageError(msg)
    return int(match[1]), int(match[2])


def prepare_part(job: PrepareJob, part: int, parts: int, progress: Progress) -> PartRecord:
    """Read part ``part`` (from 1) of ``parts``; a part that is there already is kept.

    Raises
    ------
    UserError
        When the files cannot be read or the part cannot be written.
    """
    sources = sources_of(job)
    vocabularies = shared_vocabularies(job.output / FOLDER, sources, job.schema, progress)
    identity = _identity(job, sources, parts, vocabularies)
    folder = _folder(job, part, parts)
    if record := _finished(folder, identity):
        return record
    # Whoever finishes first wins; the bytes are the same. Pods of one part have one name, and
    # their processes one number.
    work = folder.with_name(f"{folder.name}.{uuid4().hex}")
    try:
        rows = read_rows(job, divide(sources, parts)[part - 1], vocabularies, work, progress)
        runs = {split: store.spill_all() for split, store in rows.stores.items()}
        for path in chain.from_iterable(runs.values()):
            flush(path)
        record = PartRecord(
            identity=identity,
            rows=dict(rows.read),
            rejected_rows=rows.rejected.rows,
            runs={split: len(paths) for split, paths in runs.items()},
        )
        rows.rejected.publish(work)
        if rows.statistics:
            with published(work / _COUNTS) as path:
                rows.statistics.to_frame().write_parquet(path)
        with published(work / _RECORD) as path:
            path.write_text(record.model_dump_json(indent=1), encoding="utf-8")
        if not _finished(folder, identity):
            shutil.rmtree(folder, ignore_errors=True)
            _move(work, folder, identity)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return record


def _move(work: Path, folder: Path, identity: str) -> None:
    try:
        work.rename(folder)
    except OSError as error:
        if not _finished(folder, identity):  # else another process was quicker
            msg = f"Cannot write {folder}: {error.strerror}."
            raise UserError(msg) from error


def merge_parts(
    job: PrepareJob, parts: int, progress: Progress, digests: SourceDigests | None = None
) -> Prepared:
    """Write the dataset from finished parts, and remove them.

    Raises
    ------
    UserError
        When a part is missing or was made from other files or options, or `prepare` would
        raise.
    """
    sources = sources_of(job)
    digests = digests or SourceDigests(sources)
    with locked(job.output):
        # Parts without statistics cannot make them, so a dataset without is as it is to be.
        if current := find_current(replace(job, statistics=False), digests):
            return current
        vocabularies = shared_vocabularies(job.output / FOLDER, sources, job.schema, progress)
        rows = _gather(job, sources, parts, vocabularies)
        prepared = publish(job, rows, digests, progress)
        shutil.rmtree(job.output / FOLDER, ignore_errors=True)
    return prepared


def _gather(job: PrepareJob, sources: list[Source], parts: int, vocabularies: Vocabularies) -> Rows:
    identity = _identity(job, sources, parts, vocabularies)
    runs: dict[str, list[Path]] = {split: [] for split in job.schema.splits}
    read: Counter[str] = Counter()
    rejected = Rejected(job.output / FOLDER)
    statistics = StatisticsBuilder(job.schema, job.seed) if job.statistics else None
    for part in range(1, parts + 1):
        folder = _folder(job, part, parts)
        record = _read_record(folder)
        if record is None or record.identity != identity:
            why = "is missing" if record is None else "was made from other files or options"
            msg = (
                f"Part {part} of {parts} {why}. Run `smt prepare {job.directory} "
                f"--output {job.output} --part {part}/{parts}` with the same options."
            )
            raise UserError(msg)
        for split in runs:
            runs[split] += [
                folder / split / f"run-{number:05}.arrow"
                for number in range(record.runs.get(split, 0))
            ]
        if record.rejected_rows:
            _add_rejected(rejected, folder / REJECTED, record, read)
        if statistics:
            statistics.add_frame(pl.read_parquet(folder / _COUNTS, glob=False))
        read.update(record.rows)
    stores = {split: RowStore.of_runs(paths) for split, paths in runs.items()}
    return Rows(stores, rejected, statistics, vocabularies, read)


def _add_rejected(
    rejected: Rejected, path: Path, record: PartRecord, read: Mapping[str, int]
) -> None:
    """Add a part's violations; its lines count from the first that the part read."""
    before = pl.DataFrame(
        {"file": list(record.rows), "before": [read.get(name, 0) for name in record.rows]},
        schema={"file": pl.String, "before": pl.Int64},
    )
    rows = record.rejected_rows
    with pq.ParquetFile(path) as file:
        # A row group is what a block had, so the merged file has the row groups of a single run.
        for group in range(file.num_row_groups):
            violations = pl.DataFrame(file.read_row_group(group))
            moved = violations.join(before, on="file", how="left", maintain_order="left")
            moved = moved.with_columns(pl.col("line") + pl.col("before")).drop("before")
            rejected.add(moved, rows)
            rows = 0


def _folder(job: PrepareJob, part: int, parts: int) -> Path:
    return job.output / FOLDER / f"{part:05}-of-{parts:05}"


def _identity(
    job: PrepareJob, sources: list[Source], parts: int, vocabularies: Vocabularies
) -> str:
    """Digest what decides a part; the contents of the files are digested when parts merge."""
    files = [(source.name, *source.version) for source in sources]
    whole = run_identity(job.schema, job.options, job.seed, [])
    decisive = [whole.model_dump(), files, parts, job.statistics, digest_of(vocabularies), _RUNS]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()


def _finished(folder: Path, identity: str) -> PartRecord | None:
    """Return the record of a part that is done, if it was made from the same."""
    record = _read_record(folder)
    return record if record and record.identity == identity else None


def _read_record(folder: Path) -> PartRecord | None:
    path = folder / _RECORD
    if not path.is_file():
        return None
    try:
        return PartRecord.model_validate_json(path.read_bytes())
    except ValidationError:
        return None
