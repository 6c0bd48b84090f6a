"""Trains a model, from the options to the metrics."""

from smt_features import open_shards
from smt_model.config import TrainConfig
from smt_model.evaluation import evaluate
from smt_model.progress import TrainingProgress
from smt_model.recorder import Recorder
from smt_model.report import Evaluation
from smt_model.run_directory import RunDirectory
from smt_model.task_weight import task_weights
from smt_model.trainer import TRAIN, Trainer

TEST = "test"


def train(config: TrainConfig) -> tuple[RunDirectory, Evaluation | None]:
    """Train as configured, save, and evaluate unless the configuration says otherwise.

    Returns
    -------
    tuple of RunDirectory, and Evaluation or None

    Raises
    ------
    UserError
        When the data cannot be read or lacks a split, the loss is not finite, or a file
        cannot be written.
    """
    dataset = open_shards(config.data_location)
    for split in [TRAIN, TEST] if config.evaluate else [TRAIN]:
        dataset[split]
    task_weights(config.task_weight, dataset.schema.tasks)
    run = RunDirectory.create(config)
    trainer = Trainer(config, dataset, run)
    recorder = Recorder(run, list(dataset.schema.tasks))
    with TrainingProgress(trainer.total) as progress:
        progress.say(
            f"Training {trainer.total:,} steps of {config.rows_per_step:,} rows "
            f"({trainer.steps_per_epoch:,} an epoch) into {run.path}"
        )
        _loop(trainer, recorder, progress)
    if not config.evaluate:
        return run, None
    result = evaluate(trainer.model, dataset, TEST, trainer.step)
    recorder.evaluation(result)
    return run, result


def _loop(trainer: Trainer, recorder: Recorder, progress: TrainingProgress) -> None:
    with trainer.batches() as batches:
        ready = iter(batches)
        while trainer.step < trainer.total:
            recorder.add(trainer.advance(ready))
            progress.advance(trainer.step)
            if trainer.reports_now:
                recorder.report(trainer.step, trainer.epoch, progress)
            if trainer.saves_now:
                with recorder.untimed():
                    trainer.save()
