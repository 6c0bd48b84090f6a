"""Raw logs to a published dataset: the whole of ``smt prepare``."""

import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from smt_features.example_blocks import feature_spec
from smt_features.files import TEMPORARY
from smt_features.identity import SourceDigests, differences, run_identity
from smt_features.journal import Journal
from smt_features.layout import layout
from smt_features.lock import locked
from smt_features.manifest import NAME as MANIFEST
from smt_features.manifest import FeatureSpec, Hash, Manifest, PrepareOptions, SplitRecord
from smt_features.pipeline import encode_sources
from smt_features.rejected import NAME as REJECTED
from smt_features.rejected import Rejected
from smt_features.shards import ShardWriter
from smt_features.shuffle import RowStore
from smt_features.sources import Source, find_sources
from smt_features.verify import shards_of
from smt_schemas import DatasetSchema, UserError

WORK = ".work"
"""Folder below the output that holds spilled rows while `prepare` runs."""

Progress = Callable[[str, int, int], None]
"""Called with the stage (``read``: bytes, ``write``: rows), what is done and the total."""


@dataclass(frozen=True)
class PrepareJob:
    """What to prepare.

    Attributes
    ----------
    directory
        Folder of the raw files.
    output
        Folder of the dataset.
    schema
        What the log looks like.
    options
        What the shards hold and how.
    seed
        Seed of the hash and of the shuffle.
    max_bad_rows, max_bad_fraction
        Publish when no more rows than the larger of the two are rejected.
    overwrite
        Replace a dataset that was made from other sources or options.
    """

    directory: Path
    output: Path
    schema: DatasetSchema
    options: PrepareOptions = field(default_factory=PrepareOptions)
    seed: int = 0
    max_bad_rows: int = 0
    max_bad_fraction: float = 0.0
    overwrite: bool = False


@dataclass(frozen=True)
class Prepared:
    """What ``prepare`` did.

    Attributes
    ----------
    manifest
        The manifest of the dataset.
    directory
        The dataset's folder.
    rejected
        The rejected rows.
    was_current
        The dataset was there already, from the same sources and options.
    """

    manifest: Manifest
    directory: Path
    rejected: Rejected
    was_current: bool = False

    @property
    def rows_read(self) -> int:
        """Rows of the raw files: published and rejected."""
        published = sum(split.rows for split in self.manifest.splits.values())
        return published + self.manifest.rejected_rows


@dataclass
class _Rows:
    """The rows of a run as they are read."""

    stores: dict[str, RowStore]
    rejected: Rejected = field(default_factory=lambda: Rejected(0, []))
    read: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return sum(self.read.values())


def prepare(job: PrepareJob, progress: Progress = lambda _stage, _done, _total: None) -> Prepared:
    """Validate, encode, shuffle and write the raw logs of a folder.

    A run that was killed is taken up where it was: shards that it finished are not written
    again.

    Raises
    ------
    UserError
        When the files cannot be read or written; when more rows are bad than the job allows
        (nothing is published then, but ``rejected.parquet`` is written); or when the output
        holds another dataset or is being written by another process.
    """
    sources = find_sources(job.directory, job.schema)
    with locked(job.output), ThreadPoolExecutor(1) as executor:
        digests = SourceDigests(sources, executor)
        if (job.output / MANIFEST).exists() and not job.overwrite:
            return _require_current(job, digests)
        shutil.rmtree(job.output / WORK, ignore_errors=True)
        try:
            return _prepare(job, sources, digests, progress)
        finally:
            shutil.rmtree(job.output / WORK, ignore_errors=True)


def _require_current(job: PrepareJob, digests: SourceDigests) -> Prepared:
    recorded = Manifest.read(job.output)
    changed = differences(recorded, job.schema, job.options, job.seed, digests.records({}))
    if changed:
        msg = (
            f"{job.output} holds a dataset that was made differently; changed: "
            f"{', '.join(changed)}. Replace it with --overwrite, or choose another --output."
        )
        raise UserError(msg)
    return Prepared(recorded, job.output, Rejected(0, []), was_current=True)


def _prepare(
    job: PrepareJob, sources: list[Source], digests: SourceDigests, progress: Progress
) -> Prepared:
    rows = _read(job, sources, progress)
    records = digests.records(rows.read)
    _require_good(job, rows)
    (job.output / MANIFEST).unlink(missing_ok=True)
    if rows.rejected.rows:
        rows.rejected.write(job.output)
    identity = run_identity(job.schema, job.options, job.seed, records)
    with Journal(job.output, identity) as journal:
        manifest = Manifest(
            schema=job.schema,
            schema_digest=job.schema.digest,
            hash=Hash(seed=job.seed),
            options=job.options,
            sources=records,
            splits=_write(job, rows, journal, progress),
            rejected_rows=rows.rejected.rows,
            feature_spec=_feature_spec(job),
        )
    _remove_strays(job.output, manifest)
    manifest.write(job.output)
    journal.remove()
    return Prepared(manifest, job.output, rows.rejected)


def _read(job: PrepareJob, sources: list[Source], progress: Progress) -> _Rows:
    work = job.output / WORK
    rows = _Rows({split: RowStore(work / split) for split in job.schema.splits})
    total = sum(source.size for source in sources)
    finished: dict[str, int] = {}
    options = job.options
    blocks = encode_sources(
        sources, job.schema, seed=job.seed, keys=options.keys, shuffle=options.shuffle
    )
    for block in blocks:
        rows.stores[block.source.split].add(block.frame)
        rows.rejected.add(block.violations, block.rejected)
        rows.read[block.source.name] += block.rows
        finished[block.source.name] = block.position
        progress("read", sum(finished.values()), total)
    return rows


def _require_good(job: PrepareJob, rows: _Rows) -> None:
    rejected = rows.rejected
    allowed = max(job.max_bad_rows, int(job.max_bad_fraction * rows.total))
    if rejected.rows <= allowed and rejected.rows < rows.total:
        return
    path = rejected.write(job.output)
    msg = (
        f"{rejected.rows:,} of {rows.total:,} rows are bad; nothing was published.\n"
        f"{rejected.summary()}\n"
        f"All of them are in {path}. Correct the files, or publish the good rows with "
        "--max-bad-rows N or --max-bad-fraction F."
    )
    raise UserError(msg)


def _write(
    job: PrepareJob, rows: _Rows, journal: Journal, progress: Progress
) -> dict[str, SplitRecord]:
    total = sum(store.rows for store in rows.stores.values())
    written = 0

    def advance(count: int) -> None:
        nonlocal written
        written += count
        progress("write", written, total)

    writer = ShardWriter(job.output, job.schema, job.options, journal, advance)
    return {split: writer.write(split, store) for split, store in rows.stores.items() if store.rows}


def _feature_spec(job: PrepareJob) -> dict[str, FeatureSpec] | None:
    if "tfrecord" not in job.options.formats:
        return None
    columns = layout(job.schema, keys=job.options.keys)
    return feature_spec(columns, job.options.rows_per_example)


def _remove_strays(output: Path, manifest: Manifest) -> None:
    """Remove shards of an earlier dataset, so that the folder holds what the manifest says."""
    kept = {shard.name for shard in shards_of(manifest)}
    for split in manifest.dataset_schema.splits:
        for path in (output / split).glob("part-*"):
            if path.relative_to(output).as_posix() not in kept or path.suffix == TEMPORARY:
                path.unlink()
    if not manifest.rejected_rows:
        (output / REJECTED).unlink(missing_ok=True)
