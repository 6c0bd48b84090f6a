"""The statistics of a dataset as a document: what its log holds and what hashing did to it.

``smt prepare`` writes them to ``statistics.json``; ``smt inspect-stats --json`` prints them. The
JSON Schema is in ``docs/statistics.schema.json``, every formula in ``docs/statistics.md``.
"""

from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError

from smt_features.files import published
from smt_features.manifest import Hash
from smt_features.statistics.column_model import ColumnStatistics
from smt_features.statistics.drift_model import Drift, Model
from smt_features.statistics.files import STATISTICS_NAME
from smt_schemas import UsageError, UserError, describe

FORMAT: Literal["smt-statistics"] = "smt-statistics"
VERSION: Literal[2] = 2
MAX_BYTES = 64 << 20
"""A larger file holds no statistics of ours."""

T = TypeVar("T")


class LabelCombination(Model):
    """Rows with these labels at once: clicks with and without a buy.

    Attributes
    ----------
    labels
        Value of each label.
    rows
        How many rows have them.
    """

    labels: dict[str, Literal[0, 1]]
    rows: PositiveInt


class SplitStatistics(Model):
    """Statistics of one split.

    Attributes
    ----------
    rows
        Rows that were not rejected.
    label_combinations
        Rows by all their labels; combinations without rows are left out.
    columns
        In file order.
    """

    rows: NonNegativeInt
    label_combinations: list[LabelCombination]
    columns: list[ColumnStatistics]

    def by_name(self) -> dict[str, ColumnStatistics]:
        """Return the columns by name."""
        return {column.name: column for column in self.columns}

    @property
    def label_rates(self) -> dict[str, float]:
        """The share of rows whose label is 1, by label: of all rows, whatever is selected.

        Without ``label_combinations``, as beyond 63 labels, it has none.
        """
        positives: dict[str, int] = {}
        for found in self.label_combinations:
            for label, value in found.labels.items():
                positives[label] = positives.get(label, 0) + value * found.rows
        return {label: rows / self.rows for label, rows in positives.items()}


class Statistics(Model):
    """Statistics of a dataset: by split, and how far the other splits are from the first.

    Attributes
    ----------
    format, version
        What tells a reader that it can read the document.
    schema_digest, hash
        The schema and the hash that the buckets are counted by.
    splits
        Statistics of each split, by name.
    drift
        Each split but the first, compared with it.
    """

    format: Literal["smt-statistics"] = FORMAT
    version: Literal[2] = VERSION
    schema_digest: str = Field(pattern="^[0-9a-f]{64}$")
    hash: Hash
    splits: dict[str, SplitStatistics]
    drift: list[Drift]

    def select(self, *, split: str | None = None, column: str | None = None) -> Self:
        """Return the statistics of one split, of one column, or of both; None means all.

        Raises
        ------
        UsageError
            When there is no such split or column.
        """
        splits = _picked(self.splits, split, "split")
        if column is not None:
            splits = {
                name: part.model_copy(
                    update={"columns": list(_picked(part.by_name(), column, "column").values())}
                )
                for name, part in splits.items()
            }
        drift = [part.select(column) for part in self.drift if split in (None, part.current)]
        return self.model_copy(update={"splits": splits, "drift": drift})

    def to_json(self) -> str:
        """Return the JSON that `read` takes: the same statistics give the same bytes."""
        return self.model_dump_json(indent=1) + "\n"

    def write(self, directory: Path) -> None:
        """Write ``statistics.json`` into a folder."""
        with published(directory / STATISTICS_NAME) as temporary:
            temporary.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read the statistics of a dataset.

        Raises
        ------
        UserError
            When the folder has none, or the file holds something else.
        """
        path = directory / STATISTICS_NAME
        remedy = "Run `smt prepare --overwrite` to write it anew."
        if not path.is_file():
            msg = f"{directory} has no {STATISTICS_NAME}. {remedy}"
            raise UserError(msg)
        try:
            if path.stat().st_size > MAX_BYTES:
                msg = f"{path} is larger than {MAX_BYTES >> 20} MiB, so it holds no statistics."
                raise UserError(f"{msg} {remedy}")
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            msg = f"Cannot read {path}: {error.strerror}."
            raise UserError(msg) from error
        except ValidationError as error:
            msg = f"{path} holds no valid statistics:\n{describe(error)}\n{remedy}"
            raise UserError(msg) from error


def _picked(items: dict[str, T], name: str | None, kind: str) -> dict[str, T]:
    if name is None:
        return items
    if name not in items:
        msg = f"There is no {kind} {name!r}. There are: {', '.join(items)}."
        raise UsageError(msg)
    return {name: items[name]}
