"""Copies what fits of one model into another: tables by bucket or by key, and towers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smt_model.batching import FreshRows
from smt_model.embedding import EmbeddingTable, part_name
from smt_model.ev.dynamic import DynamicKeyTable
from smt_model.ev.key_table import KeyTable
from smt_model.layout import FeatureLayout
from smt_model.loading import TrainedModel
from smt_model.model import MultiTaskModel
from smt_model.origin import Origin
from smt_model.parts import parts
from smt_model.serving_tables import vectors_of


class Transfer:
    """A copy of values, without optimizer slots.

    Parameters
    ----------
    source
        Where the values come from.
    model, origin
        What takes them, and the origin of its data.

    Attributes
    ----------
    whole
        Features and towers that have the values they have there.
    keys
        How many keys were taken of each feature that keeps vectors by key.
    beginnings
        Vectors of buckets there, float32 [buckets, dim], with which new keys of a feature begin.
    refused
        What was not taken, and why.
    """

    def __init__(self, source: TrainedModel, model: MultiTaskModel, origin: Origin) -> None:
        self._source = source
        self._model = model
        self._origin = origin
        self._values = {part.name: part for part in parts(source.model, None)}
        self.whole: list[str] = []
        self.keys: dict[str, int] = {}
        self.beginnings: dict[str, NDArray[np.float32]] = {}
        self.refused: dict[str, str] = {}

    def run(self) -> None:
        """Copy what fits."""
        theirs = _features(self._source.model)
        for name, feature in _features(self._model).items():
            if name not in theirs:
                self.refused[name] = "it is new"
            elif reason := self._differences(name):
                self.refused[name] = reason
            else:
                self._feature(feature, theirs[name])
        for task in self._model.schema.tasks:
            self._tower(task)

    def lines(self) -> Iterator[str]:
        """Yield what a user should know."""
        if self.whole:
            yield f"  taken: {', '.join(self.whole)}"
        if self.keys:
            counted = (f"{name} ({count:,} keys)" for name, count in self.keys.items())
            yield f"  taken by key: {', '.join(counted)}"
        if self.beginnings:
            yield f"  new keys begin with their bucket's vector: {', '.join(self.beginnings)}"
        for name, reason in self.refused.items():
            yield f"  not taken: {name} ({reason})"

    def _differences(self, name: str) -> str:
        """Return why ids or keys of a feature mean other things there; nothing if they do not."""
        there = self._source.state.origin
        by_key = bool(self._model.keys_of(name) and self._source.model.keys_of(name))
        found = there.feature_differences(self._origin, name, by_key=by_key)
        if there.hash != self._origin.hash and name in self._hashed():
            found.append(f"hash seed: {there.hash['seed']} against {self._origin.hash['seed']}")
        return "; ".join(found)

    def _hashed(self) -> set[str]:
        return {c.name for c in self._model.schema.features if c.encoding == "hash"}

    def _feature(self, mine: FeatureLayout, theirs: FeatureLayout) -> None:
        name = mine.name
        keyed, was_keyed = self._model.keys_of(name), self._source.model.keys_of(name)
        if keyed and was_keyed and isinstance(keyed[0], DynamicKeyTable):
            self.refused[name] = "its vectors grow by blocks here"
        elif keyed and was_keyed:
            self.keys[name] = _take_keys(*keyed, *was_keyed)
            if mine.blocks == theirs.blocks:
                self._copy(part_name(name))
            elif mine.blocks[0].rows:
                self.refused[f"buckets that rare keys of {name} share"] = "there are others there"
        elif was_keyed:
            self.refused[name] = "it has vectors of keys there, and of buckets here"
        elif mine.multihash != theirs.multihash:
            self.refused[name] = "its buckets share vectors otherwise"
        elif not keyed:
            for block in mine.blocks:
                self._copy(part_name(block.name))
            self.whole.append(name)
        elif mine.blocks[0].rows:
            self.refused[name] = "rare keys share buckets of another hash"
        else:
            vectors: NDArray[Any] = self._values[part_name(name)].read()
            self.beginnings[name] = vectors

    def _tower(self, task: str) -> None:
        name = f"tower {task}"
        mine = {p.name: p for p in parts(self._model, None) if p.name.startswith(f"tower/{task}/")}
        if not mine.keys() <= self._values.keys():
            self.refused[name] = "it is new"
        elif _inputs(self._model) != _inputs(self._source.model):
            self.refused[name] = "its inputs are others"
        elif any(part.shape != self._values[at].shape for at, part in mine.items()):
            self.refused[name] = "its layers have other widths"
        else:
            for at in mine:
                self._copy(at)
            self.whole.append(name)

    def _copy(self, name: str) -> None:
        for part in parts(self._model, None):
            if part.name == name:
                part.write(self._values[name].read())


def _take_keys(
    keys: KeyTable, table: EmbeddingTable, known: KeyTable, their_table: EmbeddingTable
) -> int:
    """Take over all keys with their counts, and return how many of them own a vector.

    Those that own one there own one here, whatever it takes to be admitted.
    """
    owners = known.owners
    numbers = np.concatenate([owners, np.flatnonzero(known.rows < 0)])
    never = np.zeros(len(numbers), np.int32)
    owns = np.arange(len(numbers)) < len(owners)
    rows = keys.restore(known.keys[numbers], known.counts[numbers], never, owns)
    start = 0
    for vectors in vectors_of(known, their_table):
        stop = start + len(vectors)
        unshared = np.full(len(vectors), -1, np.int32)
        table.begin(FreshRows(rows[start:stop], vectors, unshared))
        start = stop
    return len(owners)


def _features(model: MultiTaskModel) -> dict[str, FeatureLayout]:
    return {f.name: f for table in model.tables for f in table.layout.features}


def _inputs(model: MultiTaskModel) -> list[object]:
    """Return what the first layer of each tower takes, in order."""
    features = [(f.name, f.column.dim) for f in _features(model).values()]
    return [*features, *(column.name for column in model.schema.numerics)]
