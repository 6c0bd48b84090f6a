"""PyTorch: a shared embedding table and a tower for each task, fed by an IterableDataset.

Run `python examples/torch_two_tasks.py DATA [--run RUN]`.
"""

from functools import partial

import torch
from common import LABELS, arguments, report
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

from smt_schemas import DatasetSchema

WIDTH, UNITS = 16, (256, 196, 128, 64)
BAGS = {"mode": "sum", "sparse": True, "include_last_offset": True}


class TwoTasks(nn.Module):
    """All features in one table with offsets; the mean over the entries of a list."""

    def __init__(self, schema: DatasetSchema) -> None:
        super().__init__()
        self.features = schema.features
        self.table = nn.Parameter(torch.empty(sum(f.buckets for f in self.features), WIDTH))
        nn.init.trunc_normal_(self.table, std=WIDTH**-0.5)
        self.towers = nn.ModuleList(tower(WIDTH * len(self.features)) for _ in LABELS)

    def forward(self, batch: dict) -> torch.Tensor:
        """Return logits [rows, tasks]."""
        vectors, offset = [], 0
        for feature in self.features:
            values = batch[feature.name]
            if feature.is_list:
                counts, lengths = values.counts.float(), values.row_splits.diff()
                totals = torch.segment_reduce(counts, "sum", lengths=lengths)
                weights = counts / totals.repeat_interleave(lengths)
                ids, splits = values.ids.long() + offset, values.row_splits
            else:
                ids, weights = values.long() + offset, None
                splits = torch.arange(len(ids) + 1)
            pooled = partial(functional.embedding_bag, per_sample_weights=weights, **BAGS)
            vectors.append(pooled(ids, self.table, splits))
            offset += feature.buckets
        return torch.cat([tower(torch.cat(vectors, 1)) for tower in self.towers], 1)


def tower(width: int) -> nn.Sequential:
    """Return hidden layers and a logit."""
    layers: list[nn.Module] = []
    for units in UNITS:
        layers += [nn.Linear(width, units), nn.ReLU()]
        width = units
    return nn.Sequential(*layers, nn.Linear(width, 1))


def main() -> None:
    data, args = arguments(__doc__)
    torch.manual_seed(args.seed)
    model = TwoTasks(data.schema)
    dense = torch.optim.Adam(model.towers.parameters(), lr=2e-3)
    optimizers = [torch.optim.SparseAdam([model.table], lr=2e-3), dense]
    for epoch in range(args.epochs):
        batches = data["train"].to_torch(args.batch_size, seed=args.seed, epoch=epoch)
        for batch in DataLoader(batches, batch_size=None, num_workers=1):
            labels = torch.stack([batch[name] for name in LABELS.values()], 1).float()
            loss = functional.binary_cross_entropy_with_logits(model(batch), labels)
            model.zero_grad()
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
    with torch.no_grad():
        test = data["test"].to_torch(4096, shuffle=False)
        scores = torch.cat([model(batch) for batch in test]).numpy()
    report("PyTorch", dict(zip(LABELS, scores.T, strict=True)), data, args.run)


if __name__ == "__main__":
    main()
