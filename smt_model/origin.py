"""What data a model was trained on, and whether it can read other data."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from smt_schemas import Column, DatasetSchema, UserError

if TYPE_CHECKING:
    from smt_features import Dataset

_MATTERS = ("hash_buckets", "embedding_dim", "encoding", "separator")
"""What decides which row of which table a cell means."""


class Origin(BaseModel):
    """The dataset behind a model.

    Attributes
    ----------
    dataset
        Digest of its manifest.
    hash
        Name and seed of the hash.
    dataset_schema
        Its schema.
    vocabularies
        Digests of the vocabularies, by feature: a text's id is its rank in one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    hash: dict[str, int | str]
    dataset_schema: DatasetSchema
    vocabularies: dict[str, str] = {}

    @classmethod
    def of(cls, dataset: "Dataset") -> "Origin":
        """Return the origin that a dataset is."""
        manifest = dataset.manifest
        return cls(
            dataset=manifest.digest,
            hash=manifest.hash.model_dump(),
            dataset_schema=dataset.schema,
            vocabularies={name: v.sha256 for name, v in (manifest.vocabularies or {}).items()},
        )

    def differences(self, other: "Origin") -> list[str]:
        """Return, in words, why a model from here misreads data from `other`."""
        found = []
        if self.hash != other.hash:
            found.append(f"hash: {_words(self.hash)} against {_words(other.hash)}")
        mine, theirs = self.dataset_schema, other.dataset_schema
        if mine.tasks != theirs.tasks:
            found.append(f"tasks: {_words(mine.tasks)} against {_words(theirs.tasks)}")
        ours = {column.name: column for column in mine.features}
        others = {column.name: column for column in theirs.features}
        found += [f"feature {name} is missing" for name in ours if name not in others]
        found += [f"feature {name} is new" for name in others if name not in ours]
        for name in ours.keys() & others.keys():
            found += _column_differences(ours[name], others[name])
        made, remade = ({d.name: d for d in schema.derived} for schema in (mine, theirs))
        found += [
            f"derived feature {name} is computed otherwise"
            for name in made.keys() & remade.keys()
            if made[name] != remade[name]
        ]
        found += [
            f"{name} has another vocabulary"
            for name in self.vocabularies.keys() & other.vocabularies.keys()
            if self.vocabularies[name] != other.vocabularies[name]
        ]
        return sorted(found)

    def require_same(self, other: "Origin", what: str) -> None:
        """Refuse data that the model would misread.

        Raises
        ------
        UserError
            Naming every difference.
        """
        if found := self.differences(other):
            msg = (
                f"{what} was trained on data of another kind (trained on against given): "
                + "; ".join(found)
            )
            raise UserError(msg)


def _column_differences(mine: Column, theirs: Column) -> list[str]:
    pairs = [(name, getattr(mine, name), getattr(theirs, name)) for name in _MATTERS]
    return [f"{mine.name}.{name}: {a} against {b}" for name, a, b in pairs if a != b]


def _words(values: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())
