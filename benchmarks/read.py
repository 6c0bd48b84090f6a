"""Measures reading shards: rows a second on one core, for each reader and format.

    python benchmarks/read.py --rows 1250000 --batch-size 4096 --runs 5

Four fifths of the rows are the train split, which is read. Each line of the result is a process of
its own, bound to one core, as a program that reads with one library; they take turns. A run is a
whole epoch in a new order, and making the reader is part of its time; the first epoch of a process
does not count. TensorFlow reads twice: in a loop of Python, and in its graph, as a training step in
a ``tf.function`` does. A line whose library is not installed is left out. Freed memory is kept, as
docs/reading.md advises, unless ``--let-go`` says otherwise.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

from smt_features import Split, keep_freed_memory, open_shards

FORMATS = ("parquet", "tfrecord")


def numpy_rows(split: Split, batch_size: int, epoch: int) -> int:
    """Read an epoch with NumPy, and return its rows."""
    return sum(len(batch["clk"]) for batch in split.batches(batch_size, epoch=epoch))


def tensorflow_rows(split: Split, batch_size: int, epoch: int) -> int:
    """Read an epoch with TensorFlow in a loop of Python, and return its rows."""
    return sum(len(batch["clk"]) for batch in split.to_tensorflow(batch_size, epoch=epoch))


def graph_rows(split: Split, batch_size: int, epoch: int) -> int:
    """Read an epoch with TensorFlow in its graph, and return its rows."""
    import tensorflow as tf

    batches = split.to_tensorflow(batch_size, epoch=epoch)
    return int(batches.reduce(0, lambda rows, batch: rows + tf.size(batch["clk"])))


def torch_rows(split: Split, batch_size: int, epoch: int) -> int:
    """Read an epoch with PyTorch, and return its rows."""
    return sum(len(batch["clk"]) for batch in split.to_torch(batch_size, epoch=epoch))


READERS: dict[str, tuple[str, Callable[[Split, int, int], int]]] = {
    "NumPy": ("numpy", numpy_rows),
    "TensorFlow": ("tensorflow", tensorflow_rows),
    "TensorFlow in a graph": ("tensorflow", graph_rows),
    "PyTorch": ("torch", torch_rows),
}
"""Line to the library that it needs, and what reads."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_250_000)
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--let-go", action="store_true", help="do not keep freed memory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as processes:
        smt("synth", folder, "--rows", arguments.rows)
        things: dict[str, Callable[[int], float]] = {}
        for fmt in FORMATS:
            data = Path(folder) / fmt
            smt("prepare", folder, "--output", data, "--format", fmt, "--no-statistics")
            for reader, (library, _) in READERS.items():
                if find_spec(library):
                    process = ProcessPoolExecutor(
                        1, get_context("spawn"), begin, (arguments.let_go,)
                    )
                    processes.enter_context(process)
                    epoch = partial(timed, process, reader, data, arguments.batch_size)
                    things[f"{reader} from {fmt}"] = epoch
        timings = in_turn(things, arguments.runs)
        rows = open_shards(data)["train"].rows
    print(f"{rows:,} rows in batches of {arguments.batch_size}, one core; median (range)")
    for name, seconds in timings.items():
        middle, low, high = statistics.median(seconds), min(seconds), max(seconds)
        rate = rows / middle
        print(f"{name:>35}  {middle:.2f} s ({low:.2f} to {high:.2f})  {rate:>9,.0f} rows/s")


def in_turn(things: Mapping[str, Callable[[int], float]], runs: int) -> dict[str, list[float]]:
    """Return the seconds of some epochs of each thing, in turn, after one to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in things}
    for epoch in range(runs + 1):
        for name, thing in things.items():
            taken = thing(epoch)
            if epoch:
                seconds[name].append(taken)
    return seconds


def timed(
    process: ProcessPoolExecutor, reader: str, data: Path, batch_size: int, epoch: int
) -> float:
    """Let a process read an epoch, and return its seconds."""
    return process.submit(seconds_of, reader, data, batch_size, epoch).result()


def seconds_of(reader: str, data: Path, batch_size: int, epoch: int) -> float:
    """Read an epoch and return the seconds."""
    split, read = open_shards(data)["train"], READERS[reader][1]
    start = time.perf_counter()
    rows = read(split, batch_size, epoch)
    seconds = time.perf_counter() - start
    assert rows == split.rows
    return seconds


def begin(let_go: bool) -> None:
    """Make a process ready: on one core, with the threads that it will start; Linux only."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if not let_go:
        keep_freed_memory()


def smt(*arguments: object) -> None:
    command = [sys.executable, "-P", "-m", "smt_cli", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
