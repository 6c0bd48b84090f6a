"""A model is loaded from a run that trains on meanwhile, or whose checkpoints are of no use."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smt_model import checkpoint
from smt_model.config import TrainConfig
from smt_model.evaluation import evaluate_run
from smt_model.training import train
from smt_schemas import UserError


def config(data: Path, run: Path, **options: Any) -> TrainConfig:
    fields = {"batch_size": 64, "evaluate": False, **options}
    return TrainConfig(data_location=str(data), checkpoint=str(run), **fields)


def trains_on_once(data: Path, run: Path, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that first lets the run train on and delete its checkpoint."""
    left = [1]

    def called(*arguments: Any) -> Any:
        if left:
            left.pop()
            train(config(data, run, steps=20))
        return original(*arguments)

    return called


@pytest.mark.parametrize("reads", ["read_state", "read_arrays"])
def test_a_run_that_trains_on_meanwhile_is_evaluated_at_its_new_checkpoint(
    reads: str, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    train(config(dataset, run, steps=10))
    original = getattr(checkpoint, reads)
    monkeypatch.setattr(checkpoint, reads, trains_on_once(dataset, run, original))

    assert evaluate_run(run, None, "test").step == 20


def test_of_two_checkpoints_a_damaged_one_and_one_of_another_model_end_the_search(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = train(
        config(dataset, tmp_path / "run", steps=40, save_steps=20, keep_checkpoint_max=2)
    )
    (file,) = run.checkpoints()[1].glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-1])

    def read_arrays(_directory: Path, _state: checkpoint.State) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(checkpoint, "read_arrays", read_arrays)

    with pytest.raises(UserError, match="is of another model"):
        evaluate_run(run.path, None, "test")
