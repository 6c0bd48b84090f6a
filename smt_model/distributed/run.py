"""``smt train`` in a cluster: what each process does."""

from pathlib import Path

from smt_model.config import StrategyName, TrainConfig
from smt_model.distributed import apart, together
from smt_model.distributed.cluster import Cluster, Task
from smt_model.distributed.evaluator import evaluate_as_saved
from smt_model.distributed.loss_of_peers import explained
from smt_model.distributed.options import (
    MULTI_WORKER,
    NONE,
    PARAMETER_SERVER,
    require_supported,
    strategy_of,
)
from smt_model.distributed.rendezvous import meet
from smt_model.effect import require_effect
from smt_model.progress import tell
from smt_model.report import Evaluation
from smt_model.run_directory import RunDirectory
from smt_model.training import train
from smt_schemas import UsageError

RUN = "model_SimpleMultiTask"
"""The run directory under ``--output-dir``, if none is named: the same one for all processes."""


def train_in_cluster(
    config: TrainConfig, cluster: Cluster, resume: Path | None = None
) -> tuple[RunDirectory | None, Evaluation | None]:
    """Do this process's part of a training run.

    Parameters
    ----------
    config, resume
        As for `smt_model.training.train`.
    cluster
        All processes, and which of them this one is.

    Returns
    -------
    tuple of RunDirectory or None, and Evaluation or None
        The run directory, for a process that trains; its metrics, for the one that evaluates.

    Raises
    ------
    UsageError
        When the options do not fit the cluster, or one would change nothing.
    UserError
        When a process does not appear or is lost, and as `smt_model.training.train`.
    StopRequestedError
        When SIGTERM or SIGINT came to one of the processes.
    """
    strategy = strategy_of(config, cluster)
    task = cluster.task
    given = Path(config.checkpoint) if config.checkpoint else Path(config.output_dir) / RUN
    run = RunDirectory(resume or given)
    if strategy == NONE:
        return train(config.model_copy(update={"checkpoint": str(run.path)}), resume)
    require_supported(config, strategy)
    if task.role == "ps" and strategy == MULTI_WORKER:
        msg = f"TF_CONFIG: task.type: the {strategy} strategy has nothing to do for {task.text}"
        raise UsageError(msg)
    if cluster.has_evaluator and task.role != "evaluator":
        if config.early_stop_metric:
            msg = "--early-stop-metric is for a chief that evaluates: leave cluster.evaluator out."
            raise UsageError(msg)
        config = config.model_copy(update={"evaluate": False})
    # Without the schema: a cluster goes without options of columns, so that none uses them.
    require_effect(config, run.path)
    peers = _peers(cluster, strategy)
    tell(f"{task.text}: waiting for {', '.join(peer.text for peer in peers)}")
    meet(cluster, peers, config.startup_timeout)
    with explained(peers, run):
        if task.role == "evaluator":
            return run, evaluate_as_saved(config, cluster, run)
        if strategy == MULTI_WORKER:
            return run, together.train(config, cluster, run)
        if task.role == "ps":
            apart.serve(cluster)
            return None, None
        return run, apart.train(config, cluster, run)


def _peers(cluster: Cluster, strategy: StrategyName) -> list[Task]:
    """Return the processes without which this one has nothing to do."""
    task = cluster.task
    if task == cluster.chief or (strategy == MULTI_WORKER and task in cluster.trainers):
        servers = cluster.of_role("ps") if strategy == PARAMETER_SERVER else []
        return [peer for peer in [*cluster.trainers, *servers] if peer != task]
    return [cluster.chief, *(cluster.of_role("ps") if task.role == "worker" else [])]
