"""Trains a model, from the options to the metrics, and goes on with a run that was stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from smt_features import open_shards
from smt_features.lock import locked
from smt_model.bf16 import uses_native
from smt_model.checkpoint import Pending
from smt_model.config import DEFAULT_EPOCHS, TrainConfig
from smt_model.early_stopping import EarlyStopping
from smt_model.effect import require_effect
from smt_model.evaluation import Evaluator
from smt_model.forecast import Forecast
from smt_model.interruption import Interruption, StopRequestedError
from smt_model.model import MultiTaskModel
from smt_model.origin import Origin
from smt_model.progress import TrainingProgress, tell
from smt_model.recorder import Recorder
from smt_model.report import Evaluation
from smt_model.resume import Start, find_start
from smt_model.run_directory import RunDirectory, new_run
from smt_model.statistic_steps import StatisticSteps
from smt_model.task_weight import task_weights
from smt_model.trainer import TRAIN, Trainer
from smt_model.warm_start import go_on_from, start_from
from smt_schemas import UserError

if TYPE_CHECKING:
    from smt_features import Dataset

TEST = "test"


def train(
    config: TrainConfig, resume: Path | None = None
) -> tuple[RunDirectory, Evaluation | None]:
    """Train as configured, save, and evaluate unless the configuration says otherwise.

    A run directory that already holds a run with the same options is gone on with from its
    newest sound checkpoint; one that is finished is left as it is.

    Parameters
    ----------
    config
        The options.
    resume
        The directory of a run to go on with; None for what the options say.

    Returns
    -------
    tuple of RunDirectory, and Evaluation or None
        The metrics are those of the last step, or of the best evaluation with early stopping.

    Raises
    ------
    UsageError
        When options make no sense together, or one would change nothing.
    UserError
        When the data cannot be read or lacks a split, the directory holds another run, the
        loss is not finite, or a file cannot be written.
    StopRequestedError
        When SIGTERM or SIGINT came; the run is saved then.
    """
    dataset = open_dataset(config)
    config = config.with_options_of(dataset.schema)
    statistics = StatisticSteps.of()
    given = Path(config.checkpoint) if config.checkpoint else None
    path = resume or given or new_run(Path(config.output_dir))
    require_effect(config, path)
    with locked(path, "--checkpoint"):
        run = RunDirectory(path)
        start = find_start(run, config, Origin.of(dataset), tell)
        run.write_config(config)
        trainer = Trainer(config, dataset, run, native_bf16(config, start))
        begin(trainer, config, dataset, run, start)
        return run, Training(config, dataset, run, trainer, start, statistics).finish()


def begin(
    trainer: Trainer,
    config: TrainConfig,
    dataset: "Dataset",
    run: RunDirectory,
    start: Start | None,
) -> None:
    """Bring a run to where it goes on, or starts.

    Raises
    ------
    UserError
        When the checkpoint, or the run to start from, cannot be read.
    """
    if start:
        trainer.restore(start)
    if config.init_from and start:
        go_on_from(trainer.model, run)
    elif config.init_from:
        start_from(Path(config.init_from), trainer.model, dataset, run)


def open_dataset(config: TrainConfig) -> "Dataset":
    """Open the data of a run.

    Raises
    ------
    UserError
        When it cannot be read, or lacks something that the options name.
    """
    dataset = open_shards(config.data_location)
    if not dataset.schema.tasks:
        msg = f"The schema of {config.data_location} has no label, so there is nothing to learn."
        raise UserError(msg)
    dataset[TRAIN]
    if config.evaluate and TEST not in dataset.splits:
        msg = f"{config.data_location} has no split {TEST!r} to evaluate on. Give --no-eval."
        raise UserError(msg)
    _require_metric(config, dataset)
    task_weights(config.task_weight, dataset.schema.tasks)
    return dataset


def native_bf16(config: TrainConfig, start: Start | None) -> bool | None:
    """Return whether a run uses BF16 kernels, as it began or as is faster; None without BF16."""
    recorded = start.state.bf16_native if start else None
    return uses_native(recorded, tell) if config.bf16 else None


class Training:
    """A run from some step on.

    Parameters
    ----------
    config, dataset, run, trainer
        The options, the data, the directory and the state of the run.
    start
        Where it goes on; None for the beginning.
    statistics
        Measures between two steps, if that is asked for.
    interruption
        Takes in signals.
    agree
        Makes of this process's wish to end the run, by early stopping, what all processes do.
    evaluator
        Evaluates; None for one of the trainer's model.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: "Dataset",
        run: RunDirectory,
        trainer: Trainer,
        start: Start | None,
        statistics: StatisticSteps | None,
        *,
        interruption: Interruption | None = None,
        agree: Callable[[bool], bool] = bool,
        evaluator: Evaluator | None = None,
    ) -> None:
        self._config = config
        self._dataset = dataset
        self._run = run
        self._trainer = trainer
        self._restored = start.names if start else None
        self._recorder = Recorder(
            run,
            list(dataset.schema.tasks),
            self._trainer.step,
            self._trainer.samples,
            start.state.pending if start else Pending(),
        )
        evaluations = run.metrics.evaluations()
        self._latest = evaluations[-1] if evaluations else None
        self._stopping = EarlyStopping.of(config, evaluations, run.kept_steps)
        self._evaluator = evaluator or Evaluator(self._trainer.model)
        self._interruption = interruption or Interruption()
        self._agree = agree
        self._stopped = self._wants_to_stop
        asked = config.steps or config.epochs
        self._measures = [None if asked else Forecast(self._trainer.total), statistics]

    def finish(self) -> Evaluation | None:
        """Train the steps that are left and return the metrics of the run."""
        trainer = self._trainer
        with TrainingProgress(trainer.total, trainer.step) as progress, self._interruption:
            progress.say(self._introduction())
            if shared := shared_buckets(trainer.model):
                progress.say(shared)
            try:
                self._loop(progress)
            except StopRequestedError:
                if not trainer.is_saved:
                    self._save()
                progress.say(f"Saved at step {trainer.step:,}. Go on: {self._command()}")
                raise
            if self._stopping and self._stopped:
                progress.say(f"Stopped early: {self._stopping.describe()}")
        return self._stopping.best if self._stopping else self._evaluation_of(trainer.step)

    def _loop(self, progress: TrainingProgress) -> None:
        trainer, recorder = self._trainer, self._recorder
        if trainer.is_saved:  # the process before may have ended between the two
            self._evaluate(progress)
        self._stopped = self._agree(self._wants_to_stop)
        builds = True
        while self._goes_on():
            stop = trainer.pause
            with trainer.batches(stop) as batches:
                ready = iter(batches)
                while trainer.step < stop and self._goes_on():
                    recorder.add(trainer.advance(ready))
                    if builds and not trainer.reports_now:
                        # The first call builds the graph, which says nothing of the rate.
                        recorder.time_from(trainer.step, trainer.samples)
                    builds = False
                    progress.advance(trainer.step)
                    self._react(progress)
                    if trainer.can_save:
                        self._interruption.check()

    def _react(self, progress: TrainingProgress) -> None:
        """Do what is due after some steps."""
        trainer, recorder = self._trainer, self._recorder
        for measure in self._measures:
            if measure and (text := measure.text(trainer.step)):
                progress.say(text)
        if trainer.reports_now:
            recorder.report(trainer.step, trainer.epoch, trainer.samples, progress)
        with recorder.untimed():
            if trainer.saves_now and not trainer.is_saved:
                self._save()
            elif trainer.saves_delta_now:
                trainer.save_delta(recorder.pending, self._best_step)
            self._evaluate(progress)
        if self._stopping and trainer.evaluates_now:
            self._stopped = self._agree(self._wants_to_stop)

    @property
    def _wants_to_stop(self) -> bool:
        return self._stopping is not None and self._stopping.stops

    def _goes_on(self) -> bool:
        return self._trainer.step < self._trainer.total and not self._stopped

    def _save(self) -> None:
        self._trainer.save(self._recorder.pending, self._best_step)
        self._recorder.activations(self._trainer.step, self._trainer.activations())

    @property
    def _best_step(self) -> int | None:
        best = self._stopping.best if self._stopping else None
        return best.step if best else None

    def _evaluate(self, progress: TrainingProgress) -> None:
        step = self._trainer.step
        if self._evaluation_of(step) or not self._trainer.evaluates_now:
            return
        with self._interruption.at_once():
            found = self._evaluator(self._dataset, TEST, step)
        self._latest = found
        self._recorder.evaluation(found)
        if step < self._trainer.total:
            progress.say(found.line)
        if self._stopping:
            self._stopping.add(found)

    def _evaluation_of(self, step: int) -> Evaluation | None:
        return self._latest if self._latest and self._latest.step == step else None

    def _introduction(self) -> str:
        trainer, config = self._trainer, self._config
        length = f"{trainer.total:,} steps"
        if not (config.steps or config.epochs):
            length += f" ({DEFAULT_EPOCHS:,} epochs, as --steps 0 means)"
        rows = f"{config.batch_size:,} rows ({trainer.steps_per_epoch:,} an epoch)"
        if not self._goes_on():
            return f"{self._run.path} is finished: {trainer.step:,} of {trainer.total:,} steps"
        if trainer.step:
            return (
                f"Going on at step {trainer.step:,} of {length} of {rows} in {self._run.path}, "
                f"from {self._restored}"
            )
        return f"Training {length} of {rows} into {self._run.path}"

    def _command(self) -> str:
        return f"smt train --resume {self._run.path}"


