"""Measures training against TensorFlow 1.15.5, PyTorch and Keras, all in turn.

    python benchmarks/train.py DATA [--runs 5] [--seconds 3] [--only NAME …] [--json]

DATA holds a raw log and, in `shards`, what `smt prepare` made of it. Every run is a process of
its own, so that thread pools and memory are fresh. The rate is that of the steps after the first
fifty, input included: ours, PyTorch and Keras read the shards, TensorFlow 1.15.5 the raw log. A
ratio is the median of the ratios within each turn. Baselines that cannot run here are named.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from timing import Command, Timing, in_turn

from smt_features import open_shards

HERE = Path(__file__).parent
BATCH = 512
LARGE = 4096
OURS: dict[str, list[str]] = {
    "adagrad": [],
    "adagrad, async": ["--options", '{"async_embedding": true}'],
    "adagrad, from memory": ["--from-memory"],
    "adagrad, bf16": ["--options", '{"bf16": true}'],
    "adam": ["--options", '{"optimizer": "adam"}'],
    "adamasync": ["--options", '{"optimizer": "adamasync"}'],
    "adagrad, 4096": ["--options", json.dumps({"batch_size": LARGE})],
}
TENSORFLOW1 = {
    "TF 1.15.5 adagrad": [],
    "TF 1.15.5 adam": ["--optimizer", "adam"],
    "TF 1.15.5 adagrad, 4096": ["--batch-size", str(LARGE)],
}


class Ratio(NamedTuple):
    """What is compared with what, and what is asked of it."""

    ours: str
    other: str
    required: float | None
    moonshot: float | None


RATIOS = (
    Ratio("adagrad", "TF 1.15.5 adagrad", 2.6, 3.2),
    Ratio("adagrad, async", "TF 1.15.5 adagrad", 3.1, 3.6),
    Ratio("adagrad", "PyTorch adagrad", 1.4, 1.8),
    Ratio("adam", "TF 1.15.5 adam", 7, 10),
    Ratio("adamasync", "TF 1.15.5 adam", 7, 10),
    Ratio("adagrad, 4096", "TF 1.15.5 adagrad, 4096", 2.5, 3.5),
    Ratio("adagrad", "adagrad, from memory", 0.95, 1.0),
    Ratio("adagrad, bf16", "adagrad", 0.9, None),
    Ratio("adagrad", "Keras adagrad", None, None),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="folder with a raw log and its shards")
    parser.add_argument("--seconds", type=float, default=3.0, help="counted in each run")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="rows of the table")
    parser.add_argument("--python37", help="a Python with TensorFlow 1.15.5; else looked for")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    commands, missing = found_commands(arguments)
    if arguments.only:
        commands = {name: commands[name] for name in arguments.only}
    timings = in_turn(commands, arguments.runs, warm_up=False)
    rows = {name: figures(timing) for name, timing in timings.items()}
    ratios = [compared(ratio, rows) for ratio in RATIOS if {ratio.ours, ratio.other} <= set(rows)]
    if arguments.json:
        print(json.dumps({"rows": rows, "ratios": ratios, "missing": missing}, indent=2))
    else:
        show(rows, ratios, missing)


def found_commands(arguments: argparse.Namespace) -> tuple[dict[str, Command], list[str]]:
    """Return what can run here, by name, and a line for each baseline that cannot."""
    seconds = ["--seconds", arguments.seconds]
    commands, missing = {}, []
    python37 = next(tensorflow1_pythons(arguments.python37), None)
    if python37:
        log = arguments.data / open_shards(arguments.data).schema.splits["train"]
        script = HERE / "baseline_tensorflow1.py"
        for name, options in TENSORFLOW1.items():
            commands[name] = Command([python37, script, log, *options, *seconds])
    else:
        missing.append("TF 1.15.5: no Python 3.7 that imports it; give one with --python37")
    for library in ("torch", "keras"):
        name = {"torch": "PyTorch", "keras": "Keras"}[library]
        if find_spec(library) is None:
            missing.append(f"{name}: not installed here; pip install {library}")
            continue
        script = HERE / f"baseline_{library}.py"
        commands[f"{name} adagrad"] = Command([sys.executable, script, arguments.data, *seconds])
    for name, options in OURS.items():
        script = HERE / "train_ours.py"
        commands[name] = Command([sys.executable, script, arguments.data, *options, *seconds])
    return commands, missing


def tensorflow1_pythons(given: str | None) -> Iterator[str]:
    """Yield the Pythons 3.7 that have TensorFlow 1."""
    installed = (Path.home() / ".pyenv" / "versions").glob("3.7*/bin/python3.7")
    candidates = [given] if given else [shutil.which("python3.7"), *map(str, installed)]
    for python in filter(None, candidates):
        probe = [python, "-c", "import tensorflow; assert tensorflow.__version__[:2] == '1.'"]
        if subprocess.run(probe, check=False, capture_output=True).returncode == 0:
            yield python


def figures(timing: Timing) -> dict[str, Any]:
    """Return what the runs of one row printed and used."""
    printed = [json.loads(run.output) for run in timing.runs]
    rates = [line["rate"] for line in printed]
    started = zip(printed, timing.runs, strict=True)
    return {
        "steps_per_second": statistics.median(rates),
        "rates": rates,
        "first_step_seconds": statistics.median(
            line["first_step_at"] - run.started for line, run in started
        ),
        "peak_mib": timing.peak_mib,
    }


def compared(ratio: Ratio, rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    pairs = zip(rows[ratio.ours]["rates"], rows[ratio.other]["rates"], strict=True)
    ratios = [ours / other for ours, other in pairs]
    return {**ratio._asdict(), "ratio": statistics.median(ratios), "ratios": ratios}


def show(rows: dict[str, dict[str, Any]], ratios: list[dict[str, Any]], missing: list[str]) -> None:
    """Print both tables as Markdown."""
    print("| | steps/s | samples/s | first step after | peak memory |")
    print("| --- | --- | --- | --- | --- |")
    for name, row in rows.items():
        rate, size = row["steps_per_second"], LARGE if str(LARGE) in name else BATCH
        print(
            f"| {name} | {rate:.1f} ({min(row['rates']):.1f} to {max(row['rates']):.1f}) "
            f"| {rate * size:,.0f} | {row['first_step_seconds']:.1f} s "
            f"| {row['peak_mib']:,.0f} MiB |"
        )
    for line in missing:
        print(f"| {line} | | | | |")
    print("\n| ratio | median (range) | required | moonshot |\n| --- | --- | --- | --- |")
    for row in ratios:
        low, high = min(row["ratios"]), max(row["ratios"])
        asked = " | ".join(str(row[name] or "none") for name in ("required", "moonshot"))
        print(
            f"| {row['ours']} against {row['other']} "
            f"| {row['ratio']:.2f} ({low:.2f} to {high:.2f}) | {asked} |"
        )


if __name__ == "__main__":
    main()
