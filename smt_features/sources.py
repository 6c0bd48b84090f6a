"""Finds the raw files of each split and reads their identity."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smt_schemas import DatasetSchema, UserError

SUFFIXES = {
    "": "csv",
    ".csv": "csv",
    ".gz": "gzip",
    ".csv.gz": "gzip",
    ".zst": "zstd",
    ".csv.zst": "zstd",
    ".parquet": "parquet",
}
"""Extensions that a source may have, and how each is read."""

_FOREIGN = frozenset(
    [
        *(".json", ".jsonl", ".ndjson", ".parquet", ".parq", ".pq", ".orc", ".avro", ".arrow"),
        *(".feather", ".tfrecord", ".xls", ".xlsx", ".gz", ".zst", ".zip", ".bz2", ".xz", ".tar"),
    ]
)
"""Extensions of other formats, and those of ``SUFFIXES`` where they are not spelt so."""


@dataclass(frozen=True)
class Source:
    """One raw file.

    Attributes
    ----------
    split
        Split that its rows belong to.
    ordinal
        Position among the files of its split.
    path
        Where it is.
    name
        Path below the data folder, with forward slashes; what messages and manifests say.
    kind
        ``csv``, ``gzip``, ``zstd`` (compressed CSV) or ``parquet``.
    """

    split: str
    ordinal: int
    path: Path
    name: str
    kind: str

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    @property
    def version(self) -> tuple[int, int]:
        """Bytes of the file, and when it was changed last, in nanoseconds."""
        found = self.path.stat()
        return found.st_size, found.st_mtime_ns


def suffix_of(path: Path) -> str:
    """Return the longest of ``SUFFIXES`` that a file's name has."""
    return max((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), key=len)


def kind_of(path: Path) -> str:
    """Return how a file that a command names is read: by its extension, or else as CSV.

    Raises
    ------
    UserError
        When the extension is that of another format.
    """
    suffix = suffix_of(path)
    extension = Path(path.name.removesuffix(suffix)).suffix
    if extension.lower() in _FOREIGN:
        known = ", ".join(filter(None, SUFFIXES))
        msg = f"{path}: {extension} is not read ({known} are). Convert or rename it."
        raise UserError(msg)
    return SUFFIXES[suffix]


def find_sources(directory: Path, schema: DatasetSchema) -> list[Source]:
    """Return the raw files below a folder, by split and name.

    A split named by ``taobao_train_data`` is read from that file, from the same name with an
    extension of ``SUFFIXES``, from numbered files (``taobao_train_data-00001.csv.gz``), or
    from the files in a folder of that name.

    Raises
    ------
    UserError
        When the folder is missing, holds no known file, holds one split in two forms, or a file
        that belongs to two splits or whose name is not UTF-8.
    """
    if not directory.is_dir():
        msg = f"{directory} is not a folder. Give the folder that holds the raw log files."
        raise UserError(msg)
    sources = []
    for split, stem in schema.splits.items():
        paths = _paths_of(directory, stem)
        for ordinal, path in enumerate(paths):
            kind = SUFFIXES[_suffix(path.name, stem) or ""]
            name = path.relative_to(directory).as_posix()
            _require_utf8(path)
            sources.append(Source(split, ordinal, path, name, kind))
    if not sources:
        names = ", ".join(schema.splits.values())
        endings = ", ".join(suffix for suffix in SUFFIXES if suffix)
        msg = (
            f"{directory} holds none of the files of schema {schema.name!r}: {names}, each "
            f"possibly with an extension ({endings}). Put them there, give another folder, or "
            "make some with `smt synth`."
        )
        raise UserError(msg)
    _require_one_split(sources)
    return sources


def _require_utf8(path: Path) -> None:
    try:
        path.name.encode()
    except UnicodeEncodeError as error:
        msg = f"{path}: the name is not UTF-8, so no manifest can hold it. Rename the file."
        raise UserError(msg) from error


def _require_one_split(sources: list[Source]) -> None:
    owners: dict[Path, str] = {}
    for source in sources:
        owner = owners.setdefault(source.path, source.split)
        if owner != source.split:
            msg = (
                f"{source.path} belongs to two splits by its name, {owner!r} and "
                f"{source.split!r}. Rename it, or change `splits` in the schema."
            )
            raise UserError(msg)


def _paths_of(directory: Path, stem: str) -> list[Path]:
    whole = [path for path in directory.iterdir() if _form(path, stem) == "whole"]
    numbered = [path for path in directory.iterdir() if _form(path, stem) == "numbered"]
    folder = directory / stem
    inside = (
        # Spark and others leave files such as _SUCCESS.
        [path for path in folder.iterdir() if path.is_file() and path.name[0] not in "._"]
        if folder.is_dir()
        else []
    )
    found = sorted(whole + numbered + inside)
    forms = [group for group in (whole, numbered, inside) if group]
    if len(forms) > 1 or len(whole) > 1:
        names = ", ".join(path.relative_to(directory).as_posix() for path in found[:4])
        msg = f"{directory} holds the split {stem!r} more than once: {names}. Keep one form of it."
        raise UserError(msg)
    for path in numbered + inside:
        if _suffix(path.name, stem) is None:
            known = ", ".join(suffix for suffix in SUFFIXES if suffix)
            msg = f"{path} has no known extension ({known}). Rename it or move it away."
            raise UserError(msg)
    return found


def _form(path: Path, stem: str) -> Literal["whole", "numbered"] | None:
    if not path.name.startswith(stem) or not path.is_file():
        return None
    rest = path.name[len(stem) :]
    if rest in SUFFIXES:
        return "whole"
    return "numbered" if re.match(r"[-_.][0-9]", rest) else None


def _suffix(name: str, stem: str) -> str | None:
    if re.fullmatch(re.escape(stem) + r"([-_.][0-9]+)*", name):
        return ""
    known = sorted((suffix for suffix in SUFFIXES if suffix), key=len, reverse=True)
    return next((suffix for suffix in known if name.endswith(suffix)), None)
