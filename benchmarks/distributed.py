"""Measures training with workers and parameter servers on this machine, all in turn."""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from smt_bench.contenders import chosen
from smt_bench.logs import shards_of, synthetic
from smt_bench.processes import Command, Run, in_turn
from smt_bench.result import Figure, Report, Row, machine, ratios

SEED = 2021
CLUSTERS = {"1 process": (1, 0), "1 + 1": (1, 1), "2 + 1": (2, 1), "2 + 2": (2, 2)}
"""Workers and parameter servers."""
PRECISIONS = {"FP32": (), "BF16": ("--bf16",)}
RATIO = "times 1 process"
COLUMNS = {
    "accuracy": 4,
    "AUC": 4,
    "click AUC": 4,
    "steps/s": 1,
    "samples/s": 0,
    "memory MiB": 0,
    RATIO: 2,
}


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes
    ----------
    rows
        Synthetic rows.
    runs
        Jobs for each line of the table; each has a seed of its own.
    steps
        Of all workers together.
    batch_size
        Rows of a worker's step.
    initial_accumulator
        Adagrad's.
    only
        Names of lines; none for all.
    """

    rows: int = 1_000_000
    runs: int = 5
    steps: int = 500
    batch_size: int = 512
    initial_accumulator: float = 0.1
    only: Sequence[str] = ()


class Trial(NamedTuple):
    """A line of the table."""

    cluster: str
    precision: str

    def __str__(self) -> str:
        return f"{self.cluster} {self.precision}"


def distributed(options: Options, say: Callable[[str], None]) -> Report:
    """Train with each cluster, and tell `say` what is going on.

    Raises
    ------
    UsageError
        When there is no line of a name.
    FailedError
        When the log cannot be made or prepared.
    """
    known = {str(trial): trial for trial in _trials()}
    trials = [known[name] for name in chosen(options.only, known)]
    with tempfile.TemporaryDirectory() as folder:
        log = shards_of(synthetic(Path(folder), options.rows, say), say)

        def command(trial: Trial, turn: int) -> Command:
            return _command(options, log.shards, trial, turn)

        done, failed = in_turn(trials, command, options.runs, say, _rate)
    figures = {trial: _figures(runs, options.batch_size) for trial, runs in done.items()}
    _add_ratios(figures)
    rows = [
        Row(
            name=str(trial),
            settings={
                "data": log.name,
                "batch size": options.batch_size,
                "steps of all workers": options.steps,
            },
            figures=figures.get(trial, {}),
            failed=failed.get(trial),
        )
        for trial in trials
    ]
    return Report(command="distributed", machine=machine(), columns=COLUMNS, rows=rows)


def _trials() -> list[Trial]:
    return [Trial(cluster, precision) for precision in PRECISIONS for cluster in CLUSTERS]


def _command(options: Options, shards: Path, trial: Trial, turn: int) -> Command:
    workers, servers = CLUSTERS[trial.cluster]
    return Command(
        [
            *(sys.executable, "-P", "-m", "smt_bench.train_cluster", shards),
            *("--workers", workers, "--servers", servers),
            *("--steps", options.steps, "--batch-size", options.batch_size),
            *("--initial-accumulator", options.initial_accumulator, "--seed", SEED + turn),
            *PRECISIONS[trial.precision],
        ]
    )


def _rate(run: Run) -> str:
    return f"{json.loads(run.output)['rate']:.1f} steps/s"


def _figures(runs: list[Run], batch_size: int) -> dict[str, Figure]:
    printed = [json.loads(run.output) for run in runs]
    columns = {
        "accuracy": [line["accuracy"] for line in printed],
        "AUC": [line["auc"] for line in printed],
        "click AUC": [line["click_auc"] for line in printed],
        "steps/s": [line["rate"] for line in printed],
        "samples/s": [line["rate"] * batch_size for line in printed],
        "memory MiB": [line["peak_mib"] for line in printed],
    }
    return {name: Figure.of(values) for name, values in columns.items() if None not in values}


def _add_ratios(figures: dict[Trial, dict[str, Figure]]) -> None:
    """Add the ratios, turn by turn, to one process of the same precision."""
    for trial, found in figures.items():
        one = figures.get(trial._replace(cluster="1 process"))
        if one:
            found[RATIO] = ratios(found["steps/s"].runs, one["steps/s"].runs)
