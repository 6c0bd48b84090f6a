"""Measures training in one process against what a user would pick instead, all in turn."""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from smt_bench.contenders import YARDSTICK, Contenders, UnavailableError
from smt_bench.logs import Log, real, shards_of, synthetic
from smt_bench.processes import Command, Run, in_turn, require_cores
from smt_bench.result import Figure, Report, Row, machine, ratios
from smt_model.report import Evaluation, evaluate_predictions
from smt_schemas import UsageError, taobao

BATCH = 512
BATCH_SIZES = (512, 4096)
SEED = 2021
STEPS_MULTIPLE = 5
"""Ours does so many in a call; a rest would be done by another graph, which takes time to build."""
RATIO = "times TF1"
COLUMNS = {
    "accuracy": 4,
    "AUC": 4,
    "click AUC": 4,
    "steps/s": 1,
    "samples/s": 0,
    "first step s": 1,
    "memory MiB": 0,
    RATIO: 2,
}


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes
    ----------
    data
        Folder that may hold real rows; None for synthetic ones alone.
    rows
        How many synthetic rows; 0 for real ones alone.
    runs
        Processes for each line of a table; each has a seed of its own.
    steps
        Steps of a batch of 512. With other batch sizes about as many rows are seen.
    batch_sizes
        Rows of a step.
    cores
        How many cores to run on; None for all.
    only
        Names of contenders; none for the usual ones.
    python37
        A Python 3.7 for TensorFlow 1.15.5.
    initial_accumulator
        Adagrad's, for all.
    evaluate
        Whether the test rows are predicted after the last step.
    """

    data: Path | None = None
    rows: int = 1_000_000
    runs: int = 5
    steps: int = 500
    batch_sizes: Sequence[int] = BATCH_SIZES
    cores: Sequence[int | None] = (None,)
    only: Sequence[str] = ()
    python37: Path | None = None
    initial_accumulator: float = 0.1
    evaluate: bool = True


class Trial(NamedTuple):
    """One line of a table."""

    log: Log
    batch_size: int
    cores: int | None
    name: str

    def __str__(self) -> str:
        where = "" if self.cores is None else f", cores: {self.cores}"
        return f"{self.name} on {self.log.name}, batch {self.batch_size:,}{where}"

    def settings(self, options: Options) -> dict[str, int | str]:
        """Return what the table of this line is about."""
        found: dict[str, int | str] = {
            "data": self.log.name,
            "batch size": self.batch_size,
            "steps": self.steps(options),
        }
        return found if self.cores is None else found | {"cores": self.cores}

    def steps(self, options: Options) -> int:
        """Return the steps in which about as many rows are seen as with batches of 512."""
        steps = round(options.steps * BATCH / self.batch_size / STEPS_MULTIPLE) * STEPS_MULTIPLE
        return max(steps, 2 * STEPS_MULTIPLE)


def standalone(options: Options, say: Callable[[str], None]) -> Report:
    """Train with every contender, and return what was measured.

    Raises
    ------
    UsageError
        When there is no contender of a name, no log, or there are fewer cores.
    FailedError
        When a log cannot be made or prepared.
    """
    require_cores(options.cores)
    contenders = Contenders(options.only, options.python37, say)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        logs = [shards_of(log, say) for log in _logs(options, work, say)]
        trials = [
            Trial(*parts)
            for parts in product(logs, options.batch_sizes, options.cores, contenders.names)
        ]
        commands, failed = {}, {}
        for trial in trials:
            try:
                commands[trial] = contenders.command(trial.name, trial.log)
            except UnavailableError as error:
                failed[trial] = str(error)
        # Before the first run: hours later it would be too late to install what is missing.
        for line in dict.fromkeys(f"{trial.name}: {why}" for trial, why in failed.items()):
            say(line)
        command = partial(_command, options, commands, work)
        runs, broken = in_turn(list(commands), command, options.runs, say, _rate)
        figures = {
            trial: _figures(
                trial, done, [_predictions(work, trial, n) for n in range(options.runs)]
            )
            for trial, done in runs.items()
        }
        failed |= broken
    _add_ratios(figures)
    rows = [
        Row(
            name=trial.name,
            settings=trial.settings(options),
            figures=figures.get(trial, {}),
            failed=failed.get(trial),
        )
        for trial in trials
    ]
    return Report(command="standalone", machine=machine(), columns=COLUMNS, rows=rows)


def _logs(options: Options, work: Path, say: Callable[[str], None]) -> list[Log]:
    found = [
        options.data and real(work, options.data),
        synthetic(work, options.rows, say) if options.rows else None,
    ]
    logs = [log for log in found if log]
    if not logs:
        msg = f"{options.data} holds no log, and --rows 0 asks for no synthetic one."
        raise UsageError(msg)
    return logs


def _command(
    options: Options, commands: dict[Trial, list[object]], work: Path, trial: Trial, turn: int
) -> Command:
    arguments: list[object] = [
        *("--steps", trial.steps(options), "--batch-size", trial.batch_size),
        *("--initial-accumulator", options.initial_accumulator, "--seed", SEED + turn),
    ]
    if options.evaluate:
        arguments += ["--predictions", _predictions(work, trial, turn)]
    return Command([*commands[trial], *arguments], cores=trial.cores)


def _predictions(work: Path, trial: Trial, turn: int) -> Path:
    return (
        work / f"{trial.log.shards.name} {trial.batch_size} {trial.cores} {trial.name} {turn}.npy"
    )


def _rate(run: Run) -> str:
    return f"{json.loads(run.output)['rate']:.1f} steps/s"


def _figures(trial: Trial, runs: list[Run], predictions: list[Path]) -> dict[str, Figure]:
    """Return the figures of a line; the metrics that are undefined are left out."""
    printed = [json.loads(run.output) for run in runs]
    rates = [line["rate"] for line in printed]
    first = [line["first_step_at"] - run.started for line, run in zip(printed, runs, strict=True)]
    found = {
        "steps/s": Figure.of(rates),
        "samples/s": Figure.of(rate * trial.batch_size for rate in rates),
        "first step s": Figure.of(first),
        "memory MiB": Figure.of(line["peak_mib"] for line in printed),
    }
    evaluations = [_evaluation(path) for path in predictions if path.exists()]
    metrics = {
        "accuracy": [evaluation.accuracy for evaluation in evaluations],
        "AUC": [evaluation.auc for evaluation in evaluations],
        "click AUC": [evaluation.tasks["ctr"].auc for evaluation in evaluations],
    }
    for name, values in metrics.items():
        defined = [value for value in values if value is not None]
        if defined:
            found[name] = Figure.of(defined)
    return found


def _evaluation(predictions: Path) -> Evaluation:
    labels, logits = np.load(predictions, allow_pickle=False)
    tasks = {task: labels[:, column].astype(np.int8) for column, task in enumerate(taobao().tasks)}
    return evaluate_predictions("test", 0, tasks, logits, None)


def _add_ratios(figures: dict[Trial, dict[str, Figure]]) -> None:
    """Add to each line the ratios, turn by turn, to the yardstick of its table."""
    for trial, found in figures.items():
        other = figures.get(trial._replace(name=YARDSTICK))
        if other:
            found[RATIO] = ratios(found["steps/s"].runs, other["steps/s"].runs)
