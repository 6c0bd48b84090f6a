"""Finds the checkpoint from which a run goes on, and refuses to go on as another run."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from smt_model import checkpoint, delta
from smt_model.checkpoint import FileRecord
from smt_model.config import TrainConfig
from smt_model.model import MultiTaskModel
from smt_model.optimizer import Optimizer
from smt_model.origin import Origin
from smt_model.run_directory import RunDirectory
from smt_schemas import UserError


class Start(NamedTuple):
    """A checkpoint and its state.

    Attributes
    ----------
    path, state
        The full checkpoint, or the delta.
    base
        The full checkpoint that a delta is for.
    """

    path: Path
    state: checkpoint.State
    base: "Start | None" = None

    @property
    def files(self) -> dict[str, FileRecord]:
        """The files of tensors that are loaded, by their path in the folder of checkpoints."""
        mine = {f"{self.path.name}/{name}": file for name, file in self.state.files.items()}
        return {**self.base.files, **mine} if self.base else mine

    @property
    def names(self) -> str:
        """Names of the full checkpoint and of the delta, if there is one."""
        return f"{self.base.names} + {self.path.name}" if self.base else self.path.name

    def load(self, model: MultiTaskModel, optimizer: Optimizer | None = None) -> None:
        """Load all tensors, those of a delta last; see `checkpoint.restore`."""
        if self.base:
            self.base.load(model, optimizer)
            delta.restore(self.path, self.state, model, optimizer)
        else:
            checkpoint.restore(self.path, self.state, model, optimizer)

    @classmethod
    def read(cls, run: RunDirectory, path: Path) -> "Start":
        """Read the state of a checkpoint, or of a delta and its full checkpoint.

        Raises
        ------
        DamagedError
            When one is damaged, or they do not belong together.
        UserError
            When one cannot be read.
        """
        state = checkpoint.read_state(path)
        if state.base is None:
            return cls(path, state)
        base = cls(full := run.checkpoint(state.base.step), checkpoint.read_state(full))
        if checkpoint.base_of(base.state) != state.base:
            msg = f"The delta {path} is for another checkpoint than {full}"
            raise checkpoint.DamagedError(msg)
        return cls(path, state, base)


def newest_sound(run: RunDirectory, say: Callable[[str], None]) -> Start:
    """Return the newest checkpoint or delta that is not damaged; `say` hears of those that are.

    Raises
    ------
    UserError
        When there is none, or the newest cannot be read: to go on from an older one would give up
        what may be sound.
    """
    run.newest_checkpoint()
    while True:
        found = run.restorable()
        for path in reversed(found):
            try:
                return Start.read(run, path)
            except UserError as error:
                if run.restorable() != found:
                    break  # it was deleted by a training that saved a newer one: look again
                if not isinstance(error, checkpoint.DamagedError):
                    raise
                say(f"{error}. Trying the one before it.")
        else:
            msg = (
                f"{run.path} has no checkpoint that is not damaged. "
                "Train anew in another directory."
            )
            raise UserError(msg)


def find_start(
    run: RunDirectory, config: TrainConfig, origin: Origin, say: Callable[[str], None]
) -> Start | None:
    """Return where a run goes on, and drop what it wrote after that; None for the beginning.

    Raises
    ------
    UserError
        When the options or the data are not those of the run, naming every difference, or all
        checkpoints are damaged.
    """
    if not run.checkpoints():
        run.rewind(0)
        return None
    start = newest_sound(run, say)
    found = config.differences(start.state.options)
    if found:
        msg = (
            f"{run.path} holds a run with other options (that run's against given): "
            + "; ".join(found)
            + ". Give --checkpoint another directory to start a new run."
        )
        raise UserError(msg)
    start.state.origin.require_same(origin, f"The run in {run.path}")
    if start.state.origin.dataset != origin.dataset:
        msg = (
            f"The run in {run.path} was trained on other rows: {config.data_location} has been "
            "prepared anew since. Give --data-location that dataset, or start a new run."
        )
        raise UserError(msg)
    run.rewind(start.state.step)
    return start
