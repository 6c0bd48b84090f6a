"""Which way of training with several processes is meant, and what it goes without."""

from smt_model.config import StrategyName, TrainConfig
from smt_model.distributed.cluster import Cluster
from smt_schemas import UsageError

PARAMETER_SERVER: StrategyName = "parameter-server"
MULTI_WORKER: StrategyName = "multi-worker"
NONE: StrategyName = "none"


def strategy_of(config: TrainConfig, cluster: Cluster) -> StrategyName:
    """Return the strategy that is asked for, or else the one that fits the cluster.

    Raises
    ------
    UsageError
        When the cluster lacks what it needs.
    """
    servers, trainers = cluster.of_role("ps"), cluster.trainers
    chosen = config.strategy
    if chosen is None:
        alone = len(trainers) == 1 and not cluster.has_evaluator
        chosen = PARAMETER_SERVER if servers else NONE if alone else MULTI_WORKER
    if chosen == PARAMETER_SERVER and not servers:
        msg = "--strategy parameter-server needs ps tasks, and TF_CONFIG lists none in cluster.ps."
        raise UsageError(msg)
    return chosen


def require_supported(config: TrainConfig, strategy: StrategyName) -> None:
    """Refuse what a strategy goes without.

    Raises
    ------
    UsageError
        Naming the option and the reason.
    """
    own_vectors = "keys are admitted by one process's counts, which the others would not know"
    reasons = {
        "--tf": (config.tf, "the reference path is that of one process"),
        "--ev": (config.ev, own_vectors),
        "--adaptive-emb": (config.adaptive_emb, own_vectors),
        "embedding options of a column": (
            bool(config.columns),
            "one process knows how it keeps the vectors of a feature, the others would not",
        ),
        "--incremental-ckpt": (
            config.incremental_ckpt > 0,
            "the chief knows the rows that its own batches touch, not those of the others",
        ),
        "--multihash": (
            config.multihash and strategy == PARAMETER_SERVER,
            "tables on parameter servers have one row for each bucket",
        ),
        "--init-from": (
            config.init_from is not None and strategy == PARAMETER_SERVER,
            "tables on parameter servers start from a checkpoint of the same run alone",
        ),
        "--async-embedding": (
            config.async_embedding,
            "workers of parameter servers are asynchronous already, and those without wait for "
            "each other at every step",
        ),
        "--workqueue": (
            config.workqueue and strategy == MULTI_WORKER,
            "workers that make every step together have nothing to gain from files that are "
            "handed out; it is for parameter servers and for one process",
        ),
    }
    for option, (wanted, reason) in reasons.items():
        if wanted:
            msg = f"{option} does not go with the {strategy} strategy: {reason}."
            raise UsageError(msg)
