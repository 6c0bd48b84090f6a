"""Opens a dataset."""

from dataclasses import dataclass
from pathlib import Path

from smt_features.manifest import NAME as MANIFEST
from smt_features.manifest import SHARDS, Manifest
from smt_features.sources import find_sources
from smt_features.split import Split
from smt_features.verify import require_digests, require_files
from smt_features.vocabulary import Vocabularies, Vocabulary
from smt_schemas import DatasetSchema, UsageError, UserError, taobao


@dataclass(frozen=True)
class Dataset:
    """A dataset: its manifest and, by name, its splits.

    Attributes
    ----------
    directory
        The folder that holds the manifest.
    manifest
        What the dataset is made of.
    """

    directory: Path
    manifest: Manifest

    @property
    def schema(self) -> DatasetSchema:
        """The schema it was prepared with."""
        return self.manifest.dataset_schema

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that have rows."""
        return tuple(self.manifest.splits)

    @property
    def vocabularies(self) -> Vocabularies:
        """The vocabularies of the schema's vocab columns, read and compared with the manifest.

        Raises
        ------
        UserError
            When a file is missing or was changed.
        """
        records = self.manifest.vocabularies or {}
        return {name: Vocabulary.read(self.directory, record) for name, record in records.items()}

    def __getitem__(self, split: str) -> Split:
        """Return a split.

        Raises
        ------
        UsageError
            When there is none of that name.
        """
        if split not in self.manifest.splits:
            msg = f"{self.directory} has no split {split!r}. It has: {', '.join(self.splits)}."
            raise UsageError(msg)
        return Split(split, self.directory, self.manifest)


def open_shards(path: str | Path, *, verify: bool = False) -> Dataset:
    """Open a dataset; check its manifest and its files' sizes.

    Parameters
    ----------
    path
        The folder of the shards, or the data folder that holds it as ``shards``.
    verify
        Also compare every shard's digest with the manifest.

    Raises
    ------
    UserError
        When there is no dataset, or it does not match its manifest.
    """
    directory = find_dataset(Path(path))
    manifest = Manifest.read(directory)
    require_files(directory, manifest)
    if verify:
        require_digests(directory, manifest)
    return Dataset(directory, manifest)


def find_dataset(path: Path) -> Path:
    """Return the folder that holds the manifest: the path itself or its ``shards``.

    Raises
    ------
    UserError
        When neither does; raw files that were never prepared get a message of their own.
    """
    for directory in (path, path / SHARDS):
        if (directory / MANIFEST).is_file():
            return directory
    if not path.is_dir():
        msg = f"{path} is not a folder. Give the folder of the shards or of the data."
        raise UserError(msg)
    try:
        find_sources(path, taobao())
    except UserError:
        msg = f"{path} holds no dataset (no {MANIFEST}). Make one with `smt prepare`."
        raise UserError(msg) from None
    msg = f"{path} holds raw files but no shards. Run `smt prepare {path}` first."
    raise UserError(msg)
