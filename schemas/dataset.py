"""The schema of a log: its columns, its file format and its splits."""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from smt_schemas.column import Column
from smt_schemas.derived import Derived, derived_column, derived_problem
from smt_schemas.drift import DriftThresholds
from smt_schemas.errors import UserError

TRAIN = "train"
"""The split that models learn from, and that vocabularies are made from."""


class CsvFormat(BaseModel):
    """How the text files are written. A quoted cell must end on the line it began on.

    Attributes
    ----------
    separator
        The ASCII character between cells.
    header
        Whether the first line names the columns.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    separator: str = Field(default=",", pattern=r"^[\x01-\x7f]$")
    header: bool = False

    @model_validator(mode="after")
    def _separator_is_usable(self) -> Self:
        if self.separator in '"\r\n':
            msg = "csv.separator cannot be a quote or a line end"
            raise ValueError(msg)
        return self


class DatasetSchema(BaseModel):
    """What a log looks like and what becomes of each column.

    Attributes
    ----------
    name
        Name of the data set.
    user_column
        The feature that identifies a user: grouped AUC groups by it, and rows of like users
        are stored together inside a row group, which makes shards smaller.
    csv
        Format of text files.
    splits
        Split name to file name without extension.
    columns
        The columns, in file order.
    derived
        Features that are computed from them.
    drift
        When a column counts as drifted. Decides nothing about a dataset, so it is no part of
        the digest.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$", max_length=64)
    user_column: str | None = None
    csv: CsvFormat = CsvFormat()
    splits: dict[str, str] = Field(min_length=1)
    columns: list[Column] = Field(min_length=1, max_length=4096)
    derived: list[Derived] = Field(default=[], max_length=4096, exclude_if=lambda value: not value)
    drift: DriftThresholds = Field(
        default=DriftThresholds(), exclude_if=lambda value: value == DriftThresholds()
    )

    @property
    def labels(self) -> list[Column]:
        """The label columns, in file order."""
        return [column for column in self.columns if column.role == "label"]

    @property
    def features(self) -> list[Column]:
        """The features that the model embeds: columns in file order, then derived ones."""
        return [column for column in self.columns if column.is_feature] + self.derived_columns

    @property
    def derived_columns(self) -> list[Column]:
        """The columns that derived features are once their cells are computed."""
        columns = {column.name: column for column in self.columns}
        return [derived_column(feature, columns) for feature in self.derived]

    @property
    def numerics(self) -> list[Column]:
        """The numeric features, in file order."""
        return [column for column in self.columns if column.is_numeric]

    @property
    def vocab_columns(self) -> list[Column]:
        """The features that are encoded by a vocabulary, in file order."""
        return [column for column in self.columns if column.encoding == "vocab"]

    @property
    def tasks(self) -> dict[str, str]:
        """Task name to label column, in file order."""
        return {column.task: column.name for column in self.labels if column.task}

    @property
    def digest(self) -> str:
        """SHA-256 of the schema's canonical JSON, in hexadecimal."""
        fields = self.model_dump(mode="json", exclude={"drift"})
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        columns = {column.name: column for column in self.columns}
        for feature in self.derived:
            if problem := derived_problem(feature, columns):
                msg = f"derived feature {feature.name!r}: {problem}"
                raise ValueError(msg)
        tasks = [column.task for column in self.labels]
        user = columns.get(self.user_column or "")
        checks: list[tuple[Sequence[object], str]] = [
            (_repeated(self._names()), "column name used twice: {}"),
            (_repeated(tasks), "task used twice: {}"),
            (
                [] if self.features else ["none"],
                "no column has role user or item and is embedded: {}",
            ),
            (
                []
                if self.user_column is None or (user and user.is_feature and not user.is_list)
                else ["user_column"],
                "{} must name a feature that is not a list",
            ),
            (
                [name for name in self.splits if not name.isidentifier()],
                "split name must be a plain word: {}",
            ),
            (
                [
                    stem
                    for stem in self.splits.values()
                    if stem in ("", "..") or Path(stem).name != stem
                ],
                "split must be a file name without a folder: {}",
            ),
            (
                [name for name in self.drift.ignore if name not in columns],
                "drift.ignore names no column: {}",
            ),
            (_repeated(self.splits.values()), "two splits cannot read the same files: {}"),
            (
                [column.name for column in self.vocab_columns if TRAIN not in self.splits],
                f"a vocabulary is made from the split {TRAIN!r}, which is not declared: {{}}",
            ),
        ]
        for wrong, text in checks:
            if wrong:
                raise ValueError(text.format(", ".join(str(name) for name in wrong)))
        return self

    def _names(self) -> list[str]:
        """Return the names of all columns that the log and the shards may have."""
        names = [column.name for column in self.columns]
        names += [column.name for column in self.derived_columns]
        names += [f"{column.name}_key" for column in self.features]
        # `_length` stands in TFRecord shards only.
        endings = ("_count", "_length", "_key_count", "_key_length")
        lists = [column.name for column in self.features if column.is_list]
        return names + [name + ending for name in lists for ending in endings]

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read a schema file.

        Raises
        ------
        UserError
            When the file cannot be read, is not TOML, or describes no valid schema.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            msg = f"Cannot read the schema {path}: {error}"
            raise UserError(msg) from error
        return cls.from_text(text, str(path))

    @classmethod
    def from_text(cls, text: str, name: str) -> Self:
        """Parse the text of a schema file; ``name`` is what a message calls it.

        Raises
        ------
        UserError
            When it is not TOML, or describes no valid schema.
        """
        try:
            return cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            msg = f"{name} is not TOML: {error}"
            raise UserError(msg) from error
        except ValidationError as error:
            msg = f"{name} is not a valid schema:\n{describe(error)}"
            raise UserError(msg) from error


def taobao() -> DatasetSchema:
    """Return the schema of the 20-column Taobao log, ``taobao.toml``."""
    return _packaged("taobao.toml")


def taobao_plus() -> DatasetSchema:
    """Return the schema of the Taobao log with derived features, ``taobao_plus.toml``."""
    return _packaged("taobao_plus.toml")


def describe(error: ValidationError) -> str:
    """Return a line for each thing a Pydantic model refused: where it stands and why."""
    lines = []
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"]) or "schema"
        lines.append(f"  {where}: {item['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def _packaged(name: str) -> DatasetSchema:
    with resources.as_file(resources.files("smt_schemas") / name) as path:
        return DatasetSchema.from_toml(path)


def _repeated(values: Iterable[str | None]) -> list[str | None]:
    seen: set[str | None] = set()
    return [value for value in values if value in seen or seen.add(value)]  # type: ignore[func-returns-value]
