"""Compares `smt prepare` with a bare Polars copy of the same CSV to Parquet.

    python benchmarks/prepare.py --rows 1000000 --runs 5

Both run as processes of their own, in turn.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from timing import in_turn

COPY = """
import sys, polars as pl
pl.scan_csv(sys.argv[1], has_header=False).sink_parquet(sys.argv[2], compression="zstd")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        _smt("synth", directory, "--rows", arguments.rows)
        size = sum(file.stat().st_size for file in directory.iterdir())
        things: dict[str, Callable[[], object]] = {
            "Polars copy": lambda: _python(
                "-c", COPY, directory / "taobao_*_data", directory / "copy.parquet"
            ),
            "smt prepare --no-statistics": lambda: _prepare(directory, "--no-statistics"),
            "smt prepare --format tfrecord": lambda: _prepare(directory, "--format", "tfrecord"),
            "smt prepare": lambda: _prepare(directory),
        }
        timings = in_turn(things, arguments.runs)
        shards = sum(file.stat().st_size for file in (directory / "shards").rglob("*.parquet"))
        print(f"{arguments.rows:,} rows, {size / 1e6:.0f} MB of CSV; median (fastest to slowest)")
        for name, timing in timings.items():
            ratio = timing.median / timings["Polars copy"].median
            print(f"{name:>30}  {timing}  {ratio:.2f} times the copy")
        print(f"Parquet shards: {shards / size:.1%} of the CSV's bytes")


def _prepare(directory: Path, *options: str) -> None:
    shutil.rmtree(directory / "shards", ignore_errors=True)
    _smt("prepare", directory, *options)


def _smt(*arguments: object) -> None:
    _python("-m", "smt_cli", *arguments)


def _python(*arguments: object) -> None:
    subprocess.run([sys.executable, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
