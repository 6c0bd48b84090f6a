"""Measures what keys cost: bytes of a key, the longest step while they grow, saving.

    python benchmarks/key_growth.py [--keys 4000000] [--batch-size 4096] [--optimizer adagrad]

Each row of each batch has a user never seen before, so that a step adds as many keys as there can
be. A step is timed whole: its batch is made, and then trained on. Memory is the resident set.
"""

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from smt_features import Bags
from smt_model import runtime
from smt_model.config import OPTIMIZERS, TrainConfig
from smt_model.origin import Origin
from smt_schemas import DatasetSchema, taobao

WARM_UP = 20
"""Steps that are not counted."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--keys", type=int, default=4_000_000)
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="adagrad")
    arguments = parser.parse_args()
    runtime.start_tensorflow()
    from smt_model import checkpoint
    from smt_model.assembly import assemble

    schema = taobao()
    config = TrainConfig(columns={"user_id": {"ev": True}}, optimizer=arguments.optimizer)
    model, optimizer, train_step = assemble(config, schema, total_steps=10**6)
    rng = np.random.default_rng(0)
    seconds, before = [], 0
    steps = arguments.keys // arguments.batch_size
    for step in range(1, steps + WARM_UP + 1):
        if step == WARM_UP + 1:
            before = resident()
        batch = new_users(schema, arguments.batch_size, rng)
        start = time.perf_counter()
        train_step([model.fuser(batch, step)])
        seconds.append(time.perf_counter() - start)
    counted, keys = seconds[WARM_UP:], steps * arguments.batch_size
    grown = resident()
    blocks = 1 + len(optimizer.initial)
    vector = 4 * schema.features[0].dim * blocks
    per_key = (grown - before) / keys
    print(f"{keys:,} keys, {arguments.batch_size:,} new ones a step, {arguments.optimizer}")
    print(f"a key: {per_key:.1f} bytes, {vector} of them vector and slots")
    middle = statistics.median(counted)
    print(
        f"a step: median {middle * 1e3:.1f} ms, longest {max(counted) * 1e3:.1f} ms "
        f"({max(counted) / middle:.1f} times)"
    )
    origin = Origin(dataset="", hash={"name": "h", "seed": 0}, dataset_schema=schema)
    state = checkpoint.State(step=1, epoch=0, epoch_step=1, options={}, origin=origin)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        checkpoint.save(Path(folder) / "checkpoint", state, model, optimizer)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"saving: {grown / 1e6:,.0f} MB before, at most {peak / 1e6:,.0f} MB since the start "
        f"({peak / grown - 1:+.1%})"
    )


def new_users(schema: DatasetSchema, rows: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return a batch in which every user is new, and all else is the same."""
    batch: dict[str, Any] = {label.name: rng.integers(0, 2, rows) for label in schema.labels}
    for column in schema.features:
        zeros = np.zeros(rows, np.int32)
        bags = Bags(zeros, np.ones(rows, np.int32), np.arange(rows + 1))
        batch[column.name] = bags if column.is_list else zeros
    batch["user_id_key"] = rng.integers(0, 2**63, rows)
    return batch


def resident() -> int:
    """Return the resident set of this process, bytes (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
