"""Raw logs to a published dataset: the whole of ``smt prepare``."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smt_features.example_blocks import feature_spec
from smt_features.files import TEMPORARY
from smt_features.identity import RunIdentity, identity_of, run_identity
from smt_features.journal import NAME as JOURNAL
from smt_features.journal import Journal, unfinished_run
from smt_features.key_texts import write_key_texts
from smt_features.layout import layout
from smt_features.lock import locked
from smt_features.manifest import NAME as MANIFEST
from smt_features.manifest import FeatureSpec, Hash, Manifest, SplitRecord, VocabularyRecord
from smt_features.reading import PrepareJob, Progress, Rows, read_rows
from smt_features.rejected import NAME as REJECTED
from smt_features.rejected import Rejected
from smt_features.shards import ShardWriter
from smt_features.source_digests import SourceDigests
from smt_features.sources import Source, find_sources
from smt_features.statistics.files import STATISTICS_NAME, remove
from smt_features.units import divide
from smt_features.verify import files_of, require_files
from smt_features.vocabulary import FOLDER as VOCABULARY
from smt_features.vocabulary_build import build_vocabularies
from smt_schemas import UserError

if TYPE_CHECKING:
    from smt_features.statistics.builder import StatisticsBuilder
    from smt_features.statistics.store import Publication

WORK = ".work"
"""Folder below the output that holds spilled rows while `prepare` runs."""


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


def prepare(
    job: PrepareJob,
    progress: Progress = lambda _stage, _done, _total: None,
    digests: SourceDigests | None = None,
) -> Prepared:
    """Validate, encode, shuffle and write the raw logs of a folder.

    A run that was killed is taken up where it was: shards that it finished are not written
    again.

    Parameters
    ----------
    job
        What to prepare.
    progress
        Called as work is done.
    digests
        Those of the raw files, when their digesting was begun before.

    Raises
    ------
    UserError
        When the files cannot be read or written; when more rows are bad than the job allows
        (nothing is published then, but ``rejected.parquet`` is written); or when the output
        holds another dataset or is being written by another process.
    """
    sources = sources_of(job)
    digests = digests or SourceDigests(sources)
    with locked(job.output):
        if current := find_current(job, digests):
            return current
        work = job.output / WORK
        shutil.rmtree(work, ignore_errors=True)
        try:
            vocabularies = build_vocabularies(sources, job.schema, work / VOCABULARY, progress)
            rows = read_rows(job, divide(sources, 1)[0], vocabularies, work, progress)
            return publish(job, rows, digests, progress)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def sources_of(job: PrepareJob) -> list[Source]:
    """Return the raw files of a job.

    Raises
    ------
    UserError
        As `find_sources`, and when shards would be written among the raw files.
    """
    sources = find_sources(job.directory, job.schema)
    folders = {(job.output / split).resolve() for split in job.schema.splits}
    if inside := [source.path for source in sources if source.path.parent.resolve() in folders]:
        msg = f"{job.output} would have its shards beside {inside[0]}. Choose another --output."
        raise UserError(msg)
    return sources


def find_current(job: PrepareJob, digests: SourceDigests) -> Prepared | None:
    """Return the dataset when the output holds it already, None when it may be written.

    Raises
    ------
    UserError
        When the output holds another dataset, the beginning of another one, or a damaged one,
        and the job does not say to replace it.
    """
    if job.overwrite:
        return None
    if (job.output / MANIFEST).exists():
        recorded = Manifest.read(job.output)
        _require_same(job, digests, identity_of(recorded), "a dataset that was made")
        require_files(job.output, recorded)
        if job.statistics and not (job.output / STATISTICS_NAME).exists():
            return None  # made without: the same shards are written again, and the statistics
        _require_few_rejected(job, recorded)
        (job.output / JOURNAL).unlink(missing_ok=True)  # of a run that died at the very end
        return Prepared(recorded, job.output, Rejected(job.output), was_current=True)
    if begun := unfinished_run(job.output):
        _require_same(job, digests, begun, "an unfinished run that was begun")
    return None


def _require_few_rejected(job: PrepareJob, made: Manifest) -> None:
    total = made.rejected_rows + sum(split.rows for split in made.splits.values())
    if not _is_good(job, made.rejected_rows, total):
        msg = (
            f"{job.output} was made with {made.rejected_rows:,} bad rows of {total:,} left out. "
            "Correct the files, or allow so many again with --max-bad-rows or --max-bad-fraction."
        )
        raise UserError(msg)


def _is_good(job: PrepareJob, rejected: int, total: int) -> bool:
    # Not fraction * total: 0.29 * 100 is less than 29.
    is_few = rejected / total <= job.max_bad_fraction
    return (is_few or rejected <= job.max_bad_rows) and rejected < total


def _require_same(job: PrepareJob, digests: SourceDigests, before: RunIdentity, what: str) -> None:
    now = run_identity(job.schema, job.options, job.seed, digests.records({}))
    if changed := before.changes(now):
        msg = (
            f"{job.output} holds {what} differently; changed: {', '.join(changed)}. "
            "Replace it with --overwrite, or choose another --output."
        )
        raise UserError(msg)


def publish(job: PrepareJob, rows: Rows, digests: SourceDigests, progress: Progress) -> Prepared:
    """Write the shards of the rows that were read, then the manifest."""
    records = digests.records(rows.read)
    _require_good(job, rows)
    former = _files_there(job.output)
    (job.output / MANIFEST).unlink(missing_ok=True)
    rows.rejected.publish(job.output)
    identity = run_identity(job.schema, job.options, job.seed, records)
    with ThreadPoolExecutor(1) as executor, Journal(job.output, identity) as journal:
        statistics = executor.submit(_statistics, rows.statistics) if rows.statistics else None
        manifest = Manifest(
            schema=job.schema,
            schema_digest=job.schema.digest,
            hash=Hash(seed=job.seed),
            options=job.options,
            sources=records,
            splits=_write(job, rows, journal, progress),
            rejected_rows=rows.rejected.rows,
            vocabularies=_write_vocabularies(job, rows),
            key_texts=write_key_texts(job, progress),
            feature_spec=_feature_spec(job),
        )
    _remove_strays(job.output, manifest, former)
    if statistics:
        statistics.result().write(job.output)
    manifest.write(job.output)
    journal.remove()
    return Prepared(manifest, job.output, rows.rejected)


def _statistics(builder: "StatisticsBuilder") -> "Publication":
    # These models take a while to import, which the shards need not wait for.
    from smt_features.statistics.store import Publication

    return Publication.of(builder)


def _require_good(job: PrepareJob, rows: Rows) -> None:
    rejected = rows.rejected
    if _is_good(job, rejected.rows, rows.total):
        return
    path = rejected.publish(job.output)
    remedy = "Are these the right files for this schema?"
    if rejected.rows < rows.total:
        remedy = (
            "Correct the files, or publish the good rows with --max-bad-rows N or "
            "--max-bad-fraction F."
        )
    msg = (
        f"Bad rows: {rejected.rows:,} of {rows.total:,}; nothing was published.\n"
        f"{rejected.summary(job.schema)}\n"
        f"All of them are in {path}. {remedy}"
    )
    raise UserError(msg)


def _write(
    job: PrepareJob, rows: Rows, journal: Journal, progress: Progress
) -> dict[str, SplitRecord]:
    total = sum(store.rows for store in rows.stores.values())
    written = 0

    def advance(count: int) -> None:
        nonlocal written
        written += count
        progress("write", written, total)

    writer = ShardWriter(job.output, job.schema, job.options, journal, advance)
    return writer.write(rows.stores)


def _write_vocabularies(job: PrepareJob, rows: Rows) -> dict[str, VocabularyRecord] | None:
    records = {
        name: vocabulary.write(job.output, name) for name, vocabulary in rows.vocabularies.items()
    }
    return records or None


def _feature_spec(job: PrepareJob) -> dict[str, FeatureSpec] | None:
    if "tfrecord" not in job.options.formats:
        return None
    columns = layout(job.schema, keys=job.options.keys)
    return feature_spec(columns, job.options.rows_per_example)


def _files_there(output: Path) -> list[Path]:
    """Return the files of the dataset that is to be replaced, if its manifest can be read."""
    try:
        return [output / file.name for file in files_of(Manifest.read(output))]
    except UserError:
        return []


def _remove_strays(output: Path, manifest: Manifest, former: list[Path]) -> None:
    """Remove files of an earlier dataset, so that the folder holds what the manifest says."""
    kept = {file.name for file in files_of(manifest)}
    for split in manifest.dataset_schema.splits:
        for path in (output / split).glob("part-*"):
            if path.relative_to(output).as_posix() not in kept or path.suffix == TEMPORARY:
                path.unlink()
    for path in former:
        if path.relative_to(output).as_posix() not in kept:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # the folder of a split, or of vocabularies, that is no more
                path.parent.rmdir()
    remove(output)
    if not manifest.rejected_rows:
        (output / REJECTED).unlink(missing_ok=True)
