"""Trains with workers that make each update together."""

import hashlib
import json
from functools import partial
from typing import TYPE_CHECKING

from smt_features.lock import locked
from smt_model.assembly import assemble
from smt_model.config import TrainConfig
from smt_model.distributed.agreement import SharedInterruption
from smt_model.distributed.cluster import Cluster
from smt_model.distributed.options import MULTI_WORKER, require_supported
from smt_model.distributed.synchronous import Agreement, SynchronousStep, connect
from smt_model.loss import Loss
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer
from smt_model.origin import Origin
from smt_model.progress import tell
from smt_model.report import Evaluation
from smt_model.resume import Start, find_start
from smt_model.run_directory import RunDirectory
from smt_model.statistic_steps import StatisticSteps
from smt_model.trainer import Trainer
from smt_model.training import Training, begin, native_bf16, open_dataset
from smt_schemas import UserError

if TYPE_CHECKING:
    from smt_features import Dataset


def train(config: TrainConfig, cluster: Cluster, run: RunDirectory) -> Evaluation | None:
    """Do one worker's part; the chief also saves, reports and evaluates.

    A batch of the run has ``batch_size`` rows for each worker, and is the batch that one process
    would have with that many; so checkpoints are those of one process, too.

    Raises
    ------
    UserError
        When the workers have not the same data and options, and as `smt_model.training.train`.
    StopRequestedError
        When a worker was asked to stop; the run is saved then.
    """
    workers = cluster.trainers
    whole = config.model_copy(update={"batch_size": config.batch_size * len(workers)})
    dataset = open_dataset(whole)
    whole = whole.with_options_of(dataset.schema)
    require_supported(whole, MULTI_WORKER)
    worker = _Worker(whole, cluster, run, dataset)
    worker.require_equal()
    if cluster.task != cluster.chief:
        worker.follow()
        return None
    with locked(run.path, "--checkpoint"):
        return worker.lead(config)


class _Worker:
    def __init__(
        self, config: TrainConfig, cluster: Cluster, run: RunDirectory, dataset: "Dataset"
    ) -> None:
        self._config = config
        self._run = run
        self._dataset = dataset
        self._task = cluster.task
        self._share = cluster.trainers.index(cluster.task), len(cluster.trainers)
        self._strategy = connect(cluster)
        self._agreement = Agreement(self._strategy)
        self._interruption = SharedInterruption()

    def require_equal(self) -> None:
        """Compare data, deciding options, and those that say when workers meet and end."""
        meeting = {"steps", "epochs", "evaluate", "eval_steps", "early_stop_metric"}
        decisive = [
            self._config.deciding(),
            self._config.model_dump(mode="json", include=meeting),
            Origin.of(self._dataset).dataset,
        ]
        text = json.dumps(decisive, sort_keys=True)
        number = int(hashlib.sha256(text.encode()).hexdigest()[:12], 16)
        if self._agreement.sum(number) != number * self._share[1]:
            msg = (
                f"{self._task.text} and the other workers have not the same options, or not the "
                f"same data in {self._config.data_location}. Start them with equal ones."
            )
            raise UserError(msg)

    def lead(self, config: TrainConfig) -> Evaluation | None:
        """Train as the chief; `config` is kept with the run."""
        start = find_start(self._run, self._config, Origin.of(self._dataset), tell)
        self._run.write_config(config)
        self._agreement.sum(_number_of(start) if start else 0)
        training = Training(
            self._config,
            self._dataset,
            self._run,
            self._trainer(self._config, start),
            start,
            StatisticSteps.of(),
            interruption=self._interruption,
            agree=self._stops,
        )
        result = training.finish()
        self._agreement.sum(0)  # no worker ends before all is saved
        return result

    def follow(self) -> None:
        """Train as the chief does, and leave the rest to it."""
        number = self._agreement.sum(0)
        config = self._config.model_copy(update={"timeline": 0})
        trainer = self._trainer(config, _start_at(self._run, number) if number else None)
        tell(f"{self._task.text}: training from step {trainer.step:,} to {trainer.total:,}")
        with self._interruption:
            self._follow(trainer)
        self._agreement.sum(0)
        tell(f"{self._task.text}: done at step {trainer.step:,}")

    def _follow(self, trainer: Trainer) -> None:
        early = self._config.early_stop_metric is not None
        stopped = self._stops(False)
        if stopped or trainer.step >= trainer.total:
            return
        with trainer.batches(trainer.total) as batches:
            ready = iter(batches)
            while trainer.step < trainer.total and not stopped:
                trainer.advance(ready)
                self._interruption.check()
                if early and trainer.evaluates_now:
                    stopped = self._stops(False)

    def _trainer(self, config: TrainConfig, start: Start | None) -> Trainer:
        def make_step(model: MultiTaskModel, optimizer: Optimizer, loss: Loss) -> SynchronousStep:
            return SynchronousStep(
                self._strategy,
                model,
                optimizer,
                loss,
                clip_norm=config.clip_norm,
                micro_batches=config.micro_batch,
                interruption=self._interruption,
            )

        trainer = Trainer(
            config,
            self._dataset,
            self._run,
            self._native_bf16(start),
            share=self._share,
            assemble=partial(assemble, make_step=make_step),
        )
        begin(trainer, config, self._dataset, self._run, start)
        return trainer

    def _native_bf16(self, start: Start | None) -> bool | None:
        """Return which kernels the chief uses: another machine's measurement may differ."""
        if not self._config.bf16:
            return None
        leads = self._share[0] == 0
        return self._agreement.sum(int(leads and native_bf16(self._config, start) is True)) > 0

    def _stops(self, wish: bool) -> bool:
        return self._agreement.sum(int(wish)) > 0


def _number_of(start: Start) -> int:
    """Return what tells the others where the chief goes on, at a full checkpoint or at a delta."""
    return 2 * start.state.step + (start.base is not None)


def _start_at(run: RunDirectory, number: int) -> Start:
    step, is_delta = divmod(number, 2)
    path = run.delta(step) if is_delta else run.checkpoint(step)
    if not path.is_dir():
        msg = (
            f"The chief goes on from {path}, which this process does not see. Give --checkpoint a "
            "folder that all processes share."
        )
        raise UserError(msg)
    return Start.read(run, path)
