"""Loads the model of a run."""

from dataclasses import dataclass
from pathlib import Path

from smt_model import checkpoint
from smt_model.assembly import make_model
from smt_model.config import TrainConfig
from smt_model.model import MultiTaskModel
from smt_model.run_directory import RunDirectory
from smt_schemas import DatasetSchema


@dataclass(frozen=True)
class TrainedModel:
    """A run's newest checkpoint, loaded.

    Attributes
    ----------
    run
        The run directory.
    config
        Its options.
    state
        Everything of the checkpoint that is not a tensor.
    model
        The model, without optimizer slots.
    """

    run: RunDirectory
    config: TrainConfig
    state: checkpoint.State
    model: MultiTaskModel

    @property
    def schema(self) -> DatasetSchema:
        """The schema of the data that it was trained on."""
        return self.state.origin.dataset_schema

    @property
    def hash_seed(self) -> int:
        """Seed of the hash that made the buckets."""
        return int(self.state.origin.hash["seed"])


def load_run(run: Path) -> TrainedModel:
    """Load the newest checkpoint of a run; call `runtime.start_tensorflow` before.

    Raises
    ------
    UserError
        When there is no run or no checkpoint, or a file of it is damaged.
    """
    directory = RunDirectory(run)
    config = directory.config
    path = directory.newest_checkpoint()
    state = checkpoint.read_state(path)
    model = make_model(config, state.origin.dataset_schema)
    checkpoint.restore(path, state, model)
    return TrainedModel(directory, config, state, model)
