"""Reads a split as a PyTorch ``IterableDataset``. Imports no TensorFlow."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, TypeAlias, Unpack

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from smt_features.batch import Array, Bags, Batch
from smt_features.plan import Order
from smt_features.split import Split


class TorchBags(NamedTuple):
    """The tag lists of a batch as tensors; see `smt_features.Bags`.

    ``torch.nn.functional.embedding_bag`` takes them as ``ids``, ``row_splits`` (with
    ``include_last_offset=True``) and ``counts`` (as weights, after a cast).
    """

    ids: torch.Tensor
    counts: torch.Tensor
    row_splits: torch.Tensor


TorchBatch: TypeAlias = dict[str, torch.Tensor | TorchBags]
"""A batch of `Split.batches` as tensors of the same types and shapes."""


class ShardBatches(IterableDataset[TorchBatch]):
    """The batches of an epoch, for ``DataLoader(..., batch_size=None)`` or a plain loop.

    They are those of `Split.batches`, whatever the number of the loader's worker processes:
    worker ``i`` of ``n`` delivers batches ``i, i + n, …`` and the loader takes them in turn.
    So a position (epoch, step) resumes with any number of them. For training on many machines
    give ``worker=(rank, world_size)``.

    Parameters
    ----------
    split
        What to read.
    batch_size
        Rows of a batch.
    order
        Seed, epoch and the other arguments of `Split.batches`.
    """

    def __init__(self, split: Split, batch_size: int, **order: Unpack[Order]) -> None:
        self._split = split
        self._batch_size = batch_size
        self._order = order
        worker, drop = order.get("worker", (0, 1)), order.get("drop_remainder", False)
        shard = order.get("shard")
        steps = split.steps(batch_size, drop_remainder=drop, worker=worker, shard=shard)
        self._steps = max(steps - order.get("start", 0), 0)

    def __len__(self) -> int:
        """Return the number of batches from ``start`` on."""
        return self._steps

    def __iter__(self) -> Iterator[TorchBatch]:
        """Yield the batches, or in a worker process of a loader its part of them."""
        batches = self._split.batches(self._batch_size, **self._order)
        info = get_worker_info()
        mine = islice(batches, info.id, None, info.num_workers) if info else batches
        return map(_tensors, mine)


def _tensors(batch: Batch) -> TorchBatch:
    return {
        name: TorchBags(*map(_tensor, values)) if isinstance(values, Bags) else _tensor(values)
        for name, values in batch.items()
    }


def _tensor(values: Array) -> torch.Tensor:
    # A tensor can be written to; arrays that lie in Arrow's memory cannot.
    return torch.from_numpy(np.require(values, requirements="W"))
