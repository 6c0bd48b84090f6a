"""Measures what a delta costs beside a full checkpoint.

    python benchmarks/checkpoints.py [--rows 1000000] [--touched 0.01] [--runs 5] [--ev]

The model is that of the Taobao log with so many embedding rows (or keys with a vector, `--ev`),
of which a step updates the given share. Both kinds are written as training writes them: some
deltas after each full checkpoint, digest, sync and rename included. Medians of all, with the
fastest and the slowest.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from smt_features import Bags
from smt_model import runtime
from smt_model.config import OPTIMIZERS, TrainConfig
from smt_model.origin import Origin
from smt_schemas import DatasetSchema, taobao

Batch = dict[str, Any]

DELTAS = 4
"""Written after each full checkpoint: a delta takes a few ms, which other processes easily double.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--touched", type=float, default=0.01)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--ev", action="store_true")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="adagrad")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        measure(Path(folder), arguments)


def measure(folder: Path, arguments: argparse.Namespace) -> None:
    runtime.start_tensorflow()
    from smt_model import checkpoint, delta
    from smt_model.assembly import assemble
    from smt_model.changes import Changes

    schema = resized(arguments.rows)
    config = TrainConfig(ev=arguments.ev, optimizer=arguments.optimizer)
    model, optimizer, step = assemble(config, schema, total_steps=2)
    ids = {column.name: np.arange(column.buckets) for column in schema.features}
    if arguments.ev:
        step([model.fuser(batch(schema, ids), 1)])
    rng = np.random.default_rng(0)
    origin = Origin(dataset="", hash={"name": "h", "seed": 0}, dataset_schema=schema)
    state = checkpoint.State(step=1, epoch=0, epoch_step=1, options={}, origin=origin)
    base = checkpoint.save(folder / "base", state, model, optimizer)
    changes = Changes(model, optimizer)
    changes.begin(base.step)
    some = {
        name: rng.choice(values, max(1, round(len(values) * arguments.touched)), replace=False)
        for name, values in ids.items()
    }
    fused = model.fuser(batch(schema, some), 2)
    step([fused])
    changes.add([fused])
    state = state.model_copy(update={"step": 2})
    of_delta = state.model_copy(update={"base": base})
    full, small = in_turn(
        folder,
        arguments.runs,
        (1, lambda path: checkpoint.save(path, state, model, optimizer)),
        (DELTAS, lambda path: delta.save(path, of_delta, model, optimizer, changes)),
    )
    kind = "keys" if arguments.ev else "rows"
    total, touched = (sum(map(len, chosen.values())) for chosen in (ids, some))
    print(f"{total:,} {kind}, {touched:,} of them updated; {arguments.optimizer}")
    for name, (size, seconds) in (("full", full), ("delta", small)):
        low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
        print(f"{name:5} {size / 1e6:8.2f} MB  {middle:.4f} s ({low:.4f} to {high:.4f})")
    bytes_share = small[0] / full[0]
    time_share = statistics.median(small[1]) / statistics.median(full[1])
    print(f"delta {bytes_share:8.2%} of the bytes, {time_share:.2%} of the time")


def resized(rows: int) -> DatasetSchema:
    """Return the Taobao schema with so many buckets: the users take what the others leave."""
    values = taobao().model_dump(exclude_none=True)
    others = sum(column.buckets for column in taobao().features if column.name != "user_id")
    for column in values["columns"]:
        if column["name"] == "user_id":
            column["hash_buckets"] = rows - others
    return DatasetSchema.model_validate(values)


def batch(schema: DatasetSchema, ids: dict[str, Any]) -> Batch:
    """Return one batch in which each of the given ids of each feature occurs."""
    rows = max(map(len, ids.values()))
    made: Batch = {label.name: np.zeros(rows, np.int8) for label in schema.labels}
    for column in schema.features:
        values = np.resize(ids[column.name], rows).astype(np.int32)
        for name, typed in ((column.name, values), (column.name + "_key", values.astype(np.int64))):
            lists = Bags(typed, np.ones(rows, np.int32), np.arange(rows + 1))
            made[name] = lists if column.is_list else typed
    return made


def in_turn(
    folder: Path, runs: int, *writers: tuple[int, Callable[[Path], object]]
) -> list[tuple[int, list[float]]]:
    """Return the bytes that each writer leaves, and the seconds it took each time.

    A writer comes with how often it writes in a run.
    """
    sizes, seconds = [0] * len(writers), [[0.0] * 0 for _ in writers]
    for run in range(runs):
        for number, (times, write) in enumerate(writers):
            for again in range(times):
                path = folder / f"{number}-{run}-{again}"
                start = time.perf_counter()
                write(path)
                seconds[number].append(time.perf_counter() - start)
                sizes[number] = sum(file.stat().st_size for file in path.iterdir())
    return list(zip(sizes, seconds, strict=True))


if __name__ == "__main__":
    main()
