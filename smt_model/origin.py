"""What data a model was trained on, and whether it can read other data."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from smt_schemas import Column, DatasetSchema, UserError

if TYPE_CHECKING:
    from smt_features import Dataset
    from smt_model.model import MultiTaskModel

_MATTERS = ("hash_buckets", "embedding_dim", "encoding", "separator")
"""What decides which row of which table a cell means."""

_MATTERS_TO_KEYS = ("embedding_dim", "encoding")


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
        ours, others = ([c.name for c in schema.features] for schema in (mine, theirs))
        found += [f"feature {name} is missing" for name in ours if name not in others]
        found += [f"feature {name} is new" for name in others if name not in ours]
        for name in set(ours) & set(others):
            found += self.feature_differences(other, name)
        numerics = {column.name for column in theirs.numerics}
        found += [
            f"numeric feature {column.name} is missing"
            for column in mine.numerics
            if column.name not in numerics
        ]
        return sorted(found)

    def feature_differences(self, other: "Origin", name: str, *, by_key: bool = False) -> list[str]:
        """Return, in words, why a feature that both have means other things in `other`.

        Of its keys with `by_key`, otherwise of its ids.
        """
        mine, theirs = self.dataset_schema, other.dataset_schema
        pair = _feature(mine, name), _feature(theirs, name)
        found = _column_differences(*pair, _MATTERS_TO_KEYS if by_key else _MATTERS)
        if _recipe(mine, name) != _recipe(theirs, name):
            found.append(f"derived feature {name} is computed otherwise")
        mine_has, theirs_has = (each.vocabularies.get(name) for each in (self, other))
        if mine_has and theirs_has and mine_has != theirs_has:
            found.append(f"{name} has another vocabulary")
        return found

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


def require_keys(model: "MultiTaskModel", dataset: "Dataset") -> None:
    """Refuse data without keys for a model whose keys own vectors.

    Raises
    ------
    UserError
    """
    if model.embedding_variables and not dataset.manifest.options.keys:
        msg = (
            "Embedding variables (--ev, --adaptive-emb) need the keys of the features, and "
            f"{dataset.directory} has none. Prepare it with --keys."
        )
        raise UserError(msg)


def _feature(schema: DatasetSchema, name: str) -> Column:
    return next(column for column in schema.features if column.name == name)


def _recipe(schema: DatasetSchema, name: str) -> list[dict[str, Any]]:
    """Return how a derived feature is computed; nothing for a column of the log."""
    kept = {"name", "hash_buckets", "embedding_dim", "embedding_options"}
    return [each.model_dump(exclude=kept) for each in schema.derived if each.name == name]


def _column_differences(mine: Column, theirs: Column, matters: tuple[str, ...]) -> list[str]:
    pairs = [(name, getattr(mine, name), getattr(theirs, name)) for name in matters]
    return [f"{mine.name}.{name}: {a} against {b}" for name, a, b in pairs if a != b]


def _words(values: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())
