"""What keys of a run begin with that starts from another: the vectors of their buckets there.

A key and its bucket are hashes of one text, of which neither tells the other; rows of the train
split have both. So they are paired up once, before the first step, and kept with the run:
``first_vectors.safetensors`` holds for a feature ``F`` ``F/key`` int64 [N] in order, ``F/bucket``
int32 [N], and ``F/vector`` float32 [buckets, dim].
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from smt_features import Bags
from smt_features.files import published
from smt_model.progress import bar
from smt_model.tensors import Shape, read_tensors, write_tensors
from smt_schemas import UserError

if TYPE_CHECKING:
    from smt_features import Batch, Split

NAME = "first_vectors.safetensors"
_ROWS = 1 << 16

Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]


@dataclass(frozen=True)
class Beginnings:
    """The first vectors of a feature's keys.

    Attributes
    ----------
    keys
        int64 [N], in order.
    buckets
        int32 [N], the bucket of each.
    vectors
        float32 [buckets, dim].
    """

    keys: Int64s
    buckets: Int32s
    vectors: NDArray[np.float32]

    def fill(self, keys: Int64s, vectors: NDArray[np.float32]) -> None:
        """Replace the first vectors of keys, float32 [N, dim], where there is a bucket's."""
        if not len(self.keys):
            return
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        known = self.keys[at] == keys
        vectors[known] = self.vectors[self.buckets[at[known]]]


class DistinctPairs:
    """Collects keys with their buckets; the first bucket of a key counts.

    Those of many batches are sorted together, once they are as many as all before: to sort all
    of them for each batch would take the square of the time.
    """

    def __init__(self) -> None:
        self._merged = np.empty(0, np.int64), np.empty(0, np.int32)
        self._waiting: list[tuple[Int64s, Int32s]] = []
        self._count = 0

    def add(self, keys: Int64s, buckets: Int32s) -> None:
        """Take in the pairs of a batch, int64 [N] and int32 [N]."""
        found = _distinct(keys, buckets)
        self._waiting.append(found)
        self._count += len(found[0])
        if self._count > len(self._merged[0]):
            self._merge()

    def all(self) -> tuple[Int64s, Int32s]:
        """Return all keys, in order, and the bucket of each."""
        self._merge()
        return self._merged

    def _merge(self) -> None:
        parts = [self._merged, *self._waiting]
        keys, buckets = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        self._merged = _distinct(keys, buckets)
        self._waiting, self._count = [], 0


def find_beginnings(
    split: "Split", vectors: Mapping[str, NDArray[np.float32]]
) -> dict[str, Beginnings]:
    """Read a split with keys and return the beginnings of features, given their buckets' vectors.

    Entries of a list are paired where the row has as many keys as buckets: both stand in order
    of first appearance. A key that came only beside another one of its bucket is left out.
    """
    if not vectors:
        return {}
    pairs = {name: DistinctPairs() for name in vectors}
    batches = split.batches(_ROWS, shuffle=False)
    with bar(Console(stderr=True), "pairing keys and buckets") as progress:
        for batch in progress.track(batches, total=split.steps(_ROWS)):
            for name, distinct in pairs.items():
                distinct.add(*_pairs(batch, name))
    return {name: Beginnings(*pairs[name].all(), vectors[name]) for name in vectors}


def save_beginnings(path: Path, beginnings: Mapping[str, Beginnings]) -> None:
    """Write the file of a run.

    Raises
    ------
    UserError
        When it cannot be written.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name, found in beginnings.items():
        arrays[f"{name}/key"] = found.keys
        arrays[f"{name}/bucket"] = found.buckets
        arrays[f"{name}/vector"] = found.vectors
    shapes = [Shape(name, array.dtype, array.shape) for name, array in arrays.items()]
    with published(path) as temporary:
        write_tensors(temporary, shapes, ([array] for array in arrays.values()))


def load_beginnings(path: Path, features: Collection[str]) -> dict[str, Beginnings]:
    """Read the file of a run: the beginnings of those features that have some.

    Raises
    ------
    UserError
        When it cannot be read, or does not hold what it should.
    """
    try:
        arrays: Mapping[str, NDArray[Any]] = read_tensors(path)
        found = {
            name: Beginnings(*(arrays[f"{name}/{kind}"] for kind in ("key", "bucket", "vector")))
            for name in features
            if f"{name}/key" in arrays
        }
        sound = all(len(f.keys) == len(f.buckets) and _inside(f) for f in found.values())
    except OSError as error:
        msg = f"Cannot read {path}: {error.strerror}. The run needs it to go on."
        raise UserError(msg) from error
    except (KeyError, ValueError) as error:
        msg = f"{path} is damaged: {error}."
        raise UserError(msg) from error
    if not sound:
        msg = f"{path} is damaged: a bucket has no vector."
        raise UserError(msg)
    return found


def _inside(found: Beginnings) -> bool:
    buckets = found.buckets
    return not len(buckets) or (buckets.min() >= 0 and buckets.max() < len(found.vectors))


def _pairs(batch: "Batch", name: str) -> tuple[Int64s, Int32s]:
    ids, keys = batch[name], batch[f"{name}_key"]
    if not (isinstance(ids, Bags) and isinstance(keys, Bags)):
        return keys, ids  # type: ignore[return-value]
    of_ids, of_keys = np.diff(ids.row_splits), np.diff(keys.row_splits)
    alike = of_ids == of_keys
    return keys.ids[np.repeat(alike, of_keys)], ids.ids[np.repeat(alike, of_ids)]


def _distinct(keys: Int64s, buckets: Int32s) -> tuple[Int64s, Int32s]:
    found, first = np.unique(keys, return_index=True)
    return found, buckets[first]