def shared_buckets(model: MultiTaskModel) -> str | None:
    """Return in words what ``--multihash`` makes of a model's buckets; None without."""
    layouts = [table.layout for table in model.tables]
    shared = [f for layout in layouts for f in layout.features if f.multihash]
    if not shared:
        return None
    rows = sum(block.rows for feature in shared for block in feature.blocks)
    buckets = sum(feature.column.buckets for feature in shared)
    return (
        f"Multi-hash, on bucket ids: {rows:,} rows for the {buckets:,} buckets of "
        f"{len(shared)} features; the others keep their tables"
    )


def _require_metric(config: TrainConfig, dataset: "Dataset") -> None:
    """Refuse early stopping on a metric that the test split does not define."""
    if config.early_stop_metric is None:
        return
    task, _, name = config.early_stop_metric.rpartition(".")
    tasks = dataset.schema.tasks
    if task not in tasks:
        msg = f"--early-stop-metric {task}.{name}: there is no task {task!r}, only {list(tasks)}."
        raise UserError(msg)
    if name == "gauc" and dataset.schema.user_column is None:
        msg = f"--early-stop-metric {task}.gauc needs a user_column in the schema."
        raise UserError(msg)
    rows, positives = dataset[TEST].rows, dataset[TEST].label_counts[tasks[task]]
    if positives in (0, rows) and name != "log_loss":
        msg = (
            f"--early-stop-metric {task}.{name} is undefined: split {TEST} has "
            f"{positives:,} positives of {task} in {rows:,} rows."
        )
        raise UserError(msg)
