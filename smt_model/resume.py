"""Finds the checkpoint from which a run goes on, and refuses to go on as another run."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from smt_model import checkpoint
from smt_model.config import TrainConfig
from smt_model.origin import Origin
from smt_model.run_directory import RunDirectory
from smt_schemas import UserError


class Start(NamedTuple):
    """A checkpoint and its state."""

    path: Path
    state: checkpoint.State


def newest_sound(run: RunDirectory, say: Callable[[str], None]) -> Start:
    """Return the newest checkpoint that is not damaged; `say` hears of those that are.

    Raises
    ------
    UserError
        When there is none.
    """
    run.newest_checkpoint()
    for path in reversed(run.checkpoints()):
        try:
            return Start(path, checkpoint.read_state(path))
        except UserError as error:
            say(f"{error}. Trying the one before it.")
    msg = f"{run.path} has no checkpoint that is not damaged. Train anew in another directory."
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
