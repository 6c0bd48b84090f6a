"""Starts a run from another one's tables and towers (``--init-from``)."""

from pathlib import Path
from typing import TYPE_CHECKING

from smt_model.ev.beginnings import NAME as BEGINNINGS
from smt_model.ev.beginnings import find_beginnings, load_beginnings, save_beginnings
from smt_model.loading import load_run
from smt_model.model import MultiTaskModel
from smt_model.origin import Origin
from smt_model.progress import tell
from smt_model.run_directory import RunDirectory
from smt_model.transfer import Transfer

if TYPE_CHECKING:
    from smt_features import Dataset

TRAIN = "train"


def start_from(source: Path, model: MultiTaskModel, dataset: "Dataset", run: RunDirectory) -> None:
    """Take what fits of the newest checkpoint of another run, and say what that is.

    Values are taken; optimizer slots, steps and Bloom filters start afresh.

    Raises
    ------
    UserError
        When that run cannot be read.
    """
    trained = load_run(source)
    tell(f"Starting from {source} at step {trained.state.step:,}")
    transfer = Transfer(trained, model, Origin.of(dataset))
    transfer.run()
    for line in transfer.lines():
        tell(line)
    if model.embedding_variables:
        beginnings = find_beginnings(dataset[TRAIN], transfer.beginnings)
        save_beginnings(run.path / BEGINNINGS, beginnings)
        model.begin_with(beginnings)


def go_on_from(model: MultiTaskModel, run: RunDirectory) -> None:
    """Give new keys of a run that started from another, and goes on, what they begin with.

    Raises
    ------
    UserError
        When the run no longer has what it kept of that.
    """
    if model.embedding_variables:
        names = [column.name for column in model.schema.features]
        model.begin_with(load_beginnings(run.path / BEGINNINGS, names))
