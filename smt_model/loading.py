"""Loads the model of a run."""

from collections.abc import Callable
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
from smt_model.resume import Start, newest_sound
from smt_model.run_directory import RunDirectory
from smt_schemas import DatasetSchema, UserError


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


def newest(run: RunDirectory) -> Start:
    """Return the newest sound checkpoint or delta of a run, telling of those that are damaged."""
    return newest_sound(run, tell)


def load_run(run: Path, find: Callable[[RunDirectory], Start] = newest) -> TrainedModel:
    """Load a model of a run, which may be training on; call `runtime.start_tensorflow` before.

    Parameters
    ----------
    run
        The run directory.
    find
        Chooses the checkpoint or delta.

    Raises
    ------
    UserError
        When there is no run, or no checkpoint that is not damaged; what `find` raises. Not when
        the run has saved something meanwhile, which deletes what is older: then it looks again.
    """
    directory = RunDirectory(run)
    config = directory.config
    while True:
        found = directory.restorable()
        try:
            start = find(directory)
            schema, native = start.state.origin.dataset_schema, start.state.bf16_native
            model = make_model(config, schema, bf16_native=native)
            start.load(model)
        except UserError:
            if directory.restorable() == found:
                raise
            continue
        return TrainedModel(directory, config, start, model)
