"""Compares `smt prepare` with other ways from the same CSV to model input.

    pip install -r benchmarks/requirements.txt
    python benchmarks/prepare.py --rows 1000000 --runs 5 [--data DIR] [--json]

Everything runs as a process of its own, in turn. The copy, Polars' CSV to Parquet, is the
yardstick. pandas and TensorFlow are slow, so they get the first rows only and are compared by
rows a second, their imports left out.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from timing import Command, Timing, bytes_below, in_turn, measure

COPY = """
import sys, polars as pl
pl.scan_csv(sys.argv[1], has_header=False).sink_parquet(sys.argv[2], compression="zstd")
"""
HERE = Path(__file__).parent
YARDSTICK = "Polars copy"
OTHERS = {"pandas + mmh3": "prepare_pandas.py", "tf.data from CSV": "prepare_tensorflow.py"}


def main() -> None:
    parser = argparse.ArgumentParser(description="`smt prepare` against other ways.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--data", type=Path, help="logs that `smt synth` made with --rows before")
    parser.add_argument("--other-rows", type=int, default=100_000, help="for pandas, TensorFlow")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of the commands printed")
    parser.add_argument("--cold", action="store_true", help="no run to warm up")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        data = arguments.data or work / "data"
        if not arguments.data:
            measure(_smt("synth", data, "--rows", arguments.rows))
        commands = _commands(data, work)
        if arguments.only:
            commands = {name: commands[name] for name in arguments.only}
        timings = in_turn(commands, arguments.runs, warm_up=not arguments.cold)
        report = {
            "rows": arguments.rows,
            "csv_bytes": bytes_below(data, "taobao_*_data"),
            "parquet_bytes": bytes_below(work / "shards", "*.parquet"),
            "timings": {name: _summary(timing) for name, timing in timings.items()},
            "rows_per_second": {name: arguments.rows / t.median for name, t in timings.items()},
        }
        if arguments.other_rows:
            report["rows_per_second"] |= _others(data, work, arguments.other_rows)
    print(json.dumps(report, indent=2) if arguments.json else _text(report, timings))


def _commands(data: Path, work: Path) -> dict[str, Command]:
    shards = work / "shards"

    def prepare(*options: str) -> Command:
        command = _smt("prepare", data, "--output", shards, *options)
        return Command(command.arguments, lambda: shutil.rmtree(shards, ignore_errors=True))

    copy = (sys.executable, "-c", COPY, data / "taobao_*_data", work / "copy.parquet")
    return {
        YARDSTICK: Command(copy),
        "smt prepare --no-statistics": prepare("--no-statistics"),
        "smt prepare --format tfrecord": prepare("--format", "tfrecord"),
        "smt prepare": prepare(),
    }


def _others(data: Path, work: Path, rows: int) -> dict[str, float]:
    found = {}
    for name, script in OTHERS.items():
        source = data / "taobao_train_data"
        run = measure(Command((sys.executable, HERE / script, source, rows, work / "pandas")))
        found[name] = rows / float(run.output)
    return found


def _smt(*arguments: object) -> Command:
    return Command((sys.executable, "-m", "smt_cli", *arguments))


def _summary(timing: Timing) -> dict[str, Any]:
    return {"median": timing.median, "seconds": timing.seconds, "peak_mib": timing.peak_mib}


def _text(report: dict[str, Any], timings: dict[str, Timing]) -> str:
    lines = [
        f"{report['rows']:,} rows, {report['csv_bytes'] / 1e6:,.0f} MB of CSV; median (fastest to "
        "slowest), peak memory"
    ]
    for name, timing in timings.items():
        ratio = ""
        if YARDSTICK in timings:
            ratio = f"  {timing.median / timings[YARDSTICK].median:.2f} times the copy"
        lines.append(f"{name:>30}  {timing}{ratio}")
    lines += [f"{name:>30}  {rate:>9,.0f} rows/s" for name, rate in _rates(report).items()]
    if report["parquet_bytes"]:
        share = report["parquet_bytes"] / report["csv_bytes"]
        lines.append(f"Parquet shards: {share:.1%} of the CSV's bytes")
    return "\n".join(lines)


def _rates(report: dict[str, Any]) -> dict[str, float]:
    rates: dict[str, float] = report["rows_per_second"]
    return rates


if __name__ == "__main__":
    main()
