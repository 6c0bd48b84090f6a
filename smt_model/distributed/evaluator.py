"""A process that evaluates each checkpoint of a run beside its training."""

import time

from smt_model import checkpoint
from smt_model.assembly import make_model
from smt_model.config import TrainConfig
from smt_model.distributed.cluster import Cluster
from smt_model.distributed.watch import Watch
from smt_model.evaluation import Evaluator
from smt_model.interruption import Interruption
from smt_model.metrics_log import MetricsLog
from smt_model.origin import Origin
from smt_model.progress import tell
from smt_model.report import Evaluation
from smt_model.run_directory import RunDirectory
from smt_model.training import TEST, open_dataset
from smt_schemas import UserError

METRICS = "evaluator.jsonl"
"""In the run directory: metrics.jsonl is the chief's."""

_POLL_SECONDS = 1.0


def evaluate_as_saved(config: TrainConfig, cluster: Cluster, run: RunDirectory) -> Evaluation:
    """Evaluate the newest checkpoint whenever there is a new one, until the chief is gone.

    Returns
    -------
    Evaluation
        That of the last checkpoint.

    Raises
    ------
    UserError
        When there never was a checkpoint, or one is of other data.
    StopRequestedError
        When SIGTERM or SIGINT came.
    """
    dataset = open_dataset(config)
    log = MetricsLog(run.path / METRICS)
    evaluator: Evaluator | None = None
    latest: Evaluation | None = None
    with Interruption() as interruption, Watch(cluster.chief) as watch:
        while True:
            ends = watch.lost  # before looking for the last time
            found = run.checkpoints()
            if found and (latest is None or found[-1] != run.checkpoint(latest.step)):
                try:
                    state = checkpoint.read_state(found[-1])
                    state.origin.require_same(Origin.of(dataset), f"The model in {run.path}")
                    if evaluator is None:  # with the kernels that the chief uses
                        native = state.bf16_native
                        evaluator = Evaluator(
                            make_model(config, dataset.schema, bf16_native=native)
                        )
                    checkpoint.restore(found[-1], state, evaluator.model)
                except UserError:
                    if run.checkpoints()[-1:] == found[-1:]:
                        raise
                    continue  # a newer one took its place, and this one is being deleted
                with interruption.at_once():
                    latest = evaluator(dataset, TEST, state.step)
                log.append(latest.model_dump())
                tell(latest.line)
            elif ends:
                break
            interruption.check()
            time.sleep(_POLL_SECONDS)
    if latest is None:
        msg = f"{cluster.chief.text} is gone, and there is no checkpoint in {run.path}."
        raise UserError(msg)
    return latest
