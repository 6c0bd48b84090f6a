"""Measures training from shards: steps a second, for each precision and batch size.

    python benchmarks/train.py DATA [--batch-size 512 4096] [--runs 5] [--json]

Every run is a process of its own (`smt train` through its Python API), so that thread pools
and memory are fresh; precisions and sizes take turns, so that a slow minute hits all of them.
The rate is that of the steps after the first hundred, input included. Times are wall time.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WARM_UP = 100


def main() -> None:
    parser = argparse.ArgumentParser(description="Steps a second of training from shards.")
    parser.add_argument("data", help="shards folder, or the data folder")
    parser.add_argument("--batch-size", type=int, nargs="+", default=[512, 4096])
    parser.add_argument("--optimizer", nargs="+", default=["adagrad"])
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--seconds", type=float, default=5.0, help="about, of each run")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.data, arguments.seconds, **json.loads(arguments.one))))
        return
    cases = [
        {"batch_size": size, "optimizer": optimizer, "bf16": precision == "bf16"}
        for size in arguments.batch_size
        for optimizer in arguments.optimizer
        for precision in arguments.precision
    ]
    found: list[list[dict[str, float]]] = [[] for _ in cases]
    for _ in range(arguments.runs):
        for case, results in zip(cases, found, strict=True):
            results.append(in_process(arguments.data, arguments.seconds, case))
    report = [case | summary(results) for case, results in zip(cases, found, strict=True)]
    if arguments.json:
        print(json.dumps(report, indent=2))
        return
    for row in report:
        precision = "bf16" if row["bf16"] else "fp32"
        low, high = row["range"]
        print(
            f"batch {row['batch_size']:>5} {row['optimizer']:<16}{precision}  "
            f"{row['steps_per_second']:7.1f} steps/s ({low:.1f} to {high:.1f})  "
            f"{row['samples_per_second']:>9,.0f} samples/s  first step after "
            f"{row['first_step_seconds']:.1f} s  {row['peak_mib']:,.0f} MiB"
        )


def in_process(data: str, seconds: float, case: dict[str, Any]) -> dict[str, float]:
    command = [sys.executable, __file__, data, "--seconds", str(seconds), "--one", json.dumps(case)]
    started = time.time()
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result: dict[str, float] = json.loads(text)
    result["first_step_seconds"] = result.pop("first_step_at") - started
    return result


def measure(data: str, seconds: float, **options: Any) -> dict[str, float]:
    """Train for about so many seconds in this process."""
    import resource

    from smt_model import runtime

    runtime.start_tensorflow()
    from smt_features import open_shards
    from smt_model.config import TrainConfig
    from smt_model.run_directory import RunDirectory
    from smt_model.trainer import Trainer

    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(data_location=data, steps=10**9, **options)
        trainer = Trainer(config, open_shards(data), RunDirectory(Path(folder)))
        ticks: list[tuple[int, float]] = []
        with trainer.batches(trainer.total) as batches:
            ready = iter(batches)
            while not ticks or time.time() < ticks[0][1] + seconds:
                trainer.advance(ready)
                ticks.append((trainer.step, time.time()))
    warm = next((tick for tick in ticks if tick[0] >= WARM_UP), ticks[0])
    rate = (ticks[-1][0] - warm[0]) / (ticks[-1][1] - warm[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "rate": rate,
        "first_step_at": ticks[0][1],
        "peak_mib": peak,
        "samples": rate * config.batch_size,
    }


def summary(results: list[dict[str, float]]) -> dict[str, Any]:
    rates = [result["rate"] for result in results]
    return {
        "steps_per_second": statistics.median(rates),
        "range": [min(rates), max(rates)],
        "samples_per_second": statistics.median(result["samples"] for result in results),
        "first_step_seconds": statistics.median(r["first_step_seconds"] for r in results),
        "peak_mib": max(result["peak_mib"] for result in results),
    }


if __name__ == "__main__":
    main()
