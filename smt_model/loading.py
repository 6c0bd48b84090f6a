"""Loads the model of a run."""

from dataclasses import dataclass
from pathlib import Path

from smt_features import open_shards
from smt_features.vocabulary import NO_VOCABULARIES, Vocabularies
from smt_model.assembly import make_model
from smt_model.checkpoint import State
from smt_model.config import TrainConfig
from smt_model.model import MultiTaskModel
from smt_model.origin import Origin
from smt_model.progress import tell
from smt_model.resume import Start, load_while_training, newest_sound
from smt_model.run_directory import RunDirectory
from smt_schemas import DatasetSchema


@dataclass(frozen=True)
class TrainedModel:
    """A run's newest checkpoint or delta, loaded.

    Attributes
    ----------
    run
        The run directory.
    config
        Its options.
    start
        What was loaded.
    model
        The model, without optimizer slots.
    """

    run: RunDirectory
    config: TrainConfig
    start: Start
    model: MultiTaskModel

    @property
    def state(self) -> State:
        """Everything of the checkpoint that is not a tensor."""
        return self.start.state

    @property
    def schema(self) -> DatasetSchema:
        """The schema of the data that it was trained on."""
        return self.state.origin.dataset_schema

    @property
    def hash_seed(self) -> int:
        """Seed of the hash that made the buckets."""
        return int(self.state.origin.hash["seed"])

    @property
    def vocabularies(self) -> Vocabularies:
        """The vocabularies of the schema's vocab columns, which lie with the run's data.

        Raises
        ------
        UserError
            When the data cannot be read, or is no longer of the same kind.
        """
        if not self.schema.vocab_columns:
            return NO_VOCABULARIES
        dataset = open_shards(self.config.data_location)
        self.state.origin.require_same(Origin.of(dataset), f"The model in {self.run.path}")
        return dataset.vocabularies


def load_run(run: Path) -> TrainedModel:
    """Load the newest sound checkpoint or delta of a run; call `runtime.start_tensorflow` before.

    Raises
    ------
    UserError
        When there is no run, or no checkpoint that is not damaged.
    """
    directory = RunDirectory(run)
    config = directory.config

    def find() -> Start:
        return newest_sound(directory, tell)

    def make(state: State) -> MultiTaskModel:
        return make_model(config, state.origin.dataset_schema, bf16_native=state.bf16_native)

    return TrainedModel(directory, config, *load_while_training(directory, find, make))
