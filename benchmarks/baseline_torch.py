"""The same model in PyTorch, the best straightforward way: one fused EmbeddingBag.

    python -m smt_bench.baseline_torch DATA [--batch-size 512] [--steps 500]

All features share one table, looked up by one `EmbeddingBag` with a weight for each entry and
sparse gradients; Adagrad. Batches come from the same shards by the same reader, and are made
ahead in a thread, as ours are.
"""

import json
import os
from collections.abc import Iterator
from itertools import accumulate, count, islice
from typing import Any, NamedTuple

# Threads that wait for the next product must not take the core of the thread that makes batches.
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import numpy as np
import torch
from torch import nn

from smt_bench.script import Pace, parser, write_predictions
from smt_features import Bags, Batch, Split, open_shards
from smt_features.batch import entry_rows
from smt_model.entries import mean_weights
from smt_model.prefetch import Prefetcher
from smt_schemas import DatasetSchema

HIDDEN = (256, 196, 128, 64)
DIM = 16
DEVIATION = DIM**-0.5


class Inputs(NamedTuple):
    """Entries of all bags, feature after feature, and the labels float32 [B, tasks]."""

    ids: torch.Tensor
    offsets: torch.Tensor
    weights: torch.Tensor
    labels: torch.Tensor


class Model(nn.Module):
    """Embeddings, and a tower for each task."""

    def __init__(self, schema: DatasetSchema) -> None:
        super().__init__()
        self._features = len(schema.features)
        rows = sum(column.buckets for column in schema.features)
        self.table = nn.EmbeddingBag(rows, DIM, mode="sum", sparse=True)
        nn.init.trunc_normal_(self.table.weight, std=DEVIATION, a=-2 * DEVIATION, b=2 * DEVIATION)
        self.towers = nn.ModuleList(tower(self._features * DIM) for _ in schema.tasks)

    def forward(self, inputs: Inputs) -> torch.Tensor:
        """Return logits [B, tasks]."""
        pooled = self.table(inputs.ids, inputs.offsets, per_sample_weights=inputs.weights)
        by_feature = pooled.view(self._features, -1, DIM)
        merged = by_feature.transpose(0, 1).reshape(-1, self._features * DIM)
        return torch.cat([tower(merged) for tower in self.towers], dim=1)


def tower(width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for units in HIDDEN:
        layers += [dense(width, units), nn.ReLU()]
        width = units
    return nn.Sequential(*layers, dense(width, 1))


def dense(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def main() -> None:
    arguments = parser("Steps a second of PyTorch.").parse_args()
    dataset = open_shards(arguments.data)
    train, test, schema = dataset["train"], dataset["test"], dataset.schema
    torch.manual_seed(arguments.seed)
    torch.sparse.check_sparse_tensor_invariants.disable()
    model = Model(schema)
    rules = [
        torch.optim.Adagrad(
            part.parameters(),
            lr=0.1,
            initial_accumulator_value=arguments.initial_accumulator,
            fused=fused,
        )
        for part, fused in ((model.table, False), (model.towers, True))
    ]
    loss_of = nn.BCEWithLogitsLoss()
    pace = Pace(arguments.steps)
    made = islice(batches(train, schema, arguments.batch_size, arguments.seed), arguments.steps)
    with Prefetcher(made, 20) as ready:
        for step, inputs in enumerate(ready, start=1):
            model.zero_grad(set_to_none=True)
            loss = loss_of(model(inputs), inputs.labels)
            loss.backward()
            for rule in rules:
                rule.step()
            loss.item()
            pace.tick(step)
    print(json.dumps(pace.figures))
    if arguments.predictions:
        labels, logits = [], []
        with torch.inference_mode():
            for batch in test.batches(arguments.batch_size, shuffle=False):
                inputs = merged(batch, schema)
                labels.append(inputs.labels.numpy())
                logits.append(model(inputs).numpy())
        write_predictions(arguments.predictions, np.concatenate(labels), np.concatenate(logits))


def batches(split: Split, schema: DatasetSchema, size: int, seed: int) -> Iterator[Inputs]:
    for epoch in count():
        for batch in split.batches(size, seed=seed, epoch=epoch):
            yield merged(batch, schema)


def merged(batch: Batch, schema: DatasetSchema) -> Inputs:
    labels = np.stack([batch[name] for name in schema.tasks.values()], axis=1, dtype=np.float32)
    starts = accumulate((column.buckets for column in schema.features), initial=0)
    ids: list[Any] = []
    lengths, weights = [], []
    for column, start in zip(schema.features, starts, strict=False):
        values = batch[column.name]
        if isinstance(values, Bags):
            bags = np.diff(values.row_splits)
            ids.append(values.ids + start)
            weights.append(mean_weights(values.counts, entry_rows(values.row_splits)))
        else:
            bags = np.ones(len(labels), np.int64)
            ids.append(values + start)
            weights.append(np.ones(len(labels), np.float32))
        lengths.append(bags)
    ends = np.cumsum(np.concatenate(lengths))
    offsets = np.concatenate([[0], ends[:-1]])
    arrays = (np.concatenate(ids).astype(np.int64), offsets, np.concatenate(weights), labels)
    return Inputs(*map(torch.from_numpy, arrays))


if __name__ == "__main__":
    main()
