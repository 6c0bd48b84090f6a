"""Trains with parameter servers: each worker updates them without waiting for the others."""

import time
from contextlib import ExitStack

import tensorflow as tf

from smt_features.lock import locked
from smt_model.config import TrainConfig
from smt_model.distributed.cluster import Cluster
from smt_model.distributed.options import PARAMETER_SERVER, require_supported
from smt_model.distributed.served_trainer import ServedTrainer
from smt_model.distributed.server_graph import ENDED, ending_of
from smt_model.distributed.watch import Watch
from smt_model.evaluation import Evaluator
from smt_model.interruption import Interruption, StopRequestedError
from smt_model.origin import Origin
from smt_model.progress import tell
from smt_model.report import Evaluation
from smt_model.resume import find_start
from smt_model.run_directory import RunDirectory
from smt_model.statistic_steps import StatisticSteps
from smt_model.training import Training, native_bf16, open_dataset
from smt_schemas import UserError

_POLL_SECONDS = 1.0


def serve(cluster: Cluster) -> None:
    """Hold variables until the chief ends the run.

    Raises
    ------
    UserError
        When the chief is lost.
    StopRequestedError
        When SIGTERM or SIGINT came.
    """
    task = cluster.task
    target = _server(cluster).target
    with tf.Graph().as_default():
        ending = ending_of(task.index)
        known = tf.raw_ops.VarIsInitializedOp(resource=ending.handle)
        now = ending.read_value()
        session = tf.compat.v1.Session(
            target, config=tf.compat.v1.ConfigProto(device_filters=[f"/job:ps/task:{task.index}"])
        )
    tell(f"{task.text}: serving")
    with Interruption() as interruption, Watch(cluster.chief) as watch:
        while not (session.run(known) and session.run(now) == ENDED):
            time.sleep(_POLL_SECONDS)
            interruption.check()
            watch.check()
    tell(f"{task.text}: done")


def train(config: TrainConfig, cluster: Cluster, run: RunDirectory) -> Evaluation | None:
    """Do one worker's part; the chief also saves, reports and evaluates.

    Raises
    ------
    UserError
        When the chief or a server is lost, and as `smt_model.training.train`.
    StopRequestedError
        When SIGTERM or SIGINT came; the chief saves the run then.
    """
    dataset = open_dataset(config)
    config = config.with_options_of(dataset.schema)
    require_supported(config, PARAMETER_SERVER)
    target = _server(cluster).target
    if cluster.task != cluster.chief:
        quiet = config.model_copy(update={"timeline": 0})
        native = native_bf16(config, None)
        _follow(ServedTrainer(quiet, dataset, run, native, cluster, target), cluster)
        return None
    with locked(run.path, "--checkpoint"), ExitStack() as held:
        start = find_start(run, config, Origin.of(dataset), tell)
        run.write_config(config)
        native = native_bf16(config, start)
        others = {
            number: held.enter_context(Watch(task))
            for number, task in enumerate(cluster.trainers)
            if task != cluster.task
        }
        trainer = ServedTrainer(config, dataset, run, native, cluster, target, others)
        trainer.begin(start)
        training = Training(
            config,
            dataset,
            run,
            trainer,
            start,
            StatisticSteps.of(),
            evaluator=Evaluator(trainer.model, trainer.served.predict),
        )
        try:
            result = training.finish()
        except (UserError, StopRequestedError):
            trainer.parameters.progress.end()
            raise
        trainer.parameters.progress.end()
        return result


def _follow(trainer: ServedTrainer, cluster: Cluster) -> None:
    task = cluster.task
    with Interruption() as interruption, Watch(cluster.chief) as watch:

        def check() -> None:
            interruption.check()
            watch.check()

        trainer.join(check)
        tell(f"{task.text}: training from step {trainer.step:,} on")
        with trainer.batches(trainer.total) as batches:
            for batch in batches:
                trainer.take(batch)
                check()
                if trainer.ended or trainer.step >= trainer.total:
                    break
    tell(f"{task.text}: {'the chief ended the run' if trainer.ended else 'done'}")


def _server(cluster: Cluster) -> tf.distribute.Server:
    threading = tf.config.threading
    return tf.distribute.Server(
        tf.train.ClusterSpec(
            {
                role: [task.address for task in cluster.of_role(role)]
                for role in ("chief", "worker", "ps")
                if cluster.of_role(role)
            }
        ),
        job_name=cluster.task.role,
        task_index=cluster.task.index,
        config=tf.compat.v1.ConfigProto(
            inter_op_parallelism_threads=threading.get_inter_op_parallelism_threads(),
            intra_op_parallelism_threads=threading.get_intra_op_parallelism_threads(),
        ),
    )
