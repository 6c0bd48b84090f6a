"""Measures reading shards: rows a second on one core, for each reader and format.

    python benchmarks/read.py --rows 1250000 --batch-size 4096 --runs 5

Four fifths of the rows are the train split, which is read. The process binds itself to one core.
Readers take turns; each reads a whole epoch in a new order, and making the reader is part of the
time. One whose library is not installed is left out. Freed memory is kept, as docs/reading.md
advises, unless ``--let-go`` says otherwise.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from smt_features import Split, keep_freed_memory, open_shards

FORMATS = ("parquet", "tfrecord")
READERS = {"NumPy": "numpy", "TensorFlow": "tensorflow", "PyTorch": "torch"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_250_000)
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--let-go", action="store_true", help="do not keep freed memory")
    arguments = parser.parse_args()
    if not arguments.let_go:
        keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        smt("synth", folder, "--rows", arguments.rows)
        things: dict[str, Callable[[], object]] = {}
        for fmt in FORMATS:
            data = Path(folder) / fmt
            smt("prepare", folder, "--output", data, "--format", fmt, "--no-statistics")
            for reader, library in READERS.items():
                if find_spec(library):
                    split = open_shards(data)["train"]
                    epoch = partial(read, split, reader, arguments.batch_size, count())
                    things[f"{reader} from {fmt}"] = epoch
        bind_to_one_core()
        timings = in_turn(things, arguments.runs)
    print(f"{split.rows:,} rows in batches of {arguments.batch_size}, one core; median (range)")
    for name, seconds in timings.items():
        middle, low, high = statistics.median(seconds), min(seconds), max(seconds)
        rate = split.rows / middle
        print(f"{name:>24}  {middle:.2f} s ({low:.2f} to {high:.2f})  {rate:>9,.0f} rows/s")


def in_turn(things: Mapping[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Return the seconds of each thing, in this process, in turn, after one run to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in things}
    for turn in range(runs + 1):
        for name, thing in things.items():
            start = time.perf_counter()
            thing()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def bind_to_one_core() -> None:
    """Let this process and the threads it will start run on one core; Linux only."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def read(split: Split, reader: str, batch_size: int, epochs: Iterator[int]) -> None:
    open_reader = {
        "NumPy": split.batches,
        "TensorFlow": split.to_tensorflow,
        "PyTorch": split.to_torch,
    }[reader]
    rows = sum(len(batch["clk"]) for batch in open_reader(batch_size, epoch=next(epochs)))
    assert rows == split.rows


def smt(*arguments: object) -> None:
    command = [sys.executable, "-P", "-m", "smt_cli", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
