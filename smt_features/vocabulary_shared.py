"""Vocabularies that the parts of a prepare run share: whoever needs them first makes them."""

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from smt_features.files import published
from smt_features.manifest import VocabularyRecord
from smt_features.sources import Source
from smt_features.vocabulary import NO_VOCABULARIES, Vocabularies, Vocabulary
from smt_features.vocabulary_build import Progress, build_vocabularies
from smt_schemas import TRAIN, DatasetSchema, UserError

_RECORDS = "records.json"
_ADAPTER = TypeAdapter(dict[str, VocabularyRecord])


def shared_vocabularies(
    folder: Path, sources: list[Source], schema: DatasetSchema, progress: Progress
) -> Vocabularies:
    """Return the vocabularies of a log, from below ``folder`` if an earlier part left them there.

    Raises
    ------
    UserError
        When they must be made and `build_vocabularies` raises, or cannot be written.
    """
    if not schema.vocab_columns:
        return NO_VOCABULARIES
    files = [(source.name, *source.version) for source in sources if source.split == TRAIN]
    identity = hashlib.sha256(json.dumps([schema.digest, files]).encode()).hexdigest()
    kept = folder / f"vocabularies-{identity[:16]}"
    if (found := _read(kept)) is not None:
        return found
    # Parts that begin at once each count; whoever finishes first wins, the bytes are the same.
    work = kept.with_name(f"{kept.name}.{uuid4().hex}")
    try:
        vocabularies = build_vocabularies(sources, schema, work / "counts", progress)
        records = {name: each.write(work, name) for name, each in vocabularies.items()}
        with published(work / _RECORDS) as path:
            path.write_bytes(_ADAPTER.dump_json(records, indent=1))
        shutil.rmtree(kept, ignore_errors=True)
        with suppress(OSError):  # another part was quicker
            work.rename(kept)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return vocabularies


def digest_of(vocabularies: Vocabularies) -> str:
    """Return a digest of some vocabularies."""
    digest = hashlib.sha256()
    for name, vocabulary in sorted(vocabularies.items()):
        content = [name, vocabulary.others, vocabulary.frame.to_dict(as_series=False)]
        digest.update(json.dumps(content).encode())
    return digest.hexdigest()


def _read(folder: Path) -> Vocabularies | None:
    try:
        records = _ADAPTER.validate_json((folder / _RECORDS).read_bytes())
        return {name: Vocabulary.read(folder, record) for name, record in records.items()}
    except (OSError, ValidationError, UserError):
        return None
