"""Compares our parameter servers with ``tf.distribute.ParameterServerStrategy``.

    python benchmarks/strategy.py DATA [--workers 2] [--servers 2] [--steps 1000] [--turns 2]
    python benchmarks/strategy.py DATA --workers 2 --steps 600 --kill worker

In turn, each as processes of its own on loopback: `smt train --workqueue`, and the same model,
batches and Adagrad on the strategy. There, a closure is a shard; its batches come from the Python
of the process that is the worker's server, so the shards may be Parquet. As root, they get a
network namespace of their own. With --kill, a process is killed after 100 steps, and what became
of the others is told after a minute at most.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

# As `smt train` does; see smt_model.runtime.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"

import tensorflow as tf

from smt_bench.scaling import (
    BATCH,
    UNITS,
    Processes,
    in_own_network,
    launched,
    snapshot,
    steady,
    train_command,
)
from smt_features import open_shards
from smt_model.config import TrainConfig
from smt_model.embedding import part_name
from smt_model.fuser import Fuser
from smt_model.initial import glorot_uniform, truncated_normal
from smt_model.layout import fused_tables
from smt_model.work_queue import Work

OURS = "smt train"
PATIENCE = 60
"""Seconds in which processes end of which one was killed."""
READER = "pyfunc_0"
"""What a process calls the first Python function that a graph in it holds."""
PARTS = ["int32", "int32", "float32", "float32"]
"""Dtypes of rows, positions, weights and labels."""


class Data:
    """The batches of the training split, shard by shard."""

    def __init__(self, folder: Path) -> None:
        dataset = open_shards(folder)
        (self.layout,) = fused_tables(dataset.schema.features)
        self.tasks = dataset.schema.tasks
        config = TrainConfig(data_location=str(folder), batch_size=BATCH)
        self.seed = config.seed
        self.work = Work(dataset["train"], config)
        self._fuser = Fuser([self.layout], list(self.tasks.values()))

    def batches(self, piece: int) -> Iterator[tuple[Any, ...]]:
        """Yield rows, positions, weights and labels of the batches of a shard."""
        for batch in map(self._fuser, self.work.read(piece, 0)):
            yield (*batch.tables[0][:3], batch.labels)


def slicing(servers: int) -> Callable[..., list[int]]:
    """Return what slices variables as `smt train` does by default."""

    def slices(shape: tf.TensorShape, dtype: tf.DType) -> list[int]:
        least = (8 << 20) if shape.rank == 2 else (16 << 10)  # a table, or the dense values
        minimum = tf.distribute.experimental.partitioners.MinSizePartitioner
        found: list[int] = minimum(least, max_shards=servers)(shape, dtype)
        return found

    return slices


def serve(data: Data, config: Any) -> None:
    """Be a worker or a parameter server until killed."""
    reading: dict[int, Iterator[Any]] = {}

    def read(piece: Any, position: Any) -> tuple[Any, ...]:
        if position == 0:
            reading.clear()  # a worker has one closure at a time
            reading[int(piece)] = data.batches(int(piece))
        return next(reading[int(piece)])

    with tf.Graph().as_default():
        (*_, held) = tf.numpy_function(read, [tf.constant(0), tf.constant(0)], PARTS)
        assert held.op.get_attr("token") == READER.encode()
    task = config["task"]
    cluster = tf.train.ClusterSpec(config["cluster"])
    tf.distribute.Server(cluster, job_name=task["type"], task_index=task["index"]).join()


class Chief:
    """The model on a strategy; tables and dense values come with their Adagrad accumulators."""

    def __init__(self, data: Data, strategy: Any) -> None:
        self._bags = data.layout.bags
        self._tasks = len(data.tasks)
        table = [
            truncated_normal((b.rows, data.layout.dim), part_name(b.name), data.seed, b.deviation)
            for b in data.layout.blocks
        ]
        dense = []
        for task in data.tasks:
            for layer, shape in enumerate(pairwise(UNITS)):
                dense += [glorot_uniform(shape, f"tower/{task}/{layer}/kernel", data.seed)]
                dense += [tf.zeros(shape[1:])]
        self._shapes = [value.shape for value in dense]
        flat = tf.concat([tf.reshape(value, [-1]) for value in dense], axis=0)
        with strategy.scope():
            self.table, self.dense = (
                [slices_of(tf.Variable(v)) for v in (first, tf.fill(first.shape, 0.1))]
                for first in (tf.concat(table, axis=0), flat)
            )
            self.step = tf.Variable(0, dtype=tf.int64)
        rows = [int(part.shape[0]) for part in self.table[0]]
        self._starts = np.cumsum([0, *rows[:-1]]).astype(np.int32)
        self.train = tf.function(
            self._train, [tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.int32)]
        )

    def _train(self, piece: Any, batches: Any) -> None:
        """Train on a shard; runs on a worker."""
        names = tf.data.Dataset.range(tf.cast(batches, tf.int64), output_type=tf.int32)
        made = names.map(
            lambda position: tuple(
                tf.ensure_shape(part, shape)
                for part, shape in zip(
                    tf.raw_ops.PyFunc(input=[piece, position], token=READER, Tout=PARTS),
                    ([None], [None, 2], [None], [None, self._tasks]),
                    strict=True,
                )
            )
        )
        iterator = iter(made.prefetch(8))
        for _ in tf.range(batches):
            self.update(*next(iterator))

    def update(self, rows: Any, positions: Any, weights: Any, labels: Any) -> None:
        """Train on a batch."""
        slice_of = tf.searchsorted(self._starts, rows, side="right") - 1
        count = len(self._starts)
        local = tf.dynamic_partition(rows - tf.gather(self._starts, slice_of), slice_of, count)
        places = tf.dynamic_partition(tf.range(tf.size(rows)), slice_of, count)
        found = [v.sparse_read(own) for v, own in zip(self.table[0], local, strict=True)]
        vectors = tf.dynamic_stitch(places, found)
        flat = tf.concat([part.read_value() for part in self.dense[0]], axis=0)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([vectors, flat])
            logits = self._logits(vectors, positions, weights, flat, tf.shape(labels)[0])
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))
        sparse, dense = tape.gradient(loss, [vectors, flat])
        rule = {"lr": 0.1, "epsilon": 0.0}
        parts = tf.split(dense, [int(part.shape[0]) for part in self.dense[0]])
        for held, slot, gradient in zip(*self.dense, parts, strict=True):
            tf.raw_ops.ResourceApplyAdagradV2(
                var=held.handle, accum=slot.handle, grad=gradient, **rule
            )
        for held, slot, own, place in zip(*self.table, local, places, strict=True):
            tf.raw_ops.ResourceSparseApplyAdagradV2(
                var=held.handle,
                accum=slot.handle,
                grad=tf.gather(sparse, place),
                indices=own,
                **rule,
            )
        self.step.assign_add(1)

    def _logits(self, vectors: Any, positions: Any, weights: Any, flat: Any, examples: Any) -> Any:
        pooled = tf.raw_ops.SparseTensorDenseMatMul(
            a_indices=positions,
            a_values=weights,
            a_shape=tf.cast([examples * self._bags, tf.shape(vectors)[0]], tf.int64),
            b=vectors,
        )
        values = tf.split(flat, [shape.num_elements() for shape in self._shapes])
        dense = iter([tf.reshape(v, s) for v, s in zip(values, self._shapes, strict=True)])
        logits = []
        for _ in range(self._tasks):
            hidden = tf.reshape(pooled, [-1, UNITS[0]])
            for units in UNITS[1:]:
                hidden = tf.nn.bias_add(tf.matmul(hidden, next(dense)), next(dense))
                hidden = hidden if units == 1 else tf.nn.relu(hidden)
            logits.append(hidden)
        return tf.concat(logits, axis=1)


def slices_of(variable: Any) -> list[Any]:
    return list(getattr(variable, "variables", [variable]))


def coordinate(data: Data, config: Any, run: Path, steps: int) -> None:
    """Train, and report the step as `smt train` does."""
    strategy = tf.distribute.ParameterServerStrategy(
        tf.distribute.cluster_resolver.TFConfigClusterResolver(),
        variable_partitioner=slicing(len(config["cluster"]["ps"])),
    )
    chief = Chief(data, strategy)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    for piece in range(data.work.pieces_until(steps)):
        batches = data.work.batches_of(piece)
        coordinator.schedule(chief.train, args=(tf.constant(piece), tf.constant(batches)))
    run.mkdir()
    with (run / "metrics.jsonl").open("w", buffering=1) as log:

        def report() -> None:
            log.write(json.dumps({"step": int(chief.step.numpy())}) + "\n")

        while not coordinator.done():
            time.sleep(0.2)
            report()
        coordinator.join()
        report()
    os._exit(0)  # TensorFlow's threads are still connected


def job(options: argparse.Namespace, name: str, run: Path) -> Processes:
    """Start the processes of a job."""
    roles = {"worker": options.workers, "ps": options.servers}
    if name == OURS:
        return launched(train_command(options.data, options.steps, run, "--workqueue"), roles)
    return launched([sys.executable, *sys.argv, f"--run={run}"], {"chief": 1, **roles})


def cost(options: argparse.Namespace, processes: Processes, run: Path) -> str:
    """Return what a step takes."""
    found = steady(processes, run, options.steps)
    cpu = " ".join(f"{role} {seconds * 1e3:.1f}" for role, seconds in found.cpu.items())
    return f"{found.rate:6.1f} steps/s  CPU ms {cpu}  {found.wire / 1e6:.2f} MB"


def fate(options: argparse.Namespace, processes: Processes, run: Path) -> str:
    """Kill a process; return what became of the others."""
    killed_at = snapshot(processes, run, 100).step
    others = list(processes)  # the chief is the first; ours is the first worker
    is_victim = [role == options.kill for role, _ in others]
    number = 0 if options.kill == "chief" else len(others) - 1 - is_victim[::-1].index(True)
    others.pop(number)[1].kill()
    begun, ended = time.monotonic(), []
    while others and time.monotonic() - begun < PATIENCE:
        for role, process in list(others):
            if process.poll() is not None:
                others.remove((role, process))
                seconds = time.monotonic() - begun
                ended.append(f"{role} after {seconds:.1f} s with {process.returncode}")
        time.sleep(0.05)
    steps = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["step"]
    running = ", ".join(role for role, _ in others) or "none"
    return (
        f"killed a {options.kill} at step {killed_at}; last step reported {steps}\n"
        f"  ended: {', '.join(ended) or 'none'}; running after {PATIENCE} s: {running}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    for name, value in {"workers": 1, "servers": 1, "steps": 1000, "turns": 2}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--kill", choices=["chief", "worker", "ps"])
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if "TF_CONFIG" in os.environ:
        config, data = json.loads(os.environ["TF_CONFIG"]), Data(options.data)
        if config["task"]["type"] == "chief":
            coordinate(data, config, options.run, options.steps)
        serve(data, config)
    in_own_network()
    for _ in range(options.turns):
        for name in (OURS, "ParameterServerStrategy"):
            with tempfile.TemporaryDirectory() as folder:
                run = Path(folder) / "run"
                processes = job(options, name, run)
                try:
                    found = (fate if options.kill else cost)(options, processes, run)
                finally:
                    for _, process in processes:
                        process.kill()
                        process.wait()
            print(f"{name:<24} {found}", flush=True)


if __name__ == "__main__":
    main()
